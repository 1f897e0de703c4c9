# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guide has one run to look at a staple, run as it stands but for the port."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from conftest import CHECKOUT, pki_tool
from daemons import Site, running

GUIDE = (CHECKOUT / "docs" / "docsite" / "rst" / "getting_started.rst").read_text()
STEP = GUIDE.partition("\n5. Check it\n")[2].partition("\nWhat happens next\n")[0]


def blocks(language: str) -> list[str]:
    """The examples of the step in one language."""
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:(?: {{3}}.*)?\n)+)", STEP, re.MULTILINE)
    return [textwrap.dedent(text).strip() for text in found]


def look(port: int) -> str:
    """What the guide's command prints of a server."""
    (command,) = (text for text in blocks("shell") if "s_client" in text)
    assert command.count("localhost:443") == 1
    command = command.replace("localhost:443", f"localhost:{port}")
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.fixture
def staple(pki: pki_tool.Pki, responder: pki_tool.Responder, leaf: pki_tool.Leaf, folder: Path) -> bytes:
    return pki.response(leaf.name, folder / "good.der").read_bytes()


@pytest.mark.parametrize("server", ["nginx", "s_server"])
def test_a_good_staple_looks_as_the_guide_shows_it(server: str, leaf: pki_tool.Leaf, staple: bytes) -> None:
    with running(server, [Site(leaf, staple)]) as one:
        said = look(one.port)
    shown = next(text for text in blocks("text") if "OCSP response:" in text)
    in_general = re.compile(r"[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4} GMT")
    assert [line.rstrip() for line in in_general.sub("TIME", said).splitlines()] == in_general.sub(
        "TIME", shown
    ).splitlines()


def test_what_is_wrong_looks_as_the_guide_says(
    pki: pki_tool.Pki, responder: pki_tool.Responder, leaf: pki_tool.Leaf, revoked: pki_tool.Leaf, folder: Path
) -> None:
    pki.revoke(revoked.name)
    bad = pki.response(revoked.name, folder / "bad.der").read_bytes()
    with running("nginx", [Site(leaf)]) as server:
        silent = look(server.port).strip()
    with running("nginx", [Site(revoked, bad)]) as server:
        said = look(server.port)
    assert silent == "OCSP response: no response sent" and f"``{silent}``" in STEP
    assert "Cert Status: revoked\n" in said and "``Cert Status: revoked``" in STEP
    assert look(pki_tool.free_port()) == ""
