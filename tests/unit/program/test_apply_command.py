# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``apply``: what servers find afterwards, who is reloaded, and what is said and remembered."""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import threading
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import schedule, wire
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host, write_json
from ocsp_stapling import host as running
from ocsp_stapling import in_place, observe
from ocsp_stapling.commands import apply as applying

NAME = "www.example.com"
ALL = ["combined.pem.ocsp", "nginx-staple.conf", "ocsp.der", "ocsp.der.expires"]


@pytest.fixture
def web(host: Host) -> Host:
    """A host with one certificate, read by a server that nothing good is expected of."""
    host.service("web")
    host.deploy(NAME, ["web"])
    return host


def test_a_staple_is_put_in_place_and_its_server_told(web: Host) -> None:
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == ALL
    assert web.staple(NAME) == (web.responses / f"{NAME}.der").read_bytes()
    assert web.reloads("web") == 1
    lines = applied.err.splitlines()
    assert lines[:2] == [
        f"{NAME}: a staple that is good until 2026-03-11T04:06:07Z is in place; to be reloaded: web",
        "web was reloaded",
    ]
    assert lines[2].startswith("apply checked 1 certificate in ")
    assert web.pending() == []


def test_nothing_new_is_one_line(web: Host) -> None:
    web.hour()
    web.later(HOUR)
    done = web.run("apply")
    assert done.code == 0
    assert len(done.err.splitlines()) == 1
    assert done.err.endswith(": 0 installed, 0 withdrawn, 0 without a staple\n")
    assert web.reloads("web") == 1


def test_only_whose_staples_changed_are_reloaded(host: Host) -> None:
    for service in ("web", "mail", "idle"):
        host.service(service)
    host.deploy("a.example.com", ["web"])
    host.deploy("b.example.com", ["web", "mail"])
    host.deploy("c.example.com", ["idle"])
    host.hour()
    assert [host.reloads(name) for name in ("web", "mail", "idle")] == [1, 1, 1]
    host.run("refresh", "--force", "a.example.com")  # nothing newer
    host.run("apply")
    assert [host.reloads(name) for name in ("web", "mail", "idle")] == [1, 1, 1]
    host.later(HOUR)
    host.run("refresh", "--force", "b.example.com")
    host.run("apply")
    assert [host.reloads(name) for name in ("web", "mail", "idle")] == [2, 2, 1]


def test_where_a_staple_came_from(web: Host) -> None:
    web.hour()
    known = web.known(NAME)
    leaf = web.leaves[NAME]
    assert known["staple"] == {
        "sha256": hashlib.sha256(web.staple(NAME) or b"").hexdigest(),
        "this_update": "2026-03-04T04:06:07Z",
        "next_update": "2026-03-11T04:06:07Z",
        "effective_expiry": "2026-03-11T04:06:07Z",
        "renew_at": "2026-03-07T16:06:07Z",
        "responder_url": web.url,
        "certificate_sha256": hashlib.sha256(leaf.der).hexdigest(),
        "installed": "2026-03-04T05:06:07Z",
        "ignored": "",
    }
    assert known["certificate"]["serial_number"] == f"{leaf.serial:x}"
    web.later(HOUR)
    web.hour()
    assert web.known(NAME)["staple"]["installed"] == "2026-03-04T05:06:07Z"
    assert web.known(NAME)["staple"]["responder_url"] == web.url


def test_when_a_playbook_fetched_a_response_is_not_forgotten_by_refresh(web: Host) -> None:
    """It finds that nothing is due, and sends no request."""
    web.hour()
    web.later(5 * HOUR)
    web.put_staple(NAME)
    web.run("apply")
    fetched, asked = web.known(NAME)["succeeded"], web.requests
    assert fetched == f"{web.now:%Y-%m-%dT%H:%M:%SZ}"
    for _hour in range(2):
        web.later(HOUR)
        web.hour()
        assert web.known(NAME)["succeeded"] == fetched and web.requests == asked


# What refresh left is judged again ----------------------------------------------------------------

BAD: t.Dict[str, t.Tuple[hosts.Maker, str]] = {
    "revoked": (hosts.revoked, "revoked"),
    "unknown": (hosts.unknown, "unknown_status"),
    "about another certificate": (hosts.about_another, "missing_staple"),
    "forged": (hosts.forged, "bad_signature"),
    "expired": (hosts.expired, "expired"),
    "an error": (hosts.try_later, "not_successful"),
    "garbage": (lambda _leaf, _now: b"garbage", "malformed"),
    "nothing": (lambda _leaf, _now: b"", "malformed"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("in_place", [False, True])
def test_what_is_not_good_never_reaches_a_server(web: Host, name: str, in_place: bool) -> None:
    maker, code = BAD[name]
    if in_place:
        web.hour()
    before = web.staple(NAME)
    (web.responses / f"{NAME}.der").write_bytes(maker(web.leaves[NAME], web.now))
    done = web.run("apply")
    assert web.staple(NAME) == before
    assert done.code == (0 if in_place else 2)
    assert web.known(NAME)["code"] == ("" if in_place else code)
    assert web.reloads("web") == (1 if in_place else 0)


def test_an_older_one_does_not_come_back(web: Host) -> None:
    web.hour()
    old = web.staple(NAME)
    web.later(DAY)
    web.run("refresh", "--force")
    web.run("apply")
    new = web.staple(NAME)
    assert new != old
    (web.responses / f"{NAME}.der").write_bytes(old or b"")
    assert web.run("apply").code == 0
    assert web.staple(NAME) == new


def test_what_others_could_write_is_closed_to_them(web: Host) -> None:
    """What root knows, with a mode that somebody changed by hand."""
    web.hour()
    known = [path for path in web.state.rglob("*.json") if path.is_file()]
    for path in known:
        path.chmod(0o666)
    web.later(DAY)
    web.hour()
    assert {path.name: path.stat().st_mode & 0o777 for path in known} == dict.fromkeys(
        ("refresh.json", "starts.json", "state.json"), 0o644
    )


def test_a_file_that_is_no_plain_one_is_refused_and_told(web: Host, tmp_path: Path) -> None:
    web.hour()
    staple = web.staple(NAME)
    response = web.responses / f"{NAME}.der"
    web.later(DAY)
    newer = tmp_path / "newer"
    newer.write_bytes(hosts.good(web.leaves[NAME], web.now))
    response.unlink()
    response.symlink_to(newer)
    done = web.run("apply")
    assert done.code == 1
    assert (
        f"{NAME}: {response} is a symbolic link or lies in one; it is not read, remove it [foreign_file]\n" in done.err
    )
    response.unlink()
    os.link(newer, response)
    assert "has 2 names (hard links)" in web.run("apply").err
    newer.unlink()
    response.write_bytes(b"x" * (1024 * 1024 + 1))
    assert "has 1048577 octets, more than 24576" in web.run("apply").err
    assert web.staple(NAME) == staple
    assert web.reloads("web") == 1


def test_claims_decide_nothing(web: Host) -> None:
    web.hour()
    before = web.staple(NAME)
    record = {
        "version": 1,
        "run": {"started": web.now.isoformat(), "ended": "tomorrow", "exit_code": "none", "seconds": []},
        "certificates": {
            NAME: {
                "sha256": "0" * 64,
                "responder_url": "http://evil/\n\x1b[31m",
                "failures": 10**12,
                "code": {},
                "message": "x" * 10**5,
                "succeeded": 5,
            }
        },
    }
    (web.responses / "refresh.json").write_text(json.dumps(record))
    assert web.run("apply").code == 0
    assert web.staple(NAME) == before
    assert web.known(NAME)["staple"]["responder_url"] == web.url
    assert web.known(NAME)["failures"] == 0


@pytest.mark.parametrize("code", ["no_responder", "not_configured", "revoked", "clock_implausible"])
def test_no_claim_says_how_bad_it_is_that_there_is_no_staple(host: Host, code: str) -> None:
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=True)
    host.down = True
    host.run("refresh")
    honest = host.run("apply")
    (host.state / "state.json").unlink()
    path = host.responses / "refresh.json"
    record = json.loads(path.read_text())
    record["certificates"][NAME].update(code=code, message="all is well")
    path.write_text(json.dumps(record))
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as journal:
        journal.bind(str(host.home / "journal"))
        assert host.run("apply").code == honest.code == 2
        assert b"OCSP_EVENT=failed" in journal.recv(65536)


# Ignored ------------------------------------------------------------------------------------------

IGNORED = (
    f"{NAME}: haproxy ignores answers by a sha256 CertID, so clients get no staple from it; set certid_digest to sha1, "
    "or ask the CA for answers by a SHA-1 CertID"
)


def reports(host: Host) -> t.Tuple[str, str, str]:
    """What status says of the certificate in its table, its trouble, and the line for Nagios."""
    (known,) = json.loads(host.run("status", "--json").out)["certificates"].values()
    return known["status"], known["trouble"], host.run("status", "--nagios").out


@pytest.mark.parametrize("must_staple", [False, True])
def test_a_staple_that_a_server_ignores_is_not_called_good(host: Host, must_staple: bool) -> None:
    """Whoever left it there, whatever refresh says of it."""
    host.deploy(NAME, ["nginx", "haproxy"], must_staple=must_staple)
    host.maker = hosts.by_sha256
    host.run("refresh")
    (host.responses / "refresh.json").unlink()
    done = host.run("apply", "--no-reload")
    assert done.code == (2 if must_staple else 1) and host.pieces(NAME) == ALL
    assert f"{IGNORED} [unfit_for_server]\n" in done.err
    word, trouble, line = reports(host)
    assert (word, trouble) == ("ignored", "must_staple_ignored" if must_staple else "staple_ignored")
    prefix = "OCSP CRITICAL - " if must_staple else "OCSP WARNING - "
    demand = f"{NAME}: it requires a staple (must-staple); " if must_staple else f"{NAME}: "
    assert line.startswith(prefix + IGNORED.replace(f"{NAME}: ", demand))
    assert "good=0" in line and re.search(rf"^{NAME} +ignored .* unfit_for_server$", host.run("status").out, re.M)
    metrics = host.state / "metrics/ocsp_stapling.prom"
    assert f'ocsp_stapling_staple_ignored{{name="{NAME}"}} 1\n' in metrics.read_text()
    again = host.run("apply", "--no-reload")
    assert again.code == done.code
    assert (IGNORED in again.err) == must_staple, "once, unless clients fail by it"
    assert IGNORED in host.run("apply", "--no-reload", NAME).err, "and to whoever asks"
    host.maker = hosts.good
    host.run("refresh", "--force")
    assert host.run("apply", "--no-reload").code == 0, "also one of the same times"
    assert reports(host)[:2] == ("good", None)
    assert f'ocsp_stapling_staple_ignored{{name="{NAME}"}} 0\n' in metrics.read_text()


def test_a_staple_that_some_clients_refuse_is_not_called_good(host: Host) -> None:
    host.deploy(NAME, ["nginx"])
    host.maker = hosts.another_first
    host.run("refresh")
    done = host.run("apply", "--no-reload")
    assert done.code == 1 and host.pieces(NAME) == ALL
    refused = f"{NAME}: the first answer in the response is not about this certificate; clients with GnuTLS "
    assert refused in done.err
    word, trouble, line = reports(host)
    assert (word, trouble) == ("ignored", "staple_ignored") and refused in line
    host.maker = hosts.good
    host.run("refresh", "--force")
    assert host.run("apply", "--no-reload").code == 0
    assert reports(host)[:2] == ("good", None)


def test_no_staple_of_a_responder_that_clients_refuse_replaces_one_with_time_left(host: Host) -> None:
    """Whoever is on the way can choose which of the CA's responders answers."""
    host.deploy(NAME, ["nginx"])
    host.hour()
    good = host.staple(NAME)
    issuer = forge.world().issuer
    namesake = forge.delegate(issuer, issuer.subject, extensions=forge.DELEGATE_EXTENSIONS)

    def misleading(leaf: forge.Entity, now: datetime) -> bytes:
        single = forge.single(leaf, this_update=now, next_update=now + 7 * DAY)
        return forge.response(single, signer=namesake, certificates=[namesake.der], responder="key", produced_at=now)

    host.maker = misleading
    host.later(HOUR)
    host.run("refresh", "--force")
    host.run("apply", "--no-reload")
    assert host.staple(NAME) == good and reports(host)[0] == "good"
    host.later(6 * DAY)
    host.hour()
    assert host.staple(NAME) not in (good, None)
    word, _trouble, line = reports(host)
    assert word == "ignored" and "OpenSSL 3 takes it for self-signed and refuses it" in line


@pytest.mark.parametrize(
    ("services", "maker"),
    [(["nginx", "lighttpd", "postfix"], hosts.by_sha256), (["haproxy"], hosts.good)],
    ids=["read by all that staple", "good for HAProxy"],
)
def test_what_no_server_ignores_is_good(host: Host, services: t.Sequence[str], maker: hosts.Maker) -> None:
    host.maker = maker
    host.deploy(NAME, services)
    host.run("refresh")
    assert host.run("apply", "--no-reload").code == 0
    assert reports(host)[:2] == ("good", None)


def test_a_staple_that_its_server_reads_is_not_replaced_by_one_that_it_ignores_while_there_is_time(host: Host) -> None:
    """An unsigned error in place of the answers by SHA-1 is enough to have the responder asked by SHA-256."""
    host.deploy(NAME, ["haproxy"], must_staple=True)
    host.hour()
    first = host.staple(NAME)
    host.maker = hosts.by_sha256
    host.later(4 * DAY)
    refreshed, applied = host.hour()
    assert host.staple(NAME) == first and (refreshed.code, applied.code) == (0, 0)
    assert "the new response is of less use than the one in place: haproxy ignores" in refreshed.err
    assert reports(host)[:2] == ("good", None)
    host.later(2 * DAY)
    host.hour()
    assert host.staple(NAME) != first and reports(host)[0] == "ignored"


def test_the_last_minutes_of_a_staple_are_no_fault_of_it(host: Host) -> None:
    host.deploy(NAME, ["haproxy"])
    host.run("refresh")
    host.later(7 * DAY - HOUR - 2 * MINUTE)
    host.run("apply", "--no-reload")
    assert host.known(NAME)["staple"]["ignored"] == ""


def test_a_change_of_a_playbook_that_has_a_staple_ignored_is_seen_at_once(host: Host) -> None:
    """Without a run of apply: by the staple that it put in place, or by the servers that it gave the certificate to."""
    host.deploy(NAME, ["haproxy"])
    host.run("refresh")
    host.run("apply", "--no-reload")
    host.put_staple(NAME, hosts.by_sha256(host.leaves[NAME], host.now + HOUR))
    host.later(HOUR)
    assert reports(host)[:2] == ("ignored", "staple_ignored")
    (entry,) = host.config["certificates"]
    host.configure(certificates=[{**entry, "services": ["nginx"]}])
    host.run("apply", "--no-reload")
    assert reports(host)[:2] == ("good", None)
    host.configure(certificates=[entry])
    assert reports(host)[:2] == ("ignored", "staple_ignored")


def test_what_is_live_but_not_configured_and_ignored_is_told_as_both(host: Host) -> None:
    host.deploy(NAME, ["haproxy"], must_staple=True)
    host.maker = hosts.by_sha256
    host.run("refresh")
    host.run("apply", "--no-reload")
    host.configure(certificates=[])
    done = host.run("apply", "--no-reload")
    assert done.code == 2 and IGNORED in done.err and "no configuration asks for its staple" in done.err
    _word, trouble, line = reports(host)
    assert trouble == "must_staple_ignored"
    assert "haproxy ignores answers by a sha256 CertID" in line and "no configuration asks for its staple" in line


# Ends ---------------------------------------------------------------------------------------------


def test_a_staple_is_withdrawn_before_it_ends_and_comes_back(web: Host) -> None:
    web.hour()
    web.down = True
    web.later(7 * DAY - 4 * HOUR)
    assert web.run("apply").code == 0
    assert web.pieces(NAME) == ALL
    web.later(HOUR)
    done = web.run("apply")
    assert done.code == 2
    assert done.err.startswith(
        f"{NAME}: the staple was withdrawn: the last good response expires at 2026-03-11T04:06:07Z, before the next "
        "run, and no newer one could be fetched; to be reloaded: web [expiring]\n"
    )
    assert web.pieces(NAME) == []
    assert web.reloads("web") == 2
    # It is said once.
    web.later(HOUR)
    done = web.run("apply")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    web.down = False
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == ALL
    assert web.reloads("web") == 3


def test_a_must_staple_certificate_keeps_its_staple_to_the_end_and_is_louder(host: Host) -> None:
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=True)
    host.hour()
    host.later(7 * DAY - 3 * HOUR)
    for _run in range(2):
        done = host.run("apply")
        assert (done.code, host.run("status").code) == (2, 2)
        demand = "it requires a staple (must-staple), and its last one expires at 2026-03-11T04:06:07Z"
        assert f"{NAME}: {demand}" in done.err
        assert host.pieces(NAME) == ALL
        host.later(30 * MINUTE)
    host.later(2 * HOUR)
    done = host.run("apply")
    assert done.code == 2
    assert host.pieces(NAME) == []
    for _run in range(2):
        host.later(HOUR)
        assert f"{NAME}: " in host.run("apply").err, "the alarm goes on"


@pytest.mark.parametrize(
    ("kind", "life", "passed", "code"),
    [
        ("nginx", 7 * DAY, 83 * HOUR + 0.7 * 84 * HOUR, 0),
        ("nginx", 7 * DAY, 83 * HOUR + 0.9 * 84 * HOUR, 2),
        ("haproxy", 7 * DAY, 83 * HOUR + 0.9 * 84 * HOUR, 2),
        ("nginx", 3 * HOUR, 0 * HOUR, 0),
    ],
)
def test_a_staple_that_is_demanded_alarms_when_status_does(
    host: Host, kind: str, life: timedelta, passed: timedelta, code: int
) -> None:
    """Which is when most of the time for renewing has passed, however long a response lives and whoever serves it."""
    host.maker = functools.partial(hosts.good, life=life)
    host.deploy(NAME, [kind], must_staple=True)
    host.hour()
    host.down = True
    host.later(passed)
    done = host.run("apply", "--no-reload")
    assert done.code == code
    assert ("its last one expires at" in done.err) == (code == 2)
    troubles = json.loads(host.run("status", "--json").out)["certificates"][NAME]["trouble"]
    assert (troubles == "must_staple_expiring") == (code == 2)


def test_servers_that_stop_by_themselves_are_left_alone_until_the_end(host: Host) -> None:
    host.service("lighttpd", kind="lighttpd")
    host.deploy(NAME, ["lighttpd", "haproxy", "apache", "dovecot"])
    host.hour()
    host.later(7 * DAY - 2 * HOUR)
    assert host.run("apply").code == 0
    assert host.pieces(NAME) == ALL
    host.later(2 * HOUR)
    assert host.run("apply").code == 2
    assert host.pieces(NAME) == []
    assert host.pending() == []


def test_hitch_keeps_the_file_that_it_does_not_start_without(host: Host) -> None:
    host.deploy(NAME, ["hitch"])
    host.hour()
    host.later(7 * DAY)
    assert host.run("apply").code == 2
    assert host.pieces(NAME) == ["ocsp.der"]
    assert host.known(NAME)["staple"] is None


def test_the_interval_of_the_timer_counts(web: Host) -> None:
    web.configure(interval="1d")
    web.hour()
    web.later(5 * DAY + 2 * HOUR)
    done = web.run("apply")
    assert done.code == 2
    assert "[expiring]" in done.err


@pytest.mark.parametrize(
    ("shown", "withdrawn"),
    [
        ("ActiveState=active\nNextElapseUSecRealtime=Thu 2026-03-05 05:00:00 UTC", True),
        ("ActiveState=active\nNextElapseUSecRealtime=Wed 2026-03-04 06:00:00 UTC", False),
        ("ActiveState=inactive\nNextElapseUSecRealtime=Thu 2026-03-05 05:00:00 UTC", False),
        ("ActiveState=active\nNextElapseUSecRealtime=", False),
        ("", False),
    ],
)
def test_the_next_start_of_the_timer_counts(
    web: Host, shown: str, withdrawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts although the configuration has another interval."""
    from ocsp_stapling import host as world

    web.maker = lambda leaf, now: hosts.good(leaf, now, life=12 * HOUR)
    web.hour()
    calendar = "\nTimersCalendar={ OnCalendar=*-*-* 05:00:00 ; next_elapse=n/a }"
    iterated = "".join(
        f"Iter. #{number}: Fri {following} CET\n       (in UTC): Fri {following} UTC\n"
        for number, following in enumerate(
            ["2026-03-06 05:00:00", "2026-03-07 05:00:00"]
            if withdrawn
            else ["2026-03-04 07:00:00", "2026-03-04 08:00:00"]
        )
    )

    def run(argv: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        return 0, iterated if "systemd-analyze" in argv else shown + calendar, ""

    monkeypatch.setattr(world.control, "has_systemd", lambda: True)
    monkeypatch.setattr(world.Host.__init__, "__defaults__", (None, run, *world.Host.__init__.__defaults__[2:]))
    done = web.run("apply", "--no-reload")
    assert (web.pieces(NAME) == []) == withdrawn
    assert ("[expiring]" in done.err) == withdrawn


# Certificates -------------------------------------------------------------------------------------


def test_a_staple_never_outlives_its_certificate_file(web: Host) -> None:
    web.hour()
    (web.root / "live" / NAME / "fullchain.pem").unlink()
    done = web.run("apply")
    assert done.code == 2
    assert web.pieces(NAME) == []
    assert (
        f"{NAME}: the staple was withdrawn: certificate_path: {web.root}/live/{NAME}/fullchain.pem does not exist"
        in (done.err)
    )
    assert web.reloads("web") == 2


def test_a_staple_never_outlives_the_certificate_that_it_is_about(web: Host) -> None:
    web.hour()
    folder = web.root / "live" / NAME
    leaf = web.issue(NAME)
    (folder / "fullchain.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    web.down = True
    web.hour()
    assert web.pieces(NAME) == []
    assert web.known(NAME)["code"] == "wrong_certificate"
    web.down = False
    web.later(HOUR)
    web.hour()
    assert web.pieces(NAME) == ALL


def test_a_certificate_that_was_never_deployed_is_a_warning(web: Host) -> None:
    live = web.root / "live" / NAME
    folder = live.resolve()
    live.unlink()
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 1)
    advice = "run the playbook, which deploys it or says why it cannot"
    sentence = f"{NAME}: it is not deployed: there is no {live}; {advice}"
    assert applied.err.splitlines()[0] == f"{sentence} [not_deployed]"
    assert NAME not in refreshed.err
    assert web.requests == 0
    done = web.run("status")
    assert done.code == 1
    assert sentence in done.out.replace("\n  ", " ")
    assert web.run("status", "--nagios").out.startswith(f"OCSP WARNING - {sentence} | ")
    # It is said once, and to whoever asks for this certificate.
    web.later(HOUR)
    assert len(web.hour()[1].err.splitlines()) == 1
    assert web.run("apply", NAME).err.startswith(sentence)
    web.switch(NAME, folder)
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == ALL


def test_a_set_that_vanished_is_no_certificate_that_was_never_deployed(web: Host) -> None:
    web.hour()
    live = web.root / "live" / NAME
    shutil.rmtree(live.resolve())
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert "fullchain.pem does not exist" in applied.err


def test_another_set_is_seen_to_at_once(web: Host) -> None:
    web.hour()
    old = Path(os.path.realpath(web.root / "live" / NAME))
    web.deploy(NAME, ["web"])
    assert web.pieces(NAME) == []
    web.hour()
    assert web.pieces(NAME) == ALL
    assert web.staple(NAME) != (old / "ocsp.der").read_bytes()


def test_why_a_new_certificate_has_no_response_leads(web: Host) -> None:
    web.hour()
    web.deploy(NAME, ["web"])
    web.down = True
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert applied.err.splitlines()[0] == (f"{NAME}: {web.known(NAME)['failure_message']} [unreachable]"), (
        "and not that what is left is about another certificate"
    )
    known = web.known(NAME)
    assert (known["code"], known["failure_code"]) == ("missing_staple", "unreachable")
    told = f"no staple is in place; {known['failure_message']}; the next attempt is planned for "
    assert web.run("status", "--nagios").out.startswith(f"OCSP WARNING - {NAME}: {told}")
    assert "about another certificate" not in web.run("status").out


def test_a_certificate_that_ends_ends_its_staple(host: Host) -> None:
    host.service("web")
    host.deploy(NAME, ["web"], not_after=host.now + DAY)
    host.hour()
    assert host.known(NAME)["staple"]["effective_expiry"] == "2026-03-05T05:06:07Z"
    host.later(DAY - HOUR)
    host.run("apply")
    assert host.pieces(NAME) == []
    host.later(2 * HOUR)
    host.hour()
    assert host.known(NAME)["code"] == "certificate_expired"


def test_without_a_responder_a_staple_is_withdrawn_and_that_is_said_once(web: Host) -> None:
    web.hour()
    folder = web.root / "live" / NAME
    leaf = web.issue(NAME, urls=())
    (folder / "fullchain.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == []
    assert "has no OCSP responder URL" in applied.err
    assert web.reloads("web") == 2
    web.later(HOUR)
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert "no OCSP responder" not in refreshed.err + applied.err


def test_the_end_of_a_staple_that_stays_after_a_revocation_is_its_own(host: Host) -> None:
    """Exim compares it with its clock, and would staple the file for longer than it lasts."""
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=True)
    host.hour()
    expires = (host.root / "live" / NAME / "ocsp.der.expires").read_bytes()
    before = host.staple(NAME)
    host.later(HOUR)
    newer = hosts.good(host.leaves[NAME], host.now)
    host.later(HOUR)
    host.maker = hosts.revoked
    host.run("refresh", "--force")
    (host.responses / f"{NAME}.der").write_bytes(newer)
    applied = host.run("apply")
    assert "the previous response stays in place until it expires" in applied.err
    assert host.staple(NAME) == before
    assert (host.root / "live" / NAME / "ocsp.der.expires").read_bytes() == expires


def test_what_was_proven_once_is_not_forgotten_with_the_claim(web: Host) -> None:
    """Whoever has taken over the fetching must not get an older response stapled again."""
    web.run("refresh")
    web.run("apply")
    response = web.responses / f"{NAME}.der"
    older = response.read_bytes()
    web.later(2 * HOUR)
    web.maker = hosts.revoked
    web.run("refresh", "--force")
    web.run("apply")
    assert web.staple(NAME) is None
    record_file = web.responses / "refresh.json"
    values = json.loads(record_file.read_text())
    (web.responses / f"{NAME}.proof").unlink()
    values["certificates"][NAME].update(failures=0, code="", message="")
    for _run in range(2):
        record_file.write_text(json.dumps(values))
        response.write_bytes(older)
        web.later(HOUR)
        web.run("apply")
        assert web.staple(NAME) is None
        assert web.known(NAME)["revoked"]["reason"] == "key_compromise"
    # What the CA says later counts.
    web.maker = hosts.good
    web.later(HOUR)
    web.run("refresh", "--force")
    web.run("apply")
    assert web.staple(NAME) is not None
    assert web.known(NAME)["revoked"] is None
    # Also when what it said has ended, and to whoever reads the proof.
    assert not (web.state / "proofs" / f"{NAME}.proof").exists()
    web.later(8 * DAY)
    web.run("apply")
    assert (web.known(NAME)["code"], web.known(NAME)["revoked"]) == ("expired", None)


def test_a_later_proof_that_is_too_long_to_keep_displaces_no_other(web: Host) -> None:
    """The certificates beside a response are not signed, so that anybody can make it longer."""
    older = _revoke(web)
    web.later(2 * HOUR)
    start = web.now - HOUR
    single = forge.single(
        web.leaves[NAME], status="revoked", this_update=start, next_update=start + 7 * DAY, revocation_time=start
    )
    padding = [forge.leaf(forge.world().issuer, f"{number}.example.com").der for number in range(22)]
    longer = forge.response(single, produced_at=start, certificates=padding)
    assert 8 * 1024 < len(longer) < 12 * 1024
    proof = web.responses / f"{NAME}.proof"
    for content in (longer, None):
        (web.responses / f"{NAME}.der").write_bytes(older)
        proof.unlink()
        if content is not None:
            proof.write_bytes(content)
        assert web.run("apply").code == 2
        assert web.staple(NAME) is None
        assert web.known(NAME)["refused"] == (
            f"{proof} has {len(longer)} octets, more than 8192; it is not read, remove it" if content else ""
        )


def test_a_clock_that_is_behind_has_no_revocation_forgotten(web: Host) -> None:
    """As after a start without a battery for the clock: the proof is of the future then."""
    older = _revoke(web)
    (web.responses / "refresh.json").unlink()
    (web.responses / f"{NAME}.proof").unlink()
    (web.responses / f"{NAME}.der").write_bytes(older)
    now = web.now
    for moment in (now - 90 * MINUTE, now - 30 * DAY, now + HOUR):
        web.now = moment
        assert web.run("apply").code == 2
        assert web.staple(NAME) is None


def _revoke(host: Host) -> bytes:
    """Have a staple withdrawn because of a revocation. Returns it."""
    host.run("refresh")
    host.run("apply")
    older = (host.responses / f"{NAME}.der").read_bytes()
    host.later(2 * HOUR)
    host.maker = hosts.revoked
    host.run("refresh", "--force")
    host.run("apply")
    assert host.staple(NAME) is None
    return older


def test_the_revocation_of_a_replaced_certificate_has_nothing_asked_again(web: Host) -> None:
    web.maker = hosts.revoked
    web.run("refresh")
    web.run("apply")
    web.later(HOUR)
    web.maker = hosts.good
    web.deploy(NAME)
    (web.responses / f"{NAME}.der").write_bytes(hosts.good(web.leaves[NAME], web.now))
    asked = len(web.asked)
    web.run("refresh")
    assert len(web.asked) == asked
    web.run("apply")
    assert web.staple(NAME) is not None and web.known(NAME)["revoked"] is None


def _odd(number: int = 1) -> bytes:
    """A certificate that is read here and not by OpenSSL, with junk for the parameters of its signature algorithm."""
    algorithm = forge.sequence(forge.oid("1.2.3.4"), b"\xff")

    def reshape(tbs: bytes) -> bytes:
        fields = tbs[2 if tbs[1] < 0x80 else 2 + (tbs[1] & 0x7F) :]
        return forge.sequence(fields.replace(forge.algorithm("ecdsa_sha256"), algorithm, 1))

    der = forge.certificate("Odd", serial=number, reshape=reshape).der
    end = der.rindex(forge.algorithm("ecdsa_sha256"))
    begin = 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)
    signed = der[end + len(forge.algorithm("ecdsa_sha256")) :]
    return forge.sequence(der[begin:end], algorithm, signed)


@pytest.mark.parametrize(
    "added",
    [[forge.tlv(0x30, b"\2\1\5")], [_odd()], [forge.world().issuer.der] * 90],
    ids=["junk", "odd", "many"],
)
def test_what_somebody_on_the_way_added_is_not_stapled(web: Host, added: t.List[bytes]) -> None:
    """OpenSSL cannot read a response with junk for a certificate, and refuses one that is too long."""
    plain = hosts.good(web.leaves[NAME], web.now)
    web.maker = lambda _leaf, _now: wire.with_certificates(plain, added)
    web.hour()
    staple = web.staple(NAME)
    assert staple is not None and len(staple) <= 16380
    assert staple == plain


@pytest.mark.parametrize("added", ["junk", "odd", "too many"])
def test_what_whoever_rules_refresh_added_is_not_stapled(web: Host, added: str) -> None:
    """It writes into the folder of responses what no answer was, and HAProxy does not load what OpenSSL cannot read."""
    plain = hosts.good(web.leaves[NAME], web.now)
    certificates = {"junk": [forge.tlv(0x30, b"\2\1\5")], "odd": [_odd()], "too many": [_odd(one) for one in range(40)]}
    (web.responses / f"{NAME}.der").write_bytes(wire.with_certificates(plain, certificates[added]))
    web.run("apply")
    assert web.staple(NAME) == plain


def test_no_encoding_that_clients_refuse_is_stapled(host: Host) -> None:
    """No signature covers the name of its algorithm, of which Chrome reads one form alone."""
    host.service("web")
    host.deploy(NAME, ["web"])
    null = forge.sequence(forge.oid("1.2.840.10045.4.3.2"), forge.NULL)
    odd = forge.response(
        forge.single(host.leaves[NAME], this_update=host.now - HOUR, next_update=host.now + DAY),
        signature_algorithm=null,
        produced_at=host.now - HOUR,
    )
    (host.responses / f"{NAME}.der").write_bytes(odd)
    host.run("apply")
    staple = host.staple(NAME)
    assert staple is not None and null not in staple and forge.algorithm("ecdsa_sha256") in staple
    assert len(staple) <= len(odd) - 2, "and nothing else but the lengths around it"


def test_a_proof_counts_whatever_somebody_on_the_way_added_to_it(web: Host) -> None:
    """No signature covers the certificates in a response, and a proof has its limit in the record."""
    web.hour()
    assert web.staple(NAME)

    def padded(leaf: forge.Entity, now: datetime) -> bytes:
        single = forge.single(leaf, status="revoked", this_update=now, next_update=now + DAY, revocation_time=now)
        return forge.response(single, produced_at=now, certificates=[forge.world().issuer.der] * 60)

    web.maker = padded
    web.later(5 * DAY)
    web.hour()
    assert web.staple(NAME) is None
    assert web.known(NAME)["code"] == "revoked"


def test_long_proofs_of_some_have_no_revocation_of_another_overlooked(web: Host) -> None:
    """They were in the record, which is not read where it is too large."""
    older = _revoke(web)
    web.maker = _long_proof
    for number in range(30):
        web.deploy(f"{number}.example.com", urls=[f"{web.url}{'x' * 2000}"])
    web.later(DAY)
    assert web.run("refresh").code == 2
    assert (web.responses / "refresh.json").stat().st_size < 200_000
    assert web.run("apply").code == 2
    # Nor does any run have all of them in memory.
    assert (web.state / "state.json").stat().st_size < 100_000
    assert sum(path.stat().st_size for path in web.state.glob("proofs/*.proof")) > 200_000
    (web.state / "state.json").unlink()
    shutil.rmtree(web.state / "proofs")
    (web.responses / f"{NAME}.der").write_bytes(older)
    assert web.run("apply").code == 2
    assert web.staple(NAME) is None
    assert [web.known(name)["code"] for name in (NAME, "0.example.com", "29.example.com")] == ["revoked"] * 3
    web.maker = hosts.good
    web.later(8 * DAY)
    web.hour()
    assert list(web.responses.glob("*.proof")) == []
    assert web.known(NAME)["code"] == ""


def test_a_proof_is_kept_as_long_as_its_certificate(web: Host) -> None:
    _revoke(web)
    kept = web.state / "proofs" / f"{NAME}.proof"
    before = kept.stat().st_mtime_ns
    assert web.run("apply").code == 2 and kept.stat().st_mtime_ns == before
    web.maker = hosts.good
    web.deploy(NAME)
    web.hour()
    assert web.staple(NAME) is not None and not kept.exists()
    (web.state / "proofs" / "gone.example.com.proof").write_bytes(b"a response")
    web.run("apply", NAME)
    assert len(list(kept.parent.iterdir())) == 1
    web.run("apply")
    assert list(kept.parent.iterdir()) == []


def test_a_proof_that_cannot_be_kept_is_told_all_the_same(web: Host) -> None:
    web.hour()
    (web.state / "proofs").write_text("in the way")
    web.later(2 * HOUR)
    web.maker = hosts.revoked
    web.run("refresh", "--force")
    done = web.run("apply")
    assert done.code == 2 and f"cannot create {web.state}/proofs" in done.err
    assert web.staple(NAME) is None and web.known(NAME)["revoked"]["reason"] == "key_compromise"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/shadow", path)])
def test_a_proof_that_is_no_file_is_refused_and_keeps_no_staple_back(web: Host, make: t.Callable[[str], None]) -> None:
    web.hour()
    before = web.staple(NAME)
    web.later(5 * DAY)
    assert web.run("refresh").code == 0
    make(f"{web.responses}/{NAME}.proof")
    assert web.run("apply").code == 1
    assert web.staple(NAME) not in (None, before)
    assert web.known(NAME)["refused"].startswith(f"{web.responses}/{NAME}.proof ")


def _long_proof(leaf: forge.Entity, now: datetime) -> bytes:
    single = forge.single(leaf, status="revoked", this_update=now, next_update=now + DAY, revocation_time=now)
    padding = forge.extension("1.2.3.4", bytes(7000))
    return forge.response(single, produced_at=now, extensions=[padding])


def test_a_proof_that_was_in_place_is_remembered_when_it_is_gone(web: Host) -> None:
    web.run("refresh")
    older = (web.responses / f"{NAME}.der").read_bytes()
    web.run("apply")
    web.later(2 * HOUR)
    place = Path(os.path.realpath(web.root / "live" / NAME)) / "ocsp.der"
    place.write_bytes(hosts.revoked(web.leaves[NAME], web.now))
    web.run("apply")
    assert web.staple(NAME) is None
    (web.responses / f"{NAME}.der").write_bytes(older)
    web.run("apply")
    assert web.staple(NAME) is None


def test_a_proof_of_what_a_search_found_takes_the_place_of_no_other(web: Host) -> None:
    """Whoever may write into a folder that is searched chooses the names of the folders in it, and their number."""
    home = web.home / "home"
    names = [f"{NAME}.proof/evil.test", "long" * 47, "twice.test", "deep er/\u00fc" + "\u00fc" * 100]
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / f"{name}.pem").write_bytes(web.issue(name).pem + forge.world().issuer.pem)
    other = web.home / "other"
    other.mkdir()
    shutil.copy(home / "twice.test.pem", other)
    web.configure(scan=[{"folder": str(home), "recursive": True}, {"folder": str(other)}])
    web.maker = hosts.revoked
    web.run("refresh")
    web.run("apply")
    for name in (NAME, *names, f"{other}/twice.test"):
        assert web.known(name)["code"] == "revoked", name
    for folder in (web.responses, web.state / "proofs"):
        assert len(list(folder.glob("*.proof"))) == 6 and all(path.is_file() for path in folder.glob("*.proof"))
        assert (folder / f"{NAME}.proof").is_file()
    assert not list(home.rglob("*.proof/*.proof")) and not list(other.glob("*.proof"))
    shutil.rmtree(home)
    web.hour()
    assert len(list((web.state / "proofs").iterdir())) == 2


def test_a_revoked_certificate_is_not_stapled_for(web: Host) -> None:
    web.hour()
    web.later(4 * DAY)
    web.maker = hosts.revoked
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert web.pieces(NAME) == []
    assert "was revoked" in refreshed.err
    assert "[revoked]" in applied.err
    assert web.known(NAME)["revoked"]["reason"] == "key_compromise"
    assert web.reloads("web") == 2
    # Whoever replays the answer from before does not get it stapled again.
    (web.responses / f"{NAME}.der").write_bytes(hosts.good(web.leaves[NAME], web.now - 2 * HOUR))
    web.run("apply")
    assert web.pieces(NAME) == []
    web.maker = hosts.good
    web.later(13 * HOUR)
    web.hour()
    assert web.pieces(NAME) == ALL
    assert web.known(NAME)["revoked"] is None


def test_what_was_said_of_a_certificate_goes_with_it(web: Host) -> None:
    web.hour()
    web.later(4 * DAY)
    web.maker = hosts.revoked
    web.hour()
    assert web.known(NAME)["failure_code"] == "revoked"
    web.maker = hosts.good
    web.deploy(NAME, ["web"])
    web.run("apply")
    assert (web.known(NAME)["failures"], web.known(NAME)["failure_code"], web.known(NAME)["revoked"]) == (0, "", None)
    assert "revoked" not in web.run("status", NAME).out
    web.hour()
    assert web.pieces(NAME) == ALL


@pytest.mark.parametrize(
    ("known", "loose"),
    [(True, False), (False, False), (False, True)],
    ids=["seen by an earlier run", "never seen", "deployed without the role"],
)
def test_what_is_live_but_not_configured_is_withdrawn_before_it_expires(web: Host, known: bool, loose: bool) -> None:
    """A playbook deployed it, and another one took it out of the configuration, maybe before any run saw it.

    Or it was never in a configuration, as it was deployed by the module alone.
    """
    web.hour()
    if not known:
        (web.state / "state.json").unlink()
        description = sets.Description((NAME,), ("web",), position=0 if loose else None)
        (web.root / "live" / NAME / "set.json").write_bytes(sets.describe(description))
    web.configure(certificates=[])
    who = "it was deployed by certificate_set without the role" if loose else "it is live"
    told = f"{NAME}: {who}, but no configuration asks for its staple, so that is not renewed"
    remedy = f"; to have it renewed, add it to ocsp_stapling_certificates or to a file in {web.root}/conf.d"
    for names in ([], [NAME]):
        shown = web.run("status", *names)
        assert shown.code == 1 and f"{told}{remedy}" in " ".join(shown.out.split())
        assert re.search(rf"^{NAME} +good .* not_configured$" if not names else "not_configured", shown.out, re.M)
    for _run in range(2):
        done = web.run("apply")
        assert done.code == 1 and web.pieces(NAME) == ALL and web.reloads("web") == 1
        assert web.known(NAME)["code"] == "not_configured"
        shown = web.run("status")
        said = " ".join(shown.out.split())
        assert f"{told} and will be withdrawn before 20" in said and remedy in said
        assert shown.code == 1
    web.later(7 * DAY - 2 * HOUR)
    gone = web.run("apply")
    assert gone.code == 0
    assert f"{NAME}: the staple was withdrawn: the last good response expires at" in gone.err
    assert "to be reloaded: web [expiring]" in gone.err
    assert web.pieces(NAME) == [] and web.reloads("web") == 2
    for _run in range(2):
        web.run("refresh")
        assert len(web.run("apply").err.splitlines()) == 1
        shown = web.run("status")
        assert shown.code == 0 and f"{NAME}  none" in shown.out and "not_configured" in shown.out
        assert NAME not in (web.state / "metrics/ocsp_stapling.prom").read_text(), "no alert may ask for its staple"
    (web.root / "live" / NAME).unlink()
    web.run("apply")
    assert NAME not in web.run("status").out


def test_a_file_of_the_same_name_keeps_no_staple_in_place(web: Host, tmp_path: Path) -> None:
    """Whoever may write into a folder that is searched chooses the names of what is found there."""
    web.hour()
    home = tmp_path / "home"
    home.mkdir()
    (home / f"{NAME}.pem").write_bytes(web.issue("other.example.com").pem + forge.world().issuer.pem)
    web.configure(certificates=[], scan=[{"folder": str(home)}])
    done = web.run("apply")
    assert f"{NAME}: it is live, but no configuration asks for its staple" in done.err
    web.later(7 * DAY - 2 * HOUR)
    web.run("apply")
    assert web.pieces(NAME) == []
    assert {NAME, f"{home}/{NAME}"} <= json.loads(web.run("status", "--json").out)["certificates"].keys()


def of_user(web: Host, name: str = "evil.test", **options: t.Any) -> Path:
    """A certificate in a folder of a user that is searched. Returns the folder."""
    folder = web.home / "evil"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.pem").write_bytes(web.issue(name, **options).pem + forge.world().issuer.pem)
    os.chown(folder, 61234, 61234)
    web.configure(scan=[{"folder": str(folder)}])
    return folder


def levels(web: Host) -> t.Tuple[t.List[int], str]:
    """The exit codes of refresh, apply, status and its Nagios output, and what the last one says."""
    done = [web.run(command) for command in ("refresh", "apply", "status")]
    nagios = web.run("status", "--nagios")
    return [one.code for one in (*done, nagios)], nagios.out


def broken(web: Host, folder: Path) -> None:
    (folder / "evil.test.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")


def without_responder(web: Host, folder: Path) -> None:
    web.makers["evil.test"] = hosts.try_later


def planted(web: Host, folder: Path) -> None:
    (folder / "evil.test.ocsp-resp").mkdir()


def ended(web: Host, folder: Path) -> None:
    (folder / "evil.test.ocsp-resp").write_bytes(hosts.expired(web.leaves["evil.test"], web.now))
    web.makers["evil.test"] = hosts.try_later


def odd(web: Host, folder: Path) -> None:
    (folder / "x|y.pem").write_bytes((folder / "evil.test.pem").read_bytes())


def ignored(web: Host, folder: Path) -> None:
    web.makers["evil.test"] = hosts.by_sha256
    web.configure(defaults={**web.config["defaults"], "server": ["haproxy"]})


@AS_ROOT
@pytest.mark.parametrize("trouble", [broken, without_responder, planted, ended, odd, ignored])
def test_troubles_that_a_user_has_at_will_are_told_as_theirs(
    web: Host, trouble: t.Callable[[Host, Path], None]
) -> None:
    """The operator's certificates decide about exit codes, and come first."""
    web.hour()
    trouble(web, of_user(web))
    codes, said = levels(web)
    assert codes == [0, 0, 1, 1]
    assert said.startswith(
        "OCSP WARNING - evil.test (user 61234): " if trouble is not odd else "OCSP WARNING - files of other users"
    )
    assert "critical=0" in said
    codes, said = levels(web)
    assert codes == [0, 0, 1, 1], "the second time, too"
    if trouble is not odd:
        assert "of user:       61234" in web.run("status", "evil.test").out
        assert web.known("evil.test")["user"] == "61234" and web.known(NAME)["user"] == ""
    web.maker = hosts.try_later
    web.later(5 * DAY)
    codes, said = levels(web)
    assert codes == [1, 0, 1, 1] and said.startswith(f"OCSP WARNING - {NAME}: ")
    web.later(3 * DAY)
    assert levels(web)[0][:2] == [2, 2]


@AS_ROOT
@pytest.mark.parametrize("kind", ["revoked", "must-staple"])
def test_what_harms_clients_is_alarming_whoever_has_it(web: Host, kind: str) -> None:
    web.hour()
    of_user(web, must_staple=kind == "must-staple")
    web.makers["evil.test"] = hosts.revoked if kind == "revoked" else hosts.try_later
    codes, said = levels(web)
    assert codes == [2, 2, 2, 2] and said.startswith("OCSP CRITICAL - evil.test (user 61234): ")


def test_what_was_deployed_of_a_user_is_theirs(web: Host) -> None:
    """The description of a set says in whose folder its key was."""
    for number, origin in enumerate(({"folder": "/home/evil", "user": 61234}, {"folder": "/srv", "user": -1}, None)):
        name = f"{number}.test"
        folder = web.deploy(name, ["web"])
        (folder / "set.json").write_bytes(sets.describe(sets.Description((name,), ("web",), origin=origin)))
        web.makers[name] = hosts.try_later
        expected = 0 if number == 0 else 2
        assert levels(web)[0][:2] == [expected, expected]
        assert web.known(name)["user"] == ("61234" if number == 0 else "")


@AS_ROOT
def test_the_responder_of_a_user_has_no_clock_doubted(web: Host) -> None:
    """Staples of others that expire would stay in place as long as it is."""
    of_user(web)
    web.hour()
    claim(web, "evil.test")
    assert web.run("apply").code == 0
    assert json.loads((web.state / "state.json").read_text())["clock"]["problem"] == ""
    web.configure(certificates=[])
    (web.root / "live" / NAME).unlink()
    assert web.run("apply").code == 1, "there is no other to ask"
    assert json.loads((web.state / "state.json").read_text())["clock"]["problem"]


def test_a_run_leaves_what_a_search_found_when_its_time_is_over(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn, and all that is configured is done, with a state, and services reloaded."""
    for user, number in (("evil", 5), ("other", 2)):
        (web.home / user).mkdir()
        for name in (f"{user}{index}.test" for index in range(number)):
            (web.home / user / f"{name}.pem").write_bytes(web.issue(name).pem + forge.world().issuer.pem)
            os.chown(web.home / user / f"{name}.pem", 61234 if user == "evil" else 61235, -1)
    web.configure(scan=[{"folder": str(web.home / user)} for user in ("evil", "other")])
    web.run("refresh")
    looked: t.List[str] = []
    look = observe.Observer.look

    def slow(self: t.Any, entry: t.Any, **options: t.Any) -> t.Any:
        looked.append(os.path.basename(entry.name))
        if entry.found:
            monkeypatch.setattr(running.Host, "elapsed", lambda _self: 180.0 * (len(looked) - 1))
        return look(self, entry, **options)

    monkeypatch.setattr(observe.Observer, "look", slow)
    done = web.run("apply")
    assert looked == [NAME, "evil0.test", "other0.test"] and done.code == 0
    assert web.pieces(NAME) == ALL and web.reloads("web") == 1
    assert "apply ended itself after 6 minutes and left 5 certificates for the next run, which begins with" in done.err
    assert "was not checked, as there was no time left" in web.known(f"{web.home}/evil/evil4.test")["unfinished"]
    assert "was not checked, as there was no time left" in " ".join(
        web.run("status", f"{web.home}/other/other1.test").out.split()
    )
    monkeypatch.setattr(in_place, "_LONGEST_LOOK", -1.0)
    looked.clear()
    shown = " ".join(web.run("status").out.split())
    assert set(looked) <= {NAME} and shown.count(", since there was no time left to look at it") == 7
    monkeypatch.setattr(running.Host, "elapsed", lambda _self: 0.0)
    web.run("apply")
    assert looked[:3] == [NAME, "evil1.test", "other1.test"]


TEMPLATES = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/templates"


def test_apply_begins_in_time_though_refresh_hangs() -> None:
    """It is killed some 90 seconds after its time is up, and what would expire by then was withdrawn before."""
    unit = re.search(r"^TimeoutStartSec=(\d+)min$", (TEMPLATES / "ocsp-stapling.service.j2").read_text(), re.M)
    job = re.search(r"timeout -k 30 (\d+)m \S+ \S+ \S+ refresh", (TEMPLATES / "ocsp-stapling.cron.j2").read_text())
    for found in (unit, job):
        assert found is not None and timedelta(minutes=int(found[1]) + 2) <= schedule.LONGEST_RUN


def test_apply_ends_itself_before_it_is_killed() -> None:
    """With time for what is configured, and for the reloads."""
    unit = re.search(r"^TimeoutStartSec=(\d+)min$", (TEMPLATES / "ocsp-stapling-apply.service.j2").read_text(), re.M)
    assert unit is not None and timedelta(minutes=int(unit[1])) >= applying.LONGEST_RUN + 3 * MINUTE


def test_the_issuer_of_what_a_root_issued_lies_beside_it(host: Host) -> None:
    """A root is in no chain that is served, and the playbook puts it where HAProxy looks for it."""
    folder, issuer = host.deploy(NAME), forge.world().issuer.pem
    chain = (folder / "fullchain.pem").read_bytes()
    (folder / "fullchain.pem").write_bytes(chain[: -len(issuer)])
    (folder / sets.ISSUER_FILE).write_bytes(issuer)
    refreshed, applied = host.hour()
    assert (refreshed.code, applied.code) == (0, 0), applied.err
    assert host.staple(NAME) is not None and host.run("apply").code == 0


def test_what_its_owner_no_longer_gives_is_told_and_goes_on(web: Host) -> None:
    """A server's configuration still uses it, so that the playbook left it there."""
    web.hour()
    web.configure(certificates=[])
    given = parts.Certificate(NAME, ("web",), dropped=True)
    parts.save(sets.Layout(str(web.root), str(web.state)), parts.Part("site", (given,)))
    done = web.run("apply")
    assert done.code == 1 and web.pieces(NAME) == ALL and "its role or play no longer configures it" in done.err
    assert "its role or play no longer configures it" not in web.run("apply").err, "once"
    shown = web.run("status")
    assert shown.code == 1 and f"{NAME}: its role or play no longer configures it; it is kept" in " ".join(
        shown.out.split()
    )
    web.later(5 * DAY)
    web.hour()
    assert web.pieces(NAME) == ALL and web.known(NAME)["code"] == "not_configured"


def test_a_must_staple_certificate_that_is_not_configured_keeps_its_staple_to_the_end(host: Host) -> None:
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=True)
    host.hour()
    host.configure(certificates=[])
    host.later(7 * DAY - 2 * HOUR)
    done = host.run("apply")
    assert host.pieces(NAME) == ALL and done.code == 2
    assert "requires a staple (must-staple), and its last one expires at" in done.err


def test_a_file_that_servers_read_where_refresh_put_it(host: Host) -> None:
    host.service("web")
    leaf = host.issue(NAME)
    certificate, path = host.home / "cert.pem", host.responses / "mine.der"
    certificate.write_bytes(leaf.pem + forge.world().issuer.pem)
    entry = {"name": NAME, "certificate_path": str(certificate), "path": str(path), "live": None, "services": ["web"]}
    host.configure(certificates=[entry])
    host.hour()
    assert host.reloads("web") == 1
    assert host.known(NAME)["staple"] is not None
    host.later(HOUR)
    host.hour()
    assert host.reloads("web") == 1
    host.run("refresh", "--force")
    host.run("apply")
    assert host.reloads("web") == 2


def unauthorized(_leaf: forge.Entity, _now: datetime) -> bytes:
    return forge.error_response("unauthorized")


@pytest.mark.parametrize("maker", [unauthorized, hosts.unknown, hosts.try_later, hosts.about_another])
def test_a_certificate_that_another_program_renewed_is_not_announced_by_its_former_staple(
    host: Host, maker: hosts.Maker
) -> None:
    """certbot puts a new certificate there, of which the CA's responder does not know yet."""
    host.service("web")
    certificate, path = host.home / "cert.pem", host.home / "staple.der"
    certificate.write_bytes(host.issue(NAME).pem + forge.world().issuer.pem)
    entry = {"name": NAME, "certificate_path": str(certificate), "path": str(path), "live": None, "services": ["web"]}
    host.configure(certificates=[entry])
    host.hour()
    former = path.read_bytes()
    assert host.reloads("web") == 1
    certificate.write_bytes(host.issue(NAME).pem + forge.world().issuer.pem)
    host.maker = maker
    for _hour in range(4):
        host.later(HOUR)
        _refreshed, applied = host.hour()
        assert f"0 installed, 0 withdrawn, 1 without a staple ({NAME}: see 'ocsp-stapling status')" in applied.err
        assert "web was reloaded" not in applied.err
    assert host.reloads("web") == 1
    assert path.read_bytes() == former and host.known(NAME)["staple"] is None
    host.maker = hosts.good
    host.later(12 * HOUR)
    _refreshed, applied = host.hour()
    assert "1 installed, 0 withdrawn, 0 without a staple" in applied.err
    assert host.reloads("web") == 2


# Services -----------------------------------------------------------------------------------------


def test_a_configuration_that_is_refused_is_not_loaded_and_tried_again(web: Host) -> None:
    broken = web.home / "broken"
    broken.touch()
    web.service("web", test=["/bin/sh", "-c", f"test ! -e {broken} || {{ echo 'unknown directive' >&2; exit 1; }}"])
    done = web.run("refresh"), web.run("apply")
    assert done[1].code == 1
    assert "the configuration of web was rejected by '/bin/sh -c " in done[1].err
    assert (
        "(unknown directive); it was not reloaded and continues with its current configuration; the next "
        "run" in done[1].err
    )
    assert "[reload_failed]" in done[1].err
    assert web.reloads("web") == 0
    assert web.pending() == ["web"]
    assert web.pieces(NAME) == ALL
    broken.unlink()
    web.later(HOUR)
    assert web.run("apply").code == 0
    assert web.reloads("web") == 1
    assert web.pending() == []


def test_reloads_can_be_left_to_another_command(web: Host) -> None:
    web.run("refresh")
    assert web.run("apply", "--no-reload").code == 0
    assert web.pending() == ["web"]
    assert web.reloads("web") == 0
    assert web.run("reload", "--pending").code == 0
    assert web.reloads("web") == 1
    assert web.pending() == []
    assert web.run("reload", "--pending").code == 0
    assert web.reloads("web") == 1


@pytest.mark.parametrize("frees", [False, True])
def test_a_withdrawal_that_could_not_be_noted_is_told_by_the_next_run(
    web: Host, frees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reloads is another process, and a server would go on with a staple that has expired."""
    web.hour()
    web.down = True
    web.later(7 * DAY - HOUR)
    with monkeypatch.context() as context:
        # The note of before a withdrawal is the first that is written there.
        context.setattr(os, "write", _full_below(web.state, lambda: not frees or web.staple(NAME) is not None))
        done = web.run("apply", "--no-reload")
    assert web.pieces(NAME) == []
    assert (done.code == 74, web.pending()) == ((False, ["web"]) if frees else (True, []))
    web.later(HOUR)
    web.run("apply", "--no-reload")
    assert web.pending() == ["web"]
    reloads = web.reloads("web")
    assert web.run("reload", "--pending").code == 0
    assert web.reloads("web") == reloads + 1
    web.run("apply", "--no-reload")
    assert web.pending() == []


def test_what_was_left_pending_shows_in_the_exit_code(web: Host) -> None:
    web.run("refresh")
    web.run("apply", "--no-reload")
    for _run in range(2):
        done = web.run("apply", "--no-reload")
        assert done.code == 1
        assert done.err.startswith(
            "web has not been reloaded since the last run requested it; see why with 'ocsp-stapling reload web' as "
            "root [reload_failed]\n"
        )


def test_what_others_have_just_noted_is_no_failure(web: Host) -> None:
    mark = web.state / "pending" / "web"
    mark.touch()
    web.run("refresh")
    done = web.run("apply", "--no-reload")
    assert (done.code, web.pending()) == (0, ["web"])
    assert web.run("reload", "--pending").code == 0
    # A playbook notes it anew.
    mark.touch()
    assert web.run("apply", "--no-reload").code == 0
    assert web.run("apply", "--no-reload").code == 1


class Proxy:
    """HAProxy's socket for commands, with one answer for each."""

    def __init__(self, path: Path, *answers: str) -> None:
        self.heard: t.List[str] = []
        self._answers = list(answers)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            with self._listener.accept()[0] as peer:
                self.heard.append(peer.recv(65536).decode())
                peer.sendall(answer.encode())

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()


@pytest.mark.parametrize("takes_it", [True, False])
def test_haproxy_is_given_a_staple_while_it_runs(host: Host, takes_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocsp.services import control

    path, running = host.home / "s", host.home / "haproxy.pid"
    running.write_text(str(os.getpid()))
    kind = control.SERVERS["haproxy"]._replace(pid_files=(str(running),))
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "haproxy": kind})
    answers = ("Transaction created for certificate x!\n", "Success!\n") if takes_it else ("unknown command\n",)
    proxy = Proxy(path, *answers)
    host.configure(services={"edge": {"kind": "haproxy", "unit": "certops-edge", "socket": str(path)}})
    host.deploy(NAME, ["edge"])
    host.run("refresh")
    done = host.run("apply", "--no-reload", "--debug")
    assert done.code == 0
    proxy.close()
    assert proxy.heard[0] == (
        f"set ssl cert {host.root}/live/{NAME}/combined.pem.ocsp <<\n"
        f"{base64.b64encode(host.staple(NAME) or b'').decode()}\n\n"
    )
    assert host.pending() == ([] if takes_it else ["edge"])
    refused = (
        f"edge rejected the staple for {host.root}/live/{NAME}/combined.pem: unknown command; it will be reloaded\n"
    )
    assert (refused in done.err) == (not takes_it)


def test_a_socket_that_hangs_is_not_waited_for_by_each_certificate(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may belong to the user of the server, and apply is killed after ten minutes."""
    from ocsp.services import control
    from ocsp_stapling.commands import reload

    running = host.home / "haproxy.pid"
    running.write_text(str(os.getpid()))
    kind = control.SERVERS["haproxy"]._replace(pid_files=(str(running),))
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "haproxy": kind})
    monkeypatch.setattr(control, "_ASK_TIMEOUT", 0.2)
    monkeypatch.setattr(reload, "_LONGEST_GIVING", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(host.home / "s"))
        listener.listen(100)
        host.configure(services={"edge": {"kind": "haproxy", "unit": "certops-edge", "socket": str(host.home / "s")}})
        for number in range(10):
            host.deploy(f"{number}.example.com", ["edge"])
        host.run("refresh")
        done = host.run("apply", "--no-reload", "--debug")
    assert done.err.count("does not answer: timed out; it will be reloaded") == 2
    assert host.staple("9.example.com") is not None and host.pending() == ["edge"]


def test_a_defect_at_one_certificate_stops_no_other(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    web.deploy("a.example.com", ["web"])
    web.deploy("b.example.com", ["web"])
    web.run("refresh")

    from ocsp_stapling import observe

    real = observe.judge

    def judge(data: bytes, target: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        if target.certificate.name.startswith("CN=a."):
            raise KeyError("x")
        return real(data, target, *arguments, **options)

    monkeypatch.setattr(observe, "judge", judge)
    done = web.run("apply")
    assert done.code == 1
    sentence = "its staple was not checked because of an internal error (KeyError: 'x')"
    assert f"a.example.com: {sentence}\n" in done.err
    assert web.pieces("b.example.com") == ALL
    assert web.pieces(NAME) == ALL
    shown = web.run("status")
    assert shown.code == 1
    assert f"a.example.com: no staple is in place; {sentence}" in " ".join(shown.out.split())
    monkeypatch.undo()
    assert web.run("apply").code == 0
    assert web.run("status").code == 0


def test_some_by_name(web: Host) -> None:
    web.deploy("other.example.com", ["web"])
    web.hour()
    web.later(4 * DAY)
    web.run("refresh")
    before, old = json.loads((web.state / "state.json").read_text()), web.staple("other.example.com")
    done = web.run("apply", NAME)
    assert done.code == 0
    assert "apply checked 1 certificate in " in done.err and "1 installed" in done.err
    after = json.loads((web.state / "state.json").read_text())
    assert web.staple("other.example.com") == old
    assert after["certificates"]["other.example.com"] == before["certificates"]["other.example.com"]
    assert after["certificates"][NAME] != before["certificates"][NAME]
    # A run for one certificate does not hide that the timer runs for none.
    assert {**after["runs"]["apply"], "latest": None} == {**before["runs"]["apply"], "latest": None}
    assert after["runs"]["apply"]["latest"] == "2026-03-08T05:06:07Z"
    metrics = (web.state / "metrics/ocsp_stapling.prom").read_text()
    assert 'ocsp_stapling_staple_in_place{name="other.example.com"} 1\n' in metrics
    done = web.run("apply", "wwww.example.com")
    assert done.code == 64
    assert done.err.endswith(f"; did you mean {NAME}? [bad_input]\n")
    assert json.loads((web.state / "state.json").read_text()) == after
    web.configure(certificates=web.config["certificates"][:1])
    assert web.run("apply", "other.example.com").code == 1
    assert web.known("other.example.com")["code"] == "not_configured"


def test_handlers_reload_by_name(web: Host) -> None:
    (web.state / "pending" / "web").touch()
    done = web.run("reload", "web")
    assert (done.code, done.err) == (0, "web was reloaded\n")
    assert web.pending() == []
    done = web.run("reload")
    assert done.code == 64
    assert done.err == "no services given; name some, or use --pending [bad_input]\n"
    web.service("web", reload=["/bin/false"])
    for noted, said in ((False, ""), (True, "; the next run tries again")):
        if noted:
            (web.state / "pending" / "web").touch()
        done = web.run("reload", "web")
        assert done.code == 1
        assert done.err == f"web cannot be reloaded: '/bin/false' failed (exit code 1){said} [reload_failed]\n"


# The state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"version": 99}',
        '{"version": 1, "certificates": [1], "clock": 3}',
        '{"version": 1, "certificates": {"x": {"live": "/", "services": 3}}}',
    ],
)
def test_a_state_that_cannot_be_read_is_made_anew(web: Host, content: str) -> None:
    web.hour()
    (web.state / "state.json").write_text(content)
    done = web.run("apply")
    assert done.code == 0
    assert ("it is rebuilt" in done.err) == (content[-1:] != "}" or "99" in content)
    assert web.known(NAME)["staple"] is not None
    assert web.reloads("web") == 1


def test_the_metrics_are_there_for_all(web: Host) -> None:
    web.hour()
    path = web.state / "metrics" / "ocsp_stapling.prom"
    assert path.stat().st_mode & 0o777 == 0o644
    assert f'ocsp_stapling_staple_in_place{{name="{NAME}"}} 1\n' in path.read_text()
    assert 'ocsp_stapling_last_run_exit_code{command="refresh"} 0\n' in path.read_text()


def test_changes_as_json(web: Host) -> None:
    web.run("refresh")
    assert json.loads(web.run("apply", "--json").out) == {"exit_code": 0, "changes": {NAME: "installed"}}
    assert json.loads(web.run("apply", "--json").out) == {"exit_code": 0, "changes": {}}


# The unprivileged user is not believed -------------------------------------------------------------


def claim(host: Host, name: str = NAME) -> None:
    """Have the record say that the responder's clock contradicts the host's."""
    path = host.responses / "refresh.json"
    record = json.loads(path.read_text())
    moment = host.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    record["run"]["started"] = moment
    record["certificates"][name].update(clock_implausible=True, looked=moment)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("pause", [0, 2, 5])
def test_a_claim_about_the_clock_ends_after_a_day(web: Host, pause: int) -> None:
    """With or without pauses, an ended staple is withdrawn, and it is an alarm as long as it is in place."""
    web.hour()
    web.down = True
    in_place = []
    for hour in range(10 * 24):
        web.later(HOUR)
        if not pause or hour % pause:
            claim(web)
        done = web.run("apply")
        in_place.append(web.staple(NAME) is not None)
        ended = web.now >= forge.NOW + 7 * DAY - HOUR
        if in_place[-1] and ended:
            assert done.code == 2
            assert "it stays in place, as the clock is in doubt [clock_implausible]" in done.err
    assert not any(in_place[7 * 24 :])
    assert "timedatectl" not in web.run("apply").err


def test_an_ended_staple_is_an_alarm_whatever_is_claimed(web: Host) -> None:
    web.hour()
    web.down = True
    web.later(7 * DAY)
    claim(web)
    done = web.run("apply")
    assert web.pieces(NAME) == ALL
    assert done.code == 2
    assert "it stays in place, as the clock is in doubt [clock_implausible]" in done.err
    web.later(DAY + HOUR)
    claim(web)
    done = web.run("apply")
    assert web.pieces(NAME) == []
    assert "expired" in done.err


def test_a_claim_about_the_clock_that_cannot_be_remembered_is_not_believed(
    web: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fills the disk, too, would have each run take it for a new one."""
    web.hour()
    web.down = True
    web.later(7 * DAY - HOUR)
    claim(web)
    monkeypatch.setattr(os, "write", _full_below(web.state))
    web.run("apply")
    assert web.pieces(NAME) == []


def _full_below(folder: Path, still: t.Callable[[], bool] = lambda: True) -> t.Callable[[int, bytes], int]:
    """A disk that is full below a folder."""
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(folder)) and still():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    return write


def test_what_cannot_be_read_says_nothing_about_the_clock(host: Host) -> None:
    """While the clock is in doubt all are looked at; one that cannot be read stops no other."""
    host.service("web")
    for name in ("a.example.com", "b.example.com"):
        host.deploy(name, ["web"])
    host.hour()
    broken = host.root / "live/a.example.com/ocsp.der"
    broken.unlink()
    broken.mkdir()
    host.later(DAY)
    host.run("refresh", "--force", "b.example.com")
    claim(host, "a.example.com")
    done = host.run("apply")
    assert done.code == 1
    assert "a.example.com: " in done.err
    assert host.staple("b.example.com") == (host.responses / "b.example.com.der").read_bytes()


@pytest.mark.parametrize("maker", [hosts.expired, hosts.forged, hosts.revoked, hosts.unknown, hosts.about_another])
def test_a_file_where_servers_read_it_reloads_them_once(host: Host, tmp_path: Path, maker: hosts.Maker) -> None:
    """Whatever its responder says later, and however long that stays so."""
    host.service("web")
    leaf = host.issue(NAME)
    certificate, path = tmp_path / "cert.pem", host.responses / "www.ocsp"
    certificate.write_bytes(leaf.pem + forge.world().issuer.pem)
    entry = {"name": NAME, "certificate_path": str(certificate), "path": str(path), "live": None, "services": ["web"]}
    host.configure(certificates=[entry])
    host.hour()
    assert host.reloads("web") == 1
    host.makers[NAME] = maker
    for _run in range(5):
        host.later(DAY)
        host.hour()
    assert host.reloads("web") == 1
    path.write_bytes(maker(leaf, host.now))
    for _run in range(5):
        host.later(HOUR)
        host.run("apply")
    assert host.reloads("web") == 1


# Deployments that did not end well ----------------------------------------------------------------


def note(web: Host, outcome: str, **values: t.Any) -> None:
    """Have a record as a deployment leaves it that meant another certificate than the one in place."""
    known = {"code": "unreachable", "message": "the responder is down", "fingerprint": "ab" * 32, "owner": "site.yml"}
    known["not_after"] = format_time(web.now + 90 * DAY) or ""
    live = web.root / "live" / NAME
    known["live"] = Path(os.readlink(live)).name if live.is_symlink() else ""
    path = web.state / "attempts" / f"{NAME}.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, {"version": 1, "time": format_time(web.now), "outcome": outcome, **known, **values})


def live_fingerprint(web: Host) -> str:
    chain = (web.root / "live" / NAME / "fullchain.pem").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(chain[: chain.index("-----END CERTIFICATE-----") + 26])).hexdigest()


def test_why_a_certificate_went_live_without_a_staple_is_said_at_once(web: Host) -> None:
    """By status, also before apply has run, by the journal, and until refresh has tried by itself."""
    web.hour()
    web.deploy(NAME, ["web"])
    note(web, "live_without_staple", fingerprint=live_fingerprint(web), message="cannot connect: refused")
    said = f"OCSP WARNING - {NAME}: no staple is in place; cannot connect: refused"
    assert web.run("status", "--nagios").out.startswith(said)
    assert json.loads(web.run("status", "--json").out)["certificates"][NAME]["reason"] == "unreachable"
    applied = web.run("apply")
    assert applied.err.splitlines()[0] == f"{NAME}: cannot connect: refused [unreachable]"
    assert web.run("status", "--nagios").out.startswith(said)
    web.down = True
    web.later(HOUR)
    web.run("refresh")
    own = web.run("status", "--nagios").out
    assert own.startswith(f"OCSP WARNING - {NAME}: no staple is in place; could not fetch a new response: ")
    assert "refused" not in own, "refresh has a reason of its own"
    web.down = False
    web.later(HOUR)
    assert [one.code for one in web.hour()] == [0, 0]
    assert not (web.state / "attempts" / f"{NAME}.json").exists()
    assert web.run("status", "--nagios").out.startswith("OCSP OK - ")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("held_back", "was held back"), ("refused", "was refused"), ("switched_back", "was switched back")],
)
def test_a_renewal_that_is_not_live_is_said_until_it_is(outcome: str, words: str, web: Host) -> None:
    web.hour()
    note(web, outcome)
    until, now = format_time(web.now + 90 * DAY) or "", format_time(web.now) or ""
    status = web.run("status", "--nagios")
    assert status.code == 1
    said = f"OCSP WARNING - {NAME}: a renewed certificate that is valid until {until[:10]}"
    assert status.out.startswith(said) and f"{words} at {now[:10]}" in status.out, status.out
    assert ": the responder is down; the certificate in place expires at " in status.out
    found = json.loads(web.run("status", "--json").out)["certificates"][NAME]
    assert (found["trouble"], found["reason"], found["status"]) == ("renewal_not_live", "unreachable", "good")
    assert found["deployment"]["outcome"] == outcome
    details = web.run("status", NAME).out
    assert f"deployment:    a renewed certificate that is valid until {until[:10]}" in details
    assert "tried by:      site.yml" in details
    applied = web.run("apply")
    assert applied.err.count(f"{NAME}: a renewed certificate that is valid until {until} {words} at {now}: ") == 1
    assert len(web.run("apply").err.splitlines()) == 1, "it is said once"
    metrics = (web.state / "metrics/ocsp_stapling.prom").read_text()
    assert f'ocsp_stapling_renewal_not_live{{name="{NAME}"}} 1' in metrics
    web.later(HOUR)
    web.deploy(NAME, ["web"])
    web.hour()
    assert web.run("status", "--nagios").out.startswith("OCSP OK - ")
    assert not (web.state / "attempts" / f"{NAME}.json").exists()


def test_a_renewal_is_overdue_when_the_certificate_in_place_is_about_to_end(web: Host) -> None:
    """By the share of the time for renewing it that counts for staples as well."""
    web.hour()
    note(web, "refused", fingerprint="", not_after=None, code="bad_input", message="its key does not match")
    known = web.known(NAME)["certificate"]
    due, ends = (datetime.fromisoformat(known[key].replace("Z", "+00:00")) for key in ("renew_at", "not_after"))
    said = []
    for share, level in ((0.79, 1), (0.81, 2), (0.82, 2), (1.01, 2)):
        web.now = (due + (ends - due) * share).replace(microsecond=0)
        said.append(web.hour()[1].err.count("the last deployment was refused"))
        status = web.run("status", "--nagios")
        assert status.code == level, status.out
        assert f"{NAME}: the last deployment was refused at " in status.out
        trouble = json.loads(web.run("status", "--json").out)["certificates"][NAME]["trouble"]
        assert trouble == ("renewal_overdue" if level == 2 else "renewal_not_live")
    assert said == [1, 1, 0, 0], "it is said again when it becomes urgent"


def test_a_renewal_that_had_expired_is_not_called_valid(web: Host) -> None:
    web.hour()
    note(web, "refused", code="bad_input", message="it expired", not_after=format_time(web.now - DAY))
    said = f"OCSP WARNING - {NAME}: a renewed certificate that expired at {format_time(web.now - DAY) or '':.10}"
    assert web.run("status", "--nagios").out.startswith(said)
    note(web, "refused", code="bad_input", message="why", not_after=None)
    assert web.run("status", "--nagios").out.startswith(f"OCSP WARNING - {NAME}: the last deployment was refused at ")


def test_why_a_certificate_was_never_deployed_is_said(web: Host) -> None:
    folder = web.root / "live" / NAME
    folder.unlink()
    note(web, "held_back")
    for _time in range(2):
        status = web.run("status", "--nagios")
        assert status.out.startswith(f"OCSP WARNING - {NAME}: it is not deployed: there is no {folder}; ")
        assert "; the certificate that is valid until " in status.out and ": the responder is down" in status.out
        assert json.loads(web.run("status", "--json").out)["certificates"][NAME]["reason"] == "unreachable"
        web.hour()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 2}', '{"version": 1, "time": 1, "outcome": []}'])
def test_a_record_of_a_deployment_that_cannot_be_read_is_none(content: str, web: Host) -> None:
    web.hour()
    path = web.state / "attempts" / f"{NAME}.json"
    path.parent.mkdir()
    path.write_text(content)
    assert web.run("status", "--nagios").out.startswith("OCSP OK - ")
    assert web.run("apply").code == 0
    assert not path.exists()


def test_a_failure_from_before_a_playbook_renewed_the_staple_is_told_no_more(host: Host) -> None:
    folder = host.deploy(NAME)
    host.down = True
    host.run("refresh")
    host.run("apply")
    assert host.known(NAME)["failures"] == 1
    host.later(HOUR)
    (folder / "ocsp.der").write_bytes(hosts.good(host.leaves[NAME], host.now))
    host.run("apply")
    shown = host.run("status", "--nagios")
    assert (shown.code, host.known(NAME)["failures"]) == (0, 0), shown.out
    # A later failure is one again.
    host.later(2 * DAY)
    host.run("refresh", "--force")
    assert host.run("status", "--nagios").code == 1
