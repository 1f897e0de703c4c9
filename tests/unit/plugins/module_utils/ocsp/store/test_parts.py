# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several owners on one host: what adds up, what contradicts, and what drops out."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import comparison, parts, sets, shares
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.parts import Certificate, Part, Share
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.shares import Turn

FIRST, SECOND = "a.example.com", "b.example.com"


def part(owner: str, *names: str, **given: t.Any) -> Part:
    defaults = {"services": ("nginx",), "agreed": {"key": "0:0 0400", "certificate": "aa"}}
    return Part(owner, tuple(Certificate(name, **{**defaults, **given}) for name in names))


def names_of(certificates: t.Iterable[Certificate], dropped: bool = False) -> t.List[str]:
    return [one.name for one in certificates if one.dropped is dropped]


@pytest.fixture
def layout(tmp_path: Path) -> sets.Layout:
    return sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


def test_what_is_saved_is_loaded(layout: sets.Layout) -> None:
    assert parts.load(layout) == []
    saved = [
        Part(
            "mail",
            (Certificate(SECOND, ("exim",), False, {"timeout": 3.0}, {"key": "x"}, True),),
            shares=(Share("tasks/main.yml", 2, {FIRST: ("exim",)}, {"timeout": 3.0}, {}, {"keep": 2}, (SECOND,)),),
        ),
        Part("Web servers / \u00fc", (Certificate(FIRST),), {"retries": 1}, {"nginx": {"unit": "nginx2"}}),
    ]
    saved[1] = replace(saved[1], shares=(Share("", 1, {FIRST: ()}),))
    for one in saved:
        assert not parts.is_saved(layout, one)
        parts.save(layout, one)
        assert parts.is_saved(layout, one)
    assert parts.load(layout) == sorted(saved, key=lambda one: one.owner)
    for name in os.listdir(os.path.join(layout.root, "parts")):
        assert os.stat(os.path.join(layout.root, "parts", name)).st_mode & 0o777 == 0o644
    for one in saved:
        parts.save(layout, replace(one, certificates=()))
    assert parts.load(layout) == [] and os.listdir(os.path.join(layout.root, "parts")) == []


def test_a_folder_that_cannot_be_made_is_said(layout: sets.Layout) -> None:
    os.makedirs(layout.root)
    Path(layout.root, "parts").write_text("in the way")
    with pytest.raises(FileError, match=f"^cannot write {layout.root}/parts/web.json: File exists$"):
        parts.save(layout, part("web", FIRST))


def test_a_password_is_never_readable_by_all(layout: sets.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a new file nor in one that was without a password."""
    secret = {"http_proxy": "http://staple:hunter2@proxy:3128"}
    path = Path(parts.path(layout, "web"))
    modes = []
    really = parts.files.replace_file
    monkeypatch.setattr(
        parts.files,
        "replace_file",
        lambda *given, **how: (modes.append(path.stat().st_mode & 0o777), really(*given, **how)),
    )
    for without in (False, True):
        if without:
            parts.save(layout, part("web", FIRST))
            assert path.stat().st_mode & 0o777 == 0o644
            modes.clear()
        parts.save(layout, replace(part("web", FIRST), defaults=secret))
        assert "hunter2" in path.read_text() and path.stat().st_mode & 0o777 == 0o640 and modes == [0o640]


def test_a_password_that_is_taken_away_is_never_readable_by_all(
    layout: sets.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there is closed until it is gone."""
    path = Path(parts.path(layout, "web"))
    parts.save(layout, replace(part("web", FIRST), defaults={"http_proxy": "http://staple:hunter2@proxy:3128"}))
    really = parts.os.chmod

    def watched(place: str, mode: int) -> None:
        assert mode == 0o640 or "hunter2" not in Path(place).read_text()
        really(place, mode)

    monkeypatch.setattr(parts.os, "chmod", watched)
    parts.save(layout, part("web", FIRST))
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2, "owner": "web", "certificates": []}', '{"version": 1}']
)
def test_a_damaged_file_is_named(layout: sets.Layout, content: str) -> None:
    path = Path(parts.path(layout, "web"))
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(
        InputError, match=f"^{path} is damaged; remove it, and run the role or play that owns it again$"
    ):
        parts.load(layout)


@pytest.mark.parametrize("owner", ["", "  ", "x" * 101, "a\nb", "http://user:s3cret@host/"])
def test_what_is_no_name_is_refused(owner: str) -> None:
    with pytest.raises(InputError, match=r"^ocsp_stapling_owner: "):
        parts.check_owner(owner)


def test_owners_do_not_share_a_file() -> None:
    owners = ["web", "web/1", "web-1", "web 1", "../web", ".web", "WEB", "\u00fc", "\u00e4"]
    assert len({parts.file_name(owner) for owner in owners}) == len(owners)
    for owner in owners:
        assert "/" not in parts.file_name(owner) and not parts.file_name(owner).startswith(".")


# What an owner gives

Task = t.Tuple[Turn, Part]


def task(place: str, *names: str, number: int = 1, **given: t.Any) -> Task:
    """One inclusion: which it is, and what it gives."""
    how = {key: given.pop(key) for key in ("is_last", "is_open", "is_known") if key in given}
    settings = {key: given.pop(key) for key in ("defaults", "deployment") if key in given}
    services = given.pop("of_services", {})
    return Turn(place, number, **how), replace(part("web", *names, **given), services=services, **settings)


def loop(*turns: str, failed: bool = False, **given: t.Any) -> t.List[Task]:
    """A loop of which it is known how many turns it has, each with some certificates; or its beginning."""
    last = len(turns) + failed
    return [
        task("loop", *turns[number - 1], number=number, is_last=number == last, is_open=number < last, **given)
        for number in range(1, len(turns) + 1)
    ]


def run(recorded: t.Optional[Part], *tasks: Task) -> Part:
    """The part of an owner after one run of Ansible."""
    for number, (turn, mine) in enumerate(tasks):
        recorded = shares.merge(mine, recorded, turn, claimed_by(tasks[:number]))
    assert recorded is not None
    return recorded


def claimed_by(tasks: t.Sequence[Task]) -> t.Dict[str, t.List[str]]:
    """What the controller tells of tasks that came before in a run."""
    found: t.Dict[str, t.List[str]] = {}
    for one in (one for _turn, mine in tasks for one in mine.certificates):
        found.setdefault(one.name, []).extend(one.services)
    return found


def gone(part_: Part) -> t.List[str]:
    return names_of(part_.certificates, dropped=True)


def given_by(part_: Part) -> t.List[str]:
    return names_of(part_.certificates)


def test_what_an_owner_no_longer_gives_drops_out() -> None:
    first = run(None, task("web", FIRST, SECOND))
    assert given_by(first) == [FIRST, SECOND]
    second = run(first, task("web", SECOND))
    assert given_by(second) == [SECOND] and gone(second) == [FIRST]
    assert run(second, task("web", SECOND)) == second, "until it is removed"
    assert given_by(run(second, task("web", FIRST, SECOND))) == [FIRST, SECOND]
    removed = parts.settled(second, [FIRST])
    assert given_by(removed) == [SECOND] and gone(removed) == [] and removed.shares[0].former == ()


def test_all_that_several_tasks_give_adds_up_and_changes_nothing_twice() -> None:
    """Also where two of them give the same certificate, with services and settings of their own."""
    tasks = [
        task(
            "web", "a", "x", of_services={"nginx": {"unit": "n"}}, deployment={"keep": 2, "endpoints": [{"port": 443}]}
        ),
        task("api", "b", "x", services=("haproxy",), deployment={"endpoints": [{"port": 443}, {"port": 8443}]}),
        *loop("c", "cd"),
    ]
    first = run(None, *tasks)
    assert given_by(first) == ["a", "x", "b", "c", "d"], "the first task that gives one decides on its place"
    found = {one.name: one.services for one in first.certificates}
    assert found["x"] == ("nginx", "haproxy") and found["a"] == ("nginx",) and found["b"] == ("haproxy",)
    assert first.services == {"nginx": {"unit": "n"}}
    assert first.deployment == {"keep": 2, "endpoints": [{"port": 443}, {"port": 8443}]}
    part_ = first
    for number, (turn, mine) in enumerate(tasks):
        part_ = shares.merge(mine, part_, turn, claimed_by(tasks[:number]))
        assert part_ == first, "no inclusion sees anything to do"


def test_a_task_gives_up_its_services_alone() -> None:
    both = run(None, task("web", "x"), task("api", "x", services=("haproxy",)))
    one = run(both, task("web", "x"), task("api", services=("haproxy",)))
    assert given_by(one) == ["x"] and one.certificates[0].services == ("nginx",)


def test_tasks_that_look_alike_keep_the_services_of_one_that_is_skipped() -> None:
    """They have no names; the one that comes in a run may be any of them."""
    edge = {"edge": {"kind": "haproxy"}}
    first = task("web", "x", services=("edge",), of_services=edge)
    both = run(None, first, task("web", "x", number=2))
    assert both.certificates[0].services == ("edge", "nginx")
    skipped = run(both, task("web", "x"))
    assert skipped.certificates[0].services == ("edge", "nginx") and skipped.services == edge
    again = run(skipped, first, task("web", "x", number=2))
    assert again == both, "each has its own ones again"
    given_up = run(skipped, task("web", "x"), task("web", "x", number=2))
    assert given_up.certificates[0].services == ("nginx",) and given_up.services == {}
    unknown = shares.merge(task("web", "x", number=2)[1], both, Turn("web", 2), {"x": None})
    assert unknown == both, "a task that leaves x as it is"


def test_options_of_a_task_are_for_its_certificates() -> None:
    tasks = [
        task("web", "a", defaults={"timeout": 3.0, "retries": 1}),
        task("api", "b", defaults={"retries": 1, "timeout": 4.0}, options={"retries": 7}),
    ]
    first = run(None, *tasks)
    assert first.defaults == {"retries": 1} and run(first, *tasks) == first
    assert [one.options for one in first.certificates] == [{"timeout": 3.0}, {"timeout": 4.0, "retries": 7}]
    assert comparison.changed_settings(run(None, tasks[0]), first) == ["ocsp_stapling_options: timeout"], "not of a"


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([task("one", "a"), task("two", "c")], ["b", "d"]),
        ([task("two", "c", "d")], []),
        ([task("two", "c")], ["d"]),
        ([task("two", "c", is_known=False)], []),
        ([task("other")], []),
        ([task("one", "a"), task("two", "b", "c", "d")], []),
        ([task("two", "b", "c", "d"), task("one", "a")], []),
    ],
    ids=["both", "skipped", "skipped and less", "after a failure", "other", "moved down", "moved up"],
)
def test_a_task_drops_nothing_but_what_it_gave(tasks: t.List[Task], expected: t.List[str]) -> None:
    """Another one may be skipped in this run, or be still to come."""
    before = run(None, task("one", "a", "b"), task("two", "c", "d"))
    assert gone(run(before, *tasks)) == expected


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (loop("b"), ["a"]),
        (loop("a"), ["b"]),
        (loop("b", "a"), []),
        (loop("c", "a", "b"), []),
        (loop("c", failed=True), []),
        (loop("c", "a"), ["b"]),
        ([task("other", "x")], []),
        (loop("a", is_known=False), []),
    ],
    ids=["first", "last", "order", "inserted", "failed", "both", "skipped", "after a failure"],
)
def test_a_loop_drops_at_its_end_what_no_turn_gave(tasks: t.List[Task], expected: t.List[str]) -> None:
    before = run(None, *loop("a", "b"))
    after = run(before, *tasks)
    assert gone(after) == expected
    if not expected:
        assert gone(run(after, task("other", "x"))) == [], "nor does another task think so"
    if tasks[0][0].is_known:
        others = {one.name for one in after.certificates if one.name not in ("a", "x")}
        assert {*gone(run(after, *loop("a")))} == others


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["a"], []), (["b"], []), (["a", "c"], ["b"]), (["c", "b"], ["a"]), (["b", "a"], []), (["c", "a", "b"], [])],
    ids=["second skipped", "first skipped", "second", "first", "order", "one more"],
)
def test_tasks_that_look_alike_drop_when_as_many_came_as_before(given: t.List[str], expected: t.List[str]) -> None:
    """Roles of a play that are listed twice, tasks without a name, and loops of which the end is not known."""
    before = run(None, task("one", "a"), task("one", "b", number=2))
    assert gone(run(before, *(task("one", name, number=number) for number, name in enumerate(given, 1)))) == expected


def test_what_is_dropped_is_settled_by_the_tasks_that_gave_it() -> None:
    """A run that failed may have dropped what a later task was about to give."""
    first = run(None, task("one", "a", "x"), task("two", "b", "x"))
    dropped = run(first, task("one", "a"), task("two", "b"))
    assert gone(dropped) == ["x"]
    # The first task gave it up while the second one was still giving it.
    assert parts.given_up(dropped) == parts.given_up(dropped, ["two"]) == {"x"}
    assert parts.given_up(dropped, ["one"]) == parts.given_up(dropped, []) == set()
    assert gone(parts.settled(dropped, ["x"], ["one"])) == ["x"]
    assert gone(parts.settled(dropped, ["x"], ["two"])) == []


def test_what_is_of_no_known_task_is_of_the_first_that_gives_it() -> None:
    """As in parts that an earlier release wrote."""
    old = parts.parse({**json.loads(parts.dump(part("web", "a", "b"))), "shares": [], "version": 1})
    old = parts.parse({key: one for key, one in json.loads(parts.dump(old)).items() if key != "shares"})
    assert gone(run(old, task("one", "a"))) == [], "it may be of another one"
    assert gone(run(run(old, task("one", "a", "b")), task("one", "a"))) == ["b"]


@pytest.mark.parametrize(
    ("given", "known", "earlier", "expected"),  # capital letters are of the same task
    [
        ("ab", "", "", "ab"),
        ("ab", "ab", "", "ab"),
        ("ba", "ab", "", "ba"),
        ("", "ab", "a", "ab"),
        ("b", "ab", "", "ab"),
        ("c", "ab", "a", "abc"),
        ("bx", "axb", "a", "abx"),
        ("ax", "abx", "", "abx"),
        ("bx", "abx", "ax", "axb"),
        ("a", "ab", "ab", "ab"),
        ("ad", "abc", "", "adbc"),
        ("bd", "abc", "", "abdc"),
        ("a", "ab", "b", "ba"),
        ("b", "abc", "c", "acb"),
        ("x", "Ab", "", "xb"),
        ("x", "aBc", "a", "axc"),
        ("xB", "aBc", "a", "axBc"),
    ],
)
def test_each_inclusion_keeps_the_order_of_others(given: str, known: str, earlier: str, expected: str) -> None:
    """The first certificate can be the default one of a server, whichever tasks a run leaves out."""
    before = replace(
        part("web", *known),
        shares=tuple(Share("task" if name.isupper() else "other", 1, {name: ()}) for name in known),
    )
    turn, mine = task("task", *given)
    assert "".join(given_by(shares.merge(mine, before, turn, [*earlier]))) == expected


def test_check_mode_sees_at_the_end_of_a_loop_what_it_lost() -> None:
    """Nothing is recorded there of the turns before."""
    before = run(None, *loop("a", "b"))
    tasks = loop("b", "c")
    turn, mine = tasks[-1]
    assert gone(shares.merge(mine, before, turn, claimed_by(tasks[:1]))) == gone(run(before, *tasks)) == ["a"]


def test_what_an_earlier_task_of_the_run_gave_is_not_dropped() -> None:
    """In check mode nothing is recorded, so that it is still marked as in a run before, which failed."""
    before = run(run(None, task("a", FIRST, SECOND)), task("a", FIRST))
    assert gone(before) == [SECOND]
    turn, mine = task("b", FIRST)
    assert gone(shares.merge(mine, before, turn, {SECOND: []})) == []


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ({"agreed": {"key": "0:8 0440", "certificate": "aa"}}, "a different key_owner, key_group or key_mode"),
        ({"staple": False}, "a different staple"),
        ({"options": {"timeout": 3.0}}, "a different option timeout"),
        ({"agreed": {"key": "0:0 0400", "certificate": "bb"}}, ""),
    ],
)
def test_an_owner_agrees_with_itself_in_one_run(given: t.Dict[str, t.Any], called: str) -> None:
    """Except for the files, of which a first task may deploy some that the second one replaces."""
    recorded, mine = run(None, task("one", FIRST)), part("web", FIRST, **given)
    said = [fault.message for fault in comparison.contradicted(mine, recorded, Turn("one", 2), [FIRST])]
    assert said == [
        f"{FIRST}: 'web' gives {one} than it has given before in this run; make both the same"
        for one in [called]
        if one
    ]
    assert not [*comparison.contradicted(mine, recorded, Turn("one", 2), [])], "it has changed since"


# Several owners

DIFFERENT: t.Dict[str, t.Tuple[t.Dict[str, t.Any], str]] = {
    "key": ({"agreed": {"key": "0:8 0440", "certificate": "aa"}}, "key_owner, key_group or key_mode"),
    "certificate": ({"agreed": {"key": "0:0 0400", "certificate": "bb"}}, "certificate"),
    "staple": ({"staple": False}, "staple"),
    "option": ({"options": {"timeout": 3.0}}, "option timeout"),
}


def faults(mine: Part, recorded: t.Optional[Part], *others: Part, together: t.Sequence[str] = ()) -> t.List[str]:
    compared = comparison.compare(mine, recorded, others, {other.owner: together for other in others if together})
    assert not (compared.faults and compared.outdated)
    return [fault.message for fault in compared.faults]


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_new_owner_has_to_agree(what: str) -> None:
    given, called = DIFFERENT[what]
    mine, other = part("mail", FIRST, **given), part("web", FIRST, SECOND)
    (problem,) = faults(mine, None, other)
    renewed = "if its files were renewed since 'web' ran, run that first; " if what == "certificate" else ""
    assert problem == (
        f"{FIRST}: 'mail' gives a different {called} than 'web'; make both the same, or let only one of them set it; "
        f"{renewed}if 'mail' is a new name of 'web', set ocsp_stapling_owner: 'web'"
    )
    assert comparison.compare(mine, None, [other], {}).faults[0].name == FIRST
    assert faults(part("mail", FIRST, services=("exim",)), None, other) == []


def saved(mine: Part, recorded: t.Optional[Part], *others: Part) -> Part:
    return shares.dated(mine, recorded, [*others, *([recorded] if recorded else [])])


@pytest.mark.parametrize("what", DIFFERENT)
def test_one_owner_changes_and_the_other_follows(what: str) -> None:
    """A renewal, for example, in whatever order they run, and however often each of them runs before the other."""
    given = DIFFERENT[what][0]
    web = saved(part("web", FIRST), None)
    mail = saved(part("mail", FIRST), None, web)
    changed = saved(part("mail", FIRST, **given), mail, web)
    assert faults(part("mail", FIRST, **given), mail, web) == []
    assert comparison.compare(changed, changed, [web], {}) == ([], {}, []), "the other one has not run yet"
    followed = saved(part("web", FIRST, **given), web, changed)
    assert comparison.compare(followed, web, [changed], {"mail": [FIRST]}) == ([], {}, [])
    assert comparison.compare(changed, changed, [followed], {"web": [FIRST]}) == ([], {}, [])


@pytest.mark.parametrize("what", DIFFERENT)
def test_who_does_not_follow_leaves_it_and_is_told(what: str) -> None:
    """Neither takes back what the other one changed, nor keeps the play from reaching it."""
    given, called = DIFFERENT[what]
    web = saved(part("web", FIRST), None)
    changed = saved(part("mail", FIRST, **given), saved(part("mail", FIRST), None, web), web)
    compared = comparison.compare(part("web", FIRST), web, [changed], {})
    assert compared.faults == [] and compared.outdated == {
        FIRST: f"{FIRST}: 'web' still gives a different {called} than 'mail', which has changed it since; it stays as "
        "'mail' gave it"
    }


@pytest.mark.parametrize("what", DIFFERENT)
def test_owners_that_run_together_have_to_agree(what: str) -> None:
    given, called = DIFFERENT[what]
    web = saved(part("web", FIRST), None)
    mail = saved(part("mail", FIRST), None, web)
    (problem,) = faults(part("mail", FIRST, **given), mail, web, together=[FIRST])
    assert f"'mail' gives a different {called} than 'web'; " in problem
    assert faults(part("mail", FIRST, **given), mail, web, together=[SECOND]) == []


def test_a_default_is_as_good_as_an_option() -> None:
    mine = replace(part("mail", FIRST), defaults={"timeout": 3.0})
    assert faults(mine, None, part("web", FIRST, options={"timeout": 3.0})) == []
    assert len(faults(mine, None, part("web", FIRST))) == 1


def test_services_have_to_be_alike() -> None:
    settings: t.Dict[str, t.Any] = {"nginx": {"unit": "nginx2"}}
    mine, other = replace(part("mail"), services=settings), replace(part("web"), services={"nginx": {"unit": "x"}})
    (problem,) = faults(mine, None, other)
    assert problem.startswith("the service nginx: 'mail' gives different settings than 'web'")
    assert faults(mine, replace(mine, services={}), other), "it is new with this owner"
    assert faults(mine, mine, other, together=[FIRST]), "the other one gave it in the same run"
    assert faults(mine, replace(mine, services={"nginx": {}}), other) == [], "the other one may follow"
    assert faults(mine, None, replace(other, services=settings)) == []


def test_owners_with_other_settings_of_the_whole_host_are_named() -> None:
    mine, web, shop, old = (
        replace(part(owner), program={"timer": timer, "workers": 4})
        for owner, timer in (("mail", "daily"), ("web", "x"), ("shop", "x"), ("old", "y"))
    )

    def warnings(*others: Part, recorded: t.Optional[Part] = None, together: t.Sequence[str] = ()) -> t.List[str]:
        found = comparison.compare(mine, recorded, others, dict.fromkeys(together, ()))
        assert (found.faults, found.outdated) == ([], {})
        return found.warnings

    said = (
        "ocsp_stapling_timer is for the whole host, but it is 'daily' for 'mail'{} in {}; set it once, in the "
        "inventory, and run them again; until then, each of them changes it when it runs"
    )
    changed = replace(mine, program={"timer": "hourly"})
    for recorded in (None, mine, changed):
        assert warnings(web, recorded=recorded) == [said.format(" and 'x' for 'web'", "its last run")]
        assert warnings(web, old) == [said.format(", 'x' for 'web' and 'y' for 'old'", "their last runs")]
        assert warnings(web, shop) == [said.format(", and 'x' for 'web' and 'shop'", "their last runs")]
        three = ", 'x' for 'web' and 'shop', and 'y' for 'old'"
        assert warnings(web, old, shop) == [said.format(three, "their last runs")]
    for unknown in (replace(web, program={}), replace(web, program={"timer": "daily"})):
        assert warnings(unknown) == warnings(unknown, recorded=mine) == []
    assert warnings(web, old, together=["web", "old"]) == [], "their last runs may be those of before"
    assert comparison.changed_settings(mine, changed) == ["ocsp_stapling_timer"]
    assert comparison.changed_settings(part("mail"), mine) == [], "it was not known"
    ports = [replace(mine, program={"apache_port": port}, deployment={"apache_port": port}) for port in (1, 2)]
    assert comparison.changed_settings(*ports) == ["ocsp_stapling_apache_port"]


def test_what_dropped_out_contradicts_nobody() -> None:
    given = DIFFERENT["key"][0]
    assert faults(part("mail", FIRST, dropped=True, **given), None, part("web", FIRST)) == []
    assert faults(part("mail", FIRST, **given), None, part("web", FIRST, dropped=True)) == []


def test_the_services_of_all_owners_count() -> None:
    both = [part("web", FIRST), part("mail", FIRST, services=("exim", "nginx"))]
    assert parts.services_of(both, FIRST) == ["nginx", "exim"] and parts.services_of(both, SECOND) == []


def ordered(*found: Part) -> t.List[str]:
    places = parts.positions(found)
    return sorted(places, key=lambda name: (places[name], name))


def test_who_came_first_comes_first() -> None:
    late, early = replace(part("a", "a1", "a2", "both"), came=2), replace(part("z", "z1", "both", "z3"), came=1)
    assert ordered(late, early) == ["z1", "both", "z3", "a1", "a2"]


def test_the_order_of_parts_that_do_not_say_when_they_came_stays() -> None:
    assert ordered(part("b", "y", "z"), part("a", "x", "y")) == ["x", "y", "z"]
    assert ordered(replace(part("c", "a1"), came=1), part("b", "y"), part("a", "x", "z")) == ["x", "y", "z", "a1"]


def test_what_dropped_out_comes_last() -> None:
    early = replace(part("z", "z1", "z2", dropped=True), came=1)
    assert ordered(early, replace(part("a", "a1", "z2"), came=2)) == ["a1", "z2", "z1"]


def test_when_an_owner_came_is_kept(layout: sets.Layout) -> None:
    for came in (0, 3):
        parts.save(layout, replace(part("web", FIRST), came=came))
        assert [one.came for one in parts.load(layout)] == [came]
    assert '"came"' not in parts.dump(part("web", FIRST)), "a file from before stays as it is"


def test_what_was_configured_before_there_were_parts_is_nobodys(layout: sets.Layout) -> None:
    os.makedirs(layout.root)
    config = Path(layout.root) / "config.json"
    assert parts.former(layout, []).certificates == ()
    config.write_text(
        '{"version": 1, "defaults": {"retries": 1}, "workers": 3, "certificates": '
        f'[{{"name": "{FIRST}", "services": ["nginx"], "timeout": 3}}, {{"name": "{SECOND}", "services": []}}]}}'
    )
    found = parts.former(layout, [part("web", SECOND)])
    assert found == Part(parts.FORMER, (Certificate(FIRST, ("nginx",), options={"timeout": 3}),), {"retries": 1})
    for damaged in ("{", "[]", '{"certificates": 1}'):
        config.write_text(damaged)
        assert parts.former(layout, []).certificates == ()
