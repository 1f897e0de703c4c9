# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What ``certificate_set`` does, from the plain values of its options to those of its result."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from .. import secrets
from ..errors import BusyError, Fault, FileError, InputError, OcspError, Refusal, findings_of, sentence
from ..fetch import bulk
from ..fetch.environment import Environment, Exchange, ResponderDown, Ways
from ..judge.schedule import Lookahead, look_ahead
from ..options.parse import check_limits
from ..options.table import RUN_LIMITS
from ..pki.certificate import Certificate, load_certificates
from ..servers import apache, snippets
from ..servers.server import Setup
from ..servers.table import NAMES, SERVERS
from ..services import control, timetable
from ..services.installation import Installation, outstanding
from ..store import attempts, files, parts, sets, staples
from ..store.parts import Part
from ..store.sets import Layout
from ..text import bounded, format_time, join_words, quoted
from . import claims, confirm, finds, live, material, removal, renewed, transaction
from . import inclusion as inclusions
from .confirm import Endpoint, Sight
from .inclusion import Inclusion
from .outcomes import Notes
from .wanted import Values, Wanted, in_turn, read_wanted

#: Seconds to wait for other runs.
_LOCK_TIMEOUT = 120.0
#: Seconds between two attempts to get a response for a new certificate.
_PAUSE = 10.0
#: Seconds that a look at one endpoint takes at most.
_LOOK_TIMEOUT = 4.0
#: Seconds in which responders are asked for certificates that a search found where other users can write.
_LONGEST_FOR_USERS = 60.0
#: What is said where an error ended a run that had changed something.
PARTLY_DONE = "; what was changed before that is in place, so run this again"
#: How many certificates of a search that are left out are told of.
_MOST_LEFT_OUT = 5


class Result(t.NamedTuple):
    """The values that the module returns, and the sentences that it warns with."""

    values: t.Dict[str, t.Any]
    changed: bool = False
    failed: bool = False
    warnings: t.Sequence[str] = ()
    postponed: bool = False


class _Postponed(Exception):
    """Responders do not know new certificates yet, which is no error."""


@dataclass(frozen=True)
class Task:
    """One call of the module: the values of its options, all of them there, and how to run commands.

    ``check``: find out what would be done. ``diff``: show facts about what changes. ``postpone``: while there is
    something to wait for, change nothing and return, so that others are not kept from their work meanwhile.
    ``verify``: what is served will be looked at, unless the part says otherwise.
    """

    values: Values
    run: control.Run
    check: bool = False
    diff: bool = False
    postpone: bool = False
    verify: bool = True

    @property
    def layout(self) -> Layout:
        return Layout(self.values["path"], self.values["state_path"])

    def inclusion(self) -> Inclusion:
        """Whose certificates these are, among others. Raises InputError."""
        return inclusions.read(self.layout, self.values["part"])

    def installation(self, known: t.Optional[control.Services] = None) -> Installation:
        """What servers read; ``known`` are the services where they have been read before. Raises InputError."""
        return Installation(self.layout, known or self.services(), _LOCK_TIMEOUT)

    def services(self, inclusion: t.Optional[Inclusion] = None) -> control.Services:
        """The services as all users of the role described them. Raises InputError."""
        described = {}
        settings = (inclusion or self.inclusion()).service_settings(self.values["service_settings"])
        for name, given in settings.items():
            if not isinstance(given or {}, dict):
                raise InputError(f"service_settings: {name} must be a dictionary such as {{'unit': 'NAME'}}")
            settings = dict(given or {})
            # A number may be meant, as Ansible converts it for other options.
            settings.update((key, str(settings[key])) for key in ("unit", "socket") if settings.get(key) is not None)
            for command in control.COMMANDS:
                settings[command] = _read_command(name, command, settings.get(command))
            try:
                described[name] = control.configured(name, **settings)
            except InputError as error:
                raise InputError(f"service_settings: {name}: {error.message}") from None
            except TypeError:
                raise InputError(f"service_settings: {name} has an unknown setting") from None
        return control.Services(described, self.run, self.layout.root)


def _read_command(service: str, name: str, value: t.Any) -> t.Tuple[str, ...]:
    try:
        return control.read_command(value) if value is not None else ()
    except InputError as error:
        raise InputError(f"service_settings: {name} of {service} {error.message}") from None


def carry_out(task: Task) -> Result:
    """Do what ``state`` says. What is wrong is one sentence in the result; nothing is raised."""
    steps = {"present": _present, "verify": _verify, "absent": _absent, "pruned": _prune}
    umask = os.umask(0o022)
    try:
        with _locked(task):
            return _with_units(task, steps[task.values["state"]](task))
    except _Postponed:
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
        unit = services.unit(name, _keys(layout, name, gone))
        if unit is not None:
            found.append({"service": name, "name": unit.name, "state": "restarted" if unit.restart else "reloaded"})
    return found


def _keys(layout: Layout, service: str, gone: t.Container[str]) -> t.List[str]:
    """The private keys that a service reads when the certificates ``gone`` are removed."""
    folders = [layout.live(name) for name in sets.live_names(layout) if name not in gone]
    folders = [folder for folder in folders if service in sets.described(folder).services]
    return [os.path.join(folder, file) for folder in folders for file in sets.SECRET_FILES]


@contextlib.contextmanager
def _locked(task: Task) -> t.Iterator[None]:
    """Keep other playbooks from what this one is going to look at and change. Raises FileError."""
    with contextlib.ExitStack() as stack:
        with _noting_unplanned(task):
            stack.enter_context(files.lock(task.layout.root, _LOCK_TIMEOUT))
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
    work: transaction.Plan
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
    before = [_facts(layout, item.name, item.material) for item in work.items] if task.diff else []
    patience = _Patience(task)
    if not _is_question(task):
        with _noting(task, one.notes, work.items):
            of_users = {item.name: item.wanted.user for item in work.items if item.wanted.is_of_user}
            transaction.obtain(work, _fetcher(task.values, of_users), patience, _looking_ahead(task))
    unsaved = one.inclusion.unsaved(one.part) if one.part is not None else []
    rewritten = live.told(work.outdated_snippets(), work.before, work.after())
    done = _foresee(one, unsaved) if task.check else _deploy(one, unsaved)
    gone, given_up = _dropped(one, done.part)
    lost = _lost(one, done.part)
    moved = [] if done.problem else live.moved_defaults(live.ordered(work.before, one.inclusion.found), work.after())
    result = _values(work, done.told, done.unconfirmed)
    result["dropped"] = [dropped.name for dropped in gone if not dropped.stays]
    result["given_up"] = sorted({*given_up, *lost}.difference(item.name for item in work.items))
    result["recovered"] = list(done.recovered)
    if task.diff:
        result["diff"] = [
            *_difference(work, before),
            # Otherwise the task that removes them shows them.
            *(_gone_difference(layout, result["dropped"]) if task.check else ()),
            *_moved_difference(layout, moved),
            *_part_difference(one, done),
        ]
    waited = patience.told(work.waited_for)
    # A task that does not fail shows its warnings and no message; the role shows both.
    fails = task.values["fail_on_held_back"]
    failed = bool(done.problem or (result["held_back"] and fails))
    said = [transaction.summary(work, task.check, done.told, done.problem, rewritten, brief=not fails)]
    said += [waited] if fails else []
    said += [*_say_dropped(layout, gone, task.check), *_say_lost(lost)]
    said += [*_say_moved(moved, task.check), _say_reconfigured(one, done)]
    result["msg"] = "; ".join(filter(None, said))
    if _is_question(task):
        # It is asked for faults; if there are none, the task that deploys warns.
        return Result(result, _is_changed(work, done), failed)
    warnings = [*work.warnings, *([waited] if waited and not (failed and fails) else []), *_warnings(one, done, gone)]
    return Result(result, _is_changed(work, done), failed, warnings)


def _is_question(task: Task) -> bool:
    return bool((task.values["part"] or {}).get("question"))


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
    told = {*transaction.renew(work, None), *work.told(work.outdated_snippets())}
    told.update(service for missing in work.missing for service in missing.services)
    told = _to_be_told(one.task, one.known, told)
    if not _is_question(one.task):
        work.warnings += transaction.foreseen_refusals(work)
    looked_at = work.changed if work.verified else ()
    unconfirmed = {service for item in looked_at for service in item.wanted.services}
    return _Done(one.part, _is_reconfigured(one, unsaved), sorted(told), sorted(unconfirmed))


def _is_reconfigured(one: _Deployment, unsaved: t.Sequence[Part]) -> bool:
    """Whether what is to be written of parts is more than notes for comparisons, which is no change for a user."""
    return one.part is not None and bool(unsaved) and one.inclusion.is_reconfigured(one.part)


def _to_be_told(task: Task, known: control.Services, affected: t.Iterable[str]) -> t.Set[str]:
    """The services that a run would reload: one that does not run loads its files when it starts."""
    running = (service for service in affected if known.is_running(service) is not False)
    return {*running, *outstanding(task.layout, known)}


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


def _is_changed(work: transaction.Plan, done: _Done) -> bool:
    """Whether anything is not as it was. What services have not loaded yet is for the same handlers."""
    in_place = any(item.renewed or item.adapted or item.secured for item in work.items)
    return in_place or bool(work.changed or work.missing or done.reconfigured or (done.told and not done.problem))


def _say_reconfigured(one: _Deployment, done: _Done) -> str:
    inclusion, part = one.inclusion, done.part
    if part is None or not done.reconfigured:
        return ""
    keys = parts.changed_settings(inclusion.recorded, part) if inclusion.recorded is not None else []
    which = f" ({transaction.listed(keys, '; ')})" if keys else ""
    return f"the configuration of {quoted(part.owner)} {'would be' if one.task.check else 'was'} updated{which}"


def _warnings(one: _Deployment, done: _Done, gone: t.Sequence[inclusions.Dropped]) -> t.Iterator[str]:
    if not one.task.values["fail_on_held_back"]:
        held_back = [item for item in one.work.items if item.held_back]
        verb = "would not be" if one.task.check else "was not"
        yield from (f"{item.name} {verb} deployed: {item.held_back}" for item in held_back)
    yield from (_say_used(dropped) for dropped in gone if dropped.used_by)
    if done.part is not None:
        yield from _say_given(one.work, done.part, one.inclusion)
    if one.part is not None:
        yield from removal.untold(one.task.layout, {item.name: item.wanted.kinds for item in one.work.items})
    if not (one.work.items or one.work.missing or one.work.awaited or done.problem):
        yield from _say_empty(done.part, one.inclusion)


def _notes(task: Task, inclusion: Inclusion) -> Notes:
    return Notes(task.layout, inclusion.found, inclusion.owner, tuple(secrets.passwords(task.values)))


@contextlib.contextmanager
def _noting(
    task: Task, notes: Notes, items: t.Sequence[transaction.Item], unusable: t.Sequence[Fault] = ()
) -> t.Iterator[None]:
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


def _plan(
    task: Task, inclusion: Inclusion, known: control.Services, notes: Notes
) -> t.Tuple[transaction.Plan, t.Optional[Part]]:
    """What is to be done, and the part that its owner will have. Raises InputError with all that is wrong."""
    choice = finds.choose(task.layout, task.values["certificates"], task.values["found"] or ())
    values = {**task.values, "certificates": choice.certificates}
    # The role asks in check mode before it changes anything, and what is missing then is a fault.
    given, faults, missing, flawed = read_wanted(values, known, check=task.check and values["part"] is None)
    left = {**choice.left, **_found_among(task, faults)}
    more = transaction.flaws(task.layout, [one for one in flawed if one.name not in left], datetime.now(timezone.utc))
    faults = [*_given_faults(task), *faults, *more]
    while True:
        kept = [one for one in given if one.name not in left]
        claiming = replace(inclusion, kept=[*inclusion.kept, *left])
        work, part, found = _draw(task, claiming, known, kept)
        unsound = _found_among(task, found)
        if not unsound:
            break
        left.update(unsound)
    work.missing = missing
    work.awaited = list(inclusion.kept)
    work.warnings += (one.message for one in missing)
    faults = [fault for fault in faults if fault.name not in left]
    readable = {item.name for item in work.items}
    unusable = [fault for fault in (*faults, *found) if fault.name not in readable]
    told = [f"{message}; it is left out, and what is deployed of it stays" for message in left.values()]
    work.warnings += bounded([*choice.told, *told], _MOST_LEFT_OUT)
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


def _draw(
    task: Task, inclusion: Inclusion, known: control.Services, given: t.Sequence[Wanted]
) -> t.Tuple[transaction.Plan, t.Optional[Part], t.List[Fault]]:
    """A plan, the part that its owner will have, and all that is wrong."""
    names = {service for one in given for service in one.services}
    values = {**task.values, "apache_port": _apache_port(task, inclusion.found, known, names)}
    wanted = inclusion.shared(given, lambda name: known.get(name).kind)
    work, found = transaction.plan(task.layout, wanted, datetime.now(timezone.utc), values["apache_port"], known)
    unfit = {fault.name for fault in found}
    found += claims.faults(work, unfit)
    work.verified = task.verify and bool(_deployment(values).get("verify", True))
    for item in work.items:
        item.known_revoked = item.name in (values["part"] or {}).get("revoked", ())
    services = dict.fromkeys(service for one in given for service in one.services)
    work.warnings += filter(None, map(known.absence, services))
    part = inclusion.part(work, given, values) if inclusion.owner else None
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


def _apache_port(
    task: Task, all_parts: t.Iterable[Part], known: control.Services, services: t.Iterable[str] = ()
) -> int:
    """The port of Apache's own responder: as this task has it, unless others alone have certificates for Apache.

    ``services`` are those that this task has certificates for.
    """

    def is_for_apache(names: t.Iterable[str]) -> bool:
        return any(known.get(name).kind == apache.NAME for name in names)

    own: int = task.values["apache_port"]
    if is_for_apache(services):
        return own
    using = [part for part in all_parts if any(is_for_apache(one.services) for one in part.certificates)]
    ports = [one.get("apache_port") for part in using for one in (part.program, part.deployment)]
    if using:
        # One that is not noted is the default.
        ports.append(renewed.DEFAULTS["apache_port"])
    return next((port for port in ports if isinstance(port, int)), own)


def _deployment(values: Values) -> Values:
    """How an owner deploys, where that is not the default and no option of the module."""
    return (values["part"] or {}).get("deployment") or {}


def _place(work: transaction.Plan) -> None:
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


def _install(work: transaction.Plan, installation: Installation, endpoints: t.Sequence[Endpoint], keep: int) -> str:
    """Change what has to be. Returns why sets were switched back, or an empty string."""
    transaction.renew(work, installation)
    if work.changed or work.outdated_snippets():
        transaction.stage(work)
        problem = transaction.switch(work, installation, _look, endpoints if work.changed else ())
        if problem:
            return problem
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
    """What a client is shown."""
    from ..probe import client  # pylint: disable=import-outside-toplevel

    where = client.read_endpoint(endpoint.host, endpoint.port, name, endpoint.starttls or None)
    shown: t.Dict[str, t.Optional[bytes]] = {}
    problem, hung = "", False
    for found in client.look(where, datetime.now(timezone.utc), timeout=_LOOK_TIMEOUT, attempts=1):
        if found.leaf is not None:
            shown[material.fingerprint(found.leaf)] = found.data
        elif found.error is not None:
            problem, hung = found.error.message, found.error.code == "timeout"
            if found.error.code == "unreachable":
                break
    return Sight(shown, "" if shown else problem or "the server sent no certificate", hung and not shown)


def _fetcher(values: Values, of_users: t.Mapping[str, t.Optional[int]]) -> transaction.Fetch:
    """Fetches responses side by side, or refuses to.

    ``of_users`` are the certificates that a search found where other users can write, and whose they are. Their turn
    comes last, and they have no more time than ``_LONGEST_FOR_USERS`` together: any number of responders may hang.
    """

    problems = {one["name"]: one["fetch_problem"] for one in values["certificates"] if one["fetch_problem"]}
    ways = Ways()

    def refuser(name: str) -> Exchange:
        def refuse(_request: t.Any, _timeout: float) -> t.NoReturn:
            raise ResponderDown("unreachable", problems.get(name, "fetching is turned off on this host"))

        return refuse

    def fetch(requests: t.Sequence[bulk.Request]) -> t.Mapping[str, t.Any]:
        with bulk.Network() as network:

            def environment_for(request: bulk.Request) -> Environment:
                on_host = values["fetch_from"] == "host"
                exchange = network.exchange_for(request.values) if on_host else refuser(request.name)
                if request.name in of_users:
                    exchange = _until(exchange, began + _LONGEST_FOR_USERS)
                return Environment(exchange, datetime.now(timezone.utc), ways=ways)

            ordered = in_turn(requests, lambda request: of_users.get(request.name))
            return dict(bulk.obtain_all(ordered, environment_for, workers=values["workers"], on_abort=network.close))

    began = time.monotonic()
    return fetch


def _until(exchange: Exchange, deadline: float) -> Exchange:
    """The same as long as there is time."""

    def limited(request: t.Any, timeout: float) -> t.Any:
        if time.monotonic() >= deadline:
            raise ResponderDown(
                "timeout",
                f"no responder was asked, as those of certificates that a search found took {_LONGEST_FOR_USERS:.0f} "
                "seconds",
            )
        return exchange(request, timeout)

    return limited


def _looking_ahead(task: Task) -> transaction.Ahead:
    """What the program on the host leaves in place, by its timer, or by the one that it is about to get."""

    @functools.cache
    def ahead() -> Lookahead:
        interval = timedelta(seconds=(task.values["part"] or {}).get("interval") or 0)
        if interval:
            return look_ahead(interval, interval)
        now = datetime.now(timezone.utc)
        runs = timetable.read(task.run, now, control.has_systemd())
        return look_ahead(runs.first(now) - now, runs.interval) if runs is not None else Lookahead()

    return ahead


class _Patience:
    """Says whether to ask responders again and waits before, for as long as the option ``responder_wait`` has it."""

    def __init__(self, task: Task) -> None:
        asks = task.values["fetch_from"] == "host" and not task.check
        self._postpone = task.postpone and asks
        self._began = time.monotonic()
        self._deadline = self._began + (task.values["responder_wait"] if asks else 0)
        self._note()

    def __call__(self, _attempt: int) -> bool:
        if self._postpone:
            raise _Postponed
        self._note()
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(_PAUSE, left))
        self._note()
        return True

    def _note(self) -> None:
        """The wait until now. What the last attempt took beyond the limit was no wait, and is left out."""
        now = time.monotonic()
        beyond = max(0.0, now - self._deadline)
        self._waited = now - self._began - beyond
        self._until = datetime.now(timezone.utc) - timedelta(seconds=beyond)

    def told(self, names: t.Sequence[str]) -> str:
        """How long it was waited, until when and for what, or an empty string."""
        if not names:
            return ""
        until = format_time(self._until)
        return f"waited {self._waited:.0f} seconds, until {until}, for responses for {transaction.named(names)}"


def _values(work: transaction.Plan, told: t.Sequence[str], unconfirmed: t.Sequence[str]) -> t.Dict[str, t.Any]:
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


def _good_until(work: transaction.Plan) -> t.Optional[str]:
    """When the first certificate or staple in use expires, as far as it is known; None where nothing is stapled."""
    used = [item for item in work.items if not (item.held_back or item.rolled_back)]
    stapled = [item.response[1] for item in used if item.response is not None]
    if not stapled:
        return None
    ends = [item.material.certificate.not_after for item in used]
    ends += [one.effective_expiry for one in stapled if one.effective_expiry is not None]
    return format_time(min(ends))


def _describe(work: transaction.Plan, item: transaction.Item) -> t.Dict[str, t.Any]:
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


# Differences


def _facts(layout: Layout, name: str, wanted: material.Material) -> t.Dict[str, t.Any]:
    """What a difference shows of a live set: of keys who may read them, and never what is in them.

    If it was made of the certificate that is ``wanted``, its files should be those of that, so those that are not are
    shown.
    """
    identifier = sets.current_id(layout, name)
    if identifier is None:
        return {"state": "absent"}
    found = sets.read_set(layout, name, identifier)
    shown: t.Dict[str, t.Any] = {"state": "present"}
    shown["keys"] = {file: access.shown for file, access in sets.accesses(layout, name, identifier).items()}
    if attempts.is_live(layout, name, material.fingerprint(wanted.certificate)):
        content = wanted.files()
        differing = [file for file in sets.MATERIAL_FILES if found.get(file) != content.get(file)]
        if differing:
            shown["files"] = {file: _state(file in found, file in content) for file in differing}
    with contextlib.suppress(OcspError, KeyError):
        shown.update(_certificate_facts(load_certificates(found["fullchain.pem"], "fullchain.pem")))
    place = staples.find(layout.live(name))
    shown.update(_usage(sets.described(layout.live(name))))
    shown["staple"] = "present" if place and os.path.exists(place.path(staples.STAPLE)) else "absent"
    return shown


def _usage(description: sets.Description) -> t.Dict[str, t.Any]:
    return {"services": list(description.services), "names": list(description.names)}


def _certificate_facts(chain: t.Sequence[Certificate]) -> t.Dict[str, t.Any]:
    return {
        "certificate": material.fingerprint(chain[0]),
        "subject": chain[0].name,
        "serial_number": f"{chain[0].serial_number:x}",
        "valid_from": format_time(chain[0].not_before),
        "expiry": format_time(chain[0].not_after),
        "chain": [one.name for one in chain[1:]],
    }


def _state(there: bool, wanted: bool) -> str:
    return ("has different content" if wanted else "does not belong there") if there else "is missing"


def _difference(work: transaction.Plan, before: t.Sequence[t.Dict[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    shown = []
    for item, old in zip(work.items, before):
        new = dict(old)
        if item.changed:
            new = {"state": "present", "keys": dict.fromkeys(sets.SECRET_FILES, item.wanted.access.shown)}
            new.update(_certificate_facts([item.material.certificate, *item.material.chain]))
            new.update(_usage(item.description))
            new["staple"] = "present" if item.staple else "absent"
        if item.renewed:
            new["staple"] = "renewed" if item.response else "absent"
        if item.secured:
            new["keys"] = dict.fromkeys(old["keys"], item.wanted.access.shown)
        if item.adapted:
            new.update({**_usage(item.description), "snippets": "updated"})
        path = work.layout.live(item.name)
        if new != old:
            shown.append({"before_header": path, "after_header": path, "before": old, "after": new})
    for one in work.missing:
        path = work.layout.live(one.name)
        state = "absent" if sets.current_id(work.layout, one.name) is None else "present"
        after = {"state": "present", "files": "not known yet"}
        shown.append({"before_header": path, "after_header": path, "before": {"state": state}, "after": after})
    return shown


def _part_difference(one: _Deployment, done: _Done) -> t.List[t.Dict[str, t.Any]]:
    """What an owner configures otherwise: names of certificates and of settings, whose values may be secret.

    What it no longer configures is shown when that is removed.
    """
    if done.part is None or not done.reconfigured:
        return []
    recorded = one.inclusion.recorded
    keys = parts.changed_settings(recorded, done.part) if recorded is not None else []
    return _shown_part(one.task.layout, recorded, done.part, {"updated": keys} if keys else {})


def _shown_part(
    layout: Layout, before: t.Optional[Part], after: Part, more: t.Mapping[str, t.Any]
) -> t.List[t.Dict[str, t.Any]]:
    path = parts.path(layout, after.owner)
    old, new = (_names_in(part) for part in (before, after))
    new.update(more)
    return [{"before_header": path, "after_header": path, "before": old, "after": new}] if new != old else []


def _names_in(part: t.Optional[Part]) -> t.Dict[str, t.Any]:
    if part is None or not part.certificates:
        return {"state": "absent"}
    return {"state": "present", "certificates": sorted(one.name for one in part.certificates)}


# verify and absent


def _verify(task: Task) -> Result:
    """Confirm the last switch, or take it back."""
    if task.check or not confirm.read_record(task.layout):
        return Result({"swapped_back": [], "msg": "there is nothing to confirm"})
    with task.installation() as installation:
        verified = confirm.verify(installation, _look)
        if not verified.faults:
            return Result({"swapped_back": [], "msg": _confirmation(verified)})
        switched = confirm.read_record(task.layout).get("sets", {})
        names = confirm.take_back(installation)
        problems = confirm.reload_all(installation, verified.services)
    faults = transaction.listed(list(verified.faults.values()), "; ")
    _notes(task, task.inclusion()).take_back({name: switched[name] for name in names}, verified)
    msg = f"the old certificates of {transaction.named(names)} were put back: {faults}"
    return Result({"msg": "; ".join([msg, *problems]), "swapped_back": names}, changed=True, failed=True)


def _confirmation(verified: confirm.Verified) -> str:
    msg = f"{', '.join(verified.services)}: everything is served as expected"
    if not verified.untold:
        return msg
    untold = join_words(verified.untold)
    return f"{msg}, as far as can be checked; it is unknown whether {untold} loaded the new files, so reload it"


def _absent(task: Task) -> Result:
    names = [one["name"] for one in task.values["certificates"]]
    if task.values["part"] is not None:
        return _absent_part(task, names)
    layout, force = task.layout, task.values["force"]
    uses = removal.uses(layout, names, task.run)
    if uses.obstacle and not force:
        return Result({"msg": f"nothing was removed, because {uses.obstacle}", "removed": []}, failed=True)
    if names:
        return _absent_sets(task, names)._replace(warnings=uses.warnings)
    removed = removal.present(layout, sets.all_names(layout))
    values: t.Dict[str, t.Any] = {"msg": _say_removed(removed, task.check), "removed": removed}
    if task.diff:
        values["diff"] = _gone_difference(layout, removed)
    if not task.check and (removed or os.path.isdir(layout.state)):
        with task.installation() as installation:
            removal.remove_all(installation, removed)
    return Result(values, changed=bool(removed), warnings=uses.warnings)


def _absent_sets(task: Task, names: t.Sequence[str]) -> Result:
    """Take away certificates, whoever configured them: else they would count as not deployed."""
    found = inclusions.read(task.layout, None).found
    left = [parts.without(part, names) for part in found]
    configured = {one.name for part in found for one in part.certificates}
    present = removal.present(task.layout, names)
    gone = [name for name in names if name in present or name in configured]
    done = _take_away(task, gone, found, left, gone)
    if not task.check and not done.failed:
        _save(task.layout, left)
    return done


def _save(layout: Layout, all_parts: t.Iterable[Part]) -> None:
    """Have these parts on disk."""
    for part in all_parts:
        if not parts.is_saved(layout, part):
            parts.save(layout, part)


def _absent_part(task: Task, asked: t.Collection[str]) -> Result:
    """Take away what one owner configured, or of it only what is asked for.

    If nothing else would be left on the host, all is to be taken away by whoever asks. What others configured is never
    removed on behalf of an owner that has nothing.
    """
    inclusion = task.inclusion()
    owner = inclusion.owner
    mine = parts.find(inclusion.found, owner) or Part(owner)
    names = [one.name for one in mine.certificates if not asked or one.name in asked]
    rest = parts.without(mine, names)
    left = parts.replaced(inclusion.found, rest)
    remaining = {"remaining": [part.owner for part in left]}
    if not names or not (left or asked):
        msg = _say_owner(owner, names, remaining["remaining"])
        if asked and mine.certificates:
            msg = f"{quoted(owner)} has no such certificate on this host: {transaction.listed(sorted(asked))}"
        told = outstanding(task.layout, task.services(inclusion))
        return Result({"msg": msg, "removed": [], "reload": told, **remaining})
    gone = [name for name in names if not parts.is_given(left, name)]
    uses = removal.uses(task.layout, gone, task.run) if gone else removal.Uses()
    if uses.obstacle and not task.values["force"]:
        msg = f"nothing was removed, because {uses.obstacle}"
        return Result({"msg": msg, "removed": [], **remaining}, failed=True)
    kept = [name for name in names if name not in gone]
    unwanted = _unwanted_services(live.look(task.layout, task.services(inclusion)), left)
    said = _say_shared(owner, gone, kept, left, task.check, not asked)
    said += _say_lost({name: unwanted[name] for name in kept if name in unwanted})
    done = _take_away(task, gone, inclusion.found, left, names, said)
    if not task.check and not done.failed:
        parts.save(task.layout, rest)
    values = {**done.values, **remaining}
    if task.diff:
        values["diff"] = [*values.get("diff", ()), *_shown_part(task.layout, mine, rest, {})]
    return done._replace(values=values, changed=not done.failed, warnings=uses.warnings)


def _say_shared(
    owner: str, gone: t.Sequence[str], kept: t.Sequence[str], left: t.Sequence[Part], check: bool, whole: bool
) -> t.List[str]:
    """What becomes of the certificates of an owner that others give as well; ``whole`` is whether these are all."""
    if not kept:
        return []
    others = dict.fromkeys(quoted(part.owner) for part in left for name in kept if part.get(name))
    said = f"{transaction.listed(kept)} {'is' if len(kept) == 1 else 'are'} kept for {join_words(others)}"
    done = "would be removed" if check else "was removed"
    return [said] if gone or not whole else [f"the configuration of {quoted(owner)} {done}", said]


def _say_owner(owner: str, names: t.Sequence[str], others: t.Sequence[str]) -> str:
    """What comes of a request to remove what an owner gave, when that is not done here."""
    if names:
        known = transaction.listed(names)
        return (
            f"{quoted(owner)} is the only owner of certificates on this host, so the program is removed with all of "
            f"them, unless a server still uses one: {known}"
        )
    none = f"{quoted(owner)} has no certificates on this host"
    if not others:
        return none
    known = f"{none}, so none are removed; those on it belong to {join_words([quoted(other) for other in others])}"
    meant = [other for other in others if _is_slip(owner, other)]
    if len(meant) == 1:
        return f"{known}; did you mean ocsp_stapling_owner: {quoted(meant[0])}?"
    those = f"ocsp_stapling_owner: {quoted(others[0])}" if len(others) == 1 else "ocsp_stapling_owner to one of these"
    return f"{known}; to remove them, set {those}, or ocsp_stapling_owner: all to remove everything"


def _is_slip(name: str, other: str) -> bool:
    """Whether one name may be a slip of the pen for the other: one character that differs, or two that are swapped.

    This is about removing what somebody has, so a name that is only similar is not suggested; and plays or hosts may be
    told apart by a number.
    """
    start = _common_start(name, other)
    ends = [one[start:] for one in (name, other)]
    alike = _common_start(*(end[::-1] for end in ends))
    one, two = (end[: len(end) - alike] for end in ends)
    is_swapped = len(one) == 2 and one == two[::-1]
    return (is_swapped or max(len(one), len(two)) == 1) and not any(map(str.isdigit, one + two))


def _common_start(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    differing = (number for number, pair in enumerate(zip(one, other)) if pair[0] != pair[1])
    return next(differing, min(len(one), len(other)))


def _take_away(
    task: Task,
    gone: t.Sequence[str],
    found: t.Sequence[Part],
    left: t.Sequence[Part],
    touched: t.Collection[str],
    kept: t.Sequence[str] = (),
) -> Result:
    """Remove sets, when services accept their configuration without them.

    ``found`` are the parts until now, and ``left`` those that stay. ``kept`` says what becomes of the rest.
    """
    problem = ""
    deployed = removal.present(task.layout, gone)
    known = task.services()
    before = live.look(task.layout, known)
    after = removal.remaining(task.layout, before, gone, left, touched, known)
    moved = live.moved_defaults(live.ordered(before, found), after)
    shown = [*_gone_difference(task.layout, gone), *_moved_difference(task.layout, moved)] if task.diff else []
    setup = Setup(task.layout.root, _apache_port(task, left, known))
    if task.check:
        affected = removal.affected(before, gone, live.outdated_snippets(setup, after)) if touched else {}
        told = sorted(_to_be_told(task, known, affected))
    elif touched:
        with task.installation() as installation:
            problem = removal.take_away(installation, gone, left, touched, setup, task.values["force"])
            told = installation.outstanding()
    else:
        told = outstanding(task.layout, known)
    if problem:
        msg = _say_needed(gone, problem)
        return Result({"msg": msg, "removed": [], "reload": told}, failed=True)
    said = [*_say_gone(gone, deployed, task.check)] if gone or not kept else []
    msg = "; ".join([*said, *kept, *_say_moved(moved, task.check)])
    values: t.Dict[str, t.Any] = {"msg": msg, "removed": deployed, "reload": told}
    if shown:
        values["diff"] = shown
    return Result(values, changed=bool(gone))


def _prune(task: Task) -> Result:
    """Remove certificates that their owners no longer configure and that nothing uses."""
    layout = task.layout
    found = inclusions.read(layout, None).found
    ended = task.values["pruned"]
    places = {part.owner: None if ended is None else ended.get(part.owner, ()) for part in found}
    of_ended = {part.owner: parts.given_up(part, places[part.owner]) for part in found}
    names = {name for given_up in of_ended.values() for name in given_up}
    pending = {name for part in found for name in parts.given_up(part) - of_ended[part.owner]}
    given = sorted(name for name in names if parts.is_given(found, name))
    left = sorted((names & pending).difference(given))
    every = inclusions.dropped(layout, found, task.values["force"])
    gone = [one.name for one in every if one.name in names and one.name not in left and not one.stays]
    settled = {*gone, *given, *left}
    after = [parts.settled(part, settled, places[part.owner]) for part in found]
    kept = [f"still configured by another role or play: {transaction.listed(given)}"] if given else []
    kept += [f"left to the next run of another task that had it: {transaction.listed(left)}"] if left else []
    reduced = _unwanted_services(live.look(layout, task.services()), after)
    done = _take_away(task, gone, found, after, {*settled, *reduced}, kept)
    if done.failed:
        # A server needs what no file below its folder names; that is no failure of whoever runs last.
        return done._replace(failed=False, warnings=[done.values["msg"]])
    unsaved = any(not parts.is_saved(layout, part) for part in after)
    if not task.check:
        _save(layout, after)
    return done._replace(changed=done.changed or unsaved or bool(reduced))


def _say_needed(names: t.Sequence[str], problem: str) -> str:
    """That certificates stay, because a service would not accept its configuration without them."""
    them, were = ("it", "was") if len(names) == 1 else ("them", "were")
    what = f"{transaction.named(names)} {were} not removed" if names else "nothing was removed"
    return f"{what}, because a server still needs {them}: {problem}; take {them} out of its configuration and run again"


def _say_removed(names: t.Sequence[str], check: bool) -> str:
    done = "would be removed" if check else "was removed" if len(names) == 1 else "were removed"
    return f"{transaction.named(names)} {done}" if names else "there was nothing to remove"


def _say_gone(gone: t.Sequence[str], deployed: t.Sequence[str], check: bool) -> t.Iterator[str]:
    """What becomes of certificates that are configured no more; of some of them there may never have been a set."""
    never = [name for name in gone if name not in deployed]
    if deployed or not never:
        yield _say_removed(deployed, check)
    if never:
        yield f"no longer configured, and never deployed: {transaction.listed(never)}"


# What drops out


def _dropped(one: _Deployment, part: t.Optional[Part]) -> t.Tuple[t.List[inclusions.Dropped], t.List[str]]:
    """The certificates that this task of the owner no longer gives, nor any other one; and those that others have.

    In check mode, what other owners gave earlier in this run is not in their parts.
    """
    if part is None:
        return [], []
    together = one.inclusion.together
    mine = parts.former_of(part.shares, one.inclusion.turn)
    elsewhere = {name for names in together.values() for name in names}
    # Of what others dropped who have not run since, their next run decides.
    pending = parts.dropped(other for other in one.inclusion.others if other.owner not in together)
    every = inclusions.dropped(one.task.layout, one.work.parts, one.task.values["force"])
    found = [dropped for dropped in every if dropped.name in mine and dropped.name not in {*elsewhere, *pending}]
    return found, sorted(mine - {dropped.name for dropped in found})


def _lost(one: _Deployment, part: t.Optional[Part]) -> t.Dict[str, t.List[str]]:
    """The services that this owner had certificates for and nobody has any more, while others remain; by certificate.

    Where runs failed before the end of the play, it was another run that took them off.
    """
    recorded = one.inclusion.recorded
    if part is None or recorded is None:
        return {}
    mine = {certificate.name: certificate.services for certificate in recorded.certificates}
    unwanted = _unwanted_services(one.work.before, one.work.parts)
    found = {name: [one for one in services if one in mine.get(name, ())] for name, services in unwanted.items()}
    return {name: services for name, services in found.items() if services}


def _unwanted_services(before: t.Iterable[live.Live], left: t.Sequence[Part]) -> t.Dict[str, t.List[str]]:
    """The services that certificates are live for although no owner of them names these any more; by certificate."""
    found = {}
    for one in before:
        name = one.entry.name
        wanted = parts.services_of(left, name)
        unwanted = [service for service, _kind in one.users if service not in wanted]
        if unwanted and parts.is_given(left, name):
            found[name] = unwanted
    return found


def _say_lost(lost: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[str]:
    by_services: t.Dict[str, t.List[str]] = {}
    for name, services in lost.items():
        by_services.setdefault(join_words(services), []).append(name)
    for services, names in by_services.items():
        yield f"no longer for {services}: {transaction.listed(names)}"


def _say_dropped(layout: Layout, gone: t.Sequence[inclusions.Dropped], check: bool) -> t.Iterator[str]:
    removed = [one for one in gone if not one.stays]
    deployed = removal.present(layout, [one.name for one in removed])
    names = [f"{one.name}{_users(one)}" for one in removed if one.name in deployed]
    if names:
        yield (
            f"no longer configured, {'would be ' if check else ''}removed at the end of the play unless it fails or a "
            f"later task configures it again: {transaction.listed(names)}"
        )
    never = [one.name for one in removed if one.name not in deployed]
    if never:
        yield f"no longer configured, and never deployed: {transaction.listed(never)}"
    kept = [one.name for one in gone if one.stays]
    if kept:
        yield f"no longer configured, but kept because it is still used: {transaction.listed(kept)}"


def _users(one: inclusions.Dropped) -> str:
    return f" (no longer for {join_words(one.services)})" if one.services else ""


def _say_used(one: inclusions.Dropped) -> str:
    places = transaction.named(one.used_by)
    if not one.stays:
        return f"{removal.forced(f'{one.name} is still used by {places}')} until you remove it there"
    return (
        f"{one.name} is no longer configured, but is kept because it is still used by {places}; remove it there and "
        "run again"
    )


def _say_given(work: transaction.Plan, part: Part, inclusion: Inclusion) -> t.Iterator[str]:
    """Certificates that only other owners still configure, perhaps the same owner under a former name."""
    for one in part.certificates:
        before = inclusion.recorded.get(one.name) if one.dropped and inclusion.recorded else None
        givers = (other.owner for other in work.parts if other.get(one.name))
        owners = [owner for owner in givers if one.name not in inclusion.together.get(owner, ())]
        if before is not None and owners:
            old = quoted(owners[0]) if len(owners) == 1 else "the name of each"
            yield (
                f"{one.name}: {quoted(part.owner)} no longer lists it, but {join_words(map(quoted, owners))} still "
                f"{'does' if len(owners) == 1 else 'do'}; if that role or play no longer exists, set "
                f"ocsp_stapling_state: absent and ocsp_stapling_owner: {old}"
            )


def _say_empty(part: t.Optional[Part], inclusion: Inclusion) -> t.Iterator[str]:
    """That there is nothing to deploy. Where nothing could drop out either, the name of a variable may be misspelt."""
    if part is None:
        yield "no certificates are given in certificates"
    elif not (
        inclusion.claimed or parts.given_with(part, inclusion.turn) or parts.former_of(part.shares, inclusion.turn)
    ):
        yield (
            f"{quoted(part.owner)} gives no certificates; check the names of its variables, ocsp_stapling_certificates "
            "and ocsp_stapling_scan"
        )


def _say_moved(moved: t.Iterable[live.Moved], check: bool) -> t.List[str]:
    """That servers show another certificate to clients that send no name, or one that no certificate is for."""
    verb = "would change" if check else "changes"
    return [
        f"the default certificate of {one.server}, for clients that send no known name, {verb} from {one.before} to "
        f"{one.after}"
        for one in moved
    ]


def _moved_difference(layout: Layout, moved: t.Iterable[live.Moved]) -> t.List[t.Dict[str, t.Any]]:
    shown = []
    for one in moved:
        path = snippets.path(layout.root, one.file)
        before, after = {"default certificate": one.before}, {"default certificate": one.after}
        shown.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return shown


def _gone_difference(layout: Layout, names: t.Iterable[str]) -> t.List[t.Dict[str, t.Any]]:
    """The sets that are, or will be, removed. It is to be called before that."""
    shown = []
    for name in names:
        path = layout.live(name)
        if sets.current_id(layout, name) is not None:
            before, after = {"state": "present", "files": sets.files_in(path)}, {"state": "absent"}
            shown.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return shown
