# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``apply``: check again what ``refresh`` fetched, put it in place or withdraw it, and reload the services concerned.

It runs as root and without network, and does not trust anything that the other user wrote.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime, timedelta

from ocsp.errors import FileError, OcspError
from ocsp.judge import schedule
from ocsp.judge.decision import WITHDRAW, Decision, decide
from ocsp.judge.judgement import Judgement
from ocsp.judge.response import LONGEST_LEAD
from ocsp.judge.schedule import Lookahead
from ocsp.servers.changes import ExpiryPlan, expiry_plan
from ocsp.services.installation import Change, Installation
from ocsp.store import attempts, proofs, replaced, sets, staples
from ocsp.store.attempts import Attempt
from ocsp.store.staples import Place
from ocsp.text import format_time, join_words

from .. import certificate_state, clock, events, record, renewals, starts, troubles
from .. import state as states
from ..config import IO_ERROR, Config, Entry
from ..events import Event, Log
from ..host import Host
from ..observe import Observation, Observer
from ..record import Values
from ..state import State
from ..terminal import count
from ..turns import in_turn
from . import rejected as rejecting
from . import reload as reloading
from .rejected import Rejected

#: The message for a certificate that no playbook configures any more.
_DROPPED = (
    "its role or play no longer configures it; it is kept, with fresh staples, until no server configuration uses it "
    "and a run of the playbook succeeds"
)

#: How long a run looks at certificates that a search found, well within the time after which its unit is killed: that
#: would leave no state, and services that are not reloaded.
LONGEST_RUN = timedelta(minutes=6)
#: Certificates that the last line of a run names.
_MOST_NAMES = 3
_NO_TIME = "its staple was not checked, as there was no time left; the next run begins with it"

INSTALLED, WITHDRAWN = "installed", "withdrawn"


class Report(t.NamedTuple):
    """What a run did: the changes by certificate, each INSTALLED or WITHDRAWN."""

    exit_code: int
    changes: t.Dict[str, str]
    state: State


class Apply:
    """One run over all certificates, those that are live and not configured among them.

    With ``names`` it is over these alone, and what the state says of the others stays as it is. Troubles of other users
    than root do not count for the exit code, unless clients fail: who has them can have them at will.
    A lock keeps others from changing what servers read meanwhile. Without ``reload``, services are reloaded elsewhere,
    and if ``deployed``, what other programs have renewed has just been treated, and what came of it was said.
    """

    def __init__(
        self,
        config: Config,
        host: Host,
        log: Log,
        installed: Installation,
        trust_clock: bool = False,
        reload: bool = True,
        names: t.Collection[str] = (),
        deployed: bool = False,
    ) -> None:
        self.config = config
        self.installed = installed
        self.host = host
        self.log = log
        self.trust_clock = trust_clock
        self.reload = reload
        self.names = names
        self.deployed = deployed
        self.now = host.now()
        self.claims, self.refused = record.load_foreign(config.folders.record, len(config.certificates))
        self.before = states.load(config.folders.state_file)
        self.noted = frozenset(attempts.names(installed.layout))
        self.observer = Observer(config, self.claims, self.now, None if trust_clock else LONGEST_LEAD)
        self.after = State()
        self.after.refused = self.refused
        self.clock_problem = ""
        #: Certificates whose staples in place show that the clock is behind, and how.
        self.ahead_of_clock: t.List[t.Tuple[Entry, str]] = []
        self.runs = host.timetable()
        self.ahead = host.look_ahead(self.runs, config.interval, config.fetch)
        self.exit_code = 0
        self.changes: t.Dict[str, str] = {}
        #: What services have rejected, by certificate, as the state says it.
        self.rejected = {name: record.mapping(known, "rejected") for name, known in self.before.certificates.items()}
        #: What this run took back and did not try for lack of time.
        self.untried: t.Dict[str, Rejected] = {}
        self.renewed = renewals.watch(installed.layout)
        self.messenger = reloading.Messenger(installed, config, log, self.before.pending)

    def run(self) -> Report:
        """Raises FileError where the state cannot be written; all else is then done all the same."""
        self._look_at_state()
        self._look_at_clock()
        meant = [entry for entry in self.config.certificates if self._is_meant(entry.name)]
        for entry in meant:
            if not entry.found:
                self._guard(entry, self._apply)
        for entry in self._unconfigured():
            if self._is_meant(entry.name):
                self._guard(entry, self._apply_unconfigured)
        self._apply_found([entry for entry in meant if entry.found])
        if not self.names:
            proofs.forget_others(self.config.folders.proofs, self.after.certificates)
        else:
            others = {name: known for name, known in self.before.certificates.items() if not self._is_meant(name)}
            self.after.certificates.update(others)
        if self.reload:
            self._take_back()
        self._look_at_beginnings()
        self._remember_newest()
        self._look_at_renewals()
        self._worsen(0 if self.messenger.finish(self.reload) else 1)
        self._summarize()
        self._save()
        return Report(self.exit_code, self.changes, self.after)

    def _is_meant(self, name: str) -> bool:
        return not self.names or name in self.names

    def _worsen(self, exit_code: int) -> None:
        self.exit_code = max(self.exit_code, exit_code)

    def _worsen_for(self, entry: Entry, exit_code: int) -> None:
        """The same for what is wrong with one certificate, where that is the operator's."""
        if exit_code > self.exit_code and not self.config.user_of(entry):
            self.exit_code = exit_code

    def _look_at_state(self) -> None:
        for problem in self.config.problems:
            self._worsen(IO_ERROR)
            self.log.emit(Event("configuration", problem, events.ERROR, "file_error"))
        for problem in self.config.problems_of_users:
            self.log.emit(Event("configuration", problem, events.WARNING, "file_error"))
        if self.before.problem:
            message = f"{self.before.problem}; it is rebuilt"
            self.log.emit(Event("state", message, events.WARNING, "file_error"))
        if self.refused:
            self._worsen(1)
            self._refuse("", self.refused)
        for name in self.installed.put_back:
            message = "a run was killed while switching to another set; the previous set is live again"
            self.log.emit(Event("kept", message, events.WARNING, certificate=name))

    def _look_at_clock(self) -> None:
        known, uptime = clock.known(self.before.clock), self.host.uptime()
        expected = None if self.trust_clock else known.at(uptime)
        if not self.trust_clock:
            self.clock_problem = clock.problem(
                self.now, known.latest, expected, self._is_contradicted, lambda: self.observer.evidence(self.before)
            )
        believed = clock.believed(self.now, expected, uptime)
        claimed = record.time_of(self.before.clock, "claimed")
        self.after.clock = {**believed.values(), "problem": "", "claimed": format_time(claimed)}
        if self.clock_problem:
            # However much later a staple in place begins, it stays, and nothing older takes its place.
            self.observer.lead = timedelta.max
            self._say_clock()

    def _is_contradicted(self) -> bool:
        """Whether refresh says so, and is believed.

        Since when is noted first: a full disk would make each claim a new one.
        """
        if not self.observer.is_contradicted():
            return False
        claimed = clock.claim_began(self.now, record.time_of(self.before.clock, "claimed"))
        return self._is_noted(claimed) and clock.is_believed(self.now, claimed)

    def _look_at_beginnings(self) -> None:
        """Doubt the clock because of what staples in place have shown, unless it is doubted already."""
        found = sorted(self.ahead_of_clock, key=lambda one: self.config.user_of(one[0]))
        if self.clock_problem or not self.observer.counts_for_all([entry for entry, _reason in found]):
            return
        entry, reason = found[0]
        self.clock_problem = clock.problem_by_staple(entry.name, reason)
        self._say_clock()

    def _remember_newest(self) -> None:
        """Keep, also when its staple goes, since when the newest of each certificate is: no older one proves the time.

        What was put in place while the clock was in doubt may be an old one itself.
        """
        for name, values in self.after.certificates.items():
            newest = record.time_of(record.mapping(self.before.certificates, name), "newest")
            begins = record.time_of(record.mapping(values, "staple"), "this_update")
            if begins is not None and not self.clock_problem:
                newest = begins if newest is None or self.trust_clock else max(newest, begins)
            values["newest"] = format_time(newest)

    def _say_clock(self) -> None:
        """Say that the clock is not believed, so that the latest time at which it was stays the same."""
        self.after.clock.update(clock.known(self.before.clock).values(), problem=self.clock_problem)
        self._worsen(1)
        self.log.emit(Event("clock", self.clock_problem, events.ERROR, "clock_implausible"))

    def _is_noted(self, claimed: datetime) -> bool:
        """Have the beginning of a claim on disk."""
        before = self.before
        if before.clock.get("claimed") == format_time(claimed):
            return True
        before.clock = {**before.clock, "claimed": format_time(claimed)}
        try:
            before.save(self.config.folders.state_file, record.time_of({"t": before.written}, "t") or self.now)
        except FileError:
            return False
        return True

    def _guard(self, entry: Entry, action: t.Callable[[Entry], None]) -> None:
        """Do something about one certificate; what fails there is said and stops no other."""
        try:
            action(entry)
            return
        except OcspError as error:
            code, message = error.code, error.message
        except Exception as error:
            code = ""
            message = f"its staple was not checked because of an internal error ({type(error).__name__}: {error})"
        self._worsen_for(entry, 1)
        self.log.emit(Event("failed", message, events.ERROR, code, entry.name))
        known = self.before.certificates.get(entry.name, {})
        self.after.certificates[entry.name] = {**known, "unfinished": message}

    def _apply_found(self, entries: t.Sequence[Entry]) -> None:
        """Look at what a search found, as long as there is time: other users may have put anything there.

        What the last run left comes first.
        """
        left = 0

        def was_looked_at(entry: Entry) -> bool:
            return not record.text_of(record.mapping(self.before.certificates, entry.name), "unfinished")

        for entry in in_turn(sorted(entries, key=was_looked_at)):
            if self.host.elapsed() < LONGEST_RUN.total_seconds():
                self._guard(entry, self._apply)
                continue
            left += 1
            self._worsen_for(entry, 1)
            known = self.before.certificates.get(entry.name, {})
            self.after.certificates[entry.name] = {**known, "unfinished": _NO_TIME}
        if left:
            message = (
                f"apply ended itself after {LONGEST_RUN.total_seconds() / 60:g} minutes and left "
                f"{count(left, 'certificate')} for the next run, which begins with them"
            )
            self.log.emit(Event("run", message, events.WARNING, "timeout"))

    def _take_back(self) -> None:
        """Take back what services reject, and treat those certificates again without it."""
        configured = {entry.name for entry in self.config.certificates}
        taken = rejecting.take_back(self.installed, self.config, self.log, self.now)
        self._worsen(1 if taken.failed else 0)
        for one in taken.rejected:
            self.changes.pop(one.name, None)
            if not one.is_stapled:
                self.changes[one.name] = WITHDRAWN
            entry = self.config.known_entry(one.name, self._services_of(one.name))
            self.rejected[one.name] = certificate_state.rejected_values(one.sha256, entry.services, one.message)
            if not one.is_tried:
                self.untried[one.name] = one
            self._guard(entry, self._apply if one.name in configured else self._apply_unconfigured)

    # One certificate

    def _look(self, entry: Entry) -> Observation:
        """What there is, where a response that a service has rejected is no candidate any more."""
        look = self.observer.look(entry)
        known = self.rejected.get(entry.name)
        if known and certificate_state.is_rejected(look, known):
            return certificate_state.without_rejected(look, known)
        self.rejected.pop(entry.name, None)
        return look

    def _apply(self, entry: Entry) -> None:
        look = self._look(entry)
        decision = self._decide(look)
        if look.refused:
            self._worsen_for(entry, 1)
            self._refuse(entry.name, look.refused)
        if look.place is None:
            self._tell_of_file(look)
        elif self._would_change(look.place, look, decision):
            self._carry_out(look.place, look, decision)
        elif self._is_untold(look, decision):
            self._tell_of_withdrawal(entry)
        if entry.dropped and not decision.code:
            decision = decision._replace(code="not_configured", message=_DROPPED)
        self._conclude(look, decision)

    def _apply_unconfigured(self, entry: Entry) -> None:
        """See to a staple that is no longer renewed: it stays while it is good, and is withdrawn before it expires."""
        look = self._look(entry)
        if look.place is None or not (look.facts.in_place or entry.name in self.before.certificates):
            return
        decision = self._decide(look)
        if self._would_change(look.place, look, decision):
            self._carry_out(look.place, look, decision)
        elif self._is_untold(look, decision):
            self._tell_of_withdrawal(entry)
        fate = ""
        if decision.action == WITHDRAW and not decision.alarming:
            fate = "was withdrawn"
        elif not decision.code:
            ends = format_time(decision.judgement.effective_expiry if decision.judgement else None)
            fate = f"will be withdrawn before {ends}"
        if fate:
            message = certificate_state.unconfigured_sentence(self.installed.layout, entry.name, fate)
            decision = decision._replace(code="not_configured", message=message)
        self._conclude(look, decision)

    def _refuse(self, name: str, message: str) -> None:
        self.log.emit(Event("refused", message, events.ERROR, "foreign_file", name))

    def _plan(self, entry: Entry) -> ExpiryPlan:
        return expiry_plan(self.config.kinds(entry.services))

    def _decide(self, look: Observation) -> Decision:
        # A file that servers read where refresh put it is not ours to withdraw.
        expiry_plan = self._plan(look.entry)._replace(**({} if look.place else {"in_advance": False}))
        decision = decide(look.facts, self.now, expiry_plan, self.ahead, self.clock_problem)
        if not look.facts.must_staple or decision.judgement is None:
            return decision
        # It keeps its staple to the end, and alarms from the moment on at which status and the alert do.
        expiry_plan = expiry_plan._replace(in_advance=True)
        ahead = Lookahead(_last_part(look, decision.judgement))
        return decide(look.facts, self.now, expiry_plan, ahead, self.clock_problem)

    def _would_change(self, place: Place, look: Observation, decision: Decision) -> bool:
        """Whether the files are not as decided."""
        if decision.action == WITHDRAW:
            return staples.withdraw(place, False, self._plan(look.entry).keep_file)
        data = certificate_state.stapled(look, decision)
        if data is None or decision.judgement is None:
            return False
        return staples.install(place, data, decision.judgement, False)

    def _carry_out(self, place: Place, look: Observation, decision: Decision) -> None:
        """Change what servers read, and tell those that take a staple while they run."""
        entry, data = look.entry, certificate_state.stapled(look, decision)
        withdrawn = decision.action == WITHDRAW
        told = self.messenger.told(entry, withdrawn, decision.ended)
        before = self.messenger.notes(told)
        # A full disk must not keep a staple in place that ends.
        with self.messenger.changing(entry, told, must_note=not withdrawn) as change:
            self._change(change, place, look, decision, told)
        self.changes[entry.name] = WITHDRAWN if withdrawn else INSTALLED
        given = self.messenger.give(entry, data, before) if data is not None else []
        self._say_change(entry, decision, [name for name in told if name not in given])

    def _change(
        self, change: Change, place: Place, look: Observation, decision: Decision, told: t.Collection[str]
    ) -> None:
        data = certificate_state.stapled(look, decision)
        if decision.action == WITHDRAW:
            change.withdraw(place, self._plan(look.entry).keep_file)
        elif data is not None and decision.judgement is not None:
            if told:
                name, demanded = look.entry.name, look.facts.must_staple
                replaced.note(self.installed.layout, name, place, data, told, demanded)
            change.install(place, data, decision.judgement)

    def _is_untold(self, look: Observation, decision: Decision) -> bool:
        """Whether a run withdrew a staple and could not write that, nor whom to tell, as on a full disk."""
        known = self.before.certificates.get(look.entry.name, {})
        certificate = certificate_state.certificate_values(look.options)
        former = record.mapping(known, "staple").get("certificate_sha256")
        return decision.action == WITHDRAW and certificate is not None and former == certificate["sha256"]

    def _tell_of_withdrawal(self, entry: Entry) -> None:
        with self.messenger.changing(entry, self.messenger.told(entry, withdrawn=True)):
            self.changes[entry.name] = WITHDRAWN

    def _tell_of_file(self, look: Observation) -> None:
        """Have services reloaded that read a response where refresh put it, once it is good for the certificate there.

        That of a certificate which another program has replaced since is none.
        """
        entry, left = look.entry, certificate_state.good_left(look)
        known = self.before.certificates.get(entry.name, {})
        if entry.services and left is not None and known.get("left") != left:
            with self.messenger.changing(entry, self.messenger.told(entry)):
                self.changes[entry.name] = INSTALLED

    def _unconfigured(self) -> t.List[Entry]:
        """The certificates that are live and not configured, whether or not the state knows them."""
        configured = {entry.name for entry in self.config.certificates}
        layout = self.installed.layout
        return [
            self.config.entry(name, self._services_of(name))
            for name in sets.live_names(layout)
            if name not in configured and os.path.isdir(layout.live(name))
        ]

    def _services_of(self, name: str) -> t.Sequence[str]:
        """The services of a certificate that is live and not configured."""
        described = sets.described(self.installed.layout.live(name)).services
        return described or sets.texts_of(record.mapping(self.before.certificates, name).get("services"))

    # What other programs renewed

    def _look_at_renewals(self) -> None:
        """Request that certificates be deployed which other programs of this host have renewed."""
        for name in filter(self._is_meant, self.renewed.sources):
            try:
                self._look_at_renewal(name)
            except Exception as error:  # services are still to be reloaded, and the state to be written
                self._worsen(1)
                message = (
                    "it was not checked whether another program renewed it because of an internal error "
                    f"({type(error).__name__}: {error})"
                )
                self.log.emit(Event("failed", message, events.ERROR, "", name))

    def _look_at_renewal(self, name: str) -> None:
        if name in self.after.certificates:
            self.after.certificates[name]["source"] = self.renewed.values(name)
        if not self.deployed and (self._is_refused(name) or self.renewed.is_due(name)):
            self._request(name)

    def _is_refused(self, name: str) -> bool:
        """Whether the last attempt to deploy a certificate failed, which stays known until one succeeds."""
        return certificate_state.is_not_live(self.after.certificates.get(name, {}))

    def _request(self, name: str) -> None:
        source = self.renewed.sources[name]
        changed = self.renewed.changed(name)
        if changed is not None and not self._is_refused(name):
            message = (
                f"the certificate in {source.certificate}, changed at {format_time(changed)}, is not live yet; "
                "'ocsp-stapling deploy --renewed' deploys it"
            )
            self.log.emit(Event("renewed", message, events.NOTICE, certificate=name))
        try:
            renewals.note(self.config.folders, name)
        except OcspError as error:
            self._worsen(1)
            self.log.emit(Event("failed", error.message, events.ERROR, error.code, name))

    # What is said and remembered

    def _say_change(self, entry: Entry, decision: Decision, told: t.Sequence[str]) -> None:
        whom = f"; to be reloaded: {', '.join(told)}" if told else ""
        if decision.judgement is not None:
            ends = format_time(decision.judgement.effective_expiry)
            message = f"a staple that is good until {ends} is in place{whom}"
            self.log.emit(Event("installed", message, certificate=entry.name))
        else:
            message = f"the staple was withdrawn: {decision.message}{whom}"
            priority = events.CRITICAL if decision.alarming else events.WARNING
            self.log.emit(Event("withdrawn", message, priority, decision.code, entry.name))

    def _conclude(self, look: Observation, decision: Decision) -> None:
        before = self.before.certificates.get(look.entry.name, {})
        # Where others bring the responses, what refresh says of its attempts is from before.
        claims = self.claims.entry(look.entry.name) if self.config.fetch else {}
        user = self.config.user_of(look.entry)
        after = certificate_state.entry_values(look, decision, before, claims, self.now, user)
        rejected = self.rejected.get(look.entry.name)
        if rejected:
            self._worsen_for(look.entry, 1)
            certificate_state.say_rejected(after, rejected, tried=look.entry.name not in self.untried)
        self._keep_proof(look, decision, is_of_another=certificate_state.is_of_another(look, after, before))
        after["deployment"] = certificate_state.deployment_values(self._attempt(look.entry.name, after))
        self.after.certificates[look.entry.name] = after
        self._say_deployment(look.entry.name, before)
        self._say_ignored(look, before)
        if decision.code == "clock_implausible" and not self.clock_problem:
            self.ahead_of_clock.append((look.entry, decision.message))
        # By the word of refresh, which decides nothing.
        told = certificate_state.known_failure(after) if decision.code == "missing_staple" else ("", "")
        stapled = decision.action != WITHDRAW
        harmless = decision.code in ("", "no_responder") or (decision.code == "not_configured" and not stapled)
        bearable = not look.deployed or (stapled and not decision.alarming)
        if not user or decision.code == "revoked" or look.facts.must_staple:
            self._worsen(0 if harmless else 1 if bearable else 2)
        # What concerns the clock was said for all of them together, and why a staple went when it went.
        of_clock = decision.code == "clock_implausible" and not decision.alarming
        said = not decision.code or of_clock or self.changes.get(look.entry.name) == WITHDRAWN
        asked = look.entry.name in self.names
        if not said and (asked or decision.alarming or before.get("code") != after["code"]):
            expected = decision.code in ("no_responder", "not_configured") or not look.deployed
            what = "skipped" if expected else "revoked" if decision.code == "revoked" else "failed"
            code, message = told[0] or decision.code, told[1] or decision.message
            self.log.emit(Event(what, message, _priority(look, decision), code, look.entry.name), answer=asked)

    def _keep_proof(self, look: Observation, decision: Decision, is_of_another: bool) -> None:
        """Remember the latest proof of a revocation that can be kept.

        Where there is none, the one of before stays: it may be impossible to judge it now. One of another certificate
        goes, and so does one that the CA has taken back since.
        """
        name, path = look.entry.name, self.config.folders.kept_proof(look.entry.name)
        is_taken_back = look.proof is not None and look.facts.obstacle is None and decision.proof is None
        try:
            if is_taken_back or (look.proof is None and is_of_another):
                proofs.forget(path)
            elif look.proof is not None:
                proofs.keep(path, look.proof)
        except OcspError as error:  # what it proves is still to be said
            self._worsen(1)
            self.log.emit(Event("failed", error.message, events.ERROR, error.code, name))

    def _attempt(self, name: str, after: Values) -> t.Optional[Attempt]:
        """What is noted of the last deployment, as far as it holds; what does not is forgotten."""
        if name not in self.noted:
            return None
        attempt = attempts.outstanding(self.installed.layout, name)
        if attempt is not None and not (attempt.is_live and after["staple"]):
            return attempt
        with contextlib.suppress(OcspError):
            attempts.forget(self.installed.layout, name)
        return None

    def _say_deployment(self, name: str, before: Values) -> None:
        """Say once that a certificate is not live that was to be, and once more when that becomes urgent."""
        after = self.after.certificates[name]
        deployment = record.mapping(after, "deployment")
        overdue = certificate_state.is_overdue(after, self.now)
        known = record.mapping(before, "deployment").get("time") == deployment.get("time")
        was_overdue = certificate_state.is_overdue(before, record.time_of({"t": self.before.written}, "t") or self.now)
        told = self.deployed or (known and was_overdue >= overdue)
        if certificate_state.is_not_live(after) and not told:
            message = certificate_state.deployment_sentence(after)
            priority = events.CRITICAL if overdue else events.WARNING
            self.log.emit(Event("kept", message, priority, record.text_of(deployment, "code"), name))

    def _say_ignored(self, look: Observation, before: Values) -> None:
        """Say once that a server ignores the staple in place, and each time where the certificate demands one."""
        name, demanded = look.entry.name, look.facts.must_staple
        ignored, was_ignored = (
            record.text_of(record.mapping(values, "staple"), "ignored")
            for values in (self.after.certificates[name], before)
        )
        if not ignored:
            return
        if demanded:
            self._worsen(2)
        else:
            self._worsen_for(look.entry, 1)
        asked = name in self.names
        if asked or demanded or ignored != was_ignored:
            priority = events.CRITICAL if demanded else events.WARNING
            self.log.emit(Event("failed", ignored, priority, "unfit_for_server", name), answer=asked)

    def _summarize(self) -> None:
        done = list(self.changes.values())
        known = {name: one for name, one in self.after.certificates.items() if one.get("staple") is None}
        missing = [name for name, one in known.items() if one.get("code") not in ("no_responder", "not_configured")]
        which = f" ({join_words(missing, most=_MOST_NAMES)}: see 'ocsp-stapling status')" if missing else ""
        judged = sum(self._is_meant(entry.name) for entry in self.config.certificates)
        message = (
            f"apply checked {count(judged, 'certificate')} in {self.host.elapsed():.1f} s: {done.count(INSTALLED)} "
            f"installed, {done.count(WITHDRAWN)} withdrawn, {len(missing)} without a staple{which}"
        )
        self.log.emit(Event("run", message))

    def _save(self) -> None:
        problems = self.config.problem, self.config.problem_of_users
        this = states.run_values(self.host.now(), self.host.elapsed(), self.exit_code, *problems)
        self.after.first = self.before.first or format_time(self.now)
        self.after.runs = {
            # A run over some certificates says nothing about the timer.
            "apply": {**record.mapping(self.before.runs, "apply"), "latest": this["ended"]} if self.names else this,
            "refresh": certificate_state.refresh_values(self.claims.run, self.now),
        }
        self.after.pending = reloading.marks(self.config)
        self.after.save(self.config.folders.state_file, self.now)
        starts.write_down(self.config.folders.starts, self.runs)


def _last_part(look: Observation, judgement: Judgement) -> timedelta:
    """How much of the time for renewing is left when a staple that is demanded counts as about to end."""
    due = schedule.renew_at(judgement, look.options.renewal) if look.options is not None else None
    if due is None or judgement.effective_expiry is None:
        return timedelta(0)
    return (judgement.effective_expiry - due) * (1 - troubles.MUST_STAPLE_EXPIRING.share)


def _priority(look: Observation, decision: Decision) -> int:
    if decision.code == "no_responder":
        return events.NOTICE
    if decision.code == "not_configured":
        return events.NOTICE if decision.action == WITHDRAW else events.WARNING
    if not look.deployed:
        return events.WARNING
    return events.CRITICAL if decision.alarming else events.ERROR
