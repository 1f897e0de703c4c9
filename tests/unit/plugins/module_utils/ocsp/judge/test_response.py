# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is accepted and by which reason code everything else is refused, case by case."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import codes as reasons
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import errors
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import response as judging
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import LONGEST_LEAD, Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.wire import from_pem, to_pem, with_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time
from ansible_collections.certops.ocsp.tests.unit import forge, gnutls
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, SECOND
from hypothesis import example, given, settings
from hypothesis import strategies as st

W = forge.world()
RSA = forge.world("rsa2048", "rsa2048")
SHA1 = Rules(allow=frozenset({"sha1_signature"}))
NO_NEXT_UPDATE = Rules(allow=frozenset({"missing_next_update"}))
NOCHECK = Rules(require_nocheck=True)


def target(leaf: forge.Entity, issuer: forge.Entity) -> certificates.Target:
    return certificates.Target(
        certificates.Certificate.from_der(leaf.der), certificates.Certificate.from_der(issuer.der)
    )


TARGET = target(W.leaf, W.issuer)
RSA_TARGET = target(RSA.leaf, RSA.issuer)


def judged(
    data: bytes,
    on: certificates.Target = TARGET,
    now: datetime = NOW,
    rules: Rules = Rules(),
    nonce: t.Optional[bytes] = None,
) -> Judgement:
    judgement = judge(data, on, now, rules, nonce)
    assert judgement.acceptable is (not judgement.errors)
    for severity, codes in ((errors.ERROR, judgement.errors), (errors.WARNING, judgement.warnings)):
        found_codes = [finding.code for finding in judgement.findings if finding.severity == severity]
        assert codes == list(dict.fromkeys(found_codes))
    for finding in judgement.findings:
        assert finding.code in reasons.JUDGEMENT_CODES
        assert finding.message
    return judgement


def found(judgement: Judgement) -> list[str]:
    """Errors as they are called, warnings in brackets."""
    return judgement.errors + [f"({code})" for code in judgement.warnings]


def cases(table: t.Mapping[str, t.Any]) -> t.Any:
    return {"argvalues": list(table.values()), "ids": list(table)}


def rsa_response(**options: t.Any) -> bytes:
    return forge.response(forge.single(RSA.leaf, RSA.issuer), **{"signer": RSA.issuer, "certificates": [], **options})


# Good --------------------------------------------------------------------------------------------


def test_good_by_the_issuer() -> None:
    judgement = judged(forge.response())
    assert found(judgement) == []
    assert judgement.response_status == "successful"
    assert judgement.certificate_status == "good"
    assert judgement.this_update == NOW - DAY
    assert judgement.next_update == NOW + 6 * DAY
    assert judgement.produced_at == NOW - DAY
    assert judgement.effective_expiry == NOW + 6 * DAY
    assert judgement.revocation_time is None
    assert judgement.revocation_reason is None
    assert judgement.serial_number == W.leaf.serial
    assert judgement.must_staple is False
    assert judgement.responder_certificate_expiry is None
    assert judgement.certid_digest == "sha1"
    for moment in (judgement.this_update, judgement.next_update, judgement.produced_at, judgement.effective_expiry):
        assert moment.utcoffset() == timedelta(0)


def test_good_by_a_delegate() -> None:
    judgement = judged(forge.response(signer=W.delegate))
    assert found(judgement) == []
    assert judgement.certificate_status == "good"
    assert judgement.effective_expiry == NOW + 6 * DAY
    assert judgement.responder_certificate_expiry == W.delegate.not_after


def test_responder_id() -> None:
    key_hash = hashlib.sha1(forge.public_key_bits(W.delegate.key)).hexdigest()
    assert key_hash in (judged(forge.response(signer=W.delegate)).responder_id or "")
    assert "CN=Responder" in (judged(forge.response(signer=W.delegate, responder="name")).responder_id or "")


def test_must_staple_is_told() -> None:
    world = forge.world(must_staple=True)
    assert judged(forge.response(), on=target(world.leaf, world.issuer)).must_staple is True


BIG_SERIAL = 2**159 - 1
GOOD: dict[str, bytes] = {
    "responder by name": forge.response(responder="name"),
    "responder by key": forge.response(responder="key"),
    "delegate by name": forge.response(signer=W.delegate, responder="name"),
    "certid sha256": forge.response(forge.single(digest="sha256")),
    "certid without parameters": forge.response(forge.single(digest="sha256", parameters=b"")),
    "produced before this update": forge.response(produced_at=NOW - 3 * DAY),
    "unknown extension in the response": forge.response(extensions=[forge.unknown_extension()]),
    "unknown extension in the answer": forge.response(forge.single(extensions=[forge.unknown_extension()])),
    "unsolicited nonce": forge.response(extensions=[forge.nonce(b"n" * 32)]),
    "issuer certificate embedded": forge.response(certificates=[W.issuer.der]),
    "chain embedded": forge.response(signer=W.delegate, certificates=[W.root.der, W.issuer.der, W.delegate.der]),
    "surplus certificate": forge.response(certificates=[W.delegate.der, W.leaf.der]),
    "sha1 and sha256": forge.response(forge.single(), forge.single(digest="sha256")),
    "another's answer last": forge.response(forge.single(), forge.single(serial=7, status="revoked")),
    "another's unknown": forge.response(forge.single(), forge.single(serial=7, status="unknown")),
    "another's expired": forge.response(forge.single(), forge.single(serial=7, next_update=NOW - HOUR)),
}


@pytest.mark.parametrize("data", **cases(GOOD))
def test_good(data: bytes) -> None:
    judgement = judged(data)
    assert found(judgement) == []
    assert judgement.certificate_status == "good"
    assert judgement.effective_expiry == NOW + 6 * DAY


def _critical_false(dotted: str, value: bytes) -> bytes:
    """An extension that says that it is not critical, which DER leaves out."""
    return forge.sequence(forge.oid(dotted), FALSE, forge.octets(value))


def _by_delegate(*extensions: bytes) -> bytes:
    return forge.response(signer=forge.delegate(W.issuer, extensions=extensions))


UUID = f"2.25.{2**127 + 1}"
PROFILE = forge.DELEGATE_EXTENSIONS
FALSE = b"\x01\x01\x00"
BARE_RSA = forge.sequence(forge.oid("1.2.840.113549.1.1.11"))
ECDSA_NULL = forge.sequence(forge.oid("1.2.840.10045.4.3.2"), forge.NULL)
UNREADABLE_SURPLUS = [forge.sequence(forge.integer(1)), forge.sequence(forge.NULL), forge.sequence()]
UNREADABLE_SURPLUS += [forge.sequence(*UNREADABLE_SURPLUS), forge.leaf(W.issuer, forge.sequence(forge.NULL)).der]

#: What is not as it should be and is read all the same: the codes and a part of the sentence.
TOLERATED: dict[str, tuple[bytes, str, str]] = {
    "explicit version v1": (forge.response(version=0), "encoding", "the response writes out its version v1"),
    "critical FALSE in the response": (
        forge.response(extensions=[_critical_false(forge.OCSP_NONCE, forge.octets(b"n" * 32))]),
        "encoding",
        "writes out in its responseExtensions that one is not critical",
    ),
    "critical FALSE in the answer": (
        forge.response(forge.single(extensions=[_critical_false(forge.UNKNOWN_OID, forge.NULL)])),
        "encoding",
        "writes out in its singleExtensions that one is not critical",
    ),
    "critical FALSE in another answer": (
        forge.response(forge.single(), forge.single(serial=7, extensions=[_critical_false("1.2.3", b"")])),
        "encoding",
        "singleExtensions",
    ),
    "empty extensions": (
        forge.response(extra_data=forge.tlv(0xA1, forge.sequence())),
        "encoding",
        "has empty response",
    ),
    "empty extensions of the answer": (
        forge.response(forge.single(raw_extensions=forge.sequence())),
        "encoding",
        "has empty singleExtensions",
    ),
    "ECDSA with NULL": (forge.response(signature_algorithm=ECDSA_NULL), "encoding", "has NULL in its ECDSA signature"),
    **{
        f"unreadable surplus {number}, {place}": (
            forge.response(signer=W.delegate, certificates=certificates),
            "unreadable_certificate",
            "contains a certificate that cannot be read (",
        )
        for number, surplus in enumerate(UNREADABLE_SURPLUS)
        for place, certificates in {
            "first": [surplus, W.delegate.der],
            "last": [W.delegate.der, surplus],
            "between": [W.delegate.der, surplus, W.issuer.der],
        }.items()
    },
    "unreadable surplus beside the issuer": (
        forge.response(certificates=[forge.sequence()]),
        "unreadable_certificate",
        "OpenSSL refuse the whole response",
    ),
    **{
        f"a large identifier {place}": (data, "large_identifier", f"identifier {UUID}, of which a number has more than")
        for place, data in {
            "in the response": forge.response(extensions=[forge.extension(UUID, forge.NULL)]),
            "in the answer": forge.response(forge.single(extensions=[forge.extension(UUID, forge.NULL)])),
            "in another answer": forge.response(
                forge.single(), forge.single(serial=7, extensions=[forge.extension(UUID, forge.NULL)])
            ),
            "of the responder": _by_delegate(*PROFILE, forge.extension(UUID, forge.NULL)),
        }.items()
    },
    **{
        f"another's answer first: {name}": (
            forge.response(first, forge.single()),
            "other_answer_first",
            "clients with GnuTLS look at no other",
        )
        for name, first in {
            "good": forge.single(serial=7),
            "revoked": forge.single(serial=7, status="revoked"),
            "unknown": forge.single(serial=7, status="unknown"),
        }.items()
    },
    "answer by an unknown digest last": (
        forge.response(forge.single(), forge.single(digest_oid="1.2.3.4", serial=7)),
        "mixed_issuers",
        "by a CertID with the digest 1.2.3.4 too; clients that do not know it refuse",
    ),
    "answer about another issuer last": (
        forge.response(forge.single(), forge.single(W.delegate, W.root)),
        "mixed_issuers",
        "clients with OpenSSL refuse",
    ),
    "answer about another issuer by SHA-256": (
        forge.response(forge.single(), forge.single(W.leaf, W.root, digest="sha256")),
        "mixed_issuers",
        "another issuer",
    ),
    "answer about an issuer of the same name": (
        forge.response(forge.single(), forge.single(serial=7, key_hash=bytes(20))),
        "mixed_issuers",
        "another issuer",
    ),
    "delegate with cA FALSE": (
        forge.response(
            signer=forge.delegate(
                W.issuer,
                extensions=[forge.extension("2.5.29.19", forge.sequence(FALSE), True), *forge.DELEGATE_EXTENSIONS[1:]],
            )
        ),
        "encoding",
        "CN=Responder,O=Forge writes out that it is not a CA",
    ),
    "delegate with critical FALSE": (
        forge.response(
            signer=forge.delegate(
                W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS[:3], _critical_false(forge.OCSP_NOCHECK, forge.NULL)]
            )
        ),
        "encoding",
        "extension is not critical, which is the default (OCSP nocheck)",
    ),
    "nocheck without a content": (
        forge.response(
            signer=forge.delegate(
                W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS[:3], forge.extension(forge.OCSP_NOCHECK, b"")]
            )
        ),
        "encoding",
        "OCSP nocheck with content other than NULL",
    ),
    "nocheck with another content": (
        forge.response(
            signer=forge.delegate(
                W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS[:3], forge.extension(forge.OCSP_NOCHECK, forge.TRUE)]
            )
        ),
        "encoding",
        "OCSP nocheck with content other than NULL",
    ),
    "delegate for nonRepudiation": (
        forge.response(
            signer=forge.delegate(
                W.issuer,
                extensions=[
                    forge.DELEGATE_EXTENSIONS[0],
                    forge.key_usage("content_commitment"),
                    *forge.DELEGATE_EXTENSIONS[2:],
                ],
            )
        ),
        "responder_profile",
        "nonRepudiation in its key usage and not digitalSignature",
    ),
    "delegate for nonRepudiation and more": (
        forge.response(
            signer=forge.delegate(
                W.issuer,
                extensions=[
                    forge.DELEGATE_EXTENSIONS[0],
                    forge.key_usage("content_commitment", "key_encipherment"),
                    *forge.DELEGATE_EXTENSIONS[2:],
                ],
            )
        ),
        "responder_profile",
        "nonRepudiation in its key usage and not digitalSignature",
    ),
}


@pytest.mark.parametrize("data, code, sentence", **cases(TOLERATED))
def test_tolerated(data: bytes, code: str, sentence: str) -> None:
    judgement = judged(data)
    assert found(judgement) == [f"({code})"]
    assert sentence in judgement.findings[0].message
    assert judgement.certificate_status == "good"
    assert judgement.effective_expiry == NOW + 6 * DAY


def test_an_answer_about_another_issuer_first() -> None:
    judgement = judged(forge.response(forge.single(W.leaf, W.root, status="revoked"), forge.single()))
    assert found(judgement) == ["(mixed_issuers)", "(other_answer_first)"]
    assert judgement.certificate_status == "good"


def test_an_rsa_signature_without_null() -> None:
    judgement = judged(rsa_response(signature_algorithm=BARE_RSA), on=RSA_TARGET)
    assert found(judgement) == ["(encoding)"]
    assert "the response leaves out the NULL" in judgement.findings[0].message


def test_a_certificate_that_is_too_large_to_look_at_is_not_called_unreadable() -> None:
    large = forge.leaf(W.issuer, extensions=[forge.extension(forge.UNKNOWN_OID, bytes(20000))])
    assert found(judged(forge.response(certificates=[large.der]))) == ["too_large"]


def test_the_certificates_of_the_target_are_looked_at_too() -> None:
    leaf = forge.leaf(W.issuer, extensions=[forge.extension("2.5.29.19", forge.sequence(FALSE))])
    issuer = forge.authority(W.issuer.subject, W.root, private_key=W.issuer.key, serial=-5)
    judgement = judged(forge.response(forge.single(leaf)), on=target(leaf, issuer))
    assert found(judgement) == ["(encoding)"]
    first, second = (finding.message for finding in judgement.findings)
    assert first.startswith("the certificate CN=leaf.example.com,O=Forge writes out that it is not a CA")
    assert second == (
        "the certificate CN=Issuing CA,O=Forge has a negative serial number; clients accept it all the same"
    )


@pytest.mark.parametrize("serial", [0, 1, 127, 128, 2**64, 2**152, BIG_SERIAL], ids=hex)
def test_serials(serial: int) -> None:
    leaf = forge.leaf(W.issuer, serial=serial)
    on = target(leaf, W.issuer)
    judgement = judged(forge.response(forge.single(leaf)), on=on)
    assert judgement.errors == []
    assert judgement.serial_number == serial
    assert judged(forge.response(forge.single(serial=serial + 1)), on=on).errors == ["wrong_certificate"]


def test_several_good_answers_the_shortest_life_counts() -> None:
    first = forge.single(next_update=NOW + 6 * DAY)
    second = forge.single(digest="sha256", next_update=NOW + 2 * DAY)
    for data in (forge.response(first, second), forge.response(second, first)):
        judgement = judged(data)
        assert found(judgement) == []
        assert judgement.next_update == NOW + 2 * DAY
        assert judgement.effective_expiry == NOW + 2 * DAY


def test_what_two_answers_have_in_common_is_said_once() -> None:
    extensions = [forge.unknown_extension(True)]
    judgement = judged(
        forge.response(forge.single(extensions=extensions), forge.single(digest="sha256", extensions=extensions))
    )
    assert [finding.code for finding in judgement.findings] == ["unknown_critical_extension"]


FAULTS_OF_ONE_OF_TWO = {
    "expired": (forge.single(digest="sha256", next_update=NOW - SECOND), ["expired"]),
    "without next update": (forge.single(digest="sha256", next_update=None), ["missing_next_update"]),
    "future": (forge.single(digest="sha256", this_update=NOW + HOUR), ["not_yet_valid"]),
    "too old": (forge.single(digest="sha256", this_update=NOW - 11 * DAY), ["too_old"]),
    "unknown critical": (
        forge.single(digest="sha256", extensions=[forge.unknown_extension(True)]),
        ["unknown_critical_extension"],
    ),
}


@pytest.mark.parametrize("other, codes", **cases(FAULTS_OF_ONE_OF_TWO))
def test_a_fault_of_one_of_two_answers_counts(other: bytes, codes: list[str]) -> None:
    assert judged(forge.response(forge.single(), other)).errors == codes
    assert judged(forge.response(other, forge.single())).errors == codes


# Malformed ---------------------------------------------------------------------------------------

PLAIN = forge.response()


def _single_with(**options: t.Any) -> bytes:
    return forge.response(forge.single(**options))


def _with_length(data: bytes, length: bytes) -> bytes:
    """C(data), of which the outermost length takes 2 or 3 octets, with that length field."""
    return data[:1] + length + data[2 + (data[1] & 0x7F) :]


BASIC = forge.basic_response()
OID_AND_BASIC = forge.oid(forge.OCSP_BASIC) + forge.octets(BASIC)
SUCCESS = forge.tlv(0x0A, b"\0")
MORE = forge.NULL

MALFORMED: dict[str, bytes] = {
    "more in OCSPResponse": forge.sequence(SUCCESS, forge.tlv(0xA0, forge.sequence(OID_AND_BASIC)), MORE),
    "more beside ResponseBytes": forge.sequence(SUCCESS, forge.tlv(0xA0, forge.sequence(OID_AND_BASIC), MORE)),
    "more in ResponseBytes": forge.sequence(SUCCESS, forge.tlv(0xA0, forge.sequence(OID_AND_BASIC, MORE))),
    "more beside the version": forge.response(raw_version=forge.tlv(0xA0, forge.integer(0), MORE)),
    "more beside the responder's name": forge.response(responder=forge.tlv(0xA1, W.issuer.subject, MORE)),
    "more beside the responder's key": forge.response(
        responder=forge.tlv(0xA2, forge.responder_key(W.issuer)[2:], MORE)
    ),
    "responder of no kind": forge.response(responder=forge.tlv(0xA3, W.issuer.subject)),
    "more beside next update": _single_with(next_update=forge.generalized(NOW + DAY) + MORE),
    "more beside the extensions of the answer": _single_with(raw_extensions=forge.sequence() + MORE),
    "more beside the extensions": forge.response(extra_data=forge.tlv(0xA1, forge.sequence(), MORE)),
    "more beside the certificates": forge.response(extra_basic=forge.tlv(0xA0, forge.sequence(), MORE)),
    "more in CertID": _single_with(serial=forge.integer(W.leaf.serial) + MORE),
    "more in the digest of CertID": _single_with(parameters=forge.NULL + MORE),
    "more beside the reason": _single_with(
        status=forge.tlv(0xA1, forge.generalized(NOW - DAY), forge.tlv(0xA0, forge.tlv(0x0A, b"\1"), MORE))
    ),
    "more behind the reason": _single_with(
        status=forge.tlv(0xA1, forge.generalized(NOW - DAY), forge.tlv(0xA0, forge.tlv(0x0A, b"\1")), MORE)
    ),
    "more in an extension": forge.response(
        extensions=[forge.sequence(forge.oid(forge.UNKNOWN_OID), forge.octets(b""), MORE)]
    ),
    "empty": b"",
    "one octet": b"\x30",
    "zeros": bytes(64),
    "html": b"<!DOCTYPE html>\n<html><body>503 Service Unavailable</body></html>\n",
    "pem": forge.armour(PLAIN, "OCSP RESPONSE"),
    "a certificate": W.leaf.der,
    "a request": forge.request(W.leaf, W.issuer),
    "cut": PLAIN[:-1],
    "cut in half": PLAIN[: len(PLAIN) // 2],
    "trailing octet": PLAIN + b"\0",
    "trailing newline": PLAIN + b"\n",
    "twice": PLAIN + PLAIN,
    "trailing data after an error status": forge.error_response("try_later") + b"\0",
    "trailing data after BasicOCSPResponse": forge.response(trailing_basic=b"\0"),
    "trailing element after BasicOCSPResponse": forge.response(trailing_basic=forge.NULL),
    "extra element in BasicOCSPResponse": forge.response(extra_basic=forge.NULL),
    "extra element in ResponseData": forge.response(extra_data=forge.NULL),
    "extra element in SingleResponse": _single_with(extra=forge.NULL),
    "successful without bytes": forge.error_response("successful"),
    "error status with a NULL behind": forge.sequence(forge.tlv(0x0A, b"\3"), forge.NULL),
    "status 4": forge.error_response(4),
    "status 7": forge.error_response(7),
    "status 17": forge.error_response(17),
    "status of two octets": forge.sequence(forge.tlv(0x0A, b"\0\3")),
    "status empty": forge.sequence(forge.tlv(0x0A)),
    "status as integer": forge.sequence(forge.integer(3)),
    "wrong response type": forge.wrap(b"", response_type="1.3.6.1.5.5.7.48.1.2"),
    "reason 7": forge.response(forge.single(status="revoked", reason=7)),
    "reason 11": forge.response(forge.single(status="revoked", reason=11)),
    "wrong type of a good response": forge.wrap(forge.basic_response(), response_type="1.3.6.1.5.5.7.48.1.2"),
    "empty BasicOCSPResponse": forge.wrap(b""),
    "not a BasicOCSPResponse": forge.wrap(forge.sequence(forge.NULL, forge.NULL, forge.NULL)),
    "version v2": forge.response(version=1),
    "version -1": forge.response(version=-1),
    "duplicate extension in the response": forge.response(extensions=[forge.unknown_extension()] * 2),
    "duplicate nonce": forge.response(extensions=[forge.nonce(b"1" * 16), forge.nonce(b"2" * 16)]),
    "duplicate extension in the answer": _single_with(extensions=[forge.unknown_extension()] * 2),
    "length not minimal": _with_length(PLAIN, b"\x83\x00" + (len(PLAIN) - 4).to_bytes(2, "big")),
    "length indefinite": _with_length(PLAIN, b"\x80") + b"\0\0",
    "length reserved": _with_length(PLAIN, b"\xff"),
    "length huge": _with_length(PLAIN, b"\x88" + b"\xff" * 8),
    "produced at with a fraction": forge.response(produced_at="20260303050607.5Z"),
    "this update with a fraction": _single_with(this_update="20260303050607.25Z"),
    "this update with a zero fraction": _single_with(this_update="20260303050607.0Z"),
    "next update with a fraction": _single_with(next_update="20260310050607.5Z"),
    "revocation time with a fraction": _single_with(status="revoked", revocation_time="20260301050607.5Z"),
    "this update with an offset": _single_with(this_update="20260303050607+0000"),
    "next update with an offset": _single_with(next_update="20260310060607+0100"),
    "produced at without seconds": forge.response(produced_at="202603030506Z"),
    "this update without seconds": _single_with(this_update="202603030506Z"),
    "this update without zone": _single_with(this_update="20260303050607"),
    "this update as UTCTime": _single_with(this_update=forge.tlv(0x17, b"260303050607Z")),
    "this update in month 13": _single_with(this_update="20261303050607Z"),
    "this update on 30 February": _single_with(this_update="20260230050607Z"),
    "this update in second 60": _single_with(this_update="20260303050660Z"),
    "this update with spaces": _single_with(this_update="2026 303 50607Z"),
    "this update with a sign": _single_with(this_update="+2026303050607Z"),
    "this update empty": _single_with(this_update=""),
    "status choice 3": _single_with(status=forge.tlv(0x83)),
    "good with content": _single_with(status=forge.tlv(0x80, b"\0")),
    "unknown with content": _single_with(status=forge.tlv(0x82, b"\0")),
    "revoked without time": _single_with(status=forge.tlv(0xA1)),
    "reason of two octets": _single_with(
        status=forge.tlv(0xA1, forge.generalized(NOW - DAY), forge.tlv(0xA0, forge.tlv(0x0A, b"\0\1")))
    ),
    "serial not minimal": _single_with(serial=forge.tlv(0x02, b"\x00\x10\x00")),
    "serial empty": _single_with(serial=forge.tlv(0x02)),
}


@pytest.mark.parametrize("data", **cases(MALFORMED))
def test_malformed(data: bytes) -> None:
    judgement = judged(data)
    assert judgement.errors == ["malformed"]
    # Found for what it is, and not because something else went wrong later on.
    assert "is not well-formed" in judgement.message
    assert judgement.certificate_status is None


def test_too_large() -> None:
    limit = 1024 * 1024
    assert judged(PLAIN + bytes(limit)).errors == ["too_large"]
    assert judged(bytes(limit + 1)).errors == ["too_large"]
    assert judged(bytes(limit)).errors == ["malformed"]


def test_no_more_than_clients_with_openssl_take_in_a_handshake() -> None:
    """What anybody on the way adds to the certificates is not signed, and would have clients break off."""
    plain = forge.response()
    room = 16380 - len(with_certificates(plain, [forge.tlv(0x30, bytes(15000))]))
    for size, errors_found in ((15000 + room, []), (15001 + room, ["too_large"])):
        data = with_certificates(plain, [forge.tlv(0x30, bytes(size))])
        assert len(data) == 16380 + bool(errors_found)
        assert judged(data).errors == errors_found


@pytest.mark.parametrize("signer", [None, W.delegate], ids=["issuer", "delegate"])
def test_a_proof_is_kept_without_what_somebody_added(signer: t.Optional[forge.Entity]) -> None:
    single = forge.single(status="revoked", revocation_time=NOW - DAY)
    own = [signer.der] if signer else []
    options: t.Dict[str, t.Any] = {"signer": signer} if signer else {}
    lean = forge.response(single, certificates=own, **options)
    padded = with_certificates(lean, [*[W.issuer.der] * 60, *own])
    assert judged(padded).proves_revocation
    assert made_lean(padded) == (lean, judged(lean))


def made_lean(data: bytes) -> tuple[bytes, Judgement]:
    return judging.lean(data, judged(data), judged)


_MONTH = {"not_before": NOW - 30 * DAY, "not_after": NOW + 30 * DAY}
_FORMER = {"not_before": NOW - 60 * DAY, "not_after": NOW - DAY}
#: Certificates that anybody can add to a response, and with which some servers or clients refuse the whole of it.
ADDED = {
    "of no form": b"\x30\x03\x02\x01\x05",
    "the issuer": W.issuer.der,
    "the root": W.root.der,
    "the leaf": W.leaf.der,
    "of the CA": forge.leaf(W.issuer, "other.example.com", serial=0x77, **_MONTH).der,
    "another delegate": forge.delegate(W.issuer, private_key=forge.key("p256", "other delegate"), **_MONTH).der,
    "a former one of its key": forge.delegate(W.issuer, private_key=W.delegate.key, **_FORMER).der,
    "of its key, by nobody": forge.delegate(W.root, private_key=W.delegate.key, serial=0x78, **_MONTH).der,
}


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
@pytest.mark.parametrize("responder", ["name", "key"])
@pytest.mark.parametrize("count", [1, 40])
def test_no_certificate_is_left_but_that_of_the_signer(added: bytes, responder: str, count: int) -> None:
    """No signature covers these, nor their order, and OpenSSL takes the first one that has the name or the key."""
    by_issuer = forge.response(responder=responder, certificates=[])
    assert made_lean(with_certificates(by_issuer, [added] * count))[0] == by_issuer
    by_delegate = forge.response(signer=W.delegate, responder=responder, certificates=[W.delegate.der])
    for held in ([*[added] * count, W.delegate.der], [W.delegate.der, *[added] * count, W.delegate.der]):
        lean, judgement = made_lean(with_certificates(by_delegate, held))
        assert lean == by_delegate
        assert judgement == judged(by_delegate)


def _without_octets(tbs: bytes) -> bytes:
    """A certificate with an issuerUniqueID that is no bit string."""
    fields = [forge.tlv(*field) for field in forge.elements(forge.elements(tbs)[0][1])]
    return forge.sequence(*fields[:-1], forge.tlv(0x81), fields[-1])


_TWO_NULL = forge.sequence(forge.sequence(forge.oid(forge.UNKNOWN_OID), forge.NULL, forge.NULL), forge.bits(b"key"))


def test_a_delegate_that_openssl_cannot_read() -> None:
    delegate = forge.delegate(W.issuer, reshape=_without_octets)
    assert found(judged(forge.response(signer=delegate, certificates=[delegate.der]))) == [
        "unauthorized_responder",
        "(unreadable_certificate)",
    ]


@pytest.mark.parametrize(
    "oid, value",
    [
        ("2.5.29.30", b"\5\0"),
        ("2.16.840.1.113730.1.1", b"\5\0"),
        *((f"1.3.6.1.5.5.7.1.{last}", value) for last in (7, 8, 14) for value in (b"", forge.sequence())),
    ],
)
def test_a_delegate_with_an_extension_that_openssl_cannot_read(oid: str, value: bytes) -> None:
    extensions = [*forge.DELEGATE_EXTENSIONS, forge.extension(oid, value)]
    delegate = forge.delegate(W.issuer, extensions=extensions)
    assert "unauthorized_responder" in judged(forge.response(signer=delegate, certificates=[delegate.der])).errors


def test_a_delegate_of_the_name_of_its_ca() -> None:
    """OpenSSL takes it for self-signed, unless key identifiers, or a key of another kind, say otherwise."""
    for kind, more, warnings in (
        ("p256", [], ["misleading_responder"]),
        ("rsa2048", [], []),
        ("p256", [forge.subject_key_identifier(b"delegate")], ["misleading_responder"]),
        ("p256", [forge.subject_key_identifier(b"delegate"), forge.authority_key_identifier(b"issuer")], []),
    ):
        extensions = [*forge.DELEGATE_EXTENSIONS, *more]
        key = forge.key(kind, "namesake")
        delegate = forge.delegate(W.issuer, W.issuer.subject, private_key=key, extensions=extensions)
        judgement = judged(forge.response(signer=delegate, certificates=[delegate.der], responder="key"))
        assert (judgement.errors, judgement.warnings) == ([], warnings)


def test_a_delegate_whose_authority_is_another() -> None:
    """The CA has no key identifier of its own, so that only the serial number says so."""
    for serial, warnings in ((W.issuer.serial, []), (W.issuer.serial + 1, ["misleading_responder"])):
        identifier = forge.extension("2.5.29.35", forge.sequence(forge.tlv(0x82, forge.integer(serial)[2:])))
        delegate = forge.delegate(W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS, identifier])
        judgement = judged(forge.response(signer=delegate, certificates=[delegate.der]))
        assert (judgement.errors, judgement.warnings) == ([], warnings)


def _in_another_type(name: bytes) -> bytes:
    return name.replace(b"\x0c\x05Forge", b"\x13\x05Forge")


def _in_capitals(name: bytes) -> bytes:
    return name.replace(b"Forge", b"FORGE")


def delegate_whose_nocheck_is_critical() -> forge.Entity:
    nocheck = forge.extension("1.3.6.1.5.5.7.48.1.5", forge.NULL, True)
    extensions = [forge.extended_key_usage(forge.OCSP_SIGNING), forge.key_usage("digital_signature"), nocheck]
    return forge.delegate(W.issuer, extensions=extensions)


def spelled_otherwise() -> t.Dict[str, t.Tuple[bytes, str]]:
    """Responses whose names are right by RFC 5280, by which OpenSSL goes, and the clients that refuse them.

    Firefox (mozpkix) compares bytes. GnuTLS compares the bytes of the responder ID, but tries the CA if it finds no
    certificate, and of issuers the letters.
    """
    firefox, both = "; Firefox refuses", "; Firefox and clients with GnuTLS refuse"
    found = {}
    for way, respelled, of_issuer in (("type", _in_another_type, firefox), ("capitals", _in_capitals, both)):
        delegate = forge.delegate(W.issuer, issuer_name=respelled(W.issuer.subject))
        found[f"issuer of the delegate, {way}"] = forge.response(signer=delegate), of_issuer
        for who, signer, clients in (("CA", W.issuer, firefox), ("delegate", W.delegate, both)):
            name = forge.tlv(0xA1, respelled(signer.subject))
            found[f"name of the {who}, {way}"] = forge.response(signer=signer, responder=name), clients
    return found


#: With what a warning says of who refuses them; OpenSSL 3 accepts all of them.
REFUSED_BY_SOME = {
    **spelled_otherwise(),
    # RFC 6960 section 4.2.2.2.1 would have it not critical.
    "critical nocheck": (
        forge.response(signer=delegate_whose_nocheck_is_critical()),
        "critical extension; clients with GnuTLS refuse",
    ),
}


@pytest.mark.parametrize("data, refused", **cases(REFUSED_BY_SOME))
def test_clients_that_refuse_a_responder_are_named(data: bytes, refused: str) -> None:
    judgement = judged(data)
    assert found(judgement) == ["(misleading_responder)"]
    assert refused in judgement.findings[0].message


@gnutls.needed
@pytest.mark.parametrize("data, refused", **cases(REFUSED_BY_SOME))
def test_gnutls_refuses_a_responder_where_it_is_named(data: bytes, refused: str) -> None:
    assert bool(gnutls.response_status(data, W.issuer.der)) == ("GnuTLS" in refused)


@pytest.mark.parametrize("options", [{"reshape": _without_octets}, {"raw_key": _TWO_NULL}], ids=["identifier", "key"])
def test_a_certificate_of_the_ca_that_openssl_cannot_read(options: dict[str, t.Any]) -> None:
    other = forge.leaf(W.issuer, "other.example.com", serial=0x79, **options)
    data = forge.response(certificates=[other.der])
    assert found(judged(data)) == ["(unreadable_certificate)"]
    assert made_lean(data)[0] == with_certificates(data, [])


def test_a_responder_whose_name_openssl_cannot_read() -> None:
    """hitch does not start with such a response, and no client with OpenSSL parses it."""
    for text, refused in (("Grün", []), ("\U0001f600", ["malformed"])):
        unit = forge.sequence(forge.oid("2.5.4.11"), forge.tlv(0x1E, text.encode("utf-16-be")))
        issuer = forge.authority(forge.sequence(forge.tlv(0x31, unit)))
        leaf = forge.leaf(issuer)
        data = forge.response(forge.single(leaf, issuer), signer=issuer, responder="name", certificates=[])
        assert judge(data, target(leaf, issuer), NOW).errors == refused


def test_an_empty_list_of_certificates_is_left_out() -> None:
    data = forge.response()
    with_one = with_certificates(data, [b""])
    assert len(with_one) > len(data) and judged(with_one).acceptable
    assert made_lean(with_one)[0] == data


@pytest.mark.parametrize("responder", ["name", "key"])
@pytest.mark.parametrize("added", ["another delegate", "a former one of its key"])
def test_a_certificate_in_front_of_that_of_the_signer(added: str, responder: str) -> None:
    """OpenSSL tries the first one alone that the responder ID means."""
    named = ADDED[added]
    by_delegate = forge.response(signer=W.delegate, responder=responder, certificates=[named, W.delegate.der])
    misleads = ["misleading_certificate"] if responder == "name" or added == "a former one of its key" else []
    judgement = judged(by_delegate)
    assert (judgement.errors, judgement.warnings) == ([], misleads)
    judgement = judged(with_certificates(by_delegate, [W.delegate.der, named]))
    assert (judgement.errors, judgement.warnings) == ([], [])


def test_what_is_lean_or_refused_stays() -> None:
    """Whatever is told of a refused one is about what came."""
    error = forge.error_response("try_later")
    forged = forge.response(signer=W.delegate, certificates=[W.issuer.der, W.delegate.der], flip_signature=True)
    unsigned = forge.response(signer=W.delegate, certificates=[W.issuer.der])
    for data in (forge.response(), error, b"", b"\x30\x80", forged, unsigned):
        assert made_lean(data) == (data, judged(data))


def test_the_first_of_the_malformed_is_otherwise_good() -> None:
    assert found(judged(_single_with(this_update="20260303050607Z", next_update="20260310050607Z"))) == []


@pytest.mark.parametrize("status", ["malformed_request", "internal_error", "try_later", "sig_required", "unauthorized"])
def test_not_successful(status: str) -> None:
    judgement = judged(forge.error_response(status))
    assert found(judgement) == ["not_successful"]
    assert judgement.response_status == status
    assert judgement.certificate_status is None
    assert judgement.effective_expiry is None


# Identity ----------------------------------------------------------------------------------------

SIBLING = forge.leaf(W.issuer, "sibling.example.com", serial=0x1001)
ROLLED = forge.authority(W.issuer.subject, W.root, private_key=forge.key("p256", "rolled"), serial=0x21)

WRONG_CERTIFICATE: dict[str, bytes] = {
    "serial": _single_with(serial=0x1001),
    "negative serial": _single_with(serial=-0x1000),
    "serial off by 2^64": _single_with(serial=0x1000 + 2**64),
    "name hash": _single_with(name_hash=hashlib.sha1(W.root.subject).digest()),
    "key hash": _single_with(key_hash=hashlib.sha1(b"a different key").digest()),
    "key hash of the rolled key": forge.response(forge.single(W.leaf, ROLLED)),
    "key hash over the whole SubjectPublicKeyInfo": _single_with(
        key_hash=hashlib.sha1(forge.public_key_info(W.issuer.key)).digest()
    ),
    "hashes exchanged": _single_with(
        name_hash=hashlib.sha1(forge.public_key_bits(W.issuer.key)).digest(),
        key_hash=hashlib.sha1(W.issuer.subject).digest(),
    ),
    "sha1 oid with sha256 hashes": _single_with(digest="sha256", digest_oid=forge.DIGEST_OIDS["sha1"]),
    "sha256 oid with sha1 hashes": _single_with(digest="sha1", digest_oid=forge.DIGEST_OIDS["sha256"]),
    "hashes cut": _single_with(
        name_hash=hashlib.sha1(W.issuer.subject).digest()[:4],
        key_hash=hashlib.sha1(forge.public_key_bits(W.issuer.key)).digest()[:4],
    ),
    "hashes empty": _single_with(name_hash=b"", key_hash=b""),
    "unknown digest": _single_with(digest_oid="1.2.3.4"),
    "md5": _single_with(digest="md5"),
    "sibling": forge.response(forge.single(SIBLING)),
    "two others": forge.response(forge.single(serial=5), forge.single(serial=6)),
    "issued by the root": forge.response(forge.single(W.leaf, W.root)),
    "no answers": forge.response(no_singles=True),
}


@pytest.mark.parametrize("data", **cases(WRONG_CERTIFICATE))
def test_wrong_certificate(data: bytes) -> None:
    judgement = judged(data)
    assert judgement.errors == ["wrong_certificate"]
    assert judgement.certificate_status is None


@pytest.mark.parametrize(
    "case, words",
    [
        ("hashes cut", "length of SHA1"),
        ("key hash", "a different key"),
        ("unknown digest", "the digest 1.2.3.4, which is not supported"),
        ("md5", "the digest md5, which is not supported"),
        ("two others", "the serial number 5, not 1000"),
        ("no answers", "no answer"),
    ],
)
def test_wrong_certificate_says_why(case: str, words: str) -> None:
    assert words in judged(WRONG_CERTIFICATE[case]).message


GOOD_SINGLE = forge.single()
BAD_SINGLES = {
    "revoked": forge.single(status="revoked"),
    "revoked by sha256": forge.single(status="revoked", digest="sha256"),
    "unknown": forge.single(status="unknown"),
    "unknown by sha256": forge.single(status="unknown", digest="sha256"),
}


@pytest.mark.parametrize("other", **cases(BAD_SINGLES))
def test_ambiguous(other: bytes) -> None:
    orders = (
        [GOOD_SINGLE, other],
        [other, GOOD_SINGLE],
        [GOOD_SINGLE, other, GOOD_SINGLE],
        [forge.single(serial=7), other, GOOD_SINGLE],
    )
    for order in orders:
        judgement = judged(forge.response(*order))
        assert "ambiguous" in judgement.errors
        assert judgement.certificate_status != "good"


# Signature ---------------------------------------------------------------------------------------


def _signed_by(kind: str, scheme: str) -> tuple[bytes, certificates.Target]:
    world = forge.world(kind)
    single = forge.single(world.leaf, world.issuer)
    return forge.response(single, signer=world.issuer, certificates=[], scheme=scheme), target(world.leaf, world.issuer)


STRONG = [
    ("rsa2048", "rsa_sha256"),
    ("rsa2048", "rsa_sha384"),
    ("rsa2048", "rsa_sha512"),
    ("rsa2048", "pss_sha256"),
    ("rsa2048", "pss_sha384"),
    ("rsa2048", "pss_sha512"),
    ("rsa3072", "rsa_sha256"),
    ("p256", "ecdsa_sha256"),
    ("p256", "ecdsa_sha384"),
    ("p256", "ecdsa_sha512"),
    ("p384", "ecdsa_sha384"),
    ("p521", "ecdsa_sha512"),
    ("ed25519", "ed25519"),
    ("ed448", "ed448"),
]


@pytest.mark.parametrize("kind, scheme", STRONG)
def test_strong_signature(kind: str, scheme: str) -> None:
    data, on = _signed_by(kind, scheme)
    judgement = judged(data, on=on)
    assert found(judgement) == []
    assert judgement.signature_algorithm


@pytest.mark.parametrize("kind, scheme", STRONG)
def test_strong_signature_of_a_delegate(kind: str, scheme: str) -> None:
    delegate = forge.delegate(W.issuer, private_key=forge.key(kind, "delegate"))
    assert found(judged(forge.response(signer=delegate, scheme=scheme))) == []


@pytest.mark.parametrize("kind, scheme", STRONG)
def test_bad_signature(kind: str, scheme: str) -> None:
    world = forge.world(kind)
    on = target(world.leaf, world.issuer)
    single = forge.single(world.leaf, world.issuer)
    good = {"signer": world.issuer, "certificates": [], "scheme": scheme}
    assert judged(forge.response(single, flip_signature=True, **good), on=on).errors == ["bad_signature"]
    other_key = forge.key(kind, "other")
    assert judged(forge.response(single, signer_key=other_key, **good), on=on).errors == ["bad_signature"]


WEAK = [
    ("rsa2048", "rsa_md5"),
    ("rsa2048", "rsa_sha1"),
    ("rsa2048", "rsa_sha224"),
    ("rsa1024", "rsa_sha256"),
    ("rsa1024", "pss_sha256"),
    ("rsa2048", "pss_sha1"),
    ("rsa2048", "pss_sha256_salt20"),
    ("rsa2048", "pss_sha256_salt0"),
    ("rsa2048", "pss_sha512_salt32"),
    ("rsa2048", "pss_sha256_mgfsha1"),
    ("rsa2048", "pss_sha256_mgfsha512"),
    ("p256", "ecdsa_sha1"),
    ("p256", "ecdsa_sha224"),
    ("p224", "ecdsa_sha256"),
    ("secp256k1", "ecdsa_sha256"),
]


@pytest.mark.parametrize("kind, scheme", WEAK)
def test_weak_signature(kind: str, scheme: str) -> None:
    data, on = _signed_by(kind, scheme)
    assert judged(data, on=on).errors == ["weak_signature"]


@pytest.mark.parametrize("kind, scheme", WEAK)
def test_weak_signature_of_a_delegate(kind: str, scheme: str) -> None:
    delegate = forge.delegate(W.issuer, private_key=forge.key(kind, "delegate"))
    assert judged(forge.response(signer=delegate, scheme=scheme)).errors == ["weak_signature"]


@pytest.mark.parametrize("kind, scheme", WEAK)
def test_weak_signature_on_the_delegate_certificate(kind: str, scheme: str) -> None:
    world = forge.world(kind)
    delegate = forge.delegate(world.issuer, scheme=scheme)
    data = forge.response(forge.single(world.leaf, world.issuer), signer=delegate)
    assert judged(data, on=target(world.leaf, world.issuer)).errors == ["weak_signature"]


RELAXED = {
    "rsa": ("rsa2048", "rsa_sha1", []),
    "ecdsa": ("p256", "ecdsa_sha1", []),
    "md5": ("rsa2048", "rsa_md5", ["weak_signature"]),
    "sha224": ("rsa2048", "rsa_sha224", ["weak_signature"]),
    "rsa1024": ("rsa1024", "rsa_sha1", ["weak_signature"]),
    "secp256k1": ("secp256k1", "ecdsa_sha1", ["weak_signature"]),
    "odd salt": ("rsa2048", "pss_sha256_salt20", ["weak_signature"]),
    "mgf1 with sha1": ("rsa2048", "pss_sha256_mgfsha1", ["weak_signature"]),
}


@pytest.mark.parametrize("kind, scheme, codes", **cases(RELAXED))
def test_sha1_allowed(kind: str, scheme: str, codes: list[str]) -> None:
    data, on = _signed_by(kind, scheme)
    assert judged(data, on=on, rules=SHA1).errors == codes
    world = forge.world(kind)
    delegate = forge.delegate(world.issuer, scheme=scheme)
    data = forge.response(forge.single(world.leaf, world.issuer), signer=delegate)
    assert judged(data, on=on, rules=SHA1).errors == codes


def test_sha1_allowed_is_still_verified() -> None:
    data = rsa_response(scheme="rsa_sha1", flip_signature=True)
    assert judged(data, on=RSA_TARGET, rules=SHA1).errors == ["bad_signature"]


def test_the_other_relaxation_does_not_allow_sha1() -> None:
    assert judged(rsa_response(scheme="rsa_sha1"), on=RSA_TARGET, rules=NO_NEXT_UPDATE).errors == ["weak_signature"]


UNFIT_ALGORITHMS = {
    "of another digest": forge.algorithm("rsa_sha512"),
    "of another key type": forge.algorithm("ecdsa_sha256"),
    "unknown": forge.sequence(forge.oid("1.2.3.4")),
    "pss without parameters": forge.sequence(forge.oid("1.2.840.113549.1.1.10")),
    "pss with default parameters": forge.sequence(forge.oid("1.2.840.113549.1.1.10"), forge.sequence()),
    "pss with parameters of another type": forge.sequence(forge.oid("1.2.840.113549.1.1.10"), forge.NULL),
    "sha256 and more": forge.sequence(forge.oid("1.2.840.113549.1.1.11"), forge.NULL, forge.NULL),
    "empty": forge.sequence(),
}


@pytest.mark.parametrize("identifier", **cases(UNFIT_ALGORITHMS))
def test_unfit_algorithm_identifier(identifier: bytes) -> None:
    data = rsa_response(signature_algorithm=identifier)
    codes = judged(data, on=RSA_TARGET).errors
    assert len(codes) == 1
    assert codes[0] in ("malformed", "weak_signature", "bad_signature")


PSS_PARAMETERS = forge.pss_parameters("sha256", "sha256", 32)
PSS_OID = forge.oid("1.2.840.113549.1.1.10")
ODD_PSS_IDENTIFIERS = {
    "more behind the parameters": forge.sequence(PSS_OID, PSS_PARAMETERS, MORE),
    "more in the parameters": forge.sequence(PSS_OID, forge.sequence(PSS_PARAMETERS[2:], MORE)),
    "trailer 2": forge.sequence(PSS_OID, forge.sequence(PSS_PARAMETERS[2:], forge.tlv(0xA3, forge.integer(2)))),
}


def test_pss_identifier() -> None:
    data = rsa_response(scheme="pss_sha256", signature_algorithm=forge.sequence(PSS_OID, PSS_PARAMETERS))
    assert found(judged(data, on=RSA_TARGET)) == []


@pytest.mark.parametrize("identifier", **cases(ODD_PSS_IDENTIFIERS))
def test_odd_pss_identifier(identifier: bytes) -> None:
    judgement = judged(rsa_response(scheme="pss_sha256", signature_algorithm=identifier), on=RSA_TARGET)
    assert judgement.errors in (["malformed"], ["weak_signature"])


RSA_KEY = forge.key("rsa2048", "delegate")
RSA_BITS = forge.bits(forge.public_key_bits(RSA_KEY))
EC_KEY_OID = forge.oid("1.2.840.10045.2.1")
POINT = forge.bits(forge.public_key_bits(forge.key("p256")))
KEYS: dict[str, tuple[bytes, str, list[str]]] = {
    "for pss alone": (forge.sequence(forge.sequence(PSS_OID), RSA_BITS), "pss_sha256", []),
    "for pss alone, pkcs1": (forge.sequence(forge.sequence(PSS_OID), RSA_BITS), "rsa_sha256", ["bad_signature"]),
    "of an unknown kind": (
        forge.sequence(forge.sequence(forge.oid("1.2.3.4")), RSA_BITS),
        "rsa_sha256",
        ["weak_signature"],
    ),
    "on an unknown curve": (
        forge.sequence(forge.sequence(EC_KEY_OID, forge.oid("1.2.3.4")), POINT),
        "ecdsa_sha256",
        ["weak_signature"],
    ),
    "on an explicit curve": (
        forge.sequence(forge.sequence(EC_KEY_OID, forge.sequence()), POINT),
        "ecdsa_sha256",
        ["weak_signature"],
    ),
    "off the curve": (
        forge.sequence(
            forge.sequence(EC_KEY_OID, forge.oid("1.2.840.10045.3.1.7")), forge.bits(b"\x04" + b"\x01" * 64)
        ),
        "ecdsa_sha256",
        ["unauthorized_responder"],
    ),
    "that is no key": (
        forge.sequence(forge.sequence(PSS_OID), forge.bits(b"key")),
        "rsa_sha256",
        ["unauthorized_responder"],
    ),
}


@pytest.mark.parametrize("raw_key, scheme, codes", **cases(KEYS))
def test_key_of_a_delegate(raw_key: bytes, scheme: str, codes: list[str]) -> None:
    private_key = forge.key("p256") if scheme.startswith("ecdsa") else RSA_KEY
    delegate = forge.delegate(W.issuer, private_key=private_key, raw_key=raw_key)
    assert judged(forge.response(signer=delegate, scheme=scheme, responder="name")).errors == codes


# Authority ---------------------------------------------------------------------------------------

D = forge.DELEGATE_EXTENSIONS
BASIC_CONSTRAINTS, KEY_USAGE, EKU, OCSP_NOCHECK = D
OTHER_CA = forge.authority("Other CA", W.root, serial=0x22)
SUB_CA = forge.authority("Sub CA", W.issuer, serial=0x23)
SIGNING_LEAF = forge.leaf(W.issuer, extensions=D)
CA_DELEGATE = forge.delegate(
    W.issuer,
    extensions=[
        forge.basic_constraints(True),
        forge.key_usage("digital_signature", "key_cert_sign"),
        EKU,
        OCSP_NOCHECK,
    ],
)


def _delegate(*extensions: bytes, **options: t.Any) -> forge.Entity:
    return forge.delegate(W.issuer, extensions=extensions, **options)


UNAUTHORIZED: dict[str, bytes] = {
    "the leaf": forge.response(signer=W.leaf),
    "the leaf by name": forge.response(signer=W.leaf, responder="name"),
    "the leaf without its certificate": forge.response(signer=W.leaf, certificates=[]),
    "a sibling": forge.response(signer=SIBLING),
    "any extended key usage": forge.response(
        signer=_delegate(BASIC_CONSTRAINTS, KEY_USAGE, forge.extended_key_usage(forge.ANY_EKU), OCSP_NOCHECK)
    ),
    "no extended key usage": forge.response(signer=_delegate(BASIC_CONSTRAINTS, KEY_USAGE, OCSP_NOCHECK)),
    "no extensions": forge.response(signer=_delegate()),
    "delegate of the root": forge.response(signer=forge.delegate(W.root)),
    "delegate of the root with its chain": forge.response(
        signer=forge.delegate(W.root), certificates=[forge.delegate(W.root).der, W.root.der]
    ),
    "delegate of a sub-CA": forge.response(
        signer=forge.delegate(SUB_CA), certificates=[forge.delegate(SUB_CA).der, SUB_CA.der]
    ),
    "delegate of another CA": forge.response(signer=forge.delegate(OTHER_CA)),
    "delegate of a CA of the same name": forge.response(signer=forge.delegate(ROLLED)),
    "delegate of a CA of another name with the same key": forge.response(
        signer=forge.delegate(W.issuer, issuer_name=W.root.subject)
    ),
    "delegate with a broken signature": forge.response(signer=forge.delegate(W.issuer, flip_signature=True)),
    "self-signed delegate": forge.response(signer=forge.certificate("Responder", extensions=D)),
    "self-signed with the issuer's name as issuer": forge.response(
        signer=forge.certificate("Responder", extensions=D, issuer_name=W.issuer.subject)
    ),
    "the root": forge.response(signer=W.root),
    "the sub-CA": forge.response(signer=SUB_CA),
    "a CA certificate with the EKU": forge.response(signer=CA_DELEGATE),
    "key usage without digital signature": forge.response(
        signer=_delegate(BASIC_CONSTRAINTS, forge.key_usage("key_encipherment", "key_agreement"), EKU, OCSP_NOCHECK)
    ),
    "key usage without any bit": forge.response(
        signer=_delegate(BASIC_CONSTRAINTS, forge.extension("2.5.29.15", forge.bits(b"")), EKU, OCSP_NOCHECK)
    ),
    "key usage of a CA only": forge.response(
        signer=_delegate(BASIC_CONSTRAINTS, forge.key_usage("crl_sign"), EKU, OCSP_NOCHECK)
    ),
    "responder id by name of another": forge.response(responder=forge.responder_name(W.root)),
    "responder id by key of another": forge.response(responder=forge.responder_key(W.root)),
    "responder id by an empty key hash": forge.response(responder=forge.tlv(0xA2, forge.octets(b""))),
    "responder id by half a key hash": forge.response(
        responder=forge.tlv(0xA2, forge.octets(hashlib.sha1(forge.public_key_bits(W.issuer.key)).digest()[:10]))
    ),
    "responder id by a sha256 key hash": forge.response(
        responder=forge.tlv(0xA2, forge.octets(hashlib.sha256(forge.public_key_bits(W.issuer.key)).digest()))
    ),
    "delegate under the name of another": forge.response(signer=W.delegate, responder=forge.responder_name(SIBLING)),
    "delegate under the key of another": forge.response(signer=W.delegate, responder=forge.responder_key(SIBLING)),
    "delegate absent": forge.response(signer=W.delegate, certificates=[]),
    "delegate absent, by name": forge.response(signer=W.delegate, certificates=[], responder="name"),
    "delegate absent, another there": forge.response(signer=W.delegate, certificates=[SIBLING.der]),
    "the old key of the issuer, by key": forge.response(signer=ROLLED),
}


@pytest.mark.parametrize("data", **cases(UNAUTHORIZED))
def test_unauthorized_responder(data: bytes) -> None:
    assert judged(data).errors == ["unauthorized_responder"]


def test_the_leaf_itself_even_with_the_purpose() -> None:
    on = target(SIGNING_LEAF, W.issuer)
    assert judged(forge.response(forge.single(SIGNING_LEAF)), on=on).errors == []
    for der in (SIGNING_LEAF.der, forge.other_signature(SIGNING_LEAF.der)):
        data = forge.response(forge.single(SIGNING_LEAF), signer=SIGNING_LEAF, certificates=[der])
        assert judged(data, on=on).errors == ["unauthorized_responder"]


def test_the_issuer_under_the_name_of_a_delegate_that_is_there() -> None:
    data = forge.response(responder=forge.responder_key(W.delegate), certificates=[W.delegate.der])
    assert judged(data).errors == ["bad_signature"]


def test_the_old_key_of_the_issuer_by_name() -> None:
    for embedded in ([], [ROLLED.der]):
        data = forge.response(signer=ROLLED, responder="name", certificates=embedded)
        assert judged(data).errors in (["bad_signature"], ["unauthorized_responder"])


def test_the_new_key_of_the_issuer() -> None:
    leaf = forge.leaf(ROLLED)
    on = target(leaf, ROLLED)
    for responder in ("name", "key"):
        data = forge.response(forge.single(leaf, ROLLED), signer=ROLLED, responder=responder, certificates=[])
        assert found(judged(data, on=on)) == []
        data = forge.response(
            forge.single(leaf, ROLLED), signer=ROLLED, responder=responder, certificates=[W.issuer.der]
        )
        assert found(judged(data, on=on)) == []
    assert judged(forge.response(signer=ROLLED), on=on).errors == ["wrong_certificate"]


def test_delegates_of_one_name_are_all_tried() -> None:
    other = forge.delegate(W.issuer, private_key=forge.key("p256", "rolled delegate"), serial=0x3001)
    for certificates_, codes in (
        ([other.der, W.delegate.der], ["(misleading_certificate)"]),
        ([W.delegate.der, other.der], []),
    ):
        data = forge.response(signer=W.delegate, responder="name", certificates=certificates_)
        assert found(judged(data)) == codes


def test_a_renewed_delegate_counts_beside_the_expired_one() -> None:
    old = forge.delegate(W.issuer, private_key=W.delegate.key, not_after=NOW - DAY, serial=0x3001)
    for certificates_, codes in (
        ([old.der, W.delegate.der], ["(misleading_certificate)"]),
        ([W.delegate.der, old.der], []),
    ):
        judgement = judged(forge.response(signer=W.delegate, certificates=certificates_))
        assert found(judgement) == codes
        assert judgement.responder_certificate_expiry == W.delegate.not_after


def test_an_unauthorized_namesake_does_not_hide_the_delegate() -> None:
    intruder = forge.certificate("Responder", private_key=W.delegate.key)
    for certificates_, codes in (
        ([intruder.der, W.delegate.der], ["(misleading_certificate)"]),
        ([W.delegate.der, intruder.der], []),
    ):
        for responder in ("name", "key"):
            data = forge.response(signer=W.delegate, responder=responder, certificates=certificates_)
            assert found(judged(data)) == codes


def test_a_delegate_with_the_name_of_the_issuer() -> None:
    namesake = forge.delegate(W.issuer, W.issuer.subject, private_key=forge.key("p256", "namesake"))
    for responder in ("name", "key"):
        assert judged(forge.response(signer=namesake, responder=responder)).errors == []


def test_issuer_key_usage() -> None:
    issuer = forge.authority(
        W.issuer.subject,
        W.root,
        private_key=W.issuer.key,
        extensions=[forge.basic_constraints(True), forge.key_usage("key_cert_sign", "crl_sign")],
    )
    on = target(W.leaf, issuer)
    assert found(judged(forge.response(), on=on)) == ["(issuer_key_usage)"]
    assert found(judged(forge.response(signer=W.delegate), on=on)) == []
    bare = forge.authority(W.issuer.subject, W.root, private_key=W.issuer.key, extensions=[])
    assert found(judged(forge.response(), on=target(W.leaf, bare))) == []


NO_KEY_USAGE = _delegate(BASIC_CONSTRAINTS, EKU, OCSP_NOCHECK)
NO_BASIC_CONSTRAINTS = _delegate(KEY_USAGE, EKU, OCSP_NOCHECK)
WITHOUT_NOCHECK = _delegate(BASIC_CONSTRAINTS, KEY_USAGE, EKU)


def test_a_delegate_without_basic_constraints() -> None:
    assert found(judged(forge.response(signer=NO_BASIC_CONSTRAINTS))) == []


def test_a_delegate_without_key_usage() -> None:
    assert judged(forge.response(signer=NO_KEY_USAGE)).errors == []


def test_responder_without_nocheck() -> None:
    data = forge.response(signer=WITHOUT_NOCHECK)
    assert found(judged(data)) == ["(responder_without_nocheck)"]
    assert judged(data, rules=NOCHECK).errors == ["responder_without_nocheck"]
    assert found(judged(forge.response(signer=W.delegate), rules=NOCHECK)) == []
    assert found(judged(forge.response(), rules=NOCHECK)) == []


ODD_PROFILES = {
    "another purpose": [
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        forge.extended_key_usage(forge.OCSP_SIGNING, forge.SERVER_AUTH),
        OCSP_NOCHECK,
    ],
    "any purpose": [
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        forge.extended_key_usage(forge.ANY_EKU, forge.OCSP_SIGNING),
        OCSP_NOCHECK,
    ],
    "key usage not critical": [
        BASIC_CONSTRAINTS,
        forge.key_usage("digital_signature", critical=False),
        EKU,
        OCSP_NOCHECK,
    ],
    "more key usages": [
        BASIC_CONSTRAINTS,
        forge.key_usage("digital_signature", "key_cert_sign"),
        EKU,
        OCSP_NOCHECK,
    ],
    "alternative name": [*D, forge.subject_alt_name("ocsp.example.com")],
    "revocation list": [*D, forge.crl_distribution_points("http://crl.example.com/ca.crl")],
    "name constraints": [*D, forge.name_constraints("example.com")],
}


@pytest.mark.parametrize("extensions", **cases(ODD_PROFILES))
def test_responder_profile(extensions: list[bytes]) -> None:
    assert found(judged(forge.response(signer=_delegate(*extensions)))) == ["(responder_profile)"]


UNREADABLE = {
    "basic constraints": [forge.extension("2.5.29.19", forge.sequence(forge.integer(5), forge.TRUE)), *D[1:]],
    "basic constraints, two": [forge.extension("2.5.29.19", forge.sequence() + forge.sequence(forge.TRUE)), *D[1:]],
    "key usage": [D[0], forge.extension("2.5.29.15", forge.octets(b"\x80"), True), *D[2:]],
    "key usage and more": [D[0], forge.extension("2.5.29.15", b"\x03\x02\x07\x80" + forge.NULL, True), *D[2:]],
    "extended key usage": [*D[:2], forge.extension("2.5.29.37", forge.oid(forge.OCSP_SIGNING)), D[3]],
    "extended key usage twice": [*D, EKU],
}


@pytest.mark.parametrize("extensions", **cases(UNREADABLE))
def test_a_delegate_that_cannot_be_inspected(extensions: list[bytes]) -> None:
    assert not judged(forge.response(signer=_delegate(*extensions))).acceptable


@pytest.mark.parametrize("issuer", [ROLLED, W.root, OTHER_CA, W.leaf], ids=["rolled", "root", "other", "leaf"])
def test_issuer_mismatch(issuer: forge.Entity) -> None:
    for data in (forge.response(), forge.response(forge.single(W.leaf, issuer), signer=issuer)):
        assert "issuer_mismatch" in judged(data, on=target(W.leaf, issuer)).errors


@pytest.mark.parametrize(
    "algorithm, kind",
    [
        (forge.sequence(forge.oid("2.16.840.1.101.3.4.3.18")), "this kind of key is not supported: ML-DSA-65"),
        (forge.sequence(forge.oid("2.16.840.1.101.3.4.3.24")), "this kind of key is not supported: SLH-DSA-SHA2-256s"),
        (forge.sequence(forge.oid("1.2.840.10040.4.1")), "this kind of key is not supported: DSA"),
        (
            forge.sequence(forge.oid("1.2.840.10045.2.1"), forge.oid("1.3.36.3.3.2.8.1.1.8")),
            "the elliptic curve brainpoolP256t1 (1.3.36.3.3.2.8.1.1.8) is not supported",
        ),
    ],
)
def test_an_issuer_of_a_kind_that_is_not_supported(algorithm: bytes, kind: str) -> None:
    """Nothing is said about whether it issued the certificate, and nothing of it is accepted."""
    issuer = forge.authority(W.issuer.subject, W.root, raw_key=forge.sequence(algorithm, forge.bits(b"\4" + bytes(64))))
    for data in (forge.response(), forge.response(signer=W.delegate), forge.error_response("try_later")):
        judgement = judged(data, on=target(W.leaf, issuer))
        assert judgement.errors[0] == "unsupported_key" and "issuer_mismatch" not in judgement.errors
        assert kind in judgement.message and "did not issue" not in judgement.message


def test_a_leaf_that_is_signed_in_a_way_that_is_not_supported() -> None:
    algorithm = forge.sequence(forge.oid("2.16.840.1.101.3.4.3.18"))
    usual = forge.algorithm("ecdsa_sha256")
    tbs = [forge.tlv(*part) for part in forge.elements(forge.elements(forge.elements(W.leaf.der)[0][1])[0][1])]
    signed = forge.sequence(*(algorithm if part == usual else part for part in tbs))
    leaf = W.leaf._replace(der=forge.sequence(signed, algorithm, forge.bits(bytes(3309))))
    judgement = judged(forge.response(), on=target(leaf, W.issuer))
    assert judgement.errors == ["unsupported_key"]
    assert "the signature algorithm ML-DSA-65 (2.16.840.1.101.3.4.3.18) is not supported" in judgement.message


def test_the_option_that_accepts_a_response_without_next_update_is_named() -> None:
    assert "set 'allow: [missing_next_update]'" in judged(forge.response(forge.single(next_update=None))).message


def test_an_issuer_whose_key_cannot_be_read() -> None:
    no_key = forge.sequence(forge.sequence(forge.oid("1.2.840.113549.1.1.1"), forge.NULL), forge.bits(b"no key"))
    issuer = forge.authority(W.issuer.subject, W.root, raw_key=no_key)
    for data in (forge.response(), forge.response(signer=W.delegate), forge.error_response("try_later")):
        judgement = judged(data, on=target(W.leaf, issuer))
        assert judgement.errors[0] == "issuer_mismatch"
        assert "CN=Issuing CA,O=Forge did not issue CN=leaf.example.com,O=Forge: RSA public key: " in judgement.message


# Time --------------------------------------------------------------------------------------------


class Moment(t.NamedTuple):
    codes: list[str]
    single: dict[str, t.Any] = {}
    response: dict[str, t.Any] = {}
    now: datetime = NOW
    rules: Rules = Rules()


FRACTION = timedelta(microseconds=1)
TIMES = {
    "this update now": Moment([], {"this_update": NOW}),
    "this update within the tolerance": Moment([], {"this_update": NOW + 5 * MINUTE}),
    "this update beyond the tolerance": Moment(["not_yet_valid"], {"this_update": NOW + 5 * MINUTE + SECOND}),
    "this update beyond no tolerance": Moment(
        ["not_yet_valid"], {"this_update": NOW + SECOND}, rules=Rules(clock_tolerance=timedelta(0))
    ),
    "this update within a wide tolerance": Moment([], {"this_update": NOW + HOUR}, rules=Rules(clock_tolerance=HOUR)),
    "produced at now": Moment([], response={"produced_at": NOW}),
    "produced at within the tolerance": Moment([], response={"produced_at": NOW + 5 * MINUTE}),
    "produced at beyond the tolerance": Moment(["not_yet_valid"], response={"produced_at": NOW + 5 * MINUTE + SECOND}),
    "produced long ago": Moment([], response={"produced_at": NOW - 300 * DAY}),
    "next update now": Moment([], {"next_update": NOW}),
    "next update a microsecond ago": Moment(["expired"], {"next_update": NOW}, now=NOW + FRACTION),
    "next update a second ago": Moment(["expired"], {"next_update": NOW - SECOND}),
    "next update ago, whatever the tolerance": Moment(
        ["expired"], {"next_update": NOW - SECOND}, rules=Rules(clock_tolerance=HOUR)
    ),
    "no next update": Moment(["missing_next_update"], {"next_update": None}),
    "no next update, other relaxation": Moment(["missing_next_update"], {"next_update": None}, rules=SHA1),
    "no next update, allowed, young": Moment(
        [], {"this_update": NOW - HOUR, "next_update": None}, rules=NO_NEXT_UPDATE
    ),
    "no next update, allowed, one day old": Moment(
        [], {"this_update": NOW - DAY, "next_update": None}, rules=NO_NEXT_UPDATE
    ),
    "no next update, allowed, over one day old": Moment(
        ["expired"], {"this_update": NOW - DAY - SECOND, "next_update": None}, rules=NO_NEXT_UPDATE
    ),
    "relaxed, but next update is there and past": Moment(
        ["expired"], {"this_update": NOW - HOUR, "next_update": NOW - SECOND}, rules=NO_NEXT_UPDATE
    ),
    "next update before this update": Moment(
        ["inconsistent_times"], {"this_update": NOW + 4 * MINUTE, "next_update": NOW + MINUTE}
    ),
    "next update with this update": Moment([], {"this_update": NOW, "next_update": NOW}),
    "seven days old": Moment([], {"this_update": NOW - 7 * DAY, "next_update": NOW + 3 * DAY}),
    "ten days old": Moment([], {"this_update": NOW - 10 * DAY, "next_update": NOW}),
    "over ten days old": Moment(["too_old"], {"this_update": NOW - 10 * DAY - SECOND, "next_update": NOW}),
    "over a maximum of one day": Moment(["too_old"], {"this_update": NOW - DAY - SECOND}, rules=Rules(maximum_age=DAY)),
    "a year old, allowed": Moment([], {"this_update": NOW - 365 * DAY}, rules=Rules(maximum_age=366 * DAY)),
}


@pytest.mark.parametrize("moment", **cases(TIMES))
def test_times(moment: Moment) -> None:
    for signer in (W.issuer, W.delegate):
        data = forge.response(forge.single(**moment.single), signer=signer, **moment.response)
        assert judged(data, now=moment.now, rules=moment.rules).errors == moment.codes


AGES = {
    "seven days": (NOW - 7 * DAY, NOW + 3 * DAY, []),
    "over seven days": (NOW - 7 * DAY - SECOND, NOW + 2 * DAY, ["too_old"]),
    "life of eight hours": (NOW - HOUR, NOW + 7 * HOUR, []),
    "life below eight hours": (NOW - HOUR, NOW + 7 * HOUR - SECOND, ["unusual_interval"]),
    "life of ten days": (NOW - DAY, NOW + 9 * DAY, []),
    "life over ten days": (NOW - DAY, NOW + 9 * DAY + SECOND, ["unusual_interval"]),
    "no life": (NOW, NOW, ["unusual_interval"]),
}


@pytest.mark.parametrize("this_update, next_update, warnings", **cases(AGES))
def test_warnings_about_times(this_update: datetime, next_update: datetime, warnings: list[str]) -> None:
    judgement = judged(_single_with(this_update=this_update, next_update=next_update))
    assert judgement.errors == []
    assert judgement.warnings == warnings


def test_too_old_is_said_once() -> None:
    judgement = judged(_single_with(this_update=NOW - 11 * DAY))
    assert judgement.errors == ["too_old"]
    assert "too_old" not in judgement.warnings


@pytest.mark.parametrize(
    ("next_update", "ends"),
    [
        (NOW + 300 * DAY, NOW + 9 * DAY),
        (NOW + 9 * DAY + SECOND, NOW + 9 * DAY),
        (NOW + 8 * DAY, NOW + 8 * DAY),
        (datetime.max.replace(microsecond=0, tzinfo=timezone.utc), NOW + 9 * DAY),
    ],
)
def test_a_response_expires_when_it_is_too_old(next_update: datetime, ends: datetime) -> None:
    """Else a newer one would be asked for only when the one in place has long been refused."""
    judgement = judged(_single_with(this_update=NOW - DAY, next_update=next_update))
    assert (judgement.next_update, judgement.effective_expiry, judgement.renewable_until) == (next_update, ends, ends)
    assert judged(_single_with(this_update=NOW - DAY), rules=Rules(maximum_age=timedelta.max)).effective_expiry


def test_a_life_without_next_update() -> None:
    judgement = judged(_single_with(this_update=NOW - HOUR, next_update=None), rules=NO_NEXT_UPDATE)
    assert judgement.acceptable
    assert judgement.next_update is None
    assert judgement.effective_expiry == NOW + 23 * HOUR


def test_responder_certificate_ends() -> None:
    delegate = forge.delegate(W.issuer, not_after=NOW + DAY)
    data = forge.response(signer=delegate)
    judgement = judged(data)
    assert found(judgement) == ["(shortened_life)"]
    assert judgement.next_update == NOW + 6 * DAY
    assert judgement.effective_expiry == judgement.responder_certificate_expiry == NOW + DAY
    assert judged(data, now=NOW + DAY).errors == []
    codes = judged(data, now=NOW + DAY + SECOND).errors
    assert "responder_certificate_expired" in codes
    assert set(codes) <= {"responder_certificate_expired", "expired"}


def test_responder_certificate_begins() -> None:
    delegate = forge.delegate(W.issuer, not_before=NOW)
    data = forge.response(signer=delegate)
    assert found(judged(data)) == []
    assert judged(data, now=NOW - HOUR).errors == ["responder_certificate_not_yet_valid"]


IN_PLACE = Rules(lead=LONGEST_LEAD)
BEGINNINGS: t.Dict[str, t.Callable[[datetime], bytes]] = {
    "thisUpdate": lambda begins: forge.response(
        forge.single(this_update=begins, next_update=begins + DAY), produced_at=NOW
    ),
    "producedAt": lambda begins: forge.response(produced_at=begins),
    "notBefore of the signer": lambda begins: forge.response(signer=forge.delegate(W.issuer, not_before=begins)),
}


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize(
    ("lead", "doubted", "refused"),
    [
        (5 * MINUTE, False, False),
        (HOUR, False, False),
        (HOUR + SECOND, True, False),
        (30 * DAY, True, False),
        (30 * DAY + SECOND, False, True),
    ],
)
def test_what_is_in_place_and_begins_later_shows_that_the_clock_is_behind(
    name: str, lead: timedelta, doubted: bool, refused: bool
) -> None:
    """It was good when it was put there; a response that is to be put there has nothing that speaks for it."""
    data = BEGINNINGS[name](NOW + lead)
    judgement = judge(data, TARGET, NOW, IN_PLACE)
    assert bool(judgement.errors) is refused
    assert ("clock_implausible" in judgement.warnings) is doubted
    assert judgement.clock_behind == (
        f"this host's clock says 2026-03-04T05:06:07Z, which is behind the {name} of the response in place "
        f"({format_time(NOW + lead)})"
        if doubted
        else ""
    )
    strict = judged(data)
    assert bool(strict.errors) is (lead > 5 * MINUTE) and strict.clock_behind == ""


def test_no_clock_is_doubted_for_one_of_the_certificates_of_a_signer() -> None:
    """That there is one which has begun says that the other one need not have."""
    key = forge.key("p256", "delegate")
    later, now = (forge.delegate(W.issuer, private_key=key, not_before=begins) for begins in (NOW + DAY, NOW - DAY))
    data = forge.response(signer=now, certificates=[later.der, now.der])
    assert judge(data, TARGET, NOW, IN_PLACE).clock_behind == ""


def test_what_is_in_place_is_given_no_time_at_its_end() -> None:
    data = forge.response(forge.single(this_update=NOW - DAY, next_update=NOW - SECOND))
    assert judged(data, rules=IN_PLACE).errors == ["expired"]


def test_leaf_ends() -> None:
    leaf = forge.leaf(W.issuer, not_after=NOW + DAY)
    on = target(leaf, W.issuer)
    judgement = judged(forge.response(), on=on)
    assert judgement.errors == []
    assert judgement.effective_expiry == NOW + DAY
    assert judged(forge.response(), on=on, now=NOW + DAY).errors == []
    codes = judged(forge.response(), on=on, now=NOW + DAY + SECOND).errors
    assert "certificate_expired" in codes
    assert set(codes) <= {"certificate_expired", "expired"}


OFFSETS = st.integers(min_value=1, max_value=8 * 24 * 3600)


@settings(max_examples=40)
@given(next_update=OFFSETS, responder_end=OFFSETS, leaf_end=OFFSETS)
def test_effective_expiry_is_the_earliest_end(next_update: int, responder_end: int, leaf_end: int) -> None:
    ends = [NOW + timedelta(seconds=seconds) for seconds in (next_update, responder_end, leaf_end)]
    leaf = forge.leaf(W.issuer, not_after=ends[2])
    delegate = forge.delegate(W.issuer, not_after=ends[1])
    data = forge.response(forge.single(next_update=ends[0]), signer=delegate)
    judgement = judged(data, on=target(leaf, W.issuer))
    assert judgement.errors == []
    assert judgement.effective_expiry == min(ends)
    if ends[1] < min(ends[0], ends[2]):
        assert "shortened_life" in judgement.warnings
    if ends[1] >= ends[0]:
        assert "shortened_life" not in judgement.warnings
    assert judged(data, on=target(leaf, W.issuer), now=min(ends)).acceptable
    assert not judged(data, on=target(leaf, W.issuer), now=min(ends) + SECOND).acceptable


# Status ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [None, *forge.REASONS])
def test_revoked(reason: t.Optional[str]) -> None:
    judgement = judged(_single_with(status="revoked", reason=reason))
    assert found(judgement) == ["revoked"]
    assert judgement.certificate_status == "revoked"
    assert judgement.revocation_time == NOW - 2 * DAY
    assert judgement.revocation_reason == reason


@pytest.mark.parametrize("reason", [7, 11, 99])
def test_revoked_for_a_reason_without_a_name(reason: int) -> None:
    judgement = judged(_single_with(status="revoked", reason=reason))
    assert judgement.errors in (["revoked"], ["malformed"])


def test_revoked_because_never_issued() -> None:
    single = forge.single(
        status="revoked", reason="certificate_hold", revocation_time=datetime(1970, 1, 1, tzinfo=timezone.utc)
    )
    extended = forge.extension(forge.OCSP_EXTENDED_REVOKE, forge.NULL)
    judgement = judged(forge.response(single, extensions=[extended]))
    assert judgement.errors == ["revoked"]
    assert "issued" in judgement.findings[0].message
    assert judgement.revocation_reason == "certificate_hold"
    for reason in ("certificate_hold", "key_compromise"):
        # The extension alone says only what the responder understands (RFC 6960 4.4.8).
        single = forge.single(status="revoked", reason=reason)
        for extensions in ([], [extended]):
            judgement = judged(forge.response(single, extensions=extensions))
            assert judgement.errors == ["revoked"]
            assert "issued" not in judgement.findings[0].message


def test_unknown_status() -> None:
    judgement = judged(_single_with(status="unknown"))
    assert found(judgement) == ["unknown_status"]
    assert judgement.certificate_status == "unknown"


def test_a_revocation_is_proven_by_a_good_signature_alone() -> None:
    single = forge.single(status="revoked")
    assert judged(forge.response(single)).proves_revocation
    assert not judged(forge.response(single, flip_signature=True)).proves_revocation
    assert not judged(forge.response(single, signer=W.leaf)).proves_revocation
    assert not judged(forge.response()).proves_revocation
    forged = forge.response(single, flip_signature=True)
    assert judged(forged).errors == ["bad_signature", "revoked"]


# Extensions --------------------------------------------------------------------------------------

CRITICAL: dict[str, bytes] = {
    "response": forge.response(extensions=[forge.unknown_extension(True)]),
    "response, after a known one": forge.response(extensions=[forge.nonce(b"n" * 32), forge.unknown_extension(True)]),
    "answer": _single_with(extensions=[forge.unknown_extension(True)]),
    "delegate": forge.response(signer=_delegate(*D, forge.unknown_extension(True))),
}


@pytest.mark.parametrize("data", **cases(CRITICAL))
def test_unknown_critical_extension(data: bytes) -> None:
    assert judged(data).errors == ["unknown_critical_extension"]


def test_unknown_extension_of_a_delegate() -> None:
    assert judged(forge.response(signer=_delegate(*D, forge.unknown_extension()))).errors == []


def test_unexpected_extension() -> None:
    judgement = judged(_single_with(extensions=[forge.reason_code(1)]))
    assert found(judgement) == ["(unexpected_extension)"]


SENT = b"\x01" * 32
NONCES = {
    "equal": ([forge.nonce(SENT)], SENT, []),
    "equal and critical": ([forge.nonce(SENT, True)], SENT, ["unknown_critical_extension"]),
    "equal, one octet": ([forge.nonce(b"1")], b"1", []),
    "absent": ([], SENT, []),
    "other": ([forge.nonce(b"\x02" * 32)], SENT, ["nonce_mismatch"]),
    "prefix": ([forge.nonce(SENT[:16])], SENT, ["nonce_mismatch"]),
    "longer": ([forge.nonce(SENT + b"\x01")], SENT, ["nonce_mismatch"]),
    "empty": ([forge.nonce(b"")], SENT, ["nonce_mismatch"]),
    "unsolicited": ([forge.nonce(SENT)], None, []),
}


@pytest.mark.parametrize("extensions, sent, codes", **cases(NONCES))
def test_nonce(extensions: list[bytes], sent: t.Optional[bytes], codes: list[str]) -> None:
    assert found(judged(forge.response(extensions=extensions), nonce=sent)) == codes


# Anything ----------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.binary(max_size=600))
@example(b"\x30\x80")
@example(b"\x30\x03\x0a\x01\x00")
def test_any_bytes(data: bytes) -> None:
    assert not judged(data).acceptable


@pytest.mark.parametrize("place", ["parse_response", "issuer_hashes"])
def test_a_defect_makes_no_response_good(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*arguments: t.Any) -> t.NoReturn:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(judging, place, defect)
    judgement = judged(PLAIN)
    assert judgement.errors == ["malformed"]
    assert judgement.message == "the response cannot be read (ZeroDivisionError: a defect)"


def test_messages_stay_short() -> None:
    huge = 60000
    for data in (
        _single_with(serial=1 << (8 * huge)),
        forge.response(responder=forge.tlv(0xA1, forge.name("x" * huge))),
        forge.response(responder=forge.tlv(0xA2, forge.octets(bytes(huge)))),
        forge.response(signature_algorithm=forge.sequence(forge.oid("1.2" + ".1" * huge))),
        forge.sequence(forge.tlv(0x0A, b"\x01" * huge)),
    ):
        judgement = judged(data)
        assert judgement.errors
        assert max(len(finding.message) for finding in judgement.findings) < 2000


@pytest.mark.parametrize("data", **cases({"good": PLAIN, "damaged": PLAIN[:-1], "empty": b"", "text": b"<html>\n"}))
def test_pem(data: bytes) -> None:
    pem = to_pem(data)
    assert pem == forge.armour(data, "OCSP RESPONSE")
    for text in (pem, pem.replace(b"\n", b"\r\n"), b"\n" + pem + b"\n"):
        assert from_pem(text) == data
    assert from_pem(data) == data
    for other in (pem + b"more", b"more" + pem, pem.replace(b"-----\n", b"-----\n!", 1)):
        assert from_pem(other) == other


@pytest.mark.parametrize("label", ["CERTIFICATE", "OCSP REQUEST"])
def test_pem_of_another_kind_is_not_opened(label: str) -> None:
    pem = forge.armour(PLAIN, label)
    assert from_pem(pem) == pem
    assert judged(from_pem(pem)).errors == ["malformed"]


ANSWERS = {
    "issuer": PLAIN,
    "delegate": forge.response(signer=W.delegate, responder="name"),
    "rich": forge.response(
        forge.single(serial=7, status="revoked", reason="key_compromise"),
        forge.single(extensions=[forge.unknown_extension()]),
        extensions=[forge.nonce(SENT)],
        certificates=[W.leaf.der, W.delegate.der],
        signer=W.delegate,
    ),
}


def _facts(judgement: Judgement) -> tuple[t.Any, ...]:
    return (
        judgement.certificate_status,
        judgement.this_update,
        judgement.next_update,
        judgement.produced_at,
        judgement.effective_expiry,
        judgement.serial_number,
    )


@pytest.mark.parametrize("data", **cases(ANSWERS))
def test_any_flipped_octet(data: bytes) -> None:
    facts = _facts(judged(data))
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        judgement = judged(bytes(changed), nonce=SENT)
        assert not judgement.acceptable or _facts(judgement) == facts


@pytest.mark.parametrize("data", **cases(ANSWERS))
def test_any_cut(data: bytes) -> None:
    for length in range(len(data)):
        assert judged(data[:length]).errors == ["malformed"]


@settings(max_examples=150)
@given(data=st.data())
def test_any_damage_that_is_signed_again(data: st.DataObject) -> None:
    """What no third party could do, a broken responder could: it must not raise."""
    single = bytearray(forge.single(extensions=[forge.unknown_extension()]))
    for _unused in range(data.draw(st.integers(1, 3))):
        single[data.draw(st.integers(0, len(single) - 1))] = data.draw(st.integers(0, 255))
    judged(forge.response(bytes(single)))


def test_a_response_is_made_lean_with_few_judgements() -> None:
    """Whoever adds certificates must not have the whole of it judged again for each."""
    delegate = forge.delegate(forge.world().issuer)
    others = [forge.leaf(forge.world().issuer, private_key=forge.key(label="x"), serial=one).der for one in range(20)]
    copies = [forge.delegate(forge.world().issuer, serial=one).der for one in range(30)]
    data = forge.response(signer=delegate, certificates=[b"\x30\x00", *others, *[delegate.der] * 3, *copies])
    tried = []

    def judge_again(leaner: bytes) -> Judgement:
        tried.append(leaner)
        return judge(leaner, TARGET, NOW)

    expected = with_certificates(data, [delegate.der])
    assert judging.lean(data, judge(data, TARGET, NOW), judge_again)[0] == expected
    assert tried == [expected]
