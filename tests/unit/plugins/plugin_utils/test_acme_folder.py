# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept on the controller: sets that are switched as a whole, whatever happens in between."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import scan
from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_folder, _acme_keys

NAME = "www.example.test"
DIRECTORY = "https://ca.example:14000/dir"


class Killed(BaseException):
    """Ends a step as SIGKILL would."""


@pytest.fixture
def folder(tmp_path: Path) -> _acme_folder.Folder:
    return _acme_folder.Folder(str(tmp_path / "files"), DIRECTORY)


def content(mark: str, *left_out: str) -> dict[str, bytes]:
    return {file: f"{mark} {file}".encode() for file in _acme_folder.SUFFIXES if file not in left_out}


def shown(folder: _acme_folder.Folder) -> dict[str, str]:
    """The mark of what lies under each flat name."""
    paths = {file: Path(folder.flat(NAME, file)) for file in _acme_folder.SUFFIXES}
    return {file: path.read_text().split(" ")[0] for file, path in paths.items() if path.exists()}


def test_sets_follow_one_another_behind_the_same_names(folder: _acme_folder.Folder) -> None:
    assert not folder.has(NAME)
    for mark in "abcde":
        folder.install(NAME, content(mark), f"2026{mark}")
        assert shown(folder) == dict.fromkeys(_acme_folder.SUFFIXES, mark) and folder.has(NAME)
    assert sorted(os.listdir(Path(folder.path, ".acme/sets", NAME))) == ["2026c", "2026d", "2026e", "current"]
    assert folder.current(NAME, "key.pem") == b"e key.pem"


def test_a_file_that_a_set_does_not_have_has_no_name(folder: _acme_folder.Folder) -> None:
    folder.install(NAME, content("a"), "1")
    folder.install(NAME, content("b", "rootchain.pem", "chain.pem"), "2")
    assert set(shown(folder)) == {"key.pem", "cert.pem", "fullchain.pem"}
    assert not os.path.lexists(folder.flat(NAME, "rootchain.pem"))
    folder.install(NAME, content("c"), "3")
    assert shown(folder) == dict.fromkeys(_acme_folder.SUFFIXES, "c")


def test_nobody_else_can_open_anything(folder: _acme_folder.Folder) -> None:
    old = os.umask(0)
    try:
        folder.install(NAME, content("a"), "1")
        folder.write(folder.pending_path(NAME, "key.pem"), b"key")
        folder.note(NAME, directory=DIRECTORY)
        folder.note_account("https://ca/1", DIRECTORY)
    finally:
        os.umask(old)
    modes = {path: path.stat().st_mode & 0o777 for path in Path(folder.path).rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_keys_in_the_clear_are_encrypted_and_nothing_else_changes(folder: _acme_folder.Folder, tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
    for number in (1, 2):
        folder.install(NAME, {**content(str(number)), "key.pem": key.format(number).encode()}, str(number))
    folder.write(folder.pending_path(NAME, "key.pem"), key.format(2).encode())
    folder.write(folder.pending_path("other.test", "key.pem"), b"$ANSIBLE_VAULT;1.1;AES256\n00\n")
    other = _acme_folder.Folder(folder.path, "https://other.example/dir")
    for one in (folder, other):
        one.write(one.account_key, key.format(one.directory).encode())
    # What the role did not write is not its own, nor is what a link of the user's leads to.
    mine, linked = Path(folder.path, "mine.test.key"), tmp_path / "linked.key"
    mine.write_text(key.format("mine"))
    linked.write_text(key.format("linked"))
    third = _acme_folder.Folder(folder.path, "https://third.example/dir")
    os.makedirs(third.account)
    os.symlink(linked, third.account_key)
    before = {path: path.read_bytes() for path in Path(folder.path).rglob("*") if path.is_file()}
    times = iter(range(100))

    def encrypt(data: bytes) -> bytes:
        return b"$ANSIBLE_VAULT;1.1;AES256\n%d\n" % next(times)

    changed = {Path(path) for path in folder.encrypt_keys(encrypt, _acme_keys.is_clear)}
    assert len(changed) == 5
    kept = {path for path in before if path.resolve() not in {one.resolve() for one in changed}}
    assert {path: path.read_bytes() for path in kept} == {path: before[path] for path in kept}
    assert {path for path in before if b"PRIVATE KEY" in path.read_bytes()} == {mine, Path(third.account_key)}
    assert {path.stat().st_mode & 0o777 for path in changed} == {0o600}
    assert folder.encrypt_keys(encrypt, _acme_keys.is_clear) == []


def test_files_that_were_there_before_are_replaced_all_at_once(folder: _acme_folder.Folder) -> None:
    os.makedirs(folder.path)
    for file in ("key.pem", "cert.pem", "chain.pem"):
        Path(folder.flat(NAME, file)).write_text(f"old {file}")
    assert folder.has(NAME)
    folder.install(NAME, content("new"), "1")
    assert shown(folder) == dict.fromkeys(_acme_folder.SUFFIXES, "new")
    adopted = Path(folder.path, ".acme/sets", NAME, "adopted")
    assert (adopted / "key.pem").read_text() == "old key.pem"


@pytest.mark.parametrize("before", ["nothing", "files", "a set", "a smaller set"])
def test_a_kill_at_any_moment_leaves_one_set_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    for moment in range(200):
        folder = _acme_folder.Folder(str(tmp_path / str(moment)), DIRECTORY)
        make(folder, before)
        old = shown(folder)
        with monkeypatch.context() as context:
            killed = kill_at(context, moment)
            with contextlib.suppress(Killed):
                folder.install(NAME, content("new"), "2")
        marks = set(shown(folder).values())
        assert len(marks) <= 1, (moment, shown(folder))
        assert marks in ({"new"}, set(old.values())), (moment, shown(folder))
        # The next run completes it.
        folder.install(NAME, content("new"), "2")
        assert shown(folder) == dict.fromkeys(_acme_folder.SUFFIXES, "new")
        if not killed():
            return
    raise AssertionError("it never came to an end")


def make(folder: _acme_folder.Folder, before: str) -> None:
    os.makedirs(folder.path)
    if before == "files":
        for file in content("old", "chain.pem"):
            Path(folder.flat(NAME, file)).write_text("old")
    elif before != "nothing":
        folder.install(NAME, content("old", *(("rootchain.pem",) if before == "a smaller set" else ())), "1")


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> t.Callable[[], bool]:
    """End the run before the call of this number that changes something on disk; tells whether it came to that."""
    count = 0

    def wrap(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            nonlocal count
            count += 1
            if count > moment:
                raise Killed
            return real(*arguments, **options)

        return call

    for name in ("replace", "rename", "unlink", "symlink", "mkdir", "open"):
        monkeypatch.setattr(_acme_folder.os, name, wrap(getattr(os, name)))
    monkeypatch.setattr(_acme_folder.shutil, "rmtree", wrap(_acme_folder.shutil.rmtree))
    return lambda: count > moment


def test_on_a_full_disk_the_file_is_named_and_nothing_is_left(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes does not say where, unlike what opens."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = folder.pending_path(NAME, "key.pem")
    with pytest.raises(OSError, match="No space left") as raised:
        folder.write(path, b"key")
    assert raised.value.filename == path and os.listdir(os.path.dirname(path)) == []


def test_state_and_orders_are_remembered(folder: _acme_folder.Folder) -> None:
    assert folder.state(NAME) == {} and folder.order(NAME) == {} and folder.states() == {}
    folder.note(NAME, directory=DIRECTORY, obtained=["x"])
    folder.note(NAME, profile="short")
    assert folder.states() == {NAME: {"directory": DIRECTORY, "obtained": ["x"], "profile": "short"}}
    folder.note_order(NAME, uri="u")
    folder.note_order(NAME, status="ready")
    assert folder.order(NAME) == {"uri": "u", "status": "ready"}
    folder.forget_order(NAME)
    assert folder.order(NAME) == {}


def test_what_is_damaged_counts_as_nothing(folder: _acme_folder.Folder) -> None:
    folder.note(NAME, directory=DIRECTORY)
    Path(folder.path, ".acme/state", f"{NAME}.json").write_text("[1")
    assert folder.state(NAME) == {}


def test_each_ca_has_an_account_of_its_own(tmp_path: Path) -> None:
    one = _acme_folder.Folder(str(tmp_path), DIRECTORY)
    other = _acme_folder.Folder(str(tmp_path), "https://staging.example/dir")
    one.note_account("https://ca/1", DIRECTORY)
    assert (one.account_uri(), other.account_uri()) == ("https://ca/1", "")
    assert one.account_key.endswith(".acme/ca.example_14000/account.key")


def test_a_scan_of_the_folder_finds_certificates_and_no_account(folder: _acme_folder.Folder) -> None:
    folder.install(NAME, content("a"), "1")
    folder.write(folder.account_key, b"-----BEGIN PRIVATE KEY-----")
    found = scan.domains({"folder": folder.path, "recursive": True})
    assert [one["name"] for one in found] == [NAME]
