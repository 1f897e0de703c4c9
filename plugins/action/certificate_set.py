# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read on the controller what certificate_set is to deploy, decrypting vaults, and call the module once."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.certificate import load_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.sets import SOURCE_SUFFIXES
from ansible_collections.certops.ocsp.plugins.plugin_utils import _fetching, _groups

_PARTS = tuple(SOURCE_SUFFIXES)


class ActionModule(ActionBase):
    """The controller's side of the module of the same name."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Replace what names files of the controller by what is in them."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        local = not boolean(arguments.get("remote_source") or False, strict=False)
        folder = arguments.pop("source", None) if local else None
        self._take_groups_apart(arguments, local)
        if isinstance(arguments.get("certificates"), list):
            arguments["certificates"] = [
                self._complete(one, folder, local) if isinstance(one, dict) else one
                for one in arguments["certificates"]
            ]
        if arguments.get("fetch_from") == "controller":
            self._fetch(arguments)
        result: dict[str, t.Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result

    def _take_groups_apart(self, arguments: dict[str, t.Any], local: bool) -> None:
        """Add the certificates of the groups to those that are listed."""
        given, scan = arguments.pop("groups", None), arguments.pop("scan", None)
        if given is None and scan is None:
            return
        # What is on the host, another task has found there.
        found = _groups.find(scan or []) if local else scan or []
        groups = _groups.read(given or {}, found, remote=not local)
        if groups.faults:
            raise AnsibleActionFail(f"nothing was changed: {'; '.join(groups.faults)}")
        arguments["certificates"] = [*(arguments.get("certificates") or []), *groups.entries]

    def _fetch(self, arguments: dict[str, t.Any]) -> None:
        """Add a response, or why there is none, to each certificate."""
        cache = os.path.expanduser(str(arguments.get("controller_cache") or "~/.cache/ocsp-stapling"))
        wanted = {}
        for one in arguments.get("certificates") or []:
            content = _certificates_of(one)
            if content and boolean(one.get("staple", arguments.get("staple", True)), strict=False):
                options = {**(arguments.get("options") or {}), **(one.get("options") or {})}
                options.update({"responder_urls": one["responder_urls"]} if one.get("responder_urls") else {})
                wanted[one["name"]] = {**_groups.read_options(options)[0], "certificate_content": content}
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
            return str(self._find_needle(kind, str(path)))
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


def _certificates_of(one: dict[str, t.Any]) -> str:
    """All certificates of an entry as PEM: nothing else that lies beside them goes to a responder or into a file."""
    found: list[str] = []
    for part in ("certificate", "chain", "root"):
        content = one.get(f"{part}_content")
        with contextlib.suppress(OcspError):  # the module says what is wrong
            loaded = load_certificates(content.encode("utf-8", "surrogateescape"), part) if content else []
            found += [material.to_pem(certificate).decode("ascii") for certificate in loaded]
    return "".join(found)
