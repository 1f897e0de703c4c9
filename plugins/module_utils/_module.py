# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules share between Ansible and the core: argument specs, the missing library, the exit."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .ocsp import schedule
from .ocsp.errors import ERROR, RELAXATIONS, Finding, OcspError
from .ocsp.servers import SERVERS
from .ocsp.signature import CRYPTOGRAPHY_MINIMUM, library_problem

#: Warnings about a response that an operator should see even when nobody looks at the findings.
_SHOWN_WARNINGS = ("http_error", "clock_implausible", "unfit_for_server")

CERTIFICATE_SPEC: t.Dict[str, t.Any] = {
    "certificate_path": {"type": "path"},
    "certificate_content": {"type": "str"},
    "issuer_path": {"type": "path"},
    "issuer_content": {"type": "str"},
    "root_path": {"type": "path"},
}

RULES_SPEC: t.Dict[str, t.Any] = {
    "minimum_validity": {"type": "str"},
    "minimum_validity_percentage": {"type": "float", "default": 50},
    "allow": {"type": "list", "elements": "str", "choices": list(RELAXATIONS), "default": []},
    "require_nocheck": {"type": "bool", "default": False},
    "maximum_age": {"type": "str", "default": "10d"},
    "clock_tolerance": {"type": "str", "default": "5m"},
    "server": {"type": "list", "elements": "str", "choices": sorted(SERVERS), "default": []},
    "now": {"type": "str"},
    "return_content": {"type": "bool", "default": False},
}

CERTIFICATE_CONFLICTS = [
    ("certificate_path", "certificate_content"),
    ("issuer_path", "issuer_content"),
]


def require_cryptography(module: AnsibleModule) -> None:
    """Fail with Ansible's usual sentence where cryptography is missing or too old."""
    problem = library_problem()
    if problem:
        wanted = f"cryptography >= {CRYPTOGRAPHY_MINIMUM}"
        module.fail_json(msg=missing_required_lib(wanted, reason=f"to check signatures ({problem})"))


def read_now(module: AnsibleModule) -> datetime:
    """The time to judge by: the option ``now``, or the clock. Raises InputError."""
    text = module.params["now"]
    return schedule.parse_time(text, "now") if text is not None else datetime.now(timezone.utc)


@contextlib.contextmanager
def failing_plainly(module: AnsibleModule) -> t.Iterator[None]:
    """Turn the failures of the core into one sentence, and never a traceback."""
    try:
        yield
    except OcspError as error:
        finding = Finding(error.code, ERROR, error.message)
        module.fail_json(msg=error.message, path=module.params["path"], findings=[finding._asdict()])


def show_warnings(module: AnsibleModule, findings: t.Iterable[Finding], sentences: t.Iterable[str]) -> None:
    """Show what an operator should see: the sentences, and the findings that are more than an oddity."""
    shown = [finding.message for finding in findings if finding.code in _SHOWN_WARNINGS and finding.severity != ERROR]
    for sentence in dict.fromkeys([*sentences, *shown]):
        module.warn(sentence)
