# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encodings that CAs have issued and clients read: read as well, and called by name; and those that stay refused."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.deviations import deviations
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW, NULL, Entity, sequence, tlv

OPENSSL = shutil.which("openssl")
W = forge.world()
RSA = forge.world("rsa2048")
FALSE = b"\x01\x01\x00"
SHOWN = "the certificate CN=leaf.example.com,O=Forge "
CHROME = "; Chrome and other clients with BoringSSL refuse that"
PURPOSE = sequence(forge.oid(forge.SERVER_AUTH))
BASIC_CONSTRAINTS, KEY_USAGE, EKU = "2.5.29.19", "2.5.29.15", "2.5.29.37"
VERSION = tlv(0xA0, forge.integer(2))


def flagged(dotted: str, value: bytes, boolean: bytes = FALSE) -> bytes:
    """An extension with any BOOLEAN, or whatever stands in its place."""
    return sequence(forge.oid(dotted), boolean, forge.octets(value))


def leaf(*extensions: bytes, **options: t.Any) -> Entity:
    return forge.leaf(W.issuer, extensions=[*extensions, forge.ocsp_urls(forge.URL)], **options)


def bits(content: bytes) -> bytes:
    return forge.extension(KEY_USAGE, tlv(3, content), True)


def versioned(version: bytes, *extensions: bytes) -> Entity:
    def reshape(tbs: bytes) -> bytes:
        return sequence(version, forge.elements(tbs)[0][1][len(VERSION) :])

    return forge.leaf(W.issuer, extensions=extensions, reshape=reshape)


def by_algorithm(algorithm: bytes, world: forge.World = W) -> Entity:
    """The leaf, signed as usual under another AlgorithmIdentifier."""
    scheme = forge.default_scheme(world.issuer.key)
    usual = forge.algorithm(scheme)
    tbs, _algorithm, _signature = forge.elements(forge.elements(world.leaf.der)[0][1])
    parts = [tlv(*element) for element in forge.elements(tbs[1])]
    signed = sequence(*(algorithm if part == usual else part for part in parts))
    der = sequence(signed, algorithm, forge.bits(forge.sign(world.issuer.key, scheme, signed)))
    return world.leaf._replace(der=der)


def times(*moments: bytes) -> bytes:
    return sequence(*moments)


BEFORE, AFTER = NOW - 30 * DAY, NOW + 60 * DAY
WRITTEN = f"writes out that its extension is not critical, which is the default ({{}}){CHROME}"
GENERALIZED = "has a time before 2050 as GeneralizedTime, where UTCTime belongs"

#: What is said of it.
READ: t.Dict[str, t.Tuple[Entity, str]] = {
    "cA FALSE": (
        leaf(forge.extension(BASIC_CONSTRAINTS, sequence(FALSE), True)),
        "writes out that it is not a CA, which is the default (basic constraints)",
    ),
    "cA FALSE with a path length": (
        leaf(forge.extension(BASIC_CONSTRAINTS, sequence(FALSE, forge.integer(0)))),
        "writes out that it is not a CA, which is the default (basic constraints)",
    ),
    "critical FALSE of a purpose": (leaf(flagged(EKU, PURPOSE)), WRITTEN.format("extended key usage")),
    "critical FALSE of basic constraints": (
        leaf(flagged(BASIC_CONSTRAINTS, sequence())),
        WRITTEN.format("basic constraints"),
    ),
    "critical FALSE of an unknown one": (leaf(flagged("1.2.3.4", b"anything")), WRITTEN.format("1.2.3.4")),
    "critical FALSE of three": (
        leaf(flagged(EKU, PURPOSE), flagged("1.2.3", b""), flagged("2.5.29.14", forge.octets(b"x"))),
        WRITTEN.format("extended key usage, 1.2.3, subject key identifier"),
    ),
    "negative serial number": (leaf(raw_serial=forge.integer(-5)), "has a negative serial number"),
    "serial number 0": (leaf(raw_serial=forge.integer(0)), "has the serial number 0"),
    "long serial number": (
        leaf(raw_serial=forge.integer(2**160)),
        "has a serial number of 21 octets, more than 20",
    ),
    "v1 written out": (
        versioned(tlv(0xA0, forge.integer(0))),
        f"writes out its version v1, which is the default{CHROME}",
    ),
    "v1 with extensions": (
        versioned(b"", forge.ocsp_urls(forge.URL)),
        f"has extensions, although its version is v1{CHROME}",
    ),
    "v2 with extensions": (
        versioned(tlv(0xA0, forge.integer(1)), forge.ocsp_urls(forge.URL)),
        f"has extensions, although its version is v2{CHROME}",
    ),
    "notBefore as GeneralizedTime": (
        leaf(raw_validity=times(forge.generalized(BEFORE), forge.x509_time(AFTER))),
        GENERALIZED,
    ),
    "notAfter as GeneralizedTime": (
        leaf(raw_validity=times(forge.x509_time(BEFORE), forge.generalized(AFTER))),
        GENERALIZED,
    ),
    "ECDSA with NULL": (
        by_algorithm(sequence(forge.oid("1.2.840.10045.4.3.2"), NULL)),
        f"has NULL in its ECDSA signature algorithm (RFC 5758){CHROME}",
    ),
    "RSA without NULL": (
        by_algorithm(sequence(forge.oid("1.2.840.113549.1.1.11")), RSA),
        "leaves out the NULL that belongs to its RSA signature algorithm (RFC 4055)",
    ),
    "no extension in the list": (
        forge.certificate("leaf.example.com", W.issuer, extensions=[b""]),
        f"has an empty list of extensions{CHROME}",
    ),
    "key usage and a zero octet": (leaf(bits(b"\x00\x80\x00")), "has a key usage that is longer than its last bit"),
    "key usage of 8 bits": (leaf(bits(b"\x00\x80")), "has a key usage that is longer than its last bit"),
    "no alternative name": (
        leaf(forge.extension("2.5.29.17", sequence())),
        f"has an empty subject alternative name{CHROME}",
    ),
    "no access": (
        forge.leaf(W.issuer, extensions=[forge.extension("1.3.6.1.5.5.7.1.1", sequence())]),
        f"has an empty authority information access{CHROME}",
    ),
    "nocheck without a content": (
        leaf(forge.extension(forge.OCSP_NOCHECK, b"")),
        "has OCSP nocheck with content other than NULL",
    ),
}
REFUSED: t.Dict[str, t.Callable[[], Entity]] = {
    "critical 01": lambda: leaf(flagged(EKU, PURPOSE, b"\x01\x01\x01")),
    "critical of no octets": lambda: leaf(flagged(EKU, PURPOSE, b"\x01\x00")),
    "critical of two octets": lambda: leaf(flagged(EKU, PURPOSE, b"\x01\x02\x00\x00")),
    "critical FALSE twice": lambda: leaf(flagged(EKU, PURPOSE, FALSE + FALSE)),
    "cA 01": lambda: leaf(forge.extension(BASIC_CONSTRAINTS, sequence(b"\x01\x01\x01"))),
    "cA FALSE and TRUE": lambda: leaf(forge.extension(BASIC_CONSTRAINTS, sequence(FALSE, forge.TRUE))),
    "padded serial number": lambda: leaf(raw_serial=tlv(2, b"\0\5")),
    "serial number of no octets": lambda: leaf(raw_serial=tlv(2)),
    "v4": lambda: versioned(tlv(0xA0, forge.integer(3))),
    "padded v1": lambda: versioned(tlv(0xA0, tlv(2, b"\0\0"))),
    "time without seconds": lambda: leaf(raw_validity=times(tlv(0x17, b"260101000000Z"), tlv(0x17, b"2701010000Z"))),
    "time with an offset": lambda: leaf(
        raw_validity=times(tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000+0000"))
    ),
    "time with a fraction": lambda: leaf(
        raw_validity=times(tlv(0x17, b"260101000000Z"), forge.raw_time("20270101000000.5Z"))
    ),
    "an extension twice": lambda: leaf(forge.nocheck(), forge.nocheck()),
}


def cert(entity: Entity) -> Certificate:
    return Certificate.from_der(entity.der)


def test_what_gnutls_does_not_read_of_a_ca() -> None:
    authority = forge.authority("Long", extensions=[forge.basic_constraints(True), bits(b"\x01\x86\x00\x02")])
    (told,) = deviations(cert(authority))
    assert told.endswith(
        "has a key usage of more than two octets; clients with GnuTLS accept nothing that it has issued"
    )


@pytest.mark.parametrize("entity, sentence", list(READ.values()), ids=list(READ))
def test_it_is_read_and_named(entity: Entity, sentence: str) -> None:
    told = sentence if sentence.endswith(CHROME) else f"{sentence}; clients accept it all the same"
    assert deviations(cert(entity)) == (SHOWN + told,)


@pytest.mark.parametrize("case", READ)
def test_it_is_a_leaf_with_an_issuer_like_any_other(case: str) -> None:
    entity, _sentence = READ[case]
    issuer = RSA.issuer if case.startswith("RSA") else W.issuer
    found = x509.load_certificates(entity.pem + issuer.pem, "the file")
    one = x509.find_leaf(found, "the file")
    assert one.der == entity.der
    assert x509.find_issuer(one, found, [], "the file").der == issuer.der


@pytest.mark.skipif(OPENSSL is None, reason="needs the program openssl")
@pytest.mark.parametrize("entity, sentence", list(READ.values()), ids=list(READ))
def test_openssl_reads_it_too(entity: Entity, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "leaf.pem").write_bytes(entity.pem)
    subprocess.run(
        [str(OPENSSL), "x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-text"], check=True, capture_output=True
    )


@pytest.mark.parametrize("case", REFUSED)
def test_what_clients_refuse_stays_refused(case: str) -> None:
    with pytest.raises((MalformedError, InputError)):
        one = cert(REFUSED[case]())
        x509.find_leaf([one], "the file")


def test_several_are_all_named() -> None:
    extensions = [forge.extension(BASIC_CONSTRAINTS, sequence(FALSE)), flagged(EKU, PURPOSE)]
    found = deviations(cert(forge.leaf(W.issuer, extensions=extensions, raw_serial=forge.integer(-1))))
    assert [one.split(" ")[3] for one in found] == ["has", "writes", "writes"]


SOUND = {
    "root": W.root,
    "issuer": W.issuer,
    "leaf": W.leaf,
    "delegate": W.delegate,
    "RSA": RSA.leaf,
    "version 1": forge.certificate("Old root", version=1),
    "after 2050": leaf(not_after=NOW.replace(year=2050)),
    "serial number of 20 octets": leaf(serial=2**160 - 1),
    "unique identifiers": forge.certificate(
        reshape=lambda tbs: sequence(forge.elements(tbs)[0][1], tlv(0x81, b"\0\1"), tlv(0x82, b"\0\1"))
    ),
    "FALSE inside a value": leaf(forge.extension("1.2.3", FALSE), forge.extension("1.2.4", sequence(FALSE), True)),
    **{
        f"key usage {'+'.join(names)}": leaf(forge.key_usage(*names))
        for names in itertools.combinations(("digital_signature", "content_commitment", "key_agreement", "crl_sign"), 2)
    },
    "key usage of 9 bits": leaf(bits(b"\x07\x88\x80")),
}


@pytest.mark.parametrize("case", SOUND)
def test_nothing_is_said_of_sound_ones(case: str) -> None:
    assert deviations(cert(SOUND[case])) == ()
