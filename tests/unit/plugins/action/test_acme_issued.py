# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a certificate that was put into use."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_folder, _acme_keys, _acme_orders
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request
from ansible_collections.certops.ocsp.tests.unit import acme_settings, forge
from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

NAME = "www.example.test"
SETTINGS = {**acme_settings.SETTINGS, "dns_tasks": "", "ca_file": "", "account_key": "", "roots": []}
MISSING = {"name": NAME, "reason": "missing", "cert_id": "", "supports_ari": False, "urgent": True, "not_after": None}


def test_that_a_chain_ends_before_its_certificate_is_a_warning(tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    folder = _acme_folder.Folder(str(tmp_path / "files"), SETTINGS["directory"])
    batch = _acme_orders.Batch(folder, SETTINGS, now)
    batch.requests = {NAME: Request(NAME, (NAME,), "http-01", "ecdsa-p256", "", "", False, False, ("web",))}
    batch.verdicts = {NAME: MISSING}
    batch.prepare(None, bytes, lambda path: Path(path).read_bytes())
    folder.note_order(NAME, uri="https://ca.example/1", status="valid")
    orders = batch.result()
    years = {"not_before": now - timedelta(days=300)}
    root = forge.authority("Root", not_after=now + timedelta(days=900), **years)
    issuer = forge.authority("CA \x9b31m", root, not_after=now + timedelta(days=20), **years)
    leaf = forge.certificate(
        forge.sequence(),
        issuer,
        raw_key=_acme_keys.public_key(orders["begun"][0]["csr"].encode()),
        not_before=now - timedelta(hours=1),
        not_after=now + timedelta(days=60),
        extensions=[forge.extended_key_usage(forge.SERVER_AUTH), forge.subject_alt_name(NAME)],
    )
    given = {
        "state": "issued",
        "settings": {**SETTINGS, "folder": str(tmp_path / "files")},
        "plan": {"requests": orders["requests"]},
        "orders": orders,
        "results": [{"item": {"name": NAME}, "selected_chain": {"full_chain": (leaf.pem + issuer.pem).decode()}}],
    }
    # JSON has no number for "never".
    given["orders"]["until"] = 1e9
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"certops.ocsp.acme_orders": given}]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = run_playbook(tmp_path / "play.yml", link_checkout(tmp_path / "collections"))
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0 and folder.has(NAME), output
    assert f"[WARNING]: {NAME} can be used until " in output
    assert "as the CA certificate CN=CA \\x9b31m,O=Forge in its chain expires at " in output and "\x9b" not in output
