# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator meets with the role: refusals, revocations, kills, hosts without systemd, and going away again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import (
    ROOT,
    files_under,
    is_stapled,
    is_unharmed,
    names_of,
    serial,
    serve_by_dovecot,
    serve_by_nginx,
)

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]


def web(*domains: t.Any, **group: t.Any) -> dict[str, t.Any]:
    """One group of certificates for nginx."""
    return {"web": {"domains": list(domains), "reload": ["nginx"], **group}}


def test_one_of_two_is_revoked(lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki) -> None:
    good, bad = lab_pki.issue("valid.example.com", key="ec"), lab_pki.issue("revoked.example.com", key="ec")
    variables = {"certificates": web(good.name, bad.name), "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, good.name, bad.name)
        old_good, old_bad = serial(good), serial(bad)
        lab_pki.issue(good.name, key="ec")
        lab_pki.issue(bad.name, key="ec")
        lab_pki.revoke(bad.name)
        specs = [f"{host.address}:443:{name}" for name in (good.name, bad.name)]
        with lab.clients(*specs) as seen:
            renewed = play(host, **variables)
        assert renewed.rc != 0 and "revoked.example.com was not deployed" in renewed.output, renewed.output
        assert is_stapled(lab.look(host, good.name), lab_pki.leaf(good.name))
        assert lab.look(host, bad.name) == (old_bad, old_bad, "good")
        for spec in specs:
            assert is_unharmed(seen[spec]), seen
        assert {shown["certificate"] for shown in seen[specs[0]]["shown"]} == {old_good, serial(good)}


def test_what_servers_cannot_do_is_refused(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Must-staple on Dovecot; two kinds of keys for one name on nginx; a key that Exim could not read."""
    must = lab_pki.issue("must.example.com", key="ec", must_staple=True)
    name = "dual.example.com"
    rsa = lab_pki.issue(name)
    twin = {"name": f"{name}-rsa", "names": [name]}
    for part, path in (("private_key", rsa.key), ("certificate", rsa.certificate), ("chain", rsa.chain)):
        twin[f"{part}_content"] = path.read_text()
    lab_pki.issue(name, key="ec")
    groups = {
        "imap": {"domains": [must.name], "reload": ["dovecot"]},
        "smtp": {"domains": [name], "reload": ["exim"]},
        **web(name, twin),
    }
    for check in (True, False):
        refused = play(host, check=check, certificates=groups, source=lab_pki.home, responder_wait=0)
        for sentence in (
            "which dovecot cannot do",
            "exim cannot read the private key",
            "one staple file for a name",
        ):
            assert refused.rc != 0 and sentence in " ".join(refused.output.split()), refused.output
    assert names_of(host, f"{ROOT}/live") == []


def test_what_cannot_be_understood_changes_nothing(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """A slip of the pen is named, with where it is, and not passed over."""
    leaf = lab_pki.issue("slips.example.com", key="ec")
    certificates = {
        "web": {"domains": [leaf.name], "relaod": ["nginx"]},
        "text": {"domains": [leaf.name], "reload": "nginx"},
        "alone": {"domains": leaf.name},
        "nested": {"domains": [{"name": leaf.name, "responder_url": "http://x"}]},
        "mode": {"domains": [leaf.name], "key_mode": 440},
    }
    options = {"minimum_validty": "3d"}
    refused = play(host, certificates=certificates, options=options, source=lab_pki.home, responder_wait=0)
    for sentence in (
        "web: relaod is not known",
        "text: reload must be a list, such as [nginx]",
        "alone: domains must be a list, such as [example.com]",
        "responder_url is not known",
        "did you mean minimum_validity?",
        "key_mode: 440 was read as a decimal number",
    ):
        assert refused.rc != 0 and sentence in " ".join(refused.output.split()), (sentence, refused.output)
    refused = play(host, certificates={"web": {"domains": [leaf.name], "reload": ["ngnix"]}}, source=lab_pki.home)
    assert refused.rc != 0, refused.output
    assert "reload: ngnix is not a known service; did you mean nginx?" in " ".join(refused.output.split())
    assert names_of(host, f"{ROOT}/live") == [] and names_of(host, f"{ROOT}/parts") == []


def test_certificate_without_responder(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """The CA stops naming a responder: the staple goes, TLS stays, and nobody is warned."""
    leaf = lab_pki.issue("sunset.example.com", key="ec")
    variables = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, leaf.name)
        assert is_stapled(lab.look(host, leaf.name), leaf)
        new = lab_pki.issue(leaf.name, key="ec", ocsp=False)
        with lab.clients(f"{host.address}:443:{leaf.name}", every=0.2) as seen:
            done = play(host, **variables)
        assert done.rc == 0 and "WARNING" not in done.output, done.output
        assert "have no OCSP responder URL: sunset.example.com" in done.output
        assert lab.look(host, leaf.name) == (serial(new), "", "")
        assert is_unharmed(seen[f"{host.address}:443:{leaf.name}"]), seen
        again = play(host, **variables)
        assert again.rc == 0 and again.count("changed") == 0, again.output


@pytest.mark.nightly
def test_thirty_domains_cost_little_more_than_one(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    host = add_host("many", "nginx")
    names = [f"domain-{number:02}.example.com" for number in range(30)]
    for name in names:
        lab_pki.issue(name, key="ec")
    with lab.responder(lab_pki.home):
        first = play(host, certificates=web(*names), source=lab_pki.home, responder_wait=0)
    assert first.rc == 0, first.output
    assert names_of(host, f"{ROOT}/live") == names
    serve_by_nginx(host, *names)
    for name in (names[0], names[-1]):
        assert is_stapled(lab.look(host, name), lab_pki.leaf(name))
    second = play(host, certificates=web(*names), source=lab_pki.home, responder_wait=0)
    assert second.rc == 0 and second.count("changed") == 0, second.output
    assert "domain-" not in re.sub(r"^.*fatal.*$", "", second.output), "no task is about one domain"


@pytest.mark.nightly
def test_a_playbook_killed_anywhere_is_completed_by_the_next(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki, tmp_path: Path
) -> None:
    """Killed before and right after the swap: what was served is served, and the next run reloads."""
    host = add_host("killed", "nginx")
    leaf = lab_pki.issue("killed.example.com", key="ec")
    variables = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, leaf.name)
        for moment in ("before the swap", "after the swap"):
            old = serial(leaf)
            leaf = lab_pki.issue(leaf.name, key="ec")
            link = host.run("readlink", f"{ROOT}/live/{leaf.name}")
            process = _start(lab, host, variables, tmp_path)
            watched = "sets" if moment == "before the swap" else "live"
            before = host.run("ls", "-lR", f"{ROOT}/{watched}")
            deadline = time.monotonic() + 120
            while host.run("ls", "-lR", f"{ROOT}/{watched}") == before and time.monotonic() < deadline:
                pass
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _end_modules(host)
            assert lab.look(host, leaf.name) == (old, old, "good"), moment
            if moment == "after the swap":
                assert host.run("readlink", f"{ROOT}/live/{leaf.name}") != link
            completed = play(host, **variables)
            assert completed.rc == 0, completed.output
            assert is_stapled(lab.look(host, leaf.name), leaf), moment
            idle = play(host, **variables)
            assert idle.rc == 0 and idle.count("changed") == 0, idle.output
    assert not [name for name in names_of(host, f"{ROOT}/sets/{leaf.name}") if name.startswith(".")]


def _start(
    lab: lab_tool.Lab, host: lab_tool.Host, variables: dict[str, t.Any], folder: Path
) -> subprocess.Popen[bytes]:
    """A playbook in a process group of its own, which can be killed as a whole."""
    role = {
        "role": "certops.ocsp.ocsp_stapling",
        "vars": {f"ocsp_stapling_{name}": value for name, value in variables.items()},
    }
    path = folder / "role.yml"  # as that of other plays, which makes it the same owner
    path.write_text(json.dumps([{"hosts": host.name, "roles": [role]}], default=str))
    return subprocess.Popen(
        ["ansible-playbook", "-i", str(lab.inventory), str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},  # type: ignore[attr-defined]
    )


def _end_modules(host: lab_tool.Host) -> None:
    """Kill what goes on running on the host: a module does not end with its playbook."""
    host.run("pkill", "-KILL", "-f", "AnsiballZ|ansible-tmp", check=False)


def test_fetched_once_for_all_hosts(
    host: lab_tool.Host, add_host: AddHost, play: Play, pki: pki_tool.Pki, responder: pki_tool.Responder, tmp_path: Path
) -> None:
    """The responder is on the controller's side, where no host can reach it."""
    hosts = [host, add_host("fanned", "nginx")]
    leaf = pki.leaf("rsa.example.com")
    variables = {
        "certificates": web(leaf.name),
        "source": pki.home,
        "responder_wait": 0,
        "fetch_from": "controller",
        "controller_cache": tmp_path / "cache",
    }
    done = play(*hosts, **variables)
    assert done.rc == 0, done.output
    assert responder.count == 1
    staples = {one.run("sha256sum", f"{ROOT}/live/{leaf.name}/ocsp.der") for one in hosts}
    assert len(staples) == 1
    assert json.loads(hosts[0].read(f"{ROOT}/config.json"))["fetch"] is False
    again = play(*hosts, **variables)
    assert again.rc == 0 and again.count("changed") == 0, again.output


def test_host_without_systemd(lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki) -> None:
    """Cron starts the program, and nginx is reloaded by its process id."""
    host = add_host("plain", "nginx")
    leaf = lab_pki.issue("plain-init.example.com", key="ec")
    variables = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        # What sd_booted(3) looks at; the processes run on.
        host.run("mv", "/run/systemd/system", "/run/systemd/system.away")
        first = play(host, **variables)
        assert first.rc == 0, first.output
        assert host.has("/etc/cron.d/ocsp-stapling") and not host.has("/etc/systemd/system/ocsp-stapling.timer")
        host.run("mv", "/run/systemd/system.away", "/run/systemd/system")
        serve_by_nginx(host, leaf.name)
        host.run("mv", "/run/systemd/system", "/run/systemd/system.away")
        new = lab_pki.issue(leaf.name, key="ec")
        renewed = play(host, **variables)
        assert renewed.rc == 0, renewed.output
        assert is_stapled(lab.look(host, leaf.name), new)
    host.run("mv", "/run/systemd/system.away", "/run/systemd/system")


def test_going_away_leaves_what_was_there(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    host = add_host("gone", "nginx", "dovecot")
    leaf = lab_pki.issue("gone.example.com", key="ec")
    folders = ("/etc", "/usr/local", "/var/lib/ocsp-stapling", "/etc/systemd/system")
    # Accounts leave traces in backups and in how files end; Ansible's own traces are no trace of the role.
    ignored = re.compile(r"^(/etc/(passwd|group|shadow|gshadow|subuid|subgid)-? |/etc/\.pwd\.lock)")
    bare = _lines(files_under(host, *folders), ignored)
    variables = {
        "certificates": {"all": {"domains": [leaf.name], "reload": ["nginx", "dovecot"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
        "log_file": "/var/log/staples/{year}.log",
    }
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, leaf.name)
        serve_by_dovecot(host)
        host.run("rm", "/etc/dovecot/conf.d/99-tls.conf")
        host.run("mv", "/etc/nginx/sites-enabled/tls", "/opt/tls")
        host.write("/etc/nginx/conf.d/tls.conf", "include /opt/tls;\n")
        refused = play(host, state="absent", log_file=variables["log_file"])
        assert refused.rc != 0 and "the configuration of nginx was rejected" in refused.output, refused.output
        assert is_stapled(lab.look(host, leaf.name), leaf)
        assert host.run("systemctl", "is-active", "ocsp-stapling.timer").strip() == "active"
        host.run("rm", "/etc/nginx/conf.d/tls.conf")
        host.write(f"{ROOT}/conf.d/mine.json", "{}")
        for check in (True, False):
            gone = play(host, check=check, diff=True, state="absent", log_file=variables["log_file"])
            assert gone.rc == 0, gone.output
            assert "/usr/local/lib/ocsp-stapling" in gone.output, gone.output
            assert not re.search(r"\.py[a-z]?\b", gone.output), "folders are enough"
            assert f"user {'would be' if check else 'was'} removed" in " ".join(gone.output.split()), gone.output
    assert host.read(f"{ROOT}/conf.d/mine.json") == "{}"
    # Logs stay, and belong to no number that the next user could be given.
    assert host.run("find", "/var/log", "-nouser") == "" and not host.has("/var/log/ocsp-stapling")
    assert host.run("stat", "-c", "%U:%G", "/var/log/staples") == "root:root\n"
    host.run("rm", "-r", ROOT)
    assert _lines(files_under(host, *folders), ignored) == bare
    assert "ocsp-stapling" not in host.read("/etc/passwd") + host.read("/etc/group")
    host.run("nginx", "-t", "-q")
    assert play(host, state="absent", log_file=variables["log_file"]).count("changed") == 0


@pytest.mark.nightly
def test_a_user_that_was_taken_over_is_removed(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """It can have said that it lingers, and have left processes, a crontab, and folders in folders.

    What starts processes for users does not start any for it; these hosts had it before that.
    """
    host = add_host("lingering", "nginx")
    leaf = lab_pki.issue("lingering.example.com", key="ec")
    with lab.responder(lab_pki.home):
        assert play(host, certificates=web(leaf.name), source=lab_pki.home, responder_wait=0).rc == 0
    number = host.run("id", "-u", "ocsp-stapling").strip()
    # As pam_systemd has it, which these hosts lack.
    host.run("mkdir", f"/run/systemd/system/user@{number}.service.d")
    runtime = f"[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/{number}\n"
    host.write(f"/run/systemd/system/user@{number}.service.d/runtime.conf", runtime)
    host.run("systemctl", "daemon-reload")
    host.run("loginctl", "enable-linger", "ocsp-stapling")
    host.run("systemctl", "start", f"user@{number}", check=False)
    assert host.run("systemctl", "is-active", f"user@{number}", check=False) == "failed\n"
    host.run("systemctl", "reset-failed", f"user@{number}")
    host.run("chage", "--expiredate", "-1", "ocsp-stapling")
    host.run("systemctl", "start", f"user@{number}")
    host.run("systemctl", "-q", "is-active", f"user@{number}")
    crontab = "/var/spool/cron/crontabs/ocsp-stapling"
    host.write(crontab, "* * * * * id\n")
    host.run("chown", "ocsp-stapling:crontab", crontab)
    host.run("sh", "-c", "setsid runuser -u ocsp-stapling -- sleep 600 >/dev/null 2>&1 & sleep 1")
    nested = (
        "import os; os.chdir('/var/lib/ocsp-stapling/responses')\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    )
    host.run("runuser", "-u", "ocsp-stapling", "--", "/usr/bin/python3", "-c", nested)
    for check in (True, False):
        gone = play(host, check=check, state="absent")
        assert gone.rc == 0, gone.output
    assert "ocsp-stapling" not in host.read("/etc/passwd") + host.run("ls", "/var/lib/systemd/linger")
    assert host.run("sh", "-c", f"! ps -o pid= -U {number}") == "" and not host.has(crontab)
    assert host.run("systemctl", "--failed", "--plain", "--no-legend") == ""
    assert play(host, state="absent").count("changed") == 0


def _lines(text: str, ignored: re.Pattern[str]) -> list[str]:
    return sorted(line for line in text.splitlines() if not ignored.search(line))


def test_what_others_put_into_a_scanned_folder_is_left_out(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, pki: pki_tool.Pki
) -> None:
    """All else is deployed, in check mode as well; what a variable names is still refused."""
    leaf = pki.leaf("no-ocsp.example.com")
    for path in (leaf.key, leaf.certificate, leaf.chain):
        host.write(f"/home/b/{path.name}", path.read_text())
        host.write(f"/home/a/{path.name}", "-----BEGIN CERTIFICATE-----\ngarbage\n")
    host.write("/home/a/zz.key", "x")
    host.write("/home/a/yy.key", "-----BEGIN PRIVATE KEY-----\n")
    host.write("/home/a/yy.pem", "-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    host.run("touch", "/home/a/x\n\x1b[31my.key")
    variables: dict[str, t.Any] = {
        "remote_source": True,
        "scan": [{"folder": "/home", "recursive": True, "reload": ["nginx"]}],
        "responder_wait": 0,
    }
    foreseen = play(host, check=True, **variables)
    assert foreseen.rc == 0, foreseen.output
    done = play(host, **variables)
    assert done.rc == 0, done.output
    assert names_of(host, f"{ROOT}/live") == [leaf.name]
    told = " ".join(done.output.split())
    assert f"{leaf.name}: 2 keys of this name were found, and that in /home/b is taken" in told
    assert "yy: /home/a/yy.pem contains a certificate that cannot be read" in told
    assert "/home/a/zz.key is not looked at, as no file beside it has its certificate in PEM" in told
    assert "/home/a/x??[31my.key is not looked at, as its name is not that of a certificate" in told
    again = play(host, **variables)
    assert again.rc == 0 and again.count("changed") == 0, again.output
    named = play(host, remote_source=True, certificates={"web": {"domains": [{"name": "yy", "source": "/home/a"}]}})
    assert named.rc != 0 and "nothing was changed" in named.output
    assert names_of(host, f"{ROOT}/live") == [leaf.name]


def test_by_hand_with_the_fixtures_of_pytest_ansible(
    lab: lab_tool.Lab, add_host: AddHost, lab_pki: pki_tool.Pki, ansible_adhoc: t.Callable[..., t.Any]
) -> None:
    """The module alone, on two releases of Debian at once."""
    for suite in ("bookworm", "trixie"):
        add_host(f"hand-{suite}", suite=suite)
    leaf = lab_pki.issue("hand.example.com", key="ec")
    hosts = ansible_adhoc(inventory=str(lab.inventory), host_pattern="all")
    entry = {
        "name": leaf.name,
        "private_key_content": leaf.key.read_text(),
        "certificate_content": leaf.certificate.read_text(),
        "chain_content": leaf.chain.read_text(),
    }
    with lab.responder(lab_pki.home):
        for changed in (True, False):
            results = getattr(hosts.all, "certops.ocsp.certificate_set")(certificates=[entry])
            for name in ("hand-bookworm", "hand-trixie"):
                assert results[name]["changed"] is changed and results[name]["certificates"][0]["stapled"], results[
                    name
                ]
