# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate_renewal_info: verdicts about many certificates, and a CA that is asked but never needed."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.certops.ocsp.plugins.module_utils import _renewal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import reasons
from ansible_collections.certops.ocsp.plugins.modules import certificate_renewal_info as module
from ansible_collections.certops.ocsp.tests.unit import forge, http_server
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW
from ansible_collections.certops.ocsp.tests.unit.run_module import Runner, check_types, comparable, specification

ISSUER = forge.authority("Issuing CA")
NAME = "www.example.com"
LEAF = forge.leaf(
    ISSUER,
    extensions=[forge.basic_constraints(False), forge.subject_alt_name(NAME), forge.authority_key_identifier(b"k")],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "www.pem").write_bytes(LEAF.pem + ISSUER.pem)
    (tmp_path / "www.key").write_bytes(forge.private_pem(LEAF.key))
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path) -> t.Callable[..., t.Any]:
    """Decide about one certificate of the folder, whose options are the keyword arguments that it has."""
    runner = Runner("certificate_renewal_info", monkeypatch, capfd)

    def run_(*more: t.Dict[str, t.Any], check: bool = False, top: t.Any = None, **given: t.Any) -> t.Dict[str, t.Any]:
        one = {"name": NAME, "path": str(folder / "www.pem"), **given}
        return runner(check, certificates=[one, *more], **{"now": "2026-03-04T05:06:07Z", **(top or {})})

    return run_


@pytest.fixture
def ca(request: pytest.FixtureRequest) -> t.Callable[..., http_server.Server]:
    """A CA that says of each certificate what it is told to."""

    def start(start: str = "2026-04-01T00:00:00Z", end: str = "2026-04-02T00:00:00Z", info: str = "200 OK") -> t.Any:
        def reply(peer: http_server.Peer) -> None:
            path = peer.read_request().split(b" ")[1]
            directory = {"newOrder": "x", "renewalInfo": server.url("/ari")}
            window = {"suggestedWindow": {"start": start, "end": end}}
            found, status = (directory, "200 OK") if path == b"/dir" else (window, info)
            peer.send(http_server.answer(json.dumps(found).encode(), status, ["Connection: close"]))

        server = http_server.Server(reply)
        request.addfinalizer(server.close)
        return server

    return start


def test_the_result_is_documented(run: t.Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert comparable(specification(module, monkeypatch)) == comparable(documented)
    values = yaml.safe_load(module.RETURN)
    result = run({"path": str(folder / "none.pem")})
    result.pop("invocation", None)
    assert set(result) - {"changed", "failed", "warnings"} == set(values)
    check_types(module, {name: result[name] for name in values})
    said = values["certificates"]["contains"]["reason"]["description"]
    assert said[1:] == [f"V({code}), {text}." for code, text in reasons.REASONS.items()]


def test_all_certificates_are_decided_about_at_once(run: t.Any, folder: Path) -> None:
    result = run(
        {"path": str(folder / "none.pem")},
        {"path": str(folder / "www.pem"), "name": "forced", "force": True},
        names=[NAME],
        private_key_path=str(folder / "www.key"),
    )
    assert result["due"] == [str(folder / "none.pem"), "forced"]
    assert [one["reason"] for one in result["certificates"]] == ["not_due", "missing", "forced"]
    assert result["certificates"][0]["renew_at"] == "2026-04-03T12:18:07Z"
    assert "2 of 3 due" in result["msg"]


@pytest.mark.parametrize(
    ("owner", "function"),
    [
        (_renewal, "_read_candidate"),
        (_renewal.decision, "read"),
        (_renewal.decision, "decide"),
        (_renewal.decision.keys, "read_key"),
        (_renewal, "_read"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_defect_at_one_certificate_keeps_no_other_from_being_renewed(
    run: t.Any, folder: Path, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str
) -> None:
    real, calls = getattr(owner, function), []

    def defect(*arguments: t.Any) -> t.Any:
        calls.append(function)
        if len(calls) == 1:
            raise KeyError("planted")
        return real(*arguments)

    monkeypatch.setattr(owner, function, defect)
    key = {"private_key_path": str(folder / "www.key")}
    result = run({"path": str(folder / "www.pem"), "name": "forced", "force": True, **key}, **key)
    assert [(one["name"], one["reason"]) for one in result["certificates"]] == [
        (NAME, "undecided"),
        ("forced", "forced"),
    ]
    assert result["due"] == ["forced"] and not result["failed"]
    said = f"{NAME}: it was not decided whether it is due: internal error (KeyError: 'planted')"
    assert any(said in str(one) for one in result["warnings"])


@pytest.mark.parametrize("option", ["path", "private_key_path"])
def test_a_file_that_cannot_be_read_costs_its_certificate_alone(run: t.Any, folder: Path, option: str) -> None:
    due = {"path": str(folder / "www.pem"), "name": "forced", "force": True}
    result = run(due, **{option: str(folder)})
    assert [one["reason"] for one in result["certificates"]] == ["undecided", "forced"]
    assert result["due"] == ["forced"] and not result["failed"]
    assert f"{folder} is a directory" in result["certificates"][0]["msg"]
    assert any(f"{NAME}: it was not decided" in one and f"{folder} is a directory" in one for one in result["warnings"])
    assert result["msg"].endswith(f"it could not be decided for {NAME}")


@pytest.mark.parametrize("option", ["path", "private_key_path"])
def test_what_is_forced_is_due_although_it_cannot_be_read(run: t.Any, folder: Path, option: str) -> None:
    result = run(force=True, **{option: str(folder)})
    (found,) = result["certificates"]
    assert (found["due"], found["reason"], found["urgent"]) == (True, "forced", True)
    assert found["msg"].startswith("it was asked for, and could not be looked at: ")


def test_a_key_in_a_vault_only_has_to_exist(run: t.Any, folder: Path) -> None:
    assert run(private_key_path=str(folder / "none.key"))["certificates"][0]["reason"] == "missing"
    (folder / "vault.key").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert run(private_key_path=str(folder / "vault.key"))["certificates"][0]["reason"] == "not_due"


def test_the_ca_is_asked(run: t.Any, ca: t.Any) -> None:
    server = ca()
    result = run(top={"directory": server.url("/dir")})
    found = result["certificates"][0]
    assert (found["reason"], found["supports_ari"], result["supports_ari"]) == ("not_due", True, True)
    assert found["renew_at"].startswith("2026-04-01")
    assert result["warnings"] == [] and len(server.requests) == 2
    assert b"/ari/" + found["cert_id"].encode() in server.requests[1]


def test_the_ca_can_call_for_it(run: t.Any, ca: t.Any) -> None:
    server = ca("2026-03-04T03:00:00Z", "2026-03-04T03:30:00Z")
    assert run(top={"directory": server.url("/dir")})["certificates"][0]["reason"] == "revoked"
    assert run(top={"directory": server.url("/dir"), "use_ari": False})["certificates"][0]["reason"] == "not_due"


def test_a_ca_that_fails_is_a_warning(run: t.Any, ca: t.Any) -> None:
    server = ca(info="404 Not Found")
    result = run(top={"directory": server.url("/dir")})
    assert not result["failed"] and result["certificates"][0]["reason"] == "not_due"
    assert len(result["warnings"]) == 1 and "404" in result["warnings"][0]


def test_a_ca_that_answers_with_other_nonsense_each_time_is_few_warnings(
    run: t.Any, request: pytest.FixtureRequest, folder: Path
) -> None:
    def reply(peer: http_server.Peer) -> None:
        path = peer.read_request().split(b" ")[1].decode()
        directory = {"newOrder": "x", "renewalInfo": server.url("/ari")}
        found = directory if path == "/dir" else {"suggestedWindow": {"start": path[-20:], "end": ""}}
        peer.send(http_server.answer(json.dumps(found).encode(), headers=["Connection: close"]))

    server = http_server.Server(reply)
    request.addfinalizer(server.close)
    given = []
    for number in range(20):
        one = folder / f"{number}.pem"
        extensions = [forge.authority_key_identifier(b"k")]
        one.write_bytes(forge.leaf(ISSUER, serial=number + 1, extensions=extensions).pem)
        given.append({"path": str(one)})
    result = run(*given, top={"directory": server.url("/dir")})
    assert len(result["certificates"]) == 21 and len(result["warnings"]) == 6
    assert "16 more problems of this kind are not listed" in result["warnings"][-1]


def test_a_ca_that_is_away_is_a_warning(run: t.Any) -> None:
    with http_server.full_port() as port:
        result = run(top={"directory": f"http://127.0.0.1:{port}/dir", "timeout": 1})
    assert not result["failed"] and result["certificates"][0]["reason"] == "not_due"
    assert len(result["warnings"]) == 1 and "the age of certificates decides" in result["warnings"][0]


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"])
@pytest.mark.parametrize("dripping", ["/dir", "/ari"])
def test_a_ca_that_drips_is_left_when_its_time_is_over(
    run: t.Any, request: pytest.FixtureRequest, part: bytes, dripping: str
) -> None:
    def reply(peer: http_server.Peer) -> None:
        if dripping in peer.read_request().split(b" ")[1].decode():
            peer.send(part)
            peer.drip(b"X: y\r\n" * 10_000)
        else:
            directory = {"newOrder": "x", "renewalInfo": server.url("/ari")}
            peer.send(http_server.answer(json.dumps(directory).encode(), headers=["Connection: close"]))

    server = http_server.Server(reply)
    request.addfinalizer(server.close)
    result = run(top={"directory": server.url("/dir"), "timeout": 1})
    assert not result["failed"] and result["certificates"][0]["reason"] == "not_due"
    assert len(result["warnings"]) == 1 and "the age of certificates decides" in result["warnings"][0]


def test_no_password_of_a_netrc_goes_where_a_ca_leads(
    run: t.Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login admin password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    seen: t.List[bytes] = []

    def inside(peer: http_server.Peer) -> None:
        seen.append(peer.read_request())

    def reply(peer: http_server.Peer) -> None:
        assert b"uthorization" not in peer.read_request()
        directory = {"newOrder": "x", "renewalInfo": internal.url("/job/build?x=")}
        peer.send(http_server.answer(json.dumps(directory).encode(), headers=["Connection: close"]))

    internal, server = http_server.Server(inside), http_server.Server(reply)
    for one in (internal, server):
        request.addfinalizer(one.close)
    (warning,) = run(top={"directory": server.url("/dir")})["warnings"]
    assert f"its renewalInfo is on another server, {internal.url('')}" in warning and seen == []


def test_nobody_is_asked_about_what_is_not_there(run: t.Any, ca: t.Any, folder: Path) -> None:
    server = ca()
    run(path=str(folder / "none.pem"), top={"directory": server.url("/dir")})
    assert server.requests == []


def test_a_proof_of_revocation_counts(run: t.Any) -> None:
    revoked = forge.single(LEAF, ISSUER, status="revoked", this_update=NOW - DAY)
    proof = base64.b64encode(forge.response(revoked, signer=ISSUER, certificates=())).decode()
    assert run(responses=["AAAA", proof])["certificates"][0]["reason"] == "revoked"


@pytest.mark.parametrize(
    ("given", "top", "sentence"),
    [
        ({"responses": ["!"]}, {}, "a response of www.example.com is not Base64"),
        ({}, {"renew_at": 33}, "renew_at must be more than 0 and less than 1"),
        ({}, {"now": "soon"}, "now: 'soon' is not a time"),
    ],
)
def test_bad_input_is_one_sentence(run: t.Any, given: t.Any, top: t.Any, sentence: str) -> None:
    result = run(top=top, **given)
    assert result["failed"] and sentence in result["msg"]
