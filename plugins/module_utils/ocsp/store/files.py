# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files on disk: replaced in one step, backed up, locked. To read one with a limit is in ``reading``.

Whatever happens, and whenever the process is killed, a reader finds the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import itertools
import os
import re
import stat
import time
import typing as t
from datetime import datetime, timezone

from ..errors import BusyError, FileError, InputError
from . import tenants
from .reading import reason_of

_T = t.TypeVar("_T")

_TEMPORARY = ".ocsp-new"
_LOCK_FOLDERS = ("/run/lock", "/var/lock")
_ROOTS_LOCK_FOLDER = "/run/certops-ocsp"
_LOCK_POLL = 0.05
_BACKUP_SUFFIX = re.compile(r"\.\d{8}T\d{6}\.\d{6}Z~")
#: Backups of a file that are looked at, far above what is of use.
_MOST_BACKUPS = 10_000
_CONTEXT, _ACL = "security.selinux", "system.posix_acl_access"
#: Why a file cannot be replaced that may still be written into: mounted by itself, or in a folder that is closed.
_IN_PLACE_ERRORS = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV, errno.ETXTBSY)


def resolve(path: str, source: str, create: bool = True) -> str:
    """The path without symlinks. Raises InputError where it cannot be created, before anything is fetched for it.

    Symlinks that another user may have made are followed as ``tenants`` has it. ``create`` False: nothing will be
    created, so that its folder may be missing.
    """
    if "\0" in path:
        raise InputError(f"{source} is not a path: it has a null character in it")
    if path.endswith("/"):
        raise InputError(f"{source} ends with a slash; give the path of a file")
    resolved = tenants.where(path)
    folder = os.path.dirname(resolved)
    there = os.path.lexists(folder)
    if not os.path.isdir(folder) and (there or create):
        problem = "is not a folder" if there else "does not exist; create it first"
        raise InputError(f"{source} is in the folder {folder}, which {problem}")
    if not there:
        return resolved
    with contextlib.suppress(OSError), tenants.destination(path, source) as place:
        return place.path
    return resolved


def replace_file(
    path: str,
    content: bytes,
    in_place: bool = False,
    sync: t.Optional[t.Callable[[str], None]] = None,
    resolved: bool = False,
    own: bool = False,
) -> None:
    """Replace or create a file in one step, and have it on disk before returning.

    A symlink is followed. Owner, mode, SELinux context and ACL of the old file stay; a new file
    gets mode 0644. With ``own``, all but the context are those of a new file. ``in_place`` allows
    writing into the old file where it cannot be replaced, such as a file that is mounted by itself.
    ``sync`` is called with the folder instead of ``sync_folder``: until that is done, the old file may
    come back when the power fails, but never half of a file. ``resolved`` says that the path is what
    ``resolve`` returned. Whoever else may write the file must be locked out. Raises FileError; the old
    file is then as it was.
    """
    try:
        with _place(path, follow=not resolved) as place:
            path = place.path
            _replace(place, content, in_place, own)
    except OSError as error:
        hint = " (it may be mounted by itself: set unsafe_writes)" if error.errno == errno.EBUSY else ""
        kept = "; the old file was not changed" if os.path.lexists(path) else ""
        raise FileError(f"cannot write {path}: {reason_of(error)}{hint}{kept}") from None
    (sync or sync_folder)(os.path.dirname(path))


def _replace(place: tenants.Destination, content: bytes, in_place: bool, own: bool) -> None:
    try:
        _move(_write_temporary(place.at, content, own), place.at)
    except OSError as error:
        if not in_place or error.errno not in _IN_PLACE_ERRORS:
            raise
        _overwrite(place, content)


@contextlib.contextmanager
def _place(path: str, follow: bool = True) -> t.Iterator[tenants.Destination]:
    """As ``tenants.destination``, but raises FileError for a path that another user led elsewhere."""
    try:
        with tenants.destination(path, path, follow) as place:
            yield place
    except InputError as error:
        raise FileError(f"{error.message}; nothing was changed") from None


def temporary_path(path: str) -> str:
    """Where the new content of a path waits for its name, always the same place if nothing else is there."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{_short(name)}{_TEMPORARY}")


def remove_temporary(folder: str) -> None:
    """Remove what a killed run left in a folder on its way to a name, as far as that can be done."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(_TEMPORARY):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(folder, name))


def _short(name: str) -> str:
    """A name to which something can be added, also where it has 255 octets."""
    return name if len(os.fsencode(name)) <= 200 else hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _move(temporary: str, path: str) -> None:
    """Give a temporary file its final name, or remove it."""
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _write_temporary(path: str, content: bytes, own: bool = False) -> str:
    """A complete, synced file with the attributes of the one at ``path``, beside it. Returns its path.

    With ``own``, its access is that of a new file.
    """
    descriptor, temporary = _open_temporary(path)
    try:
        _write_all(descriptor, content)
        _copy_attributes(path, descriptor, own)
        os.fsync(descriptor)
        return temporary or _make(lambda name: _give_name(descriptor, name), path)[1]
    except BaseException:
        if temporary:
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def _open_temporary(path: str) -> t.Tuple[int, str]:
    """Open a file beside a path, without a name where the system can, so that only whole files ever have one."""
    flags = getattr(os, "O_TMPFILE", 0)
    if flags and _proc_is_there():
        try:
            return os.open(os.path.dirname(path), os.O_WRONLY | os.O_CLOEXEC | flags, 0o600), ""
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT):
                raise
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return _make(lambda name: os.open(name, flags, 0o600), path)


@functools.cache
def _proc_is_there() -> bool:
    return os.path.isdir("/proc/self/fd")


def _make(make: t.Callable[[str], _T], path: str) -> t.Tuple[_T, str]:
    """Make a temporary file for a path, once more without what a killed run left. Returns its path, too.

    The lock makes sure that no other run is at work. In a folder for all, another user may keep something in its place.
    """
    temporary = temporary_path(path)
    with contextlib.suppress(FileExistsError):
        return make(temporary), temporary
    with contextlib.suppress(OSError):
        os.unlink(temporary)
        return make(temporary), temporary
    temporary = temporary_path(f"{path}.{os.urandom(8).hex()}")
    return make(temporary), temporary


def _give_name(descriptor: int, temporary: str) -> None:
    # Only with some descriptor of a folder, of no use here, does Python call linkat, which follows /proc to the file.
    os.link(f"/proc/self/fd/{descriptor}", os.path.abspath(temporary), dst_dir_fd=descriptor, follow_symlinks=True)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy_attributes(path: str, descriptor: int, own: bool) -> None:
    try:
        old = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        old = None
    if old is None or stat.S_ISLNK(old.st_mode):
        os.fchmod(descriptor, 0o644)
        return
    if own:
        os.fchmod(descriptor, 0o644)
    else:
        _copy_access(old, descriptor)
    for name in (_CONTEXT,) if own else (_CONTEXT, _ACL):
        # Most systems have neither; those that do may refuse to let them be set.
        with contextlib.suppress(OSError, AttributeError):
            os.setxattr(descriptor, name, os.getxattr(path, name, follow_symlinks=False))


def _copy_access(old: os.stat_result, descriptor: int) -> None:
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except OSError as error:
        # Only root may give files away, and only to users that have a number in this user namespace.
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    # These files are not for running, and whoever put another one in its place must not choose as whom it would run.
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def sync_folder(folder: str) -> None:
    """Have the names in a folder on disk. Raises FileError, since one may be lost when the power fails now."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some file systems cannot do it, and some folders may be written but not read.
        if error.errno not in (errno.EINVAL, errno.EACCES, errno.EOPNOTSUPP):
            raise FileError(f"what was written in {folder} cannot be synced: {reason_of(error)}") from None


def switch_link(path: str, target: str) -> None:
    """Have a symbolic link to ``target`` at ``path``, in one step. Raises OSError; what was there is there still."""
    _none, temporary = _make(lambda name: os.symlink(target, name), path)
    _move(temporary, path)


def _overwrite(place: tenants.Destination, content: bytes) -> None:
    try:
        with open(place.at, "r+b", opener=_open_itself) as handle:
            handle.write(content)
            handle.truncate()
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        message = f"cannot write into {place.path}: {reason_of(error)}; it may be incomplete now, so run this again"
        raise FileError(message) from None


def remove_file(path: str) -> None:
    """Remove a file. Raises FileError."""
    try:
        with _place(path, follow=False) as place:
            os.unlink(place.at)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise FileError(f"cannot remove {path}: {reason_of(error)}") from None


#: Octets of the largest file of which a backup is made: a certificate file is smaller, and a response far smaller.
_LARGEST_BACKUP = 16 * 1024 * 1024


def back_up(path: str, now: datetime, keep: int) -> str:
    """Keep the file as it is under a name with the time, and only the newest ``keep`` such copies.

    Returns the path of the backup. Raises FileError.
    """
    suffix = f".{now.astimezone(timezone.utc):%Y%m%dT%H%M%S.%fZ}~"
    try:
        with _place(path) as place:
            path = place.path
            _back_up(place.at, place.at + suffix, keep)
    except OSError as error:
        raise FileError(f"cannot back up {path}: {reason_of(error)}; nothing was replaced") from None
    return path + suffix


def _back_up(path: str, backup: str, keep: int) -> None:
    with open(path, "rb", opener=_open_itself) as handle:
        content = handle.read(_LARGEST_BACKUP + 1)
    if len(content) > _LARGEST_BACKUP:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    _move(_write_temporary(path, content), backup)
    # The one just made stays even when the clock was set back and others seem to be newer.
    others = [other for other in _backups(path) if other != backup]
    for old in others[: max(0, len(others) + 1 - keep)]:
        os.unlink(old)


def create_file(path: str, content: bytes) -> None:
    """As ``replace_file`` with ``own``, in a folder that is made where it is missing. Raises FileError."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, 0o755, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create {folder}: {error.strerror}") from None
    replace_file(path, content, own=True)


def _open_itself(path: str, flags: int) -> int:
    """Open a regular file and no link; nothing else in its place may hang the run or get hold of it."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return descriptor


def _backups(path: str) -> t.List[str]:
    """The backups of a file, oldest first: those that are met first where another user has put too many there."""
    folder, start = os.path.split(path)
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries if entry.name.startswith(start))
        backups = (name for name in names if _BACKUP_SUFFIX.fullmatch(name[len(start) :]))
        return sorted(os.path.join(folder, name) for name in itertools.islice(backups, _MOST_BACKUPS))


class _Lock(t.NamedTuple):
    """A lock file: its mode, and its owner and group where those are others than of who makes it.

    ``folder`` is a descriptor of the folder that it is in, where another user could put a link in the folder's place.
    ``stays``: it is kept for the next run, unless there is nothing else in its folder.
    """

    path: str
    mode: int = 0o600
    owner: int = -1
    group: int = -1
    folder: t.Optional[int] = None
    stays: bool = False

    @property
    def name(self) -> str:
        """The file as seen from ``folder``."""
        return self.path if self.folder is None else os.path.basename(self.path)


@contextlib.contextmanager
def lock(
    path: str, timeout: float, resolved: bool = False, sleep: t.Callable[[float], None] = time.sleep
) -> t.Iterator[None]:
    """Hold the lock of a file, so that no two runs work on it at once, in one process or in several.

    The lock is a file that goes with the process. Only who may write to the folder of ``path`` can
    hold it: root's locks lie in a folder for root alone, those of another user or a group beside
    the file, where root meets them. Where all users or those of an access control list may write,
    it lies in the system's lock folder, and any user can make a run wait. Waits at most ``timeout``
    seconds. ``resolved`` says that the path is what ``resolve`` returned; ``sleep`` may raise to end
    the wait. Raises FileError.
    """
    with contextlib.ExitStack() as stack:
        try:
            place = path if resolved else tenants.where(path)
            found = _private_lock(place, stack) or _shared_lock(place)
        except OSError as error:
            raise FileError(f"cannot lock {path} with a file in the temporary folder: {reason_of(error)}") from None
        with _holding(found, path, timeout, sleep):
            yield


@contextlib.contextmanager
def lock_file(lock_path: str, what: str, timeout: float, stays: bool = False) -> t.Iterator[None]:
    """Hold a lock that is a certain file. Only who can open it can hold it.

    The file goes with the lock, unless it ``stays``, so that it is there on a disk that has no room for another, beside
    whatever else is in its folder.
    ``what`` is what it is the lock of, for a message. Waits at most ``timeout`` seconds. Raises FileError.
    """
    with _holding(_Lock(lock_path, stays=stays), what, timeout, time.sleep):
        yield


@contextlib.contextmanager
def _holding(lock_: _Lock, what: str, timeout: float, sleep: t.Callable[[float], None]) -> t.Iterator[None]:
    try:
        descriptor = _take_lock(lock_, time.monotonic() + timeout, sleep)
    except OSError as error:
        hint = "; it is not a regular file, so remove it" if _is_in_the_way(lock_.path) else ""
        raise FileError(f"cannot lock {what} with {lock_.path}: {reason_of(error)}{hint}") from None
    if descriptor is None:
        raise BusyError(
            f"another process has held the lock {lock_.path} for {timeout:.0f} seconds, so {what} was not changed"
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if not lock_.stays or os.listdir(os.path.dirname(lock_.path)) == [os.path.basename(lock_.path)]:
                os.unlink(lock_.name, dir_fd=lock_.folder)
        os.close(descriptor)


def _is_in_the_way(path: str) -> bool:
    """Whether there is something at the path of a lock that is none."""
    with contextlib.suppress(OSError):
        return not stat.S_ISREG(os.lstat(path).st_mode)
    return False


def _private_lock(path: str, stack: contextlib.ExitStack) -> t.Optional[_Lock]:
    """The lock of a resolved path for those alone who may write to its folder and for root, where there can be one.

    The folder stays open until ``stack`` ends, and the file is made in it: it is given to the owner of this folder, who
    may have a link to another folder at its path by then.
    """
    place, name = os.path.split(path)
    with contextlib.suppress(OSError):
        folder = tenants.open_folder(place)
        stack.callback(os.close, folder)
        found = os.fstat(folder)
        beside = _Lock(os.path.join(place, f".{_short(name)}.ocsp-lock"), folder=folder)
        if found.st_mode & stat.S_IWOTH:
            return None
        if found.st_mode & stat.S_IWGRP:
            # A new file would not let in those whom an access control list lets into the folder.
            if tenants.has_access_list(folder):
                return None
            return _try_beside(beside._replace(mode=0o660, group=found.st_gid))
        if os.geteuid() not in (0, found.st_uid):
            return None
        if found.st_uid != 0:
            return _try_beside(beside._replace(owner=found.st_uid))
        if _make_roots_folder(_ROOTS_LOCK_FOLDER):
            return _Lock(os.path.join(_ROOTS_LOCK_FOLDER, _lock_name(path)))
    return None


def _try_beside(lock_: _Lock) -> t.Optional[_Lock]:
    """The lock, unless it cannot be made in its folder. Raises OSError where the file system has no locks."""
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=lock_.folder):
        return None
    # Some file systems that come over a network have none. Whoever may read the folder can hold that of the folder.
    descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=lock_.folder)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    return lock_


@functools.lru_cache(maxsize=4)
def _make_roots_folder(path: str) -> bool:
    """Make the folder for root's locks. Returns whether it is for root alone and can be written. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o077
    return private and os.access(path, os.W_OK | os.X_OK)


def _shared_lock(path: str) -> _Lock:
    """The lock of a resolved path that all users can take."""
    folder = next((folder for folder in _LOCK_FOLDERS if os.access(folder, os.W_OK | os.X_OK)), None)
    if folder is None:
        import tempfile  # pylint: disable=import-outside-toplevel  # slow, and hardly ever needed

        folder = tempfile.gettempdir()
    return _Lock(os.path.join(folder, f"certops-ocsp-{_lock_name(path)}"), mode=0o644)


def _lock_name(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32] + ".lock"


def _take_lock(lock_: _Lock, deadline: float, sleep: t.Callable[[float], None]) -> t.Optional[int]:
    """The descriptor that holds the lock, or None where another run held it until the deadline."""
    while True:
        descriptor = _open_lock(lock_)
        try:
            # The run that held the lock removes the file; a lock on the removed file is none.
            if _try_lock(descriptor, deadline, sleep) and _is_same_file(descriptor, lock_):
                held, descriptor = descriptor, -1
                return held
            if time.monotonic() >= deadline:
                return None
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _open_lock(lock_: _Lock) -> int:
    """Open a lock file; O_CREAT is left out where it exists, as kernels refuse it in a folder for all."""
    # NFS locks for writing only what is open for writing; another user's file may be opened for reading alone.
    access = os.O_RDONLY if lock_.mode & stat.S_IROTH else os.O_RDWR
    flags = access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    while True:
        try:
            descriptor = os.open(lock_.name, flags | os.O_CREAT | os.O_EXCL, lock_.mode, dir_fd=lock_.folder)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                return os.open(lock_.name, flags, dir_fd=lock_.folder)
            continue
        # Only root can give a file away, and to a group only who is in it.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, lock_.owner, lock_.group)
        os.fchmod(descriptor, lock_.mode)
        return descriptor


def _try_lock(descriptor: int, deadline: float, sleep: t.Callable[[float], None]) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            sleep(_LOCK_POLL)


def _is_same_file(descriptor: int, lock_: _Lock) -> bool:
    try:
        there = os.stat(lock_.name, dir_fd=lock_.folder, follow_symlinks=False)
        return os.path.samestat(os.fstat(descriptor), there)
    except FileNotFoundError:
        return False
