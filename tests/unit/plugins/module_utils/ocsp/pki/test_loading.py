# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host's own OpenSSL says of a certificate and its key."""

from __future__ import annotations

import os
import ssl

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import loading
from ansible_collections.certops.ocsp.tests.unit import forge

ROOT = forge.authority("Root")
ISSUER = forge.authority("Issuer", ROOT)
WEAK_KEY = forge.authority("Weak Key", ROOT, private_key=forge.key("rsa1024", "weak"))
WEAK_DIGEST = forge.authority("Weak Digest", ROOT, scheme="ecdsa_sha1")


def leaf(kind: str = "p256", issuer: forge.Entity = ISSUER, scheme: str = "ecdsa_sha256") -> forge.Entity:
    return forge.leaf(issuer, private_key=forge.key(kind, "loading"), scheme=scheme)


#: Later versions load it, while browsers still refuse it, which the path says.
MINDS_SHA1 = pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO >= (3, 5), reason="OpenSSL 3.5 loads what SHA-1 signed")


def load(one: forge.Entity, *chain: forge.Entity, key: bytes = b"") -> loading.Loaded:
    return loading.try_load(b"".join(entity.pem for entity in (one, *chain)), key or forge.private_pem(one.key))


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa4096", "ed25519", "ed448", "brainpool"])
def test_sound_ones_are_loaded(kind: str) -> None:
    assert load(leaf(kind), ISSUER) == ("", "")


@pytest.mark.parametrize(
    ("one", "chain", "sentence"),
    [
        (leaf("rsa1024"), [ISSUER], "leaf.example.com,O=Forge: its key is too small; generate a new one"),
        (leaf("p192"), [ISSUER], "leaf.example.com,O=Forge: its key is too small; generate a new one"),
        pytest.param(
            leaf(scheme="ecdsa_sha1"),
            [ISSUER],
            "leaf.example.com,O=Forge: it was signed with a digest that is too weak",
            marks=MINDS_SHA1,
        ),
        pytest.param(
            leaf(issuer=WEAK_DIGEST),
            [WEAK_DIGEST],
            "CN=Weak Digest,O=Forge: it was signed with a digest",
            marks=MINDS_SHA1,
        ),
        (
            leaf(issuer=WEAK_KEY, scheme="rsa_sha256"),
            [WEAK_KEY],
            "CN=Weak Key,O=Forge: its key is too small; ask the CA",
        ),
        pytest.param(leaf(), [ISSUER, WEAK_DIGEST], "CN=Weak Digest,O=Forge: it was signed", marks=MINDS_SHA1),
    ],
)
def test_what_servers_refuse_by_default_is_a_warning(
    one: forge.Entity, chain: list[forge.Entity], sentence: str
) -> None:
    refusal, warning = load(one, *chain)
    assert refusal == ""
    assert sentence in warning and "servers on this host will not load" in warning and "security level" in warning


def test_another_key_is_refused() -> None:
    for kind in ("p256", "rsa2048"):
        refusal, warning = load(leaf(), ISSUER, key=forge.private_pem(forge.key(kind, "another")))
        assert "CN=leaf.example.com,O=Forge: the private key does not match it" in refusal
        assert warning == ""


@pytest.mark.parametrize(
    "oid, name",
    [
        (forge.UNKNOWN_OID, forge.UNKNOWN_OID),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65 (2.16.840.1.101.3.4.3.18)"),
        ("2.16.840.1.101.3.4.3.31", "SLH-DSA-SHAKE-256f (2.16.840.1.101.3.4.3.31)"),
    ],
)
def test_unknown_kinds_are_refused(oid: str, name: str) -> None:
    algorithm = forge.sequence(forge.oid(oid))
    key = forge.armour(forge.sequence(forge.integer(0), algorithm, forge.octets(b"x")), "PRIVATE KEY")
    public = forge.sequence(algorithm, forge.bits(b"x"))
    refusal, _warning = load(forge.leaf(ISSUER, raw_key=public), ISSUER, key=key)
    assert refusal.endswith(f"CN=leaf.example.com,O=Forge: this kind of key is not supported: {name}")


def test_no_password_is_asked_for() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    key += b"DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
    key += b"AAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n"
    assert load(leaf(), ISSUER, key=key).refusal


def test_nothing_stays_open() -> None:
    before = os.listdir("/proc/self/fd")
    load(leaf(), ISSUER)
    load(leaf("rsa1024"), ISSUER)
    assert os.listdir("/proc/self/fd") == before
