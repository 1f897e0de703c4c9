# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of servers: each file of the folder is in it, and each server can be used by all that reads the table."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import starttls
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import nginx, server, snippets, table
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Entry, Server, Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import NAMES, SERVERS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import MATERIAL_FILES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.staples import STAPLE

FOLDER = Path(table.__file__).parent
#: The files of that folder that are no servers.
OTHERS = {"changes", "matching", "server", "snippets", "table"}


def imported() -> t.List[str]:
    """The servers that the table imports as Ansible sees it, which runs nothing."""
    nodes = ast.walk(ast.parse(Path(table.__file__).read_text()))
    return [
        alias.name for node in nodes if isinstance(node, ast.ImportFrom) and not node.module for alias in node.names
    ]


def test_each_file_is_in_the_table() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files > OTHERS
    assert list(NAMES) == sorted(files - OTHERS) == imported()


def test_the_table_is_one_of_servers() -> None:
    assert list(SERVERS) == list(NAMES) and len(SERVERS) == len(NAMES)
    assert all(isinstance(one, Server) for one in SERVERS.values())
    assert SERVERS["nginx"] is nginx.SERVER
    assert "server" not in SERVERS and None not in SERVERS
    with pytest.raises(KeyError):
        SERVERS["server"]


@pytest.mark.parametrize("name", NAMES)
def test_each_server_can_be_used(name: str) -> None:
    one = SERVERS[name]
    assert one.units and one.folders and one.ports and one.includes and one.rules
    assert all(not protocol or protocol in starttls.PROTOCOLS for _port, protocol in one.ports)
    assert all("/" not in folder for folder in one.folders)
    assert one.pid_files or one.cannot_reload
    assert bool(one.sockets) is (one.hand_over is not None)


def test_each_snippet_is_for_one_server() -> None:
    files = [snippet.file for one in SERVERS.values() for snippet in one.shared]
    assert sorted(files) == sorted(set(files))
    assert snippets.owners()["dovecot-2.4.conf"] == "dovecot"


@pytest.mark.parametrize("name", NAMES)
def test_what_users_include_is_there(name: str) -> None:
    """Each path in the lines for users is that of a snippet or of another file of a set."""
    entry = Entry("NAME", "/etc/ocsp-stapling/sets/NAME/1", "/etc/ocsp-stapling/live/NAME", ("NAME",), (name,), True)
    made = {f"{entry.live}/{file}" for file in snippets.for_set(entry)}
    made |= {snippets.path("/etc/ocsp-stapling", file) for file in snippets.shared([entry], Setup("/r", 1))}
    named = {path for one in SERVERS[name].includes for path in re.findall(r"/etc/ocsp-stapling/[\w./-]+", one.line)}
    assert made <= named
    assert named - made <= {f"{entry.live}/{file}" for file in (*MATERIAL_FILES, STAPLE)}


def test_snippets_are_in_the_folder_that_is_looked_into() -> None:
    assert snippets.path("/r", "x") == f"/r/{server.FOLDER}/x"


def test_a_judge_that_is_told_of_no_server_loads_none() -> None:
    """What makes snippets is no part of a run that only compares a response with its rules."""
    packages = str(Path(signature.__file__).parents[2])
    script = (
        f"import sys; sys.path.insert(0, {packages!r})\n"
        "from ocsp.fetch import refresh, report\n"
        "from ocsp.judge import decision, response\n"
        "from ocsp.options import parse, table\n"
        "print(sorted(name for name in sys.modules if name.startswith('ocsp.servers.')))\n"
        "print(*response.lint.__globals__['SERVERS'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded, names = done.stdout.splitlines()
    assert loaded == "['ocsp.servers.changes', 'ocsp.servers.table']"
    assert names.split() == list(NAMES)


def test_the_servers_with_a_default_have_it_from_the_order_alone() -> None:
    """Another order means another default for them, and the same for all other servers."""
    names = ("a.example.com", "b.example.com")
    entries = [Entry(name, f"/sets/{name}", f"/live/{name}", (name,), NAMES, True) for name in names]
    assert {kind: group[0].name for kind, group in snippets.defaults(entries).items()} == dict.fromkeys(
        ("dovecot", "exim", "haproxy", "trafficserver"), names[0]
    )
    setup = Setup("/root", 488)
    there, back = (snippets.shared(order, setup) for order in (entries, entries[::-1]))
    owners = snippets.owners()
    other = {owners[file] for file in there if sorted(there[file].splitlines()) != sorted(back[file].splitlines())}
    # What HAProxy has is a list, of which the first one is the default; the Lua table of dnsdist is asked by name.
    assert other | {"haproxy"} == {kind for kind in NAMES if SERVERS[kind].has_default}
