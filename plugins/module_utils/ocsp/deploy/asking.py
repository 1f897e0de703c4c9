# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asking responders for new certificates: side by side, again until there is an answer, and for how long."""

from __future__ import annotations

import functools
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ..errors import InputError, OcspError
from ..fetch import bulk
from ..fetch.environment import Environment, Exchange, ResponderDown, Ways
from ..fetch.freshness import Outcome, judge
from ..judge.decision import WITHDRAW, Facts, decide, proves_for_good, short_lived
from ..judge.judgement import Judgement
from ..judge.lint import unfit
from ..judge.schedule import Lookahead, look_ahead
from ..options.parse import Options, decode_content, make_options
from ..servers.changes import expiry_plan
from ..services import control, timetable
from ..store import proofs, staples
from ..store.sets import Layout
from ..text import format_time
from .plan import Item, Plan
from .sentences import named
from .task import Task
from .wanted import Values, in_turn

#: Reason codes of a responder that may not know a new certificate yet.
_NOT_KNOWN_YET = ("not_successful", "unknown_status")
#: Seconds between two attempts to get a response for a new certificate.
_PAUSE = 10.0
#: Seconds in which responders are asked for certificates that a search found where other users can write.
_LONGEST_FOR_USERS = 60.0

Ahead = t.Callable[[], Lookahead]
#: Fetches what is due, and returns an outcome or an error by name.
Fetch = t.Callable[[t.Sequence[bulk.Request]], t.Mapping[str, t.Union[Outcome, OcspError]]]


def obtain(
    work: Plan,
    fetch: Fetch,
    retry: t.Callable[[int], bool] = lambda attempt: False,
    ahead: t.Optional[Ahead] = None,
    now: t.Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> None:
    """Find or fetch a response for each certificate that has a responder.

    ``retry`` is asked after each attempt whether to try again what is worth waiting for, and waits. ``ahead`` says what
    the program on the host would leave in place, if there is one: what it would withdraw at once is not put there.
    Raises InputError for options that cannot be used.
    """
    waiting = {item.name: item for item in work.items if item.stapled}
    requests: t.Dict[str, bulk.Request] = {}
    for name, item in list(waiting.items()):
        try:
            requests[name] = _request(work.layout, item)
        except OcspError as error:
            _hold_back(waiting.pop(name), error)
        else:
            item.in_place = requests[name].current
            item.remembered = _remembered(work.layout, item, requests[name].options, now())
    attempt = 0
    while waiting:
        for name, result in fetch([requests[name] for name in waiting]).items():
            if isinstance(result, OcspError):
                _hold_back(waiting[name], result)
            else:
                waiting[name].outcome = result
        waiting = {name: item for name, item in waiting.items() if _is_worth_waiting(item, name in work.waited_for)}
        attempt += 1
        if not waiting or not retry(attempt):
            break
        work.waited_for += [name for name in waiting if name not in work.waited_for]
    for item in work.items:
        item.ignored = _ignored(item)
        item.unfit = _unfit(item, ahead, now()) if ahead is not None else ""
        told = [*_settle(item), *(_say_short_lived(item, ahead) if ahead is not None else ())]
        work.warnings += [f"{item.name}: {sentence}" for sentence in told]


def _hold_back(item: Item, error: OcspError) -> None:
    """Deploy all others where another user brought this one, or else nothing. Raises InputError."""
    if not item.wanted.is_of_user:
        raise InputError(f"nothing was changed: {item.name}: {error.message}")
    item.held_back = error.message


def _request(layout: Layout, item: Item) -> bulk.Request:
    wanted = item.wanted
    values = {"server": sorted(wanted.known_kinds), **wanted.options}
    source = decode_content(wanted.source, "response_content") if wanted.source is not None else None
    options = make_options(values, item.material.certificate, item.material.issuer, source)
    # The staple of the live set counts where the certificate is the same, also when the mode of the key changes.
    place = staples.find(layout.live(wanted.name)) if item.is_in_use else None
    return bulk.Request(wanted.name, options, staples.read(place) if place is not None else None, values)


def _remembered(layout: Layout, item: Item, options: Options, now: datetime) -> t.Optional[Judgement]:
    """The judgement of the response by which the program knows that the certificate is revoked, if it does."""
    known = proofs.read_own(layout.proof(item.name)) if item.known_revoked and item.is_in_use else None
    if known is None or options.target is None:
        return None
    judgement = judge(options.target, options, known, now)
    return judgement if proves_for_good(judgement) else None


def _is_worth_waiting(item: Item, waited: bool) -> bool:
    """Whether a new certificate has no good response for a reason that may pass, and cannot do without one.

    Without must-staple, it only waits for a responder that does not know the certificate yet: one that is down may be
    so for long, and the program fetches the response as soon as it is back. One that was ``waited`` for already is
    asked on when it does not answer for once. Those of other users are not waited for, which would delay all others.
    """
    outcome = item.outcome
    if outcome is None or outcome.fetch_error is None or outcome.data is not None:
        return False
    if item.is_in_use or item.wanted.is_of_user:
        return False
    needed = item.material.certificate.must_staple or outcome.fetch_error.code in _NOT_KNOWN_YET
    return (needed or waited) and outcome.transient


def _ignored(item: Item) -> str:
    """Which of its servers have no use for the response, and why, as one sentence, or an empty string."""
    if item.response is None:
        return ""
    return "; ".join(one.message for kind in item.wanted.known_kinds for one in unfit(kind, item.response[1]))


def _unfit(item: Item, ahead: Ahead, now: datetime) -> str:
    """Why the response is of no use until the next run of the program on the host, or an empty string.

    What requires a staple keeps it to its end, so it must not be put into use if that comes before the next one.
    """
    response = item.response
    if response is None:
        return ""
    if item.material.certificate.must_staple:
        return short_lived(response[1], ahead()) if not item.is_in_use else ""
    decision = decide(Facts(False, candidate=response[1]), now, expiry_plan(item.wanted.kinds), ahead())
    return decision.message if decision.action == WITHDRAW else ""


def _settle(item: Item) -> t.List[str]:
    """Decide what the response means for a certificate. Returns what the operator has to know of one that is used."""
    outcome = item.outcome
    if outcome is None:
        return []
    if item.is_revoked and item.is_in_use:
        # To hold back what repairs its set would leave a damaged key, or one that others can read, in use as well.
        return [
            f"{item.said_revoked}, but {'is' if item.revocation or item.remembered else 'it is'} in use; replace it"
        ]
    if item.revocation is not None:
        item.held_back = f"{item.said_revoked}; replace the certificate"
        return []
    if item.unfit and not item.material.certificate.must_staple:
        return [f"no staple is put in place: {item.unfit}"]
    _code, reason = item.obstacle
    if outcome.data is not None and not reason:
        return [*outcome.warnings, *([item.ignored] if item.ignored else [])]
    if not reason:
        return []
    if not item.is_in_use and item.material.certificate.must_staple:
        item.held_back = f"it must not be used without a staple: {reason}"
        return []
    return [f"there is no staple yet: {reason}"]


def _say_short_lived(item: Item, ahead: Ahead) -> t.Iterator[str]:
    """That a staple which is required, and in use, will end before there is a next one."""
    if item.response is not None and item.is_in_use and item.material.certificate.must_staple:
        problem = short_lived(item.response[1], ahead())
        if problem:
            yield f"it requires a staple (must-staple), but {problem}"


class Postponed(Exception):
    """Responders do not know new certificates yet, which is no error."""


def fetcher(values: Values, of_users: t.Mapping[str, t.Optional[int]]) -> Fetch:
    """Fetches responses side by side, or refuses to.

    ``of_users`` are the certificates that a search found where other users can write, and whose they are. Their turn
    comes last, and they have no more time than ``_LONGEST_FOR_USERS`` together: any number of responders may hang.
    """

    problems = {
        one["name"]: (one["fetch_problem_code"] or "unreachable", one["fetch_problem"])
        for one in values["certificates"]
        if one["fetch_problem"]
    }
    ways = Ways()

    def refuser(name: str) -> Exchange:
        def refuse(_request: t.Any, _timeout: float) -> t.NoReturn:
            raise ResponderDown(*problems.get(name, ("unreachable", "fetching is turned off on this host")))

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


def looking_ahead(task: Task) -> Ahead:
    """What the program on the host leaves in place, by its timer, or by the one that it is about to get."""

    @functools.cache
    def ahead() -> Lookahead:
        interval = timedelta(seconds=(task.values["part"] or {}).get("interval") or 0)
        fetches = task.values["fetch_from"] == "host"
        if interval:
            return look_ahead(interval, interval, fetches)
        now = datetime.now(timezone.utc)
        runs = timetable.read(task.run, now, control.has_systemd())
        return look_ahead(runs.first(now) - now, runs.interval, fetches) if runs is not None else Lookahead()

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
        return f"waited {self._waited:.0f} seconds, until {until}, for responses for {named(names)}"
