# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a certificate is: the operator's, or that of another user, who can cause trouble with it at will.

What troubles a user has is told as theirs, and is no reason for the operator to look for faults of the host.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import typing as t

from ocsp.store import origins, sets, tenants


def of_file(path: str, fetcher: t.Optional[int]) -> t.Optional[int]:
    """The one other user than root whose a file or folder is, or is to be; None if it is the operator's.

    Either it belongs to that user, or only root and that user can have put it there. What the user of ``refresh``, or
    several users, can write to is the operator's, unless it, a link to it or its folder belongs to another user.
    """
    own = {0, fetcher, None}
    author = tenants.author(path)
    if author not in {-1, *own}:
        return author
    path = _existing(path)
    for look, place in ((os.lstat, path), (os.stat, path), (os.stat, os.path.dirname(path))):
        with contextlib.suppress(OSError, ValueError):
            owner = look(place).st_uid
            if owner not in own:
                return owner
    return None


def _existing(path: str) -> str:
    """A path, or the nearest folder above where it leads to that is there."""
    if os.path.lexists(path):
        return path
    path = tenants.where(path)
    while not os.path.exists(path) and len(path) > 1:
        path = os.path.dirname(path)
    return path


def of_set(folder: str) -> t.Optional[int]:
    """The one other user than root in whose folder the key of a set was found, or None."""
    origin = origins.of_user(sets.described(folder).origin)
    return origin.user if origin is not None and origin.user > 0 else None


@functools.lru_cache(maxsize=1000)
def name(user: t.Optional[int]) -> str:
    """A user by name, or by number where there is none; empty for None."""
    return sets.name_of(pwd.getpwuid, user) if user is not None else ""


def fetcher(responses: str) -> t.Optional[int]:
    """The user of ``refresh``, whose its folder of responses is."""
    try:
        return os.stat(responses).st_uid
    except OSError:
        return None
