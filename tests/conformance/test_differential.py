# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated responses, judged by us and by the C(openssl ocsp) of this machine.

Three questions are put to both: is the response authentic (signed well, by one who may), what does it
say about the certificate, and do its times hold now. Where we answer otherwise on purpose, DIFFERENCES
says why; everything else must agree. OpenSSL goes by the clock, so the responses are made around now.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.conformance.openssl_program import OPENSSL, openssl_version
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, Entity

NOW = datetime.now(timezone.utc).replace(microsecond=0)
RULES = Rules()

pytestmark = pytest.mark.skipif(not OPENSSL, reason="there is no openssl on this machine to compare with")

AUTHENTIC, STATUS, TIMELY = "authentic", "status", "timely"
ALL = (AUTHENTIC, STATUS, TIMELY)


class Verdict(t.NamedTuple):
    """What one of the two says. Where there is no answer about the certificate, it is NOTHING."""

    authentic: bool
    status: t.Optional[str]
    timely: bool


NOTHING = Verdict(False, None, False)


class Difference(t.NamedTuple):
    """Where we differ on purpose: in which answers, why, and by which source.

    ``ours`` is what we say there. OpenSSL became stricter in some: it need not differ from version
    ``until`` on.
    """

    aspects: t.Tuple[str, ...]
    ours: Verdict
    why: str
    source: str
    until: t.Tuple[int, ...] = (99,)


UNAUTHENTIC = Verdict(False, "good", True)
UNTIMELY = Verdict(True, "good", False)

#: By the trait of a case. A case with several traits may differ in what any of them may.
DIFFERENCES = {
    "delegate as CA": Difference(
        (AUTHENTIC,), UNAUTHENTIC, "a CA's certificate is no responder's", "CA/Browser Forum BR 7.1.2.8"
    ),
    "delegate of another usage": Difference(
        (AUTHENTIC,), UNAUTHENTIC, "its key is not for signatures", "RFC 5280 4.2.1.3, BR 7.1.2.8.7"
    ),
    "delegate expired": Difference(
        (TIMELY,), Verdict(False, "good", False), "a response ends with its delegate", "RFC 5280 6.1"
    ),
    "a certificate that is none beside": Difference(
        ALL, Verdict(True, "good", True), "surplus certificates harm nobody", "RFC 6960 4.2.1"
    ),
    "RSA of 1024 bits": Difference((AUTHENTIC,), UNAUTHENTIC, "too weak", "BR 6.1.5"),
    "curve P-224": Difference((AUTHENTIC,), UNAUTHENTIC, "not among the accepted curves", "BR 6.1.5"),
    "curve secp256k1": Difference((AUTHENTIC,), UNAUTHENTIC, "not among the accepted curves", "BR 6.1.5"),
    "MD5": Difference((AUTHENTIC,), UNAUTHENTIC, "a broken digest", "RFC 6151, BR 7.1.3.2"),
    "SHA-1": Difference((AUTHENTIC,), UNAUTHENTIC, "SHA-1 proves nothing any more", "BR 7.1.3.2.1"),
    "SHA-224": Difference((AUTHENTIC,), UNAUTHENTIC, "not among the accepted digests", "BR 7.1.3.2"),
    "odd PSS": Difference((AUTHENTIC,), UNAUTHENTIC, "salt and mask by the digest only", "BR 7.1.3.2"),
    "without nextUpdate": Difference((TIMELY,), UNTIMELY, "nobody can tell how long it holds", "RFC 5019 2.2.4"),
    "ended a minute ago": Difference(
        (TIMELY,), UNTIMELY, "clients compare without tolerance", "RFC 6960 4.2.2.1, Chromium CheckOCSPDateValid"
    ),
    "producedAt in the future": Difference(
        (TIMELY,), UNTIMELY, "it was signed by a wrong clock, or with this one", "RFC 6960 2.4"
    ),
    "thisUpdate on 30 February": Difference((AUTHENTIC, STATUS), NOTHING, "there is no such day", "RFC 5280 4.1.2.5.2"),
    "nextUpdate without seconds": Difference(
        (AUTHENTIC, STATUS), NOTHING, "with seconds", "RFC 5280 4.1.2.5.2", (3, 1)
    ),
    "thisUpdate with a fraction": Difference((AUTHENTIC, STATUS), NOTHING, "no fractions of seconds", "RFC 5019 2.2.4"),
    "nextUpdate with an offset": Difference(ALL, NOTHING, "in UTC only", "RFC 5280 4.1.2.5.2", (3, 1)),
    "critical extension": Difference(
        (AUTHENTIC,), UNAUTHENTIC, "what is critical and not known is refused", "RFC 6960 4.4"
    ),
    "critical extension of the answer": Difference(
        (AUTHENTIC,), UNAUTHENTIC, "what is critical and not known is refused", "RFC 6960 4.4"
    ),
    "v2": Difference(ALL, NOTHING, "there is no v2", "RFC 6960 4.2.1"),
    "good and then revoked": Difference(
        (STATUS,), Verdict(True, "revoked", True), "the strictest answer counts, not the first one", "CVE-2026-3832"
    ),
    "good and then unknown": Difference(
        (STATUS,), Verdict(True, "unknown", True), "the strictest answer counts, not the first one", "CVE-2026-3832"
    ),
    "fresh and then expired": Difference((TIMELY,), UNTIMELY, "each answer must hold", "RFC 6960 3.2"),
    "another CA's answer beside": Difference(
        (AUTHENTIC,), Verdict(True, "good", True), "an answer that is not ours says nothing about ours", "RFC 6960 3.2"
    ),
    "trailing data": Difference(ALL, NOTHING, "a response and nothing else", "RFC 6960 4.2.1, X.690 10"),
    "indefinite length": Difference(ALL, NOTHING, "DER, not BER", "RFC 6960 4.2.1, X.690 10.1"),
    "long form of a length": Difference(ALL, NOTHING, "DER, not BER", "RFC 6960 4.2.1, X.690 10.1"),
    "extension twice": Difference(ALL, NOTHING, "no extension may stand twice", "RFC 5280 4.2"),
    "reason that does not exist": Difference(ALL, NOTHING, "reason 7 is not used", "RFC 5280 5.3.1"),
}

# The certificates ----------------------------------------------------------------------------------

YEARS = {"not_before": NOW - 365 * DAY, "not_after": NOW + 3650 * DAY}
MONTHS = {"not_before": NOW - 30 * DAY, "not_after": NOW + 60 * DAY}


@functools.cache
def root() -> Entity:
    return forge.authority("Root", serial=1, **YEARS)


@functools.cache
def issuer(kind: str = "p256") -> Entity:
    return forge.authority("Issuing CA", root(), private_key=forge.key(kind, "issuer"), **YEARS)


@functools.cache
def leaf(kind: str = "p256") -> Entity:
    return forge.leaf(issuer(kind), **MONTHS)


def delegate(by: t.Optional[Entity] = None, kind: str = "p256", **options: t.Any) -> Entity:
    return forge.delegate(by or issuer(), private_key=forge.key(kind, "delegate"), **{**MONTHS, **options})


def with_extensions(**changes: t.Optional[bytes]) -> Entity:
    """A delegate with other extensions than usual."""
    usual: t.Dict[str, t.Optional[bytes]] = {
        "constraints": forge.basic_constraints(False),
        "usage": forge.key_usage("digital_signature"),
        "purpose": forge.extended_key_usage(forge.OCSP_SIGNING),
        "nocheck": forge.nocheck(),
    }
    return delegate(extensions=[extension for extension in {**usual, **changes}.values() if extension])


def other_ca() -> Entity:
    return forge.authority("Other CA", root(), serial=0x21, **YEARS)


def rolled() -> Entity:
    """A CA of the same name with another key."""
    return forge.authority("Issuing CA", root(), private_key=forge.key("p256", "rolled"), serial=0x22, **YEARS)


def sub_ca() -> Entity:
    return forge.authority("Sub CA", issuer(), serial=0x23, **YEARS)


class Signer(t.NamedTuple):
    """Who signs, and which certificates go with the response."""

    entity: Entity
    certificates: t.Sequence[bytes] = ()


def along(entity: Entity, *more: t.Union[Entity, bytes]) -> Signer:
    return Signer(entity, [entity.der, *(one if isinstance(one, bytes) else one.der for one in more)])


# Made when a case needs them, and once.
SIGNERS: t.Dict[str, t.Callable[[], Signer]] = {
    "issuer": lambda: Signer(issuer()),
    "issuer, embedded": lambda: along(issuer()),
    "issuer and root, embedded": lambda: along(issuer(), root()),
    "delegate": lambda: along(delegate()),
    "delegate, behind another": lambda: Signer(delegate(), [leaf().der, delegate().der]),
    "delegate, not embedded": lambda: Signer(delegate()),
    "delegate without nocheck": lambda: along(with_extensions(nocheck=None)),
    "delegate for two purposes": lambda: along(
        with_extensions(purpose=forge.extended_key_usage(forge.SERVER_AUTH, forge.OCSP_SIGNING))
    ),
    "delegate without purpose": lambda: along(with_extensions(purpose=None)),
    "delegate for anything": lambda: along(with_extensions(purpose=forge.extended_key_usage(forge.ANY_EKU))),
    "delegate for servers": lambda: along(with_extensions(purpose=forge.extended_key_usage(forge.SERVER_AUTH))),
    "delegate as CA": lambda: along(with_extensions(constraints=forge.basic_constraints(True))),
    "delegate of another usage": lambda: along(with_extensions(usage=forge.key_usage("key_encipherment"))),
    "delegate with a critical extension": lambda: along(with_extensions(more=forge.unknown_extension(True))),
    "delegate expired": lambda: along(delegate(not_before=NOW - 30 * DAY, not_after=NOW - DAY)),
    "delegate early": lambda: along(delegate(not_before=NOW + DAY)),
    "delegate of the root": lambda: along(delegate(root())),
    "delegate of a sub-CA": lambda: along(delegate(sub_ca()), sub_ca()),
    "delegate of another CA": lambda: along(delegate(other_ca()), other_ca()),
    "delegate of a CA of the same name": lambda: along(delegate(rolled()), rolled()),
    "CA of the same name": lambda: along(rolled()),
    "leaf": lambda: along(leaf()),
    "nobody": lambda: along(forge.delegate(forge.authority("Nobody", **YEARS), **MONTHS)),
    "the delegate itself": lambda: along(
        forge.certificate("Responder", extensions=forge.DELEGATE_EXTENSIONS, **MONTHS)
    ),
}
SIGNERS = {name: functools.cache(make) for name, make in SIGNERS.items()}

TIMES: t.Dict[str, t.Dict[str, t.Any]] = {
    "fresh": {"this_update": NOW - DAY, "next_update": NOW + 6 * DAY},
    "expired": {"this_update": NOW - 5 * DAY, "next_update": NOW - DAY},
    "in the future": {"this_update": NOW + DAY, "next_update": NOW + 7 * DAY},
    "backwards": {"this_update": NOW - DAY, "next_update": NOW - 2 * DAY},
    "of just now": {"this_update": NOW - MINUTE, "next_update": NOW + 7 * DAY},
    "by a clock that is fast": {"this_update": NOW + 2 * MINUTE, "next_update": NOW + 7 * DAY},
    "ended ten minutes ago": {"this_update": NOW - DAY, "next_update": NOW - 10 * MINUTE},
    "ended a minute ago": {"this_update": NOW - DAY, "next_update": NOW - MINUTE},
    "of an hour": {"this_update": NOW - 30 * MINUTE, "next_update": NOW + 30 * MINUTE},
    "of a year": {"this_update": NOW - DAY, "next_update": NOW + 364 * DAY},
    "too old": {"this_update": NOW - 11 * DAY, "next_update": NOW + DAY},
    "without nextUpdate": {"next_update": None},
}
STATUSES: t.Dict[str, t.Dict[str, t.Any]] = {
    "good": {"status": "good"},
    "revoked": {"status": "revoked", "reason": "key_compromise", "revocation_time": NOW - 2 * DAY},
    "unknown": {"status": "unknown"},
}

# The cases -----------------------------------------------------------------------------------------


class Case(t.NamedTuple):
    """A response about the leaf of an issuer with this kind of key, and the digest of the CertID asked for."""

    name: str
    traits: t.FrozenSet[str]
    make: t.Callable[[], bytes]
    kind: str = "p256"
    digest: str = "sha1"


def answer(kind: str = "p256", **options: t.Any) -> bytes:
    return forge.single(leaf(kind), issuer(kind), **{**TIMES["fresh"], **options})


def response(*answers: bytes, signer: t.Optional[Signer] = None, **options: t.Any) -> bytes:
    signer = signer or Signer(issuer())
    options = {"certificates": signer.certificates, "produced_at": NOW - DAY, **options}
    return forge.response(*(answers or (answer(),)), signer=signer.entity, **options)


def by_signers() -> t.Iterator[Case]:
    """Who signed x what is said x when."""
    periods = ("fresh", "expired", "in the future", "backwards")
    for signer, status, period in itertools.product(SIGNERS, STATUSES, periods):

        def make(signer: str = signer, status: str = status, period: str = period) -> bytes:
            return response(answer(**STATUSES[status], **TIMES[period]), signer=SIGNERS[signer]())

        yield Case(f"{signer}; {status}; {period}", frozenset({signer, status, period}), make)


def by_names_and_signatures() -> t.Iterator[Case]:
    """Who signed x how the signer is named, or whether the signature is wrong."""
    makers = {"name": forge.responder_name, "key": forge.responder_key}
    for signer, fault in itertools.product(SIGNERS, ("by name", "by wrong name", "by wrong key", "wrong")):

        def make(signer: str = signer, fault: str = fault) -> bytes:
            entity = other_ca() if "wrong " in fault else SIGNERS[signer]().entity
            responder = makers[fault.split()[-1] if fault != "wrong" else "key"](entity)
            return response(signer=SIGNERS[signer](), responder=responder, flip_signature=fault == "wrong")

        yield Case(f"{signer}; {fault}", frozenset({signer, fault}), make)


KEYS = {
    "p256": "curve P-256",
    "p384": "curve P-384",
    "p521": "curve P-521",
    "rsa2048": "RSA of 2048 bits",
    "rsa3072": "RSA of 3072 bits",
    "ed25519": "Ed25519",
    "ed448": "Ed448",
    "rsa1024": "RSA of 1024 bits",
    "p224": "curve P-224",
    "secp256k1": "curve secp256k1",
}
SCHEMES = {
    "rsa_sha256": "SHA-256",
    "rsa_sha384": "SHA-384",
    "rsa_sha512": "SHA-512",
    "rsa_sha224": "SHA-224",
    "rsa_sha1": "SHA-1",
    "rsa_md5": "MD5",
    "pss_sha256": "PSS",
    "pss_sha512": "PSS",
    "pss_sha256_salt20": "odd PSS",
    "pss_sha256_mgfsha512": "odd PSS",
    "ecdsa_sha256": "SHA-256",
    "ecdsa_sha384": "SHA-384",
    "ecdsa_sha512": "SHA-512",
    "ecdsa_sha224": "SHA-224",
    "ecdsa_sha1": "SHA-1",
}


def by_keys() -> t.Iterator[Case]:
    """The kind of key x who has it x whether the signature is right."""
    for kind, by_issuer, right in itertools.product(KEYS, (True, False), (True, False)):

        def make(kind: str = kind, by_issuer: bool = by_issuer, right: bool = right) -> bytes:
            if by_issuer:
                return response(answer(kind), signer=Signer(issuer(kind)), flip_signature=not right)
            return response(signer=along(delegate(kind=kind)), flip_signature=not right)

        who = "issuer" if by_issuer else "delegate"
        traits = frozenset({KEYS[kind], who, "right" if right else "wrong"})
        name = f"{KEYS[kind]} of {who}; signature {'right' if right else 'wrong'}"
        yield Case(name, traits, make, kind=kind if by_issuer else "p256")


def by_schemes() -> t.Iterator[Case]:
    """The scheme x whether the signature is right."""
    for scheme, right in itertools.product(SCHEMES, (True, False)):

        def make(scheme: str = scheme, right: bool = right) -> bytes:
            key = "p256" if scheme.startswith("ecdsa") else "rsa2048"
            return response(signer=along(delegate(kind=key)), scheme=scheme, flip_signature=not right)

        traits = frozenset({SCHEMES[scheme], "right" if right else "wrong"})
        yield Case(f"{scheme}; signature {'right' if right else 'wrong'}", traits, make)


def by_certid() -> t.Iterator[Case]:
    """The digest x its parameters x which part of the CertID is wrong."""
    faults: t.Dict[str, t.Dict[str, t.Any]] = {
        "nothing": {},
        "serial number": {"serial": 7},
        "negative serial number": {"serial": -0x1000},
        "name hash": {"name_hash": bytes(20)},
        "key hash": {"key_hash": bytes(20)},
        "no hashes": {"name_hash": b"", "key_hash": b""},
    }
    digests = ("sha1", "sha256", "sha384", "sha512")
    for digest, parameters, fault in itertools.product(digests, (forge.NULL, b""), faults):

        def make(digest: str = digest, parameters: bytes = parameters, fault: str = fault) -> bytes:
            return response(answer(digest=digest, parameters=parameters, **faults[fault]))

        traits = frozenset({digest, fault, "with parameters" if parameters else "without parameters"})
        written = "NULL" if parameters else "no parameters"
        yield Case(f"CertID by {digest}, {written}; {fault} wrong", traits, make, digest=digest)


def by_times() -> t.Iterator[Case]:
    """All times x what is said x who signed."""
    for period, status, signer in itertools.product(TIMES, STATUSES, ("issuer", "delegate")):

        def make(period: str = period, status: str = status, signer: str = signer) -> bytes:
            return response(answer(**{**STATUSES[status], **TIMES[period]}), signer=SIGNERS[signer]())

        yield Case(f"{period}; {status}; by {signer}; all times", frozenset({period, status, signer}), make)


def _text(moment: datetime, zone: str = "Z") -> str:
    return f"{moment:%Y%m%d%H%M%S}{zone}"


def _respelt(spell: t.Callable[[bytes], bytes], end: bytes = b"") -> bytes:
    """A response with another way to write its outermost length, which takes two octets after the first."""
    data = response()
    assert data[1] == 0x82
    return data[:1] + spell(data[2:4]) + data[4:] + end


def _twice() -> bytes:
    return response(extensions=[forge.unknown_extension(), forge.unknown_extension()])


def _reason_7() -> bytes:
    return response(answer(status="revoked", reason=7, revocation_time=NOW - 2 * DAY))


ODDITIES: t.Dict[str, t.Callable[[], bytes]] = {
    "explicit v1": lambda: response(version=0),
    "v2": lambda: response(version=1),
    "extension": lambda: response(extensions=[forge.unknown_extension()]),
    "critical extension": lambda: response(extensions=[forge.unknown_extension(True)]),
    "extension of the answer": lambda: response(answer(extensions=[forge.unknown_extension()])),
    "critical extension of the answer": lambda: response(answer(extensions=[forge.unknown_extension(True)])),
    "extension twice": _twice,
    "nonce": lambda: response(extensions=[forge.extension(forge.OCSP_NONCE, forge.octets(bytes(32)))]),
    "producedAt in the future": lambda: response(produced_at=NOW + DAY),
    "producedAt long ago": lambda: response(produced_at=NOW - 30 * DAY),
    "thisUpdate with a fraction": lambda: response(answer(this_update=_text(NOW - DAY, ".5Z"))),
    "nextUpdate with an offset": lambda: response(answer(next_update=_text(NOW + DAY, "+0000"))),
    "thisUpdate on 30 February": lambda: response(answer(this_update="20260230000000Z")),
    "nextUpdate without seconds": lambda: response(answer(next_update=f"{NOW + DAY:%Y%m%d%H%M}Z")),
    "revoked without a reason": lambda: response(answer(status="revoked", revocation_time=NOW - HOUR)),
    "reason that does not exist": _reason_7,
    "status that does not exist": lambda: response(answer(status=b"\x83\x00")),
    "no answer": lambda: response(no_singles=True),
    "both digests": lambda: response(answer(), answer(digest="sha256")),
    "another certificate's answer beside": lambda: response(answer(serial=7, status="revoked"), answer()),
    "another CA's answer beside": lambda: response(
        answer(), forge.single(leaf(), other_ca(), **TIMES["fresh"]), signer=SIGNERS["delegate"]()
    ),
    "revoked and then good": lambda: response(answer(**STATUSES["revoked"]), answer()),
    "good and then revoked": lambda: response(answer(), answer(**STATUSES["revoked"])),
    "good and then unknown": lambda: response(answer(), answer(status="unknown")),
    "fresh and then expired": lambda: response(answer(), answer(**TIMES["expired"])),
    "a certificate that is none beside": lambda: response(certificates=[b"\x30\x03\x02\x01\x00"]),
    "trailing data": lambda: response() + b"\0",
    "cut off": lambda: response()[:-1],
    "empty": lambda: b"",
    "indefinite length": lambda: _respelt(lambda length: b"\x80", b"\0\0"),
    "long form of a length": lambda: _respelt(lambda length: b"\x83\0" + length),
    "other type": lambda: forge.wrap(b"\x30\x00", response_type=forge.UNKNOWN_OID),
    "successful without an answer": lambda: forge.wrap(None),
    **{status: functools.partial(forge.error_response, status) for status in forge.STATUSES if status != "successful"},
}


def oddities() -> t.Iterator[Case]:
    for name, make in ODDITIES.items():
        yield Case(name, frozenset({name}), make)


CASES = [
    *by_signers(),
    *by_names_and_signatures(),
    *by_keys(),
    *by_schemes(),
    *by_certid(),
    *by_times(),
    *oddities(),
]

# The two judges ------------------------------------------------------------------------------------

_NOT_AUTHENTIC = {"malformed", "not_successful", "bad_signature", "weak_signature", "unauthorized_responder"}
_NOT_AUTHENTIC |= {"unknown_critical_extension", "responder_certificate_expired", "responder_certificate_not_yet_valid"}
_NOT_TIMELY = {"expired", "not_yet_valid", "inconsistent_times", "too_old", "missing_next_update"}


@functools.cache
def targets(kind: str) -> Target:
    return Target(Certificate.from_der(leaf(kind).der), Certificate.from_der(issuer(kind).der))


def ours(data: bytes, case: Case) -> Verdict:
    judgement = judge(data, targets(case.kind), datetime.now(timezone.utc), RULES)
    errors = set(judgement.errors)
    assert not errors & {"issuer_mismatch", "certificate_expired"}
    if judgement.certificate_status is None:
        return NOTHING
    return Verdict(not errors & _NOT_AUTHENTIC, judgement.certificate_status, not errors & _NOT_TIMELY)


_STATUS_LINE = re.compile(
    r"-leaf\.pem: (?:WARNING: Status times invalid\.\n(?:.*:error:.*\n)*)?(good|revoked|unknown)$", re.MULTILINE
)


_NO_ANSWER = re.compile(r"No Status found|Responder Error|[Ee]rror (reading|parsing)|:error:")


class OpenSSL:
    """The program of this machine, and the files it reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, name: str, content: bytes) -> str:
        path = self._folder / name
        if not path.exists():
            path.write_bytes(content)
        return str(path)

    def judge(self, data: bytes, case: Case) -> Verdict:
        response_file = self._folder / "response.der"
        response_file.write_bytes(data)
        certificates = {name: entity.pem for name, entity in (("issuer", issuer(case.kind)), ("leaf", leaf(case.kind)))}
        command = [OPENSSL, "ocsp", "-respin", str(response_file), f"-{case.digest}", "-no_nonce"]
        for option, name in (("-issuer", "issuer"), ("-cert", "leaf")):
            command += [option, self._file(f"{case.kind}-{name}.pem", certificates[name])]
        command += ["-CAfile", self._file(f"{case.kind}-ca.pem", root().pem + certificates["issuer"])]
        command += ["-status_age", str(int(RULES.maximum_age.total_seconds()))]
        # OpenSSL goes by the clock and puts up with five minutes; the cases are as old as this run.
        elapsed = int((datetime.now(timezone.utc) - NOW).total_seconds())
        command += ["-validity_period", str(300 + elapsed)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "OPENSSL_CONF": ""}
        )
        printed = done.stdout + done.stderr
        found = _STATUS_LINE.search(done.stdout)
        if found is None:
            assert _NO_ANSWER.search(printed), printed
            return NOTHING
        timely = "Status times invalid" not in printed
        return Verdict("Response verify OK" in printed, found.group(1), timely)


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSSL:
    return OpenSSL(tmp_path_factory.mktemp("openssl"))


def on_purpose(case: Case) -> t.Tuple[str, ...]:
    """The aspects in which this case may differ."""
    differences = [DIFFERENCES[trait] for trait in sorted(case.traits) if trait in DIFFERENCES]
    return tuple(aspect for difference in differences for aspect in difference.aspects)


def _parameter(case: Case) -> t.Any:
    return pytest.param(case, id=case.name, marks=pytest.mark.counted("openssl ocsp", bool(on_purpose(case))))


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_same_verdict(case: Case, openssl: OpenSSL) -> None:
    data = case.make()
    mine, theirs = ours(data, case), openssl.judge(data, case)
    for aspect in ALL:
        if aspect not in on_purpose(case):
            assert getattr(mine, aspect) == getattr(theirs, aspect), aspect


@pytest.mark.parametrize("trait", sorted(DIFFERENCES))
def test_what_differs_on_purpose(trait: str, openssl: OpenSSL) -> None:
    """We say what the table says, and OpenSSL something else, where nothing else is wrong."""
    neutral = {trait, "good", "fresh", "right", "issuer", "delegate"}
    case = next(case for case in CASES if trait in case.traits and case.traits <= neutral)
    difference = DIFFERENCES[trait]
    data = case.make()
    mine, theirs = ours(data, case), openssl.judge(data, case)
    assert mine == difference.ours
    if openssl_version() < difference.until:
        for aspect in difference.aspects:
            assert getattr(mine, aspect) != getattr(theirs, aspect), aspect


def test_the_table_has_no_rows_for_nothing() -> None:
    traits = set().union(*(case.traits for case in CASES))
    assert set(DIFFERENCES) <= traits
    assert len({case.name for case in CASES}) == len(CASES) > 400
