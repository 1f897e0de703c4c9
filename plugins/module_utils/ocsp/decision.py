# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is to be done about one staple. Nothing here touches anything."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .errors import ERROR, Finding
from .response import Judgement
from .schedule import format_time
from .servers import ExpiryPlan

INSTALL, KEEP, WITHDRAW = "install", "keep", "withdraw"

#: Findings that another time of day would not have made.
_OF_TIME = frozenset(
    (
        "expired",
        "too_old",
        "not_yet_valid",
        "certificate_expired",
        "responder_certificate_expired",
        "responder_certificate_not_yet_valid",
    )
)


class Facts(t.NamedTuple):
    """What is known of a staple.

    ``current`` is the judgement of what is in place and ``candidate`` of what ``refresh`` left, ``proof`` that of
    a response that says that the certificate is revoked. ``obstacle`` is why there can be no staple at all.
    """

    in_place: bool
    current: t.Optional[Judgement] = None
    candidate: t.Optional[Judgement] = None
    proof: t.Optional[Judgement] = None
    obstacle: t.Optional[Finding] = None
    must_staple: bool = False
    keep_revoked: bool = False


class Decision(t.NamedTuple):
    """What to do, and why. ``code`` and ``message`` are empty where all is well.

    ``ended``: it is withdrawn because it ends, so that servers that notice that need not be told.
    ``alarming``: clients fail already, or will unless somebody does something.
    """

    action: str
    judgement: t.Optional[Judgement] = None
    code: str = ""
    message: str = ""
    ended: bool = False
    alarming: bool = False


def decide(facts: Facts, plan: ExpiryPlan, now: datetime, horizon: timedelta, clock_problem: str) -> Decision:
    """Decide about one staple.

    ``horizon`` is how long it takes until the next run has surely done its work: what ends before cannot
    be left to it.
    """
    if facts.obstacle is not None:
        return _without(facts, facts.obstacle.code, facts.obstacle.message)
    best, action = _best(facts)
    revoked = _revoked(facts, best)
    if revoked is not None:
        return revoked
    if best is None or best.effective_expiry is None:
        return _without_good(facts, clock_problem)
    left = best.effective_expiry - now
    if left > horizon or not plan.in_advance:
        return Decision(action, best)
    ends = format_time(best.effective_expiry)
    if facts.must_staple:
        message = f"it demands a staple (must-staple), and its last one ends at {ends}; no newer one could be had"
        return Decision(action, best, "expiring", message, alarming=True)
    if clock_problem:
        return Decision(action, best, "clock_implausible", clock_problem)
    return _without(facts, "expiring", _expiring(best, horizon, ends), ended=True)


def _best(facts: Facts) -> t.Tuple[t.Optional[Judgement], str]:
    """The better one of two responses, and what it takes to have it in place."""
    current = facts.current if facts.current is not None and facts.current.acceptable else None
    candidate = facts.candidate if facts.candidate is not None and facts.candidate.acceptable else None
    if candidate is None:
        return current, KEEP
    if current is None or _is_newer(candidate, current):
        return candidate, INSTALL
    return current, KEEP


def _is_newer(new: Judgement, old: Judgement) -> bool:
    """Whether a response is of a later time and does not end before the other."""
    if new.this_update is None or old.this_update is None or None in (new.effective_expiry, old.effective_expiry):
        return False
    return (
        new.this_update >= old.this_update
        and t.cast(datetime, new.effective_expiry) >= t.cast(datetime, old.effective_expiry)
        and (new.this_update, new.effective_expiry) != (old.this_update, old.effective_expiry)
    )


def _revoked(facts: Facts, best: t.Optional[Judgement]) -> t.Optional[Decision]:
    """The decision where the CA says that the certificate is revoked, and has not said otherwise since."""
    proof = facts.proof
    if proof is None or not proof.proves_revocation or proof.this_update is None:
        return None
    if best is not None and best.this_update is not None and best.this_update > proof.this_update:
        return None
    message = next(finding.message for finding in proof.findings if finding.severity == ERROR)
    if best is not None and facts.in_place and (facts.must_staple or facts.keep_revoked):
        stays = "the response from before stays in place until it ends"
        return Decision(KEEP, best, "revoked", f"{message}; {stays}; replace the certificate", alarming=True)
    return _without(facts, "revoked", f"{message}; replace the certificate", alarming=True)


def _without_good(facts: Facts, clock_problem: str) -> Decision:
    """The decision where nothing is good: neither what is in place nor what was left."""
    in_place = facts.in_place and facts.current is not None
    bad = facts.current if in_place else facts.candidate
    if bad is not None and not in_place and "wrong_certificate" in bad.errors:
        return _without(facts, "missing_staple", "there is no response about it, only one about another certificate")
    code = bad.errors[0] if bad is not None and bad.errors else "missing_staple"
    message = bad.message if bad is not None and bad.message else "there is no response"
    of_time = bad is not None and set(bad.errors) <= _OF_TIME
    if facts.in_place and of_time and clock_problem:
        return Decision(KEEP, None, "clock_implausible", clock_problem)
    return _without(facts, code, message, ended=of_time, alarming=facts.must_staple)


def _without(facts: Facts, code: str, message: str, ended: bool = False, alarming: bool = False) -> Decision:
    return Decision(WITHDRAW, None, code, message, ended, alarming or (facts.must_staple and code != "no_responder"))


def _expiring(best: Judgement, horizon: timedelta, ends: t.Optional[str]) -> str:
    start, end = best.this_update, best.effective_expiry
    if start is not None and end is not None and end - start <= horizon:
        return (
            f"responses of this responder live for {_minutes(end - start)} minutes only, so that one could end in "
            "place before the next run; run the timer more often and set 'interval' to match"
        )
    return f"the last good response ends at {ends}, before the next run could see to it, and no newer one could be had"


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
