# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever lists servers lists those of the table, and says of each what the table says."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS
from ansible_collections.certops.ocsp.plugins.modules import certificate_set
from ansible_collections.certops.ocsp.tests.tools import server_tables

CHECKOUT = Path(__file__).resolve().parents[3]
ROLE = CHECKOUT / "roles" / "ocsp_stapling"


def test_the_role_knows_them_all() -> None:
    assert yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__ocsp_stapling_known"] == sorted(SERVERS)
    handlers = yaml.safe_load((ROLE / "handlers" / "main.yml").read_text())
    assert {f"Reload {name}" for name in SERVERS} <= {handler["name"] for handler in handlers}


def named(text: t.Union[str, t.List[str]]) -> t.Set[str]:
    return set(re.findall(r"C\(([a-z]+)\)", text if isinstance(text, str) else " ".join(text)))


def test_the_documentation_names_them_all() -> None:
    options = yaml.safe_load(certificate_set.DOCUMENTATION)["options"]
    assert set(SERVERS) <= named(options["services"]["description"])
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(SERVERS) <= named(specs["ocsp_stapling_services"]["description"])


def test_the_tables_are_those_of_the_servers() -> None:
    for place in server_tables.PLACES:
        assert server_tables.render(place) == place.path.read_text(encoding="utf-8"), "run tests/tools/server_tables.py"


@pytest.mark.parametrize("name", SERVERS)
def test_each_is_described(name: str) -> None:
    server = SERVERS[name]
    assert server.title and server.units and server.folders and server.includes and server.rules
