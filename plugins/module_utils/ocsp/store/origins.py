# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whose a key is that lies on this host: recorded with the set that is made of it, and compared with the next one."""

from __future__ import annotations

import os
import pwd
import typing as t

from ..text import clean
from . import sets, tenants


class Origin(t.NamedTuple):
    """The folder that a key is in, and who else than root can have put it there, 0 for none or ``tenants.SEVERAL``."""

    folder: str
    user: int

    @property
    def shown(self) -> str:
        """For a sentence."""
        whose = "several users" if self.user == tenants.SEVERAL else f"user {sets.name_of(pwd.getpwuid, self.user)}"
        return f"{clean(self.folder, 200)} ({whose})"

    @property
    def values(self) -> t.Dict[str, t.Any]:
        """As the description of a set has it."""
        return self._asdict()

    def succeeds(self, used: Origin) -> bool:
        """Whether it is of the same user as another, or in the same folder, which root alone can have given away."""
        if self.user == used.user != tenants.SEVERAL:
            return True
        if self.folder != used.folder:
            return False
        return self.user == used.user or tenants.author(os.path.dirname(self.folder)) is None


def of_file(path: str) -> Origin:
    """Where the key at a path comes from."""
    return Origin(os.path.dirname(path), tenants.author(path) or 0)


def of_user(values: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[Origin]:
    """As ``read``, but None also where root alone can have put the key there."""
    origin = read(values)
    return origin if origin is not None and origin.user != 0 else None


def read(values: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[Origin]:
    """What the description of a set says, or None where that is not known."""
    folder, user = (values or {}).get("folder"), (values or {}).get("user")
    return Origin(folder, user) if isinstance(folder, str) and isinstance(user, int) else None
