# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an SELinux policy lets servers do with the types that the collection gives to what it deploys.

No host has to run SELinux: the policy in /etc/selinux, or the one that CERTOPS_SELINUX_POLICY names, is asked.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import families
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import renewed
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import sets

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
SELINUX = families.REDHAT.selinux
LAYOUT = sets.Layout()

#: The domains of the servers; lighttpd and nginx have that of Apache.
DOMAINS = ("dovecot_t", "exim_t", "haproxy_t", "httpd_t", "postfix_master_t", "postfix_smtpd_t")
#: Of these Debian's policy knows nothing, unlike Fedora's.
NOT_IN_DEBIANS = ("haproxy_t",)
#: A policy that is asked in the place of the one in /etc/selinux. It may be a file alone, without contexts.
NAMED_POLICY = os.environ.get("CERTOPS_SELINUX_POLICY", "")
#: What it takes to read the files of a set through the link to it, and to look for a staple by a pattern.
NEEDED = {
    "dir": {"getattr", "open", "read", "search"},
    "file": {"getattr", "open", "read"},
    "lnk_file": {"read"},
}

_RULE = re.compile(r"allow (\S+) (\S+):(\S+) (?:\{ (.*?) \}|(\S+?));(?: \[ (.*) \]:True)?")


class Rule(t.NamedTuple):
    """An ``allow`` rule; ``condition`` are the booleans under which it holds, empty for always."""

    source: str
    target: str
    kind: str
    permissions: t.FrozenSet[str]
    condition: str


def policy() -> Path:
    found = [Path(NAMED_POLICY)] if NAMED_POLICY else sorted(Path("/etc/selinux").glob("*/policy/policy.*"))
    if not found:
        pytest.skip("there is no SELinux policy here (on Debian: selinux-policy-default)")
    return found[0]


def run(program: str, *arguments: t.Union[str, Path]) -> str:
    path = shutil.which(program, path=PATH)
    if path is None:
        pytest.skip(f"there is no {program} here (on Debian: setools and selinux-utils)")
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=120, check=True).stdout


@functools.cache
def attributes() -> t.Dict[str, t.Set[str]]:
    """The names by which rules may mean a type, by type: its own and those of its attributes."""
    found = {}
    for line in run("seinfo", "-t", "-x", policy()).splitlines():
        words = line.strip().rstrip(";").split(", ")
        if words[0].startswith("type "):
            name = words[0].split()[1]
            found[name] = {name, *words[1:]}
    return found


@functools.cache
def rules(*query: str) -> t.List[Rule]:
    found = []
    for line in run("sesearch", "-A", *query, policy()).splitlines():
        match = _RULE.fullmatch(line.strip())
        if match:
            source, target, kind, several, one, condition = match.groups()
            found.append(Rule(source, target, kind, frozenset((several or one).split()), condition or ""))
    return found


def allowed(domain: str, target: str, kind: str) -> t.Set[str]:
    """What a domain may do with a type whatever the booleans are."""
    permissions: t.Set[str] = set()
    for rule in rules("-t", target, "-c", "dir,file,lnk_file"):
        if rule.kind == kind and not rule.condition and rule.source in attributes()[domain]:
            permissions |= rule.permissions
    return permissions


def may_read(domain: str, target: str) -> bool:
    return all(needed <= allowed(domain, target, kind) for kind, needed in NEEDED.items())


@pytest.fixture(params=DOMAINS)
def domain(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name in NOT_IN_DEBIANS and name not in attributes():
        pytest.skip(f"the policy has no {name}")
    return name


def test_servers_may_read_sets(domain: str) -> None:
    assert may_read(domain, SELINUX.sets)
    assert "search" in allowed(domain, "etc_t", "dir")


def test_servers_may_read_what_the_root_folder_would_be_by_default(domain: str) -> None:
    assert may_read(domain, "etc_t")


def test_not_all_servers_may_read_the_state() -> None:
    """Apache may, so that staples there would seem to work."""
    known = {name for name in DOMAINS if name in attributes()}
    readers = {name for name in known if may_read(name, SELINUX.state)}
    assert "httpd_t" in readers
    assert not readers & {"exim_t", "haproxy_t", "postfix_smtpd_t"}


def test_fewer_may_read_sets_than_other_files_in_etc() -> None:
    domains = [name for name, known in attributes().items() if "domain" in known]
    readers = {
        target: [name for name in domains if "read" in allowed(name, target, "file")]
        for target in (SELINUX.sets, "etc_t")
    }
    assert len(readers[SELINUX.sets]) < len(readers["etc_t"])


def test_folders_that_are_not_labelled_have_their_type_by_default() -> None:
    contexts = policy().parents[1] / "contexts" / "files" / "file_contexts"
    if NAMED_POLICY and not contexts.exists():
        pytest.skip(f"there is no {contexts}")
    wanted = {
        f"{LAYOUT.root}/live": "etc_t",
        f"{LAYOUT.state}/responses": SELINUX.state,
        "/usr/local/lib/ocsp-stapling/ocsp/sets.py": SELINUX.library,
        "/usr/local/sbin/ocsp-stapling": "bin_t",
    }
    for path, kind in wanted.items():
        assert run("matchpathcon", "-n", "-f", contexts, path).split(":")[2] == kind


def test_apache_may_listen_only_where_the_port_has_its_type() -> None:
    found = rules("-s", "httpd_t", "-c", "tcp_socket", "-p", "name_bind")
    ports = {rule.target for rule in found if not rule.condition}
    assert SELINUX.port in ports
    assert not ports & {"port_type", "unreserved_port_t", "unreserved_port_type"}


def test_the_port_of_apache_has_that_type_by_default() -> None:
    """Below 512, where no RPC service takes one by chance, all others of that type are for sites."""
    found = re.findall(rf"portcon tcp (\d+) \S*:{SELINUX.port}:", run("seinfo", "--portcon", "--", policy()))
    low = {int(port) for port in found if int(port) < 512}
    assert low - {80, 81, 443} == {renewed.DEFAULTS["apache_port"]}


def test_apache_may_ask_its_own_responder_by_a_boolean_that_allows_nothing_else() -> None:
    found = rules("-s", "httpd_t", "-c", "tcp_socket", "-b", SELINUX.boolean)
    assert {(rule.target, rule.permissions) for rule in found} == {(SELINUX.port, frozenset({"name_connect"}))}
