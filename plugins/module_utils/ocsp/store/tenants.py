# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reading, as root, files that lie in folders of other users, who must not get to another's file in this way.

Who can write to a folder can put a link in it, to a file that only root can read. So a link counts only where root
alone can make one, or where it leads to a file of its own owner.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..errors import InputError
from . import reading

#: How many links may lead from one to the next, as the kernel has it.
_MOST_LINKS = 40
_SHARED = stat.S_IWGRP | stat.S_IWOTH


def read_file(path: str, source: str, limit: int) -> t.Optional[bytes]:
    """The content of a regular file, or None where there is none, as ``reading.read_file`` has it.

    Raises InputError also for a file that somebody else than root may have put in the place of another.
    """
    with contextlib.ExitStack() as stack:
        try:
            found = _Walk(stack).to(os.path.abspath(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{source} cannot be read: {reading.reason_of(error)}") from None
        problem = found.problem()
        if problem:
            raise InputError(f"{source} {problem}")
        # The way there may be changed in the meantime; the file that was looked at cannot.
        content = reading.read_file(f"/proc/self/fd/{found.descriptor}", source, limit)
        if content is None:
            raise InputError(f"{source} cannot be read while /proc is not mounted")
        return content


class _Found(t.NamedTuple):
    """A file, the owners of the links that strangers may have made on the way to it, and whose its folder is.

    ``folder`` is -1 where several users may write to the folder, or to one above it.
    """

    descriptor: int
    links: t.Tuple[int, ...]
    folder: int

    def problem(self) -> str:
        """Why the file is not read, as the end of a sentence, or an empty string."""
        status = os.fstat(self.descriptor)
        if any(owner != status.st_uid for owner in self.links):
            return (
                "is reached by a symbolic link in a folder that users other than root can write to, and belongs to "
                "a different user than the link; give the path of the file itself"
            )
        if self.folder != 0 and stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_uid != self.folder:
            return (
                f"has {status.st_nlink} hard links and is in a folder that users other than root can write to; replace "
                "it by a copy"
            )
        return ""


class _Walk:
    """The way to a file, folder by folder; its descriptors are closed with ``stack``."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._links: t.List[int] = []
        self._followed = 0

    def to(self, path: str) -> _Found:
        """Find an absolute path. Raises OSError."""
        folder, strangers = self._open("/"), 0
        left = path.split("/")
        while left:
            name = left.pop(0)
            if name in ("", "."):
                continue
            there = self._open(name, folder)
            status = os.fstat(there)
            strangers = self._strangers(os.fstat(folder), status, strangers)
            if not stat.S_ISLNK(status.st_mode):
                folder = there
                continue
            self._followed += 1
            if self._followed > _MOST_LINKS:
                raise ValueError("too many symbolic links")
            if strangers:
                self._links.append(status.st_uid)
            target = os.readlink("", dir_fd=there)
            if target.startswith("/"):
                folder, strangers = self._open("/"), 0
            left = [*target.split("/"), *left]
        return _Found(folder, tuple(self._links), strangers)

    def _strangers(self, folder: os.stat_result, entry: os.stat_result, above: int) -> int:
        """Who else can have made an entry of a folder: 0 for none, -1 for several, else the number of the user."""
        if not stat.S_ISDIR(folder.st_mode):
            raise NotADirectoryError
        own = folder.st_uid
        if folder.st_mode & (_SHARED if folder.st_gid != 0 else stat.S_IWOTH):
            # Where the sticky bit is set, only the owner of an entry can replace it; of a file others can make links.
            own = entry.st_uid if folder.st_mode & stat.S_ISVTX and not stat.S_ISREG(entry.st_mode) else -1
        own = 0 if own == os.geteuid() else own
        return own if above == own or above == 0 else above if own == 0 else -1

    def _open(self, name: str, folder: t.Optional[int] = None) -> int:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        self._stack.callback(os.close, descriptor)
        return descriptor
