# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``deploy``: put certificates that another program of this host renewed in the place of the live ones.

It does what ``certificate_set`` and the role do, in the same order: check, obtain a staple, switch, test, reload, look
at what is served, and go back if that is worse than before.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from datetime import timedelta

from ocsp.deploy import certificate_set, renewed
from ocsp.deploy.renewed import Source
from ocsp.deploy.task import Result, Task
from ocsp.errors import OcspError
from ocsp.fetch import bulk
from ocsp.store import attempts, files, parts, sets
from ocsp.text import format_time, join_words

from .. import events, renewals
from ..config import Config
from ..events import Event, Log
from ..host import Host
from ..record import Values
from ..renewals import Request
from . import reload as reloading

UNIT = "ocsp-stapling-deploy.service"

DEPLOYED, UNCHANGED, REFUSED = "deployed", "unchanged", "refused"
_LIVE = "it is live already"

#: Seconds between two attempts for a certificate that its responder does not know yet.
_PAUSE = 10.0
#: Seconds within which another program may still be writing its files.
_SETTLING = 30.0
_LOCK_TIMEOUT = 300.0


class Outcome(t.NamedTuple):
    """What became of one certificate: DEPLOYED, UNCHANGED or REFUSED, and a sentence about it.

    ``lacks_staple``: it is live without the staple that it should have. ``unfinished``: it is live, but an error kept
    the rest from being done.
    """

    what: str
    message: str
    lacks_staple: bool = False
    fingerprint: str = ""
    unfinished: bool = False

    @property
    def failed(self) -> bool:
        """Whether something is left to be done."""
        return self.what == REFUSED or self.unfinished

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 2 if self.lacks_staple else 0

    def values(self) -> Values:
        """For ``--json``."""
        return {
            "outcome": self.what,
            "changed": self.what == DEPLOYED,
            "failed": self.failed,
            "stapled": not (self.lacks_staple or self.unfinished),
            "sha256": self.fingerprint or None,
            "msg": self.message,
        }


class Deploy:
    """One run. ``sleep`` waits for so many seconds, while others may do their work."""

    def __init__(self, config: Config, host: Host, log: Log, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self.config = config
        self.host = host
        self.log = log
        self.layout = config.layout
        self.outcomes: t.Dict[str, Outcome] = {}
        self._sleep = sleep
        self._deadlines: t.Dict[str, float] = {}

    @property
    def exit_code(self) -> int:
        return max((one.exit_code for one in self.outcomes.values()), default=0)

    def run_requests(self, names: t.Collection[str] = ()) -> None:
        """Deploy all that is requested, or of it these names, until nothing new is. Raises FileError."""
        seen: t.Dict[str, t.Optional[int]] = {}
        while True:
            found = {
                name: request
                for name, request in renewals.noted(self.config.folders).items()
                if seen.get(name, -1) != request.mark and (not names or name in names)
            }
            if not found:
                return
            seen.update((name, request.mark) for name, request in found.items())
            self._run(found)

    def run_one(self, name: str, source: t.Optional[Source]) -> None:
        """Deploy one certificate; with files that are given, even if the live one is newer. Raises FileError."""
        self._run({name: Request(source)}, at_any_age=source is not None)

    def _run(self, wanted: t.Mapping[str, Request], at_any_age: bool = False) -> None:
        left = dict(wanted)
        while left:
            for name, request in list(left.items()):
                before = attempts.read(self.layout, name)
                outcome = self._attempt(name, request, at_any_age)
                if outcome is not None:
                    del left[name]
                    self._conclude(name, request, outcome, before)
            if left:
                self._sleep(_PAUSE)

    def _live(self, name: str) -> str:
        """The identifier of the live set; empty where there is none."""
        with contextlib.suppress(OcspError):
            return sets.current_id(self.layout, name) or ""
        return ""

    @property
    def _lock(self) -> str:
        return os.path.join(self.config.folders.state, ".deploy.lock")

    def _attempt(self, name: str, request: Request, at_any_age: bool) -> t.Optional[Outcome]:
        """Deploy one certificate. Returns what became of it, or None where that is to be tried again."""
        with files.lock_file(self._lock, "the deployment of another certificate", _LOCK_TIMEOUT):
            before = self._live(name)
            outcome = self._deploy(name, request, at_any_age)
            if outcome is not None and outcome.what == REFUSED and self._live(name) != before:
                return outcome._replace(what=DEPLOYED, unfinished=True)
            return outcome

    def _deploy(self, name: str, request: Request, at_any_age: bool) -> t.Optional[Outcome]:
        try:
            all_parts = parts.load(self.layout)
            source = request.source or renewed.sources(all_parts).get(name)
            if source is None or not parts.is_given(all_parts, name):
                return Outcome(UNCHANGED, "the role no longer deploys it, or nothing on this host renews it any more")
            given = {"workers": self.config.workers, "fetch": self.config.fetch}
            values = renewed.task_values(self.layout, all_parts, name, source, given)
            values["at_any_age"] = at_any_age
            last = self._is_last(name, values["responder_wait"])
            verify = renewed.settings(all_parts, name)["verify"]
            result = certificate_set.carry_out(Task(values, self.host.run, postpone=not last, verify=verify))
            if result.postponed:
                self._say_waiting(name)
                return None
            if result.failed and not last and self._is_settling(source):
                return None
            return self._follow(name, source, result, values, verify)
        except Exception as error:  # it must not stop the others
            return Outcome(REFUSED, bulk.as_error(error).message)

    def _is_last(self, name: str, wait: float) -> bool:
        """Whether there is no time left to wait for the responder of a certificate."""
        now = self.host.elapsed()
        return now >= self._deadlines.setdefault(name, now + wait)

    def _is_settling(self, source: Source) -> bool:
        """Whether the files of a certificate have just been written, so that they need not be of one renewal yet."""
        paths = [path for path in (source.private_key, source.certificate, source.chain) if path]
        try:
            return any(time.time() - os.stat(path).st_mtime < _SETTLING for path in paths)
        except OSError:
            return False

    def _follow(self, name: str, source: Source, result: Result, values: Values, verify: bool) -> Outcome:
        """Have services load what was switched, and look at what they serve then."""
        said = _plain(name, str(result.values["msg"]))
        if result.failed:
            return Outcome(REFUSED, said)
        warnings = [_plain(name, sentence) for sentence in result.warnings]
        if result.values["reload"]:
            self._reload(result.values["reload"])
        if verify and result.values["unconfirmed"]:
            verified = certificate_set.carry_out(Task({**values, "state": "verify"}, self.host.run))
            if verified.failed and verified.values.get("swapped_back"):
                return Outcome(REFUSED, str(verified.values["msg"]))
            warnings += verified.warnings
            if verified.failed:
                warnings.append(f"what is served could not be checked: {verified.values['msg']}")
        (one,) = result.values["certificates"]
        lacks = name in result.values["without_staple"]
        if not one["changed"]:
            return Outcome(UNCHANGED, "; ".join(warnings) or _LIVE, lacks, one["fingerprint"])
        staple = f"with a staple that expires at {one['staple_expiry']}" if one["stapled"] else "without a staple"
        message = f"the certificate in {source.certificate}, which expires at {one['expiry']}, is live {staple}"
        return Outcome(DEPLOYED, "; ".join([message, *warnings]), lacks, one["fingerprint"])

    def _reload(self, services: t.Sequence[str]) -> None:
        """Have services load what was switched. That they have to is noted on disk, so a later run may do it."""
        try:
            with reloading.installation(self.config, self.host, _LOCK_TIMEOUT) as installed:
                reloading.tell(installed, self.config, self.log, services)
        except OcspError as error:
            message = f"{join_words(services)} could not be reloaded: {error.message}; the next run tries again"
            self.log.emit(Event("reload_failed", message, events.ERROR, "reload_failed"))

    def _say_waiting(self, name: str) -> None:
        until = self.host.now() + timedelta(seconds=max(0.0, self._deadlines[name] - self.host.elapsed()))
        message = (
            "the responder has no answer for the new certificate yet; it is asked again until "
            f"{format_time(until)}, and the old certificate stays in use until then"
        )
        if not any(one.certificate == name and one.message == message for one in self.log.events):
            self.log.emit(Event("kept", message, events.NOTICE, certificate=name))

    def _conclude(
        self, name: str, request: Request, outcome: Outcome, before: t.Optional[attempts.Attempt] = None
    ) -> None:
        self.outcomes[name] = outcome
        if outcome.unfinished:
            left = "the next run goes on" if request.mark is not None else "run this again"
            message = f"the renewed certificate is live, but not all was done: {outcome.message}; {left}"
            self.log.emit(Event("failed", message, events.ERROR, certificate=name))
            return
        if outcome.what == REFUSED:
            live = "the old certificate stays in use" if self._live(name) else "nothing is live"
            message = f"the renewed certificate is not live: {outcome.message}; {live}"
            after = attempts.read(self.layout, name)
            # Each run tries again what was refused; it is an error to be looked at once.
            again = request.mark is not None and before is not None and _is_same(before, after)
            code = after.code if after is not None else ""
            self.log.emit(Event("failed", message, events.INFO if again else events.ERROR, code, name))
            return
        # What a sandbox hides is looked at by each run.
        idle = request.mark is not None and outcome.message == _LIVE
        priority = events.WARNING if outcome.lacks_staple else events.DEBUG if idle else events.INFO
        what = "installed" if outcome.what == DEPLOYED else "kept"
        self.log.emit(Event(what, outcome.message, priority, certificate=name))
        if request.mark is not None:
            renewals.forget(self.config.folders, name, request)


def _is_same(before: attempts.Attempt, after: t.Optional[attempts.Attempt]) -> bool:
    """Whether two attempts ended alike."""
    return after is not None and before._replace(time=after.time) == after


def _plain(name: str, message: str) -> str:
    """A sentence about one certificate without what it begins with for one of many, or ends with for a task."""
    message = message[: -len(certificate_set.PARTLY_DONE)] if message.endswith(certificate_set.PARTLY_DONE) else message
    for prefix in ("nothing was changed: ", "held back: ", f"{name}: "):
        message = message[len(prefix) :] if message.startswith(prefix) else message
    return message


def hand_over(host: Host, systemd: bool) -> str:
    """Have a unit of its own carry out the requests. Returns what will do that, for a sentence."""
    if not systemd:
        return "the next run of 'ocsp-stapling apply' deploys it"
    code, _output, _errors = host.run(("systemctl", "start", "--no-block", UNIT))
    return f"{UNIT} deploys it" if code == 0 else f"{UNIT} could not be started, so the timer's next run deploys it"
