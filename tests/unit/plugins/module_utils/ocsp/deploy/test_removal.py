# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking sets away: what still uses them is found first."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import removal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.installation import Installation
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import sets
from ansible_collections.certops.ocsp.tests.unit.fleet import Fleet
from ansible_collections.certops.ocsp.tests.unit.plugins.module_utils.ocsp.store.test_sets import NAME, make


@pytest.fixture
def layout(tmp_path: Path) -> sets.Layout:
    return sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))


def test_a_line_of_a_configuration_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "nginx/sites-enabled"
    folder.mkdir(parents=True)
    used = "/etc/ocsp-stapling/live/example.com"
    (folder / "tls").write_text(f"server {{\n  # include {used}/nginx.conf;\n  include {used}/nginx.conf;\n}}\n")
    (folder / "other").write_bytes(b"\xff\0 nothing of the kind")
    os.mkfifo(folder / "pipe")
    (tmp_path / "nginx/ssh_config").write_text("include /etc/ocsp-stapling/live/example.org/nginx.conf;\n")
    assert removal.references(used, str(tmp_path)) == [f"{folder}/tls:3"]
    assert removal.references(f"{used}/", str(tmp_path)) == [f"{folder}/tls:3"]
    assert removal.readers(used, str(tmp_path)) == {"nginx"}


def test_a_file_that_is_linked_as_well_is_named_once(tmp_path: Path) -> None:
    for folder in ("nginx/sites-available", "nginx/sites-enabled", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    for place in ("nginx/sites-available/default", "elsewhere/shop"):
        (tmp_path / place).write_text("include /r/live/example.com/nginx.conf;\n")
    enabled = tmp_path / "nginx/sites-enabled"
    (enabled / "default").symlink_to("../sites-available/default")
    (enabled / "shop").symlink_to(tmp_path / "elsewhere/shop")
    (enabled / "dangling").symlink_to("../sites-available/gone")
    found = removal.references("/r", str(tmp_path))
    assert sorted(found) == [f"{tmp_path}/nginx/sites-available/default:1", f"{enabled}/shop:1"]


def test_dnsdist_and_traffic_server_are_searched(tmp_path: Path) -> None:
    lines = {
        "dnsdist/dnsdist.conf": 'local site = dofile("/r/snippets/dnsdist.lua")["example.com"]\n',
        "trafficserver/records.config": "CONFIG proxy.config.ssl.server.multicert.filename STRING /r/snippets/x\n",
    }
    for name, line in lines.items():
        (tmp_path / name).parent.mkdir()
        comment = "--" if name.startswith("dnsdist") else "#"
        (tmp_path / name).write_text(f"{comment} {line}{line}")
    assert removal.references("/r", str(tmp_path)) == [f"{tmp_path}/{name}:2" for name in lines]


@pytest.mark.parametrize(
    ("kinds", "told"), [(["nginx"], True), (["haproxy"], False), ([], False), (["haproxy", ""], True)]
)
def test_a_server_that_uses_a_certificate_and_is_not_told_is_named(
    kinds: t.List[str], told: bool, layout: sets.Layout, tmp_path: Path
) -> None:
    """Only a service of a kind that is unknown may be that server."""
    place = tmp_path / "nginx/nginx.conf"
    place.parent.mkdir()
    folder = layout.live("a.example.com")
    place.write_text(f"# {folder}/x\nssl_certificate {folder}/fullchain.pem;\ninclude {folder}.au/nginx.conf;\n")
    found = [*removal.untold(layout, {"a.example.com": kinds}, str(tmp_path))]
    sentence = (
        f"a.example.com: nginx uses it ({place}:2), but is not listed in reload, so it does not load new certificates "
        "and staples; add it there, or remove this line"
    )
    assert found == ([] if told else [sentence])


def test_a_piece_that_is_made_only_for_servers_that_are_told_is_named(layout: sets.Layout, tmp_path: Path) -> None:
    """nginx does not start without it."""
    sets.swap(layout, NAME, make(layout, 1))
    place = tmp_path / "nginx/nginx.conf"
    place.parent.mkdir()
    place.write_text(f"include {layout.live(NAME)}/nginx.conf;\n")
    sentence = (
        f"{NAME}: nginx uses it ({place}:1), but is not listed in reload, so it does not load new certificates and "
        f"staples and {layout.live(NAME)}/nginx.conf is not made; add it there, or remove this line"
    )
    assert [*removal.untold(layout, {NAME: []}, str(tmp_path))] == [sentence]


def test_all_is_removed_but_what_is_the_users(layout: sets.Layout) -> None:
    identifier = make(layout, 1)
    sets.swap(layout, NAME, identifier)
    Path(layout.root, "config.json").write_text("{}")
    Path(layout.root, "snippets").mkdir()
    Path(layout.root, "snippets/exim.conf").write_text("ours")
    Path(layout.root, "snippets/mine.conf").write_text("the user's")
    assert removal.present(layout, [NAME, "other.example.com"]) == [NAME]
    with Installation(layout, Fleet(), 0.0) as one:
        removal.remove_all(one, [NAME])
    assert sorted(os.listdir(layout.root)) == ["config.json", "snippets"]
    assert os.listdir(Path(layout.root, "snippets")) == ["mine.conf"]


def test_one_name_leaves_the_others(layout: sets.Layout) -> None:
    sets.swap(layout, NAME, make(layout, 1))
    with Installation(layout, Fleet(), 0.0) as one:
        assert removal.take_away(one, ["other.example.com"], [], [], Setup(layout.root, 488), force=False) == ""
    assert sets.current_id(layout, NAME) is not None


def test_a_name_that_goes_on_is_another_one(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    live = "/etc/ocsp-stapling/live"
    names = ("example.com.au", "example.com-ec", "example.community", "www.example.com")
    (folder / "tls").write_text("".join(f"include {live}/{name}/nginx.conf;\n" for name in names))
    assert removal.references(f"{live}/example.com", str(tmp_path)) == []
    (folder / "tls").write_text(f'ssl_certificate "{live}/example.com";\n# {live}/example.com\n')
    assert removal.references(f"{live}/example.com", str(tmp_path)) == [f"{folder}/tls:1"]


def test_a_configuration_that_needs_the_folder_is_found_by_its_own_test() -> None:
    """Where the tests pass with the folder and fail without it, in a namespace where it is empty."""
    commands: t.List[t.Sequence[str]] = []

    def run(argv: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        commands.append(argv)
        hidden = argv[0] == "unshare"
        return (1, "", "no such file") if hidden and argv[-1] != "true" else (0, "", "")

    problems = removal.broken_without("/etc/ocsp-stapling", run)
    assert all("no such file" in problem for problem in problems)
    assert commands[0][-2:] == ("/etc/ocsp-stapling", "true")

    def cannot(_argv: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        return 1, "", "not permitted"

    assert removal.broken_without("/etc/ocsp-stapling", cannot) == []


def test_all_is_not_removed_while_a_configuration_needs_it(
    layout: sets.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that no search finds, as it lies elsewhere."""
    sets.swap(layout, NAME, make(layout, 1))
    broken = ["nginx does not accept its configuration: no such file"]
    monkeypatch.setattr(removal, "broken_without", lambda folder, run: broken if folder == layout.root else [])

    def run(*_arguments: t.Any, **_options: t.Any) -> t.Tuple[int, str, str]:
        return 0, "", ""

    found = removal.uses(layout, [], run)
    assert found.obstacle.startswith(f"what is in {layout.root} is still used: {broken[0]}; take it out of ")
    (warning,) = found.warnings
    assert warning == (
        f"force removes files that are still needed: what is in {layout.root} is still used: {broken[0]}; the server "
        "may fail to reload or start until you take it out of that configuration"
    )
    of_one = removal.uses(layout, [NAME], run)
    assert (of_one.obstacle, of_one.warnings) == ("", [])
    with Installation(layout, Fleet(), 0.0) as one:
        removal.remove_all(one, [NAME])
    assert removal.uses(layout, [], run) == removal.Uses(), "what is not there is not needed"
