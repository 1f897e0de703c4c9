# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests need of the one who runs them."""

from __future__ import annotations

import os
from pathlib import Path

import cryptography
import pytest


def _is_open(path: str) -> bool:
    """Whether any user gets to a file."""
    return all(folder.stat().st_mode & 0o001 for folder in Path(path).resolve().parents)


#: Why a program that root starts cannot go on as another user, or an empty string.
CLOSED = (
    ""
    if all(map(_is_open, (os.__file__, cryptography.__file__, __file__)))
    else "this Python, its libraries or the checkout are for one user alone"
)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
