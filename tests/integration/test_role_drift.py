# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody changed of the program on a host is said before, and mended by the next run."""

from __future__ import annotations

import functools
import typing as t

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import ROOT

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]

LIBRARY = "/usr/local/lib/ocsp-stapling"
UNITS = "/etc/systemd/system"
STATE = "/var/lib/ocsp-stapling"
#: What happens on the host, and what tells of it in ``--check --diff``.
DRIFT: dict[str, str] = {
    f"echo '# mine' >> {UNITS}/ocsp-stapling.service": "# mine",
    f"chmod 0777 {STATE}/responses": "has the mode 0777 and not 0755",
    f"chown nobody {ROOT}/conf.d": "belongs to the user nobody and not root",
    f"echo >> {LIBRARY}/ocsp/judge/judgement.py": "has ocsp/judge/judgement.py with different content",
    f"echo > {LIBRARY}/json.py": "has json.py, which does not belong there",
    "usermod --shell /bin/bash ocsp-stapling": "Create the user of the program",
    "systemctl disable --now ocsp-stapling.timer": "Start the timer of the program",
    "chmod 0644 /usr/local/sbin/ocsp-stapling": "has the mode 0644 and not 0755",
    f"echo '{{}}' > {ROOT}/config.json": '"per_responder": 8',
    f"echo '{{}}' > {ROOT}/parts/role.yml.json": "the configuration of 'role.yml' would be updated",
    f"chmod 0777 {ROOT}/live": f"{ROOT}/live has the mode 0777 and not 0755",
    f"chmod 0777 {ROOT}/sets": f"{ROOT}/sets has the mode 0777 and not 0755",
    f"chmod 0755 {UNITS}/ocsp-stapling.timer": "has the mode 0755 and not 0644",
}
#: The same for what the role deploys, which it replaces; what others could write is what a test looks for.
OPENED: dict[str, str] = {
    f"chmod 0666 {ROOT}/parts/*.json": f"{ROOT}/parts/role.yml.json is root:root 0666 and not root:root 0644",
    f"chmod 0666 {ROOT}/live/drifted.example.com/cert.pem": "root:root 0666",
    f"chmod 0777 {ROOT}/live/drifted.example.com/": "root:root 0777",
    f"chown nobody {ROOT}/live/drifted.example.com/fullchain.pem": "nobody:root 0644",
    f"chmod 0777 {ROOT}/sets/drifted.example.com": "the folder sets/drifted.example.com",
}


def facts(host: lab_tool.Host) -> str:
    """All that the role installs for the program, with owners, modes and contents, and what systemd says of it."""
    find = (
        f"find {ROOT} {STATE} {LIBRARY} /usr/local/sbin/ocsp-stapling {UNITS}/ocsp-stapling* -name __pycache__ -prune "
        "-o -name state.json -o -name '*.prom' -o -name '.*.lock' -o -name refresh.json -o -printf '%p %y %u %g %m ' "
        "-type f -exec sha256sum {} \\; -o -printf '\\n'"
    )
    shown = host.run("systemctl", "show", "-p", "ActiveState,UnitFileState,NeedDaemonReload", "ocsp-stapling.timer")
    return host.run("sh", "-c", f"{find} | sort; getent passwd ocsp-stapling") + shown


@pytest.fixture
def host(add_host: AddHost) -> lab_tool.Host:
    return add_host("drifted")


@pytest.fixture
def deploy(host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki) -> Play:
    """Run the role for one certificate, which has been done once."""
    leaf = lab_pki.issue("drifted.example.com", key="ec", ocsp=False)
    group = {"domains": [leaf.name]}
    again = functools.partial(play, host, certificates={"web": group}, source=lab_pki.home, responder_wait=0)
    first = again()
    assert first.rc == 0, first.output
    return again


def test_what_somebody_changed_is_mended(host: lab_tool.Host, deploy: Play) -> None:
    good = facts(host)
    for command in DRIFT:
        host.run("sh", "-c", command)
    drifted = facts(host)
    checked = deploy(check=True, diff=True)
    assert checked.rc == 0, checked.output
    assert [told for told in DRIFT.values() if told not in checked.output] == []
    assert facts(host) == drifted, "a check changes nothing"
    mended = deploy()
    assert mended.rc == 0 and facts(host) == good, mended.output
    again = deploy(check=True)
    assert again.rc == 0 and again.count("changed") == 0, again.output


@pytest.mark.parametrize("command", OPENED)
def test_what_others_can_write_is_replaced(command: str, host: lab_tool.Host, deploy: Play) -> None:
    good = facts(host)
    find = ("find", ROOT, "(", "-perm", "/022", "-o", "-not", "-user", "root", ")", "-not", "-type", "l")
    host.run("sh", "-c", command)
    assert host.run(*find).strip()
    checked = deploy(check=True, diff=True)
    assert checked.rc == 0 and OPENED[command] in checked.output and facts(host) != good, checked.output
    mended = deploy()
    assert mended.rc == 0 and mended.count("changed") > 0 and not host.run(*find).strip(), mended.output
    again = deploy(check=True)
    assert again.rc == 0 and again.count("changed") == 0, again.output


def fail_to_apply(host: lab_tool.Host) -> None:
    """Have both parts of the program refuse the configuration, which the status tells from then on."""
    for command in ("refresh", "apply"):
        done = host.run("sh", "-c", f"ocsp-stapling {command}; echo $?")
        assert done.splitlines()[-1] == "78", done


def test_what_is_said_after_a_repair_of_the_configuration_is_true(host: lab_tool.Host, deploy: Play) -> None:
    host.run("chmod", "0666", f"{ROOT}/config.json")
    refused = f"{ROOT}/config.json: users other than root can write to this file"
    checked = deploy(check=True)
    assert checked.rc == 0 and f"ocsp-stapling status: WARNING - {refused}" in checked.output, checked.output
    fail_to_apply(host)
    mended = deploy()
    assert mended.rc == 0 and mended.count("changed") > 0, mended.output
    assert "up to date" in mended.output and "ocsp-stapling status" not in mended.output, mended.output
    assert "OCSP OK" in host.run("ocsp-stapling", "status", "--nagios")


def test_a_run_that_changes_nothing_tells_that_the_part_of_another_is_refused(
    host: lab_tool.Host, deploy: Play
) -> None:
    """And it is carried out: two owners would keep each other from correcting theirs otherwise."""
    assert deploy(owner="other").rc == 0
    host.run("sh", "-c", f"chmod 0666 {ROOT}/parts/*.json")
    mine = deploy()
    assert mine.rc == 0 and f"access to {ROOT}/parts/role.yml.json was corrected" in mine.output, mine.output
    refused = f"ocsp-stapling status: WARNING - {ROOT}/parts/other.json: users other than root can write"
    for check in (True, False):
        idle = deploy(check=check)
        assert idle.rc == 0 and idle.count("changed") == 0 and refused in idle.output, idle.output
    fail_to_apply(host)
    assert refused in deploy().output
    theirs = deploy(owner="other")
    assert theirs.rc == 0 and f"access to {ROOT}/parts/other.json was corrected" in theirs.output, theirs.output
    idle = deploy()
    assert idle.rc == 0 and idle.count("changed") == 0 and "ocsp-stapling status" not in idle.output, idle.output


@pytest.mark.nightly
def test_each_change_alone_is_mended(host: lab_tool.Host, deploy: Play) -> None:
    """Nothing else has to differ for it to be noticed."""
    good = facts(host)
    for command in DRIFT:
        host.run("sh", "-c", command)
        mended = deploy()
        assert mended.rc == 0 and mended.count("changed") > 0 and facts(host) == good, (command, mended.output)
