# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys and passwords among values: recognized in whatever form, and not where there are none."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives import serialization

RSA, EC, ED = (forge.key(kind, "secret") for kind in ("rsa2048", "p256", "ed25519"))
PEM = forge.private_pem(RSA).decode()
BODY = "".join(PEM.splitlines()[1:-1])
W = forge.world()
CERTIFICATE = W.leaf.pem.decode()
PASSWORD = "s3cr3t-pw"


def private(key: t.Any, encoding: str, form: str, password: bytes = b"") -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    octets: bytes = key.private_bytes(
        getattr(serialization.Encoding, encoding), getattr(serialization.PrivateFormat, form), hidden
    )
    return octets


KEYS: t.Dict[str, t.Union[str, bytes]] = {
    "PKCS#8": PEM,
    "PKCS#1": private(RSA, "PEM", "TraditionalOpenSSL"),
    "SEC 1": private(EC, "PEM", "TraditionalOpenSSL"),
    "Ed25519": forge.private_pem(ED),
    "under a password": private(RSA, "PEM", "PKCS8", b"x"),
    "under a password, of old": private(RSA, "PEM", "TraditionalOpenSSL", b"x"),
    "OpenSSH": private(RSA, "PEM", "OpenSSH"),
    "beside a certificate": CERTIFICATE + PEM,
    "before a certificate": PEM + CERTIFICATE,
    "in one line": PEM.replace("\n", " "),
    "without ends of lines": PEM.replace("\n", ""),
    "with the characters \\n": PEM.replace("\n", "\\n"),
    "with CR LF": PEM.replace("\n", "\r\n"),
    "as JSON": json.dumps([{"private_key_content": PEM}]),
    "as Python writes a list": repr(PEM.splitlines()),
    "cut off at the end": PEM[:100],
    "cut off at the start": PEM[-200:],
    "with damaged dashes": PEM.replace("-----", "--"),
    "cleaned for a message": PEM.replace("\n", "?"),
    "in Base64": base64.b64encode(PEM.encode()),
    "in Base64 twice": base64.b64encode(base64.b64encode(PEM.encode())),
    "in Base64 with ends of lines": base64.encodebytes(PEM.encode()),
    "without its first and last line": "\n".join(PEM.splitlines()[1:-1]),
    "without its first and last line, SEC 1": base64.b64encode(private(EC, "DER", "TraditionalOpenSSL")),
    "the start of that alone": BODY[:64],
    "DER": private(RSA, "DER", "PKCS8"),
    "DER as text": private(EC, "DER", "PKCS8").decode("latin-1"),
    "DER under a password": private(EC, "DER", "PKCS8", b"x"),
    "UTF-16": PEM.encode("utf-16"),
    "PuTTY": "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n",
    "with a comment in Unicode": f"# schl\u00fcssel \u20ac\n{PEM}",
}
NO_KEYS: t.Dict[str, t.Union[str, bytes]] = {
    "a certificate": CERTIFICATE,
    "its DER": W.leaf.der,
    "its DER in Base64": base64.b64encode(W.leaf.der),
    "a response in Base64": base64.b64encode(forge.response()),
    "a public key": EC.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ),
    "a path": "/etc/letsencrypt/live/www.example.com/averylongdirectoryname/privkey.pem",
    "a mode": "0400",
    "nothing": "",
    "a fingerprint": "ab" * 32,
    "a sentence": "the key /etc/ssl/private/averyveryverylongname.key holds a private key whose first or last line is "
    "damaged; they are '-----BEGIN PRIVATE KEY-----' and '-----END PRIVATE KEY-----'\n- a.example.com: other",
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_recognized(name: str) -> None:
    assert secrets.holds_private_key(KEYS[name])


@pytest.mark.parametrize("name", NO_KEYS)
def test_nothing_else_is_taken_for_one(name: str) -> None:
    assert not secrets.holds_private_key(NO_KEYS[name])


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ({"path": PEM}, ["path"]),
        ({"certificates": [{"name": "a"}, {"private_key_src": PEM}]}, ["certificates[1].private_key_src"]),
        ({"certificates": [{"private_key_content": PEM, "certificate_content": CERTIFICATE + PEM}]}, []),
        ({"certificates": [{"private_key_content": {"pem": PEM}}]}, ["certificates[0].private_key_content.pem"]),
        ({"certificates": [{"private_key_content": PEM.splitlines()}]}, ["certificates[0].private_key_content"]),
        ({"certificates": json.dumps([{"private_key_content": PEM}])}, ["certificates"]),
        ({"groups": [{PEM: {"domains": []}}]}, ["groups[0]"]),
        ({PEM: 1}, ["..."]),
        ({"a": {PEM: PEM}}, ["a"]),
        ({"names": ["a", PEM], "b": 5, "c": None}, ["names"]),
    ],
)
def test_a_key_that_is_misplaced_is_named_by_its_place(values: t.Dict[str, t.Any], places: t.List[str]) -> None:
    found = secrets.misplaced_keys(values, secrets.KEY_OPTIONS)
    assert found == places
    assert BODY[:16] not in secrets.key_refusal(found, secrets.KEY_OPTIONS)


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{PASSWORD}@proxy:3128",
        f"user:{PASSWORD}@proxy:3128",
        f"//user:{PASSWORD}@proxy",
        f"http://user:a/{PASSWORD}@b@proxy/",
        f"http://user:{PASSWORD}%40proxy/",
        f" HTTP://user:\x1b{PASSWORD}@proxy",
        f"ftp://{PASSWORD}@proxy",
    ],
)
def test_a_password_is_hidden_in_whatever_quotes_it(text: str) -> None:
    known = secrets.passwords({"certificates": [{"options": {"retries": [text]}}]})
    for quoted in (text, repr(text), f"'{text}' is not a whole number", f"got: {[text]}", "".join(map(_plain, text))):
        assert PASSWORD not in secrets.told(quoted, known), quoted
    assert PASSWORD not in json.dumps(secrets.redacted({"a": [text], text: 1}, (), known))


def _plain(char: str) -> str:
    return char if char.isprintable() else "?"


def test_what_is_secret_by_its_name_is_hidden_at_any_depth() -> None:
    options = {"certificates": [{"http_proxy": "plain", "private_key_content": None, "name": "a"}], "key": PEM}
    assert secrets.redacted(options, {"http_proxy", "private_key_content"}) == {
        "certificates": [{"http_proxy": secrets.HIDDEN, "private_key_content": None, "name": "a"}],
        "key": secrets.HIDDEN,
    }
    assert secrets.redacted(PEM.splitlines(), ()) == secrets.HIDDEN


def test_what_a_terminal_would_obey_is_not_told() -> None:
    assert secrets.told("one\x1b]0;x\x07\ntwo\u202e\x9b\r") == "one?]0;x?\ntwo???"
    results = {"responses": {"a": {"msg": "\x1b[2J", "path": "\x1b"}}}
    assert secrets.redacted(results, ()) == {"responses": {"a": {"msg": "?[2J", "path": "\x1b"}}}
