# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses that are valid for minutes or days, on hosts where the program runs often or rarely."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host

NAME = "www.example.com"

#: How often the program runs: the fields of cron, and the time between.
TIMERS = {
    "5 minutes": ("*/5 * * * *", 5 * MINUTE),
    "an hour": ("0 * * * *", HOUR),
    "6 hours": ("0 */6 * * *", 6 * HOUR),
    "a day": ("0 0 * * *", DAY),
}
LIVES = {
    "30 minutes": 30 * MINUTE,
    "90 minutes": 90 * MINUTE,
    "2 hours": 2 * HOUR,
    "12 hours": 12 * HOUR,
    "7 days": 7 * DAY,
}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    import time

    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC0")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def web(host: Host) -> Host:
    host.service("web")
    host.deploy(NAME, ["web"])
    return host


def at_next_run(host: Host, every: timedelta) -> None:
    """Some seconds after the next start, as it is on a host."""
    host.now = datetime.fromtimestamp(
        (host.now.timestamp() // every.total_seconds() + 1) * every.total_seconds() + 3, timezone.utc
    )


def ends(host: Host) -> datetime:
    text = host.known(NAME)["staple"]["effective_expiry"]
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("timer", TIMERS)
def test_a_staple_is_there_all_the_time_or_it_is_said_why_not(
    web: Host, timer: str, life: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, every = TIMERS[timer]
    web.schedule(fields, monkeypatch)
    web.maker = lambda leaf, now: hosts.good(leaf, now, life=LIVES[life], age=2 * MINUTE)
    for _number in range(6):
        at_next_run(web, every)
        done = web.hour()[1]
        if LIVES[life] > every * 1.4:
            assert done.code == 0, done.err
            assert ends(web) > web.now + every
            # A playbook that runs in between starts apply as well.
            web.later(every * 0.9)
            assert web.run("apply").code == 0
            assert web.staple(NAME) is not None
            assert web.run("status").code == 0
        else:
            assert done.code == 2
            assert web.staple(NAME) is None
            said = web.run("status", "--nagios").out
            assert "ocsp_stapling_timer" in said
            assert f"the program runs only every {every // MINUTE} minutes" in said
    assert web.reloads("web") <= 6


def test_no_staple_expires_in_place_when_the_responder_is_down(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    web.schedule("0 * * * *", monkeypatch)
    web.maker = lambda leaf, now: hosts.good(leaf, now, life=90 * MINUTE, age=2 * MINUTE)
    at_next_run(web, HOUR)
    web.hour()
    assert web.staple(NAME) is not None
    web.down = True
    at_next_run(web, HOUR)
    done = web.hour()[1]
    assert done.code == 2 and web.staple(NAME) is None
    assert "before the next run, and no newer one could be fetched" in done.err


def test_refresh_does_not_promise_what_apply_refuses(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    web.schedule("0 * * * *", monkeypatch)
    web.maker = lambda leaf, now: hosts.good(leaf, now, life=55 * MINUTE, age=2 * MINUTE)
    web.hour()
    web.later(MINUTE)
    web.down = True
    said = web.run("refresh", "--force").err
    assert "puts it in place" not in said
    assert "no staple is in place: responses of this responder are valid for only 55 minutes" in said


# What is planned ----------------------------------------------------------------------------------


def planned(host: Host) -> datetime:
    shown = json.loads(host.run("status", "--json").out)["certificates"][NAME]["next_attempt"]
    return datetime.fromisoformat(shown.replace("Z", "+00:00"))


@pytest.mark.parametrize("timer", TIMERS)
def test_the_time_of_the_next_attempt_is_that_of_a_run_that_asks(
    web: Host, timer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, every = TIMERS[timer]
    web.schedule(fields, monkeypatch)
    at_next_run(web, every)
    web.hour()
    for down in (False, True, True, True):
        web.down = down
        moment = planned(web)
        assert moment > web.now and moment.timestamp() % every.total_seconds() == 0
        before = web.requests
        if moment - every > web.now:
            web.now = moment - every  # to the second: what is due by chance just after it waits for the next run
            web.hour()
            assert web.requests == before, "a run asked that was not announced"
        web.now = moment
        web.hour()
        assert web.requests > before


@pytest.mark.parametrize("timer", TIMERS)
def test_the_next_attempt_is_known_right_after_a_deployment(
    web: Host, timer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it replaces a staple that refresh knows: the one that it brought is due later."""
    fields, every = TIMERS[timer]
    web.schedule(fields, monkeypatch)
    at_next_run(web, every)
    for _number in range(2):
        web.put_staple(NAME)
        before, requests = planned(web), web.requests
        web.hour()
        assert planned(web) == before > web.now + 2 * DAY and web.requests == requests
        web.later(DAY)


def test_the_next_attempt_is_known_of_what_is_kept_for_a_server(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner no longer configures it, but it is renewed for as long as a configuration uses it."""
    web.schedule("0 * * * *", monkeypatch)
    web.put_staple(NAME)
    web.configure(certificates=[])
    given = parts.Certificate(NAME, ("web",), dropped=True)
    parts.save(sets.Layout(str(web.root), str(web.state)), parts.Part("site", (given,)))
    assert web.run("apply").code == 1
    assert planned(web) > web.now + 2 * DAY


@pytest.mark.parametrize("timer", TIMERS)
def test_without_a_staple_each_run_asks(web: Host, timer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, every = TIMERS[timer]
    web.schedule(fields, monkeypatch)
    web.down = True
    for _number in range(5):
        at_next_run(web, every)
        before = web.requests
        web.hour()
        assert web.requests > before
        following = (web.now + every).replace(second=0)
        assert planned(web) == following
        text = web.run("status").out
        assert f"planned for {following:%H:%M} UTC (in" in text or f"{following:%Y-%m-%d %H:%M} UTC (in" in text, text
    web.down = False
    web.later(timedelta(seconds=20))
    web.run("refresh")
    assert web.run("apply").code == 0 and web.staple(NAME) is not None


# What status says ---------------------------------------------------------------------------------


def test_the_most_urgent_of_equal_severity_comes_first(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.schedule("*/5 * * * *", monkeypatch)
    lives = {"a.example.com": 30 * DAY, "z.example.com": 3 * HOUR}
    host.service("web")
    for name, life in lives.items():
        host.deploy(name, ["web"])
        host.makers[name] = lambda leaf, now, life=life: hosts.good(leaf, now, life=life, age=timedelta(0))
    host.config["defaults"]["maximum_age"] = "60d"
    host.configure()
    host.hour()
    host.later(DAY * 24)
    host.run("refresh")
    host.run("apply")
    host.down = True
    host.later(HOUR * 2.5)
    host.hour()
    done = host.run("status", "--nagios").out
    assert done.startswith("OCSP WARNING - z.example.com: "), done


def test_a_run_over_some_certificates_is_told_and_says_nothing_about_the_timer(web: Host) -> None:
    web.hour()
    web.later(5 * HOUR)
    for command in ("refresh", "apply"):
        web.run(command, NAME)
    text = web.run("status").out
    assert text.count("last ran at 2026-03-04 10:06 UTC") == 2, text
    assert text.count("last ran for all certificates at 2026-03-04 05:06 UTC") == 2, text
