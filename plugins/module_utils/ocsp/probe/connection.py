# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One TCP connection inside one total deadline, from the look-up of the name to the last byte."""

from __future__ import annotations

import contextlib
import socket
import time
import typing as t

from ..errors import ProbeError
from ..fetch import resolver

#: Families by the names that options use.
FAMILIES = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_PIECE = 16384
_ADDRESSES = 8
_PARTING = 0.5
#: How many pieces are taken from a server that does not close the connection.
_PARTING_PIECES = 32


class Deadline:
    """A moment that is ``seconds`` away when this is made.

    ``shown`` is that time for messages; ``shared`` says what it is a share of, where it is one.
    """

    def __init__(self, seconds: float, monotonic: t.Callable[[], float] = time.monotonic, shared: str = "") -> None:
        self.seconds = seconds
        self.shown = f"{round(seconds, 1 if seconds >= 1 else 2):g} s{shared and f' ({shared})'}"
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Seconds, negative ones when it is over."""
        return self._end - self._monotonic()


def host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Connection:
    """Bytes to and from one server. ``address`` is its IP address, ``local_address`` that of this end.

    ``step`` is what the server is expected to do next, for the sentence about a timeout. Raises
    ProbeError when the deadline is over and for nothing else.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self.address = str(sock.getpeername()[0])
        self.local_address = str(sock.getsockname()[0])
        self.step = ""

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                self._sock.settimeout(self._left())
                rest = rest[self._sock.send(rest) :]
        except socket.timeout:
            raise self._expired() from None
        except OSError:
            pass  # what the server said before it closed the connection is more telling

    def receive(self) -> bytes:
        """The next bytes, or none when the server has closed the connection in whatever way."""
        try:
            self._sock.settimeout(self._left())
            return self._sock.recv(_PIECE)
        except socket.timeout:
            raise self._expired() from None
        except OSError:
            return b""

    def part(self, farewell: bytes) -> None:
        """Shut down and let the server close first, so that it does not log a reset connection."""
        end = Deadline(min(_PARTING, max(self._deadline.left(), 0.0)))
        with contextlib.suppress(OSError, ValueError):
            self._sock.settimeout(max(end.left(), 0.01))
            self._sock.sendall(farewell)
            self._sock.shutdown(socket.SHUT_WR)
            for _piece in range(_PARTING_PIECES):
                self._sock.settimeout(end.left())
                if end.left() <= 0 or not self._sock.recv(_PIECE):
                    break

    def close(self) -> None:
        self._sock.close()

    def _left(self) -> float:
        left = self._deadline.left()
        if left <= 0:
            raise self._expired()
        return left

    def _expired(self) -> ProbeError:
        return ProbeError("timeout", f"does not {self.step} within {self._deadline.shown}")


def connect(host: str, port: int, family: str, deadline: Deadline) -> Connection:
    """Connect to the first address of a host that answers. Raises ProbeError; ``family`` is of FAMILIES."""
    addresses = _look_up(host, port, family, deadline)[:_ADDRESSES]
    reasons = []
    for number, (kind, type_, protocol, _name, address) in enumerate(addresses):
        # Shared out evenly, so that a dead IPv6 leaves time for IPv4.
        share = deadline.left() / (len(addresses) - number)
        if share <= 0:
            break
        sock = None
        try:
            sock = socket.socket(kind, type_, protocol)
            sock.settimeout(share)
            sock.connect(address)
            return Connection(sock, deadline)
        except OSError as error:
            if sock:
                sock.close()
            silent = isinstance(error, socket.timeout) and error.errno is None
            reasons.append(f"{'no answer' if silent else error.strerror or error} ({address[0]})")
    if deadline.left() <= 0:
        raise ProbeError("timeout", f"does not accept a connection within {deadline.shown}")
    raise ProbeError("unreachable", f"cannot be connected to: {', '.join(reasons[:4])}")


def _look_up(host: str, port: int, family: str, deadline: Deadline) -> t.List[resolver.Address]:
    try:
        return resolver.look_up(host, port, deadline.left(), FAMILIES[family])
    except resolver.OutOfTime:
        raise ProbeError("timeout", f"could not be resolved within {deadline.shown}") from None
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        wanted = "address" if family == "any" else f"{family.replace('ipv', 'IPv')} address"
        raise ProbeError("unreachable", f"has no {wanted}: {reason}") from None
