# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules share between Ansible and the core: argument specs, the missing library, the exit."""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .ocsp import schedule
from .ocsp.errors import ERROR, RELAXATIONS, FileError, Finding, OcspError
from .ocsp.refresh import Outcome
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

RESPONSE_SPEC: t.Dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "source_path": {"type": "path"},
    "source_content": {"type": "str"},
    "responder_urls": {"type": "list", "elements": "str"},
    "certid_digest": {"type": "str", "choices": ["auto", "sha1", "sha256"], "default": "auto"},
    "method": {"type": "str", "choices": ["auto", "get", "post"], "default": "auto"},
    "nonce": {"type": "bool", "default": False},
    "on_missing_responder": {"type": "str", "choices": ["skip", "fail"], "default": "skip"},
    "on_revoked": {"type": "str", "choices": ["fail", "keep"], "default": "fail"},
    "force": {"type": "bool", "default": False},
    "format": {"type": "str", "choices": ["der", "pem"], "default": "der"},
    "backup": {"type": "bool", "default": False},
    "backup_count": {"type": "int", "default": 5},
    "timeout": {"type": "float", "default": 10},
    "total_timeout": {"type": "float", "default": 60},
    "retries": {"type": "int", "default": 2},
    "use_proxy": {"type": "bool", "default": True},
    # The URL of a proxy may hold its password.
    "http_proxy": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "http_agent": {"type": "str", "default": "certops.ocsp"},
}

#: The options that say how to reach a responder.
TRANSPORT_OPTIONS = ("use_proxy", "http_proxy", "validate_certs", "http_agent")

ATTRIBUTES_CHANGED = "; the attributes of the file were not as asked for"

CERTIFICATE_CONFLICTS = [
    ("certificate_path", "certificate_content"),
    ("issuer_path", "issuer_content"),
]
SOURCE_CONFLICTS = [("source_path", "source_content")]


def require_cryptography(module: AnsibleModule) -> None:
    """Fail with Ansible's usual sentence where cryptography is missing or too old."""
    problem = library_problem()
    if problem:
        wanted = f"cryptography >= {CRYPTOGRAPHY_MINIMUM}"
        module.fail_json(msg=missing_required_lib(wanted, reason=f"to check signatures ({problem})"))


def read_now(module: AnsibleModule) -> datetime:
    """The time to judge by: the option ``now``, or the clock. Raises InputError."""
    return time_of(module.params)


def time_of(params: t.Mapping[str, t.Any]) -> datetime:
    """As ``read_now``, for the options of one of many."""
    text = params.get("now")
    return schedule.parse_time(text, "now") if text is not None else datetime.now(timezone.utc)


@contextlib.contextmanager
def failing_plainly(module: AnsibleModule) -> t.Iterator[None]:
    """Turn the failures of the core into one sentence, and never a traceback."""
    try:
        yield
    except OcspError as error:
        finding = Finding(error.code, ERROR, error.message)
        module.fail_json(msg=error.message, path=module.params["path"], findings=[finding._asdict()])


def check_attributes(module: AnsibleModule, params: t.Mapping[str, t.Any]) -> None:
    """Fail on an unknown owner, group or mode before a response is written that nobody would be notified of."""
    if [params.get(name) for name in ("owner", "group", "mode")] == [None, None, None]:
        return
    probe = os.path.join(module.tmpdir, "probe")
    with open(probe, "wb"):
        pass
    # What chattr would say needs a file on the file system of the real one.
    arguments = module.load_file_common_arguments(dict(params, attributes=None), path=probe)
    check_mode, module.check_mode = module.check_mode, True
    try:
        module.set_fs_attributes_if_different(arguments, False)
    finally:
        module.check_mode = check_mode


def set_attributes(
    module: AnsibleModule, params: t.Mapping[str, t.Any], outcome: Outcome, diff: t.Dict[str, t.Any]
) -> bool:
    """Set owner, mode and so on of the file; return whether anything is changed, or was before. Raises FileError."""
    # They belong to the file that a symbolic link leads to, as its content does.
    path = os.path.realpath(outcome.path)
    try:
        arguments = module.load_file_common_arguments(params, path=path)
        return bool(module.set_fs_attributes_if_different(arguments, outcome.changed, diff))
    except OSError as error:
        content = "its content was replaced" if outcome.changed else "its content is as it was"
        raise FileError(f"cannot set the owner, group or mode of {path}: {error.strerror}; {content}") from None


def warnings_of(findings: t.Iterable[Finding], sentences: t.Iterable[str]) -> t.List[str]:
    """What an operator should see: the sentences, and the findings that are more than an oddity."""
    shown = [finding.message for finding in findings if finding.code in _SHOWN_WARNINGS and finding.severity != ERROR]
    return list(dict.fromkeys([*sentences, *shown]))


def show_warnings(module: AnsibleModule, sentences: t.Iterable[str]) -> None:
    for sentence in sentences:
        module.warn(sentence)
