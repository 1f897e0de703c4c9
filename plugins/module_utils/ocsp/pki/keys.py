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
from . import signature
from .certificate import Certificate, encoding_problem, holds_pkcs7

_MARKER = re.compile(rb"-----[ \t]*(BEGIN|END)[ \t]+([A-Z0-9][A-Z0-9 \t]{0,60}?)[ \t]*-----")
#: White space, and what looks like it in text that was copied from a web page.
_SPACE = re.compile(rb"[\s\0]+|\xc2\xa0|\xe2\x80\x8b|\xef\xbb\xbf")
_HEADERS = re.compile(rb"\A\s*(?:[A-Za-z-]+:[^\r\n]*(?:\r\n|\r|\n))+\s*?(?:\r\n|\r|\n)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")

_ATTRIBUTES = der.context(0)
_PUBLIC_KEY = der.context(1, constructed=False)

#: Kinds by what the DER looks like.
_PKCS8, _PKCS1, _SEC1, _DSA = "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"
_LABELS = (_PKCS8, _PKCS1, _SEC1, _DSA)

_REMOVE_PASSWORD = (
    "is protected by a password, so servers cannot load it unattended; remove the password with 'openssl pkey -in OLD "
    "-out NEW'"
)
_OTHERS = {
    "ENCRYPTED PRIVATE KEY": _REMOVE_PASSWORD,
    "PUBLIC KEY": "contains a public key instead of the private key",
    "RSA PUBLIC KEY": "contains a public key instead of the private key",
    "CERTIFICATE REQUEST": "contains a certificate signing request (CSR) instead of the private key",
    "NEW CERTIFICATE REQUEST": "contains a certificate signing request (CSR) instead of the private key",
    "CERTIFICATE": "contains a certificate instead of the private key",
    "X509 CERTIFICATE": "contains a certificate instead of the private key",
    "TRUSTED CERTIFICATE": "contains a certificate instead of the private key",
    "X509 CRL": "contains a revocation list (CRL) instead of the private key",
    "EC PARAMETERS": "contains the parameters of an elliptic curve, but no private key",
    "DH PARAMETERS": "contains Diffie-Hellman parameters, but no private key",
    "PKCS7": "contains PKCS#7, which has certificates but no private key",
    "CMS": "contains PKCS#7, which has certificates but no private key",
    "PKCS12": "contains PKCS#12; take the key out with 'openssl pkcs12 -nodes -nocerts -in FILE -out KEY'",
    "OPENSSH PRIVATE KEY": (
        "contains a private key in OpenSSH format, which TLS servers do not read; convert a copy of it with "
        "'ssh-keygen -p -m PKCS8 -f COPY'"
    ),
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
    garbled = encoding_problem(data)
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
    if b"Proc-Type:" in body and b"ENCRYPTED" in body:
        raise _NoKey(_REMOVE_PASSWORD)
    content = _decode(_HEADERS.sub(b"", body))
    kind = _kind_of(content)
    if kind not in _LABELS:
        raise _NoKey(_OTHERS.get(kind, "contains a private key that cannot be read: it is not PKCS#8, PKCS#1 or SEC 1"))
    return kind, _canonical(kind, content)


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


def _kind_of(content: bytes) -> str:
    """The PEM label that fits the DER, or an empty string."""
    elements = _elements(content)
    tags = [tag for tag, _content in elements]
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
        return _PKCS8
    if tags[:2] == [der.INTEGER, der.OCTET_STRING]:
        return _SEC1
    if set(tags) == {der.INTEGER} or (set(tags[:9]) == {der.INTEGER} and len(tags) == 10):
        return {2: "RSA PUBLIC KEY", 6: _DSA, 9: _PKCS1, 10: _PKCS1}.get(len(tags), "")
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        return "ENCRYPTED PRIVATE KEY"
    if tags == [der.SEQUENCE, der.BIT_STRING]:
        return "PUBLIC KEY"
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        inner = [tag for tag, _content in _elements(der.encode(der.SEQUENCE, elements[0][1]))]
        return "CERTIFICATE REQUEST" if inner[3:] == [der.context(0)] and inner[0] == der.INTEGER else "CERTIFICATE"
    if tags[:2] == [der.INTEGER, der.SEQUENCE]:
        return "PKCS12"
    return "PKCS7" if holds_pkcs7(content) else ""


def _elements(content: bytes) -> t.List[t.Tuple[int, bytes]]:
    """Tags and contents of what a SEQUENCE holds; nothing where it is none."""
    found: t.List[t.Tuple[int, bytes]] = []
    try:
        reader = der.Reader(content, "key").last()
        while not reader.at_end() and len(found) < 16:
            tag = reader.peek()
            found.append((tag, reader.content(tag)))
    except MalformedError:
        return []
    return found


def _canonical(kind: str, content: bytes) -> bytes:
    """The key as it is, but PKCS#8 without the copy of the public key (RFC 5958), which OpenSSL up to 3.x refuses."""
    if kind != _PKCS8:
        return content
    reader = der.Reader(content, "key").last()
    reader.integer()
    fields = [reader.raw(der.SEQUENCE), reader.raw(der.OCTET_STRING)]
    if reader.peek() == _ATTRIBUTES:
        fields.append(reader.raw(_ATTRIBUTES))
    return content if reader.at_end() else der.encode(der.SEQUENCE, der.encode_integer(0), *fields)


def _other_content(data: bytes, labels: t.Sequence[str]) -> str:
    """What a file without a private key holds."""
    if labels:
        return _OTHERS.get(labels[0], f"contains a PEM block '{labels[0]}' instead of the private key")
    if data[:1] == b"\x30" and _elements(data):
        return _der_content(_kind_of(data))
    if data.lstrip().startswith(b"PuTTY-User-Key-File"):
        return "contains a PuTTY private key, which TLS servers do not read; export it as OpenSSH, then convert that"
    text = _SPACE.sub(b"", data)
    if _BASE64.fullmatch(text):
        return _base64_content(
            base64.b64decode(text + b"=" * (-len(text) % 4)) if len(text.rstrip(b"=")) % 4 != 1 else b""
        )
    if b"BEGIN" in data and b"PRIVATE KEY" in data:
        return (
            "contains a private key whose first or last line is damaged; they are '-----BEGIN PRIVATE KEY-----' and "
            "'-----END PRIVATE KEY-----'"
        )
    return "contains no private key in PEM"


def _der_content(kind: str) -> str:
    if kind in _LABELS:
        return "contains a private key in DER; convert it to PEM with 'openssl pkey -inform DER -in OLD -out NEW'"
    if kind == "ENCRYPTED PRIVATE KEY":
        return (
            "contains a private key in DER that is protected by a password; convert it with 'openssl pkey -inform DER "
            "-in OLD -out NEW'"
        )
    return _OTHERS.get(kind, "contains no private key in PEM")


def _base64_content(content: bytes) -> str:
    if b"-----BEGIN " in content:
        return "contains the Base64 of a PEM file; decode it first, with 'base64 -d' or the filter b64decode"
    if _elements(content) and _kind_of(content) in _LABELS:
        return (
            "contains a private key without its first and last line; put '-----BEGIN PRIVATE KEY-----' and "
            "'-----END PRIVATE KEY-----' around it"
        )
    return "contains no private key in PEM"


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
    elements = _elements(content)
    if _kind_of(content) == _PKCS8:
        content = elements[2][1]
        elements = _elements(content)
    if _kind_of(content) != _PKCS1:
        return []
    # A key of more than two primes, which no TLS server uses, has more numbers, and the first alone do not fit.
    return [int.from_bytes(number, "big") for _tag, number in elements[1:]] if len(elements) == 9 else []


def _is_rsa_key_of(numbers: t.Sequence[int], certificate: Certificate) -> bool:
    if certificate.public_key.kind not in (signature.RSA, signature.RSA_PSS):
        return False
    public = der.Reader(certificate.public_key_bits, "RSA public key").last()
    return [public.integer(), public.integer()] == list(numbers[:2])


def _is_sound(numbers: t.Sequence[int]) -> bool:
    modulus, public, private, prime_1, prime_2, exponent_1, exponent_2, coefficient = numbers
    if modulus != prime_1 * prime_2:
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
