# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What differs between the families of distributions, and how to tell them apart."""

from __future__ import annotations

import re
import typing as t

from .text import join_words

#: The role variable that names the family of a host that is not recognized.
OVERRIDE = "ocsp_stapling_os_family"


class Selinux(t.NamedTuple):
    """The SELinux types of what is deployed, which are the same in the policies of both families.

    ``sets`` is for all that servers read: the root folder, with keys, certificates, staples and snippets. By default
    it would be ``etc_t``, which servers may read as well, but so may nearly everything else that is confined.
    ``state`` and ``library`` are what these folders are by default. No server reads them, and not all could: Exim,
    Postfix and HAProxy may not open files of ``var_lib_t``. New files take the type of their folder over, so that a
    folder has to have its type before it is filled.

    Apache may not listen on the port of its own responder unless that is a ``port``, as the default is. ``boolean``
    lets it connect to such ports, and to no others.
    """

    sets: str = "cert_t"
    state: str = "var_lib_t"
    library: str = "lib_t"
    port: str = "http_port_t"
    boolean: str = "httpd_graceful_shutdown"


class Family(t.NamedTuple):
    """A family of distributions: ``name`` is what Ansible calls it.

    ``cryptography`` is the package of Python's library of this name, ``python`` the interpreter that it is for,
    which runs the program. ``shell`` is for a system account without login.
    """

    name: str
    cryptography: str = "python3-cryptography"
    python: str = "/usr/bin/python3"
    shell: str = "/usr/sbin/nologin"
    selinux: Selinux = Selinux()


DEBIAN = Family("Debian")
REDHAT = Family("RedHat")
#: The usual Python of release 8 is 3.6, which is too old.
REDHAT_8 = REDHAT._replace(cryptography="python3.11-cryptography", python="/usr/bin/python3.11")

#: The names that the override may have.
NAMES = (DEBIAN.name, REDHAT.name)

_BY_ID = {
    **dict.fromkeys(("debian", "devuan", "kali", "linuxmint", "raspbian", "ubuntu"), DEBIAN.name),
    **dict.fromkeys(
        ("almalinux", "amzn", "centos", "cloudlinux", "fedora", "ol", "rhel", "rocky", "scientific"), REDHAT.name
    ),
}

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


def read_os_release(text: str) -> t.Dict[str, str]:
    """The values of os-release(5). Lines that are no assignment are passed over; of two the last counts."""
    values = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            values[match.group(1)] = _unquote(match.group(2))
    return values


def _unquote(value: str) -> str:
    """A value without the quotes of the shell; in single quotes a backslash stands for itself."""
    quote = value[:1]
    if quote not in ("'", '"'):
        return _ESCAPED.sub(r"\1", value)
    value = value[1:-1] if len(value) > 1 and value.endswith(quote) else value[1:]
    return value if quote == "'" else re.sub(r'\\([\\"$`])', r"\1", value)


def family_of(os_release: t.Mapping[str, str], name: str = "") -> t.Optional[Family]:
    """The family of a host by the values of its os-release, or None; ``name`` overrides which one it is."""
    identifier = os_release.get("ID", "").lower()
    similar = os_release.get("ID_LIKE", "").lower().split()
    found = name or next((_BY_ID[one] for one in (identifier, *similar) if one in _BY_ID), None)
    if found == DEBIAN.name:
        return DEBIAN
    if found == REDHAT.name:
        # Fedora and Amazon Linux count differently, and are at neither of these numbers any more.
        release = os_release.get("VERSION_ID", "").partition(".")[0]
        return REDHAT_8 if release == "8" else REDHAT
    return None


def refusal(os_release: t.Mapping[str, str]) -> str:
    """Why a host of no known family is refused, as one sentence that names the override."""
    shown = os_release.get("PRETTY_NAME") or os_release.get("NAME") or os_release.get("ID")
    what = f"the distribution '{shown}' is" if shown else "a distribution without /etc/os-release is"
    return f"{what} not supported; set {OVERRIDE} to {join_words(NAMES, 'or')} if it is compatible with one of them"
