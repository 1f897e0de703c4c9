# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a file holds in which no certificate or no private key was found, and the command that converts it.

Each sentence goes on after the name of the file. A command stands in single quotes and makes the file NEW of the file
OLD, which for a private key only its owner can open. No message quotes anything that may be secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ..asn1 import der
from ..errors import MalformedError
from ..text import clean

#: What belongs in a file.
CERTIFICATE, KEY = "a certificate", "the private key"

#: Kinds of private keys by what the DER looks like; like all kinds they are PEM labels.
PKCS8, PKCS1, SEC1, DSA = "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"
KEYS = (PKCS8, PKCS1, SEC1, DSA)
ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_CERTIFICATE, _REQUEST, _RESPONSE = "CERTIFICATE", "CERTIFICATE REQUEST", "OCSP RESPONSE"
_PKCS7, _PKCS12, _OPENSSH = "PKCS7", "PKCS12", "OPENSSH PRIVATE KEY"
_SAME = {
    "CMS": _PKCS7,
    "PKCS #7 SIGNED DATA": _PKCS7,
    "NEW CERTIFICATE REQUEST": _REQUEST,
    "X509 CERTIFICATE": _CERTIFICATE,
    "TRUSTED CERTIFICATE": _CERTIFICATE,
    "RSA PUBLIC KEY": "PUBLIC KEY",
}
_NAMES = {
    **dict.fromkeys((*KEYS, ENCRYPTED, _OPENSSH), "a private key"),
    "PUBLIC KEY": "a public key",
    _CERTIFICATE: "a certificate",
    _RESPONSE: "an OCSP response",
    _REQUEST: "a certificate signing request (CSR)",
    "X509 CRL": "a revocation list (CRL)",
}
_ADVICE = {
    (_REQUEST, CERTIFICATE): "; give the certificate that the CA issued for this request (CSR)",
    (_REQUEST, KEY): "; give the key that the request was made with",
    (_CERTIFICATE, KEY): "; give the key that its request was made with",
    ("PUBLIC KEY", KEY): "; give the whole key, from which 'openssl pkey -pubout' made this one",
}

#: What all content types of PKCS#7 (RFC 2315) begin with.
_PKCS7_OIDS = "1.2.840.113549.1.7."
_ENUMERATED = 0x0A

_SPACE = re.compile(rb"\s+|\xef\xbb\xbf")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_LONGEST_BASE64 = 1024 * 1024
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?<(?:!doctype\s+html|html|head|body|\?xml|error)\b", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>([^<]*)", re.IGNORECASE)
#: What stands between lines in a form that was sent by a browser, and in a page.
_WEB_LINE_END = re.compile(rb"-----(%0[AD]|<br ?/?>|&#(?:10|13);)", re.IGNORECASE)
#: BEGIN after dashes that a word processor made of hyphens.
_DASHES = re.compile(rb"(?:\xe2\x80[\x90-\x95]|\xe2\x88\x92|\xc2\xad)+-*\s?BEGIN ")
_OPENSSH_BODY = re.compile(rb"BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END")
_OPENSSH_PLAIN = b"openssh-key-v1\0\0\0\0\4none"

_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

#: OpenSSH 9 leaves a key of this kind in its own format, whatever is asked for.
_CONVERT_ED25519 = (
    'umask 077; python3 -c "import sys; from cryptography.hazmat.primitives import serialization as s; '
    "sys.stdout.buffer.write(s.load_ssh_private_key(sys.stdin.buffer.read(), None).private_bytes(s.Encoding.PEM, "
    's.PrivateFormat.PKCS8, s.NoEncryption()))" < OLD > NEW'
)

#: What a command begins with that makes files itself.
_PRIVATELY = {CERTIFICATE: "", KEY: "umask 077; "}
#: What is to be taken out of PKCS#12, and the options of openssl for that.
_FROM_STORE = {CERTIFICATE: ("its certificates", "-nokeys"), KEY: ("the key", "-nodes -nocerts")}

#: How the DER is wrapped. _OTHER_PEM has a label that openssl does not expect.
_PEM, _OTHER_PEM, _DER, _BASE64_ALONE = "PEM", "other PEM", "DER", "Base64"


def elements(content: bytes) -> t.List[t.Tuple[int, bytes]]:
    """Tags and contents of what a SEQUENCE holds; nothing where it is none."""
    found: t.List[t.Tuple[int, bytes]] = []
    try:
        reader = der.Reader(content, "key").last()
        while not reader.at_end() and len(found) < 16:
            tag = reader.peek()
            found.append((tag, reader.content(tag)))
    except MalformedError:
        return []
    return found


def kind_of(content: bytes) -> str:
    """The PEM label that fits the DER, or an empty string."""
    parts = elements(content)
    tags = [tag for tag, _content in parts]
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
        return PKCS8
    if tags[:2] == [der.INTEGER, der.OCTET_STRING]:
        return SEC1
    if set(tags) == {der.INTEGER} or (set(tags[:9]) == {der.INTEGER} and len(tags) == 10):
        return {2: "RSA PUBLIC KEY", 6: DSA, 9: PKCS1, 10: PKCS1}.get(len(tags), "")
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        return ENCRYPTED
    if tags == [der.SEQUENCE, der.BIT_STRING]:
        return "PUBLIC KEY"
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        inner = [tag for tag, _content in elements(der.encode(der.SEQUENCE, parts[0][1]))]
        return _REQUEST if inner[3:] == [der.context(0)] and inner[0] == der.INTEGER else _CERTIFICATE
    if tags[:2] == [der.INTEGER, der.SEQUENCE]:
        return _PKCS12
    if tags[:1] == [_ENUMERATED]:
        return _RESPONSE
    return _PKCS7 if _holds_pkcs7(content) else ""


def _holds_pkcs7(data: bytes) -> bool:
    """Whether DER, or BER as some programs write it, is PKCS#7 (RFC 2315) of any content type."""
    start = der.encode_oid(_PKCS7_OIDS.rstrip("."))[2:]
    return data[:1] == b"\x30" and start in data[:24]


def encoding_problem(data: bytes, wanted: str) -> str:
    """What was done to the text of a PEM file so that nothing can be read in it, or an empty string.

    ``wanted`` is CERTIFICATE or KEY.
    """
    encoding = _wide_encoding(data)
    if encoding:
        shown = encoding[:6]
        return f"is encoded in {shown}; convert it with {_redirected(f'iconv -f {encoding} -t UTF-8 OLD', wanted)}"
    if b"-----\\n" in data or b"-----\\r\\n" in data:
        command = _redirected('printf %b "$(cat OLD)"', wanted)
        return (
            "has the two characters '\\n' where lines should end; write real ends of line (in YAML a block with '|', "
            f"or double quotes around the text), or convert the file with {command}"
        )
    web = _WEB_LINE_END.search(data)
    if web:
        return f"has '{web.group(1).decode('ascii')}' where lines should end; copy it again as plain text"
    return ""


def _wide_encoding(data: bytes) -> str:
    """The encoding of text with more than one octet for each character, or an empty string."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding
    width = 32 if b"-\0\0\0-\0\0\0" in data else 16 if b"-\0-\0" in data else 0
    return f"UTF-{width}{'BE' if data.startswith(bytes(1)) else 'LE'}" if width else ""


def other_content(data: bytes, labels: t.Sequence[str], wanted: str) -> str:
    """What a file holds in place of what is ``wanted``, CERTIFICATE or KEY; ``labels`` are those of its PEM blocks."""
    if labels:
        return _of_kind(labels[0], wanted, _PEM, data)
    if data[:1] == b"\x30":
        kind = kind_of(data)
        return _of_kind(kind, wanted, _DER, data) if kind else ""
    foreign = _of_other_program(data, wanted) or _of_the_web(data)
    return foreign or _of_base64(data, wanted)


def mislabelled(content: bytes, wanted: str) -> str:
    """What a PEM block with the label of what is ``wanted`` holds in place of it; empty where that is not known."""
    kind = kind_of(content)
    return _of_kind(kind, wanted, _OTHER_PEM, content) if kind else ""


def _of_kind(label: str, wanted: str, wrapping: str, data: bytes) -> str:
    kind = _SAME.get(label, label)
    if kind == _PKCS7:
        return _of_pkcs7(label, wanted, wrapping)
    if kind == _PKCS12:
        what, options = _FROM_STORE[wanted]
        command = _openssl("pkcs12", options, wrapping, wanted)
        return f"contains PKCS#12; take {what} out with {command} (openssl 3 needs -legacy for an old file)"
    advice = _ADVICE.get((kind, wanted), "")
    if wanted == KEY and kind in (*KEYS, ENCRYPTED, _OPENSSH):
        return _of_key(kind, wrapping, data)
    if kind == _CERTIFICATE and wanted == CERTIFICATE and wrapping == _BASE64_ALONE:
        command = _openssl("x509", "", wrapping, wanted)
        return f"contains a certificate without its first and last line; convert it with {command}"
    block = f"a PEM block '{label}'"
    if wrapping == _PEM and wanted == CERTIFICATE and kind not in (*KEYS, ENCRYPTED, _OPENSSH):
        return f"contains {block} instead of a certificate{advice}"
    return f"contains {_NAMES.get(kind, block)} instead of {wanted}{advice}"


def _of_pkcs7(label: str, wanted: str, wrapping: str) -> str:
    if wanted == KEY:
        return (
            "contains PKCS#7, which has certificates and no private key; give the key that was made for the "
            "certificate's request"
        )
    if wrapping == _PEM and label != _PKCS7:
        wrapping = _OTHER_PEM
    return f"contains PKCS#7; take its certificates out with {_openssl('pkcs7', '-print_certs', wrapping, wanted)}"


def _of_key(kind: str, wrapping: str, data: bytes) -> str:
    if kind == _OPENSSH:
        return _of_openssh(data)
    if kind == ENCRYPTED:
        tool = "pkey" if wrapping == _PEM else "pkcs8"
        return (
            "contains a private key that is protected by a password, so servers cannot load it unattended; remove the "
            f"password with {_openssl(tool, '', wrapping, KEY)}"
        )
    what = "in DER" if wrapping == _DER else "without its first and last line"
    return f"contains a private key {what}; convert it to PEM with {_openssl('pkey', '', wrapping, KEY)}"


def _of_openssh(data: bytes) -> str:
    body = _OPENSSH_BODY.search(data)
    content = _decoded(body.group(1)) if body else b""
    what = "contains a private key in OpenSSH format, which TLS servers do not read"
    if b"ssh-ed25519" not in content:
        return f"""{what}; convert it with 'install -m 600 OLD NEW && ssh-keygen -p -N "" -m PKCS8 -f NEW'"""
    if content.startswith(_OPENSSH_PLAIN):
        return f"{what}; convert it with '{_CONVERT_ED25519}' (ssh-keygen may not convert Ed25519)"
    return (
        f"{what}, and with a password; remove that first with 'install -m 600 OLD NEW && ssh-keygen -p -N \"\" -f NEW'"
    )


def _of_other_program(data: bytes, wanted: str) -> str:
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        what, options = _FROM_STORE[wanted]
        return (
            "contains a Java keystore; convert it with 'keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 "
            f"-deststoretype PKCS12', then take {what} out with 'openssl pkcs12 {options} -in NEW.p12 -out NEW'"
        )
    if data.lstrip().startswith(b"PuTTY-User-Key-File"):
        if wanted == CERTIFICATE:
            return "contains a PuTTY private key instead of a certificate"
        return (
            "contains a PuTTY private key, which TLS servers do not read; export it with "
            "'puttygen OLD -O private-openssh -o NEW'"
        )
    if data.startswith((b"ssh-", b"ecdsa-sha2-")):
        return f"contains an OpenSSH public key instead of {wanted}"
    if data.startswith(b"$ANSIBLE_VAULT;"):
        return (
            "is encrypted with Ansible Vault; decrypt it with 'ansible-vault decrypt --output NEW OLD', or let Ansible "
            "do it with the lookup ansible.builtin.unvault"
        )
    if data.startswith(b"\x1f\x8b"):
        return f"is compressed; unpack it with {_redirected('gzip -dc OLD', wanted)}"
    if data.startswith(b"PK\3\4"):
        return "is a ZIP archive; unpack it with 'unzip OLD'"
    return ""


def _of_the_web(data: bytes) -> str:
    """What was saved of a web page, or copied from one."""
    if _MARKUP.match(data):
        title = _TITLE.search(data)
        text = clean(" ".join(title.group(1).decode("utf-8", "replace").split()), 60) if title else ""
        named = f" with the title '{text}'" if text else ""
        return f"contains a web page{named}, maybe an error or login page; download the file again"
    if data.lstrip()[:1] in (b"{", b"["):
        return "contains JSON, maybe the answer of an API; give what is in it as PEM"
    if _DASHES.search(data):
        return (
            "has the dashes of a word processor in its first or last line, which must be '-----BEGIN ...-----'; copy "
            "it again as plain text"
        )
    return ""


def _of_base64(data: bytes, wanted: str) -> str:
    content = _decoded(data)
    if b"-----BEGIN " in content:
        command = _redirected("base64 -di OLD", wanted)
        return f"contains the Base64 of a PEM file; decode it first, with {command} or the filter b64decode"
    kind = kind_of(content) if content else ""
    return _of_kind(kind, wanted, _BASE64_ALONE, data) if kind else ""


def _decoded(data: bytes) -> bytes:
    """What Base64 stands for, or nothing where it is none."""
    text = _SPACE.sub(b"", data) if len(data) <= _LONGEST_BASE64 else b""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4)) if _BASE64.fullmatch(text) else b""
    except binascii.Error:
        return b""


def _openssl(tool: str, options: str, wrapping: str, wanted: str) -> str:
    """The command of openssl that reads what is wrapped so."""
    form = " -inform DER" if tool != "pkcs12" and wrapping != _PEM else ""
    command = f"openssl {tool}{form}{f' {options}' if options else ''}"
    is_bare = wrapping == _BASE64_ALONE
    if not is_bare and wrapping != _OTHER_PEM and not (wrapping == _PEM and tool == "pkcs12"):
        return f"'{command} -in OLD -out NEW'"
    # In a file, since openssl may ask for a password where a pipe would be read.
    unwrapped = "base64 -di OLD" if is_bare else 'sed "/-----/d" OLD | base64 -di'
    return f"'{_PRIVATELY[wanted]}{unwrapped} > NEW.der && {command} -in NEW.der -out NEW'"


def _redirected(command: str, wanted: str) -> str:
    """A command whose output is the new file."""
    return f"'{_PRIVATELY[wanted]}{command} > NEW'"
