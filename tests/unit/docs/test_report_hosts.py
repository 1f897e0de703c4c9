# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report shows the responder of each server, however a CA wrote its URL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[3] / "playbooks/templates"
_RESPONDER = re.compile(r"row\.responder \| ([a-z_]+)\('([^']*)', '([^']*)'\)")

HOSTS = {
    "http://ocsp.example.com/x": "ocsp.example.com",
    "http://ocsp.example.com:8080": "ocsp.example.com",
    "http://[2001:db8::1]:80/": "[2001:db8::1]",
    "http://[": "[",
    "http://x\\x1b": "x\\x1b",
    "ocsp.example.com": "ocsp.example.com",
    "urn:x": "urn:x",
    "http://": "",
    "http:///x": "",
    "ldap://host/cn=x?y": "host",
}


@pytest.mark.parametrize("name", ["report.txt.j2", "report.html.j2"])
@pytest.mark.parametrize("url", HOSTS)
def test_any_url_has_a_host_to_show(name: str, url: str) -> None:
    """One that cannot be taken apart must not keep the report of all the others from being written."""
    found = _RESPONDER.search((TEMPLATES / name).read_text(encoding="utf-8"))
    assert found is not None
    function, pattern, replacement = found.groups()
    assert function == "regex_replace"
    assert re.sub(pattern, replacement.replace("\\\\", "\\"), url) == HOSTS[url]
