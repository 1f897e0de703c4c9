# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Outcomes as plain values: what modules return and files of state keep."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Finding
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import report
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.freshness import Attempt, Outcome
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as certificates
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW

W = forge.world(must_staple=True)
TARGET = certificates.Target(
    certificates.Certificate.from_der(W.leaf.der), certificates.Certificate.from_der(W.issuer.der)
)

NOTHING = {
    "response_status": None,
    "certificate_status": None,
    "this_update": None,
    "next_update": None,
    "produced_at": None,
    "effective_expiry": None,
    "revocation_time": None,
    "revocation_reason": None,
    "responder_id": None,
    "responder_certificate_expiry": None,
    "signature_algorithm": None,
    "certid_digest": None,
    "findings": [],
}
GOOD = {
    **NOTHING,
    "response_status": "successful",
    "certificate_status": "good",
    "this_update": "2026-03-03T05:06:07Z",
    "next_update": "2026-03-10T05:06:07Z",
    "produced_at": "2026-03-03T05:06:07Z",
    "effective_expiry": "2026-03-10T05:06:07Z",
    "signature_algorithm": "ecdsa_sha256",
    "certid_digest": "sha1",
}
KEY_ID = "key:" + hashlib.sha1(forge.public_key_bits(W.issuer.key)).hexdigest()


def judged(*singles: bytes, **options: t.Any) -> Judgement:
    data = forge.response(*(singles or (forge.single(W.leaf, W.issuer),)), **{"signer": W.issuer, **options})
    return judge(data, TARGET, NOW)


def test_no_judgement_is_no_values() -> None:
    assert report.judgement_values(None) == NOTHING


def test_a_good_response() -> None:
    assert report.judgement_values(judged()) == {**GOOD, "responder_id": KEY_ID}


def test_a_delegated_response() -> None:
    assert report.judgement_values(judged(signer=W.delegate, responder="name")) == {
        **GOOD,
        "responder_id": "CN=Responder,O=Forge",
        "responder_certificate_expiry": "2026-05-03T05:06:07Z",
    }


def test_a_revocation() -> None:
    values = report.judgement_values(judged(forge.single(W.leaf, W.issuer, status="revoked", reason="key_compromise")))
    findings = values.pop("findings")
    assert values == {
        **{name: value for name, value in GOOD.items() if name != "findings"},
        "certificate_status": "revoked",
        "revocation_time": "2026-03-02T05:06:07Z",
        "revocation_reason": "key_compromise",
        "responder_id": KEY_ID,
    }
    assert findings == [
        {
            "code": "revoked",
            "severity": "error",
            "message": "the certificate CN=leaf.example.com,O=Forge was revoked at 2026-03-02T05:06:07Z "
            "(key_compromise)",
        }
    ]


def test_an_error_status_and_garbage() -> None:
    later = report.judgement_values(judge(forge.error_response("try_later"), TARGET, NOW))
    assert (later["response_status"], later["certificate_status"]) == ("try_later", None)
    assert [finding["code"] for finding in later["findings"]] == ["not_successful"]
    garbage = report.judgement_values(judge(b"garbage", TARGET, NOW))
    assert {**garbage, "findings": []} == NOTHING
    assert [finding["code"] for finding in garbage["findings"]] == ["malformed"]


def full_outcome() -> Outcome:
    return Outcome(
        "/etc/ocsp.der",
        message="done",
        serial_number=2**159 + 1,
        must_staple=True,
        changed=True,
        fetched=True,
        judgement=judged(),
        data=b"response",
        renew_at=NOW + DAY,
        responder_url="http://ocsp.example.com",
        backup_file="/etc/ocsp.der~",
        attempts=(
            Attempt("http://ocsp.example.com", "get", "sha1", "http_error", 404, 0.25),
            Attempt("http://ocsp.example.com", "post", "sha1", None, 200, 0.5),
        ),
    )


def test_a_full_outcome() -> None:
    values = report.outcome_values(full_outcome(), return_content=True)
    assert values == {
        **GOOD,
        "responder_id": KEY_ID,
        "path": "/etc/ocsp.der",
        "msg": "done",
        "serial_number": 2**159 + 1,
        "must_staple": True,
        "renew_at": "2026-03-05T05:06:07Z",
        "sha256": hashlib.sha256(b"response").hexdigest(),
        "response": base64.b64encode(b"response").decode(),
        "changed": True,
        "fetched": True,
        "fetch_error": None,
        "skipped_reason": None,
        "responder_url": "http://ocsp.example.com",
        "backup_file": "/etc/ocsp.der~",
        "attempts": [
            {
                "url": "http://ocsp.example.com",
                "method": "get",
                "certid_digest": "sha1",
                "code": "http_error",
                "http_status": 404,
                "seconds": 0.25,
            },
            {
                "url": "http://ocsp.example.com",
                "method": "post",
                "certid_digest": "sha1",
                "code": None,
                "http_status": 200,
                "seconds": 0.5,
            },
        ],
    }
    assert json.loads(json.dumps(values)) == values


def test_the_bytes_are_returned_only_where_they_are_asked_for() -> None:
    assert "response" not in report.outcome_values(full_outcome())
    assert report.outcome_values(Outcome("/x"), return_content=True)["response"] is None


def test_a_failure() -> None:
    outcome = Outcome("/x", failed=True, fetch_error=Finding("unreachable", "error", "nobody is there"))
    values = report.outcome_values(outcome)
    assert values["fetch_error"] == {"code": "unreachable", "message": "nobody is there"}
    assert (values["sha256"], values["renew_at"], values["attempts"], values["changed"]) == (None, None, [], False)
    assert "backup_file" not in values


def test_all_outcomes_have_the_same_keys_but_for_the_backup() -> None:
    assert set(report.outcome_values(Outcome("/x"))) | {"backup_file"} == set(report.outcome_values(full_outcome()))
    assert set(report.judged_values(Outcome("/x"))) <= set(report.outcome_values(Outcome("/x")))


def test_content_without_a_file_has_no_path() -> None:
    assert report.judged_values(Outcome(""))["path"] is None


def test_a_difference_shows_facts() -> None:
    assert report.diff_values(None) == {}
    assert report.diff_values(judge(b"garbage", TARGET, NOW)) == {}
    assert report.diff_values(judged()) == {
        "certificate_status": "good",
        "this_update": "2026-03-03T05:06:07Z",
        "next_update": "2026-03-10T05:06:07Z",
        "effective_expiry": "2026-03-10T05:06:07Z",
        "responder_id": KEY_ID,
        "signature_algorithm": "ecdsa_sha256",
        "certid_digest": "sha1",
    }


@pytest.mark.parametrize("text", ["key\x1b[31m", "a\nb", "ü"])
def test_names_are_safe_to_show(text: str) -> None:
    """The name of a responder is foreign text."""
    signer = forge.delegate(W.issuer, text)
    shown = report.judgement_values(judged(signer=signer, responder="name"))["responder_id"]
    assert shown.isprintable()
