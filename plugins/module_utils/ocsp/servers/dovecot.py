# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Dovecot, which cannot staple."""

from __future__ import annotations

import typing as t

from .matching import choices
from .server import Group, Include, Rule, Server, Setup, Snippet


def _version_23(groups: t.List[Group], _setup: Setup) -> str:
    """Of the blocks that fit, Dovecot 2.3 takes the first."""
    return _snippet(groups, list(choices(groups).items()), ("ssl_{}cert = {}", "ssl_{}key = {}"), "<")


def _version_24(groups: t.List[Group], _setup: Setup) -> str:
    """Of the blocks that fit, Dovecot 2.4 takes the last."""
    settings = ("ssl_server_{}cert_file = {}", "ssl_server_{}key_file = {}")
    return _snippet(groups, list(choices(groups).items())[::-1], settings, "")


def _snippet(
    groups: t.Sequence[Group], blocks: t.Iterable[t.Tuple[str, Group]], settings: t.Tuple[str, str], mark: str
) -> str:
    """The default, then a block for each name; ``mark`` stands before the path of a file."""

    def lines(group: Group, second: bool) -> t.Iterator[str]:
        for number, prefix in enumerate(("", "alt_") if second else ("",)):
            for setting, file in zip(settings, ("fullchain.pem", "privkey.pem")):
                value = f"{mark}{group[number].live}/{file}" if number < len(group) else ""
                yield setting.format(prefix, value).rstrip()

    # What a block does not set comes from the next one that fits, or from the default: another name's certificate.
    second = any(len(group) > 1 for group in groups)
    text = list(lines(groups[0], len(groups[0]) > 1))
    for name, group in blocks:
        text += [f"local_name {name} {{", *(f"  {line}" for line in lines(group, second)), "}"]
    return "\n".join(text) + "\n"


SERVER = Server(
    "Dovecot",
    units=("dovecot",),
    folders=("dovecot",),
    ports=((993, ""), (143, "imap")),
    tests=(("doveconf", "-n"),),
    file_options=("-c",),
    pid_files=("/run/dovecot/master.pid",),
    survives_reload=True,
    staples=False,
    shared=(Snippet("dovecot-2.3.conf", _version_23), Snippet("dovecot-2.4.conf", _version_24)),
    has_default=True,
    includes=(
        Include(
            "`/etc/dovecot/conf.d/99-local.conf`", "!include_try /etc/ocsp-stapling/snippets/dovecot-2.4.conf", "2.4"
        ),
        Include(
            "`/etc/dovecot/conf.d/99-local.conf`", "!include_try /etc/ocsp-stapling/snippets/dovecot-2.3.conf", "2.3"
        ),
    ),
    rules=(
        Rule(
            "It cannot staple. Give it certificates without must-staple.",
            "Clients that honour must-staple refuse the connection.",
        ),
    ),
)
