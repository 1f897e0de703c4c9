# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The servers that are known, by name. Each is described in the file of that name in this folder."""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    # Ansible packs what is imported anywhere in a module, and so it has to find the name of each file here.
    from . import apache, dnsdist, dovecot, exim, haproxy, hitch, lighttpd, nginx, postfix, trafficserver  # noqa: F401  # pylint: disable=unused-import
    from .server import Server

NAMES = (
    "apache",
    "dnsdist",
    "dovecot",
    "exim",
    "haproxy",
    "hitch",
    "lighttpd",
    "nginx",
    "postfix",
    "trafficserver",
)


class _Table(t.Mapping[str, "Server"]):
    """Loads the file of a server when that is asked for: most runs need one of them, or only their names."""

    def __getitem__(self, name: str) -> Server:
        if name not in NAMES:
            raise KeyError(name)
        server: Server = importlib.import_module(f"{__package__}.{name}").SERVER
        return server

    def __contains__(self, name: object) -> bool:
        return name in NAMES

    def __iter__(self) -> t.Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


SERVERS = _Table()
