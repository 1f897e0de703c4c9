# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""HAProxy."""

from __future__ import annotations

import base64
import contextlib
import typing as t
from datetime import timedelta

from .server import Group, Include, Rule, Server, Setup, Snippet

#: The staple by the name that it looks for beside ``combined.pem``.
STAPLE = "combined.pem.ocsp"


def _list(groups: t.List[Group], _setup: Setup) -> str:
    return "".join(f"{entry.live}/combined.pem\n" for group in groups for entry in group)


def hand_over(ask: t.Callable[[str], str], certificate: str, data: bytes) -> str:
    """Give it a new staple for the certificate file that it knows as ``certificate``, without a reload.

    Returns what it answers where it refuses, else an empty string. Raises OSError.
    """
    encoded = base64.b64encode(data).decode("ascii")
    answer = ask(f"set ssl cert {certificate}.ocsp <<\n{encoded}\n\n")
    if "ransaction" not in answer:
        return answer.strip() or "no answer"
    answer = ask(f"commit ssl cert {certificate}\n")
    if "Success" in answer:
        return ""
    with contextlib.suppress(OSError):
        ask(f"abort ssl cert {certificate}\n")
    return answer.strip() or "no answer"


SERVER = Server(
    "HAProxy",
    units=("haproxy",),
    folders=("haproxy",),
    ports=((443, ""),),
    tests=(("haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),),
    file_options=("-f", "-C"),
    pid_files=("/run/haproxy.pid",),
    signal_name="SIGUSR2",
    survives_reload=True,
    sockets=("/run/haproxy/admin.sock", "/var/lib/haproxy/stats"),
    needs_next_update=True,
    reads_sha256=False,
    reads_several=False,
    margin=timedelta(seconds=300),
    hand_over=hand_over,
    drops_expired=True,
    shared=(Snippet("haproxy.list", _list),),
    has_default=True,
    includes=(Include("`frontend`", "bind :443 ssl crt-list /etc/ocsp-stapling/snippets/haproxy.list"),),
    rules=(
        Rule(
            "Responses with a SHA-1 CertID, nextUpdate and a single answer. The staple is next to the certificate, as "
            "`combined.pem.ocsp`.",
            "The staple is ignored with a warning. In the last 5 minutes before it expires, it is not served at all.",
        ),
    ),
)
