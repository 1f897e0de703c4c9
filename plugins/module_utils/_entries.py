# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The options of one of many, for the modules that are given a list of certificates."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from . import _kinds
from ._module import Spec
from .ocsp.options.parse import did_you_mean
from .ocsp.probe import starttls

#: Where a service is looked at.
ENDPOINT: Spec = {
    "service": {"type": "str", "required": True},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "required": True},
    "starttls": {"type": "str", "choices": ["", *starttls.PROTOCOLS], "default": ""},
}


class EntryReader:
    """Reads dictionaries of options by the rules that Ansible has for those of a task.

    Only what is given is returned: the defaults are those of the task.
    """

    def __init__(
        self, spec: Spec, conflicts: t.Sequence[t.Tuple[str, str]] = (), required: t.Sequence[str] = ()
    ) -> None:
        self._spec = spec
        self._conflicts = conflicts
        self._required = required
        self._aliases = {alias: name for name, option in spec.items() for alias in option.get("aliases", ())}
        self._validators: t.Dict[t.Tuple[str, ...], ArgumentSpecValidator] = {}

    def read(self, given: t.Mapping[t.Any, t.Any]) -> t.Tuple[t.Dict[str, t.Any], t.List[str]]:
        """The options that are given and not null, converted, and all that is wrong.

        Those that are not of the kind that they should be are left out.
        """
        named = {self._aliases.get(name, name): value for name, value in given.items() if value is not None}
        known = {name: value for name, value in named.items() if name in self._spec}
        faults = [f"'{name}' is not an option; {did_you_mean(str(name), self._spec)}" for name in named.keys() - known]
        for name in list(known):
            # Ansible has choices in its own words.
            option = {key: value for key, value in self._spec[name].items() if key != "choices"}
            problem = _kinds.problem(option, known[name])
            if problem:
                faults.append(f"{name} {problem}")
                del known[name]
        result = self._validator(tuple(known), frozenset(named)).validate(known)
        values = result.validated_parameters
        return {name: values[name] for name in known}, sorted(faults) + result.error_messages

    def _validator(self, names: t.Tuple[str, ...], given: t.FrozenSet[t.Any]) -> ArgumentSpecValidator:
        """One for these options alone: of many entries most have the same few, and each one known costs time.

        What is among ``given``, but was refused before, is not missing.
        """
        required = [name for name in self._required if name in names or name not in given]
        key = (*names, "", *required)
        if key not in self._validators:
            spec = {name: self._spec[name] for name in names}
            spec.update((name, {**self._spec[name], "required": True}) for name in required)
            conflicts = [pair for pair in self._conflicts if {*pair} <= {*names}]
            self._validators[key] = ArgumentSpecValidator(spec, mutually_exclusive=conflicts)
        return self._validators[key]
