# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate a client is served, by the names of all of them and by what it asks for.

The unit tests have Exim expand its options for each row, the integration tests ask the servers themselves.
"""

from __future__ import annotations

import itertools
import typing as t


class Site(t.NamedTuple):
    """A set for some names; ``key`` is that of its certificate, as pki.py says it."""

    name: str
    names: t.Tuple[str, ...]
    key: str = "rsa"


class Case(t.NamedTuple):
    """Sets, the default first, and the names of those that serve a client, by what it asks for."""

    sites: t.Tuple[Site, ...]
    served: t.Dict[t.Optional[str], t.Tuple[str, ...]]

    def orders(self) -> t.Iterator[t.Tuple[Site, ...]]:
        """The sets in each order that has the same default."""
        for others in itertools.permutations(self.sites[1:]):
            yield (self.sites[0], *others)


DEFAULT = Site("default", ("mail.example.com",))
WILD = Site("wild", ("*.example.org",))
EXACT = Site("exact", ("a.example.org",))
LOWER = Site("lower", ("*.a.example.org",))
_DEFAULT, _WILD, _EXACT, _LOWER = ("default",), ("wild",), ("exact",), ("lower",)

CASES: t.Dict[str, Case] = {
    "one set for all": Case((WILD,), {"a.example.org": _WILD, "other.test": _WILD, None: _WILD}),
    "a wildcard": Case(
        (DEFAULT, WILD),
        {
            "a.example.org": _WILD,
            "A.EXAMPLE.Org": _WILD,
            "xn--bcher-kva.example.org": _WILD,
            "example.org": _DEFAULT,
            "a.b.example.org": _DEFAULT,
            "aexample.org": _DEFAULT,
            "a.example.org.test": _DEFAULT,
            "mail.example.com": _DEFAULT,
            "other.test": _DEFAULT,
            "localhost": _DEFAULT,
            None: _DEFAULT,
        },
    ),
    "an exact name before its wildcard": Case(
        (DEFAULT, WILD, EXACT),
        {"a.example.org": _EXACT, "A.example.ORG": _EXACT, "b.example.org": _WILD, "x.a.example.org": _DEFAULT},
    ),
    "wildcards of two levels": Case(
        (DEFAULT, WILD, LOWER, EXACT),
        {
            "a.example.org": _EXACT,
            "b.example.org": _WILD,
            "x.a.example.org": _LOWER,
            "x.b.example.org": _DEFAULT,
            "x.x.a.example.org": _DEFAULT,
            "mail.example.com": _DEFAULT,
            None: _DEFAULT,
        },
    ),
    "the default has a name below another's wildcard": Case(
        (EXACT, WILD, LOWER),
        {
            "a.example.org": _EXACT,
            "b.example.org": _WILD,
            "x.a.example.org": _LOWER,
            "other.test": _EXACT,
            None: _EXACT,
        },
    ),
    "the default is a wildcard": Case(
        (WILD, EXACT, LOWER),
        {
            "a.example.org": _EXACT,
            "b.example.org": _WILD,
            "x.a.example.org": _LOWER,
            "other.test": _WILD,
            None: _WILD,
        },
    ),
    "more names than one": Case(
        (DEFAULT, Site("both", ("example.org", "*.example.org")), Site("more", ("a.example.org", "*.example.net"))),
        {
            "example.org": ("both",),
            "b.example.org": ("both",),
            "a.example.org": ("more",),
            "a.example.net": ("more",),
            "example.net": _DEFAULT,
        },
    ),
    "two kinds of key": Case(
        (
            DEFAULT,
            WILD,
            Site("rsa", ("a.example.org", "*.a.example.org")),
            Site("ec", ("*.A.example.org.", "A.example.org"), "ec"),
        ),
        {
            "a.example.org": ("rsa", "ec"),
            "x.a.example.org": ("rsa", "ec"),
            "b.example.org": _WILD,
            "other.test": _DEFAULT,
            None: _DEFAULT,
        },
    ),
    "two kinds of key for all": Case(
        (DEFAULT, DEFAULT._replace(name="default-ec", key="ec")),
        {"mail.example.com": ("default", "default-ec"), None: ("default", "default-ec")},
    ),
    "two kinds of key for the default": Case(
        (DEFAULT, DEFAULT._replace(name="default-ec", key="ec"), WILD, EXACT),
        {
            "a.example.org": _EXACT,
            "b.example.org": _WILD,
            "mail.example.com": ("default", "default-ec"),
            None: ("default", "default-ec"),
        },
    ),
    "an address is asked for by no name": Case(
        (
            DEFAULT,
            Site("addresses", ("192.0.2.1", "2001:db8::1", "b.example.org")),
            Site("nameless", ("198.51.100.7",)),
            Site("empty", ()),
        ),
        {
            "192.0.2.1": _DEFAULT,
            "198.51.100.7": _DEFAULT,
            "b.example.org": ("addresses",),
            None: _DEFAULT,
        },
    ),
    "the default is an address": Case(
        (Site("address", ("192.0.2.1",)), WILD), {"a.example.org": _WILD, "192.0.2.1": ("address",), None: ("address",)}
    ),
    "other spellings": Case(
        (
            DEFAULT,
            Site("upper", ("*.Example.ORG.",)),
            Site("dot", ("B.example.net.",)),
            Site("book", ("*.bücher.test",)),
        ),
        {
            "a.example.org": ("upper",),
            "b.example.net": ("dot",),
            "B.Example.Net": ("dot",),
            "www.xn--bcher-kva.test": ("book",),
        },
    ),
    "odd names": Case(
        (DEFAULT, Site("odd", ("n.test", "localhost", "1.test")), Site("long", (f"{'a' * 63}.test",))),
        {
            "n.test": ("odd",),
            "localhost": ("odd",),
            "1.test": ("odd",),
            f"{'a' * 63}.test": ("long",),
            "test": _DEFAULT,
        },
    ),
}

#: What no honest client asks for.
STRANGE = (
    "",
    ".",
    "..",
    ".example.org",
    "1",
    "n.",
    "2001:db8::1",
    "n.mail.example.com",
    "a.example.org=",
    'a.example.org="',
    "a.example.org x",
    "a.example.org}",
    "${run{/bin/false}}",
    "$tod_epoch.example",
    "\\.example",
    "example.org : x",
    "../../etc",
    "a" * 300,
)
