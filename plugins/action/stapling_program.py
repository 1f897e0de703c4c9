# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work out on the controller what the program should consist of on a host, and have the module compare or install."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible_collections.certops.ocsp.plugins.module_utils import _kinds
from ansible_collections.certops.ocsp.plugins.module_utils._program import ACCOUNT, PROGRAM
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import RUN_LIMITS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import bounded
from ansible_collections.certops.ocsp.plugins.modules.stapling_program import argument_spec
from ansible_collections.certops.ocsp.plugins.plugin_utils import _groups, _guard, _owner, _program, _sources

_MOST_WARNINGS = 5


class ActionModule(ActionBase):
    """The controller's side of the module of the same name."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Check all options at once, and ask the host one question.

        The result says whose certificates these are, for ``certificate_set``, also where it failed.
        """
        super().run(tmp, task_vars)
        with _guard.without_secrets(self._task.args, _variable_of) as shown:
            options, faults = self._read_options(task_vars or {})
            owner = _owner.owner_of(self._task, options["owner"]).name
            try:
                return self._answer(options, faults, owner, task_vars)
            except AnsibleActionFail as error:
                # An owner that is refused for what it shows is in no result either.
                claims = _owner.unknown(options["claims"], owner) if shown(owner) == owner else options["claims"]
                return {"failed": True, "msg": shown(error.message), "claims": claims}

    def _read_options(self, variables: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, list[str]]]:
        """The options, converted, and what is wrong with those that are not of their kind, by their names.

        Those have their defaults. What a task says that is not the role's, Ansible refuses.
        """
        spec = argument_spec()
        faults = {
            name: _kind_faults(name, option, self._task.args[name], variables)
            for name, option in spec.items()
            if name in self._task.args
        }
        faults = {name: found for name, found in faults.items() if found}
        given = {name: value for name, value in self._task.args.items() if name not in faults}
        result = ArgumentSpecValidator(spec).validate(given)
        if result.error_messages:
            raise AnsibleActionFail(refusal([*map(_variable_of, result.error_messages)]))
        return {**given, **result.validated_parameters}, faults

    def _answer(
        self, options: dict[str, t.Any], wrong: dict[str, list[str]], owner: str, task_vars: t.Any
    ) -> dict[str, t.Any]:
        """``wrong`` are the options that are not of their kind, each with what is to be said of it."""
        remote = options["remote_source"]
        # Without knowing where files are, nothing can be said of folders.
        faults = _groups.read_scan(options["scan"], remote or "remote_source" in wrong)
        faults = [*(fault for found in wrong.values() for fault in found), *faults]
        found, failure = self._search(options, task_vars) if not faults else ([], None)
        if failure is not None:
            return {**failure, "claims": _owner.unknown(options["claims"], owner)}
        groups = _groups.without(_groups.read(options["groups"], found, remote), options["missing"])
        for sentence in bounded(groups.warnings, _MOST_WARNINGS):
            self._display.warning(sentence)
        options["options"], refused = _groups.read_options(options["options"], _groups.options_reader())
        _refuse(
            [
                *(_program.unknown_variables(task_vars) if task_vars else []),
                *faults,
                *groups.faults,
                *(f"ocsp_stapling_options: {fault}" for fault in refused),
                *(f"ocsp_stapling_services: {fault}" for fault in _groups.read_services(options["services"])),
                *(f"ocsp_stapling_endpoints: {fault}" for fault in _endpoint_faults(options, groups, wrong)),
                *_program.faults(options, owner),
                *_program.renewal_faults(options, groups.entries),
            ]
        )
        result = {**self._ask_host(options, groups, owner, task_vars), **({"found": found} if remote else {})}
        if result.get("failed"):
            return {**result, "claims": _owner.unknown(options["claims"], owner)}
        return self._claimed(result, options, groups, owner)

    def _search(
        self, options: dict[str, t.Any], task_vars: t.Any
    ) -> tuple[list[_groups.Entry], dict[str, t.Any] | None]:
        """What is in the folders of ``scan``, and the result of the module where it could not search them."""
        if not options["remote_source"] or not options["scan"]:
            return _groups.scanned(options["scan"]), None
        result = self._call({"scan": _groups.folders_of(options["scan"])}, options, task_vars)
        if result.get("failed"):
            return [], result
        for sentence in result["unfit"]:
            self._display.warning(sentence)
        return result["found"], None

    def _ask_host(
        self, options: dict[str, t.Any], groups: _groups.Groups, owner: str, task_vars: t.Any
    ) -> dict[str, t.Any]:
        """Have the module look at the host, or change it. In check mode, refuse what cannot be deployed there."""
        asking = bool(self._task.check_mode)
        if asking and not options["remote_source"]:
            # What is missing on the controller is said before the host is touched, with all that the host finds.
            faults = _sources.Sources(self._find_needle).complete_all(groups.entries, options["source"])[1]
            if faults:
                _refuse([*faults, *self._host_faults(groups, options, owner, task_vars)])
        install = PROGRAM in options["parts"] and not asking
        wanted = _program.wanted(options, owner, groups.entries, self._renderer(options, task_vars), complete=install)
        result = self._call(wanted, options, task_vars)
        if asking and {ACCOUNT, PROGRAM} & set(result.get("differing", ())) and not result.get("package"):
            # So that nothing is installed for certificates that cannot be deployed.
            _refuse(self._host_faults(groups, options, owner, task_vars))
        return result

    def _claimed(
        self, result: dict[str, t.Any], options: dict[str, t.Any], groups: _groups.Groups, owner: str
    ) -> dict[str, t.Any]:
        """The result with the part of this owner, and with what it has claimed in this run."""
        names = [entry["name"] for entry in groups.entries]
        part, claims = _owner.claim(options["claims"], owner, names, options["missing"])
        told = {"revoked": result.get("revoked", []), "interval": result.get("interval", 0)}
        told["deployment"] = _program.deployment(options)
        claimed = {**result, "claims": claims, "part": {**part, **told}}
        if options["claims"]:
            # An earlier inclusion of this run has told how all is; what it removes at the end is still there.
            return {**claimed, "status": ""}
        others = [one for one in result.get("owners", []) if one != owner]
        for sentence in _owner.former_plays(self._task, self._loader, others):
            self._display.warning(sentence)
        return claimed

    def _call(self, wanted: dict[str, t.Any], options: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        arguments = {name: options[name] for name in ("parts", "os_family", "root", "program")}
        result: dict[str, t.Any] = self._execute_module(
            module_args={**arguments, "wanted": wanted}, task_vars=task_vars
        )
        # The password of a proxy may be in it.
        result.pop("invocation", None)
        return result

    def _host_faults(
        self, groups: _groups.Groups, options: dict[str, t.Any], owner: str, task_vars: t.Any
    ) -> list[str]:
        """What ``certificate_set`` has against those certificates whose files are there; it is in check mode, too."""
        entries = groups.entries
        if not options["remote_source"]:
            sources = _sources.Sources(self._find_needle, self._loader.get_text_file_contents)
            entries = sources.complete_all(entries, options["source"])[0]
        given = ("private_key_content", "private_key_path")
        entries = [one for one in entries if options["source"] or any(one.get(key) for key in given)]
        if not entries:
            return []
        arguments = {
            "certificates": entries,
            "found": list(groups.found),
            "source": options["source"],
            "remote_source": options["remote_source"],
            "service_settings": _groups.service_settings(options["services"]),
            "options": options["options"],
            "part": {"owner": owner, "number": 0, "question": True},
            "fetch_from": "nowhere",
            "fail_on_held_back": False,
            "path": options["root"],
            "state_path": options["state_path"],
        }
        result = self._execute_module("certops.ocsp.certificate_set", module_args=arguments, task_vars=task_vars)
        return [found["message"] for found in result.get("findings", ())]

    def _renderer(self, options: dict[str, t.Any], task_vars: t.Any) -> _program.Render:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        # Only what the templates name: the lookup copies all that it gets, each time, which for a host can be a lot.
        named = {name: task_vars[name] for name in _program.HOST_VARIABLES if name in (task_vars or {})}
        variables = {**self._templar.template(named), **_program.template_variables(options)}

        def render(name: str) -> str:
            return str(lookup.run([str(_program.ROLE / "templates" / name)], variables=variables)[0])

        return render


def _variable_of(fault: str) -> str:
    """What begins with the place of an option, or is what Ansible says of one, in the names of the role's variables.

    Each variable with groups is one entry of a list.
    """
    plain = re.sub(r"^groups\[\d+\]", "certificates", fault)
    return re.sub(r"^(argument '|value of |Elements value for option '|)", r"\1ocsp_stapling_", plain)


def _kind_faults(name: str, option: t.Mapping[str, t.Any], value: t.Any, variables: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with the kind of a value, in the name of the variable that it came from.

    A list with the groups has one entry for each variable with groups, in the order of their names.
    """
    if name != "groups" or not isinstance(value, list):
        limits = RUN_LIMITS.get(name)
        problem = _kinds.problem({**option, **({"limits": limits} if limits else {})}, value)
        return [f"{_variable_of(name)} {problem}"] if problem else []
    named = sorted(filter(_groups.is_variable, variables))
    if len(named) != len(value):
        named = [_variable_of(f"groups[{number}]") for number in range(len(value))]
    problems = [(one, _kinds.problem({"type": "dict"}, group)) for one, group in zip(named, value)]
    return [f"{one} {problem}" for one, problem in problems if problem]


def _endpoint_faults(
    options: dict[str, t.Any], groups: _groups.Groups, wrong: t.Mapping[str, t.Sequence[str]]
) -> list[str]:
    """What is wrong with endpoints. Where it is not known which services there are, nothing can be said of them."""
    if not options["endpoints"] or {"groups", "services"} & wrong.keys():
        return []
    used = {service for entry in groups.entries for service in entry["services"]}
    return _groups.read_endpoints(options["endpoints"], {*options["services"], *used})


def _refuse(faults: t.Sequence[str]) -> None:
    if faults:
        raise AnsibleActionFail(refusal(faults))
