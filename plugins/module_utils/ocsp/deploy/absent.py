# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The states ``absent`` and ``pruned`` of ``certificate_set``: certificates are taken away again."""

from __future__ import annotations

import os
import typing as t

from ..servers.server import Setup
from ..services import control
from ..services.installation import outstanding
from ..store import parts, sets
from ..store.parts import Part
from ..store.sets import Layout
from ..text import join_words, quoted
from . import departure, differences, live, removal, sentences
from . import inclusion as inclusions
from .task import Result, Task, apache_port, to_be_told

_NOTHING = "there was nothing to remove"
#: Stands for whoever deployed certificates without an owner.
NO_OWNER = "certificate_set without the role"


def absent(task: Task) -> Result:
    """Take away certificates: those that are named, those of one owner, or all."""
    names = [one["name"] for one in task.values["certificates"]]
    if task.values["part"] is not None:
        return _absent_part(task, names)
    layout, force = task.layout, task.values["force"]
    uses = removal.uses(layout, names, task.run)
    if uses.obstacle and not force:
        return Result({"msg": f"nothing was removed, because {uses.obstacle}", "removed": []}, failed=True)
    if names:
        done = _absent_sets(task, names)
        return done._replace(warnings=[*uses.warnings, *done.warnings])
    return _absent_all(task, uses.warnings)


def _absent_all(task: Task, warnings: t.Sequence[str]) -> Result:
    """Take away everything, after the servers have read configurations without it.

    One that goes on with an earlier configuration would find its files gone, as Exim does with the next connection.
    """
    layout, known = task.layout, task.services()
    removed = removal.present(layout, sets.all_names(layout))
    shown = differences.of_removal(layout, removed) if task.diff else []
    told = _running_users(layout, known)
    force, problems = task.values["force"], [*filter(None, map(known.test, told))]
    if not task.check and (force or not problems) and (removed or os.path.isdir(layout.state)):
        with task.installation(known) as installation:
            results = [installation.tell(service, always=True) for service in told]
            problems = [result.problem for result in results if result.problem]
            if force or not problems:
                removal.remove_all(installation, removed)
    if problems and not force:
        return Result({"msg": _say_untold(problems), "removed": []}, failed=True)
    values: t.Dict[str, t.Any] = {"removed": removed}
    values["msg"] = _say_removed(removed, task.check) + _say_reloaded([] if problems else told, task.check)
    if task.diff:
        values["diff"] = shown
    return Result(values, changed=bool(removed), warnings=[*warnings, *map(removal.forced, problems)])


def _running_users(layout: Layout, known: control.Services) -> t.List[str]:
    """The services that have loaded a certificate.

    Where it is unknown whether one runs, as in an image that is being built, only its own command could reload it.
    """
    users = {service for one in live.look(layout, known) for service, _kind in one.users}
    running = {service: known.is_running(service) for service in users}
    return sorted(name for name in users if running[name] or (running[name] is None and known.get(name).reload))


def _say_untold(problems: t.Sequence[str]) -> str:
    """That nothing is removed, because servers may still use the files."""
    those = "that server" if len(problems) == 1 else "those servers"
    what = "nothing was removed, because the files may still be in use"
    return f"{what}: {'; '.join(problems)}; repair {those} and run again"


def _say_reloaded(services: t.Sequence[str], check: bool) -> str:
    """For the end of a sentence: which servers are reloaded before everything is removed."""
    return (
        f"; {'first to be reloaded' if check else 'reloaded before that'}: {join_words(services)}" if services else ""
    )


def _absent_sets(task: Task, names: t.Sequence[str]) -> Result:
    """Take away certificates, whoever configured them: else they would count as not deployed."""
    found = inclusions.read(task.layout, None).found
    left = [parts.without(part, names) for part in found]
    configured = {one.name for part in found for one in part.certificates}
    present = removal.present(task.layout, names)
    gone = [name for name in names if name in present or name in configured]
    done = _take_away(task, gone, found, left, gone, _say_missing(names, gone) if gone else ())
    if not task.check and not done.failed:
        _save(task.layout, left)
    return done


def _say_missing(asked: t.Iterable[str], found: t.Container[str]) -> t.List[str]:
    """Which of those to remove were not there, beside others that were: a name may be misspelt."""
    missing = sorted(name for name in asked if name not in found)
    return [f"not there: {sentences.listed(missing)}"] if missing else []


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
    without_owner = _without_owner(task.layout, inclusion.found)
    remaining = _owners(left, without_owner)
    if not names or not (left or asked or without_owner):
        msg = _say_owner(owner, names, [part.owner for part in left], without_owner)
        if asked and mine.certificates:
            msg = f"{quoted(owner)} has no such certificate on this host: {sentences.listed(sorted(asked))}"
        told = outstanding(task.layout, task.services(inclusion))
        msg = f"{_NOTHING}{sentences.outdated(told)}" if asked and told else msg
        return Result({"msg": msg, "removed": [], "reload": told, **remaining}, changed=bool(told))
    gone = [name for name in names if not parts.is_given(left, name)]
    uses = removal.uses(task.layout, gone, task.run) if gone else removal.Uses()
    if uses.obstacle and not task.values["force"]:
        msg = f"nothing was removed, because {uses.obstacle}"
        return Result({"msg": msg, "removed": [], **_owners(inclusion.found, without_owner)}, failed=True)
    kept = [name for name in names if name not in gone]
    unwanted = departure.unwanted_services(live.look(task.layout, task.services(inclusion)), left)
    said = _say_shared(owner, gone, kept, left, task.check, not asked)
    said += departure.say_lost({name: unwanted[name] for name in kept if name in unwanted})
    said += [] if left else [_say_without_owner(without_owner)]
    said += _say_missing(asked, names)
    done = _take_away(task, gone, inclusion.found, left, names, said)
    if not task.check and not done.failed:
        parts.save(task.layout, rest)
    values = {**done.values, **(_owners(inclusion.found, without_owner) if done.failed else remaining)}
    if task.diff:
        values["diff"] = [*values.get("diff", ()), *differences.of_part(task.layout, mine, rest, {})]
    return done._replace(values=values, changed=not done.failed, warnings=[*uses.warnings, *done.warnings])


def _owners(left: t.Iterable[Part], without_owner: t.Collection[str]) -> t.Dict[str, t.List[str]]:
    """The result about who still has certificates on the host."""
    return {"remaining": [part.owner for part in left] + ([NO_OWNER] if without_owner else [])}


def _without_owner(layout: Layout, found: t.Iterable[Part]) -> t.List[str]:
    """The certificates that ``certificate_set`` deployed for no owner."""
    owned = {one.name for part in found for one in part.certificates}
    return [name for name in sets.live_names(layout) if name not in owned]


def _say_shared(
    owner: str, gone: t.Sequence[str], kept: t.Sequence[str], left: t.Sequence[Part], check: bool, whole: bool
) -> t.List[str]:
    """What becomes of the certificates of an owner that others give as well; ``whole`` is whether these are all."""
    if not kept:
        return []
    others = dict.fromkeys(quoted(part.owner) for part in left for name in kept if part.get(name))
    said = f"{sentences.listed(kept)} {'is' if len(kept) == 1 else 'are'} kept for {join_words(others)}"
    done = "would be removed" if check else "was removed"
    return [said] if gone or not whole else [f"the configuration of {quoted(owner)} {done}", said]


def _say_without_owner(names: t.Sequence[str]) -> str:
    return (
        f"deployed without the role, and therefore kept: {sentences.listed(names)} (ocsp_stapling_owner: all removes "
        "everything)"
    )


def _say_owner(owner: str, names: t.Sequence[str], others: t.Sequence[str], without_owner: t.Sequence[str]) -> str:
    """What comes of a request to remove what an owner gave, when that is not done here."""
    if names:
        known = sentences.listed(names)
        return (
            f"{quoted(owner)} is the only owner of certificates on this host, so the program is removed with all of "
            f"them, unless a server still uses one: {known}"
        )
    none = f"{quoted(owner)} has no certificates on this host"
    if not others:
        return f"{none}; {_say_without_owner(without_owner)}" if without_owner else none
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
    deployed = removal.present(task.layout, gone)
    known = task.services()
    before = live.look(task.layout, known)
    after = removal.remaining(task.layout, before, gone, left, touched, known)
    moved = live.moved_defaults(live.ordered(before, found), after)
    shown = [*differences.of_removal(task.layout, gone), *differences.of_defaults(moved)] if task.diff else []
    setup = Setup(task.layout.root, apache_port(task, left, known))
    orphaned = removal.orphaned(task.layout, before, after).values()
    problem = "" if task.values["force"] else "; ".join(orphaned)
    if task.check:
        affected = (
            removal.affected(before, gone, live.outdated_snippets(setup, after)) if touched and not problem else {}
        )
        told = sorted(to_be_told(task, known, affected))
    elif touched and not problem:
        with task.installation() as installation:
            problem = removal.take_away(installation, gone, left, touched, setup, task.values["force"])
            told = installation.outstanding()
    else:
        told = outstanding(task.layout, known)
    if problem:
        msg = _say_needed(gone, problem)
        return Result({"msg": msg, "removed": [], "reload": told}, failed=True)
    said = [*_say_gone(gone, deployed, task.check)] if gone else []
    said += [] if gone or kept else [f"{_NOTHING}{sentences.outdated(told)}"]
    msg = "; ".join([*said, *kept, *departure.say_moved(moved, task.check)])
    values: t.Dict[str, t.Any] = {"msg": msg, "removed": deployed, "reload": told}
    if shown:
        values["diff"] = shown
    return Result(values, changed=bool(gone or told), warnings=[removal.forced(one) for one in orphaned])


def prune(task: Task) -> Result:
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
    needed, held = _held_by_snippets(task, gone, after, settled)
    if held:
        gone, settled = [name for name in gone if name not in held], settled - held
        after = [parts.settled(part, settled, places[part.owner]) for part in found]
    kept = [f"still configured by another role or play: {sentences.listed(given)}"] if given else []
    kept += [f"left to the next run of another task that had it: {sentences.listed(left)}"] if left else []
    reduced = departure.unwanted_services(live.look(layout, task.services()), after)
    reduced = {name: services for name, services in reduced.items() if name not in held}
    done = _take_away(task, gone, found, after, {*settled, *reduced}, kept)
    # A server needs what no file below its folder names; that is no failure of whoever runs last.
    if done.failed:
        return done._replace(failed=False, warnings=[*needed, done.values["msg"]])
    done = done._replace(warnings=[*needed, *done.warnings])
    unsaved = any(not parts.is_saved(layout, part) for part in after)
    if not task.check:
        _save(layout, after)
    warnings = [*done.warnings, *departure.say_absent(found, of_ended, ended or ())]
    return done._replace(changed=done.changed or unsaved or bool(reduced), warnings=warnings)


def _held_by_snippets(
    task: Task, gone: t.Sequence[str], after: t.Sequence[Part], settled: t.Collection[str]
) -> t.Tuple[t.List[str], t.Set[str]]:
    """The certificates that stay, as a server that still reads its snippet would have none left; with a sentence."""
    if task.values["force"]:
        return [], set()
    known = task.services()
    before = live.look(task.layout, known)
    reduced = departure.unwanted_services(before, after)
    ending = removal.remaining(task.layout, before, gone, after, {*settled, *reduced}, known)
    needed = removal.orphaned(task.layout, before, ending)
    held = removal.of_kinds(before, needed)
    names = [name for name in gone if name in held]
    return ([_say_needed(names, "; ".join(needed.values()))] if needed else []), held


def _say_needed(names: t.Sequence[str], problem: str) -> str:
    """That certificates stay, because a service would not accept its configuration without them."""
    them, were = ("it", "was") if len(names) == 1 else ("them", "were")
    what = f"{sentences.named(names)} {were} not removed" if names else "nothing was removed"
    return f"{what}, because a server still needs {them}: {problem}; take {them} out of its configuration and run again"


def _say_removed(names: t.Sequence[str], check: bool) -> str:
    done = "would be removed" if check else "was removed" if len(names) == 1 else "were removed"
    return f"{sentences.named(names)} {done}" if names else _NOTHING


def _say_gone(gone: t.Sequence[str], deployed: t.Sequence[str], check: bool) -> t.Iterator[str]:
    """What becomes of certificates that are no longer configured; some of them may never have been deployed."""
    never = [name for name in gone if name not in deployed]
    if deployed:
        yield _say_removed(deployed, check)
    if never:
        yield f"no longer configured, and never deployed: {sentences.listed(never)}"
