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
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.sets import SOURCE_SUFFIXES

_PARTS = tuple(SOURCE_SUFFIXES)


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
        """The options of one certificate with the contents of files; their paths stay, for messages."""
        one = dict(given)
        if local:
            folder = one.pop("source", None) or folder
        given_parts = {part for part in _PARTS for kind in ("path", "content", "src") if one.get(f"{part}_{kind}")}
        if folder is not None and not given_parts & {"private_key", "certificate"} and one.get("name"):
            one.update(self._find(str(one["name"]), self._folder(folder), given_parts))
        for part in _PARTS:
            if one.get(f"{part}_src"):
                one[f"{part}_src"] = self._path(one[f"{part}_src"])
                one[f"{part}_content"] = self._read(one[f"{part}_src"])
        return one

    def _find(self, name: str, folder: str, given: t.Container[str]) -> dict[str, str]:
        """The files of a certificate in a folder, but for those that are given."""
        found = {}
        for part, suffixes in SOURCE_SUFFIXES.items():
            paths = [os.path.join(folder, name + suffix) for suffix in suffixes]
            path = next((path for path in paths if os.path.isfile(path)), None)
            if path is not None and part not in given:
                found[f"{part}_src"] = path
        for part in ("private_key", "certificate"):
            if f"{part}_src" not in found:
                names = " nor ".join(name + suffix for suffix in SOURCE_SUFFIXES[part])
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
            with open(self._loader.get_real_file(path), "rb") as handle:
                content = handle.read()
        except OSError as error:
            raise AnsibleActionFail(f"{path} cannot be read: {error}") from error
        if b"-----BEGIN " not in content:
            raise AnsibleActionFail(f"{path} holds no PEM; convert it with openssl, by -inform DER -outform PEM")
        return content.decode("latin-1")  # what is no ASCII is a comment
