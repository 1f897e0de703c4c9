# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of answers that are still there after the CA has looked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

TASKS = Path(__file__).resolve().parents[4] / "roles" / "acme_certificates" / "tasks"


def test_why_dns_records_are_still_there_is_a_warning(tmp_path: Path) -> None:
    """Tasks with a loop say themselves only that one or more items failed."""
    removing = {"ansible.builtin.fail": {"msg": "the zone {{ item }} is locked"}, "loop": ["a.test", "b.test"]}
    (tmp_path / "dns.yml").write_text(json.dumps([removing]))
    records = [{"record": f"_acme-challenge.{one}", "target": f"{one}.auth.test", "values": ["x"]} for one in "ab"]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {
            "certops.ocsp.acme_orders": {"settings": {"directory": "https://ca.example/dir"}, "plan": {}, "orders": {}}
        },
        "vars": {
            "__acme_certificates_files": [],
            "__acme_certificates_records": records,
            "__acme_certificates_plan": {"dns_tasks": str(tmp_path / "dns.yml")},
        },
        "tasks": [{"ansible.builtin.include_tasks": str(TASKS / "clean.yml")}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = run_playbook(tmp_path / "play.yml", link_checkout(tmp_path / "collections"))
    output = " ".join((done.stdout + done.stderr).split())
    said = "[WARNING]: the DNS records a.auth.test, b.auth.test could not be removed: the zone a.test is locked"
    assert done.returncode == 0 and said in output, output
