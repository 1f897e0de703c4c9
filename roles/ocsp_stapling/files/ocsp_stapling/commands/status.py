# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``status``: the state of all staples, for people, programs and Nagios. It only reads, so any user may run it."""

from __future__ import annotations

import json
import os
import typing as t
from datetime import datetime, timedelta, timezone

from ocsp.errors import sentence
from ocsp.judge.response import SET_BACK
from ocsp.judge.schedule import asked_from
from ocsp.services.timetable import TIMER, Timetable
from ocsp.text import format_time

from .. import record, troubles
from ..certificate_state import (
    deployment_sentence,
    is_not_live,
    is_overdue,
    known_failure,
    renewal_time,
    share_passed,
)
from ..config import Config
from ..in_place import Seen, catch_up, observe
from ..record import Values
from ..state import State
from ..terminal import BAD, GOOD, PLAIN, WARNING, Cell, count, duration, paragraph, table, when, with_times
from ..troubles import CRITICAL, OK, Trouble

_WORDS = ("OK", "WARNING", "CRITICAL")
_COLOURS = (GOOD, WARNING, BAD)

_IGNORED = (troubles.MUST_STAPLE_IGNORED, troubles.STAPLE_IGNORED)
#: What is wrong with a staple that the certificate demands.
_DEMANDED = (troubles.MUST_STAPLE_MISSING, troubles.MUST_STAPLE_IGNORED, troubles.MUST_STAPLE_EXPIRING)

#: Intervals after which a run is missing.
_MISSED = 3


class Line(t.NamedTuple):
    """One certificate: its worst trouble, if any, what to call its staple, and the sentence that explains it."""

    name: str
    trouble: t.Optional[Trouble]
    word: str
    ends: t.Optional[datetime]
    renews: t.Optional[datetime]
    error: str
    sentence: str
    values: Values

    @property
    def level(self) -> int:
        return self.trouble.level if self.trouble is not None else OK


class Problem(t.NamedTuple):
    """What is wrong with all of it."""

    trouble: Trouble
    sentence: str


class Status:
    """What is in place and how it got there, as it looks at a moment; with ``names``, of these certificates alone."""

    def __init__(
        self,
        config: Config,
        state: State,
        now: datetime,
        names: t.Collection[str] = (),
        refused: str = "",
        runs: t.Optional[Timetable] = None,
        unloaded: t.Optional[t.Mapping[str, str]] = None,
        stopped: bool = False,
        machine: bytes = b"",
    ) -> None:
        """``refused`` is why there is no configuration, if there is none: then it tells what the state knows.

        ``runs`` is when the program will run, where that is known. ``unloaded`` is a sentence for each service that may
        still use what was there before. ``stopped``: the timer that should start the program does not run. ``machine``
        is what tells this host from others.
        """
        self.config = config
        self.state = state
        self.now = now
        self.refused = refused
        self.runs = runs
        self.unloaded = unloaded or {}
        self.stopped = stopped
        self.machine = machine
        self.interval = runs.interval if runs is not None else config.interval
        self.named = bool(names)
        catch_up(config, state, now)
        seen = observe(config, state, names, now, refused)
        self.lines = [self._guard(name, one) for name, one in seen.items()]
        self.lines.sort(key=_urgency)
        self.problems = sorted(self._problems(), key=lambda problem: troubles.rank(problem.trouble))

    @property
    def level(self) -> int:
        levels = [line.level for line in self.lines] + [problem.trouble.level for problem in self.problems]
        return max(levels, default=OK)

    # One certificate

    def _guard(self, name: str, seen: Seen) -> Line:
        """One certificate; what fails there is said and hides no other."""
        try:
            return self._line(name, seen)
        except Exception as error:
            sentence = f"{name}: it was not checked because of an internal error ({type(error).__name__}: {error})"
            return Line(name, troubles.NOT_SEEN, troubles.NOT_SEEN.word, None, None, "", sentence, {})

    def _line(self, name: str, seen: Seen) -> Line:
        entry = self._with_run(name, seen.values)
        if entry is None:
            sentence = f"{name}: no run has checked it yet, and {seen.unread}; run 'ocsp-stapling status' as root"
            return Line(name, troubles.NOT_SEEN, troubles.NOT_SEEN.word, None, None, "", sentence, {})
        found = sorted(self._troubles(entry), key=troubles.rank)
        worst = found[0] if found else None
        staple = record.mapping(entry, "staple")
        refused = "foreign_file" if record.text_of(entry, "refused") else ""
        code = refused or known_failure(entry)[0] or record.text_of(entry, "code")
        if worst in _IGNORED:
            code = "unfit_for_server"
        if worst in (troubles.NOT_DEPLOYED, troubles.RENEWAL_NOT_LIVE, troubles.RENEWAL_OVERDUE):
            # Without a deployment there has been no attempt at anything.
            code = record.text_of(record.mapping(entry, "deployment"), "code")
        sentence = self._sentence(entry, worst) if worst is not None else ""
        if seen.unread:
            as_of = record.time_of({"written": self.state.written}, "written")
            known = f"this is as of {when(as_of, self.now)}" if as_of is not None else "this may be out of date"
            sentence = f"{sentence}; {known}, since {seen.unread}" if sentence else f"{known}, since {seen.unread}"
        return Line(
            name,
            worst,
            (worst.word if worst is not None else "") or self._word(entry),
            record.time_of(staple, "effective_expiry"),
            record.time_of(entry, "next_attempt"),
            code,
            f"{name}{_whose(entry)}: {sentence}" if sentence else "",
            entry,
        )

    def _with_run(self, name: str, entry: t.Optional[Values]) -> t.Optional[Values]:
        """The same with the run that will ask a responder as the next attempt: a plan alone does nothing."""
        if entry is None or self.runs is None:
            return entry
        planned = record.time_of(entry, "next_attempt")
        if planned is None and self._is_asked_about(name, entry):
            planned = self._first_plan(name, entry)
        if planned is None:
            return entry
        # A run that starts now has started already.
        following = self.runs.first(max(planned, self.now + timedelta(seconds=1)))
        return {**entry, "next_attempt": format_time(following)}

    def _is_asked_about(self, name: str, entry: Values) -> bool:
        """Whether refresh asks about a certificate that it has not seen yet.

        It also does so about one that no owner configures any more, for as long as a server's configuration uses it.
        """
        asked = record.mapping(entry, "certificate").get("has_responder") is True
        if not asked or not self.config.fetch or self.refused or entry.get("deployed") is False:
            return False
        return _is_wanted(entry) or any(one.name == name and one.dropped for one in self.config.certificates)

    def _first_plan(self, name: str, entry: Values) -> datetime:
        """When refresh will ask about what it has not seen yet: at once, unless a staple that is not due is there."""
        staple = record.mapping(entry, "staple")
        since, due = record.time_of(staple, "this_update"), record.time_of(staple, "renew_at")
        if since is None or due is None:
            return self.now
        serial = record.text_of(record.mapping(entry, "certificate"), "serial_number")
        planned = renewal_time(self.machine, name, serial, due, since)
        return asked_from(planned, record.time_of(staple, "effective_expiry"), self.interval)

    def _word(self, entry: Values) -> str:
        if isinstance(entry.get("staple"), dict):
            return "expired" if self._has_passed(entry, "staple", "effective_expiry") else "good"
        return "none" if not _is_wanted(entry) else "missing"

    def _has_passed(self, entry: Values, part: str, key: str) -> bool:
        moment = record.time_of(record.mapping(entry, part), key)
        return moment is not None and moment < self.now

    def _troubles(self, entry: Values) -> t.Iterator[Trouble]:
        code = record.text_of(entry, "code")
        must_staple = record.mapping(entry, "certificate").get("must_staple") is True
        if isinstance(entry.get("revoked"), dict):
            yield troubles.REVOKED
        if entry.get("deployed") is False:
            yield troubles.NOT_DEPLOYED
            return
        staple = record.mapping(entry, "staple")
        if code == "not_configured" and not staple:
            return
        if self._has_passed(entry, "certificate", "not_after"):
            yield troubles.CERTIFICATE_EXPIRED
        elif not staple and _is_wanted(entry):
            yield troubles.STAPLE_MISSING
        ended = bool(staple) and self._has_passed(entry, "staple", "effective_expiry")
        if must_staple and (not staple or ended):
            yield troubles.MUST_STAPLE_MISSING
        if record.text_of(staple, "ignored"):
            yield troubles.MUST_STAPLE_IGNORED if must_staple else troubles.STAPLE_IGNORED
        user = record.text_of(entry, "user")
        if ended:
            yield troubles.STAPLE_EXPIRED_OF_USER if user else troubles.STAPLE_EXPIRED
        passed = 0.0 if ended else share_passed(entry, "staple", "effective_expiry", self.now)
        if must_staple and passed > troubles.MUST_STAPLE_EXPIRING.share:
            yield troubles.MUST_STAPLE_EXPIRING
        if passed > troubles.NOT_RENEWED.share:
            yield troubles.NOT_RENEWED
        if code == "clock_implausible":
            yield troubles.CLOCK
        if record.text_of(entry, "refused"):
            yield troubles.FOREIGN_FILE
        if record.text_of(entry, "unfinished"):
            yield troubles.NOT_INSTALLED
        failing = troubles.of_failure(record.text_of(entry, "failure_code"))
        if failing is not None:
            yield failing
        if is_overdue(entry, self.now) and not user:
            yield troubles.RENEWAL_OVERDUE
        elif is_not_live(entry):
            yield troubles.RENEWAL_NOT_LIVE
        if code == "not_configured":
            yield troubles.NOT_CONFIGURED

    def _sentence(self, entry: Values, worst: Trouble) -> str:
        """What is in place, and why it is not as it should be."""
        code, message = record.text_of(entry, "code"), record.text_of(entry, "message")
        _failure_code, failure = known_failure(entry)
        deployment = deployment_sentence(entry)
        refused, unfinished = record.text_of(entry, "refused"), record.text_of(entry, "unfinished")
        if worst in (troubles.NOT_DEPLOYED, troubles.NOT_CONFIGURED):
            causes = [message]
        elif worst in (troubles.RENEWAL_NOT_LIVE, troubles.RENEWAL_OVERDUE):
            causes = [deployment, self._end_of_certificate(entry), refused, unfinished, failure]
        elif worst is troubles.REVOKED:
            causes = [message or failure, self._place(entry), unfinished, refused]
        elif worst is troubles.FOREIGN_FILE:
            causes = [refused, self._place(entry), failure]
        elif worst is troubles.NOT_INSTALLED:
            causes = [unfinished, self._place(entry), failure]
        else:
            # That there is no response counts where nothing else is known, and what is about to end was said.
            told = code == "expiring" if entry.get("staple") else code == "missing_staple" and (failure or refused)
            causes = [self._place(entry), refused, unfinished, failure, "" if told else message]
            if worst is troubles.CERTIFICATE_EXPIRED and entry.get("staple"):
                causes.insert(0, self._end_of_certificate(entry))
            if worst in _IGNORED:
                causes.insert(0, record.text_of(record.mapping(entry, "staple"), "ignored"))
            if worst in _DEMANDED:
                causes.insert(0, "it requires a staple (must-staple)")
            following = record.time_of(entry, "next_attempt")
            if failure and following is not None:
                causes.append(f"the next attempt is planned for {when(following, self.now)}")
        causes.append(deployment)
        return "; ".join(dict.fromkeys(with_times(cause, self.now) for cause in causes if cause))

    def _end_of_certificate(self, entry: Values) -> str:
        not_after = record.time_of(record.mapping(entry, "certificate"), "not_after")
        if not_after is None:
            return ""
        what = _authority(entry) or "the certificate in place"
        return f"{what} {'expired' if not_after < self.now else 'expires'} at {format_time(not_after)}"

    def _place(self, entry: Values) -> str:
        ends = record.time_of(record.mapping(entry, "staple"), "effective_expiry")
        not_after = record.time_of(record.mapping(entry, "certificate"), "not_after")
        if ends is not None and ends < self.now:
            return f"the staple in place expired at {when(ends, self.now)}; run 'ocsp-stapling apply' as root"
        if ends is not None:
            return f"the staple in place expires at {when(ends, self.now)}"
        if not_after is not None and not_after < self.now:
            what = _authority(entry) or "the certificate"
            return f"{what} expired at {when(not_after, self.now)}; no staple is in place"
        return "no staple is in place"

    # All of it

    def _problems(self) -> t.Iterator[Problem]:
        if self.refused:
            message = f"{self.refused}; until this is corrected, no staple is renewed or withdrawn"
            yield Problem(troubles.RUN_FAILED, message)
        if self._is_disk_full():
            folder = self.config.folders.state
            message = f"the disk of {folder} is full, so no run can finish its work; see 'df -h {folder}'"
            yield Problem(troubles.RUN_FAILED, message)
        if self.state.problem:
            message = f"{self.state.problem}; run 'ocsp-stapling apply' as root"
            yield Problem(troubles.STATE_UNREADABLE, message)
        clock = record.text_of(self.state.clock, "problem")
        if clock:
            yield Problem(troubles.CLOCK, with_times(clock, self.now))
        if self.state.refused:
            yield Problem(troubles.FOREIGN_FILE, self.state.refused)
        for message in self.unloaded.values():
            yield Problem(troubles.NOT_RELOADED, message)
        of_users = [
            record.text_of(record.mapping(self.state.runs, one), "problem_of_users") for one in ("refresh", "apply")
        ]
        for message in dict.fromkeys(filter(None, of_users)):
            yield Problem(troubles.FILE_OF_USER, f"files of other users cannot be used: {_quoted(message)}")
        missed = [problem for command in self._commands() for problem in self._missed(command)]
        yield from missed
        if self.runs is not None and self.runs.is_late:
            waits = f"{TIMER} waits until {when(self.runs.starts[0], self.now)} instead of for its next time"
            hint = f"run 'systemctl restart {TIMER}' as root"
            yield Problem(troubles.NOT_RUNNING, f"{waits}, as after a clock that was ahead; {hint}")
        if self.stopped and not any(problem.trouble is troubles.NOT_RUNNING for problem in missed):
            hint = f"run 'systemctl enable --now {TIMER}' as root"
            yield Problem(troubles.NOT_RUNNING, f"nothing starts the program, as {TIMER} does not run; {hint}")

    def _is_disk_full(self) -> bool:
        """Whether a run could not write anew what it remembers; on such a disk it cannot say so either."""
        folders = self.config.folders
        try:
            disk = os.statvfs(folders.state)
        except OSError:
            return False
        free = disk.f_bavail * disk.f_frsize
        # What is not counted has no total.
        no_files = bool(disk.f_files) and not disk.f_favail
        # Whatever is in the place of the record: refresh writes none that is larger.
        largest = record.largest(len(self.config.certificates))
        needed = max(_size(folders.state_file), min(_size(folders.record), largest))
        return no_files or (bool(disk.f_blocks) and free <= needed)

    def _commands(self) -> t.Sequence[str]:
        """The commands that the timer runs; how refresh went stands in the record that was refused."""
        if self.refused:
            return [command for command in ("refresh", "apply") if self._ended(command) is not None]
        return ("refresh", "apply") if self.config.fetch and not self.state.refused else ("apply",)

    def _ended(self, command: str) -> t.Optional[datetime]:
        return record.time_of(record.mapping(self.state.runs, command), "ended")

    def _missed(self, command: str) -> t.Iterator[Problem]:
        hint = "see 'systemctl list-timers ocsp-stapling.timer'"
        ended = self._ended(command)
        since = ended or record.time_of({"first": self.state.first}, "first") or _made(self.config.folders.metrics)
        ago = (self.now - since).total_seconds() if since is not None else 0.0
        if ended is not None and ended - self.now > SET_BACK:
            what = f"{command} last ran at {when(ended, self.now)}, by a clock that was ahead or is behind now"
            yield Problem(troubles.NOT_RUNNING, f"{what}; check the time (timedatectl) and run it again")
        if ago > self.interval.total_seconds() * _MISSED and since is not None:
            partial = record.last_of(record.mapping(self.state.runs, command)) != ended
            what = f"last ran{' for all certificates' if partial else ''} at {when(since, self.now)}"
            if ended is None:
                what = f"has never run, although it should have since {when(since, self.now)}"
            yield Problem(troubles.NOT_RUNNING, f"{command} {what}; {hint}")
        elif since is None:
            yield Problem(troubles.NOT_RUNNING, f"{command} has not run yet; {hint}")
        code = record.number_of(record.mapping(self.state.runs, command), "exit_code")
        if code > 2 and not self.refused:
            said = record.text_of(record.mapping(self.state.runs, command), "problem")
            why = f": {_quoted(said)}" if said else "; run it to see why"
            yield Problem(troubles.RUN_FAILED, f"{command} failed with exit code {code}{why}")

    # For people

    def text(self, colours: bool, width: int) -> str:
        parts = [paragraph(self._heading(), width)]
        if self.named:
            parts += ["\n" + self._details(line) for line in self.lines]
        else:
            parts += ["\n" + (self._table(colours, width) if self.lines else "No certificates are configured.\n")]
        sentences = self._sentences()
        if sentences:
            parts.append("\n" + "".join(paragraph(sentence, width, "  ") for sentence in sentences))
        return "".join(parts)

    def _heading(self) -> str:
        """What the lengths of time are counted from, and how old what was not looked at is."""
        runs = []
        for command in self._commands():
            ended = record.last_of(record.mapping(self.state.runs, command))
            runs.append(f"{command} last ran at {when(ended, self.now)}" if ended else f"{command} has not run yet")
        return f"It is {self.now.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC; {', '.join(runs)}."

    def _sentences(self) -> t.List[str]:
        """The worst first."""
        lines = [(_urgency(line), line.sentence) for line in self.lines if line.sentence]
        # What is wrong with all of it harms the first staple that expires.
        first = min((moment for (_level, _user, moment, _rank), _sentence in lines if moment), default=0.0)
        found = [(_urgency_of_all(problem.trouble, first), problem.sentence) for problem in self.problems]
        return [sentence for _urgent, sentence in sorted([*found, *lines], key=lambda one: one[0])]

    def _table(self, colours: bool, width: int) -> str:
        rows = [
            [
                Cell(line.name),
                Cell(line.word, _COLOURS[line.level]),
                Cell(duration((line.ends - self.now).total_seconds()) if line.ends is not None else "-"),
                Cell(self._planned(line.renews)),
                Cell(line.error or "-", PLAIN if line.level == OK else _COLOURS[line.level]),
            ]
            for line in self.lines
        ]
        return table(("CERTIFICATE", "STAPLE", "EXPIRES IN", "NEXT REFRESH", "LAST ERROR"), rows, colours, width)

    def _planned(self, moment: t.Optional[datetime]) -> str:
        if moment is None:
            return "-"
        seconds = (moment - self.now).total_seconds()
        return duration(seconds) if seconds > 0 else "next run"

    def _details(self, line: Line) -> str:
        """All that matters of one certificate, each time in full."""
        certificate, staple = record.mapping(line.values, "certificate"), record.mapping(line.values, "staple")
        source = record.mapping(line.values, "source")
        facts: t.Tuple[t.Tuple[str, t.Optional[str]], ...] = (
            ("staple", line.word),
            ("expires", self._when(staple, "effective_expiry")),
            ("due from", self._when(staple, "renew_at")),
            ("put in place", self._when(staple, "installed")),
            ("responder", record.text_of(staple, "responder_url")),
            ("next refresh", self._when(line.values, "next_attempt")),
            ("last response", self._when(line.values, "succeeded")),
            ("last error", line.error),
            ("certificate", record.text_of(certificate, "subject")),
            ("of user", record.text_of(line.values, "user")),
            ("serial number", record.text_of(certificate, "serial_number")),
            ("must-staple", "yes" if certificate.get("must_staple") is True else ""),
            ("valid until", self._when(certificate, "not_after")),
            ("ends with", _authority(line.values)),
            ("renewed by", record.text_of(source, "client") or ("another program" if source else "")),
            ("from", record.text_of(source, "certificate")),
            ("changed there", self._when(source, "changed")),
            ("deployment", with_times(deployment_sentence(line.values), self.now)),
            (
                "tried by" if is_not_live(line.values) else "deployed by",
                record.text_of(record.mapping(line.values, "deployment"), "owner"),
            ),
        )
        return f"{line.name}\n" + "".join(f"  {label + ':':15}{value}\n" for label, value in facts if value)

    def _when(self, values: Values, key: str) -> t.Optional[str]:
        moment = record.time_of(values, key)
        return when(moment, self.now) if moment is not None else None

    # For programs

    def json(self) -> str:
        values = {
            "version": 1,
            "now": format_time(self.now),
            "level": self.level,
            "summary": self._summary(),
            "refused": self.refused,
            "written": self.state.written,
            "clock": self.state.clock,
            "runs": self.state.runs,
            "pending_reloads": sorted(self.unloaded),
            "problems": [problem.sentence for problem in self.problems],
            "troubles": [problem.trouble.name for problem in self.problems],
            "certificates": {line.name: _json_line(line) for line in self.lines},
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def nagios(self) -> str:
        """One line with performance data, for the plugin interface of Nagios and its successors."""
        good = sum(line.trouble is None for line in self.lines)
        critical = sum(line.level == CRITICAL for line in self.lines)
        ends = [line.ends for line in self.lines if line.ends is not None]
        data = f"certificates={len(self.lines)} good={good} critical={critical}"
        if ends:
            data += f" soonest_end={int((min(ends) - self.now).total_seconds())}s"
        return f"OCSP {sentence(self._summary()).replace('|', '/')} | {data}\n"

    def _summary(self) -> str:
        """The severity of all of it, the worst trouble and the number of others."""
        number = sum(line.trouble is not None for line in self.lines) + len(self.problems)
        more = f" (and {number - 1} more)" if number > 1 else ""
        what = f"{self._sentences()[0]}{more}" if number else f"{count(len(self.lines), 'certificate')}: all is well"
        return f"{_WORDS[self.level]} - {what}"


Urgency = t.Tuple[int, bool, float, int]


def _urgency(line: Line) -> Urgency:
    """What sorts the most severe first, of these the operator's, then what has no good staple or expires soonest."""
    of_user = bool(record.text_of(line.values, "user"))
    if line.trouble is None:
        return -line.level, of_user, 0.0, troubles.rank(None)
    ends = line.ends if line.trouble not in troubles.HARMFUL else None
    return -line.level, of_user, ends.timestamp() if ends is not None else 0.0, troubles.rank(line.trouble)


def _urgency_of_all(trouble: Trouble, first: float) -> Urgency:
    of_user = trouble is troubles.FILE_OF_USER
    return -trouble.level, of_user, 0.0 if trouble in troubles.HARMFUL else first, troubles.rank(trouble)


def _whose(entry: Values) -> str:
    user = record.text_of(entry, "user")
    return f" (user {user})" if user else ""


def _authority(entry: Values) -> str:
    """What ends before the certificate in place, or an empty string."""
    name = record.text_of(record.mapping(entry, "certificate"), "ends_with")
    return f"the CA certificate {name} in its chain" if name else ""


def _quoted(text: str) -> str:
    """In quotation marks: what refresh wrote is not to be taken for what this program found."""
    return '"{}"'.format(text.replace('"', "'"))


def _is_wanted(entry: Values) -> bool:
    """Whether there should be a staple; must-staple is another matter."""
    return record.text_of(entry, "code") not in ("no_responder", "not_configured")


def _json_line(line: Line) -> Values:
    trouble = line.trouble.name if line.trouble is not None else None
    shown = {"level": line.level, "status": line.word, "reason": line.error, "trouble": trouble}
    return {**line.values, **shown, "sentence": line.sentence}


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _made(metrics: str) -> t.Optional[datetime]:
    """When the folder of the metrics was made, as long as no run of apply has written there."""
    try:
        return datetime.fromtimestamp(os.stat(os.path.dirname(metrics)).st_mtime, timezone.utc)
    except (OSError, OverflowError, ValueError):
        return None
