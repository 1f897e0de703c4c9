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
#: How many files that may be certificates or keys are looked at, and how many folders, where other users can write.
MOST_FOUND = 1000
_MOST_ENTRIES = 100_000
#: How many folders may be in one another below the one that is searched.
MOST_LEVELS = 32
_LOOK = 64 * 1024
#: What the names of domains and folders are made of, as they come into messages, metrics and names of certificates.
_ORDINARY = re.compile(r"[\w.*@+~=, /-]{1,200}")

Settings = t.Mapping[str, t.Any]
#: Takes what cannot be used: the path of a file or folder, and a sentence.
Note = t.Callable[[str, str], None]


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
        path = _told(self.paths["certificate"])
        return f"{path} is not looked at, as its name is odd or longer than 200 characters; rename or remove it"

    @property
    def name(self) -> str:
        """The domain, with the folders between."""
        return os.path.join(self.inside, self.domain)


def is_mask(text: str) -> bool:
    """Whether a text is a file name with one {domain} in it."""
    return text.count(_DOMAIN) == 1 and "/" not in text and "\0" not in text


def find(settings: Settings, lead: str, note: t.Optional[Note] = None) -> t.Iterator[Found]:
    """The domains of which there is a ``lead``, one of the keys of ``MASKS``, in the order of folders and names.

    ``settings`` are a ``folder``, maybe ``recursive``, and any masks. A file that the mask of something
    else fits as well is no lead: ``example.com-chain.pem`` is the chain of one domain and not a certificate.

    Folders that cannot be read, or have more in them than is looked at, are told to ``note``. Without it they raise
    InputError.
    """
    search = _Search(settings["folder"], bool(settings.get("recursive")), note or _refuse)
    masks = {kind: settings.get(kind) or mask for kind, mask in MASKS.items()}
    pattern = _pattern(masks[lead])
    others = [_pattern(mask) for kind, mask in masks.items() if kind not in (lead, "private_key", "certificate")]
    for parent, names in search.names_in(pattern):
        for name in names:
            match = pattern.fullmatch(name)
            if match and not any(other.fullmatch(name) for other in others) and _holds(lead, parent, name):
                domain = match.group(1)
                paths = {kind: os.path.join(parent, mask.replace(_DOMAIN, domain)) for kind, mask in masks.items()}
                inside = os.path.relpath(parent, settings["folder"])
                yield Found(domain, parent, "" if inside == "." else inside, paths)


class _Search:
    """The way through a folder and maybe those below, within limits: other users may fill some of them.

    What is in a folder that root alone can write to is not counted. All else is, for the first folder on the way down
    that somebody else can write to, and for all below it together: whoever fills one does not keep those in others from
    being found, and does not get more by making folders.
    """

    def __init__(self, folder: str, recursive: bool, note: Note) -> None:
        self._folder = folder
        self._recursive = recursive
        self._note = note
        self._counts: t.Dict[str, t.Dict[str, int]] = {}

    def names_in(self, pattern: t.Pattern[str]) -> t.Iterator[t.Tuple[str, t.List[str]]]:
        """Each folder with the names of its files that match, in the order of names. Raises InputError; see ``find``.

        Links to folders are not followed.
        """
        # A stack of its own: os.walk of Python 3.11 and older calls itself for each level.
        left = [(self._folder, 0, "")]
        while left:
            folder, depth, counted = left.pop()
            try:
                counted = counted or (folder if _is_for_others(folder) else "")
                folders, names = self._look(folder, counted, pattern)
            except OSError as error:
                self._note(folder, _folder_problem(error))
                continue
            yield folder, names
            if folders and depth == MOST_LEVELS:
                self._note(
                    folder,
                    f"folders more than {MOST_LEVELS} levels below {self._folder} are not searched: {_told(folder)}",
                )
                continue
            below = [os.path.join(folder, name) for name in folders]
            left += [(path, depth + 1, counted) for path in reversed(below)]

    def _look(self, folder: str, counted: str, pattern: t.Pattern[str]) -> t.Tuple[t.List[str], t.List[str]]:
        """The folders in a folder, and the files whose names match. Raises OSError, and InputError; see ``find``."""
        folders: t.List[str] = []
        names: t.List[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if not self._count(counted, "entries", _MOST_ENTRIES):
                    break
                if entry.is_dir(follow_symlinks=False):
                    # Hidden ones belong to programs, such as the account keys of the role acme_certificates.
                    if self._recursive and entry.name[0] != "." and self._count(counted, "folders"):
                        folders.append(entry.name)
                # Where a link leads is asked last, since to follow one can take long.
                elif (
                    pattern.fullmatch(entry.name)
                    and self._count(counted, "files of this kind")
                    and not (entry.is_symlink() and os.path.isdir(entry.path))
                ):
                    names.append(entry.name)
        return sorted(folders), sorted(names)

    def _count(self, counted: str, kind: str, limit: int = MOST_FOUND) -> bool:
        """Whether one more may be looked at. ``counted`` is empty where nothing is counted."""
        if not counted:
            return True
        counts = self._counts.setdefault(counted, {})
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] == limit + 1:
            self._note(
                counted,
                f"the folder {_told(counted)} has more than {limit} {kind}, and users other than root can write to it, "
                "so the rest is not looked at; remove what is not needed, or search its subfolders one by one",
            )
        return counts[kind] <= limit


def _refuse(_path: str, problem: str) -> None:
    raise InputError(problem)


def _is_for_others(folder: str) -> bool:
    """Whether users other than root, and than the one who searches, can write to a folder. Raises OSError."""
    return tenants.writer(os.stat(folder)) is not None


def _told(path: str) -> str:
    """A path in a message: whoever may write into its folder chose its end."""
    return clean(path, 200)


class Unfit(t.NamedTuple):
    """What was found and cannot be deployed: the sentences about it, and the names that keys have without more."""

    problems: t.List[str]
    names: t.List[str]


def groups(folders: t.Iterable[Settings], unfit: t.Optional[Unfit] = None) -> t.List[t.Dict[str, t.Any]]:
    """Groups as the role ocsp_stapling has them, without a title: what is said of each folder, and its ``domains``."""
    return [{**folder, "domains": domains(folder, unfit)} for folder in folders]


def domains(settings: Settings, unfit: t.Optional[Unfit] = None) -> t.List[t.Dict[str, str]]:
    """The domains of a folder as the role ocsp_stapling lists them: each private key makes one.

    Files whose masks are not set are looked for beside it under all names that they may have. With ``unfit`` what
    cannot be a domain, or has no certificate, is left out and added to that.
    """
    listed = []
    note = None if unfit is None else lambda _path, problem: unfit.problems.append(problem)
    for found in find(settings, "private_key", note):
        problem = _unfit(found, settings) if unfit is not None else ""
        if unfit is not None and problem:
            unfit.problems.append(problem)
            unfit.names.append(found.domain)
            continue
        given = {kind: found.paths[kind] for kind in MASKS if settings.get(kind) and os.path.exists(found.paths[kind])}
        if given:
            given["private_key"] = found.paths["private_key"]
        listed.append({"name": found.domain, "source": found.parent, **given})
    return listed


def _unfit(found: Found, settings: Settings) -> str:
    """Why a key that was found is not deployed: other users may have put it there. Empty if it may be."""
    from . import sets  # pylint: disable=import-outside-toplevel  # the program has no use for it here

    key = _told(found.paths["private_key"])
    if not sets.NAME.fullmatch(found.domain):
        return f"{key} is not looked at, as its name is not that of a certificate; rename or remove it"
    if found.inside and not _ORDINARY.fullmatch(found.inside):
        # Ansible could not return it as JSON, or would take it for the name of a variable of the environment.
        return f"{key} is not looked at, as the name of its folder is odd or longer than 200 characters; rename it"
    named = (
        [found.paths["certificate"]]
        if settings.get("certificate")
        else [os.path.join(found.parent, found.domain + suffix) for suffix in sets.SOURCE_SUFFIXES["certificate"]]
    )
    if not any(os.path.lexists(path) and _holds("certificate", *os.path.split(path)) for path in named):
        return f"{key} is not looked at, as no file beside it has its certificate in PEM; add it, or remove the key"
    return ""


def _folder_problem(error: OSError) -> str:
    folder, user = _told(str(error.filename)), _user()
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
