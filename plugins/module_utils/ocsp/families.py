"""Interim."""

from __future__ import annotations

import typing as t


class Family(t.NamedTuple):
    name: str
    package: str = "python3-cryptography"
    python: str = "/usr/bin/python3"
    shell: str = "/usr/sbin/nologin"


def find(override: str, os_release: bytes) -> Family:
    return Family(override or "Debian")
