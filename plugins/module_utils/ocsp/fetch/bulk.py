# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Many staples side by side, in files or without.

Whether a response is fresh is found out in the calling thread, since that is computing alone; only what
is due is handed to workers, which wait for the network.
"""

from __future__ import annotations

import contextlib
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

#: How many responders of one host, on as many ports, may hang before its others are not asked any more. That on the
#: usual port is asked all the same: a CA can have its certificates name closed ports of the responder of another. Nor
#: are hosts of one address taken for one, as CAs share those of content delivery networks.
_MOST_HANGING = 3
#: How many times its total_timeout a responder may take in a run without one good answer, those side by side added up.
_MOST_TIMES = 3
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
    seconds_left: t.Optional[t.Callable[[], float]] = None,
) -> t.Iterator[Result]:
    """Bring many staple files up to date, and yield the name and outcome of each as soon as it is done.

    ``jobs`` is read as it is needed and may be a generator; a job with ``state: absent`` removes its
    file. ``environment_for`` gives each job its time and network. At most ``workers`` jobs are under
    way at once, and at most ``per_responder`` exchanges with one responder (scheme, host and port).
    ``write`` False finds out what would be done.

    Results come in no certain order. A job that cannot be done at all yields its OcspError, and never
    stops another. A responder that could not be reached, retries included, is not asked again: the
    later outcomes have a ``fetch_error`` with the same code that says so. So have they where it took three times its
    total_timeout without a good answer, whatever it said. Those of other ports of a host of which
    three responders hung while none answered have one, too. Folders are synced once, at the end, which raises
    FileError if it fails: until then, an old file may come back when the power fails.

    Jobs begin in their order as far as the limits allow. Where ``seconds_left`` comes to 0, no other begins and those
    under way are broken off as below; what was not done by then has no result.

    Closing the generator, or an exception in it, calls ``on_abort``, which should break off exchanges
    under way (``Network.close``), and returns when the workers have ended.
    """
    starts = ((job.name, functools.partial(_begin_job, job, environment_for, write)) for job in jobs)
    return _side_by_side(starts, workers, per_responder, on_abort, seconds_left)


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
    starts: t.Iterable[_Start],
    workers: int,
    per_responder: int,
    on_abort: t.Optional[t.Callable[[], None]],
    seconds_left: t.Optional[t.Callable[[], float]] = None,
) -> t.Iterator[Result]:
    run = _Run(workers, per_responder, seconds_left)
    finished = False
    try:
        yield from run.results_of(starts)
        finished = not run.is_over()
    finally:
        run.stop()
        if not finished and on_abort is not None:
            on_abort()
        run.join()
        run.sync()
    yield from run.finished_meanwhile()


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
    options that a responder may be down for: others may reach it in another way, or wait longer. ``longest`` are the
    seconds that one may take of the run without a good answer.
    """

    environment: Environment
    work: t.Callable[[Environment], Outcome]
    url: str
    circuit: _Circuit
    longest: float


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
    outcome = freshness.check_fresh(options, environment.now(), environment.lead)
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
    circuit = (*way, options.timeout, options.total_timeout, options.retries)
    return _Due(environment, work, url, circuit, options.total_timeout * _MOST_TIMES)


class _Task(t.NamedTuple):
    """Something that is due, in the lane of the responder that is asked first. ``number`` is its place in the order."""

    number: int
    name: str
    due: _Due
    lane: _Lane


_Circuit = t.Tuple[t.Any, ...]


class _Host:
    """What a run knows of all responders of one host. Any answer shows that it is alive, however slow."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.down: t.Dict[_Circuit, str] = {}
        self.answered_at = float("-inf")
        self._hanging: t.Dict[_Circuit, t.Set[str]] = {}

    def note_answer(self, moment: float) -> None:
        self.answered_at = moment
        self._hanging.clear()
        self.down.clear()

    def note_hanging(self, circuit: _Circuit, name: str, since: float) -> None:
        """A responder of it answered nothing from one moment on until its time was over."""
        if self.answered_at >= since:
            return
        hanging = self._hanging.setdefault(circuit, set())
        hanging.add(name)
        if len(hanging) >= _MOST_HANGING:
            self.down.setdefault(circuit, ", ".join(sorted(hanging)))


class _Lane:
    """What a run knows of one responder. ``waiting`` are tasks that begin with it when one ends."""

    def __init__(self, host: _Host, limit: int) -> None:
        self.host = host
        self.slots = threading.BoundedSemaphore(limit)
        self.active = 0
        self.waiting: t.Deque[_Task] = deque()
        self.down: t.Dict[_Circuit, ResponderDown] = {}
        self.answered_at = float("-inf")
        #: Seconds that it took since its last good answer.
        self._taken = 0.0
        self._mutex = threading.Lock()

    def note_taken(self, seconds: float) -> None:
        with self._mutex:
            self._taken += seconds

    def note_good(self) -> None:
        with self._mutex:
            self._taken = 0.0

    def took_too_long(self, name: str, longest: float) -> t.Optional[ResponderDown]:
        """Why no other task begins to ask the responder: what answers late each time is never found to be down."""
        if self._taken < longest:
            return None
        return ResponderDown(
            "timeout",
            f"{name} took {self._taken:.0f} seconds of this run without a good answer, and is not asked again",
        )

    def refusal(self, name: str, circuit: _Circuit) -> t.Optional[ResponderDown]:
        """Why the responder is not asked, if it is not."""
        hanging = self.host.down.get(circuit)
        if circuit in self.down or hanging is None or _has_usual_port(name):
            return self.down.get(circuit)
        return ResponderDown(
            "timeout", f"{name} was not asked, since others of {self.host.name} did not answer: {hanging}"
        )


class _Aborted(OcspError):
    """The run was aborted; this never leaves the module."""

    def __init__(self) -> None:
        super().__init__("timeout", "the run was aborted")


class _Run:
    """The lanes, the workers and the results of one ``refresh_all`` or ``obtain_all``."""

    def __init__(
        self, workers: int, per_responder: int, seconds_left: t.Optional[t.Callable[[], float]] = None
    ) -> None:
        self.stopped = threading.Event()
        self.unsynced: t.Dict[str, t.Callable[[str], None]] = {}
        self._workers = workers
        self._per_responder = per_responder
        self._mutex = threading.Lock()
        self._lanes: t.Dict[str, _Lane] = {}
        self._hosts: t.Dict[str, _Host] = {}
        self._seconds_left = seconds_left
        #: Tasks by their place in the order, which one keeps that has waited for its lane.
        self._ready: queue.PriorityQueue[t.Tuple[int, t.Optional[_Task]]] = queue.PriorityQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads: t.List[threading.Thread] = []

    def results_of(self, starts: t.Iterable[_Start]) -> t.Iterator[Result]:
        pending, allowed = 0, _WINDOW
        for number, (name, begin) in enumerate(starts):
            if self.is_over():
                return
            result = self._begin(number, name, begin, keep=pending < _WINDOW)
            if result is not None:
                yield name, result
            else:
                pending += 1
            while pending:
                try:
                    done = self._results.get(pending >= allowed, self._at_most(_PATIENCE))
                except queue.Empty:
                    allowed = max(allowed, pending * 2 if pending >= allowed else 0)
                    break
                pending -= 1
                yield done
            if pending < _WINDOW:
                allowed = _WINDOW
        while pending and not self.is_over():
            try:
                done = self._results.get(timeout=self._at_most(None))
            except queue.Empty:
                continue
            pending -= 1
            yield done

    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._seconds_left is not None and self._seconds_left() <= 0

    def _at_most(self, seconds: t.Optional[float]) -> t.Optional[float]:
        """So many seconds, or those that are left if they are fewer; None for any number."""
        if self._seconds_left is None:
            return seconds
        left = max(0.0, min(self._seconds_left(), threading.TIMEOUT_MAX))
        return left if seconds is None else min(seconds, left)

    def finished_meanwhile(self) -> t.Iterator[Result]:
        """What has come, after the workers have ended, of tasks whose results were not waited for."""
        with contextlib.suppress(queue.Empty):
            while True:
                name, result = self._results.get_nowait()
                if not isinstance(result, _Aborted):
                    yield name, result

    def stop(self) -> None:
        self.stopped.set()
        for _thread in self._threads:
            self._ready.put((-1, None))

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
                host = self._hosts.setdefault(_host_of(key), _Host(_host_of(key)))
                found = self._lanes[key] = _Lane(host, self._per_responder)
            return found

    def _begin(self, number: int, name: str, begin: _Begin, keep: bool) -> t.Union[Outcome, OcspError, None]:
        """The result of what needs no network; None for what was handed to the workers."""
        try:
            found = begin(keep)
            if isinstance(found, Outcome):
                return found
            self._submit(_Task(number, name, found, self.lane(found.url)))
        except Exception as error:
            return as_error(error)
        return None

    def _submit(self, task: _Task) -> None:
        with self._mutex:
            if task.lane.active >= self._per_responder:
                task.lane.waiting.append(task)
                return
            task.lane.active += 1
        self._ready.put((task.number, task))
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
            _number, task = self._ready.get()
            if task is None or self.stopped.is_set():
                return
            result = self._do(task)
            with self._mutex:
                if task.lane.waiting:
                    following = task.lane.waiting.popleft()
                    self._ready.put((following.number, following))
                else:
                    task.lane.active -= 1
            self._results.put((task.name, result))

    def _do(self, task: _Task) -> t.Union[Outcome, OcspError]:
        try:
            visit = _Visit(self, task.due)
            outcome = task.due.work(visit.environment)
            if self.stopped.is_set() and outcome.fetch_error is not None:
                return _Aborted()
            visit.open_circuits()
            if outcome.responder_url and (outcome.fetched or outcome.proof is not None):
                self.lane(outcome.responder_url).note_good()
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
        self._longest = due.longest
        self._asked: t.Set[str] = set()
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
                "timeout", f"{responder(request.url)} was busy with other requests of the same run for {timeout:.3g} s"
            )
        name = responder(request.url)
        asked_from = self.environment.monotonic()
        try:
            refusal = lane.refusal(name, self._circuit)
            if refusal is None and name not in self._asked:
                refusal = lane.took_too_long(name, self._longest)
            if refusal is not None:
                raise refusal
            self._asked.add(name)
            response = self._exchange(request, max(0.001, timeout - (asked_from - began)))
        except TransportError as error:
            if error.code in _DOWN and not isinstance(error, ResponderDown):
                since, _earlier = self._failures.get(name, (began, error))
                self._failures[name] = (since, error)
            raise
        finally:
            lane.slots.release()
            lane.note_taken(self.environment.monotonic() - asked_from)
        lane.answered_at = self.environment.monotonic()
        lane.host.note_answer(lane.answered_at)
        self._failures.pop(name, None)
        return response

    def open_circuits(self) -> None:
        """Have no other task ask a responder that failed to the end and gave no answer meanwhile.

        Nor any other of a host of which several hung: each may cost all the time of one certificate.
        """
        for name, (since, error) in self._failures.items():
            lane = self._run.lane(name)
            if error.code == "timeout":
                lane.host.note_hanging(self._circuit, name, since)
            if lane.answered_at < since:
                lane.down.setdefault(self._circuit, ResponderDown.after(error))


def responder(url: str) -> str:
    """The scheme, host and port of a URL, as in ``http://ocsp.example.com:8080``; the usual port is left out."""
    start = _START.match(url)
    return _responder(start.group() if start else url)


@functools.lru_cache(maxsize=256)
def _responder(start: str) -> str:
    scheme, separator, place = start.lower().partition("://")
    usual = _DEFAULT_PORTS.get(scheme)
    return scheme + separator + (place[: -len(usual)] if usual and place.endswith(usual) else place)


def _host_of(name: str) -> str:
    """The host of a responder as ``responder`` names it, whatever its scheme and port."""
    place = name.rpartition("//")[2].rpartition("@")[2]
    host = place.partition("]")[0] + "]" if place.startswith("[") else place.partition(":")[0]
    return host.rstrip(".")


def _has_usual_port(name: str) -> bool:
    """Whether a responder as ``responder`` names it is on the usual port of its scheme."""
    return name.rpartition("//")[2].rstrip(".") == _host_of(name)


def as_error(error: BaseException) -> OcspError:
    """Whatever was raised about one of many, as a failure of that one."""
    if isinstance(error, OcspError):
        return error
    if isinstance(error, OSError):
        return FileError(str(error))
    return InputError(f"internal error ({type(error).__name__}: {error})")
