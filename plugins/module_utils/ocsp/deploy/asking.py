# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asking responders for new certificates: side by side, again until there is an answer, and for how long."""

from __future__ import annotations

import functools
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ..fetch import bulk
from ..fetch.environment import Environment, Exchange, ResponderDown, Ways
from ..judge.schedule import Lookahead, look_ahead
from ..services import control, timetable
from ..text import format_time
from . import transaction
from .task import Task
from .wanted import Values, in_turn

#: Seconds between two attempts to get a response for a new certificate.
_PAUSE = 10.0
#: Seconds in which responders are asked for certificates that a search found where other users can write.
_LONGEST_FOR_USERS = 60.0


class Postponed(Exception):
    """Responders do not know new certificates yet, which is no error."""


def fetcher(values: Values, of_users: t.Mapping[str, t.Optional[int]]) -> transaction.Fetch:
    """Fetches responses side by side, or refuses to.

    ``of_users`` are the certificates that a search found where other users can write, and whose they are. Their turn
    comes last, and they have no more time than ``_LONGEST_FOR_USERS`` together: any number of responders may hang.
    """

    problems = {one["name"]: one["fetch_problem"] for one in values["certificates"] if one["fetch_problem"]}
    ways = Ways()

    def refuser(name: str) -> Exchange:
        def refuse(_request: t.Any, _timeout: float) -> t.NoReturn:
            raise ResponderDown("unreachable", problems.get(name, "fetching is turned off on this host"))

        return refuse

    def fetch(requests: t.Sequence[bulk.Request]) -> t.Mapping[str, t.Any]:
        with bulk.Network() as network:

            def environment_for(request: bulk.Request) -> Environment:
                on_host = values["fetch_from"] == "host"
                exchange = network.exchange_for(request.values) if on_host else refuser(request.name)
                if request.name in of_users:
                    exchange = _until(exchange, began + _LONGEST_FOR_USERS)
                return Environment(exchange, datetime.now(timezone.utc), ways=ways)

            ordered = in_turn(requests, lambda request: of_users.get(request.name))
            return dict(bulk.obtain_all(ordered, environment_for, workers=values["workers"], on_abort=network.close))

    began = time.monotonic()
    return fetch


def _until(exchange: Exchange, deadline: float) -> Exchange:
    """The same as long as there is time."""

    def limited(request: t.Any, timeout: float) -> t.Any:
        if time.monotonic() >= deadline:
            raise ResponderDown(
                "timeout",
                f"no responder was asked, as those of certificates that a search found took {_LONGEST_FOR_USERS:.0f} "
                "seconds",
            )
        return exchange(request, timeout)

    return limited


def looking_ahead(task: Task) -> transaction.Ahead:
    """What the program on the host leaves in place, by its timer, or by the one that it is about to get."""

    @functools.cache
    def ahead() -> Lookahead:
        interval = timedelta(seconds=(task.values["part"] or {}).get("interval") or 0)
        if interval:
            return look_ahead(interval, interval)
        now = datetime.now(timezone.utc)
        runs = timetable.read(task.run, now, control.has_systemd())
        return look_ahead(runs.first(now) - now, runs.interval) if runs is not None else Lookahead()

    return ahead


class Patience:
    """Says whether to ask responders again and waits before, for as long as the option ``responder_wait`` has it."""

    def __init__(self, task: Task) -> None:
        asks = task.values["fetch_from"] == "host" and not task.check
        self._postpone = task.postpone and asks
        self._began = time.monotonic()
        self._deadline = self._began + (task.values["responder_wait"] if asks else 0)
        self._note()

    def __call__(self, _attempt: int) -> bool:
        if self._postpone:
            raise Postponed
        self._note()
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(_PAUSE, left))
        self._note()
        return True

    def _note(self) -> None:
        """The wait until now. What the last attempt took beyond the limit was no wait, and is left out."""
        now = time.monotonic()
        beyond = max(0.0, now - self._deadline)
        self._waited = now - self._began - beyond
        self._until = datetime.now(timezone.utc) - timedelta(seconds=beyond)

    def told(self, names: t.Sequence[str]) -> str:
        """How long it was waited, until when and for what, or an empty string."""
        if not names:
            return ""
        until = format_time(self._until)
        return f"waited {self._waited:.0f} seconds, until {until}, for responses for {transaction.named(names)}"
