# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sound certificates and responses with one deviation each, judged by us, by OpenSSL and by another implementation.

The question is whether a client takes them: a chain for a server, a response for a staple. The other implementation is
the verifier of pyca/cryptography for certificates, which follows the Baseline Requirements to the letter, and
pyhanko-certvalidator for responses, which reads BER and looks at less. Where one of them answers otherwise, the tables
say why for each kind of deviation; everything else must agree. What is not encoded as it should be and read all the
same must be named by a warning.

The verdicts of NSS and BoringSSL that the sentences name were read in their sources (mozpkix; pki).
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import subprocess
import tempfile
import typing as t
import warnings
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.conformance import odd_responses, one_deviation
from ansible_collections.certops.ocsp.tests.conformance.one_deviation import HOST, NOW, Chain
from ansible_collections.certops.ocsp.tests.conformance.openssl_program import OPENSSL, openssl_version
from ansible_collections.certops.ocsp.tests.unit import forge

pytestmark = pytest.mark.skipif(
    openssl_version()[:2] != (3, 0), reason="other versions of OpenSSL read other things; this needs 3.0"
)


class Verdict(t.NamedTuple):
    """Whether it is taken, and what is said: why not, or what is odd."""

    taken: bool
    words: str = ""


class Difference(t.NamedTuple):
    """Why OpenSSL, or the other implementation, answers otherwise than we do in some cases of a kind.

    OpenSSL became stricter in some: it need not differ before version ``since``.
    """

    openssl: str = ""
    other: str = ""
    since: t.Tuple[int, ...] = ()


BER = "DER only, as NSS and BoringSSL have it; it reads BER"
BUGGY = "NSS and BoringSSL refuse it"
UNREADABLE = "OpenSSL refuses a certificate of which it cannot read this; it does not look at it"
BASELINE = "it holds to the Baseline Requirements; OpenSSL and NSS read it, and so do we, with a warning"
PROFILE = "it holds to the profile of the Baseline Requirements; OpenSSL, NSS and BoringSSL read it"
SOUND = "it refuses what OpenSSL and other clients read"
LEAF_KEY = "it does not look at the key of a leaf"

CERTIFICATES: t.Dict[str, Difference] = {
    "odd serial": Difference(other=BASELINE),
    "v1 written out": Difference(other=BASELINE),
    "extensions in v1": Difference(other=BASELINE),
    "GeneralizedTime before 2050": Difference(other=BASELINE),
    "ECDSA with NULL": Difference(other=BASELINE),
    "RSA key without NULL": Difference(other=BASELINE),
    "critical FALSE": Difference(other=BASELINE),
    "cA FALSE": Difference(other=BASELINE),
    "idle bits": Difference(other=BASELINE),
    "unsorted set": Difference(other="sets are in the order of DER for it alone"),
    "odd letters": Difference(
        other="it insists on the letters of some types of string, and does not know that OpenSSL refuses VisibleString"
    ),
    "letters that are none": Difference(other=f"{SOUND}, or does not decode a text that OpenSSL refuses"),
    "no text": Difference(other=UNREADABLE),
    "path length of an end": Difference(other=PROFILE),
    "long path length": Difference(other="it reads path lengths up to 255 only"),
    "name that is no ASCII": Difference(other=SOUND),
    "odd access": Difference(other=SOUND),
    "odd authority": Difference(other=PROFILE),
    "empty name constraints": Difference(other=SOUND),
    "minimum written out": Difference(other=SOUND),
    "wrong type": Difference(openssl=f"a constructed unique identifier is BER: {BER}"),
    "no such version": Difference(openssl="there is no such version; OpenSSL does not look at the number"),
    "trailing data": Difference(openssl="nothing may follow a certificate; OpenSSL takes the rest for something else"),
    "ECDSA with other parameters": Difference(openssl=f"OpenSSL ignores them; {BUGGY}"),
    "empty name": Difference(
        "GnuTLS does not read it, so that Exim would not load it; OpenSSL does", "it reads what GnuTLS does not"
    ),
    "BER": Difference(openssl=BER),
    "broken name": Difference(openssl=BER),
    "BER in an extension": Difference(openssl=BER),
    "boolean that is not DER": Difference(openssl=BER),
    "unused bits that are set": Difference(openssl=BER),
    "trailing data in an extension": Difference(openssl=f"OpenSSL ignores the rest; {BUGGY}"),
    "trailing data in the names": Difference(openssl=f"OpenSSL ignores the rest; {BUGGY}"),
    "trailing data in the access": Difference(openssl="OpenSSL does not look at it; BoringSSL refuses it"),
    "trailing data in an identifier": Difference(
        other="OpenSSL refuses it in a CA, whose identifier it compares; the other does not look at it"
    ),
    "broken access": Difference(openssl="OpenSSL does not look at it; BoringSSL refuses it, and we need the URL"),
    "odd feature": Difference(*["whether it is must-staple cannot be told; NSS refuses it"] * 2),
    "unknown extension twice": Difference(openssl="RFC 5280 4.2 and BoringSSL; OpenSSL minds the ones that it knows"),
    "no name": Difference(openssl="it falls back on the common name, which browsers do not (RFC 9525)"),
    "hybrid point": Difference(*[f"no TLS client but OpenSSL's reads it; {BUGGY}"] * 2),
    "odd key": Difference(f"the point at infinity is no key; {LEAF_KEY}", LEAF_KEY),
    "odd RSA key": Difference(
        f"more behind the key; {BUGGY}", f"{LEAF_KEY}, or refuses parameters that OpenSSL ignores"
    ),
    "modulus without its zero": Difference(f"a negative modulus; {BUGGY}", LEAF_KEY),
    "padded RSA key": Difference(BER, LEAF_KEY),
    "no bits": Difference(other="a key usage without any use; it does not look at that of a leaf"),
    "no bits set": Difference(other="a key usage without any use; it does not look at that of a leaf"),
    "broken identifier": Difference(other=UNREADABLE),
    "broken authority": Difference(other=UNREADABLE),
    "odd points": Difference(other=UNREADABLE),
    "broken points": Difference(other=UNREADABLE),
    "minimum of 1": Difference(other="RFC 5280 4.2.1.10 has 0 only, and OpenSSL refuses others"),
}

RESPONSES: t.Dict[str, Difference] = {
    "answers about two issuers": Difference("RFC 6960 allows it; OpenSSL does not, so we warn", since=(3, 0, 20)),
    "unreadable certificate": Difference(*["RFC 6960 4.2.1 has clients ignore it; they do not, so we warn"] * 2),
    "padded status": Difference(other=BER),
    "broken status": Difference(other=BER),
    "no such type": Difference(other=BER),
    "trailing data": Difference(openssl="a response and nothing else; OpenSSL does not look behind it"),
    "BER": Difference(*[BER] * 2),
    "broken": Difference(other="it reads lazily, and not what it does not need"),
    "broken extension": Difference(other="it reads lazily, and not what it does not need"),
    "broken status of the certificate": Difference(other=BER),
    "number that is not minimal": Difference(other=BER),
    "padded version": Difference(other=BER),
    "no such version": Difference(*["there is no v2 (RFC 6960 4.2.1); neither of them looks"] * 2),
    "odd time": Difference(*["times are YYYYMMDDHHMMSSZ (RFC 5280 4.1.2.5.2), as for NSS and BoringSSL"] * 2),
    "unknown critical extension": Difference(*["what is critical and not known is refused (RFC 6960 4.4)"] * 2),
    "unknown critical extension of the answer": Difference(*["the same; neither of them looks"] * 2),
    "critical nonce": Difference(*["no browser knows an extension of a response, so none may be critical"] * 2),
    "boolean that is not DER": Difference(*[BER] * 2),
    "extension twice": Difference(*["no extension may stand twice (RFC 5280 4.2)"] * 2),
    "odd parameters of the digest": Difference(*[f"NULL or nothing (RFC 5754); {BUGGY}"] * 2),
    "no nextUpdate": Difference(openssl="RFC 5019 requires it; users may allow it"),
    "contradiction": Difference(*["the strictest answer counts, not the first one (CVE-2026-3832)"] * 2),
    "ECDSA with other parameters": Difference(*[f"they ignore them; {BUGGY}"] * 2),
    "delegate: number that is not minimal": Difference(other=BER),
    "delegate: wrong type": Difference(*[f"a constructed unique identifier; {BER}"] * 2),
    "delegate: no such version": Difference(*["there is no such version; neither of them looks at the number"] * 2),
    "delegate: trailing data": Difference(other=BER),
    "delegate: odd time": Difference(other=f"{BER}, and OpenSSL refuses these"),
    "delegate: ECDSA with other parameters": Difference(*[f"they ignore them; {BUGGY}"] * 2),
    "delegate: two algorithms": Difference(other="RFC 5280 4.1.1.2, as OpenSSL; it compares the names alone"),
    "delegate: BER": Difference(*[BER] * 2),
    "delegate: hybrid point": Difference(*[f"OpenSSL does the arithmetic for both; {BUGGY}"] * 2),
    "delegate: odd RSA key": Difference(f"more behind the key; {BUGGY}", SOUND),
    "delegate: modulus without its zero": Difference(openssl=f"a negative modulus; {BUGGY}"),
    "delegate: padded RSA key": Difference(openssl=BER),
    "delegate: odd letters": Difference(other=SOUND),
    "delegate: letters that are none": Difference(other=SOUND),
    "delegate: broken name": Difference(*[BER] * 2),
    "delegate: boolean that is not DER": Difference(*[BER] * 2),
    "delegate: broken boolean": Difference(other=BER),
    "delegate: known extension twice": Difference(other="no extension may stand twice (RFC 5280 4.2), as OpenSSL"),
    "delegate: unknown extension twice": Difference(*["RFC 5280 4.2 and BoringSSL; they mind known ones at most"] * 2),
    "delegate: broken extension": Difference(other="it reads lazily, and not what it does not need"),
    "delegate: padded OID": Difference(other=BER),
    "delegate: padded OID in an extension": Difference(other=BER),
    "delegate: trailing data in an extension": Difference(*[f"they ignore the rest; {BUGGY}"] * 2),
    "delegate: broken content": Difference(other="it reads lazily, and not what it does not need"),
    "delegate: unused bits that are set": Difference(*[BER] * 2),
    "delegate: broken unique identifier": Difference(other="it reads lazily, and not what it does not need"),
    "delegate: no bits": Difference(other="a key usage without any use"),
    "delegate: no bits set": Difference(other="a key usage without any use"),
    "delegate: broken authority": Difference(other=UNREADABLE),
    "delegate: odd policies": Difference(other=SOUND),
    "delegate: odd points": Difference(other=UNREADABLE),
    "delegate: odd nocheck": Difference(other=SOUND),
}

#: A part of the warning that names a deviation which is read all the same.
NAMED = {
    "odd serial": r"a negative serial number|a serial number of \d+ octets",
    "serial 0": "the serial number 0",
    "v1 written out": "writes out its version v1",
    "extensions in v1": r"has extensions, although its version is v[12]",
    "GeneralizedTime before 2050": "as GeneralizedTime, where UTCTime belongs",
    "ECDSA with NULL": "has NULL in its ECDSA signature algorithm",
    "critical FALSE": "writes out .*not critical",
    "empty extensions": "has empty (response|single)Extensions",
    "cA FALSE": "writes out that it is not a CA",
    "idle bits": "a key usage that is longer than its last bit",
    "odd nocheck": "OCSP nocheck with content other than NULL",
    "answers about two issuers": "clients with OpenSSL refuse it as a whole",
    "unreadable certificate": "contains a certificate that cannot be read",
}

# The judges of certificates ------------------------------------------------------------------------

_FOLDER = tempfile.TemporaryDirectory(prefix="one-deviation-")
WHERE = {"key": "the key", "certificate": "the certificate", "chain": "the chain", "root": "the root"}


def _file(name: str, content: bytes) -> str:
    path = Path(_FOLDER.name) / name
    path.write_bytes(content)
    return str(path)


def _run(*words: str) -> str:
    done = subprocess.run(
        [OPENSSL, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "OPENSSL_CONF": ""},
    )
    return done.stdout + done.stderr


def our_path(chain: Chain) -> Verdict:
    key = forge.private_pem(chain.end.key)
    try:
        found = material.read_material(
            HOST, material.Sources(key, chain.end.pem, chain.issuer.pem, chain.root.pem, WHERE), NOW
        )
    except OcspError as error:
        return Verdict(False, error.message)
    if found.path.problems or not material.covers(found.certificate, HOST):
        return Verdict(False, "; ".join(found.path.problems))
    return Verdict(True, "; ".join(found.path.warnings))


def openssl_path(chain: Chain) -> Verdict:
    words = ["-no-CApath", "-no-CAstore", "-attime", str(int(NOW.timestamp())), "-auth_level", "0"]
    words += ["-CAfile", _file("root.pem", chain.root.pem), "-untrusted", _file("issuer.pem", chain.issuer.pem)]
    leaf = _file("leaf.pem", chain.end.pem)
    printed = _run("verify", "-purpose", "sslserver", "-verify_hostname", HOST, *words, leaf)
    return Verdict(printed == f"{leaf}: OK\n", printed)


def pyca_path(chain: Chain) -> Verdict:
    from cryptography import x509

    verification = pytest.importorskip("cryptography.x509.verification")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            root, issuer, leaf = (x509.load_der_x509_certificate(one.der) for one in chain)
            builder = verification.PolicyBuilder().store(verification.Store([root])).time(NOW.replace(tzinfo=None))
            builder.build_server_verifier(x509.DNSName(HOST)).verify(leaf, [issuer])
        except (ValueError, verification.VerificationError, x509.DuplicateExtension, x509.InvalidVersion) as error:
            return Verdict(False, str(error))
    return Verdict(True)


# The judges of responses ---------------------------------------------------------------------------


@functools.cache
def target() -> Target:
    leaf, issuer = (Certificate.from_der(one_deviation.usual(role).der) for role in ("leaf", "issuer"))
    return Target(leaf, issuer)


def our_judgement(data: bytes) -> Verdict:
    judgement = judge(data, target(), datetime.now(timezone.utc))
    return Verdict(judgement.acceptable, "; ".join(finding.message for finding in judgement.findings))


def openssl_judgement(data: bytes) -> Verdict:
    issuer = _file("ca.pem", one_deviation.usual("issuer").pem)
    words = [
        "-sha1",
        "-issuer",
        issuer,
        "-verify_other",
        issuer,
        "-cert",
        _file("end.pem", one_deviation.usual("leaf").pem),
    ]
    words += ["-CAfile", _file("trusted.pem", one_deviation.root().pem), "-no_nonce"]
    printed = _run("ocsp", "-respin", _file("response.der", data), *words)
    good = "Response verify OK" in printed and "end.pem: good" in printed and "times invalid" not in printed
    return Verdict(good, printed)


def hanko_judgement(data: bytes) -> Verdict:
    pytest.importorskip("pyhanko_certvalidator")
    from asn1crypto import ocsp, x509
    from pyhanko_certvalidator.authority import CertTrustAnchor
    from pyhanko_certvalidator.context import ValidationContext
    from pyhanko_certvalidator.path import ValidationPath
    from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

    root, issuer, leaf = (
        x509.Certificate.load(one.der)
        for one in (one_deviation.root(), one_deviation.usual("issuer"), one_deviation.usual("leaf"))
    )

    async def verify() -> None:
        context = ValidationContext(
            trust_roots=[root],
            other_certs=[issuer],
            ocsps=[ocsp.OCSPResponse.load(data, strict=True)],
            moment=datetime.now(timezone.utc),
            revocation_mode="hard-fail",
        )
        path = ValidationPath(CertTrustAnchor(root), [issuer], leaf)
        await verify_ocsp_response(leaf, path, context)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asyncio.run(verify())
    except Exception as error:  # it raises what its parsers and cryptography raise
        return Verdict(False, f"{type(error).__name__}: {error}")
    return Verdict(True)


# The cases -----------------------------------------------------------------------------------------


class Case(t.NamedTuple):
    """A deviation with what was made of it."""

    name: str
    kind: str
    make: t.Callable[[], t.Any]


CHAINS = [
    Case(f"{one.name}, {role}", one.kind, functools.cache(functools.partial(one_deviation.chain, one, role)))
    for one in one_deviation.DEVIATIONS
    for role in one.roles
    if role != "delegate"
]
ANSWERS = [Case(one.name, one.kind, functools.cache(one.make)) for one in odd_responses.DEVIATIONS]
JUDGES = {
    "openssl verify": (openssl_path, our_path, CHAINS, CERTIFICATES),
    "pyca": (pyca_path, our_path, CHAINS, CERTIFICATES),
    "openssl ocsp": (openssl_judgement, our_judgement, ANSWERS, RESPONSES),
    "pyhanko": (hanko_judgement, our_judgement, ANSWERS, RESPONSES),
}


@functools.cache
def verdict(by: t.Callable[[t.Any], Verdict], case: Case) -> Verdict:
    return by(case.make())


def sentence(judge_name: str, kind: str) -> str:
    difference = JUDGES[judge_name][3].get(kind, Difference())
    return difference.openssl if judge_name.startswith("openssl") else difference.other


@pytest.mark.parametrize(
    "name, case",
    [pytest.param(name, case, id=f"{name}: {case.name}") for name in JUDGES for case in JUDGES[name][2]],
)
def test_same_verdict(name: str, case: Case, record_property: t.Callable[[str, t.Any], None]) -> None:
    by, ours, _cases, _table = JUDGES[name]
    mine, theirs = verdict(ours, case), verdict(by, case)
    record_property("counted", (f"deviation: {name}", mine.taken != theirs.taken))
    if not sentence(name, case.kind):
        assert mine.taken == theirs.taken, (mine.words, theirs.words)


@pytest.mark.parametrize(
    "name, kind", [(name, kind) for name in JUDGES for kind in JUDGES[name][3] if sentence(name, kind)]
)
def test_what_differs_on_purpose(name: str, kind: str) -> None:
    by, ours, cases, table = JUDGES[name]
    differ = any(verdict(ours, case).taken != verdict(by, case).taken for case in cases if case.kind == kind)
    assert differ or (name.startswith("openssl") and openssl_version() < table[kind].since)


@pytest.mark.parametrize("name", ["openssl verify", "openssl ocsp"])
def test_nothing_is_taken_that_openssl_refuses_unless_its_clients_are_warned_of(name: str) -> None:
    by, ours, cases, _table = JUDGES[name]
    taken = {case.kind for case in cases if verdict(ours, case).taken and not verdict(by, case).taken}
    assert taken <= set(NAMED)


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_read_all_the_same_is_named(kind: str) -> None:
    found = [
        verdict(ours, case)
        for ours, cases in ((our_path, CHAINS), (our_judgement, ANSWERS))
        for case in cases
        if case.kind in (kind, f"delegate: {kind}")
    ]
    assert found and all(one.taken and re.search(NAMED[kind], one.words) for one in found), found


def test_the_sound_ones_are_taken_without_a_word() -> None:
    chain = Chain(one_deviation.root(), *(one_deviation.usual(role) for role in ("issuer", "leaf")))
    assert our_path(chain) == Verdict(True) and openssl_path(chain).taken and pyca_path(chain).taken
    for by_delegate in (False, True):
        parts = odd_responses.Parts()
        if by_delegate:
            parts.by(one_deviation.usual("delegate"))
        assert our_judgement(parts.build()) == Verdict(True) and openssl_judgement(parts.build()).taken


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CHAINS}) == len(CHAINS) >= 400
    assert len({case.name for case in ANSWERS}) == len(ANSWERS) >= 350
    assert set(CERTIFICATES) <= {case.kind for case in CHAINS}
    assert set(RESPONSES) <= {case.kind for case in ANSWERS}
