# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program as it lies on a host, made importable as ``ocsp_stapling``, with the core as ``ocsp``."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = _CHECKOUT / "roles/ocsp_stapling/files/ocsp_stapling"


def _make_importable() -> None:
    library = Path(tempfile.mkdtemp(prefix="fuzz-lib-"))
    atexit.register(shutil.rmtree, library, ignore_errors=True)
    (library / "ocsp").symlink_to(_CHECKOUT / "plugins/module_utils/ocsp")
    (library / "ocsp_stapling").symlink_to(PROGRAM)
    sys.path.insert(0, str(library))


_make_importable()
