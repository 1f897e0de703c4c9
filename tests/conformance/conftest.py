# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the cases of each suite, and say at the end how many agreed with those who made them."""

from __future__ import annotations

import collections
import platform
import runpy
import typing as t
from pathlib import Path

import cryptography
import pytest
from cryptography.hazmat.backends.openssl.backend import backend

# The checkout is importable in the same way as for the unit tests.
runpy.run_path(str(Path(__file__).resolve().parents[1] / "unit" / "conftest.py"))

ROW = "| {:<26} | {:>5} | {:>6} | {:>10} | {:>5} | {} |"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "counted(suite, on_purpose): a case of this suite, of which we may differ on purpose"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("counted")
    if mark:
        item.user_properties.append(("counted", mark.args))


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    """The table of this interpreter and library; script/test puts those of all of them together."""
    suites: dict[str, collections.Counter[str]] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in getattr(report, "user_properties", ()):  # the report of a collection has none
                if name == "counted":
                    suite, on_purpose = value
                    verdict = "wrong" if outcome != "passed" else "on purpose" if on_purpose else "agreed"
                    suites.setdefault(suite, collections.Counter())[verdict] += 1
    if not suites:
        return
    openssl = " ".join(backend.openssl_version_text().split()[:2])
    library = f"cryptography {cryptography.__version__}, {openssl}, Python {platform.python_version()}"
    terminalreporter.section("conformance")
    terminalreporter.write_line(ROW.format("suite", "cases", "agreed", "on purpose", "wrong", "library"))
    terminalreporter.write_line("|---|--:|--:|--:|--:|---|")
    for suite, verdicts in suites.items():
        counts = [verdicts[verdict] for verdict in ("agreed", "on purpose", "wrong")]
        terminalreporter.write_line(ROW.format(suite, sum(counts), *counts, library))
