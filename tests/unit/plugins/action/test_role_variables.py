# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each variable of the roles that is of a wrong kind is named, with what it should be, and never quoted.

The variables are those of the argument specs, so that a new one is tested as well. All plays are of one playbook: to
start Ansible takes longer than a play of these.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.tests.unit.ansible_program import link_checkout, run_playbook

CHECKOUT = Path(__file__).resolve().parents[4]
ROLES = ("ocsp_stapling", "acme_certificates")
SECRET = "s3cret"
WRONG: t.Dict[str, t.Any] = {
    "a list": [{"key": SECRET}],
    "a list of lists": [[SECRET]],
    "a mapping": {"key": SECRET},
    "a text": f"{SECRET} words",
    "nothing": None,
    "a fraction": 1.5,
    "a truth": True,
}
CERTIFICATES = "ocsp_stapling_certificates"
MISSPELT = {"web": {"domains": ["a.example.com"], "relaod": ["nginx"]}}
#: The kinds of variables for which each of these is one that is meant.
FITS = {
    "a list": ("list of dict",),
    "a list of lists": (),
    "a mapping": ("dict",),
    "a text": ("str", "path", "list of str"),
    "nothing": ("str", "path"),
    "a fraction": ("str", "path", "list of str", "float"),
    "a truth": ("str", "path", "bool", "list of str"),
}


def options(role: str) -> t.Dict[str, t.Any]:
    """The variables of a role."""
    spec = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    return dict(spec["argument_specs"]["main"]["options"])


def kind(option: t.Mapping[str, t.Any]) -> str:
    """What a variable takes: where Ansible is not asked to check it, its default says so."""
    if option["type"] != "raw":
        return str(option["type"])
    found = type(option["default"]).__name__
    return f"list of {'dict' if 'options' in option else 'str'}" if found == "list" else found


def wrong_names(role: str, what: str) -> t.List[str]:
    """The variables of a role that cannot be of this kind."""
    return sorted(name for name, option in options(role).items() if kind(option) not in FITS[what])


def wrong_variables(role: str, what: str) -> t.Dict[str, t.Any]:
    """All of them of this kind, what else the role needs, and something else that is wrong."""
    required = {name: "https://ca.example.com" for name, option in options(role).items() if option.get("required")}
    return {**required, CERTIFICATES: MISSPELT, **dict.fromkeys(wrong_names(role, what), WRONG[what])}


SENTENCES = {
    "ocsp_stapling_workers": ([8], "must be a whole number from 1 to 1000"),
    "ocsp_stapling_state": ("gone", "must be one of present, absent"),
    "ocsp_stapling_verify": ("perhaps", "must be true or false"),
    "ocsp_stapling_scan": ("/tls", "must be a list of mappings"),
    "ocsp_stapling_certificates__web": (
        ["www.example.com"],
        "must be a mapping, such as {web: {domains: [example.com], reload: [nginx]}}",
    ),
    "ocsp_stapling_owner": (["me"], "must be a text"),
}
INSIDE = {
    "ocsp_stapling_endpoints": [
        {"service": "nginx", "port": [SECRET]},
        {"service": "exim", "hosts": SECRET, "port": 25},
        {"port": 443},
    ],
    "ocsp_stapling_scan": [
        {"folder": "/", "recursive": SECRET, "reload": {"a": SECRET}},
        {"recursive": True},
        {"folder": ["/tls"]},
    ],
}
MISSPELT_OF_ACME = {
    "acme_certificates_directory": "no url",
    "acme_certificates_root": ["root.pem"],
    "acme_certificates_dns_state": "present",
    "ocsp_stapling_timr": "daily",
    CERTIFICATES: MISSPELT,
}
ABSENT = {
    "ocsp_stapling_state": "absent",
    "ocsp_stapling_owner": [SECRET],
    "ocsp_stapling_force": SECRET,
    "ocsp_stapling_apache_port": {"a": SECRET},
}
#: By a name for each play: the role, and what it is given.
PLAYS: t.Dict[str, t.Tuple[str, t.Mapping[str, t.Any]]] = {
    **{f"{role}, {what}": (role, wrong_variables(role, what)) for role in ROLES for what in WRONG},
    **{name: ("ocsp_stapling", {name: value}) for name, (value, _sentence) in SENTENCES.items()},
    "inside": ("ocsp_stapling", INSIDE),
    "absent": ("ocsp_stapling", ABSENT),
    "misspelt": ("acme_certificates", MISSPELT_OF_ACME),
    "misspelt and wrong": ("acme_certificates", {**MISSPELT_OF_ACME, "acme_certificates_weekly_limit": SECRET}),
}


def play(name: str, role: str, variables: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """A play that keeps the message itself; Ansible shows the play where it is about a variable."""
    task = {"ansible.builtin.include_role": {"name": f"certops.ocsp.{role}"}}
    kept = "{{ messages | default({}) | combine({name: ansible_failed_result.msg}) }}"
    rescue = {"ansible.builtin.set_fact": {"messages": kept}, "vars": {"name": name}}
    block = {"block": [task], "rescue": [rescue]}
    return {"hosts": "localhost", "gather_facts": False, "vars": dict(variables), "tasks": [block]}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory, packed: Path) -> t.Dict[str, t.List[str]]:
    """The lines of the message of each play; all of them are refused."""
    folder = tmp_path_factory.mktemp("refused")
    written = {"dest": str(folder / "messages"), "content": "{{ messages | to_json }}"}
    last = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.copy": written, "check_mode": False}],
    }
    collections = link_checkout(folder / "collections")
    # That it is there is all that is asked of the collection that would talk to a CA.
    (collections / "ansible_collections" / "community" / "crypto").mkdir(parents=True)
    path = folder / "play.yml"
    path.write_text(json.dumps([*(play(name, *given) for name, given in PLAYS.items()), last]))
    done = run_playbook(path, collections, "--check", packed=packed)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "messages").read_text())
    assert not [name for name, message in found.items() if SECRET in message]
    return {name: message.splitlines() for name, message in found.items()}


@pytest.mark.parametrize("role", ROLES)
def test_ansible_refuses_no_variable_by_its_type(role: str) -> None:
    """It would quote the value, in its own words, and say nothing of the others."""
    for name, option in options(role).items():
        assert option["type"] in ("str", "path", "raw"), name
        assert "choices" not in option and "elements" not in option, name


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_kind_is_named_without_what_it_is(role: str, what: str, messages: t.Dict[str, t.List[str]]) -> None:
    said = messages[f"{role}, {what}"]
    assert said[0] == "nothing was changed:"
    wrong = wrong_names(role, what)
    for name in wrong:
        own = [line for line in said if line.startswith(f"- {name} ")]
        assert len(own) == 1 and own[0].startswith(f"- {name} must be "), (name, said)
    if CERTIFICATES not in wrong:
        assert any("relaod is not known; did you mean reload?" in line for line in said), said


@pytest.mark.parametrize("name", SENTENCES)
def test_one_wrong_kind_is_one_sentence(name: str, messages: t.Dict[str, t.List[str]]) -> None:
    assert messages[name] == [f"nothing was changed: {name} {SENTENCES[name][1]}"]


def test_what_is_wrong_inside_is_named_with_its_place(messages: t.Dict[str, t.List[str]]) -> None:
    for line in (
        "- ocsp_stapling_endpoints: nginx: port must be a whole number",
        "- ocsp_stapling_endpoints: exim: 'hosts' is not an option; did you mean host?",
        "- ocsp_stapling_endpoints: missing required arguments: service",
        "- ocsp_stapling_scan, /: recursive must be true or false",
        "- ocsp_stapling_scan, /: reload must be a list of texts",
        "- ocsp_stapling_scan, entry 2: missing required arguments: folder",
        "- ocsp_stapling_scan, entry 3: folder must be a path",
    ):
        assert line in messages["inside"], messages["inside"]


def test_what_is_to_be_removed_is_said_in_the_same_words(messages: t.Dict[str, t.List[str]]) -> None:
    assert messages["absent"] == [
        "nothing was changed:",
        "- ocsp_stapling_owner must be a text",
        "- ocsp_stapling_apache_port must be a whole number from 1 to 65535",
        "- ocsp_stapling_force must be true or false",
    ]


@pytest.mark.parametrize("name", ["misspelt", "misspelt and wrong"])
def test_a_variable_of_acme_that_is_misspelt_is_refused_with_all_else(
    name: str, messages: t.Dict[str, t.List[str]]
) -> None:
    said = messages[name]
    assert "- acme_certificates_root is not a variable of the role; did you mean acme_certificates_roots?" in said, said
    timer = "- ocsp_stapling_timr is not a variable of the role; did you mean ocsp_stapling_timer?"
    assert timer in said, "it deploys, which is not to fail after the orders"
    assert any("relaod is not known; did you mean reload?" in line for line in said), said
    assert not any("dns_state" in line for line in said)
