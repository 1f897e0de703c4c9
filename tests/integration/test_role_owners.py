# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several roles and plays include this one for the same host: their certificates add up, and each has its own."""

from __future__ import annotations

import itertools
import json
import os
import typing as t
from pathlib import Path

import pytest
from conftest import Result, lab_tool, pki_tool, run_program
from role_support import (
    ROOT,
    is_stapled,
    is_unharmed,
    names_of,
    serial,
    serve_by_dovecot,
    serve_by_exim,
    serve_by_nginx,
)

AddHost = t.Callable[..., lab_tool.Host]
Include = t.Callable[..., Result]

WEB, SHOP = "www.example.com", "shop.example.com"
MAIL = "mail.example.com"
API, OLD = "api.example.com", "old.example.com"
PROXY_PORT = 8443
KEY = {"key_group": "Debian-exim", "key_mode": "0440"}

#: The groups that each role has.
GROUPS: dict[str, dict[str, t.Any]] = {
    "web": {"web": {"domains": [WEB, SHOP], "reload": ["nginx"]}},
    "mail": {"mail": {"domains": [MAIL], "reload": ["exim", "dovecot"], **KEY}},
    "proxy": {"proxy": {"domains": [API, OLD], "reload": ["haproxy"]}},
}
#: How clients reach each certificate: the port, and the protocol before TLS.
PLACES = {
    WEB: (443, ""),
    SHOP: (443, ""),
    MAIL: (465, ""),
    API: (PROXY_PORT, ""),
    OLD: (PROXY_PORT, ""),
}
ENDPOINTS = [
    {"service": "nginx", "port": 443},
    {"service": "exim", "port": 465},
    {"service": "dovecot", "port": 993},
    {"service": "haproxy", "port": PROXY_PORT},
]


@pytest.fixture
def include(lab: lab_tool.Lab, tmp_path: Path, lab_pki: pki_tool.Pki) -> Include:
    """Run a play of roles that include the role, each with variables of its own."""

    def run(
        host: lab_tool.Host,
        *roles: str,
        groups: t.Mapping[str, t.Any] = GROUPS,
        check: bool = False,
        **variables: t.Any,
    ) -> Result:
        common = {"source": lab_pki.home, "patience": 0, "endpoints": ENDPOINTS, **variables}
        for role in roles:
            given = {"certificates": groups.get(role, {}), **common}
            task = {
                "name": "Deploy certificates",
                "ansible.builtin.include_role": {"name": "certops.ocsp.ocsp_stapling"},
                "vars": {f"ocsp_stapling_{name}": value for name, value in given.items()},
            }
            path = tmp_path / "roles" / role / "tasks" / "main.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps([task], default=str))
        play = {"hosts": host.name, "gather_facts": False, "roles": list(roles)}
        return playbook(lab, tmp_path, play, check=check)

    return run


def playbook(lab: lab_tool.Lab, folder: Path, *plays: t.Mapping[str, t.Any], check: bool = False) -> Result:
    path = folder / "site.yml"
    path.write_text(json.dumps(plays, default=str))
    switches = ["--check", "--diff"] if check else []
    done = run_program(
        "ansible-playbook", "-i", lab.inventory, *switches, path, env={**os.environ, "ANSIBLE_PIPELINING": "true"}
    )
    return Result(done.returncode, done.stdout + done.stderr)


def serve(host: lab_tool.Host) -> None:
    """Have all four servers serve what their roles deploy."""
    serve_by_nginx(host, WEB, SHOP)
    serve_by_exim(host)
    serve_by_dovecot(host)
    host.write(
        "/etc/haproxy/haproxy.cfg",
        "global\n stats socket /run/haproxy/admin.sock mode 660 level admin\n"
        "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
        f"frontend tls\n bind :{PROXY_PORT} ssl crt-list {ROOT}/snippets/haproxy.list\n"
        ' http-request return status 200 content-type text/plain string "ok"\n',
    )
    host.run("systemctl", "restart", "haproxy")


def all_are_served(lab: lab_tool.Lab, host: lab_tool.Host, pki: pki_tool.Pki, *names: str) -> None:
    for name in names:
        port, starttls = PLACES[name]
        assert is_stapled(lab.look(host, name, port, starttls), pki.leaf(name)), name


def said(result: Result) -> str:
    return " ".join(result.output.split())


def test_three_roles_on_one_host(lab: lab_tool.Lab, add_host: AddHost, include: Include, lab_pki: pki_tool.Pki) -> None:
    """In any order, and clients of all of them all the time."""
    host = add_host("shared", "nginx", "exim4", "dovecot", "haproxy")
    for name in PLACES:
        lab_pki.issue(name, key="ec")
    with lab.responder(lab_pki.home):
        first = include(host, "web", "mail", "proxy")
        assert first.rc == 0, first.output
        assert names_of(host, f"{ROOT}/parts") == ["mail.json", "proxy.json", "web.json"]
        serve(host)
        all_are_served(lab, host, lab_pki, *PLACES)

        specs = {name: f"{host.address}:{PLACES[name][0]}:{name}" for name in PLACES}
        with lab.clients(*specs.values()) as seen:
            for order in itertools.islice(itertools.permutations(GROUPS), 1, 4):
                again = include(host, *order)
                assert again.rc == 0 and again.count("changed") == 0, again.output
        for name, summary in ((name, seen[spec]) for name, spec in specs.items()):
            assert is_unharmed(summary) and summary["handshakes"] > 0, (name, summary)
            assert {shown["certificate"] for shown in summary["shown"]} == {serial(lab_pki.leaf(name))}, name
            assert all(shown["status"] == "good" for shown in summary["shown"]), (name, summary)

        # One of them removes a certificate.
        fewer = {**GROUPS, "proxy": {"proxy": {"domains": [API], "reload": ["haproxy"]}}}
        foreseen = include(host, "web", "proxy", "mail", groups=fewer, check=True)
        told = f"no longer configured, so that it would be removed: {OLD} (no longer served by haproxy)"
        assert foreseen.rc == 0 and told in said(foreseen), foreseen.output
        left = [name for name in PLACES if name != OLD]
        with lab.clients(*(specs[name] for name in left)) as seen:
            removed = include(host, "web", "proxy", "mail", groups=fewer)
        assert removed.rc == 0 and f"{OLD} (no longer served by haproxy)" in said(removed), removed.output
        for name in left:
            assert is_unharmed(seen[specs[name]], refused=3), (name, seen[specs[name]])
        assert OLD not in names_of(host, f"{ROOT}/live") + names_of(host, f"{ROOT}/sets")
        assert lab.look(host, OLD, PROXY_PORT)[0] != serial(lab_pki.leaf(OLD))
        all_are_served(lab, host, lab_pki, *left)
        second = include(host, "proxy", "mail", "web", groups=fewer)
        assert second.rc == 0 and second.count("changed") == 0, second.output

        # Another one is uninstalled, which its server has to be told of first.
        refused = include(host, "web", groups=fewer, state="absent")
        assert refused.rc != 0 and "nothing was removed, since this still uses it: /etc/nginx/" in said(refused)
        all_are_served(lab, host, lab_pki, *left)
        host.run("rm", "/etc/nginx/sites-enabled/tls")
        host.run("systemctl", "reload", "nginx")
        for changed in (True, False):
            gone = include(host, "web", groups=fewer, state="absent")
            assert gone.rc == 0 and (gone.count("changed") > 0) is changed, gone.output
        assert names_of(host, f"{ROOT}/live") == [API, MAIL]
        assert names_of(host, f"{ROOT}/parts") == ["mail.json", "proxy.json"]
        all_are_served(lab, host, lab_pki, API, MAIL)
        assert host.run("ocsp-stapling", "status", "--nagios").startswith("OCSP OK")
        rest = include(host, "mail", "proxy", groups=fewer)
        assert rest.rc == 0 and rest.count("changed") == 0, rest.output
