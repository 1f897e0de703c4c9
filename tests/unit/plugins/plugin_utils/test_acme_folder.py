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

    changed = {Path(path) for path in folder.encrypt_keys(encrypt, _acme_keys.is_clear)[0]}
    assert len(changed) == 5
    kept = {path for path in before if path.resolve() not in {one.resolve() for one in changed}}
    assert {path: path.read_bytes() for path in kept} == {path: before[path] for path in kept}
    assert {path for path in before if b"PRIVATE KEY" in path.read_bytes()} == {mine, Path(third.account_key)}
    assert {path.stat().st_mode & 0o777 for path in changed} == {0o600}
    assert folder.encrypt_keys(encrypt, _acme_keys.is_clear) == ([], [])


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
    one = {"at": "2026-03-04T05:06:07Z", "directory": DIRECTORY, "names": [NAME], "order": "u"}
    folder.note(NAME, directory=DIRECTORY, obtained=[one])
    folder.note(NAME, profile="short")
    assert folder.states() == {NAME: {"directory": DIRECTORY, "obtained": [one], "profile": "short"}}
    folder.note_order(NAME, uri="u")
    folder.note_order(NAME, status="ready")
    assert folder.order(NAME) == {"uri": "u", "status": "ready"}
    folder.forget_order(NAME)
    assert folder.order(NAME) == {}


DAMAGED = ["", "[1", "[1]", "null", "[" * 100_000, "\xff", '{"a": ' + "9" * 5000 + "}", "\0" * 9]


@pytest.mark.parametrize("damaged", DAMAGED, ids=range(len(DAMAGED)))
def test_what_is_damaged_counts_as_nothing(folder: _acme_folder.Folder, damaged: str) -> None:
    """What was known only saves work, or an order of a week: it is made anew."""
    for write, path in notes(folder):
        write()
        path.write_text(damaged, encoding="latin-1")
    assert folder.state(NAME) == {} and folder.order(NAME) == {} and folder.account_uri() == ""
    assert folder.unreadable(NAME) == ""
    for write, _path in notes(folder):
        write()
    assert folder.state(NAME)["directory"] == DIRECTORY and folder.order(NAME)["uri"] == "u"
    assert folder.account_uri() == "https://ca/1"


def notes(folder: _acme_folder.Folder) -> list[tuple[t.Callable[[], None], Path]]:
    """What writes each note, and its path."""
    return [
        (lambda: folder.note(NAME, directory=DIRECTORY), Path(folder.path, ".acme/state", f"{NAME}.json")),
        (lambda: folder.note_order(NAME, uri="u"), Path(folder.pending_path(NAME, "order.json"))),
        (lambda: folder.note_account("https://ca/1", DIRECTORY), Path(folder.account_note)),
    ]


@pytest.mark.parametrize("wrong", [None, 5, "x", ["x"], {"x": 1}, [{"at": 5}]], ids=str)
def test_what_is_of_a_wrong_type_counts_as_missing(folder: _acme_folder.Folder, wrong: t.Any) -> None:
    of_state = ("directory", "profile", "error", "obtained")
    of_order = ("uri", "status", "agreed", "made", "set")
    folder.note(NAME, **dict.fromkeys(of_state, wrong))
    folder.note_order(NAME, **dict.fromkeys(of_order, wrong))
    state, order = folder.state(NAME), folder.order(NAME)
    assert all(isinstance(state.get(key, ""), str) for key in of_state[:3]) and not state.get("obtained")
    assert all(isinstance(order.get(key, ""), str) for key in ("uri", "status", "made", "set"))
    assert isinstance(order.get("agreed", {}), dict)


def make_large(path: Path) -> None:
    path.touch()
    os.truncate(path, 100 * 1024**2)


UNREADABLE: dict[str, tuple[t.Callable[[Path], t.Any], str]] = {
    "a folder": (lambda path: path.mkdir(), "it is not a regular file"),
    "a FIFO": (os.mkfifo, "it is not a regular file"),
    "large": (make_large, "it is larger than 16 MiB"),
    "a loop": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "forbidden": (lambda path: path.touch(mode=0), "Permission denied"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("note", [0, 1], ids=["state", "order"])
def test_what_cannot_be_read_is_named_and_costs_its_own_certificate(
    folder: _acme_folder.Folder, kind: str, note: int
) -> None:
    make, reason = UNREADABLE[kind]
    folder.note("other.test", directory=DIRECTORY)
    path = notes(folder)[note][1]
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    with not_as_root(Path(folder.path)):
        assert folder.unreadable(NAME) == f"{path} cannot be used: {reason}; correct that, or remove it"
        assert folder.unreadable("other.test") == "" and list(folder.states()) == ["other.test"]


@contextlib.contextmanager
def not_as_root(home: Path) -> t.Iterator[None]:
    """As another user, whose a folder and all in it is, where this one is root, who may read any file."""
    if os.geteuid() != 0:
        yield
        return
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    for path in list(home.parents)[:3]:
        path.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_key_that_cannot_be_read_keeps_no_other_in_the_clear(folder: _acme_folder.Folder) -> None:
    for name in ("a.test", "b.test"):
        folder.install(name, content(name), "1")
    path = Path(folder.path, ".acme/sets/a.test/1/key.pem")
    path.unlink()
    path.mkdir()
    encrypted, (problem,) = folder.encrypt_keys(lambda key: b"$" + key, lambda key: not key.startswith(b"$"))
    assert [one.split("/")[-3] for one in encrypted] == ["b.test"]
    assert problem == f"the private key {path} could not be encrypted: it is not a regular file"


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
