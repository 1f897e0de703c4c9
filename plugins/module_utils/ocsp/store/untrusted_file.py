# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files that another user wrote, read by root. Anything that is not clearly a regular file of that user is refused."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ..errors import OcspError


class Refused(OcspError):
    """A file that may not be what it seems and may have been planted."""

    def __init__(self, message: str) -> None:
        super().__init__("foreign_file", message)


def read(path: str, limit: int) -> t.Optional[bytes]:
    """The content of a file, or None where there is none.

    Neither it nor its folder may be a symbolic link; it must be a regular file with one name, of at most
    ``limit`` octets, that belongs to root or to the owner of its folder. Raises Refused.
    """
    folder_path, name = os.path.split(path)
    try:
        folder = os.open(folder_path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(folder_path, error) from None
    try:
        return _read_in(folder, name, path, limit)
    finally:
        os.close(folder)


def _read_in(folder: int, name: str, path: str, limit: int) -> t.Optional[bytes]:
    try:
        # A FIFO in the place of a file must not hang the run, nor a terminal become its own, which can end it.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from None
    try:
        problem = _problem(os.fstat(descriptor), {0, os.fstat(folder).st_uid}, limit)
        if problem:
            raise Refused(f"{path} {problem}; it is not read, remove it")
        with os.fdopen(descriptor, "rb", closefd=False) as handle:
            return handle.read(limit)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _problem(status: os.stat_result, owners: t.Container[int], limit: int) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_nlink != 1:
        return f"has {status.st_nlink} names (hard links)"
    if status.st_uid not in owners:
        return f"belongs to the user {status.st_uid}, who does not own its folder"
    if status.st_size > limit:
        return f"has {status.st_size} octets, more than {limit}"
    return ""


def _refused(path: str, error: OSError) -> Refused:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Refused(f"{path} is a symbolic link or lies in one; it is not read, remove it")
    return Refused(f"{path} cannot be read: {error.strerror}")
