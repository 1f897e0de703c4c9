# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration: config.json, and parts/*.json and conf.d/*.json beside it, read, checked and merged.

    version        1
    defaults       options of ocsp_response for all certificates
    certificates   [{name, services, live, path, certificate_path, and any of those options}]
    services       {name: {kind, unit, test, reload, socket}}
    scan           [{folder, recursive, certificate, chain, root, response, services, and options}]
    workers, per_responder, backup_count, log_file
    interval       the longest time from one run to the next, where neither the timer nor the cron job says it
    fetch          false where responses are brought by others, so that no responder is asked

The role writes config.json and, for each user of the role, a part with its certificates and services (see ocsp.parts).
A certificate of several parts is one, with the services of all; one of config.json that a part has is the part's.
The defaults of a part hold for its own certificates, and for those of conf.d.

Files of conf.d are read in the order of their names. They add certificates, services and folders, and
their other keys count more than those of earlier files. Everything that cannot be used is refused
before anything is done, with its file, line and key.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
import typing as t
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ocsp.errors import InputError
from ocsp.options import table
from ocsp.options.parse import check_options, did_you_mean
from ocsp.servers.table import SERVERS
from ocsp.services.control import COMMANDS, Service, configured, name_problem, read_command
from ocsp.store import parts, proofs, scan, sets, tenants
from ocsp.store.sets import Layout
from ocsp.text import bounded, clean, parse_duration

from . import whose
from .json_lines import ConfigError, Document, Path, Unreadable, parse

DEFAULT_PATH = os.path.join(Layout().root, "config.json")
DEFAULT_STATE = Layout().state

#: The exit codes of a run with a defect, for which something could not be read or written, or beside another run.
SOFTWARE, IO_ERROR, TEMPORARY = 70, 74, 75

_LARGEST = 64 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)

Check = t.Callable[[t.Any], str]
Values = t.Mapping[str, t.Any]


def _is(kind: t.Union[type, t.Tuple[type, ...]], wanted: str) -> Check:
    def check(value: t.Any) -> str:
        if isinstance(value, bool) and kind is not bool:
            return f"must be {wanted}"
        return "" if isinstance(value, kind) else f"must be {wanted}"

    return check


def _texts(value: t.Any) -> str:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return ""
    return "must be a list of strings"


def _service_names(value: t.Any) -> str:
    """They become names of files, too."""
    return _texts(value) or next(filter(None, map(name_problem, value)), "")


def _path(value: t.Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        return "must be an absolute path"
    return ""


def _whole(lowest: int, highest: int) -> Check:
    def check(value: t.Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return ""
        return f"must be a whole number from {lowest} to {highest}"

    return check


def _command(value: t.Any) -> str:
    try:
        read_command(value)
    except InputError as error:
        return error.message
    return ""


def _mask(value: t.Any) -> str:
    if isinstance(value, str) and scan.is_mask(value):
        return ""
    return "must be a file name with {domain} in it"


def _version(value: t.Any) -> str:
    return "" if value == 1 and value is not True else "is not supported by this program, which reads version 1"


def _name(value: t.Any) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return ""
    return "must consist of letters, digits, dots, dashes and underscores"


_text, _flag, _number = _is(str, "a string"), _is(bool, "true or false"), _is((int, float), "a number")
_object, _list = _is(dict, "an object"), _is(list, "a list")

_KINDS = {"bool": _flag, "float": _number, "list": _texts, "path": _path, "str": _text}


def _check_of(option: table.Option) -> Check:
    if option.kind == "int" and option.limits is not None:
        return _whole(option.limits.lowest, option.limits.highest)
    return _KINDS[option.kind]


def _checks_of(user: str) -> t.Dict[str, Check]:
    return {name: _check_of(table.OPTIONS[name]) for name in table.names_of(user)}


#: The options of ocsp_response that a host program has a use for.
_OPTIONS = _checks_of(table.PROGRAM)
_CERTIFICATE = {**_OPTIONS, "name": _name, "path": _path, "live": _path, "services": _service_names}
#: What the role writes of a certificate beside that, for itself.
_PART_CERTIFICATE = {
    **_CERTIFICATE,
    "staple": _flag,
    "dropped": _flag,
    "agreed": _object,
    "since": _whole(0, 2**53),
    "renewed_by": _object,
}
_SCAN = {
    **_OPTIONS,
    "folder": _path,
    "recursive": _flag,
    "services": _service_names,
    **dict.fromkeys((kind for kind in scan.MASKS if kind != "private_key"), _mask),
}
_SERVICE: t.Dict[str, Check] = {
    "kind": _text,
    "unit": _text,
    "test": _command,
    "reload": _command,
    "socket": _path,
}
_TOP: t.Dict[str, Check] = {
    "version": _version,
    "defaults": _object,
    "certificates": _list,
    "services": _object,
    "scan": _list,
    **_checks_of(table.PROGRAM_RUN),
    "backup_count": _whole(*table.RUN_LIMITS["backup_count"][:2]),
    "log_file": _path,
    "interval": _text,
    "fetch": _flag,
}
_PART: t.Dict[str, Check] = {
    "version": _version,
    "owner": _text,
    "came": _whole(0, 2**53),
    "deployment": _object,
    "shares": _list,
    "program": _object,
    "defaults": _object,
    "certificates": _list,
    "services": _object,
}
#: What is told of one folder: whoever may write into it must not fill logs.
_MOST_PROBLEMS = 5
#: What is told of all folders, in the record of a run: so many problems, and so many characters.
_MOST_TOLD, _LONGEST_PROBLEM = 3, 1000
#: What may be null, which means its default.
_NULLABLE = {*_OPTIONS, *_SERVICE, "log_file", "live", "path", "services"}


def _in_set(live: str) -> str:
    return os.path.join(live, "fullchain.pem")


@dataclass(frozen=True)
class Entry:
    """One certificate: the options for the core, and where its staple goes.

    ``live`` is the folder that servers read, and None where they read ``path`` itself. ``where`` says where
    it was configured. ``dropped``: its owners no longer give it, and it stays until no server needs it. ``found``: a
    search found it, so that there may be any number of these, which cost any effort.
    """

    name: str
    values: Values
    live: t.Optional[str]
    services: t.Tuple[str, ...]
    where: str
    dropped: bool = False
    found: bool = False

    @property
    def path(self) -> str:
        return str(self.values["path"])

    @property
    def undeployed(self) -> str:
        """Why there is no certificate yet that a server could use, as one sentence, or an empty string."""
        in_set = self.live is not None and self.values.get("certificate_path") == _in_set(self.live)
        if not in_set or os.path.lexists(str(self.live)):
            return ""
        return f"it is not deployed: there is no {self.live}; run the playbook, which deploys it or says why it cannot"


@dataclass(frozen=True)
class Folders:
    """Where the program keeps what, below its two folders."""

    root: str = os.path.dirname(DEFAULT_PATH)
    state: str = DEFAULT_STATE

    @property
    def responses(self) -> str:
        return os.path.join(self.state, "responses")

    @property
    def record(self) -> str:
        return os.path.join(self.responses, "refresh.json")

    def proof(self, name: str) -> str:
        """The file of refresh for the response that says that a certificate is revoked."""
        return os.path.join(self.responses, proofs.file_name(name))

    @property
    def proofs(self) -> str:
        """The folder of what root remembers of these."""
        return os.path.dirname(self.kept_proof("any"))

    def kept_proof(self, name: str) -> str:
        return Layout(self.root, self.state).proof(name)

    @property
    def state_file(self) -> str:
        return os.path.join(self.state, "state.json")

    @property
    def starts(self) -> str:
        return os.path.join(self.state, "starts.json")

    @property
    def metrics(self) -> str:
        return os.path.join(self.state, "metrics", "ocsp_stapling.prom")


@dataclass(frozen=True)
class Config:
    """All that was configured.

    ``problems`` are sentences about what some certificates may be missing for, such as folders that cannot be searched.
    ``problems_of_users`` are those that are up to the users whose files and folders these are.
    """

    folders: Folders = Folders()
    certificates: t.Tuple[Entry, ...] = ()
    services: t.Mapping[str, Service] = field(default_factory=dict)
    workers: int = table.OPTIONS["workers"].default
    per_responder: int = table.OPTIONS["per_responder"].default
    interval: timedelta = timedelta(hours=1)
    log_file: t.Optional[str] = None
    fetch: bool = True
    defaults: Values = field(default_factory=dict)
    problems: t.Tuple[str, ...] = ()
    problems_of_users: t.Tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        return Layout(self.folders.root, self.folders.state)

    @property
    def problem(self) -> str:
        """The first of the problems in one text, for the records of runs, which have limits."""
        return _in_one(self.problems)

    @property
    def problem_of_users(self) -> str:
        """The same of what is up to other users."""
        return _in_one(self.problems_of_users)

    def user_of(self, entry: Entry) -> str:
        """The other user than root whose a certificate is, by name, or an empty string for the operator's own."""
        path = entry.values.get("certificate_path")
        with contextlib.suppress(Exception):  # what fails here must not keep it, nor others, from being treated
            if entry.live is not None and path == _in_set(entry.live):
                return whose.name(whose.of_set(entry.live))
            if isinstance(path, str):
                return whose.name(whose.of_file(path, whose.fetcher(self.folders.responses)))
        return ""

    def entry(self, name: str, services: t.Iterable[str]) -> Entry:
        """A certificate that is live but not configured, as if it were."""
        return _entry(self.folders, self.defaults, self.services, name, {"services": services}, "")

    def known_entry(self, name: str, services: t.Iterable[str]) -> Entry:
        """A certificate as it is configured, or else as if it were, for these services."""
        return next((one for one in self.certificates if one.name == name), None) or self.entry(name, services)

    def service(self, name: str) -> Service:
        return self.services.get(name) or configured(name)

    def kinds(self, services: t.Iterable[str]) -> t.List[t.Optional[str]]:
        return [self.service(name).kind for name in services]


def _in_one(problems: t.Sequence[str]) -> str:
    return clean("; ".join(bounded(problems, _MOST_TOLD)), _LONGEST_PROBLEM)


def _one_of_each(problems: t.Mapping[int, t.Sequence[str]]) -> t.Tuple[str, ...]:
    """The problems of users, in turn: a few of all are told, and those of one user must not hide what others have."""
    rounds = itertools.zip_longest(*problems.values(), fillvalue="")
    return tuple(dict.fromkeys(problem for each in rounds for problem in each if problem))


def load(path: str = DEFAULT_PATH, state: str = DEFAULT_STATE) -> Config:
    """Read and check the whole configuration. Raises ConfigError."""
    folder = os.path.dirname(os.path.abspath(path))
    host, own, added = (
        _read(path),
        _read_all(os.path.join(folder, parts.FOLDER)),
        _read_all(os.path.join(folder, "conf.d")),
    )
    for document in (host, *added):
        _check(document, _TOP, _CERTIFICATE)
    for document in own:
        _check(document, _PART, _PART_CERTIFICATE)
    return _merge(host, own, added, Folders(folder, state))


def _read_all(folder: str) -> t.List[Document]:
    """The files of a folder in the order of their names."""
    names = _names_in(folder) if os.path.isdir(folder) else []
    shown = sorted(name for name in names if name.endswith(".json") and not name.startswith("."))
    return [_read(os.path.join(folder, name)) for name in shown]


def _names_in(folder: str) -> t.List[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise _unreadable(folder, error) from None


def _read(path: str) -> Document:
    try:
        with open(path, "rb", opener=_open_at_once) as handle:
            _check_owner(path, os.fstat(handle.fileno()))
            data = handle.read(_LARGEST)
        text = data.decode("utf-8")
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8") from None
    return parse(text, path)


def _unreadable(path: str, error: OSError) -> ConfigError:
    denied = error.errno == errno.EACCES
    hint = "; the user ocsp-stapling, and the user who runs this command, must be able to read it" if denied else ""
    kind = Unreadable if denied else ConfigError
    return kind(f"{path}: the configuration cannot be read: {error.strerror}{hint}")


def _open_at_once(path: str, flags: int) -> int:
    """Open without blocking: a FIFO in the place of a file must not hang the run."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _check_owner(path: str, status: os.stat_result) -> None:
    """Refuse what others could write, since it says which commands root runs."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path}: this is not a regular file")
    if os.geteuid() == 0 and tenants.writer(status) is not None:
        raise ConfigError(f"{path}: users other than root can write to this file; run chown root and chmod go-w on it")


def _check(document: Document, top: t.Mapping[str, Check], certificate: t.Mapping[str, Check]) -> None:
    """Check all of one file by itself."""
    if not isinstance(document.value, dict):
        raise document.fail((), "the configuration must be an object, {...}")
    _check_keys(document, (), document.value, top)
    _check_options(document, ("defaults",), _given(document.value, "defaults", {}), _OPTIONS)
    _check_interval(document)
    for index, entry in enumerate(_given(document.value, "certificates", [])):
        _check_options(document, ("certificates", index), entry, certificate)
        if "name" not in entry:
            raise document.fail(("certificates", index), "a certificate has no name")
    for index, entry in enumerate(_given(document.value, "scan", [])):
        _check_options(document, ("scan", index), entry, _SCAN)
        if "folder" not in entry:
            raise document.fail(("scan", index), "an entry of scan has no folder")
    for name, entry in _given(document.value, "services", {}).items():
        _check_service(document, name, entry)


def _given(values: Values, key: str, default: t.Any) -> t.Any:
    value = values.get(key)
    return default if value is None else value


def _check_keys(document: Document, path: Path, values: t.Any, known: t.Mapping[str, Check]) -> None:
    if not isinstance(values, dict):
        raise document.fail(path, f"{_shown(path)}: must be an object, {{...}}")
    for key, value in values.items():
        if key not in known:
            raise document.fail((*path, key), f"{_shown((*path, key))}: unknown key; {did_you_mean(key, known)}")
        problem = "" if value is None and key in _NULLABLE else known[key](value)
        if problem:
            raise document.fail((*path, key), f"{_shown((*path, key))}: {problem}")


def _check_options(document: Document, path: Path, values: t.Any, known: t.Mapping[str, Check]) -> None:
    _check_keys(document, path, values, known)
    try:
        check_options(values)
    except InputError as error:
        key = error.message.partition(":")[0]
        prefix = _shown(path)
        raise document.fail((*path, key), f"{prefix}.{error.message}") from None


def _check_interval(document: Document) -> None:
    if "interval" in document.value:
        try:
            length = parse_duration(document.value["interval"], "interval")
        except InputError as error:
            raise document.fail(("interval",), error.message) from None
        if not timedelta(minutes=1) <= length <= timedelta(days=7):
            raise document.fail(("interval",), "interval: must be from one minute to one week")


def _check_service(document: Document, name: str, entry: t.Any) -> None:
    path = ("services", name)
    if name_problem(name):
        raise document.fail(path, f"{_shown(path)}: {name_problem(name)}")
    _check_keys(document, path, entry, _SERVICE)
    try:
        configured(name, entry.get("kind"))
    except InputError as error:
        raise document.fail((*path, "kind"), f"{_shown(path)}.{error.message}") from None


def _shown(path: Path) -> str:
    """A key for a person: certificates[3].timeout."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def _merge(host: Document, own: t.Sequence[Document], added: t.Sequence[Document], folders: Folders) -> Config:
    settings: t.Dict[str, t.Any] = {}
    for document in (host, *added):
        settings.update({key: value for key, value in document.value.items() if value is not None})
    services = _services(host, own, added)
    builder = _Builder(folders, int(settings.get("backup_count", 0)), services)
    builder.add_parts(host, own, _defaults(added))
    defaults = _defaults([host, *own, *added])
    for document in (host, *added):
        builder.add(document, defaults, besides=builder.of_parts if document is host else ())
    # What is found comes last: whoever may write into a folder must not take the place of what was configured.
    builder.searches = sum(len(_given(document.value, "scan", [])) for document in (host, *added))
    for document in (host, *added):
        builder.add_found(document, defaults)
    return Config(
        folders=folders,
        certificates=tuple(builder.entries.values()),
        services=services,
        workers=settings.get("workers", Config.workers),
        per_responder=settings.get("per_responder", Config.per_responder),
        interval=parse_duration(settings.get("interval", "1h"), "interval"),
        log_file=settings.get("log_file"),
        fetch=settings.get("fetch", True),
        defaults=builder.complete(defaults),
        problems=tuple(dict.fromkeys(builder.problems)),
        problems_of_users=_one_of_each(builder.problems_of_users),
    )


def _defaults(documents: t.Iterable[Document]) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = {}
    for document in documents:
        found.update(_given(document.value, "defaults", {}))
    return found


def _services(host: Document, own: t.Sequence[Document], added: t.Sequence[Document]) -> t.Dict[str, Service]:
    """The services of all files. What several users of the role say of one, it has compared."""
    services: t.Dict[str, Service] = {}
    sources: t.Dict[str, str] = {}
    for number, document in enumerate((*own, host, *added)):
        for name, entry in _given(document.value, "services", {}).items():
            if name in services and number > len(own):
                raise document.fail(("services", name), f"the service {name} is already in {sources[name]}")
            given = {key: value for key, value in entry.items() if value is not None}
            given.update({key: read_command(given[key]) for key in COMMANDS if key in given})
            services.setdefault(name, configured(name, **given))
            sources.setdefault(name, _place(document, ("services", name)))
    return services


def _place(document: Document, path: Path) -> str:
    """Where something was configured, as its author calls it."""
    if "owner" in document.value:
        return f"ocsp_stapling_{path[0]} of {document.value['owner']}"
    return f"{document.source}, line {document.lines.get(path, 1)}"


class _Builder:
    """Makes entries of what the files say, and refuses names that stand twice."""

    def __init__(self, folders: Folders, backup_count: int, services: t.Mapping[str, Service]) -> None:
        self.folders = folders
        self.backup_count = backup_count
        self.services = services
        self.entries: t.Dict[str, Entry] = {}
        self.paths: t.Dict[str, Entry] = {}
        self.real_paths: t.Dict[str, Entry] = {}
        self.of_parts: t.Set[str] = set()
        self.found: t.Set[str] = set()
        self.searches = 0
        self.problems: t.List[str] = []
        self.problems_of_users: t.Dict[int, t.List[str]] = {}
        self.fetcher = whose.fetcher(folders.responses)
        self.real_folders: t.Dict[str, str] = {}

    def complete(self, defaults: Values) -> t.Dict[str, t.Any]:
        """Options that hold where a certificate has none of its own."""
        backup = {"backup": True, "backup_count": self.backup_count} if self.backup_count else {}
        return {**defaults, **backup}

    def add_parts(self, host: Document, own: t.Sequence[Document], added: Values) -> None:
        """The certificates of all parts, each name once with the services of all."""
        found: t.List[t.Tuple[Document, Path, t.Dict[str, t.Any]]] = [
            (document, ("certificates", index), given)
            for document in own
            for index, given in enumerate(_given(document.value, "certificates", []))
        ]
        self.of_parts = {given["name"] for _document, _path, given in found}
        kept = {given["name"] for _document, _path, given in found if not given.get("dropped")}
        first: t.Dict[str, t.Tuple[Document, Path, t.Dict[str, t.Any]]] = {}
        for document, path, given in found:
            if given.get("staple", True):
                values = {key: value for key, value in given.items() if key in _CERTIFICATE}
                _document, _path, known = first.setdefault(given["name"], (document, path, {**values, "services": []}))
                known["services"] += _given(given, "services", [])
        for document, path, values in first.values():
            defaults = {**_defaults([host, document]), **added}
            self._add(document, path, values["name"], values, defaults)
        for name in self.entries.keys() - kept:
            self.entries[name] = replace(self.entries[name], dropped=True)

    def add(self, document: Document, defaults: Values, besides: t.Container[str] = ()) -> None:
        """The certificates of another file but for some."""
        for index, given in enumerate(_given(document.value, "certificates", [])):
            if given["name"] not in besides:
                self._add(document, ("certificates", index), given["name"], given, defaults)

    def add_found(self, document: Document, defaults: Values) -> None:
        """The certificates in the folders of a file."""
        for index, given in enumerate(_given(document.value, "scan", [])):
            self._add_found_in(document, ("scan", index), given, defaults)

    def _add_found_in(self, document: Document, place: Path, given: Values, defaults: Values) -> None:
        """Those in one folder. Whoever may write into it must not keep the others from being looked at."""
        options = {key: value for key, value in given.items() if key in _OPTIONS}
        problems: t.Dict[t.Optional[int], t.List[str]] = {}

        def note(path: str, problem: str) -> None:
            problems.setdefault(whose.of_file(path, self.fetcher), []).append(problem)

        for found in scan.find(given, "certificate", note):
            name = self._name_of(found)
            problem = found.problem or self._known(name, found.paths["response"]) or self._led(found)
            if problem:
                note(found.paths["certificate"], problem)
                continue
            values = {**options, **_files_of(found), "live": None, "services": given.get("services")}
            self._add(document, place, name, values, defaults, found=True)
            self.found.add(name)
        for user, found_of in problems.items():
            told = self.problems if user is None else self.problems_of_users.setdefault(user, [])
            told += [f"{_place(document, place)}: {problem}" for problem in bounded(found_of, _MOST_PROBLEMS)]

    def _name_of(self, found: scan.Found) -> str:
        """What one that was found is called. One of the same name in another folder may be of another user.

        So may one that is live; where that is configured as well, ``_known`` says so. Where several folders are
        searched, what users have is called by its path: no user changes what that of another is called by having one of
        the same name, or the status would forget what it knew of it.
        """
        several = self.searches > 1 and not found.problem
        if several and whose.of_file(found.paths["certificate"], self.fetcher) is not None:
            return os.path.join(found.parent, found.domain)
        live = os.path.join(self.folders.root, "live", found.name)
        is_of_others = found.name in self.of_parts or os.path.lexists(live)
        if found.problem or not (is_of_others if found.name not in self.entries else found.name in self.found):
            return found.name
        return os.path.join(found.parent, found.domain)

    def _add(
        self, document: Document, place: Path, name: str, given: Values, defaults: Values, found: bool = False
    ) -> None:
        where = _place(document, place)
        entry = _entry(self.folders, self.complete(defaults), self.services, name, given, where)
        entry = replace(entry, found=found)
        problem = self._known(name, entry.path)
        if problem:
            raise document.fail((*place, "name"), problem)
        self.entries[name] = self.paths[entry.path] = self.real_paths[self._real(entry.path)] = entry

    def _known(self, name: str, path: str) -> str:
        """Why there cannot be another certificate of this name or path, or an empty string."""
        for known, what in ((self.entries.get(name), name), (self.paths.get(path), f"the path {path}")):
            if known is not None:
                return f"{what} is already in {known.where}; each may be listed only once"
        return ""

    def _led(self, found: scan.Found) -> str:
        """Why the path of a response is not its own: links lead to that of another certificate. Empty if it is."""
        path = found.paths["response"]
        known = self.real_paths.get(self._real(path))
        if known is None:
            return ""
        return f"{path} leads to the same file as {known.path}, which is already in {known.where}; remove the link"

    def _real(self, path: str) -> str:
        """A path without links, so that two that lead to one file are known to be alike."""
        folder, name = os.path.split(path)
        if folder not in self.real_folders:
            self.real_folders[folder] = tenants.where(folder)
        real = os.path.join(self.real_folders[folder], name)
        # No link that refresh has left is followed to its response.
        follows = folder != self.folders.responses and os.path.islink(real)
        return tenants.where(real) if follows else real


def _files_of(found: scan.Found) -> t.Dict[str, str]:
    """The options that name the files of a domain; a chain and a root need not be there."""
    paths = found.paths
    values = {"certificate_path": paths["certificate"], "path": paths["response"]}
    others = (("issuer_path", paths["chain"]), ("root_path", paths["root"]))
    return {**values, **{option: path for option, path in others if os.path.lexists(path)}}


def _entry(
    folders: Folders, defaults: Values, services: t.Mapping[str, Service], name: str, given: Values, where: str
) -> Entry:
    live = os.path.join(folders.root, "live", name)
    values = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    for key in ("name", "live", "services"):
        values.pop(key, None)
    users = tuple(dict.fromkeys(given.get("services") or ()))
    if "certificate_path" not in values and "certificate_content" not in values:
        folder = given.get("live") or live
        values["certificate_path"] = _in_set(folder)
        issuer = os.path.join(folder, sets.ISSUER_FILE)
        if os.path.lexists(issuer):  # which a root that issued the certificate itself has, as it is in no chain
            values.setdefault("issuer_path", issuer)
    values.setdefault("path", os.path.join(folders.responses, f"{name}.der"))
    kinds = (services[one].kind if one in services else one for one in users)
    reading = [kind for kind in kinds if kind is not None and kind in SERVERS and SERVERS[kind].staples]
    values.setdefault("server", sorted(set(reading)))
    return Entry(name, values, given.get("live", live), users, where)
