# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What new staples replaced: noted before, put back as it was, and forgotten when nobody needs it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import pending, replaced, sets, staples
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import Layout
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.staples import Place, Stapled
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW

GOOD = Judgement((), 1, False, True, effective_expiry=NOW + DAY)
LATER = GOOD._replace(effective_expiry=NOW + 2 * DAY)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


@pytest.fixture
def place(layout: Layout) -> Place:
    folder = Path(layout.sets("www")) / "1"
    folder.mkdir(parents=True)
    live = Path(layout.live("www"))
    live.parent.mkdir()
    live.symlink_to("../sets/www/1")
    found = staples.find(str(live))
    assert found is not None
    return found


def contents(place: Place) -> t.Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(place.folder).iterdir()}


def test_what_was_there_is_put_back_whole(layout: Layout, place: Place) -> None:
    staples.install(place, b"old", GOOD)
    before = contents(place)
    replaced.note(layout, "www", place, b"new", ["web"], must_staple=True)
    staples.install(place, b"new", LATER)
    known = replaced.read(layout, "www")
    assert known is not None and known.is_about(place, staples.look(place))
    assert (known.services, known.must_staple) == (("web",), True)
    staples.put_back(place, known.former, NOW)
    assert contents(place) == before and not known.is_about(place, staples.look(place))


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_not_stapled_is_not_stapled_again(layout: Layout, place: Place, kept: bool) -> None:
    """A file that was kept for servers that do not start without it is one again."""
    if kept:
        staples.install(place, b"old", GOOD)
        staples.withdraw(place, keep_file=True)
    before = contents(place)
    replaced.note(layout, "www", place, b"new", ["web"])
    staples.install(place, b"new", LATER)
    known = replaced.read(layout, "www")
    assert known is not None and known.former == Stapled(b"old" if kept else None, 0)
    staples.put_back(place, known.former, NOW)
    assert contents(place) == before


def test_what_has_expired_is_not_stapled_again(place: Place) -> None:
    staples.install(place, b"new", LATER)
    staples.put_back(place, Stapled(b"old", int((NOW + HOUR).timestamp())), NOW + HOUR)
    assert contents(place) == {"ocsp.der": b"old"}


def test_what_services_have_loaded_last_stays_noted(layout: Layout, place: Place) -> None:
    staples.install(place, b"old", GOOD)
    for data, service in ((b"new", "web"), (b"newer", "mail")):
        replaced.note(layout, "www", place, data, [service])
        staples.install(place, data, LATER)
    known = replaced.read(layout, "www")
    assert known is not None and known.former.data == b"old" and known.services == ("web", "mail")
    assert known.is_about(place, staples.look(place))
    staples.install(place, b"of a playbook", LATER)
    replaced.note(layout, "www", place, b"newest", ["web"])
    known = replaced.read(layout, "www")
    assert known is not None and known.former.data == b"of a playbook"


def test_it_is_forgotten_when_no_service_is_noted(layout: Layout, place: Place) -> None:
    for name, service in (("a", "web"), ("b", "mail")):
        replaced.note(layout, name, place, b"new", [service])
    pending.add(layout, "mail", ["b"])
    replaced.clean(layout)
    assert replaced.names(layout) == ["b"]
    pending.forget(layout, "mail")
    replaced.clean(layout)
    assert not Path(layout.replaced("any")).parent.exists()
    replaced.clean(layout)
    assert replaced.names(layout) == []


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"data": "?"}, {"data": 1}, {"services": None}, {"expires": "x"}, {"folder": None, "expires": []}],
)
def test_what_cannot_be_read_is_none(layout: Layout, place: Place, change: t.Dict[str, t.Any]) -> None:
    replaced.note(layout, "www", place, b"new", ["web"])
    path = Path(layout.replaced("www"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert replaced.read(layout, "www") is None
    replaced.clean(layout)
    assert replaced.names(layout) == []


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\0"])
def test_nor_is_what_is_no_object(layout: Layout, text: str) -> None:
    path = Path(layout.replaced("www"))
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert replaced.read(layout, "www") is None


def test_a_folder_that_cannot_be_made(layout: Layout, place: Place) -> None:
    Path(layout.state).write_text("")
    with pytest.raises(FileError, match="cannot create"):
        replaced.note(layout, "www", place, b"new", ["web"])


def test_what_a_killed_run_left_half_written_is_removed(layout: Layout, place: Place) -> None:
    replaced.note(layout, "www", place, b"new", ["web"])
    left = Path(layout.replaced("www")).parent / ".www.json.ocsp-new"
    left.write_text("{")
    sets.clean(layout)
    assert not left.exists() and replaced.names(layout) == ["www"]
