# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The keys of a TLS 1.3 handshake: key shares, the key schedule, and the protection of records.

Only as much as it takes to read what a server sends before its certificate is verified (RFC 8446
sections 4.2.8, 5.2 and 7.1).
"""

from __future__ import annotations

import hashlib
import hmac
import typing as t

from ..errors import MalformedError
from . import tls

try:
    from cryptography.hazmat.primitives.asymmetric import ec, x25519
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:
    pass  # said by signature.library_problem

try:
    from cryptography.hazmat.primitives.asymmetric import mlkem
except ImportError:
    mlkem = None  # type: ignore[assignment,unused-ignore]

X25519 = 0x001D
#: The key of ML-KEM comes first, and so does what is encapsulated in it (draft-ietf-tls-ecdhe-mlkem).
X25519_MLKEM768 = 0x11EC
_CIPHERTEXT = 1088
_CURVES = {0x0017: "SECP256R1", 0x0018: "SECP384R1", 0x0019: "SECP521R1"}


def _has_mlkem() -> bool:
    """Whether cryptography has ML-KEM, and the OpenSSL below it as well."""
    try:
        mlkem.MLKEM768PrivateKey.generate()
    except Exception:  # of a module that is None, or UnsupportedAlgorithm
        return False
    return True


#: The groups of which shares are sent, namely of the first two.
GROUPS = (X25519, *_CURVES)
_SHARES = 2
#: All that are offered, in this order. The share of the hybrid group is so large that old servers, and what is before
#: them, do not cope with it; those that prefer it ask for it.
OFFERED = ((X25519_MLKEM768,) if _has_mlkem() else ()) + GROUPS

_TAG = 16
_PLAIN_LIMIT = 16384


class _Cipher(t.NamedTuple):
    """The name of the class in cryptography, the octets of its key, and the digest of the schedule."""

    name: str
    key: int
    digest: str


_CIPHERS = {
    0x1301: _Cipher("AESGCM", 16, "sha256"),
    0x1302: _Cipher("AESGCM", 32, "sha384"),
    0x1303: _Cipher("ChaCha20Poly1305", 32, "sha256"),
}


def digest_of(cipher: int) -> str:
    return _CIPHERS[cipher].digest


class KeyShares:
    """Private keys, made when they are first asked for, and their public halves."""

    def __init__(self) -> None:
        self._keys: t.Dict[int, t.Any] = {}

    def first(self) -> t.Dict[int, bytes]:
        """The shares for a first ClientHello; hosts with a strict policy lack some groups."""
        shares: t.Dict[int, bytes] = {}
        for group in GROUPS:
            if len(shares) < _SHARES:
                try:
                    shares[group] = self.share(group)
                except Exception:  # UnsupportedAlgorithm, or whatever this version raises for it
                    continue
        return shares

    def share(self, group: int) -> bytes:
        """The public key for a group of OFFERED, as it is written in a key share."""
        if group == X25519_MLKEM768:
            return self._hybrid_share()
        if group == X25519:
            key: t.Any = x25519.X25519PrivateKey.generate()
            share: bytes = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            key = ec.generate_private_key(getattr(ec, _CURVES[group])())
            share = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self._keys[group] = key
        return share

    def _hybrid_share(self) -> bytes:
        key: t.Any = mlkem.MLKEM768PrivateKey.generate()
        classic = self.share(X25519)
        self._keys[X25519_MLKEM768] = key
        return t.cast(bytes, key.public_key().public_bytes_raw()) + classic

    def secret(self, group: int, share: bytes) -> bytes:
        """The secret shared with the owner of a share. Raises MalformedError."""
        try:
            key = self._keys[group]
            if group == X25519_MLKEM768:
                secret = t.cast(bytes, key.decapsulate(share[:_CIPHERTEXT]))
                return secret + self.secret(X25519, share[_CIPHERTEXT:])
            if group == X25519:
                return t.cast(bytes, key.exchange(x25519.X25519PublicKey.from_public_bytes(share)))
            peer = ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, _CURVES[group])(), share)
            return t.cast(bytes, key.exchange(ec.ECDH(), peer))
        except Exception as error:  # of a group that was not offered, not on the curve, or of low order
            raise MalformedError(f"key share: cannot be used ({type(error).__name__})") from None


def handshake_secrets(digest: str, shared: bytes, transcript: bytes) -> t.Tuple[bytes, bytes]:
    """The traffic secrets of client and server; ``transcript`` is the digest up to the ServerHello."""
    size = hashlib.new(digest).digest_size
    early = _extract(digest, bytes(size), bytes(size))
    derived = expand(digest, early, "derived", hashlib.new(digest).digest(), size)
    secret = _extract(digest, derived, shared)
    client, server = (expand(digest, secret, label, transcript, size) for label in ("c hs traffic", "s hs traffic"))
    return client, server


def _extract(digest: str, salt: bytes, secret: bytes) -> bytes:
    return hmac.new(salt, secret, digest).digest()


def expand(digest: str, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1)."""
    info = length.to_bytes(2, "big") + tls.vector(1, b"tls13 " + label.encode("ascii")) + tls.vector(1, context)
    output, block, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.new(secret, block + info + bytes((counter,)), digest).digest()
        output += block
    return output[:length]


class Protection:
    """The records of one direction (RFC 8446 section 5.2)."""

    def __init__(self, cipher: int, secret: bytes) -> None:
        kind = _CIPHERS[cipher]
        key = expand(kind.digest, secret, "key", b"", kind.key)
        self._aead: t.Any = {"AESGCM": AESGCM, "ChaCha20Poly1305": ChaCha20Poly1305}[kind.name](key)
        self._iv = int.from_bytes(expand(kind.digest, secret, "iv", b"", 12), "big")
        self._sequence = 0

    def _nonce(self) -> bytes:
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return nonce

    def seal(self, kind: int, content: bytes) -> bytes:
        """A whole record with this content of this type."""
        plain = content + bytes((kind,))
        header = tls.record(tls.APPLICATION_DATA, bytes(len(plain) + _TAG))[:5]
        sealed: bytes = self._aead.encrypt(self._nonce(), plain, header)
        return header + sealed

    def open(self, record: bytes) -> t.Tuple[int, bytes]:
        """The type and the content of a whole record. Raises MalformedError."""
        try:
            plain = self._aead.decrypt(self._nonce(), record[5:], record[:5])
        except Exception:
            raise MalformedError("a record cannot be decrypted") from None
        plain = plain.rstrip(b"\0")
        if not plain or len(plain) > _PLAIN_LIMIT + 1:
            raise MalformedError("an encrypted record is empty or too long")
        return plain[-1], plain[:-1]
