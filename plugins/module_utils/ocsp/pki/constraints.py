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

#: Names times subtrees that are compared for one path, the long ones counted for more; certificates in use stay far
#: below.
_MOST_COMPARISONS = 200_000
#: Octets of a name that count as much as the name itself.
_OCTETS = 512

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


#: A name as its kind is compared: octets, or the parts of a directory name.
_Value = t.Union[bytes, t.Tuple[t.Any, ...]]


class _Subtree(t.NamedTuple):
    base: GeneralName
    bounded: bool
    value: _Value


class _Name(t.NamedTuple):
    name: GeneralName
    value: _Value


class Comparisons:
    """Names of certificates compared with what CAs above them may issue for, for one search of a path.

    The same pairs come again on other paths: each is compared once, what cannot be read included, and no more is
    compared for all of them than for one that is far beyond any in use.
    """

    def __init__(self) -> None:
        self._found: t.Dict[t.Tuple[bytes, bytes], t.Union[str, MalformedError]] = {}
        self._constraints: t.Dict[bytes, t.Tuple[t.List[_Subtree], t.List[_Subtree]]] = {}
        self._names: t.Dict[t.Tuple[bytes, bool], t.List[_Name]] = {}
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
        permitted, excluded = self._constraints_of(authority)
        if not permitted and not excluded:
            return ""
        names = self._names_of(certificate, is_leaf)
        self._left -= _cost(names, (*permitted, *excluded))
        if self._left < 0:
            return (
                f"the name constraints of {authority.name} and the names of {certificate.name} are too many to compare"
            )
        for name in names:
            problem = _name_problem(name, permitted, excluded)
            if problem:
                return (
                    f"the CA {authority.name} must not issue for {name_text(name.name)}, as its name constraints say: "
                    f"{problem}"
                )
        return ""

    def _constraints_of(self, authority: Certificate) -> t.Tuple[t.List[_Subtree], t.List[_Subtree]]:
        if authority.der not in self._constraints:
            permitted, excluded = (
                [_Subtree(one.base, one.bounded, _comparable(one.base)) for one in some]
                for some in constraints_of(authority)
            )
            self._constraints[authority.der] = permitted, excluded
        return self._constraints[authority.der]

    def _names_of(self, certificate: Certificate, is_leaf: bool) -> t.List[_Name]:
        key = (certificate.der, is_leaf)
        if key not in self._names:
            self._names[key] = [_Name(one, _comparable(one)) for one in _names(certificate, is_leaf)]
        return self._names[key]


def _comparable(name: GeneralName) -> _Value:
    """What is compared of a name. Raises MalformedError."""
    if name.tag == x509.DIRECTORY_NAME:
        return x509.comparable_name(name.value)
    return name.value.lower() if name.tag == x509.DNS_NAME else name.value


def _cost(names: t.Sequence[_Name], subtrees: t.Sequence[_Subtree]) -> int:
    """What it takes to compare all of these with each other."""
    octets = len(subtrees) * sum(len(one.name.value) for one in names)
    octets += len(names) * sum(len(one.base.value) for one in subtrees)
    return len(names) * len(subtrees) + octets // _OCTETS


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
                bounded = der.to_integer(entry.content(bound), "name constraints") != 0 or number == 1 or bounded
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


def _name_problem(name: _Name, permitted: t.Sequence[_Subtree], excluded: t.Sequence[_Subtree]) -> str:
    tag = name.name.tag
    kept = [one for one in permitted if one.base.tag == tag]
    barred = [one for one in excluded if one.base.tag == tag]
    if not kept and not barred:
        return ""
    if tag not in _MATCHERS:
        return "a constraint of this kind is not supported by OpenSSL, whose clients refuse it"
    if any(one.bounded for one in (*kept, *barred)):
        return "a minimum or maximum is not supported (RFC 5280 section 4.2.1.10)"
    matches = _MATCHERS[tag]
    hit = next((one for one in barred if matches(name.value, one.value)), None)
    if hit is not None:
        return f"{name_text(hit.base)} is excluded"
    if kept and not any(matches(name.value, one.value) for one in kept):
        shown = ", ".join(name_text(one.base) for one in kept[:5])
        return f"its {_KINDS[tag]} are limited to {shown}{' and others' if len(kept) > 5 else ''}"
    return ""


def _matches_dns(name: bytes, base: bytes) -> bool:
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


def _matches_directory(name: t.Tuple[t.Any, ...], base: t.Tuple[t.Any, ...]) -> bool:
    return name[: len(base)] == base


_MATCHERS: t.Dict[int, t.Callable[[t.Any, t.Any], bool]] = {
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
