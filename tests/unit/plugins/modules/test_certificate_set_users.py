# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate_set where users have certificates that servers, or their clients, refuse."""

from __future__ import annotations

import functools
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import (
    certificate_set,
    confirm,
    finds,
    material,
    removal,
    transaction,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.confirm import Endpoint, Sight
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, load_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import attempts, pending, sets
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.plugins.modules.test_certificate_set import (
    Clock,
    entry,
    found_in,
    leaf,
)
from ansible_collections.certops.ocsp.tests.unit.run_module import Result, Runner

pytestmark = AS_ROOT

MINE, ALICE, BOB = "mine.example.com", "alice.example.com", "bob.example.com"
SERVICE = "certops-test-lb"
AT = {"service": SERVICE, "host": "127.0.0.1", "port": 443, "starttls": ""}
USERS = {ALICE: 61234, BOB: 61235}


@functools.cache
def made(name: str, label: str) -> forge.Entity:
    return leaf(name, label, urls=False)


class Host:
    """A host with one server, as the operator and two users have certificates for it.

    ``refused`` are certificates with which the server refuses its configuration, and ``broken`` says that it does so
    with any. ``unusable`` are those that clients cannot use, and ``fatal`` those with which it serves none any more.
    """

    def __init__(self, runner: Runner, home: Path) -> None:
        self.runner, self.home = runner, home
        self.layout = sets.Layout(str(home / "etc"), str(home / "var"))
        self.labels: t.Dict[str, str] = {}
        self.users = dict(USERS)
        self.refused: t.Set[bytes] = set()
        self.broken = False
        self.unusable: t.Set[bytes] = set()
        self.fatal: t.Set[bytes] = set()
        self.loaded: t.Dict[str, bytes] = {}
        self.tests = self.reloads = 0
        self.listed: t.Set[str] = set()

    def renew(self, *names: str) -> None:
        for name in names:
            self.labels[name] = f"{self.labels.get(name, '')}+"

    def new(self, name: str) -> bytes:
        return self.subject(name).pem

    def subject(self, name: str) -> forge.Entity:
        return made(name, self.labels.get(name, ""))

    def deploy(self, *more: str, check: bool = False) -> Result:
        """What the role does: deploy, reload and verify, with the results of both tasks as one."""
        certificates = [entry(self.subject(MINE), MINE, services=[SERVICE])]
        for name in (*self.users, *more):
            folder = self.home / "home" / str(self.users.get(name, USERS[ALICE]))
            certificates.append({**found_in(folder, self.subject(name), name), "services": [SERVICE]})
            os.chown(folder, self.users.get(name, USERS[ALICE]), -1)
        found = [name for name in (*self.users, *more) if name not in self.listed]
        done = self._run(
            check,
            certificates=certificates,
            found=found,
            remote_source=True,
            part={"owner": "site.yml"},
            endpoints=[AT],
        )
        if check or done["failed"]:
            return done
        if done["reload"]:
            self.load()
            pending.forget(self.layout, SERVICE)
        if not done["unconfirmed"]:
            return done
        verified = self._run(state="verify")
        verified["changed"] = verified["changed"] or done["changed"]
        verified["warnings"] = [*done["warnings"], *verified["warnings"]]
        return {**done, **verified, "said": done["msg"]}

    def _run(self, check: bool = False, **given: t.Any) -> Result:
        own = {"path": self.layout.root, "state_path": self.layout.state, "owner": "0", "group": "0"}
        settings = {SERVICE: {"kind": "haproxy", "unit": SERVICE}}
        return self.runner(check=check, fetch_from="nowhere", service_settings=settings, **own, **given)

    def live(self, name: str) -> bytes:
        path = Path(self.layout.live(name), "cert.pem")
        return path.read_bytes() if path.exists() else b""

    def test(self) -> str:
        self.tests += 1
        used = {self.live(name) for name in sets.live_names(self.layout)}
        return "ee key too small" if self.broken or used & self.refused else ""

    def load(self) -> None:
        self.reloads += 1
        self.loaded = {name: self.live(name) for name in sets.live_names(self.layout)}

    def look(self, _endpoint: Endpoint, name: str) -> Sight:
        used = self.loaded.get(name, b"")
        if used in self.unusable or self.fatal & set(self.loaded.values()):
            return Sight({}, "handshake failure")
        return Sight({material.fingerprint(load_certificates(used, name)[0]): None}) if used else Sight({}, "none")

    def snippet(self) -> t.List[str]:
        """The certificates that the server is told of."""
        lines = Path(self.layout.root, "snippets/haproxy.list").read_text().splitlines()[1:]
        return [Path(line).parent.name for line in lines]

    def noted(self, name: str) -> t.Optional[attempts.Attempt]:
        return attempts.outstanding(self.layout, name)

    def is_idle(self) -> bool:
        """Whether another run changes nothing, reloads nothing, and says what is left out."""
        reloads, before = self.reloads, self.loaded
        foreseen, done = self.deploy(check=True), self.deploy()
        assert not done["failed"], done
        assert not foreseen["changed"] and not done["changed"], (foreseen, done)
        return (self.reloads, self.loaded) == (reloads, before)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Host:
    one = Host(Runner("certificate_set", monkeypatch, capfd), tmp_path)
    monkeypatch.setattr(removal, "broken_without", lambda folder, run: [])
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [])
    monkeypatch.setattr(control, "is_running", lambda service, run: None)
    monkeypatch.setattr(control.Services, "loaded_since", lambda self, name, moment: None)
    monkeypatch.setattr(control.Services, "test", lambda self, name: one.test())
    monkeypatch.setattr(control.Services, "start_failed", lambda self, name: "")

    def reload(_self: t.Any, _name: str, _keys: t.Iterable[str] = ()) -> control.Result:
        one.load()
        return control.Result(True, True)

    monkeypatch.setattr(control.Services, "reload", reload)
    monkeypatch.setattr(certificate_set, "_look", one.look)
    monkeypatch.setattr(confirm, "PATIENCE", 0.1)
    return one


def warnings_about(done: Result, name: str) -> t.List[str]:
    return [one for one in done["warnings"] if name in one]


def fingerprint(subject: forge.Entity) -> str:
    return material.fingerprint(Certificate.from_der(subject.der))


def is_deployed(host: Host) -> None:
    done = host.deploy()
    assert not done["failed"] and done["changed"] and not done["warnings"], done
    assert host.is_idle()


def test_a_certificate_of_a_user_that_a_server_refuses_stops_no_other(host: Host) -> None:
    is_deployed(host)
    before = host.live(ALICE)
    host.renew(MINE, ALICE, BOB)
    host.refused = {host.new(ALICE)}
    done = host.deploy()
    assert not done["failed"] and done["changed"], done
    assert host.loaded == {MINE: host.new(MINE), BOB: host.new(BOB), ALICE: before}
    assert {one["name"]: one["changed"] for one in done["certificates"]} == {MINE: True, BOB: True, ALICE: False}
    (told,) = done["warnings"]
    assert told == (
        f"{ALICE}: {SERVICE} rejected its configuration with the new files, which were rolled back: ee key too small; "
        "it is left out, and what is deployed of it stays"
    )
    noted = host.noted(ALICE)
    assert noted is not None and noted.outcome == attempts.SWITCHED_BACK and "too small" not in noted.message
    assert noted.fingerprint == fingerprint(host.subject(ALICE))
    assert host.noted(MINE) is host.noted(BOB) is None
    assert not (Path(host.layout.state) / "transaction.json").exists()
    assert len(os.listdir(host.layout.sets(ALICE))) == 1, "what was refused is removed"
    (said,) = warnings_about(host.deploy(check=True), ALICE)
    assert f"{ALICE}: this certificate was switched back at " in said and "; it is tried again after " in said
    assert host.is_idle() and host.noted(ALICE) == noted


def test_a_new_one_that_a_server_refuses_is_in_no_snippet(host: Host) -> None:
    host.refused = {host.new(ALICE)}
    done = host.deploy()
    assert not done["failed"] and host.loaded == {MINE: host.new(MINE), BOB: host.new(BOB)}
    assert host.snippet() == [MINE, BOB] and host.noted(ALICE) is not None
    assert done["said"].startswith(f"rolled back: {ALICE}; 2 of 3 certificates changed: {MINE}, {BOB}")
    assert host.is_idle()


def test_a_certificate_of_a_user_that_clients_refuse_stops_no_other(host: Host) -> None:
    is_deployed(host)
    before = host.live(ALICE)
    host.renew(MINE, BOB, ALICE)
    host.unusable = {host.new(ALICE)}
    done = host.deploy()
    assert not done["failed"] and done["changed"] and done["swapped_back"] == [ALICE], done
    assert host.loaded == {MINE: host.new(MINE), BOB: host.new(BOB), ALICE: before}
    (told,) = done["warnings"]
    assert told.startswith(
        f"the old certificates of {ALICE} were put back: {SERVICE} on 127.0.0.1:443 for {ALICE}: TLS "
    )
    assert host.noted(MINE) is host.noted(BOB) is None
    noted = host.noted(ALICE)
    assert noted is not None and noted.fingerprint == fingerprint(host.subject(ALICE))
    assert host.is_idle() and host.noted(ALICE) == noted


def test_a_renewed_certificate_is_tried_at_once_and_the_same_one_after_a_day(host: Host) -> None:
    is_deployed(host)
    host.renew(ALICE)
    host.unusable = {host.new(ALICE)}
    assert host.deploy()["swapped_back"] == [ALICE] and host.is_idle()
    host.renew(ALICE)
    done = host.deploy()
    assert done["changed"] and not done["warnings"] and host.loaded[ALICE] == host.new(ALICE)
    assert host.noted(ALICE) is None

    host.renew(ALICE)
    host.unusable = {host.new(ALICE)}
    assert host.deploy()["swapped_back"] == [ALICE] and host.is_idle()
    host.unusable = set()
    noted = host.noted(ALICE)
    assert noted is not None and noted.left_out_until == noted.time + finds.PAUSE
    attempts.write(host.layout, ALICE, noted._replace(left_out_until=noted.time))
    done = host.deploy()
    assert done["changed"] and host.loaded[ALICE] == host.new(ALICE) and host.noted(ALICE) is None


@pytest.mark.parametrize("where", ["server", "clients"])
def test_what_the_operator_lists_is_always_tried_and_stops_all(where: str, host: Host) -> None:
    is_deployed(host)
    host.renew(ALICE)
    (host.refused if where == "server" else host.unusable).add(host.new(ALICE))
    host.deploy()
    assert host.is_idle()
    before = dict(host.loaded)
    host.listed = {ALICE}
    host.renew(MINE)
    for _time in range(2):
        done = host.deploy()
        assert done["failed"] and host.loaded == before, done
    assert {name for name in (MINE, ALICE) if host.noted(name)} == {MINE, ALICE}


@pytest.mark.parametrize("where", ["server", "clients", "configuration"])
def test_what_is_wrong_at_the_operator_stops_all_and_leaves_out_none(where: str, host: Host) -> None:
    is_deployed(host)
    before = dict(host.loaded)
    host.renew(MINE, ALICE, BOB)
    host.refused, host.unusable = (
        ({host.new(MINE)}, set()) if where == "server" else (set(), {host.new(MINE), host.new(BOB)})
    )
    host.broken = where == "configuration"
    done = host.deploy()
    assert done["failed"] and host.loaded == before, done
    assert all(host.noted(name) for name in (MINE, ALICE, BOB))
    host.refused, host.unusable, host.broken = set(), set(), False
    done = host.deploy()
    assert not done["failed"] and not done["warnings"], done
    assert host.loaded == {name: host.new(name) for name in (MINE, ALICE, BOB)}


def test_a_configuration_that_was_broken_before_is_no_fault_of_users(host: Host) -> None:
    is_deployed(host)
    host.renew(ALICE)
    host.broken = True
    done = host.deploy()
    assert done["failed"] and "was already broken before this run" in done["msg"], done
    host.broken = False
    assert not host.deploy()["warnings"] and host.loaded[ALICE] == host.new(ALICE)


@pytest.mark.parametrize("is_new", [False, True])
def test_a_server_that_ends_with_the_certificate_of_a_user_gets_those_of_the_operator(is_new: bool, host: Host) -> None:
    """Clients see it at all certificates then, but not at one of which nothing was served before."""
    if is_new:
        del host.users[ALICE]
    is_deployed(host)
    before = dict(host.loaded)
    host.users = dict(USERS)
    host.renew(MINE, ALICE)
    host.fatal = {host.new(ALICE)}
    done = host.deploy()
    assert not done["failed"] and done["swapped_back"] == [ALICE], done
    verb = f"{ALICE} was taken away again" if is_new else f"the old certificates of {ALICE} were put back"
    assert done["warnings"][0].startswith(f"{verb}: {SERVICE} on 127.0.0.1:443 for ")
    assert host.loaded == {**before, MINE: host.new(MINE)} and host.snippet() == [
        MINE,
        *([] if is_new else [ALICE]),
        BOB,
    ]
    assert host.is_idle()


def test_what_comes_to_light_after_one_went_back_takes_no_more_than_those_of_users(host: Host) -> None:
    is_deployed(host)
    before, load = dict(host.loaded), host.load
    host.renew(MINE, ALICE, BOB)
    host.unusable = {host.new(ALICE)}

    def load_and_end() -> None:
        load()
        if host.loaded[ALICE] == before[ALICE]:
            host.fatal = {host.new(BOB)}

    host.load = load_and_end  # type: ignore[method-assign]
    done = host.deploy()
    assert not done["failed"] and done["swapped_back"] == [ALICE, BOB], done
    assert host.loaded == {**before, MINE: host.new(MINE)} and host.is_idle()


def test_one_certificate_of_a_user_costs_that_one(host: Host) -> None:
    """It is found by few tests among many others, of the same user as well."""
    names = [f"{number:02}.alice.example.com" for number in range(20)]
    others = {f"{number}.example.com": 61300 + number for number in range(20)}
    host.users.update(others)
    assert not host.deploy(*names)["failed"]
    host.renew(MINE, *names, *host.users)
    host.refused, host.tests = {host.new(names[7])}, 0
    done = host.deploy(*names)
    assert not done["failed"] and host.tests < 25, host.tests
    assert [name for name in host.loaded if host.loaded[name] != host.new(name)] == [names[7]]
    assert len(done["warnings"]) == 1 and len([name for name in host.loaded if host.noted(name)]) == 1


def test_tests_for_users_take_bounded_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there was no time for is tried by the next run."""
    is_deployed(host)
    clock, test = Clock(), host.test
    monkeypatch.setattr(transaction, "time", clock)

    def slow() -> str:
        clock.sleep(70)
        return test()

    monkeypatch.setattr(host, "test", slow)
    host.renew(MINE, ALICE, BOB)
    host.refused = {host.new(ALICE)}
    done = host.deploy()
    assert not done["failed"] and host.loaded[MINE] == host.new(MINE)
    assert host.loaded[BOB] != host.new(BOB) and len(done["warnings"]) == 2
    (told,) = warnings_about(done, BOB)
    assert "60 seconds were not enough to try each of them; it is left out" in told
    assert host.noted(BOB) is not None
    monkeypatch.setattr(host, "test", test)
    done = host.deploy()
    assert not done["failed"] and host.loaded[BOB] == host.new(BOB) and host.noted(BOB) is None
    assert json.dumps(done["warnings"]).count("tried again after") == 1 == len(warnings_about(done, ALICE))
