# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``refresh``: what it asks for and when, what it says and remembers, and its exit codes."""

from __future__ import annotations

import functools
import itertools
import json
import os
import pwd
import re
import time
import types
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import cryptography
import pytest
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE
from ansible_collections.certops.ocsp.tests.unit.http_server import Peer, Server
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp_stapling.commands import refresh
from ocsp_stapling.commands.refresh import Refresh
from ocsp_stapling.config import Entry, load
from ocsp_stapling.turns import in_turn

NAME = "www.example.com"


def known(host: Host, name: str = NAME) -> t.Dict[str, t.Any]:
    found = json.loads((host.responses / "refresh.json").read_text())["certificates"][name]
    assert isinstance(found, dict)
    return found


def attempts(host: Host, length: timedelta, step: timedelta = HOUR) -> t.List[float]:
    """The hours after now at which the responder was asked, where the timer starts a run in each step."""
    begin, asked = host.now, []
    while host.now - begin < length:
        before = host.requests
        host.run("refresh")
        if host.requests > before:
            asked.append((host.now - begin) / HOUR)
        host.later(step)
    return asked


def test_a_response_is_fetched_and_then_left_alone(host: Host) -> None:
    host.deploy(NAME)
    done = host.run("refresh")
    assert done.code == 0
    assert done.err == (
        f"{NAME}: {host.url} gave a response that is good until 2026-03-11T04:06:07Z\n{done.err.splitlines()[1]}\n"
    )
    assert done.err.splitlines()[1].startswith("refresh checked 1 of 1 certificate in ")
    assert (host.responses / f"{NAME}.der").read_bytes()
    assert host.requests == 1
    host.later(HOUR)
    done = host.run("refresh")
    assert done.code == 0
    assert re.match(r"refresh checked 0 of 1 certificate in \d+\.\d s: 0 renewed; now 1 well\n", done.err)
    assert host.requests == 1


def test_a_slow_run_at_a_time_that_is_given_notes_no_later_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run at that time would take it for a clock that was set back, and fetch again."""
    clock = itertools.count(step=2.0)
    monkeypatch.setattr("ocsp_stapling.host.time", types.SimpleNamespace(monotonic=clock.__next__))
    host.deploy(NAME)
    assert [host.run("refresh").code for _run in range(2)] == [0, 0]
    assert host.requests == 1


def test_a_response_is_renewed_somewhat_before_it_is_due(host: Host) -> None:
    host.deploy(NAME)
    asked = attempts(host, 5 * DAY)
    # It lives from an hour before the first run on, so it is due after 83 hours, and a tenth of 84 may be spread over.
    assert asked[0] == 0
    assert 83 - 8.4 - 1 <= asked[1] <= 83
    assert asked[2:] == []


@pytest.mark.parametrize("life", [12, 30, 300])
def test_a_response_is_renewed_before_it_is_too_old(host: Host, life: int) -> None:
    """Whatever its nextUpdate is, it is refused after ten days."""
    host.maker = functools.partial(hosts.good, life=life * DAY)
    host.deploy(NAME, not_after=host.now + 400 * DAY)
    asked = attempts(host, 11 * DAY)
    assert len(asked) == 3
    assert 4 < asked[1] / 24 < 5
    assert host.run("apply").code == 0
    assert host.staple(NAME) is not None


def test_each_certificate_has_a_time_of_its_own(host: Host) -> None:
    names = [f"{number}.example.com" for number in range(20)]
    for name in names:
        host.deploy(name)
    host.run("refresh")
    planned = sorted(known(host, name)["next_attempt"] for name in names)
    # Two of them have the same second by chance, now and then.
    assert len(set(planned)) >= 17, planned
    assert len({moment[:13] for moment in planned}) >= 4, planned  # hours


def test_where_it_may_not_ask_systemd_it_knows_the_next_runs_from_apply(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response of a week is asked for in each run where that is once a week: the last two ask."""
    host.deploy(NAME)
    host.schedule("0 3 * * 0", monkeypatch)
    host.hour()
    host.schedule("nothing", monkeypatch)
    host.later(HOUR)
    host.run("refresh")
    assert host.requests == 2
    same = "2026-03-08T03:00:00Z"
    for starts in ([1, None, "2026"], [same, same], ["0001-01-01T00:00:00Z", same]):
        (host.state / "starts.json").write_text(json.dumps({"starts": starts}))
        host.later(HOUR)
        assert host.run("refresh").code == 0


def test_a_certificate_that_was_replaced_is_asked_for_at_once(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.deploy(NAME)
    host.later(MINUTE)
    assert host.run("refresh").code == 0
    assert host.requests == 2


def test_a_response_that_vanished_is_fetched_again_at_once(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    (host.responses / f"{NAME}.der").unlink()
    host.run("refresh")
    assert host.requests == 2
    (host.responses / f"{NAME}.der").write_bytes(b"damaged")
    host.run("refresh")
    assert host.requests == 3


def test_other_options_count_at_once(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.configure(defaults={"retries": 0, "minimum_validity_percentage": 100})
    host.run("refresh")
    assert host.requests == 2


def test_by_force_it_says_that_there_is_nothing_newer_and_keeps_its_plan(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    planned = known(host)["next_attempt"]
    begin = host.now
    host.later(MINUTE)
    host.maker = lambda leaf, _now: hosts.good(leaf, begin)
    done = host.run("refresh", "--force")
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        f"{NAME}: {host.url} has no newer response than the one that is good until 2026-03-11T04:06:07Z"
    )
    assert known(host)["next_attempt"] == planned


def test_by_name_and_by_force(host: Host) -> None:
    host.deploy(NAME)
    host.deploy("other.example.com")
    assert host.run("refresh", NAME).code == 0
    assert host.requests == 1
    host.run("refresh", "--force")
    assert host.requests == 3
    done = host.run("refresh", "unheard.of")
    assert done.code == 64
    assert done.err == (
        "there is no certificate unheard.of in the configuration; use one of other.example.com, www.example.com "
        "[bad_input]\n"
    )
    done = host.run("refresh", "ww.example.com")
    assert (done.code, done.err.endswith("; did you mean www.example.com? [bad_input]\n")) == (64, True)


# Failures ----------------------------------------------------------------------------------------


def test_a_responder_that_is_down_is_asked_less_and_less_and_then_more_again(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.down = True
    asked = attempts(host, 7 * DAY)
    waits = [later - earlier for earlier, later in zip(asked, asked[1:])]
    end = 7 * 24 - 1
    assert 83 - 8.4 - 1 <= asked[0] <= 83
    assert waits[0] <= 2
    assert max(waits) >= 4, waits
    late = [hour for hour in asked if hour < end]
    for earlier, later in zip(late, late[1:]):
        assert later - earlier <= max(1.0, (end - earlier) / 8 + 1), waits
    assert max(late) >= end - 1, "it is asked until the end"
    assert len(asked) < 50
    host.down = False
    host.run("refresh", "--force")
    assert known(host)["failures"] == 0


def test_what_is_failing_is_told_by_the_exit_code(host: Host) -> None:
    host.deploy(NAME)
    host.down = True
    done = host.run("refresh")
    assert done.code == 2
    assert f"{NAME}: " in done.err
    assert "; no good staple is in place [unreachable]" in done.err
    # Without a staple, each run asks again.
    host.later(MINUTE)
    asked = host.requests
    assert host.run("refresh").code == 2
    assert host.requests > asked
    host.down = False
    host.later(2 * HOUR)
    assert host.run("refresh").code == 0
    host.down = True
    host.later(4 * DAY)
    done = host.run("refresh")
    assert done.code == 1
    assert "is good until 2026-03-11" in done.err


def test_a_responder_that_was_down_for_others_is_told_of_once(host: Host) -> None:
    """Status is read long after the run in which it was not asked again, and its URL is said once."""
    names = [f"n{index}.example.com" for index in range(4)]
    for name in names:
        host.deploy(name)
    host.configure(workers=1)
    host.down = True
    host.run("refresh")
    host.run("apply")
    host.later(HOUR)
    lines = [line for line in host.run("status").out.splitlines() if "could not fetch" in line]
    assert not any("asked again" in line for line in lines) and lines
    seen = entries(host)
    assert {name: seen[name]["message"].count("http://") for name in names} == dict.fromkeys(names, 1)
    assert not any("asked again" in seen[name]["message"] for name in names)


def test_failures_tell_of_what_is_in_place_while_it_is_served(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the own file, which may be missing or left from a former certificate."""
    host.deploy(NAME)
    host.hour()
    former = f"{host.leaves[NAME].serial:x}"
    host.deploy(NAME)
    host.down = True
    done = host.run("refresh")
    assert done.code == 2
    assert "; no good staple is in place [unreachable]" in done.err
    assert former not in done.err.lower().replace(":", "") and "does not exist" not in done.err
    host.down = False
    host.later(2 * HOUR)
    host.hour()
    host.down = True
    # What refresh begins with may be lost, and a full disk may keep it from having a new copy.
    monkeypatch.setattr("ocsp_stapling.dispatch.refreshing.Refresh._adopt", lambda _self, _entry: None)
    (host.responses / f"{NAME}.der").unlink()
    done = host.run("refresh", "--force", "--json")
    assert done.code == 1
    assert "; the staple in place is good until 2026-03-11T06:06:07Z [unreachable]" in done.err
    assert "does not exist" not in done.err
    shown = json.loads(done.out)["certificates"][NAME]
    assert shown["msg"].endswith("; the staple in place is good until 2026-03-11T06:06:07Z")
    assert known(host)["message"].startswith("could not fetch a new response: ")
    assert "good until" not in known(host)["message"]


def test_a_response_that_waits_for_apply_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.down = True
    done = host.run("refresh", "--force")
    assert done.code == 1
    path = host.responses / f"{NAME}.der"
    assert f"; {path} is good until 2026-03-11T04:06:07Z, and 'ocsp-stapling apply' puts it in place [" in done.err


def test_a_responder_that_asks_to_wait_is_given_time(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.status, host.headers = "503 Service Unavailable", ["Retry-After: 36000"]
    host.maker = lambda _leaf, _now: b"busy"
    asked = attempts(host, 5 * DAY)
    assert len(asked) >= 2
    assert asked[1] - asked[0] >= 10


def methods(host: Host) -> t.List[str]:
    return [request.split(b" ")[0].decode() for request in host.asked]


def test_a_responder_is_asked_in_the_way_that_worked_in_the_last_run(host: Host) -> None:
    """A firewall closes the connection at a GET with a long path."""
    host.down_for_get = True
    host.deploy(NAME)
    assert host.run("refresh").code == 0
    assert methods(host) == ["GET", "POST"]
    assert json.loads((host.responses / "refresh.json").read_text())["responders"] == {
        host.url: {"method": "post", "certid_digest": "sha1", "since": "2026-03-04T05:06:07Z"}
    }
    host.deploy("other.example.com")
    host.later(6 * DAY)
    assert host.run("refresh").code == 0
    assert methods(host)[2:] == ["POST", "POST"]
    host.down_for_get = False
    host.later(6 * DAY)
    assert host.run("refresh").code == 0
    assert methods(host)[4:] == ["GET", "GET"]
    assert json.loads((host.responses / "refresh.json").read_text())["responders"] == {}


def test_what_one_certificate_found_out_serves_the_others_of_the_run(host: Host) -> None:
    host.down_for_get = True
    for number in range(8):
        host.deploy(f"{number}.example.com")
    host.configure(workers=1)
    assert host.run("refresh").code == 0
    assert methods(host) == ["GET"] + ["POST"] * 8


@pytest.mark.parametrize(
    "way",
    [
        None,
        [],
        "post",
        {"method": "post"},
        {"method": ["post"], "certid_digest": {}, "since": 3},
        {"method": "delete", "certid_digest": "sha1", "since": "2026-03-04T05:06:07Z"},
        {"method": "post", "certid_digest": "sha1", "since": "2126-03-04T05:06:07Z"},
    ],
)
def test_a_way_of_any_shape_costs_nothing(host: Host, way: t.Any) -> None:
    host.deploy(NAME)
    (host.responses / "refresh.json").write_text(json.dumps({"version": 1, "responders": {host.url: way}}))
    assert host.run("refresh").code == 0
    assert methods(host) == ["GET"]


def test_a_clock_that_jumped_back_does_not_keep_it_from_asking(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    host.later(-200 * DAY)
    host.responder_now = host.now + 200 * DAY
    host.sends_date = True
    host.run("refresh")
    host.later(HOUR)
    host.run("refresh")
    assert known(host)["clock_implausible"] is True
    assert host.requests >= 3, "each run asks, since what is wrong is here"


@pytest.mark.parametrize("behind", [20 * MINUTE, 3 * HOUR])
def test_a_clock_that_is_behind_brings_nothing_older_where_servers_read_it(
    host: Host, tmp_path: Path, behind: timedelta
) -> None:
    """There, no other program decides what they get. Where one does, it knows what is in place."""
    host.service("web")
    certificate, path = tmp_path / "cert.pem", host.responses / "direct.ocsp"
    certificate.write_bytes(host.issue("direct.example.com").pem + forge.world().issuer.pem)
    direct = {"name": "direct.example.com", "certificate_path": str(certificate), "path": str(path), "live": None}
    host.deploy(NAME, ["web"])
    host.configure(certificates=[*host.config["certificates"], {**direct, "services": ["web"]}])
    host.maker = lambda leaf, now: hosts.good(leaf, now, age=timedelta(0))
    host.hour()
    before = path.read_bytes(), host.staple(NAME)
    reloads = host.reloads("web")
    host.later(-behind)
    for _run in range(2):
        host.run("refresh", "--force")
        assert host.run("apply").code == (1 if behind > HOUR else 0)
        assert (path.read_bytes(), host.staple(NAME)) == before
    assert (host.responses / f"{NAME}.der").read_bytes() != before[1] or behind < HOUR
    host.later(behind)
    host.run("apply")
    assert (path.read_bytes(), host.staple(NAME)) == before and host.reloads("web") == reloads
    assert host.run("apply").code == 0


def test_one_failing_certificate_stops_no_other(host: Host) -> None:
    host.deploy("a.example.com")
    (host.deploy("b.example.com") / "fullchain.pem").unlink()
    (host.deploy("c.example.com") / "fullchain.pem").write_text("damaged")
    host.deploy("d.example.com")
    host.makers["d.example.com"] = hosts.forged
    host.deploy("e.example.com")
    done = host.run("refresh", "--json")
    assert done.code == 2
    found = json.loads(done.out)
    assert found["exit_code"] == 2
    shown = {
        name: values.get("code") or (values["fetch_error"] or {}).get("code")
        for name, values in found["certificates"].items()
    }
    assert shown == {
        "a.example.com": None,
        "b.example.com": "bad_input",
        "c.example.com": "bad_input",
        "d.example.com": "bad_signature",
        "e.example.com": None,
    }
    assert sorted(path.name for path in host.responses.glob("*.der")) == ["a.example.com.der", "e.example.com.der"]


def test_without_a_responder_there_is_nothing_to_do(host: Host) -> None:
    host.deploy(NAME, urls=())
    assert host.run("refresh").code == 0
    assert "1 no_responder" in host.run("refresh").err
    assert host.requests == 0


def test_responses_that_others_bring_are_not_asked_for(host: Host) -> None:
    host.deploy(NAME)
    host.configure(fetch=False)
    assert host.run("refresh").code == 0
    assert host.requests == 0


@pytest.mark.parametrize("refreshes", [True, False])
def test_failures_are_forgotten_when_others_bring_the_responses(host: Host, refreshes: bool) -> None:
    host.deploy(NAME)
    host.down = True
    assert [done.code for done in host.hour()] == [2, 2]
    host.configure(fetch=False)
    (host.responses / f"{NAME}.der").write_bytes(hosts.good(host.leaves[NAME], host.now))
    if refreshes:
        assert host.run("refresh").code == 0
        assert known(host).get("code") is None
    assert host.run("apply").code == 0
    assert host.known(NAME)["failures"] == 0
    done = host.run("status")
    assert done.code == 0
    assert "unreachable" not in done.out
    host.configure(fetch=True)
    assert host.run("refresh").code == 0


def test_a_revocation_is_not_forgotten_when_others_bring_the_responses(host: Host) -> None:
    host.deploy(NAME)
    host.makers[NAME] = hosts.revoked
    host.hour()
    host.configure(fetch=False)
    (host.responses / f"{NAME}.der").write_bytes(hosts.good(host.leaves[NAME], host.now - HOUR))
    assert host.run("refresh").code == 0
    assert host.run("apply").code == 2
    assert host.known(NAME)["code"] == "revoked"


# Files -------------------------------------------------------------------------------------------


def test_old_responses_are_kept_and_pruned(host: Host) -> None:
    host.deploy(NAME)
    host.configure(backup_count=2)
    for _number in range(5):
        host.run("refresh", "--force")
        host.later(HOUR)
    assert len(list(host.responses.glob(f"{NAME}.der.*~"))) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1, "certificates": {"www.example.com": 3}}'])
def test_a_record_that_cannot_be_read_costs_nothing(host: Host, content: str) -> None:
    host.deploy(NAME)
    host.run("refresh")
    (host.responses / "refresh.json").write_text(content)
    assert host.run("refresh").code == 0
    assert host.requests == 1
    assert known(host)["failures"] == 0


def test_what_is_no_longer_configured_is_forgotten(host: Host) -> None:
    host.deploy(NAME)
    host.deploy("other.example.com")
    host.run("refresh")
    host.config["certificates"].pop(0)
    host.configure()
    host.run("refresh")
    assert list(json.loads((host.responses / "refresh.json").read_text())["certificates"]) == ["other.example.com"]


def test_a_missing_folder_is_named(host: Host) -> None:
    host.deploy(NAME)
    host.responses.rmdir()
    done = host.run("refresh")
    assert done.code == 74
    assert done.err == (
        f"the folder {host.responses} does not exist; run the role ocsp_stapling, which creates it [file_error]\n"
    )


def deploy_with_staple(host: Host, maker: hosts.Maker = hosts.good) -> bytes:
    """As a playbook does: a set that comes with its staple."""
    folder = host.deploy(NAME)
    staple = maker(host.leaves[NAME], host.now)
    (folder / "ocsp.der").write_bytes(staple)
    return staple


def test_the_first_run_after_a_deployment_begins_with_its_staple(host: Host) -> None:
    staple = deploy_with_staple(host)
    done = host.run("refresh")
    assert done.code == 0 and host.requests == 0
    assert (host.responses / f"{NAME}.der").read_bytes() == staple
    assert ": 0 renewed; now 1 well\n" in done.err
    # And goes on as with a response of its own.
    host.later(4 * DAY)
    assert host.run("refresh").code == 0 and host.requests == 1
    assert (host.responses / f"{NAME}.der").read_bytes() != staple


@pytest.mark.parametrize("maker", [hosts.expired, hosts.revoked, hosts.about_another, hosts.forged])
def test_a_staple_that_is_not_good_is_nothing_to_begin_with(host: Host, maker: hosts.Maker) -> None:
    staple = deploy_with_staple(host, maker)
    assert host.run("refresh").code == 0 and host.requests == 1
    assert (host.responses / f"{NAME}.der").read_bytes() != staple


def test_an_older_staple_does_not_replace_the_own_response(host: Host) -> None:
    host.deploy(NAME)
    host.run("refresh")
    own = (host.responses / f"{NAME}.der").read_bytes()
    (host.root / "live" / NAME / "ocsp.der").write_bytes(hosts.good(host.leaves[NAME], host.now - HOUR))
    host.run("refresh")
    assert (host.responses / f"{NAME}.der").read_bytes() == own and host.requests == 1


def open_to_all(path: Path) -> bool:
    """Whether any user gets to a file."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(
    not all(open_to_all(Path(file)) for file in (os.__file__, cryptography.__file__, __file__)),
    reason="this Python, its libraries or the checkout are for one user alone",
)
def test_root_becomes_the_owner_of_the_responses(host: Host) -> None:
    for folder in (host.library, host.home, *list(host.home.parents)[:2]):
        folder.chmod(0o755)
    host.deploy(NAME)
    os.chown(host.responses, 4711, 4712)
    (host.home / "victim").write_text("untouched")
    (host.responses / f"{NAME}.der").symlink_to(host.home / "victim")
    done = host.process("refresh")
    assert (host.home / "victim").read_text() == "untouched"
    assert done.code == 2, done
    (host.responses / f"{NAME}.der").unlink()
    done = host.process("refresh")
    assert done.code == 0, done
    status = (host.responses / f"{NAME}.der").stat()
    assert (status.st_uid, status.st_gid) == (4711, 4712)


# Folders that are searched


def scanning(host: Host, name: str = "found.example.com") -> Path:
    """A folder with a certificate, which the configuration says is to be searched, beside one that is configured."""
    folder = host.home / "certificates"
    folder.mkdir()
    (folder / f"{name}.pem").write_bytes(host.issue(name).pem + forge.world().issuer.pem)
    host.deploy(NAME)
    host.configure(scan=[{"folder": str(folder), "recursive": True, "response": "{domain}.der"}])
    return folder


def test_a_folder_that_vanished_is_an_error_and_stops_no_other_certificate(host: Host) -> None:
    folder = scanning(host)
    assert host.run("refresh").code == 0
    (folder / "found.example.com.pem").unlink()
    (folder / "found.example.com.der").unlink()
    folder.rmdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    sentence = f"the folder {folder} cannot be searched: there is none for the user {user}; create or correct it"
    for command in ("refresh", "apply"):
        done = host.run(command)
        assert done.code == 74
        assert f"{sentence} [file_error]\n" in done.err
    assert (host.responses / f"{NAME}.der").exists() and host.staple(NAME) is not None
    shown = host.run("status")
    assert shown.code == 1
    assert f'refresh failed with exit code 74: "{host.root}/config.json, line ' in " ".join(shown.out.split())
    folder.mkdir()
    assert [host.run(command).code for command in ("refresh", "apply", "status")] == [0, 0, 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("below", ["", "private"])
def test_a_folder_that_the_user_may_not_read_is_an_error(host: Host, below: str) -> None:
    """As /etc/letsencrypt/live, with the mode 0700."""
    folder = scanning(host) / below
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    for path in (host.home, *list(host.home.parents)[:2]):
        path.chmod(0o755)
    for path in (host.state, *host.state.rglob("*"), *([] if below == "" else [host.home / "certificates"])):
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        done = host.run("refresh")
    finally:
        os.seteuid(0)
    assert done.code == 74
    assert (
        f"the folder {folder} cannot be searched by the user nobody: Permission denied; let this user read it and "
        f"enter those above it, for example with 'setfacl -m u:nobody:rx {folder}' [file_error]\n"
    ) in done.err
    assert (host.responses / f"{NAME}.der").exists()
    assert host.run("apply").code == (2 if below == "" else 0), "root may read it"
    assert "cannot be searched by the user nobody" in " ".join(host.run("status").out.split())


# One certificate costs one certificate -------------------------------------------------------------

THREE = ("a.example.com", "b.example.com", "c.example.com")


def test_a_long_serial_number_costs_its_certificate_alone(host: Host) -> None:
    for name in THREE:
        host.deploy(name)
    odd = forge.leaf(forge.world().issuer, "b.example.com", serial=1 << 15200, extensions=[forge.ocsp_urls(host.url)])
    (host.root / "live/b.example.com/fullchain.pem").write_bytes(odd.pem + forge.world().issuer.pem)
    done = host.run("refresh")
    assert done.code == 2
    assert "b.example.com: certificate_path: " in done.err
    assert "serial number of more than 64 octets" in done.err
    assert [(host.responses / f"{name}.der").exists() for name in THREE] == [True, False, True]


@pytest.mark.parametrize("function", ["_adopt", "_inputs", "_stamp", "_note", "_note_success", "_planned"])
def test_a_defect_costs_one_certificate(host: Host, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    from ocsp_stapling.commands import refresh

    for name in THREE:
        host.deploy(name)
    owner = refresh.Refresh if hasattr(refresh.Refresh, function) else refresh
    real = getattr(owner, function)

    def defect(*arguments: t.Any, **options: t.Any) -> t.Any:
        if "b.example.com" in repr(arguments):
            raise KeyError("x")
        return real(*arguments, **options)

    monkeypatch.setattr(owner, function, defect)
    done = host.run("refresh")
    assert done.code == 2
    assert done.err.count("internal error (") == 1
    assert known(host, "a.example.com")["failures"] == known(host, "c.example.com")["failures"] == 0
    assert known(host, "b.example.com")["message"].startswith("internal error (KeyError")
    monkeypatch.undo()
    done = host.run("refresh")
    assert done.code == 0
    assert known(host, "b.example.com")["failures"] == 0


def test_urls_of_a_certificate_are_fit_to_be_shown(host: Host) -> None:
    urls = [f"http://localhost:1/{index}\x1b]0;owned\x07{'x' * 1900}" for index in range(2000)]
    host.deploy(NAME, urls=urls)
    done = host.run("refresh")
    assert done.code == 2
    assert len(done.err) < 8000
    assert all(line.isprintable() for line in done.err.splitlines())
    assert len(known(host)["message"]) <= 1000
    assert known(host)["message"].isprintable()


def test_those_of_each_folder_take_turns_and_failing_ones_come_last(host: Host) -> None:
    """A user whose responders hang must not have all others wait for ever."""
    scan = []
    for owner, number in (("evil", 5), ("other", 2)):
        folder = host.home / owner
        folder.mkdir()
        scan.append({"folder": str(folder)})
        for index in range(number):
            leaf = host.issue(f"{owner}{index}.test")
            (folder / f"{owner}{index}.test.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    (host.root / "conf.d").mkdir(exist_ok=True)
    hosts.write_json(host.root / "conf.d" / "10.json", {"version": 1, "scan": scan})
    host.configure()
    config = load(str(host.root / "config.json"), str(host.state))

    def order(**known: t.Any) -> t.List[str]:
        unused: t.Any = types.SimpleNamespace(
            timetable=tuple, look_ahead=lambda *_arguments: None, now=lambda: host.now
        )
        run = Refresh(config, unused, unused, unused)
        for name, values in known.items():
            run.record.entry(f"{name}.test").update(values)
        return [entry.name.partition(".")[0] for entry in run._in_turn() if entry.live is None]

    assert order()[:4] == ["evil0", "other0", "evil1", "other1"]
    seen = {"looked": "2026-03-04T05:06:07Z"}
    assert order(evil0=seen, other0={**seen, "failures": 1})[:4] == ["evil1", "other1", "evil2", "other0"]


def test_what_failed_once_does_not_wait_for_ever_for_what_is_slow_and_well(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Responses that live for two hours are due in each run, and their responder may take all of its time."""

    def hang(peer: Peer) -> None:
        peer.read_request()
        peer.hold()

    other = Server(hang)
    host.deploy(NAME, urls=[other.url("/")])
    host.config["defaults"] = {"retries": 0, "timeout": 0.1, "total_timeout": 0.1}
    host.configure(workers=1)
    assert host.run("refresh").code == 2
    monkeypatch.setattr(refresh, "LONGEST_RUN", timedelta(seconds=1))

    def slow(leaf: forge.Entity, now: datetime) -> bytes:
        time.sleep(0.3)
        return hosts.good(leaf, now, life=3 * HOUR)

    host.maker = slow
    host.config["defaults"] = {"retries": 0, "timeout": 5, "total_timeout": 5}
    for number in range(12):
        host.deploy(f"{number}.example.com")
    asked = len(other.requests)
    for _hour in range(12):
        host.later(HOUR)
        host.run("refresh")
        if len(other.requests) > asked:
            break
    other.close()
    assert len(other.requests) > asked


@AS_ROOT
def test_who_makes_folders_has_no_more_turns(host: Host) -> None:
    """In the sandbox, all users but root are one: only the folders say whose a certificate is."""
    for folder, names in (("evil", "abcd"), ("other", "x")):
        (host.home / folder).mkdir()
        for name in names:
            (host.home / folder / name).mkdir()
            leaf = host.issue(f"{name}.test")
            (host.home / folder / name / f"{name}.test.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
        for path in (host.home / folder, *(host.home / folder).rglob("*")):
            os.chown(path, 61234, 61234)
    (host.root / "conf.d").mkdir(exist_ok=True)
    scan = [{"folder": str(host.home / folder), "recursive": True} for folder in ("evil", "other")]
    hosts.write_json(host.root / "conf.d" / "10.json", {"version": 1, "scan": scan})
    host.configure()
    unused: t.Any = types.SimpleNamespace(timetable=tuple, look_ahead=lambda *_arguments: None, now=lambda: host.now)
    run = Refresh(load(str(host.root / "config.json"), str(host.state)), unused, unused, unused)
    order = [os.path.basename(entry.name) for entry in run._in_turn() if entry.live is None]
    assert order[:2] == ["a.test", "x.test"]


@AS_ROOT
def test_who_gives_files_to_subordinate_users_has_no_more_turns(host: Host) -> None:
    """As everybody can who has some, with newuidmap; there is no sandbox under cron."""
    entries = []
    for user, folder, names in ((61234, "evil", "abc"), (0, "own", "xy")):
        (host.home / folder).mkdir()
        os.chown(host.home / folder, user, user)
        for number, name in enumerate(names):
            path = host.home / folder / f"{name}.pem"
            path.touch()
            os.chown(path, user and 200_000 + number, -1)
            entries.append(Entry(name, {"certificate_path": str(path)}, None, (), ""))
    assert [entry.name for entry in in_turn(entries)] == ["a", "x", "b", "y", "c"]


def tenants_of(host: Host, **numbers: int) -> None:
    """Folders of users who have so many certificates with ports of their own, on which nothing ever answers."""
    scan = []
    for owner, number in numbers.items():
        folder = host.home / owner
        folder.mkdir()
        scan.append({"folder": str(folder)})
        for index in range(number):
            url = host.hanging() if owner.startswith("evil") else host.url
            leaf = host.issue(f"{owner}{index}.test", urls=[url])
            (folder / f"{owner}{index}.test.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    (host.root / "conf.d").mkdir(exist_ok=True)
    hosts.write_json(host.root / "conf.d" / "10.json", {"version": 1, "scan": scan})


def test_a_run_ends_itself_and_leaves_the_rest_to_the_next(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """In good order: with a record of what it did, a word of what it left, and no alarm for what is well."""
    tenants_of(host, evil=4, other=3)
    host.config["defaults"] = {"retries": 0, "timeout": 60, "total_timeout": 60}
    host.configure(workers=2)
    monkeypatch.setattr(refresh, "LONGEST_RUN", timedelta(seconds=1.2))
    first = host.run("refresh")
    assert first.code == 0
    assert [name for name, one in entries(host).items() if one.get("looked")] == ["other0.test"]
    assert (
        "refresh ended itself after 0.02 minutes and left 6 certificates for the next run, which begins with them"
        in first.err
    )
    assert run_of(host)["left"] == 6 and run_of(host)["exit_code"] == 0 and run_of(host)["ended"]
    assert not any(one.get("failures") for one in entries(host).values())
    host.later(HOUR)
    assert host.run("refresh").code == 0
    assert entries(host)["other1.test"].get("looked")


def test_the_run_ends_itself_before_it_is_killed() -> None:
    """By the unit or the cron job, with time for what comes before the first and after the last certificate."""
    templates = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/templates"
    unit = re.search(r"^TimeoutStartSec=(\d+)min$", (templates / "ocsp-stapling.service.j2").read_text(), re.MULTILINE)
    cron = re.search(r"timeout -k 30 (\d+)m \S+ \S+ \S+ refresh ", (templates / "ocsp-stapling.cron.j2").read_text())
    assert unit is not None and cron is not None
    for limit in (unit, cron):
        assert timedelta(minutes=int(limit[1])) >= refresh.LONGEST_RUN + 2 * MINUTE


def entries(host: Host) -> t.Dict[str, t.Any]:
    found = json.loads((host.responses / "refresh.json").read_text())["certificates"]
    assert isinstance(found, dict)
    return found


def run_of(host: Host) -> t.Dict[str, t.Any]:
    found = json.loads((host.responses / "refresh.json").read_text())["run"]
    assert isinstance(found, dict)
    return found


def test_a_user_whose_responders_hang_keeps_no_other_waiting(host: Host) -> None:
    """Each on a port of its own. The host is not asked any more after three; the others' are asked in their turn."""
    tenants_of(host, evil=8, other=3)
    host.config["defaults"] = {"retries": 0, "timeout": 0.2, "total_timeout": 0.2}
    host.configure(workers=1)
    done = host.run("refresh")
    seen = entries(host)
    assert all(seen[f"other{index}.test"]["code"] == "" for index in range(3))
    asked = {index for index in range(8) if "looked" in seen[f"evil{index}.test"]}
    assert asked == {0, 1, 2}, done.err
    assert "was not asked, since others of 127.0.0.2 did not answer" in done.err
    host.later(HOUR)
    host.run("refresh")
    seen = entries(host)
    # Those come first that were put off.
    assert {index for index in range(8) if "looked" in seen[f"evil{index}.test"]} == {0, 1, 2, 3, 4, 5}


def test_a_certificate_that_is_slow_to_check_is_checked_once_in_a_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run reads it several times, and says several times what is wrong with it."""
    from ocsp.pki import certificate as x509
    from ocsp.pki import signature

    chain, root = _mesh(host.url)
    folder = host.home / "tenant"
    folder.mkdir()
    for number in range(3):
        (folder / f"s{number}.test.pem").write_bytes(chain)
        (folder / f"s{number}.test-rootchain.pem").write_bytes(root)
    (host.root / "conf.d").mkdir(exist_ok=True)
    hosts.write_json(host.root / "conf.d" / "10.json", {"version": 1, "scan": [{"folder": str(folder)}]})
    host.configure()
    real, checked = signature.verify, []
    monkeypatch.setattr(signature, "verify", lambda *given: checked.append(1) or real(*given))
    for command in ("refresh", "apply", "status"):
        x509.issuance_problem.cache_clear()
        x509._searches.clear()
        checked.clear()
        said = host.run(command)
        assert len(checked) <= 3 * x509.MOST_SIGNATURES, command
        if command != "status":
            assert f"{folder}/s0.test-rootchain.pem too many certificates have the same name" in said.err


def _mesh(url: str) -> t.Tuple[bytes, bytes]:
    """A leaf with 90 CAs of one name that signed one another, and a root of that name that signed none of them."""
    some = [forge.key("p256", f"mesh{number}") for number in range(11)]
    names = [forge.certificate("CA", private_key=key, extensions=[forge.basic_constraints(True)]) for key in some]
    is_ca = [forge.basic_constraints(True)]
    cas = [
        forge.certificate("CA", names[other], private_key=some[own], serial=100 * own + other, extensions=is_ca)
        for own in range(10)
        for other in range(10)
        if own != other
    ]
    leaf = forge.certificate("leaf", names[0], serial=7, extensions=[forge.ocsp_urls(url)])
    return b"".join(one.pem for one in [leaf, *cas]), names[10].pem
