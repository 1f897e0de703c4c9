# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and responses that are sound but for one thing, as linters and bug reports know them.

Each change is made before the signature, so that nothing but the change can be the reason for a verdict.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NULL, Entity, sequence, tlv

NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOST = "leaf.example.com"
FALSE, BER_TRUE = b"\x01\x01\x00", b"\x01\x01\x01"
P256 = "1.2.840.10045.3.1.7"
ECDSA, ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.4.3.2"
RSA, RSA_SHA1, RSA_SHA256, PSS = (f"1.2.840.113549.1.1.{number}" for number in (1, 5, 11, 10))
BASIC_CONSTRAINTS, KEY_USAGE, SKI, AKI, EKU, SAN = (f"2.5.29.{number}" for number in (19, 15, 14, 35, 37, 17))
POLICIES, CRL_POINTS, CONSTRAINTS = "2.5.29.32", "2.5.29.31", "2.5.29.30"
AIA, TLS_FEATURE = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24"
SCTS = "1.3.6.1.4.1.11129.2.4.2"


def identifier(key: t.Any) -> bytes:
    return hashlib.sha1(forge.public_key_bits(key)).digest()


class Parts:
    """The elements of a certificate, each of which a change may replace before they are put together and signed."""

    def __init__(self, role: str, issuer: t.Optional[Entity], key: t.Any) -> None:
        self.role, self.issuer, self.key = role, issuer, key
        signer = issuer.key if issuer else key
        self.signer = signer
        self.scheme = forge.default_scheme(signer)
        self.version = tlv(0xA0, forge.integer(2))
        self.serial = forge.integer({"root": 0x101, "issuer": 0x102, "leaf": 0x103, "delegate": 0x104}[role])
        self.inner = self.outer = forge.algorithm(self.scheme)
        self.name = forge.name({"leaf": HOST, "issuer": "Issuing CA", "root": "Root", "delegate": "Responder"}[role])
        self.issuer_name = issuer.subject if issuer else self.name
        self.not_before = forge.x509_time(NOW - 30 * DAY)
        self.not_after = forge.x509_time(NOW + 60 * DAY)
        self.spki = forge.public_key_info(key)
        self.after_key = b""
        self.extensions = self._usual_extensions()
        self.after_extensions = b""
        self.raw_extensions: t.Optional[bytes] = None
        self.finish_signature: t.Callable[[bytes], bytes] = forge.bits
        self.finish: t.Callable[[bytes], bytes] = bytes

    def _usual_extensions(self) -> t.Dict[str, bytes]:
        """By OID, the whole element; in the order in which they are written."""
        is_ca = self.role in ("root", "issuer")
        found = {
            BASIC_CONSTRAINTS: forge.basic_constraints(is_ca),
            KEY_USAGE: forge.key_usage(*(["key_cert_sign", "digital_signature"] if is_ca else ["digital_signature"])),
            SKI: forge.subject_key_identifier(identifier(self.key)),
        }
        if self.role != "root":
            found[AKI] = forge.authority_key_identifier(identifier(self.signer))
        if self.role == "leaf":
            found[EKU] = forge.extended_key_usage(forge.SERVER_AUTH)
            found[SAN] = forge.subject_alt_name(HOST)
            found[AIA] = forge.ocsp_urls(forge.URL)
        if self.role == "delegate":
            found[EKU] = forge.extended_key_usage(forge.OCSP_SIGNING)
            found[forge.OCSP_NOCHECK] = forge.nocheck()
        return found

    def content(self, oid: str) -> bytes:
        """The value of one of its extensions."""
        return forge.elements(forge.elements(self.extensions[oid])[0][1])[-1][1]

    def is_critical(self, oid: str) -> bool:
        return len(forge.elements(forge.elements(self.extensions[oid])[0][1])) == 3

    def put(self, oid: str, value: bytes) -> None:
        """Replace the value of an extension, or add one that is not critical."""
        critical = oid in self.extensions and self.is_critical(oid)
        self.extensions[oid] = forge.extension(oid, value, critical)

    def build(self) -> Entity:
        listed = sequence(*self.extensions.values()) if self.raw_extensions is None else self.raw_extensions
        tbs = sequence(
            self.version,
            self.serial,
            self.inner,
            self.issuer_name,
            sequence(self.not_before, self.not_after),
            self.name,
            self.spki,
            self.after_key,
            tlv(0xA3, listed) if listed else b"",
            self.after_extensions,
        )
        signature = forge.sign(self.signer, self.scheme, tbs)
        der = self.finish(sequence(tbs, self.outer, self.finish_signature(signature)))
        serial = int.from_bytes(forge.elements(self.serial)[0][1], "big", signed=True)
        return Entity(der, self.key, self.name, self.issuer_name, serial, NOW - 30 * DAY, NOW + 60 * DAY)


Change = t.Callable[[Parts], None]


class Deviation(t.NamedTuple):
    """One change, with the kind that a table of differences knows it by, and the kind of key it is made with."""

    name: str
    kind: str
    change: Change
    roles: t.Tuple[str, ...] = ("leaf", "issuer", "delegate")
    key: str = "p256"


_FOUND: t.List[Deviation] = []


def _add(name: str, kind: str, change: Change, *roles: str, key: str = "p256") -> None:
    _FOUND.append(Deviation(name, kind, change, roles or ("leaf", "issuer", "delegate"), key))


def _put(oid: str, value: bytes) -> Change:
    return lambda parts: parts.put(oid, value)


def _set(**values: t.Any) -> Change:
    def change(parts: Parts) -> None:
        for name, value in values.items():
            setattr(parts, name, value)

    return change


# The head ------------------------------------------------------------------------------------------


def _heads() -> None:
    def without_extensions(version: bytes) -> Change:
        return _set(version=version, extensions={}, raw_extensions=b"")

    for name, kind, number in (
        ("negative", "odd serial", forge.integer(-0x103)),
        ("most negative", "odd serial", forge.integer(-(2**159))),
        ("zero", "serial 0", forge.integer(0)),
        ("of 20 octets with a zero in front", "sound", forge.integer(2**160 - 1)),
        ("of 22 octets", "odd serial", forge.integer(2**170)),
        ("of 40 octets", "odd serial", forge.integer(2**318)),
        ("padded with 00", "number that is not minimal", tlv(0x02, b"\0\5")),
        ("padded with FF", "number that is not minimal", tlv(0x02, b"\xff\x85")),
        ("of no octets", "number that is not minimal", tlv(0x02)),
        ("ENUMERATED", "wrong type", tlv(0x0A, b"\5")),
    ):
        _add(f"serial number {name}", kind, _set(serial=number))
    _add("v1 written out, with extensions", "v1 written out", _set(version=tlv(0xA0, forge.integer(0))))
    _add("v1, with extensions", "extensions in v1", _set(version=b""))
    _add("v2, with extensions", "extensions in v1", _set(version=tlv(0xA0, forge.integer(1))))
    _add("v4", "no such version", _set(version=tlv(0xA0, forge.integer(3))))
    _add("version -1", "no such version", _set(version=tlv(0xA0, forge.integer(-1))))
    _add("version with a zero in front", "number that is not minimal", _set(version=tlv(0xA0, tlv(0x02, b"\0\2"))))
    _add("version with more behind", "trailing data", _set(version=tlv(0xA0, forge.integer(2), NULL)))
    _add("v1 CA", "v1 below a root", without_extensions(b""), "issuer")
    unusual = {
        "notBefore as GeneralizedTime": _set(not_before=forge.generalized(NOW - 30 * DAY)),
        "notAfter as GeneralizedTime": _set(not_after=forge.generalized(NOW + 60 * DAY)),
    }
    for name, change in unusual.items():
        _add(name, "GeneralizedTime before 2050", change)

    def time(form: str, tag: int = 0x17) -> Change:
        return _set(not_before=tlv(tag, (NOW - 30 * DAY).strftime(form).encode()))

    for name, form, tag in (
        ("without seconds", "%y%m%d%H%MZ", 0x17),
        ("without seconds, generalized", "%Y%m%d%H%MZ", 0x18),
        ("with an offset", "%y%m%d%H%M%S+0000", 0x17),
        ("with an offset, generalized", "%Y%m%d%H%M%S+0000", 0x18),
        ("with a fraction", "%Y%m%d%H%M%S.5Z", 0x18),
        ("without Z", "%y%m%d%H%M%S", 0x17),
        ("with a small z", "%y%m%d%H%M%Sz", 0x17),
        ("with a space", "%y%m%d%H%M %SZ", 0x17),
        ("with the month 13", "%y1301000000Z", 0x17),
        ("on 30 February", "%y0230000000Z", 0x17),
        ("at 24:00", "%y%m%d240000Z", 0x17),
        ("with 60 seconds", "%y%m%d%H%M60Z", 0x17),
        ("as text", "%Y%m%d%H%M%SZ", 0x0C),
        ("with four digits of the year", "%Y%m%d%H%M%SZ", 0x17),
        ("with two digits of the year", "%y%m%d%H%M%SZ", 0x18),
        ("of no octets", "", 0x17),
    ):
        _add(f"notBefore {name}", "odd time", time(form, tag))
    for name, extra in (
        ("issuer unique identifier", tlv(0x81, b"\0\1")),
        ("subject unique identifier", tlv(0x82, b"\0\1")),
        ("both unique identifiers", tlv(0x81, b"\0\1") + tlv(0x82, b"\0\1")),
    ):
        _add(name, "unique identifier", _set(after_key=extra))
    for name, kind, content in (
        ("of no octets", "broken unique identifier", b""),
        ("with 9 unused bits", "broken unique identifier", b"\x09\0"),
        ("with unused bits of none", "unused bits that are set", b"\1"),
        ("with unused bits that are set", "unused bits that are set", b"\1\1"),
    ):
        for number in (1, 2):
            _add(f"unique identifier {number} {name}", kind, _set(after_key=tlv(0x80 | number, content)))
    _add("unique identifier twice", "wrong type twice", _set(after_key=2 * tlv(0x81, b"\0\1")))
    _add("unique identifiers in the other order", "wrong type", _set(after_key=tlv(0x82, b"\0\1") + tlv(0x81, b"\0\1")))
    _add("unique identifier that is constructed", "wrong type", _set(after_key=tlv(0xA1, forge.bits(b"\1"))))
    _add("more behind the extensions", "trailing data", _set(after_extensions=NULL))


# Signatures and keys -------------------------------------------------------------------------------


def _both(algorithm: bytes) -> Change:
    return _set(inner=algorithm, outer=algorithm)


def _signatures() -> None:
    ecdsa = forge.oid(ECDSA_SHA256)
    _add("ECDSA with NULL", "ECDSA with NULL", _both(sequence(ecdsa, NULL)))
    for name, parameters in (
        ("an empty sequence", sequence()),
        ("two NULL", NULL + NULL),
        ("the curve", forge.oid(P256)),
        ("a number", forge.integer(1)),
    ):
        _add(f"ECDSA with {name}", "ECDSA with other parameters", _both(sequence(ecdsa, parameters)))
    _add("NULL outside alone", "two algorithms", _set(outer=sequence(ecdsa, NULL)))
    _add("NULL inside alone", "two algorithms", _set(inner=sequence(ecdsa, NULL)))
    _add("SHA-384 outside alone", "two algorithms", _set(outer=forge.algorithm("ecdsa_sha384")))
    _add("algorithm without an OID", "wrong type", _both(sequence()))
    _add("algorithm that nobody knows", "unknown algorithm", _both(sequence(forge.oid(forge.UNKNOWN_OID))))
    _add("algorithm of ML-DSA-65", "unknown algorithm", _both(sequence(forge.oid("2.16.840.1.101.3.4.3.18"))))

    def finished(change: t.Callable[[bytes], bytes]) -> Change:
        return _set(finish_signature=change)

    def respell(change: t.Callable[[bytes, bytes], bytes]) -> Change:
        def finish(signature: bytes) -> bytes:
            r, s = (tlv(*element) for element in forge.elements(forge.elements(signature)[0][1]))
            return forge.bits(change(r, s))

        return finished(finish)

    _add("signature with an unused bit", "odd bit string", finished(lambda value: forge.bits(value[:-1] + b"\0", 1)))
    _add("signature with 8 unused bits", "odd bit string", finished(lambda value: forge.bits(value, 8)))
    _add("signature in an OCTET STRING", "wrong type", finished(forge.octets))
    _add("signature without octets", "odd signature", finished(lambda value: forge.bits(b"")))
    _add("signature and a zero", "odd signature", finished(lambda value: forge.bits(value + b"\0")))
    _add("signature with a third number", "odd signature", respell(lambda r, s: sequence(r, s, forge.integer(1))))
    _add("signature with a padded r", "odd signature", respell(lambda r, s: sequence(tlv(2, b"\0" + r[2:]), s)))
    _add("signature with a padded s", "odd signature", respell(lambda r, s: sequence(r, tlv(2, b"\0" + s[2:]))))
    _add("signature with a negative r", "odd signature", respell(lambda r, s: sequence(tlv(2, b"\xff" + r[2:]), s)))
    _add("signature with a long length", "odd signature", respell(lambda r, s: forge.long_length(0x30, r + s)))
    _add("signature of indefinite length", "odd signature", respell(lambda r, s: forge.indefinite(0x30, r + s)))
    _add("more behind the signature", "trailing data", finished(lambda value: forge.bits(value) + NULL))

    _add("octet behind the certificate", "trailing data", _set(finish=lambda der: der + b"\0"))
    _add("certificate of indefinite length", "BER", _set(finish=lambda der: forge.indefinite(0x30, der[4:])))
    _add("certificate with a long length", "BER", _set(finish=lambda der: forge.long_length(0x30, der[4:])))
    _add("certificate that is cut off", "cut off", _set(finish=lambda der: der[:-1]))


def _keys() -> None:
    def key(make: t.Callable[[t.Any], bytes]) -> Change:
        def change(parts: Parts) -> None:
            parts.spki = make(parts.key)

        return change

    def info(algorithm: bytes, bits: bytes) -> bytes:
        return sequence(sequence(algorithm), bits)

    point = forge.public_key_bits
    named = forge.oid(ECDSA) + forge.oid(P256)

    def compressed(one: t.Any) -> bytes:
        return bytes([2 + (point(one)[-1] & 1)]) + point(one)[1:33]

    def off_curve(one: t.Any) -> bytes:
        return point(one)[:-1] + bytes([point(one)[-1] ^ 2])

    def hybrid(one: t.Any) -> bytes:
        return bytes([6 + (point(one)[-1] & 1)]) + point(one)[1:]

    _add("point compressed", "compressed point", key(lambda one: info(named, forge.bits(compressed(one)))))
    _add("point in hybrid form", "hybrid point", key(lambda one: info(named, forge.bits(hybrid(one)))))
    _add("key and a zero", "odd key", key(lambda one: info(named, forge.bits(point(one) + b"\0"))))
    # Another bit is wrong as well: OpenSSL ignores what is unused, which may or may not be part of a random point.
    _add("key with an unused bit", "odd key", key(lambda one: info(named, forge.bits(off_curve(one), 1))))
    _add("more behind the key", "trailing data", key(lambda one: info(named, forge.bits(point(one)) + NULL)))
    _add("more in the algorithm of the key", "odd key", key(lambda one: info(named + NULL, forge.bits(point(one)))))
    _add("curve of no octets", "odd key", key(lambda one: info(forge.oid(ECDSA) + tlv(6), forge.bits(point(one)))))
    _add("key without its curve", "odd key", key(lambda one: info(forge.oid(ECDSA), forge.bits(point(one)))))
    _add("key at infinity", "odd key", key(lambda one: info(named, forge.bits(b"\0"))))
    _add(
        "key beside the curve",
        "odd key",
        key(lambda one: info(named, forge.bits(point(one)[:-1] + bytes([point(one)[-1] ^ 1])))),
    )
    for name, oid in (
        ("ML-DSA-65", "2.16.840.1.101.3.4.3.18"),
        ("DSA", "1.2.840.10040.4.1"),
        ("X25519", "1.3.101.110"),
    ):
        _add(
            f"key of {name}",
            "unknown key",
            key(lambda one, oid=oid: info(forge.oid(oid), forge.bits(bytes(32)))),  # type: ignore[misc]
            "issuer",
            "delegate",
        )

    def rsa(make: t.Callable[[int, int], bytes], algorithm: bytes = NULL, oid: str = RSA) -> Change:
        def make_key(one: t.Any) -> bytes:
            numbers = one.public_key().public_numbers()
            return info(forge.oid(oid) + algorithm, forge.bits(make(numbers.n, numbers.e)))

        return key(make_key)

    def numbers(n: int, e: int) -> bytes:
        return sequence(forge.integer(n), forge.integer(e))

    for name, kind, change in (
        ("without NULL", "RSA key without NULL", rsa(numbers, b"")),
        ("with other parameters", "odd RSA key", rsa(numbers, sequence())),
        ("with two parameters", "broken RSA parameters", rsa(numbers, NULL + NULL)),
        ("with a parameter that is cut off", "broken RSA parameters", rsa(numbers, b"\x30\2\0")),
        ("with a parameter that is none", "broken RSA parameters", rsa(numbers, tlv(2))),
        ("for PSS", "RSA-PSS key", rsa(numbers, b"", PSS)),
        (
            "with a negative modulus",
            "modulus without its zero",
            rsa(lambda n, e: sequence(tlv(2, forge.integer(n)[5:]), forge.integer(e))),
        ),
        (
            "with a padded modulus",
            "padded RSA key",
            rsa(lambda n, e: sequence(tlv(2, b"\0\0" + forge.integer(n)[5:]), forge.integer(e))),
        ),
        ("with a padded exponent", "padded RSA key", rsa(lambda n, e: sequence(forge.integer(n), tlv(2, b"\0\1\0\1")))),
        (
            "with a third number",
            "odd RSA key",
            rsa(lambda n, e: sequence(forge.integer(n), forge.integer(e), forge.integer(1))),
        ),
        ("with more behind", "odd RSA key", rsa(lambda n, e: numbers(n, e) + NULL)),
        ("of BER", "padded RSA key", rsa(lambda n, e: forge.long_length(0x30, numbers(n, e)[4:]))),
    ):
        _add(f"RSA key {name}", kind, change, key="rsa2048")


# Names ---------------------------------------------------------------------------------------------


def _names() -> None:
    def attribute(oid: str, tag: int, value: bytes) -> bytes:
        return sequence(forge.oid(oid), tlv(tag, value))

    def named(*sets: bytes) -> Change:
        return _set(name=sequence(*sets))

    def common(tag: int, value: bytes) -> Change:
        return named(tlv(0x31, attribute("2.5.4.10", 0x0C, b"Forge")), tlv(0x31, attribute("2.5.4.3", tag, value)))

    for name, kind, tag, value in (
        ("PrintableString with an underscore", "odd letters", 0x13, b"a_b"),
        ("PrintableString with an at sign", "odd letters", 0x13, b"a@b"),
        ("PrintableString with an asterisk", "odd letters", 0x13, b"*.example.com"),
        ("PrintableString in Latin-1", "letters that are none", 0x13, b"M\xfcller"),
        ("UTF8String in Latin-1", "letters that are none", 0x0C, b"M\xfcller"),
        ("UTF8String with a surrogate", "letters that are none", 0x0C, b"\xed\xa0\x80"),
        ("UTF8String cut off", "letters that are none", 0x0C, b"M\xc3"),
        ("UTF8String with a NUL", "odd letters", 0x0C, b"a\0b"),
        ("IA5String", "odd letters", 0x16, b"a@b"),
        ("IA5String in Latin-1", "letters that are none", 0x16, b"M\xfcller"),
        ("TeletexString", "odd letters", 0x14, b"M\xfcller"),
        ("BMPString", "odd letters", 0x1E, "Müller".encode("utf-16-be")),
        ("BMPString of 3 octets", "letters that are none", 0x1E, b"abc"),
        ("UniversalString", "odd letters", 0x1C, "Müller".encode("utf-32-be")),
        ("UniversalString of 5 octets", "letters that are none", 0x1C, b"abcde"),
        ("NumericString", "odd letters", 0x12, b"12 34"),
        ("VisibleString", "odd letters", 0x1A, b"abc"),
        ("empty UTF8String", "odd letters", 0x0C, b""),
        ("text of 200 letters", "odd letters", 0x0C, b"a" * 200),
        ("OCTET STRING", "no text", 0x04, b"abc"),
        ("BIT STRING", "odd letters", 0x03, b"\0abc"),
        ("BIT STRING of no octets", "no text", 0x03, b""),
        ("BIT STRING with 9 unused bits", "no text", 0x03, b"\x09abc"),
        ("NULL", "no text", 0x05, b""),
    ):
        _add(f"common name: {name}", kind, common(tag, value))
    country = attribute("2.5.4.6", 0x0C, b"DE")
    text = attribute("2.5.4.3", 0x0C, b"x")
    _add("country as UTF8String", "odd letters", named(tlv(0x31, country), tlv(0x31, text)))
    _add("two attributes in a wrong order", "unsorted set", named(tlv(0x31, *sorted([country, text], reverse=True))))
    _add("attribute twice", "odd letters", named(tlv(0x31, text), tlv(0x31, text)))
    _add("empty set", "empty set", named(tlv(0x31), tlv(0x31, text)))
    _add("sequence in place of a set", "broken name", named(sequence(text)))
    _add("attribute without a value", "broken name", named(tlv(0x31, sequence(forge.oid("2.5.4.3")))))
    _add("attribute with more", "broken name", named(tlv(0x31, sequence(forge.oid("2.5.4.3"), tlv(0x0C, b"x"), NULL))))
    _add("name of BER", "broken name", _set(name=forge.long_length(0x30, tlv(0x31, text))))


# Extensions ----------------------------------------------------------------------------------------


def _flags() -> None:
    def flag(oid: str, boolean: bytes) -> Change:
        def change(parts: Parts) -> None:
            if oid not in parts.extensions:
                parts.put(oid, USUAL[oid])
            parts.extensions[oid] = sequence(forge.oid(oid), boolean, forge.octets(parts.content(oid)))

        return change

    added = (POLICIES, CRL_POINTS, SCTS, forge.UNKNOWN_OID)
    for oid in (BASIC_CONSTRAINTS, KEY_USAGE, SKI, AKI, *added):
        _add(f"critical FALSE in {oid}", "critical FALSE", flag(oid, FALSE))
    for oid in (EKU,):
        _add(f"critical FALSE in {oid}", "critical FALSE", flag(oid, FALSE), "leaf", "delegate")
    for oid in (SAN, AIA, TLS_FEATURE):
        _add(f"critical FALSE in {oid}", "critical FALSE", flag(oid, FALSE), "leaf")
    _add("critical FALSE in nocheck", "critical FALSE", flag(forge.OCSP_NOCHECK, FALSE), "delegate")
    for name, boolean in (("01", BER_TRUE), ("7F", b"\x01\x01\x7f"), ("80", b"\x01\x01\x80"), ("FE", b"\x01\x01\xfe")):
        _add(f"critical {name}", "boolean that is not DER", flag(KEY_USAGE, boolean))
    _add("critical of no octets", "broken boolean", flag(KEY_USAGE, b"\x01\x00"))
    _add("critical of two octets", "broken boolean", flag(KEY_USAGE, b"\x01\x02\xff\xff"))
    _add("critical as a number", "broken boolean", flag(KEY_USAGE, forge.integer(1)))
    _add("critical twice", "broken boolean", flag(KEY_USAGE, forge.TRUE + forge.TRUE))


USUAL = {
    POLICIES: sequence(sequence(forge.oid("2.23.140.1.2.1"))),
    CRL_POINTS: forge.elements(forge.elements(forge.crl_distribution_points("http://crl.example.com"))[0][1])[-1][1],
    SCTS: forge.octets(b"\0\0"),
    TLS_FEATURE: sequence(forge.integer(5)),
    forge.UNKNOWN_OID: NULL,
}


def _lists() -> None:
    _add("no extension in the list", "empty list of extensions", _set(raw_extensions=sequence()), "delegate")
    _add(
        "the list in a set",
        "wrong type",
        lambda parts: _set(raw_extensions=tlv(0x31, *parts.extensions.values()))(parts),
    )
    _add("unknown extension", "unknown extension", _put(forge.UNKNOWN_OID, b"anything"))

    def critical(parts: Parts) -> None:
        parts.extensions["x"] = forge.unknown_extension(True)

    _add("unknown critical extension", "unknown critical extension", critical)

    def twice(oid: str) -> Change:
        def change(parts: Parts) -> None:
            if oid not in parts.extensions:
                parts.put(oid, USUAL[oid])
            parts.extensions["again"] = parts.extensions[oid]

        return change

    for oid in (BASIC_CONSTRAINTS, KEY_USAGE, SKI, AKI):
        _add(f"{oid} twice", "known extension twice", twice(oid))
    for oid in (forge.UNKNOWN_OID, SCTS):
        _add(f"{oid} twice", "unknown extension twice", twice(oid))

    def with_value(value: bytes) -> Change:
        def change(parts: Parts) -> None:
            parts.extensions["x"] = sequence(forge.oid(forge.UNKNOWN_OID), value)

        return change

    _add("extension without a value", "broken extension", with_value(b""))
    _add("extension with two values", "broken extension", with_value(forge.octets(b"") + forge.octets(b"")))
    _add("extension in a BIT STRING", "broken extension", with_value(forge.bits(b"")))
    _add("extension with an OID that is padded", "padded OID", _set_extension(b"\x06\x04\x80\x2a\x03\x04"))
    _add("extension with an OID of no octets", "broken extension", _set_extension(b"\x06\x00"))


def _set_extension(oid: bytes) -> Change:
    def change(parts: Parts) -> None:
        parts.extensions["x"] = sequence(oid, forge.octets(b""))

    return change


def _contents() -> None:
    ends = ("leaf", "delegate")
    for name, kind, value, roles in (
        ("cA FALSE", "cA FALSE", sequence(FALSE), ends),
        ("cA FALSE and a path length", "path length of an end", sequence(FALSE, forge.integer(0)), ends),
        ("a path length alone", "path length of an end", sequence(forge.integer(0)), ends),
        ("cA 01", "boolean that is not DER", sequence(BER_TRUE), ("issuer",)),
        ("cA FALSE of a CA", "no CA", sequence(FALSE), ("issuer",)),
        ("nothing of a CA", "no CA", sequence(), ("issuer",)),
        ("a negative path length", "negative path length", sequence(forge.TRUE, forge.integer(-1)), ("issuer",)),
        (
            "a padded path length",
            "number that is not minimal in an extension",
            sequence(forge.TRUE, tlv(2, b"\0\1")),
            ("issuer",),
        ),
        ("a path length of 2^70", "long path length", sequence(forge.TRUE, forge.integer(2**70)), ("issuer",)),
        ("the path length first", "broken content", sequence(forge.integer(0), forge.TRUE), ("issuer",)),
        ("a third element", "broken content", sequence(forge.TRUE, forge.integer(0), NULL), ("issuer",)),
        ("more behind", "trailing data in an extension", sequence(forge.TRUE) + NULL, ("issuer",)),
        ("more behind the end's", "trailing data in an extension", sequence() + NULL, ends),
        ("no octets", "broken content", b"", ("leaf", "delegate", "issuer")),
        ("NULL", "broken content", NULL, ("leaf", "delegate", "issuer")),
        ("an indefinite length", "BER in an extension", forge.indefinite(0x30, forge.TRUE), ("issuer",)),
    ):
        _add(f"basic constraints: {name}", kind, _put(BASIC_CONSTRAINTS, value), *roles)
    for name, kind, bits in (
        ("a zero octet behind", "idle bits", b"\x00\x84\x00"),
        ("all 8 bits", "idle bits", b"\x00\x84"),
        ("9 bits", "idle bits", b"\x07\x84\x00"),
        ("unused bits that are set", "unused bits that are set", b"\x02\x87"),
        ("no bits", "no bits", b"\x00"),
        ("bits that are not set", "no bits set", b"\x00\x00"),
        ("unused bits without any", "broken content", b"\x01"),
        ("8 unused bits", "broken content", b"\x08\x84"),
        ("no octets", "broken content", b""),
    ):
        _add(f"key usage: {name}", kind, _put(KEY_USAGE, tlv(3, bits)))
    _add("key usage: OCTET STRING", "broken content", _put(KEY_USAGE, forge.octets(b"\x84")))
    _add("key usage: more behind", "trailing data in an extension", _put(KEY_USAGE, b"\x03\x02\x02\x84" + NULL))
    _add("key usage: bare octet", "broken content", _put(KEY_USAGE, b"\x84"))

    for role, wanted in (("leaf", forge.SERVER_AUTH), ("delegate", forge.OCSP_SIGNING)):
        one = forge.oid(wanted)
        for name, kind, value in (
            ("twice the same", "odd usages", sequence(one, one)),
            ("another first", "odd usages", sequence(forge.oid("1.3.6.1.5.5.7.3.4"), one)),
            ("any beside", "odd usages", sequence(one, forge.oid(forge.ANY_EKU))),
            ("none", "no usage", sequence()),
            ("no octets", "broken content", b""),
            ("a bare OID", "broken content", one),
            ("more behind", "trailing data in an extension", sequence(one) + NULL),
            ("a number", "broken content", sequence(one, forge.integer(1))),
            ("a padded OID", "padded OID in an extension", sequence(one, b"\x06\x04\x80\x2a\x03\x04")),
        ):
            _add(f"extended key usage: {name}", kind, _put(EKU, value), role)

    host = tlv(0x82, HOST.encode())
    for name, kind, value in (
        ("an empty name beside", "empty name", sequence(host, tlv(0x82))),
        ("a name with a space beside", "odd name", sequence(host, tlv(0x82, b"a b.example.com"))),
        ("a name with an underscore beside", "odd name", sequence(host, tlv(0x82, b"a_b.example.com"))),
        ("a name with a dot behind beside", "odd name", sequence(host, tlv(0x82, b"a.example.com."))),
        ("a name with a dot in front beside", "odd name", sequence(host, tlv(0x82, b".example.com"))),
        ("a bare wildcard beside", "odd name", sequence(host, tlv(0x82, b"*"))),
        ("a wildcard inside beside", "odd name", sequence(host, tlv(0x82, b"a.*.example.com"))),
        ("a NUL beside", "odd name", sequence(host, tlv(0x82, b"a\0b"))),
        ("Latin-1 beside", "name that is no ASCII", sequence(host, tlv(0x82, b"m\xfcller.example"))),
        ("UTF-8 beside", "name that is no ASCII", sequence(host, tlv(0x82, "müller.example".encode()))),
        ("an address of 5 octets beside", "address of 5 octets", sequence(host, tlv(0x87, bytes(5)))),
        ("a URI beside", "odd name", sequence(host, tlv(0x86, b"not a URI"))),
        ("a name of no kind beside", "name of no kind", sequence(host, tlv(0x89, b"x"))),
        ("a name of no class beside", "name of no kind", sequence(host, tlv(0x16, b"x"))),
        ("the name in capitals", "odd name", sequence(tlv(0x82, HOST.upper().encode()))),
        ("the name twice", "odd name", sequence(host, host)),
        ("the name with a dot behind", "dot behind the name", sequence(tlv(0x82, HOST.encode() + b"."))),
        ("none", "no name", sequence()),
        ("no octets", "broken name list", b""),
        ("a bare name", "broken name list", host),
        ("more behind", "trailing data in the names", sequence(host) + NULL),
    ):
        _add(f"alternative names: {name}", kind, _put(SAN, value), "leaf")

    ocsp = forge.oid("1.3.6.1.5.5.7.48.1")
    for name, kind, value in (
        ("none", "odd access", sequence()),
        ("an empty URL", "odd access", sequence(sequence(ocsp, tlv(0x86)))),
        ("a URL in Latin-1", "odd access", sequence(sequence(ocsp, tlv(0x86, b"http://\xfc")))),
        ("a host name", "odd access", sequence(sequence(ocsp, tlv(0x82, b"ocsp.example.com")))),
        ("spaces around", "odd access", sequence(sequence(ocsp, tlv(0x86, b" http://ocsp.example.com ")))),
        ("no location", "broken access", sequence(sequence(ocsp))),
        ("two locations", "broken access", sequence(sequence(ocsp, tlv(0x86, b"http://a"), tlv(0x86, b"http://b")))),
        ("no octets", "broken access", b""),
        ("more behind", "trailing data in the access", sequence(sequence(ocsp, tlv(0x86, b"http://a"))) + NULL),
    ):
        _add(f"authority information access: {name}", kind, _put(AIA, value), "leaf")

    for name, kind, oid, value in (
        ("subject key identifier of no octets", "odd identifier", SKI, forge.octets(b"")),
        ("subject key identifier of 64 octets", "odd identifier", SKI, forge.octets(bytes(64))),
        ("subject key identifier without OCTET STRING", "broken identifier", SKI, bytes(20)),
        ("subject key identifier as a number", "broken identifier", SKI, forge.integer(1)),
        ("subject key identifier with more", "trailing data in an identifier", SKI, forge.octets(b"x") + NULL),
        ("authority key identifier of nothing", "odd authority", AKI, sequence()),
        ("authority key identifier of a number alone", "odd authority", AKI, sequence(tlv(0x82, b"\x01\x02"))),
        ("authority key identifier without SEQUENCE", "broken authority", AKI, tlv(0x80, b"x")),
        ("authority key identifier of another tag", "broken authority", AKI, sequence(tlv(0x83, b"x"))),
        ("authority key identifier of no octets", "broken authority", AKI, b""),
        ("policies: none", "odd policies", POLICIES, sequence()),
        ("policies: the same twice", "odd policies", POLICIES, sequence(*[sequence(forge.oid("2.23.140.1.2.1"))] * 2)),
        ("policies: no octets", "odd policies", POLICIES, b""),
        ("CRL distribution points: none", "odd points", CRL_POINTS, sequence()),
        ("CRL distribution points: an empty one", "odd points", CRL_POINTS, sequence(sequence())),
        ("CRL distribution points: no octets", "broken points", CRL_POINTS, b""),
        ("signed certificate timestamps: no octets", "odd timestamps", SCTS, b""),
        ("signed certificate timestamps: junk", "odd timestamps", SCTS, b"\xff\xff"),
    ):
        if name.startswith("subject key identifier of"):
            _add(name, kind, _put(oid, value), "leaf", "delegate")
        else:
            _add(name, kind, _put(oid, value))
    for name, kind, value in (
        ("none", "empty name constraints", sequence()),
        (
            "a minimum that is written out",
            "minimum written out",
            sequence(tlv(0xA0, sequence(tlv(0x82, b"example.com"), tlv(0x80, b"\0")))),
        ),
        ("a minimum of 1", "minimum of 1", sequence(tlv(0xA0, sequence(tlv(0x82, b"example.com"), tlv(0x80, b"\1"))))),
        ("an empty list", "empty name constraints", sequence(tlv(0xA0))),
        ("no octets", "broken content", b""),
        ("not critical", "name constraints", sequence(tlv(0xA0, sequence(tlv(0x82, b"example.com"))))),
    ):
        _add(f"name constraints: {name}", kind, _put(CONSTRAINTS, value), "issuer")
    for name, kind, value in (
        ("no octets", "odd nocheck", b""),
        ("TRUE", "odd nocheck", forge.TRUE),
        ("an octet string", "odd nocheck", forge.octets(NULL)),
        ("more behind", "odd nocheck", NULL + NULL),
    ):
        _add(f"nocheck: {name}", kind, _put(forge.OCSP_NOCHECK, value), "delegate")
    for name, kind, value in (
        ("a padded number", "odd feature", sequence(tlv(2, b"\0\5"))),
        ("none", "odd feature", sequence()),
        ("a bare number", "odd feature", forge.integer(5)),
        ("no octets", "odd feature", b""),
    ):
        _add(f"TLS feature: {name}", kind, _put(TLS_FEATURE, value), "leaf")


for _group in (_heads, _signatures, _keys, _names, _flags, _lists, _contents):
    _group()
DEVIATIONS: t.Tuple[Deviation, ...] = tuple(_FOUND)


# Whole hierarchies ---------------------------------------------------------------------------------


class Chain(t.NamedTuple):
    """A root, its issuing CA, and a leaf or a delegate of that."""

    root: Entity
    issuer: Entity
    end: Entity


def _plain(parts: Parts) -> None:
    pass


def made(role: str, issuer: t.Optional[Entity], change: Change = _plain, kind: str = "p256") -> Entity:
    parts = Parts(role, issuer, forge.key(kind, role))
    change(parts)
    return parts.build()


@functools.cache
def root() -> Entity:
    return made("root", None)


@functools.cache
def usual(role: str, kind: str = "p256") -> Entity:
    return made(role, root() if role == "issuer" else usual("issuer"), kind=kind)


def chain(deviation: Deviation, role: str) -> Chain:
    """With the change in the certificate of this role."""
    if role == "issuer":
        issuer = made("issuer", root(), deviation.change, deviation.key)
        return Chain(root(), issuer, made("leaf", issuer))
    return Chain(root(), usual("issuer"), made(role, usual("issuer"), deviation.change, deviation.key))
