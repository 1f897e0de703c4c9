# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that are older than the wish to have them in a vault: what is said of them, and when they are encrypted."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_keys
from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

SECRET = "s3cret"


@pytest.fixture
def run(tmp_path: Path, packed: Path) -> t.Callable[..., str]:
    """Run the role for no certificate at all, in a folder that has keys."""
    collections = link_checkout(tmp_path / "collections")
    # That it is there is all that is asked of the collection that would talk to a CA.
    (collections / "ansible_collections" / "community" / "crypto").mkdir(parents=True)
    (tmp_path / "password").write_text(SECRET)
    variables = {
        "acme_certificates_directory": "http://127.0.0.1:9/dir",
        "acme_certificates_use_ari": False,
        "acme_certificates_deploy": False,
        "acme_certificates_vault_secret": SECRET,
    }
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "roles": ["certops.ocsp.acme_certificates"]}]))

    def role(*switches: str) -> str:
        password = f"--vault-password-file={tmp_path}/password"
        done = run_playbook(tmp_path / "play.yml", collections, password, *switches, packed=packed)
        output = done.stdout + done.stderr
        assert done.returncode == 0 and "PRIVATE KEY" not in output, output
        return " ".join(output.split())

    return role


def test_keys_that_are_encrypted_are_told_and_foreseen(run: t.Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "files/.acme/ca.example/account.key"
    path.parent.mkdir(parents=True)
    path.write_bytes(_acme_keys.new_key("ecdsa-p256"))
    sentence = f"encrypted with Ansible Vault: {path}"
    foreseen = run("--check", "--diff")
    assert f"1 private key would be {sentence}" in foreseen and "changed=1" in foreseen, foreseen
    assert "-in the clear +encrypted with Ansible Vault" in foreseen, foreseen
    assert _acme_keys.is_clear(path.read_bytes())
    done = run()
    assert f"1 private key was {sentence}" in done and "changed=1" in done, done
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT")
    again = run("--check")
    assert "changed=0" in again and "encrypted with" not in again, again
