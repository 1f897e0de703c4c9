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
from ..store import files

if t.TYPE_CHECKING:
    from .http1 import HttpRequest, HttpResponse

#: One HTTP exchange: the request and its timeout in seconds in, the response out; raises TransportError.
Exchange = t.Callable[["HttpRequest", float], "HttpResponse"]


class ResponderDown(TransportError):
    """An exchange that was not tried, because the responder is known to be down; nor is it worth another round."""


class Environment:
    """What a refresh needs from outside. The time starts at ``now`` (aware) and moves on from there.

    ``sync_folder`` has the names in a folder on disk; whoever writes many files may do so once for all.
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
    ) -> None:
        self.exchange = exchange
        self.monotonic = monotonic
        self.sleep = sleep
        self.jitter = jitter
        self.random_bytes = random_bytes
        self.sync_folder = sync_folder
        self._start = now
        self._began = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic() - self._began)
