# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``apply``: judge again what ``refresh`` left, put it in place or withdraw it, and reload who has to be told.

It runs as root and without network, and believes nothing that the other user wrote.
"""

from __future__ import annotations

import time
import typing as t
from datetime import timedelta

from ocsp import schedule, servers, staples
from ocsp.decision import WITHDRAW, Decision, Facts, decide
from ocsp.errors import BusyError, OcspError
from ocsp.staples import Place

from . import clock, events, record, reloading, remembering
from . import state as states
from .config import Config, Entry
from .events import Event, Log
from .looking import Eyes, Look, digest
from .state import State
from .tables import count
from .world import World

#: Intervals until the next run has surely done its work; its delay and its duration count, too.
_INTERVALS = 2
#: Seconds to wait in all for playbooks that are at work on certificates.
_PATIENCE = 60.0

INSTALLED, WITHDRAWN = "installed", "withdrawn"


class Report(t.NamedTuple):
    """What a run did: the changes by certificate, each INSTALLED or WITHDRAWN."""

    exit_code: int
    changes: t.Dict[str, str]
    state: State


class Apply:
    """One run over all certificates. Without ``reload``, somebody else reloads what is pending."""

    def __init__(self, config: Config, world: World, log: Log, trust_clock: bool = False, reload: bool = True) -> None:
        self.config = config
        self.world = world
        self.log = log
        self.trust_clock = trust_clock
        self.reload = reload
        self.now = world.now()
        self.claims, self.refused = record.load_foreign(config.folders.record)
        self.eyes = Eyes(config, self.claims, self.now)
        self.before = states.load(config.folders.state_file)
        self.after = State()
        self.after.refused = self.refused
        self.clock_problem = ""
        self.horizon = self._horizon()
        self.exit_code = 0
        self.changes: t.Dict[str, str] = {}
        self.messenger = reloading.Messenger(config, world, log, self.before.pending)
        self.deadline = time.monotonic() + _PATIENCE

    def run(self) -> Report:
        """Raises FileError where the state cannot be written; all else is then done all the same."""
        self._look_at_state()
        self._look_at_clock()
        for entry in self.config.certificates:
            self._guard(entry, self._apply)
        for entry in self._forgotten():
            self._guard(entry, self._forget)
        self._worsen(0 if self.messenger.finish(self.reload) else 1)
        self._summarize()
        self._save()
        return Report(self.exit_code, self.changes, self.after)

    def _horizon(self) -> timedelta:
        """How long it takes until the next run has surely done its work."""
        horizon = self.config.interval * _INTERVALS
        following = self.world.next_run()
        return horizon if following is None else max(horizon, following - self.now + self.config.interval)

    def _patience(self) -> float:
        """Seconds that are left for waiting."""
        return max(0.0, self.deadline - time.monotonic())

    def _worsen(self, exit_code: int) -> None:
        self.exit_code = max(self.exit_code, exit_code)

    def _look_at_state(self) -> None:
        if self.before.problem:
            message = f"{self.before.problem}; it is made anew"
            self.log.emit(Event("state", message, events.WARNING, "file_error"))
        if self.refused:
            self._refuse("", self.refused)

    def _look_at_clock(self) -> None:
        latest = record.time_of(self.before.clock, "latest")
        if not self.trust_clock:
            contradicted = self.eyes.is_contradicted()
            self.clock_problem = clock.problem(self.now, latest, contradicted, lambda: self.eyes.evidence(self.before))
        believed = latest if self.clock_problem else self.now
        self.after.clock = {"latest": schedule.format_time(believed), "problem": self.clock_problem}
        if self.clock_problem:
            self._worsen(1)
            self.log.emit(Event("clock", self.clock_problem, events.ERROR, "clock_implausible"))

    def _guard(self, entry: Entry, action: t.Callable[[Entry], None]) -> None:
        """Do something about one certificate; what fails there is said and stops no other."""
        try:
            action(entry)
            return
        except BusyError as error:
            self.log.emit(
                Event("kept", f"{error.message}; the next run sees to it", events.NOTICE, certificate=entry.name)
            )
        except OcspError as error:
            self._worsen(1)
            self.log.emit(Event("failed", error.message, events.ERROR, error.code, entry.name))
        except Exception as error:
            self._worsen(2)
            message = f"its staple was not looked at, because of a defect ({type(error).__name__}: {error})"
            self.log.emit(Event("failed", message, events.CRITICAL, "", entry.name))
        if entry.name in self.before.certificates:
            self.after.certificates.setdefault(entry.name, self.before.certificates[entry.name])

    # One certificate

    def _apply(self, entry: Entry) -> None:
        look = self.eyes.look(entry)
        decision = self._decide(look)
        if look.refused:
            self._refuse(entry.name, look.refused)
        if self._would_change(look, decision):
            with staples.lock(t.cast(Place, look.place), self._patience()):
                # A playbook may have switched the set while this run waited.
                look = self.eyes.look(entry)
                decision = self._decide(look)
                if self._would_change(look, decision):
                    self._carry_out(look, decision)
        elif look.place is None:
            self._tell_of_file(look)
        self._conclude(look, decision)

    def _refuse(self, name: str, message: str) -> None:
        self._worsen(1)
        self.log.emit(Event("refused", message, events.ERROR, "foreign_file", name))

    def _plan(self, entry: Entry) -> servers.ExpiryPlan:
        return servers.expiry_plan(self.config.kinds(entry.services))

    def _decide(self, look: Look) -> Decision:
        # A file that servers read where refresh put it is not ours to withdraw.
        expiry_plan = self._plan(look.entry)._replace(**({} if look.place else {"in_advance": False}))
        return decide(look.facts, self.now, expiry_plan, self.horizon, self.clock_problem)

    def _would_change(self, look: Look, decision: Decision) -> bool:
        return look.place is not None and self._change(look, decision, write=False)

    def _change(self, look: Look, decision: Decision, write: bool = True) -> bool:
        """Have the files as decided. Returns whether they had to change."""
        place = t.cast(Place, look.place)
        if decision.action == WITHDRAW:
            return staples.withdraw(place, write, self._plan(look.entry).keep_file)
        data = remembering.stapled(look, decision)
        if data is None or decision.judgement is None:
            return False
        return staples.install(place, data, decision.judgement, write)

    def _carry_out(self, look: Look, decision: Decision) -> None:
        """Change what servers read. Those that have to be told are noted before, in case this run is killed."""
        entry = look.entry
        withdrawn = decision.action == WITHDRAW
        told = self.messenger.note(entry, withdrawn, decision.ended)
        self._change(look, decision)
        self.changes[entry.name] = WITHDRAWN if withdrawn else INSTALLED
        data = remembering.stapled(look, decision)
        given = self.messenger.give(entry, data) if data is not None else []
        self._say_change(entry, decision, [name for name in told if name not in given])

    def _tell_of_file(self, look: Look) -> None:
        """Have services reloaded that read a response where refresh put it."""
        known = record.mapping(self.before.certificates.get(look.entry.name), "staple")
        if look.left is not None and look.entry.services and known.get("sha256") != digest(look.left):
            self.messenger.note(look.entry)
            self.changes[look.entry.name] = INSTALLED

    def _forgotten(self) -> t.List[Entry]:
        """The certificates that are no longer configured, so that nobody would see their staples end."""
        names = {entry.name for entry in self.config.certificates}
        return [
            Entry(name, {}, known.get("live"), _texts(known.get("services")), "")
            for name, known in self.before.certificates.items()
            if name not in names and isinstance(known.get("live"), str)
        ]

    def _forget(self, entry: Entry) -> None:
        place = staples.find(entry.live or "")
        if place is None:
            return
        look = Look(entry, place, Facts(in_place=True))
        decision = Decision(WITHDRAW, None, "not_configured", "it is no longer configured")
        with staples.lock(place, self._patience()):
            if self._would_change(look, decision):
                self._carry_out(look, decision)

    # What is said and remembered

    def _say_change(self, entry: Entry, decision: Decision, told: t.Sequence[str]) -> None:
        whom = f"; to be reloaded: {', '.join(told)}" if told else ""
        if decision.judgement is not None:
            ends = schedule.format_time(decision.judgement.effective_expiry)
            message = f"a staple that is good until {ends} is in place{whom}"
            self.log.emit(Event("installed", message, certificate=entry.name))
        else:
            message = f"the staple was withdrawn: {decision.message}{whom}"
            priority = events.CRITICAL if decision.alarming else events.WARNING
            self.log.emit(Event("withdrawn", message, priority, decision.code, entry.name))

    def _conclude(self, look: Look, decision: Decision) -> None:
        before = self.before.certificates.get(look.entry.name, {})
        stapled = decision.action != WITHDRAW
        harmless = not decision.code or decision.code == "no_responder"
        bearable = not look.deployed or (stapled and decision.code != "revoked")
        self._worsen(0 if harmless else 1 if bearable else 2)
        # What concerns the clock was said for all of them together, and why a staple went when it went.
        said = decision.code in ("", "clock_implausible") or self.changes.get(look.entry.name) == WITHDRAWN
        if not said and (decision.alarming or before.get("code") != decision.code):
            what = "skipped" if harmless or not look.deployed else "revoked" if decision.code == "revoked" else "failed"
            self.log.emit(Event(what, decision.message, _priority(look, decision), decision.code, look.entry.name))
        # Where others bring the responses, what refresh says of its attempts is from before.
        claims = self.claims.entry(look.entry.name) if self.config.fetch else {}
        self.after.certificates[look.entry.name] = remembering.entry_values(look, decision, before, claims, self.now)

    def _summarize(self) -> None:
        done = list(self.changes.values())
        known = self.after.certificates.values()
        missing = sum(entry.get("staple") is None and entry.get("code") != "no_responder" for entry in known)
        message = (
            f"apply judged {count(len(self.config.certificates), 'certificate')} in {self.world.elapsed():.1f} s: "
            f"{done.count(INSTALLED)} installed, {done.count(WITHDRAWN)} withdrawn, {missing} without a staple"
        )
        self.log.emit(Event("run", message))

    def _save(self) -> None:
        run = self.claims.run
        self.after.runs = {
            "apply": states.run_values(self.world.now(), self.world.elapsed(), self.exit_code),
            "refresh": {
                "ended": schedule.format_time(record.time_of(run, "ended")),
                "seconds": record.seconds_of(run, "seconds"),
                "exit_code": record.number_of(run, "exit_code"),
            },
        }
        self.after.pending = reloading.marks(self.config)
        self.after.save(self.config.folders.state_file, self.now)


def _priority(look: Look, decision: Decision) -> int:
    if decision.code == "no_responder":
        return events.NOTICE
    if not look.deployed:
        return events.WARNING
    return events.CRITICAL if decision.alarming else events.ERROR


def _texts(value: t.Any) -> t.Tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
