# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The exception family and the public reason codes.

Every failure of the core carries one reason code and one sentence. The codes appear in return
values, logs and metrics; they never change their meaning.
"""

from __future__ import annotations

import typing as t

ERROR = "error"
WARNING = "warning"

# Relaxations that C(allow) understands, by the code of the finding they turn off.
RELAXATIONS = ("sha1_signature", "missing_next_update")

#: Reason codes of a response that was judged.
JUDGEMENT_CODES = (
    "malformed",
    "not_successful",
    "wrong_certificate",
    "ambiguous",
    "bad_signature",
    "weak_signature",
    "unauthorized_responder",
    "issuer_key_usage",
    "responder_certificate_expired",
    "responder_certificate_not_yet_valid",
    "responder_without_nocheck",
    "responder_profile",
    "not_yet_valid",
    "expired",
    "shortened_life",
    "missing_next_update",
    "inconsistent_times",
    "unusual_interval",
    "too_old",
    "revoked",
    "unknown_status",
    "unknown_critical_extension",
    "unexpected_extension",
    "nonce_mismatch",
    "issuer_mismatch",
    "certificate_expired",
    "too_large",
    "unfit_for_server",
)

#: Reason codes of an exchange with a responder.
TRANSPORT_CODES = (
    "unreachable",
    "timeout",
    "http_error",
    "too_large",
    "url_refused",
    "proxy_error",
)

#: Reason codes of a look at a TLS server that showed no certificate.
PROBE_CODES = (
    "unreachable",
    "timeout",
    "cut_off",
    "not_tls",
    "tls_alert",
    "tls_version",
    "starttls_refused",
    "not_served",
    "malformed",
    "too_large",
)

#: Reason codes of what a TLS server serves, beside those of the judgement of its staple.
SERVED_CODES = (
    "missing_staple",
    "late_staple",
    "shared_staple",
    "other_staple",
    "other_certificate",
    "missing_issuer",
)

#: Reason codes of a whole refresh.
REFRESH_CODES = ("no_responder", "older", "clock_implausible", "bad_input", "file_error")

#: Reason codes of the program on the host, beside all those above.
HOST_CODES = ("expiring", "foreign_file", "not_configured", "reload_failed")


class OcspError(Exception):
    """A failure with a reason code and one sentence for a person.

    ``code`` is one of the public reason codes of this file, ``message`` says what is wrong, where,
    and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MalformedError(OcspError):
    """Bytes that are not the DER structure they should be (X.690, RFC 6960, RFC 5280)."""

    def __init__(self, message: str) -> None:
        super().__init__("malformed", message)


class InputError(OcspError):
    """What the user gave cannot be used: a file, an option or a value."""

    def __init__(self, message: str, code: str = "bad_input") -> None:
        super().__init__(code, message)


class TransportError(OcspError):
    """An exchange with a responder that brought no HTTP answer to judge.

    ``code`` is one of TRANSPORT_CODES.
    """


class ProbeError(OcspError):
    """A look at a TLS server that brought no certificate; ``code`` is one of PROBE_CODES.

    ``declined`` is whether the server may do no more than decline what was offered, having a
    certificate for other offers.
    """

    def __init__(self, code: str, message: str, declined: bool = False) -> None:
        super().__init__(code, message)
        self.declined = declined


class FileError(OcspError):
    """A file that could not be read, written or locked; what was on disk is as it was."""

    def __init__(self, message: str) -> None:
        super().__init__("file_error", message)


class BusyError(FileError):
    """Another run has been at work on something for as long as this one could wait."""


class Finding(t.NamedTuple):
    """One thing that was found wrong (``severity`` error) or odd (warning)."""

    code: str
    severity: str
    message: str
