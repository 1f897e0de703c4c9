# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What another user wrote is read only where it is plainly a file of that user."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import untrusted_file
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.untrusted_file import Refused
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "responses"
    path.mkdir()
    return path


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        untrusted_file.read(str(path), 100)
    assert caught.value.code == "foreign_file"
    return caught.value.message


def test_a_plain_file(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 100)
    assert untrusted_file.read(str(folder / "a"), 100) == b"x" * 100


def test_no_file(folder: Path) -> None:
    assert untrusted_file.read(str(folder / "a"), 100) is None
    assert untrusted_file.read(str(folder / "no" / "a"), 100) is None


def test_a_link_to_what_root_alone_may_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret")
    (folder / "a").symlink_to(tmp_path / "secret")
    assert refusal(folder / "a") == f"{folder}/a is a symbolic link or lies in one; it is not read, remove it"
    (folder / "b").symlink_to(tmp_path / "missing")
    assert "is a symbolic link" in refusal(folder / "b")


def test_a_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text("x")
    (tmp_path / "link").symlink_to(folder)
    assert (
        refusal(tmp_path / "link" / "a")
        == f"{tmp_path}/link is a symbolic link or lies in one; it is not read, remove it"
    )


def test_a_second_name_of_another_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret")
    os.link(tmp_path / "secret", folder / "a")
    assert refusal(folder / "a") == f"{folder}/a has 2 names (hard links); it is not read, remove it"


def test_what_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    assert "is not a regular file" in refusal(folder / "fifo")
    (folder / "folder").mkdir()
    assert "is not a regular file" in refusal(folder / "folder")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "socket"))
        assert "cannot be read: No such device or address" in refusal(folder / "socket")


def test_what_is_too_large(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 101)
    assert "has 101 octets, more than 100" in refusal(folder / "a")


@AS_ROOT
def test_a_file_of_somebody_else(folder: Path) -> None:
    (folder / "a").write_text("x")
    os.chown(folder, 4711, 4711)
    assert untrusted_file.read(str(folder / "a"), 100) == b"x"
    os.chown(folder / "a", 4711, 4711)
    assert untrusted_file.read(str(folder / "a"), 100) == b"x"
    os.chown(folder / "a", 4712, 4711)
    assert "belongs to the user 4712, who does not own its folder" in refusal(folder / "a")
