# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many staple files side by side: who waits for whom, who is asked how often, and how it ends."""

from __future__ import annotations

import contextlib
import gc
import itertools
import threading
import time
import typing as t
import weakref
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, OcspError, TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import bulk, freshness
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.bulk import Job, Network, refresh_all, responder
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.freshness import Outcome
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import Options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW
from ansible_collections.certops.ocsp.tests.unit.http_server import Peer, Server, answer, converses
from ansible_collections.certops.ocsp.tests.unit.responder import World, failure, html, ok

W = forge.world()
CHAIN = (W.leaf.pem + W.issuer.pem).decode()
SILENT = forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)]).pem.decode()
GOOD = forge.response()
DUE = forge.response(forge.single(this_update=NOW - 5 * DAY, next_update=NOW + 2 * DAY))
REVOKED = forge.response(forge.single(status="revoked"))
EXPIRED = forge.response(forge.single(this_update=NOW - 8 * DAY, next_update=NOW - DAY))

PLENTY = 20.0

Exchange = t.Callable[[HttpRequest, float], HttpResponse]


class Bench:
    """A folder for staple files, and jobs for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.der"

    def job(self, name: str, url: str = "http://a.test", **values: t.Any) -> Job:
        given = {"path": str(self.path(name)), "certificate_content": CHAIN, "responder_urls": [url], "retries": 0}
        return Job(name, {**given, **values})

    def jobs(self, count: int, url: str = "http://a.test", prefix: str = "n", **values: t.Any) -> t.List[Job]:
        return [self.job(f"{prefix}{number}", url, **values) for number in range(count)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> t.Iterator[None]:
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "ocsp-worker"] == []


@pytest.fixture
def serve() -> t.Iterator[t.Callable[..., Server]]:
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(contextlib.closing(Server(script)))


def asking(exchange: Exchange, **options: t.Any) -> t.Callable[[Job], Environment]:
    return lambda job: Environment(exchange, NOW, **options)


def good(request: HttpRequest, timeout: float) -> HttpResponse:
    return ok(GOOD)


def never(request: HttpRequest, timeout: float) -> t.NoReturn:
    raise AssertionError(f"{request.url} was asked")


def outcome(result: t.Union[Outcome, OcspError]) -> Outcome:
    assert isinstance(result, Outcome), result
    return result


# Results -----------------------------------------------------------------------------------------


def test_each_job_has_one_result(bench: Bench) -> None:
    bench.path("fresh").write_bytes(GOOD)
    bench.path("gone").write_bytes(GOOD)
    jobs = [
        *bench.jobs(50),
        bench.job("fresh"),
        bench.job("gone", state="absent"),
        bench.job("silent", certificate_content=SILENT, responder_urls=[]),
        bench.job("missing", certificate_content=None, certificate_path="/nonexistent"),
        bench.job("nowhere", path="/nonexistent/x.der"),
        bench.job("nonsense", minimum_validity_percentage="half"),
    ]
    results = list(refresh_all(iter(jobs), asking(good)))
    assert sorted(name for name, _result in results) == sorted(job.name for job in jobs)
    found = dict(results)
    for number in range(50):
        assert outcome(found[f"n{number}"]).fetched
        assert bench.path(f"n{number}").read_bytes() == GOOD
    assert not outcome(found["fresh"]).fetched and not outcome(found["fresh"]).changed
    assert outcome(found["gone"]).changed and not bench.path("gone").exists()
    assert outcome(found["silent"]).skipped_reason == "no_responder"
    for name, code in (("missing", "bad_input"), ("nowhere", "bad_input"), ("nonsense", "bad_input")):
        error = found[name]
        assert isinstance(error, OcspError) and error.code == code


def test_a_defect_fails_one_alone(bench: Bench) -> None:
    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "broken" in request.url:
            raise ZeroDivisionError("defect")
        if "disk" in request.url:
            raise PermissionError("denied")
        return ok(GOOD)

    jobs = [
        *bench.jobs(5),
        bench.job("x", "http://broken.test"),
        bench.job("y", "http://disk.test"),
        *bench.jobs(5, prefix="m"),
    ]
    found = dict(refresh_all(jobs, asking(exchange)))
    assert isinstance(found["x"], OcspError) and "ZeroDivisionError: defect" in found["x"].message
    assert isinstance(found["y"], FileError)
    assert sum(isinstance(result, Outcome) and result.fetched for result in found.values()) == 10


def test_fewer_threads_than_workers_will_do(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def limited(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    results = dict(refresh_all(bench.jobs(30), asking(good)))
    assert sum(outcome(result).fetched for result in results.values()) == 30


def test_a_worker_that_is_told_to_exit_still_delivers(bench: Bench) -> None:
    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        raise SystemExit(1)

    ((_name, error),) = refresh_all(bench.jobs(1), asking(exchange))
    assert isinstance(error, OcspError)


def test_fresh_ones_need_no_thread_and_no_network(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        bench.path(f"n{number}").write_bytes(GOOD)
    monkeypatch.setattr(threading.Thread, "start", never)
    assert len(list(refresh_all(bench.jobs(20), asking(never)))) == 20


def test_without_writing_nothing_is_written(bench: Bench) -> None:
    results = dict(refresh_all(bench.jobs(5), asking(good), write=False))
    assert all(outcome(result).changed for result in results.values())
    assert list(bench.folder.iterdir()) == []


def test_results_come_as_soon_as_they_are_there(bench: Bench) -> None:
    release = threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "slow" in request.url:
            assert release.wait(PLENTY)
        return ok(GOOD)

    jobs = [bench.job("slow", "http://slow.test"), *bench.jobs(100)]
    names = []
    for name, _result in refresh_all(jobs, asking(exchange), workers=2):
        names.append(name)
        if len(names) == 100:
            release.set()
    assert names[-1] == "slow"


def test_jobs_are_read_as_they_are_needed(bench: Bench) -> None:
    read = []

    def endless() -> t.Iterator[Job]:
        for number in itertools.count():
            read.append(number)
            yield bench.job(f"n{number}")

    results = refresh_all(endless(), asking(good))
    for _result in itertools.islice(results, 10):
        pass
    results.close()  # type: ignore[attr-defined]
    assert len(read) <= 10 + bulk._WINDOW + 1


class Mark:
    """Lives as long as what it is an attribute of, and can be referred to weakly, which a tuple cannot."""


def test_what_was_delivered_is_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(Outcome):
        mark: Mark

    monkeypatch.setattr(freshness, "Outcome", Watched)
    seen: t.List[weakref.ref[Mark]] = []
    for _name, result in refresh_all(bench.jobs(100), asking(good), workers=2):
        result.mark = Mark()  # type: ignore[union-attr]
        seen.append(weakref.ref(result.mark))  # type: ignore[union-attr]
        del result
        # Each worker, and the one who delivers, has the last one in its hands.
        assert sum(reference() is not None for reference in seen) <= 2 + 1


def test_what_waits_for_a_responder_holds_no_options(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 that wait must not hold 10,000 chains; their options are read again when it is their turn."""
    monkeypatch.setattr(bulk, "_WINDOW", 4)
    monkeypatch.setattr(bulk, "_PATIENCE", 0.001)
    release, reads, most = threading.Event(), [], 0
    real = bulk.read_options

    class Watched(Options):
        mark: Mark

    def watched(values: t.Any) -> t.Any:
        options = Watched(*real(values))
        options.mark = Mark()
        reads.append(weakref.ref(options.mark))
        return options

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "slow" in request.url:
            assert release.wait(PLENTY)
        return ok(GOOD)

    monkeypatch.setattr(bulk, "read_options", watched)
    jobs = [*bench.jobs(300, "http://slow.test"), *bench.jobs(1, "http://b.test", prefix="m")]
    for name, _result in refresh_all(jobs, asking(exchange), per_responder=2):
        if name == "m0":  # it is the last one, so that all others were looked at
            gc.collect()
            most = sum(reference() is not None for reference in reads)
            release.set()
    assert 2 <= most <= 20
    assert len(reads) > 300


# Limits ------------------------------------------------------------------------------------------


class Counting:
    """An exchange that counts how many are under way at once, with each responder and in all.

    Each waits until ``expected`` are under way at once, so that the limit is reached if it is high enough.
    """

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.now: t.Dict[str, int] = {}
        self.most: t.Dict[str, int] = {}
        self.most_in_all = 0
        self.reached = False
        self.changed = threading.Condition()

    def __call__(self, request: HttpRequest, timeout: float) -> HttpResponse:
        name = responder(request.url)
        with self.changed:
            self.now[name] = self.now.get(name, 0) + 1
            self.most[name] = max(self.most.get(name, 0), self.now[name])
            self.most_in_all = max(self.most_in_all, sum(self.now.values()))
            self.reached = self.reached or self.most_in_all >= self.expected
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.reached, PLENTY)
        with self.changed:
            self.now[name] -= 1
        return ok(GOOD)


def test_no_responder_is_asked_more_at_once_than_allowed(bench: Bench) -> None:
    exchange = Counting(expected=3 + 3)
    jobs = [*bench.jobs(40, "http://a.test/x"), *bench.jobs(40, "http://b.test:81", prefix="m")]
    results = list(refresh_all(jobs, asking(exchange), workers=16, per_responder=3))
    assert len(results) == 80
    assert exchange.most == {"http://a.test": 3, "http://b.test:81": 3}


def test_no_more_are_under_way_than_workers(bench: Bench) -> None:
    exchange = Counting(expected=4)
    jobs = [bench.job(f"n{number}", f"http://{number}.test") for number in range(40)]
    assert len(list(refresh_all(jobs, asking(exchange), workers=4))) == 40
    assert exchange.most_in_all == 4


def test_the_limit_holds_for_those_that_come_from_another_responder(bench: Bench) -> None:
    """Whoever is refused elsewhere and goes on to the next URL must wait there like the others."""
    counting = Counting(expected=2)

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        return counting(request, timeout) if "b.test" in request.url else HttpResponse(404, b"", "text/html")

    jobs = bench.jobs(30, responder_urls=["http://a.test", "http://b.test"], method="get")
    results = dict(refresh_all(jobs, asking(exchange), per_responder=2))
    assert all(outcome(result).fetched for result in results.values())
    assert counting.most == {"http://b.test": 2}


def test_whoever_waits_too_long_for_the_others_says_so(bench: Bench) -> None:
    release, asked = threading.Event(), threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "a.test" in request.url:
            assert asked.wait(PLENTY)
            return HttpResponse(404, b"", "text/html")
        asked.set()
        assert release.wait(PLENTY)
        return ok(GOOD)

    urls = {"responder_urls": ["http://a.test", "http://b.test"], "method": "get"}
    jobs = [bench.job("first", "http://b.test"), bench.job("second", timeout=0.05, **urls)]
    for name, result in refresh_all(jobs, asking(exchange), per_responder=1):
        error = outcome(result).fetch_error
        if name == "second":
            assert error is not None
            assert "http://b.test was busy with other requests of the same run for 0.05 s" in error.message
            release.set()
        else:
            assert error is None  # and nobody took the responder to be down


def test_a_responder_that_hangs_does_not_hold_up_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_PATIENCE", 0.001)
    release, done = threading.Event(), []

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "hangs" in request.url:
            assert release.wait(PLENTY)
        return ok(GOOD)

    jobs = [*bench.jobs(500, "http://hangs.test"), *bench.jobs(50, "http://b.test", prefix="m")]
    for name, _result in refresh_all(jobs, asking(exchange), workers=8, per_responder=4):
        done.append(name)
        if len(done) == 50:
            assert {name[0] for name in done} == {"m"}
            release.set()
    assert len(done) == 550


def test_jobs_for_the_same_file_ask_once(bench: Bench) -> None:
    asked = []

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        asked.append(request.url)
        return ok(GOOD)

    jobs = [bench.job("same")._replace(name=str(number)) for number in range(8)]
    results = [outcome(result) for _name, result in refresh_all(jobs, asking(exchange))]
    assert len(asked) == 1
    assert sum(result.fetched for result in results) == 1
    assert not any(result.failed for result in results)


# Responders that are down ------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["unreachable", "timeout", "proxy_error"])
def test_a_responder_that_is_down_is_not_asked_again(bench: Bench, code: str) -> None:
    world = World(failure(code))
    bench.path("n99").write_bytes(DUE)
    found = dict(refresh_all(bench.jobs(100, retries=2), lambda job: world.environment(), per_responder=4))
    assert 3 <= len(world.requests) <= 12
    errors = {name: outcome(result).fetch_error for name, result in found.items()}
    assert {error.code for error in errors.values() if error} == {code}
    later = [outcome(found[name]) for name, error in errors.items() if error and "not asked again" in error.message]
    assert len(later) >= 96
    # Only the four that began before it was known to be down have asked at all.
    assert sum(result.attempts == () for result in later) >= 96
    assert later[0].fetch_error is not None
    assert later[0].fetch_error.message == f"it is {code} (not asked again in this run)"
    kept = outcome(found["n99"])
    assert (kept.failed, kept.changed) == (False, False)
    assert bench.path("n99").read_bytes() == DUE


@pytest.mark.parametrize("reply", [failure("http_error"), failure("too_large"), ok(REVOKED), ok(b"garbage")])
def test_a_responder_that_answers_anything_is_not_down(bench: Bench, reply: t.Any) -> None:
    world = World(reply)
    list(refresh_all(bench.jobs(10, method="post", certid_digest="sha1"), lambda job: world.environment()))
    assert len(world.requests) == 10


def test_other_responders_of_the_certificate_are_still_asked(bench: Bench) -> None:
    world = World(answer=lambda request: failure("unreachable") if "a.test" in request.url else ok(GOOD))
    jobs = bench.jobs(40, responder_urls=["http://a.test/", "http://b.test/"])
    found = dict(refresh_all(jobs, lambda job: world.environment(), per_responder=1))
    assert all(outcome(result).fetched for result in found.values())
    # Only failures to the end close a circuit, and here there were none.
    assert {responder(request.url) for request in world.requests} == {"http://a.test", "http://b.test"}


def test_a_responder_that_also_answers_is_not_taken_to_be_down(bench: Bench) -> None:
    """One of many that is unlucky says nothing about the responder."""
    lock, count = threading.Lock(), itertools.count()
    answered = threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        with lock:
            number = next(count)
        if number == 0:
            assert answered.wait(PLENTY)
            raise TransportError("timeout", "bad luck")
        answered.set()
        return ok(GOOD)

    found = dict(refresh_all(bench.jobs(50), asking(exchange), per_responder=2))
    assert sum(outcome(result).fetched for result in found.values()) == 49


class Late:
    """A responder that says something shortly before each timeout."""

    def __init__(self, reply: t.Callable[[int], HttpResponse]) -> None:
        self.asked = 0
        self._reply = reply
        self._mutex = threading.Lock()

    def __call__(self, request: HttpRequest, timeout: float) -> HttpResponse:
        with self._mutex:
            self.asked += 1
            number = self.asked
        time.sleep(0.05)
        return self._reply(number)


@pytest.mark.parametrize("reply", [html(500), ok(EXPIRED), ok(forge.error_response("unauthorized"))])
def test_a_responder_that_answers_late_and_never_well_is_not_asked_for_ever(bench: Bench, reply: HttpResponse) -> None:
    late = Late(lambda _number: reply)
    jobs = bench.jobs(80, timeout=0.2, total_timeout=0.4)
    found = dict(refresh_all(jobs, asking(late), per_responder=4))
    assert len(found) == 80 and late.asked < 60, "three times 0.4 seconds, and those that were under way"
    last = outcome(found["n79"]).fetch_error
    assert last is not None and last.code == "timeout"
    assert "seconds of this run without a good answer, and is not asked again" in last.message


def test_a_late_responder_that_answers_well_now_and_then_is_asked_on(bench: Bench) -> None:
    late = Late(lambda number: ok(GOOD) if number % 5 == 0 else html(404))
    jobs = bench.jobs(60, timeout=0.2, total_timeout=0.4, method="post", certid_digest="sha1")
    list(refresh_all(jobs, asking(late), per_responder=4))
    assert late.asked == 60


def test_a_circuit_is_for_one_way_to_reach_a_responder(bench: Bench) -> None:
    asked = []

    def environment_for(job: Job) -> Environment:
        def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
            asked.append(job.name)
            if job.values.get("http_proxy"):
                raise TransportError("proxy_error", "it refused")
            return ok(GOOD)

        return Environment(exchange, NOW)

    jobs = [*bench.jobs(10, http_proxy="http://proxy.test"), *bench.jobs(10, prefix="m")]
    found = dict(refresh_all(jobs, environment_for, per_responder=1))
    assert [outcome(found[f"m{number}"]).fetched for number in range(10)] == [True] * 10
    assert [name for name in asked if name.startswith("n")] == ["n0"]


def hanging(*alive: str) -> t.Tuple[Exchange, t.List[str]]:
    """A network in which all hang but some, and who was asked."""
    asked: t.List[str] = []

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        asked.append(responder(request.url))
        if responder(request.url) in alive:
            return ok(GOOD)
        raise TransportError("timeout", "0.1 s were not enough")

    return exchange, asked


@pytest.mark.parametrize("host", ["a.test", "A.test.", "127.0.0.1", "[::1]"])
def test_a_host_with_many_ports_that_hang_is_not_asked_for_ever(bench: Bench, host: str) -> None:
    exchange, asked = hanging()
    schemes = ("http", "https")
    jobs = [bench.job(f"n{port}", f"{schemes[port % 2]}://{host}:{8000 + port}/x") for port in range(10)]
    found = dict(refresh_all(jobs, asking(exchange), workers=1))
    assert len(set(asked)) == 3
    last = outcome(found["n9"]).fetch_error
    assert last is not None and last.code == "timeout" and outcome(found["n9"]).attempts == ()
    name = host.lower().rstrip(".")
    assert last.message.startswith(f"{responder(jobs[9].values['responder_urls'][0])} was not asked, since ")
    assert f"since others of {name} did not answer: http" in last.message


def test_a_host_of_which_one_answers_is_asked_on_all_ports(bench: Bench) -> None:
    """Such as one for many CAs, of which some are slow or gone."""
    exchange, asked = hanging("http://a.test:8003", "http://a.test:8006")
    jobs = [bench.job(f"n{port}", f"http://a.test:{8000 + port}") for port in (0, 1, 3, 2, 4, 6, 5, 7, 8, 9)]
    found = dict(refresh_all(jobs, asking(exchange), workers=1))
    assert outcome(found["n3"]).fetched and outcome(found["n6"]).fetched
    assert "http://a.test:8008" in asked and "http://a.test:8009" not in asked


@pytest.mark.parametrize("url", ["http://a.test/", "https://A.test:443/x", "http://a.test.:80", "http://[::1]/"])
def test_closed_ports_of_a_host_do_not_close_its_usual_port(bench: Bench, url: str) -> None:
    """Any CA can have its certificates name those of the responder of another."""
    exchange, asked = hanging(responder(url))
    host = "[::1]" if "::1" in url else "a.test"
    jobs = [bench.job(f"n{port}", f"http://{host}:{port}/") for port in (81, 82, 83, 84)]
    found = dict(refresh_all([*jobs, bench.job("other", url)], asking(exchange), workers=1))
    assert outcome(found["other"]).fetched
    assert f"http://{host}:84" not in asked


def test_a_host_that_answers_in_the_end_is_asked_again(bench: Bench) -> None:
    """It is slow: while some of its responders came to the end of their time, another was still at work."""
    at_work = threading.Event()
    hung = threading.Semaphore(0)

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if request.url.startswith("http://a.test:1/"):
            at_work.set()
            for _one in range(3):
                assert hung.acquire(timeout=PLENTY)
            return ok(GOOD)
        if request.url.startswith("http://a.test:5/"):
            return ok(GOOD)
        assert at_work.wait(timeout=PLENTY)
        if request.body is None:
            hung.release()
        raise TransportError("timeout", "0.1 s were not enough")

    def jobs() -> t.Iterator[Job]:
        yield from (bench.job(f"n{port}", f"http://a.test:{port}/") for port in (1, 2, 3, 4))
        began = time.monotonic()
        while not bench.path("n1").exists():
            assert time.monotonic() < began + PLENTY
            time.sleep(0.01)
        yield bench.job("n5", "http://a.test:5/")

    found = dict(refresh_all(jobs(), asking(exchange), workers=2))
    assert outcome(found["n1"]).fetched and outcome(found["n5"]).fetched


def test_a_host_that_refuses_connections_costs_no_time_and_is_asked_on_all_ports(bench: Bench) -> None:
    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if ":8009" in request.url:
            return ok(GOOD)
        raise TransportError("unreachable", "refused")

    jobs = [bench.job(f"n{port}", f"http://a.test:{8000 + port}") for port in range(10)]
    assert outcome(dict(refresh_all(jobs, asking(exchange), workers=1))["n9"]).fetched


def test_tasks_begin_in_their_order_also_after_waiting_for_a_responder(bench: Bench) -> None:
    """Of two users who take turns, one does not come to wait for all of the other's because they share a responder."""
    asked: t.List[str] = []

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        asked.append(responder(request.url))
        return ok(GOOD)

    mine, others = bench.jobs(20), [bench.job(f"o{number}", f"http://o{number}.test") for number in range(20)]
    jobs = [job for pair in zip(others, mine) for job in pair]
    assert len(list(refresh_all(jobs, asking(exchange), workers=1, per_responder=1))) == 40
    assert asked.index("http://o19.test") > 35


class Clock:
    """Seconds that are left, until a test ends them."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.left = seconds

    def __call__(self) -> float:
        return self.left


@pytest.mark.parametrize("workers", [1, 4])
def test_a_run_ends_when_its_time_is_over(bench: Bench, workers: int) -> None:
    """What was done by then has a result, and what was broken off, or did not begin, has none."""
    clock, broken_off = Clock(), threading.Event()
    reached = threading.Barrier(workers + 1, timeout=PLENTY)

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if "slow" not in request.url:
            return ok(GOOD)
        reached.wait()
        assert broken_off.wait(PLENTY)
        raise TransportError("unreachable", "the exchange was aborted")

    def end() -> None:
        reached.wait()
        clock.left = 0

    fast = bench.jobs(3, "http://fast.test")
    slow = [bench.job(f"s{number}", f"http://slow{number}.test") for number in range(10)]
    ends = threading.Thread(target=end)
    ends.start()
    results = refresh_all(
        [*fast, *slow],
        asking(exchange),
        workers=workers,
        on_abort=broken_off.set,
        seconds_left=lambda: min(0.05, clock()),
    )
    found = [name for name, _result in results]
    ends.join()
    assert sorted(found) == ["n0", "n1", "n2"]


def test_what_is_written_as_the_time_ends_has_its_result(bench: Bench) -> None:
    clock, begun, over = Clock(), threading.Event(), threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        begun.set()
        assert over.wait(PLENTY)
        return ok(GOOD)

    def seconds_left() -> float:
        if begun.is_set():
            clock.left = 0
        return min(0.05, clock())

    found = dict(refresh_all(bench.jobs(2), asking(exchange), workers=1, on_abort=over.set, seconds_left=seconds_left))
    assert list(found) == ["n0"] and outcome(found["n0"]).fetched
    assert bench.path("n0").read_bytes() == GOOD and not bench.path("n1").exists()


def test_without_any_time_nothing_begins(bench: Bench) -> None:
    assert list(refresh_all(bench.jobs(3), asking(never), seconds_left=lambda: 0.0)) == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://OCSP.Example.com/a/b?c=http://x", "http://ocsp.example.com"),
        ("HTTP://ocsp.example.com:80", "http://ocsp.example.com"),
        ("http://ocsp.example.com:8080/a:80", "http://ocsp.example.com:8080"),
        ("https://ocsp.example.com:443?q", "https://ocsp.example.com"),
        ("https://ocsp.example.com:80/", "https://ocsp.example.com:80"),
        ("http://[2001:db8::1]:80/", "http://[2001:db8::1]"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_the_name_of_a_responder(url: str, name: str) -> None:
    assert responder(url) == name


# Connections -------------------------------------------------------------------------------------


def test_connections_to_a_responder_are_kept(bench: Bench, serve: t.Any) -> None:
    server = serve(converses(lambda request: answer(GOOD, headers=["Content-Type: application/ocsp-response"])))
    with Network() as network:
        jobs = bench.jobs(60, server.url(), use_proxy=False)
        results = refresh_all(
            jobs,
            lambda job: Environment(network.exchange_for(job.values), NOW),
            per_responder=3,
            on_abort=network.close,
        )
        assert all(outcome(result).fetched for _name, result in results)
    assert len(server.requests) == 60
    assert server.connections <= 3


def test_jobs_have_the_network_that_they_ask_for(serve: t.Any) -> None:
    server = serve(converses(lambda request: answer()))
    with Network() as network:
        for agent in ("one", "two", "one", None):
            exchange = network.exchange_for({"http_agent": agent, "use_proxy": False, "method": "post"})
            exchange(HttpRequest(server.url()), PLENTY)
    agents = [line for request in server.requests for line in request.decode().split("\r\n") if "User-Agent" in line]
    assert agents == ["User-Agent: one", "User-Agent: two", "User-Agent: one", "User-Agent: certops.ocsp"]
    assert server.connections == 3
    with pytest.raises(TransportError, match="was aborted"):
        exchange(HttpRequest(server.url()), PLENTY)
    with pytest.raises(TransportError, match="was aborted"):
        network.exchange_for({"http_agent": "three"})(HttpRequest(server.url()), PLENTY)


# The disk ----------------------------------------------------------------------------------------


def test_each_folder_is_synced_once_at_the_end(bench: Bench) -> None:
    synced: t.List[str] = []
    other = bench.folder / "other"
    other.mkdir()
    jobs = [*bench.jobs(10), bench.job("x", path=str(other / "x.der"))]
    for _result in refresh_all(jobs, asking(good, sync_folder=synced.append)):
        assert synced == []
    assert sorted(synced) == [str(bench.folder), str(other)]


def test_a_folder_that_cannot_be_synced_is_said_in_the_end(bench: Bench) -> None:
    def fail(folder: str) -> t.NoReturn:
        raise FileError(f"{folder} cannot be synced")

    results = refresh_all(bench.jobs(3), asking(good, sync_folder=fail))
    with pytest.raises(FileError):
        for _count in range(4):
            next(results)


# The end -----------------------------------------------------------------------------------------


def hold(peer: Peer) -> None:
    peer.read_request()
    peer.hold()


ENDS: t.Dict[str, t.Callable[[t.Any], None]] = {
    "closed": lambda results: results.close(),
    "interrupted": lambda results: results.throw(KeyboardInterrupt),
    "failed": lambda results: results.throw(ZeroDivisionError),
}


@pytest.mark.parametrize("end", ENDS)
def test_whoever_breaks_off_ends_the_exchanges(bench: Bench, serve: t.Any, end: str) -> None:
    server = serve(hold)
    jobs = [*bench.jobs(20, server.url(), timeout=3600, total_timeout=3600), bench.job("fast", certificate_content="x")]
    with Network() as network:
        results = refresh_all(
            jobs, lambda job: Environment(network.exchange_for(job.values), NOW), on_abort=network.close
        )
        assert next(results)[0] == "fast"
        with contextlib.suppress(KeyboardInterrupt, ZeroDivisionError):
            ENDS[end](results)
    assert list(results) == []
    assert list(bench.folder.iterdir()) == []


def test_a_consumer_that_raises_leaves_nobody_at_work(bench: Bench, serve: t.Any) -> None:
    server = serve(hold)
    jobs = [bench.job("bad", certificate_content="x"), *bench.jobs(20, server.url(), timeout=3600)]

    def consume() -> None:
        with Network() as network:
            results = refresh_all(
                jobs, lambda job: Environment(network.exchange_for(job.values), NOW), on_abort=network.close
            )
            with contextlib.closing(results):
                for _name, _result in results:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()


def test_jobs_that_cannot_be_listed_end_the_run(bench: Bench) -> None:
    def jobs() -> t.Iterator[Job]:
        yield from bench.jobs(5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(refresh_all(jobs(), asking(good)))


def test_a_pause_before_a_retry_ends_with_the_run(bench: Bench) -> None:
    asked = threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        asked.set()
        return HttpResponse(503, b"", "text/html", retry_after=3000.0)

    results = refresh_all([bench.job("n", retries=5, total_timeout=3600), bench.job("bad", path="")], asking(exchange))
    assert next(results)[0] == "bad"
    assert asked.wait(PLENTY)
    results.close()  # type: ignore[attr-defined]


def test_waiting_for_a_lock_ends_with_the_run(bench: Bench) -> None:
    with files.lock(str(bench.path("n")), 0):
        results = refresh_all([bench.job("n", total_timeout=3600), bench.job("bad", path="")], asking(never))
        assert next(results)[0] == "bad"
        results.close()  # type: ignore[attr-defined]


def test_a_run_that_is_broken_off_leaves_whole_files(bench: Bench) -> None:
    """What is being written when it ends is written to its end, and nothing is left beside it."""
    results = refresh_all(bench.jobs(200), asking(good), per_responder=16)
    for _result in itertools.islice(results, 20):
        pass
    results.close()  # type: ignore[attr-defined]
    contents = {path.name: path.read_bytes() for path in bench.folder.iterdir()}
    assert len(contents) >= 20
    assert all(name.startswith("n") and content == GOOD for name, content in contents.items())
