# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the tables of reason codes in README, the guides and the modules from that of the core, between markers.

    code_tables.py             rewrite them
    code_tables.py --check     fail when that would change one

A marker names an area of the core's table, and a severity where only the codes that usually have it belong there.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "plugins" / "module_utils"))

from ocsp import codes  # noqa: E402

WIDTH = 120

_TABLE = re.compile(
    r"^(?P<indent> *)(?P<begin>\S+) BEGIN reason codes: (?P<area>\w+)(?: (?P<severity>\w+))?, "
    r"written by tests/tools/code_tables\.py(?P<end>.*)\n(?P<old>(?:.*\n)*?)"
    r"(?P<last>(?P=indent)(?P=begin) END reason codes.*\n)",
    re.MULTILINE,
)


def markdown(chosen: t.Sequence[codes.Code], _place: re.Match[str]) -> str:
    """The rows of a table for Markdown. What to do is left to the guide."""
    rows = [f"| `{code.name}` | {code.means} | {code.severity_text} |" for code in chosen]
    return "\n".join(["", "| code | means | severity |", "|---|---|---|", *rows, "", ""])


def restructured(chosen: t.Sequence[codes.Code], _place: re.Match[str]) -> str:
    """A table for reStructuredText."""
    lines = ["", ".. list-table::", "   :header-rows: 1", "   :widths: 18 14 34 34", ""]
    rows = [(f"`{code.name}`", code.severity_text, code.means, code.advice) for code in chosen]
    for row in [("code", "severity", "means", "what to do"), *rows]:
        for number, cell in enumerate(row):
            text = cell.replace("`", "``")
            lines.append(_wrapped(text, "     - " if number else "   * - ", "       "))
    return "\n".join([*lines, "", ""])


def documentation(chosen: t.Sequence[codes.Code], place: re.Match[str]) -> str:
    """Sentences for the documentation of a module, in YAML."""
    options = re.findall(r"^  (\w+):$", place.string.partition("EXAMPLES")[0], re.MULTILINE)
    items = []
    for code in chosen:
        severity = "" if code.area == codes.PROBE else f" ({code.severity_text})"
        text = f"V({code.name}){severity} - {code.means}"
        text = re.sub(r"`([^`]*)`", lambda typed: f"{'O' if typed[1] in options else 'C'}({typed[1]})", text)
        assert ": " not in text and " #" not in text, f"quote it: {text}"
        items.append(_wrapped(text, f"{place['indent']}- ", f"{place['indent']}  "))
    return "\n".join([*items, ""])


FORMATS: dict[str, t.Callable[[t.Sequence[codes.Code], re.Match[str]], str]] = {
    ".md": markdown,
    ".rst": restructured,
    ".py": documentation,
}


def _wrapped(text: str, first: str, rest: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def render(path: Path) -> str:
    """The page as it should be."""

    def table(match: re.Match[str]) -> str:
        area, severity = match["area"], match["severity"]
        chosen = [code for code in codes.CODES if code.area == area and severity in (None, code.severity)]
        if not chosen:
            sys.exit(f"{path}: there are no reason codes of {area} {severity or ''}")
        head = match[0][: match.start("old") - match.start()]
        return head + FORMATS[path.suffix](chosen, match) + match["last"]

    text, tables = _TABLE.subn(table, path.read_text(encoding="utf-8"))
    if len(re.findall(r"(?:BEGIN|END) reason codes", text)) != 2 * tables:
        sys.exit(f"{path}: a marker of reason codes has no other end, or cannot be read")
    return text


def pages() -> t.Iterator[Path]:
    """The pages that may have such tables."""
    yield CHECKOUT / "README.md"
    yield from sorted((CHECKOUT / "docs" / "docsite" / "rst").glob("*.rst"))
    yield from sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description="Write the tables of reason codes.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    rendered = {path: render(path) for path in pages()}
    changed = {path: text for path, text in rendered.items() if text != path.read_text(encoding="utf-8")}
    if check and changed:
        names = ", ".join(str(path.relative_to(CHECKOUT)) for path in changed)
        sys.exit(f"{names}: the reason codes are not those of the core; run tests/tools/code_tables.py")
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
