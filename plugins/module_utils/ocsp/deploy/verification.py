# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What ``certificate_set`` does with ``state: verify``: confirm the last switch, or take it back.

Certificates that a search found in folders of users go back first, alone, as they must not take those of others along.
"""

from __future__ import annotations

import os
import typing as t

from ..servers.server import FOLDER, Setup
from ..services.installation import Installation
from ..store import attempts, comparison, parts, sets, shares
from ..store.sets import Layout
from ..text import join_words
from . import confirm, live, removal, sentences
from .confirm import Look, Record, Verified
from .outcomes import Notes
from .task import Result, Task, apache_port


def verify(task: Task, look: Look, notes: t.Callable[[], Notes]) -> Result:
    """Confirm the last switch, or take back as much of it as has to be."""
    record = confirm.read_record(task.layout)
    taken = [] if task.check else _taken_back_by_others(task)
    if taken:
        return Result({"swapped_back": [], "msg": "; ".join(taken)}, failed=True)
    if task.check or not record:
        return Result({"swapped_back": [], "msg": "there is nothing to confirm"})
    switched = record.get("sets", {})
    with task.installation() as installation:
        verified = confirm.verify(installation, look)
        if not verified.faults:
            warnings = list(_say_still(installation, verified))
            return Result({"swapped_back": [], "msg": _confirmation(verified)}, warnings=warnings)
        names: t.List[str] = []
        while True:
            theirs = _suspects(task.layout, verified, is_first=not names)
            if not theirs:
                break
            names += _take_back_alone(task, installation, theirs)
            problems = confirm.reload_all(installation, verified.services)
            again = confirm.verify(installation, look)
            if not again.faults:
                return _without_theirs(notes(), {name: switched[name] for name in names}, verified, again, problems)
            verified = _together(verified, again)
        names = sorted({*names, *confirm.take_back(installation)})
        problems = confirm.reload_all(installation, verified.services)
    notes().take_back({name: switched[name] for name in names}, verified)
    said = f"{_say_taken_back(names, switched)}: {_said(verified)}"
    msg = "; ".join([said, *_say_unread(task.layout, verified), *problems])
    return Result({"msg": msg, "swapped_back": names}, changed=True, failed=True)


def _taken_back_by_others(task: Task) -> t.List[str]:
    """A sentence for each certificate of this task that another run at the same time has put back with its own."""
    inclusion = task.inclusion()
    part = inclusion.recorded
    if task.values["part"] is None or part is None:
        return []
    found = []
    for name in shares.given_with(part, inclusion.turn):
        certificate, attempt = part.get(name), attempts.outstanding(task.layout, name)
        # Those that a search found may go back alone.
        is_of_user = certificate is not None and certificate.agreed.get(comparison.OF_USER)
        if attempt is not None and attempt.outcome == attempts.SWITCHED_BACK and not is_of_user:
            found.append(f"{name} was put back by another run at the same time ({attempt.message}); run this again")
    return found


def _suspects(layout: Layout, verified: Verified, is_first: bool) -> t.List[str]:
    """The certificates of users that may be why something is worse: at first those at which alone clients saw it.

    What has a server serve none any more is not seen at a certificate that it did not serve before.
    """
    record = confirm.read_record(layout)
    noted = record.get("sets", {})
    theirs = [name for name in confirm.of_users(record) if sets.current_id(layout, name) == noted[name]["current"]]
    return list(verified.seen) if is_first and verified.seen and {*verified.seen} <= {*theirs} else theirs


def _take_back_alone(task: Task, installation: Installation, names: t.Collection[str]) -> t.List[str]:
    """Have live what was live before the switch of these names; what else is on record stays. Raises FileError."""
    layout, services, record = installation.layout, installation.services, confirm.read_record(installation.layout)
    noted: Record = record.get("sets", {})
    back = {name: noted[name]["previous"] for name in names}
    before, all_parts = live.look(layout, services), parts.load(layout)
    after = [one for one in before if one.entry.name not in back]
    for name, identifier in back.items():
        if identifier:
            after.append(live.make(layout, name, identifier, sets.described(layout.folder(name, identifier)), services))
    after = live.ordered(after, all_parts)
    setup = Setup(layout.root, apache_port(task, all_parts, services))
    outdated = live.outdated_snippets(setup, after)
    told = live.told(outdated, before, after)
    for name in back:
        for service in noted[name]["services"]:
            told[service] = list(dict.fromkeys([*told.get(service, ()), name]))
    left = {name: one for name, one in noted.items() if name not in names}
    with installation.switching(back, [*outdated, layout.transaction], told) as change:
        for name, identifier in back.items():
            change.switch(name, identifier)
        for path, content in outdated.items():
            change.put(path, content)
        # What else may have to go back does so with these pieces of configuration, which have nothing of the switch.
        change.put(layout.transaction, confirm.dump_record(left, record.get("snippets", {})))
    return sorted(back)


def _without_theirs(
    notes: Notes,
    switched: t.Mapping[str, t.Mapping[str, t.Any]],
    verified: Verified,
    again: Verified,
    problems: t.Sequence[str],
) -> Result:
    """The end of a verification in which the certificates of users alone were put back."""
    names = sorted(switched)
    notes.take_back(switched, verified, left_out=names)
    warning = "; ".join([f"{_say_taken_back(names, switched)}: {_said(verified)}", *problems])
    msg = _say_taken_back(names, switched)
    if again.services:
        msg = f"{msg}; {_confirmation(again)}"
    return Result({"msg": msg, "swapped_back": names}, changed=True, warnings=[warning])


def _say_unread(layout: Layout, verified: Verified) -> t.Iterator[str]:
    """The certificates of which servers go on with the old one, perhaps from files of their own."""
    snippets = removal.references(os.path.join(layout.root, FOLDER))
    for name, problem in verified.seen.items():
        live_files = layout.live(name)
        if problem.endswith(confirm.STILL_OLD) and not (snippets or removal.references(live_files)):
            yield f"no server's configuration in /etc names {live_files}, so it may read other files for {name}"


def _say_still(installation: Installation, verified: Verified) -> t.Iterator[str]:
    """Where TLS does not work, although servers are configured for it: nothing was put back, as it did not before."""
    if verified.still:
        readers = removal.readers(installation.layout.root)
        for service, said in verified.still.items():
            if installation.services.get(service).kind in readers:
                yield f"{said}, as before this change; see the log of {service}"


def _together(first: Verified, second: Verified) -> Verified:
    """What was worse at any time."""
    services = sorted({*first.services, *second.services})
    return Verified({**first.faults, **second.faults}, services, [], {**first.seen, **second.seen})


def _said(verified: Verified) -> str:
    return sentences.listed(list(verified.faults.values()), "; ")


def _say_taken_back(names: t.Sequence[str], switched: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """Which certificates are as they were; of some there may have been none."""
    old = [name for name in names if switched[name]["previous"]]
    new = [name for name in names if name not in old]
    said = [f"the old certificates of {sentences.named(old)} were put back"] if old else []
    said += [f"{sentences.named(new)} {'was' if len(new) == 1 else 'were'} taken away again"] if new else []
    return ", and ".join(said)


def _confirmation(verified: confirm.Verified) -> str:
    serving = [service for service in verified.services if service in verified.serving]
    others = [service for service in verified.services if service not in verified.serving]
    said = [f"{', '.join(serving)}: everything is served as expected"] if serving else []
    said += (
        [f"{', '.join(others)}: nothing is worse than before, but none of the certificates was seen there"]
        if others
        else []
    )
    msg = "; ".join(said) or "no server reads what was changed"
    if not verified.untold:
        return msg
    untold = join_words(verified.untold)
    return f"{msg}, as far as can be checked; it is unknown whether {untold} loaded the new files, so reload it"
