# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this host's clock is plausible, since with a wrong clock good staples look expired.

The clock is doubted when it is behind the latest time that was seen, or behind the time that the host has been up since
then, when it is weeks ahead of that, and when responders contradict it. What a CA signed settles it: a response that is
good by this clock, and that is newer than what was in place or is recent. It is doubted, too, where a staple in place
begins later.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ocsp.judge.response import SET_BACK
from ocsp.text import format_time

from . import record
from .record import Values

#: How long a host may have been off.
_AHEAD = timedelta(days=30)
#: For how long the unprivileged user is believed that responders contradict the clock, and when it may say so again.
_CLAIM, _NEXT_CLAIM = timedelta(days=1), timedelta(days=30)


class Uptime(t.NamedTuple):
    """How long the host has been up, suspended or not, in seconds, and what tells this boot from others."""

    boot: str
    seconds: float


class Known(t.NamedTuple):
    """What earlier runs know of the time: the latest at which the clock was believed, and the uptime then."""

    latest: t.Optional[datetime]
    uptime: t.Optional[Uptime]

    def at(self, uptime: t.Optional[Uptime]) -> t.Optional[datetime]:
        """What the clock has to say by now: one that is set back again and again, or stands still, says less."""
        if self.latest is None or self.uptime is None or uptime is None or self.uptime.boot != uptime.boot:
            return self.latest
        return self.latest + timedelta(seconds=max(0.0, uptime.seconds - self.uptime.seconds))

    def values(self) -> Values:
        """What the state says of it; ``known`` reads that."""
        uptime = self.uptime or Uptime("", 0.0)
        return {"latest": format_time(self.latest), "boot": uptime.boot, "uptime": round(uptime.seconds)}


def known(values: Values) -> Known:
    """What the state says of the clock."""
    boot = record.text_of(values, "boot")
    uptime = Uptime(boot, record.seconds_of(values, "uptime")) if boot else None
    return Known(record.time_of(values, "latest"), uptime)


def believed(now: datetime, expected: t.Optional[datetime], uptime: t.Optional[Uptime]) -> Known:
    """What is known once the clock is believed, at ``now``, where it was ``expected`` to say that at least.

    What it is behind by without being doubted adds up with what it is set back by later.
    """
    is_near = expected is not None and expected - SET_BACK <= now < expected
    return Known(expected if is_near else now, uptime)


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
    expected: t.Optional[datetime],
    contradicted: t.Callable[[], bool],
    evidence: t.Callable[[], Evidence],
) -> str:
    """Why the clock is in doubt, as one sentence, or an empty string.

    ``latest`` is the latest time at which the clock was believed, and ``expected`` the same with the time since then
    that the host has been up. ``contradicted`` is asked where these raise no doubt, ``evidence`` only in doubt.
    """
    if latest is not None and now < latest - SET_BACK:
        doubt = f"is behind the {format_time(latest)} of an earlier run"
        proven = evidence().new
    elif expected is not None and now < expected - SET_BACK:
        doubt = f"should say {format_time(expected)}, by how long this host has been up since an earlier run"
        proven = evidence().new
    elif latest is not None and now > latest + _AHEAD:
        doubt = f"is {(now - latest).days} days ahead of the last run"
        proven = evidence().good
    elif contradicted():
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
