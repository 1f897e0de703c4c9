# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import errno
import io
import os
import random
import select
import socket
import struct
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import http1, transport
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.attempt import MAX_SECONDS, Attempt, BadAnswer
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.transport import Transport
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import tls
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls_keys import Protection
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.urls import check_url
from ansible_collections.certops.ocsp.tests.unit.http_server import (
    Peer,
    Pki,
    Script,
    Server,
    answer,
    converses,
    forward_proxy,
    full_port,
    make_pki,
    replies,
)

PLENTY = 20.0  # for exchanges that end by themselves
SHORT = 0.5  # for those that only the deadline ends
# Where something has to happen before that, it must also do so on a busy machine.
LONGER = 3.0
DATE = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
DATE_TEXT = "Sun, 01 Mar 2026 12:00:00 GMT"

Serve = t.Callable[..., Server]


@pytest.fixture
def serve() -> t.Iterator[Serve]:
    """Start servers that are closed after the test."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, **options: t.Any) -> Server:
            return stack.enter_context(contextlib.closing(Server(script, **options)))

        yield start


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def trusted(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> Pki:
    """Make OpenSSL's default store trust the test's root."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.root_path))
    return pki


def fetch(
    url: str,
    body: bytes | None = None,
    no_cache: bool = False,
    timeout: float = PLENTY,
    environ: t.Mapping[str, str] | None = None,
    **options: t.Any,
) -> HttpResponse:
    return Transport(environ=environ or {}, **options).exchange(HttpRequest(url, body, no_cache), timeout)


def failure(url: str, **options: t.Any) -> TransportError:
    """Return the error of an exchange that must fail; its message is always one clean line."""
    with pytest.raises(TransportError) as caught:
        fetch(url, **options)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
    return caught.value


def lines(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def fake_addresses(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Inject what the resolver says about any name; address literals stay as they are."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: t.Any) -> list[t.Any]:
        if options.get("flags") == socket.AI_NUMERICHOST:
            return real(host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def network(
    monkeypatch: pytest.MonkeyPatch, hosts: dict[str, t.Any], names: dict[str, str], own: t.Collection[str] = ()
) -> list[str]:
    """Servers by the addresses that they would have elsewhere, or that are this host's ``own``.

    Returns the addresses that are connected to.
    """
    dialled: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: t.Any) -> list[t.Any]:
        try:
            return real(host, port, **{**options, "flags": socket.AI_NUMERICHOST})
        except socket.gaierror:
            if options.get("flags") == socket.AI_NUMERICHOST:
                raise
        return real(names[host], port, **{**options, "flags": socket.AI_NUMERICHOST})

    def connect(sock: socket.socket, address: t.Any, shares: int, attempt: t.Any) -> socket.socket:
        sock.close()
        dialled.append(address[0])
        # All of it is one host here, which is seen by two equal addresses.
        other = socket.socket()
        other.bind(("127.0.0.1" if address[0] in own else "127.0.0.2", 0))
        other.connect(hosts[address[0]].address)
        return other

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(transport, "_connect", connect)
    monkeypatch.setattr(transport, "_is_own", lambda _family, _address: False)
    return dialled


@pytest.fixture
def closed_port() -> t.Iterator[int]:
    with socket.socket() as sock:  # bound and not listening: refused, and nobody else can take it
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture(name="full_port")
def fixture_full_port() -> t.Iterator[int]:
    with full_port() as port:
        yield port


# -- what is sent


def test_get(serve: Serve) -> None:
    server = serve(replies(answer(b"\x30\x03")))
    assert fetch(server.url("/ocsp/MEow?a=b")) == HttpResponse(200, b"\x30\x03")
    assert server.requests[0].decode().split("\r\n") == [
        "GET /ocsp/MEow?a=b HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: certops.ocsp",
        "Accept: application/ocsp-response",
        "Connection: close",
        "",
        "",
    ]


def test_post(serve: Serve) -> None:
    server = serve(replies(answer()))
    body = bytes(range(256)) * 40
    assert fetch(server.url(), body).body == b"answer"
    assert lines(server.requests[0])[0] == "POST / HTTP/1.1"
    assert "Content-Type: application/ocsp-request" in lines(server.requests[0])
    assert f"Content-Length: {len(body)}" in lines(server.requests[0])
    assert server.requests[0].partition(b"\r\n\r\n")[2] == body


def test_no_cache_only_on_demand(serve: Serve) -> None:
    server = serve(replies(answer()))
    fetch(server.url())
    fetch(server.url(), no_cache=True)
    assert b"no-cache" not in server.requests[0]
    assert {"Cache-Control: no-cache", "Pragma: no-cache"} <= set(lines(server.requests[1]))


def test_agent_cannot_smuggle_headers(serve: Serve) -> None:
    server = serve(replies(answer()))
    fetch(server.url(), http_agent="agent\r\nX-Evil: \u2603")
    assert "User-Agent: agent??X-Evil: ?" in lines(server.requests[0])


@pytest.mark.parametrize(
    ("url", "request_line", "host"),
    [
        ("http://ocsp.test", "GET / HTTP/1.1", "ocsp.test"),
        ("http://ocsp.test:80/a#part", "GET /a HTTP/1.1", "ocsp.test"),
        ("HTTP://OCSP.Test:8080?q", "GET /?q HTTP/1.1", "ocsp.test:8080"),
        ("http://b\u00fccher.test/\u00fc?\u00fc", "GET /%C3%BC?%C3%BC HTTP/1.1", "xn--bcher-kva.test"),
        ("http://ca_1.test./a%2Fb//c", "GET /a%2Fb//c HTTP/1.1", "ca_1.test."),
    ],
)
def test_url_becomes_target_and_host(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, url: str, request_line: str, host: str
) -> None:
    server = serve(replies(answer()))
    fake_addresses(monkeypatch, server.address)
    fetch(url)
    assert lines(server.requests[0])[:2] == [request_line, f"Host: {host}"]


def test_ipv6(serve: Serve) -> None:
    try:
        server = serve(replies(answer()), host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert fetch(server.url("/a", host="[0:0::1]")).status == 200
    assert f"Host: [::1]:{server.port}" in lines(server.requests[0])


@pytest.mark.parametrize(("port", "host"), [("", "[2001:db8::1]"), (":81", "[2001:db8::1]:81")])
def test_ipv6_through_proxy(serve: Serve, port: str, host: str) -> None:
    proxy = serve(replies(answer()))
    fetch(f"http://[2001:DB8::1]{port}/", http_proxy=proxy.url())
    assert lines(proxy.requests[0])[:2] == [f"GET http://{host}/ HTTP/1.1", f"Host: {host}"]


# -- URLs


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "only http and https"),
        ("ocsp.example.com", "only http and https"),
        ("//ocsp.example.com/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("ldap://ocsp.example.com/", "only http and https"),
        ("javascript:alert(1)", "only http and https"),
        ("http://", "has no host"),
        ("http:///path", "has no host"),
        ("http:ocsp.example.com", "has no host"),
        ("http://:80/", "has no host"),
        ("http://ocsp.example.com:0/", "port"),
        ("http://ocsp.example.com:65536/", "port"),
        ("http://ocsp.example.com:-1/", "port"),
        ("http://ocsp.example.com:http/", "port"),
        ("http://ocsp.example.com/a b", "space"),
        (" http://ocsp.example.com/", "space"),
        ("http://ocsp.example.com/\r\nX: y", "control character"),
        ("http://ocsp.exa\tmple.com/", "control character"),
        ("http://ocsp.example.com/\x00", "control character"),
        ("http://ocsp.example.com/\u2028", "control character"),
        ("http://ocsp.example.com/\udcff", "control character"),
        ("http://[::1/", "host"),
        ("http://[zz]/", "host"),
        ("http://[127.0.0.1]/", "host"),
        ("http://ocsp..example.com/", "host"),
        ("http://.example.com/", "host"),
        ("http://./", "host"),
        (f"http://{'a' * 64}.example.com/", "host"),
        ("http://ocsp%2eexample.com/", "host"),
        ("http://ocsp,example.com/", "host"),
        ("http://ocsp.example.com\\@evil/", "user name or password"),
        ("http://\u2100.example.com/", "host"),
    ],
)
def test_url_refused(url: str, reason: str) -> None:
    with pytest.raises(TransportError, match=reason) as caught:
        check_url(url)
    assert caught.value.code == "url_refused"
    assert caught.value.message.isprintable()
    assert failure(url).message == caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@ocsp.example.com/",
        "http://s3cret@ocsp.example.com/",
        "http://user:s3cret/@ocsp.example.com/",
        "http://user:s3cret%40ocsp.example.com/",
        "http://user:s3c@s3cret@ocsp.example.com:x/",
        "http://user:s3cret\n@ocsp.example.com/",
        "user:s3cret@ocsp.example.com",
        "ftp://user:s3cret@ocsp.example.com",
        "http://user:s3cret\u2100@ocsp.example.com/",
        "http://[user:s3cret@ocsp.example.com/",
    ],
)
def test_credentials_are_refused_and_not_shown(url: str) -> None:
    error = failure(url)
    assert error.code == "url_refused"
    assert "s3c" not in error.message
    assert "***@ocsp.example.com" in error.message


@pytest.mark.parametrize(
    "url", ["http://ocsp.example.com", "https://ocsp.example.com:8443/a?b=c", "http://127.0.0.1/", "http://[::1]:80/@"]
)
def test_url_accepted(url: str) -> None:
    check_url(url)


def test_long_urls_are_cut_in_messages() -> None:
    assert len(failure("ftp://" + "a" * 5000).message) < 250


# -- what comes back


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "400 Bad", "404 No", "500 Oops", "503 Later"])
def test_any_status_is_returned(serve: Serve, status: str) -> None:
    response = fetch(serve(replies(answer(b"", status))).url())
    assert (response.status, response.body) == (int(status[:3]), b"")


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error"])
def test_body_of_an_error_status_is_returned(serve: Serve, status: str) -> None:
    message = answer(b"\x30\x03\x0a\x01\x03", status, ["Content-Type: Application/OCSP-Response ; charset=x"])
    response = fetch(serve(replies(message)).url(), b"question")
    assert response == HttpResponse(int(status[:3]), b"\x30\x03\x0a\x01\x03", "application/ocsp-response")


def test_content_type_is_cleaned(serve: Serve) -> None:
    content_type = fetch(serve(replies(answer(headers=["Content-Type: a\x1b[31m\x85" + "b" * 500]))).url()).content_type
    assert content_type.isprintable()
    assert len(content_type) <= 100


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "message",
    [
        CHUNKED + b"2\r\nan\r\n4;x=y\r\nswer\r\n0\r\nTrailer: x\r\n\r\n",
        UNTIL_CLOSE + b"answer",
        b"HTTP/1.1 200\r\n\r\nanswer",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nanswer",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer and more",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer",
        CHUNKED + b"6\r\nanswer\r\n0\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 6\n\nanswer",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nanswer",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 2\r\n\r\nanswer",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\nno header\r\n\r\nanswer",
    ],
    ids=["chunked", "until close", "bare", "bad length", "continue", "early hints"]
    + ["no last line", "bare newlines", "other coding", "two lengths", "no length"],
)
def test_framings(serve: Serve, message: bytes) -> None:
    assert fetch(serve(replies(message)).url()).body == b"answer"


def chunked(size: int) -> bytes:
    return CHUNKED + b"".join(b"400\r\n" + b"x" * 0x400 + b"\r\n" for _dummy in range(size // 0x400)) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "message",
    [answer(b"x" * 65536), chunked(65536), UNTIL_CLOSE + b"x" * 65536],
    ids=["length", "chunked", "until close"],
)
def test_largest_body(serve: Serve, message: bytes) -> None:
    assert fetch(serve(replies(message)).url()).body == b"x" * 65536


_BODY, _ALL, _HEADERS = (
    "it has more than 64 KiB\n",
    "it has more than 128 KiB with",
    "its headers have more than 64 KiB",
)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        pytest.param(answer(b"x" * 65537), _BODY, id="length"),
        pytest.param(answer(b"x", length=10**12), _BODY, id="announced"),
        pytest.param(chunked(65536 + 1024), _BODY, id="chunked"),
        pytest.param(CHUNKED + b"10000000\r\n" + b"x" * 65537, _BODY, id="big chunk"),
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 30000 + b"0\r\n\r\n", _ALL, id="small chunks"),
        pytest.param(CHUNKED + b"0\r\n" + b"Trailer: x\r\n" * 20000, _ALL, id="trailers"),
        pytest.param(UNTIL_CLOSE + b"x" * 65537, _BODY, id="until close"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "it has more than 100 headers", id="many headers"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70000 + b"\r\n\r\n", _HEADERS, id="long header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"b" * 60000 + b"\r\n") * 3 + b"\r\n", _HEADERS, id="long headers"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 10000, _ALL, id="continues"),
    ],
)
def test_too_large(serve: Serve, message: bytes, why: str) -> None:
    error = failure(serve(replies(message)).url())
    assert error.code == "too_large"
    assert error.message.startswith("the answer of http://127.0.0.1:")
    assert f" is too large: {why}" in f"{error.message}\n"


@pytest.mark.parametrize(
    "start", [UNTIL_CLOSE, b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 "], ids=["body", "header", "status"]
)
def test_endless(serve: Serve, start: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(start)
        while True:
            peer.send(b"x" * 4096)

    assert failure(serve(script).url()).code == "too_large"


def test_endless_header_lines(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.send(b"X-Header: value\r\n" * 100)

    assert failure(serve(script).url()).code == "too_large"


@pytest.mark.parametrize(
    "message",
    [answer(b"half", length=8), answer(b"", length=8), CHUNKED + b"8\r\nhalf", CHUNKED + b"4\r\nhalf\r\n", CHUNKED],
)
def test_truncated(serve: Serve, message: bytes) -> None:
    error = failure(serve(replies(message)).url())
    assert error.code == "http_error"
    assert "is truncated" in error.message


@pytest.mark.parametrize(
    "message",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"<html>hello</html>",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"\r\n\r\n",
        b"\x1b[2J\x00\xff" * 100 + b"\r\n",
        CHUNKED + b"zz\r\nanswer",
        CHUNKED + b"-1\r\nanswer",
        CHUNKED + b"-99999999999999999999\r\nanswer",
        CHUNKED + b"2\r\nanswer\r\n0\r\n\r\n",
    ],
)
def test_not_http(serve: Serve, message: bytes) -> None:
    error = failure(serve(replies(message)).url())
    assert error.code == "http_error"
    assert "http://127.0.0.1:" in error.message


def test_what_is_no_http_is_seen_before_the_other_side_closes(serve: Serve) -> None:
    error = failure(serve(lambda peer: (peer.send(b"SSH-2.0-OpenSSH_9.2\r\n"), peer.hold())).url())
    assert error.code == "http_error"
    assert error.message.endswith("did not answer with valid HTTP: SSH-2.0-OpenSSH_9.2?")


def test_mutations_of_an_answer_never_raise_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        """A socket in memory, so that thousands of answers can be tried."""

        def __init__(self, data: bytes) -> None:
            self.recv = io.BytesIO(data).read

        def settimeout(self, _seconds: float) -> None:
            pass

        def send(self, data: memoryview) -> int:
            return len(data)

        def close(self) -> None:
            pass

    dice = random.Random(5019)
    dated = answer(headers=[f"Date: {DATE_TEXT}", "Age: 5", "Retry-After: 7", "Location: /a", "Content-Type: a/b"])
    seeds = [dated, dated.replace(b"200 OK", b"302 Found"), chunked(1024), CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"]
    codes = set()
    for _dummy in range(1500):
        data = bytearray(dice.choice(seeds))
        for _dummy in range(dice.randint(1, 4)):
            place = dice.randrange(len(data))
            data[place : place + dice.randint(0, 3)] = dice.choice(
                [b"", b"\r\n", b"-", b"\x00", b":", b"=?utf-8?q?x?=", bytes([dice.randrange(256)]), b"9" * 30]
            )
        monkeypatch.setattr(transport, "_dial", lambda *_args, data=bytes(data): Memory(data))
        try:
            codes.add(str(fetch("http://ocsp.test/").status))
        except TransportError as exc:
            assert exc.message.isprintable()
            codes.add(exc.code)
    assert {"200", "http_error"} <= codes


# -- the deadline


@pytest.mark.parametrize(
    "script",
    [
        lambda peer: peer.hold(),
        lambda peer: (peer.read_request(), peer.hold()),
        lambda peer: (peer.read_request(), peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90)),
        lambda peer: (peer.read_request(), peer.drip(b"HTTP/1.1 " + b"2" * 999)),
        lambda peer: (peer.read_request(), peer.send(UNTIL_CLOSE), peer.drip(b"x" * 999)),
        lambda peer: (peer.read_request(), peer.send(answer(b"", length=999)), peer.drip(b"x" * 998)),
        lambda peer: (peer.read_request(), peer.send(CHUNKED), peer.drip(b"1\r\nx\r\n" * 200)),
        lambda peer: (peer.read_request(), peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 99)),
    ],
    ids=["silent", "no answer", "headers", "status line", "until close", "length", "chunks", "continues"],
)
def test_slow_responders_end_in_time(serve: Serve, script: Script) -> None:
    error = failure(serve(script).url(), timeout=SHORT)
    assert error.code == "timeout"
    assert error.message.startswith("0.5 s were not enough to read the answer of http://127.0.0.1:")


def test_messages_of_tls_without_end(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenSSL goes on reading as long as there are more of them, and does not look at the time."""
    pki, log = make_pki(tmp_path), tmp_path / "keys"
    pki.server.num_tickets, pki.server.keylog_filename = 0, str(log)
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.root_path))

    def script(peer: Peer) -> None:
        peer.read_request()
        secret = next(line for line in log.read_text().splitlines() if line.startswith("SERVER_TRAFFIC_SECRET_0"))
        keys = Protection(0x1302, bytes.fromhex(secret.split()[2]))
        tickets = tls.message(4, bytes(8) + tls.vector(1) + tls.vector(2, b"t") + tls.vector(2)) * 900
        while not peer.server.stopped.is_set():
            socket.socket.sendall(peer.sock, keys.seal(22, tickets))

    client = Transport(environ={})
    watch = threading.Timer(PLENTY, client.close)
    watch.start()
    with pytest.raises(TransportError) as caught:
        client.exchange(HttpRequest(serve(script, tls=pki.server).url()), LONGER)
    watch.cancel()
    watch.join()
    assert caught.value.code == "too_large"
    assert caught.value.message.endswith(" is too large: it consists of TLS messages without data")


def test_deadline_covers_redirects(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.server.stopped.wait(LONGER * 2 / 3)
        peer.send(answer(b"", "302 Found", ["Location: /again"]))

    server = serve(script)
    assert failure(server.url(), timeout=LONGER).code == "timeout"
    assert server.connections == 2


def slow_reader(peer: Peer) -> None:
    while not peer.server.stopped.wait(0.02):
        peer.sock.recv(1 << 16)


@pytest.mark.parametrize("script", [lambda peer: peer.hold(), slow_reader], ids=["silent", "slow"])
def test_deadline_covers_sending(serve: Serve, script: Script) -> None:
    # So much takes a while to put together on a busy machine, and that is not sending yet.
    error = failure(serve(script).url(), body=b"x" * 40_000_000, timeout=LONGER)
    assert error.code == "timeout"
    assert "send the request to" in error.message


def test_deadline_covers_connecting(full_port: int) -> None:
    error = failure(f"http://127.0.0.1:{full_port}/", timeout=SHORT)
    assert (error.code, error.message) == (
        "timeout",
        f"0.5 s were not enough to connect to http://127.0.0.1:{full_port}",
    )


@pytest.mark.parametrize(("number", "permanent"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)])
def test_an_unknown_host_is_no_matter_of_time(number: int, permanent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: t.Any, **_options: t.Any) -> t.NoReturn:
        raise socket.gaierror(number, "as the resolver has it")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure("http://ocsp.invalid/")
    assert (error.code, error.permanent) == ("unreachable", permanent)


def test_a_refused_connection_may_pass(closed_port: int) -> None:
    assert not failure(f"http://127.0.0.1:{closed_port}/").permanent


def test_deadline_covers_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_args: t.Any, flags: int = 0, **_options: t.Any) -> list[t.Any]:
        if flags == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        release.wait(2)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure("http://ocsp.invalid/", timeout=SHORT)
    release.set()
    assert error.code == "timeout"
    assert "find the address of http://ocsp.invalid" in error.message


@pytest.mark.parametrize(
    "script",
    [lambda peer: peer.hold(), lambda peer: peer.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 999)],
    ids=["silent", "drip"],
)
def test_deadline_covers_tls(serve: Serve, script: Script) -> None:
    error = failure(f"https://127.0.0.1:{serve(script).port}/", timeout=SHORT)
    assert error.code == "timeout"
    assert "make a TLS connection to https://127.0.0.1:" in error.message


def test_deadline_covers_the_answer_over_tls(serve: Serve, trusted: Pki) -> None:
    server = serve(lambda peer: (peer.read_request(), peer.drip(UNTIL_CLOSE + b"x" * 999)), tls=trusted.server)
    assert failure(server.url(), timeout=SHORT).code == "timeout"


@pytest.mark.parametrize(
    "script",
    [
        lambda peer: peer.hold(),
        lambda peer: (peer.read_request(), peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90)),
        lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\n\r\n"), peer.drip(b"\x16\x03\x03\x10" * 99)),
    ],
    ids=["silent", "drip in CONNECT", "drip in TLS"],
)
def test_deadline_covers_the_tunnel(serve: Serve, script: Script) -> None:
    assert failure("https://ocsp.test/", http_proxy=serve(script).url(), timeout=SHORT).code == "timeout"


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_no_time_at_all(timeout: float) -> None:
    assert failure("http://127.0.0.1:1/", timeout=timeout).code == "timeout"


def test_endless_patience(serve: Serve) -> None:
    assert fetch(serve(replies(answer())).url(), timeout=float("inf")).status == 200


# -- connecting


def test_refused(closed_port: int) -> None:
    error = failure(f"http://127.0.0.1:{closed_port}/")
    assert error.code == "unreachable"
    assert error.message == (
        f"cannot connect to http://127.0.0.1:{closed_port}: Connection refused (127.0.0.1 port {closed_port})"
    )


def test_what_fails_before_anybody_is_asked_is_unreachable() -> None:
    error = Attempt(1).failure(OSError(errno.EMFILE, "Too many open files"))
    assert (error.code, error.message) == ("unreachable", "cannot connect to the responder: Too many open files")


def test_unresolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: t.Any, **_options: t.Any) -> list[t.Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure("http://ocsp.invalid/")
    assert error.code == "unreachable"
    assert error.message == "cannot find the address of http://ocsp.invalid: Name or service not known"


def test_dead_address_leaves_time_for_the_next(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, full_port: int, closed_port: int
) -> None:
    server = serve(replies(answer()))
    fake_addresses(monkeypatch, ("127.0.0.1", full_port), ("127.0.0.1", closed_port), server.address)
    assert fetch("http://ocsp.test/", timeout=LONGER).status == 200


def test_every_address_is_named(monkeypatch: pytest.MonkeyPatch, full_port: int, closed_port: int) -> None:
    fake_addresses(monkeypatch, ("127.0.0.1", full_port), ("127.0.0.1", closed_port))
    error = failure("http://ocsp.test/", timeout=LONGER)
    assert error.code == "unreachable"
    assert error.message == (
        f"cannot connect to http://ocsp.test: timed out (127.0.0.1 port {full_port}), "
        f"Connection refused (127.0.0.1 port {closed_port})"
    )


def test_reset(serve: Serve) -> None:
    error = failure(serve(lambda peer: (peer.read_request(), peer.reset())).url())
    assert error.code == "unreachable"
    assert "Connection reset by peer" in error.message


def test_reset_in_the_body(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer(b"half", length=8))
        peer.server.stopped.wait(0.1)
        peer.reset()

    assert failure(serve(script).url()).code == "unreachable"


def test_close_without_answer(serve: Serve) -> None:
    error = failure(serve(lambda peer: peer.read_request()).url())
    assert error.code == "unreachable"
    assert "closed connection without response" in error.message


def test_timeout_of_the_kernel_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda _sock, _address: errno.ETIMEDOUT)
    error = failure("http://127.0.0.1:1/")
    assert error.code == "unreachable"
    assert error.message == "cannot connect to http://127.0.0.1:1: Connection timed out (127.0.0.1 port 1)"


def test_no_thread_for_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert failure("http://ocsp.invalid/").message == (
        "cannot find the address of http://ocsp.invalid: can't start new thread"
    )


# -- redirects


@pytest.mark.parametrize(
    ("status", "body"),
    [*((status, None) for status in (301, 302, 303, 307, 308)), (307, b"question"), (308, b"question")],
)
def test_redirect_keeps_the_method(serve: Serve, status: int, body: bytes | None) -> None:
    server = serve(replies(answer(b"moved", f"{status} Moved", ["Location: ../b?c=d"]), answer()))
    assert fetch(server.url("/x/a"), body, no_cache=True).body == b"answer"
    method = "GET" if body is None else "POST"
    assert [lines(request)[0] for request in server.requests] == [
        f"{method} /x/a HTTP/1.1",
        f"{method} /b?c=d HTTP/1.1",
    ]
    assert server.requests[1].partition(b"\r\n\r\n")[2] == (body or b"")
    assert "Cache-Control: no-cache" in lines(server.requests[1])


@pytest.mark.parametrize("status", [301, 302, 303])
def test_no_other_redirect_of_post_is_followed(serve: Serve, status: int) -> None:
    server = serve(replies(answer(b"", f"{status} Moved", ["Location: /b"]), answer()))
    error = failure(server.url(), body=b"question")
    assert error.code == "http_error" and len(server.requests) == 1
    assert error.message.endswith(f" redirects POST with HTTP {status}, which is meant for GET")


def test_redirect_from_tls_to_plain_http(serve: Serve, trusted: Pki) -> None:
    target = serve(replies(answer(b"open")))
    error = failure(serve(replies(answer(b"", "308 Moved", [f"Location: {target.url()}"])), tls=trusted.server).url())
    assert error.code == "url_refused" and target.requests == []
    assert error.message.endswith(" is refused: it leads from TLS to plain HTTP")


#: From whom to whom, and whether that may be.
LEADING = [
    ("203.0.114.1", "203.0.114.9", True),
    ("203.0.114.1", "10.0.0.1", False),
    ("203.0.114.1", "192.168.1.1", False),
    ("203.0.114.1", "172.16.0.1", False),
    ("203.0.114.1", "100.64.0.1", False),
    ("203.0.114.1", "169.254.169.254", False),
    ("203.0.114.1", "127.0.0.1", False),
    ("203.0.114.1", "127.3.2.1", False),
    ("203.0.114.1", "0.0.0.0", False),
    ("203.0.114.1", "224.0.0.1", False),
    ("203.0.114.1", "::1", False),
    ("203.0.114.1", "::", False),
    ("203.0.114.1", "fe80::1", False),
    ("203.0.114.1", "fd00:ec2::254", False),
    ("203.0.114.1", "::ffff:127.0.0.1", False),
    ("203.0.114.1", "::ffff:10.0.0.1", False),
    ("203.0.114.1", "64:ff9b::a9fe:a9fe", False),
    ("203.0.114.1", "2002:7f00:1::", False),
    ("203.0.114.1", "::127.0.0.1", False),
    ("203.0.114.1", "::ffff:0:127.0.0.1", False),
    ("203.0.114.1", "64:ff9b:1::a00:1", False),
    ("203.0.114.1", "fec0::1", False),
    ("203.0.114.1", "168.63.129.16", False),
    ("203.0.114.1", "192.0.0.192", False),
    ("203.0.114.1", "2606:4700::1", True),
    ("10.0.0.1", "10.9.9.9", True),
    ("10.0.0.1", "203.0.114.1", True),
    ("10.0.0.1", "169.254.169.254", False),
    ("10.0.0.1", "127.0.0.1", False),
    ("10.0.0.1", "168.63.129.16", False),
    ("10.0.0.1", "192.0.0.192", False),
    ("10.0.0.1", "100.100.100.200", False),
    ("10.0.0.1", "fd00:ec2::254", False),
    ("fd00::1", "192.168.0.1", True),
    ("169.254.1.1", "127.0.0.1", False),
    ("127.0.0.1", "169.254.169.254", True),
    ("127.0.0.1", "10.0.0.1", True),
    ("::1", "127.0.0.1", True),
]


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "2852039166"])
def test_a_redirect_through_a_proxy_leads_to_no_address_in_another_form(serve: Serve, host: str) -> None:
    proxy = serve(replies(answer(b"", "302 Found", [f"Location: http://{host}/"])))
    error = failure("http://ocsp.example/", http_proxy=proxy.url())
    assert error.code == "url_refused" and "must not lead to" in error.message
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("first", "second", "may"), LEADING)
def test_a_redirect_leads_to_no_narrower_network(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, first: str, second: str, may: bool, named: bool
) -> None:
    """By the address that is connected to, however it is written, and before anything is sent to it."""
    target = serve(replies(answer(b"secret")))
    host = f"[{second}]" if ":" in second else second
    location = "http://inner.test/shutdown" if named else f"http://{host}/shutdown"
    front = serve(replies(answer(b"", "302 Found", [f"Location: {location}"])))
    dialled = network(monkeypatch, {first: front, second: target}, {"ocsp.test": first, "inner.test": second})
    if may:
        assert fetch("http://ocsp.test/").body == b"secret"
        return
    error = failure("http://ocsp.test/")
    assert error.code == "url_refused" and error.message.startswith("a redirect of http://ocsp.test to ")
    assert dialled == [first] and target.requests == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "x.localhost.", "LOCALHOST"]
)
def test_a_redirect_to_this_host_is_seen_in_any_spelling(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    target = serve(replies(answer(b"secret")))
    front = serve(replies(answer(b"", "302 Found", [f"Location: http://{host}:{target.port}/"])))
    known = {"ocsp.test": "203.0.114.1", **dict.fromkeys(("localhost", "x.localhost."), "127.0.0.1")}
    network(monkeypatch, {"203.0.114.1": front, "127.0.0.1": target}, known)
    assert failure("http://ocsp.test/").code == "url_refused"
    assert target.requests == []


@pytest.mark.parametrize("keep", [0, 4])
def test_a_redirect_to_another_address_of_this_host_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    """It is behind the firewall there, as with 127.0.0.1."""
    target = serve(converses(lambda _request: answer(b"secret")))
    front = serve(replies(answer(b"", "302 Found", ["Location: http://203.0.114.2:8080/"])))
    network(monkeypatch, {"203.0.114.1": front, "203.0.114.2": target}, {"ocsp.test": "203.0.114.1"}, {"203.0.114.2"})
    client = Transport(environ={}, keep=keep)
    for _connection in range(2):
        with pytest.raises(TransportError) as caught:
            client.exchange(HttpRequest("http://ocsp.test/"), PLENTY)
        assert caught.value.code == "url_refused"
        assert caught.value.message == (
            "a redirect of http://ocsp.test to localhost is refused: a responder on the Internet must not lead to this "
            "host"
        )
        assert [request for request in target.requests if b"ocsp.test" in request] == []
        # It may be asked itself, and then there is a connection.
        assert client.exchange(HttpRequest("http://203.0.114.2:8080/"), PLENTY).body == b"secret"
    assert len(target.requests) == 2
    client.close()


@pytest.mark.parametrize(
    ("family", "address", "own"),
    [
        (socket.AF_INET, ("127.0.0.1", 80), True),
        # As of an interface with several, where the system takes another one for itself.
        (socket.AF_INET, ("127.0.0.77", 80), True),
        (socket.AF_INET, ("198.51.100.7", 80), False),
        (socket.AF_INET6, ("2001:db8::7", 80, 0, 0), False),
    ],
)
def test_which_addresses_are_those_of_this_host(family: int, address: t.Any, own: bool) -> None:
    assert transport._is_own(family, address) is own


def test_a_second_redirect_is_measured_by_the_first_responder(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    target = serve(replies(answer(b"secret")))
    middle = serve(replies(answer(b"", "302 Found", ["Location: http://127.0.0.1/"])))
    front = serve(replies(answer(b"", "302 Found", ["Location: http://203.0.114.2/"])))
    hosts = {"203.0.114.1": front, "203.0.114.2": middle, "127.0.0.1": target}
    dialled = network(monkeypatch, hosts, {"ocsp.test": "203.0.114.1"})
    assert failure("http://ocsp.test/").code == "url_refused"
    assert dialled == ["203.0.114.1", "203.0.114.2"] and target.requests == []


def test_a_redirect_is_measured_by_who_reaches_farthest_of_those_before(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inner responder may lead to the Internet, from where nobody leads back."""
    target = serve(replies(answer(b"secret")))
    middle = serve(replies(answer(b"", "302 Found", ["Location: http://10.0.0.9/admin"])))
    front = serve(replies(answer(b"", "302 Found", ["Location: http://ocsp.test/"])))
    hosts = {"10.0.0.1": front, "203.0.114.2": middle, "10.0.0.9": target}
    dialled = network(monkeypatch, hosts, {"inner.test": "10.0.0.1", "ocsp.test": "203.0.114.2"})
    error = failure("http://inner.test/")
    assert error.code == "url_refused" and error.message.startswith("a redirect of http://ocsp.test to 10.0.0.9")
    assert dialled == ["10.0.0.1", "203.0.114.2"] and target.requests == []


@pytest.mark.parametrize("before", [None, "http://10.0.0.5/", "http://localhost:8080/", "http://ocsp.other.test/"])
def test_an_open_connection_to_a_proxy_is_for_each_host_what_that_is(serve: Serve, before: str | None) -> None:
    def talk(request: bytes) -> bytes:
        led = request.startswith(b"GET http://ocsp.test/")
        return answer(b"", "302 Found", ["Location: http://10.0.0.99/admin"]) if led else answer(b"well")

    proxy = serve(converses(talk))
    client = Transport(http_proxy=proxy.url(), environ={}, keep=4)
    if before:
        assert client.exchange(HttpRequest(before), PLENTY).body == b"well"
    with pytest.raises(TransportError) as caught:
        client.exchange(HttpRequest("http://ocsp.test/"), PLENTY)
    client.close()
    assert caught.value.code == "url_refused"
    assert not any(b"/admin" in request for request in proxy.requests)


@pytest.mark.parametrize(
    ("target", "may"),
    [
        ("http://ocsp.test/there", True),
        ("http://203.0.114.9/there", True),
        ("http://ocsp2.test/there", False),
        ("http://localhost.localdomain/there", False),
    ],
)
def test_a_redirect_through_a_proxy_leads_to_no_other_name(serve: Serve, target: str, may: bool) -> None:
    proxy = serve(replies(answer(b"", "302 Found", [f"Location: {target}"]), answer(b"there")))
    if may:
        assert fetch("http://ocsp.test/", http_proxy=proxy.url()).body == b"there"
        return
    error = failure("http://ocsp.test/", http_proxy=proxy.url())
    assert error.code == "url_refused" and error.message.endswith("it leads a proxy to another host")
    assert len(proxy.requests) == 1


def test_too_many_headers_are_refused_before_they_end(serve: Serve) -> None:
    def endless(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101)
        peer.hold()

    assert failure(serve(endless).url()).code == "too_large"


class Dripping:
    """A connection on which each octet comes alone."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def settimeout(self, _seconds: float) -> None:
        pass

    def recv(self, _size: int) -> bytes:
        data, self._data = self._data[:1], self._data[1:]
        return bytes(data)


@pytest.mark.parametrize("head", [b"x:" + b"a" * 65000, b"a\n" * 32000])
def test_a_head_that_comes_octet_by_octet_costs_no_more_than_it_is_long(head: bytes) -> None:
    stream: t.Any = Dripping(b"HTTP/1.1 200 OK\r\n" + head)
    began = time.process_time()
    with contextlib.suppress(BadAnswer, TransportError):
        http1.read_head(http1.Reader(stream, Attempt(PLENTY)))
    assert time.process_time() - began < 2


def test_a_name_with_many_addresses_has_some_of_each_family_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(sock: socket.socket, address: tuple[str, int], _shares: int, _attempt: object) -> None:
        sock.close()
        tried.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"2001:db8::{number:x}", 80)) for number in range(99)]
    found += [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"203.0.114.{number}", 80)) for number in range(99)]
    monkeypatch.setattr(transport.resolver, "look_up", lambda *_given, **_options: found)
    monkeypatch.setattr(transport, "_connect", refuse)
    assert failure("http://ocsp.test/").code == "unreachable"
    assert tried == [f"2001:db8::{number}" for number in range(4)] + [f"203.0.114.{number}" for number in range(4)]


def test_a_connection_that_is_open_already_is_not_for_all(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = serve(converses(lambda _request: answer(b"secret")))
    front = serve(replies(answer(b"", "302 Found", ["Location: http://inner.test/"])))
    known = {"ocsp.test": "203.0.114.1", "inner.test": "10.0.0.1"}
    network(monkeypatch, {"203.0.114.1": front, "10.0.0.1": inner}, known)
    client = Transport(environ={}, keep=4)
    assert client.exchange(HttpRequest("http://inner.test/"), PLENTY).body == b"secret"
    with pytest.raises(TransportError) as caught:
        client.exchange(HttpRequest("http://ocsp.test/"), PLENTY)
    client.close()
    assert caught.value.code == "url_refused" and len(inner.requests) == 1


def test_a_proxy_is_not_led_to_addresses_of_its_own(serve: Serve) -> None:
    proxy = serve(replies(answer(b"", "302 Found", ["Location: http://169.254.169.254/latest/"]), answer(b"secret")))
    error = failure("http://ocsp.test/", http_proxy=f"http://127.0.0.1:{proxy.port}")
    assert error.code == "url_refused" and len(proxy.requests) == 1


def test_a_redirect_from_a_proxy_into_the_network_beside_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = serve(replies(answer(b"secret")))
    proxy = serve(replies(answer(b"", "302 Found", ["Location: http://inner.test/"])))
    network(monkeypatch, {"203.0.114.1": proxy, "10.0.0.1": inner}, {"inner.test": "10.0.0.1"})
    given = {"http_proxy": "http://203.0.114.1:80", "environ": {"no_proxy": "inner.test"}}
    assert failure("http://ocsp.test/", **given).code == "url_refused"
    assert inner.requests == []


def test_redirect_to_another_server(serve: Serve) -> None:
    target = serve(replies(answer(b"there")))
    server = serve(replies(answer(b"", "307 Moved", [f"Location: {target.url('/b')}#part"])))
    assert fetch(server.url(), b"question").body == b"there"
    assert lines(target.requests[0])[:2] == ["POST /b HTTP/1.1", f"Host: 127.0.0.1:{target.port}"]


def test_redirect_with_odd_characters(serve: Serve) -> None:
    server = serve(replies(answer(b"", "302 Found", ["Location: /a b\xc3\xbc\x01"]), answer()))
    assert fetch(server.url()).status == 200
    assert lines(server.requests[1])[0] == "GET /a%20b%C3%BC%01 HTTP/1.1"


def test_three_redirects_are_followed_and_no_fourth(serve: Serve) -> None:
    moved = answer(b"", "302 Found", ["Location: /again"])
    assert fetch(serve(replies(moved, moved, moved, answer())).url()).status == 200
    server = serve(replies(moved))
    error = failure(server.url())
    assert error.code == "http_error"
    assert "redirects more than 3 times" in error.message
    assert len(server.requests) == 4


@pytest.mark.parametrize("headers", [[], ["Location: "], ["Location:   "]])
def test_redirect_to_nowhere(serve: Serve, headers: list[str]) -> None:
    error = failure(serve(replies(answer(b"", "302 Found", headers))).url())
    assert error.code == "http_error"
    assert "without saying where to" in error.message


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://ocsp.example.com/",
        "gopher://127.0.0.1:6379/_x",
        "data:,x",
        "http://[::1",
        "http://user:s3cret@ocsp.example.com/",
        "//user:s3cret@ocsp.example.com/",
        "http://ocsp.example.com:99999/",
        "http://ocsp example.com/",
        "http://\xe4.example.com/",
    ],
)
def test_redirect_refused(serve: Serve, location: str) -> None:
    server = serve(replies(answer(b"", "302 Found", [f"Location: {location}"])))
    error = failure(server.url())
    assert error.code == "url_refused"
    assert error.message.startswith(f"the redirect of http://127.0.0.1:{server.port} to ")
    assert "s3cret" not in error.message


def test_not_modified_and_multiple_choices_are_no_redirects(serve: Serve) -> None:
    assert fetch(serve(replies(answer(b"", "300 Choices", ["Location: /b"]))).url()).status == 300


# -- TLS


def test_tls(serve: Serve, trusted: Pki) -> None:
    server = serve(replies(answer()), tls=trusted.server)
    client = Transport(environ={})
    for host in ("127.0.0.1", "localhost"):
        assert client.exchange(HttpRequest(server.url(host=host)), PLENTY).body == b"answer"
    assert f"Host: localhost:{server.port}" in lines(server.requests[1])


def test_tls_name_with_final_dot(serve: Serve, trusted: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(replies(answer()), tls=trusted.server)
    fake_addresses(monkeypatch, server.address)
    assert fetch("https://localhost./").status == 200


def test_redirect_to_tls(serve: Serve, trusted: Pki) -> None:
    target = serve(replies(answer(b"safe")), tls=trusted.server)
    assert fetch(serve(replies(answer(b"", "308 Moved", [f"Location: {target.url()}"]))).url()).body == b"safe"


def test_untrusted_root(serve: Serve, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    server = serve(replies(answer()), tls=pki.server)
    error = failure(server.url())
    assert error.code == "unreachable"
    assert error.message.startswith(f"the TLS certificate of https://127.0.0.1:{server.port} is not trusted: ")
    assert error.message.endswith(" (validate_certs is true)")
    assert server.requests == []
    assert fetch(server.url(), validate_certs=False).body == b"answer"


def test_wrong_name(serve: Serve, trusted: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(replies(answer()), tls=trusted.server)
    fake_addresses(monkeypatch, server.address)
    error = failure("https://ocsp.test/")
    assert error.code == "unreachable"
    assert "ocsp.test" in error.message
    assert "validate_certs" in error.message
    assert fetch("https://ocsp.test/", validate_certs=False).status == 200


@pytest.mark.parametrize("speech", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 50, b""])
def test_no_tls_there(serve: Serve, speech: bytes) -> None:
    server = serve(lambda peer: (peer.sock.recv(65536), peer.send(speech)))
    error = failure(f"https://127.0.0.1:{server.port}/")
    assert error.code == "unreachable"
    assert error.message.startswith(f"cannot make a TLS connection to https://127.0.0.1:{server.port}: ")


# -- proxies


def test_http_through_proxy(serve: Serve) -> None:
    server = serve(replies(answer(b"", "307 Moved", ["Location: /b"]), answer()))
    proxy = serve(forward_proxy({"ocsp.invalid": server}))
    assert fetch("http://ocsp.invalid/a?b", b"question", http_proxy=proxy.url()).body == b"answer"
    assert lines(proxy.requests[0])[:2] == ["POST http://ocsp.invalid/a?b HTTP/1.1", "Host: ocsp.invalid"]
    assert lines(proxy.requests[1])[0] == "POST http://ocsp.invalid/b HTTP/1.1"
    assert server.requests[1].endswith(b"\r\n\r\nquestion")
    assert b"Proxy-Authorization" not in proxy.requests[0]


def test_https_through_proxy(serve: Serve, trusted: Pki) -> None:
    server = serve(replies(answer()), tls=trusted.server)
    proxy = serve(forward_proxy({"localhost:443": server}))
    secret = proxy.url().replace("//", "//user:pass@")
    assert fetch("https://localhost/a", http_proxy=secret, http_agent="agent").body == b"answer"
    assert lines(proxy.requests[0]) == [
        "CONNECT localhost:443 HTTP/1.1",
        "Host: localhost:443",
        "User-Agent: agent",
        "Proxy-Authorization: Basic dXNlcjpwYXNz",
    ]
    assert lines(server.requests[0])[:2] == ["GET /a HTTP/1.1", "Host: localhost"]
    assert b"Proxy-Authorization" not in server.requests[0]


def test_proxy_credentials(serve: Serve) -> None:
    proxy = serve(replies(answer()))
    fetch("http://ocsp.invalid/", http_proxy=f"http://us%40er:p%3Aa/ss@{proxy.url()[7:]}".replace("/ss", "%2Fss"))
    fetch("http://ocsp.invalid/", http_proxy=f"http://user@{proxy.url()[7:]}")
    for request, secret in zip(proxy.requests, (b"us@er:p:a/ss", b"user:")):
        assert f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}" in lines(request)


PROXY, OTHER = "http://PROXY", "http://OTHER"


@pytest.mark.parametrize(
    ("url", "environ", "options", "proxied"),
    [
        ("http://ocsp.test/", {}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY"}, {}, True),
        ("http://ocsp.test/", {"http_proxy": "http://PROXY/"}, {}, True),
        ("http://ocsp.test/", {"HTTP_PROXY": "PROXY"}, {}, True),
        ("http://ocsp.test/", {"HTTP_PROXY": "PROXY", "http_proxy": ""}, {}, False),
        ("http://ocsp.test/", {"HTTP_PROXY": "PROXY", "REQUEST_METHOD": "GET"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "REQUEST_METHOD": "GET"}, {}, True),
        ("http://ocsp.test/", {"https_proxy": "PROXY"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY"}, {"use_proxy": False}, False),
        ("http://ocsp.test/", {}, {"http_proxy": "PROXY"}, True),
        ("http://ocsp.test/", {}, {"http_proxy": "PROXY", "use_proxy": False}, False),
        ("http://ocsp.test/", {"http_proxy": "http://127.0.0.1:1"}, {"http_proxy": "PROXY"}, True),
        ("http://ocsp.test/", {"no_proxy": "test"}, {"http_proxy": "PROXY"}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": ""}, {}, True),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "*"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "a.test, OCSP.test"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "NO_PROXY": ".test"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "*.test"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "csp.test"}, {}, True),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "a.ocsp.test,.,,"}, {}, True),
        ("http://ocsp.test./", {"http_proxy": "PROXY", "no_proxy": "ocsp.test"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "ocsp.test:80"}, {}, False),
        ("http://ocsp.test/", {"http_proxy": "PROXY", "no_proxy": "ocsp.test:81"}, {}, True),
        ("http://127.0.0.1:SERVER/", {"http_proxy": "PROXY", "no_proxy": "127.0.0.1"}, {}, False),
        ("http://127.0.0.1:SERVER/", {"http_proxy": "PROXY", "no_proxy": "127.0.0.1:SERVER"}, {}, False),
        ("http://127.0.0.1:SERVER/", {"http_proxy": "PROXY", "no_proxy": "10.0.0.0/8,127.0.0.0/8"}, {}, False),
        ("http://127.0.0.1:SERVER/", {"http_proxy": "PROXY", "no_proxy": "10.0.0.0/8,::/0"}, {}, True),
        ("http://[2001:db8::1]/", {"http_proxy": "PROXY", "no_proxy": "2001:db8::2"}, {}, True),
    ],
)
def test_choice_of_proxy(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    environ: dict[str, str],
    options: dict[str, t.Any],
    proxied: bool,
) -> None:
    server, proxy = serve(replies(answer())), serve(replies(answer()))
    fake_addresses(monkeypatch, server.address)

    def fill(values: dict[str, t.Any]) -> dict[str, t.Any]:
        names = {"PROXY": f"127.0.0.1:{proxy.port}", "SERVER": str(server.port)}
        for name, real in names.items():
            values = {key: value.replace(name, real) if value is not False else value for key, value in values.items()}
        return values

    fetch(url.replace("SERVER", str(server.port)), environ=fill(environ), **fill(options))
    assert (len(server.requests), len(proxy.requests)) == ((0, 1) if proxied else (1, 0))


@pytest.mark.parametrize("entry", ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80", "2001:db8::/32"])
def test_no_proxy_of_ipv6(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    def dial(url: t.Any, _attempt: t.Any) -> t.Any:
        raise OSError(url.host_port)

    monkeypatch.setattr(transport, "_dial", dial)
    environ = {"http_proxy": "http://127.0.0.1:9", "no_proxy": entry}
    assert "[2001:db8::1]:80" in failure("http://[2001:db8::1]/", environ=environ).message


def test_proxies_of_the_process_are_the_default(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(replies(answer()))
    monkeypatch.setenv("http_proxy", proxy.url())
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Transport().exchange(HttpRequest("http://ocsp.invalid/"), PLENTY).status == 200


@pytest.mark.parametrize("url", ["http://ocsp.invalid/", "https://ocsp.invalid/"])
def test_proxy_refused(closed_port: int, url: str) -> None:
    error = failure(url, http_proxy=f"http://user:s3cret@127.0.0.1:{closed_port}")
    assert error.code == "proxy_error"
    assert error.message == (
        f"cannot connect to the proxy 127.0.0.1:{closed_port}: Connection refused (127.0.0.1 port {closed_port})"
    )


def test_proxy_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: t.Any, **_options: t.Any) -> list[t.Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure("http://127.0.0.1/", http_proxy="proxy.invalid:3128")
    assert error.code == "proxy_error"
    assert "the proxy proxy.invalid:3128: Name or service not known" in error.message


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://ocsp.invalid/", "407 Proxy Authentication Required"),
        ("https://ocsp.invalid/", "407 Proxy Authentication Required"),
        ("https://ocsp.invalid/", "403 Forbidden\x1b[2J"),
        ("https://ocsp.invalid/", "502 "),
        ("https://ocsp.invalid/", "302 Found"),
    ],
)
def test_proxy_says_no(serve: Serve, url: str, status: str) -> None:
    proxy = serve(replies(answer(b"no", status)))
    error = failure(url, http_proxy=f"http://user:s3cret@127.0.0.1:{proxy.port}")
    assert error.code == "proxy_error"
    assert f"the proxy 127.0.0.1:{proxy.port} refused: HTTP {status[:3]}" in error.message
    assert error.permanent is not status.startswith("5")
    assert "s3cret" not in error.message


@pytest.mark.parametrize(
    "speech",
    [b"SSH-2.0-OpenSSH\r\n", b"", b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50000],
    ids=["other protocol", "nothing", "status", "many headers"],
)
def test_no_proxy_there(serve: Serve, speech: bytes) -> None:
    proxy = serve(replies(speech))
    error = failure("https://ocsp.invalid/", http_proxy=proxy.url())
    assert error.code == "proxy_error"
    assert error.message.startswith(f"the proxy 127.0.0.1:{proxy.port} sent no HTTP answer to CONNECT: ")


def test_tunnel_to_nowhere(serve: Serve) -> None:
    proxy = serve(replies(b"HTTP/1.1 200 OK\r\n\r\n"))
    error = failure("https://ocsp.invalid/", http_proxy=proxy.url())
    assert error.code == "unreachable"
    assert error.message.startswith("cannot make a TLS connection to https://ocsp.invalid: ")


def test_proxy_resets(serve: Serve) -> None:
    proxy = serve(lambda peer: (peer.read_request(), peer.reset()))
    name = f"the proxy 127.0.0.1:{proxy.port}"
    for url, peer in (("http://ocsp.invalid/", f"http://ocsp.invalid through {name}"), ("https://ocsp.invalid/", name)):
        error = failure(url, http_proxy=proxy.url())
        assert error.code == "proxy_error"
        assert error.message == f"cannot read the answer of {peer}: Connection reset by peer"


def test_responder_behind_the_proxy_is_not_trusted(serve: Serve, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    server = serve(replies(answer()), tls=pki.server)
    proxy = serve(forward_proxy({"localhost:443": server}))
    error = failure("https://localhost/", http_proxy=proxy.url())
    assert error.code == "unreachable"
    assert "https://localhost" in error.message


@pytest.mark.parametrize(
    "value",
    [
        "https://user:s3cret@proxy:3128",
        "socks5://user:s3cret@proxy:3128",
        "http://user:s3cret@proxy:port",
        "http://user:s3cret@",
        "user:s3cret@pro xy",
        "http://user:s3cret@[proxy]",
    ],
)
def test_unusable_proxy_setting(value: str) -> None:
    form = "must have the form http://[user:password@]host:port"
    error = failure("http://127.0.0.1/", http_proxy=value)
    assert (error.code, error.message) == ("proxy_error", f"the option http_proxy {form}")
    error = failure("https://127.0.0.1/", environ={"https_proxy": value})
    assert (error.code, error.message) == ("proxy_error", f"the environment variable https_proxy {form}")


# -- connections that are kept


@pytest.fixture
def client() -> t.Iterator[t.Callable[..., Transport]]:
    """Make transports that keep connections, and are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(keep: int = 4, **options: t.Any) -> Transport:
            return stack.enter_context(contextlib.closing(Transport(environ={}, keep=keep, **options)))

        yield make


Client = t.Callable[..., Transport]


def ask(client: Transport, url: str, body: bytes | None = None, timeout: float = PLENTY) -> bytes:
    return client.exchange(HttpRequest(url, body), timeout).body


def echo(request: bytes) -> bytes:
    return answer(request.split(b" ")[1])


@pytest.mark.parametrize("body", [None, b"question"])
def test_a_connection_is_used_again(serve: Serve, client: Client, body: bytes | None) -> None:
    server, kept = serve(converses(echo)), client()
    for path in ("/a", "/b", "/c"):
        assert ask(kept, server.url(path), body) == path.encode()
    assert server.connections == 1
    assert "Connection: keep-alive" in lines(server.requests[0])


def test_nothing_is_kept_unasked(serve: Serve, client: Client) -> None:
    server, kept = serve(converses(echo)), client(keep=0)
    for path in ("/a", "/b"):
        assert ask(kept, server.url(path)) == path.encode()
    assert server.connections == 2


def test_a_chunked_answer_ends_by_itself(serve: Serve, client: Client) -> None:
    server, kept = serve(converses(lambda request: CHUNKED + b"6;x\r\nanswer\r\n0\r\nTrailer: x\r\n\r\n")), client()
    assert [ask(kept, server.url()) for _round in range(3)] == [b"answer"] * 3
    assert server.connections == 1


#: Answers of servers that leave the connection open: what is wrong with them is clear before the deadline.
LEFT_OPEN = {
    "a chunk that is too large": (CHUNKED + b"10000000\r\n", "too_large"),
    "a chunk with a sign": (CHUNKED + b"-1\r\n", "http_error"),
    "a chunk with a plus": (CHUNKED + b"+6\r\nanswer\r\n0\r\n\r\n", "http_error"),
    "a chunk in C's hexadecimal": (CHUNKED + b"0x6\r\nanswer\r\n0\r\n\r\n", "http_error"),
}


@pytest.mark.parametrize("kind", LEFT_OPEN)
def test_a_wrong_chunk_is_not_waited_for(serve: Serve, client: Client, kind: str) -> None:
    message, code = LEFT_OPEN[kind]
    server = serve(converses(lambda request: message))
    with pytest.raises(TransportError) as caught:
        client().exchange(HttpRequest(server.url()), 60)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "line", [b"X Cache: HIT", b"no colon", b"X-\0: 1", b"X: a\rContent-Length: 2"], ids=["space", "colon", "NUL", "CR"]
)
def test_an_odd_header_hides_no_other(serve: Serve, client: Client, line: bytes) -> None:
    message = answer().replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    assert ask(client(), serve(converses(lambda request: message)).url()) == b"answer"


def test_an_old_server_says_that_it_keeps_the_connection(serve: Serve, client: Client) -> None:
    message = answer(headers=["Connection: Keep-Alive"]).replace(b"HTTP/1.1", b"HTTP/1.0")
    server, kept = serve(converses(lambda request: message)), client()
    assert [ask(kept, server.url()) for _round in range(2)] == [b"answer"] * 2
    assert server.connections == 1


ENDING = {
    "close": answer(headers=["Connection: close"]),
    "close among others": answer(headers=["Connection: x, Close"]),
    "old": answer().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "more than said": answer() + b"HTTP/1.1 200 OK",
    "two framings": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n") + b"6\r\nanswer\r\n0\r\n\r\n",
    "redirect": answer(b"", "302 Found", ["Location: /answer", "Connection: close"]),
    "too large": answer(b"x" * 65537),
    "bad chunk": CHUNKED + b"6\r\nanswer!!0\r\n\r\n",
}


@pytest.mark.parametrize("kind", ENDING)
def test_a_connection_that_ends_is_not_used_again(serve: Serve, client: Client, kind: str) -> None:
    def reply(request: bytes) -> bytes:
        return ENDING[kind] if request.startswith(b"GET /first ") else answer()

    server, kept = serve(converses(reply)), client()
    with contextlib.suppress(TransportError):
        assert ask(kept, server.url("/first")) == b"answer"
    assert ask(kept, server.url()) == b"answer"
    assert server.connections == 2


def test_a_connection_that_the_server_closed_is_not_used(serve: Serve, client: Client) -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer())
        peer.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    server, kept = serve(script), client()
    for _round in range(3):
        assert ask(kept, server.url()) == b"answer"
        assert closed.wait(PLENTY)
        closed.clear()
    assert len(server.requests) == server.connections == 3


def test_a_server_that_speaks_unasked_is_not_asked_again_there(serve: Serve, client: Client) -> None:
    spoken = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer())
        if peer.server.connections == 1:
            assert go_on.wait(PLENTY)
            peer.send(answer(b"forged"))
            spoken.set()
            peer.hold()

    go_on = threading.Event()
    server, kept = serve(script), client()
    assert ask(kept, server.url()) == b"answer"
    go_on.set()
    assert spoken.wait(PLENTY)
    assert ask(kept, server.url()) == b"answer"
    assert server.connections == 2


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_kept_connection_that_dies_before_its_answer_is_replaced_once(serve: Serve, client: Client, end: str) -> None:
    def script(peer: Peer) -> None:
        if peer.read_request().startswith(b"POST /good "):
            peer.send(answer())
            peer.read_request()
        if end == "reset":
            peer.reset()

    server, kept = serve(script), client()
    assert ask(kept, server.url("/good"), b"question") == b"answer"
    assert ask(kept, server.url("/good"), b"question") == b"answer"
    assert (server.connections, len(server.requests)) == (2, 3)
    assert server.requests[0] == server.requests[1] == server.requests[2]

    with pytest.raises(TransportError, match=r"closed connection|reset by peer") as caught:
        ask(kept, server.url("/bad"), b"question")
    assert caught.value.code == "unreachable"
    assert (server.connections, len(server.requests)) == (3, 5)


@pytest.mark.parametrize("start", [b"H", b"HTTP/1.1 200 OK\r\n", answer(b"half", length=8)])
def test_a_request_whose_answer_began_is_not_sent_again(serve: Serve, client: Client, start: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer())
        peer.read_request()
        peer.send(start)

    server, kept = serve(script), client()
    assert ask(kept, server.url()) == b"answer"
    with pytest.raises(TransportError) as caught:
        ask(kept, server.url())
    assert caught.value.code == "http_error"
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_new_connection_gets_no_more_time(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        if peer.server.connections == 1:
            peer.send(answer())
            peer.read_request()
        peer.server.stopped.wait(LONGER * 2 / 3)
        if peer.server.connections > 1:
            peer.send(answer())

    server, kept = serve(script), client()
    assert ask(kept, server.url()) == b"answer"
    with pytest.raises(TransportError) as caught:
        ask(kept, server.url(), timeout=LONGER)
    assert caught.value.code == "timeout"
    assert server.connections == 2


@pytest.mark.parametrize("drip", [False, True])
def test_the_deadline_holds_on_a_kept_connection(serve: Serve, client: Client, drip: bool) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer())
        peer.read_request()
        if drip:
            peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90)
        peer.hold()

    server, kept = serve(script), client()
    assert ask(kept, server.url()) == b"answer"
    with pytest.raises(TransportError) as caught:
        ask(kept, server.url(), timeout=SHORT)
    assert (caught.value.code, server.connections) == ("timeout", 1)


def test_a_connection_that_nobody_used_for_long_is_not_used_again(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_IDLE_SECONDS", -1.0)
    server, kept = serve(converses(echo)), client()
    assert [ask(kept, server.url()) for _round in range(2)] == [b"/"] * 2
    assert server.connections == 2


def test_servers_have_connections_of_their_own(serve: Serve, client: Client) -> None:
    one, other, kept = serve(converses(lambda _request: answer(b"one"))), serve(converses(echo)), client()
    for _round in range(2):
        assert ask(kept, one.url()) == b"one"
        assert ask(kept, other.url("/other")) == b"/other"
    assert (one.connections, other.connections) == (1, 1)


def test_a_tls_connection_is_used_again(serve: Serve, client: Client, trusted: Pki) -> None:
    server, kept = serve(converses(echo), tls=trusted.server), client()
    assert [ask(kept, server.url(f"/{number}")) for number in range(3)] == [b"/0", b"/1", b"/2"]
    assert server.connections == 1
    assert ask(kept, server.url("/", host="localhost")) == b"/"
    assert server.connections == 2  # which name was checked belongs to a connection


def test_a_connection_to_a_proxy_serves_all_hosts(serve: Serve, client: Client) -> None:
    server = serve(converses(echo))
    proxy = serve(converses(lambda request: answer(request.split(b" ")[1])))
    kept = client(http_proxy=proxy.url())
    assert ask(kept, "http://one.invalid/a") == b"http://one.invalid/a"
    assert ask(kept, "http://two.invalid/b") == b"http://two.invalid/b"
    assert (proxy.connections, server.connections) == (1, 0)


def test_a_tunnel_is_used_again(serve: Serve, client: Client, trusted: Pki) -> None:
    server = serve(converses(echo), tls=trusted.server)
    proxy = serve(forward_proxy({"localhost:443": server}))
    kept = client(http_proxy=proxy.url())
    assert [ask(kept, "https://localhost/a"), ask(kept, "https://localhost/b")] == [b"/a", b"/b"]
    assert (proxy.connections, len(proxy.requests), server.connections) == (1, 1, 1)


@pytest.mark.parametrize("keep", [0, 4])
def test_a_responder_behind_a_tunnel_that_says_nothing(serve: Serve, client: Client, trusted: Pki, keep: int) -> None:
    server = serve(lambda peer: peer.read_request(), tls=trusted.server)
    proxy = serve(forward_proxy({"localhost:443": server}))
    with pytest.raises(TransportError, match="closed connection without response") as caught:
        ask(client(keep, http_proxy=proxy.url()), "https://localhost/")
    assert caught.value.code == "unreachable"
    assert len(server.requests) == 1


def test_a_proxy_that_dies_is_still_the_one_to_blame(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        if peer.server.connections == 1:
            peer.send(answer())
            peer.read_request()

    proxy = serve(script)
    kept = client(http_proxy=proxy.url())
    assert ask(kept, "http://ocsp.invalid/") == b"answer"
    with pytest.raises(TransportError, match=r"the proxy 127\.0\.0\.1") as caught:
        ask(kept, "http://ocsp.invalid/")
    assert caught.value.code == "proxy_error"


def at_once(count: int, work: t.Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PLENTY)
        assert not thread.is_alive()


def test_threads_do_not_mix_up_their_answers(serve: Serve, client: Client) -> None:
    server, kept = serve(converses(echo)), client(keep=8)
    wrong: list[tuple[str, bytes]] = []

    def work(number: int) -> None:
        for round_ in range(25):
            path = f"/{number}/{round_}"
            body = ask(kept, server.url(path))
            if body != path.encode():
                wrong.append((path, body))

    at_once(8, work)
    assert wrong == []
    assert len(server.requests) == 200
    assert server.connections <= 8


def test_no_more_idle_connections_are_kept_than_asked(serve: Serve, client: Client) -> None:
    gate = threading.Barrier(5)
    left = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        try:
            while True:
                peer.read_request()
                gate.wait(PLENTY)
                peer.send(answer())
        finally:
            left.release()

    server, kept = serve(script), client(keep=2)
    at_once(5, lambda _number: ask(kept, server.url()) and None)
    for _closed in range(3):
        assert left.acquire(timeout=PLENTY)
    assert not left.acquire(blocking=False)
    kept.close()
    for _closed in range(2):
        assert left.acquire(timeout=PLENTY)


WAITING: dict[str, Script] = {
    "silent": lambda peer: peer.hold(),
    "dripping": lambda peer: (peer.read_request(), peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9999)),
}


@pytest.mark.parametrize("kind", [*WAITING, "TLS", "connecting", "resolving"])
def test_closing_ends_what_is_under_way(
    serve: Serve, client: Client, kind: str, full_port: int, trusted: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, busy = threading.Event(), threading.Event()

    def getaddrinfo(*_args: t.Any, flags: int = 0, **_options: t.Any) -> list[t.Any]:
        if flags == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        busy.set()
        release.wait(PLENTY)
        return []

    if kind == "resolving":
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        url = "http://ocsp.invalid/"
    elif kind == "connecting":
        url = f"http://127.0.0.1:{full_port}/"
    else:
        server = serve(WAITING.get(kind, WAITING["silent"]), tls=trusted.server if kind == "TLS" else None)
        url = server.url()
    kept, errors = client(), []

    def work() -> None:
        try:
            ask(kept, url)
        except TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while kind in (*WAITING, "TLS") and server.connections == 0:
        time.sleep(0.001)
    assert kind != "resolving" or busy.wait(PLENTY)
    kept.close()
    thread.join(PLENTY / 2)
    assert not thread.is_alive()
    release.set()
    assert [error.code for error in errors] == ["unreachable"]
    assert "was aborted" in errors[0].message
    with pytest.raises(TransportError, match="was aborted"):
        ask(kept, url)


def test_a_reset_before_the_handshake_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        peer = listener.accept()[0]
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        select.select([sock], [], [], PLENTY)
        number = sock.fileno()
        connection, attempt = transport._Connection(sock, (), None), Attempt(PLENTY)
        with pytest.raises(ConnectionResetError):
            connection.start_tls(Transport()._context(), "localhost", attempt)
        connection.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


# -- headers of time


@pytest.mark.parametrize(
    ("headers", "date"),
    [
        ([], None),
        ([f"Date: {DATE_TEXT}"], DATE),
        ([f"Date: {DATE_TEXT}", "Age: 0"], DATE),
        ([f"Date: {DATE_TEXT}", "Age:  90 "], DATE + timedelta(seconds=90)),
        (["Date: Sun, 01 Mar 2026 14:00:00 +0200"], DATE),
        (["Date: Sun, 01 Mar 2026 12:00:00 -0000"], DATE),
        (["Date: Sunday, 01-Mar-26 12:00:00 GMT"], DATE),
        (["Date: Sunday, 01-Mar-98 12:00:00 GMT"], DATE.replace(year=1998)),
        (["Date: Sun Mar  1 12:00:00 2026"], DATE),
        (["Date: Sun, 01 Xyz 2026 12:00:00 GMT"], None),
        (["Age: 90"], None),
        (["Date: yesterday"], None),
        (["Date: "], None),
        (["Date: 0"], None),
        (["Date: Sun, 99 Mar 2026 12:00:00 GMT"], None),
        (["Date: Fri, 31 Dec 9999 23:59:59 GMT", "Age: 1"], None),
        (["Date: Fri, 31 Dec 9999 23:59:59 -2359"], None),
        ([f"Date: {DATE_TEXT}", "Age: -1"], None),
        ([f"Date: {DATE_TEXT}", "Age: old"], None),
        ([f"Date: {DATE_TEXT}", "Age: 99999999999999999999"], None),
    ],
)
def test_date(serve: Serve, headers: list[str], date: datetime | None) -> None:
    found = fetch(serve(replies(answer(headers=headers))).url()).date
    assert found == date
    assert found is None or found.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("-5", 0),
        ("9" * 80, MAX_SECONDS),
        ("9" * 500, None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\xb2", None),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 25:00:00 GMT", None),
    ],
)
def test_retry_after(serve: Serve, retry_after: str, seconds: float | None) -> None:
    message = answer(b"", "503 Later", [f"Retry-After: {retry_after}", f"Date: {DATE_TEXT}"])
    assert fetch(serve(replies(message)).url()).retry_after == seconds


def test_retry_after_counts_from_date_plus_age(serve: Serve) -> None:
    headers = ["Retry-After: Sun, 01 Mar 2026 12:01:30 GMT", f"Date: {DATE_TEXT}", "Age: 30"]
    assert fetch(serve(replies(answer(headers=headers))).url()).retry_after == 60


def test_retry_after_without_date_counts_from_now(serve: Serve) -> None:
    moment = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    found = fetch(serve(replies(answer(headers=[f"Retry-After: {moment}"]))).url()).retry_after
    assert found is not None
    assert 0 < found <= 3600


@pytest.mark.parametrize(
    ("body", "headers", "encoding"),
    [
        (b"\x30\x03", [], ""),
        (b"\x30\x03", ["Content-Encoding: identity"], ""),
        (b"\x1f\x8b\x08", ["Content-Encoding: GZIP"], "gzip"),
        (b"\x1f\x8b\x08", [], "gzip"),
        (b"\x0b\x02", ["Content-Encoding: br"], "br"),
    ],
)
def test_content_encoding(serve: Serve, body: bytes, headers: list[str], encoding: str) -> None:
    assert fetch(serve(replies(answer(body, headers=headers))).url()).content_encoding == encoding


CUT = {
    "closed": lambda peer: None,
    "reset": lambda peer: peer.reset(),
    "silent": lambda peer: peer.hold(),
    "half a head": lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-"),
    "half a body": lambda peer: peer.send(answer(b"\x30\x03", length=100)),
    "no status line": lambda peer: peer.send(b"\x30\x03\x0a\x01\x03"),
    "too much": lambda peer: peer.send(answer(b"x" * 70000)),
    "to nowhere": lambda peer: peer.send(answer(status="302 Found", headers=["Location: ftp://example.com/"])),
}


@pytest.mark.parametrize("end", CUT)
def test_a_responder_that_was_reached_is_told_from_one_that_was_not(serve: Serve, end: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        CUT[end](peer)

    with pytest.raises(TransportError) as caught:
        fetch(serve(script).url(), timeout=0.3)
    assert caught.value.reached


def test_a_responder_that_is_not_there_was_not_reached(closed_port: int) -> None:
    with pytest.raises(TransportError) as caught:
        fetch(f"http://127.0.0.1:{closed_port}/")
    assert not caught.value.reached
    with full_port() as port, pytest.raises(TransportError) as caught:
        fetch(f"http://127.0.0.1:{port}/", timeout=0.2)
    assert not caught.value.reached


def test_a_proxy_that_cannot_lead_on_is_no_responder_that_was_reached(serve: Serve, pki: Pki) -> None:
    proxy = serve(replies(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"))
    with pytest.raises(TransportError) as caught:
        fetch("https://127.0.0.1:1/", http_proxy=proxy.url(""))
    assert not caught.value.reached
