# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Name constraints (RFC 5280 section 4.2.1.10): whether a CA may issue for the names in a certificate.

What is compared how follows OpenSSL, whose clients refuse what it refuses.
"""

from __future__ import annotations

import typing as t

from ..asn1 import der
from ..asn1.der import Reader
from ..errors import MalformedError
from . import certificate as x509
from .certificate import Certificate, GeneralName
from .remembered import remembered_if_short

#: Names times subtrees that are compared for one path; certificates in use stay far below.
_MOST_COMPARISONS = 200_000

_EMAIL_ATTRIBUTE = "1.2.840.113549.1.9.1"
_KINDS = {
    x509.RFC822_NAME: "email addresses",
    x509.DNS_NAME: "DNS names",
    x509.DIRECTORY_NAME: "subjects",
    x509.URI_NAME: "URIs",
    x509.IP_ADDRESS: "IP addresses",
}


class Subtree(t.NamedTuple):
    """One GeneralSubtree (RFC 5280 section 4.2.1.10); ``bounded``: it has a minimum or maximum, which are not used."""

    base: GeneralName
    bounded: bool


class NameConstraints(t.NamedTuple):
    """What a CA may and must not issue certificates for (RFC 5280 section 4.2.1.10)."""

    permitted: t.Tuple[Subtree, ...] = ()
    excluded: t.Tuple[Subtree, ...] = ()


class Comparisons:
    """Names of certificates compared with what CAs above them may issue for, for one search of a path.

    The same pairs come again on other paths: each is compared once, what cannot be read included, and no more is
    compared for all of them than for one that is far beyond any in use.
    """

    def __init__(self) -> None:
        self._found: t.Dict[t.Tuple[bytes, bytes], t.Union[str, MalformedError]] = {}
        self._left = _MOST_COMPARISONS

    def violation(self, certificate: Certificate, authority: Certificate, is_leaf: bool) -> str:
        """Which name constraint of a CA above it a certificate breaks, or an empty string.

        Common names count as DNS names in a leaf that has no others. Raises MalformedError.
        """
        pair = (certificate.der, authority.der)
        if pair not in self._found:
            try:
                self._found[pair] = self._compare(certificate, authority, is_leaf)
            except MalformedError as error:
                self._found[pair] = error
        found = self._found[pair]
        if isinstance(found, MalformedError):
            raise found
        return found

    def _compare(self, certificate: Certificate, authority: Certificate, is_leaf: bool) -> str:
        permitted, excluded = constraints_of(authority)
        if not permitted and not excluded:
            return ""
        names = _names(certificate, is_leaf)
        self._left -= len(names) * (len(permitted) + len(excluded))
        if self._left < 0:
            return (
                f"the name constraints of {authority.name} and the names of {certificate.name} are too many to compare"
            )
        for name in names:
            problem = _name_problem(name, permitted, excluded)
            if problem:
                return (
                    f"the CA {authority.name} must not issue for {name_text(name)}, as its name constraints say: "
                    f"{problem}"
                )
        return ""


@remembered_if_short(64)
def constraints_of(authority: Certificate) -> NameConstraints:
    """The names that what a CA issues must keep to. Raises MalformedError."""
    reader = authority.reader_of(x509.NAME_CONSTRAINTS, "name constraints")
    if reader is None:
        return NameConstraints()
    fields = reader.last()
    subtrees = [_read_subtrees(fields.optional(der.context(number))) for number in (0, 1)]
    fields.finish()
    return NameConstraints(*subtrees)


def _read_subtrees(entries: t.Optional[Reader]) -> t.Tuple[Subtree, ...]:
    subtrees = []
    while entries is not None and not entries.at_end():
        entry = entries.sequence()
        tag = entry.peek()
        base = GeneralName(tag, entry.content(tag))
        bounded = False
        for number in (0, 1):
            bound = der.context(number, constructed=False)
            if entry.peek() == bound:
                # A minimum of 0 is the default and means nothing, also where it is written out.
                bounded = entry.content(bound) != b"\0" or number == 1 or bounded
        entry.finish()
        subtrees.append(Subtree(base, bounded))
    return tuple(subtrees)


def _names(certificate: Certificate, is_leaf: bool) -> t.List[GeneralName]:
    names = list(certificate.alternative_names)
    if x509.comparable_name(certificate.subject):
        names.append(GeneralName(x509.DIRECTORY_NAME, certificate.subject))
        emails = x509.attribute_texts(certificate.subject, _EMAIL_ATTRIBUTE)
        names.extend(GeneralName(x509.RFC822_NAME, text.encode("utf-8")) for text in emails)
    if is_leaf and not any(name.tag == x509.DNS_NAME for name in names):
        hosts = filter(_looks_like_host, x509.attribute_texts(certificate.subject, x509.COMMON_NAME))
        names.extend(GeneralName(x509.DNS_NAME, text.encode("ascii")) for text in hosts)
    return names


def _looks_like_host(text: str) -> bool:
    labels = text.split(".")
    return len(labels) > 1 and all(label and label.isascii() and _is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    return label.replace("-", "").replace("_", "").isalnum() and label[0] != "-" and label[-1] != "-"


def _name_problem(name: GeneralName, permitted: t.Sequence[Subtree], excluded: t.Sequence[Subtree]) -> str:
    kept = [one for one in permitted if one.base.tag == name.tag]
    barred = [one for one in excluded if one.base.tag == name.tag]
    if not kept and not barred:
        return ""
    if name.tag not in _MATCHERS:
        return "a constraint of this kind is not supported by OpenSSL, whose clients refuse it"
    if any(one.bounded for one in (*kept, *barred)):
        return "a minimum or maximum is not supported (RFC 5280 section 4.2.1.10)"
    matches = _MATCHERS[name.tag]
    hit = next((one for one in barred if matches(name.value, one.base.value)), None)
    if hit is not None:
        return f"{name_text(hit.base)} is excluded"
    if kept and not any(matches(name.value, one.base.value) for one in kept):
        shown = ", ".join(name_text(one.base) for one in kept[:5])
        return f"its {_KINDS[name.tag]} are limited to {shown}{' and others' if len(kept) > 5 else ''}"
    return ""


def _matches_dns(name: bytes, base: bytes) -> bool:
    name, base = name.lower(), base.lower()
    return (
        not base or name == base or (name.endswith(base) and (base[:1] == b"." or name[-len(base) - 1 :][:1] == b"."))
    )


def _matches_host(host: bytes, base: bytes) -> bool:
    """As RFC 5280 has it for URIs and email addresses: a base with a dot in front stands for what is below it."""
    host, base = host.lower(), base.lower()
    return host == base or (base[:1] == b"." and len(host) > len(base) and host.endswith(base))


def _matches_email(name: bytes, base: bytes) -> bool:
    local, _at, host = name.rpartition(b"@")
    if b"@" not in base:
        return not base or _matches_host(host, base)
    base_local, _at, base_host = base.rpartition(b"@")
    return host.lower() == base_host.lower() and base_local in (b"", local)


def _matches_uri(name: bytes, base: bytes) -> bool:
    _scheme, _separator, rest = name.partition(b"://")
    host = rest.split(b"/")[0].rpartition(b"@")[2].split(b":")[0]
    return _matches_host(host, base)


def _matches_address(name: bytes, base: bytes) -> bool:
    size = len(name)
    return len(base) == 2 * size and all(
        octet & mask == wanted & mask for octet, wanted, mask in zip(name, base[:size], base[size:])
    )


def _matches_directory(name: bytes, base: bytes) -> bool:
    wanted = x509.comparable_name(base)
    return x509.comparable_name(name)[: len(wanted)] == wanted


_MATCHERS: t.Dict[int, t.Callable[[bytes, bytes], bool]] = {
    x509.RFC822_NAME: _matches_email,
    x509.DNS_NAME: _matches_dns,
    x509.DIRECTORY_NAME: _matches_directory,
    x509.URI_NAME: _matches_uri,
    x509.IP_ADDRESS: _matches_address,
}


def name_text(name: GeneralName) -> str:
    """A general name, or the base of a subtree, for a message."""
    if name.tag == x509.DIRECTORY_NAME:
        return x509.name_text(name.value)
    if name.tag == x509.IP_ADDRESS:
        return _address_text(name.value)
    if name.tag in _KINDS:
        text = x509.shorten(name.value.decode("ascii", "backslashreplace")) or "(any)"
        return text if text.isprintable() else ascii(text)[1:-1]
    return f"a name of the kind {name.tag & 0x1F}"


def _address_text(value: bytes) -> str:
    """An address, or in a constraint an address and a mask (8 or 32 octets)."""
    import ipaddress  # pylint: disable=import-outside-toplevel  # rare, and slow to import

    size = {8: 4, 32: 16}.get(len(value), len(value))
    try:
        address = ipaddress.ip_address(value[:size])
        return f"{address}/{ipaddress.ip_address(value[size:])}" if value[size:] else str(address)
    except ValueError:
        return value.hex()
