# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Taking sets away again, unless some configuration still uses them."""

from __future__ import annotations

import contextlib
import os
import typing as t

from . import reading, services, sets
from .errors import InputError
from .installation import Installation
from .options import CERTIFICATE_LIMIT
from .servers import snippets
from .servers.server import FOLDER
from .servers.table import NAMES, SERVERS
from .sets import Layout

#: Runs a command for which a folder is empty, in a mount namespace of its own; the folder and the command follow.
_HIDE = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"')
_MOST_MENTIONS = 10


def obstacle(layout: Layout, names: t.Sequence[str], run: services.Run) -> str:
    """What still uses the sets of these names, or any set where there are none; an empty string where nothing does."""
    paths = [layout.live(name) for name in names] or [layout.root]
    mentions = [mention for path in paths for mention in references(path)]
    if mentions:
        return f"this still uses it: {', '.join(mentions[:_MOST_MENTIONS])}"
    broken = [] if names or not os.path.isdir(layout.root) else broken_without(layout.root, run)
    return f"it is still used: {'; '.join(broken)}" if broken else ""


def references(path: str, parent: str = "/etc") -> t.List[str]:
    """Where configurations of servers mention what is below ``path``, each as file:line."""
    needle = os.fsencode(path.rstrip("/"))
    found: t.List[str] = []
    for server in SERVERS.values():
        for folder in server.folders:
            for place, _folders, names in os.walk(os.path.join(parent, folder)):
                for name in sorted(names):
                    found += _mentions(os.path.join(place, name), needle, server.comment.encode())
    return found


def _mentions(path: str, needle: bytes, comment: bytes) -> t.Iterator[str]:
    content: t.Optional[bytes] = None
    with contextlib.suppress(InputError):
        content = reading.read_file(path, path, CERTIFICATE_LIMIT)
    for number, line in enumerate((content or b"").splitlines(), 1):
        text = line.strip()
        if needle in text and not text.startswith(comment):
            yield f"{path}:{number}"


def broken_without(folder: str, run: services.Run) -> t.List[str]:
    """Which configurations are good with a folder and would not be without it, wherever they lie."""

    def without(argv: t.Sequence[str], **options: t.Any) -> t.Tuple[int, str, str]:
        return run((*_HIDE, folder, *argv), **options)

    if without(("true",))[0] != 0:
        return []
    described = [services.configured(name) for name in NAMES]
    good = [service for service in described if not services.test(service, run)]
    return [problem for problem in (services.test(service, without) for service in good) if problem]


def remove(installation: Installation, names: t.Sequence[str], shared: bool) -> None:
    """Remove all sets of these names, live links first, and with ``shared`` all that is about all sets.

    Raises FileError.
    """
    layout = installation.layout
    with installation.changing({}) as change:
        for name in names:
            if sets.current_id(layout, name) is not None:
                change.switch(name, None)
            sets.remove(layout, name)
        if not shared:
            return
        for file in snippets.owners():
            change.put(snippets.path(layout.root, file), None)
    sets.remove_record(layout)
    for folder in (FOLDER, "live", "sets"):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(layout.root, folder))


def present(layout: Layout, names: t.Iterable[str]) -> t.List[str]:
    """Those names of which there are sets."""
    return [name for name in names if sets.current_id(layout, name) or os.path.isdir(layout.sets(name))]
