# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cases that no collection of vectors holds, with real signatures, and the same verdict on each library.

The plain ones are in the unit tests of response.py. Here are those that readers, signature checks and
other validators are known to get wrong.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, SECOND
from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives.asymmetric import utils

W = forge.world()
RSA = forge.world("rsa2048")
NO_NEXT_UPDATE = Rules(allow=frozenset({"missing_next_update"}))


def target(leaf: forge.Entity, issuer: forge.Entity) -> Target:
    return Target(Certificate.from_der(leaf.der), Certificate.from_der(issuer.der))


class Case(t.NamedTuple):
    """A response and what is found in it: the codes of errors, and those of warnings in brackets."""

    found: list[str]
    data: bytes
    on: Target = target(W.leaf, W.issuer)
    now: datetime = NOW
    rules: Rules = Rules()
    nonce: t.Optional[bytes] = None

    def judge(self) -> Judgement:
        return judge(self.data, self.on, self.now, self.rules, self.nonce)


GOOD: list[str] = []
MALFORMED = ["malformed"]
BAD_SIGNATURE = ["bad_signature"]
UNAUTHORIZED = ["unauthorized_responder"]
WRONG_CERTIFICATE = ["wrong_certificate"]
ENCODING = ["(encoding)"]
UNREADABLE = ["(unreadable_certificate)"]
TOO_LARGE = ["too_large"]
MISLEADING = ["(misleading_responder)"]


def single(**options: t.Any) -> bytes:
    return forge.response(forge.single(**options))


# Which certificate ---------------------------------------------------------------------------------

MINE = forge.single()
MY_REVOCATION = forge.single(status="revoked")
MY_UNKNOWN = forge.single(status="unknown")
ANOTHERS = forge.single(serial=7)
ANOTHERS_CRITICAL = forge.single(serial=7, extensions=[forge.unknown_extension(True)])
OTHER_CA = forge.authority("Other CA", W.root, serial=0x22)
OTHER_CAS = forge.single(W.leaf, OTHER_CA, digest="sha256", status="revoked")
PRINTABLE_NAME = forge.name("Issuing CA", tag=forge.PRINTABLE_STRING)
PRINTABLE_LEAF = forge.leaf(W.issuer, issuer_name=PRINTABLE_NAME)
CROSSED = forge.authority(W.issuer.subject, OTHER_CA, private_key=W.issuer.key, serial=0x24)
BIG_LEAF = forge.leaf(W.issuer, serial=2**160 - 1)
NEGATIVE_LEAF = forge.leaf(W.issuer, serial=-1)


def hashes_of(digest: str, entity: forge.Entity = W.issuer) -> dict[str, bytes]:
    return {
        "name_hash": hashlib.new(digest, entity.subject).digest(),
        "key_hash": hashlib.new(digest, forge.public_key_bits(entity.key)).digest(),
    }


IDENTITY = {
    "good for another, revoked for mine": Case(
        ["(other_answer_first)", "revoked"], forge.response(ANOTHERS, MY_REVOCATION)
    ),
    "revoked for mine, good for another": Case(["revoked"], forge.response(MY_REVOCATION, ANOTHERS)),
    "good for another, unknown for mine": Case(
        ["(other_answer_first)", "unknown_status"], forge.response(ANOTHERS, MY_UNKNOWN)
    ),
    "unknown for mine, good for another": Case(["unknown_status"], forge.response(MY_UNKNOWN, ANOTHERS)),
    "good for another between revoked and good for mine": Case(
        ["ambiguous", "revoked"], forge.response(MY_REVOCATION, ANOTHERS, MINE)
    ),
    "revoked by sha1, good by sha256, for another": Case(
        ["(other_answer_first)"],
        forge.response(forge.single(serial=7, status="revoked"), forge.single(serial=7, digest="sha256"), MINE),
    ),
    "revoked by sha256 of another CA of the same serial": Case(
        ["(mixed_issuers)", "(other_answer_first)"], forge.response(OTHER_CAS, MINE)
    ),
    "the other CA's alone": Case(WRONG_CERTIFICATE, forge.response(OTHER_CAS)),
    # mozpkix skips an answer that is not asked for, BoringSSL refuses the response.
    "an unknown critical extension for another": Case(
        ["(other_answer_first)"], forge.response(ANOTHERS_CRITICAL, MINE)
    ),
    "sha384": Case(GOOD, single(digest="sha384")),
    "sha512": Case(GOOD, single(digest="sha512")),
    "sha224": Case(WRONG_CERTIFICATE, single(digest="sha224")),
    "sha256, another name": Case(
        WRONG_CERTIFICATE, single(digest="sha256", name_hash=hashes_of("sha256", W.root)["name_hash"])
    ),
    "sha256, another key": Case(
        WRONG_CERTIFICATE, single(digest="sha256", key_hash=hashes_of("sha256", W.root)["key_hash"])
    ),
    "sha1 of the name, sha256 of the key": Case(WRONG_CERTIFICATE, single(key_hash=hashes_of("sha256")["key_hash"])),
    "by a delegate, another serial": Case(
        WRONG_CERTIFICATE, forge.response(forge.single(serial=0x1001), signer=W.delegate)
    ),
    "by a delegate, another name": Case(
        WRONG_CERTIFICATE,
        forge.response(forge.single(name_hash=hashes_of("sha1", W.root)["name_hash"]), signer=W.delegate),
    ),
    "by a delegate, another key": Case(
        WRONG_CERTIFICATE,
        forge.response(forge.single(key_hash=hashes_of("sha1", W.root)["key_hash"]), signer=W.delegate),
    ),
    # RFC 6960 4.1.1: the hash of the issuer's name as it stands in the certificate being checked.
    "issuer's name as the leaf writes it": Case(
        GOOD,
        single(name_hash=hashlib.sha1(PRINTABLE_NAME).digest()),
        target(PRINTABLE_LEAF, W.issuer),
    ),
    "issuer's name as the issuer writes it": Case(
        WRONG_CERTIFICATE, forge.response(), target(PRINTABLE_LEAF, W.issuer)
    ),
    "cross-certificate of the issuer": Case(GOOD, forge.response(), target(W.leaf, CROSSED)),
    "cross-certificate of the issuer, delegate": Case(GOOD, forge.response(signer=W.delegate), target(W.leaf, CROSSED)),
    "an intermediate CA": Case(
        GOOD,
        forge.response(forge.single(W.issuer, W.root), signer=W.root, certificates=[]),
        target(W.issuer, W.root),
    ),
    "a root about itself": Case(
        GOOD, forge.response(forge.single(W.root, W.root), signer=W.root, certificates=[]), target(W.root, W.root)
    ),
    "serial of 20 octets and the highest bit": Case(
        GOOD, forge.response(forge.single(BIG_LEAF)), target(BIG_LEAF, W.issuer)
    ),
    "negative serial": Case(ENCODING, forge.response(forge.single(NEGATIVE_LEAF)), target(NEGATIVE_LEAF, W.issuer)),
    "negative serial, asked about the same octet": Case(
        [*WRONG_CERTIFICATE, *ENCODING], single(serial=0xFF), target(NEGATIVE_LEAF, W.issuer)
    ),
}

# Signatures ----------------------------------------------------------------------------------------

LOW_EXPONENT = forge.world("rsa2048e3")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def first(content: bytes) -> bytes:
    """The first one of several elements."""
    return forge.tlv(*forge.elements(content)[0])


def by_issuer(world: forge.World, **options: t.Any) -> bytes:
    answer = forge.single(world.leaf, world.issuer)
    return forge.response(answer, **{"signer": world.issuer, "certificates": [], **options})


def signed(found: list[str], world: forge.World, **options: t.Any) -> Case:
    return Case(found, by_issuer(world, **options), target(world.leaf, world.issuer))


def cube_root(number: int) -> int:
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < number else (low, middle)
    return low


def forged_without_the_key(tbs: bytes) -> bytes:
    """For an exponent of 3 and a check that ignores what follows the digest (CVE-2006-4339)."""
    front = b"\x00\x01" + b"\xff" * 8 + b"\x00" + forge.digest_info("sha256", tbs)
    root = cube_root(int.from_bytes(front + bytes(256 - len(front)), "big"))
    assert (root**3).to_bytes(256, "big").startswith(front)
    return root.to_bytes(256, "big")


def ecdsa(number_r: int, number_s: int) -> t.Callable[[bytes], bytes]:
    return lambda _tbs: utils.encode_dss_signature(number_r, number_s)


def changed_ecdsa(change: t.Callable[[int, int], bytes]) -> t.Callable[[bytes], bytes]:
    return lambda tbs: change(*utils.decode_dss_signature(forge.sign(W.issuer.key, "ecdsa_sha256", tbs)))


def more_than_the_order(tbs: bytes) -> bytes:
    """The same point and the same S modulo the order, which RFC 8032 5.1.7 forbids."""
    signature = forge.sign(forge.world("ed25519").issuer.key, "ed25519", tbs)
    number = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    return signature[:32] + number.to_bytes(32, "little")


def numbers(number_r: int, number_s: int) -> bytes:
    return forge.integer(number_r) + forge.integer(number_s)


PSS_KEY = forge.key("rsa2048", "for pss alone")
PSS_ISSUER = forge.authority(
    "PSS CA",
    W.root,
    private_key=PSS_KEY,
    raw_key=forge.sequence(
        forge.sequence(forge.oid("1.2.840.113549.1.1.10")), forge.bits(forge.public_key_bits(PSS_KEY))
    ),
)
PSS = forge.World(W.root, PSS_ISSUER, forge.leaf(PSS_ISSUER, scheme="pss_sha256"), W.delegate)

SIGNATURES = {
    "rsa with an exponent of 3": signed(GOOD, LOW_EXPONENT),
    "rsa with an exponent of 3, forged": signed(BAD_SIGNATURE, LOW_EXPONENT, sign_by=forged_without_the_key),
    "rsa of 4096 bits": signed(GOOD, forge.world("rsa4096")),
    "rsa, digest without NULL": signed(
        BAD_SIGNATURE,
        RSA,
        sign_by=lambda tbs: forge.sign_info(RSA.issuer.key, forge.digest_info("sha256", tbs, b"")),
    ),
    "rsa, more behind the digest": signed(
        BAD_SIGNATURE,
        RSA,
        sign_by=lambda tbs: forge.sign_info(RSA.issuer.key, forge.digest_info("sha256", tbs) + forge.NULL),
    ),
    "rsa, sha1 inside and sha256 outside": signed(
        BAD_SIGNATURE,
        RSA,
        sign_by=lambda tbs: forge.sign_info(RSA.issuer.key, forge.digest_info("sha1", tbs)),
    ),
    "rsa, empty": signed(BAD_SIGNATURE, RSA, sign_by=lambda _tbs: b""),
    "rsa, zero": signed(BAD_SIGNATURE, RSA, sign_by=lambda _tbs: bytes(256)),
    "rsa, one": signed(BAD_SIGNATURE, RSA, sign_by=lambda _tbs: bytes(255) + b"\1"),
    "rsa, an octet longer": signed(
        BAD_SIGNATURE, RSA, sign_by=lambda tbs: b"\0" + forge.sign(RSA.issuer.key, "rsa_sha256", tbs)
    ),
    "pss, a shorter salt than it says": signed(
        BAD_SIGNATURE, RSA, scheme="pss_sha256_salt20", signature_algorithm=forge.algorithm("pss_sha256")
    ),
    "pss, a longer salt than it says": signed(
        BAD_SIGNATURE, RSA, scheme="pss_sha256_salt64", signature_algorithm=forge.algorithm("pss_sha256")
    ),
    "pss, a proper salt that it denies": signed(
        ["weak_signature"], RSA, scheme="pss_sha256", signature_algorithm=forge.algorithm("pss_sha256_salt20")
    ),
    "pss, another mask than it says": signed(
        BAD_SIGNATURE, RSA, scheme="pss_sha256_mgfsha1", signature_algorithm=forge.algorithm("pss_sha256")
    ),
    "issuer with a key for pss alone": signed(GOOD, PSS, scheme="pss_sha256"),
    "issuer with a key for pss alone, pkcs1": signed(BAD_SIGNATURE, PSS, scheme="rsa_sha256"),
    "ecdsa, all zero": signed(BAD_SIGNATURE, W, sign_by=ecdsa(0, 0)),  # CVE-2022-21449
    "ecdsa, the order": signed(BAD_SIGNATURE, W, sign_by=ecdsa(P256_ORDER, P256_ORDER)),
    "ecdsa, the other s": signed(
        GOOD, W, sign_by=changed_ecdsa(lambda r, s: utils.encode_dss_signature(r, P256_ORDER - s))
    ),
    "ecdsa, negative": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: forge.sequence(numbers(r, s - P256_ORDER)))
    ),
    "ecdsa, more behind the numbers": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: forge.sequence(numbers(r, s), forge.NULL))
    ),
    "ecdsa, more behind": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: forge.sequence(numbers(r, s)) + b"\0")
    ),
    "ecdsa, indefinite length": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: forge.indefinite(0x30, numbers(r, s)))
    ),
    "ecdsa, length that is not minimal": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: forge.long_length(0x30, numbers(r, s)))
    ),
    "ecdsa, raw numbers": signed(
        BAD_SIGNATURE, W, sign_by=changed_ecdsa(lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    ),
    "p384, sha256": signed(GOOD, forge.world("p384"), scheme="ecdsa_sha256"),
    "p521, sha256": signed(GOOD, forge.world("p521"), scheme="ecdsa_sha256"),
    "ed25519, more than the order": signed(BAD_SIGNATURE, forge.world("ed25519"), sign_by=more_than_the_order),
    "ed25519, cut": signed(BAD_SIGNATURE, forge.world("ed25519"), sign_by=lambda _tbs: bytes(63)),
    "ed448, zero": signed(BAD_SIGNATURE, forge.world("ed448"), sign_by=lambda _tbs: bytes(114)),
    "the signature of another response": signed(
        BAD_SIGNATURE,
        W,
        sign_by=lambda _tbs: forge.sign(
            W.issuer.key, "ecdsa_sha256", first(forge.elements(forge.basic_response(MY_REVOCATION))[0][1])
        ),
    ),
}

STRONG = ("rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519", "ed448")
PSS_SCHEMES = ("pss_sha256", "pss_sha384", "pss_sha512")


def by_delegate(kind: str, scheme: t.Optional[str] = None) -> Case:
    """By a delegate whose certificate the issuer signed with that kind of key."""
    world = forge.world(kind)
    delegate = forge.delegate(world.issuer, scheme=scheme)
    answer = forge.single(world.leaf, world.issuer)
    return Case(GOOD, forge.response(answer, signer=delegate), target(world.leaf, world.issuer))


SIGNATURES.update({f"delegate by {kind}": by_delegate(kind) for kind in STRONG})
SIGNATURES.update({f"delegate by {scheme}": by_delegate("rsa2048", scheme) for scheme in PSS_SCHEMES})

# Who signs -----------------------------------------------------------------------------------------

BASIC_CONSTRAINTS, KEY_USAGE, EKU, NOCHECK = EXTENSIONS = forge.DELEGATE_EXTENSIONS
SIGNING_LEAF = forge.leaf(W.issuer, extensions=EXTENSIONS)
CERTIFICATE_POLICIES = forge.extension("2.5.29.32", forge.sequence(forge.sequence(forge.oid("2.5.29.32.0"))), True)


def delegated(
    found: list[str], *extensions: bytes, responder: t.Union[str, bytes] = "key", now: datetime = NOW, **options: t.Any
) -> Case:
    """By a delegate with such extensions, and whatever else the forge can do to its certificate."""
    delegate = forge.delegate(W.issuer, extensions=extensions or EXTENSIONS, **options)
    return Case(found, forge.response(signer=delegate, responder=responder), now=now)


def embedded(found: list[str], *certificates: bytes, **options: t.Any) -> Case:
    """By the delegate, with these certificates."""
    return Case(found, forge.response(certificates=certificates, **{"signer": W.delegate, **options}))


def broken(**options: t.Any) -> bytes:
    """Another certificate of the delegate that cannot be used."""
    return forge.delegate(W.issuer, private_key=W.delegate.key, serial=0x3333, **options).der


VERSION_5 = forge.delegate(
    W.issuer,
    private_key=W.delegate.key,
    reshape=lambda tbs: tbs.replace(forge.tlv(0xA0, forge.integer(2)), forge.tlv(0xA0, forge.integer(4)), 1),
).der
FRACTION = forge.sequence(forge.raw_time("20260101000000.5Z"), forge.x509_time(NOW + 60 * DAY))
NAMES = {
    "printable": (forge.PRINTABLE_STRING, b"CA"),
    "ia5": (0x16, b"CA"),
    "t61": (0x14, b"C\xc4"),
    "bmp": (0x1E, "CÄ".encode("utf-16-be")),
    "bmp, odd": (0x1E, b"\0C\0"),
    "universal": (0x1C, "CÄ".encode("utf-32-be")),
    "numeric": (0x12, b"42"),
    "utf8 that is none": (0x0C, b"\xff\xfe"),
    "bit string": (0x03, b"\0CA"),
    "tag 14": (0x0E, b"CA"),
    "high tag": (0x3E, b""),
}


def odd_name(tag: int, text: bytes) -> bytes:
    return forge.sequence(forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.tlv(tag, text))))


def named(name: bytes, found: t.Optional[list[str]] = None) -> Case:
    """By an issuer of that name, found by it."""
    issuer = forge.authority(name, W.root)
    leaf = forge.leaf(issuer)
    answer = forge.single(leaf, issuer)
    data = forge.response(answer, signer=issuer, responder="name", certificates=[])
    return Case(found or GOOD, data, target(leaf, issuer))


AUTHORITY = {
    "delegate by a delegate": Case(
        UNAUTHORIZED,
        forge.response(
            signer=forge.delegate(W.delegate, "Second"),
            certificates=[forge.delegate(W.delegate, "Second").der, W.delegate.der],
        ),
    ),
    "delegate by the leaf": Case(UNAUTHORIZED, forge.response(signer=forge.delegate(W.leaf, "Second"))),
    "the leaf, which has the purpose, about another": Case(
        ["(responder_profile)"],
        forge.response(
            signer=forge.leaf(W.issuer, serial=0x1002, extensions=(*EXTENSIONS, forge.subject_alt_name("x")))
        ),
    ),
    "critical purpose": delegated(
        GOOD, BASIC_CONSTRAINTS, KEY_USAGE, forge.extended_key_usage(forge.OCSP_SIGNING, critical=True), NOCHECK
    ),
    "critical policies": delegated(GOOD, *EXTENSIONS, CERTIFICATE_POLICIES),
    "critical nocheck": delegated(
        MISLEADING, BASIC_CONSTRAINTS, KEY_USAGE, EKU, forge.extension(forge.OCSP_NOCHECK, forge.NULL, True)
    ),
    "critical name constraints": delegated(
        ["unknown_critical_extension", "(responder_profile)"],
        *EXTENSIONS,
        forge.extension("2.5.29.30", forge.sequence(), True),
    ),
    "nocheck that is no NULL": delegated(
        ENCODING, BASIC_CONSTRAINTS, KEY_USAGE, EKU, forge.extension(forge.OCSP_NOCHECK, b"\x05\x01\x00")
    ),
    "only another purpose": delegated(
        [*UNAUTHORIZED, "(responder_profile)"],
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        forge.extended_key_usage(forge.SERVER_AUTH),
        NOCHECK,
    ),
    "no purposes at all": delegated(
        [*UNAUTHORIZED, "(responder_profile)"], BASIC_CONSTRAINTS, KEY_USAGE, forge.extended_key_usage(), NOCHECK
    ),
    "early within the tolerance": delegated(GOOD, not_before=NOW + 5 * MINUTE),
    "early beyond the tolerance": delegated(
        ["responder_certificate_not_yet_valid"], not_before=NOW + 5 * MINUTE + SECOND
    ),
    "ends now": delegated(["(shortened_life)"], not_after=NOW),
    "begins in 1950": delegated(GOOD, not_before=datetime(1950, 1, 1, tzinfo=timezone.utc)),
    "never ends": delegated(GOOD, not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
    "fraction in its validity": delegated([*UNAUTHORIZED, *UNREADABLE], raw_validity=FRACTION),
    "name of another string type": delegated(
        MISLEADING, responder=forge.tlv(0xA1, forge.name("Responder", tag=forge.PRINTABLE_STRING))
    ),
    "name in other letters": delegated(MISLEADING, responder=forge.tlv(0xA1, forge.name("  RESPONDER "))),
    "name and more": delegated(UNAUTHORIZED, responder=forge.tlv(0xA1, forge.name("Responder 2"))),
    "name cut": delegated(UNAUTHORIZED, responder=forge.tlv(0xA1, forge.name("Respond"))),
    "empty name": delegated(UNAUTHORIZED, responder=forge.tlv(0xA1, forge.sequence())),
    "one delegate twice": embedded(GOOD, W.delegate.der, W.delegate.der),
    "forty surplus certificates": embedded(
        TOO_LARGE, *[forge.leaf(W.issuer, serial=n).der for n in range(40)], W.delegate.der
    ),
    "beside one of a version that does not exist": embedded(UNREADABLE, VERSION_5, W.delegate.der),
    "beside one with a fraction in its validity": embedded(UNREADABLE, broken(raw_validity=FRACTION), W.delegate.der),
    "beside one with a serial that is not minimal": embedded(
        UNREADABLE, broken(raw_serial=forge.tlv(0x02, b"\0\5")), W.delegate.der
    ),
    "beside one with a key off the curve": embedded(
        UNREADABLE,
        broken(
            raw_key=forge.sequence(
                forge.sequence(forge.oid("1.2.840.10045.2.1"), forge.oid("1.2.840.10045.3.1.7")),
                forge.bits(b"\x04" + b"\x01" * 64),
            )
        ),
        W.delegate.der,
        responder="name",
    ),
    "beside one with extensions that stand twice": embedded(
        UNREADABLE, broken(extensions=(*EXTENSIONS, NOCHECK)), W.delegate.der
    ),
    "beside one with a broken signature": embedded(
        ["(misleading_certificate)"], broken(flip_signature=True), W.delegate.der
    ),
    "beside one with trailing data": embedded(
        UNREADABLE, forge.sequence(forge.elements(W.delegate.der)[0][1], forge.NULL), W.delegate.der
    ),
    "only with trailing data": embedded(
        [*UNAUTHORIZED, *UNREADABLE], forge.sequence(forge.elements(W.delegate.der)[0][1], forge.NULL)
    ),
    "beside something that is no certificate at all": embedded(MALFORMED, forge.integer(1), W.delegate.der),
    "a cross-certificate of the issuer beside the issuer's signature": Case(
        GOOD, forge.response(certificates=[CROSSED.der])
    ),
}
#: Those that OpenSSL does not read, so that for its clients and hitch there is no response.
UNREADABLE_NAMES = ("bmp, odd", "utf8 that is none", "tag 14", "high tag")
AUTHORITY.update(
    {
        f"issuer's name: {kind}": named(odd_name(*NAMES[kind]), MALFORMED if kind in UNREADABLE_NAMES else None)
        for kind in NAMES
    }
)

# Bytes ---------------------------------------------------------------------------------------------

SCT_LIST = "1.3.6.1.4.1.11129.2.4.5"
NONCE = b"\x01" * 32
FALSE = b"\x01\x01\x00"
RAW_EXTENSION = forge.oid(forge.UNKNOWN_OID)
BASIC = forge.basic_response()
SUCCESS = forge.tlv(0x0A, b"\0")
NEXT_UPDATE = forge.tlv(0xA0, forge.generalized(NOW + DAY))


def wrapped(basic: bytes) -> bytes:
    """OCSPResponse with that in the place of the octet string."""
    return forge.sequence(SUCCESS, forge.tlv(0xA0, forge.sequence(forge.oid(forge.OCSP_BASIC), basic)))


def signature_bits(content: bytes) -> bytes:
    data, algorithm, _signature = forge.elements(forge.elements(BASIC)[0][1])
    return forge.wrap(forge.sequence(forge.tlv(*data), forge.tlv(*algorithm), forge.tlv(0x03, content)))


STRUCTURE = {
    "extensions, none in the response": Case(ENCODING, forge.response(extra_data=forge.tlv(0xA1, forge.sequence()))),
    "extensions, none in the answer": Case(ENCODING, single(raw_extensions=forge.sequence())),
    "no certificates": Case(GOOD, forge.response(extra_basic=forge.tlv(0xA0, forge.sequence()))),
    "sct list that is none": Case(GOOD, single(extensions=[forge.extension(SCT_LIST, b"\xde\xad\xbe\xef")])),
    "critical sct list": Case(
        ["unknown_critical_extension"], single(extensions=[forge.extension(SCT_LIST, forge.octets(b""), True)])
    ),
    "critical revocation reason": Case(
        ["unknown_critical_extension", "(unexpected_extension)"],
        single(extensions=[forge.extension("2.5.29.21", b"\x0a\x01\x01", True)]),
    ),
    "critical archive cutoff": Case(
        ["unknown_critical_extension"],
        single(extensions=[forge.extension("1.3.6.1.5.5.7.48.1.6", forge.generalized(NOW - DAY), True)]),
    ),
    "critical service locator": Case(
        ["unknown_critical_extension"],
        single(extensions=[forge.extension("1.3.6.1.5.5.7.48.1.7", forge.sequence(W.issuer.subject), True)]),
    ),
    "critical nonce in the answer": Case(["unknown_critical_extension"], single(extensions=[forge.nonce(NONCE, True)])),
    "critical unknown in both": Case(
        ["unknown_critical_extension"],
        forge.response(
            forge.single(extensions=[forge.unknown_extension(True)]), extensions=[forge.unknown_extension(True)]
        ),
    ),
    "criticality written out": Case(
        ENCODING, forge.response(extensions=[forge.sequence(RAW_EXTENSION, FALSE, forge.octets(b""))])
    ),
    "criticality of BER": Case(
        MALFORMED, forge.response(extensions=[forge.sequence(RAW_EXTENSION, b"\x01\x01\x01", forge.octets(b""))])
    ),
    "octet string in pieces": Case(
        MALFORMED, wrapped(forge.tlv(0x24, forge.octets(BASIC[:9]), forge.octets(BASIC[9:])))
    ),
    "octet string of indefinite length": Case(MALFORMED, wrapped(forge.indefinite(0x24, forge.octets(BASIC)))),
    "basic response as it is": Case(MALFORMED, wrapped(BASIC)),
    "basic response as a bit string": Case(MALFORMED, wrapped(forge.bits(BASIC))),
    "signature of no whole octets": Case(MALFORMED, signature_bits(b"\x01" + b"\0" * 70)),
    "signature without the octet before it": Case(MALFORMED, signature_bits(b"")),
    "signature of no octets": Case(BAD_SIGNATURE, signature_bits(b"\0")),
    "busy, with a good answer": Case(
        ["not_successful"],
        forge.sequence(
            forge.tlv(0x0A, b"\3"), forge.tlv(0xA0, forge.sequence(forge.oid(forge.OCSP_BASIC), forge.octets(BASIC)))
        ),
    ),
    "status of two octets that is successful": Case(
        MALFORMED,
        forge.sequence(forge.tlv(0x0A, b"\0\0"), forge.tlv(*forge.elements(forge.elements(wrapped(b""))[0][1])[1])),
    ),
    "version with a zero in front": Case(MALFORMED, forge.response(raw_version=forge.tlv(0xA0, b"\x02\x02\x00\x00"))),
    "version without a number": Case(MALFORMED, forge.response(raw_version=forge.tlv(0xA0))),
    "version 2^64": Case(MALFORMED, forge.response(version=2**64)),
    "responder's name without its wrapping": Case(
        MALFORMED, forge.response(responder=forge.tlv(0xA1, forge.elements(W.issuer.subject)[0][1]))
    ),
    "responder's key without its wrapping": Case(
        MALFORMED, forge.response(responder=forge.tlv(0x82, hashlib.sha1(forge.public_key_bits(W.issuer.key)).digest()))
    ),
    "both responders": Case(
        MALFORMED, forge.response(responder=forge.responder_name(W.issuer) + forge.responder_key(W.issuer))
    ),
    "no responder": Case(MALFORMED, forge.response(responder=b"")),
    "good, constructed": Case(MALFORMED, single(status=forge.tlv(0xA0))),
    "good, as a NULL in wrapping": Case(MALFORMED, single(status=forge.tlv(0xA0, forge.NULL))),
    "unknown, constructed": Case(MALFORMED, single(status=forge.tlv(0xA2))),
    "revoked, primitive": Case(MALFORMED, single(status=forge.tlv(0x81, forge.generalized(NOW - DAY)))),
    "revoked and good": Case(MALFORMED, single(status=forge.tlv(0xA1, forge.generalized(NOW - DAY)) + forge.tlv(0x80))),
    "no status": Case(MALFORMED, single(status=b"")),
    "high tag": Case(MALFORMED, forge.response(extra_data=b"\xbf\x1f\x00")),
    "next update without its wrapping": Case(MALFORMED, single(next_update=None, extra=forge.generalized(NOW + DAY))),
    "next update behind the extensions": Case(
        MALFORMED, single(next_update=None, extensions=[forge.unknown_extension()], extra=NEXT_UPDATE)
    ),
    "next update twice": Case(MALFORMED, single(next_update=forge.generalized(NOW + DAY), extra=NEXT_UPDATE)),
    "answers that are a set": Case(
        MALFORMED, forge.response(reshape=lambda tbs: tbs.replace(forge.sequence(MINE), forge.tlv(0x31, MINE)))
    ),
    "unknown digest of another's answer": Case(
        ["(mixed_issuers)", "(other_answer_first)"],
        forge.response(forge.single(serial=7, digest_oid="2.16.840.1.101.3.4.2.8"), MINE),
    ),
}

# Times ---------------------------------------------------------------------------------------------

LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
TIMES = {
    "no well-defined end": Case(["(unusual_interval)"], single(next_update=LAST)),
    "begins at the end of time": Case(
        ["not_yet_valid", "(unusual_interval)"], single(this_update=LAST, next_update=LAST)
    ),
    "begins in the year 1": Case(
        ["too_old", "(unusual_interval)"], single(this_update="00010101000000Z", next_update=NOW + DAY)
    ),
    "year 0": Case(MALFORMED, single(this_update="00000101000000Z")),
    "29 February": Case(MALFORMED, single(next_update="20270229000000Z")),
    "24 o'clock": Case(MALFORMED, single(next_update="20260307240000Z")),
    "comma": Case(MALFORMED, single(next_update="20260307050607,5Z")),
    "small z": Case(MALFORMED, single(next_update="20260307050607z")),
    "digits of another script": Case(MALFORMED, single(next_update="2026030705060\u0667Z")),
    "revoked in the future": Case(["revoked"], single(status="revoked", revocation_time=NOW + DAY)),
    "revoked before all": Case(["revoked"], single(status="revoked", revocation_time="00010101000000Z")),
    "all at once": Case(
        ["(unusual_interval)"],
        forge.response(forge.single(this_update=NOW, next_update=NOW), produced_at=NOW),
    ),
    "without next update, seven hours": Case(
        GOOD, single(this_update=NOW - 7 * HOUR, next_update=None), rules=NO_NEXT_UPDATE
    ),
    "without next update, beside one that ended": Case(
        ["expired", "(unusual_interval)"],
        forge.response(
            forge.single(next_update=None),
            forge.single(digest="sha256", this_update=NOW - HOUR, next_update=NOW - SECOND),
        ),
        rules=NO_NEXT_UPDATE,
    ),
    "without next update, ends with the delegate": Case(
        ["(shortened_life)"],
        forge.response(
            forge.single(this_update=NOW - HOUR, next_update=None),
            signer=forge.delegate(W.issuer, not_after=NOW + HOUR),
        ),
        rules=NO_NEXT_UPDATE,
    ),
}

# Nonces --------------------------------------------------------------------------------------------

UNWRAPPED = forge.extension(forge.OCSP_NONCE, NONCE)  # as RFC 2560 and cryptography before 36 have it
NONCES = {
    "unwrapped, as sent": Case(["nonce_mismatch"], forge.response(extensions=[UNWRAPPED]), nonce=NONCE),
    "unwrapped, unsolicited": Case(GOOD, forge.response(extensions=[UNWRAPPED])),
    "of 128 octets": Case(GOOD, forge.response(extensions=[forge.nonce(bytes(128))]), nonce=bytes(128)),
    "of 1000 octets, unsolicited": Case(GOOD, forge.response(extensions=[forge.nonce(bytes(1000))])),
    "wrapped twice": Case(
        ["nonce_mismatch"], forge.response(extensions=[forge.nonce(forge.octets(NONCE))]), nonce=NONCE
    ),
    "and more": Case(
        ["nonce_mismatch"],
        forge.response(extensions=[forge.extension(forge.OCSP_NONCE, forge.octets(NONCE) + b"\0")]),
        nonce=NONCE,
    ),
    "critical, unsolicited": Case(
        ["unknown_critical_extension"], forge.response(extensions=[forge.nonce(NONCE, True)])
    ),
    "in the answer only": Case(GOOD, single(extensions=[forge.nonce(b"2" * 32)]), nonce=NONCE),
    "of another, by a delegate": Case(
        ["nonce_mismatch"], forge.response(signer=W.delegate, extensions=[forge.nonce(b"2" * 32)]), nonce=NONCE
    ),
}

TABLES = {
    "identity": IDENTITY,
    "signature": SIGNATURES,
    "authority": AUTHORITY,
    "structure": STRUCTURE,
    "times": TIMES,
    "nonce": NONCES,
}
CASES = [
    pytest.param(case, id=f"{table}-{name}", marks=pytest.mark.counted("generated", False))
    for table, cases in TABLES.items()
    for name, case in cases.items()
]


def found(judgement: Judgement) -> list[str]:
    return judgement.errors + [f"({code})" for code in judgement.warnings]


@pytest.mark.parametrize("case", CASES)
def test_found(case: Case) -> None:
    judgement = case.judge()
    assert sorted(found(judgement)) == sorted(case.found)
    # Found for what it is: a defect of ours or of the library would be called malformed as well.
    assert "cannot be read (" not in judgement.message
    if judgement.acceptable:
        assert judgement.certificate_status == "good"


# Every element, one after the other ----------------------------------------------------------------

BER = {"indefinite": forge.indefinite, "long": forge.long_length}


def rich(reshape: t.Callable[[bytes], bytes] = bytes, certificate: bytes = W.delegate.der) -> Case:
    """All that a response may hold."""
    data = forge.response(
        forge.single(extensions=[forge.unknown_extension()]),
        forge.single(serial=7, status="revoked", reason="key_compromise"),
        signer=W.delegate,
        responder="name",
        version=0,
        extensions=[forge.nonce(NONCE), forge.unknown_extension()],
        reshape=reshape,
        certificates=[certificate],
    )
    return Case(ENCODING, data)


def seen_by(make: t.Callable[[t.Callable[[bytes], bytes]], t.Any]) -> bytes:
    """What is going to be signed."""
    seen = []
    make(lambda data: seen.append(data) or data)  # type: ignore[func-returns-value]
    return seen[0]


@pytest.mark.counted("generated", False)
@pytest.mark.parametrize("change", list(BER.values()), ids=list(BER))
def test_nothing_in_a_response_may_be_ber(change: t.Callable[[int, bytes], bytes]) -> None:
    assert found(rich().judge()) == ENCODING  # it writes out v1
    changed = list(forge.each_changed(seen_by(rich), change))
    assert len(changed) > 50
    verdicts = [tuple(rich(lambda _data, data=data: data).judge().errors) for data in changed]  # type: ignore[misc]
    assert set(verdicts) == {("malformed",)}


@pytest.mark.counted("generated", False)
@pytest.mark.parametrize("change", list(BER.values()), ids=list(BER))
def test_nothing_in_the_certificate_of_a_delegate_may_be_ber(change: t.Callable[[int, bytes], bytes]) -> None:
    def made(reshape: t.Callable[[bytes], bytes]) -> forge.Entity:
        return forge.delegate(W.issuer, private_key=W.delegate.key, reshape=reshape)

    assert found(rich(certificate=made(bytes).der).judge()) == ENCODING
    changed = list(forge.each_changed(seen_by(made), change))
    assert len(changed) > 40
    for data in changed:
        certificate = made(lambda _data, data=data: data).der  # type: ignore[misc]
        assert rich(certificate=certificate).judge().errors == UNAUTHORIZED


# A host with a policy of its own -------------------------------------------------------------------

POLICY = """
openssl_conf = start
[start]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
"""
JUDGE = """
import sys
from datetime import datetime, timezone
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import judge
leaf, issuer, data = (bytes.fromhex(word) for word in sys.argv[1:4])
on = Target(Certificate.from_der(leaf), Certificate.from_der(issuer))
judgement = judge(data, on, datetime.fromtimestamp(float(sys.argv[4]), timezone.utc))
print(*judgement.errors)
print(judgement.message)
"""
FIND = """
import sys
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, find_issuer
leaf, issuer = (Certificate.from_der(bytes.fromhex(word)) for word in sys.argv[1:3])
try:
    find_issuer(leaf, [issuer], [], "chain.pem")
except InputError as error:
    print(error.code)
"""


def run_under_policy(folder: Path, script: str, *data: bytes) -> str:
    (folder / "openssl.cnf").write_text(POLICY)
    done = subprocess.run(
        [sys.executable, "-c", script, *(one.hex() for one in data), str(NOW.timestamp())],
        env={**os.environ, "OPENSSL_CONF": str(folder / "openssl.cnf"), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.counted("generated", False)
def test_where_the_policy_forbids_it_no_issuer_is_found(tmp_path: Path) -> None:
    """And nothing breaks on the way, where what was found is remembered by a digest."""
    said = run_under_policy(tmp_path, FIND, W.leaf.der, W.issuer.der)
    knows_none = backend.openssl_version_text().startswith("OpenSSL 1.")
    assert said == ("" if knows_none else "issuer_mismatch\n")


@pytest.mark.counted("generated", False)
@pytest.mark.parametrize("world", [W, RSA], ids=["ecdsa", "rsa"])
def test_what_the_policy_of_the_host_forbids_is_not_accepted(world: forge.World, tmp_path: Path) -> None:
    """OpenSSL 3 without the algorithms, as RHEL forbids SHA-1 and others: refused, and said why."""
    said = run_under_policy(tmp_path, JUDGE, world.leaf.der, world.issuer.der, by_issuer(world))
    codes, message = said.splitlines()
    if backend.openssl_version_text().startswith("OpenSSL 1."):
        assert (codes, message) == ("", "")  # it knows no such policy
    else:
        assert codes == "issuer_mismatch bad_signature"
        assert f"this host cannot check {forge.default_scheme(world.issuer.key)}" in message
