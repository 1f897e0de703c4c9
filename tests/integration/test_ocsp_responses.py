# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ocsp_responses, as playbooks use it, with a real responder."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import yaml
from conftest import Direct, Module, pki_tool, run_program
from test_examples import examples_of

PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/certops.ocsp.ocsp:
      minimum_validity: 1d
  tasks:
    - name: Keep them fresh
      certops.ocsp.ocsp_responses:
        certificates: "{{ certificates }}"
        mode: "0640"
        fail_on: "{{ fail_on | default('any') }}"
      register: staples
      notify: Reload

    - name: Reload now
      ansible.builtin.meta: flush_handlers

    - name: Fail if one is missing
      ansible.builtin.assert:
        that: staples.failed_count == 0
        fail_msg: "{{ staples.responses | dict2items | selectattr('value.failed') | map(attribute='key') | join }}"

  handlers:
    - name: Reload
      ansible.builtin.file:
        path: "{{ reloaded }}"
        state: touch
        mode: "0600"
"""


def entries(pki: pki_tool.Pki, folder: Path, *names: str, **more: t.Any) -> list[dict[str, t.Any]]:
    return [
        {
            "name": name,
            "path": str(folder / f"{name}.der"),
            "certificate_path": str(pki.leaf(f"{name}.example.com").fullchain),
            **more,
        }
        for name in names
    ]


def test_a_playbook_keeps_many_fresh(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path, tmp_path: Path
) -> None:
    reloaded = tmp_path / "reloaded"
    given = {"certificates": entries(pki, folder, "rsa", "ecdsa", "must-staple", "no-ocsp"), "reloaded": reloaded}
    first = run_playbook(PLAYBOOK, **given)
    assert first.rc == 0 and first.count("failed") == 0, first.output
    assert reloaded.exists()
    assert responder.count == 3
    assert sorted(path.name for path in folder.iterdir()) == ["ecdsa.der", "must-staple.der", "rsa.der"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o640}
    for name in ("rsa", "ecdsa", "must-staple"):
        leaf = pki.leaf(f"{name}.example.com")
        issued = ["-issuer", leaf.chain, "-cert", leaf.certificate, "-CAfile", pki.root]
        said = pki_tool.openssl("ocsp", *issued, "-respin", folder / f"{name}.der")
        assert f"{leaf.certificate}: good" in said

    reloaded.unlink()
    second = run_playbook(PLAYBOOK, **given)
    assert second.rc == 0 and second.count("changed") == 0, second.output
    assert responder.count == 3 and not reloaded.exists()


def test_servers_are_reloaded_although_one_fails(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path, tmp_path: Path
) -> None:
    broken = {"name": "broken", "path": str(folder / "broken.der"), "certificate_path": str(tmp_path / "missing")}
    given = {"certificates": [broken, *entries(pki, folder, "rsa")], "reloaded": tmp_path / "reloaded"}
    stops = run_playbook(PLAYBOOK, **given)
    assert stops.rc == 2 and not (tmp_path / "reloaded").exists()
    assert (folder / "rsa.der").exists()
    assert (
        f"1 of 2 files changed, 1 failed: broken: certificate_path: {tmp_path}/missing does not exist" in stops.output
    )

    (folder / "rsa.der").unlink()
    goes_on = run_playbook(PLAYBOOK, fail_on="none", **given)
    assert goes_on.rc == 2 and (tmp_path / "reloaded").exists()
    assert '"msg": "broken"' in goes_on.output


def test_the_first_example_reloads_servers_although_one_fails(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path, tmp_path: Path
) -> None:
    """As it stands, but for the certificates, of which there are many."""
    tasks = yaml.safe_load(examples_of("ocsp_responses"))[:3]
    leaf = entries(pki, folder, "rsa")[0]
    given = [{**leaf, "name": f"n{number}", "path": str(folder / f"n{number}.der")} for number in range(29)]
    given.append({"name": "bad", "path": str(folder / "bad.der"), "certificate_path": "/missing"})
    tasks[0]["certops.ocsp.ocsp_responses"].update(certificates=given)
    handler = {"name": "Reload servers", "ansible.builtin.command": f"touch {tmp_path}/reloaded"}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks, "handlers": [handler]}
    done = run_playbook(json.dumps([play]))
    assert done.rc == 2 and (tmp_path / "reloaded").exists(), done.output
    assert len(list(folder.iterdir())) == 29
    assert "29 of 30 files changed, 1 failed: bad: certificate_path: /missing does not exist" in done.output
    assert len(done.output) < 4096


def test_what_fails_is_printed_and_not_what_did_not(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path, tmp_path: Path
) -> None:
    leaf = entries(pki, folder, "rsa")[0]
    given = [{**leaf, "name": f"sound-{number}", "path": str(folder / f"sound-{number}.der")} for number in range(29)]
    given.append({"name": "bad", "path": str(folder / "bad.der"), "certificate_path": "/missing"})
    done = run_playbook(PLAYBOOK, certificates=given, reloaded=tmp_path / "reloaded")
    assert done.rc == 2 and "1 failed: bad: certificate_path: /missing does not exist" in done.output
    assert len(done.output) < 4096 and "sound-7" not in done.output


def test_what_happens_is_shown_and_not_done_in_check_mode(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path, tmp_path: Path
) -> None:
    given = {"certificates": entries(pki, folder, "rsa", "ecdsa"), "reloaded": tmp_path / "reloaded"}
    done = run_playbook(PLAYBOOK, check=True, diff=True, **given)
    assert done.rc == 0, done.output
    assert list(folder.iterdir()) == []
    for name in ("rsa", "ecdsa"):
        assert f"+++ after: {folder}/{name}.der" in done.output
    assert '+    "certificate_status": "good"' in done.output


def test_a_revoked_one_and_a_responder_that_is_down(
    run_module: Module,
    responder: pki_tool.Responder,
    pki: pki_tool.Pki,
    folder: Path,
    revoked: pki_tool.Leaf,
) -> None:
    name = revoked.name.removesuffix(".example.com")
    pki.revoke(revoked.name)
    result = run_module("ocsp_responses", certificates=entries(pki, folder, "rsa", name))
    assert result["failed"] and result["changed"]
    assert result["responses"][name]["fetch_error"]["code"] == "revoked"
    assert [path.name for path in folder.iterdir()] == ["rsa.der"]

    given = entries(pki, folder, "rsa", force=True) + entries(pki, folder, "ecdsa", "must-staple")
    with responder.broken("down"):
        options = {"certificates": given, "retries": 0, "per_responder": 1}
        failed = run_module("ocsp_responses", fail_on="must_staple", **options)
        result = run_module("ocsp_responses", fail_on="none", **options)
    assert failed["failed"] and not failed["changed"] and list(failed["responses"]) == ["ecdsa", "must-staple"]
    responses = result["responses"]
    assert not result.get("failed") and not result["changed"]
    assert [one["failed"] for one in responses.values()] == [False, True, True]
    assert {one["fetch_error"]["code"] for one in responses.values()} == {"unreachable"}
    assert sum("not asked again in this run" in one["msg"] for one in responses.values()) == 2


def test_what_one_host_fetched_is_installed_on_another(
    run_playbook: t.Callable[..., t.Any], responder: pki_tool.Responder, pki: pki_tool.Pki, folder: Path
) -> None:
    (folder / "here").mkdir()
    (folder / "there").mkdir()
    here = entries(pki, folder / "here", "rsa", "ecdsa", "no-ocsp")
    there = entries(pki, folder / "there", "rsa", "ecdsa", "no-ocsp")
    playbook = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Fetch once
      certops.ocsp.ocsp_responses:
        certificates: "{{ here }}"
        return_content: true
      register: staples
      delegate_to: localhost
      run_once: true

    - name: Install where there is no way out
      certops.ocsp.ocsp_response:
        path: "{{ item.path }}"
        certificate_path: "{{ item.certificate_path }}"
        source_content: "{{ staples.responses[item.name].response }}"
      when: staples.responses[item.name].response is not none
      loop: "{{ there }}"
      loop_control:
        label: "{{ item.name }}"
"""
    done = run_playbook(playbook, here=here, there=there)
    assert done.rc == 0 and done.count("failed") == 0, done.output
    assert responder.count == 2
    for name in ("rsa", "ecdsa"):
        assert (folder / "here" / f"{name}.der").read_bytes() == (folder / "there" / f"{name}.der").read_bytes()
    assert not (folder / "there" / "no-ocsp.der").exists()


def test_eight_runs_at_once_ask_once_for_each(
    run_directly: Direct, pki: pki_tool.Pki, responder: pki_tool.Responder, folder: Path
) -> None:
    given = entries(pki, folder, "rsa", "ecdsa", "must-staple")
    processes = [run_directly.start("ocsp_responses", certificates=given) for _number in range(8)]
    results = [run_directly.finish(process) for process in processes]
    assert not any(result.get("failed") for result in results), results
    assert sum(result["changed_count"] for result in results) == 3
    assert responder.count == 3
    assert len(list(folder.iterdir())) == 3


def test_documentation_reads() -> None:
    done = run_program("ansible-doc", "--json", "certops.ocsp.ocsp_responses")
    assert done.returncode == 0, done.stderr
    options = json.loads(done.stdout)["certops.ocsp.ocsp_responses"]["doc"]["options"]
    assert {"certificates", "workers", "per_responder", "fail_on", "minimum_validity", "owner", "retries"} <= set(
        options
    )
