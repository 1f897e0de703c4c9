# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server does with a staple that changes or expires: what was measured, server by server."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.changes import expiry_plan, needs_reload

PLANS = {
    "nginx": (("nginx",), (True, False)),
    "Exim": (("exim",), (True, False)),
    "who stops by itself": (("haproxy", "lighttpd", "apache"), (False, False)),
    "Hitch wants its file": (("hitch",), (False, True)),
    "dnsdist wants its file, and is to lose the note beside it": (("dnsdist",), (True, True)),
    "Traffic Server": (("trafficserver",), (True, False)),
    "the most careful of all": (("haproxy", "hitch", "nginx"), (True, True)),
    "who cannot staple does not count": (("haproxy", "dovecot", "postfix"), (False, False)),
    "an unknown one": (("haproxy", None), (True, False)),
    "nobody known": ((), (True, False)),
    "nobody who can": (("dovecot",), (True, False)),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans_for_a_staple_that_ends(name: str) -> None:
    kinds, plan = PLANS[name]
    assert expiry_plan(kinds) == plan


@pytest.mark.parametrize(
    ("name", "new", "withdrawn", "ended"),
    [
        ("apache", True, True, False),
        ("dnsdist", True, True, True),
        ("dovecot", False, False, False),
        ("exim", False, False, False),
        ("haproxy", True, True, False),
        ("hitch", True, True, False),
        ("lighttpd", False, True, False),
        ("nginx", True, True, True),
        ("postfix", False, False, False),
        ("trafficserver", True, True, True),
        (None, True, True, True),
    ],
)
def test_who_has_to_be_told(name: t.Optional[str], new: bool, withdrawn: bool, ended: bool) -> None:
    assert needs_reload(name) is new
    assert needs_reload(name, withdrawn=True) is withdrawn
    assert needs_reload(name, withdrawn=True, ended=True) is ended
