# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Apache Traffic Server 9."""

from __future__ import annotations

import typing as t

from .server import FOLDER, Group, Include, Rule, Server, Setup, Snippet

_FILE = "trafficserver.config"


def _snippet(groups: t.List[Group], _setup: Setup) -> str:
    """All of ssl_multicert.config, since Traffic Server cannot include files there.

    Folders and not links: a file that is older than the one before is not read again.
    """
    lines: t.List[str] = []
    for group in groups:
        options = [("ssl_cert_name", "fullchain.pem"), ("ssl_key_name", "privkey.pem")]
        if [entry.stapled for entry in group] == [True]:
            options.append(("ssl_ocsp_name", "ocsp.der"))
        default = [] if lines else ["dest_ip=*"]
        pairs = [f"{option}={','.join(f'{entry.folder}/{file}' for entry in group)}" for option, file in options]
        lines.append(" ".join([*default, *pairs]))
    return "\n".join([*lines, ""])


SERVER = Server(
    "Traffic Server",
    units=("trafficserver",),
    folders=("trafficserver",),
    ports=((443, ""),),
    tests=(("traffic_server", "-C", "verify_config"),),
    pid_files=("/run/trafficserver/manager.lock",),
    programs=("traffic_manager", "traffic_server"),
    key_groups=("trafficserver", "ats"),
    touched=("/etc/trafficserver/ssl_multicert.config", f"{FOLDER}/{_FILE}"),
    largest=10240,
    needs_responder=True,
    one_staple="crashes when one of their two staples is withdrawn",
    shared=(Snippet(_FILE, _snippet),),
    has_default=True,
    includes=(
        Include(
            "`records.config`",
            "CONFIG proxy.config.ssl.server.multicert.filename STRING /etc/ocsp-stapling/snippets/trafficserver.config",
            "9",
        ),
        Include("", "CONFIG proxy.config.ssl.ocsp.enabled INT 1"),
        Include("", "CONFIG proxy.config.ssl.ocsp.cache_timeout INT 1000000000"),
    ),
    rules=(
        Rule(
            "Certificates with a responder URL, with their issuer in the same file. Responses of at most 10240 "
            'octets. A private key that its group may read (`key_group: trafficserver`, `key_mode: "0440"`). One key '
            "type (RSA or ECDSA) for each name. A `proxy.config.ssl.ocsp.cache_timeout` that is never reached.",
            "Without a responder or an issuer, nothing is stapled. A larger response, or one missing file of two for "
            "a name, crashes it. After an hour, it asks the responder itself and staples any answer, even an error. An "
            "expired or revoked staple is still served. If it cannot read a key, TLS for that certificate fails after "
            "the next reload.",
        ),
    ),
)
