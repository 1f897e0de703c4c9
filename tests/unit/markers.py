# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests need of the one who runs them."""

from __future__ import annotations

import os

import pytest

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
