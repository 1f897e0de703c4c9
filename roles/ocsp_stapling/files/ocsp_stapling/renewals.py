# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that another program of this host renews: what is to be deployed, and what is newer than the live one.

A request is a file, /var/lib/ocsp-stapling/renewals/<name>.json, from a hook of the other program or from ``apply``,
which finds a newer certificate where that program keeps it. ``deploy --renewed`` removes it when that is done:

    {"version": 1, "client": "certbot", "private_key": PATH, "certificate": PATH, "chain": PATH}

Without paths, the files are those that ``renewed_by`` names.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from datetime import datetime, timezone

from ocsp.deploy import renewed
from ocsp.deploy.renewed import Source
from ocsp.errors import InputError, OcspError
from ocsp.store import files, parts, reading
from ocsp.store.parts import Part
from ocsp.store.sets import Layout
from ocsp.text import format_time

from .config import Folders
from .record import Values

FOLDER = "renewals"
_LARGEST = 64 * 1024
_ENDING = ".json"


class Request(t.NamedTuple):
    """A certificate is to be deployed, from these files or from those that ``renewed_by`` names.

    ``mark`` tells one request from a later one for the same certificate.
    """

    source: t.Optional[Source] = None
    mark: t.Optional[int] = None


def folder(folders: Folders) -> str:
    """Where requests are."""
    return os.path.join(folders.state, FOLDER)


def note(folders: Folders, name: str, source: t.Optional[Source] = None) -> None:
    """Request that a certificate be deployed. Raises FileError."""
    values = {"version": 1, **(source.values() if source is not None else {})}
    files.create_file(os.path.join(folder(folders), name + _ENDING), json.dumps(values, indent=1).encode("ascii"))


def noted(folders: Folders) -> t.Dict[str, Request]:
    """All requests by name, in the order of the names; of one that cannot be read the name counts."""
    found: t.Dict[str, Request] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for file in sorted(os.listdir(folder(folders))):
            if file.endswith(_ENDING) and not file.startswith("."):
                found[file[: -len(_ENDING)]] = _read(os.path.join(folder(folders), file))
    return found


def _read(path: str) -> Request:
    values: t.Any = {}
    mark = None
    with contextlib.suppress(OSError, InputError, ValueError):
        mark = os.stat(path).st_mtime_ns
        values = json.loads(reading.read_file(path, path, _LARGEST) or b"{}")
    source = renewed.read_source(values) if isinstance(values, dict) else None
    return Request(source if source is not None and source.private_key and source.certificate else None, mark)


def forget(folders: Folders, name: str, request: Request) -> None:
    """Remove a request that was carried out, unless there is a later one. Raises FileError."""
    path = os.path.join(folder(folders), name + _ENDING)
    with contextlib.suppress(OSError):
        if request.mark is None or os.stat(path).st_mtime_ns == request.mark:
            files.remove_file(path)


class Watch:
    """What other programs of this host keep, by the certificates that they are said to renew."""

    def __init__(self, layout: Layout, all_parts: t.Sequence[Part]) -> None:
        self._layout = layout
        self.sources = renewed.sources(all_parts)

    def is_due(self, name: str) -> bool:
        """Whether the certificate of a name is not the live one and no older, or cannot be seen from here.

        A sandbox hides the home of root, where some programs keep their files: whoever deploys sees more.
        """
        try:
            leaf = renewed.read_leaf(self.sources[name].certificate)
            return leaf is None or renewed.is_newer(leaf, renewed.live_leaf(self._layout, name))
        except OcspError:
            return True

    def changed(self, name: str) -> t.Optional[datetime]:
        """When the certificate of a name changed last in the files of that program, as far as can be seen from here.

        Whoever owns the file can date it to a year that Python does not have.
        """
        try:
            return datetime.fromtimestamp(os.stat(self.sources[name].certificate).st_mtime, timezone.utc)
        except (OSError, OverflowError, ValueError):
            return None

    def values(self, name: str) -> t.Optional[Values]:
        """What the state says of where a certificate comes from; None where the role brings its files."""
        source = self.sources.get(name)
        if source is None:
            return None
        return {"client": source.client, "certificate": source.certificate, "changed": format_time(self.changed(name))}


def watch(layout: Layout) -> Watch:
    """What is renewed on this host. Raises InputError for a part that is damaged."""
    return Watch(layout, parts.load(layout))
