# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How each protocol asks a server to switch to TLS (STARTTLS).

Every answer is bounded in lines and octets. A server that says anything else than what its protocol
allows is refused, and so is one that sends bytes beyond its consent, since those would be read as
if they had come over TLS.
"""

from __future__ import annotations

import html
import re
import typing as t

from ..errors import MalformedError, ProbeError, printable

#: Octets of all that a server may say before TLS, and of one line of it.
TALK_LIMIT = 64 * 1024
LINE_LIMIT = 8 * 1024
_SHOWN = 100


class Wire(t.Protocol):
    """What is needed of a connection; ``step`` is for the sentence about a timeout."""

    step: str
    local_address: str

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes: ...


class _Talk:
    """Lines and octets from one server, each read only as far as needed."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire = wire
        self.name = name
        self._buffer = b""
        self._received = 0

    def say(self, text: str, step: str) -> None:
        self.wire.step = step
        self.wire.send(text.encode("utf-8"))

    def _fill(self) -> None:
        data = self.wire.receive()
        if not data:
            raise ProbeError("cut_off", "closes the connection before STARTTLS")
        self._received += len(data)
        if self._received > TALK_LIMIT:
            raise ProbeError("too_large", f"sends more than {TALK_LIMIT} octets before STARTTLS")
        self._buffer += data

    def octets(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def tag(self) -> str:
        """The next tag of XML without its brackets, as in ``/stream:features``."""
        return self._up_to(b">").rpartition(b"<")[2].decode("utf-8", "replace")

    def line(self) -> str:
        return self._up_to(b"\n").rstrip(b"\r").decode("utf-8", "replace")

    def _up_to(self, end: bytes) -> bytes:
        while end not in self._buffer[:LINE_LIMIT]:
            if len(self._buffer) >= LINE_LIMIT:
                raise ProbeError("too_large", f"sends a line of more than {LINE_LIMIT} octets before STARTTLS")
            self._fill()
        piece, _end, self._buffer = self._buffer.partition(end)
        return piece

    def reply(self) -> t.Tuple[str, t.List[str]]:
        """A reply of SMTP or FTP: its code, and the text of its lines (RFC 5321 section 4.2.1, RFC 959 section 4.2)."""
        line = self.line()
        code, lines = line[:3], [line[4:]]
        if not re.fullmatch(r"[0-9]{3}([ -].*)?", line):
            raise self.refused(line)
        while line[3:4] == "-" or line[:3] != code or not re.fullmatch(r"[0-9]{3}( .*)?", line):
            line = self.line()
            lines.append(line[4:])
        return code, lines

    def expect(self, code: str) -> t.List[str]:
        """The lines of a reply that must have this code."""
        found, lines = self.reply()
        if found != code:
            raise self.refused(f"{found} {lines[0]}")
        return lines

    def refused(self, text: str) -> ProbeError:
        shown = printable(text[:_SHOWN])
        message = f"does not agree to STARTTLS in the way of {self.name} but says '{shown}'"
        return ProbeError("starttls_refused", message)

    def missing(self) -> ProbeError:
        return ProbeError("starttls_refused", f"speaks {self.name} but does not offer STARTTLS")

    def finish(self) -> None:
        if self._buffer:
            raise MalformedError("the server sends more than its consent to STARTTLS")


_ANSWER = "answer STARTTLS"


def _smtp(talk: _Talk, hello: str) -> None:
    """RFC 3207; LMTP differs in the first word (RFC 2033)."""
    talk.expect("220")
    address = talk.wire.local_address
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    talk.say(f"{hello} {literal}\r\n", f"answer {hello}")
    if "STARTTLS" not in (line.strip().upper() for line in talk.expect("250")):
        raise talk.missing()
    talk.say("STARTTLS\r\n", _ANSWER)
    talk.expect("220")


def _imap(talk: _Talk) -> None:
    """RFC 9051 section 6.2.1."""
    greeting = talk.line()
    if not greeting.upper().startswith("* OK"):
        raise talk.refused(greeting)
    talk.say("a STARTTLS\r\n", _ANSWER)
    line = talk.line()
    while line.startswith("* "):
        line = talk.line()
    if not line.upper().startswith("A OK"):
        raise talk.refused(line)


def _pop3(talk: _Talk) -> None:
    """RFC 2595 section 4."""
    for command in ("STLS\r\n", ""):
        line = talk.line()
        if not line.upper().startswith("+OK"):
            raise talk.refused(line)
        if command:
            talk.say(command, _ANSWER)


def _sieve(talk: _Talk) -> None:
    """RFC 5804 section 2.2."""
    capabilities, line = [], talk.line()
    while line.startswith('"'):
        capabilities.append(line.upper())
        line = talk.line()
    if not line.upper().startswith("OK"):
        raise talk.refused(line)
    if '"STARTTLS"' not in (capability.strip() for capability in capabilities):
        raise talk.missing()
    talk.say("STARTTLS\r\n", _ANSWER)
    line = talk.line()
    if not line.upper().startswith("OK"):
        raise talk.refused(line)


def _ftp(talk: _Talk) -> None:
    """RFC 4217 section 4."""
    talk.expect("220")
    talk.say("AUTH TLS\r\n", _ANSWER)
    talk.expect("234")


_LDAP_REQUEST = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"


def _ldap(talk: _Talk) -> None:
    """RFC 4511 section 4.14; servers may write lengths longer than needed, so this is not DER."""
    talk.wire.step = _ANSWER
    talk.wire.send(_LDAP_REQUEST)
    head = talk.octets(2)
    if head[0] != 0x30:
        raise talk.refused(head.decode("latin-1"))
    body = talk.octets(_ber_length(talk, head[1]))
    found = re.match(rb"\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x83.{3}|\x84.{4})\x0a\x01(.)", body, re.DOTALL)
    if not found or found.group(1) != b"\0":
        result = f"the result code {found.group(1)[0]}" if found else "no response to StartTLS"
        raise talk.refused(result)


def _ber_length(talk: _Talk, first: int) -> int:
    if first < 0x80:
        return first
    length = int.from_bytes(talk.octets(first & 0x7F), "big") if 0x80 < first <= 0x84 else -1
    if not 0 <= length <= LINE_LIMIT:
        raise MalformedError("the answer to StartTLS has a length that cannot be")
    return length


def _postgres(talk: _Talk) -> None:
    """PostgreSQL documentation, 'Message Flow', 'SSL Session Encryption'."""
    talk.wire.step = "answer SSLRequest"
    talk.wire.send(bytes.fromhex("0000000804d2162f"))
    answer = talk.octets(1)
    if answer == b"N":
        raise talk.missing()
    if answer != b"S":
        raise talk.refused(answer.decode("latin-1"))


def _element(tag: str) -> str:
    """The name of an element, after a slash where the tag closes it, without its prefix."""
    found = re.match(r"(/?)(?:[\w.-]+:)?([\w.-]*)", tag)
    return found.group(1) + found.group(2) if found else ""


def _xmpp(talk: _Talk, namespace: str, server_name: str) -> None:
    """RFC 6120 section 5.4."""
    stream = "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"
    host = html.escape(server_name)
    head = f"<?xml version='1.0'?><stream:stream to='{host}' xmlns='{namespace}' {stream}>"
    talk.say(head, "list what it can do")
    offered, tag = False, ""
    while _element(tag) != "/features" and not (_element(tag) == "features" and tag.endswith("/")):
        tag = talk.tag()
        if _element(tag) in ("error", "/stream"):
            raise talk.refused(f"<{tag}>")
        offered = offered or _element(tag) == "starttls"
    if not offered:
        raise talk.missing()
    talk.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", _ANSWER)
    tag = talk.tag()
    if _element(tag) != "proceed" or not (tag.endswith("/") or _element(talk.tag()) == "/proceed"):
        raise talk.refused(f"<{tag}>")


class Kind(t.NamedTuple):
    """A protocol that changes to TLS in the middle; ``speak`` takes a talk and the server's name."""

    title: str
    port: int
    speak: t.Callable[[_Talk, str], None]


#: By the name that users write: the one list of what can be spoken before TLS.
KINDS = {
    "smtp": Kind("SMTP", 25, lambda talk, _host: _smtp(talk, "EHLO")),
    "lmtp": Kind("LMTP", 24, lambda talk, _host: _smtp(talk, "LHLO")),
    "imap": Kind("IMAP", 143, lambda talk, _host: _imap(talk)),
    "pop3": Kind("POP3", 110, lambda talk, _host: _pop3(talk)),
    "sieve": Kind("ManageSieve", 4190, lambda talk, _host: _sieve(talk)),
    "ftp": Kind("FTP", 21, lambda talk, _host: _ftp(talk)),
    "ldap": Kind("LDAP", 389, lambda talk, _host: _ldap(talk)),
    "postgres": Kind("PostgreSQL", 5432, lambda talk, _host: _postgres(talk)),
    "xmpp": Kind("XMPP", 5222, lambda talk, host: _xmpp(talk, "jabber:client", host)),
    "xmpp-server": Kind("XMPP", 5269, lambda talk, host: _xmpp(talk, "jabber:server", host)),
}
#: The names of all that can be spoken, for the choices of options.
PROTOCOLS = tuple(sorted(KINDS))


def negotiate(name: str, wire: Wire, server_name: str) -> None:
    """Bring the server to where the ClientHello comes next. Raises ProbeError and MalformedError."""
    kind = KINDS[name]
    wire.step = f"greet in the way of {kind.title}"
    talk = _Talk(wire, kind.title)
    kind.speak(talk, server_name)
    talk.finish()
