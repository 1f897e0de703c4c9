# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DER writer and signer: certificates and OCSP responses, good ones and ones with any fault.

It uses cryptography for keys and signatures only, so that what it makes does not depend on the version
of cryptography under test. C(response()) alone is a good answer about C(world().leaf) at C(NOW).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
import typing as t
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
URL = "http://ocsp.example.com"

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

UNKNOWN_OID = "1.3.6.1.4.1.55555.1"
ANY_EKU = "2.5.29.37.0"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1"
OCSP_NONCE = "1.3.6.1.5.5.7.48.1.2"
OCSP_NOCHECK = "1.3.6.1.5.5.7.48.1.5"
OCSP_EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"

DIGEST_OIDS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_RSA_OIDS = {"md5": 4, "sha1": 5, "sha256": 11, "sha384": 12, "sha512": 13, "sha224": 14}
_ECDSA_OIDS = {"sha1": "1", "sha224": "3.1", "sha256": "3.2", "sha384": "3.3", "sha512": "3.4"}
_HASHES = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

# DER ---------------------------------------------------------------------------------------------


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with a minimal definite length."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    octets_ = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets_)]) + octets_ + content


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def integer(value: int) -> bytes:
    magnitude = value if value >= 0 else -value - 1
    return tlv(0x02, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        chunk = bytes([arc & 0x7F])
        while arc > 0x7F:
            arc >>= 7
            chunk = bytes([0x80 | (arc & 0x7F)]) + chunk
        content += chunk
    return tlv(0x06, content)


def octets(content: bytes) -> bytes:
    return tlv(0x04, content)


def indefinite(tag: int, content: bytes) -> bytes:
    """The element with BER's indefinite length."""
    return bytes([tag, 0x80]) + content + bytes(2)


def long_length(tag: int, content: bytes) -> bytes:
    """The element with a length that takes more octets than it needs."""
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of the DER elements that stand one behind the other."""
    found = []
    while data:
        start, length = 2, data[1]
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[start : start + length]))
        data = data[start + length :]
    return found


def each_changed(data: bytes, change: t.Callable[[int, bytes], bytes]) -> t.Iterator[bytes]:
    """One DER element, time and again with C(change) applied to another element in it, itself first."""
    ((tag, content),) = elements(data)
    yield change(tag, content)
    inner = [tlv(*element) for element in elements(content)] if tag & 0x20 else []
    for index, element in enumerate(inner):
        for changed in each_changed(element, change):
            yield tlv(tag, *inner[:index], changed, *inner[index + 1 :])


def bits(content: bytes, unused: int = 0) -> bytes:
    return tlv(0x03, bytes([unused]), content)


def generalized(moment: datetime) -> bytes:
    return raw_time(moment.strftime("%Y%m%d%H%M%SZ"))


def raw_time(text: str) -> bytes:
    """A GeneralizedTime with any text, for the forms that RFC 5280 forbids."""
    return tlv(0x18, text.encode())


def x509_time(moment: datetime) -> bytes:
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode()) if moment.year < 2050 else generalized(moment)


NULL = tlv(0x05)
TRUE = b"\x01\x01\xff"

# Keys and signatures -----------------------------------------------------------------------------

_CURVES: dict[str, t.Any] = {
    "p192": ec.SECP192R1,
    "p224": ec.SECP224R1,
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
    "brainpool": ec.BrainpoolP256R1,
}


@functools.cache
def key(kind: str = "p256", label: str = "") -> t.Any:
    """The private key of that kind and label, the same one for the whole process."""
    if kind.startswith("rsa"):
        size, _separator, exponent = kind[3:].partition("e")
        return rsa.generate_private_key(public_exponent=int(exponent or 65537), key_size=int(size))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind]())


def public_key_info(private_key: t.Any) -> bytes:
    return private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_key_bits(private_key: t.Any) -> bytes:
    """What the key hashes of RFC 6960 are computed over."""
    public = private_key.public_key()
    if isinstance(private_key, rsa.RSAPrivateKey):
        return public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def private_pem(private_key: t.Any) -> bytes:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def default_scheme(private_key: t.Any) -> str:
    if isinstance(private_key, rsa.RSAPrivateKey):
        return "rsa_sha256"
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return "ecdsa_sha256"
    return "ed25519" if isinstance(private_key, ed25519.Ed25519PrivateKey) else "ed448"


def pss_parameters(digest: str, mgf: str, salt: int) -> bytes:
    """RSASSA-PSS-params with the defaults (SHA-1, MGF1 with SHA-1, 20) left out, as DER wants them."""
    parts = []
    if digest != "sha1":
        parts.append(tlv(0xA0, sequence(oid(DIGEST_OIDS[digest]), NULL)))
    if mgf != "sha1":
        parts.append(tlv(0xA1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid(DIGEST_OIDS[mgf]), NULL))))
    if salt != 20:
        parts.append(tlv(0xA2, integer(salt)))
    return sequence(*parts)


def algorithm(scheme: str) -> bytes:
    """The AlgorithmIdentifier of a scheme, see L(sign)."""
    family, *options = scheme.split("_")
    if family == "rsa":
        return sequence(oid(f"1.2.840.113549.1.1.{_RSA_OIDS[options[0]]}"), NULL)
    if family == "ecdsa":
        return sequence(oid(f"1.2.840.10045.4.{_ECDSA_OIDS[options[0]]}"))
    if family == "pss":
        return sequence(oid("1.2.840.113549.1.1.10"), pss_parameters(*_pss_options(options)))
    return sequence(oid({"ed25519": "1.3.101.112", "ed448": "1.3.101.113"}[family]))


def _pss_options(options: list[str]) -> tuple[str, str, int]:
    digest = mgf = options[0]
    salt = _HASHES[digest].digest_size
    for option in options[1:]:
        if option.startswith("salt"):
            salt = int(option[4:])
        else:
            mgf = option[3:]
    return digest, mgf, salt


def sign(private_key: t.Any, scheme: str, data: bytes) -> bytes:
    """Sign by a scheme: C(rsa_sha256), C(ecdsa_sha1), C(pss_sha256), C(pss_sha256_salt20), C(ed25519), ..."""
    family, *options = scheme.split("_")
    if family == "pss":
        digest, mgf, salt = _pss_options(options)
        return private_key.sign(data, padding.PSS(padding.MGF1(_HASHES[mgf]()), salt), _HASHES[digest]())
    if family == "rsa":
        return _sign_pkcs1(private_key, options[0], data)
    if family == "ecdsa":
        value = hashlib.new(options[0], data).digest()
        if len(value) >= 32:
            return private_key.sign(data, ec.ECDSA(_HASHES[options[0]]()))
        # The same number in 32 octets: OpenSSL by the policy of RHEL 9 would not sign with SHA-1.
        return private_key.sign(value.rjust(32, b"\0"), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    return private_key.sign(data)


def _sign_pkcs1(private_key: t.Any, digest: str, data: bytes) -> bytes:
    if digest not in ("md5", "sha1"):
        return private_key.sign(data, padding.PKCS1v15(), _HASHES[digest]())
    # By hand: some versions and policies refuse to sign with MD5 or SHA-1.
    return sign_info(private_key, digest_info(digest, data))


def digest_info(digest: str, data: bytes, parameters: bytes = NULL) -> bytes:
    """DigestInfo (RFC 8017 section 9.2)."""
    return sequence(sequence(oid(DIGEST_OIDS[digest]), parameters), octets(hashlib.new(digest, data).digest()))


def sign_info(private_key: t.Any, info: bytes) -> bytes:
    """The PKCS #1 v1.5 signature of anything in the place of DigestInfo."""
    numbers = private_key.private_numbers()
    modulus = numbers.public_numbers.n
    size = (modulus.bit_length() + 7) // 8
    block = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(int.from_bytes(block, "big"), numbers.d, modulus).to_bytes(size, "big")


# Extensions --------------------------------------------------------------------------------------


def extension(dotted: str, value: bytes, critical: bool = False) -> bytes:
    return sequence(oid(dotted), TRUE if critical else b"", octets(value))


def unknown_extension(critical: bool = False) -> bytes:
    return extension(UNKNOWN_OID, NULL, critical)


def ocsp_urls(*urls: str, other: t.Sequence[str] = ()) -> bytes:
    """Authority information access: these responders, and C(other) as caIssuers."""
    entries = [("1.3.6.1.5.5.7.48.2", url) for url in other] + [("1.3.6.1.5.5.7.48.1", url) for url in urls]
    return extension(
        "1.3.6.1.5.5.7.1.1", sequence(*(sequence(oid(method), tlv(0x86, url.encode())) for method, url in entries))
    )


def basic_constraints(ca: bool, critical: bool = True, path_length: t.Optional[int] = None) -> bytes:
    limit = b"" if path_length is None else integer(path_length)
    return extension("2.5.29.19", sequence(TRUE if ca else b"", limit), critical)


_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_USAGES += ("key_cert_sign", "crl_sign", "encipher_only")


def key_usage(*names: str, critical: bool = True) -> bytes:
    value = sum(0x80 >> _USAGES.index(name_) for name_ in names)
    unused = (value & -value).bit_length() - 1
    return extension("2.5.29.15", bits(bytes([value]), unused), critical)


def extended_key_usage(*purposes: str, critical: bool = False) -> bytes:
    return extension("2.5.29.37", sequence(*(oid(purpose) for purpose in purposes)), critical)


def nocheck() -> bytes:
    return extension(OCSP_NOCHECK, NULL)


def must_staple(*features: int) -> bytes:
    """RFC 7633, TLS feature: 5 is status_request, 17 is status_request_v2."""
    return extension("1.3.6.1.5.5.7.1.24", sequence(*(integer(feature) for feature in features or (5,))))


def subject_alt_name(*hosts: t.Union[str, bytes]) -> bytes:
    """DNS names, and whole elements for names of other kinds, see L(address_name)."""
    return extension("2.5.29.17", sequence(*map(_general_name, hosts)))


def _general_name(given: t.Union[str, bytes]) -> bytes:
    return tlv(0x82, given.encode()) if isinstance(given, str) else given


def address_name(address: str) -> bytes:
    """The GeneralName of an IP address, or of a network (C(192.0.2.0/24)) as name constraints have it."""
    if "/" not in address:
        return tlv(0x87, ipaddress.ip_address(address).packed)
    network = ipaddress.ip_network(address)
    return tlv(0x87, network.network_address.packed + network.netmask.packed)


def email_name(address: str) -> bytes:
    return tlv(0x81, address.encode())


def uri_name(uri: str) -> bytes:
    return tlv(0x86, uri.encode())


def directory_name(subject: bytes) -> bytes:
    return tlv(0xA4, subject)


def registered_id(dotted: str) -> bytes:
    return tlv(0x88, elements(oid(dotted))[0][1])


def subject_key_identifier(value: bytes) -> bytes:
    return extension("2.5.29.14", octets(value))


def authority_key_identifier(
    value: bytes = b"", issuer: t.Optional[bytes] = None, serial: t.Optional[int] = None
) -> bytes:
    """By the key's identifier, or by name and number of the issuer's certificate."""
    parts = [tlv(0x80, value)] if value else []
    if issuer is not None:
        parts.append(tlv(0xA1, directory_name(issuer)))
    if serial is not None:
        parts.append(tlv(0x82, elements(integer(serial))[0][1]))
    return extension("2.5.29.35", sequence(*parts))


def netscape_type(bit: int) -> bytes:
    """The old certificate type: bit 0 is a client, bit 1 a server."""
    return extension("2.16.840.1.113730.1.1", bits(bytes([0x80 >> bit]), 7 - bit))


def crl_distribution_points(url: str) -> bytes:
    return extension("2.5.29.31", sequence(sequence(tlv(0xA0, tlv(0xA0, tlv(0x86, url.encode()))))))


def name_constraints(
    *permitted: t.Union[str, bytes], excluded: t.Sequence[t.Union[str, bytes]] = (), critical: bool = False
) -> bytes:
    """The names as L(subject_alt_name) has them."""
    parts = [
        tlv(tag, *(sequence(_general_name(one)) for one in names))
        for tag, names in ((0xA0, permitted), (0xA1, excluded))
        if names
    ]
    return extension("2.5.29.30", sequence(*parts), critical)


def nonce(value: bytes, critical: bool = False) -> bytes:
    return extension(OCSP_NONCE, octets(value), critical)


def reason_code(reason: int) -> bytes:
    """The CRL entry extension, which has no place in a single response (BR 7.3.2)."""
    return extension("2.5.29.21", tlv(0x0A, bytes([reason])))


# Certificates ------------------------------------------------------------------------------------


UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13


def name(common_name: str, organization: str = "Forge", tag: int = UTF8_STRING) -> bytes:
    """A Name of an organization and a common name."""
    return sequence(
        tlv(0x31, sequence(oid("2.5.4.10"), tlv(tag, organization.encode()))),
        tlv(0x31, sequence(oid("2.5.4.3"), tlv(tag, common_name.encode()))),
    )


class Entity(t.NamedTuple):
    """A certificate with its private key."""

    der: bytes
    key: t.Any
    subject: bytes
    issuer: bytes
    serial: int
    not_before: datetime
    not_after: datetime

    @property
    def pem(self) -> bytes:
        return armour(self.der)


def armour(der: bytes, label: str = "CERTIFICATE", newline: bytes = b"\n") -> bytes:
    text = base64.b64encode(der)
    lines = [text[index : index + 64] for index in range(0, len(text), 64)]
    return newline.join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def certificate(
    subject: t.Union[str, bytes] = "leaf.example.com",
    issuer: t.Optional[Entity] = None,
    *,
    private_key: t.Any = None,
    serial: int = 0x1000,
    not_before: datetime = NOW - 30 * DAY,
    not_after: datetime = NOW + 60 * DAY,
    extensions: t.Sequence[bytes] = (),
    scheme: t.Optional[str] = None,
    issuer_name: t.Optional[bytes] = None,
    signer_key: t.Any = None,
    flip_signature: bool = False,
    raw_serial: t.Optional[bytes] = None,
    raw_key: t.Optional[bytes] = None,
    raw_validity: t.Optional[bytes] = None,
    reshape: t.Callable[[bytes], bytes] = bytes,
    version: int = 3,
) -> Entity:
    """A certificate by C(issuer), self-signed without one. C(reshape) may change what is signed, before it is."""
    subject = name(subject) if isinstance(subject, str) else subject
    private_key = private_key or key("p256", subject.hex())
    signer_key = signer_key or (issuer.key if issuer else private_key)
    issuer_name = issuer_name or (issuer.subject if issuer else subject)
    scheme = scheme or default_scheme(signer_key)
    tbs = sequence(
        tlv(0xA0, integer(version - 1)) if version > 1 else b"",
        raw_serial or integer(serial),
        algorithm(scheme),
        issuer_name,
        raw_validity or sequence(x509_time(not_before), x509_time(not_after)),
        subject,
        raw_key or public_key_info(private_key),
        tlv(0xA3, sequence(*extensions)) if extensions else b"",
    )
    tbs = reshape(tbs)
    der = sequence(tbs, algorithm(scheme), bits(_maybe_flip(sign(signer_key, scheme, tbs), flip_signature)))
    return Entity(der, private_key, subject, issuer_name, serial, not_before, not_after)


def _maybe_flip(signature: bytes, flip: bool) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1]) if flip else signature


def other_signature(certificate_der: bytes) -> bytes:
    """The same certificate with the other ECDSA P-256 signature that verifies, (r, n - s) for (r, s)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    start = certificate_der.rindex(algorithm("ecdsa_sha256")) + len(algorithm("ecdsa_sha256"))
    tbs_and_algorithm = certificate_der[certificate_der.index(b"\x30", 1) : start]
    r, s = utils.decode_dss_signature(certificate_der[start + 3 :])
    return sequence(tbs_and_algorithm, bits(utils.encode_dss_signature(r, order - s)))


CA_EXTENSIONS = (basic_constraints(True), key_usage("digital_signature", "key_cert_sign", "crl_sign"))
DELEGATE_EXTENSIONS = (
    basic_constraints(False),
    key_usage("digital_signature"),
    extended_key_usage(OCSP_SIGNING),
    nocheck(),
)


def authority(subject: t.Union[str, bytes], issuer: t.Optional[Entity] = None, **options: t.Any) -> Entity:
    """A CA that may sign responses itself."""
    options = {
        "not_before": NOW - 365 * DAY,
        "not_after": NOW + 3650 * DAY,
        "extensions": CA_EXTENSIONS,
        "serial": 0x20,
        **options,
    }
    return certificate(subject, issuer, **options)


def delegate(issuer: Entity, subject: t.Union[str, bytes] = "Responder", **options: t.Any) -> Entity:
    """A responder certificate by the profile of the Baseline Requirements."""
    options = {"not_before": NOW - 10 * DAY, "extensions": DELEGATE_EXTENSIONS, "serial": 0x3000, **options}
    return certificate(subject, issuer, **options)


def leaf(issuer: Entity, subject: t.Union[str, bytes] = "leaf.example.com", **options: t.Any) -> Entity:
    """A server certificate that names one responder."""
    extensions = (
        basic_constraints(False),
        key_usage("digital_signature"),
        extended_key_usage(SERVER_AUTH),
        ocsp_urls(URL),
    )
    return certificate(subject, issuer, **{"extensions": extensions, **options})


class World(t.NamedTuple):
    """A root, its issuing CA, and what that CA issued."""

    root: Entity
    issuer: Entity
    leaf: Entity
    delegate: Entity


@functools.cache
def world(
    issuer_key: str = "p256", delegate_key: str = "p256", *, must_staple: bool = False, now: datetime = NOW
) -> World:
    """A root, an issuing CA, a leaf and a delegated responder, all good around C(now)."""
    years = {"not_before": now - 365 * DAY, "not_after": now + 3650 * DAY}
    months = {"not_before": now - 30 * DAY, "not_after": now + 60 * DAY}
    root = authority("Root", serial=1, **years)
    issuer = authority("Issuing CA", root, private_key=key(issuer_key, "issuer"), **years)
    extensions = (
        basic_constraints(False),
        key_usage("digital_signature"),
        extended_key_usage(SERVER_AUTH),
        ocsp_urls(URL),
        *([_MUST_STAPLE] if must_staple else []),
    )
    return World(
        root,
        issuer,
        leaf(issuer, extensions=extensions, **months),
        delegate(issuer, private_key=key(delegate_key, "delegate"), **months),
    )


_MUST_STAPLE = must_staple()

# OCSP --------------------------------------------------------------------------------------------

STATUSES = {
    "successful": 0,
    "malformed_request": 1,
    "internal_error": 2,
    "try_later": 3,
    "sig_required": 5,
    "unauthorized": 6,
}
REASONS = {
    "unspecified": 0,
    "key_compromise": 1,
    "ca_compromise": 2,
    "affiliation_changed": 3,
    "superseded": 4,
    "cessation_of_operation": 5,
    "certificate_hold": 6,
    "remove_from_crl": 8,
    "privilege_withdrawn": 9,
    "aa_compromise": 10,
}


def cert_id(
    subject: Entity,
    issuer: Entity,
    *,
    digest: str = "sha1",
    digest_oid: t.Optional[str] = None,
    parameters: bytes = NULL,
    name_hash: t.Optional[bytes] = None,
    key_hash: t.Optional[bytes] = None,
    serial: t.Union[int, bytes, None] = None,
) -> bytes:
    """CertID (RFC 6960 4.1.1); any part can be replaced, the serial also by a whole element."""
    return sequence(
        sequence(oid(digest_oid or DIGEST_OIDS[digest]), parameters),
        octets(hashlib.new(digest, issuer.subject).digest() if name_hash is None else name_hash),
        octets(hashlib.new(digest, public_key_bits(issuer.key)).digest() if key_hash is None else key_hash),
        serial if isinstance(serial, bytes) else integer(subject.serial if serial is None else serial),
    )


def request(subject: Entity, issuer: Entity, *, digest: str = "sha1", extensions: t.Sequence[bytes] = ()) -> bytes:
    """The request bytes that a client is expected to send."""
    wanted = sequence(sequence(sequence(cert_id(subject, issuer, digest=digest))), *_extensions(0xA2, extensions))
    return sequence(wanted)


def single(
    subject: t.Optional[Entity] = None,
    issuer: t.Optional[Entity] = None,
    *,
    status: t.Union[str, bytes] = "good",
    this_update: t.Union[datetime, str, bytes] = NOW - DAY,
    next_update: t.Union[datetime, str, bytes, None] = NOW + 6 * DAY,
    revocation_time: t.Union[datetime, str, bytes] = NOW - 2 * DAY,
    reason: t.Union[str, int, None] = None,
    extensions: t.Sequence[bytes] = (),
    raw_extensions: bytes = b"",
    extra: bytes = b"",
    **certid: t.Any,
) -> bytes:
    """A SingleResponse. Times given as str are written as they are, bytes stand for the whole element."""
    place = world()
    if status == "revoked":
        number = REASONS[reason] if isinstance(reason, str) else reason
        status = tlv(0xA1, _time(revocation_time), b"" if number is None else tlv(0xA0, tlv(0x0A, bytes([number]))))
    elif isinstance(status, str):
        status = {"good": tlv(0x80), "unknown": tlv(0x82)}[status]
    return sequence(
        cert_id(subject or place.leaf, issuer or place.issuer, **certid),
        status,
        _time(this_update),
        b"" if next_update is None else tlv(0xA0, _time(next_update)),
        *_extensions(0xA1, extensions),
        tlv(0xA1, raw_extensions) if raw_extensions else b"",
        extra,
    )


def _time(moment: t.Union[datetime, str, bytes]) -> bytes:
    if isinstance(moment, bytes):
        return moment
    return raw_time(moment) if isinstance(moment, str) else generalized(moment)


def _extensions(tag: int, extensions: t.Sequence[bytes]) -> list[bytes]:
    return [tlv(tag, sequence(*extensions))] if extensions else []


def responder_name(entity: Entity) -> bytes:
    return tlv(0xA1, entity.subject)


def responder_key(entity: Entity) -> bytes:
    return tlv(0xA2, octets(hashlib.sha1(public_key_bits(entity.key)).digest()))


def response(*singles: bytes, trailing: bytes = b"", **options: t.Any) -> bytes:
    """An OCSPResponse; without arguments a good one about the leaf of the default world, signed by its issuer.

    The options are those of L(basic_response).
    """
    return wrap(basic_response(*singles, **options), trailing=trailing)


def basic_response(
    *singles: bytes,
    signer: t.Optional[Entity] = None,
    responder: t.Union[str, bytes] = "key",
    produced_at: t.Union[datetime, str, bytes] = NOW - DAY,
    extensions: t.Sequence[bytes] = (),
    version: t.Optional[int] = None,
    raw_version: bytes = b"",
    certificates: t.Optional[t.Sequence[bytes]] = None,
    scheme: t.Optional[str] = None,
    signer_key: t.Any = None,
    signature_algorithm: t.Optional[bytes] = None,
    flip_signature: bool = False,
    sign_by: t.Optional[t.Callable[[bytes], bytes]] = None,
    reshape: t.Callable[[bytes], bytes] = bytes,
    extra_data: bytes = b"",
    extra_basic: bytes = b"",
    trailing_basic: bytes = b"",
    no_singles: bool = False,
) -> bytes:
    """BasicOCSPResponse, signed. A signer other than the default issuer comes with its certificate.

    C(extra_data) goes into the signed ResponseData, C(extra_basic) into BasicOCSPResponse, and
    C(trailing_basic) behind it. C(reshape) may change ResponseData before it is signed, and C(sign_by)
    makes the signature of it in another way.
    """
    place = world()
    signer = signer or place.issuer
    signer_key = signer_key or signer.key
    scheme = scheme or default_scheme(signer_key)
    if certificates is None:
        certificates = [] if signer is place.issuer else [signer.der]
    if isinstance(responder, str):
        responder = {"name": responder_name, "key": responder_key}[responder](signer)
    data = sequence(
        raw_version if version is None else tlv(0xA0, integer(version)),
        responder,
        _time(produced_at),
        sequence(*(() if no_singles else singles or (single(),))),
        *_extensions(0xA1, extensions),
        extra_data,
    )
    data = reshape(data)
    signed = sign_by(data) if sign_by else sign(signer_key, scheme, data)
    basic = sequence(
        data,
        signature_algorithm or algorithm(scheme),
        bits(_maybe_flip(signed, flip_signature)),
        tlv(0xA0, sequence(*certificates)) if certificates else b"",
        extra_basic,
    )
    return basic + trailing_basic


def wrap(basic: t.Optional[bytes], *, status: int = 0, response_type: str = OCSP_BASIC, trailing: bytes = b"") -> bytes:
    """OCSPResponse around BasicOCSPResponse bytes, or around nothing."""
    body = b"" if basic is None else tlv(0xA0, sequence(oid(response_type), octets(basic)))
    return sequence(tlv(0x0A, bytes([status])), body) + trailing


def error_response(status: t.Union[str, int]) -> bytes:
    """A response that is nothing but a status."""
    return wrap(None, status=STATUSES[status] if isinstance(status, str) else status)
