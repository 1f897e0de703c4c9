# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator sees of ocsp_response, with a real responder on the other side."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from conftest import Module, pki_tool

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def staple(folder: Path) -> Path:
    """Where the staple goes."""
    return folder / "staple.der"


@pytest.fixture
def respond(run_module: Module, leaf: pki_tool.Leaf, staple: Path) -> Module:
    """Run ocsp_response for the usual certificate and staple."""

    def run(**options: t.Any) -> dict[str, t.Any]:
        return run_module("ocsp_response", **{"path": staple, "certificate_path": leaf.fullchain, **options})

    return run


@pytest.fixture
def good(pki: pki_tool.Pki, leaf: pki_tool.Leaf, staple: Path) -> bytes:
    """A good staple that is in place, made a second ago at the latest."""
    return pki.response(leaf.name, staple).read_bytes()


def in_hours(hours: float) -> str:
    """A time in the future, as the option ``now`` takes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600))


def outlives_a_second() -> None:
    """Responses are dated to the second; a newer one has to be a second younger."""
    time.sleep(1.1)


def test_first_run_fetches_and_second_asks_nobody(
    respond: Module, responder: pki_tool.Responder, staple: Path, leaf: pki_tool.Leaf
) -> None:
    first = respond()
    assert first["changed"] and first["fetched"] and not first.get("failed"), first
    assert responder.count == 1
    assert staple.stat().st_mode & 0o777 == 0o644
    assert names(staple.parent) == [staple.name]
    assert first["path"] == str(staple)
    assert first["certificate_status"] == "good"
    assert first["response_status"] == "successful"
    assert first["serial_number"] in (leaf.serial_number, str(leaf.serial_number), f"{leaf.serial_number:X}")
    assert first["responder_url"] == responder.url
    assert first["certid_digest"] == "sha1"
    assert first["must_staple"] is False
    assert first["fetch_error"] is None and first["skipped_reason"] is None
    assert first["sha256"] == hashlib.sha256(staple.read_bytes()).hexdigest()
    for name in ("this_update", "next_update", "produced_at", "effective_expiry", "renew_at"):
        assert TIME.fullmatch(first[name]), name
    assert [(attempt["method"], attempt["http_status"]) for attempt in first["attempts"]] == [("get", 200)]

    before = staple.stat()
    second = respond()
    assert not second["changed"] and not second["fetched"] and not second.get("failed")
    assert responder.count == 1
    assert staple.stat().st_mtime_ns == before.st_mtime_ns and staple.stat().st_ino == before.st_ino
    for name in ("this_update", "next_update", "renew_at", "sha256", "certificate_status"):
        assert second[name] == first[name], name


@pytest.mark.parametrize("name", ["ecdsa.example.com", "must-staple.example.com"])
def test_other_kinds_of_certificates(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, name: str
) -> None:
    result = respond(certificate_path=pki.leaf(name).fullchain)
    assert result["changed"] and result["certificate_status"] == "good"
    assert result["must_staple"] is (name == "must-staple.example.com")


def test_certificate_issuer_and_root_apart(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, leaf: pki_tool.Leaf
) -> None:
    result = respond(certificate_path=leaf.certificate, issuer_path=leaf.chain, root_path=pki.root)
    assert result["changed"] and result["certificate_status"] == "good"


def test_content_in_the_place_of_files(respond: Module, responder: pki_tool.Responder, leaf: pki_tool.Leaf) -> None:
    result = respond(
        certificate_path=None,
        certificate_content=leaf.certificate.read_text(),
        issuer_content=leaf.chain.read_text(),
        return_content=True,
    )
    assert result["changed"]
    assert hashlib.sha256(base64.b64decode(result["response"])).hexdigest() == result["sha256"]


@pytest.mark.parametrize(
    ("method", "digest", "nonce"), [("post", "sha1", False), ("get", "sha256", False), ("post", "sha256", True)]
)
def test_ways_to_ask(respond: Module, responder: pki_tool.Responder, method: str, digest: str, nonce: bool) -> None:
    result = respond(method=method, certid_digest=digest, nonce=nonce)
    assert result["changed"] and result["certid_digest"] == digest
    assert [request.method for request in responder.requests] == [method.upper()]


def test_check_mode_asks_and_writes_nothing(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    result = respond(check=True)
    assert result["changed"] and result["certificate_status"] == "good"
    assert responder.count == 1
    assert names(staple.parent) == []


def test_check_and_diff_show_facts_and_no_bytes(
    respond: Module, responder: pki_tool.Responder, staple: Path, good: bytes
) -> None:
    before = staple.stat()
    outlives_a_second()
    result = respond(check=True, diff=True, force=True)
    after = staple.stat()
    assert staple.read_bytes() == good and after.st_mtime_ns == before.st_mtime_ns
    assert "next_update" in result["output"]
    assert base64.b64encode(good)[:40].decode() not in result["output"]


def test_diff_of_a_first_run(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    result = respond(diff=True)
    assert result["changed"] and staple.exists()
    assert "+++ after" in result["output"] and "good" in result["output"]


def test_due_response_is_renewed(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    responder.lifetime(180)
    short = respond()
    responder.lifetime(10080)
    outlives_a_second()
    assert not respond(now=in_hours(1))["changed"] and responder.count == 1
    renewed = respond(now=in_hours(2))
    assert renewed["changed"] and renewed["next_update"] > short["next_update"]
    assert responder.count == 2
    assert not respond(now=in_hours(2))["changed"]
    assert responder.count == 2


@pytest.mark.parametrize(
    ("options", "hours"),
    [({}, 84), ({"minimum_validity_percentage": 25}, 126), ({"minimum_validity": "6d"}, 24)],
)
def test_when_it_is_due(
    respond: Module, responder: pki_tool.Responder, good: bytes, options: dict[str, t.Any], hours: int
) -> None:
    """Of the week that it lives; half of it is the default."""
    assert not respond(now=in_hours(hours - 1), **options)["attempts"]
    assert respond(now=in_hours(hours + 1), **options)["attempts"]


def test_force_fetches_what_is_fresh(respond: Module, responder: pki_tool.Responder, staple: Path, good: bytes) -> None:
    outlives_a_second()
    result = respond(force=True)
    assert result["changed"] and result["fetched"] and responder.count == 1
    assert staple.read_bytes() != good


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("down", "unreachable"),
        ("slow", "timeout"),
        ("http_503", "http_error"),
        ("html", None),
        ("try_later", "not_successful"),
    ],
)
def test_good_staple_survives_a_broken_responder(
    respond: Module, responder: pki_tool.Responder, staple: Path, good: bytes, fault: str, code: str | None
) -> None:
    with responder.broken(fault):
        result = respond(force=True, timeout=1, total_timeout=5, retries=0)
    assert not result["changed"] and not result.get("failed"), result
    assert result["fetch_error"]["code"] == (code or result["fetch_error"]["code"])
    assert result["fetch_error"]["message"]
    assert result["warnings"]
    assert staple.read_bytes() == good


@pytest.mark.parametrize("fault", ["down", "html", "http_503", "try_later", "slow"])
def test_nothing_good_and_a_broken_responder_is_a_failure(
    respond: Module, responder: pki_tool.Responder, staple: Path, fault: str
) -> None:
    with responder.broken(fault):
        result = respond(timeout=1, total_timeout=4, retries=0)
    assert result["failed"] and not result["changed"]
    assert result["fetch_error"]["code"]
    assert "\n" not in result["msg"].strip()
    assert names(staple.parent) == []


def test_total_timeout_holds(respond: Module, responder: pki_tool.Responder) -> None:
    began = time.monotonic()
    with responder.broken("slow"):
        result = respond(timeout=2, total_timeout=3, retries=5)
    assert result["failed"] and result["fetch_error"]["code"] == "timeout"
    assert time.monotonic() - began < 7


def test_corrupt_file_is_replaced(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    staple.write_bytes(b"this is not a response")
    result = respond()
    assert result["changed"] and responder.count == 1
    assert respond()["changed"] is False


def test_corrupt_file_stays_while_the_responder_is_down(
    respond: Module, responder: pki_tool.Responder, staple: Path
) -> None:
    staple.write_bytes(b"this is not a response")
    with responder.broken("down"):
        result = respond(retries=0)
    assert result["failed"]
    assert staple.read_bytes() == b"this is not a response"


def test_response_of_another_certificate_is_replaced(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, staple: Path
) -> None:
    pki.response("ecdsa.example.com", staple)
    assert respond()["changed"]


def test_revoked_certificate(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, revoked: pki_tool.Leaf, staple: Path
) -> None:
    assert respond(certificate_path=revoked.fullchain)["changed"]
    good = staple.read_bytes()
    pki.revoke(revoked.name)

    refused = respond(certificate_path=revoked.fullchain, force=True)
    assert refused["failed"] and not refused["changed"]
    assert "revoked" in refused["msg"]
    assert refused["certificate_status"] == "revoked"
    assert refused["revocation_reason"] == "key_compromise" and TIME.fullmatch(refused["revocation_time"])
    assert staple.read_bytes() == good

    kept = respond(certificate_path=revoked.fullchain, force=True, on_revoked="keep")
    assert not kept.get("failed") and not kept["changed"]
    assert kept["certificate_status"] == "revoked"
    assert staple.read_bytes() == good

    staple.unlink()
    nothing = respond(certificate_path=revoked.fullchain)
    assert nothing["failed"]
    assert names(staple.parent) == []


def test_expired_certificate_is_left_alone(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, staple: Path
) -> None:
    result = respond(certificate_path=pki.leaf("expired.example.com").fullchain)
    assert result["failed"]
    assert "expired" in result["msg"]
    assert names(staple.parent) == []


def test_certificate_without_responder(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, staple: Path
) -> None:
    certificate = pki.leaf("no-ocsp.example.com").fullchain
    skipped = respond(certificate_path=certificate)
    assert not skipped["changed"] and not skipped.get("failed")
    assert skipped["skipped_reason"] == "no_responder"
    assert names(staple.parent) == [] and responder.count == 0

    assert respond(certificate_path=certificate, on_missing_responder="fail")["failed"]

    given = respond(certificate_path=certificate, responder_urls=[responder.url])
    assert given["changed"] and given["certificate_status"] == "good"


def test_next_responder_is_asked(respond: Module, responder: pki_tool.Responder) -> None:
    nobody = f"http://127.0.0.1:{pki_tool.free_port()}/"
    result = respond(responder_urls=[nobody, responder.url], retries=0)
    assert result["changed"] and result["responder_url"] == responder.url
    assert result["attempts"][0]["code"] == "unreachable"


def test_source_is_installed_without_network(
    respond: Module, responder: pki_tool.Responder, pki: pki_tool.Pki, leaf: pki_tool.Leaf, staple: Path, tmp_path: Path
) -> None:
    older = pki.response(leaf.name, tmp_path / "older.der")
    outlives_a_second()
    newer = pki.response(leaf.name, tmp_path / "newer.der")

    assert respond(source_path=newer)["changed"]
    assert staple.read_bytes() == newer.read_bytes()
    assert not respond(source_path=newer)["changed"]

    kept_out = respond(source_path=older)
    assert not kept_out["changed"] and not kept_out.get("failed")
    assert staple.read_bytes() == newer.read_bytes()
    assert responder.count == 0

    staple.unlink()
    content = base64.b64encode(older.read_bytes()).decode()
    assert respond(source_content=content)["changed"]
    assert staple.read_bytes() == older.read_bytes()
    assert respond(source_path=newer)["changed"]
    assert staple.read_bytes() == newer.read_bytes()
    assert responder.count == 0


@pytest.mark.parametrize("what", ["other", "garbage"])
def test_bad_source_is_refused(
    respond: Module, pki: pki_tool.Pki, good: bytes, staple: Path, tmp_path: Path, what: str
) -> None:
    source = tmp_path / "source"
    if what == "other":
        pki.response("ecdsa.example.com", source)
    else:
        source.write_bytes(b"garbage")
    result = respond(source_path=source)
    assert not result["changed"] and staple.read_bytes() == good
    staple.unlink()
    assert respond(source_path=source)["failed"]
    assert names(staple.parent) == []


def test_backups_are_kept_and_pruned(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    assert respond(backup=True).get("backup_file") is None
    seen = [staple.read_bytes()]
    for _round in range(3):
        outlives_a_second()
        result = respond(force=True, backup=True, backup_count=2)
        assert Path(result["backup_file"]).read_bytes() == seen[-1]
        seen.append(staple.read_bytes())
    backups = [name for name in names(staple.parent) if name != staple.name]
    assert len(backups) == 2
    assert {(staple.parent / name).read_bytes() for name in backups} == set(seen[1:3])


def test_pem(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    assert respond(format="pem")["changed"]
    assert staple.read_text().startswith("-----BEGIN OCSP RESPONSE-----\n")
    assert not respond(format="pem")["changed"]
    assert responder.count == 1
    changed = respond(format="der")
    assert changed["changed"] and staple.read_bytes()[:1] == b"\x30"


def test_mode_and_owner(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    assert respond(mode="0640")["changed"]
    assert staple.stat().st_mode & 0o7777 == 0o640
    assert not respond(mode="0640")["changed"]
    assert respond(mode="0600")["changed"]
    assert staple.stat().st_mode & 0o7777 == 0o600
    assert responder.count == 1
    outlives_a_second()
    assert respond(force=True)["changed"]
    assert staple.stat().st_mode & 0o7777 == 0o600, "an unspecified mode stays"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_owner(respond: Module, responder: pki_tool.Responder, staple: Path) -> None:
    assert respond(owner="nobody", group="nogroup")["changed"]
    assert staple.owner() == "nobody" and staple.group() == "nogroup"
    outlives_a_second()
    assert respond(force=True)["changed"]
    assert staple.owner() == "nobody" and staple.group() == "nogroup"


def test_symlink_is_followed(respond: Module, responder: pki_tool.Responder, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "link.der").symlink_to(elsewhere / "target.der")
    assert respond(path=folder / "link.der")["changed"]
    assert (folder / "link.der").is_symlink()
    assert not (elsewhere / "target.der").is_symlink()
    assert names(elsewhere) == ["target.der"] and names(folder) == ["link.der"]
    assert not respond(path=folder / "link.der")["changed"]


def test_absent(run_module: Module, good: bytes, staple: Path) -> None:
    assert run_module("ocsp_response", path=staple, state="absent", check=True)["changed"]
    assert staple.exists()
    assert run_module("ocsp_response", path=staple, state="absent")["changed"]
    assert names(staple.parent) == []
    assert not run_module("ocsp_response", path=staple, state="absent")["changed"]


def test_lint_for_a_server(respond: Module, responder: pki_tool.Responder) -> None:
    result = respond(server=["nginx", "haproxy"])
    assert result["changed"] and isinstance(result["findings"], list)


def test_missing_cryptography(respond: Module, tmp_path: Path, staple: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=60)
    result = respond(interpreter=str(tmp_path / "bare" / "bin" / "python"))
    assert result["failed"]
    assert "Failed to import the required Python library (cryptography" in result["msg"]
    assert names(staple.parent) == []
