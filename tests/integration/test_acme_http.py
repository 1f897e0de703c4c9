# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates by http-01 from a real CA, from nothing to a staple on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_support import Ca, Controller, answer_by_nginx, groups
from conftest import lab_tool
from role_support import is_unharmed, serve_by_nginx

NAME, BOTH = "www.example.test", "both.example.test"


#: What the hosts have of one test after another: each goes on from what it finds.
DOMAINS = [{"name": NAME, "names": [NAME, "example.test"]}, BOTH]
WANTED = {"ocsp_stapling_certificates": groups(*DOMAINS)}
DEMANDING = [DOMAINS[0], {"name": BOTH, "acme": {"must_staple": True}}]


@pytest.fixture(scope="module")
def controller(ca: Ca, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(ca, tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def hosts(lab: lab_tool.Lab, ca: Ca) -> list[lab_tool.Host]:
    """Two hosts that show answers at port 80."""
    found = lab.add_all(["web1", "web2"], ["nginx"])
    for host in found:
        answer_by_nginx(host)
    ca.point(NAME, found[0])
    ca.point("example.test", found[0])
    ca.point(BOTH, *found)
    return found


def test_from_nothing_to_a_staple_on_the_wire(
    hosts: list[lab_tool.Host], ca: Ca, controller: Controller, lab: lab_tool.Lab
) -> None:
    first = controller.run(*hosts, **WANTED)
    assert first.rc == 0, first.output
    for host in hosts:
        serve_by_nginx(host, NAME, BOTH)
        serial = controller.serial(BOTH)
        assert lab.look(host, BOTH) == (serial, serial, "good")
        assert not host.run("find", "/var/lib/acme-challenge", "-type", "f")
    assert len(ca.issued()) == 2

    before = len(ca.requests())
    second = controller.run(*hosts, **WANTED)
    assert (second.rc, second.count("changed"), second.count("failed")) == (0, 0, 0), second.output
    assert {path.split("/")[1] for path in ca.requests()[before:]} == {"dir", "draft-ietf-acme-ari-03"}


def test_what_the_ca_revokes_is_replaced_under_clients(
    hosts: list[lab_tool.Host], ca: Ca, controller: Controller, lab: lab_tool.Lab
) -> None:
    web = hosts[0]
    first, key = controller.serial(NAME), controller.public_key(NAME)
    with lab.clients(f"{web.address}:443:{NAME}") as seen:
        # By the word of the CA: it says so at once, while the staple is good for days.
        controller.revoke(NAME)
        by_ari = controller.run(*hosts, **WANTED)
        assert by_ari.rc == 0, by_ari.output
        second = controller.serial(NAME)
        assert lab.look(web, NAME) == (second, second, "good")
        # By OCSP, where the CA is not asked: the program on a host has found out.
        controller.revoke(NAME)
        web.run("ocsp-stapling", "refresh", "--force", check=False)
        web.run("ocsp-stapling", "apply", check=False)
        foreseen = controller.run(*hosts, **WANTED, acme_certificates_use_ari=False, switches=["--check"])
        # And not that the one which would be replaced is refused.
        assert foreseen.rc == 0 and f"Would be ordered: {NAME} (revoked)" in foreseen.output, foreseen.output
        by_ocsp = controller.run(*hosts, **WANTED, acme_certificates_use_ari=False)
        assert by_ocsp.rc == 0, by_ocsp.output
        third = controller.serial(NAME)
        assert lab.look(web, NAME) == (third, third, "good")
    (summary,) = seen.values()
    assert is_unharmed(summary), summary
    assert len({first, second, third}) == 3 and controller.public_key(NAME) != key
    again = controller.run(*hosts, **WANTED)
    assert (again.rc, again.count("changed")) == (0, 0), again.output


def test_what_demands_stapling_never_goes_live_without(
    hosts: list[lab_tool.Host], ca: Ca, controller: Controller, lab: lab_tool.Lab
) -> None:
    old = controller.serial(BOTH)
    demanding = {"ocsp_stapling_certificates": groups(*DEMANDING)}
    with ca.responder_down():
        held = controller.run(*hosts, **demanding)
        assert held.rc != 0 and controller.serial(BOTH) != old
        assert {lab.look(host, BOTH)[0] for host in hosts} == {old}
    live = controller.run(*hosts, **demanding)
    assert live.rc == 0, live.output
    new = controller.serial(BOTH)
    assert {lab.look(host, BOTH) for host in hosts} == {(new, new, "good")}


def test_a_ca_is_not_asked_about_what_a_host_does_not_answer(
    hosts: list[lab_tool.Host], ca: Ca, controller: Controller, lab: lab_tool.Lab
) -> None:
    other, before, served = hosts[1], len(ca.issued()), controller.serial(NAME)
    ca.point("new.example.test", *hosts)
    wanted = {"ocsp_stapling_certificates": groups(*DEMANDING, "new.example.test")}
    plain = other.read("/etc/nginx/sites-enabled/plain")
    other.write("/etc/nginx/sites-enabled/plain", plain.replace("/var/lib/acme-challenge", "/srv"))
    other.run("systemctl", "reload", "nginx")
    found = controller.run(*hosts, **wanted)
    other.write("/etc/nginx/sites-enabled/plain", plain)
    other.run("systemctl", "reload", "nginx")
    sentence = f"new.example.test was not obtained: {other.name} answers 404 at port 80 for http://new.example.test/"
    assert found.rc != 0 and sentence in found.output
    assert "Attempting to validate w/ HTTP: http://new.example.test" not in ca.log()
    for host in hosts:
        assert not host.run("find", "/var/lib/acme-challenge", "-type", "f")
        assert lab.look(host, NAME) == (served, served, "good")
    assert len(ca.issued()) == before
    orders = ca.requests().count("POST /order-plz")
    mended = controller.run(*hosts, **wanted)
    assert mended.rc == 0, mended.output
    # The order of the run before was taken up.
    assert ca.requests().count("POST /order-plz") == orders and len(ca.issued()) == before + 1


def test_what_cannot_be_obtained_now_stays_on_hosts(
    hosts: list[lab_tool.Host], ca: Ca, controller: Controller, lab: lab_tool.Lab, tmp_path: Path
) -> None:
    served = controller.serial(NAME)
    controller.files.rename(tmp_path / "lost")
    ca.stop()
    found = controller.run(*hosts, ocsp_stapling_certificates=groups(*DEMANDING))
    ca.start()
    assert found.rc != 0 and f"{NAME} was not obtained: the CA cannot be reached" in found.output
    for host in hosts:
        assert lab.look(host, NAME)[0] == served
        assert NAME in host.run("ocsp-stapling", "status", check=False)
