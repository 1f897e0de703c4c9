# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""ACME Renewal Information (RFC 9773): when a CA would like certificates to be replaced."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import InputError, MalformedError, OcspError
from ..pki.certificate import Certificate
from ..pki.identifiers import authority_key_identifier
from ..text import clean, parse_time
from ..urls import parse_url

#: Gets a URL within so many seconds and returns the body of the answer; raises OcspError for anything but that.
Get = t.Callable[[str, float], bytes]

_WORKERS = 16
_LONGEST_TEXT = 300
_LONGEST_TIME = 60
#: Nanoseconds, as Go writes them (RFC 3339 has no limit), of which Python knows thousands.
_FINER = re.compile(r"(\.\d{6})\d+")


class Window(t.NamedTuple):
    """The suggested window (RFC 9773 section 4.2). Times are aware. ``explanation_url`` may be empty."""

    start: datetime
    end: datetime
    explanation_url: str = ""

    def point(self, identifier: str) -> datetime:
        """The moment in the window for a certificate.

        RFC 9773 has clients choose it at random. From a hash it is as well spread over certificates, and the same in
        each run.
        """
        number = int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:6], "big")
        return self.start + (self.end - self.start) * (number / 2**48)


@dataclass(frozen=True)
class Suggestions:
    """What a CA answered, by the identifiers of certificates, and sentences about what it did not answer.

    ``supported`` is whether the directory offers renewal information; False also where it could not be read.
    """

    supported: bool = False
    windows: t.Mapping[str, Window] = field(default_factory=dict)
    problems: t.Tuple[str, ...] = ()


def certificate_identifier(certificate: Certificate) -> str:
    """The identifier of a certificate (RFC 9773 section 4.1), or empty where it names no key of its issuer."""
    try:
        key = authority_key_identifier(certificate).key
    except MalformedError:
        return ""
    if key is None:
        return ""
    number = certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return f"{_base64url(key)}.{_base64url(serial)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def ask(
    get: Get,
    directory: str,
    identifiers: t.Sequence[str],
    timeout: float,
    monotonic: t.Callable[[], float] = time.monotonic,
) -> Suggestions:
    """Ask the CA of a directory about certificates, all within ``timeout`` seconds. Never raises OcspError.

    A CA that is away, slow or out of its mind is a sentence in ``problems``.
    """
    deadline = monotonic() + timeout
    try:
        url = _renewal_url(read_directory(get(directory, timeout)), directory)
    except OcspError as error:
        return Suggestions(problems=(f"the ACME directory {directory} cannot be read: {error.message}",))
    if not url:
        return Suggestions()
    windows: t.Dict[str, Window] = {}
    problems: t.List[str] = []
    lock = threading.Lock()

    def ask_about(identifier: str) -> None:
        try:
            window = _read_window(_in_time(get, f"{url.rstrip('/')}/{identifier}", deadline - monotonic()))
        except OcspError as error:
            with lock:
                problems.append(f"no renewal information from {url}: {error.message}")
            return
        with lock:
            windows[identifier] = window

    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        list(pool.map(ask_about, identifiers))
    return Suggestions(True, windows, tuple(sorted(set(problems))))


def _in_time(get: Get, url: str, seconds: float) -> bytes:
    if seconds <= 0:
        raise InputError("the CA did not answer in time")
    return get(url, seconds)


def read_directory(data: bytes) -> t.Dict[str, t.Any]:
    """The object of an ACME directory (RFC 8555 section 7.1.1). Raises MalformedError."""
    found = _json(data, "the directory")
    if "newOrder" not in found:
        raise MalformedError("it has no newOrder")
    return found


def _renewal_url(found: t.Mapping[str, t.Any], directory: str) -> str:
    """``renewalInfo`` of a directory (RFC 9773 section 3), or an empty string. Raises MalformedError.

    It is asked without anybody having named it, so it must be on the server of the directory.
    """
    url = found.get("renewalInfo")
    if url is None:
        return ""
    if not isinstance(url, str) or not _is_url(url):
        raise MalformedError("its renewalInfo is not a URL")
    if parse_url(url).origin != parse_url(directory).origin:
        raise MalformedError(f"its renewalInfo is on another server, {parse_url(url).origin}")
    return url


def _read_window(data: bytes) -> Window:
    """Read a RenewalInfo object (RFC 9773 section 4.2). Raises MalformedError or InputError."""
    found = _json(data, "the renewal information")
    window = found.get("suggestedWindow")
    if not isinstance(window, dict):
        raise MalformedError("the renewal information has no suggestedWindow")
    start, end = (_time(window.get(key), key) for key in ("start", "end"))
    # "A RenewalInfo object in which the end timestamp equals or precedes the start timestamp is invalid."
    if end <= start:
        raise MalformedError("the suggested window ends before it starts")
    explanation = found.get("explanationURL")
    return Window(start, end, clean(explanation, _LONGEST_TEXT) if isinstance(explanation, str) else "")


def _time(value: t.Any, key: str) -> datetime:
    """A time, quoted in part and in printable characters where it is none. Raises InputError or MalformedError."""
    if not isinstance(value, str):
        raise MalformedError(f"{key} of the suggested window is not a time")
    return parse_time(_FINER.sub(r"\1", clean(value, _LONGEST_TIME)), key)


def _json(data: bytes, what: str) -> t.Dict[str, t.Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedError(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise MalformedError(f"{what} is not a JSON object")
    return found


def _is_url(text: str) -> bool:
    try:
        return bool(parse_url(text))
    except OcspError:
        return False
