# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Hitch."""

from __future__ import annotations

from .server import ONE_FILE, Include, Rule, Server

SERVER = Server(
    "hitch",
    units=("hitch",),
    folders=("hitch",),
    ports=((443, ""),),
    tests=(("hitch", "-t", "--config", "/etc/hitch/hitch.conf"),),
    file_options=("--config",),
    pid_files=("/run/hitch/hitch.pid",),
    survives_reload=True,
    reads_sha256=False,
    survives=False,
    drops_expired=True,
    needs_file=True,
    one_staple=ONE_FILE,
    includes=(
        Include(
            "`hitch.conf`",
            'pem-file = { cert = "/etc/ocsp-stapling/live/NAME/combined.pem" '
            'ocsp-resp-file = "/etc/ocsp-stapling/live/NAME/ocsp.der" }',
        ),
    ),
    rules=(
        Rule(
            "A response with a SHA-1 CertID that verifies. Once a file is configured, hitch does not start without it.",
            "Start and reload fail.",
        ),
    ),
)
