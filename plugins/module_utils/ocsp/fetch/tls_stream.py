# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""TLS over a socket, within a deadline that holds whatever the other side sends.

`ssl.SSLSocket` is not used, as one call of OpenSSL goes on as long as there are messages to read that carry no data:
whoever sends session tickets or key updates without end (RFC 8446 section 4.6) holds it up for ever, past its timeout.
Here OpenSSL gets the octets piece by piece, and the time is looked at between two of them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import typing as t

from .attempt import TooLarge

_PIECE = 16 * 1024
#: Octets after which there must be some data, or the end of the handshake: with certificates it has up to 100 KiB.
_MOST_WITHOUT_DATA = 256 * 1024

_Result = t.TypeVar("_Result")


class TlsStream:
    """The client's end of TLS over ``sock``, which it owns, with the methods of a socket that HTTP needs.

    They raise OSError and, like a socket, ``socket.timeout`` where the time of ``settimeout`` is over; also TooLarge.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._end = time.monotonic()

    @property
    def has_more(self) -> bool:
        """Whether octets came that were not asked for yet."""
        return self._incoming.pending > 0 or self._tls.pending() > 0

    def settimeout(self, seconds: float) -> None:
        """Give the next call so much time in all."""
        self._end = time.monotonic() + seconds

    def do_handshake(self) -> None:
        self._complete(self._tls.do_handshake)

    def send(self, data: t.Union[bytes, memoryview]) -> int:
        return self._complete(lambda: self._tls.write(t.cast(bytes, data)))

    def recv(self, size: int) -> bytes:
        """Some data, or nothing at the end."""
        try:
            return self._complete(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()

    def _complete(self, action: t.Callable[[], _Result]) -> _Result:
        """Do something that may need octets of the other side first."""
        received = 0
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert that tells the other side why
                raise
            else:
                self._flush()
                return result
            if received > _MOST_WITHOUT_DATA:
                raise TooLarge("it consists of TLS messages without data")
            received += self._fill()

    def _fill(self) -> int:
        data = self._in_time().recv(_PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return len(data)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._in_time().sendall(data)

    def _in_time(self) -> socket.socket:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock
