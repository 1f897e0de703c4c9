# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the program starts next, as ``apply`` writes it down: /var/lib/ocsp-stapling/starts.json, {"starts": [TIME]}.

Systemd knows it, and ``refresh`` cannot ask that: its sandbox has no D-Bus, by which other services of the host could
be asked for more than times.
"""

from __future__ import annotations

import json
import typing as t

from ocsp.errors import InputError
from ocsp.services.timetable import Timetable
from ocsp.store import files, reading
from ocsp.text import format_time

from . import record

_LARGEST = 64 * 1024


def write_down(path: str, runs: t.Optional[Timetable]) -> None:
    """Have the next ``refresh`` know these. Raises FileError."""
    starts = [format_time(start) for start in runs.starts] if runs is not None else []
    files.replace_file(path, json.dumps({"starts": starts}).encode() + b"\n", own=True)


def read(path: str) -> t.Optional[Timetable]:
    """What the last ``apply`` wrote down, None where that was nothing, or cannot be read."""
    try:
        values = json.loads(reading.read_file(path, path, _LARGEST) or b"{}")
    except (InputError, ValueError, RecursionError):
        return None
    noted = values.get("starts") if isinstance(values, dict) else None
    if not isinstance(noted, list):
        return None
    starts = {start for start in (record.time_of({"start": one}, "start") for one in noted) if start is not None}
    return Timetable(tuple(sorted(starts))) if len(starts) > 1 else None
