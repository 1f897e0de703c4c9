# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server shows besides its staple: the group in which keys are exchanged, signed certificate timestamps, and the
issuer, where a user has the root of a private CA alone."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError, ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client, tls, tls_keys
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.client import Expectation, read_endpoint
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls_keys import KeyShares
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import NOW
from ansible_collections.certops.ocsp.tests.unit.tls_server import (
    RSA_CIPHER,
    Network,
    Server,
    Wire,
    extension,
    message,
    number,
    record,
    vector,
)

OPENSSL = shutil.which("openssl")
ROOT = forge.authority("Private Root", private_key=forge.key("p384"))
ISSUER = forge.authority("Private Issuing CA", ROOT)
STRANGER = forge.authority("Stranger")
PLAIN = [forge.basic_constraints(False), forge.ocsp_urls(forge.URL)]
LEAF = forge.leaf(ISSUER, "www.example.com", extensions=PLAIN, private_key=forge.key("rsa2048"))
GOOD = forge.response(forge.single(LEAF, ISSUER), signer=ISSUER)
CHAIN = [LEAF.der, ISSUER.der]

TIMESTAMPS_OF_CERTIFICATE = "1.3.6.1.4.1.11129.2.4.2"
TIMESTAMPS_OF_STAPLE = "1.3.6.1.4.1.11129.2.4.5"


def timestamps(count: int) -> bytes:
    """A SignedCertificateTimestampList of so many."""
    return vector(2, *(vector(2, b"timestamp") for _number in range(count)))


def listed(oid: str, value: bytes) -> bytes:
    return forge.extension(oid, forge.octets(value))


def certificates(*entities: forge.Entity) -> t.Tuple[Certificate, ...]:
    return tuple(x509.load_certificates(b"".join(entity.pem for entity in entities), "x"))


def see(wire: Wire, **options: t.Any) -> t.Dict[str, t.Any]:
    looks = client.look(
        read_endpoint("www.example.com"), NOW, ["rsa"], dial=Network(wire), attempts=1, sleep=lambda _: None, **options
    )
    return client.look_values(looks[0])


# The group


@pytest.fixture
def openssl_server(tmp_path: Path) -> t.Iterator[t.Callable[..., int]]:
    """Runs 'openssl s_server' with these options, and returns its port."""
    if OPENSSL is None:
        pytest.skip("needs the program openssl")
    (tmp_path / "leaf.pem").write_bytes(forge.private_pem(LEAF.key) + LEAF.pem)
    (tmp_path / "chain.pem").write_bytes(ISSUER.pem)
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> int:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port: int = free.getsockname()[1]
            command = [str(OPENSSL), "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", "leaf.pem"]
            process = subprocess.Popen(
                [*command, "-cert_chain", "chain.pem", *options],
                cwd=tmp_path,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            if process.stdin is not None:
                stack.callback(process.stdin.close)
            for _try in range(200):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    return port
                time.sleep(0.05)
            raise AssertionError("openssl s_server does not start")

        yield start


@pytest.mark.parametrize(
    ("options", "version", "group"),
    [
        (("-tls1_3", "-groups", "X25519"), "1.3", "x25519"),
        (("-tls1_3", "-groups", "P-256"), "1.3", "secp256r1"),
        (("-tls1_3", "-groups", "P-521"), "1.3", "secp521r1"),
        (("-tls1_2",), "1.2", "x25519"),
        (("-tls1_2", "-groups", "P-384"), "1.2", "secp384r1"),
        (("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"), "1.2", "dh2048"),
        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), "1.2", None),
    ],
)
def test_the_group_that_openssl_chooses(
    openssl_server: t.Callable[..., int], options: t.Tuple[str, ...], version: str, group: t.Optional[str]
) -> None:
    endpoint = read_endpoint("127.0.0.1", openssl_server(*options))
    values = client.look_values(client.look(endpoint, NOW, ["rsa"], attempts=1)[0])
    assert (values["error"], values["served"]) == (None, True)
    assert (values["tls_version"], values["key_exchange_group"]) == (version, group)


def test_timestamps_in_the_handshake_of_openssl(openssl_server: t.Callable[..., int], tmp_path: Path) -> None:
    body = base64.b64encode(extension(18, timestamps(2))).decode()
    (tmp_path / "info.pem").write_text(f"-----BEGIN SERVERINFO FOR CT-----\n{body}\n-----END SERVERINFO FOR CT-----\n")
    endpoint = read_endpoint("127.0.0.1", openssl_server("-tls1_2", "-serverinfo", "info.pem"))
    values = client.look_values(client.look(endpoint, NOW, ["rsa"], attempts=1)[0])
    assert values["signed_certificate_timestamps"] == {"certificate": 0, "staple": None, "handshake": 2}


@pytest.mark.skipif(tls_keys.X25519_MLKEM768 not in tls_keys.OFFERED, reason="this cryptography has no ML-KEM")
def test_a_secret_is_shared_by_the_hybrid_group() -> None:
    from cryptography.hazmat.primitives.asymmetric import mlkem

    ours, theirs = KeyShares(), KeyShares()
    share = ours.share(tls_keys.X25519_MLKEM768)
    assert len(share) == 1184 + 32
    post_quantum, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(share[:1184]).encapsulate()
    classic = theirs.share(tls_keys.X25519)
    secret = ours.secret(tls_keys.X25519_MLKEM768, ciphertext + classic)
    assert secret == post_quantum + theirs.secret(tls_keys.X25519, share[1184:])
    for damaged in (b"", ciphertext, ciphertext + classic[1:], ciphertext[1:] + classic):
        with pytest.raises(MalformedError):
            ours.secret(tls_keys.X25519_MLKEM768, damaged)


def test_old_servers_get_a_small_hello() -> None:
    server = Server(CHAIN)
    assert see(Wire(server.answer))["key_exchange_group"] == "x25519"
    (hello,) = server.hellos
    assert list(hello.shares) == [0x1D, 0x17] and len(hello.message) < 600


def flight12(rest: bytes) -> t.Callable[[bytes], bytes]:
    """A server of TLS 1.2 whose messages after the staple are these."""

    def answer(data: bytes) -> bytes:
        whole = Server(CHAIN, [GOOD], version=tls.TLS12, cipher=RSA_CIPHER).answer(data)
        return record(22, whole[5:].partition(message(12, b"key exchange"))[0]) + rest

    return answer


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        record(22, message(14)),
        record(22, message(12, b"")),
        record(22, message(12, b"\3")),
        record(22, message(12, b"\1\0\0\0")),
        record(22, b"\x0c\xff\xff\xff"),
        record(21, b"\2\x28"),
        b"HTTP/1.1 400 Bad Request\r\n",
        record(22, message(11) * 100),
    ],
)
@pytest.mark.parametrize("piece", [1, 65536])
def test_a_group_that_is_not_told_costs_nothing_else(rest: bytes, piece: int) -> None:
    values = see(Wire(flight12(rest), piece=piece))
    assert (values["acceptable"], values["key_exchange_group"]) == (True, None)


@pytest.mark.parametrize("piece", [1, 65536])
def test_a_group_without_a_name_is_shown_by_its_number(piece: int) -> None:
    values = see(Wire(flight12(record(22, message(12, b"\3" + number(0x2A, 2)))), piece=piece))
    assert values["key_exchange_group"] == "0x002a"


def test_a_server_that_stalls_after_its_staple_has_served_it() -> None:
    wire = Wire(flight12(b""))
    receive = wire.receive

    def stall() -> bytes:
        data = receive()
        if not data:
            raise ProbeError("timeout", "does not send ServerKeyExchange within 10 s")
        return data

    wire.receive = stall  # type: ignore[method-assign]
    assert see(wire)["acceptable"]


# Timestamps


@pytest.mark.parametrize("version", [tls.TLS12, tls.TLS13])
def test_timestamps_are_counted_by_the_way_they_came(version: int) -> None:
    leaf = forge.leaf(
        ISSUER,
        "www.example.com",
        extensions=[*PLAIN, listed(TIMESTAMPS_OF_CERTIFICATE, timestamps(3))],
        private_key=forge.key("rsa2048"),
    )
    single = forge.single(leaf, ISSUER, extensions=[listed(TIMESTAMPS_OF_STAPLE, timestamps(1))])
    staple = forge.response(single, signer=ISSUER)
    cipher = RSA_CIPHER if version == tls.TLS12 else None
    values = see(Wire(Server([leaf.der, ISSUER.der], [staple], version=version, cipher=cipher).answer))
    assert values["acceptable"], values["msg"]
    assert values["signed_certificate_timestamps"] == {"certificate": 3, "staple": 1, "handshake": 0}


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (None, 0),
        (timestamps(0), 0),
        (timestamps(4), 4),
        (b"", None),
        (b"\0\5\0\1x", None),
        (timestamps(1) + b"x", None),
    ],
)
def test_timestamps_that_cannot_be_read_are_not_counted(data: t.Optional[bytes], count: t.Optional[int]) -> None:
    assert tls.count_timestamps(data) == count


def test_timestamps_of_what_is_not_there_are_not_counted() -> None:
    assert see(Wire(Server(CHAIN).answer))["signed_certificate_timestamps"]["staple"] is None
    gone = client.look(read_endpoint("x.test"), NOW, ["rsa"], dial=Network(ProbeError("unreachable", "is gone")))
    assert client.look_values(gone[0])["signed_certificate_timestamps"] == {
        "certificate": None,
        "staple": None,
        "handshake": None,
    }


# The issuer


@pytest.mark.parametrize(
    "expectation",
    [
        Expectation(issuers=certificates(ROOT)),
        Expectation(roots=certificates(ROOT)),
        Expectation(roots=certificates(STRANGER, ROOT)),
        Expectation(issuers=certificates(ROOT), roots=certificates(ROOT)),
        Expectation(issuers=certificates(ISSUER), roots=certificates(ROOT)),
        Expectation(issuers=certificates(ISSUER)),
        Expectation(roots=certificates(ISSUER)),
    ],
)
def test_the_issuer_is_found_in_what_is_served_and_leads_to_the_root(expectation: Expectation) -> None:
    values = see(Wire(Server(CHAIN, [GOOD]).answer), expectation=expectation)
    assert values["acceptable"], values["msg"]


def test_a_longer_chain_leads_to_the_root_as_well() -> None:
    middle = forge.authority("Middle", ROOT)
    issuer = forge.authority("Lower", middle)
    leaf = forge.leaf(issuer, "www.example.com", extensions=PLAIN, private_key=forge.key("rsa2048"))
    staple = forge.response(forge.single(leaf, issuer), signer=issuer)
    served = [leaf.der, middle.der, issuer.der]
    values = see(Wire(Server(served, [staple]).answer), expectation=Expectation(issuers=certificates(ROOT)))
    assert values["acceptable"], values["msg"]


def test_a_root_that_issued_the_certificate_itself() -> None:
    leaf = forge.leaf(ROOT, "www.example.com", extensions=PLAIN, private_key=forge.key("rsa2048"))
    staple = forge.response(forge.single(leaf, ROOT), signer=ROOT)
    for expectation in (Expectation(issuers=certificates(ROOT)), Expectation(roots=certificates(ROOT))):
        assert see(Wire(Server([leaf.der], [staple]).answer), expectation=expectation)["acceptable"]


@pytest.mark.parametrize(
    ("expectation", "option"),
    [
        (Expectation(issuers=certificates(STRANGER), issuer_source="issuer_path: /ca.pem"), "issuer_path: /ca.pem"),
        (Expectation(roots=certificates(STRANGER), root_source="root_path: /ca.pem"), "root_path: /ca.pem"),
    ],
)
@pytest.mark.parametrize("staple", [GOOD, None])
def test_a_chain_that_leads_elsewhere_is_said(expectation: Expectation, option: str, staple: t.Optional[bytes]) -> None:
    values = see(Wire(Server(CHAIN, [staple]).answer), expectation=expectation)
    finding = values["findings"][0]
    assert (finding["code"], finding["severity"]) == ("issuer_mismatch", "error")
    assert finding["message"] == (
        "the issuer CN=Private Issuing CA,O=Forge in the served chain does not chain to any certificate of "
        f"{option}: the certificate of CN=Private Root,O=Forge, which issued CN=Private Issuing CA,O=Forge, is "
        "missing; append it to the chain"
    )


def test_a_server_without_the_intermediate_is_told_from_one_of_another_ca() -> None:
    values = see(Wire(Server([LEAF.der], [GOOD]).answer), expectation=Expectation(roots=certificates(ROOT)))
    assert [finding["code"] for finding in values["findings"]] == ["missing_issuer"]
    assert "have the server send it, or give it with issuer_path" in values["msg"]
    values = see(Wire(Server([LEAF.der], [GOOD]).answer), expectation=Expectation(issuers=certificates(ROOT)))
    assert values["msg"] == (
        "issuer_path does not contain the issuer of CN=www.example.com,O=Forge: it was issued by "
        "CN=Private Issuing CA,O=Forge, not by CN=Private Root,O=Forge; give the certificate of "
        "CN=Private Issuing CA,O=Forge; the server does not send it either"
    )
