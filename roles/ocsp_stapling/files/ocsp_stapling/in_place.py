# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in place now, for ``status``: as the state says where that is about it, else by a look of its own.

A playbook changes what is in place without a run of ``apply``. It only reads, and as anybody.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from datetime import datetime

from ocsp.errors import InputError
from ocsp.judge.decision import WITHDRAW, decide
from ocsp.options.parse import read_certificates
from ocsp.pki.certificate import find_leaf
from ocsp.pki.served import first_to_end
from ocsp.store import attempts, sets, staples
from ocsp.store.sets import Layout
from ocsp.text import format_time

from . import certificate_state, record
from .commands.rejected import Rejected
from .config import Config, Entry
from .observe import Observation, Observer, digest, read_place
from .record import Record, Values
from .state import State

#: What the state says of the attempts for a certificate, and of the certificate itself.
_STAYS = ("rejected", "failures", "failure_code", "failure_message", "succeeded", "next_attempt", "revoked")
#: Seconds for looking at what a search found: other users may have put any number of files there that cost any effort.
_LONGEST_LOOK = 10.0
_NO_TIME = "there was no time left to look at it"
_WILL_WITHDRAW = "'ocsp-stapling apply' will withdraw it"


class Seen(t.NamedTuple):
    """What is known of one certificate, as the state would say it; ``unread`` is why that may be out of date."""

    values: t.Optional[Values]
    unread: str = ""


def catch_up(config: Config, state: State, now: datetime) -> None:
    """Take over what refresh says of its attempts where it has run since apply, as when somebody starts it."""
    claims, _refused = record.load_foreign(config.folders.record, len(config.certificates))
    run = certificate_state.refresh_values(claims.run, now)
    ended = record.last_of(run)
    known = record.last_of(certificate_state.refresh_values(record.mapping(state.runs, "refresh"), now))
    if not config.fetch or state.refused or ended is None or (known is not None and ended <= known):
        return
    state.runs["refresh"] = run
    for name, values in state.certificates.items():
        with contextlib.suppress(Exception):  # it must not hide the other certificates
            about = certificate_state.claims_about(record.mapping(values, "certificate"), claims.entry(name))
            if about:
                values.update(certificate_state.attempt_values(about, record.mapping(values, "staple"), now))
                certificate_state.show_rejected(values)


def observe(
    config: Config, state: State, names: t.Collection[str], now: datetime, refused: str = ""
) -> t.Dict[str, Seen]:
    """All certificates, those that are live and not configured among them, or those of ``names``.

    ``refused`` is why the configuration cannot be used, if that is so.
    """
    observer = Observer(config, Record(), now)
    found = {entry.name: entry for entry in config.certificates if not names or entry.name in names}
    for name, known in state.certificates.items():
        live = known.get("live")
        # What the next run will forget, since its set is gone, is no longer said.
        if name not in found and (not names or name in names) and isinstance(live, str) and os.path.isdir(live):
            found[name] = config.entry(name, sets.texts_of(known.get("services")))
    if not refused:
        found.update((one.name, one) for one in _unnoticed(config, state) if not names or one.name in names)
    seen: t.Dict[str, Seen] = {}
    until = time.monotonic() + _LONGEST_LOOK
    for name, entry in found.items():
        known = state.certificates.get(name)
        is_late = entry.found and not names and time.monotonic() > until
        seen[name] = Seen(known, _NO_TIME) if is_late else _observe(entry, known, observer)
    configured = {entry.name for entry in config.certificates}
    if not refused:
        unknown = seen.keys() - configured
        seen.update((name, _unconfigured(config.layout, name, seen[name])) for name in unknown)
    noted = frozenset(attempts.names(config.layout))
    return {name: _with_deployment(name, one, config, noted) for name, one in seen.items()}


def _unnoticed(config: Config, state: State) -> t.Iterator[Entry]:
    """What has a staple in place, but is in no configuration and was not seen by any run yet."""
    noticed = {*state.certificates, *(entry.name for entry in config.certificates)}
    for name in sets.live_names(config.layout):
        entry = config.entry(name, sets.described(config.layout.live(name)).services)
        with contextlib.suppress(InputError):  # what cannot be read is for the next run to say
            if name not in noticed and read_place(entry) is not None:
                yield entry


def _with_deployment(name: str, seen: Seen, config: Config, noted: t.Container[str]) -> Seen:
    """The same with what is noted now of its last deployment: the state has that of the last run."""
    if seen.values is None:
        return seen
    attempt = attempts.outstanding(config.layout, name) if name in noted else None
    if attempt is not None and attempt.is_live and seen.values.get("staple"):
        attempt = None
    return seen._replace(values={**seen.values, "deployment": certificate_state.deployment_values(attempt)})


def _unconfigured(layout: Layout, name: str, seen: Seen) -> Seen:
    """What is known of a certificate that is in no configuration, also before apply has noticed."""
    if seen.values is None or record.text_of(seen.values, "code"):
        return seen
    message = certificate_state.unconfigured_sentence(layout, name)
    return seen._replace(values={**seen.values, "code": "not_configured", "message": message})


def _observe(entry: Entry, known: t.Optional[Values], observer: Observer) -> Seen:
    certificate_path = entry.values.get("certificate_path")
    try:
        for path in (certificate_path, entry.path if entry.live is None else os.path.join(entry.live, staples.STAPLE)):
            problem = _unreadable(path) if isinstance(path, str) else ""
            if problem:
                return Seen(known, problem)
        is_as_known = known is not None and _in_place(entry) == _known(known)
        kept, left = _unnoted_proofs(known or {}, entry, observer)
        if is_as_known and not kept and not left:
            return Seen(known)
        look = observer.look_in_place(entry)
        values = dict(known or {}) if is_as_known else _looked(look, known or {}, observer)
        # What refresh was told counts as it will for apply, together with the response that may have come since.
        return Seen({**values, **_revocation(observer.look(entry) if left else look, observer.now)})
    except InputError as error:
        return Seen(known, error.message)
    except Exception as error:  # it must not hide the other certificates
        return Seen(known, f"it was not checked because of an internal error ({type(error).__name__}: {error})")


def _unnoted_proofs(known: Values, entry: Entry, observer: Observer) -> t.Tuple[bool, bool]:
    """Whether there may be a proof of a revocation of which the state says nothing: of root's, and of refresh's.

    A playbook and refresh can be told first.
    """
    folders = observer.config.folders
    is_noted = isinstance(known.get("revoked"), dict)
    kept, left = (os.path.lexists(path) for path in (folders.kept_proof(entry.name), folders.proof(entry.name)))
    return kept and not is_noted, left and not is_noted


def _unreadable(path: str) -> str:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return "" if os.access(path, os.R_OK) else f"{path} cannot be read: Permission denied"


Digests = t.Tuple[bool, t.Any, t.Any, t.Any, t.Tuple[str, ...]]


def take_note(config: Config, state: State, rejected: Rejected, now: datetime) -> None:
    """Have the state say that a response was taken back which a service rejects, and what is in place now."""
    known = state.certificates.get(rejected.name, {})
    entry = config.known_entry(rejected.name, sets.texts_of(known.get("services")))
    observer = Observer(config, Record(), now)
    values = _looked(observer.look_in_place(entry), known, observer)
    found = certificate_state.rejected_values(rejected.sha256, entry.services, rejected.message)
    certificate_state.say_rejected(values, found, rejected.is_tried)
    if not values["staple"] and values["code"] == "missing_staple":
        values.update(code="unfit_for_server", message=rejected.message)
    state.certificates[rejected.name] = values


def _in_place(entry: Entry) -> Digests:
    """Whether it is deployed, the digests of the staple and of the certificate, its end, and the services of it."""
    if entry.undeployed:
        return False, None, None, None, entry.services
    staple = read_place(entry)
    certificate = ends = None
    with contextlib.suppress(InputError):
        certificates, where = read_certificates(entry.values, "certificate")
        issuers, _where = read_certificates(entry.values, "issuer")
        leaf = find_leaf(certificates, where)
        certificate, ends = digest(leaf.der), format_time(first_to_end(leaf, [*certificates, *issuers]).not_after)
    return True, digest(staple) if staple is not None else None, certificate, ends, entry.services


def _known(known: Values) -> Digests:
    certificate, staple = record.mapping(known, "certificate"), record.mapping(known, "staple")
    services = sets.texts_of(known.get("services"))
    deployed, ends = known.get("deployed") is not False, certificate.get("not_after")
    return deployed, staple.get("sha256"), certificate.get("sha256"), ends, services


def _looked(look: Observation, known: Values, observer: Observer) -> Values:
    now, user = observer.now, observer.config.user_of(look.entry)
    # A staple that is good stays in place until apply withdraws it, whatever proves that it should not.
    decision = decide(look.facts._replace(proof=None), now)
    values = certificate_state.entry_values(look, decision, known, {}, now, user)
    staple = record.mapping(values, "staple")
    replaced = bool(staple) and staple["sha256"] != record.mapping(known, "staple").get("sha256")
    if replaced:
        # Whoever put it there did not say when.
        staple = {**staple, "installed": None}
        values["succeeded"] = None
    values["staple"] = staple or None
    values["unfinished"] = record.text_of(known, "unfinished")
    if "source" in known:
        values["source"] = known["source"]
    if _known(values)[2] == _known(known)[2]:
        values.update({key: known[key] for key in _STAYS if key in known})
        if replaced:
            # What was planned was for the staple before.
            values["next_attempt"] = None
        if isinstance(values["revoked"], dict):
            values.update({key: known.get(key) for key in ("code", "message")})
    return values


def _revocation(look: Observation, now: datetime) -> Values:
    """What the state will say of a revocation that is proven, if one is."""
    decision = decide(look.facts, now)
    if decision.proof is None:
        return {}
    revoked = certificate_state.revocation_values(decision.proof)
    values: Values = {"revoked": revoked, "code": decision.code, "message": decision.message}
    if decision.action == WITHDRAW and look.facts.in_place:
        values["unfinished"] = _WILL_WITHDRAW
    return values
