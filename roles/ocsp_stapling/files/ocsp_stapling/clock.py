# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this host's clock is plausible, since with a wrong clock good staples look expired.

The clock is doubted when it is behind the latest time that was seen, when it is weeks ahead of it, and when
responders contradict it. What a CA signed settles it: a response that is good by this clock, and that is newer
than what was in place or is recent. It is doubted, too, where a staple in place begins later.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ocsp.judge.response import SET_BACK
from ocsp.text import format_time

#: How long a host may have been off.
_AHEAD = timedelta(days=30)
#: For how long the unprivileged user is believed that responders contradict the clock, and when it may say so again.
_CLAIM, _NEXT_CLAIM = timedelta(days=1), timedelta(days=30)


class Evidence(t.NamedTuple):
    """What the responses at hand say: one is newer than what was in place and good by this clock, or is good at all."""

    new: bool
    good: bool


def claim_began(now: datetime, before: t.Optional[datetime]) -> datetime:
    """When the claim began that responders contradict the clock, which is made ``now``.

    ``before`` is when an earlier one began. That counts for a month, so that claims with pauses are believed no longer
    than one without.
    """
    return before if before is not None and before <= now < before + _NEXT_CLAIM else now


def is_believed(now: datetime, began: datetime) -> bool:
    """Whether a claim still counts. Nothing proves it, and a staple that has ended must not stay for ever."""
    return now < began + _CLAIM


def problem(
    now: datetime,
    latest: t.Optional[datetime],
    contradicted: bool,
    evidence: t.Callable[[], Evidence],
) -> str:
    """Why the clock is in doubt, as one sentence, or an empty string.

    ``latest`` is the latest time at which the clock was believed. ``evidence`` is asked only in doubt.
    """
    if latest is not None and now < latest - SET_BACK:
        doubt = f"is behind the {format_time(latest)} of an earlier run"
        proven = evidence().new
    elif latest is not None and now > latest + _AHEAD:
        doubt = f"is {(now - latest).days} days ahead of the last run"
        proven = evidence().good
    elif contradicted:
        doubt = "contradicts the responders' clocks by more than an hour"
        proven = evidence().new
    else:
        return ""
    return "" if proven else _consequence(f"this host's clock says {format_time(now)}, which {doubt}")


def problem_by_staple(name: str, reason: str) -> str:
    """The same where the staple in place of a certificate is the ``reason``."""
    return _consequence(f"{reason}, that of {name}")


def _consequence(doubt: str) -> str:
    return (
        f"{doubt}; no staple is withdrawn because of the time. "
        "Check the time (timedatectl); if it is right, run 'ocsp-stapling apply --trust-clock' once"
    )
