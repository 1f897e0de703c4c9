# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ocsp_staple_info: it tells what a server serves, and fails for the user's mistakes alone."""

from __future__ import annotations

import base64
import functools
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    ADDED,
    Result,
    Runner,
    check_types,
    comparable,
    documentation,
    returned,
    specification,
)
from ansible_collections.certops.ocsp.tests.unit.tls_server import Network, Server, Wire, alert

W = forge.world()
RSA = forge.leaf(W.issuer, private_key=forge.key("rsa2048"), serial=0x1001)
GOOD = forge.response()
ABOUT_RSA = forge.response(forge.single(RSA, W.issuer))
NEWER = forge.response(forge.single(this_update=NOW - forge.HOUR))
GONE = ProbeError("unreachable", "cannot be connected to: Connection refused (192.0.2.1)")


def serve(leaf: forge.Entity, *staples: t.Optional[bytes], issuer: bool = True) -> Wire:
    return Wire(Server([leaf.der, W.issuer.der] if issuer else [leaf.der], staples).answer)


def refuse() -> Wire:
    return Wire(lambda data: alert(2, 40))


class Look:
    """Runs the module before servers that are given for each connection."""

    def __init__(self, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runner = runner
        self.module = runner.module
        self.monkeypatch = monkeypatch
        self.network = Network()
        self.pauses: t.List[float] = []

    def __call__(self, *wires: t.Any, check: bool = False, **options: t.Any) -> Result:
        self.network = Network(*wires)
        look = functools.partial(REAL_LOOK, dial=self.network, sleep=self.pauses.append)
        self.monkeypatch.setattr(client, "look", look)
        result = self.runner(check, **{"host": "www.example.com", "now": "2026-03-04T05:06:07Z", **options})
        assert not result.get("changed")
        return result


REAL_LOOK = client.look


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Look:
    return Look(Runner("ocsp_staple_info", monkeypatch, capfd), monkeypatch)


def codes(entry: t.Mapping[str, t.Any]) -> t.List[str]:
    return [finding["code"] for finding in entry["findings"]]


@pytest.mark.parametrize("check", [False, True])
def test_a_good_server(look: Look, check: bool) -> None:
    result = look(refuse(), serve(W.leaf, GOOD), check=check)
    assert not result["failed"]
    expected = {
        "host": "www.example.com",
        "port": 443,
        "server_name": "www.example.com",
        "starttls": None,
        "msg": "the staple is good until 2026-03-10T05:06:07Z",
        "severity": None,
        "error": None,
        "served": True,
        "stapled": True,
        "acceptable": True,
        "matches_expected": None,
        "matches_certificate": None,
    }
    assert {name: result[name] for name in expected} == expected
    rsa, ecdsa = result["certificates"]
    assert (rsa["key_type"], rsa["served"], rsa["msg"]) == ("rsa", False, "the server has no RSA certificate")
    assert (ecdsa["key_type"], ecdsa["served"], ecdsa["acceptable"]) == ("ecdsa", True, True)
    assert "response" not in ecdsa
    assert result["warnings"] == []


def test_no_starttls_can_be_said_as_for_endpoints(look: Look) -> None:
    """So that one list of endpoints can serve certificate_set and a loop of this module."""
    result = look(refuse(), serve(W.leaf, GOOD), starttls="")
    assert not result["failed"] and (result["port"], result["starttls"]) == (443, None)


def test_the_options_say_where_to_look(look: Look) -> None:
    look(refuse(), refuse(), address_family="ipv6", port=8443)
    assert look.network.dialled == [("www.example.com", 8443, "ipv6")] * 2
    talk = [
        (None, b"220 x\r\n"),
        (b"EHLO [192.0.2.2]\r\n", b"250-x\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220\r\n"),
    ]
    server = Server([W.leaf.der, W.issuer.der], [GOOD])
    result = look(
        Wire(server.answer, talk),
        host="192.0.2.9",
        starttls="smtp",
        server_name="mail.example.com",
        key_types=["ecdsa"],
    )
    assert result["acceptable"]
    assert (result["host"], result["port"], result["server_name"]) == ("192.0.2.9", 25, "mail.example.com")
    assert look.network.dialled == [("192.0.2.9", 25, "any")]
    assert server.hellos[0].server_name == "mail.example.com"


@pytest.mark.parametrize(("version", "wanted"), [("1.2", [0x0303]), ("1.3", [0x0304])])
def test_the_versions_of_tls(look: Look, version: str, wanted: t.List[int]) -> None:
    server = Server([W.leaf.der, W.issuer.der], [GOOD], version=wanted[0], cipher=0xC02B if version == "1.2" else None)
    result = look(Wire(server.answer), key_types=["ecdsa"], tls_versions=[version])
    assert result["certificates"][0]["tls_version"] == version
    assert server.hellos[0].versions == wanted


def test_a_kind_of_key_that_is_given_twice_is_looked_at_once(look: Look) -> None:
    assert len(look(serve(W.leaf, GOOD), key_types=["ecdsa", "ecdsa"])["certificates"]) == 1


BAD: t.Dict[str, t.Tuple[t.Optional[bytes], str, str]] = {
    "expired": (forge.response(forge.single(this_update=NOW - 6 * DAY, next_update=NOW - DAY)), "expired", "error"),
    "revoked": (forge.response(forge.single(status="revoked")), "revoked", "error"),
    "about another certificate": (ABOUT_RSA, "wrong_certificate", "error"),
    "garbage": (b"garbage", "malformed", "error"),
    "missing": (None, "missing_staple", "warning"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_staple_is_no_failure(look: Look, case: str) -> None:
    data, code, severity = BAD[case]
    result = look(serve(W.leaf, data), key_types=["ecdsa"], attempts=1)
    assert not result["failed"] and not result["acceptable"]
    assert (codes(result["certificates"][0])[0], result["severity"]) == (code, severity)
    assert result["stapled"] is (data is not None)
    assert result["msg"] == result["certificates"][0]["findings"][0]["message"]


def test_a_server_that_cannot_be_reached_is_no_failure(look: Look) -> None:
    result = look(GONE, GONE)
    assert not result["failed"]
    assert (result["served"], result["acceptable"], result["severity"]) == (False, False, "error")
    assert result["error"]["code"] == "unreachable"
    assert result["msg"] == "www.example.com:443 cannot be connected to: Connection refused (192.0.2.1)"


def test_attempts_and_the_pause_between_them(look: Look) -> None:
    result = look(serve(W.leaf), serve(W.leaf), serve(W.leaf, GOOD), key_types=["ecdsa"], attempts=3)
    assert result["acceptable"] and codes(result["certificates"][0]) == ["late_staple"]
    assert len(look.pauses) == 2


def test_what_is_expected(look: Look, tmp_path: Path) -> None:
    (tmp_path / "staple.der").write_bytes(GOOD)
    (tmp_path / "staple.pem").write_bytes(forge.armour(GOOD, "OCSP RESPONSE"))
    (tmp_path / "newer.der").write_bytes(NEWER)
    (tmp_path / "chain.pem").write_bytes(W.leaf.pem + W.issuer.pem)
    (tmp_path / "other.pem").write_bytes(RSA.pem)
    for staple, certificate, matches in (
        ("staple.der", "chain.pem", (True, True)),
        ("staple.pem", "chain.pem", (True, True)),
        ("newer.der", "other.pem", (False, False)),
    ):
        result = look(
            serve(W.leaf, GOOD),
            key_types=["ecdsa"],
            expected_path=str(tmp_path / staple),
            certificate_path=str(tmp_path / certificate),
        )
        assert (result["matches_expected"], result["matches_certificate"]) == matches
    assert codes(result["certificates"][0]) == ["other_certificate", "other_staple"]


def test_the_issuer(look: Look, tmp_path: Path) -> None:
    alone = functools.partial(serve, W.leaf, GOOD, issuer=False)
    assert codes(look(alone(), key_types=["ecdsa"])["certificates"][0]) == ["missing_issuer"]
    assert look(alone(), key_types=["ecdsa"], issuer_content=W.issuer.pem.decode())["acceptable"]
    (tmp_path / "ca.pem").write_bytes(W.issuer.pem)
    assert look(alone(), key_types=["ecdsa"], issuer_path=str(tmp_path / "ca.pem"))["acceptable"]


def test_rules(look: Look) -> None:
    endless = forge.response(forge.single(next_update=None))
    assert not look(serve(W.leaf, endless), key_types=["ecdsa"])["acceptable"]
    assert look(serve(W.leaf, endless), key_types=["ecdsa"], allow=["missing_next_update"])["acceptable"]
    assert not look(serve(W.leaf, GOOD), key_types=["ecdsa"], maximum_age="23h")["acceptable"]
    assert not look(serve(W.leaf, GOOD), key_types=["ecdsa"], now="2026-03-11T00:00:00Z")["acceptable"]


def test_the_staple_is_returned_on_demand(look: Look) -> None:
    result = look(refuse(), serve(W.leaf, GOOD), return_content=True)
    assert result["certificates"][1]["response"] == base64.b64encode(GOOD).decode()
    assert result["certificates"][0]["response"] is None


def test_nginx_with_one_file_for_two_certificates(look: Look) -> None:
    result = look(serve(RSA, ABOUT_RSA), serve(W.leaf, ABOUT_RSA))
    assert [entry["acceptable"] for entry in result["certificates"]] == [True, False]
    assert codes(result["certificates"][1]) == ["shared_staple", "wrong_certificate"]
    assert result["msg"].startswith("ECDSA: the staple with the ECDSA certificate is about the server's RSA")


# Bad input ---------------------------------------------------------------------------------------

BAD_INPUT = {
    "host": ({"host": "https://www.example.com/"}, "host: 'https://www.example.com/' is a URL"),
    "no host": ({"host": ""}, "host: '' is empty"),
    "port": ({"port": 70000}, "port: 70000 is not between"),
    "name": ({"server_name": "a b"}, "server_name: 'a b' has a space"),
    "no kind of key": ({"key_types": []}, "key_types is empty"),
    "no version": ({"tls_versions": []}, "tls_versions is empty"),
    "time": ({"now": "noon"}, "now: 'noon' is not a time"),
    "no time": ({"timeout": 0}, "timeout: 0.0 is not a number of seconds"),
    "no attempt": ({"attempts": 0}, "attempts: 0 is not between 1 and 10"),
    "missing staple": ({"expected_path": "/missing.der"}, "expected_path: /missing.der does not exist"),
    "missing issuer": ({"issuer_path": "/missing.pem"}, "issuer_path: /missing.pem does not exist"),
    "missing certificate": ({"certificate_path": "/missing.pem"}, "certificate_path: /missing.pem does not exist"),
    "age": ({"maximum_age": "3 moons"}, "maximum_age: '3 moons' is not a duration"),
    # These are Ansible's own.
    "protocol": ({"starttls": "gopher"}, "value of starttls must be one of: , ftp, imap"),
    "kind of key": ({"key_types": ["dsa"]}, "value of key_types must be one or more of: rsa, ecdsa, eddsa"),
    "two issuers": ({"issuer_path": "/x", "issuer_content": "x"}, "parameters are mutually exclusive"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_fails_with_one_sentence(look: Look, case: str) -> None:
    options, sentence = BAD_INPUT[case]
    result = look(**options)
    assert result["failed"] and result["msg"].startswith(sentence)
    assert "\n" not in result["msg"]
    assert look.network.dialled == []


@pytest.mark.parametrize("option", ["expected_path", "issuer_path", "root_path", "certificate_path"])
def test_check_mode_warns_of_a_file_that_an_earlier_task_may_create(look: Look, option: str) -> None:
    result = look(**{option: "/missing.pem"}, check=True)
    assert not result["failed"] and not result["acceptable"] and result["certificates"] == []
    told = f"{option}: /missing.pem does not exist; this will fail unless an earlier task creates it"
    assert result["warnings"] == [result["msg"]] == [told]
    assert look.network.dialled == []


@pytest.mark.parametrize("version", [None, "2.9.2"])
def test_without_the_library_it_says_so(look: Look, monkeypatch: pytest.MonkeyPatch, version: t.Optional[str]) -> None:
    monkeypatch.setattr(signature, "CRYPTOGRAPHY_VERSION", version)
    result = look()
    assert result["failed"]
    assert result["msg"].startswith("Failed to import the required Python library (cryptography >= 3.3) on ")


# Documentation -----------------------------------------------------------------------------------


def test_the_options_are_documented_as_they_are(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    assert comparable(specification(look.module, monkeypatch)) == comparable(documentation(look.module, "RULES"))


OUTCOMES: t.Dict[str, t.Tuple[t.Any, ...]] = {
    "good": (serve(W.leaf, GOOD),),
    "revoked": (serve(W.leaf, forge.response(forge.single(status="revoked", reason="superseded"))),),
    "missing": (serve(W.leaf),),
    "unreachable": (GONE,),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_what_is_documented_is_what_is_returned(look: Look, case: str) -> None:
    result = look(*OUTCOMES[case], key_types=["ecdsa"], attempts=1, return_content=True)
    check_types(look.module, result)
    assert set(result) - ADDED == returned(look.module, "always", "success")


def test_what_is_documented_for_always_is_returned_for_bad_input(look: Look) -> None:
    assert set(look(now="?")) - ADDED == returned(look.module, "always")
