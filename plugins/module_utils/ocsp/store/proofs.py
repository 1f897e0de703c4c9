# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Responses that say that a certificate is revoked, each in a file: those of ``refresh``, and those of root.

Those of root are kept by ``apply``, and by a deployment that is told so of a certificate in use. They stay when the
others no longer say it. Each is judged again whenever it is read, and no run has more than those of one certificate in
memory: all of them may have a hundred megabytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import typing as t

from ..errors import InputError
from . import files, reading, untrusted_file

#: How the names of their files end. Those of responses end in another way.
ENDING = ".proof"
#: Octets of the longest one. A response with a chain of large certificates has five thousand.
LONGEST = 8 * 1024
#: The names that files may have. What a search found is called as other users like, with folders in it.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)


def file_name(name: str) -> str:
    """What the file for a certificate is called. No name leads out of the folder, or to the file of another."""
    known = name if _PLAIN.fullmatch(name) else f"#{hashlib.sha256(name.encode()).hexdigest()}"
    return known + ENDING


def keep(path: str, proof: t.Optional[bytes]) -> None:
    """Remember a proof. One that is longer than what can be kept takes the place of none. Raises FileError."""
    if proof is not None and len(proof) <= LONGEST and proof != read_own(path):
        files.create_file(path, proof)


def forget(path: str) -> None:
    """Remember none. Raises FileError."""
    if os.path.lexists(path):
        files.remove_file(path)


def forget_others(folder: str, names: t.Iterable[str]) -> None:
    """Remember those of these certificates alone, as far as the others can be removed."""
    known = set(map(file_name, names))
    with contextlib.suppress(OSError):
        for file in os.listdir(folder):
            if file.endswith(ENDING) and file not in known:
                os.unlink(os.path.join(folder, file))


def read(path: str) -> t.Tuple[t.Optional[bytes], str]:
    """What another user remembers, and why that was not read, if it was not."""
    try:
        return untrusted_file.read(path, LONGEST) or None, ""
    except untrusted_file.Refused as error:
        return None, error.message


def read_own(path: str) -> t.Optional[bytes]:
    """What this user remembers; None where that cannot be read."""
    with contextlib.suppress(InputError):
        proof = reading.read_file(path, path, LONGEST)
        return proof if proof and len(proof) <= LONGEST else None
    return None
