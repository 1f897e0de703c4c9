# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The families of distributions, as data: what differs between hosts and not between servers.

What differs between servers of two families (units, commands, folders) is in the file of the server.
"""

from __future__ import annotations

import shlex
import typing as t

from .errors import InputError


class Family(t.NamedTuple):
    """A family by the name that Ansible has for it (``ansible_facts['os_family']``).

    ``identifiers`` are values of ID and ID_LIKE in os-release(5). ``package`` is that of Python's ``cryptography``, and
    ``python`` the interpreter that it is for. ``shell`` is that of an account that nobody logs in to. ``label`` is the
    SELinux type of the folder of the sets, which what is made in it inherits. The type of /etc, which it would have
    otherwise, lets each domain that may look up names read private keys; servers may read this one as well.
    """

    name: str
    identifiers: t.FrozenSet[str]
    package: str = "python3-cryptography"
    python: str = "/usr/bin/python3"
    shell: str = "/usr/sbin/nologin"
    label: str = "cert_t"


FAMILIES = (
    Family("Debian", frozenset(("debian", "ubuntu", "raspbian", "linuxmint", "devuan", "kali"))),
    Family(
        "RedHat",
        frozenset(("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "scientific", "cloudlinux")),
        shell="/sbin/nologin",
    ),
)


def find(override: str, os_release: bytes) -> Family:
    """The family of a host: the one that is named, or that of ``os_release``, the content of /etc/os-release.

    Raises InputError with the variable of the role that overrides it.
    """
    values = read_os_release(os_release)
    identifiers = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    for family in FAMILIES:
        if family.name == override:
            return family
    for identifier in () if override else identifiers:
        for family in FAMILIES:
            if identifier in family.identifiers:
                return family
    names = " or ".join(family.name for family in FAMILIES)
    shown = override or values.get("PRETTY_NAME") or values.get("ID") or "a host without /etc/os-release"
    raise InputError(
        f"{shown} is of no family of distributions that is known; where the host is like one of them, set "
        f"ocsp_stapling_os_family to {names}"
    )


def read_os_release(content: bytes) -> t.Dict[str, str]:
    """The values of os-release(5), without the quotes of a shell. What cannot be read is left out."""
    values: t.Dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith("#"):
            continue
        try:
            values[name] = "".join(shlex.split(value))
        except ValueError:
            continue
    return values
