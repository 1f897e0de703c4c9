# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The only way to change what servers read: note which services have to be reloaded, change the files, reload them.

A run that is killed anywhere leaves notes and, where it was switching sets, a journal. The next run, of a playbook or
of the program on the host, restores what was half switched, notes for ``status`` that newer sets are not live any more
(``store.attempts``), and reloads the noted services.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import types
import typing as t
from datetime import datetime, timezone

from ..errors import FileError, OcspError
from ..judge.judgement import Judgement
from ..store import attempts, files, pending, reading, sets, staples
from ..store.attempts import SWITCHED_BACK, Attempt
from ..store.pending import Note
from ..store.sets import Layout
from ..store.staples import Place, Stapled
from .control import Result, Services

_LARGEST = 256 * 1024 * 1024

#: The certificates that changed, by the services that have to load them.
Told = t.Mapping[str, t.Iterable[str]]


class Refused(OcspError):
    """Services whose configuration does not pass its test with the new files, so that these were taken back."""

    def __init__(self, message: str, services: t.Collection[str]) -> None:
        super().__init__("reload_failed", message)
        self.services = services


class Change:
    """Changes files that servers read. ``Installation`` creates it, after noting which services have to be reloaded.

    ``made``: something was changed.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.made = False

    def switch(self, name: str, identifier: t.Optional[str]) -> None:
        """Have a set live, or none. Raises FileError."""
        sets.swap(self._layout, name, identifier)
        self.made = True

    def install(self, place: Place, data: bytes, judgement: Judgement) -> bool:
        """Have this response stapled. Returns whether anything had to change. Raises FileError."""
        return self._made(staples.install(place, data, judgement))

    def withdraw(self, place: Place, keep_file: bool = False) -> bool:
        """Have nothing stapled. Returns whether anything had to change. Raises FileError."""
        return self._made(staples.withdraw(place, keep_file=keep_file))

    def put_staple_back(self, place: Place, former: Stapled, now: datetime) -> None:
        """Have what was in place before, as ``staples.look`` found it. Raises FileError."""
        staples.put_back(place, former, now)
        self.made = True

    def _made(self, changed: bool) -> bool:
        self.made = self.made or changed
        return changed

    def put(self, path: str, content: t.Optional[bytes]) -> None:
        """Have this content in a file, whose folder is made, or no file. Raises FileError."""
        if content is None:
            files.remove_file(path)
        else:
            files.create_file(path, content)
        self.made = True

    def put_back(self, path: str, text: t.Optional[str]) -> None:
        """As ``put``, with what ``read_texts`` returned. Raises FileError."""
        self.put(path, text.encode("utf-8", "surrogateescape") if text is not None else None)


class Installation:
    """What servers of this host read, locked against other runs: use it in a ``with`` block.

    Entering it waits at most ``timeout`` seconds for others, then puts back what a killed run left half switched.
    Raises BusyError where others do not end, and FileError. ``put_back`` are the names that were put back.
    An error that leaves the block says whether something had been changed in it (``changed``).
    """

    def __init__(
        self,
        layout: Layout,
        services: Services,
        timeout: float = 60.0,
        monotonic: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self.layout = layout
        self.services = services
        self.put_back: t.List[str] = []
        #: Services that could not be noted, as on a full disk; they are reloaded, or noted, at the end of this run.
        self.unnoted: t.Set[str] = set()
        self._changed = False
        self._timeout = timeout
        self._monotonic = monotonic
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Installation:
        state = self.layout.state
        try:
            os.makedirs(state, 0o755, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot create {state}: {error.strerror}") from None
        # It stays, as withdrawing a staple must need no room on the disk, which the other user can fill.
        lock = files.lock_file(os.path.join(state, ".installation.lock"), state, self._timeout, stays=True)
        self._stack.enter_context(lock)
        try:
            self._resume()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: t.Optional[t.Type[BaseException]],
        error: t.Optional[BaseException],
        traceback: t.Optional[types.TracebackType],
    ) -> None:
        self._stack.close()
        if isinstance(error, OcspError):
            error.changed = error.changed or self._changed

    # Changing

    @contextlib.contextmanager
    def changing(self, told: Told, must_note: bool = True) -> t.Iterator[Change]:
        """Change files in the block. It is noted first that the services of ``told`` have to load them.

        Raises FileError where that cannot be noted; without ``must_note`` the change is made all the same.
        """
        for service, names in told.items():
            try:
                pending.add(self.layout, service, names)
            except FileError:
                if must_note:
                    raise
                self.unnoted.add(service)
        change = Change(self.layout)
        try:
            yield change
        finally:
            self._changed = self._changed or change.made
            moment = self._monotonic()
            for service in told:
                # An incomplete note is one as well; the next run completes it.
                with contextlib.suppress(FileError):
                    pending.complete(self.layout, service, moment)

    @contextlib.contextmanager
    def switching(self, names: t.Iterable[str], paths: t.Iterable[str], told: Told) -> t.Iterator[Change]:
        """Change the live sets of ``names`` and the files ``paths`` in the block, together or not at all.

        Where the block raises, they are put back as they were, and so are the notes of services that cannot have
        loaded them meanwhile. Where it is killed, the next run puts them back.
        """
        noted = {service: pending.read(self.layout, service) for service in told}
        began, changed = self._monotonic(), self._changed
        self._write_journal(names, paths)
        try:
            with self.changing(told) as change:
                yield change
        except BaseException as error:
            self._put_back(_read_journal(self.layout))
            self._changed = changed
            refused = error.services if isinstance(error, Refused) else ()
            for service, note in noted.items():
                if service in refused or self.services.loaded_since(service, began) is False:
                    pending.restore(self.layout, service, note)
            raise
        files.remove_file(self.layout.journal)

    # Telling

    def outstanding(self) -> t.List[str]:
        """The services that have to be reloaded. Notes of those that have loaded their files since are removed."""
        left = outstanding(self.layout, self.services)
        for service in pending.services(self.layout):
            if service not in left and service not in self.unnoted:
                pending.forget(self.layout, service)
        return sorted({*left, *self.unnoted})

    def note_again(self) -> None:
        """Note the services that could not be noted before, for others to reload them. Raises FileError."""
        for service in sorted(self.unnoted):
            pending.write(self.layout, service, Note(complete=self._monotonic()))
            self.unnoted.discard(service)

    def tell(self, service: str, keys: t.Iterable[str] = (), always: bool = False) -> Result:
        """Have a service load its files, if it has not done so since they changed, or ``always``. Raises FileError.

        ``keys`` are the private keys that it reads, as for ``services.reload``.
        """
        needed = always or service in self.unnoted or _is_outstanding(self.layout, self.services, service)
        result = self.services.reload(service, keys) if needed else Result(False, None)
        if not result.problem:
            pending.forget(self.layout, service)
            self.unnoted.discard(service)
        return result

    # What a killed run left

    def _resume(self) -> None:
        journal = _read_journal(self.layout)
        if journal:
            self._note_killed(journal["live"])
            self.put_back = self._put_back(journal)
        sets.clean(self.layout)
        moment = self._monotonic()
        for service in pending.services(self.layout):
            note = pending.read(self.layout, service)
            if note is not None and note.complete is None:
                pending.complete(self.layout, service, moment)

    def _note_killed(self, live: t.Mapping[str, t.Optional[str]]) -> None:
        """Note that newer sets are not live any more; ``live`` are the identifiers of those that are put back.

        Not of a switch to older sets, which was no deployment. What cannot be noted is passed over.
        """
        message = "the run that deployed it was killed before it was done"
        for name, identifier in live.items():
            if identifier and (sets.current_id(self.layout, name) or "") > identifier:
                attempt = Attempt(datetime.now(timezone.utc), SWITCHED_BACK, "switched_back", message)
                with contextlib.suppress(FileError):
                    attempts.write(self.layout, name, attempt, identifier)

    def _write_journal(self, names: t.Iterable[str], paths: t.Iterable[str]) -> None:
        live = {name: sets.current_id(self.layout, name) for name in names}
        values = {"version": 1, "live": live, "files": read_texts(paths)}
        files.replace_file(self.layout.journal, json.dumps(values, indent=1).encode("ascii"), own=True)

    def _put_back(self, journal: t.Mapping[str, t.Mapping[str, t.Optional[str]]]) -> t.List[str]:
        """Have live what the journal says. Returns the names of the sets that were switched back."""
        change = Change(self.layout)
        switched = []
        for name, identifier in journal["live"].items():
            if sets.current_id(self.layout, name) != identifier:
                change.switch(name, identifier)
                switched.append(name)
        for path, content in journal["files"].items():
            change.put_back(path, content)
        files.remove_file(self.layout.journal)
        return switched


def outstanding(layout: Layout, services: Services) -> t.List[str]:
    """The services that have not loaded their files since they changed, or of which that is unknown."""
    return [service for service in pending.services(layout) if _is_outstanding(layout, services, service)]


def has_loaded(layout: Layout, services: Services, service: str) -> t.Optional[bool]:
    """Whether a service has loaded its files since they changed, whoever had it do so; None if unknown.

    It only reads, so any user may ask.
    """
    note = pending.read(layout, service)
    if note is None:
        return True
    return services.loaded_since(service, note.complete) if note.complete is not None else False


def _is_outstanding(layout: Layout, services: Services, service: str) -> bool:
    return has_loaded(layout, services, service) is not True


def read_texts(paths: t.Iterable[str]) -> t.Dict[str, t.Optional[str]]:
    """The content of files by path, as JSON can hold it; None where there is none. Raises InputError."""
    found = {path: reading.read_file(path, path, _LARGEST) for path in paths}
    return {
        path: content.decode("utf-8", "surrogateescape") if content is not None else None
        for path, content in found.items()
    }


def _read_journal(layout: Layout) -> t.Dict[str, t.Dict[str, t.Optional[str]]]:
    """What a switch that has not ended would put back; empty where there is none."""
    path = layout.journal
    content = reading.read_file(path, path, _LARGEST)
    if content is None:
        return {}
    try:
        values = json.loads(content)
        return {"live": dict(values["live"]), "files": dict(values["files"])}
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path} is damaged; check what is live in {layout.root}/live, then remove it") from None
