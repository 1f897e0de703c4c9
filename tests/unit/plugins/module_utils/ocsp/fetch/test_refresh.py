# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import typing as t
from datetime import datetime
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import refresh
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.freshness import Outcome
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import wire
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.schedule import Renewal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import Options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.responder import World, failure, html, ok

NOW, DAY, HOUR = forge.NOW, forge.DAY, forge.HOUR
URL = "http://ocsp.example.com"


@functools.cache
def staple(age: t.Any = DAY, life: t.Any = 7 * DAY, **single: t.Any) -> bytes:
    """A response that was made some time ago."""
    entry = forge.single(this_update=NOW - age, next_update=NOW - age + life, **single)
    return forge.response(entry, produced_at=NOW - age)


FRESH = staple()
DUE = staple(4 * DAY)
EXPIRED = staple(8 * DAY)
REVOKED = staple(status="revoked", reason="key_compromise")
REVOKED_BEFORE = staple(2 * DAY, status="revoked", reason="certificate_hold")


class Place:
    """A folder with a staple file, and the options for it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "staple.der"
        world = forge.world()
        leaf, issuer = Certificate.from_der(world.leaf.der), Certificate.from_der(world.issuer.der)
        self.options = Options(str(self.path), leaf, Target(leaf, issuer), responder_urls=(URL,), retries=0)

    def put(self, content: t.Optional[bytes]) -> None:
        if content is not None:
            self.path.write_bytes(content)

    def run(self, world: World, now: datetime = NOW, write: bool = True, **options: t.Any) -> Outcome:
        return refresh.refresh(self.options._replace(**options), world.environment(now), write)

    def content(self) -> t.Optional[bytes]:
        return self.path.read_bytes() if self.path.exists() else None

    def names(self) -> t.List[str]:
        return sorted(path.name for path in self.path.parent.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_first_run_installs_and_the_second_asks_nobody(place: Place) -> None:
    world = World(ok(FRESH))
    first = place.run(world)
    assert (first.changed, first.fetched, first.failed) == (True, True, False)
    assert place.content() == first.data == FRESH
    second = place.run(world)
    assert (second.changed, second.fetched, second.failed) == (False, False, False)
    assert len(world.requests) == 1
    assert second.renew_at == NOW - DAY + 3.5 * DAY
    assert place.names() == ["staple.der"]


def test_a_due_response_is_renewed(place: Place) -> None:
    place.put(DUE)
    outcome = place.run(World(ok(FRESH)))
    assert outcome.changed
    assert outcome.before is not None and outcome.before.this_update == NOW - 4 * DAY
    assert place.content() == FRESH


@pytest.mark.parametrize(
    "broken",
    [b"", b"garbage", b"\x00" * 3000, forge.error_response("try_later"), FRESH[:-1], EXPIRED, REVOKED_BEFORE],
)
def test_what_is_not_good_on_disk_is_a_reason_to_fetch(place: Place, broken: bytes) -> None:
    place.put(broken)
    outcome = place.run(World(ok(FRESH)))
    assert outcome.changed and not outcome.failed
    assert place.content() == FRESH


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("reply", [ok(FRESH), ok(staple(-3 * HOUR)), failure("unreachable")])
@pytest.mark.parametrize("ahead", [HOUR, 3 * HOUR, 30 * DAY])
def test_an_older_one_does_not_come_by_a_clock_that_is_behind(
    place: Place, ahead: t.Any, reply: t.Any, force: bool
) -> None:
    place.put(staple(-ahead))
    outcome = place.run(World(reply), force=force)
    assert (outcome.changed, outcome.failed) == (False, False)
    assert place.content() == outcome.data == staple(-ahead)
    said = "this host's clock says 2026-03-04T05:06:07Z, which is behind the thisUpdate of the response in place ("
    told = [*outcome.warnings, *(one.message for one in outcome.findings)]
    assert any(one.startswith(said) for one in told) is (ahead > HOUR)


def test_one_of_clocks_that_were_a_year_ahead_does_not_stay(place: Place) -> None:
    place.put(staple(-365 * DAY))
    assert place.run(World(ok(FRESH))).changed
    assert place.content() == FRESH


REFUSED = [
    pytest.param(ok(EXPIRED), "expired", id="expired"),
    pytest.param(ok(staple(-DAY)), "not_yet_valid", id="not-yet-valid"),
    pytest.param(ok(staple(status="unknown")), "unknown_status", id="unknown"),
    pytest.param(ok(forge.response(flip_signature=True)), "bad_signature", id="bad-signature"),
    pytest.param(ok(staple(life=-DAY)), "inconsistent_times", id="inconsistent"),
    pytest.param(ok(forge.response(forge.single(next_update=None))), "missing_next_update", id="no-next-update"),
    pytest.param(ok(forge.response(forge.single(serial=99))), "wrong_certificate", id="wrong-certificate"),
    pytest.param(ok(forge.error_response("unauthorized")), "not_successful", id="unauthorized"),
    pytest.param(html(), "malformed", id="html"),
    pytest.param(html(502), "http_error", id="bad-gateway"),
    pytest.param(failure("unreachable"), "unreachable", id="unreachable"),
    pytest.param(failure("timeout"), "timeout", id="timeout"),
]


@pytest.mark.parametrize(("reply", "code"), REFUSED)
def test_a_bad_answer_leaves_a_good_file_alone(place: Place, reply: t.Any, code: str) -> None:
    place.put(DUE)
    outcome = place.run(World(reply))
    assert (outcome.changed, outcome.failed) == (False, False)
    assert outcome.fetch_error is not None and outcome.fetch_error.code == code
    assert outcome.warnings == (outcome.message,)
    assert outcome.judgement is not None and outcome.judgement.acceptable
    assert place.content() == outcome.data == DUE
    assert place.names() == ["staple.der"]


@pytest.mark.parametrize(("reply", "code"), REFUSED)
@pytest.mark.parametrize("before", [None, b"garbage", EXPIRED], ids=["nothing", "garbage", "expired"])
def test_a_bad_answer_with_nothing_good_in_place_fails(
    place: Place, before: t.Optional[bytes], reply: t.Any, code: str
) -> None:
    place.put(before)
    outcome = place.run(World(reply))
    assert (outcome.changed, outcome.failed) == (False, True)
    assert outcome.fetch_error is not None and outcome.fetch_error.code == code
    assert outcome.data is None
    assert "\n" not in outcome.message
    assert place.content() == before


@pytest.mark.parametrize("before", [None, DUE], ids=["nothing", "good"])
def test_revoked_fails_and_is_never_written(place: Place, before: t.Optional[bytes]) -> None:
    place.put(before)
    outcome = place.run(World(ok(REVOKED)))
    assert (outcome.changed, outcome.failed) == (False, True)
    assert outcome.judgement is not None
    assert outcome.judgement.certificate_status == "revoked"
    assert outcome.judgement.revocation_reason == "key_compromise"
    assert "revoked" in outcome.message
    assert place.content() == before


def test_revoked_is_put_up_with_if_told(place: Place) -> None:
    place.put(DUE)
    outcome = place.run(World(ok(REVOKED)), on_revoked="keep")
    assert (outcome.changed, outcome.failed) == (False, False)
    assert outcome.fetch_error is not None and outcome.fetch_error.code == "revoked"
    assert outcome.warnings == (outcome.message,)
    assert place.content() == DUE


def test_on_revoked_keep_is_not_for_a_forged_revocation(place: Place) -> None:
    forged = forge.response(forge.single(status="revoked"), flip_signature=True)
    assert place.run(World(ok(forged)), on_revoked="keep").failed


@pytest.mark.parametrize(
    ("current", "new"),
    [(FRESH, staple(2 * DAY, 9 * DAY)), (staple(2 * DAY, 9 * DAY), staple(DAY, 6 * DAY))],
    ids=["made-earlier", "ends-earlier"],
)
def test_a_newer_response_is_never_replaced_by_an_older_one(place: Place, current: bytes, new: bytes) -> None:
    place.put(current)
    outcome = place.run(World(ok(new)), force=True)
    assert (outcome.changed, outcome.failed) == (False, False)
    assert [(finding.code, finding.severity) for finding in outcome.findings] == [("older", "warning")]
    assert outcome.judgement is not None and outcome.judgement.findings == ()
    assert outcome.warnings == (outcome.message,)
    assert place.content() == outcome.data == current


def test_an_older_response_replaces_one_that_is_not_good(place: Place) -> None:
    place.put(forge.response(flip_signature=True))
    assert place.run(World(ok(staple(2 * DAY)))).changed
    assert place.content() == staple(2 * DAY)


def test_a_response_of_the_same_times_changes_nothing(place: Place) -> None:
    other = forge.response(
        forge.single(this_update=NOW - DAY, next_update=NOW + 6 * DAY), signer=forge.world().delegate
    )
    place.put(FRESH)
    outcome = place.run(World(ok(other)), force=True)
    assert not outcome.changed and outcome.warnings == ()
    assert place.content() == FRESH


def test_force_asks_although_nothing_is_due(place: Place) -> None:
    place.put(FRESH)
    world = World(ok(staple(HOUR)))
    assert place.run(world, force=True).changed
    assert len(world.requests) == 1


def test_check_mode_asks_and_writes_nothing(place: Place) -> None:
    place.put(DUE)
    world = World(ok(FRESH))
    outcome = place.run(world, write=False, backups=3)
    assert outcome.changed and "would be" in outcome.message
    assert len(world.requests) == 1
    assert place.content() == DUE
    assert place.names() == ["staple.der"]


def test_no_responder_is_normal(place: Place) -> None:
    outcome = place.run(World(failure("unreachable")), responder_urls=(), target=None)
    assert (outcome.changed, outcome.failed, outcome.skipped_reason) == (False, False, "no_responder")
    assert place.content() is None


def test_no_responder_fails_if_told(place: Place) -> None:
    world = World(failure("unreachable"))
    outcome = place.run(world, responder_urls=(), target=None, on_missing_responder="fail")
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "no_responder"
    assert world.requests == []


def test_nobody_is_asked_about_a_certificate_that_has_ended(place: Place) -> None:
    place.put(FRESH)
    world = World(ok(FRESH))
    outcome = place.run(world, now=NOW + 61 * DAY)
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "certificate_expired"
    assert world.requests == []
    assert place.content() == FRESH


def test_near_the_end_of_the_certificate_not_every_run_asks(place: Place) -> None:
    end = forge.world().leaf.not_after
    late = forge.response(forge.single(this_update=end - 2 * DAY, next_update=end + 5 * DAY), produced_at=end - 2 * DAY)
    world = World(ok(late))
    now = end - DAY - HOUR
    assert place.run(world, now=now, renewal=Renewal(2 * DAY, 42.8)).changed
    for hour in range(24):
        place.run(world, now=now + hour * HOUR, renewal=Renewal(2 * DAY, 42.8))
    assert len(world.requests) == 1


def test_an_early_answer_of_a_cache_is_asked_for_again_without_change(place: Place) -> None:
    place.put(DUE)
    outcome = place.run(World(ok(DUE)))
    assert outcome.fetched and not outcome.changed and not outcome.failed
    assert place.content() == DUE


def test_a_source_is_judged_and_nobody_is_asked(place: Place) -> None:
    world = World(failure("unreachable"))
    assert place.run(world, source=DUE).changed
    newer = place.run(world, source=FRESH)
    assert newer.changed and not newer.fetched
    older = place.run(world, source=DUE)
    assert not older.changed and [finding.code for finding in older.findings] == ["older"]
    assert not place.run(world, source=FRESH).changed
    assert place.content() == FRESH
    assert world.requests == []


@pytest.mark.parametrize("before", [None, FRESH], ids=["nothing", "good"])
@pytest.mark.parametrize("source", [EXPIRED, REVOKED, b"", b"garbage"], ids=["expired", "revoked", "empty", "garbage"])
def test_a_bad_source_is_refused(place: Place, before: t.Optional[bytes], source: bytes) -> None:
    place.put(before)
    outcome = place.run(World(), source=source)
    assert not outcome.changed
    assert outcome.failed is (before is None or source == REVOKED)
    assert outcome.fetch_error is not None
    assert place.content() == before


def test_the_format_is_changed_without_asking(place: Place) -> None:
    place.put(FRESH)
    world = World(failure("unreachable"))
    assert place.run(world, format="pem").changed
    assert place.content() == wire.to_pem(FRESH)
    assert not place.run(world, format="pem").changed
    assert place.run(world).changed
    assert place.content() == FRESH
    assert world.requests == []


def test_nothing_is_written_without_the_lock(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that cleans up what a killed one left must not meet another at work."""
    locked = []
    real_lock, real_replace = refresh.files.lock, refresh.files.replace_file

    @contextlib.contextmanager
    def lock(path: str, timeout: float, **options: t.Any) -> t.Iterator[None]:
        with real_lock(path, timeout, **options):
            locked.append(path)
            yield
            locked.remove(path)

    def replace(path: str, *arguments: t.Any, **options: t.Any) -> None:
        assert locked == [path]
        real_replace(path, *arguments, **options)

    monkeypatch.setattr(refresh.files, "lock", lock)
    monkeypatch.setattr(refresh.files, "replace_file", replace)
    assert place.run(World(ok(FRESH))).changed
    assert place.run(World(), format="pem").changed
    assert place.run(World(), source=staple(HOUR)).changed


def test_backups_are_kept_and_pruned(place: Place) -> None:
    for age in range(6, 0, -1):
        place.run(World(ok(staple(age * HOUR))), force=True, backups=2, now=NOW - age * forge.SECOND)
    backups = [name for name in place.names() if name != "staple.der"]
    assert len(backups) == 2
    contents = {(place.path.parent / name).read_bytes() for name in backups}
    assert contents == {staple(2 * HOUR), staple(3 * HOUR)}
    assert place.content() == staple(HOUR)


def test_an_unchanged_file_gets_no_backup(place: Place) -> None:
    place.put(FRESH)
    outcome = place.run(World(ok(FRESH)), force=True, backups=2)
    assert outcome.backup_file is None and place.names() == ["staple.der"]


def test_what_a_server_would_not_survive_is_not_written(place: Place) -> None:
    by_sha256 = forge.response(forge.single(digest="sha256"))
    outcome = place.run(World(ok(by_sha256)), servers=("hitch",))
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "unfit_for_server"
    assert place.content() is None
    outcome = place.run(World(ok(by_sha256)), servers=("haproxy",))
    assert outcome.changed
    assert outcome.judgement is not None and outcome.judgement.warnings == ["unfit_for_server"]


def test_the_rules_hold_for_the_file_and_for_the_answer(place: Place) -> None:
    place.put(staple(2 * DAY))
    world = World(ok(FRESH))
    outcome = place.run(world, rules=Rules(maximum_age=1.5 * DAY))
    assert outcome.changed and place.content() == FRESH


def test_a_folder_that_is_missing_is_said_before_anyone_is_asked(place: Place, tmp_path: Path) -> None:
    world = World(ok(FRESH))
    with pytest.raises(InputError, match=r"^path: .*/missing/staple\.der is in the folder .*/missing, which does not"):
        place.run(world, path=str(tmp_path / "missing" / "staple.der"))
    assert world.requests == []


def test_an_empty_path_is_said(place: Place) -> None:
    with pytest.raises(InputError, match=r"^path is empty"):
        place.run(World(ok(FRESH)), path="")


def test_a_folder_in_the_place_of_the_file_is_said(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        place.run(World(ok(FRESH)), path=str(tmp_path))


def test_a_run_that_waited_for_another_one_finds_its_response(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(failure("unreachable"))
    real_lock = refresh.files.lock

    def slow_lock(path: str, timeout: float, **options: t.Any) -> t.Any:
        place.put(FRESH)  # what the other run did meanwhile
        return real_lock(path, timeout, **options)

    monkeypatch.setattr(refresh.files, "lock", slow_lock)
    outcome = place.run(world)
    assert not outcome.changed and not outcome.failed
    assert world.requests == []


def test_a_removed_file_stays_removed(place: Place) -> None:
    place.put(FRESH)
    assert refresh.remove(str(place.path), write=False).changed
    assert place.content() == FRESH
    assert refresh.remove(str(place.path)).changed
    assert not refresh.remove(str(place.path)).changed
    assert place.content() is None


def test_an_answer_from_before_a_revocation_does_not_bring_the_staple_back(place: Place) -> None:
    revoked = staple(HOUR, status="revoked")
    place.put(revoked)
    outcome = place.run(World(), source=FRESH)
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "older"
    assert "revoked" in outcome.message
    assert place.content() == revoked
    assert place.run(World(), source=staple(HOUR / 2)).changed


def test_a_responder_that_has_nothing_newer_for_long_is_told(place: Place) -> None:
    old = staple(5.5 * DAY)
    place.put(old)
    outcome = place.run(World(ok(old)))
    assert not outcome.changed and not outcome.failed
    assert outcome.warnings == (
        f"there is still no newer response than the one in {place.path}, which expires at 2026-03-05T17:06:07Z",
    )
    place.put(DUE)
    assert place.run(World(ok(DUE))).warnings == ()


def test_each_of_several_responders_is_told(place: Place) -> None:
    urls = (URL, "http://ocsp2.example.com")
    world = World(answer=lambda request: html(404) if request.url.startswith(URL) else failure("unreachable"))
    outcome = place.run(world, responder_urls=urls)
    assert f"{URL} answered with the HTTP status 404" in outcome.message
    assert "it is unreachable" in outcome.message
