# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates by dns-01 through BIND, by the tasks that the guide gives."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import textwrap
import time
import typing as t
from pathlib import Path

import acme_support
import pebble
import pytest
from acme_support import Ca, Controller, groups
from conftest import CHECKOUT, lab_tool

pytestmark = pytest.mark.nightly

_ZONE = """\
$TTL 60
@ IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60
@ IN NS ns.{zone}.
ns.{zone}. IN A {address}
"""
_CONFIGURATION = """\
options {{
  directory "{home}"; listen-on {{ {address}; }}; listen-on-v6 {{ none; }}; recursion yes; dnssec-validation no;
  allow-query {{ any; }}; pid-file "{home}/named.pid"; session-keyfile "{home}/session.key";
}};
controls {{ }};
key "acme." {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "example.test" {{
  type primary; file "example.test.db"; update-policy {{ grant acme. subdomain example.test. TXT; }};
}};
zone "auth.test" {{
  type primary; file "auth.test.db"; update-policy {{ grant acme. subdomain auth.test. TXT; }};
}};
zone "." {{ type primary; file "root.db"; }};  // so that nothing is asked for outside
"""


@pytest.fixture(scope="module")
def secret() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(scope="module")
def named(lab: lab_tool.Lab, secret: str, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A real name server with two zones that take updates."""
    home = tmp_path_factory.mktemp("named")
    try:
        unpacked = pebble.fetch_named(acme_support.CACHE)
    except pebble.UnavailableError as problem:
        pytest.skip(f"there is no BIND: {problem}")
    for zone, more in (
        ("example.test", "_acme-challenge.cname IN CNAME cname.auth.test.\n"),
        ("auth.test", ""),
        ("root", "test. IN NS ns.example.test.\n"),
    ):
        text = _ZONE.format(zone="example.test" if zone == "root" else zone, address=lab.address)
        (home / f"{zone}.db").write_text(text + more)
    (home / "named.conf").write_text(_CONFIGURATION.format(home=home, address=lab.address, secret=secret))
    libraries = [str(unpacked / folder / "x86_64-linux-gnu") for folder in ("usr/lib", "lib")]
    with (home / "named.log").open("w") as log:
        process = subprocess.Popen(
            lab.inside(unpacked / "usr/sbin/named", "-g", "-c", home / "named.conf"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)},
        )
    deadline = time.monotonic() + 60
    while " running" not in (home / "named.log").read_text():
        assert process.poll() is None and time.monotonic() < deadline, (home / "named.log").read_text()
        time.sleep(0.1)
    yield home
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def ca(lab: lab_tool.Lab, named: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Ca]:
    """A CA that asks this name server."""
    running = Ca(lab, tmp_path_factory.mktemp("ca"))
    running.start("--name-server", f"{lab.address}:53")
    yield running
    running.stop()


def tasks_of_the_guide(address: str) -> str:
    guide = (CHECKOUT / "docs/docsite/rst/acme.rst").read_text()
    (block,) = re.findall(r"\.\. BEGIN nsupdate.*?code-block:: text\n\n(.*?)\n\.\. END nsupdate", guide, re.DOTALL)
    text = textwrap.dedent(block)
    assert text.count("192.0.2.53") == 1
    return text.replace("192.0.2.53", address)


def test_the_tasks_of_the_guide_set_and_remove_records(
    ca: Ca, controller: Controller, lab: lab_tool.Lab, named: Path, secret: str
) -> None:
    controller.home.joinpath("nsupdate.yml").write_text(tasks_of_the_guide(lab.address))
    controller.home.joinpath("files").mkdir()
    controller.home.joinpath("files/acme.tsig").write_text(secret)
    wildcard = ["*.example.test", "example.test"]
    wanted = groups(
        {"name": "ecdsa.example.test", "names": wildcard},
        {"name": "rsa.example.test", "names": wildcard, "acme": {"key_type": "rsa-2048"}},
        {"name": "cname.example.test", "names": ["cname.example.test"]},
    )
    found = controller.run(
        ocsp_stapling_certificates=wanted,
        acme_certificates_dns_tasks="nsupdate.yml",
        acme_certificates_dns_alias={"_acme-challenge.cname.example.test": "cname.auth.test"},
    )
    assert found.rc == 0, found.output + (named / "named.log").read_text()
    assert len(ca.issued()) == 3
    log = (named / "named.log").read_text()
    assert "adding an RR at 'cname.auth.test' TXT" in log
    assert "adding an RR at '_acme-challenge.example.test' TXT" in log
    assert "deleting rrset at '_acme-challenge.example.test' TXT" in log
    assert secret not in found.output


def test_a_name_server_that_refuses_is_one_sentence(ca: Ca, controller: Controller, lab: lab_tool.Lab) -> None:
    controller.home.joinpath("nsupdate.yml").write_text(tasks_of_the_guide(lab.address))
    controller.home.joinpath("files").mkdir()
    controller.home.joinpath("files/acme.tsig").write_text(base64.b64encode(b"wrong" * 6).decode())
    before = [one for one in ca.requests() if "chalZ" in one]
    found = controller.run(
        ocsp_stapling_certificates=groups("wrong.example.test"), acme_certificates_dns_tasks="nsupdate.yml"
    )
    assert found.rc != 0
    assert "wrong.example.test was not obtained: its DNS records could not be set: " in found.output
    assert "could not be set: One or more items failed" not in found.output
    # The CA was not asked to look.
    assert [one for one in ca.requests() if "chalZ" in one] == before
