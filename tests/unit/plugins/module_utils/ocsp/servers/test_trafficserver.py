# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Traffic Server includes and how it is told of a new staple."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import snippets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Entry, Server, Setup
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import Result, configured


def entry(name: str, *names: str, stapled: bool = True) -> Entry:
    return Entry(name, f"/r/sets/{name}/1", f"/r/live/{name}", names, ("trafficserver",), stapled)


def lines(*entries: Entry) -> t.List[str]:
    return snippets.shared(entries, Setup("/r", 488))["trafficserver.config"].decode().splitlines()[1:]


def test_the_first_certificate_is_for_clients_that_name_none() -> None:
    first, second = lines(entry("a"), entry("b", stapled=False))
    assert first == (
        "dest_ip=* ssl_cert_name=/r/sets/a/1/fullchain.pem ssl_key_name=/r/sets/a/1/privkey.pem "
        "ssl_ocsp_name=/r/sets/a/1/ocsp.der"
    )
    assert second == "ssl_cert_name=/r/sets/b/1/fullchain.pem ssl_key_name=/r/sets/b/1/privkey.pem"


def test_two_certificates_for_one_name_are_one_line_without_staples() -> None:
    (line,) = lines(entry("rsa", "example.com"), entry("ecdsa", "example.com"))
    assert line == (
        "dest_ip=* ssl_cert_name=/r/sets/rsa/1/fullchain.pem,/r/sets/ecdsa/1/fullchain.pem "
        "ssl_key_name=/r/sets/rsa/1/privkey.pem,/r/sets/ecdsa/1/privkey.pem"
    )


@pytest.mark.parametrize("running", [True, False])
def test_its_list_looks_new_before_it_is_reloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: bool
) -> None:
    """It reads staples only when the list of its certificates is newer than before."""
    path = tmp_path / "ssl_multicert.config"
    path.touch()
    os.utime(path, (1000, 1000))
    seen = []

    def run(command: t.Sequence[str], input: t.Optional[str] = None, timeout: float = 60.0) -> t.Tuple[int, str, str]:  # noqa: A002
        seen.append((command[1], os.stat(path).st_mtime > 1000))
        return 0, "active\n" if running else "inactive\n", ""

    kind = control.SERVERS["trafficserver"]
    touched = (str(path), str(tmp_path / "missing"))
    monkeypatch.setattr(
        control, "SERVERS", {**control.SERVERS, "trafficserver": kind._replace(touched=touched, tests=())}
    )
    monkeypatch.setattr(control, "has_systemd", lambda: True)
    assert control.reload(configured("trafficserver"), run) == Result(running, running)
    assert seen[0] == ("is-active", False)
    assert seen[1:2] == ([("try-reload-or-restart", True)] if running else [])
    assert (os.stat(path).st_mtime > 1000) is running


def test_the_lists_are_debians_and_the_one_below_the_root_of_the_sets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = Path(snippets.path(str(tmp_path), "trafficserver.config"))
    path.parent.mkdir()
    path.touch()
    os.utime(path, (1000, 1000))
    touched, ours = control.SERVERS["trafficserver"].touched
    assert touched == "/etc/trafficserver/ssl_multicert.config"
    monkeypatch.setattr(
        control,
        "SERVERS",
        {**control.SERVERS, "trafficserver": Server("Server", units=("trafficserver",), touched=(ours,))},
    )
    monkeypatch.setattr(control, "has_systemd", lambda: True)
    host = control.Services({}, lambda command, **_options: (0, "active\n", ""), str(tmp_path))
    assert host.reload("trafficserver") == Result(True, True)
    assert os.stat(path).st_mtime > 1000


def test_a_list_that_is_refused_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "ssl_multicert.config"
    path.touch()
    os.utime(path, (1000, 1000))
    kind = control.SERVERS["trafficserver"]._replace(touched=(str(path),), tests=())
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "trafficserver": kind})
    monkeypatch.setattr(control, "has_systemd", lambda: True)

    def run(command: t.Sequence[str], input: t.Optional[str] = None, timeout: float = 60.0) -> t.Tuple[int, str, str]:  # noqa: A002
        return (0, "active", "") if "is-active" in command else (70, "", "Fatal: failed to load")

    result = control.reload(configured("trafficserver", test=("traffic_server", "-C", "verify_config")), run)
    assert not result.reloaded and "Fatal: failed to load" in result.problem
    assert os.stat(path).st_mtime == 1000
