# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One HTTP exchange with one responder inside one total deadline.

The deadline covers everything: looking up the name, connecting, the proxy, TLS, sending, every byte
received and every redirect. Whatever goes wrong is a TransportError with one sentence.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import threading
import time
import typing as t

from .. import urls
from ..errors import TransportError
from ..urls import Proxy, Url
from . import resolver, scope
from .attempt import Attempt, BadAnswer, NoAnswer, Stream, is_timeout, reason_of
from .http1 import Answer, HttpRequest, HttpResponse, Reader, encode, read_body, read_head, response_of

if t.TYPE_CHECKING:
    import ssl

    from .tls_stream import TlsStream


MAX_REDIRECTS = 3
#: Addresses of a name that are tried, of IPv4 and of IPv6 each.
_MOST_ADDRESSES = 4
#: Seconds after which an idle connection is not used again; servers close them sooner or later.
_IDLE_SECONDS = 15.0
_REDIRECTS = (301, 302, 303, 307, 308)
#: After the others, clients may ask by GET without a body (RFC 9110 section 15.4), which is not the question.
_KEEPING_METHOD = (307, 308)


#: Addresses that are for documentation (RFC 5737, RFC 3849), by the family.
_OF_NO_HOST: t.Dict[int, t.Any] = {socket.AF_INET: ("192.0.2.1", 0), socket.AF_INET6: ("2001:db8::1", 0, 0, 0)}


class Transport:
    """Exchanges requests with responders; it may be shared by threads.

    ``http_proxy`` (``http://[user:password@]host:port``) stands before the proxies of ``environ``, and
    ``no_proxy`` there exempts hosts from both, as with curl. ``use_proxy`` false turns all of it off.
    Up to ``keep`` idle connections stay open for the next exchange; ``close`` ends them.
    ``tls`` makes what is trusted where that are not the CAs of this host. With ``one_origin`` no redirect leads to
    another scheme, host or port. ``accept`` is the type of answers.
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
        tls: t.Optional[t.Callable[[], ssl.SSLContext]] = None,
        one_origin: bool = False,
        accept: str = "application/ocsp-response",
    ) -> None:
        self._use_proxy = use_proxy
        self._http_proxy = http_proxy
        self._validate_certs = validate_certs
        self._http_agent = re.sub(r"[^\x20-\x7e]", "?", http_agent)
        self._environ: t.Mapping[str, str] = os.environ if environ is None else environ
        self._proxies: t.Dict[t.Tuple[t.Any, ...], t.Optional[Proxy]] = {}
        self._tls_context: t.Optional[ssl.SSLContext] = None
        self._mutex = threading.Lock()
        self._closed = False
        self._keep = keep
        self._tls = tls
        self._one_origin = one_origin
        self._accept = accept
        self._idle: t.List[_Connection] = []  # the longest unused one first
        self._attempts: t.Set[Attempt] = set()

    def exchange(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Return the answer of any HTTP status, or raise TransportError; both within ``timeout`` seconds."""
        attempt = Attempt(timeout)
        try:
            with self._mutex:
                self._attempts.add(attempt)
                if self._closed:
                    attempt.abort()
            return self._follow(request, attempt)
        except TransportError as error:
            error.reached = attempt.reached
            raise
        except Exception as exc:  # a bug here must not end a run, either
            failure = attempt.failure(exc)
            failure.reached = attempt.reached
            raise failure from exc
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

    def _follow(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        first = url = urls.parse_url(request.url)
        for _hop in range(MAX_REDIRECTS + 1):
            answer = self._ask(url, request, attempt)
            if answer.status not in _REDIRECTS:
                return response_of(answer)
            attempt.follow(url.origin)
            before, url = url, _redirect(url, answer, request)
            if url.host != before.host and not scope.is_address(url.host) and self._proxy_for(url):
                # What the name means to the proxy is unknown: it may be itself, or something in its network.
                message = f"a redirect of {before.origin} to {url.origin} is refused: it leads a proxy to another host"
                raise TransportError("url_refused", message)
            if self._one_origin and url.origin != first.origin:
                raise TransportError("url_refused", f"{first.origin} redirects to another server, {url.origin}")
        message = f"{first.origin} redirects more than {MAX_REDIRECTS} times, at last to {url.origin}"
        raise TransportError("http_error", message)

    def _ask(self, url: Url, request: HttpRequest, attempt: Attempt) -> Answer:
        """The answer of one server, on a connection that is there or on a new one."""
        proxy = self._proxy_for(url)
        message = self._message(url, request, proxy)
        attempt.proxied = False
        attempt.admit(url.host)
        connection = self._take(url, proxy)
        if connection:
            attempt.aim(url, proxy)
            self._admit(connection, url.host if proxy else connection.place, attempt)
            with contextlib.suppress(_Stale):
                return self._ask_on(connection, message, attempt)
        return self._ask_on(self._open(url, proxy, attempt), message, attempt)

    def _admit(self, connection: _Connection, place: str, attempt: Attempt) -> None:
        """Refuse an open connection to a place to which no redirect may lead; it stays for those who may use it."""
        try:
            attempt.admit(place)
        except TransportError:
            self._give_back(connection)
            raise
        attempt.place = place

    def _ask_on(self, connection: _Connection, message: bytes, attempt: Attempt) -> Answer:
        attempt.reached = True
        try:
            answer = connection.ask(message, attempt)
            if connection.proxy and answer.status == 407:
                raise connection.proxy.refusal(answer.status, answer.reason)
        except BaseException:
            connection.close()
            raise
        if answer.reusable:
            self._give_back(connection)
        else:
            connection.close()
        return answer

    def _take(self, url: Url, proxy: t.Optional[Proxy]) -> t.Optional[_Connection]:
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

    def _open(self, url: Url, proxy: t.Optional[Proxy], attempt: Attempt) -> _Connection:
        """A new connection that is ready for requests to ``url``."""
        if proxy:
            attempt.peer, attempt.code = f"the proxy {proxy.name}", "proxy_error"
        else:
            attempt.peer, attempt.code = url.origin, "unreachable"
        attempt.proxied = proxy is not None
        sock = _dial(proxy.url if proxy else url, attempt)
        attempt.place = url.host if proxy else attempt.place
        connection = _Connection(sock, _key(url, proxy), proxy, attempt.place)
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

    def _tunnel(self, connection: _Connection, url: Url, proxy: Proxy, attempt: Attempt) -> None:
        lines = [f"CONNECT {url.host_port} HTTP/1.1", f"Host: {url.host_port}", f"User-Agent: {self._http_agent}"]
        try:
            answer = connection.ask(encode([*lines, *proxy.headers]), attempt, body=False)
        except (BadAnswer, NoAnswer) as exc:
            message = f"the proxy {proxy.name} sent no HTTP answer to CONNECT: {exc}"
            raise TransportError("proxy_error", message) from exc
        if not 200 <= answer.status < 300:
            raise proxy.refusal(answer.status, answer.reason)
        # From here on it is the responder's, and a new one for it.
        connection.proxy, connection.used = None, False

    def _message(self, url: Url, request: HttpRequest, proxy: t.Optional[Proxy]) -> bytes:
        forwarded = proxy if url.scheme == "http" else None
        lines = [
            f"{'GET' if request.body is None else 'POST'} {url.origin if forwarded else ''}{url.target} HTTP/1.1",
            f"Host: {url.host_header}",
            f"User-Agent: {self._http_agent}",
            f"Accept: {self._accept}",
            f"Connection: {'keep-alive' if self._keep else 'close'}",
        ]
        if request.no_cache:
            lines += ["Cache-Control: no-cache", "Pragma: no-cache"]
        if request.body is not None:
            lines += ["Content-Type: application/ocsp-request", f"Content-Length: {len(request.body)}"]
        if forwarded:
            lines += forwarded.headers
        return encode(lines) + (request.body or b"")

    def _context(self) -> ssl.SSLContext:
        import ssl  # pylint: disable=import-outside-toplevel  # slow, and few responders need it

        with self._mutex:
            if self._tls_context is None:
                context = self._tls() if self._tls else ssl.create_default_context()
                if not self._validate_certs:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                self._tls_context = context
            return self._tls_context

    def _proxy_for(self, url: Url) -> t.Optional[Proxy]:
        place = url[:3]
        if place not in self._proxies:
            self._proxies[place] = self._choose_proxy(url)
        return self._proxies[place]

    def _choose_proxy(self, url: Url) -> t.Optional[Proxy]:
        if not self._use_proxy:
            return None
        source, value = "the option http_proxy", self._http_proxy
        if not value:
            name, value = urls.environment_proxy(url, self._environ)
            source = f"the environment variable {name}"
        if not value or urls.is_exempt(url, self._environ):
            return None
        return Proxy.from_setting(value, source)


class _Stale(Exception):
    """A connection that was used before died before any byte of an answer."""


class _Connection:
    """An open connection. ``key`` says for which requests it is good.

    ``proxy`` is set when requests on it are for a proxy and name their whole URL. ``place`` is the address that it
    leads to; through a proxy, each request has a place of its own.
    """

    def __init__(
        self, sock: socket.socket, key: t.Tuple[t.Any, ...], proxy: t.Optional[Proxy], place: str = ""
    ) -> None:
        self._plain = sock
        self._tls: t.Optional[TlsStream] = None
        self.key = key
        self.proxy = proxy
        self.place = place
        self.used = False
        self.idle_since = 0.0

    @property
    def _sock(self) -> Stream:
        return self._tls or self._plain

    def is_usable(self) -> bool:
        """Whether it is neither old nor closed; a server that speaks unasked is not understood either."""
        if time.monotonic() - self.idle_since > _IDLE_SECONDS or (self._tls is not None and self._tls.has_more):
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def ask(self, message: bytes, attempt: Attempt, body: bool = True) -> Answer:
        """Send a request and read its answer, with its body unless that is not wanted.

        Raises _Stale where the request may be sent again on another connection.
        """
        used, self.used = self.used, True
        reader = Reader(self._sock, attempt)
        try:
            attempt.step = "send the request to"
            rest = memoryview(message)
            while rest:
                rest = rest[attempt.use(self._sock).send(rest) :]
            attempt.step = "read the answer of"
            answer = read_head(reader)
        except (OSError, BadAnswer) as exc:
            if used and not reader.received and not is_timeout(exc) and not attempt.aborted:
                raise _Stale from exc
            raise
        if body:
            read_body(reader, answer)
        return answer

    def start_tls(self, context: ssl.SSLContext, host: str, attempt: Attempt) -> None:
        from .tls_stream import TlsStream  # pylint: disable=import-outside-toplevel  # slow, and few responders need it

        attempt.step = "make a TLS connection to"
        self._tls = TlsStream(self._plain, context, host.rstrip("."))
        self._tls.settimeout(attempt.left())
        self._tls.do_handshake()

    def close(self) -> None:
        self._sock.close()


def _key(url: Url, proxy: t.Optional[Proxy]) -> t.Tuple[t.Any, ...]:
    """What requests have in common that can use one connection."""
    return ("proxy", proxy) if proxy and url.scheme == "http" else (*url[:3], proxy)


def _redirect(url: Url, answer: Answer, request: HttpRequest) -> Url:
    location = answer.headers.get("location", "")
    status = f"HTTP {answer.status}"
    if not location:
        raise TransportError("http_error", f"{url.origin} redirects ({status}) without saying where to")
    if request.body is not None and answer.status not in _KEEPING_METHOD:
        raise TransportError("http_error", f"{url.origin} redirects POST with {status}, which is meant for GET")
    target = urls.redirected(url, location)
    if url.scheme == "https" and target.scheme != "https":
        message = f"a redirect of {url.origin} to {target.origin} is refused: it leads from TLS to plain HTTP"
        raise TransportError("url_refused", message)
    return target


def _dial(url: Url, attempt: Attempt) -> socket.socket:
    attempt.step = "find the address of"
    addresses = _some_of(_look_up(url, attempt))
    attempt.step = "connect to"
    reasons = []
    for number, (family, kind, protocol, _name, address) in enumerate(addresses):
        attempt.admit(address[0])
        attempt.place = address[0]
        try:
            # Shared out evenly, so that a dead IPv6 leaves time for IPv4.
            sock = _connect(socket.socket(family, kind, protocol), address, len(addresses) - number, attempt)
        except OSError as exc:
            if attempt.aborted or (is_timeout(exc) and number == len(addresses) - 1):
                raise
            reasons.append(f"{reason_of(exc)} ({address[0]} port {address[1]})")
        else:
            return _admitted(sock, attempt)
    raise TransportError(attempt.code, f"cannot connect to {attempt.peer}: {', '.join(reasons[:4])}")


def _some_of(addresses: t.Sequence[resolver.Address]) -> t.List[resolver.Address]:
    """The first ones of each family, in their order: who owns a name could have any number of hosts asked."""
    tried: t.Dict[t.Any, t.List[resolver.Address]] = {}
    for one in addresses:
        tried.setdefault(one[0], []).append(one)
    return [one for one in addresses if one in tried[one[0]][:_MOST_ADDRESSES]]


def _admitted(sock: socket.socket, attempt: Attempt) -> socket.socket:
    """The same connection, unless it leads to where no redirect may lead by another address of this host."""
    if _leads_to_itself(sock):
        attempt.place = scope.LOCALHOST
        try:
            attempt.admit(attempt.place)
        except TransportError:
            sock.close()
            raise
    return sock


def _leads_to_itself(sock: socket.socket) -> bool:
    """Whether the other side is this host.

    Systems then use the same address for both, or for a further address of an interface that of the interface.
    """
    try:
        other = sock.getpeername()
        return bool(other[0] == sock.getsockname()[0]) or _is_own(sock.family, other)
    except OSError:
        return False  # it is closed already


def _is_own(family: int, address: t.Any) -> bool:
    """Whether an address is one of this host's: others cannot be bound, unless the system lets any be."""
    of_none = _OF_NO_HOST.get(family)
    return of_none is not None and _can_bind(family, address) and not _can_bind(family, of_none)


def _can_bind(family: int, address: t.Any) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address[0], 0, *address[2:]))
        except OSError:
            return False
        return True


def _connect(sock: socket.socket, address: t.Any, shares: int, attempt: Attempt) -> socket.socket:
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


def _look_up(url: Url, attempt: Attempt) -> t.List[resolver.Address]:
    try:
        return resolver.look_up(url.host, url.port, attempt.left(), found=attempt.found)
    except resolver.OutOfTime:
        raise attempt.expired() from None
