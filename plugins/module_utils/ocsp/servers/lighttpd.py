# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""lighttpd."""

from __future__ import annotations

from .server import ONE_FILE, Entry, Include, Rule, Server


def _for_set(entry: Entry) -> str:
    staple = f'ssl.stapling-file = "{entry.folder}/ocsp.der"\n' if entry.stapled else ""
    return f'ssl.pemfile = "{entry.folder}/fullchain.pem"\nssl.privkey = "{entry.folder}/privkey.pem"\n{staple}'


SERVER = Server(
    "lighttpd",
    units=("lighttpd",),
    folders=("lighttpd",),
    ports=((443, ""),),
    tests=(("lighttpd", "-tt", "-f", "/etc/lighttpd/lighttpd.conf"),),
    file_options=("-f",),
    pid_files=("/run/lighttpd.pid",),
    signal_name="SIGUSR1",
    key_groups=("www-data", "lighttpd", "http"),
    rereads_key_unprivileged=True,
    rereads=True,
    drops_expired=True,
    one_staple=ONE_FILE,
    for_set=_for_set,
    includes=(Include("the socket or host", 'include "/etc/ocsp-stapling/live/NAME/lighttpd.conf"'),),
    rules=(
        Rule(
            'A private key that its group may read (`key_group: www-data`, `key_mode: "0440"`).',
            "If only root can read the key, a reload terminates lighttpd. A staple that is missing or has expired is "
            "not served.",
        ),
    ),
)
