# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The files of certificates on the controller: found as Ansible finds files, and decrypted if they are in a vault."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import missing_part
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import load_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import SOURCE_SUFFIXES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import join_words

_PARTS = tuple(SOURCE_SUFFIXES)
#: How many certificates are named that have the same fault.
_MOST_NAMES = 3
#: How DER begins, be it of a certificate or of a key.
_SEQUENCE = b"\x30"
#: And how PKCS#12 does: its version is 3 (RFC 7292 section 4).
_PKCS12 = re.compile(rb"\x30(\x80|\x81.|\x82..|\x83...)\x02\x01\x03", re.DOTALL)

Entry = dict[str, t.Any]


class Sources:
    """Completes the entries of ``certificate_set``.

    ``find_needle`` looks for a path below a kind of folder as an action plugin does, and ``decrypt`` returns the text
    of a file, decrypted in memory, given its path and its encoding. Without it, files in a vault stay encrypted: who
    only looks for files need not pay for that.
    """

    def __init__(
        self, find_needle: t.Callable[[str, str], str], decrypt: t.Callable[[str, str], str] | None = None
    ) -> None:
        self._find_needle = find_needle
        self._decrypt = decrypt

    def complete_all(self, entries: t.Iterable[t.Any], folder: str | None) -> tuple[list[t.Any], list[Fault]]:
        """The entries that can be used, with the contents of their files, and all that is wrong with others.

        What is wrong with several in the same way is one fault, such as a folder that is not there.
        """
        completed: list[t.Any] = []
        faults: dict[str, dict[str, None]] = {}
        for entry in entries:
            one, wrong = self.complete(entry, folder) if isinstance(entry, dict) else (entry, [])
            completed += [] if wrong else [one]
            for fault in wrong:
                faults.setdefault(fault, {})[str(entry.get("name"))] = None
        return completed, [_fault(fault, list(names)) for fault, names in faults.items()]

    def complete(self, given: Entry, folder: str | None) -> tuple[Entry, list[str]]:
        """An entry with the contents of its files, and all that is wrong with it, without its name.

        The paths stay, for messages. ``folder`` is the usual one: what is not given is looked for there by name, unless
        key and certificate are.
        """
        one, name = dict(given), str(given.get("name"))
        if one.get("renewed_by"):
            folder = one["source"] = None
        folder = one.pop("source", None) or folder
        given_parts = {part for part in _PARTS for kind in ("path", "content", "src") if one.get(f"{part}_{kind}")}
        faults: list[str] = []
        if folder is not None and not {"private_key", "certificate"} <= given_parts and one.get("name"):
            found, wrong = self._find(name, folder, given_parts)
            one.update(found)
            faults += wrong
        for part in _PARTS:
            if one.get(f"{part}_src"):
                try:
                    one[f"{part}_src"] = self._search("files", one[f"{part}_src"], part.replace("_", " "))
                    one[f"{part}_content"] = self._read(one[f"{part}_src"])
                except AnsibleActionFail as error:
                    faults.append(error.message)
        return one, faults

    def _find(self, name: str, folder: str, given: t.Container[str]) -> tuple[dict[str, str], list[str]]:
        """The files of a certificate in a folder, but for those that are given, and what is missing."""
        found, faults = {}, []
        try:
            folder = self._search("", folder, "folder")
        except AnsibleActionFail as error:
            return {}, [error.message]
        for part, suffixes in SOURCE_SUFFIXES.items():
            paths = [os.path.join(folder, name + suffix) for suffix in suffixes]
            path = next((path for path in paths if os.path.lexists(path)), None)
            if part in given:
                continue
            if path is not None:
                found[f"{part}_src"] = path
            elif part in ("private_key", "certificate"):
                faults.append(missing_part(folder, name, part))
        return found, faults

    def _search(self, kind: str, path: str, what: str) -> str:
        """A path as given, or relative to the role or playbook as Ansible looks for files."""
        try:
            return self._find_needle(kind, str(path))
        except AnsibleError:
            raise AnsibleActionFail(
                f"there is no {what} {path} on the controller; a relative path is searched for in the role and next "
                "to the playbook, and in their 'files' folders"
            ) from None

    def _read(self, path: str) -> str:
        if os.path.isdir(path):
            raise AnsibleActionFail(f"{path} is a folder; a file is expected")
        try:
            with open(path, "rb") as handle:
                content = handle.read()
        except OSError as error:
            raise AnsibleActionFail(f"{path} cannot be read: {error.strerror}") from error
        text = content.decode("latin-1")  # what is no ASCII is a comment
        encrypted = is_encrypted(content)
        if encrypted and self._decrypt is not None:
            text, encrypted = self._decrypted(path), False
        if not text.strip():
            raise AnsibleActionFail(f"{path} is empty")
        if "-----BEGIN " not in text and not encrypted:
            found, advice = "", "give a file in PEM"
            if _PKCS12.match(content):
                found, advice = ", but may be PKCS#12", "take key and certificates out of it with openssl pkcs12"
            elif content.startswith(_SEQUENCE):
                found, advice = ", but may be DER", "convert it with openssl (-inform DER -outform PEM)"
            raise AnsibleActionFail(f"{path} is not PEM{found}; {advice}")
        return text

    def _decrypted(self, path: str) -> str:
        try:
            return str(self._decrypt(path, "latin-1")) if self._decrypt else ""
        except AnsibleError as error:
            # Ansible has only this sentence to tell it from a password that is wrong.
            hint = "; give --vault-password-file or --ask-vault-pass" if "no vault secrets found" in str(error) else ""
            raise AnsibleActionFail(f"{path} cannot be decrypted: {error.message.rstrip('.')}{hint}") from None


def _fault(fault: str, names: t.Sequence[str]) -> Fault:
    if len(names) == 1:
        return Fault(names[0], f"{names[0]}: {fault}")
    return Fault("", f"{len(names)} certificates ({join_words(names, most=_MOST_NAMES)}): {fault}")


def certificates_of(one: Entry) -> str:
    """All certificates of an entry as PEM: nothing else that lies beside them goes to a responder or into a file."""
    found: list[str] = []
    for part in ("certificate", "chain", "root"):
        content = one.get(f"{part}_content")
        with contextlib.suppress(OcspError):  # the module says what is wrong
            loaded = load_certificates(content.encode("utf-8", "surrogateescape"), part) if content else []
            found += [material.to_pem(certificate).decode("ascii") for certificate in loaded]
    return "".join(found)
