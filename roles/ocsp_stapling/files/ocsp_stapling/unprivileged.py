# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of another user, to which root leaves work that may be taken over.

It has neither root's terminal nor what root has open, nor root's keys and environment, and gains no rights by what it
runs. Root relays what it prints, which is bounded and cannot act on a terminal, and learns how it ended.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import errno
import os
import re
import resource
import selectors
import signal
import sys
import time
import typing as t

from ocsp.errors import printable

#: Octets of what the process prints to standard error.
LONGEST_ERRORS = 256 * 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Seconds from one look at whether the process has ended to the next: others may hold its pipes open.
_PAUSE = 0.2
#: Seconds that the process has to end by itself, and then to be gone after it was killed.
_GRACE = 5
_PART = 64 * 1024
#: What any user can have waiting in a pipe, at most.
_LARGEST_PIPE = 1024 * 1024
#: What the environment may have, as it is no secret.
_ENVIRONMENT = ("COLUMNS", "HOME", "JOURNAL_STREAM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "PATH", "TERM", "TZ")
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_KEYCTL_JOIN_SESSION_KEYRING = 1  # keyctl(2)
#: The number of the system call keyctl for programs of 64 bits.
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "loongarch64": 219, "ppc64le": 271, "s390x": 280}


class Ended(t.NamedTuple):
    """How the process ended: its exit code, or minus a signal.

    ``is_cut``: it printed more than was relayed. ``error``: why its output could not be written, of errno, or 0.
    """

    code: int
    is_cut: bool
    error: int


class _UnendingError(Exception):
    """The process was killed and goes on: the kernel waits for something that its user has made."""


#: What the other user may have instead of root's limits: octets of memory and of a file, and no dump.
_LIMITS = {
    resource.RLIMIT_DATA: 2 * 1024**3,
    resource.RLIMIT_FSIZE: 256 * 1024**2,
    resource.RLIMIT_CORE: 0,
}


class Child:
    """The process, seen from root. ``output`` and ``errors`` are pipes that it prints to.

    ``mask`` are the signals that were blocked before those were that end a process.
    """

    def __init__(self, pid: int, output: int, errors: int, mask: t.Collection[int]) -> None:
        self.pid = pid
        self._output = output
        self._errors = errors
        self._mask = mask

    def follow(self, longest_output: int, shows_progress: bool) -> Ended:
        """Relay what the process prints until it ends. A signal to end is passed on to it, and then ends this one."""
        relays = [
            _Relay(self._output, sys.stdout, longest_output, "\n"),
            _Relay(self._errors, sys.stderr, LONGEST_ERRORS, "\n\r" if shows_progress else "\n"),
        ]
        received: t.List[int] = []
        code = -signal.SIGKILL
        with contextlib.suppress(_UnendingError), _passed_on(self.pid, self._mask, received):
            self._wait(relays)
            for relay in relays:
                relay.finish()
            _signal(self.pid, signal.SIGKILL)  # what it left behind in its group
            code = _exit_code(os.waitpid(self.pid, 0)[1])
        if received:
            signal.signal(received[0], signal.SIG_DFL)
            os.kill(os.getpid(), received[0])
        return Ended(code, any(relay.is_cut for relay in relays), relays[0].error)

    def _wait(self, relays: t.Iterable[_Relay]) -> None:
        with selectors.DefaultSelector() as selector:
            for relay in relays:
                selector.register(relay.source, selectors.EVENT_READ, relay)
            while selector.get_map() and not self._has_ended():
                for key, _events in selector.select(_PAUSE):
                    with contextlib.suppress(BlockingIOError):
                        if not key.data.take():
                            selector.unregister(key.fileobj)
        while not self._has_ended():
            time.sleep(_PAUSE)

    def _has_ended(self) -> bool:
        # It stays a zombie, so that its number is given to no other process.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def forget_environment() -> None:
    """Start this program again without what its environment should not have: what is only deleted stays in memory."""
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
    if len(kept) < len(os.environ):
        with open("/proc/self/cmdline", "rb") as handle:
            command = handle.read().split(b"\0")[:-1]
        os.execve(sys.executable, command, kept)


def divide(owner: os.stat_result, kept: t.Collection[int], workers: int) -> t.Optional[Child]:
    """Go on as two processes: returns the other one to root, and None to that one, which is the owner's.

    ``kept`` are descriptors that it keeps, and ``workers`` how many responses it fetches at a time.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    output, errors = os.pipe(), os.pipe()
    # Where it is ignored, as whoever started this may have it, no exit code is kept.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A signal between fork and what passes it on would end root's process alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = os.fork()
    if pid == 0:
        _let_go(output[1], errors[1], kept)
        _leave_keys()
        _limit(workers)
        _become(owner)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    for _reading, writing in (output, errors):
        os.close(writing)
    return Child(pid, output[0], errors[0], before)


def _let_go(output: int, errors: int, kept: t.Collection[int]) -> None:
    """Leave root's terminal, files and folder."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # that of the folder is closed already
                os.close(int(name))
    os.chdir("/")


def _leave_keys() -> None:
    """Leave root's keyrings: whoever possesses one may read its keys, whatever its user. Raises OSError.

    The new, empty one is root's, as other users may have too many to be given one more.
    """
    number = _KEYCTL.get(os.uname().machine) if sys.maxsize > 2**32 else None
    libc = ctypes.CDLL(None, use_errno=True)
    is_left = number is None or libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None) >= 0
    # Kernels without keys have no such call, and containers that forbid it forbid to make keys as well.
    if not is_left and ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
        raise OSError(ctypes.get_errno(), "root's keyrings cannot be left")


def _limit(workers: int) -> None:
    """Leave root's limits, and its niceness where that is a better one. Raises OSError."""
    # Its unit has as many tasks, and may be at work as well.
    limits = {**_LIMITS, resource.RLIMIT_NPROC: 2 * (workers * 6 + 32)}
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def _become(owner: os.stat_result) -> None:
    """Be another user for good, whatever programs with the set-user-ID bit are run. Raises OSError."""
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    if _has_rights():
        raise OSError(errno.EPERM, "root's capabilities cannot be left: run refresh without no_setuid_fixup")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")


def _has_rights() -> bool:
    """Whether this process has any capability, as with certain securebits also a user other than root has."""
    with open("/proc/self/status", "rb") as status:
        return any(int(line.split()[1], 16) for line in status if line.startswith(b"CapPrm:"))


@contextlib.contextmanager
def _passed_on(pid: int, mask: t.Collection[int], received: t.List[int]) -> t.Iterator[None]:
    """Have signals to end this process end that one. Those that come are ``received``. Raises _UnendingError."""
    kills = iter((True, False))

    def end(number: int, _frame: object) -> None:
        if not received:
            signal.alarm(_GRACE)
        received.append(number)
        _signal(pid, signal.SIGTERM)

    def kill(_number: int, _frame: object) -> None:
        if not next(kills):
            raise _UnendingError
        _signal(pid, signal.SIGKILL)
        signal.alarm(_GRACE)

    handlers = {number: end for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in {**handlers, signal.SIGALRM: kill}.items()}
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, number)


def _exit_code(status: int) -> int:
    # os.waitstatus_to_exitcode is of Python 3.9.
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


class _Relay:
    """Takes text from a pipe, and writes up to ``longest`` octets of it. Control characters but ``kept`` become "?"."""

    def __init__(self, source: int, target: t.TextIO, longest: int, kept: str) -> None:
        os.set_blocking(source, False)
        self.source = source
        self.is_cut = False
        #: Why nothing more can be written, as a number of errno, or 0.
        self.error = 0
        self._target = target.fileno()
        self._encoding = target.encoding
        self._left = longest
        self._texts = re.compile(f"[^{kept}]+")
        self._decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        self._last = b"\n"

    def take(self) -> bool:
        """Relay one part; False at the end. Raises BlockingIOError where there is none yet."""
        data = os.read(self.source, _PART)
        if not self.is_cut:
            self._write(self._decoder.decode(data, not data))
        return bool(data)

    def finish(self) -> None:
        """Relay what is in the pipe, and end the last line. Another process may go on writing."""
        with contextlib.suppress(BlockingIOError):
            for _part in range(_LARGEST_PIPE // _PART):
                if not self.take():
                    break
        os.close(self.source)
        if self._last != b"\n":
            self._put(b"\n")

    def _write(self, text: str) -> None:
        data = self._texts.sub(lambda match: printable(match.group()), text).encode(self._encoding, "replace")
        self.is_cut = self.is_cut or len(data) > self._left
        data = data[: self._left]
        self._left -= len(data)
        self._last = data[-1:] or self._last
        self._put(data)

    def _put(self, data: bytes) -> None:
        try:
            while data and not self.error:
                data = data[os.write(self._target, data) :]
        except OSError as error:
            self.error = error.errno or errno.EIO
