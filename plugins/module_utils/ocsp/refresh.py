# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The cycle for one staple file: read, judge, due?, fetch, judge, newer?, write.

A response with an error is never written, a newer one is never replaced by an older one, and what
is on disk stays as it is whenever nothing better could be had.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from . import files, schedule, servers, wire
from . import response as ocsp_response
from .certificate import Target
from .environment import Environment
from .errors import ERROR, WARNING, Finding, InputError
from .options import Options
from .response import Judgement

if t.TYPE_CHECKING:
    from .fetch import Attempt

#: Seconds that a run waits beyond its own total timeout for another one at work on the same file.
_LOCK_GRACE = 30.0


@dataclass
class Outcome:
    """What became of one staple file.

    ``before`` is the judgement of what was found on disk, ``judgement`` that of what counts now:
    the response in place, or, after a failure with nothing good in place, the refused one. ``data``
    is the DER of the response in place, if that is good. ``fetch_error`` is why no newer response
    could be had, ``retry_after`` the seconds that the responder asked to wait, and ``refused`` the judgement
    of the response that it gave instead, with the DER in ``proof`` where that proves a revocation.
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
    retry_after: t.Optional[float] = None
    refused: t.Optional[Judgement] = None
    proof: t.Optional[bytes] = None
    before: t.Optional[Judgement] = None
    judgement: t.Optional[Judgement] = None
    data: t.Optional[bytes] = None
    renew_at: t.Optional[datetime] = None
    responder_url: t.Optional[str] = None
    backup_file: t.Optional[str] = None
    attempts: t.List[Attempt] = field(default_factory=list)
    warnings: t.List[str] = field(default_factory=list)


class _OnDisk(t.NamedTuple):
    """A response as found: the bytes of the file, their DER and its judgement. All None without a file.

    ``place`` is the resolved path, once it is locked.
    """

    place: str = ""
    content: t.Optional[bytes] = None
    data: t.Optional[bytes] = None
    judgement: t.Optional[Judgement] = None

    @property
    def acceptable(self) -> bool:
        return self.judgement is not None and self.judgement.acceptable


def refresh(options: Options, environment: Environment, write: bool = True) -> Outcome:
    """Bring one staple file up to date, or find out with ``write`` False what would be done.

    Raises InputError and FileError; failures to get a good response are in the outcome.
    """
    return glance(options, environment, write) or renew(options, environment, write)


def glance(options: Options, environment: Environment, write: bool = True) -> t.Optional[Outcome]:
    """The outcome where neither the network nor a lock is needed, or None where ``renew`` is to be called.

    Raises InputError and FileError.
    """
    if not options.path:
        raise InputError("path is empty; give the path of the file that holds the response")
    if options.target is None:
        return _without_responder(options)
    if options.force or options.source is not None:
        return None
    on_disk = _read(options, options.target, environment.now())
    if on_disk.data is None or _is_due(on_disk, options, environment.now()):
        return None
    if on_disk.content != _content(options, on_disk.data):
        return None
    return _keep_fresh(options, on_disk, environment, write)


def renew(options: Options, environment: Environment, write: bool = True) -> Outcome:
    """Do the part of ``refresh`` that holds the lock, where ``glance`` found something to do."""
    if options.target is None:
        return _without_responder(options)
    place = files.resolve(options.path, f"path: {options.path}")
    with files.lock(place, options.total_timeout + _LOCK_GRACE, resolved=True, sleep=environment.sleep):
        # Another run may have refreshed the file while this one waited.
        on_disk = _read(options, options.target, environment.now(), place)
        if options.source is not None:
            return _install_source(options, options.target, options.source, on_disk, environment, write)
        if not options.force and not _is_due(on_disk, options, environment.now()):
            return _keep_fresh(options, on_disk, environment, write)
        return _fetch_and_install(options, options.target, on_disk, environment, write)


def _without_responder(options: Options) -> Outcome:
    outcome = _blank(options)
    outcome.skipped_reason = "no_responder"
    outcome.message = f"the certificate {options.certificate.name} names no OCSP responder; there is nothing to staple"
    if os.path.exists(options.path):
        outcome.message += f", and nobody renews what is in {options.path}"
    if options.on_missing_responder == "fail":
        outcome.failed = True
        outcome.fetch_error = Finding("no_responder", ERROR, outcome.message)
    return outcome


def _read(options: Options, target: Target, now: datetime, place: str = "") -> _OnDisk:
    content = files.read_file(options.path, f"path: {options.path}", ocsp_response.SIZE_LIMIT)
    if content is None:
        return _OnDisk(place)
    data = wire.from_pem(content)
    judgement = ocsp_response.judge(data, target, now, options.rules)
    _lint(judgement, options, now)
    return _OnDisk(place, content, data, judgement)


def _lint(judgement: Judgement, options: Options, now: datetime) -> None:
    for name in options.servers:
        judgement.findings.extend(servers.lint(name, judgement, now))


def _is_due(on_disk: _OnDisk, options: Options, now: datetime) -> bool:
    return on_disk.judgement is None or schedule.is_due(on_disk.judgement, options.renewal, now)


def _blank(options: Options) -> Outcome:
    certificate = options.certificate
    return Outcome(options.path, serial_number=certificate.serial_number, must_staple=certificate.must_staple)


def _outcome(options: Options, on_disk: _OnDisk) -> Outcome:
    """The outcome if nothing is done."""
    outcome = _blank(options)
    outcome.before = outcome.judgement = on_disk.judgement
    if on_disk.judgement is not None and on_disk.acceptable:
        outcome.data = on_disk.data
        outcome.renew_at = schedule.renew_at(on_disk.judgement, options.renewal)
    return outcome


def _keep_fresh(options: Options, on_disk: _OnDisk, environment: Environment, write: bool) -> Outcome:
    outcome = _outcome(options, on_disk)
    outcome.message = f"the response is good and is due for renewal at {schedule.format_time(outcome.renew_at)}"
    _put(options, on_disk.data or b"", on_disk, environment, write, outcome)
    return outcome


def _content(options: Options, data: bytes) -> bytes:
    """What a file holds that has this response in the format asked for."""
    return wire.to_pem(data) if options.format == "pem" else data


def _put(
    options: Options, data: bytes, on_disk: _OnDisk, environment: Environment, write: bool, outcome: Outcome
) -> None:
    """Have exactly this response in the file, in the format asked for."""
    content = _content(options, data)
    outcome.data = data
    outcome.changed = content != on_disk.content
    if not outcome.changed or not write:
        return
    if options.backups and on_disk.content is not None:
        outcome.backup_file = files.back_up(on_disk.place, environment.now(), options.backups)
    files.replace_file(on_disk.place, content, options.in_place, environment.sync_folder, resolved=True)


def _fetch_and_install(
    options: Options, target: Target, on_disk: _OnDisk, environment: Environment, write: bool
) -> Outcome:
    # Imported here, because the HTTP libraries cost more than all that a fresh response needs.
    from .fetch import fetch  # pylint: disable=import-outside-toplevel

    ended = ocsp_response.certificate_expired(options.certificate, environment.now())
    if ended:
        return _settle_failure(options, on_disk, ended, None, _outcome(options, on_disk))
    fetched = fetch(options, target, environment, lambda judgement: _lint(judgement, options, environment.now()))
    outcome = _outcome(options, on_disk)
    outcome.attempts = fetched.attempts
    outcome.responder_url = fetched.url
    if fetched.error is not None:
        outcome.retry_after = fetched.retry_after
        outcome.refused = fetched.judgement
        if fetched.judgement is not None and fetched.judgement.proves_revocation:
            outcome.proof = fetched.data
        return _settle_failure(options, on_disk, fetched.error, fetched.judgement, outcome)
    outcome.fetched = True
    if fetched.judgement is not None:  # as always where there is no error
        _install(options, fetched.data, fetched.judgement, on_disk, environment, write, outcome)
    return outcome


def _settle_failure(
    options: Options, on_disk: _OnDisk, error: Finding, refused: t.Optional[Judgement], outcome: Outcome
) -> Outcome:
    """The outcome where no acceptable response could be had; ``refused`` is the judgement of a bad one."""
    outcome.fetch_error = error
    if refused is not None and refused.proves_revocation:
        outcome.judgement = refused
        outcome.data = outcome.renew_at = None
        outcome.failed = options.on_revoked == "fail"
        state = f"{options.path} was left as it was" if on_disk.content is not None else "nothing was written"
        outcome.message = f"{error.message}; {state}; replace the certificate"
        if not outcome.failed:
            outcome.warnings.append(outcome.message)
    elif on_disk.judgement is not None and on_disk.acceptable:
        ends = schedule.format_time(on_disk.judgement.effective_expiry)
        outcome.message = f"no new response could be had: {error.message}; {options.path} is good until {ends}"
        outcome.warnings.append(outcome.message)
    else:
        outcome.failed = True
        outcome.judgement = refused or on_disk.judgement
        outcome.message = f"{error.message}; {_left_behind(options.path, on_disk)}"
    return outcome


def _left_behind(path: str, on_disk: _OnDisk) -> str:
    if on_disk.judgement is None:
        return f"{path} does not exist, so there is nothing to staple"
    return f"{path} was left as it was, but is not good either: {on_disk.judgement.message}"


def _install_source(
    options: Options, target: Target, data: bytes, on_disk: _OnDisk, environment: Environment, write: bool
) -> Outcome:
    """Install a response that was fetched elsewhere, under the same rules and without the network."""
    judgement = ocsp_response.judge(data, target, environment.now(), options.rules)
    _lint(judgement, options, environment.now())
    outcome = _outcome(options, on_disk)
    if judgement.acceptable:
        _install(options, data, judgement, on_disk, environment, write, outcome)
        return outcome
    first = next(finding for finding in judgement.findings if finding.severity == ERROR)
    error = Finding(first.code, ERROR, f"the given response is refused: {first.message}")
    return _settle_failure(options, on_disk, error, judgement, outcome)


def _install(
    options: Options,
    data: bytes,
    judgement: Judgement,
    on_disk: _OnDisk,
    environment: Environment,
    write: bool,
    outcome: Outcome,
) -> None:
    """Write an acceptable response, unless what is in place is as good or newer."""
    current = on_disk.judgement
    if current is not None and current.acceptable and on_disk.data is not None:
        problem = _older(judgement, current)
        if problem:
            current.findings.append(Finding("older", WARNING, problem))
            outcome.message = f"{problem}; the one in place was kept"
            outcome.warnings.append(outcome.message)
        if problem or not _newer(judgement, current):
            outcome.message = outcome.message or "there is no newer response than the one in place"
            _warn_of_delay(outcome, current, environment.now())
            _put(options, on_disk.data, on_disk, environment, write, outcome)
            return
    elif current is not None and current.proves_revocation and _made_before(judgement, current):
        # Whoever replays an answer from before the revocation must not get it stapled again.
        problem = f"the new response was made before the one in {options.path}, which says: {current.message}"
        _settle_failure(options, on_disk, Finding("older", ERROR, problem), None, outcome)
        return
    outcome.judgement = judgement
    outcome.renew_at = schedule.renew_at(judgement, options.renewal)
    _put(options, data, on_disk, environment, write, outcome)
    ends = schedule.format_time(judgement.effective_expiry)
    done = "was installed" if write else "would be installed"
    outcome.message = f"a response that is good until {ends} {done}"


def _made_before(judgement: Judgement, current: Judgement) -> bool:
    new, old = judgement.this_update, current.this_update
    return new is not None and old is not None and new < old


def _warn_of_delay(outcome: Outcome, current: Judgement, now: datetime) -> None:
    """Say so when a responder has had nothing newer for long, before the response in place ends."""
    start, end = current.this_update, current.effective_expiry
    if start is not None and end is not None and end - now < (end - start) / 4:
        outcome.warnings.append(
            f"there is still no newer response than the one in {outcome.path}, which ends at "
            f"{schedule.format_time(end)}"
        )


def _older(judgement: Judgement, current: Judgement) -> str:
    """Why a response must not replace the good one in place, or an empty string."""
    for what, new, old in (
        ("is older than", judgement.this_update, current.this_update),
        ("ends before", judgement.effective_expiry, current.effective_expiry),
    ):
        if new is not None and old is not None and new < old:
            return (
                f"the new response {what} the one in place "
                f"({schedule.format_time(new)} against {schedule.format_time(old)})"
            )
    return ""


def _newer(judgement: Judgement, current: Judgement) -> bool:
    return (judgement.this_update, judgement.effective_expiry) != (current.this_update, current.effective_expiry)


def remove(path: str, write: bool = True) -> Outcome:
    """Remove a staple file because the user says so. Raises InputError and FileError."""
    found = files.read_file(path, f"path: {path}", 0) is not None
    if found and write:
        files.remove_file(path)
    done = "was removed" if write else "would be removed"
    return Outcome(path, f"the response {done}" if found else "there is no response to remove", changed=found)


def inspect(options: Options, content: t.Optional[bytes], now: datetime) -> Outcome:
    """Judge the bytes of a staple file without touching anything. ``options`` must hold a target."""
    outcome = _blank(options)
    outcome.data = wire.from_pem(content) if content is not None else None
    if options.target is not None and options.issuer_problem is not None:
        outcome.judgement = Judgement(options.target)
        outcome.judgement.findings.append(options.issuer_problem)
        outcome.message = options.issuer_problem.message
        return outcome
    if outcome.data is None or options.target is None:
        outcome.message = "there is no response"
        return outcome
    judgement = ocsp_response.judge(outcome.data, options.target, now, options.rules)
    _lint(judgement, options, now)
    outcome.judgement = judgement
    outcome.renew_at = schedule.renew_at(judgement, options.renewal) if judgement.acceptable else None
    outcome.message = judgement.message or "the response is good"
    return outcome
