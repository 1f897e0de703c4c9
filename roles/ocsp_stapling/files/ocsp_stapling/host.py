# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the program needs from its host: time, commands, random numbers and an identity."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ocsp.judge.schedule import Lookahead, look_ahead
from ocsp.services import control, timetable
from ocsp.services.timetable import Timetable

from .clock import Uptime

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: The environment variable in which the unit of apply says the same.
BOOT_ID = "OCSP_STAPLING_BOOT_ID"
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
                # Root's terminal is not for what refresh starts: its user can take over whatever runs as that user.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return 124, "", f"it took more than {timeout:.0f} seconds"
        except OSError as error:
            return 127, "", f"{error.strerror}"
        return done.returncode, _read(output), _read(errors)


def _memory_file() -> t.IO[bytes]:
    return os.fdopen(os.memfd_create("output"), "w+b")


def _read(handle: t.IO[bytes]) -> str:
    """The end, where programs say why they give up."""
    length = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, length - _LONGEST_OUTPUT))
    return handle.read(_LONGEST_OUTPUT).decode("utf-8", "replace")


def _machine() -> bytes:
    """What tells this host from others, for spreading requests over time."""
    try:
        with open(_MACHINE_ID, "rb") as handle:
            return handle.read(64).strip()
    except OSError:
        return os.uname().nodename.encode()


def _boot() -> str:
    """What tells this boot from others. The sandbox of apply hides the kernel's file, so that its unit says it."""
    told = os.environ.get(BOOT_ID, "")
    if not told:
        with contextlib.suppress(OSError, UnicodeDecodeError), open(_BOOT_ID, encoding="ascii") as handle:
            told = handle.read(64)
    return told.strip().replace("-", "")


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

    def read_clock(self) -> None:
        """Take the time from the host's clock again, which may have been put right while something was waited for."""
        self._start = datetime.now(timezone.utc) - timedelta(seconds=self.elapsed())

    def uptime(self) -> t.Optional[Uptime]:
        """How long the host has been up; None where that cannot be told, as in tests at a fixed time."""
        if self._fixed is not None:
            return None
        boot = _boot()
        return Uptime(boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else None

    def timetable(self) -> t.Optional[Timetable]:
        """When systemd or cron will start the program, None where that is not known."""
        return timetable.read(self.run, self.now(), control.has_systemd())

    def is_stopped(self) -> bool:
        """Whether the timer that should start the program does not run."""
        return timetable.is_stopped(self.run, control.has_systemd())

    def look_ahead(self, runs: t.Optional[Timetable], interval: timedelta, fetches: bool) -> Lookahead:
        """What can be left to the next run; ``interval`` is from one to the next where it is unknown when they are."""
        if runs is None:
            return look_ahead(interval, interval, fetches)
        return look_ahead(runs.first(self.now()) - self.now(), runs.interval, fetches)

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began
