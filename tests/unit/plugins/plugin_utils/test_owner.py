# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the same owner gave earlier in a run."""

from __future__ import annotations

import json
import types
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.certops.ocsp.plugins.plugin_utils import _owner, _program


def told(part: t.Mapping[str, t.Any], *keys: str) -> tuple[t.Any, ...]:
    return tuple(part[key] for key in keys)


def test_claims_of_one_run_add_up() -> None:
    here, there = _owner.Place("main.yml: Web"), _owner.Place("main.yml: Shop")
    part, claims = _owner.claim({}, "web", {"a": ["nginx"]}, place=here)
    assert part == {
        "owner": "web",
        "place": "main.yml: Web",
        "turn": 1,
        "is_last": False,
        "is_open": False,
        "is_known": True,
        "claimed": {},
        "kept": [],
        "together": {},
        "came": {},
    }
    part, claims = _owner.claim(claims, "mail", {"m": []}, place=here)
    assert told(part, "owner", "turn", "claimed", "together", "came") == (
        "mail",
        1,
        {},
        {"web": {"a": ["nginx"]}},
        {"web": ["main.yml: Web"]},
    )
    part, claims = _owner.claim(claims, "web", {"b": [], "a": ["exim"]}, place=there)
    assert told(part, "place", "turn", "claimed") == ("main.yml: Shop", 1, {"a": ["nginx"]})
    part, claims = _owner.claim(claims, "web", {"c": []}, place=here)
    assert told(part, "place", "turn", "together") == ("main.yml: Web", 2, {"mail": {"m": []}})
    assert part["claimed"] == {"a": ["nginx", "exim"], "b": []}
    assert part["came"] == {"web": ["main.yml: Web", "main.yml: Shop"], "mail": ["main.yml: Web"]}
    came = _owner.claim(_owner.unknown(claims, "web"), "mail", {})[0]["came"]
    assert came == {"mail": ["main.yml: Web"]}, "it is not known what was given"
    assert {owner: [*one["names"]] for owner, one in claims.items()} == {"web": ["a", "b", "c"], "mail": ["m"]}


def test_settings_of_the_whole_host_are_set_alike_in_one_run() -> None:
    """By all owners, and by one that includes the role twice."""
    claims = _owner.claim({}, "web", {"a": []}, program={"timer": "daily", "workers": 2})[1]
    assert not _owner.contradictions(claims, "mail", {"timer": "daily", "workers": 2})
    said = "ocsp_stapling_{} is for the whole host, but it is {}; set it once, in the inventory"
    assert _owner.contradictions(claims, "mail", {"timer": "daily", "workers": 3}) == {
        "ocsp_stapling_workers": said.format("workers", "3 for 'mail' and 2 for 'web'")
    }
    assert _owner.contradictions(claims, "web", {"timer": "hourly", "workers": 2}) == {
        "ocsp_stapling_timer": said.format("timer", "'hourly' for 'web' and 'daily' for 'web' earlier in this run")
    }
    assert not _owner.contradictions(_owner.unknown(claims, "web"), "mail", {"workers": 3})


@pytest.mark.parametrize(("service", "counts"), [("httpd", True), ("mine", True), ("nginx", False), ("", False)])
def test_the_port_of_apache_counts_where_a_certificate_is_for_apache(service: str, counts: bool) -> None:
    """Who has none for it has the default, which it never thought of."""
    limits = {"responder_wait": 0, "keep": 3, "backup_count": 0, "workers": 2, "per_responder": 8}
    others = dict.fromkeys(("fetch_from", "log_file", "timer", "timer_delay", "os_family"), "")
    options = {**limits, **others, "apache_port": 3000, "services": {"mine": {"kind": "apache"}, "idle": None}}
    web: list[t.Any] = [{"name": "a", "services": ["apache2", "idle"]}]
    claims = _owner.claim({}, "web", {"a": []}, program=_program.host_settings(options, web))[1]
    entries: list[t.Any] = [{"name": "b", "services": [service, "idle"] if service else []}]
    mine = _program.host_settings({**options, "apache_port": 4000}, entries)
    assert mine["workers"] == 2 and bool([*_owner.contradictions(claims, "mail", mine)]) is counts
    again = _owner.claim(claims, "web", {}, program=_program.host_settings(options, []))[1]
    assert bool([*_owner.contradictions(again, "mail", mine)]) is counts


def test_the_task_is_named_that_set_something_else_before() -> None:
    first, second = _owner.Place("main.yml: First"), _owner.Place("main.yml: Second")
    claims = _owner.claim({}, "web", {}, place=first, program={"workers": 2}, services={"nginx": {"unit": "n"}})[1]
    assert _owner.contradictions(claims, "web", {"workers": 3}, second) == {
        "ocsp_stapling_workers": "ocsp_stapling_workers is for the whole host, but it is 3 for 'web' and 2 for 'web' "
        "earlier, in the task 'main.yml: First'; set it once, in the inventory"
    }
    (said,) = _owner.redescribed(claims, "web", {"nginx": {"unit": "m"}}, second)
    assert said.endswith(
        " different settings for 'web' than earlier, in the task 'main.yml: First'; make both the same"
    )


def test_an_owner_describes_a_service_alike_in_one_run() -> None:
    """What it describes in one of its tasks alone is no contradiction."""
    claims = _owner.claim({}, "web", {"a": []}, services={"nginx": {"unit": "n"}})[1]
    claims = _owner.claim(claims, "web", {"b": []}, services={"edge": {"kind": "haproxy"}})[1]
    assert not [*_owner.redescribed(claims, "web", {"nginx": {"unit": "n"}, "exim": None})]
    assert [*_owner.redescribed(claims, "web", {"nginx": {"unit": "m"}, "edge": {"kind": "haproxy"}})] == [
        "ocsp_stapling_services: nginx has different settings for 'web' than earlier in this run; make both the same"
    ]
    assert not [*_owner.redescribed(claims, "mail", {"nginx": {"unit": "m"}})]


def test_what_could_not_be_obtained_stays_the_owners() -> None:
    part, claims = _owner.claim({}, "web", {"a": []}, ["b"])
    assert told(part, "claimed", "kept") == ({}, ["b"]) and claims["web"]["names"] == {"a": [], "b": None}


def test_the_last_turn_of_each_loop_is_known() -> None:
    """Two times the same task, as of a playbook that is imported twice, are two loops."""
    first, second = (_owner.Place("site.yml (loop)", uuid, 2) for uuid in ("x", "y"))
    claims: dict[str, t.Any] = {}
    seen = []
    for place in (first, first, _owner.Place("site.yml"), second, second):
        part, claims = _owner.claim(claims, "web", {"a": []}, place=place)
        seen.append(told(part, "place", "turn", "is_last"))
    assert seen == [
        ("site.yml (loop)", 1, False),
        ("site.yml (loop)", 2, True),
        ("site.yml", 1, False),
        ("site.yml (loop) 2", 1, False),
        ("site.yml (loop) 2", 2, True),
    ]


class Parent:
    """What is around a task."""

    def __init__(
        self, parent: t.Any = None, loop: t.Any = None, role: str = "", kind: str = "", name: str = "", inside: str = ""
    ) -> None:
        self._parent, self._role_name, self.loop_with, self._uuid = parent, role, kind, "x"
        self.given, self.loop, self.name = loop, None if loop is None else [loop], name
        self._role = types.SimpleNamespace(get_name=lambda: inside, _role_path=f"/r/{inside}") if inside else None

    def get_path(self) -> str:
        return f"{self._role._role_path}/tasks/web.yml:2" if self._role else "/plays/tasks/web.yml:2"

    def get_ds(self) -> dict[str, t.Any]:
        return {"loop": self.given, "name": self.name}


@pytest.mark.parametrize(
    ("around", "items"),
    [
        (Parent(Parent(loop="{{ names }}", role="ocsp_stapling")), 2),
        (Parent(Parent(Parent(), loop="{{ names }}", role="ocsp_stapling")), 2),
        (Parent(role="ocsp_stapling"), None),
        (None, None),
        (Parent(loop="{{ names }}", role="ocsp_stapling", kind="items"), None),
        (Parent(loop="{{ unknown }}", role="ocsp_stapling"), None),
        (Parent(loop="{{ text }}", role="ocsp_stapling"), None),
        (Parent(Parent(loop="{{ names }}", role="web"), role="ocsp_stapling"), None),
        (Parent(Parent(loop="{{ names }}"), loop="{{ names }}", role="ocsp_stapling"), None),
    ],
    ids=["a loop", "in a block", "no loop", "static", "with_items", "unknown", "no list", "of the caller", "nested"],
)
def test_it_is_known_how_often_a_loop_includes_the_role(around: Parent | None, items: int | None) -> None:
    values = {"{{ names }}": ["a", "b"], "{{ text }}": "ab"}

    def template(text: str) -> t.Any:
        if text not in values:
            raise AnsibleError("undefined")
        return values[text]

    assert place(around, template).items == (items or 0)


def place(around: t.Any, template: t.Callable[[str], t.Any] = lambda text: ["a"]) -> _owner.Place:
    play = types.SimpleNamespace(get_name=lambda: "webservers", get_path=lambda: "/plays/site.yml:1")
    top = around
    while isinstance(getattr(top, "_parent", None), Parent):
        top = top._parent
    if top is not None:
        top._parent = types.SimpleNamespace(_play=play, _parent=None)
        return _owner.place_of(types.SimpleNamespace(_parent=around), template)
    return _owner.place_of(types.SimpleNamespace(_parent=None, _play=play), template)


OURS = {"role": "certops.ocsp.ocsp_stapling"}


@pytest.mark.parametrize(
    ("around", "text"),
    [
        (None, "webservers"),
        (Parent(), "webservers"),
        (Parent(**OURS, name="Deploy"), "webservers: tasks/web.yml: Deploy"),
        (Parent(**OURS), "webservers: tasks/web.yml"),
        (Parent(Parent(role="web"), **OURS, name="Deploy", inside="web"), "tasks/web.yml: Deploy"),
        (
            Parent(Parent(), **OURS, loop=["a"], name="Deploy {{ item }}"),
            "webservers: tasks/web.yml: Deploy {{ item }} (loop)",
        ),
        (Parent(**OURS, name="Ours", inside="certops.ocsp.acme_certificates"), "webservers"),
        (
            Parent(Parent(role="acme_certificates", name="Obtain"), **OURS, name="Ours", inside="acme_certificates"),
            "webservers: tasks/web.yml: Obtain",
        ),
    ],
    ids=["role of a play", "block", "task", "no name", "task of a role", "loop", "role of a play by ours", "by ours"],
)
def test_a_place_is_called_by_what_stays_when_lines_are_added(around: Parent | None, text: str) -> None:
    assert place(around).text == text


@pytest.mark.parametrize(
    ("chain", "owner"),
    [
        ([], "site.yml"),
        (["certops.ocsp.acme_certificates"], "site.yml"),
        (["acme_certificates"], "site.yml"),
        (["web"], "web"),
        (["certops.ocsp.acme_certificates", "web"], "web"),
    ],
)
def test_the_role_that_obtains_certificates_is_no_owner(chain: list[str], owner: str) -> None:
    def role(name: str) -> t.Any:
        return types.SimpleNamespace(get_name=lambda: name)

    play = types.SimpleNamespace(name="", get_path=lambda: "/x/site.yml:1", get_ds=dict)
    task = types.SimpleNamespace(_role=role("certops.ocsp.ocsp_stapling"), _parent=None, _play=play)
    task.get_dep_chain = lambda: [role(name) for name in chain]
    assert _owner.owner_of(task, "") == owner


def test_after_a_failure_it_is_not_known_what_was_given() -> None:
    claims = _owner.unknown(_owner.claim({}, "web", {"a": []})[1], "web")
    part, claims = _owner.claim(claims, "web", {"b": []})
    assert told(part, "is_known", "claimed") == (False, {"a": []})
    assert not _owner.claim(claims, "web", {"c": []})[0]["is_known"]
    assert not _owner.claim(_owner.unknown({}, "web"), "web", {"b": []})[0]["is_known"]
    assert _owner.claim(claims, "mail", {"m": []})[0]["is_known"]


@pytest.mark.parametrize(
    ("plays", "told"),
    [
        ([{"name": "New play", "hosts": "all"}], ["Own play (site.yml)"]),
        ([{"name": "New play", "hosts": "all"}, {"name": "Own play", "hosts": "all"}], []),
        ([{"name": "Play of {{ team }}", "hosts": "all"}], []),
        (None, []),
    ],
    ids=["renamed", "there", "a template", "no file"],
)
def test_a_play_that_its_playbook_no_longer_has_is_told(
    tmp_path: Path, plays: list[dict[str, t.Any]] | None, told: list[str]
) -> None:
    path = tmp_path / "site.yml"
    if plays is not None:
        path.write_text(json.dumps(plays))
    task = types.SimpleNamespace(_parent=None, _play=types.SimpleNamespace(get_path=lambda: f"{path}:2"))
    owners = ["Own play (site.yml)", "Own play (other.yml)", "web", "site.yml"]
    said = list(_owner.former_plays(task, DataLoader(), owners))
    assert [one.partition(" still has certificates")[0] for one in said] == [f"'{one}'" for one in told]
    assert all(one.endswith(f"ocsp_stapling_state: absent and ocsp_stapling_owner: '{told[0]}'") for one in said)
