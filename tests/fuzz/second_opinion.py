# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a response is good, by the parsers of a recent cryptography and none of the core's code.

It is asked about what the judge accepted. It knows only what makes a response wrong to believe, and
says nothing about what is merely odd.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t
from datetime import datetime

from ansible_collections.certops.ocsp.tests.fuzz import tree
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

_PSS = "1.2.840.113549.1.1.10"
#: basicConstraints, keyUsage, extKeyUsage, certificatePolicies, subjectAltName, nocheck
_DELEGATE_EXTENSIONS = ("2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.32", "2.5.29.17", "1.3.6.1.5.5.7.48.1.5")
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class Question(t.NamedTuple):
    """What is asked: a certificate and its issuer, the time, and the rules as plain values."""

    leaf: x509.Certificate
    issuer: x509.Certificate
    now: datetime
    rules: t.Any


class Doubt(Exception):
    """Why the response must not be believed."""


def believe(data: bytes, question: Question) -> list[t.Any]:
    """The answers about the certificate, all of them good. Raises Doubt where there is a reason not to believe them."""
    try:
        response = ocsp.load_der_ocsp_response(_loadable(data))
    except Exception as error:
        raise Doubt(f"cryptography does not read it: {error}") from None
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Doubt(f"it has the status {response.response_status}")
    fields = _basic_response(data).at(0).children
    singles = next(field for field in fields if field.tag == 0x30).children
    answers = []
    for answer, single in zip(response.responses, singles):
        if _is_about(answer, question):
            answers.append(answer)
            _check_answer(answer, question)
            _refuse_critical(single.children[3:])
    if not answers:
        raise Doubt("it contains no answer about the certificate")
    _refuse_critical(fields[2:])
    if response.produced_at_utc > question.now + question.rules.clock_tolerance:
        raise Doubt("it was produced in the future")
    _check_signature(data, response, question)
    return answers


def _basic_response(data: bytes) -> tree.Node:
    return tree.parse(data)[0].at(1, 0, 1, 0)


def _loadable(data: bytes) -> bytes:
    """The response without what keeps cryptography from loading it, and need not.

    That is the default version, which some CAs write out, and the certificates, of which a surplus one may be
    anything.
    """
    forest = tree.parse(data)
    try:
        basic = forest[0].at(1, 0, 1, 0)
        fields = basic.at(0).children
    except IndexError:
        return data
    if fields and fields[0].encode() == b"\xa0\x03\x02\x01\x00":
        del fields[0]
    if len(basic.children) == 4 and basic.children[3].tag == 0xA0:
        del basic.children[3]
    return tree.encode(forest)


def _is_about(answer: t.Any, question: Question) -> bool:
    try:
        digest = answer.hash_algorithm.name
    except UnsupportedAlgorithm:
        return False
    if answer.serial_number != question.leaf.serial_number or digest not in ("sha1", "sha256", "sha384", "sha512"):
        return False
    name = hashlib.new(digest, question.issuer.subject.public_bytes()).digest()
    # The bits are DER themselves for RSA keys, and raw octets for others.
    key = hashlib.new(digest, _key_bits(question.issuer)).digest()
    return answer.issuer_name_hash == name and answer.issuer_key_hash == key


def _key_bits(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _check_answer(answer: t.Any, question: Question) -> None:
    rules, now = question.rules, question.now
    if answer.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise Doubt(f"it says {answer.certificate_status}")
    begin, end = answer.this_update_utc, answer.next_update_utc
    if begin > now + rules.clock_tolerance:
        raise Doubt("thisUpdate is in the future")
    if now - begin > rules.maximum_age:
        raise Doubt("it is too old")
    if end is None:
        if "missing_next_update" not in rules.allow:
            raise Doubt("it has no nextUpdate")
        end = begin + rules.default_life
    if not begin <= end or end < now:
        raise Doubt("it has ended")


def _refuse_critical(fields: t.Sequence[tree.Node]) -> None:
    """By the bytes, since cryptography shows no extensions of several answers. Browsers know none of them."""
    for wrapped in fields:
        for extension in wrapped.at(0).children if wrapped.tag == 0xA1 else []:
            parts = extension.children
            if len(parts) == 3 and parts[1].encode() == b"\x01\x01\xff":
                raise Doubt(f"it has the critical extension {_dotted(parts[0].content)}")


def _dotted(content: bytes) -> str:
    arcs, arc = [], 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def _check_signature(data: bytes, response: t.Any, question: Question) -> None:
    basic = _basic_response(data)
    signed = basic.at(0).encode()
    candidates = [question.issuer]
    for element in basic.at(3, 0).children if len(basic.children) > 3 else []:
        try:
            candidate = x509.load_der_x509_certificate(element.encode())
            candidate.public_key()
        except Exception:
            continue
        candidates.append(candidate)
    reasons = ["nobody is named"]
    for candidate in candidates:
        if not _is_named(candidate, response):
            continue
        try:
            _verify(candidate.public_key(), response, signed, question)
            if candidate is not question.issuer:
                _check_delegate(candidate, question)
        except Doubt as doubt:
            reasons.append(str(doubt))
        except InvalidSignature:
            reasons.append("the signature is wrong")
        else:
            return
    raise Doubt(f"no signer has the authority: {reasons[-1]}")


def _is_named(candidate: x509.Certificate, response: t.Any) -> bool:
    if response.responder_key_hash is not None:
        return response.responder_key_hash == hashlib.sha1(_key_bits(candidate)).digest()
    try:
        return _folded(response.responder_name) == _folded(candidate.subject)
    except Exception:  # cryptography does not read all names; whose key fits is what counts
        return True


def _folded(name: x509.Name) -> list[t.Any]:
    """A name for comparison as by RFC 5280 section 7.1."""
    return [
        {
            (one.oid, " ".join(one.value.split()).casefold() if isinstance(one.value, str) else one.value)
            for one in attributes
        }
        for attributes in name.rdns
    ]


def _verify(key: t.Any, response: t.Any, signed: bytes, question: Question) -> None:
    signature, oid = response.signature, response.signature_algorithm_oid.dotted_string
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        if oid != ("1.3.101.112" if isinstance(key, ed25519.Ed25519PublicKey) else "1.3.101.113"):
            raise Doubt("the key is of another kind")
        key.verify(signature, signed)
        return
    if oid == _PSS:
        _verify_pss(key, signature, signed)
        return
    digest = response.signature_hash_algorithm
    weak = "sha1_signature" in question.rules.allow and isinstance(digest, hashes.SHA1)
    if not isinstance(digest, _STRONG) and not weak:
        raise Doubt("the digest is weak")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        key.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        key.verify(signature, signed, padding.PKCS1v15(), digest)
    else:
        raise Doubt("the key is weak")


def _verify_pss(key: t.Any, signature: bytes, signed: bytes) -> None:
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise Doubt("the key is weak")
    for digest in _STRONG:
        try:
            key.verify(signature, signed, padding.PSS(padding.MGF1(digest()), digest.digest_size), digest())
        except InvalidSignature:
            continue
        return
    raise InvalidSignature


def _check_delegate(delegate: x509.Certificate, question: Question) -> None:
    """What RFC 6960 section 4.2.2.2 asks of a delegated responder."""
    try:
        delegate.verify_directly_issued_by(question.issuer)
    except Exception as error:
        raise Doubt(f"the issuer did not issue the delegate ({error})") from None
    now, tolerance = question.now, question.rules.clock_tolerance
    if not delegate.not_valid_before_utc - tolerance <= now <= delegate.not_valid_after_utc:
        raise Doubt("the delegate is not valid now")
    if delegate.fingerprint(hashes.SHA256()) == question.leaf.fingerprint(hashes.SHA256()):
        raise Doubt("the leaf signed for itself")
    try:
        extensions = {extension.oid.dotted_string: extension for extension in delegate.extensions}
    except Exception as error:
        raise Doubt(f"the delegate's extensions are not read: {error}") from None
    critical = [oid for oid, extension in extensions.items() if extension.critical and oid not in _DELEGATE_EXTENSIONS]
    if critical:
        raise Doubt(f"the delegate has the critical extension {critical[0]}")
    usages = extensions.get("2.5.29.37")
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages.value:
        raise Doubt("the delegate is not for OCSP")
    constraints, usage = extensions.get("2.5.29.19"), extensions.get("2.5.29.15")
    if constraints is not None and constraints.value.ca:
        raise Doubt("the delegate is a CA")
    if usage is not None and not usage.value.digital_signature:
        raise Doubt("the delegate's key is not for signatures")


# Certificates ------------------------------------------------------------------------------------


def question(leaf: bytes, issuer: bytes, now: datetime, rules: t.Any) -> Question:
    return Question(_load(leaf), _load(issuer), now, rules)


@functools.lru_cache(maxsize=8)
def _load(data: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(data)


def certificate_fields(data: bytes) -> dict[str, t.Any]:
    """What a certificate says, as far as cryptography reads it."""
    try:
        certificate = x509.load_der_x509_certificate(data)
        fields: dict[str, t.Any] = {
            "tbs": certificate.tbs_certificate_bytes,
            "serial_number": certificate.serial_number,
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
            "signature": certificate.signature,
        }
    except Exception:  # what it raises for what it does not read is of many kinds
        return {}
    try:
        extensions = {extension.oid.dotted_string: extension.value for extension in certificate.extensions}
    except Exception:
        return fields
    constraints, usage = extensions.get("2.5.29.19"), extensions.get("2.5.29.15")
    usages, features = extensions.get("2.5.29.37"), extensions.get("1.3.6.1.5.5.7.1.24")
    fields["is_ca"] = constraints is not None and constraints.ca
    fields["may_sign_responses"] = usage is None or usage.digital_signature
    fields["extended_key_usages"] = [] if usages is None else [usage.dotted_string for usage in usages]
    fields["has_nocheck"] = "1.3.6.1.5.5.7.48.1.5" in extensions
    fields["must_staple"] = features is not None and x509.TLSFeatureType.status_request in features
    return fields


def is_signed_by(data: bytes, issuer: bytes) -> bool:
    """Whether the signature on a certificate is by the Ed25519 key of another."""
    certificate = x509.load_der_x509_certificate(data)
    key = _load(issuer).public_key()
    assert isinstance(key, ed25519.Ed25519PublicKey)
    try:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes)
    except InvalidSignature:
        return False
    return certificate.signature_algorithm_oid.dotted_string == "1.3.101.112"
