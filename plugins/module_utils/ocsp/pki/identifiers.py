# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which certificate of an issuer is meant: key identifiers, and certificates that are their own issuer."""

from __future__ import annotations

import typing as t

from ..asn1 import der
from ..errors import MalformedError
from . import certificate as x509
from . import signature
from .certificate import Certificate
from .remembered import remembered, remembered_if_short


class KeyIdentifier(t.NamedTuple):
    """What an authority key identifier (RFC 5280 section 4.2.1.1) says about the issuer; None for what it leaves out.

    ``issuer`` is the raw name of the issuer *of the issuer*, the first such among ``names``, and ``serial_number`` the
    issuer's own.
    """

    key: t.Optional[bytes] = None
    issuer: t.Optional[bytes] = None
    serial_number: t.Optional[int] = None
    names: t.Tuple[x509.GeneralName, ...] = ()


@remembered(1024)
def is_self_signed(certificate: Certificate) -> bool:
    """Whether it is its own issuer: by name, by identifier and by key, as far as this host can verify that."""
    if not certificate.is_self_issued:
        return False
    try:
        if identifier_problem(certificate, certificate):
            return False
        verified = signature.verify(certificate.scheme, certificate.public_key, certificate.signature, certificate.tbs)
        return verified != signature.MISMATCH
    except MalformedError:
        return True


def identifier_problem(certificate: Certificate, issuer: Certificate) -> str:
    """What of an issuer is not as the authority key identifier (RFC 5280 section 4.2.1.1) has it, or empty."""
    wanted, held = authority_key_identifier(certificate), subject_key_identifier(issuer)
    if wanted.key is not None and held is not None and wanted.key != held:
        return "subject key identifier"
    if wanted.serial_number is not None and wanted.serial_number != issuer.serial_number:
        return "serial number"
    if wanted.issuer is not None and not x509.same_name(wanted.issuer, issuer.issuer):
        return "issuer"
    return ""


@remembered_if_short(256)
def subject_key_identifier(certificate: Certificate) -> t.Optional[bytes]:
    """The identifier that the CA gave the key (RFC 5280 section 4.2.1.2)."""
    reader = certificate.reader_of(x509.SUBJECT_KEY_IDENTIFIER, "subject key identifier")
    if reader is None:
        return None
    identifier = reader.content(der.OCTET_STRING)
    reader.finish()
    return identifier


@remembered_if_short(256)
def authority_key_identifier(certificate: Certificate) -> KeyIdentifier:
    """Which certificate of the issuer is meant (RFC 5280 section 4.2.1.1)."""
    reader = certificate.reader_of(x509.AUTHORITY_KEY_IDENTIFIER, "authority key identifier")
    if reader is None:
        return KeyIdentifier()
    fields = reader.last()
    key = serial = None
    if fields.peek() == der.context(0, constructed=False):
        key = fields.content(der.context(0, constructed=False))
    listed = fields.optional(der.context(1))
    names = tuple(x509.read_general_names(listed)) if listed else ()
    issuer = next((one.value for one in names if one.tag == x509.DIRECTORY_NAME), None)
    if fields.peek() == der.context(2, constructed=False):
        serial = der.to_integer(fields.content(der.context(2, constructed=False)), "authority key identifier")
    fields.finish()
    return KeyIdentifier(key, issuer, serial, names)
