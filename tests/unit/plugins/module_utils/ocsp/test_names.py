# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import names

SERVER_NAMES: t.Dict[str, t.Optional[str]] = {
    "www.example.org": "www.example.org",
    "WWW.Example.ORG.": "www.example.org",
    "*.Example.org.": "*.example.org",
    "*.bücher.example": "*.xn--bcher-kva.example",
    "BÜCHER。Example．": "xn--bcher-kva.example",
    "straße.example": "xn--strae-oqa.example",
    "STRAẞE.example": "xn--strae-oqa.example",
    "βόλος.example": "xn--nxasmm1c.example",
    "ΒΌΛΟΣ.example": "xn--nxasmq6b.example",
    "xn--strae-oqa.example": "xn--strae-oqa.example",
    "ⓦⓦⓦ.example.org": "www.example.org",
    "１９２.0.2.1": None,
    "192。0。2。1": None,
    "0x7f000001": None,
    "127.0x1": None,
    f"{'ü' * 60}.example": None,
    "_imaps.example.org": "_imaps.example.org",
    "localhost": "localhost",
    "3com.example": "3com.example",
    f"{'a' * 63}.example": f"{'a' * 63}.example",
    f"{'a' * 64}.example": None,
    ".".join(["a" * 49] * 6): None,
    "192.0.2.1": None,
    "192.0.2.256": None,
    "*.192.0.2": None,
    "2001:db8::1": None,
    "[2001:db8::1]": None,
    "": None,
    ".": None,
    "*": None,
    "*.": None,
    "*.*.example.org": None,
    "w*.example.org": None,
    "www..example.org": None,
    "www.example.org..": None,
    "-www.example.org": None,
    "www example.org": None,
    "www.example.org\n": None,
    'www"}.example.org': None,
    "$tls_in_sni": None,
    "\ud800.example.org": None,
}


@pytest.mark.parametrize("text", SERVER_NAMES)
def test_server_names(text: str) -> None:
    assert names.server_name(text) == SERVER_NAMES[text]


def test_no_time_is_spent_on_what_is_too_long_for_a_name() -> None:
    """Labels of thousands of letters, no two alike, would take seconds each."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    began = time.process_time()
    assert all(names.server_name(text[index:]) is None for index in range(50))
    assert time.process_time() - began < 2


def test_a_host_name_keeps_its_case() -> None:
    assert names.host_name("WWW.Example.ORG.") == "WWW.Example.ORG"


def test_a_wildcard_is_for_one_label() -> None:
    assert names.wildcard_for("a.b.example.org") == "*.b.example.org"
    assert names.is_wildcard("*.example.org") and not names.is_wildcard("a.example.org")


#: Spellings of addresses, and their usual one.
ADDRESSES: t.Dict[str, t.Optional[str]] = {
    "192.0.2.1": "192.0.2.1",
    "2001:DB8:0::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "fe80::1%eth0": None,
    'fe80::1%"}{z}': None,
    "192.0.2.256": None,
    "0x7f000001": None,
    "2001:db8::1]": None,
    "": None,
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses(text: str) -> None:
    assert names.address(text) == ADDRESSES[text]


@pytest.mark.parametrize("text", sorted({*SERVER_NAMES, *ADDRESSES}))
def test_a_name_is_refused_that_no_client_can_ask_for(text: str) -> None:
    problem = names.server_name_problem(text)
    fits = names.server_name(text) is not None or names.address(text) is not None
    assert (problem == "") == fits and problem.isprintable() and len(problem) < 300
