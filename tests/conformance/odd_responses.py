# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCSP responses that are sound but for one thing: in the response itself, or in the certificate of its delegate."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NULL, Entity, sequence, tlv

from . import one_deviation as certificates
from .one_deviation import BER_TRUE, ECDSA_SHA256, FALSE, NOW, identifier


class Parts:
    """The elements of a response about the usual leaf, signed by its issuer."""

    def __init__(self) -> None:
        self.signer = certificates.usual("issuer")
        self.scheme = "ecdsa_sha256"
        self.status = tlv(0x0A, b"\0")
        self.response_type = forge.oid(forge.OCSP_BASIC)
        self.version = b""
        self.responder = tlv(0xA2, forge.octets(identifier(self.signer.key)))
        self.produced_at = forge.generalized(NOW - DAY)
        self.digest = sequence(forge.oid(forge.DIGEST_OIDS["sha1"]), NULL)
        self.name_hash = forge.octets(hashlib.sha1(self.signer.subject).digest())
        self.key_hash = forge.octets(identifier(self.signer.key))
        self.serial = forge.integer(certificates.usual("leaf").serial)
        self.after_certid = b""
        self.cert_status = tlv(0x80)
        self.this_update = forge.generalized(NOW - DAY)
        self.next_update = tlv(0xA0, forge.generalized(NOW + 6 * DAY))
        self.single_extensions = b""
        self.more_answers: t.Sequence[bytes] = ()
        self.extensions = b""
        self.after_data = b""
        self.algorithm = forge.algorithm("ecdsa_sha256")
        self.finish_signature: t.Callable[[bytes], bytes] = forge.bits
        self.certificates = b""
        self.after_basic = b""
        self.finish: t.Callable[[bytes], bytes] = bytes

    def answer(self) -> bytes:
        certid = sequence(self.digest, self.name_hash, self.key_hash, self.serial, self.after_certid)
        return sequence(certid, self.cert_status, self.this_update, self.next_update, self.single_extensions)

    def build(self) -> bytes:
        answers = sequence(self.answer(), *self.more_answers)
        data = sequence(self.version, self.responder, self.produced_at, answers, self.extensions, self.after_data)
        signature = self.finish_signature(forge.sign(self.signer.key, self.scheme, data))
        basic = sequence(data, self.algorithm, signature, self.certificates, self.after_basic)
        body = sequence(self.response_type, forge.octets(basic))
        return self.finish(sequence(self.status, tlv(0xA0, body)))

    def by(self, delegate: Entity) -> None:
        """Have it signed by a delegate whose certificate goes with it."""
        self.signer = delegate
        self.scheme = forge.default_scheme(delegate.key)
        self.algorithm = forge.algorithm(self.scheme)
        self.responder = tlv(0xA1, delegate.subject)
        self.certificates = tlv(0xA0, sequence(delegate.der))


Change = t.Callable[[Parts], None]


class Deviation(t.NamedTuple):
    """One change, with the kind that a table of differences knows it by."""

    name: str
    kind: str
    change: Change

    def make(self) -> bytes:
        parts = Parts()
        self.change(parts)
        return parts.build()


_FOUND: t.List[Deviation] = []


def _set(**values: t.Any) -> Change:
    def change(parts: Parts) -> None:
        for name, value in values.items():
            setattr(parts, name, value)

    return change


def _add(name: str, kind: str, **values: t.Any) -> None:
    _FOUND.append(Deviation(name, kind, _set(**values)))


def _time(moment: t.Any, form: str, tag: int = 0x18) -> bytes:
    return tlv(tag, moment.strftime(form).encode())


FORMS = {
    "without seconds": ("%Y%m%d%H%MZ", 0x18),
    "with a fraction": ("%Y%m%d%H%M%S.5Z", 0x18),
    "with an empty fraction": ("%Y%m%d%H%M%S.Z", 0x18),
    "with an offset": ("%Y%m%d%H%M%S+0000", 0x18),
    "without Z": ("%Y%m%d%H%M%S", 0x18),
    "with a small z": ("%Y%m%d%H%M%Sz", 0x18),
    "as UTCTime": ("%y%m%d%H%M%SZ", 0x17),
    "with two digits of the year": ("%y%m%d%H%M%SZ", 0x18),
    "with the month 13": ("%Y1301000000Z", 0x18),
    "of no octets": ("", 0x18),
}


def _envelope() -> None:
    for name, kind, status in (
        ("status 4", "no such status", tlv(0x0A, b"\4")),
        ("status 7", "no such status", tlv(0x0A, b"\7")),
        ("status -1", "no such status", tlv(0x0A, b"\xff")),
        ("padded status", "padded status", tlv(0x0A, b"\0\0")),
        ("status of no octets", "broken status", tlv(0x0A)),
        ("status as INTEGER", "broken status", forge.integer(0)),
    ):
        _add(name, kind, status=status)
    _add("another type", "no such type", response_type=forge.oid(forge.UNKNOWN_OID))
    _add("type that is padded", "no such type", response_type=tlv(6, b"\x80" + forge.oid(forge.OCSP_BASIC)[2:]))
    for name, kind, finish in (
        ("octet behind", "trailing data", lambda der: der + b"\0"),
        ("line behind", "trailing data", lambda der: der + b"\r\n"),
        ("twice", "trailing data", lambda der: der + der),
        ("indefinite length", "BER", lambda der: forge.indefinite(0x30, der[4:])),
        ("long length", "BER", lambda der: forge.long_length(0x30, der[4:])),
        ("cut off", "cut off", lambda der: der[:-1]),
        ("byte order mark in front", "broken", lambda der: b"\xef\xbb\xbf" + der),
        ("chunked encoding left in", "broken", lambda der: b"%x\r\n" % len(der) + der + b"\r\n0\r\n\r\n"),
        ("PEM", "broken", lambda der: forge.armour(der, "OCSP RESPONSE")),
    ):
        _add(name, kind, finish=finish)


def _data() -> None:
    for name, kind, version in (
        ("v1 written out", "v1 written out", tlv(0xA0, forge.integer(0))),
        ("v2", "no such version", tlv(0xA0, forge.integer(1))),
        ("version of 2^64", "no such version", tlv(0xA0, forge.integer(2**64))),
        ("padded v1", "padded version", tlv(0xA0, tlv(2, b"\0\0"))),
        ("version with more", "broken", tlv(0xA0, forge.integer(0), NULL)),
    ):
        _add(name, kind, version=version)
    issuer = certificates.usual("issuer")
    for name, kind, responder in (
        ("by name", "sound", tlv(0xA1, issuer.subject)),
        ("by name as PrintableString", "another spelling of the name", tlv(0xA1, forge.name("Issuing CA", tag=0x13))),
        ("by name in capitals", "another spelling of the name", tlv(0xA1, forge.name("ISSUING CA"))),
        ("by name with two spaces", "another spelling of the name", tlv(0xA1, forge.name("Issuing  CA"))),
        ("by an empty name", "another responder", tlv(0xA1, sequence())),
        ("by name without its tag", "broken", issuer.subject),
        ("by name, implicit", "broken", tlv(0xA1, forge.elements(issuer.subject)[0][1])),
        (
            "by key of SHA-256",
            "another responder",
            tlv(0xA2, forge.octets(hashlib.sha256(forge.public_key_bits(issuer.key)).digest())),
        ),
        ("by key of no octets", "another responder", tlv(0xA2, forge.octets(b""))),
        ("by key as BIT STRING", "broken", tlv(0xA2, forge.bits(identifier(issuer.key)))),
        ("by key, implicit", "broken", tlv(0x82, identifier(issuer.key))),
        ("by key with more", "broken", tlv(0xA2, forge.octets(identifier(issuer.key)), NULL)),
        (
            "by the key's subjectPublicKeyInfo",
            "another responder",
            tlv(0xA2, forge.octets(hashlib.sha1(forge.public_key_info(issuer.key)).digest())),
        ),
    ):
        _add(f"responder {name}", kind, responder=responder)
    for name, (form, tag) in FORMS.items():
        _add(f"producedAt {name}", "odd time", produced_at=_time(NOW - DAY, form, tag))
        _add(f"thisUpdate {name}", "odd time", this_update=_time(NOW - DAY, form, tag))
        _add(f"nextUpdate {name}", "odd time", next_update=tlv(0xA0, _time(NOW + DAY, form, tag)))
    for name, kind, extensions in (
        ("none in the list", "empty extensions", tlv(0xA1, sequence())),
        ("unknown", "sound", tlv(0xA1, sequence(forge.unknown_extension()))),
        ("unknown and critical", "unknown critical extension", tlv(0xA1, sequence(forge.unknown_extension(True)))),
        ("critical FALSE", "critical FALSE", tlv(0xA1, sequence(_flagged(FALSE)))),
        ("critical 01", "boolean that is not DER", tlv(0xA1, sequence(_flagged(BER_TRUE)))),
        ("twice", "extension twice", tlv(0xA1, sequence(forge.unknown_extension(), forge.unknown_extension()))),
        ("of another tag", "broken", tlv(0xA2, sequence(forge.unknown_extension()))),
        ("in a set", "broken", tlv(0xA1, tlv(0x31, forge.unknown_extension()))),
        ("without a value", "broken extension", tlv(0xA1, sequence(sequence(forge.oid(forge.UNKNOWN_OID))))),
        ("nonce of no octets", "sound", tlv(0xA1, sequence(forge.extension(forge.OCSP_NONCE, b"")))),
        ("nonce without OCTET STRING", "sound", tlv(0xA1, sequence(forge.extension(forge.OCSP_NONCE, bytes(16))))),
        ("nonce that is critical", "critical nonce", tlv(0xA1, sequence(forge.nonce(bytes(16), True)))),
        ("nonce of 200 octets", "sound", tlv(0xA1, sequence(forge.nonce(bytes(200))))),
        ("extended revoke", "sound", tlv(0xA1, sequence(forge.extension(forge.OCSP_EXTENDED_REVOKE, NULL)))),
    ):
        _add(f"extensions: {name}", kind, extensions=extensions)
        _add(
            f"extensions of the answer: {name}",
            kind.replace("unknown critical extension", "unknown critical extension of the answer"),
            single_extensions=extensions,
        )
    _add("more behind the extensions", "broken", after_data=NULL)


def _flagged(boolean: bytes) -> bytes:
    return sequence(forge.oid(forge.UNKNOWN_OID), boolean, forge.octets(NULL))


def _answers() -> None:
    sha1 = forge.oid(forge.DIGEST_OIDS["sha1"])
    for name, kind, digest in (
        ("without NULL", "sound", sequence(sha1)),
        ("with a sequence", "odd parameters of the digest", sequence(sha1, sequence())),
        ("with two NULL", "broken", sequence(sha1, NULL + NULL)),
        ("of nobody", "another certificate", sequence(forge.oid(forge.UNKNOWN_OID), NULL)),
        ("SHA-256 with hashes of SHA-1", "another certificate", sequence(forge.oid(forge.DIGEST_OIDS["sha256"]), NULL)),
        ("without an OID", "broken", sequence()),
    ):
        _add(f"digest {name}", kind, digest=digest)
    serial = certificates.usual("leaf").serial
    for name, kind, number in (
        ("padded", "number that is not minimal", tlv(2, b"\0" + forge.integer(serial)[2:])),
        ("without octets", "number that is not minimal", tlv(2)),
        ("negative", "another certificate", forge.integer(-serial)),
        ("as ENUMERATED", "broken", tlv(0x0A, forge.integer(serial)[2:])),
    ):
        _add(f"serial number {name}", kind, serial=number)
    _add("more behind the CertID", "broken", after_certid=NULL)
    _add("name hash as BIT STRING", "broken", name_hash=forge.bits(bytes(20)))
    _add("name hash of no octets", "another certificate", name_hash=forge.octets(b""))
    _add(
        "key hash of the whole key",
        "another certificate",
        key_hash=forge.octets(hashlib.sha1(forge.public_key_info(certificates.usual("issuer").key)).digest()),
    )
    for name, kind, status in (
        ("good with NULL inside", "broken status of the certificate", tlv(0x80, NULL)),
        ("good, constructed", "broken status of the certificate", tlv(0xA0)),
        ("good, explicit", "broken status of the certificate", tlv(0xA0, NULL)),
        ("good as NULL", "broken status of the certificate", NULL),
        ("number 3", "broken status of the certificate", tlv(0x83)),
    ):
        _add(f"status: {name}", kind, cert_status=status)
    for name, kind, update in (
        ("without its tag", "broken", forge.generalized(NOW + DAY)),
        ("with more", "broken", tlv(0xA0, forge.generalized(NOW + DAY), NULL)),
        ("of nothing", "broken", tlv(0xA0)),
        ("absent", "no nextUpdate", b""),
        ("before thisUpdate", "out of order", tlv(0xA0, forge.generalized(NOW - 2 * DAY))),
        ("equal to thisUpdate", "expired", tlv(0xA0, forge.generalized(NOW - DAY))),
        ("in the year 9999", "sound", tlv(0xA0, forge.raw_time("99991231235959Z"))),
    ):
        _add(f"nextUpdate {name}", kind, next_update=update)
    root, leaf = certificates.root(), certificates.usual("leaf")
    usual = {"this_update": NOW - DAY, "next_update": NOW + DAY}
    other_key = Entity(root.der, forge.key("p256", "other"), certificates.usual("issuer").subject, b"", 1, NOW, NOW)
    for name, kind, more in (
        ("about another certificate", "sound", forge.single(leaf, certificates.usual("issuer"), serial=7, **usual)),
        (
            "about another, revoked",
            "sound",
            forge.single(
                leaf, certificates.usual("issuer"), serial=7, status="revoked", revocation_time=NOW - HOUR, **usual
            ),
        ),
        ("about another issuer", "answers about two issuers", forge.single(leaf, root, **usual)),
        (
            "about another issuer by SHA-256",
            "answers about two issuers",
            forge.single(leaf, root, digest="sha256", **usual),
        ),
        (
            "about another issuer of the name",
            "answers about two issuers",
            forge.single(leaf, other_key, serial=8, **usual),
        ),
        ("by SHA-256", "sound", forge.single(leaf, certificates.usual("issuer"), digest="sha256", **usual)),
        (
            "that is revoked",
            "contradiction",
            forge.single(leaf, certificates.usual("issuer"), status="revoked", revocation_time=NOW - HOUR, **usual),
        ),
        ("that is none", "broken", NULL),
    ):
        _FOUND.append(Deviation(f"another answer {name}", kind, _set(more_answers=(more,))))


def _signatures() -> None:
    ecdsa = forge.oid(ECDSA_SHA256)
    for name, kind, algorithm in (
        ("NULL", "ECDSA with NULL", sequence(ecdsa, NULL)),
        ("a sequence", "ECDSA with other parameters", sequence(ecdsa, sequence())),
        ("the curve", "ECDSA with other parameters", sequence(ecdsa, forge.oid(certificates.P256))),
        ("another digest", "wrong signature", forge.algorithm("ecdsa_sha384")),
        ("another kind", "wrong signature", forge.algorithm("rsa_sha256")),
        ("nobody's OID", "unknown algorithm", sequence(forge.oid(forge.UNKNOWN_OID))),
        ("the OID of ML-DSA-65", "unknown algorithm", sequence(forge.oid("2.16.840.1.101.3.4.3.18"))),
    ):
        _add(f"algorithm with {name}", kind, algorithm=algorithm)
    for name, kind, finish in (
        ("with an unused bit", "wrong signature", lambda value: forge.bits(value[:-1] + b"\0", 1)),
        ("as OCTET STRING", "broken", forge.octets),
        ("and a zero", "wrong signature", lambda value: forge.bits(value + b"\0")),
        ("of no octets", "wrong signature", lambda value: forge.bits(b"")),
        ("without the unused bits", "wrong signature", lambda value: tlv(3, value)),
        ("with a bit turned", "wrong signature", lambda value: forge.bits(value[:-1] + bytes([value[-1] ^ 1]))),
    ):
        _add(f"signature {name}", kind, finish_signature=finish)
    leaf = certificates.usual("leaf").der
    for name, kind, held in (
        ("none in the list", "sound", tlv(0xA0, sequence())),
        ("the leaf", "sound", tlv(0xA0, sequence(leaf))),
        ("without a list", "broken", tlv(0xA0, leaf)),
        ("of another tag", "broken", tlv(0xA1, sequence(leaf))),
        ("one that is none", "unreadable certificate", tlv(0xA0, sequence(sequence(NULL)))),
        (
            "one that is cut off",
            "unreadable certificate",
            tlv(0xA0, sequence(sequence(*[tlv(*one) for one in forge.elements(forge.elements(leaf)[0][1])][:2]))),
        ),
        (
            "one with a name that is none",
            "unreadable certificate",
            tlv(0xA0, sequence(forge.leaf(certificates.usual("issuer"), sequence(NULL)).der)),
        ),
        ("something that is no SEQUENCE", "broken", tlv(0xA0, sequence(NULL))),
    ):
        _add(f"certificates: {name}", kind, certificates=held)
    _add("more behind the certificates", "broken", after_basic=NULL)


for _group in (_envelope, _data, _answers, _signatures):
    _group()


def _by_delegate(deviation: certificates.Deviation) -> Deviation:
    def change(parts: Parts) -> None:
        parts.by(certificates.chain(deviation, "delegate").end)

    return Deviation(f"delegate: {deviation.name}", f"delegate: {deviation.kind}", change)


DEVIATIONS: t.Tuple[Deviation, ...] = (
    *_FOUND,
    *(_by_delegate(one) for one in certificates.DEVIATIONS if "delegate" in one.roles),
)
