# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slips with keys and passwords, as people make them: no module repeats or logs them."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.run_module import Result, Runner

KEY = forge.private_pem(forge.key("rsa2048", "secret")).decode()
CERTIFICATE = forge.world().leaf.pem.decode()
PASSWORD = "s3cr3t-pw"
PROXY = f"http://user:{PASSWORD}@127.0.0.1:9"
NAME = "www.example.com"

Run = t.Callable[..., t.Tuple[Result, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a module as Ansible does at -vvv. Returns its result and what was logged to the journal of the host."""
    logged: t.List[str] = []
    monkeypatch.setattr(basic, "HAS_SYSLOG", True)
    monkeypatch.setattr(AnsibleModule, "_log_to_syslog", lambda _self, message: logged.append(message))
    monkeypatch.setattr(basic, "has_journal", False)
    monkeypatch.chdir(tmp_path)

    def once(name: str, **options: t.Any) -> t.Tuple[Result, str]:
        logged.clear()
        if "inject_invocation" in Path(basic.__file__).read_text():
            options["_ansible_inject_invocation"] = True
        result = Runner(name, monkeypatch, capfd)(check=True, **options)
        result.pop("_ansible_new_secrets", None)  # what its controller is told to mask, which no callback gets
        return result, "\n".join(logged)

    return once


def a_set(**options: t.Any) -> t.Dict[str, t.Any]:
    one = {"name": NAME, "certificate_content": CERTIFICATE, "private_key_content": KEY, **options}
    return {"certificates": [one], "path": "etc", "state_path": "var", "fetch_from": "nowhere"}


SLIPS: t.Dict[str, t.Tuple[str, t.Dict[str, t.Any], str]] = {
    "path of a key": ("certificate_set", a_set(private_key_path=KEY), "certificates[0].private_key_path"),
    "unknown option": ("certificate_set", a_set(private_key=KEY), "certificates[0].private_key"),
    "mapping": ("certificate_set", a_set(private_key_content={"pem": KEY}), "certificates[0].private_key_content.pem"),
    "lines": ("certificate_set", a_set(private_key_content=KEY.splitlines()), "certificates[0].private_key_content"),
    "response": ("certificate_set", a_set(response_content=KEY), "certificates[0].response_content"),
    "option of a set": ("certificate_set", a_set(options={"timeout": KEY}), "certificates[0].options.timeout"),
    "choice": ("certificate_set", {**a_set(), "state": KEY}, "state"),
    "combined file": ("ocsp_response", {"path": "x", "certificate_content": CERTIFICATE + KEY}, "certificate_content"),
    "cut off": ("ocsp_response", {"path": "x", "certificate_content": CERTIFICATE + KEY[:200]}, "certificate_content"),
    "of many": (
        "ocsp_responses",
        {"certificates": [{"path": "x", "certificate_content": KEY}]},
        "certificates[0].certificate_content",
    ),
    "judged": ("ocsp_response_info", {"path": "x", "certificate_content": KEY}, "certificate_content"),
    "looked for": ("ocsp_staple_info", {"host": "127.0.0.1", "port": 1, "issuer_content": KEY}, "issuer_content"),
    "program": ("stapling_program", {"wanted": {"scan": []}, "timer": KEY}, "timer"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_key_in_the_wrong_place_is_refused_by_the_name_of_the_place(slip: str, run: Run, tmp_path: Path) -> None:
    name, options, place = SLIPS[slip]
    result, logged = run(name, **options)
    assert result["failed"] and result["msg"].startswith(
        f"{place} contains a private key, which would end up in logs; "
    )
    assert logged == "" and not list(tmp_path.iterdir())
    assert not [line for line in KEY.splitlines() if line in json.dumps(result)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("certificate_set", {**a_set(), "options": {"http_proxy": PROXY}}),
        ("certificate_set", a_set(options={"http_proxy": PROXY})),
        ("certificate_set", a_set(options={"retries": PROXY})),
        ("certificate_set", a_set(responder_urls=[PROXY])),
        ("certificate_set", {**a_set(), "path": PROXY + "x" * 5000}),
        ("ocsp_response", {"path": "x", "certificate_content": CERTIFICATE, "responder_urls": [PROXY]}),
        ("ocsp_response", {"path": PROXY, "certificate_content": CERTIFICATE}),
        ("ocsp_responses", {"certificates": [{"path": "x", "certificate_content": CERTIFICATE, "http_proxy": PROXY}]}),
        ("ocsp_responses", {"certificates": [{"path": "x", "certificate_content": CERTIFICATE, "method": PROXY}]}),
        ("ocsp_staple_info", {"host": PROXY, "port": 1, "attempts": 1}),
    ],
)
def test_a_password_is_neither_repeated_nor_logged(name: str, options: t.Dict[str, t.Any], run: Run) -> None:
    result, logged = run(name, **options)
    assert PASSWORD not in json.dumps(result) and PASSWORD not in logged
    assert result["invocation"]["module_args"], "what is no secret is repeated"


def test_what_belongs_into_a_set_is_accepted(run: Run) -> None:
    """A key, also beside its certificate as servers have it, is hidden where the options are repeated."""
    result, logged = run("certificate_set", **a_set(certificate_content=CERTIFICATE + KEY))
    assert "contains a private key" not in result["msg"]
    assert not [line for line in KEY.splitlines() if line in json.dumps(result) + logged]
    assert re.fullmatch(rf"Invoked with state=present path=etc for {re.escape(NAME)}", logged)


def test_no_terminal_obeys_a_message(run: Run) -> None:
    result, _logged = run("ocsp_response", path="x", certificate_content=CERTIFICATE, now="\x1b]0;owned\x07")
    assert result["failed"] and result["msg"].isprintable()
