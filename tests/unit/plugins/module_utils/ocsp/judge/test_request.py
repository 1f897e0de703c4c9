# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes and the URL of a request."""

from __future__ import annotations

import base64
import urllib.parse

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import request
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.unit import forge
from hypothesis import given
from hypothesis import strategies as st

W = forge.world()


def target(leaf: forge.Entity, issuer: forge.Entity = W.issuer) -> Target:
    return Target(Certificate.from_der(leaf.der), Certificate.from_der(issuer.der))


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("key", ["p256", "rsa2048", "ed25519"])
def test_request(digest: str, key: str) -> None:
    world = forge.world(key)
    expected = forge.request(world.leaf, world.issuer, digest=digest)
    assert request.build_request(target(world.leaf, world.issuer), digest) == expected


def test_sha1_by_default() -> None:
    assert request.build_request(target(W.leaf)) == forge.request(W.leaf, W.issuer, digest="sha1")


@pytest.mark.parametrize("serial", [0, 1, 127, 128, 255, 256, 2**63, 2**152, 2**159 - 1, -1, -128, -129], ids=hex)
def test_serials(serial: int) -> None:
    leaf = forge.leaf(W.issuer, serial=serial)
    assert request.build_request(target(leaf)) == forge.request(leaf, W.issuer)


@pytest.mark.parametrize("length", [1, 16, 32, 128])
def test_nonce_is_an_octet_string_in_an_octet_string(length: int) -> None:
    nonce = bytes(range(length))
    data = request.build_request(target(W.leaf), "sha256", nonce)
    assert data == forge.request(W.leaf, W.issuer, digest="sha256", extensions=[forge.nonce(nonce)])
    assert forge.octets(forge.octets(nonce)) in data


def test_the_name_is_that_in_the_certificate() -> None:
    # RFC 6960 4.1.1: the issuer field of the certificate, not the subject of the issuer's.
    printable = forge.name("Issuing CA", tag=forge.PRINTABLE_STRING)
    leaf = forge.leaf(W.issuer, issuer_name=printable)
    hashed = forge.request(leaf, W.issuer._replace(subject=printable))
    assert request.build_request(target(leaf)) == hashed


URLS = {
    "bare": ("http://ocsp.example.com", "http://ocsp.example.com/"),
    "slash": ("http://ocsp.example.com/", "http://ocsp.example.com/"),
    "path": ("http://example.com/ocsp", "http://example.com/ocsp/"),
    "path and slash": ("http://example.com/ocsp/", "http://example.com/ocsp/"),
    "port": ("http://example.com:8080", "http://example.com:8080/"),
}
# In Base64 this has a plus, a slash and an equals sign.
AWKWARD = b"\xfb\xef\xbe\xff\xff\xff\x00"


@pytest.mark.parametrize("url, prefix", list(URLS.values()), ids=list(URLS))
def test_get_url(url: str, prefix: str) -> None:
    assert request.get_url(url, AWKWARD) == f"{prefix}%2B%2B%2B%2B%2F%2F%2F%2FAA%3D%3D"


@given(st.binary(max_size=200))
def test_get_url_can_be_undone(data: bytes) -> None:
    url = request.get_url("http://ocsp.example.com/x", data)
    encoded = url[len("http://ocsp.example.com/x/") :]
    assert not set(encoded) & set("+/=\n ")
    assert base64.b64decode(urllib.parse.unquote(encoded), validate=True) == data


def test_the_usual_request_fits_into_a_get() -> None:
    url = request.get_url("http://ocsp.example.com", request.build_request(target(W.leaf)))
    assert len(url) <= 255
