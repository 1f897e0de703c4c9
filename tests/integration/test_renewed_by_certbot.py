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
from role_support import wait_for_idle

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


@pytest.fixture
def held(one: Renewing) -> t.Iterator[str]:
    """The old certificate is live, and certbot has renewed it without telling anybody. Gives its serial number."""
    old = one.serial()
    one.host.run("chmod", "-x", HOOK)
    renew(one)
    good = one.set_aside(f"{LINEAGE}/fullchain.pem", f"{LINEAGE}/privkey.pem")
    yield old
    for path, content in good.items():
        one.host.write(path, content)
    one.host.run("chmod", "+x", HOOK)
    tell(one)
    one.wait_for_other(old)
    assert one.status()["trouble"] is None


def tell(one: Renewing) -> None:
    """What certbot does after a renewal."""
    one.host.run("env", f"RENEWED_LINEAGE={LINEAGE}", "sh", HOOK)


def test_a_renewal_with_the_chain_of_another_ca(one: Renewing, held: str, tmp_path: Path) -> None:
    with one.watched():
        leaf = one.host.read(f"{LINEAGE}/cert.pem")
        one.host.write(f"{LINEAGE}/fullchain.pem", leaf + stranger(tmp_path / "stranger"))
        tell(one)
        one.wait_for_refusal("issuer")
        assert {triple[0] for triple in one.shown()} == {held}


def test_a_renewal_with_a_key_that_does_not_fit(one: Renewing, held: str) -> None:
    with one.watched():
        one.host.run("sh", "-c", f"openssl ecparam -genkey -name prime256v1 > {LINEAGE}/privkey.pem")
        # No hook tells of it, but the timer finds it.
        one.host.run("systemctl", "start", "ocsp-stapling-apply.service")
        one.wait_for_refusal("key")
        told = one.host.run("ocsp-stapling", "status", "--nagios", check=False)
        assert told.startswith("OCSP WARNING") and "PRIVATE" not in told
        # The unit writes them when it ends.
        wait_for_idle(one.host)
        metrics = one.host.read("/var/lib/ocsp-stapling/metrics/ocsp_stapling.prom")
        assert f'ocsp_stapling_renewal_not_live{{name="{NAME}"}} 1\n' in metrics
        assert {triple[0] for triple in one.shown()} == {held}


def test_a_renewal_that_its_ca_has_revoked(one: Renewing, held: str) -> None:
    revoked = one.host.read(f"{LINEAGE}/cert.pem")
    with one.watched():
        given = ["--server", one.ca.directory, "--cert-path", f"{LINEAGE}/cert.pem", "--reason", "superseded"]
        certbot(one, "revoke", *given, "--no-delete-after-revoke")
        tell(one)
        one.wait_for_refusal("revoked")
        assert {triple[0] for triple in one.shown()} == {held}
        one.host.run("chmod", "+x", HOOK)
        renew(one)
        one.wait_for_other(held)
    assert one.host.read(f"{LINEAGE}/cert.pem") != revoked


def test_the_unprivileged_program_reads_nothing_of_certbot(one: Renewing) -> None:
    as_user = ["setpriv", "--reuid=ocsp-stapling", "--regid=ocsp-stapling", "--clear-groups"]
    assert one.host.run(*as_user, "ls", "/etc/letsencrypt/live", check=False) == ""
    one.host.run("systemctl", "start", "ocsp-stapling.service")
    assert one.host.run("systemctl", "show", "-p", "ExecMainStatus", "--value", "ocsp-stapling.service").strip() == "0"


def test_no_unit_is_weaker_than_before(one: Renewing) -> None:
    limits = {
        "ocsp-stapling": 1.1,
        "ocsp-stapling-apply": 1.2,
        "ocsp-stapling-reload": 7.4,
        "ocsp-stapling-deploy": 5.0,
    }
    for unit, limit in limits.items():
        said = one.host.run("systemd-analyze", "security", f"{unit}.service", "--no-pager").strip().splitlines()[-1]
        assert float(said.rpartition(":")[2].split()[0]) <= limit, said


def test_absent_removes_the_hook(one: Renewing, play: Play) -> None:
    for path in ("/etc/nginx/sites-enabled/tls", "/etc/exim4/exim4.conf.localmacros"):
        one.host.run("rm", "-f", path)
    one.host.run("sed", "-i", "/frontend site/,$d", "/etc/haproxy/haproxy.cfg")
    done = play(one.host, state="absent", force=True)
    assert done.rc == 0, done.output
    assert not one.host.has(HOOK) and not one.host.has("/usr/local/libexec/ocsp-stapling")
    assert one.host.has(f"{LINEAGE}/fullchain.pem")
