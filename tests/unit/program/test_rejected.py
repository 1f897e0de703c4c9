# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response that is good, and with which a server rejects its configuration: it would not start again."""

from __future__ import annotations

import json
import shutil
import typing as t
from datetime import datetime, timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import sets
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, Entity
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host, Result
from ocsp_stapling.commands import rejected

NAME = "b.example.com"
OTHERS = ("a.example.com", "c.example.com", "d.example.com")
REJECTS = "edge rejects its configuration with the new response, so"


def poisonous(leaf: Entity, now: datetime) -> bytes:
    """A good response whose times end in 42 seconds."""
    start = (now - HOUR).replace(second=42) - timedelta(minutes=1)
    return hosts.good(leaf, start + HOUR)


def serve(host: Host, name: str = "edge", **settings: t.Any) -> None:
    """A service that rejects its configuration while a file is there, or a live staple of 42 seconds."""
    test = (
        f"echo >> {host.home}/{name}.tests; test ! -e {host.home}/broken || {{ echo unknown directive >&2; exit 1; }}; "
        f"for one in {host.root}/live/*/ocsp.der; do "
        'if grep -qaE "[0-9]{12}42Z" "$one"; then echo "cannot use $one" >&2; exit 1; fi; done; exit 0'
    )
    host.service(name, test=["/bin/sh", "-c", test], **settings)


def count_tests(host: Host, name: str = "edge") -> int:
    path = host.home / f"{name}.tests"
    return len(path.read_text().splitlines()) if path.exists() else 0


def told(done: Result) -> t.List[str]:
    return [line for line in done.err.splitlines() if "unfit_for_server" in line]


def in_metrics(host: Host, name: str = NAME) -> str:
    lines = (host.state / "metrics/ocsp_stapling.prom").read_text().splitlines()
    return next(line for line in lines if line.startswith(f'ocsp_stapling_consecutive_failures{{name="{name}"'))


def in_status(host: Host, name: str = NAME) -> t.Dict[str, t.Any]:
    found = json.loads(host.run("status", "--json").out)["certificates"][name]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def edge(host: Host) -> Host:
    """A host with several certificates for one server, each with a staple."""
    serve(host)
    for name in (NAME, *OTHERS):
        host.deploy(name, ["edge"])
    host.hour()
    host.later(4 * DAY)
    return host


#: How root has services reloaded: cron in one command, systemd in another, which has no sandbox.
WAYS = pytest.mark.parametrize("way", ["apply", "reload"])


def install(host: Host, way: str = "apply") -> Result:
    """What an hour does after refresh, and what it says."""
    if way == "apply":
        return host.run("apply")
    applied = host.run("apply", "--no-reload")
    reloaded = host.run("reload", "--pending")
    return Result(max(applied.code, reloaded.code), "", applied.err + reloaded.err)


@WAYS
def test_the_previous_staple_comes_back_and_the_others_are_new(edge: Host, way: str) -> None:
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    edge.makers[NAME] = poisonous
    assert edge.run("refresh").code == 0
    done = install(edge, way)
    assert edge.staple(NAME) == before[NAME] and edge.pieces(NAME) == edge.pieces(OTHERS[0])
    assert all(edge.staple(name) not in (None, before[name]) for name in OTHERS)
    assert done.code == 1
    (line,) = told(done)
    assert line.startswith(f"{NAME}: {REJECTS} the previous one was put back: the configuration of edge was rejected ")
    assert f"cannot use {edge.root}/live/{NAME}/ocsp.der" in line
    assert edge.reloads("edge") == 2 and edge.pending() == [] and not (edge.state / "replaced").exists()
    known = edge.known(NAME)
    assert known["rejected"]["runs"] == 1 and "cannot use" not in json.dumps(known)
    assert in_metrics(edge).endswith('code="unfit_for_server"} 1')
    assert in_metrics(edge, OTHERS[0]).endswith('code=""} 0')
    shown = in_status(edge)
    assert (shown["trouble"], shown["status"], shown["reason"]) == ("response_refused", "good", "unfit_for_server")
    assert "edge rejects its configuration with the new response; the log says why" in shown["sentence"]


@WAYS
def test_the_same_response_is_not_tried_again(edge: Host, way: str) -> None:
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    install(edge, way)
    before, made = edge.staple(NAME), count_tests(edge)
    for runs in (2, 3):
        edge.later(HOUR)
        edge.run("refresh")
        done = install(edge, way)
        assert edge.staple(NAME) == before and edge.reloads("edge") == 2 and count_tests(edge) == made
        assert done.code == 1 and told(done) == []
        assert in_metrics(edge).endswith(f'code="unfit_for_server"}} {runs}')
    edge.makers[NAME] = hosts.good
    edge.later(HOUR)
    edge.run("refresh", "--force", NAME)
    assert install(edge, way).code == 0
    assert edge.staple(NAME) != before and edge.reloads("edge") == 3
    assert edge.known(NAME)["rejected"] is None and in_status(edge)["trouble"] is None


def test_a_state_that_is_lost_is_not_made_anew_of_what_was_taken_back(edge: Host) -> None:
    before = edge.staple(NAME)
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    edge.run("apply", "--no-reload")
    state = edge.state / "state.json"
    state.unlink()
    assert edge.run("reload", "--pending").code == 1
    assert edge.staple(NAME) == before and not state.exists()


def test_it_is_tried_again_with_other_services(edge: Host) -> None:
    edge.makers[NAME] = poisonous
    edge.hour()
    edge.service("web")
    for entry in edge.config["certificates"]:
        entry["services"] = ["web"]
    edge.configure()
    assert edge.run("apply").code == 0
    assert edge.staple(NAME) == (edge.responses / f"{NAME}.der").read_bytes()


@WAYS
@pytest.mark.parametrize("must_staple", [False, True])
def test_it_is_withdrawn_where_there_was_none(host: Host, way: str, must_staple: bool) -> None:
    serve(host)
    host.deploy(NAME, ["edge"], must_staple=must_staple)
    host.deploy(OTHERS[0], ["edge"])
    host.makers[NAME] = poisonous
    host.run("refresh")
    done = install(host, way)
    assert host.pieces(NAME) == [] and host.staple(OTHERS[0]) is not None
    assert done.code == (2 if way == "apply" else 1), "as for any that has none"
    assert len(told(done)) == 1 and f"{NAME}: {REJECTS} it was withdrawn: " in told(done)[0]
    shown = in_status(host)
    assert shown["trouble"] == ("must_staple_missing" if must_staple else "staple_missing")
    assert shown["code"] == "unfit_for_server" and host.known(NAME)["staple"] is None
    host.later(HOUR)
    host.run("refresh")
    again = install(host, way)
    assert again.code == 2 and len(told(again)) == int(must_staple)
    assert host.pieces(NAME) == [] and host.reloads("edge") == 1


def test_of_must_staple_the_previous_one_comes_back(host: Host) -> None:
    serve(host)
    host.deploy(NAME, ["edge"], must_staple=True)
    host.hour()
    host.later(4 * DAY)
    before = host.staple(NAME)
    host.makers[NAME] = poisonous
    assert host.hour()[1].code == 1 and host.staple(NAME) == before


@WAYS
def test_what_is_broken_anyway_costs_no_staple(edge: Host, way: str) -> None:
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    (edge.home / "broken").touch()
    edge.run("refresh")
    done = install(edge, way)
    assert all(edge.staple(name) not in (None, before[name]) for name in before)
    assert done.code == 1 and told(done) == [] and edge.reloads("edge") == 1 and edge.pending() == ["edge"]
    again = install(edge, way)
    assert again.code == 1 and "edge" in again.err, "what waits since the last run is overdue"
    (edge.home / "broken").unlink()
    install(edge, way)
    assert edge.reloads("edge") == 2 and edge.pending() == []
    assert install(edge, way).code == 0


def test_what_was_not_loaded_yet_is_not_what_is_put_back(edge: Host) -> None:
    """A service whose configuration was broken for other reasons has loaded none of two."""
    before = edge.staple(NAME)
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    edge.run("apply", "--no-reload")
    edge.later(HOUR)
    edge.run("refresh", "--force", NAME)
    edge.run("apply", "--no-reload")
    assert edge.staple(NAME) != before
    assert edge.run("reload", "--pending").code == 1
    assert edge.staple(NAME) == before


def test_a_previous_one_that_has_expired_is_not_stapled(edge: Host) -> None:
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    edge.run("apply", "--no-reload")
    edge.later(3 * DAY + HOUR)
    edge.run("reload", "--pending")
    assert edge.pieces(NAME) == ["ocsp.der"], "for servers that do not start without the file"


def test_several_are_found(edge: Host) -> None:
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    for name in (NAME, OTHERS[2]):
        edge.makers[name] = poisonous
    assert edge.hour()[1].code == 1
    assert {name for name in before if edge.staple(name) == before[name]} == {NAME, OTHERS[2]}


def test_all_services_of_a_staple_load_what_was_put_back(host: Host) -> None:
    """Those that have nothing against it, too, whichever comes first."""
    for service in ("alpha", "zulu"):
        host.service(service)
    serve(host)
    host.deploy(NAME, ["zulu", "edge", "alpha"])
    host.hour()
    host.later(4 * DAY)
    host.makers[NAME] = poisonous
    host.hour()
    assert [host.reloads(name) for name in ("alpha", "edge", "zulu")] == [2, 2, 2] and host.pending() == []


def test_a_service_that_has_loaded_it_is_reloaded_again(host: Host) -> None:
    host.service("alpha")
    serve(host)
    host.deploy(NAME, ["edge", "alpha"])
    host.hour()
    host.later(4 * DAY)
    host.makers[NAME] = poisonous
    host.run("refresh")
    host.run("apply", "--no-reload")
    assert host.run("reload", "alpha").code == 0
    assert host.run("reload", "--pending").code == 1
    assert (host.reloads("alpha"), host.reloads("edge")) == (3, 2) and host.pending() == []


def test_a_run_without_failures_costs_one_test_more_for_each_service(edge: Host) -> None:
    made = count_tests(edge)
    edge.hour()
    assert count_tests(edge) == made + 2
    edge.later(HOUR)
    edge.hour()
    assert count_tests(edge) == made + 2


def test_no_time_to_try_each(edge: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    with monkeypatch.context() as context:
        context.setattr(rejected, "LONGEST", 0.0)
        done = edge.run("apply")
    assert done.code == 1 and all(edge.staple(name) == before[name] for name in before)
    assert all("were not enough to try each of them" in line for line in told(done)) and len(told(done)) == 4
    assert in_status(edge, OTHERS[0])["trouble"] == "not_installed"
    edge.later(HOUR)
    assert edge.run("apply").code == 1
    assert {name for name in before if edge.staple(name) == before[name]} == {NAME}


def test_those_of_the_operator_are_tried_first(edge: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may have any number that are rejected."""
    of_user = ("x.example.com", "y.example.com")
    for name in of_user:
        folder = edge.deploy(name, ["edge"])
        values = sets.described(str(folder))._replace(origin={"folder": "/home/evil", "user": 61234})
        (folder / sets.DESCRIPTION).write_bytes(sets.describe(values))
        edge.makers[name] = poisonous
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    tried: t.List[t.Set[str]] = []
    real = rejected._Search._put

    def put(self: t.Any, batch: t.Any, new: bool) -> None:
        tried.append({one.name for one in batch})
        real(self, batch, new)

    monkeypatch.setattr(rejected._Search, "_put", put)
    done = edge.run("apply")
    last_of_operator = max(index for index, names in enumerate(tried) if NAME in names)
    assert all(names.isdisjoint(of_user) for names in tried[1:last_of_operator])
    assert {name for name in before if edge.staple(name) == before[name]} == {NAME}
    assert len(told(done)) == 3 and all(edge.staple(name) is None for name in of_user)


def test_what_users_have_is_up_to_them(edge: Host) -> None:
    folder = edge.deploy("x.example.com", ["edge"])
    values = sets.described(str(folder))._replace(origin={"folder": "/home/evil", "user": 61234})
    (folder / sets.DESCRIPTION).write_bytes(sets.describe(values))
    edge.makers["x.example.com"] = poisonous
    edge.run("refresh")
    edge.run("apply", "--no-reload")
    assert edge.run("reload", "--pending").code == 0
    assert edge.staple("x.example.com") is None and in_status(edge, "x.example.com")["user"] == "61234"
    assert edge.run("apply").code == 0


def defect(*_arguments: t.Any) -> t.Any:
    raise KeyError("planted")


@WAYS
@pytest.mark.parametrize(("owner", "function"), [(rejected._Search, "_noted"), (rejected, "_halves")])
def test_a_defect_stops_no_run(
    edge: Host, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str, way: str
) -> None:
    before = {name: edge.staple(name) for name in (NAME, *OTHERS)}
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    with monkeypatch.context() as context:
        context.setattr(owner, function, defect)
        done = install(edge, way)
    assert "edge rejects because of an internal error (KeyError: 'planted')" in done.err and done.code == 1
    assert set(json.loads((edge.state / "state.json").read_text())["certificates"]) == set(before)
    # A server is left with what it starts with, where that is known.
    assert edge.reloads("edge") == (2 if function == "_halves" else 1)
    edge.later(HOUR)
    install(edge, way)
    assert {name for name in before if edge.staple(name) == before[name]} == {NAME}


def test_a_defect_at_one_certificate_costs_no_other(edge: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = edge.staple(NAME)
    edge.makers[NAME] = poisonous
    edge.run("refresh")
    edge.run("apply", "--no-reload")
    real, asked = rejected.staples.find, []

    def find(live: str) -> t.Any:
        asked.append(live)
        return defect() if OTHERS[0] in live else real(live)

    monkeypatch.setattr(rejected.staples, "find", find)
    done = edge.run("reload", "--pending")
    assert f"{edge.root}/live/{OTHERS[0]}" in asked
    assert edge.staple(NAME) == before and len(told(done)) == 1 and edge.reloads("edge") == 2


def test_one_that_is_in_no_configuration_is_taken_back_too(edge: Host) -> None:
    edge.config["certificates"] = [one for one in edge.config["certificates"] if one["name"] != NAME]
    edge.configure()
    before = edge.staple(NAME)
    (edge.responses / f"{NAME}.der").write_bytes(poisonous(edge.leaves[NAME], edge.now))
    done = edge.run("apply")
    assert edge.staple(NAME) == before and len(told(done)) == 1
    assert edge.known(NAME)["code"] == "not_configured" and edge.known(NAME)["rejected"]
    made = count_tests(edge)
    edge.later(HOUR)
    edge.run("apply")
    assert edge.staple(NAME) == before and count_tests(edge) == made


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="HAProxy is not installed")
def test_haproxy_keeps_what_it_starts_with(host: Host) -> None:
    """With a staple, it does not start without the issuer."""
    folders = {name: host.deploy(name, ["haproxy"]) for name in (NAME, *OTHERS)}
    for name, folder in folders.items():
        chain = forge.world().issuer.pem if name != NAME else b""
        leaf = host.leaves[name]
        (folder / "combined.pem").write_bytes(leaf.pem + chain + forge.private_pem(leaf.key))
    certificates = " ".join(f"crt {host.root}/live/{name}/combined.pem" for name in folders)
    times = "".join(f" timeout {what} 1s\n" for what in ("client", "server", "connect"))
    path = host.home / "haproxy.cfg"
    path.write_text(f"defaults\n mode http\n{times}frontend tls\n bind 127.0.0.1:18443 ssl {certificates}\n")
    host.service("haproxy", test=["haproxy", "-c", "-f", str(path)])
    _refreshed, applied = host.hour()
    assert host.pieces(NAME) == [] and all(host.staple(name) for name in OTHERS)
    (line,) = told(applied)
    assert "haproxy rejects its configuration with the new response, so it was withdrawn: " in line and "ssuer" in line
    assert host.pending() == [], "it does not run, and would not have been reloaded"
