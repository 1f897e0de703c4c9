# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients of four servers see, twenty times a second, while certificates are renewed, revoked and replaced."""

from __future__ import annotations

import pytest
from acme_support import Ca, Controller
from conftest import lab_tool
from role_support import ROOT, is_unharmed, serve_by_dovecot, serve_by_exim, serve_by_nginx

pytestmark = pytest.mark.nightly

WEB, MAIL = "www.example.test", "mail.example.test"
PORTS = {"nginx": 443, "haproxy": 8443, "exim": 465, "dovecot": 993}
NAMES = {"nginx": WEB, "haproxy": WEB, "exim": MAIL, "dovecot": MAIL}
VARIABLES = {
    "acme_certificates_challenge": "dns-01",
    "ocsp_stapling_certificates": {
        "web": {"domains": [WEB], "reload": ["nginx", "haproxy"]},
        "mail": {"domains": [MAIL], "reload": ["exim", "dovecot"], "key_group": "Debian-exim", "key_mode": "0440"},
    },
}


@pytest.fixture
def host(lab: lab_tool.Lab, controller: Controller) -> lab_tool.Host:
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
    return found


def test_no_client_comes_to_harm(host: lab_tool.Host, ca: Ca, controller: Controller, lab: lab_tool.Lab) -> None:
    endpoints = [{"service": service, "port": port} for service, port in PORTS.items()]
    variables = {**VARIABLES, "ocsp_stapling_endpoints": endpoints}
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
        summary = seen[spec]
        # Exim closes its port for the moment in which it starts anew.
        assert is_unharmed(summary, refused=1000 if service == "exim" else 0), (service, summary)
        shown = {one["certificate"] for one in summary["shown"]}
        assert len(shown) == 3 and controller.serial(NAMES[service]) in shown, (service, summary)
        without = [one for one in summary["shown"] if one["status"] != "good"]
        assert service == "dovecot" or not without, (service, without)
        now = lab.look(host, NAMES[service], PORTS[service])
        assert now[0] == controller.serial(NAMES[service])
