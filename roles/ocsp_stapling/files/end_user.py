# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""End all processes of a user, and remove what it has in memory and mounted. The arguments are its number, and folders.

As long as there is such a process, the user cannot be removed, nor can a folder with something mounted in it. Its
shared memory, semaphores and message queues would belong to whoever is given its number next.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import typing as t

#: Seconds until it gives up.
_PATIENCE = 10.0
# ioctl_ns(2)
_NS_GET_USERNS, _NS_GET_OWNER_UID = 0xB701, 0xB704
_MNT_DETACH = 2  # umount2(2)
_MOST_MOUNTS = 1000
#: The number and the place of a mount in proc_pid_mountinfo(5), with the escapes that it has.
_MOUNT = re.compile(rb"^(\d+) \S+ \S+ \S+ (\S+) ", re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{3})")
#: The options of ipcrm(1), by the files of proc_sysvipc(5).
_IPC = {"shm": "--shmem-id", "sem": "--semaphore-id", "msg": "--queue-id"}
#: What ipcrm is told at once, within what a command may be told.
_MOST_IPC = 1000


def main(user: int, *folders: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while user and time.monotonic() < deadline:
        found = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _is_of(pid, user)]
        if not found:
            break
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _runs_in_containers(user):
            _end_at_once(user, deadline)
        time.sleep(0.05)
    if user:
        _remove_ipc(user)
    for folder in folders:
        _unmount(os.fsencode(folder))


def _is_of(pid: int, user: int) -> bool:
    try:
        return user in _users(pid) and not _is_contained(pid, user)
    except OSError:  # it has ended
        return False


def _end_at_once(user: int, deadline: float) -> None:
    """Have the kernel end all processes of a user, as those that fork faster than they are listed stay ahead."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    # Another process of the user can stop it meanwhile.
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _runs_in_containers(user: int) -> bool:
    """Whether a container has processes of a user of its own with that number, which the kernel would end as well."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if user in _users(int(pid)) and _is_contained(int(pid), user):
                return True
    return False


def _users(pid: int) -> t.List[int]:
    """The users of a process: real, effective, saved, and for files. Raises OSError when it has ended."""
    with open(f"/proc/{pid}/status", "rb") as status:
        return next([int(one) for one in line.split()[1:]] for line in status if line.startswith(b"Uid:"))


def _is_contained(pid: int, user: int) -> bool:
    """Whether it is in a PID namespace of somebody else's: containers have numbers of their own for their users."""
    with open(f"/proc/{pid}/ns/pid", "rb") as namespace:
        if os.fstat(namespace.fileno()).st_ino == os.stat("/proc/self/ns/pid").st_ino:
            return False
        users = fcntl.ioctl(namespace, _NS_GET_USERNS)
    try:
        return int.from_bytes(fcntl.ioctl(users, _NS_GET_OWNER_UID, bytes(4)), sys.byteorder) != user
    finally:
        os.close(users)


def _remove_ipc(user: int) -> None:
    """Remove what System V IPC has of it."""
    found = [f"{option}={identifier}" for kind, option in _IPC.items() for identifier in _ipc_of(kind, user)]
    for begin in range(0, len(found), _MOST_IPC):
        with contextlib.suppress(OSError):
            subprocess.run(["ipcrm", *found[begin : begin + _MOST_IPC]], stderr=subprocess.DEVNULL, check=False)


def _ipc_of(kind: str, user: int) -> t.Iterator[str]:
    """The identifiers of those that a user owns or created: both may change them. Nothing where a kernel has none."""
    with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}", encoding="ascii") as table:
        titles = table.readline().split()  # the key, the identifier, and what differs between kinds
        for line in table:
            values = line.split()
            if str(user) in (values[titles.index("uid")], values[titles.index("cuid")]):
                yield values[1]


def _unmount(folder: bytes) -> None:
    """Unmount what is mounted at a folder and below it, with all that is mounted on that."""
    for _attempt in range(_MOST_MOUNTS):
        found = [(len(point), -order, identifier, point) for order, (identifier, point) in enumerate(_mounts(folder))]
        if not found or not _detach(*min(found)[2:]):
            break


def _mounts(folder: bytes) -> t.Iterator[t.Tuple[bytes, bytes]]:
    """The number and the place of each that is mounted there, in the order in which they were."""
    with open("/proc/self/mountinfo", "rb") as mounts:
        for identifier, escaped in _MOUNT.findall(mounts.read()):
            point = _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), escaped)
            if point == folder or point.startswith(folder + b"/"):
                yield identifier, point


def _detach(identifier: bytes, point: bytes) -> bool:
    """Unmount this one alone, wherever somebody has a path lead by now; returns whether it was."""
    place = os.open("/", os.O_PATH)
    try:
        for part in filter(None, point.split(b"/")):
            # It looks at no file of what is mounted, which its server might not let it.
            following = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = following
        with open(f"/proc/self/fdinfo/{place}", "rb") as about:
            if b"mnt_id:\t" + identifier not in about.read().splitlines():
                return False
        return ctypes.CDLL(None).umount2(b"/proc/self/fd/%d" % place, _MNT_DETACH) == 0
    except OSError:
        return False
    finally:
        os.close(place)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
