# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a response is due, and how durations and times are written."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import schedule
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.schedule import Renewal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time, parse_duration, parse_time
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, SECOND

W = forge.world()
START, END = NOW - DAY, NOW + 6 * DAY  # the life of the forged response: 7 days


def judged(data: bytes, leaf: forge.Entity = W.leaf, **rules: t.Any) -> Judgement:
    target = certificates.Target(
        certificates.Certificate.from_der(leaf.der), certificates.Certificate.from_der(W.issuer.der)
    )
    return judge(data, target, NOW, Rules(**rules))


GOOD = judged(forge.response())


@pytest.fixture(params=["UTC0", "TEST-14", "TEST+12"])
def any_time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    with monkeypatch.context() as context:
        context.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


# Durations ---------------------------------------------------------------------------------------

DURATIONS = {
    "3d": 3 * DAY,
    "1w 3d 5h": 10 * DAY + 5 * HOUR,
    "1w2d": 9 * DAY,
    "2 hours 5 minutes": 2 * HOUR + 5 * MINUTE,
    "12 hours": 12 * HOUR,
    "1 week 1 day 1 hour 1 minute 1 second": 8 * DAY + HOUR + MINUTE + SECOND,
    "2 weeks 2 days 2 hours 2 minutes 2 seconds": 16 * DAY + 2 * HOUR + 2 * MINUTE + 2 * SECOND,
    "5 min 30 sec": 5 * MINUTE + 30 * SECOND,
    "90s": 90 * SECOND,
    "90m": 90 * MINUTE,
    "3 D": 3 * DAY,
    "2 Hours": 2 * HOUR,
    "5h 3d": 3 * DAY + 5 * HOUR,
    "1d 1d": 2 * DAY,
    "  3d\t5h \n": 3 * DAY + 5 * HOUR,
    "0d": timedelta(0),
    "007d": 7 * DAY,
}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations(text: str) -> None:
    assert parse_duration(text, "minimum_validity") == DURATIONS[text]


BAD_DURATIONS = [
    "",
    "   ",
    "3",
    "d",
    "3x",
    "3 months",
    "1y",
    "3d 5",
    "3d and 5h",
    "3d, 5h",
    "-3d",
    "3d -5h",
    "+3d",
    "1.5d",
    "1e3s",
    "P3D",
    "3:00",
    "3dd",
    "3 d h",
    "0x10s",
    "9999999999s",
    "999999999w",
    "None",
]


@pytest.mark.parametrize("text", BAD_DURATIONS)
def test_what_is_no_duration_is_refused_by_the_name_of_the_option(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_duration(text, "minimum_validity")
    assert caught.value.message.startswith("minimum_validity: ")
    assert f"'{text}'" in caught.value.message


# Times -------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=timezone.utc)

TIMES = {
    "2026-11-23T12:00:00Z": NOON,
    "2026-11-23T12:00:00z": NOON,
    "2026-11-23T12:00:00+00:00": NOON,
    "2026-11-23T13:00:00+01:00": NOON,
    "2026-11-24T02:00:00+14:00": NOON,
    "2026-11-23T00:00:00-12:00": NOON,
    # An unquoted time in a playbook is a datetime by the time it gets here, and this is its text.
    "2026-11-23 12:00:00+00:00": NOON,
    "20261123120000Z": NOON,
    "261123120000Z": NOON,
    "20500101000000Z": datetime(2050, 1, 1, tzinfo=timezone.utc),
    # A year of two digits is of 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
    "491231235959Z": datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
    "500101000000Z": datetime(1950, 1, 1, tzinfo=timezone.utc),
}


@pytest.mark.parametrize("text", TIMES)
@pytest.mark.usefixtures("any_time_zone")
def test_times_mean_the_same_in_any_time_zone(text: str) -> None:
    moment = parse_time(text, "now")
    assert moment == TIMES[text]
    assert moment.tzinfo is timezone.utc


@pytest.mark.parametrize("fraction", [".2", ".25", ".250", ".250000"])
def test_fractions_of_a_second_may_count_or_not(fraction: str) -> None:
    assert NOON <= parse_time(f"2026-11-23T12:00:00{fraction}Z", "now") < NOON + SECOND


BAD_TIMES = [
    "",
    "now",
    "tomorrow",
    "+3d",
    "1763899200",
    "2026-11-23T12:00:00",  # whose noon?
    "2026-11-23 12:00:00",
    "2026-11-23",
    "20261123120000",
    # Python 3.11 would read these as 20:00, with a digit for the T.
    "20261123120000+0000",
    "20261123120000+01:00",
    "202611231200+00:00",
    "2026112312000Z",
    "202611231200Z1",
    "20261323120000Z",
    "20260229120000Z",
    "20261123240000Z",
    "20261123120061Z",
    "20261123120000.5Z",
    "2026-02-30T12:00:00Z",
    "2026-11-23T25:00:00Z",
    "2026-11-23T12:00:00+25:00",
    "2026-11-23T12:00:00ZZ",
    "2026-11-23T12:00:00 UTC",
    "Mon, 23 Nov 2026 12:00:00 GMT",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
]


@pytest.mark.parametrize("text", BAD_TIMES)
def test_what_is_no_time_is_refused_by_the_name_of_the_option(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_time(text, "now")
    assert caught.value.message.startswith("now: ")
    assert f"'{text}'" in caught.value.message


@pytest.mark.usefixtures("any_time_zone")
def test_times_are_shown_in_utc() -> None:
    assert format_time(NOON) == "2026-11-23T12:00:00Z"
    assert format_time(NOON.astimezone(timezone(5 * HOUR))) == "2026-11-23T12:00:00Z"
    assert format_time(NOON + timedelta(microseconds=999999)) == "2026-11-23T12:00:00Z"
    assert format_time(None) is None


@pytest.mark.usefixtures("any_time_zone")
def test_what_is_shown_can_be_given() -> None:
    shown = format_time(NOON)
    assert shown is not None
    assert parse_time(shown, "now") == NOON


# Due ---------------------------------------------------------------------------------------------

RENEWALS = {
    "half of the life, by default": (Renewal(), END - 3.5 * DAY),
    "a share of the life": (Renewal(None, 42.8), END - 7 * DAY * 0.428),
    "a share of a quarter": (Renewal(None, 25), END - 1.75 * DAY),
    "0 percent is the end": (Renewal(None, 0), END),
    "100 percent is the beginning": (Renewal(None, 100), START),
    "a margin alone": (Renewal(3 * DAY, 0), END - 3 * DAY),
    "the margin comes first": (Renewal(4 * DAY, 50), END - 4 * DAY),
    "the share comes first": (Renewal(3 * DAY, 50), END - 3.5 * DAY),
    "the share comes first, as in the ancestor": (Renewal(2 * DAY, 42.8), END - 7 * DAY * 0.428),
    "a margin just shorter than the life": (Renewal(7 * DAY - SECOND, 50), START + SECOND),
    "a margin as long as the life does not count": (Renewal(7 * DAY, 50), END - 3.5 * DAY),
    "a margin longer than the life does not count": (Renewal(30 * DAY, 42.8), END - 7 * DAY * 0.428),
    "nor without a share, when half of the life does": (Renewal(30 * DAY, 0), END - 3.5 * DAY),
    "nor a margin as long as clocks can count": (Renewal(timedelta.max, 50), END - 3.5 * DAY),
}


@pytest.mark.parametrize("name", RENEWALS)
@pytest.mark.usefixtures("any_time_zone")
def test_due_whichever_comes_first(name: str) -> None:
    renewal, moment = RENEWALS[name]
    assert schedule.renew_at(GOOD, renewal) == moment
    assert not schedule.is_due(GOOD, renewal, moment - SECOND)
    assert schedule.is_due(GOOD, renewal, moment)
    assert schedule.is_due(GOOD, renewal, moment + SECOND)


def test_a_margin_that_the_life_cannot_meet_does_not_fetch_on_every_run() -> None:
    one_day = judged(forge.response(forge.single(this_update=NOW - HOUR, next_update=NOW + 23 * HOUR)))
    for percentage in (0, 25, 50):
        assert not schedule.is_due(one_day, Renewal(3 * DAY, percentage), NOW)


def test_the_end_of_the_certificate_makes_nothing_due() -> None:
    """Near its end, the ancestor fetched on every run, although no response outlives the certificate."""
    leaf = forge.leaf(W.issuer, not_after=NOW + HOUR)
    judgement = judged(forge.response(forge.single(leaf)), leaf)
    assert judgement.acceptable
    assert judgement.effective_expiry == NOW + HOUR
    for renewal in (Renewal(), Renewal(3 * DAY, 0), Renewal(3 * DAY, 42.8)):
        assert not schedule.is_due(judgement, renewal, NOW)
        assert not schedule.is_due(judgement, renewal, NOW + HOUR - SECOND)


def test_the_end_of_the_responders_certificate_makes_due_since_the_next_one_outlives_it() -> None:
    delegate = forge.delegate(W.issuer, not_after=NOW + DAY)
    judgement = judged(forge.response(signer=delegate))
    assert judgement.acceptable
    assert schedule.renew_at(judgement, Renewal()) == NOW
    assert schedule.renew_at(judgement, Renewal(HOUR, 0)) == NOW + DAY - HOUR


def test_a_response_without_next_update_lives_a_day() -> None:
    data = forge.response(forge.single(this_update=NOW - HOUR, next_update=None))
    judgement = judged(data, allow=frozenset({"missing_next_update"}))
    assert judgement.acceptable
    assert schedule.renew_at(judgement, Renewal()) == NOW + 11 * HOUR
    assert schedule.renew_at(judgement, Renewal(3 * DAY, 25)) == NOW + 17 * HOUR


BAD_RESPONSES = {
    "expired": forge.response(forge.single(next_update=NOW - SECOND)),
    "revoked": forge.response(forge.single(status="revoked")),
    "without nextUpdate": forge.response(forge.single(next_update=None)),
    "for another certificate": forge.response(forge.single(serial=1)),
    "try later": forge.error_response("try_later"),
    "empty": b"",
    "garbage": b"\x30\x03\x0a\x01\x00garbage",
}


@pytest.mark.parametrize("name", BAD_RESPONSES)
def test_what_is_not_good_is_due_at_once(name: str) -> None:
    judgement = judged(BAD_RESPONSES[name])
    assert not judgement.acceptable
    assert schedule.is_due(judgement, Renewal(None, 0), NOW)


def test_without_times_there_is_no_time_to_renew() -> None:
    assert schedule.renew_at(judged(b""), Renewal()) is None


# Back-off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (100, 30), (10**9, 30)]
)
def test_pauses_double_up_to_half_a_minute_and_spread_over_their_second_half(failures: int, longest: float) -> None:
    assert schedule.backoff(failures, 0.0) == longest / 2
    assert schedule.backoff(failures, 0.5) == longest * 0.75
    assert schedule.backoff(failures, 1.0) == longest


# The hours between playbooks -----------------------------------------------------------------------

SEEDS = [f"host {number}".encode() for number in range(1000)]


def test_a_fleet_spreads_over_a_tenth_of_the_time_before_it_is_due() -> None:
    due = START + 5 * DAY
    moments = [schedule.spread(due, START, seed) for seed in SEEDS]
    assert moments == [schedule.spread(due, START, seed) for seed in SEEDS]
    assert all(due - 12 * HOUR <= moment <= due for moment in moments)
    per_hour = [sum(due - hour * HOUR - HOUR < moment <= due - hour * HOUR for moment in moments) for hour in range(12)]
    assert min(per_hour) > 50, per_hour


def test_the_spread_has_limits() -> None:
    assert all(schedule.spread(START + 90 * DAY, START, seed) >= START + 89.5 * DAY for seed in SEEDS)
    assert all(schedule.spread(START, START, seed) == START for seed in SEEDS)
    assert all(schedule.spread(START, START + DAY, seed) == START for seed in SEEDS)


RETRIES = {
    "at the next run": (1, 7 * DAY, None, HOUR),
    "after two": (2, 7 * DAY, None, 2 * HOUR),
    "doubled": (4, 7 * DAY, None, 8 * HOUR),
    "after half a day at the most": (5, 7 * DAY, None, 12 * HOUR),
    "however often it failed": (10**9, 7 * DAY, None, 12 * HOUR),
    "more often when the end comes near": (10**9, DAY, None, 3 * HOUR),
    "in each run at last": (10**9, 4 * HOUR, None, HOUR / 2),
    "and past the end": (10**9, -HOUR, None, 0 * HOUR),
    "in the next run, with nothing in place": (10**9, None, None, 0 * HOUR),
    "as the responder asks": (1, 7 * DAY, 5 * HOUR, 5 * HOUR),
    "not sooner because the responder asks": (3, 7 * DAY, HOUR, 4 * HOUR),
    "as the responder asks, within what is left": (1, 7 * DAY, 30 * DAY, 3.5 * DAY),
    "as the responder asks, with nothing in place": (1, None, 30 * DAY, HOUR),
}


@pytest.mark.parametrize("name", RETRIES)
def test_when_to_try_again(name: str) -> None:
    failures, left, retry_after, longest = RETRIES[name]
    ends = None if left is None else NOW + left
    assert schedule.retry_at(NOW, failures, ends, HOUR, 1.0, retry_after) == NOW + longest
    assert NOW <= schedule.retry_at(NOW, failures, ends, HOUR, 0.0, retry_after) <= NOW + longest
    if retry_after is None and failures < 5:
        assert schedule.retry_at(NOW, failures, ends, HOUR, 0.0) == NOW + longest / 2


@pytest.mark.parametrize("minutes", range(71, 300, 7))
def test_what_hangs_keeps_no_staple_in_place_that_has_expired(minutes: int) -> None:
    """What a run leaves, since the next one comes in time, outlasts one of which the fetching hangs until it is killed.

    Of a life of little more than the time between two runs, that is so as far as a response can be in place at all.
    """
    hour, life = timedelta(hours=1), timedelta(minutes=minutes)
    ahead = schedule.look_ahead(hour, hour)
    assert not ahead.is_too_short(life) and ahead.needed(life) < life
    assert ahead.needed(life) >= hour + min(schedule.LONGEST_RUN, (life - hour) / 2)
