# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided about a staple, case by case, and whether the clock is believed."""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime, timedelta

import pytest
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, SECOND
from ansible_collections.certops.ocsp.tests.unit.program import host
from ocsp.certificate import Certificate, Target
from ocsp.decision import INSTALL, KEEP, WITHDRAW, Decision, Facts
from ocsp.decision import decide as decide_at
from ocsp.errors import ERROR, Finding
from ocsp.response import Judgement, judge
from ocsp.servers import ExpiryPlan
from ocsp_stapling import clock
from ocsp_stapling.clock import Evidence

W = forge.world()
TARGET = Target(Certificate.from_der(W.leaf.der), Certificate.from_der(W.issuer.der))
HORIZON = 2 * HOUR

CAREFUL = ExpiryPlan(in_advance=True, keep_file=False)
RELAXED = ExpiryPlan(in_advance=False, keep_file=False)


def judged(data: bytes) -> Judgement:
    return judge(data, TARGET, NOW)


@functools.cache
def ending(left: timedelta, age: timedelta = HOUR) -> Judgement:
    """A response that ends after this time."""
    return judged(host.good(W.leaf, NOW, life=age + left, age=age))


FRESH, OLD, LAST, GONE = ending(6 * DAY), ending(3 * DAY, 4 * DAY), ending(HOUR, 6 * DAY), ending(-HOUR, 6 * DAY)
REVOKED = judged(host.revoked(W.leaf, NOW))
OTHER = judged(host.about_another(W.leaf, NOW))
FORGED_REVOCATION = judged(
    forge.response(forge.single(status="revoked", this_update=NOW - HOUR), produced_at=NOW - HOUR, flip_signature=True)
)
SHORT_LIVED = ending(50 * MINUTE, 10 * MINUTE)
NO_RESPONDER = Finding("no_responder", ERROR, "there is no responder")
VANISHED = Finding("bad_input", ERROR, "the certificate does not exist")


def decide(facts: Facts, expiry_plan: ExpiryPlan = CAREFUL, clock_problem: str = "") -> Decision:
    return decide_at(facts, expiry_plan, NOW, HORIZON, clock_problem)


#: Facts, and what is decided by a server that has to be spared: what to do, and the code.
CASES: t.Dict[str, t.Tuple[Facts, str, str]] = {
    "the first one": (Facts(False, None, FRESH), INSTALL, ""),
    "a newer one": (Facts(True, OLD, FRESH), INSTALL, ""),
    "the same one": (Facts(True, FRESH, FRESH), KEEP, ""),
    "an older one": (Facts(True, FRESH, OLD), KEEP, ""),
    "a later one that ends before": (Facts(True, FRESH, ending(3 * DAY, SECOND)), KEEP, ""),
    "a bad one": (Facts(True, OLD, GONE), KEEP, ""),
    "none, with a good one in place": (Facts(True, OLD, None), KEEP, ""),
    "a good one in the place of one about another certificate": (Facts(True, OTHER, FRESH), INSTALL, ""),
    "left by the certificate before": (Facts(False, None, OTHER), WITHDRAW, "missing_staple"),
    "none at all": (Facts(False, None, None), WITHDRAW, "missing_staple"),
    "one that ended": (Facts(True, GONE, GONE), WITHDRAW, "expired"),
    "one about another certificate": (Facts(True, OTHER, None), WITHDRAW, "wrong_certificate"),
    "one that ends before the next run": (Facts(True, LAST, LAST), WITHDRAW, "expiring"),
    "one that ends with the next run": (Facts(True, ending(HORIZON), None), WITHDRAW, "expiring"),
    "one that ends after the next run": (Facts(True, ending(HORIZON + SECOND), None), KEEP, ""),
    "a newer one that ends before the next run": (Facts(True, LAST, ending(90 * MINUTE)), WITHDRAW, "expiring"),
    "one that never lives longer": (Facts(False, None, SHORT_LIVED), WITHDRAW, "expiring"),
    "one that ends, of a must-staple certificate": (Facts(True, LAST, None, must_staple=True), KEEP, "expiring"),
    "a last one, of a must-staple certificate": (Facts(False, None, LAST, must_staple=True), INSTALL, "expiring"),
    "one that ended, of a must-staple certificate": (Facts(True, GONE, None, must_staple=True), WITHDRAW, "expired"),
    "revoked": (Facts(True, OLD, OLD, REVOKED), WITHDRAW, "revoked"),
    "revoked before there was a staple": (Facts(False, None, None, REVOKED), WITHDRAW, "revoked"),
    "revoked and taken back": (Facts(True, OLD, ending(7 * DAY, SECOND), REVOKED), INSTALL, ""),
    "revoked, of a must-staple certificate": (Facts(True, OLD, None, REVOKED, must_staple=True), KEEP, "revoked"),
    "revoked, and to be kept": (Facts(True, OLD, None, REVOKED, keep_revoked=True), KEEP, "revoked"),
    "revoked, and to be kept, but bad": (Facts(True, GONE, None, REVOKED, keep_revoked=True), WITHDRAW, "revoked"),
    "said to be revoked by nobody who may": (Facts(True, OLD, OLD, FORGED_REVOCATION), KEEP, ""),
    "no responder": (Facts(True, obstacle=NO_RESPONDER), WITHDRAW, "no_responder"),
    "no certificate": (Facts(True, obstacle=VANISHED), WITHDRAW, "bad_input"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided(name: str) -> None:
    facts, action, code = CASES[name]
    decision = decide(facts)
    assert (decision.action, decision.code) == (action, code)
    assert bool(decision.message) == bool(code)
    assert (decision.judgement is None) == (action == WITHDRAW)


#: What is decided otherwise for servers that stop by themselves.
RELAXED_CASES = {
    "one that ends before the next run": KEEP,
    "one that ends with the next run": KEEP,
    "a newer one that ends before the next run": INSTALL,
    "one that never lives longer": INSTALL,
    "one that ends, of a must-staple certificate": KEEP,
    "a last one, of a must-staple certificate": INSTALL,
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided_for_servers_that_stop_by_themselves(name: str) -> None:
    facts, action, code = CASES[name]
    decision = decide(facts, RELAXED)
    if name in RELAXED_CASES:
        assert (decision.action, decision.code) == (RELAXED_CASES[name], "")
    else:
        assert (decision.action, decision.code) == (action, code)


#: Nothing is withdrawn because of the time while the clock is not believed.
DOUBTED = {
    "one that ended": (Facts(True, GONE, GONE), KEEP, "clock_implausible"),
    "one that ends before the next run": (Facts(True, LAST, LAST), KEEP, "clock_implausible"),
    "one of the future": (Facts(True, ending(9 * DAY, -2 * DAY), None), KEEP, "clock_implausible"),
    "one that ended, of a must-staple certificate": (
        Facts(True, GONE, None, must_staple=True),
        KEEP,
        "clock_implausible",
    ),
    "but what is about another certificate": (Facts(True, OTHER, None), WITHDRAW, "wrong_certificate"),
    "but what is about another certificate and ended": (
        Facts(True, judged(host.good(forge.leaf(W.issuer, "x", serial=9), NOW, DAY, 2 * DAY)), None),
        WITHDRAW,
        "wrong_certificate",
    ),
    "but what is revoked": (Facts(True, OLD, None, REVOKED), WITHDRAW, "revoked"),
    "but what lost its certificate": (Facts(True, obstacle=VANISHED), WITHDRAW, "bad_input"),
    "and a newer one comes": (Facts(True, GONE, FRESH), INSTALL, ""),
    "and where nothing is in place": (Facts(False, None, GONE), WITHDRAW, "expired"),
}


@pytest.mark.parametrize("name", DOUBTED)
def test_what_is_decided_while_the_clock_is_not_believed(name: str) -> None:
    facts, action, code = DOUBTED[name]
    decision = decide(facts, clock_problem="the clock is wrong")
    assert (decision.action, decision.code) == (action, code)


@pytest.mark.parametrize("name", CASES)
def test_the_alarm_is_louder_where_clients_fail(name: str) -> None:
    facts, _action, code = CASES[name]
    decision = decide(facts)
    assert decision.alarming == (code == "revoked" or (facts.must_staple and bool(code)))


def test_who_notices_the_end_need_not_be_told() -> None:
    assert decide(Facts(True, LAST, None)).ended
    assert decide(Facts(True, GONE, None)).ended
    assert not decide(Facts(True, OLD, None, REVOKED)).ended
    assert not decide(Facts(True, obstacle=VANISHED)).ended
    assert not decide(Facts(True, OTHER, None)).ended


def test_responses_that_live_too_short_are_told_from_those_that_end() -> None:
    assert "live for 60 minutes only" in decide(Facts(False, None, SHORT_LIVED)).message
    assert "run the timer more often and set 'interval' to match" in decide(Facts(False, None, SHORT_LIVED)).message
    assert "the last good response ends at 2026-03-04T06:06:07Z" in decide(Facts(True, LAST, None)).message


# The clock ---------------------------------------------------------------------------------------


def doubt(now: datetime, latest: t.Optional[datetime], contradicted: bool = False, **evidence: bool) -> str:
    found = Evidence(evidence.get("new", False), evidence.get("good", False))
    return clock.problem(now, latest, contradicted, lambda: found)


PLAUSIBLE: t.Dict[str, t.Tuple[t.Optional[datetime], bool, t.Dict[str, bool]]] = {
    "the first run": (None, False, {}),
    "an hour later": (NOW - HOUR, False, {}),
    "set back a little": (NOW + HOUR, False, {}),
    "off for a month": (NOW - 30 * DAY, False, {}),
    "set back, and the CA agrees": (NOW + 3650 * DAY, False, {"new": True, "good": True}),
    "off for years, and the CA agrees": (NOW - 3650 * DAY, False, {"good": True}),
    "contradicted, and the CA agrees": (NOW - HOUR, True, {"new": True, "good": True}),
}


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_clocks_that_are_believed(name: str) -> None:
    latest, contradicted, evidence = PLAUSIBLE[name]
    assert doubt(NOW, latest, contradicted, **evidence) == ""


IMPLAUSIBLE: t.Dict[str, t.Tuple[t.Optional[datetime], bool, t.Dict[str, bool], str]] = {
    "set back": (NOW + HOUR + SECOND, False, {}, "is behind the 2026-03-04T06:06:08Z of an earlier run"),
    "set back by years": (NOW + 3650 * DAY, False, {"good": True}, "is behind the 2036-"),
    "years ahead": (NOW - 3650 * DAY, False, {}, "is 3650 days ahead of the last run"),
    "contradicted": (NOW - HOUR, True, {"good": True}, "contradicts the responders' clocks"),
}


@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_clocks_that_are_not_believed(name: str) -> None:
    latest, contradicted, evidence, words = IMPLAUSIBLE[name]
    message = doubt(NOW, latest, contradicted, **evidence)
    assert message.startswith(f"this host's clock says 2026-03-04T05:06:07Z, which {words}")
    assert message.endswith("if it is right, run 'ocsp-stapling apply --trust-clock' once")
