# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates by http-01 from a real CA, from nothing to a staple on the wire."""

from __future__ import annotations

import pytest
from acme_support import Ca, Controller, answer_by_nginx, groups
from conftest import lab_tool
from role_support import serve_by_nginx

NAME, BOTH = "www.example.test", "both.example.test"


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
    wanted = groups({"name": NAME, "names": [NAME, "example.test"]}, BOTH)
    first = controller.run(*hosts, ocsp_stapling_certificates=wanted)
    assert first.rc == 0, first.output
    for host in hosts:
        serve_by_nginx(host, NAME, BOTH)
        serial = controller.serial(BOTH)
        assert lab.look(host, BOTH) == (serial, serial, "good")
        assert not host.run("find", "/var/lib/acme-challenge", "-type", "f")
    assert len(ca.issued()) == 2

    before = ca.requests()
    second = controller.run(*hosts, ocsp_stapling_certificates=wanted)
    assert (second.rc, second.count("changed"), second.count("failed")) == (0, 0, 0), second.output
    assert {path.split("/")[1].split("?")[0] for path in ca.requests()[len(before) :]} <= {
        "dir",
        "draft-ietf-acme-ari-03",
    }
