# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients of four servers see, twenty times a second, from the first issue of a certificate to its replacement."""

from __future__ import annotations

import time
import typing as t

import pytest
from acme_support import Ca, Controller
from conftest import lab_tool
from role_support import ROOT, is_unharmed, serve_by_dovecot, serve_by_exim, serve_by_nginx

pytestmark = pytest.mark.nightly

WEB, MAIL = "www.example.test", "mail.example.test"
FIRST = {WEB: "first-web.example.test", MAIL: "first-mail.example.test"}
PORTS = {"nginx": 443, "haproxy": 8443, "exim": 465, "dovecot": 993}
NAMES = {"nginx": WEB, "haproxy": WEB, "exim": MAIL, "dovecot": MAIL}
ENDPOINTS = [{"service": service, "port": port} for service, port in PORTS.items()]


def variables_for(web: t.Sequence[str], mail: t.Sequence[str]) -> dict[str, t.Any]:
    mail_group = {"reload": ["exim", "dovecot"], "key_group": "Debian-exim", "key_mode": "0440"}
    return {
        "acme_certificates_challenge": "dns-01",
        "ocsp_stapling_certificates": {
            "web": {"domains": list(web), "reload": ["nginx", "haproxy"]},
            "mail": {"domains": list(mail), **mail_group},
        },
    }


VARIABLES = variables_for([WEB], [MAIL])


@pytest.fixture
def host(lab: lab_tool.Lab, controller: Controller) -> t.Iterator[lab_tool.Host]:
    """A host on which all four serve what was obtained for them."""
    found = lab.add("servers", ("nginx", "exim4", "dovecot", "haproxy"))
    first = controller.run(found, ocsp_stapling_verify=False, **VARIABLES)
    assert first.rc == 0, first.output
    serve_by_nginx(found, WEB)
    serve_by_exim(found)
    serve_by_dovecot(found)
    known = found.read("/etc/haproxy/haproxy.cfg")
    found.write(
        "/etc/haproxy/haproxy.cfg",
        f"{known}\nfrontend tls\n  bind :{PORTS['haproxy']} ssl crt-list {ROOT}/snippets/haproxy.list\n"
        "  http-request return status 200\n",
    )
    found.run("systemctl", "restart", "haproxy")
    yield found
    lab.remove(found)


def test_no_client_comes_to_harm(host: lab_tool.Host, ca: Ca, controller: Controller, lab: lab_tool.Lab) -> None:
    variables = {**VARIABLES, "ocsp_stapling_endpoints": ENDPOINTS}
    assert controller.run(host, **variables).rc == 0
    specs = {service: f"{host.address}:{PORTS[service]}:{NAMES[service]}" for service in PORTS}
    with lab.clients(*specs.values()) as seen:
        renewed = controller.run(host, acme_certificates_force=[WEB, MAIL], **variables)
        assert renewed.rc == 0, renewed.output
        for name in (WEB, MAIL):
            controller.revoke(name)
        replaced = controller.run(host, **variables)
        assert replaced.rc == 0, replaced.output
    for service, spec in specs.items():
        check_unharmed(service, seen[spec])
        shown = {one["certificate"] for one in seen[spec]["shown"]}
        assert len(shown) == 3 and controller.serial(NAMES[service]) in shown, (service, seen[spec])
        now = lab.look(host, NAMES[service], PORTS[service])
        assert now[0] == controller.serial(NAMES[service])


def check_unharmed(service: str, summary: t.Mapping[str, t.Any]) -> None:
    # Exim closes its port for the moment in which it starts anew.
    assert is_unharmed(summary, refused=1000 if service == "exim" else 0), (service, summary)
    without = [one for one in summary["shown"] if one["status"] != "good"]
    # Dovecot cannot staple.
    assert service == "dovecot" or not without, (service, without)


def test_a_first_certificate_harms_no_other_name(
    host: lab_tool.Host, ca: Ca, controller: Controller, lab: lab_tool.Lab
) -> None:
    """Until then each server shows a certificate of another name to those who ask for the new one."""
    assert controller.run(host, **VARIABLES, ocsp_stapling_endpoints=ENDPOINTS).rc == 0
    old = {service: f"{host.address}:{PORTS[service]}:{NAMES[service]}" for service in PORTS}
    new = {service: f"{host.address}:{PORTS[service]}:{FIRST[NAMES[service]]}" for service in PORTS}
    with lab.clients(*old.values(), *new.values()) as seen:
        variables = variables_for([WEB, FIRST[WEB]], [MAIL, FIRST[MAIL]])
        issued = controller.run(host, **variables, ocsp_stapling_endpoints=ENDPOINTS)
        assert issued.rc == 0, issued.output
        serve_by_nginx(host, WEB, FIRST[WEB])
        time.sleep(2)
    for service, name in NAMES.items():
        check_unharmed(service, seen[old[service]])
        assert {one["certificate"] for one in seen[old[service]]["shown"]} == {controller.serial(name)}
        check_unharmed(service, seen[new[service]])
        shown = {one["certificate"] for one in seen[new[service]]["shown"]}
        assert shown == {controller.serial(name), controller.serial(FIRST[name])}, (service, seen[new[service]])
