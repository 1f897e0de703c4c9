# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's papers: README, argument specs and defaults say the same."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

jinja2 = pytest.importorskip("jinja2")
yaml = pytest.importorskip("yaml")

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import reasons  # noqa: E402
from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_wanted, _groups  # noqa: E402

ROLES = Path(__file__).resolve().parents[4] / "roles"
ROLE = ROLES / "ocsp_stapling"
ACME = ROLES / "acme_certificates"


def load(name: str, role: Path = ROLE) -> t.Any:
    return yaml.safe_load((role / name).read_text())


@pytest.mark.parametrize("role", [ROLE, ACME], ids=lambda role: role.name)
def test_defaults_are_what_the_argument_specs_say(role: Path) -> None:
    options = load("meta/argument_specs.yml", role)["argument_specs"]["main"]["options"]
    given = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert load("defaults/main.yml", role) == given


def test_what_acme_may_have_is_described_and_has_a_variable_each() -> None:
    specs = load("meta/argument_specs.yml", ACME)["argument_specs"]["main"]
    described = " ".join(specs["description"])
    choices = {"challenge": _acme_wanted.CHALLENGES, "key_type": _acme_wanted.KEY_TYPES}
    for key in _acme_wanted.KEYS:
        assert f"C({key})" in described
        option = specs["options"][f"acme_certificates_{key}"]
        # Ansible is not asked to check what it would repeat: the role does.
        assert option["type"] == ("raw" if isinstance(option["default"], bool) else "str") and "choices" not in option
        assert all(f"V({choice})" in str(option["description"]) for choice in choices.get(key, ()))


def test_each_setting_of_the_role_for_acme_is_converted() -> None:
    settings = load("vars/main.yml", ACME)["__acme_certificates_settings"]
    ours = [name for name in settings if f"acme_certificates_{name}" in load("defaults/main.yml", ACME)]
    assert len(ours) > 20
    assert [name for name in ours if name not in _acme_wanted.KINDS] == []


def test_each_reason_to_obtain_a_certificate_is_in_the_readme() -> None:
    section = (ACME / "README.md").read_text().partition("## When a certificate is obtained\n")[2].partition("\n## ")[0]
    assert {*reasons.REASONS} - reasons.AT_REST <= set(re.findall(r"`(\w+)`", section))


def test_each_service_has_a_handler() -> None:
    known = load("vars/main.yml")["__ocsp_stapling_known"]
    names = [handler["name"] for handler in load("handlers/main.yml")]
    assert [f"Reload {service}" for service in known] == [name for name in names if name.startswith("Reload ")][:-1]
    assert {one["listen"] for one in load("handlers/main.yml") if "listen" in one} == {"Update OCSP responses"}


def test_a_play_fails_where_a_handler_could_not_reload_a_service() -> None:
    """Nothing else tells whoever notified it, for example after a change to the configuration of the server."""
    reloads = [one for one in load("handlers/main.yml") if one["name"].startswith("Reload ")]
    assert reloads and not any("failed_when" in one or "ignore_errors" in one for one in reloads)


def test_readme_has_all_keys_of_groups_and_domains() -> None:
    section = (ROLE / "README.md").read_text().partition("## Groups and certificates\n")[2].partition("\n## ")[0]
    assert set(_groups.KEYS) <= set(re.findall(r"`(\w+)`", section))
    assert f"`{_groups.MORE}*`" in section
    described = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["ocsp_stapling_certificates"]
    content = {f"{part}_content" for part in _groups.PARTS}
    assert set(_groups.KEYS) - content <= set(re.findall(r"C\((\w+)\)", " ".join(described["description"])))


def test_no_play_waits_for_the_user_of_the_program_without_end() -> None:
    """Its other processes can stop a run of refresh that root has started."""
    handlers = load("handlers/main.yml")
    commands = [one["ansible.builtin.command"]["argv"] for one in handlers if "ansible.builtin.command" in one]
    (fetching,) = (argv for argv in commands if "refresh" in argv)
    assert fetching[:4] == ["timeout", "-k", "30", "20m"]


@pytest.mark.parametrize("code", [0, 1, 2, 70, 74, 75, 124, 137])
def test_no_play_fails_by_what_the_user_of_the_program_can_do(code: int) -> None:
    """A folder in the place of the record makes refresh end with 74, and staples would not be put in place."""
    (fetch,) = (one for one in load("handlers/main.yml") if one["name"] == "Fetch OCSP responses that are due")
    condition = jinja2.Environment().compile_expression(fetch["failed_when"])
    assert not condition(__ocsp_stapling_refreshed={"rc": code})
    assert all(condition(__ocsp_stapling_refreshed={"rc": other}) for other in (64, 78, 126, 127))
