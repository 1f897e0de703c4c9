# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What OpenSSL and GnuTLS read of each certificate of a path before they look at anything else.

Whether they need a part or not, they refuse a certificate with one that they cannot read, servers as well as clients.
Extensions that this package reads anyway are not read here a second time.
"""

from __future__ import annotations

import typing as t

from ..asn1 import der
from ..asn1.der import Reader
from ..errors import MalformedError
from . import certificate as x509
from .certificate import Certificate, GeneralName
from .constraints import constraints_of
from .identifiers import authority_key_identifier

_POINT, _REASONS, _ISSUER = der.context(0), der.context(1, constructed=False), der.context(2)
_FULL_NAME, _RELATIVE_NAME = der.context(0), der.context(1)
#: otherName, x400Address, directoryName and ediPartyName are constructed (RFC 5280 section 4.2.1.6).
_GENERAL_NAMES = frozenset(der.context(number, constructed=number in (0, 3, 4, 5)) for number in range(9))
_OTHER_NAME, _EDI_PARTY_NAME, _REGISTERED_ID = der.context(0), der.context(5), der.context(8, constructed=False)
_NOT_IN_GNUTLS = {der.context(3): "an X.400 address", _EDI_PARTY_NAME: "the name of an EDI party"}
#: What GnuTLS does not read where it is empty.
_NEVER_EMPTY = {
    x509.RFC822_NAME: "e-mail address",
    x509.DNS_NAME: "DNS name",
    der.context(6, constructed=False): "URI",
    x509.IP_ADDRESS: "IP address",
}
#: What OpenSSL reads as well, and which makes a certificate one for something other than TLS and OCSP.
_OUT_OF_PLACE = {
    "1.3.6.1.5.5.7.1.7": "IP address blocks (RFC 3779)",
    "1.3.6.1.5.5.7.1.8": "AS identifiers (RFC 3779)",
    "1.3.6.1.5.5.7.1.14": "proxy certificate information (RFC 3820)",
}


def check(certificate: Certificate) -> None:
    """Raises MalformedError for what OpenSSL or GnuTLS does not read."""
    for name in (certificate.issuer, certificate.subject):
        x509.check_name(name)
    reader = certificate.reader_of(x509.SUBJECT_KEY_IDENTIFIER, "subject key identifier")
    if reader:
        reader.content(der.OCTET_STRING)
    _check_names("authority key identifier", authority_key_identifier(certificate).names)
    _check_alternative_names("subject alternative name", certificate.alternative_names)
    what = "issuer alternative name"
    reader = certificate.reader_of(x509.ISSUER_ALTERNATIVE_NAME, what)
    _check_alternative_names(what, x509.read_general_names(reader.last()) if reader else [])
    permitted, excluded = constraints_of(certificate)
    _check_names("name constraints", [subtree.base for subtree in (*permitted, *excluded)])
    certificate.is_ca, certificate.netscape_types  # pylint: disable=pointless-statement  # noqa: B018
    _check_points(certificate)
    for oid, what in _OUT_OF_PLACE.items():
        if oid in certificate.extensions:
            raise MalformedError(f"{what}, which are only for other purposes")


def _names_in(reader: t.Optional[Reader]) -> t.List[GeneralName]:
    return x509.read_general_names(reader) if reader else []


def _check_alternative_names(what: str, given: t.Sequence[GeneralName]) -> None:
    _check_names(what, given)
    for name in given:
        if name.tag in _NOT_IN_GNUTLS:
            raise MalformedError(f"{what}: {_NOT_IN_GNUTLS[name.tag]}, which GnuTLS does not read")
        if not name.value and name.tag in _NEVER_EMPTY:
            raise MalformedError(f"{what}: an empty {_NEVER_EMPTY[name.tag]}, which GnuTLS does not read")


def _check_names(what: str, given: t.Iterable[GeneralName]) -> None:
    for name in given:
        if name.tag not in _GENERAL_NAMES:
            raise MalformedError(f"{what}: tag 0x{name.tag:02x}, which no kind of name has")
        reader = Reader(name.value, what)
        if name.tag == _OTHER_NAME:
            reader.oid()
            _check_one(reader.last(der.context(0)))
        elif name.tag == x509.DIRECTORY_NAME:
            reader.last()
            x509.check_name(name.value)
        elif name.tag == _EDI_PARTY_NAME:
            for number in range(2):
                part = reader.optional(der.context(number))
                if part is not None:
                    _check_one(part)
                elif number == 1:
                    raise reader.fail("name of an EDI party without the party")
            reader.finish()
        elif name.tag == _REGISTERED_ID:
            der.to_oid(name.value, what)


def _check_one(reader: Reader) -> None:
    reader.anything()
    reader.finish()


def _check_points(certificate: Certificate) -> None:
    """CRL distribution points (RFC 5280 section 4.2.1.13), each of which names a place or an issuer of CRLs."""
    what = "CRL distribution points"
    reader = certificate.reader_of(x509.CRL_DISTRIBUTION_POINTS, what)
    points = reader.last() if reader else None
    while points is not None and not points.at_end():
        point = points.sequence()
        place = point.optional(_POINT)
        if place is not None:
            _check_place(place)
        if point.peek() == _REASONS:
            der.check_bits(point.content(_REASONS), what)
        issuer = _names_in(point.optional(_ISSUER))
        point.finish()
        _check_names(what, issuer)
        if place is None and not issuer:
            raise MalformedError(f"{what}: one that names neither a place nor an issuer")


def _check_place(place: Reader) -> None:
    what = "CRL distribution points"
    if place.peek() == _RELATIVE_NAME:
        x509.check_name(der.encode(der.SEQUENCE, der.encode(der.SET, place.content(_RELATIVE_NAME))))
    else:
        _check_names(what, _names_in(place.enter(_FULL_NAME)))
    place.finish()
