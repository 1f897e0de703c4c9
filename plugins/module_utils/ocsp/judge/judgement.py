# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a response was found to say, and what is wrong with it. Made by the judge (``response``), once."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..errors import ERROR, WARNING, Finding


class Judgement(t.NamedTuple):
    """What a response says and what is wrong with it. Times are aware, in UTC; None where unknown.

    ``findings`` come in the order in which they count, errors and warnings mixed. ``serial_number``,
    ``must_staple`` and ``names_responder`` are about the certificate asked about, all else is about the
    response, whose ``size`` is in octets. ``responder_certificate`` is the DER of the one in it whose key signed
    it, None where the issuer did. ``clock_behind`` is why this host's clock must be behind, where what is in place
    begins later. What a response with errors says is returned for diagnosis alone: it may be forged.
    """

    findings: t.Tuple[Finding, ...]
    serial_number: int
    must_staple: t.Optional[bool]
    names_responder: bool
    size: int = 0
    response_status: t.Optional[str] = None
    certificate_status: t.Optional[str] = None
    this_update: t.Optional[datetime] = None
    next_update: t.Optional[datetime] = None
    produced_at: t.Optional[datetime] = None
    effective_expiry: t.Optional[datetime] = None
    renewable_until: t.Optional[datetime] = None
    revocation_time: t.Optional[datetime] = None
    revocation_reason: t.Optional[str] = None
    responder_id: t.Optional[str] = None
    responder_certificate: t.Optional[bytes] = None
    responder_certificate_expiry: t.Optional[datetime] = None
    signature_algorithm: t.Optional[str] = None
    certid_digest: t.Optional[str] = None
    answer_index: t.Optional[int] = None
    answer_count: int = 0
    certificate_count: int = 0
    clock_behind: str = ""

    @property
    def errors(self) -> t.List[str]:
        """The codes of the findings that prevent the response from being used, most fundamental first."""
        return self._codes(ERROR)

    @property
    def warnings(self) -> t.List[str]:
        return self._codes(WARNING)

    def _codes(self, severity: str) -> t.List[str]:
        return list(dict.fromkeys(finding.code for finding in self.findings if finding.severity == severity))

    @property
    def acceptable(self) -> bool:
        return self.error is None

    @property
    def error(self) -> t.Optional[Finding]:
        """The first error, which is the reason to give for refusing the response."""
        return next((finding for finding in self.findings if finding.severity == ERROR), None)

    @property
    def message(self) -> str:
        """The sentence of the first error, or an empty string."""
        return self.error.message if self.error is not None else ""

    @property
    def proves_revocation(self) -> bool:
        """Whether everything but the status is in order, so that the revocation is the CA's word.

        What servers would do with the response is no matter of that.
        """
        return set(self.errors) - {"ambiguous", "too_large", "unfit_for_server"} == {"revoked"}
