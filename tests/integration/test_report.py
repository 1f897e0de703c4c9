# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that reports what servers staple: a table, JSON, and a page that loads nothing."""

from __future__ import annotations

import contextlib
import html.parser
import json
import typing as t
from pathlib import Path

import pytest
from conftest import Result, pki_tool
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
    assert failing.rc != 0 and "1 of 2 certificates or endpoints are in error" in failing.output

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
    assert data["rows"] == [] and "There was nothing to look at." in page.text
