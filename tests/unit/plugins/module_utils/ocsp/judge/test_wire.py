# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the bytes of a response say, and that what is remembered of one response never speaks for another."""

from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import wire
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

W = forge.world()
PLAIN = forge.response()


def read(data: bytes) -> wire.BasicResponse:
    status, response = wire.parse_response(data)
    assert status == wire.SUCCESSFUL
    assert response is not None
    return response


def said(data: bytes) -> t.Union[str, tuple[str, t.Any]]:
    """The status and all fields, or why the bytes are refused."""
    try:
        status, response = wire.parse_response(data)
    except MalformedError as error:
        return error.message
    if response is None:
        return status, None
    return status, {**vars(response), "answers": [vars(answer) for answer in response.answers]}


def test_fields() -> None:
    single = forge.single(digest="sha256", serial=2**100, extensions=[forge.unknown_extension(True)])
    response = read(forge.response(single, forge.single(), signer=W.delegate, extensions=[forge.nonce(b"n" * 16)]))
    answer, other = response.answers
    assert (answer.digest, answer.serial_number, answer.status) == ("sha256", 2**100, wire.GOOD)
    assert answer.name_hash == hashlib.sha256(W.issuer.subject).digest()
    assert answer.key_hash == hashlib.sha256(forge.public_key_bits(W.issuer.key)).digest()
    assert (answer.this_update, answer.next_update) == (NOW - DAY, NOW + 6 * DAY)
    assert (answer.revocation_time, answer.revocation_reason) == (None, None)
    assert answer.extensions == {forge.UNKNOWN_OID: (True, forge.NULL)}
    assert (other.digest, other.serial_number, other.extensions) == ("sha1", W.leaf.serial, {})
    assert response.produced_at == NOW - DAY
    assert response.responder_key_hash == hashlib.sha1(forge.public_key_bits(W.delegate.key)).digest()
    assert response.responder_name is None
    assert response.extensions == {forge.OCSP_NONCE: (False, forge.octets(b"n" * 16))}
    assert list(response.certificates) == [W.delegate.der]
    assert response.scheme.name == "ecdsa_sha256"


@pytest.mark.parametrize("options", [{}, {"version": 0}, {"extensions": [forge.nonce(b"n")]}], ids=str)
def test_the_octets_that_were_signed(options: dict[str, t.Any]) -> None:
    response = read(forge.response(responder="name", **options))
    assert response.responder_name == W.issuer.subject
    assert response.responder_key_hash is None
    W.issuer.key.public_key().verify(response.signature, response.tbs, ec.ECDSA(SHA256()))


REVOKED = {
    "without a reason": (None, None),
    "with the first one": ("unspecified", "unspecified"),
    "with the last one": ("aa_compromise", "aa_compromise"),
}


@pytest.mark.parametrize("reason, expected", list(REVOKED.values()), ids=list(REVOKED))
def test_revoked(reason: t.Optional[str], expected: t.Optional[str]) -> None:
    (answer,) = read(forge.response(forge.single(status="revoked", reason=reason))).answers
    assert (answer.status, answer.revocation_time, answer.revocation_reason) == (wire.REVOKED, NOW - 2 * DAY, expected)


@pytest.mark.parametrize("status", [status for status in forge.STATUSES if status != "successful"])
def test_not_successful(status: str) -> None:
    """Some responders send the bytes of a response beside an error; nobody reads them."""
    bare = forge.error_response(status)
    with_bytes = forge.wrap(b"anything", status=forge.STATUSES[status])
    for data in (bare, with_bytes):
        assert wire.parse_response(data) == (status, None)
    assert wire.parse_problem(with_bytes + b"\0") == "OCSPResponse: trailing data"


def test_parse_problem() -> None:
    assert wire.parse_problem(PLAIN) == ""
    assert wire.parse_problem(forge.error_response("try_later")) == ""
    assert wire.parse_problem(PLAIN[:-1]) == "OCSPResponse: ends too early"
    assert wire.parse_problem(b"<html>") == "OCSPResponse: tag 0x3c where 0x30 belongs"


PLACES = {
    "envelope": (PLAIN + b"\0", "OCSPResponse: trailing data"),
    "type": (forge.wrap(b"", response_type="1.2.3"), "OCSPResponse: response type 1.2.3, which is not"),
    "basic": (forge.response(extra_basic=forge.NULL), "BasicOCSPResponse: trailing data"),
    "data": (forge.response(extra_data=forge.NULL), "ResponseData: trailing data"),
    "answer": (forge.response(forge.single(extra=forge.NULL)), "SingleResponse: trailing data"),
    "certificate identifier": (forge.response(forge.single(parameters=forge.integer(1))), "CertID: tag 0x02"),
    "extensions": (
        forge.response(extensions=[forge.nocheck()] * 2),
        "responseExtensions: duplicate extension 1.3.6",
    ),
    "extensions of an answer": (forge.response(forge.single(extensions=[b"\0\0"])), "singleExtensions: tag 0x00"),
    "responder": (forge.response(responder=forge.tlv(0xA2, forge.NULL)), "ResponseData: tag 0x05"),
    "algorithm": (forge.response(signature_algorithm=forge.sequence()), "signature algorithm: ends too early"),
}


@pytest.mark.parametrize("data, problem", list(PLACES.values()), ids=list(PLACES))
def test_problems_name_their_place(data: bytes, problem: str) -> None:
    assert wire.parse_problem(data).startswith(problem)


def test_a_damaged_response_of_a_length_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for position in range(len(PLAIN)):
        for bit in (0, 5, 7):
            changed = bytearray(PLAIN)
            changed[position] ^= 1 << bit
            monkeypatch.setattr(wire, "_envelopes", {})
            alone = said(bytes(changed))
            monkeypatch.setattr(wire, "_envelopes", {})
            assert said(PLAIN)[0] == wire.SUCCESSFUL
            assert said(bytes(changed)) == alone
            assert said(bytes(changed)) == alone


def test_what_is_no_response_of_a_length_that_is_known() -> None:
    for other in (bytes(len(PLAIN)), forge.tlv(0x30, bytes(len(PLAIN) - 4)), PLAIN[:20] + bytes(len(PLAIN) - 20)):
        assert len(other) == len(PLAIN)
        first = said(other)
        assert said(PLAIN)[0] == wire.SUCCESSFUL
        assert said(other) == first
        assert isinstance(first, str)


def test_what_is_remembered_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_envelopes", {})
    for octets in range(300):
        single = forge.single(extensions=[forge.extension(forge.UNKNOWN_OID, bytes(octets))])
        assert read(forge.response(single)).answers[0].extensions[forge.UNKNOWN_OID].value == bytes(octets)
        assert len(wire._envelopes) <= 64
    assert sum(map(len, wire._envelopes.values())) < 64 * 64
