# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ocsp_response: what a task sees of it."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import transport
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import response as ocsp_response
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import read_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import TRANSPORT_OPTIONS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.responder import Reply, World, failure, html, ok
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    ADDED,
    FILE_OPTIONS,
    Result,
    Runner,
    check_types,
    comparable,
    documentation,
    returned,
    specification,
)

W = forge.world()
SILENT = forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)])
CHAIN = (W.leaf.pem + W.issuer.pem).decode()

GOOD = forge.response()
NEWER = forge.response(forge.single(this_update=NOW - HOUR, next_update=NOW + 7 * DAY))
OLDER = forge.response(forge.single(this_update=NOW - 2 * DAY, next_update=NOW + 5 * DAY))
DUE = forge.response(forge.single(this_update=NOW - 5 * DAY, next_update=NOW + 2 * DAY))
EXPIRED = forge.response(forge.single(this_update=NOW - 8 * DAY, next_update=NOW - DAY))
REVOKED = forge.response(forge.single(status="revoked", reason="key_compromise"))
REVOKED_BEFORE = forge.response(forge.single(status="revoked", this_update=NOW - 2 * DAY))
SHA256 = forge.response(forge.single(digest="sha256"))

RUN = "2026-03-04T05:06:07Z"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "www.example.com.der"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: Path) -> t.Callable[..., Result]:
    """Run the module on a chain at the time of the forged responses; options that are None are left out."""
    runner = Runner("ocsp_response", monkeypatch, capfd)

    def run_(check: bool = False, diff: bool = False, **options: t.Any) -> Result:
        options = {"path": str(path), "certificate_content": CHAIN, "now": RUN, "retries": 0, **options}
        return runner(check, diff, **{name: value for name, value in options.items() if value is not None})

    run_.module = runner.module  # type: ignore[attr-defined]
    return run_


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange(self: t.Any, request: t.Any, timeout: float) -> t.NoReturn:
        raise AssertionError(f"{request.url} was asked")

    monkeypatch.setattr(transport.Transport, "exchange", exchange)


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., World]:
    """Let responders give these replies, the last one for ever."""

    def answer(*replies: Reply) -> World:
        world = World(*replies)
        monkeypatch.setattr(transport.Transport, "exchange", lambda self, *arguments: world.exchange(*arguments))
        return world

    return answer


# Installing --------------------------------------------------------------------------------------


def test_a_response_is_fetched_and_installed(run: t.Any, path: Path, responder: t.Any) -> None:
    world = responder(ok(GOOD))
    result = run()
    assert path.read_bytes() == GOOD
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert len(world.requests) == 1
    assert not result["failed"] and result["changed"] and result["fetched"]
    assert result["warnings"] == []
    expected = {
        "path": str(path),
        "msg": "a response that is good until 2026-03-10T05:06:07Z was installed",
        "fetch_error": None,
        "skipped_reason": None,
        "responder_url": forge.URL,
        "renew_at": "2026-03-06T17:06:07Z",
        "response_status": "successful",
        "certificate_status": "good",
        "this_update": "2026-03-03T05:06:07Z",
        "next_update": "2026-03-10T05:06:07Z",
        "produced_at": "2026-03-03T05:06:07Z",
        "effective_expiry": "2026-03-10T05:06:07Z",
        "revocation_time": None,
        "revocation_reason": None,
        "serial_number": 0x1000,
        "must_staple": False,
        "responder_certificate_expiry": None,
        "signature_algorithm": "ecdsa_sha256",
        "certid_digest": "sha1",
        "findings": [],
        "sha256": hashlib.sha256(GOOD).hexdigest(),
    }
    assert {name: result[name] for name in expected} == expected
    (attempt,) = result["attempts"]
    assert attempt.pop("seconds") >= 0
    assert attempt == {
        "url": forge.URL,
        "method": "get",
        "certid_digest": "sha1",
        "code": None,
        "http_status": 200,
    }


def test_the_second_run_asks_nobody_and_changes_nothing(run: t.Any, path: Path) -> None:
    path.write_bytes(GOOD)
    before = path.stat()
    result = run()
    assert not result["failed"] and not result["changed"] and not result["fetched"]
    assert result["msg"] == "the response is good and is due for renewal at 2026-03-06T17:06:07Z"
    assert (result["attempts"], result["responder_url"]) == ([], None)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_response_from_elsewhere_is_installed_without_the_network(run: t.Any, path: Path) -> None:
    first = run(source_content=b64(GOOD))
    assert first["changed"] and not first["fetched"]
    assert path.read_bytes() == GOOD
    second = run(source_content=b64(GOOD))
    assert not second["changed"] and not second["failed"]
    assert second["msg"] == "there is no newer response than the one in place"


def test_what_is_returned_can_be_installed_elsewhere(run: t.Any, path: Path, tmp_path: Path) -> None:
    path.write_bytes(GOOD)
    staple = run(return_content=True)
    other = tmp_path / "other.der"
    result = run(path=str(other), source_content=staple["response"])
    assert result["changed"]
    assert other.read_bytes() == GOOD


@pytest.mark.parametrize("garbage", [b"", b"garbage", EXPIRED, GOOD[:-1], REVOKED_BEFORE])
def test_what_is_not_good_on_disk_is_a_reason_to_fetch(
    run: t.Any, path: Path, responder: t.Any, garbage: bytes
) -> None:
    path.write_bytes(garbage)
    responder(ok(GOOD))
    result = run()
    assert result["changed"] and not result["failed"]
    assert path.read_bytes() == GOOD


def test_a_file_that_is_far_too_large_is_no_trouble(run: t.Any, path: Path, responder: t.Any) -> None:
    path.write_bytes(b"\x30" * (2 * ocsp_response.SIZE_LIMIT))
    responder(ok(GOOD))
    assert run()["changed"]
    assert path.read_bytes() == GOOD


def test_due_responses_are_renewed_and_forced_ones_too(run: t.Any, path: Path, responder: t.Any) -> None:
    responder(ok(NEWER))
    for content, options in ((DUE, {}), (GOOD, {"force": True}), (GOOD, {"minimum_validity": "6d 1s"})):
        path.write_bytes(content)
        result = run(**options)
        assert result["changed"] and result["fetched"]
        assert path.read_bytes() == NEWER


def test_an_older_response_does_not_replace_a_newer_one(run: t.Any, path: Path) -> None:
    path.write_bytes(GOOD)
    result = run(source_content=b64(OLDER))
    assert not result["changed"] and not result["failed"]
    assert path.read_bytes() == GOOD
    assert result["msg"].startswith("the new response is older than the one in place ")
    assert result["warnings"] == [result["msg"]]
    assert [(finding["code"], finding["severity"]) for finding in result["findings"]] == [("older", "warning")]


def test_pem(run: t.Any, path: Path) -> None:
    assert run(source_content=b64(GOOD), format="pem")["changed"]
    assert path.read_bytes() == forge.armour(GOOD, "OCSP RESPONSE")
    again = run(format="pem")
    assert not again["changed"]
    assert again["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert run(format="der")["changed"]
    assert path.read_bytes() == GOOD


def test_root_is_not_needed_where_the_folder_can_be_written(
    run: t.Any, path: Path, responder: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    responder(ok(GOOD))
    assert run()["changed"] and path.read_bytes() == GOOD


@pytest.mark.parametrize("module", ["ocsp_response", "ocsp_responses"])
def test_forgotten_become_is_named_where_access_is_denied(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def deny(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise FileError(f"cannot write it: {os.strerror(errno.EACCES)}")

    monkeypatch.setattr(files, "replace_file", deny)
    entry = {"path": str(tmp_path / "x.der")}
    options = entry if module == "ocsp_response" else {"certificates": [entry]}
    options = {**options, "certificate_content": CHAIN, "now": RUN, "source_content": b64(GOOD)}
    runner = Runner(module, monkeypatch, capfd)
    assert "become: true" not in runner(**options)["msg"] or os.geteuid() != 0
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    user = pwd.getpwuid(1).pw_name
    wanted = f"cannot write it: Permission denied (this runs as {user}; is become: true missing?)"
    assert runner(**options)["msg"].endswith(wanted)


# Check and difference ----------------------------------------------------------------------------


def test_check_mode_asks_and_writes_nothing(run: t.Any, path: Path, responder: t.Any) -> None:
    world = responder(ok(GOOD))
    result = run(check=True)
    assert result["changed"] and result["fetched"]
    assert result["msg"] == "a response that is good until 2026-03-10T05:06:07Z would be installed"
    assert len(world.requests) == 1
    assert os.listdir(path.parent) == []
    path.write_bytes(DUE)
    assert run(check=True, backup=True)["changed"]
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == DUE


def test_check_mode_on_a_fresh_file_asks_nobody(run: t.Any, path: Path) -> None:
    path.write_bytes(GOOD)
    assert not run(check=True)["changed"]


def test_check_mode_fails_where_the_run_would(run: t.Any, path: Path, responder: t.Any) -> None:
    responder(failure("unreachable"))
    assert run(check=True)["failed"]


@pytest.mark.parametrize("option", ["certificate_path", "issuer_path", "source_path"])
def test_check_mode_warns_of_a_file_that_an_earlier_task_may_create(run: t.Any, path: Path, option: str) -> None:
    missing = path.parent / "new" / "file.pem"
    given = {option: str(missing), **({"certificate_content": None} if option == "certificate_path" else {})}
    result = run(check=True, diff=True, **given)
    told = f"{option}: {missing} does not exist"
    assert result["changed"] and not result["failed"] and result["path"] == str(path)
    assert result["warnings"] == [result["msg"]] == [f"{told}; this will fail unless an earlier task creates it"]
    assert os.listdir(path.parent) == []
    refused = run(**given)
    assert refused["failed"] and refused["msg"] == told


def test_check_mode_warns_of_a_folder_that_does_not_exist_yet(run: t.Any, path: Path, responder: t.Any) -> None:
    responder(ok(GOOD))
    missing = path.parent / "new" / "folder"
    result = run(check=True, diff=True, mode="0640", path=str(missing / "x.der"))
    assert result["changed"] and not result["failed"]
    assert result["msg"] == "a response that is good until 2026-03-10T05:06:07Z would be installed"
    assert result["warnings"] == [
        f"the folder {missing} does not exist; unless it is created first, writing {missing / 'x.der'} will fail"
    ]
    assert os.listdir(path.parent) == []
    refused = run(path=str(missing / "x.der"))
    assert refused["failed"] and refused["msg"].endswith("does not exist; create it first")
    assert run(check=True, certificate_content=SILENT.pem.decode(), path=str(missing / "x.der"))["warnings"] == []


def test_check_mode_warns_of_a_folder_that_cannot_be_written(
    run: t.Any, path: Path, responder: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    responder(ok(GOOD))
    monkeypatch.setattr(os, "access", lambda *_place, **_how: False)  # as for a user without rights
    result = run(check=True)
    assert result["changed"] and not result["failed"]
    assert result["warnings"] == [
        f"this user may not write in the folder {path.parent}; unless that is changed, writing {path} will fail"
    ]


def test_check_mode_refuses_what_can_be_no_folder(run: t.Any, path: Path) -> None:
    path.write_bytes(b"a file")
    assert run(check=True, path=str(path / "x.der"))["msg"].endswith("which is not a folder")
    assert run(check=True, path=str(path.parent / "new") + "/")["failed"]


def test_the_difference_shows_facts(run: t.Any, path: Path) -> None:
    facts = {
        "certificate_status": "good",
        "this_update": "2026-03-03T05:06:07Z",
        "next_update": "2026-03-10T05:06:07Z",
        "effective_expiry": "2026-03-10T05:06:07Z",
        "signature_algorithm": "ecdsa_sha256",
        "certid_digest": "sha1",
    }
    difference = run(diff=True, source_content=b64(GOOD))["diff"]
    assert difference["before_header"] == difference["after_header"] == str(path)
    responder_id = difference["after"].pop("responder_id")
    assert (difference["before"], difference["after"]) == ({}, facts)
    difference = run(diff=True)["diff"]
    assert difference["before"] == difference["after"] == {**facts, "responder_id": responder_id}
    difference = run(diff=True, source_content=b64(NEWER))["diff"]
    assert difference["before"]["this_update"] == "2026-03-03T05:06:07Z"
    assert difference["after"]["this_update"] == "2026-03-04T04:06:07Z"


def test_the_difference_shows_what_is_removed(run: t.Any, path: Path) -> None:
    path.write_bytes(GOOD)
    difference = run(diff=True, state="absent")["diff"]
    assert difference["before"] != difference["after"]


# Failing -----------------------------------------------------------------------------------------


def test_a_failed_fetch_with_a_good_file_in_place_is_a_warning(run: t.Any, path: Path, responder: t.Any) -> None:
    path.write_bytes(DUE)
    responder(failure("unreachable"))
    result = run()
    assert not result["failed"] and not result["changed"] and not result["fetched"]
    assert result["fetch_error"] == {"code": "unreachable", "message": "it is unreachable"}
    assert result["msg"] == (
        f"could not fetch a new response: it is unreachable; {path} is good until 2026-03-06T05:06:07Z"
    )
    assert result["warnings"] == [result["msg"]]
    assert [attempt["code"] for attempt in result["attempts"]] == ["unreachable"]
    assert result["certificate_status"] == "good"
    assert path.read_bytes() == DUE


@pytest.mark.parametrize("content", [None, EXPIRED, b"garbage"])
def test_a_failed_fetch_without_a_good_file_fails_and_leaves_it(
    run: t.Any, path: Path, responder: t.Any, content: t.Optional[bytes]
) -> None:
    if content is not None:
        path.write_bytes(content)
    responder(html(404))
    result = run()
    assert result["failed"] and not result["changed"]
    assert result["fetch_error"]["code"] == "http_error"
    assert result["msg"].startswith(f"{forge.URL} answered with the HTTP status 404 (text/html); ")
    assert (path.read_bytes() if path.exists() else None) == content
    assert os.listdir(path.parent) == ([path.name] if content is not None else [])


@pytest.mark.parametrize("content", [None, GOOD, DUE])
def test_a_revoked_certificate_fails_and_its_response_is_never_written(
    run: t.Any, path: Path, content: t.Optional[bytes]
) -> None:
    if content is not None:
        path.write_bytes(content)
    result = run(source_content=b64(REVOKED))
    assert result["failed"] and not result["changed"]
    assert result["fetch_error"]["code"] == "revoked"
    assert result["certificate_status"] == "revoked"
    assert result["revocation_reason"] == "key_compromise"
    assert result["revocation_time"] == "2026-03-02T05:06:07Z"
    assert "was revoked at 2026-03-02T05:06:07Z (key_compromise)" in result["msg"]
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_revocation_can_be_borne_with(run: t.Any, path: Path, responder: t.Any) -> None:
    path.write_bytes(DUE)
    responder(ok(REVOKED))
    result = run(on_revoked="keep")
    assert not result["failed"] and not result["changed"]
    assert result["fetch_error"]["code"] == "revoked"
    assert result["warnings"] == [result["msg"]]
    assert path.read_bytes() == DUE


REFUSED = {
    "expired": EXPIRED,
    "malformed": b"garbage",
    "wrong_certificate": forge.response(forge.single(serial=1)),
    "bad_signature": forge.response(flip_signature=True),
    "missing_next_update": forge.response(forge.single(next_update=None)),
    "not_yet_valid": forge.response(forge.single(this_update=NOW + HOUR)),
    "not_successful": forge.error_response("unauthorized"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_bad_response_from_elsewhere_is_refused(run: t.Any, path: Path, code: str) -> None:
    path.write_bytes(EXPIRED)
    result = run(source_content=b64(REFUSED[code]))
    assert result["failed"] and not result["changed"]
    assert result["fetch_error"]["code"] == code
    assert result["msg"].startswith("the given response is refused: ")
    assert path.read_bytes() == EXPIRED


def test_what_is_allowed_is_accepted(run: t.Any, path: Path) -> None:
    data = forge.response(forge.single(this_update=NOW - HOUR, next_update=None))
    result = run(source_content=b64(data), allow=["missing_next_update"])
    assert result["changed"]
    assert (result["next_update"], result["effective_expiry"]) == (None, "2026-03-05T04:06:07Z")
    assert path.read_bytes() == data


# Without a responder -----------------------------------------------------------------------------


def test_a_certificate_without_a_responder_is_skipped(run: t.Any, path: Path) -> None:
    result = run(certificate_content=SILENT.pem.decode())
    assert not result["failed"] and not result["changed"]
    assert result["skipped_reason"] == "no_responder"
    assert result["msg"] == (
        "the certificate CN=leaf.example.com,O=Forge has no OCSP responder URL; there is nothing to staple"
    )
    assert result["warnings"] == []
    assert not path.exists()


def test_or_fails_where_one_is_a_must(run: t.Any) -> None:
    result = run(certificate_content=SILENT.pem.decode(), on_missing_responder="fail")
    assert result["failed"]
    assert result["fetch_error"]["code"] == "no_responder"


# Removing ----------------------------------------------------------------------------------------


def test_absent(run: t.Any, path: Path) -> None:
    path.write_bytes(b"anything")
    options = {"state": "absent", "certificate_content": None, "now": None}
    assert run(check=True, **options)["changed"]
    assert path.exists()
    result = run(**options)
    assert result["changed"] and result["msg"] == "the response was removed"
    assert not path.exists()
    result = run(**options)
    assert not result["changed"] and result["msg"] == "there is no response to remove"


def test_absent_does_not_remove_a_folder(run: t.Any, path: Path) -> None:
    path.mkdir()
    result = run(state="absent", certificate_content=None)
    assert result["failed"]
    assert result["msg"] == f"path: {path} is a directory; give the path of a file"


# Files -------------------------------------------------------------------------------------------


def test_the_mode_is_set_and_kept(run: t.Any, path: Path) -> None:
    def mode() -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert run(source_content=b64(GOOD), mode="0640")["changed"]
    assert mode() == 0o640
    assert not run(mode="0640")["changed"]
    assert run(source_content=b64(NEWER))["changed"]
    assert mode() == 0o640
    assert run(check=True, mode="0600")["changed"]
    assert mode() == 0o640
    assert run(mode="0600")["changed"]
    assert mode() == 0o600


def test_a_symlink_stays_and_its_target_gets_content_and_mode(run: t.Any, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.der"
    path.symlink_to(target.name)
    result = run(source_content=b64(GOOD), mode="0640")
    assert result["changed"] and result["path"] == str(path)
    assert path.is_symlink()
    assert target.read_bytes() == GOOD
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_backups(run: t.Any, path: Path) -> None:
    first = run(source_content=b64(OLDER), backup=True)
    assert first["changed"] and "backup_file" not in first
    second = run(source_content=b64(GOOD), backup=True, backup_count=1)
    assert Path(second["backup_file"]).read_bytes() == OLDER
    assert "backup_file" not in run(backup=True)
    third = run(source_content=b64(NEWER), backup=True, backup_count=1, now="2026-03-04T05:06:08Z")
    assert Path(third["backup_file"]).read_bytes() == GOOD
    assert sorted(os.listdir(path.parent)) == [path.name, os.path.basename(third["backup_file"])]


# Warnings ----------------------------------------------------------------------------------------


def test_what_a_server_cannot_use_is_a_warning(run: t.Any, path: Path) -> None:
    result = run(source_content=b64(SHA256), server=["haproxy", "nginx", "dovecot"])
    assert result["changed"] and path.read_bytes() == SHA256
    assert result["warnings"] == [
        (
            "haproxy ignores answers by a sha256 CertID, so clients get no staple from it; set certid_digest to sha1, "
            "or ask the CA for answers by a SHA-1 CertID"
        ),
        "dovecot cannot staple at all, so clients get no staple from it",
    ]
    assert [finding["code"] for finding in result["findings"]] == 2 * ["unfit_for_server"]


def test_what_breaks_a_server_is_refused(run: t.Any, path: Path) -> None:
    result = run(source_content=b64(SHA256), server=["hitch"])
    assert result["failed"]
    assert result["fetch_error"]["code"] == "unfit_for_server"
    assert not path.exists()


def test_oddities_are_findings_and_no_warnings(run: t.Any) -> None:
    delegate = forge.delegate(W.issuer, extensions=[e for e in forge.DELEGATE_EXTENSIONS if e != forge.nocheck()])
    result = run(source_content=b64(forge.response(signer=delegate)))
    assert result["changed"]
    assert result["warnings"] == []
    assert [finding["code"] for finding in result["findings"]] == ["responder_without_nocheck"]


# Bad input ---------------------------------------------------------------------------------------

BAD = {
    "missing certificate": (
        {"certificate_content": None, "certificate_path": "/missing.pem"},
        "certificate_path: /missing.pem does not exist",
    ),
    "directory for a certificate": (
        {"certificate_content": None, "certificate_path": "/etc"},
        "certificate_path: /etc is a directory",
    ),
    "key for a certificate": (
        {"certificate_content": forge.private_pem(W.leaf.key).decode()},
        "certificate_content contains a private key",
    ),
    "no issuer": (
        {"certificate_content": W.leaf.pem.decode()},
        "certificate_content does not contain the certificate of the issuer",
    ),
    "missing issuer": ({"issuer_path": "/missing.pem"}, "issuer_path: /missing.pem does not exist"),
    "missing root": ({"root_path": "/missing.pem"}, "root_path: /missing.pem does not exist"),
    "missing source": ({"source_path": "/missing.der"}, "source_path: /missing.der does not exist"),
    "missing folder": (
        {"path": "/missing/x.der"},
        "path: /missing/x.der is in the folder /missing, which does not exist",
    ),
    "directory for the file": ({"path": "/etc"}, "path: /etc is a directory"),
    "empty path": ({"path": ""}, "path is empty"),
    "percentage": (
        {"minimum_validity_percentage": 101},
        "minimum_validity_percentage: 101.0 is not between 0 and 100",
    ),
    "unit": ({"minimum_validity": "3 moons"}, "minimum_validity: '3 moons' is not a duration"),
    "time": ({"now": "yesterday"}, "now: 'yesterday' is not a time"),
    "last time of all": ({"now": "9999-12-31T23:59:59Z"}, ""),
    "first time of all": ({"now": "0001-01-01T00:00:00Z"}, ""),
    "URL": ({"responder_urls": ["ldap://x"]}, "responder_urls: 'ldap://x' is not an http:// or https:// URL"),
    "credentials": (
        {"responder_urls": ["http://user:secret@x"]},
        "responder_urls: a URL with a user name or password is refused",
    ),
    "Base64": ({"source_content": "***"}, "source_content is not Base64"),
    "PEM for a server": ({"format": "pem", "server": ["nginx"]}, "format: pem contradicts server"),
    "no backups": ({"backup": True, "backup_count": 0}, "backup_count: 0 is not between 1 and 1000"),
    "timeout": ({"timeout": -1}, "timeout: -1.0 is not a number of seconds"),
    # These are Ansible's own.
    "no certificate": ({"certificate_content": None}, "state is present but any of the following are missing"),
    "two certificates": ({"certificate_path": "/x"}, "parameters are mutually exclusive: certificate_path|certif"),
    "two sources": (
        {"source_path": "/x", "source_content": b64(GOOD)},
        "parameters are mutually exclusive: source_path|source_content",
    ),
    "choice": ({"allow": ["anything"]}, "value of allow must be one or more of"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_fails_with_one_sentence_and_leaves_the_file(
    run: t.Any, path: Path, responder: t.Any, case: str
) -> None:
    responder(html())
    options, sentence = BAD[case]
    path.write_bytes(EXPIRED)
    result = run(**options)
    assert result["failed"]
    assert result["msg"].startswith(sentence)
    assert "\n" not in result["msg"]
    assert "secret" not in result["msg"] and "PRIVATE KEY" not in result["msg"]
    assert path.read_bytes() == EXPIRED
    assert os.listdir(path.parent) == [path.name]


def test_the_sentence_comes_with_its_reason_code(run: t.Any) -> None:
    stranger = forge.authority("Stranger").pem.decode()
    for options, code in (({"now": "?"}, "bad_input"), ({"issuer_content": stranger}, "issuer_mismatch")):
        result = run(**options)
        assert result["findings"] == [{"code": code, "severity": "error", "message": result["msg"]}]


def test_an_answer_of_html(run: t.Any, path: Path, responder: t.Any) -> None:
    responder(html())
    result = run()
    assert result["failed"]
    assert result["fetch_error"]["code"] == "malformed"
    assert "something that is not an OCSP response (text/html)" in result["msg"]


def test_the_password_of_a_proxy_is_not_shown(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # of the transport: nobody listens on port 1
    proxy = "http://user:hunter2@127.0.0.1:1"
    runs = [run(http_proxy=proxy, now=None), run(http_proxy="hunter2:hunter2", now=None)]
    for result in runs:
        assert result["failed"]
        assert "hunter2" not in json.dumps(result)


# The library -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "problem"), [(None, "it is not installed"), ("2.9.2", "version 2.9.2 is too old")])
def test_without_the_library_it_says_so(
    run: t.Any, path: Path, monkeypatch: pytest.MonkeyPatch, version: t.Optional[str], problem: str
) -> None:
    monkeypatch.setattr(signature, "CRYPTOGRAPHY_VERSION", version)
    result = run(source_content=b64(GOOD))
    assert result["failed"]
    assert result["msg"].startswith("Failed to import the required Python library (cryptography >= 3.3) on ")
    assert problem in result["msg"]
    assert not path.exists()


@pytest.mark.parametrize("name", ["ocsp_response", "ocsp_responses", "ocsp_response_info"])
def test_where_the_library_is_missing_there_is_no_traceback(run: t.Any, name: str) -> None:
    options = {"certificates": []} if name == "ocsp_responses" else {"path": "/x", "certificate_path": "/x"}
    script = f"""
import sys
sys.modules["cryptography"] = None
sys.path[:0] = {sys.path!r}
from ansible.module_utils.testing import patch_module_args
from ansible_collections.certops.ocsp.plugins.modules import {name}
with patch_module_args({options!r}):
    {name}.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    result = json.loads(done.stdout)
    assert result["failed"]
    assert result["msg"].startswith("Failed to import the required Python library (cryptography >= 3.3) on ")


# What it costs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ocsp_response", "ocsp_response_info"])
def test_for_a_fresh_response_nothing_is_loaded_that_fetches_or_writes(path: Path, name: str) -> None:
    """Python compiles each module that Ansible sends along, at each run."""
    path.write_bytes(GOOD)
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from ansible.module_utils.testing import patch_module_args
from ansible_collections.certops.ocsp.plugins.modules import {name}
try:
    with patch_module_args({{"path": {str(path)!r}, "certificate_content": {CHAIN!r}, "now": {RUN!r}}}):
        {name}.main()
except SystemExit:
    core = {name}.freshness.__name__.rpartition("fetch.freshness")[0]
    print(*(one.rpartition(".")[2] for one in sys.modules if one.startswith(core)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["findings"] == []
    loaded = set(done.stderr.split())
    assert {"freshness", "response", "certificate"} <= loaded
    assert not loaded & {"decision", "environment", "files", "http1", "ladder", "refresh", "transport"}


# Documentation -----------------------------------------------------------------------------------


def test_the_options_are_documented_as_they_are(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = comparable(specification(run.module, monkeypatch))
    documented = comparable(documentation(run.module, "CERTIFICATE", "RESPONSE", "RENEWAL", "RULES"))
    mode = {"mode": {"type": "raw"}}  # of those of files, this one has a default of its own
    assert {**spec, **comparable(mode)} == documented
    assert not FILE_OPTIONS & set(spec)


def test_the_defaults_are_those_of_the_core(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = specification(run.module, monkeypatch)
    given = {name: option.get("default") for name, option in spec.items()}
    certificate = {"path": "/x", "certificate_content": CHAIN}
    mine, cores = read_options({**given, **certificate}), read_options(certificate)
    for name in mine._fields:
        if name not in ("certificate", "target"):
            assert getattr(mine, name) == getattr(cores, name), name
    defaults = transport.Transport.__init__.__kwdefaults__
    for name in TRANSPORT_OPTIONS:
        assert given[name] == defaults[name], name


def outcomes() -> t.Dict[str, t.Tuple[t.Dict[str, t.Any], t.Optional[bytes], t.Optional[Reply]]]:
    """Options, the file in place, and what the responder says."""
    return {
        "fetched": ({}, None, ok(GOOD)),
        "fresh": ({}, GOOD, None),
        "renewed with a backup": ({"backup": True}, DUE, ok(GOOD)),
        "content": ({"return_content": True}, GOOD, None),
        "from elsewhere": ({"source_content": b64(GOOD)}, None, None),
        "older": ({"source_content": b64(OLDER)}, GOOD, None),
        "kept in spite of": ({}, DUE, failure("timeout")),
        "kept revoked": ({"on_revoked": "keep"}, None, ok(REVOKED)),
        "skipped": ({"certificate_content": SILENT.pem.decode()}, None, None),
        "skipped with content": ({"certificate_content": SILENT.pem.decode(), "return_content": True}, None, None),
        "removed": ({"state": "absent"}, GOOD, None),
        "unreachable": ({}, None, failure("unreachable")),
        "revoked": ({}, DUE, ok(REVOKED)),
        "html": ({"return_content": True}, None, html()),
        "refused": ({"source_content": b64(EXPIRED)}, None, None),
        "no responder": ({"certificate_content": SILENT.pem.decode(), "on_missing_responder": "fail"}, None, None),
    }


@pytest.mark.parametrize("case", outcomes())
def test_what_is_documented_is_what_is_returned(run: t.Any, path: Path, responder: t.Any, case: str) -> None:
    options, content, reply = outcomes()[case]
    if content is not None:
        path.write_bytes(content)
    if reply is not None:
        responder(reply)
    result = run(**options)
    check_types(run.module, result)
    conditions = ["always", "unless an option or a file cannot be used"]
    if options.get("return_content"):
        conditions.append("when O(return_content=true)")
    if options.get("backup"):
        conditions.append("when a backup was made")
    keys = set(result) - ADDED
    assert keys <= returned(run.module, *conditions)
    if not result["failed"]:
        assert keys == returned(run.module, *conditions)
    assert returned(run.module, "always") <= keys


@pytest.mark.parametrize("options", [{"now": "?"}, {"path": "/missing/x"}, {"issuer_path": "/missing"}])
def test_what_is_documented_for_always_is_returned_for_bad_input(run: t.Any, options: t.Dict[str, t.Any]) -> None:
    result = run(**options)
    assert result["failed"]
    assert set(result) - ADDED == returned(run.module, "always")


@pytest.mark.parametrize("name", ["fetch_error", "attempts"])
def test_a_failure_says_what_was_tried(run: t.Any, responder: t.Any, name: str) -> None:
    """So it must not be documented for success alone."""
    responder(failure("unreachable"))
    result = run()
    assert result["failed"] and result[name]
    assert name not in returned(run.module, "success")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root has chattr")
def test_attributes_of_the_file_system_are_set(run: t.Any, path: Path) -> None:
    """By a program of its own, which must find the file."""
    probe = path.with_name("probe")
    probe.touch()
    if subprocess.run(["chattr", "+d", str(probe)], check=False, capture_output=True).returncode:
        pytest.skip("this file system has none")
    result = run(source_content=b64(GOOD), attributes="+d")
    assert not result.get("failed"), result.get("msg")
    shown = subprocess.run(["lsattr", "-d", str(path)], check=True, capture_output=True, text=True).stdout
    assert "d" in shown.split()[0]


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"owner": "nosuch", "mode": "0644"}, "there is no user 'nosuch' on this host"),
        ({"group": "nosuch"}, "there is no group 'nosuch' on this host"),
        ({"mode": "zz"}, "mode must be in octal or symbolic form"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_said_before_anything_is_written(
    run: t.Any, path: Path, attributes: t.Dict[str, str], sentence: str
) -> None:
    """Else the next run would find the response in place, and nobody would be notified of it."""
    path.write_bytes(DUE)
    result = run(source_content=b64(GOOD), **attributes)
    assert result["failed"] and result["msg"] == sentence and result["path"] == str(path)
    assert path.read_bytes() == DUE


def test_an_attribute_that_cannot_be_set_is_said(run: t.Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(GOOD)

    def refuse(*arguments: t.Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    result = run(mode="0600")
    assert result["failed"]
    assert result["msg"] == (
        f"cannot set the owner, group or mode of {path}: Operation not permitted; its content is as it was"
    )


@AS_ROOT
@pytest.mark.parametrize("mode", ["0640", "u=rw,g=r,o=", None])
def test_owner_and_mode_are_those_of_the_file_itself(run: t.Any, path: Path, mode: t.Optional[str]) -> None:
    result = run(source_content=b64(GOOD), owner="12345", group="12346", mode=mode)
    assert result["changed"]
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o640 if mode else 0o644)
    assert not run(source_content=b64(GOOD), owner="12345", group="12346", mode=mode)["changed"]


@AS_ROOT
@pytest.mark.parametrize("there", [True, False], ids=["file", "nothing"])
def test_a_link_of_another_user_is_not_followed(run: t.Any, path: Path, tmp_path: Path, there: bool) -> None:
    """Else the file that it leads to would be replaced, and given to that user."""
    folder, target = tmp_path / "tenant", tmp_path / "target"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    if there:
        target.write_bytes(DUE)
    link = folder / "own.der"
    link.symlink_to(target)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    result = run(path=str(link), source_content=b64(GOOD), owner="12345", backup=True)
    assert result["failed"] and "symbolic link" in result["msg"]
    assert target.exists() is there
    if there:
        assert (target.read_bytes(), target.stat().st_uid) == (DUE, 0)


def test_a_mode_alone_is_a_change_and_said(run: t.Any, path: Path) -> None:
    path.write_bytes(GOOD)
    path.chmod(0o644)
    result = run(mode="0600")
    assert result["changed"] and result["msg"].endswith("the attributes of the file were not as asked for")
    assert not run(mode="0600")["changed"]
