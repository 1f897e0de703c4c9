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
import stat
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .ocsp import secrets
from .ocsp.errors import ERROR, FileError, Finding, InputError, MissingError, OcspError
from .ocsp.fetch.freshness import Outcome
from .ocsp.options import table
from .ocsp.pki.signature import CRYPTOGRAPHY_MINIMUM, library_problem
from .ocsp.store import tenants, users
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


class Module(AnsibleModule):
    """What all modules of the collection are: nothing that may be a secret leaves them.

    How well Ansible masks secrets differs from release to release, and it knows nothing of a key in an option for
    something else. So such a key is refused before anything is read, logged or repeated; of options only names are
    logged; and what is returned goes through ``secrets`` first.
    """

    #: The options, at any depth, whose text may be or hold a private key.
    key_options: t.FrozenSet[str] = frozenset()
    #: Whether what fails is raised as InputError, as where it is not all that the module does, or is no file of a user.
    raises = False
    params: t.Dict[str, t.Any]

    def __init__(self, argument_spec: Spec, **how: t.Any) -> None:
        self._passwords: t.FrozenSet[str] = frozenset()
        self._secret_names = _secret_names(argument_spec) | table.SECRETS
        super().__init__(argument_spec, **how)

    def _load_params(self) -> None:
        super()._load_params()
        misplaced = secrets.misplaced_keys(self.params, self.key_options)
        if misplaced:
            self.params = {}
            self.fail_json(msg=secrets.key_refusal(misplaced, self.key_options))
        self._passwords = frozenset(secrets.passwords(self.params))

    def _log_invocation(self) -> None:
        given = self.params.get("certificates")
        entries = [one for one in given or () if isinstance(one, t.Mapping)]
        names = ", ".join(str(one.get("name") or one.get("path")) for one in entries)
        shown = [f"{option}={self.params[option]}" for option in ("state", "parts", "path") if option in self.params]
        self.log(f"Invoked with {' '.join(shown)}{f' for {names}' if names else ''}")

    def log(self, msg: str, log_args: t.Any = None) -> None:
        super().log(self._told(msg), log_args=None)

    def warn(self, warning: str, *arguments: t.Any, **more: t.Any) -> None:
        super().warn(self._told(warning), *arguments, **more)

    def fail_json(self, msg: str, **results: t.Any) -> t.NoReturn:
        if self.raises:
            raise InputError(msg)
        super().fail_json(self._told(msg), **self._kept(results))
        raise AssertionError("it ends the process")

    def exit_json(self, **results: t.Any) -> t.NoReturn:
        if isinstance(results.get("msg"), str):
            results["msg"] = self._told(results["msg"])
        super().exit_json(**self._kept(results))
        raise AssertionError("it ends the process")

    def _told(self, message: t.Any) -> str:
        """A message as it may be read: in printable characters, without secrets."""
        return secrets.told(str(message), self._passwords)

    def _kept(self, results: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
        """Results as callbacks may store them, and with them the options."""
        options = secrets.redacted(self.params, self._secret_names, self._passwords)
        # An exception is for Ansible to format, and has no values of ours.
        kept = {
            name: one if name == "exception" else secrets.redacted(one, (), self._passwords)
            for name, one in results.items()
        }
        return {"invocation": {"module_args": options}, **kept}


def _secret_names(spec: Spec) -> t.FrozenSet[str]:
    """The options, at any depth, of which no value is shown."""
    names = {name for name, option in spec.items() if option.get("no_log")}
    return frozenset(names.union(*(_secret_names(option.get("options") or {}) for option in spec.values())))


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


def not_there_yet(module: AnsibleModule, path: str, error: MissingError) -> Outcome:
    """What a task in check mode says of a response where a file that it needs does not exist.

    An earlier task may be about to create it. Outside of check mode, raises the error.
    """
    if not module.check_mode:
        raise error
    return Outcome(path, error.in_check_mode, changed=True, warnings=(error.in_check_mode,))


def check_attributes(module: AnsibleModule, params: t.Mapping[str, t.Any]) -> None:
    """Refuse an unknown owner, group or mode before a response is written of which no handler would learn.

    Raises InputError.
    """
    owner, group, mode = (params.get(name) for name in ("owner", "group", "mode"))
    if owner is not None:
        users.number(owner)
    if group is not None:
        users.group_number(group)
    if mode is None:
        return
    probe = os.path.join(module.tmpdir, "probe")
    with open(probe, "wb"):
        pass
    # What chattr would say needs a file on the file system of the real one.
    arguments = module.load_file_common_arguments(dict(params, attributes=None), path=probe)
    raises, module.raises = module.raises, True
    try:
        with _check_mode(module):
            module.set_fs_attributes_if_different(arguments, False)
    finally:
        module.raises = raises


def set_attributes(
    module: AnsibleModule, params: t.Mapping[str, t.Any], outcome: Outcome, diff: t.Dict[str, t.Any]
) -> bool:
    """Set owner, mode and so on of the file; return whether anything is changed, or was before. Raises FileError."""
    try:
        with tenants.destination(outcome.path, outcome.path) as place:
            # For lsattr and chattr, too, which have other open files.
            at = place.at.replace("/proc/self/", f"/proc/{os.getpid()}/", 1)
            return _set_attributes(module, params, outcome, diff, at)
    except OSError as error:
        content = "its content was replaced" if outcome.changed else "its content is as it was"
        path = os.path.realpath(outcome.path)
        raise FileError(f"cannot set the owner, group or mode of {path}: {error.strerror}; {content}") from None


def _set_attributes(
    module: AnsibleModule, params: t.Mapping[str, t.Any], outcome: Outcome, diff: t.Dict[str, t.Any], path: str
) -> bool:
    """Owner, group and mode are set on the open file: the owner of its folder could put a link in its place."""
    arguments = module.load_file_common_arguments(params, path=path)
    with _check_mode(module):
        # A file that was just created had none before, whatever it was created with.
        shown = diff if outcome.before is not None else {}
        changed = bool(module.set_fs_attributes_if_different(arguments, outcome.changed, shown))
    if module.check_mode or not changed:
        return changed
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _give(module, arguments, descriptor)
    finally:
        os.close(descriptor)
    rest = {**arguments, "owner": None, "group": None, "mode": None}
    module.set_fs_attributes_if_different(rest, False, {})
    return changed


def _give(module: AnsibleModule, arguments: t.Mapping[str, t.Any], descriptor: int) -> None:
    owner, group, mode = (arguments[name] for name in ("owner", "group", "mode"))
    found = os.fstat(descriptor)
    if owner is not None or group is not None:
        uid = -1 if owner is None else users.number(owner)
        gid = -1 if group is None else users.group_number(group)
        if (uid, gid) != (found.st_uid, found.st_gid):
            os.fchown(descriptor, uid, gid)
    if mode is not None:
        wanted = mode if isinstance(mode, int) else _mode_of(module, found, str(mode))
        os.fchmod(descriptor, stat.S_IMODE(wanted))


def _mode_of(module: AnsibleModule, found: os.stat_result, mode: str) -> int:
    try:
        return int(mode, 8)
    except ValueError:
        return int(module._symbolic_mode_to_octal(found, mode))


@contextlib.contextmanager
def _check_mode(module: AnsibleModule) -> t.Iterator[None]:
    check_mode, module.check_mode = module.check_mode, True
    try:
        yield
    finally:
        module.check_mode = check_mode


def warnings_of(findings: t.Iterable[Finding], sentences: t.Iterable[str]) -> t.List[str]:
    """What an operator should see: the sentences, and the findings that are more than an oddity."""
    shown = [finding.message for finding in findings if finding.code in _SHOWN_WARNINGS and finding.severity != ERROR]
    return list(dict.fromkeys([*sentences, *shown]))


def show_warnings(module: AnsibleModule, sentences: t.Iterable[str]) -> None:
    for sentence in sentences:
        module.warn(sentence)
