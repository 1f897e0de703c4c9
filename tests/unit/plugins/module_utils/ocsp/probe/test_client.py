# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of servers that serve this and that."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.codes import JUDGEMENT_CODES, PROBE_CODES, SERVED_CODES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client, tls
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.client import (
    Endpoint,
    Expectation,
    Look,
    read_endpoint,
)
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW
from ansible_collections.certops.ocsp.tests.unit.tls_server import (
    ECDSA_CIPHER,
    RSA_CIPHER,
    TLS12,
    TLS13,
    Network,
    Server,
    Wire,
    alert,
    record,
)
from hypothesis import given
from hypothesis import strategies as st

W = forge.world()
ISSUER = W.issuer
RSA = forge.leaf(ISSUER, "www.example.com", private_key=forge.key("rsa2048"), serial=0x1001)
EC = forge.leaf(ISSUER, "www.example.com", serial=0x1002)
PLAIN = [forge.basic_constraints(False)]
SILENT = forge.leaf(ISSUER, "silent.example.com", extensions=PLAIN, private_key=forge.key("rsa2048"), serial=0x1003)
STAPLED = [*PLAIN, forge.ocsp_urls(forge.URL), forge.must_staple()]
MUST = forge.leaf(ISSUER, "must.example.com", extensions=STAPLED, private_key=forge.key("rsa2048"), serial=0x1004)
ENDED = forge.leaf(ISSUER, "old.example.com", private_key=forge.key("rsa2048"), not_after=NOW - DAY, serial=0x1005)
CA = x509.load_certificates(ISSUER.pem, "issuer")[0]

ENDPOINT = read_endpoint("www.example.com")


def staple(leaf: forge.Entity = RSA, **options: t.Any) -> bytes:
    return forge.response(forge.single(leaf, ISSUER, **options))


GOOD = staple()
EXPIRED = staple(this_update=NOW - 6 * DAY, next_update=NOW - HOUR)


def serve(
    leaf: forge.Entity, *staples: t.Optional[bytes], version: int = TLS13, chain: t.Any = None, **options: t.Any
) -> Wire:
    """A server with that certificate, its issuer, and those staples."""
    cipher = None
    if version == TLS12:
        cipher = RSA_CIPHER if leaf.key is forge.key("rsa2048") else ECDSA_CIPHER
    whole = [leaf.der, ISSUER.der] if chain is None else [leaf.der, *chain]
    return Wire(Server(whole, staples, version=version, cipher=cipher, **options).answer)


def refuse(number: int = 40) -> Wire:
    return Wire(lambda data: alert(2, number))


def no_pause(seconds: float) -> None:
    raise AssertionError("nothing is to be waited for")


def see(
    *wires: t.Any, endpoint: Endpoint = ENDPOINT, key_types: t.Sequence[str] = ("rsa", "ecdsa"), **options: t.Any
) -> t.List[Look]:
    """Look at a server that has these connections to give, one after the other."""
    network = Network(*wires)
    looks = client.look(endpoint, NOW, key_types, dial=network, **{"sleep": no_pause, "attempts": 1, **options})
    assert not network.wires, "all connections were asked for"
    assert all(wire.closed for wire in network.used)
    for found in looks:
        check(found)
    return looks


def check(found: Look) -> None:
    """What holds for each look."""
    values = client.look_values(found, return_content=True)
    json.dumps(values)
    assert values["msg"] and values["msg"].isprintable() and len(values["msg"]) < 500
    codes = {finding["code"] for finding in values["findings"]}
    assert codes <= {*JUDGEMENT_CODES, *SERVED_CODES}
    assert found.error is None or found.error.code in PROBE_CODES
    assert values["acceptable"] is (values["stapled"] and values["severity"] != "error")
    assert values["served"] is bool(values["chain"])


def see_rsa(*wires: t.Any, **options: t.Any) -> Look:
    return see(*wires, key_types=["rsa"], **options)[0]


def codes(found: Look) -> t.List[t.Tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in found.findings]


# Good servers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_good_staple(version: int) -> None:
    found = see_rsa(serve(RSA, GOOD, version=version))
    values = client.look_values(found, return_content=True)
    expected = {
        "key_type": "rsa",
        "served": True,
        "error": None,
        "msg": "the staple is good until 2026-03-10T05:06:07Z",
        "severity": None,
        "address": "192.0.2.1",
        "handshakes": 1,
        "tls_version": "1.2" if version == TLS12 else "1.3",
        "subject": "CN=www.example.com,O=Forge",
        "issuer": "CN=Issuing CA,O=Forge",
        "serial_number": 0x1001,
        "not_after": "2026-05-03T05:06:07Z",
        "responder_urls": [forge.URL],
        "must_staple": False,
        "stapled": True,
        "acceptable": True,
        "matches_expected": None,
        "matches_certificate": None,
        "certificate_status": "good",
        "effective_expiry": "2026-03-10T05:06:07Z",
        "findings": [],
        "other_staples": [],
        "sha256": hashlib.sha256(GOOD).hexdigest(),
        "response": base64.b64encode(GOOD).decode(),
    }
    assert {name: values[name] for name in expected} == expected
    assert "".join(values["chain"]).encode() == RSA.pem + ISSUER.pem


def test_both_kinds_of_key() -> None:
    rsa, ecdsa = see(serve(RSA, GOOD), serve(EC, staple(EC)))
    assert rsa.acceptable and ecdsa.acceptable
    assert (rsa.leaf and rsa.leaf.serial_number, ecdsa.leaf and ecdsa.leaf.serial_number) == (0x1001, 0x1002)


@pytest.mark.parametrize("number", [40, 47, 71, 43])
def test_a_kind_of_key_that_the_server_lacks_is_no_error(number: int) -> None:
    rsa, ecdsa = see(serve(RSA, GOOD), refuse(number))
    assert rsa.acceptable
    assert (ecdsa.error, ecdsa.leaf, ecdsa.severity) == (None, None, None)
    assert ecdsa.message == "the server has no ECDSA certificate"
    assert client.look_values(ecdsa)["served"] is False


def test_a_server_that_just_hangs_up_lacks_the_kind_of_key_too() -> None:
    assert see(Wire(lambda data: b""), serve(EC, staple(EC)))[0].error is None


def test_a_server_that_has_no_certificate_at_all_is_in_error() -> None:
    for found in see(refuse(), refuse()):
        assert found.error and found.error.code == "tls_alert"
        assert found.message.startswith("www.example.com:443 refuses the handshake with the alert handshake_failure")


def test_an_alert_of_another_kind_stays_an_error() -> None:
    assert see(serve(RSA, GOOD), refuse(80))[1].error is not None


def test_a_server_that_answers_with_the_other_kind_of_key() -> None:
    wire = serve(RSA, GOOD, version=TLS13)
    rsa, ecdsa = see(serve(RSA, GOOD), wire)
    assert rsa.acceptable and (ecdsa.error, ecdsa.leaf) == (None, None)
    alone = see(serve(RSA, GOOD), key_types=["ecdsa"])[0]
    assert alone.error and alone.error.code == "not_served"
    assert "CN=www.example.com,O=Forge with a key of type RSA" in alone.message


def test_ed25519() -> None:
    leaf = forge.leaf(ISSUER, "www.example.com", private_key=forge.key("ed25519"))
    assert see(serve(leaf, staple(leaf)), key_types=["eddsa"])[0].acceptable


def test_the_name_is_asked_for() -> None:
    server = Server([RSA.der, ISSUER.der], [GOOD])
    see_rsa(Wire(server.answer))
    assert server.hellos[0].server_name == "www.example.com"
    other = Server([RSA.der, ISSUER.der], [GOOD])
    see_rsa(Wire(other.answer), endpoint=read_endpoint("192.0.2.1"))
    assert other.hellos[0].server_name is None


def test_the_farewell_is_said() -> None:
    wire = serve(RSA, GOOD)
    see_rsa(wire)
    assert wire.farewell


# Bad staples ------------------------------------------------------------------------------------

BAD: t.Dict[str, t.Tuple[bytes, str]] = {
    "expired": (EXPIRED, "expired"),
    "revoked": (staple(status="revoked", reason="key_compromise"), "revoked"),
    "unknown": (staple(status="unknown"), "unknown_status"),
    "about another certificate": (staple(W.leaf), "wrong_certificate"),
    "garbage": (b"garbage", "malformed"),
    "empty": (b"", "malformed"),
    "try later": (forge.error_response("try_later"), "not_successful"),
    "forged": (forge.response(forge.single(RSA, ISSUER), flip_signature=True), "bad_signature"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_bad_staple_is_judged(case: str, version: int) -> None:
    data, code = BAD[case]
    found = see_rsa(serve(RSA, data, version=version))
    assert codes(found) == [(code, "error")]
    assert found.message == found.findings[0].message
    assert not found.acceptable and found.data == data


def test_rules_are_heeded() -> None:
    endless = staple(next_update=None)
    assert see_rsa(serve(RSA, endless)).findings[0].code == "missing_next_update"
    assert see_rsa(serve(RSA, endless), rules=Rules(allow=frozenset(["missing_next_update"]))).acceptable


# Missing staples --------------------------------------------------------------------------------


def test_a_missing_staple_is_a_warning() -> None:
    found = see_rsa(serve(RSA))
    assert codes(found) == [("missing_staple", "warning")] and not found.acceptable
    assert found.message == "the server sends no staple for the certificate CN=www.example.com,O=Forge"


def test_a_missing_staple_is_an_error_where_the_certificate_demands_one() -> None:
    found = see_rsa(serve(MUST))
    assert codes(found) == [("missing_staple", "error")] and "must-staple" in found.message


def test_a_missing_staple_is_an_error_where_a_file_is_there() -> None:
    found = see_rsa(serve(RSA), expectation=Expectation(response=GOOD, response_source="expected_path: /x.der"))
    assert codes(found) == [("missing_staple", "error")] and found.matches_expected is False
    assert "though expected_path: /x.der is there" in found.message


def test_no_staple_where_there_is_nothing_to_staple() -> None:
    found = see_rsa(serve(SILENT))
    assert (codes(found), found.severity, found.acceptable) == ([], None, False)
    assert "has no OCSP responder URL" in found.message


SMTP = [(None, b"220 x\r\n"), (b"EHLO [192.0.2.2]\r\n", b"250-x\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 x\r\n")]


@pytest.mark.parametrize(("kind", "port"), [("smtp", None), (None, 993)])
def test_mail_servers_that_cannot_staple_are_named(kind: t.Optional[str], port: t.Optional[int]) -> None:
    wire = Wire(Server([RSA.der, ISSUER.der]).answer, SMTP if kind else [])
    found = see_rsa(wire, endpoint=read_endpoint("mail.example.com", port, kind=kind))
    assert "Dovecot and Postfix cannot staple at all" in found.message


def test_an_ended_certificate_without_a_staple() -> None:
    assert codes(see_rsa(serve(ENDED))) == [("certificate_expired", "error"), ("missing_staple", "warning")]


class Pauses:
    def __init__(self) -> None:
        self.taken: t.List[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def test_a_server_that_staples_from_the_second_handshake_on() -> None:
    pauses = Pauses()
    found = see_rsa(serve(RSA), serve(RSA, GOOD), attempts=2, sleep=pauses)
    assert found.acceptable and found.handshakes == 2 and len(pauses.taken) == 1
    assert codes(found) == [("late_staple", "warning")]


def test_attempts_come_to_an_end() -> None:
    found = see_rsa(serve(RSA), serve(RSA), serve(RSA), attempts=3, sleep=Pauses())
    assert found.handshakes == 3 and codes(found) == [("missing_staple", "warning")]


def test_nobody_is_asked_again_where_there_is_nothing_to_staple() -> None:
    assert see_rsa(serve(SILENT), attempts=3).handshakes == 1


def test_a_certificate_without_a_responder_is_asked_for_again_where_a_file_is_there() -> None:
    expectation = Expectation(response=GOOD, response_source="x")
    assert see_rsa(serve(SILENT), serve(SILENT), attempts=2, sleep=Pauses(), expectation=expectation).handshakes == 2


def test_what_the_first_handshake_showed_survives_a_failure_of_the_second() -> None:
    found = see_rsa(serve(RSA), ProbeError("unreachable", "is gone"), attempts=2, sleep=Pauses())
    assert codes(found) == [("missing_staple", "warning")] and found.handshakes == 1


# Issuers ----------------------------------------------------------------------------------------


def test_a_server_that_does_not_send_its_issuer() -> None:
    found = see_rsa(serve(RSA, GOOD, chain=[]))
    assert codes(found) == [("missing_issuer", "error")] and "CN=Issuing CA,O=Forge" in found.message
    assert not see_rsa(serve(RSA, chain=[])).acceptable
    assert see_rsa(serve(RSA, GOOD, chain=[]), expectation=Expectation(issuers=(CA,))).acceptable


def test_the_given_issuer_stands_before_the_served_one() -> None:
    stranger = x509.load_certificates(forge.authority("Stranger").pem, "x")[0]
    expectation = Expectation(issuers=(stranger,), issuer_source="issuer_path: /ca.pem")
    found = see_rsa(serve(RSA, GOOD), expectation=expectation)
    assert codes(found) == [("issuer_mismatch", "error")] and "issuer_path: /ca.pem" in found.message


def test_an_issuer_of_a_kind_that_is_not_supported_is_called_so() -> None:
    key = forge.sequence(forge.sequence(forge.oid("2.16.840.1.101.3.4.3.18")), forge.bits(b"key"))
    issuer = x509.load_certificates(forge.authority(RSA.issuer, raw_key=key).pem, "x")[0]
    found = see_rsa(serve(RSA, GOOD), expectation=Expectation(issuers=(issuer,), issuer_source="issuer_path: /ca.pem"))
    assert codes(found) == [("unsupported_key", "error")]
    assert "issuer_path: /ca.pem" in found.message and "not supported: ML-DSA-65" in found.message


def test_certificates_that_cannot_be_read_beside_the_leaf_harm_nobody() -> None:
    assert see_rsa(serve(RSA, GOOD, chain=[b"garbage", ISSUER.der, b"\x30\0"])).acceptable


def test_a_leaf_that_cannot_be_read() -> None:
    found = see_rsa(Wire(Server([b"garbage"], [GOOD]).answer))
    assert found.error and found.error.code == "malformed" and found.leaf is None
    assert found.message.startswith("www.example.com:443 sends what is not well-formed: certificate:")


# Comparisons ------------------------------------------------------------------------------------


def load(entity: forge.Entity) -> x509.Certificate:
    return x509.Certificate.from_der(entity.der)


def expected(response: t.Optional[bytes] = None, certificate: t.Optional[forge.Entity] = None) -> Expectation:
    return Expectation(
        response=response,
        response_source="expected_path: /x.der",
        certificate=load(certificate) if certificate else None,
        certificate_source="certificate_path: /x.pem",
    )


def test_the_expected_staple() -> None:
    found = see_rsa(serve(RSA, GOOD), expectation=expected(GOOD, RSA))
    assert (found.matches_expected, found.matches_certificate, codes(found)) == (True, True, [])


def test_another_staple_than_expected() -> None:
    newer = staple(this_update=NOW - HOUR)
    found = see_rsa(serve(RSA, GOOD), expectation=expected(newer))
    assert (found.matches_expected, found.acceptable) == (False, True)
    assert codes(found) == [("other_staple", "warning")]


@pytest.mark.parametrize("response", [b"garbage", b"", forge.error_response("try_later")])
def test_an_expected_staple_that_is_none(response: bytes) -> None:
    rsa, ecdsa = see(serve(RSA, GOOD), serve(EC, staple(EC)), expectation=expected(response))
    assert (rsa.matches_expected, ecdsa.matches_expected) == (False, False)


def test_what_is_expected_of_one_kind_of_key_is_not_of_the_other() -> None:
    rsa, ecdsa = see(serve(RSA, GOOD), serve(EC), expectation=expected(GOOD, RSA))
    assert (rsa.matches_expected, rsa.matches_certificate) == (True, True)
    assert (ecdsa.matches_expected, ecdsa.matches_certificate) == (None, None)
    assert codes(ecdsa) == [("missing_staple", "warning")]
    values = client.summary_values([rsa, ecdsa])
    assert (values["matches_expected"], values["matches_certificate"]) == (True, True)


def test_another_certificate_than_expected() -> None:
    found = see_rsa(serve(RSA, GOOD), expectation=expected(certificate=W.leaf))
    assert found.matches_certificate is False and not found.acceptable
    assert codes(found) == [("other_certificate", "error")] and "number 1001" in found.message


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("about", [RSA, EC])
def test_one_file_stapled_to_both_certificates_is_seen_and_named(version: int, about: forge.Entity) -> None:
    data = staple(about)
    looks = see(serve(RSA, data, version=version), serve(EC, data, version=version))
    good, bad = looks if about is RSA else looks[::-1]
    assert good.acceptable
    assert codes(bad) == [("shared_staple", "error"), ("wrong_certificate", "error")]
    titles = ("ECDSA", "RSA") if about is RSA else ("RSA", "ECDSA")
    assert f"with the {titles[0]} certificate is about the server's {titles[1]} certificate" in bad.message
    assert "nginx" in bad.message and "ssl_stapling_file" in bad.message


def test_one_response_about_both_certificates_is_good_for_both() -> None:
    data = forge.response(forge.single(RSA, ISSUER), forge.single(EC, ISSUER))
    assert all(found.acceptable for found in see(serve(RSA, data), serve(EC, data)))


def test_a_staple_about_neither_is_not_called_shared() -> None:
    data = staple(W.leaf)
    for found in see(serve(RSA, data), serve(EC, data)):
        assert codes(found) == [("wrong_certificate", "error")]


def test_a_certificate_that_is_not_valid_yet() -> None:
    leaf = forge.leaf(ISSUER, not_before=NOW + DAY, private_key=forge.key("rsa2048"), serial=0x1008)
    found = see_rsa(serve(leaf, staple(leaf)))
    assert codes(found) == [("unusable_chain", "error")]
    assert "is not valid before 2026-03-05" in found.message and not found.acceptable


@pytest.mark.parametrize("octets, refused", [(90_000, False), (110_000, True)])
def test_a_chain_that_openssl_does_not_read(octets: int, refused: bool) -> None:
    extensions = [*STAPLED, forge.extension(forge.UNKNOWN_OID, bytes(octets))]
    leaf = forge.leaf(ISSUER, extensions=extensions, private_key=forge.key("rsa2048"), serial=0x1009)
    assert codes(see_rsa(serve(leaf, staple(leaf)))) == [("unusable_chain", "error")] * refused


@pytest.mark.parametrize("version, refused", [(TLS12, False), (TLS13, True)])
def test_a_staple_that_openssl_does_not_read_with_the_chain(version: int, refused: bool) -> None:
    """With TLS 1.2 it is in a message of its own."""
    extensions = [*STAPLED, forge.extension(forge.UNKNOWN_OID, bytes(90_000))]
    leaf = forge.leaf(ISSUER, extensions=extensions, private_key=forge.key("rsa2048"), serial=0x1011)
    long = forge.response(
        forge.single(leaf, ISSUER), extensions=[forge.extension(forge.UNKNOWN_OID, bytes(13_000))], signer=ISSUER
    )
    found = see_rsa(serve(leaf, long, version=version))
    assert codes(found) == [("unusable_chain", "error")] * refused
    said = f"have {len(leaf.der) + len(ISSUER.der) + 10} octets, and clients with OpenSSL read no more than 102400, of "
    assert (f"{said}which the staple can take {len(long) + 8}" in found.message) is refused
    assert codes(see_rsa(serve(leaf, staple(leaf), version=version))) == []


@pytest.mark.parametrize(
    "flaw, said",
    [
        ({}, ""),
        ({"not_after": NOW - DAY}, "the certificate CN=Middle,O=Forge expired at "),
        ({"extensions": [forge.basic_constraints(True, path_length=0)]}, "allows 0 intermediate CAs below it"),
    ],
)
def test_a_chain_that_clients_with_these_roots_refuse(flaw: t.Dict[str, t.Any], said: str) -> None:
    """Others may have another way to its issuer, as with a cross-certificate that has expired."""
    root = forge.authority("Root of the chain")
    middle = forge.authority("Middle", root, **flaw)
    issuer = forge.authority("Below", middle)
    leaf = forge.leaf(issuer, private_key=forge.key("rsa2048"), serial=0x1010)
    wire = serve(leaf, forge.response(forge.single(leaf, issuer), signer=issuer), chain=[issuer.der, middle.der])
    assert codes(see_rsa(wire)) == []
    anchors = tuple(x509.load_certificates(root.pem, "root_path"))
    found = see_rsa(wire, expectation=Expectation(roots=anchors))
    assert codes(found) == [("unusable_chain", "error")] * bool(said) and said in found.message


# Several staples --------------------------------------------------------------------------------


def test_staples_about_the_chain_are_judged_and_listed() -> None:
    about_issuer = forge.response(forge.single(ISSUER, W.root), signer=W.root, certificates=[])
    found = see_rsa(serve(RSA, GOOD, about_issuer, chain=[ISSUER.der, W.root.der]))
    assert found.acceptable
    (other,) = client.look_values(found)["other_staples"]
    assert (other["subject"], other["acceptable"], other["findings"]) == ("CN=Issuing CA,O=Forge", True, [])
    assert (other["certificate_status"], other["effective_expiry"]) == ("good", "2026-03-10T05:06:07Z")


def test_a_bad_staple_about_the_chain_is_told_there() -> None:
    found = see_rsa(serve(RSA, GOOD, b"garbage", chain=[ISSUER.der, W.root.der]))
    assert found.acceptable
    assert [one["code"] for one in client.look_values(found)["other_staples"][0]["findings"]] == ["malformed"]


def test_a_staple_about_a_certificate_whose_issuer_is_unknown_is_passed_over() -> None:
    assert see_rsa(serve(RSA, GOOD, b"garbage")).other_staples == []


def test_few_signatures_are_checked_for_the_staples_of_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty long keys of one name would take seconds, which no timeout counts."""
    keys = [forge.key("p256", f"namesake {number}") for number in range(2)]
    chain = [
        forge.authority("Namesake", private_key=keys[number % 2], signer_key=keys[1 - number % 2], serial=number).der
        for number in range(30)
    ]
    leaf = forge.leaf(ISSUER, issuer_name=forge.name("Namesake"), private_key=forge.key("rsa2048"), serial=0x1007)
    checked: t.List[bytes] = []
    verify = x509.signature.verify

    def count(scheme: t.Any, key: t.Any, signature: bytes, data: bytes) -> str:
        checked.append(signature)
        return verify(scheme, key, signature, data)

    monkeypatch.setattr(x509.signature, "verify", count)
    x509.issuance_problem.cache_clear()
    see_rsa(serve(leaf, *[b"x"] * 31, chain=chain))
    assert 0 < len(checked) <= 110


@pytest.mark.parametrize("oid, content", [("1.3.6.1.5.5.7.1.24", b"\x30\1"), ("1.3.6.1.5.5.7.1.1", b"\5\0")])
def test_a_staple_about_a_certificate_that_cannot_be_read(oid: str, content: bytes) -> None:
    extensions = [forge.basic_constraints(True), forge.extension(oid, content)]
    issuer = forge.authority("Unreadable CA", W.root, extensions=extensions)
    leaf = forge.leaf(issuer, private_key=forge.key("rsa2048"), serial=0x1006, extensions=PLAIN)
    about_leaf = forge.response(forge.single(leaf, issuer), signer=issuer, certificates=[])
    found = see_rsa(serve(leaf, about_leaf, b"x", chain=[issuer.der, W.root.der]))
    assert found.acceptable
    (other,) = client.look_values(found)["other_staples"]
    assert [one["code"] for one in other["findings"]] == ["malformed", "malformed"]
    assert "Unreadable CA" in other["findings"][0]["message"]


@pytest.mark.parametrize("name", ["_identify", "_narrow", "_judge"])
@pytest.mark.parametrize("error", [InputError("TLS feature: ends too early"), ValueError("a bug\33[2J")])
def test_whatever_a_server_shows_ends_in_a_finding(
    name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: t.Any) -> t.Any:
        raise error

    monkeypatch.setattr(client, name, fail)
    found = see_rsa(serve(RSA, GOOD))
    assert ("malformed", "error") in codes(found)
    assert "www.example.com:443" in found.message
    assert found.leaf is not None and not found.acceptable


# Strange servers --------------------------------------------------------------------------------

STRANGE: t.Dict[str, t.Tuple[t.Callable[[bytes], bytes], str, str]] = {
    "silent": (lambda data: b"", "cut_off", "closes the connection without an answer to the ClientHello"),
    "plain text": (lambda data: b"HTTP/1.1 400 Bad Request\r\n", "not_tls", "but with 'HTTP/1.1 400 Bad Request'"),
    "mail": (lambda data: b"220 mail.example.com ESMTP\r\n", "not_tls", "set starttls for such a server"),
    "alert": (lambda data: alert(2, 112), "tls_alert", "the alert unrecognized_name; it does not know the host name"),
    "unknown alert": (lambda data: alert(2, 200), "tls_alert", "the alert number 200"),
    "too long": (lambda data: record(22, b"\2\xff\xff\xff"), "too_large", "announces a message of 16777215 octets"),
    "malformed": (lambda data: record(22, b"\2\0\0\1x"), "malformed", "sends what is not well-formed: ServerHello"),
    "half": (lambda data: record(22, b"\2"), "cut_off", "in the middle of the handshake, before ServerHello"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_server_gets_one_clear_sentence(case: str) -> None:
    server, code, words = STRANGE[case]
    found = see_rsa(Wire(server))
    assert found.error and found.error.code == code
    assert found.message.startswith("www.example.com:443 ") and words in found.message
    assert (found.severity, found.acceptable) == ("error", False)


def test_a_server_that_cannot_be_reached() -> None:
    found = see_rsa(ProbeError("unreachable", "cannot be connected to: Connection refused (192.0.2.1)"))
    assert found.message == "www.example.com:443 cannot be connected to: Connection refused (192.0.2.1)"
    assert found.address is None


def test_a_defect_of_the_library_is_a_result_too() -> None:
    def broken(data: bytes) -> bytes:
        raise RuntimeError("panic")

    found = see_rsa(Wire(broken))
    assert found.error and found.error.code == "malformed" and "RuntimeError: panic" in found.message


def test_starttls_comes_before_tls() -> None:
    wire = Wire(Server([RSA.der, ISSUER.der], [GOOD]).answer, SMTP)
    assert see_rsa(wire, endpoint=read_endpoint("www.example.com", kind="smtp")).acceptable
    assert wire.sent[1] == b"STARTTLS\r\n" and wire.sent[2][0] == 0x16


def test_plain_text_after_starttls_is_shown() -> None:
    wire = Wire(lambda data: b"454 TLS currently unavailable\r\n", SMTP)
    found = see_rsa(wire, endpoint=read_endpoint("www.example.com", kind="smtp"))
    assert found.error and found.error.code == "not_tls" and "'454 TLS currently unavailable'" in found.message
    assert "set starttls" not in found.message


def test_the_time_is_shared_among_the_kinds_of_key() -> None:
    clock = [0.0]

    class Slow(Network):
        def __call__(self, *arguments: t.Any) -> t.Any:
            clock[0] += arguments[3].seconds
            return super().__call__(*arguments)

    network = Slow(ProbeError("timeout", "x"), ProbeError("timeout", "x"))
    client.look(ENDPOINT, NOW, timeout=20.0, dial=network, monotonic=lambda: clock[0], sleep=no_pause)
    assert network.budgets == [10.0, 10.0]


def test_a_timeout_names_the_time_that_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = read_endpoint("127.0.0.1", listener.getsockname()[1])
        both = client.look(endpoint, NOW, timeout=0.4)
        (one,) = client.look(endpoint, NOW, ["rsa"], timeout=0.2)
    said = [found.message.partition(" ")[2] for found in (*both, one)]
    # The share of the second kind is smaller where the machine was busy before.
    assert [re.sub(r"0\.\d+ s \(", "SHARE (", sentence) for sentence in said] == [
        *["does not send ServerHello within SHARE (the timeout is 0.4 s for all key types together)"] * 2,
        "does not send ServerHello within 0.2 s",
    ]


def test_time_that_one_kind_of_key_leaves_is_for_the_other() -> None:
    network = Network(refuse(), refuse())
    client.look(ENDPOINT, NOW, timeout=20.0, dial=network, monotonic=lambda: 0.0, sleep=no_pause)
    assert network.budgets == [10.0, 20.0]


def test_there_is_no_pause_that_the_deadline_does_not_permit() -> None:
    network = Network(serve(RSA))
    (found,) = client.look(
        ENDPOINT, NOW, ["rsa"], timeout=0.5, attempts=2, dial=network, monotonic=lambda: 0.0, sleep=no_pause
    )
    assert found.handshakes == 1


# Summaries --------------------------------------------------------------------------------------


def test_the_summary_of_a_server_with_one_certificate() -> None:
    values = client.summary_values(see(serve(RSA, GOOD), refuse()))
    assert (values["served"], values["stapled"], values["acceptable"]) == (True, True, True)
    assert (values["msg"], values["severity"], values["error"]) == (
        "the staple is good until 2026-03-10T05:06:07Z",
        None,
        None,
    )
    assert [entry["key_type"] for entry in values["certificates"]] == ["rsa", "ecdsa"]


def test_the_summary_tells_the_worst_first_and_of_which_certificate() -> None:
    values = client.summary_values(see(serve(RSA, GOOD), serve(EC, staple(EC, status="revoked"))))
    assert (values["served"], values["stapled"], values["acceptable"]) == (True, True, False)
    assert values["severity"] == "error" and values["msg"].startswith("ECDSA: the certificate CN=www.example.com")
    values = client.summary_values(see(serve(RSA), serve(EC, staple(EC))))
    assert (values["severity"], values["stapled"], values["acceptable"]) == ("warning", False, False)
    assert values["msg"].startswith("RSA: the server sends no staple")


def test_the_summary_of_a_server_that_cannot_be_reached() -> None:
    gone = ProbeError("unreachable", "is gone")
    values = client.summary_values(see(gone, gone))
    assert values["error"] == {"code": "unreachable", "message": "www.example.com:443 is gone"}
    assert values["msg"] == "www.example.com:443 is gone"
    assert (values["served"], values["stapled"], values["acceptable"]) == (False, False, False)
    assert (values["matches_expected"], values["matches_certificate"]) == (None, None)


def test_the_summary_of_a_server_of_which_half_failed() -> None:
    values = client.summary_values(see(serve(RSA, GOOD), ProbeError("timeout", "is slow")))
    assert (values["served"], values["acceptable"], values["error"]["code"]) == (True, False, "timeout")


# Endpoints --------------------------------------------------------------------------------------

ENDPOINTS: t.Dict[str, t.Tuple[t.Dict[str, t.Any], t.Tuple[str, int, str]]] = {
    "name": ({"host": "www.example.com"}, ("www.example.com", 443, "www.example.com")),
    "address": ({"host": "192.0.2.1"}, ("192.0.2.1", 443, "")),
    "IPv6": ({"host": "2001:db8::1"}, ("2001:db8::1", 443, "")),
    "IPv6 in brackets": ({"host": "[2001:db8::1]"}, ("2001:db8::1", 443, "")),
    "address and name": ({"host": "192.0.2.1", "server_name": "x.example"}, ("192.0.2.1", 443, "x.example")),
    "no name": ({"host": "www.example.com", "server_name": ""}, ("www.example.com", 443, "")),
    "port": ({"host": "www.example.com", "port": 8443}, ("www.example.com", 8443, "www.example.com")),
    "mail": ({"host": "mail.example.com", "kind": "imap"}, ("mail.example.com", 143, "mail.example.com")),
    "root": ({"host": "www.example.com."}, ("www.example.com", 443, "www.example.com")),
    "umlaut": ({"host": "bücher.example"}, ("xn--bcher-kva.example", 443, "xn--bcher-kva.example")),
    "one label": ({"host": "localhost"}, ("localhost", 443, "localhost")),
    "IPv4 in brackets": ({"host": "[192.0.2.1]"}, ("192.0.2.1", 443, "")),
    "IPv6 with its interface": ({"host": "fe80::1%lo"}, ("fe80::1%lo", 443, "")),
    "chat": ({"host": "chat.example.com", "kind": "xmpp"}, ("chat.example.com", 5222, "chat.example.com")),
    "chat of servers": ({"host": "192.0.2.1", "kind": "xmpp-server"}, ("192.0.2.1", 5269, "")),
    "no protocol": ({"host": "www.example.com", "kind": ""}, ("www.example.com", 443, "www.example.com")),
    "an address is no name": ({"host": "www.example.com", "server_name": "192.0.2.1"}, ("www.example.com", 443, "")),
    "nor is IPv6": ({"host": "www.example.com", "server_name": "2001:db8::1"}, ("www.example.com", 443, "")),
}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_endpoints(case: str) -> None:
    options, wanted = ENDPOINTS[case]
    found = read_endpoint(**options)
    assert (found.host, found.port, found.server_name) == wanted
    assert found.versions == (tls.TLS13, tls.TLS12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": ""}, "host: '' is empty; give a host name or an IP address"),
        ({"host": "a b"}, "host: 'a b' has a space or a line break in it, which no host name has"),
        ({"host": " www.example.com"}, "host: ' www.example.com' has a space"),
        ({"host": "\t"}, "host: '?' has a space"),
        ({"host": "a..b"}, "host: 'a..b' is neither a host name nor an IP address"),
        ({"host": "."}, "host: '.' is neither"),
        ({"host": "https://www.example.com"}, "host: 'https://www.example.com' is a URL; give its host alone"),
        ({"host": "imap://mail.example.com:143/x y"}, "is a URL"),
        ({"host": "mail.example.com:993"}, "host: 'mail.example.com:993' has a port in it; give the host alone, "),
        ({"host": "192.0.2.1:993"}, "has a port in it"),
        ({"host": "[2001:db8::1]:993"}, "has a port in it"),
        ({"host": "[2001:db8::1"}, "host: '[2001:db8::1' is neither"),
        ({"host": "[]"}, "host: '[]' is neither"),
        ({"host": "[www.example.com]"}, "host: '[www.example.com]' is neither"),
        ({"host": "2001:db8::1::2"}, "host: '2001:db8::1::2' is neither"),
        ({"host": "192.0.2.256"}, "host: '192.0.2.256' is neither"),
        ({"host": "192.0.2"}, "host: '192.0.2' is neither"),
        ({"host": "root@mail.example.com"}, "is neither"),
        ({"host": "*.example.com"}, "host: '*.example.com' is neither"),
        ({"host": "mail\x00.example.com"}, "host: 'mail?.example.com' is neither"),
        ({"host": "x" * 300}, "is neither a host name nor an IP address"),
        ({"host": "www.example.com", "server_name": "x\r\ny"}, "server_name: 'x??y' has a space or a line break"),
        ({"host": "www.example.com", "server_name": "*.example.com"}, "server_name: '*.example.com' is neither"),
        ({"host": "www.example.com", "port": 0}, "port: 0 is not between 1 and 65535"),
        ({"host": "www.example.com", "port": -1}, "port: -1 is not between 1 and 65535"),
        ({"host": "www.example.com", "port": 65536}, "port: 65536"),
        (
            {"host": "www.example.com", "kind": "gopher"},
            "starttls: 'gopher' is not known; use one of ftp, imap, ldap, ",
        ),
        ({"host": "www.example.com", "kind": "mysql"}, "starttls: 'mysql' is not known; use one of ftp, imap, "),
        ({"host": "www.example.com", "kind": "nntp"}, "starttls: 'nntp' is not known; "),
        ({"host": "www.example.com", "kind": "SMTP"}, "starttls: 'SMTP' is not known; "),
        ({"host": "www.example.com", "kind": "smtps"}, "starttls: 'smtps' is not known; did you mean smtp?"),
        ({"host": "www.example.com", "kind": "postgresql"}, "did you mean postgres?"),
        ({"host": "www.example.com", "kind": "xmpp-client"}, "starttls: 'xmpp-client' is not known; "),
        ({"host": "www.example.com", "family": "ipx"}, "address_family: 'ipx'"),
        ({"host": "www.example.com", "versions": ["1.1"]}, "tls_versions: '1.1'"),
        ({"host": "www.example.com", "versions": []}, "tls_versions is empty"),
    ],
)
def test_bad_endpoints(options: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_endpoint(**options)
    assert words in caught.value.message


# Any bytes --------------------------------------------------------------------------------------


@given(leaf=st.binary(max_size=300), issuer=st.binary(max_size=100), data=st.binary(max_size=300))
def test_any_certificates_and_staples(leaf: bytes, issuer: bytes, data: bytes) -> None:
    see_rsa(Wire(Server([leaf, issuer], [data]).answer))


@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3),
    part=st.sampled_from(["leaf", "issuer", "staple"]),
)
def test_damaged_certificates_and_staples(changes: t.List[t.Tuple[int, int]], part: str) -> None:
    parts = {"leaf": bytearray(RSA.der), "issuer": bytearray(ISSUER.der), "staple": bytearray(GOOD)}
    for place, value in changes:
        parts[part][place % len(parts[part])] = value
    found = see_rsa(Wire(Server([bytes(parts["leaf"]), bytes(parts["issuer"])], [bytes(parts["staple"])]).answer))
    unchanged = {"leaf": RSA.der, "issuer": ISSUER.der, "staple": GOOD}[part] == bytes(parts[part])
    assert not found.acceptable or unchanged or part == "issuer"
