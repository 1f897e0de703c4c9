# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys in all the spellings that people's files have them in."""

from __future__ import annotations

import base64
import functools
import shutil
import subprocess
import textwrap
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import keys, loading
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

OPENSSL = shutil.which("openssl")
KINDS = ("rsa2048", "p256", "p384", "ed25519", "ed448")


@functools.cache
def entity(kind: str) -> forge.Entity:
    """A self-signed certificate with a key of that kind."""
    return forge.certificate(f"{kind}.example.com", private_key=forge.key(kind, "spelling"))


def pkcs8(kind: str) -> bytes:
    return entity(kind).key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def traditional(kind: str) -> bytes:
    """PKCS#1 or SEC 1."""
    return entity(kind).key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def public(kind: str) -> bytes:
    return forge.public_key_info(entity(kind).key)


def pem(kind: str) -> bytes:
    return forge.armour(pkcs8(kind), "PRIVATE KEY")


def folded(text: bytes) -> bytes:
    """As YAML has it behind a C(>): one line."""
    return b" ".join(text.split(b"\n"))


def indented(text: bytes, prefix: str) -> bytes:
    return textwrap.indent(text.decode(), prefix).encode()


def wrapped(der: bytes, width: int, label: str = "PRIVATE KEY") -> bytes:
    """PEM with lines of another width."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), width))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def version_2(kind: str) -> bytes:
    """OneAsymmetricKey (RFC 5958) with the public key, as ring and rcgen write it."""
    parts = [forge.tlv(*part) for part in forge.elements(forge.elements(pkcs8(kind))[0][1])]
    return forge.sequence(
        forge.integer(1), *parts[1:3], forge.tlv(0x81, b"\0" + forge.public_key_bits(entity(kind).key))
    )


def with_attributes(kind: str) -> bytes:
    """PKCS#8 with a friendly name, as Windows and Java export it."""
    name = forge.sequence(forge.oid("1.2.840.113549.1.9.20"), forge.tlv(0x31, forge.tlv(0x1E, "x".encode("utf-16-be"))))
    parts = forge.elements(pkcs8(kind))[0][1]
    return forge.sequence(parts, forge.tlv(0xA0, name))


P256_PARAMETERS = forge.armour(forge.oid("1.2.840.10045.3.1.7"), "EC PARAMETERS")

#: The kind of key and what the file holds, by what is odd about it.
SPELLINGS: t.Dict[str, t.Tuple[str, bytes]] = {
    **{f"as it should be, {kind}": (kind, pem(kind)) for kind in KINDS},
    **{f"folded, {kind}": (kind, folded(pem(kind))) for kind in KINDS},
    "folded, PKCS#1": ("rsa2048", folded(forge.armour(traditional("rsa2048"), "RSA PRIVATE KEY"))),
    "folded, SEC 1": ("p256", folded(forge.armour(traditional("p256"), "EC PRIVATE KEY"))),
    "without any white space": ("p256", b"".join(pem("p256").split(b"\n"))),
    "indented by blanks": ("rsa2048", indented(pem("rsa2048"), "    ")),
    "indented by tabs": ("rsa2048", indented(pem("rsa2048"), "\t")),
    "indented but for the first line": ("rsa2048", indented(pem("rsa2048"), "    ").lstrip()),
    "indented by non-breaking spaces": ("p256", pem("p256").replace(b"\n", b"\n\xc2\xa0")),
    "CR LF": ("rsa2048", pem("rsa2048").replace(b"\n", b"\r\n")),
    "CR alone": ("rsa2048", pem("rsa2048").replace(b"\n", b"\r")),
    "CR CR LF": ("p256", pem("p256").replace(b"\n", b"\r\r\n")),
    "blank lines between": ("rsa2048", pem("rsa2048").replace(b"\n", b"\n\n")),
    "blank line after the first": ("p256", pem("p256").replace(b"-----\n", b"-----\n\n", 1)),
    "blanks at the ends of lines": ("rsa2048", pem("rsa2048").replace(b"\n", b"  \n")),
    "no end of line at the end": ("p256", pem("p256").rstrip()),
    "byte order mark": ("p256", b"\xef\xbb\xbf" + pem("p256")),
    "lines of 76": ("rsa2048", wrapped(pkcs8("rsa2048"), 76)),
    "lines of 1": ("p256", wrapped(pkcs8("p256"), 1)),
    "one long line": ("rsa2048", wrapped(pkcs8("rsa2048"), 10_000)),
    "text before and after": ("p256", b"Private-Key: (256 bit)\npriv:\n    00:01\n" + pem("p256") + b"the end\n"),
    "text on the last line": ("p256", pem("p256").rstrip() + b" # the end"),
    "bag attributes": (
        "rsa2048",
        b"Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n" + pem("rsa2048"),
    ),
    "with its certificate before": ("p256", entity("p256").pem + pem("p256")),
    "with its certificate behind": ("p256", pem("p256") + entity("p256").pem),
    "parameters before": ("p256", P256_PARAMETERS + forge.armour(traditional("p256"), "EC PRIVATE KEY")),
    "parameters before, folded": (
        "p256",
        folded(P256_PARAMETERS + forge.armour(traditional("p256"), "EC PRIVATE KEY")),
    ),
    "PKCS#1": ("rsa2048", forge.armour(traditional("rsa2048"), "RSA PRIVATE KEY")),
    "SEC 1": ("p256", forge.armour(traditional("p256"), "EC PRIVATE KEY")),
    "PKCS#8 as RSA": ("rsa2048", forge.armour(pkcs8("rsa2048"), "RSA PRIVATE KEY")),
    "PKCS#8 as EC": ("p256", forge.armour(pkcs8("p256"), "EC PRIVATE KEY")),
    "PKCS#8 of Ed25519 as EC": ("ed25519", forge.armour(pkcs8("ed25519"), "EC PRIVATE KEY")),
    "PKCS#1 as PKCS#8": ("rsa2048", forge.armour(traditional("rsa2048"), "PRIVATE KEY")),
    "SEC 1 as PKCS#8": ("p256", forge.armour(traditional("p256"), "PRIVATE KEY")),
    "SEC 1 as RSA": ("p256", forge.armour(traditional("p256"), "RSA PRIVATE KEY")),
    "PKCS#1 as EC": ("rsa2048", forge.armour(traditional("rsa2048"), "EC PRIVATE KEY")),
    "any private key": ("p256", forge.armour(pkcs8("p256"), "ANY PRIVATE KEY")),
    "ends as something else": ("p256", pem("p256").replace(b"END PRIVATE KEY", b"END EC PRIVATE KEY")),
    "blanks within the label": ("p256", pem("p256").replace(b"PRIVATE KEY", b"PRIVATE  KEY")),
    "with its public key": ("ed25519", forge.armour(version_2("ed25519"), "PRIVATE KEY")),
    "with its public key, P-256": ("p256", forge.armour(version_2("p256"), "PRIVATE KEY")),
    "with attributes": ("rsa2048", forge.armour(with_attributes("rsa2048"), "PRIVATE KEY")),
    "without padding": ("p256", pem("p256").replace(b"=", b"")),
    "with octets behind it": ("p256", forge.armour(pkcs8("p256") + b"\0\0\0", "PRIVATE KEY")),
    "with headers": ("rsa2048", pem("rsa2048").replace(b"-----\n", b"-----\nComment: mine\n\n", 1)),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_written_as_rfc_7468_has_it(spelling: str) -> None:
    kind, given = SPELLINGS[spelling]
    found = keys.read_key(given, "the key")
    assert found in (
        forge.armour(pkcs8(kind), "PRIVATE KEY"),
        forge.armour(with_attributes(kind), "PRIVATE KEY"),
        *(
            [forge.armour(traditional(kind), {"rsa2048": "RSA", "p256": "EC"}[kind] + " PRIVATE KEY")]
            if kind in ("rsa2048", "p256")
            else []
        ),
    )
    assert keys.read_key(found, "the key") == found


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_servers_load_what_is_written(spelling: str) -> None:
    kind, given = SPELLINGS[spelling]
    found = keys.read_key(given, "the key")
    assert keys.key_problem(found, Certificate.from_der(entity(kind).der), "the key", "the certificate") == ""
    assert loading.try_load(entity(kind).pem, found) == ("", "")


@pytest.mark.skipif(not OPENSSL, reason="needs the program openssl")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_openssl_reads_what_is_written(spelling: str, tmp_path: Path) -> None:
    kind, given = SPELLINGS[spelling]
    path = tmp_path / "key"
    path.write_bytes(keys.read_key(given, "the key"))
    command = [str(OPENSSL), "pkey", "-in", str(path), "-pubout", "-outform", "DER"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == public(kind)


def encrypted(structure: PrivateFormat) -> bytes:
    return entity("rsa2048").key.private_bytes(Encoding.PEM, structure, BestAvailableEncryption(b"secret"))


REQUEST = forge.sequence(
    forge.sequence(forge.integer(0), forge.name("x"), public("p256"), forge.tlv(0xA0)),
    forge.algorithm("ecdsa_sha256"),
    forge.bits(b"x"),
)
PKCS12 = forge.sequence(forge.integer(3), forge.sequence(forge.oid("1.2.840.113549.1.7.1")), forge.sequence())
PKCS7 = forge.sequence(forge.oid("1.2.840.113549.1.7.2"), forge.tlv(0xA0, forge.sequence()))
CUT = pem("rsa2048")[:700]

#: What is no key that a server could use, and what is said of it.
NO_KEYS: t.Dict[str, t.Tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "white space": (b" \n\t\n", "is empty"),
    "encrypted": (encrypted(PrivateFormat.PKCS8), "password.*openssl pkey -in"),
    "encrypted, folded": (folded(encrypted(PrivateFormat.PKCS8)), "password"),
    "encrypted as of old": (encrypted(PrivateFormat.TraditionalOpenSSL), "password.*openssl pkey -in"),
    "encrypted as of old, folded": (folded(encrypted(PrivateFormat.TraditionalOpenSSL)), "password"),
    "encrypted under a label that does not say so": (
        encrypted(PrivateFormat.PKCS8).replace(b"ENCRYPTED ", b""),
        "password",
    ),
    "public": (forge.armour(public("p256"), "PUBLIC KEY"), "public key"),
    "public of RSA": (
        entity("rsa2048").key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "public key",
    ),
    "public under the label of a private one": (forge.armour(public("p256"), "PRIVATE KEY"), "public key"),
    "public of RSA under the label of a private one": (
        forge.armour(forge.public_key_bits(entity("rsa2048").key), "RSA PRIVATE KEY"),
        "public key",
    ),
    "request": (forge.armour(REQUEST, "CERTIFICATE REQUEST"), "CSR"),
    "request of Windows": (forge.armour(REQUEST, "NEW CERTIFICATE REQUEST"), "CSR"),
    "request under the label of a key": (forge.armour(REQUEST, "PRIVATE KEY"), "CSR"),
    "certificate": (entity("p256").pem, "a certificate"),
    "certificate under the label of a key": (forge.armour(entity("p256").der, "PRIVATE KEY"), "a certificate"),
    "certificate in DER": (entity("p256").der, "a certificate"),
    "parameters": (P256_PARAMETERS, "parameters of an elliptic curve"),
    "several": (pem("p256") + pem("rsa2048"), "several private keys"),
    "one twice": (pem("p256") * 2, "several private keys"),
    "ends of line as two characters": (pem("p256").replace(b"\n", b"\\n"), r"two characters '\\n'"),
    "CR LF as four characters": (pem("p256").replace(b"\n", b"\\r\\n"), r"two characters '\\n'"),
    "UTF-16": (pem("p256").decode().encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (pem("p256").decode().encode("utf-16-le"), "UTF-16"),
    "UTF-16 with the other end first": (pem("p256").decode().encode("utf-16-be"), "UTF-16"),
    "DER": (pkcs8("p256"), "DER; convert it to PEM with 'openssl pkey -inform DER"),
    "DER of PKCS#1": (traditional("rsa2048"), "DER; convert"),
    "DER of SEC 1": (traditional("p256"), "DER; convert"),
    "DER, encrypted": (
        entity("p256").key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        "password",
    ),
    "Base64 of PEM": (base64.b64encode(pem("p256")), "Base64 of a PEM file"),
    "Base64 of PEM in lines": (base64.encodebytes(pem("rsa2048")), "Base64 of a PEM file"),
    "Base64 alone": (base64.b64encode(pkcs8("p256")), "without its first and last line"),
    "cut off": (CUT, "truncated"),
    "cut off but with its last line": (CUT[:-1] + b"\n-----END PRIVATE KEY-----\n", "truncated"),
    "cut off between quartets": (
        forge.armour(pkcs8("rsa2048")[:600], "PRIVATE KEY"),
        "truncated",
    ),
    "without its last line": (pem("p256").rsplit(b"\n", 2)[0], "truncated"),
    "cut off, and a second one": (CUT + b"\n" + pem("p256"), "truncated"),
    "without a body": (b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "nothing between"),
    "damaged": (pem("p256").replace(b"M", b"!"), "damaged"),
    "something else": (forge.armour(forge.sequence(forge.NULL), "PRIVATE KEY"), "it is not PKCS#8, PKCS#1 or SEC 1"),
    "dashes of a word processor": (
        pem("p256").replace(b"-----", "\u2014\u2014-".encode()),
        "first or last line is damaged",
    ),
    "OpenSSH": (
        entity("ed25519").key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "OpenSSH.*ssh-keygen",
    ),
    "PuTTY": (b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY"),
    "PKCS#12": (PKCS12, "PKCS#12.*openssl pkcs12"),
    "PKCS#12 in PEM": (forge.armour(PKCS12, "PKCS12"), "PKCS#12"),
    "PKCS#12 under the label of a key": (forge.armour(PKCS12, "PRIVATE KEY"), "PKCS#12"),
    "PKCS#7": (PKCS7, "PKCS#7"),
    "PKCS#7 in PEM": (forge.armour(PKCS7, "PKCS7"), "PKCS#7"),
    "too short without what follows it": (
        forge.armour(
            forge.sequence(
                forge.integer(0), forge.sequence(forge.oid("1.3.101.112")), forge.tlv(4), *[forge.tlv(4)] * 9
            ),
            "PRIVATE KEY",
        ),
        "too short",
    ),
    "a path": (b"/etc/ssl/private/key.pem\n", "no private key"),
    "a block of another kind": (forge.armour(b"x", "SOMETHING"), "'SOMETHING'"),
}


@pytest.mark.parametrize("what", NO_KEYS)
def test_what_is_no_key_is_named(what: str) -> None:
    given, sentence = NO_KEYS[what]
    with pytest.raises(InputError, match=f"^the key .*{sentence}") as caught:
        keys.read_key(given, "the key")
    message = caught.value.message
    body = base64.b64encode(pkcs8("p256")).decode() + base64.b64encode(pkcs8("rsa2048")).decode()
    assert not any(body[start : start + 8] in message for start in range(len(body) - 8))


def test_only_a_key_of_another_certificate_does_not_fit() -> None:
    unknown = forge.sequence(forge.integer(0), forge.sequence(forge.oid(forge.UNKNOWN_OID)), forge.octets(b"x"))
    leaf = Certificate.from_der(entity("p256").der)
    for kind in ("rsa2048", "p384", "ed25519"):
        assert "does not match" in keys.key_problem(pem(kind), leaf, "the key", "the certificate")
    assert keys.key_problem(forge.armour(unknown, "PRIVATE KEY"), leaf, "the key", "the certificate") == ""


@pytest.mark.parametrize("number", range(3, 9))
def test_a_damaged_key_is_not_taken_for_a_sound_one(number: int) -> None:
    (outer,) = forge.elements(traditional("rsa2048"))
    parts = [forge.tlv(*part) for part in forge.elements(outer[1])]
    parts[number] = forge.integer(int.from_bytes(forge.elements(parts[number])[0][1], "big") ^ 2)
    leaf = Certificate.from_der(entity("rsa2048").der)
    found = keys.read_key(forge.armour(forge.sequence(*parts), "RSA PRIVATE KEY"), "the key")
    assert "contains a private key that is damaged" in keys.key_problem(found, leaf, "the key", "the certificate")


@pytest.mark.parametrize("place", [4, 5])
def test_a_key_with_a_prime_of_one_is_damaged(place: int) -> None:
    """Its modulus is the product of its primes."""
    (outer,) = forge.elements(traditional("rsa2048"))
    parts = [forge.tlv(*part) for part in forge.elements(outer[1])]
    parts[4:6] = [forge.integer(1), parts[1]] if place == 4 else [parts[1], forge.integer(1)]
    leaf = Certificate.from_der(entity("rsa2048").der)
    found = keys.read_key(forge.armour(forge.sequence(*parts), "RSA PRIVATE KEY"), "the key")
    assert "contains a private key that is damaged" in keys.key_problem(found, leaf, "the key", "the certificate")


def test_keys_for_dsa_are_compared_as_well() -> None:
    one, other = (dsa.generate_private_key(1024) for _number in range(2))
    leaf = forge.certificate(private_key=one, raw_key=forge.public_key_info(one), signer_key=forge.key("p256"))
    for key, problem in ((one, ""), (other, "does not match")):
        for structure in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            text = key.private_bytes(Encoding.PEM, structure, NoEncryption())
            found = keys.read_key(folded(text), "the key")
            assert found == text
            assert problem in keys.key_problem(found, Certificate.from_der(leaf.der), "the key", "the certificate")


def _unknown(oid: str) -> tuple[bytes, bytes]:
    """PKCS#8 and SubjectPublicKeyInfo of a kind that older versions of cryptography do not know."""
    algorithm = forge.sequence(forge.oid(oid))
    private = forge.sequence(forge.integer(0), algorithm, forge.octets(forge.tlv(0x80, bytes(32))))
    return forge.armour(private, "PRIVATE KEY"), forge.sequence(algorithm, forge.bits(bytes(1952)))


@pytest.mark.parametrize("oid", ["2.16.840.1.101.3.4.3.20", "2.16.840.1.101.3.4.3.31", "1.2.643.7.1.1.1.1", "1.2.3.4"])
def test_a_key_of_a_kind_that_is_not_known_is_not_said_not_to_fit(oid: str) -> None:
    private, public = _unknown(oid)
    leaf = forge.certificate(raw_key=public, signer_key=forge.key("p256"))
    found = keys.read_key(private, "the key")
    assert keys.key_problem(found, Certificate.from_der(leaf.der), "the key", "the certificate") == ""


@pytest.mark.parametrize("size", ["44", "65", "87"])
def test_keys_for_ml_dsa_are_compared_where_cryptography_knows_them(size: str) -> None:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    one, other = (getattr(mldsa, f"MLDSA{size}PrivateKey").generate() for _number in range(2))
    leaf = forge.certificate(raw_key=forge.public_key_info(one), signer_key=forge.key("p256"))
    for key, problem in ((one, ""), (other, "does not match")):
        found = keys.read_key(forge.private_pem(key), "the key")
        said = keys.key_problem(found, Certificate.from_der(leaf.der), "the key", "the certificate")
        assert problem in said and bool(problem) == bool(said)


def test_the_own_key_fits_however_the_certificate_writes_its_point() -> None:
    key = forge.key("p256", "compressed")
    point = forge.public_key_bits(key)
    algorithm = forge.sequence(forge.oid("1.2.840.10045.2.1"), forge.oid("1.2.840.10045.3.1.7"))
    raw_key = forge.sequence(algorithm, forge.bits(bytes([2 + (point[-1] & 1)]) + point[1:33]))
    leaf = forge.certificate(private_key=key, raw_key=raw_key)
    assert keys.key_problem(forge.private_pem(key), Certificate.from_der(leaf.der), "the key", "the certificate") == ""
