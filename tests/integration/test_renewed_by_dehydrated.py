# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's dehydrated renews on a host, with a new key each time, and clients of three servers notice nothing."""

from __future__ import annotations

import typing as t

import pytest
from acme_support import Ca
from conftest import Result, lab_tool
from renewal_support import CA_FILE, WEBROOT, Renewing, install

pytestmark = pytest.mark.nightly

NAME = "dehydrated.example.test"
CONFIG = "/etc/dehydrated/conf.d/ocsp-stapling.sh"

Play = t.Callable[..., Result]


def dehydrated(one: Renewing, *arguments: str) -> str:
    said = one.host.run("sh", "-c", '"$@" 2>&1 || true', "sh", "dehydrated", *arguments)
    assert "ERROR" not in said, said
    return said


@pytest.fixture(scope="module")
def one(lab: lab_tool.Lab, ca: Ca) -> Renewing:
    """The host that all tests of this file share."""
    made = Renewing(lab, ca, NAME, "dehydrated", "dehydrated")
    install(made.host, "dehydrated")
    answers = f"{WEBROOT}/.well-known/acme-challenge"
    made.host.run("mkdir", "-p", answers)
    settings = f'CA="{ca.directory}"\nWELLKNOWN={answers}\nCURL_OPTS="--cacert {CA_FILE}"\n'
    made.host.write("/etc/dehydrated/conf.d/lab.sh", settings)
    made.host.write("/etc/dehydrated/domains.txt", f"{NAME}\n")
    dehydrated(made, "--register", "--accept-terms")
    dehydrated(made, "--cron")
    return made


def test_dehydrated_renews_under_clients(one: Renewing, play: Play) -> None:
    one.renews_under_clients(play, lambda: dehydrated(one, "--cron", "--force"))


def test_a_hook_of_the_users_own_stays(one: Renewing, play: Play) -> None:
    """It runs that of the role."""
    old = one.serial()
    own = "/root/hook"
    one.host.write(own, '#!/bin/sh\necho "$1" >> /root/steps\nexec /usr/local/libexec/ocsp-stapling/dehydrated "$@"\n')
    one.host.run("chmod", "+x", own)
    one.host.write("/etc/dehydrated/conf.d/hook.sh", f"HOOK={own}\n")
    dehydrated(one, "--cron", "--force")
    one.wait_for_other(old)
    assert "deploy_cert" in one.host.read("/root/steps").split()


def test_the_timer_finds_what_no_hook_told(one: Renewing) -> None:
    old = one.serial()
    for path in ("/etc/dehydrated/conf.d/hook.sh", CONFIG):
        one.host.run("mv", path, f"{path}.off")
    dehydrated(one, "--cron", "--force")
    one.host.run("systemctl", "start", "ocsp-stapling.service")
    one.wait_for_other(old)
