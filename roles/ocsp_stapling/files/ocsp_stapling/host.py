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

from ocsp.judge.schedule import Lookahead, look_ahead
from ocsp.services import control, timetable
from ocsp.services.timetable import Timetable

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
