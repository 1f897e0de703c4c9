# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time of a run: it begins when it is told to, and moves with a clock that nobody sets."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def nothing(_request: t.Any, _timeout: float) -> t.NoReturn:
    raise AssertionError("nothing is asked for here")


def test_the_time_moves_with_the_monotonic_clock() -> None:
    seconds = [100.0]
    environment = Environment(nothing, START, monotonic=lambda: seconds[0])
    assert environment.now() == START
    seconds[0] += 90.5
    assert environment.now() == START + timedelta(seconds=90.5)
    assert environment.monotonic() == 190.5


def test_chance_and_waiting_are_the_real_ones_unless_given() -> None:
    environment = Environment(nothing, START)
    assert len(environment.random_bytes(16)) == 16 and environment.random_bytes(16) != environment.random_bytes(16)
    assert 0 <= environment.jitter() < 1
    waits: t.List[float] = []
    Environment(nothing, START, sleep=waits.append).sleep(3.0)
    assert waits == [3.0]
