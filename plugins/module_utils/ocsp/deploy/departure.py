# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What no longer is as owners had it: certificates that drop out, and services that these are no longer for."""

from __future__ import annotations

import typing as t

from ..store import parts, shares
from ..store.parts import Part
from ..store.sets import Layout
from ..text import join_words, quoted
from . import inclusion as inclusions
from . import live, removal, sentences
from .inclusion import Dropped, Inclusion
from .plan import Plan

#: When a task drops what it gave up.
AT_THE_END = "at the end of the play unless it fails or a later task configures it again"


class Departure(t.NamedTuple):
    """What a task changes at the end of the play.

    ``gone`` are the certificates that no owner configures any more, and ``removed`` the names of those that no server's
    configuration keeps. ``given_up`` are the names of those that this task no longer gives and other tasks still do,
    and ``lost`` the services to be dropped from certificates that remain, by name. ``ending`` is what will be live, in
    the order of snippets. ``needed`` says which servers would have no certificate left, and still read their snippets.
    """

    gone: t.Sequence[Dropped]
    removed: t.List[str]
    given_up: t.Collection[str]
    lost: t.Mapping[str, t.Sequence[str]]
    ending: t.Sequence[live.Live]
    needed: t.Sequence[str] = ()

    def affected(self, work: Plan) -> t.Iterable[str]:
        """The services that will have to be reloaded.

        One that only loses a certificate which others keep has no other files to load, unless a snippet of its changes.
        """
        return removal.affected(work.before, self.removed, live.outdated_snippets(work.setup, self.ending))


def find(inclusion: Inclusion, work: Plan, part: t.Optional[Part], force: bool) -> Departure:
    """What the owner of ``part`` no longer configures; nothing where there is none."""
    gone, given_up = _dropped(inclusion, work, part, force)
    lost = _lost(inclusion, work, part)
    left, everything = [*work.parts, *work.announced], work.after()

    def end() -> t.Tuple[t.List[str], t.List[live.Live]]:
        removed = [one.name for one in gone if not one.stays]
        return removed, removal.remaining(work.layout, everything, removed, left, lost, work.services)

    removed, ending = end()
    needed = removal.orphaned(work.layout, work.before, ending, _coming(work))
    if needed and not force:
        names = removal.of_kinds(work.before, needed)
        gone = [one._replace(stays=one.stays or one.name in names) for one in gone]
        lost = {name: services for name, services in lost.items() if name not in names}
        removed, ending = end()
    return Departure(gone, removed, given_up, lost, ending, list(needed.values()))


def _coming(work: Plan) -> t.Set[str]:
    """The kinds of servers for which others gave certificates in this run that check mode did not deploy."""
    given = (certificate for part in work.announced for certificate in part.certificates)
    return {work.services.get(service).kind or "" for certificate in given for service in certificate.services}


def _dropped(
    inclusion: Inclusion, work: Plan, part: t.Optional[Part], force: bool
) -> t.Tuple[t.List[Dropped], t.List[str]]:
    """The certificates that this task of the owner no longer gives, nor any other one; and those that others have.

    In check mode, what other owners gave earlier in this run is not in their parts.
    """
    if part is None:
        return [], []
    together = inclusion.together
    mine = shares.former_of(part.shares, inclusion.turn)
    elsewhere = {name for names in together.values() for name in names}
    # Of what others dropped who have not run since, their next run decides.
    pending = parts.dropped(other for other in inclusion.others if other.owner not in together)
    every = inclusions.dropped(work.layout, work.parts, force)
    found = [one for one in every if one.name in mine and one.name not in {*elsewhere, *pending}]
    return found, sorted(mine - {one.name for one in found})


def _lost(inclusion: Inclusion, work: Plan, part: t.Optional[Part]) -> t.Dict[str, t.List[str]]:
    """The services to be dropped from certificates that remain in use: this owner listed them, and no owner still does.

    By certificate name. An earlier run may have dropped them from the configuration and failed before the play ended.
    """
    recorded = inclusion.recorded
    if part is None or recorded is None:
        return {}
    mine = {certificate.name: certificate.services for certificate in recorded.certificates}
    unwanted = unwanted_services(work.before, [*work.parts, *work.announced])
    found = {name: [one for one in services if one in mine.get(name, ())] for name, services in unwanted.items()}
    return {name: services for name, services in found.items() if services}


def unwanted_services(before: t.Iterable[live.Live], left: t.Sequence[Part]) -> t.Dict[str, t.List[str]]:
    """The services that certificates are live for although no owner of them names these any more; by certificate."""
    found = {}
    for one in before:
        name = one.entry.name
        wanted = parts.services_of(left, name)
        unwanted = [service for service, _kind in one.users if service not in wanted]
        if unwanted and parts.is_given(left, name):
            found[name] = unwanted
    return found


def say_lost(lost: t.Mapping[str, t.Sequence[str]], when: str = "") -> t.Iterator[str]:
    """Which services certificates are no longer for, from ``when`` on; ``lost`` has the services by certificate."""
    by_services: t.Dict[str, t.List[str]] = {}
    for name, services in lost.items():
        by_services.setdefault(join_words(services), []).append(name)
    for services, names in by_services.items():
        yield f"no longer for {services}{when and ' '}{when}: {sentences.listed(names)}"


def say_dropped(layout: Layout, gone: t.Sequence[Dropped], check: bool) -> t.Iterator[str]:
    """What becomes of certificates that no owner configures any more."""
    removed = [one for one in gone if not one.stays]
    deployed = removal.present(layout, [one.name for one in removed])
    names = [f"{one.name}{_users(one)}" for one in removed if one.name in deployed]
    if names:
        yield f"no longer configured, {'would be ' if check else ''}removed {AT_THE_END}: {sentences.listed(names)}"
    never = [one.name for one in removed if one.name not in deployed]
    if never:
        yield f"no longer configured, and never deployed: {sentences.listed(never)}"
    kept = [one.name for one in gone if one.stays]
    if kept:
        yield f"no longer configured, but kept because it is still used: {sentences.listed(kept)}"


def _users(one: Dropped) -> str:
    return f" (no longer for {join_words(one.services)})" if one.services else ""


def say_used(one: Dropped) -> str:
    """That some configuration still needs a certificate which no owner configures any more."""
    places = sentences.named(one.used_by)
    if not one.stays:
        return f"{removal.forced(f'{one.name} is still used by {places}')} until you remove it there"
    return (
        f"{one.name} is no longer configured, but is kept because it is still used by {places}; remove it there and "
        "run again"
    )


def say_given(work: Plan, part: Part, inclusion: Inclusion) -> t.Iterator[str]:
    """Which certificates of this owner only others still configure; those that have done so in this run go without."""
    found: t.Dict[str, t.List[str]] = {}
    for one in part.certificates:
        before = inclusion.recorded.get(one.name) if one.dropped and inclusion.recorded else None
        others = {other.owner for other in work.parts if other.get(one.name)}
        others -= {owner for owner, given in inclusion.together.items() if one.name in given}
        if before is not None and others:
            found.setdefault(join_words(map(quoted, sorted(others))), []).append(one.name)
    for owners, names in found.items():
        yield f"no longer configured by {quoted(part.owner)}, but still by {owners}: {sentences.listed(names)}"


def say_absent(
    found: t.Sequence[Part], given_up: t.Mapping[str, t.Collection[str]], came: t.Container[str]
) -> t.Iterator[str]:
    """Certificates that only owners still configure which did not come in this run.

    Such an owner may be the same role or play under a former name. ``given_up`` are the names that each owner no longer
    configures, and ``came`` are the owners that came.
    """
    for owner, names in given_up.items():
        for name in sorted(names):
            others = [part.owner for part in found if part.get(name)]
            if others and not any(other in came for other in others):
                old = quoted(others[0]) if len(others) == 1 else "the name of each"
                yield (
                    f"{name}: {quoted(owner)} no longer lists it, but {join_words(map(quoted, others))} still "
                    f"{'does' if len(others) == 1 else 'do'}; if that role or play no longer exists, set "
                    f"ocsp_stapling_state: absent and ocsp_stapling_owner: {old}"
                )


def say_moved(moved: t.Iterable[live.Moved], check: bool) -> t.List[str]:
    """That servers show another certificate to clients that send no name, or one that no certificate is for."""
    verb = "would change" if check else "changes"
    return [
        f"the default certificate of {one.server}, for clients that send no known name, {verb} from {one.before} to "
        f"{one.after}"
        for one in moved
    ]
