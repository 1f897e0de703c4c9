# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server's half of a TLS handshake up to the staple, in memory, good or with any fault.

It writes its own bytes. Only the record protection of TLS 1.3 is the core's, which the tests hold
against the vectors of RFC 8448 and against real servers.
"""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import tls_keys
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.connection import Deadline

TLS12, TLS13 = 0x0303, 0x0304
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
RSA_CIPHER, ECDSA_CIPHER = 0xC02F, 0xC02B


def number(value: int, octets: int) -> bytes:
    return value.to_bytes(octets, "big")


def vector(octets: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return number(len(content), octets) + content


def record(kind: int, content: bytes, length: t.Optional[int] = None) -> bytes:
    return bytes([kind]) + b"\x03\x03" + number(len(content) if length is None else length, 2) + content


def message(kind: int, content: bytes = b"") -> bytes:
    return bytes([kind]) + vector(3, content)


def extension(kind: int, content: bytes = b"") -> bytes:
    return number(kind, 2) + vector(2, content)


def alert(level: int, description: int) -> bytes:
    return record(21, bytes([level, description]))


class Hello:
    """A ClientHello, taken apart without mercy."""

    def __init__(self, data: bytes) -> None:
        self.message = data
        assert data[0] == 1 and int.from_bytes(data[1:4], "big") == len(data) - 4
        body = data[4:]
        assert body[:2] == b"\x03\x03"
        self.random = body[2:34]
        self.session_id, body = self._vector(body[34:], 1)
        ciphers, body = self._vector(body, 2)
        self.ciphers = self._numbers(ciphers)
        compression, body = self._vector(body, 1)
        assert compression == b"\0"
        extensions, body = self._vector(body, 2)
        assert not body
        self.extensions: t.Dict[int, bytes] = {}
        while extensions:
            kind = int.from_bytes(extensions[:2], "big")
            assert kind not in self.extensions
            self.extensions[kind], extensions = self._vector(extensions[2:], 2)
        self.versions = self._numbers(self._vector(self.extensions[43], 1)[0])
        self.shares: t.Dict[int, bytes] = {}
        shares = self._vector(self.extensions.get(51, b"\0\0"), 2)[0]
        while shares:
            group = int.from_bytes(shares[:2], "big")
            self.shares[group], shares = self._vector(shares[2:], 2)

    @staticmethod
    def _vector(data: bytes, octets: int) -> t.Tuple[bytes, bytes]:
        length = int.from_bytes(data[:octets], "big")
        assert len(data) >= octets + length
        return data[octets : octets + length], data[octets + length :]

    @staticmethod
    def _numbers(data: bytes) -> t.List[int]:
        return [int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2)]

    @property
    def server_name(self) -> t.Optional[str]:
        return self.extensions[0][5:].decode() if 0 in self.extensions else None

    @property
    def signatures(self) -> t.List[int]:
        return self._numbers(self.extensions[13][2:])


def status(response: bytes, kind: int = 1) -> bytes:
    """A CertificateStatus without the head of the message."""
    return bytes([kind]) + vector(3, response)


def certificate12(*chain: bytes) -> bytes:
    return message(11, vector(3, *(vector(3, one) for one in chain)))


def certificate13(chain: t.Sequence[bytes], staples: t.Sequence[t.Optional[bytes]], context: bytes = b"") -> bytes:
    entries = []
    for index, one in enumerate(chain):
        staple = staples[index] if index < len(staples) else None
        entries.append(vector(3, one) + vector(2, b"" if staple is None else extension(5, status(staple))))
    return message(11, vector(1, context) + vector(3, *entries))


def server_hello(
    hello: Hello, version: int, cipher: int, extensions: t.Sequence[bytes], random: bytes = bytes(32), **changes: t.Any
) -> bytes:
    """``changes``: session_id, compression, legacy."""
    return message(
        2,
        number(changes.get("legacy", TLS12), 2)
        + random
        + vector(1, changes.get("session_id", hello.session_id if version == TLS13 else b""))
        + number(cipher, 2)
        + bytes([changes.get("compression", 0)])
        + (vector(2, *extensions) if extensions else b""),
    )


class Server:
    """Answers the bytes of a client. ``answer`` is called with them and returns those of the server.

    ``staples`` belong to the chain in its order. ``group`` is that of the key share, and one that the
    client sent no share for makes it ask again. ``fragment`` is the octets of each record.
    """

    def __init__(
        self,
        chain: t.Sequence[bytes],
        staples: t.Sequence[t.Optional[bytes]] = (),
        *,
        version: int = TLS13,
        cipher: t.Optional[int] = None,
        group: int = 0x1D,
        cookie: bytes = b"",
        request: bool = False,
        fragment: int = 16384,
        prefix: bytes = b"",
        hello_changes: t.Optional[t.Mapping[str, t.Any]] = None,
        raw13: t.Optional[t.Sequence[t.Tuple[int, bytes]]] = None,
    ) -> None:
        self.chain = list(chain)
        self.staples = list(staples)
        self.version = version
        self.cipher = cipher or (0x1301 if version == TLS13 else RSA_CIPHER)
        self.group = group
        self.cookie = cookie
        self.request = request
        self.fragment = fragment
        self.prefix = prefix
        self.hello_changes = dict(hello_changes or {})
        self.raw13 = raw13
        self.hellos: t.List[Hello] = []
        self.heard = b""
        self.opening: t.Optional[tls_keys.Protection] = None
        self._transcript = b""

    def answer(self, data: bytes) -> bytes:
        assert data[:1] == b"\x16" and int.from_bytes(data[3:5], "big") == len(data) - 5
        hello = Hello(data[5:])
        self.hellos.append(hello)
        if self.version == TLS12:
            return self.prefix + self._flight12(hello)
        if len(self.hellos) == 1 and (self.group not in hello.shares or self.cookie):
            return self._retry(hello)
        return self.prefix + self._flight13(hello)

    def _records(self, messages: bytes) -> bytes:
        pieces = range(0, len(messages), self.fragment)
        return b"".join(record(22, messages[index : index + self.fragment]) for index in pieces)

    def _flight12(self, hello: Hello) -> bytes:
        announced = [extension(5)] if self.staples else []
        flight = server_hello(hello, TLS12, self.cipher, announced, **self.hello_changes)
        flight += certificate12(*self.chain)
        if self.staples and self.staples[0] is not None:
            flight += message(22, status(self.staples[0]))
        return self._records(flight + message(12, b"key exchange") + message(14))

    def _retry(self, hello: Hello) -> bytes:
        extensions = [extension(43, number(TLS13, 2))]
        if self.group not in hello.shares:
            extensions.append(extension(51, number(self.group, 2)))
        if self.cookie:
            extensions.append(extension(44, vector(2, self.cookie)))
        retry = server_hello(hello, TLS13, self.cipher, extensions, RETRY)
        digest = hashlib.new(tls_keys.digest_of(self.cipher), hello.message).digest()
        self._transcript = message(254, digest) + retry
        return record(22, retry) + record(20, b"\1")

    def _flight13(self, hello: Hello) -> bytes:
        keys = tls_keys.KeyShares()
        share = keys.share(self.group)
        extensions = [extension(43, number(TLS13, 2)), extension(51, number(self.group, 2) + vector(2, share))]
        first = server_hello(hello, TLS13, self.cipher, extensions, **self.hello_changes)
        digest = tls_keys.digest_of(self.cipher)
        transcript = hashlib.new(digest, self._transcript + hello.message + first).digest()
        client, server = tls_keys.handshake_secrets(
            digest, keys.secret(self.group, hello.shares[self.group]), transcript
        )
        protection = tls_keys.Protection(self.cipher, server)
        self.opening = tls_keys.Protection(self.cipher, client)
        flight = b"".join(protection.seal(kind, content) for kind, content in self._plain13())
        return record(22, first) + record(20, b"\1") + flight

    def _plain13(self) -> t.Iterator[t.Tuple[int, bytes]]:
        """What is encrypted: types and contents of records."""
        if self.raw13 is not None:
            yield from self.raw13
            return
        messages = message(8, vector(2))
        if self.request:
            messages += message(13, vector(1) + vector(2))
        messages += certificate13(self.chain, self.staples) + message(15, b"signature") + message(20, bytes(32))
        for index in range(0, len(messages), self.fragment):
            yield 22, messages[index : index + self.fragment]


class Wire:
    """A connection to such a server, in memory: bytes come in pieces of at most ``piece``, then the end.

    ``talk`` is what a protocol with STARTTLS says: pairs of what must be heard first (None for
    nothing) and what is said then. The server comes after it.
    """

    def __init__(
        self,
        server: t.Optional[t.Callable[[bytes], bytes]] = None,
        talk: t.Sequence[t.Tuple[t.Optional[bytes], bytes]] = (),
        piece: int = 65536,
    ) -> None:
        self.server = server
        self.talk = list(talk)
        self.piece = piece
        self.address = "192.0.2.1"
        self.local_address = "192.0.2.2"
        self.step = ""
        self.steps: t.List[str] = []
        self.sent: t.List[bytes] = []
        self.farewell: t.Optional[bytes] = None
        self.closed = False
        self._incoming = b""
        self._go_on(None)

    def _go_on(self, heard: t.Optional[bytes]) -> None:
        while self.talk and self.talk[0][0] == heard:
            self._incoming += self.talk.pop(0)[1]
            heard = None

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        if self.talk:
            expected = self.talk[0][0]
            assert expected == data, f"heard {data!r} instead of {expected!r}"
            self._go_on(data)
        elif self.server:
            self._incoming += self.server(data)

    def receive(self) -> bytes:
        self.steps.append(self.step)
        taken, self._incoming = self._incoming[: self.piece], self._incoming[self.piece :]
        return taken

    def part(self, farewell: bytes) -> None:
        self.farewell = farewell

    def close(self) -> None:
        self.closed = True


class Network:
    """Gives the wires of a test out one after the other, or raises the errors that stand among them."""

    def __init__(self, *wires: t.Union[Wire, ProbeError, Exception]) -> None:
        self.wires = list(wires)
        self.dialled: t.List[t.Tuple[str, int, str]] = []
        self.used: t.List[Wire] = []
        self.budgets: t.List[float] = []

    def __call__(self, host: str, port: int, family: str, deadline: Deadline) -> t.Any:
        self.dialled.append((host, port, family))
        self.budgets.append(deadline.seconds)
        wire = self.wires.pop(0)
        if isinstance(wire, Exception):
            raise wire
        self.used.append(wire)
        return wire
