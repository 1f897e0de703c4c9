# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in another format: what is said of them, and that the command which is said turns them into the right one."""

from __future__ import annotations

import base64
import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import keys
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

PASSWORD = b"secret"
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl")

LEAF = forge.leaf(forge.world().issuer, private_key=forge.key("rsa2048"))
CHAIN = LEAF.pem + forge.world().issuer.pem
KEY = forge.private_pem(LEAF.key)
ED25519 = forge.key("ed25519")
KEY_DER = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
#: ENCRYPTED is of PKCS#8, and OLD_ENCRYPTED of the form before it.
ENCRYPTED, ENCRYPTED_DER = (
    LEAF.key.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD))
    for encoding in (Encoding.PEM, Encoding.DER)
)
OLD_ENCRYPTED = LEAF.key.private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(PASSWORD)
)


def openssl(*arguments: str, given: bytes = CHAIN) -> bytes:
    done = subprocess.run([str(OPENSSL), *arguments], input=given, capture_output=True, check=True)
    return done.stdout


def pkcs7(form: str) -> bytes:
    return openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", form)


def pkcs12() -> bytes:
    return openssl("pkcs12", "-export", "-passout", "pass:secret", given=KEY + CHAIN)


def openssh(key: t.Any) -> bytes:
    return t.cast(bytes, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def wide(encoding: str, mark: str = "") -> t.Callable[[bytes], bytes]:
    return lambda data: (mark + data.decode()).encode(encoding)


def bare(pem: bytes) -> bytes:
    """PEM without its first and last line."""
    return b"".join(pem.splitlines(keepends=True)[1:-1])


#: What is done to a file of text, and what is said of it.
TEXT: t.Dict[str, t.Tuple[t.Callable[[bytes], bytes], str]] = {
    "UTF-16 of PowerShell": (wide("utf-16-le", "\ufeff"), "is encoded in UTF-16; "),
    "UTF-16 with the other end first": (wide("utf-16-be", "\ufeff"), "is encoded in UTF-16; "),
    "UTF-16LE without a mark": (wide("utf-16-le"), "is encoded in UTF-16; "),
    "UTF-16BE without a mark": (wide("utf-16-be"), "is encoded in UTF-16; "),
    "UTF-16 with CR LF": (lambda data: wide("utf-16-le", "\ufeff")(data.replace(b"\n", b"\r\n")), "in UTF-16; "),
    "UTF-32": (wide("utf-32-le", "\ufeff"), "is encoded in UTF-32; "),
    "UTF-32BE without a mark": (wide("utf-32-be"), "is encoded in UTF-32; "),
    "ends of line as two characters": (lambda data: data.replace(b"\n", b"\\n"), r"the two characters '\n' "),
    "ends of line as four characters": (lambda data: data.replace(b"\n", b"\\r\\n"), r"the two characters '\n' "),
    "Base64 in one line": (base64.b64encode, "contains the Base64 of a PEM file; "),
    "Base64 in lines": (base64.encodebytes, "contains the Base64 of a PEM file; "),
    "Base64 with CR LF": (
        lambda data: base64.encodebytes(data).replace(b"\n", b"\r\n"),
        "contains the Base64 of a PEM file; ",
    ),
    "gzip": (gzip.compress, "is compressed; "),
}
CERTIFICATES: t.Dict[str, t.Tuple[t.Callable[[], bytes], str]] = {
    "PKCS#7 in PEM": (lambda: pkcs7("PEM"), "contains PKCS#7; take its certificates out with "),
    "PKCS#7 as CMS": (lambda: pkcs7("PEM").replace(b"PKCS7", b"CMS"), "contains PKCS#7; "),
    "PKCS#7 in DER": (lambda: pkcs7("DER"), "contains PKCS#7; "),
    "PKCS#7 in Base64 alone": (lambda: base64.encodebytes(pkcs7("DER")), "contains PKCS#7; "),
    "PKCS#12": (pkcs12, "contains PKCS#12; take its certificates out with "),
    "PKCS#12 in Base64": (lambda: base64.encodebytes(pkcs12()), "contains PKCS#12; "),
    "PKCS#12 in PEM": (lambda: forge.armour(pkcs12(), "PKCS12"), "contains PKCS#12; "),
    "Base64 of DER": (lambda: base64.b64encode(LEAF.der), "contains a certificate without its first and last line; "),
    "PEM without its lines": (lambda: bare(LEAF.pem), "contains a certificate without its first and last line; "),
}
KEYS: t.Dict[str, t.Tuple[t.Callable[[], bytes], str]] = {
    "DER": (lambda: KEY_DER, "contains a private key in DER; "),
    "DER of PKCS#1": (
        lambda: LEAF.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "contains a private key in DER; ",
    ),
    "Base64 of DER": (lambda: base64.b64encode(KEY_DER), "contains a private key without its first and last line; "),
    "PKCS#12": (pkcs12, "contains PKCS#12; take the key out with "),
    "PKCS#12 in Base64": (lambda: base64.encodebytes(pkcs12()), "contains PKCS#12; "),
    "PKCS#12 in PEM": (lambda: forge.armour(pkcs12(), "PKCS12"), "contains PKCS#12; "),
    "PKCS#12 under the label of a key": (lambda: forge.armour(pkcs12(), "PRIVATE KEY"), "contains PKCS#12; "),
    "encrypted": (lambda: ENCRYPTED, "is protected by a password, so servers cannot load it unattended; "),
    "encrypted as of old": (lambda: OLD_ENCRYPTED, "is protected by a password"),
    "encrypted in DER": (lambda: ENCRYPTED_DER, "that is protected by a password"),
    "encrypted under the label of a plain one": (
        lambda: forge.armour(ENCRYPTED_DER, "PRIVATE KEY"),
        "that is protected by a password",
    ),
    "OpenSSH": (lambda: openssh(LEAF.key), "in OpenSSH format, which TLS servers do not read; "),
    "OpenSSH, Ed25519": (lambda: openssh(ED25519), "in OpenSSH format"),
}
#: Of these nothing can be made that belongs there.
HOPELESS: t.Dict[str, t.Tuple[bytes, str, str]] = {
    "a page": (
        b"<!DOCTYPE html>\n<html><head><title>404\n Not Found</title></head></html>",
        "contains a web page with the title '404 Not Found', maybe an error or login page; download the file again",
        "",
    ),
    "a page without a title": (b"<html><body>Please log in</body></html>", "contains a web page, maybe an", ""),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "contains a web page, maybe an", ""),
    "JSON": (b'{"errors": ["permission denied"]}', "contains JSON, maybe the answer of an API", ""),
    "a vault": (b"$ANSIBLE_VAULT;1.1;AES256\n3132\n", "is encrypted with Ansible Vault; decrypt it with ", ""),
    "ZIP": (b"PK\3\4\x14\0", "is a ZIP archive; unpack it with 'unzip OLD'", ""),
    "request": (
        openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x", given=KEY) if OPENSSL else b"",
        "contains a PEM block 'CERTIFICATE REQUEST' instead of a certificate; give the certificate that the CA issued",
        "contains a certificate signing request (CSR) instead of the private key; give the key that",
    ),
    "request in DER": (
        openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x", "-outform", "DER", given=KEY)
        if OPENSSL
        else b"",
        "contains a certificate signing request (CSR) instead of a certificate; give the certificate that the CA",
        "contains a certificate signing request (CSR) instead of the private key",
    ),
    "public key": (
        LEAF.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "contains a PEM block 'PUBLIC KEY' instead of a certificate",
        "contains a public key instead of the private key; give the whole key",
    ),
    "public key in DER": (
        LEAF.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "contains a public key instead of a certificate",
        "contains a public key instead of the private key",
    ),
    "public key of OpenSSH": (
        LEAF.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "contains an OpenSSH public key instead of a certificate",
        "contains an OpenSSH public key instead of the private key",
    ),
    "response": (forge.response(), "contains an OCSP response instead of a certificate", ""),
    "path": (b"/etc/ssl/certs/www.pem\n", "contains no certificate in PEM or DER", "contains no private key in PEM"),
    "escaped for a URL": (CHAIN.replace(b"\n", b"%0A"), "has '%0A' where lines should end; copy it again", ""),
    "copied from a page": (CHAIN.replace(b"\n", b"<br>"), "has '<br>' where lines should end; copy it again", ""),
    "dashes of a word processor": (
        CHAIN.replace(b"-----", "\u2014".encode()),
        "has the dashes of a word processor in its first or last line",
        "",
    ),
}


def refusal(read: t.Callable[[bytes, str], t.Any], data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(data, "file.pem")
    message = caught.value.message
    assert message.startswith("file.pem ")
    assert "\n" not in message
    return message[len("file.pem ") :]


def convert(message: str, data: bytes, folder: Path) -> bytes:
    """What the commands of a message make of a file, with the password typed where one is asked for."""
    old, new = folder / "given", folder / "made"
    old.touch(0o600)
    old.write_bytes(data)
    commands = [command for command in re.findall(r"'([^']+)'", message) if "OLD" in command or "NEW" in command]
    assert commands, message
    for command in commands:
        line = command.replace("OLD", str(old)).replace("NEW", str(new)).replace("python3", sys.executable)
        done = subprocess.run(
            ["/bin/sh", "-c", f"umask 022; {line}"],
            input=PASSWORD + b"\n",
            capture_output=True,
            check=False,
            start_new_session=True,  # so that there is no terminal to ask
            env={"PATH": os.environ["PATH"], "SSH_ASKPASS_REQUIRE": "never"},
        )
        assert done.returncode == 0, (line, done.stderr)
    return new.read_bytes()


def ders(data: bytes) -> t.List[bytes]:
    return sorted(one.der for one in x509.load_certificates(data, "made"))


@pytest.mark.parametrize("what", TEXT)
def test_text_of_certificates_is_converted(what: str, tmp_path: Path) -> None:
    change, words = TEXT[what]
    message = refusal(x509.load_certificates, change(CHAIN))
    assert words in message
    assert ders(convert(message, change(CHAIN), tmp_path)) == ders(CHAIN)


@pytest.mark.parametrize("what", TEXT)
def test_text_of_a_key_is_converted(what: str, tmp_path: Path) -> None:
    change, words = TEXT[what]
    message = refusal(keys.read_key, change(KEY))
    assert words in message
    assert keys.read_key(convert(message, change(KEY), tmp_path), "made") == keys.read_key(KEY, "given")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600


@pytest.mark.parametrize("what", CERTIFICATES)
def test_certificates_are_converted(what: str, tmp_path: Path) -> None:
    make, words = CERTIFICATES[what]
    data = make()
    message = refusal(x509.load_certificates, data)
    assert words in message
    expected = CHAIN if "PKCS" in what else LEAF.pem
    assert ders(convert(message, data, tmp_path)) == ders(expected)


@pytest.mark.parametrize("what", KEYS)
def test_keys_are_converted(what: str, tmp_path: Path) -> None:
    make, words = KEYS[what]
    data = make()
    message = refusal(keys.read_key, data)
    assert words in message
    if "install -m 600" in message and not shutil.which("ssh-keygen"):
        pytest.skip("there is no ssh-keygen")
    made = keys.read_key(convert(message, data, tmp_path), "made")
    key = ED25519 if "Ed25519" in what else LEAF.key
    shown = openssl("pkey", "-pubout", "-outform", "DER", given=made)
    assert shown == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) & 0o077 == 0


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs the program ssh-keygen")
@pytest.mark.parametrize(("kind", "words"), [("rsa", "convert it with "), ("ed25519", "remove that first with ")])
def test_an_encrypted_key_of_openssh_is_converted(kind: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "secret", "-f", str(path)], check=True)
    message = refusal(keys.read_key, path.read_bytes())
    assert words in message
    assert f"{message} ".count("secret") == 0


@pytest.mark.parametrize("magic", [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"])
@pytest.mark.parametrize(("read", "words"), [(x509.load_certificates, "its certificates"), (keys.read_key, "the key")])
def test_a_keystore_of_java_is_named(magic: bytes, read: t.Callable[[bytes, str], t.Any], words: str) -> None:
    message = refusal(read, magic + b"\0\0\0\2")
    assert message.startswith("contains a Java keystore; convert it with 'keytool -importkeystore -srckeystore OLD ")
    assert f"then take {words} out with 'openssl pkcs12 " in message


def test_a_key_of_putty_is_named() -> None:
    data = b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n"
    assert refusal(keys.read_key, data).endswith("export it with 'puttygen OLD -O private-openssh -o NEW'")
    assert refusal(x509.load_certificates, data) == "contains a PuTTY private key instead of a certificate"


@pytest.mark.parametrize("what", HOPELESS)
def test_what_cannot_be_converted_is_named(what: str) -> None:
    data, of_certificate, of_key = HOPELESS[what]
    assert refusal(x509.load_certificates, data).startswith(of_certificate)
    if of_key:
        assert refusal(keys.read_key, data).startswith(of_key)


@pytest.mark.parametrize("data", [KEY, KEY_DER, base64.b64encode(KEY_DER), ENCRYPTED, ENCRYPTED_DER, OLD_ENCRYPTED])
def test_a_key_in_the_place_of_a_certificate_is_called_one(data: bytes) -> None:
    assert refusal(x509.load_certificates, data) == "contains a private key instead of a certificate"


@pytest.mark.parametrize("data", [CHAIN, LEAF.der, base64.b64encode(LEAF.der)])
def test_a_certificate_in_the_place_of_a_key_is_called_one(data: bytes) -> None:
    words = "contains a certificate instead of the private key; give the key that its request was made with"
    assert refusal(keys.read_key, data) == words
