# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a certificate OpenSSL refuses to read, so that its clients would refuse it as well."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import readability
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import tlv

POINT = forge.crl_distribution_points("http://ca.example.com/crl")
#: What makes up a distribution point without the place of its list.
REASONS_ALONE = forge.extension("2.5.29.31", forge.sequence(forge.sequence(tlv(0x81, b"\x01\x02"))))
EMPTY_ISSUER = forge.extension("2.5.29.31", forge.sequence(forge.sequence(tlv(0x81, b"\x01\x02"), tlv(0xA2))))
ISSUER_ALONE = forge.extension("2.5.29.31", forge.sequence(forge.sequence(tlv(0xA2, tlv(0x86, b"http://x")))))
#: registeredID is the last of the kinds of names (RFC 5280 section 4.2.1.6).
REGISTERED_ID, NO_KIND = tlv(0x88, b"\x2a\x03"), tlv(0x89, b"x")


def check(extension: bytes) -> None:
    issuer = forge.authority("Readability CA")
    leaf = forge.leaf(issuer, "www.example.com", extensions=[extension])
    readability.check(x509.load_certificates(leaf.pem, "leaf")[0])


@pytest.mark.parametrize("extension", [POINT, ISSUER_ALONE, forge.subject_alt_name("a.example.com", REGISTERED_ID)])
def test_what_openssl_reads(extension: bytes) -> None:
    check(extension)


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        (forge.subject_alt_name("a.example.com", NO_KIND), "subject alternative name: tag 0x89, which no kind of "),
        (REASONS_ALONE, "CRL distribution points: one that names neither a place nor an issuer"),
        (EMPTY_ISSUER, "CRL distribution points: one that names neither a place nor an issuer"),
        (forge.name_constraints(NO_KIND), "name constraints: tag 0x89, which no kind of name has"),
        (forge.extension("2.5.29.30", b"\x30\1"), "name constraints: ends too early"),
        (
            forge.extension("2.5.29.30", forge.sequence(tlv(0xA0, forge.sequence(tlv(0x82, b"x"), tlv(0x80))))),
            "name constraints: ",
        ),
        (forge.basic_constraints(False, path_length=-1), "basic constraints: path length below 0"),
        (forge.extension("2.16.840.1.113730.1.1", b"\3\0"), "Netscape certificate type: bit string"),
        (forge.extension("1.3.6.1.5.5.7.1.7", forge.sequence()), "IP address blocks"),
        (forge.extension("1.3.6.1.5.5.7.1.8", b"\5\0"), "AS identifiers"),
        (forge.extension("1.3.6.1.5.5.7.1.14", b""), "proxy certificate information"),
    ],
)
def test_what_openssl_does_not_read(extension: bytes, fault: str) -> None:
    with pytest.raises(MalformedError, match=fault):
        check(extension)


OTHER_NAME = forge.oid("1.3.6.1.4.1.311.20.2.3")
TEXT = tlv(0x0C, b"x")
COMMON_NAME = tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), TEXT))
READABLE_NAMES = {
    "other": tlv(0xA0, OTHER_NAME, tlv(0xA0, TEXT)),
    "mail": tlv(0x81, b"\xff"),
    "directory": tlv(0xA4, forge.sequence(COMMON_NAME)),
    "address": tlv(0x87, b"abc"),
    "registered": REGISTERED_ID,
}
#: These GnuTLS cannot read where it looks for alternative names.
NAMES_FOR_OPENSSL = {
    "X.400": tlv(0xA3, b"\x30"),
    "EDI": tlv(0xA5, tlv(0xA0, TEXT), tlv(0xA1, TEXT)),
    "EDI without assigner": tlv(0xA5, tlv(0xA1, TEXT)),
    **{f"no {what}": tlv(tag) for what, tag in (("mail", 0x81), ("host", 0x82), ("URI", 0x86), ("address", 0x87))},
}
UNREADABLE_NAMES = {
    "other without OID": tlv(0xA0, forge.NULL),
    "other without value": tlv(0xA0, OTHER_NAME),
    "other of two": tlv(0xA0, OTHER_NAME, tlv(0xA0, TEXT, TEXT)),
    "other with more": tlv(0xA0, OTHER_NAME, tlv(0xA0, TEXT), TEXT),
    "other of no number": tlv(0xA0, OTHER_NAME, tlv(0xA0, tlv(2))),
    "no directory": tlv(0xA4),
    "two directories": tlv(0xA4, 2 * forge.sequence(COMMON_NAME)),
    "directory of no name": tlv(0xA4, forge.sequence(forge.NULL)),
    "directory of no bits": tlv(0xA4, forge.sequence(tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), tlv(3))))),
    "no EDI": tlv(0xA5, forge.NULL),
    "EDI without party": tlv(0xA5, tlv(0xA0, TEXT)),
    "registered as nothing": tlv(0x88),
    "registered as no OID": tlv(0x88, b"\x80\1"),
}
#: The extensions with such names that OpenSSL reads of each certificate.
HOLDERS: dict[str, t.Callable[[bytes], bytes]] = {
    "subject alternative name": lambda name: forge.subject_alt_name("a.example.com", name),
    "issuer alternative name": lambda name: forge.extension("2.5.29.18", forge.sequence(name)),
    "name constraints": forge.name_constraints,
    "authority key identifier": lambda name: forge.extension("2.5.29.35", forge.sequence(tlv(0xA1, name))),
    "distribution point": lambda name: _point(tlv(0xA0, tlv(0xA0, name))),
    "issuer of CRLs": lambda name: _point(tlv(0xA2, name)),
}


def _point(*parts: bytes) -> bytes:
    return forge.extension("2.5.29.31", forge.sequence(forge.sequence(*parts)))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("name", READABLE_NAMES.values(), ids=READABLE_NAMES)
def test_names_that_openssl_reads(name: bytes, holder: t.Callable[[bytes], bytes]) -> None:
    check(holder(name))


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", NAMES_FOR_OPENSSL.values(), ids=NAMES_FOR_OPENSSL)
def test_alternative_names_that_gnutls_does_not_read(name: bytes, holder: str) -> None:
    """With such a name, neither its clients nor Debian's Exim load the certificate; elsewhere it does not look."""
    extension = HOLDERS[holder](name)
    if "alternative" in holder:
        with pytest.raises(MalformedError, match=holder):
            check(extension)
    else:
        check(extension)


@pytest.mark.parametrize("text, fault", [("Grün 東", ""), ("\U0001f600", "not encoded as its type says")])
def test_what_a_bmp_string_has_no_room_for(text: str, fault: str) -> None:
    """OpenSSL reads no pairs of UTF-16 in it, and so nothing of a certificate that has one."""
    made = forge.leaf(forge.authority("Readability CA"), _bmp_name(text))
    leaf = x509.load_certificates(made.pem, "leaf")[0]
    if fault:
        with pytest.raises(MalformedError, match=fault):
            readability.check(leaf)
    else:
        readability.check(leaf)


def _bmp_name(text: str) -> bytes:
    unit = forge.sequence(forge.oid("2.5.4.11"), tlv(0x1E, text.encode("utf-16-be")))
    return forge.sequence(tlv(0x31, unit), COMMON_NAME)


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("name", UNREADABLE_NAMES.values(), ids=UNREADABLE_NAMES)
def test_names_that_openssl_does_not_read(name: bytes, holder: t.Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedError):
        check(holder(name))


def test_other_parts_of_distribution_points() -> None:
    check(_point(tlv(0xA0, tlv(0xA1, forge.sequence(forge.oid("2.5.4.3"), TEXT))), tlv(0x81, b"\1\x80")))
    for part in (tlv(0xA0, tlv(0xA1, TEXT)), tlv(0xA0, TEXT), tlv(0xA0), tlv(0xA0, tlv(0xA0), tlv(0xA0))):
        with pytest.raises(MalformedError):
            check(_point(part))
    with pytest.raises(MalformedError):
        check(_point(tlv(0xA0, tlv(0xA0)), tlv(0x81)))
