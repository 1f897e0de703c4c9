# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""dnsdist, whose configuration is a program in Lua."""

from __future__ import annotations

import typing as t

from ..names import server_name
from .server import Group, Include, Rule, Server, Setup, Snippet

_FRESH = """\
-- The staples that can be read and have not expired, up to the first other one: dnsdist 1.7 does not start with it,
-- and later versions give the staple behind it to the wrong certificate.
local function fresh(paths)
  local found = {}
  for _, path in ipairs(paths) do
    local staple, note = io.open(path), io.open(path .. ".expires")
    local expires = note and note:read("*n")
    if staple then staple:close() end
    if note then note:close() end
    if not staple or not expires or expires <= os.time() then break end
    table.insert(found, path)
  end
  return found[1] and found
end
"""


def _snippet(groups: t.List[Group], _setup: Setup) -> str:
    """A Lua table of certificates by name, which the configuration gives to its listeners.

    A set is found by its own name, and by those that it is for; of sets with one of these in common the first has it.
    The staples are looked at when dnsdist starts; without any, the option for them is not given at all.
    """
    known = {entry.name: group[0].name for group in groups for entry in group}
    for group in groups:
        for name in (name for entry in group for name in entry.names):
            for spelled in filter(None, (name, server_name(name))):
                known.setdefault(spelled, group[0].name)
    lines = [_FRESH, "local certificates = {}\n"]
    for group in groups:
        stapled = [f"{entry.live}/ocsp.der" for entry in group] if all(entry.stapled for entry in group) else []
        lines.append(
            f"certificates[{_lua(group[0].name)}] = {{\n"
            f"  certificates = {_lua_list(f'{entry.live}/fullchain.pem' for entry in group)},\n"
            f"  keys = {_lua_list(f'{entry.live}/privkey.pem' for entry in group)},\n"
            f"  staples = fresh({_lua_list(stapled)}),\n"
            "}\n"
        )
    for name, first in known.items():
        if name != first:
            lines.append(f"certificates[{_lua(name)}] = certificates[{_lua(first)}]\n")
    return "".join([*lines, "return certificates\n"])


def _lua(text: str) -> str:
    """A string of Lua, in ASCII: any other octet, a quote or a backslash is written by its number."""
    octets = text.encode("utf-8", "surrogateescape")
    plain = (chr(octet) if 0x20 <= octet < 0x7F and octet not in b'"\\' else f"\\{octet:03}" for octet in octets)
    return f'"{"".join(plain)}"'


def _lua_list(texts: t.Iterable[str]) -> str:
    return "{" + ", ".join(map(_lua, texts)) + "}"


SERVER = Server(
    "dnsdist",
    units=("dnsdist",),
    folders=("dnsdist",),
    ports=((853, ""), (443, "")),
    tests=(("dnsdist", "--check-config"),),
    # SIGHUP ends it.
    cannot_reload=True,
    key_groups=("_dnsdist", "dnsdist"),
    # As dnsdist 1.7 does; 1.9 starts without a staple that it cannot use.
    needs_next_update=True,
    reads_several=False,
    survives=False,
    needs_file=True,
    comment="--",
    shared=(Snippet("dnsdist.lua", _snippet),),
    by_name=True,
    includes=(
        Include("`dnsdist.conf`", 'local site = dofile("/etc/ocsp-stapling/snippets/dnsdist.lua")["NAME"]'),
        Include(
            "and for each address",
            'addTLSLocal("192.0.2.1:853", site.certificates, site.keys, {ocspResponses = site.staples})',
        ),
        Include(
            "or",
            'addDOHLocal("192.0.2.1:443", site.certificates, site.keys, "/dns-query", {ocspResponses = site.staples})',
        ),
    ),
    rules=(
        Rule(
            "Responses with nextUpdate and a single answer, through the role's snippet, which gives dnsdist only "
            "staples that exist and have not expired. A private key that its group may read "
            '(`key_group: _dnsdist`, `key_mode: "0440"`). One name for each address.',
            "dnsdist 1.7 (Debian 12) does not start with a file that it cannot use; 1.9 (Debian 13) staples nothing, "
            "or the staple of the other key. `dnsdist --check-config` reports neither, nor a key that it cannot read, "
            "which also keeps it from starting. An expired staple is still served.",
        ),
    ),
)
