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

_SINGLE = "ask the CA for responses with a single answer"


def lint(name: str, judgement: Judgement, now: datetime) -> t.List[Finding]:
    """What the server ``name`` will not take of a response, each as an ``unfit_for_server`` finding.

    An error where TLS or the start of the server would fail, else a warning.
    """
    server = SERVERS[name]
    if not server.staples:
        return [_finding(name, server, "cannot staple at all")]
    findings = unfit(name, judgement)
    expiry = judgement.effective_expiry
    if expiry is not None and now <= expiry < now + server.margin:
        findings.append(_finding(name, server, f"does not staple in the last {server.margin.seconds} seconds"))
    return findings


def unfit(name: str, judgement: Judgement) -> t.List[Finding]:
    """The same, but of what the response itself has, at any time; nothing of a server that never staples."""
    server = SERVERS[name]
    findings: t.List[Finding] = []
    if not server.staples:
        return findings
    if server.largest is not None and judgement.size > server.largest:
        problem = f"crashes on responses of more than {server.largest} octets (it has {judgement.size})"
        findings.append(_finding(name, server, problem, "ask the CA for smaller responses", ERROR))
    if server.largest_cached is not None and judgement.size > server.largest_cached:
        problem = (
            f"{name} caches no responses of more than {server.largest_cached} octets (it has {judgement.size}), so it "
            "is read anew in each handshake; ask the CA for smaller responses"
        )
        findings.append(Finding("unfit_for_server", WARNING, problem))
    if server.needs_responder and not judgement.names_responder:
        problem = "staples only for certificates that name an OCSP responder"
        findings.append(_finding(name, server, problem, "get a certificate that names one"))
    verb = "ignores" if server.survives else "refuses"
    if judgement.this_update is not None and judgement.next_update is None and server.needs_next_update:
        advice = "ask the CA for responses with nextUpdate"
        findings.append(_finding(name, server, f"{verb} responses without nextUpdate", advice))
    if judgement.certid_digest not in (None, "sha1") and not server.reads_sha256:
        advice = "set certid_digest to sha1, or ask the CA for answers by a SHA-1 CertID"
        findings.append(_finding(name, server, f"{verb} answers by a {judgement.certid_digest} CertID", advice))
    if judgement.answer_count > 1 and not server.reads_several:
        problem = f"{verb} responses with several answers ({judgement.answer_count})"
        findings.append(_finding(name, server, problem, _SINGLE))
    if server.by_gnutls and "large_identifier" in judgement.warnings:
        problem = "with GnuTLS, as on Debian, cannot read the response, for an object identifier in it"
        findings.append(_finding(name, server, problem, "report it to the CA"))
    if judgement.answer_index and server.first_answer_only:
        problem = "looks at the first answer only, which is about another certificate"
        findings.append(_finding(name, server, problem, _SINGLE))
    return findings


def _finding(name: str, server: Server, problem: str, advice: str = "", severity: t.Optional[str] = None) -> Finding:
    severity = severity or (WARNING if server.survives else ERROR)
    consequence = "so it or its TLS would fail" if severity == ERROR else "so clients get no staple from it"
    return Finding("unfit_for_server", severity, f"{name} {problem}, {consequence}{advice and '; '}{advice}")
