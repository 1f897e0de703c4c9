# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What ``certificate_set`` does, from the plain values of its options to those of its result."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from .. import secrets
from ..errors import BusyError, Fault, FileError, InputError, OcspError, Refusal, findings_of, sentence
from ..options.parse import check_limits
from ..options.table import RUN_LIMITS
from ..servers.table import NAMES, SERVERS
from ..services import control
from ..services.installation import Installation, read_texts
from ..store import attempts, comparison, files, parts, sets, shares
from ..store.parts import Part
from ..store.sets import Layout
from ..text import bounded, format_time, quoted
from . import (
    absent,
    asking,
    claims,
    confirm,
    departure,
    differences,
    finds,
    live,
    material,
    removal,
    sentences,
    transaction,
    verification,
)
from . import plan as plans
from .confirm import Endpoint, Sight
from .inclusion import Inclusion
from .outcomes import Notes
from .plan import Item, Plan
from .task import Result, Task, apache_port, port_warnings, to_be_told
from .wanted import Values, Wanted, read_wanted

#: What is said where an error ended a run that had changed something.
PARTLY_DONE = "; what was changed before that is in place, so run this again"


def carry_out(task: Task) -> Result:
    """Do what ``state`` says. What is wrong is one sentence in the result; nothing is raised."""
    steps = {"present": _present, "verify": _verify, "absent": absent.absent, "pruned": absent.prune}
    umask = os.umask(0o022)
    try:
        with _locked(task):
            return _with_units(task, steps[task.values["state"]](task))
    except asking.Postponed:
        msg = "responders have no answer for the new certificates yet; nothing was changed"
        return Result({"msg": msg}, postponed=True)
    except OcspError as error:
        given = _given_faults(task)
        if given and not error.changed and not isinstance(error, Refusal):
            error = Refusal([*given, Fault("", error.message)])
        return _failure(error)
    finally:
        os.umask(umask)


def _failure(error: OcspError) -> Result:
    """What is said of an error that ended the run, and whether anything is as it was."""
    msg = error.message
    if error.changed:
        msg = f"{msg}{PARTLY_DONE}"
    elif isinstance(error, FileError) and not isinstance(error, BusyError):
        msg = f"{msg}; nothing was changed"
    return Result({"msg": msg, "findings": findings_of(error)}, error.changed, failed=True)


def _with_units(task: Task, result: Result) -> Result:
    """The same with the units of the services that are to be reloaded."""
    told = result.values.get("reload")
    if told is None:
        return result
    gone = result.values.get("removed", ())
    units = _units(task.layout, task.services(), told, gone) if told else []
    return result._replace(values={**result.values, "units": units})


def _units(
    layout: Layout, services: control.Services, names: t.Iterable[str], gone: t.Container[str]
) -> t.List[t.Dict[str, str]]:
    found = []
    for name in names:
        unit = services.unit(name, live.keys(layout, name, gone))
        if unit is not None:
            found.append({"service": name, "name": unit.name, "state": "restarted" if unit.restart else "reloaded"})
    return found


@contextlib.contextmanager
def _locked(task: Task) -> t.Iterator[None]:
    """Keep other playbooks from what this one is going to look at and change. Raises FileError."""
    with contextlib.ExitStack() as stack:
        with _noting_unplanned(task):
            stack.enter_context(files.lock(task.layout.root, task.lock_timeout))
        yield


# present


@dataclass(frozen=True)
class _Deployment:
    """What is to be deployed, and for whom. ``part`` is what its owner will have configured."""

    task: Task
    inclusion: Inclusion
    known: control.Services
    endpoints: t.Sequence[Endpoint]
    notes: Notes
    work: Plan
    part: t.Optional[Part]


class _Done(t.NamedTuple):
    """What was done, or in check mode would be.

    ``part`` is what the owner has configured now, and ``reconfigured`` whether that is not what it had configured.
    ``told`` are the services to be reloaded, and ``problem`` is why no new set is live. ``recovered`` are the names of
    which ``status`` no longer says that their deployment failed.
    """

    part: t.Optional[Part]
    reconfigured: bool
    told: t.Sequence[str]
    unconfirmed: t.Sequence[str]
    problem: str = ""
    recovered: t.Sequence[str] = ()


def _present(task: Task) -> Result:
    one = _planned(task)
    work, layout = one.work, task.layout
    before = [differences.facts(layout, item.name, item.material) for item in work.items] if task.diff else []
    patience = asking.Patience(task)
    if not task.is_question:
        with _noting(task, one.notes, work.items):
            of_users = {item.name: item.wanted.user for item in work.items if item.wanted.is_of_user}
            asking.obtain(work, asking.fetcher(task.values, of_users), patience, asking.looking_ahead(task))
    unsaved = one.inclusion.unsaved(one.part) if one.part is not None else []
    lost = live.lost(work.setup, work.before, work.after())
    outdated = work.outdated_snippets()
    found = read_texts(outdated)
    exposed = _misplaced(path for path, content in outdated.items() if content is not None)
    exposed_parts = one.inclusion.misplaced(unsaved)
    done = _foresee(one, unsaved) if task.check else _deploy(one, unsaved)
    left = _as_texts(outdated) if task.check else read_texts(outdated)
    corrected = exposed if task.check else {path: one for path, one in exposed.items() if sets.misplaced(path) is None}
    rewritten = {path: text for path, text in left.items() if text != found[path] or path in corrected}
    corrected_parts = exposed_parts if done.part is not None else []
    leaving = departure.find(one.inclusion, work, done.part, task.values["force"])
    former = live.ordered([*work.before, *lost], [*one.inclusion.found, *work.announced])
    moved = [] if done.problem else live.moved_defaults(former, leaving.ending)
    told = done.told
    if task.check:
        # What is done at the end of the play is told by nothing else.
        at_end = to_be_told(task, one.known, leaving.affected(work))
        done = done._replace(told=sorted({*told, *at_end}))
    result = _values(work, done.told, done.unconfirmed)
    result["dropped"] = leaving.removed
    result["given_up"] = sorted({*leaving.given_up, *leaving.lost}.difference(item.name for item in work.items))
    result["recovered"] = list(done.recovered)
    if task.diff:
        result["diff"] = [
            *differences.of_sets(work, before),
            # Otherwise the task that removes them shows them.
            *(differences.of_removal(layout, leaving.removed) if task.check else ()),
            *differences.of_defaults(moved if task.check else live.moved_defaults(former, work.after())),
            *_part_difference(one, done),
            *differences.of_snippets(found, rewritten),
            *differences.of_accesses([*corrected.values(), *corrected_parts]),
        ]
    waited = patience.told(work.waited_for)
    # A task that does not fail shows its warnings and no message; the role shows both.
    fails = task.values["fail_on_held_back"]
    failed = bool(done.problem or (result["held_back"] and fails))
    users = live.users(rewritten, work.before, work.after())
    said = [sentences.summary(work, task.check, told, done.problem, users, brief=not fails)]
    said += [waited] if fails else []
    said += departure.say_dropped(layout, leaving.gone, task.check)
    said += departure.say_given(work, done.part, one.inclusion) if done.part is not None else ()
    said += departure.say_lost(leaving.lost, departure.AT_THE_END)
    said += [*departure.say_moved(moved, task.check), _say_reconfigured(one, done)]
    said += sentences.say_corrected(corrected_parts, task.check)
    result["msg"] = "; ".join(filter(None, said))
    # A server that does not run is not told, but what it will read has changed all the same.
    changed = _is_changed(work, done) or bool(rewritten or corrected_parts)
    if task.is_question:
        # The task that deploys warns.
        return Result(result, changed, failed)
    warnings = [*work.warnings, *([waited] if waited and not (failed and fails) else [])]
    warnings += _warnings(one, done, leaving)
    return Result(result, changed, failed, warnings)


def _planned(task: Task) -> _Deployment:
    """Read and compare all that is given. Raises InputError with all that is wrong."""
    values = task.values
    for name, limits in RUN_LIMITS.items():
        if name in values:
            check_limits(name, values[name], limits)
    inclusion = task.inclusion()
    known = task.services(inclusion)
    endpoints = _endpoints(values, known)
    if not task.check:
        with _noting_unplanned(task), task.installation(known) as installation:
            confirm.recognise(installation, _look, endpoints)
    notes = _notes(task, inclusion)
    work, part = _plan(task, inclusion, known, notes)
    return _Deployment(task, inclusion, known, endpoints, notes, work, part)


def _foresee(one: _Deployment, unsaved: t.Sequence[Part]) -> _Done:
    work = one.work
    told = transaction.renew(work, None)
    _leave_out_announced(one)
    told.update(work.told(work.outdated_snippets()))
    told.update(service for missing in work.missing for service in missing.services)
    told = to_be_told(one.task, one.known, told)
    if not one.task.is_question:
        transaction.foresee_refusals(work, told)
    looked_at = work.changed if work.verified else ()
    unconfirmed = {service for item in looked_at for service in item.wanted.services}
    return _Done(one.part, _is_reconfigured(one, unsaved), sorted(told), sorted(unconfirmed))


def _leave_out_announced(one: _Deployment) -> None:
    """Leave out of what would change the certificates that earlier tasks of this run would have changed alike."""
    earlier = [*one.inclusion.together.values(), one.inclusion.claimed]
    for item in one.work.items:
        if any(claimed.get(item.name) is not None for claimed in earlier) and not item.held_back:
            item.reasons, item.misplaced, item.renewed, item.secured = [], {}, False, False


def _as_texts(contents: t.Mapping[str, t.Optional[bytes]]) -> t.Dict[str, t.Optional[str]]:
    """The contents of snippets to come, which are ASCII, as ``read_texts`` would return them."""
    return {path: content.decode("ascii") if content is not None else None for path, content in contents.items()}


def _misplaced(paths: t.Iterable[str]) -> t.Dict[str, sets.Misplaced]:
    """Those of these files of which the access is not as it should be."""
    found = {path: sets.misplaced(path) for path in paths}
    return {path: one for path, one in found.items() if one is not None}


def _is_reconfigured(one: _Deployment, unsaved: t.Sequence[Part]) -> bool:
    """Whether what is to be written of parts is more than notes for comparisons, which is no change for a user."""
    return one.part is not None and bool(unsaved) and one.inclusion.is_reconfigured(one.part)


def _deploy(one: _Deployment, unsaved: t.Sequence[Part]) -> _Done:
    task, work, part = one.task, one.work, one.part
    with _noting(task, one.notes, work.items), task.installation(one.known) as installation:
        problem = _install(work, installation, one.endpoints, task.values["keep"])
        if problem:
            # What the owner configures stays as it was, so that nothing of it is updated or drops out either.
            part, unsaved = None, ()
        for changed in unsaved:
            parts.save(task.layout, changed)
        told = installation.outstanding()
    notes = replace(one.notes, parts=work.parts) if part is not None else one.notes
    failed = notes.failed()
    work.warnings += notes.conclude(work)
    recovered = sorted(failed - notes.failed())
    reconfigured = part is not None and _is_reconfigured(one, unsaved)
    return _Done(part, reconfigured, told, confirm.unconfirmed(task.layout), problem, recovered)


def _is_changed(work: Plan, done: _Done) -> bool:
    """Whether anything is not as it was. What services have not loaded yet is for the same handlers."""
    in_place = any(item.renewed or item.adapted or item.secured for item in work.items)
    return in_place or bool(work.changed or work.missing or done.reconfigured or (done.told and not done.problem))


def _say_reconfigured(one: _Deployment, done: _Done) -> str:
    part = done.part
    if part is None or not done.reconfigured:
        return ""
    keys = _changed_settings(one, part)
    which = f" ({sentences.listed(keys, '; ')})" if keys else ""
    return f"the configuration of {quoted(part.owner)} {'would be' if one.task.check else 'was'} updated{which}"


def _part_difference(one: _Deployment, done: _Done) -> t.List[t.Dict[str, t.Any]]:
    """What an owner configures otherwise: names of certificates and of settings, whose values may be secret.

    What it no longer configures is shown when that is removed.
    """
    if done.part is None or not done.reconfigured:
        return []
    keys = _changed_settings(one, done.part)
    return differences.of_part(one.task.layout, one.inclusion.recorded, done.part, {"updated": keys} if keys else {})


def _changed_settings(one: _Deployment, part: Part) -> t.List[str]:
    """What an owner that is not new has set differently."""
    recorded = one.inclusion.recorded
    return comparison.changed_settings(recorded, part) if recorded is not None else []


def _warnings(one: _Deployment, done: _Done, leaving: departure.Departure) -> t.Iterator[str]:
    if not one.task.values["fail_on_held_back"]:
        held_back = [item for item in one.work.items if item.held_back]
        verb = "would not be" if one.task.check else "was not"
        yield from (f"{item.name} {verb} deployed: {item.held_back}" for item in held_back)
    yield from (departure.say_used(dropped) for dropped in leaving.gone if dropped.used_by)
    if one.part is not None:
        yield from removal.untold(one.task.layout, {item.name: item.wanted.kinds for item in one.work.items})
    if not (one.work.items or one.work.missing or one.work.awaited or done.problem):
        yield from _say_empty(done.part, one.inclusion)
    yield from (f"{needed}; remove these lines, and run again" for needed in leaving.needed)


def _say_empty(part: t.Optional[Part], inclusion: Inclusion) -> t.Iterator[str]:
    """That there is nothing to deploy. Where nothing could drop out either, the name of a variable may be misspelt."""
    if part is None:
        yield "no certificates are given in certificates"
    elif not (
        inclusion.claimed or shares.given_with(part, inclusion.turn) or shares.former_of(part.shares, inclusion.turn)
    ):
        yield (
            f"{quoted(part.owner)} gives no certificates; check the names of its variables, ocsp_stapling_certificates "
            "and ocsp_stapling_scan"
        )


def _notes(task: Task, inclusion: Inclusion) -> Notes:
    return Notes(task.layout, inclusion.found, inclusion.owner, tuple(secrets.passwords(task.values)))


@contextlib.contextmanager
def _noting(task: Task, notes: Notes, items: t.Sequence[Item], unusable: t.Sequence[Fault] = ()) -> t.Iterator[None]:
    """Note an error that keeps certificates from being deployed, as ``Notes.refuse`` does."""
    try:
        yield
    except OcspError as error:
        if not task.check:
            notes.refuse(error, items, unusable)
        raise


@contextlib.contextmanager
def _noting_unplanned(task: Task) -> t.Iterator[None]:
    """As ``_noting``, before there is a plan. One is made to know which certificates are not live yet."""
    try:
        yield
    except OcspError as error:
        if task.values["state"] == "present" and not task.check:
            with contextlib.suppress(OcspError):
                inclusion = task.inclusion()
                notes = _notes(task, inclusion)
                work, _part = _plan(task, inclusion, task.services(inclusion), notes)
                notes.refuse(error, work.items)
        raise


def _plan(task: Task, inclusion: Inclusion, known: control.Services, notes: Notes) -> t.Tuple[Plan, t.Optional[Part]]:
    """What is to be done, and the part that its owner will have. Raises InputError with all that is wrong."""
    choice = finds.choose(task.layout, task.values["certificates"], task.values["found"] or ())
    values = {**task.values, "certificates": choice.certificates}
    # The role asks in check mode before it changes anything, and what is missing then is a fault.
    given, faults, missing, flawed = read_wanted(values, known, check=task.check and values["part"] is None)
    left = {**choice.left, **_found_among(task, faults)}
    more = plans.flaws(task.layout, [one for one in flawed if one.name not in left], datetime.now(timezone.utc))
    faults = [*_given_faults(task), *faults, *more]
    while True:
        kept = [one for one in given if one.name not in left]
        claiming = replace(inclusion, kept=[*inclusion.kept, *left])
        work, part, found = _draw(task, claiming, known, kept)
        unsound = {**_refused_before(work), **_found_among(task, found)}
        if not unsound:
            break
        left.update(unsound)
    work.missing = missing
    work.awaited = list(inclusion.kept)
    work.warnings += (one.message for one in missing)
    faults = [fault for fault in faults if fault.name not in left]
    readable = {item.name for item in work.items}
    unusable = [fault for fault in (*faults, *found) if fault.name not in readable]
    told = [finds.say_left_out(message) for message in left.values()]
    work.warnings += bounded([*choice.told, *told], finds.MOST_LEFT_OUT)
    _place(work)
    with _noting(task, notes, work.items, unusable):
        if faults or found:
            raise Refusal([*faults, *found])
    return work, part


def _given_faults(task: Task) -> t.List[Fault]:
    """What is wrong by the word of the controller, which has read what is not on this host."""
    return [Fault(one.get("name") or "", one["sentence"]) for one in task.values.get("faults") or ()]


def _found_among(task: Task, faults: t.Sequence[Fault]) -> t.Dict[str, str]:
    """What is wrong with certificates that a search found, by name.

    Other users of the host may have put them there, who must not keep all else from being deployed.
    """
    names = set(task.values["found"] or ())
    found: t.Dict[str, str] = {}
    for fault in faults:
        if fault.name in names:
            found.setdefault(fault.name, sentence(fault.message))
    return found


def _refused_before(work: Plan) -> t.Dict[str, str]:
    """The certificates of users that servers or their clients refused not long ago, each with a sentence, by name.

    To try them in every run would cost a reload each time, and clients of the user the old certificate meanwhile.
    """
    now = datetime.now(timezone.utc)
    found = {}
    for item in work.items:
        attempt = attempts.outstanding(work.layout, item.name) if item.changed and item.wanted.is_of_user else None
        until = attempt.left_out_until if attempt is not None else None
        if attempt is None or until is None or until <= now or until - now > finds.PAUSE:
            continue
        if attempt.fingerprint == material.fingerprint(item.material.certificate):
            found[item.name] = (
                f"{item.name}: this certificate was switched back at {format_time(attempt.time)}: {attempt.message}; "
                f"it is tried again after {format_time(until)}, or at once if it is renewed, or is listed in "
                "ocsp_stapling_certificates"
            )
    return found


def _draw(
    task: Task, inclusion: Inclusion, known: control.Services, given: t.Sequence[Wanted]
) -> t.Tuple[Plan, t.Optional[Part], t.List[Fault]]:
    """A plan, the part that its owner will have, and all that is wrong."""
    names = {service for one in given for service in one.services}
    values = {**task.values, "apache_port": apache_port(task, inclusion.found, known, names)}
    wanted = inclusion.shared(given, lambda name: known.get(name).kind)
    work, found = plans.plan(task.layout, wanted, datetime.now(timezone.utc), values["apache_port"], known)
    unfit = {fault.name for fault in found}
    found += claims.faults(work, unfit)
    work.verified = task.verify and bool(_deployment(values).get("verify", True))
    for item in work.items:
        item.known_revoked = item.name in (values["part"] or {}).get("revoked", ())
    services = dict.fromkeys(service for one in given for service in one.services)
    work.warnings += filter(None, map(known.absence, services))
    work.warnings += port_warnings(values["apache_port"], known.kinds(services))
    part = inclusion.part(work, given, values) if inclusion.owner else None
    work.announced = inclusion.announced
    if part is None:
        work.parts = inclusion.found
    else:
        work.parts = inclusion.after(part)
        compared = inclusion.compare(part, given)
        # What is wrong with a certificate itself may be why others have another one.
        found += [fault for fault in compared.faults if fault.name not in unfit]
        work.outdated = list(compared.outdated)
        work.items = [item for item in work.items if item.name not in compared.outdated]
        work.warnings += [*compared.outdated.values(), *compared.warnings]
    return work, part, found


def _deployment(values: Values) -> Values:
    """How an owner deploys, where that is not the default and no option of the module."""
    return (values["part"] or {}).get("deployment") or {}


def _place(work: Plan) -> None:
    """Give each certificate its place in snippets. What is live keeps its own, unless this task has another order.

    Those of parts have their places by these: what a set says of it is not looked at, and stays.
    """
    placed = parts.positions(work.parts)
    for item in work.items:
        known = sets.described(work.layout.live(item.name)) if item.previous else sets.Description()
        item.position, item.came = known.position, known.came
    loose = [item for item in work.items if item.name not in placed]
    places = [(item.came, item.position) for item in loose if item.position is not None]
    if len(places) < len(loose) or places != sorted(set(places)):
        came = min((number for number, _place in places), default=live.next_came(work.before, work.parts))
        for place, item in enumerate(loose):
            item.position, item.came = place, came


def _install(work: Plan, installation: Installation, endpoints: t.Sequence[Endpoint], keep: int) -> str:
    """Change what has to be. Returns why sets were switched back, or an empty string."""
    transaction.renew(work, installation)
    if work.changed or work.outdated_snippets():
        transaction.stage(work)
        problem = transaction.switch(work, installation, _look, endpoints if work.changed else ())
        if problem:
            return problem
    transaction.close_former(work)
    transaction.prune(work, keep)
    return ""


def _endpoints(values: Values, known: control.Services) -> t.List[Endpoint]:
    """Where to look, checked before anything is changed. Raises InputError."""
    from ..probe import client  # pylint: disable=import-outside-toplevel  # a run that changes nothing looks at nothing

    given = values["endpoints"]
    names = {name for one in values["certificates"] for name in one["services"] or ()}
    if given is not None:
        named = {*NAMES, *values["service_settings"], *values["services"], *names}
        for problem in filter(None, (client.endpoint_problem(one, named) for one in given)):
            raise InputError(f"endpoints: {problem}")
        return [Endpoint(one["service"], one["host"], one["port"], one["starttls"]) for one in given]
    kinds = {name: known.get(name).kind for name in sorted({*names, *values["services"]})}
    return [
        Endpoint(name, "127.0.0.1", port, starttls)
        for name, kind in kinds.items()
        for port, starttls in (SERVERS[kind].ports if kind else ())
    ]


def _look(endpoint: Endpoint, name: str) -> Sight:
    from . import looking  # pylint: disable=import-outside-toplevel  # a run that changes nothing looks at nothing

    return looking.look(endpoint, name)


def _values(work: Plan, told: t.Sequence[str], unconfirmed: t.Sequence[str]) -> t.Dict[str, t.Any]:
    return {
        "certificates": [_describe(work, item) for item in work.items],
        "held_back": [item.name for item in work.items if item.held_back],
        "revoked": [item.name for item in work.items if item.is_revoked],
        "without_staple": [item.name for item in work.items if item.lacks_staple],
        "without_responder": [item.name for item in work.items if not item.urls],
        "reload": list(told),
        "unconfirmed": list(unconfirmed),
        "good_until": _good_until(work),
    }


def _good_until(work: Plan) -> t.Optional[str]:
    """When the first certificate or staple in use expires, as far as it is known; None where nothing is stapled.

    A certificate that is revoked does not count.
    """
    used = [item for item in work.items if not (item.held_back or item.rolled_back or item.is_revoked)]
    stapled = [item.response[1] for item in used if item.response is not None]
    if not stapled:
        return None
    ends = [one.not_after for item in used for one in (item.material.certificate, *item.material.chain)]
    ends += [one.effective_expiry for one in stapled if one.effective_expiry is not None]
    return format_time(min(ends))


def _describe(work: Plan, item: Item) -> t.Dict[str, t.Any]:
    certificate = item.material.certificate
    used = not (item.held_back or item.rolled_back)
    judgement = item.response[1] if used and item.response is not None else None
    return {
        "name": item.name,
        "changed": item.changed,
        "renewed": item.renewed,
        "adapted": item.adapted,
        "secured": item.secured,
        "reasons": item.reasons,
        "services": list(item.wanted.services),
        "path": work.layout.live(item.name),
        "fingerprint": material.fingerprint(certificate),
        "expiry": format_time(certificate.not_after),
        "must_staple": certificate.must_staple,
        "responder_urls": list(item.urls),
        "stapled": judgement is not None,
        "staple_expiry": format_time(judgement.effective_expiry) if judgement else None,
        "held_back": item.held_back,
        "revocation": item.said_revoked,
    }


# verify


def _verify(task: Task) -> Result:
    return verification.verify(task, _look, lambda: _notes(task, task.inclusion()))
