# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response for a certificate that has no path: one, and many side by side."""

from __future__ import annotations

import builtins
import contextlib
import functools
import os
import threading
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import bulk, refresh
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.bulk import Network, Request, obtain_all
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.freshness import Outcome
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.refresh import obtain
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import Options, make_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files, reading
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW
from ansible_collections.certops.ocsp.tests.unit.http_server import Server, answer, converses
from ansible_collections.certops.ocsp.tests.unit.responder import World, failure, html, ok

W = forge.world()
LEAF, ISSUER = Certificate.from_der(W.leaf.der), Certificate.from_der(W.issuer.der)
SILENT = Certificate.from_der(forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)]).der)
URL = "http://ocsp.example.com"
PLENTY = 20.0


@functools.cache
def staple(age: timedelta = DAY, life: timedelta = 7 * DAY, **single: t.Any) -> bytes:
    """A response that was made some time ago."""
    entry = forge.single(this_update=NOW - age, next_update=NOW - age + life, **single)
    return forge.response(entry, produced_at=NOW - age)


FRESH, DUE, EXPIRED, LAST = staple(), staple(4 * DAY), staple(8 * DAY), staple(6.5 * DAY)
REVOKED = staple(status="revoked", reason="key_compromise")
FORGED = forge.response(flip_signature=True)
FOREIGN = forge.response(forge.single(forge.leaf(W.issuer, "other.example.com", serial=99)))


def options_of(source: t.Optional[bytes] = None, **values: t.Any) -> Options:
    return make_options({"responder_urls": [URL], "retries": 0, **values}, LEAF, ISSUER, source)


def run(world: World, current: t.Optional[bytes] = None, options: t.Optional[Options] = None) -> Outcome:
    options = options or options_of()
    return obtain(options.target, options, current, world.environment())


@pytest.fixture(autouse=True)
def no_file_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise AssertionError(f"a file was touched: {arguments}")

    monkeypatch.setattr(reading, "read_file", refuse)
    for name in ("replace_file", "remove_file", "resolve", "lock", "back_up", "sync_folder"):
        monkeypatch.setattr(files, name, refuse)
    for module, name in ((builtins, "open"), (os, "open"), (os, "replace"), (os.path, "exists")):
        monkeypatch.setattr(module, name, refuse)


# One ------------------------------------------------------------------------------------------------


def test_a_first_response() -> None:
    world = World(ok(FRESH))
    outcome = run(world)
    assert (outcome.data, outcome.changed, outcome.fetched, outcome.failed) == (FRESH, True, True, False)
    assert outcome.message == "a response that is good until 2026-03-10T05:06:07Z was obtained"
    assert outcome.renew_at == NOW - DAY + 3.5 * DAY
    assert (outcome.path, outcome.before, outcome.backup_file) == ("", None, None)
    assert outcome.responder_url == URL and len(outcome.attempts) == 1


def test_nobody_is_asked_while_the_one_in_place_is_fresh() -> None:
    world = World(failure("unreachable"))
    outcome = run(world, FRESH)
    assert (outcome.data, outcome.changed, outcome.fetched, outcome.failed) == (FRESH, False, False, False)
    assert outcome.message == "the response is good and is due for renewal at 2026-03-06T17:06:07Z"
    assert outcome.before is outcome.judgement
    assert world.requests == []


@pytest.mark.parametrize("current", [DUE, EXPIRED, FORGED, b"garbage", b""])
def test_one_that_will_not_do_is_replaced(current: bytes) -> None:
    outcome = run(World(ok(FRESH)), current)
    assert (outcome.data, outcome.changed) == (FRESH, True)
    assert outcome.before is not None and outcome.judgement is not outcome.before


REVOCATION = "the certificate CN=leaf.example.com,O=Forge was revoked at 2026-03-02T05:06:07Z (key_compromise)"

#: What is in place, what the responder says, and what comes of it: the response to staple, whether it failed, the
#: code, and the message.
ENDS: t.Dict[str, t.Tuple[t.Optional[bytes], t.Any, t.Optional[bytes], bool, str, str]] = {
    "no answer, nothing in place": (
        None,
        failure("unreachable"),
        None,
        True,
        "unreachable",
        "it is unreachable; there is no response in place, so there is nothing to staple",
    ),
    "no answer, a good one in place": (
        DUE,
        failure("timeout"),
        DUE,
        False,
        "timeout",
        "could not fetch a new response: it is timeout; the one in place is good until 2026-03-07T05:06:07Z",
    ),
    "no answer, an expired one in place": (
        EXPIRED,
        html(502),
        None,
        True,
        "http_error",
        (
            f"{URL} answered with the HTTP status 502 (text/html); the one in place is not good either: the response "
            "expired at 2026-03-03T05:06:07Z (this host's clock says 2026-03-04T05:06:07Z)"
        ),
    ),
    "no answer, what is left of a former certificate in place": (
        FOREIGN,
        failure("unreachable"),
        None,
        True,
        "unreachable",
        "it is unreachable; the one in place is about another certificate",
    ),
    "revoked, nothing in place": (
        None,
        ok(REVOKED),
        None,
        True,
        "revoked",
        f"{URL}: {REVOCATION}; replace the certificate",
    ),
    "revoked, a good one in place": (
        DUE,
        ok(REVOKED),
        None,
        True,
        "revoked",
        f"{URL}: {REVOCATION}; replace the certificate",
    ),
    "good, but from before the revocation in place": (
        REVOKED,
        ok(staple(2 * DAY)),
        None,
        True,
        "older",
        (
            "the new response is no newer than the one that proves the revocation; the one in place is not "
            f"good either: {REVOCATION}"
        ),
    ),
    "the same again": (DUE, ok(DUE), DUE, False, "", "there is no newer response than the one in place"),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_it_ends(name: str) -> None:
    current, reply, data, failed, code, message = ENDS[name]
    outcome = run(World(reply), current)
    assert (outcome.data, outcome.failed, outcome.changed) == (data, failed, False)
    assert (outcome.fetch_error.code if outcome.fetch_error else "") == code
    assert outcome.message == message


@pytest.mark.parametrize("name", ENDS)
def test_no_message_speaks_of_a_path_that_is_not_there(name: str) -> None:
    """A path left out would show as a hole: two blanks, or one before a sign."""
    current, reply, *_rest = ENDS[name]
    outcome = run(World(reply), current)
    texts = [outcome.message, *outcome.warnings, *(finding.message for finding in outcome.findings)]
    for text in texts + ([outcome.fetch_error.message] if outcome.fetch_error else []):
        assert not [hole for hole in ("  ", " ;", " ,", " .", "path") if hole in text]
        assert text == text.strip()


def test_a_good_one_in_place_outlives_an_older_answer() -> None:
    outcome = run(World(ok(DUE)), FRESH, options_of(force=True))
    assert (outcome.data, outcome.changed, outcome.failed) == (FRESH, False, False)
    assert [(finding.code, finding.severity) for finding in outcome.findings] == [("older", "warning")]
    assert outcome.passed_over is not None
    assert outcome.message == f"{outcome.passed_over.message}; the one in place was kept"
    assert outcome.warnings == (outcome.message,)


def test_a_responder_that_has_nothing_newer_for_long_is_told() -> None:
    assert run(World(ok(LAST)), LAST).warnings == (
        "there is still no newer response than the one in place, which expires at 2026-03-04T17:06:07Z",
    )


def test_a_revocation_comes_with_its_proof() -> None:
    outcome = run(World(ok(REVOKED)), DUE)
    assert outcome.proof == REVOKED
    assert outcome.judgement is outcome.refused and outcome.judgement is not None
    assert outcome.judgement.proves_revocation
    kept = run(World(ok(REVOKED)), DUE, options_of(on_revoked="keep"))
    assert not kept.failed and kept.warnings == (kept.message,)


def test_a_source_is_judged_and_nobody_is_asked() -> None:
    world = World(failure("unreachable"))
    outcome = run(world, None, options_of(FRESH))
    assert (outcome.data, outcome.changed, outcome.fetched) == (FRESH, True, False)
    assert not run(world, FRESH, options_of(FRESH)).changed
    refused = run(world, DUE, options_of(EXPIRED))
    assert (refused.data, refused.failed) == (DUE, False)
    assert refused.message == (
        "the given response is refused: the response expired at 2026-03-03T05:06:07Z (this host's clock says "
        "2026-03-04T05:06:07Z); the one in place is good until 2026-03-07T05:06:07Z"
    )
    assert run(world, None, options_of(FORGED)).failed
    assert world.requests == []


def test_servers_have_their_say() -> None:
    by_sha256 = forge.response(forge.single(digest="sha256"))
    outcome = run(World(ok(by_sha256)), None, options_of(server=["hitch"]))
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "unfit_for_server"


def test_nobody_is_asked_about_a_certificate_that_has_ended() -> None:
    world = World(ok(FRESH))
    options = options_of()
    outcome = obtain(options.target, options, FRESH, world.environment(NOW + 61 * DAY))
    assert outcome.failed and outcome.fetch_error is not None and outcome.fetch_error.code == "certificate_expired"
    assert world.requests == []


@pytest.mark.parametrize("what", ["skip", "fail"])
def test_without_a_responder_there_is_nothing_to_do(what: str) -> None:
    options = make_options({"on_missing_responder": what}, SILENT, None)
    assert options.target is None
    outcome = obtain(options.target, options, None, World(failure("unreachable")).environment())
    assert (outcome.skipped_reason, outcome.failed, outcome.data) == ("no_responder", what == "fail", None)
    assert outcome.message.endswith(" has no OCSP responder URL; there is nothing to staple")


def test_an_outcome_cannot_be_changed() -> None:
    outcome = run(World(ok(FRESH)))
    with pytest.raises(AttributeError):
        outcome.changed = False  # type: ignore[misc]


@pytest.mark.parametrize("current", [None, DUE, FRESH, EXPIRED, REVOKED, b"garbage"])
@pytest.mark.parametrize("reply", [ok(FRESH), ok(staple(HOUR)), ok(EXPIRED), ok(REVOKED), failure("unreachable")])
def test_with_a_file_the_same_comes_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, current: t.Optional[bytes], reply: t.Any
) -> None:
    """There is one cycle: what a file ends up with is what there is without one."""
    without = run(World(reply), current)
    monkeypatch.undo()
    path = tmp_path_factory.mktemp("staple") / "ocsp.der"
    if current is not None:
        path.write_bytes(current)
    options = options_of(path=str(path))
    outcome = refresh.refresh(options, World(reply).environment())
    for name in ("data", "changed", "failed", "fetched", "judgement", "before", "passed_over", "renew_at", "proof"):
        assert getattr(outcome, name) == getattr(without, name), name
    assert (path.read_bytes() if path.exists() else None) == (outcome.data if outcome.changed else current)


# Options --------------------------------------------------------------------------------------------


def test_options_need_neither_text_nor_a_path() -> None:
    options = make_options({"timeout": 3, "server": ["nginx"]}, LEAF, ISSUER)
    assert (options.path, options.timeout, options.servers) == ("", 3.0, ("nginx",))
    assert options.target is not None and options.target.issuer is ISSUER
    assert options.responder_urls == tuple(LEAF.responder_urls)
    assert make_options({}, SILENT, ISSUER).target is None


@pytest.mark.parametrize(
    ("leaf", "values", "source"),
    [(LEAF, {}, None), (SILENT, {"responder_urls": [URL]}, None), (SILENT, {}, FRESH)],
    ids=["responder", "configured", "source"],
)
def test_the_issuer_is_asked_for_where_it_is_needed(
    leaf: Certificate, values: t.Dict[str, t.Any], source: t.Optional[bytes]
) -> None:
    with pytest.raises(InputError, match=r"^the issuer of CN=.* is missing, .*; give the certificate of the CA"):
        make_options(values, leaf, None, source)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"responder_urls": ["ftp://x"]}, "responder_urls: 'ftp://x' is not"),
        ({"minimum_validity": "soon"}, "minimum_validity: 'soon'"),
        ({"method": "put"}, "method: 'put'"),
        ({"format": "pem", "server": ["nginx"]}, "format: pem contradicts server"),
    ],
)
def test_options_are_checked_without_files_too(values: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(InputError, match=f"^{words}"):
        make_options(values, LEAF, ISSUER)


def test_an_issuer_that_does_not_fit_is_for_the_judge_to_refuse() -> None:
    options = make_options({"responder_urls": [URL], "retries": 0}, LEAF, LEAF)
    outcome = obtain(options.target, options, FRESH, World(ok(FRESH)).environment())
    assert outcome.failed and outcome.judgement is not None and "issuer_mismatch" in outcome.judgement.errors


# Many -----------------------------------------------------------------------------------------------


def asking(exchange: t.Callable[[HttpRequest, float], HttpResponse]) -> t.Callable[[Request], Environment]:
    return lambda request: Environment(exchange, NOW)


def good(request: HttpRequest, timeout: float) -> HttpResponse:
    return ok(FRESH)


def outcome_of(result: t.Union[Outcome, OcspError]) -> Outcome:
    assert isinstance(result, Outcome), result
    return result


def requests(count: int, current: t.Optional[bytes] = None, **values: t.Any) -> t.List[Request]:
    return [Request(f"n{number}", options_of(**values), current) for number in range(count)]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> t.Iterator[None]:
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "ocsp-worker"] == []


def test_each_request_has_one_result() -> None:
    asked = [
        *requests(50),
        Request("fresh", options_of(), FRESH),
        Request("silent", make_options({}, SILENT, None)),
        Request("given", options_of(FRESH)),
        Request("revoked", options_of(responder_urls=["http://revoked.test"]), DUE),
    ]

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        return ok(REVOKED if "revoked" in request.url else FRESH)

    found = dict(obtain_all(iter(asked), asking(exchange)))
    assert sorted(found) == sorted(request.name for request in asked)
    for number in range(50):
        assert outcome_of(found[f"n{number}"]).data == FRESH and outcome_of(found[f"n{number}"]).fetched
    assert not outcome_of(found["fresh"]).fetched and outcome_of(found["fresh"]).data == FRESH
    assert outcome_of(found["silent"]).skipped_reason == "no_responder"
    assert outcome_of(found["given"]).changed and not outcome_of(found["given"]).fetched
    assert outcome_of(found["revoked"]).failed


def test_a_request_that_fails_stops_no_other() -> None:
    def environment_for(request: Request) -> Environment:
        if request.name == "n1":
            raise FileError("there is no such thing")
        if request.name == "n2":
            raise ValueError("a defect")
        return Environment(good, NOW)

    found = dict(obtain_all(requests(4), environment_for))
    assert [isinstance(found[f"n{number}"], OcspError) for number in range(4)] == [False, True, True, False]
    assert str(found["n2"]) == "internal error (ValueError: a defect)"


def test_a_responder_is_not_asked_more_at_once_than_allowed() -> None:
    mutex, under_way, most = threading.Condition(), 0, 0

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        nonlocal under_way, most
        with mutex:
            under_way += 1
            most = max(most, under_way)
            mutex.notify_all()
            assert mutex.wait_for(lambda: most >= 3, PLENTY)
        with mutex:
            under_way -= 1
        return ok(FRESH)

    assert len(list(obtain_all(requests(30), asking(exchange), per_responder=3))) == 30
    assert most == 3


def test_a_responder_that_is_down_is_not_asked_again() -> None:
    world = World(failure("unreachable"))
    found = dict(obtain_all(requests(100, DUE), lambda request: world.environment(), per_responder=4))
    assert len(world.requests) <= 4
    for result in found.values():
        assert outcome_of(result).data == DUE
        error = outcome_of(result).fetch_error
        assert error is not None and error.code == "unreachable"


def test_whoever_waits_longer_asks_for_itself() -> None:
    """The patience of one says nothing about another's."""
    world = World(failure("timeout"))
    asked = [Request("short", options_of(timeout=1)), Request("long", options_of(timeout=9))]
    dict(obtain_all(asked, lambda request: world.environment(), per_responder=1))
    assert world.timeouts == [1.0, 9.0]


def test_requests_are_read_as_they_are_needed() -> None:
    read = []

    def endless() -> t.Iterator[Request]:
        for number in range(10**6):
            read.append(number)
            yield Request(f"n{number}", options_of())

    results = obtain_all(endless(), asking(good))
    next(iter(results))
    results.close()  # type: ignore[attr-defined]
    assert len(read) <= bulk._WINDOW + 2


def test_whoever_stops_early_breaks_off_the_rest() -> None:
    aborted = threading.Event()

    def exchange(request: HttpRequest, timeout: float) -> HttpResponse:
        if request.url.startswith("http://slow.test"):
            assert aborted.wait(PLENTY)
        return ok(FRESH)

    slow = [Request("slow", options_of(responder_urls=["http://slow.test"]))]
    results = obtain_all(slow + requests(3), asking(exchange), on_abort=aborted.set)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert aborted.is_set()


def test_the_values_of_a_request_are_for_the_network() -> None:
    script = converses(lambda request: answer(FRESH, headers=["Content-Type: application/ocsp-response"]))
    with contextlib.closing(Server(script)) as server, Network() as network:
        options = options_of(responder_urls=[server.url()])
        request = Request("n", options, values={"http_agent": "a test", "use_proxy": False})
        found = dict(
            obtain_all(
                [request],
                lambda asked: Environment(network.exchange_for(asked.values), NOW),
                on_abort=network.close,
            )
        )
    assert outcome_of(found["n"]).data == FRESH
    assert b"User-Agent: a test" in server.requests[0]
