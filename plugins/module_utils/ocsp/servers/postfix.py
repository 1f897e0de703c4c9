# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Postfix, which cannot staple."""

from __future__ import annotations

from .server import Include, Rule, Server

SERVER = Server(
    "Postfix",
    units=("postfix",),
    folders=("postfix",),
    ports=((25, "smtp"), (465, ""), (587, "smtp")),
    tests=(("postfix", "check"),),
    pid_files=("/var/spool/postfix/pid/master.pid",),
    staples=False,
    includes=(Include("`main.cf`", "smtpd_tls_chain_files = /etc/ocsp-stapling/live/NAME/combined.pem"),),
    rules=(
        Rule(
            "It cannot staple. Give it certificates without must-staple.",
            "Clients that honour must-staple refuse the connection.",
        ),
    ),
)
