# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a deployment is to do: all that was given, read, checked and compared with what is live."""

from __future__ import annotations

import contextlib
import grp
import os
import stat
import time
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..errors import Fault, OcspError, as_error_without_text
from ..fetch.environment import as_remembered
from ..fetch.freshness import Outcome
from ..judge.judgement import Judgement
from ..options.parse import CERTIFICATE_LIMIT
from ..pki import gnutls
from ..pki.certificate import Certificate, load_certificates
from ..servers import snippets
from ..servers.server import Entry, Setup
from ..servers.table import SERVERS
from ..services.control import Services
from ..store import reading, sets, staples
from ..store.parts import Part
from ..store.sets import Layout
from ..text import format_time, join_words
from . import finds, live, material, renewed
from .live import Live
from .material import Material, Sources
from .wanted import Missing, Wanted, in_turn

#: The files of a set, whichever of them it has.
_FILES = (*sets.MATERIAL_FILES, sets.DESCRIPTION, *staples.FILES, *snippets.names_in_set())


@dataclass
class Item:
    """What is to become of one certificate. ``identifier`` is that of the set to come, or of the live one.

    ``reasons`` say what of the live set is not as it should be, and ``misplaced`` has its folders and public files of
    which that is the access. ``renewed``: a set that stays got another staple, and ``adapted``: it got other
    pieces of configuration, and ``secured``: those alone can read its key, or write its files, who should.
    ``rolled_back``: its new set was refused; ``blame`` says why, for everybody, ``was_broken`` that the set before was
    refused, too, and ``is_to_blame`` that it was refused by itself. ``unfit`` says why a good response is not used, and
    ``ignored`` which of its servers ignore it. ``in_place`` is the staple that the certificate has, and ``remembered``
    the judgement of an earlier response that says that it is revoked.
    """

    wanted: Wanted
    material: Material
    previous: t.Optional[str]
    identifier: str
    reasons: t.List[str] = field(default_factory=list)
    misplaced: t.Dict[str, sets.Misplaced] = field(default_factory=dict)
    outcome: t.Optional[Outcome] = None
    held_back: str = ""
    unfit: str = ""
    ignored: str = ""
    known_revoked: bool = False
    in_place: t.Optional[bytes] = None
    remembered: t.Optional[Judgement] = None
    renewed: bool = False
    adapted: bool = False
    secured: bool = False
    rolled_back: bool = False
    blame: str = ""
    was_broken: bool = False
    is_to_blame: bool = False
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
        if self.unfit or self.needs_another or outcome is None or outcome.data is None or outcome.judgement is None:
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
    def needs_another(self) -> bool:
        """Whether a new certificate must not be used with the response that came, as one of its servers ignores it."""
        return bool(self.ignored) and self.material.certificate.must_staple is True and not self.is_in_use

    @property
    def obstacle(self) -> t.Tuple[str, str]:
        """Why there is no response that can be used: the reason code and the sentence, empty where that is no fault."""
        if self.revocation is not None:
            return "revoked", self.revocation.message
        if self.unfit:
            return "expiring", self.unfit
        if self.needs_another:
            return "unfit_for_server", self.ignored
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
    have configured what, beside what others ``announced``. ``missing`` are, in check mode, the certificates of which
    something does not exist yet, and ``outdated`` those that stay as another owner has changed them. ``awaited`` are
    the names of those that are still to be obtained.
    ``verified``: what is served is going to be looked at, so that what was there before is noted. ``doubted`` are, in
    check mode, the services that refuse their configuration as it is.
    """

    layout: Layout
    items: t.List[Item]
    apache_port: int
    services: Services
    before: t.Sequence[Live]
    parts: t.Sequence[Part] = ()
    announced: t.Sequence[Part] = ()
    warnings: t.List[str] = field(default_factory=list)
    waited_for: t.List[str] = field(default_factory=list)
    missing: t.Sequence[Missing] = ()
    outdated: t.Sequence[str] = ()
    awaited: t.Sequence[str] = ()
    verified: bool = True
    doubted: t.Sequence[str] = ()

    @property
    def changed(self) -> t.List[Item]:
        """The items of which a new set goes live."""
        return [item for item in self.items if item.changed]

    def after(self) -> t.List[Live]:
        """All that is or will be live, in the order that snippets have."""
        mine = []
        for item in self.items:
            identifier = item.previous if item.held_back or item.rolled_back else item.identifier
            if identifier:
                mine.append(live.make(self.layout, item.name, identifier, item.description, self.services))
        names = {item.name for item in self.items}
        others = (one for one in self.before if one.entry.name not in names)
        return live.ordered([*mine, *others], [*self.parts, *self.announced])

    def entries(self) -> t.Dict[str, Entry]:
        """What the pieces of configuration are about: what is or will be live, by name."""
        return {one.entry.name: one.entry for one in self.after()}

    @property
    def setup(self) -> Setup:
        """What snippets depend on beside certificates."""
        return Setup(self.layout.root, self.apache_port)

    def outdated_snippets(self) -> t.Dict[str, t.Optional[bytes]]:
        """The shared pieces of configuration that are not as they should be, by path. Raises InputError."""
        return live.outdated_snippets(self.setup, self.after())

    def told(
        self, outdated: t.Iterable[str], switched: t.Optional[t.Iterable[Item]] = None
    ) -> t.Dict[str, t.List[str]]:
        """The certificates that services have to load for a switch and for these shared pieces, by service.

        ``switched`` are the items of which a new set goes live with that switch, if these are not all.
        """
        told = live.told(outdated, self.before, self.after())
        for item in self.changed if switched is None else switched:
            for service in item.wanted.services:
                if item.name not in told.setdefault(service, []):
                    told[service].append(item.name)
        return dict(sorted(told.items()))


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
        except Exception as error:  # a defect at one certificate costs one certificate
            faults.append(_fault(one.name, as_error_without_text(error).message))
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
        except Exception as error:
            faults.append(_fault(one.name, as_error_without_text(error).message))
    return faults


def _fault(name: str, sentence: str) -> Fault:
    return Fault(name, f"{name}: {sentence}")


def _plan_one(layout: Layout, wanted: Wanted, now: datetime) -> t.Tuple[Item, t.List[str], t.List[str]]:
    """The item, what is wrong with it, and what is odd."""
    read = material.read_material(wanted.name, wanted.sources, now)
    if wanted.is_of_user:
        finds.check_usual(read)
    previous = sets.current_id(layout, wanted.name)
    stale = _stale(layout, wanted, read, previous, now)
    if stale:
        wanted = _as_live(layout, wanted, previous or "")
        read = material.read_material(wanted.name, wanted.sources, now)
    item = Item(wanted, read, previous, previous or "")
    item.misplaced = sets.misplaced_in(layout, item.name, previous, _FILES) if previous is not None else {}
    item.reasons = _differences(layout, item)
    path = read.path
    odd = (*path.warnings, *path.unused, *(f"it is live, but {one}" for one in path.problems))
    found = material.Examination((), (*stale, *odd))
    if item.reasons:
        item.identifier = sets.new_id(now, material.fingerprint(read.certificate))
    if not item.is_whole:
        found = material.examine(read, wanted.names, strict=wanted.is_of_user)
    else:
        # The files have been examined, and the names may be other ones since.
        problem = material.names_problem(read, wanted.names)
        known = set(sets.described(layout.live(wanted.name)).names)
        found = _with_problem(found, problem, is_live=set(wanted.names) <= known)
    problems = [*_unusable(item), *found.problems]
    if item.stapled and not problems:
        problem = material.issuer_problem(read)
        problems += [problem] if problem else []
    return item, problems, [*found.warnings, *_going_back(layout, item, now), *_other_groups(item)]


def _with_problem(found: material.Examination, problem: str, is_live: bool) -> material.Examination:
    """What was found, with a problem that is one for a deployment, or only odd where it is live as it is."""
    if not problem:
        return found
    if is_live:
        return found._replace(warnings=(*found.warnings, f"it is live, but {problem}"))
    return found._replace(problems=(*found.problems, problem))


def _stale(
    layout: Layout, wanted: Wanted, read: Material, previous: t.Optional[str], now: datetime
) -> t.Tuple[str, ...]:
    """That the live certificate was renewed on the host and is newer than what is given, as a sentence; else nothing.

    A live one that has expired is worth less than any other.
    """
    if previous is None or wanted.at_any_age or not _is_whole(layout.folder(wanted.name, previous)):
        return ()
    described = sets.described(layout.folder(wanted.name, previous)).source
    live = _newer_live(layout, wanted, read, now) if wanted.renewed_by is not None or described else None
    if live is None:
        return ()
    source = renewed.read_source(described).shown if described else "this host"
    issued, later = format_time(read.certificate.not_before), format_time(live.not_before)
    sentence = (
        f"the certificate in {read.where['certificate']}, issued {issued}, is older than the live one, issued {later} "
        f"and deployed from {source}, so the live one stays; to go back to the older one, name its files to "
        "'ocsp-stapling deploy' on the host"
    )
    return (sentence,)


def _newer_live(layout: Layout, wanted: Wanted, read: Material, now: datetime) -> t.Optional[Certificate]:
    """The live certificate, if it was issued after the given one and has not expired, else None."""
    live = renewed.live_leaf(layout, wanted.name)
    is_newer = live is not None and live.not_after > now and live.not_before > read.certificate.not_before
    return live if is_newer else None


def _going_back(layout: Layout, item: Item, now: datetime) -> t.Iterator[str]:
    """That an older certificate replaces a newer one, as one from a backup or a checkout that is out of date would."""
    is_another = item.previous is not None and "cert.pem" in item.reasons and not item.wanted.at_any_age
    live = _newer_live(layout, item.wanted, item.material, now) if is_another else None
    if live is not None:
        issued, later = format_time(item.material.certificate.not_before), format_time(live.not_before)
        yield (
            f"the certificate in {item.material.where['certificate']}, issued {issued}, is older than the live one, "
            f"issued {later}, and replaces it all the same"
        )


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
    # What others can write they may have open, so that a new set is safer than the same files with another mode.
    return reasons + [f"{what} is {one.shown}" for what, one in item.misplaced.items()]


def _unusable(item: Item) -> t.List[str]:
    """Why the services cannot use this certificate, whatever else is right with it."""
    return [*_unstapled(item), *_unreadable(item), *_unloadable(item)]


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


def _unloadable(item: Item) -> t.Iterator[str]:
    """What would take TLS from services, which do not notice it before a client connects."""
    kinds = [kind for kind in item.wanted.known_kinds if SERVERS[kind].by_gnutls]
    for one in (item.material.certificate, *item.material.chain) if kinds else ():
        unread = gnutls.unread(one)
        if unread:
            yield (
                f"the certificate {one.name} {unread}, which {join_words(kinds)} with GnuTLS, as on Debian, cannot "
                "read; have the CA reissue it"
            )


def _unreadable(item: Item) -> t.Iterator[str]:
    """Why services could not read the private key, or others could."""
    access = item.wanted.access
    problem = sets.mode_problem(access.mode)
    if problem:
        yield problem
    if access.uid == 0 and not (access.gid and access.mode & stat.S_IRGRP):
        blind = [kind for kind in item.wanted.known_kinds if SERVERS[kind].key_groups]
        if blind:
            groups = dict.fromkeys(filter(None, map(_key_group, blind)))
            yield (
                f"{join_words(blind)} cannot read the private key, which is readable by root only; set key_group "
                f"(group, in a task of certificate_set) to {join_words(groups, 'or') or 'the group of that service'}, "
                'and key_mode (mode) to "0440"'
            )


def _other_groups(item: Item) -> t.Iterator[str]:
    """A sentence for each server that reads the private key as another group than the one that may."""
    access = item.wanted.access
    if access.uid != 0 or access.gid == 0 or not access.mode & stat.S_IRGRP:
        return
    for kind in item.wanted.known_kinds:
        group = _key_group(kind)
        # The user of a server is called like its group.
        if group and group not in _names_in_group(access.gid):
            yield (
                f"{kind} reads the private key as the group {group}, which is not the one that may; unless its user is "
                f"in that, set key_group (group, in a task of certificate_set) to {group}"
            )


def _names_in_group(gid: int) -> t.Set[str]:
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(gid)
        return {group.gr_name, *group.gr_mem}
    return set()


def _key_group(kind: str) -> str:
    """The group of this host as which a server reads its private key, or an empty string."""
    for name in SERVERS[kind].key_groups:
        with contextlib.suppress(KeyError):
            return grp.getgrnam(name).gr_name
    return ""


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
