# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Way, Ways
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.ladder import Fetched, fetch
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import Options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.responder import Reply, World, failure, html, ok

URL = "http://ocsp.example.com"
OTHER = "http://ocsp2.example.com"
GOOD = forge.response()
REVOKED = forge.response(forge.single(status="revoked", reason="key_compromise"))
EXPIRED = forge.response(forge.single(this_update=forge.NOW - 8 * forge.DAY, next_update=forge.NOW - forge.DAY))
UNAUTHORIZED = forge.error_response("unauthorized")
TRY_LATER = forge.error_response("try_later")
LONG_URL = "http://ocsp.example.com/" + 200 * "a"


def run(world: World, ways: t.Optional[Ways] = None, now: datetime = forge.NOW, **options: t.Any) -> Fetched:
    place = forge.world()
    leaf, issuer = Certificate.from_der(place.leaf.der), Certificate.from_der(place.issuer.der)
    options = {"responder_urls": (URL,), **options}
    return fetch(
        Options("/x", leaf, Target(leaf, issuer), **options),
        Target(leaf, issuer),
        world.environment(now, ways),
    )


def steps(fetched: Fetched) -> t.List[str]:
    return [f"{attempt.method} {attempt.certid_digest} {attempt.code}" for attempt in fetched.attempts]


def test_one_request_is_enough() -> None:
    world = World(ok(GOOD))
    fetched = run(world)
    assert fetched.error is None
    assert fetched.data == GOOD
    assert fetched.url == URL
    assert steps(fetched) == ["get sha1 None"]
    assert fetched.attempts[0].http_status == 200
    assert world.requests[0].url.startswith(URL + "/ME") and not world.requests[0].no_cache


LADDER = [
    pytest.param({}, [html(404), ok(GOOD)], ["get sha1 http_error", "post sha1 None"], id="post-when-get-fails"),
    pytest.param({}, [html(500), ok(GOOD)], ["get sha1 http_error", "post sha1 None"], id="post-after-500"),
    pytest.param({}, [html(), ok(GOOD)], ["get sha1 malformed", "post sha1 None"], id="post-after-html"),
    pytest.param(
        {},
        [ok(UNAUTHORIZED), ok(UNAUTHORIZED), ok(GOOD)],
        ["get sha1 not_successful", "post sha1 not_successful", "get sha256 None"],
        id="sha256-when-unauthorized",
    ),
    pytest.param(
        {"certid_digest": "sha1"},
        [ok(UNAUTHORIZED)],
        ["get sha1 not_successful", "post sha1 not_successful"],
        id="sha1-alone",
    ),
    pytest.param({"certid_digest": "sha256"}, [ok(GOOD)], ["get sha256 None"], id="sha256-alone"),
    pytest.param({"method": "post"}, [ok(GOOD)], ["post sha1 None"], id="post-alone"),
    pytest.param({"method": "get"}, [html(404)], ["get sha1 http_error"], id="get-alone"),
    pytest.param({"responder_urls": (LONG_URL,)}, [ok(GOOD)], ["post sha1 None"], id="post-for-a-long-url"),
    pytest.param(
        {"responder_urls": (LONG_URL,), "method": "get"}, [ok(GOOD)], ["get sha1 None"], id="get-for-a-long-url-if-told"
    ),
    pytest.param(
        {"responder_urls": (URL, OTHER)},
        [failure("url_refused"), ok(GOOD)],
        ["get sha1 url_refused", "get sha1 None"],
        id="next-url",
    ),
    pytest.param(
        {}, [ok(EXPIRED), ok(GOOD)], ["get sha1 expired", "get sha1 None"], id="past-the-cache-after-an-expired-answer"
    ),
    pytest.param({}, [ok(GOOD, content_type="text/html")], ["get sha1 None"], id="a-wrong-type-alone-is-no-reason"),
    pytest.param(
        {},
        [failure("unreachable"), ok(GOOD)],
        ["get sha1 unreachable", "get sha1 None"],
        id="again-when-unreachable",
    ),
    pytest.param(
        {},
        [ok(TRY_LATER), ok(TRY_LATER), ok(GOOD)],
        ["get sha1 not_successful"] + ["post sha1 not_successful", "get sha1 None"],
        id="again-when-asked-to-try-later",
    ),
]


@pytest.mark.parametrize(("options", "replies", "expected"), LADDER)
def test_ladder(options: t.Dict[str, t.Any], replies: t.List[Reply], expected: t.List[str]) -> None:
    assert steps(run(World(*replies), retries=1, **options)) == expected


@pytest.mark.parametrize(
    ("replies", "transient"),
    [
        ([ok(GOOD)], False),
        ([ok(REVOKED)], False),
        ([failure("unreachable"), failure("url_refused")], True),
        ([failure("url_refused"), failure("unreachable")], True),
        ([failure("url_refused")], False),
        ([failure("timeout"), ok(GOOD)], False),
    ],
)
def test_one_responder_that_may_do_better_is_worth_asking_again(replies: t.List[Reply], transient: bool) -> None:
    assert run(World(*replies), responder_urls=(URL, OTHER), retries=0).transient is transient


def test_only_the_repeated_request_goes_past_caches() -> None:
    world = World(ok(EXPIRED))
    run(world, method="get")
    assert [request.no_cache for request in world.requests] == [False, True]


def test_revoked_is_final() -> None:
    world = World(ok(REVOKED), ok(GOOD))
    fetched = run(world, responder_urls=(URL, OTHER))
    assert fetched.error is not None and fetched.error.code == "revoked"
    assert fetched.judgement is not None and fetched.judgement.revocation_reason == "key_compromise"
    assert len(world.requests) == 1


def test_a_forged_revocation_is_not_final() -> None:
    forged = forge.response(forge.single(status="revoked"), flip_signature=True)
    fetched = run(World(ok(forged), ok(GOOD)))
    assert steps(fetched) == ["get sha1 bad_signature", "post sha1 None"]


@pytest.mark.parametrize(
    ("reply", "retried"),
    [
        (failure("unreachable"), True),
        (failure("timeout"), True),
        (failure("proxy_error"), True),
        (html(503), True),
        (ok(TRY_LATER), True),
        (failure("url_refused"), False),
        (failure("too_large"), False),
        (html(404), False),
        (html(), False),
        (ok(UNAUTHORIZED), False),
        (ok(GOOD[:-1]), False),
    ],
)
def test_retries_are_for_what_may_pass(reply: Reply, retried: bool) -> None:
    world = World(reply)
    assert run(world, retries=2).error is not None
    assert world.pauses == ([1.0, 2.0] if retried else [])


def test_fallbacks_do_not_use_up_retries() -> None:
    world = World(html(503))
    fetched = run(world, retries=1)
    assert steps(fetched) == ["get sha1 http_error", "post sha1 http_error"] * 2


def test_retry_after_is_honoured() -> None:
    world = World(html(503, retry_after=7.0))
    run(world, method="get", retries=1)
    assert world.pauses == [7.0]


def test_a_retry_after_beyond_the_total_timeout_ends_the_run() -> None:
    world = World(html(503, retry_after=3600.0))
    fetched = run(world, method="get", total_timeout=60.0)
    assert fetched.error is not None and fetched.error.code == "http_error"
    assert world.pauses == []
    assert len(world.requests) == 1


def test_everything_ends_within_the_total_timeout() -> None:
    world = World(failure("timeout"))
    world.exchange_takes = 10.0
    fetched = run(world, responder_urls=(URL, OTHER), retries=100, total_timeout=35.0)
    assert world.seconds <= 45.0
    assert world.timeouts == [8.75, 10.0, 7.0, 4.0]
    assert fetched.error is not None and fetched.error.code == "timeout"


def test_an_attempt_that_was_not_made_is_not_listed() -> None:
    world = World(html(404))
    world.exchange_takes = 60.0
    fetched = run(world, total_timeout=50.0)
    assert len(fetched.attempts) == len(world.requests) == 1
    assert fetched.error is not None and fetched.error.code == "timeout"
    assert "total_timeout of 50 seconds" in fetched.error.message


def test_the_word_of_a_responder_outweighs_one_that_was_not_reached() -> None:
    replies = {URL: ok(UNAUTHORIZED), OTHER: failure("unreachable")}
    world = World(answer=lambda request: replies[OTHER if request.url.startswith(OTHER) else URL])
    fetched = run(world, responder_urls=(URL, OTHER))
    assert fetched.error is not None
    assert fetched.error.code == "not_successful"
    assert fetched.error.message.startswith(f"{URL}: ")
    assert "unauthorized" in fetched.error.message


@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_ocsp_error_under_an_http_error_is_read(status: int) -> None:
    fetched = run(World(ok(UNAUTHORIZED, status=status)))
    assert fetched.error is not None and fetched.error.code == "not_successful"
    assert {attempt.http_status for attempt in fetched.attempts} == {status}


def test_a_good_response_under_an_http_error_is_accepted_with_a_warning() -> None:
    fetched = run(World(ok(GOOD, status=500)))
    assert fetched.error is None and fetched.judgement is not None
    assert fetched.judgement.warnings == ["http_error"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (html(), "not an OCSP response (text/html), maybe the page of a proxy or a login on the way to it"),
        (ok(b"no", content_type="text/plain"), "not an OCSP response (text/plain)"),
        (html(403), "HTTP status 403"),
        (ok(b""), "empty body"),
        (ok(b"\x30\x80"), "not well-formed"),
    ],
)
def test_the_message_says_what_came_instead(reply: Reply, words: str) -> None:
    error = run(World(reply)).error
    assert error is not None and words in error.message and URL in error.message
    assert "\n" not in error.message


def test_a_nonce_is_sent_and_compared() -> None:
    world = World(ok(forge.response(extensions=[forge.nonce(b"x" * 32)])))
    fetched = run(world, nonce=True, method="post")
    assert b"\x5a" * 32 in (world.requests[0].body or b"")
    assert fetched.error is not None and fetched.error.code == "nonce_mismatch"


@pytest.mark.parametrize(
    ("offset", "date_offset", "implausible"),
    [
        (-3 * forge.HOUR, 0 * forge.HOUR, True),
        (3 * forge.HOUR, 0 * forge.HOUR, False),
        (0 * forge.HOUR, 0 * forge.HOUR, False),
        (-3 * forge.HOUR, -3 * forge.HOUR, False),
    ],
    ids=["behind", "ahead-of-date-but-fresh", "right", "date-agrees"],
)
def test_a_wrong_clock_is_said(offset: t.Any, date_offset: t.Any, implausible: bool) -> None:
    fresh = forge.response(
        forge.single(this_update=forge.NOW, next_update=forge.NOW + forge.DAY), produced_at=forge.NOW
    )
    place = forge.world()
    leaf, issuer = Certificate.from_der(place.leaf.der), Certificate.from_der(place.issuer.der)
    world = World(ok(fresh, date=forge.NOW + date_offset))
    fetched = fetch(
        Options("/x", leaf, Target(leaf, issuer), responder_urls=(URL,)),
        Target(leaf, issuer),
        world.environment(forge.NOW + offset),
    )
    assert fetched.judgement is not None
    codes = [finding.code for finding in fetched.judgement.findings]
    assert ("clock_implausible" in codes) is (implausible or offset > forge.HOUR)
    if implausible:
        assert fetched.error is not None and "check the time of this host" in fetched.error.message


def test_get_and_post_carry_the_same_request() -> None:
    world = World(html(404), ok(GOOD))
    run(world)
    get, post = world.requests
    assert get.body is None
    assert post == HttpRequest(URL, forge.request(forge.world().leaf, forge.world().issuer), False)


# What stands between a responder and its clients may refuse one way to ask


@pytest.mark.parametrize("code", ["unreachable", "timeout", "proxy_error", "too_large", "url_refused", "http_error"])
def test_a_request_that_broke_a_connection_is_made_in_the_other_way(code: str) -> None:
    fetched = run(World(failure(code, reached=True), ok(GOOD)), retries=0)
    assert steps(fetched) == [f"get sha1 {code}", "post sha1 None"]


@pytest.mark.parametrize(
    "reply", [failure("unreachable"), failure("timeout"), failure("proxy_error", reached=True, permanent=True)]
)
def test_whoever_cannot_be_connected_to_is_not_asked_in_the_other_way(reply: Reply) -> None:
    assert len(run(World(reply), retries=0).attempts) == 1


@pytest.mark.parametrize(("timeout", "total", "times"), [(60.0, 60.0, [30.0, 30.0]), (10.0, 12.0, [6.0, 6.0])])
def test_one_way_that_hangs_leaves_time_for_the_other(timeout: float, total: float, times: t.List[float]) -> None:
    world = World(answer=lambda request: failure("timeout", reached=True) if request.body is None else ok(GOOD))
    world.exchange_takes = total / 2
    fetched = run(world, timeout=timeout, total_timeout=total)
    assert fetched.error is None
    assert world.timeouts == times


def no_get(request: HttpRequest) -> Reply:
    return failure("unreachable", reached=True) if request.body is None else ok(GOOD)


def get_is_unauthorized(request: HttpRequest) -> Reply:
    return ok(UNAUTHORIZED) if request.body is None else ok(GOOD)


def only_sha256(request: HttpRequest) -> Reply:
    by_sha256 = "BglghkgBZQMEAgE" in request.url or bytes.fromhex("608648016503040201") in (request.body or b"")
    return ok(GOOD) if by_sha256 else ok(UNAUTHORIZED)


def no_get_and_not_yet_known(request: HttpRequest) -> Reply:
    return failure("timeout", reached=True) if request.body is None else ok(UNAUTHORIZED)


@pytest.mark.parametrize(
    ("answer", "way"),
    [
        (no_get, "post sha1"),
        (get_is_unauthorized, "post sha1"),
        (only_sha256, "get sha256"),
        (no_get_and_not_yet_known, "post sha1"),
    ],
)
def test_the_next_run_begins_with_what_worked(answer: t.Callable[[HttpRequest], Reply], way: str) -> None:
    ways = Ways()
    first = run(World(answer=answer), ways)
    assert len(first.attempts) > 1
    (known,) = ways.known(forge.NOW).items()
    assert known == (URL, Way(*way.split(), since=forge.NOW))
    second = run(World(answer=answer), ways, forge.NOW + 6 * forge.DAY)
    assert steps(second)[0].startswith(way)
    assert ways.known(forge.NOW + 6 * forge.DAY) == dict([known])


@pytest.mark.parametrize("server", ["haproxy", "nginx"])
def test_what_an_unsigned_error_leads_to_is_not_remembered_for_who_cannot_use_it(server: str) -> None:
    ways = Ways()
    assert steps(run(World(answer=only_sha256), ways, servers=(server,)))[-1] == "get sha256 None"
    assert bool(ways.known(forge.NOW)) == (server == "nginx")


@pytest.mark.parametrize(("servers", "first"), [((), "get sha256"), (("nginx", "haproxy"), "get sha1")])
def test_who_cannot_use_sha256_is_asked_for_by_sha1_whatever_others_found_out(
    servers: t.Tuple[str, ...], first: str
) -> None:
    ways = Ways({URL: Way("get", "sha256", forge.NOW)})
    assert steps(run(World(ok(GOOD)), ways, servers=servers)) == [f"{first} None"]
    assert ways.known(forge.NOW) == {URL: Way("get", "sha256", forge.NOW)}


def test_the_usual_way_is_tried_again_after_a_week() -> None:
    ways = Ways()
    run(World(answer=no_get), ways, forge.NOW - 7 * forge.DAY)
    assert steps(run(World(ok(GOOD)), ways)) == ["get sha1 None"]
    assert ways.known(forge.NOW) == {}


def test_a_way_that_was_found_out_in_the_future_is_not_believed() -> None:
    ways = Ways({URL: Way("post", "sha1", forge.NOW + forge.DAY)})
    assert steps(run(World(ok(GOOD)), ways)) == ["get sha1 None"]


def test_a_way_that_no_longer_works_gives_way_to_the_others() -> None:
    ways = Ways({URL: Way("post", "sha256", forge.NOW)})
    fetched = run(World(html(405), html(404), html(500), ok(GOOD)), ways)
    assert steps(fetched)[-1] == "get sha1 None"
    assert {step[:11].strip() for step in steps(fetched)} == {"post sha256", "get sha256", "post sha1 h", "get sha1 No"}
    assert steps(run(World(ok(GOOD)), ways)) == ["get sha1 None"]


def test_what_an_option_demands_is_done_whatever_is_known() -> None:
    ways = Ways({URL: Way("post", "sha256", forge.NOW)})
    assert steps(run(World(ok(GOOD)), ways, method="get", certid_digest="sha1")) == ["get sha1 None"]


def test_responders_are_known_apart() -> None:
    ways = Ways()
    run(World(answer=no_get), ways)
    assert steps(run(World(ok(GOOD)), ways)) == ["post sha1 None"]
    assert steps(run(World(ok(GOOD)), ways, responder_urls=(OTHER,))) == ["get sha1 None"]


# Responders that ask for a pause


@pytest.mark.parametrize(
    "reply",
    [
        html(429),
        html(429, retry_after=1.0),
        html(503, retry_after=1.0),
        html(502, retry_after=1.0),
        html(425, retry_after=1.0),
        ok(TRY_LATER, retry_after=1.0),
    ],
)
def test_a_pause_that_is_asked_for_is_made_before_anything_else(reply: Reply) -> None:
    world = World(reply, ok(GOOD))
    assert [step[:8] for step in steps(run(world))] == ["get sha1", "get sha1"]
    assert world.pauses == [1.0]


def test_a_responder_that_turns_away_for_good_is_asked_in_the_other_way_as_well() -> None:
    world = World(answer=lambda request: html(503, retry_after=2.0) if request.body is None else ok(GOOD))
    assert [step[:9] for step in steps(run(world))] == ["get sha1 ", "get sha1 ", "post sha1"]


def without_get(status: int = 503, wait: float = 86400.0) -> t.Callable[[HttpRequest], Reply]:
    """A responder behind a cache that is away for good."""
    return lambda request: html(status, retry_after=wait) if request.body is None else ok(GOOD)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    "options",
    [{"total_timeout": 60.0}, {"total_timeout": 60.0, "retries": 0}, {"total_timeout": 90000.0, "retries": 0}],
)
def test_a_pause_for_which_there_is_no_time_is_no_reason_not_to_post(status: int, options: t.Dict[str, t.Any]) -> None:
    """Once in a run, and in the next one at once."""
    ways, world = Ways(), World(answer=without_get(status))
    fetched = run(world, ways, **options)
    assert fetched.error is None and world.pauses == []
    assert steps(fetched) == ["get sha1 http_error", "post sha1 None"]
    assert steps(run(World(answer=without_get(status)), ways, **options)) == ["post sha1 None"]


def test_a_responder_that_came_to_refuse_post_is_asked_by_get() -> None:
    ways = Ways()
    run(World(answer=without_get()), ways, retries=0)
    world = World(answer=lambda request: ok(GOOD) if request.body is None else html(503, retry_after=86400.0))
    assert steps(run(world, ways)) == ["post sha1 http_error", "get sha1 None"]


@pytest.mark.parametrize("reply", [html(429, retry_after=3600.0), ok(TRY_LATER, retry_after=3600.0), html(429)])
def test_who_asks_too_often_does_not_ask_in_another_way(reply: Reply) -> None:
    world = World(reply)
    run(world, retries=0)
    assert len(world.requests) == 1


def test_a_responder_that_is_busy_in_both_ways_is_asked_in_one_for_the_others() -> None:
    ways, world = Ways(), World(html(503, retry_after=3600.0))
    for _certificate in range(4):
        assert run(world, ways, retries=0).retry_after == 3600.0
    assert [request.body is None for request in world.requests] == [True, False, True, True, True]


def test_each_responder_gets_the_pause_that_it_asked_for() -> None:
    replies = {URL: html(503, retry_after=30.0), OTHER: html(429, retry_after=5.0)}
    world = World(answer=lambda request: replies[OTHER if request.url.startswith(OTHER) else URL])
    run(world, responder_urls=(URL, OTHER), method="post", retries=2)
    assert [request.url for request in world.requests] == [URL, OTHER, OTHER, OTHER]
    assert world.pauses == [5.0, 5.0]


def test_a_pause_that_passed_while_another_responder_was_slow_is_over() -> None:
    def answer(request: HttpRequest) -> Reply:
        if request.url.startswith(OTHER):
            world.seconds += 6.0 if world.pauses else 0.0
            return html(500)
        return html(429, retry_after=5.0)

    world = World(answer=answer)
    run(world, responder_urls=(URL, OTHER), method="post", retries=2)
    assert [request.url for request in world.requests] == [URL, OTHER, OTHER, URL]
    assert world.pauses == [1.0, 0.0]


def test_a_slow_responder_leaves_time_for_another_one() -> None:
    """Even if it says each time what has it asked in another way."""
    nonsense = [ok(EXPIRED), ok(UNAUTHORIZED)] * 9

    def answer(request: HttpRequest) -> Reply:
        if request.url.startswith(OTHER):
            return ok(GOOD)
        world.seconds += 9.5
        return nonsense.pop()

    world = World(answer=answer)
    fetched = run(world, responder_urls=(URL, OTHER), timeout=10.0, total_timeout=30.0)
    assert fetched.error is None and fetched.url == OTHER


def test_how_long_to_wait_is_said() -> None:
    error = run(World(html(429, retry_after=3600.0))).error
    assert error is not None
    assert error.message == (
        f"{URL} answered with the HTTP status 429 (text/html) and asks to wait 3600 s before the next request"
    )


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_body_that_was_compressed_unasked_is_named(encoding: str) -> None:
    packed = HttpResponse(200, b"\x1f\x8b\x08", "application/ocsp-response", content_encoding=encoding)
    error = run(World(packed)).error
    assert error is not None and error.code == "malformed"
    assert f"compressed body (Content-Encoding: {encoding})" in error.message


def test_a_body_that_is_only_said_to_be_compressed_is_read() -> None:
    assert run(World(ok(GOOD, content_encoding="gzip"))).error is None


@pytest.mark.parametrize("url", ["ldap://dir.example.com/cn=ocsp", "http:///ocsp", "http://a b/", "ocsp.example.com"])
def test_a_url_that_is_refused_is_shown_as_it_is(url: str) -> None:
    world = World(ok(GOOD))
    error = run(world, responder_urls=(url,)).error
    assert error is not None and error.code == "url_refused"
    assert f"the URL {url} is refused: " in error.message
    assert world.requests == []


def test_the_last_failure_is_said_where_no_time_is_left_for_another_exchange() -> None:
    world = World(html(500))
    world.exchange_takes = 59.2
    error = run(world, total_timeout=59.5, retries=5).error
    assert error is not None and error.code == "timeout"
    assert error.message == (
        f"{URL} answered with the HTTP status 500 (text/html); the total_timeout of 59.5 seconds is over"
    )
    assert len(world.requests) == 1


@pytest.mark.parametrize("remembered", [None, Way("post", "sha1", forge.NOW)], ids=["first", "later"])
@pytest.mark.parametrize("refused", [ok(forge.error_response("malformed_request")), html(405)], ids=["ocsp", "http"])
def test_what_is_said_of_a_certificate_counts_more_than_a_method_that_is_refused(
    refused: Reply, remembered: t.Optional[Way]
) -> None:
    """A responder that answers POST alone may know the certificate in some minutes, whichever is asked last."""
    unknown = ok(forge.response(forge.single(status="unknown")))
    world = World(answer=lambda request: refused if request.body is None else unknown)
    fetched = run(world, Ways({URL: remembered} if remembered else {}), certid_digest="auto")
    assert fetched.error is not None and fetched.error.code == "unknown_status"
    assert "does not know the certificate" in fetched.error.message
    assert fetched.transient
