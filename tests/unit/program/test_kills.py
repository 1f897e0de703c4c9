# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Killed at each statement that writes: the next run of either leaves every server with what is on disk."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit import forge, kill
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, Entity
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts

NOW = datetime.now(timezone.utc).replace(microsecond=0)
ROOT = forge.authority("Root", not_before=NOW - 30 * DAY, not_after=NOW + 300 * DAY)
ISSUER = forge.authority("Issuer", ROOT, not_before=NOW - 30 * DAY, not_after=NOW + 300 * DAY)
NAMES = ("a.example.com", "b.example.com")
#: A service of no known kind, and Exim, which has a shared piece of configuration.
SERVICES = ("web", "mail")
KEY_AND_CERTIFICATE = ("fullchain.pem", "privkey.pem")
_FIRST_TURN = {"place": "", "turn": 1, "is_last": False, "is_open": False, "is_known": True}
STAPLE = ("ocsp.der", "nginx-staple.conf", "combined.pem.ocsp")
Certificates = t.Mapping[str, t.Tuple[Entity, bytes]]


def leaf(name: str, number: int) -> Entity:
    return forge.leaf(
        ISSUER,
        name,
        private_key=forge.key("p256", f"{name}{number}"),
        serial=number,
        not_before=NOW - 20 * DAY,
        not_after=NOW + 60 * DAY,
        extensions=[forge.subject_alt_name(name), forge.ocsp_urls(forge.URL)],
    )


def staple(subject: Entity, age: timedelta) -> bytes:
    start = NOW - age
    answer = forge.single(subject, ISSUER, this_update=start, next_update=start + 7 * DAY)
    return forge.response(answer, signer=ISSUER, certificates=[], produced_at=start)


#: Certificates with a staple: at first, with a newer staple each, and with another certificate for the first name.
FIRST = {name: (leaf(name, number), staple(leaf(name, number), 3 * HOUR)) for number, name in enumerate(NAMES, 1)}
STAPLED = {name: (one, staple(one, HOUR)) for name, (one, _staple) in FIRST.items()}
RENEWED = {**STAPLED, NAMES[0]: (leaf(NAMES[0], 9), staple(leaf(NAMES[0], 9), HOUR))}


class World:
    """A host whose services load all that is live when they are reloaded, and a state of it to go back to."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.place = home / "host"
        self.root, self.state = self.place / "etc", self.place / "var"
        self.moment = NOW

    # What is done

    def deploy(self, certificates: Certificates) -> t.Dict[str, t.Any]:
        """As a playbook does; who is to be reloaded is in the result."""
        from ocsp.deploy import certificate_set
        from ocsp_stapling.host import run_command

        entries = []
        for name, (one, response) in certificates.items():
            entry = dict.fromkeys(_OF_AN_ENTRY)
            entry.update(name=name, private_key_content=forge.private_pem(one.key).decode())
            entry.update(certificate_content=one.pem.decode(), chain_content=ISSUER.pem.decode())
            entry.update(response_content=base64.b64encode(response).decode())
            entries.append(entry)
        values = {
            **_OPTIONS,
            "certificates": entries,
            "part": {"owner": "web", "claimed": {}, "kept": [], "together": {}, **_FIRST_TURN},
            "force": False,
            "found": [],
            "services": list(SERVICES),
            "service_settings": self.services(),
            "owner": str(os.geteuid()),
            "group": str(os.getegid() or 1),
            "path": str(self.root),
            "state_path": str(self.state),
        }
        result = certificate_set.carry_out(certificate_set.Task(values, run_command))
        return {**result.values, "changed": result.changed, "failed": result.failed}

    def program(self, *arguments: str) -> int:
        from ocsp_stapling.cli import main

        places = ["--config", str(self.root / "config.json"), "--state", str(self.state)]
        sockets = ["--journal-socket", str(self.home / "journal"), "--syslog-socket", str(self.home / "syslog")]
        return main([*arguments, *places, *sockets, "--now", self.moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "--quiet"])

    def take_back(self) -> None:
        """What a verification does that found something worse."""
        from ocsp.deploy import confirm
        from ocsp.services import control, installation
        from ocsp.store import sets
        from ocsp_stapling.host import run_command

        described = {name: control.configured(name, **_tuples(one)) for name, one in self.services().items()}
        known = control.Services(described, run_command)
        with installation.Installation(sets.Layout(str(self.root), str(self.state)), known) as one:
            confirm.take_back(one)
            assert confirm.reload_all(one, SERVICES) == []

    def services(self) -> t.Dict[str, t.Dict[str, t.Any]]:
        load = f'rm -rf "{self.place}/$0" && mkdir "{self.place}/$0" && cp -rL "{self.root}"/[ls]* "{self.place}/$0"'
        rejected = f"cmp -s {self.place}/rejected {self.root}/live/{NAMES[0]}/ocsp.der"
        test = ["/bin/sh", "-c", f"test ! -e {self.place}/broken && ! {rejected}"]
        settings = {name: {"test": test, "reload": ["/bin/sh", "-c", load, name]} for name in SERVICES}
        settings["mail"].update(kind="exim", unit="certops-mail")
        return settings

    # What there is

    def make(self) -> None:
        for folder in (self.root, *(self.state / name for name in ("responses", "metrics", "pending"))):
            folder.mkdir(parents=True)
        certificates = [{"name": name, "services": list(SERVICES)} for name in NAMES]
        hosts.write_json(
            self.root / "config.json", {"version": 1, "certificates": certificates, "services": self.services()}
        )

    def bring(self, certificates: Certificates) -> None:
        """As refresh does: leave responses for apply."""
        for name, (_one, response) in certificates.items():
            (self.state / "responses" / f"{name}.der").write_bytes(response)

    def keep(self) -> None:
        # With the owners of the keys: a set where these are others than wanted would be made anew.
        subprocess.run(["cp", "-a", str(self.place), str(self.home / "kept")], check=True)

    def restore(self) -> None:
        shutil.rmtree(self.place)
        subprocess.run(["cp", "-a", str(self.home / "kept"), str(self.place)], check=True)

    def live(self, name: str) -> t.Dict[str, bytes]:
        folder = self.root / "live" / name
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    def check_sets(self) -> None:
        """Each live set is whole, and its staple is its own."""
        for name in NAMES:
            files = self.live(name)
            if not files:
                continue
            one, _response = next(
                known for known in (FIRST[name], RENEWED[name]) if known[0].pem == files["cert.pem"].replace(b"\r", b"")
            )
            assert files["fullchain.pem"] == one.pem + ISSUER.pem
            assert files["privkey.pem"] == forge.private_pem(one.key)
            if "nginx-staple.conf" in files or "combined.pem.ocsp" in files:
                assert "ocsp.der" in files
            known_staples = [known[name][1] for known in (FIRST, STAPLED, RENEWED) if known[name][0] == one]
            assert files.get("ocsp.der") in (None, *known_staples)

    def check_noted(self, before: t.Mapping[str, t.Mapping[str, bytes]], wanted: Certificates) -> None:
        """What was live and has been put back is on record for status."""
        from ocsp.store import attempts, sets

        layout = sets.Layout(str(self.root), str(self.state))
        for name, (one, _response) in wanted.items():
            files = self.live(name)
            if files and before[name].get("cert.pem") == one.pem != files["cert.pem"]:
                found = attempts.outstanding(layout, name)
                assert found is not None and found.outcome == attempts.SWITCHED_BACK, name
            elif files and files["cert.pem"] == one.pem:
                assert attempts.outstanding(layout, name) is None, name

    def check_told(self) -> None:
        """Each service already uses the files on disk, and nothing is left to be done."""
        for service in SERVICES:
            for name in NAMES:
                loaded = self.place / service / "live" / name
                found = {path.name: path.read_bytes() for path in loaded.iterdir()} if loaded.exists() else {}
                # Exim reads a staple for each connection, and needs to be told of no new one.
                names = KEY_AND_CERTIFICATE if service == "mail" else (*KEY_AND_CERTIFICATE, *STAPLE)
                assert [found.get(one) for one in names] == [self.live(name).get(one) for one in names], (service, name)
        piece = self.root / "snippets/exim.conf"
        if piece.exists():
            assert (self.place / "mail/snippets/exim.conf").read_bytes() == piece.read_bytes()
            for name, identifier in re.findall(r"/sets/([^/]+)/([^/]+)/fullchain.pem", piece.read_text()):
                assert os.readlink(self.root / "live" / name).endswith(identifier)
        assert sorted(path.name for path in (self.state / "pending").iterdir()) == []
        assert not (self.state / "journal.json").exists()
        # What apply writes for others to read is its own, and it cleans up behind itself. The lock stays.
        own = (
            self.state / ".state.json.ocsp-new",
            self.state / "metrics/.ocsp_stapling.prom.ocsp-new",
            self.state / ".installation.lock",
        )
        assert [path for path in self.place.rglob(".*") if path not in own] == []


_OF_AN_ENTRY = ["names", "services", "owner", "group", "mode", "staple", "options", "source", "responder_urls"]
_OF_AN_ENTRY += ["fetch_problem", "fetch_problem_code"]
_OF_AN_ENTRY += [
    f"{part}_{kind}" for part in ("private_key", "certificate", "chain", "root") for kind in ("path", "src", "content")
]
_OPTIONS: t.Dict[str, t.Any] = {
    "source": None,
    "remote_source": False,
    "state": "present",
    "mode": "0440",
    "staple": True,
    "options": {},
    "fetch_from": "nowhere",
    "workers": 1,
    "responder_wait": 0,
    "fail_on_held_back": True,
    "endpoints": [],
    "keep": 3,
    "force": False,
    "apache_port": 488,
}


def _tuples(settings: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


@pytest.fixture
def world(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    from ocsp.services import control

    # Exim runs, as far as anybody can tell.
    (tmp_path / "pid").write_text(str(os.getpid()))
    kind = control.SERVERS["exim"]._replace(pid_files=(str(tmp_path / "pid"),))
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "exim": kind})
    # The power does not fail here, and thousands of these take long.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    made = World(tmp_path)
    made.make()
    return made


def tell(world: World, result: t.Mapping[str, t.Any]) -> None:
    """As the handlers of a playbook do."""
    for service in result["reload"]:
        assert world.program("reload", service) == 0


def deployed(world: World) -> None:
    """The first certificates are live, and loaded by all."""
    tell(world, world.deploy(FIRST))
    (world.state / "transaction.json").unlink()
    world.check_told()


Step = t.Callable[[World], t.Any]


def nothing(_world: World) -> None:
    """A bare host."""


def switched(world: World) -> None:
    deployed(world)
    tell(world, world.deploy(RENEWED))


def brought(world: World) -> None:
    deployed(world)
    world.bring(STAPLED)


def rejected(world: World) -> None:
    """One of the newer staples is such that services would not start with it."""
    brought(world)
    (world.place / "rejected").write_bytes(STAPLED[NAMES[0]][1])


def noted_and_rejected(world: World) -> None:
    rejected(world)
    assert world.program("apply", "--no-reload") == 0


def ending(world: World) -> None:
    deployed(world)
    world.bring(FIRST)
    world.moment = NOW + 7 * DAY - 4 * HOUR


def noted(world: World) -> None:
    deployed(world)
    world.deploy(RENEWED)


def refused(world: World) -> None:
    deployed(world)
    (world.place / "broken").touch()


def deploy_what_is_refused(world: World) -> None:
    assert world.deploy(RENEWED)["failed"]


#: By name: what was before, what is killed, and what the next playbook deploys.
ACTIONS: t.Dict[str, t.Tuple[Step, Step, Certificates]] = {
    "a first deployment": (nothing, lambda world: world.deploy(FIRST), FIRST),
    "a renewal": (deployed, lambda world: world.deploy(RENEWED), RENEWED),
    "a renewal that is refused": (refused, deploy_what_is_refused, RENEWED),
    "going back": (switched, World.take_back, RENEWED),
    "apply, with newer staples": (brought, lambda world: world.program("apply"), RENEWED),
    "apply, with a staple that is rejected": (rejected, lambda world: world.program("apply"), RENEWED),
    "reload, with a staple that is rejected": (
        noted_and_rejected,
        lambda world: world.program("reload", "--pending"),
        RENEWED,
    ),
    "apply, with staples that end": (ending, lambda world: world.program("apply"), RENEWED),
    "reload": (noted, lambda world: world.program("reload", "--pending"), RENEWED),
}


def next_playbook(world: World, certificates: Certificates) -> None:
    result = world.deploy(certificates)
    assert not result["failed"], result
    tell(world, result)
    for name, (one, response) in certificates.items():
        assert world.live(name)["cert.pem"] == one.pem and world.live(name)["ocsp.der"] == response


def next_apply(world: World, _certificates: Certificates) -> None:
    assert world.program("apply") in (0, 1, 2)
    if (world.place / "rejected").exists():
        assert [world.live(name)["ocsp.der"] for name in NAMES] == [FIRST[NAMES[0]][1], STAPLED[NAMES[1]][1]]


@pytest.mark.parametrize("follow_up", [next_playbook, next_apply])
@pytest.mark.parametrize("action", ACTIONS)
def test_the_next_run_leaves_every_server_with_what_is_on_disk(
    action: str, follow_up: t.Callable[[World, Certificates], None], world: World, record_property: t.Any
) -> None:
    before, killed, certificates = ACTIONS[action]
    before(world)
    world.keep()
    whole = kill.run(lambda: killed(world), str(world.place))
    assert not whole.killed and len(whole.written) > 5
    for at in range(len(whole.written)):
        world.restore()
        done = kill.run(lambda: killed(world), str(world.place), at)
        assert done.killed, f"{at} of {len(whole.written)}"
        world.check_sets()
        (world.place / "broken").unlink(missing_ok=True)
        was_live = {name: world.live(name) for name in certificates}
        follow_up(world, certificates)
        world.check_noted(was_live, certificates)
        world.check_sets()
        world.check_told()
    record_property("kills", len(whole.written))
