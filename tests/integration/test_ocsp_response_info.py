# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ocsp_response_info says what is there, asks nobody and never fails because of it."""

from __future__ import annotations

import base64
import time
import typing as t
from pathlib import Path

import pytest
from conftest import Direct, Module, pki_tool


@pytest.fixture
def staple(folder: Path, pki: pki_tool.Pki, leaf: pki_tool.Leaf) -> Path:
    """A good one, in place."""
    return pki.response(leaf.name, folder / "staple.der")


@pytest.fixture
def info(run_directly: Direct, leaf: pki_tool.Leaf, staple: Path, responder: pki_tool.Responder) -> t.Iterator[Module]:
    """Run the module and see that it asked nobody and changed nothing."""

    def run(**options: t.Any) -> dict[str, t.Any]:
        given = {"path": staple, "certificate_path": leaf.fullchain, **options}
        result = run_directly("ocsp_response_info", **given)
        assert not result.get("changed") and not result.get("failed"), result
        return result

    yield run
    assert responder.count == 0


def in_days(days: int) -> str:
    """A time in the future, as the option ``now`` takes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400))


def verdict(result: t.Mapping[str, t.Any]) -> tuple[bool, bool, bool, bool]:
    """The four answers in one."""
    return result["exists"], result["parsable"], result["acceptable"], result["should_renew"]


def test_through_ansible(run_module: Module, leaf: pki_tool.Leaf, staple: Path, responder: pki_tool.Responder) -> None:
    for check in (False, True):
        result = run_module("ocsp_response_info", path=staple, certificate_path=leaf.fullchain, check=check)
        assert verdict(result) == (True, True, True, False)
        assert not result["changed"] and result["certificate_status"] == "good"
    assert responder.count == 0


def test_good(info: Module, staple: Path) -> None:
    result = info()
    assert verdict(result) == (True, True, True, False)
    assert result["next_update"] > result["renew_at"] > result["this_update"]
    assert verdict(info(path=None, content=base64.b64encode(staple.read_bytes()).decode())) == verdict(result)


def test_due(info: Module) -> None:
    assert verdict(info(now=in_days(4))) == (True, True, True, True)
    assert verdict(info(minimum_validity="6d", now=in_days(2))) == (True, True, True, True)
    assert verdict(info(minimum_validity_percentage=0, now=in_days(6))) == (True, True, True, False)


def codes(result: t.Mapping[str, t.Any]) -> list[str]:
    """The reason codes of the findings."""
    return [finding["code"] for finding in result["findings"]]


def test_expired(info: Module) -> None:
    result = info(now=in_days(8))
    assert verdict(result) == (True, True, False, True)
    assert "expired" in codes(result)


def test_missing(info: Module, folder: Path) -> None:
    assert verdict(info(path=folder / "missing.der")) == (False, False, False, True)


@pytest.mark.parametrize("content", [b"", b"garbage", b"<html></html>", bytes(70000)])
def test_garbage(info: Module, staple: Path, content: bytes) -> None:
    staple.write_bytes(content)
    result = info()
    assert verdict(result) == (True, False, False, True)
    assert "malformed" in codes(result)


def test_revoked(info: Module, pki: pki_tool.Pki, revoked: pki_tool.Leaf, staple: Path) -> None:
    pki.revoke(revoked.name)
    pki.response(revoked.name, staple)
    result = info(certificate_path=revoked.fullchain)
    assert result["exists"] and result["parsable"] and not result["acceptable"]
    assert result["certificate_status"] == "revoked" and "revoked" in codes(result)


def test_another_certificate(info: Module, pki: pki_tool.Pki) -> None:
    result = info(certificate_path=pki.leaf("ecdsa.example.com").fullchain)
    assert verdict(result) == (True, True, False, True)
    assert "wrong_certificate" in codes(result)


def test_issuer_that_did_not_issue(info: Module, pki: pki_tool.Pki) -> None:
    result = info(issuer_path=pki.root)
    assert not result["acceptable"] and "issuer_mismatch" in codes(result)


def test_missing_certificate_is_a_failure(run_directly: Direct, staple: Path, folder: Path) -> None:
    result = run_directly("ocsp_response_info", path=staple, certificate_path=folder / "missing.pem")
    assert result["failed"] and "certificate_path" in result["msg"]
