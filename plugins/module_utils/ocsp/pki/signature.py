# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Signature algorithms and public keys: what they are, how strong they are, whether they verify.

Keys and parameters are read from their DER, because no version of cryptography shows the RSA-PSS
parameters of an OCSP response; the arithmetic is done by cryptography alone.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t

from ..asn1 import der
from ..errors import MalformedError
from .kinds import kind_name
from .remembered import remembered_if_short

try:
    import cryptography
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
except ImportError:
    # Every face of the core says so in its own way, so it must be importable without the library.
    CRYPTOGRAPHY_VERSION: t.Optional[str] = None
else:
    CRYPTOGRAPHY_VERSION = cryptography.__version__

#: The oldest version of cryptography that can check all that is accepted.
CRYPTOGRAPHY_MINIMUM = "3.3"

RSA = "rsa"
RSA_PSS = "rsa_pss"
ECDSA = "ecdsa"
ED25519 = "ed25519"
ED448 = "ed448"

MINIMUM_RSA_BITS = 2048

#: The end of a sentence about an encoding that OpenSSL reads and BoringSSL does not.
NOT_BY_CHROME = "; Chrome and other clients with BoringSSL refuse that"

#: What ``verify`` says where key and algorithm are understood, and the signature was made by another key.
MISMATCH = "it does not verify"
#: How ``verify`` begins where the host's library or its policy will not do it.
HOST_CANNOT = "this host cannot check"

_STRONG_DIGESTS = ("sha256", "sha384", "sha512")
#: What is below 112 bits of security, which is level 2 of OpenSSL and the default of distributions.
_WEAK_DIGESTS = ("md5", "sha1")
_MINIMUM_EC_BITS = 224

#: Digest names by OID (RFC 5754, RFC 3279).
DIGEST_OIDS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}

_PSS_OID = "1.2.840.113549.1.1.10"
_MGF1_OID = "1.2.840.113549.1.1.8"
_SCHEMES = {
    "1.2.840.113549.1.1.4": (RSA, "md5"),
    "1.2.840.113549.1.1.5": (RSA, "sha1"),
    "1.2.840.113549.1.1.11": (RSA, "sha256"),
    "1.2.840.113549.1.1.12": (RSA, "sha384"),
    "1.2.840.113549.1.1.13": (RSA, "sha512"),
    "1.2.840.113549.1.1.14": (RSA, "sha224"),
    "1.3.14.3.2.29": (RSA, "sha1"),  # of the OIW, older than PKCS #1; old CAs of Microsoft and others still use it
    "1.2.840.10045.4.1": (ECDSA, "sha1"),
    "1.2.840.10045.4.3.1": (ECDSA, "sha224"),
    "1.2.840.10045.4.3.2": (ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (ECDSA, "sha512"),
    "1.3.101.112": (ED25519, ""),
    "1.3.101.113": (ED448, ""),
}
_STRONG_CURVES = ("SECP256R1", "SECP384R1", "SECP521R1")
#: Curves by OID; those that are too odd for responses may still have signed a certificate.
_CURVES = {
    "1.2.840.10045.3.1.1": "SECP192R1",
    "1.2.840.10045.3.1.7": "SECP256R1",
    "1.3.132.0.10": "SECP256K1",
    "1.3.132.0.33": "SECP224R1",
    "1.3.132.0.34": "SECP384R1",
    "1.3.132.0.35": "SECP521R1",
    "1.3.36.3.3.2.8.1.1.7": "BrainpoolP256R1",
    "1.3.36.3.3.2.8.1.1.11": "BrainpoolP384R1",
    "1.3.36.3.3.2.8.1.1.13": "BrainpoolP512R1",
}
_RSA_KEY_OID = "1.2.840.113549.1.1.1"
_DSA_KEY_OID = "1.2.840.10040.4.1"
_EC_KEY_OID = "1.2.840.10045.2.1"


class Scheme(t.NamedTuple):
    """A signature algorithm; without ``kind`` one that cannot be verified.

    ``mask_digest`` and ``salt`` (octets) are the parameters of RSA-PSS. ``flaw`` says why responses
    must not be signed like this, whatever the digest, or is empty. ``oddity`` says what of its encoding
    is not as it should be and is read all the same, as the end of a sentence about what is signed.
    """

    oid: str
    kind: str
    digest: str
    mask_digest: str = ""
    salt: int = 0
    flaw: str = ""
    oddity: str = ""

    @property
    def name(self) -> str:
        """As in ``rsa_sha256``, ``rsa_pss_sha256``, ``ecdsa_sha384``, ``ed25519``; else the OID."""
        return f"{self.kind}_{self.digest}" if self.kind and self.digest else self.kind or self.digest or self.oid


class PublicKey(t.NamedTuple):
    """A subject public key; ``key`` is None where it cannot be used, and ``flaw`` says why it should not be.

    A key of the kind RSA_PSS is for that alone, and with parameters of its own for ``only`` those
    (RFC 4055 section 1.2).
    """

    kind: str
    key: t.Any
    bits: int
    flaw: str = ""
    only: t.Optional[Scheme] = None


@remembered_if_short(64)
def parse_algorithm(algorithm: bytes) -> Scheme:
    """Read an AlgorithmIdentifier (RFC 5280 section 4.1.1.2) of a signature."""
    check_algorithm(algorithm, "signature algorithm")
    reader = der.Reader(algorithm, "signature algorithm").sequence()
    oid = reader.oid()
    if oid == _PSS_OID:
        return _parse_pss(reader)
    kind, digest = _SCHEMES.get(oid, ("", ""))
    if not kind:
        return Scheme(oid, "", "", flaw=f"the signature algorithm {kind_name(oid)} is not supported")
    scheme = Scheme(oid, kind, digest)
    if kind == RSA and reader.at_end():
        return scheme._replace(oddity="leaves out the NULL that belongs to its RSA signature algorithm (RFC 4055)")
    if kind in (RSA, ECDSA) and reader.peek() == der.NULL:
        reader.null()
        if kind == ECDSA:
            scheme = scheme._replace(oddity=f"has NULL in its ECDSA signature algorithm (RFC 5758){NOT_BY_CHROME}")
    if not reader.at_end():
        # Parameters where RFC 5758 and RFC 8410 want none would be ignored by the verification.
        return Scheme(oid, "", digest, flaw=f"the signature algorithm {oid} carries parameters that it must not have")
    return scheme


def check_algorithm(algorithm: bytes, what: str) -> None:
    """Refuse an AlgorithmIdentifier (RFC 5280 section 4.1.1.2) that OpenSSL does not read, of a known kind or not.

    Whoever does not know the kind has to read over its parameters all the same, of which there is one element or none.
    """
    fields = der.Reader(algorithm, what).last()
    fields.oid()
    if not fields.at_end():
        fields.anything()
    fields.finish()


def plain_algorithm(algorithm: bytes) -> bytes:
    """An AlgorithmIdentifier that was read without what is odd about its encoding. Raises MalformedError."""
    scheme = parse_algorithm(algorithm)
    if not scheme.oddity:
        return algorithm
    reader = der.Reader(algorithm, "signature algorithm").sequence()
    oid = reader.raw(der.OBJECT_IDENTIFIER)
    if scheme.kind != RSA_PSS:
        return der.encode(der.SEQUENCE, oid, der.encode(der.NULL) if scheme.kind == RSA else b"")
    fields = reader.last()
    kept = [fields.raw(tag) for tag in map(der.context, range(3)) if fields.peek() == tag]
    return der.encode(der.SEQUENCE, oid, der.encode(der.SEQUENCE, *kept))


def _parse_pss(reader: der.Reader) -> Scheme:
    """RSASSA-PSS-params (RFC 4055 section 3.1); absent fields mean SHA-1 and a salt of 20 octets."""
    digest, mask_digest, salt, trailer = "sha1", "sha1", 20, 1
    written = False
    if not reader.at_end():
        fields = reader.last()
        field = fields.optional(der.context(0))
        if field:
            digest = _read_digest(field)
        field = fields.optional(der.context(1))
        if field:
            mask = field.last()
            mask_digest = _read_digest(mask) if mask.oid() == _MGF1_OID else ""
        salt = _read_number(fields, 2, salt)
        written = fields.peek() == der.context(3)
        trailer = _read_number(fields, 3, trailer)
        fields.finish()
    if not digest or not mask_digest or trailer != 1 or salt < 0:
        return Scheme(_PSS_OID, "", "", flaw="the RSA-PSS parameters are not understood")
    flaw = ""
    if mask_digest != digest:
        flaw = f"the RSA-PSS mask uses {mask_digest.upper()}, not the digest of the signature"
    elif salt != hashlib.new(digest, usedforsecurity=False).digest_size:
        flaw = "the RSA-PSS salt is not as long as the digest"
    oddity = f"writes out the default trailer of its RSA-PSS signature algorithm{NOT_BY_CHROME}" if written else ""
    return Scheme(_PSS_OID, RSA_PSS, digest, mask_digest, salt, flaw, oddity)


def _read_number(fields: der.Reader, number: int, default: int) -> int:
    wrapped = fields.optional(der.context(number))
    if not wrapped:
        return default
    value = wrapped.integer()
    wrapped.finish()
    return value


def _read_digest(reader: der.Reader) -> str:
    algorithm = reader.sequence()
    name = DIGEST_OIDS.get(algorithm.oid(), "")
    if not algorithm.at_end():
        algorithm.null()
    algorithm.finish()
    reader.finish()
    return name


def split_key(spki: bytes) -> t.Tuple[bytes, bytes]:
    """The AlgorithmIdentifier of a SubjectPublicKeyInfo, and the content of its bit string. Raises MalformedError."""
    info = der.Reader(spki, "public key").last()
    algorithm, bits = info.raw(der.SEQUENCE), info.bits()
    info.finish()
    check_algorithm(algorithm, "public key")
    return algorithm, bits


#: As OpenSSL has it for long keys. Without a limit one check takes as long as hundreds with a usual exponent.
_LONGEST_EXPONENT = 64


@remembered_if_short(256)
def load_public_key(spki: bytes) -> PublicKey:
    """Load a SubjectPublicKeyInfo (RFC 5280 section 4.1). Raises MalformedError."""
    identifier, bits = split_key(spki)
    algorithm = der.Reader(identifier, "public key").sequence()
    oid = algorithm.oid()
    try:
        return _build_key(oid, algorithm, bits)
    except MalformedError:
        raise
    except UnsupportedAlgorithm:  # OpenSSL without some curves, as in the RedHat family, or with a policy against them
        return PublicKey("", None, 0, f"this kind of key is not supported by OpenSSL on this host: {kind_name(oid)}")
    except Exception as error:  # cryptography raises many kinds for keys it will not have
        raise MalformedError(f"public key: {error}") from None


def _build_key(oid: str, algorithm: der.Reader, bits: bytes) -> PublicKey:
    if oid in (_RSA_KEY_OID, _PSS_OID):
        numbers = der.Reader(bits, "RSA public key").last()
        modulus, exponent = numbers.integer(), numbers.integer()
        numbers.finish()
        if exponent.bit_length() > _LONGEST_EXPONENT:
            flaw = f"its RSA exponent has {exponent.bit_length()} bits, more than {_LONGEST_EXPONENT}"
            return PublicKey("", None, 0, f"{flaw}, which takes too long to check")
        key: t.Any = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if oid == _RSA_KEY_OID:
            return PublicKey(RSA, key, modulus.bit_length())
        only = None if algorithm.at_end() else _parse_pss(algorithm)
        return PublicKey(RSA_PSS, key, modulus.bit_length(), only=only)
    if oid == _EC_KEY_OID:
        if algorithm.peek() not in (der.OBJECT_IDENTIFIER, der.SEQUENCE):
            raise algorithm.fail("it names no curve")
        curve = algorithm.oid() if algorithm.peek() == der.OBJECT_IDENTIFIER else ""
        if curve:
            algorithm.finish()
        name = _CURVES.get(curve) or (kind_name(curve) if curve else "with explicit parameters")
        flaw = "" if name in _STRONG_CURVES else f"the elliptic curve {name} is not supported"
        if curve not in _CURVES:
            return PublicKey(ECDSA, None, 0, flaw)
        key = ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, name)(), bits)
        return PublicKey(ECDSA, key, key.key_size, flaw)
    kind = _SCHEMES.get(oid, ("", ""))[0]
    if kind in (ED25519, ED448) and not algorithm.at_end():
        return PublicKey("", None, 0, f"its algorithm {kind} carries parameters that it must not have (RFC 8410)")
    if kind == ED25519:
        return PublicKey(kind, ed25519.Ed25519PublicKey.from_public_bytes(bits), 256)
    if kind == ED448:
        return PublicKey(kind, ed448.Ed448PublicKey.from_public_bytes(bits), 456)
    return PublicKey("", None, 0, f"this kind of key is not supported: {kind_name(oid)}")


def is_dsa(spki: bytes) -> bool:
    """Whether a key is one for DSA, which TLS 1.3 and the ciphers of today have no place for. Raises MalformedError."""
    return der.Reader(spki, "public key").sequence().sequence().oid() == _DSA_KEY_OID


def has_explicit_curve(spki: bytes) -> bool:
    """Whether an elliptic curve is written out instead of named, which RFC 5480 forbids. Raises MalformedError."""
    algorithm = der.Reader(spki, "public key").sequence().sequence()
    return algorithm.oid() == _EC_KEY_OID and algorithm.peek() == der.SEQUENCE


def library_problem() -> str:
    """Why cryptography cannot be used on this host, or an empty string."""
    if CRYPTOGRAPHY_VERSION is None:
        return "it is not installed"
    installed = tuple(int(part) for part in CRYPTOGRAPHY_VERSION.split(".")[:2])
    wanted = tuple(int(part) for part in CRYPTOGRAPHY_MINIMUM.split("."))
    return f"version {CRYPTOGRAPHY_VERSION} is too old" if installed < wanted else ""


def weakness(scheme: Scheme, key: PublicKey, allow_sha1: bool = False) -> str:
    """Why a signature by this scheme and key proves too little, or an empty string.

    The accepted ones are those of CA/Browser Forum BR 7.1.3.2 and RFC 8410; ``allow_sha1`` is for
    private PKI that cannot do better.
    """
    if scheme.flaw or key_weakness(key):
        return scheme.flaw or key_weakness(key)
    accepted = ("",) + _STRONG_DIGESTS + (("sha1",) if allow_sha1 else ())
    if scheme.digest not in accepted:
        return f"the digest {scheme.digest.upper()} is too weak"
    return ""


def key_weakness(key: PublicKey) -> str:
    """Why no signature by a key is accepted, or an empty string."""
    if not key.flaw and key.kind in (RSA, RSA_PSS) and key.bits < MINIMUM_RSA_BITS:
        return f"the RSA key has {key.bits} bits, fewer than {MINIMUM_RSA_BITS}"
    return key.flaw


def load_weakness(scheme: Scheme, key: PublicKey) -> str:
    """Why servers do not load a certificate at the usual security level of OpenSSL, or an empty string.

    ``scheme`` is that of its signature, and ``key`` its own.
    """
    if scheme.digest in _WEAK_DIGESTS:
        return f"it is signed with {scheme.digest.upper()}"
    if not scheme.kind:
        return scheme.flaw
    least = MINIMUM_RSA_BITS if key.kind in (RSA, RSA_PSS) else _MINIMUM_EC_BITS
    return f"its key has {key.bits} bits, fewer than {least}" if key.key is not None and key.bits < least else ""


def unsupported(scheme: Scheme, key: PublicKey) -> str:
    """Why nothing can be said about a signature by this scheme and key, or an empty string."""
    if not scheme.kind:
        return scheme.flaw
    return key.flaw if key.key is None else ""


def verify(scheme: Scheme, key: PublicKey, signature: bytes, data: bytes) -> str:
    """Check a signature over data. Returns why it does not verify, or an empty string.

    Whether it is strong enough is another question, which ``weakness`` answers.
    """
    kind, key_kind, public, only = scheme.kind, key.kind, key.key, key.only
    if not kind or public is None:
        return unsupported(scheme, key)
    if kind != key_kind and (kind, key_kind) != (RSA_PSS, RSA):
        return f"it is of the kind {scheme.name}, but the key is of the kind {key_kind}"
    if only and (only[:4] != scheme[:4] or scheme.salt < only.salt):
        return f"the key is for {only.name} with other parameters"
    try:
        public.verify(signature, data, *_how_to_verify(scheme))
    except InvalidSignature:
        return MISMATCH
    except Exception as error:  # a digest that the host's policy forbids raises what the version pleases
        return f"{HOST_CANNOT} {scheme.name} ({type(error).__name__})"
    if key_kind in (RSA, RSA_PSS) and len(signature) != (key.bits + 7) // 8:
        return MISMATCH  # RFC 8017 sections 8.1.2 and 8.2.2; OpenSSL adds zeros that were left out, but GnuTLS does not
    return ""


@functools.lru_cache(maxsize=64)
def _how_to_verify(scheme: Scheme) -> t.Tuple[t.Any, ...]:
    """The padding and the digest, as far as keys of that kind want them."""
    if scheme.kind in (ED25519, ED448):
        return ()
    digest = getattr(hashes, scheme.digest.upper())()
    if scheme.kind == ECDSA:
        return (ec.ECDSA(digest),)
    if scheme.kind == RSA:
        return padding.PKCS1v15(), digest
    mask = getattr(hashes, scheme.mask_digest.upper())()
    return padding.PSS(mgf=padding.MGF1(mask), salt_length=scheme.salt), digest
