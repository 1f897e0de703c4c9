# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take back new staples with which a service rejects its configuration, before it is reloaded.

A running server would go on with what it has, but not start again, for no certificate. Each service that has to load a
new staple is tested, whatever is known of its kind. A test that passes without the new staples shows that they are to
blame; then it is found out which of them.

It is done where services are reloaded: the sandbox of ``apply`` lets no server test its configuration.
"""

from __future__ import annotations

import collections
import contextlib
import time
import typing as t
from datetime import datetime

from ocsp.errors import OcspError
from ocsp.services.installation import Installation
from ocsp.store import pending, replaced, staples
from ocsp.store.replaced import Replaced
from ocsp.store.staples import Place, Stapled

from .. import events
from ..config import Config
from ..events import Event, Log

#: Seconds in which new staples are tried with a service one by one, or in parts. Each test may take a minute.
LONGEST = 60.0


class Rejected(t.NamedTuple):
    """A new response that was taken back. ``service`` rejects it, or ``is_tried`` is false, as there was no time.

    ``is_stapled``: the previous one is in place. ``user`` is whose the certificate is, empty for root.
    """

    name: str
    sha256: str
    service: str
    is_tried: bool
    is_stapled: bool
    user: str

    @property
    def message(self) -> str:
        """Why it is not in place, for everybody: what a test says may quote a configuration."""
        if self.is_tried:
            return f"{self.service} rejects its configuration with the new response; the log says why"
        return (
            f"{self.service} rejects its configuration with new responses, and {LONGEST:.0f} seconds were not enough "
            "to try each of them; the next run tries again"
        )


class _New(t.NamedTuple):
    """A new staple: what is in place, and what was there before."""

    name: str
    place: Place
    new: Stapled
    former: Stapled
    services: t.Tuple[str, ...]
    must_staple: bool
    user: str


class Taken(t.NamedTuple):
    """What was taken back. ``failed``: a defect kept others from being found."""

    rejected: t.Tuple[Rejected, ...] = ()
    failed: bool = False


def take_back(installed: Installation, config: Config, log: Log, now: datetime, only: t.Collection[str] = ()) -> Taken:
    """Put back what was there before the new staples that a service rejects, and say so.

    All services that read these are noted, to be reloaded afterwards. ``only``: for these services alone.
    """
    taken = Taken()
    for service in pending.services(installed.layout):
        if only and service not in only:
            continue
        search = _Search(installed, service, now)
        try:
            search.run(config)
        except Exception as error:  # the services are still to be reloaded, and the state to be written
            taken = taken._replace(failed=True)
            message = (
                f"it was not found out which new responses {service} rejects because of an internal error "
                f"({type(error).__name__}: {error})"
            )
            log.emit(Event("failed", message, events.ERROR, service=service))
        for one in search.out.values():
            rejected = _rejected(search, one, now)
            log.emit(_said(rejected, one, search.problems.get(one.name, "")))
            taken = taken._replace(rejected=(*taken.rejected, rejected))
    return taken


def _new_one(installed: Installation, config: Config, name: str, known: Replaced) -> t.Iterator[_New]:
    """A new staple by the note about it, unless another one is in place by now."""
    with contextlib.suppress(Exception):  # what fails here must not keep others from being put back
        place = staples.find(installed.layout.live(name))
        current = staples.look(place) if place is not None else None
        if place is not None and current is not None and known.is_about(place, current):
            user = config.user_of(config.known_entry(name, known.services))
            yield _New(name, place, current, known.former, known.services, known.must_staple, user)


class _Search:
    """Finds the new staples that one service rejects. ``out`` are those that are taken back.

    ``problems`` is what the service says of each, without those for which there was no time.
    """

    def __init__(self, installed: Installation, service: str, now: datetime) -> None:
        self.service = service
        self.out: t.Dict[str, _New] = {}
        self.problems: t.Dict[str, str] = {}
        self._installed = installed
        self._now = now
        self._until = time.monotonic() + LONGEST

    def run(self, config: Config) -> None:
        noted = self._noted()
        problem = self._test() if noted else ""
        new = [one for each in noted if problem for one in _new_one(self._installed, config, *each)]
        if not new:
            return
        try:
            self._put(new, False)
            if self._test():
                # It is broken anyway.
                self._put(new, True)
            elif len(new) == 1:
                self.problems[new[0].name] = problem
            else:
                self._try_all(new)
        finally:
            self._note()

    def _noted(self) -> t.List[t.Tuple[str, Replaced]]:
        """What is noted of certificates that have a new staple which the service has to load."""
        layout = self._installed.layout
        found = ((name, replaced.read(layout, name)) for name in replaced.names(layout))
        return [(name, known) for name, known in found if known is not None and self.service in known.services]

    def _try_all(self, new: t.Sequence[_New]) -> None:
        """Try those of the operator before those of users, who may have any number that are rejected."""
        by_user: t.Dict[str, t.List[_New]] = {}
        for one in new:
            by_user.setdefault(one.user, []).append(one)
        groups = list(by_user.values())
        if len(groups) == 1:
            self._try(_halves(groups[0]))
            return
        own = by_user.pop("", [])
        self._try([own] if own else [])
        self._try(list(by_user.values()))

    def _try(self, batches: t.Iterable[t.Sequence[_New]]) -> None:
        """Put in place what the service accepts, in halves of what it rejects."""
        queue = collections.deque(batches)
        while queue and time.monotonic() < self._until:
            batch = queue.popleft()
            self._put(batch, True)
            problem = self._test()
            if problem:
                self._put(batch, False)
                if len(batch) > 1:
                    queue.extend(_halves(batch))
                else:
                    self.problems[batch[0].name] = problem

    def _test(self) -> str:
        # One that does not run is to be started some day.
        return self._installed.services.test(self.service, also_stopped=True)

    def _put(self, batch: t.Iterable[_New], new: bool) -> None:
        """Have the new staples in place, or what was there before: for a test, of which no service is to be told."""
        for one in batch:
            with contextlib.suppress(OcspError):  # as on a full disk, where others can be put back
                with self._installed.changing({}) as change:
                    change.put_staple_back(one.place, one.new if new else one.former, self._now)
                self.out.pop(one.name, None)
                if not new:
                    self.out[one.name] = one

    def _note(self) -> None:
        """Have all services told of what is taken back. Otherwise it stays known since when they wait."""
        for one in self.out.values():
            with self._installed.changing({name: [one.name] for name in one.services}, must_note=False):
                pass


def _halves(batch: t.Sequence[_New]) -> t.List[t.Sequence[_New]]:
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def _rejected(search: _Search, one: _New, now: datetime) -> Rejected:
    is_stapled = one.former.data is not None and one.former.expires > now.timestamp()
    digest, is_tried = replaced.digest(one.new.data), one.name in search.problems
    return Rejected(one.name, digest, search.service, is_tried, is_stapled, one.user)


def _said(rejected: Rejected, one: _New, problem: str) -> Event:
    done = "the previous one was put back" if rejected.is_stapled else "it was withdrawn"
    message = f"{rejected.message}; {done}"
    if rejected.is_tried:
        message = f"{rejected.service} rejects its configuration with the new response, so {done}: {problem}"
    priority = events.CRITICAL if one.must_staple and not rejected.is_stapled else events.ERROR
    what = "failed" if rejected.is_stapled else "withdrawn"
    return Event(what, message, priority, "unfit_for_server", one.name, rejected.service)
