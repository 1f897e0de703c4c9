# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""End all processes of a user, whose number is the argument: as long as there is one, the user cannot be removed.

Containers use numbers of their own for their users, so processes of other PID namespaces are left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

#: Seconds until it gives up.
_PATIENCE = 10.0


def main(user: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while user and time.monotonic() < deadline:
        found = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _is_of(pid, user)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _is_of(pid: int, user: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            users = next(line.split()[1:] for line in status if line.startswith(b"Uid:"))
        return b"%d" % user in users and os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:  # it has ended
        return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
