# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of attempts to deploy: what is written is read again, for how long it holds, and what is no record."""

from __future__ import annotations

import json
import os
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import attempts, files, sets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.attempts import Attempt

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=timezone.utc)
NAME = "www.example.com"
OLD, NEW = "ab" * 32, "cd" * 32
ATTEMPT = Attempt(NOW, attempts.HELD_BACK, "unreachable", "why", NEW, NOW + timedelta(days=90), "site.yml")


@pytest.fixture
def layout(tmp_path: Path) -> sets.Layout:
    return sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


def test_everybody_may_read_what_a_careful_service_writes(layout: sets.Layout) -> None:
    """The units of the program create files for root alone, and status may be run by anybody."""
    before = os.umask(0o077)
    try:
        attempts.write(layout, NAME, ATTEMPT)
    finally:
        os.umask(before)
    path = Path(layout.attempt(NAME))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o755)


def put_live(layout: sets.Layout, fingerprint: str, made: datetime) -> None:
    identifier = sets.new_id(made, fingerprint)
    sets.stage(layout, NAME, identifier, {}, sets.Access())
    sets.complete(layout, NAME, identifier)
    sets.swap(layout, NAME, identifier)


@pytest.mark.parametrize("outcome", attempts.OUTCOMES)
def test_what_is_written_is_read(outcome: str, layout: sets.Layout) -> None:
    assert attempts.read(layout, NAME) is None and attempts.names(layout) == []
    for attempt in (ATTEMPT._replace(outcome=outcome), ATTEMPT._replace(outcome=outcome, left_out_until=NOW)):
        attempts.write(layout, NAME, attempt)
        assert attempts.read(layout, NAME) == attempt
    attempt = Attempt(NOW, outcome, "bad_input", "it cannot be read")
    attempts.write(layout, NAME, attempt)
    assert attempts.read(layout, NAME) == attempt
    put_live(layout, OLD, NOW)
    attempts.write(layout, NAME, attempt)
    assert attempts.read(layout, NAME) == attempt._replace(live=sets.current_id(layout, NAME) or "")
    assert attempts.names(layout) == [NAME] and os.stat(layout.attempt(NAME)).st_mode & 0o777 == 0o644
    attempts.forget(layout, NAME)
    attempts.forget(layout, NAME)
    assert attempts.names(layout) == []


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=20), timedelta(days=-20)])
@pytest.mark.parametrize(
    ("outcome", "before", "after", "holds"),
    [
        (attempts.HELD_BACK, OLD, None, True),
        (attempts.HELD_BACK, OLD, OLD, False),  # made since
        (attempts.HELD_BACK, OLD, NEW, False),  # what was meant
        (attempts.HELD_BACK, NEW, None, False),
        (attempts.HELD_BACK, None, None, True),
        (attempts.REFUSED, OLD, None, True),
        (attempts.SWITCHED_BACK, OLD, None, True),
        (attempts.LIVE_WITHOUT_STAPLE, NEW, None, True),
        (attempts.LIVE_WITHOUT_STAPLE, NEW, OLD, False),
        (attempts.LIVE_WITHOUT_STAPLE, None, None, False),
    ],
)
def test_it_holds_until_the_certificate_or_a_later_one_is_live(
    outcome: str,
    before: t.Optional[str],
    after: t.Optional[str],
    holds: bool,
    ahead: timedelta,
    layout: sets.Layout,
) -> None:
    """Also where the clock was wrong when the set was made that is live."""
    if before:
        put_live(layout, before, NOW + ahead)
    attempts.write(layout, NAME, ATTEMPT._replace(outcome=outcome))
    if after:
        put_live(layout, after, NOW + ahead + timedelta(seconds=1))
    assert (attempts.outstanding(layout, NAME) is not None) is holds


def test_it_holds_for_the_set_that_is_put_back(layout: sets.Layout) -> None:
    """As where the run that switched was killed: what it switched to is live when that is noted."""
    put_live(layout, OLD, NOW)
    identifier = sets.current_id(layout, NAME)
    put_live(layout, NEW, NOW + timedelta(seconds=1))
    attempts.write(layout, NAME, ATTEMPT._replace(fingerprint=""), identifier)
    assert attempts.outstanding(layout, NAME) is None
    sets.swap(layout, NAME, identifier)
    assert attempts.outstanding(layout, NAME) is not None


def test_it_goes_with_the_sets(layout: sets.Layout) -> None:
    put_live(layout, OLD, NOW)
    attempts.write(layout, NAME, ATTEMPT)
    sets.remove(layout, NAME)
    assert attempts.names(layout) == []


def test_what_a_killed_run_left_is_removed(layout: sets.Layout) -> None:
    attempts.write(layout, NAME, ATTEMPT)
    left = Path(files.temporary_path(layout.attempt(NAME)))
    left.write_text("{")
    assert attempts.names(layout) == [NAME]
    sets.clean(layout)
    assert not left.exists() and attempts.read(layout, NAME) == ATTEMPT


def values(**other: t.Any) -> str:
    known = {**ATTEMPT._asdict(), "version": 1, "time": "2026-11-23T12:00:00Z", "not_after": None, **other}
    return json.dumps(known)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 10000,
        "null",
        "\udcff",
        values(version=2),
        values(outcome="other"),
        values(outcome=["held_back"]),
        values(time=None),
        values(time="yesterday"),
        values(not_after="later"),
        values(message="x" * 20000),
    ],
)
def test_what_cannot_be_read_is_no_record(content: str, layout: sets.Layout) -> None:
    path = Path(layout.attempt(NAME))
    path.parent.mkdir(parents=True)
    path.write_text(content, errors="surrogateescape")
    assert attempts.read(layout, NAME) is None and attempts.outstanding(layout, NAME) is None


def test_what_cannot_be_opened_is_no_record(layout: sets.Layout) -> None:
    path = Path(layout.attempt(NAME))
    path.mkdir(parents=True)
    assert attempts.read(layout, NAME) is None
    path.rmdir()
    os.mkfifo(path)
    assert attempts.read(layout, NAME) is None


def test_a_folder_that_cannot_be_made_is_named(layout: sets.Layout) -> None:
    folder = Path(layout.attempt(NAME)).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    with pytest.raises(FileError, match=f"^cannot create {folder}: File exists$"):
        attempts.write(layout, NAME, ATTEMPT)


def test_texts_are_clean_and_bounded(layout: sets.Layout) -> None:
    attempts.write(layout, NAME, ATTEMPT._replace(message="a\x1b[31m\nb" + "x" * 2000, owner="o" * 200))
    found = attempts.read(layout, NAME)
    assert found is not None and found.message.isprintable() and len(found.message) == 1000 and len(found.owner) == 100
    Path(layout.attempt(NAME)).write_text(values(message="a\x1b[31m", code=["x"], fingerprint=7, owner=None))
    found = attempts.read(layout, NAME)
    assert found == ATTEMPT._replace(message="a?[31m", code="", fingerprint="", not_after=None, owner="")
