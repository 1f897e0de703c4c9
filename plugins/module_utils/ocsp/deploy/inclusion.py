# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One inclusion of the role among others on a host: what it adds to, what it contradicts, and what drops out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..store import comparison, parts, sets, shares
from ..store.parts import FORMER, Certificate, Part
from ..store.sets import Layout
from . import live, material, removal, renewed
from .plan import Item, Plan
from .wanted import Values, Wanted

#: The number of an owner that comes after all others.
_LAST = 1 << 29


class Dropped(t.NamedTuple):
    """A certificate that its owner no longer configures. ``used_by`` are the places that still need it, as
    file:line, and ``stays`` is whether it is kept for them."""

    name: str
    services: t.Tuple[str, ...]
    used_by: t.Tuple[str, ...]
    stays: bool


@dataclass(frozen=True)
class Inclusion:
    """Whose certificates are deployed, and all that is recorded of others.

    ``owner`` is empty for a task that belongs to no part. ``turn``, ``claimed`` and ``kept`` are as for
    ``shares.merge``, and ``together`` is as for ``comparison.compare``. With ``check``, what was given earlier in this
    run has not been recorded, and what is recorded may be outdated.
    """

    layout: Layout
    owner: str
    turn: shares.Turn
    claimed: shares.Claimed
    found: t.Sequence[Part]
    together: t.Mapping[str, shares.Claimed] = field(default_factory=dict)
    kept: t.Collection[str] = ()
    check: bool = False

    @property
    def recorded(self) -> t.Optional[Part]:
        """The part of this owner until now."""
        return parts.find(self.found, self.owner)

    @property
    def others(self) -> t.List[Part]:
        """The parts of all other owners."""
        return [part for part in self.found if part.owner != self.owner]

    @property
    def announced(self) -> t.List[Part]:
        """What others gave earlier in this run that is not on record, as it is in check mode, in its place."""
        if not self.check:
            return []
        found = []
        for number, (owner, given) in enumerate(self.together.items(), _LAST):
            recorded = parts.find(self.found, owner)
            known = tuple(one for one in recorded.certificates if not one.dropped) if recorded is not None else ()
            names = {one.name for one in known}
            new = (Certificate(name, tuple(services or ())) for name, services in given.items() if name not in names)
            came = recorded.came if recorded is not None else number
            found.append(Part(owner, (*known, *new), came=came))
        return found

    def service_settings(self, given: Values) -> t.Dict[str, t.Any]:
        """What is different about services, as all owners say it."""
        settings: t.Dict[str, t.Any] = {}
        for part in self.others:
            settings.update(part.services)
        mine = Part(self.owner, services=given)
        own = shares.merge(mine, self.recorded, self.turn, self.claimed, self.kept).services
        return {**settings, **own, **given}

    def shared(self, wanted: t.Iterable[Wanted], kind_of: t.Callable[[str], t.Optional[str]]) -> t.List[Wanted]:
        """The same certificates with the services that others use them for."""
        wanted = [*wanted]
        mine = Part(self.owner, tuple(Certificate(one.name, one.services) for one in wanted))
        if self.owner:
            every = parts.replaced(self.others, shares.merge(mine, self.recorded, self.turn, self.claimed, self.kept))
        else:
            # A task without a part comes last, so that the services keep the order that the owners give them.
            every = [*self.others, mine]
        found = []
        for one in wanted:
            names = parts.services_of(every, one.name)
            found.append(replace(one, services=tuple(names), kinds=tuple(kind_of(name) or "" for name in names)))
        return found

    def part(self, work: Plan, given: t.Sequence[Wanted], values: Values) -> Part:
        """What the owner configures with this inclusion; ``given`` are its certificates with its own services."""
        items = {item.name: item for item in work.items}
        defaults = values["options"]
        certificates = [_certificate(one, items[one.name], defaults) for one in given if one.name in items]
        deployment = {key: values[key] for key, usual in renewed.DEFAULTS.items() if values.get(key, usual) != usual}
        deployment.update((values["part"] or {}).get("deployment") or {})
        came = self._came(work.before, {one.name for one in given})
        program = (values["part"] or {}).get("program") or {}
        mine = Part(self.owner, tuple(certificates), defaults, values["service_settings"], deployment, came, program)
        part = shares.merge(mine, self.recorded, self.turn, self.claimed, self.kept)
        return shares.dated(part, self.recorded, self.found)

    def _came(self, found: t.Sequence[live.Live], names: t.Collection[str]) -> int:
        """When the owner came. Who claims what was configured before there were parts came no later than that."""
        former = parts.find(self.others, FORMER)
        if self.recorded is not None:
            return self.recorded.came
        claims = former is not None and any(former.get(name) for name in names)
        return former.came if former is not None and claims else live.next_came(found, self.found)

    def compare(self, part: Part, given: t.Iterable[Wanted]) -> comparison.Comparison:
        """Compare what this inclusion gives with what others do."""
        names = {one.name for one in given}
        now = replace(part, certificates=tuple(one for one in part.certificates if one.name in names))
        own = comparison.contradicted(now, self.recorded, self.turn, self.claimed) if not self.check else ()
        others = [self._known(one) for one in self.others]
        compared = comparison.compare(now, self.recorded, others, self.together)
        return compared._replace(faults=[*own, *compared.faults])

    def _known(self, other: Part) -> Part:
        """What is certain of the part of another owner."""
        if not self.check or other.owner not in self.together:
            return other
        return replace(parts.without(other, self.together[other.owner]), services={})

    def after(self, part: Part) -> t.List[Part]:
        """All parts, once this one is on disk. What was configured before there were parts is claimed by name."""
        names = {one.name for one in part.certificates}
        claimed = [parts.without(one, names) if one.owner == FORMER else one for one in self.found]
        return parts.replaced([one for one in claimed if one.certificates], part)

    def unsaved(self, part: Part) -> t.List[Part]:
        """The parts of which the content or the access of the files is not as it should be."""
        former = parts.find(self.after(part), FORMER) or Part(FORMER)
        every = (former, part)
        return [one for one in every if not parts.is_saved(self.layout, one) or parts.misplaced(self.layout, one)]

    def misplaced(self, unsaved: t.Iterable[Part]) -> t.List[sets.Misplaced]:
        """The files of these parts of which the access is not as it should be with what is in them."""
        recorded = [parts.find(self.found, one.owner) or one for one in unsaved]
        return list(filter(None, (parts.misplaced(self.layout, one) for one in recorded)))

    def is_reconfigured(self, part: Part) -> bool:
        """Whether a part that is to be saved has in it what a user calls a change of configuration."""
        return self.recorded is None or not comparison.is_same_configuration(self.recorded, part)


def read(layout: Layout, given: t.Optional[Values], check: bool = False) -> Inclusion:
    """The inclusion that ``part`` of ``certificate_set`` says. Raises InputError.

    With ``check``, all parts are as they would be now if the tasks that came earlier had been run in earnest.
    """
    found = parts.load(layout, given["owner"] if given else "")
    former = parts.former(layout, found)
    if former.certificates:
        known = parts.find(found, FORMER) or Part(FORMER)
        found = parts.replaced(found, replace(former, certificates=(*known.certificates, *former.certificates)))
    if given is None:
        return Inclusion(layout, "", shares.Turn(is_known=False), {}, found)
    parts.check_owner(given["owner"])
    values = (given[key] for key in ("place", "turn", "is_last", "is_open", "is_known"))
    turn = shares.Turn(*values)
    together: t.Mapping[str, shares.Claimed] = given["together"]
    claimed = {**together, given["owner"]: given["claimed"]}
    for owner, came in given["came"].items() if check else ():
        found = [shares.reduced(one, claimed[owner], came) if one.owner == owner else one for one in found]
    return Inclusion(layout, given["owner"], turn, given["claimed"], found, together, given["kept"], check)


def _certificate(one: Wanted, item: Item, defaults: Values) -> Certificate:
    agreed: t.Dict[str, t.Any] = {
        "certificate": material.fingerprint(item.material.certificate),
        "chain": [material.fingerprint(certificate) for certificate in item.material.chain],
        "root": [material.fingerprint(certificate) for certificate in item.material.roots],
        "names": sorted(one.names),
        "key": one.access.shown,
    }
    source = one.renewed_by.values() if one.renewed_by is not None else {}
    if source:
        # What is in its files changes without any owner; owners have to agree on where they are.
        agreed = {"names": sorted(one.names), "key": one.access.shown, "renewed_by": source}
    if one.is_of_user:
        agreed[comparison.OF_USER] = True
    options = {key: value for key, value in one.options.items() if key not in defaults or defaults[key] != value}
    return Certificate(one.name, one.services, one.staple, options, agreed, renewed_by=source)


def dropped(layout: Layout, all_parts: t.Sequence[Part], force: bool = False) -> t.List[Dropped]:
    """The certificates that no owner configures any more, and what still uses each of them."""
    found = []
    for name, former in sorted(parts.dropped(all_parts).items()):
        if parts.is_given(all_parts, name):
            continue
        services = dict.fromkeys(
            service for part in former for one in part.certificates if one.name == name for service in one.services
        )
        used = tuple(removal.references(layout.live(name)))
        found.append(Dropped(name, tuple(services), used, stays=bool(used) and not force))
    return found
