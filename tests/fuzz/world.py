# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small PKI that is the same in each process, and what signs anew what was changed.

The keys come of fixed numbers, so that an input that was signed today verifies tomorrow, on another
machine and under another version of cryptography. Nothing is random but by the chance that is passed in.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import random
import typing as t
from pathlib import Path

from ansible_collections.certops.ocsp.tests.fuzz import tree
from ansible_collections.certops.ocsp.tests.fuzz.tree import Forest, Node
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = forge.NOW

VECTORS = Path(os.environ.get("OCSP_VECTORS") or Path(__file__).resolve().parents[2].parent / "shared" / "vectors")
_SUITES = ("boringssl_ocsp_unittest", "openssl_ocsp_tests", "rfc5019bis_example")

# Keys --------------------------------------------------------------------------------------------

#: How far the next fitting prime is from the number that a label stands for.
_TO_THE_NEXT_PRIME = {"p": 1734, "q": 408}


def _prime(label: str) -> int:
    octets = b"".join(hashlib.sha512(f"{label} {index}".encode()).digest() for index in range(2))
    return (int.from_bytes(octets, "big") | 3 << 1022 | 1) + _TO_THE_NEXT_PRIME[label]


def _rsa_key() -> t.Any:
    p, q, exponent = _prime("p"), _prime("q"), 65537
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def _p256_key(label: str) -> t.Any:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(label.encode()).digest(), "big") >> 1, ec.SECP256R1())


def _ed25519_key(label: str) -> t.Any:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())


# Certificates ------------------------------------------------------------------------------------


@functools.cache
def issuer() -> forge.Entity:
    """An issuer whose key signs quickly, and the same in each version of cryptography."""
    return forge.authority("Issuing CA", private_key=_ed25519_key("issuer"))


@functools.cache
def leaf() -> forge.Entity:
    return forge.leaf(issuer(), private_key=_p256_key("leaf"))


@functools.cache
def impostor() -> forge.Entity:
    """A CA with the name of the issuer and another key."""
    return forge.authority("Issuing CA", private_key=_ed25519_key("impostor"), serial=0x666)


@functools.cache
def signers() -> dict[str, forge.Entity]:
    """Who may sign for the issuer, and who may not."""
    return {
        "issuer": issuer(),
        "delegate": forge.delegate(issuer(), "Delegate", private_key=_ed25519_key("delegate")),
        "delegate_p256": forge.delegate(issuer(), "Delegate P-256", private_key=_p256_key("delegate")),
        "delegate_rsa": forge.delegate(issuer(), "Delegate RSA", private_key=_rsa_key()),
        "impostor": impostor(),
        "impostor's delegate": forge.delegate(impostor(), "Delegate", private_key=_ed25519_key("impostor's")),
    }


@functools.cache
def _made() -> frozenset[bytes]:
    return frozenset(entity.der for entity in (*signers().values(), leaf()))


# Signing -----------------------------------------------------------------------------------------

_RSA_SCHEMES = ("rsa_sha256",) * 5 + ("rsa_sha384", "rsa_sha512", "rsa_sha1")


def _scheme(chance: random.Random, entity: forge.Entity) -> str:
    if isinstance(entity.key, rsa.RSAPrivateKey):
        return chance.choice(_RSA_SCHEMES)
    return forge.default_scheme(entity.key)


def _sign(entity: forge.Entity, scheme: str, data: bytes) -> bytes:
    """As L(forge.sign), but always the same signature for the same data."""
    if scheme == "ecdsa_sha256":
        return entity.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    if scheme == "rsa_sha1":  # quicker than by hand
        return entity.key.sign(data, padding.PKCS1v15(), hashes.SHA1())
    return forge.sign(entity.key, scheme, data)


def _element(data: bytes) -> Node:
    return tree.parse(data)[0]


def sign_certificate(chance: random.Random, forest: Forest) -> None:
    """Sign the certificate that a forest begins with, if it is one, as the issuer would."""
    try:
        whole = forest[0]
        data, replaced = whole.at(0), whole.at(1)
    except IndexError:
        return
    scheme = _scheme(chance, issuer())
    algorithm = _element(forge.algorithm(scheme))
    data.children = [algorithm if child == replaced else child for child in data.children]
    whole.children = [data, algorithm, Node(0x03, b"\0" + _sign(issuer(), scheme, data.encode()))]


def basic_response(forest: Forest) -> Node:
    """The BasicOCSPResponse in an OCSPResponse. Raises IndexError where there is none."""
    return forest[0].at(1, 0, 1, 0)


def sign_response(chance: random.Random, forest: Forest) -> None:
    """Sign the response that a forest begins with, if it is one, and the certificates in it that were changed."""
    try:
        basic = basic_response(forest)
        data = basic.at(0)
        basic.at(2)
    except IndexError:
        return
    entity = chance.choice([issuer(), issuer(), signers()["delegate"], *signers().values()])
    _sign_certificates(chance, basic)
    if chance.random() < 0.7:
        _introduce(chance, basic, data, entity)
    scheme = _scheme(chance, entity)
    signature = _sign(entity, scheme, data.encode())
    basic.children[1:3] = [_element(forge.algorithm(scheme)), Node(0x03, b"\0" + signature)]


def _sign_certificates(chance: random.Random, basic: Node) -> None:
    try:
        certificates = basic.at(3, 0).children
    except IndexError:
        return
    for index, certificate in enumerate(certificates):
        if certificate.encode() not in _made() and chance.random() < 0.8:
            alone = [certificate]
            sign_certificate(chance, alone)
            certificates[index] = alone[0]


def _introduce(chance: random.Random, basic: Node, data: Node, entity: forge.Entity) -> None:
    """Name the signer in the response, and add its certificate where none is."""
    makers = (forge.responder_name, forge.responder_key)
    identity = _element(chance.choice(makers)(entity))
    for index, child in enumerate(data.children[:2]):
        if child.tag in (0xA1, 0xA2):
            data.children[index] = identity
            break
    if entity is not issuer() and (len(basic.children) == 3 or chance.random() < 0.3):
        basic.children[3:] = [_element(forge.tlv(0xA0, forge.sequence(entity.der)))]


# Seeds -------------------------------------------------------------------------------------------


def answer(**options: t.Any) -> bytes:
    """A SingleResponse about the leaf of this world; the options are those of L(forge.single)."""
    return forge.single(leaf(), issuer(), **options)


def respond(*answers: bytes, signer: str = "issuer", **options: t.Any) -> bytes:
    """An OCSPResponse of this world; the options are those of L(forge.response)."""
    entity = signers()[signer]
    if entity is issuer():
        options.setdefault("certificates", [])
    return forge.response(*(answers or (answer(),)), signer=entity, **options)


def responses() -> dict[str, bytes]:
    """Responses of every structure, by a name for each."""
    day, now = forge.DAY, NOW
    other = forge.single(leaf(), issuer(), serial=0x77)
    plain = {
        "good": respond(),
        "by name": respond(responder="name"),
        "sha256": respond(answer(digest="sha256")),
        "sha384": respond(answer(digest="sha384", parameters=b"")),
        "sha512": respond(answer(digest="sha512")),
        "both digests": respond(answer(), answer(digest="sha256")),
        "unknown": respond(answer(status="unknown")),
        "revoked": respond(answer(status="revoked")),
        "revoked for a reason": respond(answer(status="revoked", reason="key_compromise")),
        "on hold": respond(answer(status="revoked", reason="certificate_hold", revocation_time="19700101000000Z")),
        "good and revoked": respond(answer(), answer(status="revoked")),
        "without nextUpdate": respond(answer(next_update=None)),
        "expired": respond(answer(this_update=now - 5 * day, next_update=now - day)),
        "early": respond(answer(this_update=now + day)),
        "old": respond(answer(this_update=now - 9 * day)),
        "backwards": respond(answer(this_update=now - day, next_update=now - 2 * day)),
        "produced late": respond(produced_at=now + day),
        "explicit v1": respond(version=0),
        "v2": respond(version=1),
        "other serial": respond(other),
        "among others": respond(other, answer(), other),
        "no answer": respond(no_singles=True),
        "nonce": respond(extensions=[forge.extension(forge.OCSP_NONCE, forge.octets(bytes(32)))]),
        "unknown extension": respond(extensions=[forge.unknown_extension()]),
        "critical extension": respond(extensions=[forge.unknown_extension(critical=True)]),
        "extended revoke": respond(extensions=[forge.extension(forge.OCSP_EXTENDED_REVOKE, forge.NULL)]),
        "archive cutoff": respond(
            answer(extensions=[forge.extension("1.3.6.1.5.5.7.48.1.6", forge.generalized(now - 365 * day), True)])
        ),
        "reason extension": respond(answer(extensions=[forge.extension("2.5.29.21", forge.tlv(0x0A, b"\1"))])),
        "surplus certificate": respond(certificates=[leaf().der, b"\x30\x00"]),
        "sha1 signature": respond(signer="delegate_rsa", scheme="rsa_sha1"),
        "md5 signature": respond(signer="delegate_rsa", scheme="rsa_md5"),
        "sha512 signature": respond(signer="delegate_rsa", scheme="rsa_sha512"),
        "pss of another digest": respond(
            signer="delegate_rsa", signature_algorithm=forge.algorithm("pss_sha384_mgfsha256_salt20")
        ),
        "pss of nothing": respond(signer="delegate_rsa", signature_algorithm=forge.algorithm("pss_sha1")),
        "unknown scheme": respond(signature_algorithm=forge.sequence(forge.oid(forge.UNKNOWN_OID))),
        "wrong signature": respond(flip_signature=True),
        "trailing": respond(trailing=b"\0"),
        "other type": forge.wrap(b"", response_type=forge.UNKNOWN_OID),
        "without bytes": forge.wrap(None),
    }
    plain.update({status: forge.error_response(status) for status in forge.STATUSES if status != "successful"})
    for name in ("delegate", "delegate_rsa", "impostor", "impostor's delegate"):
        plain[f"by {name}"] = respond(signer=name)
        plain[f"by {name}, by name"] = respond(signer=name, responder="name")
    plain.update({f"delegate {name}": _by(entity) for name, entity in _odd_delegates().items()})
    return plain


def _by(entity: forge.Entity) -> bytes:
    return forge.response(answer(), signer=entity)


def _odd_delegates() -> dict[str, forge.Entity]:
    usual = {
        "constraints": forge.basic_constraints(False),
        "usage": forge.key_usage("digital_signature"),
        "purpose": forge.extended_key_usage(forge.OCSP_SIGNING),
        "nocheck": forge.nocheck(),
    }
    changes: dict[str, dict[str, bytes]] = {
        "without purpose": {"purpose": b""},
        "without nocheck": {"nocheck": b""},
        "for anything": {"purpose": forge.extended_key_usage(forge.ANY_EKU)},
        "for two purposes": {"purpose": forge.extended_key_usage(forge.SERVER_AUTH, forge.OCSP_SIGNING, critical=True)},
        "as CA": {"constraints": forge.basic_constraints(True)},
        "of another usage": {"usage": forge.key_usage("key_encipherment")},
        "of two usages": {"usage": forge.key_usage("digital_signature", "content_commitment")},
        "with a critical extension": {"more": forge.unknown_extension(critical=True)},
        "with names": {"more": forge.extension("2.5.29.17", forge.sequence(forge.tlv(0x82, b"example.com")))},
        "with a stapling feature": {"more": forge.must_staple()},
    }
    made = {
        name: forge.delegate(
            issuer(),
            f"Delegate {name}",
            private_key=_ed25519_key(name),
            extensions=[extension for extension in {**usual, **change}.values() if extension],
        )
        for name, change in changes.items()
    }
    periods = {"expired": (NOW - 60 * forge.DAY, NOW - forge.DAY), "early": (NOW + forge.DAY, NOW + 60 * forge.DAY)}
    for name, (begin, end) in periods.items():
        made[name] = forge.delegate(
            issuer(), f"Delegate {name}", private_key=_ed25519_key(name), not_before=begin, not_after=end
        )
    return made


def certificates() -> dict[str, bytes]:
    """Certificates of every structure, by a name for each."""
    text = forge.name("Zürich", tag=forge.UTF8_STRING)
    odd = forge.sequence(
        forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.tlv(0x1E, "Ω".encode("utf-16-be")))),
        forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.10"), forge.tlv(0x14, b"Caf\xe9"))),
        forge.tlv(
            0x31,
            forge.sequence(forge.oid("2.5.4.11"), forge.tlv(0x13, b"One  Unit")),
            forge.sequence(forge.oid("2.5.4.45"), forge.bits(b"\1\2")),
        ),
    )
    made = {name: entity.der for name, entity in {**signers(), **_odd_delegates()}.items()}
    made.update(
        {
            "leaf": leaf().der,
            "must staple": forge.leaf(
                issuer(), "stapler", private_key=_p256_key("stapler"), extensions=[forge.must_staple(5, 17)]
            ).der,
            "without extensions": forge.certificate("plain", issuer(), private_key=_ed25519_key("plain")).der,
            "accents": forge.certificate(text, issuer(), private_key=_ed25519_key("accents")).der,
            "odd strings": forge.certificate(odd, issuer(), private_key=_ed25519_key("odd")).der,
            "several responders": forge.certificate(
                "urls",
                issuer(),
                private_key=_p256_key("urls"),
                extensions=[forge.ocsp_urls("http://a.example", "https://b.example", other=["http://c.example"])],
            ).der,
            "long lived": forge.certificate(
                "long", issuer(), private_key=_ed25519_key("long"), not_after=NOW + 20000 * forge.DAY
            ).der,
            "large serial": forge.certificate(
                "large", issuer(), private_key=_ed25519_key("large"), serial=2**159 - 1
            ).der,
        }
    )
    return made


def vectors(kind: str) -> dict[str, bytes]:
    """Third-party responses or certificates, where this machine has them: ``response`` or ``certificate``."""
    found = {}
    for suite in _SUITES:
        try:
            cases = json.loads((VECTORS / f"{suite}.json").read_text())["cases"]
        except OSError:
            continue
        for case in cases:
            path = case.get(f"{kind}_der") or case.get(kind)
            if path:
                found[f"{suite} {case['id']}"] = _unwrap((VECTORS / path).read_bytes())
    return found


def _unwrap(data: bytes) -> bytes:
    """The first DER in a file that may be PEM."""
    if b"-----BEGIN" not in data:
        return data
    return base64.b64decode(data.split(b"-----BEGIN")[1].split(b"-----")[1])


def transplant(data: bytes) -> bytes:
    """A response by others, made one about the leaf of this world, at its time and by its issuer."""
    forest = tree.parse(data)
    try:
        basic = basic_response(forest)
        fields = basic.at(0).children
    except IndexError:
        return data
    own = basic_response(tree.parse(respond())).at(0).children
    for index, field in enumerate(fields):
        if field.tag in (0xA1, 0xA2) and index < 2:
            fields[index] = own[0]
        elif field.tag == 0x18:
            fields[index] = own[1]
        elif field.tag == 0x30:
            for single in field.children:
                _point(single, own[2].at(0))
    scheme = forge.default_scheme(issuer().key)
    signature = forge.sign(issuer().key, scheme, basic.at(0).encode())
    basic.children[1:3] = [_element(forge.algorithm(scheme)), Node(0x03, b"\0" + signature)]
    return tree.encode(forest)


def _point(single: Node, own: Node) -> None:
    """Give a SingleResponse the CertID and the times of another."""
    children = single.children
    for index, child in enumerate(children):
        if index in (0, 2):
            children[index] = own.at(index)
        elif child.tag == 0xA0:
            children[index] = own.at(3)


def foreign_responses() -> dict[str, bytes]:
    """The third-party responses as they are, and transplanted."""
    found = vectors("response")
    return {**found, **{f"{name}, transplanted": transplant(data) for name, data in found.items()}}


def elements() -> dict[str, bytes]:
    """One element of each type."""
    return {
        "boolean": forge.TRUE,
        "integer": forge.integer(-129),
        "large integer": forge.integer(2**159),
        "enumerated": forge.tlv(0x0A, b"\x06"),
        "bits": forge.bits(b"\x12\x34"),
        "named bits": forge.bits(b"\x86\x80", 7),
        "octets": forge.octets(bytes(200)),
        "null": forge.NULL,
        "oid": forge.oid("2.999.1.3.16384"),
        "utc time": forge.x509_time(NOW),
        "generalized time": forge.generalized(NOW),
        "sequence": forge.sequence(forge.integer(1), forge.sequence(), forge.tlv(0xA0, forge.NULL)),
        "long": forge.octets(bytes(300)),
    }
