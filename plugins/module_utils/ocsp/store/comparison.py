# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How what one owner configures differs from what it did before, or from what others configure."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import replace

from ..errors import Fault
from ..text import join_words, quoted
from . import parts
from .parts import FORMER, Certificate, Part, Values
from .shares import Turn

#: What to do about settings of the whole host that differ.
REMEDY = "set it once, in the inventory"

#: How what has to be alike is called in messages, as in the groups of the role.
_CALLED = {
    "certificate": "certificate",
    "chain": "chain",
    "root": "root",
    "names": "names",
    "key": "key_owner, key_group or key_mode",
    "staple": "staple",
    "renewed_by": "renewed_by",
}
#: Those of them that are settings, and those that are what is in files.
_SET = ("names", "key", "renewed_by")
_FILES = ("certificate", "chain", "root")

#: What is noted of a certificate that a search found where another user than root can write.
OF_USER = "of_user"

#: The variables of the role that have another name than what becomes of them.
_VARIABLES = {"hooks": "renewal_hooks"}


class Comparison(t.NamedTuple):
    """Why a part and others cannot both be had, and what others have changed since, as sentences by certificate.

    ``warnings`` are about settings of the whole host, of which the last run decides.
    """

    faults: t.List[Fault]
    outdated: t.Dict[str, str]
    warnings: t.List[str]


def compare(
    mine: Part, recorded: t.Optional[Part], others: t.Iterable[Part], together: t.Mapping[str, t.Container[str]]
) -> Comparison:
    """Compare what one owner gives with what others do. ``together`` is what these gave earlier in the same run.

    A new owner has to agree with those that are there, and those that run together with one another. Whoever changes
    something is followed by the others when they run next; an owner that still gives what it gave before is outdated.
    """
    result = Comparison([], {}, [])
    others = [other for other in others if other.owner not in (mine.owner, FORMER)]
    for other in others:
        _compare_certificates(mine, recorded, other, together.get(other.owner, ()), result)
        result.faults.extend(_compare_services(mine, recorded, other, other.owner in together))
    # Who ran earlier in this run has been compared by the controller; in check mode, its part is that of before.
    before = [other for other in others if other.owner not in together]
    return result._replace(warnings=[*_compare_program(mine, before)])


def _compare_certificates(
    mine: Part, recorded: t.Optional[Part], other: Part, together: t.Container[str], result: Comparison
) -> None:
    for one in mine.certificates:
        theirs = other.get(one.name)
        differing = _differing(mine.facts(one), other.facts(theirs)) if theirs and not one.dropped else []
        if theirs is None or not differing or (theirs.agreed.get(OF_USER) and not one.agreed.get(OF_USER)):
            # What a user put where one owner searches keeps no other owner from deploying what it lists.
            continue
        before = recorded.get(one.name) if recorded else None
        called = f"a different {join_words(_CALLED.get(key, key) for key in differing)}"
        if before is None or one.name in together:
            renewed = _renewed(other) if set(differing) <= set(_FILES) else ""
            renamed = _renamed(mine, other) if before is None else ""
            sentence = f"{_contradiction(mine, other, one.name, called)}{renewed}{renamed}"
            result.faults.append(Fault(one.name, sentence))
        elif recorded and recorded.facts(before) == mine.facts(one) and theirs.since > before.since:
            result.outdated[one.name] = (
                f"{one.name}: {quoted(mine.owner)} still gives {called} than {quoted(other.owner)}, which has changed "
                f"it since; it stays as {quoted(other.owner)} gave it"
            )


def contradicted(mine: Part, recorded: t.Optional[Part], turn: Turn, claimed: t.Container[str]) -> t.Iterator[Fault]:
    """Certificates for which an owner sets something else than it has set before in the same run.

    What is in their files may have changed meanwhile: a first task may deploy one that the second replaces.
    """
    for one in mine.certificates:
        before = recorded.get(one.name) if recorded and one.name in claimed else None
        differing = _differing(mine.facts(one), recorded.facts(before)) if recorded and before else []
        named = [_CALLED.get(key, key) for key in differing if key not in _FILES]
        if named:
            sentence = f"{quoted(mine.owner)} gives a different {join_words(named)}{_than_before(recorded, turn, one)}"
            yield Fault(one.name, f"{one.name}: {sentence}; make both the same")


def _than_before(recorded: t.Optional[Part], turn: Turn, one: Certificate) -> str:
    """Which task of an owner gave a certificate before in this run, where that is another one."""
    places = [share.place for share in recorded.shares if one.name in share.certificates] if recorded else []
    others = [place for place in places if place and place != turn.place]
    if len(others) != 1 or not turn.place:
        return " than it has given before in this run"
    return f" in the task {quoted(turn.place)} than in {quoted(others[0])}"


def _compare_services(mine: Part, recorded: t.Optional[Part], other: Part, together: bool) -> t.Iterator[Fault]:
    for service in sorted(set(mine.services) & set(other.services)):
        is_new = recorded is None or service not in recorded.services
        if mine.services[service] != other.services[service] and (is_new or together):
            yield Fault("", _contradiction(mine, other, f"the service {service}", "different settings"))


def _compare_program(mine: Part, others: t.Iterable[Part]) -> t.Iterator[str]:
    """A sentence for each setting of the whole host that is not as others set it when they ran last."""
    given = {quoted(other.owner): other.program for other in others}
    for one in differing_settings(mine.owner, mine.program, given):
        # Not what these would set now: the inventory may have been changed since.
        whose = "its last run" if one.others == 1 else "their last runs"
        yield (
            f"{one.sentence} in {whose}; {REMEDY}, and run them again; until then, each of them changes it when it runs"
        )


class Differing(t.NamedTuple):
    """A setting of the whole host, by the name of its variable, of which so many ``others`` have another value.

    ``sentence`` is the beginning of one that names all of them with their values.
    """

    variable: str
    sentence: str
    others: int


def differing_settings(owner: str, mine: Values, others: t.Mapping[str, Values]) -> t.Iterator[Differing]:
    """Each setting of an owner that others have set differently, who are given by what to call them."""
    for key, value in sorted(mine.items()):
        found: t.Dict[str, t.List[str]] = {}
        for other, theirs in others.items():
            if theirs.get(key, value) != value:
                found.setdefault(_value(theirs[key]), []).append(other)
        if not found:
            continue
        values = [f"{_value(value)} for {quoted(owner)}"]
        values += [f"{their_value} for {join_words(called)}" for their_value, called in found.items()]
        number = sum(map(len, found.values()))
        # Where several share a value, the last "and" needs a comma.
        with_comma = ", ".join([*values[:-1], f"and {values[-1]}"])
        listed = with_comma if number > len(found) else join_words(values)
        variable = f"ocsp_stapling_{key}"
        yield Differing(variable, f"{variable} is for the whole host, but it is {listed}", number)


def _value(value: t.Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _renewed(other: Part) -> str:
    return f"; if its files were renewed since {quoted(other.owner)} ran, run that first"


def _renamed(mine: Part, other: Part) -> str:
    old = quoted(other.owner)
    return f"; if {quoted(mine.owner)} is a new name of {old}, set ocsp_stapling_owner: {old}"


def _differing(mine: Values, theirs: Values) -> t.List[str]:
    """The keys that both have with different values; an option that is not given has its default."""
    options = {key for key in (*mine, *theirs) if key.startswith("option ")}
    return sorted(key for key in (set(mine) & set(theirs)) | options if mine.get(key) != theirs.get(key))


def _contradiction(mine: Part, other: Part, what: str, how: str) -> str:
    return (
        f"{what}: {quoted(mine.owner)} gives {how} than {quoted(other.owner)}; make both the same, or let only one of "
        "them set it"
    )


def is_same_configuration(before: Part, after: Part) -> bool:
    """Whether an owner has set the same, as far as both parts tell it.

    What else is in a part is for comparisons: fingerprints, when they changed, and which inclusion gave what. Nothing
    that servers or the program do depends on that, nor on the order, unless a snippet shows it. A part that an earlier
    release wrote may tell less.
    """
    after = parts.parse(json.loads(parts.dump(after)))  # as it is read again
    return _told_by_both(before, after) == _told_by_both(after, before)


def _told_by_both(part: Part, other: Part) -> Part:
    others = {one.name: one for one in other.certificates}
    certificates = []
    for one in sorted(part.certificates, key=lambda one: one.name):
        known = others.get(one.name, one).agreed
        agreed = {key: value for key, value in one.agreed.items() if key in _SET and key in known}
        certificates.append(replace(one, agreed=agreed, since=0))
    program = {key: value for key, value in part.program.items() if key in other.program}
    return replace(part, certificates=tuple(certificates), program=program, came=0, shares=())


def changed_settings(before: t.Optional[Part], after: Part) -> t.List[str]:
    """What the owner has set differently, by the names of the role's variables and of keys, without any values."""
    old = before if before is not None else Part(after.owner)
    # The port of Apache is in both.
    unlike = {*_unequal(old.deployment, after.deployment)}
    unlike.update(key for key in _unequal(old.program, after.program) if key in old.program and key in after.program)
    found = [
        f"ocsp_stapling_{variable}: {', '.join(keys)}" if keys != [""] else f"ocsp_stapling_{variable}"
        for variable, keys in (
            ("options", _unequal(old.defaults, after.defaults)),
            ("services", _unequal(old.services, after.services)),
            *((_VARIABLES.get(key, key), [""]) for key in sorted(unlike)),
        )
        if keys
    ]
    given = {one.name: one for one in old.certificates if not one.dropped}
    for one in after.certificates:
        known = given.get(one.name)
        keys = _unequal(_set_for(known), _set_for(one)) if known is not None and not one.dropped else []
        if known is not None:
            # What was a default of all tasks, and now is of this one alone, is as it was.
            changed = _unequal(known.complete(old.defaults).options, one.complete(after.defaults).options)
            keys = [key for key in keys if not key.startswith("options.") or key[len("options.") :] in changed]
        found += [f"{one.name}: {', '.join(keys)}"] if keys else []
    return found


def _set_for(one: Certificate) -> t.Dict[str, t.Any]:
    """What a group or domain says of a certificate, by its keys."""
    agreed = {key: value for key, value in one.agreed.items() if key in ("names", "renewed_by") and value}
    # It is noted as OWNER:GROUP MODE.
    key = dict(zip(("key_owner", "key_group", "key_mode"), re.split("[: ]", one.agreed.get("key") or "")))
    options = {f"options.{name}": value for name, value in one.options.items()}
    return {**agreed, **key, "reload": list(one.services), "staple": one.staple, **options}


def _unequal(before: Values, after: Values) -> t.List[str]:
    return sorted(key for key in {**before, **after} if before.get(key) != after.get(key))
