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
import typing as t
from datetime import datetime

from . import certificate as x509
from . import der, signature
from .certificate import Extensions
from .errors import MalformedError
from .signature import Scheme

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
_CERTIFICATE_STATUSES = {
    der.context(0, constructed=False): GOOD,
    der.context(1): REVOKED,
    der.context(2, constructed=False): UNKNOWN,
}

_PEM_BEGIN = b"-----BEGIN OCSP RESPONSE-----"
_PEM_END = b"-----END OCSP RESPONSE-----"

_BASIC_RESPONSE = "1.3.6.1.5.5.7.48.1.1"


class Answer(t.NamedTuple):
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


class BasicResponse(t.NamedTuple):
    """A BasicOCSPResponse (RFC 6960 section 4.2.1). One of the two responder identifiers is None."""

    tbs: bytes
    responder_name: t.Optional[bytes]
    responder_key_hash: t.Optional[bytes]
    produced_at: datetime
    answers: t.List[Answer]
    extensions: Extensions
    scheme: Scheme
    signature: bytes
    certificates: t.List[bytes]


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
    """A response as PEM, in lines of 64 characters (RFC 7468 section 2)."""
    body = base64.b64encode(data)
    lines = [body[index : index + 64] for index in range(0, len(body), 64)]
    return b"\n".join([_PEM_BEGIN] + lines + [_PEM_END, b""])


def parse_response(data: bytes) -> t.Tuple[str, t.Optional[BasicResponse]]:
    """Read an OCSPResponse: its status and, where that is successful, its BasicOCSPResponse.

    Raises MalformedError.
    """
    outer = der.Reader(data, "OCSPResponse")
    whole = outer.sequence()
    outer.finish()
    number = whole.integer(der.ENUMERATED)
    status = _RESPONSE_STATUSES.get(number)
    if status is None:
        raise whole.fail(f"response status {number}, which RFC 6960 does not define")
    if status != SUCCESSFUL:
        whole.optional(der.context(0))
        whole.finish()
        return status, None
    wrapped = whole.enter(der.context(0))
    whole.finish()
    response_bytes = wrapped.sequence()
    wrapped.finish()
    response_type = response_bytes.oid()
    if response_type != _BASIC_RESPONSE:
        raise response_bytes.fail(f"response type {response_type}, which is not id-pkix-ocsp-basic")
    content = response_bytes.content(der.OCTET_STRING)
    response_bytes.finish()
    return status, _parse_basic(content)


def parse_problem(data: bytes) -> str:
    """Why the bytes are no well-formed OCSPResponse, or an empty string."""
    try:
        parse_response(data)
    except MalformedError as error:
        return str(error)
    return ""


def _parse_basic(data: bytes) -> BasicResponse:
    outer = der.Reader(data, "BasicOCSPResponse")
    whole = outer.sequence()
    outer.finish()
    tbs = whole.raw(der.SEQUENCE)
    scheme = signature.parse_algorithm(whole.raw(der.SEQUENCE))
    signed = whole.bits()
    certificates = []
    wrapped = whole.optional(der.context(0))
    if wrapped:
        entries = wrapped.sequence()
        wrapped.finish()
        while not entries.at_end():
            certificates.append(entries.raw(der.SEQUENCE))
    whole.finish()

    fields = der.Reader(tbs, "ResponseData").sequence()
    version = fields.optional(der.context(0))
    if version:
        # The default v1 written out is not DER, but real CAs do it, and OpenSSL, Go and BoringSSL accept it.
        number = version.integer()
        version.finish()
        if number != 0:
            raise fields.fail(f"version v{number + 1} instead of v1")
    responder_name, responder_key_hash = _parse_responder_id(fields)
    produced_at = fields.generalized_time()
    answers = []
    entries = fields.sequence("SingleResponse")
    while not entries.at_end():
        answers.append(_parse_answer(entries.sequence()))
    extensions = _parse_extensions(fields, 1, "responseExtensions")
    fields.finish()
    return BasicResponse(
        tbs, responder_name, responder_key_hash, produced_at, answers, extensions, scheme, signed, certificates
    )


def _parse_responder_id(fields: der.Reader) -> t.Tuple[t.Optional[bytes], t.Optional[bytes]]:
    wrapped = fields.optional(der.context(1))
    if wrapped:
        name = wrapped.raw(der.SEQUENCE)
        wrapped.finish()
        return name, None
    wrapped = fields.enter(der.context(2))
    key_hash = wrapped.content(der.OCTET_STRING)
    wrapped.finish()
    return None, key_hash


def _parse_answer(fields: der.Reader) -> Answer:
    cert_id = fields.sequence("CertID")
    algorithm = cert_id.sequence()
    digest = algorithm.oid()
    if not algorithm.at_end():
        algorithm.null()
    algorithm.finish()
    name_hash = cert_id.content(der.OCTET_STRING)
    key_hash = cert_id.content(der.OCTET_STRING)
    serial_number = cert_id.integer()
    cert_id.finish()

    tag = fields.peek()
    status = _CERTIFICATE_STATUSES.get(tag)
    if status is None:
        raise fields.fail("certificate status that RFC 6960 does not define")
    details = fields.enter(tag)
    revocation_time = revocation_reason = None
    if status == REVOKED:
        revocation_time, revocation_reason = _parse_revocation(details)
    details.finish()
    this_update = fields.generalized_time()
    next_update = None
    wrapped = fields.optional(der.context(0))
    if wrapped:
        next_update = wrapped.generalized_time()
        wrapped.finish()
    extensions = _parse_extensions(fields, 1, "singleExtensions")
    fields.finish()
    return Answer(
        signature.DIGEST_OIDS.get(digest, digest),
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


def _parse_revocation(details: der.Reader) -> t.Tuple[datetime, t.Optional[str]]:
    revocation_time = details.generalized_time()
    wrapped = details.optional(der.context(0))
    if not wrapped:
        return revocation_time, None
    number = wrapped.integer(der.ENUMERATED)
    wrapped.finish()
    if number not in _REASONS:
        raise details.fail(f"revocation reason {number}, which RFC 5280 does not define")
    return revocation_time, _REASONS[number]


def _parse_extensions(fields: der.Reader, number: int, what: str) -> Extensions:
    wrapped = fields.optional(der.context(number), what)
    return x509.read_extensions(wrapped) if wrapped else {}
