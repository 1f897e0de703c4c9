# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root's ``refresh``, in which the process that works as another user was taken over."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT, MOUNTING
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp_stapling import unprivileged

NAME = "www.example.com"
USER = 4711


pytestmark = AS_ROOT

#: Runs the program with other code in the place of the work, or with none. Whoever started the tests may have signals
#: ignored. The other user may not be able to read this Python.
_SCRIPT = """
import encodings.idna, http.client, json, os, signal, ssl, sys, time, urllib.parse, urllib.request
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, ed448, padding, rsa, utils
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, sys.argv.pop(1))
code = sys.argv.pop(1)
from ocsp_stapling import cli, dispatch, unprivileged
unprivileged._GRACE = 1
if code:
    dispatch.refreshing.Refresh = lambda *_arguments: type("Taken", (), {"run": lambda self: exec(code)})()
sys.exit(cli.main())
"""


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more than this in its environment, the program is started twice, which takes its time."""
    for name in set(os.environ) - {"HOME", "PATH", "TZ"}:
        monkeypatch.delenv(name)


@pytest.fixture
def owned(host: Host) -> Host:
    """A host whose responses belong to another user."""
    for folder in (host.library, host.home, *list(host.home.parents)[:2]):
        folder.chmod(0o755)
    os.chown(host.responses, USER, USER)
    host.deploy(NAME)
    return host


def command(host: Host, code: str, *arguments: str) -> t.List[str]:
    compiled = f"pycache_prefix={host.library}/compiled"
    script = ["-X", compiled, "-c", _SCRIPT, str(host.library), code]
    return [sys.executable, *script, *host.arguments("refresh", *arguments)]


def run(host: Host, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(host, code, *arguments),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def on_a_terminal(host: Host, code: str, *arguments: str, descriptor: t.Optional[int] = None) -> str:
    """What root sees that runs it on a terminal, from a folder of its own and with something open."""
    argv = command(host, code, *arguments)
    child, leader = pty.fork()
    if child == 0:
        os.chdir(host.root)
        if descriptor is not None:
            os.set_inheritable(descriptor, True)
        os.execv(sys.executable, argv)
    output = b""
    with contextlib.suppress(OSError):  # as a terminal says that nobody writes to it any more
        while part := os.read(leader, 65536):
            output += part
    os.waitpid(child, 0)
    os.close(leader)
    return output.decode()


def test_it_has_nothing_of_roots(owned: Host) -> None:
    (owned.home / "secret").write_text("of root")
    (owned.home / "secret").chmod(0o600)
    looks = f"""
try:
    terminal = os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    terminal = error.strerror
links = {{}}
for number in os.listdir("/proc/self/fd"):
    try:
        links[number] = os.readlink("/proc/self/fd/" + number)
    except OSError:
        pass
with open({str(owned.responses / "seen")!r}, "w") as handle:
    seen = dict(links=links, terminal=terminal, ids=os.getresuid() + os.getresgid(), groups=os.getgroups())
    json.dump(dict(seen, leads=os.getsid(0) == os.getpid(), cwd=os.getcwd()), handle)
os._exit(0)
"""
    with open(owned.home / "secret") as secret:
        on_a_terminal(owned, looks, descriptor=secret.fileno())
    seen = json.loads((owned.responses / "seen").read_text())
    assert seen["ids"] == [USER] * 6 and seen["groups"] == []
    assert seen["terminal"] == "No such device or address" and seen["leads"] and seen["cwd"] == "/"
    links = seen["links"]
    assert links.pop("0") == "/dev/null"
    lock = str(owned.responses / ".refresh.lock")
    others = [link for link in links.values() if not link.startswith("/proc/") and link != lock]
    assert len(others) == 2 and all(link.startswith("pipe:") for link in others), seen


def test_it_has_nothing_of_roots_environment_and_gains_no_rights(owned: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is only deleted from an environment stays in memory."""
    monkeypatch.setenv("VAULT_TOKEN", "of root")
    looks = f"""
with open("/proc/self/status") as status:
    rights = [line for line in status if line.startswith("NoNewPrivs")]
with open({str(owned.responses / "seen")!r}, "w") as handle:
    json.dump(dict(rights=rights, environment=dict(os.environ)), handle)
"""
    run(owned, looks)
    seen = json.loads((owned.responses / "seen").read_text())
    assert seen["rights"] == ["NoNewPrivs:\t1\n"]
    assert "PATH" in seen["environment"] and "VAULT_TOKEN" not in seen["environment"]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not installed")
def test_it_does_not_go_on_with_capabilities_of_roots(owned: Host) -> None:
    """By this bit, they stay with whatever user a process becomes."""
    command_ = ["setpriv", "--securebits", "+no_setuid_fixup", *command(owned, "print('run')")]
    done = subprocess.run(command_, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "run" not in done.stdout.split(), done
    assert "root's capabilities cannot be left: run refresh without no_setuid_fixup" in done.stderr, done.stderr


def test_it_has_limits_of_its_own(owned: Host) -> None:
    """Root's would let it have all processes, all memory and all of the processor."""
    looks = f"""
import resource
limits = {{}}
for kind in ("NPROC", "DATA", "FSIZE", "CORE"):
    limits[kind] = resource.getrlimit(getattr(resource, "RLIMIT_" + kind))
with open({str(owned.responses / "seen")!r}, "w") as handle:
    json.dump(dict(limits=limits, niceness=os.getpriority(os.PRIO_PROCESS, 0)), handle)
"""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        run(owned, looks)
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
    seen = json.loads((owned.responses / "seen").read_text())
    assert all(0 <= soft == hard for soft, hard in seen["limits"].values()), seen
    assert seen["limits"]["NPROC"][0] <= 512 and seen["limits"]["CORE"] == [0, 0] and seen["niceness"] == 0


@pytest.mark.skipif(os.uname().machine not in unprivileged._KEYCTL, reason="its numbers of system calls are not known")
def test_it_has_no_keys_of_roots(owned: Host) -> None:
    """Whoever possesses a keyring may read what is in it."""
    keyctl = unprivileged._KEYCTL[os.uname().machine]
    begin = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); session = -3\n"
    search = f"key = libc.syscall({keyctl}, 10, session, b'user', b'name', 0)\n"
    # On all of these machines, add_key has the number that is two less.
    gives = f"{begin}joined = libc.syscall({keyctl}, 1, None)\n"
    gives += (
        f"added = libc.syscall({keyctl - 2}, b'user', b'name', b'secret', 6, session); failure = ctypes.get_errno()\n"
    )
    gives += f"{search}print(joined > 0 and added > 0 and key > 0, failure, flush=True)\nimport os, sys\n"
    gives += "os.execv(sys.argv[1], sys.argv[1:])\n"
    looks = f"{begin}{search}\nopen({str(owned.responses / 'seen')!r}, 'w').write(str(key))\n"
    done = subprocess.run(
        [sys.executable, "-c", gives, *command(owned, looks)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (owned.responses / "seen").read_text() == "-1"
    had, failure = done.stdout.split()
    if had == "False" and int(failure) in (errno.ENOSYS, errno.EPERM):
        pytest.skip("this kernel, or the container, has no keyrings")
    assert had == "True", "root had the key itself"


@MOUNTING
def test_a_file_system_that_is_mounted_there_is_refused(owned: Host) -> None:
    """Its server says whose it is."""
    script = f'mount -t tmpfs x {owned.responses} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command(owned, "")],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 74
    assert done.stderr.startswith(f"another file system is mounted at {owned.responses}; unmount it with ")


def test_it_logs_as_before(owned: Host) -> None:
    (owned.home / "logs").mkdir()
    os.chown(owned.home / "logs", USER, USER)
    owned.configure(log_file=str(owned.home / "logs" / "log"))
    done = run(owned, "")
    assert done.returncode == 0, done
    assert "refresh checked 1 of 1 certificate" in (owned.home / "logs" / "log").read_text()
    assert "refresh checked 1 of 1 certificate" in done.stderr


def test_results_of_many_certificates_are_whole(owned: Host) -> None:
    for number in range(50):
        owned.deploy(f"{number}.example.com")
    done = run(owned, "", "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["certificates"]) == 51, done


def test_a_relative_folder_of_the_state_is_that_of_root(owned: Host) -> None:
    arguments = [one.replace(str(owned.state), "var") for one in command(owned, "")]
    done = subprocess.run(arguments, check=False, cwd=owned.home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert (owned.responses / f"{NAME}.der").exists()


def test_progress_is_shown_on_roots_terminal(owned: Host) -> None:
    for number in range(20):
        owned.deploy(f"{number}.example.com")
    shown = on_a_terminal(owned, "", "--force")
    assert "\r21 of 21 certificates, 0 failed\r\n" in shown and "\x1b" not in shown


@pytest.mark.parametrize("stream", [1, 2])
def test_root_takes_little_text_that_acts_on_nothing(owned: Host, stream: int) -> None:
    text = "\\x1b]0;owned\\x07\\r\\x9b1m\\u202e" + "A" * 1000
    done = run(owned, f"for _ in range(20000): os.write({stream}, {text!r}.encode() + b'\\xff\\n')\nos._exit(0)")
    assert done.returncode == 0
    printed = done.stdout + done.stderr
    assert 60_000 < len(printed) < 300_000 and all(line.isprintable() for line in printed.split("\n"))
    assert done.stderr.split("\n")[-2:] == ["refresh printed more than is shown here; see 'ocsp-stapling status'", ""]


@pytest.mark.parametrize(("stream", "shown"), [(1, "?[2Ja?b\r\n"), (2, "?[2Ja\rb\r\n")])
def test_progress_alone_goes_back_in_a_line(owned: Host, stream: int, shown: str) -> None:
    assert on_a_terminal(owned, f"os.write({stream}, b'\\x1b[2Ja\\rb'); os._exit(0)") == shown


@pytest.mark.parametrize("code", [0, 2, 75])
def test_exit_codes_of_a_run(owned: Host, code: int) -> None:
    done = run(owned, f"os._exit({code})")
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("code", [3, 78, 200])
def test_other_exit_codes_are_told(owned: Host, code: int) -> None:
    done = run(owned, f"os._exit({code})")
    assert done.returncode == 70
    assert done.stderr == f"refresh ended with the exit code {code}, which it should never do\n"


def test_a_signal_is_told(owned: Host) -> None:
    done = run(owned, "os.kill(os.getpid(), signal.SIGKILL)")
    assert (done.returncode, done.stderr) == (70, "refresh was ended by signal 9, which it should never do\n")


@pytest.mark.parametrize("what", ["sleeps", "writes", "in its group"])
def test_root_waits_for_no_other_process(owned: Host, what: str) -> None:
    leaves = f"""
if os.fork() == 0:
    if {what!r} != "in its group":
        os.setsid()
    signal.alarm(30)
    with open({str(owned.responses / "pid")!r}, "w") as handle:
        handle.write(str(os.getpid()))
    while True:
        if {what!r} == "writes":
            os.write(2, b"x" * 1000)
        else:
            time.sleep(1)
while not (os.path.exists({str(owned.responses / "pid")!r}) and os.stat({str(owned.responses / "pid")!r}).st_size):
    time.sleep(0.01)
os.write(2, b"done\\n")
os._exit(1)
"""
    began = time.monotonic()
    process = subprocess.Popen(command(owned, leaves), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _output, errors = process.communicate(timeout=20)
    assert process.returncode == 1 and time.monotonic() - began < 15
    assert errors == b"done\n" or what == "writes"
    left = int((owned.responses / "pid").read_text())
    if what != "in its group":
        os.kill(left, signal.SIGKILL)
        return
    with pytest.raises(ProcessLookupError):
        while time.monotonic() - began < 20:  # until it was reaped
            os.kill(left, 0)
            time.sleep(0.1)


def test_root_waits_for_a_process_that_says_no_more(owned: Host) -> None:
    done = run(owned, "os.close(1); os.close(2); time.sleep(1); os._exit(2)")
    assert done.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("ignores", [False, True])
def test_who_ends_root_ends_it(owned: Host, number: int, ignores: bool) -> None:
    waits = f"""
if {ignores}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open({str(owned.responses / "pid")!r}, "w") as handle:
    handle.write(str(os.getpid()))
while True:
    time.sleep(1)
"""
    process = subprocess.Popen(command(owned, waits), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    noted = owned.responses / "pid"
    while not (noted.exists() and noted.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(number)
    _output, errors = process.communicate(timeout=20)
    assert process.returncode == -number
    assert (time.monotonic() - began > 0.9) is ignores
    assert errors.count("refresh was terminated by a signal") == (0 if ignores else 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_root_ends_though_the_other_process_cannot_be_killed(owned: Host) -> None:
    """The kernel waits, for example, for a file system of which that user is the server."""
    argv = command(owned, f"open({str(owned.responses / 'began')!r}, 'w').close(); time.sleep(6)")
    place = argv.index("-c") + 1
    argv[place] = argv[place].replace(
        "unprivileged._GRACE = 1", "unprivileged._GRACE = 1; unprivileged._signal = print"
    )
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (owned.responses / "began").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait(5) == -signal.SIGTERM
    process.communicate()


def test_who_reads_no_more_stops_nothing(owned: Host) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(owned, "", "--json"), check=False, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writing)
    assert done.returncode == 0 and "cannot be printed" not in done.stderr
    assert (owned.responses / f"{NAME}.der").exists()


def test_results_that_cannot_be_printed_are_told(owned: Host) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(owned, "", "--json"), check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 74
    assert "the results cannot be printed: No space left on device [file_error]\n" in done.stderr
