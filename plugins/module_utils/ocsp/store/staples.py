# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Staples in the folders that servers read: put in place and withdrawn, file by file.

A set folder holds up to four files about a staple, and they appear and go in an order in which a
server that reads between two of them, also after a kill, finds something that it survives.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime

from ..errors import FileError
from ..judge.judgement import Judgement
from ..judge.response import SIZE_LIMIT
from ..servers import haproxy, nginx
from . import files, reading, tenants

#: The staple itself, as DER.
STAPLE = "ocsp.der"
#: When it ends, as decimal seconds since the epoch: what Exim's guard compares with its clock.
EXPIRES = "ocsp.der.expires"
#: The files about a staple, one of which is a link.
FILES = (STAPLE, EXPIRES, haproxy.STAPLE, nginx.STAPLE)

_SMALL = 4096


class Place(t.NamedTuple):
    """Where the staple of one certificate goes.

    ``folder`` is the set folder with the files, ``live`` the stable path of that folder, as the
    servers' configurations name it.
    """

    folder: str
    live: str

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)


class Stapled(t.NamedTuple):
    """What is in place: a response, and when it expires in seconds since the epoch, 0 where it is not stapled."""

    data: t.Optional[bytes]
    expires: int


def find(live: str) -> t.Optional[Place]:
    """The place that a stable path leads to now, or None where there is no such folder.

    Raises InputError where another user may have led it to a folder of somebody else's.
    """
    folder = tenants.real_folder(live, live)
    return Place(folder, live) if folder is not None else None


@contextlib.contextmanager
def lock(place: Place, timeout: float = 60.0) -> t.Iterator[None]:
    """Keep others from changing the staple, or from switching ``live`` to another set meanwhile.

    The lock is a file beside all sets of the certificate, where no other user can hold it. Raises FileError.
    """
    folder = os.path.dirname(os.path.realpath(place.folder))
    with files.lock_file(os.path.join(folder, ".lock"), folder, timeout):
        yield


def in_place(place: Place) -> bool:
    """Whether a staple is in place, all of it: neither half installed nor half withdrawn."""
    return all(os.path.lexists(place.path(name)) for name in FILES)


def read(place: Place) -> t.Optional[bytes]:
    """The staple in place, or None. Raises InputError; at most SIZE_LIMIT + 1 octets are read."""
    path = place.path(STAPLE)
    return reading.read_file(path, path, SIZE_LIMIT)


def install(place: Place, data: bytes, judgement: Judgement, write: bool = True) -> bool:
    """Have exactly this response stapled. Returns whether anything had to change.

    ``judgement`` is that of ``data`` and must be acceptable. With ``write`` False nothing is
    touched. Raises FileError; what was in place is then still usable.
    """
    if not judgement.acceptable or judgement.effective_expiry is None:
        raise ValueError("a response that is not acceptable must not be stapled")
    return _install(place, data, int(judgement.effective_expiry.timestamp()), write)


def _install(place: Place, data: bytes, expires: int, write: bool = True) -> bool:
    steps = [(STAPLE, data), (EXPIRES, b"%d\n" % expires)]
    if expires < _number(place.path(EXPIRES)):
        # A server that reads between the two steps must not take the expiry of the old staple for that of the new one.
        steps.reverse()
    changed = False
    for name, content in steps:
        changed = _put(place.path(name), content, write) or changed
    changed = _link(place.path(haproxy.STAPLE), STAPLE, write) or changed
    snippet = nginx.staple_snippet(os.path.join(place.live, STAPLE))
    return _put(place.path(nginx.STAPLE), snippet, write) or changed


def withdraw(place: Place, write: bool = True, keep_file: bool = False) -> bool:
    """Have nothing stapled. Returns whether anything had to change.

    What leads to the staple goes first, and the staple last, so that no server is told to read a
    file that is gone. ``keep_file`` leaves the staple itself, for servers that do not start
    without it. Raises FileError.
    """
    names = [nginx.STAPLE, EXPIRES, haproxy.STAPLE] + ([] if keep_file else [STAPLE])
    present = [name for name in names if os.path.lexists(place.path(name))]
    for name in present if write else ():
        files.remove_file(place.path(name))
    return bool(present)


def look(place: Place) -> Stapled:
    """What is in place, for ``put_back``. Raises InputError."""
    return Stapled(read(place), _number(place.path(EXPIRES)) if in_place(place) else 0)


def put_back(place: Place, former: Stapled, now: datetime) -> None:
    """Have in place what ``look`` found, which is not stapled any more if it has expired. Raises FileError."""
    if former.data is not None and former.expires > now.timestamp():
        _install(place, former.data, former.expires)
        return
    withdraw(place, keep_file=former.data is not None)
    if former.data is not None:
        _put(place.path(STAPLE), former.data, True)


def _number(path: str) -> int:
    """The number in a small file, 0 where there is none."""
    content = reading.read_file(path, path, _SMALL) or b""
    return int(content) if content.strip().isdigit() else 0


def _put(path: str, content: bytes, write: bool) -> bool:
    """Have this content in a regular file of its own. Returns whether it had another."""
    linked = os.path.islink(path)
    if not linked and reading.read_file(path, path, len(content)) == content:
        return False
    if write:
        if linked:
            # The file that it points to is not ours.
            files.remove_file(path)
        files.replace_file(path, content)
    return True


def _link(path: str, target: str, write: bool) -> bool:
    """Have a symbolic link to ``target``, in one step. Returns whether there was another or none."""
    with contextlib.suppress(OSError):
        if os.readlink(path) == target:
            return False
    if write:
        try:
            files.switch_link(path, target)
        except OSError as error:
            raise FileError(f"cannot make the link {path}: {error.strerror}") from None
    return True
