# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME CA for tests: Debian's ``pebble`` with its name server, and an OCSP responder for what it issues.

    python3 pebble.py fetch CACHE                          the programs and collections, from Debian and PyPI
    python3 pebble.py collections CACHE                    the collections alone
    python3 pebble.py serve HOME PROGRAMS --address A      run all until stopped; prints "ready"
    python3 pebble.py ask HOME PATH [JSON]                 a question to Pebble's management interface
    python3 pebble.py dns HOME PATH JSON                   a question to that of its name server

``--address`` is where the CA is (https, port 14000), its responder (4002) and its name server (8053). The CA connects
to port 80 of what the name server says.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import typing as t
import urllib.request
import zipfile
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pki as pki_tool

#: Where each version of Pebble is from. Only the first one does all that is tested.
VERSIONS = {"2.10.0+ds1-2": "forky", "2.6.0+ds1-1+b7": "trixie", "2.4.0+ds1-2+b4": "bookworm"}
NEWEST = next(iter(VERSIONS))
#: The package of PyPI that has collections in it, and what of them is used.
ANSIBLE = "ansible==14.5.0"
_COLLECTIONS = ("ansible_collections/community/crypto/", "ansible_collections/community/general/")
_NAMED = "bind9"

ISSUED = re.compile(r"Issued certificate serial ([0-9a-f]+)")
_PATIENCE = 60


class UnavailableError(Exception):
    """What is needed cannot be had here."""


def fetch(cache: Path, version: str = NEWEST) -> Path:
    """The folder with the programs of a version of Pebble, downloaded once. Raises UnavailableError."""
    folder = cache / f"pebble-{version}"
    with _locked(cache):
        if not (folder / "usr/bin/pebble").exists():
            _download(cache, folder, f"pebble={version}")
    return folder / "usr" / "bin"


def fetch_named(cache: Path) -> Path:
    """The folder into which BIND was unpacked, with the libraries that this machine lacks. Raises UnavailableError."""
    folder = cache / "bind9"
    with _locked(cache):
        if not (folder / "usr/sbin/named").exists():
            _download(cache, folder, _NAMED, dependencies=True)
    return folder


def fetch_debs(cache: Path, packages: t.Sequence[str], root: Path) -> Path:
    """The folder with Debian packages, and all that these need and a host made from ``root`` lacks.

    Downloaded once. Raises UnavailableError.
    """
    folder = cache / f"debs-{root.name}-{'-'.join(packages)}"
    with _locked(cache):
        if not folder.exists():
            environment = _prepare_apt(cache)
            status = ["-o", f"Dir::State::status={root}/var/lib/dpkg/status", "--target-release", root.name]
            wanted = _needed(packages, environment, status)
            staged = folder.with_suffix(".new")
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir()
            _succeed(["apt-get", "--quiet", "download", *wanted], environment, staged)
            staged.rename(folder)
    return folder


def fetch_caddy(cache: Path) -> Path:
    """The path of Caddy, which has an ACME server of another origin. Raises UnavailableError."""
    folder = cache / "caddy"
    with _locked(cache):
        if not (folder / "usr/bin/caddy").exists():
            _download(cache, folder, "caddy/bookworm")
    return folder / "usr/bin/caddy"


def fetch_collections(cache: Path) -> Path:
    """The folder with community.crypto and community.general, out of a package of PyPI. Raises UnavailableError."""
    folder = cache / "collections"
    with _locked(cache):
        if not (folder / "ansible_collections/community/crypto/MANIFEST.json").exists():
            wheels = cache / "wheel"
            # Nothing of it is run here, so it may be for a newer Python than this one.
            choice = ["--no-deps", "--only-binary=:all:", "--python-version=3.14"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", *choice, "--dest", str(wheels), ANSIBLE]
            _succeed(pip, {})
            with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
                wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(_COLLECTIONS)])
            shutil.rmtree(wheels)
    return folder


def fetch_python(cache: Path) -> Path:
    """The folder with what community.general.nsupdate imports. Raises UnavailableError."""
    folder = cache / "python"
    with _locked(cache):
        if not (folder / "dns").exists():
            _succeed([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "dnspython"], {})
    return folder


@contextlib.contextmanager
def _locked(cache: Path) -> t.Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare_apt(cache: Path) -> dict[str, str]:
    """An apt of its own, with lists of now. Returns the environment in which it is used."""
    apt = cache / "apt"
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnavailableError("needs apt-get and dpkg-deb, to get pebble from Debian")
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    # The releases that are tested or frozen may have no valid Release any more on a mirror that stands still.
    (apt / "etc/sources.list").write_text(
        "".join(f"deb [signed-by={keyring}] http://deb.debian.org/debian {one} main\n" for one in VERSIONS.values())
    )
    (apt / "apt.conf").write_text(
        f'Dir::State "{apt}/state";\nDir::Cache "{apt}/cache";\nDir::Etc "{apt}/etc";\n'
        'Dir::State::status "/var/lib/dpkg/status";\nAcquire::Check-Valid-Until "false";\nAPT::Sandbox::User "root";\n'
    )
    environment = {"APT_CONFIG": str(apt / "apt.conf")}
    _succeed(["apt-get", "--quiet", "update"], environment)
    return environment


def _needed(packages: t.Sequence[str], environment: t.Mapping[str, str], options: t.Sequence[str]) -> list[str]:
    """The packages that would be installed for these, with their versions."""
    command = ["apt-get", "--simulate", "--no-install-recommends", *options, "install", *packages]
    simulated = _succeed(command, environment)
    return [f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) \((\S+)", simulated, re.MULTILINE)]


def _download(cache: Path, folder: Path, package: str, dependencies: bool = False) -> None:
    """Unpack a Debian package without touching the system's apt."""
    debs = cache / "debs"
    environment = _prepare_apt(cache)
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir()
    wanted = [package]
    if dependencies:
        wanted = _needed([package], environment, ["--target-release", "bookworm"])
    _succeed(["apt-get", "--quiet", "download", *wanted], environment, debs)
    staged = folder.with_suffix(".new")
    shutil.rmtree(staged, ignore_errors=True)
    for file in debs.glob("*.deb"):
        _succeed(["dpkg-deb", "-x", str(file), str(staged)], {})
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
    shutil.rmtree(debs)


def _succeed(command: t.Sequence[str], environment: t.Mapping[str, str], folder: Path | None = None) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def shown_serial(logged: str) -> str:
    """A serial number of Pebble's log as openssl shows it."""
    number = f"{int(logged, 16):X}"
    return number if len(number) % 2 == 0 else f"0{number}"


class _IssuedPki(pki_tool.Pki):
    """What Pebble issued, as the database of ``openssl ocsp``; its intermediate signs the responses itself."""

    def __init__(self, home: Path, address: str, ask: t.Callable[[str], bytes]) -> None:
        super().__init__(home / "ocsp")
        self.home.mkdir(exist_ok=True)
        self._log, self._ask, self._url = home / "pebble.log", ask, f"http://{address}:4002/"
        self._index = self.home / "index.txt"
        self._revision = 0
        self._renew()

    @property
    def responder_url(self) -> str:
        return self._url

    def _renew(self) -> None:
        """Write what Pebble's state of certificates is now, if it changed."""
        lines = []
        # What it issued before it was started last it has forgotten.
        log = self._log.read_text(errors="replace").rpartition("Starting Pebble ACME server")[2]
        for serial in dict.fromkeys(ISSUED.findall(log)):
            number = serial.lstrip("0")
            found = json.loads(self._ask(f"/cert-status-by-serial/{number}"))
            even = shown_serial(serial)
            status, revoked = ("V", "")
            if found["Status"] == "Revoked":
                moment = datetime.strptime(found["RevokedAt"][:19], "%Y-%m-%d %H:%M:%S")
                status, revoked = "R", f"{moment:%y%m%d%H%M%SZ},keyCompromise"
            lines.append(f"{status}\t491231235959Z\t{revoked}\t{even}\tunknown\t/CN={even}\n")
        text = "".join(lines)
        if not self._index.exists() or self._index.read_text() != text:
            self._index.write_text(text)
            self._revision += 1

    def index_state(self) -> tuple[int, int]:
        self._renew()
        return self._revision, 0

    def responder_arguments(self, minutes: int) -> list[str]:
        signer = self.home / "intermediate.pem"
        key = self.home / "intermediate.key"
        signer.write_bytes(self._ask("/intermediates/0"))
        key.write_bytes(self._ask("/intermediate-keys/0"))
        arguments = ["-index", self._index, "-CA", signer, "-rsigner", signer, "-rkey", key, "-nmin", minutes]
        return [str(part) for part in arguments]


def _make_tls(home: Path, address: str) -> None:
    """A private CA for Pebble's own TLS."""
    openssl = pki_tool.openssl
    ca, key = home / "ca.pem", home / "ca.key"
    usage = "keyUsage=critical,keyCertSign,cRLSign"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-config", "/dev/null"]
    openssl(
        *request, "-keyout", key, "-out", ca, "-subj", "/CN=Pebble TLS", "-addext", usage,
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "subjectKeyIdentifier=hash",
    )  # fmt: skip
    openssl(
        *request, "-keyout", home / "tls.key", "-out", home / "tls.pem", "-subj", "/CN=pebble", "-CA", ca,
        "-CAkey", key, "-addext", f"subjectAltName=IP:{address},DNS:localhost",
        "-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=critical,digitalSignature",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "subjectKeyIdentifier=hash", "-addext", "authorityKeyIdentifier=keyid",
    )  # fmt: skip


def _configuration(home: Path, address: str, eab: bool, ocsp: bool) -> dict[str, t.Any]:
    return {
        "listenAddress": f"{address}:14000",
        "managementListenAddress": f"{address}:15000",
        "certificate": str(home / "tls.pem"),
        "privateKey": str(home / "tls.key"),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": f"http://{address}:4002/" if ocsp else "",
        "externalAccountBindingRequired": eab,
        "externalAccountMACKeys": {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"},
        "domainBlocklist": ["blocked.example"],
        "retryAfter": {"authz": 1, "order": 1},
        "keyAlgorithm": "rsa",  # the management interface gives away no other keys
        "profiles": {
            "default": {"description": "90 days", "validityPeriod": 7776000},
            "shortlived": {"description": "6 days", "validityPeriod": 518400},
        },
        "certificateValidityPeriod": 7776000,
    }


def serve(home: Path, programs: Path, given: argparse.Namespace) -> None:
    """Run the CA, its name server and its responder until stopped."""
    address = given.address
    home.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    (home / "address").write_text(address)
    if not (home / "ca.pem").exists():
        _make_tls(home, address)
    configuration = _configuration(home, address, given.eab, not given.no_ocsp)
    (home / "pebble.json").write_text(json.dumps({"pebble": configuration}))
    with contextlib.ExitStack() as stack:
        names = ["-defaultIPv4", "", "-defaultIPv6", "", "-dnsserver", f"{address}:8053", "-doh", "", "-http01", ""]
        names += ["-https01", "", "-tlsalpn01", "", "-management", f"{address}:8055"]
        _start(stack, home / "names.log", [(given.names or programs) / "pebble-challtestsrv", *names], {})
        # Its wishes for retries are kept: they are what a CA does.
        pebble = [
            programs / "pebble",
            "-config",
            home / "pebble.json",
            "-dnsserver",
            given.name_server or f"{address}:8053",
        ]
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_ALTERNATE_ROOTS": "1", **dict(given.set or [])}
        process = _start(stack, home / "pebble.log", pebble, environment)
        _wait(home)
        if given.no_ocsp:
            print("ready", flush=True)
            process.wait()
        pki = _IssuedPki(home, address, lambda path: ask(home, path))
        (home / "root.pem").write_bytes(ask(home, "/roots/0"))
        (home / "root-1.pem").write_bytes(ask(home, "/roots/1"))
        with pki_tool.Responder(pki, minutes=given.minutes, log=home / "ocsp.log") as responder:
            threading.Thread(target=_obey, args=(responder, home / "fault"), daemon=True).start()
            print("ready", flush=True)
            process.wait()
    sys.exit(f"pebble ended by itself, see {home / 'pebble.log'}.")


def _obey(responder: pki_tool.Responder, order: Path) -> None:
    """Fail in the way that a file says, for as long as it is there."""
    while True:
        if order.exists():
            with responder.broken(order.read_text().strip()):
                while order.exists():
                    time.sleep(0.05)
        time.sleep(0.05)


def _start(
    stack: contextlib.ExitStack, log: Path, command: t.Sequence[str | Path], environment: t.Mapping[str, str]
) -> subprocess.Popen[bytes]:
    file = stack.enter_context(log.open("ab"))
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=file,
        stderr=file,
        env={**os.environ, **environment},
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _wait(home: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            ask(home, "/roots/0")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ask(home: Path, path: str, body: str = "") -> bytes:
    """Ask Pebble's management interface."""
    context = ssl.create_default_context(cafile=str(home / "ca.pem"))
    url = f"https://{(home / 'address').read_text()}:15000{path}"
    return _exchange(urllib.request.Request(url, body.encode() if body else None), context)


def ask_names(home: Path, path: str, body: str) -> bytes:
    """Ask the management interface of Pebble's name server."""
    return _exchange(urllib.request.Request(f"http://{(home / 'address').read_text()}:8055{path}", body.encode()), None)


def _exchange(request: urllib.request.Request, context: ssl.SSLContext | None) -> bytes:
    with urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    ).open(request, timeout=10) as answer:
        data: bytes = answer.read()
        return data


def main() -> None:
    """Run one of the commands above."""
    parser = argparse.ArgumentParser(description="An ACME CA for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("fetch", "collections"):
        commands.add_parser(name).add_argument("cache", type=Path)
    serving = commands.add_parser("serve")
    serving.add_argument("home", type=Path)
    serving.add_argument("programs", type=Path)
    serving.add_argument("--names", type=Path, help="the folder of pebble-challtestsrv")
    serving.add_argument("--address", required=True)
    serving.add_argument("--minutes", type=int, default=5760)
    serving.add_argument("--eab", action="store_true")
    serving.add_argument("--no-ocsp", action="store_true")
    serving.add_argument("--name-server", default="")
    serving.add_argument("--set", action="append", type=lambda text: tuple(text.split("=", 1)))
    for name in ("ask", "dns"):
        asking = commands.add_parser(name)
        asking.add_argument("home", type=Path)
        asking.add_argument("path")
        asking.add_argument("body", nargs="?", default="")
    given = parser.parse_args()
    if given.command in ("fetch", "collections"):
        try:
            print(fetch_collections(given.cache))
            if given.command == "fetch":
                print(fetch(given.cache))
        except UnavailableError as problem:
            sys.exit(str(problem))
    elif given.command == "serve":
        serve(given.home.resolve(), given.programs.resolve(), given)
    else:
        answer = (ask if given.command == "ask" else ask_names)(given.home, given.path, given.body)
        sys.stdout.write(answer.decode())


if __name__ == "__main__":
    main()
