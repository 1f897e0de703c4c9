# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host for the program: its folders, a certificate authority, and a responder that can be told to misbehave."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import socket
import subprocess
import typing as t
import urllib.parse
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import read_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import sets, staples
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW, Entity
from ansible_collections.certops.ocsp.tests.unit.http_server import Peer, Server, answer

LAUNCHER = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/files/ocsp-stapling"
_TYPE = "Content-Type: application/ocsp-response"

#: A response of a certificate at a time of the responder's clock.
Maker = t.Callable[[Entity, datetime], bytes]


def good(leaf: Entity, now: datetime, life: timedelta = 7 * DAY, age: timedelta = HOUR) -> bytes:
    """A response that was made an hour ago."""
    start = now - age
    return forge.response(forge.single(leaf, this_update=start, next_update=start + life), produced_at=start)


def by_sha256(leaf: Entity, now: datetime) -> bytes:
    """A response that is good, but that HAProxy and hitch do not read."""
    start = now - HOUR
    single = forge.single(leaf, digest="sha256", this_update=start, next_update=start + 7 * DAY)
    return forge.response(single, produced_at=start)


def another_first(leaf: Entity, now: datetime) -> bytes:
    """A response that is good, but that clients with GnuTLS take for one about another certificate."""
    start = now - HOUR
    times = {"this_update": start, "next_update": start + 7 * DAY}
    return forge.response(forge.single(leaf, serial=7, **times), forge.single(leaf, **times), produced_at=start)


def revoked(leaf: Entity, now: datetime) -> bytes:
    start = now - HOUR
    single = forge.single(
        leaf,
        status="revoked",
        reason="key_compromise",
        this_update=start,
        next_update=start + 7 * DAY,
        revocation_time=start,
    )
    return forge.response(single, produced_at=start)


def unknown(leaf: Entity, now: datetime) -> bytes:
    start = now - HOUR
    single = forge.single(leaf, status="unknown", this_update=start, next_update=start + 7 * DAY)
    return forge.response(single, produced_at=start)


def about_another(_leaf: Entity, now: datetime) -> bytes:
    return good(forge.leaf(forge.world().issuer, "other.example.com", serial=99), now)


def forged(leaf: Entity, now: datetime) -> bytes:
    start = now - HOUR
    single = forge.single(leaf, this_update=start, next_update=start + 7 * DAY)
    return forge.response(single, produced_at=start, flip_signature=True)


def expired(leaf: Entity, now: datetime) -> bytes:
    return good(leaf, now, life=DAY, age=2 * DAY)


def try_later(_leaf: Entity, _now: datetime) -> bytes:
    return forge.error_response("try_later")


def write_json(path: Path, values: t.Any) -> None:
    """As the role writes a configuration."""
    path.write_text(json.dumps(values, indent=2))


class Result(t.NamedTuple):
    """What a command of the program did."""

    code: int
    out: str
    err: str


class Host:
    """Folders like those of a real host below ``home``, and the program as a process on them.

    ``now`` is the clock of the host and ``responder_now`` that of the responder, None for the same.
    """

    def __init__(self, home: Path, library: Path) -> None:
        self.home = home
        self.library = library
        self.root = home / "etc"
        self.state = home / "var"
        self.responses = self.state / "responses"
        self.now = NOW
        self.responder_now: t.Optional[datetime] = None
        self.leaves: t.Dict[str, Entity] = {}
        self.makers: t.Dict[str, Maker] = {}
        self.maker: Maker = good
        self.sends_date = False
        self.headers: t.List[str] = []
        self.status = "200 OK"
        self.slow = False
        self.down = False
        self.down_for_get = False
        self.config: t.Dict[str, t.Any] = {"version": 1, "certificates": [], "defaults": {"retries": 0}}
        self._server = Server(self._serve)
        self._hanging: t.List[socket.socket] = []
        for folder in (self.root / "live", self.responses, self.state / "metrics", self.state / "pending"):
            folder.mkdir(parents=True)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.close()
        for listener in self._hanging:
            listener.close()

    # The responder

    @property
    def url(self) -> str:
        return self._server.url("/")

    def hanging(self) -> str:
        """The URL of a responder of another host, on a port of its own, that takes connections and is silent."""
        listener = socket.create_server(("127.0.0.2", 0))
        self._hanging.append(listener)
        return f"http://127.0.0.2:{listener.getsockname()[1]}/"

    @property
    def requests(self) -> int:
        return len(self._server.requests)

    @property
    def asked(self) -> t.List[bytes]:
        """The requests, in their order."""
        return self._server.requests

    def _serve(self, peer: Peer) -> None:
        while True:
            request = peer.read_request()
            if self.down or (self.down_for_get and request.startswith(b"GET ")):
                peer.reset()
                return
            if self.slow:
                peer.hold()
                return
            moment = self.responder_now or self.now
            leaf = self._asked(request)
            body = self.makers.get(_name(self.leaves, leaf), self.maker)(leaf, moment)
            date = [f"Date: {format_datetime(moment, usegmt=True)}"] if self.sends_date else []
            peer.send(answer(body, self.status, [_TYPE, *date, *self.headers]))

    def _asked(self, request: bytes) -> Entity:
        """The certificate that a request is about, by its serial number."""
        head, _separator, body = request.partition(b"\r\n\r\n")
        if not body:
            path = urllib.parse.unquote(head.split(b" ")[1].decode())
            body = base64.b64decode(path.lstrip("/"))
        return next(leaf for leaf in self.leaves.values() if forge.integer(leaf.serial) in body)

    # Certificates

    def issue(self, name: str, must_staple: bool = False, **options: t.Any) -> Entity:
        """A new certificate for a name."""
        urls, names = options.pop("urls", (self.url,)), options.pop("names", ())
        extensions = [
            forge.basic_constraints(False),
            forge.key_usage("digital_signature"),
            forge.extended_key_usage(forge.SERVER_AUTH),
            *([forge.ocsp_urls(*urls)] if urls else []),
            *([forge.subject_alt_name(*names)] if names else []),
            *([forge.must_staple()] if must_staple else []),
        ]
        serial = 0x5A000000_00000000 + len(self.leaves) * 0x10001 + int.from_bytes(os.urandom(4), "big")
        leaf = forge.leaf(forge.world().issuer, name, serial=serial, extensions=extensions, **options)
        self.leaves[name] = leaf
        return leaf

    def deploy(self, name: str, services: t.Sequence[str] = (), must_staple: bool = False, **options: t.Any) -> Path:
        """Put a new certificate into a new set, switch to it, and have it in the configuration. Returns its folder."""
        leaf_options = {key: options.pop(key) for key in ("urls", "not_after", "not_before") if key in options}
        leaf = self.issue(name, must_staple, **leaf_options)
        folder = self.root / "sets" / name / sets.new_id(self.now, hashlib.sha256(leaf.der).hexdigest())
        folder.mkdir(parents=True)
        (folder / "fullchain.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
        (folder / "privkey.pem").write_text("not a key")
        (folder / "privkey.pem").chmod(0o640)
        self.switch(name, folder)
        known = [entry for entry in self.config["certificates"] if entry["name"] != name]
        self.config["certificates"] = [*known, {"name": name, "services": list(services), **options}]
        self.configure()
        return folder

    def switch(self, name: str, folder: Path) -> None:
        live = self.root / "live" / name
        live.unlink(missing_ok=True)
        live.symlink_to(os.path.relpath(folder, live.parent))

    def configure(self, **values: t.Any) -> None:
        self.config.update(values)
        write_json(self.root / "config.json", self.config)

    def service(self, name: str, **settings: t.Any) -> Path:
        """A service whose reload is a command that notes it in the file that is returned."""
        noted = self.home / f"{name}.reloads"
        command = {"reload": ["/bin/sh", "-c", f"echo {name} >> {noted}"], **settings}
        self.config.setdefault("services", {})[name] = command
        self.configure()
        return noted

    def reloads(self, name: str) -> int:
        noted = self.home / f"{name}.reloads"
        return len(noted.read_text().splitlines()) if noted.exists() else 0

    # The program

    def arguments(self, command: str, *arguments: str) -> t.List[str]:
        places = ["--config", str(self.root / "config.json"), "--state", str(self.state)]
        sockets = ["--journal-socket", str(self.home / "journal"), "--syslog-socket", str(self.home / "syslog")]
        return [command, *places, *sockets, "--now", self.now.strftime("%Y-%m-%dT%H:%M:%SZ"), *arguments]

    def run(self, command: str, *arguments: str) -> Result:
        """Run a command in this process, which is much faster than in one of its own."""
        from ocsp_stapling.cli import main

        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                code = main(self.arguments(command, *arguments))
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
        return Result(code, output.getvalue(), errors.getvalue())

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as it is started on a host."""
        return subprocess.Popen(
            ["/bin/sh", str(LAUNCHER), *self.arguments(command, *arguments)],
            env={
                "PATH": os.environ["PATH"],
                "OCSP_STAPLING_LIB": str(self.library),
                "OCSP_STAPLING_PYTHON": str(self.library / "python"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, command: str, *arguments: str) -> Result:
        """Run a command as it is run on a host."""
        with self.start(command, *arguments) as process:
            output, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors, errors
        return Result(process.returncode, output, errors)

    def hour(self) -> t.Tuple[Result, Result]:
        """What the timer does each hour."""
        return self.run("refresh"), self.run("apply")

    def schedule(self, fields: str, monkeypatch: t.Any) -> None:
        """Have cron start the program, at the times of its five fields."""
        from ocsp.services import timetable

        job = self.home / "cron"
        job.write_text(f"# Managed\nPATH=/usr/bin:/bin\n{fields} root ocsp-stapling refresh; ocsp-stapling apply\n")
        monkeypatch.setattr(timetable, "CRON_FILE", str(job))

    def later(self, length: timedelta) -> None:
        self.now += length

    # What there is

    def staple(self, name: str) -> t.Optional[bytes]:
        path = self.root / "live" / name / "ocsp.der"
        return path.read_bytes() if path.exists() else None

    def put_staple(self, name: str, data: t.Optional[bytes] = None) -> None:
        """Have a staple in place as a playbook puts it there, without a run of the program."""
        place = staples.find(str(self.root / "live" / name))
        options = read_options({"certificate_path": f"{self.root}/live/{name}/fullchain.pem"})
        assert place is not None and options.target is not None
        data = data or good(self.leaves[name], self.now)
        staples.install(place, data, judge(data, options.target, self.now, options.rules))

    def pieces(self, name: str) -> t.List[str]:
        """The files of a staple that are in place."""
        folder = self.root / "live" / name
        return sorted(path.name for path in folder.iterdir() if "ocsp" in path.name or "staple" in path.name)

    def known(self, name: str) -> t.Dict[str, t.Any]:
        """What the state says of a certificate."""
        found = json.loads((self.state / "state.json").read_text())["certificates"][name]
        assert isinstance(found, dict)
        return found

    def pending(self) -> t.List[str]:
        """The services with a note; what was on its way to a name when a run was killed is none."""
        return sorted(path.name for path in (self.state / "pending").iterdir() if not path.name.startswith("."))


def _name(leaves: t.Mapping[str, Entity], leaf: Entity) -> str:
    return next(name for name, other in leaves.items() if other is leaf)
