# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The folders of key, certificate and staple: staged unseen, swapped by one rename, remembered, pruned.

live/<name> -> ../sets/<name>/<id>      what servers read
sets/<name>/<id>/                       one complete set; the last ones stay
sets/<name>/.staging-<id>/              one in the making, for root alone
attempts/<name>.json                    what came of the last attempt to deploy, where that did not end well
proofs/<name>.proof                     the response that says that the live certificate is revoked
pending/<service>                       a service that may still use what was there before
replaced/<name>.json                    the staple that a newer one replaced, until services have loaded that
journal.json                            what a switch that has not ended would put back
transaction.json                        what was switched and has not been confirmed yet
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import stat
import typing as t
from datetime import datetime, timezone

from ..errors import FileError, InputError
from ..servers.server import FOLDER
from . import files, proofs, reading, users

#: What may be permitted for a private key.
KEY_MODES = 0o640

#: Names of the files of a set that hold the private key.
SECRET_FILES = ("privkey.pem", "combined.pem")
#: Where HAProxy looks for an issuer that is not in ``combined.pem``: with a staple it does not start without one.
ISSUER_FILE = "combined.pem.issuer"
#: Files of a set that come and go with the material; the staple's are not among them.
MATERIAL_FILES = (
    *("privkey.pem", "cert.pem", "chain.pem", "fullchain.pem", "rootchain.pem", "combined.pem"),
    ISSUER_FILE,
)

#: The folder of what each user of the role configured, below the root folder.
PARTS = "parts"

#: The file of a set that says what it is for.
DESCRIPTION = "set.json"

_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}", re.ASCII)
_STAGING = ".staging-"
_LARGEST_FILE = 8 * 1024 * 1024

#: What a set may be called.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
#: What the files of a certificate are called after its name. Of several that are there, the first one counts.
SOURCE_SUFFIXES = {
    "private_key": (".key",),
    "certificate": (".pem", "-fullchain.pem"),
    "chain": ("-chain.pem", "-fullchain.pem"),
    "root": ("-rootchain.pem",),
}


class Access(t.NamedTuple):
    """Who may read a private key: numeric owner and group, and the mode."""

    uid: int = 0
    gid: int = 0
    mode: int = 0o400

    @property
    def shown(self) -> str:
        """For a person: root:root 0400."""
        owner, group = name_of(pwd.getpwuid, self.uid), name_of(grp.getgrgid, self.gid)
        return f"{owner}:{group} {self.mode:04o}"


def name_of(look_up: t.Callable[[int], t.Any], number: int) -> str:
    """The name of a user (``pwd.getpwuid``) or group (``grp.getgrgid``), or its number where it has none."""
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def find_access(owner: t.Any, group: t.Any) -> t.Tuple[int, int, t.List[str]]:
    """The numbers of a user and a group of this host, given by name or number, and a sentence for each there is not."""
    uid = gid = -1
    problems = []
    try:
        uid = users.number(owner)
    except InputError as error:
        problems.append(f"the owner of the private key: {error.message}")
    try:
        gid = users.group_number(group)
    except InputError as error:
        problems.append(f"the group of the private key: {error.message}")
    return uid, gid, problems


def mode_problem(mode: int) -> str:
    """Why a private key must not have a mode, as one sentence, or an empty string."""
    if not mode & ~KEY_MODES:
        return ""
    return (
        f"the mode {mode:04o} of the private key allows more than read access for owner and group and write access "
        'for the owner; use "0400", "0440", "0600" or "0640", in quotes'
    )


class Layout(t.NamedTuple):
    """Where everything lies."""

    root: str = "/etc/ocsp-stapling"
    state: str = "/var/lib/ocsp-stapling"

    def live(self, name: str) -> str:
        """The path in the configuration of servers."""
        return os.path.join(self.root, "live", name)

    def sets(self, name: str) -> str:
        """The folder with all sets of one name."""
        return os.path.join(self.root, "sets", name)

    def folder(self, name: str, identifier: str) -> str:
        """The folder of one set."""
        return os.path.join(self.root, "sets", name, identifier)

    def pending(self, service: str) -> str:
        """The mark of a service that still has to be reloaded."""
        return os.path.join(self.state, "pending", service)

    def replaced(self, name: str) -> str:
        """What the newest staple of a name replaced, as long as services have to load that."""
        return os.path.join(self.state, "replaced", f"{name}.json")

    def attempt(self, name: str) -> str:
        """The record of the last attempt to deploy a name, where that did not end well."""
        return os.path.join(self.state, "attempts", f"{name}.json")

    def proof(self, name: str) -> str:
        """The response by which root knows that the live certificate of a name is revoked."""
        return os.path.join(self.state, "proofs", proofs.file_name(name))

    @property
    def journal(self) -> str:
        """What a switch that has not ended would put back."""
        return os.path.join(self.state, "journal.json")

    @property
    def transaction(self) -> str:
        """The record of what was switched and has not been confirmed."""
        return os.path.join(self.state, "transaction.json")


def new_id(now: datetime, fingerprint: str) -> str:
    """An identifier that sorts by time and tells certificates apart."""
    return f"{now.astimezone(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{fingerprint[:8]}"


def current_id(layout: Layout, name: str) -> t.Optional[str]:
    """The identifier of the set that is live, or None. Raises InputError for what is not a link to a set."""
    path = layout.live(name)
    try:
        target = os.readlink(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} is not a symbolic link to a set ({error.strerror}); move it out of the way") from None
    identifier = os.path.basename(target)
    if target != _link_target(name, identifier) or not _ID.fullmatch(identifier):
        raise InputError(f"{path} points to {target}, which is not a set of this name; move it out of the way")
    return identifier


def _link_target(name: str, identifier: str) -> str:
    return os.path.join("..", "sets", name, identifier)


def all_names(layout: Layout) -> t.List[str]:
    """The names that have sets."""
    return _names_in(os.path.join(layout.root, "sets"))


def identifiers(layout: Layout, name: str) -> t.List[str]:
    """The identifiers of all complete sets of a name, oldest first."""
    return [entry for entry in _names_in(layout.sets(name)) if _ID.fullmatch(entry)]


def _names_in(folder: str) -> t.List[str]:
    """The names in a folder, in their order; none where there is no folder."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(folder))
    return []


def read_set(layout: Layout, name: str, identifier: str) -> t.Dict[str, bytes]:
    """The material files of a set that are there. Raises FileError."""
    found = {}
    for file in MATERIAL_FILES:
        path = os.path.join(layout.folder(name, identifier), file)
        with contextlib.suppress(FileNotFoundError), _failing(f"cannot read {path}"), open(path, "rb") as handle:
            found[file] = handle.read(_LARGEST_FILE)
    return found


def accesses(layout: Layout, name: str, identifier: str) -> t.Dict[str, Access]:
    """Who may read the keys of a set, by the files of it that hold one and are there."""
    found = {}
    for file in SECRET_FILES:
        with contextlib.suppress(OSError):
            status = os.stat(os.path.join(layout.folder(name, identifier), file), follow_symlinks=False)
            found[file] = Access(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    return found


class Misplaced(t.NamedTuple):
    """The access to a file or folder that is not as it should be."""

    path: str
    found: Access
    wanted: Access

    @property
    def shown(self) -> str:
        """For a person, after "is"."""
        return f"{self.found.shown} and not {self.wanted.shown}"


def misplaced(path: str, mode: int = 0o644, gid: t.Optional[int] = None) -> t.Optional[Misplaced]:
    """How the access to a file or folder of ours is not as it should be; None where it is, and for links.

    Without ``gid``, its group may do no more than everybody, so that any will do.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return None
    found = Access(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    wanted = Access(os.geteuid(), found.gid if gid is None else gid, mode)
    return None if found == wanted or stat.S_ISLNK(status.st_mode) else Misplaced(path, found, wanted)


def give_access(path: str, access: Access) -> None:
    """Have a file or folder of a set for these alone; until all is done, for fewer. Raises FileError."""
    with _failing(f"cannot correct the access to {path}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, access.mode & os.fstat(descriptor).st_mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, access.uid, access.gid)
            os.fchmod(descriptor, access.mode)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _failing(what: str) -> t.Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileError(f"{what}: {error.strerror}") from None


def stage(layout: Layout, name: str, identifier: str, contents: t.Mapping[str, bytes], access: Access) -> str:
    """Write a set where only root can enter, and return its folder; ``complete`` makes it one that can go live.

    Each file has its final mode before its first byte. Raises FileError.
    """
    folder = os.path.join(layout.sets(name), _STAGING + identifier)
    try:
        os.makedirs(os.path.join(layout.root, "live"), 0o755, exist_ok=True)
        os.makedirs(layout.sets(name), 0o755, exist_ok=True)
        wrong = misplaced(layout.sets(name), 0o755)
        if wrong is not None:
            give_access(layout.sets(name), wrong.wanted)
        os.mkdir(folder, 0o700)
        for file, content in contents.items():
            secret = file in SECRET_FILES
            write_new(os.path.join(folder, file), content, access if secret else Access(os.geteuid(), -1, 0o644))
    except OSError as error:
        raise FileError(f"cannot stage the set {folder}: {error.strerror}") from None
    return folder


def write_new(path: str, content: bytes, access: Access) -> None:
    """Write a file that must not exist, unreadable to others from its first byte on. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        if os.geteuid() == 0:
            os.fchown(descriptor, access.uid, access.gid)
        os.fchmod(descriptor, access.mode)
        handle.write(content)
        handle.flush()
        os.fsync(descriptor)


def complete(layout: Layout, name: str, identifier: str) -> str:
    """Give a staged set its name and open its folder. Returns the folder. Raises FileError."""
    staging = os.path.join(layout.sets(name), _STAGING + identifier)
    folder = layout.folder(name, identifier)
    try:
        os.chmod(staging, 0o755)
        files.sync_folder(staging)
        os.rename(staging, folder)
        files.sync_folder(layout.sets(name))
    except OSError as error:
        raise FileError(f"cannot complete the set {folder}: {error.strerror}") from None
    return folder


def swap(layout: Layout, name: str, identifier: t.Optional[str]) -> None:
    """Have a set live by one rename, or none. Raises FileError; what was live is then live still."""
    path = layout.live(name)
    try:
        if identifier is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        else:
            files.switch_link(path, _link_target(name, identifier))
    except OSError as error:
        raise FileError(f"cannot switch {path} to {identifier}: {error.strerror}; it is as it was") from None
    with contextlib.suppress(FileError):  # it is done
        files.sync_folder(os.path.join(layout.root, "live"))


def clean(layout: Layout) -> None:
    """Remove what a killed run left half made, as far as that can be done. Call it under the lock only."""
    for name in _names_in(os.path.join(layout.root, "sets")):
        for entry in _names_in(layout.sets(name)):
            if entry.startswith(_STAGING):
                shutil.rmtree(os.path.join(layout.sets(name), entry), ignore_errors=True)
    live = os.path.join(layout.root, "live")
    for entry in _names_in(live):
        if entry.startswith("."):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(live, entry))
        else:
            files.remove_temporary(os.path.join(live, entry))
    ours = (os.path.join(layout.root, name) for name in (FOLDER, PARTS))
    of_state = (layout.journal, layout.pending("any"), layout.replaced("any"), layout.attempt("any"))
    for folder in (*map(os.path.dirname, of_state), *ours):
        files.remove_temporary(folder)


def discard(layout: Layout, name: str, identifier: str) -> None:
    """Remove a set that is not live, or one in the making, and the folder of a name that has no other."""
    shutil.rmtree(os.path.join(layout.sets(name), _STAGING + identifier), ignore_errors=True)
    if current_id(layout, name) != identifier:
        shutil.rmtree(layout.folder(name, identifier), ignore_errors=True)
    with contextlib.suppress(OSError):  # another set is in it
        os.rmdir(layout.sets(name))


def prune(layout: Layout, name: str, keep: int, protected: t.Container[str] = ()) -> t.List[str]:
    """Remove all but the newest ``keep`` sets; the live one and protected ones stay. Returns what was removed."""
    live = current_id(layout, name)
    others = [one for one in identifiers(layout, name) if one != live]
    room = max(0, keep - (live is not None))
    removed = [one for one in others[: max(0, len(others) - room)] if one not in protected]
    for identifier in removed:
        shutil.rmtree(layout.folder(name, identifier), ignore_errors=True)
    return removed


def remove(layout: Layout, name: str) -> None:
    """Remove all sets of a name, the link to the live one first, and what is noted of it. Raises FileError."""
    if current_id(layout, name) is not None:
        swap(layout, name, None)
    shutil.rmtree(layout.sets(name), ignore_errors=True)
    with contextlib.suppress(FileError):  # without a set, it is of no consequence
        files.remove_file(layout.attempt(name))
        files.remove_file(layout.proof(name))


def remove_record(layout: Layout) -> None:
    """Forget what was switched: it is confirmed, or gone. Raises FileError."""
    files.remove_file(layout.transaction)


def misplaced_in(layout: Layout, name: str, identifier: str, names: t.Iterable[str]) -> t.Dict[str, Misplaced]:
    """The folders of a set, and its files of these names without a key, of which the access is not as it should be.

    By the names of the files, and what to call the folders.
    """
    folder = layout.folder(name, identifier)
    found = {
        f"the folder sets/{name}": misplaced(layout.sets(name), 0o755),
        f"the folder {identifier}": misplaced(folder, 0o755),
        **{file: misplaced(os.path.join(folder, file)) for file in names if file not in SECRET_FILES},
    }
    return {what: one for what, one in found.items() if one is not None}


class Description(t.NamedTuple):
    """What a set is for: its server names, the services that use it, whether to staple, its place among others.

    ``position`` is its place in the task that deployed it, and ``came`` is larger the later that came to the host, as
    for parts; both count for what is in no part. ``source`` has the paths that it was deployed from, where these are
    of another program that renews it, and ``origin`` the folder that its key was in on this host, and the number of the
    user whose that is.
    """

    names: t.Tuple[str, ...] = ()
    services: t.Tuple[str, ...] = ()
    stapled: bool = True
    position: t.Optional[int] = None
    source: t.Optional[t.Mapping[str, str]] = None
    came: int = 0
    origin: t.Optional[t.Mapping[str, t.Any]] = None


def describe(description: Description) -> bytes:
    """The file that lies in a set to say what it is for."""
    values = description._asdict()
    for name in ("source", "came", "origin"):
        if not values[name]:
            del values[name]
    return json.dumps({"version": 1, **values}, indent=1).encode("ascii") + b"\n"


def described(folder: str) -> Description:
    """What the set in a folder is for, as far as it says so."""
    path = os.path.join(folder, DESCRIPTION)
    found: t.Any = {}
    with contextlib.suppress(InputError, ValueError):  # missing, or of unknown origin
        found = json.loads(reading.read_file(path, path, _LARGEST_FILE) or b"{}")
    found = found if isinstance(found, dict) else {}
    position, source, came = found.get("position"), found.get("source"), found.get("came")
    origin = found.get("origin")
    return Description(
        names=texts_of(found.get("names")),
        services=texts_of(found.get("services")),
        stapled=found.get("stapled") is not False,
        position=position if isinstance(position, int) else None,
        source=source if isinstance(source, dict) else None,
        came=came if isinstance(came, int) else 0,
        origin=origin if isinstance(origin, dict) else None,
    )


def texts_of(value: t.Any) -> t.Tuple[str, ...]:
    """The texts of a list that was read from JSON; none where it is something else."""
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def files_in(folder: str) -> t.List[str]:
    """The names of the files of the set in a folder."""
    return _names_in(folder)


def live_names(layout: Layout) -> t.List[str]:
    """The names that have a live set."""
    return [name for name in _names_in(os.path.join(layout.root, "live")) if not name.startswith(".")]
