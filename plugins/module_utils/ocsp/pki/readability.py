# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What OpenSSL reads of each certificate of a path before it looks at anything else.

Whether it needs a part or not, OpenSSL refuses a certificate with one that it cannot read. Extensions that this package
reads anyway are not read here a second time.
"""

from __future__ import annotations

from ..asn1 import der
from ..errors import MalformedError
from . import certificate as x509
from .certificate import Certificate
from .identifiers import authority_key_identifier

_POINT, _REASONS, _ISSUER = der.context(0), der.context(1, constructed=False), der.context(2)
#: otherName, x400Address, directoryName and ediPartyName are constructed (RFC 5280 section 4.2.1.6).
_GENERAL_NAMES = frozenset(der.context(number, constructed=number in (0, 3, 4, 5)) for number in range(9))


def check(certificate: Certificate) -> None:
    """Raises MalformedError for what OpenSSL does not read."""
    for name in (certificate.issuer, certificate.subject):
        x509.check_name(name)
    reader = certificate.reader_of(x509.SUBJECT_KEY_IDENTIFIER, "subject key identifier")
    if reader:
        reader.content(der.OCTET_STRING)
    authority_key_identifier(certificate)
    unknown = [name.tag for name in certificate.alternative_names if name.tag not in _GENERAL_NAMES]
    if unknown:
        raise MalformedError(f"subject alternative name: tag 0x{unknown[0]:02x}, which no kind of name has")
    _check_points(certificate)


def _check_points(certificate: Certificate) -> None:
    """CRL distribution points (RFC 5280 section 4.2.1.13), each of which names a place or an issuer of CRLs."""
    reader = certificate.reader_of(x509.CRL_DISTRIBUTION_POINTS, "CRL distribution points")
    points = reader.last() if reader else None
    while points is not None and not points.at_end():
        point = points.sequence()
        place = point.optional(_POINT)
        if point.peek() == _REASONS:
            point.content(_REASONS)
        issuer = point.optional(_ISSUER)
        point.finish()
        if place is None and issuer is None:
            raise MalformedError("CRL distribution points: one that names neither a place nor an issuer")
