# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's certmonger renews on a host, by its own small CA, and runs the hook after it has saved the certificate."""

from __future__ import annotations

import time
import typing as t

import pytest
from conftest import Result, lab_tool
from renewal_support import install
from role_support import ROOT, serve_by_nginx

pytestmark = pytest.mark.nightly

NAME = "certmonger.example.test"
KEY, CERTIFICATE = "/etc/ssl/private/www.key", "/etc/ssl/certs/www.pem"
HOOK = f"/usr/local/libexec/ocsp-stapling/certmonger {NAME}"

Play = t.Callable[..., Result]


def test_certmonger_renews_and_tells(lab: lab_tool.Lab, add_host: t.Callable[..., lab_tool.Host], play: Play) -> None:
    host = add_host("certmonger", "nginx")
    install(host, "certmonger")
    host.run("systemctl", "restart", "certmonger")
    files = ["-k", KEY, "-f", CERTIFICATE]
    host.run("getcert", "request", "-w", "-c", "local", *files, "-D", NAME)
    renewed_by = {"client": "certmonger", "private_key": KEY, "certificate": CERTIFICATE}
    variables = {
        "certificates": {"web": {"domains": [NAME], "reload": ["nginx"], "renewed_by": renewed_by}},
        "renewal_hooks": ["certmonger"],
    }
    done = play(host, **variables)
    assert done.rc == 0, done.output
    serve_by_nginx(host, NAME)
    old = lab.look(host, NAME)[0]
    host.run("getcert", "start-tracking", *files, "-C", HOOK)
    host.run("getcert", "resubmit", "-w", "-f", CERTIFICATE)
    deadline = time.monotonic() + 90
    while lab.look(host, NAME)[0] == old:
        assert time.monotonic() < deadline, host.run("getcert", "list")
        time.sleep(0.5)
    assert host.read(CERTIFICATE).strip() == host.read(f"{ROOT}/live/{NAME}/cert.pem").strip()
    again = play(host, **variables)
    assert (again.rc, again.count("changed")) == (0, 0), again.output
