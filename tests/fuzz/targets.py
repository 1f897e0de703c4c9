# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is fuzzed, and what must hold for any bytes.

``der``: each way to read an element ends in a value or in MalformedError, and a value that was read has
the one encoding that was read.

``certificate``: reading one ends in MalformedError or in a certificate whose properties end the same
way; where cryptography reads it too, both say the same.

``judge``: any bytes end in a judgement. None of it comes of an exception that nobody foresaw, and its
sentences can be printed. A response is acceptable only where L(second_opinion) believes it: whatever
was changed, the signed part verifies under a key that the issuer stands behind, and the answers in it
are about the leaf, good, and of now. Being stricter never makes a response acceptable.

Files and servers are in ``file_targets.py`` and ``server_target.py``.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import random
import typing as t
from datetime import datetime

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.asn1 import der
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import wire
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import constraints, identifiers
from ansible_collections.certops.ocsp.tests.fuzz import file_targets, server_target, tree, world
from ansible_collections.certops.ocsp.tests.fuzz.properties import Plain, Target, Violation, check_message
from ansible_collections.certops.ocsp.tests.unit import forge

#: The responses about one certificate that need to be told of.
MOST_FINDINGS = 100

_UNFORESEEN = "the response cannot be read ("

Values = t.Dict[str, t.Any]

# Changes -----------------------------------------------------------------------------------------

DONOR_OIDS = (
    ("1.3.6.1.5.5.7.48.1.1", "1.3.6.1.5.5.7.48.1.2", "1.3.6.1.5.5.7.48.1.5", "1.3.6.1.5.5.7.48.1.6")
    + ("1.3.6.1.5.5.7.48.1.9", "1.3.6.1.5.5.7.3.9", "2.5.29.37.0", "2.5.29.14", "2.5.29.15", "2.5.29.17")
    + ("2.5.29.19", "2.5.29.21", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.35", "2.5.29.37")
    + ("1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24", "1.3.6.1.5.5.7.48.1", "1.2.840.113549.1.1.1")
    + ("1.2.840.113549.1.1.5", "1.2.840.113549.1.1.8", "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.11")
    + ("1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2", "1.3.101.112", "1.3.101.113")
    + ("1.3.132.0.10", "1.3.132.0.34", "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1", "2.5.4.3", "2.999.1")
)


@functools.cache
def _donors() -> tuple[tree.Node, ...]:
    """Elements to put in: small ones of each kind, and all that the seeds are made of."""
    small = [forge.oid(dotted) for dotted in DONOR_OIDS]
    small += [forge.NULL, forge.TRUE, b"\x01\x01\x00", forge.integer(0), forge.integer(-1), forge.octets(b"")]
    small += [forge.pss_parameters(digest, mask, salt) for digest, mask, salt in (("sha256", "sha256", 32),)]
    small += [forge.algorithm(scheme) for scheme in ("pss_sha256", "pss_sha1", "ed25519", "ed448", "ecdsa_sha384")]
    small += [forge.generalized(world.NOW), forge.x509_time(world.NOW), forge.tlv(0x0A, b"\x01")]
    seen: dict[bytes, tree.Node] = {}
    for data in (*small, *world.responses().values(), *world.certificates().values()):
        for node in tree.elements(tree.parse(data)):
            seen.setdefault(node.encode(), node)
    return tuple(node for octets, node in seen.items() if len(octets) < 600)


def dictionary() -> list[bytes]:
    """What plain bytes are changed with: object identifiers, and identifier and length octets."""
    words = [forge.oid(dotted) for dotted in DONOR_OIDS]
    words += [bytes((tag,)) for tag in tree.TAGS] + [b"\x80", b"\x81\x80", b"\x82\x01\x00", b"\x84\xff\xff\xff\xff"]
    return words + [forge.NULL, forge.TRUE, b"\x0a\x01\x00", b"\x80\x00", b"\x82\x00", forge.generalized(world.NOW)]


def _bend(data: bytes, chance: random.Random, plain: Plain) -> tree.Forest:
    """Change plain bytes in one of six cases, elements in the others."""
    if chance.random() < 1 / 6:
        return tree.parse(plain(data))
    forest = tree.parse(data)
    for _index in range(chance.choice((1, 1, 1, 1, 2, 4))):
        tree.change(chance, forest, _donors())
    return forest


def _mutate_elements(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    return tree.encode(_bend(data, chance, plain))


def _mutate_certificate(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    forest = _bend(data, chance, plain)
    if chance.random() < 0.4:
        world.sign_certificate(chance, forest)
    return tree.encode(forest)


def _mutate_response(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    forest = _bend(data, chance, plain)
    if chance.random() < 0.7:
        world.sign_response(chance, forest)
    return tree.encode(forest)


# The DER reader ----------------------------------------------------------------------------------


def _read(method: str, data: bytes, *arguments: t.Any) -> t.Any:
    """What a method of the reader makes of the bytes, or None where it refuses them."""
    try:
        return getattr(der.Reader(data, "test"), method)(*arguments)
    except MalformedError:
        return None


@functools.cache
def _reader_methods() -> tuple[tuple[str, bool], ...]:
    """The methods that read, and whether they must be told the tag."""
    methods = []
    for name, function in inspect.getmembers(der.Reader, inspect.isfunction):
        if not name.startswith("_") and name not in ("fail", "finish", "at_end", "peek"):
            parameters = list(inspect.signature(function).parameters.values())[1:]
            tagged = bool(parameters) and parameters[0].default is inspect.Parameter.empty
            methods.append((name, tagged))
    return tuple(methods)


def _shown(value: t.Any) -> t.Any:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > 4000:
        return hex(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(_shown, value))
    if isinstance(value, t.Mapping):
        return {str(_shown(key)): _shown(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(entry) for entry in value]
    return "reader" if isinstance(value, der.Reader) else value


def _der_verdict(data: bytes) -> Values:
    tag = data[0] if data else 0
    return {name: _shown(_read(name, data, *([tag] if tagged else []))) for name, tagged in _reader_methods()}


def _check_der(data: bytes) -> None:
    values = _der_verdict(data)
    tag = data[0] if data else 0
    whole = _read("raw", data, tag)
    content = _read("content", data, tag)
    if (whole is None) != (content is None):
        raise Violation("der: raw and content differ")
    if whole is None:
        wrong = sorted(name for name, value in values.items() if value not in (None, False))
        if wrong:
            raise Violation(f"der: {wrong[0]} reads what is no element")
        return
    if whole != data[: len(whole)] or whole != der.encode(tag, content) or whole != forge.tlv(tag, content):
        raise Violation("der: an element with a second encoding", whole.hex())
    for name, value in values.items():
        encoded = _encoded(name, value, tag)
        if encoded not in (None, whole):
            raise Violation(f"der: {name} reads a second encoding", whole.hex())
    _walk(der.Reader(data, "test"), data, 0)


def _encoded(name: str, value: t.Any, tag: int) -> t.Optional[bytes]:
    """The encoding of what was read, or None where it does not tell it."""
    if value is None:
        return None
    if name == "integer":
        return forge.integer(int(value, 16) if isinstance(value, str) else value)
    if name == "oid":
        return forge.oid(value)
    if name in ("bits", "octets"):
        return forge.bits(bytes.fromhex(value))
    if name == "named_bits":
        octets = bytearray(max(value, default=-1) // 8 + 1)
        for bit in value:
            octets[bit // 8] |= 0x80 >> bit % 8
        # Bits that are not set may follow; only the first octets are told.
        return None if tag == 0x03 else b""
    if name in ("time", "generalized_time"):
        moment = datetime.fromisoformat(value)
        text = f"{moment.year:04}{moment:%m%d%H%M%S}Z"
        return forge.tlv(tag, (text[2:] if tag == 0x17 else text).encode())
    return None


def _walk(reader: der.Reader, data: bytes, depth: int) -> None:
    """Read elements within elements; what was gone through, written again, must be what was read."""
    written = b""
    with contextlib.suppress(MalformedError):
        while not reader.at_end():
            written += reader.raw(reader.peek())
    if not data.startswith(written):
        raise Violation("der: elements are not where they were read")
    inside = _read("enter", data, data[0]) if data and data[0] & 0x20 and depth < 20 else None
    if inside is not None:
        _walk(inside, _read("content", data, data[0]), depth + 1)


# Certificates ------------------------------------------------------------------------------------


@functools.cache
def _own(name: str) -> x509.Certificate:
    return x509.Certificate.from_der({"leaf": world.leaf(), "issuer": world.issuer()}[name].der)


@functools.cache
def _properties() -> tuple[str, ...]:
    return tuple(
        name
        for name, member in vars(x509.Certificate).items()
        if isinstance(member, (property, functools.cached_property)) and not name.startswith("_")
    )


def _read_certificate(data: bytes) -> t.Optional[x509.Certificate]:
    try:
        return x509.Certificate.from_der(data)
    except MalformedError:
        return None


def _fields(certificate: x509.Certificate) -> Values:
    """All that a certificate says; "malformed" for a property that does not parse."""
    fields: Values = {
        name: _shown(getattr(certificate, name))
        for name in ("tbs", "serial_number", "issuer", "not_before", "not_after", "subject", "spki", "signature")
    }
    fields["scheme"] = list(certificate.scheme)
    fields["extensions"] = {
        oid: [entry.critical, entry.value.hex()] for oid, entry in sorted(certificate.extensions.items())
    }
    read = {name: functools.partial(getattr, certificate, name) for name in _properties()}
    others = (
        constraints.constraints_of,
        identifiers.authority_key_identifier,
        identifiers.is_self_signed,
        identifiers.subject_key_identifier,
    )
    read.update((function.__name__, functools.partial(function, certificate)) for function in others)
    for name, get in read.items():
        try:
            value = get()
        except MalformedError:
            value = "malformed"
        if name == "public_key" and value != "malformed":
            value = [value.kind, value.bits, value.key is not None, bool(value.flaw)]
        fields[name] = _shown(value)
    return fields


def _certificate_verdict(data: bytes) -> Values:
    certificate = _read_certificate(data)
    if certificate is None:
        return {"fields": None}
    return {"fields": _fields(certificate), "issued": _issued(certificate), "loads": _loads(data)}


def _issued(certificate: x509.Certificate) -> bool:
    try:
        return not x509.issuance_problem(certificate, _own("issuer"))
    except MalformedError:
        return False


def _loads(data: bytes) -> bool:
    """Whether a file of these bytes is one to go by."""
    try:
        found = x509.load_certificates(data, "the file")
        x509.find_issuer(x509.find_leaf(found, "the file"), [*found, _own("issuer")], [], "the file")
    except InputError as error:
        check_message(error.message)
        return False
    return True


def _check_certificate(data: bytes) -> None:
    certificate = _read_certificate(data)
    if _loads(data) and certificate is None and data[:1] == b"\x30":
        raise Violation("certificate: a file that holds none")
    secrets.holds_private_key(data)
    _loads(forge.armour(data))
    if certificate is None:
        return
    fields = _fields(certificate)
    json.dumps(fields).encode()
    check_message(certificate.name)
    subject, issuer = certificate.subject, certificate.issuer
    if not x509.same_name(subject, subject[:]):
        raise Violation("certificate: a name differs from itself")
    if x509.same_name(subject, issuer) != x509.same_name(issuer, subject):
        raise Violation("certificate: names are the same one way round only")
    _compare(certificate, fields)


def _compare(certificate: x509.Certificate, fields: Values) -> None:
    from ansible_collections.certops.ocsp.tests.fuzz import second_opinion

    theirs = second_opinion.certificate_fields(certificate.der)
    for name, value in theirs.items():
        if fields[name] != "malformed" and fields[name] != _shown(value):
            raise Violation(f"certificate: {name} differs", f"{fields[name]} instead of {_shown(value)}")
    if theirs and _issued(certificate) and not second_opinion.is_signed_by(certificate.der, world.issuer().der):
        raise Violation("certificate: a signature that is none")


# The judge ---------------------------------------------------------------------------------------

STRICT = Rules()
RELAXED = Rules(allow=frozenset(("sha1_signature", "missing_next_update")))


def _judge(data: bytes, rules: Rules) -> Judgement:
    return judge(data, x509.Target(_own("leaf"), _own("issuer")), world.NOW, rules)


_FACTS = (
    ("response_status", "certificate_status", "this_update", "next_update", "produced_at", "effective_expiry")
    + ("renewable_until", "revocation_time", "revocation_reason", "responder_id", "responder_certificate_expiry")
    + ("signature_algorithm", "certid_digest", "answer_index", "answer_count", "acceptable", "errors", "warnings")
)


def _judge_verdict(data: bytes) -> Values:
    return {**_facts(_judge(data, RELAXED)), "strictly": _judge(data, STRICT).errors}


def _facts(judgement: Judgement) -> Values:
    return {name: _shown(getattr(judgement, name)) for name in _FACTS}


def _check_judge(data: bytes) -> None:
    judgement, strictly = _judge(data, RELAXED), _judge(data, STRICT)
    for finding in judgement.findings:
        check_message(finding.message)
        if finding.message.startswith(_UNFORESEEN):
            kind = finding.message[len(_UNFORESEEN) :].split(":", maxsplit=1)[0]
            raise Violation(f"judge: unforeseen {kind}", finding.message)
    if len(judgement.findings) > MOST_FINDINGS:
        raise Violation("judge: findings without end", str(len(judgement.findings)))
    json.dumps(_facts(judgement)).encode()
    if ("malformed" in judgement.errors) != bool(wire.parse_problem(data)):
        raise Violation("judge: malformed, and not for its form", judgement.message)
    if strictly.acceptable and not judgement.acceptable:
        raise Violation("judge: acceptable by the strict rules only", judgement.message)
    if wire.from_pem(wire.to_pem(data)) != data:
        raise Violation("judge: PEM of something else")
    wire.from_pem(data)
    for verdict, rules in ((judgement, RELAXED), (strictly, STRICT)):
        if verdict.acceptable:
            _check_acceptance(data, verdict, rules)


def _check_acceptance(data: bytes, judgement: Judgement, rules: Rules) -> None:
    from ansible_collections.certops.ocsp.tests.fuzz import second_opinion

    question = second_opinion.question(world.leaf().der, world.issuer().der, world.NOW, rules)
    try:
        answers = second_opinion.believe(data, question)
    except second_opinion.Doubt as doubt:
        raise Violation(f"judge: accepted, although {str(doubt).split(': ', maxsplit=1)[0]}", str(doubt)) from None
    if judgement.certificate_status != "good":
        raise Violation("judge: accepted, and not good")
    times = [(answer.this_update_utc, answer.next_update_utc) for answer in answers]
    if (judgement.this_update, judgement.next_update) not in times:
        raise Violation("judge: times of no answer")


def disagreement(target: str, ours: t.Any, theirs: t.Any) -> str:
    """The names of the facts in which two verdicts on the same input differ, or an empty string."""
    if ours == theirs:
        return ""
    names = [name for name in ours if ours[name] != theirs.get(name)]
    return ", ".join(sorted(names)) or "everything"


TARGETS: dict[str, Target] = {
    "der": Target(
        lambda: {**world.elements(), **world.certificates(), **world.responses()},
        _mutate_elements,
        _check_der,
        _der_verdict,
        ("der.py",),
    ),
    "certificate": Target(
        lambda: {**world.certificates(), **world.vectors("certificate")},
        _mutate_certificate,
        _check_certificate,
        _certificate_verdict,
        ("certificate.py", "signature.py", "der.py"),
    ),
    "judge": Target(
        lambda: {**world.responses(), **world.foreign_responses()},
        _mutate_response,
        _check_judge,
        _judge_verdict,
        ("response.py", "wire.py", "certificate.py", "signature.py", "der.py"),
    ),
    **file_targets.TARGETS,
    **server_target.TARGETS,
}
