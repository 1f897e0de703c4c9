# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""URLs of responders and proxies: checked, and without what may be secret in what is said of them."""

from __future__ import annotations

import base64
import contextlib
import functools
import re
import typing as t
from urllib.parse import quote, unquote, urljoin, urlsplit

from .errors import TransportError
from .names import to_ascii
from .text import clean

_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_PLAIN_URL = re.compile(r"(https?://[a-zA-Z0-9._-]+(?::[0-9]{1,5})?)(/[\x21-\x22\x24-\x7e]*)")


class Url(t.NamedTuple):
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


class Proxy(t.NamedTuple):
    """A forward proxy; ``headers`` are for it alone and hold the secret."""

    url: Url
    headers: t.Tuple[str, ...]

    @property
    def name(self) -> str:
        return self.url.host_port

    @classmethod
    def from_setting(cls, value: str, source: str) -> Proxy:
        text = value if "://" in value else f"http://{value}"
        try:
            url = parse_url(text, credentials=True)
        except TransportError:
            url = None
        if url is None or url.scheme != "http":  # the value may hold a password: it is not shown
            raise TransportError("proxy_error", f"{source} must have the form http://[user:password@]host:port", True)
        parts = urlsplit(text)
        if parts.username is None:
            return cls(url, ())
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return cls(url, (f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}",))

    def refusal(self, status: int, reason: str) -> TransportError:
        """What to say of an HTTP answer by which it refuses."""
        message = f"the proxy {self.name} refused: HTTP {status} {clean(reason)}".rstrip()
        return TransportError("proxy_error", message, permanent=status < 500)


def check_url(url: str) -> None:
    """Raise TransportError ``url_refused`` unless ``url`` is one that ``exchange`` would ask."""
    parse_url(url)


def is_proxy(url: str) -> bool:
    """Whether a text is the URL of a proxy as the option has it. A variable of the environment may lack ``http://``."""
    try:
        return "://" in url and bool(Proxy.from_setting(url, "it"))
    except TransportError:
        return False


def environment_proxy(url: Url, environ: t.Mapping[str, str]) -> t.Tuple[str, str]:
    """The variable that names the proxy for a URL, and its value or an empty string (as curl reads them)."""
    name = f"{url.scheme}_proxy"
    return name, _variable(environ, name)


def is_exempt(url: Url, environ: t.Mapping[str, str]) -> bool:
    """Whether no_proxy exempts a URL from proxies."""
    return _is_exempt(url, _variable(environ, "no_proxy"))


def _variable(environ: t.Mapping[str, str], name: str) -> str:
    if name in environ:
        return environ[name]
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return ""  # in a CGI, HTTP_PROXY is a header of the client's (CVE-2016-1000110)
    return environ.get(name.upper(), "")


def _is_exempt(url: Url, no_proxy: str) -> bool:
    """Understand what curl does in no_proxy: ``*``, names and all below them, ports, addresses and networks.

    urllib.request.proxy_bypass_environment knows names alone, and takes 20 ms to import.
    """
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


def parse_url(text: str, source: str = "the URL", credentials: bool = False) -> Url:
    """Check a URL; the messages of urllib.parse are not passed on because they may quote a password."""

    def refused(why: str) -> TransportError:
        shown = re.sub(r"^(\w+://)?.*(@|%40)", r"\1***@", text, flags=re.DOTALL)
        return TransportError("url_refused", f"{source} {clean(shown)} is refused: {why}")

    plain = None if credentials else _PLAIN_URL.fullmatch(text)
    if plain and plain.group(2) != "/":
        return Url(*_parse_origin(plain.group(1))[:3], plain.group(2))
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
        raise refused("it has no host")
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
    return Url(parts.scheme, host, port, target if target.isascii() else quote(target, safe=_PRINTABLE))


@functools.lru_cache(maxsize=256)
def _parse_origin(text: str) -> Url:
    return parse_url(f"{text}/")


@functools.lru_cache(maxsize=256)
def _host(name: str, bracketed: bool) -> str:
    if bracketed:
        import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and hardly ever needed

        return str(ipaddress.IPv6Address(name))
    host = (to_ascii(name) or "").lower()
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("not a host name")
    return host


def redirected(url: Url, location: str) -> Url:
    """Where a redirect leads to, from the value of Location. Raises TransportError."""
    location = quote(location, safe=_PRINTABLE, encoding="latin-1")
    with contextlib.suppress(ValueError):  # parse_url says what is wrong with it
        location = urljoin(url.origin + url.target, location)
    return parse_url(location, f"the redirect of {url.origin} to")
