# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of certificates in a run that may be too short for all, so that no user keeps those of others waiting."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import typing as t

from ocsp.store import tenants

from .config import Entry


def in_turn(entries: t.Sequence[Entry]) -> t.List[Entry]:
    """Those of each user, and of each folder that others can write to, take turns, and are else in their order.

    The sandbox of ``refresh`` hides which user is which, so that only the folders tell there.
    """
    folder_of = functools.lru_cache(maxsize=None)(_open_folder)
    turns = _take_turns(entries, lambda entry: folder_of(_folder_of(entry)))
    return _take_turns(turns, lambda entry: _owner_of(entry, folder_of(_folder_of(entry))))


def _take_turns(entries: t.Sequence[Entry], group_of: t.Callable[[Entry], t.Any]) -> t.List[Entry]:
    """One of each group after another, each group in its order."""
    counts: t.Dict[t.Any, int] = {}
    rounds = []
    for entry in entries:
        group = group_of(entry)
        counts[group] = counts.get(group, 0) + 1
        rounds.append(counts[group])
    order = sorted(range(len(entries)), key=rounds.__getitem__)
    return [entries[index] for index in order]


def _folder_of(entry: Entry) -> str:
    return os.path.dirname(str(entry.values.get("certificate_path") or ""))


def _open_folder(folder: str) -> str:
    """The first folder on the way to one that others than root can write to, who can make any number below it."""
    parts = folder.split("/")
    for number in range(1, len(parts)):
        above = "/".join(parts[: number + 1])
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(above)
            # In one with the sticky bit, as /tmp, each has folders of its own.
            if tenants.writer(status) is not None and not status.st_mode & stat.S_ISVTX:
                return above
    return folder


def _owner_of(entry: Entry, folder: str) -> t.Optional[int]:
    """Whose a certificate is: the user's who alone can write to ``folder``, who may give files to any subordinate user.

    Else it is the owner's of the file, or None where that cannot be told.
    """
    try:
        user = tenants.writer(os.stat(folder))
        if user is not None and user != tenants.SEVERAL:
            return user
        return os.stat(str(entry.values.get("certificate_path") or "")).st_uid
    except (OSError, ValueError):
        return None
