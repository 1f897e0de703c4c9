# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What acme_orders reads where it runs as a module: on a host what was revoked, and on the controller the directory."""

from __future__ import annotations

import base64
import json
import typing as t

from . import _renewal
from .ocsp.errors import InputError, MalformedError, TransportError
from .ocsp.renewal import ari
from .ocsp.store import reading

Values = t.Dict[str, t.Any]

#: What ``apply`` of the program on hosts knows of certificates; of one that was revoked, the proof. It runs right after
#: ``refresh``, whose own record belongs to an unprivileged user.
STATE = "/var/lib/ocsp-stapling/state.json"
#: Octets of the largest state that is read, which is that of some 40,000 certificates; characters of the longest proof.
_LARGEST, _LONGEST_PROOF = 64 * 1024 * 1024, 16 * 1024
#: Seconds for the directory, all in all.
_SECONDS = 10


def proofs(names: t.Container[str], path: str = STATE) -> t.Tuple[t.Dict[str, str], str]:
    """The responses by which a host knows that certificates were revoked, as Base64, and why they could not be read.

    Where there is no such reason it is an empty string. They are judged on the controller.
    """
    try:
        data = reading.read_file(path, path, _LARGEST) or b"{}"
    except InputError as error:
        return {}, error.message
    if len(data) > _LARGEST:
        return {}, f"{path} has more than {_LARGEST} octets"
    try:
        # No number is used, and some versions of Python take hours for one of millions of digits.
        found: t.ItemsView[str, t.Any] = json.loads(data, parse_int=len)["certificates"].items()
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return {}, ""
    entries = {name: one for name, one in found if name in names and isinstance(one, dict)}
    return {name: str(one["proof"]) for name, one in entries.items() if is_proof(one.get("proof"))}, ""


def is_proof(value: t.Any) -> bool:
    """Whether it is Base64 of the length of a response."""
    try:
        return isinstance(value, str) and len(value) <= _LONGEST_PROOF and bool(base64.b64decode(value, validate=True))
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
