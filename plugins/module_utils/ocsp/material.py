# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A private key, its certificate, the chain and the root: read, completed, and checked against one another."""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from . import certificate as x509
from . import der, signature
from .certificate import Certificate
from .errors import InputError, MalformedError
from .schedule import format_time

#: Octets of the largest private key file that is read.
KEY_LIMIT = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
_KEY_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_DNS_NAME = der.context(2, constructed=False)
_IP_ADDRESS = der.context(7, constructed=False)


@dataclass(frozen=True)
class Material:
    """What a server needs besides the staple.

    ``chain`` begins with the issuer and has no root in it. ``pool`` are all certificates of CAs that were given.
    """

    name: str
    key: bytes = field(repr=False)
    certificate: Certificate
    chain: t.Tuple[Certificate, ...]
    roots: t.Tuple[Certificate, ...]
    pool: t.Tuple[Certificate, ...] = ()

    def files(self) -> t.Dict[str, bytes]:
        """The content of each file of a set by its name; what nothing is known about is left out."""
        cert = to_pem(self.certificate)
        chain = b"".join(map(to_pem, self.chain))
        files = {"privkey.pem": self.key, "cert.pem": cert, "fullchain.pem": cert + chain}
        files["combined.pem"] = self.key + files["fullchain.pem"]
        if self.chain:
            files["chain.pem"] = chain
        if self.roots:
            files["rootchain.pem"] = chain + b"".join(map(to_pem, self.roots))
        return files


class Sources(t.NamedTuple):
    """The bytes that were given, and for messages where each came from. ``where`` has the same keys."""

    key: bytes
    certificate: bytes
    chain: t.Optional[bytes]
    root: t.Optional[bytes]
    where: t.Mapping[str, str]


def check_name(name: str) -> None:
    """Refuse a name that cannot name a folder or would mean something to a server. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"name: '{name}' cannot name a set; use letters, digits, dots, dashes and underscores, and list other "
            "server names, such as *.example.com, in names"
        )


def read_material(name: str, sources: Sources) -> Material:
    """Read what was given and put it in order; nothing is checked against anything but what the order needs.

    Raises InputError naming the set and the file.
    """
    where = sources.where
    certificates = x509.load_certificates(sources.certificate, where["certificate"])
    leaf = x509.find_leaf(certificates, where["certificate"])
    given = x509.load_certificates(sources.chain, where["chain"]) if sources.chain is not None else []
    anchors = x509.load_certificates(sources.root, where["root"]) if sources.root is not None else []
    roots = [one for one in anchors if _is_self_issued(one)] or anchors
    pool = [one for one in (*given, *certificates, *anchors) if one.der != leaf.der]
    chain = _order(leaf, pool, roots)
    return Material(name, read_key(sources.key, where["key"]), leaf, tuple(chain), tuple(roots), tuple(pool))


def _is_self_issued(certificate: Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _order(leaf: Certificate, pool: t.Sequence[Certificate], roots: t.Sequence[Certificate]) -> t.List[Certificate]:
    """The issuing CAs from the leaf's upwards, as far as the pool goes, without self-signed ones and roots."""
    ends = {root.der for root in roots}
    chain: t.List[Certificate] = []
    current = leaf
    while not _is_self_issued(current):
        following = next((one for one in pool if _may_follow(current, one) and one not in chain), None)
        if following is None or following.der in ends or _is_self_issued(following):
            break
        chain.append(following)
        current = following
    return chain


def _may_follow(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        return issuer.der != certificate.der and issuer.is_ca and not x509.issuance_problem(certificate, issuer)
    except MalformedError:
        return False


def read_key(data: bytes, source: str) -> bytes:
    """The one PEM block of a private key, with the end of line that servers expect. Raises InputError."""
    blocks = list(_KEY_BLOCK.finditer(data))
    if not blocks:
        raise InputError(f"{source} holds no private key in PEM")
    if len(blocks) > 1:
        raise InputError(f"{source} holds several private keys; give the one of the certificate")
    if b"ENCRYPTED" in blocks[0].group(1) or b"ENCRYPTED" in blocks[0].group(2)[:80]:
        raise InputError(f"{source} is protected by a password, with which no server can start; give it without")
    return blocks[0].group(0).replace(b"\r\n", b"\n") + b"\n"


def to_pem(certificate: Certificate) -> bytes:
    """A certificate as PEM with lines of 64 characters (RFC 7468)."""
    text = base64.b64encode(certificate.der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def problems(material: Material, sources: Sources, names: t.Sequence[str], now: datetime) -> t.List[str]:
    """All that is wrong with a set, each as a sentence; an empty list when a server can use it."""
    where = sources.where
    found = [key_problem(material.key, material.certificate, where["key"], where["certificate"])]
    found.append(_chain_problem(material, sources))
    for one in (material.certificate, *material.chain):
        found.append(_time_problem(one, now))
    missing = [name for name in names if not covers(material.certificate, name)]
    if missing:
        held = ", ".join(server_names(material.certificate)[:5]) or "none"
        found.append(f"the certificate {material.certificate.name} is not for {', '.join(missing)} (its names: {held})")
    return [problem for problem in found if problem]


def key_problem(key: bytes, certificate: Certificate, key_source: str, certificate_source: str) -> str:
    """Why a private key is not the certificate's, or an empty string."""
    # Imported here: a run that changes nothing needs no private key.
    from cryptography.hazmat.primitives import serialization  # pylint: disable=import-outside-toplevel

    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        public = serialization.load_pem_private_key(key, None).public_key().public_bytes(*encoding)
    except Exception as error:  # cryptography raises many kinds, and none may show what is in the key
        return f"{key_source} holds a private key that cannot be read ({type(error).__name__})"
    try:
        wanted = certificate.public_key.key
    except MalformedError as error:
        return f"{certificate_source} has a public key that cannot be read ({error})"
    if wanted is None or wanted.public_bytes(*encoding) != public:
        return (
            f"the private key of {key_source} does not fit the certificate {certificate.name} of {certificate_source}"
        )
    return ""


def _chain_problem(material: Material, sources: Sources) -> str:
    leaf, where = material.certificate, sources.where
    if sources.chain is None and not material.roots:
        return ""
    candidates = [*material.chain, *material.roots]
    if sources.chain is not None:
        candidates.extend(x509.load_certificates(sources.chain, where["chain"]))
    if _is_self_issued(leaf):
        return ""
    source = where["chain"] if sources.chain is not None else where["certificate"]
    try:
        x509.find_issuer(leaf, candidates, material.roots, source, where["root"])
    except InputError as error:
        return error.message
    return ""


def _time_problem(certificate: Certificate, now: datetime) -> str:
    if certificate.not_after <= now:
        return f"the certificate {certificate.name} expired on {format_time(certificate.not_after)}"
    if certificate.not_before > now:
        return f"the certificate {certificate.name} is not valid before {format_time(certificate.not_before)}"
    return ""


def server_names(certificate: Certificate) -> t.List[str]:
    """The DNS names and IP addresses of a certificate; clients look at the alternative names alone (RFC 9525)."""
    extension = certificate.extensions.get(x509.SUBJECT_ALTERNATIVE_NAME)
    names: t.List[str] = []
    if extension is None:
        return names
    try:
        outer = der.Reader(extension.value, "subject alternative name")
        entries = outer.sequence()
        while not entries.at_end():
            tag = entries.peek()
            content = entries.content(tag)
            if tag == _DNS_NAME:
                names.append(content.decode("ascii", "backslashreplace").lower())
            elif tag == _IP_ADDRESS:
                names.append(_address(content))
    except MalformedError:
        return []
    return names


def _address(content: bytes) -> str:
    import ipaddress  # pylint: disable=import-outside-toplevel  # rare, and slow to import

    try:
        return str(ipaddress.ip_address(content))
    except ValueError:
        return content.hex()


def covers(certificate: Certificate, name: str) -> bool:
    """Whether a certificate is for a server name; a wildcard stands for one label (RFC 9525 section 6.3)."""
    name = name.lower().rstrip(".")
    names = server_names(certificate)
    return name in names or ("." in name and f"*.{name.split('.', 1)[1]}" in names)


def fingerprint(certificate: Certificate) -> str:
    """The SHA-256 of a certificate as openssl shows it, without colons and in lower case."""
    return hashlib.sha256(certificate.der).hexdigest()


def key_kind(certificate: Certificate) -> str:
    """``rsa``, ``ecdsa``, ``ed25519`` or ``ed448``; empty where nobody could use the key."""
    try:
        kind = certificate.public_key.kind
    except MalformedError:
        return ""
    return "rsa" if kind == signature.RSA_PSS else kind
