# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages of TLS: what is offered, and what of a server's is refused."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError, ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import tls
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls import TLS12, TLS13, Offer
from ansible_collections.certops.ocsp.tests.unit import tls_server
from ansible_collections.certops.ocsp.tests.unit.tls_server import Hello, extension, number, vector
from hypothesis import given
from hypothesis import strategies as st

SESSION = bytes(range(32))
SHARES = {0x1D: b"x" * 32, 0x17: b"p" * 65}
BOTH = Offer("rsa", "www.example.com")


def hello(offer: Offer = BOTH, cookie: bytes = b"") -> Hello:
    return Hello(tls.client_hello(offer, bytes(32), SESSION, [0x1D, 0x17, 0x18], SHARES, cookie))


# The offer --------------------------------------------------------------------------------------


def test_the_hello_asks_for_a_staple_and_names_the_host() -> None:
    found = hello()
    assert found.server_name == "www.example.com"
    assert found.extensions[5] == b"\x01\0\0\0\0"
    assert found.versions == [TLS13, TLS12]
    assert found.session_id == SESSION
    assert found.shares == SHARES


def test_without_a_name_none_is_sent() -> None:
    assert hello(Offer("rsa")).server_name is None


def test_the_cookie_of_a_retry_is_sent_back() -> None:
    assert hello(cookie=b"cookie").extensions[44] == vector(2, b"cookie")
    assert 44 not in hello().extensions


@pytest.mark.parametrize(
    ("key_type", "first", "suffixes"),
    [("rsa", 0x0804, {0x01, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B}), ("ecdsa", 0x0403, {0x03}), ("eddsa", 0x0807, set())],
)
def test_only_one_kind_of_key_is_asked_for(key_type: str, first: int, suffixes: t.Set[int]) -> None:
    found = hello(Offer(key_type))
    assert found.signatures[0] == first
    kinds = {"rsa": 0xC02F, "ecdsa": 0xC02B, "eddsa": 0xC02B}
    for other, cipher in kinds.items():
        assert (cipher in found.ciphers) is (cipher == kinds[key_type]), other
    if suffixes:
        assert {scheme & 0xFF for scheme in found.signatures} <= suffixes
    # The chain may be signed in any way: an ECDSA certificate by an RSA CA, and the other way round.
    chain = Hello._numbers(found.extensions[50][2:])
    assert {0x0401, 0x0403, 0x0804, 0x0807} <= set(chain)


@pytest.mark.parametrize(
    ("versions", "tls13", "tls12"), [((TLS13,), True, False), ((TLS12,), False, True), ((TLS13, TLS12), True, True)]
)
def test_only_the_versions_asked_for_are_offered(versions: t.Tuple[int, ...], tls13: bool, tls12: bool) -> None:
    found = hello(Offer("rsa", versions=versions))
    assert found.versions == list(versions)
    assert ((0x1301 in found.ciphers), (51 in found.extensions)) == (tls13, tls13)
    assert (0xC02F in found.ciphers) is tls12


# ServerHello ------------------------------------------------------------------------------------


def server_hello(version: int = TLS13, cipher: int = 0x1301, **changes: t.Any) -> bytes:
    """The content of a ServerHello; ``extensions`` replaces those that belong there."""
    default = [extension(43, number(TLS13, 2)), extension(51, number(0x1D, 2) + vector(2, bytes(32)))]
    extensions = changes.pop("extensions", default if version == TLS13 else [])
    return tls_server.server_hello(hello(), version, cipher, extensions, **changes)[4:]


def test_tls13_is_read() -> None:
    found = tls.read_server_hello(server_hello(), BOTH, SESSION)
    assert (found.version, found.cipher, found.retry, found.group, found.share) == (
        TLS13,
        0x1301,
        False,
        0x1D,
        bytes(32),
    )


@pytest.mark.parametrize("staples", [True, False])
def test_tls12_is_read(staples: bool) -> None:
    content = server_hello(TLS12, 0xC02F, extensions=[extension(5)] if staples else [])
    found = tls.read_server_hello(content, BOTH, SESSION)
    assert (found.version, found.cipher, found.will_staple) == (TLS12, 0xC02F, staples)


def test_a_retry_is_read() -> None:
    extensions = [extension(43, number(TLS13, 2)), extension(51, number(0x18, 2)), extension(44, vector(2, b"c"))]
    found = tls.read_server_hello(server_hello(extensions=extensions, random=tls_server.RETRY), BOTH, SESSION)
    assert (found.retry, found.group, found.share, found.cookie) == (True, 0x18, b"", b"c")


CHOSEN = extension(43, number(TLS13, 2))
SHARE = extension(51, number(0x1D, 2) + vector(2, bytes(32)))

BAD_HELLOS = {
    "empty": b"",
    "cut": server_hello()[:-1],
    "longer": server_hello() + b"\0",
    "a cipher that was not offered": server_hello(cipher=0x1304),
    "a cipher of another kind of key": server_hello(TLS12, 0xC02B),
    "a cipher of TLS 1.2 in TLS 1.3": server_hello(cipher=0xC02F),
    "a cipher of TLS 1.3 in TLS 1.2": server_hello(TLS12, 0x1301),
    "compression": server_hello(compression=1),
    "another session": server_hello(session_id=bytes(32)),
    "no session": server_hello(session_id=b""),
    "no share": server_hello(extensions=[CHOSEN]),
    "a share that is cut": server_hello(extensions=[CHOSEN, extension(51, b"\0\x1d\0\x20abc")]),
    "a share and more": server_hello(extensions=[CHOSEN, extension(51, b"\0\x1d\0\1ab")]),
    "a retry with a share": server_hello(extensions=[CHOSEN, SHARE], random=tls_server.RETRY),
    "an extension twice": server_hello(extensions=[CHOSEN, SHARE, SHARE]),
    "the version of TLS 1.2 in the way of TLS 1.3": server_hello(cipher=0xC02F, extensions=[extension(43, b"\3\3")]),
    "half a version": server_hello(extensions=[extension(43, b"\3"), SHARE]),
    "a version and more": server_hello(extensions=[extension(43, b"\3\4\0"), SHARE]),
}


@pytest.mark.parametrize("case", BAD_HELLOS)
def test_a_bad_server_hello_is_malformed(case: str) -> None:
    with pytest.raises(MalformedError) as caught:
        tls.read_server_hello(BAD_HELLOS[case], BOTH, SESSION)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("content", "versions", "name"),
    [
        (server_hello(TLS12, legacy=0x0301), (TLS13, TLS12), "TLS 1.0"),
        (server_hello(TLS12, legacy=0x0300), (TLS13, TLS12), "SSL 3.0"),
        (server_hello(TLS12, 0xC02F), (TLS13,), "TLS 1.2"),
        (server_hello(), (TLS12,), "TLS 1.3"),
        (server_hello(extensions=[extension(43, b"\x7f\x1c"), SHARE]), (TLS13, TLS12), "0x7f1c"),
    ],
)
def test_a_version_that_was_not_offered(content: bytes, versions: t.Tuple[int, ...], name: str) -> None:
    with pytest.raises(ProbeError) as caught:
        tls.read_server_hello(content, Offer("rsa", versions=versions), SESSION)
    assert caught.value.code == "tls_version" and name in caught.value.message


# Certificates and staples -----------------------------------------------------------------------


def test_the_chain_of_tls12() -> None:
    assert tls.read_certificate12(tls_server.certificate12(b"leaf", b"issuer")[4:]) == (b"leaf", b"issuer")


def test_the_chain_of_tls13_with_a_staple_for_each() -> None:
    found = tls.read_certificate13(tls_server.certificate13([b"leaf", b"issuer"], [b"one", b"two"])[4:])
    assert (found.chain, found.staples) == ((b"leaf", b"issuer"), (b"one", b"two"))


def test_a_staple_for_the_second_certificate_alone() -> None:
    found = tls.read_certificate13(tls_server.certificate13([b"leaf", b"issuer"], [None, b"two"])[4:])
    assert found.staples == (None, b"two")


def test_the_longest_chain_and_no_longer() -> None:
    for read, write in (
        (tls.read_certificate12, lambda chain: tls_server.certificate12(*chain)),
        (tls.read_certificate13, lambda chain: tls_server.certificate13(chain, [])),
    ):
        read(write([b"x"] * tls.CHAIN_LIMIT)[4:])
        with pytest.raises(ProbeError) as caught:
            read(write([b"x"] * (tls.CHAIN_LIMIT + 1))[4:])
        assert caught.value.code == "too_large"


def test_an_empty_staple_is_one() -> None:
    assert tls.read_certificate_status(tls_server.status(b"")) == b""


READERS: t.Dict[str, t.Callable[[bytes], t.Any]] = {
    "certificate12": tls.read_certificate12,
    "certificate13": tls.read_certificate13,
    "status": tls.read_certificate_status,
}
CERTIFICATE13 = tls_server.certificate13([b"leaf"], [b"staple"])[4:]
BAD_MESSAGES = {
    "no chain in 1.2": ("certificate12", tls_server.certificate12()[4:]),
    "a chain that is cut in 1.2": ("certificate12", tls_server.certificate12(b"leaf")[4:-1]),
    "a chain and more in 1.2": ("certificate12", tls_server.certificate12(b"leaf")[4:] + b"\0"),
    "a certificate that is longer than its chain": ("certificate12", b"\0\0\4\0\0\2x"),
    "no chain in 1.3": ("certificate13", tls_server.certificate13([], [])[4:]),
    "a context": ("certificate13", tls_server.certificate13([b"leaf"], [], b"context")[4:]),
    "a chain that is cut in 1.3": ("certificate13", CERTIFICATE13[:-1]),
    "a chain and more in 1.3": ("certificate13", CERTIFICATE13 + b"\0"),
    "no extensions": ("certificate13", b"\0" + vector(3, vector(3, b"leaf"))),
    "a staple of another kind": ("status", tls_server.status(b"x", kind=2)),
    "a staple that is cut": ("status", tls_server.status(b"xyz")[:-1]),
    "a staple and more": ("status", tls_server.status(b"xyz") + b"\0"),
    "nothing": ("status", b""),
}


@pytest.mark.parametrize("case", BAD_MESSAGES)
def test_a_bad_message_is_malformed(case: str) -> None:
    reader, content = BAD_MESSAGES[case]
    with pytest.raises(MalformedError):
        READERS[reader](content)


@given(reader=st.sampled_from(sorted(READERS)), content=st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(reader: str, content: bytes) -> None:
    with contextlib.suppress(MalformedError, ProbeError):
        READERS[reader](content)


@given(content=st.one_of(st.binary(max_size=200), st.binary(max_size=120).map(lambda tail: server_hello()[:70] + tail)))
def test_any_bytes_are_a_server_hello_or_an_error_of_ours(content: bytes) -> None:
    with contextlib.suppress(MalformedError, ProbeError):
        tls.read_server_hello(content, BOTH, SESSION)


@given(
    content=st.sampled_from([CERTIFICATE13, tls_server.certificate12(b"leaf", b"issuer")[4:], server_hello()]),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)
def test_damaged_messages_are_read_or_refused(content: bytes, changes: t.List[t.Tuple[int, int]]) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    readers = [*READERS.values(), lambda data: tls.read_server_hello(data, BOTH, SESSION)]
    for reader in readers:
        with contextlib.suppress(MalformedError, ProbeError):
            reader(bytes(damaged))


def test_alerts_have_names() -> None:
    assert tls.alert_name(40) == "handshake_failure"
    assert tls.alert_name(255) == "number 255"
