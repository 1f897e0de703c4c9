# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook may say is what the program takes, as the role writes the one down for the other."""

from __future__ import annotations

from ocsp.wanted import OPTION_NAMES
from ocsp_stapling import config


def test_options_of_a_set_are_options_of_the_program() -> None:
    files = {f"{what}_{how}" for what in ("certificate", "issuer", "root") for how in ("path", "content")}
    assert set(OPTION_NAMES) == set(config._OPTIONS) - files
