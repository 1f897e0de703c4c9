# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which signatures count, which are too weak, and which do not verify."""

from __future__ import annotations

import importlib.util
import sys
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.signature import PublicKey, Scheme
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.exceptions import UnsupportedAlgorithm

DATA = b"what is signed"

PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
RSA_KEY = "1.2.840.113549.1.1.1"
EC_KEY = "1.2.840.10045.2.1"
P256 = "1.2.840.10045.3.1.7"


def load(kind: str) -> PublicKey:
    return signature.load_public_key(forge.public_key_info(forge.key(kind)))


def parse(scheme: str) -> Scheme:
    return signature.parse_algorithm(forge.algorithm(scheme))


def pss_key_info(kind: str = "rsa2048", parameters: bytes = b"") -> bytes:
    """A public key for RSA-PSS alone (RFC 4055 section 1.2)."""
    return forge.sequence(
        forge.sequence(forge.oid(PSS), parameters), forge.bits(forge.public_key_bits(forge.key(kind)))
    )


# Strength ----------------------------------------------------------------------------------------

ACCEPTED = {
    "rsa_sha256": ("rsa2048", "rsa_sha256"),
    "rsa_sha384": ("rsa2048", "rsa_sha384"),
    "rsa_sha512": ("rsa3072", "rsa_sha512"),
    "pss_sha256": ("rsa2048", "rsa_pss_sha256"),
    "pss_sha384": ("rsa2048", "rsa_pss_sha384"),
    "pss_sha512": ("rsa2048", "rsa_pss_sha512"),
    "ecdsa_sha256": ("p256", "ecdsa_sha256"),
    "ecdsa_sha384": ("p384", "ecdsa_sha384"),
    "ecdsa_sha512": ("p521", "ecdsa_sha512"),
    "ed25519": ("ed25519", "ed25519"),
    "ed448": ("ed448", "ed448"),
}


@pytest.mark.parametrize("scheme", ACCEPTED)
def test_accepted(scheme: str) -> None:
    kind, name = ACCEPTED[scheme]
    parsed, key = parse(scheme), load(kind)
    assert parsed.name == name
    assert signature.weakness(parsed, key) == ""
    signed = forge.sign(forge.key(kind), scheme, DATA)
    assert signature.verify(parsed, key, signed, DATA) == ""
    assert signature.verify(parsed, key, signed, DATA + b"!") == "it does not verify"
    assert signature.verify(parsed, key, signed[:-1] + bytes([signed[-1] ^ 1]), DATA) == "it does not verify"
    for empty_or_cut in (b"", signed[:-1]):
        assert signature.verify(parsed, key, empty_or_cut, DATA) != ""


@pytest.mark.parametrize("scheme", ["rsa_sha256", "pss_sha256"])
def test_a_signature_of_rsa_is_as_long_as_the_modulus(scheme: str) -> None:
    """OpenSSL accepts one without the zeros that it begins with, and clients with GnuTLS break off."""
    parsed, key = parse(scheme), load("rsa2048")
    data, signed = DATA, b"\1"
    while signed[0]:
        data += b"!"
        signed = forge.sign(forge.key("rsa2048"), scheme, data)
    assert signature.verify(parsed, key, signed, data) == ""
    assert signature.verify(parsed, key, signed[1:], data) == signature.MISMATCH


SHA1 = {"rsa_sha1": "rsa2048", "ecdsa_sha1": "p256", "pss_sha1": "rsa2048"}


@pytest.mark.parametrize("scheme", SHA1)
def test_sha1_is_weak_unless_it_is_allowed(scheme: str) -> None:
    parsed, key = parse(scheme), load(SHA1[scheme])
    assert signature.weakness(parsed, key) == "the digest SHA1 is too weak"
    assert signature.weakness(parsed, key, allow_sha1=True) == ""


#: Scheme, key, why it is too weak, and whether it can be verified all the same.
WEAK = {
    "MD5": ("rsa_md5", "rsa2048", "the digest MD5 is too weak", True),
    "SHA-224": ("rsa_sha224", "rsa2048", "the digest SHA224 is too weak", True),
    "ECDSA with SHA-224": ("ecdsa_sha224", "p256", "the digest SHA224 is too weak", False),
    "RSA-PSS with SHA-224": ("pss_sha224", "rsa2048", "the digest SHA224 is too weak", True),
    "RSA of 1024 bits": ("rsa_sha256", "rsa1024", "the RSA key has 1024 bits, fewer than 2048", True),
    "RSA of 2040 bits": ("rsa_sha256", "rsa2040", "the RSA key has 2040 bits, fewer than 2048", True),
    "RSA-PSS of 1024 bits": ("pss_sha256", "rsa1024", "the RSA key has 1024 bits, fewer than 2048", True),
    "P-224": ("ecdsa_sha256", "p224", "the elliptic curve SECP224R1 is not supported", True),
    "secp256k1": ("ecdsa_sha256", "secp256k1", "the elliptic curve SECP256K1 is not supported", True),
    "short salt": ("pss_sha256_salt20", "rsa2048", "the RSA-PSS salt is not as long as the digest", True),
    "no salt": ("pss_sha256_salt0", "rsa2048", "the RSA-PSS salt is not as long as the digest", True),
    "long salt": ("pss_sha256_salt64", "rsa2048", "the RSA-PSS salt is not as long as the digest", True),
    "mask by another digest": ("pss_sha256_mgfsha1", "rsa2048", "the RSA-PSS mask uses SHA1, not the digest", True),
    "mask by a better digest": ("pss_sha256_mgfsha512", "rsa2048", "the RSA-PSS mask uses SHA512, not the", True),
    "SHA-1 with a long salt": ("pss_sha1_salt32", "rsa2048", "the RSA-PSS salt is not as long as the digest", True),
}


@pytest.mark.parametrize("case", WEAK)
@pytest.mark.parametrize("allow_sha1", [False, True])
def test_weak_whatever_is_allowed(case: str, allow_sha1: bool) -> None:
    scheme, kind, problem, _verifiable = WEAK[case]
    assert signature.weakness(parse(scheme), load(kind), allow_sha1).startswith(problem)


@pytest.mark.parametrize("case", [case for case in WEAK if WEAK[case][3]])
def test_weak_is_not_wrong(case: str) -> None:
    """Whether a signature verifies, such as that of an old certificate, is another question."""
    scheme, kind, _problem, _verifiable = WEAK[case]
    try:
        signed = forge.sign(forge.key(kind), scheme, DATA)
    except UnsupportedAlgorithm:
        pytest.skip("this host cannot sign like this")
    assert signature.verify(parse(scheme), load(kind), signed, DATA) == ""
    assert signature.verify(parse(scheme), load(kind), signed, DATA + b"!") == "it does not verify"


KINDS = {"rsa_sha256": "rsa2048", "ecdsa_sha256": "p256", "ed25519": "ed25519", "ed448": "ed448"}


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("kind", KINDS.values())
def test_the_key_must_be_of_the_kind_of_the_signature(scheme: str, kind: str) -> None:
    signed = forge.sign(forge.key(KINDS[scheme]), scheme, DATA)
    problem = signature.verify(parse(scheme), load(kind), signed, DATA)
    assert (problem == "") is (kind == KINDS[scheme])
    if problem:
        assert problem == f"it is of the kind {parse(scheme).name}, but the key is of the kind {load(kind).kind}"


def test_a_plain_rsa_key_verifies_both_paddings_but_not_one_for_the_other() -> None:
    key = load("rsa2048")
    pkcs1 = forge.sign(forge.key("rsa2048"), "rsa_sha256", DATA)
    pss = forge.sign(forge.key("rsa2048"), "pss_sha256", DATA)
    assert signature.verify(parse("rsa_sha256"), key, pkcs1, DATA) == ""
    assert signature.verify(parse("pss_sha256"), key, pss, DATA) == ""
    assert signature.verify(parse("pss_sha256"), key, pkcs1, DATA) == "it does not verify"
    assert signature.verify(parse("rsa_sha256"), key, pss, DATA) == "it does not verify"


def test_a_key_for_pss_alone_verifies_nothing_else() -> None:
    key = signature.load_public_key(pss_key_info())
    assert key.kind == "rsa_pss"
    pss = forge.sign(forge.key("rsa2048"), "pss_sha256", DATA)
    pkcs1 = forge.sign(forge.key("rsa2048"), "rsa_sha256", DATA)
    assert signature.weakness(parse("pss_sha256"), key) == ""
    assert signature.verify(parse("pss_sha256"), key, pss, DATA) == ""
    assert signature.verify(parse("rsa_sha256"), key, pkcs1, DATA) == (
        "it is of the kind rsa_sha256, but the key is of the kind rsa_pss"
    )
    weak = signature.load_public_key(pss_key_info("rsa1024"))
    assert signature.weakness(parse("pss_sha256"), weak) == "the RSA key has 1024 bits, fewer than 2048"


def test_a_key_for_pss_with_one_digest_verifies_no_other() -> None:
    """RFC 4055 section 3.3: the parameters of the key bind those of the signature."""
    sha256 = forge.algorithm("pss_sha256")
    parameters = sha256[sha256.index(forge.oid(PSS)) + len(forge.oid(PSS)) :]
    key = signature.load_public_key(pss_key_info(parameters=parameters))
    right = forge.sign(forge.key("rsa2048"), "pss_sha256", DATA)
    wrong = forge.sign(forge.key("rsa2048"), "pss_sha512", DATA)
    assert signature.verify(parse("pss_sha256"), key, right, DATA) == ""
    assert signature.verify(parse("pss_sha512"), key, wrong, DATA) != ""


class Policy:
    """A key on a host that forbids what it is asked for."""

    def verify(self, *arguments: t.Any) -> None:
        raise UnsupportedAlgorithm("SHA-1 is forbidden here")


def test_what_the_host_cannot_check_does_not_count() -> None:
    key = PublicKey("rsa", Policy(), 2048)
    assert signature.verify(parse("rsa_sha1"), key, b"signature", DATA) == (
        "this host cannot check rsa_sha1 (UnsupportedAlgorithm)"
    )


# Algorithm identifiers ---------------------------------------------------------------------------


def identifier(oid: str, *parameters: bytes) -> Scheme:
    return signature.parse_algorithm(forge.sequence(forge.oid(oid), *parameters))


def digest(name: str, parameters: bytes = forge.NULL) -> bytes:
    return forge.sequence(forge.oid(forge.DIGEST_OIDS[name]), parameters)


def pss(
    hash_: bytes = digest("sha256"),
    mask: bytes = digest("sha256"),
    salt: bytes = forge.integer(32),
    trailer: bytes = b"",
    extra: bytes = b"",
) -> bytes:
    """RSASSA-PSS-params, by default those of SHA-256."""
    return forge.sequence(
        forge.tlv(0xA0, hash_),
        forge.tlv(0xA1, forge.sequence(forge.oid(MGF1), mask)),
        forge.tlv(0xA2, salt),
        forge.tlv(0xA3, trailer) if trailer else b"",
        extra,
    )


def test_rsa_with_and_without_null() -> None:
    usual, bare = identifier("1.2.840.113549.1.1.11", forge.NULL), identifier("1.2.840.113549.1.1.11")
    assert bare == usual._replace(oddity="leaves out the NULL that belongs to its RSA signature algorithm (RFC 4055)")


def test_ecdsa_with_null() -> None:
    """As JDK 11 wrote it (JDK-8241521); OpenSSL and NSS read it."""
    usual, odd = identifier("1.2.840.10045.4.3.2"), identifier("1.2.840.10045.4.3.2", forge.NULL)
    assert "NULL" in odd.oddity and "Chrome" in odd.oddity
    assert odd._replace(oddity="") == usual
    signed = forge.sign(forge.key("p256"), "ecdsa_sha256", DATA)
    assert signature.verify(odd, load("p256"), signed, DATA) == ""
    assert signature.weakness(odd, load("p256")) == ""


@pytest.mark.parametrize(
    "oid, parameters",
    [
        ("1.2.840.10045.4.3.2", forge.sequence()),
        ("1.2.840.10045.4.3.2", forge.oid(P256)),
        *((oid, parameters) for oid in ("1.3.101.112", "1.3.101.113") for parameters in (forge.NULL, forge.sequence())),
    ],
)
def test_parameters_where_none_belong(oid: str, parameters: bytes) -> None:
    assert identifier(oid).flaw == ""
    scheme = identifier(oid, parameters)
    assert scheme.flaw == f"the signature algorithm {oid} carries parameters that it must not have"
    assert signature.verify(scheme, load("p256"), b"signature", DATA) == scheme.flaw


def test_rsa_with_other_parameters() -> None:
    assert identifier("1.2.840.113549.1.1.11", forge.sequence()).flaw


#: Parameters that OpenSSL does not read, of whatever algorithm they are.
BROKEN_PARAMETERS = {
    "two": forge.NULL + forge.NULL,
    "NULL with content": forge.tlv(5, b"\0"),
    "cut off": b"\x30\x02\x00",
    "no number": forge.tlv(2),
    "no bit string": forge.tlv(3),
    "no type": b"\0\0",
}
broken_parameters = pytest.mark.parametrize("parameters", BROKEN_PARAMETERS.values(), ids=BROKEN_PARAMETERS)


@broken_parameters
@pytest.mark.parametrize("oid", [*signature._SCHEMES, PSS, forge.UNKNOWN_OID])
def test_parameters_that_openssl_cannot_read(oid: str, parameters: bytes) -> None:
    with pytest.raises(MalformedError):
        identifier(oid, parameters)


@broken_parameters
@pytest.mark.parametrize("oid", [RSA_KEY, EC_KEY, PSS, "1.3.101.112", "1.2.840.10040.4.1", forge.UNKNOWN_OID])
def test_parameters_of_a_key_that_openssl_cannot_read(oid: str, parameters: bytes) -> None:
    with pytest.raises(MalformedError):
        signature.load_public_key(forge.sequence(forge.sequence(forge.oid(oid), parameters), forge.bits(bytes(32))))


def test_parameters_of_an_eddsa_key() -> None:
    """RFC 8410 wants none, and OpenSSL reads no such key."""
    bits = forge.bits(forge.public_key_bits(forge.key("ed25519")))
    key = signature.load_public_key(forge.sequence(forge.sequence(forge.oid("1.3.101.112"), forge.NULL), bits))
    assert key.key is None
    assert "parameters" in key.flaw


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "pss", "pss of SHA-1"])
def test_an_odd_algorithm_is_made_plain(kind: str) -> None:
    """No signature of a response covers it, so that anybody can have made it one that some clients refuse."""
    oid = forge.oid("1.2.840.113549.1.1.10")
    odd, plain = {
        "rsa": (forge.sequence(forge.oid("1.2.840.113549.1.1.11")), forge.algorithm("rsa_sha256")),
        "ecdsa": (forge.sequence(forge.oid("1.2.840.10045.4.3.2"), forge.NULL), forge.algorithm("ecdsa_sha256")),
        "pss": (forge.sequence(oid, pss(trailer=forge.integer(1))), forge.sequence(oid, pss())),
        "pss of SHA-1": (
            forge.sequence(oid, forge.sequence(forge.tlv(0xA3, forge.integer(1)))),
            forge.sequence(oid, forge.sequence()),
        ),
    }[kind]
    assert signature.parse_algorithm(odd).oddity
    assert signature.plain_algorithm(odd) == plain == signature.plain_algorithm(plain)
    assert signature.parse_algorithm(plain) == signature.parse_algorithm(odd)._replace(oddity="")


@pytest.mark.parametrize(
    "oid, name",
    [
        ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
        ("2.16.840.1.101.3.4.3.20", "SLH-DSA-SHA2-128s"),
        ("2.16.840.1.101.3.4.3.25", "SLH-DSA-SHA2-256f"),
        ("2.16.840.1.101.3.4.3.26", "SLH-DSA-SHAKE-128s"),
        ("2.16.840.1.101.3.4.3.31", "SLH-DSA-SHAKE-256f"),
        ("2.16.840.1.101.3.4.3.2", "DSA with SHA-256"),
        ("1.2.840.10040.4.3", "DSA with SHA-1"),
        ("1.2.643.7.1.1.3.2", "GOST R 34.10-2012 with 256 bits"),
        ("1.2.840.113549.1.1.1", ""),
        ("2.5.4.3", ""),
    ],
)
def test_an_unknown_algorithm_is_named(oid: str, name: str) -> None:
    scheme = identifier(oid)
    assert scheme.name == oid
    assert scheme.flaw == f"the signature algorithm {f'{name} ({oid})' if name else oid} is not supported"


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.1.5", "1.3.14.3.2.29"])
@pytest.mark.parametrize("parameters", [forge.NULL, b""], ids=["NULL", "absent"])
def test_both_oids_of_sha1_with_rsa(oid: str, parameters: bytes) -> None:
    scheme = identifier(oid, parameters)
    assert (scheme.name, scheme.flaw) == ("rsa_sha1", "")
    signed = forge.sign(forge.key("rsa2048"), "rsa_sha1", DATA)
    assert signature.verify(scheme, load("rsa2048"), signed, DATA) == ""
    assert signature.weakness(scheme, load("rsa2048")) == "the digest SHA1 is too weak"
    assert signature.weakness(scheme, load("rsa2048"), allow_sha1=True) == ""


GOOD_PSS = {
    "SHA-256": (pss(), "sha256"),
    "digests without parameters": (pss(digest("sha256", b""), digest("sha256", b"")), "sha256"),
    "SHA-384": (pss(digest("sha384"), digest("sha384"), forge.integer(48)), "sha384"),
    "SHA-512": (pss(digest("sha512"), digest("sha512"), forge.integer(64)), "sha512"),
    "trailer written out": (pss(trailer=forge.integer(1)), "sha256"),
    "all by default": (forge.sequence(), "sha1"),
}


@pytest.mark.parametrize("case", GOOD_PSS)
def test_pss_parameters(case: str) -> None:
    parameters, expected = GOOD_PSS[case]
    scheme = identifier(PSS, parameters)
    assert (scheme.flaw, scheme.digest, scheme.name) == ("", expected, f"rsa_pss_{expected}")


def test_pss_without_parameters_is_sha1() -> None:
    assert identifier(PSS) == identifier(PSS, forge.sequence())


BAD_PSS = {
    "mask by another digest": pss(mask=digest("sha384")),
    "mask by default": forge.sequence(forge.tlv(0xA0, digest("sha256")), forge.tlv(0xA2, forge.integer(32))),
    "salt by default": forge.sequence(
        forge.tlv(0xA0, digest("sha256")), forge.tlv(0xA1, forge.sequence(forge.oid(MGF1), digest("sha256")))
    ),
    "digest by default": forge.sequence(
        forge.tlv(0xA1, forge.sequence(forge.oid(MGF1), digest("sha256"))), forge.tlv(0xA2, forge.integer(32))
    ),
    "another mask function": forge.sequence(
        forge.tlv(0xA0, digest("sha256")),
        forge.tlv(0xA1, forge.sequence(forge.oid("2.5.4.3"), digest("sha256"))),
        forge.tlv(0xA2, forge.integer(32)),
    ),
    "unknown digest": pss(forge.sequence(forge.oid("2.5.4.3")), forge.sequence(forge.oid("2.5.4.3"))),
    "salt of 33 octets": pss(salt=forge.integer(33)),
    "negative salt": pss(salt=forge.integer(-32)),
    "trailer of 2": pss(trailer=forge.integer(2)),
}


@pytest.mark.parametrize("case", BAD_PSS)
def test_pss_parameters_that_are_not_accepted(case: str) -> None:
    scheme = identifier(PSS, BAD_PSS[case])
    assert scheme.flaw
    assert signature.weakness(scheme, load("rsa2048"), allow_sha1=True) == scheme.flaw
    signed = forge.sign(forge.key("rsa2048"), "pss_sha256", DATA)
    assert signature.verify(scheme, load("rsa2048"), signed, DATA) != ""


MALFORMED_ALGORITHMS = {
    "nothing": b"",
    "garbage": b"garbage",
    "not a sequence": forge.NULL,
    "no OID": forge.sequence(),
    "no OID but a number": forge.sequence(forge.integer(1)),
    "cut": forge.algorithm("rsa_sha256")[:-1],
    "PSS: not a sequence": forge.sequence(forge.oid(PSS), forge.NULL),
    "PSS: after the parameters": forge.sequence(forge.oid(PSS), pss(), forge.NULL),
    "PSS: after the fields": forge.sequence(forge.oid(PSS), pss(extra=forge.NULL)),
    "PSS: two salts": forge.sequence(forge.oid(PSS), pss(extra=forge.tlv(0xA2, forge.integer(32)))),
    "PSS: digest that is none": forge.sequence(forge.oid(PSS), pss(forge.NULL)),
    "PSS: digest with parameters": forge.sequence(forge.oid(PSS), pss(digest("sha256", forge.integer(1)))),
    "PSS: two digests": forge.sequence(forge.oid(PSS), pss(digest("sha256") + digest("sha256"))),
    "PSS: salt that is no number": forge.sequence(forge.oid(PSS), pss(salt=forge.octets(b" "))),
    "PSS: mask digest that is none": forge.sequence(forge.oid(PSS), pss(mask=forge.NULL)),
}


@pytest.mark.parametrize("case", MALFORMED_ALGORITHMS)
def test_malformed_algorithms(case: str) -> None:
    with pytest.raises(MalformedError):
        signature.parse_algorithm(MALFORMED_ALGORITHMS[case])


# Public keys -------------------------------------------------------------------------------------

SIZES = {
    "rsa2048": ("rsa", 2048),
    "rsa2040": ("rsa", 2040),
    "p256": ("ecdsa", 256),
    "p384": ("ecdsa", 384),
    "p521": ("ecdsa", 521),
    "ed25519": ("ed25519", 256),
    "ed448": ("ed448", 456),
}


@pytest.mark.parametrize("kind", SIZES)
def test_keys(kind: str) -> None:
    key = load(kind)
    assert (key.kind, key.bits) == SIZES[kind]
    assert key.flaw == "" and key.key is not None


def info(algorithm: bytes, bits: bytes) -> bytes:
    return forge.sequence(forge.sequence(algorithm), forge.bits(bits))


RSA_BITS = forge.public_key_bits(forge.key("rsa2048"))
EC_BITS = forge.public_key_bits(forge.key("p256"))
EC_ALGORITHM = forge.oid(EC_KEY) + forge.oid(P256)
MODULUS = forge.key("rsa2048").public_key().public_numbers().n


def rsa_bits(modulus: int, exponent: int) -> bytes:
    return forge.sequence(forge.integer(modulus), forge.integer(exponent))


UNUSABLE_KEYS = {
    "DSA": (
        info(forge.oid("1.2.840.10040.4.1"), forge.integer(5)),
        "this kind of key is not supported: DSA (1.2.840.10040.4.1)",
    ),
    "ML-DSA": (
        info(forge.oid("2.16.840.1.101.3.4.3.18"), bytes(1952)),
        "this kind of key is not supported: ML-DSA-65 (2.16.840.1.101.3.4.3.18)",
    ),
    "SLH-DSA": (
        info(forge.oid("2.16.840.1.101.3.4.3.24"), bytes(64)),
        "this kind of key is not supported: SLH-DSA-SHA2-256s (2.16.840.1.101.3.4.3.24)",
    ),
    "twisted brainpool curve": (
        info(forge.oid(EC_KEY) + forge.oid("1.3.36.3.3.2.8.1.1.8"), EC_BITS),
        "the elliptic curve brainpoolP256t1 (1.3.36.3.3.2.8.1.1.8) is not supported",
    ),
    "X25519": (info(forge.oid("1.3.101.110"), 32 * b"\x09"), "this kind of key is not supported: X25519 (1.3.101.110)"),
    "signature algorithm for a key": (
        info(forge.oid("1.2.840.113549.1.1.11"), RSA_BITS),
        "this kind of key is not supported: 1.2.840.113549.1.1.11",
    ),
    "unknown curve": (info(forge.oid(EC_KEY) + forge.oid("2.5.4.3"), EC_BITS), "the elliptic curve 2.5.4.3 is not"),
    "explicit curve": (
        info(forge.oid(EC_KEY) + forge.sequence(forge.integer(1)), EC_BITS),
        "the elliptic curve with explicit parameters is not supported",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE_KEYS)
def test_keys_that_are_not_accepted(case: str) -> None:
    data, flaw = UNUSABLE_KEYS[case]
    key = signature.load_public_key(data)
    assert key.key is None
    assert key.flaw.startswith(flaw)
    assert signature.weakness(parse("ecdsa_sha256"), key) == key.flaw
    assert signature.verify(parse("ecdsa_sha256"), key, b"signature", DATA) == key.flaw


MALFORMED_KEYS = {
    "nothing": b"",
    "garbage": b"garbage",
    "not a sequence": forge.NULL,
    "no bits": forge.sequence(forge.sequence(forge.oid(RSA_KEY))),
    "no algorithm": forge.sequence(forge.sequence(), forge.bits(RSA_BITS)),
    "after the bits": forge.sequence(forge.sequence(forge.oid(RSA_KEY), forge.NULL), forge.bits(RSA_BITS), forge.NULL),
    "cut": forge.public_key_info(forge.key("rsa2048"))[:-1],
    "RSA: no numbers": info(forge.oid(RSA_KEY) + forge.NULL, b""),
    "RSA: one number": info(forge.oid(RSA_KEY) + forge.NULL, forge.sequence(forge.integer(MODULUS))),
    "RSA: three numbers": info(
        forge.oid(RSA_KEY) + forge.NULL,
        forge.sequence(forge.integer(MODULUS), forge.integer(65537), forge.integer(1)),
    ),
    "RSA: after the numbers": info(forge.oid(RSA_KEY) + forge.NULL, RSA_BITS + b"\0"),
    "RSA: exponent of 1": info(forge.oid(RSA_KEY) + forge.NULL, rsa_bits(MODULUS, 1)),
    "RSA: even exponent": info(forge.oid(RSA_KEY) + forge.NULL, rsa_bits(MODULUS, 65536)),
    "RSA: negative exponent": info(forge.oid(RSA_KEY) + forge.NULL, rsa_bits(MODULUS, -65537)),
    "RSA: negative modulus": info(forge.oid(RSA_KEY) + forge.NULL, rsa_bits(-MODULUS, 65537)),
    "RSA: modulus of 0": info(forge.oid(RSA_KEY) + forge.NULL, rsa_bits(0, 65537)),
    "RSA-PSS: no numbers": info(forge.oid(PSS), b""),
    "EC: no curve": info(forge.oid(EC_KEY), EC_BITS),
    "EC: implicit curve": info(forge.oid(EC_KEY) + forge.NULL, EC_BITS),
    "EC: more behind the curve": info(EC_ALGORITHM + forge.NULL, EC_BITS),
    "EC: no point": info(EC_ALGORITHM, b""),
    "EC: point at infinity": info(EC_ALGORITHM, b"\0"),
    "EC: point beside the curve": info(EC_ALGORITHM, EC_BITS[:-1] + bytes([EC_BITS[-1] ^ 1])),
    "EC: point that is cut": info(EC_ALGORITHM, EC_BITS[:-1]),
    "EC: point of another curve": info(EC_ALGORITHM, forge.public_key_bits(forge.key("p384"))),
    "Ed25519: cut": info(forge.oid("1.3.101.112"), 31 * b"\x09"),
    "Ed448: cut": info(forge.oid("1.3.101.113"), 56 * b"\x09"),
}


@pytest.mark.parametrize("case", MALFORMED_KEYS)
def test_malformed_keys(case: str) -> None:
    with pytest.raises(MalformedError):
        signature.load_public_key(MALFORMED_KEYS[case])


# The library -------------------------------------------------------------------------------------

VERSIONS = {
    None: "it is not installed",
    "1.0": "version 1.0 is too old",
    "2.9.2": "version 2.9.2 is too old",
    "3.2.1": "version 3.2.1 is too old",
    "3.3": "",
    "3.3.2": "",
    "3.4.8": "",
    "3.10": "",
    "36.0.1": "",
    "50.0.2": "",
    "51.0.0.dev1": "",
    "51": "",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_library_must_be_there_and_new_enough(version: t.Optional[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "CRYPTOGRAPHY_VERSION", version)
    assert signature.library_problem() == VERSIONS[version]


def test_a_host_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module must be there to say what is missing."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    spec = importlib.util.spec_from_file_location(f"{signature.__name__}_alone", signature.__file__)
    assert spec is not None and spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.library_problem() == "it is not installed"


def test_the_library_that_is_here_will_do() -> None:
    assert signature.library_problem() == ""


@pytest.mark.parametrize(("bits", "fit"), [(2, True), (17, True), (64, True), (65, False), (2000, False)])
def test_an_exponent_that_takes_too_long_to_check_is_refused(bits: int, fit: bool) -> None:
    """A chain of such keys would keep a run busy for minutes."""
    numbers = forge.sequence(forge.integer((1 << 2047) + 1), forge.integer((1 << (bits - 1)) + 1))
    algorithm = forge.sequence(forge.oid("1.2.840.113549.1.1.1"), b"\5\0")
    key = signature.load_public_key(forge.sequence(algorithm, forge.bits(numbers)))
    assert (key.key is not None) is fit
    if not fit:
        assert key.flaw == f"its RSA exponent has {bits} bits, more than 64, which takes too long to check"
