# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write what guides and the role's README say about servers from the files of the servers.

server_tables.py             rewrite the tables
server_tables.py --check     fail when that would change one
"""

from __future__ import annotations

import sys
import typing as t

import written_parts
from written_parts import CHECKOUT, Part

sys.path.insert(0, str(CHECKOUT / "plugins" / "module_utils"))

from ocsp.servers.server import Server
from ocsp.servers.table import SERVERS

_GUIDES = CHECKOUT / "docs" / "docsite" / "rst"
_README = CHECKOUT / "roles" / "ocsp_stapling" / "README.md"


def guide() -> str:
    """What each server must have, for reStructuredText."""
    rows = [("server", "keep to this", "what happens otherwise")]
    for server in SERVERS.values():
        rows += [(_title(server, rule.variant), rule.needs, rule.otherwise) for rule in server.rules]
    return written_parts.restructured_table("15 45 40", rows)


def start() -> str:
    """The lines that a user's own configuration needs, for reStructuredText."""
    rows = [("server", "where", "line")]
    for name, server in SERVERS.items():
        rows += [(title, where, f"`{line}`") for title, where, line in _lines(name, server)]
    return written_parts.restructured_table("15 25 60", rows)


def readme() -> str:
    """The lines that a user's own configuration needs, for Markdown."""
    rows = [
        (title, where, f"`{line.replace('NAME', 'example.com')}`")
        for name, server in SERVERS.items()
        for title, where, line in _lines(name, server)
    ]
    return written_parts.markdown_table([("server", "where", "line"), *rows])


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
    users = _listed(server for server in servers if server.key_groups)
    pair = "an RSA and an ECDSA certificate with the same name"
    items = (
        f"{cannot} cannot staple. A certificate that requires stapling (must-staple) is refused for them.",
        f"{users} read the private key as an unprivileged user, so `key_group` has to be theirs.",
        f"{alone} cannot staple for {pair}. Such a pair is refused unless `staple: false` turns stapling off for both.",
    )
    return "\n".join(["", *(written_parts.filled(item, "* ", "  ") for item in items), "", ""])


def defaults() -> str:
    """What decides which certificate is for clients that send no known name, for Markdown."""
    ours = _listed(server for server in SERVERS.values() if server.has_default)
    text = (
        f"In the snippets for {ours}, the first certificate is the default one, for clients that send no server name "
        "or an unknown one. For other servers, your own configuration decides that."
    )
    return "\n".join(["", written_parts.filled(text, "", ""), "", ""])


def _listed(servers: t.Iterable[Server]) -> str:
    *most, last = sorted((server.title for server in servers), key=str.lower)
    return f"{', '.join(most)} and {last}"


def _title(server: Server, variant: str) -> str:
    return f"{server.title} {variant}".strip()


#: What is written on which page.
TABLES = {
    (_GUIDES / "getting_started.rst", "servers"): start,
    (_GUIDES / "operations.rst", "servers"): guide,
    (_README, "servers"): readme,
    (_README, "limits of servers"): limits,
    (_README, "servers with a default"): defaults,
}


def table(part: Part) -> str | None:
    """The table of a page."""
    make = TABLES.get((part.page, part.what))
    return make() if make else None


if __name__ == "__main__":
    pages = dict.fromkeys(page for page, _what in TABLES)
    written_parts.run("server_tables.py", table, pages, "Write the tables of servers.")
