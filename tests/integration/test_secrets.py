# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in each option and each variable are found nowhere, by the installed collection and this ansible-core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import CHECKOUT

SWEEP = CHECKOUT / "tests" / "tools" / "secret_sweep.py"


@pytest.mark.parametrize("part", ["modules", "action", pytest.param("role", marks=pytest.mark.nightly), "files"])
@pytest.mark.skipif(os.geteuid() != 0, reason="certificate_set needs root")
def test_nothing_secret_is_printed_stored_logged_or_left(part: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SWEEP), "--syslog", part],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 leaks: " in done.stdout and "\n0 cases" not in done.stdout
