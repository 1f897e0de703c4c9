# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction that brings keys, certificates and staples to servers: all of it, or nothing.

    plan       read and check all that was given, and compare it with what is live (``plan.py``)
    obtain     a response for each certificate that has a responder (``asking.py``)
    renew      newer responses for sets that stay
    switch     stage new sets, switch to them, test the services' configuration, switch back if that fails

Everything that servers read is changed through an ``Installation``. ``confirm`` is about what comes after a reload.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import re
import time
import typing as t
from datetime import datetime, timezone

from ..errors import OcspError
from ..judge.lint import lint
from ..servers import snippets
from ..servers.changes import needs_reload
from ..servers.server import Entry
from ..servers.table import SERVERS
from ..services.installation import Installation, Refused, read_texts
from ..store import sets, staples
from ..store.sets import Layout
from ..text import bounded
from . import confirm, finds, live, material
from .confirm import Endpoint, Look, Sight
from .plan import Item, Plan

_NO_SET = "-"
#: What differs between two outputs of one test of a configuration: times and process IDs.
_NUMBERS = re.compile(r"\d+")


def renew(work: Plan, installation: t.Optional[Installation]) -> t.Set[str]:
    """Bring newer responses, and pieces of configuration as for new services, into sets that stay.

    Their keys are closed to those who should not read them, and what is in them to those who should not write it, also
    where a new set is held back.
    Returns the services that have to be reloaded. Without an ``installation`` it is only found out what would change.
    Raises FileError.
    """
    entries = work.entries()
    told: t.Set[str] = set()
    for item in work.items:
        if not item.changed and item.previous is not None:
            folder = work.layout.folder(item.name, item.previous)
            told |= _renew_one(item, entries[item.name], folder, installation)
            item.secured = _secure(work.layout, item, item.previous, write=installation is not None)
    return told


def _secure(layout: Layout, item: Item, identifier: str, write: bool) -> bool:
    """Have those alone read the keys of a set, and write what is in it, who should. Returns whether others could."""
    found = sets.accesses(layout, item.name, identifier)
    wanted = {one.path: one.wanted for one in item.misplaced.values()}
    for file, access in found.items():
        if access != item.wanted.access:
            wanted[os.path.join(layout.folder(item.name, identifier), file)] = item.wanted.access
    for path, access in wanted.items() if write else ():
        sets.give_access(path, access)
    return bool(wanted)


def close_former(work: Plan) -> None:
    """Leave nothing of the sets that were replaced open to others: it may be switched back to them. Raises FileError.

    Who should read their keys is as it was, since that may have been changed on purpose.
    """
    for item in work.changed:
        for one in item.misplaced.values():
            sets.give_access(one.path, one.wanted)
        for file, access in sets.accesses(work.layout, item.name, item.previous or _NO_SET).items():
            if sets.mode_problem(access.mode):
                path = os.path.join(work.layout.folder(item.name, item.previous or _NO_SET), file)
                sets.give_access(path, access._replace(mode=access.mode & sets.KEY_MODES))


def _renew_one(item: Item, entry: Entry, folder: str, installation: t.Optional[Installation]) -> t.Set[str]:
    place = staples.Place(folder, entry.live)
    pieces = {
        file: content for file, content in _pieces(item, entry).items() if not live.holds(place.path(file), content)
    }
    stapling = _stapling(item, place)
    item.renewed, item.adapted = bool(stapling), bool(pieces)
    told = {
        service: [item.name]
        for service, kind in zip(item.wanted.services, item.wanted.kinds)
        if f"{kind}.conf" in pieces or (stapling and needs_reload(kind, withdrawn=stapling == "withdraw"))
    }
    if installation is None or not (pieces or stapling):
        return set(told)
    with installation.changing(told) as change:
        for file, content in pieces.items():
            change.put(place.path(file), content)
        if stapling == "install" and item.response is not None:
            change.install(place, *item.response)
        elif stapling == "withdraw":
            change.withdraw(place)
    return set(told)


def _pieces(item: Item, entry: Entry) -> t.Dict[str, bytes]:
    """What lies in a set beside the material and the staple."""
    return {**snippets.for_set(entry), sets.DESCRIPTION: sets.describe(item.description)}


def _stapling(item: Item, place: staples.Place) -> str:
    """What has to be done about the staple of a set: install, withdraw or nothing."""
    if item.response is not None:
        return "install" if staples.install(place, *item.response, write=False) else ""
    return "withdraw" if not item.stapled and staples.withdraw(place, write=False) else ""


def stage(work: Plan, items: t.Optional[t.Sequence[Item]] = None) -> None:
    """Make all new sets, or those of ``items``, complete but not live.

    Raises FileError; then nothing of them is left.
    """
    entries, staged = work.entries(), work.changed if items is None else items
    try:
        for item in staged:
            entry = entries[item.name]
            contents = {**item.material.files(), **_former_pieces(work.layout, item, entry), **_pieces(item, entry)}
            folder = sets.stage(work.layout, item.name, item.identifier, contents, item.wanted.access)
            if item.staple is not None:
                staples.install(staples.Place(folder, entry.live), *item.staple)
        for item in staged:
            sets.complete(work.layout, item.name, item.identifier)
    except BaseException:
        for item in staged:
            sets.discard(work.layout, item.name, item.identifier)
        raise


def _former_pieces(layout: Layout, item: Item, entry: Entry) -> t.Dict[str, bytes]:
    """The pieces that the set in place has, as they are for the new one.

    A server that is no longer told may include them all the same, and would not start without them.
    """
    if item.previous is None:
        return {}
    pieces = snippets.for_set(entry._replace(kinds=tuple(SERVERS)))
    folder = layout.folder(item.name, item.previous)
    return {file: content for file, content in pieces.items() if os.path.exists(os.path.join(folder, file))}


class _Refusal(t.NamedTuple):
    """Why services refused their configuration: for whoever deploys, and for everybody. ``was_broken``: also before."""

    message: str
    blame: str
    was_broken: bool


def switch(work: Plan, installation: Installation, look: Look, endpoints: t.Sequence[Endpoint]) -> str:
    """Switch to all staged sets and shared pieces of configuration, or to none of them.

    Returns why a service refused its configuration, so that all is as it was, or an empty string. Raises FileError.
    What was staged and did not go live is removed: it holds private keys, and counts as a set that is kept.

    Certificates of users, which a search found, have none of others refused: if there are any, they are tried again in
    parts, after all that is the operator's. Those that are refused by themselves are left out with a warning.
    """
    switching = _Switching(work, installation, look, endpoints)
    changed = work.changed
    refusal = switching.attempt(changed)
    theirs = [item for item in changed if item.wanted.is_of_user]
    if refusal is None or not theirs:
        return refusal.message if refusal is not None else ""
    mine = [item for item in changed if not item.wanted.is_of_user]
    if mine or work.outdated_snippets():
        refusal = switching.retry(mine)
    elif not refusal.was_broken:
        refusal = None
    if refusal is not None:
        return refusal.message
    _switch_of_users(work, switching, theirs)
    return ""


def _switch_of_users(work: Plan, switching: _Switching, theirs: t.Sequence[Item]) -> None:
    """Switch to as many of these as services accept, in halves of those that they refuse."""
    until = time.monotonic() + finds.LONGEST_FOR_USERS
    left: t.Dict[str, str] = {}
    batches = collections.deque(_halves(theirs))
    while batches:
        batch = batches.popleft()
        if time.monotonic() > until:
            left.update((item.name, _give_up(item)) for item in batch)
            continue
        refusal = switching.retry(batch)
        if refusal is not None and len(batch) > 1:
            batches.extend(_halves(batch))
        elif refusal is not None:
            batch[0].is_to_blame = not refusal.was_broken
            left[batch[0].name] = refusal.message
    told = [finds.say_left_out(f"{name}: {message}") for name, message in left.items()]
    work.warnings += bounded(told, finds.MOST_LEFT_OUT)


def _halves(items: t.Sequence[Item]) -> t.List[t.Sequence[Item]]:
    """Items in two parts, those of each user in one of them unless there is but one user."""
    users = sorted({item.wanted.user or 0 for item in items})
    first = users[: len(users) // 2]
    if first:
        parts = [[item for item in items if ((item.wanted.user or 0) in first) is place] for place in (True, False)]
    else:
        parts = [[*items[: len(items) // 2]], [*items[len(items) // 2 :]]]
    return [part for part in parts if part]


def _give_up(item: Item) -> str:
    item.blame = (
        "a server rejected its configuration with the new files that a search found, and "
        f"{finds.LONGEST_FOR_USERS:.0f} seconds were not enough to try each of them"
    )
    return item.blame


class _Switching:
    """Switches to staged sets. What is served is looked at once, before the first switch.

    So it is known without another test whether the configuration of a service is good before the next one.
    """

    def __init__(self, work: Plan, installation: Installation, look: Look, endpoints: t.Sequence[Endpoint]) -> None:
        self._work = work
        self._installation = installation
        self._look = functools.lru_cache(maxsize=None)(confirm.sparing(look))
        self._endpoints = endpoints
        self._before: t.Dict[str, str] = {}

    def retry(self, items: t.Sequence[Item]) -> t.Optional[_Refusal]:
        """As ``attempt``, with sets that were removed when they were refused together with others."""
        for item in items:
            item.rolled_back, item.blame, item.was_broken = False, "", False
        stage(self._work, items)
        return self.attempt(items)

    def attempt(self, items: t.Sequence[Item]) -> t.Optional[_Refusal]:
        """Switch to the sets of these items and to shared pieces of configuration, or to none of them."""
        try:
            refusal = self._attempt(items)
        except BaseException:
            _discard(self._work.layout, items)
            raise
        if refusal is not None:
            _discard(self._work.layout, items, refusal)
        return refusal

    def _attempt(self, items: t.Sequence[Item]) -> t.Optional[_Refusal]:
        work, layout, test = self._work, self._work.layout, self._installation.services.test
        outdated = work.outdated_snippets()
        told = work.told(outdated, items)
        before = self._before
        before.update((service, test(service)) for service in told if service not in before)
        record = self._record(items, outdated) if work.verified else None
        blame, was_broken = "", False
        try:
            with self._installation.switching(
                [item.name for item in items], [*outdated, layout.transaction], told
            ) as change:
                change.put(layout.transaction, record)
                for item in items:
                    change.switch(item.name, item.identifier)
                for path, content in outdated.items():
                    change.put(path, content)
                problems = {service: test(service) for service in told}
                failed = {service: problem for service, problem in problems.items() if problem}
                if failed:
                    blame = "; ".join(_blame(one, bool(before[one])) for one in failed)
                    was_broken = any(before[one] for one in failed)
                    raise Refused("; ".join(_explain(one, failed[one], before[one]) for one in failed), failed)
        except Refused as refused:
            return _Refusal(refused.message, blame, was_broken)
        before.update(dict.fromkeys(told, ""))
        return None

    def _record(self, items: t.Iterable[Item], outdated: t.Iterable[str]) -> t.Optional[bytes]:
        switched = [_switched(item, self._look, self._endpoints) for item in items]
        return confirm.extend_record(confirm.read_record(self._work.layout), switched, read_texts(outdated))


def _discard(layout: Layout, items: t.Iterable[Item], refusal: t.Optional[_Refusal] = None) -> None:
    for item in items:
        with contextlib.suppress(OcspError):
            sets.discard(layout, item.name, item.identifier)
        item.rolled_back = True
        if refusal is not None:
            item.blame, item.was_broken = refusal.blame, refusal.was_broken


def _switched(item: Item, look: Look, endpoints: t.Sequence[Endpoint]) -> confirm.Switched:
    asked = confirm.server_name(item.wanted.names)
    kinds = dict(zip(item.wanted.services, item.wanted.kinds))
    sights = [
        confirm.Sighted(endpoint, asked, _comparable(item, kinds[endpoint.service], look(endpoint, asked)))
        for endpoint in endpoints
        if endpoint.service in kinds
    ]
    return confirm.Switched(
        name=item.name,
        previous=item.previous,
        current=item.identifier,
        services=item.wanted.services,
        fingerprint=material.fingerprint(item.material.certificate),
        staple=confirm.staple_digest(item.staple[0] if item.staple is not None else None),
        sights=tuple(sights),
        is_of_user=item.wanted.is_of_user,
    )


def _comparable(item: Item, kind: str, sight: Sight) -> Sight:
    """What was shown before, without staples where the server will show none.

    A responder chooses how it answers, and some servers ignore what others staple. To miss that afterwards would take
    back all that is switched.
    """
    if item.staple is None or kind not in SERVERS or not lint(kind, item.staple[1], datetime.now(timezone.utc)):
        return sight
    return sight._replace(shown=dict.fromkeys(sight.shown))


def foresee_refusals(work: Plan, told: t.Iterable[str]) -> None:
    """Note each service to be ``told`` that would refuse its configuration as it is now, and warn of it.

    That can be for want of the very files that are to be deployed.
    """
    problems = {service: work.services.test(service) for service in sorted(told)}
    work.doubted = [service for service, problem in problems.items() if problem]
    for service in work.doubted:
        if service in work.told(work.outdated_snippets()):
            follows = "unless the new files correct that, this task would fail and replace no certificate"
        else:
            follows = f"until that is repaired, {service} cannot be reloaded"
        work.warnings.append(f"{problems[service]}; {follows}")


def _blame(service: str, broken_before: bool) -> str:
    if broken_before:
        return (
            f"the configuration of {service} was already broken before; see why with 'ocsp-stapling reload {service}' "
            "as root, repair it, and run the playbook again"
        )
    return f"{service} rejected its configuration with the new files; the output of the deployment says why"


def _explain(service: str, problem: str, before: str) -> str:
    if before:
        # What a test shows now, as the new files are gone again.
        without = f"; without the new files: {before}" if _NUMBERS.sub("", before) != _NUMBERS.sub("", problem) else ""
        return (
            f"the configuration of {service} was already broken before this run, so no certificate was replaced; "
            f"repair it first, or set 'test' for {service} if it runs with other files than these: {problem}{without}"
        )
    return f"{service} rejected its configuration with the new files, which were rolled back: {problem}"


def prune(work: Plan, keep: int) -> None:
    """Remove old sets, but none to which an unconfirmed switch may have to go back."""
    protected = confirm.previous_sets(work.layout)
    for item in work.items:
        sets.prune(work.layout, item.name, keep, (protected.get(item.name) or _NO_SET,))
