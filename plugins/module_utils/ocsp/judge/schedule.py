# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""When a response or a certificate is due, and how long to wait after a failure."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timedelta

from .judgement import Judgement

_BACKOFF_BASE = 1.0
_BACKOFF_LIMIT = 30.0

#: The part of the time until a response is due over which those who hold it spread, and its most.
_SPREAD = 0.1
_SPREAD_LIMIT = timedelta(hours=12)
_RETRY_LIMIT = timedelta(hours=12)
#: How long a responder may have no question at most while there is no staple: anybody on the way can ask for that.
_RETRY_AFTER_LIMIT = timedelta(hours=1)
#: The part of the time left that a wait between two attempts may take.
_RETRY_SHARE = 0.125
_RETRY_AFTER_SHARE = 0.5

#: The part of the life of a response that is left to it when whatever is good has to take its place.
_LAST_SHARE = 0.25

#: How long a run takes until its staples are in place, and the part of the time between two runs that is at most.
_RUN = timedelta(minutes=10)
_RUN_SHARE = 0.25
#: How long one takes of which the fetching hangs until it is killed.
LONGEST_RUN = timedelta(minutes=22)


#: Below this life of a certificate, half of it counts at least instead of a third, as with other clients.
SHORT_LIFE = timedelta(days=10)
SHORT_LIFE_SHARE = 0.5
_CERTIFICATE_SHARE = 1 / 3


class Renewal(t.NamedTuple):
    """When to renew: as soon as less than ``minimum_validity`` or less than ``minimum_percentage``
    (0 to 100) of the response's life is left, whichever comes first.
    """

    minimum_validity: t.Optional[timedelta] = None
    minimum_percentage: float = 50.0


class Lookahead(t.NamedTuple):
    """What it takes to replace a response before it expires, where a program runs from time to time.

    ``following`` is how long it is until its next run starts, ``interval`` the longest time from one to the next, and
    ``margin`` how long a run may take. ``fetches`` says whether it asks responders itself; otherwise others bring
    responses.
    """

    following: timedelta = timedelta(0)
    interval: timedelta = timedelta(0)
    margin: timedelta = timedelta(0)
    fetches: bool = True

    def needed(self, life: timedelta) -> timedelta:
        """How much of a response with this life must be left now, so that it can be left to the next run.

        That run may fail, so it should be two, as far as that takes no more than half of the life. Or it may hang, for
        which there is less room where the life is short: a response that has just been fetched has to be left in place.
        What one run leaves in place, another that comes before the next one leaves there, too.
        """
        hanging = min(LONGEST_RUN, self.interval, (life - self.interval) / 2)
        return self.following + max(self.margin, min(self.interval, life / 2 - self.interval), hanging)

    def is_too_short(self, life: timedelta) -> bool:
        """Whether no response with this life lasts from one run to the next."""
        return life <= self.interval + self.margin


def look_ahead(following: timedelta, interval: timedelta, fetches: bool = True) -> Lookahead:
    """What a program demands that runs again after ``following``, and then every ``interval`` or more often."""
    return Lookahead(following, interval, min(_RUN, interval * _RUN_SHARE), fetches)


def asked_from(planned: datetime, ends: t.Optional[datetime], interval: timedelta) -> datetime:
    """From when on each run asks for a newer response, where that is ``planned`` and the one in place ``ends``.

    The last two runs ask, whatever the plan: the second one comes too late for a staple that has to be withdrawn.
    """
    return planned if ends is None else min(planned, ends - interval * 2)


def is_near_end(judgement: Judgement, now: datetime, interval: timedelta = timedelta(0)) -> bool:
    """Whether a response has so little of its life left, or so few runs, that whatever is good has to take its place.

    One run follows another by ``interval``. What has no times is always near its end.
    """
    start, end = judgement.this_update, judgement.effective_expiry
    if start is None or end is None:
        return True
    return now >= asked_from(end - (end - start) * _LAST_SHARE, end, interval)


def renew_at(judgement: Judgement, renewal: Renewal) -> t.Optional[datetime]:
    """When an acceptable response becomes due; None where it has no times.

    The end of the certificate asked about does not make a response due, since no newer response
    outlives it. A ``minimum_validity`` that the whole life of a response cannot meet is left to the
    percentage, or to half of the life: otherwise each run would fetch.
    """
    start, end = judgement.this_update, judgement.renewable_until
    if start is None or end is None:
        return None
    life = end - start
    due = end - life * (renewal.minimum_percentage / 100)
    margin = renewal.minimum_validity
    if margin is None:
        return due
    if margin < life:
        return min(due, end - margin)
    return due if renewal.minimum_percentage > 0 else start + life / 2


def certificate_share(life: timedelta, share: float = _CERTIFICATE_SHARE) -> float:
    """The part of its life (0 to 1) that is left to a certificate when it is due, where its CA suggests nothing."""
    return max(share, SHORT_LIFE_SHARE) if life < SHORT_LIFE else share


def certificate_life(begins: datetime, ends: datetime) -> timedelta:
    """How long a certificate can be used that ends with its chain, which may have ended before it began."""
    return max(ends - begins, timedelta(0))


def certificate_due(begins: datetime, ends: datetime, share: float = _CERTIFICATE_SHARE) -> datetime:
    """When a certificate is due to be replaced by its age. It ends itself, or with its chain."""
    life = certificate_life(begins, ends)
    return ends - life * certificate_share(life, share)


def is_due(judgement: Judgement, renewal: Renewal, now: datetime) -> bool:
    """Whether a response should be fetched: there is no good one, or it is time to renew it."""
    moment = renew_at(judgement, renewal)
    return not judgement.acceptable or moment is None or now >= moment


def backoff(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures (at least 1): doubled each time, at most 30.

    ``jitter`` (0 to 1) spreads clients over the second half of the wait, so that a fleet that
    failed together does not come back together.
    """
    wait: float = min(_BACKOFF_LIMIT, _BACKOFF_BASE * 2 ** (min(failures, 16) - 1))
    return wait * (0.5 + 0.5 * jitter)


def spread(due: datetime, since: datetime, seed: bytes) -> datetime:
    """When to renew a response of ``since`` that is ``due``: up to a tenth of the time between earlier.

    The same ``seed`` always gives the same moment, and many seeds spread evenly, so that a fleet does not
    ask at once. It is never later than due.
    """
    window = max(timedelta(0), min((due - since) * _SPREAD, _SPREAD_LIMIT))
    share = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") / 2**64
    return due - window * share


def retry_at(
    now: datetime,
    failures: int,
    ends: t.Optional[datetime],
    interval: timedelta,
    jitter: float,
    retry_after: t.Optional[timedelta] = None,
) -> datetime:
    """When to try again after so many failed runs (at least 1), where one run follows another by ``interval``.

    The wait doubles up to 12 hours, and ``jitter`` (0 to 1) spreads it over its second half. It takes at
    most an eighth of what is left until ``ends``, the end of the response in place, so that attempts become
    frequent again in time; without one, each run tries again. A responder that asks for a longer
    wait gets up to half of what is left, or an hour.
    """
    wait = min(interval * (1 << min(failures - 1, 15)), _RETRY_LIMIT) * (0.5 + 0.5 * jitter)
    left = None if ends is None else max(timedelta(0), ends - now)
    wait = min(wait, timedelta(0) if left is None else left * _RETRY_SHARE)
    if retry_after is not None:
        wait = max(wait, min(retry_after, _RETRY_AFTER_LIMIT if left is None else left * _RETRY_AFTER_SHARE))
    return now + wait
