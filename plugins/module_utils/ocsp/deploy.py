# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction that brings keys, certificates and staples to servers: all of it, or nothing.

    plan       read and check all that was given, and compare it with what is live
    obtain     a response for each new certificate
    carry_out  stage everything, mark the services, swap, test their configuration, swap back if that fails
    confirm    after the reload: look at what is served, swap back if that is worse than before

A run that is killed anywhere leaves servers that serve what they served, and marks by which the next run goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from . import files, material, sets, snippets, staples
from . import servers as ocsp_servers
from .certificate import Certificate, load_certificates
from .errors import InputError, OcspError
from .material import Material, Sources
from .options import did_you_mean
from .refresh import Outcome
from .sets import Access, Layout

#: Reason codes of a responder that may know a new certificate in a few minutes.
PASSING_CODES = ("not_successful", "unknown_status", "unreachable", "timeout", "http_error", "proxy_error")
#: The options of ``ocsp_response`` that can be given for a set, which hold for the hours between playbooks as well.
OPTION_NAMES = (
    "responder_urls",
    "minimum_validity",
    "minimum_validity_percentage",
    "certid_digest",
    "method",
    "nonce",
    "allow",
    "require_nocheck",
    "maximum_age",
    "clock_tolerance",
    "on_missing_responder",
    "on_revoked",
    "timeout",
    "total_timeout",
    "retries",
    "use_proxy",
    "http_proxy",
    "validate_certs",
    "http_agent",
    "server",
)
#: What may be permitted for a private key.
_KEY_MODES = 0o640
_NO_FILE = "-"


class Endpoint(t.NamedTuple):
    """Where a service is looked at; ``starttls`` is the protocol before TLS, or empty."""

    service: str
    host: str
    port: int
    starttls: str


class Sight(t.NamedTuple):
    """What clients are shown: a staple or None by the SHA-256 of each certificate; else why there is nothing."""

    shown: t.Mapping[str, t.Optional[bytes]]
    problem: str = ""


Look = t.Callable[[Endpoint, str], Sight]
#: Fetches what is due: options of ``ocsp_response`` by name in, an outcome or an error by name out.
Fetch = t.Callable[[t.Mapping[str, t.Mapping[str, t.Any]]], t.Mapping[str, t.Union[Outcome, OcspError]]]
#: Why the configuration of a service is no good, or an empty string.
Test = t.Callable[[str], str]


@dataclass(frozen=True)
class Wanted:
    """One certificate as it should be deployed.

    ``kinds`` are the kinds of its services in their order, empty where unknown. ``options`` are those of
    ``ocsp_response`` about fetching and judging. ``source`` is the Base64 of a response fetched elsewhere.
    """

    name: str
    sources: Sources
    access: Access = Access()
    names: t.Tuple[str, ...] = ()
    services: t.Tuple[str, ...] = ()
    kinds: t.Tuple[str, ...] = ()
    staple: bool = True
    source: t.Optional[str] = None
    options: t.Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def known_kinds(self) -> t.Tuple[str, ...]:
        """The kinds of its services that are known."""
        return tuple(dict.fromkeys(kind for kind in self.kinds if kind))


@dataclass
class Item:
    """What is to become of one certificate. ``identifier`` is that of the set to come, or of the live one."""

    wanted: Wanted
    material: Material
    previous: t.Optional[str]
    identifier: str
    changes: t.List[str] = field(default_factory=list)
    outcome: t.Optional[Outcome] = None
    held_back: str = ""
    staple_changed: bool = False

    @property
    def changed(self) -> bool:
        """Whether a new set goes live."""
        return bool(self.changes) and not self.held_back

    @property
    def urls(self) -> t.Sequence[str]:
        """The responders to ask."""
        return self.wanted.options.get("responder_urls") or self.material.certificate.responder_urls

    @property
    def stapled(self) -> bool:
        """Whether there should be a staple."""
        return self.wanted.staple and bool(self.urls)

    @property
    def staple(self) -> t.Optional[bytes]:
        """The good response for this certificate, if there is one."""
        return self.outcome.data if self.outcome is not None else None


@dataclass
class Plan:
    """All items in their order, and sentences for the operator."""

    layout: Layout
    items: t.List[Item]
    warnings: t.List[str] = field(default_factory=list)

    @property
    def services(self) -> t.List[str]:
        """The services for which something changes, in alphabetical order."""
        return sorted({one for item in self.items if item.changed for one in item.wanted.services})


def check_option_names(options: t.Mapping[str, t.Any]) -> None:
    """Refuse options that are not known. Raises InputError."""
    for name in options:
        if name not in OPTION_NAMES:
            raise InputError(f"options: {name} is not known; {did_you_mean(name, OPTION_NAMES)}")


def plan(layout: Layout, wanted: t.Sequence[Wanted], now: datetime) -> Plan:
    """Read, check and compare. Raises InputError with all that is wrong, before anything was changed."""
    problems: t.List[str] = []
    items: t.List[Item] = []
    warnings: t.List[str] = []
    for one in wanted:
        try:
            item, found = _plan_one(layout, one, now)
        except OcspError as error:
            problems.append(f"{one.name}: {error.message}")
        else:
            items.append(item)
            problems += [f"{one.name}: {sentence}" for sentence in found.problems]
            warnings += [f"{one.name}: {sentence}" for sentence in found.warnings]
    problems += _conflicts(items)
    if problems:
        raise InputError("nothing was changed: " + "; ".join(problems))
    return Plan(layout, items, warnings)


def _plan_one(layout: Layout, wanted: Wanted, now: datetime) -> t.Tuple[Item, material.Examination]:
    material.check_name(wanted.name)
    read = material.read_material(wanted.name, wanted.sources, now)
    previous = sets.current_id(layout, wanted.name)
    item = Item(wanted, read, previous, previous or "")
    item.changes = _differences(layout, item)
    if item.changes:
        item.identifier = sets.new_id(now, material.fingerprint(read.certificate))
    found = material.examine(read, wanted.names) if item.changes else material.Examination((), read.path.warnings)
    return item, found._replace(problems=(*_unusable(item), *found.problems))


def _differences(layout: Layout, item: Item) -> t.List[str]:
    """What of the live set is not as it should be."""
    if item.previous is None:
        return ["there is no set yet"]
    live = sets.read_set(layout, item.wanted.name, item.previous)
    contents = item.material.files()
    changes = [file for file in sets.MATERIAL_FILES if live.get(file) != contents.get(file)]
    if sets.access_of(layout, item.wanted.name, item.previous) != item.wanted.access:
        changes.append("owner, group or mode of the key")
    return changes


def _unusable(item: Item) -> t.List[str]:
    """Why the services cannot use this certificate, whatever else is right with it."""
    wanted, certificate = item.wanted, item.material.certificate
    problems = []
    if certificate.must_staple:
        mute = [kind for kind in wanted.known_kinds if not ocsp_servers.SERVERS[kind].staples]
        if mute:
            problems.append(
                f"the certificate demands stapling (must-staple), which {' and '.join(mute)} cannot do; clients would "
                "refuse it, so give such services a certificate without that demand"
            )
        if not item.stapled:
            problems.append(
                "the certificate demands stapling (must-staple), but stapling is turned off"
                if item.urls
                else "the certificate demands stapling (must-staple), but names no OCSP responder; give responder_urls"
            )
    access = wanted.access
    if access.mode & ~_KEY_MODES:
        problems.append(
            f"key_mode {access.mode:04o} permits more than reading by owner and group and writing by the owner; "
            'use "0400", "0440", "0600" or "0640", in quotes'
        )
    if access.uid == 0 and not (access.gid and access.mode & stat.S_IRGRP):
        blind = [kind for kind in wanted.known_kinds if kind in snippets.READ_AS_USER]
        if blind:
            problems.append(
                f"{' and '.join(blind)} could not read the private key, which only root may; set key_group to the "
                "group of that service and key_mode to 0440"
            )
    return problems


def _conflicts(items: t.Sequence[Item]) -> t.List[str]:
    """Certificates with different kinds of keys for one name, where a server has one staple for both."""
    problems = []
    for number, one in enumerate(items):
        for other in items[:number]:
            kinds = {material.key_kind(item.material.certificate) for item in (one, other)}
            names = sorted(set(one.wanted.names) & set(other.wanted.names))
            shared = set(one.wanted.known_kinds) & set(other.wanted.known_kinds) & set(snippets.ONE_STAPLE)
            if names and shared and len(kinds) > 1 and (one.stapled or other.stapled):
                problems.append(
                    f"{other.wanted.name} and {one.wanted.name}: both are for {names[0]} on {min(shared)}, with "
                    f"{' and '.join(sorted(kinds))} keys; {min(shared)} has one staple file for a name, which would be "
                    "wrong for one of them; deploy one of them there, or set staple to false for both"
                )
    return problems


def obtain(work: Plan, fetch: Fetch, folder: str, retry: t.Callable[[int], bool] = lambda attempt: False) -> None:
    """Find or fetch a response for each certificate that has a responder.

    ``folder`` is an empty one, in which nothing is written. ``retry`` is asked after each attempt whether to try
    again what a responder could not answer yet, and waits. Raises InputError for options that cannot be used.
    """
    open_items = {item.wanted.name: item for item in work.items if item.stapled}
    attempt = 0
    while open_items:
        results = fetch({name: _options(work.layout, item, folder) for name, item in open_items.items()})
        for name, result in results.items():
            if isinstance(result, OcspError):
                raise InputError(f"nothing was changed: {name}: {result.message}")
            open_items[name].outcome = result
        open_items = {name: item for name, item in open_items.items() if _may_pass(item)}
        attempt += 1
        if not open_items or not retry(attempt):
            break
    for item in work.items:
        _settle(work, item)


def _options(layout: Layout, item: Item, folder: str) -> t.Dict[str, t.Any]:
    read = item.material
    values = dict(item.wanted.options)
    values["certificate_content"] = _text([read.certificate, *read.chain])
    if read.pool:
        values["issuer_content"] = _text(read.pool)
    values["server"] = sorted(item.wanted.known_kinds)
    values["source_content"] = item.wanted.source
    # The staple of a live set counts where the certificate is the same, also when the key's mode changes.
    path = os.path.join(layout.live(item.wanted.name), "ocsp.der")
    values["path"] = path if item.previous and "cert.pem" not in item.changes else os.path.join(folder, "none")
    return values


def _text(certificates: t.Iterable[Certificate]) -> str:
    return b"".join(map(material.to_pem, certificates)).decode("ascii")


def _may_pass(item: Item) -> bool:
    """Whether waiting may help: nothing good is at hand, and the reason is one that passes."""
    outcome = item.outcome
    if outcome is None or outcome.data is not None or item.wanted.source is not None:
        return False
    return outcome.fetch_error is not None and outcome.fetch_error.code in PASSING_CODES


def _settle(work: Plan, item: Item) -> None:
    """Decide what the response means for a certificate."""
    outcome, name = item.outcome, item.wanted.name
    if outcome is None or (outcome.data is not None and not outcome.warnings):
        return
    if outcome.judgement is not None and outcome.judgement.proves_revocation:
        item.held_back = outcome.judgement.message if item.changes else ""
        left = "; it is not deployed" if item.changes else ", but is in use; replace it"
        work.warnings.append(f"{name}: {outcome.judgement.message}{left}")
    elif outcome.data is not None:
        work.warnings.extend(f"{name}: {sentence}" for sentence in outcome.warnings)
    elif outcome.failed:
        reason = outcome.fetch_error.message if outcome.fetch_error is not None else outcome.message
        if item.changes and item.material.certificate.must_staple:
            item.held_back = f"it must not be used without a staple: {reason}"
            work.warnings.append(f"{name}: the certificate demands stapling and is not deployed: {reason}")
        else:
            work.warnings.append(f"{name}: there is no staple yet: {reason}")


def entries(work: Plan) -> t.List[snippets.Entry]:
    """What the pieces of configuration are about: each item that has or will have a live set."""
    found = []
    for item in work.items:
        identifier = item.identifier if not item.held_back else item.previous
        if identifier:
            name, folder = item.wanted.name, work.layout.folder(item.wanted.name, identifier)
            wanted = item.wanted
            found.append(
                snippets.Entry(name, folder, work.layout.live(name), wanted.names, wanted.known_kinds, item.stapled)
            )
    return found


def wanted_snippets(work: Plan, apache_port: int) -> t.Dict[str, bytes]:
    """The shared pieces of configuration by path."""
    found = snippets.shared(entries(work), work.layout.root, apache_port)
    return {snippets.path(work.layout.root, file): content for file, content in found.items()}


def changed_snippets(wanted: t.Mapping[str, bytes]) -> t.Dict[str, t.Optional[bytes]]:
    """Those that are not as they should be, with what is there now."""
    found = {path: files.read_file(path, path, material.KEY_LIMIT * 16) for path in wanted}
    return {path: content for path, content in found.items() if content != wanted[path]}


def refresh_staples(work: Plan, write: bool = True) -> None:
    """Bring newer responses, and pieces of configuration for new services, into sets that stay."""
    for entry, item in zip_entries(work):
        if item.changed or item.previous is None:
            continue
        folder = work.layout.folder(entry.name, item.previous)
        for file, content in snippets.for_set(entry).items():
            path = os.path.join(folder, file)
            if files.read_file(path, path, material.KEY_LIMIT) != content:
                item.staple_changed = True
                if write:
                    files.replace_file(path, content)
        place = staples.Place(folder, work.layout.live(entry.name))
        outcome = item.outcome
        if outcome is not None and outcome.data is not None and outcome.judgement is not None:
            item.staple_changed |= staples.install(place, outcome.data, outcome.judgement, write)
        elif not item.stapled:
            item.staple_changed |= staples.withdraw(place, write)


def zip_entries(work: Plan) -> t.List[t.Tuple[snippets.Entry, Item]]:
    """Each entry with its item."""
    by_name = {item.wanted.name: item for item in work.items}
    return [(entry, by_name[entry.name]) for entry in entries(work)]


def stage(work: Plan) -> None:
    """Make all new sets, complete but not live. Raises FileError; then nothing of them is left."""
    staged: t.List[Item] = []
    try:
        for entry, item in zip_entries(work):
            if not item.changed:
                continue
            staged.append(item)
            contents = {**item.material.files(), **snippets.for_set(entry)}
            folder = sets.stage(work.layout, entry.name, item.identifier, contents, item.wanted.access)
            outcome = item.outcome
            if outcome is not None and outcome.data is not None and outcome.judgement is not None:
                place = staples.Place(folder, work.layout.live(entry.name))
                staples.install(place, outcome.data, outcome.judgement)
        for item in staged:
            sets.complete(work.layout, item.wanted.name, item.identifier)
    except BaseException:
        for item in staged:
            sets.discard(work.layout, item.wanted.name, item.identifier)
        raise


def carry_out(work: Plan, apache_port: int, test: Test, look: Look, endpoints: t.Sequence[Endpoint]) -> str:
    """Swap all staged sets and pieces of configuration; swap back if a service's configuration fails its test.

    Returns why it was swapped back, or an empty string. Raises FileError.
    """
    wanted = wanted_snippets(work, apache_port)
    outdated = changed_snippets(wanted)
    services = affected(work, outdated)
    before = {service: test(service) for service in services}
    _write_record(work, outdated, _look_around(work, look, endpoints))
    already = sets.pending_services(work.layout)
    sets.mark_pending(work.layout, services)
    try:
        for item in work.items:
            if item.changed:
                sets.swap(work.layout, item.wanted.name, item.identifier)
        for path in outdated:
            write_snippet(path, wanted[path])
    except BaseException:
        swap_back(work.layout)
        raise
    failed = {service: problem for service in services for problem in [test(service)] if problem}
    if not failed:
        return ""
    swap_back(work.layout)
    sets.unmark_pending(work.layout, [service for service in services if service not in already])
    return "; ".join(_blame(service, problem, before[service]) for service, problem in failed.items())


def affected(work: Plan, outdated: t.Iterable[str]) -> t.List[str]:
    """The services that have to be reloaded."""
    found = set(work.services)
    kinds = {os.path.basename(path).split(".")[0].split("-")[0] for path in outdated}
    for item in work.items:
        found.update(item.wanted.services if item.staple_changed else ())
        found.update(service for service, kind in zip(item.wanted.services, item.wanted.kinds) if kind in kinds)
    return sorted(found)


def _blame(service: str, problem: str, before: str) -> str:
    if before:
        return (
            f"the configuration of {service} was broken before, not by this run, so that nothing was changed; repair "
            f"it first: {problem}"
        )
    return f"{service} refused its configuration with the new files, which were taken back: {problem}"


def write_snippet(path: str, content: bytes) -> None:
    """Write a shared piece of configuration. Raises FileError."""
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    files.replace_file(path, content)


def _look_around(work: Plan, look: Look, endpoints: t.Sequence[Endpoint]) -> t.Dict[str, t.List[t.List[t.Any]]]:
    """What each service shows for each certificate that changes, before it does."""
    sights: t.Dict[str, t.List[t.List[t.Any]]] = {}
    for item in work.items:
        if not item.changed:
            continue
        name = server_name(item.wanted.names)
        for endpoint in endpoints:
            if endpoint.service in item.wanted.services:
                sight = look(endpoint, name)
                staples_shown = {shown: staple is not None for shown, staple in sight.shown.items()}
                sights.setdefault(item.wanted.name, []).append([*endpoint, name, staples_shown])
    return sights


def server_name(names: t.Sequence[str]) -> str:
    """The name that a client asks for."""
    return next((name for name in names if not name.startswith("*.")), "")


def _write_record(
    work: Plan, outdated: t.Mapping[str, t.Optional[bytes]], sights: t.Mapping[str, t.List[t.List[t.Any]]]
) -> None:
    """Note how to get back, keeping what an earlier run noted and nobody has looked at yet."""
    record = sets.read_record(work.layout)
    noted: t.Dict[str, t.Any] = record.get("sets", {})
    for item in work.items:
        name = item.wanted.name
        if not item.changed:
            continue
        older = noted.get(name, {})
        follows = older.get("current") == item.previous
        noted[name] = {
            "previous": older.get("previous") if follows else item.previous,
            "current": item.identifier,
            "services": list(item.wanted.services),
            "fingerprint": material.fingerprint(item.material.certificate),
            "stapled": item.staple is not None,
            "sights": older.get("sights", []) if follows else sights.get(name, []),
        }
    before: t.Dict[str, t.Optional[str]] = record.get("snippets", {})
    for path, content in outdated.items():
        before.setdefault(path, content.decode("ascii", "replace") if content is not None else None)
    record = {"version": 1, "sets": noted, "snippets": before}
    os.makedirs(work.layout.state, 0o755, exist_ok=True)
    files.replace_file(work.layout.transaction, json.dumps(record, indent=1).encode("ascii"))


def swap_back(layout: Layout) -> t.List[str]:
    """Have live what was live before the transaction on record. Returns the names of the sets."""
    record = sets.read_record(layout)
    names = []
    for name, noted in record.get("sets", {}).items():
        if sets.current_id(layout, name) == noted["current"]:
            sets.swap(layout, name, noted["previous"])
            names.append(name)
    for path, content in record.get("snippets", {}).items():
        if content is None:
            files.remove_file(path)
        else:
            write_snippet(path, content.encode("ascii", "replace"))
    sets.remove_record(layout)
    return names


def prune(work: Plan, keep: int) -> None:
    """Remove old sets, but none to which a transaction on record may have to go back."""
    noted = sets.read_record(work.layout).get("sets", {})
    for item in work.items:
        protected = noted.get(item.wanted.name, {}).get("previous") or _NO_FILE
        sets.prune(work.layout, item.wanted.name, keep, (protected,))


def unconfirmed(layout: Layout) -> t.List[str]:
    """The services of a transaction that nobody has looked at yet."""
    noted = sets.read_record(layout).get("sets", {})
    return sorted({service for one in noted.values() for service in one["services"]})


def find_faults(layout: Layout, look: Look) -> t.Dict[str, str]:
    """What is served worse than before the transaction on record, by service."""
    faults: t.Dict[str, str] = {}
    for name, noted in sets.read_record(layout).get("sets", {}).items():
        if sets.current_id(layout, name) != noted["current"]:
            continue
        before = _fingerprint_of(layout, name, noted["previous"])
        for service, host, port, starttls, asked, shown in noted["sights"]:
            if service not in faults:
                sight = look(Endpoint(service, host, port, starttls), asked)
                problem = _fault(sight, shown, before, noted) or _staple_fault(sight, shown, noted, layout.live(name))
                if problem:
                    faults[service] = f"{service} on {host}:{port} for {asked or name}: {problem}"
    return faults


def _fingerprint_of(layout: Layout, name: str, identifier: t.Optional[str]) -> str:
    """The fingerprint of the certificate of a set; empty where there is none."""
    content = sets.read_set(layout, name, identifier).get("cert.pem") if identifier else None
    return material.fingerprint(load_certificates(content, "cert.pem")[0]) if content else ""


def _fault(sight: Sight, before: t.Mapping[str, bool], replaced: str, noted: t.Mapping[str, t.Any]) -> str:
    if sight.problem:
        return f"there is no TLS any more ({sight.problem})" if before else ""
    if replaced in before and noted["fingerprint"] not in sight.shown:
        return "the old certificate is still served" if replaced in sight.shown else "the new certificate is not served"
    return ""


def _staple_fault(sight: Sight, before: t.Mapping[str, bool], noted: t.Mapping[str, t.Any], live: str) -> str:
    if noted["fingerprint"] not in sight.shown:
        return ""
    staple = sight.shown[noted["fingerprint"]]
    if staple is None:
        return "the certificate is served without its staple" if noted["stapled"] and any(before.values()) else ""
    place = staples.find(live)
    if place is not None and staples.read(place) != staple:
        return "a staple is served that is not the one of the certificate"
    return ""


def remove_names(layout: Layout, names: t.Iterable[str], write: bool = True) -> t.List[str]:
    """Remove all sets of names, live links first. Returns those that were there."""
    found = [name for name in names if sets.current_id(layout, name) or os.path.isdir(layout.sets(name))]
    for name in found if write else ():
        sets.remove(layout, name)
    return found


def remove_shared(layout: Layout) -> None:
    """Remove the shared pieces of configuration and the folders, as far as nothing else is in them."""
    for file in snippets.SHARED:
        files.remove_file(snippets.path(layout.root, file))
    sets.remove_record(layout)
    for folder in (snippets.FOLDER, "live", "sets"):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(layout.root, folder))


def references(path: str, folders: t.Iterable[str], read: t.Callable[[str], t.Optional[bytes]]) -> t.List[str]:
    """Where configuration files mention what is below ``path``, each as C(file:line)."""
    needle = os.fsencode(path.rstrip("/"))
    found = []
    for folder in folders:
        for parent, _folders, names in os.walk(folder):
            for name in sorted(names):
                content = read(os.path.join(parent, name)) or b""
                for number, line in enumerate(content.splitlines(), 1):
                    text = line.strip()
                    if needle in text and not text.startswith((b"#", b"--")):
                        found.append(f"{os.path.join(parent, name)}:{number}")
    return found
