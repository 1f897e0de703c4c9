# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that reports what servers staple: a table, JSON, and a page that loads nothing."""

from __future__ import annotations

import contextlib
import html.parser
import json
import os
import shlex
import socket
import typing as t
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT, Result, pki_tool, run_program
from daemons import Site, running
from test_playbooks import COLLECTION

PLAYBOOK = COLLECTION / "playbooks" / "report.yml"
HOSTILE = "x<b>y&z.example.com"


class Page(html.parser.HTMLParser):
    """The text of a page, its elements, and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it, and see whether it would load anything."""
        self.elements.append(tag)
        if tag not in ("meta", "path", "wbr"):
            self.open.append(tag)
        self.references += [name for name, _value in attrs if name in ("href", "src", "srcset", "data", "action")]

    def handle_endtag(self, tag: str) -> None:
        """Each element is closed in its turn."""
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect the text."""
        self.text += data


@pytest.fixture
def report(
    run_playbook: t.Callable[..., Result], pki: pki_tool.Pki, tmp_path: Path
) -> t.Iterator[t.Callable[..., tuple[Result, dict[str, t.Any], Page]]]:
    """Run the playbook for endpoints and return what it said and wrote."""

    def run(endpoints: list[dict[str, t.Any]], **variables: t.Any) -> tuple[Result, dict[str, t.Any], Page]:
        variables = {"ocsp_report_endpoints": endpoints, "ocsp_report_folder": tmp_path, **variables}
        done = run_playbook(PLAYBOOK, **variables)
        page = (tmp_path / "ocsp-report.html").read_text()
        return done, json.loads((tmp_path / "ocsp-report.json").read_text()), Page(page)

    yield run


def test_report(
    report: t.Callable[..., tuple[Result, dict[str, t.Any], Page]], pki: pki_tool.Pki, folder: Path
) -> None:
    if not pki.leaf(HOSTILE).key.exists():
        pki.issue(HOSTILE, key="ec", days=5)
    good = pki.response("rsa.example.com", folder / "good.der").read_bytes()
    with contextlib.ExitStack() as stack:
        endpoints: list[dict[str, t.Any]] = []
        for leaf, staple in (("rsa.example.com", good), ("must-staple.example.com", None), (HOSTILE, None)):
            server = stack.enter_context(running("nginx", [Site(pki.leaf(leaf), staple)]))
            endpoints.append({"host": "127.0.0.1", "port": server.port, "server_name": "www.example.com"})
        endpoints += [{"host": "127.0.0.1", "port": pki_tool.free_port()}, {"host": "not a name"}]
        done, data, page = report(endpoints)
        failing, _data, _page = report(endpoints[:2], ocsp_report_fail=True)
    assert done.rc == 0, done.output
    assert failing.rc != 0 and "1 of 2 certificates or endpoints have errors" in failing.output

    assert data["counts"] == {"error": 3, "warning": 1, "good": 1}
    assert [row["severity"] for row in data["rows"]] == ["error", "error", "error", "warning", None]
    by_port = {row["port"]: row for row in data["rows"]}
    assert (
        by_port[endpoints[0]["port"]] | {"staple": "good", "codes": [], "key_type": "rsa"}
        == by_port[endpoints[0]["port"]]
    )
    must = by_port[endpoints[1]["port"]]
    assert (must["codes"], must["must_staple"], must["staple"]) == (["missing_staple"], True, "none")
    soon = by_port[endpoints[2]["port"]]
    assert (soon["codes"], soon["days_left"]) == (["missing_staple", "certificate_ends_soon"], 4)
    assert by_port[endpoints[3]["port"]]["codes"] == ["unreachable"]
    assert by_port[443]["codes"] == ["bad_input"] and "not a name" in by_port[443]["reading"]

    assert page.open == [] and page.references == [] and "script" not in page.elements and "b" not in page.elements
    for row in data["rows"]:
        if row["severity"]:
            assert row["reading"][1:] in page.text
            assert row["reading"] in done.output.replace('\\"', '"')
    assert HOSTILE in page.text
    assert "3 in error, 1 with a warning, 1 good" in done.output


def test_report_of_nothing(report: t.Callable[..., tuple[Result, dict[str, t.Any], Page]]) -> None:
    done, data, page = report([])
    assert done.rc == 0, done.output
    assert data["rows"] == [] and "There was nothing to check." in page.text


GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "look_at_servers.rst"
DOCUMENTED = [line.strip() for line in GUIDE.read_text().splitlines() if "certops.ocsp.report -e" in line]


def run_command(command: str, folder: Path, **variables: str) -> Result:
    """A command as the guide has it, where nothing says how to reach this machine or which Python to use."""
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PWD": str(folder), **variables}
    done = run_program(*shlex.split(command), cwd=folder, env=environment)
    return Result(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize(
    "command", [*DOCUMENTED, "ansible-playbook -i localhost, certops.ocsp.report -e @endpoints.yml"]
)
def test_the_documented_command_looks_from_here(command: str, pki: pki_tool.Pki, tmp_path: Path) -> None:
    good = pki.response("rsa.example.com", tmp_path / "good.der").read_bytes()
    with running("nginx", [Site(pki.leaf("rsa.example.com"), good)]) as server:
        endpoints = [{"host": "127.0.0.1", "port": server.port, "server_name": "rsa.example.com"}]
        (tmp_path / "endpoints.yml").write_text(yaml.safe_dump({"ocsp_report_endpoints": endpoints}))
        done = run_command(command, tmp_path)
    assert done.rc == 0 and "0 in error, 0 with a warning, 1 good" in done.output, done.output
    assert json.loads((tmp_path / "ocsp-report.json").read_text())["counts"] == {"error": 0, "warning": 0, "good": 1}


INVENTORIES = {
    "a list for all": "[web]\nhost[1:3]\n",
    "lists of hosts": (
        "[web]\nhost1\nhost2\nhost3 ocsp_report_endpoints='{own}'\n[web:vars]\nocsp_report_endpoints={all}\n"
    ),
}


@pytest.mark.parametrize("inventory", INVENTORIES.values(), ids=INVENTORIES)
def test_an_endpoint_is_looked_at_once_for_all_hosts(inventory: str, pki: pki_tool.Pki, tmp_path: Path) -> None:
    good = pki.response("rsa.example.com", tmp_path / "good.der").read_bytes()
    with running("nginx", [Site(pki.leaf("rsa.example.com"), good)]) as server:
        endpoints = [{"host": "127.0.0.1", "port": server.port, "server_name": "rsa.example.com"}]
        other = [*endpoints, {"host": "127.0.0.1", "port": pki_tool.free_port()}]
        text = inventory.replace("{all}", json.dumps(endpoints)).replace("{own}", json.dumps(other))
        (tmp_path / "hosts").write_text(text)
        (tmp_path / "endpoints.yml").write_text(yaml.safe_dump({"ocsp_report_endpoints": endpoints}))
        given = "" if "{own}" in inventory else " -e @endpoints.yml"
        done = run_command(f"ansible-playbook -i hosts certops.ocsp.report{given}", tmp_path)
        apart = run_command(
            "ansible-playbook -i hosts certops.ocsp.report -e ocsp_report_from='{{inventory_hostname}}' "
            "-e ansible_connection=local -e ansible_python_interpreter='{{ansible_playbook_python}}'" + given,
            tmp_path,
        )
    errors = 0 if given else 1
    assert done.rc == 0 and f"{errors} in error, 0 with a warning, 1 good" in done.output, done.output
    assert f"{errors} in error, 0 with a warning, 3 good" in apart.output, "each host looks for itself"


def test_the_endpoints_of_hosts_are_looked_at_for_each(tmp_path: Path) -> None:
    ports = [pki_tool.free_port() for _host in range(2)]
    lines = [
        f"host{port} ocsp_report_endpoints='{json.dumps([{'host': '127.0.0.1', 'port': port}])}'" for port in ports
    ]
    (tmp_path / "hosts").write_text("\n".join([*lines, "localhost", ""]))
    done = run_command("ansible-playbook -i hosts certops.ocsp.report", tmp_path)
    rows = json.loads((tmp_path / "ocsp-report.json").read_text())["rows"]
    assert done.rc == 0, done.output
    assert {row["inventory_hostname"]: row["endpoint"] for row in rows} == {
        "localhost": "localhost:443",
        **{f"host{port}": f"127.0.0.1:{port}" for port in ports},
    }


def test_the_command_is_documented() -> None:
    assert DOCUMENTED == ["ansible-playbook certops.ocsp.report -e @endpoints.yml"]


def test_a_host_on_the_command_line_is_looked_at_from_here(tmp_path: Path) -> None:
    done = run_command("ansible-playbook -i localhost, certops.ocsp.report", tmp_path)
    assert done.rc == 0 and "localhost:443" in done.output, done.output


def test_without_inventory_and_endpoints_it_says_what_is_missing(tmp_path: Path) -> None:
    done = run_command("ansible-playbook certops.ocsp.report", tmp_path)
    assert done.rc != 0
    assert (
        "there is nothing to report on; give an inventory with -i, or a file that sets ocsp_report_endpoints"
        in done.output
    )


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ({"host": "127.0.0.1", "prot": 25}, "unknown key: prot"),
        ({"port": 25}, "each endpoint must be a mapping with a host"),
    ],
)
def test_an_endpoint_that_is_misspelt_is_refused(endpoint: dict[str, t.Any], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": [endpoint]}))
    done = run_command("ansible-playbook certops.ocsp.report -e @endpoints.yml", tmp_path)
    assert done.rc != 0 and f"ocsp_report_endpoints: {sentence}; an endpoint may have host, port" in done.output


def test_an_endpoint_that_is_misspelt_is_told_once(tmp_path: Path) -> None:
    endpoints = [{"host": "127.0.0.1", "prot": 25}]
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": endpoints}))
    (tmp_path / "hosts").write_text("host[1:3]\n")
    done = run_command("ansible-playbook -i hosts certops.ocsp.report -e @endpoints.yml", tmp_path)
    assert done.rc != 0 and done.output.count('"msg": "ocsp_report_endpoints: unknown key: prot; ') == 1, done.output
    (tmp_path / "hosts").write_text(f"host[1:3]\nhost4 ocsp_report_endpoints='{json.dumps(endpoints)}'\n")
    done = run_command("ansible-playbook -i hosts certops.ocsp.report", tmp_path)
    assert done.rc != 0 and done.output.count('"msg": "ocsp_report_endpoints of host4: unknown key: prot; ') == 1, (
        done.output
    )


def test_a_relative_folder_is_below_where_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": []}))
    (tmp_path / "reports").mkdir()
    command = "ansible-playbook certops.ocsp.report -e @endpoints.yml -e ocsp_report_folder="
    for folder in ("reports", "~/reports"):
        done = run_command(command + folder, tmp_path, HOME=str(tmp_path))
        assert done.rc == 0, done.output
        for name in ("ocsp-report.json", "ocsp-report.html"):
            (tmp_path / "reports" / name).unlink()


@pytest.mark.parametrize(("folder", "problem"), [("missing", "does not exist"), ("endpoints.yml", "is not a folder")])
def test_a_folder_that_cannot_be_used_is_refused_at_once(folder: str, problem: str, tmp_path: Path) -> None:
    endpoints = [{"host": "127.0.0.1", "port": pki_tool.free_port()}]
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": endpoints}))
    command = f"ansible-playbook certops.ocsp.report -e @endpoints.yml -e ocsp_report_folder={folder}"
    done = run_command(command, tmp_path)
    assert done.rc != 0 and f"ocsp_report_folder: {tmp_path / folder} {problem}; " in done.output, done.output
    assert "Check what is served" not in done.output


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("days=abc", "ocsp_report_days must be a number of days such as 14, and not abc"),
        ("days=-5", "ocsp_report_days must be a number of days such as 14, and not -5"),
        ("fail=maybe", "ocsp_report_fail must be true or false, and not maybe"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": [{"host": "127.0.0.1"}]}))
    done = run_command(f"ansible-playbook certops.ocsp.report -e @endpoints.yml -e ocsp_report_{setting}", tmp_path)
    assert done.rc != 0 and sentence in done.output, done.output
    assert "Check what is served" not in done.output


def test_rows_about_different_checks_never_look_alike(tmp_path: Path) -> None:
    """Hosts behind one name, protocols, address families, TLS versions, and places to connect from."""
    port = pki_tool.free_port()
    name = f"{'x' * 60}.example.com"
    endpoints: list[dict[str, t.Any]] = [
        *({"host": f"127.0.0.{number}", "port": port, "server_name": name} for number in (1, 2, 3)),
        {"host": "127.0.0.1", "port": port},
        {"host": "127.0.0.1", "port": port, "starttls": "smtp"},
        {"host": "127.0.0.1", "port": port, "address_family": "ipv4"},
        {"host": "127.0.0.1", "port": port, "tls_versions": ["1.2"]},
    ]
    (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": endpoints}))
    (tmp_path / "hosts").write_text("host1\nhost2\n")
    command = (
        "ansible-playbook -i hosts certops.ocsp.report -e @endpoints.yml -e ocsp_report_from='{{inventory_hostname}}' "
        "-e ansible_connection=local -e ansible_python_interpreter='{{ansible_playbook_python}}'"
    )
    done = run_command(command, tmp_path)
    lines = [line.strip() for line in done.output.splitlines() if '"ERROR  ' in line]
    assert len(lines) == 2 * len(endpoints) == len(set(lines)), done.output
    assert sum(f"{name} at 127.0.0.2:{port}, from host1" in line for line in lines) == 1
    page = Page((tmp_path / "ocsp-report.html").read_text())
    for manner in ("STARTTLS (smtp)", "IPv4", "TLS 1.2"):
        assert f"127.0.0.1:{port}, {manner}, from host2" in page.text


def test_a_time_limit_in_the_report_is_the_one_that_was_given(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoints = [{"host": "127.0.0.1", "port": listener.getsockname()[1], "timeout": 1}]
        (tmp_path / "endpoints.yml").write_text(json.dumps({"ocsp_report_endpoints": endpoints}))
        done = run_command("ansible-playbook certops.ocsp.report -e @endpoints.yml", tmp_path)
    assert "within 0.5 s (the timeout is 1 s for all key types together)" in done.output, done.output
