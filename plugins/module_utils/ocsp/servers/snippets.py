# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Pieces of configuration that a user's own configuration includes with one line.

A server that reads files again by itself, between a swap and its reload, is given the folder of one set and
not the link to the live one: its key, certificate and staple are always of the same set.
"""

from __future__ import annotations

import os
import typing as t

from .matching import by_names
from .server import FOLDER, Entry, Group, Setup
from .table import SERVERS

_HEADER = "Written by certops.ocsp, which will overwrite changes."


def for_set(entry: Entry) -> t.Dict[str, bytes]:
    """The snippets that lie in the folder of a set, by file name."""
    found = {}
    for kind in entry.kinds:
        server = SERVERS[kind]
        if server.for_set is not None:
            found[f"{kind}.conf"] = _encode(server.for_set(entry), server.comment)
    return found


def names_in_set() -> t.List[str]:
    """What the snippets that lie in the folder of a set can be called."""
    return [f"{kind}.conf" for kind in SERVERS]


def shared(entries: t.Sequence[Entry], setup: Setup) -> t.Dict[str, bytes]:
    """The snippets about all certificates of a server, by file name, with the certificates in their order."""
    found = {}
    for kind, groups in _groups(entries).items():
        server = SERVERS[kind]
        for snippet in server.shared:
            found[snippet.file] = _encode(snippet.make(groups, setup), server.comment)
    return found


def defaults(entries: t.Sequence[Entry]) -> t.Dict[str, Group]:
    """The certificates for clients that send no known name, by server, where a snippet of ours decides that."""
    return {kind: groups[0] for kind, groups in _groups(entries).items() if SERVERS[kind].has_default}


def _groups(entries: t.Sequence[Entry]) -> t.Dict[str, t.List[Group]]:
    """The certificates in their order, by server, for those that have a snippet about all of them."""
    kinds = sorted({kind for entry in entries for kind in entry.kinds if SERVERS[kind].shared})
    return {kind: by_names([entry for entry in entries if kind in entry.kinds]) for kind in kinds}


def _encode(text: str, comment: str) -> bytes:
    return f"{comment} {_HEADER}\n{text}".encode("ascii")


def owners() -> t.Dict[str, str]:
    """Which server each snippet about all certificates is for, by the file names of all that may be there."""
    return {snippet.file: kind for kind, server in SERVERS.items() for snippet in server.shared}


def path(root: str, file: str) -> str:
    """Where a snippet about all certificates lies."""
    return os.path.join(root, FOLDER, file)
