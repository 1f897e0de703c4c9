# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of sets: nobody sees half of one, and one rename switches."""

from __future__ import annotations

import os
import stat
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import sets

NAME = "example.com"
FILES = {"privkey.pem": b"key\n", "cert.pem": b"certificate\n", "combined.pem": b"both\n"}
ACCESS = sets.Access(os.geteuid(), os.getegid(), 0o440)


@pytest.fixture
def layout(tmp_path: Path) -> sets.Layout:
    return sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


def identifier(number: int) -> str:
    return sets.new_id(datetime(2026, 3, 4, 5, 6, number, tzinfo=timezone.utc), f"{number:08x}")


def make(layout: sets.Layout, number: int) -> str:
    made = identifier(number)
    sets.stage(layout, NAME, made, FILES, ACCESS)
    sets.complete(layout, NAME, made)
    return made


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (4, 4), (5, 5), (7, 7), (10, 8)])
def test_as_many_sets_stay_as_are_to_be_kept(keep: int, left: int, layout: sets.Layout) -> None:
    made = []
    for number in range(8):
        made.append(make(layout, number))
        sets.swap(layout, NAME, made[-1])
        sets.prune(layout, NAME, keep)
        assert sets.identifiers(layout, NAME) == made[-keep:]
    assert len(sets.identifiers(layout, NAME)) == left


def test_keys_are_never_readable_by_others(layout: sets.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: t.List[t.Tuple[int, int]] = []
    write = os.fdopen

    def watch(descriptor: int, *arguments: t.Any) -> t.Any:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        return write(descriptor, *arguments)

    monkeypatch.setattr(sets.os, "fdopen", watch)
    umask = os.umask(0)
    try:
        folder = Path(sets.stage(layout, NAME, identifier(1), FILES, ACCESS))
    finally:
        os.umask(umask)
    assert seen == [(0o600, 0)] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    done = Path(sets.complete(layout, NAME, identifier(1)))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in done.iterdir()}
    assert modes == {"privkey.pem": 0o440, "combined.pem": 0o440, "cert.pem": 0o644}
    assert stat.S_IMODE(done.stat().st_mode) == 0o755
    assert sets.accesses(layout, NAME, identifier(1)) == dict.fromkeys(sets.SECRET_FILES, ACCESS)


def test_nothing_is_written_through_what_lies_there(layout: sets.Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    with pytest.raises(FileExistsError):
        os.symlink(victim, tmp_path / "link")
        sets.write_new(str(tmp_path / "link"), b"key", ACCESS)
    assert victim.read_text() == "as it was"
    folder = Path(layout.sets(NAME), f".staging-{identifier(1)}")
    folder.mkdir(parents=True)
    with pytest.raises(FileError, match=r"cannot stage the set .*: File exists"):
        sets.stage(layout, NAME, identifier(1), FILES, ACCESS)


def test_swap_is_one_rename(layout: sets.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make(layout, 1), make(layout, 2)
    assert sets.current_id(layout, NAME) is None
    sets.swap(layout, NAME, one)
    assert sets.current_id(layout, NAME) == one
    assert Path(layout.live(NAME), "cert.pem").read_bytes() == FILES["cert.pem"]

    def fail(*_arguments: t.Any) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(FileError, match="it is as it was"):
        patch.setattr(sets.os, "replace", fail)
        sets.swap(layout, NAME, two)
    assert sets.current_id(layout, NAME) == one
    assert os.listdir(Path(layout.root, "live")) == [NAME]
    sets.swap(layout, NAME, two)
    sets.swap(layout, NAME, None)
    sets.swap(layout, NAME, None)
    assert sets.current_id(layout, NAME) is None and sets.identifiers(layout, NAME) == [one, two]


def test_what_the_disk_refuses_is_said_with_its_path(layout: sets.Layout, tmp_path: Path) -> None:
    one = make(layout, 1)
    folder = Path(layout.folder(NAME, one))
    (folder / "cert.pem").unlink()
    (folder / "cert.pem").mkdir()
    with pytest.raises(FileError, match=rf"cannot read {folder}/cert\.pem: Is a directory"):
        sets.read_set(layout, NAME, one)
    with pytest.raises(FileError, match=r"cannot complete the set .*: No such file or directory"):
        sets.complete(layout, NAME, identifier(2))
    Path(layout.live(NAME)).mkdir(parents=True)
    for identifier_ in (None, one):
        with pytest.raises(
            FileError, match=rf"cannot switch {layout.live(NAME)} to {identifier_}: .*; it is as it was"
        ):
            sets.swap(layout, NAME, identifier_)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../sets/other/20260304T050601.000000Z-00000001", "../sets/example.com/x"]
)
def test_link_of_somebody_else_is_refused(layout: sets.Layout, target: str) -> None:
    Path(layout.root, "live").mkdir(parents=True)
    os.symlink(target, layout.live(NAME))
    with pytest.raises(InputError, match="move it out of the way"):
        sets.current_id(layout, NAME)


def test_folder_in_the_place_of_a_link_is_refused(layout: sets.Layout) -> None:
    Path(layout.live(NAME)).mkdir(parents=True)
    with pytest.raises(InputError, match="not a symbolic link"):
        sets.current_id(layout, NAME)


def test_prune_keeps_the_newest_the_live_and_the_protected(layout: sets.Layout) -> None:
    made = [make(layout, number) for number in range(1, 7)]
    sets.swap(layout, NAME, made[1])
    assert sets.prune(layout, NAME, 3, (made[0],)) == [made[2], made[3]]
    assert sets.identifiers(layout, NAME) == [made[0], made[1], made[4], made[5]]
    assert sets.prune(layout, NAME, 2, (made[5],)) == [made[0], made[4]]
    assert sets.prune(layout, NAME, 1) == [made[5]]
    assert sets.identifiers(layout, NAME) == [made[1]]


def test_clean_removes_what_a_killed_run_left(layout: sets.Layout) -> None:
    one = make(layout, 1)
    sets.swap(layout, NAME, one)
    sets.stage(layout, NAME, identifier(2), FILES, ACCESS)
    os.symlink("x", Path(layout.root, "live", f".{NAME}.0123456789abcdef"))
    sets.clean(layout)
    assert os.listdir(layout.sets(NAME)) == [one]
    assert os.listdir(Path(layout.root, "live")) == [NAME]


def test_discard_spares_what_is_live(layout: sets.Layout) -> None:
    one, two = make(layout, 1), make(layout, 2)
    sets.swap(layout, NAME, one)
    sets.discard(layout, NAME, one)
    sets.discard(layout, NAME, two)
    assert sets.identifiers(layout, NAME) == [one]
    sets.remove(layout, NAME)
    assert not Path(layout.sets(NAME)).exists() and not os.path.lexists(layout.live(NAME))
