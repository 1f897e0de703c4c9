# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates from a second ACME server: that of Caddy, a private CA without OCSP and without ARI."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from pathlib import Path

import acme_support
import pebble
import pytest
from acme_support import Controller, answer_by_nginx, groups
from conftest import lab_tool
from role_support import serve_by_nginx

pytestmark = pytest.mark.nightly

NAMES = ["www.example.test", "example.test"]
NAME = NAMES[0]
_CONFIGURATION = """\
{{
  skip_install_trust
  admin off
  auto_https disable_redirects
  storage file_system {home}/data
}}
https://{address}:14000 {{
  tls internal
  acme_server
}}
"""
#: It has no other way to be told where a name leads than the machine's own.
_START = 'mount --bind "$1/hosts" /etc/hosts && exec "$2" run --config "$1/Caddyfile" --adapter caddyfile'


class Caddy:
    """What a controller has to know of it."""

    def __init__(self, lab: lab_tool.Lab, home: Path) -> None:
        self.lab = lab
        self.directory = f"https://{lab.address}:14000/acme/local/directory"
        self.ca_file = home / "data/pki/authorities/local/root.crt"


@pytest.fixture(scope="module")
def host(lab: lab_tool.Lab) -> lab_tool.Host:
    found = lab.add("web", ("nginx",))
    answer_by_nginx(found)
    return found


@pytest.fixture(scope="module")
def ca(lab: lab_tool.Lab, host: lab_tool.Host, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Caddy]:
    home = tmp_path_factory.mktemp("caddy")
    program = pebble.fetch_caddy(acme_support.CACHE)
    pebble.fetch_collections(acme_support.CACHE)
    (home / "Caddyfile").write_text(_CONFIGURATION.format(home=home, address=lab.address))
    (home / "hosts").write_text(f"127.0.0.1 localhost\n{host.address} {' '.join(NAMES)}\n")
    found = Caddy(lab, home)
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            lab.inside("unshare", "--mount", "sh", "-c", _START, "sh", home, program),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(home)},
        )
        try:
            deadline = time.monotonic() + 60
            while "serving initial configuration" not in (home / "log").read_text() or not found.ca_file.exists():
                assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            process.wait(60)


def test_a_certificate_is_issued_kept_and_renewed(
    host: lab_tool.Host, ca: Caddy, controller: Controller, lab: lab_tool.Lab
) -> None:
    variables = {"ocsp_stapling_certificates": groups({"name": NAME, "names": NAMES})}
    first = controller.run(host, **variables)
    assert first.rc == 0, first.output
    serve_by_nginx(host, NAME)
    old = controller.serial(NAME)
    # It has no responder, which is normal.
    assert lab.look(host, NAME) == (old, "", "")
    again = controller.run(host, **variables)
    assert (again.rc, again.count("changed"), again.count("failed")) == (0, 0, 0), again.output
    assert controller.serial(NAME) == old
    renewed = controller.run(host, **variables, acme_certificates_force=[NAME])
    assert renewed.rc == 0, renewed.output
    new = controller.serial(NAME)
    assert new != old and lab.look(host, NAME) == (new, "", "")
    refused = controller.run(
        host, ocsp_stapling_certificates=groups({"name": NAME, "names": NAMES, "acme": {"must_staple": True}})
    )
    assert refused.rc != 0 and "as its CA has no OCSP responder" in refused.output, refused.output
    assert controller.serial(NAME) == new
