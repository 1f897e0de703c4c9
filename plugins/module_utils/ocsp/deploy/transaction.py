# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction that brings keys, certificates and staples to servers: all of it, or nothing.

    plan       read and check all that was given, and compare it with what is live
    obtain     a response for each certificate that has a responder
    renew      newer responses for sets that stay
    switch     stage new sets, switch to them, test the services' configuration, switch back if that fails

Everything that servers read is changed through an ``Installation``. ``confirm`` is about what comes after a reload.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from ..errors import Fault, InputError, OcspError
from ..fetch import bulk
from ..fetch.environment import as_remembered
from ..fetch.freshness import Outcome, judge
from ..judge.decision import WITHDRAW, Facts, decide, proves_for_good
from ..judge.judgement import Judgement
from ..judge.lint import lint
from ..judge.schedule import Lookahead
from ..options.parse import CERTIFICATE_LIMIT, Options, decode_content, make_options
from ..pki.certificate import load_certificates
from ..servers import snippets
from ..servers.changes import expiry_plan, needs_reload
from ..servers.server import Entry, Setup
from ..servers.table import SERVERS
from ..services.control import Services
from ..services.installation import Installation, Refused, read_texts
from ..store import proofs, reading, sets, staples
from ..store.parts import Part
from ..store.sets import Layout
from ..text import format_time, join_words
from . import confirm, finds, live, material, renewed
from .confirm import Endpoint, Look, Sight
from .live import Live
from .material import Material, Sources
from .wanted import Missing, Wanted, in_turn

#: Reason codes of a responder that may not know a new certificate yet.
_NOT_KNOWN_YET = ("not_successful", "unknown_status")
#: How many names a sentence lists.
_MOST_NAMES = 20
_NO_SET = "-"

Ahead = t.Callable[[], Lookahead]
#: Fetches what is due, and returns an outcome or an error by name.
Fetch = t.Callable[[t.Sequence[bulk.Request]], t.Mapping[str, t.Union[Outcome, OcspError]]]


@dataclass
class Item:
    """What is to become of one certificate. ``identifier`` is that of the set to come, or of the live one.

    ``reasons`` say what of the live set is not as it should be. ``renewed``: a set that stays got another staple, and
    ``adapted``: it got other pieces of configuration, and ``secured``: only those who should can read its key again.
    ``rolled_back``: its new set was refused. ``unfit`` says why a
    good response is not used. ``in_place`` is the staple that the certificate has, and ``remembered`` the judgement of
    an earlier response that says that it is revoked.
    """

    wanted: Wanted
    material: Material
    previous: t.Optional[str]
    identifier: str
    reasons: t.List[str] = field(default_factory=list)
    outcome: t.Optional[Outcome] = None
    held_back: str = ""
    unfit: str = ""
    known_revoked: bool = False
    in_place: t.Optional[bytes] = None
    remembered: t.Optional[Judgement] = None
    renewed: bool = False
    adapted: bool = False
    secured: bool = False
    rolled_back: bool = False
    position: t.Optional[int] = None
    came: int = 0

    @property
    def name(self) -> str:
        return self.wanted.name

    @property
    def changed(self) -> bool:
        """Whether a new set goes live."""
        return bool(self.reasons) and not (self.held_back or self.rolled_back)

    @property
    def is_in_use(self) -> bool:
        """Whether the certificate is the one that is live, whatever else of its set is not as it should be."""
        return self.previous is not None and not {"cert.pem", "fullchain.pem"} <= set(self.reasons)

    @property
    def is_whole(self) -> bool:
        """Whether the files of the live set have in them what they should have; who may read them is another matter."""
        return self.previous is not None and not set(self.reasons) & set(sets.MATERIAL_FILES)

    @property
    def urls(self) -> t.Sequence[str]:
        """The responders to ask."""
        return self.wanted.options.get("responder_urls") or self.material.certificate.responder_urls

    @property
    def stapled(self) -> bool:
        """Whether there should be a staple."""
        return self.wanted.staple and bool(self.urls)

    @property
    def description(self) -> sets.Description:
        """What its set is for."""
        source = self.wanted.renewed_by.values() if self.wanted.renewed_by is not None else None
        wanted = self.wanted
        return sets.Description(
            wanted.names, wanted.services, self.stapled, self.position, source, self.came, wanted.origin
        )

    @property
    def response(self) -> t.Optional[t.Tuple[bytes, Judgement]]:
        """The good response for this certificate and its judgement, if there is one that can be used."""
        outcome = self.outcome
        if self.unfit or outcome is None or outcome.data is None or outcome.judgement is None:
            return None
        return outcome.data, outcome.judgement

    @property
    def staple(self) -> t.Optional[t.Tuple[bytes, Judgement]]:
        """What a new set has as its staple, and the judgement of that.

        A new set of a certificate that is in use though revoked keeps a good staple: whether that is withdrawn, the
        program decides, as it does where the set stays.
        """
        before = self.outcome.before if self.outcome is not None else None
        if self.revocation is None or self.in_place is None or before is None or not before.acceptable:
            return self.response
        return self.in_place, before

    @property
    def obstacle(self) -> t.Tuple[str, str]:
        """Why there is no response that can be used: the reason code and the sentence, empty where that is no fault."""
        if self.revocation is not None:
            return "revoked", self.revocation.message
        if self.unfit:
            return "expiring", self.unfit
        outcome = self.outcome
        if outcome is None or outcome.data is not None or not outcome.failed:
            return "", ""
        if outcome.fetch_error is not None:
            return outcome.fetch_error.code, as_remembered(outcome.fetch_error.message)
        errors = outcome.judgement.errors if outcome.judgement is not None else ()
        return errors[0] if errors else "missing_staple", outcome.message

    @property
    def lacks_staple(self) -> bool:
        """Whether it is used without the staple that it should have, for another reason than a revocation."""
        used = not (self.held_back or self.rolled_back or self.is_revoked)
        return used and self.stapled and self.outcome is not None and self.response is None

    @property
    def is_revoked(self) -> bool:
        """Whether its CA says so, now or earlier: while a staple is good, no responder is asked."""
        return self.revocation is not None or (self.known_revoked and self.is_in_use)

    @property
    def revocation(self) -> t.Optional[Judgement]:
        """The response that says so, if one was obtained."""
        judgement = self.outcome.judgement if self.outcome is not None else None
        return judgement if judgement is not None and judgement.proves_revocation else None

    @property
    def said_revoked(self) -> str:
        """The sentence that it is revoked, with as much as is known of that; empty where it is not."""
        if not self.is_revoked:
            return ""
        judgement = self.revocation or self.remembered
        said = (one.message for one in judgement.findings if one.code == "revoked") if judgement is not None else ()
        return next(iter(said), "its CA has revoked it")


@dataclass
class Plan:
    """All items in their order, sentences for the operator, and the names whose responders were asked repeatedly.

    ``services`` are those of the host, ``before`` is what is live on it, whoever deployed it, and ``parts`` is who will
    have configured what. ``missing`` are, in check mode, the certificates of which something does not exist yet, and
    ``outdated`` those that stay as another owner has changed them. ``awaited`` are the names of those that are still to
    be obtained.
    ``verified``: what is served is going to be looked at, so that what was there before is noted.
    """

    layout: Layout
    items: t.List[Item]
    apache_port: int
    services: Services
    before: t.Sequence[Live]
    parts: t.Sequence[Part] = ()
    warnings: t.List[str] = field(default_factory=list)
    waited_for: t.List[str] = field(default_factory=list)
    missing: t.Sequence[Missing] = ()
    outdated: t.Sequence[str] = ()
    awaited: t.Sequence[str] = ()
    blame: str = ""
    verified: bool = True

    @property
    def changed(self) -> t.List[Item]:
        """The items of which a new set goes live."""
        return [item for item in self.items if item.changed]

    def after(self) -> t.List[Live]:
        """All that is or will be live, in the order that snippets have."""
        mine = []
        for item in self.items:
            identifier = item.previous if item.held_back else item.identifier
            if identifier:
                mine.append(live.make(self.layout, item.name, identifier, item.description, self.services))
        names = {item.name for item in self.items}
        return live.ordered([*mine, *(one for one in self.before if one.entry.name not in names)], self.parts)

    def entries(self) -> t.Dict[str, Entry]:
        """What the pieces of configuration are about: what is or will be live, by name."""
        return {one.entry.name: one.entry for one in self.after()}

    def outdated_snippets(self) -> t.Dict[str, t.Optional[bytes]]:
        """The shared pieces of configuration that are not as they should be, by path. Raises InputError."""
        return live.outdated_snippets(Setup(self.layout.root, self.apache_port), self.after())

    def told(self, outdated: t.Iterable[str]) -> t.Dict[str, t.List[str]]:
        """The certificates that services have to load for a switch and for these shared pieces, by service."""
        told = live.told(outdated, self.before, self.after())
        for item in self.changed:
            for service in item.wanted.services:
                if item.name not in told.setdefault(service, []):
                    told[service].append(item.name)
        return dict(sorted(told.items()))


# Planning


def plan(
    layout: Layout, wanted: t.Sequence[Wanted], now: datetime, apache_port: int, services: Services
) -> t.Tuple[Plan, t.List[Fault]]:
    """Read, check and compare. Returns all that is wrong as well.

    What other users have is looked at last, and in turn: checking it may take any time.
    """
    faults: t.List[Fault] = []
    work = Plan(layout, [], apache_port, services, live.look(layout, services))
    until = time.monotonic() + finds.LONGEST_FOR_USERS
    for one in in_turn(wanted, lambda one: one.user):
        if one.is_of_user and time.monotonic() > until:
            faults.append(_fault(one.name, finds.NO_TIME))
            continue
        try:
            item, found, warnings = _plan_one(layout, one, now)
        except OcspError as error:
            faults.append(_fault(one.name, error.message))
            continue
        work.items.append(item)
        faults += [_fault(one.name, sentence) for sentence in found]
        work.warnings += [f"{one.name}: {sentence}" for sentence in warnings]
    places = {one.name: place for place, one in enumerate(wanted)}
    work.items.sort(key=lambda item: places[item.name])
    return work, [*faults, *_conflicts(work.items), *_neighbour_conflicts(work)]


def flaws(layout: Layout, wanted: t.Iterable[Wanted], now: datetime) -> t.List[Fault]:
    """What is wrong with certificates that are not to be deployed, as something else is wrong with them as well."""
    faults = []
    for one in wanted:
        try:
            faults += [_fault(one.name, sentence) for sentence in _plan_one(layout, one, now)[1]]
        except OcspError as error:
            faults.append(_fault(one.name, error.message))
    return faults


def _fault(name: str, sentence: str) -> Fault:
    return Fault(name, f"{name}: {sentence}")


def _plan_one(layout: Layout, wanted: Wanted, now: datetime) -> t.Tuple[Item, t.List[str], t.List[str]]:
    """The item, what is wrong with it, and what is odd."""
    read = material.read_material(wanted.name, wanted.sources, now)
    previous = sets.current_id(layout, wanted.name)
    stale = _stale(layout, wanted, read, previous, now)
    if stale:
        wanted = _as_live(layout, wanted, previous or "")
        read = material.read_material(wanted.name, wanted.sources, now)
    item = Item(wanted, read, previous, previous or "")
    item.reasons = _differences(layout, item)
    path = read.path
    odd = (*path.warnings, *path.unused, *(f"it is live, but {one}" for one in path.problems))
    found = material.Examination((), (*stale, *odd))
    if item.reasons:
        item.identifier = sets.new_id(now, material.fingerprint(read.certificate))
    if not item.is_whole:
        found = material.examine(read, wanted.names)
    problems = [*_unusable(item), *found.problems]
    if item.stapled and not problems:
        problem = material.issuer_problem(read)
        problems += [problem] if problem else []
    return item, problems, list(found.warnings)


def _stale(
    layout: Layout, wanted: Wanted, read: Material, previous: t.Optional[str], now: datetime
) -> t.Tuple[str, ...]:
    """That the live certificate was renewed on the host and is newer than what is given, as a sentence; else nothing.

    A live one that has expired is worth less than any other.
    """
    if previous is None or wanted.at_any_age or not _is_whole(layout.folder(wanted.name, previous)):
        return ()
    described = sets.described(layout.folder(wanted.name, previous)).source
    live = renewed.live_leaf(layout, wanted.name) if wanted.renewed_by is not None or described else None
    if live is None or live.not_after <= now or live.not_before <= read.certificate.not_before:
        return ()
    source = renewed.read_source(described).shown if described else "this host"
    issued, later = format_time(read.certificate.not_before), format_time(live.not_before)
    sentence = (
        f"the certificate in {read.where['certificate']}, issued {issued}, is older than the live one, issued {later} "
        f"and deployed from {source}, so the live one stays; to go back to the older one, name its files to "
        "'ocsp-stapling deploy' on the host"
    )
    return (sentence,)


def _is_whole(folder: str) -> bool:
    """Whether a set has what a server needs."""
    return all(os.path.isfile(os.path.join(folder, file)) for file in ("privkey.pem", "cert.pem", "fullchain.pem"))


def _as_live(layout: Layout, wanted: Wanted, previous: str) -> Wanted:
    """The same certificate with the files of its live set."""
    folder, files = layout.folder(wanted.name, previous), sets.read_set(layout, wanted.name, previous)
    where = {"key": "privkey.pem", "certificate": "fullchain.pem", "chain": "chain.pem"}
    where = {part: os.path.join(folder, name) for part, name in where.items()}
    where["root"] = wanted.sources.where["root"]
    sources = Sources(files["privkey.pem"], files["fullchain.pem"], None, wanted.sources.root, where)
    described = sets.described(folder)
    source = wanted.renewed_by or (renewed.read_source(described.source) if described.source else None)
    return replace(wanted, sources=sources, renewed_by=source, origin=described.origin)


def _differences(layout: Layout, item: Item) -> t.List[str]:
    """What of the live set is not as it should be."""
    if item.previous is None:
        return ["there is no set yet"]
    live = sets.read_set(layout, item.name, item.previous)
    contents = item.material.files()
    reasons = [file for file in sets.MATERIAL_FILES if live.get(file) != contents.get(file)]
    for file, access in sets.accesses(layout, item.name, item.previous).items():
        if access != item.wanted.access:
            reasons.append(f"{file} is {access.shown} and not {item.wanted.access.shown}")
    return reasons


def _unusable(item: Item) -> t.List[str]:
    """Why the services cannot use this certificate, whatever else is right with it."""
    return [*_unstapled(item), *_unreadable(item)]


def _unstapled(item: Item) -> t.Iterator[str]:
    """What keeps a certificate from being stapled for that has to be."""
    wanted, certificate = item.wanted, item.material.certificate
    if not certificate.must_staple:
        return
    mute = [kind for kind in wanted.known_kinds if not SERVERS[kind].staples]
    if mute:
        yield (
            f"the certificate requires stapling (must-staple), which {join_words(mute)} cannot do; clients would "
            "refuse it, so give such services a certificate without must-staple"
        )
    if not item.stapled:
        yield (
            "the certificate requires stapling (must-staple), but stapling is turned off"
            if item.urls
            else "the certificate requires stapling (must-staple), but has no OCSP responder URL; set responder_urls"
        )


def _unreadable(item: Item) -> t.Iterator[str]:
    """Why services could not read the private key, or others could."""
    access = item.wanted.access
    problem = sets.mode_problem(access.mode)
    if problem:
        yield problem
    if access.uid == 0 and not (access.gid and access.mode & stat.S_IRGRP):
        blind = [kind for kind in item.wanted.known_kinds if SERVERS[kind].reads_key_as_user]
        if blind:
            yield (
                f"{join_words(blind)} cannot read the private key, which is readable by root only; set key_group "
                '(group, in a task of certificate_set) to the group of that service, and key_mode (mode) to "0440"'
            )


def _conflicts(items: t.Sequence[Item]) -> t.List[Fault]:
    """Certificates with different kinds of keys for one name, where a server has one staple for both."""
    faults: t.List[Fault] = []
    holders: t.Dict[str, t.List[int]] = {}
    for number, one in enumerate(items):
        earlier = sorted({other for name in one.wanted.names for other in holders.get(name, ())})
        problems = filter(None, (_conflict(items[other], one) for other in earlier))
        faults += [Fault(one.name, problem) for problem in problems]
        for name in one.wanted.names:
            holders.setdefault(name, []).append(number)
    return faults


def _conflict(one: Item, other: Item) -> str:
    """Why no server can staple for both of two certificates with a name in common, or an empty string."""
    kinds = sorted({material.key_kind(item.material.certificate) for item in (one, other)})
    shared = [kind for kind in one.wanted.known_kinds if kind in other.wanted.known_kinds and SERVERS[kind].one_staple]
    if not shared or len(kinds) == 1 or not (one.stapled or other.stapled):
        return ""
    server, name = min(shared), min(set(one.wanted.names) & set(other.wanted.names))
    return (
        f"{one.name} and {other.name}: both are for {name} on {server}, with {join_words(kinds)} keys; {server} "
        f"{SERVERS[server].one_staple}; deploy one of them there, or set staple to false for both"
    )


def _neighbour_conflicts(work: Plan) -> t.List[Fault]:
    """As ``_conflicts``, with what is live and none of the items.

    What another user has live, in a folder that is searched, keeps no other from being deployed: it is a warning.
    """
    faults: t.List[Fault] = []
    holders: t.Dict[str, t.List[Item]] = {}
    for item in work.items:
        for name in item.wanted.names:
            holders.setdefault(name, []).append(item)
    mine = {item.name for item in work.items}
    for one in (one for one in work.before if one.entry.name not in mine):
        other = one.entry
        for name in other.names:
            for item in holders.get(name, ()):
                shared = [kind for kind in item.wanted.known_kinds if kind in other.kinds and SERVERS[kind].one_staple]
                if shared and (item.stapled or other.stapled):
                    problems = list(_different_kinds(item, other, min(shared), name))
                    faults += problems if one.origin is None else []
                    work.warnings += [fault.message for fault in problems if one.origin is not None]
    return faults


def _different_kinds(item: Item, other: Entry, server: str, name: str) -> t.Iterator[Fault]:
    path = os.path.join(other.live, "cert.pem")
    with contextlib.suppress(OcspError):
        (certificate, *_chain) = load_certificates(reading.read_file(path, path, CERTIFICATE_LIMIT) or b"", path)
        kinds = sorted({material.key_kind(item.material.certificate), material.key_kind(certificate)})
        if len(kinds) > 1:
            yield _fault(
                item.name,
                f"{other.name}, which is live on this host, is for {name} on {server}, too, with "
                f"{join_words(kinds)} keys; {server} {SERVERS[server].one_staple}; deploy one of them there, or set "
                "staple to false for both",
            )


# Obtaining responses


def obtain(
    work: Plan,
    fetch: Fetch,
    retry: t.Callable[[int], bool] = lambda attempt: False,
    ahead: t.Optional[Ahead] = None,
    now: t.Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> None:
    """Find or fetch a response for each certificate that has a responder.

    ``retry`` is asked after each attempt whether to try again what is worth waiting for, and waits. ``ahead`` says what
    the program on the host would leave in place, if there is one: what it would withdraw at once is not put there.
    Raises InputError for options that cannot be used.
    """
    waiting = {item.name: item for item in work.items if item.stapled}
    requests: t.Dict[str, bulk.Request] = {}
    for name, item in list(waiting.items()):
        try:
            requests[name] = _request(work.layout, item)
        except OcspError as error:
            _hold_back(waiting.pop(name), error)
        else:
            item.in_place = requests[name].current
            item.remembered = _remembered(work.layout, item, requests[name].options, now())
    attempt = 0
    while waiting:
        for name, result in fetch([requests[name] for name in waiting]).items():
            if isinstance(result, OcspError):
                _hold_back(waiting[name], result)
            else:
                waiting[name].outcome = result
        waiting = {name: item for name, item in waiting.items() if _is_worth_waiting(item, name in work.waited_for)}
        attempt += 1
        if not waiting or not retry(attempt):
            break
        work.waited_for += [name for name in waiting if name not in work.waited_for]
    for item in work.items:
        item.unfit = _unfit(item, ahead, now()) if ahead is not None else ""
        work.warnings += [f"{item.name}: {sentence}" for sentence in _settle(item)]


def _hold_back(item: Item, error: OcspError) -> None:
    """Deploy all others where another user brought this one, or else nothing. Raises InputError."""
    if not item.wanted.is_of_user:
        raise InputError(f"nothing was changed: {item.name}: {error.message}")
    item.held_back = error.message


def _request(layout: Layout, item: Item) -> bulk.Request:
    wanted = item.wanted
    values = {"server": sorted(wanted.known_kinds), **wanted.options}
    source = decode_content(wanted.source, "response_content") if wanted.source is not None else None
    options = make_options(values, item.material.certificate, item.material.issuer, source)
    # The staple of the live set counts where the certificate is the same, also when the mode of the key changes.
    place = staples.find(layout.live(wanted.name)) if item.is_in_use else None
    return bulk.Request(wanted.name, options, staples.read(place) if place is not None else None, values)


def _remembered(layout: Layout, item: Item, options: Options, now: datetime) -> t.Optional[Judgement]:
    """The judgement of the response by which the program knows that the certificate is revoked, if it does."""
    known = proofs.read_own(layout.proof(item.name)) if item.known_revoked and item.is_in_use else None
    if known is None or options.target is None:
        return None
    judgement = judge(options.target, options, known, now)
    return judgement if proves_for_good(judgement) else None


def _is_worth_waiting(item: Item, waited: bool) -> bool:
    """Whether a new certificate has no good response for a reason that may pass, and cannot do without one.

    Without must-staple, it only waits for a responder that does not know the certificate yet: one that is down may be
    so for long, and the program fetches the response as soon as it is back. One that was ``waited`` for already is
    asked on when it does not answer for once. Those of other users are not waited for, which would delay all others.
    """
    outcome = item.outcome
    if outcome is None or outcome.fetch_error is None or outcome.data is not None:
        return False
    if item.is_in_use or item.wanted.is_of_user:
        return False
    needed = item.material.certificate.must_staple or outcome.fetch_error.code in _NOT_KNOWN_YET
    return (needed or waited) and outcome.transient


def _unfit(item: Item, ahead: Ahead, now: datetime) -> str:
    """Why the program on the host would withdraw the response at once, or an empty string."""
    response = item.response
    if response is None or item.material.certificate.must_staple:
        return ""
    decision = decide(Facts(False, candidate=response[1]), now, expiry_plan(item.wanted.kinds), ahead())
    return decision.message if decision.action == WITHDRAW else ""


def _settle(item: Item) -> t.List[str]:
    """Decide what the response means for a certificate. Returns what the operator has to know of one that is used."""
    outcome = item.outcome
    if outcome is None:
        return []
    if item.is_revoked and item.is_in_use:
        # To hold back what repairs its set would leave a damaged key, or one that others can read, in use as well.
        return [
            f"{item.said_revoked}, but {'is' if item.revocation or item.remembered else 'it is'} in use; replace it"
        ]
    if item.revocation is not None:
        item.held_back = f"{item.said_revoked}; replace the certificate"
        return []
    if item.unfit:
        return [f"no staple is put in place: {item.unfit}"]
    if outcome.data is not None:
        return list(outcome.warnings)
    if not outcome.failed:
        return []
    _code, reason = item.obstacle
    if not item.is_in_use and item.material.certificate.must_staple:
        item.held_back = f"it must not be used without a staple: {reason}"
        return []
    return [f"there is no staple yet: {reason}"]


# Sets that stay


def renew(work: Plan, installation: t.Optional[Installation]) -> t.Set[str]:
    """Bring newer responses, and pieces of configuration as for new services, into sets that stay.

    Their keys are closed to those who should not read them, also where a new set is held back.
    Returns the services that have to be reloaded. Without an ``installation`` it is only found out what would change.
    Raises FileError.
    """
    entries = work.entries()
    told: t.Set[str] = set()
    for item in work.items:
        if not item.changed and item.previous is not None:
            folder = work.layout.folder(item.name, item.previous)
            told |= _renew_one(item, entries[item.name], folder, installation)
            item.secured = _secure(work.layout, item, item.previous, write=installation is not None)
    return told


def _secure(layout: Layout, item: Item, identifier: str, write: bool) -> bool:
    """Have those alone read the keys of a set who should. Returns whether others could."""
    found = sets.accesses(layout, item.name, identifier)
    wrong = [file for file, access in found.items() if access != item.wanted.access]
    for file in wrong if write else ():
        sets.give_access(os.path.join(layout.folder(item.name, identifier), file), item.wanted.access)
    return bool(wrong)


def _renew_one(item: Item, entry: Entry, folder: str, installation: t.Optional[Installation]) -> t.Set[str]:
    place = staples.Place(folder, entry.live)
    pieces = {
        file: content for file, content in _pieces(item, entry).items() if not live.holds(place.path(file), content)
    }
    stapling = _stapling(item, place)
    item.renewed, item.adapted = bool(stapling), bool(pieces)
    told = {
        service: [item.name]
        for service, kind in zip(item.wanted.services, item.wanted.kinds)
        if f"{kind}.conf" in pieces or (stapling and needs_reload(kind, withdrawn=stapling == "withdraw"))
    }
    if installation is None or not (pieces or stapling):
        return set(told)
    with installation.changing(told) as change:
        for file, content in pieces.items():
            change.put(place.path(file), content)
        if stapling == "install" and item.response is not None:
            change.install(place, *item.response)
        elif stapling == "withdraw":
            change.withdraw(place)
    return set(told)


def _pieces(item: Item, entry: Entry) -> t.Dict[str, bytes]:
    """What lies in a set beside the material and the staple."""
    return {**snippets.for_set(entry), sets.DESCRIPTION: sets.describe(item.description)}


def _stapling(item: Item, place: staples.Place) -> str:
    """What has to be done about the staple of a set: install, withdraw or nothing."""
    if item.response is not None:
        return "install" if staples.install(place, *item.response, write=False) else ""
    return "withdraw" if not item.stapled and staples.withdraw(place, write=False) else ""


# Sets that change


def stage(work: Plan) -> None:
    """Make all new sets, complete but not live. Raises FileError; then nothing of them is left."""
    entries, staged = work.entries(), work.changed
    try:
        for item in staged:
            entry = entries[item.name]
            contents = {**item.material.files(), **_former_pieces(work.layout, item, entry), **_pieces(item, entry)}
            folder = sets.stage(work.layout, item.name, item.identifier, contents, item.wanted.access)
            if item.staple is not None:
                staples.install(staples.Place(folder, entry.live), *item.staple)
        for item in staged:
            sets.complete(work.layout, item.name, item.identifier)
    except BaseException:
        for item in staged:
            sets.discard(work.layout, item.name, item.identifier)
        raise


def _former_pieces(layout: Layout, item: Item, entry: Entry) -> t.Dict[str, bytes]:
    """The pieces that the set in place has, as they are for the new one.

    A server that is no longer told may include them all the same, and would not start without them.
    """
    if item.previous is None:
        return {}
    pieces = snippets.for_set(entry._replace(kinds=tuple(SERVERS)))
    folder = layout.folder(item.name, item.previous)
    return {file: content for file, content in pieces.items() if os.path.exists(os.path.join(folder, file))}


def switch(work: Plan, installation: Installation, look: Look, endpoints: t.Sequence[Endpoint]) -> str:
    """Switch to all staged sets and shared pieces of configuration, or to none of them.

    Returns why a service refused its configuration, so that all is as it was, or an empty string. Raises FileError.
    What was staged and did not go live is removed: it holds private keys, and counts as a set that is kept.
    """
    try:
        problem = _switch(work, installation, look, endpoints)
    except BaseException:
        _discard(work)
        raise
    if problem:
        _discard(work)
    return problem


def _discard(work: Plan) -> None:
    for item in work.changed:
        with contextlib.suppress(OcspError):
            sets.discard(work.layout, item.name, item.identifier)
        item.rolled_back = True


def _switch(work: Plan, installation: Installation, look: Look, endpoints: t.Sequence[Endpoint]) -> str:
    layout, outdated = work.layout, work.outdated_snippets()
    told = work.told(outdated)
    before = {service: installation.services.test(service) for service in told}
    record = _record(work, outdated, look, endpoints) if work.verified else None
    try:
        with installation.switching(
            [item.name for item in work.changed], [*outdated, layout.transaction], told
        ) as change:
            change.put(layout.transaction, record)
            for item in work.changed:
                change.switch(item.name, item.identifier)
            for path, content in outdated.items():
                change.put(path, content)
            problems = {service: installation.services.test(service) for service in told}
            failed = {service: problem for service, problem in problems.items() if problem}
            if failed:
                work.blame = "; ".join(_blame(one, bool(before[one])) for one in failed)
                raise Refused("; ".join(_explain(one, failed[one], before[one]) for one in failed), failed)
    except Refused as refused:
        return refused.message
    return ""


def _record(work: Plan, outdated: t.Iterable[str], look: Look, endpoints: t.Sequence[Endpoint]) -> t.Optional[bytes]:
    spare = confirm.sparing(look)
    switched = [_switched(item, spare, endpoints) for item in work.changed]
    return confirm.extend_record(confirm.read_record(work.layout), switched, read_texts(outdated))


def _switched(item: Item, look: Look, endpoints: t.Sequence[Endpoint]) -> confirm.Switched:
    asked = confirm.server_name(item.wanted.names)
    kinds = dict(zip(item.wanted.services, item.wanted.kinds))
    sights = [
        confirm.Sighted(endpoint, asked, _comparable(item, kinds[endpoint.service], look(endpoint, asked)))
        for endpoint in endpoints
        if endpoint.service in kinds
    ]
    return confirm.Switched(
        name=item.name,
        previous=item.previous,
        current=item.identifier,
        services=item.wanted.services,
        fingerprint=material.fingerprint(item.material.certificate),
        staple=confirm.staple_digest(item.staple[0] if item.staple is not None else None),
        sights=tuple(sights),
    )


def _comparable(item: Item, kind: str, sight: Sight) -> Sight:
    """What was shown before, without staples where the server will show none.

    A responder chooses how it answers, and some servers ignore what others staple. To miss that afterwards would take
    back all that is switched.
    """
    if item.staple is None or kind not in SERVERS or not lint(kind, item.staple[1], datetime.now(timezone.utc)):
        return sight
    return sight._replace(shown=dict.fromkeys(sight.shown))


def foreseen_refusals(work: Plan) -> t.Iterator[str]:
    """A sentence for each service that would refuse its configuration as it is now.

    That can be for want of the very files that are to be deployed.
    """
    for service in work.told(work.outdated_snippets()):
        problem = work.services.test(service)
        if problem:
            yield f"{problem}; unless the new files correct that, no certificate would be replaced"


def _blame(service: str, broken_before: bool) -> str:
    if broken_before:
        return (
            f"the configuration of {service} was already broken before, so no certificate was replaced; see why with "
            f"'ocsp-stapling reload {service}' as root"
        )
    return f"{service} rejected its configuration with the new files; the output of the deployment says why"


def _explain(service: str, problem: str, before: str) -> str:
    if before:
        return (
            f"the configuration of {service} was already broken before this run, so no certificate was replaced; "
            f"repair it first, or set 'test' for {service} if it runs with other files than these: {problem}"
        )
    return f"{service} rejected its configuration with the new files, which were rolled back: {problem}"


def prune(work: Plan, keep: int) -> None:
    """Remove old sets, but none to which an unconfirmed switch may have to go back."""
    protected = confirm.previous_sets(work.layout)
    for item in work.items:
        sets.prune(work.layout, item.name, keep, (protected.get(item.name) or _NO_SET,))


# What is said


def summary(
    work: Plan,
    check: bool,
    told: t.Sequence[str] = (),
    problem: str = "",
    rewritten: t.Container[str] = (),
    brief: bool = False,
) -> str:
    """What happened, or with ``check`` would happen, in one sentence.

    ``told`` are the services to be reloaded, those of them ``rewritten`` whose shared snippets are written by this run,
    and ``problem`` is why no new set is live. ``brief``: why a certificate is held back is said elsewhere.
    """
    changed = [item.name for item in work.changed]
    renewed = [item.name for item in work.items if item.renewed]
    held_back = [item.name if brief else f"{item.name}: {item.held_back}" for item in work.items if item.held_back]
    parts = [problem] if problem else []
    parts += [f"held back: {listed(held_back, ', ' if brief else '; ')}"] if held_back else []
    if changed:
        verb = "would change" if check else "changed"
        why = [_with_reasons(item, check) for item in work.changed]
        parts.append(f"{len(changed)} of {_certificates(len(work.items))} {verb}: {listed(why)}")
    if renewed:
        parts.append(f"{'would be renewed' if check else 'renewed'} in place: {listed(renewed)}")
    adapted = [item.name for item in work.items if item.adapted and not item.renewed]
    if adapted:
        parts.append(f"configuration snippets {'would be updated' if check else 'updated'}: {listed(adapted)}")
    secured = [_with_reasons(item, check, access_only=True) for item in work.items if item.secured]
    if secured:
        parts.append(f"access to keys {'would be corrected' if check else 'corrected'}: {listed(secured)}")
    revoked = [item.name for item in work.items if item.is_revoked and not item.held_back]
    if revoked:
        parts.append(f"revoked, but in use: {listed(revoked)}")
    missing = [item.name for item in work.items if item.lacks_staple]
    if work.missing:
        parts.append(f"would be deployed once it exists: {listed([one.name for one in work.missing])}")
    if not parts:
        untold = [service for service in told if service not in rewritten]
        parts.append(_unchanged(work, untold, bool(missing)))
        written = [service for service in told if service in rewritten]
        if written:
            verb = "would be updated" if check else "updated"
            parts.append(f"configuration snippets {verb} for {named(written)}")
    if missing:
        parts.append(f"still without a staple: {listed(missing)}")
    return "; ".join(parts)


def _with_reasons(item: Item, check: bool, access_only: bool = False) -> str:
    """The name of a certificate that changes, and what else than a new certificate is the reason for that."""
    if not access_only and (not item.previous or "cert.pem" in item.reasons):
        return item.name
    # Files with the same in them say nothing more.
    unsaid = sets.MATERIAL_FILES if access_only else ("fullchain.pem", "combined.pem")
    reasons = [reason for reason in item.reasons if reason not in unsaid]
    access = dict.fromkeys(reason.partition(" is ")[2] for reason in reasons if " is " in reason)
    verb = "is" if check else "was"
    reasons = [reason for reason in reasons if " is " not in reason] + [f"its key {verb} {one}" for one in access]
    return f"{item.name} ({'; '.join(reasons or item.reasons)})"


def _unchanged(work: Plan, told: t.Sequence[str], missing: bool) -> str:
    # By the time this is read, at the end of a play, they may have been reloaded.
    untold = f", but {named(told)} had not loaded the last change yet" if told else ""
    if not work.items and work.outdated:
        return f"kept as another role or play has changed them: {listed(work.outdated)}{untold}"
    if not work.items and work.awaited:
        verb = "is" if len(work.awaited) == 1 else "are"
        return f"nothing to deploy: {named(work.awaited)} {verb} still to be obtained{untold}"
    if not work.items:
        return f"no certificates are given{untold}"
    return f"{_certificates(len(work.items))}: {'nothing to change' if missing else 'up to date'}{untold}"


def _certificates(number: int) -> str:
    return "1 certificate" if number == 1 else f"{number} certificates"


def named(names: t.Iterable[str]) -> str:
    """Names for the middle of a sentence, and of very many the first ones."""
    return join_words(names, most=_MOST_NAMES)


def listed(names: t.Sequence[str], separator: str = ", ") -> str:
    """Names, or sentences, after a colon, and of very many the first ones."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return separator.join(names[:_MOST_NAMES]) + more
