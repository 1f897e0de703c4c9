# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What one owner configures with each of its inclusions of the role, and all of them together."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from . import parts
from .parts import Certificate, Part, Share, Values

#: The certificates that inclusions of one owner gave in a run of Ansible, each with its services if they are known.
Claimed = t.Mapping[str, t.Optional[t.Sequence[str]]]


class Turn(t.NamedTuple):
    """Which inclusion of the role it is.

    ``place`` is the task that includes it, and ``number`` how often that has done so in this run of Ansible, this time
    included. ``is_last`` is whether it is known to do so no more, and ``is_open`` whether it is known to do so again.
    ``is_known`` is whether all that the owner gave earlier in the run is known.
    """

    place: str = ""
    number: int = 1
    is_last: bool = False
    is_open: bool = False
    is_known: bool = True


def merge(mine: Part, recorded: t.Optional[Part], turn: Turn, claimed: Claimed, kept: t.Collection[str] = ()) -> Part:
    """The part of an owner after one of its inclusions, which gives ``mine``.

    ``claimed`` is what earlier inclusions of the same run gave, and ``kept`` are the names that this one gives, too,
    and that stay as they are. What this turn gave before and gives no more was dropped, unless another one gives it.
    What is from other tasks stays: they may have been skipped, be still to come, or not come because the run fails
    before them.
    """
    before = recorded if recorded is not None else Part(mine.owner)
    shares = _shares_after(mine, before, turn, claimed, set(kept))
    defaults, services = _common(share.defaults for share in shares), _services_in(shares)
    known = {one.name: one.complete(before.defaults) for one in before.certificates}
    now = {one.name: one.complete(mine.defaults) for one in mine.certificates}
    given = {*claimed, *kept, *services}
    gone = former_of(shares, turn)
    merged = {
        one.name: replace(
            _reduced(one, defaults),
            services=services.get(one.name, one.services),
            dropped=(one.dropped or one.name in gone) and one.name not in given,
        )
        for one in {**known, **now}.values()
    }
    earlier = [name for name in claimed if name in known]
    first_here = [name for name in now if name not in earlier]
    of_turn = [name for name in _share_of(before, turn).certificates if name in known]
    return replace(
        mine,
        certificates=tuple(merged[name] for name in _in_order(first_here, [*known], earlier, of_turn)),
        defaults=defaults,
        services=_united(share.services for share in shares),
        deployment=_deployment_of(shares),
        shares=tuple(shares),
    )


def _shares_after(mine: Part, before: Part, turn: Turn, claimed: Claimed, kept: t.Container[str]) -> t.List[Share]:
    """What each inclusion of an owner has given, once this one gives ``mine``; see ``merge``."""
    last = _share_of(before, turn)
    stay = {name: services for name, services in last.certificates.items() if name in kept or not turn.is_known}
    goes_on = _goes_on(before.shares, turn)
    names = {**stay, **{one.name: one.services for one in mine.certificates}}
    settings = mine.services
    if goes_on:
        # Of tasks that look alike, this may be the second one, after the first was skipped: its services stay as well.
        names = {name: _each_once((*last.certificates.get(name, ()), *used)) for name, used in names.items()}
        others = _used_in(names) - _used_in({one.name: one.services for one in mine.certificates})
        settings = {**{name: one for name, one in last.services.items() if name in others}, **settings}
    over = [one for one in before.shares if turn.is_last and turn.is_known and _is_later(one, turn)]
    former = [name for one in (last, *over) for name in (*one.former, *one.certificates)]
    share = Share(turn.place, turn.number, names, mine.defaults, settings, mine.deployment, _each_once(former))
    shares = [share if one is last else one for one in before.shares if one not in over]
    shares += [] if last in before.shares else [share]
    if not goes_on:
        # In check mode, earlier turns of this run have left no trace but in what is claimed.
        shares = [_given_in(one, claimed) if _is_earlier(one, turn) else one for one in shares]
    if turn.place:  # what is from an unknown one, until a task gives it
        shares = [one if one.place else parts.without_names(one, names, ()) for one in shares]
    given = {name for one in shares for name in one.certificates}
    return [*parts.with_something(parts.without_names(one, (), given) for one in shares)]


def _goes_on(shares: t.Iterable[Share], turn: Turn) -> bool:
    """Whether a later turn of the same task may come, so that it is not known yet what it no longer gives.

    Of tasks that look alike, the first may have been skipped.
    """
    return not turn.is_known or turn.is_open or (not turn.is_last and any(_is_later(share, turn) for share in shares))


def _given_in(share: Share, claimed: Claimed) -> Share:
    """What of a share this run of Ansible has given."""
    left = {}
    for name, services in share.certificates.items():
        used = claimed.get(name, ())
        if name in claimed:
            left[name] = services if used is None else tuple(one for one in services if one in used)
    former = (*share.former, *(name for name in share.certificates if name not in left))
    unused = _used_in(share.certificates) - _used_in(left)
    settings = {name: one for name, one in share.services.items() if name not in unused}
    return replace(share, certificates=left, services=settings, former=former)


def reduced(part: Part, claimed: Claimed, came: t.Sequence[str]) -> Part:
    """A part without what its tasks no longer give that ``came`` in this run, each as often as it did.

    ``claimed`` is what they gave.
    """
    shares = tuple(_given_in(one, claimed) if one.turn <= came.count(one.place) else one for one in part.shares)
    services = _services_in(shares)
    certificates = tuple(
        replace(one, services=services.get(one.name, one.services), dropped=one.name not in services)
        for one in part.certificates
    )
    return replace(part, certificates=certificates, shares=shares)


def _used_in(certificates: t.Mapping[str, t.Sequence[str]]) -> t.Set[str]:
    return {service for services in certificates.values() for service in services}


def _is_earlier(share: Share, turn: Turn) -> bool:
    return share.place == turn.place and share.turn < turn.number


def _is_later(share: Share, turn: Turn) -> bool:
    return share.place == turn.place and share.turn > turn.number


def _share_of(part: Part, turn: Turn) -> Share:
    """What an owner has given with a turn; nothing if that has not come yet."""
    found = (one for one in part.shares if (one.place, one.turn) == (turn.place, turn.number))
    return next(found, Share(turn.place, turn.number, {}))


def _services_in(shares: t.Iterable[Share]) -> t.Dict[str, t.Tuple[str, ...]]:
    """The services of each certificate by all shares, each once."""
    found: t.Dict[str, t.Dict[str, None]] = {}
    for share in shares:
        for name, services in share.certificates.items():
            found.setdefault(name, {}).update(dict.fromkeys(services))
    return {name: tuple(services) for name, services in found.items()}


def _each_once(names: t.Iterable[str]) -> t.Tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _common(several: t.Iterable[Values]) -> t.Dict[str, t.Any]:
    """What all of them say alike."""
    first, *others = [*several] or [{}]
    return {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}


def _united(several: t.Iterable[Values]) -> t.Dict[str, t.Any]:
    """What any of them says; the later ones count more."""
    return {key: value for one in several for key, value in one.items()}


def _deployment_of(shares: t.Sequence[Share]) -> t.Dict[str, t.Any]:
    """How the certificates of all shares are deployed: what is served is looked at wherever one of them says."""
    found = _united(share.deployment for share in shares)
    endpoints = [one for share in shares for one in share.deployment.get("endpoints") or ()]
    if endpoints:
        found["endpoints"] = [one for number, one in enumerate(endpoints) if one not in endpoints[:number]]
    return found


def _reduced(one: Certificate, defaults: Values) -> Certificate:
    options = {key: value for key, value in one.options.items() if key not in defaults or defaults[key] != value}
    return replace(one, options=options)


def _in_order(
    given: t.List[str], known: t.List[str], earlier: t.Collection[str], of_turn: t.Collection[str]
) -> t.List[str]:
    """The names that are known in their order, with the given ones in theirs, after those that came earlier.

    What is known stays where it is if that agrees with it, so that no inclusion undoes what another one has done.
    Otherwise the given ones come together where the first of them was, or what the same turn gave until now.
    """
    now, place = set(given), {name: number for number, name in enumerate(known)}
    places = [place[name] for name in given if name in place]
    latest = max((place[name] for name in earlier), default=-1)
    if len(places) == len(given) and places == sorted(places) and latest < min(places, default=len(known)):
        return known
    first = max(min([*places, *(place[name] for name in of_turn)], default=len(known)), latest + 1)
    others = [[name for name in names if name not in now] for names in (known[:first], known[first:])]
    return [*others[0], *given, *others[1]]


def dated(part: Part, recorded: t.Optional[Part], found: t.Iterable[Part]) -> Part:
    """A part that notes which of its certificates were changed later than all that is on the host."""
    latest = 1 + max((one.since for other in found for one in other.certificates), default=0)
    certificates = []
    for one in part.certificates:
        before = recorded.get(one.name) if recorded else None
        if recorded and before and not one.dropped:
            one = replace(one, since=before.since if recorded.facts(before) == part.facts(one) else latest)
        certificates.append(one if one.dropped or before else replace(one, since=latest))
    return replace(part, certificates=tuple(certificates))


def given_with(part: Part, turn: Turn) -> t.Tuple[str, ...]:
    """The certificates that an owner gives with a turn."""
    return tuple(_share_of(part, turn).certificates)


def former_of(shares: t.Sequence[Share], turn: Turn) -> t.Set[str]:
    """The certificates that a task of an owner no longer gives, with the last of its turns."""
    if _goes_on(shares, turn):
        return set()
    return {name for share in shares if share.place == turn.place for name in share.former}
