# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several owners on one host: what adds up, what contradicts, and what drops out."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.parts import Certificate, Part, Turn

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
            "mail", (Certificate(SECOND, ("exim",), False, {"timeout": 3.0}, {"key": "x"}, "tasks/main.yml", 2, True),)
        ),
        Part("Web servers / \u00fc", (Certificate(FIRST),), {"retries": 1}, {"nginx": {"unit": "nginx2"}}),
    ]
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
        parts.files, "replace_file", lambda *given: (modes.append(path.stat().st_mode & 0o777), really(*given))
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


def test_what_an_owner_no_longer_gives_drops_out() -> None:
    first = parts.merge(part("web", FIRST, SECOND).certificates, None, Turn(), [])
    assert names_of(first) == [FIRST, SECOND]
    second = parts.merge(part("web", SECOND).certificates, Part("web", first), Turn(), [])
    assert names_of(second) == [SECOND] and names_of(second, dropped=True) == [FIRST]
    again = parts.merge(part("web", SECOND).certificates, Part("web", second), Turn(), [])
    assert again == second, "until it is removed"
    back = parts.merge(part("web", FIRST, SECOND).certificates, Part("web", second), Turn(), [])
    assert names_of(back) == [FIRST, SECOND]


def loop(recorded: t.Optional[Part], *turns: str) -> Part:
    """What a loop of inclusions of one owner leaves, each with one certificate."""
    for number, name in enumerate(turns, 1):
        merged = parts.merge(part("web", name).certificates, recorded, Turn("task", number), turns[: number - 1])
        recorded = Part("web", merged)
    assert recorded is not None
    return recorded


def test_inclusions_in_a_loop_add_up_and_change_nothing_twice() -> None:
    first = loop(None, FIRST, SECOND)
    assert names_of(first.certificates) == [FIRST, SECOND]
    recorded: t.Optional[Part] = first
    for number, name in enumerate((FIRST, SECOND), 1):
        merged = parts.merge(part("web", name).certificates, recorded, Turn("task", number), [FIRST][: number - 1])
        assert merged == first.certificates, "no inclusion of the loop sees anything to do"


@pytest.mark.parametrize(
    ("turn", "gone"),
    [
        (Turn("a", 1), [FIRST]),
        (Turn("a", 2), [FIRST, SECOND]),
        (Turn("a", 1, is_last=True), [FIRST, SECOND]),
        (Turn("b", 1), []),
        (Turn("b", 2, is_last=True), []),
        (Turn("a", 1, is_partial=True), []),
        (Turn("a", 1, is_last=True, is_partial=True), [FIRST, SECOND]),
        (Turn("a", 2, is_last=True, is_known=False), []),
    ],
    ids=["first", "second", "last", "other", "other loop", "some tags", "loop with some tags", "after a failure"],
)
def test_a_task_drops_nothing_but_what_it_gave_by_this_turn(turn: Turn, gone: t.List[str]) -> None:
    """Another one may be skipped in this run, or be still to come."""
    before = [replace(one, place="a", turn=n) for n, one in enumerate(part("web", FIRST, SECOND).certificates, 1)]
    merged = parts.merge(part("web", "c.example.com").certificates, Part("web", tuple(before)), turn, [])
    assert names_of(merged, dropped=True) == gone
    assert {*names_of(merged)} == {"c.example.com", FIRST, SECOND} - {*gone}


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
        ("bx", "abx", "ax", "abx"),
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
    before = [replace(one, place="task" if one.name.isupper() else "other") for one in part("web", *known).certificates]
    claimed = [*earlier]
    merged = parts.merge(part("web", *given).certificates, Part("web", tuple(before)), Turn("task"), claimed)
    assert "".join(names_of(merged)) == expected


def test_what_an_earlier_task_of_the_run_gave_is_not_dropped() -> None:
    """In check mode nothing is recorded, so that it is still marked as in a run before, which failed."""
    before = tuple(
        replace(one, place="a", dropped=one.name == SECOND) for one in part("web", FIRST, SECOND).certificates
    )
    merged = parts.merge(part("web", FIRST).certificates, Part("web", before), Turn("b"), [SECOND])
    assert names_of(merged, dropped=True) == []


def test_a_task_with_one_turn_drops_with_tags_as_well() -> None:
    before = [replace(one, place="a") for one in part("web", FIRST, SECOND).certificates]
    merged = parts.merge(part("web", SECOND).certificates, Part("web", tuple(before)), Turn("a", is_partial=True), [])
    assert names_of(merged, dropped=True) == [FIRST]


def test_what_is_first_in_a_loop_can_drop_out() -> None:
    left = loop(loop(None, FIRST, SECOND), SECOND)
    assert names_of(left.certificates) == [SECOND] and names_of(left.certificates, dropped=True) == [FIRST]


def test_nothing_drops_out_where_it_is_not_known_what_failed() -> None:
    recorded = Part("web", parts.merge(part("web", FIRST, SECOND).certificates, None, Turn(), []))
    merged = parts.merge(part("web", SECOND).certificates, recorded, Turn(is_known=False), [])
    assert names_of(merged) == [FIRST, SECOND]


# Several owners

DIFFERENT: t.Dict[str, t.Tuple[t.Dict[str, t.Any], str]] = {
    "key": ({"agreed": {"key": "0:8 0440", "certificate": "aa"}}, "key_owner, key_group or key_mode"),
    "certificate": ({"agreed": {"key": "0:0 0400", "certificate": "bb"}}, "certificate"),
    "staple": ({"staple": False}, "staple"),
    "option": ({"options": {"timeout": 3.0}}, "option timeout"),
}


def faults(mine: Part, recorded: t.Optional[Part], *others: Part, together: t.Sequence[str] = ()) -> t.List[str]:
    compared = parts.compare(mine, recorded, others, {other.owner: together for other in others if together})
    assert not (compared.faults and compared.outdated)
    return [fault.message for fault in compared.faults]


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_new_owner_has_to_agree(what: str) -> None:
    given, called = DIFFERENT[what]
    mine, other = part("mail", FIRST, **given), part("web", FIRST, SECOND)
    (problem,) = faults(mine, None, other)
    assert problem == (
        f"{FIRST}: 'mail' gives a different {called} than 'web'; make both the same, or let only one of them set it; "
        "if 'mail' is a new name of 'web', set ocsp_stapling_owner: 'web'"
    )
    assert parts.compare(mine, None, [other], {}).faults[0].name == FIRST
    assert faults(part("mail", FIRST, services=("exim",)), None, other) == []


def saved(mine: Part, recorded: t.Optional[Part], *others: Part) -> Part:
    return parts.dated(mine, recorded, [*others, *([recorded] if recorded else [])])


@pytest.mark.parametrize("what", DIFFERENT)
def test_one_owner_changes_and_the_other_follows(what: str) -> None:
    """A renewal, for example, in whatever order they run, and however often each of them runs before the other."""
    given = DIFFERENT[what][0]
    web = saved(part("web", FIRST), None)
    mail = saved(part("mail", FIRST), None, web)
    changed = saved(part("mail", FIRST, **given), mail, web)
    assert faults(part("mail", FIRST, **given), mail, web) == []
    assert parts.compare(changed, changed, [web], {}) == ([], {}, []), "the other one has not run yet"
    followed = saved(part("web", FIRST, **given), web, changed)
    assert parts.compare(followed, web, [changed], {"mail": [FIRST]}) == ([], {}, [])
    assert parts.compare(changed, changed, [followed], {"web": [FIRST]}) == ([], {}, [])


@pytest.mark.parametrize("what", DIFFERENT)
def test_who_does_not_follow_leaves_it_and_is_told(what: str) -> None:
    """Neither takes back what the other one changed, nor keeps the play from reaching it."""
    given, called = DIFFERENT[what]
    web = saved(part("web", FIRST), None)
    changed = saved(part("mail", FIRST, **given), saved(part("mail", FIRST), None, web), web)
    compared = parts.compare(part("web", FIRST), web, [changed], {})
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
        found = parts.compare(mine, recorded, others, dict.fromkeys(together, ()))
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
    assert parts.changed_settings(mine, changed) == ["ocsp_stapling_timer"]
    assert parts.changed_settings(part("mail"), mine) == [], "it was not known"
    ports = [replace(mine, program={"apache_port": port}, deployment={"apache_port": port}) for port in (1, 2)]
    assert parts.changed_settings(*ports) == ["ocsp_stapling_apache_port"]


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
