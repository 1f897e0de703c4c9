# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Host names in the one spelling in which they can be compared."""

from __future__ import annotations

import re
import typing as t

from .text import clean

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.IGNORECASE)
#: Characters of a name with the dot of the root. To make A-labels of text without end takes quadratic time.
_LONGEST_NAME = 254
_WILDCARD = "*."
#: What separates labels for a browser, in other scripts too (UTS 46 section 2.3).
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
#: What IDNA of 2003 wrote as something else, and IDNA of 2008 does not (UTS 46 section 7.1): straße is not strasse.
_DEVIATIONS = re.compile("([\u00df\u03c2\u200c\u200d])")
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def host_name(text: str) -> t.Optional[str]:
    """A host name in ASCII and without the dot of the root, its case as given. None where it is no host name.

    No top-level domain is a number: what ends in one is an address, or is meant to be one (RFC 3696 section 2).
    """
    name = to_ascii(text) if len(text) <= _LONGEST_NAME else None
    if name is None:
        return None
    name = name[:-1] if name.endswith(".") else name
    return name if _HOST_NAME.fullmatch(name) and not ends_in_number(name) else None


def to_ascii(text: str) -> t.Optional[str]:
    """A name with its labels in the form of the DNS (RFC 5891), as browsers make it of what people write.

    None for characters that no name has. What is ASCII stays as it is.
    """
    if text.isascii():
        return text
    try:
        return ".".join(map(_a_label, _DOTS.split(text)))
    except UnicodeError:
        return None


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    from encodings import idna  # pylint: disable=import-outside-toplevel  # slow, and few names need it

    # Character by character, as a capital sigma is not the one at the end of a word. Then all is in lower case.
    pieces = _DEVIATIONS.split("".join(map(str.lower, label)))
    name = "".join(piece if _DEVIATIONS.fullmatch(piece) else idna.nameprep(piece) for piece in pieces)
    return name if name.isascii() else f"xn--{name.encode('punycode').decode('ascii')}"


def ends_in_number(name: str) -> bool:
    """Whether a name in ASCII is an IPv4 address for a client, in whatever spelling (WHATWG URL, section 3.5)."""
    return _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]) is not None


def server_name(text: str) -> t.Optional[str]:
    """What a certificate is for, as ``host_name`` in lower case; ``*.`` may stand before it.

    None where no client can ask for it by name, as for an address (RFC 6066 section 3).
    """
    prefix = _WILDCARD if is_wildcard(text) else ""
    name = host_name(text[len(prefix) :])
    return None if name is None else prefix + name.lower()


def server_name_problem(text: str) -> str:
    """Why a text is neither a host name, with or without ``*.``, nor an address; the end of a sentence, or empty.

    This is where names enter that are written into the configuration of servers: into strings of theirs, blocks,
    and regular expressions.
    """
    if server_name(text) is not None or address(text) is not None:
        return ""
    return (
        f"'{clean(text)}' is neither a host name nor an IP address; write a name of letters, digits, hyphens and dots, "
        "such as www.example.com or *.example.com"
    )


def address(text: str) -> t.Optional[str]:
    """An IP address in its usual spelling, also of one in brackets. None where it is no address."""
    import ipaddress  # pylint: disable=import-outside-toplevel  # rare, and slow to import

    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    # An address with a zone (RFC 4007) is of one host, and the zone is any text.
    return None if "%" in bare else str(found)


def wildcard_for(name: str) -> str:
    """The only wildcard that serves a name, since it stands for one whole label (RFC 9525 section 6.3)."""
    return _WILDCARD + name.partition(".")[2]


def is_wildcard(name: str) -> bool:
    """Whether a name serves each name one label below."""
    return name.startswith(_WILDCARD)
