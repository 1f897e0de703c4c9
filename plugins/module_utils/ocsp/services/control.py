# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The services that read staples: is one running, is its configuration sound, make it read again.

What differs between them and between distributions is data. Commands are run by a callable that is
passed in. A service that does not run is never started, since its next start reads everything anyway.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
import signal
import stat
import time
import typing as t
from datetime import datetime

from ..errors import InputError, printable
from ..servers.server import Server
from ..servers.table import NAMES, SERVERS
from ..store import reading, tenants
from ..store.sets import Layout
from ..text import join_words

#: Runs a command: ``run(argv, input=None, timeout=60.0)``, returns its exit code, output and errors.
Run = t.Callable[..., t.Tuple[int, str, str]]
#: Says something to a UNIX socket and returns the answer: ``ask(path, text)``; raises OSError.
Ask = t.Callable[[str, str], str]

#: Units of systemd without their ending, which cannot leave the folder of the notes.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@:\\-]{0,199}", re.ASCII)
#: A time as systemctl shows it, with microseconds where it can: Sat 2026-11-28 18:44:51.476766 UTC.
_SYSTEMD_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,6})?")
_START_TIME = re.compile(r"start_time=\[([^\]]*)\]")

#: The settings of a service that are commands.
COMMANDS = ("test", "reload")

_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_TIMEOUT = 60.0
_ASK_TIMEOUT = 10.0
_LONGEST_ANSWER = 64 * 1024
_LONGEST_PID = 32
_PID = re.compile(rb"[0-9]{1,7}")
#: What a unit itself wrote lately, without what systemd writes about it. In JSON, a message of more than 4 KiB is null:
#: a unit that runs as a user may write some of many MiB, all of which other forms would have.
_JOURNAL = ("journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE")
_LATELY = ("--lines=10", "--since=-2min")
_LONG_MESSAGE = "(a message that is too long)"
#: States of a unit whose server has read its files. systemd reloads in these alone: a reload is swallowed by a start
#: that is under way. What ends reads all when it is started again.
_LOADED = ("active", "reloading", "refreshing")
_STARTING = "activating"
#: What is waited between two looks at a server that starts, within the time of a command.
_PAUSE = 0.5
#: For how many seconds a server is watched that may end by its reload, and what is waited between two looks at it.
_MOMENT, _GLANCE = 1.0, 0.05
#: What an init script says to an action that it does not know (LSB 5.0, core, section 22.2).
_UNIMPLEMENTED = 3
#: What one says of the status of a server that does not run; 4 and more say that this is not known (same section).
_NOT_RUNNING = (1, 2, 3)


class Service(t.NamedTuple):
    """A service as configured. What is None or empty comes from its kind, if it has one.

    ``unit`` is its name for systemd or service(8), ``test`` and ``reload`` are commands.
    """

    name: str
    kind: t.Optional[str] = None
    unit: t.Optional[str] = None
    test: t.Tuple[str, ...] = ()
    reload: t.Tuple[str, ...] = ()
    socket: t.Optional[str] = None

    @property
    def units(self) -> t.Tuple[str, ...]:
        if self.unit:
            return (self.unit,)
        return SERVERS[self.kind].units if self.kind else (self.name,)


class Result(t.NamedTuple):
    """What became of a reload. ``problem`` is empty or one sentence; ``running`` is None if unknown.

    ``ended``: it ended by the reload.
    """

    reloaded: bool
    running: t.Optional[bool]
    problem: str = ""
    ended: bool = False


def name_problem(name: t.Any) -> str:
    """Why something cannot name a service, for the end of a sentence, or an empty string."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return ""
    return f"{name!r} is not a valid service name; use letters, digits, and the characters . _ @ : \\ and -"


def read_command(value: t.Any) -> t.Tuple[str, ...]:
    """The words of a command that is given as a list of them, or as a text with the quotes of a shell.

    No shell runs it. Raises InputError with the rest of a sentence that names the option.
    """
    import shlex  # pylint: disable=import-outside-toplevel  # few give any

    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InputError(f"is not a valid command: {str(error).lower()}") from None
    if not isinstance(words, (list, tuple)) or not words or not all(isinstance(word, str) for word in words):
        raise InputError("must be a command, as a list of words or a string")
    return tuple(words)


def configured(name: str, kind: t.Optional[str] = None, **settings: t.Any) -> Service:
    """A service by its name alone, or with settings. Our name of a server, and those of its units, say its kind.

    Raises InputError for a kind that is not known.
    """
    if kind is not None and kind not in SERVERS:
        raise InputError(f"kind: '{kind}' is not one of {', '.join(NAMES)}")
    return Service(name, kind or _kind_of(name), **settings)


def _kind_of(name: str) -> t.Optional[str]:
    """Which server has this name with us, or as that of a unit on some distribution (exim4, httpd)."""
    if name in SERVERS:
        return name
    unit = name[: -len(".service")] if name.endswith(".service") else name
    return next((kind for kind, server in SERVERS.items() if unit in server.units), None)


def is_known(service: Service, run: Run) -> bool:
    """Whether a service is of a known kind, or described, or there on this host."""
    return bool(service.kind or service.unit or service.reload) or not _is_missing(service, run)


def absence(service: Service, run: Run) -> str:
    """That a server which nothing describes is not on this host, as one sentence, or an empty string."""
    if not service.kind or service.unit or service.reload or _test_command(service, run):
        return ""
    if _PidFile(service).running(run) or not _is_missing(service, run):
        return ""
    units = [service.name] if service.name in service.units else service.units
    what = "unit" if has_systemd() else "init script"
    shown = join_words(map(_unit_name, units) if has_systemd() else units, "or")
    return f"{service.name} is not installed on this host (no {what} {shown}); its reload is left out"


def _is_missing(service: Service, run: Run) -> bool:
    """Whether the service manager of this host has never heard of a service."""
    if has_systemd():
        command = ("systemctl", "show", "--property=LoadState", "--value", *map(_unit_name, service.units))
        return set(run(command, timeout=_TIMEOUT)[1].split()) == {"not-found"}
    return not any(os.path.exists(f"/etc/init.d/{unit}") for unit in service.units)


def _unit_name(unit: str) -> str:
    return unit if "." in unit else f"{unit}.service"


class Unit(t.NamedTuple):
    """A unit of systemd as which a service runs, and whether it has to be restarted, as a reload would not do."""

    name: str
    restart: bool


class Services:
    """The services of one host by their names. ``described`` are those that the user described.

    ``root`` is the root folder of the sets that they use.
    """

    def __init__(self, described: t.Mapping[str, Service], run: Run, root: str = Layout().root) -> None:
        self._described = described
        self._run = run
        self._root = root
        self._known: t.Dict[str, bool] = {}

    def get(self, name: str) -> Service:
        """The service of a name."""
        return self._described.get(name) or configured(name)

    def kinds(self, names: t.Iterable[str]) -> t.List[t.Optional[str]]:
        """The kind of each service, None where it is not known."""
        return [self.get(name).kind for name in names]

    def is_known(self, name: str) -> bool:
        """Whether there is such a service, as far as can be seen; looked up once."""
        if name not in self._known:
            self._known[name] = is_known(self.get(name), self._run)
        return self._known[name]

    def absence(self, name: str) -> str:
        """As the function of this name."""
        return absence(self.get(name), self._run)

    def test(self, name: str, also_stopped: bool = False) -> str:
        """Why the configuration of a service would be refused, if it runs or ``also_stopped``; else an empty string."""
        service = self.get(name)
        return test(service, self._run) if also_stopped or is_running(service, self._run) is not False else ""

    def is_running(self, name: str) -> t.Optional[bool]:
        """As the function of this name."""
        return is_running(self.get(name), self._run)

    def failure(self, name: str) -> str:
        """That a service or its last reload failed, with its last words, or an empty string."""
        return _manager(self.get(name)).failure(self._run)

    def start_failed(self, name: str) -> str:
        """Start a service again that failed. Returns what went wrong, or an empty string."""
        return _manager(self.get(name)).start_failed(self._run)

    def loaded_since(self, name: str, moment: float) -> t.Optional[bool]:
        """Whether a service has loaded its files since ``moment`` (CLOCK_MONOTONIC, seconds); None if unknown.

        One that does not run will load them when it starts.
        """
        return _manager(self.get(name)).loaded_since(self._run, moment)

    def unit(self, name: str, keys: t.Iterable[str] = ()) -> t.Optional[Unit]:
        """The unit as which a service runs; None where it does not run, or systemd does not know it.

        ``keys`` are the private keys that it reads.
        """
        manager, server = _manager(self.get(name)), SERVERS.get(self.get(name).kind or "")
        if not isinstance(manager, _Systemd) or not manager.running(self._run):
            return None
        # A reload by others leaves those files as they are that have to look new.
        restart = server is not None and (_has_to_restart(server, keys) or bool(server.touched))
        return Unit(manager.unit, restart or not manager.can_reload(self._run))

    def reload(self, name: str, keys: t.Iterable[str] = ()) -> Result:
        """As the function of this name."""
        return reload(self.get(name), self._run, keys, self._root)


def is_running(service: Service, run: Run) -> t.Optional[bool]:
    """Whether a service runs; None if unknown."""
    return _manager(service).running(run)


def test(service: Service, run: Run) -> str:
    """Check the configuration. Returns what is wrong with it, as one sentence, or an empty string."""
    command = _test_command(service, run)
    if not command:
        return ""
    code, output, errors = run(command, timeout=_TIMEOUT)
    if code == 0:
        return ""
    shown = " ".join(command)
    return f"the configuration of {service.name} was rejected by '{shown}' ({_last_words(code, output, errors)})"


def reload(service: Service, run: Run, keys: t.Iterable[str] = (), root: str = Layout().root) -> Result:
    """Test the configuration of a service and have it read its files again, if it runs.

    ``keys`` are the private keys that it reads: lighttpd is restarted where only root may read one.
    ``root`` is the root folder of the sets.
    """
    manager = _manager(service)
    running = manager.wait_for_start(run)
    if running is False:
        return Result(False, False)
    began = time.monotonic()
    problem = test(service, run)
    if problem:
        return Result(False, running, f"{problem}; it was not reloaded and continues with its current configuration")
    # What reads its configuration once more takes as long for that as its test did.
    moment = _MOMENT + time.monotonic() - began
    server = SERVERS[service.kind] if service.kind else None
    restart = server is not None and _has_to_restart(server, keys)
    for path in server.touched if server is not None else ():
        with contextlib.suppress(OSError):
            os.utime(os.path.join(root, path))
    before = _pid_file_marks(server)
    problem = manager.reload(run, restart)
    if problem:
        ended = manager.life(run) == ""
        return Result(False, running, manager.end(run) if ended and not restart else problem, ended)
    if (server is not None and server.survives_reload) or not _has_ended(manager, run, before, moment):
        return Result(True, running)
    return Result(False, running, manager.end(run), ended=True)


def _has_ended(manager: _Manager, run: Run, before: t.Mapping[str, t.Any], seconds: float) -> bool:
    """Whether a server ended by its reload, be it started again since: commands that reload one may only signal it.

    It is watched until a PID file shows that it went on, or for these seconds. ``before`` are the marks of its PID
    files before the reload.
    """
    life, server = manager.life(run), SERVERS.get(manager.service.kind or "")
    end, now = time.monotonic() + seconds, life
    while life and now == life and time.monotonic() < end:
        if server is not None and server.renews_pid_file and _pid_file_marks(server).items() - before.items():
            break
        time.sleep(_GLANCE)
        now = manager.life(run)
    # What cannot be told at the end has not been seen to end.
    return life == "" or now not in (life, None)


def _pid_file_marks(server: t.Optional[Server]) -> t.Dict[str, t.Tuple[int, int]]:
    """What changes when a PID file is written again, by the path of each that there is."""
    found = {}
    for path in server.pid_files if server is not None else ():
        with contextlib.suppress(OSError):
            status = os.stat(path)
            found[path] = (status.st_ino, status.st_mtime_ns)
    return found


def _has_to_restart(server: Server, keys: t.Iterable[str]) -> bool:
    return server.cannot_reload or (server.rereads_key_unprivileged and not all(_is_shared(key) for key in keys))


def takes_staples(service: Service) -> bool:
    """Whether a service is given staples through its socket for commands."""
    return service.kind is not None and SERVERS[service.kind].hand_over is not None


def hand_over(service: Service, certificate: str, data: bytes, ask: t.Optional[Ask] = None) -> str:
    """Give a service a new staple for the certificate file that it knows as ``certificate``, without a reload.

    Returns why that did not work, or an empty string.
    """
    give = SERVERS[service.kind].hand_over if service.kind else None
    path = _socket_path(service)
    if give is None or path is None:
        return f"{service.name} has no command socket"
    try:
        refusal = give(functools.partial(ask or ask_socket, path), certificate, data)
    except OSError as error:
        return f"the socket {path} of {service.name} does not answer: {error.strerror or error}"
    return f"{service.name} rejected the staple for {certificate}: {_one_line(refusal)}" if refusal else ""


def ask_socket(path: str, text: str) -> str:
    """One command to a UNIX socket, and the answer, all within ``_ASK_TIMEOUT``. Raises OSError."""
    import socket  # pylint: disable=import-outside-toplevel  # slow, and for HAProxy alone

    end = time.monotonic() + _ASK_TIMEOUT
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ASK_TIMEOUT)
        connection.connect(path)
        connection.sendall(text.encode())
        answer = b""
        while len(answer) < _LONGEST_ANSWER:
            # The user of the server may answer octet by octet, to keep root waiting.
            connection.settimeout(max(0.001, end - time.monotonic()))
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return answer.decode("utf-8", "replace")


def has_systemd() -> bool:
    """Whether systemd manages this host (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def _manager(service: Service) -> _Manager:
    if service.reload and not service.unit and not service.kind:
        return _Manager(service)
    if has_systemd():
        return _Systemd(service)
    if any(os.path.exists(f"/etc/init.d/{unit}") for unit in service.units):
        return _InitScript(service)
    return _PidFile(service)


class _Manager:
    """No service manager: all there is, is a command."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def running(self, run: Run) -> t.Optional[bool]:
        return None

    def life(self, run: Run) -> t.Optional[str]:
        """What stays the same for as long as the server goes on; empty where it does not run, None where unknown."""
        running = self.running(run)
        return None if running is None else "running" if running else ""

    def failure(self, run: Run) -> str:
        return ""

    def end(self, run: Run) -> str:
        """That the server ended by its reload, as one sentence with where to look."""
        return f"{self.service.name} ended when it was reloaded; see its own log"

    def start_failed(self, run: Run) -> str:
        return ""

    def wait_for_start(self, run: Run) -> t.Optional[bool]:
        """As ``running``, after a start that is under way has ended: what it has read so far may be old."""
        return self.running(run)

    def loaded_since(self, run: Run, moment: float) -> t.Optional[bool]:
        return True if self.running(run) is False else None

    def reload(self, run: Run, restart: bool) -> str:
        """Returns what went wrong, or an empty string."""
        return self._do(run, self.service.reload) if self.service.reload else self._reload(run, restart)

    def _reload(self, run: Run, restart: bool) -> str:
        return f"no reload command is known for {self.service.name}; set 'reload' for it"

    def _do(self, run: Run, command: t.Sequence[str]) -> str:
        return self._problem(command, *run(tuple(command), timeout=_TIMEOUT))

    def _problem(self, command: t.Sequence[str], code: int, output: str, errors: str) -> str:
        if code == 0:
            return ""
        shown = " ".join(command)
        return f"{self.service.name} cannot be reloaded: '{shown}' failed ({_last_words(code, output, errors)})"


class _Systemd(_Manager):
    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.unit = ""
        self._is_starting = False

    def _states(self, run: Run) -> t.List[t.Tuple[str, str]]:
        """Each unit with its state; none where systemd does not answer."""
        units = [_unit_name(unit) for unit in self.service.units]
        states = run(("systemctl", "is-active", *units), timeout=_TIMEOUT)[1].split()
        return [(unit, self._state(run, unit, state)) for unit, state in zip(units, states)]

    @staticmethod
    def _state(run: Run, unit: str, state: str) -> str:
        """A state as it is meant: one that ended, and waits to be started again, is said to be starting, too."""
        if state != _STARTING:
            return state
        command = ("systemctl", "show", "--property=SubState", "--value", unit)
        return "failed" if run(command, timeout=_TIMEOUT)[1].strip().startswith("auto-restart") else state

    def _find_unit(self, run: Run, *wanted: str) -> str:
        """The first of the units that is in one of these states, or an empty string."""
        return next((unit for unit, state in self._states(run) if state in wanted), "")

    def life(self, run: Run) -> t.Optional[str]:
        """When the unit became active: a reload leaves that as it is, and a start does not."""
        if not self.unit:
            return None
        command = ("systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic", self.unit)
        values = dict(line.partition("=")[::2] for line in run(command, timeout=_TIMEOUT)[1].splitlines())
        if "ActiveState" not in values:
            return None
        return values.get("ActiveEnterTimestampMonotonic") if values["ActiveState"] in _LOADED else ""

    def end(self, run: Run) -> str:
        hint = f"see its own log and 'journalctl --unit={self.unit}'"
        return f"{self.service.name} ended when it was reloaded; {hint}{_journal(run, self.unit)}"

    def failure(self, run: Run) -> str:
        unit = self._find_unit(run, "failed")
        if unit:
            return f"{unit} has failed{_journal(run, unit)}"
        if self.running(run) and self._show(run).get("ReloadResult", ["success"]) != ["success"]:
            return f"the last reload of {self.unit} failed{_journal(run, self.unit)}"
        return ""

    def start_failed(self, run: Run) -> str:
        unit = self._find_unit(run, "failed")
        if not unit:
            return ""
        code, output, errors = run(("systemctl", "restart", unit), timeout=_TIMEOUT)
        words = _last_words(code, output, errors)
        return f"{unit} cannot be started again ({words}){_journal(run, unit)}" if code else ""

    def running(self, run: Run) -> t.Optional[bool]:
        states = self._states(run)
        self.unit, self._is_starting = next(
            ((unit, state == _STARTING) for unit, state in states if state in (*_LOADED, _STARTING)), ("", False)
        )
        if self.unit:
            return True
        if not states or self._runs_by_itself(run):
            return None  # systemd does not answer, or cannot tell what it has loaded as it was started by hand
        # What systemd has never heard of may run elsewhere: in a container, or as a unit that only another play names.
        elsewhere = self.service.unit or self.service.reload or not self.service.kind
        return None if elsewhere and _is_missing(self.service, run) else False

    def wait_for_start(self, run: Run) -> t.Optional[bool]:
        end = time.monotonic() + _TIMEOUT
        running = self.running(run)
        while self._is_starting and time.monotonic() < end:
            time.sleep(_PAUSE)
            running = self.running(run)
        return running

    def _runs_by_itself(self, run: Run) -> bool:
        """Whether it runs, but not as the unit that it usually is."""
        return not self.service.unit and bool(_PidFile(self.service).running(run))

    def loaded_since(self, run: Run, moment: float) -> t.Optional[bool]:
        running = self.running(run)
        if not running:
            return None if running is None else True
        values = self._show(run)
        changed, started = (_seconds(values, f"{event}TimestampMonotonic") for event in ("StateChange", "InactiveExit"))
        if changed is None:
            return None
        if values.get("ReloadResult", ["success"]) != ["success"]:
            return False
        if started is not None and started > moment:
            return True
        if values.get("ActiveState") != ["active"]:
            return None  # it is reading, and may have begun before
        # A reload that had begun before the moment may have read some files before it.
        loaded = changed - _length_of_reload(values) > moment
        # A reload requested elsewhere may not have read the files, if a file has to look new for that.
        return None if loaded and self.service.kind and SERVERS[self.service.kind].touched else loaded

    def can_reload(self, run: Run) -> bool:
        """Whether a reload of the unit would do something."""
        if self._is_starting:
            return False
        command = ("systemctl", "show", "--property=CanReload", "--value", self.unit)
        return run(command, timeout=_TIMEOUT)[1].strip() != "no"

    def _show(self, run: Run) -> t.Dict[str, t.List[str]]:
        """What systemd knows of the unit: it records each start and reload, whoever requested it."""
        times = "InactiveExitTimestampMonotonic,StateChangeTimestamp,StateChangeTimestampMonotonic"
        wanted = f"ActiveState,ExecReload,ReloadResult,{times}"
        for precision in (("--timestamp=us",), ()):  # before systemd 247 there are seconds only
            code, shown, _errors = run(("systemctl", "show", *precision, f"--property={wanted}", self.unit))
            if code == 0:
                break
        values: t.Dict[str, t.List[str]] = {}
        for line in shown.splitlines():
            name, _separator, value = line.partition("=")
            values.setdefault(name, []).append(value)
        return values

    def reload(self, run: Run, restart: bool) -> str:
        if self._is_starting:
            return f"{self.service.name} cannot be reloaded: {self.unit} has been starting for {_TIMEOUT:.0f} seconds"
        return super().reload(run, restart)

    def _reload(self, run: Run, restart: bool) -> str:
        if not self.unit:
            return f"{self.service.name} cannot be reloaded: {self._why_no_unit(run)}"
        # One that ended meanwhile is not started, and one that cannot be reloaded is restarted.
        problem = self._do(run, ("systemctl", "try-restart" if restart else "try-reload-or-restart", self.unit))
        return f"{problem}{_journal(run, self.unit)}" if problem else ""

    def _why_no_unit(self, run: Run) -> str:
        code, output, errors = run(("systemctl", "is-active", *map(_unit_name, self.service.units)), timeout=_TIMEOUT)
        if not output:
            return f"systemd does not answer ({_last_words(code, output, errors)})"
        units = join_words(self.service.units, "or")
        why = f"it does not run as {units}" if self._runs_by_itself(run) else f"systemd has no unit {units}"
        return f"{why}; set 'unit' or 'reload' for it"


def _journal(run: Run, unit: str) -> str:
    """The last words of a unit, for the end of a sentence, or an empty string: systemd itself does not say why."""
    code, output, _errors = run((*_JOURNAL, *_LATELY, f"_SYSTEMD_UNIT={unit}"), timeout=_TIMEOUT)
    words = _one_line(" ".join(map(_message, output.splitlines()))) if code == 0 else ""
    return f"; its journal ends with: {words}" if words else ""


def _message(line: str) -> str:
    """The message of one entry; journalctl writes one that is not UTF-8 as a list of octets."""
    message: t.Any = None
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        message = json.loads(line).get("MESSAGE", "")
    if isinstance(message, list):
        octets = bytes(one for one in message if isinstance(one, int) and 0 <= one < 256)
        return octets.decode("utf-8", "replace")
    return message if isinstance(message, str) else _LONG_MESSAGE


def _seconds(values: t.Mapping[str, t.Sequence[str]], name: str) -> t.Optional[float]:
    """When something happened (CLOCK_MONOTONIC, seconds), or None where that is not known."""
    text = values.get(name, [""])[0]
    return int(text) / 1_000_000 if text.isdigit() else None


def _length_of_reload(values: t.Mapping[str, t.Sequence[str]]) -> float:
    """How many seconds the last change of state took at most, where it was a reload by commands, else 0."""
    ended = [_read_time(text) for text in values.get("StateChangeTimestamp", [])]
    began = [_read_time(match) for text in values.get("ExecReload", []) for match in _START_TIME.findall(text)]
    known = [moment for moment in began if moment is not None]
    if not ended or ended[0] is None or not known:
        return 0.0
    # Both are of one time zone, whichever that is, so that their difference needs none. Where the clock was set back
    # meanwhile, it tells nothing.
    length = (ended[0] - min(known)).total_seconds()
    return length if length >= 0 else math.inf


def _read_time(text: str) -> t.Optional[datetime]:
    match = _SYSTEMD_TIME.search(text)
    return datetime.fromisoformat(f"{match.group(1)}{(match.group(2) or '.0').ljust(7, '0')}") if match else None


class _InitScript(_Manager):
    @property
    def _script(self) -> str:
        return next(unit for unit in self.service.units if os.path.exists(f"/etc/init.d/{unit}"))

    def running(self, run: Run) -> t.Optional[bool]:
        code = run(("service", self._script, "status"), timeout=_TIMEOUT)[0]
        return True if code == 0 else False if code in _NOT_RUNNING else None

    def _reload(self, run: Run, restart: bool) -> str:
        command = ("service", self._script)
        if not restart:
            code, output, errors = run((*command, "reload"), timeout=_TIMEOUT)
            if code != _UNIMPLEMENTED:
                return self._problem((*command, "reload"), code, output, errors)
        return self._do(run, (*command, "restart"))


class _PidFile(_Manager):
    def running(self, run: Run) -> t.Optional[bool]:
        return self.main_pid() is not None if self.service.kind and SERVERS[self.service.kind].pid_files else None

    def main_pid(self) -> t.Optional[int]:
        """The main process, by the first PID file whose process lives."""
        for path in SERVERS[self.service.kind].pid_files if self.service.kind else ():
            with contextlib.suppress(OSError, InputError):
                text = (reading.read_file(path, path, _LONGEST_PID) or b"").strip()
                pid = int(text) if _PID.fullmatch(text) else 0
                if pid > 1 and self._is_meant(pid, path):
                    with contextlib.suppress(PermissionError):  # it lives, and is another user's
                        os.kill(pid, 0)
                    return pid
        return None

    def _is_meant(self, pid: int, path: str) -> bool:
        """Whether a process is what a PID file is for.

        The user of a server may own the file or its folder. Then the process has to be that user's, or the server's
        by the name of its program, as root would signal any other in the user's place.
        """
        statuses = map(os.stat, (path, os.path.dirname(path)))
        others = {owner for owner in map(tenants.writer, statuses) if owner is not None}
        if not others:
            return True
        return _runs(pid, self.service) or bool(others & _users(pid))

    def _reload(self, run: Run, restart: bool) -> str:
        pid = self.main_pid()
        if pid is None or not self.service.kind:
            return super()._reload(run, restart)
        if restart:
            return f"{self.service.name} has to be restarted, but no command for that is known; set 'reload' for it"
        try:
            os.kill(pid, signal.Signals[SERVERS[self.service.kind].signal_name])
        except OSError as error:
            return f"{self.service.name} cannot be reloaded: the process {pid} cannot be signalled ({error.strerror})"
        return ""


def _runs(pid: int, service: Service) -> bool:
    """Whether a process has the program of a service; what it says of itself counts for nothing."""
    kind = SERVERS[service.kind] if service.kind else None
    return kind is not None and _program(pid) in (*kind.units, *kind.programs)


def _program(pid: int) -> str:
    """The file name of what a process executes, or an empty string where that cannot be told."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    return ""


def _users(pid: int) -> t.Set[int]:
    """The users that a process runs as; none where that cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as handle:
            line = next((one for one in handle if one.startswith("Uid:")), "")
        return set(map(int, line.split()[1:]))
    return set()


def _only_root_writes(path: str) -> bool:
    """Whether only root and the user of this process can change what is at a path, which has no links in it."""
    try:
        while True:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode) or tenants.writer(status) is not None:
                return False
            path, before = os.path.dirname(path), path
            if path == before:
                return True
    except OSError:
        return False


def _test_command(service: Service, run: Run) -> t.Tuple[str, ...]:
    if service.test:
        return service.test
    server = SERVERS[service.kind] if service.kind else None
    files = _files_of_process(service, server.file_options, run) if server is not None else []
    for program, *arguments in server.tests if server is not None else ():
        if files:
            arguments = [*_without(arguments, server.file_options if server is not None else ()), *files]
        path = next((f"{folder}/{program}" for folder in _FOLDERS if os.access(f"{folder}/{program}", os.X_OK)), None)
        if path and all(os.path.exists(argument) for argument in arguments if argument.startswith("/")):
            return (path, *arguments)
    return ()


def _files_of_process(service: Service, options: t.Sequence[str], run: Run) -> t.List[str]:
    """The options by which the process that runs was told its configuration, as for HAProxy with a folder ``conf.d``.

    A reload has it read the same files again. None where that cannot be told, or not be believed.
    """
    pid = _main_pid(service, run) if options else None
    if pid is None:
        return []
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as handle:
            words = handle.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return []
    found: t.List[str] = []
    for number, word in enumerate(words[1:], 1):
        name, is_one, value = word.partition("=")
        if word in options:
            found += words[number : number + 2]
        elif word == "--":
            found += [part for rest in words[number + 1 :] for part in (options[0], rest)]
            break
        elif is_one and name in options:
            found += [name, value]
    # One that is relative is so to a folder that the process may have left.
    paths = found[1::2]
    if len(found) % 2 or not all(path.startswith("/") for path in paths):
        return []
    return found if _is_believed(service, pid, paths) else []


def _is_believed(service: Service, pid: int, paths: t.Sequence[str]) -> bool:
    """Whether root can test the configuration that a process says it was started with, which may run commands.

    A process that does not run as root can say anything of itself, and replace itself by a set-user-ID program of root:
    it is believed where the files are among the configuration of the server, and only root can write to them.
    """
    users = _users(pid)
    if users and users <= {0, os.geteuid()} and _runs(pid, service):
        return True
    folders = tuple(f"/etc/{folder}/" for folder in SERVERS[service.kind].folders) if service.kind else ()
    usual = (f"{path}/".startswith(folders) and path == os.path.normpath(path) for path in paths)
    return all(usual) and all(map(_only_root_writes, paths))


def _without(arguments: t.Sequence[str], options: t.Sequence[str]) -> t.List[str]:
    """Arguments but for these options with their values."""
    named = {number for number, word in enumerate(arguments) if word in options}
    return [word for number, word in enumerate(arguments) if not {number, number - 1} & named]


def _main_pid(service: Service, run: Run) -> t.Optional[int]:
    if has_systemd():
        units = [*map(_unit_name, service.units)]
        shown = run(("systemctl", "show", "--property=MainPID", "--value", *units), timeout=_TIMEOUT)[1].split()
        found = next((int(word) for word in shown if word.isdigit() and word != "0"), None)
        if found is not None or service.unit:
            return found
    return _PidFile(service).main_pid()


def _socket_path(service: Service) -> t.Optional[str]:
    candidates = (service.socket,) if service.socket else SERVERS[service.kind].sockets if service.kind else ()
    return next((path for path in candidates if path and os.path.exists(path)), None)


def _is_shared(key: str) -> bool:
    """Whether others than the owner may read a file."""
    try:
        return bool(os.stat(key).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return True


def _last_words(code: int, output: str, errors: str) -> str:
    return _one_line(errors) or _one_line(output) or f"exit code {code}"


def _one_line(text: str, longest: int = 500) -> str:
    """The end of what a program printed, without what a terminal would obey."""
    line = printable(" ".join(text[-_LONGEST_ANSWER:].split()))
    return line if len(line) <= longest else f"...{line[-longest:]}"
