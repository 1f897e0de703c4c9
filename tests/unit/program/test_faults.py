# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults: never an unusable staple in place, never a good one lost, and one clear sentence for who is on call.

With CERTOPS_FAULT_TABLE set to a path, the table of what was seen is written there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp.judge.response import judge
from ocsp.pki.certificate import Certificate, Target

NAME = "www.example.com"
ALL = ["combined.pem.ocsp", "nginx-staple.conf", "ocsp.der", "ocsp.der.expires"]

Fault = t.Callable[[Host], t.ContextManager[None]]


@pytest.fixture
def web(host: Host) -> Host:
    host.service("web")
    host.deploy(NAME, ["web"])
    return host


def usable(host: Host, name: str = NAME) -> bool:
    """Whether what is in place can be stapled now; nothing in place cannot be wrong."""
    staple = host.staple(name)
    if staple is None:
        return True
    target = Target(Certificate.from_der(host.leaves[name].der), Certificate.from_der(forge.world().issuer.der))
    return judge(staple, target, host.now).acceptable


def tell(fault: str, host: Host, codes: t.Tuple[int, int], said: str) -> None:
    """Note a line of the fault table."""
    path = os.environ.get("CERTOPS_FAULT_TABLE")
    if path:
        left = "the good staple" if host.staple(NAME) else "none"
        sentence = said.replace(str(host.home), "").replace("|", "/")
        with open(path, "a") as table:
            table.write(f"| {fault} | {left} | {codes[0]} / {codes[1]} | {sentence} |\n")


@contextlib.contextmanager
def answering(host: Host, **faults: t.Any) -> t.Iterator[None]:
    before = {name: getattr(host, name) for name in faults}
    for name, value in faults.items():
        setattr(host, name, value)
    yield
    for name, value in before.items():
        setattr(host, name, value)


@contextlib.contextmanager
def slow(host: Host) -> t.Iterator[None]:
    defaults = host.config["defaults"]
    host.configure(defaults={"retries": 0, "timeout": 0.5, "total_timeout": 1})
    with answering(host, slow=True):
        yield
    host.configure(defaults=defaults)


def with_maker(maker: hosts.Maker) -> Fault:
    return lambda host: answering(host, maker=maker)


#: What the responder does, the reason code of it, and words of what is said.
RESPONDERS: t.Dict[str, t.Tuple[Fault, str, str]] = {
    "responder down": (lambda host: answering(host, down=True), "unreachable", "closed the connection"),
    "responder slow": (slow, "timeout", "no answer within 0.5 seconds"),
    "responder lies: about another certificate": (with_maker(hosts.about_another), "wrong_certificate", "is not about"),
    "responder lies: signed by nobody": (with_maker(hosts.forged), "bad_signature", "is wrong"),
    "responder gives an old answer": (with_maker(hosts.expired), "expired", "ended"),
    "responder says unknown": (with_maker(hosts.unknown), "unknown_status", "does not know"),
    "responder says try later": (with_maker(hosts.try_later), "not_successful", "'try_later'"),
    "responder gives HTML": (
        lambda host: answering(host, maker=lambda _leaf, _now: b"<html>Please log in</html>", status="502 Bad Gateway"),
        "http_error",
        "502",
    ),
}


@pytest.mark.parametrize("fault", RESPONDERS)
def test_a_responder_that_fails_costs_nothing_while_there_is_a_good_staple(web: Host, fault: str) -> None:
    make, code, _words = RESPONDERS[fault]
    web.hour()
    staple = web.staple(NAME)
    with make(web):
        web.later(4 * DAY)
        refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (1, 0)
    assert web.staple(NAME) == staple
    assert usable(web)
    assert f"[{code}]\n" in refreshed.err
    assert web.known(NAME)["failure_code"] == code
    tell(f"{fault}, a good staple in place", web, (refreshed.code, applied.code), refreshed.err.splitlines()[0])


@pytest.mark.parametrize("fault", RESPONDERS)
def test_a_responder_that_fails_from_the_first_day_on_is_told(web: Host, fault: str) -> None:
    make, code, _words = RESPONDERS[fault]
    with make(web):
        refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert web.pieces(NAME) == []
    assert f"[{code}]\n" in refreshed.err
    tell(f"{fault}, none in place", web, (refreshed.code, applied.code), refreshed.err.splitlines()[0])


@pytest.mark.parametrize("fault", RESPONDERS)
def test_a_responder_that_fails_to_the_end_leaves_nothing_that_ended(web: Host, fault: str) -> None:
    make, code, _words = RESPONDERS[fault]
    web.hour()
    with make(web):
        for _hour in range(4):
            web.later(2 * DAY - HOUR)
            web.hour()
            assert usable(web)
    assert web.pieces(NAME) == []
    assert web.known(NAME)["failure_code"] == code


def test_revoked(web: Host) -> None:
    web.hour()
    with answering(web, maker=hosts.revoked):
        web.later(4 * DAY)
        refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert web.pieces(NAME) == []
    tell("certificate revoked", web, (refreshed.code, applied.code), applied.err.splitlines()[0])


def test_dns_is_dead(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    web.config["certificates"][0]["responder_urls"] = ["http://ocsp.example.com/"]
    web.configure()
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert "http://ocsp.example.com: Temporary failure in name resolution" in refreshed.err
    assert refreshed.err.splitlines()[0].endswith("[unreachable]")
    tell("DNS dead", web, (refreshed.code, applied.code), refreshed.err.splitlines()[0])


# Disks --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def failing_calls(monkeypatch: pytest.MonkeyPatch, name: str, number: int, below: Path) -> t.Iterator[None]:
    """Have a call of the system fail for files below a folder; descriptors count by where they lead."""
    real = getattr(os, name)

    def call(*arguments: t.Any, **options: t.Any) -> t.Any:
        path = arguments[0]
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if str(path).startswith(str(below)):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    with monkeypatch.context() as context:
        context.setattr(os, name, call)
        yield


@pytest.mark.parametrize("where", ["responses", "sets", "state"])
def test_a_disk_that_is_full(web: Host, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    web.hour()
    staple = web.staple(NAME)
    web.later(4 * DAY)
    below = {"responses": web.responses, "sets": web.root / "sets", "state": web.state}[where]
    with failing_calls(monkeypatch, "write", errno.ENOSPC, below):
        refreshed, applied = web.hour()
    assert usable(web)
    assert web.staple(NAME) is not None
    codes = {"responses": (74, 0), "sets": (0, 1), "state": (74, 74)}[where]
    assert (refreshed.code, applied.code) == codes
    assert "No space left on device" in refreshed.err + applied.err
    if where == "sets":
        shown = web.run("status", "--nagios")
        assert shown.code == 1 and shown.out.startswith(f"OCSP WARNING - {NAME}: cannot "), shown.out
        assert "No space left on device" in shown.out and "; the staple in place expires at " in shown.out
    if where == "state":
        # Metrics that say that all is well are not left, so that there is an alert.
        assert not (web.state / "metrics" / "ocsp_stapling.prom").exists()
    if where != "state":
        assert web.staple(NAME) == staple
    tell(
        f"disk full ({where})",
        web,
        codes,
        next(line for line in (refreshed.err + applied.err).splitlines() if "No space" in line),
    )
    # With space again, the next run completes it.
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.staple(NAME) != staple
    assert list(web.root.glob("sets/*/*/.*")) == []


def test_a_full_disk_keeps_no_staple_in_place_that_ends(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is room for no new file, which the other user can see to by having a million of its own."""
    web.hour()
    web.down = True
    web.later(7 * DAY - 2 * HOUR)
    monkeypatch.setattr(os, "write", _full)
    real = os.open

    def no_new_file(path: t.Any, flags: int, *arguments: t.Any, **options: t.Any) -> int:
        is_new = not os.path.lexists(path) if options.get("dir_fd") is None else True
        if flags & (os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY) and is_new:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", no_new_file)
    done = web.run("apply")
    assert web.pieces(NAME) == []
    assert web.reloads("web") == 2
    assert done.code == 74


def _full(*_arguments: t.Any) -> t.NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
def test_a_folder_that_may_not_be_written(web: Host) -> None:
    web.responses.chmod(0o555)
    assert web.run("refresh").code == 74
    web.responses.chmod(0o755)


def test_a_process_that_may_write_no_byte(web: Host) -> None:
    """The limit of the file size makes each write fail, as a full disk does, in a process of its own."""
    web.hour()
    staple = web.staple(NAME)
    web.later(4 * DAY)
    script = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv.pop(1)); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "from ocsp_stapling.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for command, code in (("refresh", 74), ("apply", 74)):
        done = subprocess.run(
            [sys.executable, "-c", script, str(web.library), *web.arguments(command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done
        assert "File too large" in done.stderr
        assert "Traceback" not in done.stderr
    assert web.staple(NAME) == staple
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0


# Clocks -------------------------------------------------------------------------------------------

JUMPS = {
    "clock years ahead": 3650 * DAY,
    "clock months ahead": 100 * DAY,
    "clock years back": -3650 * DAY,
    "clock days back": -3 * DAY,
}


@pytest.mark.parametrize("sends_date", [False, True])
@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_withdraws_nothing(web: Host, jump: str, sends_date: bool) -> None:
    web.hour()
    staple = web.staple(NAME)
    web.responder_now = web.now
    web.sends_date = sends_date
    web.later(JUMPS[jump])
    for _run in range(3):
        web.later(HOUR)
        web.responder_now += HOUR
        refreshed, applied = web.hour()
        assert web.staple(NAME) == staple
        assert applied.code >= 1
        assert "no staple is withdrawn because of the time. Check the time (timedatectl)" in applied.err
    said = next(line for line in applied.err.splitlines() if "timedatectl" in line)
    if not sends_date:
        tell(jump, web, (refreshed.code, applied.code), said)
    # The clock is right again, and all goes on.
    web.now = web.responder_now
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert usable(web)
    web.responder_now = None
    web.later(4 * DAY)
    assert [done.code for done in web.hour()] == [0, 0]
    assert web.staple(NAME) != staple


def test_a_clock_that_was_wrong_from_the_first_run_on_is_put_right(web: Host) -> None:
    right = web.now
    web.responder_now = right
    web.later(3650 * DAY)
    web.hour()
    web.now = right
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == ALL


def test_a_clock_that_is_right_although_nobody_says_so(web: Host) -> None:
    web.hour()
    web.down = True
    web.later(60 * DAY)
    assert web.run("apply").code == 2 or web.pieces(NAME) == ALL
    assert web.pieces(NAME) == ALL
    done = web.run("apply", "--trust-clock")
    assert done.code == 2
    assert web.pieces(NAME) == []
    assert "timedatectl" not in web.run("apply").err


OTHER = "other.example.com"


def made_now(leaf: forge.Entity, now: datetime) -> bytes:
    return hosts.good(leaf, now, age=timedelta(0))


def produced_now(leaf: forge.Entity, now: datetime) -> bytes:
    """A response that says what was so a day ago."""
    times = {"this_update": now - DAY, "next_update": now + 6 * DAY}
    return forge.response(forge.single(leaf, **times), produced_at=now)


def by_a_new_responder(leaf: forge.Entity, now: datetime) -> bytes:
    """A response of a responder whose certificate has just been issued."""
    times = {"this_update": now - DAY, "next_update": now + 6 * DAY}
    signer = forge.delegate(forge.world().issuer, not_before=now)
    return forge.response(forge.single(leaf, **times), produced_at=now - DAY, signer=signer)


def renewed(host: Host, maker: hosts.Maker = made_now, must_staple: bool = False) -> t.Dict[str, t.List[bytes]]:
    """Two certificates whose staples were renewed after a day. Returns the old and the new one of each."""
    host.service("web")
    host.deploy(NAME, ["web"])
    host.deploy(OTHER, ["web"], must_staple=must_staple)
    host.maker = maker
    host.hour()
    old = {name: host.staple(name) for name in (NAME, OTHER)}
    host.later(DAY)
    host.run("refresh", "--force")
    host.run("apply")
    staples = {name: [old[name] or b"", host.staple(name) or b""] for name in old}
    assert all(one and new and one != new for one, new in staples.values())
    host.down = True
    return staples


def put_back(host: Host, staples: t.Mapping[str, t.List[bytes]]) -> None:
    """Have the old response of one certificate be what refresh left."""
    (host.responses / f"{NAME}.der").write_bytes(staples[NAME][0])


def in_place(host: Host) -> t.Dict[str, t.Optional[bytes]]:
    return {name: host.staple(name) for name in (NAME, OTHER)}


def clock_of(host: Host) -> t.Dict[str, t.Any]:
    found = json.loads((host.state / "state.json").read_text())["clock"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("maker", [made_now, produced_now, by_a_new_responder])
@pytest.mark.parametrize("attacked", [False, True])
@pytest.mark.parametrize("must_staple", [False, True])
@pytest.mark.parametrize("behind", [2 * HOUR, 20 * HOUR])
def test_an_old_response_is_no_evidence_of_a_clock_that_is_behind(
    host: Host, behind: timedelta, must_staple: bool, attacked: bool, maker: hosts.Maker
) -> None:
    """Whoever rules refresh keeps the old ones, and waits for a start without a battery for the clock."""
    staples = renewed(host, maker, must_staple)
    new = {name: one for name, (_old, one) in staples.items()}
    latest = clock_of(host)["latest"]
    host.later(-behind)
    for _run in range(2):
        if attacked:
            put_back(host, staples)
        done = host.run("apply")
        assert done.code == 1
        assert "no staple is withdrawn because of the time. Check the time (timedatectl)" in done.err
        assert in_place(host) == new
        assert clock_of(host)["latest"] == latest and clock_of(host)["problem"]
        status = host.run("status")
        assert status.code == 1 and "this host's clock says" in status.out
        metrics = (host.state / "metrics/ocsp_stapling.prom").read_text()
        assert f'ocsp_stapling_staple_in_place{{name="{OTHER}"}} 1\n' in metrics
        assert 'ocsp_stapling_last_run_exit_code{command="apply"} 1\n' in metrics
    host.later(behind)
    assert host.run("apply").code == 0
    assert in_place(host) == new
    assert host.run("status", "--nagios").out.startswith("OCSP OK")


def no_claims(host: Host) -> None:
    """Have the record say that refresh has just run and found nothing wrong."""
    moment = host.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {"started": moment, "ended": moment, "exit_code": 0}
    hosts.write_json(host.responses / "refresh.json", {"version": 1, "run": run, "certificates": {}})


@pytest.mark.parametrize("had_one", [True, False])
@pytest.mark.parametrize("behind", [20 * HOUR, 3 * DAY, 20 * DAY])
def test_an_old_response_of_what_has_no_staple_is_no_evidence(host: Host, behind: timedelta, had_one: bool) -> None:
    """Neither of one that was withdrawn, nor of one that never had any; nor is an older one of those put in since."""
    host.service("web")
    host.deploy(NAME, ["web"])
    host.deploy(OTHER, ["web"])
    path = host.responses / f"{OTHER}.der"
    moments = [host.now - behind + HOUR, host.now - behind + 2 * HOUR]
    old = [hosts.good(host.leaves[OTHER], moment, life=8 * HOUR, age=timedelta(0)) for moment in moments]
    host.makers[OTHER] = lambda leaf, now: hosts.good(leaf, now, life=8 * HOUR, age=timedelta(0))
    if had_one:
        host.hour()
    else:
        host.run("refresh")
        path.unlink()
        host.run("apply")
    host.later(8 * HOUR)
    path.unlink(missing_ok=True)
    no_claims(host)
    host.run("apply")
    assert host.staple(OTHER) is None
    latest = clock_of(host)["latest"]
    for moment, response in zip(moments, old):
        host.now = moment + HOUR
        path.write_bytes(response)
        no_claims(host)
        done = host.run("apply")
        assert done.code == 1 and "no staple is withdrawn because of the time" in done.err
        assert clock_of(host)["latest"] == latest
        assert host.run("status", "--nagios").code == 1


def test_a_latest_time_before_all_others_is_none(host: Host) -> None:
    host.service("web")
    host.deploy(NAME, ["web"])
    host.hour()
    path = host.state / "state.json"
    state = json.loads(path.read_text())
    state["clock"]["latest"] = "0001-01-01T00:00:00Z"
    hosts.write_json(path, state)
    assert host.run("apply").code == 0
    assert clock_of(host)["latest"] == "2026-03-04T05:06:07Z"


def test_a_clock_that_is_put_right_while_apply_waits_withdraws_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while a play holds the lock, by whose end the clock was set."""
    from ocsp_stapling import dispatch
    from ocsp_stapling import host as world

    class Clock(datetime):
        ahead = 8 * DAY

        @classmethod
        def now(cls, tz: t.Any = None) -> datetime:
            return host.now + cls.ahead

    @contextlib.contextmanager
    def wait(*arguments: t.Any) -> t.Iterator[t.Any]:
        Clock.ahead = timedelta(0)
        with installation(*arguments) as one:
            yield one

    installation = dispatch._installation
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=True)
    host.hour()
    monkeypatch.setattr(world, "datetime", Clock)
    monkeypatch.setattr(dispatch, "_installation", wait)
    monkeypatch.setattr(dispatch, "parse_time", lambda _text, _name: None)
    assert host.run("apply").code == 0
    assert host.staple(NAME) is not None
    assert clock_of(host)["latest"] == "2026-03-04T05:06:07Z"


def test_a_clock_that_was_ahead_is_believed_again_once_all_are_renewed(host: Host) -> None:
    """All staples ended by it, so that nothing in place shows what is new."""
    host.service("web")
    host.deploy(NAME, ["web"])
    host.hour()
    host.later(20 * DAY)
    host.down = True
    host.hour()
    assert host.staple(NAME) is None
    host.later(HOUR - 20 * DAY)
    host.down = False
    host.hour()
    assert host.staple(NAME) is not None
    assert clock_of(host)["problem"] == ""
    assert host.run("status", "--nagios").out.startswith("OCSP OK")


def test_a_clock_that_is_set_back_by_a_little_again_and_again_is_doubted(host: Host) -> None:
    """Each time by what would be believed, so that a staple lasts for ever."""
    host.service("web")
    host.deploy(NAME, ["web"])
    host.hour()
    host.later(-timedelta(minutes=40))
    no_claims(host)
    assert host.run("apply").code == 0
    host.later(-timedelta(minutes=40))
    no_claims(host)
    done = host.run("apply")
    assert done.code == 1 and "is behind the 2026-03-04T05:06:07Z of an earlier run" in done.err


@pytest.mark.parametrize("boot", ["a" * 32, "b" * 32])
def test_a_clock_that_stands_still_is_doubted(host: Host, boot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how long the host has been up, which says nothing after a start."""
    from ocsp_stapling import clock
    from ocsp_stapling import host as world

    host.service("web")
    host.deploy(NAME, ["web"])
    codes = []
    for number in range(3):
        uptime = clock.Uptime(boot if number else "a" * 32, 7200.0 + 2400 * number)
        monkeypatch.setattr(world.Host, "uptime", lambda _host, found=uptime: found)
        codes.append([one.code for one in host.hour()][1])
    assert codes == [0, 0, 1 if boot == "a" * 32 else 0]
    said = "which should say 2026-03-04T06:26:07Z, by how long this host has been up since an earlier run"
    assert (said in clock_of(host)["problem"]) == (boot == "a" * 32)


def test_a_claim_by_a_clock_that_is_far_ahead_begins_no_new_day(host: Host) -> None:
    host.service("web")
    host.deploy(NAME, ["web"])
    host.hour()
    host.down = True
    host.later(8 * DAY)
    claims = []
    for _day in range(3):
        for ahead in (timedelta(0), 100 * DAY):
            host.later(ahead)
            no_claims(host)
            record = json.loads((host.responses / "refresh.json").read_text())
            record["certificates"][NAME] = {"clock_implausible": True, "looked": record["run"]["started"]}
            hosts.write_json(host.responses / "refresh.json", record)
            host.run("apply")
            claims.append(clock_of(host)["claimed"])
            host.later(-ahead)
        host.later(DAY + HOUR)
    assert set(claims) == {"2026-03-12T05:06:07Z"}
    assert host.staple(NAME) is None


def test_a_run_of_the_future_is_none(host: Host) -> None:
    """It would count as the last one until then, so that nobody were told that nothing runs."""
    host.service("web")
    host.deploy(NAME, ["web"])
    host.later(5 * DAY)
    host.hour()
    assert host.run("status", "--nagios").code == 0
    host.later(-5 * DAY)
    status = host.run("status")
    assert status.code == 1
    said = "last ran at 2026-03-09 05:06 UTC (in 5 days), by a clock that was ahead or is behind now; check the time"
    assert said in " ".join(status.out.split())
    host.run("refresh")
    assert "refresh last ran at 2026-03-04 05:06 UTC (now)" in " ".join(host.run("status").out.split())


@pytest.mark.parametrize("maker", [made_now, produced_now, by_a_new_responder])
@pytest.mark.parametrize("attacked", [False, True])
@pytest.mark.parametrize("minutes", [6, 20, 50, 60])
def test_a_clock_that_is_a_little_behind_changes_nothing(
    host: Host, minutes: int, attacked: bool, maker: hosts.Maker
) -> None:
    staples = renewed(host, maker, must_staple=True)
    new = {name: one for name, (_old, one) in staples.items()}
    host.down = False
    for back in (timedelta(minutes=-minutes), timedelta(0), HOUR):
        host.later(back)
        if attacked:
            put_back(host, staples)
        refreshed, applied = host.hour()
        assert (refreshed.code, applied.code) == (0, 0), (refreshed.err, applied.err)
        assert len(applied.err.splitlines()) == 1, applied.err
        assert in_place(host) == new
        assert host.run("status").code == 0


def test_what_a_playbook_put_in_place_shows_that_the_clock_is_behind(web: Host) -> None:
    """The state knows nothing of it, nor of a later time."""
    staple = made_now(web.leaves[NAME], web.now)
    web.put_staple(NAME, staple)
    web.later(-3 * HOUR)
    web.down = True
    status = web.run("status")
    assert status.code == 1 and "this host's clock says" in status.out, "before any run"
    done = web.run("apply")
    assert done.code == 1
    assert (
        "this host's clock says 2026-03-04T02:06:07Z, which is behind the thisUpdate of the response in place "
        f"(2026-03-04T05:06:07Z), that of {NAME}; no staple is withdrawn because of the time. Check the time"
    ) in done.err
    assert web.staple(NAME) == staple
    assert web.known(NAME)["code"] == "clock_implausible" and clock_of(web)["latest"] is None
    assert web.run("status").code == 1
    web.later(3 * HOUR)
    assert web.run("apply").code == 0
    assert clock_of(web)["problem"] == "" and web.run("status").code == 0


@pytest.mark.parametrize("minutes", [20, 180])
def test_whoever_knows_that_the_clock_is_right_has_staples_of_the_future_withdrawn(host: Host, minutes: int) -> None:
    staples = renewed(host)
    host.later(timedelta(minutes=-minutes))
    put_back(host, staples)
    done = host.run("apply", "--trust-clock")
    assert done.code == 2
    assert in_place(host) == {NAME: staples[NAME][0], OTHER: None}
    assert clock_of(host)["problem"] == ""
    # The responder's clock, which was ahead, is right now, too.
    host.down = False
    host.later(HOUR)
    host.run("refresh", "--force")
    assert host.run("apply").code == 0
    assert usable(host, NAME) and usable(host, OTHER) and host.staple(OTHER) is not None


@pytest.mark.parametrize("must_staple", [False, True])
def test_a_response_from_clocks_that_were_a_year_ahead_does_not_stay(host: Host, must_staple: bool) -> None:
    """Those of the host and of its responder, until both are set right."""
    host.service("web")
    host.deploy(NAME, ["web"], must_staple=must_staple, not_after=host.now + 800 * DAY)
    host.later(365 * DAY)
    host.hour()
    ahead = host.staple(NAME)
    assert ahead is not None
    host.later(-365 * DAY)
    assert host.run("apply").code == 1, "there is no evidence yet"
    assert host.staple(NAME) == ahead
    assert [done.code for done in host.hour()] == [0, 0]
    assert host.staple(NAME) not in (None, ahead) and usable(host)
    assert host.run("status", "--nagios").out.startswith("OCSP OK")


def test_nothing_older_comes_while_the_clock_is_in_doubt_by_years(host: Host) -> None:
    """By another response that is as old as the clock says, which is known already."""
    staples = renewed(host)
    host.later(-100 * DAY)
    (host.responses / f"{NAME}.der").write_bytes(staples[OTHER][0])
    assert host.run("apply").code == 1
    assert in_place(host) == {name: new for name, (_old, new) in staples.items()}


@AS_ROOT
def test_the_staple_of_a_user_has_no_clock_doubted(web: Host) -> None:
    """A user may have a CA of its own, whose responses say any time."""
    web.hour()
    folder = web.home / "evil"
    folder.mkdir()
    certificate = folder / "cert.pem"
    certificate.write_bytes(web.issue("evil.test").pem + forge.world().issuer.pem)
    os.chown(certificate, 61234, 61234)
    live = web.root / "live/evil.test"
    live.mkdir()
    web.config["certificates"].append({"name": "evil.test", "certificate_path": str(certificate), "services": ["web"]})
    web.configure()
    web.hour()
    ahead = hosts.good(web.leaves["evil.test"], web.now + 20 * DAY)
    (live / "ocsp.der").write_bytes(ahead)
    done = web.run("apply")
    assert done.code == 0, done.err
    assert web.known("evil.test")["code"] == "clock_implausible"
    assert clock_of(web)["problem"] == ""
    assert web.staple(NAME) is not None


def test_a_staple_that_expired_on_disk(web: Host) -> None:
    """The host was off for a week, and its responder is down."""
    web.hour()
    web.down = True
    web.later(8 * DAY)
    refreshed, applied = web.hour()
    assert (refreshed.code, applied.code) == (2, 2)
    assert web.pieces(NAME) == []
    tell("expired on disk", web, (refreshed.code, applied.code), applied.err.splitlines()[0])


# Kills --------------------------------------------------------------------------------------------

#: Forks a child for each line of input, which runs a command, and says its number.
_ZYGOTE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ocsp.fetch import bulk, ladder, refresh, report, transport
from ocsp_stapling.cli import main
from ocsp_stapling.commands import apply, refresh
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        try:
            code = main(line.rstrip("\\n").split("\\t"))
        except SystemExit as ended:
            code = ended.code
        os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Zygote:
    """Starts commands within a millisecond, so that a kill hits their work and not their start."""

    def __init__(self, library: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ZYGOTE, str(library)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, arguments: t.Sequence[str], kill_after: t.Optional[float] = None) -> t.Tuple[float, bool]:
        """Run a command. Returns how long it took, and whether it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        began = time.monotonic()
        self._process.stdin.write("\t".join(arguments) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = int(self._process.stdout.readline())
        return time.monotonic() - began, os.WIFSIGNALED(status)

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def zygote(library: Path) -> t.Iterator[Zygote]:
    one = Zygote(library)
    yield one
    one.close()


def survived(host: Host) -> None:
    """What servers demand of the folder at any moment."""
    there = host.pieces(NAME)
    assert usable(host)
    if "nginx-staple.conf" in there or "combined.pem.ocsp" in there:
        assert "ocsp.der" in there
    if "ocsp.der.expires" in there and "ocsp.der" in there:
        ends = int((host.root / "live" / NAME / "ocsp.der.expires").read_text())
        assert ends > host.now.timestamp()


def test_killed_at_100_random_moments(web: Host, zygote: Zygote) -> None:
    chance = random.Random(7)
    lengths: t.Dict[str, float] = {}
    for command in ("refresh", "apply"):
        zygote.run(web.arguments(command))
        web.later(HOUR)
    kills = 0
    for _round in range(400):
        if kills >= 100:
            break
        # An hour, as by the timer, or as long as the staple in place lasts anyway.
        ends = (web.known(NAME)["staple"] or {}).get("effective_expiry")
        left = datetime.fromisoformat(ends.replace("Z", "+00:00")) - web.now if ends else timedelta(0)
        web.later(HOUR if chance.random() < 0.5 or left < 80 * HOUR else 77 * HOUR)
        web.down = chance.random() < 0.2
        for command in ("refresh", "apply"):
            length = lengths.get(command, 0.1)
            took, killed = zygote.run(web.arguments(command), chance.uniform(0, length))
            lengths[command] = max(0.02, 0.9 * length) if killed else took
            kills += killed
            survived(web)
            if command == "apply" and killed:
                # What the killed run changed has been noted, so that its server is told by the next one.
                before = web.reloads("web")
                changed = bool(web.pending())
                zygote.run(web.arguments("apply"))
                assert web.pending() == []
                assert web.reloads("web") > before or not changed
                survived(web)
    assert kills >= 100
    web.down = False
    web.later(HOUR)
    refreshed, applied = web.run("refresh", "--force"), web.run("apply")
    assert (refreshed.code, applied.code) == (0, 0)
    assert web.pieces(NAME) == ALL
    leftovers = [path.name for path in (*web.responses.iterdir(), *web.state.iterdir()) if path.name.startswith(".")]
    assert leftovers == [".installation.lock"]
    tell("kill -9 at 100 random moments", web, (refreshed.code, applied.code), "nothing; the next run completes it")


# Two at once --------------------------------------------------------------------------------------


def test_the_second_of_two_runs_waits(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    web.configure(defaults={"retries": 0, "timeout": 30})
    web.slow = True
    with web.start("refresh") as first:
        while web.requests == 0:
            time.sleep(0.01)
        web.slow = False
        with monkeypatch.context() as context:
            context.setattr("ocsp_stapling.dispatch._PATIENCE", 0.1)
            done = web.run("refresh")
        assert done.code == 75
        assert (
            done.err.startswith("another process has held the lock ")
            and f", so {web.responses} was not changed" in done.err
        )
        first.terminate()
        first.communicate(timeout=30)
    assert web.run("refresh").code == 0


def test_sigterm_ends_cleanly(web: Host) -> None:
    names = [f"{number}.example.com" for number in range(4)]
    for name in names:
        web.deploy(name)
    web.configure(workers=1, defaults={"retries": 0, "timeout": 30})
    stuck = names[-1]
    released = threading.Event()

    def hang(_leaf: forge.Entity, _now: datetime) -> bytes:
        released.wait(30)
        return b""

    web.makers[stuck] = hang
    with web.start("refresh") as process:
        while web.requests < 5:
            time.sleep(0.01)
        process.terminate()
        _output, errors = process.communicate(timeout=20)
    released.set()
    assert process.returncode == -signal.SIGTERM
    assert errors.endswith("refresh was terminated by a signal\n")
    assert "Traceback" not in errors
    # What it had done is remembered: only the one that it was at is asked again.
    web.makers = {}
    before = web.requests
    assert web.run("refresh").code == 0
    assert web.requests == before + 1


def test_a_playbook_at_work_is_waited_for(web: Host, library: Path) -> None:
    web.hour()
    web.later(4 * DAY)
    web.run("refresh")
    staple = web.staple(NAME)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from ocsp.store import sets\n"
        "from ocsp.services import control, installation\n"
        "layout = sets.Layout(sys.argv[2], sys.argv[3])\n"
        "with installation.Installation(layout, control.Services({}, None)):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(library), str(web.root), str(web.state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as playbook:
        assert playbook.stdout is not None
        assert playbook.stdout.readline() == "held\n"
        with pytest.MonkeyPatch.context() as context:
            context.setattr("ocsp_stapling.dispatch._PATIENCE", 0.1)
            for command in (["apply"], ["reload", "web"]):
                done = web.run(*command)
                assert done.code == 75 and "another process has held the lock " in done.err
        assert web.staple(NAME) == staple
        assert web.known(NAME)["staple"] is not None
        playbook.communicate()
    assert web.run("apply").code == 0
    assert web.staple(NAME) != staple
