# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role asks about its certificates, and what it refuses before anything is done."""

from __future__ import annotations

import dataclasses
import os
import types
import typing as t
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_folder, _acme_plan
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request
from ansible_collections.certops.ocsp.tests.unit import forge

NAME = "www.example.test"
DIRECTORY = "https://ca.example/dir"
REQUEST = Request(NAME, (NAME,), "http-01", "ecdsa-p256", "", "", False, True, ("web",))
SETTINGS: dict[str, t.Any] = {
    "directory": DIRECTORY,
    "terms_agreed": True,
    "eab": {},
    "ca_file": "",
    "account_key": "",
    "account_key_content": "",
    "http_folder": "/srv",
    "http_hosts": [],
    "dns_tasks": "",
    "roots": [],
    "renew_at": 0.33,
    "force": [],
    "remote_source": False,
}


@pytest.fixture
def folder(tmp_path: Path) -> _acme_folder.Folder:
    return _acme_folder.Folder(str(tmp_path / "files"), DIRECTORY)


def faults(folder: _acme_folder.Folder, *requests: Request, **settings: t.Any) -> list[str]:
    return _acme_plan.faults({**SETTINGS, **settings}, requests or [REQUEST], folder, {"web"})


def test_nothing_is_wrong_with_little(folder: _acme_folder.Folder) -> None:
    assert faults(folder) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"directory": "letsencrypt"}, "acme_certificates_directory: "),
        ({"terms_agreed": False}, "acme_certificates_terms_agreed must be true to open an account"),
        ({"eab": {"kid": "x"}}, "acme_certificates_eab must have kid and key"),
        ({"ca_file": "/nowhere.pem"}, "acme_certificates_ca_file: there is no file /nowhere.pem"),
        ({"http_folder": "srv"}, "acme_certificates_http_folder must be an absolute path"),
        ({"http_hosts": ["front"]}, "acme_certificates_http_hosts: the inventory has no front"),
        ({"roots": ["/nowhere.pem"]}, "acme_certificates_roots: /nowhere.pem cannot be read"),
        ({"renew_at": 0}, "acme_certificates_renew_at must be more than 0 and less than 1"),
        ({"force": ["other"]}, "acme_certificates_force: other is not obtained by this role in this play"),
        ({"remote_source": True}, "ocsp_stapling_remote_source must be false"),
    ],
)
def test_each_fault_is_one_sentence(folder: _acme_folder.Folder, settings: t.Any, sentence: str) -> None:
    (fault,) = faults(folder, **settings)
    assert sentence in fault


def test_dns_needs_tasks(folder: _acme_folder.Folder, tmp_path: Path) -> None:
    request = Request.of({**REQUEST.values(), "challenge": "dns-01"})
    assert "must name a file of tasks" in faults(folder, request)[0]
    assert "there is no file" in faults(folder, request, dns_tasks=str(tmp_path / "dns.yml"))[0]
    (tmp_path / "dns.yml").touch()
    assert faults(folder, request, dns_tasks=str(tmp_path / "dns.yml")) == []


def test_terms_need_no_agreement_where_there_is_an_account(folder: _acme_folder.Folder) -> None:
    folder.note_account("https://ca/1", DIRECTORY)
    folder.write(folder.account_key, b"key")
    assert faults(folder, terms_agreed=False) == []


def test_a_lost_account_key_is_told(folder: _acme_folder.Folder, tmp_path: Path) -> None:
    folder.note_account("https://ca/1", DIRECTORY)
    (fault,) = faults(folder)
    assert fault.startswith(
        f"the key {folder.account_key} of the account https://ca/1 is missing: restore it, or remove "
    )
    assert faults(folder, account_key_content="PEM") == []
    (tmp_path / "other.key").touch()
    assert faults(folder, account_key=str(tmp_path / "other.key")) == []


@pytest.mark.parametrize(("directory", "refused"), [(DIRECTORY, True), ("https://other.example/dir", False)])
def test_a_ca_that_is_known_to_have_no_ocsp_is_asked_for_nothing_that_demands_it(
    folder: _acme_folder.Folder, directory: str, refused: bool
) -> None:
    request = Request.of({**REQUEST.values(), "must_staple": True})
    leaf = forge.leaf(forge.world().issuer, extensions=[forge.basic_constraints(False)])
    folder.install(NAME, {"cert.pem": leaf.pem, "key.pem": b"key"}, "1")
    folder.note(NAME, directory=directory)
    assert bool(faults(folder, request)) is refused
    folder.install(NAME, {"cert.pem": forge.world().leaf.pem, "key.pem": b"key"}, "2")
    assert faults(folder, request) == []


def test_what_is_known_is_asked_about(folder: _acme_folder.Folder) -> None:
    (question,) = _acme_plan.questions([REQUEST], folder, SETTINGS, {NAME: ["cHJvb2Y="]})
    assert question["path"] == folder.flat(NAME, "fullchain.pem") and question["responses"] == ["cHJvb2Y="]
    assert "obtained_profile" not in question and not question["interrupted"] and not question["force"]
    folder.note(NAME, directory=DIRECTORY, profile="short")
    folder.note_order(NAME, uri="https://ca/2")
    (question,) = _acme_plan.questions([REQUEST], folder, {**SETTINGS, "force": [NAME]}, {})
    assert (question["obtained_directory"], question["obtained_profile"]) == (DIRECTORY, "short")
    assert question["interrupted"] and question["force"]
    # Only the traces are left of a run that was killed at its end.
    folder.note_order(NAME, set="1")
    folder.install(NAME, {"cert.pem": b"x", "key.pem": b"key"}, "1")
    assert not _acme_plan.questions([REQUEST], folder, SETTINGS, {})[0]["interrupted"]


def test_an_order_with_the_key_in_use_is_not_done_before_its_certificate_is_in_use(
    folder: _acme_folder.Folder,
) -> None:
    """A run that was forced and killed: the next one is not forced, and the certificate is not due by itself."""
    folder.install(NAME, {"cert.pem": b"x", "key.pem": b"key"}, "1")
    folder.write(folder.pending_path(NAME, "key.pem"), b"key")
    folder.note_order(NAME, uri="https://ca/2")
    assert _acme_plan.questions([REQUEST], folder, SETTINGS, {})[0]["interrupted"]
    folder.note_order(NAME, set="2")
    assert _acme_plan.questions([REQUEST], folder, SETTINGS, {})[0]["interrupted"]


@pytest.mark.parametrize(
    ("version", "said"), [("", "which has none"), ("2.26.0", "which has 2.26.0"), ("3.0.0", ""), ("3.5.0-b1", "")]
)
def test_the_other_collection_has_to_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, said: str
) -> None:
    spec = None
    if version:
        (tmp_path / "MANIFEST.json").write_text(f'{{"collection_info": {{"version": "{version}"}}}}')
        spec = ModuleSpec("ansible_collections.community.crypto", None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
    finder = types.SimpleNamespace(find_spec=lambda name: spec)
    monkeypatch.setattr(_acme_plan.importlib, "util", finder)
    problem = _acme_plan.missing_collection()
    assert said in problem and bool(problem) is bool(said)


def test_a_certificate_that_cannot_be_read_stops_no_other(folder: _acme_folder.Folder) -> None:
    Path(folder.flat(NAME, "fullchain.pem")).mkdir(parents=True)
    folder.note(NAME, directory=DIRECTORY)
    demanding = Request.of({**REQUEST.values(), "must_staple": True})
    assert _acme_plan.certificate(folder, NAME) is None
    assert faults(folder, demanding) == []


@pytest.mark.parametrize("note", ["state", "order"])
def test_what_is_known_of_one_and_cannot_be_read_stops_no_other(folder: _acme_folder.Folder, note: str) -> None:
    """As a folder in the place of the file; it is told by each run, also where nothing is due."""
    other = dataclasses.replace(REQUEST, name="other.test", must_staple=True)
    folder.note(NAME, directory=DIRECTORY, profile="short")
    places = {"state": f"{folder.path}/.acme/state/other.test.json"}
    place = places.get(note, folder.pending_path("other.test", "order.json"))
    os.makedirs(place)
    assert faults(folder, REQUEST, other) == []
    asked = _acme_plan.questions((REQUEST, other), folder, {"force": []}, {})
    assert [one["obtained_directory"] for one in asked] == [DIRECTORY, ""]
    (said,) = _acme_plan.warnings((REQUEST, other), folder)
    assert said.startswith(f"other.test cannot be renewed: {place} cannot be used: ") and said.endswith("or remove it")
