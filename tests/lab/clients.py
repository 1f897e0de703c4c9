# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS clients that connect again and again and count what they were shown, until they are told to stop.

    clients.py [--every SECONDS] HOST:PORT:NAME[:smtp]...

OpenSSL is the client, by pyOpenSSL, and none of the code under test. On SIGTERM the counts are printed as JSON.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import json
import signal
import smtplib
import socket
import struct
import threading
import time

from cryptography.x509 import ocsp
from OpenSSL import SSL

_PATIENCE = 20
_REFUSED = "connection refused"


class NothingSaidError(Exception):
    """A server that closes its port resets the connections that it had not accepted yet."""


def look(host: str, port: str, name: str, starttls: str = "") -> tuple[str, str, str]:
    """The serial numbers of the certificate and in the staple, and the staple's status.

    After a failure, two empty texts and the reason.
    """
    try:
        with _connect(host, int(port), starttls) as connected:
            return _shake_hands(connected, name)
    except (ConnectionRefusedError, NothingSaidError):
        return "", "", _REFUSED
    except (OSError, smtplib.SMTPException, SSL.Error) as problem:
        return "", "", f"{type(problem).__name__}: {problem}"


def _connect(host: str, port: int, starttls: str) -> socket.socket:
    """A connection on which TLS is next."""
    if not starttls:
        return socket.create_connection((host, port), _PATIENCE)
    try:
        server = smtplib.SMTP(host, port, local_hostname="client.example.com", timeout=_PATIENCE)
    except (smtplib.SMTPServerDisconnected, ConnectionResetError):
        raise NothingSaidError from None
    server.ehlo()
    code, answer = server.docmd("STARTTLS")
    if code != 220 or server.sock is None:
        server.close()
        raise smtplib.SMTPResponseException(code, answer)
    # The object may go; its connection stays open, as the reader that it made does not own it.
    return server.sock


def _shake_hands(connected: socket.socket, name: str) -> tuple[str, str, str]:
    # OpenSSL waits by itself, for which the socket has to block.
    connected.settimeout(None)
    patience = struct.pack("ll", _PATIENCE, 0)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    staples: list[bytes] = []

    def keep(_connection: SSL.Connection, staple: bytes, _data: object) -> bool:
        staples.append(staple)
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_ocsp_client_callback(keep)
    connection = SSL.Connection(context, connected)
    connection.set_tlsext_host_name(name.encode())
    connection.request_ocsp()
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.SysCallError as problem:
        if problem.args[0] == errno.ECONNRESET and not any(connection.server_random() or b""):
            raise NothingSaidError from None
        raise
    shown = connection.get_peer_certificate(as_cryptography=True)
    with contextlib.suppress(SSL.Error):  # a server may be the first to close
        connection.shutdown()
    if shown is None:
        return "", "", "no certificate"
    staple = ocsp.load_der_ocsp_response(staples[0]) if staples and staples[0] else None
    if staple is None or staple.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return _hexadecimal(shown.serial_number), "", ""
    single = next(staple.responses)
    return _hexadecimal(shown.serial_number), _hexadecimal(single.serial_number), single.certificate_status.name.lower()


def _hexadecimal(serial: int) -> str:
    """A serial number as openssl writes it, in whole bytes."""
    return serial.to_bytes((serial.bit_length() + 7) // 8 or 1, "big").hex().upper()


class Client(threading.Thread):
    """One client of one server name."""

    def __init__(self, spec: str, every: float) -> None:
        super().__init__(daemon=True)
        self.spec = spec
        self.every = every
        self.counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self.failures: list[str] = []
        self.refused = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Connect at a fixed pace; each connection is a new session."""
        due = time.monotonic()
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.every, time.monotonic())
            certificate, staple, status = look(*self.spec.split(":"))
            if certificate:
                self.counts[certificate, staple, status] += 1
            elif status == _REFUSED:
                self.refused += 1
            else:
                self.failures.append(status)

    def summary(self) -> dict[str, object]:
        """The counts, how often nobody listened, and how many staples were about another certificate."""
        shown = [
            {"certificate": certificate, "staple": staple, "status": status, "count": count}
            for (certificate, staple, status), count in self.counts.items()
        ]
        wrong = sum(
            count for (certificate, staple, _status), count in self.counts.items() if staple not in ("", certificate)
        )
        return {
            "handshakes": sum(self.counts.values()) + len(self.failures),
            "failures": self.failures,
            "refused": self.refused,
            "wrong_staples": wrong,
            "shown": shown,
        }


def main() -> None:
    """Run the clients until SIGTERM."""
    parser = argparse.ArgumentParser(description="TLS clients that count what they are shown.")
    parser.add_argument("--every", type=float, default=0.05)
    parser.add_argument("specs", nargs="+", metavar="HOST:PORT:NAME[:STARTTLS]")
    given = parser.parse_args()
    clients = [Client(spec, given.every) for spec in given.specs]
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for client in clients:
        client.start()
    print("ready", flush=True)
    signal.sigwait(signals)
    for client in clients:
        client.stopped.set()
    for client in clients:
        client.join()
    print(json.dumps({client.spec: client.summary() for client in clients}), flush=True)


if __name__ == "__main__":
    main()
