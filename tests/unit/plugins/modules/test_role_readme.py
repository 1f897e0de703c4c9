# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's papers: README, argument specs and defaults say the same."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _groups  # noqa: E402
from ansible_collections.certops.ocsp.tests.tools import role_readme  # noqa: E402

ROLE = Path(__file__).resolve().parents[4] / "roles" / "ocsp_stapling"


def load(name: str) -> t.Any:
    return yaml.safe_load((ROLE / name).read_text())


def test_readme_is_what_the_argument_specs_say() -> None:
    assert role_readme.render(ROLE) == (ROLE / "README.md").read_text()


def test_defaults_are_what_the_argument_specs_say() -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert load("defaults/main.yml") == {name: option["default"] for name, option in options.items()}


def test_each_service_has_a_handler() -> None:
    known = load("vars/main.yml")["__ocsp_stapling_known"]
    names = [handler["name"] for handler in load("handlers/main.yml")]
    assert [f"Reload {service}" for service in known] == [name for name in names if name.startswith("Reload ")][:-1]
    assert [handler["listen"] for handler in load("handlers/main.yml") if "listen" in handler] == [
        "Update OCSP responses"
    ] * 2


def test_readme_has_all_keys_of_groups_and_domains() -> None:
    section = (ROLE / "README.md").read_text().partition("## Groups and certificates\n")[2].partition("\n## ")[0]
    assert set(_groups.KEYS) <= set(re.findall(r"`(\w+)`", section))
    assert f"`{_groups.MORE}*`" in section
    described = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["ocsp_stapling_certificates"]
    content = {f"{part}_content" for part in _groups.PARTS}
    assert set(_groups.KEYS) - content <= set(re.findall(r"C\((\w+)\)", " ".join(described["description"])))
