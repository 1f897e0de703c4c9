# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks of the role acme_certificates that talk to a CA: each where it should be, and none for ever."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

TASKS = Path(__file__).resolve().parents[4] / "roles" / "acme_certificates" / "tasks"


def tasks_of(found: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part, []))


ALL = [task for path in sorted(TASKS.glob("*.yml")) for task in tasks_of(yaml.safe_load(path.read_text()))]
PATIENCE = yaml.safe_load((TASKS.parent / "vars/main.yml").read_text())["__acme_certificates_patience"]
#: Each by the module of community.crypto that talks to the CA.
CALLS = {
    task["certops.ocsp.acme_orders"]["module"]: task
    for task in ALL
    if task.get("certops.ocsp.acme_orders", {}).get("state") == "called"
}
TO_CA = list(CALLS.values())


def named(task: dict[str, t.Any]) -> str:
    return str(task["name"])


def test_there_are_such_tasks() -> None:
    assert len(TO_CA) == 5


@pytest.mark.parametrize("task", TO_CA, ids=named)
def test_whoever_talks_to_the_ca_does_so_once_and_from_the_controller(task: dict[str, t.Any]) -> None:
    assert (task["delegate_to"], task["become"], task["run_once"]) == ("localhost", False, True)
    assert task["environment"] == "{{ __acme_certificates_environment }}"
    # The modules wait without end, and one that fails must not keep the others from being tried.
    seconds = PATIENCE if "patience" in str(task["timeout"]) else task["timeout"]
    assert 0 < seconds <= 300 and task["failed_when"] is False
    # Ansible does not ask failed_when about a timeout.
    assert task["ignore_errors"] is True
    # The key of the account is among their arguments.
    assert task["vars"]["ansible_pipelining"] is True


def test_an_order_that_was_finalized_can_be_taken_up() -> None:
    finalize = CALLS["acme_certificate_order_finalize"]["certops.ocsp.acme_orders"]["options"]
    assert finalize["deactivate_authzs"] == "on_error"
    create = CALLS["acme_certificate_order_create"]["certops.ocsp.acme_orders"]["options"]
    assert create["order_creation_error_strategy"] == "fail"


def test_answers_are_there_until_the_ca_has_looked() -> None:
    """Asking for the validation does not wait for it: finalizing does."""
    names = [task["name"] for task in tasks_of(yaml.safe_load((TASKS / "answer.yml").read_text()))]
    order = ["Answer by files", "Set DNS records", "Ask the CA to validate", "Obtain certificates", "Clean up"]
    assert sorted(order, key=names.index) == order


def test_nothing_is_registered_under_a_name_that_others_use() -> None:
    assert all(task["register"].startswith("__acme_certificates_") for task in ALL if "register" in task)


def test_no_task_lets_out_what_a_module_of_the_other_collection_returns() -> None:
    """It has what the CA wrote in it, of any size and depth, and as warnings that act on a terminal."""
    assert all("community.crypto." not in path.read_text() for path in TASKS.glob("*.yml"))


def test_the_first_tasks_do_without_the_other_collection() -> None:
    for name in ("main.yml", "obtain.yml"):
        assert "state: called" not in (TASKS / name).read_text()
