# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What ``--diff`` shows: facts about certificates and parts, and never what is in a key or a setting; and snippets."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import OcspError, printable
from ..pki.certificate import Certificate, load_certificates
from ..store import attempts, parts, sets, staples
from ..store.parts import Part
from ..store.sets import Layout
from ..text import format_time
from . import live, material
from .plan import Item, Plan

#: Octets of the longest snippet that is shown, about as much as Ansible shows of a file.
_LARGEST_SHOWN = 100_000

#: What Ansible shows of one thing: ``before_header``, ``before``, ``after_header`` and ``after``.
Difference = t.Dict[str, t.Any]


def _difference(path: str, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> Difference:
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def facts(layout: Layout, name: str, wanted: material.Material) -> t.Dict[str, t.Any]:
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


def _accesses(item: Item, of: t.Callable[[sets.Misplaced], sets.Access]) -> t.Dict[str, t.Any]:
    """The access to folders and files of a set that is not, or was not, as it should be."""
    return {"access": {what: of(one).shown for what, one in item.misplaced.items()}} if item.misplaced else {}


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


def of_sets(work: Plan, before: t.Sequence[t.Dict[str, t.Any]]) -> t.List[Difference]:
    """What is done with certificates; ``before`` are the ``facts`` of each."""
    shown = []
    for item, known in zip(work.items, before):
        old = {**known, **_accesses(item, lambda one: one.found)}
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
        if item.changed or item.secured:
            new.update(_accesses(item, lambda one: one.wanted))
        if item.adapted:
            new.update({**_usage(item.description), "snippets": "updated"})
        path = work.layout.live(item.name)
        if new != old:
            shown.append(_difference(path, old, new))
    for one in work.missing:
        path = work.layout.live(one.name)
        state = "absent" if sets.current_id(work.layout, one.name) is None else "present"
        after = {"state": "present", "files": "not known yet"}
        shown.append(_difference(path, {"state": state}, after))
    return shown


def of_part(layout: Layout, before: t.Optional[Part], after: Part, more: t.Mapping[str, t.Any]) -> t.List[Difference]:
    """What an owner configures otherwise: the names of certificates, and what else is to be shown of it then."""
    path = parts.path(layout, after.owner)
    old, new = (_names_in(part) for part in (before, after))
    new.update(more)
    return [_difference(path, old, new)] if new != old else []


def _names_in(part: t.Optional[Part]) -> t.Dict[str, t.Any]:
    if part is None or not part.certificates:
        return {"state": "absent"}
    return {"state": "present", "certificates": sorted(one.name for one in part.certificates)}


def of_defaults(moved: t.Iterable[live.Moved]) -> t.List[Difference]:
    """Which certificate servers show to clients that send no name, or one that no certificate is for."""
    key = "default certificate"
    return [_difference(one.server, {key: one.before}, {key: one.after}) for one in moved]


def of_removal(layout: Layout, names: t.Iterable[str]) -> t.List[Difference]:
    """The sets that are, or will be, removed. It is to be called before that."""
    shown = []
    for name in names:
        path = layout.live(name)
        if sets.current_id(layout, name) is not None:
            before, after = {"state": "present", "files": sets.files_in(path)}, {"state": "absent"}
            shown.append(_difference(path, before, after))
    return shown


def of_accesses(corrected: t.Iterable[sets.Misplaced]) -> t.List[Difference]:
    """The files of which the access is corrected."""
    return [{"prepared": f"{one.path} is {one.shown}\n"} for one in corrected]


def of_snippets(before: t.Mapping[str, t.Optional[str]], after: t.Mapping[str, t.Optional[str]]) -> t.List[Difference]:
    """The shared snippets that are written, by path: what is lost of them may be lines that somebody added."""
    shown: t.List[Difference] = []
    for path, new in after.items():
        old = before[path]
        if new == old:
            continue
        if max(len((text or "").encode("utf-8", "surrogateescape")) for text in (old, new)) > _LARGEST_SHOWN:
            shown.append({"prepared": f"{path} has different content, which is too long to be shown\n"})
        else:
            headers = {"before_header": path, "after_header": path}
            shown.append({**headers, "before": _lines(old), "after": _lines(new)})
    return shown


def _lines(text: t.Optional[str]) -> str:
    """The lines of a file as they are fit for a terminal."""
    return "".join(one if one in "\n\t" else printable(one) for one in text or "")
