# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the response in place is worth, and whether it is so fresh that nothing is to be done.

Apart from ``refresh``, which fetches and writes: most runs find a fresh response, and Python compiles what a module
imports anew at each run.
"""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timedelta

from ..errors import ERROR, Finding, InputError
from ..judge import response as ocsp_response
from ..judge import schedule, wire
from ..judge.judgement import Judgement
from ..options.parse import Options
from ..pki.certificate import Target
from ..store import tenants
from ..text import format_time


class Attempt(t.NamedTuple):
    """One exchange. ``code`` is None where it brought an acceptable response."""

    url: str
    method: str
    certid_digest: str
    code: t.Optional[str]
    http_status: t.Optional[int]
    seconds: float


class Outcome(t.NamedTuple):
    """What became of one staple.

    ``path`` is empty where it is in no file. ``before`` is the judgement of what was found in place, ``judgement``
    that of what counts now: the response in place, or, after a failure with nothing good in place, the refused one.
    ``data`` is the DER of the response in place, if that is good. ``passed_over`` is why a response that came, good
    by itself, was not put in its place. ``fetch_error`` is why no newer response was obtained, ``transient`` whether
    asking again in some minutes may help, ``retry_after`` the seconds that the responder asked to wait, and ``refused``
    the judgement of the response that it gave instead. ``proof`` is the DER of one that proves a revocation.
    ``warnings`` are sentences for the operator.
    """

    path: str
    message: str = ""
    serial_number: t.Optional[int] = None
    must_staple: t.Optional[bool] = None
    changed: bool = False
    failed: bool = False
    fetched: bool = False
    skipped_reason: t.Optional[str] = None
    fetch_error: t.Optional[Finding] = None
    transient: bool = False
    retry_after: t.Optional[float] = None
    refused: t.Optional[Judgement] = None
    proof: t.Optional[bytes] = None
    before: t.Optional[Judgement] = None
    judgement: t.Optional[Judgement] = None
    passed_over: t.Optional[Finding] = None
    data: t.Optional[bytes] = None
    renew_at: t.Optional[datetime] = None
    responder_url: t.Optional[str] = None
    backup_file: t.Optional[str] = None
    attempts: t.Tuple[Attempt, ...] = ()
    warnings: t.Tuple[str, ...] = ()

    @property
    def findings(self) -> t.Tuple[Finding, ...]:
        """What is to be said of the response that counts now, and of one that it was preferred to."""
        found = self.judgement.findings if self.judgement is not None else ()
        return (*found, self.passed_over) if self.passed_over is not None else found


class Current(t.NamedTuple):
    """The response in place: its DER and its judgement. Both None where there is none."""

    data: t.Optional[bytes] = None
    judgement: t.Optional[Judgement] = None

    @property
    def good(self) -> t.Optional[Judgement]:
        return self.judgement if self.judgement is not None and self.judgement.acceptable else None


def check_fresh(options: Options, now: datetime, lead: timedelta = ocsp_response.LONGEST_LEAD) -> t.Optional[Outcome]:
    """The outcome where neither the network nor a lock is needed, or None where it takes ``refresh.refresh_locked``.

    ``lead`` is how much later than now the response in place may begin. Raises InputError and FileError.
    """
    if not options.path:
        raise InputError("path is empty; give the path of the file that holds the response")
    if options.target is None:
        exists = os.path.exists(options.path)
        return without_responder(options, f"; {options.path} exists but is no longer renewed" if exists else "")
    if options.force or options.source is not None:
        return None
    content, data = read_in_place(options)
    outcome = outcome_if_fresh(options, judge_current(options.target, options, data, now, lead), now)
    return outcome if outcome is not None and content == in_format(options, outcome.data) else None


def check_current(
    target: t.Optional[Target], options: Options, current: t.Optional[bytes], now: datetime
) -> t.Optional[Outcome]:
    """What ``refresh.obtain`` would return, where that takes no network; else None."""
    if target is None:
        return without_responder(options)
    return outcome_if_fresh(options, judge_current(target, options, current, now), now)


def inspect(options: Options, content: t.Optional[bytes], now: datetime) -> Outcome:
    """Judge the bytes of a staple file without touching anything. ``options`` must hold a target."""
    data = wire.from_pem(content) if content is not None else None
    outcome = unchanged(options, Current())._replace(data=data, message="there is no response")
    if options.target is None:
        return outcome
    if options.issuer_problem is not None:
        judgement = ocsp_response.without_issuer(options.target, options.issuer_problem)
    elif data is not None:
        judgement = judge(options.target, options, data, now)
    else:
        return outcome
    return outcome._replace(
        message=judgement.message or "the response is good",
        judgement=judgement,
        renew_at=schedule.renew_at(judgement, options.renewal) if judgement.acceptable else None,
    )


def without_responder(options: Options, left: str = "") -> Outcome:
    """The outcome where there is no responder to ask; ``left`` ends the sentence with what is in place all the same."""
    name = options.certificate.name
    message = f"the certificate {name} has no OCSP responder URL; there is nothing to staple{left}"
    failed = options.on_missing_responder == "fail"
    return unchanged(options, Current())._replace(
        message=message,
        skipped_reason="no_responder",
        failed=failed,
        fetch_error=Finding("no_responder", ERROR, message) if failed else None,
    )


def judge_current(
    target: Target,
    options: Options,
    data: t.Optional[bytes],
    now: datetime,
    lead: timedelta = ocsp_response.LONGEST_LEAD,
) -> Current:
    """Judge what is in place, which may begin later than now by ``lead``: it was good when it was put there."""
    return Current() if data is None else Current(data, judge(target, options, data, now, lead))


def judge(
    target: Target, options: Options, data: bytes, now: datetime, lead: t.Optional[timedelta] = None
) -> Judgement:
    rules = options.rules._replace(lead=lead)
    return ocsp_response.judge(data, target, now, rules, servers=options.servers)


def unchanged(options: Options, known: Current) -> Outcome:
    """The outcome if what is in place stays."""
    return Outcome(
        options.path,
        serial_number=options.certificate.serial_number,
        must_staple=options.certificate.must_staple,
        before=known.judgement,
        judgement=known.judgement,
        data=known.data if known.good else None,
        renew_at=schedule.renew_at(known.good, options.renewal) if known.good else None,
    )


def outcome_if_fresh(options: Options, known: Current, now: datetime) -> t.Optional[Outcome]:
    """The outcome where the response in place is good and not yet due, or None."""
    if options.force or options.source is not None or known.judgement is None:
        return None
    if schedule.is_due(known.judgement, options.renewal, now):
        return None
    outcome = unchanged(options, known)
    due = format_time(outcome.renew_at)
    message = f"the response is good and is due for renewal at {due}"
    return outcome._replace(message=message, warnings=doubts(known))


def doubts(known: Current) -> t.Tuple[str, ...]:
    """Why this host's clock must be behind, as far as what is in place shows that."""
    behind = known.good.clock_behind if known.good is not None else ""
    return (behind,) if behind else ()


def read_in_place(options: Options) -> t.Tuple[t.Optional[bytes], t.Optional[bytes]]:
    """What is in the file, and the DER in that; None without a file."""
    content = tenants.read_file(options.path, f"path: {options.path}", ocsp_response.SIZE_LIMIT)
    return content, wire.from_pem(content) if content is not None else None


def in_format(options: Options, data: t.Optional[bytes]) -> t.Optional[bytes]:
    """What a file holds that has this response in the format asked for."""
    return wire.to_pem(data) if options.format == "pem" and data is not None else data
