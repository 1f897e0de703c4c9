# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Certificates by their files, a CA asked by Ansible's client for HTTP, and verdicts as values of a result."""

from __future__ import annotations

import base64
import binascii
import functools
import os
import typing as t
from datetime import datetime

from ansible.module_utils.urls import make_context

from .ocsp.errors import InputError, OcspError, TransportError
from .ocsp.fetch.http1 import HttpRequest
from .ocsp.fetch.transport import Transport
from .ocsp.pki.certificate import Certificate
from .ocsp.renewal import ari, decision, reasons
from .ocsp.store import reading
from .ocsp.text import format_time, join_words

Values = t.Dict[str, t.Any]

_LARGEST = 1024 * 1024
_VAULT = b"$ANSIBLE_VAULT"


_NOTHING = decision.Material(None, "")


class Candidate(t.NamedTuple):
    """A certificate to decide about, as a task names it, with what was read for it."""

    name: str
    given: Values
    material: decision.Material
    certificate: t.Optional[Certificate]
    verdict: t.Optional[decision.Verdict]

    @property
    def identifier(self) -> str:
        return ari.certificate_identifier(self.certificate) if self.certificate is not None else ""


def get_with(ca_path: t.Optional[str]) -> ari.Get:
    """What gets a URL, within its time as a whole; ``ca_path`` are the CAs to trust instead of the usual ones.

    A CA chooses some of the URLs. So none of them is asked with the credentials of a ``.netrc``, and none leads to
    another server than it says.
    """
    transport = Transport(
        tls=functools.partial(make_context, cafile=ca_path),
        environ=_environment(),
        one_origin=True,
        accept="application/json",
    )

    def get(url: str, timeout: float) -> bytes:
        try:
            answer = transport.exchange(HttpRequest(url), timeout)
        except TransportError as error:
            # There is no such option here.
            error.message = error.message.replace(" (validate_certs is true)", "")
            raise
        if answer.status != 200:
            raise TransportError(
                "http_error", f"HTTP {answer.status}", permanent=answer.status < 500 and answer.status != 429
            )
        return answer.body

    return get


def _environment() -> t.Dict[str, str]:
    """The environment as urllib understands it, which is what asks a CA for all else.

    It speaks plain HTTP to the proxy of ``https://`` in https_proxy, too.
    """
    found = dict(os.environ)
    for name in ("https_proxy", "HTTPS_PROXY"):
        if found.get(name, "").startswith("https://"):
            found[name] = f"http://{found[name][len('https://') :]}"
    return found


def read_candidate(given: Values) -> Candidate:
    """Read the files that a task names for one certificate. Those that cannot be read leave it undecided.

    Raises InputError for a response that the task gives in a wrong form.
    """
    name = given.get("name") or given["path"]
    responses = tuple(_decode(one, name) for one in given.get("responses") or ())
    try:
        return _read_candidate(name, given, responses)
    except Exception as error:  # it must not keep others from being renewed
        return Candidate(name, given, _NOTHING, None, _undecided(error, given))


def _undecided(error: Exception, given: Values) -> decision.Verdict:
    """Nothing is to be done, unless that was asked for in any case."""
    known = isinstance(error, OcspError)
    problem = str(error) if known else f"internal error ({type(error).__name__}: {error})"
    if given.get("force"):
        return decision.Verdict(reasons.FORCED, f"it was asked for, and could not be looked at: {problem}", True)
    return decision.Verdict(reasons.UNDECIDED, problem, False)


def _read_candidate(name: str, given: Values, responses: t.Tuple[bytes, ...]) -> Candidate:
    key = _read(given["private_key_path"]) if given.get("private_key_path") else None
    material = decision.Material(
        certificate=_read(given["path"]),
        where=given["path"],
        key=None if key is None or key.startswith(_VAULT) else key,
        has_key=not given.get("private_key_path") or key is not None,
        responses=responses,
    )
    return Candidate(name, given, material, *decision.read(material))


def _read(path: str) -> t.Optional[bytes]:
    return reading.read_file(path, path, _LARGEST)


def _decode(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"certificates: a response of {name} is not Base64") from None


def decide_all(
    candidates: t.Sequence[Candidate], suggestions: ari.Suggestions, share: float, directory: str, now: datetime
) -> t.List[Values]:
    """What was decided of each certificate, as the result shows it."""
    return [_guard(one, suggestions, share, directory, now) for one in candidates]


def _guard(one: Candidate, suggestions: ari.Suggestions, share: float, directory: str, now: datetime) -> Values:
    try:
        return _decide(one, suggestions, share, directory, now)
    except Exception as error:  # it must not keep others from being renewed
        failed = one._replace(certificate=None, verdict=_undecided(error, one.given))
        return _decide(failed, suggestions, share, directory, now)


def _decide(one: Candidate, suggestions: ari.Suggestions, share: float, directory: str, now: datetime) -> Values:
    window = suggestions.windows.get(one.identifier)
    verdict = one.verdict
    if verdict is None and one.certificate is not None:
        wanted = decision.Wanted(
            names=one.given.get("names"),
            key_type=one.given.get("key_type") or "",
            must_staple=one.given.get("must_staple"),
            directory=directory,
            obtained_directory=one.given.get("obtained_directory") or "",
            profile=one.given.get("profile"),
            obtained_profile=one.given.get("obtained_profile"),
            forced=bool(one.given.get("force")),
            interrupted=bool(one.given.get("interrupted")),
        )
        rule = decision.Rule(share)
        verdict = decision.decide(one.certificate, one.material, wanted, rule, now, window, one.identifier)
    if verdict is None:
        raise AssertionError("either there is a certificate or a verdict")  # pragma: no cover
    return {
        "name": one.name,
        "due": verdict.due,
        "urgent": verdict.urgent,
        "reason": verdict.reason,
        "msg": verdict.message,
        "renew_at": format_time(verdict.renew_at),
        "not_after": format_time(verdict.not_after),
        "cert_id": one.identifier,
        "supports_ari": window is not None,
    }


def summary(verdicts: t.Sequence[Values]) -> str:
    """One sentence about all certificates."""
    due = [one for one in verdicts if one["due"]]
    undecided = [one["name"] for one in verdicts if one["reason"] == reasons.UNDECIDED]
    left_open = f"; it could not be decided for {join_words(undecided, most=10)}" if undecided else ""
    if due:
        listed = "; ".join(f"{one['name']} ({one['reason']}): {one['msg']}" for one in due[:10])
        more = f"; and {len(due) - 10} more" if len(due) > 10 else ""
        return f"{len(due)} of {len(verdicts)} due: {listed}{more}{left_open}"
    times = [one["renew_at"] for one in verdicts if one["renew_at"]]
    return f"none of {len(verdicts)} is due{f', the next one on {min(times)}' if times else ''}{left_open}"
