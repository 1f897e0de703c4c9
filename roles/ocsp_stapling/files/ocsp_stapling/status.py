# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``status``: how all staples are, for people, programs and Nagios. It only reads, so that everybody may ask."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime

from ocsp.schedule import format_time

from . import record, reloading
from .config import Config
from .record import Values
from .state import State
from .tables import BAD, GOOD, PLAIN, WARNING, Cell, count, duration, paragraph, table

OK, DEGRADED, CRITICAL, UNKNOWN = 0, 1, 2, 3
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_COLOURS = (GOOD, WARNING, BAD, WARNING)

_ORDER = (0, 2, 3, 1)

#: Intervals after which a run is missing.
_MISSED = 3


class Line(t.NamedTuple):
    """One certificate: how bad it is, what to call that, and the sentences that explain it."""

    name: str
    level: int
    word: str
    ends_in: t.Optional[float]
    renews_in: t.Optional[float]
    error: str
    sentences: t.Tuple[str, ...] = ()


class Status:
    """The state as it looks at a moment."""

    def __init__(self, config: Config, state: State, now: datetime) -> None:
        self.config = config
        self.state = state
        self.now = now
        # What is live and no longer configured is in the state as well.
        names = dict.fromkeys([*(entry.name for entry in config.certificates), *state.certificates])
        lines = [self._line(name) for name in names]
        #: What is worst stands last, where it is seen beside its reasons.
        self.lines = sorted(lines, key=lambda line: _ORDER[line.level])
        self.problems = self._problems()

    @property
    def level(self) -> int:
        levels = [line.level for line in self.lines if line.level != UNKNOWN]
        levels += [level for level, _sentence in self.problems]
        unknown = any(line.level == UNKNOWN for line in self.lines)
        return max([*levels, DEGRADED if unknown else OK])

    def _left(self, moment: t.Optional[datetime]) -> t.Optional[float]:
        return (moment - self.now).total_seconds() if moment is not None else None

    def _line(self, name: str) -> Line:
        entry = self.state.certificates.get(name)
        if entry is None:
            return Line(name, UNKNOWN, "not seen", None, None, "", (f"{name}: no run has looked at it yet",))
        staple = record.mapping(entry, "staple")
        ends_in = self._left(record.time_of(staple, "effective_expiry"))
        renews_in = self._left(record.time_of(entry, "next_attempt"))
        code = record.text_of(entry, "code")
        failure = "foreign_file" if record.text_of(entry, "refused") else record.text_of(entry, "failure_code")
        level, word = _verdict(entry, code, bool(staple), ends_in, bool(failure))
        sentences = [f"{name}: {sentence}" for sentence in _reasons(entry) if level != OK]
        if level == CRITICAL and not sentences:
            sentences = [f"{name}: its staple ended and is still in place; run 'ocsp-stapling apply' as root"]
        return Line(name, level, word, ends_in, renews_in, failure or code, tuple(sentences))

    def _problems(self) -> t.List[t.Tuple[int, str]]:
        """What is wrong with all of it."""
        found = []
        if self.state.problem:
            found.append((DEGRADED, f"{self.state.problem}; run 'ocsp-stapling apply' as root"))
        clock = record.text_of(self.state.clock, "problem")
        if clock:
            found.append((DEGRADED, clock))
        if self.state.refused:
            found.append((DEGRADED, self.state.refused))
        for service in reloading.noted(self.config):
            hint = f"see why with 'ocsp-stapling reload {service}' as root"
            found.append((DEGRADED, f"{service} has not been reloaded since its staples changed; {hint}"))
        # How refresh went stands in the record that was refused.
        for command in ("refresh", "apply") if self.config.fetch and not self.state.refused else ("apply",):
            found += self._missed(command)
        return found

    def _missed(self, command: str) -> t.List[t.Tuple[int, str]]:
        run = record.mapping(self.state.runs, command)
        ended = record.time_of(run, "ended")
        if ended is None:
            return [(DEGRADED, f"{command} has not run yet")]
        ago = (self.now - ended).total_seconds()
        if ago > self.config.interval.total_seconds() * _MISSED:
            message = f"{command} has not run for {duration(ago)}; see 'systemctl list-timers ocsp-stapling.timer'"
            return [(DEGRADED, message)]
        code = record.number_of(run, "exit_code")
        return [(DEGRADED, f"{command} ended with the exit code {code}; run it to see why")] if code > 2 else []

    # For people

    def text(self, colours: bool, width: int) -> str:
        rows = [
            [
                Cell(line.name),
                Cell(line.word, _COLOURS[line.level]),
                Cell(duration(line.ends_in) if line.ends_in is not None else "-"),
                Cell(_planned(line.renews_in)),
                Cell(line.error or "-", PLAIN if line.level == OK else _COLOURS[line.level]),
            ]
            for line in self.lines
        ]
        heads = ("CERTIFICATE", "STAPLE", "ENDS IN", "NEXT TRY", "REASON")
        parts = [table(heads, rows, colours, width)] if rows else ["There are no certificates.\n"]
        sentences = [sentence for _level, sentence in self.problems]
        sentences += [sentence for line in self.lines for sentence in line.sentences]
        parts += [paragraph(sentence, width, "  ") for sentence in sentences]
        return "\n".join(["".join(parts[:1]), "".join(parts[1:])]) if sentences else parts[0]

    # For programs

    def json(self) -> str:
        values = {
            "version": 1,
            "now": format_time(self.now),
            "level": self.level,
            "written": self.state.written,
            "clock": self.state.clock,
            "runs": self.state.runs,
            "pending_reloads": reloading.noted(self.config),
            "problems": [sentence for _level, sentence in self.problems],
            "certificates": {line.name: self._json_line(line) for line in self.lines},
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def _json_line(self, line: Line) -> Values:
        known = self.state.certificates.get(line.name, {})
        return {**known, "level": line.level, "status": line.word, "reason": line.error}

    def nagios(self) -> str:
        """One line with performance data, for the plugin interface of Nagios and its successors."""
        counts = [sum(line.level == level for line in self.lines) for level in (OK, DEGRADED, CRITICAL, UNKNOWN)]
        worst = [line for line in self.lines if line.level in (CRITICAL, DEGRADED, UNKNOWN)]
        worst.sort(key=lambda line: (line.level != CRITICAL, line.name))
        sentences = [sentence for line in worst for sentence in line.sentences[:1]]
        sentences += [sentence for _level, sentence in self.problems]
        soonest = [line.ends_in for line in self.lines if line.ends_in is not None]
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        what = f"{sentences[0]}{more}" if sentences else f"{count(len(self.lines), 'certificate')}: all is well"
        data = f"certificates={len(self.lines)} good={counts[OK]} critical={counts[CRITICAL]}"
        if soonest:
            data += f" soonest_end={int(min(soonest))}s"
        return f"OCSP {_WORDS[self.level]} - {what.replace('|', '/')} | {data}\n"


def _verdict(entry: Values, code: str, stapled: bool, ends_in: t.Optional[float], failing: bool) -> t.Tuple[int, str]:
    if isinstance(entry.get("revoked"), dict):
        return CRITICAL, "revoked"
    if stapled and ends_in is not None and ends_in < 0:
        return CRITICAL, "expired"
    if code == "no_responder" or (code == "not_configured" and not stapled):
        return OK, "none"
    if entry.get("deployed") is False:
        return DEGRADED, "not deployed"
    if not stapled:
        return CRITICAL, "missing"
    if code or failing:
        return DEGRADED, "good"
    return OK, "good"


def _reasons(entry: Values) -> t.List[str]:
    """The sentences that explain how a certificate is; that there is no response counts where nothing else is known."""
    message = record.text_of(entry, "message")
    others = [record.text_of(entry, key) for key in ("refused", "failure_message")]
    if any(others) and entry.get("code") == "missing_staple":
        message = ""
    return list(dict.fromkeys(sentence for sentence in (message, *others) if sentence))


def _planned(seconds: t.Optional[float]) -> str:
    if seconds is None:
        return "-"
    return duration(seconds) if seconds > 0 else "next run"
