# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation says that attackers cannot do is shown by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
_NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
_ROW = re.compile(r"^\| (.*?) \| (.*?) \|$", re.MULTILINE)


def boundary() -> str:
    text = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    return text.partition("\n## The trust boundary\n")[2].partition("\n## ")[0]


NAMED = sorted(set(_NAMED.findall(boundary())))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_is_named_exists(file: str, test: str) -> None:
    found = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests").rglob(file)]
    assert sum(f"\ndef {test}(" in text for text in found) == 1


def test_whatever_cannot_be_done_names_a_test() -> None:
    rows = [(first, second) for first, second in _ROW.findall(boundary()) if first not in ("test", "---")]
    assert len(rows) > 30
    assert [second for first, second in rows if not _NAMED.fullmatch(first)] == []


def test_each_attacker_has_a_table() -> None:
    found = re.findall(r"^\| test \| (.*?) \|$", boundary(), re.MULTILINE)
    assert [one.removesuffix(" cannot") for one in found[1:]] == [
        "a compromised fetcher",
        "a tenant",
        "a hostile CA",
        "a responder",
        "who sets the clock",
        "a TLS server",
    ]
