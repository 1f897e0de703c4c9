# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One HTTP exchange with one responder inside one total deadline.

The deadline covers everything: looking up the name, connecting, the proxy, TLS, sending, every byte
received and every redirect. Whatever goes wrong is a TransportError with one sentence.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import os
import queue
import re
import select
import socket
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote, urljoin, urlsplit

from .errors import TransportError

if t.TYPE_CHECKING:
    import ssl

MAX_BODY = 64 * 1024
MAX_RECEIVED = 2 * MAX_BODY  # status line, headers, chunk sizes and body of one answer
MAX_HEADERS = 100
MAX_REDIRECTS = 3
MAX_SECONDS = 365 * 86400.0

#: Seconds after which a connection that nobody used is not used again; servers close them sooner or later.
_IDLE_SECONDS = 15.0
_RECEIVE = 16 * 1024

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_PLAIN_URL = re.compile(r"(https?://[a-zA-Z0-9._-]+(?::[0-9]{1,5})?)(/[\x21-\x22\x24-\x7e]*)")

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?")
_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,20})[ \t]*(?:;[^\n]*)?\r?")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: RFC 9110 section 5.6.7, with the numeric zones of mail: 01 Mar 2026 or 01-Mar-26, and the date of asctime.
_DATE = re.compile(
    r"(?:[a-z]{3,9},? )?([0-9]{1,2})[ -]([a-z]{3})[ -]([0-9]{4}|[0-9]{2}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?: (?:gmt|utc?|z|([+-])([0-9]{2})([0-9]{2})))?"
)
_ASCTIME = re.compile(r"[a-z]{3} ([a-z]{3}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([0-9]{4})")


class HttpRequest(t.NamedTuple):
    """What to ask: a GET without ``body``, a POST of application/ocsp-request with it."""

    url: str
    body: t.Optional[bytes] = None
    no_cache: bool = False


class HttpResponse(t.NamedTuple):
    """The answer, whatever its status: ``date`` is HTTP Date plus Age, ``retry_after`` is in seconds."""

    status: int
    body: bytes
    content_type: str = ""
    retry_after: t.Optional[float] = None
    date: t.Optional[datetime] = None


class Transport:
    """Exchanges requests with responders; it may be shared by threads.

    ``http_proxy`` (``http://[user:password@]host:port``) stands before the proxies of ``environ``, and
    ``no_proxy`` there exempts hosts from both, as with curl. ``use_proxy`` false turns all of it off.
    Up to ``keep`` connections that nobody uses stay open for the next exchange; ``close`` ends them.
    """

    def __init__(
        self,
        *,
        use_proxy: bool = True,
        http_proxy: t.Optional[str] = None,
        validate_certs: bool = True,
        http_agent: str = "certops.ocsp",
        environ: t.Optional[t.Mapping[str, str]] = None,
        keep: int = 0,
    ) -> None:
        self._use_proxy = use_proxy
        self._http_proxy = http_proxy
        self._validate_certs = validate_certs
        self._http_agent = re.sub(r"[^\x20-\x7e]", "?", http_agent)
        self._environ: t.Mapping[str, str] = os.environ if environ is None else environ
        self._proxies: t.Dict[t.Tuple[t.Any, ...], t.Optional[_Proxy]] = {}
        self._tls_context: t.Optional[ssl.SSLContext] = None
        self._mutex = threading.Lock()
        self._closed = False
        self._keep = keep
        self._idle: t.List[_Connection] = []  # the longest unused one first
        self._attempts: t.Set[_Attempt] = set()

    def exchange(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Return the answer of any HTTP status, or raise TransportError; both within ``timeout`` seconds."""
        attempt = _Attempt(timeout)
        try:
            with self._mutex:
                self._attempts.add(attempt)
                if self._closed:
                    attempt.abort()
            return self._follow(request, attempt)
        except TransportError:
            raise
        except Exception as exc:  # also a defect of ours must not end a run
            raise attempt.failure(exc) from exc
        finally:
            with self._mutex:
                self._attempts.discard(attempt)

    def close(self) -> None:
        """End all connections. Exchanges under way, and those that come later, end with a TransportError."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
            attempts = list(self._attempts)
        for connection in idle:
            connection.close()
        for attempt in attempts:
            attempt.abort()

    def _follow(self, request: HttpRequest, attempt: _Attempt) -> HttpResponse:
        first = url = _parse(request.url)
        for _hop in range(MAX_REDIRECTS + 1):
            answer = self._ask(url, request, attempt)
            if answer.status not in _REDIRECTS:
                return _response(answer)
            url = _redirect(url, answer)
        message = f"{first.origin} redirects more than {MAX_REDIRECTS} times, at last to {url.origin}"
        raise TransportError("http_error", message)

    def _ask(self, url: _Url, request: HttpRequest, attempt: _Attempt) -> _Answer:
        """The answer of one server, on a connection that is there or on a new one."""
        proxy = self._proxy_for(url)
        message = self._message(url, request, proxy)
        connection = self._take(url, proxy)
        if connection:
            attempt.aim(url, proxy)
            with contextlib.suppress(_Stale):
                return self._ask_on(connection, message, attempt)
        return self._ask_on(self._open(url, proxy, attempt), message, attempt)

    def _ask_on(self, connection: _Connection, message: bytes, attempt: _Attempt) -> _Answer:
        try:
            answer = connection.ask(message, attempt)
            if connection.proxy and answer.status == 407:
                raise connection.proxy.refusal(answer)
        except BaseException:
            connection.close()
            raise
        if answer.reusable:
            self._give_back(connection)
        else:
            connection.close()
        return answer

    def _take(self, url: _Url, proxy: t.Optional[_Proxy]) -> t.Optional[_Connection]:
        """A connection that is open already, the one last used, as that is the likeliest to live."""
        key = _key(url, proxy)
        while True:
            with self._mutex:
                found = next((one for one in reversed(self._idle) if one.key == key), None)
                if found is None:
                    return None
                self._idle.remove(found)
            if found.is_usable():
                return found
            found.close()

    def _give_back(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._mutex:
            if not self._closed:
                self._idle.append(connection)
                surplus = self._idle[: max(0, len(self._idle) - self._keep)]
                del self._idle[: len(surplus)]
            else:
                surplus = [connection]
        for one in surplus:
            one.close()

    def _open(self, url: _Url, proxy: t.Optional[_Proxy], attempt: _Attempt) -> _Connection:
        """A new connection that is ready for requests to ``url``."""
        if proxy:
            attempt.peer, attempt.code = f"the proxy {proxy.name}", "proxy_error"
        else:
            attempt.peer, attempt.code = url.origin, "unreachable"
        connection = _Connection(_dial(proxy.url if proxy else url, attempt), _key(url, proxy), proxy)
        try:
            if url.scheme == "https":
                if proxy:
                    self._tunnel(connection, url, proxy, attempt)
                attempt.aim(url, proxy)
                connection.start_tls(self._context(), url.host, attempt)
            attempt.aim(url, proxy)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tunnel(self, connection: _Connection, url: _Url, proxy: _Proxy, attempt: _Attempt) -> None:
        lines = [f"CONNECT {url.host_port} HTTP/1.1", f"Host: {url.host_port}", f"User-Agent: {self._http_agent}"]
        try:
            answer = connection.ask(_encode([*lines, *proxy.headers]), attempt, body=False)
        except (_BadAnswer, _NoAnswer) as exc:
            message = f"the proxy {proxy.name} gave no HTTP answer to CONNECT: {exc}"
            raise TransportError("proxy_error", message) from exc
        if not 200 <= answer.status < 300:
            raise proxy.refusal(answer)
        # From here on it is the responder's, and a new one for it.
        connection.proxy, connection.used = None, False

    def _message(self, url: _Url, request: HttpRequest, proxy: t.Optional[_Proxy]) -> bytes:
        forwarded = proxy if url.scheme == "http" else None
        lines = [
            f"{'GET' if request.body is None else 'POST'} {url.origin if forwarded else ''}{url.target} HTTP/1.1",
            f"Host: {url.host_header}",
            f"User-Agent: {self._http_agent}",
            "Accept: application/ocsp-response",
            f"Connection: {'keep-alive' if self._keep else 'close'}",
        ]
        if request.no_cache:
            lines += ["Cache-Control: no-cache", "Pragma: no-cache"]
        if request.body is not None:
            lines += ["Content-Type: application/ocsp-request", f"Content-Length: {len(request.body)}"]
        if forwarded:
            lines += forwarded.headers
        return _encode(lines) + (request.body or b"")

    def _context(self) -> ssl.SSLContext:
        import ssl  # pylint: disable=import-outside-toplevel  # slow, and few responders need it

        with self._mutex:
            if self._tls_context is None:
                context = ssl.create_default_context()
                context.sslsocket_class = _tls_socket_class()
                if not self._validate_certs:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                self._tls_context = context
            return self._tls_context

    def _proxy_for(self, url: _Url) -> t.Optional[_Proxy]:
        place = url[:3]
        if place not in self._proxies:
            self._proxies[place] = self._choose_proxy(url)
        return self._proxies[place]

    def _choose_proxy(self, url: _Url) -> t.Optional[_Proxy]:
        if not self._use_proxy:
            return None
        source, value = "the option http_proxy", self._http_proxy
        if not value:
            name = f"{url.scheme}_proxy"
            source, value = f"the environment variable {name}", _variable(self._environ, name)
        if not value or _is_exempt(url, _variable(self._environ, "no_proxy")):
            return None
        return _Proxy.from_setting(value, source)


def check_url(url: str) -> None:
    """Raise TransportError ``url_refused`` unless ``url`` is one that ``exchange`` would ask."""
    _parse(url)


class _BadAnswer(Exception):
    """What came back is no HTTP answer; the text says why."""


class _TooLarge(_BadAnswer):
    """An answer that is larger than anything a responder has to say."""


class _NoAnswer(ConnectionError):
    """The other side closed the connection without a word."""


class _Stale(Exception):
    """A connection that was used before died before any byte of an answer."""


class _Attempt:
    """The deadline of one exchange and what it is doing right now, for the message when that fails."""

    def __init__(self, timeout: float) -> None:
        self.timeout = min(timeout, MAX_SECONDS)
        self.step = "connect to"
        self.peer = "the responder"
        self.code = "unreachable"
        self.aborted = False
        self.socket: t.Optional[socket.socket] = None
        self.found: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        self._end = time.monotonic() + self.timeout

    def aim(self, url: _Url, proxy: t.Optional[_Proxy]) -> None:
        """Name whom the connection leads to, once it is there."""
        if proxy and url.scheme == "http":
            self.peer, self.code = f"{url.origin} through the proxy {proxy.name}", "proxy_error"
        else:
            self.peer, self.code = url.origin, "unreachable"

    def use(self, sock: socket.socket) -> socket.socket:
        """Give the socket the time that is left for its next step."""
        self.socket = sock
        sock.settimeout(self.left())
        return sock

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
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of TLS would change the socket under its user

    def broken_off(self) -> TransportError:
        return TransportError("unreachable", f"the exchange with {self.peer} was broken off")

    def expired(self) -> TransportError:
        return TransportError("timeout", f"{self.timeout:.3g} s were not enough to {self.step} {self.peer}")

    def cut_off(self) -> TransportError:
        return TransportError("http_error", f"the answer of {self.peer} breaks off before its end")

    def failure(self, exc: Exception) -> TransportError:
        if self.aborted:
            return self.broken_off()
        if _is_timeout(exc):
            return self.expired()
        untrusted = getattr(exc, "verify_message", None)  # of ssl.SSLCertVerificationError
        if untrusted:
            why = _clean(untrusted)
            return TransportError(
                self.code, f"the TLS certificate of {self.peer} is not trusted: {why} (validate_certs is true)", True
            )
        if isinstance(exc, _TooLarge):
            return TransportError("too_large", f"the answer of {self.peer} is larger than {MAX_BODY // 1024} KiB")
        if isinstance(exc, (OSError, RuntimeError)):
            unknown = isinstance(exc, socket.gaierror) and exc.errno != socket.EAI_AGAIN
            return TransportError(self.code, f"cannot {self.step} {self.peer}: {_why(exc)}", unknown)
        return TransportError("http_error", f"{self.peer} did not answer in proper HTTP: {_why(exc)}")


class _Answer:
    """An HTTP answer. Names of headers are in lower case; of those that stand twice, the first one counts."""

    def __init__(self, version: int, status: int, reason: str, headers: t.Dict[str, str]) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        options = headers.get("connection", "").lower().replace(",", " ").split()
        self.stays_open = "close" not in options and (version >= 1 or "keep-alive" in options)
        self.reusable = False


class _Connection:
    """An open connection. ``key`` says for which requests it is good.

    ``proxy`` is set when requests on it are for a proxy and name their whole URL.
    """

    def __init__(self, sock: socket.socket, key: t.Tuple[t.Any, ...], proxy: t.Optional[_Proxy]) -> None:
        self._sock = sock
        self.key = key
        self.proxy = proxy
        self.used = False
        self.idle_since = 0.0

    def is_usable(self) -> bool:
        """Whether it is neither old nor closed; a server that speaks unasked is not understood either."""
        if time.monotonic() - self.idle_since > _IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def ask(self, message: bytes, attempt: _Attempt, body: bool = True) -> _Answer:
        """Send a request and read its answer, with its body unless that is not wanted.

        Raises _Stale where the request may be sent again on another connection.
        """
        used, self.used = self.used, True
        reader = _Reader(self._sock, attempt)
        try:
            attempt.step = "send the request to"
            rest = memoryview(message)
            while rest:
                rest = rest[attempt.use(self._sock).send(rest) :]
            attempt.step = "read the answer of"
            answer = _read_head(reader)
        except (OSError, _BadAnswer) as exc:
            if used and not reader.received and not _is_timeout(exc) and not attempt.aborted:
                raise _Stale from exc
            raise
        if body:
            _read_body(reader, answer)
        return answer

    def start_tls(self, context: ssl.SSLContext, host: str, attempt: _Attempt) -> None:
        attempt.step = "make a TLS connection to"
        # OpenSSL's handshake takes the time that is left as a total.
        self._sock = context.wrap_socket(attempt.use(self._sock), server_hostname=host.rstrip("."))

    def close(self) -> None:
        self._sock.close()


class _Reader:
    """The bytes of one answer: each read gets only the time that is left, and there is an end to them.

    A timeout of the socket's own starts anew with each byte, so a dripping responder would never end.
    """

    def __init__(self, sock: socket.socket, attempt: _Attempt) -> None:
        self._sock = sock
        self.attempt = attempt
        self.buffer = b""
        self.received = 0

    def more(self) -> bool:
        """Receive something more; False at the end."""
        data = self.attempt.use(self._sock).recv(_RECEIVE)
        self.buffer += data
        self.received += len(data)
        if self.received > MAX_RECEIVED:
            raise _TooLarge("it is too large")
        return bool(data)

    def take(self, size: int) -> bytes:
        """So many octets. Raises TransportError where there are fewer."""
        while len(self.buffer) < size:
            if not self.more():
                raise self.attempt.cut_off()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self) -> bytes:
        """The next line without its end. Raises TransportError where there is none."""
        while b"\n" not in self.buffer:
            if not self.more():
                raise self.attempt.cut_off()
        line, _newline, self.buffer = self.buffer.partition(b"\n")
        return line


def _read_head(reader: _Reader) -> _Answer:
    """Status and headers of the answer; those of the interim answers before it are skipped."""
    while True:
        end = _HEAD_END.search(reader.buffer)
        while not end:
            _check_start(reader.buffer)
            if not reader.more():
                raise reader.attempt.cut_off() if b"\n" in reader.buffer else _bad_start(reader.buffer)
            end = _HEAD_END.search(reader.buffer)
        head, reader.buffer = reader.buffer[: end.start()], reader.buffer[end.end() :]
        answer = _parse_head(head)
        if answer.status >= 200 or answer.status == 101:
            return answer


def _check_start(data: bytes) -> None:
    """Refuse what is no HTTP as soon as its first line is there."""
    line, newline, _rest = data.partition(b"\n")
    if newline and not _STATUS_LINE.fullmatch(line):
        raise _bad_start(line)
    if len(data) > MAX_BODY:
        raise _TooLarge("its headers are too large")


def _bad_start(line: bytes) -> Exception:
    if not line:
        return _NoAnswer("the other side closed connection without response")
    return _BadAnswer(_clean(line.decode("latin-1")))


def _parse_head(head: bytes) -> _Answer:
    first, *lines = head.split(b"\n")
    status = _STATUS_LINE.fullmatch(first)
    if not status:
        raise _bad_start(first)
    if len(lines) > MAX_HEADERS or len(head) > MAX_BODY:
        raise _TooLarge("it has too many headers")
    headers: t.Dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.decode("latin-1").partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    version, number, reason = status.groups(b"")
    return _Answer(int(version), int(number), reason.decode("latin-1"), headers)


def _read_body(reader: _Reader, answer: _Answer) -> None:
    """Read the body by its framing (RFC 9112 section 6.3), and say whether the connection can be used again."""
    coding, length = answer.headers.get("transfer-encoding"), answer.headers.get("content-length", "")
    framed = True
    if answer.status in (101, 204, 304):
        framed = answer.status != 101
    elif coding is not None and coding.lower() == "chunked":
        answer.body = _read_chunks(reader, answer)
        framed = not length
    elif coding is None and length.isdecimal() and length.isascii():
        if len(length) > 20 or int(length) > MAX_BODY:
            raise _TooLarge("it announces too much")
        answer.body = reader.take(int(length))
    else:
        framed = False
        while reader.more():
            if len(reader.buffer) > MAX_BODY:
                raise _TooLarge("it does not end")
        answer.body = reader.take(len(reader.buffer))
        if len(answer.body) > MAX_BODY:
            raise _TooLarge("it is too large")
    answer.reusable = answer.stays_open and framed and not reader.buffer


def _read_chunks(reader: _Reader, answer: _Answer) -> bytes:
    body = b""
    while True:
        line = reader.line()
        size = _CHUNK_SIZE.fullmatch(line)
        if not size:
            raise _BadAnswer(f"the size of a chunk is {_clean(line.decode('latin-1'))}")
        count = int(size.group(1), 16)
        if count == 0:
            break
        if len(body) + count > MAX_BODY:
            raise _TooLarge("its chunks are too large")
        body += reader.take(count)
        if reader.line() not in (b"", b"\r"):
            raise _BadAnswer("a chunk does not end where it should")
    try:
        while reader.line() not in (b"", b"\r"):
            pass
    except TransportError as error:
        if error.code != "http_error":
            raise
        answer.stays_open = False  # some servers leave out the last line
    return body


def _response(answer: _Answer) -> HttpResponse:
    headers = answer.headers
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    date = _date(headers.get("date"), headers.get("age"))
    retry_after = _seconds(headers.get("retry-after"), date)
    return HttpResponse(answer.status, answer.body, _clean(media_type), retry_after, date)


class _Url(t.NamedTuple):
    """A URL that was checked: ``host`` is ASCII without brackets, ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_port(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        return self.host_port.rpartition(":")[0] if self.port == _PORTS[self.scheme] else self.host_port

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host_header}"


class _Proxy(t.NamedTuple):
    """A forward proxy; ``headers`` are for it alone and hold the secret."""

    url: _Url
    headers: t.Tuple[str, ...]

    @property
    def name(self) -> str:
        return self.url.host_port

    @classmethod
    def from_setting(cls, value: str, source: str) -> _Proxy:
        text = value if "://" in value else f"http://{value}"
        try:
            url = _parse(text, credentials=True)
        except TransportError:
            url = None
        if url is None or url.scheme != "http":  # the value may hold a password: it is not shown
            raise TransportError("proxy_error", f"{source} must have the form http://[user:password@]host:port", True)
        parts = urlsplit(text)
        if parts.username is None:
            return cls(url, ())
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return cls(url, (f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}",))

    def refusal(self, answer: _Answer) -> TransportError:
        message = f"the proxy {self.name} refused: HTTP {answer.status} {_clean(answer.reason)}".rstrip()
        return TransportError("proxy_error", message, permanent=answer.status < 500)


def is_proxy(url: str) -> bool:
    """Whether a text is the URL of a proxy as the option has it. A variable of the environment may lack ``http://``."""
    try:
        return "://" in url and bool(_Proxy.from_setting(url, "it"))
    except TransportError:
        return False


def _variable(environ: t.Mapping[str, str], name: str) -> str:
    if name in environ:
        return environ[name]
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return ""  # in a CGI, HTTP_PROXY is a header of the client's (CVE-2016-1000110)
    return environ.get(name.upper(), "")


def _is_exempt(url: _Url, no_proxy: str) -> bool:
    """Understand what curl does in no_proxy: ``*``, names and all below them, ports, addresses and networks."""
    host = url.host.rstrip(".")
    for entry in no_proxy.lower().replace(",", " ").split():
        name = entry.lstrip("*").lstrip(".").rstrip(".")
        if entry == "*" or name in (host, f"[{host}]", url.host_port):
            return True
        if name and (host.endswith(f".{name}") or f"{host}:{url.port}".endswith(f".{name}")):
            return True
        if "/" in entry and _is_in_network(host, entry):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and hardly ever needed

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _parse(text: str, source: str = "the URL", credentials: bool = False) -> _Url:
    """Check a URL; the messages of urllib.parse are not passed on because they may quote a password."""

    def refused(why: str) -> TransportError:
        shown = re.sub(r"^(\w+://)?.*(@|%40)", r"\1***@", text, flags=re.DOTALL)
        return TransportError("url_refused", f"{source} {_clean(shown)} is refused: {why}")

    plain = None if credentials else _PLAIN_URL.fullmatch(text)
    if plain and plain.group(2) != "/":
        return _Url(*_parse_origin(plain.group(1))[:3], plain.group(2))
    if not text.isprintable() or " " in text:
        raise refused("it contains a space or a control character")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise refused("its host is not a valid name or address") from None
    if parts.scheme not in _PORTS:
        raise refused("only http and https are allowed")
    if "@" in parts.netloc and not credentials:
        raise refused("it contains a user name or password")
    if not parts.hostname:
        raise refused("it names no host")
    try:
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise refused("its port is not a number from 1 to 65535")
    try:
        host = _host(parts.hostname, "[" in parts.netloc)
    except ValueError:
        raise refused("its host is not a valid name or address") from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Url(parts.scheme, host, port, target if target.isascii() else quote(target, safe=_PRINTABLE))


@functools.lru_cache(maxsize=256)
def _parse_origin(text: str) -> _Url:
    return _parse(f"{text}/")


def _key(url: _Url, proxy: t.Optional[_Proxy]) -> t.Tuple[t.Any, ...]:
    """What requests have in common that can use one connection."""
    return ("proxy", proxy) if proxy and url.scheme == "http" else (*url[:3], proxy)


@functools.lru_cache(maxsize=256)
def _host(name: str, bracketed: bool) -> str:
    if bracketed:
        import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and hardly ever needed

        return str(ipaddress.IPv6Address(name))
    host = name.encode("idna").decode("ascii").lower()
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("not a host name")
    return host


def _redirect(url: _Url, answer: _Answer) -> _Url:
    location = answer.headers.get("location", "")
    if not location:
        raise TransportError("http_error", f"{url.origin} redirects (HTTP {answer.status}) without saying where to")
    location = quote(location, safe=_PRINTABLE, encoding="latin-1")
    with contextlib.suppress(ValueError):  # _parse says what is wrong with it
        location = urljoin(url.origin + url.target, location)
    return _parse(location, f"the redirect of {url.origin} to")


@functools.cache
def _tls_socket_class() -> t.Type[ssl.SSLSocket]:
    import ssl  # pylint: disable=import-outside-toplevel  # slow, and few responders need it

    class TlsSocket(ssl.SSLSocket):
        """Closes itself when the other side is gone before the handshake, where Python would leave it open."""

        def getpeername(self) -> t.Any:
            try:
                return super().getpeername()
            except OSError:
                self.close()
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None

    return TlsSocket


def _dial(url: _Url, attempt: _Attempt) -> socket.socket:
    attempt.step = "find the address of"
    addresses = _lookup(url, attempt)
    attempt.step = "connect to"
    reasons = []
    for number, (family, kind, protocol, _name, address) in enumerate(addresses):
        try:
            # Shared out evenly, so that a dead IPv6 leaves time for IPv4.
            return _connect(socket.socket(family, kind, protocol), address, len(addresses) - number, attempt)
        except OSError as exc:
            if attempt.aborted or (_is_timeout(exc) and number == len(addresses) - 1):
                raise
            reasons.append(f"{_why(exc)} ({address[0]} port {address[1]})")
    raise TransportError(attempt.code, f"cannot connect to {attempt.peer}: {', '.join(reasons[:4])}")


def _connect(sock: socket.socket, address: t.Any, shares: int, attempt: _Attempt) -> socket.socket:
    try:
        attempt.socket = sock
        sock.setblocking(False)  # begun before the look at the time, so that an abort is never missed
        error = sock.connect_ex(address)
        share = attempt.left() / shares
        if error == errno.EINPROGRESS:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            if not poll.poll(min(share * 1000, 2**31 - 1)):
                raise socket.timeout("timed out")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise
    return sock


def _lookup(url: _Url, attempt: _Attempt) -> t.List[t.Any]:
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    def look_up() -> None:
        try:
            attempt.found.put(socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM))
        except Exception as exc:
            attempt.found.put(exc)

    # The resolver takes no timeout: it is left behind in its thread when time is up.
    threading.Thread(target=look_up, daemon=True).start()
    try:
        result = attempt.found.get(timeout=attempt.left())
    except queue.Empty:
        raise attempt.expired() from None
    if isinstance(result, Exception):
        raise result
    return t.cast("t.List[t.Any]", result)


def _date(value: t.Optional[str], age: t.Optional[str] = None) -> t.Optional[datetime]:
    """Return the time of HTTP headers in UTC, None when they are missing or unreadable."""
    if not value or not re.fullmatch(r"[0-9]{1,9}", (age or "0").strip()):
        return None
    try:
        date = _parse_date(value)
        return date + timedelta(seconds=int(age or 0)) if date else None
    except OverflowError:
        return None


@functools.lru_cache(maxsize=16)
def _parse_date(text: str) -> t.Optional[datetime]:
    """Read a time of HTTP, in any of its three forms, and of mail. Raises OverflowError."""
    text = " ".join(text.lower().split())
    asctime = _ASCTIME.fullmatch(text)
    if asctime:
        month, day, clock, year = asctime.groups()
        text = f"{day} {month} {year} {clock}"
    match = _DATE.fullmatch(text)
    if not match or match.group(2) not in _MONTHS:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups(default="0")
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 69 else 1900
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        moment = datetime(number, _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc) + (offset if sign == "-" else -offset)


def _seconds(value: t.Optional[str], date: t.Optional[datetime]) -> t.Optional[float]:
    value = (value or "").strip()
    if not value:
        return None
    if re.fullmatch(r"-?[0-9]{1,99}", value):
        seconds = float(value)
    else:
        moment = _date(value)
        if moment is None:
            return None
        seconds = (moment - (date or datetime.now(timezone.utc))).total_seconds()
    return min(max(seconds, 0.0), MAX_SECONDS)


def _encode(lines: t.Iterable[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _is_timeout(exc: Exception) -> bool:
    """True when our own time ran out; the kernel's ETIMEDOUT has an errno and is a reason like any other."""
    return isinstance(exc, socket.timeout) and exc.errno is None


def _why(exc: Exception) -> str:
    reason = None
    if isinstance(exc, OSError):
        tls = getattr(exc, "reason", None)  # of ssl.SSLError
        reason = tls.replace("_", " ").lower() if tls else exc.strerror
    return _clean(reason or str(exc) or type(exc).__name__)


def _clean(text: str, limit: int = 100) -> str:
    """Make foreign text fit for a log line."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "?" for char in text[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
