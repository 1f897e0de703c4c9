# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is fuzzed of TLS servers.

``server``: whatever a server sends, looking at it ends in what it showed or in an error that was foreseen;
all of it can be told in JSON, and the sentences can be printed.

The first octet of an input is how its rest is meant: the bytes of a server that speaks TLS 1.2, or of
SMTP and then TLS; what a server encrypts in TLS 1.3, record by record; changes to what such a server
sends; or what is signed of a CA in its chain, with a staple for each of its certificates. The second is how
many octets come at a time.
"""

from __future__ import annotations

import functools
import json
import random
import typing as t

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client, tls
from ansible_collections.certops.ocsp.tests.fuzz import tree, world
from ansible_collections.certops.ocsp.tests.fuzz.properties import Plain, Target, Violation, check_message
from ansible_collections.certops.ocsp.tests.unit import forge, tls_server

_CLEAR, _MAIL, _ENCRYPTED, _PATCHED, _SIGNED = range(5)
_PIECES = (65536, 1, 7, 100, 1000)
_ENDPOINT = client.read_endpoint("www.example.com")
_MAIL_ENDPOINT = client.read_endpoint("www.example.com", kind="smtp")
_RANDOM = bytes(32)


class _Replay(tls_server.Wire):
    """A connection on which certain bytes come, whatever is sent; with ``lines``, one line at a time."""

    def __init__(self, data: bytes, piece: int, lines: bool = False) -> None:
        super().__init__(piece=piece)
        self._incoming = data
        self._lines = lines

    def receive(self) -> bytes:
        if self._lines:
            self.piece = self._incoming.find(b"\n") + 1 or len(self._incoming)
        return super().receive()


def _chain() -> list[bytes]:
    return [world.leaf().der, world.issuer().der]


def _hello() -> t.Any:
    """A client's, for answers that do not depend on it."""
    offer = tls.Offer("ecdsa", "www.example.com", (tls.TLS12,))
    return tls_server.Hello(tls.client_hello(offer, _RANDOM, b"", (0x1D,), {}))


@functools.cache
def _middle() -> forge.Entity:
    """A CA between the leaf and the root, of which a client reads what it reads of a leaf if there is a staple."""
    extensions = (*forge.CA_EXTENSIONS, forge.must_staple(), forge.ocsp_urls(forge.URL))
    return forge.authority("Middle CA", world.issuer(), private_key=world.issuer().key, extensions=extensions)


@functools.cache
def _below() -> forge.Entity:
    return forge.leaf(_middle(), private_key=world.leaf().key)


def _signed(content: bytes) -> tls_server.Server:
    """A server with a CA of which this is what its issuer signed."""
    changed = forge.authority(private_key=_middle().key, issuer=world.issuer(), subject="x", reshape=lambda _: content)
    above = forge.response(forge.single(_middle(), world.issuer()), signer=world.issuer(), certificates=[])
    own = forge.response(forge.single(_below(), _middle()), signer=_middle(), certificates=[changed.der])
    return tls_server.Server([_below().der, changed.der, world.issuer().der], [own, above, above])


def _flight12(**options: t.Any) -> bytes:
    server = tls_server.Server(_chain(), [world.responses()["good"]], version=tls.TLS12, cipher=0xC02B, **options)
    return server._flight12(_hello())


def _plain13() -> list[tuple[int, bytes]]:
    return list(tls_server.Server(_chain(), [world.responses()["good"], None])._plain13())


def _write(records: t.Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((kind,)) + len(content).to_bytes(2, "big") + content for kind, content in records)


def _read(data: bytes) -> list[tuple[int, bytes]]:
    records = []
    while len(data) > 3 and len(records) < 200:
        length = int.from_bytes(data[1:3], "big")
        records.append((data[0], data[3 : 3 + length][:16384]))
        data = data[3 + length :]
    return records


_SMTP = b"220 mail.example.com ESMTP\r\n250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n220 Go ahead\r\n"


def _seeds() -> dict[str, bytes]:
    status = tls_server.message(22, tls_server.status(world.responses()["good"]))
    pieces = [(kind, one[at : at + 300]) for kind, one in _plain13() for at in range(0, len(one), 300)]
    return {
        "12": bytes((_CLEAR, 0)) + _flight12(),
        "12 in pieces": bytes((_CLEAR, 2)) + _flight12(fragment=50),
        "12 with a request": bytes((_CLEAR, 0)) + _flight12(request=True),
        "alert": bytes((_CLEAR, 0)) + tls_server.alert(2, 40),
        "warning": bytes((_CLEAR, 0)) + tls_server.alert(1, 112) + _flight12(),
        "HTTP": bytes((_CLEAR, 0)) + b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "status alone": bytes((_CLEAR, 0)) + tls_server.record(22, status),
        "mail": bytes((_MAIL, 0)) + _SMTP + _flight12(),
        "13": bytes((_ENCRYPTED, 0)) + _write(_plain13()),
        "13 in pieces": bytes((_ENCRYPTED, 3)) + _write(pieces),
        "13 changed": bytes((_PATCHED, 0)) + b"\0\x05\x03\x0b\0",
        "13 again": bytes((_PATCHED, 4)) + b"\0\x50\xff",
        "13 with a CA": bytes((_SIGNED, 0)) + Certificate.from_der(_middle().der).tbs,
    }


def _mutate(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    kind = chance.randrange(4)
    if kind == 0 or len(data) < 10:
        return plain(data)
    head, body = data[:2], data[2:]
    if data[0] == _SIGNED:
        forest = tree.parse(body)
        tree.change(chance, forest, tuple(tree.elements(tree.parse(world.leaf().der))))
        return head + tree.encode(forest)
    if data[0] % 4 == _ENCRYPTED and kind == 1:
        records = _read(body)
        chance.shuffle(records)
        return head + _write(records[: chance.randrange(1, 10)])
    at = chance.randrange(len(body))
    if kind == 2:
        # Lengths and types are single octets here and there.
        octet = chance.choice(
            (0, 1, 2, 11, 13, 14, 20, 21, 22, 23, 0x7F, 0x80, 0xFF, body[at] ^ 1, body[at] + 1 & 0xFF)
        )
        return head + body[:at] + bytes((octet,)) + body[at + 1 :]
    certificate = body.find(b"\x30\x82", at)
    if certificate >= 0 and chance.random() < 0.7:
        length = 4 + int.from_bytes(body[certificate + 2 : certificate + 4], "big")
        forest = tree.parse(body[certificate : certificate + length])
        tree.change(chance, forest, tuple(tree.elements(tree.parse(world.leaf().der))))
        return head + body[:certificate] + tree.encode(forest) + body[certificate + length :]
    return head + body[:at] + plain(body[at : at + 300]) + body[at + 300 :]


def _patched(data: bytes) -> t.Callable[[bytes], bytes]:
    """A server of TLS 1.3 in whose answers single octets are others: each by where it is, and what it is then."""
    server = tls_server.Server(_chain(), [world.responses()["good"], None])

    def answer(heard: bytes) -> bytes:
        sent = bytearray(server.answer(heard))
        for index in range(0, len(data) - 2, 3):
            sent[int.from_bytes(data[index : index + 2], "big") % len(sent)] = data[index + 2]
        return bytes(sent)

    return answer


def _wire(data: bytes) -> tls_server.Wire:
    how, piece = data[0] % 4, _PIECES[data[1] % len(_PIECES)]
    if data[0] == _SIGNED:
        return tls_server.Wire(_signed(data[2:]).answer, piece=max(piece, 100))
    if how in (_CLEAR, _MAIL):
        # An octet at a time of much is slow, and shows no more.
        return _Replay(data[2:], piece if len(data) < 5000 else 65536, lines=how == _MAIL)
    if how == _PATCHED:
        return tls_server.Wire(_patched(data[2:]), piece=max(piece, 100))
    return tls_server.Wire(tls_server.Server([], raw13=_read(data[2:])).answer, piece=max(piece, 100))


def _look(data: bytes) -> client.Look:
    data = data.ljust(2, b"\0")
    endpoint = _MAIL_ENDPOINT if data[0] % 4 == _MAIL else _ENDPOINT
    # A CA of the chain is looked for where no issuer is given.
    issuers = () if data[0] == _SIGNED else (client.Certificate.from_der(world.issuer().der),)

    def dial(*_where: t.Any) -> t.Any:
        try:
            return _wire(data)
        except AssertionError:  # the server of the test did not understand the client
            return _Replay(b"", 1)

    expectation = client.Expectation(issuers=issuers)
    (found,) = client.look(endpoint, world.NOW, ("ecdsa",), expectation, dial=dial, attempts=1, timeout=60.0)
    return found


def _check(data: bytes) -> None:
    found = _look(data)
    if found.error:
        check_message(found.error.message)
        if " cannot be read (" in found.error.message:
            raise Violation(f"server: {found.error.message.split('(')[1][:40]}", found.error.message)
    for finding in found.findings:
        # What cannot be read is told of what it is, and not found out by an exception.
        if f"{_ENDPOINT.name} sends " in finding.message:
            raise Violation(f"server: {finding.message[-40:]}", finding.message)
    values = client.look_values(found, return_content=True)
    json.dumps(values).encode()
    client.summary_values([found])
    for finding in found.findings:
        check_message(finding.message)


def _verdict(data: bytes) -> t.Any:
    found = _look(data)
    return {"error": found.error and found.error.code, "findings": [one.code for one in found.findings]}


TARGETS: dict[str, Target] = {
    "server": Target(_seeds, _mutate, _check, _verdict, ("client.py", "handshake.py", "tls.py", "starttls.py")),
}
