# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses fetched on the controller: a responder is asked once for all hosts of a play, whatever it answers."""

from __future__ import annotations

import base64
import multiprocessing
import time
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.wire import with_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files
from ansible_collections.certops.ocsp.plugins.plugin_utils._fetching import Answer, Fetcher, proofs
from ansible_collections.certops.ocsp.tests.unit import forge, http_server

NOW = datetime.now(timezone.utc).replace(microsecond=0)
VALID: t.Dict[str, t.Any] = {"not_before": NOW - 30 * forge.DAY, "not_after": NOW + 60 * forge.DAY}
ISSUER = forge.authority("Fetching CA", **VALID)
_FORK = multiprocessing.get_context("fork")


def leaf(server: http_server.Server, name: str = "www.example.com") -> forge.Entity:
    return forge.leaf(ISSUER, name, extensions=[forge.ocsp_urls(server.url()), forge.subject_alt_name(name)], **VALID)


def response_for(*subjects: forge.Entity, **more: t.Any) -> bytes:
    answers = [
        forge.single(one, ISSUER, this_update=NOW - forge.HOUR, next_update=NOW + 6 * forge.DAY, **more)
        for one in subjects
    ]
    return forge.response(*answers, signer=ISSUER, certificates=[], produced_at=NOW - forge.HOUR)


def values_of(one: forge.Entity, **options: t.Any) -> t.Dict[str, t.Any]:
    content = one.pem.decode() + ISSUER.pem.decode()
    return {"certificate_content": content, "retries": 0, "method": "post", "certid_digest": "sha1", **options}


@pytest.fixture
def serve() -> t.Iterator[t.Callable[[t.Callable[[], bytes]], http_server.Server]]:
    servers: t.List[http_server.Server] = []

    def start(reply: t.Callable[[], bytes]) -> http_server.Server:
        def script(peer: http_server.Peer) -> None:
            peer.read_request()
            peer.server.stopped.wait(0.2)
            peer.send(reply())

        servers.append(http_server.Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def fetch_as_a_host(cache: str, notes: str, check: bool, wanted: t.Dict[str, t.Dict[str, t.Any]], told: t.Any) -> None:
    told.put(dict(Fetcher(cache, notes, check, 4).fetch(wanted)))


def fetch_for_hosts(
    tmp_path: Path, wanted: t.Dict[str, t.Dict[str, t.Any]], hosts: int = 4, check: bool = False
) -> t.List[t.Dict[str, Answer]]:
    """What each of several hosts gets, whose processes run side by side."""
    (tmp_path / "notes").mkdir(exist_ok=True)
    told = _FORK.Queue()
    places = (str(tmp_path / "cache"), str(tmp_path / "notes"), check)
    processes = [_FORK.Process(target=fetch_as_a_host, args=(*places, wanted, told)) for _host in range(hosts)]
    for process in processes:
        process.start()
    answers = [told.get(timeout=60) for _host in processes]
    for process in processes:
        process.join(60)
    return answers


@pytest.mark.parametrize("check", [False, True])
def test_a_responder_is_asked_once_for_all_hosts(tmp_path: Path, serve: t.Any, check: bool) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one = leaf(server)
    bodies.append(response_for(one))
    answers = fetch_for_hosts(tmp_path, {"www.example.com": values_of(one)}, check=check)
    assert answers == [{"www.example.com": Answer(base64.b64encode(bodies[0]).decode())}] * 4
    assert len(server.requests) == 1
    assert len(list(tmp_path.glob("cache/*.der"))) == (0 if check else 1)


@pytest.mark.parametrize("check", [False, True])
def test_the_next_play_finds_it_fresh(tmp_path: Path, serve: t.Any, check: bool) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one = leaf(server)
    bodies.append(response_for(one))
    fetch_for_hosts(tmp_path, {"www.example.com": values_of(one)}, hosts=1)
    (tmp_path / "notes").rename(tmp_path / "earlier")
    answers = fetch_for_hosts(tmp_path, {"www.example.com": values_of(one)}, hosts=2, check=check)
    assert [answer["www.example.com"].response for answer in answers] == [base64.b64encode(bodies[0]).decode()] * 2
    assert len(server.requests) == 1


def test_a_responder_that_fails_is_not_asked_again_for_another_host(tmp_path: Path, serve: t.Any) -> None:
    server = serve(lambda: http_server.answer(b"down", status="500 Internal Server Error"))
    answers = fetch_for_hosts(tmp_path, {"www.example.com": values_of(leaf(server))})
    assert {answer["www.example.com"].response for answer in answers} == {None}
    ((problem, code),) = {(answer["www.example.com"].problem, answer["www.example.com"].code) for answer in answers}
    assert "500" in problem and code == "http_error" and len(server.requests) == 1


def test_a_host_waits_for_no_certificate_but_its_own(tmp_path: Path, serve: t.Any) -> None:
    """Another one has a responder that hangs, beside the same healthy one."""
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    hanging = http_server.Server(lambda peer: peer.hold())
    one, other = leaf(server), leaf(hanging, "other.example.com")
    bodies.append(response_for(one))
    times = {"timeout": 10.0, "total_timeout": 10.0}
    both = {"hangs": values_of(other, **times), "well": values_of(one, **times)}
    (tmp_path / "notes").mkdir()
    places = (str(tmp_path / "cache"), str(tmp_path / "notes"), False)
    first = _FORK.Process(target=fetch_as_a_host, args=(*places, both, _FORK.Queue()))
    first.start()
    try:
        while not server.requests:
            time.sleep(0.01)
        began = time.monotonic()
        answers = Fetcher(*places, 4).fetch({"well": values_of(one, **times)})
        assert answers["well"].response == base64.b64encode(bodies[0]).decode() and time.monotonic() - began < 8
        assert first.is_alive()
    finally:
        first.terminate()
        first.join()
        hanging.close()


def test_a_turn_that_does_not_come_costs_one_response_and_not_the_host(tmp_path: Path, serve: t.Any) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one, other = leaf(server), leaf(server, "other.example.com")
    bodies.append(response_for(one, other))
    wanted = {"www": values_of(one), "other": values_of(other, timeout=0.5, total_timeout=1.0)}
    fetcher = Fetcher(str(tmp_path / "cache"), str(tmp_path / "notes"), False, 4)
    lock = Path(fetcher._note(fetcher._job("other", wanted["other"]))).with_suffix(".lock")
    with files.lock_file(str(lock), "it", 1.0):
        answers = fetcher.fetch(wanted)
    assert answers["www"].response and answers["other"].response is None
    assert "has held the lock" in answers["other"].problem
    assert fetcher.fetch(wanted)["other"].response


def test_half_a_note_of_a_process_that_was_killed_is_none(tmp_path: Path, serve: t.Any) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one = leaf(server)
    bodies.append(response_for(one))
    fetcher = Fetcher(str(tmp_path / "cache"), str(tmp_path / "notes"), False, 4)
    Path(fetcher._note(fetcher._job("a", values_of(one)))).write_text('{"response": "MII')
    assert fetcher.fetch({"a": values_of(one)})["a"].response == base64.b64encode(bodies[0]).decode()


def test_one_certificate_that_cannot_be_used_stops_no_other(tmp_path: Path, serve: t.Any) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one = leaf(server)
    bodies.append(response_for(one))
    lonely = {**values_of(leaf(server, "other.example.com")), "certificate_content": one.pem.decode()}
    (answers,) = fetch_for_hosts(tmp_path, {"good": values_of(one), "lonely": lonely}, hosts=1)
    assert answers["good"].response and not answers["good"].problem
    assert answers["lonely"].response is None and "issuer" in answers["lonely"].problem


def test_a_certificate_without_responder_is_no_problem(tmp_path: Path, serve: t.Any) -> None:
    one = forge.leaf(ISSUER, "sunset.example.com", extensions=[], **VALID)
    (answers,) = fetch_for_hosts(tmp_path, {"sunset": values_of(one)}, hosts=1)
    assert answers == {"sunset": Answer(None)}


@pytest.mark.parametrize("check", [False, True])
def test_each_host_and_the_next_run_learn_of_a_revocation(tmp_path: Path, serve: t.Any, check: bool) -> None:
    bodies: t.List[bytes] = []
    server = serve(lambda: http_server.answer(bodies[0], headers=["Content-Type: application/ocsp-response"]))
    one, other = leaf(server), leaf(server, "other.example.com")
    bodies.append(response_for(one, status="revoked", revocation_time=NOW - forge.HOUR))
    answers = fetch_for_hosts(tmp_path, {"www.example.com": values_of(one)}, check=check)
    # Without certificates that it does not need, which anybody on the way can add.
    proof = base64.b64encode(with_certificates(bodies[0], ())).decode()
    assert answers == [{"www.example.com": Answer(proof)}] * 4 and len(server.requests) == 1
    cache = str(tmp_path / "cache")
    # With its chain or without, and not for another certificate of this name.
    for known in (one.pem, one.pem + ISSUER.pem):
        found = proofs(cache, {"www.example.com": known, "other": other.pem, "damaged": b"x"})
        assert found == ({} if check else {"www.example.com": proof})
    assert proofs(cache, {"www.example.com": other.pem}) == {}
    assert proofs(str(tmp_path / "nothing"), {"www.example.com": one.pem}) == {}
