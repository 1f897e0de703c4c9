# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Users and groups of this host, as options give them: by name or number."""

from __future__ import annotations

import grp
import pwd
import typing as t

from ..errors import InputError


def number(owner: t.Any) -> int:
    """The number of a user of this host, given by name or number. Raises InputError where there is none."""
    try:
        return int(owner) if str(owner).isdigit() else pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise InputError(f"there is no user '{owner}' on this host") from None


def group_number(group: t.Any) -> int:
    """As ``number``, of a group."""
    try:
        return int(group) if str(group).isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise InputError(f"there is no group '{group}' on this host") from None
