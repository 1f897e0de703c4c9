# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The judge: bytes, a certificate, its issuer, a time and rules in; a Judgement out.

Only this module decides whether a response is good. What cannot be read or checked is refused. The
sources of the rules are RFC 6960, RFC 5019 and its successor, RFC 9654, and the CA/Browser Forum
Baseline Requirements (BR).
"""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timedelta, timezone

from ..asn1 import der
from ..errors import ERROR, WARNING, Finding, MalformedError
from ..pki import certificate as x509
from ..pki import readability, signature
from ..pki.certificate import Certificate, Extensions, Target
from ..pki.deviations import complete, deviations
from ..pki.gnutls import unread_identifier
from ..pki.identifiers import identifier_problem
from ..pki.path import STAPLE_LIMIT
from ..pki.remembered import remembered_if_short
from ..text import format_time
from .judgement import Judgement
from .lint import lint
from .request import NONCE_OID, issuer_hashes
from .wire import GOOD, REVOKED, SUCCESSFUL, UNKNOWN, Answer, BasicResponse, parse_response, with_certificates

#: Octets of the largest response that is looked at.
SIZE_LIMIT = 1024 * 1024
#: Certificates of a response that are looked at, the first ones: a signature is verified with each that is named.
_MOST_CERTIFICATES = 64
#: Certificates that the CA did not issue and that are asked whether they signed, for the message alone: anybody can add
#: some with keys that take long.
_MOST_STRANGERS = 4
#: Octets of the largest certificate that is looked at there, as some of what was read is remembered.
_LARGEST_CERTIFICATE = 16384
#: Findings of one code and severity that are told of, as there may be thousands of answers.
_MOST_ALIKE = 8

_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
_CRL_REASON = "2.5.29.21"
_KNOWN_IN_DELEGATE = frozenset(
    (
        x509.BASIC_CONSTRAINTS,
        x509.CERTIFICATE_POLICIES,
        x509.EXTENDED_KEY_USAGE,
        x509.KEY_USAGE,
        x509.OCSP_NOCHECK,
        x509.SUBJECT_ALTERNATIVE_NAME,
    )
)
_UNWANTED_IN_DELEGATE = {  # BR 7.1.2.8.2
    x509.CRL_DISTRIBUTION_POINTS: "CRL distribution points",
    x509.NAME_CONSTRAINTS: "name constraints",
    x509.SUBJECT_ALTERNATIVE_NAME: "a subject alternative name",
}

#: Of names that are the same by RFC 5280 section 7.1, Firefox (mozpkix) compares the bytes.
_BY_FIREFOX, _BY_FIREFOX_AND_GNUTLS = "Firefox refuses", "Firefox and clients with GnuTLS refuse"

_STATUS_HINTS = {
    "unauthorized": ": it does not serve this certificate, or does not know it yet",
    "try_later": ": it is busy",
}

_CERT_ID_DIGESTS = ("sha1", "sha256", "sha384", "sha512")

_CHROMIUM_MAXIMUM_AGE = timedelta(days=7)
_LATEST = datetime.max.replace(tzinfo=timezone.utc)
_SHORTEST_INTERVAL = timedelta(hours=8)  # BR 4.9.9
_LONGEST_INTERVAL = timedelta(days=10)
#: How far the responder's clock may be from this host's before one of them must be wrong.
_IMPLAUSIBLE_OFFSET = timedelta(hours=1)

#: How far a clock may be set back, as by a time server after a start. What is in place may begin that much later.
SET_BACK = timedelta(hours=1)
#: What is in place and begins later by more than that shows that the clock is behind, unless it is more than this: then
#: the clock may as well have been ahead when it was put there, and a response from then must not stay for long.
LONGEST_LEAD = timedelta(days=30)


class Rules(t.NamedTuple):
    """What may be relaxed or tightened; the defaults are what public CAs must meet.

    ``allow`` holds names of errors.RELAXATIONS. ``default_life`` is how long a response without
    nextUpdate lives from its thisUpdate, where such a response is allowed. ``lead`` is for a response that is in place,
    and None for all others: how much later than now it may begin. It was good when it was put there.
    """

    allow: t.FrozenSet[str] = frozenset()
    require_nocheck: bool = False
    maximum_age: timedelta = timedelta(days=10)
    clock_tolerance: timedelta = timedelta(minutes=5)
    default_life: timedelta = timedelta(hours=24)
    lead: t.Optional[timedelta] = None


class Received(t.NamedTuple):
    """What came with a response over HTTP: the URL that was asked, the status, and the time of the header Date."""

    url: str
    status: int = 200
    date: t.Optional[datetime] = None


class _Draft:
    """A judgement in the making. Its attributes are those of a Judgement, and mean the same."""

    def __init__(self, target: Target) -> None:
        self.findings: t.List[Finding] = []
        self.serial_number = target.certificate.serial_number
        self.must_staple: t.Optional[bool] = None
        self.names_responder = False
        self.size = 0
        self.response_status: t.Optional[str] = None
        self.certificate_status: t.Optional[str] = None
        self.this_update: t.Optional[datetime] = None
        self.next_update: t.Optional[datetime] = None
        self.produced_at: t.Optional[datetime] = None
        self.effective_expiry: t.Optional[datetime] = None
        self.renewable_until: t.Optional[datetime] = None
        self.revocation_time: t.Optional[datetime] = None
        self.revocation_reason: t.Optional[str] = None
        self.responder_id: t.Optional[str] = None
        self.responder_certificate: t.Optional[bytes] = None
        self.responder_certificate_expiry: t.Optional[datetime] = None
        self.signature_algorithm: t.Optional[str] = None
        self.certid_digest: t.Optional[str] = None
        self.answer_index: t.Optional[int] = None
        self.answer_count = 0
        self.certificate_count = 0
        self.clock_behind = ""
        try:
            self.must_staple = target.certificate.must_staple
            self.names_responder = bool(target.certificate.responder_urls)
        except MalformedError as error:
            self.error("malformed", f"the certificate {target.certificate.name} cannot be read: {error}")

    def error(self, code: str, message: str) -> None:
        self._add(Finding(code, ERROR, message))

    def warn(self, code: str, message: str) -> None:
        self._add(Finding(code, WARNING, message))

    def _add(self, finding: Finding) -> None:
        alike = [other for other in self.findings if other[:2] == finding[:2]]
        if finding not in alike and len(alike) < _MOST_ALIKE:
            self.findings.append(finding)

    def seal(self) -> Judgement:
        return Judgement(**{**vars(self), "findings": tuple(self.findings)})


def judge(
    data: bytes,
    target: Target,
    now: datetime,
    rules: Rules = Rules(),
    nonce: t.Optional[bytes] = None,
    servers: t.Sequence[str] = (),
    received: t.Optional[Received] = None,
) -> Judgement:
    """Judge the DER of an OCSPResponse about ``target`` at the time ``now`` (aware).

    ``nonce`` is what the request carried, if any, and ``received`` what came with the response over HTTP.
    ``servers`` are names of the table of servers that are to staple it; what they will not take is a finding.
    Foreign bytes never raise: they are a finding.
    """
    draft = _Draft(target)
    draft.size = len(data)
    _check_target(target, now, draft)
    _check_response(data, target, now, rules, nonce, draft)
    if len(data) > STAPLE_LIMIT and draft.response_status == SUCCESSFUL:
        draft.error(
            "too_large",
            f"the response has {len(data)} octets; with TLS 1.2, clients with OpenSSL refuse servers that staple more "
            f"than {STAPLE_LIMIT}",
        )
    draft.clock_behind = next((one.message for one in draft.findings if one.code == "clock_implausible"), "")
    if received is not None:
        _check_received(received, now, draft)
    judgement = draft.seal()
    if not servers:
        return judgement
    unfit = [finding for name in servers for finding in lint(name, judgement, now)]
    return judgement._replace(findings=(*judgement.findings, *unfit))


def lean(data: bytes, judgement: Judgement, judge_again: t.Callable[[bytes], Judgement]) -> t.Tuple[bytes, Judgement]:
    """A response without what no signature covers, which anybody on the way can have added, and the judgement of it.

    Servers and clients refuse what is too long, a certificate that they cannot read, another one in front of that of
    the signer, and an odd encoding of the signature algorithm. So one certificate is left, that of the signer, or none
    where the issuer signed. What is refused then, too, stays as it is.
    """
    signer = judgement.responder_certificate
    kept = () if signer is None else (signer,)
    try:
        leaner = with_certificates(data, kept) if parse_response(data)[1] is not None else data
    except MalformedError:
        return data, judgement
    if leaner == data:
        return data, judgement
    judged = judge_again(leaner)
    return (leaner, judged) if judged.acceptable or judged.proves_revocation else (data, judgement)


def _is_from(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        return not x509.issuance_problem(certificate, issuer)
    except MalformedError:
        return False


def without_issuer(target: Target, problem: Finding) -> Judgement:
    """The judgement of any response about a certificate whose issuer is not known; ``problem`` says why."""
    draft = _Draft(target)
    draft.findings.append(problem)
    return draft.seal()


def certificate_expired(certificate: Certificate, now: datetime) -> t.Optional[Finding]:
    """The finding about a certificate that has expired; clients should not request its status (RFC 5019 section 4)."""
    if now <= certificate.not_after:
        return None
    return Finding(
        "certificate_expired",
        ERROR,
        f"the certificate {certificate.name} expired at {format_time(certificate.not_after)}, "
        "so there is nothing to staple",
    )


def _check_target(target: Target, now: datetime, draft: _Draft) -> None:
    ended = certificate_expired(target.certificate, now)
    if ended:
        draft.findings.append(ended)
    draft.findings.extend(_lasting_faults(target))


@remembered_if_short(1024)
def _lasting_faults(target: Target) -> t.Tuple[Finding, ...]:
    """What is wrong with a certificate and its issuer at any time. Remembered, as they come again for each response."""
    certificate, issuer = target
    found = []
    try:
        problem = x509.issuance_problem(certificate, issuer)
    except MalformedError as error:
        problem = str(error)
    if problem:
        code = "unsupported_key" if x509.is_unsupported(certificate, issuer) else "issuer_mismatch"
        whose = "" if problem.startswith(x509.UNCHECKED) else f"{issuer.name} did not issue "
        found.append(Finding(code, ERROR, f"{whose}{certificate.name}: {problem}"))
    sentences = (*deviations(certificate), *deviations(issuer))
    return (*found, *(Finding("encoding", WARNING, sentence) for sentence in sentences))


def _check_response(
    data: bytes, target: Target, now: datetime, rules: Rules, nonce: t.Optional[bytes], draft: _Draft
) -> None:
    if len(data) > SIZE_LIMIT:
        draft.error("too_large", f"the response has {len(data)} octets, more than {SIZE_LIMIT}")
        return
    try:
        draft.response_status, response = parse_response(data)
        if response is None:
            status = draft.response_status
            draft.error("not_successful", f"the responder answered '{status}'{_STATUS_HINTS.get(status, '')}")
        else:
            _check_basic(response, target, now, rules, nonce, draft)
    except MalformedError as error:
        draft.error("malformed", f"the response is not well-formed: {error}")
    except Exception as error:  # a bug here or in the library must not make a response good
        draft.error("malformed", f"the response cannot be read ({type(error).__name__}: {error})")


def _check_basic(
    response: BasicResponse,
    target: Target,
    now: datetime,
    rules: Rules,
    nonce: t.Optional[bytes],
    draft: _Draft,
) -> None:
    draft.produced_at = response.produced_at
    draft.signature_algorithm = response.scheme.name
    draft.certificate_count = len(response.certificates)
    draft.responder_id = _responder_text(response.responder_name, response.responder_key_hash)
    answers = _matching_answers(response, target, draft)
    delegate = _check_signature(response, target, now, rules, draft)
    _check_extensions(response, answers, nonce, draft)
    for oddity in response.oddities:
        draft.warn("encoding", f"the response {complete(oddity)}")
    _check_identifiers(response, draft)
    if not answers:
        return
    _check_status(answers, target.certificate, draft)
    for answer in answers:
        _check_times(answer, response.produced_at, now, rules, draft)
    expiry = _fill_times(answers, target.certificate, delegate, rules, draft)
    _check_expiry(answers, expiry, now, rules, draft)


def _check_identifiers(response: BasicResponse, draft: _Draft) -> None:
    found = next(filter(None, map(unread_identifier, (response.tbs, *response.certificates))), "")
    if found:
        draft.warn(
            "large_identifier",
            f"the response has the object identifier {found}, of which a number has more than 64 bits; clients with "
            "GnuTLS cannot read it and break off",
        )


# Identity


def _matching_answers(response: BasicResponse, target: Target, draft: _Draft) -> t.List[Answer]:
    """The answers about the target: all of them, since the first one may be the wrong one to believe."""
    matching = []
    problems = []
    for answer in response.answers:
        problem = _answer_problem(answer, target)
        if problem:
            problems.append(problem)
        else:
            matching.append(answer)
    draft.answer_count = len(response.answers)
    if matching:
        draft.answer_index = response.answers.index(matching[0])
        if problems:
            _check_others(response.answers, target, draft)
        if draft.answer_index:
            draft.warn(
                "other_answer_first",
                "the first answer in the response is not about this certificate; clients with GnuTLS look at no other "
                "and break off",
            )
    else:
        reason = problems[0] if problems else "it contains no answer"
        draft.error(
            "wrong_certificate", f"the response is not about the certificate {target.certificate.name}: {reason}"
        )
    return matching


def _check_others(answers: t.Sequence[Answer], target: Target, draft: _Draft) -> None:
    """OpenSSL and wolfSSL refuse a response whose answers are about certificates of more than one issuer.

    What is by a digest that a client does not know is of no issuer to it, either.
    """
    for answer in answers:
        if answer.digest not in _CERT_ID_DIGESTS:
            draft.warn(
                "mixed_issuers",
                f"the response has an answer by a CertID with the digest {answer.digest} too; clients that do not know "
                "it refuse the response as a whole",
            )
        elif (answer.name_hash, answer.key_hash) != issuer_hashes(*target, answer.digest):
            draft.warn(
                "mixed_issuers",
                "the response has answers about certificates of another issuer too; clients with OpenSSL refuse it as "
                "a whole",
            )


def _answer_problem(answer: Answer, target: Target) -> str:
    """Why an answer is not about the target (RFC 6960 section 3.2 item 1), or an empty string."""
    certificate, issuer = target
    if answer.serial_number != certificate.serial_number:
        serial_number = x509.shorten(f"{answer.serial_number:X}")
        return f"it is about the serial number {serial_number}, not {certificate.serial_number:X}"
    if answer.digest not in _CERT_ID_DIGESTS:
        return f"its CertID uses the digest {answer.digest}, which is not supported"
    name_hash, key_hash = issuer_hashes(certificate, issuer, answer.digest)
    if answer.name_hash == name_hash and answer.key_hash == key_hash:
        return ""
    if len(answer.name_hash) != len(name_hash) or len(answer.key_hash) != len(key_hash):
        return f"the hashes in its CertID do not have the length of {answer.digest.upper()}"
    return f"its CertID names an issuer with a different {'key' if answer.name_hash == name_hash else 'name'}"


@remembered_if_short(64)
def _responder_text(name: t.Optional[bytes], key_hash: t.Optional[bytes]) -> str:
    return x509.name_text(name) if name is not None else x509.shorten(f"key:{(key_hash or b'').hex()}")


# Signature and authority


def _check_signature(
    response: BasicResponse, target: Target, now: datetime, rules: Rules, draft: _Draft
) -> t.Optional[Certificate]:
    """Check who signed, and how well. Returns the delegate, or None where the issuer signed itself."""
    named = _named_responders(response, target.issuer, draft)
    signers = _verified(response, named, target.issuer, rules, draft) if named else []
    if not signers:
        return None
    if signers[0] is target.issuer:
        _check_issuer_key_usage(target.issuer, draft)
        # Where GnuTLS finds no certificate of the name, it tries the issuer.
        _check_responder_name(response, target.issuer, _BY_FIREFOX, draft)
        return None
    delegate = _choose_delegate(signers, target, now, rules, draft)
    _check_responder_name(response, delegate, _BY_FIREFOX_AND_GNUTLS, draft)
    if named[0].der != delegate.der:
        draft.warn(
            "misleading_certificate",
            f"the first certificate that {draft.responder_id} may mean is not the one that counts; clients with "
            "OpenSSL refuse the response",
        )
    return delegate


def _named_responders(response: BasicResponse, issuer: Certificate, draft: _Draft) -> t.Sequence[Certificate]:
    """The certificates that the responder ID may mean; it is an error if there are none."""
    embedded = response.certificates[:_MOST_CERTIFICATES]
    named, unreadable = _named(issuer, embedded, response.responder_name, response.responder_key_hash)
    if unreadable:
        draft.warn(
            "unreadable_certificate",
            f"the response contains a certificate that cannot be read ({unreadable}); clients with OpenSSL refuse the "
            "whole response if they cannot read it either",
        )
    if not named:
        draft.error(
            "unauthorized_responder",
            f"the responder {draft.responder_id} is neither the issuer nor any certificate in the response"
            + ("; one of those cannot be read" if unreadable else ""),
        )
    return named


def _verified(
    response: BasicResponse, named: t.Sequence[Certificate], issuer: Certificate, rules: Rules, draft: _Draft
) -> t.List[Certificate]:
    """Those whose key made the signature, up to the issuer; it is an error if nothing is proven by that."""
    signers, problems = [], []
    for candidate in _worth_asking(named, issuer):
        problem = signature.verify(response.scheme, candidate.public_key, response.signature, response.tbs)
        if problem:
            problems.append(problem)
            continue
        signers.append(candidate)
        if candidate is issuer:
            break
    weakness = _weakness("the response", response.scheme, (signers or named)[0], rules)
    draft.findings.extend(weakness)
    # A scheme that is refused anyway cannot always be verified; its weakness is then the better reason.
    if not signers and not weakness:
        draft.error("bad_signature", f"the signature of {draft.responder_id} does not verify: {problems[0]}")
    return signers


def _worth_asking(named: t.Sequence[Certificate], issuer: Certificate) -> t.Iterator[Certificate]:
    """The issuer, what it issued, and some others, which will be refused."""
    strangers = 0
    for candidate in named:
        if candidate is not issuer and not _is_from(candidate, issuer):
            strangers += 1
            if strangers > _MOST_STRANGERS:
                continue
        yield candidate


def _check_issuer_key_usage(issuer: Certificate, draft: _Draft) -> None:
    if not issuer.may_sign_responses:
        draft.warn(
            "issuer_key_usage",
            f"the issuer {issuer.name} signs responses, but its key usage lacks digitalSignature",
        )


def _check_responder_name(response: BasicResponse, signer: Certificate, refused: str, draft: _Draft) -> None:
    if response.responder_name not in (None, signer.subject):
        draft.warn(
            "misleading_responder",
            "the response spells or encodes the name of its signer in another way than the certificate of "
            f"{signer.name}; {refused} it",
        )


def _choose_delegate(
    signers: t.Sequence[Certificate], target: Target, now: datetime, rules: Rules, draft: _Draft
) -> Certificate:
    """The delegate with the fewest errors, which are those of the response.

    One key may have several certificates, such as a renewed one beside the one that has ended.
    """
    judged = [(one, _judge_delegate(one, target, now, rules)) for one in signers]
    delegate, faults = min(judged, key=lambda one: _demerits(one[1]))
    draft.findings.extend(faults)
    draft.responder_certificate = delegate.der
    draft.responder_certificate_expiry = delegate.not_after
    return delegate


def _demerits(findings: t.Sequence[Finding]) -> t.Tuple[int, int]:
    """The number of errors, and of doubts about this host's clock."""
    errors = sum(finding.severity == ERROR for finding in findings)
    return errors, sum(finding.code == "clock_implausible" for finding in findings)


@remembered_if_short(64)
def _weakness(what: str, scheme: signature.Scheme, signer: Certificate, rules: Rules) -> t.Tuple[Finding, ...]:
    """The finding about a signature that proves too little, if it does."""
    problem = signature.weakness(scheme, signer.public_key, "sha1_signature" in rules.allow)
    if not problem:
        return ()
    verdict = "not accepted" if scheme.flaw or signer.public_key.flaw else "too weak"
    return (Finding("weak_signature", ERROR, f"the signature of {what} by {signer.name} is {verdict}: {problem}"),)


@remembered_if_short(64)
def _named(
    issuer: Certificate, embedded: t.Tuple[bytes, ...], name: t.Optional[bytes], key_hash: t.Optional[bytes]
) -> t.Tuple[t.List[Certificate], str]:
    """Whom the responder ID means (RFC 6960 section 4.2.2.3): the issuer, or certificates in the response.

    And why one of those cannot be read, if one cannot. Remembered, since a CA sends the same with each response.
    """
    candidates = [issuer, *(found for found, _problem in map(_read_embedded, embedded) if found is not None)]
    if name is not None:
        named = [candidate for candidate in candidates if x509.same_name(candidate.subject, name)]
    else:
        named = [candidate for candidate in candidates if _key_hash(candidate) == key_hash]
    return named, _unreadable(embedded)


def _key_hash(certificate: Certificate) -> bytes:
    return hashlib.sha1(certificate.public_key_bits, usedforsecurity=False).digest()


def _unreadable(embedded: t.Tuple[bytes, ...]) -> str:
    """Why the first certificate of a response that cannot be read cannot, or an empty string."""
    for data in embedded:
        found, problem = _read_embedded(data)
        try:
            if found is not None:
                x509.check_name(found.issuer)
                x509.check_name(found.subject)
        except MalformedError as error:
            problem = str(error)
        if problem:
            return problem
    return ""


def _read_embedded(data: bytes) -> t.Tuple[t.Optional[Certificate], str]:
    """A certificate that came with a response, or else why it cannot be read; neither for one that is too large."""
    if len(data) > _LARGEST_CERTIFICATE:
        return None, ""
    try:
        found = Certificate.from_der(data)
        found.public_key  # pylint: disable=pointless-statement  # noqa: B018
        return found, ""
    except MalformedError as error:
        return None, str(error)


def _judge_delegate(delegate: Certificate, target: Target, now: datetime, rules: Rules) -> t.List[Finding]:
    """Check a delegated responder's certificate (RFC 6960 section 4.2.2.2, BR 7.1.2.8)."""
    is_leaf = delegate.tbs == target.certificate.tbs
    try:
        authority, profile = _standing_faults(delegate, target.issuer, is_leaf, rules)
    except MalformedError as error:
        message = f"the responder's certificate {delegate.name} cannot be read: {error}"
        return [Finding("unauthorized_responder", ERROR, message)]
    return authority + _validity_faults(delegate, now, rules) + profile


@remembered_if_short(64)
def _standing_faults(
    delegate: Certificate, issuer: Certificate, is_leaf: bool, rules: Rules
) -> t.Tuple[t.List[Finding], t.List[Finding]]:
    """What is wrong at any time: with the right to sign, and with the rest. Remembered, as a CA has few delegates."""
    name = f"the responder's certificate {delegate.name}"
    problem = _authority_problem(delegate, issuer, is_leaf)
    if problem:
        message = f"{delegate.name} may not sign for this issuer: {problem}"
        authority = [Finding("unauthorized_responder", ERROR, message)]
    else:
        authority = list(_weakness("the responder's certificate", delegate.scheme, issuer, rules))
    unknown = _unknown_critical(delegate.extensions, _KNOWN_IN_DELEGATE)
    if unknown:
        message = f"{name} has the critical extension {unknown}"
        authority.append(Finding("unknown_critical_extension", ERROR, message))
    profile = []
    if not delegate.has_nocheck:
        severity = ERROR if rules.require_nocheck else WARNING
        profile.append(Finding("responder_without_nocheck", severity, f"{name} lacks id-pkix-ocsp-nocheck"))
    oddities = _profile_oddities(delegate, issuer)
    profile.extend(Finding("responder_profile", WARNING, f"{name} {oddity}") for oddity in oddities)
    refused = _refused_by_clients(delegate, issuer)
    profile.extend(Finding("misleading_responder", WARNING, f"{name} {why}") for why in refused)
    profile.extend(Finding("encoding", WARNING, sentence) for sentence in deviations(delegate))
    return authority, profile


def _validity_faults(delegate: Certificate, now: datetime, rules: Rules) -> t.List[Finding]:
    faults = []
    if now > delegate.not_after:
        message = f"the responder's certificate {delegate.name} expired at {format_time(delegate.not_after)}"
        faults.append(Finding("responder_certificate_expired", ERROR, message))
    if _is_too_early(delegate.not_before, now, rules):
        begins = _future_text("notBefore", delegate.not_before, now)
        message = f"the responder's certificate {delegate.name} is not valid yet: {begins}"
        faults.append(Finding("responder_certificate_not_yet_valid", ERROR, message))
    elif _shows_lag(delegate.not_before, now, rules):
        message = _lag_text("notBefore of the signer", delegate.not_before, now)
        faults.append(Finding("clock_implausible", WARNING, message))
    return faults


def _authority_problem(delegate: Certificate, issuer: Certificate, is_leaf: bool) -> str:
    if is_leaf:
        return "it is the certificate that the response is about"
    problem = x509.issuance_problem(delegate, issuer)
    if problem:
        return problem
    readability.check(delegate)
    if _OCSP_SIGNING not in delegate.extended_key_usages:
        return "its extended key usage lacks OCSPSigning"
    if delegate.is_ca:
        return "it is a CA certificate"
    if not delegate.may_sign_responses and x509.NON_REPUDIATION not in (delegate.key_usages or ()):
        return "its key usage has neither digitalSignature nor nonRepudiation (RFC 5280 section 4.2.1.12)"
    return ""


def _profile_oddities(delegate: Certificate, issuer: Certificate) -> t.Iterator[str]:
    if delegate.extended_key_usages != [_OCSP_SIGNING]:
        yield "has extended key usages other than OCSPSigning"
    key_usage = delegate.extensions.get(x509.KEY_USAGE)
    if key_usage is None or not key_usage.critical:
        yield "has no critical key usage"
    elif delegate.may_sign_responses and delegate.key_usages != frozenset((x509.DIGITAL_SIGNATURE,)):
        yield "has key usages other than digitalSignature"
    if not delegate.may_sign_responses:
        yield "has nonRepudiation in its key usage and not digitalSignature, for which some clients look"
    for oid, what in _UNWANTED_IN_DELEGATE.items():
        if oid in delegate.extensions:
            yield f"has {what}"


def _refused_by_clients(delegate: Certificate, issuer: Certificate) -> t.Iterator[str]:
    if _seems_self_signed(delegate):
        yield "has the name of its CA and no other key identifiers; OpenSSL 3 takes it for self-signed and refuses it"
    other = identifier_problem(delegate, issuer)
    if other:
        yield f"has an authority key identifier with another {other} than its CA; clients with OpenSSL refuse it"
    if delegate.issuer != issuer.subject and x509.same_name(delegate.issuer, issuer.subject):
        is_read = x509.same_text(delegate.issuer, issuer.subject)
        refused = _BY_FIREFOX if is_read else _BY_FIREFOX_AND_GNUTLS
        yield f"spells or encodes the name of its CA in another way than the certificate of the CA does; {refused} it"
    nocheck = delegate.extensions.get(x509.OCSP_NOCHECK)
    if nocheck is not None and nocheck.critical:
        yield "has id-pkix-ocsp-nocheck as a critical extension; clients with GnuTLS refuse it"


def _seems_self_signed(delegate: Certificate) -> bool:
    """Whether OpenSSL takes it for its own issuer, which it asks no key about."""
    if not delegate.is_self_issued or delegate.scheme.kind != delegate.public_key.kind:
        return False
    return not identifier_problem(delegate, delegate)


# Extensions


def _unknown_critical(extensions: Extensions, known: t.FrozenSet[str] = frozenset()) -> str:
    """The OID of a critical extension that is not known, or an empty string (RFC 6960 section 4.4).

    Of a response and its answers, browsers know none, be it a nonce.
    """
    for oid, extension in extensions.items():
        if extension.critical and oid not in known:
            return oid
    return ""


def _check_extensions(
    response: BasicResponse, answers: t.Sequence[Answer], nonce: t.Optional[bytes], draft: _Draft
) -> None:
    unknown = _unknown_critical(response.extensions)
    if unknown:
        draft.error("unknown_critical_extension", f"the response has the critical extension {unknown}")
    for answer in answers:
        unknown = _unknown_critical(answer.extensions)
        if unknown:
            draft.error("unknown_critical_extension", f"the answer has the critical extension {unknown}")
        if _CRL_REASON in answer.extensions:
            draft.warn("unexpected_extension", "the answer has a reasonCode extension (BR 7.3.2)")
    returned = response.extensions.get(NONCE_OID)
    # An absent nonce is fine, since responses made in advance cannot have one (RFC 9654 section 2.1).
    if nonce is not None and returned is not None and returned.value != der.encode(der.OCTET_STRING, nonce):
        draft.error("nonce_mismatch", "the response has a different nonce from the request")


# Status and times


def _check_status(answers: t.Sequence[Answer], certificate: Certificate, draft: _Draft) -> None:
    statuses = [answer.status for answer in answers]
    # The strictest answer counts: believing the first one was CVE-2026-3832.
    strictest = REVOKED if REVOKED in statuses else UNKNOWN if UNKNOWN in statuses else GOOD
    draft.certificate_status = strictest
    if strictest == GOOD:
        return
    if len(answers) > 1:
        draft.error(
            "ambiguous",
            f"the response holds {len(answers)} answers about this certificate: {', '.join(sorted(set(statuses)))}",
        )
    if strictest == UNKNOWN:
        draft.error("unknown_status", f"the responder does not know the certificate {certificate.name}")
    if strictest == REVOKED:
        revoked = next(answer for answer in answers if answer.status == REVOKED)
        draft.revocation_time = revoked.revocation_time
        draft.revocation_reason = revoked.revocation_reason
        draft.error("revoked", _revocation_text(revoked, certificate.name))


def _revocation_text(answer: Answer, name: str) -> str:
    moment = format_time(answer.revocation_time) or ""
    reason = f" ({answer.revocation_reason})" if answer.revocation_reason else ""
    text = f"the certificate {name} was revoked at {moment}{reason}"
    # How a responder says that a certificate was never issued (RFC 6960 section 2.2).
    if answer.revocation_reason == "certificate_hold" and moment == "1970-01-01T00:00:00Z":
        text += "; the responder may mean that the CA never issued it (non-issued, RFC 6960 section 2.2)"
    return text


def _check_times(answer: Answer, produced_at: datetime, now: datetime, rules: Rules, draft: _Draft) -> None:
    this_update, next_update = answer.this_update, answer.next_update
    for name, moment in (("thisUpdate", this_update), ("producedAt", produced_at)):
        if _is_too_early(moment, now, rules):
            draft.error("not_yet_valid", _future_text(name, moment, now))
        elif _shows_lag(moment, now, rules):
            draft.warn("clock_implausible", _lag_text(name, moment, now))
    if next_update is None:
        if "missing_next_update" not in rules.allow:
            draft.error(
                "missing_next_update",
                "the response has no nextUpdate, so its validity period is unknown; if this CA never sends one, set "
                "'allow: [missing_next_update]', and each response is used for 24 hours from its thisUpdate",
            )
    elif next_update < this_update:
        draft.error("inconsistent_times", "nextUpdate is before thisUpdate")
    elif not _SHORTEST_INTERVAL <= next_update - this_update <= _LONGEST_INTERVAL:
        interval = _duration_text(next_update - this_update)
        draft.warn(
            "unusual_interval", f"the validity period of the response is {interval}, not between 8 hours and 10 days"
        )


def _is_too_early(begins: datetime, now: datetime, rules: Rules) -> bool:
    """Whether a response must not be used that begins then."""
    lead = begins - now
    return lead > rules.clock_tolerance and (rules.lead is None or lead > rules.lead)


def _shows_lag(begins: datetime, now: datetime, rules: Rules) -> bool:
    """Whether a response that may be used begins so much later than now that the clock must be behind."""
    return rules.lead is not None and begins - now > max(rules.clock_tolerance, SET_BACK)


def _future_text(name: str, moment: datetime, now: datetime) -> str:
    return f"{name} is {format_time(moment)}, later than this host's clock ({format_time(now)})"


def _lag_text(name: str, moment: datetime, now: datetime) -> str:
    return (
        f"this host's clock says {format_time(now)}, which is behind the {name} of the response in place "
        f"({format_time(moment)})"
    )


def _fill_times(
    answers: t.Sequence[Answer],
    certificate: Certificate,
    delegate: t.Optional[Certificate],
    rules: Rules,
    draft: _Draft,
) -> t.Optional[datetime]:
    """Set the times by the answer that lives shortest, capped by the certificates it depends on and by ``maximum_age``.

    Returns when it would expire without the latter, None where it says nothing of that.
    """
    shortest = answers[0]
    for answer in answers[1:]:
        if _end(answer, rules) < _end(shortest, rules):
            shortest = answer
    renewable_until = _end(shortest, rules)
    draft.this_update = shortest.this_update
    draft.next_update = shortest.next_update
    draft.certid_digest = shortest.digest
    if shortest.next_update is None and "missing_next_update" not in rules.allow:
        return None
    if delegate is not None and delegate.not_after < renewable_until:
        draft.warn(
            "shortened_life",
            f"the responder's certificate expires at {format_time(delegate.not_after)}, before nextUpdate",
        )
        renewable_until = delegate.not_after
    oldest = _oldest(answers)
    too_old = oldest + rules.maximum_age if rules.maximum_age < _LATEST - oldest else _LATEST
    draft.renewable_until = min(renewable_until, too_old)
    draft.effective_expiry = min(draft.renewable_until, certificate.not_after)
    return min(renewable_until, certificate.not_after)


def _oldest(answers: t.Sequence[Answer]) -> datetime:
    return min([answer.this_update for answer in answers])


def _end(answer: Answer, rules: Rules) -> datetime:
    if answer.next_update is not None:
        return answer.next_update
    return min(answer.this_update, _LATEST - rules.default_life) + rules.default_life


def _check_expiry(
    answers: t.Sequence[Answer], expiry: t.Optional[datetime], now: datetime, rules: Rules, draft: _Draft
) -> None:
    if expiry is not None and now > expiry:
        draft.error(
            "expired",
            f"the response expired at {format_time(expiry)} (this host's clock says {format_time(now)})",
        )
    age = now - _oldest(answers)
    if age > rules.maximum_age:
        limit = _duration_text(rules.maximum_age)
        draft.error("too_old", f"thisUpdate is {_duration_text(age)} ago, longer than the maximum_age of {limit}")
    elif age > _CHROMIUM_MAXIMUM_AGE:
        draft.warn("too_old", f"thisUpdate is {_duration_text(age)} ago; Chromium ignores responses older than 7 days")


def _duration_text(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{round(seconds / length, 1):g} {unit}"
    return f"{round(seconds)} second{'' if round(seconds) == 1 else 's'}"


# What came with it


def _check_received(received: Received, now: datetime, draft: _Draft) -> None:
    url, status, date = received
    if status != 200 and draft.response_status == SUCCESSFUL:
        draft.warn("http_error", f"{url} sent its response with HTTP status {status}")
    if date is None or draft.this_update is None:
        return
    # The responder's clock and its response must both contradict this host's clock, in the same direction.
    offsets = (date - now, draft.this_update - now)
    if min(offsets) > _IMPLAUSIBLE_OFFSET or max(offsets) < -_IMPLAUSIBLE_OFFSET:
        draft.warn(
            "clock_implausible",
            f"this host's clock says {format_time(now)}, but the responder's says {format_time(date)}; "
            "check the time of this host",
        )
