# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role lets out of modules that talk to a CA, by this ansible-core, with a module that returns anything."""

from __future__ import annotations

import json
import math
import os
import textwrap
import time
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

CHECKOUT = Path(__file__).resolve().parents[4]
MODULE = """\
import os, time
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(
    argument_spec={
        "acme_directory": {}, "acme_version": {}, "account_key_content": {"no_log": True},
        "order_uri": {}, "profile": {},
    }
)
"""


class Called(t.NamedTuple):
    output: str
    result: dict[str, t.Any]
    seconds: float


@pytest.fixture
def call(tmp_path: Path) -> t.Callable[..., Called]:
    """Have a module of these lines called, and return what was shown and registered."""
    collections = link_checkout(tmp_path / "collections") / "ansible_collections"
    modules = collections / "community" / "crypto" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (tmp_path / "account.key").write_text("the key of the account")

    def called(lines: str, until: float = math.inf, **keywords: t.Any) -> Called:
        (modules / "acme_certificate_order_info.py").write_text(MODULE + textwrap.dedent(lines))
        task = {
            "certops.ocsp.acme_orders": {
                "state": "called",
                "module": "acme_certificate_order_info",
                "options": {"order_uri": "https://ca.example/1", "profile": ""},
                "settings": {"directory": "https://ca.example/dir"},
                "plan": {"account_key": str(tmp_path / "account.key")},
                "orders": {} if until == math.inf else {"until": until},
            },
            "failed_when": False,
            "ignore_errors": True,
            "register": "came",
            "vars": {"ansible_pipelining": True},
            **keywords,
        }
        kept = {"copy": {"content": "{{ came | to_json }}", "dest": str(tmp_path / "came.json")}}
        (tmp_path / "play.yml").write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task, kept]}])
        )
        began = time.monotonic()
        done = run_playbook(tmp_path / "play.yml", tmp_path / "collections")
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return Called(output, json.loads((tmp_path / "came.json").read_text()), time.monotonic() - began)

    return called


def test_a_warning_of_a_ca_reaches_no_terminal(call: t.Callable[..., Called]) -> None:
    came = call("""
        module.warn("evil\\x1b]0;x\\x07\\nok: [localhost] => all is well")
        module.exit_json(order={"status": "pending"}, order_uri="https://ca.example/1")
    """)
    assert "\x1b" not in came.output and "evil" not in came.output
    assert came.result["order"] == {"status": "pending"} and came.result["order_uri"] == "https://ca.example/1"


@pytest.mark.parametrize("depth", [50, 600, 5000])
def test_an_answer_of_any_depth_ends_no_play(call: t.Callable[..., Called], depth: int) -> None:
    came = call(f"""
        import sys
        print('{{"msg": "no", "failed": true, "other": {{"problem": ' + "[" * {depth} + "]" * {depth} + '}}}}')
        sys.exit(1)
    """)
    assert json.dumps(came.result).count("[[[[[[") == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory a process has")
def test_an_answer_of_any_size_fills_no_memory(call: t.Callable[..., Called]) -> None:
    came = call("""
        module.exit_json(account_uri=str(len(b"x" * 8 * 1024**3)))
    """)
    assert came.result["crashed"] and "account_uri" not in came.result


def test_the_module_gets_the_account_and_what_is_given(call: t.Callable[..., Called]) -> None:
    came = call("""
        module.exit_json(account_uri=f"{module.params['order_uri']} {module.params['profile']}",
                         msg=f"{module.params['acme_directory']} {len(module.params['account_key_content'])}")
    """)
    assert came.result["account_uri"] == "https://ca.example/1 None"
    assert came.result["msg"] == "https://ca.example/dir 22"


def test_a_module_that_waits_for_the_ca_ends_with_its_task(call: t.Callable[..., Called], tmp_path: Path) -> None:
    came = call(
        f"""
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(600)
        """,
        timeout=5,
    )
    assert came.result["timedout"]["period"] == 5
    process = int((tmp_path / "pid").read_text())
    for _once in range(100):
        if not _is_alive(process):
            break
        time.sleep(0.1)
    assert not _is_alive(process)


def test_the_ca_is_not_asked_after_the_time_for_all(call: t.Callable[..., Called]) -> None:
    lines = 'module.exit_json(account_uri="https://ca.example/1")'
    assert "account_uri" in call(lines, until=time.monotonic() + 600).result
    came = call(lines, until=time.monotonic() - 1)
    assert "account_uri" not in came.result and "was not asked" in came.result["msg"]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Whoever adopts what has ended may take its time to notice.
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
