# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator gives the role that cannot be used: it is said before anything changes."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import ROOT, SUITES, is_stapled, names_of, serial, serve_by_exim, serve_by_nginx

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]

PROGRAM = "/usr/local/sbin/ocsp-stapling"
#: What the plays of these tests configure: they have no name, and their playbook has this one.
PART = f"{ROOT}/parts/role.yml.json"


def web(*domains: t.Any) -> dict[str, t.Any]:
    """One group of certificates for nginx."""
    return {"web": {"domains": list(domains), "reload": ["nginx"]}}


def said(result: Result) -> str:
    """What a play that failed said, without line breaks."""
    assert result.rc != 0, result.output
    return " ".join(result.output.split())


@pytest.mark.nightly
def test_configuration_that_the_program_refuses(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """In the role's variables, in conf.d, and in both together."""
    host = add_host("misled", "nginx")
    leaf = lab_pki.issue("misled.example.com", key="ec")
    variables: dict[str, t.Any] = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    wrong = {**variables, "services": {"nginx": {"kind": "nginx", "sockets": "/run/x"}}}
    mine = f"{ROOT}/conf.d/mine.json"
    with lab.responder(lab_pki.home):
        assert play(host, check=True, **variables).rc == 0
        slip = "ocsp_stapling_services: nginx: sockets is not known; did you mean socket?"
        assert slip in said(play(host, **wrong))
        assert names_of(host, f"{ROOT}/live") == [] and not host.has(f"{ROOT}/config.json")
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, leaf.name)
        before = host.read(PART)
        link = host.run("readlink", f"{ROOT}/live/{leaf.name}")
        new = lab_pki.issue(leaf.name, key="ec")
        assert slip in said(play(host, **wrong))
        twice = f"{leaf.name} is already in ocsp_stapling_certificates of role.yml; each may be listed only once"
        for check, content, sentence in (
            (True, '{\n "workers": 0}', f"{mine}, line 2: workers: must be a whole number"),
            (False, f'{{"certificates": [{{"name": "{leaf.name}"}}]}}', twice),
        ):
            host.write(mine, content)
            refused = said(play(host, check=check, **variables))
            assert (
                f"nothing was changed: the program rejects its configuration: {mine}" in refused and sentence in refused
            ), refused
            assert "changed_when_result" not in refused and '"part"' not in refused, refused
        assert host.read(PART) == before
        assert host.run("readlink", f"{ROOT}/live/{leaf.name}") == link
        assert host.run("sh", "-c", "ls -d /tmp/ocsp-stapling-* || true") == ""
        assert "nothing was done" not in host.run("journalctl", "-t", "ocsp-stapling", "-o", "cat", "--no-pager")
        host.write(mine, '{"workers": 4}')
        assert play(host, **variables).rc == 0
        assert is_stapled(lab.look(host, leaf.name), new)
        again = play(host, check=True, **variables)
        assert again.rc == 0 and again.count("changed") == 0, again.output


def test_a_reload_that_cannot_even_begin_says_why(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """A file of conf.d breaks while the role runs: what the handler says is shown."""
    leaf = lab_pki.issue("broken.example.com", key="ec")
    mine = f"{ROOT}/conf.d/mine.json"
    # After all was judged, the configuration of nginx is tested: that breaks the file.
    breaking = {"nginx": {"test": ["/bin/sh", "-c", f"echo > {mine}"]}}
    variables = {"certificates": web(leaf.name), "services": breaking, "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        failed = said(play(host, **variables))
    assert f"{mine}, line 2, column 1: the file is empty" in failed and "was not reloaded" not in failed, failed


def test_the_handler_that_renews_staples_says_what_is_wrong(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    leaf = lab_pki.issue("notified.example.com", key="ec")
    options = {"retries": 0, "timeout": 2}
    variables = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0, "options": options}
    notify = {"name": "Notify", "ansible.builtin.command": "true", "notify": "Update OCSP responses"}
    lost = f"rm -f {ROOT}/live/{leaf.name}/ocsp.der /var/lib/ocsp-stapling/responses/{leaf.name}.der"
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        idle = play(host, tasks=[notify], **variables)
        assert (idle.rc, idle.count("changed")) == (0, 1), idle.output
        assert "ocsp-stapling status" not in idle.output
    host.run("sh", "-c", lost)
    failing = play(host, tasks=[notify], **variables)
    told = " ".join(failing.output.split("RUNNING HANDLER", 1)[1].split())
    assert failing.rc == 0, failing.output
    assert f"ocsp-stapling status: WARNING - {leaf.name}: no staple is in place; could not fetch a new " in told
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        renewed = play(host, tasks=[{**notify, "ansible.builtin.command": f"sh -c '{lost}'"}], **variables)
        assert (renewed.rc, renewed.count("changed")) == (0, 2), renewed.output
        serve_by_nginx(host, leaf.name)
        assert is_stapled(lab.look(host, leaf.name), leaf)
    in_check = play(host, check=True, tasks=[notify], **variables)
    assert in_check.rc == 0, in_check.output


def test_password_of_a_proxy(lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki) -> None:
    """It is for root and the program alone, also where a diff is asked for."""
    leaf = lab_pki.issue("proxied.example.com", key="ec")
    variables: dict[str, t.Any] = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        assert host.run("stat", "-c", "%a", PART) == "644\n"
        options = {"http_proxy": f"http://staple:hunter2@{lab.address}:9", "retries": 0}
        done = play(host, diff=True, options=options, **variables)
        assert done.rc == 0 and "hunter2" not in done.output, done.output
    assert "hunter2" in host.read(PART) and "hunter2" not in host.read(f"{ROOT}/config.json")
    assert host.run("stat", "-c", "%U:%G %a", PART) == "root:ocsp-stapling 640\n"
    # The unit can read it: without the staple of the playbook it gets as far as the proxy, which is not there.
    host.run("rm", f"{ROOT}/live/{leaf.name}/ocsp.der")
    host.run("systemctl", "start", "ocsp-stapling.service", check=False)
    journal = host.run("journalctl", "-o", "cat", "--no-pager")
    assert f"cannot connect to the proxy {lab.address}:9" in journal and "hunter2" not in journal
    told = host.run("sh", "-c", f"! runuser -u nobody -- {PROGRAM} status 2>&1")
    assert told.startswith(f"{PART}: the configuration cannot be read: Permission denied; ")
    member = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=ocsp-stapling"]
    assert leaf.name in host.run(*member, PROGRAM, "status", check=False)


def test_controller_says_why_it_has_no_response(
    host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki, tmp_path: Path
) -> None:
    """In check mode, too, where there is no folder for responses yet."""
    host.run("rm", "-rf", "/var/lib/ocsp-stapling")
    leaf = lab_pki.issue("unfetched.example.com", key="ec")
    responder = f"http://127.0.0.1:{pki_tool.free_port()}"
    variables = {
        "certificates": web({"name": leaf.name, "responder_urls": [responder]}),
        "source": lab_pki.home,
        "responder_wait": 0,
        "options": {"retries": 0, "timeout": 2},
        "fetch_from": "controller",
        "controller_cache": tmp_path / "cache",
    }
    for check in (True, False):
        done = play(host, check=check, **variables)
        assert done.rc == 0, done.output
        told = " ".join(done.output.split())
        assert f"{leaf.name}: there is no staple yet: cannot connect to {responder}" in told, done.output
        assert f"{leaf.name}; without a staple so far: {leaf.name}; " in told, done.output


def test_what_stands_in_the_way_of_the_program(add_host: AddHost, play: Play) -> None:
    host = add_host("obstructed")
    host.run("mkdir", "-p", f"{ROOT}/config.json")
    host.run("systemctl", "mask", "ocsp-stapling.timer")
    refused = said(play(host))
    assert f"{ROOT}/config.json is a folder, where a file belongs; move it away" in refused, refused
    assert "run 'systemctl unmask ocsp-stapling.timer' first" in refused, refused
    assert not host.has("/usr/local/lib/ocsp-stapling")
    host.run("rmdir", f"{ROOT}/config.json")
    host.run("systemctl", "unmask", "ocsp-stapling.timer")
    assert play(host).rc == 0
    assert host.run("systemctl", "is-enabled", "ocsp-stapling.timer") == "enabled\n"


def test_log_file_has_a_folder_of_its_own(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Both parts of the program write to it, and nobody else's files are within their reach."""
    leaf = lab_pki.issue("logging.example.com", key="ec")
    variables: dict[str, t.Any] = {"certificates": web(leaf.name), "source": lab_pki.home, "responder_wait": 0}
    path = "/var/log/staple-{year}.log"
    refused = said(play(host, log_file=path, **variables))
    assert f"ocsp_stapling_log_file is {path}, but " in refused and "nothing was changed" in refused, refused
    folder = "/var/log/staples"
    assert not host.has(folder) and names_of(host, f"{ROOT}/live") == []
    with lab.responder(lab_pki.home):
        assert play(host, log_file=f"{folder}/{{year}}.log", **variables).rc == 0
        again = play(host, log_file=f"{folder}/{{year}}.log", **variables)
        assert again.rc == 0 and again.count("changed") == 0, again.output
        host.run("systemctl", "start", "ocsp-stapling-apply.service")
        host.run("systemctl", "start", "ocsp-stapling.service")
    assert host.run("sh", "-c", f"stat -c %U {folder} {folder}/*").split() == ["ocsp-stapling"] * 2
    journal = host.run("journalctl", "-t", "ocsp-stapling", "-o", "cat", "--no-pager")
    assert "cannot be written" not in journal
    before = host.run("sh", "-c", f"cat {folder}/*.log")
    host.run("runuser", "-u", "ocsp-stapling", "--", PROGRAM, "refresh", "--force", check=False)
    assert "unreachable" in host.run("sh", "-c", f"cat {folder}/*.log").replace(before, "")


def test_all_that_is_wrong_is_said_before_a_bare_host_is_touched(
    lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """What is missing on the controller, what does not fit, what this host does not have, and any slip beside."""
    host = add_host("untouched", "nginx")
    one, other = lab_pki.issue("one.example.com", key="ec"), lab_pki.issue("two.example.com", key="ec")
    locked = lab_pki.issue("locked.example.com", key="ec")
    vault = lab_pki.home / "locked.vault"
    vault.write_text("$ANSIBLE_VAULT;1.1;AES256\n3031\n")
    certificates = web(
        "missing.example.com",
        {"name": locked.name, "private_key": str(vault), "relaod": []},
        {"name": one.name, "private_key": other.key},
        {"name": other.name, "key_group": "nobodys"},
    )
    times = {"timer": "hourlyy", "timer_delay": "soon"}
    refused = said(play(host, certificates=certificates, source=lab_pki.home, keep=0, **times))
    for sentence in (
        f"- web, {locked.name}: relaod is not known; did you mean reload?",
        "- ocsp_stapling_keep: 0 is not between 1 and 1000",
        "- systemd rejects ocsp_stapling_timer: ",
        "- systemd rejects ocsp_stapling_timer_delay: ",
        f"- {locked.name}: {vault} cannot be decrypted: ",
        f"- missing.example.com: there is no private key: {lab_pki.home} contains no missing.example.com.key",
        "- missing.example.com: there is no certificate: ",
        f"- {one.name}: ",
        f"- {other.name}: the group of the private key: there is no group 'nobodys' on this host",
    ):
        assert sentence in refused, (sentence, refused)
    untouched = said(play(host, certificates=web({"name": one.name, "private_key": other.key}), source=lab_pki.home))
    assert f"nothing was changed: {one.name}: " in untouched, untouched
    assert not host.has(ROOT) and not host.has(PROGRAM) and "ocsp-stapling" not in host.read("/etc/passwd")


@pytest.mark.nightly
@pytest.mark.parametrize("suite", SUITES)
def test_exim_broken_by_somebody_else(
    suite: str, lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Debian generates Exim's configuration anew at each start: what runs says nothing about that."""
    host = add_host(f"exim-{suite}", "exim4", suite=suite)
    leaf = lab_pki.issue("exim.example.com", key="ec")
    group = {"domains": [leaf.name], "reload": ["exim"], "key_group": "Debian-exim", "key_mode": "0440"}
    variables = {"certificates": {"mail": group}, "source": lab_pki.home, "responder_wait": 0}
    macros, twice = "/etc/exim4/exim4.conf.localmacros", '" option set for the second time'
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_exim(host)
        assert is_stapled(lab.look(host, leaf.name, 25, "smtp"), leaf)
        good = host.read(macros)
        host.write(macros, good + "MAIN_TLS_ENABLE = yes\n")
        before = host.run("readlink", f"{ROOT}/live/{leaf.name}")
        old = serial(leaf)
        lab_pki.issue(leaf.name, key="ec")
        refused = said(play(host, **variables)).replace("\\", "")
        assert "the configuration of exim was already broken before this run" in refused and twice in refused, refused
        assert host.run("readlink", f"{ROOT}/live/{leaf.name}") == before
        assert lab.look(host, leaf.name, 25, "smtp") == (old, old, "good"), "it goes on with what it has loaded"
        assert twice in host.run("sh", "-c", f"{PROGRAM} reload exim 2>&1 || true")
        host.write(macros, good)
        assert play(host, **variables).rc == 0
        assert is_stapled(lab.look(host, leaf.name, 25, "smtp"), lab_pki.leaf(leaf.name))
        old = serial(leaf)
        if suite == "bookworm":
            return  # a reload goes on with the configuration that was generated last
        # Where a test does not find it, the journal has why the reload failed.
        host.write(macros, good + "MAIN_TLS_ENABLE = yes\n")
        lab_pki.issue(leaf.name, key="ec")
        untested = said(play(host, services={"exim": {"test": ["true"]}}, **variables)).replace("\\", "")
        assert "were put back: " in untested and "the last reload of exim4.service failed; " in untested, untested
        assert twice in untested, untested
        assert lab.look(host, leaf.name, 25, "smtp")[0] == old
