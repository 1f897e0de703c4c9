# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of pages that a tool beside this one writes, each between two lines:

    .. BEGIN what, written by tests/tools/TOOL.py
    .. END what

A line may begin and end as a comment of its language does. After a colon, BEGIN may say more than END.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
WIDTH = 120

MARKER = re.compile(
    r"^(?P<indent> *)\S+ BEGIN (?P<what>.+), written by tests/tools/(?P<tool>\w+\.py)\b.*\n", re.MULTILINE
)


class Part(t.NamedTuple):
    """Where a part belongs: its page and that page's text, what BEGIN says of it, and the line's indentation."""

    page: Path
    text: str
    what: str
    indent: str


#: Makes the lines of a part; None for one that it does not know.
Make = t.Callable[[Part], t.Optional[str]]


def render(page: Path, tool: str, make: Make) -> str:
    """The page as it should be. Ends the program with a sentence where a marker has no end or says what is unknown."""
    text = page.read_text(encoding="utf-8")
    done, position = "", 0
    for begin in (marker for marker in MARKER.finditer(text) if marker["tool"] == tool):
        kind = begin["what"].partition(":")[0]
        end = re.compile(rf"^ *\S+ END {re.escape(kind)}\b", re.MULTILINE).search(text, begin.end())
        following = MARKER.search(text, begin.end())
        if end is None or (following and following.start() < end.start()):
            sys.exit(f"{page}: the line '{begin[0].strip()}' has no 'END {kind}' after it")
        made = make(Part(page, text, begin["what"], begin["indent"]))
        if made is None:
            sys.exit(f"{page}: {tool} does not know what '{begin['what']}' is")
        done += text[position : begin.end()] + made
        position = end.start()
    return done + text[position:]


def run(tool: str, make: Make, pages: t.Iterable[Path], description: str) -> None:
    """The command of a tool: rewrite its parts of the pages, or with ``--check`` fail when that would change one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where that would change something")
    check = parser.parse_args().check
    for page in pages:
        wanted = render(page, tool, make)
        if wanted == page.read_text(encoding="utf-8"):
            continue
        if check:
            sys.exit(f"{page.relative_to(CHECKOUT)} is out of date: run tests/tools/{tool}")
        page.write_text(wanted, encoding="utf-8")


def markdown_table(rows: t.Iterable[t.Sequence[str]]) -> str:
    """A table for Markdown; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * (lines[0].count(" | ") + 1))
    return "\n".join(["", *lines, "", ""])


def restructured_table(widths: str, rows: t.Iterable[t.Sequence[str]]) -> str:
    """A table for reStructuredText; the first row is its head."""
    lines = ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        for number, cell in enumerate(row):
            begin = "     - " if number else "   * - "
            lines.append(filled(cell.replace("`", "``"), begin, "       ") or begin.rstrip())
    return "\n".join([*lines, "", ""])


def filled(text: str, first: str, rest: str) -> str:
    """A paragraph, the first line and the others with what begins them."""
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
