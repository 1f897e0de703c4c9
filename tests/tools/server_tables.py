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
    for name, server in SERVERS.items():
        rows += [(title, where, f"`{line}`") for title, where, line in _lines(name, server)]
    return _restructured("15 25 60", rows)


def _restructured(widths: str, rows: t.Iterable[t.Sequence[str]]) -> str:
    lines = ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        for number, cell in enumerate(row):
            begin = "     - " if number else "   * - "
            lines.append(_filled(cell.replace("`", "``"), begin, "       ") or begin.rstrip())
    return "\n".join([*lines, "", ""])


def papers() -> str:
    """The lines that a user's own configuration needs, for Markdown."""
    rows = [
        f"| {title} | {where} | `{line.replace('NAME', 'example.com')}` |"
        for name, server in SERVERS.items()
        for title, where, line in _lines(name, server)
    ]
    return "\n".join(["", "| server | where | line |", "|---|---|---|", *rows, "", ""])


def _lines(name: str, server: Server) -> t.Iterator[t.Tuple[str, str, str]]:
    """The lines of one server, the first of each version with its title and the name by which the role knows it."""
    known_as = "" if server.title.lower() == name else f" (`{name}`)"
    for number, include in enumerate(server.includes):
        title = f"{_title(server, include.version)}{known_as}" if include.version or not number else ""
        yield title, include.where, include.line


def limits() -> str:
    """What the role refuses for some servers, for Markdown."""
    servers = SERVERS.values()
    cannot = _listed(server for server in servers if not server.staples)
    alone = _listed(server for server in servers if server.one_staple)
    users = _listed(server for server in servers if server.reads_key_as_user)
    pair = "an RSA and an ECDSA certificate with the same name"
    items = (
        f"{cannot} cannot staple. A certificate that requires stapling (must-staple) is refused for them.",
        f"{users} read the private key as an unprivileged user, so `key_group` has to be theirs.",
        f"{alone} cannot staple for {pair}. Such a pair is refused unless `staple: false` turns stapling off for both.",
    )
    return "\n".join(["", *(_filled(item, "* ", "  ") for item in items), "", ""])


def _listed(servers: t.Iterable[Server]) -> str:
    *most, last = sorted((server.title for server in servers), key=str.lower)
    return f"{', '.join(most)} and {last}"


def _filled(text: str, first: str, rest: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


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
    Place(
        CHECKOUT / "roles" / "ocsp_stapling" / "README.md",
        f"<!-- BEGIN limits of servers, {_BY} -->\n",
        "<!-- END limits of servers -->\n",
        limits,
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
