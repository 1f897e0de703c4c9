# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses that others made, with the verdicts of their suites: BoringSSL, OpenSSL, RFC 5019bis.

Most are signed with SHA-1 and carry no nextUpdate, so each case names the strict rules to relax until
only its own fault is left. The good ones of a suite pass under the same relaxations.
"""

from __future__ import annotations

import json
import os
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.request import build_request
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.response import Judgement, Rules, judge

VECTORS = Path(os.environ.get("OCSP_VECTORS") or Path(__file__).resolve().parents[5].parent / "shared" / "vectors")
SUITES = ("boringssl_ocsp_unittest", "openssl_ocsp_tests", "rfc5019bis_example")

pytestmark = pytest.mark.skipif(
    not all((VECTORS / f"{suite}.json").is_file() for suite in SUITES),
    reason=f"no third-party vectors in {VECTORS}; set OCSP_VECTORS to their folder",
)


class Case(t.NamedTuple):
    """One vector: file names, time and relaxations by the suite, the codes by RFC 6960 and the design."""

    id: str
    response: str
    certificate: str
    issuer: str
    request: t.Optional[str]
    now: datetime
    rules: Rules
    verdict: str

    def target(self) -> x509.Target:
        return x509.Target(self.load(self.certificate), self.load(self.issuer))

    @staticmethod
    def load(path: str) -> x509.Certificate:
        return x509.load_certificates((VECTORS / path).read_bytes(), path)[0]

    def judge(self, rules: t.Optional[Rules] = None) -> Judgement:
        data = (VECTORS / self.response).read_bytes()
        return judge(data, self.target(), self.now, self.rules if rules is None else rules)


def read(suite: str) -> list[Case]:
    try:
        entries = json.loads((VECTORS / f"{suite}.json").read_text())["cases"]
    except OSError:
        return []
    return [_case(entry) for entry in entries]


def _case(entry: dict[str, t.Any]) -> Case:
    stapling = entry.get("stapling", {})
    tolerated = stapling.get("policies_to_tolerate_for_isolation", [])
    names = {"sha1_signature": "sha1_signature", "no_next_update": "missing_next_update"}
    epoch = stapling.get("verify_time_epoch") or entry["verify_time_epoch"]
    return Case(
        id=entry["id"],
        response=entry["response_der"],
        certificate=entry.get("certificate_der") or entry["certificate"],
        issuer=entry.get("issuer_der") or stapling["issuer"],
        request=entry.get("request_der"),
        now=datetime.fromtimestamp(epoch, timezone.utc),
        rules=Rules(
            allow=frozenset(names[policy] for policy in tolerated if policy in names),
            maximum_age=timedelta(days=366 if "validity_interval_over_10_days" in tolerated else 10),
            # Without nextUpdate BoringSSL goes by its maximum age alone.
            default_life=timedelta(seconds=entry.get("max_age_seconds", 24 * 3600)),
        ),
        verdict=stapling.get("verdict") or entry["expected"],
    )


CASES = {suite: read(suite) for suite in SUITES}
ALL = [case for cases in CASES.values() for case in cases]

BORINGSSL = {
    "no_response": {"wrong_certificate"},
    "missing_response": {"wrong_certificate"},
    "other_response": {"wrong_certificate"},
    "malformed_request": {"not_successful"},
    "bad_status": {"malformed"},
    "bad_ocsp_type": {"malformed"},
    "invalid_response": {"malformed"},
    "invalid_response_data": {"malformed"},
    "bad_signature": {"bad_signature"},
    "ocsp_sign_indirect_missing": {"unauthorized_responder"},
    "ocsp_sign_bad_indirect": {"unauthorized_responder"},
    "revoke_response": {"revoked"},
    "revoke_response_reason": {"revoked"},
    "unknown_response": {"unknown_status"},
    "multiple_response": {"ambiguous", "unknown_status"},
    "multiple_response_good_revoked": {"ambiguous", "revoked"},
    "has_critical_single_extension": {"unknown_critical_extension"},
    "has_critical_response_extension": {"unknown_critical_extension"},
    "has_critical_ct_extension": {"unknown_critical_extension"},
    "stale_response": {"expired"},
    "old_response": {"expired"},
    "future_response": {"not_yet_valid"},
    "produced_late_response": {"not_yet_valid"},
}

# By what was done to the files, and by whether a delegate signed. What has been edited in the signed
# part (WINH, WIKH) was not signed again.
OPENSSL = {
    "ISOP": ({"bad_signature"}, {"bad_signature"}),
    "WRID": ({"unauthorized_responder"}, {"unauthorized_responder"}),
    "WINH": ({"wrong_certificate", "bad_signature"}, {"wrong_certificate", "bad_signature"}),
    "WIKH": ({"wrong_certificate", "bad_signature"}, {"wrong_certificate", "bad_signature"}),
    "WKDOSC": (set(), {"unauthorized_responder"}),
    "ISDOSC": (set(), {"unauthorized_responder"}),
    "WSNIC": ({"issuer_mismatch"}, {"issuer_mismatch", "unauthorized_responder"}),
    "WKIC": (
        {"issuer_mismatch", "wrong_certificate", "unauthorized_responder"},
        {"issuer_mismatch", "wrong_certificate", "unauthorized_responder"},
    ),
}
# Named by subject, the responder with the wrong key is found, and then its key does not fit.
OPENSSL_BY_NAME = {"153_WKDOSC_D3__D3_Issuer_Root": {"bad_signature"}}


def expected(case: Case) -> set[str]:
    if case.id in BORINGSSL:
        return BORINGSSL[case.id]
    for family, codes in OPENSSL.items():
        if f"_{family}_" in case.id:
            return OPENSSL_BY_NAME.get(case.id, codes["_D" in case.id.replace(family, "", 1)])
    return set()


def ids(case: Case) -> str:
    return case.id


# No version of cryptography, and no strict reader, loads its leaf: the serial number is 00 05.
UNREADABLE = "good_response_invalid_serial"


@pytest.mark.parametrize("case", [case for case in ALL if case.id != UNREADABLE], ids=ids)
def test_verdict(case: Case) -> None:
    judgement = case.judge()
    assert set(judgement.errors) == expected(case)
    if case.verdict.startswith("accept"):
        assert judgement.acceptable
        assert judgement.certificate_status == "good"
    if case.verdict == "reject":
        assert not judgement.acceptable


def test_unreadable_certificate() -> None:
    case = next(case for case in ALL if case.id == UNREADABLE)
    with pytest.raises(InputError):
        case.target()


@pytest.mark.parametrize("case", [case for case in ALL if case.rules.allow and case.verdict == "accept"], ids=ids)
def test_the_relaxations_are_needed(case: Case) -> None:
    codes = {"sha1_signature": "weak_signature", "missing_next_update": "missing_next_update"}
    assert set(case.judge(case.rules._replace(allow=frozenset())).errors) == {codes[name] for name in case.rules.allow}


@pytest.mark.parametrize("case", [case for case in ALL if case.request and case.id != UNREADABLE], ids=ids)
def test_request(case: Case) -> None:
    digest = "sha256" if case.request.startswith("rfc5019bis") else "sha1"
    assert build_request(case.target(), digest) == (VECTORS / case.request).read_bytes()


@pytest.mark.parametrize("suite, count", [(SUITES[0], 36), (SUITES[1], 59), (SUITES[2], 1)])
def test_every_case_is_there(suite: str, count: int) -> None:
    assert len(CASES[suite]) == count
    verdicts = {case.verdict for case in CASES[suite]}
    assert "accept" in verdicts
