# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What GnuTLS does not read of a certificate that OpenSSL reads."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import gnutls
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import tlv
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = forge.authority("GnuTLS CA")
UUID = f"2.25.{2**127 + 5}"
ARC_OF_64_BITS, ARC_OF_65_BITS = f"1.3.{2**64 - 1}", f"1.3.{2**64}"
#: 32 octets, and more than 128 characters.
LONG = "1.3" + 31 * ".16383"


def unread(*extensions: bytes, **options: t.Any) -> str:
    leaf = forge.leaf(ISSUER, extensions=extensions, **options)
    return gnutls.unread(x509.load_certificates(leaf.pem, "leaf")[0])


def name_with(oid: str) -> bytes:
    return forge.sequence(tlv(0x31, forge.sequence(forge.oid(oid), tlv(forge.UTF8_STRING, b"x"))))


def compressed_key(kind: str = "p256") -> bytes:
    key = forge.key(kind, "compressed")
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = forge.elements(forge.elements(info)[0][1])[0]
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return forge.sequence(tlv(*algorithm), forge.bits(point))


@pytest.mark.parametrize("oid", [UUID, ARC_OF_65_BITS])
@pytest.mark.parametrize("place", ["extension", "name", "registered ID", "other name", "issuer's other name"])
def test_a_number_of_more_than_64_bits(oid: str, place: str) -> None:
    content = forge.elements(forge.oid(oid))[0][1]
    other = tlv(0xA0, forge.oid(oid), tlv(0xA0, tlv(forge.UTF8_STRING, b"x")))
    places: t.Dict[str, t.Tuple[t.List[bytes], t.Dict[str, t.Any]]] = {
        "extension": ([forge.extension(oid, forge.NULL)], {}),
        "name": ([], {"subject": name_with(oid)}),
        "registered ID": ([forge.subject_alt_name("a.example.com", tlv(0x88, content))], {}),
        "other name": ([forge.subject_alt_name("a.example.com", other)], {}),
        "issuer's other name": ([forge.extension("2.5.29.18", forge.sequence(other))], {}),
    }
    extensions, options = places[place]
    assert unread(*extensions, **options) == f"has the object identifier {oid}, of which a number has more than 64 bits"


@pytest.mark.parametrize(
    "extensions",
    [
        [forge.extension(ARC_OF_64_BITS, forge.NULL)],
        [forge.extension("1.2.3.4", forge.oid(UUID))],
        [forge.extended_key_usage(forge.SERVER_AUTH, UUID)],
        [forge.extension("1.2.3.4", b"\x06\x0b" + b"\xff" * 10 + b"\x01")],
    ],
    ids=["64 bits", "in what an unknown extension holds", "a usage", "no object identifier"],
)
def test_what_gnutls_reads(extensions: t.List[bytes]) -> None:
    assert unread(*extensions) == ""


def test_an_extension_with_a_long_identifier() -> None:
    assert unread(forge.extension(LONG, forge.NULL)).startswith("has an extension whose object identifier has 189 char")
    assert unread(forge.extended_key_usage(forge.SERVER_AUTH, LONG)) == ""


def test_a_compressed_point() -> None:
    assert unread(raw_key=compressed_key()).startswith("has the public key as a compressed point")
    assert unread(raw_key=compressed_key("p384")).startswith("has the public key as a compressed point")
    assert unread() == ""
    assert unread(private_key=forge.key("rsa2048", "leaf")) == ""


def test_what_cannot_be_read_at_all_is_no_matter_of_gnutls() -> None:
    assert gnutls.unread_identifier(b"\x30\x80" + forge.oid(UUID)) == ""
    assert gnutls.unread_identifier(forge.sequence(forge.oid(UUID))[:-3]) == ""
    assert gnutls.unread_identifier(forge.sequence(forge.sequence(b"\x01"), tlv(0xA1, forge.oid(UUID)))) == UUID
