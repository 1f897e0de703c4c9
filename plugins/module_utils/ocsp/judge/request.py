# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""OCSP requests: the bytes and the GET URL (RFC 6960 section 4.1 and appendix A.1).

The profile is that of RFC 5019 and its successor: one request, unsigned, no requestor name, no
extension unless a nonce is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t

from ..asn1 import der
from ..pki.certificate import Certificate, Target
from ..pki.remembered import remembered_if_short

NONCE_OID = "1.3.6.1.5.5.7.48.1.2"
#: Octets of a nonce that a client sends (RFC 9654 section 2.1).
NONCE_LENGTH = 32
#: Octets of the longest URL that may be fetched with GET (RFC 5019 section 5).
GET_LIMIT = 255

_DIGEST_OIDS = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}


def issuer_hashes(certificate: Certificate, issuer: Certificate, digest: str) -> t.Tuple[bytes, bytes]:
    """issuerNameHash and issuerKeyHash of a CertID (RFC 6960 section 4.1.1).

    The name is that in the certificate asked about; the key is the content of the issuer's bit string.
    """
    return hash_both(certificate.issuer, issuer.public_key_bits, digest)


@remembered_if_short(256)
def hash_both(name: bytes, key: bytes, digest: str) -> t.Tuple[bytes, bytes]:
    return (
        hashlib.new(digest, name, usedforsecurity=False).digest(),
        hashlib.new(digest, key, usedforsecurity=False).digest(),
    )


def build_request(target: Target, digest: str = "sha1", nonce: t.Optional[bytes] = None) -> bytes:
    """The DER of an OCSPRequest. ``digest`` is sha1 or sha256; ``nonce`` has 1 to 128 octets (RFC 9654)."""
    name_hash, key_hash = issuer_hashes(target.certificate, target.issuer, digest)
    cert_id = der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, der.encode_oid(_DIGEST_OIDS[digest]), der.encode(der.NULL)),
        der.encode(der.OCTET_STRING, name_hash),
        der.encode(der.OCTET_STRING, key_hash),
        der.encode_integer(target.certificate.serial_number),
    )
    request_list = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, cert_id))
    extensions = b""
    if nonce is not None:
        value = der.encode(der.OCTET_STRING, der.encode(der.OCTET_STRING, nonce))
        extension = der.encode(der.SEQUENCE, der.encode_oid(NONCE_OID), value)
        extensions = der.encode(der.context(2), der.encode(der.SEQUENCE, extension))
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, request_list, extensions))


def get_url(responder_url: str, request: bytes) -> str:
    """The URL that asks by GET: Base64, then URL-encoded, appended to the responder's URL."""
    encoded = base64.b64encode(request).decode("ascii")
    encoded = encoded.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"{responder_url.rstrip('/')}/{encoded}"
