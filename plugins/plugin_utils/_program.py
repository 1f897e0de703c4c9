# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the program ocsp-stapling should consist of on a host, made from the options of ``stapling_program``."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import typing as t
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.certops.ocsp.plugins.module_utils._program import PROGRAM, SETTINGS, log_refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import families
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import unknown_service
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import check_limits, did_you_mean
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import RUN_LIMITS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import apache
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import FOLDER as SNIPPETS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import NAMES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import timetable
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import configured, name_problem
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts

from . import _cron, _groups, _owner

_COLLECTION = Path(__file__).resolve().parents[2]
ROLE = _COLLECTION / "roles" / "ocsp_stapling"
#: What the templates of the role name beside ``template_variables``.
HOST_VARIABLES = ("ansible_managed", "inventory_hostname")
#: The packages of the library, by the names that they have on hosts.
_PACKAGES = {
    Path("ocsp"): _COLLECTION / "plugins" / "module_utils" / "ocsp",
    Path("ocsp_stapling"): ROLE / "files" / "ocsp_stapling",
}
#: Folders and modules of the core that the program does not import.
NOT_ON_HOSTS = (
    "families",
    "renewal",
)
#: The options about the whole host, which all who include the role for it have to set alike.
HOST_SETTINGS = (
    "apache_port",
    "backup_count",
    "fetch_from",
    "log_file",
    "per_responder",
    "timer",
    "timer_delay",
    "workers",
)
_PREFIX = "ocsp_stapling_"
_UNIT_FOLDER = "/etc/systemd/system"
_CRON_FILE = "/etc/cron.d/ocsp-stapling"
_LOG_FILE = re.compile(r"/[^{}% ]*/[^/]+")

Values = t.Mapping[str, t.Any]
Render = t.Callable[[str], str]


def wanted(
    options: Values, turn: Values, entries: t.Sequence[_groups.Entry], render: Render, complete: bool
) -> dict[str, t.Any]:
    """What the module of the same name is to compare with its host.

    ``options`` are those of the module, and ``entries`` are the certificates that ``turn`` gives, which has ``owner``,
    ``place`` and ``turn`` as for ``certificate_set``. ``render`` fills in a template of the role. With ``complete`` the
    library itself is in it, and not its digests alone.
    """
    job = _job(options)
    text = json.dumps({"version": 1, **_settings(options)}, indent=4, sort_keys=True) + "\n"
    part = _groups.part(turn["owner"], entries, options["options"], _groups.service_settings(options["services"]))
    sources = library()
    return {
        "account": {"name": options["user"], "home": options["state_path"]},
        "folders": list(_folders(options)),
        "files": [
            *_program_files(options),
            *_setting_files(options, text, render),
            *_hook_files(options, render),
        ],
        "unwanted": [
            {"part": SETTINGS, "path": file["path"], "hook": hook}
            for hook, files in options["hook_files"].items()
            for file in files
            if hook not in options["renewal_hooks"]
        ],
        "library": {
            "path": options["library"],
            "digests": {name: hashlib.sha256(content).hexdigest() for name, content in sources.items()},
            "archive": pack(sources) if complete else None,
        },
        "configuration": f"{options['root']}/config.json",
        "times": _times(options),
        "job_problem": job.problem,
        "delay": job.delay,
        "log_file": options["log_file"],
        "access": [
            {"name": one["name"], "owner": one["owner"], "group": one["group"]}
            for one in entries
            if {one.get("owner", "root"), one.get("group", "root")} != {"root"}
        ],
        "services": list(_unknown_services(entries, options["services"])),
        "partial": False,
        "part": {**turn, "certificates": _number_of(part, options), "text": parts.dump(part)},
    }


def _unknown_services(entries: t.Iterable[_groups.Entry], described: Values) -> t.Iterator[dict[str, t.Any]]:
    """The services that only the host may know, with their certificates, and with what to say where it does not."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in entries:
        for service in one.get("services", ()):
            # One that cannot be a name is said to be so when certificates are looked at.
            if service not in NAMES and service not in described and not name_problem(service):
                names[service].append(one["name"])
    for service, certificates in names.items():
        problem = f"reload: {unknown_service(service, described, 'ocsp_stapling_services')}"
        yield {"service": service, "names": certificates, "problem": problem}


def _number_of(part: parts.Part, options: t.Mapping[str, t.Any]) -> int:
    """How many certificates an owner gives, at least one where it may give none: none at all is taken for a slip."""
    number = len(part.certificates) + len(options["missing"])
    return max(number, 1) if options.get("may_be_empty") else number


def unknown_variables(variables: t.Iterable[str], role: str = ROLE.name) -> list[str]:
    """What is wrong with the names of variables that begin as those of a role do."""
    specs = yaml_load((_COLLECTION / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    known = specs["argument_specs"]["main"]["options"]
    return [
        f"{name} is not a variable of the role; {_groups.variable_meant(name) or did_you_mean(name, known)}"
        for name in sorted(variables)
        if name.startswith(f"{role}_") and name not in known and not name.startswith(_groups.MORE)
    ]


def faults(options: Values, owner: str) -> list[str]:
    """What is wrong with the options, as far as that can be told without the host."""
    return [*owner_faults(owner), *_faults_by_option(options).values()]


def owner_faults(owner: str) -> list[str]:
    """What is wrong with the name of an owner."""
    found = []
    try:
        parts.check_owner(owner)
    except OcspError as error:
        found.append(error.message)
    if owner in (parts.FORMER, _owner.ALL):
        found.append(f"ocsp_stapling_owner: {owner} is a reserved name; choose another one")
    return found


def _faults_by_option(options: Values) -> dict[str, str]:
    found = {}
    for name, limits in RUN_LIMITS.items():
        try:
            check_limits(f"{_PREFIX}{name}", options[name], limits)
        except OcspError as error:
            found[name] = error.message
    log, family = options["log_file"], options["os_family"]
    if log and not _LOG_FILE.fullmatch(log):
        found["log_file"] = log_refusal(log)
    if family and family not in families.NAMES:
        found["os_family"] = f"{families.OVERRIDE}: '{family}' is not one of {', '.join(families.NAMES)}"
    return found


def usable(options: Values, defaults: Values) -> dict[str, t.Any]:
    """The options with defaults in place of those of which ``faults`` tells, and without unknown hooks.

    For a question to the host about all else.
    """
    hooks = [hook for hook in options["renewal_hooks"] if hook in options["hook_files"]]
    return {**options, **{name: defaults[name] for name in _faults_by_option(options)}, "renewal_hooks": hooks}


def renewal_faults(options: Values, entries: t.Iterable[_groups.Entry]) -> t.Iterator[Fault]:
    """What is wrong with certificates that are renewed on the host, and with hooks for that."""
    for hook in options["renewal_hooks"]:
        if hook not in options["hook_files"]:
            meant = did_you_mean(hook, options["hook_files"])
            yield Fault("", f"ocsp_stapling_renewal_hooks: {hook} is not known; {meant}")
    for name in dict.fromkeys(one["name"] for one in entries if one.get("renewed_by") and one["staple"]):
        if options["fetch_from"] == "controller":
            yield Fault(
                name,
                f"{name}: what is renewed on the host needs ocsp_stapling_fetch_from: host, since the controller cannot"
                " fetch a response for a new certificate at that time; or set staple to false",
            )


def host_settings(
    options: Values, entries: t.Iterable[_groups.Entry], wrong: t.Container[str] = ()
) -> dict[str, t.Any]:
    """What is set for the whole host, whoever includes the role, without what is ``wrong`` or out of its limits.

    The port of Apache is set by who has certificates for Apache, and by no other.
    """
    left_out = set(_faults_by_option(options))
    if not _is_any_for(apache.NAME, options, entries):
        left_out.add("apache_port")
    return {name: options[name] for name in HOST_SETTINGS if name not in wrong and name not in left_out}


def _is_any_for(kind: str, options: Values, entries: t.Iterable[_groups.Entry]) -> bool:
    """Whether a certificate is for a server of a kind. What is wrong with services is told elsewhere."""
    names = {name for one in entries for name in one.get("services") or ()}
    described = options["services"]
    kinds = {name: (described.get(name) or {}).get("kind") or configured(name).kind for name in names}
    return kind in kinds.values()


def deployment(options: Values) -> dict[str, t.Any]:
    """How the program on the host is to deploy what is renewed there, where that is not the default."""
    given = {"hooks": sorted(set(options["renewal_hooks"]))} if options["renewal_hooks"] else {}
    return given if options["verify"] else {**given, "verify": False}


def template_variables(options: Values) -> dict[str, t.Any]:
    """What the templates of the role name, from the options: they are filled in without the role as well."""
    names = {
        "__ocsp_stapling_libexec": "libexec",
        "__ocsp_stapling_program": "program",
        "__ocsp_stapling_root": "root",
        "__ocsp_stapling_state": "state_path",
        "__ocsp_stapling_user": "user",
        **{f"{_PREFIX}{name}": name for name in ("log_file", "timer", "timer_delay", "workers")},
    }
    job = _job(options)
    given = {variable: options[option] for variable, option in names.items()}
    if job.is_capped:
        given[f"{_PREFIX}timer_delay"] = f"{job.delay}s"
    return {**given, "__ocsp_stapling_job": job.fields, "__ocsp_stapling_delay": job.delay}


def library() -> dict[str, bytes]:
    """The modules that run on hosts, by their paths in the library."""
    left = {Path("ocsp", name) for name in NOT_ON_HOSTS}
    return {
        str(name): path.read_bytes()
        for package, folder in _PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
        for name in [package / path.relative_to(folder)]
        if not left & {name.with_suffix(""), *name.parents}
    }


def pack(sources: t.Mapping[str, bytes]) -> str:
    """The same octets for the same sources, as Base64 of a tar.gz."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sources.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return base64.b64encode(packed.getvalue()).decode("ascii")


def _settings(options: Values) -> dict[str, t.Any]:
    return {
        "workers": options["workers"],
        "per_responder": options["per_responder"],
        "backup_count": options["backup_count"],
        "log_file": options["log_file"] or None,
        "fetch": options["fetch_from"] == "host",
    }


def _folders(options: Values) -> t.Iterator[dict[str, t.Any]]:
    root, state, user = options["root"], options["state_path"], options["user"]
    owners = {
        root: "root",
        f"{root}/conf.d": "root",
        f"{root}/{parts.FOLDER}": "root",
        state: "root",
        f"{state}/metrics": "root",
        f"{state}/pending": "root",
        f"{state}/proofs": "root",
        f"{state}/renewals": "root",
        f"{state}/responses": user,
    }
    # What is made when there is something to be in it.
    optional = [f"{root}/{name}" for name in ("live", "sets", SNIPPETS)]
    optional += [f"{state}/{name}" for name in ("attempts", "replaced")]
    owners.update(dict.fromkeys(optional, "root"))
    if options["log_file"]:
        owners[os.path.dirname(options["log_file"])] = user
    for path, owner in owners.items():
        follow = path != os.path.dirname(options["log_file"])
        access = {"owner": owner, "group": owner, "mode": "0755"}
        yield {"part": PROGRAM, "path": path, **access, "follow": follow, "optional": path in optional}


def _program_files(options: Values) -> t.Iterator[dict[str, t.Any]]:
    content = (ROLE / "files" / "ocsp-stapling").read_text(encoding="utf-8")
    yield _file(PROGRAM, options["program"], content, mode="0755")


def _setting_files(options: Values, configuration: str, render: Render) -> t.Iterator[dict[str, t.Any]]:
    yield _file(SETTINGS, f"{options['root']}/config.json", configuration)
    for unit in options["units"]:
        yield _file(SETTINGS, f"{_UNIT_FOLDER}/{unit}", render(f"{unit}.j2"), init=True)
    yield _file(SETTINGS, _CRON_FILE, render("ocsp-stapling.cron.j2"), init=False)


def _hook_files(options: Values, render: Render) -> t.Iterator[dict[str, t.Any]]:
    for hook in options["renewal_hooks"]:
        for file in options["hook_files"][hook]:
            yield _file(SETTINGS, file["path"], render(f"hooks/{file['template']}.j2"), file["mode"])


def _file(part: str, path: str, content: str, mode: str = "0644", init: bool | None = None) -> dict[str, t.Any]:
    access = {"owner": "root", "group": "root", "mode": mode}
    return {"part": part, "path": path, "content": content, "init": init, **access}


class _Job(t.NamedTuple):
    """When cron starts the program, with a delay of some seconds at most, or why it cannot do as systemd does."""

    fields: str = ""
    delay: int = 0
    is_capped: bool = False
    problem: str = ""


def _job(options: Values) -> _Job:
    try:
        fields, delay = _cron.fields(options["timer"]), _cron.most_seconds(options["timer_delay"])
    except OcspError as error:
        return _Job(problem=error.message)
    # A timer with a delay that is longer than the time between two runs leaves out runs.
    runs = timetable.of_job(f"{fields} root ", datetime.now(timezone.utc))
    longest = int(runs.interval.total_seconds() / 2) if runs is not None else delay
    return _Job(fields, min(delay, longest), delay > longest)


def _times(options: Values) -> list[dict[str, str]]:
    return [
        {"option": "ocsp_stapling_timer", "kind": "calendar", "value": options["timer"]},
        {"option": "ocsp_stapling_timer_delay", "kind": "timespan", "value": options["timer_delay"]},
    ]
