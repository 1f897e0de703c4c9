# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What comes after a switch and a reload: is it served as it should be? If it is worse than before, go back.

The record of what was switched and has not been confirmed, transaction.json:

    {"version": 1,
     "sets": {NAME: {"previous": ID or null, "current": ID, "services": [SERVICE],
                     "fingerprint": SHA-256 of the certificate, "staple": SHA-256 or null,
                     "is_of_user": true,      where a search found it and users other than root can write; else false
                     "sights": [[SERVICE, HOST, PORT, STARTTLS, server name,
                                 {fingerprint: whether it was stapled}]]}},     what was served before
     "snippets": {PATH: its content before, or null}}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import typing as t

from .. import names
from ..errors import OcspError
from ..options.parse import CERTIFICATE_LIMIT
from ..pki.certificate import Certificate, load_certificates
from ..servers.table import SERVERS
from ..services.installation import Installation
from ..store import pending, reading, sets, staples
from ..store.sets import Layout
from . import live, material

#: Seconds that a service has to come back with what it was told to load.
PATIENCE = 15.0
_PAUSE = 0.5
#: The fault of a server that shows what it showed before the switch.
STILL_OLD = "the old certificate is still served"
#: How often in a row an endpoint is waited for that hangs, before the same is taken to be true of its other names.
_MOST_HANGING = 3
#: Seconds that a look may take, with which any number is waited for, and those beyond in all after which an endpoint is
#: not looked at any more. One takes some hundredths of a second.
_USUAL, _MOST_BEYOND = 0.5, 20.0
#: Looks that are worth it to spare a reload.
_MOST_LOOKS = 50


class Endpoint(t.NamedTuple):
    """Where a service is looked at; ``starttls`` is the protocol before TLS, or empty."""

    service: str
    host: str
    port: int
    starttls: str


class Sight(t.NamedTuple):
    """What clients are shown: a staple or None by the SHA-256 of each certificate; else why there is nothing.

    ``hung``: there was no answer in time. ``spared``: there was no look, as those before took too long. ``answered``:
    there was an answer, with which TLS does not work.
    """

    shown: t.Mapping[str, t.Optional[bytes]]
    problem: str = ""
    hung: bool = False
    spared: bool = False
    answered: bool = False


#: Looks at an endpoint as a client that asks for a server name.
Look = t.Callable[[Endpoint, str], Sight]


class Sighted(t.NamedTuple):
    """What an endpoint showed for a server name before a switch."""

    endpoint: Endpoint
    asked: str
    sight: Sight


class Switched(t.NamedTuple):
    """A certificate of which another set went live; ``staple`` is the digest of the staple that this had then.

    ``is_of_user`` is as for ``Wanted``.
    """

    name: str
    previous: t.Optional[str]
    current: str
    services: t.Sequence[str]
    fingerprint: str
    staple: t.Optional[str]
    sights: t.Sequence[Sighted]
    is_of_user: bool = False


class Verdict(t.NamedTuple):
    """What a look says of one certificate of a service. ``served``: it is served as it should be.

    ``outdated``: it is, but its staple on disk is newer than the switch, and not served yet. ``still``: TLS does not
    work, as it did not before.
    """

    service: str
    name: str
    served: bool
    problem: str
    outdated: bool = False
    still: str = ""


Record = t.Dict[str, t.Any]


def server_name(wanted: t.Iterable[str]) -> str:
    """The name that a client asks for: the first one that is no wildcard, else one below the first wildcard.

    Addresses are not asked for (RFC 6066 section 3); empty where there is no name.
    """
    known = [name for name in map(names.server_name, wanted) if name]
    exact = next((name for name in known if not names.is_wildcard(name)), "")
    # A wildcard that is as long as a name may be has no name below it.
    return exact or next(filter(None, (names.host_name(f"www{name[1:]}") for name in known)), "")


# The record


def read_record(layout: Layout) -> Record:
    """What was switched and has not been confirmed; empty where nothing was."""
    record: t.Any = None
    with contextlib.suppress(OSError, ValueError), open(layout.transaction, encoding="utf-8") as handle:
        record = json.load(handle)
    return record if _is_record(record) else {}


def _is_record(record: t.Any) -> bool:
    """Whether it has what this module writes, as far as going on without it would end in an exception."""
    if not isinstance(record, dict) or not isinstance(record.get("snippets", {}), dict):
        return False
    noted = record.get("sets", {})
    keys = {"previous", "current", "services", "fingerprint", "staple", "sights"}
    return isinstance(noted, dict) and all(isinstance(one, dict) and keys <= set(one) for one in noted.values())


def extend_record(
    record: Record, switched: t.Iterable[Switched], snippets: t.Mapping[str, t.Optional[str]]
) -> t.Optional[bytes]:
    """The record with what is going to be switched, keeping what an earlier run noted and is not confirmed yet.

    ``snippets`` are the shared pieces of configuration as they were, by path; None where there was none. Without any
    set there is no record: it would not be verified, and the next failure would put back snippets of another time.
    """
    noted: Record = dict(record.get("sets", {}))
    for one in switched:
        older = noted.get(one.name, {})
        follows = bool(older) and older.get("current") == one.previous
        noted[one.name] = {
            "previous": older["previous"] if follows else one.previous,
            "current": one.current,
            "services": list(one.services),
            "fingerprint": one.fingerprint,
            "staple": one.staple,
            "is_of_user": one.is_of_user,
            "sights": older["sights"] if follows else [_sighted(sighted) for sighted in one.sights],
        }
    return dump_record(noted, {**snippets, **record.get("snippets", {})})


def dump_record(noted: Record, snippets: t.Mapping[str, t.Optional[str]]) -> t.Optional[bytes]:
    """The content of the record, or None where there is nothing to be recorded."""
    if not noted:
        return None
    return json.dumps({"version": 1, "sets": noted, "snippets": snippets}, indent=1).encode("ascii")


def _sighted(sighted: Sighted) -> t.List[t.Any]:
    stapled = {fingerprint: staple is not None for fingerprint, staple in sighted.sight.shown.items()}
    return [*sighted.endpoint, sighted.asked, stapled]


def previous_sets(layout: Layout) -> t.Dict[str, t.Optional[str]]:
    """The set of each name to which an unconfirmed switch may have to go back."""
    return {name: noted["previous"] for name, noted in read_record(layout).get("sets", {}).items()}


def of_users(record: Record) -> t.List[str]:
    """The names of a record that a search found where users other than root can write."""
    return [name for name, noted in record.get("sets", {}).items() if noted.get("is_of_user")]


def unconfirmed(layout: Layout) -> t.List[str]:
    """The services of switches that are not confirmed yet."""
    noted = read_record(layout).get("sets", {})
    return sorted({service for one in noted.values() for service in one["services"]})


# Looking


def sparing(look: Look, monotonic: t.Callable[[], float] = time.monotonic) -> Look:
    """Looks for one pass, in which an endpoint that hangs or is slow does not take its time for each certificate."""
    hung: t.Dict[Endpoint, int] = {}
    beyond: t.Dict[Endpoint, float] = {}
    last: t.Dict[Endpoint, Sight] = {}

    def look_or_spare(endpoint: Endpoint, asked: str) -> Sight:
        if hung.get(endpoint, 0) >= _MOST_HANGING:
            return last[endpoint]
        if beyond.get(endpoint, 0.0) > _MOST_BEYOND:
            return Sight({}, "it takes too long to answer", spared=True)
        began = monotonic()
        last[endpoint] = look(endpoint, asked)
        hung[endpoint] = hung.get(endpoint, 0) + 1 if last[endpoint].hung else 0
        beyond[endpoint] = beyond.get(endpoint, 0.0) + max(0.0, monotonic() - began - _USUAL)
        return last[endpoint]

    return look_or_spare


def examine(layout: Layout, look: Look) -> t.List[Verdict]:
    """Look at all that was switched and is live still."""
    verdicts, look = [], sparing(look)
    for name, noted in read_record(layout).get("sets", {}).items():
        if sets.current_id(layout, name) != noted["current"]:
            continue
        replaced = _fingerprint_of(layout, name, noted["previous"])
        if not _can_be_shown(layout, name, noted["current"]):
            continue
        for service, host, port, starttls, asked, before in noted["sights"]:
            sight = look(Endpoint(service, host, port, starttls), asked)
            if sight.spared:
                continue
            problem = _fault(sight, before, replaced, noted) or _staple_fault(sight, before, noted, layout.live(name))
            served = not problem and noted["fingerprint"] in sight.shown
            outdated = served and not _is_up_to_date(sight, noted, layout.live(name))
            where = f"{service} on {host}:{port} for {asked or name}: "
            still = f"{where}TLS still does not work ({sight.problem})" if sight.answered and not before else ""
            verdicts.append(
                Verdict(service, name, served and not outdated, problem and where + problem, outdated, still)
            )
    return verdicts


def _fingerprint_of(layout: Layout, name: str, identifier: t.Optional[str]) -> str:
    """The fingerprint of the certificate of a set; empty where there is none that can be read."""
    certificate = _certificate_of(layout, name, identifier)
    return material.fingerprint(certificate) if certificate else ""


def _can_be_shown(layout: Layout, name: str, identifier: str) -> bool:
    """Whether a look can tell that a certificate is served: none offers the odd curves that some servers load."""
    certificate = _certificate_of(layout, name, identifier)
    with contextlib.suppress(OcspError):
        return certificate is None or not certificate.public_key.flaw
    return False


def _certificate_of(layout: Layout, name: str, identifier: t.Optional[str]) -> t.Optional[Certificate]:
    """The certificate of a set; None where there is none that can be read."""
    if not identifier:
        return None
    path = os.path.join(layout.folder(name, identifier), "cert.pem")
    with contextlib.suppress(OcspError):
        content = reading.read_file(path, path, CERTIFICATE_LIMIT)
        return load_certificates(content, path)[0] if content else None
    return None


def _fault(sight: Sight, before: t.Mapping[str, bool], replaced: str, noted: t.Mapping[str, t.Any]) -> str:
    if sight.problem:
        # What makes it fail may be another change, which nothing had loaded until now.
        also = "the reload may also have loaded other changes to its configuration"
        return f"TLS no longer works ({sight.problem}; {also})" if before else ""
    if replaced in before and noted["fingerprint"] not in sight.shown:
        return STILL_OLD if replaced in sight.shown else "the new certificate is not served"
    return ""


def _staple_fault(sight: Sight, before: t.Mapping[str, bool], noted: t.Mapping[str, t.Any], live: str) -> str:
    if noted["fingerprint"] not in sight.shown:
        return ""
    staple = sight.shown[noted["fingerprint"]]
    if staple is None:
        return "the certificate is served without its staple" if noted["staple"] and any(before.values()) else ""
    if before.get(noted["fingerprint"]):
        # The server staples for this certificate by itself, or from other files, until its configuration reads these.
        return ""
    place = staples.find(live)
    # Where a newer one was put in place meanwhile, the service may not have been reloaded for that yet.
    if place is not None and staples.read(place) != staple and staple_digest(staple) != noted["staple"]:
        return "the staple that is served is not the one for the certificate"
    return ""


def _is_up_to_date(sight: Sight, noted: t.Mapping[str, t.Any], live: str) -> bool:
    """Whether the staple that is on disk now is served, and not only what was there at the switch."""
    place = staples.find(live)
    staple = staples.read(place) if place is not None else None
    return staple_digest(staple) == noted["staple"] or sight.shown[noted["fingerprint"]] == staple


def staple_digest(staple: t.Optional[bytes]) -> t.Optional[str]:
    """What the record has of a staple."""
    return hashlib.sha256(staple).hexdigest() if staple is not None else None


# Confirming


class Verified(t.NamedTuple):
    """The end of a verification: what is worse than before by service, empty where all is well.

    ``untold`` are services of which it is unknown whether they have loaded their files. ``seen`` are the problems that
    clients saw, by certificate, and ``serving`` are the services that showed a certificate that was switched. ``still``
    says of others that TLS does not work, as it did not before.
    """

    faults: t.Dict[str, str]
    services: t.List[str]
    untold: t.List[str]
    seen: t.Mapping[str, str] = {}
    serving: t.Tuple[str, ...] = ()
    still: t.Mapping[str, str] = {}


def verify(
    installation: Installation,
    look: Look,
    sleep: t.Callable[[float], None] = time.sleep,
    monotonic: t.Callable[[], float] = time.monotonic,
) -> Verified:
    """Confirm what was switched, as soon as it is served, within ``PATIENCE`` seconds.

    Where all is well, the record is removed, and so are the notes of services that serve what is on disk.
    """
    layout, services = installation.layout, unconfirmed(installation.layout)
    _load_for_others(installation, services)
    deadline = monotonic() + PATIENCE
    while True:
        verdicts = examine(layout, look)
        faults = _faults(installation, services, verdicts)
        if not faults or monotonic() >= deadline:
            break
        sleep(_PAUSE)
    _recognise(installation, verdicts)
    if faults:
        return Verified(faults, services, [], {one.name: one.problem for one in reversed(verdicts) if one.problem})
    left = [service for service in installation.outstanding() if service in services]
    # One that certainly has a newer staple still to load is reloaded by the next run of the program.
    untold = [service for service in left if not _is_behind(installation, service)]
    sets.remove_record(layout)
    serving = tuple(sorted({one.service for one in verdicts if one.served or one.outdated}))
    still = {one.service: one.still for one in reversed(verdicts) if one.still and one.service not in serving}
    return Verified({}, services, untold, serving=serving, still=still)


def _load_for_others(installation: Installation, services: t.Iterable[str]) -> None:
    """Have services load what another run switched after they had loaded the rest.

    That run is going to do it, but waits for this one to end; without it, the old certificate would seem to stay.
    """
    layout = installation.layout
    noted = read_record(layout).get("sets", {})
    for service in services:
        note = pending.read(layout, service)
        switched = {name for name, one in noted.items() if service in one["services"]}
        newer = switched.intersection(note.names if note is not None else ())
        if newer and newer != switched and _is_behind(installation, service):
            with contextlib.suppress(OcspError):
                installation.tell(service, live.keys(layout, service))


def recognise(installation: Installation, look: Look, endpoints: t.Sequence[Endpoint]) -> None:
    """Remove the notes of services that serve what is on disk, no matter how they were reloaded."""
    layout = installation.layout
    looks = [
        (endpoint, name)
        for service in installation.outstanding()
        for name in (pending.read(layout, service) or pending.Note()).names
        for endpoint in endpoints
        if endpoint.service == service
    ]
    if len(looks) <= _MOST_LOOKS:
        look = sparing(look)
        verdicts = (_verdict(installation, look, endpoint, name) for endpoint, name in looks)
        _recognise(installation, [verdict for verdict in verdicts if verdict is not None])


def _verdict(installation: Installation, look: Look, endpoint: Endpoint, name: str) -> t.Optional[Verdict]:
    """Whether an endpoint serves the live set of a name, with its staple where it can; None if it shows nothing."""
    live = installation.layout.live(name)
    sight = look(endpoint, server_name(sets.described(live).names or [name]))
    if sight.problem:
        return None
    place = staples.find(live)
    fingerprint = _fingerprint_of(installation.layout, name, sets.current_id(installation.layout, name))
    server = SERVERS.get(installation.services.get(endpoint.service).kind or "")
    staple = staples.read(place) if place is not None and (server is None or server.staples) else None
    served = fingerprint in sight.shown and sight.shown[fingerprint] == staple
    return Verdict(endpoint.service, name, served, "")


def _recognise(installation: Installation, verdicts: t.Iterable[Verdict]) -> None:
    wrong = {(verdict.service, verdict.name) for verdict in verdicts if not verdict.served}
    for verdict in verdicts:
        if verdict.served and (verdict.service, verdict.name) not in wrong:
            pending.forget(installation.layout, verdict.service, (verdict.name,))


def _faults(installation: Installation, services: t.Iterable[str], verdicts: t.Sequence[Verdict]) -> t.Dict[str, str]:
    """What is worse than before, the first of each service."""
    faults: t.Dict[str, str] = {}
    for verdict in verdicts:
        if not verdict.problem or verdict.service in faults:
            continue
        # A service that was stopped meanwhile loads what is live when it starts; one that failed may not be able to.
        failure = installation.services.failure(verdict.service)
        if failure or installation.services.is_running(verdict.service) is not False:
            faults[verdict.service] = "; ".join(filter(None, [verdict.problem, failure]))
    seen = {verdict.service for verdict in verdicts if verdict.served or verdict.outdated or verdict.problem}
    for service in services:
        if service not in seen and _is_behind(installation, service):
            refused = installation.services.test(service)
            faults[service] = refused or f"{service} has not been reloaded since its files changed"
    return faults


def _is_behind(installation: Installation, service: str) -> bool:
    """Whether a service certainly has not loaded what is on disk."""
    note = pending.read(installation.layout, service)
    if note is None or note.complete is None:
        return False
    return installation.services.loaded_since(service, note.complete) is False


def take_back(installation: Installation) -> t.List[str]:
    """Have live what was live before the switches on record. Returns the names of the sets. Raises FileError."""
    layout, record = installation.layout, read_record(installation.layout)
    noted = {
        name: one for name, one in record.get("sets", {}).items() if sets.current_id(layout, name) == one["current"]
    }
    pieces: t.Mapping[str, t.Optional[str]] = record.get("snippets", {})
    told: t.Dict[str, t.List[str]] = {service: [] for service in unconfirmed(layout)}
    for name, one in noted.items():
        for service in one["services"]:
            told[service].append(name)
    with installation.switching(noted, [*pieces, layout.transaction], told) as change:
        for name, one in noted.items():
            change.switch(name, one["previous"])
        for path, content in pieces.items():
            change.put_back(path, content)
        change.put(layout.transaction, None)
    return sorted(noted)


def reload_all(installation: Installation, services: t.Iterable[str]) -> t.List[str]:
    """Reload services whatever they may have loaded, and start those that failed with what was taken back.

    Returns what went wrong, each as a sentence.
    """
    problems = []
    for service in services:
        try:
            problem = installation.services.start_failed(service)
            problem = (
                problem or installation.tell(service, live.keys(installation.layout, service), always=True).problem
            )
        except OcspError as error:
            problem = error.message
        problems += [problem] if problem else []
    return problems
