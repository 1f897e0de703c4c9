# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which certificate a client is shown by the name that it asks for, where a server is told so in its configuration."""

from __future__ import annotations

import typing as t

from .. import names
from .server import Entry, Group


def by_names(entries: t.Iterable[Entry]) -> t.List[Group]:
    """The sets in their order, those for the same server names together, in whatever order and spelling."""
    groups: t.Dict[t.FrozenSet[str], Group] = {}
    for entry in entries:
        spelled = frozenset(names.server_name(name) or names.address(name) or name for name in entry.names)
        groups.setdefault(spelled or frozenset([entry.name]), []).append(entry)
    return list(groups.values())


def choices(groups: t.Sequence[Group]) -> t.Dict[str, Group]:
    """Which sets serve a name: the most specific names first, without those that are left to the default.

    A name fits what a client asks for exactly, or it is the one wildcard for that, which counts less. Of sets
    with a name in common the first has it. The default needs no names but those that a wildcard would take away.
    """
    found: t.Dict[str, Group] = {}
    for group in groups:
        for name in filter(None, map(names.server_name, group[0].names)):
            found.setdefault(name, group)
    default = groups[0]
    ordered = sorted(found, key=lambda name: (names.is_wildcard(name), -name.count("."), name))
    return {
        name: found[name]
        for name in ordered
        if found[name] is not default or found.get(names.wildcard_for(name), default) is not default
    }
