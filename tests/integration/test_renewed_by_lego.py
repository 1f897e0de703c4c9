# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's lego renews on a host, by its own command, and clients of three servers notice nothing."""

from __future__ import annotations

import typing as t

import pytest
from acme_support import Ca
from conftest import Result, lab_tool
from renewal_support import CA_FILE, WEBROOT, Renewing, install

pytestmark = pytest.mark.nightly

NAME = "lego.example.test"
HOOK = "/usr/local/libexec/ocsp-stapling/lego"

Play = t.Callable[..., Result]


def lego(one: Renewing, *arguments: str) -> None:
    given = ["--path", "/var/lib/lego", "--server", one.ca.directory, "--domains", NAME, "--email", "a@example.test"]
    answer = ["--accept-tos", "--http", "--http.webroot", WEBROOT]
    one.host.run("env", f"LEGO_CA_CERTIFICATES={CA_FILE}", "lego", *given, *answer, *arguments)


def renew(one: Renewing) -> None:
    lego(one, "renew", "--days", "100", "--no-random-sleep", "--renew-hook", HOOK)


@pytest.fixture(scope="module")
def one(lab: lab_tool.Lab, ca: Ca) -> Renewing:
    """The host that all tests of this file share."""
    made = Renewing(lab, ca, NAME, "lego", "lego")
    install(made.host, "lego")
    lego(made, "run")
    return made


def test_lego_renews_under_clients(one: Renewing, play: Play) -> None:
    one.renews_under_clients(play, lambda: renew(one))


def test_a_responder_that_does_not_know_it_yet(one: Renewing, ca: Ca) -> None:
    old = one.serial()
    with one.watched():
        with ca.responder_down("unauthorized"):
            renew(one)
            one.host.run("sleep", "120")
            assert {triple[0] for triple in one.shown()} == {old}
        one.wait_for_other(old)
