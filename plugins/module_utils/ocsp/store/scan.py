# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates found below a folder by the names of their files: for the role as for the program on the host."""

from __future__ import annotations

import errno
import os
import re
import typing as t

from ..errors import InputError
from ..text import clean
from . import reading, tenants

#: What the files of a domain are called, where nothing else is said.
MASKS = {
    "private_key": "{domain}.key",
    "certificate": "{domain}.pem",
    "chain": "{domain}-chain.pem",
    "root": "{domain}-rootchain.pem",
    "response": "{domain}.ocsp-resp",
}
_DOMAIN = "{domain}"
_LOOK = 64 * 1024
#: What the names of domains and folders are made of, as they come into messages, metrics and names of certificates.
_ORDINARY = re.compile(r"[\w.*@+~=, /-]{1,200}")

Settings = t.Mapping[str, t.Any]


class Found(t.NamedTuple):
    """The files of one domain, by the keys of ``MASKS``, in the folder ``parent``. ``inside`` is that folder as seen
    from the one that was searched, or an empty string. Where nothing lies the path is that where it should.
    """

    domain: str
    parent: str
    inside: str
    paths: t.Dict[str, str]

    @property
    def problem(self) -> str:
        """Why it is not for use: whoever may write into the folder gave it an odd name. Empty if it is."""
        if _ORDINARY.fullmatch(self.name):
            return ""
        path = clean(self.paths["certificate"], 200)
        return f"{path} is not looked at, as its name is odd or longer than 200 characters; rename or remove it"

    @property
    def name(self) -> str:
        """The domain, with the folders between."""
        return os.path.join(self.inside, self.domain)


def is_mask(text: str) -> bool:
    """Whether a text is a file name with one {domain} in it."""
    return text.count(_DOMAIN) == 1 and "/" not in text and "\0" not in text


def find(settings: Settings, lead: str, problems: t.Optional[t.List[str]] = None) -> t.Iterator[Found]:
    """The domains of which there is a ``lead``, one of the keys of ``MASKS``, in the order of folders and names.

    ``settings`` are a ``folder``, maybe ``recursive``, and any masks. A file that the mask of something
    else fits as well is no lead: ``example.com-chain.pem`` is the chain of one domain and not a certificate.

    Folders that cannot be read are added to ``problems``, each as a sentence. Without these they raise InputError.
    """

    def note(error: OSError) -> None:
        if problems is None:
            raise InputError(_folder_problem(error))
        problems.append(_folder_problem(error))

    masks = {kind: settings.get(kind) or mask for kind, mask in MASKS.items()}
    pattern = _pattern(masks[lead])
    others = [_pattern(mask) for kind, mask in masks.items() if kind not in (lead, "private_key", "certificate")]
    for parent, folders, names in os.walk(settings["folder"], onerror=note):
        # Hidden ones belong to programs, such as the account keys of the role acme_certificates.
        folders[:] = sorted(one for one in folders if one[0] != ".") if settings.get("recursive") else []
        for name in sorted(names):
            match = pattern.fullmatch(name)
            if match and not any(other.fullmatch(name) for other in others) and _holds(lead, parent, name):
                domain = match.group(1)
                paths = {kind: os.path.join(parent, mask.replace(_DOMAIN, domain)) for kind, mask in masks.items()}
                inside = os.path.relpath(parent, settings["folder"])
                yield Found(domain, parent, "" if inside == "." else inside, paths)


def groups(folders: t.Iterable[Settings]) -> t.List[t.Dict[str, t.Any]]:
    """Groups as the role ocsp_stapling has them, without a title: what is said of each folder, and its ``domains``."""
    return [{**folder, "domains": domains(folder)} for folder in folders]


def domains(settings: Settings) -> t.List[t.Dict[str, str]]:
    """The domains of a folder as the role ocsp_stapling lists them: each private key makes one.

    Files whose masks are not set are looked for beside it under all names that they may have.
    """
    listed = []
    for found in find(settings, "private_key"):
        given = {kind: found.paths[kind] for kind in MASKS if settings.get(kind) and os.path.exists(found.paths[kind])}
        if given:
            given["private_key"] = found.paths["private_key"]
        listed.append({"name": found.domain, "source": found.parent, **given})
    return listed


def _folder_problem(error: OSError) -> str:
    folder, user = error.filename, _user()
    if error.errno == errno.ENOENT:
        return f"the folder {folder} cannot be searched: there is none for the user {user}; create or correct it"
    if error.errno == errno.ENOTDIR:
        return f"{folder} cannot be searched: it is not a folder; give the folder that it is in"
    remedy = ""
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = f"; let this user read it and enter those above it, for example with 'setfacl -m u:{user}:rx {folder}'"
    reason = reading.reason_of(error)
    return f"the folder {folder} cannot be searched by the user {user}: {reason}{remedy}"


def _user() -> str:
    """The user whose permissions count, by name where there is one."""
    import pwd  # pylint: disable=import-outside-toplevel  # for an error alone

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _pattern(mask: str) -> t.Pattern[str]:
    before, after = mask.split(_DOMAIN)
    return re.compile(f"{re.escape(before)}(.+){re.escape(after)}", re.DOTALL)


def _holds(lead: str, parent: str, name: str) -> bool:
    """Whether a file is worth a look: keys and parameters are called .pem as well."""
    if lead != "certificate":
        return True
    path = os.path.join(parent, name)
    try:
        data = tenants.read_file(path, path, _LOOK)
    except InputError:
        data = None
    # Unreadable files are reported where they are used.
    return data is None or b"-----BEGIN CERTIFICATE-----" in data
