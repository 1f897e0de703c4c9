# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reading a file with a limit. What writes is in ``files``, which a run that finds all in order does not load."""

from __future__ import annotations

import os
import stat
import typing as t

from ..errors import InputError

_READ_SIZE = 256 * 1024


def read_file(path: str, source: str, limit: int) -> t.Optional[bytes]:
    """The content of a regular file, or None where there is none.

    At most ``limit`` + 1 octets are read, so that the caller sees a file that is too large.
    Raises InputError; ``source`` begins its message.
    """
    try:
        # A FIFO in the place of a file must not hang the run, nor a terminal become its own, which can end it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read: {reason_of(error)}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputError(f"{source} is {kind}; give the path of a file")
        return _read_all(descriptor, limit + 1)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {reason_of(error)}") from None
    finally:
        os.close(descriptor)


def names(folder: str, suffix: str = "") -> t.List[str]:
    """The files in a folder that end like this and are not hidden, without that, in order. Never raises."""
    try:
        found = os.listdir(folder)
    except OSError:
        return []
    return sorted(file[: len(file) - len(suffix)] for file in found if file.endswith(suffix) and file[0] != ".")


def _read_all(descriptor: int, limit: int) -> bytes:
    pieces, size = [], 0
    while size < limit:
        piece = os.read(descriptor, min(limit - size, _READ_SIZE))
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def reason_of(error: t.Union[OSError, ValueError]) -> str:
    """Why the system refused, without the path."""
    return getattr(error, "strerror", None) or str(error)
