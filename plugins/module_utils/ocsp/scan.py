# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates found below a folder by the names of their files."""

from __future__ import annotations

import os
import re
import typing as t

from ocsp import files
from ocsp.errors import InputError

#: What the files of a domain are called, and which option of the core each one is.
MASKS = {
    "certificate": "{domain}.pem",
    "chain": "{domain}-chain.pem",
    "root": "{domain}-rootchain.pem",
    "response": "{domain}.ocsp-resp",
}
_OPTIONS = {"certificate": "certificate_path", "chain": "issuer_path", "root": "root_path", "response": "path"}
_DOMAIN = "{domain}"
_LOOK = 64 * 1024


class Found(t.NamedTuple):
    """A certificate by its files. ``name`` is that of its domain, with the folders between."""

    name: str
    values: t.Dict[str, str]


def is_mask(text: str) -> bool:
    """Whether a text is a file name with one {domain} in it."""
    return text.count(_DOMAIN) == 1 and "/" not in text and "\0" not in text


def find(settings: t.Mapping[str, t.Any]) -> t.Iterator[Found]:
    """The certificates of an entry of ``scan``, in the order of their names.

    Where the chain or the root are not there they are left out; without a certificate there is nothing.
    """
    folder = settings["folder"]
    masks = {kind: settings.get(kind) or mask for kind, mask in MASKS.items()}
    before, after = masks["certificate"].split(_DOMAIN)
    pattern = re.compile(re.escape(before) + "(.+)" + re.escape(after), re.DOTALL)
    others = [_pattern(masks[kind]) for kind in ("chain", "root", "response")]
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(folders) if settings.get("recursive") else []
        for name in sorted(names):
            match = pattern.fullmatch(name)
            if match and not any(other.fullmatch(name) for other in others) and _is_certificate(parent, name):
                yield _found(folder, parent, match.group(1), masks, set(names))


def _pattern(mask: str) -> t.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in mask.split(_DOMAIN)), re.DOTALL)


def _is_certificate(parent: str, name: str) -> bool:
    """Whether a file is worth a look: keys and parameters are called .pem as well."""
    path = os.path.join(parent, name)
    try:
        data = files.read_file(path, path, _LOOK)
    except InputError:
        data = None
    # Whoever uses what cannot be read says what is wrong.
    return data is None or b"-----BEGIN CERTIFICATE-----" in data


def _found(folder: str, parent: str, domain: str, masks: t.Mapping[str, str], names: t.Container[str]) -> Found:
    values = {}
    for kind, mask in masks.items():
        name = mask.replace(_DOMAIN, domain)
        if kind in ("certificate", "response") or name in names:
            values[_OPTIONS[kind]] = os.path.join(parent, name)
    inside = os.path.relpath(parent, folder)
    return Found(domain if inside == "." else os.path.join(inside, domain), values)
