# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is of a certificate: its files, the response that ``refresh`` left, and the staple in place."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import typing as t
from datetime import datetime, timedelta

from ocsp.errors import ERROR, Finding, InputError
from ocsp.judge import wire
from ocsp.judge.decision import Facts, latest_proof
from ocsp.judge.judgement import Judgement
from ocsp.judge.response import LONGEST_LEAD, SIZE_LIMIT, judge, lean
from ocsp.options.parse import Options, read_options
from ocsp.pki.certificate import Target
from ocsp.store import proofs, staples, tenants, untrusted_file
from ocsp.store.staples import Place

from . import record
from .clock import Evidence
from .config import Config, Entry
from .record import Record
from .state import State

#: Octets of the largest response that is read from another user: none of more than 16,380 is stapled, PEM is longer.
_LARGEST_LEFT = 24 * 1024
#: How many certificates that a search found are asked for their evidence.
_MOST_EVIDENCE = 20


class Observation(t.NamedTuple):
    """What was found of one certificate.

    ``options`` is None where its files cannot be used, ``place`` where no folder is read by servers. ``left`` is
    the response that refresh left and ``current`` the one in place. ``refused`` says why the former was not read.
    ``deployed``: there is, or was, a set that servers can use. ``proof`` is the latest response that says that the
    certificate is revoked: what is remembered, or is in place against all rules.
    """

    entry: Entry
    place: t.Optional[Place]
    facts: Facts
    options: t.Optional[Options] = None
    left: t.Optional[bytes] = None
    current: t.Optional[bytes] = None
    refused: str = ""
    deployed: bool = True
    proof: t.Optional[bytes] = None


class Observer:
    """Looks at certificates at one moment, with what is claimed about them, and what is known for certain.

    A revocation that was proven once stays so, whatever the other user claims, or no longer does. ``lead`` is how much
    later than now a staple in place may begin, None where the clock is right for certain.
    """

    def __init__(
        self, config: Config, claims: Record, now: datetime, lead: t.Optional[timedelta] = LONGEST_LEAD
    ) -> None:
        self.config = config
        self.claims = claims
        self.now = now
        self.lead = lead

    def look_in_place(self, entry: Entry) -> Observation:
        """As ``look``, but at what servers read, and what root knows of revocations, alone.

        Raises InputError where what servers read cannot be read.
        """
        return self.look(entry, in_place_only=True)

    def look(self, entry: Entry, in_place_only: bool = False) -> Observation:
        """Read and judge what there is. Raises InputError where the staple in place cannot be read."""
        undeployed = entry.undeployed
        if undeployed:
            obstacle = Finding("not_deployed", ERROR, undeployed)
            return Observation(entry, None, Facts(False, obstacle=obstacle), deployed=False)
        place = staples.find(entry.live) if entry.live is not None else None
        current = read_place(entry) if in_place_only else staples.read(place) if place is not None else None
        try:
            options = read_options(entry.values)
        except InputError as error:
            facts = Facts(current is not None, obstacle=Finding(error.code, ERROR, error.message))
            return Observation(entry, place, facts, current=current)
        facts = Facts(
            in_place=current is not None,
            must_staple=bool(options.certificate.must_staple),
            keep_revoked=options.on_revoked == "keep",
        )
        if options.target is None:
            message = (
                f"the certificate {options.certificate.name} has no OCSP responder URL; there is nothing to staple"
            )
            facts = facts._replace(obstacle=Finding("no_responder", ERROR, message))
            return Observation(entry, place, facts, options, current=current)
        known = proofs.read_own(self.config.folders.kept_proof(entry.name))
        if in_place_only:
            in_place, proof = self._judge(current, options, self.lead), self._judge(known, options)
            facts = facts._replace(current=in_place, proof=proof)
            return Observation(entry, place, facts, options, current=current)
        left, refused = _read_left(entry)
        # Where no folder is read by servers, they read what refresh left.
        candidate = self._judge(left, options, self.lead if place is None else None)
        is_new = place is not None and left != current
        if is_new and left is not None and candidate is not None and candidate.acceptable:
            # Servers and clients do not take one with other certificates in it, which the other user can have added.
            left, candidate = lean(left, candidate, self._judge_with(options.target, options))
        is_same = current == left and candidate is not None and candidate.acceptable
        in_place = candidate if is_same else self._judge(current, options, self.lead)
        claimed, refused_proof = proofs.read(self.config.folders.proof(entry.name))
        judged = [(in_place, current), (self._judge(known, options), known)]
        if claimed != known:
            judged.append((self._judge(claimed, options), claimed))
        proof = latest_proof(judgement for judgement, _data in judged)
        data = next((data for judgement, data in judged if judgement is proof), None) if proof is not None else None
        facts = facts._replace(current=in_place, candidate=candidate, proof=proof)
        return Observation(entry, place, facts, options, left, current, refused or refused_proof, proof=data)

    def _judge(
        self, data: t.Optional[bytes], options: Options, lead: t.Optional[timedelta] = None
    ) -> t.Optional[Judgement]:
        if data is None or options.target is None:
            return None
        return self._judge_with(options.target, options, lead)(data)

    def _judge_with(
        self, target: Target, options: Options, lead: t.Optional[timedelta] = None
    ) -> t.Callable[[bytes], Judgement]:
        rules = options.rules._replace(lead=lead)
        return functools.partial(judge, target=target, now=self.now, rules=rules, servers=options.servers)

    def evidence(self, before: State) -> Evidence:
        """What the responses that refresh left say about the clock.

        Those of what a search found count where nothing else is configured, and not all of them, as they cost any time.
        """
        new = good = False
        known = {name: record.time_of(values, "newest") for name, values in before.certificates.items()}
        had_any = any(known.values())
        configured = [entry for entry in self.config.certificates if not entry.found]
        for entry in configured or self.config.certificates[:_MOST_EVIDENCE]:
            try:
                look = self.look(entry)
            except Exception:  # it says nothing about the clock; why is said where it is treated
                continue
            candidate = look.facts.candidate
            if candidate is None or not candidate.acceptable or candidate.clock_behind:
                continue
            good = True
            # Where others had one, the first of a certificate may have been kept back for long.
            can_tell = known.get(entry.name) is not None or not had_any
            new = new or (can_tell and self._is_new(candidate, look.facts.current, known.get(entry.name)))
        return Evidence(new, good)

    def _is_new(self, candidate: Judgement, current: t.Optional[Judgement], newest: t.Optional[datetime]) -> bool:
        """Whether the CA made a response after all that have been in place.

        An older one can be put back at any time. What begins later than a clock that is behind can explain was put in
        place by one that was ahead, and does not count.
        """
        moments = [newest]
        if current is not None and current.acceptable:
            moments.append(current.this_update)
        known_moments = [one for one in moments if one is not None and one - self.now <= LONGEST_LEAD]
        made = candidate.this_update
        return made is not None and all(made > one for one in known_moments)

    def is_contradicted(self) -> bool:
        """Whether a responder's clock disagreed with this host's in the last run of refresh."""
        return self.counts_for_all([entry for entry in self.config.certificates if self._is_doubting(entry)])

    def counts_for_all(self, entries: t.Sequence[Entry]) -> bool:
        """Whether what some certificates say of the clock counts for all others, too.

        That of another user does where no other is configured: the user may have chosen the responder.
        """
        if any(not self.config.user_of(entry) for entry in entries):
            return True
        return bool(entries) and all(map(self.config.user_of, self.config.certificates))

    def _is_doubting(self, entry: Entry) -> bool:
        since = record.time_of(self.claims.run, "started")
        with contextlib.suppress(Exception):  # it claims nothing then
            known = self.claims.entry(entry.name)
            looked = record.time_of(known, "looked")
            is_of_last_run = since is not None and looked is not None and looked >= since
            return known.get("clock_implausible") is True and is_of_last_run
        return False


def read_place(entry: Entry) -> t.Optional[bytes]:
    """The staple that servers read, or None; one that is half installed or withdrawn is none. Raises InputError."""
    if entry.live is None:
        content = tenants.read_file(entry.path, entry.path, SIZE_LIMIT)
        return None if content is None else wire.from_pem(content)
    place = staples.find(entry.live)
    return staples.read(place) if place is not None and staples.in_place(place) else None


def _read_left(entry: Entry) -> t.Tuple[t.Optional[bytes], str]:
    try:
        content = untrusted_file.read(entry.path, _LARGEST_LEFT)
    except untrusted_file.Refused as error:
        return None, error.message
    return (None if content is None else wire.from_pem(content)), ""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
