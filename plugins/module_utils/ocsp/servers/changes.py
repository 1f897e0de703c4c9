# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What servers make of a staple that changes or expires, and whether they have to be told."""

from __future__ import annotations

import typing as t

from .table import SERVERS


class ExpiryPlan(t.NamedTuple):
    """What to do with a staple that expires. ``in_advance``: withdraw it before, since one of its servers would
    serve it on or fail. ``keep_file``: leave the file itself, since one of its servers does not start without it.
    """

    in_advance: bool
    keep_file: bool


def expiry_plan(kinds: t.Iterable[t.Optional[str]]) -> ExpiryPlan:
    """The plan for a staple that servers of these kinds read; an unknown one is taken to serve it on.

    So is a server of which nothing is known at all, where there are no kinds.
    """
    known = [SERVERS.get(kind or "") for kind in kinds]
    stapling = [server for server in known if server is None or server.staples]
    return ExpiryPlan(
        in_advance=not stapling or not all(server is not None and server.drops_expired for server in stapling),
        keep_file=any(server is not None and server.needs_file for server in stapling),
    )


def needs_reload(kind: t.Optional[str], withdrawn: bool = False, ended: bool = False) -> bool:
    """Whether a server has to be reloaded for a staple that is new, or ``withdrawn``, maybe since it ``ended``."""
    server = SERVERS.get(kind or "")
    if server is None:
        return True
    if not server.staples:
        return False
    if withdrawn:
        return server.holds and not (ended and server.drops_expired)
    return not server.rereads
