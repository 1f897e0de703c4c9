# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private PKI and a real OCSP responder, both made of the ``openssl`` program.

The demonstration, the integration tests and the benchmarks all use this file. It needs Python 3.9
and openssl 3.0, nothing else, and talks to 127.0.0.1 only.

    python3 pki.py make DIRECTORY                  a root, an intermediate and the leaves below
    python3 pki.py respond DIRECTORY               answer OCSP requests until stopped
    python3 pki.py revoke DIRECTORY NAME           revoke a certificate at the CA
    python3 pki.py port                            a port that nothing listens on
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

#: What ``make`` issues: every kind of leaf that something here is shown or tested with.
LEAVES: dict[str, dict[str, t.Any]] = {
    "rsa.example.com": {},
    "ecdsa.example.com": {"key": "ec"},
    "must-staple.example.com": {"key": "ec", "must_staple": True},
    "no-ocsp.example.com": {"key": "ec", "ocsp": False},
}

#: What a broken responder does instead of answering.
FAULTS = ("down", "slow", "http_503", "html", "try_later", "unauthorized")

_STATUSES = {"try_later": bytes.fromhex("30030a0103"), "unauthorized": bytes.fromhex("30030a0106")}
_HTML = b"<!DOCTYPE html><html><title>Welcome to the hotel network</title><p>Please log in.</p></html>\n"
_FIRST_PORT, _LAST_PORT = 20000, 32000  # below the range from which Linux takes ports for clients
_PATIENCE = 10.0

_CA_CONFIG = """\
[ca]
default_ca = this
[this]
database = {home}/index.txt
certificate = {home}/ca.pem
private_key = {home}/ca.key
new_certs_dir = {home}/issued
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 90
email_in_dn = no
policy = any
[any]
commonName = supplied
"""

_CA_EXTENSIONS = (
    "basicConstraints = critical, CA:TRUE",
    "keyUsage = critical, keyCertSign, cRLSign, digitalSignature",
)


def openssl(*arguments: str | Path) -> str:
    """Run ``openssl`` and return what it printed; a failure carries what it complained about."""
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def shown_serial(certificate: Path) -> str:
    """The serial number of a certificate as openssl shows it everywhere: hexadecimal, in whole bytes."""
    return openssl("x509", "-in", certificate, "-noout", "-serial").strip().partition("=")[2]


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on and that no client is given by chance."""
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("There is no free port on 127.0.0.1.")


class Leaf(t.NamedTuple):
    """The files of one server certificate."""

    name: str
    key: Path
    certificate: Path
    chain: Path
    fullchain: Path

    @property
    def serial_number(self) -> int:
        """The serial number that the CA gave to it."""
        return int(shown_serial(self.certificate), 16)


class Pki:
    """A root, an intermediate that issues leaves and keeps their database, and a delegated responder."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.root = self.home / "root.pem"
        self.issuer = self.home / "intermediate" / "ca.pem"
        self.responder_certificate = self.home / "responder.pem"
        self.responder_key = self.home / "responder.key"

    @property
    def responder_url(self) -> str:
        """The URL that the leaves carry."""
        return (self.home / "responder.url").read_text().strip()

    def make(
        self,
        leaves: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
        address: str = "127.0.0.1",
        owner: str = "Example",
    ) -> Pki:
        """Make everything, in an empty or missing folder; the responder will be at this address.

        The names of the CAs begin with ``owner``.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if any(self.home.iterdir()):
            raise FileExistsError(f"{self.home} is not empty.")
        (self.home / "responder.url").write_text(f"http://{address}:{free_port()}/\n")
        for name in ("root", "intermediate"):
            ca = self.home / name
            (ca / "issued").mkdir(parents=True)
            (ca / "index.txt").touch()
            (ca / "openssl.cnf").write_text(_CA_CONFIG.format(home=ca))
            _new_key(ca / "ca.key", "rsa")
        _request(self.home / "root" / "ca.key", f"{owner} Root", self.home / "root" / "ca.csr")
        self._sign("root", "root", ca="root", is_ca=True, days=3650)
        shutil.copy(self.home / "root" / "ca.pem", self.root)
        _request(self.home / "intermediate" / "ca.key", f"{owner} Intermediate", self.home / "intermediate" / "ca.csr")
        self._sign("intermediate", "intermediate", ca="root", is_ca=True, days=1825)

        _new_key(self.responder_key, "rsa")
        request = self.home / "responder.csr"
        _request(self.responder_key, "Example OCSP Responder", request)
        self._sign_request(
            request,
            self.responder_certificate,
            "intermediate",
            ["keyUsage = critical, digitalSignature", "extendedKeyUsage = OCSPSigning", "noCheck = ignored"],
            days=30,
        )
        for name, options in (LEAVES if leaves is None else leaves).items():
            self.issue(name, **options)
        return self

    def issue(
        self,
        name: str,
        *,
        key: str = "rsa",
        ocsp: bool = True,
        must_staple: bool = False,
        days: int = 90,
        period: tuple[str, str] | None = None,
        names: t.Sequence[str] | None = None,
    ) -> Leaf:
        """Issue a server certificate; ``period`` are its two ends as YYYYMMDDHHMMSSZ, ``names`` what it is for."""
        leaf = self.leaf(name)
        request = self.home / f"{name}.csr"
        _new_key(leaf.key, key)
        _request(leaf.key, name, request)
        extensions = [
            f"subjectAltName = {','.join(f'DNS:{one}' for one in names or [name])}",
            "keyUsage = critical, digitalSignature",
            "extendedKeyUsage = serverAuth",
        ]
        if ocsp:
            extensions.append(f"authorityInfoAccess = OCSP;URI:{self.responder_url}")
        if must_staple:
            extensions.append("tlsfeature = status_request")
        self._sign_request(request, leaf.certificate, "intermediate", extensions, days=days, period=period)
        leaf.chain.write_text(self.issuer.read_text())
        leaf.fullchain.write_text(leaf.certificate.read_text() + self.issuer.read_text())
        return leaf

    def twin_of_issuer(self, period: tuple[str, str]) -> Path:
        """Another certificate of the intermediate, for the same key and name, with the two ends of ``period``."""
        home = self.home / "intermediate"
        request, twin = home / "twin.csr", home / f"twin-{period[1]}.pem"
        openssl("x509", "-x509toreq", "-in", self.issuer, "-signkey", home / "ca.key", "-out", request)
        self._sign_request(request, twin, "root", _CA_EXTENSIONS, days=0, period=period)
        return twin

    def leaf(self, name: str) -> Leaf:
        """The files of a leaf, issued or to be issued."""
        return Leaf(
            name,
            self.home / f"{name}.key",
            self.home / f"{name}.pem",
            self.home / f"{name}-chain.pem",
            self.home / f"{name}-fullchain.pem",
        )

    def revoke(self, name: str, reason: str = "keyCompromise") -> None:
        """Withdraw a leaf; the responder says so from its next answer on."""
        self._ca("intermediate", "-revoke", self.leaf(name).certificate, "-crl_reason", reason)

    def response(self, name: str, path: str | Path, *, minutes: int = 10080) -> Path:
        """Write the answer that the responder would give about a leaf at this moment, in DER."""
        request = self.home / f"{name}.ocsp-request"
        openssl("ocsp", "-no_nonce", "-issuer", self.issuer, "-cert", self.leaf(name).certificate, "-reqout", request)
        openssl("ocsp", *self.responder_arguments(minutes), "-reqin", request, "-respout", path)
        return Path(path)

    def index_state(self) -> tuple[int, int]:
        """What is different after the CA's database was changed."""
        state = (self.home / "intermediate" / "index.txt").stat()
        return state.st_ino, state.st_mtime_ns

    def responder_arguments(self, minutes: int) -> list[str]:
        """What ``openssl ocsp`` needs to answer as this PKI's delegated responder; 0 minutes are no nextUpdate."""
        arguments = {
            "-index": self.home / "intermediate" / "index.txt",
            "-CA": self.issuer,
            "-rsigner": self.responder_certificate,
            "-rkey": self.responder_key,
            **({"-nmin": minutes} if minutes else {}),
        }
        return [str(part) for pair in arguments.items() for part in pair]

    def _sign(self, name: str, subject: str, *, ca: str, is_ca: bool, days: int) -> None:
        home = self.home / subject
        options = ["-selfsign"] if name == ca else []
        self._sign_request(home / "ca.csr", home / "ca.pem", ca, _CA_EXTENSIONS, days=days, options=options)

    def _sign_request(
        self,
        request: Path,
        certificate: Path,
        ca: str,
        extensions: t.Sequence[str],
        *,
        days: int,
        period: tuple[str, str] | None = None,
        options: t.Sequence[str] = (),
    ) -> None:
        extension_file = request.with_suffix(".ext")
        identifiers = ["subjectKeyIdentifier = hash", "authorityKeyIdentifier = keyid"]
        extension_file.write_text("\n".join([*identifiers, *extensions, ""]))
        length = ["-startdate", period[0], "-enddate", period[1]] if period else ["-days", str(days)]
        self._ca(ca, "-in", request, "-out", certificate, "-extfile", extension_file, "-notext", *length, *options)
        extension_file.unlink()
        request.unlink()

    def _ca(self, ca: str, *arguments: str | Path) -> None:
        openssl("ca", "-batch", "-config", self.home / ca / "openssl.cnf", *arguments)


def _new_key(path: Path, kind: str) -> None:
    options = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}
    openssl("genpkey", "-quiet", "-algorithm", *options[kind], "-out", path)
    path.chmod(0o600)


def _request(key: Path, name: str, path: Path) -> None:
    openssl("req", "-new", "-config", "/dev/null", "-key", key, "-subj", f"/CN={name}", "-out", path)


class Request(t.NamedTuple):
    """One request that the responder saw."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


class Responder:
    """``openssl ocsp`` behind a small front that counts the requests and can be told to fail.

    ``openssl ocsp`` serves one request at a time, listens on every address, and cannot be told to
    misbehave; the front, at the URL that the leaves carry or at another one, does the rest. ``log``
    gets one line for each request.
    """

    def __init__(self, pki: Pki, *, minutes: int = 10080, log: Path | None = None, url: str | None = None) -> None:
        self.pki = pki
        self.url = url or pki.responder_url
        self.requests: list[Request] = []
        self.delay = 0.0
        self._minutes = minutes
        self._log = log
        self._fault: str | None = None
        self._lock = threading.Lock()
        self._program: subprocess.Popen[str] | None = None
        self._port = 0
        self._index_state = (0, 0)
        self._front: _Front | None = None

    def __enter__(self) -> Responder:
        try:
            self._start_program()
            self._open()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def count(self) -> int:
        """How many requests arrived so far."""
        return len(self.requests)

    def lifetime(self, minutes: int) -> None:
        """From now on, give answers that live this long."""
        if minutes != self._minutes:
            self._stop_program()
            self._minutes = minutes
            self._start_program()

    @contextlib.contextmanager
    def broken(self, fault: str, *, delay: float = 30.0) -> t.Iterator[None]:
        """Fail in one of the ways of FAULTS for the time of a ``with`` block."""
        if fault not in FAULTS:
            raise ValueError(f"{fault} is none of {', '.join(FAULTS)}.")
        self._fault, self.delay = fault, delay
        if fault == "down":
            self._close()
        try:
            yield
        finally:
            self._fault, self.delay = None, 0.0
            if fault == "down":
                self._open()

    def stop(self) -> None:
        """Stop both parts; safe to call twice."""
        self.delay = 0.0
        self._close()
        self._stop_program()

    def answer(self, request: Request) -> tuple[int, str, bytes]:
        """Status, content type and body for one request."""
        with self._lock:
            self.requests.append(request)
            if self._log:
                with self._log.open("a") as log:
                    log.write(f"{request.method} {request.path}\n")
        deadline = time.monotonic() + self.delay
        while self._fault == "slow" and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._fault == "http_503":
            return 503, "text/plain", b"Service Unavailable\n"
        if self._fault == "html":
            return 200, "text/html", _HTML
        if self._fault in _STATUSES:
            return 200, "application/ocsp-response", _STATUSES[self._fault]
        with self._lock:
            if self.pki.index_state() != self._index_state:
                self._index_state = self.pki.index_state()
                self._exchange(request)  # openssl ocsp reads a changed database after its next answer only
            return self._exchange(request)

    def wait(self) -> None:
        """Wait until ``openssl ocsp`` ends, which it does not do by itself."""
        if self._program:
            self._program.wait()

    def _exchange(self, request: Request) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            headers = {"Content-Type": "application/ocsp-request"} if request.body else {}
            path = request.path[len(urllib.parse.urlsplit(self.url).path.rstrip("/")) :]  # openssl ocsp is at /
            connection.request(request.method, path or "/", request.body or None, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Content-Type", ""), reply.read()
        finally:
            connection.close()

    def _open(self) -> None:
        self._front = _Front(self)
        threading.Thread(target=self._front.serve_forever, args=(0.02,), daemon=True).start()

    def _close(self) -> None:
        front, self._front = self._front, None
        if front:
            front.shutdown()
            front.server_close()

    def _start_program(self) -> None:
        self._index_state = self.pki.index_state()
        command = ["openssl", "ocsp", "-port", "0", *self.pki.responder_arguments(self._minutes)]
        if shutil.which("setpriv"):  # whatever becomes of us, the responder ends too
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        with (self.pki.home / "responder.log").open("a") as log:
            self._program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
            )
        announcement = self._program.stdout.readline() if self._program.stdout else ""
        port = re.match(r"ACCEPT .*:(\d+)", announcement)
        if not port:
            raise RuntimeError(f"openssl ocsp did not start, see {self.pki.home / 'responder.log'}.")
        self._port = int(port.group(1))

    def _stop_program(self) -> None:
        program, self._program = self._program, None
        if program:
            program.terminate()
            try:
                program.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(_PATIENCE)
            if program.stdout:
                program.stdout.close()


class _Front(http.server.ThreadingHTTPServer):
    """Listens at the responder's URL."""

    request_queue_size = 64

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        where = urllib.parse.urlsplit(responder.url)
        super().__init__((where.hostname or "", where.port or 80), _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name that http.server does."""
        http.server.socketserver.TCPServer.server_bind(self)  # type: ignore[attr-defined]
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that goes away is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer a request in the path (RFC 6960, appendix A.1)."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer a request in the body."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def _answer(self, body: bytes) -> None:
        responder = t.cast(_Front, self.server).responder
        status, content_type, answer = responder.answer(
            Request(self.command, self.path, body, {name.lower(): value for name, value in self.headers.items()})
        )
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
        """Keep quiet; the responder keeps the count."""


def _respond(arguments: argparse.Namespace) -> None:
    pki = Pki(arguments.directory)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    log = pki.home / "requests.log"
    log.touch()
    with Responder(pki, minutes=arguments.minutes, log=log, url=arguments.url) as responder:
        print(f"ready {responder.url}", flush=True)
        responder.wait()
    sys.exit(f"openssl ocsp ended by itself, see {pki.home / 'responder.log'}.")


def main(arguments: t.Sequence[str] | None = None) -> None:
    """Run one of the commands above."""
    parser = argparse.ArgumentParser(description="A private PKI and a real OCSP responder for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="make the PKI in an empty folder")
    make.set_defaults(run=lambda given: Pki(given.directory).make())
    respond = commands.add_parser("respond", help="answer OCSP requests until stopped")
    respond.set_defaults(run=_respond)
    revoke = commands.add_parser("revoke", help="revoke a certificate")
    revoke.set_defaults(run=lambda given: Pki(given.directory).revoke(given.name))
    port = commands.add_parser("port", help="print a port of 127.0.0.1 that nothing listens on")
    port.set_defaults(run=lambda given: print(free_port()))
    for command in (make, respond, revoke):
        command.add_argument("directory", type=lambda path: Path(path).resolve())
    respond.add_argument("--minutes", type=int, default=10080, help="how long an answer lives, 0: no end (10080)")
    respond.add_argument("--url", help="where to answer (at the URL that the leaves carry)")
    revoke.add_argument("name", help="for instance rsa.example.com")
    given = parser.parse_args(arguments)
    given.run(given)


if __name__ == "__main__":
    main()
