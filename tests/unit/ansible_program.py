# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's programs with the checkout as the collection, on this machine and without settings of its user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def link_checkout(collections: Path) -> Path:
    """Make a folder of collections in which the checkout is certops.ocsp. Returns the folder."""
    place = collections / "ansible_collections" / "certops"
    place.mkdir(parents=True, exist_ok=True)
    (place / "ocsp").symlink_to(CHECKOUT)
    return collections


def run_ansible(name: str, collections: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs with these collections, and its home among them."""
    beside = Path(sys.executable).with_name(name)
    return subprocess.run(
        [str(beside if beside.exists() else name), *map(str, arguments)],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOME": str(collections / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_playbook(path: Path, collections: Path, *switches: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on this machine, with this Python."""
    local = ["-c", "local", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"]
    return run_ansible("ansible-playbook", collections, *local, *switches, path)
