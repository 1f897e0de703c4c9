# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Have services load what changed, each after a test of its configuration, and say what became of it."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ocsp.errors import OcspError
from ocsp.servers.changes import needs_reload
from ocsp.servers.table import SERVERS
from ocsp.services import control
from ocsp.services import installation as installations
from ocsp.services.installation import Change, Installation
from ocsp.store import pending, replaced, sets

from .. import events
from ..config import Config, Entry
from ..events import Event, Log
from ..host import Host

#: Seconds that the sockets of a service may take in one run. After that it is reloaded, which takes one answer for all.
_LONGEST_GIVING = 20.0


def installation(config: Config, host: Host, timeout: float) -> Installation:
    """What servers of this host read; enter it to change it, or to tell them."""
    return Installation(config.layout, _services(config, host), timeout)


def _services(config: Config, host: Host) -> control.Services:
    return control.Services(config.services, host.run, config.folders.root)


def unloaded(config: Config, host: Host, is_known: bool = True) -> t.Dict[str, str]:
    """A sentence for each service that has not loaded its files since they changed, or of which that is unknown.

    It is as ``apply`` judges that, and only reads. Without ``is_known`` there is no configuration that could be used,
    so that nothing says which unit a service is.
    """
    services, sentences = _services(config, host), {}
    for name in noted(config):
        loaded = installations.has_loaded(config.layout, services, name) if is_known else None
        if loaded is None:
            sentences[name] = (
                f"it is not known whether {name} has been reloaded since its files changed; run 'ocsp-stapling reload "
                f"{name}' as root"
            )
        elif not loaded:
            hint = f"see why with 'ocsp-stapling reload {name}' as root"
            sentences[name] = f"{name} has not been reloaded since its files changed; {hint}"
    return sentences


def noted(config: Config) -> t.List[str]:
    """The services that may still use what was there before."""
    return pending.services(config.layout)


def known(config: Config) -> t.Set[str]:
    """The services that may be reloaded by name: those of a known kind, configured, or used by a certificate."""
    used = {name for entry in config.certificates for name in entry.services}
    live = {name for one in sets.live_names(config.layout) for name in sets.described(config.layout.live(one)).services}
    return {*SERVERS, *config.services, *used, *live, *noted(config)}


def marks(config: Config) -> t.Dict[str, int]:
    """When each service was noted that has not been told, in nanoseconds: another time is another note."""
    found = {}
    for name in noted(config):
        with contextlib.suppress(OSError):
            found[name] = os.stat(config.layout.pending(name)).st_mtime_ns
    return found


def tell(installed: Installation, config: Config, log: Log, names: t.Iterable[str], always: bool = False) -> bool:
    """Reload services that have not loaded what is on disk, or with ``always`` all of them.

    Says what became of each, and returns whether nothing is left to be done.
    """
    well = True
    for name in names:
        try:
            result = installed.tell(name, _keys(config, name), always)
        except OcspError as error:
            result = control.Result(False, None, error.message)
        if result.problem:
            well = False
            # What nothing on disk asks for, only who named it wants: a handler of a playbook. None starts what ended.
            again = name in noted(config) and not result.ended
            message = f"{result.problem}; the next run tries again" if again else result.problem
            log.emit(Event("reload_failed", message, events.ERROR, "reload_failed", service=name))
        elif result.reloaded:
            log.emit(Event("reloaded", f"{name} was reloaded", service=name))
        elif result.running is False:
            # Who named it wants to know.
            priority = events.INFO if always else events.DEBUG
            log.emit(Event("reloaded", f"{name} is not running; not reloaded", priority, service=name), answer=always)
        else:
            log.emit(Event("reloaded", f"{name} already uses the files on disk", events.DEBUG, service=name))
    return well


class Messenger:
    """Tells services that staples changed: by their socket where they have one, else by a reload at the end."""

    def __init__(self, installed: Installation, config: Config, log: Log, left: t.Mapping[str, t.Any]) -> None:
        """``left`` are the notes that the previous run did not handle itself."""
        self.installed = installed
        self.config = config
        self.log = log
        self._overdue = {name for name, mark in marks(config).items() if left.get(name) == mark}
        self._seconds: t.Dict[str, float] = {}

    def told(self, entry: Entry, withdrawn: bool = False, ended: bool = False) -> t.List[str]:
        """The services that have to be reloaded after a change to a staple."""
        kinds = self.config.kinds(entry.services)
        return [name for name, kind in zip(entry.services, kinds) if needs_reload(kind, withdrawn, ended)]

    def changing(self, entry: Entry, told: t.Iterable[str], must_note: bool = True) -> t.ContextManager[Change]:
        """Change the staple of a certificate in a block, after noting the services to reload. Raises FileError."""
        return self.installed.changing({name: [entry.name] for name in told}, must_note)

    def give(self, entry: Entry, data: bytes, before: t.Mapping[str, t.Optional[pending.Note]]) -> t.List[str]:
        """Give a staple to servers that take it while they run. Returns which did.

        ``before`` are their notes from before the change: what those are about is still to be loaded.
        """
        given = []
        for name in entry.services:
            service = self.config.service(name)
            if not control.takes_staples(service) or self._seconds.get(name, 0.0) > _LONGEST_GIVING:
                continue
            began = time.monotonic()
            problem = control.hand_over(service, os.path.join(entry.live or "", "combined.pem"), data)
            self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - began
            if problem:
                self.log.emit(Event("reload_failed", f"{problem}; it will be reloaded", events.DEBUG, service=name))
                continue
            given.append(name)
            note = before.get(name)
            if note is None or (note.names and entry.name not in note.names):
                pending.forget(self.installed.layout, name, (entry.name,))
        return given

    def notes(self, names: t.Iterable[str]) -> t.Dict[str, t.Optional[pending.Note]]:
        """What is noted of these services now."""
        return {name: pending.read(self.installed.layout, name) for name in names}

    def finish(self, reload: bool) -> bool:
        """Reload the services that need it, unless that is done elsewhere. Returns whether nothing is overdue.

        What others have noted since the last run is on its way; what that run left should have been reloaded by now.
        Raises FileError where whoever is to reload them cannot be told.
        """
        if not reload:
            self.installed.note_again()
        left = self.installed.outstanding()
        if reload:
            well = tell(self.installed, self.config, self.log, left)
            replaced.clean(self.installed.layout)
            return well
        replaced.clean(self.installed.layout)
        overdue = sorted(self._overdue & set(left))
        for name in overdue:
            hint = f"see why with 'ocsp-stapling reload {name}' as root"
            message = f"{name} has not been reloaded since the last run requested it; {hint}"
            self.log.emit(Event("reload_failed", message, events.WARNING, "reload_failed", service=name))
        return not overdue


def _keys(config: Config, name: str) -> t.List[str]:
    """The private keys that a service reads."""
    folders = [entry.live for entry in config.certificates if entry.live is not None and name in entry.services]
    return [os.path.join(folder, file) for folder in folders for file in ("privkey.pem", "combined.pem")]
