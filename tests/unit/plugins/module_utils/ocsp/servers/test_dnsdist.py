# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dnsdist includes and how it is told of a new staple; the Lua is read by dnsdist itself where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import snippets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Entry, Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import Result, configured

Run = t.Callable[[str], t.List[str]]


@pytest.fixture
def lua() -> Run:
    """Have dnsdist read a configuration, and return what that prints."""
    program = shutil.which("dnsdist", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("there is no dnsdist here, which would read the Lua")

    def run(path: str) -> t.List[str]:
        done = subprocess.run(
            [program, "--check-config", "-C", path], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("/")]

    return run


def entry(root: Path, name: str, *names: str, stapled: bool = True) -> Entry:
    return Entry(name, f"{root}/sets/{name}/1", f"{root}/live/{name}", names, ("dnsdist",), stapled)


def put(one: Entry, seconds: t.Optional[int]) -> None:
    """Put a staple in place that ends in so many seconds, or one of which nobody says when it ends."""
    os.makedirs(one.live, exist_ok=True)
    Path(one.live, "ocsp.der").write_bytes(b"staple")
    if seconds is not None:
        Path(one.live, "ocsp.der.expires").write_text(f"{int(time.time()) + seconds}\n")


def piece(root: Path, *entries: Entry) -> str:
    return snippets.shared(entries, Setup(str(root), 488))["dnsdist.lua"].decode()


def test_certificates_by_each_of_their_names(tmp_path: Path) -> None:
    rsa = entry(tmp_path, "rsa", "dns.example.com", "dns.example.org")
    ecdsa = entry(tmp_path, "ecdsa", "dns.example.com", "dns.example.org")
    text = piece(tmp_path, rsa, ecdsa, entry(tmp_path, "other.example.com", stapled=False))
    assert text.startswith("-- Written by certops.ocsp, which will overwrite changes.\n")
    assert f'certificates = {{"{rsa.live}/fullchain.pem", "{ecdsa.live}/fullchain.pem"}}' in text
    assert f'keys = {{"{rsa.live}/privkey.pem", "{ecdsa.live}/privkey.pem"}}' in text
    assert f'staples = fresh({{"{rsa.live}/ocsp.der", "{ecdsa.live}/ocsp.der"}})' in text
    for name in ("dns.example.com", "dns.example.org", "ecdsa"):
        assert f'certificates["{name}"] = certificates["rsa"]' in text
    assert 'certificates["other.example.com"] = {' in text and "staples = fresh({})" in text


def test_a_name_of_a_set_counts_more_than_what_others_are_for(tmp_path: Path) -> None:
    first = entry(tmp_path, "first", "shared.example.com", "second")
    second = entry(tmp_path, "second", "shared.example.com", "B\u00fccher.example.com")
    text = piece(tmp_path, first, second)
    aliases = [line for line in text.splitlines() if "] = certificates[" in line]
    assert aliases == [
        'certificates["shared.example.com"] = certificates["first"]',
        'certificates["B\\195\\188cher.example.com"] = certificates["second"]',
        'certificates["xn--bcher-kva.example.com"] = certificates["second"]',
    ]


@pytest.mark.parametrize(
    ("first", "second", "given"),
    [
        (60, 60, ["rsa", "ecdsa"]),
        (60, -1, ["rsa"]),
        (-1, 60, []),
        (0, 0, []),
        ("no note", 60, []),
        ("missing", 60, []),
        (60, "missing", ["rsa"]),
    ],
)
def test_dnsdist_is_given_staples_that_are_there_and_have_not_ended(
    lua: Run, tmp_path: Path, first: t.Union[int, str], second: t.Union[int, str], given: t.List[str]
) -> None:
    entries = [entry(tmp_path, name, "dns.example.com") for name in ("rsa", "ecdsa")]
    for one, state in zip(entries, (first, second)):
        if state != "missing":
            put(one, state if isinstance(state, int) else None)
    (tmp_path / "dnsdist.lua").write_text(piece(tmp_path, *entries))
    (tmp_path / "dnsdist.conf").write_text(
        f'local found = dofile("{tmp_path}/dnsdist.lua")["dns.example.com"]\n'
        "assert(#found.certificates == 2 and #found.keys == 2)\n"
        "assert(found.staples == nil or #found.staples > 0)\n"
        "for _, path in ipairs(found.staples or {}) do print(path) end\n"
    )
    assert lua(str(tmp_path / "dnsdist.conf")) == [f"{tmp_path}/live/{name}/ocsp.der" for name in given]


def test_a_folder_with_any_name_is_still_lua(lua: Run, tmp_path: Path) -> None:
    one = entry(tmp_path / 'a"b\\c\nd\u00fc1', "dns.example.com")
    put(one, 60)
    text = piece(tmp_path, one).replace("return certificates\n", "")
    (tmp_path / "dnsdist.conf").write_text(
        f'{text}print((certificates["dns.example.com"].staples[1]:gsub("\\n", "|")))\n'
    )
    assert lua(str(tmp_path / "dnsdist.conf")) == [f"{one.live}/ocsp.der".replace("\n", "|")]


def test_it_is_restarted_where_systemd_runs_it_and_never_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: t.Sequence[str], input: t.Optional[str] = None, timeout: float = 60.0) -> t.Tuple[int, str, str]:  # noqa: A002
        commands.append(" ".join(command))
        return 0, "active\n" if "is-active" in command else "", ""

    monkeypatch.setattr(control, "has_systemd", lambda: True)
    assert control.reload(configured("dnsdist"), run) == Result(True, True)
    assert "systemctl try-restart dnsdist.service" in commands


def test_its_script_of_system_v_restarts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(control, "_MOMENT", 0.0)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/etc/init.d/dnsdist")
    commands = []

    def run(command: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        commands.append(" ".join(command))
        return 0, "", ""

    assert control.reload(configured("dnsdist", test=("true",)), run) == Result(True, True)
    assert commands[:3] == ["service dnsdist status", "true", "service dnsdist restart"]


def test_elsewhere_a_command_is_wanted_that_restarts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell whether it runs, which is no reason to leave it with what it has read."""
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    commands = []

    def run(command: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        commands.append(" ".join(command))
        return 0, "", ""

    described = configured("dnsdist", test=("true",))
    result = control.reload(described, run)
    assert result == Result(False, None, "no reload command is known for dnsdist; set 'reload' for it")
    assert control.reload(described._replace(reload=("sv", "restart", "dnsdist")), run) == Result(True, None)
    assert commands[-1] == "sv restart dnsdist"
