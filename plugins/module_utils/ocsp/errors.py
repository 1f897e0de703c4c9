# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The exception family, and findings.

Every failure of the core carries one of the public reason codes, which the table in ``codes.py`` explains, and
one sentence.
"""

from __future__ import annotations

import typing as t

ERROR = "error"
WARNING = "warning"

# Relaxations that C(allow) understands, by the code of the finding they turn off.
RELAXATIONS = ("sha1_signature", "missing_next_update")


class OcspError(Exception):
    """A failure with a reason code and one sentence for a person.

    ``code`` is one of ``codes.CODES``, ``message`` says what is wrong, where, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = _printable(message)


def _printable(message: str) -> str:
    """A message without what would act on a terminal, be it from a file, a certificate or a name; lines stay."""
    if message.isprintable():
        return message
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in message)


class MalformedError(OcspError):
    """Bytes that are not the DER structure they should be (X.690, RFC 6960, RFC 5280)."""

    def __init__(self, message: str) -> None:
        super().__init__("malformed", message)


class InputError(OcspError):
    """What the user gave cannot be used: a file, an option or a value."""

    def __init__(self, message: str, code: str = "bad_input") -> None:
        super().__init__(code, message)


class Fault(t.NamedTuple):
    """One of several things that are wrong with what the user gave: of which certificate, and the whole sentence."""

    name: str
    message: str


class Refusal(InputError):
    """All that is wrong with what the user gave, so that nothing was changed."""

    def __init__(self, faults: t.Sequence[Fault]) -> None:
        super().__init__(refusal([fault.message for fault in faults]))
        self.faults = tuple(faults)


def refusal(sentences: t.Sequence[str]) -> str:
    """What is said of all that is wrong: a line for each where there are several."""
    if len(sentences) == 1:
        return f"nothing was changed: {sentences[0]}"
    return "\n- ".join(["nothing was changed:", *sentences])


class TransportError(OcspError):
    """An exchange with a responder that brought no HTTP answer to judge.

    ``code`` is one of ``codes.TRANSPORT_CODES``. ``permanent`` is whether waiting will not help, as with an unknown
    host. ``reached`` is whether a connection was there, so that the responder or something on the way to it may have
    taken offence at the request, and may answer another one.
    """

    def __init__(self, code: str, message: str, permanent: bool = False, reached: bool = False) -> None:
        super().__init__(code, message)
        self.permanent = permanent
        self.reached = reached


class ProbeError(OcspError):
    """A look at a TLS server that brought no certificate; ``code`` is one of ``codes.PROBE_CODES``.

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
