# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload services, each after a test of its configuration, and remember those for which that has not worked yet."""

from __future__ import annotations

import os
import typing as t

from ocsp import services, sets

from . import events
from .config import Config
from .events import Event, Log
from .world import World


def layout(config: Config) -> sets.Layout:
    return sets.Layout(config.folders.root, config.folders.state)


def pending(config: Config) -> t.List[str]:
    """The services that still have to be reloaded."""
    return sets.pending_services(layout(config))


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


def _keys(config: Config, name: str) -> t.List[str]:
    """The private keys that a service reads."""
    folders = [entry.live for entry in config.certificates if entry.live is not None and name in entry.services]
    return [os.path.join(folder, file) for folder in folders for file in ("privkey.pem", "combined.pem")]
