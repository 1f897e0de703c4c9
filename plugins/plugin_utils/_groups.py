# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The groups of certificates that the role ocsp_stapling is given: read, checked and merged.

What comes out are entries as ``certificate_set`` takes them, and the owner's part of the host's configuration.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.certops.ocsp.plugins.module_utils import _entries, _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import renewed
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.material import check_name
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import check_server_name, read_mode
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, InputError, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import (
    check_options,
    closest,
    did_you_mean,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import NAMES, SERVERS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import (
    COMMANDS,
    name_problem,
    read_command,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import scan
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.parts import Certificate, Part
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import SOURCE_SUFFIXES, mode_problem
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import clean, join_words

Values = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]

#: How further variables with groups begin, beside the role's own.
MORE = "ocsp_stapling_certificates__"
#: What a certificate consists of, as keys of a domain.
PARTS = tuple(SOURCE_SUFFIXES)

_SHARED: _module.Spec = {
    "reload": {"type": "list", "elements": "str"},
    "key_owner": {"type": "str"},
    "key_group": {"type": "str"},
    "key_mode": {"type": "raw"},
    "staple": {"type": "bool"},
    "options": {"type": "dict"},
    # How the role acme_certificates obtains it; whoever deploys it does not care.
    "acme": {"type": "raw"},
    # Which program of the host renews it, or where its files are there.
    "renewed_by": {"type": "raw"},
}
_GROUP: _module.Spec = {"domains": {"type": "list", "elements": "raw"}, **_SHARED}
_DOMAIN: _module.Spec = {
    "name": {"type": "str"},
    "names": {"type": "list", "elements": "str"},
    "source": {"type": "path"},
    "responder_urls": {"type": "list", "elements": "str"},
    **{part: {"type": "path"} for part in PARTS},
    **{f"{part}_content": {"type": "str"} for part in PARTS},
    **_SHARED,
}
_SCAN: _module.Spec = {
    "folder": {"type": "path"},
    "recursive": {"type": "bool"},
    **{mask: {"type": "str"} for mask in ("private_key", "certificate", "chain", "root")},
    **{key: option for key, option in _SHARED.items() if key not in ("acme", "renewed_by")},
}
#: With any of these keys a domain brings files of its own.
_FILES = frozenset(("source", *PARTS, *(f"{part}_content" for part in PARTS)))
#: All that a group, or a domain that is a mapping, may have.
KEYS = frozenset({*_GROUP, *_DOMAIN})
#: Of these, what another program of the host brings where it renews the certificate.
_RENEWED = _FILES - {"root", "root_content"}
#: What says where the files of a certificate are, and what they are judged by. With a slip in one of these keys, all
#: that were said of that would be wrong.
_WHERE = _FILES | {"name", "renewed_by"}
_USE = frozenset(("names", "key_owner", "key_group", "key_mode", "staple", "responder_urls"))
_EXAMPLES = {
    "domains": "[example.com]",
    "names": "[www.example.com]",
    "options": "{minimum_validity: 3d}",
    "reload": "[nginx]",
    "responder_urls": "['http://ocsp.example.com']",
}
#: What a variable with groups may hold.
EXAMPLE = "{web: {domains: [example.com], reload: [nginx]}}"
_NO_GROUP = "a group must be a mapping with a list of domains"
_SERVICE: _module.Spec = {
    "kind": {"type": "str", "choices": sorted(SERVERS)},
    "unit": {"type": "str"},
    "test": {"type": "raw"},
    "reload": {"type": "raw"},
    "socket": {"type": "path"},
}
#: The keys of a group or domain, and the options of ``certificate_set`` that they become.
_AS = {"reload": "services", "key_owner": "owner", "key_group": "group", "key_mode": "mode", "staple": "staple"}
_DEFAULTS: Entry = {"reload": [], "key_owner": "root", "key_group": "root", "key_mode": "0400", "staple": True}


def is_variable(name: str) -> bool:
    """Whether a variable has groups in it."""
    return name == MORE.rstrip("_") or (name.startswith(MORE) and name != MORE)


def variable_meant(name: str) -> str:
    """What to write instead of a name that has too few underscores for a variable with groups, or an empty string."""
    before, _prefix, ending = name.partition(MORE[:-1])
    return f"did you mean {MORE}{ending}?" if ending and not before else ""


class Obtainable(t.NamedTuple):
    """A certificate without files of its own, and how it is to be obtained: what group and domain say as ``acme``.

    ``responder`` is whether a responder is named beside those of the certificate.
    """

    name: str
    names: list[str]
    services: list[str]
    staple: bool
    acme: tuple[t.Any, ...]
    responder: bool = False


class Groups(t.NamedTuple):
    """The entries in their order, one for each certificate of a group, and all that is wrong.

    ``found`` are the names of those that only a search of the host found, and ``warnings`` say which of these are left
    out. An entry has what is right with it alone, so whatever else were said of those that are ``unclear`` might come
    from that, and whatever were said of the files of those that are ``astray``.
    """

    entries: list[Entry]
    wrong: list[Fault]
    obtainable: list[Obtainable]
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unclear: frozenset[str] = frozenset()
    astray: frozenset[str] = frozenset()

    @property
    def faults(self) -> list[str]:
        """All that is wrong, as sentences."""
        return [fault.message for fault in self.wrong]


def read(groups: t.Iterable[t.Any], found: t.Iterable[Values] = (), remote: bool = False) -> Groups:
    """Take groups apart.

    ``groups`` are mappings from the title of each group to what is in it. ``found`` are groups without a title, of
    certificates that a scan found. ``remote``: files are on the host.
    """
    reader = _Reader("path" if remote else "src")
    for some in groups:
        if not isinstance(some, t.Mapping):
            reader.faults.append(Fault("", "the groups must be a mapping of group names to their settings"))
            continue
        for title, group in some.items():
            reader.add(str(title), group)
    given = list(reader.entries)
    for group in found:
        reader.add(f"scan of {group['folder']}", {key: value for key, value in group.items() if key in _GROUP})
    if not remote:
        return _groups_of(reader, reader.entries, reader.entries)
    others, warnings = _besides(given, reader.entries[len(given) :])
    entries = [*given, *others]
    names = dict.fromkeys(one["name"] for one in others)
    for one in given:
        names.pop(one["name"], None)
    # Of several that were found under one name, certificate_set chooses.
    groups = _groups_of(reader, entries, [one for one in entries if one["name"] not in names])
    return groups._replace(found=tuple(names), warnings=tuple(warnings))


def _groups_of(reader: _Reader, entries: list[Entry], alone: t.Iterable[Entry]) -> Groups:
    """``alone`` are those entries of which there should be no other of the same name."""
    contradictions = _contradictions(alone)
    unclear = {*reader.unclear, *(fault.name for fault in contradictions)}
    return Groups(
        entries,
        reader.faults + contradictions,
        reader.obtainable,
        unclear=frozenset(unclear),
        astray=frozenset(reader.astray),
    )


def _besides(given: t.Sequence[Entry], found: t.Iterable[Entry]) -> tuple[list[Entry], list[str]]:
    """What was found on the host but for other files of certificates that are given, and a sentence for each of these.

    Users of the host may have put them there.
    """
    known = {one["name"]: one for one in given}
    kept, warnings = [], []
    for one in found:
        if one["name"] in known and _differing(known[one["name"]], one):
            warnings.append(
                f"ocsp_stapling_scan: {one['name']} is configured with other files than those in {_place_of(one)}, "
                "which are not looked at; rename or remove them"
            )
        else:
            kept.append(one)
    return kept, warnings


def _place_of(entry: Entry) -> str:
    return clean(str(entry.get("source") or os.path.dirname(entry["private_key_path"])), 200)


def without(groups: Groups, names: t.Container[str]) -> Groups:
    """The same groups without some certificates, as those that could not be obtained yet."""
    return groups._replace(entries=[entry for entry in groups.entries if entry["name"] not in names])


class _Reader:
    def __init__(self, kind: str) -> None:
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self.obtainable: list[Obtainable] = []
        self.unclear: set[str] = set()
        self.astray: set[str] = set()
        self._kind = kind
        self._readers = {id(spec): _entries.EntryReader(spec) for spec in (_GROUP, _DOMAIN)}
        self._options = options_reader()

    def add(self, title: str, group: t.Any) -> None:
        if not isinstance(group, t.Mapping):
            self.faults.append(Fault("", f"{title}: {_NO_GROUP}"))
            return
        domains = group.get("domains")
        if not isinstance(domains, list):
            misspelt = any(key not in _GROUP and closest(str(key), _GROUP) == "domains" for key in group)
            if isinstance(domains, str):
                self.faults.append(Fault("", f"{title}: {_no_list('domains')}"))
            elif domains is not None or not misspelt:
                self.faults.append(Fault("", f"{title}: {_NO_GROUP}"))
            group, domains = {key: value for key, value in group.items() if key != "domains"}, []
        shared, wrong = self._read(title, "", group, _GROUP)
        for number, domain in enumerate(domains, 1):
            one = {"name": domain} if isinstance(domain, str) else domain
            if not isinstance(one, t.Mapping) or not isinstance(one.get("name"), str):
                where = f"{title}: domain {number} of the list"
                self.faults.append(Fault("", f"{where} must be a name, or a mapping with a name"))
                if isinstance(one, t.Mapping):
                    self._read(where, "", {key: value for key, value in one.items() if key != "name"}, _DOMAIN)
                continue
            name, where = one["name"], f"{title}, {one['name']}"
            self._check_name(where, name)
            own, more = self._read(where, name, one, _DOMAIN)
            self._doubt(name, wrong | more)
            self.entries.append(self._entry(shared, own))
            self._note_obtainable(shared, own, self.entries[-1])

    def _doubt(self, name: str, keys: t.Collection[str]) -> None:
        """Note what cannot be said of a certificate while these keys have no value that can be used."""
        if not _WHERE.isdisjoint(keys):
            self.astray.add(name)
        if not (_WHERE | _USE).isdisjoint(keys):
            self.unclear.add(name)

    def _note_obtainable(self, group: Entry, domain: Entry, entry: Entry) -> None:
        if _FILES & domain.keys() or entry.get("renewed_by"):
            return
        given = tuple(values["acme"] for values in (group, domain) if values.get("acme") is not None)
        self.obtainable.append(
            Obtainable(
                entry["name"],
                entry.get("names", []),
                entry["services"],
                entry["staple"],
                given,
                bool(entry.get("responder_urls")),
            )
        )

    def _check_name(self, where: str, name: str) -> None:
        try:
            check_name(name)
        except OcspError as error:
            self.faults.append(Fault(name, f"{where}: {error.message}"))
            self._doubt(name, ("source",))

    def _read(self, where: str, name: str, given: Values, spec: _module.Spec) -> tuple[Entry, set[str]]:
        """What is given and of the right kind, and the keys that what is not was probably meant for.

        All that is wrong is a fault of the certificate of this name, or of none.
        """
        usable: Entry = {}
        faults, wrong = [], set()
        for key, value in given.items():
            problem = _problem(spec, key, value)
            if problem:
                faults.append(problem)
                wrong.add(key if key in spec else closest(str(key), spec))
            else:
                usable[key] = value
        values, found = self._readers[id(spec)].read(usable)
        faults += found
        wrong |= {key for key, value in usable.items() if value is not None and key not in values}
        for key, problem in [*_value_faults(values)]:
            faults.append(problem)
            wrong.add(key)
            values.pop(key, None)
        values["options"], found = _usable_options(values.get("options") or {}, self._options)
        faults += [f"options: {fault}" for fault in found]
        self.faults += [Fault(name, f"{where}: {fault}") for fault in faults]
        return values, wrong

    def _entry(self, group: Entry, domain: Entry) -> Entry:
        """A certificate: what the domain says counts more than what its group does."""
        entry: Entry = {"name": domain["name"], "options": {**group["options"], **domain["options"]}}
        for key, option in _AS.items():
            entry[option] = domain.get(key, group.get(key, _DEFAULTS[key]))
        for part in PARTS:
            if part in domain:
                entry[f"{part}_{self._kind}"] = domain[part]
        renewed_by = domain.get("renewed_by", None if _RENEWED & domain.keys() else group.get("renewed_by"))
        if renewed_by:
            entry["renewed_by"] = renewed_by
        for key in ("names", "source", "responder_urls", *(f"{part}_content" for part in PARTS)):
            if key in domain:
                entry[key] = domain[key]
        return entry


def _value_faults(values: Entry) -> t.Iterator[tuple[str, str]]:
    """What is wrong with values of the right type, as far as that can be told without the host, each with its key."""
    if values.get("renewed_by"):
        problem = renewed.problem(values["renewed_by"])
        if problem:
            yield "renewed_by", f"renewed_by {problem}"
        both = sorted(_RENEWED & values.keys())
        if both:
            yield "renewed_by", f"renewed_by and {both[0]} are mutually exclusive; give only one of them"
    for problem in filter(None, map(name_problem, values.get("reload") or ())):
        yield "reload", f"reload: {problem}"
    for name in values.get("names") or ():
        try:
            check_server_name(name)
        except OcspError as error:
            yield "names", error.message
    try:
        problem = mode_problem(read_mode(values["key_mode"])) if "key_mode" in values else ""
    except OcspError as error:
        problem = f"key_{error.message}"
    if problem:
        yield "key_mode", problem
    try:
        check_options({"responder_urls": values.get("responder_urls")})
    except OcspError as error:
        yield "responder_urls", error.message


def options_reader() -> _entries.EntryReader:
    """What ``read_options`` reads by; of many certificates one will do for all."""
    spec = _module.argument_spec("set", defaults=False)
    # Which values there are, ``check_options`` says in its own words.
    plain = {name: {key: one for key, one in option.items() if key != "choices"} for name, option in spec.items()}
    return _entries.EntryReader(plain)


def read_options(given: Values, reader: _entries.EntryReader) -> tuple[Entry, list[str]]:
    """Options of ``ocsp_response`` for certificates, converted as Ansible does it, and all that is wrong with them."""
    values, faults = reader.read(given)
    problem = _option_faults(values)
    if problem:
        # One by one, so that each is said.
        alone = [fault for name, value in values.items() for fault in _option_faults({name: value})]
        faults += alone or ([] if faults else problem)
    return values, faults


def _usable_options(given: Values, reader: _entries.EntryReader) -> tuple[Entry, list[str]]:
    """As ``read_options``, without the values that cannot be used."""
    values, faults = read_options(given, reader)
    if faults:
        values = {name: value for name, value in values.items() if not _option_faults({name: value})}
    return ({} if _option_faults(values) else values), faults


def _option_faults(values: Values) -> list[str]:
    try:
        check_options(values)
    except OcspError as error:
        return [error.message]
    return []


def read_services(given: t.Any) -> list[str]:
    """All that is wrong with what is said of services."""
    if not isinstance(given, t.Mapping):
        return ["the services must be a mapping of service names to their settings"]
    reader = _entries.EntryReader(_SERVICE)
    faults = []
    for name, settings in given.items():
        problem = name_problem(name)
        faults += [problem] if problem else []
        if not isinstance(settings or {}, t.Mapping):
            faults.append(f"{name} must be a mapping such as {{unit: NAME}}")
            continue
        for key, value in (settings or {}).items():
            problem = _problem(_SERVICE, key, value) or _setting_problem(key, value)
            faults += [f"{name}: {problem}"] if problem else []
        known = {key: value for key, value in (settings or {}).items() if key in _SERVICE}
        faults += [f"{name}: {fault}" for fault in reader.read(known)[1]]
    return faults


def read_endpoints(given: t.Iterable[Values], services: t.Collection[str]) -> list[str]:
    """All that is wrong with the endpoints of services. ``services`` are those that are configured."""
    # Here, because it is slow, each host has a process of its own, and few give any endpoints.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client

    reader, faults = _entries.EntryReader(_entries.ENDPOINT, required=("service", "port")), []
    for one in given:
        values, found = reader.read(one)
        complete = {name: values.get(name, option.get("default")) for name, option in _entries.ENDPOINT.items()}
        problem = "" if found else client.endpoint_problem(complete, {*NAMES, *services})
        faults += [f"{one['service']}: {fault}" if one.get("service") else fault for fault in found]
        faults += [problem] if problem else []
    return faults


def _problem(spec: _module.Spec, key: t.Any, value: t.Any) -> str:
    """Why a key or its value cannot be meant. A text is no list: in an inventory it is a slip of the pen."""
    if key not in spec:
        return f"{key} is not known; {did_you_mean(str(key), spec)}"
    if spec[key]["type"] == "list" and not isinstance(value, (list, type(None))):
        return _no_list(key)
    if spec[key]["type"] == "dict" and not isinstance(value, (t.Mapping, type(None))):
        return f"{key} must be a mapping, such as {_EXAMPLES[key]}"
    return ""


def _no_list(key: str) -> str:
    return f"{key} must be a list, such as {_EXAMPLES[key]}"


def _setting_problem(key: str, value: t.Any) -> str:
    """Why a command or a path of a service cannot be meant."""
    if key in COMMANDS and value is not None:
        try:
            read_command(value)
        except OcspError as error:
            return f"{key} {error.message}"
    if key == "socket" and value is not None and not str(value).startswith("/"):
        return f"socket must be an absolute path, and is {value}"
    return ""


def service_settings(given: Values) -> Entry:
    """What is said of services that ``read_services`` has nothing against, as the program has it: commands as lists."""
    reader, services = _entries.EntryReader(_SERVICE), {}
    for name, settings in given.items():
        known = reader.read(settings or {})[0]
        services[name] = {**known, **{key: list(read_command(known[key])) for key in COMMANDS if key in known}}
    return services


def read_scan(folders: t.Iterable[Values], remote: bool = False) -> list[str]:
    """All that is wrong with folders that are searched, and with the names of files in them.

    A folder that is not there would take its certificates out of the configuration; ``remote`` ones the host looks for.
    """
    reader, faults = _entries.EntryReader(_SCAN, required=("folder",)), []
    for number, given in enumerate(folders, 1):
        values, found = reader.read(given)
        folder = values.get("folder")
        found += [
            f"{key} must be a file name with {{domain}} in it, and is {values[key]}"
            for key in scan.MASKS
            if values.get(key) and not scan.is_mask(values[key])
        ]
        where = f"ocsp_stapling_scan, {folder or f'entry {number}'}"
        faults += [f"{where}: {fault}" for fault in found]
        if folder and not remote and not os.path.isdir(folder):
            faults.append(f"ocsp_stapling_scan: there is no folder {folder}")
    return faults


def folders_of(given: t.Iterable[Values]) -> list[Entry]:
    """Folders that ``read_scan`` has nothing against, with their settings converted."""
    reader = _entries.EntryReader(_SCAN)
    return [reader.read(folder)[0] for folder in given]


def scanned(folders: t.Sequence[Values]) -> list[Entry]:
    """Groups of what was found in folders of the controller. Raises AnsibleActionFail for one that cannot be read."""
    try:
        return scan.groups(folders_of(folders))
    except InputError as error:
        raise AnsibleActionFail(f"ocsp_stapling_scan: {error.message}") from None


def _contradictions(entries: t.Iterable[Entry]) -> list[Fault]:
    """Certificates that are given twice and not alike; the services of both count."""
    first: dict[str, Entry] = {}
    faults: dict[Fault, None] = {}
    for entry in entries:
        name = entry["name"]
        differing = _differing(entry, first.setdefault(name, entry))
        if differing:
            named = join_words(map(_key_of, differing))
            faults[Fault(name, f"{name} is listed twice, with different values of {named}")] = None
    return list(faults)


def _differing(one: Entry, other: Entry) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if key != "services" and one.get(key) != other.get(key))


def _key_of(option: str) -> str:
    """The key of a group or domain that became an option of ``certificate_set``."""
    keys = {"owner": "key_owner", "group": "key_group", "mode": "key_mode"}
    return keys.get(option, option.removesuffix("_src").removesuffix("_path"))


def part(owner: str, entries: t.Iterable[Entry], options: Values, services: Values) -> Part:
    """What an owner configures, as far as it is known on the controller; each certificate once."""
    found: dict[str, Certificate] = {}
    for entry in entries:
        given = {
            **entry["options"],
            **({"responder_urls": entry["responder_urls"]} if entry.get("responder_urls") else {}),
        }
        before = found[entry["name"]].services if entry["name"] in found else ()
        used = tuple(dict.fromkeys([*before, *entry["services"]]))
        found[entry["name"]] = Certificate(entry["name"], used, entry["staple"], given)
    return Part(owner, tuple(found.values()), options, services)
