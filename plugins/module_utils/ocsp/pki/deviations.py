# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What of a certificate is not encoded as RFC 5280 and DER want it, and is read all the same.

CAs have issued such certificates, and OpenSSL, NSS (Firefox) and BoringSSL (Chrome) read them. Where BoringSSL alone
does not, the sentence says so. What OpenSSL or NSS refuse as well is refused by the reader of certificates.
"""

from __future__ import annotations

import typing as t

from ..asn1 import der
from ..asn1.der import Reader
from . import certificate as x509
from .certificate import Certificate
from .remembered import remembered_if_short
from .signature import NOT_BY_CHROME

_LONGEST_SERIAL = 20
#: RFC 5280 section 4.1.2.5: times before this year are UTCTime.
_FIRST_GENERALIZED = 2050
_MOST_EXTENSIONS = 3
#: RFC 5280 section 4.2.1.3 has nine bits.
_LONGEST_KEY_USAGE = len(der.encode(der.BIT_STRING, bytes(3)))
_NOT_BY_GNUTLS = "; clients with GnuTLS accept nothing that it has issued"
_EMPTY = der.encode(der.SEQUENCE)
_TRUE = der.encode(der.BOOLEAN, b"\xff")
_FALSE = der.encode(der.BOOLEAN, b"\0")
_NULL = der.encode(der.NULL)
_NAMES = {
    x509.AUTHORITY_INFO_ACCESS: "authority information access",
    x509.AUTHORITY_KEY_IDENTIFIER: "authority key identifier",
    x509.BASIC_CONSTRAINTS: "basic constraints",
    x509.CERTIFICATE_POLICIES: "certificate policies",
    x509.CRL_DISTRIBUTION_POINTS: "CRL distribution points",
    x509.EXTENDED_KEY_USAGE: "extended key usage",
    x509.KEY_USAGE: "key usage",
    x509.NAME_CONSTRAINTS: "name constraints",
    x509.OCSP_NOCHECK: "OCSP nocheck",
    x509.SUBJECT_ALTERNATIVE_NAME: "subject alternative name",
    x509.SUBJECT_KEY_IDENTIFIER: "subject key identifier",
    x509.TLS_FEATURE: "TLS feature",
}
#: Those of which an empty SEQUENCE is one entry short (RFC 5280: SIZE (1..MAX)), and which OpenSSL and NSS read.
_NEVER_EMPTY = (x509.AUTHORITY_INFO_ACCESS, x509.SUBJECT_ALTERNATIVE_NAME)


@remembered_if_short(1024)
def deviations(certificate: Certificate) -> t.Tuple[str, ...]:
    """Sentences about one certificate. Remembered, as the certificates of CAs and responders come again and again.

    What cannot be read at all is not told of here: whoever needs it finds out.
    """
    fields = Reader(certificate.tbs, "certificate").sequence()
    found = [*_head_deviations(certificate, fields), certificate.scheme.oddity]
    for _subject_and_key in range(2):
        fields.raw(der.SEQUENCE)
    for unique_identifier in x509.UNIQUE_IDENTIFIERS:
        fields.optional(unique_identifier)
    if not fields.at_end():
        found += _extension_deviations(certificate.extensions, fields.content(x509.EXTENSIONS))
    return tuple(f"the certificate {certificate.name} {complete(one)}" for one in found if one)


def complete(deviation: str) -> str:
    """The end of a sentence about a deviation, with what clients make of it."""
    accepted = "" if deviation.endswith((NOT_BY_CHROME, _NOT_BY_GNUTLS)) else "; clients accept it all the same"
    return deviation + accepted


def _head_deviations(certificate: Certificate, fields: Reader) -> t.Iterator[str]:
    """What stands in front of the subject, which is read up to there."""
    version = fields.optional(x509.VERSION)
    number = version.integer() if version else 0
    if version and number == 0:
        yield f"writes out its version v1, which is the default{NOT_BY_CHROME}"
    if certificate.extensions and number < 2:
        yield f"has extensions, although its version is v{number + 1}{NOT_BY_CHROME}"
    fields.content(der.INTEGER)
    size = (certificate.serial_number.bit_length() + 7) // 8
    if certificate.serial_number <= 0:
        yield "has the serial number 0" if certificate.serial_number == 0 else "has a negative serial number"
    elif size > _LONGEST_SERIAL:
        yield f"has a serial number of {size} octets, more than {_LONGEST_SERIAL}"
    for _algorithm_and_issuer in range(2):
        fields.raw(der.SEQUENCE)
    validity = fields.sequence()
    generalized = []
    for moment in (certificate.not_before, certificate.not_after):
        generalized.append(validity.peek() == der.GENERALIZED_TIME and moment.year < _FIRST_GENERALIZED)
        validity.raw(validity.peek())
    if any(generalized):
        yield f"has a time before {_FIRST_GENERALIZED} as GeneralizedTime, where UTCTime belongs"


def _extension_deviations(held: x509.Extensions, data: bytes) -> t.Iterator[str]:
    if not held:
        yield f"has an empty list of extensions{NOT_BY_CHROME}"
    written = [_NAMES.get(oid, oid) for oid in x509.written_defaults(data)]
    if written:
        names = ", ".join(written[:_MOST_EXTENSIONS])
        yield f"writes out that its extension is not critical, which is the default ({names}){NOT_BY_CHROME}"
    constraints = held.get(x509.BASIC_CONSTRAINTS)
    if constraints and constraints.value[2:5] == _FALSE:
        yield "writes out that it is not a CA, which is the default (basic constraints)"
    usage = held.get(x509.KEY_USAGE)
    is_ca = constraints is not None and constraints.value[2:5] == _TRUE
    if usage and is_ca and len(usage.value) > _LONGEST_KEY_USAGE:
        yield f"has a key usage of more than two octets{_NOT_BY_GNUTLS}"
    elif usage and _has_idle_bits(usage.value):
        yield "has a key usage that is longer than its last bit"
    nocheck = held.get(x509.OCSP_NOCHECK)
    if nocheck and nocheck.value != _NULL:
        yield "has OCSP nocheck with content other than NULL"
    for oid in _NEVER_EMPTY:
        if oid in held and held[oid].value == _EMPTY:
            yield f"has an empty {_NAMES[oid]}{NOT_BY_CHROME}"


def _has_idle_bits(value: bytes) -> bool:
    """Whether a bit string of named bits ends with bits that are not set (X.690 section 11.2.2)."""
    return len(value) > 3 and value[0] == der.BIT_STRING and not value[-1] & (1 << (value[2] & 7))
