# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates: PEM or DER in; a certificate to ask about and *its* issuer out.

The fields are read with the strict DER reader, because a CertID is made of the raw bytes of the
issuer's name and key, which cryptography does not show, and because loading
``cryptography.x509`` costs twice what all the rest of a run does.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import collections
import functools
import re
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..asn1 import der
from ..asn1.der import Reader, element
from ..errors import InputError, MalformedError
from ..text import join_words
from . import formats, signature
from .remembered import Memory, fingerprint, remembered, remembered_if_short
from .signature import PublicKey, Scheme

AUTHORITY_INFO_ACCESS = "1.3.6.1.5.5.7.1.1"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
BASIC_CONSTRAINTS = "2.5.29.19"
CERTIFICATE_POLICIES = "2.5.29.32"
CRL_DISTRIBUTION_POINTS = "2.5.29.31"
EXTENDED_KEY_USAGE = "2.5.29.37"
KEY_USAGE = "2.5.29.15"
NAME_CONSTRAINTS = "2.5.29.30"
NETSCAPE_CERTIFICATE_TYPE = "2.16.840.1.113730.1.1"
OCSP_NOCHECK = "1.3.6.1.5.5.7.48.1.5"
SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
ISSUER_ALTERNATIVE_NAME = "2.5.29.18"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
TLS_FEATURE = "1.3.6.1.5.5.7.1.24"

VERSION = der.context(0)
UNIQUE_IDENTIFIERS = (der.context(1, constructed=False), der.context(2, constructed=False))
EXTENSIONS = der.context(3)
_FALSE = der.encode(der.BOOLEAN, b"\0")
_OCSP_ACCESS_METHOD = "1.3.6.1.5.5.7.48.1"
_STATUS_REQUEST = 5
DIGITAL_SIGNATURE = 0
NON_REPUDIATION = 1
KEY_ENCIPHERMENT = 2
KEY_AGREEMENT = 4
KEY_CERT_SIGN = 5

#: Identifier octets of the forms of GeneralName (RFC 5280 section 4.2.1.6) that are looked into.
RFC822_NAME = der.context(1, constructed=False)
DNS_NAME = der.context(2, constructed=False)
DIRECTORY_NAME = der.context(4)
URI_NAME = der.context(6, constructed=False)
IP_ADDRESS = der.context(7, constructed=False)

COMMON_NAME = "2.5.4.3"
_NAME_TYPES = {
    COMMON_NAME: "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
}
_STRING_CODECS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be"}
_NUMERIC_STRING, _BMP_STRING = 0x12, 0x1E
#: The last character of a BMPString: what UTF-16 has beyond is in pairs, which are no characters there.
_LAST_OF_BMP = "\uffff"
_TYPES_WITHOUT_TEXT = (der.BIT_STRING, der.SEQUENCE)

_LONGEST_TEXT = 200
#: Octets of the largest certificate. OpenSSL's clients and servers read 100 KB of certificates in all from each other.
_LARGEST = 256 * 1024
#: Octets of the longest name that is taken apart. A response may come with many names to compare.
_LONGEST_NAME = 8192
#: Octets of the longest serial number. RFC 5280 section 4.1.2.2 allows 20; a few CAs went beyond.
_LONGEST_SERIAL_NUMBER = 64
#: Certificates of one file, as of all roots of a distribution, and those among which an issuer is looked for.
_MOST_CERTIFICATES, _MOST_CANDIDATES = 500, 100
#: Signatures that are checked to find the issuer of one certificate, or a path from it, as Go has it. Chains in use
#: need fewer than ten: a name has few certificates. A hundred of one name and many keys would have 10,000 checked.
MOST_SIGNATURES = 100
#: Pairs of certificates, and searches for an issuer, of which it is remembered what came of them: 300 octets for each.
_MOST_PAIRS, _MOST_SEARCHES = 4096, 10_000
#: Responders that are asked, and characters of a URL. Certificates have one or two, of fifty.
_MOST_RESPONDERS, _LONGEST_URL = 8, 2048

_PEM_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_PEM_END = re.compile(rb"-----END ([A-Z0-9 ]{1,40})(?=-----)")
_PEM_TRUSTED = b"TRUSTED CERTIFICATE"
_PEM_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", _PEM_TRUSTED)
#: What may stand beside certificates in a file for a server; any other label may be a certificate's, misspelt.
_PEM_OTHERS = (b"PRIVATE KEY", b"PUBLIC KEY", b"PARAMETERS", b"CRL", b"CERTIFICATE REQUEST")


class GeneralName(t.NamedTuple):
    """One name (RFC 5280 section 4.2.1.6): its identifier octet and its content, for a directory name the raw Name."""

    tag: int
    value: bytes


class Extension(t.NamedTuple):
    """One extension (RFC 5280 section 4.1); ``value`` is the content of the octet string."""

    critical: bool
    value: bytes


Extensions = t.Dict[str, Extension]


def read_extensions(data: bytes, what: str) -> Extensions:
    """Read a SEQUENCE OF Extension. Raises MalformedError, also for one that stands twice."""
    extensions: Extensions = {}
    at, stop = element(data, 0, len(data), der.SEQUENCE, what, der.LAST)
    while at < stop:
        start, at = element(data, at, stop, der.SEQUENCE, what)
        start, end = element(data, start, at, der.OBJECT_IDENTIFIER, what)
        oid = der.to_oid(data[start:end], what)
        critical = False
        if end < at and data[end] == der.BOOLEAN:
            start, end = element(data, end, at, der.BOOLEAN, what)
            critical = der.to_flag(data[start:end], what)
        start, end = element(data, end, at, der.OCTET_STRING, what)
        der.finish(end, at, what)
        if oid in extensions:
            raise MalformedError(f"{what}: duplicate extension {oid}")
        extensions[oid] = Extension(critical, data[start:end])
    return extensions


def written_defaults(data: bytes) -> t.List[str]:
    """The OIDs of those extensions that say that they are not critical, which DER leaves out.

    ``data`` is what ``read_extensions`` could read.
    """
    if _FALSE not in data:
        return []
    entries = Reader(data, "extensions").sequence()
    found = []
    while not entries.at_end():
        entry = entries.sequence()
        oid = entry.oid()
        if entry.peek() == der.BOOLEAN and not entry.flag():
            found.append(oid)
    return found


def _check_version(fields: Reader) -> None:
    version = fields.optional(VERSION)
    if version:
        if version.integer() not in (0, 1, 2):
            raise fields.fail("version that is neither v1, v2 nor v3")
        version.finish()


def _read_serial_number(fields: Reader) -> int:
    serial_number = fields.integer()
    if serial_number.bit_length() > 8 * _LONGEST_SERIAL_NUMBER:
        raise fields.fail(f"serial number of more than {_LONGEST_SERIAL_NUMBER} octets")
    return serial_number


def _read_validity(fields: Reader) -> t.Tuple[datetime, datetime]:
    validity = fields.sequence()
    not_before, not_after = validity.time(), validity.time()
    validity.finish()
    return not_before, not_after


def _check_unique_identifiers(fields: Reader) -> None:
    """Those of X.509 v2, which no CA issues any more and OpenSSL reads all the same."""
    for tag in UNIQUE_IDENTIFIERS:
        if fields.peek() == tag:
            der.check_bits(fields.content(tag), "unique identifier")


@dataclass(frozen=True, eq=False)
class Certificate:
    """What OCSP needs of an X.509 certificate (RFC 5280 section 4.1). Times are aware, in UTC.

    ``issuer`` and ``subject`` are the raw DER of the names, ``public_key_bits`` is the content of
    the key's bit string. The properties raise MalformedError for an extension that does not parse.
    """

    der: bytes
    tbs: bytes
    serial_number: int
    issuer: bytes
    not_before: datetime
    not_after: datetime
    subject: bytes
    spki: bytes
    public_key_bits: bytes
    extensions: Extensions
    scheme: Scheme
    signature: bytes

    @classmethod
    @remembered_if_short(64)
    def from_der(cls, data: bytes) -> Certificate:
        """Read a certificate. Raises MalformedError. Remembered, since the same CAs and responders come again."""
        if len(data) > _LARGEST:
            raise MalformedError(f"certificate: {len(data)} octets, more than {_LARGEST}")
        whole = Reader(data, "certificate").last()
        tbs = whole.raw(der.SEQUENCE)
        algorithm = whole.raw(der.SEQUENCE)
        signed = whole.bits()
        whole.finish()

        fields = Reader(tbs, "certificate").sequence()
        _check_version(fields)
        serial_number = _read_serial_number(fields)
        if fields.raw(der.SEQUENCE) != algorithm:
            raise fields.fail("two different signature algorithms")
        issuer = fields.raw(der.SEQUENCE)
        not_before, not_after = _read_validity(fields)
        subject = fields.raw(der.SEQUENCE)
        spki = fields.raw(der.SEQUENCE)
        _check_unique_identifiers(fields)
        extensions = fields.content(EXTENSIONS) if fields.peek() == EXTENSIONS else None
        fields.finish()
        return cls(
            der=data,
            tbs=tbs,
            serial_number=serial_number,
            issuer=issuer,
            not_before=not_before,
            not_after=not_after,
            subject=subject,
            spki=spki,
            public_key_bits=signature.split_key(spki)[1],
            extensions={} if extensions is None else read_extensions(extensions, "certificate extensions"),
            scheme=signature.parse_algorithm(algorithm),
            signature=signed,
        )

    @functools.cached_property
    def digest(self) -> bytes:
        """What tells it from others."""
        return fingerprint(self.der)

    @functools.cached_property
    def name(self) -> str:
        """The subject for a person, as in ``CN=www.example.com,O=Example``."""
        return name_text(self.subject)

    @functools.cached_property
    def public_key(self) -> PublicKey:
        return signature.load_public_key(self.spki)

    def reader_of(self, oid: str, what: str) -> t.Optional[Reader]:
        """What reads an extension, called ``what`` in messages, or None without one."""
        extension = self.extensions.get(oid)
        return Reader(extension.value, what) if extension else None

    @functools.cached_property
    def _basic_constraints(self) -> t.Tuple[bool, t.Optional[int]]:
        reader = self.reader_of(BASIC_CONSTRAINTS, "basic constraints")
        if reader is None:
            return False, None
        fields = reader.last()
        is_ca = fields.flag()
        path_length = None if fields.at_end() else fields.integer()
        if path_length is not None and path_length < 0:
            raise fields.fail("path length below 0")
        fields.finish()
        return is_ca, path_length

    @property
    def is_ca(self) -> bool:
        """BasicConstraints cA (RFC 5280 section 4.2.1.9)."""
        return self._basic_constraints[0]

    @property
    def path_length(self) -> t.Optional[int]:
        """How many intermediate CAs may follow this one (RFC 5280 section 4.2.1.9), or None for any number."""
        return self._basic_constraints[1]

    @functools.cached_property
    def version(self) -> int:
        """1, 2 or 3, of which only 3 has a place for extensions (RFC 5280 section 4.1.2.1)."""
        version = Reader(self.tbs, "certificate").sequence().optional(VERSION)
        return 1 if version is None else version.integer() + 1

    @functools.cached_property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name, as in roots and in certificates of a key that was changed."""
        return same_name(self.issuer, self.subject)

    @functools.cached_property
    def alternative_names(self) -> t.List[GeneralName]:
        """The subject alternative names (RFC 5280 section 4.2.1.6)."""
        reader = self.reader_of(SUBJECT_ALTERNATIVE_NAME, "subject alternative name")
        return read_general_names(reader.last()) if reader else []

    @functools.cached_property
    def dns_names(self) -> t.FrozenSet[bytes]:
        """The DNS names among the subject alternative names, in lower case."""
        return frozenset(name.value.lower() for name in self.alternative_names if name.tag == DNS_NAME)

    @functools.cached_property
    def netscape_types(self) -> t.Optional[t.FrozenSet[int]]:
        """The bits of the Netscape certificate type, which OpenSSL still looks at, or None without one."""
        reader = self.reader_of(NETSCAPE_CERTIFICATE_TYPE, "Netscape certificate type")
        if reader is None:
            return None
        types = reader.named_bits()
        reader.finish()
        return types

    @functools.cached_property
    def key_usages(self) -> t.Optional[t.FrozenSet[int]]:
        """The numbers of the bits of the key usage (RFC 5280 section 4.2.1.3), or None without one."""
        reader = self.reader_of(KEY_USAGE, "key usage")
        if reader is None:
            return None
        usages = reader.named_bits()
        reader.finish()
        return usages

    @functools.cached_property
    def may_sign_responses(self) -> bool:
        """Whether the key usage, where there is one, has digitalSignature."""
        return self.key_usages is None or DIGITAL_SIGNATURE in self.key_usages

    @functools.cached_property
    def is_anchor(self) -> bool:
        """Whether it can be where a path ends, for which it needs no extensions (RFC 5280 section 6.1.1 d)."""
        return self.is_ca or BASIC_CONSTRAINTS not in self.extensions

    @functools.cached_property
    def has_nocheck(self) -> bool:
        """Whether the extension id-pkix-ocsp-nocheck is present (RFC 6960 section 4.2.2.2.1)."""
        return OCSP_NOCHECK in self.extensions

    @functools.cached_property
    def extended_key_usages(self) -> t.List[str]:
        """The OIDs of ExtKeyUsageSyntax (RFC 5280 section 4.2.1.12)."""
        reader = self.reader_of(EXTENDED_KEY_USAGE, "extended key usage")
        usages: t.List[str] = []
        if reader is not None:
            entries = reader.last()
            while not entries.at_end():
                usages.append(entries.oid())
        return usages

    @functools.cached_property
    def responder_urls(self) -> t.List[str]:
        """The OCSP responders that the authority information access names (RFC 5280 section 4.2.2.1).

        An empty URL, as some CAs write it where they have no responder, names none, and neither does one that is
        longer than any. What is not printable is escaped. At most eight are told.
        """
        reader = self.reader_of(AUTHORITY_INFO_ACCESS, "authority information access")
        urls: t.List[str] = []
        if reader is None:
            return urls
        entries = reader.last()
        while not entries.at_end():
            entry = entries.sequence()
            method = entry.oid()
            tag = entry.peek()
            location = entry.content(tag)
            entry.finish()
            if method == _OCSP_ACCESS_METHOD and tag == URI_NAME:
                urls.append(_escape(location[: _LONGEST_URL + 1].decode("ascii", "backslashreplace").strip()))
        return [url for url in urls if 0 < len(url) <= _LONGEST_URL][:_MOST_RESPONDERS]

    @functools.cached_property
    def must_staple(self) -> bool:
        """Whether the TLS feature status_request is present (RFC 7633)."""
        return _STATUS_REQUEST in self.tls_features

    @functools.cached_property
    def tls_features(self) -> t.FrozenSet[int]:
        """The numbers of the TLS extensions that a server with the certificate has to support (RFC 7633)."""
        reader = self.reader_of(TLS_FEATURE, "TLS feature")
        if reader is None:
            return frozenset()
        entries = reader.last()
        features = set()
        while not entries.at_end():
            features.add(entries.integer())
        return frozenset(features)


def read_general_names(entries: Reader) -> t.List[GeneralName]:
    """Read the names up to the end of what holds them. Raises MalformedError."""
    names = []
    while not entries.at_end():
        tag = entries.peek()
        names.append(GeneralName(tag, entries.content(tag)))
    return names


class Target(t.NamedTuple):
    """The certificate whose status is asked for, and the certificate of the CA that issued it."""

    certificate: Certificate
    issuer: Certificate


#: How ``issuance_problem`` begins where the issuer may be the right one for all that can be told.
UNCHECKED = "its signature cannot be checked"


@remembered(_MOST_PAIRS)
def issuance_problem(certificate: Certificate, issuer: Certificate) -> str:
    """Why ``issuer`` did not issue ``certificate`` (name and signature), or an empty string.

    The digest's strength is not judged here. Remembered, since the same pairs come again for each
    response. Raises MalformedError.
    """
    if not same_name(certificate.issuer, issuer.subject):
        return f"it was issued by {name_text(certificate.issuer)}, not by {issuer.name}"
    scheme, key = certificate.scheme, issuer.public_key
    problem = signature.verify(scheme, key, certificate.signature, certificate.tbs)
    if not problem:
        return ""
    if _cannot_check(certificate, issuer, problem):
        return f"{UNCHECKED} with the key of {issuer.name}: {problem}"
    because = "" if problem == signature.MISMATCH else f": {problem}"
    return f"its signature was not made by the key of {issuer.name}{because}"


def _cannot_check(certificate: Certificate, issuer: Certificate, problem: str) -> bool:
    """Whether a signature may be right for all that ``signature.verify`` says about it."""
    return problem.startswith(signature.HOST_CANNOT) or bool(
        signature.unsupported(certificate.scheme, issuer.public_key)
    )


def load_certificates(data: bytes, source: str) -> t.List[Certificate]:
    """Load the certificates of a PEM bundle or of one DER file, in their order.

    Raises InputError; ``source`` begins its message and names the option and the file.
    """
    if not data.strip():
        raise InputError(f"{source} is empty; it must hold a certificate as PEM or DER")
    garbled = formats.encoding_problem(data, formats.CERTIFICATE)
    if garbled:
        raise InputError(f"{source} {garbled}")
    if _is_cut_off(data):
        raise InputError(f"{source} contains a truncated certificate; copy the whole file again")
    blocks = _pem_blocks(data)
    is_der = not blocks and data[:1] == b"\x30"
    if is_der and formats.kind_of(data) not in ("", "CERTIFICATE"):
        raise InputError(f"{source} {_other_content(data, [])}")
    try:
        if is_der:
            return [Certificate.from_der(data)]
        bodies = [_decode_pem(label, body) for label, body in blocks if label in _PEM_CERTIFICATES]
        if len(bodies) > _MOST_CERTIFICATES:
            raise InputError(
                f"{source} contains {len(bodies)} certificates, more than {_MOST_CERTIFICATES}; give those that are "
                "needed"
            )
        certificates = [Certificate.from_der(body) for body in bodies]
    except (MalformedError, binascii.Error) as error:
        raise InputError(
            f"{source} contains a certificate that cannot be read ({error}); copy it again, or have the CA reissue it "
            "if it was sent like this"
        ) from None
    labels = [label for label, body in blocks if label not in _PEM_CERTIFICATES]
    if not certificates:
        raise InputError(f"{source} {_other_content(data, labels)}")
    unknown = [label.decode("ascii") for label in labels if not label.endswith(_PEM_OTHERS)]
    if unknown:
        raise InputError(f"{source} contains a PEM block '{unknown[0]}', which may be a certificate but cannot be read")
    return certificates


def _pem_blocks(data: bytes) -> t.List[t.Tuple[bytes, bytes]]:
    """The labels and bodies of PEM blocks; what begins without an end is passed over."""
    blocks = []
    ends: t.Dict[bytes, t.List[int]] = {}
    # Looking for the end of each by itself would take quadratic time where there is none.
    for end in _PEM_END.finditer(data):
        ends.setdefault(end.group(1), []).append(end.start())
    begin = _PEM_BEGIN.search(data)
    while begin:
        label, start = begin.group(1), begin.end()
        stops = ends.get(label, [])
        index = bisect.bisect_left(stops, start)
        if index < len(stops):
            blocks.append((label, data[start : stops[index]]))
            begin = _PEM_BEGIN.search(data, stops[index] + len(b"-----END -----") + len(label))
        else:
            begin = _PEM_BEGIN.search(data, begin.start() + 1)
    return blocks


def _is_cut_off(data: bytes) -> bool:
    """Whether a certificate begins that does not end before the next block, which would be a chain without it."""
    for begin in _PEM_BEGIN.finditer(data):
        if begin.group(1) in _PEM_CERTIFICATES:
            end = data.find(b"-----END %b-----" % begin.group(1), begin.end())
            following = data.find(b"-----BEGIN ", begin.end())
            if end < 0 or 0 <= following < end:
                return True
    return False


def _decode_pem(label: bytes, body: bytes) -> bytes:
    data = base64.b64decode(b"".join(body.split()), validate=True)
    # OpenSSL appends what it trusts the certificate for.
    return Reader(data, "certificate").raw(der.SEQUENCE) if label == _PEM_TRUSTED else data


def _other_content(data: bytes, labels: t.Sequence[bytes]) -> str:
    found = formats.other_content(data, [label.decode("ascii") for label in labels], formats.CERTIFICATE)
    if found:
        return found
    return "contains a truncated PEM block" if b"-----BEGIN" in data else "contains no certificate in PEM or DER"


def find_leaf(certificates: t.Sequence[Certificate], source: str) -> Certificate:
    """The one certificate of a bundle to ask about: the only one that is not a CA's, or a self-signed one.

    Raises InputError where none or several would do, or where its extensions cannot be read.
    """
    try:
        issuers = _issuers_named(certificates)
        leaves = {
            one.der: one
            for one in certificates
            if not one.is_ca and not issuers.get(_name_key(one.subject), set()) - {one.der}
        }
        leaf = next(iter(leaves.values()), certificates[0])
        if leaf.is_ca and leaf.issuer != leaf.subject:
            raise InputError(
                f"{source} contains only CA certificates, such as {leaf.name}; give the server's certificate"
            )
        # Read here, so that a broken extension is an input error and never a surprise later on.
        leaf.responder_urls, leaf.must_staple, leaf.public_key  # pylint: disable=pointless-statement  # noqa: B018
    except MalformedError as error:
        raise InputError(
            f"{source} contains a certificate that cannot be read ({error}); have the CA reissue it"
        ) from None
    if len(leaves) > 1:
        names = join_words(sorted(leaf.name for leaf in leaves.values())[:3])
        raise InputError(
            f"{source} contains several certificates that are not CA certificates ({names}); give one and its chain"
        )
    return leaf


def _issuers_named(certificates: t.Sequence[Certificate]) -> t.Dict[t.Any, t.Set[bytes]]:
    """What names each issuer, by its name, as old CAs without basic constraints need."""
    found: t.Dict[t.Any, t.Set[bytes]] = {}
    for one in certificates:
        found.setdefault(_name_key(one.issuer), set()).add(one.der)
    return found


def _name_key(name: bytes) -> t.Any:
    """What is equal for equal names, also for one that cannot be read."""
    try:
        return comparable_name(name)
    except MalformedError:
        return name


def find_issuer(
    leaf: Certificate,
    candidates: t.Sequence[Certificate],
    roots: t.Sequence[Certificate],
    source: str,
    root_source: str = "root_path",
    issuances: t.Optional[Issuances] = None,
) -> Certificate:
    """The candidate that issued the leaf, by name, key and signature, and leads to a root if any are given.

    ``source`` and ``root_source`` name where they come from. Raises InputError, with ``issuer_mismatch`` or
    ``unsupported_key`` where there are candidates and none of them will do, and where that would take too long to find
    out. Remembered, since a certificate that is looked at again is read again.

    Several searches among the same certificates share ``issuances``, and what is left of the checks of signatures.
    """
    if issuances is not None:
        return _issuer_among(leaf, candidates, roots, source, root_source, issuances)
    parts = [one.digest for group in ((leaf,), candidates, roots) for one in (*group, leaf)]
    key = fingerprint(b"".join([*parts, f"{source}\0{root_source}".encode("utf-8", "surrogateescape")]))
    found = _searches.get(key) or _searches.keep(
        key, _outcome(lambda: _issuer_among(leaf, candidates, roots, source, root_source, Issuances()))
    )
    if isinstance(found, _Failure):
        raise InputError(*found)
    return next(candidate for candidate in candidates if candidate.digest == found)


class _Failure(t.NamedTuple):
    """Why no issuer was found: the arguments of an InputError, which itself would keep all that it went through."""

    message: str
    code: str


_searches: Memory[t.Union[bytes, _Failure]] = Memory(_MOST_SEARCHES)


def _outcome(search: t.Callable[[], Certificate]) -> t.Union[bytes, _Failure]:
    """What is remembered of a search for an issuer."""
    try:
        return search().digest
    except InputError as error:
        return _Failure(error.message, error.code)


class Issuances:
    """Who issued whom among the certificates of one search or more. Few signatures are checked for it, each once."""

    def __init__(self) -> None:
        self._faults: t.Dict[t.Tuple[bytes, bytes], str] = {}
        self._checks = 0

    def fault(self, certificate: Certificate, issuer: Certificate) -> t.Optional[str]:
        """As ``issuance_problem``, also for an issuer that cannot be read; None where that would be one check more."""
        pair = (certificate.der, issuer.der)
        if pair not in self._faults:
            if same_name(certificate.issuer, issuer.subject):
                if self._checks == MOST_SIGNATURES:
                    return None
                self._checks += 1
            self._faults[pair] = _issuance_fault(certificate, issuer)
        return self._faults[pair]


class _Ways:
    """Those of a search that ends with a sentence about where the certificates come from."""

    def __init__(self, sources: str, issuances: Issuances) -> None:
        self._sources = sources
        self._issuances = issuances

    def fault(self, certificate: Certificate, issuer: Certificate) -> str:
        """Raises InputError where too many signatures would have to be checked."""
        fault = self._issuances.fault(certificate, issuer)
        if fault is None:
            raise InputError(
                f"in {self._sources} too many certificates have the same name: after {MOST_SIGNATURES} checks of "
                "signatures it is not known which of them issued which; give the chain of the certificate alone"
            )
        return fault

    def issued(self, certificate: Certificate, issuer: Certificate, is_root: bool) -> bool:
        return may_issue(issuer, is_root) and not self.fault(certificate, issuer)


def _issuer_among(
    leaf: Certificate,
    candidates: t.Sequence[Certificate],
    roots: t.Sequence[Certificate],
    source: str,
    root_source: str,
    issuances: Issuances,
) -> Certificate:
    if len(candidates) > _MOST_CANDIDATES:
        raise InputError(
            f"{source} contains {len(candidates)} certificates, too many to look for an issuer among them; give the "
            "chain of the certificate"
        )
    ways = _Ways(f"{source} and {root_source}" if roots else source, issuances)
    others = [candidate for candidate in candidates if candidate.der != leaf.der or len(candidates) == 1]
    issuers = []
    leading: t.Optional[t.List[Certificate]] = None
    for candidate in others:
        if not ways.fault(leaf, candidate):
            if not roots:
                return candidate
            leading = _leading(ways, candidates, roots) if leading is None else leading
            if candidate in leading:
                return candidate
            issuers.append(candidate)
    if issuers:
        reason = _end_reason(ways, issuers[0], candidates, roots, root_source)
        raise InputError(
            f"the issuer {issuers[0].name} in {source} does not chain to any certificate of {root_source}: {reason}",
            "issuer_mismatch",
        )
    if not [candidate for candidate in candidates if candidate.der != leaf.der]:
        raise InputError(
            f"{source} does not contain the certificate of the issuer {name_text(leaf.issuer)}; "
            "append it to the file or give it with issuer_path"
        )
    closest = next((one for one in others if same_name(leaf.issuer, one.subject)), others[0])
    code = "unsupported_key" if is_unsupported(leaf, closest) else "issuer_mismatch"
    raise InputError(missing_issuer(leaf, closest, source), code)


def missing_issuer(leaf: Certificate, closest: Certificate, source: str) -> str:
    """Where the issuer is not found, or cannot be told: the whole sentence, about what comes closest to it."""
    if is_unsupported(leaf, closest):
        return f"{source} contains the issuer of {leaf.name}, but {near_miss(leaf, closest)}"
    return f"{source} does not contain the issuer of {leaf.name}: {near_miss(leaf, closest)}"


def near_miss(certificate: Certificate, candidate: Certificate) -> str:
    """Why the certificate that comes closest to the issuer's is not it, and what to do, as the end of a sentence."""
    problem = _issuance_fault(certificate, candidate)
    if not same_name(certificate.issuer, candidate.subject):
        return f"{problem}; give the certificate of {name_text(certificate.issuer)}"
    if is_unsupported(certificate, candidate):
        return f"{problem}; have the CA reissue it by a CA whose key is for RSA, ECDSA on a NIST curve, or Ed25519"
    return (
        f"{problem} (the certificate of this name that was given has the serial number "
        f"{candidate.serial_number:X}); the CA may have changed its key, so give the chain that came with "
        f"{certificate.name}"
    )


def is_unsupported(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether an issuer of the right name cannot be checked, as this kind of key or signature is not supported."""
    try:
        unsupported = signature.unsupported(certificate.scheme, issuer.public_key)
    except MalformedError:
        return False
    return bool(unsupported) and same_name(certificate.issuer, issuer.subject)


def _issuance_fault(certificate: Certificate, issuer: Certificate) -> str:
    """As ``issuance_problem``, also for an issuer that cannot be read."""
    try:
        return issuance_problem(certificate, issuer)
    except MalformedError as error:
        return f"{issuer.name} cannot be read ({error})"


def _leading(ways: _Ways, candidates: t.Sequence[Certificate], roots: t.Sequence[Certificate]) -> t.List[Certificate]:
    """The CAs from which a path of issuing CAs leads to one of the roots, each looked at once."""
    authorities = [one for one in candidates if may_issue(one, _is_root(one, roots))]
    found = [one for one in authorities if _is_root(one, roots) or any(ways.issued(one, root, True) for root in roots)]
    for ca in found:
        found.extend(one for one in authorities if one not in found and not ways.fault(one, ca))
    return found


def _above(
    ways: _Ways, issuer: Certificate, intermediates: t.Sequence[Certificate], roots: t.Sequence[Certificate]
) -> t.List[Certificate]:
    """The CAs on all ways up from an issuer, itself first if it is a CA or a root."""
    found = [issuer] if may_issue(issuer, _is_root(issuer, roots)) else []
    for current in found:
        found.extend(ca for ca in intermediates if ca not in found and ways.issued(current, ca, _is_root(ca, roots)))
    return found


def _is_root(certificate: Certificate, roots: t.Sequence[Certificate]) -> bool:
    return any(certificate.der == root.der for root in roots)


def may_issue(certificate: Certificate, is_root: bool) -> bool:
    """Whether it is a CA; a root, which clients trust as it is, need not say so."""
    try:
        return certificate.is_anchor if is_root else certificate.is_ca
    except MalformedError:
        return False


def _end_reason(
    ways: _Ways,
    issuer: Certificate,
    candidates: t.Sequence[Certificate],
    roots: t.Sequence[Certificate],
    root_source: str,
) -> str:
    """Why the way up from an issuer ends before it comes to a root."""
    way = _above(ways, issuer, candidates, roots)
    if not way:
        return f"{issuer.name} is not a CA (basic constraints)"
    last = way[-1]
    namesake = next(
        (one for one in (*roots, *candidates) if one.der != last.der and same_name(last.issuer, one.subject)), None
    )
    if namesake is not None and not ways.fault(last, namesake):
        return f"{namesake.name}, which issued {last.name}, is not a CA (basic constraints)"
    if namesake is not None:
        return near_miss(last, namesake)
    if same_name(last.issuer, last.subject):
        return f"the path ends at {last.name}, which signed itself; add it to {root_source} if it is to be trusted"
    return f"the certificate of {name_text(last.issuer)}, which issued {last.name}, is missing; append it to the chain"


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two raw names are the same (RFC 5280 section 7.1).

    CAs are known to write one name as PrintableString here and as UTF8String there, so unequal
    bytes are compared by text in small letters with white space compressed, as OpenSSL does.
    """
    return one == other or _agree(comparable_name, one, other)


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two raw names have the same texts, letter by letter, in whatever string types."""
    return one == other or _agree(_texts, one, other)


def _agree(read: t.Callable[[bytes], t.Any], one: bytes, other: bytes) -> bool:
    """Whether the same is read in both; what cannot be read agrees with nothing."""
    try:
        return bool(read(one) == read(other))
    except MalformedError:
        return False


def _texts(name: bytes) -> t.List[t.List[t.Tuple[str, t.Union[str, bytes]]]]:
    return [
        [(one.oid, one.element if one.text is None else one.text) for one in attributes]
        for attributes in _read_name(name)
    ]


# Of a name of the greatest length, what is compared takes thirty times as much memory.
@remembered_if_short(64)
def comparable_name(name: bytes) -> t.Tuple[t.FrozenSet[t.Tuple[t.Tuple[str, t.Any], int]], ...]:
    """What is equal for equal names, part by part from the top. Raises MalformedError for bytes that are no Name."""
    return tuple(
        frozenset(collections.Counter((one.oid, _comparable_value(one)) for one in attributes).items())
        for attributes in _read_name(name)
    )


def _comparable_value(one: _Attribute) -> t.Union[str, bytes]:
    """What is equal for equal values in names, where OpenSSL knows the small letters and white space of ASCII alone.

    It compares texts of all types with each other, but for those of digits.
    """
    if one.text is None or one.element[0] == _NUMERIC_STRING:
        return one.element
    return b" ".join(one.text.encode("utf-8").lower().split()).decode("utf-8")


def attribute_texts(name: bytes, wanted: str) -> t.List[str]:
    """The texts of the attributes of a raw name that have this OID. Raises MalformedError for what is no Name."""
    return [
        one.text for attributes in _read_name(name) for one in attributes if one.oid == wanted and one.text is not None
    ]


def common_names(name: bytes) -> t.List[str]:
    """The common names in a raw name, as OpenSSL reads them: what no type allows is Latin-1. Raises MalformedError."""
    return [
        Reader(one.element, "name").content(one.element[0]).decode("latin-1") if one.text is None else one.text
        for attributes in _read_name(name)
        for one in attributes
        if one.oid == COMMON_NAME
    ]


def check_name(name: bytes) -> None:
    """Raises MalformedError for bytes that are no Name, or one whose texts OpenSSL cannot read."""
    for attributes in _read_name(name):
        for one in attributes:
            if one.text is None and not _may_stay_unread(one.element):
                raise MalformedError("name: a text that is not encoded as its type says")
            if one.text is None:
                Reader(one.element, "name").anything()


def _may_stay_unread(element_: bytes) -> bool:
    """Whether OpenSSL reads an attribute that is no text here: a type without letters, or letters beyond ASCII."""
    return element_[0] in _TYPES_WITHOUT_TEXT or _STRING_CODECS.get(element_[0]) == "ascii"


class _Attribute(t.NamedTuple):
    """A part of a Name: its type, its value as it stands there, and as text where it is one."""

    oid: str
    element: bytes
    text: t.Optional[str]


def _read_name(name: bytes) -> t.List[t.List[_Attribute]]:
    if len(name) > _LONGEST_NAME:
        raise MalformedError(f"name: {len(name)} octets, more than {_LONGEST_NAME}")
    names = []
    outer = Reader(name, "name").sequence()
    while not outer.at_end():
        attributes: t.List[_Attribute] = []
        entries = outer.enter(der.SET)
        while not entries.at_end():
            entry = entries.sequence()
            attributes.append(_read_attribute(entry))
        names.append(attributes)
    return names


def _read_attribute(entry: Reader) -> _Attribute:
    oid = entry.oid()
    tag = entry.peek()
    element = entry.raw(tag)
    entry.finish()
    return _Attribute(oid, element, _read_text(tag, element))


def _read_text(tag: int, element: bytes) -> t.Optional[str]:
    """The text of an attribute, or None where it is none, or not encoded as its type says."""
    codec = "utf-16-be" if tag == _BMP_STRING else _STRING_CODECS.get(tag)
    if codec is None:
        return None
    try:
        text = Reader(element, "name").content(tag).decode(codec)
    except UnicodeDecodeError:
        return None
    return None if tag == _BMP_STRING and max(text, default="") > _LAST_OF_BMP else text


@remembered_if_short(64)
def name_text(name: bytes) -> str:
    """A raw name for a person: most specific part first, control characters escaped, not parsed back."""
    try:
        parts = [
            f"{_NAME_TYPES.get(one.oid, one.oid)}={one.element.hex() if one.text is None else one.text}"
            for attributes in reversed(_read_name(name))
            for one in attributes
        ]
    except MalformedError:
        return "(unreadable name)"
    text = ",".join(parts) or "(empty name)"
    return shorten(_escape(text))


def _escape(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def shorten(text: str) -> str:
    """Foreign text for a message: certificates and responses may hold far more than anyone wants to read."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def number_text(number: int) -> str:
    """A foreign number for a message. Python takes quadratic time to write a long one in decimal, or refuses to."""
    return str(number) if number.bit_length() <= 64 else shorten(hex(number))
