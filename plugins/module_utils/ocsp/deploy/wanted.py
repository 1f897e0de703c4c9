# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The certificates that a user wants deployed, from the plain values of a task: read, merged, and said by file."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass, field, replace

from ..errors import Fault, InputError, MissingError, OcspError, as_error_without_text
from ..names import server_name_problem
from ..options.parse import CERTIFICATE_LIMIT, check_options, did_you_mean
from ..options.table import SET, names_of
from ..servers.table import NAMES
from ..services.control import Services, name_problem
from ..store import origins, sets, tenants
from ..store.sets import Access
from ..text import join_words
from . import material, renewed
from .material import Sources
from .renewed import Source

#: The options of ``ocsp_response`` that can be given for a set, which hold for the hours between playbooks as well.
OPTION_NAMES = names_of(SET)
#: What a certificate consists of before it is deployed.
PARTS = tuple(sets.SOURCE_SUFFIXES)

Values = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Wanted:
    """One certificate as it should be deployed.

    ``kinds`` are the kinds of its services in their order, empty where unknown. ``options`` are those of
    ``ocsp_response`` about fetching and judging. ``source`` is the Base64 of a response fetched elsewhere.
    ``renewed_by`` are its files where another program of the host renews it, and ``at_any_age`` has them deployed even
    where the live certificate is newer. ``origin`` is whose its key is, where that lies in a folder of this host, and
    ``is_of_user`` says that a search found it where other users than root can write.
    """

    name: str
    sources: Sources
    access: Access = Access()
    names: t.Tuple[str, ...] = ()
    services: t.Tuple[str, ...] = ()
    kinds: t.Tuple[str, ...] = ()
    staple: bool = True
    source: t.Optional[str] = None
    options: Values = field(default_factory=dict)
    renewed_by: t.Optional[Source] = None
    at_any_age: bool = False
    origin: t.Optional[Values] = None
    is_of_user: bool = False

    @property
    def user(self) -> t.Optional[int]:
        """The number of the user where ``is_of_user``."""
        return self.origin["user"] if self.is_of_user and self.origin is not None else None

    @property
    def known_kinds(self) -> t.Tuple[str, ...]:
        """The kinds of its services that are known."""
        return tuple(dict.fromkeys(kind for kind in self.kinds if kind))


_T = t.TypeVar("_T")


def in_turn(given: t.Sequence[_T], user_of: t.Callable[[_T], t.Optional[int]]) -> t.List[_T]:
    """What is of the operator, where there is no user, then one of each user after another: no user may use up the
    time of others.
    """
    turns: t.Dict[int, int] = {}

    def place(one: _T) -> int:
        user = user_of(one)
        if user is None:
            return 0
        turns[user] = turns.get(user, 0) + 1
        return turns[user]

    return sorted(given, key=place)


class Missing(t.NamedTuple):
    """A certificate that cannot be looked at in check mode, as something that it needs does not exist yet.

    ``message`` is the whole sentence, ``services`` are those that would use it.
    """

    name: str
    message: str
    services: t.Tuple[str, ...]


class Reading(t.NamedTuple):
    """The certificates of the options of ``certificate_set``, each name once, and what is wrong with others.

    ``flawed`` are those others whose files can be judged all the same.
    """

    wanted: t.List[Wanted]
    faults: t.List[Fault]
    missing: t.List[Missing]
    flawed: t.List[Wanted]


def read_wanted(values: Values, services: Services, check: bool = False) -> Reading:
    """With ``check``, what does not exist on the host is no fault: an earlier task may be about to create it."""
    found: t.Dict[str, Wanted] = {}
    faults: t.List[Fault] = []
    missing: t.List[Missing] = []
    flawed: t.List[Wanted] = []
    for given in values["certificates"]:
        name = given["name"]
        try:
            one, problems = _read_one(values, given, services)
        except Exception as error:  # a defect at one certificate costs one certificate
            one, problems = None, [as_error_without_text(error)]
        absent = [problem for problem in problems if check and isinstance(problem, MissingError)]
        faults += [Fault(name, f"{name}: {problem.message}") for problem in problems if problem not in absent]
        if absent:
            used = values["services"] if given["services"] is None else given["services"]
            missing.append(Missing(name, f"{name}: {absent[0].in_check_mode}", tuple(used)))
        elif one is not None and problems:
            flawed.append(one)
        elif one is not None:
            try:
                found[name] = _merge(found[name], one, values) if name in found else one
            except OcspError as error:
                faults.append(Fault(name, f"{name}: {error.message}"))
    return Reading(list(found.values()), faults, missing, flawed)


class _Noting:
    """Notes what fails in its blocks, and goes on after them."""

    def __init__(self) -> None:
        self.problems: t.List[OcspError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: t.Any, error: t.Optional[BaseException], _traceback: t.Any) -> bool:
        if isinstance(error, OcspError):
            self.problems.append(error)
            return True
        return False


def _read_one(values: Values, given: Values, services: Services) -> t.Tuple[t.Optional[Wanted], t.List[OcspError]]:
    """One certificate, as far as it can be judged, and all that is wrong with it."""
    noting = _Noting()

    def option(name: str) -> t.Any:
        return values[name] if given[name] is None else given[name]

    options: t.Optional[t.Dict[str, t.Any]] = None
    source: t.Optional[Source] = None
    sources: t.Optional[Sources] = None
    with noting:
        material.check_name(given["name"])
        with noting:
            options = _read_options(values, given)
        source = renewed.find(given["renewed_by"], given["name"]) if given.get("renewed_by") else None
        sources = _read_sources(values, given) if source is None else _read_renewed(given, source)
    names = []
    for name in option("services"):
        with noting:
            _check_service(name, services, values)
            names.append(name)
    for name in given["names"] or ():
        with noting:
            check_server_name(name)
    uid, gid, unknown = sets.find_access(option("owner"), option("group"))
    noting.problems += map(MissingError, unknown)
    mode = Access().mode
    with noting:
        mode = read_mode(option("mode"))
    if sources is None or options is None:
        return None, noting.problems
    path = key_path(given, values) if source is None else None
    origin = origins.of_file(path) if path is not None else None
    one = Wanted(
        name=given["name"],
        sources=sources,
        access=Access(uid, gid, mode),
        names=tuple([given["name"]] if given["names"] is None else given["names"]),
        services=tuple(names),
        kinds=tuple(kind or "" for kind in services.kinds(names)),
        staple=option("staple"),
        source=given["response_content"],
        options=options,
        renewed_by=source,
        at_any_age=bool(values.get("at_any_age")),
        origin=origin.values if origin is not None else None,
        is_of_user=origin is not None and origin.user != 0 and given["name"] in (values.get("found") or ()),
    )
    return one, noting.problems


def _read_options(values: Values, given: Values) -> t.Dict[str, t.Any]:
    """The options for fetching and judging of a certificate. Raises InputError."""
    options = {**values["options"], **(given["options"] or {})}
    for name in options:
        if name not in OPTION_NAMES:
            raise InputError(f"options: '{name}' is not an option; {did_you_mean(name, OPTION_NAMES)}")
    if given["responder_urls"]:
        options["responder_urls"] = given["responder_urls"]
    check_options(options)
    return options


def check_server_name(name: str) -> None:
    """Refuse a server name that no client can ask for. Raises InputError with the name of the option."""
    problem = server_name_problem(name)
    if problem:
        raise InputError(f"names: {problem}")


def _check_service(name: str, services: Services, values: Values) -> None:
    """Refuse a service that cannot be told of changes, or noted in a file of its name. Raises InputError."""
    # Who gives a part has written the variables of the role, and others the options of the module.
    given, settings = ("reload", "ocsp_stapling_services") if values["part"] else ("services", "service_settings")
    problem = name_problem(name)
    if problem:
        raise InputError(f"{given}: {problem}")
    if not services.is_known(name):
        raise InputError(f"{given}: {unknown_service(name, values['service_settings'], settings)}")


def unknown_service(name: str, described: t.Iterable[str], settings: str) -> str:
    """That a service is neither known nor described, nor there; ``settings`` is what describes services."""
    hint = did_you_mean(name, {*NAMES, *described})
    return (
        f"{name} is not a known service; {hint}{'' if hint.endswith('?') else '.'} For another service set its unit or "
        f"reload command in {settings}"
    )


def _merge(one: Wanted, other: Wanted, values: Values) -> Wanted:
    """Two entries of the same name as one. Raises InputError where they contradict each other."""
    if one.sources[:4] != other.sources[:4] or one.renewed_by != other.renewed_by or one.access != other.access:
        access = "key_owner, key_group or key_mode" if values["part"] else "owner, group or mode"
        raise InputError(f"it is listed twice, with different files or values of {access}")
    if one.staple != other.staple or one.options != other.options:
        raise InputError("it is listed twice, with different values of staple or options")
    services = dict(zip(one.services + other.services, one.kinds + other.kinds))
    return replace(one, services=tuple(services), kinds=tuple(services.values()))


def _read_sources(values: Values, given: Values) -> Sources:
    """The bytes of key, certificate, chain and root, from where they are. Raises InputError."""
    where: t.Dict[str, str] = {}
    data: t.Dict[str, t.Optional[bytes]] = {}
    for part in PARTS:
        where[part], data[part] = _read_part(given, part)
    folder = (given["source"] or values["source"]) if values["remote_source"] else None
    if folder and not (data["private_key"] and data["certificate"]):
        for part in PARTS:
            if data[part] is None:
                where[part], data[part] = _find_part(folder, given["name"], part)
    missing = [part for part in ("private_key", "certificate") if data[part] is None]
    if missing and folder:
        raise MissingError(_say_missing(folder, given["name"], missing))
    if missing:
        raise InputError(
            "; ".join(
                f"there is no {part.replace('_', ' ')}: {part}_path, {part}_src or {part}_content is missing"
                for part in missing
            )
        )
    where["key"] = where.pop("private_key")
    return Sources(data["private_key"] or b"", data["certificate"] or b"", data["chain"], data["root"], where)


def _say_missing(folder: str, name: str, missing: t.Iterable[str]) -> str:
    """That files of a certificate are not in a folder of this host, or that the folder is not there."""
    if not os.path.isdir(folder):
        return f"there is no folder {folder} on this host"
    return "; ".join(missing_part(folder, name, part) for part in missing)


def missing_part(folder: str, name: str, part: str) -> str:
    """That a folder has none of the files that a part of a certificate may be in."""
    names = [name + suffix for suffix in sets.SOURCE_SUFFIXES[part]]
    alike = next((one for one in _listed(folder) if one.lower() in map(str.lower, names)), "")
    hint = f"; it contains {alike}, but file names are case-sensitive" if alike else ""
    return f"there is no {part.replace('_', ' ')}: {folder} contains no {join_words(names, 'or')}{hint}"


def _listed(folder: str) -> t.List[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []


#: The options of a task that has certificates of which a search says where they are.
_FOUND: Values = {"source": None, "remote_source": True}


def read_found(given: Values) -> Sources:
    """The files of a certificate that a search of this host has found. Raises InputError."""
    return _read_sources(_FOUND, given)


def found_key_path(given: Values) -> t.Optional[str]:
    """Where the key of a certificate is that a search of this host has found."""
    return key_path(given, _FOUND)


def key_path(given: Values, values: Values) -> t.Optional[str]:
    """Where on this host the key of a certificate is to be read, or None where it is brought there."""
    folder = (given["source"] or values["source"]) if values["remote_source"] else None
    if given["private_key_content"] is not None:
        return None
    (suffix,) = sets.SOURCE_SUFFIXES["private_key"]
    return given["private_key_path"] or (os.path.join(folder, given["name"] + suffix) if folder else None)


def _read_renewed(given: Values, source: Source) -> Sources:
    """As ``_read_sources``, from where another program keeps its files; a root may be given beside. Raises InputError.

    Messages name them by their paths alone, as no option has these.
    """
    for part in ("private_key", "certificate", "chain"):
        if given[f"{part}_path"] or given[f"{part}_src"] or given[f"{part}_content"]:
            raise InputError(f"renewed_by and {part} are mutually exclusive; give only one of them")
    where = {"key": source.private_key, "certificate": source.certificate, "chain": source.chain}
    data = {part: _read_bounded(path, path) if path else None for part, path in where.items()}
    for part, path in where.items():
        if path and data[part] is None:
            raise MissingError(f"there is no {path}")
    where["root"], root = _read_part(given, "root")
    return Sources(data["key"] or b"", data["certificate"] or b"", data["chain"], root, where)


def _read_part(given: Values, part: str) -> t.Tuple[str, t.Optional[bytes]]:
    """How to name the place of a part in messages, and what is there, if it is given. Raises InputError."""
    path, content, source = given[f"{part}_path"], given[f"{part}_content"], given[f"{part}_src"]
    if path is not None and content is not None:
        raise InputError(f"{part}_path and {part}_content are mutually exclusive; give only one of them")
    if source is not None and content is None:
        raise InputError(f"{part}_src is read on the controller, but was not; report this as a bug")
    if content is not None:
        return source or f"{part}_content", content.encode("utf-8", "surrogateescape")
    where = f"{part}_path: {path}"
    if path is None:
        return where, None
    found = _read_bounded(path, where)
    if found is None:
        raise MissingError(f"{where} does not exist")
    return where, found


def _read_bounded(path: str, where: str) -> t.Optional[bytes]:
    """What a file holds, or None where there is none. Raises InputError, also for one that is too large."""
    found = tenants.read_file(path, where, CERTIFICATE_LIMIT)
    if found is not None and len(found) > CERTIFICATE_LIMIT:
        raise InputError(f"{where} has more than {CERTIFICATE_LIMIT} octets; this cannot be the right file")
    return found


def _find_part(folder: str, name: str, part: str) -> t.Tuple[str, t.Optional[bytes]]:
    """The first of the files of a part in a folder that is there, else the last one's path. Raises InputError."""
    path, found = "", None
    for suffix in sets.SOURCE_SUFFIXES[part]:
        path = os.path.join(folder, name + suffix)
        found = _read_bounded(path, path)
        if found is not None:
            break
    return path, found


def read_mode(mode: t.Any) -> int:
    """The mode of a private key. Raises InputError."""
    if isinstance(mode, int):
        _check_quotes(mode)
        return mode
    try:
        return int(str(mode), 8)
    except ValueError:
        raise InputError(f"mode: '{mode}' is not an octal number; write it as a string such as \"0400\"") from None


def _check_quotes(mode: int) -> None:
    """Refuse a mode such as 440, which YAML has read as a decimal number. Raises InputError."""
    digits = f"{mode:04}"
    if sets.mode_problem(mode) and set(digits) <= set("01234567") and not sets.mode_problem(int(digits, 8)):
        raise InputError(f'mode: {mode} was read as a decimal number; write "{digits}", in quotes')
