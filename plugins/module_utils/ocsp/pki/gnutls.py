# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What OpenSSL reads of certificates and responses, and GnuTLS (3.7) does not.

A server with GnuTLS has no TLS with such a certificate or staple, and clients with it refuse each server that sends it.
What a few CAs alone do, and GnuTLS is not alone with, is in ``readability``.
"""

from __future__ import annotations

import re
import typing as t

from ..asn1 import der
from ..asn1.der import Reader
from ..errors import MalformedError
from . import certificate as x509
from .certificate import Certificate
from .remembered import remembered_if_short

_EC_KEY = "1.2.840.10045.2.1"
_COMPRESSED = (b"\x02", b"\x03")
#: libtasn1 keeps an arc in 64 bits. A UUID as an object identifier (2.25, ITU-T X.667) has 128.
_LARGEST_ARC = 2**64 - 1
#: An object identifier with an arc of ten octets or more, if it is one.
_SUSPECT = re.compile(rb"\x06[\x0b-\x7f][\x00-\xff]{0,116}?[\x80-\xff]{9}")
#: Characters of the longest identifier of an extension.
_LONGEST_EXTENSION = 128
_CONSTRUCTED = 0x20
_REGISTERED_ID = der.context(8, constructed=False)


@remembered_if_short(1024)
def unread(certificate: Certificate) -> str:
    """Why GnuTLS does not read a certificate, as the end of a sentence, or an empty string."""
    try:
        return _unread(certificate)
    except MalformedError:
        return ""  # whoever needs what cannot be read finds out


def unread_identifier(data: bytes) -> str:
    """The first object identifier in some DER that GnuTLS does not read, for a person, or an empty string.

    What is in octet and bit strings does not count: that is read by whoever knows what it is.
    """
    if not _SUSPECT.search(data):
        return ""
    return next((x509.shorten(text) for text in _identifiers(data) if _has_large_arc(text)), "")


def _unread(certificate: Certificate) -> str:
    point = _compressed_point(certificate)
    if point:
        return point
    found = unread_identifier(certificate.der) or _in_alternative_names(certificate)
    if found:
        return f"has the object identifier {found}, of which a number has more than 64 bits"
    for oid in certificate.extensions:
        if len(oid) > _LONGEST_EXTENSION:
            return f"has an extension whose object identifier has {len(oid)} characters ({x509.shorten(oid)})"
    return ""


def _compressed_point(certificate: Certificate) -> str:
    key = Reader(certificate.spki, "public key").sequence()
    is_compressed = key.sequence().oid() == _EC_KEY and key.bits().startswith(_COMPRESSED)
    return "has the public key as a compressed point (RFC 5480 section 2.2)" if is_compressed else ""


def _in_alternative_names(certificate: Certificate) -> str:
    """Those in names, which GnuTLS reads as soon as it has the certificate."""
    for extension in (x509.SUBJECT_ALTERNATIVE_NAME, x509.ISSUER_ALTERNATIVE_NAME):
        reader = certificate.reader_of(extension, "alternative name")
        for name in x509.read_general_names(reader.last()) if reader else []:
            is_identifier = name.tag == _REGISTERED_ID
            found = unread_identifier(der.encode(der.OBJECT_IDENTIFIER, name.value) if is_identifier else name.value)
            if found:
                return found
    return ""


def _has_large_arc(identifier: str) -> bool:
    return any(int(arc) > _LARGEST_ARC for arc in identifier.split("."))


def _identifiers(data: bytes) -> t.Iterator[str]:
    """All object identifiers outside of strings, as far as the data can be read."""
    spans = [(0, len(data))]
    while spans:
        at, stop = spans.pop()
        try:
            while at < stop:
                tag = data[at]
                start, at = der.element(data, at, stop, tag, "element")
                if tag & _CONSTRUCTED:
                    spans.append((start, at))
                elif tag == der.OBJECT_IDENTIFIER:
                    yield der.to_oid(data[start:at], "object identifier")
        except MalformedError:
            continue
