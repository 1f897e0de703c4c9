# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the role acme_certificates keeps on the controller. Folders have mode 0700, files 0600.

NAME.key, NAME.pem, NAME-chain.pem, NAME-fullchain.pem, NAME-rootchain.pem
                                   links to the set in use
.acme/sets/NAME/ID/                key.pem, cert.pem, chain.pem, fullchain.pem, rootchain.pem
.acme/sets/NAME/current            a link to the set in use, switched by one rename
.acme/pending/NAME/                key.pem, request.pem and order.json of an order that was begun
.acme/state/NAME.json              directory and profile that the set in use is from, and when sets were obtained
.acme/HOST/account.key, account.json
                                   the account with the CA of that host
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import typing as t
from datetime import datetime
from urllib.parse import urlsplit

#: The files of a set, and what is put after the name of the certificate for the link to each.
SUFFIXES = {
    "key.pem": ".key",
    "cert.pem": ".pem",
    "chain.pem": "-chain.pem",
    "fullchain.pem": "-fullchain.pem",
    "rootchain.pem": "-rootchain.pem",
}
#: How many sets of a certificate stay, with the one in use.
KEEP = 3

#: Octets of the largest file that is read: a note of an order has what the CA answered, which is bounded.
_LARGEST = 16 * 1024 * 1024

_CURRENT = "current"
_ADOPTED = "adopted"

Values = dict[str, t.Any]

#: What the values of notes are; one that is something else counts as missing. The challenges of an order are as the CA
#: gave them, and judged where they are used.
_OF_ACCOUNTS = {"uri": str}
_OF_STATES = {"directory": str, "profile": str, "error": str, "obtained": list}
_OF_OBTAINED = {"at": str, "directory": str, "names": list, "order": str}
_OF_ORDERS = {"uri": str, "status": str, "agreed": dict, "made": str, "set": str, "refused": str}


class Folder:
    """The folder of the role for one ACME directory. Its methods raise OSError with the path of a file."""

    def __init__(self, path: str, directory: str) -> None:
        self.path, self.directory = path, directory
        self._home = os.path.join(path, ".acme")
        self.account = os.path.join(self._home, re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(directory).netloc))

    # The account

    @property
    def account_key(self) -> str:
        return os.path.join(self.account, "account.key")

    @property
    def account_note(self) -> str:
        return os.path.join(self.account, "account.json")

    def account_uri(self) -> str:
        """The URI of the account that is known, or an empty string."""
        return str(_load(self.account_note, _OF_ACCOUNTS).get("uri") or "")

    def note_account(self, uri: str, directory: str) -> None:
        if self.account_uri() != uri:
            self.write(self.account_note, _dump({"uri": uri, "directory": directory}))

    # Certificates

    def flat(self, name: str, file: str) -> str:
        """The path by which ``ocsp_stapling`` finds a file of a certificate."""
        return os.path.join(self.path, name + SUFFIXES[file])

    def certificate(self, name: str) -> str:
        """The certificate in place with its chain, or where it would be."""
        paths = [self.flat(name, "fullchain.pem"), self.flat(name, "cert.pem")]
        return next((path for path in paths if os.path.exists(path)), paths[0])

    def has(self, name: str) -> bool:
        """Whether there is a certificate that can be deployed."""
        return os.path.exists(self.certificate(name)) and os.path.exists(self.flat(name, "key.pem"))

    def current(self, name: str, file: str) -> bytes | None:
        """The content of a file of the set in use, or None."""
        return read(os.path.join(self._sets(name), _CURRENT, file))

    def install(self, name: str, content: t.Mapping[str, bytes], identifier: str) -> None:
        """Put a complete set into use: written beside the others first, then switched by one rename."""
        self._adopt(name)
        self._write_set(name, identifier, content)
        _point(os.path.join(self._sets(name), _CURRENT), identifier)
        self._link(name)
        self._prune(name)

    def _sets(self, name: str) -> str:
        return os.path.join(self._home, "sets", name)

    def _write_set(self, name: str, identifier: str, content: t.Mapping[str, bytes]) -> None:
        """Write a set that nothing leads to yet. The one in use is never touched."""
        if self._is_current(name, identifier):
            return
        final = os.path.join(self._sets(name), identifier)
        staged = f"{final}.new"
        for path in (staged, final):
            shutil.rmtree(path, ignore_errors=True)
        for file, data in content.items():
            self.write(os.path.join(staged, file), data)
        os.rename(staged, final)
        _sync(self._sets(name))

    def _is_current(self, name: str, identifier: str) -> bool:
        with contextlib.suppress(OSError):
            return os.readlink(os.path.join(self._sets(name), _CURRENT)) == identifier
        return False

    def _adopt(self, name: str) -> None:
        """Turn files that somebody put there into a set, so that they, too, are replaced all at once."""
        flat = {file: self.flat(name, file) for file in SUFFIXES}
        plain = {file: path for file, path in flat.items() if os.path.isfile(path) and not os.path.islink(path)}
        if not plain:
            return
        content = {file: read(path) or b"" for file, path in flat.items() if os.path.isfile(path)}
        identifier = f"{_ADOPTED}-again" if self._is_current(name, _ADOPTED) else _ADOPTED
        self._write_set(name, identifier, content)
        _point(os.path.join(self._sets(name), _CURRENT), identifier)
        for file, path in plain.items():
            _point(path, self._target(name, file))

    def _target(self, name: str, file: str) -> str:
        return os.path.join(".acme", "sets", name, _CURRENT, file)

    def _link(self, name: str) -> None:
        """Have a link for each file of the set in use, and none that leads nowhere."""
        for file in SUFFIXES:
            path, there = self.flat(name, file), self.current(name, file) is not None
            if there and not os.path.islink(path):
                _point(path, self._target(name, file))
            elif not there and os.path.islink(path):
                os.unlink(path)

    def _is_linked(self, name: str) -> bool:
        """Whether ``_link`` has nothing left to do, which a killed run may not have come to."""
        current = os.path.join(self._sets(name), _CURRENT)
        return all(
            os.path.islink(self.flat(name, file)) == os.path.exists(os.path.join(current, file)) for file in SUFFIXES
        )

    def _prune(self, name: str) -> None:
        folder = self._sets(name)
        found = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        # By the time when they were obtained, after what was there before that.
        sets = sorted(found, key=lambda one: (not one.startswith(_ADOPTED), one))
        others = [one for one in sets if not self._is_current(name, one)]
        for one in others[: max(0, len(others) - KEEP + 1)]:
            shutil.rmtree(os.path.join(folder, one), ignore_errors=True)

    # What is known of each

    def state(self, name: str) -> Values:
        found = _load(self._state_path(name), _OF_STATES)
        if "obtained" in found:
            found["obtained"] = [one for one in found["obtained"] if _is_complete(one, _OF_OBTAINED)]
        return found

    def states(self) -> dict[str, Values]:
        """All that is known, by certificate, also of those that are no longer wanted; not of what cannot be read."""
        try:
            files = sorted(os.listdir(os.path.join(self._home, "state")))
        except FileNotFoundError:
            return {}
        found = {}
        for name in (file[: -len(".json")] for file in files if file.endswith(".json")):
            with contextlib.suppress(OSError):  # it costs its own certificate alone
                found[name] = self.state(name)
        return found

    def unreadable(self, name: str) -> str:
        """Why what is known of a certificate cannot be read, as a sentence, or an empty string."""
        try:
            self.state(name), self.order(name)
        except OSError as error:
            return f"{error.filename} cannot be used: {error.strerror}"
        return ""

    def note(self, name: str, **values: t.Any) -> None:
        self.write(self._state_path(name), _dump({**self.state(name), **values}))

    def _state_path(self, name: str) -> str:
        return os.path.join(self._home, "state", f"{name}.json")

    # Orders that were begun

    def pending_path(self, name: str, file: str = "") -> str:
        return os.path.join(self._home, "pending", name, file) if file else os.path.join(self._home, "pending", name)

    def pending(self, name: str, file: str) -> bytes | None:
        return read(self.pending_path(name, file))

    def order(self, name: str) -> Values:
        """What is known of an order that was begun; empty without one."""
        return _load(self.pending_path(name, "order.json"), _OF_ORDERS)

    def note_order(self, name: str, **values: t.Any) -> None:
        self.write(self.pending_path(name, "order.json"), _dump({**self.order(name), **values}))

    def is_done(self, name: str) -> bool:
        """Whether what was ordered is in use already, so that only traces are left of a run that was killed."""
        identifier = self.order(name).get("set")
        return isinstance(identifier, str) and self._is_current(name, identifier) and self._is_linked(name)

    def forget_order(self, name: str) -> None:
        shutil.rmtree(self.pending_path(name), ignore_errors=True)

    # Files

    def keys(self) -> list[str]:
        """All private keys that the role wrote: of each account, of each set and of each order that was begun."""
        places = (("*", "account.key"), ("sets", "*", "*", "key.pem"), ("pending", "*", "key.pem"))
        found = [path for place in places for path in glob.glob(os.path.join(glob.escape(self._home), *place))]
        # Where links lead is found by itself, or is not the role's.
        return sorted(path for path in found if not os.path.islink(path) and not os.path.islink(os.path.dirname(path)))

    def encrypt_keys(
        self, encrypt: t.Callable[[bytes], bytes], is_clear: t.Callable[[bytes], bool], check: bool = False
    ) -> tuple[list[str], list[str]]:
        """Encrypt those keys that are in the clear, each by one rename; with ``check`` only find them.

        Returns their paths, and a sentence about each for which that is not possible.
        """
        encrypted, problems = [], []
        for path in self.keys():
            try:
                key = read(path) or b""
                if is_clear(key):
                    if not check:
                        self.write(path, encrypt(key))
                    encrypted.append(path)
            except OSError as error:
                problems.append(f"the private key {path} could not be encrypted: {error.strerror}")
        return encrypted, problems

    def write(self, path: str, content: bytes) -> None:
        """Write a file that no other user can open, atomically and synced to disk."""
        folder = os.path.dirname(path)
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        _make_private(folder)
        temporary = f"{path}.tmp"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with _naming(path), open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(folder)


@contextlib.contextmanager
def _naming(path: str) -> t.Iterator[None]:
    """Have errors say which file they are about: those of a descriptor do not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def read(path: str) -> bytes | None:
    """The content of a file, or None where there is none. Raises OSError also for what is no file, or far too large."""
    try:
        # A FIFO in the place of a file must not hang the play.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        with _naming(path), open(descriptor, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST // 1024**2} MiB", path)
    return content


def set_identifier(not_before: datetime, der: bytes) -> str:
    """The name of the set of a certificate; names sort by the beginning of its life.

    A CA chooses serial numbers, and may choose one twice.
    """
    return f"{not_before:%Y%m%dT%H%M%SZ}-{hashlib.sha256(der).hexdigest()[:32]}"


def _make_private(folder: str) -> None:
    """Make a folder and those above it, each with mode 0700."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        os.mkdir(one, 0o700)


def _point(link: str, target: str) -> None:
    """Make a link, or have it lead elsewhere, by one rename."""
    _make_private(os.path.dirname(link))
    temporary = f"{link}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, link)
    _sync(os.path.dirname(link))


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _naming(folder):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(path: str, kinds: t.Mapping[str, type]) -> Values:
    """The JSON object of a file without what is of a wrong type; what is not there or damaged is empty.

    Raises OSError for what cannot be read.
    """
    try:
        found = json.loads(read(path) or b"{}")
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; correct that, or remove it", path) from None
    except (ValueError, RecursionError):
        return {}
    found = found if isinstance(found, dict) else {}
    return {key: value for key, value in found.items() if isinstance(value, kinds.get(key, object))}


def _is_complete(values: t.Any, kinds: t.Mapping[str, type]) -> bool:
    return isinstance(values, dict) and all(isinstance(values.get(key), kind) for key, kind in kinds.items())


def _dump(values: Values) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()
