# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files on disk: read with a limit, replaced in one step, backed up, locked.

Whatever happens, and whenever the process is killed, a reader finds the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import time
import typing as t
from datetime import datetime, timezone

from .errors import FileError, InputError

_LOCK_FOLDERS = ("/run/lock", "/var/lock")
_LOCK_POLL = 0.05
_PRESERVED_ATTRIBUTES = ("security.selinux", "system.posix_acl_access")
#: Why a file cannot be replaced that may still be written into: mounted by itself, or in a folder that is closed.
_IN_PLACE_ERRORS = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV, errno.ETXTBSY)


def read_file(path: str, source: str, limit: int) -> t.Optional[bytes]:
    """The content of a regular file, or None where there is none.

    At most ``limit`` + 1 octets are read, so that the caller sees a file that is too large.
    Raises InputError; ``source`` begins its message.
    """
    try:
        # Opened without blocking: a FIFO in the place of a file must not hang the run.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read: {_reason(error)}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputError(f"{source} is {kind}; give the path of a file")
        return _read_all(descriptor, limit + 1)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {_reason(error)}") from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, limit: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as handle:
        return handle.read(limit)


def check_folder(path: str, source: str) -> None:
    """Refuse a path whose folder is missing, before anything is fetched for it. Raises InputError."""
    try:
        folder = os.path.dirname(os.path.realpath(path))
    except ValueError as error:
        raise InputError(f"{source} is not a path: {error}") from None
    if path.endswith("/"):
        raise InputError(f"{source} ends with a slash; give the path of a file")
    if not os.path.isdir(folder):
        problem = "is not a folder" if os.path.lexists(folder) else "does not exist; create it first"
        raise InputError(f"{source} is in the folder {folder}, which {problem}")


def replace_file(path: str, content: bytes, in_place: bool = False) -> None:
    """Replace or create a file in one step, and have it on disk before returning.

    A symlink is followed. Owner, mode, SELinux context and ACL of the old file stay; a new file
    gets mode 0644. ``in_place`` permits to write into the old file where it cannot be replaced,
    such as a file that is mounted by itself. Raises FileError; the old file is then as it was.
    """
    path = os.path.realpath(path)
    try:
        _remove_leftovers(path)
        _move(_write_temporary(path, content), path)
    except OSError as error:
        if in_place and error.errno in _IN_PLACE_ERRORS:
            _overwrite(path, content)
            return
        hint = " (it may be mounted by itself: set unsafe_writes)" if error.errno == errno.EBUSY else ""
        raise FileError(f"cannot write {path}: {_reason(error)}{hint}; what was there is as it was") from None
    _sync_folder(path)


def _temporary_prefix(path: str) -> str:
    """How the names of the temporary files for a path begin; it leaves room in a name of 255 octets."""
    name = os.path.basename(path)
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}.ocsp-"


def _remove_leftovers(path: str) -> None:
    """Remove what a killed run may have left; the lock makes sure that none is at work."""
    leftover = re.compile(re.escape(_temporary_prefix(path)) + "[0-9a-f]{16}")
    with os.scandir(os.path.dirname(path)) as entries:
        for entry in entries:
            if leftover.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _move(temporary: str, path: str) -> None:
    """Give a temporary file its final name, or remove it."""
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _write_temporary(path: str, content: bytes) -> str:
    """A complete, synced file with the attributes of the one at ``path``, beside it. Returns its path."""
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, _temporary_prefix(path) + os.urandom(8).hex())
    descriptor, named = _open_temporary(folder, temporary)
    try:
        _write_all(descriptor, content)
        _copy_attributes(path, descriptor)
        os.fsync(descriptor)
        if not named:
            _give_name(descriptor, folder, os.path.basename(temporary))
    except BaseException:
        if named:
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    return temporary


def _open_temporary(folder: str, temporary: str) -> t.Tuple[int, bool]:
    """Open a file that has no name yet where the system can, so that a kill leaves nothing behind."""
    flags = getattr(os, "O_TMPFILE", 0)
    if flags and os.path.isdir("/proc/self/fd"):
        try:
            return os.open(folder, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600), False
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT):
                raise
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), True


def _give_name(descriptor: int, folder: str, name: str) -> None:
    folder_descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        # Only with a folder's descriptor does Python call linkat, which follows /proc to the open file.
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder_descriptor, follow_symlinks=True)
    finally:
        os.close(folder_descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy_attributes(path: str, descriptor: int) -> None:
    try:
        old = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644)
        return
    mode = stat.S_IMODE(old.st_mode)
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        # Only root may give files away; bits that meant another user or group must not come along.
        mode &= ~(stat.S_ISUID | stat.S_ISGID)
    os.fchmod(descriptor, mode)
    for name in _PRESERVED_ATTRIBUTES:
        # Most systems have neither; those that do may refuse to let them be set.
        with contextlib.suppress(OSError, AttributeError):
            os.setxattr(descriptor, name, os.getxattr(path, name))


def _sync_folder(path: str) -> None:
    """Have the new name on disk. Raises FileError, since the file may be lost when the power fails now."""
    try:
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some file systems cannot do it, and some folders may be written but not read.
        if error.errno not in (errno.EINVAL, errno.EACCES, errno.EOPNOTSUPP):
            raise FileError(f"{path} was written, but its folder cannot be synced: {_reason(error)}") from None


def _overwrite(path: str, content: bytes) -> None:
    try:
        with open(path, "r+b") as handle:
            handle.write(content)
            handle.truncate()
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        message = f"cannot write into {path}: {_reason(error)}; it may be incomplete now, so run again"
        raise FileError(message) from None


def remove_file(path: str) -> None:
    """Remove a file. Raises FileError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise FileError(f"cannot remove {path}: {_reason(error)}") from None


def back_up(path: str, now: datetime, keep: int) -> str:
    """Keep the file as it is under a name with the time, and only the newest ``keep`` such copies.

    Returns the path of the backup. Raises FileError.
    """
    path = os.path.realpath(path)
    backup = f"{path}.{now.astimezone(timezone.utc):%Y%m%dT%H%M%S.%fZ}~"
    try:
        with open(path, "rb") as handle:
            content = handle.read()
        _move(_write_temporary(path, content), backup)
        # The one just made stays even when the clock was set back and others seem to be newer.
        others = [other for other in _backups(path) if other != backup]
        for old in others[: max(0, len(others) + 1 - keep)]:
            os.unlink(old)
    except OSError as error:
        raise FileError(f"cannot back up {path}: {_reason(error)}; nothing was replaced") from None
    return backup


def _backups(path: str) -> t.List[str]:
    """The backups of a file, oldest first."""
    pattern = re.compile(re.escape(os.path.basename(path)) + r"\.\d{8}T\d{6}\.\d{6}Z~")
    folder = os.path.dirname(path)
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if pattern.fullmatch(name))


@contextlib.contextmanager
def lock(path: str, timeout: float) -> t.Iterator[None]:
    """Hold the lock of a file, so that two runs do not work on it at once.

    The lock lies in the system's lock folder and goes with the process. Waits at most ``timeout``
    seconds. Raises FileError.
    """
    lock_path = "a file in the temporary folder"
    try:
        lock_path = _lock_path(path)
    except OSError as error:
        raise FileError(f"cannot lock {path} with {lock_path}: {_reason(error)}") from None
    with lock_file(lock_path, path, timeout, 0o644):
        yield


@contextlib.contextmanager
def lock_file(lock_path: str, what: str, timeout: float, mode: int = 0o600) -> t.Iterator[None]:
    """Hold a lock that is a certain file, which goes with it. Only who can open it can hold it.

    ``what`` is what it is the lock of, for a message. Waits at most ``timeout`` seconds. Raises FileError.
    """
    try:
        descriptor = _take_lock(lock_path, mode, time.monotonic() + timeout)
    except OSError as error:
        raise FileError(f"cannot lock {what} with {lock_path}: {_reason(error)}") from None
    if descriptor is None:
        raise FileError(f"another run has been at work on {what} for {timeout:.0f} seconds (it holds {lock_path})")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock_path)
        os.close(descriptor)


def _lock_path(path: str) -> str:
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    folder = next((folder for folder in _LOCK_FOLDERS if os.access(folder, os.W_OK | os.X_OK)), None)
    if folder is None:
        import tempfile  # pylint: disable=import-outside-toplevel  # slow, and hardly ever needed

        folder = tempfile.gettempdir()
    return os.path.join(folder, f"certops-ocsp-{name}.lock")


def _take_lock(lock_path: str, mode: int, deadline: float) -> t.Optional[int]:
    """The descriptor that holds the lock, or None where another run held it until the deadline."""
    while True:
        descriptor = _open_lock(lock_path, mode)
        try:
            # The run that held the lock removes the file; a lock on the removed file is none.
            if _try_lock(descriptor, deadline) and _is_same_file(descriptor, lock_path):
                held, descriptor = descriptor, -1
                return held
            if time.monotonic() >= deadline:
                return None
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _open_lock(lock_path: str, mode: int) -> int:
    """Open a lock file; O_CREAT is left out where it exists, as kernels refuse it in a folder for all."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(lock_path, flags)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(lock_path, flags | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(descriptor, mode)
            return descriptor


def _try_lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOCK_POLL)


def _is_same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _reason(error: t.Union[OSError, ValueError]) -> str:
    return getattr(error, "strerror", None) or str(error)
