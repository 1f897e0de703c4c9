# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read on the controller what certificate_set is to deploy, decrypting vaults, and call the module once."""

from __future__ import annotations

import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.certops.ocsp.plugins.module_utils import _kinds
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError, refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import RUN_LIMITS
from ansible_collections.certops.ocsp.plugins.plugin_utils import _fetching, _groups, _guard, _owner, _sources

#: What the role passes on to remove something.
_VARIABLES: dict[str, dict[str, t.Any]] = {
    "apache_port": {"type": "int", "limits": RUN_LIMITS["apache_port"]},
    "force": {"type": "bool"},
}


class ActionModule(ActionBase):
    """The controller's side of the module of the same name."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Replace what names files of the controller by what is in them."""
        super().run(tmp, task_vars)
        with _guard.without_secrets(self._task.args):
            return self._carry_out(dict(self._task.args), task_vars)

    def _carry_out(self, arguments: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        if isinstance(arguments.get("part"), t.Mapping) and arguments.get("state") == "absent":
            _check_variables(arguments)
        local = not boolean(arguments.get("remote_source") or False, strict=False)
        folder = arguments.pop("source", None) if local else None
        self._take_groups_apart(arguments, local)
        self._name_owner(arguments)
        if local and isinstance(arguments.get("certificates"), list):
            sources = _sources.Sources(self._find_needle, self._loader.get_text_file_contents)
            arguments["certificates"], faults = sources.complete_all(arguments["certificates"], folder)
            # The host has its own to add, so that all is said at once.
            arguments["faults"] = [{"name": fault.name, "sentence": fault.message} for fault in faults]
        if arguments.get("fetch_from") == "controller" and not arguments.get("faults"):
            self._fetch(arguments)
        result: dict[str, t.Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result

    def _name_owner(self, arguments: dict[str, t.Any]) -> None:
        """Say whose part it is, or leave that out where it is everybody's."""
        if not isinstance(arguments.get("part"), t.Mapping):
            return
        owner = _owner.owner_of(self._task, str(arguments["part"].get("owner") or ""))
        arguments["part"] = {**arguments["part"], "owner": owner}
        if arguments.get("state") == "absent" and owner == _owner.ALL:
            del arguments["part"]

    def _take_groups_apart(self, arguments: dict[str, t.Any], local: bool) -> None:
        """Add the certificates of the groups to those that are listed."""
        given, folders = arguments.pop("groups", None), arguments.pop("scan", None)
        missing = arguments.pop("missing", None) or ()
        if given is None and folders is None:
            return
        # What is on the host, another task has found there.
        found = _groups.scanned(folders or []) if local else folders or []
        groups = _groups.without(_groups.read(given or [], found, remote=not local), missing)
        if groups.faults:
            raise AnsibleActionFail(refusal(groups.faults))
        arguments["found"] = [*(arguments.get("found") or []), *groups.found]
        arguments["service_settings"] = _groups.service_settings(arguments.get("service_settings") or {})
        arguments["certificates"] = [*(arguments.get("certificates") or []), *groups.entries]

    def _fetch(self, arguments: dict[str, t.Any]) -> None:
        """Add a response, or why there is none, to each certificate."""
        cache = os.path.expanduser(str(arguments.get("controller_cache") or _fetching.CACHE))
        wanted, reader = {}, _groups.options_reader()
        for one in arguments.get("certificates") or []:
            content = _sources.certificates_of(one)
            if content and boolean(one.get("staple", arguments.get("staple", True)), strict=False):
                options = {**(arguments.get("options") or {}), **(one.get("options") or {})}
                options.update({"responder_urls": one["responder_urls"]} if one.get("responder_urls") else {})
                wanted[one["name"]] = {**_groups.read_options(options, reader)[0], "certificate_content": content}
        try:
            workers = int(arguments.get("workers") or 16)
            fetcher = _fetching.Fetcher(cache, constants.DEFAULT_LOCAL_TMP, self._task.check_mode, workers)
            answers = fetcher.fetch(wanted)
        except OcspError as error:
            raise AnsibleActionFail(f"nothing was changed: {error.message}") from None
        except OSError as error:
            raise AnsibleActionFail(f"nothing was changed: {cache} cannot be used: {error.strerror}") from None
        for one in arguments.get("certificates") or []:
            if one.get("name") in answers:
                answer = answers[one["name"]]
                one.update(response_content=answer.response, fetch_problem=answer.problem or None)
                one.update(fetch_problem_code=answer.code or None)


def _check_variables(arguments: dict[str, t.Any]) -> None:
    """Refuse variables of the role that are not of their kind, as ``stapling_program`` does for all others."""
    given = {"owner": arguments["part"].get("owner"), **{name: arguments.get(name) for name in _VARIABLES}}
    kinds: dict[str, dict[str, t.Any]] = {"owner": {"type": "str"}, **_VARIABLES}
    problems = {name: _kinds.problem(kinds[name], value) for name, value in given.items() if value is not None}
    faults = [f"ocsp_stapling_{name} {problem}" for name, problem in problems.items() if problem]
    if faults:
        raise AnsibleActionFail(refusal(faults))
