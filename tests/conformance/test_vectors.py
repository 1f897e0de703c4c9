# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses that others made, with the verdicts of their suites: BoringSSL, OpenSSL, RFC 5019bis.

Most are signed with SHA-1 and carry no nextUpdate: a judge who refuses these finds all bad ones bad and
proves nothing. So each case names the strict rules to relax until only its own fault is left, the good
ones of its suite are judged first under the same relaxations, and the reason codes are compared. Where
we differ from upstream on purpose, C(DIFFERENCES) says why.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.request import build_request
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509

VECTORS = Path(os.environ.get("OCSP_VECTORS") or Path(__file__).resolve().parents[3] / "shared" / "vectors")
FILES = {"boringssl_ocsp_unittest": 36, "openssl_ocsp_tests": 59, "rfc5019bis_example": 1}

if not all((VECTORS / f"{file}.json").is_file() for file in FILES):
    pytest.skip(
        f"the third-party vectors are not in {VECTORS}; set OCSP_VECTORS to their folder", allow_module_level=True
    )

BORINGSSL = "BoringSSL"
OPENSSL = "OpenSSL"
OPENSSL_BY_BORINGSSL = "OpenSSL's, by BoringSSL"
RFC5019BIS = "RFC 5019bis"

SHA1 = "sha1_signature"
NO_NEXT_UPDATE = "no_next_update"
NO_NOCHECK = "responder_cert_without_nocheck"
LONG_INTERVAL = "validity_interval_over_10_days"
EMPTY_ALTERNATIVE_NAME = "responder_cert_with_empty_subjectAltName"


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One vector. C(policies) are the strict rules that the suite's readers found to be in the way."""

    file: str
    id: str
    response: str
    certificate: str
    issuer: str
    root: str
    request: str
    now: datetime
    policies: frozenset[str]
    maximum_age: timedelta
    verdict: str
    upstream: str
    boringssl: str
    facts: dict[str, t.Any]

    def target(self) -> x509.Target:
        """What a user would give. With a root, the issuer must lead to it."""
        leaf, issuers = load(self.certificate)[0], load(self.issuer)
        return x509.Target(leaf, x509.find_issuer(leaf, issuers, load(self.root), "x") if self.root else issuers[0])

    def rules(self) -> Rules:
        """The strictest rules but for the policies of the case."""
        allow = {SHA1: "sha1_signature", NO_NEXT_UPDATE: "missing_next_update"}
        return Rules(
            allow=frozenset(allow[policy] for policy in self.policies if policy in allow),
            require_nocheck=NO_NOCHECK not in self.policies,
            # For CA certificates, which such intervals are for: 12 months (BR 4.9.9).
            maximum_age=timedelta(days=366 if LONG_INTERVAL in self.policies else 10),
            # Without nextUpdate BoringSSL goes by its maximum age alone.
            default_life=self.maximum_age,
        )

    def judge(self, rules: t.Optional[Rules] = None, now: t.Optional[datetime] = None) -> Judgement:
        return judge((VECTORS / self.response).read_bytes(), self.target(), now or self.now, rules or self.rules())

    def codes(self, rules: t.Optional[Rules] = None) -> frozenset[str]:
        """The codes for which the certificates or the response are refused."""
        try:
            return frozenset(self.judge(rules).errors)
        except InputError as error:
            return frozenset({error.code})


@functools.cache
def load(path: str) -> list[x509.Certificate]:
    return x509.load_certificates((VECTORS / path).read_bytes(), path)


def read(file: str) -> list[Case]:
    return [_case(file, entry) for entry in json.loads((VECTORS / f"{file}.json").read_text())["cases"]]


def _case(file: str, entry: dict[str, t.Any]) -> Case:
    stapling = entry.get("stapling", {})
    issuer = entry.get("issuer_der") or stapling["issuer"]
    expected = entry.get("upstream_expected", {})
    boringssl = entry.get("boringssl_CheckOCSP_at_stapling_time") or entry.get("boringssl_CheckOCSP") or expected
    return Case(
        file=file,
        id=entry["id"],
        response=entry["response_der"],
        certificate=entry.get("certificate_der") or entry["certificate"],
        issuer=issuer,
        # Upstream trusts this one; where it is another than the issuer, there is a path between them.
        root=entry["issuer"] if entry.get("issuer", issuer) != issuer else "",
        request=entry.get("request_der", ""),
        now=datetime.fromtimestamp(stapling.get("verify_time_epoch") or entry["verify_time_epoch"], timezone.utc),
        policies=frozenset(stapling.get("policies_to_tolerate_for_isolation", ())),
        maximum_age=timedelta(seconds=entry.get("max_age_seconds", 24 * 3600)),
        verdict=stapling.get("verdict") or entry["expected"],
        upstream=expected.get("verdict") or entry.get("expected", ""),
        boringssl=" ".join(boringssl[name].split("::")[-1] for name in ("revocation_status", "response_status")),
        facts=entry["facts"],
    )


CASES = {file: read(file) for file in FILES}
ALL = [case for cases in CASES.values() for case in cases]

# What we say, case by case. -----------------------------------------------------------------------

EXPECTED_BORINGSSL = {
    "good_response_invalid_serial": {"bad_input"},
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
# part (WRID, WINH, WIKH) was not signed again.
EXPECTED_OPENSSL = {
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
EXPECTED_OTHERS = {
    # Named by subject, the responder with the wrong key is found, and then its key does not fit.
    "153_WKDOSC_D3__D3_Issuer_Root": {"bad_signature"},
    # The issuer is given, and its own signature is broken, so it does not lead to the root.
    "238_ND1__ND1_Cross_Root__issuer_hint": {"issuer_mismatch"},
}


def expected(case: Case) -> frozenset[str]:
    if case.file == "boringssl_ocsp_unittest":
        return frozenset(EXPECTED_BORINGSSL.get(case.id, ()))
    if case.id in EXPECTED_OTHERS:
        return frozenset(EXPECTED_OTHERS[case.id])
    for family, codes in EXPECTED_OPENSSL.items():
        if f"_{family}_" in case.id:
            return frozenset(codes["_D" in case.id.replace(family, "", 1)])
    return frozenset()


# What upstream says, and where that is something else. ------------------------------------------

#: The codes that mean what BoringSSL means (pki/ocsp.h, OCSPVerifyResult); none means accepted.
BORINGSSL_MEANS: dict[str, set[str]] = {
    "GOOD PROVIDED": set(),
    "REVOKED PROVIDED": {"revoked"},
    # It has found the answer, and either does not trust it or reads in it that the status is unknown.
    "UNKNOWN PROVIDED": {"bad_signature", "unauthorized_responder", "unknown_status"},
    "UNKNOWN NO_MATCHING_RESPONSE": {"wrong_certificate"},
    "UNKNOWN ERROR_RESPONSE": {"not_successful"},
    "UNKNOWN PARSE_RESPONSE_ERROR": {"malformed"},
    "UNKNOWN PARSE_RESPONSE_DATA_ERROR": {"malformed"},
    "UNKNOWN UNHANDLED_CRITICAL_EXTENSION": {"unknown_critical_extension"},
    "UNKNOWN INVALID_DATE": {"expired", "not_yet_valid"},
    "UNKNOWN BAD_PRODUCED_AT": {"not_yet_valid"},
}


def agrees(suite: str, upstream: str, codes: t.AbstractSet[str]) -> bool:
    if suite in (OPENSSL, RFC5019BIS):
        return (not codes) == (upstream in ("pass", "accept"))
    means = BORINGSSL_MEANS[upstream]
    return bool(codes & means) if means else not codes


class Difference(t.NamedTuple):
    """Upstream's verdict, our codes (C(good) for none), why, and who says so."""

    upstream: str
    ours: str
    reason: str
    source: str


_WRONG_NAME = (
    "the subject of the issuer is not the issuer that the certificate names, which BoringSSL leaves to path building",
    "RFC 6960 3.2 item 1, RFC 5280 6.1.3 (a)(4); OpenSSL refuses, 80-test_ocsp.t:177-187",
)
_NO_NAME = (
    "the delegate's certificate has an empty subjectAltName, which BoringSSL does not parse; here it is a warning",
    "RFC 5280 4.2.1.6, RFC 6960 4.2.2.2; OpenSSL accepts, 80-test_ocsp.t:74",
)
DIFFERENCES = {
    (BORINGSSL, "good_response_invalid_serial"): Difference(
        "GOOD PROVIDED",
        "bad_input",
        "the serial number of the certificate is 00 05, which is no DER; no version of cryptography loads it either",
        "X.690 8.3.2",
    ),
    (BORINGSSL, "has_critical_ct_extension"): Difference(
        "GOOD PROVIDED",
        "unknown_critical_extension",
        "the list of SCTs is marked critical and cannot be processed here (its bytes are none); BoringSSL skips the "
        "flag for this extension",
        "RFC 6960 4.4, RFC 6962 3.3",
    ),
    (BORINGSSL, "produced_early_response"): Difference(
        "UNKNOWN BAD_PRODUCED_AT",
        "good",
        "producedAt is before the certificate begins, a limit that only BoringSSL sets",
        "RFC 6960 2.4 and 4.2.2.1, RFC 5019bis (times)",
    ),
    (OPENSSL_BY_BORINGSSL, "074_D3__D3_Issuer_Root"): Difference("UNKNOWN PROVIDED", "good", *_NO_NAME),
    (OPENSSL_BY_BORINGSSL, "222_D3__ISIC_D3_Issuer_Root"): Difference("UNKNOWN PROVIDED", "good", *_NO_NAME),
    **{
        (OPENSSL_BY_BORINGSSL, id_): Difference("GOOD PROVIDED", ours, *_WRONG_NAME)
        for id_, ours in (
            ("177_ND1__WSNIC_ND1_Issuer_ICA", "issuer_mismatch"),
            ("179_ND2__WSNIC_ND2_Issuer_Root", "issuer_mismatch"),
            ("181_ND3__WSNIC_ND3_Issuer_Root", "issuer_mismatch"),
            ("183_D1__WSNIC_D1_Issuer_ICA", "issuer_mismatch unauthorized_responder"),
            ("185_D2__WSNIC_D2_Issuer_Root", "issuer_mismatch unauthorized_responder"),
        )
    },
    (OPENSSL_BY_BORINGSSL, "238_ND1__ND1_Cross_Root__issuer_hint"): Difference(
        "GOOD PROVIDED",
        "issuer_mismatch",
        "the issuer does not lead to the root that was given; BoringSSL was given no root",
        "RFC 5280 6.1.3 (a)(1); OpenSSL refuses, 80-test_ocsp.t:238",
    ),
}

Row = t.Tuple[str, Case, str]
ROWS: list[Row] = [
    *((BORINGSSL, case, case.boringssl) for case in CASES["boringssl_ocsp_unittest"]),
    *((OPENSSL, case, case.upstream) for case in CASES["openssl_ocsp_tests"]),
    *((OPENSSL_BY_BORINGSSL, case, case.boringssl) for case in CASES["openssl_ocsp_tests"]),
    *((RFC5019BIS, case, case.upstream) for case in CASES["rfc5019bis_example"]),
]


def counted(suite: str, case: Case, *values: t.Any) -> t.Any:
    mark = pytest.mark.counted(suite, (suite, case.id) in DIFFERENCES)
    return pytest.param(*values, id=f"{suite}-{case.id}", marks=mark)


@functools.cache
def accepted(case: Case, rules: Rules) -> bool:
    return not case.codes(rules)


def assert_the_good_are_accepted(case: Case) -> None:
    """Those of the same suite, under the same relaxations; else a refusal would prove nothing."""
    positives = [other for other in CASES[case.file] if other.verdict == "accept"]
    assert all(accepted(other, case.rules()) for other in positives if other.policies <= case.policies)
    if not expected(case) <= {"malformed", "not_successful"}:
        # These two end the judging before any rule that could be relaxed.
        assert any(accepted(other, case.rules()) for other in positives)


@pytest.mark.parametrize("suite, case, upstream", [counted(suite, case, suite, case, up) for suite, case, up in ROWS])
def test_verdict(suite: str, case: Case, upstream: str) -> None:
    assert_the_good_are_accepted(case)
    codes = case.codes()
    assert codes == expected(case)
    difference = DIFFERENCES.get((suite, case.id))
    if difference:
        assert (difference.upstream, difference.ours) == (upstream, " ".join(sorted(codes)) or "good")
    assert agrees(suite, upstream, codes) is (difference is None)
    # What those who collected the vectors found right for a staple, whatever upstream says.
    if case.verdict not in ("policy", "not_applicable"):
        assert bool(codes) is case.verdict.startswith("reject")


def test_the_table_names_no_other_cases() -> None:
    assert set(DIFFERENCES) <= {(suite, case.id) for suite, case, _upstream in ROWS}


@pytest.mark.parametrize("case", [case for case in ALL if not expected(case)], ids=lambda case: case.id)
def test_what_the_good_ones_say(case: Case) -> None:
    """By the times and digests that were read off them with other tools."""
    judgement = case.judge()
    answer = case.facts["responses"][0]
    assert judgement.certificate_status == answer["status"] == "good"
    assert judgement.certid_digest == answer["hash"]
    for name, moment in (
        ("produced_at", case.facts["produced_at"]),
        ("this_update", answer["this_update"]),
        ("next_update", answer["next_update"]),
    ):
        assert str(getattr(judgement, name)) == moment


@pytest.mark.parametrize("case", [case for case in ALL if case.verdict == "accept"], ids=lambda case: case.id)
def test_the_relaxations_are_needed(case: Case) -> None:
    """Under strict rules, each tolerated policy shows, and nothing else does."""
    judgement = case.judge(Rules(require_nocheck=True))
    codes = {SHA1: "weak_signature", NO_NEXT_UPDATE: "missing_next_update", NO_NOCHECK: "responder_without_nocheck"}
    assert set(judgement.errors) - {"too_old"} == {codes[policy] for policy in case.policies if policy in codes}
    assert ("unusual_interval" in judgement.warnings) is (LONG_INTERVAL in case.policies)
    assert ("too_old" in judgement.errors) <= (LONG_INTERVAL in case.policies)
    assert (EMPTY_ALTERNATIVE_NAME in case.policies) <= ("responder_profile" in judgement.warnings)


UPSTREAM_TIME = datetime(2012, 12, 19, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "case", [case for case in CASES["openssl_ocsp_tests"] if case.verdict == "accept"], ids=lambda case: case.id
)
def test_at_the_time_of_openssl_s_own_check_most_have_ended(case: Case) -> None:
    """OpenSSL does not look at the times of the response there, we do."""
    ended = case.judge(now=UPSTREAM_TIME).errors
    assert ended == ([] if "_D2_" in case.id else ["expired", "too_old"])


REQUESTS = [
    pytest.param(
        case, id=f"{case.file}-{case.id}", marks=pytest.mark.counted("requests", "bad_input" in expected(case))
    )
    for case in ALL
    if case.request
]


@pytest.mark.parametrize("case", REQUESTS)
def test_request(case: Case) -> None:
    digest = "sha256" if case.file.startswith("rfc5019bis") else "sha1"
    if "bad_input" in expected(case):
        with pytest.raises(InputError):
            case.target()
    else:
        assert build_request(case.target(), digest) == (VECTORS / case.request).read_bytes()


def test_every_case_is_there() -> None:
    assert {file: len(cases) for file, cases in CASES.items()} == FILES
    assert all(any(case.verdict == "accept" for case in cases) for cases in CASES.values())
    assert len({(case.file, case.id) for case in ALL}) == len(ALL)
