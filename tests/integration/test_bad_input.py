# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input ends in one sentence that names the option, and the staple stays as it was."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from conftest import Direct, Module, pki_tool

#: Options that are wrong, and what the message has to name. Names in braces are files made below.
BAD: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "certificate missing": ({"certificate_path": "{missing}"}, ["certificate_path", "{missing}"]),
    "certificate is a folder": ({"certificate_path": "{folder}"}, ["certificate_path", "{folder}"]),
    "certificate is a pipe": ({"certificate_path": "{pipe}"}, ["certificate_path", "{pipe}"]),
    "certificate is a key": ({"certificate_path": "{key}"}, ["certificate_path", "{key}", "private key"]),
    "certificate is empty": ({"certificate_path": "{empty}"}, ["certificate_path", "{empty}"]),
    "certificate is text": ({"certificate_path": "{text}"}, ["certificate_path", "{text}"]),
    "certificate is cut off": ({"certificate_path": "{cut}"}, ["certificate_path", "{cut}"]),
    "several leaves": ({"certificate_path": "{leaves}"}, ["certificate_path", "{leaves}"]),
    "no certificate": ({"certificate_path": None}, ["certificate_path", "certificate_content"]),
    "two certificates": ({"certificate_content": "x"}, ["certificate_path", "certificate_content"]),
    "content is text": ({"certificate_path": None, "certificate_content": "hello"}, ["certificate_content"]),
    "content is a key": (
        {"certificate_path": None, "certificate_content": "{key_content}"},
        ["certificate_content", "private key"],
    ),
    "issuer unknown": ({"certificate_path": "{leaf}"}, ["issuer", "{leaf}"]),
    "issuer missing": ({"issuer_path": "{missing}"}, ["issuer_path", "{missing}"]),
    "issuer is another": ({"issuer_path": "{root}"}, ["issuer_path", "{root}"]),
    "root is another": ({"root_path": "{leaf}"}, ["root_path", "{leaf}"]),
    "path is a folder": ({"path": "{folder}"}, ["path", "{folder}"]),
    "folder missing": ({"path": "{missing}/staple.der"}, ["path", "{missing}"]),
    "percentage too large": ({"minimum_validity_percentage": 101}, ["minimum_validity_percentage", "101"]),
    "percentage negative": ({"minimum_validity_percentage": -1}, ["minimum_validity_percentage", "-1"]),
    "percentage is a word": ({"minimum_validity_percentage": "half"}, ["minimum_validity_percentage"]),
    "unknown unit": ({"minimum_validity": "3 fortnights"}, ["minimum_validity", "fortnights"]),
    "no number": ({"maximum_age": "soon"}, ["maximum_age", "soon"]),
    "no time": ({"now": "yesterday"}, ["now", "yesterday"]),
    "unknown relaxation": ({"allow": ["everything"]}, ["allow", "everything"]),
    "unknown method": ({"method": "put"}, ["method", "put"]),
    "unknown server": ({"server": ["iis"]}, ["server", "iis"]),
    "pem for nginx": ({"server": ["nginx"], "format": "pem"}, ["format", "server"]),
    "no backups": ({"backup": True, "backup_count": 0}, ["backup_count", "0"]),
    "timeout zero": ({"timeout": 0}, ["timeout", "0"]),
    "retries negative": ({"retries": -1}, ["retries", "-1"]),
    "url with credentials": ({"responder_urls": ["http://me:secret@127.0.0.1/"], "force": True}, ["responder_urls"]),
    "url of a file": ({"responder_urls": ["file:///etc/passwd"], "force": True}, ["responder_urls", "file"]),
    "url without host": ({"responder_urls": ["http:///"], "force": True}, ["responder_urls"]),
    "source missing": ({"source_path": "{missing}"}, ["source_path", "{missing}"]),
    "source is a folder": ({"source_path": "{folder}"}, ["source_path", "{folder}"]),
    "source is not base64": ({"source_content": "***"}, ["source_content"]),
    "two sources": ({"source_path": "{key}", "source_content": "MAA="}, ["source_path", "source_content"]),
}


@pytest.fixture
def files(pki: pki_tool.Pki, leaf: pki_tool.Leaf, tmp_path: Path) -> dict[str, str]:
    """What the names in braces stand for."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "cut").write_text(leaf.certificate.read_text()[:400] + "\n-----END CERTIFICATE-----\n")
    (tmp_path / "leaves").write_text(
        leaf.certificate.read_text() + pki.leaf("ecdsa.example.com").certificate.read_text()
    )
    os.mkfifo(tmp_path / "pipe")
    made = {name: str(tmp_path / name) for name in ("missing", "folder", "empty", "text", "cut", "leaves", "pipe")}
    return {
        **made,
        "key": str(leaf.key),
        "key_content": leaf.key.read_text(),
        "leaf": str(leaf.certificate),
        "root": str(pki.root),
    }


def check_sentence(result: t.Mapping[str, t.Any]) -> None:
    """Failed, in one line that a person can read."""
    assert result["failed"] and not result.get("changed")
    assert "Traceback" not in str(result)
    assert "\n" not in result["msg"].strip() and len(result["msg"]) < 500
    assert "secret" not in result["msg"] and "PRIVATE KEY" not in result["msg"]


@pytest.mark.parametrize("name", BAD)
def test_bad_input(
    run_directly: Direct, pki: pki_tool.Pki, leaf: pki_tool.Leaf, folder: Path, files: dict[str, str], name: str
) -> None:
    def fill(value: t.Any) -> t.Any:
        return value.format_map(files) if isinstance(value, str) else value

    options, named = BAD[name]
    staple = folder / "staple.der"
    good = pki.response(leaf.name, staple).read_bytes()
    given = {"path": staple, "certificate_path": leaf.fullchain, **{key: fill(options[key]) for key in options}}
    result = run_directly("ocsp_response", **given)
    check_sentence(result)
    for part in named:
        assert fill(part) in result["msg"], result["msg"]
    assert staple.read_bytes() == good
    assert [entry.name for entry in folder.iterdir()] == ["staple.der"]


def test_unreadable_certificate(run_directly: Direct, leaf: pki_tool.Leaf, folder: Path, tmp_path: Path) -> None:
    unreadable = tmp_path / "unreadable.pem"
    unreadable.write_text(leaf.fullchain.read_text())
    unreadable.chmod(0)
    result = run_directly("ocsp_response", powerless=True, path=folder / "staple.der", certificate_path=unreadable)
    check_sentence(result)
    assert "certificate_path" in result["msg"] and str(unreadable) in result["msg"]


def test_folder_without_permission(
    run_directly: Direct, pki: pki_tool.Pki, leaf: pki_tool.Leaf, folder: Path, tmp_path: Path
) -> None:
    staple = folder / "staple.der"
    source = pki.response(leaf.name, tmp_path / "source.der")
    folder.chmod(0o555)
    result = run_directly(
        "ocsp_response", powerless=True, path=staple, certificate_path=leaf.fullchain, source_path=source
    )
    check_sentence(result)
    assert str(staple) in result["msg"]
    assert list(folder.iterdir()) == []


def test_the_same_through_ansible(run_module: Module, leaf: pki_tool.Leaf, folder: Path) -> None:
    result = run_module("ocsp_response", path=folder / "staple.der", certificate_path=leaf.key)
    check_sentence(result)
    assert str(leaf.key) in result["msg"]
