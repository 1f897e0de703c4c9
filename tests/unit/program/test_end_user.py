# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the removal of the program ends, so that its user can be removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT, MOUNTING, USER_NAMESPACES

SCRIPT = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/files/end_user.py"
USER, OTHER = 64711, 64712

pytestmark = AS_ROOT


def sleeping(user: int, *before: str) -> subprocess.Popen[bytes]:
    """A process of a user that ends by nothing but a kill."""
    code = (
        "import os, signal, time; os.setgroups([]); os.setgid(4712); "
        f"os.setuid({user}); signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [*before, sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout is not None
    process.said = process.stdout.readline()  # type: ignore[attr-defined]
    return process


def end(user: int, *waits_for: subprocess.Popen[bytes]) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    with SCRIPT.open() as script:
        ending = subprocess.Popen([sys.executable, "-I", "-", str(user)], stdin=script)
        for process in waits_for:
            process.wait(20)
        assert ending.wait(20) == 0
    return time.monotonic() - began


@pytest.fixture
def started() -> t.Iterator[t.List[subprocess.Popen[bytes]]]:
    processes: t.List[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_all_processes_of_the_user_are_ended(started: t.List[subprocess.Popen[bytes]]) -> None:
    started += [sleeping(USER), sleeping(USER), sleeping(OTHER)]
    assert end(USER, *started[:2]) < 8
    assert [process.poll() for process in started] == [-signal.SIGKILL, -signal.SIGKILL, None]


_FORKING = f"""
import os, time
os.setgroups([]); os.setgid(4712); os.setuid({USER})
until = time.monotonic() + 30
if any([os.fork() == 0 for _chain in range(5)]):
    while time.monotonic() < until:
        if os.fork():
            os._exit(0)
        time.sleep(0.001)
"""


def test_what_forks_faster_than_it_is_listed_is_ended() -> None:
    """Each process is gone before its turn to be killed comes, and has left another."""
    subprocess.run([sys.executable, "-c", _FORKING], check=True, start_new_session=True, timeout=30)
    assert _processes_of(USER)
    assert end(USER) < 20
    assert _processes_of(USER) == []


_SHARING = """
import ctypes, os, sys
os.setgroups([]); os.setgid(4712); os.setuid(int(sys.argv[1]))
libc = ctypes.CDLL(None)
print(libc.shmget(0, 4096, 0o1666), libc.semget(0, 1, 0o1666), libc.msgget(0, 0o1666))
"""


def test_shared_memory_of_the_user_goes_and_that_of_others_stays() -> None:
    made = {user: _sharing(user) for user in (USER, OTHER)}
    try:
        end(USER)
        assert (_ipc_of(USER), _ipc_of(OTHER)) == ([], made[OTHER])
    finally:
        end(OTHER)
    assert _ipc_of(OTHER) == []


def _sharing(user: int) -> t.List[str]:
    """What it has once it has ended: a segment, a semaphore and a queue."""
    done = subprocess.run([sys.executable, "-c", _SHARING, str(user)], stdout=subprocess.PIPE, check=True, text=True)
    assert _ipc_of(user) == done.stdout.split()
    return done.stdout.split()


def _ipc_of(user: int) -> t.List[str]:
    shown = [Path("/proc/sysvipc", kind).read_text().splitlines()[1:] for kind in ("shm", "sem", "msg")]
    return [line.split()[1] for lines in shown for line in lines if str(user) in line.split()]


def test_root_has_its_processes_left() -> None:
    assert end(0) < 5


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_a_container_is_left_alone(started: t.List[subprocess.Popen[bytes]]) -> None:
    """Where it has no numbers of its own for users, one of them may be that of the program."""
    started.append(sleeping(USER, "unshare", "--pid", "--fork", "--kill-child"))
    if not started[0].said:  # type: ignore[attr-defined]
        pytest.skip("namespaces are not allowed here")
    assert end(USER) < 5
    assert started[0].poll() is None


_AS_USER = ["setpriv", f"--reuid={USER}", "--regid=4712", "--clear-groups"]
_OWN = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


@USER_NAMESPACES
def test_a_namespace_of_the_user_protects_nothing(started: t.List[subprocess.Popen[bytes]]) -> None:
    for more in ([], _OWN):
        process = subprocess.Popen(
            [*_AS_USER, *_OWN, *more, "sh", "-c", "trap '' TERM; echo; sleep 60; true"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdout is not None and process.stdout.readline()
        started.append(process)
    assert end(USER, *started) < 8
    assert _processes_of(USER) == []


def _processes_of(user: int) -> t.List[str]:
    shown = subprocess.run(["ps", "-o", "pid=", "-U", str(user)], check=False, stdout=subprocess.PIPE, text=True)
    return shown.stdout.split()


@MOUNTING
def test_what_is_mounted_in_its_folders_is_unmounted(tmp_path: Path) -> None:
    for name in ("a", "a/b c", "ab"):
        (tmp_path / name).mkdir()
    script = f"""
set -e
cd {tmp_path}
mount -t tmpfs x a; mkdir 'a/b c'; mount -t tmpfs x 'a/b c'; mount -t tmpfs x a; mount -t tmpfs x ab
{sys.executable} -I {SCRIPT} 0 {tmp_path}/a
grep -o '{tmp_path}/[^ ]*' /proc/self/mountinfo
"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path}/ab\n", done


@MOUNTING
def test_no_other_mount_goes_where_a_link_leads_there(tmp_path: Path) -> None:
    """Whoever owns a folder can replace what is in it by a link at any moment."""
    for name in ("theirs/a", "roots/a"):
        (tmp_path / name).mkdir(parents=True)
    swap = (
        "_mounts_before, _mounts = _mounts, lambda folder: [*_mounts_before(folder), (b'99999', folder + b'/link/a')]"
    )
    script = f"""
set -e
cd {tmp_path}
mount -t tmpfs x roots/a; ln -s {tmp_path}/roots theirs/link
{{ sed '/^if __name__/,$d' {SCRIPT}; echo "{swap}; main(0, '{tmp_path}/theirs')"; }} | {sys.executable} -I -
grep -o '{tmp_path}/[^ ]*' /proc/self/mountinfo
"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path}/roots/a\n", done
