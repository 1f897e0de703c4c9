# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of TLS 1.3, held against the example of RFC 8448 section 3."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import tls, tls_keys
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls_keys import (
    GROUPS,
    X25519,
    KeyShares,
    Protection,
)

SHARED = bytes.fromhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
TRANSCRIPT = bytes.fromhex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
CLIENT_SECRET = bytes.fromhex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
SERVER_SECRET = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
SERVER_KEY = bytes.fromhex("3fce516009c21727d0f2e4e86ee403bc")
SERVER_IV = bytes.fromhex("5d313eb2671276ee13000b30")


def test_the_secrets_of_rfc_8448() -> None:
    assert tls_keys.handshake_secrets("sha256", SHARED, TRANSCRIPT) == (CLIENT_SECRET, SERVER_SECRET)


def test_the_record_keys_of_rfc_8448() -> None:
    assert tls_keys.expand("sha256", SERVER_SECRET, "key", b"", 16) == SERVER_KEY
    assert tls_keys.expand("sha256", SERVER_SECRET, "iv", b"", 12) == SERVER_IV


def test_more_than_one_block_of_output() -> None:
    output = tls_keys.expand("sha256", SERVER_SECRET, "key", b"", 100)
    assert len(output) == 100 and len({output[start : start + 32] for start in (0, 32, 64)}) == 3


@pytest.mark.parametrize("group", GROUPS)
def test_both_sides_share_a_secret(group: int) -> None:
    client, server = KeyShares(), KeyShares()
    ours, theirs = client.share(group), server.share(group)
    assert ours != theirs
    assert client.secret(group, theirs) == server.secret(group, ours) != b""


def test_the_first_shares_are_those_that_servers_want() -> None:
    shares = KeyShares().first()
    assert list(shares) == [X25519, 0x17]
    assert [len(share) for share in shares.values()] == [32, 65]


def test_a_group_that_the_host_forbids_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden:
        @staticmethod
        def generate() -> t.NoReturn:
            raise RuntimeError("disabled for FIPS")

    monkeypatch.setattr(tls_keys.x25519, "X25519PrivateKey", Forbidden)
    assert list(KeyShares().first()) == [0x17, 0x18]


@pytest.mark.parametrize(
    ("group", "share"),
    [
        (X25519, b""),
        (X25519, bytes(31)),
        (X25519, bytes(32)),  # of low order: the secret would be known to all
        (0x17, b""),
        (0x17, b"\x04" + bytes(64)),  # not on the curve
        (0x17, bytes(65)),
        (0x18, b"\x04" + bytes(96)),  # none was made
        (0x6399, b"\x01"),
    ],
)
def test_a_share_that_cannot_be_used(group: int, share: bytes) -> None:
    keys = KeyShares()
    keys.first()
    with pytest.raises(MalformedError):
        keys.secret(group, share)


@pytest.mark.parametrize("cipher", tls.TLS13_CIPHERS)
def test_records_are_opened_in_their_order_only(cipher: int) -> None:
    secret = bytes(range(48))
    sender, receiver = Protection(cipher, secret), Protection(cipher, secret)
    records = [sender.seal(22, b"one"), sender.seal(21, b"two")]
    assert [receiver.open(record) for record in records] == [(22, b"one"), (21, b"two")]
    with pytest.raises(MalformedError):
        Protection(cipher, secret).open(records[1])


def test_every_octet_of_a_record_is_protected() -> None:
    secret = bytes(32)
    record = Protection(0x1301, secret).seal(22, b"content")
    for index in range(len(record)):
        damaged = bytearray(record)
        damaged[index] ^= 1
        with pytest.raises(MalformedError):
            Protection(0x1301, secret).open(bytes(damaged))


def test_padding_is_removed() -> None:
    secret = bytes(32)
    record = Protection(0x1301, secret).seal(0, b"content\x16" + bytes(50))
    assert Protection(0x1301, secret).open(record) == (22, b"content")


def test_a_record_of_padding_alone_is_refused() -> None:
    secret = bytes(32)
    with pytest.raises(MalformedError):
        Protection(0x1301, secret).open(Protection(0x1301, secret).seal(0, bytes(50)))
