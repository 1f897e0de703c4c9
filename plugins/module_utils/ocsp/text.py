# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Times and durations as people write them, and text of others made fit for a message."""

from __future__ import annotations

import base64
import re
import typing as t
from datetime import datetime, timedelta, timezone

from .errors import InputError, printable

_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "seconds": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "minutes": 60,
    "h": 3600,
    "hour": 3600,
    "hours": 3600,
    "d": 86400,
    "day": 86400,
    "days": 86400,
    "w": 604800,
    "week": 604800,
    "weeks": 604800,
}
#: Each part takes the space before it alone, as searching would go over the same space again and again otherwise.
_DURATION_PART = re.compile(r"\s*(\d{1,9})\s*([a-zA-Z]+)")
# Compiled where they are used: most runs go by the clock.
_ISO_TIME = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)"
_ASN1_TIME = r"(\d{14}|\d{12})Z"


def parse_duration(text: str, option: str) -> timedelta:
    """Read ``3d``, ``1w 2d``, ``12 hours`` or ``2 hours 5 minutes``. Raises InputError naming the option."""
    given, position, seconds = text.rstrip(), 0, 0
    while position < len(given):
        part = _DURATION_PART.match(given, position)
        if part is None or part.group(2).lower() not in _UNITS:
            break
        seconds += int(part.group(1)) * _UNITS[part.group(2).lower()]
        position = part.end()
    if not given or position != len(given):
        raise InputError(
            f"{option}: '{clean(text)}' is not a duration; write numbers with units, as in 3d, 12 hours or 1w 2d "
            "(s, m, h, d, w)"
        )
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise InputError(f"{option}: '{clean(text)}' is too long") from None


def parse_time(text: str, option: str) -> datetime:
    """Read an ISO 8601 time with its zone, or an ASN.1 TIME. Raises InputError naming the option."""
    try:
        if re.fullmatch(_ASN1_TIME, text, re.ASCII):
            # Two digits of a year are of 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
            century = "" if len(text) == 15 else "19" if text >= "50" else "20"
            return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
        iso = re.fullmatch(_ISO_TIME, text, re.IGNORECASE | re.ASCII)
        if iso:
            # Python before 3.11 knows neither the zone Z nor other fractions than of 3 and 6 digits.
            moment, fraction, zone = iso.groups(default="")
            offset = "+00:00" if zone in "zZ" else zone
            return datetime.fromisoformat(f"{moment}.{fraction:0<6}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        pass
    raise InputError(
        f"{option}: '{clean(text)}' is not a time; write it as 2026-11-23T12:00:00Z (ISO 8601 in UTC) or "
        "20261123120000Z"
    )


def format_time(moment: t.Optional[datetime]) -> t.Optional[str]:
    """``2026-11-23T12:00:00Z``, as results show times; None stays None."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")[:19] + "Z" if moment else None


def clean(text: str, limit: int = 100) -> str:
    """Foreign text in one line of printable characters, at most ``limit`` of them."""
    text = printable(text[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def quoted(name: str) -> str:
    """A name that may contain spaces, for a sentence; YAML reads that name from it.

    Ansible escapes double quotes in what it shows of a result.
    """
    doubled = name.replace("'", "''")
    return f"'{doubled}'"


def join_words(words: t.Iterable[str], conjunction: str = "and", most: t.Optional[int] = None) -> str:
    """``a, b and c`` for the middle of a sentence; of more than ``most`` words the first ones and how many more."""
    shown = list(words)
    if most is not None and len(shown) > most:
        shown[most:] = [f"{len(shown) - most} more"]
    *others, last = shown or [""]
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def bounded(problems: t.Sequence[str], most: int) -> t.List[str]:
    """The first of many sentences, and how many there are beside them."""
    more = len(problems) - most
    told = [f"{more} more problem{'s' if more > 1 else ''} of this kind {'are' if more > 1 else 'is'} not listed"]
    return [*problems[:most], *(told if more > 0 else [])]


def encode_pem(data: bytes, label: str) -> bytes:
    """DER as PEM, in lines of 64 characters (RFC 7468 section 2); ``label`` is CERTIFICATE, for example."""
    body = base64.b64encode(data)
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])
