# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``openssl`` program that verdicts are compared with."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import typing as t

OPENSSL = shutil.which("openssl") or ""


@functools.cache
def openssl_version() -> t.Tuple[int, ...]:
    """Its version, such as (3, 0, 22); empty where there is none."""
    if not OPENSSL:
        return ()
    printed = subprocess.run([OPENSSL, "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", printed)[:3])
