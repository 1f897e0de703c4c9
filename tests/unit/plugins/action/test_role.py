# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller makes of the role's variables, by this ansible-core, in check mode on this machine."""

from __future__ import annotations

import json
import os
import pwd
import re
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.plugins.plugin_utils import _groups
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

CHECKOUT = Path(__file__).resolve().parents[4]

Play = t.Callable[..., str]


ROLE = "certops.ocsp.ocsp_stapling"


@pytest.fixture
def run(tmp_path: Path, packed: Path) -> Play:
    """Run plays, in check mode unless told otherwise. Returns what was said, in one line."""
    link_checkout(tmp_path / "collections")

    def check(
        *plays: t.Mapping[str, t.Any],
        fails: bool = False,
        extra: t.Mapping[str, t.Any] | None = None,
        check: bool = True,
    ) -> str:
        path = tmp_path / "play.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, **play} for play in plays]))
        switches = [*(["--check"] if check else []), "--diff", "-e", json.dumps(extra or {})]
        done = run_playbook(path, tmp_path / "collections", *switches, packed=packed)
        said = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode != 0) is fails, said
        assert "Traceback" not in said
        return said

    return check


@pytest.fixture
def play(run: Play) -> Play:
    """Run the role in check mode; variables without their prefix. Returns what was said, in one line."""

    def check(fails: bool = False, **variables: t.Any) -> str:
        given = {f"ocsp_stapling_{name}": value for name, value in variables.items()}
        return run({"roles": [{"role": ROLE, "vars": given}]}, fails=fails)

    return check


def bare_host(folder: Path) -> dict[str, str]:
    """Variables by which a host is one without the role, whatever is on this machine."""
    return {f"__ocsp_stapling_{name}": str(folder / name) for name in ("root", "state", "library", "program")}


@pytest.mark.skipif(os.path.lexists("/etc/ocsp-stapling"), reason="the role is deployed on this machine")
def test_a_bare_host_is_told_what_it_would_get(play: Play) -> None:
    said = play(options={"timeout": 5}, log_file="/var/log/ocsp-stapling/{year}.log")
    for what in (
        "/usr/local/lib/ocsp-stapling is missing",
        '"per_responder": 8',
        'exec "${OCSP_',
    ):
        assert what in said
    assert not os.path.lexists("/etc/ocsp-stapling")


def test_a_certificate_that_is_still_to_be_obtained_is_given(run: Play, tmp_path: Path) -> None:
    given = {
        "ocsp_stapling_certificates": {"web": {"domains": ["new.example.com"]}},
        "__ocsp_stapling_missing": ["new.example.com", "of-another-host.example.com"],
    }
    said = run({"roles": [{"role": ROLE, "vars": given}]}, extra=bare_host(tmp_path))
    assert "nothing to deploy: new.example.com is still to be obtained" in said, said
    assert "of-another-host" not in said and "gives no certificates" not in said


def test_plays_that_set_the_program_differently_are_told(run: Play, tmp_path: Path) -> None:
    """Each would change what the other one set, in each run."""
    plays = [
        {"name": name, "roles": [{"role": ROLE, "vars": {"ocsp_stapling_fetch_from": place}}]}
        for name, place in (("Web", "controller"), ("Mail", "host"))
    ]
    said = run(*plays, fails=True, extra=bare_host(tmp_path))
    assert (
        "ocsp_stapling_fetch_from is for the whole host, but it is 'host' for 'Mail (play.yml)' and 'controller' for "
        "'Web (play.yml)'; set it once, in the inventory"
    ) in said


def domain(folder: Path, name: str) -> dict[str, str]:
    """A domain of a group, with files on this machine that can be deployed now."""
    now, issuer = datetime.now(timezone.utc), forge.world().issuer
    leaf = forge.leaf(
        issuer,
        name,
        private_key=forge.key("p256", name),
        extensions=[forge.subject_alt_name(name)],
        not_before=now - forge.DAY,
        not_after=now + 60 * forge.DAY,
    )
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    key.write_bytes(forge.private_pem(leaf.key))
    certificate.write_bytes(leaf.pem + issuer.pem)
    return {"name": name, "private_key": str(key), "certificate": str(certificate)}


def test_a_misspelt_setting_of_the_host_is_all_that_is_said_of_it(run: Play, tmp_path: Path) -> None:
    """Not that others set another value, neither earlier in this run nor in their last ones."""
    given = bare_host(tmp_path)
    root = Path(given["__ocsp_stapling_root"])
    (root / "parts").mkdir(parents=True)
    for owner, timer in (("old", "hourly"), ("shop", "monthly")):
        part = parts.Part(owner, (parts.Certificate(f"{owner}.test", ()),), program={"timer": timer})
        parts.save(sets.Layout(str(root)), part)
    plays = []
    for owner, timer in (("mail", "weekly"), ("web", "dayly")):
        variables = {"owner": owner, "timer": timer, "certificates": {"web": {"domains": [domain(tmp_path, owner)]}}}
        plays.append({"roles": [ROLE], "vars": {f"ocsp_stapling_{name}": one for name, one in variables.items()}})
    said = run(*plays, fails=True, extra=given)
    assert re.search(r"(systemd rejects )?ocsp_stapling_timer: .*dayly", said)
    assert "is for the whole host" not in said


@pytest.mark.parametrize("workers", ["many", 5000])
def test_a_wrong_setting_of_the_host_is_not_compared(workers: t.Any, run: Play, tmp_path: Path) -> None:
    """It is refused for what it is; its default is not what anybody set."""
    plays = [
        {"name": name, "roles": [{"role": ROLE, "vars": {"ocsp_stapling_workers": number}}]}
        for name, number in (("Web", 4), ("Mail", workers))
    ]
    said = run(*plays, fails=True, extra=bare_host(tmp_path))
    assert re.search(r"ocsp_stapling_workers.* 1 (to|and) 1000", said) and "is for the whole host" not in said


def test_files_say_who_manages_them_in_the_words_of_the_user(run: Play, tmp_path: Path) -> None:
    folders = {f"__ocsp_stapling_{name}": str(tmp_path / name) for name in ("root", "state")}
    play = {"roles": [ROLE], "vars": {"ansible_managed": "Ask the keepers of {{ inventory_hostname }}"}}
    said = run(play, extra=folders)
    assert "# Ask the keepers of localhost" in said


def test_all_that_is_wrong_is_said_at_once(play: Play) -> None:
    said = play(
        fails=True,
        certificates={"web": {"domains": ["a.test", {"name": "b.test", "relaod": ["nginx"]}], "staple": "perhaps"}},
        options={"timout": 5},
        services={"nginx": {"sockets": "/run/x"}},
        log_file="/staple.log",
        keep=0,
        responder_wait=-1,
        apache_port="0",
        backup_count=1001,
        endpoints=[{"service": "ngnix", "port": 443}, {"service": "exim", "port": 0, "starttls": "smtp"}],
    )
    for what in (
        "- ocsp_stapling_keep: 0 is not between 1 and 1000",
        "- ocsp_stapling_responder_wait: -1 is not between 0 and 86400",
        "- ocsp_stapling_apache_port: 0 is not between 1 and 65535",
        "- ocsp_stapling_backup_count: 1001 is not between 0 and 1000",
        "- ocsp_stapling_endpoints: no service is called ngnix; did you mean nginx?",
        "- ocsp_stapling_endpoints: exim: port: 0 is not between 1 and 65535",
        "- web: ",
        "web, b.test: relaod is not known; did you mean reload?",
        "ocsp_stapling_options: 'timout' is not an option; did you mean timeout?",
        "ocsp_stapling_services: nginx: sockets is not known; did you mean socket?",
        "ocsp_stapling_log_file is /staple.log, but / cannot be reserved for the program",
    ):
        assert what in said


def test_a_folder_of_the_controller_is_searched(play: Play, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "a.test.key").write_text("no key")
    said = play(fails=True, scan=[{"folder": str(tmp_path / "tls")}])
    assert f"a.test: there is no certificate: {tmp_path}/tls contains no a.test.pem or a.test-fullchain.pem" in said


def test_a_mask_that_is_none_is_refused(play: Play) -> None:
    said = play(fails=True, scan=[{"folder": "/", "private_key": "x.key"}])
    assert "nothing was changed: ocsp_stapling_scan, /: private_key must be a file name with {domain} in it" in said


def test_all_files_that_are_missing_are_said_before_the_host_is_touched(play: Play, tmp_path: Path) -> None:
    (tmp_path / "b.test.pem").write_text("no certificate")
    (tmp_path / "b.test.key").write_text("no key")
    groups = {"web": {"domains": ["a.test", "b.test", {"name": "c.test", "private_key": "nowhere.key"}]}}
    said = play(fails=True, certificates=groups, source=str(tmp_path))
    assert f"a.test: there is no private key: {tmp_path} contains no a.test.key" in said
    assert "b.test.key is not PEM" in said and "nowhere.key" in said
    assert "Install the program" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have the module look at the host")
def test_what_the_host_and_vaults_know_is_said_with_all_else(run: Play, tmp_path: Path) -> None:
    """A group of the host, a vault that cannot be opened and a time are no reason for another run."""
    (tmp_path / "a.test.key").write_text("$ANSIBLE_VAULT;1.1;AES256\n3031\n")
    (tmp_path / "a.test.pem").write_text("-----BEGIN X-----\n")
    fails = {"name": "Show it", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.findings | to_json }}"}}
    include = {"ansible.builtin.include_role": {"name": ROLE}}
    variables = {
        "certificates": {
            "web": {"domains": ["a.test", "b.test"], "key_group": "certops-none", "relaod": ["nginx"]},
            "lb": {"domains": ["e.test"], "reload": ["haproxi"], "private_key": "nowhere.key"},
            "mail": {"domains": "c.test", "options": {"timout": 1}},
        },
        "certificates__more": ["d.test"],
        "timer": "never ever",
        "keep": 0,
        "source": str(tmp_path),
    }
    places = bare_host(tmp_path)
    given = {f"ocsp_stapling_{name}": value for name, value in variables.items()}
    said = run({"tasks": [{"block": [include], "rescue": [fails]}], "vars": given}, extra=places, check=False)
    group = "the group of the private key: there is no group 'certops-none' on this host"
    sentences = {
        f"ocsp_stapling_certificates__more must be a mapping, such as {_groups.EXAMPLE}": "",
        "web: relaod is not known; did you mean reload?": "",
        "mail: domains must be a list, such as [example.com]": "",
        "mail: options: 'timout' is not an option; did you mean timeout?": "",
        "ocsp_stapling_keep: 0 is not between 1 and 1000": "",
        "e.test: reload: haproxi is not a known service; did you mean haproxy?": "e.test",
        f"a.test: {group}": "a.test",
        f"b.test: {group}": "b.test",
        f"b.test: there is no private key: {tmp_path} contains no b.test.key": "b.test",
        f"a.test: {tmp_path}/a.test.key cannot be decrypted: ": "a.test",
    }
    found = json.loads(re.search(r'"msg": "(\[.*?\])" }', said)[1].replace('\\"', '"'))  # type: ignore[index]
    for sentence, name in sentences.items():
        assert f"- {sentence}" in said, (sentence, said)
        (one,) = [one for one in found if one["message"].startswith(sentence)]
        assert one.get("name", "") == name and one["code"] == "bad_input"
    assert any("ocsp_stapling_timer" in one["message"] for one in found), found
    assert "claims" not in said, "what is for the next inclusion is not printed"
    assert not (tmp_path / "root").exists()


def test_variables_with_groups_add_up_and_others_are_refused(play: Play, tmp_path: Path) -> None:
    mail = {"mail": {"domains": ["mail.test"]}}
    said = play(
        fails=True, certificates={"web": {"domains": ["a.test"]}}, certificates__mail=mail, source=str(tmp_path)
    )
    assert "a.test: there is no private key" in said and "mail.test: there is no private key" in said
    said = play(fails=True, certificate={"web": {"domains": ["a.test"]}})
    assert "ocsp_stapling_certificate is not a variable of the role; did you mean ocsp_stapling_certificates?" in said


def test_who_includes_the_role_owns_what_it_gives(run: Play, tmp_path: Path) -> None:
    """The role that includes it or depends on it, else the play, else the playbook; or whoever is named."""
    include = {"ansible.builtin.include_role": {"name": ROLE}}
    for path, content in {"site/tasks": [include], "store/meta": {"dependencies": [ROLE]}}.items():
        folder = tmp_path / "roles" / path
        folder.mkdir(parents=True)
        (folder / "main.yml").write_text(json.dumps(content))
    shown = [{"name": "Show", "ansible.builtin.debug": {"msg": "owner: {{ __ocsp_stapling_host.part.owner }};"}}]
    said = run(
        {"roles": ["site"], "post_tasks": shown},
        {"roles": ["store"], "post_tasks": shown},
        {"name": "Web servers", "tasks": [include, *shown]},
        {"hosts": "all", "tasks": [{"block": [include]}, *shown]},
        {"tasks": [{**include, "vars": {"ocsp_stapling_owner": "me"}}, *shown]},
        extra=bare_host(tmp_path),
    )
    assert re.findall(r"owner: ([^;]+);", said) == ["site", "store", "Web servers (play.yml)", "play.yml", "me"], said


STATUS = "WARNING - www.a was refused"


#: What was found, what differs, what the status is when it is read again (None where it is not), and what is shown.
STATUSES: t.List[t.Tuple[t.Dict[str, t.Any], t.List[str], t.Optional[str], str]] = [
    ({}, [], None, STATUS),
    ({"recovered": ["www.a"]}, [], "OK - x", ""),
    ({"held_back": ["www.a"]}, [], None, ""),
    ({"held_back": ["other"]}, [], None, STATUS),
    ({"held_back": ["a", "www"]}, [], None, STATUS),
    ({"dropped": ["www.a"]}, [], None, ""),
    ({"dropped": ["www.a"]}, ["timer"], "WARNING - www.a (and 2 more)", "WARNING - www.a (and 2 more)"),
    ({"without_staple": ["www.a"]}, [], None, STATUS),
    ({"without_staple": ["www.a"]}, ["timer"], "CRITICAL - www.a must", "CRITICAL - www.a must"),
    ({"revoked": ["www.a"]}, [], "CRITICAL - www.a is revoked", "CRITICAL - www.a is revoked"),
    ({"revoked": ["known"]}, [], None, STATUS),
    ({"revoked": ["other"], "held_back": ["other"]}, [], None, STATUS),
    ({}, ["timer"], "OK - x", ""),
]


def summary_task(number: int, found: t.Dict[str, t.Any], differing: t.List[str], after: t.Optional[str]) -> t.Any:
    names = ("recovered", "held_back", "dropped", "revoked", "unconfirmed", "without_staple")
    lists: t.Dict[str, t.Any] = {name: [] for name in names}
    deployed = {"changed": False, "msg": "up to date", "good_until": "", **lists, **found}
    host = {"differences": [], "differing": differing, "status": STATUS, "part": {"revoked": ["known"]}}
    values = {
        "__ocsp_stapling_deployed": deployed,
        "__ocsp_stapling_host": host,
        "__ocsp_stapling_shown": {"stdout": f"OCSP {after or 'it is not read'} | certificates=2 good=1"},
    }
    message = f"case {number}: {{{{ __ocsp_stapling_follows }}}} {{{{ __ocsp_stapling_summary }}}}"
    return {"ansible.builtin.debug": {"msg": message}, "vars": values}


def test_the_status_of_before_is_not_shown_of_what_was_repaired_found_out_or_is_told_anyway(run: Play) -> None:
    tasks = [summary_task(number, *case[:3]) for number, case in enumerate(STATUSES)]
    vars_file = str(CHECKOUT / "roles/ocsp_stapling/vars/main.yml")
    said = run({"vars_files": [vars_file], "vars": {}, "tasks": tasks}, check=False)
    for number, (*case, after, shown) in enumerate(STATUSES):
        status = f"; ocsp-stapling status: {shown}" if shown else ""
        assert f'"case {number}: {after is not None} up to date{status}"' in said, case


@pytest.mark.parametrize(("differing", "verb"), [(["settings", "timer"], "started"), (["settings"], "restarted")])
def test_what_becomes_of_the_timer_is_foretold(differing: t.List[str], verb: str, run: Play) -> None:
    host = {"differing": differing, "service_manager": "systemd"}
    values = {"__ocsp_stapling_host": host, "__ocsp_stapling_deployed": {"changed": False}}
    task = {"ansible.builtin.include_tasks": str(CHECKOUT / "roles/ocsp_stapling/tasks/start.yml")}
    said = run({"tasks": [task]}, extra=values)
    assert f"ocsp-stapling.timer would be {verb}" in said and "changed=1" in said


@pytest.mark.parametrize("reloaded", [True, False])
def test_a_server_that_could_not_be_reloaded_is_told(reloaded: bool, run: Play, tmp_path: Path) -> None:
    """By each run, as a failure that keeps the rest of the play from nothing."""
    program = tmp_path / "ocsp-stapling"
    problem = "nginx rejects its configuration; the next run tries again [reload_failed]"
    ends = "exit 0" if reloaded else f"echo '{problem}' >&2; exit 1"
    program.write_text(f"#!/bin/sh\ncase $1 in apply) exit 1;; reload) {ends};; *) exit 9;; esac\n")
    program.chmod(0o755)
    task = {"ansible.builtin.include_tasks": str(CHECKOUT / "roles/ocsp_stapling/tasks/apply.yml")}
    said = run({"tasks": [task, task]}, extra={"__ocsp_stapling_program": str(program)}, check=False)
    told = "could be reloaded: nginx rejects its configuration; the next run tries again; what was removed stays so"
    assert (told in said) is not reloaded
    assert f"rescued={0 if reloaded else 2}" in said


def test_what_has_no_responder_is_told_as_it_is(run: Play) -> None:
    values = {
        "__ocsp_stapling_deployed": {"without_responder": ["www.a"], "held_back": [], "revoked": [], "dropped": []}
    }
    task = {"ansible.builtin.include_tasks": str(CHECKOUT / "roles/ocsp_stapling/tasks/tell.yml")}
    for check in (True, False):
        said = run({"tasks": [task]}, extra=values, check=check)
        assert "Not stapled, as these certificates have no OCSP responder URL: www.a" in said


@pytest.mark.parametrize("owner", ["all", "former", "x" * 101])
def test_what_cannot_be_an_owner_is_refused(play: Play, owner: str) -> None:
    assert "nothing was changed: ocsp_stapling_owner: " in play(fails=True, owner=owner)


def test_what_goes_with_the_program_is_told_as_it_is(run: Play, tmp_path: Path) -> None:
    """By the tasks that remove folders and hand logs over, in folders of the test."""
    logs, root = tmp_path / "log", tmp_path / "etc"
    text = (CHECKOUT / "roles/ocsp_stapling/tasks/uninstall.yml").read_text(encoding="utf-8")
    tasks = yaml.safe_load(text.replace("/var/log/ocsp-stapling", str(logs)))
    removal, handover = (
        next(task for task in tasks if task["name"] == name)
        for name in ("Remove empty folders", "Hand logs over to root")
    )
    user = pwd.getpwuid(os.geteuid()).pw_name
    account = {"ansible_facts": {"getent_passwd": {user: ["x"]}}}
    values = {"__ocsp_stapling_root": str(root), "__ocsp_stapling_user": user, "__ocsp_stapling_account": account}
    values |= {"__ocsp_stapling_state": str(tmp_path), "__ocsp_stapling_folders_of_user": [str(tmp_path), str(logs)]}

    def changed(task: t.Any, check: bool = False) -> bool:
        said = run({"vars": {**values, "ocsp_stapling_log_file": ""}, "tasks": [task]}, check=check)
        return "changed=1 " in said

    assert not changed(handover) and not changed(removal), "there are none"
    (root / "parts").mkdir(parents=True)
    (root / "conf.d").mkdir()
    assert changed(removal, check=True) and (root / "conf.d").exists()
    (root / "conf.d" / "mine.json").touch()
    assert changed(removal) and [path.name for path in root.iterdir()] == ["conf.d"]
    assert not changed(removal), "what holds something stays"
    logs.mkdir()
    assert not changed(handover, check=True)
    if os.geteuid() == 0:
        (logs / "2026.log").touch()
        assert changed(handover)
