# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role acme_certificates on the controller: what is ordered when, kept where, and taken up after whatever."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import typing as t
from pathlib import Path

import pebble
import pytest
from acme_support import CACHE, DNS_TASKS, VERSION, Ca, Controller, groups, newest_only
from conftest import CHECKOUT, pki_tool, run_program

pytestmark = pytest.mark.nightly

NAME = "www.example.test"
#: What is asked for renewal information, where the CA has any.
ARI = {"draft-ietf-acme-ari-03"} - ({"draft-ietf-acme-ari-03"} if VERSION.startswith("2.4") else set())
PAST = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
FUTURE = ("2099-01-01T00:00:00Z", "2099-01-02T00:00:00Z")


@pytest.fixture
def run(controller: Controller) -> t.Callable[..., t.Any]:
    """Run the role for domains without hosts."""

    def run_(*domains: t.Any, **variables: t.Any) -> t.Any:
        return controller.run(ocsp_stapling_certificates=groups(*(domains or [NAME])), **variables)

    return run_


def asked(ca: Ca, before: t.Sequence[str]) -> set[str]:
    """What the CA was asked for since then, by the first part of the path."""
    return {request.split("/")[1] for request in ca.requests()[len(before) :]}


def test_all_values_of_a_name_are_set_at_once_and_a_second_run_asks_for_renewal_information_only(
    run: t.Any, ca: Ca, controller: Controller
) -> None:
    names = ["*.example.test", "example.test"]
    pair = [{"name": "ecdsa.example.test", "names": names}]
    pair.append({"name": "rsa.example.test", "names": names, "acme": {"key_type": "rsa-2048"}})
    first = run(*pair)
    assert first.rc == 0 and "reserved" not in first.output, first.output
    (record,) = controller.records()
    assert (record["record"], record["target"]) == ("_acme-challenge.example.test",) * 2
    assert len(record["values"]) == 4 and controller.records("absent") == [record]
    assert "rsaEncryption" in pki_tool.openssl("x509", "-in", controller.file("rsa.example.test"), "-noout", "-text")
    for name in ("ecdsa.example.test", "rsa.example.test"):
        assert set(controller.set_files(name)) == {
            f"{name}{end}" for end in (".key", ".pem", "-chain.pem", "-fullchain.pem")
        }
    assert [path for path in controller.files.rglob("*") if path.stat().st_mode & 0o077] == []

    before, issued = ca.requests(), ca.issued()
    second = run(*pair)
    assert (second.rc, second.count("changed"), second.count("failed")) == (0, 0, 0), second.output
    assert asked(ca, before) == {"dir", *ARI}

    before = ca.requests()
    checked = controller.run(
        ocsp_stapling_certificates=groups(*pair), acme_certificates_force=["rsa.example.test"], switches=["--check"]
    )
    assert checked.rc == 0 and "Would be ordered: rsa.example.test (forced)" in checked.output
    assert asked(ca, before) == {"dir", *ARI} and ca.issued() == issued


def test_the_ca_calls_for_a_certificate_and_gets_a_new_key(run: t.Any, ca: Ca, controller: Controller) -> None:
    assert run().rc == 0
    old, key = controller.serial(NAME), controller.public_key(NAME)
    ca.suggest(controller.file(NAME), *PAST)
    renewed = run(acme_certificates_new_key=False)
    assert renewed.rc == 0, renewed.output
    assert controller.serial(NAME) == ca.issued()[-1] != old
    assert controller.public_key(NAME) != key
    # By its own age it keeps its key, where that is wanted.
    key = controller.public_key(NAME)
    assert run(acme_certificates_new_key=False, acme_certificates_force=[NAME]).rc == 0
    assert controller.public_key(NAME) == key


def test_renewal_information_that_is_broken_stops_nothing(run: t.Any, ca: Ca, controller: Controller) -> None:
    assert run().rc == 0
    issued = ca.issued()
    ca.suggest(controller.file(NAME), *FUTURE)
    later = run()
    assert (later.rc, later.count("changed")) == (0, 0) and "the age of certificates decides" not in later.output
    ca.forge(controller.file(NAME), "<html>")
    found = run()
    assert (found.rc, found.count("changed")) == (0, 0) and "the age of certificates decides" in found.output
    ca.stop()
    try:
        away = run()
        assert (away.rc, away.count("changed")) == (0, 0) and "cannot be read" in away.output
        # There would be time enough to try again, but for that it was asked for.
        forced = run(acme_certificates_force=[NAME])
        assert forced.rc != 0 and f"{NAME} was not renewed: the CA cannot be reached" in forced.output
        missing = run(NAME, "new.example.test")
        assert missing.rc != 0 and "new.example.test was not obtained: the CA cannot be reached" in missing.output
    finally:
        ca.start()
    # It has forgotten its issuer and its accounts, and gets the same account again.
    again = run(NAME, "new.example.test")
    assert again.rc == 0 and "HTTP 400; the age of certificates decides" in again.output, again.output
    assert len(ca.issued()) == len(issued) + 1


@pytest.mark.parametrize("renewal", [False, True], ids=["first", "renewal"])
def test_a_run_that_is_killed_is_taken_up_where_it_was(
    run: t.Any, ca: Ca, controller: Controller, renewal: bool
) -> None:
    name = f"killed-{renewal}.example.test".lower()
    wanted: dict[str, t.Any] = {"ocsp_stapling_certificates": groups(name)}
    if renewal:
        assert run(name).rc == 0
        ca.suggest(controller.file(name), *PAST)
    before, old = len(ca.issued()), controller.set_files(name)
    for text in (
        "TASK [certops.ocsp.acme_certificates : Create or find the account]",
        "TASK [certops.ocsp.acme_certificates : Record orders]",
        "TASK [certops.ocsp.acme_certificates : Answer by files]",
        "TASK [certops.ocsp.acme_certificates : Tell the name server]",
        "TASK [certops.ocsp.acme_certificates : Ask the CA to validate]",
        "TASK [certops.ocsp.acme_certificates : Clean up]",
        "TASK [certops.ocsp.acme_certificates : Put certificates into use]",
    ):
        said = controller.run_until(text, **wanted)
        assert text in said
        assert controller.set_files(name) in (old, controller.set_files(name) if text.endswith("use]") else old)
    last = run(name)
    assert last.rc == 0, last.output
    assert len(ca.issued()) == before + 1
    assert controller.serial(name) == ca.issued()[-1]
    assert not (controller.files / ".acme" / "pending" / name).exists()
    again = run(name)
    assert (again.rc, again.count("changed")) == (0, 0), again.output


def test_a_certificate_that_was_replaced_already_is_ordered_like_a_first_one(
    run: t.Any, ca: Ca, controller: Controller, tmp_path: Path
) -> None:
    assert run().rc == 0
    subprocess.run(["cp", "-a", controller.files, tmp_path / "before"], check=True)
    ca.suggest(controller.file(NAME), *PAST)
    assert run().rc == 0
    # All that came of it is lost.
    controller.files.rename(tmp_path / "lost")
    (tmp_path / "before").rename(controller.files)
    before = len(ca.requests())
    found = run()
    assert found.rc == 0, found.output
    assert controller.serial(NAME) == ca.issued()[-1]
    # The first of two orders was refused; it may have had a nonce of which the CA wanted nothing, too.
    assert ca.requests()[before:].count("POST /order-plz") >= 2


def test_what_fails_keeps_its_set_and_others_go_on(run: t.Any, ca: Ca, controller: Controller) -> None:
    assert run("nowhere.example.test", acme_certificates_dns_alias={}).rc != 0
    found = run("nowhere.example.test", NAME)
    assert found.rc != 0
    assert "nowhere.example.test was not obtained: the CA says: nowhere.example.test: " in found.output
    assert "(unauthorized); there is no certificate for it yet" in found.output
    assert controller.serial(NAME) == ca.issued()[-1]
    assert controller.set_files("nowhere.example.test") == {}


def test_a_renewal_that_fails_changes_no_file_of_its_own(run: t.Any, ca: Ca, controller: Controller) -> None:
    other = "other.example.test"
    assert run(NAME, other).rc == 0
    before, issued = controller.set_files(NAME), ca.issued()
    found = run(
        NAME,
        other,
        acme_certificates_force=[NAME, other],
        acme_certificates_dns_alias={f"_acme-challenge.{NAME}": "nowhere.example.test"},
    )
    assert found.rc != 0
    assert f"{NAME} was not renewed: the CA says: {NAME}: " in found.output, found.output
    assert controller.set_files(NAME) == before
    assert controller.serial(other) == ca.issued()[-1] and len(ca.issued()) == len(issued) + 1
    assert controller.records("absent") == controller.records("present")
    # An order that failed is not taken up.
    mended = run(NAME, other)
    assert mended.rc == 0 and controller.set_files(NAME) == before, mended.output


def test_files_of_another_client_are_in_use_until_they_are_due(
    run: t.Any, ca: Ca, controller: Controller, tmp_path: Path
) -> None:
    """As the guide has those of certbot copied."""
    assert run().rc == 0
    elsewhere = tmp_path / "live"
    controller.files.rename(elsewhere)
    controller.files.mkdir()
    controller.file(NAME, ".key").write_bytes((elsewhere / f"{NAME}.key").read_bytes())
    controller.file(NAME, "-fullchain.pem").write_bytes((elsewhere / f"{NAME}-fullchain.pem").read_bytes())
    known, issued = controller.set_files(NAME), ca.issued()
    found = run()
    assert (found.rc, found.count("changed")) == (0, 0), found.output
    assert controller.set_files(NAME) == known and ca.issued() == issued
    renewed = run(acme_certificates_force=[NAME])
    assert renewed.rc == 0 and len(ca.issued()) == len(issued) + 1, renewed.output
    assert controller.serial(NAME) == ca.issued()[-1]
    kept = controller.files / ".acme/sets" / NAME / "adopted"
    assert (kept / "fullchain.pem").read_bytes() == known[f"{NAME}-fullchain.pem"]


def test_a_ca_that_never_finishes_is_not_waited_for(run: t.Any, ca: Ca, controller: Controller) -> None:
    ca.stop()
    ca.start("--set", "PEBBLE_AUTHZREUSE=0", "--set", "PEBBLE_VA_NOSLEEP=0", "--set", "PEBBLE_VA_SLEEPTIME=100000")
    try:
        found = controller.run(
            switches=["-e", "__acme_certificates_patience=15"], ocsp_stapling_certificates=groups(NAME)
        )
        assert found.rc != 0, found.output
        assert f"{NAME} was not obtained: the CA did not finish within 15 seconds" in found.output, found.output
        assert controller.records("absent") == controller.records("present")
        # It may finish later: the next run asks for this order.
        assert json.loads((controller.files / f".acme/pending/{NAME}/order.json").read_text())["uri"]
    finally:
        ca.stop()
        ca.start("--set", "PEBBLE_AUTHZREUSE=0")
    again = run()
    assert again.rc == 0 and controller.serial(NAME) == ca.issued()[-1], again.output


def test_keys_are_in_a_vault_from_the_first_byte(run: t.Any, ca: Ca, controller: Controller) -> None:
    password = controller.home / "password"
    password.write_text("open sesame\n")
    switches = ["-vvv", "--vault-password-file", str(password)]
    variables = {"ocsp_stapling_certificates": groups(NAME), "acme_certificates_vault_secret": "open sesame"}
    refused = controller.run(**variables)
    assert refused.rc != 0 and "is none of the vault secrets of this run" in refused.output
    for more in ({}, {"acme_certificates_force": [NAME], "acme_certificates_new_key": False}):
        found = controller.run(switches=switches, **variables, **more)
        assert found.rc == 0, found.output
        assert "PRIVATE KEY" not in found.output and "open sesame" not in found.output
        for path in controller.files.rglob("*"):
            assert path.is_dir() or b"PRIVATE KEY" not in path.read_bytes(), path
    assert controller.file(NAME, ".key").read_text().startswith("$ANSIBLE_VAULT;")
    assert len({controller.public_key(NAME)}) == 1


def test_keys_that_were_there_before_are_encrypted_by_the_next_run(run: t.Any, ca: Ca, controller: Controller) -> None:
    assert run().rc == 0
    assert run(acme_certificates_force=[NAME]).rc == 0
    certificate, account = controller.serial(NAME), controller.files.glob(".acme/*/account.json")
    known = [path.read_text() for path in account]
    password = controller.home / "password"
    password.write_text("open sesame\n")
    how = {"ocsp_stapling_certificates": groups(NAME), "acme_certificates_vault_secret": "open sesame"}
    switches = ["--vault-password-file", str(password)]

    def in_the_clear() -> list[Path]:
        return [path for path in controller.files.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]

    before = in_the_clear()
    assert len([path for path in before if not path.is_symlink()]) >= 3
    checked = controller.run(switches=[*switches, "--check"], **how)
    assert checked.rc == 0 and in_the_clear() == before, checked.output
    asked_before = ca.requests()
    found = controller.run(switches=switches, **how)
    assert (found.rc, found.count("changed")) == (0, 1), found.output
    assert in_the_clear() == [] and asked(ca, asked_before) == {"dir", *ARI}
    again = controller.run(switches=switches, **how)
    assert (again.rc, again.count("changed")) == (0, 0), again.output
    # The account is the same one, and the key of the certificate can still be read.
    renewed = controller.run(switches=switches, **how, acme_certificates_force=[NAME], acme_certificates_new_key=False)
    assert renewed.rc == 0 and controller.serial(NAME) != certificate, renewed.output
    assert [path.read_text() for path in controller.files.glob(".acme/*/account.json")] == known
    assert in_the_clear() == []


def test_a_clean_up_that_fails_hides_nothing(ca: Ca, controller: Controller) -> None:
    tasks = "- ansible.builtin.fail: {msg: zone is locked}\n  when: acme_certificates_dns_state == 'absent'\n"
    controller.home.joinpath("locked.yml").write_text(DNS_TASKS.replace("ADDRESS", ca.lab.address) + tasks)
    found = controller.run(ocsp_stapling_certificates=groups(NAME), acme_certificates_dns_tasks="locked.yml")
    assert found.rc == 0, found.output
    assert f"the DNS records _acme-challenge.{NAME} could not be removed" in found.output
    assert controller.serial(NAME) == ca.issued()[-1]


def test_what_is_issued_is_judged_before_it_is_used(run: t.Any, ca: Ca, controller: Controller) -> None:
    before = len(ca.issued())
    refused = run(acme_certificates_chain="Nobody")
    assert refused.rc != 0 and "the CA offers no chain to Nobody" in refused.output
    assert controller.set_files(NAME) == {}
    other = pki_tool.openssl("x509", "-in", ca.home / "root-1.pem", "-noout", "-subject", "-nameopt", "RFC2253")
    refused = run(acme_certificates_roots=[str(ca.ca_file)])
    assert refused.rc != 0 and "the certificate was not put into use" in refused.output
    assert controller.set_files(NAME) == {}
    common_name = other.strip().partition("CN=")[2]
    found = run(acme_certificates_chain=common_name, acme_certificates_roots=[str(ca.home / "root-1.pem")])
    assert found.rc == 0, found.output
    # It was the same order all the time.
    assert len(ca.issued()) == before + 1
    assert (ca.home / "root-1.pem").read_text().strip() in controller.file(NAME, "-rootchain.pem").read_text()


def test_another_directory_and_the_weekly_limit(run: t.Any, ca: Ca, controller: Controller) -> None:
    issued = len(ca.issued())
    assert run(acme_certificates_directory=f"{ca.directory}?staging").rc == 0
    live = run()
    assert live.rc == 0 and len(ca.issued()) == issued + 2, live.output
    for _time in range(2):
        assert run(acme_certificates_force=[NAME]).rc == 0
    over = run(acme_certificates_force=[NAME])
    assert over.rc != 0 and f"{NAME} was not renewed: 3 certificates were obtained within 7 days" in over.output
    foreseen = run(acme_certificates_force=[NAME], switches=["--check"])
    assert foreseen.rc != 0 and f"{NAME} would not be renewed: 3 certificates" in foreseen.output
    assert "Would be ordered" not in foreseen.output and len(ca.issued()) == issued + 4


@newest_only
def test_another_profile_is_another_certificate(run: t.Any, ca: Ca, controller: Controller) -> None:
    issued = len(ca.issued())
    assert run().rc == 0
    short = run(acme_certificates_profile="shortlived")
    assert short.rc == 0 and len(ca.issued()) == issued + 2, short.output
    assert json.loads((controller.files / f".acme/state/{NAME}.json").read_text())["profile"] == "shortlived"


def test_an_account_whose_key_is_lost_is_not_exchanged(run: t.Any, ca: Ca, controller: Controller) -> None:
    assert run().rc == 0
    (key,) = controller.files.glob(".acme/*/account.key")
    key.unlink()
    found = run()
    assert found.rc != 0 and f"the key {key} of the account https://" in found.output
    assert not key.exists()


@pytest.mark.parametrize("block", ["revoke", "rollover"])
def test_the_plays_of_the_guide_for_accounts(run: t.Any, ca: Ca, controller: Controller, block: str) -> None:
    name = "www.example.com"
    assert run(name).rc == 0
    old, (key,) = controller.serial(name), controller.files.glob(".acme/*/account.key")
    before = key.read_text()
    guide = (CHECKOUT / "docs/docsite/rst/acme.rst").read_text()
    (text,) = re.findall(rf"\.\. BEGIN {block},.*?:: text\n\n(.*?)\n\.\. END {block}", guide, re.DOTALL)
    text = text.replace("https://acme-v02.api.letsencrypt.org/directory", ca.directory)
    text = textwrap.dedent(text).replace("acme-v02.api.letsencrypt.org", key.parent.name)
    done = controller.play(text)
    assert done.rc == 0, done.output
    renewed = run(name, acme_certificates_force=[name])
    assert renewed.rc == 0 and controller.serial(name) == ca.issued()[-1] != old, renewed.output
    assert (key.read_text() == before) == (block == "revoke")
    if block == "revoke":
        assert json.loads(ca.ask(f"/cert-status-by-serial/{old.lower().lstrip('0')}"))["Status"] == "Revoked"


def test_external_accounts(ca: Ca, controller: Controller, run: t.Any) -> None:
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    ca.stop()
    ca.start("--set", "PEBBLE_AUTHZREUSE=0", "--eab")
    try:
        refused = run()
        assert refused.rc != 0 and "an external account binding must be specified" in refused.output, refused.output
        found = run(acme_certificates_eab={"kid": "kid-1", "key": secret})
        assert found.rc == 0 and secret not in found.output, found.output
    finally:
        ca.stop()
        ca.start("--set", "PEBBLE_AUTHZREUSE=0")


@newest_only
def test_a_static_record_will_do(ca: Ca, controller: Controller, run: t.Any) -> None:
    domain = {"name": "persist.example.test", "names": ["*.persist.example.test", "persist.example.test"]}
    first = run({**domain, "acme": {"challenge": "dns-persist-01"}})
    assert first.rc != 0
    shown = "_validation-persist.persist.example.test. IN TXT "
    (text,) = {line.partition(shown)[2].strip('", ') for line in first.output.splitlines() if shown in line}
    value = text.replace('\\"', "").strip('"')
    ca.names("/set-txt", host="_validation-persist.persist.example.test.", value=value)
    found = run({**domain, "acme": {"challenge": "dns-persist-01"}})
    assert found.rc == 0, found.output


def test_all_that_is_wrong_is_said_at_once(run: t.Any, ca: Ca, controller: Controller) -> None:
    before = ca.requests()
    found = run(
        {"name": "wildcard", "names": ["*.example.test"], "acme": {"challenge": "http-01"}},
        {"name": "typing.example.test", "acme": {"chalenge": "dns-01"}},
        {"name": "kind.example.test", "acme": {"key_type": "dsa"}},
        "localhost",
        acme_certificates_terms_agreed=False,
        acme_certificates_dns_tasks="nothing.yml",
        acme_certificates_force=["other.example.test"],
        acme_certificates_http_hosts=["nobody"],
        acme_certificates_eab={"kid": "x"},
        acme_certificates_roots=["none.pem"],
        acme_certificates_renew_at=33,
    )
    assert found.rc != 0
    for sentence in (
        "wildcard: a wildcard such as *.example.test needs the challenge dns-01",
        "typing.example.test: acme: chalenge is not known; did you mean challenge?",
        "kind.example.test: acme: ",
        "localhost: no CA issues a certificate for 'localhost', which is not a full host name",
        "acme_certificates_terms_agreed must be true",
        "acme_certificates_force: other.example.test is not obtained",
        "acme_certificates_http_hosts: the inventory has no nobody",
        "acme_certificates_eab must have kid and key",
        "none.pem cannot be read",
        "acme_certificates_renew_at must be more than 0 and less than 1",
    ):
        assert sentence in found.output, sentence
    assert ca.requests() == before and not controller.files.exists()


def test_hosts_that_run_on_by_themselves_are_refused(ca: Ca, controller: Controller) -> None:
    found = controller.run(play={"strategy": "free"}, ocsp_stapling_certificates=groups(NAME))
    assert found.rc != 0 and "the strategy free has each host order for itself" in found.output


def test_a_file_is_installed_with_and_without_what_it_depends_on(tmp_path: Path) -> None:
    """As the guide says, where Galaxy cannot be reached."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / "home")}
    run_program("ansible-galaxy", "collection", "build", "--output-path", tmp_path, CHECKOUT, env=environment)
    (archive,) = tmp_path.glob("*.tar.gz")

    def install(*switches: str) -> subprocess.CompletedProcess[str]:
        where = ["--collections-path", tmp_path, archive]
        return run_program("ansible-galaxy", "collection", "install", *switches, *where, env=environment)

    refused = install("--offline")
    assert refused.returncode != 0 and "community.crypto:>=3.0.0" in refused.stdout + refused.stderr
    assert install("--no-deps").returncode == 0
    assert (tmp_path / "ansible_collections/certops/ocsp/MANIFEST.json").exists()
    environment["ANSIBLE_COLLECTIONS_PATH"] += f":{pebble.fetch_collections(CACHE)}"
    beside = install("--offline", "--force")
    assert beside.returncode == 0 and "is already installed, skipping" in beside.stdout, beside.stdout + beside.stderr


def test_without_the_other_collection_one_sentence_says_so(run: t.Any, controller: Controller) -> None:
    controller.environment["ANSIBLE_COLLECTIONS_PATH"] = controller.environment["ANSIBLE_COLLECTIONS_PATH"].split(":")[
        0
    ]
    found = run()
    assert found.rc != 0
    assert (
        "needs the collection community.crypto >= 3.0.0 on the controller, which has none; install it by"
        in found.output
    )
