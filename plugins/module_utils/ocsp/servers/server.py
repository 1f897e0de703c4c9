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
from .judgement import Judgement

#: A server reads a new staple when it is reloaded.
RELOAD = "reload"
#: It looks at the file by itself.
READS = "reads"
#: It is given the staple while it runs.
SOCKET = "socket"


class Server(t.NamedTuple):
    """How a server treats a staple file; all of them read DER only.

    ``needs_next_update``: a response without nextUpdate is not stapled. ``reads_sha256``: an answer
    by SHA-256 CertID is stapled. ``reads_several``: a response with several answers is stapled.
    ``first_answer_only``: an answer that is not the first counts as another certificate's.
    ``margin``: the life that must be left. ``largest``: the octets of a response beyond which it crashes.
    ``needs_responder``: it staples only for certificates that name a responder, even from a file.
    ``survives``: a file that it cannot use costs the staple alone, and not TLS or the start.

    ``learns``: how a new file reaches it, one of RELOAD, READS and SOCKET. ``holds``: it goes on with a
    staple whose file is gone, and ``drops_expired``: until that has ended. ``needs_file``: once told of a
    file, it does not start without it.
    """

    staples: bool = True
    needs_next_update: bool = False
    reads_sha256: bool = True
    reads_several: bool = True
    first_answer_only: bool = False
    margin: timedelta = timedelta(0)
    largest: t.Optional[int] = None
    needs_responder: bool = False
    survives: bool = True
    learns: str = RELOAD
    holds: bool = True
    drops_expired: bool = False
    needs_file: bool = False


class ExpiryPlan(t.NamedTuple):
    """What to do with a staple that ends. ``in_advance``: withdraw it before, since one of its servers would
    serve it on or fail. ``keep_file``: let the file itself be, since one of its servers does not start without it.
    """

    in_advance: bool
    keep_file: bool


SERVERS: t.Dict[str, Server] = {
    "apache": Server(drops_expired=True),
    # As dnsdist 1.7 does; 1.9 starts without a staple that it cannot use.
    "dnsdist": Server(needs_next_update=True, reads_several=False, survives=False, needs_file=True),
    "dovecot": Server(staples=False),
    "exim": Server(first_answer_only=True, survives=False, learns=READS, holds=False),
    "haproxy": Server(
        needs_next_update=True,
        reads_sha256=False,
        reads_several=False,
        margin=timedelta(seconds=300),
        learns=SOCKET,
        drops_expired=True,
    ),
    "hitch": Server(reads_sha256=False, survives=False, drops_expired=True, needs_file=True),
    "lighttpd": Server(learns=READS, drops_expired=True),
    "nginx": Server(survives=False),
    "postfix": Server(staples=False),
    "trafficserver": Server(largest=10240, needs_responder=True),
}


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


def expiry_plan(kinds: t.Iterable[t.Optional[str]]) -> ExpiryPlan:
    """The plan for a staple that servers of these kinds read; nothing good is expected of an unknown one.

    Nobody known to read it counts as unknown, too.
    """
    known = [SERVERS[kind] if kind in SERVERS else Server() for kind in kinds]
    stapling = [server for server in known if server.staples]
    return ExpiryPlan(
        in_advance=not stapling or not all(server.drops_expired for server in stapling),
        keep_file=any(server.needs_file for server in stapling),
    )


def needs_reload(kind: t.Optional[str], withdrawn: bool = False, ended: bool = False) -> bool:
    """Whether a server has to be reloaded for a staple that is new, or ``withdrawn``, maybe since it ``ended``."""
    server = SERVERS[kind] if kind in SERVERS else Server()
    if not server.staples:
        return False
    if withdrawn:
        return server.holds and not (ended and server.drops_expired)
    return server.learns != READS


def _finding(name: str, server: Server, problem: str, severity: t.Optional[str] = None) -> Finding:
    severity = severity or (WARNING if server.survives else ERROR)
    consequence = "so it or its TLS would fail" if severity == ERROR else "so clients get no staple from it"
    return Finding("unfit_for_server", severity, f"{name} {problem}, {consequence}")
