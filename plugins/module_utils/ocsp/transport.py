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
import http.client
import io
import ipaddress
import os
import queue
import re
import socket
import ssl
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urljoin, urlsplit

from .errors import TransportError

MAX_BODY = 64 * 1024
MAX_RECEIVED = 2 * MAX_BODY  # status line, headers, chunk sizes and body of one answer
MAX_REDIRECTS = 3
MAX_SECONDS = 365 * 86400.0

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


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
    """Exchanges requests with responders; it keeps no state between them and may be shared by threads.

    ``http_proxy`` (``http://[user:password@]host:port``) stands before the proxies of ``environ``, and
    ``no_proxy`` there exempts hosts from both, as with curl. ``use_proxy`` false turns all of it off.
    """

    def __init__(
        self,
        *,
        use_proxy: bool = True,
        http_proxy: t.Optional[str] = None,
        validate_certs: bool = True,
        http_agent: str = "certops.ocsp",
        environ: t.Optional[t.Mapping[str, str]] = None,
    ) -> None:
        self._use_proxy = use_proxy
        self._http_proxy = http_proxy
        self._validate_certs = validate_certs
        self._http_agent = re.sub(r"[^\x20-\x7e]", "?", http_agent)
        self._environ: t.Mapping[str, str] = os.environ if environ is None else environ
        self._tls_context: t.Optional[ssl.SSLContext] = None

    def exchange(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Return the answer of any HTTP status, or raise TransportError; both within ``timeout`` seconds."""
        attempt = _Attempt(timeout)
        try:
            return self._follow(request, attempt)
        except TransportError:
            raise
        except Exception as exc:  # http.client fails in any way on foreign bytes, chunks of -2**64 are an OverflowError
            raise attempt.failure(exc) from exc

    def _follow(self, request: HttpRequest, attempt: _Attempt) -> HttpResponse:
        first = url = _parse(request.url)
        for _hop in range(MAX_REDIRECTS + 1):
            with self._connected(url, attempt) as connection, self._ask(connection, request, url) as answer:
                if connection.proxy and answer.status == 407:
                    raise connection.proxy.refusal(answer)
                if answer.status not in _REDIRECTS:
                    return _read(answer, attempt)
                url = _redirect(url, answer)
        message = f"{first.origin} redirects more than {MAX_REDIRECTS} times, at last to {url.origin}"
        raise TransportError("http_error", message)

    @contextlib.contextmanager
    def _connected(self, url: _Url, attempt: _Attempt) -> t.Iterator[_Connection]:
        """Lend a connection that is ready for requests to ``url``; connections to keep would be pooled here."""
        proxy = self._proxy_for(url)
        if proxy:
            attempt.peer, attempt.code = f"the proxy {proxy.name}", "proxy_error"
        else:
            attempt.peer, attempt.code = url.origin, "unreachable"
        sock = _dial(proxy.url if proxy else url, attempt)
        tls = url.scheme == "https"
        with contextlib.closing(_Connection(sock, attempt, None if tls else proxy)) as connection:
            if tls:
                if proxy:
                    self._tunnel(connection, url, proxy)
                attempt.peer, attempt.code = url.origin, "unreachable"
                connection.start_tls(self._context(), url.host)
            elif proxy:
                attempt.peer = f"{url.origin} through the proxy {proxy.name}"
            yield connection

    def _tunnel(self, connection: _Connection, url: _Url, proxy: _Proxy) -> None:
        lines = [f"CONNECT {url.host_port} HTTP/1.1", f"Host: {url.host_port}", f"User-Agent: {self._http_agent}"]
        try:
            with connection.ask(_encode(lines + proxy.headers)) as answer:
                if not 200 <= answer.status < 300:
                    raise proxy.refusal(answer)
        except http.client.HTTPException as exc:
            message = f"the proxy {proxy.name} gave no HTTP answer to CONNECT: {_why(exc)}"
            raise TransportError("proxy_error", message) from exc

    def _ask(self, connection: _Connection, request: HttpRequest, url: _Url) -> http.client.HTTPResponse:
        proxy = connection.proxy
        target = url.origin + url.target if proxy else url.target
        lines = [
            f"{'GET' if request.body is None else 'POST'} {target} HTTP/1.1",
            f"Host: {url.host_header}",
            f"User-Agent: {self._http_agent}",
            "Accept: application/ocsp-response",
            "Connection: close",
        ]
        if request.no_cache:
            lines += ["Cache-Control: no-cache", "Pragma: no-cache"]
        if request.body is not None:
            lines += ["Content-Type: application/ocsp-request", f"Content-Length: {len(request.body)}"]
        return connection.ask(_encode(lines + (proxy.headers if proxy else [])) + (request.body or b""))

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            context = ssl.create_default_context()
            if not self._validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls_context = context
        return self._tls_context

    def _proxy_for(self, url: _Url) -> t.Optional[_Proxy]:
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


class _Attempt:
    """The deadline of one exchange and what it is doing right now, for the message when that fails."""

    def __init__(self, timeout: float) -> None:
        self.timeout = min(timeout, MAX_SECONDS)
        self.step = "connect to"
        self.peer = ""
        self.code = ""
        self._end = time.monotonic() + self.timeout

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left > 0:
            return left
        raise self.expired()

    def expired(self) -> TransportError:
        return TransportError("timeout", f"{self.timeout:.3g} s were not enough to {self.step} {self.peer}")

    def too_large(self) -> TransportError:
        return TransportError("too_large", f"the answer of {self.peer} is larger than {MAX_BODY // 1024} KiB")

    def failure(self, exc: Exception) -> TransportError:
        if _is_timeout(exc):
            return self.expired()
        if isinstance(exc, ssl.SSLCertVerificationError):
            why = _clean(exc.verify_message)
            return TransportError(
                self.code, f"the TLS certificate of {self.peer} is not trusted: {why} (validate_certs is true)"
            )
        if isinstance(exc, (OSError, RuntimeError)):  # a close without any answer (RemoteDisconnected) is an OSError
            return TransportError(self.code, f"cannot {self.step} {self.peer}: {_why(exc)}")
        if isinstance(exc, http.client.IncompleteRead):
            return TransportError("http_error", f"the answer of {self.peer} breaks off before its end")
        if isinstance(exc, http.client.LineTooLong) or exc.__class__ is http.client.HTTPException:
            return self.too_large()  # plain HTTPException: more headers than http.client reads
        return TransportError("http_error", f"{self.peer} did not answer in proper HTTP: {_why(exc)}")


class _Connection:
    """An open connection; ``ask`` may be called again when the last answer was read to its end.

    ``proxy`` is set when requests on it are for a proxy and name their whole URL.
    """

    def __init__(self, sock: socket.socket, attempt: _Attempt, proxy: t.Optional[_Proxy]) -> None:
        self._sock = sock
        self._attempt = attempt
        self.proxy = proxy

    def ask(self, message: bytes) -> http.client.HTTPResponse:
        self._attempt.step = "send the request to"
        rest = memoryview(message)
        while rest:
            self._sock.settimeout(self._attempt.left())
            rest = rest[self._sock.send(rest) :]
        self._attempt.step = "read the answer of"
        answer = http.client.HTTPResponse(t.cast(socket.socket, self))
        answer.begin()
        return answer

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Give http.client what it reads from, in place of the socket's own file."""
        return io.BufferedReader(_Stream(self._sock, self._attempt))

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        self._attempt.step = "make a TLS connection to"
        self._sock.settimeout(self._attempt.left())  # OpenSSL's handshake takes it as a total
        self._sock = context.wrap_socket(self._sock, server_hostname=host.rstrip("."))

    def close(self) -> None:
        self._sock.close()


class _Stream(io.RawIOBase):
    """The bytes of one answer: each read gets only the time that is left, and there is an end to them.

    A timeout of the socket's own starts anew with each byte, so a dripping responder would never end.
    """

    def __init__(self, sock: socket.socket, attempt: _Attempt) -> None:
        self._sock = sock
        self._attempt = attempt
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._sock.settimeout(self._attempt.left())
        count = self._sock.recv_into(buffer)
        self._received += count
        if self._received > MAX_RECEIVED:
            raise self._attempt.too_large()
        return count


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
    headers: t.List[str]

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
            raise TransportError("proxy_error", f"{source} must have the form http://[user:password@]host:port")
        parts = urlsplit(text)
        if parts.username is None:
            return cls(url, [])
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return cls(url, [f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}"])

    def refusal(self, answer: http.client.HTTPResponse) -> TransportError:
        return TransportError(
            "proxy_error", f"the proxy {self.name} refused: HTTP {answer.status} {_clean(answer.reason)}".rstrip()
        )


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
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
    return False


def _parse(text: str, source: str = "the URL", credentials: bool = False) -> _Url:
    """Check a URL; the messages of urllib.parse are not passed on because they may quote a password."""

    def refused(why: str) -> TransportError:
        shown = re.sub(r"^(\w+://)?.*(@|%40)", r"\1***@", text, flags=re.DOTALL)
        return TransportError("url_refused", f"{source} {_clean(shown)} is refused: {why}")

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
    return _Url(parts.scheme, host, port, quote(target, safe=_PRINTABLE))


def _host(name: str, bracketed: bool) -> str:
    if bracketed:
        return str(ipaddress.IPv6Address(name))
    host = name.encode("idna").decode("ascii").lower()
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("not a host name")
    return host


def _redirect(url: _Url, answer: http.client.HTTPResponse) -> _Url:
    location = (answer.getheader("Location") or "").strip()
    if not location:
        raise TransportError("http_error", f"{url.origin} redirects (HTTP {answer.status}) without saying where to")
    location = quote(location, safe=_PRINTABLE, encoding="latin-1")
    with contextlib.suppress(ValueError):  # _parse says what is wrong with it
        location = urljoin(url.origin + url.target, location)
    return _parse(location, f"the redirect of {url.origin} to")


def _dial(url: _Url, attempt: _Attempt) -> socket.socket:
    attempt.step = "find the address of"
    addresses = _lookup(url, attempt)
    attempt.step = "connect to"
    reasons = []
    for number, (family, kind, protocol, _name, address) in enumerate(addresses):
        # Shared out evenly, so that a dead IPv6 leaves time for IPv4.
        share = attempt.left() / (len(addresses) - number)
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(share)
            sock.connect(address)
            return sock
        except OSError as exc:
            if sock:
                sock.close()
            if _is_timeout(exc) and number == len(addresses) - 1:
                raise
            reasons.append(f"{_why(exc)} ({address[0]} port {address[1]})")
    raise TransportError(attempt.code, f"cannot connect to {attempt.peer}: {', '.join(reasons[:4])}")


def _lookup(url: _Url, attempt: _Attempt) -> t.List[t.Any]:
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    found: queue.SimpleQueue[t.Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM))
        except Exception as exc:
            found.put(exc)

    # The resolver takes no timeout: it is left behind in its thread when time is up.
    threading.Thread(target=look_up, daemon=True).start()
    try:
        result = found.get(timeout=attempt.left())
    except queue.Empty:
        raise attempt.expired() from None
    if isinstance(result, Exception):
        raise result
    return t.cast("t.List[t.Any]", result)


def _read(answer: http.client.HTTPResponse, attempt: _Attempt) -> HttpResponse:
    if (answer.length or 0) > MAX_BODY:
        raise attempt.too_large()
    body = b""
    while len(body) <= MAX_BODY:
        piece = answer.read(MAX_BODY + 1 - len(body))
        if not piece:
            break
        body += piece
    if len(body) > MAX_BODY:
        raise attempt.too_large()
    if answer.length:  # http.client does not complain when it was told how much to read
        raise http.client.IncompleteRead(b"", answer.length)
    media_type = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    date = _date(answer.getheader("Date"), answer.getheader("Age"))
    retry_after = _seconds(answer.getheader("Retry-After"), date)
    return HttpResponse(answer.status, body, _clean(media_type), retry_after, date)


def _date(value: t.Optional[str], age: t.Optional[str] = None) -> t.Optional[datetime]:
    """Return the time of HTTP headers in UTC, None when they are missing or unreadable."""
    if not value or not re.fullmatch(r"[0-9]{1,9}", (age or "0").strip()):
        return None
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        return date.astimezone(timezone.utc) + timedelta(seconds=int(age or 0))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _seconds(value: t.Optional[str], date: t.Optional[datetime]) -> t.Optional[float]:
    value = (value or "").strip()
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
    if isinstance(exc, ssl.SSLError) and exc.reason:
        reason = exc.reason.replace("_", " ").lower()
    elif isinstance(exc, OSError):
        reason = exc.strerror
    return _clean(reason or str(exc) or type(exc).__name__)


def _clean(text: str, limit: int = 100) -> str:
    """Make foreign text fit for a log line."""
    text = "".join(char if char.isprintable() else "?" for char in text[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
