# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a server will not take of a staple file."""

from __future__ import annotations

import typing as t

from ..errors import ERROR, WARNING, Finding
from ..servers.table import SERVERS

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..servers.server import Server
    from .judgement import Judgement


def lint(name: str, judgement: Judgement, now: datetime) -> t.List[Finding]:
    """What the server ``name`` will not take of a response, each as an ``unfit_for_server`` finding.

    An error where TLS or the start of the server would fail, else a warning.
    """
    server = SERVERS[name]
    if not server.staples:
        return [_finding(name, server, "cannot staple at all", WARNING)]
    findings = []
    if server.largest is not None and judgement.size > server.largest:
        problem = f"crashes on responses of more than {server.largest} octets (it has {judgement.size})"
        findings.append(_finding(name, server, problem, ERROR))
    if server.needs_responder and not judgement.names_responder:
        findings.append(_finding(name, server, "staples only for certificates that name an OCSP responder"))
    verb = "ignores" if server.survives else "refuses"
    if judgement.this_update is not None and judgement.next_update is None and server.needs_next_update:
        findings.append(_finding(name, server, f"{verb} responses without nextUpdate"))
    if judgement.certid_digest not in (None, "sha1") and not server.reads_sha256:
        findings.append(_finding(name, server, f"{verb} answers by a {judgement.certid_digest} CertID"))
    if judgement.answer_count > 1 and not server.reads_several:
        findings.append(_finding(name, server, f"{verb} responses with several answers ({judgement.answer_count})"))
    if judgement.answer_index and server.first_answer_only:
        findings.append(_finding(name, server, "looks at the first answer only, which is about another certificate"))
    expiry = judgement.effective_expiry
    if expiry is not None and now <= expiry < now + server.margin:
        findings.append(_finding(name, server, f"does not staple in the last {server.margin.seconds} seconds"))
    return findings


def _finding(name: str, server: Server, problem: str, severity: t.Optional[str] = None) -> Finding:
    severity = severity or (WARNING if server.survives else ERROR)
    consequence = "so it or its TLS would fail" if severity == ERROR else "so clients get no staple from it"
    return Finding("unfit_for_server", severity, f"{name} {problem}, {consequence}")
