# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened, one line for each certificate and event: to the journal, a terminal, syslog and a log file.

The handlers of `logging` know syslog, but neither the fields of the journal nor its socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import sys
import typing as t
from datetime import datetime

from ocsp.errors import InputError, printable
from ocsp.store import tenants

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
NAME = "ocsp-stapling"

CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG = 2, 3, 4, 5, 6, 7
_WORDS = {CRITICAL: "critical", ERROR: "error", WARNING: "warning", NOTICE: "notice", INFO: "info", DEBUG: "debug"}
_COLOURS = {CRITICAL: "\033[1;31m", ERROR: "\033[31m", WARNING: "\033[33m"}
_END = "\033[0m"
_DAEMON = 3
_LONGEST = 4000


class Event(t.NamedTuple):
    """One thing that happened. ``message`` is a sentence, ``code`` a reason code or empty.

    ``what`` is one of: renewed, failed, revoked, refused, installed, withdrawn, kept, skipped, reloaded,
    reload_failed, clock, configuration, state, run.
    """

    what: str
    message: str
    priority: int = INFO
    code: str = ""
    certificate: str = ""
    service: str = ""

    @property
    def line(self) -> str:
        """All of it as one line."""
        subject = f"{self.certificate}: " if self.certificate else ""
        code = f" [{self.code}]" if self.code else ""
        return printable(" ".join(f"{subject}{self.message}{code}".split()))[:_LONGEST]


class Log:
    """Takes events to where they are read. One that cannot be taken is not an error of the run.

    Under systemd that is the journal, with a field for each part; on a terminal its user; elsewhere the
    journal or syslog, and for what is wrong the standard error as well.
    """

    def __init__(self, journal: str = JOURNAL, syslog: str = SYSLOG, debug: bool = False, quiet: bool = False) -> None:
        self._file: t.Optional[int] = None
        self._debug = debug
        self.events: t.List[Event] = []
        under_systemd = "JOURNAL_STREAM" in os.environ
        local = under_systemd or not sys.stderr.isatty()
        self._socket, self._native = _connect(journal, syslog) if local else (None, False)
        self._stderr_from = WARNING if quiet or self._socket is not None else DEBUG
        if under_systemd and self._socket is not None:
            self._stderr_from = CRITICAL - 1
        self._answers = not quiet and self._stderr_from >= CRITICAL

    def open_file(self, path: str) -> str:
        """Log to a file as well. Returns why that does not work, or an empty string."""
        try:
            with tenants.destination(path, f"the log file {path}", follow=False) as place:
                self._file = _open_log(place.at)
        except InputError as error:
            return error.message
        except OSError as error:
            return f"the log file {path} cannot be written: {error.strerror}"
        return ""

    def descriptors(self) -> t.List[int]:
        """What is open for the log."""
        return [one for one in (self._socket.fileno() if self._socket else None, self._file) if one is not None]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._file is not None:
            os.close(self._file)
        self._socket = self._file = None

    def emit(self, event: Event, answer: bool = False) -> None:
        """Take one event. An ``answer`` is shown to whoever started the program also where nothing is wrong."""
        if event.priority >= DEBUG and not self._debug:
            return
        self.events.append(event)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(_journal_entry(event) if self._native else _syslog_entry(event))
        if event.priority <= self._stderr_from or (answer and self._answers):
            _to_stderr(event)
        if self._file is not None:
            moment = datetime.now().astimezone().isoformat(timespec="seconds")
            with contextlib.suppress(OSError):
                os.write(self._file, f"{moment} {_WORDS[event.priority]}: {event.line}\n".encode("utf-8", "replace"))


def log_file_name(template: str, moment: datetime) -> str:
    """The name of a log file with its {year}, {month}, {day}, {hour}, {minute} and {second} filled in."""
    for field, form in (
        ("year", "%Y"),
        ("month", "%m"),
        ("day", "%d"),
        ("hour", "%H"),
        ("minute", "%M"),
        ("second", "%S"),
    ):
        template = template.replace(f"{{{field}}}", moment.strftime(form))
    return template


def _connect(journal: str, syslog: str) -> t.Tuple[t.Optional[socket.socket], bool]:
    """Where the host collects its log, and whether that is the journal."""
    for path, native in ((journal, True), (syslog, False)):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            connection.connect(path)
            return connection, native
        except OSError:
            connection.close()
    return None, False


def _open_log(path: str) -> int:
    """Open a log file that belongs to the owner of its folder, since both users write to it. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(0, "it is not a regular file with one name")
        owner = os.stat(os.path.dirname(path) or ".").st_uid
        if os.geteuid() == 0 and status.st_uid == 0 and owner != 0:
            os.fchown(descriptor, owner, -1)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _journal_entry(event: Event) -> bytes:
    """The journal's native protocol: a field with a line break would have its length before it."""
    fields = {
        "MESSAGE": event.line,
        "PRIORITY": str(event.priority),
        "SYSLOG_IDENTIFIER": NAME,
        "SYSLOG_FACILITY": str(_DAEMON),
        "OCSP_EVENT": event.what,
        "OCSP_CODE": event.code,
        "OCSP_CERTIFICATE": event.certificate,
        "OCSP_SERVICE": event.service,
    }
    entry = b""
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        if b"\n" in data:
            entry += name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        elif data:
            entry += name.encode() + b"=" + data + b"\n"
    return entry


def _syslog_entry(event: Event) -> bytes:
    text = f"<{_DAEMON * 8 + event.priority}>{NAME}[{os.getpid()}]: {event.line}"
    return text.encode("utf-8", "replace")


def _to_stderr(event: Event) -> None:
    colour = _COLOURS.get(event.priority, "") if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        print(f"{colour}{event.line}{_END if colour else ''}", file=sys.stderr, flush=True)
