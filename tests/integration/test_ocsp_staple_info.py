# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ocsp_staple_info before real servers, with every kind of staple, and before servers that are none."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import CHECKOUT, Direct, Module, pki_tool
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from daemons import Running, Site, obstacle, running

sys.path.insert(0, str(CHECKOUT / "tests" / "unit"))

import forge

NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)


def entity(certificate: Path, key: Path | None = None) -> forge.Entity:
    """A certificate of the PKI as the forge knows it."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return forge.Entity(
        found.public_bytes(Encoding.DER),
        load_pem_private_key(key.read_bytes(), None) if key else None,
        found.subject.public_bytes(),
        found.issuer.public_bytes(),
        found.serial_number,
        NOW,
        NOW,
    )


Staple = t.Callable[..., t.Optional[bytes]]


@pytest.fixture(scope="module")
def staple(pki: pki_tool.Pki) -> Staple:
    """Make the staple of a case for the leaf of a name."""
    issuer = entity(pki.issuer, pki.issuer.with_name("ca.key"))
    responder = entity(pki.responder_certificate, pki.responder_key)

    def make(case: str, name: str, other: str = "ecdsa.example.com") -> bytes | None:
        this_update, next_update, status = NOW - HOUR, NOW + 72 * HOUR, "good"
        if case == "none":
            return None
        if case == "garbage":
            return b"this is no OCSP response\n"
        if case == "expired":
            this_update, next_update = NOW - 72 * HOUR, NOW - HOUR
        if case == "revoked":
            status = "revoked"
        about = entity(pki.leaf(other if case == "wrong" else name).certificate)
        single = forge.single(
            about,
            issuer,
            status=status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=NOW - 2 * HOUR,
        )
        return forge.response(single, signer=responder, produced_at=this_update)

    return make


@pytest.fixture
def info(run_directly: Direct) -> Module:
    """Look at a server of ours; it is never a failure and never a change."""

    def look(server: Running | int, **options: t.Any) -> dict[str, t.Any]:
        given: dict[str, t.Any] = {"host": "127.0.0.1", "attempts": 1}
        if isinstance(server, Running):
            given.update(port=server.port, starttls=server.starttls, server_name="rsa.example.com")
        else:
            given.update(port=server)
        result = run_directly("ocsp_staple_info", **{**given, **options})
        assert not result.get("failed") and not result.get("changed"), result
        return result

    return look


def codes(entry: t.Mapping[str, t.Any]) -> list[str]:
    """The reason codes of one entry of ``certificates``, the error's or the findings'."""
    if entry["error"]:
        return [entry["error"]["code"]]
    return [finding["code"] for finding in entry["findings"]]


def start(stack: contextlib.ExitStack, name: str, *sites: Site) -> Running:
    """Start a server, or skip the test where this machine has no such server."""
    problem = obstacle(name)
    if problem:
        pytest.skip(problem)
    return stack.enter_context(running(name, sites))


#: What a client learns of each server with each staple. The servers of Debian 12 and 13 agree, but for dnsdist.
VERDICTS: dict[str, dict[str, list[str]]] = {
    "nginx": {
        "good": [],
        "expired": ["expired"],
        "revoked": ["revoked"],
        "wrong": ["wrong_certificate"],
        "garbage": ["unreachable"],  # it does not start
        "none": ["missing_staple"],
    },
    "s_server": {
        "good": [],
        "expired": ["expired"],
        "revoked": ["revoked"],
        "wrong": ["wrong_certificate"],
        "garbage": ["tls_alert"],
        "none": ["missing_staple"],
    },
    "lighttpd": {
        "good": [],
        "expired": ["missing_staple"],
        "revoked": ["revoked"],
        "wrong": ["wrong_certificate"],
        "garbage": ["missing_staple"],
        "none": ["missing_staple"],
    },
    "haproxy": {
        "good": [],
        "expired": ["missing_staple"],
        "revoked": ["revoked"],
        "wrong": ["missing_staple"],
        "garbage": ["missing_staple"],
        "none": ["missing_staple"],
    },
    "apache2": {
        "good": [],
        "expired": ["missing_staple"],
        "revoked": ["revoked"],
        "wrong": ["missing_staple"],
        "garbage": ["missing_staple"],
        "none": ["missing_staple"],
    },
    "exim4": {
        "good": [],
        "expired": ["starttls_refused"],  # GnuTLS refuses the file, and Exim then refuses TLS
        "revoked": ["starttls_refused"],
        "wrong": ["starttls_refused"],
        "garbage": ["starttls_refused"],
        "none": ["missing_staple"],
    },
    "dovecot": {"none": ["missing_staple"]},
    "dnsdist": {
        "good": [],
        "expired": ["missing_staple"],
        "revoked": ["missing_staple"],
        "wrong": ["wrong_certificate"],
        "garbage": ["missing_staple"],
        "none": ["missing_staple"],
    },
    # Where there is no file that it can read, it asks the responder by itself sooner or later.
    "trafficserver": {
        "good": [],
        "expired": ["expired"],
        "revoked": ["revoked"],
        "wrong": ["wrong_certificate"],
    },
}
#: What differs by the version: dnsdist 1.7, of Debian 12, does not start with a staple that it cannot use.
STARTS_OR_NOT = {"dnsdist": ("expired", "revoked", "garbage")}
CASES = [(name, case) for name, verdicts in VERDICTS.items() for case in verdicts]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_what_each_server_makes_of_each_staple(
    info: Module, pki: pki_tool.Pki, staple: Staple, name: str, case: str
) -> None:
    data = staple(case, "rsa.example.com")
    with contextlib.ExitStack() as stack:
        server = start(stack, name, Site(pki.leaf("rsa.example.com"), data))
        result = info(server)
    rsa, ecdsa = result["certificates"]
    expected = VERDICTS[name][case]
    if not server.up and case in STARTS_OR_NOT.get(name, ()):
        expected = ["unreachable"]
    assert codes(rsa) == expected, (server.folder, result["msg"])
    assert rsa["acceptable"] is result["acceptable"] is (case == "good")
    assert (rsa["sha256"] is not None) is rsa["stapled"]
    if rsa["served"]:
        assert rsa["serial_number"] == pki.leaf("rsa.example.com").serial_number
        assert len(rsa["chain"]) == 2
        assert (ecdsa["served"], ecdsa["error"], ecdsa["msg"]) == (False, None, "the server has no ECDSA certificate")
    else:
        assert rsa["msg"].startswith(f"127.0.0.1:{server.port} ")


@pytest.mark.parametrize("name", ["nginx", "s_server", "haproxy", "exim4", "dnsdist", "trafficserver"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("leaf", ["rsa.example.com", "ecdsa.example.com"])
def test_versions_and_keys(info: Module, pki: pki_tool.Pki, staple: Staple, name: str, version: str, leaf: str) -> None:
    data = staple("good", leaf)
    with contextlib.ExitStack() as stack:
        server = start(stack, name, Site(pki.leaf(leaf), data))
        result = info(server, tls_versions=[version], return_content=True)
    (entry,) = [entry for entry in result["certificates"] if entry["served"]]
    assert (entry["key_type"], entry["tls_version"], entry["acceptable"]) == (leaf.split(".")[0], version, True)
    assert [one["served"] for one in result["certificates"]].count(True) == 1


@pytest.mark.parametrize("name", ["nginx", "exim4", "dovecot"])
def test_must_staple_without_a_staple_is_an_error(info: Module, pki: pki_tool.Pki, name: str) -> None:
    with contextlib.ExitStack() as stack:
        server = start(stack, name, Site(pki.leaf("must-staple.example.com")))
        result = info(server)
    entry = result["certificates"][1]
    assert (codes(entry), entry["severity"], entry["must_staple"]) == (["missing_staple"], "error", True)
    assert "must-staple" in result["msg"]
    assert ("Dovecot" in result["msg"]) is (name != "nginx")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", ["nginx", "s_server"])
def test_one_file_for_two_certificates_is_seen_and_named(
    info: Module, pki: pki_tool.Pki, staple: Staple, name: str, version: str
) -> None:
    sites = [Site(pki.leaf(leaf), staple("good", leaf)) for leaf in ("rsa.example.com", "ecdsa.example.com")]
    with contextlib.ExitStack() as stack:
        result = info(start(stack, name, *sites), tls_versions=[version])
    rsa, ecdsa = result["certificates"]
    assert rsa["acceptable"] and codes(ecdsa) == ["shared_staple", "wrong_certificate"]
    assert not result["acceptable"]
    assert "about the server's RSA certificate" in result["msg"] and "nginx" in result["msg"]


@pytest.mark.parametrize("name", ["exim4", "dnsdist"])
def test_two_certificates_with_a_file_each_are_good(info: Module, pki: pki_tool.Pki, staple: Staple, name: str) -> None:
    sites = [Site(pki.leaf(leaf), staple("good", leaf)) for leaf in ("rsa.example.com", "ecdsa.example.com")]
    with contextlib.ExitStack() as stack:
        result = info(start(stack, name, *sites))
    assert [entry["acceptable"] for entry in result["certificates"]] == [True, True]


def test_a_server_that_fetches_by_itself_staples_late(info: Module, pki: pki_tool.Pki, staple: Staple) -> None:
    with contextlib.ExitStack() as stack:
        site = Site(pki.leaf("rsa.example.com"), staple("good", "rsa.example.com"))
        server = start(stack, "nginx that asks", site)
        result = info(server, attempts=5, key_types=["rsa"])
    entry = result["certificates"][0]
    assert entry["acceptable"] and codes(entry) == ["late_staple"] and entry["handshakes"] > 1


def test_ipv6(info: Module, pki: pki_tool.Pki, staple: Staple) -> None:
    if not Path("/proc/net/if_inet6").exists() or "lo" not in Path("/proc/net/if_inet6").read_text():
        pytest.skip("there is no IPv6 on this machine")
    with contextlib.ExitStack() as stack:
        server = start(stack, "nginx", Site(pki.leaf("rsa.example.com"), staple("good", "rsa.example.com")))
        result = info(server, host="::1", address_family="ipv6")
    assert result["acceptable"] and result["certificates"][0]["address"] == "::1"


def test_the_expected_staple(info: Module, pki: pki_tool.Pki, staple: Staple, folder: Path) -> None:
    leaf = pki.leaf("rsa.example.com")
    data = staple("good", leaf.name) or b""
    (folder / "same.der").write_bytes(data)
    pki.response(leaf.name, folder / "newer.der")
    with contextlib.ExitStack() as stack:
        server = start(stack, "nginx", Site(leaf, data))
        same = info(server, expected_path=folder / "same.der", certificate_path=leaf.fullchain)
        newer = info(
            server, expected_path=folder / "newer.der", certificate_path=pki.leaf("ecdsa.example.com").certificate
        )
    assert (same["matches_expected"], same["matches_certificate"], same["acceptable"]) == (True, True, True)
    assert (newer["matches_expected"], newer["matches_certificate"], newer["acceptable"]) == (False, False, False)
    assert codes(newer["certificates"][0]) == ["other_certificate", "other_staple"]


def test_through_ansible(run_module: Module, pki: pki_tool.Pki, staple: Staple) -> None:
    site = Site(pki.leaf("rsa.example.com"), staple("good", "rsa.example.com"))
    with contextlib.ExitStack() as stack:
        server = start(stack, "nginx", site)
        for check in (False, True):
            result = run_module("ocsp_staple_info", host="127.0.0.1", port=server.port, check=check)
            assert result["acceptable"] and not result["changed"] and not result.get("failed")


# Servers that are none ---------------------------------------------------------------------------

Script = t.Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def hostile(script: Script) -> t.Iterator[int]:
    """Serve each connection by a script, which gets an event that says when to end."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            script(sock, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(10)


def drip(data: bytes) -> Script:
    def script(sock: socket.socket, over: threading.Event) -> None:
        for index in range(10**9):
            sock.sendall(data[index % len(data) : index % len(data) + 1])
            if over.wait(0.01):
                return

    return script


def endless(data: bytes) -> Script:
    def script(sock: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            sock.sendall(data)

    return script


def answer(data: bytes) -> Script:
    """Answer the ClientHello, and close."""

    def script(sock: socket.socket, over: threading.Event) -> None:
        sock.recv(10000)
        sock.sendall(data)

    return script


def silent(sock: socket.socket, over: threading.Event) -> None:
    over.wait()


RECORD = b"\x16\x03\x03"

HOSTILE: dict[str, tuple[Script, str | None, str, str]] = {
    "silent": (silent, None, "timeout", "does not send ServerHello within"),
    "silent before STARTTLS": (silent, "smtp", "timeout", "does not greet in the way of SMTP within"),
    "dripping": (drip(RECORD + b"\x40\x00\x02\x00\x3f\xf0" + bytes(16384)), None, "timeout", "ServerHello"),
    "dripping before STARTTLS": (drip(b"220-patience\r\n"), "smtp", "timeout", "greet"),
    "endless records": (endless((RECORD + b"\x00\x01\x02") * 1000), None, "too_large", "announces a message"),
    "endless warnings": (endless(b"\x15\x03\x03\x00\x02\x01\x70" * 1000), None, "too_large", "mean nothing"),
    "endless greeting": (endless(b"220-patience\r\n" * 1000), "smtp", "too_large", "before STARTTLS"),
    "endless line": (endless(b"2" * 10000), "smtp", "too_large", "a line of more than"),
    "plain text": (answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None, "not_tls", "'HTTP/1.1 400 Bad Request'"),
    "alert at once": (answer(b"\x15\x03\x03\x00\x02\x02\x50"), None, "tls_alert", "the alert internal_error"),
    "close at once": (answer(b""), None, "cut_off", "without an answer"),
    "cut off": (
        answer(RECORD + b"\x00\x40\x02\x00\x00\x3c\x03\x03"),
        None,
        "cut_off",
        "in the middle of the handshake",
    ),
    "oversized record": (answer(RECORD + b"\xff\xff" + bytes(100)), None, "malformed", "65535 octets"),
    "oversized message": (answer(RECORD + b"\x00\x04\x0b\xff\xff\xff"), None, "too_large", "16777215 octets"),
    "old version": (
        answer(RECORD + b"\x00\x2a\x02\x00\x00\x26\x03\x01" + bytes(33) + b"\x00\x2f\x00"),
        None,
        "tls_version",
        "TLS 1.0",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_server_ends_in_one_clear_sentence(info: Module, case: str) -> None:
    script, starttls, code, words = HOSTILE[case]
    with hostile(script) as port:
        result = info(port, starttls=starttls, timeout=2)
    for entry in result["certificates"]:
        assert entry["error"]["code"] == code, result["msg"]
        assert entry["msg"].startswith(f"127.0.0.1:{port} ") and words in entry["msg"]
        assert entry["msg"].isprintable() and len(entry["msg"]) < 300
    assert result["error"]["code"] == code and result["severity"] == "error" and not result["served"]


def test_nobody_listens(info: Module) -> None:
    result = info(pki_tool.free_port())
    assert result["error"]["code"] == "unreachable" and "Connection refused" in result["msg"]


def test_a_name_without_an_address(info: Module) -> None:
    result = info(443, host="nobody.invalid")
    assert result["error"]["code"] == "unreachable" and result["msg"].startswith("nobody.invalid:443 has no address")
