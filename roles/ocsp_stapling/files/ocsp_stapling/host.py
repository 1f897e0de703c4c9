# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the program needs from its host: time, commands, random numbers and an identity."""

from __future__ import annotations

import os
import random
import subprocess
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ocsp.services import control

_TIMER = "ocsp-stapling.timer"
_MACHINE_ID = "/etc/machine-id"
_LONGEST_OUTPUT = 64 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_command(
    argv: t.Sequence[str],
    input: t.Optional[str] = None,  # noqa: A002
    timeout: float = 60.0,
) -> t.Tuple[int, str, str]:
    """Run a command without a shell, in an environment of its own; what cannot be run has an exit code, too."""
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # Not into pipes, which a daemon that a command leaves behind would hold open; nor onto a disk, which may be full.
    with _memory_file() as output, _memory_file() as errors:
        try:
            done = subprocess.run(
                argv,
                check=False,
                input=(input or "").encode(),
                stdout=output,
                stderr=errors,
                timeout=timeout,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            return 124, "", f"it took more than {timeout:.0f} seconds"
        except OSError as error:
            return 127, "", f"{error.strerror}"
        return done.returncode, _read(output), _read(errors)


def _memory_file() -> t.IO[bytes]:
    return os.fdopen(os.memfd_create("output"), "w+b")


def _read(handle: t.IO[bytes]) -> str:
    handle.seek(0)
    return handle.read(_LONGEST_OUTPUT).decode("utf-8", "replace")


def _machine() -> bytes:
    """What tells this host from others, for spreading requests over time."""
    try:
        with open(_MACHINE_ID, "rb") as handle:
            return handle.read(64).strip()
    except OSError:
        return os.uname().nodename.encode()


class Host:
    """The host. The time is ``fixed``, or starts at the host's clock and then follows the monotonic clock."""

    def __init__(
        self,
        fixed: t.Optional[datetime] = None,
        run: t.Callable[..., t.Tuple[int, str, str]] = run_command,
        jitter: t.Callable[[], float] = random.random,
        machine: t.Optional[bytes] = None,
    ) -> None:
        self._fixed = fixed
        self._start = datetime.now(timezone.utc)
        self._began = time.monotonic()
        self.run = run
        self.jitter = jitter
        self.machine = _machine() if machine is None else machine

    def now(self) -> datetime:
        return self._fixed or self._start + timedelta(seconds=self.elapsed())

    def next_run(self) -> t.Optional[datetime]:
        """When systemd will start the next run, None where that is not known."""
        if not control.has_systemd():
            return None
        shown = self.run(("systemctl", "show", "--property=NextElapseUSecRealtime", "--value", _TIMER), timeout=10.0)[1]
        try:
            return datetime.strptime(shown.strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
        except ValueError:
            return None

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began
