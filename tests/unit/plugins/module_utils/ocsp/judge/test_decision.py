# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided about a staple, case by case: for servers by the program, and for files by the modules."""

from __future__ import annotations

import functools
import itertools
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ERROR, Finding
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import decision
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.decision import (
    INSTALL,
    KEEP,
    WITHDRAW,
    Decision,
    Facts,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import LONGEST_LEAD, Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.schedule import look_ahead
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.changes import ExpiryPlan
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, SECOND

W = forge.world()
TARGET = Target(Certificate.from_der(W.leaf.der), Certificate.from_der(W.issuer.der))
HORIZON = 2 * HOUR
AHEAD = look_ahead(HOUR, HOUR)

CAREFUL = ExpiryPlan(in_advance=True, keep_file=False)
RELAXED = ExpiryPlan(in_advance=False, keep_file=False)


def judged(data: bytes) -> Judgement:
    return judge(data, TARGET, NOW)


def made(age: timedelta = HOUR, left: timedelta = 6 * DAY, **single: t.Any) -> bytes:
    """A response that was made some time ago and ends after this time."""
    start = NOW - age
    return forge.response(forge.single(this_update=start, next_update=NOW + left, **single), produced_at=start)


@functools.cache
def ending(left: timedelta, age: timedelta = HOUR) -> Judgement:
    return judged(made(age, left))


@functools.cache
def revoked(age: timedelta = HOUR, left: timedelta = 6 * DAY) -> Judgement:
    return judged(made(age, left, status="revoked", reason="key_compromise"))


def in_place(ahead: timedelta, lead: timedelta = LONGEST_LEAD, **single: t.Any) -> Judgement:
    """The judgement of a response in place that begins so much later than the clock says."""
    return judge(made(-ahead, ahead + 7 * DAY, **single), TARGET, NOW, Rules(lead=lead))


FRESH, OLD, LAST, GONE = ending(6 * DAY), ending(3 * DAY, 4 * DAY), ending(HOUR, 6 * DAY), ending(-HOUR, 6 * DAY)
REVOKED = revoked()
OTHER = judged(made(serial=99))
FORGED_REVOCATION = judged(
    forge.response(forge.single(status="revoked", this_update=NOW - HOUR), produced_at=NOW - HOUR, flip_signature=True)
)
READ, UNREAD = (judge(made(digest=digest), TARGET, NOW, servers=("haproxy", "nginx")) for digest in ("sha1", "sha256"))
READ_BEFORE, READ_AT_LAST, READ_TOO_SELDOM = (
    judge(made(age, left), TARGET, NOW, servers=("haproxy", "nginx"))
    for age, left in ((4 * DAY, 3 * DAY), (6 * DAY, 40 * HOUR), (250 * MINUTE, 110 * MINUTE))
)
UNREAD_BEFORE = judge(made(4 * DAY, 3 * DAY, digest="sha256"), TARGET, NOW, servers=("haproxy", "nginx"))
IGNORED_BEFORE = judge(made(4 * DAY, 3 * DAY, digest="sha256"), TARGET, NOW, servers=("apache",))
BY_SHA256 = judged(made(digest="sha256"))
OTHERS = forge.leaf(W.issuer, "other.example.com", serial=4711)


def several(*answers: bytes) -> Judgement:
    return judged(forge.response(*answers, produced_at=NOW - HOUR))


OURS = forge.single(this_update=NOW - HOUR, next_update=NOW + 6 * DAY)
REVOKED_UNREAD = judge(
    forge.response(
        forge.single(OTHERS, this_update=NOW - HOUR, next_update=NOW + 6 * DAY),
        forge.single(status="revoked", this_update=NOW - HOUR, next_update=NOW + 6 * DAY),
        produced_at=NOW - HOUR,
    ),
    TARGET,
    NOW,
    servers=("exim",),
)
OTHER_FIRST = several(forge.single(OTHERS, this_update=NOW - HOUR, next_update=NOW + 6 * DAY), OURS)
OTHER_LAST = several(OURS, forge.single(OTHERS, this_update=NOW - HOUR, next_update=NOW + 6 * DAY))
MIXED = several(OURS, forge.single(OTHERS, W.root, this_update=NOW - HOUR, next_update=NOW + 6 * DAY))
SURPLUS = judged(forge.response(OURS, produced_at=NOW - HOUR, certificates=[W.delegate.der, W.leaf.der]))
SHORT_LIVED = ending(50 * MINUTE, 10 * MINUTE)
SOON, AHEAD_OF_CLOCK, FAR_AHEAD = in_place(HOUR), in_place(2 * HOUR), in_place(31 * DAY)
BEGUN_ANEW = judge(
    forge.response(forge.single(this_update=NOW - DAY, next_update=NOW + DAY), produced_at=NOW + 2 * HOUR),
    TARGET,
    NOW,
    Rules(lead=LONGEST_LEAD),
)
NO_RESPONDER = Finding("no_responder", ERROR, "there is no responder")
VANISHED = Finding("bad_input", ERROR, "the certificate does not exist")


def decide(facts: Facts, expiry_plan: ExpiryPlan = CAREFUL, clock_problem: str = "") -> Decision:
    """As the program has it decided."""
    return decision.decide(facts, NOW, expiry_plan, AHEAD, clock_problem)


#: Facts, and what is decided by a server that has to be spared: what to do, and the code.
CASES: t.Dict[str, t.Tuple[Facts, str, str]] = {
    "the first one": (Facts(False, None, FRESH), INSTALL, ""),
    "a newer one": (Facts(True, OLD, FRESH), INSTALL, ""),
    "the same one": (Facts(True, FRESH, FRESH), KEEP, ""),
    "one of the same times that more servers read": (Facts(True, UNREAD, READ), INSTALL, ""),
    "one of the same times that fewer servers read": (Facts(True, READ, UNREAD), KEEP, ""),
    "a newer one that fewer servers read": (Facts(True, READ_BEFORE, UNREAD), KEEP, ""),
    "a newer one that fewer servers read, as the last one ends": (Facts(True, READ_AT_LAST, UNREAD), INSTALL, ""),
    "a newer one that fewer servers read, two runs before the end": (
        Facts(True, READ_TOO_SELDOM, UNREAD),
        INSTALL,
        "",
    ),
    "a newer one that clients refuse, while servers ignore the last": (Facts(True, IGNORED_BEFORE, MIXED), KEEP, ""),
    "a newer one without an answer by SHA-1": (Facts(True, OLD, BY_SHA256), KEEP, ""),
    "a newer one without an answer by SHA-1, as the last one ends": (Facts(True, LAST, BY_SHA256), INSTALL, ""),
    "a newer one, as before without an answer by SHA-1": (Facts(True, IGNORED_BEFORE, BY_SHA256), INSTALL, ""),
    "a newer one that no more servers read": (Facts(True, UNREAD_BEFORE, UNREAD), INSTALL, ""),
    "the first one, that not all servers read": (Facts(False, None, UNREAD), INSTALL, ""),
    "a newer one with another answer first": (Facts(True, OLD, OTHER_FIRST), KEEP, ""),
    "a newer one with another answer last": (Facts(True, OLD, OTHER_LAST), INSTALL, ""),
    "a newer one with answers of two issuers": (Facts(True, OLD, MIXED), KEEP, ""),
    "one of the same times in the place of one with another answer first": (
        Facts(True, OTHER_FIRST, FRESH),
        INSTALL,
        "",
    ),
    "one of the same times with fewer certificates": (Facts(True, SURPLUS, FRESH), INSTALL, ""),
    "one of the same times with more certificates": (Facts(True, FRESH, SURPLUS), KEEP, ""),
    "an older one": (Facts(True, FRESH, OLD), KEEP, ""),
    "a later one that expires before": (Facts(True, FRESH, ending(3 * DAY, SECOND)), KEEP, ""),
    "a bad one": (Facts(True, OLD, GONE), KEEP, ""),
    "none, with a good one in place": (Facts(True, OLD, None), KEEP, ""),
    "a good one in the place of one about another certificate": (Facts(True, OTHER, FRESH), INSTALL, ""),
    "left by the certificate before": (Facts(False, None, OTHER), WITHDRAW, "missing_staple"),
    "none at all": (Facts(False, None, None), WITHDRAW, "missing_staple"),
    "one that ended": (Facts(True, GONE, GONE), WITHDRAW, "expired"),
    "one about another certificate": (Facts(True, OTHER, None), WITHDRAW, "wrong_certificate"),
    "one that expires before the next run": (Facts(True, LAST, LAST), WITHDRAW, "expiring"),
    "one that ends with the next run": (Facts(True, ending(HORIZON, DAY), None), WITHDRAW, "expiring"),
    "one that ends after the next run": (Facts(True, ending(HORIZON + SECOND, DAY), None), KEEP, ""),
    "a newer one that expires before the next run": (Facts(True, LAST, ending(90 * MINUTE, DAY)), WITHDRAW, "expiring"),
    "one that never lives longer": (Facts(False, None, SHORT_LIVED), WITHDRAW, "expiring"),
    "one that ends, of a must-staple certificate": (Facts(True, LAST, None, must_staple=True), KEEP, "expiring"),
    "a last one, of a must-staple certificate": (Facts(False, None, LAST, must_staple=True), INSTALL, "expiring"),
    "one that ended, of a must-staple certificate": (Facts(True, GONE, None, must_staple=True), WITHDRAW, "expired"),
    "revoked": (Facts(True, OLD, OLD, REVOKED), WITHDRAW, "revoked"),
    "revoked by what a server cannot read": (Facts(True, OLD, OLD, REVOKED_UNREAD), WITHDRAW, "revoked"),
    "revoked before there was a staple": (Facts(False, None, None, REVOKED), WITHDRAW, "revoked"),
    "revoked and taken back": (Facts(True, OLD, ending(7 * DAY, SECOND), REVOKED), INSTALL, ""),
    "revoked at the time of the one in place": (Facts(True, FRESH, None, revoked(HOUR)), WITHDRAW, "revoked"),
    "revoked, and an answer of the same time": (Facts(False, None, FRESH, revoked(HOUR)), WITHDRAW, "revoked"),
    "revoked, and an answer from before": (Facts(True, None, OLD, REVOKED), WITHDRAW, "revoked"),
    "revoked by what is in place": (Facts(True, REVOKED, None), WITHDRAW, "revoked"),
    "revoked by what is in place, and an answer from before": (Facts(True, REVOKED, OLD), WITHDRAW, "revoked"),
    "revoked by what is in place, and taken back": (Facts(True, REVOKED, ending(7 * DAY, SECOND)), INSTALL, ""),
    "revoked by a response that has ended": (Facts(False, None, OLD, revoked(2 * DAY, -DAY)), WITHDRAW, "revoked"),
    "revoked long ago and taken back": (Facts(True, FRESH, FRESH, revoked(3 * DAY, -DAY)), KEEP, ""),
    "revoked first, and taken back in what is in place": (Facts(True, FRESH, None, revoked(DAY)), KEEP, ""),
    "revoked, of a must-staple certificate, with an answer from before that is newer than the one in place": (
        Facts(True, OLD, ending(5 * DAY, 2 * DAY), REVOKED, must_staple=True),
        KEEP,
        "revoked",
    ),
    "revoked, of a must-staple certificate, with nothing good in place": (
        Facts(True, GONE, OLD, REVOKED, must_staple=True),
        WITHDRAW,
        "revoked",
    ),
    "revoked, of a must-staple certificate": (Facts(True, OLD, None, REVOKED, must_staple=True), KEEP, "revoked"),
    "revoked, and to be kept": (Facts(True, OLD, None, REVOKED, keep_revoked=True), KEEP, "revoked"),
    "revoked, and to be kept, but bad": (Facts(True, GONE, None, REVOKED, keep_revoked=True), WITHDRAW, "revoked"),
    "said to be revoked by nobody who may": (Facts(True, OLD, OLD, FORGED_REVOCATION), KEEP, ""),
    "one that begins soon": (Facts(True, SOON, None), KEEP, ""),
    "one that begins soon, and an older one": (Facts(True, SOON, FRESH), KEEP, ""),
    "one that begins later": (Facts(True, AHEAD_OF_CLOCK, None), KEEP, "clock_implausible"),
    "one that begins later, and an older one": (Facts(True, AHEAD_OF_CLOCK, FRESH), KEEP, "clock_implausible"),
    "one that begins later, and one that may not be used yet": (
        Facts(True, AHEAD_OF_CLOCK, ending(8 * DAY, -3 * HOUR)),
        KEEP,
        "clock_implausible",
    ),
    "one that was produced later, and a newer one": (Facts(True, BEGUN_ANEW, FRESH), INSTALL, ""),
    "one that was produced later, and an older one": (
        Facts(True, BEGUN_ANEW, ending(3 * DAY, 4 * DAY)),
        KEEP,
        "clock_implausible",
    ),
    "one that begins much later": (Facts(True, FAR_AHEAD, None), WITHDRAW, "not_yet_valid"),
    "one that begins much later, and an older one": (Facts(True, FAR_AHEAD, FRESH), INSTALL, ""),
    "one that begins later, and a proof of a revocation that was taken back": (
        Facts(True, AHEAD_OF_CLOCK, FRESH, REVOKED),
        KEEP,
        "clock_implausible",
    ),
    "revoked by a response that begins later": (Facts(True, SOON, SOON, revoked(-HOUR, 8 * DAY)), WITHDRAW, "revoked"),
    "no responder": (Facts(True, obstacle=NO_RESPONDER), WITHDRAW, "no_responder"),
    "no certificate": (Facts(True, obstacle=VANISHED), WITHDRAW, "bad_input"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided(name: str) -> None:
    facts, action, code = CASES[name]
    decided = decide(facts)
    assert (decided.action, decided.code) == (action, code)
    assert bool(decided.message) == bool(code)
    assert (decided.judgement is None) == (action == WITHDRAW)


#: What is decided otherwise for servers that stop by themselves.
RELAXED_CASES = {
    "one that expires before the next run": KEEP,
    "one that ends with the next run": KEEP,
    "a newer one that expires before the next run": INSTALL,
    "one that never lives longer": INSTALL,
    "one that ends, of a must-staple certificate": KEEP,
    "a last one, of a must-staple certificate": INSTALL,
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided_for_servers_that_stop_by_themselves(name: str) -> None:
    facts, action, code = CASES[name]
    decided = decide(facts, RELAXED)
    if name in RELAXED_CASES:
        assert (decided.action, decided.code) == (RELAXED_CASES[name], "")
    else:
        assert (decided.action, decided.code) == (action, code)


#: Nothing is withdrawn because of the time while the clock is not believed.
DOUBTED = {
    "one that ended": (Facts(True, GONE, GONE), KEEP, "clock_implausible"),
    "one that expires before the next run": (Facts(True, LAST, LAST), KEEP, "clock_implausible"),
    "one of the future": (Facts(True, ending(9 * DAY, -2 * DAY), None), KEEP, "clock_implausible"),
    "one of years later, and an older one": (
        Facts(True, in_place(3650 * DAY, timedelta.max), FRESH),
        KEEP,
        "clock_implausible",
    ),
    "one that ended, of a must-staple certificate": (
        Facts(True, GONE, None, must_staple=True),
        KEEP,
        "clock_implausible",
    ),
    "but what is about another certificate": (Facts(True, OTHER, None), WITHDRAW, "wrong_certificate"),
    "but what is about another certificate and ended": (
        Facts(True, judged(made(2 * DAY, -DAY, serial=99)), None),
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
    decided = decide(facts, clock_problem="the clock is wrong")
    assert (decided.action, decided.code) == (action, code)


@pytest.mark.parametrize("name", CASES)
def test_the_alarm_is_louder_where_clients_fail(name: str) -> None:
    facts, _action, code = CASES[name]
    decided = decide(facts)
    assert decided.alarming == (code == "revoked" or (facts.must_staple and bool(code)))


def test_who_notices_the_end_need_not_be_told() -> None:
    assert decide(Facts(True, LAST, None)).ended
    assert decide(Facts(True, GONE, None)).ended
    assert not decide(Facts(True, OLD, None, REVOKED)).ended
    assert not decide(Facts(True, obstacle=VANISHED)).ended
    assert not decide(Facts(True, OTHER, None)).ended


def test_responses_that_live_too_short_are_told_from_those_that_end() -> None:
    assert decide(Facts(False, None, SHORT_LIVED)).message == (
        "responses of this responder are valid for only 60 minutes, but the program runs only every 60 minutes, so "
        "that one would expire in place; have it run every 20 minutes or more often (ocsp_stapling_timer of the role)"
    )
    assert "the last good response expires at 2026-03-04T06:06:07Z" in decide(Facts(True, LAST, None)).message


def test_a_program_that_does_not_fetch_is_not_all_that_has_to_run_more_often() -> None:
    brought = look_ahead(HOUR, HOUR, fetches=False)
    said = decision.decide(Facts(False, None, SHORT_LIVED), NOW, CAREFUL, brought).message
    assert said.endswith(
        "have it run every 20 minutes or more often (ocsp_stapling_timer of the role), and the playbook as well, as "
        "the controller fetches"
    )


def test_what_servers_can_read_is_no_property_of_a_proof() -> None:
    assert REVOKED_UNREAD.errors == ["revoked", "unfit_for_server"] and REVOKED_UNREAD.proves_revocation


def test_what_stays_in_place_when_revoked_is_what_is_there() -> None:
    """Its end is noted beside the staple, so that it must not be that of a response which is not installed."""
    facts = Facts(True, OLD, ending(5 * DAY, 2 * DAY), REVOKED, must_staple=True)
    assert decide(facts).judgement is OLD
    assert decide(facts._replace(must_staple=False, keep_revoked=True)).judgement is OLD


# As the modules have it decided -------------------------------------------------------------------

#: What is in place and what came, and what is done with that: the action, and why it is passed over.
CYCLE: t.Dict[str, t.Tuple[t.Optional[Judgement], t.Optional[Judgement], str, str]] = {
    "the first one": (None, FRESH, INSTALL, ""),
    "a newer one": (OLD, FRESH, INSTALL, ""),
    "a newer one of the same end": (ending(6 * DAY, 2 * DAY), FRESH, INSTALL, ""),
    "one of the same time that ends later": (ending(5 * DAY), FRESH, INSTALL, ""),
    "one of the same times": (FRESH, ending(6 * DAY), KEEP, ""),
    "one in the place of a bad one": (GONE, OLD, INSTALL, ""),
    "one in the place of another certificate's": (OTHER, OLD, INSTALL, ""),
    "a bad one": (OLD, GONE, KEEP, ""),
    "none": (OLD, None, KEEP, ""),
    "none at all": (None, None, WITHDRAW, ""),
    "an older one": (
        FRESH,
        ending(6 * DAY, 2 * HOUR),
        KEEP,
        "the new response is older than the one in place (2026-03-04T03:06:07Z against 2026-03-04T04:06:07Z)",
    ),
    "a later one that expires before": (
        OLD,
        ending(2 * DAY),
        KEEP,
        "the new response expires before the one in place (2026-03-06T05:06:07Z against 2026-03-07T05:06:07Z)",
    ),
    "one that is about to end": (None, ending(SECOND), INSTALL, ""),
    "one that is older than what begins later": (
        AHEAD_OF_CLOCK,
        FRESH,
        KEEP,
        "the new response is older than the one in place (2026-03-04T04:06:07Z against 2026-03-04T07:06:07Z)",
    ),
    "one from before the revocation in place": (
        REVOKED,
        OLD,
        WITHDRAW,
        "the new response is no newer than the one that proves the revocation",
    ),
}


@pytest.mark.parametrize("name", CYCLE)
def test_what_is_decided_in_the_cycle(name: str) -> None:
    current, came, action, problem = CYCLE[name]
    decided = decision.decide(Facts(current is not None, current, came, came), NOW)
    assert (decided.action, decided.passed_over.message if decided.passed_over else "") == (action, problem)
    assert decided.judgement is {INSTALL: came, KEEP: current, WITHDRAW: None}[action]


@pytest.mark.parametrize("name", CYCLE)
def test_both_sides_choose_the_same_response(name: str) -> None:
    """The program asks with servers that need not be spared, so that no end is near."""
    current, came, _action, _problem = CYCLE[name]
    cycle = decision.decide(Facts(current is not None, current, came, came), NOW)
    program = decide(Facts(current is not None, current, came), RELAXED)
    assert (program.action, program.judgement) == (cycle.action, cycle.judgement)


def test_what_has_no_times_replaces_nothing() -> None:
    untimed = FRESH._replace(this_update=None)
    for new, current in ((untimed, OLD), (FRESH, OLD._replace(effective_expiry=None))):
        decided = decision.decide(Facts(True, current, new), NOW)
        assert decided.action != INSTALL
    passed_over = decision.decide(Facts(True, OLD, untimed), NOW).passed_over
    assert passed_over is not None and "it is unknown" in passed_over.message


def test_the_order_in_which_responses_come_does_not_matter() -> None:
    """Whatever comes twice or late: in the end the same one is in place, and none from before a revocation."""
    responses = [OLD, FRESH, ending(5 * DAY, 2 * DAY), GONE, revoked(3 * DAY)]
    for order in itertools.permutations(responses):
        current: t.Optional[Judgement] = None
        proof: t.Optional[Judgement] = None
        for came in order:
            proof = came if came.proves_revocation else proof
            decided = decision.decide(Facts(current is not None, current, came, proof), NOW)
            current = decided.judgement
            assert current is None or proof is None or current.this_update > proof.this_update  # type: ignore[operator]
        assert current is FRESH
