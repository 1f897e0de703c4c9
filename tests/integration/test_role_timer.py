# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role and the timer on one host: nothing is done twice, and nothing that is live is forgotten."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import ROOT, UNITS, is_stapled, names_of, reloads, serve_by_nginx, wait_for_idle

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]

#: The services by what the role calls them, with their units.
SERVICES = {"nginx": "nginx", "dovecot": "dovecot", "exim": "exim4"}


def all_reloads(host: lab_tool.Host) -> dict[str, int]:
    """How often each service was reloaded."""
    return {service: reloads(host, unit) for service, unit in SERVICES.items()}


def requests(pki: pki_tool.Pki) -> int:
    """How often the responder was asked so far."""
    log = pki.home / "requests.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_first_deployment_is_told_and_fetched_once(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """One request for each certificate and one reload of each server, with the first run of the timer after it."""
    host = add_host("first", "nginx", "dovecot", "exim4")
    names = ("once.example.com", "twice.example.com")
    for name in names:
        lab_pki.issue(name, key="ec")
    group = {"domains": names, "reload": list(SERVICES), "key_group": "Debian-exim", "key_mode": "0440"}
    before = requests(lab_pki)
    with lab.responder(lab_pki.home):
        done = play(host, certificates={"all": group}, source=lab_pki.home, responder_wait=0)
        assert done.rc == 0, done.output
        wait_for_idle(host)
        assert requests(lab_pki) - before == len(names)
        told = all_reloads(host)
        host.run("systemctl", "start", UNITS[0])
        wait_for_idle(host)
    journal = host.run("journalctl", "-u", "ocsp-stapling*", "-o", "cat", "--no-pager")
    assert requests(lab_pki) - before == len(names), journal
    assert told == dict.fromkeys(SERVICES, 1) and all_reloads(host) == told, (told, all_reloads(host), journal)


def test_what_was_taken_out_before_the_program_saw_it_is_looked_after(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Somebody removed the configuration of one of two owners: what nginx serves does not end in its hands.

    The program, which learns of the first one from the disk alone, has not run before.
    """
    host = add_host("forgotten", "nginx")
    kept, taken = (lab_pki.issue(f"{name}.example.com", key="ec") for name in ("kept", "taken"))
    drop_ins = [f"/etc/systemd/system/{unit}.d" for unit in UNITS[:2]]
    for folder in drop_ins:
        host.write(f"{folder}/never.conf", "[Unit]\nConditionPathExists=/nonexistent\n")
    with lab.responder(lab_pki.home):
        for leaf in (taken, kept):
            group = {"domains": [leaf.name], "reload": ["nginx"]}
            done = play(host, certificates={"web": group}, source=lab_pki.home, responder_wait=0, owner=leaf.name)
            assert done.rc == 0, done.output
    host.run("rm", f"{ROOT}/parts/{taken.name}.json")
    host.run("rm", "-r", *drop_ins)
    host.run("systemctl", "daemon-reload")
    assert names_of(host, f"{ROOT}/live") == [kept.name, taken.name]
    serve_by_nginx(host, kept.name, taken.name)
    assert is_stapled(lab.look(host, taken.name), taken)
    end = datetime.strptime(lab.staple_time(host, taken.name), "%Y%m%d%H%M%S") + timedelta(days=7)
    host.run("ocsp-stapling", "apply", "--now", f"{end - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}", check=False)
    assert not host.has(f"{ROOT}/live/{taken.name}/ocsp.der")
    assert host.has(f"{ROOT}/live/{taken.name}/fullchain.pem")
    # nginx comes back from a reload before its new workers have taken over.
    shown = [lab.look(host, taken.name)]
    while shown[-1][1:] != ("", "") and len(shown) < 50:
        shown.append(lab.look(host, taken.name))
    assert shown[-1][1:] == ("", "")
    assert taken.name in host.run("ocsp-stapling", "status", check=False)


@pytest.mark.parametrize(
    ("minutes", "timer", "stapled"),
    [
        pytest.param(30, "*:0/5", True, marks=pytest.mark.nightly),
        pytest.param(90, "*:0/5", True, marks=pytest.mark.nightly),
        # The first run may be an hour and a half away: the hour, and the delay of the host.
        pytest.param(120, "hourly", True, marks=pytest.mark.nightly),
        (30, "hourly", False),
    ],
)
def test_responses_that_are_valid_for_minutes(
    lab: lab_tool.Lab,
    host: lab_tool.Host,
    play: Play,
    lab_pki: pki_tool.Pki,
    minutes: int,
    timer: str,
    stapled: bool,
) -> None:
    """What the play says is true when the program has run after it, and a second play changes nothing."""
    leaf = lab_pki.issue(f"brief-{minutes}-{len(timer)}.example.com", key="ec")
    options = {"certificates": {"web": {"domains": [leaf.name], "reload": ["nginx"]}}, "source": lab_pki.home}
    options.update(responder_wait=0, timer=timer)
    with lab.responder(lab_pki.home, minutes=minutes):
        for number in range(2):
            done = play(host, **options)
            assert done.rc == 0, done.output
            wait_for_idle(host)
            journal = host.run("journalctl", "-u", "ocsp-stapling*", "-o", "cat", "--no-pager")
            assert host.has(f"{ROOT}/live/{leaf.name}/ocsp.der") is stapled, (done.output, journal)
            assert ("good until" in done.output) is stapled, done.output
            assert ("without a staple so far" in done.output) is not stapled, done.output
            assert ("ocsp_stapling_timer of the role" in done.output) is not stapled, done.output
            assert number == 0 or done.count("changed") == 0, done.output
        if not stapled:
            # What the message says helps.
            options["timer"] = "*:0/10"
            done = play(host, **options)
            assert done.rc == 0 and "good until" in done.output, done.output
            wait_for_idle(host)
        serve_by_nginx(host, leaf.name)
        assert is_stapled(lab.look(host, leaf.name), leaf)
        # The sandbox of refresh lets it see the timer, too.
        host.run("systemctl", "start", UNITS[0])
        wait_for_idle(host)
        status = host.run("ocsp-stapling", "status", "--nagios")
        assert status.startswith("OCSP OK"), status
