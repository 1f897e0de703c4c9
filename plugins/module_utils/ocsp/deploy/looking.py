# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a client is shown at an endpoint, before and after a switch."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ..errors import printable
from ..probe import client
from . import material
from .confirm import Endpoint, Sight

#: Seconds that the looks for the usual kinds of keys take at most, and the one for the others where there is an answer.
_TIMEOUT, _MORE_TIME = 4.0, 2.0
_USUAL, _OTHER = ("rsa", "ecdsa"), ("eddsa",)
_HANGING, _UNREACHABLE = "timeout", "unreachable"


def look(endpoint: Endpoint, name: str) -> Sight:
    """What is shown to a client that asks for a name. Whatever a server does, others are still to be looked at."""
    try:
        return _look(endpoint, name)
    except Exception as error:
        return Sight({}, f"it cannot be looked at ({printable(str(error) or type(error).__name__)})")


def _look(endpoint: Endpoint, name: str) -> Sight:
    where = client.read_endpoint(endpoint.host, endpoint.port, name, endpoint.starttls or None)

    def looks(kinds: t.Sequence[str], timeout: float) -> t.List[client.Look]:
        return client.look(where, datetime.now(timezone.utc), kinds, timeout=timeout, attempts=1)

    found = looks(_USUAL, _TIMEOUT)
    errors = [one.error for one in found if one.error is not None]
    hung = any(error.code == _HANGING for error in errors)
    answered = not hung and not any(error.code == _UNREACHABLE for error in errors)
    if answered:
        found += looks(_OTHER, _MORE_TIME)
    shown = {material.fingerprint(one.leaf): one.data for one in found if one.leaf is not None}
    if shown:
        return Sight(shown)
    problem = errors[-1].message if errors else "the server sent no certificate"
    return Sight({}, problem, hung, answered=answered)
