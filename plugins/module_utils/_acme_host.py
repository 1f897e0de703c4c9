# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What acme_orders reads where it runs as a module: on a host what was revoked, and on the controller the directory."""

from __future__ import annotations

import base64
import json
import os
import typing as t

from . import _renewal
from .ocsp.errors import MalformedError, OcspError, TransportError
from .ocsp.renewal import ari
from .ocsp.store import untrusted_file

Values = t.Dict[str, t.Any]

#: What the program on hosts remembers of responses; of a certificate that was revoked, the proof.
RECORD = "/var/lib/ocsp-stapling/responses/refresh.json"
#: Octets of the largest record that is read, and characters of the longest proof.
_LARGEST, _LONGEST_PROOF = 4 * 1024 * 1024, 16 * 1024
#: Lists and mappings of a record beyond those of an honest one: each takes sixty times the octets that it has there.
_MOST_CONTAINERS, _OCTETS_FOR_ONE = 1000, 50
#: Seconds for the directory, all in all.
_SECONDS = 10


def proofs(names: t.Container[str], path: str = RECORD) -> t.Tuple[t.Dict[str, str], str]:
    """The responses by which a host knows that certificates were revoked, as Base64, and why there may be more.

    The record is of an unprivileged user who may have written anything. What it says is judged on the controller.
    """
    try:
        data = untrusted_file.read(path, _LARGEST) or b"{}"
    except OcspError as error:
        # Without root, the folder cannot be read in any case.
        return {}, error.message if os.geteuid() == 0 else ""
    if data.count(b"[") + data.count(b"{") > _MOST_CONTAINERS + len(data) // _OCTETS_FOR_ONE:
        return {}, f"{path} is nothing that the program wrote; remove it"
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
