# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be wrong, the worst first: the one table for ``status``, its Nagios output and the alert rules.

A test compares it with the rules, so that no alert is more or less severe than what ``status`` says.
"""

from __future__ import annotations

import typing as t

OK, WARNING, CRITICAL = 0, 1, 2


class Trouble(t.NamedTuple):
    """One kind of trouble.

    ``word`` is what the table of ``status`` calls the staple, where that is neither good nor missing. ``alert`` is
    the rule for the same condition, ``codes`` are the reasons of failed attempts that count, and ``share`` is how
    much of the time for renewing has passed, of a staple or of a certificate.
    """

    name: str
    level: int
    word: str = ""
    alert: str = ""
    codes: t.FrozenSet[str] = frozenset()
    share: float = 0.0


#: Reasons of failed attempts that are troubles of their own.
OWN_CODES = frozenset(("revoked", "certificate_expired"))

# Clients fail now, or will fail soon.
REVOKED = Trouble("revoked", CRITICAL, "revoked", "OcspCertificateRevoked")
MUST_STAPLE_MISSING = Trouble("must_staple_missing", CRITICAL, "", "OcspMustStapleMissing")
MUST_STAPLE_IGNORED = Trouble("must_staple_ignored", CRITICAL, "ignored", "OcspMustStapleIgnored")
MUST_STAPLE_EXPIRING = Trouble("must_staple_expiring", CRITICAL, "expiring", "OcspMustStapleExpiring", share=0.8)
STAPLE_EXPIRED = Trouble("staple_expired", CRITICAL, "expired", "OcspStapleExpired")
RENEWAL_OVERDUE = Trouble("renewal_overdue", CRITICAL, "", "OcspRenewalOverdue", share=0.8)
# Staples are no longer renewed.
RUN_FAILED = Trouble("run_failed", WARNING, "", "OcspStaplingRunFailed")
NOT_RUNNING = Trouble("not_running", WARNING, "", "OcspStaplingNotRunning")
# Of a certificate of another user, who can cause it at will, so that it is less severe.
STAPLE_EXPIRED_OF_USER = Trouble("staple_expired_of_user", WARNING, "expired", "OcspStapleExpiredOfUser")
CERTIFICATE_EXPIRED = Trouble("certificate_expired", WARNING, "", "OcspCertificateExpired")
STAPLE_MISSING = Trouble("staple_missing", WARNING, "", "OcspStapleMissing")
STAPLE_IGNORED = Trouble("staple_ignored", WARNING, "ignored", "OcspStapleIgnored")
NOT_RENEWED = Trouble("not_renewed", WARNING, "", "OcspStapleNotRenewed", share=0.5)
# What was to replace a certificate could not be deployed.
RENEWAL_NOT_LIVE = Trouble("renewal_not_live", WARNING, "", "OcspRenewalNotLive")
# What keeps apply from finishing its work.
CLOCK = Trouble("clock", WARNING, "", "OcspStaplingApplyFailing")
FOREIGN_FILE = Trouble("foreign_file", WARNING, "", "OcspStaplingApplyFailing")
NOT_RELOADED = Trouble("not_reloaded", WARNING, "", "OcspStaplingApplyFailing")
NOT_DEPLOYED = Trouble("not_deployed", WARNING, "not deployed", "OcspStaplingApplyFailing")
NOT_INSTALLED = Trouble("not_installed", WARNING, "", "OcspStaplingApplyFailing")
NOT_CONFIGURED = Trouble("not_configured", WARNING, "", "OcspStaplingApplyFailing")
# Attempts that failed while a good staple is in place.
HOST_FAULT = Trouble(
    "host_fault",
    WARNING,
    "",
    "OcspStaplingHostFault",
    frozenset(("bad_input", "file_error", "issuer_mismatch", "unsupported_key")),
)
RESPONDER_FAILING = Trouble(
    "responder_failing",
    WARNING,
    "",
    "OcspResponderFailing",
    frozenset(
        ("unreachable", "timeout", "http_error", "proxy_error", "url_refused", "too_large", "not_successful"),
    ),
)
RESPONSE_REFUSED = Trouble("response_refused", WARNING, "", "OcspResponseRefused")  # for all other codes
# What no metric shows.
STATE_UNREADABLE = Trouble("state_unreadable", WARNING)
FILE_OF_USER = Trouble("file_of_user", WARNING)
NOT_SEEN = Trouble("not_seen", WARNING, "not seen")

TABLE = (
    REVOKED,
    MUST_STAPLE_MISSING,
    MUST_STAPLE_IGNORED,
    MUST_STAPLE_EXPIRING,
    STAPLE_EXPIRED,
    RENEWAL_OVERDUE,
    RUN_FAILED,
    NOT_RUNNING,
    STAPLE_EXPIRED_OF_USER,
    CERTIFICATE_EXPIRED,
    STAPLE_MISSING,
    STAPLE_IGNORED,
    NOT_RENEWED,
    RENEWAL_NOT_LIVE,
    CLOCK,
    FOREIGN_FILE,
    NOT_RELOADED,
    NOT_DEPLOYED,
    NOT_INSTALLED,
    NOT_CONFIGURED,
    HOST_FAULT,
    RESPONDER_FAILING,
    RESPONSE_REFUSED,
    STATE_UNREADABLE,
    FILE_OF_USER,
    NOT_SEEN,
)

#: What does harm now, and not when the staple or the certificate in place expires.
HARMFUL = tuple(
    one for one in TABLE[: TABLE.index(STAPLE_IGNORED) + 1] if one not in (MUST_STAPLE_EXPIRING, RENEWAL_OVERDUE)
)


def rank(trouble: t.Optional[Trouble]) -> int:
    """A number that sorts the worst first, and what is well last."""
    return TABLE.index(trouble) if trouble is not None else len(TABLE)


def of_failure(code: str) -> t.Optional[Trouble]:
    """The trouble that a failed attempt is by its reason, unless that is one of its own."""
    if not code or code in OWN_CODES:
        return None
    return next((one for one in (HOST_FAULT, RESPONDER_FAILING) if code in one.codes), RESPONSE_REFUSED)
