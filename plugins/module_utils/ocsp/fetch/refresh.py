# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The cycle for one staple: judge, due?, fetch, judge, newer?, and for a staple file also read and write.

``obtain`` is the cycle; ``refresh`` puts a file around it. A response with an error is never written, a newer
one is never replaced by an older one, and what is on disk stays as it is whenever nothing better could be fetched.
"""

from __future__ import annotations

import functools
import os
import typing as t
from datetime import datetime, timedelta

from ..errors import ERROR, Finding
from ..judge import response as ocsp_response
from ..judge import schedule
from ..judge.decision import INSTALL, Facts, decide
from ..judge.judgement import Judgement
from ..judge.schedule import Lookahead
from ..options.parse import Options
from ..pki.certificate import Target
from ..store import files, reading
from ..text import format_time
from . import freshness
from .environment import Environment
from .freshness import Current, Outcome

#: Seconds that a run waits beyond its own total timeout for another one at work on the same file.
_LOCK_GRACE = 30.0


class _Came(t.NamedTuple):
    """What came of asking, or was given: a good response, or an ``error`` and maybe a bad one."""

    error: t.Optional[Finding] = None
    data: t.Optional[bytes] = None
    judgement: t.Optional[Judgement] = None
    fetched: bool = False
    url: t.Optional[str] = None
    retry_after: t.Optional[float] = None
    attempts: t.Tuple[freshness.Attempt, ...] = ()
    transient: bool = False

    @property
    def proves_revocation(self) -> bool:
        return self.judgement is not None and self.judgement.proves_revocation


# Without a file


def obtain(
    target: t.Optional[Target], options: Options, current: t.Optional[bytes], environment: Environment
) -> Outcome:
    """Get a good response about ``target``, unless ``current`` is good and not yet due.

    ``current`` is the DER of the response in place, or None; a ``target`` of None means that there is no responder.
    No file is read, locked or written. In the outcome, ``data`` is the DER of what should be in place, None where
    nothing is good, and ``changed`` is whether that is not what was given. Failures to get a good response are in the
    outcome, and foreign data never raises.
    """
    if target is None:
        return freshness.without_responder(options)
    known = freshness.judge_current(target, options, current, environment.now(), environment.lead)
    fresh = freshness.outcome_if_fresh(options, known, environment.now())
    if fresh is not None:
        return fresh
    came = _given(target, options, environment.now()) if options.source is not None else None
    came = came or _ask(target, options, environment)
    return _settle(options, known, came, environment.now(), environment.interval)


def _given(target: Target, options: Options, now: datetime) -> _Came:
    """The response that was fetched elsewhere, under the same rules and without the network."""
    judge = functools.partial(freshness.judge, target, options, now=now)
    data, judgement = ocsp_response.lean(options.source or b"", judge(options.source or b""), judge)
    error = judgement.error
    if error is not None:
        error = error.saying(f"the given response is refused: {error.message}")
    return _Came(error, data, judgement)


def _ask(target: Target, options: Options, environment: Environment) -> _Came:
    # Imported here, because the HTTP libraries cost more than all that a fresh response needs.
    from .ladder import fetch  # pylint: disable=import-outside-toplevel

    ended = ocsp_response.certificate_expired(options.certificate, environment.now())
    if ended:
        return _Came(ended)
    found = fetch(options, target, environment)
    attempts = tuple(found.attempts)
    return _Came(
        found.error, found.data, found.judgement, True, found.url, found.retry_after, attempts, found.transient
    )


def _settle(options: Options, known: Current, came: _Came, now: datetime, interval: timedelta) -> Outcome:
    """Decide between what is in place and what came, and say so."""
    in_place = known.data is not None
    facts = Facts(in_place, known.judgement, candidate=came.judgement, proof=came.judgement)
    decision = decide(facts, now, ahead=Lookahead(interval=interval))
    if decision.action == INSTALL and decision.judgement is not None:
        return _replaced(options, known, came, decision.judgement)
    if came.error is not None:
        return _failed(options, known, came, came.error, now)
    if known.good is None and decision.passed_over is not None:
        # Whoever replays an answer from before the revocation must not get it stapled again.
        return _failed(options, known, came, Finding("older", ERROR, decision.passed_over.message), now)
    return _kept(options, known, came, decision.passed_over, now)


def _with_asking(options: Options, known: Current, came: _Came) -> Outcome:
    """The outcome if what is in place stays, and what asking took."""
    return freshness.unchanged(options, known)._replace(
        fetched=came.fetched and came.error is None,
        responder_url=came.url,
        attempts=came.attempts,
    )


def _replaced(options: Options, known: Current, came: _Came, judgement: Judgement) -> Outcome:
    ends = format_time(judgement.effective_expiry)
    return _with_asking(options, known, came)._replace(
        message=f"a response that is good until {ends} was obtained",
        changed=came.data != known.data,
        judgement=judgement,
        data=came.data,
        renew_at=schedule.renew_at(judgement, options.renewal),
    )


def _kept(options: Options, known: Current, came: _Came, problem: t.Optional[Finding], now: datetime) -> Outcome:
    """The outcome where a good response came that is no better than the good one in place."""
    message = "there is no newer response than the one in place"
    warnings = [*freshness.doubts(known)]
    if problem is not None:
        message = f"{problem.message}; the one in place was kept"
        warnings.append(message)
    delay = _delay(options, known.good, now)
    return _with_asking(options, known, came)._replace(
        message=message,
        passed_over=problem,
        warnings=(*warnings, *delay),
    )


def _delay(options: Options, good: t.Optional[Judgement], now: datetime) -> t.Iterator[str]:
    """Say so when a responder has had nothing newer for long, before the response in place ends."""
    if good is not None and good.effective_expiry is not None and schedule.is_near_end(good, now):
        where = f"in {options.path}" if options.path else "in place"
        ends = format_time(good.effective_expiry)
        yield f"there is still no newer response than the one {where}, which expires at {ends}"


def _failed(options: Options, known: Current, came: _Came, error: Finding, now: datetime) -> Outcome:
    """The outcome where no response came that can be put in place."""
    outcome = _with_asking(options, known, came)._replace(
        fetch_error=error,
        transient=came.transient,
        retry_after=came.retry_after,
        refused=came.judgement if came.error is not None and came.fetched else None,
        proof=came.data if came.proves_revocation else None,
    )
    if came.proves_revocation:
        return _revoked(options, known, came, outcome)
    if known.good is not None:
        ends = format_time(known.good.effective_expiry)
        tried = "" if options.source is not None else "could not fetch a new response: "
        message = f"{tried}{error.message}; {options.path or 'the one in place'} is good until {ends}"
        return outcome._replace(message=message, warnings=(message,))
    refused = came.judgement if came.error is not None else None
    message = f"{error.message}; {_left_behind(options.path, known)}"
    return outcome._replace(message=message, failed=True, judgement=refused or known.judgement)


def _revoked(options: Options, known: Current, came: _Came, outcome: Outcome) -> Outcome:
    """The outcome where the CA says that the certificate is revoked. What is in place is the user's to remove."""
    said = came.error.message if came.error is not None else ""
    state = ""
    if options.path:
        state = f"; {options.path} was left as it was" if known.data is not None else "; nothing was written"
    message = f"{said}{state}; replace the certificate"
    failed = options.on_revoked == "fail"
    return outcome._replace(
        message=message,
        failed=failed,
        judgement=came.judgement,
        data=None,
        renew_at=None,
        warnings=() if failed else (message,),
    )


def _left_behind(path: str, known: Current) -> str:
    if known.judgement is None:
        missing = f"{path} does not exist" if path else "there is no response in place"
        return f"{missing}, so there is nothing to staple"
    if "wrong_certificate" in known.judgement.errors:
        # What is left of a former certificate; its serial number would only mislead.
        where = f"{path} was left as it was; it" if path else "the one in place"
        return f"{where} is about another certificate"
    state = f"{path} was left as it was, but is" if path else "the one in place is"
    return f"{state} not good either: {known.judgement.message}"


# With a file


def refresh(options: Options, environment: Environment, write: bool = True) -> Outcome:
    """Bring one staple file up to date, or find out with ``write`` False what would be done.

    Raises InputError and FileError; failures to get a good response are in the outcome.
    """
    fresh = freshness.check_fresh(options, environment.now(), environment.lead)
    return fresh or refresh_locked(options, environment, write)


def refresh_locked(options: Options, environment: Environment, write: bool = True) -> Outcome:
    """Do the part of ``refresh`` that holds the lock, where ``check_fresh`` found something to do."""
    place = files.resolve(options.path, f"path: {options.path}", create=write)
    with files.lock(place, options.total_timeout + _LOCK_GRACE, resolved=True, sleep=environment.sleep):
        # Another run may have refreshed the file while this one waited.
        content, data = freshness.read_in_place(options)
        outcome = obtain(options.target, options, data, environment)
        return _put(options, outcome, place, content, environment, write)


def _put(
    options: Options,
    outcome: Outcome,
    place: str,
    found: t.Optional[bytes],
    environment: Environment,
    write: bool,
) -> Outcome:
    """Have exactly the response of the outcome in the file, in the format asked for, where one is good."""
    content = freshness.in_format(options, outcome.data)
    if content is None or outcome.fetch_error is not None:
        return outcome
    message = outcome.message
    if outcome.changed and outcome.judgement is not None:
        ends = format_time(outcome.judgement.effective_expiry)
        message = f"a response that is good until {ends} {'was' if write else 'would be'} installed"
    changed = content != found
    warnings = outcome.warnings
    if changed and not write:
        warnings += _foreseen(place, options)
    backup = None
    if changed and write:
        if options.backups and found is not None:
            backup = files.back_up(place, environment.now(), options.backups)
        files.replace_file(place, content, options.in_place, environment.sync_folder, resolved=True)
    return outcome._replace(message=message, changed=changed, backup_file=backup, warnings=warnings)


def _foreseen(place: str, options: Options) -> t.Tuple[str, ...]:
    """Why writing will fail: an earlier task that changes that has not done so in check mode either."""
    folder = os.path.dirname(place)
    if not os.path.isdir(folder):
        return (f"the folder {folder} does not exist; unless it is created first, writing {options.path} will fail",)
    if os.access(folder, os.W_OK | os.X_OK) or (options.in_place and os.access(place, os.W_OK)):
        return ()
    return (
        f"this user may not write in the folder {folder}; unless that is changed, writing {options.path} will fail",
    )


def remove(path: str, write: bool = True) -> Outcome:
    """Remove a staple file because the user says so. Raises InputError and FileError."""
    found = reading.read_file(path, f"path: {path}", 0) is not None
    if found and write:
        files.remove_file(path)
    done = "was removed" if write else "would be removed"
    return Outcome(path, f"the response {done}" if found else "there is no response to remove", changed=found)
