# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What new staples replaced, one file for each certificate: replaced/<name>.json

    {"version": 1,
     "folder": PATH,          the folder of the set
     "sha256": HEX,           of the new response
     "must_staple": false,    whether the certificate requires a staple
     "services": [NAME],      those that have to load it
     "data": BASE64,          the response that was there before, or null
     "expires": 1234}         when it expires in seconds since the epoch; 0 where it was not stapled

A file is written before the staple is changed, and removed when no service is noted any more (``pending``). So what
was there can be put back where a service rejects its configuration with the new one, also after a kill. A file is void
once another response is in place, or another set is live. What cannot be read is no file.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import typing as t

from ..errors import FileError, InputError
from . import files, pending, reading, staples
from .sets import Layout
from .staples import Place, Stapled

_LARGEST = 256 * 1024
_SUFFIX = ".json"


class Replaced(t.NamedTuple):
    """What is noted of one certificate; ``sha256`` is that of the new response, ``former`` is what it replaced."""

    folder: str
    sha256: str
    must_staple: bool
    services: t.Tuple[str, ...]
    former: Stapled

    def is_about(self, place: Place, current: Stapled) -> bool:
        """Whether the new response is still in place."""
        return place.folder == self.folder and digest(current.data) == self.sha256


def digest(data: t.Optional[bytes]) -> str:
    return hashlib.sha256(data).hexdigest() if data is not None else ""


def note(
    layout: Layout, name: str, place: Place, data: bytes, services: t.Collection[str], must_staple: bool = False
) -> None:
    """Note, before ``data`` is put in place, what is there now. Raises FileError, and InputError as ``staples.read``.

    Where that is a response that no service has loaded yet, what it replaced stays noted.
    """
    current, known = staples.look(place), read(layout, name)
    if known is not None and known.is_about(place, current):
        current, services = known.former, [*known.services, *services]
    values = {
        "version": 1,
        "folder": place.folder,
        "sha256": digest(data),
        "must_staple": must_staple,
        "services": list(dict.fromkeys(services)),
        "data": base64.b64encode(current.data).decode("ascii") if current.data is not None else None,
        "expires": current.expires,
    }
    files.create_file(layout.replaced(name), json.dumps(values).encode("ascii") + b"\n")


def names(layout: Layout) -> t.List[str]:
    """The certificates with a file, in alphabetical order."""
    return reading.names(os.path.dirname(layout.replaced("any")), _SUFFIX)


def read(layout: Layout, name: str) -> t.Optional[Replaced]:
    """What is noted of a certificate, or None. Never raises."""
    path = layout.replaced(name)
    try:
        values = json.loads(reading.read_file(path, path, _LARGEST) or b"{}")
        if values["version"] != 1:
            return None
        data = base64.b64decode(values["data"], validate=True) if values["data"] is not None else None
        former = Stapled(data, int(values["expires"]))
        services = tuple(map(str, values["services"]))
        return Replaced(str(values["folder"]), str(values["sha256"]), values["must_staple"] is True, services, former)
    except (InputError, ValueError, TypeError, KeyError, RecursionError):
        return None


def forget(layout: Layout, name: str) -> None:
    """Remove what is noted of a certificate. Raises FileError."""
    files.remove_file(layout.replaced(name))


def clean(layout: Layout) -> None:
    """Remove what no service needs any more. What cannot be removed is left to the next run."""
    noted = set(pending.services(layout))
    for name in names(layout):
        known = read(layout, name)
        if known is None or noted.isdisjoint(known.services):
            with contextlib.suppress(FileError):
                forget(layout, name)
    with contextlib.suppress(OSError):  # where it is empty
        os.rmdir(os.path.dirname(layout.replaced("any")))
