# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The outside world as the core sees it: time, network, random numbers, and syncing to disk."""

from __future__ import annotations

import os
import random
import time
import typing as t
from datetime import datetime, timedelta

from ..errors import TransportError
from ..judge.response import LONGEST_LEAD
from ..store import files

if t.TYPE_CHECKING:
    from .http1 import HttpRequest, HttpResponse

#: One HTTP exchange: the request and its timeout in seconds in, the response out; raises TransportError.
Exchange = t.Callable[["HttpRequest", float], "HttpResponse"]


#: Ends what is said of a responder that others of the same run found to be down.
_NOT_AGAIN = " (not asked again in this run)"


def as_remembered(message: str) -> str:
    """What is said of a responder without words that are about the run alone, for those who read it later."""
    return message.replace(_NOT_AGAIN, "")


class ResponderDown(TransportError):
    """An exchange that was not tried, because the responder is known to be down; nor is it worth another round."""

    @classmethod
    def after(cls, error: TransportError) -> ResponderDown:
        """The same for all that would ask it after one that failed."""
        return cls(error.code, f"{error.message}{_NOT_AGAIN}", error.permanent)


class Way(t.NamedTuple):
    """How to ask: ``get`` or ``post``, and ``sha1`` or ``sha256`` in the CertID. ``since`` is when it was found out."""

    method: str
    certid_digest: str
    since: datetime


#: How long a responder is asked in the way that worked before it is asked in the usual way again.
_WAY_LASTS = timedelta(days=7)
#: What was found out later than this after now was so by a clock that was wrong.
_CLOCKS_DIFFER = timedelta(minutes=5)


class Ways:
    """What responders could do, by URL: only those that did not answer in the usual way.

    Threads may share it. What was found out more than seven days ago is forgotten, since responders are mended.
    """

    def __init__(self, known: t.Optional[t.Mapping[str, Way]] = None) -> None:
        self._known = dict(known or {})
        self._turned_away: t.Set[str] = set()

    def find(self, url: str, now: datetime) -> t.Optional[Way]:
        """The way that worked, or None for the usual one."""
        way = self._known.get(url)
        if way is not None and not -_CLOCKS_DIFFER <= now - way.since < _WAY_LASTS:
            self._known.pop(url, None)
            return None
        return way

    def note(self, url: str, way: t.Optional[Way]) -> None:
        """Remember a way, or that the usual one works."""
        if way is None:
            self._known.pop(url, None)
        else:
            self._known[url] = way

    def note_turned_away(self, url: str) -> None:
        """Remember until the end of this run that a responder asked for a pause in both ways."""
        self._turned_away.add(url)

    def was_turned_away(self, url: str) -> bool:
        """Whether ``note_turned_away`` was told so."""
        return url in self._turned_away

    def known(self, now: datetime) -> t.Dict[str, Way]:
        """All that is to be remembered."""
        found = {url: self.find(url, now) for url in list(self._known)}
        return {url: way for url, way in found.items() if way is not None}


class Environment:
    """What a refresh needs from outside. The time starts at ``now`` (aware) and moves on from there.

    ``sync_folder`` has the names in a folder on disk; whoever writes many files may do so once for all. ``ways`` is
    what is known of responders, and ``interval`` how long it is at most until the next time. ``lead`` is how much later
    than now a response in place may begin.
    """

    def __init__(
        self,
        exchange: Exchange,
        now: datetime,
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
        jitter: t.Callable[[], float] = random.random,
        random_bytes: t.Callable[[int], bytes] = os.urandom,
        sync_folder: t.Callable[[str], None] = files.sync_folder,
        ways: t.Optional[Ways] = None,
        interval: timedelta = timedelta(0),
        lead: timedelta = LONGEST_LEAD,
    ) -> None:
        self.exchange = exchange
        self.monotonic = monotonic
        self.sleep = sleep
        self.jitter = jitter
        self.random_bytes = random_bytes
        self.sync_folder = sync_folder
        self.ways = Ways() if ways is None else ways
        self.interval = interval
        self.lead = lead
        self._start = now
        self._began = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic() - self._began)
