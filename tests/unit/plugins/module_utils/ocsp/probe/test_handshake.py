# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A handshake up to the staple, with servers that are good and servers that are not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError, OcspError, ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import handshake as handshakes
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import tls, tls_keys
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.handshake import Handshake
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls import TLS12, TLS13, Offer, Served
from ansible_collections.certops.ocsp.tests.unit import tls_server
from ansible_collections.certops.ocsp.tests.unit.tls_server import Server, alert, extension, message, record, vector
from hypothesis import given
from hypothesis import strategies as st

CHAIN = [b"leaf" * 100, b"issuer" * 100]
STAPLE = b"staple" * 100
OFFER = Offer("rsa", "www.example.com")


def shake(server: Server, offer: Offer = OFFER, piece: int = 0) -> Handshake:
    """Bring a handshake to its end, with the server's bytes in pieces of that size (0 for all at once)."""
    client = Handshake(offer)
    pending = server.answer(client.start())
    while client.served is None:
        size = piece or max(len(pending), 1)
        data, pending = pending[:size], pending[size:]
        output = client.receive(data)
        if output:
            pending += server.answer(output)
    return client


def served(server: Server, offer: Offer = OFFER, piece: int = 0) -> t.Optional[Served]:
    return shake(server, offer, piece).served


def refusal(server: Server, offer: Offer = OFFER, piece: int = 0) -> OcspError:
    """The error of a handshake that must fail; its message is always one clean line."""
    with pytest.raises((ProbeError, MalformedError)) as caught:
        shake(server, offer, piece)
    error = t.cast(OcspError, caught.value)
    assert error.message.isprintable() and len(error.message) < 250
    return error


# Good servers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("staple", [STAPLE, None, b""])
def test_chain_and_staple_are_read(version: int, staple: t.Optional[bytes]) -> None:
    found = served(Server(CHAIN, [staple], version=version))
    assert found == Served(version, tuple(CHAIN), (staple, None))


def test_a_server_that_does_not_know_of_staples() -> None:
    assert served(Server(CHAIN, version=TLS12)) == Served(TLS12, tuple(CHAIN), (None, None))


def test_each_certificate_may_have_a_staple_in_tls13() -> None:
    assert served(Server(CHAIN, [STAPLE, b"second"])) == Served(TLS13, tuple(CHAIN), (STAPLE, b"second"))


@pytest.mark.parametrize("cipher", tls.TLS13_CIPHERS)
@pytest.mark.parametrize("group", [0x1D, 0x17, 0x18, 0x19])
def test_every_cipher_with_every_group(cipher: int, group: int) -> None:
    server = Server(CHAIN, [STAPLE], cipher=cipher, group=group)
    assert served(server) == Served(TLS13, tuple(CHAIN), (STAPLE, None))
    assert len(server.hellos) == (1 if group in (0x1D, 0x17) else 2)


def test_a_second_hello_differs_in_the_share_alone() -> None:
    server = Server(CHAIN, [STAPLE], group=0x18, cookie=b"cookie")
    shake(server)
    first, second = server.hellos
    assert list(second.shares) == [0x18]
    assert second.extensions.pop(44) == vector(2, b"cookie")
    assert {**first.extensions, 51: b""} == {**second.extensions, 51: b""}
    assert (first.random, first.session_id, first.ciphers) == (second.random, second.session_id, second.ciphers)


def test_a_retry_for_the_cookie_alone() -> None:
    assert served(Server(CHAIN, [STAPLE], cookie=b"cookie")) is not None


def test_a_server_that_asks_for_a_certificate() -> None:
    assert served(Server(CHAIN, [STAPLE], request=True)) is not None


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("fragment", [1, 100, 16384])
def test_bytes_and_messages_may_come_in_any_pieces(version: int, piece: int, fragment: int) -> None:
    server = Server(CHAIN, [STAPLE, STAPLE], version=version, fragment=fragment)
    found = served(server, piece=piece)
    assert found and found.chain == tuple(CHAIN) and found.staples[0] == STAPLE


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_an_alert_about_the_name_is_only_a_warning(version: int) -> None:
    assert served(Server(CHAIN, [STAPLE], version=version, prefix=alert(1, 112))) is not None


def test_a_hello_request_is_passed_over() -> None:
    assert served(Server(CHAIN, [STAPLE], version=TLS12, prefix=record(22, message(0)))) is not None


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_one_version_may_be_asked_for_alone(version: int) -> None:
    assert served(Server(CHAIN, version=version), Offer("rsa", versions=(version,))) is not None


def test_a_version_that_was_not_asked_for() -> None:
    assert refusal(Server(CHAIN, version=TLS12), Offer("rsa", versions=(TLS13,))).code == "tls_version"


def test_the_farewell_is_encrypted_where_the_server_expects_that() -> None:
    server = Server(CHAIN, [STAPLE])
    client = shake(server)
    assert server.opening and server.opening.open(client.farewell()) == (21, b"\x01\x00")
    assert shake(Server(CHAIN, version=TLS12)).farewell() == alert(1, 0)


def test_the_largest_chain_and_no_larger() -> None:
    chain = [bytes(tls.CERTIFICATE_LIMIT - 6)]
    assert served(Server(chain, version=TLS12)) is not None
    assert refusal(Server([chain[0] + b"\0"], version=TLS12)).code == "too_large"


def test_the_largest_staple_and_no_larger() -> None:
    staple = bytes(tls.MESSAGE_LIMIT - 4)
    assert served(Server(CHAIN, [staple], version=TLS12)) is not None
    assert refusal(Server(CHAIN, [staple + b"\0"], version=TLS12)).code == "too_large"


# Servers that end too early ---------------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_cut_off_at_every_byte(version: int) -> None:
    length, end, whole = 1, -1, []
    while end < length:
        end += 1
        client = Handshake(OFFER)
        flight = Server([b"leaf", b"issuer"], [b"staple"], version=version, fragment=60).answer(client.start())
        length = len(flight)
        if end:
            client.receive(flight[:end])
        if client.served:
            whole.append(end)
            continue
        with pytest.raises(ProbeError) as caught:
            client.receive(b"")
        assert caught.value.code == "cut_off"
        assert client.awaited in caught.value.message or (end == 0 and "without an answer" in caught.value.message)
    assert whole and whole == list(range(whole[0], length + 1))


def test_close_notify_is_an_end() -> None:
    assert refusal(Server(CHAIN, prefix=alert(1, 0))).code == "cut_off"


# Servers that say something else ----------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("number", [40, 70, 80, 112, 200])
def test_an_alert_is_told_by_its_name(level: int, number: int) -> None:
    if (level, number) == (1, 112):
        return
    error = refusal(Server(CHAIN, prefix=alert(level, number)))
    assert error.code == "tls_alert" and isinstance(error, ProbeError)
    assert tls.alert_name(number) in error.message
    assert error.declined is (number == 40)


def test_an_encrypted_alert_is_told_by_its_name() -> None:
    error = refusal(Server(CHAIN, raw13=[(21, b"\x02\x28")]))
    assert isinstance(error, ProbeError) and (error.code, error.declined) == ("tls_alert", False)
    assert "handshake_failure" in error.message


PLAIN = {
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "with 'HTTP/1.1 400 Bad Request'"),
    "SMTP": (b"220 mail.example.com ESMTP\r\n", "with '220 mail.example.com ESMTP'"),
    "one word": (b"x\n", "with 'x'"),
    "blank lines first": (b"\r\n\r\nx\r\n", "with 'x'"),
    "binary": (b"\0\1\2\xff", "neither TLS nor plain text"),
    "SSL 2": (b"\x80\x03\0\0\1", "neither TLS nor plain text"),
    "control characters": (b"\x1b[2J\x1b[31mred\n", "neither TLS nor plain text"),
    "control characters later": (b"red\x1b[31m\n", "with 'red'"),
    "TLS of another kind": (b"\x16\x02\0\0\1\0", "neither TLS nor plain text"),
    "a very long line": (b"x" * 5000, f"with '{'x' * 60}'"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_plain_text_is_shown(case: str) -> None:
    data, shown = PLAIN[case]
    error = refusal(Server(CHAIN, prefix=data))
    assert error.code == "not_tls" and shown in error.message


def hello13(extra: bytes = b"") -> t.Callable[[bytes], bytes]:
    """A server that adds something unencrypted right behind its ServerHello."""

    def answer(data: bytes) -> bytes:
        flight = Server(CHAIN).answer(data)
        end = 5 + int.from_bytes(flight[3:5], "big")
        return flight[:end] + extra

    return answer


def together(data: bytes) -> bytes:
    """A server that adds what must be encrypted to the very record of its ServerHello."""
    flight = Server(CHAIN).answer(data)
    hello = flight[5 : 5 + int.from_bytes(flight[3:5], "big")]
    return record(22, hello + GOOD13)


EMPTY = message(8, vector(2))
GOOD13 = EMPTY + tls_server.certificate13(CHAIN, [STAPLE])

HOSTILE: t.Dict[str, t.Tuple[t.Any, str]] = {
    "plain text in the middle": (hello13(b"HTTP/1.1 400 Bad Request\r\n"), "malformed"),
    "a message that is not encrypted": (hello13(record(22, GOOD13)), "malformed"),
    "a message that is not encrypted in the same record": (together, "malformed"),
    "a record that is not encrypted": (hello13(record(23, GOOD13)), "malformed"),
    "a record too long": (Server(CHAIN, prefix=record(22, b"", length=16385)), "malformed"),
    "a record of the longest length": (Server(CHAIN, prefix=record(22, b"", length=65535)), "malformed"),
    "an encrypted record too long": (hello13(record(23, b"", length=16641)), "malformed"),
    "an empty record": (Server(CHAIN, prefix=record(22, b"")), "malformed"),
    "an empty encrypted record": (Server(CHAIN, raw13=[(22, b"")]), "malformed"),
    "application data": (Server(CHAIN, prefix=record(23, b"hello")), "malformed"),
    "encrypted application data": (Server(CHAIN, raw13=[(23, b"hello")]), "malformed"),
    "change of cipher in TLS 1.2": (Server(CHAIN, version=TLS12, prefix=record(20, b"\1")), "malformed"),
    "a strange change of cipher": (hello13(record(20, b"\2")), "malformed"),
    "changes of cipher without end": (hello13(record(20, b"\1") * 100), "too_large"),
    "warnings without end": (Server(CHAIN, prefix=alert(1, 112) * 100), "too_large"),
    "hello requests without end": (Server(CHAIN, prefix=record(22, message(0)) * 100), "too_large"),
    "an alert too short": (Server(CHAIN, prefix=record(21, b"\2")), "malformed"),
    "an alert too long": (Server(CHAIN, prefix=record(21, b"\2\x28\0")), "malformed"),
    "a message too long": (Server(CHAIN, prefix=record(22, b"\2\xff\xff\xff")), "too_large"),
    "a chain too long": (Server(CHAIN, raw13=[(22, EMPTY + b"\x0b\xff\xff\xff")]), "too_large"),
    "another message first": (Server(CHAIN, prefix=record(22, message(11, b"\0\0\0"))), "malformed"),
    "a client's hello": (lambda data: data, "malformed"),
    "two hellos": (lambda data: Server(CHAIN, version=TLS12).answer(data) * 2, "served"),
    "a chain before its time": (Server(CHAIN, raw13=[(22, GOOD13[6:])]), "malformed"),
    "extensions twice": (Server(CHAIN, raw13=[(22, EMPTY + GOOD13)]), "malformed"),
    "extensions that are cut": (Server(CHAIN, raw13=[(22, message(8, b"\0\5abc"))]), "malformed"),
    "requests without end": (Server(CHAIN, raw13=[(22, EMPTY + message(13) * 100)]), "too_large"),
    "a retry without need": (Server(CHAIN, group=0x1D, hello_changes={"random": tls_server.RETRY}), "malformed"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("piece", [0, 3])
def test_a_hostile_server_gets_no_farther(case: str, piece: int) -> None:
    server, code = HOSTILE[case]
    client = Handshake(OFFER)
    server = Server(**vars_of(server)) if isinstance(server, Server) else server
    flight = (server.answer if isinstance(server, Server) else server)(client.start())
    size = piece or len(flight)
    outcome = "served"
    try:
        for index in range(0, len(flight), size):
            client.receive(flight[index : index + size])
        if client.served is None:
            client.receive(b"")
    except (ProbeError, MalformedError) as error:
        outcome = error.code
        assert error.message.isprintable()
    assert outcome == code


def vars_of(server: Server) -> t.Dict[str, t.Any]:
    """The arguments to make a server anew, since each serves one handshake."""
    names = ("chain", "staples", "version", "cipher", "group", "prefix", "hello_changes", "raw13")
    return {name: getattr(server, name) for name in names}


def test_a_staple_that_was_not_announced_is_refused_in_tls12() -> None:
    client = Handshake(OFFER)
    server = Server(CHAIN, version=TLS12)
    hello = tls_server.Hello(client.start()[5:])
    flight = tls_server.server_hello(hello, TLS12, server.cipher, []) + message(22, tls_server.status(STAPLE))
    with pytest.raises(MalformedError):
        client.receive(record(22, flight))


def test_a_second_retry_is_refused() -> None:
    client = Handshake(OFFER)
    server = Server(CHAIN, group=0x18)
    client.receive(server.answer(client.start()))
    retry = tls_server.server_hello(
        server.hellos[0], TLS13, 0x1301, [extension(43, b"\3\4"), extension(51, b"\0\x19")], tls_server.RETRY
    )
    with pytest.raises(MalformedError):
        client.receive(record(22, retry))


def test_the_share_after_a_retry_is_of_the_group_that_was_asked_for() -> None:
    client = Handshake(OFFER)
    server = Server(CHAIN, group=0x18)
    client.receive(server.answer(client.start()))
    share = extension(51, b"\0\x1d" + vector(2, tls_keys.KeyShares().share(0x1D)))
    hello = tls_server.server_hello(server.hellos[0], TLS13, 0x1301, [extension(43, b"\3\4"), share])
    with pytest.raises(MalformedError):
        client.receive(record(22, hello))


@pytest.mark.parametrize("group", [b"\0\x1d", b"\x63\x99", b"\0\0"])
def test_a_retry_for_a_share_that_was_sent_or_cannot_be(group: bytes) -> None:
    client = Handshake(OFFER)
    hello = tls_server.Hello(client.start()[5:])
    retry = tls_server.server_hello(
        hello, TLS13, 0x1301, [extension(43, b"\3\4"), extension(51, group)], tls_server.RETRY
    )
    with pytest.raises(MalformedError):
        client.receive(record(22, retry))


def ask_again(cookie: bytes) -> None:
    """Have a client be asked for another ClientHello with a cookie, in records of the permitted length."""
    client = Handshake(OFFER)
    hello = tls_server.Hello(client.start()[5:])
    extensions = [extension(43, b"\3\4"), extension(44, vector(2, cookie))]
    retry = tls_server.server_hello(hello, TLS13, 0x1301, extensions, tls_server.RETRY)
    for start in range(0, len(retry), 16384):
        sent = client.receive(record(22, retry[start : start + 16384]))
    assert tls_server.Hello(sent[5:]).extensions[44] == vector(2, cookie)
    assert len(sent) <= 5 + 16384


def test_a_cookie_is_sent_back() -> None:
    ask_again(bytes(8192))


@pytest.mark.parametrize("octets", [8193, 16384, 65300, 65400])
def test_no_cookie_is_sent_back_that_a_record_cannot_hold(octets: int) -> None:
    """Python raised OverflowError where the ClientHello with it was longer than its length can say."""
    with pytest.raises(ProbeError, match=f"sends a cookie of {octets} octets, more than 8192"):
        ask_again(bytes(octets))


def test_tiny_records_come_to_an_end() -> None:
    client = Handshake(OFFER)
    hello = tls_server.Hello(client.start()[5:])
    client.receive(record(22, tls_server.server_hello(hello, TLS12, tls_server.RSA_CIPHER, []) + b"\x0b\3\xff\xff"))
    with pytest.raises(ProbeError) as caught:
        while True:
            client.receive(record(22, b"\0") * 2000)
    assert caught.value.code == "too_large"


# Any bytes --------------------------------------------------------------------------------------


def feed(client: Handshake, data: bytes, piece: int) -> None:
    """Whatever comes, it ends in a chain or in an error of ours."""
    try:
        for index in range(0, len(data), piece):
            client.receive(data[index : index + piece])
            if client.served:
                assert len(client.served.chain) == len(client.served.staples) > 0
                return
        client.receive(b"")
    except (ProbeError, MalformedError) as error:
        assert error.message.isprintable()


@given(data=st.binary(max_size=400), piece=st.integers(1, 400))
def test_any_bytes(data: bytes, piece: int) -> None:
    client = Handshake(OFFER)
    client.start()
    feed(client, data, piece)


RECORDS = st.lists(
    st.tuples(st.sampled_from([20, 21, 22, 23]), st.binary(max_size=60)).map(lambda parts: record(*parts)), max_size=8
)
MESSAGES = st.lists(
    st.tuples(st.sampled_from([0, 2, 8, 11, 13, 22]), st.binary(max_size=60)).map(lambda parts: message(*parts)),
    min_size=1,
    max_size=8,
)


@given(records=RECORDS, piece=st.integers(1, 100))
def test_any_records(records: t.List[bytes], piece: int) -> None:
    client = Handshake(OFFER)
    client.start()
    feed(client, b"".join(records), piece)


@given(messages=MESSAGES, staples=st.booleans())
def test_any_messages_after_the_hello_of_tls12(messages: t.List[bytes], staples: bool) -> None:
    client = Handshake(OFFER)
    hello = tls_server.Hello(client.start()[5:])
    first = tls_server.server_hello(hello, TLS12, tls_server.RSA_CIPHER, [extension(5)] if staples else [])
    feed(client, record(22, first + b"".join(messages)), 100000)


@given(messages=MESSAGES, kind=st.sampled_from([20, 21, 22, 23]))
def test_any_messages_after_the_hello_of_tls13(messages: t.List[bytes], kind: int) -> None:
    client = Handshake(OFFER)
    server = Server(CHAIN, raw13=[(22, EMPTY), (kind, b"".join(messages))])
    feed(client, server.answer(client.start()), 100000)


@given(
    version=st.sampled_from([TLS12, TLS13]),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_a_damaged_flight(version: int, changes: t.List[t.Tuple[int, int]]) -> None:
    client = Handshake(OFFER)
    flight = bytearray(Server([b"leaf", b"issuer"], [b"staple"], version=version).answer(client.start()))
    for place, value in changes:
        flight[place % len(flight)] = value
    feed(client, bytes(flight), 100000)


def test_the_limits_leave_room_for_what_is_permitted() -> None:
    assert handshakes.RECEIVE_LIMIT > tls.CERTIFICATE_LIMIT + tls.MESSAGE_LIMIT


@pytest.mark.parametrize("content", [message(99, b"") * 4000, b"\x63\x00\x3f\xff" + bytes(100)])
def test_what_follows_the_staple_has_an_end(content: bytes) -> None:
    client = shake(Server(CHAIN, [STAPLE], version=TLS12, cipher=0xC02F, fragment=1), piece=1)
    assert not client.complete
    flood, sent = record(tls.HANDSHAKE, content), 0
    while not client.complete and sent <= 2 * handshakes.RECEIVE_LIMIT:
        client.receive(flood)
        sent += len(flood)
    assert client.complete and sent <= handshakes.RECEIVE_LIMIT + len(flood)
