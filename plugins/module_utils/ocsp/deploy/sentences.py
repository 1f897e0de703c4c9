# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is said of a deployment, in one sentence."""

from __future__ import annotations

import typing as t

from ..store import sets
from ..text import join_words
from .plan import Item, Plan

#: How many names a sentence lists.
_MOST_NAMES = 20


def summary(
    work: Plan,
    check: bool,
    told: t.Sequence[str] = (),
    problem: str = "",
    rewritten: t.Collection[str] = (),
    brief: bool = False,
) -> str:
    """What happened, or with ``check`` would happen, in one sentence.

    ``told`` are the services to be reloaded, ``rewritten`` those whose shared snippets are written by this run, also
    where they do not run, and ``problem`` is why no new set is live. ``brief``: why a certificate is held back is said
    elsewhere.
    """
    changed = [item.name for item in work.changed]
    renewed = [item.name for item in work.items if item.renewed]
    held_back = [item.name if brief else f"{item.name}: {item.held_back}" for item in work.items if item.held_back]
    parts = [problem] if problem else []
    parts += [f"held back: {listed(held_back, ', ' if brief else '; ')}"] if held_back else []
    refused = [item.name for item in work.items if item.rolled_back and not problem]
    parts += [f"rolled back: {listed(refused)}"] if refused else []
    if changed:
        verb = "would change" if check else "changed"
        verb += f", if {named(work.doubted)} can then be reloaded" if work.doubted else ""
        why = [_with_reasons(item, check) for item in work.changed]
        parts.append(f"{len(changed)} of {_certificates(len(work.items))} {verb}: {listed(why)}")
    if renewed:
        parts.append(f"{'would be renewed' if check else 'renewed'} in place: {listed(renewed)}")
    adapted = [item.name for item in work.items if item.adapted and not item.renewed]
    if adapted:
        parts.append(f"configuration snippets {'would be updated' if check else 'updated'}: {listed(adapted)}")
    secured = [item for item in work.items if item.secured]
    if secured:
        what = "files" if any(item.misplaced for item in secured) else "keys"
        why = [_with_reasons(item, check, access_only=True) for item in secured]
        parts.append(f"access to {what} {'would be corrected' if check else 'corrected'}: {listed(why)}")
    revoked = [item.name for item in work.items if item.is_revoked and not item.held_back]
    if revoked:
        parts.append(f"revoked, but in use: {listed(revoked)}")
    missing = [item.name for item in work.items if item.lacks_staple]
    if work.missing:
        parts.append(f"would be deployed once it exists: {listed([one.name for one in work.missing])}")
    if not parts:
        untold = [service for service in told if service not in rewritten]
        parts.append(_unchanged(work, untold, bool(missing)))
        if rewritten:
            verb = "would be updated" if check else "updated"
            parts.append(f"configuration snippets {verb} for {named(rewritten)}")
    if missing:
        parts.append(f"without a staple so far: {listed(missing)}")
    return "; ".join(parts)


def say_corrected(misplaced: t.Iterable[sets.Misplaced], check: bool) -> t.Iterator[str]:
    """That others can do no more with files than they should."""
    done, was = ("would be", "is") if check else ("was", "was")
    yield from (f"access to {one.path} {done} corrected: it {was} {one.shown}" for one in misplaced)


def _with_reasons(item: Item, check: bool, access_only: bool = False) -> str:
    """The name of a certificate that changes, and what else than a new certificate is the reason for that."""
    if not access_only and (not item.previous or "cert.pem" in item.reasons):
        return item.name
    # Files with the same in them say nothing more.
    unsaid = sets.MATERIAL_FILES if access_only else ("fullchain.pem", "combined.pem")
    reasons = [reason for reason in item.reasons if reason not in unsaid]
    verb = "is" if check else "was"
    said = [reason for reason in reasons if " is " not in reason]
    said += [f"{what} {verb} {access}" for access, what in _by_access(item, reasons).items()]
    return f"{item.name} ({'; '.join(said or item.reasons)})"


def _by_access(item: Item, reasons: t.Iterable[str]) -> t.Dict[str, str]:
    """What of a set has an access that it should not have, by that: its key, or the first file and how many more."""
    found: t.Dict[str, t.List[str]] = {}
    for reason in reasons:
        what, _is, access = reason.partition(" is ")
        if access:
            found.setdefault(access, []).append(what if what in item.misplaced else "its key")
    return {access: _first(dict.fromkeys(names)) for access, names in found.items()}


def _first(names: t.Iterable[str]) -> str:
    first, *others = names
    return f"{first} (and {len(others)} more)" if others else first


def _unchanged(work: Plan, told: t.Sequence[str], missing: bool) -> str:
    untold = outdated(told)
    if not work.items and work.outdated:
        return f"kept as another role or play has changed them: {listed(work.outdated)}{untold}"
    if not work.items and work.awaited:
        return f"nothing to deploy: {'; '.join(_awaited(work))}{untold}"
    if not work.items:
        return f"no certificates are given{untold}"
    return f"{_certificates(len(work.items))}: {'nothing to change' if missing else 'up to date'}{untold}"


def _awaited(work: Plan) -> t.Iterator[str]:
    """Which certificates there are no files of, by whether there were some before."""
    stay = [name for name in work.awaited if sets.current_id(work.layout, name) is not None]
    others = [name for name in work.awaited if name not in stay]
    if others:
        yield f"{named(others)} {'is' if len(others) == 1 else 'are'} still to be obtained"
    if stay:
        yield f"{named(stay)} {'stays as it is' if len(stay) == 1 else 'stay as they are'}"


def outdated(services: t.Sequence[str]) -> str:
    """For the end of a sentence: which services have still to be reloaded; empty if none have."""
    # By the time this is read, at the end of a play, they may have been reloaded.
    return f", but {named(services)} had not loaded the last change yet" if services else ""


def _certificates(number: int) -> str:
    return "1 certificate" if number == 1 else f"{number} certificates"


def named(names: t.Iterable[str]) -> str:
    """Names for the middle of a sentence, and of very many the first ones."""
    return join_words(names, most=_MOST_NAMES)


def listed(names: t.Sequence[str], separator: str = ", ") -> str:
    """Names, or sentences, after a colon, and of very many the first ones."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return separator.join(names[:_MOST_NAMES]) + more
