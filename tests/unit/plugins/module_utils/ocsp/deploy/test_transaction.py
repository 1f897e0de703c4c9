# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction: what is refused before anything, what goes live, who is told, and what is said."""

from __future__ import annotations

import base64
import functools
import itertools
import os
import typing as t
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import (
    asking,
    confirm,
    material,
    removal,
    sentences,
    transaction,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import plan as plans
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.confirm import Endpoint, Sight
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.plan import Plan
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import Sources, Wanted
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError, TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.refresh import obtain
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import snippets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.installation import Installation
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import pending, sets
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.fleet import Clock, Fleet
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW, Entity
from ansible_collections.certops.ocsp.tests.unit.responder import Reply, World, html, ok

W = forge.world()
WHERE = {"key": "a.key", "certificate": "a.pem", "chain": "a-chain.pem", "root": "a-rootchain.pem"}
ACCESS = sets.Access(os.geteuid(), os.getegid(), 0o400)


@functools.cache
def leaf(name: str, number: int = 1, issuer: Entity = W.issuer, urls: bool = True, demands: bool = False) -> Entity:
    extensions = [forge.subject_alt_name(name)]
    extensions += [forge.ocsp_urls(forge.URL)] if urls else []
    extensions += [forge.must_staple()] if demands else []
    return forge.leaf(
        issuer, name, private_key=forge.key("p256", f"{name}{number}"), serial=number, extensions=extensions
    )


@functools.cache
def staple(subject: Entity, age: timedelta = HOUR, status: str = "good", digest: str = "sha1") -> str:
    times = {"this_update": NOW - age, "next_update": NOW - age + 7 * DAY}
    single = forge.single(subject, status=status, digest=digest, **times)
    return base64.b64encode(forge.response(single, produced_at=NOW - age)).decode()


def wanted(subject: Entity, name: str, *services: str, **given: t.Any) -> Wanted:
    chain = given.pop("chain", W.issuer.pem)
    sources = Sources(forge.private_pem(subject.key), subject.pem, chain, given.pop("root", None), WHERE)
    kinds = tuple(service if service in ("nginx", "exim", "haproxy", "dovecot") else "" for service in services)
    return Wanted(name, sources, ACCESS, (name,), services, kinds, **given)


def unreachable(_request: t.Any, _timeout: float) -> t.NoReturn:
    raise TransportError("unreachable", "no responder is asked in these tests")


class Host:
    """A host with no servers, deployed to by the steps of the transaction."""

    def __init__(self, home: Path) -> None:
        self.layout = sets.Layout(str(home / "etc"), str(home / "var"))
        self.fleet = Fleet()
        self.clock = Clock()
        self.now = NOW

    def plan(self, *certificates: Wanted) -> Plan:
        work = planned(self, *certificates)
        asking.obtain(work, self._fetch)
        return work

    def _fetch(self, requests: t.Sequence[t.Any]) -> t.Dict[str, t.Any]:
        environment = Environment(unreachable, self.now, sleep=lambda seconds: None)
        return {one.name: obtain(one.options.target, one.options, one.current, environment) for one in requests}

    def deploy(
        self, *certificates: Wanted, endpoints: t.Sequence[Endpoint] = (Endpoint("web", "127.0.0.1", 443, ""),)
    ) -> t.Tuple[Plan, str]:
        work = self.plan(*certificates)
        with Installation(self.layout, self.fleet, 0.0, self.clock) as installation:
            transaction.renew(work, installation)
            transaction.stage(work)
            problem = transaction.switch(work, installation, self._look, endpoints)
        return work, problem

    def _look(self, endpoint: Endpoint, name: str) -> Sight:
        return Sight({}, f"nothing listens for {name}")

    def live(self, name: str) -> t.Dict[str, bytes]:
        folder = Path(self.layout.live(name))
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    def loaded(self) -> None:
        """All services have loaded all."""
        for service in pending.services(self.layout):
            pending.forget(self.layout, service)


def planned(host: Host, *certificates: Wanted) -> Plan:
    work, problems = plans.plan(host.layout, certificates, host.now, 488, host.fleet)
    assert not problems
    return work


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_set_goes_live_with_its_staple(host: Host) -> None:
    one = leaf("a.example.com")
    work, problem = host.deploy(wanted(one, "a.example.com", "web", source=staple(one)))
    assert not problem and sentences.summary(work, False) == "1 of 1 certificate changed: a.example.com"
    files = host.live("a.example.com")
    assert files["fullchain.pem"] == one.pem + W.issuer.pem and base64.b64encode(files["ocsp.der"]).decode() == staple(
        one
    )
    assert pending.read(host.layout, "web") == pending.Note(("a.example.com",), 1000.0)
    assert sets.described(host.layout.live("a.example.com")).services == ("web",)
    assert confirm.unconfirmed(host.layout) == ["web"]


@pytest.mark.parametrize("ahead", [20 * MINUTE, 3 * HOUR])
@pytest.mark.parametrize("restaged", [False, True])
@pytest.mark.parametrize("must_staple", [False, True])
def test_a_staple_stays_while_the_clock_is_behind(
    host: Host, must_staple: bool, restaged: bool, ahead: timedelta
) -> None:
    """No older one takes its place, and a new set of the same certificate has it."""
    one = leaf("a.example.com", demands=must_staple)
    host.deploy(wanted(one, "a.example.com", "web", source=staple(one)))
    host.now -= HOUR + ahead
    older = staple(one, HOUR + ahead + DAY)
    root = W.root.pem if restaged else None
    work, problem = host.deploy(wanted(one, "a.example.com", "web", source=older, root=root))
    assert not problem and work.items[0].changed is restaged and not work.items[0].lacks_staple
    assert base64.b64encode(host.live("a.example.com")["ocsp.der"]).decode() == staple(one)
    assert ("which is behind the thisUpdate of the response in place" in " ".join(work.warnings)) is (ahead > HOUR)


@pytest.mark.parametrize("age", [HOUR, 3 * HOUR], ids=["newer", "the same"])
def test_the_staple_of_a_set_that_stays_is_told_although_another_service_refuses(host: Host, age: timedelta) -> None:
    """One certificate stays and gets a newer staple, while the service of another refuses its configuration."""
    stays, changes = leaf("a.example.com"), leaf("b.example.com")
    host.deploy(
        wanted(stays, "a.example.com", "web", source=staple(stays, 3 * HOUR)),
        wanted(changes, "b.example.com", "mail", source=staple(changes)),
    )
    host.loaded()
    before = host.live("b.example.com")
    host.fleet.tests["mail"] = lambda: "broken"
    newer = leaf("b.example.com", 2)
    work, problem = host.deploy(
        wanted(stays, "a.example.com", "web", source=staple(stays, age)),
        wanted(newer, "b.example.com", "mail", source=staple(newer)),
    )
    assert "the configuration of mail was already broken before this run" in problem
    assert host.live("b.example.com") == before
    renewed = age == HOUR
    assert work.items[0].renewed is renewed
    assert pending.services(host.layout) == (["web"] if renewed else [])
    assert base64.b64encode(host.live("a.example.com")["ocsp.der"]).decode() == staple(stays, age)


def test_of_a_configuration_that_was_broken_before_both_problems_are_told(host: Host) -> None:
    """The test shows the first one now, as the new files are gone again; the second one would stay with them."""
    one = leaf("a.example.com")
    path = host.layout.live("a.example.com")
    host.fleet.tests["web"] = lambda: "bad directive" if os.path.exists(path) else "no such file"
    _work, problem = host.deploy(wanted(one, "a.example.com", "web", source=staple(one)))
    assert problem.endswith(": bad directive; without the new files: no such file"), problem


def test_a_problem_that_the_new_files_change_nothing_about_is_told_once(host: Host) -> None:
    """nginx writes the time and its process ID."""
    number = itertools.count(2600)
    host.fleet.tests["web"] = lambda: f"2026/11/30 15:31:09 [emerg] {next(number)}#0: unknown directive"
    one = leaf("a.example.com")
    _work, problem = host.deploy(wanted(one, "a.example.com", "web", source=staple(one)))
    assert problem.count("unknown directive") == 1, problem


def test_a_staple_that_a_server_ignores_is_not_missed_by_the_verification(host: Host) -> None:
    """All that was switched would be taken back for it, and a responder chooses how it answers: HAProxy reads one."""
    endpoint = Endpoint("haproxy", "127.0.0.1", 443, "")
    old, new = leaf("a.example.com"), leaf("a.example.com", 2)
    shown: t.Dict[str, t.Optional[bytes]] = {}

    def sleep(seconds: float) -> None:
        host.clock.seconds += seconds

    def serve(subject: Entity, source: str, stapled: t.Optional[bytes]) -> t.Dict[str, str]:
        host.deploy(wanted(subject, "a.example.com", "haproxy", source=source), endpoints=[endpoint])
        shown.clear()
        shown[material.fingerprint(Certificate.from_der(subject.der))] = stapled
        with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
            return confirm.verify(installation, host._look, sleep, host.clock).faults

    host._look = lambda _endpoint, _name: Sight(dict(shown))  # type: ignore[method-assign]
    assert serve(old, staple(old), base64.b64decode(staple(old))) == {}
    answers = [forge.single(one, next_update=NOW + 7 * DAY) for one in (new, old)]
    assert serve(new, base64.b64encode(forge.response(*answers)).decode(), None) == {}
    assert "ocsp.der" in host.live("a.example.com")
    shown[next(iter(shown))] = base64.b64decode(staple(old))
    third = leaf("a.example.com", 3)
    assert "served without its staple" in str(serve(third, staple(third), None))


def test_an_older_note_survives_a_refusal(host: Host) -> None:
    one = leaf("a.example.com")
    host.deploy(wanted(one, "a.example.com", "web", "mail"))
    assert pending.services(host.layout) == ["mail", "web"]
    host.fleet.tests["mail"] = lambda: "broken"
    host.deploy(wanted(leaf("a.example.com", 2), "a.example.com", "web", "mail"))
    assert host.live("a.example.com")["cert.pem"] == one.pem
    assert pending.services(host.layout) == ["mail", "web"]


def test_a_new_file_that_is_refused_is_blamed(host: Host) -> None:
    one = leaf("a.example.com")
    host.deploy(wanted(one, "a.example.com", "web"))
    host.fleet.tests["web"] = lambda: "" if host.live("a.example.com")["cert.pem"] == one.pem else "bad certificate"
    _work, problem = host.deploy(wanted(leaf("a.example.com", 2), "a.example.com", "web"))
    assert problem == "web rejected its configuration with the new files, which were rolled back: bad certificate"
    assert host.live("a.example.com")["cert.pem"] == one.pem
    assert not os.path.exists(host.layout.journal)


def test_a_large_piece_of_configuration_comes_back_whole(host: Host) -> None:
    """As of Exim with some thousand names."""
    first, second = (wanted(leaf("a.example.com", number), "a.example.com", "exim") for number in (1, 2))
    access = sets.Access(os.geteuid(), 1, 0o440)
    host.deploy(replace(first, access=access))
    sets.remove_record(host.layout)
    piece = Path(snippets.path(host.layout.root, "exim.conf"))
    piece.write_bytes(piece.read_bytes() + b"# another name\n" * 200_000)
    before = piece.read_bytes()
    host.deploy(replace(second, access=access))
    assert piece.read_bytes() != before
    with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
        assert confirm.take_back(installation) == ["a.example.com"]
    assert piece.read_bytes() == before


def test_a_change_of_snippets_alone_leaves_no_record(host: Host) -> None:
    """It would never be verified, and a failure months later would put back what the snippets were then."""
    access = sets.Access(os.geteuid(), 1, 0o440)
    one = replace(wanted(leaf("a.example.com"), "a.example.com", "exim"), access=access)
    host.deploy(one)
    sets.remove_record(host.layout)
    piece = Path(snippets.path(host.layout.root, "exim.conf"))
    piece.write_bytes(piece.read_bytes() + b"# of another time\n")
    work, _problem = host.deploy(one)
    assert not work.changed and b"another time" not in piece.read_bytes()
    assert confirm.read_record(host.layout) == {} and not os.path.exists(host.layout.transaction)


def test_a_change_of_snippets_alone_can_be_taken_back_with_what_was_switched_before(host: Host) -> None:
    access = sets.Access(os.geteuid(), 1, 0o440)
    one = wanted(leaf("a.example.com"), "a.example.com", "web")
    host.deploy(replace(one, access=access))
    piece = Path(snippets.path(host.layout.root, "exim.conf"))
    host.deploy(replace(one, access=access, services=("web", "exim"), kinds=("", "exim")))
    assert piece.exists()
    with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
        assert confirm.take_back(installation) == ["a.example.com"]
    assert not piece.exists() and not host.live("a.example.com")


def test_what_is_removed_before_a_verification_comes_back_in_no_snippet(host: Host) -> None:
    """A server would not start with a snippet that names files of a set that is gone."""
    access = sets.Access(os.geteuid(), 1, 0o440)
    stays, goes = (
        replace(wanted(leaf(name), name, "exim"), access=access) for name in ("a.example.com", "b.example.com")
    )
    host.deploy(stays, goes)
    sets.remove_record(host.layout)
    piece = Path(snippets.path(host.layout.root, "exim.conf"))
    renewed = replace(wanted(leaf("a.example.com", 2), "a.example.com", "exim"), access=access)
    host.deploy(renewed, goes)
    setup = Setup(host.layout.root, 488)
    with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
        assert removal.take_away(installation, ["b.example.com"], [], ["b.example.com"], setup, False) == ""
        assert b"b.example.com" not in piece.read_bytes()
        assert confirm.take_back(installation) == ["a.example.com"]
    assert b"a.example.com" in piece.read_bytes() and b"b.example.com" not in piece.read_bytes()


def test_what_is_removed_before_a_verification_is_not_put_back(host: Host) -> None:
    one = wanted(leaf("a.example.com"), "a.example.com", "web")
    host.deploy(one)
    with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
        setup = Setup(host.layout.root, 488)
        assert removal.take_away(installation, ["a.example.com"], [], ["a.example.com"], setup, False) == ""
    assert confirm.read_record(host.layout) == {} and confirm.unconfirmed(host.layout) == []


def test_without_a_verification_to_come_nothing_is_recorded(host: Host) -> None:
    """The first set would be kept for ever, and be what a verification goes back to years later."""
    name = "a.example.com"
    host.deploy(wanted(leaf(name, 1), name, "web"))
    assert confirm.unconfirmed(host.layout) == ["web"]
    work = host.plan(wanted(leaf(name, 2), name, "web"))
    work.verified = False
    with Installation(host.layout, host.fleet, 0.0, host.clock) as installation:
        transaction.stage(work)
        assert transaction.switch(work, installation, host._look, ()) == ""
    assert confirm.read_record(host.layout) == {} and confirm.unconfirmed(host.layout) == []


def test_only_who_needs_it_is_told_of_a_staple(host: Host) -> None:
    """Exim reads it by itself, and Dovecot has none."""
    one = leaf("a.example.com")
    services = ("nginx", "exim", "dovecot", "web")
    access = sets.Access(os.geteuid(), 1, 0o440)
    first = wanted(one, "a.example.com", *services, source=staple(one, 3 * HOUR))
    host.deploy(replace(first, access=access))
    assert pending.services(host.layout) == ["dovecot", "exim", "nginx", "web"]
    host.loaded()
    host.deploy(replace(first, access=access, source=staple(one)))
    assert pending.services(host.layout) == ["nginx", "web"]


def test_a_service_that_comes_to_a_set_that_stays_gets_its_piece_and_is_told(host: Host) -> None:
    one = leaf("a.example.com")
    host.deploy(wanted(one, "a.example.com", "web"))
    host.loaded()
    work, _problem = host.deploy(wanted(one, "a.example.com", "web", "nginx"))
    assert work.items[0].adapted and not work.items[0].changed and not work.items[0].renewed
    assert "nginx.conf" in host.live("a.example.com") and pending.services(host.layout) == ["nginx"]
    assert (
        sentences.summary(work, False)
        == "configuration snippets updated: a.example.com; without a staple so far: a.example.com"
    )
    assert sets.described(host.layout.live("a.example.com")).services == ("web", "nginx")


IGNORED = "haproxy ignores answers by a sha256 CertID"


def test_a_response_that_a_server_ignores_is_as_good_as_none_for_must_staple(host: Host) -> None:
    old, new = (leaf("a.example.com", number, demands=True) for number in (1, 2))
    host.deploy(wanted(old, "a.example.com", "haproxy", source=staple(old)))
    work, _problem = host.deploy(wanted(new, "a.example.com", "haproxy", source=staple(new, digest="sha256")))
    live = host.live("a.example.com")
    assert live["cert.pem"] == old.pem and live["ocsp.der"] == base64.b64decode(staple(old))
    assert work.items[0].held_back.startswith(f"it must not be used without a staple: {IGNORED}")
    assert work.items[0].obstacle[0] == "unfit_for_server"
    host.deploy(wanted(new, "a.example.com", "nginx", source=staple(new, digest="sha256")))
    assert host.live("a.example.com")["cert.pem"] == new.pem


def test_a_response_that_a_server_ignores_is_told_of(host: Host) -> None:
    one = leaf("a.example.com")
    work, _problem = host.deploy(wanted(one, "a.example.com", "haproxy", source=staple(one, digest="sha256")))
    assert host.live("a.example.com")["cert.pem"] == one.pem and not work.items[0].held_back
    assert len(work.warnings) == 1 and work.warnings[0].startswith(f"a.example.com: {IGNORED}")


@pytest.mark.parametrize("kind", ["nginx", "exim"])
def test_a_revoked_certificate_does_not_go_live_by_a_response_that_a_server_cannot_read(host: Host, kind: str) -> None:
    one, times = leaf("a.example.com"), {"this_update": NOW - HOUR, "next_update": NOW + 7 * DAY}
    answers = [forge.single(leaf("b.example.com", 9), **times), forge.single(one, status="revoked", **times)]
    source = base64.b64encode(forge.response(*answers, produced_at=NOW - HOUR)).decode()
    work, _problem = host.deploy(wanted(one, "a.example.com", "web", options={"server": [kind]}, source=source))
    assert host.live("a.example.com") == {} and "was revoked at" in work.items[0].held_back


def test_what_was_held_back_is_said_first(host: Host) -> None:
    one, two, three = leaf("a.example.com", demands=True), leaf("b.example.com"), leaf("c.example.com")
    work, _problem = host.deploy(
        wanted(one, "a.example.com", "web"),
        wanted(two, "b.example.com", "web"),
        wanted(three, "c.example.com", "web", source=staple(three, status="revoked")),
    )
    said = sentences.summary(work, False)
    assert said.startswith("held back: a.example.com: it must not be used without a staple: ")
    assert "; c.example.com: the certificate CN=c.example.com,O=Forge was revoked at " in said
    assert said.endswith("; 1 of 3 certificates changed: b.example.com; without a staple so far: b.example.com")
    assert host.live("a.example.com") == host.live("c.example.com") == {}
    assert [sentence for sentence in work.warnings if sentence.startswith("b.example.com: there is no staple yet")]


def test_nothing_to_do_is_said_as_well(host: Host) -> None:
    subjects = {name: leaf(name) for name in ("a.example.com", "b.example.com")}
    both = [wanted(subject, name, "web", source=staple(subject)) for name, subject in subjects.items()]
    host.deploy(*both)
    assert sentences.summary(host.plan(*both), True) == "2 certificates: up to date"
    assert sentences.summary(host.plan(both[0]), True) == "1 certificate: up to date"


def test_of_very_many_names_the_first_ones_are_said() -> None:
    names = [f"{number}.test" for number in range(25)]
    assert sentences.listed(names[:20], "; ") == "; ".join(names[:20])
    assert sentences.listed(names) == f"{', '.join(names[:20])} and 5 more"


OTHER = forge.authority("Other CA")


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({"chain": OTHER.pem}, ["a-chain.pem", "CN=Other CA"]),
        ({"chain": None, "root": OTHER.pem}, ["a-rootchain.pem"]),
        ({"chain": None}, ["the certificate of the issuer", "a.pem"]),
    ],
)
def test_a_path_that_clients_would_refuse_changes_nothing(
    host: Host, given: t.Dict[str, t.Any], sentences: t.List[str]
) -> None:
    one = leaf("a.example.com")
    (problem,) = plans.plan(host.layout, [wanted(one, "a.example.com", "web", **given)], NOW, 488, host.fleet)[1]
    assert problem.name == "a.example.com" and problem.message.startswith("a.example.com: ")
    for sentence in sentences:
        assert sentence in problem.message
    assert host.live("a.example.com") == {}


def test_a_chain_that_is_missing_is_said(host: Host) -> None:
    one = leaf("a.example.com", urls=False)
    work, _problem = host.deploy(wanted(one, "a.example.com", "web", chain=None))
    (said,) = work.warnings
    assert said.startswith("a.example.com: ") and Certificate.from_der(W.issuer.der).name in said


def test_what_is_live_and_has_expired_is_said_and_not_refused(host: Host) -> None:
    one = leaf("a.example.com", urls=False)
    certificate = wanted(one, "a.example.com", "web")
    host.deploy(certificate)
    host.now = NOW + timedelta(days=4000)
    work = host.plan(certificate)
    assert not work.changed
    assert [sentence for sentence in work.warnings if "it is live, but " in sentence and "expired" in sentence]


def test_half_a_stage_leaves_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    work = host.plan(*(wanted(leaf(name), name, "web") for name in ("a.example.com", "b.example.com")))
    real = sets.stage

    def full(layout: sets.Layout, name: str, *arguments: t.Any) -> str:
        if name == "b.example.com":
            raise FileError("no space left on device")
        return real(layout, name, *arguments)

    monkeypatch.setattr(sets, "stage", full)
    with pytest.raises(FileError):
        transaction.stage(work)
    assert all(os.listdir(host.layout.sets(name)) == [] for name in sets.all_names(host.layout))


def ask_thrice(work: Plan, reply: Reply) -> t.Tuple[t.List[int], t.List[t.List[str]]]:
    """Obtain responses from a responder that says one thing: when it was waited, and who was asked each time."""
    waits: t.List[int] = []
    asked: t.List[t.List[str]] = []

    def retry(attempt: int) -> bool:
        waits.append(attempt)
        return attempt < 3

    def fetch(requests: t.Sequence[t.Any]) -> t.Dict[str, t.Any]:
        asked.append([one.name for one in requests])
        environment = World(reply).environment(NOW)
        return {one.name: obtain(one.options.target, one.options, one.current, environment) for one in requests}

    asking.obtain(work, fetch, retry)
    return waits, asked


NOT_YET = ok(forge.error_response("unauthorized"))
REFUSED = TransportError("unreachable", "connection refused")
WAITS = [
    pytest.param(NOT_YET, True, True, id="not known yet"),
    pytest.param(ok(forge.error_response("try_later")), True, True, id="try later"),
    pytest.param(ok(forge.error_response("malformed_request")), False, False, id="request refused"),
    pytest.param(REFUSED, True, False, id="connection refused"),
    pytest.param(TransportError("timeout", "too slow"), True, False, id="timeout"),
    pytest.param(html(503), True, False, id="503"),
    pytest.param(html(404), True, False, id="404"),
    pytest.param(html(403), False, False, id="403"),
    pytest.param(TransportError("unreachable", "Name or service not known", permanent=True), False, False, id="name"),
    pytest.param(TransportError("url_refused", "only http"), False, False, id="URL refused"),
    pytest.param(ok(b"garbage"), False, False, id="garbage"),
]


@pytest.mark.parametrize(("reply", "demanding", "other"), WAITS)
def test_waiting_is_for_what_may_pass(host: Host, reply: Reply, demanding: bool, other: bool) -> None:
    one, two = leaf("a.example.com", demands=True), leaf("b.example.com", 2)
    both = [wanted(one, "a.example.com", "web"), wanted(two, "b.example.com", "web")]
    waits, asked = ask_thrice(planned(host, *both), reply)
    names = [name for name, waiting in (("a.example.com", demanding), ("b.example.com", other)) if waiting]
    assert asked == [["a.example.com", "b.example.com"], *([names] * 2 if names else [])]
    assert waits == ([1, 2, 3] if names else [])


def test_who_was_waited_for_is_known(host: Host) -> None:
    work = planned(host, wanted(leaf("a.example.com"), "a.example.com", "web"))
    ask_thrice(work, NOT_YET)
    assert work.waited_for == ["a.example.com"]
    assert work.warnings == [f"a.example.com: there is no staple yet: {work.items[0].outcome.fetch_error.message}"]  # type: ignore[union-attr]


def test_a_set_that_stays_is_not_waited_for(host: Host) -> None:
    one = wanted(leaf("a.example.com", demands=True), "a.example.com", "web")
    assert host.deploy(replace(one, source=staple(leaf("a.example.com", demands=True))))[1] == ""
    host.now = NOW + 9 * DAY
    work = planned(host, one)
    assert work.items[0].reasons == []
    assert ask_thrice(work, REFUSED)[0] == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"source": "%"}, "response_content is not Base64; encode the DER of the response, for example with b64encode"),
        ({"options": {"timeout": 0}}, "timeout: 0 is not a number of seconds between 0 and 86400"),
    ],
)
def test_what_cannot_be_used_to_get_a_response_stops_all(host: Host, given: t.Dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        host.plan(wanted(leaf("a.example.com"), "a.example.com", "web", **given))
    assert caught.value.message == f"nothing was changed: a.example.com: {sentence}"


def test_a_certificate_that_cannot_be_asked_about_stops_all(host: Host) -> None:
    work = planned(host, wanted(leaf("a.example.com"), "a.example.com", "web"))
    with pytest.raises(InputError, match=r"^nothing was changed: a\.example\.com: too large$"):
        asking.obtain(work, lambda requests: {one.name: InputError("too large") for one in requests})
