# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Host names in the one spelling in which they can be compared."""

from __future__ import annotations

import re
import typing as t

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.IGNORECASE)
_WILDCARD = "*."


def host_name(text: str) -> t.Optional[str]:
    """A host name in ASCII and without the dot of the root, its case as given. None where it is no host name.

    No top-level domain is a number: what ends in one is an address, or is meant to be one (RFC 3696 section 2).
    """
    name = text[:-1] if text.endswith(".") else text
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name if _HOST_NAME.fullmatch(name) and not name.rpartition(".")[2].isdigit() else None


def server_name(text: str) -> t.Optional[str]:
    """What a certificate is for, as ``host_name`` in lower case; ``*.`` may stand before it.

    None where no client can ask for it by name, as for an address (RFC 6066 section 3).
    """
    prefix = _WILDCARD if is_wildcard(text) else ""
    name = host_name(text[len(prefix) :])
    return None if name is None else prefix + name.lower()


def wildcard_for(name: str) -> str:
    """The only wildcard that serves a name, since it stands for one whole label (RFC 9525 section 6.3)."""
    return _WILDCARD + name.partition(".")[2]


def is_wildcard(name: str) -> bool:
    """Whether a name serves each name one label below."""
    return name.startswith(_WILDCARD)
