# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate_set and certificates that another program of the host renews."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.plugins.modules.test_certificate_set import ISSUER, NOW, entry, leaf
from ansible_collections.certops.ocsp.tests.unit.run_module import Result, Runner

NAME = "a.example.com"


class Host:
    """A host without servers, on which a client keeps a certificate."""

    def __init__(self, runner: Runner, home: Path) -> None:
        self.runner, self.home = runner, home
        self.layout = sets.Layout(str(home / "etc"), str(home / "var"))
        self.key, self.certificate = home / "client.key", home / "client.pem"

    def renew(self, age: int, label: str = "") -> forge.Entity:
        subject = forge.leaf(
            ISSUER,
            NAME,
            private_key=forge.key("p256", label),
            serial=1000 - age,
            not_before=NOW - age * forge.DAY,
            not_after=NOW + 60 * forge.DAY,
            extensions=[forge.subject_alt_name(NAME)],
        )
        self.key.write_bytes(forge.private_pem(subject.key))
        self.certificate.write_bytes(subject.pem + ISSUER.pem)
        return subject

    def run(self, *certificates: t.Any, check: bool = False, owner: str = "web", **given: t.Any) -> Result:
        source = {"client": "lego", "private_key": str(self.key), "certificate": str(self.certificate)}
        return self.runner(
            check=check,
            part={"owner": owner},
            certificates=list(certificates) or [{"name": NAME, "renewed_by": source}],
            fetch_from="nowhere",
            owner=str(os.geteuid()),
            group=str(os.getegid()),
            path=self.layout.root,
            state_path=self.layout.state,
            **given,
        )

    def live(self) -> bytes:
        return Path(self.layout.live(NAME), "cert.pem").read_bytes()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Host:
    if os.geteuid() != 0:
        monkeypatch.setattr(_module, "require_root", lambda module: None)
    return Host(Runner("certificate_set", monkeypatch, capfd), tmp_path)


def test_it_is_taken_over_followed_and_otherwise_left_alone(host: Host) -> None:
    first = host.renew(20)
    assert host.run()["changed"] and host.live() == first.pem
    (part,) = parts.load(host.layout)
    assert part.certificates[0].renewed_by["certificate"] == str(host.certificate)
    assert "certificate" not in part.certificates[0].agreed
    assert not host.run()["changed"]
    second = host.renew(10)
    assert host.run()["changed"] and host.live() == second.pem
    assert not host.run()["changed"] and not host.run(check=True)["changed"]


def test_an_older_certificate_does_not_replace_a_newer_one(host: Host) -> None:
    new = host.renew(10)
    host.run()
    host.renew(20)
    kept = host.run()
    assert not kept["changed"] and host.live() == new.pem
    assert "is older than the live one" in kept["warnings"][0]


def test_files_of_the_controller_do_not_either(host: Host) -> None:
    """As where somebody takes renewed_by out of a group, with what was obtained last year on the controller."""
    new = host.renew(1)
    host.run()
    old = entry(leaf(NAME, urls=False), NAME, services=[])
    kept = host.run(old)
    assert host.live() == new.pem and "is older than the live one" in kept["warnings"][0]
    assert not host.run(old)["changed"]


def test_an_older_certificate_is_better_than_an_expired_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.renew(10)
    host.run()
    cert = Path(host.layout.live(NAME)).resolve() / "cert.pem"
    ended = forge.leaf(ISSUER, NAME, not_before=NOW - 5 * forge.DAY, not_after=NOW - 2 * forge.DAY)
    cert.write_bytes(ended.pem)
    older = host.renew(20)
    assert host.run()["changed"] and host.live() == older.pem


def test_a_damaged_live_certificate_is_replaced(host: Host) -> None:
    given = host.renew(10)
    host.run()
    cert = Path(host.layout.live(NAME)).resolve() / "cert.pem"
    cert.write_bytes(b"no certificate")
    assert host.run()["changed"] and host.live() == given.pem


def test_what_the_client_does_not_have_is_said(host: Host) -> None:
    refused = host.run()
    assert refused["failed"] and f"there is no {host.key}" in refused["msg"]
    assert "private_key_path" not in refused["msg"]
    (home,) = [{"client": "certbot", "folder": str(host.home)}]
    refused = host.run({"name": NAME, "renewed_by": home})
    assert refused["failed"] and "certbot has no such certificate" in refused["msg"]
    both = {"name": NAME, "renewed_by": "certbot", "certificate_path": "/srv/a.pem"}
    assert "certbot has no such certificate" in host.run(both)["msg"]


@pytest.mark.parametrize("option", ["private_key_content", "certificate_path", "chain_src"])
def test_it_has_one_place_only(host: Host, option: str) -> None:
    host.renew(10)
    source = {"client": "lego", "private_key": str(host.key), "certificate": str(host.certificate)}
    refused = host.run({"name": NAME, "renewed_by": source, option: "/srv/a.pem"})
    part = option.rpartition("_")[0]
    assert refused["failed"] and f"renewed_by and {part} are mutually exclusive" in refused["msg"]
    assert not os.path.lexists(host.layout.live(NAME))


def test_owners_have_to_agree_on_where_it_is(host: Host) -> None:
    host.renew(10)
    host.run()
    other = host.home / "other.key"
    other.write_bytes(host.key.read_bytes())
    source = {"private_key": str(other), "certificate": str(host.certificate)}
    refused = host.run({"name": NAME, "renewed_by": source}, owner="mail")
    assert refused["failed"] and "'mail' gives a different renewed_by than 'web'" in refused["msg"]
    assert not host.run(owner="mail")["failed"]
    host.renew(5)
    assert host.run()["changed"]
    assert not host.run(owner="mail")["changed"] and not host.run()["changed"]


def test_a_set_says_what_it_was_deployed_from(host: Host) -> None:
    host.renew(10)
    host.run()
    described = json.loads(Path(host.layout.live(NAME), "set.json").read_text())
    assert described["source"] == {
        "client": "lego",
        "private_key": str(host.key),
        "certificate": str(host.certificate),
    }


def test_how_it_is_to_be_deployed_is_noted_where_it_is_not_the_default(host: Host) -> None:
    host.renew(10)
    host.run(responder_wait=300, keep=3)
    assert parts.load(host.layout)[0].deployment == {}
    host.run(responder_wait=0, keep=7)
    assert parts.load(host.layout)[0].deployment == {"responder_wait": 0, "keep": 7}


@pytest.mark.parametrize(
    "wrap",
    [lambda key: key, *(lambda key, name=name: {name: key} for name in ("client", "folder", "private_key", "name"))],
)
def test_a_key_in_the_wrong_place_is_not_repeated(host: Host, wrap: t.Callable[[str], t.Any]) -> None:
    key = forge.private_pem(forge.key("p256", "secret")).decode()
    refused = host.run({"name": NAME, "renewed_by": wrap(key)})
    assert refused["failed"] and key.splitlines()[1] not in json.dumps(refused)


def test_a_live_set_that_was_damaged_is_replaced_by_an_older_one(host: Host) -> None:
    host.renew(10)
    host.run()
    old = host.renew(20)
    (Path(host.layout.live(NAME)).resolve() / "privkey.pem").unlink()
    assert host.run()["changed"] and host.live() == old.pem
