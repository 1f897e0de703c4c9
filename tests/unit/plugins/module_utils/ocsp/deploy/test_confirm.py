# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a switch: what is served decides whether it stays."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import confirm, material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.confirm import Endpoint, Sight
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.installation import Installation
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import pending, sets
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.fleet import Clock, Fleet

NAME = "example.com"
AT = Endpoint("nginx", "127.0.0.1", 443, "")
#: A host name that nothing fits in front of.
LONG = ".".join(["x" * 50] * 5)[:253]


class World:
    """Two sets of a name, of which the second one goes live, and a server that shows what it is told to."""

    def __init__(self, home: Path) -> None:
        self.layout = sets.Layout(str(home / "etc"), str(home / "var"))
        self.fleet = Fleet()
        self.clock = Clock()
        self.certificates = [forge.leaf(forge.world().issuer, NAME, serial=number) for number in (1, 2)]
        self.prints = [material.fingerprint(Certificate.from_der(one.der)) for one in self.certificates]
        self.identifiers = [self._make(number) for number in (0, 1)]
        self.shown: t.Dict[str, t.Optional[bytes]] = {self.prints[0]: None}
        self.problem = ""
        self.looks = 0
        self.slept: t.List[float] = []

    def _make(self, number: int) -> str:
        identifier = sets.new_id(datetime(2026, 3, 4, 5, 6, number, tzinfo=timezone.utc), f"{number:08x}")
        sets.stage(self.layout, NAME, identifier, {"cert.pem": self.certificates[number].pem}, sets.Access())
        sets.complete(self.layout, NAME, identifier)
        return identifier

    def enter(self) -> Installation:
        return Installation(self.layout, self.fleet, 0.0, self.clock)

    def look(self, endpoint: Endpoint, name: str) -> Sight:
        assert (endpoint, name) == (AT, NAME)
        self.looks += 1
        return Sight({} if self.problem else self.shown, self.problem)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.seconds += seconds

    def switch(
        self, before: t.Optional[Sight] = None, staple: t.Optional[bytes] = None, endpoints: bool = True
    ) -> None:
        """The first set is live and served, then the second one goes live, perhaps with a staple."""
        sets.swap(self.layout, NAME, self.identifiers[0])
        seen = before or Sight({self.prints[0]: b"old" if staple else None})
        sighted = [confirm.Sighted(AT, NAME, seen)] if endpoints else []
        digest = confirm.staple_digest(staple)
        switched = confirm.Switched(
            NAME, self.identifiers[0], self.identifiers[1], ["nginx"], self.prints[1], digest, sighted
        )
        record = confirm.extend_record(confirm.read_record(self.layout), [switched], {})
        with self.enter() as one, one.switching([NAME], [self.layout.transaction], {"nginx": [NAME]}) as change:
            change.put(self.layout.transaction, record)
            change.switch(NAME, self.identifiers[1])
        self.put(staple)

    def put(self, staple: t.Optional[bytes]) -> None:
        """Have a staple in the live set."""
        if staple is not None:
            Path(self.layout.live(NAME), "ocsp.der").write_bytes(staple)

    def verify(self) -> confirm.Verified:
        with self.enter() as one:
            return confirm.verify(one, self.look, self.sleep, self.clock)

    def take_back(self) -> t.List[str]:
        with self.enter() as one:
            return confirm.take_back(one)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_served_confirms_it_whoever_reloaded_the_service(world: World) -> None:
    """As after a plain reload by a handler of the user's: nobody removed the note."""
    world.switch()
    world.shown = {world.prints[1]: None}
    assert world.verify() == confirm.Verified({}, ["nginx"], [], serving=("nginx",))
    assert pending.services(world.layout) == [] and confirm.read_record(world.layout) == {}
    assert world.fleet.reloads == []


@pytest.mark.parametrize("loaded", [999.0, 1001.0, None], ids=["before", "since", "unknown"])
def test_what_another_run_switched_after_a_reload_is_loaded_first(world: World, loaded: t.Optional[float]) -> None:
    """That run is going to have it loaded, and waits for this one; the old certificate would seem to stay."""
    world.switch()
    world.shown = {world.prints[1]: None}
    with world.enter() as one:
        one.tell("nginx", always=True)
        record = confirm.read_record(world.layout)
        theirs = {**record["sets"][NAME], "current": world.identifiers[1], "sights": []}
        noted = {**record["sets"], "other.example.com": theirs}
        Path(world.layout.transaction).write_bytes(confirm.dump_record(noted, {}) or b"")
        with one.changing({"nginx": ["other.example.com"]}):
            pass
    world.fleet.reloads.clear()
    if loaded is not None:
        world.fleet.loaded["nginx"] = loaded
    assert world.verify().faults == {}
    assert world.fleet.reloads == (["nginx"] if loaded == 999.0 else [])


def test_what_nobody_had_loaded_is_not_loaded_by_the_verification(world: World) -> None:
    """A handler that is missing is told."""
    world.switch(endpoints=False)
    world.fleet.loaded["nginx"] = 999.0
    assert world.verify().faults == {"nginx": "nginx has not been reloaded since its files changed"}
    assert world.fleet.reloads == []


@pytest.mark.parametrize("answered", [True, False])
def test_tls_that_did_not_work_before_either_is_told(world: World, answered: bool) -> None:
    """Nothing is worse, so that nothing is put back. Where nothing listens, others may have to look elsewhere."""
    world.switch(before=Sight({}, "454 TLS currently unavailable"))
    world.problem = "454 TLS currently unavailable"
    look = world.look
    world.look = lambda *where: look(*where)._replace(answered=answered)  # type: ignore[method-assign]
    verified = world.verify()
    said = f"nginx on 127.0.0.1:443 for {NAME}: TLS still does not work (454 TLS currently unavailable)"
    assert (verified.faults, verified.still) == ({}, {"nginx": said} if answered else {})


def test_who_serves_a_certificate_at_one_place_is_not_told_of_at_another(world: World) -> None:
    other = AT._replace(port=8443)
    world.switch(before=Sight({}, "no TLS"))
    record = confirm.read_record(world.layout)
    (sighted,) = record["sets"][NAME]["sights"]
    record["sets"][NAME]["sights"].append(["nginx", "127.0.0.1", 8443, *sighted[3:]])
    Path(world.layout.transaction).write_bytes(confirm.dump_record(record["sets"], {}) or b"")
    shown, nothing = Sight({world.prints[1]: None}), Sight({}, "no TLS", answered=True)
    world.look = lambda at, _name: shown if at == other else nothing  # type: ignore[method-assign]
    verified = world.verify()
    assert (verified.faults, verified.serving, verified.still) == ({}, ("nginx",), {})


def test_an_endpoint_that_hangs_is_not_waited_for_by_each_certificate() -> None:
    asked: t.List[str] = []

    def look(endpoint: Endpoint, name: str) -> Sight:
        asked.append(name)
        return Sight({}, f"{name} hangs", hung=name != "b")

    spare = confirm.sparing(look)
    assert [spare(AT, name).problem for name in "abcdefg"][-1] == "e hangs"
    assert asked == ["a", "b", "c", "d", "e"]  # three in a row
    spare(AT._replace(port=8443), "h")
    assert asked[-1] == "h"


def test_an_endpoint_that_is_slow_is_not_waited_for_by_each_certificate() -> None:
    """It answers in time, but only just: a thousand certificates would take more than an hour."""
    seconds, taken = [0.0], {AT: 3.9, AT._replace(port=8443): 0.4}

    def look(endpoint: Endpoint, _name: str) -> Sight:
        seconds[0] += taken[endpoint]
        return Sight({}, "closes the connection")

    spare = confirm.sparing(look, lambda: seconds[0])
    for _certificate in range(1000):
        slow = spare(AT, "a")
    assert slow.spared and 20 < seconds[0] < 30
    for _certificate in range(1000):
        assert not spare(AT._replace(port=8443), "a").spared


@pytest.mark.parametrize("kind", ["p224", "secp256k1"])
@pytest.mark.parametrize("problem", ["", "handshake_failure"])
def test_a_kind_of_key_that_no_look_offers_is_not_worse_than_before(kind: str, problem: str, world: World) -> None:
    odd = forge.leaf(forge.world().issuer, NAME, serial=3, private_key=forge.key(kind))
    Path(world.layout.folder(NAME, world.identifiers[1]), "cert.pem").write_bytes(odd.pem)
    world.prints[1] = material.fingerprint(Certificate.from_der(odd.der))
    world.switch()
    world.shown, world.problem = {}, problem
    assert world.verify().faults == {}


def test_what_is_not_looked_at_as_the_endpoint_is_slow_is_not_worse_than_before(world: World) -> None:
    world.switch()
    world.shown = {}
    world.problem = "it takes too long to answer"
    look = world.look
    world.look = lambda endpoint, name: look(endpoint, name)._replace(spared=True)  # type: ignore[method-assign]
    assert world.verify().faults == {}


@pytest.mark.parametrize(
    ("kind", "shown", "left"),
    [
        ("nginx", b"new", []),
        ("nginx", b"old", ["nginx"]),
        ("nginx", None, ["nginx"]),
        ("dovecot", None, []),  # it cannot staple
    ],
)
def test_a_renewed_staple_that_is_served_needs_no_reload(
    world: World, kind: str, shown: t.Optional[bytes], left: t.List[str]
) -> None:
    """As after nginx -s reload, of which no service manager knows."""
    sets.swap(world.layout, NAME, world.identifiers[0])
    Path(world.layout.live(NAME), "ocsp.der").write_bytes(b"new")
    with world.enter() as one, one.changing({kind: [NAME]}):
        pass
    world.shown = {world.prints[0]: shown}
    asked: t.List[Endpoint] = []

    def look(endpoint: Endpoint, name: str) -> Sight:
        asked.append(endpoint)
        return Sight(world.shown)

    at = Endpoint(kind, "127.0.0.1", 443, "")
    with world.enter() as one:
        confirm.recognise(one, look, [at, Endpoint("exim", "127.0.0.1", 25, "smtp")])
        assert one.outstanding() == left and asked == [at]
        confirm.recognise(one, look, [at] * 51)
        assert len(asked) == 1, "so many looks cost more than a reload" if left else ""


def test_a_server_that_hangs_is_not_waited_for_by_each_name_before_a_deployment(world: World) -> None:
    names = [f"{number}.example.com" for number in range(12)]
    with world.enter() as one, one.changing({"nginx": names}):
        pass
    asked: t.List[str] = []

    def look(_endpoint: Endpoint, name: str) -> Sight:
        asked.append(name)
        return Sight({}, "hangs", hung=True)

    with world.enter() as one:
        confirm.recognise(one, look, [AT])
    assert len(asked) == 3


def test_a_service_may_take_a_moment_to_load(world: World) -> None:
    world.switch()
    look = world.look

    def later(endpoint: Endpoint, name: str) -> Sight:
        if len(world.slept) == 3:
            world.shown = {world.prints[1]: None}
        return look(endpoint, name)

    world.look = later  # type: ignore[method-assign]
    assert world.verify().faults == {}
    assert len(world.slept) == 3


@pytest.mark.parametrize(
    ("shown", "staple", "problem"),
    [
        ((0,), None, "nginx on 127.0.0.1:443 for example.com: the old certificate is still served"),
        ((), None, "nginx on 127.0.0.1:443 for example.com: the new certificate is not served"),
        ((1,), b"new", "nginx on 127.0.0.1:443 for example.com: the certificate is served without its staple"),
    ],
)
def test_worse_than_before_goes_back(
    world: World, shown: t.Tuple[int, ...], staple: t.Optional[bytes], problem: str
) -> None:
    world.switch(staple=staple)
    world.shown = {world.prints[number]: None for number in shown} or {"0" * 64: None}
    verified = world.verify()
    assert verified.faults == {"nginx": problem}
    assert sum(world.slept) >= confirm.PATIENCE
    assert sets.current_id(world.layout, NAME) == world.identifiers[1], "who asked decides what to do"
    assert world.take_back() == [NAME]
    assert sets.current_id(world.layout, NAME) == world.identifiers[0]
    assert confirm.read_record(world.layout) == {}
    assert pending.services(world.layout) == ["nginx"], "it may have loaded the new ones"
    with world.enter() as one:
        assert confirm.reload_all(one, ["nginx"]) == []
    assert world.fleet.reloads == ["nginx"] and pending.services(world.layout) == []


@pytest.mark.parametrize(
    ("at_switch", "served", "left"),
    [
        (b"first", b"first", ["nginx"]),  # it was not reloaded since, which is no fault of the certificate
        (b"first", b"renewed", []),
        (None, None, ["nginx"]),
        (None, b"renewed", []),
    ],
)
def test_a_staple_may_be_renewed_before_the_switch_is_confirmed(
    world: World, at_switch: t.Optional[bytes], served: t.Optional[bytes], left: t.List[str]
) -> None:
    world.switch(staple=at_switch)
    world.put(b"renewed")
    world.fleet.loaded["nginx"] = 999.0
    world.shown = {world.prints[1]: served}
    verified = world.verify()
    assert (verified.faults, verified.untold) == ({}, []), "it is known, and the next run reloads it"
    assert pending.services(world.layout) == left


def test_a_staple_that_was_never_there_is_worse(world: World) -> None:
    world.switch(staple=b"first")
    world.put(b"renewed")
    world.shown = {world.prints[1]: b"of another certificate"}
    (fault,) = world.verify().faults.values()
    assert fault.endswith("the staple that is served is not the one for the certificate")


def test_a_server_that_staples_for_the_certificate_by_itself_is_not_worse(world: World) -> None:
    """Its configuration names other files, or has it ask the responder, until the operator has it read the set."""
    world.switch(before=Sight({world.prints[1]: b"its own"}), staple=b"ours")
    world.shown = {world.prints[1]: b"its own, renewed"}
    assert world.verify().faults == {}


def test_no_tls_any_more_is_worse(world: World) -> None:
    world.switch()
    world.problem = "it closes the connection"
    fault = (
        "nginx on 127.0.0.1:443 for example.com: TLS no longer works (it closes the connection; the reload may also "
        "have loaded other changes to its configuration)"
    )
    assert world.verify().faults == {"nginx": fault}


def test_a_service_that_was_stopped_meanwhile_is_not_worse(world: World) -> None:
    world.switch()
    world.problem = "connection refused"
    world.fleet.stopped.add("nginx")
    assert world.verify() == confirm.Verified({}, ["nginx"], [])
    assert sets.current_id(world.layout, NAME) == world.identifiers[1]


def test_a_service_that_failed_with_the_new_files_is_worse(world: World) -> None:
    """With the old ones it is started again."""
    world.switch()
    world.problem = "connection refused"
    world.fleet.failed["nginx"] = "nginx.service has failed; its journal ends with: bad key"
    (fault,) = world.verify().faults.values()
    assert "TLS no longer works (connection refused; " in fault and fault.endswith(world.fleet.failed["nginx"])
    assert world.take_back() == [NAME]
    with world.enter() as one:
        assert confirm.reload_all(one, ["nginx"]) == [] and world.fleet.started == ["nginx"]


def test_what_showed_nothing_before_cannot_be_worse(world: World) -> None:
    """A first deployment, to a server that is configured later: nothing is known, so its note stays."""
    world.switch(before=Sight({}, "connection refused"))
    world.problem = "connection refused"
    assert world.verify() == confirm.Verified({}, ["nginx"], ["nginx"])
    assert pending.services(world.layout) == ["nginx"]


@pytest.mark.parametrize(("loaded", "faults"), [(None, 0), (999.0, 1), (1001.0, 0)])
def test_where_nothing_can_be_seen_the_service_manager_is_asked(
    world: World, loaded: t.Optional[float], faults: int
) -> None:
    world.switch(endpoints=False)
    if loaded is not None:
        world.fleet.loaded["nginx"] = loaded
    verified = world.verify()
    assert len(verified.faults) == faults
    assert (
        verified.faults.get("nginx", "has not been reloaded since").endswith(
            "has not been reloaded since its files changed"
        )
        or not faults
    )
    assert verified.untold == (["nginx"] if loaded is None else [])
    assert pending.services(world.layout) == ([] if loaded == 1001.0 else ["nginx"])


def test_a_configuration_that_is_refused_explains_why_nothing_was_loaded(world: World) -> None:
    world.switch(endpoints=False)
    world.fleet.loaded["nginx"] = 999.0
    world.fleet.tests["nginx"] = lambda: "the configuration of nginx was rejected"
    assert world.verify().faults == {"nginx": "the configuration of nginx was rejected"}


def test_an_unconfirmed_switch_goes_back_to_what_was_confirmed_last(world: World) -> None:
    world.switch()
    again = confirm.Switched(NAME, world.identifiers[1], "next", ["nginx"], "f" * 64, None, ())
    record = confirm.extend_record(confirm.read_record(world.layout), [again], {"/piece": "new"})
    Path(world.layout.transaction).write_bytes(record)
    assert confirm.previous_sets(world.layout) == {NAME: world.identifiers[0]}
    noted = confirm.read_record(world.layout)
    assert noted["sets"][NAME]["current"] == "next" and len(noted["sets"][NAME]["sights"]) == 1
    assert noted["snippets"] == {"/piece": "new"}
    # What somebody else has made live meanwhile is not known to be worse than anything.
    assert world.verify().faults == {} and world.looks == 0


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"{", b"\xff", b'{"sets": {"x": {"previous": 5}}}', b'{"sets": []}']
)
def test_unreadable_record_counts_as_none(tmp_path: Path, content: t.Optional[bytes]) -> None:
    layout = sets.Layout(str(tmp_path), str(tmp_path))
    if content is not None:
        Path(layout.transaction).write_bytes(content)
    assert confirm.read_record(layout) == {} and confirm.unconfirmed(layout) == []


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["example.com", "www.example.com"], "example.com"),
        (["*.example.com", "example.com"], "example.com"),
        (["*.example.com"], "www.example.com"),
        (["192.0.2.1", "example.com"], "example.com"),
        (["2001:db8::1"], ""),
        (["B\u00fccher.example"], "xn--bcher-kva.example"),
        ([], ""),
        ([f"*.{LONG}"], ""),
        ([f"*.{LONG}", "*.example.com"], "www.example.com"),
    ],
)
def test_the_name_that_is_asked_for(names: t.List[str], asked: str) -> None:
    assert confirm.server_name(names) == asked
