# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Server names that a certificate of another user must not be used for, as another certificate on the host is for them.

Some servers choose a certificate by the name that the client asks for, and of several with different kinds of keys the
one that the client prefers. So whoever may write into a folder that is searched could have his own served for a name of
others, whatever the two are called. What the operator deploys counts before what users have, and of users the first.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from .. import names as hostnames
from ..errors import Fault, OcspError, as_error_without_text
from ..pki.certificate import Certificate
from ..servers.table import SERVERS
from ..store import origins, sets, tenants
from ..store.origins import Origin
from ..text import clean
from . import finds, material, renewed
from .live import Live
from .plan import Item, Plan

#: A kind of server, and the name that a client asks it for.
_Key = t.Tuple[str, str]
#: The user, the folder where that says more, and whether it is live.
_Whose = t.Tuple[t.Optional[int], str, bool]


class _Claim(t.NamedTuple):
    """A certificate, and whose it is, or None for the operator's."""

    name: str
    origin: t.Optional[Origin]
    is_live: bool

    @property
    def folder(self) -> str:
        return self.origin.folder if self.origin is not None else ""

    @property
    def whose(self) -> _Whose:
        """The user whose claim it is. Of folders that several can write to, each is a user of its own."""
        if self.origin is None or self.origin.user != tenants.SEVERAL:
            return self.origin.user if self.origin is not None else None, "", self.is_live
        return self.origin.user, self.folder, self.is_live


def faults(work: Plan, unfit: t.Container[str]) -> t.List[Fault]:
    """The certificates that may not be deployed. Those of ``unfit`` are not for other reasons, and claim nothing."""
    items = [item for item in work.items if item.name not in unfit]
    found = {item.name: origins.read(item.wanted.origin) for item in items if item.wanted.is_of_user}
    of_users = {name: origin for name, origin in found.items() if origin is not None}
    if not of_users:
        return []
    index = _Index(work, items, of_users)
    problems = dict(index.unknown)
    for item in items:
        if item.name in of_users and item.name not in problems:
            try:
                problems[item.name] = index.problem(item, of_users[item.name])
            except Exception as error:  # a defect at one certificate costs one certificate
                problems[item.name] = as_error_without_text(error).message
    return [Fault(name, f"{name}: {problem}") for name, problem in problems.items() if problem]


class _Index:
    """Who has which names at servers that choose by them. ``unknown`` says why that cannot be told of certificates."""

    def __init__(self, work: Plan, items: t.Iterable[Item], of_users: t.Mapping[str, Origin]) -> None:
        self._layout = work.layout
        self._claims: t.Dict[_Key, t.Dict[_Whose, t.List[_Claim]]] = {}
        self.unknown: t.Dict[str, str] = {}
        until = time.monotonic() + finds.LONGEST_FOR_USERS
        for item in sorted(items, key=lambda item: item.name in of_users):
            claim = _Claim(item.name, of_users.get(item.name), item.previous is not None)
            if claim.origin is not None and time.monotonic() > until:
                self.unknown[item.name] = finds.NO_TIME
                continue
            try:
                self._add(claim, item.wanted.known_kinds, _names_of(item))
            except Exception as error:
                self.unknown[item.name] = as_error_without_text(error).message
        planned = {item.name for item in items}
        for one in work.before:
            if one.entry.name not in planned:
                self._add_live(one)

    def _add_live(self, one: Live) -> None:
        name = one.entry.name
        claim = _Claim(name, one.origin, True)
        self._add(claim, one.entry.kinds, {*map(_spelled, one.entry.names), *_live_names(self._layout, name)})

    def _add(self, claim: _Claim, kinds: t.Iterable[str], names: t.Iterable[str]) -> None:
        for kind in kinds:
            if _is_chosen_by_name(kind):
                for name in names:
                    self._note(claim, (kind, name))
                    if not hostnames.is_wildcard(name):
                        # Who has a wildcard for it is asked for it, too.
                        self._note(claim, (kind, f"*{hostnames.wildcard_for(name)}"))

    def _note(self, claim: _Claim, key: _Key) -> None:
        """Note who has a name. Two claims of one user count for all of them, so that not each is compared with each.

        They are of different folders, since one of these may have been given to the user who is compared.
        """
        noted = self._claims.setdefault(key, {}).setdefault(claim.whose, [])
        if not noted or (len(noted) == 1 and noted[0].folder != claim.folder):
            noted.append(claim)

    def problem(self, item: Item, origin: Origin) -> str:
        """Why a certificate of another user is not to be used, as a sentence, or an empty string."""
        every, is_live = _names_of(item), item.previous is not None
        if material.ANY_NAME in every and any(map(_is_chosen_by_name, item.wanted.known_kinds)):
            return f"the certificate in {origin.shown} is for {material.ANY_NAME}, which a server may take for any name"
        new = every - _live_names(self._layout, item.name) if is_live else every
        for kind in item.wanted.known_kinds:
            for name in sorted(every):
                for claim in self._others(kind, name, name in new):
                    if claim.name != item.name and _counts(claim, origin, is_live, name in new):
                        return (
                            f"the certificate in {origin.shown} is for {clean(name, 100)}, as is {claim.name}, and "
                            f"{SERVERS[kind].title} has both; if it is meant, list it in ocsp_stapling_certificates "
                            "with this folder as its source"
                        )
        return ""

    def _others(self, kind: str, name: str, is_new: bool) -> t.Iterator[_Claim]:
        yield from self._noted((kind, name))
        if hostnames.is_wildcard(name):
            yield from self._noted((kind, f"*{name}"))
        elif is_new:
            # Whoever has a wildcard may be asked for it as well. Of users it does not count: they can have any.
            wild = self._noted((kind, hostnames.wildcard_for(name)))
            yield from (claim for claim in wild if claim.origin is None)

    def _noted(self, key: _Key) -> t.Iterator[_Claim]:
        for some in self._claims.get(key, {}).values():
            yield from some


def _is_chosen_by_name(kind: str) -> bool:
    """Whether a server of this kind chooses among all of its certificates by the names in them."""
    return SERVERS[kind].has_default or SERVERS[kind].by_name


def _counts(claim: _Claim, origin: Origin, is_live: bool, is_new: bool) -> bool:
    """Whether the certificate of a user has to give way to another one."""
    if claim.origin is None:
        return True
    if not is_new or claim.origin.succeeds(origin):
        return False
    return claim.is_live or not is_live


def _names_of(item: Item) -> t.Set[str]:
    return {*map(_spelled, item.wanted.names), *_names_in(item.material.certificate)}


def _live_names(layout: sets.Layout, name: str) -> t.Set[str]:
    with contextlib.suppress(OcspError):
        found = renewed.live_leaf(layout, name)
        return _names_in(found) if found is not None else set()
    return set()


def _names_in(certificate: Certificate) -> t.Set[str]:
    """The names that servers may take from a certificate."""
    return {*map(_spelled, material.server_names(certificate)), *material.names_taken(certificate)}


def _spelled(name: str) -> str:
    return hostnames.server_name(name) or hostnames.address(name) or name.lower()
