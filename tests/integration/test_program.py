# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program under systemd, as the role installs it: its timer, its sandboxes, its reloads and its journal."""

from __future__ import annotations

import json
import re
import time
import typing as t

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import MOSTLY_NEWEST, ROOT, UNITS, is_stapled, reloads, serve_by_exim, serve_by_nginx, wait_for_idle

Play = t.Callable[..., Result]

WEB = ("one.example.com", "two.example.com")
MAIL = "mx.example.com"
STATE = "/var/lib/ocsp-stapling"


@pytest.fixture(scope="module")
def hosts(lab: lab_tool.Lab) -> t.Iterator[t.Dict[str, lab_tool.Host]]:
    """The hosts that the tests of this file share, by release."""
    found: t.Dict[str, lab_tool.Host] = {}
    yield found
    for one in found.values():
        lab.remove(one)


@pytest.fixture(params=MOSTLY_NEWEST)
def host(
    request: pytest.FixtureRequest,
    hosts: t.Dict[str, lab_tool.Host],
    lab: lab_tool.Lab,
    play: Play,
    lab_pki: pki_tool.Pki,
) -> t.Iterator[lab_tool.Host]:
    """A host that serves some names by nginx and Exim, set up when it is first asked for."""
    suite = request.param
    with lab.responder(lab_pki.home):
        if suite not in hosts:
            hosts[suite] = lab.add(f"p-{suite}", ("nginx", "exim4"), suite)
            web = (*WEB, doomed(suite))
            for name in (*web, MAIL):
                lab_pki.issue(name)
            certificates = {
                "web": {"domains": web, "reload": ["nginx"]},
                "mail": {"domains": [MAIL], "reload": ["exim"], "key_group": "Debian-exim", "key_mode": "0440"},
            }
            done = play(hosts[suite], certificates=certificates, source=lab_pki.home, responder_wait=0)
            assert done.rc == 0, done.output
            serve_by_nginx(hosts[suite], *web)
            serve_by_exim(hosts[suite])
        wait_for_idle(hosts[suite])
        yield hosts[suite]
        restore(hosts[suite])


def doomed(suite: str) -> str:
    """The certificate that will be revoked."""
    return f"{suite}.example.com"


def restore(host: lab_tool.Host) -> None:
    """Take back what a test has changed of the units."""
    host.run("sh", "-c", "rm -rf /etc/systemd/system/ocsp-stapling*.d; systemctl daemon-reload; systemctl reset-failed")
    host.run("systemctl", "restart", "ocsp-stapling.timer")


def start(host: lab_tool.Host, unit: str = UNITS[0]) -> None:
    """Start a unit, and wait until those that it wants have ended, too."""
    host.run("systemctl", "start", unit, check=False)
    wait_for_idle(host)


def events(host: lab_tool.Host, *match: str) -> list[dict[str, str]]:
    """Entries of the journal with these fields, oldest first."""
    lines = host.run("journalctl", "-o", "json", "--no-pager", "SYSLOG_IDENTIFIER=ocsp-stapling", *match)
    return [json.loads(line) for line in lines.splitlines()]


def drop_in(host: lab_tool.Host, unit: str, *lines: str) -> None:
    """Change a unit for the rest of the test."""
    text = "[Timer]" if unit.endswith(".timer") else "[Service]"
    host.write(f"/etc/systemd/system/{unit}.d/test.conf", "\n".join([text, *lines, ""]))
    host.run("systemctl", "daemon-reload")


def try_in(host: lab_tool.Host, unit: str, command: str) -> bool:
    """Whether a command of the shell succeeds in the place of a unit's own."""
    # The unit may be at work still: the one before it wants it.
    wait_for_idle(host)
    drop_in(host, unit, "SuccessExitStatus=", "ExecStart=", f"ExecStart=/bin/sh -c '{command}'")
    host.run("systemctl", "start", unit, check=False)
    well = host.run("systemctl", "show", "-P", "Result", unit).strip() == "success"
    host.run("rm", "-r", f"/etc/systemd/system/{unit}.d")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reset-failed", check=False)
    return well


def attempted(host: lab_tool.Host, name: str) -> str:
    """When a responder was last asked about a certificate."""
    known = json.loads(host.read(f"{STATE}/responses/refresh.json"))["certificates"][name]
    return str(known["attempted"])


def test_a_change_reaches_its_service_alone(host: lab_tool.Host, lab: lab_tool.Lab, lab_pki: pki_tool.Pki) -> None:
    before = {unit: reloads(host, unit) for unit in ("nginx", "exim4")}
    host.run("ocsp-stapling", "refresh", "--force", "one.example.com")
    assert host.run("stat", "-c", "%U", f"{STATE}/responses/one.example.com.der").strip() == "ocsp-stapling"
    start(host)
    assert {unit: reloads(host, unit) for unit in before} == {**before, "nginx": before["nginx"] + 1}
    assert is_stapled(lab.look(host, "one.example.com"), lab_pki.leaf("one.example.com"))
    (installed,) = events(host, "OCSP_EVENT=installed", "OCSP_CERTIFICATE=one.example.com")[-1:]
    assert installed["PRIORITY"] == "6"
    assert installed["_SYSTEMD_UNIT"] == UNITS[1]
    assert installed["MESSAGE"].startswith("one.example.com: a staple that is good until ")
    assert events(host, "OCSP_EVENT=reloaded")[-1]["OCSP_SERVICE"] == "nginx"

    # Exim reads the file for each connection.
    host.run("ocsp-stapling", "refresh", "--force", "mx.example.com")
    start(host)
    assert {unit: reloads(host, unit) for unit in before} == {**before, "nginx": before["nginx"] + 1}
    assert is_stapled(lab.look(host, "mx.example.com", 25, "smtp"), lab_pki.leaf("mx.example.com"))

    # Nothing new: one line of each command, and nobody is told.
    count = len(events(host))
    start(host)
    assert [entry["OCSP_EVENT"] for entry in events(host)[count:]] == ["run", "run"]
    assert {unit: reloads(host, unit) for unit in before} == {**before, "nginx": before["nginx"] + 1}
    assert host.run("systemctl", "is-system-running").strip() == "running"


def test_the_timer_fires_and_persists(host: lab_tool.Host) -> None:
    shown = host.run("systemctl", "show", "-p", "Persistent", "-p", "NextElapseUSecRealtime", "ocsp-stapling.timer")
    assert "Persistent=yes" in shown
    assert re.search(r"NextElapseUSecRealtime=\S", shown)
    count = len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={UNITS[1]}"))
    drop_in(host, "ocsp-stapling.timer", "OnCalendar=", "OnCalendar=*:*:0/2", "RandomizedDelaySec=0", "AccuracySec=1ms")
    host.run("systemctl", "restart", "ocsp-stapling.timer")
    for _attempt in range(600):
        if len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={UNITS[1]}")) >= count + 3:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(host.run("systemctl", "list-timers", "--all"))
    host.run("systemctl", "stop", "ocsp-stapling.timer")


def test_what_would_end_before_the_next_run_is_not_left_in_place(host: lab_tool.Host) -> None:
    """However the timer was changed, apply asks systemd when it will start the next run."""
    staple = f"{ROOT}/live/one.example.com/ocsp.der"
    drop_in(host, "ocsp-stapling.timer", "OnCalendar=", "OnCalendar=2099-01-01")
    host.run("systemctl", "restart", "ocsp-stapling.timer")
    start(host)
    assert not host.has(staple)
    assert events(host, "OCSP_EVENT=withdrawn")[-1]["OCSP_CODE"] == "expiring"
    # refresh may not ask it, and asks the responder in the last two runs.
    since = attempted(host, "one.example.com")
    host.run("sleep", "1")  # it is in whole seconds
    start(host)
    assert attempted(host, "one.example.com") > since
    restore(host)
    start(host)
    assert host.has(staple)


#: How exposed each unit may be, as systemd-analyze counts: reload runs commands of servers, and is for that alone.
EXPOSURES = {"ocsp-stapling.service": 1.1, "ocsp-stapling-apply.service": 1.2, "ocsp-stapling-reload.service": 7.4}


@pytest.mark.parametrize("unit", EXPOSURES)
def test_no_unit_may_do_more_than_it_did(host: lab_tool.Host, unit: str) -> None:
    shown = host.run("systemd-analyze", "security", "--no-pager", unit)
    exposure = re.search(r"exposure level for \S+: (\d+\.\d)", shown)
    assert exposure and float(exposure.group(1)) <= EXPOSURES[unit], shown


#: What refresh needs, the port of Apache's responder by default, and one that any user may have.
SOCKETS = (("SOCK_DGRAM", 0), ("SOCK_STREAM", 488), ("SOCK_STREAM", 2562))


def test_the_sandboxes_hold(host: lab_tool.Host) -> None:
    key = f"{ROOT}/live/one.example.com/privkey.pem"
    refresh, apply = UNITS[:2]
    assert try_in(host, refresh, "true")
    assert try_in(host, refresh, f"touch {STATE}/responses/x && rm {STATE}/responses/x")
    denied = [f"cat {key}", f"touch {ROOT}/x", f"touch {STATE}/x", "touch /usr/x", "kill -0 1", "unshare -r true"]
    denied += [f"touch {folder}/x" for folder in ("/run", "/run/lock", "/dev/shm", "/dev/mqueue")]
    denied += ["systemctl show", "busctl list", "loginctl enable-linger"]
    assert not try_in(host, refresh, " || ".join(denied)), denied
    assert try_in(host, apply, f"touch {ROOT}/sets/x {STATE}/x && rm {ROOT}/sets/x {STATE}/x")
    denied = [f"touch {STATE}/responses/x", f"touch {ROOT}/config.json", "touch /etc/x", "mount -t tmpfs x /mnt"]
    assert not try_in(host, apply, " || ".join(denied)), denied
    connect = "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)"
    assert try_in(host, refresh, f'/usr/bin/python3 -c "{connect}"')
    assert not try_in(host, apply, f'/usr/bin/python3 -c "{connect}"')
    # Redirects are kept from this host by what may be bound (UDP); what it must not do is to listen where servers do.
    bind = "import socket; socket.socket(socket.AF_INET, socket.{}).bind((str(), {}))"
    bound = [try_in(host, refresh, f'/usr/bin/python3 -c "{bind.format(*one)}"') for one in SOCKETS]
    # systemd of Debian 12 is built without what denies it; a port below 1024 is not for refresh either way.
    is_open = "+BPF_FRAMEWORK" not in host.run("systemctl", "--version")
    assert bound == [True, False, is_open]


def test_who_fills_tmp_keeps_no_staple_in_place(host: lab_tool.Host) -> None:
    """Any user may make files there until no folder of systemd's can be made any more."""
    _refresh, apply, _reload, deploy = UNITS
    drop_in(host, deploy, "ExecStart=", "ExecStart=/bin/true", "[Unit]", "ConditionDirectoryNotEmpty=")
    since = len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={apply}"))
    host.run("ocsp-stapling", "refresh", "--force", "one.example.com")
    before = host.run("stat", "-L", "-c", "%i", f"{ROOT}/live/one.example.com/ocsp.der"), reloads(host, "nginx")
    host.run("mount", "-t", "tmpfs", "-o", "nr_inodes=2,mode=1777", "full", "/tmp")
    try:
        host.run("touch", "/tmp/x")
        assert "No space left" in host.run("sh", "-c", "touch /tmp/y 2>&1; true")
        start(host)
    finally:
        host.run("umount", "/tmp")
    assert host.run("systemctl", "show", "-P", "Result", deploy).strip() == "success"
    assert host.run("systemctl", "show", "-P", "ExecMainStatus", deploy).strip() == "0"
    assert len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={apply}")) == since + 1
    after = host.run("stat", "-L", "-c", "%i", f"{ROOT}/live/one.example.com/ocsp.der"), reloads(host, "nginx")
    assert after[0] != before[0] and after[1] == before[1] + 1


FAILURES = {
    "killed": ["ExecStart=", 'ExecStart=/bin/sh -c "kill -9 $$$$"'],
    "too slow": ["TimeoutStartSec=1", "ExecStart=", "ExecStart=/bin/sleep 1000"],
    "not started": ["ReadWritePaths=/nonexistent"],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_apply_runs_whatever_becomes_of_refresh(host: lab_tool.Host, failure: str) -> None:
    count = len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={UNITS[1]}"))
    drop_in(host, UNITS[0], *FAILURES[failure])
    start(host)
    assert host.run("systemctl", "show", "-P", "Result", UNITS[0]).strip() != "success"
    assert len(events(host, "OCSP_EVENT=run", f"_SYSTEMD_UNIT={UNITS[1]}")) == count + 1


def test_what_a_killed_apply_left_is_reloaded_by_the_next_run(host: lab_tool.Host) -> None:
    before = reloads(host, "nginx")
    host.run("touch", f"{STATE}/pending/nginx")
    start(host)
    assert reloads(host, "nginx") == before + 1
    assert host.run("ls", f"{STATE}/pending") == ""


def test_a_configuration_that_somebody_broke_is_not_loaded(host: lab_tool.Host, lab: lab_tool.Lab) -> None:
    host.write("/etc/nginx/conf.d/broken.conf", "unknown_directive;\n")
    host.run("ocsp-stapling", "refresh", "--force", "two.example.com")
    start(host)
    (entry,) = events(host, "OCSP_CODE=reload_failed")[-1:]
    assert "unknown directive" in entry["MESSAGE"]
    assert entry["PRIORITY"] == "3"
    assert lab.look(host, "two.example.com")[2] == "good"
    assert "nginx has not been reloaded" in host.run("ocsp-stapling", "status", check=False)
    host.run("rm", "/etc/nginx/conf.d/broken.conf")
    before = reloads(host, "nginx")
    start(host)
    assert reloads(host, "nginx") == before + 1
    assert "nginx has not been reloaded" not in host.run("ocsp-stapling", "status", check=False)


def test_a_staple_that_a_server_rejects_is_taken_back(host: lab_tool.Host, lab: lab_tool.Lab) -> None:
    """The sandbox of apply has no server tested, so that the unit that reloads them does it."""
    name = "one.example.com"
    staple, known = f"{ROOT}/live/{name}/ocsp.der", "/opt/known.der"
    host.run("cp", staple, known)
    host.write("/opt/picky", f"#!/bin/sh\ncmp -s {staple} {known} || {{ echo unfit; exit 1; }}\n")
    host.run("chmod", "755", "/opt/picky")
    host.write(f"{ROOT}/conf.d/picky.json", json.dumps({"services": {"nginx": {"test": ["/opt/picky"]}}}))
    host.run("ocsp-stapling", "refresh", "--force", name)
    start(host)
    host.run("cmp", staple, known)
    (told,) = events(host, "OCSP_CODE=unfit_for_server")
    assert "nginx rejects its configuration with the new response, so the previous one was put back" in told["MESSAGE"]
    status = host.run("ocsp-stapling", "status", check=False)
    assert f"{name}: " in status and "nginx rejects its configuration with the new response" in status, status
    before = reloads(host, "nginx")
    start(host)
    host.run("cmp", staple, known)
    assert reloads(host, "nginx") == before and len(events(host, "OCSP_CODE=unfit_for_server")) == 1
    host.run("rm", f"{ROOT}/conf.d/picky.json")
    host.run("ocsp-stapling", "refresh", "--force", name)
    start(host)
    assert host.run("sha256sum", staple).split()[0] != host.run("sha256sum", known).split()[0]
    assert lab.look(host, name)[2] == "good"
    assert "rejects" not in host.run("ocsp-stapling", "status", check=False)


def test_a_revoked_certificate_loses_its_staple(host: lab_tool.Host, lab: lab_tool.Lab, lab_pki: pki_tool.Pki) -> None:
    name = doomed(host.name.partition("-")[2])
    lab_pki.revoke(name)
    host.run("ocsp-stapling", "refresh", "--force", check=False)
    start(host)
    # nginx comes back from a reload before its new workers have taken over.
    shown = [lab.look(host, name)]
    while shown[-1][1:] != ("", "") and len(shown) < 100:
        shown.append(lab.look(host, name))
    assert shown[-1][1:] == ("", ""), host.run("journalctl", "-u", "ocsp-stapling*", "-n", "40")
    assert lab.look(host, "one.example.com")[2] == "good"
    (entry,) = events(host, "OCSP_EVENT=withdrawn", "OCSP_CODE=revoked")[-1:]
    assert entry["OCSP_CERTIFICATE"] == name
    assert entry["PRIORITY"] == "2"


def test_a_host_that_was_off_for_long_withdraws_what_ended_at_its_start(host: lab_tool.Host) -> None:
    """The timer wants one run of apply when it is started, before any random delay."""
    folder = f"{ROOT}/live/one.example.com"
    staple = host.run("sh", "-c", f"base64 -w0 < {folder}/ocsp.der")
    host.run("sh", "-c", f"rm {STATE}/responses/*.der; rm {folder}/fullchain.pem")
    host.run("systemctl", "restart", "ocsp-stapling.timer")
    wait_for_idle(host)
    assert staple
    assert not host.has(f"{folder}/ocsp.der")
