# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a certificate is to be replaced, why, and when it will be."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..deploy.material import same_names, server_names
from ..errors import MalformedError, OcspError
from ..judge.decision import proves_for_good
from ..judge.response import judge
from ..judge.schedule import certificate_due, certificate_life, certificate_share
from ..judge.wire import from_pem
from ..pki import keys, signature
from ..pki.certificate import Certificate, Target, find_issuer, find_leaf, load_certificates
from ..pki.served import first_to_end
from ..text import format_time
from . import reasons
from .ari import Window

_CURVES = {256: "ecdsa-p256", 384: "ecdsa-p384", 521: "ecdsa-p521"}


class Wanted(t.NamedTuple):
    """What a certificate should be like. None and empty texts stand for "whatever it is".

    ``obtained_directory`` and ``obtained_profile`` are what is known of how the certificate in place was obtained.
    """

    names: t.Optional[t.Sequence[str]] = None
    key_type: str = ""
    must_staple: t.Optional[bool] = None
    directory: str = ""
    obtained_directory: str = ""
    profile: t.Optional[str] = None
    obtained_profile: t.Optional[str] = None
    forced: bool = False
    interrupted: bool = False


class Material(t.NamedTuple):
    """The bytes of the certificate with its chain, of the private key and of OCSP responses; None: there is none.

    ``has_key`` is False where a key should be and is not; ``key`` is None also where it is encrypted, so that nothing
    tells whether it matches. ``where`` names the file of the certificate.
    """

    certificate: t.Optional[bytes]
    where: str
    key: t.Optional[bytes] = None
    has_key: bool = True
    responses: t.Tuple[bytes, ...] = ()


class Rule(t.NamedTuple):
    """When a certificate is due without a word of the CA: when less than ``share`` of its life is left."""

    share: float

    def of(self, life: timedelta) -> float:
        return certificate_share(life, self.share)


class Verdict(t.NamedTuple):
    """What was decided. Times are aware, None where there is no certificate.

    ``urgent``: nothing can be used any more, or less than half of the time is left in which to try. ``not_after`` is
    when the certificate ends, or a CA certificate that is served with it, whichever is first.
    """

    reason: str
    message: str
    urgent: bool
    renew_at: t.Optional[datetime] = None
    not_after: t.Optional[datetime] = None

    @property
    def due(self) -> bool:
        return self.reason not in reasons.AT_REST


def read(material: Material) -> t.Tuple[t.Optional[Certificate], t.Optional[Verdict]]:
    """The certificate, or the verdict that there is none to be used."""
    if material.certificate is None:
        return None, Verdict(reasons.MISSING, f"there is no {material.where}", True)
    try:
        leaf = find_leaf(load_certificates(material.certificate, material.where), material.where)
    except OcspError as error:
        return None, Verdict(reasons.UNREADABLE, error.message, True)
    if not material.has_key:
        return leaf, Verdict(reasons.MISSING, "there is no private key", True, None, _ending(leaf, material).not_after)
    return leaf, None


def decide(
    certificate: Certificate,
    material: Material,
    wanted: Wanted,
    rule: Rule,
    now: datetime,
    window: t.Optional[Window] = None,
    identifier: str = "",
) -> Verdict:
    """Decide about a certificate that can be read, at the time ``now``; ``window`` is what the CA suggests for it."""
    ending = _ending(certificate, material)
    begins, ends = certificate.not_before, ending.not_after
    life = certificate_life(begins, ends)
    share, by_life = rule.of(life), certificate_due(begins, ends, rule.share)
    # What a CA suggests counts while time is left to try again, should it fail.
    latest = ends - life * share / 2
    renew_at = min(window.point(identifier), latest) if window else by_life
    suggested = window if window and window.point(identifier) <= max(latest, now) else None
    late = now >= latest
    reason, message = _first(
        _unusable(certificate, ending, material, now),
        _withdrawn(window, by_life, now),
        _key_differs(certificate, material),
        _differing(certificate, wanted),
        (reasons.FORCED if wanted.forced else "", "it was asked for"),
        _time_has_come(renew_at, suggested, share, _limit(certificate, ending), now),
        (reasons.INTERRUPTED if wanted.interrupted else "", "an order for it was begun and not finished"),
    )
    if not reason:
        message = f"it is due on {format_time(renew_at)}{', as its CA suggests' if suggested else ''}"
        return Verdict(reasons.NOT_DUE, message, False, renew_at, ends)
    urgent = late or reason in reasons.WITHOUT_USE
    return Verdict(reason, message, urgent, renew_at, ends)


def _ending(certificate: Certificate, material: Material) -> Certificate:
    """The one that ends first of those that are served."""
    return first_to_end(certificate, load_certificates(material.certificate or b"", material.where))


def _limit(certificate: Certificate, ending: Certificate) -> str:
    """What ends the life of a certificate before its own end, or an empty string."""
    if ending is certificate:
        return ""
    return f"the CA certificate {ending.name} in its chain expires on {format_time(ending.not_after)}"


_Found = t.Tuple[str, str]


def _first(*found: _Found) -> _Found:
    return next((one for one in found if one[0]), ("", ""))


def _unusable(certificate: Certificate, ending: Certificate, material: Material, now: datetime) -> _Found:
    if now >= ending.not_after:
        what = "it" if ending is certificate else f"the CA certificate {ending.name} in its chain"
        return reasons.EXPIRED, f"{what} expired on {format_time(ending.not_after)}"
    problems = (_revocation(certificate, material, one, now) for one in material.responses)
    problem = next((one for one in problems if one), "")
    return (reasons.REVOKED, problem) if problem else ("", "")


def _revocation(certificate: Certificate, material: Material, response: bytes, now: datetime) -> str:
    """What a response says of the revocation of exactly this certificate, or an empty string where it proves none."""
    try:
        known = load_certificates(material.certificate or b"", material.where)
        issuer = find_issuer(certificate, known, [], material.where)
        judgement = judge(from_pem(response), Target(certificate, issuer), now)
    except OcspError:
        return ""
    if not proves_for_good(judgement):
        return ""
    reason = f" ({judgement.revocation_reason})" if judgement.revocation_reason else ""
    return f"its CA revoked it on {format_time(judgement.revocation_time)}{reason}"


def _withdrawn(window: t.Optional[Window], by_life: datetime, now: datetime) -> _Found:
    """A window that is over before the certificate is due by its life is how a CA calls for what it revokes."""
    if window is None or window.end > now or now >= by_life:
        return "", ""
    return reasons.REVOKED, f"its CA asks to replace it at once{_explained(window)}"


def _explained(window: Window) -> str:
    return f", see {window.explanation_url}" if window.explanation_url else ""


def _key_differs(certificate: Certificate, material: Material) -> _Found:
    if material.key is None:
        return "", ""
    try:
        key = keys.read_key(material.key, "the private key")
    except OcspError as error:
        return reasons.KEY_MISMATCH, error.message
    problem = keys.key_problem(key, certificate, "the private key", material.where)
    return (reasons.KEY_MISMATCH, "the private key does not fit the certificate") if problem else ("", "")


def _differing(certificate: Certificate, wanted: Wanted) -> _Found:
    if wanted.names is not None and not same_names(certificate, wanted.names):
        held = ", ".join(server_names(certificate)[:5]) or "none"
        return reasons.NAMES_DIFFER, f"it should be for {', '.join(wanted.names)} (its names: {held})"
    held_type = key_type(certificate)
    if wanted.key_type and held_type != wanted.key_type:
        return reasons.KEY_TYPE_DIFFERS, f"its key should be {wanted.key_type} and is {held_type or 'of another kind'}"
    if wanted.must_staple is not None and bool(certificate.must_staple) != wanted.must_staple:
        return reasons.MUST_STAPLE_DIFFERS, f"it {'should' if wanted.must_staple else 'should not'} demand stapling"
    if wanted.directory and wanted.obtained_directory not in ("", wanted.directory):
        return reasons.OTHER_DIRECTORY, f"it was obtained from {wanted.obtained_directory}"
    if wanted.profile is not None and wanted.obtained_profile not in (None, wanted.profile):
        return reasons.PROFILE_DIFFERS, f"it was obtained with {wanted.obtained_profile or 'no profile'}"
    return "", ""


def key_type(certificate: Certificate) -> str:
    """``ecdsa-p256``, ``rsa-2048`` and so on, or an empty string for what has no such name."""
    try:
        key = certificate.public_key
    except MalformedError:
        return ""
    if key.kind == signature.ECDSA:
        return _CURVES.get(key.bits, "")
    return f"rsa-{key.bits}" if key.kind in (signature.RSA, signature.RSA_PSS) else ""


def _time_has_come(renew_at: datetime, window: t.Optional[Window], share: float, limit: str, now: datetime) -> _Found:
    if now < renew_at:
        return "", ""
    if window is None:
        return reasons.LIFETIME, f"less than {share:.0%} of its life is left{limit and f', as {limit}'}"
    return reasons.ARI, f"the time that its CA suggests has come{_explained(window)}"
