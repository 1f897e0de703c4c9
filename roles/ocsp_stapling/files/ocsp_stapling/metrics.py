# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state as metrics for the textfile collector of Prometheus' node_exporter."""

from __future__ import annotations

import typing as t

from ocsp.errors import FileError
from ocsp.store import files

from . import record
from .certificate_state import is_not_live, known_code
from .record import Values
from .state import PROGRAM, State

_PREFIX = "ocsp_stapling_"

_T = t.TypeVar("_T")

Sample = t.Tuple[t.Dict[str, str], t.Optional[float]]
#: A value of one certificate, None where there is none.
Value = t.Callable[[Values], t.Optional[float]]


def _time(part: str, key: str) -> Value:
    def value(entry: Values) -> t.Optional[float]:
        moment = record.time_of(record.mapping(entry, part) if part else entry, key)
        return moment.timestamp() if moment is not None else None

    return value


def _flag(key: str) -> Value:
    def value(entry: Values) -> t.Optional[float]:
        certificate = record.mapping(entry, "certificate")
        return float(bool(certificate.get(key))) if certificate else None

    return value


def _is_there(key: str) -> Value:
    return lambda entry: float(isinstance(entry.get(key), dict))


def _ignored(entry: Values) -> t.Optional[float]:
    """None where nothing is in place."""
    staple = record.mapping(entry, "staple")
    return float(bool(record.text_of(staple, "ignored"))) if staple else None


def _of_user(entry: Values) -> t.Optional[float]:
    return float(bool(record.text_of(entry, "user"))) if record.mapping(entry, "certificate") else None


def _renewal_not_live(entry: Values) -> t.Optional[float]:
    """None where nothing is deployed at all."""
    return float(is_not_live(entry)) if record.mapping(entry, "certificate") else None


_OF_CERTIFICATES: t.Tuple[t.Tuple[str, str, Value], ...] = (
    (
        "response_expiry_timestamp_seconds",
        "When the OCSP response in place stops being usable.",
        _time("staple", "effective_expiry"),
    ),
    (
        "response_this_update_timestamp_seconds",
        "The thisUpdate of the OCSP response in place.",
        _time("staple", "this_update"),
    ),
    (
        "response_next_update_timestamp_seconds",
        "The nextUpdate of the OCSP response in place.",
        _time("staple", "next_update"),
    ),
    (
        "response_renew_timestamp_seconds",
        "When the OCSP response in place is due for renewal.",
        _time("staple", "renew_at"),
    ),
    (
        "last_success_timestamp_seconds",
        "When a responder last gave an acceptable response.",
        _time("", "succeeded"),
    ),
    ("staple_in_place", "Whether an OCSP response is in place for servers to staple.", _is_there("staple")),
    ("staple_ignored", "Whether a server ignores the OCSP response in place, or some clients refuse it.", _ignored),
    ("certificate_must_staple", "Whether the certificate requires a staple (RFC 7633).", _flag("must_staple")),
    ("certificate_revoked", "Whether the CA says that the certificate is revoked.", _is_there("revoked")),
    ("certificate_of_user", "Whether the certificate is that of another user than root.", _of_user),
    ("certificate_has_responder", "Whether there is an OCSP responder for the certificate.", _flag("has_responder")),
    (
        "certificate_expiry_timestamp_seconds",
        "When the certificate ends, or a CA certificate in its chain does before it.",
        _time("certificate", "not_after"),
    ),
    (
        "source_changed_timestamp_seconds",
        "When another program of the host last changed the file of the certificate that it renews.",
        _time("source", "changed"),
    ),
    (
        "certificate_renew_timestamp_seconds",
        "When the certificate is due to be replaced by its age.",
        _time("certificate", "renew_at"),
    ),
    ("renewal_not_live", "Whether a renewed certificate could not be deployed.", _renewal_not_live),
)


def render(state: State) -> str:
    """The text of the metrics file."""
    lines: t.List[str] = []
    certificates = [(label, entry) for label, entry in sorted(state.certificates.items()) if not _is_retired(entry)]
    for name, text, value in _OF_CERTIFICATES:
        _family(lines, name, text, (({"name": label}, _guard(value, entry)) for label, entry in certificates))
    _family(
        lines,
        "consecutive_failures",
        "Failed attempts in a row to get a newer response, by the reason of the last one.",
        (
            ({"name": label, "code": _guard(_code, entry) or ""}, _guard(_failures, entry))
            for label, entry in certificates
        ),
    )
    runs = [({"command": command}, run) for command, run in sorted(state.runs.items())]
    for name, text, moment in (
        ("last_run_timestamp_seconds", "When the command last ended.", _time("", "ended")),
        ("last_run_duration_seconds", "How long it took.", lambda run: record.seconds_of(run, "seconds")),
        ("last_run_exit_code", "Its exit code.", lambda run: float(record.number_of(run, "exit_code"))),
    ):
        _family(lines, name, text, ((labels, moment(run)) for labels, run in runs if run.get("ended")))
    _family(lines, "build_info", "The version of ocsp-stapling.", [({"version": PROGRAM}, 1.0)])
    return "".join(lines)


def _guard(value: t.Callable[[Values], t.Optional[_T]], entry: Values) -> t.Optional[_T]:
    """A value of one certificate, or None where it cannot be told: that costs no other its metrics."""
    try:
        return value(entry)
    except Exception:
        return None


def _failures(entry: Values) -> float:
    return float(record.number_of(entry, "failures"))


def _code(entry: Values) -> str:
    """Why the last attempt failed."""
    return known_code(record.text_of(entry, "failure_code"))


def _is_retired(entry: Values) -> bool:
    """Whether nothing is expected of a certificate any more: it is not configured, and its staple was withdrawn."""
    return entry.get("code") == "not_configured" and entry.get("staple") is None


def write(state: State, path: str) -> None:
    """Write the metrics in one step. Raises FileError.

    On a full disk the old ones go first: to have none is an alert, and the old ones say that all is well.
    """
    content = render(state).encode()
    try:
        files.replace_file(path, content)
    except FileError:
        files.remove_file(path)
        files.replace_file(path, content)


def _family(lines: t.List[str], name: str, text: str, samples: t.Iterable[Sample]) -> None:
    rendered = [
        f"{_PREFIX}{name}{{{_labels(labels)}}} {_number(value)}\n" for labels, value in samples if value is not None
    ]
    if rendered:
        lines += [f"# HELP {_PREFIX}{name} {text}\n", f"# TYPE {_PREFIX}{name} gauge\n", *rendered]


def _labels(labels: t.Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{int(value)}" if value == int(value) else f"{value!r}"
