# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module acme_orders where it runs itself: on a host with a record that may be anything, and against any CA."""

from __future__ import annotations

import base64
import itertools
import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.certops.ocsp.plugins.module_utils import _acme_host
from ansible_collections.certops.ocsp.plugins.modules import acme_orders as module
from ansible_collections.certops.ocsp.tests.unit import http_server
from ansible_collections.certops.ocsp.tests.unit.run_module import Runner, comparable, specification

NAME = "www.example.com"
PROOF = base64.b64encode(b"a response").decode()
DIRECTORY = json.dumps({"newOrder": "https://ca.example/order"}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner("acme_orders", monkeypatch, capfd)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program keeps the proof for the certificate."""
    monkeypatch.setattr(_acme_host.proofs, "__defaults__", (str(tmp_path),))
    return tmp_path / f"{NAME}.proof"


def test_the_options_are_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    assert comparable(specification(module, monkeypatch)) == comparable(yaml.safe_load(module.DOCUMENTATION)["options"])


def test_other_steps_are_of_the_controller(run: Runner) -> None:
    assert "only with the action plugin" in run(state="planned")["msg"]
    assert "only with the action plugin" in run(state="wanted")["msg"]


def test_only_the_proofs_that_are_asked_for_come_back(run: Runner, kept: Path) -> None:
    assert run(state="wanted", names=[NAME])["proofs"] == {}
    kept.write_bytes(b"a response")
    (kept.parent / "other.example.com.proof").write_bytes(b"another")
    result = run(state="wanted", names=[NAME, "unknown"])
    assert (result["proofs"], result["warnings"]) == ({NAME: PROOF}, [])


@pytest.mark.parametrize("content", [b"", bytes(13_000)])
def test_a_proof_is_of_the_length_of_a_response(run: Runner, kept: Path, content: bytes) -> None:
    kept.write_bytes(content)
    assert run(state="wanted", names=[NAME])["proofs"] == {}


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(PROOF, True), (5, False), (None, False), ([PROOF], False), ("", False), ("!", False), ("\u00e9", False)],
)
def test_what_comes_from_a_host_is_base64_of_that_length(value: t.Any, is_one: bool) -> None:
    assert _acme_host.is_proof(value) is is_one
    assert not _acme_host.is_proof("A" * 20_000)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [fifo, device, folder])
def test_what_is_no_proof_is_not_read_and_costs_no_other(
    run: Runner, kept: Path, plant: t.Callable[[Path], None]
) -> None:
    plant(kept)
    (kept.parent / "other.example.com.proof").write_bytes(b"a response")
    result = run(state="wanted", names=[NAME, "other.example.com"])
    assert result["proofs"] == {"other.example.com": PROOF} and not result["failed"]
    (warning,) = result["warnings"]
    assert warning.startswith(f"not all that this host knows of revocations is used: {kept} ")


# The directory of the CA ----------------------------------------------------------------------------------------------

Serve = t.Callable[[http_server.Script], http_server.Server]


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Serve:
    def start(script: http_server.Script) -> http_server.Server:
        server = http_server.Server(script)
        request.addfinalizer(server.close)
        return server

    return start


@pytest.fixture
def ask(run: Runner, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., t.Any]:
    """Ask a CA that answers by a script, for a second."""
    monkeypatch.setattr(_acme_host, "_SECONDS", 1)

    def asked(script: http_server.Script) -> t.Any:
        result = run(state="asked", directory=serve(script).url("/dir"))
        assert not result["failed"] and result["problem"].isprintable() and len(result["problem"]) < 500
        return result

    return asked


def test_a_directory_is_no_problem(ask: t.Any) -> None:
    def script(peer: http_server.Peer) -> None:
        assert b"\r\nAccept: application/json\r\n" in peer.read_request()
        peer.send(http_server.answer(DIRECTORY, headers=["Connection: close"]))

    assert ask(script)["problem"] == ""


@pytest.mark.parametrize(
    ("status", "passing"), [("404 Not Found", False), ("429 Slow", True), ("500 Oops", True), ("403 \x1b[31mX", False)]
)
def test_a_refusal_passes_by_itself_or_not(ask: t.Any, status: str, passing: bool) -> None:
    def script(peer: http_server.Peer) -> None:
        peer.read_request()
        peer.send(http_server.answer(b"no", status, ["Connection: close"]))

    result = ask(script)
    assert f"/dir: HTTP {status[:3]}" in result["problem"] and result["passing"] is passing


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "it has no newOrder"),
        (b"[]", "the directory is not a JSON object"),
        *((body, "the directory is not JSON") for body in (b"<html>", b"[" * 60_000, b"\xff", b"")),
    ],
)
def test_anything_else_is_no_directory(ask: t.Any, body: bytes, why: str) -> None:
    def script(peer: http_server.Peer) -> None:
        peer.read_request()
        peer.send(http_server.answer(body, headers=["Connection: close"]))

    result = ask(script)
    assert result["problem"].endswith(f"/dir is no ACME directory: {why}") and not result["passing"]


def in_the_head(peer: http_server.Peer) -> None:
    peer.send(HEAD)
    for number in itertools.count():
        peer.drip(b"X-%d: y\r\n" % number)


def in_the_body(peer: http_server.Peer) -> None:
    peer.send(HEAD + b"Content-Length: 10000\r\n\r\n")
    peer.drip(b" " * 10_000)


def in_chunks(peer: http_server.Peer) -> None:
    peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\n \r\n" * 10_000)


def without_end(peer: http_server.Peer) -> None:
    peer.send(HEAD + b"\r\n")
    while True:
        peer.send(b" " * 65536)


def silent(peer: http_server.Peer) -> None:
    peer.hold()


@pytest.mark.parametrize("how", [in_the_head, in_the_body, in_chunks, without_end, silent])
def test_a_ca_that_does_not_come_to_an_end_is_left(ask: t.Any, how: http_server.Script) -> None:
    def script(peer: http_server.Peer) -> None:
        peer.read_request()
        how(peer)

    result = ask(script)
    assert "the CA cannot be reached at http://127.0.0.1" in result["problem"] and result["passing"]


def test_no_password_of_a_netrc_goes_to_a_ca_nor_on_from_there(
    ask: t.Any, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login admin password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    seen: t.List[bytes] = []

    def inside(peer: http_server.Peer) -> None:
        seen.append(peer.read_request())
        peer.send(http_server.answer(DIRECTORY, headers=["Connection: close"]))

    internal = serve(inside)

    def script(peer: http_server.Peer) -> None:
        assert b"uthorization" not in peer.read_request()
        location = f"Location: {internal.url('/job/deploy/build')}"
        peer.send(http_server.answer(b"", "302 Found", [location, "Connection: close"]))

    assert "redirects to another server" in ask(script)["problem"]
    assert seen == []


def test_a_redirect_on_the_same_server_is_followed(ask: t.Any) -> None:
    def script(peer: http_server.Peer) -> None:
        if b"GET /dir " in peer.read_request():
            peer.send(http_server.answer(b"", "302 Found", ["Location: /directory", "Connection: close"]))
        else:
            peer.send(http_server.answer(DIRECTORY, headers=["Connection: close"]))

    assert ask(script)["problem"] == ""
