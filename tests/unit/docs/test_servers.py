# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever lists servers lists those of the table, and says of each what the table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS

CHECKOUT = Path(__file__).resolve().parents[3]
ROLE = CHECKOUT / "roles" / "ocsp_stapling"


def test_the_role_knows_them_all() -> None:
    assert yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__ocsp_stapling_known"] == sorted(SERVERS)
    handlers = yaml.safe_load((ROLE / "handlers" / "main.yml").read_text())
    assert {f"Reload {name}" for name in SERVERS} <= {handler["name"] for handler in handlers}


def test_must_staple_is_refused_for_those_that_cannot_staple() -> None:
    guide = (CHECKOUT / "docs" / "docsite" / "rst" / "must_staple.rst").read_text()
    row = re.search(r"^   \* - (.+)\n     - no, they cannot staple\.", guide, re.MULTILINE)
    assert row is not None
    assert row[1].split(", ") == [server.title for server in SERVERS.values() if not server.staples]


@pytest.mark.parametrize("name", [name for name in SERVERS if SERVERS[name].key_groups])
def test_who_needs_a_group_for_the_key_says_which(name: str) -> None:
    """The role would refuse the certificate otherwise."""
    on_debian = SERVERS[name].key_groups[0]
    assert any(f"`key_group: {on_debian}`" in rule.needs for rule in SERVERS[name].rules)


@pytest.mark.parametrize("name", SERVERS)
def test_each_is_described(name: str) -> None:
    server = SERVERS[name]
    assert server.title and server.units and server.folders and server.includes and server.rules
