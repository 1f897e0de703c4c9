# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A TLS client that goes as far as a server's certificates and staples, and no farther.

It reads what any client is shown. It checks neither names nor trust, and it does not verify that
the server holds the private key, so it proves nothing about who answered. No secret ever goes over
such a connection. TLS 1.2 shows certificate and staple in clear; TLS 1.3 needs a key exchange.

Bytes go in and out by method calls, so that any transport will do.
"""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ..errors import MalformedError, ProbeError
from . import tls
from .tls import Offer, Served, ServerHello
from .tls_keys import OFFERED, KeyShares, Protection, digest_of, handshake_secrets

#: Octets of all that is received; a server that splits its messages into tiny records gets no farther.
RECEIVE_LIMIT = 512 * 1024
_RECORD_LIMIT = 16384
_ENCRYPTED_LIMIT = _RECORD_LIMIT + 256
_MESSAGES_LIMIT = 16
_INTERRUPTIONS_LIMIT = 8
#: Octets of a cookie, which is sent back in a ClientHello of one record; those of servers have some hundreds.
_COOKIE_LIMIT = 8192

_HEADER = 5
_KINDS = (tls.CHANGE_CIPHER_SPEC, tls.ALERT, tls.HANDSHAKE, tls.APPLICATION_DATA)
_WARNING = 1
_SHOWN = 60

#: Alerts by which servers say that they have no certificate for what was offered.
_DECLINING = ("handshake_failure", "illegal_parameter", "insufficient_security", "unsupported_certificate")
_ALERT_HINTS = {
    "handshake_failure": "it has no such certificate, or no cipher or group in common",
    "protocol_version": "it does not speak the versions of TLS that were offered",
    "unrecognized_name": "it does not know the host name",
    "no_application_protocol": "it wants a protocol to be named by ALPN",
    "internal_error": "it failed by itself; its log says why",
    "missing_extension": "it has no such certificate",
}


class Handshake:
    """One look. ``served`` is None until the last byte that is needed has been received.

    ``group`` is the name of the group in which keys are exchanged, None where there is none or it is not known;
    TLS 1.2 tells it after all else, so that ``complete`` may come later than ``served``.

    Any method but the constructor raises ProbeError or MalformedError for what a server must not send.
    """

    def __init__(self, offer: Offer, random_bytes: t.Callable[[int], bytes] = os.urandom) -> None:
        self.served: t.Optional[Served] = None
        self.group: t.Optional[str] = None
        self.complete = False
        self._offer = offer
        self._random = random_bytes(32)
        # TLS 1.3 uses it for nothing but to pass through middleboxes (RFC 8446 appendix D.4).
        self._session_id = random_bytes(32) if tls.TLS13 in offer.versions else b""
        self._keys = KeyShares()
        self._shares: t.Dict[int, bytes] = {}
        self._transcript: t.List[bytes] = []
        self._hello: t.Optional[ServerHello] = None
        self._retried = False
        self._chain: t.Tuple[bytes, ...] = ()
        self._reading: t.Optional[Protection] = None
        self._writing: t.Optional[Protection] = None
        self._received = 0
        self._buffer = bytearray()
        self._messages = bytearray()
        self._message_count = 0
        self._interruptions = 0
        self._awaited = "ServerHello"

    @property
    def awaited(self) -> str:
        """The name of the message that the server owes."""
        return self._awaited

    def start(self) -> bytes:
        """The first bytes to send."""
        if tls.TLS13 in self._offer.versions:
            self._shares = self._keys.first()
        return tls.record(tls.HANDSHAKE, self._write_hello(b""), version=0x0301)

    def _write_hello(self, cookie: bytes) -> bytes:
        hello = tls.client_hello(self._offer, self._random, self._session_id, OFFERED, self._shares, cookie)
        self._transcript.append(hello)
        return hello

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the server, and return those to send."""
        self._received += len(data)
        if self.served is not None:
            self._receive_rest(data)
            return b""
        if not data:
            raise self._cut_off()
        if self._received > RECEIVE_LIMIT:
            raise ProbeError("too_large", f"sends more than {RECEIVE_LIMIT} octets before its certificate is read")
        self._buffer += data
        output = b""
        while self.served is None:
            record = self._next_record()
            if not record:
                break
            output += self._take_record(record)
        self._receive_rest(b"")
        return output

    def _receive_rest(self, data: bytes) -> None:
        """Look for the group in what follows the staple, where nothing that a server does counts any more."""
        if self.served is None:
            return
        if self._received > RECEIVE_LIMIT:
            self.complete = True
            return
        self._buffer += data
        try:
            self._take_group()
            while not self.complete:
                record = self._next_record()
                if not record:
                    break
                if record[0] != tls.HANDSHAKE:
                    self.complete = True
                self._messages += record[_HEADER:]
                self._take_group()
        except (ProbeError, MalformedError):
            self.complete = True

    def _take_group(self) -> None:
        """Read the messages of TLS 1.2 up to the one with the group."""
        while not self.complete and len(self._messages) >= 4:
            kind, stop = self._messages[0], 4 + int.from_bytes(self._messages[1:4], "big")
            message = _take(self._messages, stop)
            if not message:
                self.complete = stop > tls.MESSAGE_LIMIT
                return
            if kind == tls.SERVER_KEY_EXCHANGE and self._hello is not None:
                self.group = tls.read_key_exchange(message[4:], self._hello.cipher)
            self.complete = kind in (tls.SERVER_KEY_EXCHANGE, tls.SERVER_HELLO_DONE)

    def _cut_off(self) -> ProbeError:
        if not self._received:
            return ProbeError("cut_off", "closes the connection without an answer to the ClientHello", declined=True)
        return ProbeError("cut_off", f"closes the connection in the middle of the handshake, before {self._awaited}")

    def farewell(self) -> bytes:
        """What to send before the connection is closed: a close_notify, so that the server has little to log."""
        alert = bytes((_WARNING, 0))
        return self._writing.seal(tls.ALERT, alert) if self._writing else tls.record(tls.ALERT, alert)

    # Records

    def _next_record(self) -> bytes:
        """The next whole record, or nothing while there is none."""
        buffer = self._buffer
        if (buffer and buffer[0] not in _KINDS) or (len(buffer) > 1 and buffer[1] != 3):
            raise self._not_tls()
        if len(buffer) < _HEADER:
            return b""
        length = int.from_bytes(buffer[3:_HEADER], "big")
        if length > (_ENCRYPTED_LIMIT if self._reading else _RECORD_LIMIT):
            raise MalformedError(f"a record of {length} octets is longer than permitted")
        return _take(buffer, _HEADER + length)

    def _not_tls(self) -> ProbeError:
        if self._hello or self._message_count:
            return ProbeError("malformed", "sends something that is not TLS in the middle of the handshake")
        text = re.match(rb"[ -~]*", self._buffer.lstrip()[:_SHOWN])
        shown = text.group().strip().decode("ascii") if text else ""
        message = f"does not answer in TLS but with '{shown}'" if shown else "answers in neither TLS nor plain text"
        return ProbeError("not_tls", message)

    def _take_record(self, record: bytes) -> bytes:
        kind, content = record[0], record[_HEADER:]
        if kind == tls.CHANGE_CIPHER_SPEC and content == b"\1" and (self._reading or self._retried):
            self._interrupt()  # for the sake of middleboxes (RFC 8446 appendix D.4)
            return b""
        if self._reading and kind == tls.APPLICATION_DATA:
            kind, content = self._reading.open(record)
        elif self._reading and kind == tls.HANDSHAKE:
            raise MalformedError("a message that must be encrypted is not")
        if kind == tls.ALERT:
            self._take_alert(content)
            return b""
        if kind != tls.HANDSHAKE or not content:
            raise MalformedError(f"a record of the type {kind} comes where {self._awaited} belongs")
        self._messages += content
        return self._take_messages()

    def _interrupt(self) -> None:
        self._interruptions += 1
        if self._interruptions > _INTERRUPTIONS_LIMIT:
            raise ProbeError("too_large", f"sends more than {_INTERRUPTIONS_LIMIT} records that mean nothing")

    def _take_alert(self, content: bytes) -> None:
        if len(content) != 2:
            raise MalformedError("an alert does not have 2 octets")
        name = tls.alert_name(content[1])
        if content[0] == _WARNING and name == "unrecognized_name":
            self._interrupt()  # and goes on with a certificate for another name (RFC 6066 section 3)
        elif name == "close_notify":
            raise self._cut_off()
        else:
            hint = f"; {_ALERT_HINTS[name]}" if name in _ALERT_HINTS else ""
            declined = name in _DECLINING and self._hello is None
            raise ProbeError("tls_alert", f"refuses the handshake with the alert {name}{hint}", declined)

    # Messages

    def _take_messages(self) -> bytes:
        output = b""
        while self.served is None and self._messages:
            kind = self._messages[0]
            if kind != tls.CERTIFICATE_STATUS and self._awaited == "CertificateStatus":
                self._finish(None)  # the staple is optional even where it was announced (RFC 6066 section 8)
                break
            if len(self._messages) < 4:
                break
            stop = 4 + int.from_bytes(self._messages[1:4], "big")
            limit = tls.CERTIFICATE_LIMIT if kind == tls.CERTIFICATE else tls.MESSAGE_LIMIT
            if stop - 4 > limit:
                raise ProbeError("too_large", f"announces a message of {stop - 4} octets, more than {limit}")
            message = _take(self._messages, stop)
            if not message:
                break
            self._message_count += 1
            if self._message_count > _MESSAGES_LIMIT:
                raise ProbeError("too_large", f"sends more than {_MESSAGES_LIMIT} messages before its staple")
            output += self._take_message(kind, message)
        return output

    def _take_message(self, kind: int, message: bytes) -> bytes:
        content = message[4:]
        hello = self._hello
        if hello is None and kind == tls.SERVER_HELLO:
            return self._take_hello(message)
        if hello is not None and hello.version == tls.TLS13:
            self._take_message13(kind, content)
        elif kind == tls.HELLO_REQUEST and not content:
            return b""
        elif hello is not None and kind == tls.CERTIFICATE and self._awaited == "Certificate":
            self._chain = tls.read_certificate12(content)
            self._awaited = "CertificateStatus"
            if not hello.will_staple:
                self._finish(None)
        elif kind == tls.CERTIFICATE_STATUS and self._awaited == "CertificateStatus":
            self._finish(tls.read_certificate_status(content))
        else:
            raise self._unexpected(kind)
        return b""

    def _take_message13(self, kind: int, content: bytes) -> None:
        if kind == tls.ENCRYPTED_EXTENSIONS and self._awaited == "EncryptedExtensions":
            fields = tls.Fields(content, "EncryptedExtensions")
            fields.extensions()
            fields.finish()
            self._awaited = "Certificate"
        elif kind == tls.CERTIFICATE and self._awaited == "Certificate":
            self.served = tls.read_certificate13(content)
            self.complete = True
        elif kind != tls.CERTIFICATE_REQUEST or self._awaited != "Certificate":
            raise self._unexpected(kind)

    def _unexpected(self, kind: int) -> MalformedError:
        return MalformedError(f"a message of the type {kind} comes where {self._awaited} belongs")

    def _finish(self, staple: t.Optional[bytes]) -> None:
        """TLS 1.2 has room for the staple of the first certificate only."""
        staples = (staple,) + (None,) * (len(self._chain) - 1)
        self.served = Served(tls.TLS12, self._chain, staples, self._hello.timestamps if self._hello else 0)

    def _take_hello(self, message: bytes) -> bytes:
        hello = tls.read_server_hello(message[4:], self._offer, self._session_id)
        if hello.retry:
            return self._retry(hello, message)
        if hello.version == tls.TLS13:
            if self._messages:
                raise MalformedError("a message that must be encrypted is not")
            self._transcript.append(message)
            self._derive_keys(hello)
        self._hello = hello
        self._awaited = "EncryptedExtensions" if hello.version == tls.TLS13 else "Certificate"
        return b""

    def _retry(self, hello: ServerHello, message: bytes) -> bytes:
        """Answer a HelloRetryRequest (RFC 8446 section 4.1.4)."""
        known = not hello.group or (hello.group in OFFERED and hello.group not in self._shares)
        if self._retried or not known or not (hello.group or hello.cookie):
            raise MalformedError("ServerHello: asks for another ClientHello without need")
        if len(hello.cookie) > _COOKIE_LIMIT:
            raise ProbeError("too_large", f"sends a cookie of {len(hello.cookie)} octets, more than {_COOKIE_LIMIT}")
        self._retried = True
        if hello.group:
            self._shares = {hello.group: self._keys.share(hello.group)}
        digest = hashlib.new(digest_of(hello.cipher), b"".join(self._transcript)).digest()
        self._transcript = [tls.message_hash(digest), message]
        return tls.record(tls.HANDSHAKE, self._write_hello(hello.cookie))

    def _derive_keys(self, hello: ServerHello) -> None:
        if hello.group not in self._shares:
            raise MalformedError(f"key share: is of the group {hello.group:#06x}, of which none was sent")
        digest = digest_of(hello.cipher)
        transcript = hashlib.new(digest, b"".join(self._transcript)).digest()
        self.group = tls.group_name(hello.group)
        secret = self._keys.secret(hello.group, hello.share)
        client, server = handshake_secrets(digest, secret, transcript)
        self._reading, self._writing = Protection(hello.cipher, server), Protection(hello.cipher, client)


def _take(buffer: bytearray, count: int) -> bytes:
    """Remove so many octets from the beginning, or nothing where there are fewer."""
    if len(buffer) < count:
        return b""
    taken = bytes(buffer[:count])
    del buffer[:count]
    return taken
