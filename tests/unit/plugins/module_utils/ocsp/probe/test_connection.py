# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that end in time, whatever is at the other end."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import connection
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.connection import Connection, Deadline, connect
from ansible_collections.certops.ocsp.tests.unit.http_server import full_port

PLENTY = 20.0  # for what ends by itself
SHORT = 0.2  # for what only the deadline ends

Script = t.Callable[[socket.socket], None]


@pytest.fixture
def serve() -> t.Iterator[t.Callable[..., int]]:
    """Start servers, each for one connection, that end after the test; returns the port."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, host: str = "127.0.0.1") -> int:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = stack.enter_context(socket.socket(family))
            listener.bind((host, 0))
            listener.listen(1)

            def run() -> None:
                with contextlib.suppress(OSError), listener.accept()[0] as sock:
                    sock.settimeout(PLENTY)
                    script(sock)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            stack.callback(thread.join, PLENTY)
            return int(listener.getsockname()[1])

        yield start


@contextlib.contextmanager
def connected(port: int, seconds: float = PLENTY, host: str = "127.0.0.1") -> t.Iterator[Connection]:
    found = connect(host, port, "any", Deadline(seconds))
    try:
        yield found
    finally:
        found.close()


def until_closed(sock: socket.socket) -> None:
    """Say nothing until the client goes away."""
    while sock.recv(1000):
        pass


def failure(host: str, port: int, family: str = "any", seconds: float = PLENTY) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        connect(host, port, family, Deadline(seconds)).close()
    return caught.value


def test_bytes_go_both_ways(serve: t.Callable[..., int]) -> None:
    with connected(serve(lambda sock: sock.sendall(sock.recv(100)[::-1]))) as found:
        found.send(b"abc")
        assert found.receive() == b"cba"
        assert found.receive() == b""
        assert (found.address, found.local_address) == ("127.0.0.1", "127.0.0.1")


def test_ipv6(serve: t.Callable[..., int]) -> None:
    try:
        port = serve(lambda sock: sock.sendall(b"six"), "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with connected(port, host="::1") as found:
        assert found.receive() == b"six" and found.address == "::1"


def test_a_connection_that_is_reset_is_an_end(serve: t.Callable[..., int]) -> None:
    def reset(sock: socket.socket) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with connected(serve(reset)) as found:
        found.send(b"x")
        assert found.receive() == b""
        found.send(b"x" * 100000)  # what the server said before is more telling than this failure


def test_a_silent_server(serve: t.Callable[..., int]) -> None:
    with connected(serve(until_closed), SHORT) as found:
        found.step = "send ServerHello"
        with pytest.raises(ProbeError) as caught:
            found.receive()
    assert caught.value.code == "timeout"
    assert caught.value.message == "does not send ServerHello within 0.2 s"


def test_a_dripping_server_cannot_stretch_the_deadline(serve: t.Callable[..., int]) -> None:
    def drip(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"x")
            threading.Event().wait(SHORT / 20)

    with connected(serve(drip), SHORT) as found, pytest.raises(ProbeError) as caught:
        while True:
            found.receive()
    assert caught.value.code == "timeout"


def test_a_server_that_does_not_read(serve: t.Callable[..., int]) -> None:
    go = threading.Event()
    with connected(serve(lambda sock: t.cast(None, go.wait(PLENTY))), SHORT) as found:
        with pytest.raises(ProbeError) as caught:
            found.send(bytes(50_000_000))
        go.set()
    assert caught.value.code == "timeout"


def test_the_farewell_is_said_and_the_server_closes_first(serve: t.Callable[..., int]) -> None:
    heard: t.List[bytes] = []

    def listen(sock: socket.socket) -> None:
        sock.sendall(b"more than anyone reads")
        while True:
            heard.append(sock.recv(100))
            if not heard[-1]:
                return

    with connected(serve(listen)) as found:
        found.part(b"bye")
    assert heard == [b"bye", b""]


def test_the_farewell_cannot_fail(serve: t.Callable[..., int]) -> None:
    with connected(serve(lambda sock: None)) as found:
        assert found.receive() == b""
        found.part(b"bye")
        found.part(b"bye")


def test_nobody_listens() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        error = failure("127.0.0.1", sock.getsockname()[1])
    assert (error.code, error.message) == ("unreachable", "cannot be connected to: Connection refused (127.0.0.1)")


def test_a_full_backlog_is_waited_for_no_longer_than_permitted() -> None:
    with full_port() as port:
        error = failure("127.0.0.1", port, seconds=SHORT)
    assert error.code == "timeout" and "0.2 s" in error.message


def fake_resolver(monkeypatch: pytest.MonkeyPatch, answer: t.Callable[[], t.Any]) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: t.Any) -> t.Any:
        return real(host, port, **options) if options.get("flags") else answer()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer() -> t.NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    fake_resolver(monkeypatch, answer)
    error = failure("www.example.com", 443)
    assert (error.code, error.message) == ("unreachable", "has no address: Name or service not known")
    assert failure("www.example.com", 443, "ipv6").message.startswith("has no IPv6 address")


def test_a_name_that_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer() -> t.NoReturn:
        raise UnicodeError("label too long")

    fake_resolver(monkeypatch, answer)
    assert failure("www.example.com", 443).code == "unreachable"


def test_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    fake_resolver(monkeypatch, lambda: go.wait(PLENTY))
    # Whoever asks for the same name soon after waits for the same answer, so no other test asks for this one.
    error = failure("slow.example.com", 443, seconds=SHORT)
    go.set()
    assert error.code == "timeout" and "resolved" in error.message


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch, serve: t.Callable[..., int]) -> None:
    port = serve(lambda sock: sock.sendall(b"found"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.2", 0))
        dead = sock.getsockname()
        entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, ("127.0.0.1", port))]
        fake_resolver(monkeypatch, lambda: entries)
        found = connect("www.example.com", 443, "any", Deadline(PLENTY))
        assert found.receive() == b"found" and found.address == "127.0.0.1"
        found.close()


def test_all_addresses_that_fail_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 9)) for last in (1, 2, 3)]

    class Dead(socket.socket):
        def connect(self, address: t.Any) -> None:
            raise OSError(errno.EHOSTUNREACH, "No route to host")

    fake_resolver(monkeypatch, lambda: entries)
    monkeypatch.setattr(connection.socket, "socket", Dead)
    error = failure("www.example.com", 9)
    assert error.code == "unreachable"
    for last in (1, 2, 3):
        assert f"No route to host (127.0.0.{last})" in error.message


def test_an_address_of_the_other_family() -> None:
    assert failure("::1", 9, "ipv4").code == "unreachable"


def test_names_of_endpoints() -> None:
    assert connection.host_port("www.example.com", 443) == "www.example.com:443"
    assert connection.host_port("2001:db8::1", 443) == "[2001:db8::1]:443"
