# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole playbooks, as users write them."""

from __future__ import annotations

import json
import os
import re
import typing as t
from pathlib import Path

import yaml
from conftest import CHECKOUT, pki_tool, run_program

COLLECTION = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / "certops" / "ocsp"

FIVE_LINES = """\
- hosts: localhost
  tasks:
    - certops.ocsp.ocsp_response:
        path: {path}
        certificate_path: {certificate}
"""


def test_five_lines_keep_a_staple_fresh(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, leaf: pki_tool.Leaf, folder: Path
) -> None:
    playbook = FIVE_LINES.format(path=folder / "staple.der", certificate=leaf.fullchain)
    assert len(playbook.splitlines()) == 5
    first = run_playbook(playbook)
    assert first.rc == 0 and first.count("changed") == 1, first.output
    second = run_playbook(playbook)
    assert second.rc == 0 and second.count("changed") == 0 and second.count("failed") == 0, second.output
    assert responder.count == 1
    (folder / "staple.der").write_bytes(b"damaged")
    third = run_playbook(playbook)
    assert third.rc == 0 and third.count("changed") == 1, third.output
    assert responder.count == 2


def readme_play(heading: str) -> dict[str, t.Any]:
    """The play in a section of the README."""
    section = (CHECKOUT / "README.md").read_text().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    ((text,),) = [re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]
    (play,) = yaml.safe_load(text)
    return t.cast("dict[str, t.Any]", play)


def test_the_example_with_a_handler_on_a_new_host(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, leaf: pki_tool.Leaf, folder: Path
) -> None:
    """As it stands but for the paths and the command that reloads nginx: first in check mode, with nothing there."""
    play = readme_play("With a handler") | {"hosts": "localhost"}
    play["handlers"] = [{"name": "Reload nginx", "ansible.builtin.command": f"touch {folder}/reloaded"}]
    text = json.dumps([play]).replace("/etc/nginx/ocsp", f"{folder}/ocsp")
    text = text.replace("/etc/ssl/www.example.com/fullchain.pem", str(leaf.fullchain))
    checked = run_playbook(text, check=True)
    assert checked.rc == 0 and checked.count("changed") == 2, checked.output
    assert f"the folder {folder}/ocsp does not exist; unless it is created first" in " ".join(checked.output.split())
    assert list(folder.iterdir()) == []
    done = run_playbook(text)
    assert done.rc == 0 and (folder / "reloaded").exists() and "WARNING" not in done.output, done.output
    again = run_playbook(text)
    assert again.rc == 0 and again.count("changed") == 0, again.output


def test_playbook_of_the_demonstration(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path
) -> None:
    """Without an nginx: what it is told to serve, and when it would be reloaded."""
    variables: dict[str, t.Any] = {
        "sites": ["rsa.example.com", "no-ocsp.example.com", "ecdsa.example.com"],
        "certificates": pki.home,
        "staples": folder / "new",
        "nginx_reload": ["touch", folder / "reloaded"],
    }
    playbook = COLLECTION / "playbooks" / "demo.yml"
    first = run_playbook(playbook, **variables)
    assert first.rc == 0 and responder.count == 2, first.output
    assert sorted(entry.name for entry in (folder / "new").iterdir()) == [
        f"{site}.example.com.{kind}" for site in ("ecdsa", "rsa") for kind in ("conf", "der")
    ]
    assert f"ssl_stapling_file {folder}/new/rsa.example.com.der;" in (folder / "new/rsa.example.com.conf").read_text()
    (folder / "reloaded").unlink()
    for check in (False, True):
        again = run_playbook(playbook, check=check, **variables)
        assert again.rc == 0 and again.count("changed") == 0, again.output
    assert responder.count == 2 and not (folder / "reloaded").exists()


def test_a_site_without_a_staple_does_not_keep_the_others_from_being_served(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path
) -> None:
    variables: dict[str, t.Any] = {
        "sites": ["missing.example.com", "rsa.example.com", "no-ocsp.example.com"],
        "certificates": pki.home,
        "staples": folder / "new",
        "nginx_reload": ["touch", folder / "reloaded"],
    }
    for _number in range(2):
        done = run_playbook(COLLECTION / "playbooks" / "demo.yml", **variables)
        assert done.rc == 2 and done.count("failed") == 1, done.output
        assert "missing.example.com-fullchain.pem does not exist" in done.output
    assert sorted(path.name for path in (folder / "new").iterdir()) == ["rsa.example.com.conf", "rsa.example.com.der"]
    assert (folder / "reloaded").exists()


def test_installed_collection_has_what_it_needs() -> None:
    for name in ("README.md", "LICENSE", "meta/runtime.yml", "playbooks/demo.yml", "plugins/modules/ocsp_response.py"):
        assert (COLLECTION / name).is_file(), name
    assert not (COLLECTION / "tests").exists()
    assert not list(COLLECTION.rglob("__init__.py"))


def test_documentation_reads() -> None:
    for module in ("ocsp_response", "ocsp_response_info"):
        done = run_program("ansible-doc", f"certops.ocsp.{module}")
        assert done.returncode == 0, done.stderr
        for part in ("OPTIONS", "EXAMPLES", "RETURN VALUES", "certificate_path"):
            assert part in done.stdout
