# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules share between Ansible and the core: argument specs, the missing library, the exit."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .ocsp.errors import ERROR, FileError, Finding, OcspError
from .ocsp.fetch.freshness import Outcome
from .ocsp.options import table
from .ocsp.pki.signature import CRYPTOGRAPHY_MINIMUM, library_problem
from .ocsp.text import parse_time

#: Warnings about a response that an operator should see even without reading the findings.
_SHOWN_WARNINGS = ("http_error", "clock_implausible", "unfit_for_server")

ATTRIBUTES_CHANGED = "; the attributes of the file were not as asked for"

CERTIFICATE_CONFLICTS = [
    ("certificate_path", "certificate_content"),
    ("issuer_path", "issuer_content"),
]
SOURCE_CONFLICTS = [("source_path", "source_content")]

Spec = t.Dict[str, t.Dict[str, t.Any]]


class QuietModule(AnsibleModule):
    """Logs no values. Ansible logs a list as Python writes it, in which it would not find a secret to mask."""

    def _log_invocation(self) -> None:
        names = ", ".join(one["name"] for one in self.params.get("certificates") or ())
        shown = [f"{option}={self.params[option]}" for option in ("state", "parts") if option in self.params]
        self.log(f"Invoked with {' '.join(shown)}{f' for {names}' if names else ''}")


def argument_spec(user: str, defaults: bool = True) -> Spec:
    """The options of the table that a user of it has, as Ansible wants them described."""
    return {name: _describe(table.OPTIONS[name], defaults) for name in table.names_of(user)}


def _describe(option: table.Option, default: bool) -> t.Dict[str, t.Any]:
    spec: t.Dict[str, t.Any] = {"type": option.kind}
    if option.kind == "list":
        spec["elements"] = "str"
    if option.choices:
        spec["choices"] = list(option.choices)
    if default and option.default is not None:
        spec["default"] = list(option.default) if option.kind == "list" else option.default
    if option.secret:
        spec["no_log"] = True
    return spec


def require_cryptography(module: AnsibleModule) -> None:
    """Fail with Ansible's usual sentence where cryptography is missing or too old."""
    problem = library_problem()
    if problem:
        wanted = f"cryptography >= {CRYPTOGRAPHY_MINIMUM}"
        module.fail_json(msg=missing_required_lib(wanted, reason=f"to check signatures ({problem})"))


def require_root(module: AnsibleModule) -> None:
    """Fail with one sentence where ``become`` was forgotten, before something fails that hints at anything else."""
    if os.geteuid() != 0:
        module.fail_json(
            msg=f"nothing was changed: this needs root, but runs as {_user()}; set become: true on the play or the task"
        )


def explain(error: OcspError) -> str:
    """The sentence of a failure, with the usual reason where the system permits something to root alone."""
    if os.geteuid() == 0 or os.strerror(errno.EACCES) not in error.message:
        return error.message
    return f"{error.message} (this runs as {_user()}; is become: true missing?)"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def read_now(module: AnsibleModule) -> datetime:
    """The time to judge by: the option ``now``, or the clock. Raises InputError."""
    return time_of(module.params)


def time_of(params: t.Mapping[str, t.Any]) -> datetime:
    """As ``read_now``, for the options of one of many."""
    text = params.get("now")
    return parse_time(text, "now") if text is not None else datetime.now(timezone.utc)


@contextlib.contextmanager
def failing_plainly(module: AnsibleModule) -> t.Iterator[None]:
    """Turn the failures of the core into one sentence, and never a traceback."""
    try:
        yield
    except OcspError as error:
        message = explain(error)
        finding = Finding(error.code, ERROR, message)
        module.fail_json(msg=message, path=module.params["path"], findings=[finding._asdict()])


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
