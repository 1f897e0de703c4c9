# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read on the controller what certificate_set is to deploy, decrypting vaults, and call the module once."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

_PARTS = ("private_key", "certificate", "chain", "root")
#: What is looked for in a folder; of the two for a certificate, the first that is there counts.
_SUFFIXES = {
    "private_key": (".key",),
    "certificate": (".pem", "-fullchain.pem"),
    "chain": ("-chain.pem", "-fullchain.pem"),
    "root": ("-rootchain.pem",),
}


class ActionModule(ActionBase):
    """The controller's side of the module of the same name."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Replace what names files of the controller by what is in them."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        local = not boolean(arguments.get("remote_source") or False, strict=False)
        folder = arguments.pop("source", None) if local else None
        if isinstance(arguments.get("certificates"), list):
            arguments["certificates"] = [
                self._complete(one, folder, local) if isinstance(one, dict) else one
                for one in arguments["certificates"]
            ]
        return self._execute_module(module_args=arguments, task_vars=task_vars)

    def _complete(self, given: dict[str, t.Any], folder: str | None, local: bool) -> dict[str, t.Any]:
        one = dict(given)
        if local:
            folder = one.pop("source", None) or folder
        named = any(one.get(f"{part}_{kind}") for part in _PARTS for kind in ("path", "content", "src"))
        if folder is not None and not named and one.get("name"):
            one.update(self._find(str(one["name"]), self._folder(folder)))
        for part in _PARTS:
            source = one.pop(f"{part}_src", None)
            if source:
                one[f"{part}_content"] = self._read(self._path(source))
        return one

    def _find(self, name: str, folder: str) -> dict[str, str]:
        """The files of a certificate in a folder."""
        found = {}
        for part, suffixes in _SUFFIXES.items():
            for suffix in suffixes:
                path = os.path.join(folder, name + suffix)
                if os.path.isfile(path):
                    found[f"{part}_src"] = path
                    break
        for part in ("private_key", "certificate"):
            if f"{part}_src" not in found:
                names = " nor ".join(name + suffix for suffix in _SUFFIXES[part])
                raise AnsibleActionFail(f"{name}: there is no {part.replace('_', ' ')}: {folder} holds no {names}")
        return found

    def _folder(self, folder: str) -> str:
        return self._search("", folder)

    def _path(self, source: str) -> str:
        return self._search("files", source)

    def _search(self, kind: str, path: str) -> str:
        """A path as given, or relative to the role or playbook as Ansible looks for files."""
        try:
            return self._find_needle(kind, str(path))
        except AnsibleError as error:
            raise AnsibleActionFail(str(error)) from error

    def _read(self, path: str) -> str:
        try:
            with open(self._loader.get_real_file(path), encoding="ascii") as handle:
                return handle.read()
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleActionFail(f"{path} cannot be read as PEM: {error}") from error
