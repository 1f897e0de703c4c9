# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the clock is believed."""

from __future__ import annotations

import typing as t
from datetime import datetime

import pytest
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW, SECOND
from ocsp_stapling import clock
from ocsp_stapling.clock import Evidence, Known, Uptime


def doubt(
    now: datetime,
    latest: t.Optional[datetime],
    contradicted: bool = False,
    expected: t.Optional[datetime] = None,
    **evidence: bool,
) -> str:
    found = Evidence(evidence.get("new", False), evidence.get("good", False))
    return clock.problem(now, latest, expected or latest, lambda: contradicted, lambda: found)


PLAUSIBLE: t.Dict[str, t.Tuple[t.Optional[datetime], bool, t.Dict[str, bool]]] = {
    "the first run": (None, False, {}),
    "an hour later": (NOW - HOUR, False, {}),
    "set back a little": (NOW + HOUR, False, {}),
    "off for a month": (NOW - 30 * DAY, False, {}),
    "set back, and the CA agrees": (NOW + 3650 * DAY, False, {"new": True, "good": True}),
    "off for years, and the CA agrees": (NOW - 3650 * DAY, False, {"good": True}),
    "contradicted, and the CA agrees": (NOW - HOUR, True, {"new": True, "good": True}),
}


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_clocks_that_are_believed(name: str) -> None:
    latest, contradicted, evidence = PLAUSIBLE[name]
    assert doubt(NOW, latest, contradicted, **evidence) == ""


IMPLAUSIBLE: t.Dict[str, t.Tuple[t.Optional[datetime], bool, t.Dict[str, bool], str]] = {
    "set back": (NOW + HOUR + SECOND, False, {}, "is behind the 2026-03-04T06:06:08Z of an earlier run"),
    "set back by years": (NOW + 3650 * DAY, False, {"good": True}, "is behind the 2036-"),
    "years ahead": (NOW - 3650 * DAY, False, {}, "is 3650 days ahead of the last run"),
    "contradicted": (NOW - HOUR, True, {"good": True}, "contradicts the responders' clocks"),
}


def test_uptime_counts_within_a_boot() -> None:
    """It is a lower bound of what has passed; the clock may say more."""
    known = clock.known(clock.Known(NOW, Uptime("a", 100.0)).values())
    assert known.at(Uptime("a", 100.0 + 3600)) == NOW + HOUR
    assert known.at(Uptime("b", 100.0 + 3600)) == known.at(None) == known.at(Uptime("a", 50.0)) == NOW
    assert clock.known({}).at(Uptime("a", 1.0)) is None
    assert clock.known({"latest": "2026-03-04T05:06:07Z", "boot": 3, "uptime": "x"}) == Known(NOW, None)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        (NOW + 2 * HOUR, NOW + 2 * HOUR),
        (NOW + HOUR, NOW + HOUR),
        (NOW, NOW + HOUR),  # set back by a little
        (NOW - SECOND, NOW - SECOND),  # believed for what a CA signed
    ],
)
def test_what_is_known_of_a_clock_that_is_believed(now: datetime, latest: datetime) -> None:
    uptime = Uptime("a", 100.0)
    assert clock.believed(now, NOW + HOUR, uptime) == Known(latest, uptime)


@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_clocks_that_are_not_believed(name: str) -> None:
    latest, contradicted, evidence, words = IMPLAUSIBLE[name]
    message = doubt(NOW, latest, contradicted, **evidence)
    assert message.startswith(f"this host's clock says 2026-03-04T05:06:07Z, which {words}")
    assert message.endswith("if it is right, run 'ocsp-stapling apply --trust-clock' once")
