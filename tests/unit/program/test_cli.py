# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``status`` and ``check``, and what all commands share: usage, exit codes, one sentence for what goes wrong."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import types
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp.services import control
from ocsp.store import staples
from ocsp_stapling import terminal
from ocsp_stapling.host import Host as OwnHost
from ocsp_stapling.terminal import Cell

NAME = "www.example.com"
LONG = "a-very-long-name-indeed.of-a-host.in-a-department.of-a-company.example.com"


@pytest.fixture
def mixed(host: Host) -> Host:
    """A host where nearly everything is wrong that can be."""
    host.service("web")
    for name in ("good.example.com", "failing.example.com", LONG, "revoked.example.com", "none.example.com"):
        host.deploy(name, ["web"], urls=() if name.startswith("none") else (host.url,))
    host.hour()
    host.deploy("missing.example.com", ["web"])
    host.makers["missing.example.com"] = hosts.unknown
    host.makers["failing.example.com"] = hosts.try_later
    host.makers["revoked.example.com"] = hosts.revoked
    host.later(4 * DAY)
    host.hour()
    return host


def rows(text: str) -> t.Dict[str, t.List[str]]:
    """The lines of a table by the certificate."""
    found = {}
    for line in text.split("\n\n")[1].splitlines()[1:]:
        name, *cells = re.split(r"  +", line)
        found[name] = cells
    return found


def test_a_table_for_people(mixed: Host) -> None:
    done = mixed.run("status")
    assert done.code == 2
    shown = rows(done.out)
    assert shown["good.example.com"] == ["good", "6d 23h", shown["good.example.com"][2], "-"]
    assert shown["failing.example.com"][0] == "good"
    assert shown["failing.example.com"][-1] == "not_successful"
    assert shown["revoked.example.com"][0::3] == ["revoked", "revoked"]
    assert shown["missing.example.com"][0::3] == ["missing", "unknown_status"]
    assert shown["none.example.com"][0::3] == ["none", "no_responder"]
    # What is worst stands first, in the table and among the sentences.
    assert list(shown)[:2] == ["revoked.example.com", "missing.example.com"]
    sentences = done.out.replace("\n  ", " ").split("\n\n")[2].splitlines()
    assert [sentence.split(":")[0] for sentence in sentences] == list(shown)[:3]
    told = "failing.example.com: the staple in place expires at 2026-03-11 04:06 UTC (in 2 days); "
    assert sentences[2].startswith(told)
    assert "revoked.example.com: the certificate CN=revoked.example.com,O=Forge was revoked" in done.out.replace(
        "\n ", ""
    )
    assert "good.example.com:" not in done.out
    assert done.err == ""


def test_a_table_fits_a_narrow_terminal(mixed: Host) -> None:
    for line in mixed.run("status").out.splitlines():
        longest = max((len(word) for word in line.split()), default=0)
        assert len(line) <= max(80, longest + 2), line
    assert any("~" in name for name in rows(mixed.run("status").out))


def test_colours_are_for_terminals_alone(mixed: Host, library: Path) -> None:
    assert "\x1b" not in mixed.run("status").out
    colourful = on_a_terminal(mixed, library, "status")
    assert "\x1b[32mgood\x1b[0m" in colourful
    assert "\x1b[31mrevoked\x1b[0m" in colourful
    assert "\x1b[33mmissing\x1b[0m" in colourful
    assert "\x1b" not in on_a_terminal(mixed, library, "status", NO_COLOR="1")


def on_a_terminal(host: Host, library: Path, *arguments: str, **environment: str) -> str:
    """What a command prints where its output is a terminal."""
    leader, follower = pty.openpty()
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ocsp_stapling.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, str(library), *host.arguments(*arguments)]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(follower)
    output = b""
    with contextlib.suppress(OSError):  # as a terminal says that nobody writes to it any more
        while part := os.read(leader, 65536):
            output += part
    os.close(leader)
    process.wait()
    return output.decode()


def test_progress_on_a_terminal_when_there_are_many(host: Host, library: Path) -> None:
    for number in range(20):
        host.deploy(f"{number}.example.com")
    assert "20 of 20 certificates, 0 failed" in on_a_terminal(host, library, "refresh", "--force")
    assert "20 of 20 certificates, " not in host.run("refresh", "--force").err


def test_all_that_is_known_as_json(mixed: Host) -> None:
    done = mixed.run("status", "--json")
    assert done.code == 2
    found = json.loads(done.out)
    assert found["version"] == 1
    assert found["level"] == 2
    assert {name: entry["status"] for name, entry in found["certificates"].items()} == {
        "good.example.com": "good",
        "failing.example.com": "good",
        LONG: "good",
        "revoked.example.com": "revoked",
        "missing.example.com": "missing",
        "none.example.com": "none",
    }
    assert found["certificates"]["good.example.com"]["staple"]["responder_url"] == mixed.url


def test_one_line_for_nagios(mixed: Host) -> None:
    done = mixed.run("status", "--nagios")
    assert done.code == 2
    assert re.fullmatch(
        r"OCSP CRITICAL - revoked\.example\.com: [^|\n]+ \(and 2 more\) "
        r"\| certificates=6 good=3 critical=1 soonest_end=\d+s\n",
        done.out,
    ), done.out


def test_where_all_is_well(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    assert host.run("status").code == 0
    heading, table = host.run("status").out.split("\n\n")
    moment = "2026-03-04 05:06 UTC"
    told = f"It is {moment}; refresh last ran at {moment} (now), apply last ran at {moment} (now)."
    assert " ".join(heading.split()) == told
    assert len(table.splitlines()) == 2
    done = host.run("status", "--nagios")
    assert done.code == 0
    assert re.fullmatch(
        r"OCSP OK - 1 certificate: all is well \| certificates=1 good=1 critical=0 soonest_end=601\d\d\ds\n", done.out
    ), done.out


def test_a_run_that_is_missing_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    host.later(3 * HOUR + MINUTE)
    done = host.run("status")
    assert done.code == 1
    told = done.out.replace("\n  ", " ")
    last = "refresh last ran at 2026-03-04 05:06 UTC (3 hours ago)"
    assert f"{last}; see 'systemctl list-timers ocsp-stapling.timer'\n" in told
    assert host.run("status", "--nagios").code == 1


@pytest.mark.parametrize(
    ("shown", "is_told"),
    [
        ("LoadState=loaded\nActiveState=inactive\n", True),
        ("LoadState=masked\nActiveState=inactive\n", True),
        ("LoadState=loaded\nActiveState=failed\n", True),
        ("LoadState=not-found\nActiveState=inactive\n", False),
        ("LoadState=loaded\nActiveState=activating\n", False),
        ("", False),
    ],
)
def test_a_timer_that_does_not_run_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, shown: str, is_told: bool
) -> None:
    host.deploy(NAME)
    host.hour()
    monkeypatch.setattr(control, "has_systemd", lambda: True)
    monkeypatch.setattr(OwnHost.__init__, "__defaults__", (None, lambda *_given: (0, shown, ""), lambda: 0.0, None))
    done = host.run("status", "--nagios")
    timer = "ocsp-stapling.timer"
    said = f"nothing starts the program, as {timer} does not run; run 'systemctl enable --now {timer}' as root"
    assert (done.code, f"OCSP WARNING - {said} | " in done.out) == ((1, True) if is_told else (0, False)), done.out
    host.later(3 * HOUR + MINUTE)
    late = host.run("status").out.replace("\n  ", " ")
    assert "refresh last ran at" in late and said not in late, "once is enough"


def test_a_program_that_never_ran_is_told_in_time(host: Host) -> None:
    deploy_with_staple(host, NAME)
    made = host.now.timestamp()
    os.utime(host.state / "metrics", (made, made))
    host.later(3 * HOUR - MINUTE)
    assert host.run("status").code == 0
    host.later(2 * MINUTE)
    done = host.run("status")
    assert done.code == 1
    told = done.out.replace("\n  ", " ")
    for command in ("refresh", "apply"):
        assert f"{command} has never run, although it should have since 2026-03-04 05:06 UTC (3 hours ago); see" in told
    # Neither does a refresh that never runs hide behind an apply that does.
    host.run("apply")
    host.later(4 * HOUR)
    host.run("apply")
    assert host.run("status", "--nagios").out.startswith("OCSP WARNING - refresh has never run, although it should ")


# What is in place ---------------------------------------------------------------------------------


def deploy_with_staple(host: Host, name: str, **options: t.Any) -> None:
    host.deploy(name, **options)
    host.put_staple(name)


def test_a_fresh_deployment_is_no_alarm(host: Host) -> None:
    """Neither run has been yet, and everything is as it should be."""
    deploy_with_staple(host, NAME)
    done = host.run("status")
    assert (done.code, done.err) == (0, "")
    assert rows(done.out)[NAME] == ["good", "6d 23h", "-", "-"]
    assert "; refresh has not run yet, apply has not run yet.\n" in done.out.replace("\n  ", " ")
    assert host.run("status", "--nagios").out.startswith("OCSP OK - 1 certificate: all is well | ")
    assert not (host.state / "state.json").exists()
    found = json.loads(host.run("status", "--json").out)["certificates"][NAME]
    assert found["staple"]["effective_expiry"] == "2026-03-11T04:06:07Z"
    assert found["staple"]["installed"] is None


def test_a_fresh_deployment_without_a_staple_is_told(host: Host) -> None:
    host.deploy(NAME)
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert done.out.startswith(f"OCSP WARNING - {NAME}: no staple is in place; there is no response | ")


def test_what_a_playbook_deployed_since_the_last_run_is_seen(host: Host) -> None:
    host.deploy(NAME)
    host.down = True
    host.hour()
    assert rows(host.run("status").out)[NAME][0::3] == ["missing", "unreachable"]
    host.put_staple(NAME)
    # The responder was down for this certificate all the same.
    assert rows(host.run("status").out)[NAME][0::3] == ["good", "unreachable"]
    deploy_with_staple(host, NAME)
    done = host.run("status")
    assert done.code == 0
    assert rows(done.out)[NAME][0::3] == ["good", "-"]
    (host.root / "live" / NAME).unlink()
    assert rows(host.run("status").out)[NAME][0] == "not deployed"


def test_an_attempt_that_succeeded_since_the_last_apply_counts(host: Host) -> None:
    """Somebody runs refresh by hand, and asks how it went."""
    host.deploy(NAME)
    host.hour()
    host.later(5 * DAY)
    host.down = True
    host.hour()
    assert rows(host.run("status").out)[NAME][3] == "unreachable"
    host.down = False
    host.later(HOUR)
    host.run("refresh", "--force")
    done = host.run("status")
    assert rows(done.out)[NAME][3] == "-"
    assert f"refresh last ran at {host.now:%Y-%m-%d %H:%M} UTC (now)" in done.out.replace("\n  ", " "), done.out
    host.run("apply")
    host.down = True
    host.later(HOUR)
    host.run("refresh", "--force")
    assert rows(host.run("status").out)[NAME][3] == "unreachable"


def test_a_revocation_is_not_forgotten_with_another_staple(host: Host) -> None:
    host.deploy(NAME)
    host.makers[NAME] = hosts.revoked
    host.hour()
    host.put_staple(NAME)
    done = host.run("status")
    assert done.code == 2
    assert rows(done.out)[NAME][0] == "revoked"


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("run_before", [True, False])
def test_a_revocation_that_a_playbook_was_told_of_is_known_at_once(
    in_place: bool, run_before: bool, host: Host
) -> None:
    """Without a run of the program; a staple that is good stays until one withdraws it."""
    host.deploy(NAME)
    proof = host.state / "proofs" / f"{NAME}.proof"
    proof.parent.mkdir()
    if run_before:
        host.hour()
        before = host.run("status", "--json").out
        proof.write_bytes(hosts.revoked(host.issue("other.example.com"), host.now))
        assert host.run("status", "--json").out == before, "about another certificate"
    staple = hosts.good(host.leaves[NAME], host.now, age=3 * HOUR)
    folder = host.root / "live" / NAME
    staples.withdraw(staples.Place(str(folder), str(folder)))
    if in_place:
        host.put_staple(NAME, staple)
    proof.write_bytes(hosts.revoked(host.leaves[NAME], host.now))
    shown = host.run("status")
    assert shown.code == 2 and rows(shown.out)[NAME][0] == "revoked" and "was revoked at" in shown.out
    found = json.loads(host.run("status", "--json").out)["certificates"][NAME]
    assert (found["trouble"], found["reason"]) == ("revoked", "revoked")
    assert bool(found["staple"]) is in_place and found["revoked"]["reason"] == "key_compromise"
    assert host.run("status", "--nagios").out.startswith(f"OCSP CRITICAL - {NAME}: ")
    host.later(2 * HOUR)
    host.put_staple(NAME, hosts.good(host.leaves[NAME], host.now))
    assert host.run("status", NAME, "--nagios").code < 2, "the CA has said otherwise since"


@pytest.mark.parametrize("must_staple", [False, True])
def test_a_revocation_that_refresh_was_told_of_is_known_before_apply_has_run(must_staple: bool, host: Host) -> None:
    host.deploy(NAME, must_staple=must_staple)
    host.hour()
    host.later(HOUR)
    host.makers[NAME] = hosts.revoked
    assert host.run("refresh", "--force").code == 2
    shown = host.run("status")
    said = shown.out.replace("\n  ", " ")
    assert shown.code == 2 and rows(shown.out)[NAME][0::3] == ["revoked", "revoked"]
    assert "was revoked at" in said and "the staple in place expires at" in said
    # One that the certificate requires stays until it ends.
    assert ("; 'ocsp-stapling apply' will withdraw it" in said) is not must_staple
    assert host.run("status", "--nagios").out.startswith(f"OCSP CRITICAL - {NAME}: ")
    found = json.loads(host.run("status", "--json").out)["certificates"][NAME]
    assert (found["trouble"], found["reason"]) == ("revoked", "revoked") and found["staple"]
    host.run("apply")
    said = host.run("status").out.replace("\n  ", " ")
    assert "was revoked at" in said and "apply' will withdraw" not in said


@pytest.mark.parametrize("left", ["of another certificate", "not signed", "answered since"])
def test_what_refresh_left_proves_no_revocation_by_itself(left: str, host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    before = host.run("status", "--json").out
    proof = hosts.revoked(host.leaves[NAME], host.now)
    if left == "of another certificate":
        proof = hosts.revoked(host.issue("other.example.com"), host.now)
    elif left == "not signed":
        proof = proof[:-8] + bytes(8)
    else:
        proof = hosts.revoked(host.leaves[NAME], host.now - HOUR)
    (host.responses / f"{NAME}.proof").write_bytes(proof)
    if left == "answered since":
        # Of what is left, the newer answer counts, although it is not in place yet.
        (host.responses / f"{NAME}.der").write_bytes(hosts.good(host.leaves[NAME], host.now))
    assert host.run("status", "--json").out == before


def test_what_servers_read_themselves_is_looked_at(host: Host) -> None:
    leaf = host.issue(NAME)
    (host.home / "leaf.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    path = host.home / "staple.der"
    path.write_bytes(hosts.good(leaf, host.now))
    entry = {"name": NAME, "certificate_path": f"{host.home}/leaf.pem", "path": str(path), "live": None}
    host.configure(certificates=[entry])
    assert rows(host.run("status").out)[NAME][0] == "good"
    path.unlink()
    assert rows(host.run("status").out)[NAME][0] == "missing"
    path.symlink_to(path.name)
    looped = host.run("status").out
    assert rows(looped)[NAME][0] == "not seen"
    assert f"{path} cannot be read: Too many levels of symbolic links" in looped.replace("\n  ", " ")


def test_what_cannot_be_read_is_told_as_of_the_last_run(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)
    path = f"{host.root}/live/{NAME}/fullchain.pem"
    monkeypatch.setattr("os.access", lambda one, _mode: str(one) != path)
    done = host.run("status")
    assert done.code == 1
    assert rows(done.out)[NAME][0] == "not seen"
    told = f"{NAME}: no run has checked it yet, and {path} cannot be read: Permission"
    assert told in done.out.replace("\n  ", " ")
    host.hour()
    host.later(HOUR)
    done = host.run("status")
    assert done.code == 0
    as_of = "this is as of 2026-03-04 05:06 UTC (60 minutes ago)"
    assert f"{NAME}: {as_of}, since {path} cannot be read: Permission denied\n" in done.out.replace("\n  ", " ")


# Severities and names -----------------------------------------------------------------------------


def test_the_worst_leads(host: Host) -> None:
    """By what it does to clients, and not by name."""
    host.service("web")
    host.deploy("a.example.com", ["web"])
    host.deploy("z.example.com", must_staple=True)
    host.deploy("y.example.com")
    host.hour()
    host.deploy("b.example.com", must_staple=True)
    host.makers["y.example.com"] = hosts.revoked
    host.makers["b.example.com"] = hosts.unknown
    host.run("refresh", "--force")
    host.run("apply")
    host.down = True
    (host.state / "pending" / "web").touch()

    def worst() -> str:
        done = host.run("status", "--nagios")
        assert done.code == 2
        return done.out

    assert re.match(r"OCSP CRITICAL - y\.example\.com: [^|]+ was revoked [^|]+ \(and 2 more\) \|", worst())
    assert list(rows(host.run("status").out))[:2] == ["y.example.com", "b.example.com"]
    host.makers["y.example.com"] = hosts.good
    host.down = False
    host.later(2 * HOUR)
    host.run("refresh", "--force")
    host.run("apply", "--no-reload")
    line = worst()
    assert line.startswith("OCSP CRITICAL - b.example.com: it requires a staple (must-staple); no staple is in place; ")


@pytest.mark.parametrize(
    ("must_staple", "share", "level", "trouble"),
    [
        (False, 0.4, 1, "responder_failing"),
        (False, 0.6, 1, "not_renewed"),
        (False, 0.9, 1, "not_renewed"),
        (True, 0.6, 1, "not_renewed"),
        (True, 0.9, 2, "must_staple_expiring"),
    ],
)
def test_a_staple_that_is_about_to_end(host: Host, must_staple: bool, share: float, level: int, trouble: str) -> None:
    host.deploy(NAME, must_staple=must_staple)
    host.hour()
    host.down = True
    host.later(83 * HOUR + share * 84 * HOUR)
    host.hour()
    found = json.loads(host.run("status", "--json").out)
    assert (found["level"], found["certificates"][NAME]["trouble"]) == (level, trouble)
    done = host.run("status", "--nagios")
    assert done.code == level
    demanded = "it requires a staple (must-staple); " if level == 2 else ""
    assert f" - {NAME}: {demanded}the staple in place expires at 2026-03-11 04:06 UTC (in " in done.out
    assert "; could not fetch a new response: " in done.out


def test_must_staple_without_a_responder_is_critical(host: Host) -> None:
    host.deploy(NAME, must_staple=True, urls=())
    host.hour()
    done = host.run("status", "--nagios")
    assert done.code == 2
    assert f"{NAME}: it requires a staple (must-staple); no staple is in place; the certificate" in done.out


def test_a_certificate_that_expired_is_a_warning(host: Host) -> None:
    host.deploy(NAME, not_after=host.now + 2 * DAY)
    host.hour()
    host.later(3 * DAY)
    host.hour()
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert f"{NAME}: the certificate expired at 2026-03-06 05:06 UTC (24 hours ago); no staple is in place" in done.out


def chain_that_ends(host: Host, length: timedelta, folder: Path) -> None:
    """Have the certificate served with one of its CA that ends after so long."""
    old = forge.world().issuer
    ending = forge.authority("Issuing CA", forge.world().root, private_key=old.key, not_after=host.now + length)
    (folder / "fullchain.pem").write_bytes(host.leaves[NAME].pem + ending.pem)


@pytest.mark.parametrize("has_responder", [True, False])
def test_a_chain_that_ends_first_is_told_as_the_end_of_its_certificate(host: Host, has_responder: bool) -> None:
    """Clients refuse the certificate from then on, whatever it says itself."""
    chain_that_ends(host, 2 * DAY, host.deploy(NAME, **({} if has_responder else {"urls": ()})))
    host.hour()
    authority = "the CA certificate CN=Issuing CA,O=Forge in its chain"
    told = host.run("status", NAME)
    assert told.code == 0
    assert f"  valid until:   2026-03-06 05:06 UTC (in 2 days)\n  ends with:     {authority}\n" in told.out
    assert host.known(NAME)["certificate"]["not_after"] == "2026-03-06T05:06:07Z"
    ends = int(datetime(2026, 3, 6, 5, 6, 7, tzinfo=timezone.utc).timestamp())
    metric = f'ocsp_stapling_certificate_expiry_timestamp_seconds{{name="{NAME}"}} {ends}\n'
    assert metric in (host.state / "metrics/ocsp_stapling.prom").read_text()
    host.later(3 * DAY)
    host.hour()
    done = host.run("status", "--nagios")
    assert done.code == 1
    place = "; the staple in place expires at 2026-03-1" if has_responder else "; no staple is in place; "
    assert f"{NAME}: {authority} expired at 2026-03-06 05:06 UTC (24 hours ago){place}" in done.out


def test_a_chain_that_was_replaced_is_seen_before_the_next_run(host: Host) -> None:
    folder = host.deploy(NAME)
    chain_that_ends(host, DAY, folder)
    host.hour()
    host.later(2 * DAY)
    host.hour()
    assert host.run("status").code == 1
    chain_that_ends(host, 300 * DAY, folder)
    assert host.run("status").code == 0 and "ends with" not in host.run("status", NAME).out


def test_one_certificate_by_name(mixed: Host) -> None:
    done = mixed.run("status", "good.example.com")
    assert done.code == 0
    told = done.out.split("\n\n")[1]
    ends = "2026-03-15 04:06 UTC (in 6 days)"
    assert told.startswith(f"good.example.com\n  staple:        good\n  expires:       {ends}\n")
    assert f"  responder:     {mixed.url}\n" in told
    assert "revoked" not in done.out
    assert mixed.run("status", "--nagios", "failing.example.com").code == 1
    assert mixed.run("status", "good.example.com", "revoked.example.com").code == 2
    found = json.loads(mixed.run("status", "--json", "none.example.com").out)
    assert list(found["certificates"]) == ["none.example.com"]
    done = mixed.run("status", "god.example.com")
    assert (done.code, done.out) == (64, "")
    assert done.err == (
        "there is no certificate god.example.com in the configuration; did you mean good.example.com? [bad_input]\n"
    )
    done = mixed.run("status", "--nagios", "god.example.com")
    assert done.code == 3
    assert done.out.startswith("OCSP UNKNOWN - there is no certificate god.example.com in the configuration; did you")


@pytest.mark.parametrize("name", ["nginxx", "exim4"])
def test_a_service_that_nobody_knows_is_refused(host: Host, name: str) -> None:
    host.deploy(NAME, ["web"])
    done = host.run("reload", name)
    assert done.code == 64
    meant = {"nginxx": "nginx", "exim4": "exim"}[name]
    assert done.err == (
        f"{name} is not a service in the configuration of this host; did you mean {meant}? [bad_input]\n"
    )


@pytest.mark.parametrize(("words", "told"), [((), "exim is not running; not reloaded\n"), (("--quiet",), "")])
def test_a_service_that_is_not_running_is_told(
    host: Host, words: t.Tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what happens goes to the journal, and nobody else would say why nothing was reloaded."""
    monkeypatch.setattr(control, "reload", lambda *_given: control.Result(False, False))
    host.deploy(NAME, ["web"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(host.home / "syslog"))
        done = host.run("reload", "exim", *words)
        assert b"exim is not running; not reloaded" in syslog.recv(4096)
    assert done == (0, "", told)


@pytest.mark.parametrize("command", [("apply",), ("reload", "nginx"), ("refresh",)])
def test_who_is_not_root_is_told_so(host: Host, command: t.Tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)
    monkeypatch.setattr("os.geteuid", lambda: 65534)
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK or not str(path).startswith(str(host.state)))
    done = host.run(*command)
    assert done.code == 74
    assert re.fullmatch(r"(apply|reload|refresh) [^.;/]+; run it as root \[file_error\]\n", done.err), done.err
    assert host.requests == 0 and not (host.state / "state.json").exists()


def test_a_staple_that_ended_in_place_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    host.later(8 * DAY)
    done = host.run("status")
    assert done.code == 2
    assert rows(done.out)[NAME][:2] == ["expired", "-1d 1h"]
    sentence = f"{NAME}: the staple in place expired at 2026-03-11 04:06 UTC (25 hours ago)"
    assert f"{sentence}; run 'ocsp-stapling apply' as root" in done.out.replace("\n  ", " ")


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "refresh.json")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    path.write_bytes(b"x" * (1024 * 1024 + 1))


FOREIGN: t.Dict[str, t.Tuple[t.Callable[[Path], None], str]] = {
    "a link": (make_link, "is a symbolic link or lies in one; it is not read, remove it"),
    "a FIFO": (make_fifo, "is not a regular file; it is not read, remove it"),
    "a huge file": (make_huge, "has 1048577 octets, more than 24576; it is not read, remove it"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_told_until_it_is_gone(host: Host, name: str) -> None:
    make, problem = FOREIGN[name]
    host.deploy(NAME)
    host.hour()
    response = host.responses / f"{NAME}.der"
    content = response.read_bytes()
    response.unlink()
    make(response)
    assert host.run("apply").code == 1
    sentence = f"{NAME}: {response} {problem}"
    done = host.run("status")
    assert done.code == 1
    assert rows(done.out)[NAME][0::3] == ["good", "foreign_file"]
    assert sentence in done.out.replace("\n  ", " ")
    done = host.run("status", "--nagios")
    assert done.code == 1
    ends = "2026-03-11 04:06 UTC (in 6 days)"
    assert done.out.startswith(f"OCSP WARNING - {sentence}; the staple in place expires at {ends} | ")
    found = json.loads(host.run("status", "--json").out)["certificates"][NAME]
    assert (found["level"], found["status"], found["reason"]) == (1, "good", "foreign_file")
    assert found["refused"] == f"{response} {problem}"
    response.unlink()
    response.write_bytes(content)
    assert host.run("apply").code == 0
    assert host.run("status").code == 0


def test_a_foreign_file_leads_where_there_is_no_staple(host: Host) -> None:
    host.deploy(NAME)
    make_fifo(host.responses / f"{NAME}.der")
    host.hour()
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert done.out.startswith(
        f"OCSP WARNING - {NAME}: no staple is in place; {host.responses}/{NAME}.der is not a regular file;"
    )
    assert rows(host.run("status").out)[NAME][0::3] == ["missing", "foreign_file"]


def test_a_foreign_record_is_told_until_it_is_gone(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    path = host.responses / "refresh.json"
    path.rename(host.home / "refresh.json")
    path.symlink_to(host.home / "refresh.json")
    assert host.run("apply").code == 1
    done = host.run("status")
    assert done.code == 1
    assert f"{path} is a symbolic link or lies in one" in done.out.replace("\n  ", " ")
    assert "refresh has not run yet" not in done.out
    path.unlink()
    (host.home / "refresh.json").rename(path)
    assert host.run("apply").code == 0
    assert host.run("status").code == 0


def test_a_log_file_that_cannot_be_written_costs_the_log_file_alone(host: Host) -> None:
    host.deploy(NAME)
    host.configure(log_file=f"{host.home}/missing/ocsp.log")
    done = host.run("refresh")
    assert done.code == 0
    said = f"the log file {host.home}/missing/ocsp.log cannot be written: No such file or directory"
    assert done.err.startswith(f"{said} [file_error]\n")


def test_what_is_pending_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    (host.state / "pending" / "web").touch()
    done = host.run("status")
    assert done.code == 1
    assert "web has not been reloaded since its files changed" in done.out


def note_change(host: Host, service: str, moment: float = 1550.0) -> None:
    """A change to what a service reads, complete at a moment of the monotonic clock."""
    values = {"version": 1, "names": [NAME], "complete": moment}
    (host.state / "pending" / service).write_text(json.dumps(values))


#: What systemctl says of a unit whose state changed, or that was started, at this second of the monotonic clock.
RELOADED, STARTED, BEFORE = (1551, 1000), (1552, 1551), (1549, 1000)


def fake_systemd(host: Host, monkeypatch: pytest.MonkeyPatch, moments: t.Optional[t.Tuple[int, int]]) -> None:
    def run(argv: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        if moments is None or argv[0] != "systemctl":
            return 1, "", "Failed to connect to bus"
        if argv[1] == "is-active":
            return 0, "active\n" * len(argv[2:]), ""
        changed, started = (moment * 1_000_000 for moment in moments)
        shown = f"StateChangeTimestampMonotonic={changed}\nInactiveExitTimestampMonotonic={started}\n"
        return 0, f"ActiveState=active\nReloadResult=success\n{shown}", ""

    monkeypatch.setattr("ocsp.services.control.has_systemd", lambda: True)
    monkeypatch.setattr("ocsp_stapling.dispatch.Host", functools.partial(OwnHost, run=run))


@pytest.mark.parametrize(
    ("service", "moments", "said"),
    [
        ("nginx", RELOADED, ""),
        ("nginx", STARTED, ""),
        ("nginx", BEFORE, "nginx has not been reloaded since its files changed; see why with"),
        ("nginx", None, "it is not known whether nginx has been reloaded since its files changed; run 'ocsp-stapling"),
        ("dnsdist", STARTED, ""),
        ("trafficserver", RELOADED, "it is not known whether trafficserver has been reloaded since its files changed;"),
        ("trafficserver", STARTED, ""),
    ],
)
def test_a_reload_by_others_counts_at_once(
    host: Host, monkeypatch: pytest.MonkeyPatch, service: str, moments: t.Optional[t.Tuple[int, int]], said: str
) -> None:
    host.deploy(NAME)
    host.hour()
    note_change(host, service)
    fake_systemd(host, monkeypatch, moments)
    done = host.run("status", "--nagios")
    assert done.code == (1 if said else 0), done.out
    assert said in done.out
    values = json.loads(host.run("status", "--json").out)
    assert values["pending_reloads"] == ([service] if said else [])
    # It only reads: the next run of apply decides for itself.
    assert (host.state / "pending" / service).exists()


def test_without_a_configuration_it_is_not_known_what_a_service_is(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)
    host.hour()
    note_change(host, "nginx")
    fake_systemd(host, monkeypatch, RELOADED)
    (host.root / "config.json").write_text("{")
    assert "it is not known whether nginx has been reloaded" in host.run("status").out.replace("\n  ", " ")


def test_a_configuration_that_may_not_be_read_is_unknown_to_nagios(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may be able to use it, so that nothing is known to be wrong."""

    def denied(path: str, _flags: int) -> t.NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("ocsp_stapling.config._open_at_once", denied)
    done = host.run("status", "--nagios")
    assert done.code == 3
    told = f"{host.root}/config.json: the configuration cannot be read: Permission denied; "
    assert done.out.startswith(f"OCSP UNKNOWN - {told}")
    done = host.run("status")
    assert (done.code, done.out) == (78, "") and done.err.startswith(told)


@pytest.mark.parametrize("after_a_run", [False, True])
def test_a_configuration_that_is_refused_is_told_with_what_is_in_place(host: Host, after_a_run: bool) -> None:
    host.deploy(NAME)
    host.hour()
    (host.root / "config.json").write_text("{")
    if after_a_run:
        assert [done.code for done in host.hour()] == [78, 78]
    sentence = f"{host.root}/config.json, line 1, column 2: this is not JSON"
    done = host.run("status")
    assert (done.code, done.err) == (1, "")
    assert rows(done.out)[NAME][0] == "good"
    assert sentence in done.out.replace("\n  ", " ")
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert done.out.startswith(f"OCSP WARNING - {sentence}") and " more)" not in done.out
    assert "; until this is corrected, no staple is renewed or withdrawn | certificates=1 good=1 " in done.out
    found = json.loads(host.run("status", "--json").out)
    assert (found["level"], found["troubles"]) == (1, ["run_failed"])


def test_a_hollow_file_of_the_unprivileged_user_is_no_full_disk(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    with (host.responses / "refresh.json").open("wb") as handle:
        handle.truncate(1 << 42)
    host.run("apply")
    found = json.loads(host.run("status", "--json").out)
    assert found["troubles"] == ["foreign_file"]


def test_a_run_of_the_future_is_not_the_last_one_for_ever(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    path = host.responses / "refresh.json"
    values = json.loads(path.read_text())
    values["run"].update(ended="9999-12-31T23:59:59Z", latest="9999-12-31T23:59:59Z")
    path.write_text(json.dumps(values))
    for _hour in range(4):
        host.later(HOUR)
        host.run("apply")
    found = json.loads(host.run("status", "--json").out)
    assert (found["troubles"], found["runs"]["refresh"]["ended"]) == (["not_running"], None)


def test_a_reason_that_is_none_is_not_shown(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    path = host.responses / "refresh.json"
    values = json.loads(path.read_text())
    values["certificates"][NAME].update(failures=1, code="all is well " * 50)
    path.write_text(json.dumps(values))
    host.run("apply")
    assert json.loads(host.run("status", "--json").out)["certificates"][NAME]["reason"] == "other"


def test_a_command_has_no_terminal(library: Path) -> None:
    """Root's refresh has become another user when it starts one, and that user could type into the terminal by it."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from ocsp_stapling.host import run_command; "
        "sys.exit(run_command(['/bin/sh', '-c', 'exec 3</dev/tty'])[0])"
    )
    child, leader = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", script, str(library)])
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(leader)
    assert ended > 0


@pytest.mark.parametrize("what", ["space", "inodes"])
def test_a_disk_that_is_full_is_told_at_once(host: Host, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)
    host.hour()
    real = os.statvfs(host.state)
    values = {key: getattr(real, key) for key in ("f_blocks", "f_bavail", "f_frsize", "f_files", "f_favail")}
    values.update({"space": {"f_bavail": 0}, "inodes": {"f_files": 9, "f_favail": 0}}[what])
    monkeypatch.setattr(os, "statvfs", lambda _path: types.SimpleNamespace(**values))
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert done.out.startswith(f"OCSP WARNING - the disk of {host.state} is full, so no run can finish its work; ")


def test_a_run_that_found_no_space_is_told_by_the_metrics(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)
    host.hour()
    write, metrics = os.write, host.state / "metrics" / "ocsp_stapling.prom"

    def full(descriptor: int, data: bytes) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith(str(host.state)) and (metrics.exists() or "/metrics/" not in path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    assert host.run("apply").code == 74
    assert 'ocsp_stapling_last_run_exit_code{command="apply"} 74\n' in metrics.read_text()
    monkeypatch.undo()
    assert host.run("apply").code == 0
    assert 'ocsp_stapling_last_run_exit_code{command="apply"} 0\n' in metrics.read_text()


def test_a_reader_that_leaves_is_no_error(mixed: Host) -> None:
    script = " ".join(f"'{word}'" for word in mixed.arguments("status"))
    launcher = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/files/ocsp-stapling"
    environment = {"OCSP_STAPLING_LIB": str(mixed.library), "OCSP_STAPLING_PYTHON": str(mixed.library / "python")}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{{ /bin/sh '{launcher}' {script}; echo $? >&2; }} | :"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() in ("0", "2")


# Tables -------------------------------------------------------------------------------------------


def test_columns_are_as_wide_as_they_must_be() -> None:
    text = terminal.table(("A", "LONG"), [[Cell("x"), Cell("1")], [Cell("yyy"), Cell("22", terminal.BAD)]], False)
    assert text == "A    LONG\nx    1\nyyy  22\n"
    assert "\x1b[31m22\x1b[0m" in terminal.table(("A",), [[Cell("22", terminal.BAD)]], True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (86400 + 60, "1d"),
        (90000, "1d 1h"),
        (-3700, "-1h 1m"),
        (10**9, "11574d 1h"),
    ],
)
def test_lengths_of_time(seconds: int, text: str) -> None:
    assert terminal.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "relative"),
    [
        (0, "now"),
        (1, "now"),
        (-4, "now"),
        (-20, "20 seconds ago"),
        (119, "in 119 seconds"),
        (120, "in 2 minutes"),
        (-7200, "2 hours ago"),
        (100000, "in 27 hours"),
        (5 * 86400, "in 5 days"),
    ],
)
def test_times_are_told_by_themselves_and_from_now(seconds: int, relative: str) -> None:
    moment = forge.NOW + timedelta(seconds=seconds)
    assert terminal.when(moment, forge.NOW) == f"{moment:%Y-%m-%d %H:%M} UTC ({relative})"
    told = f"{moment:%Y-%m-%d %H:%M} UTC ({relative})"
    sentence = f"it ends at {moment:%Y-%m-%dT%H:%M:%SZ}, not at 2026-99-99T00:00:00Z"
    assert terminal.with_times(sentence, forge.NOW) == f"it ends at {told}, not at 2026-99-99T00:00:00Z"
    # No parentheses in others.
    sentence = f"it ended (a clock (its own) says {moment:%Y-%m-%dT%H:%M:%SZ}), before {moment:%Y-%m-%dT%H:%M:%SZ}"
    inner = f"it ended (a clock (its own) says {moment:%Y-%m-%d %H:%M} UTC, {relative}), before {told}"
    assert terminal.with_times(sentence, forge.NOW) == inner


# Check --------------------------------------------------------------------------------------------


def test_files_are_judged_by_hand(host: Host, tmp_path: Path) -> None:
    leaf = host.issue(NAME)
    issuer = forge.world().issuer
    (tmp_path / "leaf.pem").write_bytes(leaf.pem)
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    for name, maker in (("good", hosts.good), ("forged", hosts.forged)):
        (tmp_path / f"{name}.der").write_bytes(maker(leaf, host.now))
    given = ["--certificate", f"{tmp_path}/leaf.pem", "--issuer", f"{tmp_path}/ca.pem"]
    done = host.run("check", *given, f"{tmp_path}/good.der")
    assert done.code == 0
    assert done.out.startswith(f"{tmp_path}/good.der: good\n  certificate:  CN={NAME},O=Forge\n  status:       good\n")
    done = host.run("check", *given, f"{tmp_path}/good.der", f"{tmp_path}/forged.der")
    assert done.code == 1
    assert f"\n{tmp_path}/forged.der: refused\n" in done.out
    assert "[bad_signature]" in done.out
    found = json.loads(host.run("check", "--json", *given, f"{tmp_path}/good.der").out)
    assert found[0]["acceptable"] is True
    assert found[0]["certificate_status"] == "good"


def test_the_certificate_of_a_known_file_is_known(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    assert host.run("check", str(host.responses / f"{NAME}.der")).code == 0
    assert host.run("check", str(host.root / "live" / NAME / "ocsp.der")).code == 0
    (host.root / "config.json").unlink()
    assert host.run("check", str(host.root / "live" / NAME / "ocsp.der")).code == 0
    done = host.run("check", str(host.responses / f"{NAME}.der"))
    assert (done.code, done.err) == (1, "")
    told = "the certificate for this response is unknown; give it with --certificate"
    assert f"{host.responses}/{NAME}.der: {told} [bad_input]" in " ".join(done.out.split())


def test_check_says_by_which_file_it_judged(host: Host, tmp_path: Path) -> None:
    host.deploy(NAME)
    host.hour()
    live = host.root / "live" / NAME
    done = host.run("check", "--certificate", f"{live}/fullchain.pem", f"{live}/ocsp.der")
    assert f"  judged by:    {live}/fullchain.pem\n" in done.out


@AS_ROOT
@pytest.mark.parametrize("given", ["folder", "file", "for all"])
def test_check_believes_no_certificate_that_another_user_put_beside_a_response(
    host: Host, tmp_path: Path, given: str
) -> None:
    """A compromised fetcher would have the response of its own PKI called good."""
    host.deploy(NAME)
    host.hour()
    folder = tmp_path / "own"
    shutil.copytree(host.root / "live" / NAME, folder)
    assert host.run("check", str(folder / "ocsp.der")).code == 0
    if given == "for all":
        folder.chmod(0o777)
    else:
        os.chown(folder if given == "folder" else folder / "fullchain.pem", 65534, 65534)
        # ``cert.pem`` is looked for as well.
        (folder / "cert.pem").unlink(missing_ok=True)
    done = host.run("check", str(folder / "ocsp.der"))
    assert done.code == 1 and "the certificate for this response is unknown; give it with --certificate" in " ".join(
        done.out.split()
    )


@AS_ROOT
def test_check_follows_no_link_of_another_user(host: Host) -> None:
    """The user of refresh could have root open a device, by a link in its folder."""
    host.deploy(NAME)
    host.hour()
    link = host.responses / "link.der"
    link.symlink_to(host.root / "live" / NAME / "ocsp.der")
    os.chown(host.responses, 4711, 4711)
    os.lchown(link, 4711, 4711)
    done = host.run("check", str(link))
    assert done.code == 1
    assert "belongs to a different user than the link" in " ".join(done.out.split())


def test_check_prints_no_name_of_a_file_as_it_is(host: Host, tmp_path: Path) -> None:
    names = ["a\x1b]0;owned\x07.der", "b\u202e.der", "c\ngood.der"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    done = host.run("check", *(f"{tmp_path}/{name}" for name in names))
    assert done.code == 1 and all(line.isprintable() for line in done.out.splitlines())
    assert "c?good.der: cannot be checked" in done.out


def test_each_file_has_a_verdict(host: Host, tmp_path: Path) -> None:
    host.deploy(NAME)
    host.hour()
    good, missing, foreign = f"{host.responses}/{NAME}.der", "/nonexistent", f"{tmp_path}/foreign"
    Path(foreign).write_text("root:x:0:0\n")
    done = host.run("check", foreign, missing, good)
    assert (done.code, done.err) == (1, "")
    assert [text.split("\n")[0] for text in done.out.split("\n\n")] == [
        f"{foreign}: cannot be checked",
        f"{missing}: cannot be checked",
        f"{good}: good",
    ]
    found = json.loads(host.run("check", "--json", foreign, missing, good).out)
    assert [(one["path"], one["acceptable"], one.get("code")) for one in found] == [
        (foreign, False, "bad_input"),
        (missing, False, "bad_input"),
        (good, True, None),
    ]


def test_a_file_that_is_not_there(host: Host, tmp_path: Path) -> None:
    leaf = host.issue(NAME)
    (tmp_path / "leaf.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    missing = f"{tmp_path}/missing.der"
    done = host.run("check", "--certificate", f"{tmp_path}/leaf.pem", missing)
    assert done.code == 1
    assert " ".join(done.out.split()) == f"{missing}: cannot be checked error: {missing} does not exist [bad_input]"


def test_a_file_that_is_not_there_and_without_a_certificate(host: Host) -> None:
    done = host.run("check", "/nope")
    assert done.code == 1
    assert " ".join(done.out.split()) == "/nope: cannot be checked error: /nope does not exist [bad_input]"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--certificate", "/nonexistent"), "certificate_path: /nonexistent does not exist [bad_input]\n"),
        (("--allow", "everything"), "allow: 'everything' is not one of "),
    ],
)
def test_what_is_given_for_all_files_is_a_matter_of_the_command_line(
    host: Host, words: t.Tuple[str, ...], problem: str
) -> None:
    host.deploy(NAME)
    host.hour()
    done = host.run("check", *words, f"{host.responses}/{NAME}.der")
    assert (done.code, done.out) == (64, "")
    assert done.err.startswith(problem)


# Usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("unheard-of",), ("refresh", "--unheard-of"), ("status", "--json", "--nagios")])
def test_a_command_line_that_is_wrong(host: Host, words: t.Tuple[str, ...]) -> None:
    from ocsp_stapling.cli import main

    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 64


def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    from ocsp_stapling.cli import main

    for words in ((), ("refresh",), ("apply",), ("status",), ("check",), ("reload",)):
        with pytest.raises(SystemExit) as caught:
            main([*words, "--help"])
        assert caught.value.code == 0
    assert "journal-socket" not in capsys.readouterr().out


def test_a_time_that_is_none(host: Host) -> None:
    done = host.run("status", "--now", "noon")
    assert done.code == 64
    assert "--now: 'noon' is not a time" in done.err


@pytest.mark.parametrize("command", ["refresh", "apply", "reload"])
def test_a_configuration_that_is_broken_does_nothing(host: Host, command: str) -> None:
    host.deploy(NAME)
    host.hour()
    host.later(4 * DAY)
    (host.root / "config.json").write_text('{"version": 1,\n "certificats": []}')
    before = (host.requests, host.pieces(NAME), (host.state / "state.json").read_text())
    done = host.run(command)
    assert done.code == 78
    assert done.err == (
        f"{host.root}/config.json, line 2: certificats: unknown key; did you mean certificates?; nothing was done\n"
    )
    assert (host.requests, host.pieces(NAME)) == before[:2]
    if command == "apply":
        metrics = (host.state / "metrics" / "ocsp_stapling.prom").read_text()
        assert 'ocsp_stapling_last_run_exit_code{command="apply"} 78\n' in metrics
        assert f'ocsp_stapling_staple_in_place{{name="{NAME}"}} 1\n' in metrics
    else:
        assert (host.state / "state.json").read_text() == before[2]


def test_a_defect_is_one_line_and_shows_its_place_on_request(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)

    def defect(*_arguments: t.Any) -> t.NoReturn:
        raise KeyError("x")

    monkeypatch.setattr("ocsp_stapling.dispatch.Status", defect)
    done = host.run("status")
    assert done.code == 70
    assert done.err == (
        "status stopped because of an internal error (KeyError: 'x'). Please report it, with the output of --debug\n"
    )
    assert "Traceback" in host.run("status", "--debug").err


def test_a_program_that_is_not_complete_does_not_seem_to_be_well(host: Host, tmp_path: Path) -> None:
    host.deploy(NAME)
    broken = tmp_path / "lib"
    shutil.copytree(host.library / "ocsp_stapling", broken / "ocsp_stapling")
    shutil.copy(host.library / "python", broken)
    host.library = broken
    done = host.process("refresh")
    assert done.code == 70
    assert done.err == "ocsp-stapling is not fully installed: ModuleNotFoundError: No module named 'ocsp'\n"


def test_the_launcher_starts_it(host: Host) -> None:
    host.deploy(NAME)
    assert host.process("refresh").code == 0
    assert host.process("apply").code == 0
    assert host.process("status").out == host.run("status").out
