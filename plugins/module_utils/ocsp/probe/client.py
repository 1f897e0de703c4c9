# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a TLS server really serves: connect, read certificates and staples, judge them, say it in one sentence.

Each kind of key is looked at by a connection of its own. A server may be as strange as it likes:
that is a result with a reason code, never an exception.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import re
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from .. import names
from ..asn1 import der
from ..errors import ERROR, WARNING, Finding, InputError, MalformedError, OcspError, ProbeError, printable
from ..fetch.report import finding_values, judgement_values
from ..judge import response as ocsp_response
from ..judge import wire
from ..judge.judgement import Judgement
from ..judge.response import Rules
from ..options.parse import did_you_mean
from ..pki import certificate as x509
from ..pki import path
from ..pki.certificate import Certificate, Target
from ..text import encode_pem, format_time
from . import starttls, tls
from .connection import FAMILIES, Connection, Deadline, connect, host_port
from .handshake import Handshake
from .tls import KEY_TYPES, Offer, Served

#: The versions of TLS that can be asked for, by the names that options use.
TLS_VERSIONS = {"1.2": tls.TLS12, "1.3": tls.TLS13}

#: The extensions that hold signed certificate timestamps (RFC 6962 section 3.3).
_TIMESTAMPS_OF_CERTIFICATE = "1.3.6.1.4.1.11129.2.4.2"
_TIMESTAMPS_OF_STAPLE = "1.3.6.1.4.1.11129.2.4.5"

_HTTPS_PORT = 443
#: Seconds between two handshakes with a server that begins to staple with the first of them.
_PAUSE = 1.0

_WITH_PORT = re.compile(r"([^:\[\]\s]+|\[[0-9a-f:.]+\]):[0-9]+", re.IGNORECASE)
#: Ports of mail servers that speak TLS from the first byte.
_MAIL_PORTS = (465, 993, 995)
_MAIL_PROTOCOLS = ("smtp", "lmtp", "imap", "pop3", "sieve")
_MAIL_GREETING = re.compile(r"but with '(220[ -]|\* OK|\+OK)")
_KINDS = {"rsa": "rsa", "rsa_pss": "rsa", "ecdsa": "ecdsa", "ed25519": "eddsa", "ed448": "eddsa"}

Dial = t.Callable[[str, int, str, Deadline], Connection]


class Endpoint(t.NamedTuple):
    """Where to look: made by ``read_endpoint``. ``server_name`` is empty where no name is to be sent."""

    host: str
    port: int
    server_name: str
    starttls: t.Optional[str] = None
    family: str = "any"
    versions: t.Tuple[int, ...] = (tls.TLS13, tls.TLS12)

    @property
    def name(self) -> str:
        return host_port(self.host, self.port)

    @property
    def is_mail(self) -> bool:
        return self.starttls in _MAIL_PROTOCOLS or (not self.starttls and self.port in _MAIL_PORTS)


class Expectation(t.NamedTuple):
    """What should be served: ``response`` is the DER of the staple, ``certificate`` is the server's.

    The issuer is one of ``issuers``, or of the served chain. In the latter case it leads to one of ``roots``, or
    without these to one of ``issuers``, where any are given. Messages name the sources.
    """

    issuers: t.Tuple[Certificate, ...] = ()
    issuer_source: str = "issuer_path"
    roots: t.Tuple[Certificate, ...] = ()
    root_source: str = "root_path"
    response: t.Optional[bytes] = None
    response_source: str = ""
    certificate: t.Optional[Certificate] = None
    certificate_source: str = ""


class OtherStaple(t.NamedTuple):
    """A staple about another certificate of the chain, as TLS 1.3 permits."""

    certificate: Certificate
    judgement: Judgement


@dataclass
class Look:
    """What a server showed for one kind of key.

    ``error`` is why there is nothing to see, where that is a fault. ``handshakes`` counts them.
    Without ``leaf`` no such certificate is served. ``data`` is the staple as received. Of what is
    compared, None means that nothing was given to compare with, or that it is about another
    certificate that the server serves as well. ``issuances`` is who issued whom in the chain, found out once.
    """

    endpoint: Endpoint
    key_type: str
    error: t.Optional[ProbeError] = None
    address: t.Optional[str] = None
    handshakes: int = 0
    served: t.Optional[Served] = None
    group: t.Optional[str] = None
    leaf: t.Optional[Certificate] = None
    target: t.Optional[Target] = None
    judgement: t.Optional[Judgement] = None
    other_staples: t.List[OtherStaple] = field(default_factory=list)
    findings: t.List[Finding] = field(default_factory=list)
    matches_expected: t.Optional[bool] = None
    matches_certificate: t.Optional[bool] = None
    issuances: x509.Issuances = field(default_factory=x509.Issuances, repr=False)

    @property
    def title(self) -> str:
        return KEY_TYPES[self.key_type].title

    @property
    def data(self) -> t.Optional[bytes]:
        return self.served.staples[0] if self.served else None

    @property
    def acceptable(self) -> bool:
        """Whether there is a staple, and neither it nor anything else is in error."""
        return self.data is not None and self.severity != ERROR

    @property
    def severity(self) -> t.Optional[str]:
        """The worst of what was found, or None where all is well."""
        if self.error:
            return ERROR
        severities = [finding.severity for finding in self.findings]
        return next((severity for severity in (ERROR, WARNING) if severity in severities), None)

    @property
    def message(self) -> str:
        """One sentence: what is wrong first, or that all is well."""
        if self.error:
            return self.error.message
        if self.leaf is None:
            return f"the server has no {self.title} certificate"
        worst = self.severity
        found = next((finding.message for finding in self.findings if finding.severity == worst), "")
        if found:
            return found
        if self.data is None:
            return f"the certificate {self.leaf.name} has no OCSP responder URL, and there is no staple"
        expiry = self.judgement.effective_expiry if self.judgement else None
        return f"the staple is good until {format_time(expiry)}"


def read_endpoint(
    host: str,
    port: t.Optional[int] = None,
    server_name: t.Optional[str] = None,
    kind: t.Optional[str] = None,
    family: str = "any",
    versions: t.Iterable[str] = tuple(TLS_VERSIONS),
) -> Endpoint:
    """Check what a user gives. ``kind`` is of starttls.PROTOCOLS, ``versions`` are of TLS_VERSIONS. Raises InputError.

    Without ``kind``, or with an empty one, TLS is spoken from the first byte. The port is the protocol's by
    default. The host name is sent to the server where no other is given; an empty one keeps it from being sent.
    An address is never sent (RFC 6066 section 3).
    """
    if kind and kind not in starttls.KINDS:
        raise InputError(f"starttls: '{x509.shorten(kind)}' is not known; {did_you_mean(kind, starttls.PROTOCOLS)}")
    if family not in FAMILIES:
        raise InputError(f"address_family: '{family}' is not one of {', '.join(FAMILIES)}")
    versions = tuple(versions)
    for version in versions:
        if version not in TLS_VERSIONS:
            raise InputError(f"tls_versions: '{version}' is not one of {', '.join(TLS_VERSIONS)}")
    wanted = tuple(sorted({TLS_VERSIONS[version] for version in versions}, reverse=True))
    if not wanted:
        raise InputError("tls_versions is empty; give 1.2, 1.3 or both")
    if port is None:
        port = starttls.KINDS[kind].port if kind else _HTTPS_PORT
    if not 0 < port < 65536:
        raise InputError(f"port: {port} is not between 1 and 65535")
    host, name = _read_host(host, "host")
    if server_name is not None:
        name = _read_host(server_name, "server_name")[1] if server_name else ""
    return Endpoint(host, port, name, kind or None, family, wanted)


def endpoint_problem(given: t.Mapping[str, t.Any], services: t.Collection[str]) -> str:
    """Why an endpoint of a service cannot be inspected, or an empty string. ``services`` are those that there are."""
    service = given["service"]
    if service not in services:
        return f"no service is called {service}; {did_you_mean(service, services)}"
    try:
        read_endpoint(given["host"], given["port"], None, given["starttls"] or None)
    except InputError as error:
        return f"{service}: {error.message}"
    return ""


def _read_host(text: str, option: str) -> t.Tuple[str, str]:
    """Where to connect to, and the name to ask for there, which is none for an address."""
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        name = names.host_name(text)
        if name is None:
            raise InputError(f"{option}: {_not_a_name(text)}") from None
        return name, name
    return bare, ""


def _not_a_name(text: str) -> str:
    """What is wrong with a host, so that a user can put it right."""
    shown = printable(x509.shorten(text))
    if not text:
        return "'' is empty; give a host name or an IP address"
    if "://" in text:
        return f"'{shown}' is a URL; give its host alone"
    if _WITH_PORT.fullmatch(text):
        return f"'{shown}' has a port in it; give the host alone, and the port in port"
    if any(character.isspace() for character in text):
        return f"'{shown}' has a space or a line break in it, which no host name has"
    return f"'{shown}' is neither a host name nor an IP address"


def look(
    endpoint: Endpoint,
    now: datetime,
    key_types: t.Sequence[str] = ("rsa", "ecdsa"),
    expectation: Expectation = Expectation(),
    rules: Rules = Rules(),
    timeout: float = 20.0,
    attempts: int = 2,
    dial: Dial = connect,
    sleep: t.Callable[[float], None] = time.sleep,
    monotonic: t.Callable[[], float] = time.monotonic,
) -> t.List[Look]:
    """Look at one server, once for each kind of key, all within ``timeout`` seconds.

    Where there is no staple, though there could be one, so many ``attempts`` are made. Raises nothing.
    """
    total = Deadline(timeout, monotonic)
    shared = f"the timeout is {timeout:g} s for all key types together" if len(key_types) > 1 else ""
    looks = []
    for number, key_type in enumerate(key_types):
        # Shared out evenly, so that a server is seen to stall for each kind of key.
        deadline = Deadline(total.left() / (len(key_types) - number), monotonic, shared)
        found = Look(endpoint, key_type)
        for attempt in range(attempts):
            if attempt:
                if deadline.left() <= _PAUSE:
                    break
                sleep(_PAUSE)
            again = _shake_hands(endpoint, key_type, deadline, dial)
            if again.error and found.served:
                break  # what the first handshake showed is worth more
            again.handshakes = attempt + 1
            found = again
            if not _may_staple_later(found, expectation):
                break
        looks.append(found)
    _settle_absences(looks)
    for found in looks:
        with _guarded(found):
            _identify(found, expectation)
    for found in looks:
        others = [other for other in looks if other is not found]
        with _guarded(found):
            _judge(found, others, _narrow(expectation, found, others, now, rules), now, rules)
    return looks


@contextlib.contextmanager
def _guarded(found: Look) -> t.Iterator[None]:
    """Judge what a server showed: nothing in that must end a run over many servers."""
    try:
        yield
    except Exception as error:
        found.findings.append(Finding("malformed", ERROR, _unreadable(found.endpoint, error)))


def _unreadable(endpoint: Endpoint, error: Exception) -> str:
    if isinstance(error, OcspError):
        return f"{endpoint.name} sends what is not well-formed: {error.message}"
    # A bug here or in the library.
    return f"what {endpoint.name} sends cannot be read ({type(error).__name__}: {printable(x509.shorten(str(error)))})"


# Connecting


def _shake_hands(endpoint: Endpoint, key_type: str, deadline: Deadline, dial: Dial) -> Look:
    found = Look(endpoint, key_type)
    try:
        connection = dial(endpoint.host, endpoint.port, endpoint.family, deadline)
        try:
            found.address = connection.address
            served, found.group = _read_served(connection, endpoint, key_type)
        finally:
            connection.close()
        found.leaf = _read_leaf(served.chain[0], key_type)
        found.served = served
    except ProbeError as error:
        found.error = _named(error, endpoint)
    except Exception as error:
        found.error = ProbeError("malformed", _unreadable(endpoint, error))
    return found


def _read_served(connection: Connection, endpoint: Endpoint, key_type: str) -> t.Tuple[Served, t.Optional[str]]:
    """What is served, and the group in which keys are exchanged."""
    if endpoint.starttls:
        starttls.negotiate(endpoint.starttls, connection, endpoint.server_name or endpoint.host)
    handshake = Handshake(Offer(key_type, endpoint.server_name, endpoint.versions))
    output = handshake.start()
    while handshake.served is None:
        if output:
            connection.send(output)
        connection.step = f"send {handshake.awaited}"
        output = handshake.receive(connection.receive())
    _read_group(connection, handshake)
    connection.part(handshake.farewell())
    return handshake.served, handshake.group


def _read_group(connection: Connection, handshake: Handshake) -> None:
    """Wait for the message of TLS 1.2 that tells the group; what was served counts without it, too."""
    with contextlib.suppress(ProbeError):
        while not handshake.complete:
            data = connection.receive()
            if not data:
                break
            handshake.receive(data)


def _read_leaf(data: bytes, key_type: str) -> Certificate:
    leaf = Certificate.from_der(data)
    # Read here, so that a broken extension shows at once.
    leaf.must_staple, leaf.responder_urls  # pylint: disable=pointless-statement  # noqa: B018
    kind = _KINDS.get(leaf.public_key.kind, "")
    if kind != key_type:
        wanted, title = KEY_TYPES[key_type].title, KEY_TYPES[kind].title if kind else "unknown"
        message = f"has no {wanted} certificate: it serves {leaf.name} with a key of type {title}"
        raise ProbeError("not_served", message, declined=True)
    return leaf


def _named(error: ProbeError, endpoint: Endpoint) -> ProbeError:
    message = f"{endpoint.name} {error.message}"
    if not endpoint.starttls and _MAIL_GREETING.search(message):
        message += "; set starttls for such a server"
    return ProbeError(error.code, message, error.declined)


def _may_staple_later(found: Look, expectation: Expectation) -> bool:
    if found.leaf is None or found.data is not None:
        return False
    return bool(found.leaf.must_staple or found.leaf.responder_urls or expectation.response is not None)


def _settle_absences(looks: t.Sequence[Look]) -> None:
    """A server that has a certificate with one kind of key is free to have none with another."""
    if any(found.leaf for found in looks):
        for found in looks:
            if found.error and found.error.declined:
                found.error = None


# Judging


def _identify(found: Look, expectation: Expectation) -> None:
    """Find the issuer, without which no staple can be judged."""
    leaf = found.leaf
    if leaf is None:
        return
    try:
        found.target = Target(leaf, _find_issuer(leaf, found, expectation))
    except InputError as error:
        if error.code == "unsupported_key":
            found.findings.append(Finding("unsupported_key", ERROR, error.message))
        elif expectation.issuers or error.code == "issuer_mismatch":
            found.findings.append(Finding("issuer_mismatch", ERROR, error.message))
        elif found.data is not None:
            message = (
                f"the server does not send the certificate of the issuer {x509.name_text(leaf.issuer)}; "
                "without it the staple cannot be checked, so have the server send it, or give it with issuer_path"
            )
            found.findings.append(Finding("missing_issuer", ERROR, message))


def _find_issuer(leaf: Certificate, found: Look, expectation: Expectation) -> Certificate:
    """The issuer of the server's certificate. Raises InputError."""
    served = _served_certificates(found)
    issuers, roots, root_source = expectation.issuers, expectation.roots, expectation.root_source
    problem = None
    if issuers:
        try:
            return x509.find_issuer(leaf, issuers, roots, expectation.issuer_source, root_source)
        except InputError as error:
            if error.code == "unsupported_key":  # it is the issuer
                raise
            problem = error
        # Of a private CA its users often have the root alone.
        roots, root_source = (roots, root_source) if roots else (issuers, expectation.issuer_source)
    known = [one for one in (*served, *roots) if one.der != leaf.der]
    if any(x509.same_name(one.subject, leaf.issuer) for one in known):
        return x509.find_issuer(leaf, [*served, *roots], roots, "the served chain", root_source, found.issuances)
    if problem is not None:
        raise InputError(f"{problem.message}; the server does not send it either", problem.code)
    return x509.find_issuer(leaf, [leaf], (), "the served chain")


def _served_certificates(found: Look) -> t.List[Certificate]:
    chain = found.served.chain if found.served else ()
    return [one for one in map(_readable, chain) if one]


def _readable(data: bytes) -> t.Optional[Certificate]:
    try:
        return Certificate.from_der(data)
    except MalformedError:
        return None


def _narrow(
    expectation: Expectation, found: Look, others: t.Sequence[Look], now: datetime, rules: Rules
) -> Expectation:
    """What is expected of this certificate: what is about another one of the same server is not."""
    certificate, response = expectation.certificate, expectation.response
    if certificate and any(other.leaf and other.leaf.der == certificate.der for other in others):
        expectation = expectation._replace(certificate=None)
    if response is not None:
        is_others = any(_is_about(response, other, now, rules) for other in others)
        if is_others and not _is_about(response, found, now, rules):
            expectation = expectation._replace(response=None)
    return expectation


def _is_about(data: bytes, found: Look, now: datetime, rules: Rules) -> bool:
    """Whether a response can be read and has an answer about this certificate."""
    if found.target is None:
        return False
    return ocsp_response.judge(data, found.target, now, rules).answer_index is not None


def _judge(found: Look, others: t.Sequence[Look], expectation: Expectation, now: datetime, rules: Rules) -> None:
    leaf, served = found.leaf, found.served
    if leaf is None or served is None:
        return
    found.findings.extend(_certificate_findings(leaf, expectation))
    found.findings.extend(_chain_findings(found, leaf, served.chain, expectation, now))
    if found.data is None:
        ended = ocsp_response.certificate_expired(leaf, now)
        found.findings.extend([ended] if ended else [])
        found.findings.extend(_missing_staple(leaf, found.endpoint, expectation))
    elif found.target:
        found.judgement = ocsp_response.judge(found.data, found.target, now, rules)
        found.findings.extend(_shared_staple(found, found.judgement, others, now, rules))
        found.findings.extend(found.judgement.findings)
        if found.handshakes > 1:
            message = f"only handshake number {found.handshakes} brought the staple; clients that come first get none"
            found.findings.append(Finding("late_staple", WARNING, message))
    if expectation.certificate is not None:
        found.matches_certificate = leaf.der == expectation.certificate.der
    if expectation.response is not None:
        found.matches_expected = found.data == expectation.response
        if found.data is not None and not found.matches_expected:
            message = f"the server staples another response than the one in {expectation.response_source}"
            found.findings.append(Finding("other_staple", WARNING, f"{message}; it may have to be reloaded"))
    for data, staple in list(zip(served.chain, served.staples))[1:]:
        certificate = _readable(data) if staple is not None else None
        if certificate is not None and staple is not None:
            found.other_staples.extend(_judge_other(certificate, staple, found, now, rules))


def _certificate_findings(leaf: Certificate, expectation: Expectation) -> t.Iterator[Finding]:
    wanted = expectation.certificate
    if wanted is not None and leaf.der != wanted.der:
        serial_number = x509.shorten(f"{leaf.serial_number:X}")
        message = (
            f"the server serves {leaf.name} with the serial number {serial_number}, "
            f"not the certificate in {expectation.certificate_source}"
        )
        yield Finding("other_certificate", ERROR, message)


def _chain_findings(
    found: Look, leaf: Certificate, chain: t.Sequence[bytes], expectation: Expectation, now: datetime
) -> t.Iterator[Finding]:
    """What has clients refuse the certificates before they look at a staple.

    That the server's has expired, or that its issuer leads nowhere, is told elsewhere. Other roots than those that are
    given may have other ways to the certificate, so that without any only what all clients refuse is told.
    """
    staple = len(found.data) if found.data and found.served and found.served.version == tls.TLS13 else 0
    problems = [path.time_problem(leaf, now) if leaf.not_after > now else "", path.excess(leaf, chain, staple)]
    if not any(problems) and leaf.not_after > now and found.target is not None and expectation.roots:
        served = [path.Given(one, "the served chain") for one in _served_certificates(found)]
        roots = [path.Given(one, expectation.root_source) for one in expectation.roots]
        problems += path.find_path(path.Given(leaf, "the served chain"), served, roots, now).problems
    for problem in filter(None, problems):
        yield Finding("unusable_chain", ERROR, problem)


def _missing_staple(leaf: Certificate, endpoint: Endpoint, expectation: Expectation) -> t.Iterator[Finding]:
    hint = "; Dovecot and Postfix cannot staple at all" if endpoint.is_mail else ""
    if leaf.must_staple:
        message = (
            f"the certificate {leaf.name} requires a staple (must-staple), but the server sends none, so that strict "
            f"clients such as Firefox refuse it{hint}"
        )
        yield Finding("missing_staple", ERROR, message)
    elif expectation.response is not None:
        message = f"the server sends no staple, though {expectation.response_source} is there{hint}"
        yield Finding("missing_staple", ERROR, message)
    elif leaf.responder_urls:
        yield Finding("missing_staple", WARNING, f"the server sends no staple for the certificate {leaf.name}{hint}")


def _shared_staple(
    found: Look, judgement: Judgement, others: t.Sequence[Look], now: datetime, rules: Rules
) -> t.Iterator[Finding]:
    """The known mistake of RSA and ECDSA on one nginx server block with ssl_stapling_file."""
    data = found.data
    if data is None or "wrong_certificate" not in judgement.errors:
        return
    for other in others:
        if _is_about(data, other, now, rules):
            message = (
                f"the staple with the {found.title} certificate is about the server's {other.title} certificate: "
                "one file is stapled to both, as nginx does with ssl_stapling_file; use a separate server block for "
                "each key type, or only one key type"
            )
            yield Finding("shared_staple", ERROR, message)


def _judge_other(
    certificate: Certificate, staple: bytes, found: Look, now: datetime, rules: Rules
) -> t.Iterator[OtherStaple]:
    candidates = _served_certificates(found)
    try:
        issuer = x509.find_issuer(certificate, candidates, (), "the served chain", issuances=found.issuances)
    except InputError:
        return
    yield OtherStaple(certificate, ocsp_response.judge(staple, Target(certificate, issuer), now, rules))


# Telling


def summary_values(looks: t.Sequence[Look], return_content: bool = False) -> t.Dict[str, t.Any]:
    """All looks at one server as plain values, and what they come to."""
    present = [found for found in looks if found.leaf or found.error]
    worst = min(present or looks, key=lambda found: (ERROR, WARNING, None).index(found.severity))
    error = next((found.error for found in looks if found.error), None)
    served = any(found.leaf for found in looks)
    prefix = f"{worst.title}: " if served and len(present) > 1 and worst.severity else ""
    return {
        "msg": prefix + worst.message,
        "severity": worst.severity,
        "error": _error_values(error),
        "served": served,
        "stapled": all(found.data is not None for found in present),
        "acceptable": all(found.acceptable for found in present),
        "matches_expected": _all_match(found.matches_expected for found in looks),
        "matches_certificate": _all_match(found.matches_certificate for found in looks),
        "certificates": [look_values(found, return_content) for found in looks],
    }


def unseen_values(message: str) -> t.Dict[str, t.Any]:
    """The same of a server that was not looked at."""
    return {
        "msg": message,
        "severity": WARNING,
        "error": None,
        "served": False,
        "stapled": False,
        "acceptable": False,
        "matches_expected": None,
        "matches_certificate": None,
        "certificates": [],
    }


def _all_match(matches: t.Iterable[t.Optional[bool]]) -> t.Optional[bool]:
    known = [match for match in matches if match is not None]
    return all(known) if known else None


def _error_values(error: t.Optional[ProbeError]) -> t.Optional[t.Dict[str, str]]:
    return {"code": error.code, "message": error.message} if error else None


def look_values(found: Look, return_content: bool = False) -> t.Dict[str, t.Any]:
    """All of a look as plain values, for return values and reports. Times are ISO 8601 in UTC."""
    leaf, served, data = found.leaf, found.served, found.data
    values = judgement_values(found.judgement)
    values.update(
        key_type=found.key_type,
        served=leaf is not None,
        error=_error_values(found.error),
        msg=found.message,
        severity=found.severity,
        address=found.address,
        handshakes=found.handshakes,
        tls_version=tls.VERSIONS[served.version] if served else None,
        key_exchange_group=found.group if served else None,
        signed_certificate_timestamps=_timestamp_values(found),
        chain=[encode_pem(data, "CERTIFICATE").decode() for data in served.chain] if served else [],
        subject=leaf.name if leaf else None,
        issuer=x509.name_text(leaf.issuer) if leaf else None,
        serial_number=leaf.serial_number if leaf else None,
        not_after=format_time(leaf.not_after) if leaf else None,
        responder_urls=leaf.responder_urls if leaf else [],
        must_staple=leaf.must_staple if leaf else None,
        stapled=data is not None,
        acceptable=found.acceptable,
        matches_expected=found.matches_expected,
        matches_certificate=found.matches_certificate,
        findings=finding_values(found.findings),
        other_staples=[_other_values(other) for other in found.other_staples],
        sha256=hashlib.sha256(data).hexdigest() if data is not None else None,
    )
    if return_content:
        values["response"] = base64.b64encode(data).decode("ascii") if data is not None else None
    return values


def _timestamp_values(found: Look) -> t.Dict[str, t.Optional[int]]:
    """How many signed certificate timestamps (RFC 6962) came in which way; None where that cannot be read."""
    extension = found.leaf.extensions.get(_TIMESTAMPS_OF_CERTIFICATE) if found.leaf else None
    return {
        "certificate": _count_timestamps(extension) if found.leaf else None,
        "staple": _count_of_staple(found),
        "handshake": found.served.timestamps if found.served else None,
    }


def _count_of_staple(found: Look) -> t.Optional[int]:
    try:
        response = wire.parse_response(found.data)[1] if found.data is not None else None
    except MalformedError:
        return None
    index = found.judgement.answer_index if found.judgement else None
    if response is None or index is None:
        return None
    return _count_timestamps(response.answers[index].extensions.get(_TIMESTAMPS_OF_STAPLE))


def _count_timestamps(extension: t.Optional[x509.Extension]) -> t.Optional[int]:
    if extension is None:
        return 0
    try:
        return tls.count_timestamps(der.Reader(extension.value, "timestamps").content(der.OCTET_STRING))
    except MalformedError:
        return None


def _other_values(other: OtherStaple) -> t.Dict[str, t.Any]:
    judgement = other.judgement
    return {
        "subject": other.certificate.name,
        "acceptable": judgement.acceptable,
        "certificate_status": judgement.certificate_status,
        "effective_expiry": format_time(judgement.effective_expiry),
        "findings": finding_values(judgement.findings),
    }
