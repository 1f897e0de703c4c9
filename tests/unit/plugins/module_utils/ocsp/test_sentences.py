# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes from files, responders and servers is made fit for a terminal where an error or finding is made."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import errors

#: Text that acts on a terminal, begins a line, hides other text, or cannot be written as UTF-8.
HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "colour": "\x1b[31m",
    "clear": "\x1b[2J\x1b[H",
    "8-bit escape": "\x9b31m",
    "line": "x\nOCSP OK - all is well",
    "return": "x\rgood",
    "line separator": "x\u2028good\u2029",
    "next line": "x\x85good",
    "backspace": "bad\b\b\bgood",
    "null": "a\0b",
    "right to left": "\u202edoog\u202c",
    "isolate": "\u2066good\u2069",
    "marks": "\u200e\u200f\u061c",
    "zero width": "go\u200bod\ufeff",
    "tags": "\U000e0041",
    "surrogate": "\ud800",
    "octet": "\udcff",
    "private": "\ue000",
}

MAKERS: t.Dict[str, t.Callable[[str], str]] = {
    "OcspError": lambda text: errors.OcspError("x", text).message,
    "str of OcspError": lambda text: str(errors.OcspError("x", text)),
    "MalformedError": lambda text: errors.MalformedError(text).message,
    "InputError": lambda text: errors.InputError(text).message,
    "TransportError": lambda text: errors.TransportError("unreachable", text).message,
    "ProbeError": lambda text: errors.ProbeError("unreachable", text).message,
    "FileError": lambda text: errors.FileError(text).message,
    "BusyError": lambda text: str(errors.BusyError(text)),
    "Finding": lambda text: errors.Finding("x", errors.ERROR, text).message,
    "changed Finding": lambda text: errors.Finding("x", errors.ERROR, "").saying(text).message,
    "Refusal": lambda text: errors.Refusal([errors.Fault("a", text)]).message,
    "Fault of a Refusal": lambda text: errors.Refusal([errors.Fault("a", text)]).faults[0].message,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("maker", MAKERS)
def test_hostile_text_becomes_one_printable_line(maker: str, kind: str) -> None:
    message = MAKERS[maker](f"the file {HOSTILE[kind]} is bad")
    assert message.isprintable() and "the file" in message and message.endswith("is bad")
    message.encode("utf-8")


@pytest.mark.parametrize("maker", MAKERS)
def test_long_text_loses_its_middle(maker: str) -> None:
    message = MAKERS[maker](f"the URL {'x' * 1_500_000} is refused; correct it")
    assert len(message) <= errors.LONGEST_SENTENCE + len("nothing was changed: ")
    assert "the URL xxx" in message and message.endswith("xxx is refused; correct it")


def test_a_refusal_has_no_other_lines_than_its_faults() -> None:
    refusal = errors.Refusal([errors.Fault("a", "x\n- y"), errors.Fault("b", "z")])
    assert refusal.message == "nothing was changed:\n- x?- y\n- z"


def test_text_of_people_is_left_alone() -> None:
    text = "bücher.example: Zertifikat ungültig, 証明書 «x»"
    assert errors.Finding("x", errors.ERROR, text).message == text
