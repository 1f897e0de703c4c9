# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing what servers read: noted first, told in the end, and put back where that is needed."""

from __future__ import annotations

import json
import os
import signal
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import BusyError, FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import installation as installations
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import Result
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.installation import Installation, Refused
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import attempts, pending, sets
from ansible_collections.certops.ocsp.tests.unit.fleet import Clock, Fleet

NAME = "example.com"


@pytest.fixture
def layout(tmp_path: Path) -> sets.Layout:
    return sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enter(layout: sets.Layout, fleet: Fleet, clock: Clock) -> t.Callable[[], Installation]:
    return lambda: Installation(layout, fleet, 0.0, clock)


def make(layout: sets.Layout, number: int) -> str:
    identifier = sets.new_id(datetime(2026, 3, 4, 5, 6, number, tzinfo=timezone.utc), f"{number:08x}")
    sets.stage(layout, NAME, identifier, {"cert.pem": b"%d" % number}, sets.Access())
    sets.complete(layout, NAME, identifier)
    return identifier


def test_who_is_to_be_told_is_noted_before_anything_changes(
    enter: t.Callable[[], Installation], layout: sets.Layout, tmp_path: Path
) -> None:
    with enter() as one, one.changing({"nginx": [NAME]}) as change:
        assert pending.read(layout, "nginx") == pending.Note((NAME,))
        change.put(str(tmp_path / "folder/file"), b"content")
    assert pending.read(layout, "nginx") == pending.Note((NAME,), 1000.0)
    assert (tmp_path / "folder/file").read_bytes() == b"content"
    with enter() as one, one.changing({"nginx": ["other.example.com"], "exim": []}):
        pass
    assert pending.read(layout, "nginx") == pending.Note((NAME, "other.example.com"), 1000.0)
    assert pending.services(layout) == ["exim", "nginx"]


def test_a_change_that_fails_leaves_its_note(enter: t.Callable[[], Installation], layout: sets.Layout) -> None:
    with enter() as one, pytest.raises(FileError, match="no space"), one.changing({"nginx": [NAME]}):
        raise FileError("no space left")
    assert pending.read(layout, "nginx") == pending.Note((NAME,), 1000.0)


def test_nothing_is_changed_where_nothing_can_be_noted(
    enter: t.Callable[[], Installation], layout: sets.Layout, fleet: Fleet
) -> None:
    Path(layout.state).mkdir(parents=True)
    Path(layout.state, "pending").write_text("in the place of a folder")
    with enter() as one:
        with (
            pytest.raises(FileError, match=r"cannot write .*/nginx: .*"),
            one.changing({"nginx": [NAME]}),
        ):
            pytest.fail("changed without a note")
        # A staple that ends is withdrawn all the same, and its server is told by the same run.
        with one.changing({"nginx": [NAME]}, must_note=False):
            pass
        assert one.outstanding() == ["nginx"]
        assert one.tell("nginx").reloaded
        assert fleet.reloads == ["nginx"] and one.outstanding() == []


@pytest.mark.parametrize(
    ("loaded", "reloads"),
    [
        (None, ["nginx"]),  # nobody can tell
        (999.0, ["nginx"]),  # before the change
        (1000.0, ["nginx"]),  # in the very moment
        (1000.5, []),  # by whomever
    ],
)
def test_a_note_means_what_is_loaded_and_not_who_reloaded(
    loaded: t.Optional[float],
    reloads: t.List[str],
    enter: t.Callable[[], Installation],
    layout: sets.Layout,
    fleet: Fleet,
) -> None:
    with enter() as one, one.changing({"nginx": [NAME]}):
        pass
    if loaded is not None:
        fleet.loaded["nginx"] = loaded
    with enter() as one:
        assert one.outstanding() == reloads
        assert one.tell("nginx").problem == ""
    assert fleet.reloads == reloads and pending.services(layout) == []


def test_a_service_without_a_note_is_left_alone(enter: t.Callable[[], Installation], fleet: Fleet) -> None:
    with enter() as one:
        assert one.tell("nginx") == Result(False, None)
        assert fleet.reloads == []
        assert one.tell("nginx", always=True).reloaded
    assert fleet.reloads == ["nginx"]


def test_a_reload_that_fails_leaves_its_note(
    enter: t.Callable[[], Installation], layout: sets.Layout, fleet: Fleet
) -> None:
    fleet.problems["nginx"] = "broken"
    with enter() as one:
        with one.changing({"nginx": [NAME], "exim": [NAME]}):
            pass
        assert one.tell("nginx").problem == "broken"
        assert one.tell("exim").problem == ""
    assert pending.services(layout) == ["nginx"]


def test_an_empty_file_is_a_note(
    enter: t.Callable[[], Installation], layout: sets.Layout, fleet: Fleet, clock: Clock
) -> None:
    """As somebody makes it by hand who wants a service to be reloaded."""
    Path(layout.state, "pending").mkdir(parents=True)
    Path(layout.pending("nginx")).touch()
    fleet.loaded["nginx"] = 900.0
    with enter() as one:
        assert one.outstanding() == ["nginx"]
        # It is about all certificates, and stays so.
        pending.add(layout, "nginx", [NAME])
        pending.forget(layout, "nginx", [NAME])
        assert one.tell("nginx").reloaded


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"{", b'{"names": 3, "complete": "x"}'])
def test_a_note_that_cannot_be_read_is_a_note(
    content: bytes, enter: t.Callable[[], Installation], layout: sets.Layout, fleet: Fleet
) -> None:
    Path(layout.state, "pending").mkdir(parents=True)
    Path(layout.pending("nginx")).write_bytes(content)
    with enter() as one:
        assert one.tell("nginx").reloaded
    assert pending.services(layout) == []


def test_part_of_a_note_is_forgotten(enter: t.Callable[[], Installation], layout: sets.Layout) -> None:
    with enter() as one, one.changing({"haproxy": ["a", "b"]}):
        pass
    pending.forget(layout, "haproxy", ["a", "c"])
    assert pending.read(layout, "haproxy") == pending.Note(("b",), 1000.0)
    pending.forget(layout, "haproxy", ["b"])
    assert pending.read(layout, "haproxy") is None


# Switching ----------------------------------------------------------------------------------------


def test_switched_together(enter: t.Callable[[], Installation], layout: sets.Layout, tmp_path: Path) -> None:
    one, two = make(layout, 1), make(layout, 2)
    piece = str(tmp_path / "piece.conf")
    with enter() as installed, installed.switching([NAME], [piece], {"nginx": [NAME]}) as change:
        change.switch(NAME, one)
        change.put(piece, b"one")
    assert sets.current_id(layout, NAME) == one and not Path(layout.journal).exists()
    with enter() as installed, pytest.raises(Refused), installed.switching([NAME], [piece], {}) as change:
        change.switch(NAME, two)
        change.put(piece, b"two")
        raise Refused("broken", ["nginx"])
    assert sets.current_id(layout, NAME) == one and Path(piece).read_bytes() == b"one"
    assert not Path(layout.journal).exists()


@pytest.mark.parametrize("loaded", [None, 999.0, 1001.0])
def test_a_failed_test_takes_no_other_note_back(
    loaded: t.Optional[float], enter: t.Callable[[], Installation], layout: sets.Layout, fleet: Fleet, clock: Clock
) -> None:
    identifier = make(layout, 1)
    with enter() as one, one.changing({"nginx": ["staple.example.com"]}):
        pass
    noted = pending.read(layout, "nginx")
    if loaded is not None:
        fleet.loaded.update(nginx=loaded, exim=loaded)
    told = {"nginx": [NAME], "exim": [NAME], "haproxy": [NAME]}
    with enter() as one, pytest.raises(Refused), one.switching([NAME], [], told) as change:
        change.switch(NAME, identifier)
        raise Refused("haproxy refuses it", ["haproxy"])
    assert sets.current_id(layout, NAME) is None
    # What was noted before is noted still. What this switch noted is, too, unless the service cannot have loaded it.
    if loaded == 999.0:
        assert pending.read(layout, "nginx") == noted and pending.services(layout) == ["nginx"]
    else:
        assert pending.services(layout) == ["exim", "nginx"]
        assert set((pending.read(layout, "nginx") or pending.Note()).names) >= {"staple.example.com", NAME}


def test_what_was_killed_while_switching_is_put_back_by_the_next(
    enter: t.Callable[[], Installation], layout: sets.Layout, tmp_path: Path, fleet: Fleet
) -> None:
    one, two = make(layout, 1), make(layout, 2)
    sets.swap(layout, NAME, one)
    piece, new = tmp_path / "piece.conf", tmp_path / "new.conf"
    piece.write_bytes(b"one \xe9")
    child = os.fork()
    if not child:
        paths = [str(piece), str(new)]
        with enter() as run, run.switching([NAME, "new.example.com"], paths, {"nginx": [NAME]}) as change:
            change.switch(NAME, two)
            for path in paths:
                change.put(path, b"two")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert sets.current_id(layout, NAME) == two and piece.read_bytes() == new.read_bytes() == b"two"
    assert pending.read(layout, "nginx") == pending.Note((NAME,))
    with enter() as installed:
        assert installed.put_back == [NAME]
        assert installed.outstanding() == ["nginx"]
    assert sets.current_id(layout, NAME) == one
    assert piece.read_bytes() == b"one \xe9" and not new.exists() and not Path(layout.journal).exists()
    found = attempts.outstanding(layout, NAME)
    assert found is not None and (found.outcome, found.code) == ("switched_back", "switched_back")
    assert found.message == "the run that deployed it was killed before it was done"
    assert attempts.names(layout) == [NAME], "nothing is noted of what was not live before"
    with enter() as installed:
        assert installed.put_back == []


def test_what_was_killed_while_going_back_is_no_failed_deployment(
    enter: t.Callable[[], Installation], layout: sets.Layout
) -> None:
    one, two = make(layout, 1), make(layout, 2)
    sets.swap(layout, NAME, two)
    child = os.fork()
    if not child:
        with enter() as run, run.switching([NAME], [], {}) as change:
            change.switch(NAME, one)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with enter() as installed:
        assert installed.put_back == [NAME] and attempts.names(layout) == []


def test_a_damaged_journal_stops_before_anything(enter: t.Callable[[], Installation], layout: sets.Layout) -> None:
    Path(layout.state).mkdir(parents=True)
    Path(layout.journal).write_text(json.dumps({"version": 1}))
    with pytest.raises(FileError, match=r"journal\.json is damaged; check what is live in "), enter():
        pytest.fail("entered")
    # Its lock is free again.
    Path(layout.journal).unlink()
    with enter():
        pass


def test_only_one_at_a_time(enter: t.Callable[[], Installation]) -> None:
    with enter(), pytest.raises(BusyError), enter():
        pytest.fail("entered twice")


def test_nobody_else_changes_what_servers_read() -> None:
    """Live links and staples are changed through an installation; a set that is being staged is nobody's yet."""
    folder = Path(installations.__file__).parent
    allowed = {"installation.py", "sets.py", "staples.py"}
    for path in folder.glob("*.py"):
        text = path.read_text()
        if path.name not in allowed:
            assert "sets.swap(" not in text, path.name
            calls = [line for line in text.splitlines() if "staples.install(" in line or "staples.withdraw(" in line]
            assert all("write=False" in line or "staples.Place(folder, entry.live)" in line for line in calls), calls


def test_a_folder_that_cannot_be_made_is_named(
    enter: t.Callable[[], Installation], layout: sets.Layout, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the place of a folder")
    with enter() as one, one.changing({}) as change, pytest.raises(FileError, match=r"cannot create .*/file/below: "):
        change.put(str(tmp_path / "file/below/piece.conf"), b"content")


def test_a_state_folder_that_cannot_be_made_is_named(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the place of a folder")
    layout = sets.Layout(str(tmp_path / "etc"), str(tmp_path / "file/var"))
    with (
        pytest.raises(FileError, match=r"cannot create .*/file/var: .*"),
        Installation(layout, fleet),
    ):
        pytest.fail("entered")
