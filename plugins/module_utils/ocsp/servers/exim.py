# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Exim, with GnuTLS or OpenSSL."""

from __future__ import annotations

import typing as t

from ..names import is_wildcard
from .matching import choices
from .server import Group, Include, Rule, Server, Setup, Snippet

#: What the client asks for, as names are written in the choices.
_NAME = r"${sg{${lc:$tls_in_sni}}{\N[.]$\N}{}}"
_WILDCARD = r"${sg{OCSP_STAPLING_NAME}{\N^[^.]+[.]\N}{*.}}"


def _snippet(groups: t.List[Group], _setup: Setup) -> str:
    """Certificates by the name that the client asks for, where there are several.

    All is read for each connection, and from the same folder. A missing or outdated staple costs the staple
    alone: with GnuTLS Exim would refuse each TLS session.
    """
    found = choices(groups)
    lines = [f"OCSP_STAPLING_NAME = {_NAME}"] if found else []
    lines += [
        f"tls_certificate = {_choice(groups[0], found, 'fullchain.pem')}",
        f"tls_privatekey = {_choice(groups[0], found, 'privkey.pem')}",
    ]
    if any(entry.stapled for group in groups for entry in group):
        lines += [
            ".ifdef _HAVE_TLS_OCSP",
            f"OCSP_STAPLING_FILES = {_choice(groups[0], found, 'ocsp.der')}",
            f"tls_ocsp_file = {_STAPLES}",
            ".endif",
        ]
    return "\n".join([*lines, ""])


def _choice(default: Group, found: t.Mapping[str, Group], file: str) -> str:
    """The files for a name: those that have it, else those of its wildcard, else the default's."""
    choice = _list(default, file)
    for key, wildcards in ((_WILDCARD, True), ("OCSP_STAPLING_NAME", False)):
        values = [f'n.{name}="{_list(group, file)}"' for name, group in found.items() if is_wildcard(name) is wildcards]
        if values:
            # The prefix is for clients that ask for no name: an empty key is an error to Exim.
            choice = f"${{extract{{n.{key}}}{{{' '.join(values)}}}{{$value}}{{{choice}}}}}"
    return choice


def _list(group: Group, file: str) -> str:
    return " : ".join(f"{entry.folder}/{file}" for entry in group)


#: Staples are given as a list as long as that of the certificates, or not at all.
_STAPLES = (
    "${if forall{OCSP_STAPLING_FILES}{and{{exists{$item}} {exists{${item}.expires}} "
    "{<{$tod_epoch}{${readfile{${item}.expires}{}}}}}}{OCSP_STAPLING_FILES}{}}"
)


SERVER = Server(
    "Exim",
    units=("exim4", "exim"),
    folders=("exim4", "exim"),
    ports=((25, "smtp"), (465, ""), (587, "smtp")),
    # Debian generates the configuration anew at each start, unless an administrator wrote the whole of it.
    tests=(
        ("exim4", "-C", "/etc/exim4/exim4.conf", "-bV"),
        ("update-exim4.conf", "--check"),
        ("exim4", "-bV"),
        ("exim", "-bV"),
    ),
    pid_files=("/run/exim4/exim.pid", "/run/exim.pid"),
    key_groups=("Debian-exim", "exim"),
    first_answer_only=True,
    by_gnutls=True,
    survives=False,
    rereads=True,
    holds=False,
    shared=(Snippet("exim.conf", _snippet),),
    has_default=True,
    includes=(
        Include(
            "`/etc/exim4/exim4.conf.localmacros` or, with a split configuration, "
            "`/etc/exim4/conf.d/main/000_localmacros`; without `MAIN_TLS_ENABLE`",
            ".include_if_exists /etc/ocsp-stapling/snippets/exim.conf",
        ),
    ),
    rules=(
        Rule(
            "Never leave a staple that has expired, is missing or is for another certificate at a path that Exim "
            "reads. The role's snippet checks before each connection that the file exists and has not expired. A "
            "private key that its group may read "
            '(`key_group: Debian-exim`, `key_mode: "0440"`).',
            "Every TLS session fails, on all ports, although Exim starts and `exim4 -bV` reports no error.",
            "with GnuTLS (Debian)",
        ),
        Rule("The same snippet.", "That certificate has no staple.", "with OpenSSL"),
    ),
)
