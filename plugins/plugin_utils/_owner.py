# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Who includes the role ocsp_stapling, and what the same one gave earlier in this run of Ansible.

Several roles, several plays, or a loop may do so for one host. Each owner has a part of the host's configuration.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import comparison, shares
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import quoted

#: The role of this collection that includes ours on behalf of its user, so it does not count as an owner.
_OURS = "acme_certificates"
#: The word for all owners, where something is removed.
ALL = "all"

Values = t.Mapping[str, t.Any]


def owner_of(task: t.Any, given: str) -> str:
    """The name that is given, else the role that includes the role of this task, else the play.

    A play is called by its name, which several may have, and by the file of the playbook.
    """
    if given:
        return given
    roles = [role.get_name() for role in task.get_dep_chain() or [] if not _is_ours(role.get_name())]
    mine = task._role.get_name() if task._role else None
    outer = [name for name in roles if name != mine]
    if outer:
        return str(outer[-1])
    play = play_of(task)
    # Ansible itself calls a play without a name by its hosts.
    named = play is not None and (play.get_ds() or {}).get("name")
    playbook = _playbook(play) or "playbook"
    return f"{play.name} ({playbook})" if named else playbook


def _is_ours(name: str) -> bool:
    return name.removeprefix("certops.ocsp.") == _OURS


def play_of(task: t.Any) -> t.Any:
    parent = task
    while parent is not None and not hasattr(parent, "_play"):
        parent = parent._parent
    return getattr(parent, "_play", None)


def _playbook(play: t.Any) -> str:
    """The file name of the playbook of a play, if it is known."""
    return os.path.basename(_playbook_path(play))


def _playbook_path(play: t.Any) -> str:
    path = play.get_path() if play is not None else ""
    return str(path).rpartition(":")[0]


def former_plays(task: t.Any, loader: t.Any, owners: t.Iterable[str]) -> t.Iterator[str]:
    """A sentence for each owner on a host that is called by a play which the playbook of this task no longer has."""
    path = _playbook_path(play_of(task))
    file = os.path.basename(path)
    named = [(owner, re.fullmatch(r"(.+) \((.+)\)", owner)) for owner in owners]
    names = [(owner, match[1]) for owner, match in named if match and match[2] == file]
    if not names:
        return
    try:
        plays = loader.load_from_file(path)
    except AnsibleError:
        return
    known = [str(one.get("name")) for one in plays or [] if isinstance(one, t.Mapping)]
    for owner, name in names:
        if name not in known and not any("{{" in one for one in known):
            yield (
                f"{quoted(owner)} still has certificates on this host, but {file} no longer has a play of that name; "
                f"if it was renamed, remove them with ocsp_stapling_state: absent and ocsp_stapling_owner: "
                f"{quoted(owner)}"
            )


class Place(t.NamedTuple):
    """The task that includes the role: what tells it from other ones of the same owner, in this run and the next.

    Of a loop of which it is known how often it does so, ``items`` is that, and ``uuid`` tells it from the same loop in
    a file that is included again.
    """

    text: str
    uuid: str = ""
    items: int = 0


def place_of(task: t.Any, template: t.Callable[[t.Any], t.Any]) -> Place:
    """Where the role of this task is included.

    Called by the file, without the line, and by the name of the task, as it is before a loop fills it in. Without a
    task, as for a role of a play, it is the play.
    """
    around = [*_around(task)]
    includes = [one for one in around if getattr(one, "_role_name", None) and not _is_in_ours(one)]
    play = play_of(task)
    if not includes:
        return Place(str(play.get_name()) if play is not None else "")
    role = getattr(includes[0], "_role", None)
    folder = role._role_path if role is not None else os.path.dirname(_playbook_path(play))
    file = os.path.relpath(str(includes[0].get_path()).rpartition(":")[0], folder or None)
    name = (includes[0].get_ds() or {}).get("name") or ""
    text = ": ".join(filter(None, ("" if role is not None else play.get_name(), file, name)))
    items = _items_of_loop(around, includes, template)
    return Place(text) if items is None else Place(f"{text} (loop)", str(includes[0]._uuid), items)


def _around(task: t.Any) -> t.Iterator[t.Any]:
    parent = task._parent
    while parent is not None:
        yield parent
        parent = parent._parent


def _is_in_ours(include: t.Any) -> bool:
    role = getattr(include, "_role", None)
    return role is not None and _is_ours(role.get_name())


def _items_of_loop(
    around: t.Sequence[t.Any], includes: t.Sequence[t.Any], template: t.Callable[[t.Any], t.Any]
) -> int | None:
    """How often a loop includes the role, if that is known.

    That is not so where another loop is around it, or where something else than the role is repeated.
    """
    loops = [one for one in around if getattr(one, "loop", None) is not None or getattr(one, "loop_with", None)]
    if len(loops) != 1 or loops != includes[:1] or loops[0].loop_with:
        return None
    try:
        # As it is in the playbook: Ansible makes a list with one item of a template.
        items = template((loops[0].get_ds() or {}).get("loop"))
    except AnsibleError:
        return None
    return len(items) if isinstance(items, list) else None


def claim(
    claims: Values,
    owner: str,
    given: shares.Claimed,
    missing: t.Sequence[str] = (),
    place: Place = Place(""),
    program: Values | None = None,
    services: Values | None = None,
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Note that an owner gives these certificates. ``missing`` are those that it gives, too, and that stay as they are.
    ``program`` is what it sets for the whole host, and ``services`` how it describes services.

    ``claims`` are what owners gave earlier in this run. Returns ``part`` of ``certificate_set``, and the claims with
    these.
    """
    known = {"names": {}, "places": [], "came": [], "is_known": True, **claims.get(owner, {})}
    places = [*known["places"], [place.text, place.uuid]]
    # The same loop is another one where its play or file is there twice.
    loops = list(dict.fromkeys(uuid for text, uuid in places if text == place.text))
    which = loops.index(place.uuid)
    times = places.count(places[-1])
    part = {
        "owner": owner,
        "place": f"{place.text} {which + 1}" if which else place.text,
        "turn": times,
        "is_last": times == place.items,
        "is_open": times < place.items,
        "is_known": known["is_known"],
        "claimed": known["names"],
        "kept": list(missing),
        "together": {other: theirs["names"] for other, theirs in claims.items() if other != owner},
        "came": {any_owner: theirs["came"] for any_owner, theirs in claims.items() if theirs["is_known"]},
    }
    every = _united(known["names"], given, dict.fromkeys(missing))
    settings = {**(known.get("program") or {}), **(program or {})}
    came = [*known["came"], part["place"]]
    described = {**(known.get("services") or {}), **(services or {})}
    claimed = {"names": every, "places": places, "came": came, "is_known": known["is_known"], "program": settings}
    return part, {**claims, owner: {**claimed, "services": described}}


def _united(*several: shares.Claimed) -> dict[str, list[str] | None]:
    """All certificates in their order, each with the services of all; of those that stay as they are none are known."""
    found: dict[str, list[str] | None] = {}
    for name, services in (item for one in several for item in one.items()):
        before = found.get(name, [])
        found[name] = None if before is None or services is None else [*dict.fromkeys([*before, *services])]
    return found


def contradictions(claims: Values, owner: str, program: Values, place: Place = Place("")) -> dict[str, str]:
    """A sentence for each setting of the whole host, by its variable, that was set differently earlier in this run."""
    given = {quoted(other): one.get("program") or {} for other, one in claims.items() if other != owner}
    given[f"{quoted(owner)} {_earlier(claims, owner, place)}"] = claims.get(owner, {}).get("program") or {}
    found = comparison.differing_settings(owner, program, given)
    return {one.variable: f"{one.sentence}; {comparison.REMEDY}" for one in found}


def _earlier(claims: Values, owner: str, place: Place) -> str:
    """Which inclusion of an owner set something before: all that did are alike, or the last of them had failed."""
    came = claims.get(owner, {}).get("came") or [""]
    before = str(came[-1])
    return f"earlier, in the task {quoted(before)}" if before and before != place.text else "earlier in this run"


def redescribed(claims: Values, owner: str, services: Values, place: Place = Place("")) -> t.Iterator[str]:
    """A sentence for each service that the same owner described differently earlier in this run.

    What different owners say of a service is compared on the host.
    """
    before = claims.get(owner, {}).get("services") or {}
    for name in sorted(name for name in services if name in before and before[name] != services[name]):
        yield (
            f"ocsp_stapling_services: {name} has different settings for {quoted(owner)} than "
            f"{_earlier(claims, owner, place)}; make both the same"
        )


def unknown(claims: Values, owner: str) -> dict[str, t.Any]:
    """The claims after a failure: it is not known what the owner gives."""
    known = {"names": {}, "places": [], **claims.get(owner, {})}
    return {**claims, owner: {"names": known["names"], "places": known["places"], "is_known": False}}
