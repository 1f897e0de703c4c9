# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Taking sets away again, unless some configuration still uses them."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..errors import InputError
from ..options.parse import CERTIFICATE_LIMIT
from ..servers import snippets
from ..servers.server import FOLDER, Setup
from ..servers.table import NAMES, SERVERS
from ..services import control
from ..services.installation import Installation, Refused
from ..store import attempts, parts, reading, sets
from ..store.parts import Part
from ..store.sets import Layout
from ..text import join_words
from . import confirm, live
from .live import Live

#: Runs a command for which a folder is empty, in a mount namespace of its own; the folder and the command follow.
_HIDE = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"')
_MOST_MENTIONS = 10
_MAY_FAIL = "the server may fail to reload or start"


class Uses(t.NamedTuple):
    """Which configurations need sets that are to be removed, or name some that are not there.

    ``used`` says what is needed and where, ``dangling`` what is named but is not there, and each remedy what to do
    about that. They are parts of sentences, and empty where there is nothing to say.
    """

    used: str = ""
    remedy: str = ""
    dangling: str = ""
    dangling_remedy: str = ""

    @property
    def obstacle(self) -> str:
        """Why nothing should be removed, for the end of a sentence."""
        return f"{self.used}; {self.remedy}, reload the server and run again" if self.used else ""

    @property
    def warnings(self) -> t.List[str]:
        """What servers suffer from where these sets are removed all the same, or are not there."""
        used = [f"{forced(self.used)} until you {self.remedy}"] if self.used else []
        gone = f"{self.dangling}; {_MAY_FAIL} until you {self.dangling_remedy}"
        return used + ([gone] if self.dangling else [])


def forced(used: str) -> str:
    """That something is removed although it is used, as ``used`` says. Until when goes after it."""
    return f"force removes files that are still needed: {used}; {_MAY_FAIL}"


def uses(layout: Layout, names: t.Sequence[str], run: control.Run) -> Uses:
    """What still uses the sets of these names, or any set where there are none."""
    return _uses_of(layout, names) if names else _uses_of_any(layout, run)


def _uses_of(layout: Layout, names: t.Sequence[str]) -> Uses:
    found = {name: references(layout.live(name)) for name in names}
    there = present(layout, [name for name in names if found[name]])
    missing = [name for name in names if found[name] and name not in there]
    used, dangling = (sorted(mention for name in some for mention in found[name]) for some in (there, missing))
    return Uses(
        f"{_are(there)} still used by {_listed(used)}" if used else "",
        _remove(used),
        f"{_are(missing)} not deployed on this host, but still named in {_listed(dangling)}" if dangling else "",
        _remove(dangling),
    )


def _uses_of_any(layout: Layout, run: control.Run) -> Uses:
    mentions = references(layout.root)
    if not _has_files_of_servers(layout):
        dangling = f"no certificates are left in {layout.root}, but it is still named in {_listed(mentions)}"
        return Uses(dangling=dangling, dangling_remedy=_remove(mentions)) if mentions else Uses()
    what = f"what is in {layout.root} is still used"
    if mentions:
        return Uses(f"{what} by {_listed(mentions)}", _remove(mentions))
    broken = broken_without(layout.root, run)
    return Uses(f"{what}: {'; '.join(broken)}", "take it out of that configuration") if broken else Uses()


def _has_files_of_servers(layout: Layout) -> bool:
    shared = (snippets.path(layout.root, file) for file in snippets.owners())
    return bool(sets.all_names(layout) or sets.live_names(layout)) or any(map(os.path.lexists, shared))


def _are(names: t.Sequence[str]) -> str:
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'}"


def _listed(words: t.Sequence[str]) -> str:
    return join_words(words, most=_MOST_MENTIONS)


def _remove(mentions: t.Sequence[str]) -> str:
    return f"remove {'this line' if len(mentions) == 1 else 'these lines'}"


def references(path: str, parent: str = "/etc") -> t.List[str]:
    """Where configurations of servers mention what is below ``path``, each as file:line."""
    return [place for _kind, place in _mentions(path, parent)]


def readers(path: str, parent: str = "/etc") -> t.Set[str]:
    """The kinds of servers whose configurations mention what is below ``path``."""
    return {kind for kind, _place in _mentions(path, parent)}


def _mentions(path: str, parent: str) -> t.Iterator[t.Tuple[str, str]]:
    # What goes on as a name does would be another one: example.com is no mention of example.com.au.
    needle = re.compile(re.escape(os.fsencode(path.rstrip("/"))) + rb"(?![A-Za-z0-9_.-]*[A-Za-z0-9_-])")
    return ((kind, place) for kind, place, text in _lines(parent) if needle.search(text))


def orphaned(
    layout: Layout, before: t.Iterable[Live], after: t.Iterable[Live], coming: t.Collection[str] = ()
) -> t.Dict[str, str]:
    """A sentence for each kind of server that reads a snippet about all its certificates, of which none is left.

    Without that file it may fail to start, or fall back to a default certificate. ``coming`` are the kinds of servers
    that will get others.
    """
    kinds = [{kind for one in moment for _service, kind in one.users} for moment in (before, after)]
    found: t.Dict[str, t.List[str]] = {}
    for file, kind in snippets.owners().items():
        if kind in kinds[0].difference(kinds[1], coming):
            found.setdefault(kind, []).extend(references(snippets.path(layout.root, file)))
    return {
        kind: f"{SERVERS[kind].title} would have no certificate left, but still reads its file in {layout.root} "
        f"({_listed(places)})"
        for kind, places in found.items()
        if places
    }


def of_kinds(before: t.Iterable[Live], kinds: t.Collection[str]) -> t.Set[str]:
    """The names of the certificates that these kinds of servers have."""
    return {one.entry.name for one in before if any(kind in kinds for _service, kind in one.users)}


def untold(layout: Layout, kinds: t.Mapping[str, t.Collection[str]], parent: str = "/etc") -> t.Iterator[str]:
    """A sentence for each certificate that a server uses which is not told of new ones and of new staples.

    ``kinds`` are those of the services that are told, by certificate, empty where unknown: that may be any server.
    """
    folder = os.fsencode(os.path.dirname(layout.live("name")))
    needle = re.compile(re.escape(folder) + rb"/([^/\s\"';]+)(/[^\s\"';]+)?")
    found: t.Dict[t.Tuple[str, str], t.Dict[str, t.Set[str]]] = {}
    for kind, place, text in _lines(parent):
        for name, file in (map(os.fsdecode, one) for one in needle.findall(text)):
            if name in kinds and not {kind, ""}.intersection(kinds[name]):
                path = f"{layout.live(name)}{file}"
                is_lacking = os.path.isdir(layout.live(name)) and not os.path.lexists(path)
                pieces = found.setdefault((name, SERVERS[kind].title), {}).setdefault(place, set())
                pieces.update([path] if is_lacking else [])
    for (name, title), places in sorted(found.items()):
        lacking = sorted(set().union(*places.values()))
        there = f" and {_listed(lacking)} {'is' if len(lacking) == 1 else 'are'} not made" if lacking else ""
        yield (
            f"{name}: {title} uses it ({_listed([*places])}), but is not listed in reload, so it does not load new "
            f"certificates and staples{there}; add it there, or {_remove([*places])}"
        )


def _lines(parent: str) -> t.Iterator[t.Tuple[str, str, bytes]]:
    """The lines of the configurations of all servers, but for comments: the kind, file:line, and the text."""
    for kind, server in SERVERS.items():
        for path in _files([os.path.join(parent, folder) for folder in server.folders]):
            for number, text in _numbered(path):
                if not text.startswith(server.comment.encode()):
                    yield kind, f"{path}:{number}", text


def _files(folders: t.Sequence[str]) -> t.Iterator[str]:
    """The files below some folders; one that is linked there as well, like a site that is enabled, is one."""
    below = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
    for folder in folders:
        for place, _folders, names in os.walk(folder):
            for path in (os.path.join(place, name) for name in sorted(names)):
                if not (os.path.islink(path) and os.path.realpath(path).startswith(below)):
                    yield path


def _numbered(path: str) -> t.Iterator[t.Tuple[int, bytes]]:
    content: t.Optional[bytes] = None
    with contextlib.suppress(InputError):
        content = reading.read_file(path, path, CERTIFICATE_LIMIT)
    return enumerate(map(bytes.strip, (content or b"").splitlines()), 1)


def broken_without(folder: str, run: control.Run) -> t.List[str]:
    """Which configurations are good with a folder and would not be without it, wherever they lie."""

    def without(argv: t.Sequence[str], **options: t.Any) -> t.Tuple[int, str, str]:
        return run((*_HIDE, folder, *argv), **options)

    if without(("true",))[0] != 0:
        return []
    described = [control.configured(name) for name in NAMES]
    good = [service for service in described if not control.test(service, run)]
    return [problem for problem in (control.test(service, without) for service in good) if problem]


def take_away(
    installation: Installation,
    gone: t.Collection[str],
    left: t.Sequence[Part],
    touched: t.Collection[str],
    setup: Setup,
    force: bool,
) -> str:
    """Remove the sets of some names, and what shared snippets say of them.

    ``left`` are the parts that stay, and ``touched`` the names of which services may have changed. Returns why a
    service would not start without a set, so that all is as it was, or an empty string. Raises FileError.
    """
    layout, known = installation.layout, installation.services
    before = live.look(layout, known)
    after = remaining(layout, before, gone, left, touched, known)
    outdated = live.outdated_snippets(setup, after)
    told = affected(before, gone, outdated)
    working = [service for service in told if not known.test(service)]
    contents = {**outdated, **_record_without(layout, gone, after, left, setup, known)}
    try:
        with installation.switching(gone, contents, told) as change:
            for name in gone:
                change.switch(name, None)
            for path, content in contents.items():
                change.put(path, content)
            failed = {} if force else {service: known.test(service) for service in working}
            problems = [problem for problem in failed.values() if problem]
            if problems:
                raise Refused("; ".join(problems), [service for service in failed if failed[service]])
            for one in after:
                if one.entry.name in touched:
                    change.put(os.path.join(one.entry.folder, sets.DESCRIPTION), sets.describe(_description(one)))
    except Refused as refused:
        return refused.message
    for name in gone:
        sets.remove(layout, name)
    return ""


def affected(before: t.Sequence[Live], gone: t.Container[str], outdated: t.Iterable[str]) -> t.Dict[str, t.List[str]]:
    """The services that have to forget certificates, with what they have loaded that goes or is in a snippet.

    ``before`` is what is live, and ``outdated`` are the paths of shared snippets that are not as they should be then.
    """
    told = live.told(outdated, before)
    for one in before:
        for service, _kind in one.users if one.entry.name in gone else ():
            told.setdefault(service, []).append(one.entry.name)
    return told


def _record_without(
    layout: Layout,
    gone: t.Collection[str],
    after: t.Sequence[Live],
    left: t.Sequence[Part],
    setup: Setup,
    known: control.Services,
) -> t.Dict[str, t.Optional[bytes]]:
    """What is noted of switches that are not confirmed, without these names; nothing where nothing is noted.

    No server would start with a snippet that a verification puts back if that names files which are gone.
    """
    record = confirm.read_record(layout)
    if not record:
        return {}
    noted = {name: one for name, one in record.get("sets", {}).items() if name not in gone}
    folders = {name: layout.folder(name, one["previous"]) for name, one in noted.items() if one["previous"]}
    back = [one for one in after if one.entry.name not in noted]
    back += [
        live.make(layout, name, os.path.basename(folder), sets.described(folder), known)
        for name, folder in folders.items()
    ]
    made = snippets.shared([one.entry for one in live.ordered(back, left)], setup)
    pieces: t.Dict[str, t.Optional[str]] = dict(record.get("snippets", {}))
    for path, text in pieces.items():
        if text is not None and any(layout.live(name) in text or layout.sets(name) in text for name in gone):
            content = made.get(os.path.basename(path))
            pieces[path] = content.decode("ascii") if content is not None else None
    return {layout.transaction: confirm.dump_record(noted, pieces)}


def remaining(
    layout: Layout,
    before: t.Iterable[Live],
    gone: t.Container[str],
    left: t.Sequence[Part],
    touched: t.Container[str],
    known: control.Services,
) -> t.List[Live]:
    """What will be live, in the order of snippets; the arguments are as for ``take_away``."""
    after = (_reduced(layout, one, left, touched, known) for one in before if one.entry.name not in gone)
    return live.ordered(after, left)


def _reduced(
    layout: Layout, one: Live, left: t.Sequence[Part], touched: t.Container[str], known: control.Services
) -> Live:
    """A certificate with the services that those who still give it use it for."""
    name = one.entry.name
    if name not in touched:
        return one
    description = _description(one)._replace(services=tuple(parts.services_of(left, name)))
    return live.make(layout, name, os.path.basename(one.entry.folder), description, known)


def _description(one: Live) -> sets.Description:
    position = one.position if one.position != live.LAST else None
    names = tuple(service for service, _kind in one.users)
    return sets.described(one.entry.folder)._replace(
        names=one.entry.names, services=names, stapled=one.entry.stapled, position=position
    )


def remove_all(installation: Installation, names: t.Iterable[str]) -> None:
    """Remove all sets, live links first, and what is about all of them. Raises FileError."""
    layout = installation.layout
    with installation.changing({}) as change:
        for name in names:
            if sets.current_id(layout, name) is not None:
                change.switch(name, None)
            sets.remove(layout, name)
        for file in snippets.owners():
            change.put(snippets.path(layout.root, file), None)
        for part in parts.load(layout):
            parts.save(layout, Part(part.owner))
    sets.remove_record(layout)
    for name in attempts.names(layout):
        attempts.forget(layout, name)
    ours = (os.path.join(layout.root, folder) for folder in (FOLDER, parts.FOLDER, "live", "sets"))
    for folder in (*ours, os.path.dirname(layout.attempt("any"))):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def present(layout: Layout, names: t.Iterable[str]) -> t.List[str]:
    """Those names of which there are sets."""
    return [name for name in names if sets.current_id(layout, name) or os.path.isdir(layout.sets(name))]
