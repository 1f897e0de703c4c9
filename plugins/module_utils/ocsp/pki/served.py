# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Until when what a server sends can be used: a chain ends with the first of its certificates."""

from __future__ import annotations

import typing as t

from ..errors import MalformedError
from . import certificate as x509
from .certificate import Certificate, Issuances, same_name
from .identifiers import is_self_signed
from .path import usage_faults

#: Levels of CAs, far above what is in use, so that no input takes long.
_MOST_LEVELS = 12


def first_to_end(leaf: Certificate, given: t.Sequence[Certificate]) -> Certificate:
    """The one that expires first of the leaf and the CAs above it that were given: with it, clients refuse them all.

    Of several certificates of one CA, that counts which is valid longest, of those by which clients accept a server.
    One that signed itself does not count, as it is not served: each client has its own copy of a root.
    """
    way, issuances = [leaf], Issuances()
    latest_first = sorted(given, key=lambda one: one.not_after, reverse=True)
    while len(way) <= _MOST_LEVELS:
        issuer = next((one for one in latest_first if one not in way and _issued(issuances, way[-1], one)), None)
        if issuer is None:
            break
        way.append(issuer)
    return min(way, key=lambda one: one.not_after)


def _issued(issuances: Issuances, certificate: Certificate, issuer: Certificate) -> bool:
    """Whether it is known to have issued the certificate, and is no root."""
    # Most of what was given has another name, which is told faster than a fault.
    if not same_name(certificate.issuer, issuer.subject) or not _is_for_servers(issuer):
        return False
    return issuances.fault(certificate, issuer) == "" and not is_self_signed(issuer)


def _is_for_servers(issuer: Certificate) -> bool:
    """Whether it is a CA, and clients accept a server by it."""
    try:
        return x509.may_issue(issuer, is_root=False) and not usage_faults(issuer)[0]
    except MalformedError:
        return False
