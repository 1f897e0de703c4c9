# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files in folders of other users, read and replaced as root without giving one user the files of another.

Who can write to a folder can put a link in it, to a file that only root can read or write. So a link counts only where
root alone can make one, or where it leads to a file of its own owner. The same holds for what is read and for what is
written, and also where the program runs as another user than root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..errors import InputError
from . import reading

#: In the place of the number of a user: there are several, or it cannot be told which one it is.
SEVERAL = -1

#: How many links may lead from one to the next, as the kernel has it, and how many names there may be on the way.
_MOST_LINKS, _MOST_NAMES = 40, 1000
#: Folders that a way may begin with, since only root, and the user of this process, can change what is on it.
_ROOTS_ALONE: t.Set[str] = set()
_MOST_REMEMBERED = 10_000
_ACL = "system.posix_acl_access"
#: Whose a file seems to be where its owner has no number in this user namespace, as in the sandbox of ``refresh``.
_NOBODY = 65534


def read_file(path: str, source: str, limit: int) -> t.Optional[bytes]:
    """The content of a regular file, or None where there is none, as ``reading.read_file`` has it.

    Raises InputError also for a file that somebody else than root may have put in the place of another.
    """
    plain = _open_plain(_absolute(path))
    if plain is not None:
        try:
            return reading.read_file(_fd_path(plain), source, limit)
        finally:
            os.close(plain)
    with contextlib.ExitStack() as stack:
        try:
            found = _Walk(stack).to(_absolute(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{source} cannot be read: {reading.reason_of(error)}") from None
        problem = found.problem()
        if problem:
            raise InputError(f"{source} {problem}")
        status = os.fstat(found.descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:
            # What it has in it all the same, as in /proc, is made while it is read, and may take any time.
            return b""
        # The way there may be changed in the meantime; the file that was looked at cannot.
        content = reading.read_file(_fd_path(found.descriptor), source, limit)
        if content is None:
            raise InputError(f"{source} cannot be read while /proc is not mounted")
        return content


def writer(status: os.stat_result) -> t.Optional[int]:
    """The other user, than root and that of this process, who can write to a file or folder, or SEVERAL, or None.

    With an ACL, the bits of the group are its mask, so that they count for any group.
    """
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return SEVERAL
    return None if status.st_uid in (0, os.geteuid()) else status.st_uid


def author(path: str) -> t.Optional[int]:
    """The other user, than root and that of this process, who can have put what is at a path there.

    Or SEVERAL, also where that cannot be told, or None.
    """
    with contextlib.ExitStack() as stack:
        walk = _Walk(stack)
        try:
            found = walk.to(_absolute(path))
        except (OSError, ValueError):
            return SEVERAL
        users = {*walk.strangers, *found.links, writer(os.fstat(found.descriptor))} - {None, 0, os.geteuid()}
        return None if not users else users.pop() if len(users) == 1 else SEVERAL


def _open_plain(path: str) -> t.Optional[int]:
    """A descriptor of a file that is where its path says, without links, as most are; it opens it for nothing."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_nlink == 1 and os.readlink(_fd_path(descriptor)) == path:
            return descriptor
    os.close(descriptor)
    return None


class Destination(t.NamedTuple):
    """A file to write. ``path`` is where it is, without links, for messages and locks.

    ``at`` is a path to the same place that leads by an open folder, so that no link can come between.
    """

    path: str
    at: str


@contextlib.contextmanager
def destination(path: str, source: str, follow: bool = True) -> t.Iterator[Destination]:
    """The place of a file that is to be written or removed, which need not be there, in a folder that is.

    ``follow`` False: the last part of the path is meant itself, even if it is a link. ``at`` may be used inside the
    ``with`` block. Raises OSError, and InputError for what another user may have led elsewhere.
    """
    with contextlib.ExitStack() as stack:
        walk = _Walk(stack)
        try:
            problem = walk.to(_absolute(path), follow).problem(hard_links=not follow, writing=True)
        except FileNotFoundError:
            if walk.missing is None:
                raise
            problem = walk.missing.problem(writing=True)
        except ValueError as error:
            raise InputError(f"{source} cannot be used: {error}") from None
        if problem:
            raise InputError(f"{source} {problem}")
        at = _fd_path(walk.folder)
        if os.path.isdir(at):
            yield Destination(os.path.join(os.readlink(at), walk.name), os.path.join(at, walk.name))
        else:
            beside = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            real = os.path.realpath(path) if follow else beside
            yield Destination(real, real)


def real_folder(path: str, source: str) -> t.Optional[str]:
    """The path of a folder without links, or None where there is none. Raises InputError as ``read_file`` does."""
    with contextlib.ExitStack() as stack:
        try:
            found = _Walk(stack).to(_absolute(path))
        except (OSError, ValueError):
            return None
        if not stat.S_ISDIR(os.fstat(found.descriptor).st_mode):
            return None
        problem = found.problem()
        if problem:
            raise InputError(f"{source} {problem}")
        at = _fd_path(found.descriptor)
        return os.readlink(at) if os.path.isdir(at) else os.path.realpath(path)


def where(path: str) -> str:
    """Where a path leads, without links, or the absolute path itself where that cannot be told.

    Unlike ``os.path.realpath`` it follows no more links than the system does: other users can make any number.
    """
    path = _absolute(path)
    with contextlib.ExitStack() as stack:
        walk = _Walk(stack)
        try:
            walk.to(path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            return path
        with contextlib.suppress(OSError):
            return os.path.join(os.readlink(_fd_path(walk.folder)), walk.name, *walk.rest)
    return path


def open_folder(path: str) -> int:
    """A descriptor of the folder at an absolute path without links, to make files in; where it now has one, OSError."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open("/", flags)
    for name in path.split("/"):
        above = descriptor
        try:
            descriptor = os.open(name or ".", flags, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


def _absolute(path: str) -> str:
    return path if path.startswith("/") else os.path.join(os.getcwd(), path)


def _fd_path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


class _Found(t.NamedTuple):
    """A file, the owners of the links that strangers may have made on the way to it, and whose its folder is.

    ``folder`` is SEVERAL where more than one user may write to the folder, or to one above it.
    """

    descriptor: int
    links: t.Tuple[int, ...]
    folder: int

    def problem(self, hard_links: bool = False, writing: bool = False) -> str:
        """Why the file is not used, as the end of a sentence, or an empty string.

        ``hard_links``: these do no harm. ``writing``: no link is followed whose owner may be another than it seems. For
        reading it is, since this process could read the file anyway, and what it reads there affects no other user.
        """
        status = os.fstat(self.descriptor)
        if writing and any(map(_is_anybody, self.links)):
            return (
                "is reached by a symbolic link in a folder that users other than root can write to, and whose link that"
                " is cannot be seen from this sandbox; give the path of the file itself"
            )
        if any(owner != status.st_uid for owner in self.links):
            return (
                "is reached by a symbolic link in a folder that users other than root can write to, and belongs to "
                "a different user than the link; give the path of the file itself"
            )
        strange = self.folder not in (0, status.st_uid)
        if strange and not hard_links and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            return (
                f"has {status.st_nlink} hard links and is in a folder that users other than root can write to; replace "
                "it by a copy"
            )
        return ""


class _Walk:
    """The way to a file, folder by folder; the descriptors at its end are closed with ``stack``.

    ``folder`` and ``name`` are where it ended, and ``rest`` are the names after one that is missing. ``missing`` is the
    folder that it led to, with all links before, where there is no file of that name in it. ``strangers`` are those who
    can have made any part of the way, or SEVERAL.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.folder = -1
        self.name = ""
        self.rest: t.List[str] = []
        self.strangers: t.Set[int] = set()
        self.missing: t.Optional[_Found] = None
        self._descriptors: t.Set[int] = set()
        stack.callback(self._close_all_but)
        self._links: t.List[int] = []
        self._followed = 0
        self._passed = 0
        #: The way so far where it has been without links and strangers, to be remembered.
        self._way: t.Optional[str] = None

    def to(self, path: str, follow: bool = True) -> _Found:
        """Find an absolute path, maybe without following the last link. Raises OSError and ValueError."""
        folder, there, left = self._start(path)
        strangers = 0
        while left:
            name = left.pop()
            self._enter(folder, name)
            last = not left
            above = there
            try:
                descriptor = self._open(name, folder)
            except FileNotFoundError:
                self.rest = left[::-1]
                if last:
                    self.missing = _Found(folder, tuple(self._links), 0)
                raise
            there = os.fstat(descriptor)
            strangers = self._strangers(folder, above, there, strangers)
            self.strangers.update([strangers] if strangers else [])
            if not stat.S_ISLNK(there.st_mode) or (last and not follow):
                folder = descriptor
                self._note(name, strangers, last)
                continue
            self._followed += 1
            if self._followed > _MOST_LINKS:
                raise ValueError("too many symbolic links")
            # One with a second name may have been made elsewhere, by root, and got this name from somebody else.
            trusted = there.st_uid in (0, os.geteuid()) and there.st_nlink == 1
            if strangers and not trusted:
                self._links.append(there.st_uid)
            target = os.readlink("", dir_fd=descriptor)
            self._way, there = None, above
            if target.startswith("/"):
                folder, there, start = self._start(target)
                strangers = 0
                left += start
            else:
                left += _names_of(target)
        return _Found(folder, tuple(self._links), strangers)

    def _enter(self, folder: int, name: str) -> None:
        """Go on from a folder, and close what is behind it. Raises ValueError where the way is too long."""
        self._passed += 1
        if self._passed > _MOST_NAMES:
            raise ValueError(f"the path has more than {_MOST_NAMES} parts when links are followed")
        self.folder, self.name = folder, name
        self._close_all_but(folder)

    def _start(self, path: str) -> t.Tuple[int, os.stat_result, t.List[str]]:
        """The folder to begin an absolute path with, and the names that follow, the last one first."""
        known = os.path.dirname(path)
        while known not in _ROOTS_ALONE and len(known) > 1:
            known = os.path.dirname(known)
        descriptor = self._open(known)
        self._way = known.rstrip("/")
        return descriptor, os.fstat(descriptor), _names_of(path[len(known) :])

    def _note(self, name: str, strangers: int, last: bool) -> None:
        """Remember a folder to which only root and the user of this process can have led: only they can change that."""
        if self._way is None or strangers or name == "..":
            self._way = None
            return
        self._way += f"/{name}"
        if not last and len(_ROOTS_ALONE) < _MOST_REMEMBERED:
            _ROOTS_ALONE.add(self._way)

    def _strangers(self, descriptor: int, folder: os.stat_result, entry: os.stat_result, above: int) -> int:
        """Who else can have made an entry of a folder: 0 for none, SEVERAL, or the number of the user."""
        if not stat.S_ISDIR(folder.st_mode):
            raise NotADirectoryError
        own = folder.st_uid
        if folder.st_mode & stat.S_IWOTH or (folder.st_mode & stat.S_IWGRP and _is_group_strange(descriptor, folder)):
            # Where the sticky bit is set, only the owner of an entry can replace it; of a file others can make links.
            own = entry.st_uid if folder.st_mode & stat.S_ISVTX and not stat.S_ISREG(entry.st_mode) else SEVERAL
        own = 0 if own == os.geteuid() else own
        return own if above == own or above == 0 else above if own == 0 else SEVERAL

    def _open(self, name: str, folder: t.Optional[int] = None) -> int:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        self._descriptors.add(descriptor)
        return descriptor

    def _close_all_but(self, *needed: int) -> None:
        """Close what the way has passed: by links, other users make it as long as they like."""
        for descriptor in self._descriptors.difference(needed):
            os.close(descriptor)
        self._descriptors.intersection_update(needed)


def _names_of(path: str) -> t.List[str]:
    """The names in a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _is_anybody(owner: int) -> bool:
    """Whether the owner of a file may be any of the users that this user namespace has no numbers for."""
    if owner != _NOBODY:
        return False
    try:
        with open("/proc/self/uid_map", encoding="ascii") as handle:
            ranges = [tuple(map(int, line.split())) for line in handle]
    except OSError:
        return False
    return not any(first <= owner < first + length for first, _outside, length in ranges)


def _is_group_strange(descriptor: int, folder: os.stat_result) -> bool:
    """Whether others than root may write to a folder whose group may: with an ACL, the group's bits are its mask."""
    return folder.st_gid != 0 or has_access_list(descriptor)


def has_access_list(descriptor: int) -> bool:
    """Whether a POSIX ACL lets more users in than the mode of a folder tells, or that cannot be found out."""
    try:
        return bool(os.getxattr(_fd_path(descriptor), _ACL))
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.EOPNOTSUPP)
