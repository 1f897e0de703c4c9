# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables and sentences for people: they fit a narrow terminal, and have colours only on one.

Whatever comes into them, nothing but these colours acts on a terminal.
"""

from __future__ import annotations

import re
import textwrap
import typing as t
from datetime import datetime, timezone

from ocsp.errors import printable

WIDTH = 80
GOOD, WARNING, BAD, PLAIN = "\033[32m", "\033[33m", "\033[31m", ""
_END = "\033[0m"
_GAP = "  "
_NARROWEST = 10
#: As the sentences of the core have it: 2026-12-04T10:00:00Z.
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z")
#: Fewer seconds are of no use to a reader.
_MOMENT = 5
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


class Cell(t.NamedTuple):
    """A text, and the colour it has on a terminal."""

    text: str
    colour: str = PLAIN


def table(heads: t.Sequence[str], rows: t.Sequence[t.Sequence[Cell]], colours: bool, width: int = WIDTH) -> str:
    """Lines of columns that are as wide as they must be; the first one is cut where all would be too wide."""
    widths = [
        max(len(cell) for cell in column) for column in zip(heads, *([cell.text for cell in row] for row in rows))
    ]
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(_NARROWEST, width - others))
    lines = [_row([Cell(head) for head in heads], widths, False)]
    lines += [_row(row, widths, colours) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _row(cells: t.Sequence[Cell], widths: t.Sequence[int], colours: bool) -> str:
    texts = []
    for index, (cell, width) in enumerate(zip(cells, widths)):
        text = printable(shorten(cell.text, width))
        padding = " " * (width - len(text)) if index < len(cells) - 1 else ""
        texts.append((f"{cell.colour}{text}{_END}" if colours and cell.colour else text) + padding)
    return _GAP.join(texts).rstrip()


def shorten(text: str, width: int) -> str:
    """Cut a string in its middle, since names differ at both ends."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}~{text[len(text) - tail :]}"


def paragraph(text: str, width: int = WIDTH, indent: str = "") -> str:
    text = printable(text)
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) + "\n"


def count(number: int, noun: str) -> str:
    """1 certificate, 2 certificates."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def duration(seconds: float) -> str:
    """A length of time by its two largest units: 3d 4h, 12m, -2h 5m."""
    sign, left = ("-", int(-seconds)) if seconds < 0 else ("", int(seconds))
    parts: t.List[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return sign + (" ".join(part for part in parts if part) or "0s")


def when(moment: datetime, now: datetime, in_parentheses: bool = False) -> str:
    """A time by itself and seen from now: 2026-12-04 10:00 UTC (in 5 days).

    Where that is in parentheses already: 2026-12-04 10:00 UTC, in 5 days.
    """
    seconds = int((moment - now).total_seconds())
    length = abs(seconds)
    # 36 hours say more than 1 day.
    unit, size = next(one for one in _UNITS if length >= 2 * one[1] or one[1] == 1)
    number = count(length // size, unit)
    relative = "now" if length < _MOMENT else f"in {number}" if seconds > 0 else f"{number} ago"
    absolute = f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{absolute}, {relative}" if in_parentheses else f"{absolute} ({relative})"


def with_times(text: str, now: datetime) -> str:
    """A sentence in which each time is written as ``when`` does."""

    def show(match: t.Match[str]) -> str:
        try:
            moment = datetime.strptime(" ".join(match.groups()), "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
        except ValueError:
            return match.group()
        before = text[: match.start()]
        return when(moment, now, before.count("(") > before.count(")"))

    return _TIME.sub(show, text)
