# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Outcomes and judgements as plain values, for return values and files of state."""

from __future__ import annotations

import base64
import hashlib
import typing as t

from ..errors import Finding
from ..judge.judgement import Judgement
from ..text import format_time
from .freshness import Outcome

Values = t.Dict[str, t.Any]

_DIFF_FACTS = (
    "certificate_status",
    "this_update",
    "next_update",
    "effective_expiry",
    "responder_id",
    "signature_algorithm",
    "certid_digest",
)


def judgement_values(judgement: t.Optional[Judgement]) -> Values:
    """What a response says, and its findings. Without a judgement everything is None or empty."""
    return {
        "response_status": judgement.response_status if judgement else None,
        "certificate_status": judgement.certificate_status if judgement else None,
        "this_update": format_time(judgement.this_update) if judgement else None,
        "next_update": format_time(judgement.next_update) if judgement else None,
        "produced_at": format_time(judgement.produced_at) if judgement else None,
        "effective_expiry": format_time(judgement.effective_expiry) if judgement else None,
        "revocation_time": format_time(judgement.revocation_time) if judgement else None,
        "revocation_reason": judgement.revocation_reason if judgement else None,
        "responder_id": judgement.responder_id if judgement else None,
        "responder_certificate_expiry": format_time(judgement.responder_certificate_expiry) if judgement else None,
        "signature_algorithm": judgement.signature_algorithm if judgement else None,
        "certid_digest": judgement.certid_digest if judgement else None,
        "findings": finding_values(judgement.findings) if judgement else [],
    }


def finding_values(findings: t.Iterable[Finding]) -> t.List[Values]:
    return [finding._asdict() for finding in findings]


def judged_values(outcome: Outcome, return_content: bool = False) -> Values:
    """The file and the response in it, as it was judged."""
    values = judgement_values(outcome.judgement)
    values.update(
        findings=finding_values(outcome.findings),
        path=outcome.path or None,
        msg=outcome.message,
        serial_number=outcome.serial_number,
        must_staple=outcome.must_staple,
        renew_at=format_time(outcome.renew_at),
        sha256=hashlib.sha256(outcome.data).hexdigest() if outcome.data is not None else None,
    )
    if return_content:
        values["response"] = base64.b64encode(outcome.data).decode("ascii") if outcome.data is not None else None
    return values


def outcome_values(outcome: Outcome, return_content: bool = False) -> Values:
    """All of an outcome but whether it failed, as the modules return it."""
    error = outcome.fetch_error
    values = judged_values(outcome, return_content)
    values.update(
        changed=outcome.changed,
        fetched=outcome.fetched,
        fetch_error={"code": error.code, "message": error.message} if error else None,
        skipped_reason=outcome.skipped_reason,
        responder_url=outcome.responder_url,
        attempts=[attempt._asdict() for attempt in outcome.attempts],
    )
    if outcome.backup_file:
        values["backup_file"] = outcome.backup_file
    return values


def diff_values(judgement: t.Optional[Judgement]) -> Values:
    """The facts of a response that a diff shows; the bytes would not be readable."""
    values = judgement_values(judgement)
    return {name: values[name] for name in _DIFF_FACTS if values[name] is not None}


def difference(outcome: Outcome, absent: bool = False) -> Values:
    """What Ansible shows as the difference: what the responses say, before and after."""
    after = outcome.judgement if outcome.data is not None else outcome.before
    diff = {
        "before_header": outcome.path,
        "after_header": outcome.path,
        "before": diff_values(outcome.before),
        "after": diff_values(after),
    }
    if absent:
        diff.update(before={"state": "present" if outcome.changed else "absent"}, after={"state": "absent"})
    return diff
