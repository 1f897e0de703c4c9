# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of a host that has none: each says when it has loaded its files, and notes its reloads."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import Result, Services


class Fleet(Services):
    """Services of a host without any: when each has loaded its files, and which were reloaded."""

    def __init__(self) -> None:
        super().__init__({}, lambda *_arguments, **_options: (0, "", ""))
        self.loaded: t.Dict[str, float] = {}
        self.reloads: t.List[str] = []
        self.stopped: t.Set[str] = set()
        #: Services that failed, with their last words, and those that were started again.
        self.failed: t.Dict[str, str] = {}
        self.started: t.List[str] = []
        self.problems: t.Dict[str, str] = {}
        #: Whether the configuration of a service passes its test, and why not.
        self.tests: t.Dict[str, t.Callable[[], str]] = {}

    def is_running(self, name: str) -> t.Optional[bool]:
        return False if name in self.stopped or name in self.failed else None

    def failure(self, name: str) -> str:
        return self.failed.get(name, "")

    def start_failed(self, name: str) -> str:
        if self.failed.pop(name, ""):
            self.started.append(name)
        return ""

    def test(self, name: str) -> str:
        return self.tests[name]() if name in self.tests else ""

    def loaded_since(self, name: str, moment: float) -> t.Optional[bool]:
        if name in self.stopped:
            return True
        return self.loaded[name] > moment if name in self.loaded else None

    def reload(self, name: str, keys: t.Iterable[str] = ()) -> Result:
        self.reloads.append(name)
        problem = self.problems.get(name, "")
        return Result(not problem, True, problem)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
