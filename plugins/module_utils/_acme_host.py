# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What acme_orders reads where it runs as a module: on a host what was revoked, and on the controller the directory."""

from __future__ import annotations

import base64
import os
import typing as t

from . import _renewal
from .ocsp.errors import InputError, MalformedError, TransportError
from .ocsp.renewal import ari
from .ocsp.store import reading

Values = t.Dict[str, t.Any]

#: Where ``apply`` of the program on hosts and ``certificate_set`` keep the proofs that certificates were revoked.
#: ``apply`` runs right after ``refresh``, whose own ones belong to an unprivileged user.
PROOFS = "/var/lib/ocsp-stapling/proofs"
#: Octets of the longest proof that is read.
_LONGEST_PROOF = 12 * 1024
#: Seconds for the directory, all in all.
_SECONDS = 10


def proofs(names: t.Iterable[str], folder: str = PROOFS) -> t.Tuple[t.Dict[str, str], str]:
    """The responses by which a host knows that certificates were revoked, as Base64, and why one could not be read.

    Where there is no such reason it is an empty string. They are judged on the controller.
    """
    found, problem = {}, ""
    for name in names:
        path = os.path.join(folder, f"{name}.proof")
        try:
            proof = reading.read_file(path, path, _LONGEST_PROOF)
        except InputError as error:
            problem = error.message
        else:
            if proof and len(proof) <= _LONGEST_PROOF:
                found[name] = base64.b64encode(proof).decode("ascii")
    return found, problem


def is_proof(value: t.Any) -> bool:
    """Whether it is Base64 of the length of a response."""
    longest = (_LONGEST_PROOF + 2) // 3 * 4
    try:
        return isinstance(value, str) and len(value) <= longest and bool(base64.b64decode(value, validate=True))
    except ValueError:
        return False


def directory_problem(url: str, ca_path: t.Optional[str]) -> Values:
    """Why the CA of an ACME directory cannot be asked for anything, and whether that may pass by itself."""
    try:
        ari.read_directory(_renewal.get_with(ca_path)(url, _SECONDS))
    except MalformedError as error:
        return {"problem": f"{url} is no ACME directory: {error.message}", "passing": False}
    except TransportError as error:
        refused = error.code == "http_error" and error.permanent
        return {"problem": f"the CA cannot be reached at {url}: {error.message}", "passing": not refused}
    return {"problem": "", "passing": False}
