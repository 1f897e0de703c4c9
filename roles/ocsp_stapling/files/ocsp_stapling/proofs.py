# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses that say that a certificate is revoked: each in a file for ``refresh``, and in the state of ``apply``.

Each is judged again whenever it is read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import typing as t

from ocsp.store import files, untrusted_file

#: How the names of their files end. Those of responses end in another way.
ENDING = ".proof"
#: Octets of the longest one. A response with a chain of large certificates has five thousand.
LONGEST = 8 * 1024


def keep(path: str, proof: t.Optional[bytes]) -> None:
    """Remember a proof. One that is longer than what can be kept takes the place of none. Raises FileError."""
    if proof is not None and len(proof) <= LONGEST:
        files.replace_file(path, proof)


def forget(path: str) -> None:
    """Remember none. Raises FileError."""
    if os.path.lexists(path):
        files.remove_file(path)


def forget_others(folder: str, names: t.Container[str]) -> None:
    """Remember those of these certificates alone, as far as the others can be removed."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(ENDING) and name[: -len(ENDING)] not in names:
                os.unlink(os.path.join(folder, name))


def read(path: str) -> t.Tuple[t.Optional[bytes], str]:
    """What another user remembers, and why that was not read, if it was not."""
    try:
        return untrusted_file.read(path, LONGEST) or None, ""
    except untrusted_file.Refused as error:
        return None, error.message


def to_text(proof: t.Optional[bytes]) -> t.Optional[str]:
    """A proof as ``from_text`` reads it; None where there is none, or one that is too long."""
    if proof is None or len(proof) > LONGEST:
        return None
    return base64.b64encode(proof).decode("ascii")


def from_text(value: t.Any) -> t.Optional[bytes]:
    """A proof, unless it is longer than what can be kept: it would take the place of one that is kept, and be lost."""
    if not isinstance(value, str) or len(value) > 2 * LONGEST:
        return None
    try:
        proof = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return proof if 0 < len(proof) <= LONGEST else None
