# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timers of systemd for hosts with cron: the same times, as systemd itself computes them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("ansible", reason="needs ansible-core")

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import timetable
from ansible_collections.certops.ocsp.plugins.plugin_utils import _cron, _program

CALENDARS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "*:0/5": "0-59/5 * * * *",
    "*:00/15:00": "0-59/15 * * * *",
    "*:5,35": "5,35 * * * *",
    "0/6:30": "30 0-23/6 * * *",
    "*-*-* 00/6:30:00": "30 0-23/6 * * *",
    "8..18:0/30": "0-59/30 8-18 * * *",
    "Mon..Fri 06:30": "30 6 * * 1-5",
    "Sat,Sun *-*-* 12:00": "0 12 * * 6,0",
    "fri..sun 1:02": "2 1 * * 5-7",
    "*-*-1,15 04:00": "0 4 1,15 * *",
    "*-1/3-01 00:00": "0 0 1 1-12/3 *",
    "*-12-24 18:00": "0 18 24 12 *",
}


@pytest.mark.parametrize("calendar", CALENDARS)
def test_a_calendar_as_a_job(calendar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _cron.fields(calendar)
    assert job == CALENDARS[calendar]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=20", "--", calendar],
        env={"TZ": "UTC0"},
        capture_output=True,
        text=True,
        check=False,  # it fails where it comes to the end of time
    ).stdout
    wanted = [
        datetime.fromisoformat(f"{one}+00:00") for one in re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?= UTC)", shown)
    ]
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC0")
        time.tzset()
        found = timetable.of_job(f"{job} root true", wanted[0] - timedelta(seconds=1))
    time.tzset()
    if found is None or len(found.starts) < 20:
        assert calendar == "*-12-24 18:00" or found is not None
        wanted = wanted[: len(found.starts) if found else 0]
    assert wanted == list(found.starts[: len(wanted)] if found else [])


@pytest.mark.parametrize(
    "calendar",
    [
        "*:*:0/30",
        "*~1 00:00",
        "Mon *-*-1 00:00",
        "2027-01-01 00:00",
        "daily UTC",
        "25:00",
        "*:0/5 Europe/Berlin",
        "often",
        "",
        "x",
    ],
)
def test_what_cron_cannot_do_is_refused(calendar: str) -> None:
    with pytest.raises(InputError, match=r"^ocsp_stapling_timer: cron, which starts the program"):
        _cron.fields(calendar)


@pytest.mark.parametrize(
    ("timer", "delay", "given"),
    [
        ("hourly", "30min", "30min"),
        ("*:0/5", "30min", "150s"),
        ("*:0/5", "1min", "1min"),
        ("daily", "45", "45"),
        ("Mon *-*-1 00:00", "30min", "30min"),
    ],
)
def test_a_delay_leaves_out_no_run(timer: str, delay: str, given: str) -> None:
    options = dict.fromkeys(("program", "root", "state_path", "user", "libexec", "log_file", "workers"), "x")
    values = _program.template_variables({**options, "timer": timer, "timer_delay": delay})
    assert values["ocsp_stapling_timer_delay"] == given


def test_the_delay_of_a_job_counts() -> None:
    now = datetime(2026, 3, 4, 5, 0, 30, tzinfo=timezone.utc)
    found = timetable.of_job("*/5 * * * * root sleep 100; program\n@reboot root program\n", now)
    assert found is not None and found.interval == timedelta(minutes=5)
    assert found.starts[0] == datetime(2026, 3, 4, 5, 1, 40, tzinfo=timezone.utc)
    assert found.first(now + timedelta(days=30)) == now + timedelta(days=30, minutes=1, seconds=10)


@pytest.mark.parametrize(
    "job", ["", "@hourly root x", "a * * * * root x", "60 * * * * root x", "*/0 * * * * root x", "5-1 * * * * root x"]
)
def test_a_job_that_is_not_understood_is_no_timetable(job: str) -> None:
    assert timetable.of_job(f"{job} root x", datetime.now(timezone.utc)) is None


# Systemd's own words ------------------------------------------------------------------------------


def shown_by_systemd(properties: t.Mapping[str, str], iterations: str) -> timetable.Timetable:
    def run(argv: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        return 0, iterations if "systemd-analyze" in argv else text, ""

    found = timetable.read(run, datetime(2026, 3, 4, 5, 6, tzinfo=timezone.utc), systemd=True)
    assert found is not None
    return found


def test_a_timer_has_its_delay_and_leaves_out_what_it_sleeps_through() -> None:
    """As of systemd 252, with a delay that is longer than the time between two runs."""
    found = shown_by_systemd(
        {
            "ActiveState": "active",
            "NextElapseUSecRealtime": "Wed 2026-03-04 05:12:00 UTC",
            "TimersCalendar": "{ OnCalendar=*-*-* *:00/5:00 ; next_elapse=Wed 2026-03-04 05:05:00 UTC }",
        },
        "".join(f"  Next elapse: Wed 2026-03-04 05:{minute}:00 UTC\n" for minute in (10, 15, 20, 25, 30, 35)),
    )
    assert [f"{start:%H:%M}" for start in found.starts] == ["05:12", "05:22", "05:32", "05:42"]
    assert not found.is_late


def test_a_timer_that_runs_now_is_not_taken_to_be_next() -> None:
    found = shown_by_systemd(
        {
            "ActiveState": "active",
            "NextElapseUSecRealtime": "Wed 2026-03-04 05:05:59 UTC",
            "TimersCalendar": "{ OnCalendar=*-*-* *:00:00 ; next_elapse=Wed 2026-03-04 05:00:00 UTC }",
        },
        "  Next elapse: Wed 2026-03-04 07:00:00 CET\n  (in UTC): Wed 2026-03-04 06:00:00 UTC\n"
        "  Iter. #2: Wed 2026-03-04 08:00:00 CET\n  (in UTC): Wed 2026-03-04 07:00:00 UTC\n",
    )
    assert [f"{start:%H:%M:%S}" for start in found.starts] == ["06:05:59", "07:05:59"]
    assert not found.is_late


@pytest.mark.parametrize(("monotonic", "first"), [("1d", "03-05 05:06"), ("", "03-24 05:10")])
def test_a_timer_that_started_by_a_clock_that_was_ahead_is_late(monotonic: str, first: str) -> None:
    """It passes over the times of its calendar until then, or until a day has passed, if it is that of the role."""
    shown = {
        "ActiveState": "active",
        "NextElapseUSecRealtime": "Tue 2026-03-24 05:10:00 UTC",
        "TimersCalendar": "{ OnCalendar=*-*-* *:00:00 ; next_elapse=Tue 2026-03-24 05:00:00 UTC }",
    }
    if monotonic:
        shown["TimersMonotonic"] = f"{{ OnUnitInactiveUSec={monotonic} ; next_elapse=1w 1d 2min }}"
    iterations = "".join(f"  Next elapse: Wed 2026-03-04 {hour:02}:00:00 UTC\n" for hour in range(6, 24))
    found = shown_by_systemd(shown, iterations)
    assert found.is_late and f"{found.starts[0]:%m-%d %H:%M}" == first
    assert found.interval == timedelta(hours=1)


def test_after_the_last_time_of_a_calendar_there_is_no_run() -> None:
    found = shown_by_systemd(
        {
            "ActiveState": "active",
            "NextElapseUSecRealtime": "Thu 2099-01-01 00:00:00 UTC",
            "TimersCalendar": "{ OnCalendar=2099-01-01 00:00:00 ; next_elapse=Thu 2099-01-01 00:00:00 UTC }",
        },
        "  Next elapse: Thu 2099-01-01 00:00:00 UTC\n",
    )
    assert found.starts[0].year == 2099 and found.starts[1].year > 2190
