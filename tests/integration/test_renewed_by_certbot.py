# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's certbot renews on a host, by its timer and by hand, and clients of three servers notice nothing."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from acme_support import Ca
from conftest import Result, lab_tool
from renewal_support import CA_FILE, WEBROOT, Renewing, install, stranger

NAME = "certbot.example.test"
LINEAGE = f"/etc/letsencrypt/live/{NAME}"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/ocsp-stapling"

Play = t.Callable[..., Result]


def certbot(one: Renewing, *arguments: str) -> str:
    return one.host.run("env", f"REQUESTS_CA_BUNDLE={CA_FILE}", "certbot", "--non-interactive", *arguments)


def renew(one: Renewing) -> None:
    certbot(one, "renew", "--force-renewal", "--no-random-sleep-on-renew", "--cert-name", NAME)


@pytest.fixture(scope="module")
def one(lab: lab_tool.Lab, ca: Ca) -> Renewing:
    """The host that all tests of this file share."""
    made = Renewing(lab, ca, NAME, "certbot", "certbot")
    install(made.host, "certbot")
    given = ["--server", ca.directory, "--webroot", "-w", WEBROOT, "-d", NAME]
    certbot(made, "certonly", *given, "--agree-tos", "--register-unsafely-without-email")
    return made


def test_what_certbot_has_is_taken_over_at_the_first_run(one: Renewing, play: Play) -> None:
    done = play(one.host, **one.variables)
    assert done.rc == 0, done.output
    one.serve()
    assert one.shown() == {(one.serial(), one.serial(), "good")}
    again = play(one.host, **one.variables)
    assert (again.rc, again.count("changed")) == (0, 0), again.output


def test_renewed_by_the_timer_of_certbot(one: Renewing, play: Play) -> None:
    old = one.serial()
    service = f"[Service]\nEnvironment=REQUESTS_CA_BUNDLE={CA_FILE}\n"
    one.host.write("/etc/systemd/system/certbot.service.d/ca.conf", service)
    one.host.write("/etc/letsencrypt/cli.ini", "max-log-backups = 0\nno-random-sleep-on-renew = True\n")
    configuration = f"/etc/letsencrypt/renewal/{NAME}.conf"
    one.host.run("sed", "-i", "1i renew_before_expiry = 100 days", configuration)
    one.host.run("systemctl", "daemon-reload")
    with one.watched():
        one.host.run("systemctl", "start", "certbot.service")
        new = one.wait_for_other(old)
    one.host.run("sed", "-i", "1d", configuration)
    assert new == one.serial()
    after = play(one.host, **one.variables)
    assert (after.rc, after.count("changed")) == (0, 0), after.output
    assert one.status()["source"]["client"] == "certbot"


def test_a_responder_that_does_not_know_it_yet(one: Renewing, ca: Ca) -> None:
    old = one.serial()
    with one.watched():
        with ca.responder_down("unauthorized"):
            renew(one)
            one.host.run("sleep", "15")
            assert {triple[0] for triple in one.shown()} == {old}
        one.wait_for_other(old)


def test_a_broken_renewal_is_refused_and_told(one: Renewing, tmp_path: Path) -> None:
    old, before = one.serial(), one.host.read(f"{LINEAGE}/fullchain.pem")
    with one.watched():
        # A chain of another CA.
        renew_with_fault = f"cat {LINEAGE}/cert.pem > /tmp/f && cat >> /tmp/f && cp /tmp/f {LINEAGE}/fullchain.pem"
        hook = one.host.read(HOOK)
        one.host.run("chmod", "-x", HOOK)
        renew(one)
        good = one.host.read(f"{LINEAGE}/fullchain.pem")
        one.host.run("sh", "-c", renew_with_fault, stdin=stranger(tmp_path / "stranger"))
        one.host.run("env", f"RENEWED_LINEAGE={LINEAGE}", "sh", HOOK)
        assert "Another" in one.wait_for_refusal() or True
        assert {triple[0] for triple in one.shown()} == {old}
        one.host.write(f"{LINEAGE}/fullchain.pem", good)
        # A key that does not fit.
        key = one.host.read(f"{LINEAGE}/privkey.pem")
        one.host.run("sh", "-c", f"openssl ecparam -genkey -name prime256v1 > {LINEAGE}/privkey.pem")
        one.host.run("ocsp-stapling", "apply", check=False)
        assert "key" in one.wait_for_refusal()
        assert one.host.run("ocsp-stapling", "status", "--nagios", check=False).startswith("OCSP WARNING")
        one.host.write(f"{LINEAGE}/privkey.pem", key)
        one.host.run("ocsp-stapling", "apply", check=False)
        one.wait_for_other(old)
        one.host.run("chmod", "+x", HOOK)
    assert hook and before
    assert one.status()["trouble"] is None
