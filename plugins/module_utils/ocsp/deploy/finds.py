# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates that a search of the host found: which of those of one name may be deployed, and whose they are.

Other users may write into the folders that are searched. So a name that is live goes to no other user than the one
whose files were deployed before, and a name that is not, to none of several who claim it. What root alone can write
counts before all that. It is not asked whose the files are that the operator lists.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ..errors import InputError
from ..pki import certificate as x509
from ..pki import signature
from ..store import origins, sets
from ..store.origins import Origin
from ..store.sets import Layout
from ..text import clean
from . import material, renewed
from .material import Material
from .wanted import Values, found_key_path, read_found

#: Seconds in which certificates are checked that a search found where other users can write.
LONGEST_FOR_USERS = 60.0
#: Names of such a certificate, and octets of all that makes its set. More would cost all others memory and disk.
MOST_NAMES, LARGEST = 1000, 64 * 1024
_MOST_BITS, _LONGEST_NAME = 8192, 255
NO_TIME = f"those that a search found took {LONGEST_FOR_USERS:.0f} seconds to check"
#: How many certificates of a search that are left out are told of.
MOST_LEFT_OUT = 5
#: For how long a certificate is not tried again that servers or their clients have refused.
PAUSE = timedelta(days=1)


def say_left_out(message: str) -> str:
    """What becomes of a certificate that a search found, after the sentence that says what is wrong with it."""
    return f"{message}; it is left out, and what is deployed of it stays"


class Choice(t.NamedTuple):
    """The certificates to deploy; why others are left out, by name; and which of several was taken, as sentences."""

    certificates: t.List[Values]
    left: t.Dict[str, str]
    told: t.List[str]


def choose(layout: Layout, certificates: t.Sequence[Values], names: t.Container[str]) -> Choice:
    """Of the certificates that a search found, each name at most once. ``names`` are those of them."""
    by_name: t.Dict[str, t.List[Values]] = {}
    for one in certificates:
        if one["name"] in names:
            by_name.setdefault(one["name"], []).append(one)
    choice = Choice([], {}, [])
    until = time.monotonic() + LONGEST_FOR_USERS
    chosen: t.Dict[str, t.Optional[Values]] = {}
    for name, given in by_name.items():
        if len(given) > 1 and time.monotonic() > until:
            choice.left[name] = f"{name}: there are {len(given)}, and {NO_TIME}"
            chosen[name] = None
        else:
            chosen[name] = _choose(layout, name, given, choice)
    choice.certificates.extend(one for one in certificates if chosen.get(one["name"], one) is one)
    return choice


def _choose(layout: Layout, name: str, given: t.Sequence[Values], choice: Choice) -> t.Optional[Values]:
    """The one to deploy of those of one name, or None; the sentence about it is added to ``choice``."""
    found = [(one, origins.of_file(found_key_path(one) or "")) for one in given]
    is_live = sets.current_id(layout, name) is not None
    allowed = _allowed(layout, name, found) if is_live else found
    if not allowed:
        choice.left[name] = _said_of_live(layout, name, found[0][1])
        return None
    if len(found) == 1:
        return given[0]
    # What is not sound takes no name from others.
    sound = [(one, origin, read) for one, origin in allowed for read in _sound(one)]
    sound = [each for each in sound if each[1].user == 0] or sound
    others = [origin for _one, origin, _read in sound if not (is_live or origin.succeeds(sound[0][1]))]
    if others:
        choice.left[name] = (
            f"{name}: keys of this name were found in {sound[0][1].shown} and in {others[0].shown}, and none of them "
            "is in use yet; remove those that are not meant, or list it in ocsp_stapling_certificates with the source "
            "that is"
        )
        return None
    known = [one for one, _origin, read in sound if _succeeds(read, layout, name)]
    one = [*known, *(one for one, _origin, _read in sound), allowed[0][0]][0]
    why = "as its CA issued the one in use" if known else "as the first that fits its certificate"
    place = clean(os.path.dirname(found_key_path(one) or ""), 200)
    choice.told.append(
        f"{name}: {len(given)} keys of this name were found, and that in {place} is taken, {why}; rename or remove the "
        "others"
    )
    return one


_Found = t.Tuple[Values, Origin]


def _allowed(layout: Layout, name: str, found: t.Sequence[_Found]) -> t.List[_Found]:
    """Those that may take the place of what is live: of root, or of the user whose it is.

    Where that is not known, as the controller brought it, of whoever has one of the same CA.
    """
    used = _in_use(layout, name)
    if used is not None:
        return [(one, origin) for one, origin in found if origin.user == 0 or origin.succeeds(used)]
    return [
        (one, origin)
        for one, origin in found
        if origin.user == 0 or any(_succeeds(read, layout, name) for read in _sound(one))
    ]


def _in_use(layout: Layout, name: str) -> t.Optional[Origin]:
    """Where the live certificate came from, or None where that is not known."""
    return origins.read(sets.described(layout.live(name)).origin)


def _said_of_live(layout: Layout, name: str, origin: Origin) -> str:
    used = _in_use(layout, name)
    whose = f"came from {used.shown}" if used is not None else "was not found by a search, and is of another CA"
    return (
        f"{name}: the key in {origin.shown} is not taken, as the certificate in use {whose}; if it is meant, list it "
        "in ocsp_stapling_certificates with this folder as its source"
    )


def check_usual(read: Material) -> None:
    """Refuse a certificate of a user that servers or clients may refuse, or that costs much. Raises InputError.

    With it, a server might refuse all others, or have none to show.
    """
    problem = _unusual(read)
    if problem:
        raise InputError(
            f"{problem}; users can write where a search found it, so if it is meant, list it in "
            "ocsp_stapling_certificates with this folder as its source"
        )


def _unusual(read: Material) -> str:
    certificate, key = read.certificate, read.certificate.public_key
    is_usual = key.kind in (signature.RSA, signature.ECDSA) and not key.flaw
    if not is_usual or (key.kind == signature.RSA and key.bits > _MOST_BITS):
        return f"its key is neither for RSA with at most {_MOST_BITS} bits nor for ECDSA on a NIST curve"
    names = certificate.alternative_names
    if len(names) > MOST_NAMES or any(len(name.value) > _LONGEST_NAME for name in names):
        return f"the certificate has more than {MOST_NAMES} names, or one of more than {_LONGEST_NAME} octets"
    size = len(read.key) + sum(len(one.der) for one in (certificate, *read.chain, *read.roots))
    return f"the key, the certificate and its chain take more than {LARGEST} octets" if size > LARGEST else ""


def _sound(given: Values) -> t.Iterator[Material]:
    """The files of a certificate that was found on this host, if there is nothing wrong with them."""
    with contextlib.suppress(Exception):  # whatever it is, its files are not sound
        read = material.read_material(given["name"], read_found(given), datetime.now(timezone.utc))
        if not material.examine(read, [given["name"]], strict=True).problems:
            yield read


def _succeeds(found: Material, layout: Layout, name: str) -> bool:
    """Whether a certificate is the one in use, or comes from its CA: others can have any CA certify any name."""
    with contextlib.suppress(Exception):
        used = renewed.live_leaf(layout, name)
        if used is None or used.der == found.certificate.der:
            return used is not None
        return found.issuer is not None and not x509.issuance_problem(used, found.issuer)
    return False
