# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The exception family, and findings.

Every failure of the core carries one of the public reason codes, which the table in ``codes.py`` explains, and
one sentence. Sentences may quote files, certificates, servers and names that others chose, so whatever comes into an
error or a finding is made fit for a terminal, a log and a table here, by ``sentence``.
"""

from __future__ import annotations

import typing as t

ERROR = "error"
WARNING = "warning"

# Relaxations that C(allow) understands, by the code of the finding they turn off.
RELAXATIONS = ("sha1_signature", "missing_next_update")


#: Characters of the longest sentence. Of a longer one the middle is left out: it ends with what to do.
LONGEST_SENTENCE = 1500
_LEFT_OUT = " [...] "


def printable(text: str) -> str:
    """A text with a question mark for all that would act on a terminal, begin a line, or hide other text.

    These are control characters, separators of lines, and what changes the direction of text; spaces stay.
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def sentence(text: str) -> str:
    """One line of at most ``LONGEST_SENTENCE`` printable characters."""
    if len(text) > LONGEST_SENTENCE:
        kept = (LONGEST_SENTENCE - len(_LEFT_OUT)) // 2
        text = f"{text[:kept]}{_LEFT_OUT}{text[-kept:]}"
    return printable(text)


class OcspError(Exception):
    """A failure with a reason code and one sentence for a person.

    ``code`` is one of ``codes.CODES``, ``message`` says what is wrong, where, and what to do. ``changed``: what servers
    read had been changed before, and was not put back.
    """

    changed = False

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = self._fit(message)
        super().__init__(self.message)

    def _fit(self, message: str) -> str:
        return sentence(message)


def as_error_without_text(error: Exception) -> OcspError:
    """An error of this family as it is, and any other one as one of it, for a loop that has to go on after a defect.

    Of that only the kind is said: the text may quote what is in a private key.
    """
    if isinstance(error, OcspError):
        return error
    return InputError(f"it cannot be examined: internal error ({type(error).__name__}); please report this as a bug")


class MalformedError(OcspError):
    """Bytes that are not the DER structure they should be (X.690, RFC 6960, RFC 5280)."""

    def __init__(self, message: str) -> None:
        super().__init__("malformed", message)


class InputError(OcspError):
    """What the user gave cannot be used: a file, an option or a value."""

    def __init__(self, message: str, code: str = "bad_input") -> None:
        super().__init__(code, message)


class MissingError(InputError):
    """What the user named does not exist on the host. In check mode, an earlier task may be about to create it."""

    @property
    def in_check_mode(self) -> str:
        """The sentence for check mode, which cannot know whether an earlier task does."""
        return sentence(f"{self.message}; this will fail unless an earlier task creates it")


class InputErrors(InputError):
    """Several things that the user gave and that cannot be used; each sentence has its own limit."""

    def __init__(self, sentences: t.Sequence[str]) -> None:
        super().__init__("; ".join(map(sentence, sentences)))

    def _fit(self, message: str) -> str:
        return message


class Fault(t.NamedTuple):
    """One of several things that are wrong with what the user gave: of which certificate, and the whole sentence."""

    name: str
    message: str


class Refusal(InputError):
    """All that is wrong with what the user gave, so that nothing was changed."""

    def __init__(self, faults: t.Sequence[Fault]) -> None:
        self.faults = tuple(Fault(fault.name, sentence(fault.message)) for fault in faults)
        super().__init__(refusal([fault.message for fault in self.faults]))

    def _fit(self, message: str) -> str:
        return message  # of lines that ``refusal`` has made


def findings_of(error: OcspError) -> t.List[t.Dict[str, str]]:
    """One for each thing that is wrong, with the name of the certificate where it is about one."""
    faults = error.faults if isinstance(error, Refusal) else (Fault("", error.message),)
    found = [{"name": one.name, "code": error.code, "severity": ERROR, "message": one.message} for one in faults]
    return [{key: value for key, value in one.items() if value} for one in found]


def refusal(sentences: t.Sequence[str]) -> str:
    """What is said of all that is wrong: a line for each where there are several."""
    if len(sentences) == 1:
        return f"nothing was changed: {sentence(sentences[0])}"
    return "\n- ".join(["nothing was changed:", *map(sentence, sentences)])


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


class _Finding(t.NamedTuple):
    code: str
    severity: str
    message: str


class Finding(_Finding):
    """One thing that was found wrong (``severity`` error) or odd (warning), as one sentence."""

    __slots__ = ()

    def __new__(cls, code: str, severity: str, message: str) -> Finding:
        return super().__new__(cls, code, severity, sentence(message))

    def saying(self, message: str) -> Finding:
        """The same one with another sentence."""
        return Finding(self.code, self.severity, message)
