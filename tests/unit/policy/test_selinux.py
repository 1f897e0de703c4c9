# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an SELinux policy says of the type that is given to keys, certificates and staples."""

from __future__ import annotations

import functools
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.families import FAMILIES

POLICIES = sorted(Path("/etc/selinux/default/policy").glob("policy.*"))
#: The domains of servers in the reference policy, from which that of the RedHat family derives.
DOMAINS = ("httpd_t", "dovecot_t", "exim_t", "postfix_smtpd_t", "stunnel_t")
NEEDED = {"file": {"open", "read", "getattr"}, "dir": {"search"}, "lnk_file": {"read"}}

pytestmark = pytest.mark.skipif(
    not POLICIES or not shutil.which("sesearch"), reason="needs Debian's selinux-policy-default and setools"
)


@functools.cache
def rules(domain: str, label: str) -> t.Tuple[str, ...]:
    """What a domain may do with what is of a type, but for what a boolean would have to allow."""
    query = ["sesearch", "-A", "-s", domain, "-t", label, str(POLICIES[-1])]
    done = subprocess.run(query, capture_output=True, text=True, timeout=120, check=True)
    return tuple(line for line in done.stdout.splitlines() if not line.endswith((":True", ":False")))


def allowed(domain: str, label: str, kind: str) -> t.Set[str]:
    """The permissions that a domain has for a kind of object of a type."""
    found: t.Set[str] = set()
    for line in rules(domain, label):
        _source, _separator, permissions = line.partition(f":{kind} ")
        found.update(permissions.strip(" ;{}").split())
    return found


@pytest.mark.parametrize("label", sorted({family.label for family in FAMILIES}))
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", NEEDED)
def test_servers_may_read_what_is_deployed(domain: str, label: str, kind: str) -> None:
    assert NEEDED[kind] <= allowed(domain, label, kind)


def test_what_servers_may_not_read_is_told_apart() -> None:
    """The policy answers at all: a server may not read what only root may."""
    assert "read" not in allowed("httpd_t", "shadow_t", "file")
