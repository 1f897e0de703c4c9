# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys: out of whatever a file holds, in the one form that every server reads.

The label and the lines are made anew (RFC 7468); what they wrap is taken apart here rather than by cryptography,
whose versions differ in what they take. No message quotes anything of what was given.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ..asn1 import der
from ..errors import InputError, MalformedError
from ..text import encode_pem
from . import formats, signature
from .certificate import Certificate
from .formats import ENCRYPTED, KEYS, PKCS1, PKCS8, elements, kind_of

_MARKER = re.compile(rb"-----[ \t]*(BEGIN|END)[ \t]+([A-Z0-9][A-Z0-9 \t]{0,60}?)[ \t]*-----")
#: White space, and what looks like it in text that was copied from a web page.
_SPACE = re.compile(rb"[\s\0]+|\xc2\xa0|\xe2\x80\x8b|\xef\xbb\xbf")
_HEADERS = re.compile(rb"\A\s*(?:[A-Za-z-]+:[^\r\n]*(?:\r\n|\r|\n))+\s*?(?:\r\n|\r|\n)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")

#: Octets of a key in DER; those of the smallest curves have more.
_SHORTEST = 16
_ATTRIBUTES = der.context(0)
_PUBLIC_KEY = der.context(1, constructed=False)

_REMOVE_PASSWORD = (
    "is protected by a password, so servers cannot load it unattended; remove the password with 'openssl pkey -in OLD "
    "-out NEW'"
)
_OTHERS = {
    ENCRYPTED: _REMOVE_PASSWORD,
    "EC PARAMETERS": "contains the parameters of an elliptic curve, but no private key",
    "DH PARAMETERS": "contains Diffie-Hellman parameters, but no private key",
    "SSH2 ENCRYPTED PRIVATE KEY": "contains a private key in an SSH format, which TLS servers do not read",
    "PGP PRIVATE KEY BLOCK": "contains an OpenPGP private key, which TLS servers do not read",
}
_CUT_OFF = "contains a truncated private key; copy the whole file again"
_DAMAGED = "contains a private key with damaged Base64; copy the whole file again"


def read_key(data: bytes, source: str) -> bytes:
    """The one private key in PEM: lines of 64 characters, LF, and the label of what it is.

    Whatever stands around it and however it was folded, the result is the same; see ``_canonical`` for the one
    thing that is changed in the key. Raises InputError; ``source`` begins its message.
    """
    try:
        kind, content = _find_key(data)
    except _NoKey as problem:
        raise InputError(f"{source} {problem}") from None
    return encode_pem(content, kind)


class _NoKey(Exception):
    """What was given instead, as the end of a sentence."""


def _find_key(data: bytes) -> t.Tuple[str, bytes]:
    if not data.strip():
        raise _NoKey("is empty; it must hold a private key in PEM")
    garbled = formats.encoding_problem(data, formats.KEY)
    if garbled:
        raise _NoKey(garbled)
    blocks, is_cut = _pem_blocks(data)
    keys = [(label, body) for label, body in blocks if "PRIVATE KEY" in label]
    if is_cut:
        raise _NoKey(_CUT_OFF)
    if len(keys) > 1:
        raise _NoKey("contains several private keys; give only the one that belongs to the certificate")
    if keys:
        return _read_block(*keys[0])
    raise _NoKey(_other_content(data, [label for label, _body in blocks]))


def _pem_blocks(data: bytes) -> t.Tuple[t.List[t.Tuple[str, bytes]], bool]:
    """Labels and bodies, and whether a private key begins that does not end."""
    blocks = []
    is_cut = False
    begin: t.Optional[t.Match[bytes]] = None
    for marker in _MARKER.finditer(data):
        if begin is not None and marker.group(1) == b"END":
            blocks.append((_label(begin), data[begin.end() : marker.start()]))
            begin = None
        elif marker.group(1) == b"BEGIN":
            is_cut = is_cut or (begin is not None and "PRIVATE KEY" in _label(begin))
            begin = marker
    return blocks, is_cut or (begin is not None and "PRIVATE KEY" in _label(begin))


def _label(marker: t.Match[bytes]) -> str:
    return " ".join(marker.group(2).decode("ascii").split())


def _read_block(label: str, body: bytes) -> t.Tuple[str, bytes]:
    if label in _OTHERS:
        raise _NoKey(_OTHERS[label])
    if label == "OPENSSH PRIVATE KEY":
        raise _NoKey(formats.other_content(encode_pem(_decode(body), label), [label], formats.KEY))
    if b"Proc-Type:" in body and b"ENCRYPTED" in body:
        raise _NoKey(_REMOVE_PASSWORD)
    content = _decode(_HEADERS.sub(b"", body))
    kind = kind_of(content)
    if kind not in KEYS:
        unreadable = "contains a private key that cannot be read: it is not PKCS#8, PKCS#1 or SEC 1"
        raise _NoKey(formats.mislabelled(content, formats.KEY) or unreadable)
    try:
        key = _canonical(kind, content)
    except MalformedError:
        raise _NoKey("contains a private key that cannot be read: its numbers are not well-formed") from None
    if len(key) < _SHORTEST:
        raise _NoKey("contains a private key that cannot be read: it is too short to be one")
    return kind, key


def _decode(body: bytes) -> bytes:
    text = _SPACE.sub(b"", body)
    if not text:
        raise _NoKey("contains a private key with nothing between its first and its last line")
    bare = text.rstrip(b"=")
    try:
        content = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise _NoKey(_CUT_OFF if _BASE64.fullmatch(text) else _DAMAGED) from None
    size = _size_of(content)
    if size > len(content):
        raise _NoKey(_CUT_OFF)
    # What follows the key is padding of old tools, which OpenSSL passes over too.
    return content[:size]


def _size_of(content: bytes) -> int:
    """Octets of the DER element at the start, by its own account."""
    if len(content) < 2:
        return 2
    length = content[1]
    if length < 0x80:
        return 2 + length
    octets = length & 0x7F
    return 2 + octets + int.from_bytes(content[2 : 2 + octets], "big")


def _canonical(kind: str, content: bytes) -> bytes:
    """The key as it is, but PKCS#8 without the copy of the public key (RFC 5958), which OpenSSL up to 3.x refuses."""
    if kind != PKCS8:
        return content
    reader = der.Reader(content, "key").last()
    reader.integer()
    fields = [reader.raw(der.SEQUENCE), reader.raw(der.OCTET_STRING)]
    if reader.peek() == _ATTRIBUTES:
        fields.append(reader.raw(_ATTRIBUTES))
    return content if reader.at_end() else der.encode(der.SEQUENCE, der.encode_integer(0), *fields)


def _other_content(data: bytes, labels: t.Sequence[str]) -> str:
    """What a file without a private key holds."""
    if labels and labels[0] in _OTHERS:
        return _OTHERS[labels[0]]
    if b"BEGIN" in data and b"PRIVATE KEY" in data and not labels:
        return (
            "contains a private key whose first or last line is damaged; they are '-----BEGIN PRIVATE KEY-----' and "
            "'-----END PRIVATE KEY-----'"
        )
    return formats.other_content(data, labels, formats.KEY) or "contains no private key in PEM"


def key_problem(key: bytes, certificate: Certificate, key_source: str, certificate_source: str) -> str:
    """Why a private key as ``read_key`` returns it is certainly not the certificate's, or an empty string.

    Nothing is said where the installed cryptography does not know this kind of key: whether it can be used
    is then up to the OpenSSL that has to load it.
    """
    try:
        numbers = _rsa_numbers(key)
        fits = _is_rsa_key_of(numbers, certificate) if numbers else _is_key_of(key, certificate)
    except Exception:  # cryptography raises many kinds, and none may show what is in the key
        return ""
    if not fits:
        return (
            f"the private key in {key_source} does not match the certificate {certificate.name} in {certificate_source}"
        )
    if numbers and not _is_sound(numbers):
        return f"{key_source} contains a private key that is damaged: its numbers are inconsistent"
    return ""


def _rsa_numbers(key: bytes) -> t.List[int]:
    """The numbers of an RSA key (RFC 8017 A.1.2) from the modulus on; none for other kinds.

    They are read here because cryptography takes up to 0.3 s for each key to prove its primes.
    """
    content = base64.b64decode(b"".join(key.split(b"\n")[1:-2]))
    parts = elements(content)
    if kind_of(content) == PKCS8:
        content = parts[2][1]
        parts = elements(content)
    if kind_of(content) != PKCS1:
        return []
    # A key of more than two primes, which no TLS server uses, has more numbers, and the first alone do not fit.
    return [int.from_bytes(number, "big") for _tag, number in parts[1:]] if len(parts) == 9 else []


def _is_rsa_key_of(numbers: t.Sequence[int], certificate: Certificate) -> bool:
    if certificate.public_key.kind not in (signature.RSA, signature.RSA_PSS):
        return False
    public = der.Reader(certificate.public_key_bits, "RSA public key").last()
    return [public.integer(), public.integer()] == list(numbers[:2])


def _is_sound(numbers: t.Sequence[int]) -> bool:
    modulus, public, private, prime_1, prime_2, exponent_1, exponent_2, coefficient = numbers
    if modulus != prime_1 * prime_2 or 1 in (prime_1, prime_2):
        return False
    return (
        public * private % (prime_1 - 1) == 1
        and public * private % (prime_2 - 1) == 1
        and exponent_1 == private % (prime_1 - 1)
        and exponent_2 == private % (prime_2 - 1)
        and coefficient * prime_2 % prime_1 == 1
    )


def _is_key_of(key: bytes, certificate: Certificate) -> bool:
    # Imported here: a run that changes nothing needs no private key.
    from cryptography.hazmat.primitives import serialization  # pylint: disable=import-outside-toplevel

    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public = serialization.load_pem_private_key(key, None).public_key().public_bytes(*encoding)
    if public == certificate.spki:
        return True
    # The same key may be written in another way, such as with its point compressed.
    held = certificate.public_key.key or serialization.load_der_public_key(certificate.spki)
    return bool(held.public_bytes(*encoding) == public)
