# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No name of a server, a certificate or a service becomes anything else in a configuration, a path or a message.

Names are checked where they enter. For sets that are older than the check, each server is tried with each of them.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import live, wanted
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.material import check_name
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import snippets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import name_problem
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import Description, Layout
from ansible_collections.certops.ocsp.tests.unit.fleet import Fleet

#: What a language of some server would take for more than a name.
HOSTILE = (
    'x="y"}{z}{${run{/usr/bin/touch /tmp/owned}}}}',
    "${run{/bin/id}}.example.com",
    "x.example.com\n}\nservice evil {\n  executable = /bin/sh\n}",
    "x.example.com {\n}",
    "x.example.com;",
    'x.example.com";\nload_module "/tmp/x.so',
    "$host.example.com",
    "%{HTTP_HOST}.example.com",
    "x.example.com # comment",
    "/tmp/x.pem",
    "../../etc/passwd",
    "..",
    "x.example.com\0.example.org",
    "x.example.com\r\nX: y",
    '"]=os.execute("id")--',
    "]] os.execute('id') --",
    "x\\.example.com",
    ".*",
    "(a|b).example.com",
    "*.*.example.com",
    "x.*.example.com",
    "*",
    "x example.com",
    "\x1b[31m.example.com",
    "\u202emoc.elpmaxe",
    "\ud800.example.com",
    "fe80::1%}{${run{/bin/id}}}",
    "http://example.com/",
    "user@example.com",
    "x,y.example.com",
    "-rf.example.com",
    "a" * 64 + ".example.com",
    "a." * 200 + "example.com",
)
#: Units of systemd may be called so, and sets may have longer names than hosts.
_FINE_FOR_UNITS = re.compile(r"[ax\\]+\.example\.com|user@example\.com")
NAMES = ("www.example.com", "*.example.com", "192.0.2.1", "2001:db8::1", "bücher.example", "xn--bcher-kva.example")


def written(kind: str, hostile: t.Sequence[str]) -> t.Dict[str, bytes]:
    """All pieces of configuration for two sets, of which the second is also for hostile names."""
    layout = Layout("/etc/ocsp-stapling", "/var/lib/ocsp-stapling")
    found = [
        live.make(layout, name, "20260304T050607.000000Z-01234567", Description(tuple(names), (kind,)), Fleet())
        for name, names in (("first", ["first.example.com"]), ("second", [*NAMES, *hostile, "last.example.com"]))
    ]
    pieces = snippets.shared([one.entry for one in found], Setup("/etc/ocsp-stapling", 488))
    return {**pieces, **{f"set {file}": text for one in found for file, text in snippets.for_set(one.entry).items()}}


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_hostile_names_of_an_older_set_are_left_out_of_the_configuration(kind: str) -> None:
    assert written(kind, HOSTILE) == written(kind, [])


@pytest.mark.parametrize("kind", sorted(SERVERS))
@pytest.mark.parametrize("name", HOSTILE)
def test_a_set_that_is_for_nothing_else_is_known_by_its_own_name(kind: str, name: str) -> None:
    layout = Layout("/etc/ocsp-stapling", "/var/lib/ocsp-stapling")
    made = live.make(layout, "second", "20260304T050607.000000Z-01234567", Description((name,), (kind,)), Fleet())
    assert made.entry.names == ("second",)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_where_they_enter(name: str) -> None:
    with pytest.raises(InputError, match=r"^names: '.*' is neither a host name nor an IP address; write ") as caught:
        wanted.check_server_name(name)
    assert caught.value.message.isprintable() and len(caught.value.message) < 400


@pytest.mark.parametrize("name", NAMES)
def test_names_that_servers_have_are_accepted(name: str) -> None:
    wanted.check_server_name(name)


@pytest.mark.parametrize("name", [name for name in HOSTILE if not _FINE_FOR_UNITS.fullmatch(name)])
def test_hostile_names_of_sets_and_services_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)
    problem = name_problem(name)
    assert problem and InputError(problem).message.isprintable()


def test_names_reach_no_path(tmp_path: Path) -> None:
    """What a name that is accepted becomes a path with stays below the folders."""
    layout = Layout(str(tmp_path), str(tmp_path / "state"))
    for name in ("a", "a..b", "a.", "_", "A-1", "x" * 200):
        check_name(name)
        assert not name_problem(name)
        for path in (layout.live(name), layout.sets(name), layout.pending(name)):
            assert Path(path).resolve().is_relative_to(tmp_path) and Path(path).name == name
