# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers on the loopback for tests: what they say is a script of raw bytes, so they can misbehave."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import select
import socket
import ssl
import struct
import threading
import traceback
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Script = t.Callable[["Peer"], None]


@contextlib.contextmanager
def full_port() -> t.Iterator[int]:
    """A port whose backlog is full: connections to it are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _dummy in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server

    def read_request(self) -> bytes:
        """Read one HTTP request with its body and note it in ``server.requests``."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _separator, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += self._receive()
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def _receive(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the client closed")
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send a byte now and then: no single read of the client's ever has to wait long."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.stopped.wait(pause):
                return

    def hold(self) -> None:
        """Keep the connection open and say nothing."""
        self.server.stopped.wait(30)

    def reset(self) -> None:
        """Make the close that follows a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Runs ``script`` in a thread for every connection to 127.0.0.1:``port`` until it is closed."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._script = script
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.bind((host, 0))
        self._listener.listen(16)
        self.address = self._listener.getsockname()[:2]
        self.port: int = self.address[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):  # wakes accept()
            socket.create_connection(self.address, timeout=5).close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            sock = self._listener.accept()[0]
            if self.stopped.is_set():
                sock.close()
                return
            self.connections += 1
            self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        sock = plain
        try:
            if self._tls:
                sock = self._tls.wrap_socket(plain, server_side=True)
                self._open.add(sock)
            self._script(Peer(sock, self))
        except OSError as exc:  # the client left, which is its right
            _close_half_made(exc)
        finally:
            self._open.difference_update((plain, sock))
            sock.close()
            plain.close()


def _close_half_made(exc: OSError) -> None:
    """Close what wrap_socket() of Python up to 3.11 leaves open when a reset comes at a bad moment."""
    for frame, _line in traceback.walk_tb(exc.__traceback__):
        half_made = frame.f_locals.get("self")
        if isinstance(half_made, ssl.SSLSocket):
            half_made.close()


def answer(
    body: bytes = b"answer", status: str = "200 OK", headers: t.Iterable[str] = (), length: int | None = None
) -> bytes:
    """Return the bytes of an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def replies(*messages: bytes) -> Script:
    """Return a script that answers the requests in order, and any further ones like the last."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(messages[min(len(peer.server.requests), len(messages)) - 1])

    return script


def converses(reply: t.Callable[[bytes], bytes | None]) -> Script:
    """Return a script that answers one request after the other on each connection, until the reply is None."""

    def script(peer: Peer) -> None:
        while (message := reply(peer.read_request())) is not None:
            peer.send(message)

    return script


def forward_proxy(routes: dict[str, Server]) -> Script:
    """Return the script of a forward proxy that reaches ``host:port`` (or ``host``) through ``routes``."""

    def script(peer: Peer) -> None:
        request = peer.read_request()
        method, target, _version = request.split(b"\r\n")[0].decode().split(" ")
        if method == "CONNECT":
            with socket.create_connection(routes[target].address, timeout=5) as upstream:
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(peer.sock, upstream)
            return
        while True:
            host, _slash, path = target[len("http://") :].partition("/")
            with socket.create_connection(routes[host].address, timeout=5) as upstream:
                plain = request.replace(b"Connection: keep-alive", b"Connection: close")
                upstream.sendall(plain.replace(target.encode(), b"/" + path.encode(), 1))
                _relay(peer.sock, upstream)
            request = peer.read_request()
            target = request.split(b" ")[1].decode()

    return script


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    while True:
        for source in select.select([client, upstream], [], [], 10)[0]:
            data = source.recv(65536)
            if not data:
                return
            (upstream if source is client else client).sendall(data)


class Pki(t.NamedTuple):
    """A root in a PEM file, and the server side of a certificate it issued for localhost and 127.0.0.1."""

    root_path: Path
    server: ssl.SSLContext


def make_pki(folder: Path) -> Pki:
    """Make a root and a server certificate, and write them to ``folder``."""
    now = datetime.datetime.now(datetime.timezone.utc)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for dummy in range(2))
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
        + ("encipher_only", "decipher_only"),
        False,
    )

    def certificate(name: str, public_key: ec.EllipticCurvePublicKey, is_ca: bool) -> x509.Certificate:
        root_public = root_key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test root")]))
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .public_key(public_key)
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_public), critical=False)
        )
        if not is_ca:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(root_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    root_path, server_path = folder / "root.pem", folder / "server.pem"
    root_path.write_bytes(certificate("Test root", root_key.public_key(), True).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server_path.write_bytes(private + certificate("localhost", key.public_key(), False).public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_path)
    return Pki(root_path, context)
