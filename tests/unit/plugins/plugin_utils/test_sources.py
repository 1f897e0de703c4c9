# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of certificates on the controller: which are decrypted, and that all that is wrong is said."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible.errors import AnsibleActionFail
from ansible_collections.certops.ocsp.plugins.plugin_utils._sources import Sources

PEM = "-----BEGIN X-----\n"
VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3031\n"


def as_given(_kind: str, path: str) -> str:
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"a.test.key": VAULTED, "a.test.pem": PEM, "b.test.key": "junk", "b.test.pem": PEM}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_a_file_in_a_vault_is_decrypted(folder: Path) -> None:
    decrypted: t.List[str] = []

    def decrypt(path: str) -> str:
        decrypted.append(path)
        return f"{folder}/a.test.pem"

    (one,) = Sources(as_given, decrypt).complete_all([{"name": "a.test"}], str(folder))
    assert one["private_key_content"] == PEM and one["private_key_src"] == f"{folder}/a.test.key"
    assert f"{folder}/a.test.key" in decrypted


def test_who_only_looks_for_files_decrypts_none(folder: Path) -> None:
    (one,) = Sources(as_given).complete_all([{"name": "a.test"}], str(folder))
    assert one["private_key_src"] == f"{folder}/a.test.key"


@pytest.mark.parametrize("decrypts", [False, True])
def test_all_that_is_wrong_is_said(folder: Path, decrypts: bool) -> None:
    sources = Sources(as_given, (lambda path: path) if decrypts else None)
    with pytest.raises(AnsibleActionFail) as caught:
        sources.complete_all([{"name": "b.test"}, {"name": "c.test"}], str(folder))
    _first, junk, missing = caught.value.message.splitlines()
    assert junk.startswith(f"- {folder}/b.test.key holds no PEM")
    assert missing == f"- c.test: there is no private key: {folder} holds no c.test.key"
