# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS clients that connect again and again and count what they were shown, until they are told to stop.

    clients.py [--every SECONDS] HOST:PORT:NAME[:STARTTLS]...

C(openssl s_client -status) is the client, not the code under test. On SIGTERM the counts are printed as JSON.
"""

from __future__ import annotations

import argparse
import base64
import collections
import json
import re
import signal
import subprocess
import threading
import time

# The certificate of a delegated responder may come before, within the staple.
_CERTIFICATE = re.compile(r"^Server certificate\n-----BEGIN CERTIFICATE-----(.*?)-----END", re.DOTALL | re.MULTILINE)
_REFUSED = "connect:errno=111"
_STAPLE_SERIAL = re.compile(r"Certificate ID:.*?Serial Number: ([0-9A-F]+)", re.DOTALL)


def look(host: str, port: str, name: str, starttls: str = "") -> tuple[str, str, str]:
    """The serial numbers of the certificate and in the staple, and the staple's status; all empty after a failure."""
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", name, "-status"]
    command += ["-starttls", starttls] if starttls else []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    shown = _CERTIFICATE.search(done.stdout)
    if done.returncode != 0 or not shown:
        return "", "", (done.stderr.strip().splitlines() or ["no certificate"])[-1]
    staple = _STAPLE_SERIAL.search(done.stdout)
    status = re.search(r"Cert Status: (\w+)", done.stdout)
    return (
        serial_number(base64.b64decode(shown.group(1))),
        staple.group(1) if staple else "",
        status.group(1) if status else "",
    )


def serial_number(certificate: bytes) -> str:
    """The serial number of a v3 certificate as openssl writes it: the first INTEGER after the version."""
    position = certificate.index(b"\xa0\x03\x02\x01\x02") + 5
    return certificate[position + 2 : position + 2 + certificate[position + 1]].hex().upper().removeprefix("00")


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
