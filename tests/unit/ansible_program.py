# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's programs with the checkout as the collection, on this machine and without settings of its user."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKED_ONCE = CHECKOUT / "tests/tools/packed_once.py"


def link_checkout(collections: Path) -> Path:
    """Make a folder of collections in which the checkout is certops.ocsp. Returns the folder."""
    place = collections / "ansible_collections" / "certops"
    place.mkdir(parents=True, exist_ok=True)
    (place / "ocsp").symlink_to(CHECKOUT)
    return collections


def run_ansible(name: str, collections: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs with these collections, and its home among them."""
    return _run([_program(name), *arguments], collections)


def _program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside if beside.exists() else shutil.which(name) or name)


def _run(command: t.Sequence[str | Path], collections: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
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


def run_playbook(
    path: Path, collections: Path, *switches: str, packed: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a playbook on this machine, with this Python.

    Modules are packed once, and compiled, for all runs with the same folder ``packed``; they must not change between
    these.
    """
    local = ["-c", "local", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"]
    if packed is None:
        return run_ansible("ansible-playbook", collections, *local, *switches, path)
    compiled = ["--compiled-by", shlex.quote(sys.executable)]
    command = [sys.executable, PACKED_ONCE, *compiled, packed, _program("ansible-playbook")]
    return _run([*command, *local, *switches, path], collections)
