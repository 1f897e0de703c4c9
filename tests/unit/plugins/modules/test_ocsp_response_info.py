# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ocsp_response_info: it tells all about a response, and neither writes nor asks."""

from __future__ import annotations

import base64
import hashlib
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import transport
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    ADDED,
    Result,
    Runner,
    check_types,
    comparable,
    documentation,
    returned,
    specification,
)

W = forge.world()
MUST_STAPLE = forge.world(must_staple=True)
SILENT = forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)])
CHAIN = (W.leaf.pem + W.issuer.pem).decode()

GOOD = forge.response()
DUE = forge.response(forge.single(this_update=NOW - 5 * DAY, next_update=NOW + 2 * DAY))
EXPIRED = forge.response(forge.single(this_update=NOW - 8 * DAY, next_update=NOW - DAY))
REVOKED = forge.response(forge.single(status="revoked", reason="key_compromise"))
NO_NEXT_UPDATE = forge.response(forge.single(this_update=NOW - HOUR, next_update=None))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "www.example.com.der"
    path.write_bytes(GOOD)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: Path) -> t.Callable[..., Result]:
    """Judge a good response at the time of the forged ones; options that are None are left out."""

    def exchange(self: t.Any, request: t.Any, timeout: float) -> t.NoReturn:
        raise AssertionError(f"{request.url} was asked")

    monkeypatch.setattr(transport.Transport, "exchange", exchange)
    runner = Runner("ocsp_response_info", monkeypatch, capfd)

    def run_(check: bool = False, **options: t.Any) -> Result:
        values = {"path": str(path), "certificate_content": CHAIN, "now": "2026-03-04T05:06:07Z", **options}
        before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent)))
        result = runner(check, **{name: value for name, value in values.items() if value is not None})
        assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(path.parent))) == before
        assert not result.get("changed")
        return result

    run_.module = runner.module  # type: ignore[attr-defined]
    return run_


def verdict(result: Result) -> t.Tuple[bool, bool, bool, bool]:
    assert not result["failed"]
    return result["exists"], result["parsable"], result["acceptable"], result["should_renew"]


@pytest.mark.parametrize("check", [False, True])
def test_a_good_response(run: t.Any, path: Path, check: bool) -> None:
    result = run(check)
    assert verdict(result) == (True, True, True, False)
    expected = {
        "path": str(path),
        "msg": "the response is good",
        "renew_at": "2026-03-06T17:06:07Z",
        "response_status": "successful",
        "certificate_status": "good",
        "this_update": "2026-03-03T05:06:07Z",
        "next_update": "2026-03-10T05:06:07Z",
        "produced_at": "2026-03-03T05:06:07Z",
        "effective_expiry": "2026-03-10T05:06:07Z",
        "revocation_time": None,
        "revocation_reason": None,
        "serial_number": 0x1000,
        "must_staple": False,
        "responder_certificate_expiry": None,
        "signature_algorithm": "ecdsa_sha256",
        "certid_digest": "sha1",
        "findings": [],
        "sha256": hashlib.sha256(GOOD).hexdigest(),
    }
    assert {name: result[name] for name in expected} == expected
    assert result["warnings"] == []
    assert "response" not in result


@pytest.mark.parametrize("option", ["certificate_path", "issuer_path", "root_path"])
def test_check_mode_warns_of_a_file_that_an_earlier_task_may_create(run: t.Any, path: Path, option: str) -> None:
    missing = path.parent / "new.pem"
    given = {option: str(missing), **({"certificate_content": None} if option == "certificate_path" else {})}
    result = run(True, **given)
    told = f"{option}: {missing} does not exist"
    assert verdict(result) == (True, True, False, True) and result["findings"] == []
    assert result["warnings"] == [result["msg"]] == [f"{told}; this will fail unless an earlier task creates it"]
    refused = run(**given)
    assert refused["failed"] and refused["msg"] == told


def test_base64_in_the_place_of_a_file(run: t.Any) -> None:
    result = run(path=None, content=b64(GOOD), return_content=True)
    assert verdict(result) == (True, True, True, False)
    assert result["path"] is None
    assert result["response"] == b64(GOOD)


def test_pem(run: t.Any, path: Path) -> None:
    path.write_bytes(forge.armour(GOOD, "OCSP RESPONSE"))
    result = run(return_content=True)
    assert verdict(result) == (True, True, True, False)
    assert result["response"] == b64(GOOD)
    assert result["sha256"] == hashlib.sha256(GOOD).hexdigest()


def test_a_delegated_response_about_a_certificate_that_must_be_stapled(run: t.Any) -> None:
    place = MUST_STAPLE
    data = forge.response(forge.single(place.leaf, place.issuer), signer=place.delegate, responder="name")
    result = run(path=None, content=b64(data), certificate_content=(place.leaf.pem + place.issuer.pem).decode())
    assert verdict(result) == (True, True, True, False)
    assert result["must_staple"] is True
    assert result["responder_id"] == "CN=Responder,O=Forge"
    assert result["responder_certificate_expiry"] == "2026-05-03T05:06:07Z"


def test_a_missing_file_is_no_failure(run: t.Any) -> None:
    result = run(path="/missing/x.der", return_content=True)
    assert verdict(result) == (False, False, False, True)
    assert result["msg"] == "there is no response"
    assert (result["findings"], result["sha256"], result["response"]) == ([], None, None)
    assert result["serial_number"] == 0x1000


#: Content, whether it can be read, and the reason codes of the errors.
BAD = {
    "empty": (b"", False, ["malformed"]),
    "garbage": (b"garbage", False, ["malformed"]),
    "cut": (GOOD[:-1], False, ["malformed"]),
    "longer": (GOOD + b"\0", False, ["malformed"]),
    "far too large": (b"\x30" * 1100000, False, ["too_large"]),
    "try later": (forge.error_response("try_later"), True, ["not_successful"]),
    "expired": (EXPIRED, True, ["expired"]),
    "revoked": (REVOKED, True, ["revoked"]),
    "unknown": (forge.response(forge.single(status="unknown")), True, ["unknown_status"]),
    "for another certificate": (forge.response(forge.single(serial=1)), True, ["wrong_certificate"]),
    "forged": (forge.response(flip_signature=True), True, ["bad_signature"]),
    "without nextUpdate": (NO_NEXT_UPDATE, True, ["missing_next_update"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_response_is_no_failure(run: t.Any, path: Path, case: str) -> None:
    content, parsable, codes = BAD[case]
    path.write_bytes(content)
    result = run()
    assert verdict(result) == (True, parsable, False, True)
    errors = [finding for finding in result["findings"] if finding["severity"] == "error"]
    assert [finding["code"] for finding in errors] == codes
    assert result["msg"] == errors[0]["message"]
    assert result["renew_at"] is None


def test_a_revocation_is_told_with_time_and_reason(run: t.Any, path: Path) -> None:
    path.write_bytes(REVOKED)
    result = run()
    assert result["certificate_status"] == "revoked"
    assert (result["revocation_time"], result["revocation_reason"]) == ("2026-03-02T05:06:07Z", "key_compromise")


STRANGER = forge.authority("Stranger").pem.decode()


@pytest.mark.parametrize("content", [GOOD, b"garbage", None])
def test_an_issuer_that_did_not_issue_the_certificate_is_no_failure(
    run: t.Any, path: Path, content: t.Optional[bytes]
) -> None:
    path.write_bytes(content or b"")
    result = run(issuer_content=STRANGER, **({} if content is not None else {"path": "/missing/x.der"}))
    assert verdict(result) == (content is not None, content == GOOD, False, True)
    assert result["findings"] == [{"code": "issuer_mismatch", "severity": "error", "message": result["msg"]}]
    assert "issuer_content does not contain the issuer of CN=leaf.example.com" in result["msg"]


def test_what_can_be_said_without_the_issuer_is_said(run: t.Any) -> None:
    result = run(issuer_content=STRANGER, return_content=True)
    assert result["response"] == b64(GOOD)
    assert result["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert (result["serial_number"], result["must_staple"]) == (0x1000, False)


def test_a_certificate_without_a_responder_is_judged_all_the_same(run: t.Any) -> None:
    assert verdict(run(certificate_content=(SILENT.pem + W.issuer.pem).decode())) == (True, True, True, False)


def test_without_a_time_the_clock_counts(run: t.Any, path: Path) -> None:
    path.write_bytes(forge.response(forge.single(this_update="20000101000000Z", next_update="20000108000000Z")))
    assert "expired" in [finding["code"] for finding in run(now=None)["findings"]]


WHEN: t.Dict[str, t.Tuple[t.Dict[str, t.Any], t.Tuple[bool, bool]]] = {
    "a second before it is due": ({"now": "2026-03-06T17:06:06Z"}, (True, False)),
    "due": ({"now": "2026-03-06T17:06:07Z"}, (True, True)),
    "last second": ({"now": "2026-03-10T05:06:07Z"}, (True, True)),
    "over": ({"now": "2026-03-10T05:06:08Z"}, (False, True)),
    "before it begins, within the tolerance": ({"now": "2026-03-03T05:01:07Z"}, (True, False)),
    "before it begins": ({"now": "2026-03-03T05:01:06Z"}, (False, True)),
    "before it begins, without a tolerance": (
        {"now": "2026-03-03T05:06:06Z", "clock_tolerance": "0s"},
        (False, True),
    ),
    "too old": ({"maximum_age": "23h"}, (False, True)),
    "share": ({"minimum_validity_percentage": 90}, (True, True)),
    "margin": ({"minimum_validity": "6d 1s"}, (True, True)),
    "no share and a smaller margin": ({"minimum_validity": "1h", "minimum_validity_percentage": 0}, (True, False)),
    "as ASN.1": ({"now": "20260306170607Z"}, (True, True)),
}


@pytest.mark.parametrize("case", WHEN)
def test_whether_it_is_good_and_due_at_a_time(run: t.Any, case: str) -> None:
    options, expected = WHEN[case]
    result = run(**options)
    assert (result["acceptable"], result["should_renew"]) == expected


def test_rules(run: t.Any, path: Path) -> None:
    path.write_bytes(NO_NEXT_UPDATE)
    result = run(allow=["missing_next_update"])
    assert verdict(result) == (True, True, True, False)
    assert result["effective_expiry"] == "2026-03-05T04:06:07Z"
    path.write_bytes(GOOD)
    assert verdict(run(require_nocheck=True)) == (True, True, True, False)


def test_what_a_server_cannot_use(run: t.Any, path: Path) -> None:
    path.write_bytes(forge.response(forge.single(digest="sha256")))
    for server, acceptable in (("haproxy", True), ("hitch", False)):
        result = run(server=[server])
        assert result["acceptable"] is acceptable
        assert [finding["code"] for finding in result["findings"]] == ["unfit_for_server"]


# Bad input ---------------------------------------------------------------------------------------

BAD_INPUT = {
    "directory": ({"path": "/etc"}, "path: /etc is a directory; give the path of a file"),
    "empty path": ({"path": ""}, "path is empty"),
    "missing certificate": (
        {"certificate_content": None, "certificate_path": "/missing.pem"},
        "certificate_path: /missing.pem does not exist",
    ),
    "no issuer": (
        {"certificate_content": W.leaf.pem.decode()},
        "certificate_content does not contain the certificate of the issuer",
    ),
    "Base64": ({"path": None, "content": "***"}, "content is not Base64"),
    "empty Base64": ({"path": None, "content": ""}, "content is empty"),
    "time": ({"now": "noon"}, "now: 'noon' is not a time"),
    "unit": ({"maximum_age": "3 moons"}, "maximum_age: '3 moons' is not a duration"),
    "percentage": (
        {"minimum_validity_percentage": -1},
        "minimum_validity_percentage: -1.0 is not between 0 and 100",
    ),
    # These are Ansible's own.
    "nothing to judge": ({"path": None}, "one of the following is required: path, content"),
    "two responses": ({"content": b64(GOOD)}, "parameters are mutually exclusive: path|content"),
    "no certificate": (
        {"certificate_content": None},
        "one of the following is required: certificate_path, certificate_content",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_fails_with_one_sentence(run: t.Any, case: str) -> None:
    options, sentence = BAD_INPUT[case]
    result = run(**options)
    assert result["failed"]
    assert result["msg"].startswith(sentence)
    assert "\n" not in result["msg"]


@pytest.mark.parametrize("version", [None, "2.9.2"])
def test_without_the_library_it_says_so(run: t.Any, monkeypatch: pytest.MonkeyPatch, version: t.Optional[str]) -> None:
    monkeypatch.setattr(signature, "CRYPTOGRAPHY_VERSION", version)
    result = run()
    assert result["failed"]
    assert result["msg"].startswith("Failed to import the required Python library (cryptography >= 3.3) on ")


# Documentation -----------------------------------------------------------------------------------


def test_the_options_are_documented_as_they_are(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = comparable(specification(run.module, monkeypatch))
    assert spec == comparable(documentation(run.module, "CERTIFICATE", "RENEWAL", "RULES"))


OUTCOMES: t.Dict[str, t.Dict[str, t.Any]] = {
    "good": {},
    "content": {"path": None, "content": b64(GOOD), "return_content": True},
    "due": {"path": None, "content": b64(DUE)},
    "revoked": {"path": None, "content": b64(REVOKED)},
    "garbage": {"path": None, "content": b64(b"garbage"), "return_content": True},
    "missing": {"path": "/missing/x.der", "return_content": True},
    "another issuer": {"issuer_content": STRANGER, "return_content": True},
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_what_is_documented_is_what_is_returned(run: t.Any, case: str) -> None:
    result = run(**OUTCOMES[case])
    check_types(run.module, result)
    conditions = ["always", "success"]
    if OUTCOMES[case].get("return_content"):
        conditions.append("when O(return_content=true)")
    assert set(result) - ADDED == returned(run.module, *conditions)


@pytest.mark.parametrize("options", [{"now": "?"}, {"path": None, "content": "***"}])
def test_what_is_documented_for_always_is_returned_for_bad_input(run: t.Any, options: t.Dict[str, t.Any]) -> None:
    result = run(**options)
    assert result["failed"]
    assert set(result) - ADDED == returned(run.module, "always")
