# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload services, each after a test of its configuration, and remember those for which that has not worked yet."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ocsp import servers, services, sets
from ocsp.errors import FileError

from . import events
from .config import Config, Entry
from .events import Event, Log
from .world import World


def layout(config: Config) -> sets.Layout:
    return sets.Layout(config.folders.root, config.folders.state)


def pending(config: Config) -> t.List[str]:
    """The services that still have to be reloaded."""
    return sets.pending_services(layout(config))


def marks(config: Config) -> t.Dict[str, int]:
    """When each service was noted that still has to be reloaded, in nanoseconds: another time is another note."""
    found = {}
    for name in pending(config):
        with contextlib.suppress(OSError):
            found[name] = os.stat(layout(config).pending(name)).st_mtime_ns
    return found


def reload_services(config: Config, world: World, log: Log, names: t.Iterable[str]) -> bool:
    """Reload services, and say what became of each. Returns whether nothing is left to be done."""
    well = True
    for name in names:
        result = services.reload(config.service(name), world.run, _keys(config, name))
        if result.problem:
            well = False
            message = f"{result.problem}; the next run tries again"
            log.emit(Event("reload_failed", message, events.ERROR, "reload_failed", service=name))
            continue
        sets.unmark_pending(layout(config), [name])
        if result.reloaded:
            log.emit(Event("reloaded", f"{name} was reloaded", service=name))
        else:
            log.emit(Event("reloaded", f"{name} does not run and was left alone", events.DEBUG, service=name))
    return well


class Messenger:
    """Tells services that staples changed: by their socket where they have one, else by a reload at the end.

    Who is to be reloaded is noted before anything changes, so that the next run does what a killed one could not.
    """

    def __init__(self, config: Config, world: World, log: Log, left: t.Mapping[str, t.Any]) -> None:
        """``left`` are the marks that the run before left to somebody else."""
        self.config = config
        self.world = world
        self.log = log
        self._before = set(pending(config))
        self._overdue = {name for name, mark in marks(config).items() if left.get(name) == mark}
        self._unnoted: t.Set[str] = set()
        self._to_reload: t.Set[str] = set()
        self._by_socket: t.Set[str] = set()

    def note(self, entry: Entry, withdrawn: bool = False, ended: bool = False) -> t.List[str]:
        """Note who has to be told of a change, before it is made. Raises FileError where that cannot be noted."""
        told = [
            name
            for name, kind in zip(entry.services, self.config.kinds(entry.services))
            if servers.needs_reload(kind, withdrawn, ended)
        ]
        try:
            sets.mark_pending(layout(self.config), told)
        except FileError:
            if not withdrawn:
                raise
            # A full disk must not keep a staple in place that ends; they are reloaded if this run is not killed.
            self._unnoted.update(told)
        if withdrawn:
            self._to_reload.update(told)
        return told

    def give(self, entry: Entry, data: bytes) -> t.List[str]:
        """Give a staple to servers that take it while they run. Returns which did."""
        given = []
        for name in entry.services:
            service = self.config.service(name)
            if service.kind is None or servers.SERVERS[service.kind].learns != servers.SOCKET:
                continue
            problem = services.staple_by_socket(service, os.path.join(entry.live or "", "combined.pem"), data)
            if problem:
                self._to_reload.add(name)
                self.log.emit(Event("reload_failed", f"{problem}; it will be reloaded", events.DEBUG, service=name))
            else:
                self._by_socket.add(name)
                given.append(name)
        return given

    def finish(self, reload: bool) -> bool:
        """Reload who has to be, or leave that to somebody else. Returns whether nothing is left that should not be.

        What others have noted since the last run is on its way; what that run left should have been reloaded by now.
        """
        sets.unmark_pending(layout(self.config), self._by_socket - self._to_reload - self._before)
        left = set(pending(self.config)) | self._unnoted
        if reload:
            return reload_services(self.config, self.world, self.log, sorted(left))
        for name in sorted(left & self._overdue):
            hint = f"see why with 'ocsp-stapling reload {name}' as root"
            message = f"{name} has not been reloaded since the last run noted it; {hint}"
            self.log.emit(Event("reload_failed", message, events.WARNING, "reload_failed", service=name))
        return not self._unnoted and not left & self._overdue


def _keys(config: Config, name: str) -> t.List[str]:
    """The private keys that a service reads."""
    folders = [entry.live for entry in config.certificates if entry.live is not None and name in entry.services]
    return [os.path.join(folder, file) for folder in folders for file in ("privkey.pem", "combined.pem")]
