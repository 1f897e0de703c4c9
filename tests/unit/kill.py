# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill a function at each of its statements that change what others can see on disk, one after the other.

What has no name yet is lost with the process, and syncing changes nothing as long as the power is there: a kill at
one of these is like one at the next statement.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
import typing as t

#: Audit events of Python that change the file system, and where in their arguments the path stands.
_EVENTS = {
    "os.rename": 1,
    "os.remove": 0,
    "os.symlink": 1,
    "os.link": 1,
    "os.mkdir": 0,
    "os.rmdir": 0,
    "os.chmod": 0,
    "os.chown": 0,
    "os.truncate": 0,
    "os.write": 0,
    "open": 0,
}


class Done(t.NamedTuple):
    """The end of a run: whether it was killed, and what it wrote until then, each as ``event path``."""

    killed: bool
    written: t.Tuple[str, ...]
    result: t.Any = None


def run(function: t.Callable[[], t.Any], root: str, at: t.Optional[int] = None) -> Done:
    """Run a function in a process of its own, which is killed just before it writes for the ``at``-th time (from 0).

    Writing is what changes something below ``root``, and starting a command. An exception in it is raised here.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _in_child(function, root, at, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return Done(True, ())
    problem, written, result = pickle.loads(said)
    assert not problem, problem
    return Done(False, written, result)


def _in_child(function: t.Callable[[], t.Any], root: str, at: t.Optional[int], writer: int) -> t.NoReturn:
    written: t.List[str] = []

    def note(event: str, path: str) -> None:
        if len(written) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(f"{event} {path}")

    def watch(event: str, arguments: t.Tuple[t.Any, ...]) -> None:
        if event == "subprocess.Popen":
            note(event, str(arguments[0]))
        elif event in _EVENTS:
            path = _path(arguments[_EVENTS[event]])
            is_named = path.startswith(root) and not path.endswith(" (deleted)")
            if is_named and (event != "open" or _makes_a_name(arguments[2] or 0)):
                note(event, path)

    write = os.write

    def watched_write(descriptor: int, data: t.Any) -> int:
        watch("os.write", (descriptor,))
        return write(descriptor, data)

    os.write = watched_write
    sys.addaudithook(watch)
    problem, result = "", None
    try:
        result = function()
    except BaseException:
        problem = traceback.format_exc()
    total = tuple(written)
    at = -1
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(pickle.dumps((problem, total, result)))
    os._exit(0)


def _makes_a_name(flags: int) -> bool:
    return bool(flags & (os.O_CREAT | os.O_TRUNC))


def _path(value: t.Any) -> str:
    """The path of an argument, which may be a descriptor."""
    if isinstance(value, int):
        try:
            return os.readlink(f"/proc/self/fd/{value}")
        except OSError:
            return ""
    return os.path.abspath(os.fsdecode(value)) if value else ""
