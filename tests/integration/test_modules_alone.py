# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_set in a play of the user's, who has the services reloaded, beside the program of the role."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from conftest import Result, lab_tool, pki_tool, run_program
from role_support import ROOT, is_stapled, names_of, serve_by_exim, serve_by_nginx
from test_examples import examples_of

AddHost = t.Callable[..., lab_tool.Host]
Play = t.Callable[..., Result]

WEB, MAIL, STATIC = "www.example.com", "mail.example.com", "static.example.com"
STATIC_PORT = 9443
SERVICES = {WEB: "nginx", MAIL: "exim", STATIC: "lighttpd"}
GROUPS = {
    "web": {"domains": [WEB], "reload": ["nginx"]},
    "mail": {"domains": [MAIL], "reload": ["exim"], "key_group": "Debian-exim", "key_mode": "0440"},
    "static": {"domains": [STATIC], "reload": ["lighttpd"], "key_group": "www-data", "key_mode": "0440"},
}
KEYS = {name: {"group": group, "mode": "0440"} for name, group in ((MAIL, "Debian-exim"), (STATIC, "www-data"))}


def reload_task() -> dict[str, t.Any]:
    """That of the examples, as it stands."""
    (task,) = [task for task in yaml.safe_load(examples_of("certificate_set")) if "loop" in task]
    return dict(task)


def statuses(host: lab_tool.Host) -> list[str]:
    """What status says to root, and to a user who may do nothing."""
    command = ("ocsp-stapling", "status", "--nagios")
    others = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    return [host.run(*user, *command, check=False) for user in ((), others)]


@pytest.fixture
def host(lab: lab_tool.Lab, add_host: AddHost, lab_pki: pki_tool.Pki, play: Play) -> lab_tool.Host:
    """A host that the role has set up."""
    one = add_host("alone", "nginx", "exim4")
    for name in SERVICES:
        lab_pki.issue(name)
    endpoints = [{"service": "nginx", "port": 443}, {"service": "exim", "port": 25, "starttls": "smtp"}]
    endpoints += [{"service": "lighttpd", "port": STATIC_PORT}]
    with lab.responder(lab_pki.home):
        done = play(one, certificates=GROUPS, source=lab_pki.home, responder_wait=0, endpoints=endpoints)
    assert done.rc == 0, done.output
    serve_by_nginx(one, WEB)
    serve_by_exim(one)
    one.write(
        "/etc/lighttpd/conf-enabled/99-tls.conf",
        'server.modules += ( "mod_openssl" )\n'
        f'$SERVER["socket"] == ":{STATIC_PORT}" {{\n  ssl.engine = "enable"\n'
        f'  include "/etc/ocsp-stapling/live/{STATIC}/lighttpd.conf"\n}}\n',
    )
    # nginx has port 80.
    one.run("sed", "-i", "s/^server.port .*/server.port = 8080/", "/etc/lighttpd/lighttpd.conf")
    one.run("systemctl", "unmask", "lighttpd")
    one.run("systemctl", "restart", "lighttpd")
    return one


def test_status_sees_at_once_what_the_users_handlers_did(
    lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki, tmp_path: Path
) -> None:
    for name in SERVICES:
        lab_pki.issue(name)
    entries = [{"name": name, "services": [service], **KEYS.get(name, {})} for name, service in SERVICES.items()]

    def run(
        *tasks: t.Mapping[str, t.Any],
        certificates: t.Sequence[t.Mapping[str, t.Any]] = entries,
        switches: t.Sequence[str] = (),
    ) -> Result:
        deploy = {"source": str(lab_pki.home), "certificates": certificates, "keep": 1}
        shared = [{"certops.ocsp.certificate_set": deploy, "register": "deployed"}]
        path = tmp_path / "alone.yml"
        path.write_text(json.dumps([{"hosts": host.name, "gather_facts": False, "tasks": [*shared, *tasks]}]))
        done = run_program(
            "ansible-playbook",
            "-v",
            *switches,
            "-i",
            lab.inventory,
            path,
            env={**os.environ, "ANSIBLE_PIPELINING": "true"},
        )
        return Result(done.returncode, done.stdout + done.stderr)

    with lab.responder(lab_pki.home):
        deployed = run()
        assert deployed.rc == 0, deployed.output
        for said in statuses(host):
            assert said.startswith("OCSP WARNING - exim has not been reloaded since its files changed; "), said
            assert "(and 2 more)" in said
        # One by the hand of an administrator, and a restart, as some handlers do.
        host.run("systemctl", "reload", "nginx")
        host.run("systemctl", "restart", "exim4")
        for said in statuses(host):
            assert said.startswith("OCSP WARNING - lighttpd has not been reloaded since its files changed; "), said
            assert "more)" not in said
        # The rest by the example, which finds each unit under its own name.
        done = run(reload_task())
        assert done.rc == 0 and "lighttpd.service" in done.output, done.output
        for said in statuses(host):
            assert said.startswith("OCSP OK - "), said
        ports = {WEB: (443, ""), MAIL: (25, "smtp"), STATIC: (STATIC_PORT, "")}
        for name, port in ports.items():
            assert is_stapled(lab.look(host, name, *port), lab_pki.leaf(name)), name

        # A renewal that is refused, of which the user of the module alone would otherwise know.
        lab_pki.issue(WEB)
        wrong = [{**entries[0], "chain_src": str(lab_pki.leaf(MAIL).certificate)}, *entries[1:]]
        refused = run(certificates=wrong)
        assert refused.rc != 0 and "does not contain the issuer" in refused.output, refused.output
        for said in statuses(host):
            assert said.startswith("OCSP WARNING - www.example.com: a renewed "), said
        assert "was refused at " in said and "does not contain the issuer" in said

        # All of it by the example.
        for name in SERVICES:
            lab_pki.issue(name)
        done = run(reload_task())
        assert done.rc == 0 and "exim4.service" in done.output, done.output
        for said in statuses(host):
            assert said.startswith("OCSP OK - "), said
        for name, port in ports.items():
            assert is_stapled(lab.look(host, name, *port), lab_pki.leaf(name)), name
    # Of the three that were deployed, the one that was confirmed last is for a rollback.
    assert len(names_of(host, f"{ROOT}/sets/{WEB}")) == 2
