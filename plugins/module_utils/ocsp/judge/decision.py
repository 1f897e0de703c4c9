# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What to do about one staple: install a response, keep the one in place, or have none.

Nothing here touches anything. Whether one response may take the place of another, and whether a
certificate still counts as revoked, is decided here alone.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta

from ..errors import WARNING, Finding
from ..servers.changes import ExpiryPlan
from ..text import format_time
from .judgement import Judgement
from .schedule import Lookahead, is_near_end

INSTALL, KEEP, WITHDRAW = "install", "keep", "withdraw"

#: For callers that do not handle staples that are about to expire.
LET_IT_END = ExpiryPlan(in_advance=False, keep_file=True)

#: How many runs there should be while a response is valid, so that one of them may fail.
_RUNS_IN_LIFE = 3

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
#: Those of them that a clock makes that is behind.
_OF_BEGINNING = frozenset(("not_yet_valid", "responder_certificate_not_yet_valid"))

#: What has some clients refuse a good response. Its signature is no guard against that, nor against what makes it
#: useless for some servers: whoever is on the way can ask the responder in another way, or about more certificates, or
#: choose which of a CA's responders answers.
CLIENTS_REFUSE = frozenset(("large_identifier", "misleading_responder", "mixed_issuers", "other_answer_first"))
_DRAWBACKS = CLIENTS_REFUSE | {"unfit_for_server"}

_WITHOUT_SHA1 = Finding(
    "unfit_for_server", WARNING, "it has no answer by a SHA-1 CertID, and clients with Java refuse it"
)
_NUMBERS = re.compile(r"[0-9]+")

#: What may be wrong with the proof of a revocation: it stays true when the response that says so has ended, and where
#: the clock of the host is behind.
_HARMLESS_IN_PROOF = (
    frozenset(("ambiguous", "expired", "too_large", "too_old", "responder_certificate_expired", "unfit_for_server"))
    | _OF_BEGINNING
)


class Facts(t.NamedTuple):
    """What is known of a staple.

    ``current`` is the judgement of what is in place, ``candidate`` that of the response that may take its place,
    good or not, and ``proof`` that of one that may say that the certificate is revoked. ``obstacle`` is why there
    can be no staple at all. ``keep_revoked``: a revocation alone does not remove a good staple.
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

    ``judgement`` is that of the response to be in place afterwards: the candidate's for INSTALL, that of what is in
    place for KEEP, and None where there is no good one. WITHDRAW says that nothing may be stapled.
    ``passed_over`` is why a candidate that is good by itself is not used, where that is worth telling, as a warning.
    ``proof`` is the judgement of the response that proves the revocation, where the code is ``revoked``.
    ``ended``: it is withdrawn because it ends, so that servers that notice that need not be told.
    ``alarming``: clients fail already, or will fail unless an operator acts.
    """

    action: str
    judgement: t.Optional[Judgement] = None
    code: str = ""
    message: str = ""
    passed_over: t.Optional[Finding] = None
    proof: t.Optional[Judgement] = None
    ended: bool = False
    alarming: bool = False


def decide(
    facts: Facts,
    now: datetime,
    plan: ExpiryPlan = LET_IT_END,
    ahead: Lookahead = Lookahead(),
    clock_problem: str = "",
) -> Decision:
    """Decide about one staple at the time ``now`` (aware).

    ``plan`` is what its servers need when it ends, and ``ahead`` says what can be left to the next run, so that it
    does not expire before. ``clock_problem`` is why the clock is not believed, if it
    is not: nothing is withdrawn because of the time then. Nor is what shows by itself that the clock is behind.
    """
    if facts.obstacle is not None:
        return _without(facts, facts.obstacle.code, facts.obstacle.message)
    current, candidate = _good(facts.current), _good(facts.candidate)
    problem = _objection(candidate, current, now, ahead) if candidate is not None and current is not None else None
    installing = candidate is not None and problem is None and _is_better(candidate, current)
    best = candidate if installing else current
    proof = _latest_proof(facts)
    if proof is not None and not _is_later(best, proof):
        return _revoked(facts, proof, current, candidate)
    if best is None or best.effective_expiry is None:
        return _without_good(facts, clock_problem)
    action = INSTALL if installing else KEEP
    if best.clock_behind:
        return Decision(action, best, "clock_implausible", clock_problem or best.clock_behind, problem)
    left, life = best.effective_expiry - now, _life(best)
    if not plan.in_advance or (left > ahead.needed(life) and not ahead.is_too_short(life)):
        return Decision(action, best, passed_over=problem)
    ends = format_time(best.effective_expiry)
    if facts.must_staple:
        message = (
            f"it requires a staple (must-staple), and its last one expires at {ends}; no newer one could be fetched"
        )
        return Decision(action, best, "expiring", message, problem, alarming=True)
    if clock_problem:
        return Decision(action, best, "clock_implausible", clock_problem, problem)
    unrenewed = f"the last good response expires at {ends}, before the next run, and no newer one could be fetched"
    return _without(facts, "expiring", short_lived(best, ahead) or unrenewed, ended=True)


def _good(judgement: t.Optional[Judgement]) -> t.Optional[Judgement]:
    return judgement if judgement is not None and judgement.acceptable else None


# Which of two


def _objection(new: Judgement, current: Judgement, now: datetime, ahead: Lookahead) -> t.Optional[Finding]:
    """Why a good response must not replace the good one in place, or None."""
    older = _older(new, current)
    if older:
        return Finding("older", WARNING, older)
    drawbacks = _drawbacks(new)
    more = drawbacks.keys() - _drawbacks(current).keys()
    if _times(new) == _times(current) or not more or is_near_end(current, now, ahead.interval):
        return None
    finding = next(drawbacks[one] for one in drawbacks if one in more)
    return Finding(finding.code, WARNING, f"the new response is of less use than the one in place: {finding.message}")


def _older(new: Judgement, current: Judgement) -> str:
    """Why a good response must not replace the good one in place, or an empty string.

    A replayed old response must not shorten the validity period of the staple or replace a newer one.
    """
    for what, own, other in (
        ("is older than", new.this_update, current.this_update),
        ("expires before", new.effective_expiry, current.effective_expiry),
    ):
        if own is None or other is None:
            return "it is unknown whether the new response is newer than the one in place"
        if own < other:
            return f"the new response {what} the one in place ({format_time(own)} against {format_time(other)})"
    return ""


def _is_better(new: Judgement, current: t.Optional[Judgement]) -> bool:
    """Whether one that is no older has other times, or the same and is of more use, or has fewer certificates.

    No signature covers these, so that the one in place may have some that somebody on the way added.
    """
    if current is None or _times(new) != _times(current):
        return True
    drawbacks, known = _drawbacks(new).keys(), _drawbacks(current).keys()
    return drawbacks < known or (drawbacks == known and new.certificate_count < current.certificate_count)


def _times(judgement: Judgement) -> t.Tuple[t.Optional[datetime], t.Optional[datetime]]:
    return judgement.this_update, judgement.effective_expiry


def _drawbacks(judgement: Judgement) -> t.Dict[str, Finding]:
    """Why some servers or clients have no use for a response that is good by itself.

    Each by what it is about, without the numbers in it, so that those of two responses can be compared. That there is
    no answer by SHA-1 is none to tell of: few clients with Java look at staples, which find no other one.
    """
    found = [finding for finding in judgement.findings if finding.code in _DRAWBACKS]
    if judgement.certid_digest not in (None, "sha1"):
        found.append(_WITHOUT_SHA1)
    return {_NUMBERS.sub("", finding.message): finding for finding in found}


# Revocation


def _latest_proof(facts: Facts) -> t.Optional[Judgement]:
    """The CA's last word that the certificate is revoked, be it remembered or, against all rules, in place."""
    return latest_proof((facts.proof, facts.current))


def latest_proof(judgements: t.Iterable[t.Optional[Judgement]]) -> t.Optional[Judgement]:
    """The latest of those that say, for good, that the certificate is revoked, or None."""
    return max((one for one in judgements if one is not None and proves_for_good(one)), key=_moment, default=None)


def proves_for_good(judgement: Judgement) -> bool:
    """As ``proves_revocation``, but not for a day only: a revocation does not end with the response that says so."""
    return set(judgement.errors) - _HARMLESS_IN_PROOF == {"revoked"}


def _is_later(best: t.Optional[Judgement], proof: Judgement) -> bool:
    """Whether the CA has said otherwise since. Of two answers of the same time, the revocation counts."""
    return best is not None and _moment(best) > _moment(proof)


def _moment(judgement: Judgement) -> float:
    return judgement.this_update.timestamp() if judgement.this_update is not None else float("-inf")


def _revoked(
    facts: Facts, proof: Judgement, current: t.Optional[Judgement], candidate: t.Optional[Judgement]
) -> Decision:
    said = next(finding.message for finding in proof.findings if finding.code == "revoked")
    no_newer = "the new response is no newer than the one that proves the revocation"
    passed_over = Finding("older", WARNING, no_newer) if candidate else None
    if current is not None and facts.in_place and (facts.must_staple or facts.keep_revoked):
        message = f"{said}; the previous response stays in place until it expires; replace the certificate"
        return Decision(KEEP, current, "revoked", message, passed_over, proof, alarming=True)
    message = f"{said}; replace the certificate"
    return Decision(WITHDRAW, None, "revoked", message, passed_over, proof, alarming=True)


# None


def _without_good(facts: Facts, clock_problem: str) -> Decision:
    """The decision where nothing is good: neither what is in place nor what was left."""
    in_place = facts.in_place and facts.current is not None
    bad = facts.current if in_place else facts.candidate
    if bad is not None and not in_place and "wrong_certificate" in bad.errors:
        return _without(facts, "missing_staple", "there is no response about it, only one about another certificate")
    code = bad.errors[0] if bad is not None and bad.errors else "missing_staple"
    message = bad.message if bad is not None and bad.message else "there is no response"
    of_time = bad is not None and set(bad.errors) <= _OF_TIME
    if facts.in_place and bad is not None and of_time and clock_problem:
        # Whatever the clock says, clients refuse it if the clock is right.
        ended = bool(set(bad.errors) - _OF_BEGINNING)
        kept = f"{bad.message}; it stays in place, as the clock is in doubt" if ended else clock_problem
        return Decision(KEEP, None, "clock_implausible", kept, alarming=ended)
    return _without(facts, code, message, ended=of_time, alarming=facts.must_staple)


def _without(facts: Facts, code: str, message: str, ended: bool = False, alarming: bool = False) -> Decision:
    alarming = alarming or (facts.must_staple and code != "no_responder")
    return Decision(WITHDRAW, None, code, message, ended=ended, alarming=alarming)


def _life(best: Judgement) -> timedelta:
    """How long the responder has its responses be valid; that the certificate ends before does not count."""
    start, end = best.this_update, best.renewable_until or best.effective_expiry
    return end - start if start is not None and end is not None else timedelta.max


def short_lived(best: Judgement, ahead: Lookahead) -> str:
    """Why no response of this responder lasts from one run to the next, as a sentence, or an empty string."""
    life = _life(best)
    if not ahead.is_too_short(life):
        return ""
    often = f"every {max(1, _minutes(life / _RUNS_IN_LIFE))} minutes or more often (ocsp_stapling_timer of the role)"
    others = "" if ahead.fetches else ", and the playbook as well, as the controller fetches"
    return (
        f"responses of this responder are valid for only {_minutes(life)} minutes, but the program runs only every "
        f"{_minutes(ahead.interval)} minutes, so that one would expire in place; have it run {often}{others}"
    )


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
