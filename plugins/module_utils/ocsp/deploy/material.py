# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A private key, its certificate, the chain and the root: read, completed, and checked against one another."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import typing as t
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .. import names as hostnames
from ..errors import InputError, InputErrors, MalformedError
from ..pki import certificate as x509
from ..pki import constraints, keys, loading, signature
from ..pki import path as paths
from ..pki.certificate import Certificate
from ..pki.identifiers import is_self_signed
from ..store.sets import ISSUER_FILE, NAME
from ..text import encode_pem, join_words

#: What is no host name, but may be for any.
ANY_NAME = "*"


@dataclass(frozen=True)
class Material:
    """What a server needs besides the staple.

    ``path`` is the way from the certificate up to a root, as far as what was given goes; ``pool`` are all
    certificates of CAs that were given, and ``where`` is that of the Sources.
    """

    name: str
    key: bytes = field(repr=False)
    certificate: Certificate
    path: paths.Path
    roots: t.Tuple[Certificate, ...]
    pool: t.Tuple[Certificate, ...]
    where: t.Mapping[str, str]

    @property
    def chain(self) -> t.Tuple[Certificate, ...]:
        """What is served besides the certificate: the issuer first, no root."""
        return self.path.chain

    @property
    def issuer(self) -> t.Optional[Certificate]:
        """The CA certificate whose key signed the certificate, which may be a root's, if it was given."""
        return self.path.issuer

    def files(self) -> t.Dict[str, bytes]:
        """The content of each file of a set by its name; what nothing is known about is left out."""
        cert = to_pem(self.certificate)
        chain = b"".join(map(to_pem, self.chain))
        files = {"privkey.pem": self.key, "cert.pem": cert, "fullchain.pem": cert + chain}
        files["combined.pem"] = self.key + files["fullchain.pem"]
        if self.chain:
            files["chain.pem"] = chain
        elif self.issuer is not None:
            files[ISSUER_FILE] = to_pem(self.issuer)
        if self.roots:
            served = {one.der for one in self.chain}
            files["rootchain.pem"] = chain + b"".join(to_pem(root) for root in self.roots if root.der not in served)
        return files


class Examination(t.NamedTuple):
    """Sentences: why a set must not go live, and what its operator should know."""

    problems: t.Tuple[str, ...]
    warnings: t.Tuple[str, ...]


class Sources(t.NamedTuple):
    """The bytes that were given, and for messages where each came from. ``where`` has the same keys."""

    key: bytes
    certificate: bytes
    chain: t.Optional[bytes]
    root: t.Optional[bytes]
    where: t.Mapping[str, str]


def check_name(name: str) -> None:
    """Refuse a name that cannot name a folder or would mean something to a server. Raises InputError."""
    if not NAME.fullmatch(name):
        ascii_name = None if name.isascii() else hostnames.host_name(name)
        meant = f", such as {ascii_name}" if ascii_name else ""
        raise InputError(
            f"name: '{name}' is not a valid name for a set; use letters, digits, dots, dashes and underscores{meant}, "
            "and list server names, such as *.example.com, in names"
        )


def read_material(name: str, sources: Sources, now: datetime, tolerance: timedelta = paths.CLOCK_TOLERANCE) -> Material:
    """Read what was given and find the path; what is wrong with it, ``examine`` says.

    Raises InputError naming the file for what cannot be read.
    """
    where = sources.where
    certificates = _load_certificates(sources)
    leaf = x509.find_leaf(certificates, where["certificate"])
    chain = x509.load_certificates(sources.chain, where["chain"]) if sources.chain is not None else []
    anchors = x509.load_certificates(sources.root, where["root"]) if sources.root is not None else []
    given = [paths.Given(one, where["chain"]) for one in chain]
    given += [paths.Given(one, where["certificate"]) for one in certificates if one.der != leaf.der]
    trusted = [paths.Given(one, where["root"]) for one in anchors]
    path = paths.find_path(paths.Given(leaf, where["certificate"]), given, trusted, now, tolerance)
    return Material(
        name=name,
        key=keys.read_key(sources.key, where["key"]),
        certificate=leaf,
        path=path,
        roots=tuple([one for one in anchors if is_self_signed(one)] or anchors),
        pool=tuple(one.certificate for one in (*given, *trusted) if one.certificate.der != leaf.der),
        where=where,
    )


def _load_certificates(sources: Sources) -> t.List[Certificate]:
    """What is in the certificate's file. Raises InputError, and names the key's file as well: they may be swapped."""
    where = sources.where
    try:
        return x509.load_certificates(sources.certificate, where["certificate"])
    except InputError as error:
        try:
            keys.read_key(sources.key, where["key"])
        except InputError as other:
            if _are_swapped(sources):
                raise InputError(
                    f"the private key and the certificate are swapped: {where['key']} contains a certificate, and "
                    f"{where['certificate']} a private key; exchange them"
                ) from None
            raise InputErrors([error.message, other.message]) from None
        raise


def _are_swapped(sources: Sources) -> bool:
    with contextlib.suppress(InputError):
        keys.read_key(sources.certificate, sources.where["certificate"])
        return bool(x509.load_certificates(sources.key, sources.where["key"]))
    return False


def to_pem(certificate: Certificate) -> bytes:
    """A certificate as servers read it."""
    return encode_pem(certificate.der, "CERTIFICATE")


def examine(material: Material, names: t.Sequence[str], strict: bool = False) -> Examination:
    """All that is wrong with a set for a server of these names, and what is odd; loaded once by the host's OpenSSL.

    The path is judged at the time for which the material was read. ``strict``: that a server will not load it by the
    defaults of OpenSSL is wrong, and not odd.
    """
    path, certificate, where = material.path, material.certificate, material.where
    problems = [keys.key_problem(material.key, certificate, where["key"], where["certificate"]), *path.problems]
    problems = [problem for problem in (*problems, names_problem(material, names)) if problem]
    warnings = [*path.warnings, *path.unused]
    if not problems:
        loaded = loading.try_load(material.files()["fullchain.pem"], material.key)
        problems = [loaded.refusal] if loaded.refusal else []
        (problems if strict else warnings).extend([loaded.warning] if loaded.warning else [])
    return Examination(tuple(problems), tuple(warnings))


def names_problem(material: Material, names: t.Iterable[str]) -> str:
    """Which of the names of a server a certificate is not for, or an empty string."""
    certificate = material.certificate
    missing = [name for name in names if not covers(certificate, name)]
    if not missing:
        return ""
    held = ", ".join(server_names(certificate)[:5]) or "none"
    return (
        f"{material.where['certificate']} ({certificate.name}) is not for {join_words(missing)} (its names: {held})"
        f"{_addresses_as_names(certificate, missing)}"
    )


def issuer_problem(material: Material) -> str:
    """Why there can be no staple, which takes the certificate of the issuer, or an empty string."""
    if material.issuer is not None:
        weak = signature.key_weakness(material.issuer.public_key)
        if weak:
            return (
                f"no staple of {material.certificate.name} could be accepted, as all depend on the key of its issuer "
                f"{material.issuer.name}: {weak}; set 'staple: false', or use another CA"
            )
        return ""
    issuer, source = x509.name_text(material.certificate.issuer), material.where["certificate"]
    return (
        f"the staple cannot be checked without the certificate of the issuer {issuer}; append it to {source} or give "
        "it as the chain"
    )


def server_names(certificate: Certificate) -> t.List[str]:
    """The DNS names and IP addresses of a certificate; clients look at the alternative names alone (RFC 9525)."""
    try:
        names = certificate.alternative_names
    except MalformedError:
        return []
    return [constraints.name_text(name).lower() for name in names if name.tag in (x509.DNS_NAME, x509.IP_ADDRESS)]


def names_taken(certificate: Certificate) -> t.Set[str]:
    """The host names by which a server may choose a certificate.

    Beside those that clients look at, HAProxy, hitch and Traffic Server take common names. A NUL ends a name for them,
    and HAProxy takes ``ANY_NAME`` for all names.
    """
    try:
        texts = [one.value.decode("latin-1") for one in certificate.alternative_names if one.tag == x509.DNS_NAME]
        texts += x509.common_names(certificate.subject)
    except MalformedError:
        return set()
    spelled = [text.partition("\0")[0] for text in texts]
    found = {hostnames.server_name(text) for text in spelled} | ({ANY_NAME} & {*spelled})
    return {name for name in found if name}


def covers(certificate: Certificate, name: str) -> bool:
    """Whether a certificate is for a server name; a wildcard stands for one label (RFC 9525 section 6.3).

    ``name`` may be in Unicode, and an IP address in any spelling, also in brackets.
    """
    try:
        names = certificate.alternative_names
    except MalformedError:
        return False
    address = _address(name)
    if address is not None:
        return any(one == x509.GeneralName(x509.IP_ADDRESS, address) for one in names)
    held = certificate.dns_names
    return any(
        spelling in held or b"*." + spelling.partition(b".")[2] in held if b"." in spelling else spelling in held
        for spelling in _spellings(name)
    )


def _addresses_as_names(certificate: Certificate, missing: t.Sequence[str]) -> str:
    """What to say of addresses that a certificate has in the form of a DNS name, as makers of small CAs like to do."""
    names = {one.value for one in certificate.alternative_names if one.tag == x509.DNS_NAME}
    wrong = [name for name in missing if _address(name) is not None and name.encode("utf-8") in names]
    if not wrong:
        return ""
    shown = ", ".join(wrong)
    return f"; {shown} is in it as a DNS name, which clients take for no address: have it issued as an IP address"


def same_names(certificate: Certificate, names: t.Iterable[str]) -> bool:
    """Whether a certificate is for these names and for no others; a wildcard is a name like any other here."""
    try:
        held = {one for one in certificate.alternative_names if one.tag in (x509.DNS_NAME, x509.IP_ADDRESS)}
    except MalformedError:
        return False
    left = {x509.GeneralName(one.tag, one.value.lower() if one.tag == x509.DNS_NAME else one.value) for one in held}
    meant = [_general_names(name) for name in names]
    return all(spellings & left for spellings in meant) and all(any(one in it for it in meant) for one in left)


def _general_names(name: str) -> t.Set[x509.GeneralName]:
    address = _address(name)
    if address is not None:
        return {x509.GeneralName(x509.IP_ADDRESS, address)}
    return {x509.GeneralName(x509.DNS_NAME, spelling) for spelling in _spellings(name)}


def _address(name: str) -> t.Optional[bytes]:
    bare = name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name.rstrip(".")
    try:
        return ipaddress.ip_address(bare).packed
    except ValueError:
        return None


def _spellings(name: str) -> t.Set[bytes]:
    """A host name as certificates have it: in A-labels (RFC 5890), by the rules of 2008 and, for old ones, of 2003.

    What clients take for an address, in whatever spelling, is none.
    """
    bare = unicodedata.normalize("NFC", name)
    found = {hostnames.to_ascii(bare) or ""}
    with contextlib.suppress(UnicodeError):
        found.add(bare.rstrip(".").encode("idna").decode("ascii"))
    spelled = {one.lower().rstrip(".") for one in found}
    return {one.encode("ascii") for one in spelled if one and not hostnames.ends_in_number(one)}


def fingerprint(certificate: Certificate) -> str:
    """The SHA-256 of a certificate as openssl shows it, without colons and in lower case."""
    return hashlib.sha256(certificate.der).hexdigest()


def key_kind(certificate: Certificate) -> str:
    """``rsa``, ``ecdsa``, ``ed25519`` or ``ed448``; empty if the key type is unknown."""
    try:
        kind = certificate.public_key.kind
    except MalformedError:
        return ""
    return "rsa" if kind == signature.RSA_PSS else kind
