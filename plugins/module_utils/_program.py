# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the program ocsp-stapling consists of on a host: compared with what it should be, and installed."""

from __future__ import annotations

import base64
import contextlib
import grp
import hashlib
import importlib.util
import io
import json
import os
import pwd
import re
import shutil
import stat
import sys
import tarfile
import tempfile
import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule

from .ocsp import families
from .ocsp.errors import Fault, FileError, InputError, Refusal
from .ocsp.services import timetable
from .ocsp.services.control import configured, has_systemd, is_known
from .ocsp.store import origins, parts, reading, scan, sets, shares, tenants
from .ocsp.store.sets import Layout
from .ocsp.text import bounded, join_words

#: What a difference can be about, in the order in which it is repaired.
ACCOUNT, PROGRAM, SETTINGS, TIMER = "account", "program", "settings", "timer"

USUAL_LOGS = "/var/log/ocsp-stapling"
TIMER_UNIT = timetable.TIMER

_OS_RELEASE = "/etc/os-release"
_USUAL_PYTHON = families.DEBIAN.python
_MOST_PLACES = 10
_MISSING = "is missing"
#: Where accounts have the day since 1970 from which on they have expired, and in which field.
_SHADOW, _EXPIRES = "/etc/shadow", 7
_NO_SUCH = "there is no such"
#: What is said of a file, before the settings in it that differ.
_DIFFERENT = "has different content"
_MOST_UNFIT = 5
_CREDENTIALS = re.compile(r"//[^/@ ]*@")
_CACHE = "__pycache__"
_SURPLUS = "does not belong there"
_LARGEST = 64 * 1024 * 1024

Values = t.Mapping[str, t.Any]
#: Runs a command, given its words: its exit code, output and errors.
Run = t.Callable[[t.Sequence[str]], t.Tuple[int, str, str]]


class Difference(t.NamedTuple):
    """Something that is not as it should be. ``what`` completes the sentence that its path begins."""

    part: str
    path: str
    what: str


class Wanted(t.NamedTuple):
    """What should be on a host, as the controller says it.

    ``account`` is {name, home, shell}. ``folders`` are {part, path, owner, group, mode, follow, optional, setype}:
    ``follow`` lets it be a link, ``optional`` lets it be missing, and ``setype`` is a type of SELinux or None.
    ``files`` are {part, path, owner, group, mode, content, init}: ``init`` is None, or whether a file is for hosts
    with systemd (true) or without (false). ``library`` is {path, digests: {relative path: SHA-256}, archive: Base64
    of a tar.gz with these files, or None}. ``unwanted`` are {part, path, hook}: files that are there and should not
    be.
    """

    account: t.Mapping[str, str]
    folders: t.Sequence[Values]
    files: t.Sequence[Values]
    library: Values
    unwanted: t.Sequence[Values] = ()


# The whole


def carry_out(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """Check the host, and repair the differences in the requested parts.

    Raises OcspError: a Refusal has all that keeps this host from using what it is given.

    Returns the values of the result.
    """
    given, parts = module.params["wanted"], module.params["parts"]
    if "scan" in given:
        return _search(given["scan"], Layout(module.params["root"]))

    def run(argv: t.Sequence[str]) -> t.Tuple[int, str, str]:
        code, output, errors = module.run_command(list(argv), environ_update={"LC_ALL": "C"})
        return code, output, errors

    here = family(module.params["os_family"])
    wanted = _for_family(module, given, here)
    found = differences(wanted, run)
    lacking = lacks_cryptography(here.python, run)
    wrong = [*obstacles(wanted), *problems(given, module.params["root"], found, run)]
    faults = [*(Fault("", one) for one in wrong), *access_faults(given["access"])]
    faults += service_faults(given["services"], run)
    # The program is asked before anything is changed, where it is the right one.
    replaced = any(one.part == PROGRAM for one in found)
    usable = not (lacking and module.check_mode)
    answer = _ask(module, given, run) if usable and not replaced and not given["partial"] else Answer()
    if answer.refused:
        faults.append(Fault("", f"the program rejects its configuration: {answer.refused}"))
    if faults:
        raise Refusal(faults)
    mended = [one for one in found if one.part in parts]
    shown = shown_difference(wanted, mended) if module._diff else None
    if mended and not module.check_mode:
        install(module, wanted, found, parts)
    if usable and replaced and PROGRAM in parts and not module.check_mode:
        installed = _ask(module, given, run)
        if installed.refused:
            said = f"The program rejects its configuration, so no certificate was touched: {installed.refused}"
            module.fail_json(msg=said)
    result = {
        "changed": bool(mended),
        "msg": summary(mended, module.check_mode),
        "differences": [one._asdict() for one in found],
        "differing": sorted({one.part for one in found}),
        "service_manager": "systemd" if has_systemd() else "other",
        "package": here.cryptography if lacking else "",
        "shell": here.shell,
        "interval": interval_to_come(wanted, given, found, run),
        "status": answer.status,
        "revoked": list(answer.revoked),
        "owners": list(answer.owners),
    }
    return result if shown is None else {**result, "diff": shown}


def _search(folders: t.Sequence[Values], layout: Layout) -> t.Dict[str, t.Any]:
    """What is in the folders, what of it is unfit, and what stays live: that of which folder or files are not there."""
    unfit = scan.Unfit([], [])
    lost = [folder for folder in folders if _is_lost(folder["folder"], unfit.problems)]
    found = scan.groups([folder for folder in folders if folder not in lost], unfit)
    usable = {one["name"] for group in found for one in group["domains"]}
    configured = parts.load(layout)
    kept = []
    for name in sets.live_names(layout):
        whence = folders if name in unfit.names else lost
        is_missed = name not in usable and parts.is_given(configured, name)
        if is_missed and any(_came_from(layout, name, one["folder"]) for one in whence):
            kept.append(name)
    told = [f"ocsp_stapling_scan: {one}" for one in bounded(unfit.problems, _MOST_UNFIT)]
    return {
        "found": found,
        "unfit": told,
        "kept": kept,
        "of_users": any(_is_of_users(one["folder"]) for one in folders),
    }


def _is_of_users(folder: str) -> bool:
    """Whether other users than root can take out of a folder what is in it."""
    try:
        return tenants.writer(os.stat(folder)) is not None or tenants.author(folder) is not None
    except OSError:
        return True


def _came_from(layout: Layout, name: str, folder: str) -> bool:
    """Whether a live certificate was found in a folder, or below it."""
    origin = origins.read(sets.described(layout.live(name)).origin)
    return origin is not None and f"{origin.folder}/".startswith(f"{folder.rstrip('/')}/")


def _for_family(module: AnsibleModule, given: Values, here: families.Family) -> Wanted:
    """What the controller says, with what depends on the distribution. Raises InputError."""
    labels = {module.params["root"]: here.selinux.sets} if module.selinux_enabled() else {}
    return Wanted(
        account=dict(given["account"], shell=here.shell),
        folders=[dict(folder, setype=labels.get(folder["path"])) for folder in given["folders"]],
        files=[_with_python(file, here.python) for file in given["files"]],
        library=given["library"],
        unwanted=unwanted(given, Layout(module.params["root"])),
    )


def _with_python(file: Values, python: str) -> Values:
    """The program starts with the interpreter of the host that has the library."""
    return {**file, "content": file["content"].replace(_USUAL_PYTHON, python)} if file["part"] == PROGRAM else file


def _ask(module: AnsibleModule, given: Values, run: Run) -> Answer:
    """What the program says of its configuration, and of how all is."""
    text = next(file["content"] for file in given["files"] if file["path"] == given["configuration"])
    return asked(module.params["program"], module.params["root"], text, given["part"], run)


# Comparing


def differences(wanted: Wanted, run: Run) -> t.List[Difference]:
    """All that is not as it should be. Raises OcspError for what cannot be read."""
    systemd = has_systemd()
    found = [*_account(wanted.account)]
    for folder in wanted.folders:
        wrong = [what for what in _access(folder, stat.S_ISDIR) if what != _MISSING or not folder["optional"]]
        found += [Difference(folder["part"], folder["path"], what) for what in wrong]
    found += [Difference(PROGRAM, wanted.library["path"], what) for what in _library(wanted.library)]
    for file in for_this_host(wanted.files, systemd):
        found += [Difference(file["part"], file["path"], what) for what in _file(file)]
    found += [Difference(one["part"], one["path"], _SURPLUS) for one in wanted.unwanted]
    if systemd:
        found += _units([os.path.basename(file["path"]) for file in wanted.files if file["init"]], run)
    return found


def unwanted(given: Values, layout: Layout) -> t.List[Values]:
    """The files that are there for a hook which no owner lists. Raises InputError."""
    there = [one for one in given["unwanted"] if os.path.lexists(one["path"])]
    owner = given["part"]["owner"]
    others = [part for part in parts.load(layout, owner) if part.owner != owner] if there else []
    listed = {hook for part in others for hook in part.deployment.get("hooks") or ()}
    return [one for one in there if one["hook"] not in listed]


def for_this_host(wanted: t.Iterable[Values], systemd: bool) -> t.List[Values]:
    """The files for hosts with, or without, systemd."""
    return [file for file in wanted if file["init"] is None or file["init"] is systemd]


def _account(wanted: t.Mapping[str, str]) -> t.Iterator[Difference]:
    name = wanted["name"]
    try:
        group = grp.getgrnam(name)
    except KeyError:
        group = None
        yield Difference(ACCOUNT, name, f"{_NO_SUCH} group")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        yield Difference(ACCOUNT, name, f"{_NO_SUCH} user")
        return
    if group is not None and user.pw_gid != group.gr_gid:
        yield Difference(ACCOUNT, name, f"its group is {user.pw_gid} and not {group.gr_gid}")
    for what, is_, should in (("home", user.pw_dir, wanted["home"]), ("shell", user.pw_shell, wanted["shell"])):
        if is_ != should:
            yield Difference(ACCOUNT, name, f"its {what} is {is_} and not {should}")
    if not _is_expired(name):
        yield Difference(ACCOUNT, name, "it has not expired, so that cron and others may start processes for it")


def _is_expired(name: str) -> bool:
    """Whether an account has expired (shadow(5)), or is not in the file that says so."""
    with contextlib.suppress(OSError), open(_SHADOW, "rb") as handle:
        for line in handle:
            fields = line.rstrip(b"\n").split(b":")
            if fields[0] == name.encode() and len(fields) > _EXPIRES:
                # As the role has it: the first day counts as none.
                return fields[_EXPIRES] == b"1"
    return True


def _status(wanted: Values) -> t.Optional[os.stat_result]:
    """What the system says of a path, or None where nothing is there. Raises FileError."""
    try:
        return (os.stat if wanted.get("follow") else os.lstat)(wanted["path"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(f"{wanted['path']} cannot be inspected: {error.strerror}") from None


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFLNK: "symbolic link", stat.S_IFSOCK: "socket", stat.S_IFIFO: "named pipe"}
    kinds.update({stat.S_IFREG: "file", stat.S_IFBLK: "device", stat.S_IFCHR: "device"})
    return f"a {kinds.get(stat.S_IFMT(mode), 'special file')}"


def _access(wanted: Values, is_kind: t.Callable[[int], bool]) -> t.Iterator[str]:
    """What is wrong with the kind, owner, group or mode of a path."""
    status = _status(wanted)
    if status is None:
        yield _MISSING
        return
    if not is_kind(status.st_mode):
        yield f"is {_kind(status.st_mode)}"
        return
    if sets.name_of(pwd.getpwuid, status.st_uid) != wanted["owner"]:
        yield f"belongs to the user {sets.name_of(pwd.getpwuid, status.st_uid)} and not {wanted['owner']}"
    if sets.name_of(grp.getgrgid, status.st_gid) != wanted["group"]:
        yield f"belongs to the group {sets.name_of(grp.getgrgid, status.st_gid)} and not {wanted['group']}"
    if stat.S_IMODE(status.st_mode) != int(wanted["mode"], 8):
        yield f"has the mode {stat.S_IMODE(status.st_mode):04o} and not {wanted['mode']}"
    label = _label(wanted["path"]) if wanted.get("setype") else ""
    if label and label != wanted["setype"]:
        yield f"has the SELinux type {label} and not {wanted['setype']}"


def _label(path: str) -> str:
    """The SELinux type of a path, or an empty string where it has none."""
    try:
        context = os.getxattr(path, "security.selinux").decode("ascii", "replace").rstrip("\0").split(":")
    except OSError:
        return ""
    return context[2] if len(context) > 2 else ""


def _file(wanted: Values) -> t.Iterator[str]:
    status = _status(wanted)
    if status is not None and stat.S_ISREG(status.st_mode) and content_of(wanted["path"]) != wanted["content"].encode():
        yield f"{_DIFFERENT}{_settings_named(wanted)}"
    yield from _access(wanted, stat.S_ISREG)


def _settings_named(wanted: Values) -> str:
    """Which settings of a file in JSON differ, for the end of a sentence; an empty string for other files."""
    try:
        before, after = (json.loads(text) for text in (content_of(wanted["path"]) or b"", wanted["content"]))
        keys = sorted(key for key in {**before, **after} if before.get(key) != after.get(key))
    except (InputError, ValueError, TypeError, AttributeError, RecursionError):
        return ""
    return f" ({', '.join(keys)})" if keys else ""


def content_of(path: str) -> t.Optional[bytes]:
    """What is in a file. Raises InputError."""
    return reading.read_file(path, path, _LARGEST)


def _library(wanted: Values) -> t.Iterator[str]:
    """Which files of the library are missing, surplus, damaged, or not root's alone to write."""
    path, digests = wanted["path"], wanted["digests"]
    if not os.path.isdir(path):
        yield "is not a folder" if os.path.lexists(path) else _MISSING
        return
    folders = {os.path.dirname(name) for name in digests} - {""}
    for name in ("", *sorted(folders)):
        access = {"path": os.path.join(path, name).rstrip("/"), "owner": "root", "group": "root", "mode": "0755"}
        for what in _access(access, stat.S_ISDIR):
            yield f"{what}{f' ({name})' if name else ''}"
    there = set(_files_below(path))
    for name in sorted({*digests, *there}):
        full = os.path.join(path, name)
        if name not in there:
            yield f"lacks {name}"
        elif name not in digests:
            yield f"has {name}, which does not belong there"
        elif list(_access({"path": full, "owner": "root", "group": "root", "mode": "0644"}, stat.S_ISREG)):
            yield f"has {name} with a different owner, group or mode"
        elif hashlib.sha256(content_of(full) or b"").hexdigest() != digests[name]:
            yield f"has {name} with different content"


def _files_below(path: str) -> t.Iterator[str]:
    for parent, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != _CACHE]
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), path)


def _units(units: t.Sequence[str], run: Run) -> t.Iterator[Difference]:
    """What systemd has not been told, and whether the timer runs. Raises InputError where systemd does not say."""
    if TIMER_UNIT not in units:
        return
    wanted = ("Id", "ActiveState", "UnitFileState", "NeedDaemonReload")
    code, output, errors = run(["systemctl", "show", f"--property={','.join(wanted)}", *units])
    if code != 0:
        said = " ".join((errors.strip() or output.strip() or f"exit code {code}").split())
        raise InputError(f"systemd does not say whether {TIMER_UNIT} is started: 'systemctl show' failed ({said})")
    for block in output.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("NeedDaemonReload") == "yes":
            yield Difference(TIMER, values.get("Id", ""), "was changed, but systemd has not reloaded it")
        state = values.get("UnitFileState", "")
        if values.get("Id") == TIMER_UNIT and state != "enabled":
            masked = state.startswith("masked")
            what = f"is masked; run 'systemctl unmask {TIMER_UNIT}'" if masked else "is not enabled"
            yield Difference(TIMER, TIMER_UNIT, what)
        if values.get("Id") == TIMER_UNIT and values.get("ActiveState") != "active":
            yield Difference(TIMER, TIMER_UNIT, "is not started")


# What a host is, and whether it can use what it is given


def family(override: str) -> families.Family:
    """The family of distributions that this host is of, or the one that is given. Raises InputError."""
    content = reading.read_file(_OS_RELEASE, _OS_RELEASE, _LARGEST) or b""
    values = families.read_os_release(content.decode("utf-8", "replace"))
    found = families.family_of(values, override)
    if found is None:
        raise InputError(families.refusal(values))
    return found


def lacks_cryptography(python: str, run: Run) -> bool:
    """Whether the Python of the program has no ``cryptography``."""
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        return importlib.util.find_spec("cryptography") is None
    return run([python, "-I", "-c", "import cryptography"])[0] != 0


def obstacles(wanted: Wanted) -> t.Iterator[str]:
    """What is in the place of a folder or a file and cannot be replaced without harm. Links to files can."""
    for folder in wanted.folders:
        status = _status(folder)
        if status is None and os.path.lexists(folder["path"]):
            yield f"{folder['path']} is a dangling symbolic link where a folder belongs; move it away"
        elif status is not None and not stat.S_ISDIR(status.st_mode):
            yield f"{folder['path']} is {_kind(status.st_mode)}, where a folder belongs; move it away"
    for file in for_this_host(wanted.files, has_systemd()):
        status = _status(file)
        if status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
            yield f"{file['path']} is {_kind(status.st_mode)}, where a file belongs; move it away"
        elif file["init"] and os.path.realpath(file["path"]) == os.devnull:
            unit = os.path.basename(file["path"])
            yield f"{unit} is masked, so it cannot be started; run 'systemctl unmask {unit}' first"


def problems(given: Values, root: str, found: t.Sequence[Difference], run: Run) -> t.Iterator[str]:
    """Why this host cannot use what it is given."""
    if not given["part"]["certificates"]:
        yield from _say_empty(Layout(root), given["part"])
    if given["log_file"]:
        problem = log_problem(given["log_file"], given["account"]["name"])
        if problem:
            yield problem
    # What is in place has been read by systemd.
    if has_systemd() and any(os.path.basename(one.path) == TIMER_UNIT and one.part == SETTINGS for one in found):
        yield from time_problems(given["times"], run)
    elif not has_systemd() and given["job_problem"]:
        yield given["job_problem"]


def access_faults(given: t.Iterable[Values]) -> t.Iterator[Fault]:
    """Users and groups that are to read keys and are not on this host; ``given`` are {name, owner, group}."""
    for one in given:
        for problem in sets.find_access(one["owner"], one["group"])[2]:
            yield Fault(one["name"], f"{one['name']}: {problem}")


def service_faults(given: t.Iterable[Values], run: Run) -> t.Iterator[Fault]:
    """Services that are not on this host; ``given`` are {service, names of its certificates, problem}."""

    def ask(command: t.Iterable[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        return run(list(command))

    for one in given:
        if not is_known(configured(one["service"]), ask):
            yield from (Fault(name, f"{name}: {one['problem']}") for name in one["names"])


def _say_empty(layout: Layout, part: Values) -> t.Iterator[str]:
    """That a task gives no certificates, where it gave some: its variable may be misspelt. Raises InputError."""
    found = parts.load(layout, part["owner"])
    mine = parts.find(found, part["owner"]) or parts.Part(part["owner"])
    names = (
        list(shares.given_with(mine, shares.Turn(part["place"], part["turn"]))) if found else sets.live_names(layout)
    )
    if not names:
        return
    shown, way = join_words(names, most=_MOST_PLACES), "to remove all of them, set ocsp_stapling_state to absent"
    if {one.name for one in mine.certificates} - {*names}:
        # That would remove what other tasks of the owner have deployed as well.
        shown = f"{shown} from this task"
        way = (
            "to remove what only this task configures, delete the task or skip it on this host, and name the "
            "certificates in a task of certops.ocsp.certificate_set with state: absent"
        )
    yield f"ocsp_stapling_certificates is empty, but this host has {shown}; {way}"


def time_problems(times: t.Sequence[Values], run: Run) -> t.Iterator[str]:
    """What systemd would refuse only when it is in place; ``times`` are {option, kind, value}."""
    for one in times:
        code, output, errors = run(["systemd-analyze", one["kind"], "--", one["value"]])
        if code != 0:
            said = (errors.strip() or output.strip()).splitlines()
            yield f"systemd rejects {one['option']}: {said[0] if said else one['value']}. See systemd.time(7)"


def interval_to_come(wanted: Wanted, given: Values, found: t.Sequence[Difference], run: Run) -> int:
    """The most seconds between two runs of the program, where its timer or job is to change; otherwise 0."""
    if has_systemd():
        if not any(one.part == TIMER or os.path.basename(one.path) == TIMER_UNIT for one in found):
            return 0
        calendar = next(one["value"] for one in given["times"] if one["kind"] == "calendar")
        runs = timetable.of_calendar(run, calendar, timedelta(seconds=given["delay"]))
    else:
        jobs = [file for file in wanted.files if file["init"] is False]
        if not any(one.path == job["path"] for one in found for job in jobs):
            return 0
        runs = timetable.of_job(jobs[0]["content"], datetime.now(timezone.utc))
    return int(runs.interval.total_seconds()) if runs is not None else 0


def log_problem(path: str, account: str) -> str:
    """Why the folder of the log file cannot be one of the program's own, or an empty string.

    The program's user may write to that folder, and owns what is in it.
    """
    folder = os.path.dirname(path)
    if folder.startswith(f"{USUAL_LOGS}/"):
        return log_refusal(path)
    try:
        owner = sets.name_of(pwd.getpwuid, os.lstat(folder).st_uid)
    except OSError:
        return ""
    return "" if folder == USUAL_LOGS or owner == account else log_refusal(path)


def log_refusal(path: str) -> str:
    """The sentence about a log file that has no folder of its own."""
    return (
        f"ocsp_stapling_log_file is {path}, but {os.path.dirname(path) or 'its folder'} cannot be reserved for the "
        f"program; choose a folder that does not exist yet, for example {USUAL_LOGS}/{os.path.basename(path)}"
    )


class Answer(t.NamedTuple):
    """What the program says: why it would refuse a configuration, how all is, and which certificates are revoked.

    ``owners`` are those who have certificates on the host already.
    """

    refused: str = ""
    status: str = ""
    revoked: t.Tuple[str, ...] = ()
    owners: t.Tuple[str, ...] = ()


def asked(program: str, root: str, configuration: str, part: Values, run: Run) -> Answer:
    """Ask the program about a configuration and the part of an owner; what conf.d and other owners add is there, too.

    It is given a copy, and a command that has no effect. If it refuses the files in place, as others can write to them,
    the status is that.
    """
    with tempfile.TemporaryDirectory(prefix="ocsp-stapling-") as folder:
        path = os.path.join(folder, "config.json")
        _write_privately(path, configuration)
        for name in ("conf.d", "live"):
            os.symlink(os.path.join(root, name), os.path.join(folder, name))
        owners = _link_parts(Layout(root), Layout(folder), part)
        found, problem = _ask_status(program, path, run)

    def told(text: str) -> str:
        return _CREDENTIALS.sub("//***@", text.replace(folder, root)).replace("; nothing was done", "").strip()

    if found is None:
        return Answer(told(problem))
    in_place = os.path.join(root, "config.json")
    if any(map(_is_exposed, (in_place, *(parts.path(Layout(root), owner) for owner in owners)))):
        real = _ask_status(program, in_place, run)[0]
        found["summary"] = real["summary"] if real is not None and real["refused"] else found["summary"]
    revoked = (name for name, one in found["certificates"].items() if one["trouble"] == "revoked")
    return Answer(told(found["refused"]), told(found["summary"]), tuple(sorted(revoked)), owners)


def _ask_status(program: str, configuration: str, run: Run) -> t.Tuple[t.Optional[t.Dict[str, t.Any]], str]:
    """What the program says with ``status --json``, or None and what it says instead."""
    quiet = ["--journal-socket", os.devnull, "--syslog-socket", os.devnull, "--json"]
    code, output, errors = run([program, "status", "--config", configuration, *quiet])
    with contextlib.suppress(ValueError):
        if code in (0, 1, 2):
            return json.loads(output), ""
    return None, errors or output or f"{program} ended with {code}"


def _is_exposed(path: str) -> bool:
    """Whether other users than root can write to a file of the configuration, so that the program refuses it."""
    try:
        return tenants.writer(os.stat(path)) is not None
    except OSError:
        return False


def _write_privately(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as handle:
        handle.write(text)


def _link_parts(there: Layout, here: Layout, part: Values) -> t.Tuple[str, ...]:
    """Have the parts of other owners here, and this one with all that it had: another inclusion may give that.

    One that others can write to is copied: the run of its owner corrects that, which the others must not be kept from.
    Returns who has a part there.
    """
    mine, before = parts.parse(json.loads(part["text"])), None
    os.mkdir(os.path.join(here.root, parts.FOLDER), 0o700)
    found = parts.load(there, part["owner"])
    for other in found:
        if other.owner == part["owner"]:
            before = other
            continue
        put = shutil.copyfile if _is_exposed(parts.path(there, other.owner)) else os.symlink
        put(parts.path(there, other.owner), parts.path(here, other.owner))
    merged = shares.merge(mine, before, shares.Turn(is_known=False), claimed={})
    _write_privately(parts.path(here, mine.owner), parts.dump(merged))
    return tuple(one.owner for one in found)


def _is_lost(folder: str, problems: t.List[str]) -> bool:
    """Whether a folder is not there by the will of another user, which is added to ``problems``.

    Raises InputError where it is not there for another reason, such as a slip of the pen.
    """
    try:
        status = _status({"path": folder, "follow": True})
        if status is not None and stat.S_ISDIR(status.st_mode):
            return False
        by_others = _is_below_others(folder)
    except FileError:  # as where its owner has mounted something over it that only that user can enter
        by_others = True
    if not by_others:
        raise InputError(f"ocsp_stapling_scan: there is no folder {folder} on this host")
    problems.append(f"there is no folder {folder} that root can search; what is deployed of it stays as it is")
    return True


def _is_below_others(path: str) -> bool:
    """Whether other users than root can write to the folder that a path is missing in. Raises FileError."""
    status = None
    while status is None and path != os.path.dirname(path):
        path = os.path.dirname(path)
        status = _status({"path": path, "follow": True})
    return status is not None and tenants.writer(status) is not None


# Installing


def install(module: AnsibleModule, wanted: Wanted, found: t.Sequence[Difference], parts: t.Container[str]) -> None:
    """Repair the differences in some parts. Raises FileError, and fails by the module for owners that are not there."""
    differing = {one.path for one in found if one.part in parts}
    for folder in wanted.folders:
        if folder["path"] in differing:
            _make_folder(module, folder)
    if wanted.library["path"] in differing:
        _replace_library(module, wanted.library)
    for file in for_this_host(wanted.files, has_systemd()):
        if file["path"] in differing:
            _write(module, file)
    for one in wanted.unwanted:
        if one["path"] in differing:
            with _failing(one["path"]):
                os.unlink(one["path"])


def _make_folder(module: AnsibleModule, wanted: Values) -> None:
    with _failing(wanted["path"]):
        os.makedirs(wanted["path"], mode=0o755, exist_ok=True)
    _set_access(module, wanted["path"], wanted)


def _write(module: AnsibleModule, wanted: Values) -> None:
    """Put a file in place as a whole; it is never there with less secrecy than it should have."""
    descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(wanted["content"].encode())
    _set_access(module, temporary, wanted)
    with _failing(wanted["path"]):
        if os.path.islink(wanted["path"]):
            os.unlink(wanted["path"])
        os.makedirs(os.path.dirname(wanted["path"]), mode=0o755, exist_ok=True)
    module.atomic_move(temporary, wanted["path"], keep_dest_attrs=False)
    _set_access(module, wanted["path"], wanted)


def _set_access(module: AnsibleModule, path: str, wanted: Values) -> None:
    arguments = {"path": path, "owner": wanted["owner"], "group": wanted["group"], "mode": wanted["mode"]}
    arguments.update(attributes=None, seuser=None, serole=None, setype=wanted.get("setype"), selevel=None)
    module.set_fs_attributes_if_different(module.load_file_common_arguments(arguments, path=path), False)


def _replace_library(module: AnsibleModule, wanted: Values) -> None:
    """Put a whole new library in place, so that no run of the program meets parts of two versions."""
    path = wanted["path"]
    new, old = f"{path}.new", f"{path}.old"
    with _failing(path):
        for leftover in (new, old):
            _remove(leftover)
        os.makedirs(new, mode=0o755)
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(wanted["archive"])), mode="r:gz") as archive:
            for name in wanted["digests"]:
                _unpack(archive, name, new)
        if os.path.lexists(path):
            os.rename(path, old)
        os.rename(new, path)
        _remove(old)


def _remove(path: str) -> None:
    """Remove a folder with all that is in it, or the link or file in its place."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _unpack(archive: tarfile.TarFile, name: str, folder: str) -> None:
    member = archive.extractfile(name)
    content = member.read() if member is not None else b""
    full = os.path.join(folder, name)
    os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
    with open(full, "xb") as handle:
        handle.write(content)
    os.chmod(full, 0o644)


@contextlib.contextmanager
def _failing(path: str) -> t.Iterator[None]:
    """Turn what the system refuses into one sentence about a path."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from None


def summary(mended: t.Sequence[Difference], check: bool) -> str:
    """What happened, or with ``check`` would happen, in one sentence."""
    if not mended:
        return "everything is as it should be"
    named = {one.path: one.what[len(_DIFFERENT) :] for one in mended if one.what.startswith(_DIFFERENT)}
    absent = {one.path for one in mended if one.what.startswith((_MISSING, _NO_SUCH))}
    said = []
    for verb, is_new in (("created", True), ("repaired", False)):
        paths = dict.fromkeys(one.path for one in mended if (one.path in absent) is is_new)
        places = [f"{path}{named.get(path, '')}" for path in paths]
        more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
        if places:
            said.append(f"{'would be ' if check else ''}{verb}: {', '.join(places[:_MOST_PLACES])}{more}")
    return "; ".join(said)


def shown_difference(wanted: Wanted, found: t.Iterable[Difference]) -> t.List[t.Dict[str, str]]:
    """What ``--diff`` shows: the contents of plain files, and sentences about all else."""
    contents = {file["path"]: file["content"] for file in wanted.files}
    shown = []
    for one in found:
        if one.path in contents and (one.what == _MISSING or one.what.startswith(_DIFFERENT)):
            before = (content_of(one.path) or b"").decode("utf-8", "replace")
            headers = {"before_header": one.path, "after_header": one.path}
            shown.append({**headers, "before": before, "after": contents[one.path]})
        else:
            shown.append({"prepared": f"{one.path} {one.what}\n"})
    return shown
