# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Notes of services that may still use what was on disk before, one file for each: pending/<service>.

    {"version": 1, "names": ["example.com"],   the certificates whose files changed; empty where that is not known
     "complete": 1234.5}                       CLOCK_MONOTONIC in seconds when the last change was complete, or null

A note is made before anything is changed, and is complete when all is written: a service that has loaded its files
since then needs no reload. An incomplete note belongs to a run that is at work, or was killed.
An empty file, as touch(1) makes it, is a note as well: the service is to be reloaded.
"""

from __future__ import annotations

import json
import os
import typing as t

from ..errors import FileError
from . import files, reading
from .sets import Layout

_LARGEST = 1024 * 1024


class Note(t.NamedTuple):
    """What is noted of one service. ``complete`` is None while files are being changed."""

    names: t.Tuple[str, ...] = ()
    complete: t.Optional[float] = None


def services(layout: Layout) -> t.List[str]:
    """The services with a note, in alphabetical order."""
    return reading.names(_folder(layout))


def read(layout: Layout, service: str) -> t.Optional[Note]:
    """The note of a service, or None where there is none. What cannot be read is a note that says nothing."""
    path = layout.pending(service)
    if not os.path.lexists(path):
        return None
    try:
        values = json.loads(reading.read_file(path, path, _LARGEST) or b"{}")
        names, complete = values.get("names", []), values.get("complete")
    except Exception:  # a file of unknown origin, which still means that there is something to do
        return Note()
    names = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
    return Note(names, float(complete) if isinstance(complete, (int, float)) else None)


def write(layout: Layout, service: str, note: Note) -> None:
    """Have this note on disk. Raises FileError."""
    path = layout.pending(service)
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None
    values = {"version": 1, "names": list(note.names), "complete": note.complete}
    files.replace_file(path, json.dumps(values).encode("ascii") + b"\n", own=True)


def add(layout: Layout, service: str, names: t.Iterable[str]) -> None:
    """Note, before a change, that a service has to load the files of these certificates. Raises FileError."""
    before = read(layout, service)
    # A note without names is about all of them, and stays so.
    unknown = before is not None and not before.names
    known = dict.fromkeys([*(before.names if before else ()), *names])
    write(layout, service, Note(() if unknown else tuple(known)))


def complete(layout: Layout, service: str, moment: float) -> None:
    """Note that the change is complete since ``moment`` (CLOCK_MONOTONIC in seconds). Raises FileError."""
    note = read(layout, service)
    if note is not None:
        write(layout, service, note._replace(complete=moment))


def forget(layout: Layout, service: str, names: t.Optional[t.Collection[str]] = None) -> None:
    """Note that a service uses what is on disk, of these certificates or of all. Raises FileError."""
    note = read(layout, service)
    if note is None:
        return
    left = tuple(name for name in note.names if names is not None and name not in names)
    if left or (names is not None and not note.names):
        write(layout, service, note._replace(names=left))
    else:
        files.remove_file(layout.pending(service))


def restore(layout: Layout, service: str, note: t.Optional[Note]) -> None:
    """Have the note of a service as it was. Raises FileError."""
    if note is None:
        files.remove_file(layout.pending(service))
    else:
        write(layout, service, note)


def _folder(layout: Layout) -> str:
    return os.path.dirname(layout.pending("any"))
