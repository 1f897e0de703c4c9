# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A timer of systemd as a job of cron, for hosts without systemd."""

from __future__ import annotations

import re
from datetime import timedelta

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import parse_duration

_SHORT = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CALENDAR = re.compile(
    r"(?:(?P<weekdays>[a-z][a-z,.]*)\s+)?(?:(?:\*-)?(?P<month>[\d*,./]+)-(?P<day>[\d*,./]+)\s+)?"
    r"(?P<hour>[\d*,./]+):(?P<minute>[\d*,./]+)(?::0?0)?",
    re.IGNORECASE | re.ASCII,
)
_PART = re.compile(r"(\*|\d+)(?:\.\.(\d+))?(?:/(\d+))?", re.ASCII)
#: The last value of each field.
_LAST = {"minute": 59, "hour": 23, "day": 31, "month": 12}


def fields(calendar: str) -> str:
    """The five fields of crontab(5) for a calendar of systemd.time(7). Raises InputError for what cron cannot do."""
    text = calendar.strip()
    if text.lower() in _SHORT:
        return _SHORT[text.lower()]
    match = _CALENDAR.fullmatch(text)
    try:
        if match is None or (match["weekdays"] and match["day"] not in (None, "*")):
            raise ValueError(text)
        found = [_field(match[name] or "*", _LAST[name]) for name in ("minute", "hour", "day", "month")]
        return " ".join([*found, _weekdays(match["weekdays"])])
    except ValueError:
        raise InputError(
            f"ocsp_stapling_timer: cron, which starts the program on hosts without systemd, cannot do '{calendar}'; "
            "use a value such as hourly, *:0/10 or Mon..Fri 06:30"
        ) from None


def most_seconds(delay: str) -> int:
    """How long a delay of systemd.time(7) is at most. Raises InputError."""
    text = delay.strip()
    length = timedelta(seconds=int(text)) if text.isdecimal() else parse_duration(text, "ocsp_stapling_timer_delay")
    return int(length.total_seconds())


def _field(text: str, last: int) -> str:
    return ",".join(_part(part, last) for part in text.split(","))


def _part(text: str, last: int) -> str:
    """A value, a range or a repetition; raises ValueError. That of systemd goes on to the end."""
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(text)
    start, end, step = match.groups()
    if any(number is not None and int(number) > last for number in (end, None if start == "*" else start)):
        raise ValueError(text)
    if start == "*":
        if end is not None:
            raise ValueError(text)
        return f"*/{int(step)}" if step else "*"
    if step is None:
        return str(int(start)) if end is None else f"{int(start)}-{int(end)}"
    return f"{int(start)}-{int(end or last)}/{int(step)}"


def _weekdays(text: str | None) -> str:
    if text is None:
        return "*"
    return ",".join(_weekday(part) for part in text.lower().split(","))


def _weekday(text: str) -> str:
    """A day or a range of days, which for systemd begins on Monday; raises ValueError."""
    numbers = [_DAYS.index(name[:3]) for name in text.split("..")]
    if len(numbers) > 2:
        raise ValueError(text)
    if len(numbers) == 2:
        first, last = numbers[0] or 7, numbers[1] or 7
        return f"{first}-{last}"
    return str(numbers[0])
