# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What came of the last attempt to deploy a certificate, where that did not end well, one file for each name:

    attempts/<name>.json  {"version": 1,
                           "time": TIME,          when it ended
                           "outcome": "held_back",   one of OUTCOMES
                           "code": "unreachable",    the reason code
                           "message": "...",         why, as one sentence
                           "fingerprint": HEX,       SHA-256 of the certificate that was meant; empty if unreadable
                           "not_after": TIME,        until when that is valid, or null
                           "owner": "site.yml",      who deployed; may be empty
                           "live": "20260304T...",   the identifier of the set that was live then; may be empty
                           "left_out_until": TIME}   until when this certificate is not tried again if a search finds
                                                     it where other users can write, or null

TIME is ISO 8601 in UTC. Everybody may read the files, and there are no secrets in them. Only root writes them, each by
one rename. What cannot be read is no record.

``write`` puts a record in the place of the last one, and ``forget`` removes it: a deployment that ends well calls it,
and so does whatever removes the set. ``outstanding`` is what to show: the record, unless the set that is live is the
one that was meant, or another one than then. ``deploy.outcomes`` makes records of the results of a transaction, and
``services.installation`` of runs that were killed.
"""

from __future__ import annotations

import json
import os
import typing as t
from datetime import datetime

from ..errors import FileError, InputError
from ..text import clean, format_time, parse_time
from . import files, reading, sets
from .sets import Layout

#: It is live, but there is no response for it yet.
LIVE_WITHOUT_STAPLE = "live_without_staple"
#: It can be used, but must not be: its CA has revoked it, or it requires a staple and there is none.
HELD_BACK = "held_back"
#: It was not accepted before anything was changed: key, chain or names do not fit, or an option cannot be used.
REFUSED = "refused"
#: It was live, or about to be, and what was there before was put back: a service does not accept it, or the run that
#: deployed it was killed.
SWITCHED_BACK = "switched_back"

OUTCOMES = (LIVE_WITHOUT_STAPLE, HELD_BACK, REFUSED, SWITCHED_BACK)

_VERSION = 1
_LARGEST = 16 * 1024
_LONGEST_MESSAGE, _LONGEST_TEXT = 1000, 100
_SUFFIX = ".json"


class Attempt(t.NamedTuple):
    """One attempt that did not end well; times are aware, ``fingerprint`` is as ``material.fingerprint`` has it."""

    time: datetime
    outcome: str
    code: str
    message: str
    fingerprint: str = ""
    not_after: t.Optional[datetime] = None
    owner: str = ""
    left_out_until: t.Optional[datetime] = None
    live: str = ""

    @property
    def is_live(self) -> bool:
        """Whether the certificate that was meant went live all the same."""
        return self.outcome == LIVE_WITHOUT_STAPLE


def names(layout: Layout) -> t.List[str]:
    """The names of which there is a record, in alphabetical order."""
    return reading.names(os.path.dirname(layout.attempt("any")), _SUFFIX)


def read(layout: Layout, name: str) -> t.Optional[Attempt]:
    """The record about a name, or None where there is none that can be read. Never raises."""
    path = layout.attempt(name)
    try:
        data = reading.read_file(path, path, _LARGEST)
        values = json.loads(data) if data is not None and len(data) <= _LARGEST else None
        return _parse(values) if isinstance(values, dict) else None
    except (InputError, ValueError, RecursionError):
        return None


def _parse(values: t.Mapping[str, t.Any]) -> t.Optional[Attempt]:
    """Raises InputError for a time that is none."""
    outcome, time = values.get("outcome"), _time(values, "time")
    if values.get("version") != _VERSION or outcome not in OUTCOMES or time is None:
        return None
    return Attempt(
        time=time,
        outcome=outcome,
        code=_text(values, "code"),
        message=_text(values, "message", _LONGEST_MESSAGE),
        fingerprint=_text(values, "fingerprint"),
        not_after=_time(values, "not_after"),
        owner=_text(values, "owner"),
        left_out_until=_time(values, "left_out_until"),
        live=_text(values, "live"),
    )


def _time(values: t.Mapping[str, t.Any], key: str) -> t.Optional[datetime]:
    value = values.get(key)
    return parse_time(value[:_LONGEST_TEXT], key) if isinstance(value, str) else None


def _text(values: t.Mapping[str, t.Any], key: str, limit: int = _LONGEST_TEXT) -> str:
    value = values.get(key)
    return clean(value, limit) if isinstance(value, str) else ""


def outstanding(layout: Layout, name: str) -> t.Optional[Attempt]:
    """The record about a name as far as it still holds, or None. Never raises.

    Of a certificate that went live without a staple it holds while that is live, whether or not it has one by now.
    """
    attempt = read(layout, name)
    if attempt is None:
        return None
    if attempt.is_live:
        return attempt if is_live(layout, name, attempt.fingerprint) else None
    # Not by the times of both, as either may be of a clock that was wrong.
    is_overtaken = _live(layout, name) != attempt.live
    return None if is_overtaken or is_live(layout, name, attempt.fingerprint) else attempt


def is_live(layout: Layout, name: str, fingerprint: str) -> bool:
    """Whether the live set of a name is one with this certificate. Never raises."""
    return bool(fingerprint) and _live(layout, name).endswith(f"-{fingerprint[:8]}")


def _live(layout: Layout, name: str) -> str:
    """The identifier of the live set; empty where there is none."""
    try:
        return sets.current_id(layout, name) or ""
    except InputError:
        return ""


def write(layout: Layout, name: str, attempt: Attempt, live: t.Optional[str] = None) -> None:
    """Have this record on disk, in the place of the last one. Raises FileError.

    ``live`` is the identifier of the set that will be live, where that is not the one that is.
    """
    path = layout.attempt(name)
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        # The units of the program run with a umask of 0077.
        os.chmod(os.path.dirname(path), 0o755)
    except OSError as error:
        raise FileError(f"cannot create {os.path.dirname(path)}: {error.strerror}") from None
    values = {
        **attempt._asdict(),
        "version": _VERSION,
        "time": format_time(attempt.time),
        "message": clean(" ".join(attempt.message.split()), _LONGEST_MESSAGE),
        "not_after": format_time(attempt.not_after),
        "owner": clean(attempt.owner, _LONGEST_TEXT),
        "left_out_until": format_time(attempt.left_out_until),
        "live": _live(layout, name) if live is None else live,
    }
    files.replace_file(path, json.dumps(values, indent=1).encode("ascii") + b"\n", own=True)


def forget(layout: Layout, name: str) -> None:
    """Remove the record about a name, if there is one. Raises FileError."""
    files.remove_file(layout.attempt(name))
