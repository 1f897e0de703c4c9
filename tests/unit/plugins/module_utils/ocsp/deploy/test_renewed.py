# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where clients keep the certificates that they renew, and how their owners have these deployed."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import renewed
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.parts import Certificate, Part
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import Layout

NAME = "www.example.com"
PATHS = {"private_key": "/srv/www.key", "certificate": "/srv/www.pem"}


@pytest.mark.parametrize(
    "value",
    [
        *renewed.CLIENTS,
        PATHS,
        {**PATHS, "chain": "/srv/chain.pem", "client": "certmonger"},
        {"client": "certbot", "name": "www-0001", "folder": "/srv/letsencrypt", "chain": None},
    ],
)
def test_what_can_be_meant(value: t.Any) -> None:
    assert renewed.problem(value) == ""


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("certbott", "is 'certbott', which is not one of certbot, acme.sh,"),
        (7, "must be one of certbot,"),
        ([PATHS], "must be one of certbot,"),
        ({}, "has neither a client nor a private_key and a certificate"),
        ({"name": "x"}, "has neither a client nor a private_key and a certificate"),
        ({"certificate": "/srv/www.pem"}, "has no private_key"),
        ({"private_key": "/srv/www.key"}, "has no certificate"),
        ({**PATHS, "chain": "chain.pem"}, "must have an absolute path as its chain, and has chain.pem"),
        ({"client": "certbot", "folder": "letsencrypt"}, "must have an absolute path as its folder"),
        ({"client": "caddy"}, "is 'caddy', which is not one of"),
        ({"clent": "certbot"}, "has no key clent; did you mean client?"),
        ({"client": ["certbot"]}, "must have strings as values"),
    ],
)
def test_what_cannot_be_meant(value: t.Any, sentence: str) -> None:
    assert sentence in renewed.problem(value)
    with pytest.raises(InputError, match="renewed_by "):
        renewed.find(value, NAME)


@pytest.mark.parametrize(
    ("client", "certificate", "key"),
    [
        ("certbot", f"live/{NAME}/fullchain.pem", f"live/{NAME}/privkey.pem"),
        ("acme.sh", f"{NAME}/fullchain.cer", f"{NAME}/{NAME}.key"),
        ("acme.sh", f"{NAME}_ecc/fullchain.cer", f"{NAME}_ecc/{NAME}.key"),
        ("lego", f"certificates/{NAME}.crt", f"certificates/{NAME}.key"),
        ("dehydrated", f"certs/{NAME}/fullchain.pem", f"certs/{NAME}/privkey.pem"),
        ("certmonger", f"certs/{NAME}.crt", f"private/{NAME}.key"),
    ],
)
def test_each_client_has_its_own_places(tmp_path: Path, client: str, certificate: str, key: str) -> None:
    (tmp_path / certificate).parent.mkdir(parents=True)
    (tmp_path / certificate).write_text("")
    found = renewed.find({"client": client, "folder": str(tmp_path)}, NAME)
    assert found == renewed.Source(client, str(tmp_path / key), str(tmp_path / certificate))
    assert renewed.find(found.values(), NAME) == found, "as a part has it"


def test_a_client_without_the_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        renewed.find({"client": "certbot", "folder": str(tmp_path)}, NAME)
    assert caught.value.message == (
        f"certbot has no such certificate: there is no {tmp_path}/live/{NAME}/fullchain.pem; have certbot obtain it "
        "first, or say in renewed_by where it is"
    )


def test_two_certificates_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    for name in (NAME, f"{NAME}_ecc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fullchain.cer").write_text("")
    with pytest.raises(InputError, match=r"acme\.sh has two such certificates"):
        renewed.find({"client": "acme.sh", "folder": str(tmp_path)}, NAME)
    chosen = renewed.find({"client": "acme.sh", "folder": str(tmp_path), "name": f"{NAME}_ecc"}, NAME)
    assert chosen.private_key == str(tmp_path / f"{NAME}_ecc" / f"{NAME}.key")


def part(owner: str, deployment: t.Any = None, **given: t.Any) -> Part:
    one = Certificate(NAME, ("nginx",), agreed={"names": [NAME], "key": "root:Debian-exim 0440"}, **given)
    return Part(owner, (one,), {"timeout": 5.0}, {}, deployment or {})


def test_it_is_deployed_as_all_of_its_owners_have_it() -> None:
    endpoint = {"service": "nginx", "host": "127.0.0.1", "port": 8443, "starttls": ""}
    mine = part("web", {"keep": 5, "endpoints": [endpoint]}, options={"retries": 0})
    other = part("mail", {"responder_wait": 900, "verify": False}, staple=False)
    source = renewed.Source("certbot", "/srv/www.key", "/srv/www.pem")
    values = renewed.task_values(Layout(), [mine, other], NAME, source, {"workers": 4, "fetch": True})
    (one,) = values["certificates"]
    assert (values["keep"], values["responder_wait"], values["endpoints"]) == (5, 900, [endpoint])
    assert (one["owner"], one["group"], one["mode"]) == ("root", "Debian-exim", "0440")
    assert one["options"] == {"timeout": 5.0, "retries": 0} and one["staple"] is False
    assert one["renewed_by"] == {"client": "certbot", **PATHS} and values["part"] is None
    assert renewed.settings([mine, other], NAME)["verify"] is False


def test_what_no_owner_configures_is_not_deployed() -> None:
    source = renewed.Source("", "/srv/www.key", "/srv/www.pem")
    with pytest.raises(InputError, match="is not configured by the role"):
        renewed.task_values(Layout(), [part("web", dropped=True)], NAME, source, {"workers": 4, "fetch": True})


def test_sources_are_those_of_what_is_configured() -> None:
    source = {"client": "lego", **PATHS}
    assert renewed.sources([part("web"), part("mail", renewed_by=source)]) == {
        NAME: renewed.Source("lego", "/srv/www.key", "/srv/www.pem")
    }
    assert renewed.sources([part("web", renewed_by=source, dropped=True)]) == {}
