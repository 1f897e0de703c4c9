# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write what is said of servers in two guides and in the role's README from the files of the servers.

server_tables.py             rewrite the tables, between their markers
server_tables.py --check     fail when that would change one
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "plugins" / "module_utils"))

from ocsp.servers.server import Server  # noqa: E402
from ocsp.servers.table import SERVERS  # noqa: E402

WIDTH = 120
_BY = "written by tests/tools/server_tables.py"


def guide() -> str:
    """What each server must have, for reStructuredText."""
    rows = [("server", "keep to this", "what happens otherwise")]
    for server in SERVERS.values():
        rows += [(_title(server, rule.variant), rule.needs, rule.otherwise) for rule in server.rules]
    return _restructured("15 45 40", rows)


def start() -> str:
    """The lines that a user's own configuration needs, for reStructuredText."""
    rows = [("server", "where", "line")]
    for server in SERVERS.values():
        for number, include in enumerate(server.includes):
            title = _title(server, include.version) if include.version or not number else ""
            rows.append((title, include.where, f"`{include.line}`"))
    return _restructured("15 25 60", rows)


def _restructured(widths: str, rows: t.Iterable[t.Sequence[str]]) -> str:
    lines = ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        for number, cell in enumerate(row):
            text = textwrap.fill(
                cell.replace("`", "``"),
                WIDTH,
                initial_indent="     - " if number else "   * - ",
                subsequent_indent="       ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines.append(text.rstrip() or ("     -" if number else "   * -"))
    return "\n".join([*lines, "", ""])


def papers() -> str:
    """The lines that a user's own configuration needs, for Markdown."""
    rows = []
    for server in SERVERS.values():
        for number, include in enumerate(server.includes):
            title = _title(server, include.version) if include.version or not number else ""
            rows.append(f"| {title} | {include.where} | `{include.line.replace('NAME', 'example.com')}` |")
    return "\n".join(["", "| server | where | line |", "|---|---|---|", *rows, "", ""])


def _title(server: Server, variant: str) -> str:
    return f"{server.title} {variant}".strip()


class Place(t.NamedTuple):
    """A table of a page, between two lines."""

    path: Path
    begin: str
    end: str
    make: t.Callable[[], str]


PLACES = (
    Place(
        CHECKOUT / "docs" / "docsite" / "rst" / "getting_started.rst",
        f".. BEGIN servers, {_BY}\n",
        ".. END servers\n",
        start,
    ),
    Place(
        CHECKOUT / "docs" / "docsite" / "rst" / "operations.rst",
        f".. BEGIN servers, {_BY}\n",
        ".. END servers\n",
        guide,
    ),
    Place(
        CHECKOUT / "roles" / "ocsp_stapling" / "README.md",
        f"<!-- BEGIN servers, {_BY} -->\n",
        "<!-- END servers -->\n",
        papers,
    ),
)


def render(place: Place) -> str:
    """The page as it should be."""
    text = place.path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(place.begin)
    _old, end, after = rest.partition(place.end)
    if not begin or not end:
        sys.exit(f"{place.path}: the markers of the table of servers are missing")
    return before + begin + place.make() + end + after


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description="Write the tables of servers.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for place in PLACES:
        text = render(place)
        if text == place.path.read_text(encoding="utf-8"):
            continue
        if check:
            name = place.path.relative_to(CHECKOUT)
            sys.exit(f"{name}: the table is not that of the servers; run tests/tools/server_tables.py")
        place.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
