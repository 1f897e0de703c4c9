# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Staples in a set folder: after each step, and so after a kill at any moment, all servers survive what they find."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files, staples
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.staples import Place
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW

W = forge.world()
TARGET = certificates.Target(
    certificates.Certificate.from_der(W.leaf.der), certificates.Certificate.from_der(W.issuer.der)
)
ALL = ["combined.pem.ocsp", "nginx-staple.conf", "ocsp.der", "ocsp.der.expires"]


def lasting(life: timedelta) -> t.Tuple[bytes, Judgement]:
    data = forge.response(forge.single(this_update=NOW - HOUR, next_update=NOW + life))
    return data, judge(data, TARGET, NOW)


SHORT, LONG = lasting(DAY), lasting(7 * DAY)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sets/www/1").mkdir(parents=True)
    (tmp_path / "live").mkdir()
    (tmp_path / "live/www").symlink_to("../sets/www/1")
    found = staples.find(str(tmp_path / "live/www"))
    assert found is not None
    return found


def content(place: Place) -> t.Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(place.folder).iterdir()}


def test_where_a_stable_path_leads(place: Place, tmp_path: Path) -> None:
    assert place == Place(str(tmp_path / "sets/www/1"), str(tmp_path / "live/www"))
    assert staples.find(str(tmp_path / "live/other")) is None
    (tmp_path / "live/file").write_text("not a folder")
    assert staples.find(str(tmp_path / "live/file")) is None


def test_what_servers_find(place: Place) -> None:
    data, judgement = LONG
    assert staples.install(place, data, judgement)
    assert content(place) == {
        "ocsp.der": data,
        "ocsp.der.expires": f"{int((NOW + 7 * DAY).timestamp())}\n".encode(),
        "combined.pem.ocsp": data,
        "nginx-staple.conf": f"ssl_stapling on;\nssl_stapling_file {place.live}/ocsp.der;\n".encode(),
    }
    assert os.readlink(place.path("combined.pem.ocsp")) == "ocsp.der"
    assert {os.stat(place.path(name)).st_mode & 0o777 for name in ALL} == {0o644}
    assert staples.in_place(place)
    assert staples.read(place) == data


def written(path: str) -> tuple[int, ...]:
    """What a write changes; a read may change the access time."""
    facts = os.lstat(path)
    return facts.st_ino, facts.st_size, facts.st_mode, facts.st_mtime_ns


def test_the_second_time_changes_nothing(place: Place) -> None:
    staples.install(place, *LONG)
    before = {name: written(place.path(name)) for name in ALL}
    assert not staples.install(place, *LONG)
    assert {name: written(place.path(name)) for name in ALL} == before


@pytest.mark.parametrize("name", ALL)
def test_what_is_missing_or_different_is_put_right(place: Place, name: str) -> None:
    staples.install(place, *LONG)
    wanted = content(place)
    os.unlink(place.path(name))
    assert not staples.in_place(place)
    assert staples.install(place, *LONG)
    os.unlink(place.path(name))
    Path(place.path(name)).write_bytes(b"something else, and longer than what belongs there" * 100)
    assert staples.install(place, *LONG)
    assert content(place) == wanted


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(LONG[0])
    os.symlink(elsewhere, place.path("ocsp.der"))
    assert staples.install(place, *SHORT)
    assert elsewhere.read_bytes() == LONG[0]
    assert staples.read(place) == SHORT[0]
    assert not os.path.islink(place.path("ocsp.der"))


def test_only_what_is_acceptable_is_stapled(place: Place) -> None:
    data = forge.response(forge.single(status="revoked"))
    with pytest.raises(ValueError, match="not acceptable"):
        staples.install(place, data, judge(data, TARGET, NOW))
    assert content(place) == {}


def test_finding_out_touches_nothing(place: Place) -> None:
    assert staples.install(place, *LONG, write=False)
    assert content(place) == {}
    staples.install(place, *LONG)
    assert staples.withdraw(place, write=False)
    assert not staples.install(place, *LONG, write=False)
    assert sorted(content(place)) == ALL


def test_withdrawing_leaves_what_is_not_of_the_staple(place: Place) -> None:
    Path(place.path("fullchain.pem")).write_text("a certificate")
    staples.install(place, *LONG)
    assert staples.withdraw(place)
    assert sorted(content(place)) == ["fullchain.pem"]
    assert not staples.withdraw(place)
    assert not staples.in_place(place)


def test_the_file_itself_can_stay_for_who_does_not_start_without_it(place: Place) -> None:
    staples.install(place, *LONG)
    assert staples.withdraw(place, keep_file=True)
    assert sorted(content(place)) == ["ocsp.der"]
    assert not staples.in_place(place)
    assert not staples.withdraw(place, keep_file=True)


def test_a_path_that_means_something_to_nginx_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / 'a "folder"; with \\ all'
    folder.mkdir()
    staples.install(Place(str(folder), str(folder)), *LONG)
    text = (folder / "nginx-staple.conf").read_text()
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    assert text == f'ssl_stapling on;\nssl_stapling_file "{quoted}/ocsp.der";\n'


# Kills -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def survivors(place: Place) -> None:
    """What each server demands of what it finds, at any moment."""
    there = content(place)
    if "nginx-staple.conf" in there:
        assert "ocsp.der" in there, "nginx would not start"
    if "combined.pem.ocsp" in os.listdir(place.folder):
        assert "ocsp.der" in there, "HAProxy would find a dangling link"
    if "ocsp.der.expires" in there and "ocsp.der" in there:
        end = {SHORT[0]: NOW + DAY, LONG[0]: NOW + 7 * DAY}[there["ocsp.der"]]
        assert int(there["ocsp.der.expires"]) <= end.timestamp(), "Exim's guard would let an expired staple pass"


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, action: t.Callable[[], object]) -> bool:
    """Do something and be killed before its change number ``step`` of the folder. Returns whether it came to that."""
    count = 0

    def counting(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as context:
        for name in ("replace", "link", "unlink", "symlink"):
            context.setattr(os, name, counting(getattr(os, name)))
        try:
            action()
        except Killed:
            return True
    return False


CHANGES: t.Dict[str, t.Tuple[t.Optional[t.Tuple[bytes, Judgement]], t.Optional[t.Tuple[bytes, Judgement]]]] = {
    "the first one": (None, LONG),
    "a longer one": (SHORT, LONG),
    "a shorter one": (LONG, SHORT),
    "none any more": (LONG, None),
}


def change_to(place: Place, after: t.Optional[t.Tuple[bytes, Judgement]]) -> bool:
    return staples.install(place, *after) if after else staples.withdraw(place)


@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_any_step_leaves_what_servers_survive(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = CHANGES[change]
    for step in range(100):
        folder = tmp_path / str(step)
        folder.mkdir()
        place = Place(str(folder), str(folder))
        change_to(place, before)
        killed = killed_at(step, monkeypatch, functools.partial(change_to, place, after))
        survivors(place)
        # The next run completes it.
        change_to(place, after)
        assert staples.read(place) == (after[0] if after else None)
        assert staples.in_place(place) == bool(after)
        if not killed:
            break
    assert step >= 3


@pytest.mark.parametrize("call", ["replace", "symlink"])
def test_a_disk_that_is_full_is_said_in_a_sentence(place: Place, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, call, full)
        with pytest.raises(FileError, match="No space left on device"):
            staples.install(place, *LONG)
    survivors(place)


# Locks -------------------------------------------------------------------------------------------

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import staples
with staples.lock(staples.Place(sys.argv[2], sys.argv[2]), 0):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_all_sets_of_a_certificate_share_a_lock_that_nobody_else_can_hold(place: Place) -> None:
    tree = files.__file__.split("ansible_collections", maxsplit=1)[0]
    other = os.path.join(os.path.dirname(place.folder), "2")
    os.mkdir(other)
    command = [sys.executable, "-c", HOLD, tree, other]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FileError, match="another process has held the lock"), staples.lock(place, 0):
            pass
        lock = Path(place.folder).parent / ".lock"
        assert lock.stat().st_mode & 0o777 == 0o600
        holder.communicate("go on\n")
    with staples.lock(place, 0):
        pass
    assert not lock.exists()
