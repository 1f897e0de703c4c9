# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of the core import one way, and hosts get what runs there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import layers
import pytest
from ansible_collections.certops.ocsp.plugins.plugin_utils import _program


def test_each_layer_imports_from_those_below_it_only() -> None:
    assert layers.faults() == []


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("asn1/der.py", "from ..pki import keys", "ocsp.asn1.der imports ocsp.pki.keys, which lies above it"),
        ("pki/signature.py", "from . import keys", "ocsp.pki.signature imports itself, by way of others"),
        (
            "judge/schedule.py",
            "    import ansible.errors",
            "imports ansible.errors: the core knows the standard library",
        ),
        ("urls.py", "    import requests", "imports requests: the core knows the standard library and cryptography"),
        ("errors.py", "from .deploy.wanted import Wanted", "ocsp.errors imports ocsp.deploy.wanted, which lies above"),
    ],
)
def test_an_import_that_is_none_is_found(tmp_path: Path, file: str, line: str, fault: str) -> None:
    core = tmp_path / "ocsp"
    shutil.copytree(layers.CORE, core)
    source = (core / file).read_text()
    indented = f"\ndef late() -> None:\n{line}\n" if line.startswith(" ") else f"\n{line}\n"
    (core / file).write_text(source + indented)
    assert any(fault in one for one in layers.faults(core))


def test_hosts_get_what_runs_there_and_nothing_else() -> None:
    names = {name.replace(".", "/") + ".py" for name in layers.copied()}
    assert set(_program.library()) == names


def test_what_hosts_get_can_be_loaded(tmp_path: Path) -> None:
    for name, content in _program.library().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    names = [name[:-3].replace("/", ".") for name in _program.library() if not name.endswith("__main__.py")]
    script = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + "\n".join(f"import {name}" for name in names)
    subprocess.run([sys.executable, "-I", "-c", script], check=True)
