# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role acme_certificates and what it leaves behind on hosts: where keys are, and who learns of a revocation."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest
from acme_support import Ca, Controller, groups
from ansible.parsing.vault import VaultLib, VaultSecret
from conftest import lab_tool
from role_support import serve_by_nginx

pytestmark = pytest.mark.nightly

NAME = "www.example.test"
DNS = {"acme_certificates_challenge": "dns-01", "ocsp_stapling_certificates": groups(NAME)}
PASSWORD = "open sesame"


def test_the_controller_learns_of_a_revocation_where_it_fetches(
    lab: lab_tool.Lab, ca: Ca, controller: Controller, tmp_path: Path
) -> None:
    host, cache = lab.add("fetched-for", ("nginx",)), tmp_path / "cache"
    variables = {
        **DNS,
        "acme_certificates_use_ari": False,
        "ocsp_stapling_fetch_from": "controller",
        "ocsp_stapling_controller_cache": str(cache),
    }
    assert controller.run(host, **variables).rc == 0
    serve_by_nginx(host, NAME)
    old, key = controller.serial(NAME), controller.public_key(NAME)
    assert lab.look(host, NAME) == (old, old, "good")
    controller.revoke(NAME)
    # As if the response were due: until then no responder is asked.
    (response,) = cache.glob("*.der")
    response.unlink()
    told = controller.run(host, **variables)
    assert told.rc != 0 and f"{NAME} is revoked but in use: replace it" in " ".join(told.output.split()), told.output
    replaced = controller.run(host, **variables)
    assert replaced.rc == 0, replaced.output
    new = controller.serial(NAME)
    assert new != old and controller.public_key(NAME) != key
    assert lab.look(host, NAME) == (new, new, "good")
    again = controller.run(host, **variables)
    assert (again.rc, again.count("changed")) == (0, 0), again.output
    lab.remove(host)


def body_of(key: str) -> str:
    """A line of a private key in PEM that is in no other file."""
    return key.strip().splitlines()[2]


def places_of(folder: Path, text: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def temporary() -> t.Iterator[Path]:
    """A folder with a short name: in that of pytest, the path of Ansible's socket can be too long."""
    with tempfile.TemporaryDirectory(prefix="keys.") as name:
        yield Path(name)


def test_keys_are_in_the_clear_on_their_hosts_alone(
    lab: lab_tool.Lab, ca: Ca, controller: Controller, temporary: Path
) -> None:
    host, home = lab.add("keyholder", ("nginx",)), controller.home
    (home / "password").write_text(PASSWORD)
    controller.environment.update(
        ANSIBLE_HOME=str(home / "ansible"),
        ANSIBLE_LOCAL_TEMP=str(temporary),
        ANSIBLE_REMOTE_TEMP="/var/tmp/ansible",
        ANSIBLE_PIPELINING="false",
        ANSIBLE_VAULT_PASSWORD_FILE=str(home / "password"),
        ANSIBLE_LOG_PATH=str(home / "log"),
        TMPDIR=str(temporary),
    )
    variables = {**DNS, "acme_certificates_vault_secret": PASSWORD}
    # What a kill leaves behind is looked at, too.
    killed = controller.run_until("TASK [certops.ocsp.acme_certificates : Clean up]", host, **variables)
    done = controller.run(host, switches=["-vvv", "--diff"], **variables)
    assert done.rc == 0, done.output
    renewed = controller.run(host, switches=["-vvv", "--diff"], acme_certificates_force=[NAME], **variables)
    assert renewed.rc == 0, renewed.output
    serve_by_nginx(host, NAME)
    vault = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    kept = [*controller.files.glob(".acme/*/account.key"), *controller.files.glob(f".acme/sets/{NAME}/*/key.pem")]
    keys = {str(path): vault.decrypt(path.read_bytes()).decode() for path in kept}
    assert len(keys) >= 3 and all("PRIVATE KEY" in key for key in keys.values())
    on_host = host.read(f"/etc/ocsp-stapling/live/{NAME}/privkey.pem")
    assert body_of(on_host) in {body_of(key) for key in keys.values()}
    journal = host.run("journalctl", "--no-pager", "--all", "-o", "export")
    assert "certificate_set" in journal
    for where, key in keys.items():
        body = body_of(key)
        for said in (killed, done.output, renewed.output, journal):
            assert body not in said and "PRIVATE KEY" not in said, where
        for folder in (home, temporary, Path("/dev/shm")):
            assert places_of(folder, body) == [], where
        everywhere = ["grep", "-rlF", "--devices=skip", "--exclude-dir=proc", "--exclude-dir=sys", "--", body, "/"]
        found = host.run(*everywhere, check=False).split()
        assert all(path.startswith("/etc/ocsp-stapling/sets/") for path in found), found
    assert PASSWORD not in done.output + journal
    lab.remove(host)
