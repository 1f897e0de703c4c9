# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is live on a host, from all owners, and the shared snippets that result from it."""

from __future__ import annotations

import os
import typing as t

from ..names import server_name_problem
from ..servers import snippets
from ..servers.server import Entry, Setup
from ..servers.table import SERVERS
from ..services.control import Services
from ..store import origins, parts, reading, sets
from ..store.origins import Origin
from ..store.parts import Part
from ..store.sets import Description, Layout

#: The place of a set that does not say its own.
LAST = 1 << 30
#: Octets of the largest snippet that is read: one about 10,000 certificates has 1 MiB or so.
_LARGEST_SNIPPET = 64 * 1024 * 1024


class Live(t.NamedTuple):
    """One certificate: ``entry`` is what snippets need to know of its set.

    ``users`` are the services that use it, each with its kind or an empty string. ``came`` and ``position`` are as in
    the description of its set. ``origin`` is the other user than root whose its key was, if it was found in a folder.
    """

    entry: Entry
    users: t.Tuple[t.Tuple[str, str], ...]
    position: int = LAST
    came: int = 0
    origin: t.Optional[Origin] = None


def make(layout: Layout, name: str, identifier: str, description: Description, services: Services) -> Live:
    """A certificate by the identifier of its set, and by what that is for."""
    users = tuple((one, services.get(one).kind or "") for one in description.services)
    kinds = tuple(dict.fromkeys(kind for _service, kind in users if kind))
    folder = layout.folder(name, identifier)
    # A set may be older than the check of what is deployed.
    names = tuple(one for one in description.names if not server_name_problem(one)) or (name,)
    entry = Entry(name, folder, layout.live(name), names, kinds, description.stapled)
    position = LAST if description.position is None else description.position
    return Live(entry, users, position, description.came, origins.of_user(description.origin))


def look(layout: Layout, services: Services) -> t.List[Live]:
    """All that is live. Raises InputError where something else is in the place of a link."""
    found = []
    for name in sets.live_names(layout):
        identifier = sets.current_id(layout, name)
        if identifier is not None and os.path.isdir(layout.live(name)):
            found.append(make(layout, name, identifier, sets.described(layout.live(name)), services))
    return found


def keys(layout: Layout, service: str, gone: t.Container[str] = ()) -> t.List[str]:
    """The private keys that a service reads when the certificates ``gone`` are removed."""
    folders = [layout.live(name) for name in sets.live_names(layout) if name not in gone]
    folders = [folder for folder in folders if service in sets.described(folder).services]
    return [os.path.join(folder, file) for folder in folders for file in sets.SECRET_FILES]


def ordered(found: t.Iterable[Live], all_parts: t.Iterable[Part]) -> t.List[Live]:
    """The same in the order of their places in parts, else in the tasks that deployed them."""
    places = parts.positions(all_parts)
    return sorted(found, key=lambda one: (places.get(one.entry.name, (one.came, one.position)), one.entry.name))


def next_came(found: t.Iterable[Live], all_parts: t.Iterable[Part]) -> int:
    """The number of an owner, or a task without one, that comes to the host now."""
    return 1 + max((*(one.came for one in found), *(part.came for part in all_parts)), default=0)


def lost(setup: Setup, before: t.Iterable[Live], after: t.Iterable[Live]) -> t.List[Live]:
    """Those to come that snippets on disk name already, as somebody has moved their live links or sets away.

    Raises InputError.
    """
    known = {one.entry.name for one in before}
    paths = [snippets.path(setup.root, file) for file in snippets.owners()]
    text = b"\n".join(reading.read_file(path, path, _LARGEST_SNIPPET) or b"" for path in paths)
    return [one for one in after if one.entry.name not in known and f"{one.entry.live}/".encode() in text]


class Moved(t.NamedTuple):
    """Another certificate that the snippet of a server, by its title, has for clients that send no known name."""

    server: str
    before: str
    after: str


def moved_defaults(before: t.Iterable[Live], after: t.Iterable[Live]) -> t.List[Moved]:
    """The servers whose default certificate changes between two moments, each in the order of snippets."""
    old, new = (snippets.defaults([one.entry for one in moment]) for moment in (before, after))
    return [
        Moved(SERVERS[kind].title, old[kind][0].name, new[kind][0].name)
        for kind in old
        if kind in new and old[kind][0].name not in [entry.name for entry in new[kind]]
    ]


def outdated_snippets(setup: Setup, found: t.Sequence[Live]) -> t.Dict[str, t.Optional[bytes]]:
    """The shared snippets of which content or access is not as it should be, by path; None for one that is not needed.

    Raises InputError.
    """
    made = snippets.shared([one.entry for one in found], setup)
    wanted = {snippets.path(setup.root, file): made.get(file) for file in snippets.owners()}
    return {
        path: content
        for path, content in wanted.items()
        if not holds(path, content) or (content is not None and sets.misplaced(path) is not None)
    }


def holds(path: str, content: t.Optional[bytes]) -> bool:
    """Whether a file has this content, or is not there. Raises InputError."""
    return reading.read_file(path, path, len(content or b"")) == content


def told(paths: t.Iterable[str], *moments: t.Iterable[Live]) -> t.Dict[str, t.List[str]]:
    """The certificates that services have to load or forget for these snippets, by service.

    ``moments`` are what was live before and what is to be.
    """
    owners = snippets.owners()
    kinds = {owners[os.path.basename(path)] for path in paths}
    found: t.Dict[str, t.List[str]] = {}
    for one in (one for moment in moments for one in moment):
        for service, kind in one.users:
            if kind in kinds and one.entry.name not in found.setdefault(service, []):
                found[service].append(one.entry.name)
    return {service: names for service, names in found.items() if names}


def users(paths: t.Iterable[str], *moments: t.Sequence[Live]) -> t.List[str]:
    """Whom these snippets are for: the services as ``told`` has them, or the kind of server where there is none."""
    owners = snippets.owners()
    found: t.Set[str] = set()
    for path in paths:
        found.update(told([path], *moments) or [owners[os.path.basename(path)]])
    return sorted(found)
