# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Many staples side by side, in files or without.

Whether a response is fresh is found out in the calling thread, since that is computing alone; only what
is due is handed to workers, which wait for the network.
"""

from __future__ import annotations

import copy
import functools
import queue
import re
import threading
import time
import typing as t
from collections import deque

from ..errors import FileError, InputError, OcspError, TransportError
from ..options.parse import Options, read_options
from ..options.table import TRANSPORT_OPTIONS
from . import freshness, refresh
from .environment import Environment, Exchange, ResponderDown
from .freshness import Outcome

if t.TYPE_CHECKING:
    from .http1 import HttpRequest, HttpResponse
    from .transport import Transport

#: Connections that stay open without being used, for each set of these options.
_KEPT_CONNECTIONS = 64
#: Due certificates that wait with their options read; those beyond are read again when it is their turn.
_WINDOW = 64
#: Seconds without any result after which the calling thread looks further ahead, for other responders.
_PATIENCE = 1.0

#: The failures after which a responder is not asked again.
_DOWN = ("unreachable", "timeout", "proxy_error")
_START = re.compile(r"[^:/?#]*:?/*[^/?#]*")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Job(t.NamedTuple):
    """One staple file: a name for it, and the plain values of the options of ``ocsp_response``."""

    name: str
    values: t.Mapping[str, t.Any]


class Request(t.NamedTuple):
    """One response that goes into no file.

    ``current`` is the DER of the one in place, if there is one. ``values`` are plain options, of which those that
    say how to reach a responder (TRANSPORT_OPTIONS) are for ``Network.exchange_for``.
    """

    name: str
    options: Options
    current: t.Optional[bytes] = None
    values: t.Mapping[str, t.Any] = {}


Result = t.Tuple[str, t.Union[Outcome, OcspError]]


def refresh_all(
    jobs: t.Iterable[Job],
    environment_for: t.Callable[[Job], Environment],
    workers: int = 16,
    per_responder: int = 8,
    write: bool = True,
    on_abort: t.Optional[t.Callable[[], None]] = None,
) -> t.Iterator[Result]:
    """Bring many staple files up to date, and yield the name and outcome of each as soon as it is done.

    ``jobs`` is read as it is needed and may be a generator; a job with ``state: absent`` removes its
    file. ``environment_for`` gives each job its time and network. At most ``workers`` jobs are under
    way at once, and at most ``per_responder`` exchanges with one responder (scheme, host and port).
    ``write`` False finds out what would be done.

    Results come in no certain order. A job that cannot be done at all yields its OcspError, and never
    stops another. A responder that could not be reached, retries included, is not asked again: the
    later outcomes have a ``fetch_error`` with the same code that says so. Folders are synced once, at
    the end, which raises FileError if it fails: until then, an old file may come back when the power fails.

    Closing the generator, or an exception in it, calls ``on_abort``, which should break off exchanges
    under way (``Network.close``), and returns when the workers have ended.
    """
    starts = ((job.name, functools.partial(_begin_job, job, environment_for, write)) for job in jobs)
    return _side_by_side(starts, workers, per_responder, on_abort)


def obtain_all(
    requests: t.Iterable[Request],
    environment_for: t.Callable[[Request], Environment],
    workers: int = 16,
    per_responder: int = 8,
    on_abort: t.Optional[t.Callable[[], None]] = None,
) -> t.Iterator[Result]:
    """As ``refresh_all``, but with responses that go into no file, each as ``refresh.obtain`` has it.

    No file is read, locked or written.
    """
    starts = ((request.name, functools.partial(_begin_request, request, environment_for)) for request in requests)
    return _side_by_side(starts, workers, per_responder, on_abort)


def _side_by_side(
    starts: t.Iterable[_Start], workers: int, per_responder: int, on_abort: t.Optional[t.Callable[[], None]]
) -> t.Iterator[Result]:
    run = _Run(workers, per_responder)
    finished = False
    try:
        yield from run.results_of(starts)
        finished = True
    finally:
        run.stop()
        if not finished and on_abort is not None:
            on_abort()
        run.join()
        run.sync()


class Network:
    """Transports that keep connections open, one for each set of ``TRANSPORT_OPTIONS`` that jobs have.

    ``exchange_for`` serves for the environment of a job, ``close`` for ``on_abort``; use it in a ``with`` block.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._transports: t.Dict[t.Tuple[t.Any, ...], Transport] = {}
        self._closed = False

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def exchange_for(self, values: t.Mapping[str, t.Any]) -> Exchange:
        """The network as these options want it; None and a missing one mean the default."""
        return functools.partial(self._exchange, values)

    def _exchange(self, values: t.Mapping[str, t.Any], request: HttpRequest, timeout: float) -> HttpResponse:
        # Imported here, because the HTTP libraries cost more than many fresh responses.
        from .transport import Transport  # pylint: disable=import-outside-toplevel

        given = {name: values[name] for name in TRANSPORT_OPTIONS if values.get(name) is not None}
        key = tuple(given.items())
        with self._mutex:
            if key not in self._transports:
                self._transports[key] = Transport(**given, keep=_KEPT_CONNECTIONS)
            transport = self._transports[key]
            if self._closed:
                transport.close()
        return transport.exchange(request, timeout)

    def close(self) -> None:
        """End all connections, also those in use, and the exchanges on them."""
        with self._mutex:
            self._closed = True
            transports = list(self._transports.values())
        for transport in transports:
            transport.close()


class _Due(t.NamedTuple):
    """What cannot be done without the network.

    ``work`` does it in an environment. ``url`` is the responder that is asked first, or empty. ``circuit`` are the
    options that a responder may be down for: others may reach it in another way, or wait longer.
    """

    environment: Environment
    work: t.Callable[[Environment], Outcome]
    url: str
    circuit: t.Tuple[t.Any, ...]


#: Begins something, given whether its options may be held until it is its turn: what came of it, or what is left.
_Begin = t.Callable[[bool], t.Union[Outcome, _Due]]
_Start = t.Tuple[str, _Begin]


def _begin_job(
    job: Job, environment_for: t.Callable[[Job], Environment], write: bool, keep: bool
) -> t.Union[Outcome, _Due]:
    if job.values.get("state") == "absent":
        return refresh.remove(job.values.get("path") or "", write)
    options = read_options(job.values)
    environment = environment_for(job)
    outcome = freshness.check_fresh(options, environment.now())
    if outcome is not None:
        return outcome
    kept = options if keep else None

    def work(limited: Environment) -> Outcome:
        return refresh.refresh_locked(kept or read_options(job.values), limited, write)

    return _due_work(options, job.values, environment, work)


def _begin_request(
    request: Request, environment_for: t.Callable[[Request], Environment], _keep: bool
) -> t.Union[Outcome, _Due]:
    options, current, environment = request.options, request.current, environment_for(request)
    outcome = freshness.check_current(options.target, options, current, environment.now())
    if outcome is not None:
        return outcome

    def work(limited: Environment) -> Outcome:
        return refresh.obtain(options.target, options, current, limited)

    return _due_work(options, request.values, environment, work)


def _due_work(
    options: Options,
    values: t.Mapping[str, t.Any],
    environment: Environment,
    work: t.Callable[[Environment], Outcome],
) -> _Due:
    url = options.responder_urls[0] if options.responder_urls and options.source is None else ""
    way = [values.get(name) for name in TRANSPORT_OPTIONS]
    return _Due(environment, work, url, (*way, options.timeout, options.total_timeout, options.retries))


class _Task(t.NamedTuple):
    """Something that is due, in the lane of the responder that is asked first."""

    name: str
    due: _Due
    lane: _Lane


class _Lane:
    """What a run knows of one responder. ``waiting`` are tasks that begin with it when one ends."""

    def __init__(self, limit: int) -> None:
        self.slots = threading.BoundedSemaphore(limit)
        self.active = 0
        self.waiting: t.Deque[_Task] = deque()
        self.down: t.Dict[t.Tuple[t.Any, ...], ResponderDown] = {}
        self.answered_at = float("-inf")


class _Aborted(OcspError):
    """The run was aborted; this never leaves the module."""

    def __init__(self) -> None:
        super().__init__("timeout", "the run was aborted")


class _Run:
    """The lanes, the workers and the results of one ``refresh_all`` or ``obtain_all``."""

    def __init__(self, workers: int, per_responder: int) -> None:
        self.stopped = threading.Event()
        self.unsynced: t.Dict[str, t.Callable[[str], None]] = {}
        self._workers = workers
        self._per_responder = per_responder
        self._mutex = threading.Lock()
        self._lanes: t.Dict[str, _Lane] = {}
        self._ready: queue.SimpleQueue[t.Optional[_Task]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads: t.List[threading.Thread] = []

    def results_of(self, starts: t.Iterable[_Start]) -> t.Iterator[Result]:
        pending, allowed = 0, _WINDOW
        for name, begin in starts:
            result = self._begin(name, begin, keep=pending < _WINDOW)
            if result is not None:
                yield name, result
            else:
                pending += 1
            while pending:
                try:
                    done = self._results.get(pending >= allowed, _PATIENCE)
                except queue.Empty:
                    allowed = max(allowed, pending * 2 if pending >= allowed else 0)
                    break
                pending -= 1
                yield done
            if pending < _WINDOW:
                allowed = _WINDOW
        for _remaining in range(pending):
            yield self._results.get()

    def stop(self) -> None:
        self.stopped.set()
        for _thread in self._threads:
            self._ready.put(None)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def sync(self) -> None:
        for folder, sync in self.unsynced.items():
            sync(folder)

    def lane(self, url: str) -> _Lane:
        key = responder(url)
        with self._mutex:
            found = self._lanes.get(key)
            if found is None:
                found = self._lanes[key] = _Lane(self._per_responder)
            return found

    def _begin(self, name: str, begin: _Begin, keep: bool) -> t.Union[Outcome, OcspError, None]:
        """The result of what needs no network; None for what was handed to the workers."""
        try:
            found = begin(keep)
            if isinstance(found, Outcome):
                return found
            self._submit(_Task(name, found, self.lane(found.url)))
        except Exception as error:
            return as_error(error)
        return None

    def _submit(self, task: _Task) -> None:
        with self._mutex:
            if task.lane.active >= self._per_responder:
                task.lane.waiting.append(task)
                return
            task.lane.active += 1
        self._ready.put(task)
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="ocsp-worker", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads to give
                if not self._threads:
                    raise
            else:
                self._threads.append(thread)

    def _work(self) -> None:
        while True:
            task = self._ready.get()
            if task is None or self.stopped.is_set():
                return
            result = self._do(task)
            with self._mutex:
                if task.lane.waiting:
                    self._ready.put(task.lane.waiting.popleft())
                else:
                    task.lane.active -= 1
            self._results.put((task.name, result))

    def _do(self, task: _Task) -> t.Union[Outcome, OcspError]:
        try:
            visit = _Visit(self, task.due)
            outcome = task.due.work(visit.environment)
            visit.open_circuits()
            return outcome
        except BaseException as error:  # whoever waits for the result must get one
            return as_error(error)


class _Visit:
    """The exchanges of one task, with the limits of the run put around them."""

    def __init__(self, run: _Run, due: _Due) -> None:
        self._run = run
        self._exchange = due.environment.exchange
        self._sync_folder = due.environment.sync_folder
        self._circuit = due.circuit
        self._failures: t.Dict[str, t.Tuple[float, TransportError]] = {}
        self.environment = copy.copy(due.environment)
        self.environment.exchange = self.exchange
        self.environment.sync_folder = self.sync_later
        if due.environment.sleep is time.sleep:
            self.environment.sleep = self.sleep

    def sleep(self, seconds: float) -> None:
        if self._run.stopped.wait(seconds):
            raise _Aborted

    def sync_later(self, folder: str) -> None:
        self._run.unsynced[folder] = self._sync_folder

    def exchange(self, request: HttpRequest, timeout: float) -> HttpResponse:
        if self._run.stopped.is_set():
            raise _Aborted
        lane = self._run.lane(request.url)
        began = self.environment.monotonic()
        if not lane.slots.acquire(timeout=timeout):
            raise TransportError(
                "timeout", f"{responder(request.url)} was busy with other requests of this run for {timeout:.3g} s"
            )
        try:
            if self._circuit in lane.down:
                raise lane.down[self._circuit]
            response = self._exchange(request, max(0.001, timeout - (self.environment.monotonic() - began)))
        except TransportError as error:
            if error.code in _DOWN and not isinstance(error, ResponderDown):
                since, _earlier = self._failures.get(responder(request.url), (began, error))
                self._failures[responder(request.url)] = (since, error)
            raise
        finally:
            lane.slots.release()
        lane.answered_at = self.environment.monotonic()
        self._failures.pop(responder(request.url), None)
        return response

    def open_circuits(self) -> None:
        """Have no other task ask a responder that failed to the end, and answered nobody meanwhile."""
        for name, (since, error) in self._failures.items():
            lane = self._run.lane(name)
            if lane.answered_at < since:
                message = f"{name} is not asked again in this run: {error.message}"
                lane.down.setdefault(self._circuit, ResponderDown(error.code, message, error.permanent))


def responder(url: str) -> str:
    """The scheme, host and port of a URL, as in ``http://ocsp.example.com:8080``; the usual port is left out."""
    start = _START.match(url)
    return _responder(start.group() if start else url)


@functools.lru_cache(maxsize=256)
def _responder(start: str) -> str:
    scheme, separator, place = start.lower().partition("://")
    usual = _DEFAULT_PORTS.get(scheme)
    return scheme + separator + (place[: -len(usual)] if usual and place.endswith(usual) else place)


def as_error(error: BaseException) -> OcspError:
    """Whatever was raised about one of many, as a failure of that one."""
    if isinstance(error, OcspError):
        return error
    if isinstance(error, OSError):
        return FileError(str(error))
    return InputError(f"internal error ({type(error).__name__}: {error})")
