# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the state says of a certificate."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ocsp.codes import CODES
from ocsp.errors import ERROR, Finding
from ocsp.judge.decision import CLIENTS_REFUSE, INSTALL, WITHDRAW, Decision
from ocsp.judge.judgement import Judgement
from ocsp.judge.lint import unfit
from ocsp.judge.schedule import certificate_due, renew_at, spread
from ocsp.options.parse import Options
from ocsp.store import attempts, sets
from ocsp.store.attempts import Attempt
from ocsp.store.sets import Layout
from ocsp.text import format_time

from . import record, troubles
from .observe import Observation, digest
from .record import Values

_CODES = frozenset(code.name for code in CODES)

#: What is said of a deployment by its outcome.
_ENDS = {
    attempts.HELD_BACK: "was held back",
    attempts.REFUSED: "was refused",
    attempts.SWITCHED_BACK: "was switched back",
}
#: How far from now times may be that the other user claims: a response is good for ten days or so.
_LONGEST_PLAN, _LONGEST_PAST = timedelta(days=60), timedelta(days=3660)
#: How far a clock may be set back between a run of refresh and a look at it.
_TOLERANCE = timedelta(hours=1)


def entry_values(
    look: Observation, decision: Decision, before: Values, claims: Values, now: datetime, user: str
) -> Values:
    """All that the state says of one certificate.

    ``before`` is what it said, ``claims`` what refresh says, and ``user`` whose it is, empty for root.
    """
    certificate = certificate_values(look.options)
    claims = claims_about(certificate, claims)
    staple = staple_values(look, decision, record.mapping(before, "staple"), claims, now)
    return {
        "live": look.entry.live,
        "services": list(look.entry.services),
        "user": user,
        "deployed": look.deployed,
        "certificate": certificate,
        "staple": staple,
        "revoked": revocation_values(decision.proof),
        "code": decision.code,
        "message": decision.message,
        "left": good_left(look),
        "refused": look.refused,
        "unfinished": "",
        "rejected": None,
        **attempt_values(claims, staple or {}, now),
    }


def unconfigured_sentence(layout: Layout, name: str, fate: str = "") -> str:
    """That no configuration asks for the staple of a certificate that is live, and what to do about that.

    Who deployed it is told as far as its set says it. ``fate`` is what becomes of the staple beside not being renewed.
    """
    # Only what a task without an owner deployed has a place of its own.
    loose = sets.described(layout.live(name)).position is not None
    who = "it was deployed by certificate_set without the role" if loose else "it is live"
    return (
        f"{who}, but no configuration asks for its staple, so that is not renewed{fate and f' and {fate}'}; to have it "
        f"renewed, add it to ocsp_stapling_certificates or to a file in {layout.root}/conf.d"
    )


def claims_about(certificate: t.Optional[Values], claims: Values) -> Values:
    """What refresh says, unless that is about a certificate that has been replaced since."""
    about, known = record.text_of(claims, "serial_number"), (certificate or {}).get("serial_number")
    return {} if about and known and about != known else claims


def attempt_values(claims: Values, staple: Values, now: datetime) -> Values:
    """What refresh says of its attempts for one certificate. Times that it cannot have planned or seen are left out.

    Failures and plans from before another program put the staple in place say nothing of how things are now.
    """
    outdated = _came_since(staple, claims)
    failures = 0 if outdated else record.number_of(claims, "failures")
    planned = None if outdated else record.time_of(claims, "next_attempt")
    return {
        "failures": failures,
        "failure_code": known_code(record.text_of(claims, "code")) if failures else "",
        "failure_message": record.text_of(claims, "message") if failures else "",
        "succeeded": format_time(_succeeded(claims, staple, now)),
        "next_attempt": format_time(_near(planned, now, _LONGEST_PLAN)),
    }


def _succeeded(claims: Values, staple: Values, now: datetime) -> t.Optional[datetime]:
    """When a responder last gave a good response: by the word of refresh, or when another program put one in place."""
    claimed = _near(record.time_of(claims, "succeeded"), now, _LONGEST_PAST)
    installed = record.time_of(staple, "installed")
    if installed is None or claimed is None:
        return claimed or installed
    return claimed if record.text_of(staple, "sha256") == record.text_of(claims, "sha256") else max(installed, claimed)


def _came_since(staple: Values, claims: Values) -> bool:
    """Whether a staple is not of refresh, and was put in place after the last attempt of that."""
    installed, attempted = record.time_of(staple, "installed"), record.time_of(claims, "attempted")
    if installed is None or attempted is None or attempted >= installed:
        return False
    return record.text_of(staple, "sha256") != record.text_of(claims, "sha256")


def renewal_time(machine: bytes, name: str, serial: str, due: datetime, since: datetime) -> datetime:
    """When to ask for a newer response than one of ``since`` that is ``due``; ``serial`` is of its certificate, as hex.

    It is somewhat before it is due, at a time that is this host's and this certificate's own.
    """
    return spread(due, since, b"%s %s %s" % (machine, name.encode(), serial.encode()))


# What a service rejects


def rejected_values(sha256: str, services: t.Iterable[str], message: str) -> Values:
    """What the state says of a response with which a service rejects its configuration, in the first run."""
    return {"sha256": sha256, "services": sorted(services), "message": message, "runs": 0}


def is_rejected(look: Observation, rejected: Values) -> bool:
    """Whether refresh has left that response still, and it is for the same services."""
    if look.left is None or look.left == look.current or digest(look.left) != rejected.get("sha256"):
        return False
    return sorted(look.entry.services) == rejected.get("services")


def without_rejected(look: Observation, rejected: Values) -> Observation:
    """The same where that response is not good."""
    candidate = look.facts.candidate
    if candidate is None:
        return look
    finding = Finding("unfit_for_server", ERROR, record.text_of(rejected, "message"))
    candidate = candidate._replace(findings=(finding, *candidate.findings))
    return look._replace(facts=look.facts._replace(candidate=candidate))


def say_rejected(values: Values, rejected: Values, tried: bool = True) -> None:
    """Have the state of a certificate say what was rejected: a failure as those of refresh, if there is none of these.

    What was not ``tried`` is left to the next run.
    """
    message = record.text_of(rejected, "message")
    if not tried:
        values["unfinished"] = message
        return
    values["rejected"] = {**rejected, "runs": record.number_of(rejected, "runs") + 1}
    show_rejected(values)


def show_rejected(values: Values) -> None:
    """Count what is rejected as attempts that failed, unless refresh has failed since."""
    rejected = record.mapping(values, "rejected")
    if rejected and not values.get("failure_code"):
        runs, message = record.number_of(rejected, "runs"), record.text_of(rejected, "message")
        values.update(failures=runs, failure_code="unfit_for_server", failure_message=message)


def known_code(code: str) -> str:
    """A reason code. The unprivileged user says so, and any other text would be a column or a series of its own."""
    return code if not code or code in _CODES else "other"


def refresh_values(run: Values, now: datetime) -> Values:
    """What refresh says of its last run. One that ends in the future would count as the last one for ever."""
    return {
        "ended": format_time(_past(record.time_of(run, "ended"), now)),
        "seconds": record.seconds_of(run, "seconds"),
        "exit_code": record.number_of(run, "exit_code"),
        "problem": record.text_of(run, "problem"),
        "problem_of_users": record.text_of(run, "problem_of_users"),
        "latest": format_time(_past(record.time_of(run, "latest"), now)),
    }


def _past(claimed: t.Optional[datetime], now: datetime) -> t.Optional[datetime]:
    return claimed if claimed is not None and claimed <= now + _TOLERANCE else None


def _near(claimed: t.Optional[datetime], now: datetime, distance: timedelta) -> t.Optional[datetime]:
    return claimed if claimed is not None and abs(claimed - now) <= distance else None


def certificate_values(options: t.Optional[Options]) -> t.Optional[Values]:
    if options is None:
        return None
    certificate = options.certificate
    ending = options.ending or certificate
    return {
        "serial_number": f"{certificate.serial_number:x}",
        "sha256": digest(certificate.der),
        "subject": certificate.name,
        "not_after": format_time(ending.not_after),
        "ends_with": "" if ending is certificate else ending.name,
        "renew_at": format_time(certificate_due(certificate.not_before, ending.not_after)),
        "must_staple": bool(certificate.must_staple),
        "has_responder": bool(options.responder_urls),
    }


def deployment_values(attempt: t.Optional[Attempt]) -> t.Optional[Values]:
    """What is known of the last attempt to deploy a certificate, where that did not end well."""
    if attempt is None:
        return None
    values = {**attempt._asdict(), "time": format_time(attempt.time), "not_after": format_time(attempt.not_after)}
    del values["left_out_until"], values["live"]  # which are for deployments
    return values


def is_not_live(entry: Values) -> bool:
    """Whether a certificate that was to be deployed is not live."""
    return record.text_of(record.mapping(entry, "deployment"), "outcome") in _ENDS


def is_overdue(entry: Values, now: datetime) -> bool:
    """Whether one that was to be deployed is not live, and the one in place is about to end."""
    return is_not_live(entry) and share_passed(entry, "certificate", "not_after", now) > troubles.RENEWAL_OVERDUE.share


def share_passed(entry: Values, part: str, end: str, now: datetime) -> float:
    """How much of the time from when a staple or a certificate is due for renewal to its end has passed."""
    values = record.mapping(entry, part)
    due, ends = record.time_of(values, "renew_at"), record.time_of(values, end)
    if due is None or ends is None or ends <= due:
        return 0.0
    return (now - due) / (ends - due)


def deployment_sentence(entry: Values) -> str:
    """What came of the last attempt to deploy a certificate that is not live, or an empty string."""
    values = record.mapping(entry, "deployment")
    ended = _ENDS.get(record.text_of(values, "outcome"))
    if ended is None:
        return ""
    what = "the last deployment"
    tried, ends = record.time_of(values, "time"), record.time_of(values, "not_after")
    if tried is not None and ends is not None:
        noun = "the certificate" if entry.get("deployed") is False else "a renewed certificate"
        what = f"{noun} that {'expired at' if ends < tried else 'is valid until'} {format_time(ends)}"
    return f"{what} {ended} at {record.text_of(values, 'time')}: {record.text_of(values, 'message')}"


def known_failure(entry: Values) -> t.Tuple[str, str]:
    """Why there is no newer response: code and sentence, empty where there is no reason.

    Until refresh has one of its own, that is why there was none when the certificate went live.
    """
    code, message = record.text_of(entry, "failure_code"), record.text_of(entry, "failure_message")
    deployment = record.mapping(entry, "deployment")
    if not code and entry.get("code") == "missing_staple" and deployment.get("outcome") == attempts.LIVE_WITHOUT_STAPLE:
        return record.text_of(deployment, "code"), record.text_of(deployment, "message")
    return code, message


def good_left(look: Observation) -> t.Optional[str]:
    """The digest of the response that refresh left where servers read it themselves, if it is good."""
    judgement = look.facts.candidate
    is_good = look.place is None and judgement is not None and judgement.acceptable
    return digest(look.left) if is_good and look.left is not None else None


def stapled(look: Observation, decision: Decision) -> t.Optional[bytes]:
    """The response that the decision wants in place, or None."""
    if decision.action == WITHDRAW:
        return None
    return look.left if decision.action == INSTALL else look.current


def staple_values(
    look: Observation, decision: Decision, before: Values, claims: Values, now: datetime
) -> t.Optional[Values]:
    """What is in place after the decision was carried out, and where it came from."""
    data = stapled(look, decision)
    judgement = decision.judgement or look.facts.current
    if data is None or judgement is None or look.options is None:
        return None
    sha256 = digest(data)
    same = before.get("sha256") == sha256
    source = record.text_of(claims, "responder_url") if claims.get("sha256") == sha256 else ""
    return {
        "sha256": sha256,
        "this_update": format_time(judgement.this_update),
        "next_update": format_time(judgement.next_update),
        "effective_expiry": format_time(judgement.effective_expiry),
        "renew_at": format_time(renew_at(judgement, look.options.renewal)),
        "responder_url": (source or (before.get("responder_url") if same else None)) or None,
        "certificate_sha256": digest(look.options.certificate.der),
        "installed": before.get("installed") if same else format_time(now),
        "ignored": _ignored(judgement, look.options),
    }


def _ignored(judgement: Judgement, options: Options) -> str:
    """Which servers ignore a staple as long as it is in place, and which clients refuse it, as one sentence, or ""."""
    refused = [finding for finding in judgement.findings if finding.code in CLIENTS_REFUSE]
    ignored = [finding for name in options.servers for finding in unfit(name, judgement)]
    return "; ".join(finding.message for finding in (*refused, *ignored))


def is_of_another(look: Observation, after: Values, before: Values) -> bool:
    """Whether what was known before was of another certificate, as far as that can be told now."""
    judged = look.options is not None and look.options.target is not None
    known, now = (record.mapping(values, "certificate").get("sha256") for values in (before, after))
    return judged and known != now


def revocation_values(proof: t.Optional[Judgement]) -> t.Optional[Values]:
    if proof is None:
        return None
    return {"time": format_time(proof.revocation_time), "reason": proof.revocation_reason}
