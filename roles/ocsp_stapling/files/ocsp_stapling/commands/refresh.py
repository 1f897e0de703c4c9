# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``refresh``: fetch the responses that are due, and record the results. It does not deal with services."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import typing as t
from collections import Counter
from datetime import datetime, timedelta

from ocsp.errors import Finding, OcspError
from ocsp.fetch import bulk, refresh
from ocsp.fetch.bulk import Job
from ocsp.fetch.environment import Environment, ResponderDown, Ways, as_remembered
from ocsp.fetch.freshness import Outcome
from ocsp.judge import schedule
from ocsp.judge.decision import WITHDRAW, Facts, decide
from ocsp.judge.response import LONGEST_LEAD, SET_BACK, judge
from ocsp.options.parse import read_options
from ocsp.servers.changes import expiry_plan
from ocsp.store import proofs, reading, staples
from ocsp.text import clean, format_time

from .. import events, record, starts
from ..certificate_state import renewal_time
from ..config import IO_ERROR, Config, Entry
from ..events import Event, Log
from ..host import Host
from ..observe import read_place
from ..record import Record, Values
from ..terminal import count
from ..turns import in_turn

Result = t.Union[Outcome, OcspError]
EnvironmentFor = t.Callable[[Job, Ways], Environment]
Progress = t.Callable[[int, int, int], None]

#: Failures for which no responder was asked, or that its answer says.
_SAY_ALL = ("certificate_expired", "no_responder", "revoked")
#: A plan that is further off was made by a clock that was wrong.
_LONGEST_PLAN = timedelta(days=32)
_REST = timedelta(days=7)
#: How many times the interval of the timer it takes until those that failed no longer come last.
_LONGEST_WAIT = 3
#: How long a run goes on, well within the time after which its unit, or its cron job, has it killed: that would leave
#: no record of what it did.
LONGEST_RUN = timedelta(minutes=18)
#: Failures of those whose responder was not asked, where another certificate or responder had come to them.
_NOT_REACHED = ("proxy_error", "timeout", "unreachable")


class Report(t.NamedTuple):
    """What a run did. ``outcomes`` are of the certificates that were looked at."""

    exit_code: int
    outcomes: t.Dict[str, Result]


class Refresh:
    """One run over all certificates, or those of ``only``."""

    def __init__(
        self,
        config: Config,
        host: Host,
        log: Log,
        environment_for: EnvironmentFor,
        only: t.Collection[str] = (),
        force: bool = False,
        on_abort: t.Optional[t.Callable[[], None]] = None,
        progress: t.Optional[Progress] = None,
    ) -> None:
        self.config = config
        self.host = host
        self.log = log
        self.environment_for = environment_for
        self.entries = [entry for entry in config.certificates if not only or entry.name in only]
        #: Those of which servers do not read what this program writes.
        self.with_set = frozenset(entry.name for entry in self.entries if entry.live is not None)
        self.partial = bool(only)
        self.force = force
        self.on_abort = on_abort
        self.progress = progress
        self.record = Record()
        self.ways = Ways()
        self.inputs: t.Dict[str, str] = {}
        self.outcomes: t.Dict[str, Result] = {}
        self.left: t.List[str] = []
        runs = host.timetable() or starts.read(config.folders.starts)
        self.ahead = host.look_ahead(runs, config.interval, config.fetch)

    def run(self) -> Report:
        """Raises FileError where the record cannot be written."""
        folders = self.config.folders
        for problem in self.config.problems:
            self.log.emit(Event("configuration", problem, events.ERROR, "file_error"))
        for problem in self.config.problems_of_users:
            self.log.emit(Event("configuration", problem, events.WARNING, "file_error"))
        self.record = record.load(folders.record, len(self.config.certificates))
        names = {entry.name for entry in self.config.certificates}
        self.record.keep_only(names)
        proofs.forget_others(folders.responses, names)
        before, self.record.run = self.record.run, {"started": format_time(self.host.now())}
        self.record.run["problem"] = self.config.problem
        self.record.run["problem_of_users"] = self.config.problem_of_users
        self.ways = Ways(self.record.ways)
        try:
            self._refresh()
        finally:
            exit_code = self._exit_code()
            seconds = round(self.host.elapsed(), 3)
            ended = format_time(self.host.now())
            self.record.run.update(ended=ended, seconds=seconds, exit_code=exit_code, left=len(self.left))
            self.record.ways = self.ways.known(self.host.now())
            if self.partial:
                # It says nothing about the timer.
                self.record.run = {**before, "latest": ended}
            self.record.save(folders.record)
        self._summarize(seconds)
        return Report(exit_code, self.outcomes)

    # Which

    def _environment(self, job: Job) -> Environment:
        environment = self.environment_for(job, self.ways)
        environment.interval = self.ahead.interval
        if job.name in self.with_set:
            # It shows nothing about the clock: this user alone can have put it there, and apply decides what servers
            # read. Whatever is good by this clock may take its place, or else one from a clock that was ahead stays.
            environment.lead = SET_BACK
        return environment

    def _refresh(self) -> None:
        if not self.config.fetch:
            self._forget_attempts()
            return
        entries = {entry.name: entry for entry in self.entries}
        jobs = list(self._jobs())
        results = bulk.refresh_all(
            jobs,
            self._environment,
            self.config.workers,
            self.config.per_responder,
            on_abort=self.on_abort,
            seconds_left=self._seconds_left,
        )
        failed = 0
        with contextlib.closing(t.cast("t.Generator[bulk.Result, None, None]", results)):
            for number, (name, result) in enumerate(results, 1):
                self.outcomes[name] = result
                self._guard(entries[name], functools.partial(self._note, result=result))
                failed += bool(self.record.entry(name).get("failures"))
                if self.progress is not None:
                    self.progress(number, len(jobs), failed)
        self.left += [job.name for job in jobs if job.name not in self.outcomes]

    def _seconds_left(self) -> float:
        return LONGEST_RUN.total_seconds() - self.host.elapsed()

    def _forget_attempts(self) -> None:
        """Others bring the responses now, so that nothing more is tried; a revocation that is proven still is."""
        for entry in self.entries:
            for key in ("failures", "code", "message", "next_attempt"):
                self.record.entry(entry.name).pop(key, None)

    def _jobs(self) -> t.Iterator[Job]:
        for entry in self._in_turn():
            if self._seconds_left() <= 0:
                self.left.append(entry.name)
                continue
            job = self._guard(entry, self._job)
            if job is not None:
                yield job

    def _in_turn(self) -> t.List[Entry]:
        """The certificates in the order in which they are looked at, in case that the time is too short for all.

        Of each user those come first that did not fail last time, and were looked at the longest time ago. Those that
        failed have to wait for a few runs only: others may take up all of the time in each of them, and do well.
        """
        recently = self.host.now() - _LONGEST_WAIT * self.config.interval

        def order(entry: Entry) -> t.Tuple[bool, str]:
            known = self.record.entry(entry.name)
            looked = record.time_of(known, "looked")
            waits = record.number_of(known, "failures") > 0 and looked is not None and looked > recently
            return waits, record.text_of(known, "looked")

        return in_turn(sorted(self.entries, key=order))

    def _job(self, entry: Entry) -> t.Optional[Job]:
        """What is to be looked at, unless it is not yet time for that."""
        known = self.record.entry(entry.name)
        if entry.undeployed:
            self._note_undeployed(entry, known)
            return None
        self._adopt(entry)
        inputs = _inputs(entry)
        same_inputs = known.get("inputs") == inputs
        same = same_inputs and known.get("response") == _stamp(entry.path)
        if same and not self.force and not self._is_time(known):
            return None
        self.inputs[entry.name] = inputs
        # Where nothing has changed it is time by the plan, although the response may not be due by its own rule. Nor is
        # one that somebody put back after a revocation, which apply does not put in place. The revocation of another
        # certificate, which this one has replaced, does not count.
        revoked = same_inputs and os.path.lexists(self.config.folders.proof(entry.name))
        return Job(entry.name, {**entry.values, "force": same or self.force or revoked})

    def _guard(self, entry: Entry, action: t.Callable[[Entry], t.Optional[Job]]) -> t.Optional[Job]:
        """Do something about one certificate; what fails there is said and remembered, and stops no other."""
        try:
            return action(entry)
        except Exception as error:
            failure = bulk.as_error(error)
        known = self.record.entry(entry.name)
        known.update(
            failures=record.number_of(known, "failures") + 1,
            code=failure.code,
            message=clean(failure.message, record.LONGEST_TEXT),
        )
        known.pop("inputs", None)  # so that the next run looks at it again
        self._emit(entry, "failed", failure.message, events.ERROR, failure.code)
        return None

    def _adopt(self, entry: Entry) -> None:
        """Begin with the staple that a playbook has deployed, where it is better than the own response."""
        try:
            place = staples.find(entry.live) if entry.live is not None else None
            staple = staples.read(place) if place is not None else None
            if staple is None or staple == reading.read_file(entry.path, entry.path, len(staple)):
                return
            options = read_options(entry.values)._replace(source=staple)
            refresh.refresh(options, Environment(_no_network, self.host.now()))
        except OcspError:
            return  # whatever is wrong is said where the certificate is looked at

    def _is_time(self, known: Values) -> bool:
        now = self.host.now()
        looked, planned = record.time_of(known, "looked"), record.time_of(known, "next_attempt")
        if planned is None or looked is None or now < looked:
            return True
        if record.text_of(known, "code") != "revoked":
            # The timer may have been changed since.
            planned = schedule.asked_from(planned, record.time_of(known, "ends"), self.ahead.interval)
        return now >= planned or planned > now + _LONGEST_PLAN

    # What came of it

    def _note(self, entry: Entry, result: Result) -> None:
        known = self.record.entry(entry.name)
        now = self.host.now()
        if isinstance(result, OcspError):
            self._note_failure(entry, known, result.code, result.message, None)
        elif result.skipped_reason is not None and not result.failed:
            self._note_skipped(entry, known, result)
        elif result.fetch_error is not None:
            self._note_failure(entry, known, result.fetch_error.code, _cause(result.fetch_error), result)
        else:
            self._note_success(entry, known, result)
        serial = result.serial_number if isinstance(result, Outcome) else None
        known["serial_number"] = f"{serial:x}" if serial is not None else ""
        known.update(inputs=self.inputs[entry.name], response=_stamp(entry.path))
        if not _is_put_off(result):
            known["looked"] = format_time(now)

    def _note_undeployed(self, entry: Entry, known: Values) -> None:
        # apply says so; as long as no server uses it, it is no failure of this run.
        self._emit(entry, "skipped", entry.undeployed, events.DEBUG, "not_deployed")
        known.clear()
        known.update(code="not_deployed")

    def _note_skipped(self, entry: Entry, known: Values, outcome: Outcome) -> None:
        # apply says so, when it withdraws what may be in place.
        self._emit(entry, "skipped", outcome.message, events.DEBUG, outcome.skipped_reason or "")
        known.clear()
        known.update(code=outcome.skipped_reason, next_attempt=format_time(self.host.now() + _REST))

    def _note_success(self, entry: Entry, known: Values, outcome: Outcome) -> None:
        now, judgement = self.host.now(), outcome.judgement
        assert judgement is not None
        assert judgement.effective_expiry is not None
        planned, nothing_newer = self._planned(entry, outcome), outcome.fetched and not outcome.changed
        # By force, it may have been asked for before it was due.
        idle = record.number_of(known, "idle") + 1 if nothing_newer and now >= planned else 0
        if idle:
            planned = schedule.retry_at(now, idle, judgement.effective_expiry, self.ahead.interval, self.host.jitter())
        planned = max(now, schedule.asked_from(planned, judgement.effective_expiry, self.ahead.interval))
        self._note_source(known, outcome)
        if outcome.fetched:
            known.update(attempted=format_time(now), succeeded=format_time(now))
        known.update(
            failures=0,
            code="",
            message="",
            idle=idle,
            clock_implausible=False,
            next_attempt=format_time(planned),
            ends=format_time(judgement.effective_expiry),
            renew_at=format_time(outcome.renew_at),
        )
        proofs.forget(self.config.folders.proof(entry.name))
        ends = format_time(judgement.effective_expiry)
        if outcome.fetched and outcome.changed:
            self._emit(entry, "renewed", f"{outcome.responder_url} gave a response that is good until {ends}")
        elif nothing_newer and self.force:
            message = f"{outcome.responder_url} has no newer response than the one that is good until {ends}"
            self._emit(entry, "kept", message)
        for warning in outcome.warnings:
            self._emit(entry, "kept", warning, events.WARNING)

    def _planned(self, entry: Entry, outcome: Outcome) -> datetime:
        now, judgement = self.host.now(), outcome.judgement
        if outcome.renew_at is None or judgement is None or judgement.this_update is None:
            return now
        serial = f"{outcome.serial_number or 0:x}"
        return renewal_time(self.host.machine, entry.name, serial, outcome.renew_at, judgement.this_update)

    def _note_source(self, known: Values, outcome: Outcome) -> None:
        """Remember where the response in place came from; one from elsewhere has no responder."""
        digest = hashlib.sha256(outcome.data).hexdigest() if outcome.data is not None else None
        if known.get("sha256") != digest:
            known.update(sha256=digest, responder_url=outcome.responder_url)
            # Of a response that somebody else fetched, what this program last fetched says nothing.
            known.pop("succeeded", None)

    def _note_failure(self, entry: Entry, known: Values, code: str, message: str, outcome: t.Optional[Outcome]) -> None:
        now = self.host.now()
        message = clean(message, record.LONGEST_TEXT)
        failures = record.number_of(known, "failures") + 1
        in_place, left = self._end_in_place(entry) if code != "revoked" else None, None
        if outcome is not None and outcome.data is not None and outcome.judgement is not None:
            left = outcome.judgement.effective_expiry
        ends = max((end for end in (in_place, left) if end is not None), default=None)
        refused = outcome.refused if outcome is not None else None
        doubted = refused is not None and "clock_implausible" in refused.warnings
        retry_after = timedelta(seconds=outcome.retry_after) if outcome is not None and outcome.retry_after else None
        planned = now
        if outcome is not None and code != "certificate_expired" and not doubted:
            # A revocation is hardly ever taken back, so that nothing is lost by asking rarely.
            until = now + _REST if code == "revoked" else ends
            planned = schedule.retry_at(now, failures, until, self.ahead.interval, self.host.jitter(), retry_after)
            if code != "revoked":
                planned = max(now, schedule.asked_from(planned, ends, self.ahead.interval))
        if outcome is not None and outcome.attempts:
            known["attempted"] = format_time(now)
        proofs.keep(self.config.folders.proof(entry.name), outcome.proof if outcome is not None else None)
        known.update(
            failures=failures,
            code=code,
            message=message,
            idle=0,
            clock_implausible=doubted,
            next_attempt=format_time(planned),
            ends=format_time(ends),
        )
        withheld = self._withheld(entry, outcome) if outcome is not None and left is not None else ""
        said = message if code == "revoked" else f"{message}; {_state(entry, in_place, left, withheld)}"
        if outcome is not None:
            self.outcomes[entry.name] = outcome._replace(message=said)
        priority = _priority(code, ends is not None, outcome)
        self._emit(entry, "revoked" if code == "revoked" else "failed", said, priority, code)

    def _withheld(self, entry: Entry, outcome: Outcome) -> str:
        """Why apply does not put a good response in place, or an empty string."""
        if outcome.must_staple:
            return ""
        facts = Facts(False, candidate=outcome.judgement)
        decision = decide(facts, self.host.now(), expiry_plan(self.config.kinds(entry.services)), self.ahead)
        return decision.message if decision.action == WITHDRAW else ""

    def _end_in_place(self, entry: Entry) -> t.Optional[datetime]:
        """When the staple that servers read expires, None where that is not good or cannot be checked."""
        try:
            staple = read_place(entry)
            options = read_options(entry.values) if staple is not None else None
        except OcspError:
            return None
        if staple is None or options is None or options.target is None:
            return None
        rules = options.rules._replace(lead=LONGEST_LEAD)
        judgement = judge(staple, options.target, self.host.now(), rules, servers=options.servers)
        return judgement.effective_expiry if judgement.acceptable else None

    def _emit(self, entry: Entry, what: str, message: str, priority: int = events.INFO, code: str = "") -> None:
        self.log.emit(Event(what, message, priority, code, entry.name))

    # In all

    def _exit_code(self) -> int:
        """0 where all is well, 1 where a good response is in place wherever one failed, else 2.

        Whether all is well is not known of what could not be found. What other users than root have at will, failures
        of their certificates, does not count, as in ``apply``.
        """
        worst = IO_ERROR if self.config.problems else 0
        for entry in self.entries:
            known = self.record.entry(entry.name)
            if not record.number_of(known, "failures") or not self._counts(entry, known):
                continue
            ends = record.time_of(known, "ends")
            worst = max(worst, 1 if ends is not None and ends > self.host.now() else 2)
        return worst

    def _counts(self, entry: Entry, known: Values) -> bool:
        outcome = self.outcomes.get(entry.name)
        must_staple = isinstance(outcome, Outcome) and outcome.must_staple
        return must_staple or known.get("code") == "revoked" or not self.config.user_of(entry)

    def _summarize(self, seconds: float) -> None:
        codes = Counter(str(self.record.entry(entry.name).get("code") or "") for entry in self.entries)
        renewed = sum(isinstance(one, Outcome) and one.fetched and one.changed for one in self.outcomes.values())
        well = codes.pop("", 0)
        failing = ", ".join(f"{number} {code}" for code, number in sorted(codes.items()))
        total = count(len(self.entries), "certificate")
        message = (
            f"refresh checked {len(self.outcomes)} of {total} in {seconds:.1f} s: {renewed} renewed; now "
            f"{well} well{', ' if failing else ''}{failing}"
        )
        self.log.emit(Event("run", message))
        if self.left:
            self.log.emit(Event("run", self._why_left(), events.WARNING, "timeout"))

    def _why_left(self) -> str:
        hung = sum(_code_of(one) == "timeout" for one in self.outcomes.values())
        reason = f"; the responders of {count(hung, 'certificate')} did not answer in time" if hung else ""
        return (
            f"refresh ended itself after {LONGEST_RUN.total_seconds() / 60:g} minutes and left "
            f"{count(len(self.left), 'certificate')} for the next run, which begins with them{reason}"
        )


def _code_of(result: Result) -> str:
    """Why there is no new response, or an empty string."""
    if isinstance(result, OcspError):
        return result.code
    return result.fetch_error.code if result.fetch_error is not None else ""


def _is_put_off(result: Result) -> bool:
    """Whether no responder was asked, as it did not answer for others. Its turn comes before theirs the next time."""
    return isinstance(result, Outcome) and not result.attempts and _code_of(result) in _NOT_REACHED


def _no_network(_request: t.Any, _timeout: float) -> t.NoReturn:
    raise ResponderDown("unreachable", "fetching is turned off on this host")


def _cause(error: Finding) -> str:
    """Why there is no newer response, and nothing of what is in place."""
    message = as_remembered(error.message)
    if error.code == "revoked":
        return f"{message}; replace the certificate"
    return message if error.code in _SAY_ALL else f"could not fetch a new response: {message}"


def _state(entry: Entry, in_place: t.Optional[datetime], left: t.Optional[datetime], withheld: str) -> str:
    """What servers staple all the same."""
    if in_place is not None:
        return f"the staple in place is good until {format_time(in_place)}"
    if withheld:
        return f"no staple is in place: {withheld}"
    if left is not None:
        ends = format_time(left)
        return f"{entry.path} is good until {ends}, and 'ocsp-stapling apply' puts it in place"
    return "no good staple is in place"


def _priority(code: str, stapled: bool, outcome: t.Optional[Outcome]) -> int:
    if code == "revoked":
        return events.CRITICAL
    if stapled:
        return events.WARNING
    return events.CRITICAL if outcome is not None and outcome.must_staple else events.ERROR


def _inputs(entry: Entry) -> str:
    """A digest of all that decides what is asked for: the options, and the state of the files they name."""
    paths = [value for key, value in sorted(entry.values.items()) if key.endswith("_path") and isinstance(value, str)]
    text = json.dumps([entry.values, [_stamp(path) for path in paths]], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stamp(path: str) -> str:
    """What changes when a file does; empty where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"
