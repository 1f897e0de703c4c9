# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clock and responders that follow a script, in the place of the world that the core is given."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment, Ways
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.tests.unit import forge

OCSP_TYPE = "application/ocsp-response"

Reply = t.Union[HttpResponse, TransportError]


def ok(body: bytes, **fields: t.Any) -> HttpResponse:
    """An HTTP answer with an OCSP response."""
    return HttpResponse(**{"status": 200, "body": body, "content_type": OCSP_TYPE, **fields})


def html(status: int = 200, **fields: t.Any) -> HttpResponse:
    return HttpResponse(status, b"<html>Please log in</html>", "text/html; charset=utf-8", **fields)


def failure(code: str, **fields: bool) -> TransportError:
    return TransportError(code, f"it is {code}", **fields)


class World:
    """Time that passes by sleeping and asking alone, and replies given out one after the other.

    ``replies`` is a list, of which the last one is given for ever, or a function of the request.
    """

    def __init__(self, *replies: Reply, answer: t.Optional[t.Callable[[HttpRequest], Reply]] = None) -> None:
        self.replies = list(replies)
        self.answer = answer or self._next
        self.requests: t.List[HttpRequest] = []
        self.timeouts: t.List[float] = []
        self.pauses: t.List[float] = []
        self.seconds = 0.0
        self.exchange_takes = 0.0

    def _next(self, request: HttpRequest) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def exchange(self, request: HttpRequest, timeout: float) -> HttpResponse:
        self.requests.append(request)
        self.timeouts.append(timeout)
        self.seconds += self.exchange_takes
        reply = self.answer(request)
        if isinstance(reply, TransportError):
            raise reply
        return reply

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    def environment(self, now: datetime = forge.NOW, ways: t.Optional[Ways] = None) -> Environment:
        return Environment(
            self.exchange,
            now,
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
            jitter=lambda: 1.0,
            random_bytes=lambda count: b"\x5a" * count,
            ways=ways,
        )
