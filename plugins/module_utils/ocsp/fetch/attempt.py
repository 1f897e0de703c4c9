# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One exchange with a responder: its deadline, and what it is doing, for the sentence when that fails."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
import typing as t

from ..errors import TransportError
from ..text import clean
from ..urls import Proxy, Url
from .scope import NAMES, scope_of

#: Octets of the body of an answer.
MAX_BODY = 64 * 1024
MAX_SECONDS = 365 * 86400.0


class BadAnswer(Exception):
    """What came back is no HTTP answer; the text says why."""


class TooLarge(BadAnswer):
    """An answer that is larger than anything a responder has to say; the text says in what way."""

    def __init__(self, what: str = f"it has more than {MAX_BODY // 1024} KiB") -> None:
        super().__init__(what)


class NoAnswer(ConnectionError):
    """The other side closed the connection without a word."""


class Stream(t.Protocol):
    """What HTTP needs of a socket, or of TLS over one."""

    def settimeout(self, seconds: float) -> None: ...

    def send(self, data: t.Union[bytes, memoryview]) -> int: ...

    def recv(self, size: int) -> bytes: ...

    def fileno(self) -> int: ...

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None: ...


class Attempt:
    """The deadline of one exchange and what it is doing right now, for the message when that fails."""

    def __init__(self, timeout: float) -> None:
        self.timeout = min(timeout, MAX_SECONDS)
        self.step = "connect to"
        self.peer = "the responder"
        self.code = "unreachable"
        self.aborted = False
        self.reached = False
        #: Where the last connection leads to: an address, or the host as a proxy is told it.
        self.place = ""
        #: Whether the address that is connected to is that of a proxy.
        self.proxied = False
        #: Which of those who redirected reaches farthest, and the narrowest scope that may be led to. None before that.
        self.origin = ""
        self.narrowest: t.Optional[int] = None
        self.socket: t.Optional[Stream] = None
        self.found: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        self._end = time.monotonic() + self.timeout

    def aim(self, url: Url, proxy: t.Optional[Proxy]) -> None:
        """Name whom the connection leads to, once it is there."""
        if proxy and url.scheme == "http":
            self.peer, self.code = f"{url.origin} through the proxy {proxy.name}", "proxy_error"
        else:
            self.peer, self.code = url.origin, "unreachable"

    def use(self, sock: Stream) -> Stream:
        """Give the socket the time that is left for its next step."""
        self.socket = sock
        sock.settimeout(self.left())
        return sock

    def follow(self, origin: str) -> None:
        """From here on, ask only what may be reached by a redirect of each of those who redirected, this one included.

        An inner responder may lead to one on the Internet, where anybody on the way can redirect again.
        """
        scope = scope_of(self.place)
        if self.narrowest is None or scope < self.narrowest:
            self.origin, self.narrowest = origin, scope

    def admit(self, place: str) -> None:
        """Raise TransportError for an address, or a host that is one, to which no redirect may lead."""
        if self.narrowest is None or self.proxied:
            return
        scope = scope_of(place)
        if scope > self.narrowest:
            raise TransportError(
                "url_refused",
                f"a redirect of {self.origin} to {clean(place)} is refused: a responder on {NAMES[self.narrowest]} "
                f"must not lead to {NAMES[scope]}",
            )

    def left(self) -> float:
        left = self._end - time.monotonic()
        if self.aborted:
            raise self.broken_off()
        if left > 0:
            return left
        raise self.expired()

    def abort(self) -> None:
        """End the exchange from another thread, whatever it waits for."""
        self.aborted = True
        self.found.put(self.broken_off())
        sock = self.socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def broken_off(self) -> TransportError:
        return TransportError("unreachable", f"the exchange with {self.peer} was aborted")

    def expired(self) -> TransportError:
        return TransportError("timeout", f"{self.timeout:.3g} s were not enough to {self.step} {self.peer}")

    def cut_off(self) -> TransportError:
        return TransportError("http_error", f"the answer of {self.peer} is truncated")

    def failure(self, exc: Exception) -> TransportError:
        if self.aborted:
            return self.broken_off()
        if is_timeout(exc):
            return self.expired()
        untrusted = getattr(exc, "verify_message", None)  # of ssl.SSLCertVerificationError
        if untrusted:
            why = clean(untrusted)
            return TransportError(
                self.code, f"the TLS certificate of {self.peer} is not trusted: {why} (validate_certs is true)", True
            )
        if isinstance(exc, TooLarge):
            return TransportError("too_large", f"the answer of {self.peer} is too large: {exc}")
        if isinstance(exc, (OSError, RuntimeError)):
            unknown = isinstance(exc, socket.gaierror) and exc.errno != socket.EAI_AGAIN
            return TransportError(self.code, f"cannot {self.step} {self.peer}: {reason_of(exc)}", unknown)
        return TransportError("http_error", f"{self.peer} did not answer with valid HTTP: {reason_of(exc)}")


def is_timeout(exc: Exception) -> bool:
    """True when our own time ran out; the kernel's ETIMEDOUT has an errno and is a reason like any other."""
    return isinstance(exc, socket.timeout) and exc.errno is None


def reason_of(exc: Exception) -> str:
    reason = None
    if isinstance(exc, OSError):
        tls = getattr(exc, "reason", None)  # of ssl.SSLError
        reason = tls.replace("_", " ").lower() if tls else exc.strerror
    return clean(reason or str(exc) or type(exc).__name__)
