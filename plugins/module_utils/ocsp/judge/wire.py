# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The OCSP response as it is on the wire or in a file: its bytes taken apart, and PEM.

Everything is read with the strict DER reader, so that the same bytes mean the same on each host,
whatever the version of cryptography there can load.
"""

from __future__ import annotations

import base64
import binascii
import functools
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..asn1 import der
from ..asn1.der import (
    BIT_STRING,
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    LAST,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Reader,
    element,
    finish,
    to_integer,
    to_octets,
    to_oid,
    to_time,
)
from ..errors import MalformedError
from ..pki import certificate as x509
from ..pki import signature
from ..pki.certificate import Extensions
from ..pki.signature import Scheme
from ..text import encode_pem

GOOD = "good"
REVOKED = "revoked"
UNKNOWN = "unknown"
SUCCESSFUL = "successful"

_RESPONSE_STATUSES = {
    0: SUCCESSFUL,
    1: "malformed_request",
    2: "internal_error",
    3: "try_later",
    5: "sig_required",
    6: "unauthorized",
}
_REASONS = {
    0: "unspecified",
    1: "key_compromise",
    2: "ca_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    6: "certificate_hold",
    8: "remove_from_crl",
    9: "privilege_withdrawn",
    10: "aa_compromise",
}
_TAG_0, _TAG_1, _TAG_2 = (der.context(number) for number in range(3))
_CERTIFICATE_STATUSES = {
    der.context(0, constructed=False): GOOD,
    _TAG_1: REVOKED,
    der.context(2, constructed=False): UNKNOWN,
}

_PEM_BEGIN = b"-----BEGIN OCSP RESPONSE-----"
_PEM_END = b"-----END OCSP RESPONSE-----"

_BASIC_RESPONSE = "1.3.6.1.5.5.7.48.1.1"
_BASIC_RESPONSE_TYPE = der.encode(OBJECT_IDENTIFIER, bytes.fromhex("2b0601050507300101"))
#: The whole element: DER writes each value in one way only.
_GOOD = der.encode(der.context(0, constructed=False))

#: How successful responses that were read begin, by the length of the whole.
_envelopes: t.Dict[int, bytes] = {}
_MOST_ENVELOPES = 64


@dataclass(eq=False)
class Answer:
    """A SingleResponse (RFC 6960 section 4.2.1). ``digest`` is a name, or the OID of an unknown one."""

    digest: str
    name_hash: bytes
    key_hash: bytes
    serial_number: int
    status: str
    revocation_time: t.Optional[datetime]
    revocation_reason: t.Optional[str]
    this_update: datetime
    next_update: t.Optional[datetime]
    extensions: Extensions


@dataclass(eq=False)
class BasicResponse:
    """A BasicOCSPResponse (RFC 6960 section 4.2.1). One of the two responder identifiers is None.

    ``oddities`` are the ends of sentences about what is not DER and is read all the same.
    """

    tbs: bytes
    responder_name: t.Optional[bytes]
    responder_key_hash: t.Optional[bytes]
    produced_at: datetime
    answers: t.List[Answer]
    extensions: Extensions
    scheme: Scheme
    signature: bytes
    certificates: t.Tuple[bytes, ...]
    oddities: t.Sequence[str] = ()


def from_pem(data: bytes) -> bytes:
    """The DER of a response that may be PEM; anything else is returned as it is, to be judged."""
    text = data.strip()
    if not (text.startswith(_PEM_BEGIN) and text.endswith(_PEM_END)):
        return data
    try:
        return base64.b64decode(b"".join(text[len(_PEM_BEGIN) : -len(_PEM_END)].split()), validate=True)
    except binascii.Error:
        return data


def to_pem(data: bytes) -> bytes:
    """A response as PEM."""
    return encode_pem(data, "OCSP RESPONSE")


def with_certificates(data: bytes, certificates: t.Sequence[bytes]) -> bytes:
    """A successful response with other certificates, in DER: no signature covers those. Raises MalformedError.

    Nor does it cover the encoding of the signature algorithm, which is then as the standards have it.
    """
    what, stop = "BasicOCSPResponse", len(data)
    begin = _parse_envelope(data)[1]
    signed = element(data, begin, stop, SEQUENCE, what)[1]
    algorithm = element(data, signed, stop, SEQUENCE, what)[1]
    end = element(data, algorithm, stop, BIT_STRING, what)[1]
    plain = data[begin:signed] + signature.plain_algorithm(data[signed:algorithm]) + data[algorithm:end]
    extra = der.encode(_TAG_0, der.encode(SEQUENCE, b"".join(certificates))) if certificates else b""
    basic = der.encode(OCTET_STRING, der.encode(SEQUENCE, plain + extra))
    content = der.encode(_TAG_0, der.encode(SEQUENCE, _BASIC_RESPONSE_TYPE + basic))
    return der.encode(SEQUENCE, der.encode(ENUMERATED, b"\0") + content)


def parse_response(data: bytes) -> t.Tuple[str, t.Optional[BasicResponse]]:
    """Read an OCSPResponse: its status and, where that is successful, its BasicOCSPResponse.

    Raises MalformedError.
    """
    stop = len(data)
    # All before the content of BasicOCSPResponse ends with the response, so equal octets in front of as many
    # octets mean the same, and a CA's responses mostly agree in both.
    envelope = _envelopes.get(stop)
    if envelope is None or not data.startswith(envelope):
        status, at = _parse_envelope(data)
        if status != SUCCESSFUL:
            return status, None
        if len(_envelopes) >= _MOST_ENVELOPES:
            _envelopes.clear()
        envelope = _envelopes[stop] = data[:at]
    return SUCCESSFUL, _parse_basic(data, len(envelope), stop)


def _parse_envelope(data: bytes) -> t.Tuple[str, int]:
    """The status and, where that is successful, where the content of BasicOCSPResponse starts."""
    what = "OCSPResponse"
    at, stop = element(data, 0, len(data), SEQUENCE, what, LAST)
    start, at = element(data, at, stop, ENUMERATED, what)
    number = to_integer(data[start:at], what)
    if number not in _RESPONSE_STATUSES:
        raise MalformedError(f"{what}: response status {x509.number_text(number)}, which RFC 6960 does not define")
    status = _RESPONSE_STATUSES[number]
    if status != SUCCESSFUL:
        if at < stop and data[at] == _TAG_0:
            at = element(data, at, stop, _TAG_0, what)[1]
        finish(at, stop, what)
        return status, at
    at, stop = element(data, at, stop, _TAG_0, what, LAST)
    at, stop = element(data, at, stop, SEQUENCE, what, LAST)
    start, at = element(data, at, stop, OBJECT_IDENTIFIER, what)
    response_type = to_oid(data[start:at], what)
    if response_type != _BASIC_RESPONSE:
        raise MalformedError(f"{what}: response type {response_type}, which is not id-pkix-ocsp-basic")
    at, stop = element(data, at, stop, OCTET_STRING, what, LAST)
    return status, element(data, at, stop, SEQUENCE, "BasicOCSPResponse", LAST)[0]


def parse_problem(data: bytes) -> str:
    """Why the bytes are no well-formed OCSPResponse, or an empty string."""
    try:
        parse_response(data)
    except MalformedError as error:
        return str(error)
    return ""


def _parse_basic(data: bytes, begin: int, stop: int) -> BasicResponse:
    """Read the content of a BasicOCSPResponse."""
    what = "BasicOCSPResponse"
    fields, end = element(data, begin, stop, SEQUENCE, what)
    at = element(data, end, stop, SEQUENCE, what)[1]
    scheme = signature.parse_algorithm(data[end:at])
    start, at = element(data, at, stop, BIT_STRING, what)
    signed = to_octets(data[start:at], what)
    certificates = []
    if at < stop and data[at] == _TAG_0:
        start, at = element(data, at, stop, _TAG_0, what)
        start, last = element(data, start, at, SEQUENCE, what, LAST)
        while start < last:
            certificate, start = start, element(data, start, last, SEQUENCE, what)[1]
            certificates.append(data[certificate:start])
    finish(at, stop, what)

    what = "ResponseData"
    at = fields
    odd = [scheme.oddity] if scheme.oddity else []
    if at < end and data[at] == _TAG_0:
        at = _parse_version(data, at, end)
        odd.append("writes out its version v1, which is the default")
    tag = _TAG_1 if at < end and data[at] == _TAG_1 else _TAG_2
    responder, at = at, element(data, at, end, tag, what)[1]
    name, key_hash = _parse_responder(data[responder:at])
    start, at = element(data, at, end, GENERALIZED_TIME, what)
    produced_at = to_time(data[start:at], what)
    answers = []
    last, at = element(data, at, end, SEQUENCE, what)
    while last < at:
        start, last = element(data, last, at, SEQUENCE, "SingleResponse")
        answers.append(_parse_answer(data, start, last, odd))
    extensions = _parse_extensions(data, at, end, what, "responseExtensions", odd) if at < end else {}
    return BasicResponse(
        data[begin:end], name, key_hash, produced_at, answers, extensions, scheme, signed, tuple(certificates), odd
    )


def _parse_version(data: bytes, at: int, stop: int) -> int:
    """The default v1 written out is not DER, but real CAs do it, and OpenSSL, Go and BoringSSL accept it."""
    what = "ResponseData"
    start, at = element(data, at, stop, _TAG_0, what)
    start, end = element(data, start, at, INTEGER, what)
    number = to_integer(data[start:end], what)
    finish(end, at, what)
    if number != 0:
        raise MalformedError(f"{what}: version v{x509.number_text(number + 1)} instead of v1")
    return at


@functools.lru_cache(maxsize=64)
def _parse_responder(identifier: bytes) -> t.Tuple[t.Optional[bytes], t.Optional[bytes]]:
    """A ResponderID: the name or the key hash. Remembered, since a CA has few of them."""
    reader = Reader(identifier, "ResponseData")
    name = key_hash = None
    inner = reader.enter(reader.peek())
    if identifier[0] == _TAG_1:
        name = inner.raw(SEQUENCE)
        x509.check_name(name)  # OpenSSL reads no response with a name that it cannot read
    else:
        key_hash = inner.content(OCTET_STRING)
    inner.finish()
    return name, key_hash


def _parse_answer(data: bytes, at: int, stop: int, odd: t.List[str]) -> Answer:
    what = "CertID"
    begin, at = element(data, at, stop, SEQUENCE, "SingleResponse")
    end = element(data, begin, at, SEQUENCE, what)[1]
    digest = _parse_digest(data[begin:end])
    start, end = element(data, end, at, OCTET_STRING, what)
    name_hash = data[start:end]
    start, end = element(data, end, at, OCTET_STRING, what)
    key_hash = data[start:end]
    start, end = element(data, end, at, INTEGER, what)
    serial_number = to_integer(data[start:end], what)
    finish(end, at, what)

    what = "SingleResponse"
    status, revocation_time, revocation_reason = GOOD, None, None
    if data[at : at + 2] == _GOOD and at + 2 <= stop:
        at += 2
    else:
        status, revocation_time, revocation_reason, at = _parse_status(data, at, stop)
    start, at = element(data, at, stop, GENERALIZED_TIME, what)
    this_update = to_time(data[start:at], what)
    next_update = None
    if at < stop and data[at] == _TAG_0:
        start, at = element(data, at, stop, _TAG_0, what)
        start, end = element(data, start, at, GENERALIZED_TIME, what)
        next_update = to_time(data[start:end], what)
        finish(end, at, what)
    extensions = _parse_extensions(data, at, stop, what, "singleExtensions", odd) if at < stop else {}
    return Answer(
        digest,
        name_hash,
        key_hash,
        serial_number,
        status,
        revocation_time,
        revocation_reason,
        this_update,
        next_update,
        extensions,
    )


@functools.lru_cache(maxsize=64)
def _parse_digest(algorithm: bytes) -> str:
    fields = Reader(algorithm, "CertID").sequence()
    oid = fields.oid()
    if not fields.at_end():
        fields.null()
    fields.finish()
    return signature.DIGEST_OIDS.get(oid, oid)


def _parse_status(data: bytes, at: int, stop: int) -> t.Tuple[str, t.Optional[datetime], t.Optional[str], int]:
    what = "SingleResponse"
    tag = data[at] if at < stop else -1
    if tag not in _CERTIFICATE_STATUSES:
        raise MalformedError(f"{what}: certificate status that RFC 6960 does not define")
    start, at = element(data, at, stop, tag, what)
    revocation_time = reason = None
    if tag == _TAG_1:
        time, start = element(data, start, at, GENERALIZED_TIME, what)
        revocation_time = to_time(data[time:start], what)
        if start < at and data[start] == _TAG_0:
            inner, start = element(data, start, at, _TAG_0, what)
            inner, end = element(data, inner, start, ENUMERATED, what)
            number = to_integer(data[inner:end], what)
            finish(end, start, what)
            if number not in _REASONS:
                raise MalformedError(
                    f"{what}: revocation reason {x509.number_text(number)}, which RFC 5280 does not define"
                )
            reason = _REASONS[number]
    finish(start, at, what)
    return _CERTIFICATE_STATUSES[tag], revocation_time, reason, at


def _parse_extensions(data: bytes, at: int, stop: int, what: str, name: str, odd: t.List[str]) -> Extensions:
    """The extensions that end a structure; what is odd about them is appended to ``odd``."""
    if data[at] != _TAG_1:
        raise MalformedError(f"{what}: trailing data")
    start, at = element(data, at, stop, _TAG_1, what)
    extensions = x509.read_extensions(data[start:at], name)
    finish(at, stop, what)
    if not extensions:
        odd.append(f"has empty {name}{signature.NOT_BY_CHROME}")
    if x509.written_defaults(data[start:at]):
        odd.append(f"writes out in its {name} that one is not critical, which is the default{signature.NOT_BY_CHROME}")
    return extensions
