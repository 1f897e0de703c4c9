# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys and passwords among values: recognized in whatever form, and not where there are none."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import typing as t
import urllib.parse

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import encode_pem
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

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

PLAIN: t.Dict[str, bytes] = {
    "PKCS#8": PEM.encode(),
    "PKCS#1": private(RSA, "PEM", "TraditionalOpenSSL"),
    "SEC 1": private(EC, "PEM", "TraditionalOpenSSL"),
    "EC": private(EC, "PEM", "PKCS8"),
    "Ed25519": forge.private_pem(ED),
    "under a password": private(RSA, "PEM", "PKCS8", b"x"),
    "EC under a password": private(EC, "PEM", "PKCS8", b"x"),
    "OpenSSH": private(ED, "PEM", "OpenSSH"),
}


def before_each_line(prefix: str) -> t.Callable[[str], str]:
    return lambda pem: "".join(f"{prefix}{line}\n" for line in pem.splitlines())


def der(pem: str) -> bytes:
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("--")))


#: What people and programs make of a key on its way into an option.
FORMS: t.Dict[str, t.Callable[[str], t.Union[str, bytes]]] = {
    **{
        f"with {prefix!r}": before_each_line(prefix)
        for prefix in ("# ", "#", "> ", ">> ", "// ", "; ", "- ", "  | ", "* ", "+", "\u00a0", '"')
    },
    "with spaces that do not break": lambda pem: pem.replace("\n", "\u00a0"),
    "with <br>": lambda pem: pem.replace("\n", "<br/>"),
    "in URLs": urllib.parse.quote,
    "in forms": urllib.parse.quote_plus,
    "in JSON twice": lambda pem: json.dumps(json.dumps({"key": pem})),
    "in JSON with its solidus": lambda pem: json.dumps(pem).replace("/", "\\/"),
    "in JSON as numbers of characters": lambda pem: "".join(f"\\u{ord(one):04x}" for one in pem),
    "in HTML": lambda pem: "".join(f"&#{ord(one)};" if one in "\n +/=" else one for one in pem),
    "as a data URL": lambda pem: f"data:application/x-pem-file;base64,{base64.b64encode(pem.encode()).decode()}",
    "after a name": lambda pem: f"key={base64.b64encode(pem.encode()).decode()}",
    "after a long name": lambda pem: f"key_of_the_server: {base64.b64encode(der(pem)).decode()}",
    "in a manifest": lambda pem: f"data:\n  tls.crt: aGVsbG8=\n  tls.key: {base64.b64encode(pem.encode()).decode()}\n",
    "folded and quoted": lambda pem: before_each_line("# ")(base64.encodebytes(pem.encode()).decode()),
    "its body, quoted": lambda pem: before_each_line("> ")(base64.encodebytes(der(pem)).decode()),
    "its body, folded": lambda pem: f"key: |\n  {base64.encodebytes(der(pem)).decode()}",
    "as JSON in Base64": lambda pem: base64.b64encode(json.dumps({"data": {"key": pem}}).encode()),
    "for URLs": lambda pem: base64.urlsafe_b64encode(der(pem)),
    "in hexadecimal digits": lambda pem: der(pem).hex(),
    "in pairs of digits": lambda pem: der(pem).hex(":").upper(),
    "in C": lambda pem: ", ".join(f"0x{octet:02x}" for octet in der(pem)),
    "in a shell": lambda pem: "".join(f"\\x{octet:02x}" for octet in der(pem)),
    "in hexadecimal digits as PEM": lambda pem: pem.encode().hex(),
    "UTF-16 in Base64": lambda pem: base64.b64encode(pem.encode("utf-16")),
}

D = base64.urlsafe_b64encode(EC.private_numbers().private_value.to_bytes(32, "big")).rstrip(b"=").decode()
JWK = {"kty": "EC", "crv": "P-256", "x": D[::-1], "y": D[::-1], "d": D}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PLAIN)
def test_a_key_is_recognized_in_any_form(name: str, form: str) -> None:
    text = FORMS[form](PLAIN[name].decode())
    assert secrets.holds_private_key(text)
    if isinstance(text, str):
        assert secrets.holds_private_key(f"the file is:\n\n{text}\nand no more")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JWK),
        json.dumps({"keys": [JWK]}, indent=2),
        json.dumps(json.dumps(JWK)),
        repr(JWK),
        f"kty: EC\ncrv: P-256\nd: {D}\n",
        json.dumps({"kty": "oct", "k": D}),
        base64.b64encode(json.dumps(JWK).encode()),
    ],
)
def test_a_jwk_is_recognized(text: str) -> None:
    assert secrets.holds_private_key(text)


def test_a_jwk_is_recognized_in_its_parts() -> None:
    assert secrets.misplaced_keys({"certificates": [{"options": JWK}]}) == ["certificates[0].options"]
    assert secrets.redacted({"a": JWK}, ()) == {"a": secrets.HIDDEN}
    public = {name: value for name, value in JWK.items() if name != "d"}
    assert not secrets.misplaced_keys({"a": public}) and secrets.redacted(public, ()) == public


def test_what_openssl_shows_of_a_key_is_recognized(tmp_path: t.Any) -> None:
    for name, key in (("rsa", RSA), ("ec", EC), ("ed", ED)):
        (tmp_path / name).write_bytes(forge.private_pem(key))
        command = ["openssl", "pkey", "-in", str(tmp_path / name), "-text", "-noout"]
        assert secrets.holds_private_key(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def public_structures() -> t.Iterator[t.Tuple[str, bytes]]:
    """DER that is no secret, with names and keys of many lengths."""
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    for kind in ("rsa2048", "p256", "p384", "ed25519"):
        key = forge.key(kind, "public")
        digest = None if kind == "ed25519" else hashes.SHA256()
        yield f"public key {kind}", key.public_key().public_bytes(serialization.Encoding.DER, public)
        for length in (1, 2, 5, 11, 23, 40, 64):
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "n" * length)])
            request = x509.CertificateSigningRequestBuilder().subject_name(name)
            yield f"request {kind} {length}", request.sign(key, digest).public_bytes(serialization.Encoding.DER)
            crl = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(forge.NOW.replace(tzinfo=None))
            crl = crl.next_update(forge.NOW.replace(tzinfo=None))
            yield f"CRL {kind} {length}", crl.sign(key, digest).public_bytes(serialization.Encoding.DER)
            yield f"certificate {kind} {length}", forge.certificate("n" * length, private_key=key).der
    yield (
        "empty request",
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(EC, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER),
    )
    yield "OCSP response", forge.response()
    yield "DH", forge.sequence(forge.integer((1 << 2047) + 11), forge.integer(2))
    for form in ("named_curve", "explicit"):
        command = ["openssl", "ecparam", "-name", "prime256v1", "-param_enc", form, "-outform", "DER"]
        yield f"curve {form}", subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    command = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER"]
    yield "PKCS#7", subprocess.run(command, check=True, input=W.leaf.pem, stdout=subprocess.PIPE).stdout


PUBLIC = dict(public_structures())


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_no_key_in_any_form(name: str) -> None:
    octets = PUBLIC[name]
    pem = encode_pem(octets, "X509 CRL").decode()
    assert not secrets.holds_private_key(octets) and not secrets.holds_private_key(octets[:60])
    assert not secrets.holds_private_key(pem)
    for form, make in FORMS.items():
        assert not secrets.holds_private_key(make(pem)), form


@pytest.mark.parametrize("length", range(0xB0, 0xC8))
def test_a_crl_of_any_length_is_no_key(length: int) -> None:
    """Base64 of some lengths has a "+" or a "/" before what is signed, which begins as a key does."""
    algorithm = forge.sequence(forge.oid("1.2.840.10045.4.3.2"))
    signed = forge.sequence(forge.integer(1), algorithm, forge.sequence(forge.tlv(0x31, bytes(43))))
    rest = length - len(signed) - len(algorithm) - 3
    crl = forge.sequence(signed, algorithm, forge.tlv(0x03, bytes(rest if rest < 128 else rest - 1)))
    for form, make in FORMS.items():
        assert not secrets.holds_private_key(make(encode_pem(crl, "X509 CRL").decode())), form


@pytest.mark.parametrize("length", [16, 20, 32, 48, 64, 100, 1000])
def test_hashes_and_random_octets_are_no_keys(length: int) -> None:
    source = random.Random(length)
    for _one in range(3000 if length < 100 else 300):
        octets = bytes(source.getrandbits(8) for _octet in range(length))
        texts = [base64.b64encode(octets).decode(), base64.urlsafe_b64encode(octets).decode(), octets.hex()]
        for text in (*texts, octets.hex(":"), " ".join(texts), "\n".join(texts)):
            assert not secrets.holds_private_key(text), text


@pytest.mark.parametrize(
    "text",
    [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM root@host",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        json.dumps({"kty": "EC", "crv": "P-256", "x": D, "y": D, "kid": D}),
        "/etc/letsencrypt/live/www.example.com/MIIEaverylongname/privkey.pem",
        "https://example.com/MIIFazCCA1OgAwIBAgIR",
        "certificates: -----BEGIN PRIVATE KEY----- is missing in /etc/ssl/private/averyverylongname.key",
        "/etc/ssl/private/averyverylongname.key: '-----END PRIVATE KEY-----' is damaged",
        "-----BEGIN PRIVATE KEY-----: /etc/ssl/private/averyverylongname.key has no body",
        "0x30, 0x82, 0x01",
        "30:82:04:bd",
        "\n".join(["30"] * 100),
    ],
)
def test_text_that_only_looks_like_one_is_none(text: str) -> None:
    assert not secrets.holds_private_key(text)


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
