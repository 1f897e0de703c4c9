# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""When the program ``ocsp-stapling`` starts next, as the timer of systemd or the job of cron has it.

Systemd computes the times of its calendars (systemd.time(7)) itself and adds the delay of the timer; those of cron
(crontab(5)) are computed here. Commands are run by a callable that is passed in.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import re
import typing as t
from datetime import date, datetime, timedelta, timezone

from ..errors import InputError
from ..store import reading
from .control import Run

TIMER = "ocsp-stapling.timer"
CRON_FILE = "/etc/cron.d/ocsp-stapling"

#: How many starts are computed; more follow at the last distance.
_STARTS = 100
_LARGEST = 64 * 1024
_LONGEST_SEARCH = 366
_PROPERTIES = "ActiveState,NextElapseUSecRealtime,TimersCalendar,TimersMonotonic"
_CALENDAR = re.compile(r"\{ OnCalendar=(.*?) ; next_elapse=(.*?) \}")
#: Both commands show other time zones, too, but never without UTC.
_UTC = re.compile(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC$", re.MULTILINE)
#: The unit of the timer has it start the program so long after its last run, whatever the clock says.
_AT_LEAST = timedelta(days=1)
_MONOTONIC = "OnUnitInactiveUSec="
#: Systemd and its calendar may round the same time to different seconds.
_ROUNDING = timedelta(minutes=1)
#: After the last time of a calendar, such as 2099-01-01, the next start is farther away than any response is good.
_NEVER = timedelta(days=36500)
_JOB = re.compile(r"^(\S+) (\S+) (\S+) (\S+) (\S+) root (?:sleep (\d+); )?", re.MULTILINE)
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", re.ASCII)
#: The fields of a job: the first and last value of minute, hour, day of the month, month and day of the week.
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Timetable(t.NamedTuple):
    """The next starts of the program, at least two, in their order; later ones follow at the last distance.

    ``is_late``: the timer waits for a time beyond the next one of its calendar, as after a clock that was ahead.
    """

    starts: t.Tuple[datetime, ...]
    is_late: bool = False

    @property
    def interval(self) -> timedelta:
        """The longest time from one start to the next."""
        return max(later - earlier for earlier, later in zip(self.starts, self.starts[1:]))

    def first(self, moment: datetime) -> datetime:
        """The first start at this moment or later, or the last that is known where that is beyond all calendars."""
        index = bisect.bisect_left(self.starts, moment)
        if index < len(self.starts):
            return self.starts[index]
        last, step = self.starts[-1], self.starts[-1] - self.starts[-2]
        try:
            return last - step * ((last - moment) // step)
        except OverflowError:
            return last


def read(run: Run, now: datetime, systemd: bool) -> t.Optional[Timetable]:
    """The timetable of this host; None where nothing starts the program, or it is unknown when."""
    if systemd:
        return _of_timer(run, now)
    with contextlib.suppress(InputError):
        content = reading.read_file(CRON_FILE, CRON_FILE, _LARGEST)
        return of_job(content.decode("utf-8", "replace"), now) if content is not None else None
    return None


def is_stopped(run: Run, systemd: bool) -> bool:
    """Whether this host has a timer for the program that starts nothing, as somebody has stopped it."""
    if not systemd or os.path.lexists(CRON_FILE):
        return False
    output = run(("systemctl", "show", "--property=LoadState,ActiveState", TIMER))[1]
    shown = dict(line.partition("=")[::2] for line in output.splitlines())
    return shown.get("LoadState") in ("loaded", "masked") and shown.get("ActiveState") in ("inactive", "failed")


def of_calendar(run: Run, calendar: str, delay: timedelta) -> t.Optional[Timetable]:
    """The timetable of a calendar of systemd, with the delay of a timer."""
    return _made(_ended(_follow(_elapses(run, calendar), delay, [])))


def _of_timer(run: Run, now: datetime) -> t.Optional[Timetable]:
    """What systemd says of the timer, which may be running now, or have been changed by its administrator."""
    output = run(("systemctl", "show", f"--property={_PROPERTIES}", TIMER))[1]
    values = [line.partition("=") for line in output.splitlines()]
    shown = {key: value for key, _sign, value in values}
    if shown.get("ActiveState") != "active":
        return None
    calendars = [match.groups() for key, _sign, value in values for match in _CALENDAR.finditer(value)]
    following, bases = (
        _times(shown.get("NextElapseUSecRealtime", "")),
        _times("\n".join(base for _calendar, base in calendars)),
    )
    # The delay of this host is always the same (FixedRandomDelay).
    delay = max(timedelta(0), following[0] - min(bases)) if following and bases else timedelta(0)
    elapses = sorted({time for calendar, _base in calendars for time in _elapses(run, calendar)})
    starts = [time for time in following if time > now]
    if not (starts and bases and len(elapses) > 1 and starts[0] > elapses[0] + delay + _ROUNDING):
        return _made(_ended(_follow(elapses, delay, starts)))
    first = min(starts[0], now + _AT_LEAST) if _MONOTONIC in shown.get("TimersMonotonic", "") else starts[0]
    later = _follow(elapses, delay, [first])
    return _made(later if len(later) > 1 else [first, first + (elapses[-1] - elapses[-2])], is_late=True)


def _follow(elapses: t.Iterable[datetime], delay: timedelta, starts: t.List[datetime]) -> t.List[datetime]:
    """The starts after those that are known: the time that a timer takes next is later than its last start."""
    for time in elapses:
        if not starts or time > starts[-1]:
            starts.append(time + delay)
    return starts


def _elapses(run: Run, calendar: str) -> t.List[datetime]:
    """The next times of a calendar, which is in the time zone of the host."""
    argv = ("env", "-u", "TZ", "systemd-analyze", "calendar", f"--iterations={_STARTS}", "--", calendar)
    return _times(run(argv)[1])


def _times(text: str) -> t.List[datetime]:
    return [datetime.strptime(time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc) for time in _UTC.findall(text)]


def _made(starts: t.Collection[datetime], is_late: bool = False) -> t.Optional[Timetable]:
    return Timetable(tuple(sorted(starts)[:_STARTS]), is_late) if len(starts) > 1 else None


def _ended(starts: t.List[datetime]) -> t.List[datetime]:
    """The starts of a calendar of which systemd knows one alone: the last, after which there is none."""
    return [*starts, starts[0] + _NEVER] if len(starts) == 1 else starts


def of_job(text: str, now: datetime) -> t.Optional[Timetable]:
    """The timetable of a file as the role writes it for cron; ``now`` is aware. None for what it does not write."""
    match = _JOB.search(text)
    if match is None:
        return None
    try:
        minutes, hours, days, months, weekdays = (
            _values(field, *limits) for field, limits in zip(match.groups()[:5], _FIELDS)
        )
    except ValueError:
        return None
    # A job with both kinds of days is for either (crontab(5)).
    either = match.group(3) != "*" and match.group(5) != "*"
    delay = timedelta(seconds=int(match.group(6) or 0))

    def is_meant(day: date) -> bool:
        kinds = (day.day in days, day.isoweekday() % 7 in {number % 7 for number in weekdays})
        return day.month in months and (any(kinds) if either else all(kinds))

    starts: t.List[datetime] = []
    today = now.astimezone().date() - timedelta(days=1)
    for day in filter(is_meant, (today + timedelta(days=number) for number in range(_LONGEST_SEARCH))):
        moments = (datetime(day.year, day.month, day.day, hour, minute) for hour in hours for minute in minutes)
        starts += [start for start in (moment.astimezone(timezone.utc) + delay for moment in moments) if start > now]
        if len(starts) >= _STARTS:
            break
    return _made(set(starts))


def _values(field: str, first: int, last: int) -> t.List[int]:
    """The values of a field in their order. Raises ValueError."""
    values: t.Set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(part)
        start, end, step = (int(text) if text else None for text in match.groups())
        since = first if start is None else start
        until = end if end is not None else last if start is None else since
        if not first <= since <= until <= last or step == 0:
            raise ValueError(part)
        values.update(range(since, until + 1, step or 1))
    return sorted(values)
