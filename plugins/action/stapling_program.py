# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work out on the controller what the program should consist of on a host, and have the module compare or install."""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible_collections.certops.ocsp.plugins.module_utils import _kinds
from ansible_collections.certops.ocsp.plugins.module_utils._program import ACCOUNT, PROGRAM
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, Refusal, findings_of, refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import RUN_LIMITS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import NAMES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import bounded
from ansible_collections.certops.ocsp.plugins.modules.stapling_program import argument_spec
from ansible_collections.certops.ocsp.plugins.plugin_utils import _groups, _guard, _owner, _program, _sources

_MOST_WARNINGS = 5


class _Searched(t.NamedTuple):
    """What is in the folders that were searched, why they cannot be, and the result of a module that failed.

    ``kept`` are the names of certificates whose folder or files are not there now by the will of another user, and
    ``of_users`` is whether there are folders that others can empty.
    """

    found: t.Sequence[_groups.Entry] = ()
    faults: t.Sequence[Fault] = ()
    failure: dict[str, t.Any] | None = None
    kept: t.Sequence[str] = ()
    of_users: bool = False


class ActionModule(ActionBase):
    """The controller's side of the module of the same name."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Check all options at once, and ask the host one question.

        The result says whose certificates these are, for ``certificate_set``, also where it failed.
        """
        super().run(tmp, task_vars)
        with _guard.without_secrets(self._task.args, _variable_of) as shown:
            options, faults = self._read_options(task_vars or {})
            owner = _owner.owner_of(self._task, options["owner"])
            try:
                return self._answer(options, faults, owner, task_vars)
            except Refusal as error:
                found = [{key: shown(value) for key, value in one.items()} for one in findings_of(error)]
                failure = {"failed": True, "msg": shown(error.message), "findings": found}
            except AnsibleActionFail as error:
                failure = {"failed": True, "msg": shown(error.message)}
            # An owner that is refused for what it shows is in no result either.
            return _failed(failure, options["claims"], owner if shown(owner) == owner else "")

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
        if "groups" in faults and isinstance(self._task.args["groups"], list):
            # Something may be wrong with the groups of other variables as well.
            given["groups"] = [one for one in self._task.args["groups"] if not _kinds.problem({"type": "dict"}, one)]
        result = ArgumentSpecValidator(spec).validate(given)
        if result.error_messages:
            raise AnsibleActionFail(refusal([*map(_variable_of, result.error_messages)]))
        return {**given, **result.validated_parameters}, faults

    def _answer(
        self, options: dict[str, t.Any], wrong: dict[str, list[str]], owner: str, task_vars: t.Any
    ) -> dict[str, t.Any]:
        """``wrong`` are the options that are not of their kind, each with what is to be said of it."""
        remote, asking = options["remote_source"], bool(self._task.check_mode)
        # Without knowing where files are, nothing can be said of folders.
        lost = _unnamed(_groups.read_scan(options["scan"], remote or "remote_source" in wrong))
        searchable = not lost and "remote_source" not in wrong
        searched = self._search(options, task_vars) if searchable else _Searched()
        found, unfound = list(searched.found), list(searched.faults)
        if searched.failure is not None:
            return _failed(searched.failure, options["claims"], owner)
        groups = _groups.read(options["groups"], found, remote)
        # Those of other hosts are none of what this one is told.
        given = [one["name"] for one in groups.entries]
        options["missing"] = [name for name in given if name in options["missing"]]
        groups = _groups.without(groups, options["missing"])
        options["missing"] += [name for name in searched.kept if name not in given]
        # That there are none may be the will of a user, who must not have a play fail by that.
        options["may_be_empty"] = searched.of_users
        for sentence in bounded(groups.warnings, _MOST_WARNINGS):
            self._display.warning(sentence)
        options["options"], refused = _groups.read_options(options["options"], _groups.options_reader())
        services = [f"ocsp_stapling_services: {fault}" for fault in _groups.read_services(options["services"])]
        program = _program.host_settings(options, groups.entries, wrong)
        faults = [
            *_unnamed(_program.unknown_variables(task_vars) if task_vars else []),
            *_unnamed(fault for some in wrong.values() for fault in some),
            *lost,
            *unfound,
            *groups.wrong,
            *_unnamed(f"ocsp_stapling_options: {fault}" for fault in refused),
            *_unnamed(services),
            *_unnamed(
                _owner.redescribed(options["claims"], owner, options["services"], self._place) if not services else ()
            ),
            *_unnamed(f"ocsp_stapling_endpoints: {fault}" for fault in _endpoint_faults(options, groups, wrong)),
            *_unnamed(_program.faults(options, owner)),
            *_program.renewal_faults(options, groups.entries),
        ]
        contradictions = _owner.contradictions(options["claims"], owner, program, self._place)
        if not (faults or contradictions) and asking and not remote:
            # What is missing on the controller is said before the host is touched, with all that the host finds.
            faults = _sources.Sources(self._find_needle).complete_all(groups.entries, options["source"])[1]
        if faults or contradictions:
            usable = _program.usable(options, self._defaults())
            usable.update({"options": {}} if refused else {}, **({"services": {}} if services else {}))
            if services:
                # Of a service that is described in a way that cannot be used nothing else is to be said.
                groups = groups._replace(entries=[_with_servers_alone(one) for one in groups.entries])
            known = not ({"groups", "scan", "missing"} & wrong.keys() or lost or unfound or groups.wrong)
            more = self._all_faults(groups, usable, owner, known, program, task_vars) if asking else []
            faults = [*dict.fromkeys([*faults, *more])]
            raise Refusal([*faults, *_unnamed(_beside(contradictions, faults))])
        result = {**self._ask_host(options, groups, owner, task_vars), **({"found": found} if remote else {})}
        if result.get("failed"):
            return _failed(result, options["claims"], owner)
        return self._claimed(result, options, groups, owner)

    def _search(self, options: dict[str, t.Any], task_vars: t.Any) -> _Searched:
        """Look into the folders of ``scan``."""
        if not options["remote_source"] or not options["scan"]:
            try:
                return _Searched(_groups.scanned(options["scan"]))
            except AnsibleActionFail as error:
                return _Searched(faults=_unnamed([error.message]))
        result = self._call({"scan": _groups.folders_of(options["scan"])}, options, task_vars)
        faults = _faults_in(result)
        if result.get("failed"):
            return _Searched(faults=faults, failure=None if faults else result)
        for sentence in result["unfit"]:
            self._display.warning(sentence)
        return _Searched(result["found"], kept=result["kept"], of_users=result["of_users"])

    def _ask_host(
        self, options: dict[str, t.Any], groups: _groups.Groups, owner: str, task_vars: t.Any
    ) -> dict[str, t.Any]:
        """Have the module look at the host, or change it. In check mode, refuse what cannot be deployed there."""
        asking = bool(self._task.check_mode)
        install = PROGRAM in options["parts"] and not asking
        turn, render = self._turn(options, owner), self._renderer(options, task_vars)
        wanted = _program.wanted(options, turn, groups.entries, render, complete=install)
        result = self._call(wanted, options, task_vars)
        faults = _faults_in(result)
        if asking and (faults or result.get("package") or {ACCOUNT, PROGRAM} & set(result.get("differing", ()))):
            # So that nothing is installed for certificates that cannot be deployed.
            program = _program.host_settings(options, groups.entries)
            faults += self._certificate_faults(groups, options, owner, program, task_vars)
        if faults:
            raise Refusal([*dict.fromkeys(faults)])
        return result

    @functools.cached_property
    def _place(self) -> _owner.Place:
        """Where the role is included; a loop is filled in for it."""
        return _owner.place_of(self._task, self._templar.template)

    def _turn(self, options: dict[str, t.Any], owner: str) -> dict[str, t.Any]:
        """Which inclusion of an owner this is."""
        part = _owner.claim(options["claims"], owner, {}, place=self._place)[0]
        return {key: part[key] for key in ("owner", "place", "turn")}

    def _claimed(
        self, result: dict[str, t.Any], options: dict[str, t.Any], groups: _groups.Groups, owner: str
    ) -> dict[str, t.Any]:
        """The result with the part of this owner, and with what it has claimed in this run."""
        given = {entry["name"]: entry["services"] for entry in groups.entries}
        program = _program.host_settings(options, groups.entries)
        part, claims = _owner.claim(
            options["claims"], owner, given, options["missing"], self._place, program, options["services"]
        )
        told = {"revoked": result.get("revoked", []), "interval": result.get("interval", 0)}
        told.update(deployment=_program.deployment(options), program=program)
        claimed = {**result, "claims": claims, "part": {**part, **told}}
        if options["claims"]:
            # An earlier inclusion of this run has told how all is; what it removes at the end is still there.
            return {**claimed, "status": ""}
        others = [one for one in result.get("owners", []) if one != owner]
        for sentence in _owner.former_plays(self._task, self._loader, others):
            self._display.warning(sentence)
        return claimed

    def _defaults(self) -> dict[str, t.Any]:
        return {name: option.get("default") for name, option in argument_spec().items()}

    def _all_faults(
        self,
        groups: _groups.Groups,
        options: dict[str, t.Any],
        owner: str,
        known: bool,
        program: dict[str, t.Any],
        task_vars: t.Any,
    ) -> list[Fault]:
        """What is wrong beside that which the controller knows; ``known`` is whether all certificates are.

        A host that cannot be reached has nothing to add.
        """
        faults: list[Fault] = []
        with contextlib.suppress(AnsibleConnectionFailure):
            if not _program.owner_faults(owner):
                render = self._renderer(options, task_vars)
                wanted = _program.wanted(options, self._turn(options, owner), groups.entries, render, complete=False)
                if not known:
                    # Of an owner without certificates something else would be said.
                    wanted["part"]["certificates"] = max(1, wanted["part"]["certificates"])
                faults += _faults_in(self._call({**wanted, "partial": True}, options, task_vars))
            faults += self._certificate_faults(groups, options, owner, program, task_vars)
        return faults

    def _call(self, wanted: dict[str, t.Any], options: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        arguments = {name: options[name] for name in ("parts", "os_family", "root", "program")}
        result: dict[str, t.Any] = self._execute_module(
            module_args={**arguments, "wanted": wanted}, task_vars=task_vars
        )
        # The password of a proxy may be in it.
        result.pop("invocation", None)
        return result

    def _certificate_faults(
        self,
        groups: _groups.Groups,
        options: dict[str, t.Any],
        owner: str,
        program: dict[str, t.Any],
        task_vars: t.Any,
    ) -> list[Fault]:
        """What is wrong with files, and what ``certificate_set`` has against those certificates whose files are there.

        It is in check mode, too. ``program`` is what is set for the whole host.
        """
        entries = [one for one in groups.entries if one["name"] not in groups.astray]
        faults: list[Fault] = []
        if not options["remote_source"]:
            sources = _sources.Sources(self._find_needle, self._loader.get_text_file_contents)
            entries, faults = sources.complete_all(entries, options["source"])
        given = ("private_key_content", "private_key_path", "renewed_by")
        entries = [one for one in entries if options["source"] or any(one.get(key) for key in given)]
        entries = [one for one in entries if one["name"] not in groups.unclear]
        if not entries:
            return faults
        arguments = {
            "certificates": entries,
            "found": list(groups.found),
            "source": options["source"],
            "remote_source": options["remote_source"],
            "service_settings": _groups.service_settings(options["services"]),
            "options": options["options"],
            "part": {**self._turn(options, owner), "is_known": False, "question": True, "program": program},
            "fetch_from": "nowhere",
            "fail_on_held_back": False,
            "path": options["root"],
            "state_path": options["state_path"],
        }
        result = self._execute_module("certops.ocsp.certificate_set", module_args=arguments, task_vars=task_vars)
        return [*faults, *_faults_in(result)]

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
    return [f"{one} {problem}, such as {_groups.EXAMPLE}" for one, problem in problems if problem]


def _endpoint_faults(
    options: dict[str, t.Any], groups: _groups.Groups, wrong: t.Mapping[str, t.Sequence[str]]
) -> list[str]:
    """What is wrong with endpoints. Where it is not known which services there are, nothing can be said of them."""
    if not options["endpoints"] or {"groups", "services"} & wrong.keys():
        return []
    used = {service for entry in groups.entries for service in entry["services"]}
    return _groups.read_endpoints(options["endpoints"], {*options["services"], *used})


def _beside(contradictions: t.Mapping[str, str], faults: t.Sequence[Fault]) -> t.Iterator[str]:
    """The sentences about settings, by their variables, but for those whose value is a fault of its own."""
    for variable, sentence in contradictions.items():
        if not any(re.search(rf"\b{variable}\b", fault.message) for fault in faults):
            yield sentence


def _with_servers_alone(entry: _groups.Entry) -> _groups.Entry:
    """An entry with those of its services that need no description."""
    return {**entry, "services": [name for name in entry["services"] if name in NAMES]}


def _unnamed(sentences: t.Iterable[str]) -> list[Fault]:
    return [Fault("", sentence) for sentence in sentences]


def _faults_in(result: t.Mapping[str, t.Any]) -> list[Fault]:
    """What a module refuses, where that is why it failed."""
    return [Fault(one.get("name", ""), one["message"]) for one in result.get("findings", ())]


def _failed(result: t.Mapping[str, t.Any], claims: t.Mapping[str, t.Any], owner: str) -> dict[str, t.Any]:
    """A failure, with what the next inclusion has to know; Ansible prints no invocation with an error."""
    return {**result, "invocation": {"claims": _owner.unknown(claims, owner) if owner else claims}}
