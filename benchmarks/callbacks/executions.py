# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts what a play really runs: each module, also those that action plugins run, and each command of a connection.

A callback plugin is told of tasks only. This one is loaded before workers are forked, and wraps the two methods of
action plugins that everything goes through; each call is a line in the file that EXECUTIONS_FILE names.
"""

from __future__ import annotations

import functools
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: executions
type: aggregate
short_description: Count module executions and commands of connections
description:
  - Writes C(module TRANSPORT NAME) or C(command TRANSPORT) for each into the file of E(EXECUTIONS_FILE).
author: [certops.ocsp contributors]
"""


def _note(*words: str) -> None:
    # One short write to a file opened for appending: lines of several workers do not mix.
    descriptor = os.open(os.environ["EXECUTIONS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (" ".join(words) + "\n").encode())
    finally:
        os.close(descriptor)


def _watch_modules(method: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(method)
    def watched(self: ActionBase, module_name: str | None = None, *arguments: t.Any, **options: t.Any) -> t.Any:
        _note("module", self._connection.transport, module_name or self._task.action)
        return method(self, module_name, *arguments, **options)

    return watched


def _watch_commands(method: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(method)
    def watched(self: ActionBase, *arguments: t.Any, **options: t.Any) -> t.Any:
        _note("command", self._connection.transport)
        return method(self, *arguments, **options)

    return watched


ActionBase._execute_module = _watch_modules(ActionBase._execute_module)
ActionBase._low_level_execute_command = _watch_commands(ActionBase._low_level_execute_command)


class CallbackModule(CallbackBase):
    """Is there to be loaded."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "executions"
    CALLBACK_NEEDS_ENABLED = True
