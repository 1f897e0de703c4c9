# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate_set: all of it or nothing, and no word of a private key."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import pwd
import re
import shutil
import socket
import ssl
import threading
import time
import types
import typing as t
import zlib
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import (
    asking,
    certificate_set,
    claims,
    confirm,
    finds,
    material,
    removal,
    renewed,
    wanted,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import plan as plans
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import task as deployment_task
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError, TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import bulk, refresh
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import attempts, files, parts, sets
from ansible_collections.certops.ocsp.plugins.modules import certificate_set as certificate_set_module
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    Result,
    Runner,
    comparable,
    documentation,
    specification,
)

NOW = datetime.now(timezone.utc).replace(microsecond=0)
ROOT = forge.authority("Root", not_before=NOW - 30 * forge.DAY, not_after=NOW + 300 * forge.DAY)
ISSUER = forge.authority("Issuer", ROOT, not_before=NOW - 30 * forge.DAY, not_after=NOW + 300 * forge.DAY)
OTHER = forge.authority("Other", not_before=NOW - 30 * forge.DAY, not_after=NOW + 300 * forge.DAY)
#: A service that is known to no host, so that nothing of this machine is tested or looked at.
SERVICE = "certops-test"
#: Whose keys these tests deploy.
OWNER = sets.Access(os.geteuid(), os.getegid()).shown.partition(" ")[0]


def leaf(
    name: str,
    label: str = "",
    kind: str = "p256",
    urls: bool = True,
    demands: bool = False,
    also: str = "",
    more: t.Sequence[bytes] = (),
) -> forge.Entity:
    extensions = [forge.subject_alt_name(*filter(None, (name, also)))]
    extensions += [forge.ocsp_urls(forge.URL)] if urls else []
    extensions += [forge.must_staple(), *more] if demands else more
    return forge.leaf(
        ISSUER,
        name,
        private_key=forge.key(kind, name + label),
        serial=zlib.crc32((name + label).encode()),
        not_before=NOW - 20 * forge.DAY,
        not_after=NOW + 60 * forge.DAY,
        extensions=extensions,
    )


@functools.cache
def staple(subject: forge.Entity, status: str = "good") -> str:
    answer = forge.single(subject, ISSUER, status=status, this_update=NOW - forge.HOUR, next_update=NOW + 6 * forge.DAY)
    return base64.b64encode(
        forge.response(answer, signer=ISSUER, certificates=[], produced_at=NOW - forge.HOUR)
    ).decode()


def entry(subject: forge.Entity, title: str, **given: t.Any) -> t.Dict[str, t.Any]:
    values = {
        "name": title,
        "private_key_content": forge.private_pem(subject.key).decode(),
        "certificate_content": subject.pem.decode(),
        "chain_content": ISSUER.pem.decode(),
        "services": [SERVICE],
    }
    return {name: value for name, value in {**values, **given}.items() if value is not None}


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.pauses: t.List[float] = []

    def monotonic(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> t.Callable[..., Result]:
    runner = Runner("certificate_set", monkeypatch, capfd)
    if os.geteuid() != 0:
        monkeypatch.setattr(_module, "require_root", lambda module: None)
    # The servers of this machine are no part of these tests.
    monkeypatch.setattr(removal, "broken_without", lambda folder, run: [])
    user = {"owner": str(os.geteuid()), "group": str(os.getegid())}
    paths = {"path": str(tmp_path / "etc"), "state_path": str(tmp_path / "var")}
    return functools.partial(
        runner, fetch_from="nowhere", service_settings={SERVICE: {"unit": SERVICE}}, **user, **paths
    )


def live(tmp_path: Path, name: str) -> Path:
    return tmp_path / "etc" / "live" / name


def tree(tmp_path: Path) -> t.Dict[str, t.Any]:
    return {
        str(path.relative_to(tmp_path)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_documentation_and_spec_agree(monkeypatch: pytest.MonkeyPatch, run: t.Callable[..., Result]) -> None:
    module = run.func.module  # type: ignore[attr-defined]
    documented, spec = documentation(module), specification(module, monkeypatch)
    assert comparable(documented) == comparable(spec)
    for name in ("certificates", "endpoints"):
        assert comparable(documented[name]["suboptions"]) == comparable(spec[name]["options"])


def test_all_that_is_wrong_is_said_at_once_by_certificate(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """What cannot be read as well as what does not fit; a line and a finding for each."""
    one, other = leaf("one.example.com"), leaf("two.example.com")
    given = [
        entry(one, "one.example.com", private_key_content=forge.private_pem(other.key).decode()),
        entry(other, "two.example.com", certificate_content=None),
        entry(other, "three.example.com"),
    ]
    refused = run(certificates=given)
    assert refused["failed"] and tree(tmp_path) == {}
    lines = refused["msg"].splitlines()
    assert lines[0] == "nothing was changed:"
    assert lines[1:] == [f"- {found['message']}" for found in refused["findings"]]
    assert [found["name"] for found in refused["findings"]] == [
        "two.example.com",
        "one.example.com",
        "three.example.com",
    ]
    assert {found["code"] for found in refused["findings"]} == {"bad_input"}


@pytest.mark.parametrize("state", ["present", "verify", "absent"])
def test_forgotten_become_is_named(state: str, monkeypatch: pytest.MonkeyPatch, capfd: t.Any, tmp_path: Path) -> None:
    runner = Runner("certificate_set", monkeypatch, capfd)
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    for check in (True, False):
        result = runner(check=check, state=state, path=str(tmp_path / "etc"), state_path=str(tmp_path / "var"))
        assert result["failed"] and tree(tmp_path) == {}
        assert result["msg"] == (
            f"nothing was changed: this needs root, but runs as {pwd.getpwuid(1).pw_name}; "
            "set become: true on the play "
            "or the task"
        )


def test_a_set_is_deployed_once(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one = leaf("www.example.com")
    certificates = [entry(one, "www.example.com", response_content=staple(one))]
    checked = run(check=True, diff=True, certificates=certificates)
    assert checked["changed"] and checked["reload"] == [SERVICE] and tree(tmp_path) == {}
    first = run(diff=True, certificates=certificates)
    assert first["changed"] and first["reload"] == first["unconfirmed"] == [SERVICE] and first["warnings"] == []
    assert first["diff"] == checked["diff"]
    assert first["good_until"] == f"{NOW + 6 * forge.DAY:%Y-%m-%dT%H:%M:%SZ}", "the staple expires first"
    files = live(tmp_path, "www.example.com")
    assert base64.b64encode((files / "ocsp.der").read_bytes()).decode() == staple(one)
    assert (files / "fullchain.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert (files / "privkey.pem").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "var/pending" / SERVICE).exists()

    again = run(certificates=certificates)
    assert again["changed"] and again["reload"] == [SERVICE], "nobody has reloaded the service yet"
    assert again["msg"] == f"1 certificate: up to date, but {SERVICE} had not loaded the last change yet"
    (tmp_path / "var/pending" / SERVICE).unlink()
    before = tree(tmp_path)
    for check in (True, False):
        idle = run(check=check, certificates=certificates)
        assert not idle["changed"] and idle["reload"] == [] and tree(tmp_path) == before


def test_nothing_of_a_key_is_logged(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by Ansible either, which logs each task to the journal of the host."""
    logged: t.List[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    one = leaf("www.example.com")
    private = forge.private_pem(one.key).decode()
    path = tmp_path / "www.example.com.key"
    path.write_text(private)
    path.chmod(0o600)
    both = one.pem.decode() + private
    for given in (
        entry(one, "www.example.com"),
        entry(one, "www.example.com", private_key_content=None, private_key_path=str(path)),
        entry(one, "www.example.com", certificate_content=both),
        entry(one, "www.example.com", private_key_content=forge.private_pem(forge.key("p256", "x")).decode()),
    ):
        run(diff=True, certificates=[given])
    assert any("www.example.com" in line for line in logged)
    assert not [line for line in logged if "PRIVATE KEY" in line or private.splitlines()[1] in line]


def test_nothing_of_a_key_is_told(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one = leaf("www.example.com")
    key = forge.private_pem(one.key).decode().splitlines()[1]
    for wrong in (None, forge.private_pem(forge.key("p256", "x")).decode()):
        given = entry(one, "www.example.com", response_content=staple(one))
        given.update({"private_key_content": wrong} if wrong else {})
        result = json.dumps(run(diff=True, certificates=[given]))
        for secret in (key, "PRIVATE KEY-----", *(wrong.splitlines()[1:2] if wrong else ())):
            assert secret not in result


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"private_key_content": forge.private_pem(forge.key("p256", "x")).decode()}, "does not match"),
        ({"chain_content": OTHER.pem.decode()}, "does not contain the issuer"),
        ({"root_content": OTHER.pem.decode()}, "does not chain to any certificate of root_content"),
        ({"names": ["other.example.com"]}, "is not for other.example.com"),
        ({"mode": "0444"}, "the mode 0444 of the private key allows more than read access for owner and group"),
        ({"mode": 440}, 'mode: 440 was read as a decimal number; write "0440", in quotes'),
        ({"mode": 400}, 'mode: 400 was read as a decimal number; write "0400", in quotes'),
        ({"mode": 444}, "the mode 0674 of the private key allows more than"),
        ({"mode": "04400"}, "the mode 4400 of the private key allows more than"),
        (
            {"options": {"minimum_validty": "3d"}},
            "options: 'minimum_validty' is not an option; did you mean minimum_validity?",
        ),
        ({"services": ["ngnix"]}, "services: ngnix is not a known service; did you mean nginx? For another service"),
        (
            {"services": ["qqq"]},
            "trafficserver. For another service set its unit or reload command in service_settings",
        ),
        ({"mode": "rw"}, "is not an octal number"),
        ({"group": "no-such-group"}, "no-such-group"),
        ({"services": ["exim"], "owner": "0", "group": "0"}, "exim cannot read the private key"),
        ({"private_key_content": None}, "there is no private key"),
        (
            {"private_key_content": None, "private_key_path": "/nonexistent"},
            "private_key_path: /nonexistent does not exist",
        ),
        ({"options": {"timeout": -1}}, "timeout"),
        ({"name": "*.example.com"}, "is not a valid name for a set"),
    ],
)
def test_one_bad_certificate_stops_all(
    change: t.Dict[str, t.Any], sentence: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    good, bad = leaf("good.example.com"), leaf("bad.example.com")
    certificates = [entry(good, "good.example.com"), entry(bad, "bad.example.com", **change)]
    result = run(certificates=certificates)
    assert result["failed"] and sentence in result["msg"] and not [path for path in tree(tmp_path) if "live" in path]


@pytest.mark.parametrize(("service", "refused"), [("exim", True), ("nginx", False)])
def test_what_gnutls_does_not_read_is_refused_for_its_servers_alone(
    service: str, refused: bool, run: t.Callable[..., Result]
) -> None:
    """Others serve it, to all clients but those with GnuTLS."""
    unread = f"has the object identifier 2.25.{2**127}, of which a number has more than 64 bits"
    one = leaf("www.example.com", urls=False, more=[forge.extension(f"2.25.{2**127}", forge.NULL)])
    access = {"owner": "0", "group": "1", "mode": "0440"}
    result = run(certificates=[entry(one, "www.example.com", services=[service], **access)])
    assert result["failed"] is refused
    said = result["msg"] if refused else " ".join(result["warnings"])
    assert unread in said and ("exim with GnuTLS" in said) is refused


@pytest.mark.parametrize("place", ["of the task", "of a certificate"])
def test_options_are_converted_as_those_of_a_task(
    place: str, run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that comes from an inventory or the command line is a text."""
    given = {"nonce": "no", "timeout": "2.5", "retries": "0", "responder_urls": "http://127.0.0.1:1", "allow": None}
    seen: t.List[t.Any] = []
    monkeypatch.setattr(bulk, "obtain_all", lambda requests, *rest, **more: seen.extend(requests) or iter(()))
    one, in_task = leaf("www.example.com"), place == "of the task"
    own = {} if in_task else {"options": given}
    with contextlib.suppress(KeyError, IndexError):
        run(
            certificates=[entry(one, "www.example.com", **own)],
            fetch_from="host",
            **({"options": given} if in_task else {}),
        )
    (options,) = (request.options for request in seen)
    assert (options.nonce, options.timeout, options.retries) == (False, 2.5, 0)
    assert options.responder_urls == ("http://127.0.0.1:1",) and options.rules.allow == frozenset()


def test_all_that_is_wrong_with_options_is_said_at_once(run: t.Callable[..., Result]) -> None:
    wrong = [
        entry(leaf(name), name, options=options)
        for name, options in {
            "one.example.com": {"timeout": "ten", "retry": 1},
            "two.example.com": {"method": "put", "state": "absent"},
        }.items()
    ]
    result = run(certificates=wrong, options={"server": ["iis"]})
    assert result["failed"] and result["findings"][0]["code"] == "bad_input"
    for part in (
        "options: value of server must be one or more of: apache, ",
        "one.example.com: options: 'retry' is not an option; did you mean retries?",
        "one.example.com: options: timeout must be a number",
        "two.example.com: options: 'state' is not an option; ",
        "two.example.com: options: value of method must be one of: auto, get, post, got: put",
    ):
        assert part in result["msg"]


@pytest.mark.parametrize("workers", [0, -1, 1001])
def test_workers_have_limits(workers: int, run: t.Callable[..., Result]) -> None:
    result = run(certificates=[entry(leaf("www.example.com"), "www.example.com")], workers=workers, fetch_from="host")
    assert (result["failed"], result["msg"]) == (True, f"workers: {workers} is not between 1 and 1000")


def test_the_password_of_a_proxy_is_not_shown(run: t.Callable[..., Result]) -> None:
    one, proxy = leaf("www.example.com"), "http://user:s3cret@127.0.0.1:1"
    for wrong in ({}, {"retries": proxy}):
        options = {"http_proxy": proxy, "retries": 0, **wrong}
        for given in ({"options": options}, {"certificates": [entry(one, "www.example.com", options=options)]}):
            result = run(**{"certificates": [entry(one, "www.example.com")], "fetch_from": "host", **given})
            assert "s3cret" not in json.dumps(result)


def test_all_that_is_wrong_is_said_at_once(run: t.Callable[..., Result]) -> None:
    one, two = leaf("one.example.com"), leaf("two.example.com")
    certificates = [
        entry(one, "one.example.com", names=["x.example.com"], private_key_content=forge.private_pem(two.key).decode()),
        entry(two, "two.example.com", names=["y.example.com"]),
    ]
    message = run(certificates=certificates)["msg"]
    for part in ("one.example.com: the private key", "is not for x.example.com", "is not for y.example.com"):
        assert part in message


@pytest.mark.parametrize(
    ("services", "urls", "sentence"),
    [
        (["nginx"], True, ""),
        (["nginx", "dovecot"], True, "which dovecot cannot do"),
        (["postfix"], True, "which postfix cannot do"),
        (["nginx"], False, "has no OCSP responder URL; set responder_urls"),
    ],
)
def test_must_staple_only_where_it_can_be_kept(
    services: t.List[str], urls: bool, sentence: str, run: t.Callable[..., Result]
) -> None:
    one = leaf("www.example.com", urls=urls, demands=True)
    result = run(
        check=True, certificates=[entry(one, "www.example.com", services=services, response_content=staple(one))]
    )
    assert result["failed"] is bool(sentence) and sentence in result["msg"]


def test_what_requires_a_staple_waits_for_a_timer_that_renews_it_in_time(run: t.Callable[..., Result]) -> None:
    """Otherwise its staple would end before the next run of the program. One that is in use keeps it."""
    one = leaf("www.example.com", demands=True)
    given = entry(one, "www.example.com", response_content=staple(one))

    def deploy(days: float) -> Result:
        part = {"owner": "web", "interval": int(days * 86400)}
        return run(certificates=[given], part=part, fail_on_held_back=False)

    said = "responses of this responder are valid for only 8700 minutes, but the program runs only every 11520 minutes"
    rare = deploy(8)
    assert rare["held_back"] == ["www.example.com"]
    assert any(f"it must not be used without a staple: {said}" in warning for warning in rare["warnings"])
    often = deploy(1)
    assert often["held_back"] == [] and often["certificates"][0]["stapled"] and not often["warnings"]
    later = deploy(8)
    assert later["held_back"] == [] and later["certificates"][0]["stapled"]
    assert any(f"it requires a staple (must-staple), but {said}" in warning for warning in later["warnings"])


@pytest.mark.parametrize("demands", [True, False])
@pytest.mark.parametrize("breaks", [True, False], ids=["does not answer for once", "answers"])
def test_a_responder_that_does_not_know_it_is_asked_for_as_long(
    demands: bool, breaks: bool, run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = leaf("one.example.com", demands=demands)
    time = Clock()
    monkeypatch.setattr(asking, "time", time)
    body = base64.b64decode(staple(one, "unknown"))

    def exchange(*_given: t.Any) -> HttpResponse:
        if breaks and len(time.pauses) == 1:
            raise TransportError("unreachable", "Connection reset by peer", False)
        return HttpResponse(200, body)

    monkeypatch.setattr(bulk.Network, "_exchange", exchange)
    result = run(certificates=[entry(one, "one.example.com")], fetch_from="host", responder_wait=45)
    assert time.pauses == [10, 10, 10, 10, 5], result["msg"]


@pytest.mark.parametrize(
    ("service", "change", "refused"),
    [
        ("nginx", {}, True),
        ("lighttpd", {}, True),
        ("haproxy", {}, False),
        ("nginx", {"staple": False}, False),
    ],
)
def test_two_kinds_of_keys_for_one_name(
    service: str, change: t.Dict[str, t.Any], refused: bool, run: t.Callable[..., Result]
) -> None:
    certificates = [
        entry(
            leaf("www.example.com", label, kind),
            f"www.example.com{label}",
            names=["www.example.com"],
            services=[service],
            mode="0440",
            group="1",
            **change,
        )
        for label, kind in (("", "p256"), ("-rsa", "rsa2048"))
    ]
    result = run(check=True, certificates=certificates)
    assert result["failed"] is refused, result["msg"]
    assert not refused or "ecdsa and rsa keys" in result["msg"]


def test_certificate_that_demands_a_staple_waits_for_it(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one, two = leaf("one.example.com", demands=True), leaf("two.example.com")
    certificates = [entry(one, "one.example.com"), entry(two, "two.example.com")]
    result = run(certificates=certificates)
    assert result["failed"] and "one.example.com: it must not be used without a staple" in result["msg"]
    assert result["held_back"] == ["one.example.com"]
    assert not live(tmp_path, "one.example.com").exists() and live(tmp_path, "two.example.com").exists()
    assert [sentence for sentence in result["warnings"] if "two.example.com: there is no staple yet" in sentence]
    assert result["msg"].endswith("two.example.com; without a staple so far: two.example.com")
    assert result["without_staple"] == ["two.example.com"], "the other one is not in use"
    again = run(certificates=certificates[1:])
    assert again["without_staple"] == ["two.example.com"] and again["msg"] == (
        f"1 certificate: nothing to change, but {SERVICE} had not loaded the last change yet; "
        "without a staple so far: two.example.com"
    )
    certificates[0]["response_content"] = staple(one)
    assert run(certificates=certificates, fail_on_held_back=False)["held_back"] == []
    assert (live(tmp_path, "one.example.com") / "ocsp.der").exists()


def test_the_message_says_how_long_it_waited_for_what(
    run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = leaf("one.example.com", demands=True), leaf("two.example.com")
    certificates = [entry(one, "one.example.com"), entry(two, "two.example.com")]
    time = Clock()
    monkeypatch.setattr(asking, "time", time)
    options = {"certificates": certificates, "fetch_from": "host", "responder_wait": 45, "options": {"retries": 0}}

    def refuse(message: str, permanent: bool) -> Result:
        def exchange(*_arguments: t.Any) -> t.NoReturn:
            raise TransportError("unreachable", message, permanent)

        monkeypatch.setattr(bulk.Network, "_exchange", exchange)
        return run(**options)

    unknown = refuse("Name or service not known", True)
    assert unknown["held_back"] == ["one.example.com"] and "waited" not in unknown["msg"] and time.pauses == []
    result = refuse("Connection refused", False)
    assert result["held_back"] == ["one.example.com"] and time.pauses == [10, 10, 10, 10, 5]
    said = re.search(r"; (waited 45 seconds, until [-0-9T:]+Z, for responses for one\.example\.com)$", result["msg"])
    assert said is not None, result["msg"]
    assert not [one for one in result["warnings"] if "waited" in one], "the message of a failure is shown"
    time.pauses.clear()
    passed = run(**options, fail_on_held_back=False)
    assert "waited" not in passed["msg"] and [one.split()[0] for one in passed["warnings"]].count("waited") == 1
    time.pauses.clear()
    assert "waited" not in run(check=True, **options)["msg"] and time.pauses == []


def test_it_says_no_longer_wait_than_it_was_given(
    run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt may begin when the wait ends, and take its time."""
    time = Clock()
    monkeypatch.setattr(asking, "time", time)

    def exchange(*_arguments: t.Any) -> t.NoReturn:
        time.sleep(1)
        raise TransportError("unreachable", "Connection refused")

    monkeypatch.setattr(bulk.Network, "_exchange", exchange)
    given = [entry(leaf("one.example.com", demands=True), "one.example.com")]
    result = run(certificates=given, fetch_from="host", responder_wait=8, options={"retries": 0})
    assert time.monotonic() > 8 and "; waited 8 seconds, until " in result["msg"], result["msg"]


def test_revoked_certificate_is_not_deployed(run: t.Callable[..., Result], tmp_path: Path) -> None:
    good, bad = leaf("www.example.com"), leaf("www.example.com", "new")
    run(certificates=[entry(good, "www.example.com", response_content=staple(good))])
    before = tree(tmp_path)
    revoked = entry(bad, "www.example.com", response_content=staple(bad, "revoked"))
    result = run(certificates=[revoked], fail_on_held_back=False)
    assert result["held_back"] == result["revoked"] == ["www.example.com"]
    assert result["certificates"][0]["held_back"].endswith("; replace the certificate")
    (said,) = result["warnings"]
    assert said.startswith("www.example.com was not deployed: ") and said.endswith("; replace the certificate")
    assert {path: content for path, content in tree(tmp_path).items() if "etc" in path} == {
        path: content for path, content in before.items() if "etc" in path
    }


def test_what_is_not_used_is_said_of_a_set_that_stays(run: t.Callable[..., Result]) -> None:
    one = leaf("www.example.com")
    run(certificates=[entry(one, "www.example.com")])
    chain = (ISSUER.pem + forge.authority("Foreign", OTHER).pem).decode()
    (warning,) = run(certificates=[entry(one, "www.example.com", chain_content=chain)])["warnings"][:1]
    assert "CN=Foreign,O=Forge of chain_content was left out of the chain" in warning


def test_a_revoked_certificate_in_use_is_not_as_it_should_be(run: t.Callable[..., Result]) -> None:
    one = leaf("www.example.com")
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    result = run(certificates=[entry(one, "www.example.com", response_content=staple(one, "revoked"))])
    assert result["msg"] == "revoked, but in use: www.example.com"


def test_a_revoked_certificate_with_a_good_staple_is_not_as_it_should_be(run: t.Callable[..., Result]) -> None:
    """The staple from before is good for a while, so that no responder is asked; the program has asked earlier."""
    one, other = leaf("www.example.com"), leaf("www.example.com", "new")
    part = {"owner": "role", "revoked": ["www.example.com"]}
    given = entry(one, "www.example.com", response_content=staple(one))
    run(certificates=[given], part={"owner": "role"})
    result = run(certificates=[given], part=part)
    assert result["msg"].startswith("revoked, but in use: www.example.com")
    assert result["revoked"] == ["www.example.com"]
    assert "www.example.com: its CA has revoked it, but it is in use; replace it" in result["warnings"]
    replaced = run(certificates=[entry(other, "www.example.com", response_content=staple(other))], part=part)
    assert replaced["changed"] and replaced["revoked"] == [] and not replaced["warnings"]


def test_the_time_and_the_reason_of_a_revocation_are_known_as_long_as_the_program_knows_them(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Also where the staple from before is good for a while, so that no responder is asked."""
    one = leaf("www.example.com")
    given = entry(one, "www.example.com", response_content=staple(one))
    run(certificates=[given])
    kept = tmp_path / "var/proofs/www.example.com.proof"
    kept.parent.mkdir()
    kept.write_bytes(base64.b64decode(staple(one, "revoked")))
    for part in ({"owner": "role", "revoked": ["www.example.com"]}, {"owner": "role"}):
        result = run(certificates=[given], part=part)
        said = result["certificates"][0]["revocation"]
        if "revoked" in part:
            assert said.startswith("the certificate ") and " was revoked at 20" in said
            assert result["warnings"] == [f"www.example.com: {said}, but is in use; replace it"]
        else:
            assert said == "" and not result["warnings"], "what the program says counts"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("status", ["revoked", None])
def test_what_is_live_is_repaired_whatever_its_responder_says(
    check: bool, status: t.Optional[str], run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """One that is revoked, or that must not be used without a staple: to hold back its repair leaves it as it is."""
    one = leaf("www.example.com", demands=status is None)
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    folder = live(tmp_path, "www.example.com")
    for damage in ("privkey.pem", "cert.pem"):
        if damage == "cert.pem":
            (folder / damage).unlink()
        else:
            (folder / damage).chmod(0o644)
        with contextlib.suppress(FileNotFoundError):
            (folder / "ocsp.der").unlink()
        response = staple(one, status) if status else None
        before = tree(tmp_path / "etc")
        given = entry(one, "www.example.com", response_content=response)
        result = run(certificates=[given], fail_on_held_back=False, check=check, diff=True)
        assert result["held_back"] == [] and result["changed"] and not result["failed"]
        verb = "would change" if check else "changed"
        assert result["msg"].startswith(f"1 of 1 certificate {verb}: www.example.com"), result["msg"]
        said = "revoked, but in use" if status else "without a staple so far"
        assert f"; {said}: www.example.com" in result["msg"]
        assert f"{OWNER} 0644 and not" in result["msg"] or damage == "cert.pem"
        assert [shown["before"] != shown["after"] for shown in result["diff"]] == [True]
        if check:
            assert tree(tmp_path / "etc") == before
        else:
            assert (folder / "privkey.pem").stat().st_mode & 0o777 == 0o400 and (folder / "cert.pem").exists()
            idle = run(certificates=[given], fail_on_held_back=False)
            assert all(not item["changed"] for item in idle["certificates"]) and idle["held_back"] == []


def test_the_repair_of_a_revoked_certificate_leaves_its_staple_to_the_program(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    one = leaf("www.example.com")
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    given = entry(one, "www.example.com", response_content=staple(one, "revoked"), mode="0440")
    assert run(certificates=[given])["certificates"][0]["changed"]
    kept = (live(tmp_path, "www.example.com") / "ocsp.der").read_bytes()
    assert base64.b64encode(kept).decode() == staple(one)


def test_a_key_that_others_can_read_is_closed_although_the_renewal_is_held_back(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    one, new = leaf("www.example.com"), leaf("www.example.com", "new")
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    key = live(tmp_path, "www.example.com") / "privkey.pem"
    content = key.read_bytes()
    key.chmod(0o644)
    given = entry(new, "www.example.com", response_content=staple(new, "revoked"))
    for check in (True, False):
        result = run(certificates=[given], fail_on_held_back=False, check=check, diff=True)
        verb = "would be corrected" if check else "corrected"
        was = f"its key {'is' if check else 'was'} {OWNER} 0644 and not {OWNER} 0400"
        assert result["held_back"] == ["www.example.com"] and result["changed"]
        assert f"; access to keys {verb}: www.example.com ({was})" in result["msg"]
        assert result["certificates"][0]["secured"] and len(result["diff"]) == 1
        assert key.stat().st_mode & 0o777 == (0o644 if check else 0o400) and key.read_bytes() == content
    again = run(certificates=[given], fail_on_held_back=False, diff=True)
    assert "access to keys" not in again["msg"] and again["diff"] == [] and not again["certificates"][0]["secured"]


ACCESS: t.Dict[str, t.Tuple[str, int, str]] = {
    "the certificate": ("cert.pem", 0o666, "cert.pem"),
    "what is for all": ("*.pem", 0o664, "cert.pem (and 2 more)"),
    "the description": ("set.json", 0o646, "set.json"),
    "the staple": ("ocsp.der", 0o666, "ocsp.der"),
    "unreadable": ("fullchain.pem", 0o600, "fullchain.pem"),
    "its folder": (".", 0o777, "the folder {}"),
    "the folder of its sets": ("..", 0o777, "the folder sets/www.example.com"),
}


@pytest.mark.parametrize("held_back", [False, True])
@pytest.mark.parametrize(("pattern", "mode", "what"), ACCESS.values(), ids=ACCESS)
def test_what_others_can_write_of_a_set_is_replaced(
    pattern: str, mode: int, what: str, held_back: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Or closed, where the new set is held back."""
    one, new = leaf("www.example.com"), leaf("www.example.com", "new")
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    folder = live(tmp_path, "www.example.com").resolve()
    keys = [*map(folder.joinpath, sets.SECRET_FILES)]
    paths = [path for path in folder.glob(pattern) if path not in keys] if pattern[0] != "." else [folder / pattern]
    good = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(mode)
    given = entry(new, "www.example.com", response_content=staple(new, "revoked"))
    given = given if held_back else entry(one, "www.example.com", response_content=staple(one))
    usual = 0o755 if pattern[0] == "." else 0o644
    for check in (True, False):
        result = run(certificates=[given], fail_on_held_back=False, check=check, diff=True)
        said = f"{what.format(folder.name)} {'is' if check else 'was'} {OWNER} {mode:04o} and not {OWNER} {usual:04o}"
        assert result["changed"] and f"www.example.com ({said})" in result["msg"], result["msg"]
        assert held_back is ("; access to files " in result["msg"]) is result["certificates"][0]["secured"]
        (difference,) = result["diff"]
        accesses = difference["before"]["access"], difference["after"]["access"]
        assert [set(one.values()) for one in accesses] == [{f"{OWNER} {mode:04o}"}, {f"{OWNER} {usual:04o}"}]
    assert {path: path.stat().st_mode for path in paths} == good, "it can be switched back to"
    again = run(certificates=[given], fail_on_held_back=False, diff=True)
    assert again["diff"] == [] and not again["certificates"][0]["secured"] and "access" not in again["msg"]
    assert not again["certificates"][0]["changed"]


def test_the_key_of_a_replaced_set_is_closed(run: t.Callable[..., Result], tmp_path: Path) -> None:
    given = [entry(leaf("www.example.com", urls=False), "www.example.com")]
    run(certificates=given)
    key = live(tmp_path, "www.example.com").resolve() / "privkey.pem"
    for mode, closed in ((0o644, 0o640), (0o440, 0o440)):
        key.chmod(mode)
        new = [{**given[0], "mode": "0440" if mode == 0o644 else "0400"}]
        assert run(certificates=new)["certificates"][0]["changed"]
        assert key.stat().st_mode & 0o777 == closed
        key = live(tmp_path, "www.example.com").resolve() / "privkey.pem"


@AS_ROOT
def test_a_file_of_a_set_that_belongs_to_somebody_else_is_replaced(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    given = [entry(leaf("www.example.com", urls=False), "www.example.com")]
    run(certificates=given)
    for path in (live(tmp_path, "www.example.com") / "fullchain.pem", tmp_path / "etc/sets/www.example.com"):
        os.chown(path, 1, -1)
        result = run(certificates=given)
        assert result["changed"] and f"was {pwd.getpwuid(1).pw_name}:" in result["msg"]
        assert path.stat().st_uid == 0


def test_the_key_of_an_expired_certificate_is_closed(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = entry(leaf("www.example.com", urls=False), "www.example.com")
    run(certificates=[one])
    key = live(tmp_path, "www.example.com") / "privkey.pem"
    key.chmod(0o644)
    later = NOW + 70 * forge.DAY

    class Later(datetime):
        @classmethod
        def now(cls, tz: t.Any = None) -> t.Any:
            return later

    monkeypatch.setattr(certificate_set, "datetime", Later)
    result = run(certificates=[one])
    assert not result["failed"] and result["changed"] and key.stat().st_mode & 0o777 == 0o400, result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_what_a_deployment_is_told_of_a_certificate_in_use_is_kept_for_the_program(
    check: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """And of no other: a certificate that is held back is not live."""
    one, new = leaf("www.example.com"), leaf("www.example.com", "new")
    given = entry(one, "www.example.com", response_content=staple(one))
    run(certificates=[given])
    kept = tmp_path / "var/proofs/www.example.com.proof"
    run(certificates=[entry(new, "www.example.com", response_content=staple(new, "revoked"))])
    assert not kept.exists()
    result = run(certificates=[{**given, "response_content": staple(one, "revoked")}], check=check)
    assert result["revoked"] == ["www.example.com"] and kept.exists() is not check
    if not check:
        assert 0 < kept.stat().st_size <= len(base64.b64decode(staple(one, "revoked")))
        run(state="absent", certificates=[{"name": "www.example.com"}])
        assert not kept.exists()


@pytest.mark.parametrize("what", ["file", "folder", "group", "renewed_by"])
def test_check_mode_warns_of_what_an_earlier_task_may_create(
    run: t.Callable[..., Result], tmp_path: Path, what: str
) -> None:
    one, two = leaf("www.example.com"), leaf("two.example.com")
    missing = tmp_path / "ssl"
    nothing: t.Dict[str, t.Any] = dict.fromkeys(("private_key_content", "certificate_content", "chain_content"))
    given, told = {
        "file": (
            {"private_key_content": None, "private_key_path": f"{missing}/key.pem"},
            f"private_key_path: {missing}/key.pem does not exist",
        ),
        "folder": (
            {**nothing, "source": str(missing)},
            f"there is no folder {missing} on this host",
        ),
        "group": (
            {"group": "certops-none"},
            "the group of the private key: there is no group 'certops-none' on this host",
        ),
        "renewed_by": (
            {**nothing, "renewed_by": {"private_key": f"{missing}/key.pem", "certificate": f"{missing}/cert.pem"}},
            f"there is no {missing}/key.pem",
        ),
    }[what]
    certificates = [
        entry(one, "www.example.com", response_content=staple(one)),
        entry(two, "two.example.com", **{"group": str(os.getegid()), **given}),
    ]
    checked = run(check=True, diff=True, remote_source=True, certificates=certificates)
    assert checked["changed"] and not checked["failed"] and tree(tmp_path) == {}
    assert f"two.example.com: {told}; this will fail unless an earlier task creates it" in checked["warnings"]
    assert checked["msg"].endswith("; would be deployed once it exists: two.example.com")
    assert [one["after"]["state"] for one in checked["diff"]] == ["present", "present"]
    alone = run(check=True, remote_source=True, certificates=certificates[1:])
    assert alone["changed"] and alone["reload"] == [SERVICE] and len(alone["warnings"]) == 1
    for how in ({}, {"check": True, "part": {"owner": "web"}}):
        refused = run(remote_source=True, certificates=certificates, **how)
        assert refused["failed"] and refused["msg"] == f"nothing was changed: two.example.com: {told}"


def test_a_question_is_about_what_is_wrong_alone(run: t.Callable[..., Result]) -> None:
    one = leaf("www.example.com", demands=True)
    part = {"owner": "role", "is_known": False, "question": True}
    asked = run(certificates=[entry(one, "www.example.com")], part=part, check=True)
    assert not asked["warnings"] and not asked["failed"]
    key = forge.private_pem(leaf("www.example.com", "new").key).decode()
    wrong = run(certificates=[entry(one, "www.example.com", private_key_content=key)], part=part, check=True)
    assert wrong["failed"] and wrong["findings"]


def test_staple_survives_a_change_of_mode_and_goes_with_another_certificate(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    one, two = leaf("www.example.com"), leaf("www.example.com", "new")
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))])
    changed = run(certificates=[entry(one, "www.example.com", mode="0440")])
    assert changed["certificates"][0]["reasons"] == [
        f"{file} is {OWNER} 0400 and not {OWNER} 0440" for file in ("privkey.pem", "combined.pem")
    ]
    assert (live(tmp_path, "www.example.com") / "ocsp.der").exists()
    run(certificates=[entry(two, "www.example.com")])
    assert not (live(tmp_path, "www.example.com") / "ocsp.der").exists()
    assert not (live(tmp_path, "www.example.com") / "nginx-staple.conf").exists()


def test_damage_is_repaired(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one = leaf("www.example.com")
    certificates = [entry(one, "www.example.com", response_content=staple(one))]
    run(certificates=certificates)
    (live(tmp_path, "www.example.com") / "chain.pem").unlink()
    (live(tmp_path, "www.example.com") / "ocsp.der").write_bytes(b"damaged")
    repaired = run(certificates=certificates)
    assert repaired["certificates"][0]["reasons"] == ["chain.pem"]
    assert (live(tmp_path, "www.example.com") / "chain.pem").exists()
    assert base64.b64encode((live(tmp_path, "www.example.com") / "ocsp.der").read_bytes()).decode() == staple(one)


def test_a_difference_shows_what_of_a_set_is_not_as_it_should_be(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Who may read the keys, and which files are missing or other ones; nothing of a key."""
    one = leaf("www.example.com")
    certificates = [entry(one, "www.example.com", response_content=staple(one))]
    run(certificates=certificates)
    (live(tmp_path, "www.example.com") / "privkey.pem").chmod(0o604)
    (live(tmp_path, "www.example.com") / "combined.pem").chmod(0o600)
    (live(tmp_path, "www.example.com") / "combined.pem").write_bytes(b"SECRET")
    (live(tmp_path, "www.example.com") / "combined.pem").chmod(0o400)
    (live(tmp_path, "www.example.com") / "chain.pem").unlink()
    (live(tmp_path, "www.example.com") / "rootchain.pem").write_bytes(b"SECRET")
    checked = run(check=True, diff=True, certificates=certificates)
    (shown,) = checked["diff"]
    assert shown["before"]["keys"] == {"privkey.pem": f"{OWNER} 0604", "combined.pem": f"{OWNER} 0400"}
    assert shown["after"]["keys"] == dict.fromkeys(("privkey.pem", "combined.pem"), f"{OWNER} 0400")
    assert shown["before"]["files"] == {
        "chain.pem": "is missing",
        "rootchain.pem": "does not belong there",
        "combined.pem": "has different content",
    }
    assert "files" not in shown["after"]
    assert checked["certificates"][0]["reasons"] == [
        *("chain.pem", "rootchain.pem", "combined.pem"),
        f"privkey.pem is {OWNER} 0604 and not {OWNER} 0400",
    ]
    assert run(diff=True, certificates=certificates)["diff"] == checked["diff"]
    assert "SECRET" not in json.dumps(checked) and "PRIVATE" not in json.dumps(checked["diff"])


def test_the_difference_of_a_renewal_shows_both_certificates(run: t.Callable[..., Result]) -> None:
    """And not that files have different content, which looks as if somebody had changed them."""
    old, new = leaf("www.example.com"), leaf("www.example.com", "new")
    run(certificates=[entry(old, "www.example.com")])
    (shown,) = run(diff=True, certificates=[entry(new, "www.example.com")])["diff"]
    for side, certificate in (("before", old), ("after", new)):
        facts = shown[side]
        assert facts["serial_number"] == f"{certificate.serial:x}" and "files" not in facts
        assert facts["valid_from"] == f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}" and facts["expiry"]


def test_test_of_a_service_decides(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one, two = leaf("www.example.com"), leaf("www.example.com", "new")
    # The configuration passes with the first certificate only.
    expected = live(tmp_path, "www.example.com") / "cert.pem"
    copy = tmp_path / "expected.pem"
    settings = {SERVICE: {"test": ["cmp", str(expected), str(copy)], "reload": ["true"]}}
    run(certificates=[entry(one, "www.example.com")])
    copy.write_bytes(expected.read_bytes())
    (tmp_path / "var/pending" / SERVICE).unlink()
    (tmp_path / "var/transaction.json").unlink()
    before = os.readlink(live(tmp_path, "www.example.com"))
    new = entry(two, "www.example.com", response_content=staple(two))
    refused = run(certificates=[new], service_settings=settings)
    assert refused["failed"] and "were rolled back" in refused["msg"]
    assert not refused["certificates"][0]["stapled"], "it is not in use"
    assert noted(tmp_path)["message"] == (
        f"{SERVICE} rejected its configuration with the new files; the output of the deployment says why"
    ), "what the service says may quote its configuration, and this file is for everybody"
    assert os.readlink(live(tmp_path, "www.example.com")) == before
    assert refused["reload"] == [] and not (tmp_path / "var/transaction.json").exists()
    assert run(certificates=[new], service_settings=settings, check=True)["warnings"] == []
    copy.write_bytes(b"broken by somebody else")
    checked = run(certificates=[new], service_settings=settings, check=True)
    (foreseen,) = checked["warnings"]
    assert f"1 of 1 certificate would change, if {SERVICE} can then be reloaded: www.example.com" in checked["msg"]
    assert foreseen.startswith(f"the configuration of {SERVICE} was rejected by 'cmp ")
    assert foreseen.endswith("; unless the new files correct that, this task would fail and replace no certificate")
    refused = run(certificates=[entry(two, "www.example.com")], service_settings=settings)
    assert refused["failed"] and "already broken before this run" in refused["msg"]
    assert os.readlink(live(tmp_path, "www.example.com")) == before
    found = noted(tmp_path)
    assert (found["outcome"], found["code"]) == ("refused", "reload_failed") and outstanding(tmp_path)
    assert found["message"] == (
        f"the configuration of {SERVICE} was already broken before; see why with 'ocsp-stapling reload {SERVICE}' "
        "as root, repair it, and run the playbook again"
    )
    kept = os.listdir(tmp_path / "etc/sets/www.example.com")
    assert kept == [os.path.basename(before)], "what was refused must not push out the sets to go back to"

    # Of a set that stays the staple is renewed all the same, and that is said.
    other = leaf("other.example.com")
    settings["another"] = {"reload": ["true"]}
    stays = entry(one, "www.example.com", response_content=staple(one))
    refused = run(certificates=[stays, entry(other, "other.example.com")], service_settings=settings)
    assert refused["failed"] and refused["msg"].endswith("; renewed in place: www.example.com")
    assert "no certificate was replaced" in refused["msg"] and "nothing was changed" not in refused["msg"]


# What is noted of attempts ------------------------------------------------------------------------


def noted(tmp_path: Path, name: str = "www.example.com") -> t.Dict[str, t.Any]:
    """The record of the last attempt to deploy a certificate; empty where there is none."""
    path = tmp_path / "var/attempts" / f"{name}.json"
    return t.cast("t.Dict[str, t.Any]", json.loads(path.read_text())) if path.exists() else {}


def outstanding(tmp_path: Path, name: str = "www.example.com") -> t.Optional[attempts.Attempt]:
    return attempts.outstanding(sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var")), name)


def test_a_certificate_that_goes_live_without_a_staple_is_noted(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one, part = leaf("www.example.com"), {"owner": "site.yml"}
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))], part=part)
    assert not noted(tmp_path)
    new = leaf("www.example.com", "new")
    run(check=True, certificates=[entry(new, "www.example.com")], part=part)
    assert not noted(tmp_path), "nothing is noted in check mode"
    failed = {"fetch_problem": "refused", "fetch_problem_code": "http_error"}
    result = run(certificates=[entry(new, "www.example.com", **failed)], part=part)
    found = noted(tmp_path)
    assert (found["outcome"], found["code"], found["owner"]) == ("live_without_staple", "http_error", "site.yml")
    assert result["warnings"] == [f"www.example.com: there is no staple yet: {found['message']}"]
    assert found["fingerprint"] == result["certificates"][0]["fingerprint"]
    assert found["not_after"] == f"{NOW + 60 * forge.DAY:%Y-%m-%dT%H:%M:%SZ}"
    path = tmp_path / "var/attempts/www.example.com.json"
    assert path.stat().st_mode & 0o777 == 0o644
    assert outstanding(tmp_path)
    run(certificates=[entry(new, "www.example.com", response_content=staple(new))], part=part)
    assert not path.exists(), "a deployment that ends well forgets it"


def test_a_certificate_that_is_held_back_is_noted(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Also where there is nothing in place, as long as it is configured."""
    one, new = leaf("www.example.com", demands=True), leaf("www.example.com", "new", demands=True)
    run(certificates=[entry(one, "www.example.com")])
    assert not noted(tmp_path), "nothing on the host speaks of it"
    part = {"owner": "web"}
    run(certificates=[entry(one, "www.example.com")], part=part)
    assert noted(tmp_path)["outcome"] == "held_back" and outstanding(tmp_path)
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))], part=part)
    assert not noted(tmp_path)
    result = run(certificates=[entry(new, "www.example.com")], part=part)
    found = noted(tmp_path)
    assert (found["outcome"], found["code"]) == ("held_back", "unreachable")
    assert found["message"] == result["certificates"][0]["held_back"] and outstanding(tmp_path)
    revoked = entry(new, "www.example.com", response_content=staple(new, "revoked"))
    run(certificates=[revoked], part=part)
    assert noted(tmp_path)["code"] == "revoked"
    run(certificates=[entry(one, "www.example.com", response_content=staple(one))], part=part)
    assert not noted(tmp_path), "what is wanted is in place"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"private_key_content": forge.private_pem(forge.key("p256", "foreign")).decode()}, "does not match"),
        ({"chain_content": OTHER.pem.decode()}, "does not contain the issuer"),
        ({"names": ["other.example.com"]}, "is not for other.example.com"),
        ({"certificate_content": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "certificate"),
    ],
)
def test_a_renewal_that_is_refused_is_noted(
    given: t.Dict[str, t.Any], sentence: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """And that of another certificate of the same task, of which nothing is deployed either."""
    names = ("www.example.com", "two.example.com", "stays.example.com")
    good = [entry(leaf(name), name, response_content=staple(leaf(name))) for name in names]
    run(certificates=good)
    renewed = [entry(leaf(name, "new"), name) for name in names[:2]]
    renewed[0].update(given)
    result = run(certificates=[*renewed, good[2], entry(leaf("new.example.com"), "new.example.com")])
    assert result["failed"]
    found = noted(tmp_path)
    assert (found["outcome"], found["code"]) == ("refused", "bad_input")
    assert result["msg"] == f"nothing was changed: www.example.com: {found['message']}" and sentence in found["message"]
    assert bool(found["fingerprint"]) == bool(found["not_after"]) == ("certificate_content" not in given)
    other = noted(tmp_path, "two.example.com")
    assert other["message"].endswith(f"another certificate of the same task: www.example.com: {found['message']}")
    assert not noted(tmp_path, "stays.example.com") and not noted(tmp_path, "new.example.com")
    assert not run(certificates=[entry(leaf(name, "new"), name) for name in names])["failed"]
    assert {noted(tmp_path, name)["outcome"] for name in names} == {"live_without_staple"}
    run(state="absent", certificates=[{"name": names[1]}])
    assert not noted(tmp_path, names[1]) and noted(tmp_path)
    run(state="absent")
    assert not (tmp_path / "var/attempts").exists()


def test_what_is_no_longer_refused_is_named_once(run: t.Callable[..., Result]) -> None:
    """What status said of it before the run is no longer so after it."""
    certificate = leaf("www.example.com")
    good = entry(certificate, "www.example.com", response_content=staple(certificate), services=[])
    assert run(certificates=[good])["recovered"] == []
    assert run(certificates=[{**good, "certificate_content": leaf("www.example.com", "new").pem.decode()}])["failed"]
    assert run(certificates=[good], check=True)["recovered"] == []
    repaired = run(certificates=[good])
    assert (repaired["changed"], repaired["recovered"]) == (False, ["www.example.com"])
    assert run(certificates=[good])["recovered"] == []


def test_options_that_cannot_be_used_for_a_renewal_are_noted(run: t.Callable[..., Result], tmp_path: Path) -> None:
    name = "www.example.com"
    run(certificates=[entry(leaf(name), name, response_content=staple(leaf(name)))])
    broken = {"responder_urls": ["http://user:secret123@a b/"]}
    result = run(certificates=[entry(leaf(name, "new"), name, **broken)])
    found = noted(tmp_path)
    assert result["failed"] and (found["outcome"], found["fingerprint"]) == ("refused", "")
    assert "secret123" not in json.dumps(noted(tmp_path))


@pytest.mark.parametrize("held", ["of all", "of what servers read"])
def test_a_renewal_that_had_to_wait_for_others_too_long_is_noted(
    held: str, run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as two playbooks at once, or a reload that takes minutes."""
    names = ("www.example.com", "two.example.com")
    old, new = (
        [entry(leaf(name, kind), name, response_content=staple(leaf(name, kind))) for name in names]
        for kind in ("old", "new")
    )
    run(certificates=old)
    monkeypatch.setattr(deployment_task, "_LOCK_TIMEOUT", 0.0)
    var = str(tmp_path / "var")
    lock = files.lock_file(os.path.join(var, ".installation.lock"), var, 0.0)
    with files.lock(str(tmp_path / "etc"), 0.0) if held == "of all" else lock:
        assert run(check=held == "of all", certificates=old)["failed"]
        assert run(check=True, certificates=new)["failed"] == (held == "of all")
        assert not (tmp_path / "var/attempts").exists(), "nothing that is not live was meant, or in check mode only"
        result = run(certificates=[new[0], old[1]])
    assert result["failed"] and "another process has held the lock" in result["msg"]
    found = noted(tmp_path)
    assert (found["outcome"], found["code"], found["message"]) == ("refused", "file_error", result["msg"])
    assert found["fingerprint"] and outstanding(tmp_path) and not noted(tmp_path, names[1])
    assert not run(certificates=new)["failed"] and not noted(tmp_path)


def test_a_record_that_cannot_be_written_is_a_warning(run: t.Callable[..., Result], tmp_path: Path) -> None:
    name = "www.example.com"
    (tmp_path / "var").mkdir()
    (tmp_path / "var/attempts").write_text("in the way")
    result = run(certificates=[entry(leaf(name), name)])
    assert not result["failed"] and live(tmp_path, name).exists()
    assert [one for one in result["warnings"] if "could not be noted for status" in one], result["warnings"]
    foreign = forge.private_pem(forge.key("p256", "foreign")).decode()
    refused = run(certificates=[entry(leaf(name, "new"), name, private_key_content=foreign)])
    assert "does not match" in refused["msg"]


def test_a_renewal_is_no_change_of_configuration(run: t.Callable[..., Result], tmp_path: Path) -> None:
    part, name, said = {"owner": "web"}, "www.example.com", "the configuration of 'web' was updated"
    assert said in run(certificates=[entry(leaf(name), name)], part=part)["msg"]
    renewed = run(certificates=[entry(leaf(name, "new", also="x.example.com"), name)], part=part)
    assert renewed["changed"] and "configuration" not in renewed["msg"], renewed["msg"]
    again = entry(leaf(name, "new", also="x.example.com"), name)
    changes: t.Dict[str, t.Any] = {"options.retries": {"options": {"retries": 0}}, "staple": {"staple": False}}
    changes.update({"names": {"names": [name, "x.example.com"]}, "reload": {"services": [SERVICE, "other"]}})
    settings = {SERVICE: {"unit": SERVICE}, "other": {"unit": "other"}}
    run(certificates=[again], part=part, service_settings=settings)
    for key, change in changes.items():
        again.update(change)
        for check in (True, False):
            told = f"{said.replace('was', 'would be') if check else said} ({name}: {key})"
            assert told in run(check=check, certificates=[again], part=part, service_settings=settings)["msg"]
    file = tmp_path / "etc/parts/web.json"
    content = file.read_text()
    run = functools.partial(run, service_settings=settings)
    file.write_text(content.replace('"staple": false', '"staple": true'))
    told = f"{said} ({name}: staple)"
    assert told in run(certificates=[again], part=part)["msg"], "a file that somebody changed is repaired"
    file.write_text(content + "\n")
    assert "configuration" not in run(certificates=[again], part=part)["msg"] and file.read_text() == content
    added = leaf("add.example.com")
    assert said in run(certificates=[again, entry(added, "add.example.com")], part=part)["msg"]


def test_the_setting_that_changed_is_named_and_not_what_it_is(run: t.Callable[..., Result]) -> None:
    """What is set for all certificates, and for the key of one."""
    name, part = "www.example.com", {"owner": "web"}
    given = [entry(leaf(name), name, mode="0400")]
    assert not run(certificates=given, part=part)["failed"]
    changes: t.Dict[str, t.Dict[str, t.Any]] = {
        "ocsp_stapling_options: http_proxy, timeout": {
            "options": {"http_proxy": "http://user:s3cret@127.0.0.1:1", "timeout": 5}
        },
        "ocsp_stapling_services: web": {"service_settings": {SERVICE: {"unit": SERVICE}, "web": {"unit": "nginx"}}},
        "ocsp_stapling_keep": {"keep": 5},
        "ocsp_stapling_verify": {"part": {**part, "deployment": {"verify": False}}},
        "ocsp_stapling_renewal_hooks": {"part": {**part, "deployment": {"verify": False, "hooks": ["certbot"]}}},
    }
    options: t.Dict[str, t.Any] = {"part": part}
    for told, change in changes.items():
        options.update(change)
        result = run(certificates=given, **options)
        assert result["msg"].endswith(f"the configuration of 'web' was updated ({told})"), result["msg"]
        assert "s3cret" not in str(result)
    given[0]["mode"] = "0440"
    foreseen = run(check=True, certificates=given, **options)["msg"]
    assert f"1 of 1 certificate would change: {name} (its key is {OWNER} 0400 and not {OWNER} 0440)" in foreseen
    changed = run(certificates=given, **options)["msg"]
    assert f"1 of 1 certificate changed: {name} (its key was {OWNER} 0400 and not " in changed and changed.endswith(
        f"({name}: key_mode)"
    )
    chain = run(certificates=[{**given[0], "root_content": forge.world().root.pem.decode()}], **options)["msg"]
    assert f"1 of 1 certificate changed: {name} (chain.pem" in chain or f"{name} (rootchain.pem" in chain, chain


@pytest.mark.parametrize("first", ["role", "task"])
def test_a_task_and_the_role_agree_about_a_set(first: str, run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Whichever deployed it, and in whatever order the services are listed."""
    settings = {name: {"unit": name} for name in ("web", "mail")}
    names = ("b.example.com", "a.example.com")
    certificates = [entry(leaf(name, urls=False), name, services=["web", "mail"]) for name in names]
    turned = [{**one, "services": ["mail", "web"]} for one in reversed(certificates)]
    given: t.Dict[str, t.Dict[str, t.Any]] = {
        "role": {"certificates": certificates, "part": {"owner": "site"}},
        "task": {"certificates": certificates if first == "task" else turned},
    }
    runner = functools.partial(run, service_settings=settings)
    runner(**given[first])
    runner(**given["role"])
    for path in (tmp_path / "var/pending").iterdir():
        path.unlink()
    before = tree(tmp_path)
    for turn in ("task", "role", "task", "role"):
        done = runner(diff=True, **given[turn])
        assert not done["changed"] and done["diff"] == [] and tree(tmp_path) == before, (turn, done)


def test_what_is_adapted_is_in_the_difference(run: t.Callable[..., Result]) -> None:
    one = entry(leaf("www.example.com", urls=False, also="x.example.com"), "www.example.com")
    run(certificates=[one], part={"owner": "web"})
    for change, key in (({"services": [SERVICE, "nginx"]}, "services"), ({"names": ["x.example.com"]}, "names")):
        one.update(change)
        done = run(certificates=[one], part={"owner": "web"}, diff=True)
        assert "configuration snippets updated: www.example.com" in done["msg"]
        shown, part = done["diff"]
        assert shown["after"][key] == change[key] != shown["before"][key]
        setting = "reload" if key == "services" else key
        assert part["after"]["updated"] == [f"www.example.com: {setting}"] and "updated" not in part["before"]


def found_in(folder: Path, subject: forge.Entity, title: str, **files: t.Optional[bytes]) -> t.Dict[str, t.Any]:
    """A certificate as a search of the host lists it, with its files."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"key": forge.private_pem(subject.key), "pem": subject.pem, "chain": ISSUER.pem}
    for kind, content in {**usual, **files}.items():
        if content is not None:
            (folder / f"{title}{'-chain.pem' if kind == 'chain' else '.' + kind}").write_bytes(content)
    return {"name": title, "source": str(folder), "services": [SERVICE]}


EXPIRED = forge.leaf(
    ISSUER,
    "bad.example.com",
    not_before=NOW - 20 * forge.DAY,
    not_after=NOW - forge.DAY,
    extensions=[forge.subject_alt_name("bad.example.com")],
)
UNFIT: t.Dict[str, t.Dict[str, t.Optional[bytes]]] = {
    "all garbage": {"key": b"x", "pem": b"-----BEGIN CERTIFICATE-----\n\x1b[31m", "chain": b"\n"},
    "a certificate that is none": {"pem": b"-----BEGIN CERTIFICATE-----\n\x1b[31mAAAA\n-----END CERTIFICATE-----\n"},
    "no certificate": {"pem": None},
    "an empty key": {"key": b""},
    "another key": {"key": forge.private_pem(forge.key("p256", "another"))},
    "a key in two parts": {"key": b"-----BEGIN PRIVATE KEY-----\n"},
    "a chain that is none": {"chain": b"none"},
    "a chain of others": {"chain": OTHER.pem},
    "a huge certificate": {"pem": b"-----BEGIN CERTIFICATE-----\n" + b"A" * 300_000},
    "another name": {"pem": leaf("other.example.com").pem, "key": forge.private_pem(leaf("other.example.com").key)},
    "an expired certificate": {"pem": EXPIRED.pem, "key": forge.private_pem(EXPIRED.key)},
}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", sorted(UNFIT))
def test_what_a_search_found_is_left_out_alone(
    name: str, check: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Other users of the host may have put it there."""
    good = [found_in(tmp_path / "good", leaf(f"{one}.example.com", urls=False), f"{one}.example.com") for one in "ab"]
    bad = found_in(tmp_path / "evil", leaf("bad.example.com", urls=False), "bad.example.com", **UNFIT[name])
    given = [good[0], bad, good[1]]
    everything = ["a.example.com", "bad.example.com", "b.example.com"]
    done = run(
        certificates=given, found=everything, remote_source=True, part={"owner": "web"}, _ansible_check_mode=check
    )
    assert not done.get("failed") and done["changed"], done
    assert [one["name"] for one in done["certificates"]] == ["a.example.com", "b.example.com"]
    told = [one for one in done["warnings"] if "bad.example.com" in one]
    assert len(told) == 1 and told[0].isprintable()
    assert told[0].startswith("bad.example.com: ") and told[0].endswith(
        "; it is left out, and what is deployed of it stays"
    )
    if not check:
        assert sorted(path.name for path in (tmp_path / "etc/live").iterdir()) == ["a.example.com", "b.example.com"]
    refused = run(certificates=given, remote_source=True, part={"owner": "web"}, _ansible_check_mode=check)
    assert refused["failed"] and "nothing was changed: bad.example.com: " in refused["msg"], "what is named is refused"


def test_what_is_live_stays_when_its_files_are_spoilt(run: t.Callable[..., Result], tmp_path: Path) -> None:
    one = found_in(tmp_path / "home", leaf("a.example.com", urls=False), "a.example.com")
    given = {"certificates": [one], "found": ["a.example.com"], "remote_source": True}
    assert run(part={"owner": "web"}, **given)["changed"]
    before = sorted(live(tmp_path, "a.example.com").iterdir())
    (tmp_path / "home/a.example.com.pem").write_text("spoilt")
    done = run(part={"owner": "web"}, **given)
    assert not done.get("failed") and done["dropped"] == []
    assert sorted(live(tmp_path, "a.example.com").iterdir()) == before


def test_of_two_of_one_name_the_sound_one_is_taken(run: t.Callable[..., Result], tmp_path: Path) -> None:
    subject = leaf("b.example.com", urls=False)
    for name, contents in UNFIT.items():
        bad = found_in(tmp_path / name, subject, "b.example.com", **contents)
        good = found_in(tmp_path / "good", subject, "b.example.com")
        given = {"found": ["b.example.com"], "remote_source": True, "part": {"owner": "web"}}
        for order in ([bad, good], [good, bad]):
            done = run(certificates=order, **given)
            assert not done.get("failed"), (name, done)
            assert live(tmp_path, "b.example.com").joinpath("cert.pem").read_bytes() == subject.pem
            told = f"b.example.com: 2 keys of this name were found, and that in {tmp_path}/good is taken, as "
            assert any(one.startswith(told) for one in done["warnings"]), (name, done["warnings"])


def test_of_two_of_one_name_that_of_the_ca_in_use_is_taken(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Whoever may write into another folder can have a CA of his own certify any name."""
    name, given = "b.example.com", {"found": ["b.example.com"], "remote_source": True, "part": {"owner": "web"}}
    times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
    options: t.Any = {"extensions": [forge.subject_alt_name(name)], "private_key": forge.key("p256", "theirs"), **times}
    theirs = found_in(tmp_path / "a", forge.leaf(OTHER, name, serial=9, **options), name, chain=OTHER.pem)
    for label in ("", "renewed"):
        subject = leaf(name, label, urls=False)
        mine = found_in(tmp_path / "z", subject, name)
        if not label:
            run(certificates=[mine], **given)
        done = run(certificates=[theirs, mine], **given)
        assert live(tmp_path, name).joinpath("cert.pem").read_bytes() == subject.pem, label
        assert any("as its CA issued the one in use" in one for one in done["warnings"])


FOUND: t.Any = {"found": ["b.example.com"], "remote_source": True, "part": {"owner": "web"}}


def found_of(
    user: int,
    folder: Path,
    ca: forge.Entity = ISSUER,
    label: str = "",
    subject: t.Union[str, bytes] = "b.example.com",
    more: t.Sequence[str] = (),
) -> t.Dict[str, t.Any]:
    """The certificate b.example.com by a CA, as a search finds it in a folder that belongs to a user."""
    name = "b.example.com"
    times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
    serial = zlib.crc32(f"{folder}{label}".encode())
    options: t.Any = {"extensions": [forge.subject_alt_name(name, *more)], "serial": serial, **times}
    found = forge.leaf(ca, subject, private_key=forge.key("p256", f"{user}{label}"), **options)
    given = found_in(folder, found, name, chain=ca.pem)
    os.chown(folder, user, user)
    return given


def deployed(tmp_path: Path, given: t.Mapping[str, t.Any]) -> bool:
    """Whether it is the certificate that was found there that is live."""
    path = live(tmp_path, "b.example.com") / "cert.pem"
    return path.exists() and path.read_bytes() == Path(given["source"], "b.example.com.pem").read_bytes()


@AS_ROOT
@pytest.mark.parametrize("check", [False, True])
def test_of_two_users_who_claim_a_name_first_none_gets_it(
    check: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Not whoever has the folder that comes first."""
    one, other = found_of(61234, tmp_path / "a"), found_of(61235, tmp_path / "z")
    good = found_in(tmp_path / "good", leaf("a.example.com", urls=False), "a.example.com")
    given = {**FOUND, "found": ["a.example.com", "b.example.com"], "_ansible_check_mode": check}
    for order in ([one, other, good], [good, other, one]):
        done = run(certificates=order, **given)
        assert not done.get("failed") and not (tmp_path / "etc/live/b.example.com").exists()
        assert [item["name"] for item in done["certificates"]] == ["a.example.com"]
        (told,) = [text for text in done["warnings"] if "b.example.com" in text]
        for named in (f"{tmp_path}/a (user 61234)", f"{tmp_path}/z (user 61235)", "ocsp_stapling_certificates"):
            assert named in told, told


@AS_ROOT
def test_a_name_that_is_live_goes_to_no_other_user(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Not either while the files of its owner are gone or spoilt, until the operator lists it."""
    mine, theirs = found_of(61235, tmp_path / "z"), found_of(61234, tmp_path / "a")
    assert run(certificates=[mine], **FOUND)["changed"] and deployed(tmp_path, mine)
    renewed_one = found_of(61235, tmp_path / "z", label="renewed", ca=OTHER)
    assert run(certificates=[theirs, renewed_one], **FOUND)["changed"] and deployed(tmp_path, renewed_one)
    moved = found_of(61235, tmp_path / "y", label="moved")
    assert run(certificates=[theirs, moved], **FOUND)["changed"] and deployed(tmp_path, moved)
    done = run(certificates=[theirs], **FOUND)
    assert deployed(tmp_path, moved) and done["dropped"] == done["certificates"] == []
    (told,) = done["warnings"]
    assert f"{tmp_path}/a (user 61234)" in told and f"{tmp_path}/y (user 61235)" in told, told
    (tmp_path / "y/b.example.com.pem").write_bytes(b"spoilt")
    before = tree(tmp_path / "etc")
    assert run(certificates=[theirs, moved], **FOUND)["certificates"] == [] and tree(tmp_path / "etc") == before
    assert run(certificates=[theirs], **{**FOUND, "found": []})["changed"] and deployed(tmp_path, theirs)
    again = found_of(61234, tmp_path / "a", label="renewed")
    assert run(certificates=[again], **FOUND)["changed"] and deployed(tmp_path, again), "it is his now"


@AS_ROOT
def test_what_root_alone_can_write_goes_before_what_users_can(run: t.Callable[..., Result], tmp_path: Path) -> None:
    theirs, mine = found_of(61234, tmp_path / "a"), found_of(0, tmp_path / "z")
    assert run(certificates=[theirs], **FOUND)["changed"] and deployed(tmp_path, theirs)
    assert run(certificates=[theirs, mine], **FOUND)["changed"] and deployed(tmp_path, mine)
    assert run(certificates=[theirs], **FOUND)["certificates"] == [] and deployed(tmp_path, mine)


@AS_ROOT
def test_a_folder_that_root_gives_to_somebody_else_keeps_its_names(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """But not one that came into its place in a folder for all."""
    for parent, mode, is_kept in ((tmp_path, 0o755, True), (tmp_path / "shared", 0o1777, False)):
        parent.mkdir(exist_ok=True)
        parent.chmod(mode)
        before = found_of(61235, parent / "z")
        assert run(certificates=[before], **{**FOUND, "found": []})["changed"] or is_kept
        after = found_of(61237, parent / "z", label="renewed")
        run(certificates=[after], **FOUND)
        assert deployed(tmp_path, after) == is_kept


@AS_ROOT
@pytest.mark.parametrize(("ca", "is_taken"), [(ISSUER, True), (OTHER, False)])
def test_what_the_controller_brought_goes_to_a_user_by_its_ca_alone(
    ca: forge.Entity, is_taken: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    name = "b.example.com"
    run(certificates=[entry(leaf(name, urls=False), name)], part={"owner": "web"})
    theirs = found_of(61234, tmp_path / "a", ca=ca)
    done = run(certificates=[theirs], **FOUND)
    assert deployed(tmp_path, theirs) == is_taken == (done["warnings"] == []), done["warnings"]


def mail(run: t.Callable[..., Result], *certificates: t.Dict[str, t.Any], **given: t.Any) -> Result:
    """Deploy for a service whose certificate goes by the name that clients ask for."""
    values = {**FOUND, **given}
    return run(
        certificates=list(certificates), service_settings={SERVICE: {"unit": SERVICE, "kind": "haproxy"}}, **values
    )


@AS_ROOT
@pytest.mark.parametrize("names", [["b.example.com"], ["x.example.com", "B.example.com."], ["*.example.com"]])
@pytest.mark.parametrize("is_live", [False, True])
def test_a_user_takes_no_name_that_another_certificate_is_for(
    names: t.List[str], is_live: bool, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Whatever that set is called."""
    extensions = [forge.subject_alt_name("b.example.com", "x.example.com", "*.example.com")]
    times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
    subject = forge.leaf(ISSUER, "bank", private_key=forge.key("rsa2048", "bank"), extensions=extensions, **times)
    bank = entry(subject, "bank", names=names)
    theirs = found_of(61234, tmp_path / "a", ca=OTHER)
    if is_live:
        mail(run, bank, found=[], part=None)
    done = mail(run, *([] if is_live else [bank]), theirs)
    assert not done.get("failed"), done
    assert not (tmp_path / "etc/live/b.example.com").exists()
    (told,) = [one for one in done["warnings"] if "b.example.com" in one]
    assert f"{tmp_path}/a (user 61234)" in told and "bank" in told


@AS_ROOT
@pytest.mark.parametrize(
    "names",
    [
        {"subject": forge.name("Bank.example.com")},
        {"subject": forge.name("bank.example.com\0\xe4", tag=forge.PRINTABLE_STRING)},
        {"more": ["bank.example.com\0.x"]},
    ],
)
def test_a_common_name_takes_no_name_either(
    run: t.Callable[..., Result], tmp_path: Path, names: t.Dict[str, t.Any]
) -> None:
    """HAProxy chooses by it, too, and by names up to a NUL."""
    bank = entry(leaf("bank.example.com", urls=False), "bank.example.com")
    theirs = found_of(61234, tmp_path / "a", ca=OTHER, **names)
    done = mail(run, bank, theirs)
    assert not done.get("failed"), done
    assert not (tmp_path / "etc/live/b.example.com").exists()
    assert any("is for bank.example.com, as is bank.example.com, and" in one for one in done["warnings"]), done


@AS_ROOT
@pytest.mark.parametrize("names", [{"subject": forge.name("*")}, {"more": ["*"]}])
def test_a_user_takes_not_all_names(run: t.Callable[..., Result], tmp_path: Path, names: t.Dict[str, t.Any]) -> None:
    """HAProxy makes it the default, and shows it to whoever asks for a name that nobody has."""
    done = mail(run, found_of(61234, tmp_path / "a", ca=OTHER, **names))
    assert not (tmp_path / "etc/live/b.example.com").exists()
    assert any("is for *, which a server may take for any name" in one for one in done["warnings"]), done


@AS_ROOT
def test_a_user_keeps_a_name_that_was_live_before_a_wildcard_above_it(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """The operator let it be found, and a wildcard for all else must not have it expire. It gets no more names."""

    def theirs(label: str, *more: str) -> t.Dict[str, t.Any]:
        extensions = [forge.subject_alt_name("b.example.com", *more)]
        times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
        key = forge.key("p256", label)
        subject = forge.leaf(ISSUER, "b.example.com", private_key=key, extensions=extensions, **times)
        given = found_in(tmp_path / "a", subject, "b.example.com")
        os.chown(given["source"], 61234, 61234)
        return given

    def deployed(label: str, *more: str) -> bool:
        before = os.readlink(live(tmp_path, "b.example.com"))
        done = mail(run, bank, theirs(label, *more), found=["b.example.com"])
        assert not done.get("failed"), done
        return os.readlink(live(tmp_path, "b.example.com")) != before

    times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
    wild = forge.leaf(ISSUER, "bank", extensions=[forge.subject_alt_name("*.example.com")], **times)
    bank = entry(wild, "bank", names=["*.example.com"])
    assert not mail(run, theirs("first"), found=["b.example.com"]).get("failed")
    assert deployed("renewed")
    assert not deployed("more", "c.example.com")


@AS_ROOT
def test_a_user_stops_no_other_by_claiming_its_names(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Not one that is live, nor a new one by files that do not fit. One that is new has to wait for the operator."""

    def of(user: int, title: str, *names: str, label: str = "", **files: t.Optional[bytes]) -> t.Dict[str, t.Any]:
        times = {"not_before": NOW - forge.DAY, "not_after": NOW + 60 * forge.DAY}
        options: t.Any = {"private_key": forge.key("p256", title + label), **times}
        subject = forge.leaf(ISSUER, title, extensions=[forge.subject_alt_name(title, *names)], **options)
        given = found_in(tmp_path / str(user), subject, title, **files)
        os.chown(given["source"], user, user)
        return given

    def deploy(*certificates: t.Dict[str, t.Any]) -> t.List[str]:
        done = mail(run, *certificates, found=["b.example.com", "c.example.com"])
        assert not done.get("failed"), done
        return [one["name"] for one in done["certificates"]]

    mine = of(61235, "b.example.com", "www.b.example.com")
    claim = ("c.example.com", "b.example.com", "*.b.example.com")
    theirs = of(61234, *claim, key=b"")
    assert deploy(theirs, mine) == ["b.example.com"]
    mine = of(61235, "b.example.com", "www.b.example.com", label="renewed")
    assert deploy(of(61234, *claim), mine) == ["b.example.com"]
    assert deploy(of(61234, "c.example.com"), mine) == ["c.example.com", "b.example.com"]
    assert deploy(of(61234, *claim), mine) == ["b.example.com"], "a renewal that claims more"
    assert live(tmp_path, "c.example.com").is_dir()
    again = of(61235, "b.example.com", "www.b.example.com", "c.example.com", label="more")
    assert deploy(of(61234, "c.example.com"), again) == ["c.example.com"]
    shutil.rmtree(tmp_path / "etc")
    assert deploy(of(61234, *claim), of(61235, "b.example.com")) == [], "both are new"
    assert deploy(of(61235, "c.example.com", "b.example.com"), of(61235, "b.example.com")) != [], "of one user"


@AS_ROOT
def test_what_a_user_has_live_has_no_other_refused(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """nginx has one staple for keys of different kinds, so that one of the two has to give way: that of the user."""
    options: t.Any = {"service_settings": {SERVICE: {"unit": SERVICE, "kind": "nginx"}}}
    theirs = found_of(61234, tmp_path / "a")
    assert run(certificates=[theirs], **options, **FOUND)["changed"]
    bank = entry(leaf("b.example.com", kind="rsa2048"), "bank", names=["b.example.com"])
    done = run(certificates=[bank, theirs], **options, **FOUND)
    assert not done.get("failed") and [one["name"] for one in done["certificates"]] == ["bank"], done
    told = [one for one in done["warnings"] if "b.example.com on nginx" in one]
    assert sum("it is left out" in one for one in told) == sum("which is live on this host" in one for one in told) == 1


@AS_ROOT
def test_what_a_user_has_keeps_no_other_owner_from_deploying_its_own(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """It was found by the search of one role, and another role lists a certificate of that name."""
    assert run(certificates=[found_of(61234, tmp_path / "home", OTHER)], **FOUND)["changed"]
    shop = [entry(leaf("b.example.com", "shop", urls=False), "b.example.com")]
    shop.append(entry(leaf("c.example.com", urls=False), "c.example.com"))
    done = run(certificates=shop, part={"owner": "shop"})
    assert not done.get("failed") and len(done["certificates"]) == 2, done
    deployed = live(tmp_path, "b.example.com") / "cert.pem"
    assert deployed.read_text() == shop[0]["certificate_content"]
    again = run(certificates=[found_of(61234, tmp_path / "home", OTHER)], **FOUND)
    assert not again.get("failed") and "is not taken" in str(again["warnings"]), again
    assert not run(certificates=shop, part={"owner": "shop"}).get("failed")
    assert deployed.read_text() == shop[0]["certificate_content"]


@AS_ROOT
@pytest.mark.parametrize("kind", [name for name, server in SERVERS.items() if server.has_default or server.by_name])
def test_no_server_gets_the_certificate_of_a_user_beside_one_of_its_name(
    kind: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Whatever the two are called: servers that choose by name could serve that of the user."""
    described = {SERVICE: {"kind": kind, "unit": SERVICE, "test": ["true"]}}
    readable = {"mode": "0440", "group": "daemon", "service_settings": described}
    mine = entry(leaf("b.example.com", "own", urls=False), "own", names=["b.example.com"])
    done = run(certificates=[mine, found_of(61234, tmp_path / "home", OTHER)], **FOUND, **readable)
    assert not done.get("failed") and [one["name"] for one in done["certificates"]] == ["own"], done
    assert "is for b.example.com, as is own, and " in str(done["warnings"])


@AS_ROOT
@pytest.mark.parametrize(
    ("kind", "more", "problem"),
    [
        ("ed25519", "www.b.example.com", "its key is neither for RSA "),
        ("secp256k1", "www.b.example.com", "its key is neither for RSA "),
        ("rsa1024", "www.b.example.com", "servers on this host will not load the certificate "),
        ("p256", "x" * 256, "or one of more than 255 octets"),
    ],
)
def test_what_servers_or_clients_may_refuse_is_for_the_operator_to_list(
    kind: str, more: str, problem: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """Else a user could have the certificates of all others taken back, or the server end with its reload."""
    options = {"private_key": forge.key(kind, "odd"), "not_before": NOW - forge.DAY, "not_after": NOW + forge.DAY}
    subject = forge.leaf(ISSUER, "b.example.com", extensions=[forge.subject_alt_name("b.example.com", more)], **options)
    theirs = found_in(tmp_path / "home", subject, "b.example.com")
    os.chown(tmp_path / "home", 61234, 61234)
    mine = entry(leaf("a.example.com", urls=False), "a.example.com")
    done = run(certificates=[theirs, mine], **FOUND)
    assert not done.get("failed") and [one["name"] for one in done["certificates"]] == ["a.example.com"], done
    assert problem in str(done["warnings"]) and "it is left out" in str(done["warnings"])
    assert not run(certificates=[theirs, mine], **{**FOUND, "found": []}).get("failed"), "it may be meant"


@AS_ROOT
def test_many_names_of_users_are_compared_in_proportion(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of a user's certificates may have all of its names."""
    names = [f"{number}.example.com" for number in range(12)]
    options = {"private_key": forge.key("p256", "many"), "not_before": NOW - forge.DAY, "not_after": NOW + forge.DAY}
    every = forge.leaf(ISSUER, names[0], extensions=[forge.subject_alt_name(*names)], **options)
    found = [found_in(tmp_path / f"home/{name}", every, name) for name in names]
    for one in found:
        os.chown(one["source"], 61234, 61234)
    compared: t.List[t.Any] = []
    counts = claims._counts
    monkeypatch.setattr(claims, "_counts", lambda *given: compared.append(given) or counts(*given))
    settings = {SERVICE: {"kind": "haproxy", "unit": SERVICE, "test": ["true"]}}
    done = run(certificates=found, **{**FOUND, "found": names}, service_settings=settings)
    assert len(done["certificates"]) == len(names) and len(compared) <= 4 * len(names) ** 2, len(compared)
    monkeypatch.setattr(finds, "MOST_NAMES", 11)
    refused = run(certificates=found, **{**FOUND, "found": names}, service_settings=settings)
    assert refused["certificates"] == [] and "the certificate has more than 11 names" in str(refused["warnings"])
    monkeypatch.setattr(finds, "MOST_NAMES", 12)
    monkeypatch.setattr(finds, "LARGEST", 500)
    refused = run(certificates=found, **{**FOUND, "found": names}, service_settings=settings)
    assert refused["certificates"] == [] and "chain take more" in str(refused["warnings"])


def of_users(tmp_path: Path, names: t.Iterable[str], **options: t.Any) -> t.List[t.Dict[str, t.Any]]:
    """Certificates in folders of two users, in turn one of each."""
    found = [found_in(tmp_path / f"user{number % 2}", leaf(name, **options), name) for number, name in enumerate(names)]
    for folder in tmp_path.glob("user*"):
        os.chown(folder, 61234 + int(folder.name[-1]), -1)
    return sorted(found, key=lambda one: str(one["source"]))


@AS_ROOT
def test_responders_of_users_hold_no_deployment_up(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by hanging, each at a host of its own, nor by not knowing a certificate that requires a staple."""
    names = [f"{number:02}.example.com" for number in range(40)]
    asked: t.List[str] = []

    def exchange(_self: t.Any, values: t.Any, request: t.Any, _timeout: float) -> t.NoReturn:
        asked.append(request.url.partition("//")[2].partition(".")[0])
        time.sleep(0.1)
        raise TransportError("timeout", "it hangs")

    monkeypatch.setattr(bulk.Network, "_exchange", exchange)
    monkeypatch.setattr(asking, "_LONGEST_FOR_USERS", 0.5)
    found = of_users(tmp_path, names, demands=True)
    for one in found:
        one["responder_urls"] = [f"http://{one['name']}"]
    mine = entry(leaf("a.example.com"), "a.example.com", responder_urls=["http://mine.example.com"])
    began = time.monotonic()
    done = run(
        certificates=[*found, mine],
        found=names,
        remote_source=True,
        part={"owner": "web"},
        fetch_from="host",
        responder_wait=60,
        workers=2,
        fail_on_held_back=False,
        options={"retries": 0},
    )
    assert not done.get("failed") and time.monotonic() - began < 20, done
    assert "mine" in asked[:2] and len(set(asked)) < 20, asked  # two are asked at once
    assert {"00", "01"} <= set(asked[:8]), "both users have their turn"
    assert done["without_staple"] == ["a.example.com"] and sorted(done["held_back"]) == names
    assert any("as those of certificates that a search found took" in one for one in done["warnings"])


@AS_ROOT
def test_files_of_users_hold_no_deployment_up(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may cost a second to check. What a user has there keeps those of others from being checked no more."""
    names = [f"{number}.example.com" for number in range(6)]
    found = of_users(tmp_path, names, urls=False)
    looked: t.List[str] = []
    clock, plan_one = Clock(), plans._plan_one

    def slow(layout: t.Any, wanted: t.Any, now: t.Any) -> t.Any:
        looked.append(wanted.name)
        clock.sleep(25)
        return plan_one(layout, wanted, now)

    monkeypatch.setattr(plans, "_plan_one", slow)
    monkeypatch.setattr(plans, "time", clock)
    mine = entry(leaf("a.example.com", urls=False), "a.example.com")
    done = run(certificates=[*found, mine], **{**FOUND, "found": names})
    assert not done.get("failed") and looked[:3] == ["a.example.com", "0.example.com", "1.example.com"]
    assert [one["name"] for one in done["certificates"]] == ["0.example.com", "1.example.com", "a.example.com"]
    assert sum("those that a search found took 60 seconds to check" in one for one in done["warnings"]) == 4


@AS_ROOT
@pytest.mark.parametrize("place", ["make_options", "obtain"])
def test_a_defect_at_the_certificate_of_a_user_stops_no_other(
    place: str, run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (theirs,) = of_users(tmp_path, ["b.example.com"])
    module: t.Any = asking if place == "make_options" else refresh
    works = getattr(module, place)

    def defective(first: t.Any, second: t.Any, *others: t.Any) -> t.Any:
        if "b.example.com" in str((second if place == "make_options" else first.certificate).name):
            raise InputError("a defect")
        return works(first, second, *others)

    monkeypatch.setattr(module, place, defective)
    mine = entry(leaf("a.example.com"), "a.example.com")
    done = run(certificates=[theirs, mine], **FOUND, fail_on_held_back=False)
    assert not done.get("failed") and done["held_back"] == ["b.example.com"], done
    assert live(tmp_path, "a.example.com").is_dir() and not live(tmp_path, "b.example.com").exists()


#: What a deployment calls for each certificate before it changes anything.
FOR_EACH = [
    (wanted, "_read_one"),
    (plans, "_plan_one"),
    (plans, "_differences"),
    (material, "read_material"),
    (material, "examine"),
    (material, "issuer_problem"),
    (material.keys, "read_key"),
    (material.keys, "key_problem"),
    (material.loading, "try_load"),
    (claims, "_names_of"),
    (claims._Index, "problem"),
]


@AS_ROOT
@pytest.mark.parametrize(("owner", "function"), FOR_EACH, ids=[function for _owner, function in FOR_EACH])
def test_a_defect_while_a_certificate_of_a_user_is_examined_costs_that_certificate(
    owner: t.Any, function: str, run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is said by its kind alone, as the text may quote what is in a key."""
    names = ["0.example.com", "1.example.com"]
    found, real, key = of_users(tmp_path, names), getattr(owner, function), []

    def defective(*given: t.Any, **options: t.Any) -> t.Any:
        if function in ("read_key", "key_problem", "try_load"):
            # Those of the operator come first.
            key.append(given)
            is_theirs = len(key) == 2
        else:
            is_theirs = any("0.example.com" in repr(one) and "a.example.com" not in repr(one) for one in given)
        if is_theirs:
            raise ZeroDivisionError("s3cret")
        return real(*given, **options)

    monkeypatch.setattr(owner, function, defective)
    mine = entry(leaf("a.example.com"), "a.example.com")
    done = run(certificates=[mine, *found], **{**FOUND, "found": names})
    assert not done.get("failed"), done
    assert [one["name"] for one in done["certificates"]] == ["a.example.com", "1.example.com"]
    said = "0.example.com: it cannot be examined: internal error (ZeroDivisionError); please report this as a bug; "
    assert any(one.startswith(said) for one in done["warnings"]) and "s3cret" not in str(done), done["warnings"]


def test_of_many_that_are_left_out_few_are_told_of(run: t.Callable[..., Result], tmp_path: Path) -> None:
    subject, names = leaf("a.example.com", urls=False), [f"bad{number}.example.com" for number in range(30)]
    bad = [found_in(tmp_path / "evil", subject, name, key=b"x") for name in names]
    good = found_in(tmp_path / "good", subject, "a.example.com")
    done = run(certificates=[*bad, good], found=[*names, "a.example.com"], remote_source=True, part={"owner": "web"})
    assert [one["name"] for one in done["certificates"]] == ["a.example.com"]
    assert len([one for one in done["warnings"] if "bad" in one]) == 5
    assert any("25 more problems of this kind are not listed" in one for one in done["warnings"])


def test_that_nothing_is_given_is_a_warning(run: t.Callable[..., Result]) -> None:
    """Not where certificates of the owner drop out, which is reported, or where another inclusion gave some."""
    said = "'web' gives no certificates; check the names of its variables, "
    nothing = run(certificates=[], part={"owner": "web"})
    assert nothing["warnings"] == [f"{said}ocsp_stapling_certificates and ocsp_stapling_scan"]
    assert nothing["msg"] == "no certificates are given" and not nothing["changed"]
    assert run(certificates=[])["warnings"] == ["no certificates are given in certificates"]
    one = entry(leaf("www.example.com", urls=False), "www.example.com")
    assert run(certificates=[one], part={"owner": "web"})["warnings"] == []
    later = run(certificates=[], part={"owner": "web", "turn": 2, "claimed": {"www.example.com": []}})
    gone = run(certificates=[], part={"owner": "web"})
    assert later["warnings"] == gone["warnings"] == [] and gone["dropped"] == ["www.example.com"]
    assert gone["msg"].startswith("no certificates are given") and "; no longer configured, " in gone["msg"]
    assert run(certificates=[], part={"owner": "mail"})["warnings"] != []


def test_certificates_that_are_still_to_be_obtained_are_given(run: t.Callable[..., Result]) -> None:
    names = ["a.example.com", "b.example.com"]
    for kept, said in ((names[:1], "a.example.com is"), (names, "a.example.com and b.example.com are")):
        nothing = run(certificates=[], part={"owner": "web", "kept": kept})
        assert nothing["msg"] == f"nothing to deploy: {said} still to be obtained"
        assert nothing["warnings"] == [] and not nothing["changed"]


def test_a_server_that_is_not_installed_is_a_warning(
    run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be installed later in the same play. Of two certificates it is said once."""
    monkeypatch.setattr(control, "has_systemd", lambda: True)
    monkeypatch.setattr(control, "_FOLDERS", ())
    monkeypatch.setattr(control._PidFile, "main_pid", lambda self: None)
    answers = {"is-active": (3, "inactive\n", ""), "show": (0, "not-found\n", "")}
    monkeypatch.setattr(AnsibleModule, "run_command", lambda self, argv, **_given: answers[argv[5]])
    monkeypatch.setattr(shutil, "which", lambda name: name)
    names = ("one.example.com", "two.example.com")
    given = [entry(leaf(name, urls=False), name, services=["apache2"]) for name in names]
    for check in (True, False):
        result = run(certificates=given, check=check, service_settings={})
        assert not result.get("failed") and result["warnings"] == [
            "apache2 is not installed on this host (no unit apache2.service); its reload is left out"
        ]


def test_a_refusal_claims_nothing_that_did_not_happen(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """Of the first certificate of a name, and of one that its owner no longer lists."""
    old, new = leaf("old.example.com"), leaf("new.example.com")
    part = {"owner": "web"}
    run(certificates=[entry(old, "old.example.com")], part=part)
    before = tree(tmp_path)
    refused = run(
        certificates=[entry(new, "new.example.com")],
        part=part,
        diff=True,
        service_settings={SERVICE: {"test": ["false"], "reload": ["true"]}},
    )
    assert refused["failed"] and not refused["changed"] and tree(tmp_path) == before
    assert not (tmp_path / "etc/sets/new.example.com").exists()
    assert "updated" not in refused["msg"] and "no longer configured" not in refused["msg"], refused["msg"]
    assert refused["dropped"] == refused["diff"] == refused["without_staple"] == []
    assert [one["changed"] for one in refused["certificates"]] == [False]
    assert refused["good_until"] is None


def test_commands_may_be_texts_with_the_quotes_of_a_shell(run: t.Callable[..., Result]) -> None:
    settings = {SERVICE: {"test": "sh -c 'exit 0'", "reload": "true", "unit": None}}
    done = run(certificates=[entry(leaf("www.example.com"), "www.example.com")], service_settings=settings)
    assert done["changed"] and not done["failed"], done["msg"]


def test_a_test_that_does_not_end_is_ended(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that does not want to."""
    monkeypatch.setattr(control, "_TIMEOUT", 1.0)
    monkeypatch.setattr(control, "is_running", lambda service, run: True)
    hanging = {SERVICE: {"test": ["sh", "-c", "trap '' TERM; sleep 60"], "reload": ["true"]}}
    began = time.monotonic()
    refused = run(certificates=[entry(leaf("www.example.com"), "www.example.com")], service_settings=hanging)
    assert time.monotonic() - began < 30
    assert refused["failed"] and "it took more than 1 seconds" in refused["msg"]


def test_a_test_that_cannot_be_run_is_named(run: t.Callable[..., Result], tmp_path: Path) -> None:
    settings = {SERVICE: {"reload": ["true"], "test": ["/nowhere/checkconf", "-t"]}}
    refused = run(certificates=[entry(leaf("www.example.com"), "www.example.com")], service_settings=settings)
    assert refused["failed"]
    assert f"{SERVICE} was rejected by '/nowhere/checkconf -t' (No such file or directory)" in refused["msg"]


def test_all_that_is_wrong_with_one_certificate_is_said_at_once(run: t.Callable[..., Result], tmp_path: Path) -> None:
    """With what only the controller knows of others."""
    one, other = leaf("www.example.com"), leaf("two.example.com")
    flawed = {"owner": "no-such-user", "group": "no-such-group", "mode": "rw", "services": ["ngnix"], "names": ["x?}"]}
    key = forge.private_pem(other.key).decode()
    missing = {"name": "a.example.com", "sentence": "a.example.com: there is no private key"}
    refused = run(certificates=[entry(one, "www.example.com", private_key_content=key, **flawed)], faults=[missing])
    assert refused["failed"] and not (tmp_path / "etc/sets").exists()
    first, *others = [one["message"] for one in refused["findings"]]
    assert first == missing["sentence"] and refused["findings"][0]["name"] == "a.example.com"
    for words in (
        "services: ngnix is not a known service",
        "names: 'x?}' is neither",
        "there is no user 'no-such-user'",
        "there is no group 'no-such-group'",
        "mode: 'rw' is not an octal number",
        "does not match",
    ):
        assert [one for one in others if words in one and one.startswith("www.example.com: ")], (words, others)
    assert run(certificates=[entry(one, "www.example.com")], faults=[missing])["failed"]
    (tmp_path / "etc/parts/web.json").mkdir(parents=True)
    broken = run(part={"owner": "mail"}, certificates=[entry(one, "www.example.com")], faults=[missing])
    assert len(broken["findings"]) == 2 and broken["findings"][0]["message"] == missing["sentence"], broken


@pytest.mark.parametrize("running", [True, False])
def test_check_mode_tells_of_no_reload_of_what_does_not_run(
    run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    one = leaf("www.example.com")
    monkeypatch.setattr(control, "is_running", lambda service, run: running)
    checked = run(check=True, certificates=[entry(one, "www.example.com", response_content=staple(one))])
    assert checked["changed"] and checked["reload"] == ([SERVICE] if running else [])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"keep": 0}, "keep: 0 is not between 1 and 1000"),
        ({"workers": 0}, "workers: 0 is not between"),
        ({"responder_wait": -5}, "responder_wait: -5 is not between"),
        ({"apache_port": 99999}, "apache_port: 99999 is not between"),
        ({"services": [""]}, "services: '' is not a valid service name"),
        ({"services": ["../x"]}, "services: '../x' is not a valid service name"),
        ({"owner": "no-such-user"}, "the owner of the private key: there is no user 'no-such-user' on this host"),
        ({"group": "no-such-group"}, "the group of the private key: there is no group 'no-such-group' on this host"),
        ({"service_settings": {SERVICE: "nginx"}}, f"service_settings: {SERVICE} must be a dictionary"),
        ({"service_settings": {SERVICE: {"sockets": "/x"}}}, f"{SERVICE} has an unknown setting"),
        ({"service_settings": {SERVICE: {"reload": 5}}}, f"service_settings: reload of {SERVICE} must be a command"),
        ({"service_settings": {SERVICE: {"test": [1]}}}, f"service_settings: test of {SERVICE} must be a command"),
        (
            {"service_settings": {SERVICE: {"test": "a 'b"}}},
            f"test of {SERVICE} is not a valid command: no closing quotation",
        ),
        ({"service_settings": {SERVICE: {"kind": "ngnix"}}}, f"service_settings: {SERVICE}: kind: 'ngnix' is not one"),
        ({"service_settings": {"../x": {"reload": ["true"]}}, "services": ["../x"]}, "is not a valid service name"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything(
    given: t.Dict[str, t.Any], sentence: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    certificate = entry(leaf("www.example.com"), "www.example.com", services=None)
    refused = run(**{"certificates": [certificate], "services": [SERVICE], **given})
    assert refused["failed"] and sentence in refused["msg"], refused["msg"]
    assert not (tmp_path / "etc/sets").exists()


class TlsServer:
    """A real one on the loopback, which loads the live set when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._context: t.Optional[ssl.SSLContext] = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def load(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "fullchain.pem", self._folder / "privkey.pem")
        self._context = context

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                if self._context is not None:
                    connection.settimeout(5)
                    with self._context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[TlsServer]:
    monkeypatch.setattr(confirm, "PATIENCE", 0.1)
    one = TlsServer(live(tmp_path, "www.example.com"))
    yield one
    one.close()


def test_what_is_seen_nowhere_is_not_called_served(
    run: t.Callable[..., Result], tmp_path: Path, server: TlsServer
) -> None:
    """A server that does not use the certificate yet serves nothing worse than before."""
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    settings = {SERVICE: {"test": ["true"], "reload": ["true"]}}
    run(certificates=[entry(leaf("www.example.com"), "www.example.com")], endpoints=at, service_settings=settings)
    verified = run(state="verify", service_settings=settings)
    told = f"{SERVICE}: nothing is worse than before, but none of the certificates was seen there"
    assert not verified["failed"] and verified["msg"].startswith(told), verified


@pytest.mark.parametrize("kind", ["nginx", "dovecot"])
def test_a_server_that_is_configured_and_serves_no_tls_is_told(
    run: t.Callable[..., Result], server: TlsServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not before either, so that nothing is put back. Another one is yet to be configured."""
    monkeypatch.setattr(removal, "readers", lambda path: {"nginx"})
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    settings = {SERVICE: {"kind": kind, "test": ["true"], "reload": ["true"]}}
    run(certificates=[entry(leaf("www.example.com"), "www.example.com")], endpoints=at, service_settings=settings)
    verified = run(state="verify", service_settings=settings)
    said = (
        f"{SERVICE} on 127.0.0.1:{server.port} for www.example.com: TLS still does not work (127.0.0.1:{server.port} "
        f"closes the connection without an answer to the ClientHello), as before this change; see the log of {SERVICE}"
    )
    assert not verified["failed"] and verified["warnings"] == [said] * (kind == "nginx")


def test_what_is_served_confirms_a_deployment_whoever_reloaded(
    run: t.Callable[..., Result], tmp_path: Path, server: TlsServer
) -> None:
    """As the examples do it: nothing but the server itself tells that it has loaded the new certificate."""
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    for label in ("first", "second"):
        given = [entry(leaf("www.example.com", label), "www.example.com")]
        assert run(certificates=given, endpoints=at)["reload"] == [SERVICE]
        server.load()
        verified = run(state="verify")
        assert not verified["failed"] and verified["msg"] == f"{SERVICE}: everything is served as expected"
        idle = run(certificates=given, endpoints=at)
        assert not idle["changed"] and idle["reload"] == idle["unconfirmed"] == []


def test_what_a_server_has_loaded_is_recognised_without_a_verification(
    run: t.Callable[..., Result], tmp_path: Path, server: TlsServer
) -> None:
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    given = [entry(leaf("www.example.com"), "www.example.com")]
    run(certificates=given, endpoints=at)
    assert run(certificates=given, endpoints=at)["reload"] == [SERVICE]
    server.load()
    assert not run(certificates=given, endpoints=at)["changed"]


@pytest.mark.parametrize("damage", [b"", b"no certificate\n"], ids=["empty", "garbage"])
def test_a_damaged_live_set_that_is_not_loaded_yet_is_repaired(
    run: t.Callable[..., Result], tmp_path: Path, server: TlsServer, damage: bytes
) -> None:
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    given = [entry(leaf("www.example.com"), "www.example.com")]
    run(certificates=given, endpoints=at)
    server.load()
    damaged = live(tmp_path, "www.example.com") / "cert.pem"
    damaged.chmod(0o644)
    damaged.write_bytes(damage)
    mended = run(certificates=given, endpoints=at)
    assert not mended["failed"] and mended["certificates"][0]["changed"]
    server.load()
    assert not run(state="verify")["failed"]


def test_service_that_did_not_load_the_new_set_gets_the_old_one_back(
    run: t.Callable[..., Result], tmp_path: Path, server: TlsServer
) -> None:
    at = [{"service": SERVICE, "host": "127.0.0.1", "port": server.port, "starttls": ""}]
    settings = {SERVICE: {"test": ["true"], "reload": ["touch", str(tmp_path / "reloaded")]}}
    run(certificates=[entry(leaf("www.example.com"), "www.example.com")], endpoints=at, service_settings=settings)
    server.load()
    assert not run(state="verify", service_settings=settings)["failed"]
    before = os.readlink(live(tmp_path, "www.example.com"))
    new = entry(leaf("www.example.com", "new"), "www.example.com")
    first = entry(leaf("api.example.com"), "api.example.com")
    deployed = run(certificates=[new, first], endpoints=at, service_settings=settings)["certificates"]
    meant = {one["name"]: one["fingerprint"] for one in deployed}["www.example.com"]
    assert os.readlink(live(tmp_path, "www.example.com")) != before
    failed = run(state="verify", service_settings=settings)
    assert failed["failed"] and "the old certificate is still served" in failed["msg"]
    assert failed["msg"].startswith(
        "the old certificates of www.example.com were put back, and api.example.com was taken away again: "
    )
    unread = f"no server's configuration in /etc names {live(tmp_path, 'www.example.com')}, so it may read other files"
    assert unread in failed["msg"]
    assert failed["swapped_back"] == ["api.example.com", "www.example.com"]
    assert not live(tmp_path, "api.example.com").exists()
    found = noted(tmp_path)
    assert found["outcome"] == "switched_back" and found["message"].endswith(": the old certificate is still served")
    assert found["fingerprint"] == meant
    assert os.readlink(live(tmp_path, "www.example.com")) == before
    assert (tmp_path / "reloaded").exists() and not (tmp_path / "var/pending" / SERVICE).exists()


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ({"host": "https://example.com"}, "host: 'https://example.com'"),
        ({"port": 99999}, "port: 99999 is not between 1 and 65535"),
        ({"service": "ngnix"}, "endpoints: no service is called ngnix; did you mean nginx?"),
        ({"starttls": "mysql"}, "mysql"),
        ({"starttls": "xmpp-client"}, "xmpp-client"),
    ],
)
def test_an_endpoint_that_cannot_be_looked_at_is_refused_before_anything(
    at: t.Dict[str, t.Any], sentence: str, run: t.Callable[..., Result], tmp_path: Path
) -> None:
    endpoint = {"service": SERVICE, "host": "127.0.0.1", "port": 443, **at}
    given = [entry(leaf("www.example.com"), "www.example.com")]
    for check in (True, False):
        refused = run(check=check, certificates=given, endpoints=[endpoint])
        assert refused["failed"] and sentence in refused["msg"] and tree(tmp_path) == {}


def test_swap_that_fails_half_way_is_undone(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["one.example.com", "two.example.com"]
    run(certificates=[entry(leaf(name), name) for name in names])
    (tmp_path / "var/transaction.json").unlink()
    before = {name: os.readlink(live(tmp_path, name)) for name in names}
    swap = sets.swap

    def fail_for_new(layout: t.Any, name: str, identifier: str) -> None:
        if name == "two.example.com":
            raise FileError("no space left")
        swap(layout, name, identifier)

    monkeypatch.setattr(sets, "swap", fail_for_new)
    failed = run(certificates=[entry(leaf(name, "new"), name) for name in names])
    assert failed["failed"] and failed["msg"] == "no space left; nothing was changed"
    assert {name: os.readlink(live(tmp_path, name)) for name in names} == before


def test_an_error_after_the_switch_does_not_deny_it(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: t.Any) -> None:
        raise FileError("cannot write PART: No space left on device")

    monkeypatch.setattr(parts, "save", full)
    failed = run(part={"owner": "web"}, certificates=[entry(leaf("www.example.com"), "www.example.com")])
    assert live(tmp_path, "www.example.com").exists()
    assert failed["failed"] and failed["changed"]
    said = "cannot write PART: No space left on device; what was changed before that is in place, so run this again"
    assert failed["msg"] == said


@pytest.mark.parametrize("renewed", [True, False])
def test_an_error_before_the_switch_says_what_was_changed(
    run: t.Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    """The staple of a set that stays is renewed before another set is staged."""
    one, other = leaf("www.example.com"), leaf("shop.example.com")
    run(certificates=[entry(one, "www.example.com")])

    def full(*_arguments: t.Any) -> str:
        raise FileError("cannot stage the set FOLDER: No space left on device")

    monkeypatch.setattr(sets, "stage", full)
    stays = entry(one, "www.example.com", response_content=staple(one) if renewed else None)
    failed = run(certificates=[stays, entry(other, "shop.example.com")])
    assert (live(tmp_path, "www.example.com") / "ocsp.der").exists() == renewed
    assert failed["failed"] and failed["changed"] == renewed and not live(tmp_path, "shop.example.com").exists()
    end = "what was changed before that is in place, so run this again" if renewed else "nothing was changed"
    assert failed["msg"] == f"cannot stage the set FOLDER: No space left on device; {end}"


@pytest.mark.parametrize("known", ["Debian-exim", "exim", ""])
def test_the_group_that_a_server_of_this_host_has_is_named(
    known: str, run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def getgrnam(name: str) -> t.Any:
        if name != known:
            raise KeyError(name)
        return types.SimpleNamespace(gr_name=name)

    monkeypatch.setattr(plans, "grp", types.SimpleNamespace(getgrnam=getgrnam))
    given = entry(leaf("www.example.com"), "www.example.com", services=["exim"], owner="0", group="0")
    sentence = (
        f"set key_group (group, in a task of certificate_set) to {known or 'the group of that service'}, and key_"
    )
    assert sentence in run(check=True, certificates=[given])["msg"]


@pytest.mark.parametrize(
    ("group", "members", "told"),
    [("daemon", [], True), ("daemon", ["Debian-exim"], False), ("Debian-exim", [], False)],
)
def test_a_key_that_the_group_of_its_server_may_not_read_is_told(
    group: str, members: t.List[str], told: bool, run: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exim would say that TLS is unavailable, and the deployment be taken back."""
    groups = types.SimpleNamespace(
        getgrnam=lambda name: {"Debian-exim": types.SimpleNamespace(gr_name=name)}[name],
        getgrgid=lambda _number: types.SimpleNamespace(gr_name=group, gr_mem=members),
    )
    monkeypatch.setattr(plans, "grp", groups)
    settings = {"services": ["exim"], "owner": "0", "group": "1", "mode": "0440"}
    given = entry(leaf("www.example.com"), "www.example.com", **settings)
    warnings = run(check=True, certificates=[given])["warnings"]
    assert any("exim reads the private key as the group Debian-exim" in one for one in warnings) is told, warnings


def test_names_that_are_added_later_have_to_be_in_the_certificate_as_well(run: t.Callable[..., Result]) -> None:
    given = entry(leaf("www.example.com"), "www.example.com")
    run(certificates=[given])
    for check in (True, False):
        refused = run(certificates=[{**given, "names": ["www.example.com", "shop.example.com"]}], check=check)
        assert refused["failed"] and "is not for shop.example.com (its names: www.example.com)" in refused["msg"]


def test_two_entries_of_a_name_are_one(run: t.Callable[..., Result]) -> None:
    one = leaf("www.example.com")
    services = {name: {"unit": name} for name in (SERVICE, "another")}
    certificates = [entry(one, "www.example.com", services=[service]) for service in services]
    assert run(check=True, certificates=certificates, service_settings=services)["reload"] == ["another", SERVICE]
    for change in ({"mode": "0440"}, {"staple": False}, {"options": {"timeout": 3}}):
        other = {**certificates[1], **change}
        refused = run(check=True, certificates=[certificates[0], other], service_settings=services)
        assert refused["failed"] and "it is listed twice, with different" in refused["msg"]


def test_absent_removes_sets_and_nothing_else(run: t.Callable[..., Result], tmp_path: Path) -> None:
    certificates = [entry(leaf(name), name) for name in ("one.example.com", "two.example.com")]
    run(certificates=certificates)
    (tmp_path / "etc/config.json").write_text("{}")
    assert run(state="absent", check=True, certificates=[{"name": "one.example.com"}])["removed"] == ["one.example.com"]
    gone = run(state="absent", certificates=[{"name": "one.example.com"}])
    assert gone["changed"] and gone["msg"] == "one.example.com was removed"
    assert not live(tmp_path, "one.example.com").exists() and live(tmp_path, "two.example.com").exists()
    assert run(state="absent")["removed"] == ["two.example.com"]
    assert not run(state="absent")["changed"]
    assert os.listdir(tmp_path / "etc") == ["config.json"]


def test_servers_read_their_configuration_again_before_all_is_removed(
    run: t.Callable[..., Result], tmp_path: Path
) -> None:
    """One that goes on with an earlier configuration would look for files that are gone."""
    one, log = leaf("www.example.com"), tmp_path / "reloaded"
    certificate = live(tmp_path, "www.example.com") / "cert.pem"
    services = {SERVICE: {"reload": ["cp", str(certificate), str(log)]}}
    deployed = run(certificates=[entry(one, "www.example.com")], service_settings=services)
    assert deployed["changed"] and not log.exists()
    foreseen = run(state="absent", check=True, service_settings=services)
    assert foreseen["msg"] == f"www.example.com would be removed; first to be reloaded: {SERVICE}"
    untested = {SERVICE: {"reload": ["true"], "test": ["false"]}}
    for check in (True, False):
        refused = run(state="absent", service_settings=untested, check=check)
        assert refused["failed"] and certificate.exists() and "was rejected by 'false'" in refused["msg"]
    broken = {SERVICE: {"reload": ["false"]}}
    refused = run(state="absent", service_settings=broken)
    assert refused["failed"] and certificate.exists() and not log.exists()
    assert re.match("nothing was removed, because the files may still be in use: .* cannot be reloaded", refused["msg"])
    gone = run(state="absent", service_settings=services)
    assert gone["msg"] == f"www.example.com was removed; reloaded before that: {SERVICE}"
    assert log.read_text() == one.pem.decode() and not certificate.exists()
    assert run(state="absent", service_settings=services)["changed"] is False


def test_force_removes_all_though_a_server_cannot_be_reloaded(run: t.Callable[..., Result], tmp_path: Path) -> None:
    services = {SERVICE: {"reload": ["false"]}}
    run(certificates=[entry(leaf("www.example.com"), "www.example.com")], service_settings=services)
    gone = run(state="absent", service_settings=services, force=True)
    assert gone["msg"] == "www.example.com was removed" and not live(tmp_path, "www.example.com").exists()
    assert "cannot be reloaded" in " ".join(gone["warnings"])


def test_certificates_without_responder_are_listed(run: t.Callable[..., Result]) -> None:
    one = leaf("www.example.com", urls=False)
    result = run(certificates=[entry(one, "www.example.com")])
    assert result["without_responder"] == ["www.example.com"] and result["warnings"] == []
    assert result["changed"] and not result["failed"]


def test_what_is_not_stapled_is_good_until_no_time(run: t.Callable[..., Result]) -> None:
    one, other = leaf("www.example.com", urls=False), leaf("shop.example.com")
    lacking = [entry(one, "www.example.com"), entry(other, "shop.example.com")]
    result = run(certificates=lacking, fetch_from="nowhere")
    assert result["without_staple"] == ["shop.example.com"] and result["good_until"] is None
    stapled = [lacking[0], entry(other, "shop.example.com", response_content=staple(other))]
    result = run(certificates=stapled, fetch_from="nowhere")
    assert result["good_until"] == f"{NOW + 6 * forge.DAY:%Y-%m-%dT%H:%M:%SZ}"


def test_what_is_revoked_is_good_until_no_time(run: t.Callable[..., Result]) -> None:
    one, plain = leaf("www.example.com"), leaf("shop.example.com", urls=False)
    given = [entry(one, "www.example.com", response_content=staple(one)), entry(plain, "shop.example.com")]
    assert run(certificates=given)["good_until"]
    revoked = {**given[0], "response_content": staple(one, "revoked")}
    result = run(certificates=[revoked, given[1]])
    assert result["revoked"] == ["www.example.com"] and result["good_until"] is None


@pytest.mark.parametrize("check", [False, True])
def test_an_older_certificate_is_deployed_with_a_warning(check: bool, run: t.Callable[..., Result]) -> None:
    """It may come from a backup, or from a checkout that is out of date."""
    name = "www.example.com"
    new = leaf(name)
    old = forge.leaf(
        ISSUER,
        name,
        serial=77,
        not_before=NOW - 30 * forge.DAY,
        not_after=NOW + 50 * forge.DAY,
        extensions=[forge.subject_alt_name(name)],
        private_key=new.key,
    )
    run(certificates=[entry(new, name)])
    result = run(certificates=[entry(old, name)], check=check)
    assert result["changed"] and not result["failed"]
    (warning,) = [one for one in result["warnings"] if "older" in one]
    assert warning.startswith(f"{name}: the certificate in ") and warning.endswith("and replaces it all the same")
    if not check:
        assert "older" not in " ".join(run(certificates=[entry(old, name)])["warnings"])
        assert "older" not in " ".join(run(certificates=[entry(new, name)])["warnings"])


def test_the_program_gives_each_option_that_is_not_for_the_controller() -> None:
    """It deploys what others renewed by the same code, with values of its own."""
    one = parts.Certificate("www.example.com", ("nginx",))
    values = renewed.task_values(
        sets.Layout(),
        [parts.Part("web", (one,))],
        one.name,
        renewed.Source("certbot", "/a", "/b"),
        {"workers": 4, "fetch": True},
    )
    of_the_controller = {"groups", "scan", "missing", "faults", "controller_cache"}
    assert {*certificate_set_module.argument_spec()} - of_the_controller == values.keys()
    of_one = certificate_set_module.argument_spec()["certificates"]["options"]
    assert of_one.keys() == values["certificates"][0].keys()
