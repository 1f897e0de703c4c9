# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of ``labhosts`` for tests: brought up, talked to, looked at, taken down."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import typing as t
from datetime import datetime
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PKI = _HERE.parent / "tools" / "pki.py"
_PATIENCE = 300
#: Where this lab is, beside others.
NETWORK = os.environ.setdefault("LAB_NET", "10.77.60")


def host_python() -> list[str]:
    """A command that runs the Python that most hosts have, from the root file system that they are made of."""
    root = Path(os.environ["LAB_DIR"], "rootfs", "bookworm")
    return ["chroot", str(root), "python3"] if (root / ".ready").exists() else [sys.executable]


def reason_not_to() -> str:
    """Why there can be no lab here, or an empty string."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in ("systemd-nspawn", "mmdebstrap", "ip", "ssh") if not shutil.which(program)]
    return f"needs {' and '.join(missing)}" if missing else ""


class Host(t.NamedTuple):
    """One host of a lab."""

    name: str
    address: str

    def run(self, *command: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a command in the host, without ssh, and return what it printed."""
        done = labhosts("sh", self.name, *command, stdin=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file in the host."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path, stdin=content)

    def read(self, path: str) -> str:
        """What is in a file of the host."""
        return self.run("cat", path)

    def has(self, path: str) -> bool:
        """Whether there is such a path in the host."""
        return bool(self.run("sh", "-c", '[ ! -e "$1" ] && [ ! -L "$1" ] || echo yes', "sh", path))


def labhosts(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run labhosts."""
    return subprocess.run(
        [str(_HERE / "labhosts"), *arguments],
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


class Lab:
    """A lab without hosts, until they are added."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.address = f"{NETWORK}.1"
        self.inventory = home / "inventory.yml"
        # No address is used twice: ssh goes on for a while with the connection that it had to the last host there.
        self._numbers = itertools.count(11)

    def __enter__(self) -> Lab:
        self.home.mkdir(parents=True, exist_ok=True)
        _succeed(labhosts("up"))
        return self

    def __exit__(self, *exception: object) -> None:
        labhosts("down")

    def add(self, name: str, services: t.Sequence[str] = ("none",), suite: str = "bookworm") -> Host:
        """Start a host with these services of those that it has installed."""
        return self.add_all([name], services, suite)[0]

    def add_all(
        self, names: t.Sequence[str], services: t.Sequence[str] = ("none",), suite: str = "bookworm"
    ) -> list[Host]:
        """Start several hosts side by side, with the same services each."""
        hosts = [Host(name, f"{NETWORK}.{next(self._numbers)}") for name in names]
        _succeed(labhosts("add", *(f"{one.name}={one.address}:{','.join(services)}@{suite}" for one in hosts)))
        self.inventory.write_text(_succeed(labhosts("inventory")))
        return hosts

    def remove(self, *hosts: Host) -> None:
        """Stop hosts and forget them."""
        _succeed(labhosts("remove", *(host.name for host in hosts)))

    def inside(self, *command: str | Path) -> list[str]:
        """The command line that runs a command in the network of the lab."""
        return [str(_HERE / "labhosts"), "in", *map(str, command)]

    @contextlib.contextmanager
    def responder(self, pki: Path, minutes: int = 7 * 1440, url: str | None = None) -> t.Iterator[None]:
        """Answer for a PKI at the address of the lab, or at a URL there, for the time of a ``with`` block."""
        where = ["--url", url] if url else []
        with _running("python", str(_PKI), "respond", str(pki), "--minutes", str(minutes), *where):
            yield

    @contextlib.contextmanager
    def clients(self, *specs: str, every: float = 0.05) -> t.Iterator[dict[str, t.Any]]:
        """Have clients connect again and again; the mapping is filled with what they saw when the block ends."""
        seen: dict[str, t.Any] = {}
        with _running("python", str(_HERE / "clients.py"), "--every", str(every), *specs) as process:
            yield seen
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=60)[0]
            seen.update(json.loads(output.strip().splitlines()[-1]))
        if os.environ.get("CERTOPS_CLIENTS_TABLE"):
            with open(os.environ["CERTOPS_CLIENTS_TABLE"], "a") as table:
                table.write(f"{os.environ.get('PYTEST_CURRENT_TEST')}: {json.dumps(seen)}\n")

    def look(self, host: Host, name: str, port: int = 443, starttls: str = "") -> tuple[str, str, str]:
        """The serial number of the certificate served, the one in its staple, and the staple's status."""
        code = "import sys, clients; print(*clients.look(*sys.argv[1:]), sep='|')"
        arguments = ["in", "env", f"PYTHONPATH={_HERE}", sys.executable, "-c", code, host.address, str(port), name]
        shown = _succeed(labhosts(*arguments, *([starttls] if starttls else []))).strip().split("|")
        return shown[0], shown[1], shown[2]

    def verify(self, host: Host, name: str, root: Path, port: int = 443, starttls: str = "") -> list[str]:
        """The certificates, as PEM, that are served to a client that refuses all that does not verify."""
        command = ["openssl", "s_client", "-connect", f"{host.address}:{port}", "-servername", name, "-showcerts"]
        command += ["-CAfile", str(root), "-verify_return_error", "-verify_hostname", name]
        command += ["-starttls", starttls] if starttls else []
        shown = _succeed(labhosts("in", *command))
        return re.findall(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", shown)

    def staple_time(self, host: Host, name: str, port: int = 443) -> str:
        """When the staple that is served was made, as a text that sorts, or an empty string."""
        connection = ["-connect", f"{host.address}:{port}", "-servername", name]
        shown = labhosts("in", "openssl", "s_client", *connection, "-status").stdout
        found = re.search(r"Produced At: (.*) GMT", shown)
        return f"{datetime.strptime(found.group(1), '%b %d %H:%M:%S %Y'):%Y%m%d%H%M%S}" if found else ""


def _succeed(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(done.args)} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def _running(program: str, *arguments: str) -> t.Iterator[subprocess.Popen[str]]:
    """A program in the network of the lab that says ``ready`` when it is, stopped at the end of the block."""
    interpreter = sys.executable if program == "python" else program
    process = subprocess.Popen(
        [str(_HERE / "labhosts"), "in", interpreter, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        first = process.stdout.readline() if process.stdout else ""
        if not first.startswith("ready"):
            raise RuntimeError(f"{arguments} did not start: {first}")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)
        if process.stdout:
            process.stdout.close()
