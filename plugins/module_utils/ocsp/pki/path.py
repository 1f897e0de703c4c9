# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The certification path that a TLS client would walk (RFC 5280 section 6.1), found among what was given and checked.

A client that is served a chain (RFC 8446 section 4.4.2) looks for a path from it to a root of its own. Here the
path is looked for beforehand, and what clients would refuse in it is said.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import MalformedError
from ..text import format_time, join_words
from . import certificate as x509
from . import constraints, gnutls, readability, signature
from .certificate import Certificate
from .deviations import deviations
from .identifiers import identifier_problem, is_self_signed

#: How far the clocks of this host and of the CA may differ, as for responses.
CLOCK_TOLERANCE = timedelta(minutes=5)

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_ANY_USAGE = "2.5.29.37.0"
#: Server Gated Cryptography of Microsoft and Netscape, which OpenSSL takes for serverAuth.
_GATED = ("1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1")
_NETSCAPE_SERVER = 1

_WITH_GNUTLS = "clients with GnuTLS"
_LARGEST_LIMIT = 2**31 - 1
#: Those that OpenSSL takes as critical, and who does not: GnuTLS (3.7), Firefox (mozpkix) and Chrome (BoringSSL).
_REFUSED_BY = {
    x509.NETSCAPE_CERTIFICATE_TYPE: ("Netscape certificate type", ("Chrome", _WITH_GNUTLS)),
    x509.CRL_DISTRIBUTION_POINTS: ("CRL distribution points", ("Firefox", "Chrome")),
    "2.5.29.33": ("policy mappings", ("Firefox", _WITH_GNUTLS)),
    "2.5.29.36": ("policy constraints", (_WITH_GNUTLS,)),
}
#: Extensions that may be critical: those that OpenSSL knows.
_KNOWN_EXTENSIONS = frozenset(
    (
        x509.BASIC_CONSTRAINTS,
        x509.CERTIFICATE_POLICIES,
        x509.EXTENDED_KEY_USAGE,
        x509.KEY_USAGE,
        x509.NAME_CONSTRAINTS,
        x509.SUBJECT_ALTERNATIVE_NAME,
        "2.5.29.54",  # inhibit any policy
    )
) | set(_REFUSED_BY)

#: Bounds of the search, far above what is in use, so that no input makes it hang.
_MOST_AUTHORITIES = 1000
_MOST_PATHS = 100
_LONGEST_PATH = 12
#: Octets of the certificates on paths that are examined, on each anew: those of a hundred paths in use are far below.
_MOST_OCTETS = 4 * 1024 * 1024
#: Octets of the largest response that may be stapled: with TLS 1.2, clients with OpenSSL break off on more than 16,384
#: octets of CertificateStatus, of which 4 are not the response's. Anybody on the way can add certificates to one.
STAPLE_LIMIT = 16380
#: Octets of a chain, as OpenSSL's clients read no longer Certificate message (SSL_MAX_CERT_LIST_DEFAULT), and what each
#: certificate takes there beside its own. With TLS 1.3 the staple is in it (RFC 8446 section 4.4.2.1), and what that
#: takes beside its own.
_LONGEST_CHAIN, _BESIDE, _BESIDE_STAPLE = 100 * 1024, 5, 8
_NOT_TRIED = "it was not tried, as too many have this name"
#: Sentences about certificates that were not used.
_MOST_SENTENCES = 5


class Given(t.NamedTuple):
    """A certificate with the option or file that it came from."""

    certificate: Certificate
    source: str


@dataclass(frozen=True)
class Path:
    """The path from a leaf, as far as it goes.

    ``chain`` is what a server sends besides the leaf, the issuer first. ``anchor`` is where the path ends in a
    self-signed certificate or in one that was given as a root, ``issuer`` who issued the leaf. ``unused``,
    ``problems`` (what clients refuse) and ``warnings`` are sentences.
    """

    chain: t.Tuple[Certificate, ...] = ()
    anchor: t.Optional[Certificate] = None
    issuer: t.Optional[Certificate] = None
    unused: t.Tuple[str, ...] = ()
    problems: t.Tuple[str, ...] = ()
    warnings: t.Tuple[str, ...] = ()


class _Walk(t.NamedTuple):
    """One possible path, from the leaf upwards, with what is wrong with it."""

    certificates: t.Tuple[Certificate, ...]
    is_anchored: bool
    problems: t.Tuple[str, ...]
    warnings: t.Tuple[str, ...]

    @property
    def served(self) -> t.Tuple[Certificate, ...]:
        return tuple(one for one in self.certificates[1:] if not is_self_signed(one))


def find_path(
    leaf: Given,
    authorities: t.Sequence[Given],
    anchors: t.Sequence[Given],
    now: datetime,
    tolerance: timedelta = CLOCK_TOLERANCE,
) -> Path:
    """The best path from a leaf through the CAs that were given to one of the anchors, where there are any.

    Without an error goes before with one; of those that are left the path that stays valid longest wins. Nothing
    is raised: what is wrong with the best path stands in its ``problems``.
    """
    search = _Search(leaf, authorities, anchors)
    best = min(_walks(search, now, tolerance), key=lambda walk: _rank(walk, bool(search.anchors)))
    problems = [*_break(search, best), *best.problems, *_excess(best)]
    if problems and search.is_cut:
        sources = join_words(dict.fromkeys([leaf.source, *(one.source for one in search.given)]))
        problems.append(
            f"in {sources} are too many certificates to try all of their combinations; give those that are needed"
        )
    warnings = [*best.warnings, *_missing(search, best), *_unfinished(search, best)]
    # Who signed itself is its own issuer.
    issuer, end = best.certificates[:2][-1], best.certificates[-1]
    return Path(
        chain=best.served,
        anchor=end if is_self_signed(end) or end.der in search.anchors else None,
        issuer=issuer if issuer is not leaf.certificate or is_self_signed(issuer) else None,
        unused=() if problems else _unused(search, best, now, tolerance),
        problems=tuple(problems),
        warnings=tuple(warnings),
    )


class _Search:
    """What was given, by name, and the paths through it."""

    def __init__(self, leaf: Given, authorities: t.Sequence[Given], anchors: t.Sequence[Given]) -> None:
        self.leaf = leaf
        self.anchors = {one.certificate.der for one in anchors}
        self.anchor_source = anchors[0].source if anchors else ""
        self.chain_source = authorities[0].source if authorities else ""
        everything = {one.certificate.der: one for one in reversed((*authorities, *anchors))}
        everything.pop(leaf.certificate.der, None)
        given = list(reversed(list(everything.values())))
        self.is_cut = len(given) > _MOST_AUTHORITIES
        self.given = given[:_MOST_AUTHORITIES]
        self._by_name: t.Dict[t.Any, t.List[Certificate]] = {}
        for one in self.given:
            self._by_name.setdefault(_name_key(one.certificate.subject), []).append(one.certificate)
        self._issuances = x509.Issuances()
        self.comparisons = constraints.Comparisons()

    def paths(self) -> t.List[t.Tuple[Certificate, ...]]:
        """Each way up that cannot be continued, and each that has come to an anchor."""
        found: t.List[t.Tuple[Certificate, ...]] = []
        pending: t.List[t.Tuple[Certificate, ...]] = [(self.leaf.certificate,)]
        while pending and len(found) < _MOST_PATHS:
            path = pending.pop()
            onwards: t.List[t.Tuple[Certificate, ...]] = [(*path, issuer) for issuer in self._issuers(path)]
            if not onwards or path[-1].der in self.anchors:
                found.append(path)
            pending.extend(reversed(onwards))
        self.is_cut = self.is_cut or bool(pending)
        return found

    def _issuers(self, path: t.Tuple[Certificate, ...]) -> t.List[Certificate]:
        last = path[-1]
        if is_self_signed(last):
            return []
        if len(path) >= _LONGEST_PATH:
            self.is_cut = True
            return []
        return [one for one in self.named(last.issuer) if one not in path and not self.issuance_problem(last, one)]

    def named(self, name: bytes) -> t.List[Certificate]:
        """The CAs of this name."""
        return self._by_name.get(_name_key(name), [])

    def issuance_problem(self, certificate: Certificate, issuer: Certificate) -> str:
        """Why it did not issue the certificate, or an empty string."""
        fault = self._issuances.fault(certificate, issuer)
        if fault is None:
            self.is_cut = True
            return _NOT_TRIED
        return fault

    def has_other_key(self, issuer: Certificate, certificate: Certificate) -> bool:
        """Whether it is known not to have issued a certificate."""
        return self.issuance_problem(certificate, issuer) not in ("", _NOT_TRIED)

    def source(self, certificate: Certificate) -> str:
        """Where a certificate came from."""
        return next((one.source for one in self.given if one.certificate is certificate), self.leaf.source)


def _name_key(name: bytes) -> t.Any:
    try:
        return x509.comparable_name(name)
    except MalformedError:
        return name


def _rank(walk: _Walk, has_anchors: bool) -> t.Tuple[t.Any, ...]:
    """Smaller is better."""
    is_broken = has_anchors and not walk.is_anchored
    trouble = (bool(walk.problems) or is_broken, is_broken, len(walk.problems), len(walk.warnings))
    if has_anchors and is_self_signed(walk.certificates[-1]):
        return (*trouble, False, _ends(walk.certificates), len(walk.certificates))
    # Nobody knows where clients begin, so the chain that serves more of them wins.
    ends = _ends((walk.certificates[0], *walk.served))
    return (*trouble, True, ends[:1], -len(walk.served), ends)


def _ends(certificates: t.Iterable[Certificate]) -> t.List[float]:
    """When a path ends to be valid, for want of this certificate and of that, the later the smaller."""
    return [-moment.timestamp() for moment in sorted(one.not_after for one in certificates)]


# What is wrong with one path -----------------------------------------------------------------------------------------


def _walks(search: _Search, now: datetime, tolerance: timedelta) -> t.List[_Walk]:
    """The paths with what is wrong with them: one, and as many others as can be examined at a bearable cost."""
    found: t.List[_Walk] = []
    octets = 0
    for certificates in search.paths():
        octets += sum(len(one.der) for one in certificates)
        if found and octets > _MOST_OCTETS:
            search.is_cut = True
            break
        found.append(_examine(search, certificates, now, tolerance))
    return found


def _examine(search: _Search, certificates: t.Tuple[Certificate, ...], now: datetime, tolerance: timedelta) -> _Walk:
    problems: t.List[str] = []
    warnings: t.List[str] = []
    for depth, one in enumerate(certificates):
        is_root = 0 < depth == len(certificates) - 1 and is_self_signed(one)
        hard, soft = _faults(search, certificates, depth, is_root)
        in_time = time_problem(one, now, tolerance)
        # A root is not served: each client has its own copy.
        soft = soft if is_root else [*soft, *_deviations(one)]
        if in_time and is_root:
            soft = [f"{in_time}; clients that have no other certificate of this root will refuse the connection", *soft]
        elif in_time:
            wait = "wait until then, or correct the clock if it is wrong"
            hard = [f"{in_time}; {'give a newer one' if one.not_after <= now else wait}", *hard]
        source = search.source(one)
        problems += [f"in {source}, {sentence}" for sentence in hard]
        warnings += [f"in {source}, {sentence}" for sentence in soft]
    # A certificate cannot be its own anchor: clients have the CA, not the leaf.
    above = certificates if is_self_signed(certificates[0]) else certificates[1:]
    is_anchored = any(one.der in search.anchors for one in above)
    return _Walk(certificates, is_anchored, tuple(problems), tuple(warnings))


def _deviations(one: Certificate) -> t.List[str]:
    return [
        f"{sentence}; have the CA reissue it" if sentence.endswith(signature.NOT_BY_CHROME) else sentence
        for sentence in deviations(one)
    ]


def time_problem(certificate: Certificate, now: datetime, tolerance: timedelta = CLOCK_TOLERANCE) -> str:
    """Why a certificate is not valid now, with the clock that says so, or an empty string."""
    clock = f"the clock of this host says {format_time(now)}"
    if certificate.not_after <= now:
        return f"the certificate {certificate.name} expired at {format_time(certificate.not_after)} ({clock})"
    if certificate.not_before - now > tolerance:
        return f"the certificate {certificate.name} is not valid before {format_time(certificate.not_before)} ({clock})"
    return ""


_Faults = t.Tuple[t.List[str], t.List[str]]


def _faults(search: _Search, certificates: t.Tuple[Certificate, ...], depth: int, is_root: bool) -> _Faults:
    """What clients refuse in one certificate of a path, and what some of them refuse."""
    one = certificates[depth]
    try:
        readability.check(one)
        hard, soft = _authority_faults(certificates, depth, is_root) if depth else _leaf_faults(one)
        hard = [*_extension_faults(one), *hard, *_constraint_faults(search, certificates, depth)]
        soft = [*soft, *_unread_by_gnutls(one), *_refused_extensions(one)]
        if depth:
            soft += _refused_by_gnutls(one, certificates[depth - 1])
        if depth + 1 < len(certificates):
            issuer = certificates[depth + 1]
            hard += _identifier_faults(search, one, issuer, certificates[-1])
            soft += [*_weaknesses(one, issuer), *_name_faults(one, issuer)]
    except MalformedError as error:
        return [
            f"the certificate {one.name} contains something that clients cannot read ({error}); have the CA reissue it"
        ], []
    return hard, soft


def _extension_faults(one: Certificate) -> t.List[str]:
    unknown = sorted(oid for oid, held in one.extensions.items() if held.critical and oid not in _KNOWN_EXTENSIONS)
    faults = [
        f"the certificate {one.name} has the critical extension {oid}, which clients do not know" for oid in unknown[:3]
    ]
    if signature.has_explicit_curve(one.spki):
        faults.append(
            f"the public key of {one.name} has its elliptic curve written out, which clients refuse (RFC 5480 section "
            "2.1.1); generate a new key with a named curve"
        )
    return faults


def _unread_by_gnutls(one: Certificate) -> t.List[str]:
    unread = gnutls.unread(one)
    sentence = (
        f"the certificate {one.name} {unread}; clients with GnuTLS cannot read it and refuse the connection; have the "
        "CA reissue it if such clients connect"
    )
    return [sentence] if unread else []


def _refused_by_gnutls(one: Certificate, below: Certificate) -> t.List[str]:
    """What clients with GnuTLS alone do not accept of a CA: it keeps a path length in 31 bits, and heeds RFC 7633."""
    faults = []
    if one.path_length is not None and one.path_length > _LARGEST_LIMIT:
        faults.append(
            f"the path length of {one.name} has more than 31 bits; {_WITH_GNUTLS} cannot read it and refuse the "
            "connection; have the CA reissue it if such clients connect"
        )
    lacking = sorted(one.tls_features - below.tls_features)
    if lacking:
        faults.append(
            f"{one.name} demands the TLS feature {join_words(map(str, lacking))} (RFC 7633) of all that it issues, and "
            f"{below.name} lacks it; {_WITH_GNUTLS} refuse the connection; have {below.name} reissued if such clients "
            "connect"
        )
    return faults


def _refused_extensions(one: Certificate) -> t.List[str]:
    return [
        f"the certificate {one.name} has the critical extension {what}, which {join_words(clients)} do not accept; "
        "have the CA reissue it without that if such clients connect"
        for oid, (what, clients) in _REFUSED_BY.items()
        if oid in one.extensions and one.extensions[oid].critical
    ]


def _name_faults(one: Certificate, issuer: Certificate) -> t.List[str]:
    """Names that are the same by RFC 5280 section 7.1 are not for Firefox, which compares their bytes.

    GnuTLS looks for roots by the bytes, and compares in a chain the texts, letter by letter.
    """
    if one.issuer == issuer.subject:
        return []
    is_read = not is_self_signed(issuer) and x509.same_text(one.issuer, issuer.subject)
    clients = "Firefox" if is_read else f"Firefox and {_WITH_GNUTLS}"
    sentence = (
        f"the certificate {one.name} spells or encodes the name of its issuer in another way than the certificate of "
        f"{issuer.name}; {clients} cannot match the two; have the CA reissue it if such clients connect"
    )
    return [sentence]


def _leaf_faults(leaf: Certificate) -> _Faults:
    """RFC 5280 sections 4.2.1.3 and 4.2.1.12, as far as they concern a server."""
    hard, soft = usage_faults(leaf)
    usages = leaf.key_usages
    if usages is not None and not usages & {x509.DIGITAL_SIGNATURE, x509.KEY_ENCIPHERMENT, x509.KEY_AGREEMENT}:
        hard.append(
            f"the key usage of {leaf.name} has none of digitalSignature, keyEncipherment and keyAgreement, so clients "
            "refuse it for a server"
        )
    elif usages is not None and x509.DIGITAL_SIGNATURE not in usages:
        soft.append(
            f"the key usage of {leaf.name} lacks digitalSignature, without which browsers and TLS 1.3 refuse it"
        )
    netscape = leaf.netscape_types
    if netscape is not None and _NETSCAPE_SERVER not in netscape:
        hard.append(
            f"the Netscape certificate type of {leaf.name} is not that of a server; clients with OpenSSL refuse it"
        )
    if signature.is_dsa(leaf.spki):
        hard.append(f"the key of {leaf.name} is for DSA, a key type that no current TLS client supports")
    elif leaf.public_key.kind == signature.ECDSA and leaf.public_key.flaw:
        soft.append(f"{leaf.public_key.flaw} by TLS clients unless they are set up for it, so they refuse {leaf.name}")
    return hard, soft


def usage_faults(one: Certificate) -> _Faults:
    """Clients ask the same of a server's certificate and of all CAs above it."""
    usages = one.extended_key_usages
    if x509.EXTENDED_KEY_USAGE not in one.extensions or {SERVER_AUTH, *_GATED} & set(usages):
        return [], []
    lacking = f"the extended key usage of {one.name} lacks serverAuth"
    if _ANY_USAGE in usages:
        return [], [f"{lacking}, and to clients with OpenSSL anyExtendedKeyUsage is no substitute"]
    held = ", ".join(_USAGE_NAMES.get(usage, usage) for usage in usages[:5]) or "none"
    return [f"{lacking}, so clients refuse it for a server (it has: {held}); have it reissued"], []


_USAGE_NAMES = {
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}


def _authority_faults(certificates: t.Tuple[Certificate, ...], depth: int, is_root: bool) -> _Faults:
    """RFC 5280 section 6.1.4 (k) to (n); of a root less is asked (section 6.1.1 d)."""
    one, below = certificates[depth], certificates[depth - 1]
    hard: t.List[str] = []
    soft: t.List[str] = []
    signs = one.key_usages is None or x509.KEY_CERT_SIGN in one.key_usages
    if not signs:
        hard.append(
            f"the key usage of {one.name} lacks keyCertSign, so clients do not accept that it issued {below.name}"
        )
    if not one.is_ca:
        if not is_root or x509.BASIC_CONSTRAINTS in one.extensions:
            hard.append(
                f"{one.name} is not a CA (basic constraints), so clients do not accept that it issued {below.name}"
            )
        elif signs and one.key_usages is None and one.version != 1:
            soft.append(f"the root {one.name} has no basic constraints; clients with OpenSSL do not take it for a CA")
    between = sum(not ca.is_self_issued for ca in certificates[1:depth])
    if one.path_length is not None and between > one.path_length:
        hard.append(
            f"{one.name} allows {one.path_length} intermediate CAs below it (path length), but there are {between}"
        )
    if one.is_self_issued and not is_root and not identifier_problem(one, one):
        hard.append(
            f"issuer and subject of {one.name} have the same name, and no authority key identifier says that another "
            "key signed it; clients with OpenSSL take it for a root"
        )
    usage_hard, usage_soft = usage_faults(one)
    return hard + usage_hard, soft + usage_soft


def _identifier_faults(search: _Search, one: Certificate, issuer: Certificate, end: Certificate) -> t.List[str]:
    """Name and key fit, but clients with OpenSSL, which tries one certificate only, would take another."""
    differs = identifier_problem(one, issuer)
    if differs:
        sentence = (
            f"the authority key identifier of {one.name} names another certificate of {issuer.name} (its {differs} "
            "differs); clients with OpenSSL refuse that, so give the certificate that it names"
        )
        return [sentence]
    # It looks among its roots first.
    namesake = end is not issuer and is_self_signed(end) and x509.same_name(one.issuer, end.subject)
    if namesake and not identifier_problem(one, end) and search.has_other_key(end, one):
        sentence = (
            f"the root {end.name} has the name but not the key of the issuer of {one.name}, whose authority key "
            "identifier does not tell them apart; clients with OpenSSL take the root for the issuer"
        )
        return [sentence]
    return []


def _weaknesses(one: Certificate, issuer: Certificate) -> t.List[str]:
    weak = signature.weakness(one.scheme, issuer.public_key)
    return [f"the signature on {one.name} is not accepted by browsers: {weak}"] if weak else []


def _constraint_faults(search: _Search, certificates: t.Tuple[Certificate, ...], depth: int) -> t.List[str]:
    one = certificates[depth]
    if depth and one.is_self_issued:
        # RFC 5280 section 6.1.3 (b).
        return []
    for authority in certificates[depth + 1 :]:
        problem = search.comparisons.violation(one, authority, is_leaf=depth == 0)
        if problem:
            return [problem]
    return []


# What is missing, and what was too much ------------------------------------------------------------------------------


def _excess(walk: _Walk) -> t.List[str]:
    leaf = walk.certificates[0]
    problem = excess(leaf, [one.der for one in (leaf, *walk.served)], STAPLE_LIMIT if leaf.responder_urls else 0)
    return [f"{problem}; have the CA reissue it"] if problem else []


def excess(leaf: Certificate, served: t.Sequence[bytes], staple: int) -> str:
    """That clients would not read all that a server sends, with a staple of so many octets, or an empty string."""
    octets, stapled = sum(len(one) + _BESIDE for one in served), staple + _BESIDE_STAPLE if staple else 0
    if octets + stapled <= _LONGEST_CHAIN:
        return ""
    share = f", of which the staple can take {stapled}" if stapled else ""
    return (
        f"the certificate {leaf.name} and its chain have {octets} octets, and clients with OpenSSL read no more than "
        f"{_LONGEST_CHAIN}{share}"
    )


def _break(search: _Search, walk: _Walk) -> t.List[str]:
    """Why the path does not get to where it should."""
    leaf, last = walk.certificates[0], walk.certificates[-1]
    if walk.is_anchored or (is_self_signed(leaf) and not search.anchors):
        return []
    if is_self_signed(leaf):
        return [f"the certificate {leaf.name} of {search.leaf.source} is self-signed and not in {search.anchor_source}"]
    if last is leaf:
        return [_no_issuer(search)] if search.given or search.anchors else []
    if not search.anchors:
        return []
    return [
        (
            f"the issuer {walk.certificates[1].name} in {search.source(walk.certificates[1])} does not chain to any "
            f"certificate of {search.anchor_source}: {_end_reason(search, last)}"
        )
    ]


def _end_reason(search: _Search, last: Certificate) -> str:
    if is_self_signed(last):
        return f"the path ends at {last.name} of {search.source(last)}, which is self-signed"
    namesakes = search.named(last.issuer)
    if namesakes:
        verb = "cannot be checked with" if x509.is_unsupported(last, namesakes[0]) else "was not issued by"
        nearest = f"the {namesakes[0].name} of {search.source(namesakes[0])}"
        return f"{last.name} {verb} {nearest}: {x509.near_miss(last, namesakes[0])}"
    return f"the certificate of {x509.name_text(last.issuer)}, which issued {last.name}, is missing"


def _no_issuer(search: _Search) -> str:
    leaf = search.leaf.certificate
    # One of the right name says more than the rest, and a root least.
    chain = (one.certificate for one in search.given if one.source != search.anchor_source)
    others = sorted(chain, key=lambda one: one.der in search.anchors)
    closest = next(iter((*search.named(leaf.issuer), *others)), None)
    if closest is not None:
        return x509.missing_issuer(leaf, closest, search.source(closest))
    return (
        f"{search.leaf.source} does not contain the certificate of the issuer {x509.name_text(leaf.issuer)}, and "
        f"neither does {search.anchor_source}; append it to the certificate or give it as the chain"
    )


def _missing(search: _Search, walk: _Walk) -> t.List[str]:
    leaf = search.leaf.certificate
    if search.given or search.anchors or is_self_signed(leaf):
        return []
    found = f"{search.leaf.source} contains no chain and none was given"
    if search.chain_source:
        found = f"{search.chain_source} contains no chain, but the certificate alone"
    sentence = (
        f"{found}: clients that do not already have the certificate of the issuer {x509.name_text(leaf.issuer)} will "
        "refuse the connection; append it to the certificate or give it as the chain"
    )
    return [sentence]


def _unfinished(search: _Search, walk: _Walk) -> t.List[str]:
    """A path that ends at an intermediate CA given as an anchor, although a root was given too."""
    last = walk.certificates[-1]
    has_root = any(is_self_signed(one.certificate) and one.certificate.der in search.anchors for one in search.given)
    if not walk.is_anchored or is_self_signed(last) or not has_root:
        return []
    sentence = (
        f"the path ends at the intermediate CA {last.name} of {search.anchor_source} and does not reach a root: "
        f"{_end_reason(search, last)}; clients that have only the root will refuse the connection"
    )
    return [sentence]


def _unused(search: _Search, walk: _Walk, now: datetime, tolerance: timedelta) -> t.Tuple[str, ...]:
    """What was given and is not served, unless it is a root: those are for clients, and every file may have them."""
    ends = {_name_key(walk.certificates[-1].subject), _name_key(walk.certificates[-1].issuer)}
    sentences: t.List[str] = []
    more = 0
    for certificate, source in search.given:
        is_root = is_self_signed(certificate)
        if certificate in walk.certificates or (is_root and certificate.der in search.anchors):
            continue
        in_time = time_problem(certificate, now, tolerance)
        if is_root and not in_time and _name_key(certificate.subject) in ends:
            continue
        if len(sentences) < _MOST_SENTENCES:
            reason = in_time or _idle_reason(search, walk, certificate)
            sentences.append(f"{certificate.name} of {source} was left out of the chain: {reason}")
        else:
            more += 1
    if more:
        sentences.append(f"{more} more certificates were left out of the chain")
    return tuple(sentences)


def _idle_reason(search: _Search, walk: _Walk, certificate: Certificate) -> str:
    for below, used in zip(walk.certificates, walk.certificates[1:]):
        if x509.same_name(below.issuer, certificate.subject):
            problem = search.issuance_problem(below, certificate)
            if problem == _NOT_TRIED:
                return problem
            return (problem and f"{below.name} was not issued by it ({problem})") or (
                f"the path through another certificate of {used.name} is better or valid longer"
            )
    last = walk.certificates[-1]
    if x509.same_name(last.issuer, certificate.subject):
        problem = search.issuance_problem(last, certificate)
        if problem == _NOT_TRIED:
            return problem
        return f"{last.name} was not issued by it ({problem})" if problem else "the path does not need it"
    return f"it did not issue any certificate on the path from {walk.certificates[0].name}"
