# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What TLS servers do with a staple file, as data, and whether one survives a given file.

Measured on the servers of Debian 12 and 13; the same response is fine for one and the end of TLS
for another.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .errors import ERROR, WARNING, Finding
from .response import Judgement


class Server(t.NamedTuple):
    """How a server treats a staple file; all of them read DER only.

    ``needs_next_update``: a response without nextUpdate is not stapled. ``reads_sha256``: an answer
    by SHA-256 CertID is stapled. ``reads_several``: a response with several answers is stapled.
    ``first_answer_only``: an answer that is not the first counts as another certificate's.
    ``margin``: the life that must be left. ``survives``: a file that it cannot use costs the staple
    alone, and not TLS or the start.
    """

    staples: bool = True
    needs_next_update: bool = False
    reads_sha256: bool = True
    reads_several: bool = True
    first_answer_only: bool = False
    margin: timedelta = timedelta(0)
    survives: bool = True


SERVERS: t.Dict[str, Server] = {
    "apache": Server(),
    "dovecot": Server(staples=False),
    "exim": Server(first_answer_only=True, survives=False),
    "haproxy": Server(needs_next_update=True, reads_sha256=False, reads_several=False, margin=timedelta(seconds=300)),
    "hitch": Server(reads_sha256=False, survives=False),
    "lighttpd": Server(),
    "nginx": Server(survives=False),
    "postfix": Server(staples=False),
}


def lint(name: str, judgement: Judgement, now: datetime) -> t.List[Finding]:
    """What the server ``name`` will not take of a response, each as an ``unfit_for_server`` finding.

    An error where TLS or the start of the server would fail, else a warning.
    """
    server = SERVERS[name]
    if not server.staples:
        return [_finding(name, server, "cannot staple at all", survives=True)]
    findings = []
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


def _finding(name: str, server: Server, problem: str, survives: bool = False) -> Finding:
    severity = WARNING if server.survives or survives else ERROR
    consequence = "so it or its TLS would fail" if severity == ERROR else "so clients get no staple from it"
    return Finding("unfit_for_server", severity, f"{name} {problem}, {consequence}")
