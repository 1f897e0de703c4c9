# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of reason codes: what the sources use is in it, and what is in it is used, as bad as it says."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import codes
from ansible_collections.certops.ocsp.tests.unit import code_uses
from ansible_collections.certops.ocsp.tests.unit.code_uses import ASSIGNMENT, COMPARISON, CORE, Use

USES = code_uses.uses()
FAMILIES = code_uses.families()
NAMES = {code.name for code in codes.CODES}
MADE = [use for use in USES if use.by != COMPARISON]


def area_of(use: Use) -> str:
    """The only area that a use can be of, or an empty string."""
    family = FAMILIES.get(use.by, set())
    if "ProbeError" in family:
        return codes.PROBE
    if "TransportError" in family or (use.by == ASSIGNMENT and use.path.name == "transport.py"):
        return codes.TRANSPORT
    return ""


def of_the_program(use: Use) -> bool:
    """Whether it is an event of the program, or a decision about a staple."""
    return use.by not in FAMILIES and use.by not in ("Finding", "error", "warn", ASSIGNMENT)


def test_the_sources_are_read() -> None:
    by = {use.by for use in USES}
    assert {"Finding", "error", "warn", "ProbeError", "TransportError", "Event", "Decision"} <= by
    assert {COMPARISON, ASSIGNMENT} <= by
    assert len(MADE) > 150


def test_each_code_in_the_sources_is_in_the_table() -> None:
    assert [use.place for use in USES if use.code not in NAMES] == []


def test_each_code_in_the_sources_is_in_its_area() -> None:
    assert [use.place for use in MADE if area_of(use) and use.code not in codes.of_area(area_of(use))] == []


def uses_of(code: codes.Code) -> t.List[Use]:
    """The places that a row of the table is about."""
    named = [use for use in MADE if use.code == code.name]
    if code.area in (codes.PROBE, codes.TRANSPORT):
        return [use for use in named if area_of(use) == code.area or use.by == "MalformedError"]
    if code.area == codes.HOST:
        return [use for use in named if of_the_program(use) or CORE not in use.path.parents]
    return [use for use in named if not area_of(use) and CORE in use.path.parents]


@pytest.mark.parametrize("code", codes.CODES, ids=lambda code: f"{code.area}-{code.name}")
def test_each_code_of_the_table_is_used(code: codes.Code) -> None:
    assert uses_of(code)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_severities_are_those_of_the_sources(name: str) -> None:
    rows = [code for code in codes.CODES if code.name == name and code.area != codes.HOST]
    if not rows:
        return
    told = {severity for code in rows for severity in code.severities}
    used = [use for use in MADE if use.code == name and not of_the_program(use)]
    assert all(use.severities for use in used if use.by == "Finding"), "a severity that cannot be read"
    assert set().union(*(use.severities for use in used)) == told - {codes.NOTICE}


@pytest.mark.parametrize("name", codes.HOST_CODES)
def test_severities_are_those_of_the_program(name: str) -> None:
    (row,) = (code for code in codes.CODES if code.name == name and code.area == codes.HOST)
    logged = [use for use in uses_of(row) if of_the_program(use)]
    assert set().union(*(use.severities for use in logged)) <= set(row.severities)


def test_each_row_stands_once() -> None:
    rows = [(code.name, code.area) for code in codes.CODES]
    assert sorted(rows) == sorted(set(rows))
    assert [area for area in codes.AREAS if codes.of_area(area)] == list(codes.AREAS)
    assert list(dict.fromkeys(code.area for code in codes.CODES)) == list(codes.AREAS), "not in one piece"


@pytest.mark.parametrize("code", codes.CODES, ids=lambda code: f"{code.area}-{code.name}")
def test_each_row_can_be_read(code: codes.Code) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.name) and code.area in codes.AREAS
    assert set(code.severities) <= {codes.ERROR, codes.WARNING, codes.NOTICE}
    assert len(set(code.severities)) == (2 if code.exception[1] else 1)
    for text in (code.means, code.advice):
        assert re.fullmatch(r"[^\s|](?:[^\n|]*[^\s|])?\.", text) and text.count("`") % 2 == 0
    assert len(code.means) < 200, "what it means is one sentence"


def test_severity_in_words() -> None:
    (row,) = (code for code in codes.CODES if code.name == "responder_without_nocheck")
    assert row.severity_text == "warning; error with `require_nocheck`"
    assert codes.CODES[0].severity_text == "error"
