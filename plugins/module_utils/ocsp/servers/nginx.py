# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""nginx."""

from __future__ import annotations

from .server import ONE_FILE, Entry, Include, Rule, Server

#: What a virtual host includes by a pattern that may match nothing: there while a staple is.
STAPLE = "nginx-staple.conf"


def _for_set(entry: Entry) -> str:
    return (
        f"ssl_certificate {entry.folder}/fullchain.pem;\n"
        f"ssl_certificate_key {entry.folder}/privkey.pem;\n"
        "# A pattern, so that it is no error when there is nothing to staple.\n"
        f"include {entry.folder}/nginx-staple[.]conf;\n"
    )


def staple_snippet(path: str) -> bytes:
    """The content of that file, for the path of a staple."""
    if not all(character.isalnum() or character in "/._-" for character in path):
        escaped = path.replace("\\", "\\\\").replace('"', '\\"')
        path = f'"{escaped}"'
    return f"ssl_stapling on;\nssl_stapling_file {path};\n".encode()


SERVER = Server(
    "nginx",
    units=("nginx",),
    folders=("nginx",),
    ports=((443, ""),),
    tests=(("nginx", "-t", "-q"),),
    pid_files=("/run/nginx.pid",),
    survives_reload=True,
    survives=False,
    one_staple=ONE_FILE,
    for_set=_for_set,
    includes=(Include("`server` block", "include /etc/ocsp-stapling/live/NAME/nginx.conf;"),),
    rules=(
        Rule(
            "Include the staple by a pattern that may match nothing, and reload after each new staple. One key type "
            "(RSA or ECDSA) for each name.",
            "A file that is missing, empty or not DER makes `nginx -t`, reload and restart fail. An expired or revoked "
            "staple is served forever. With two key types, one of the certificates gets the staple of the other.",
        ),
    ),
)
