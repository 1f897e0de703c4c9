# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The messages of TLS 1.2 and 1.3 that lead to a server's certificates and staples, as bytes.

References are to RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6066 (server name, status request) and RFC 6962 (signed
certificate timestamps).
Foreign bytes raise MalformedError or ProbeError and nothing else.
"""

from __future__ import annotations

import typing as t

from ..errors import MalformedError, ProbeError
from ..text import join_words

TLS12 = 0x0303
TLS13 = 0x0304
VERSIONS = {TLS12: "1.2", TLS13: "1.3"}
_OLD_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3"}

# Record types
CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23

# Handshake types
HELLO_REQUEST = 0
CLIENT_HELLO = 1
SERVER_HELLO = 2
ENCRYPTED_EXTENSIONS = 8
CERTIFICATE = 11
SERVER_KEY_EXCHANGE = 12
CERTIFICATE_REQUEST = 13
SERVER_HELLO_DONE = 14
CERTIFICATE_STATUS = 22
_MESSAGE_HASH = 254

#: Octets of the largest Certificate message that is read, chain and TLS 1.3 staples together.
CERTIFICATE_LIMIT = 256 * 1024
#: Certificates of the longest chain; clients give up far sooner.
CHAIN_LIMIT = 32
#: Octets of any other message, of which CertificateStatus is the only one that may be long.
MESSAGE_LIMIT = 64 * 1024

# Extension types
_SERVER_NAME = 0
STATUS_REQUEST = 5
_SUPPORTED_GROUPS = 10
_EC_POINT_FORMATS = 11
_SIGNATURE_ALGORITHMS = 13
_SIGNED_CERTIFICATE_TIMESTAMP = 18
_EXTENDED_MASTER_SECRET = 23
_SUPPORTED_VERSIONS = 43
_COOKIE = 44
_SIGNATURE_ALGORITHMS_CERT = 50
_KEY_SHARE = 51
_RENEGOTIATION_INFO = 0xFF01

_OCSP = 1
_HOST_NAME = 0

TLS13_CIPHERS = (0x1301, 0x1302, 0x1303)


class KeyType(t.NamedTuple):
    """What a client offers that wants to see a certificate with one kind of key."""

    title: str
    ciphers: t.Tuple[int, ...]
    signatures: t.Tuple[int, ...]


#: Groups for the exchange of keys, by the names of IANA's registry "TLS Supported Groups".
GROUP_NAMES = {
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
_NAMED_CURVE = 3
_DHE = (0x9E, 0x9F, 0xCCAA, 0x67, 0x6B, 0x33, 0x39)

_ECDHE_ECDSA = (0xC02B, 0xC02C, 0xCCA9, 0xC023, 0xC024, 0xC009, 0xC00A)

#: By name. No keys are exchanged in TLS 1.2, so that any cipher will do that goes with such a key.
KEY_TYPES = {
    "rsa": KeyType(
        "RSA",
        (0xC02F, 0xC030, 0xCCA8, 0xC027, 0xC028, 0xC013, 0xC014)
        + (0x9E, 0x9F, 0xCCAA, 0x67, 0x6B, 0x33, 0x39, 0x9C, 0x9D, 0x3C, 0x3D, 0x2F, 0x35),
        (0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601),
    ),
    "ecdsa": KeyType("ECDSA", _ECDHE_ECDSA, (0x0403, 0x0503, 0x0603)),
    "eddsa": KeyType("EdDSA", _ECDHE_ECDSA, (0x0807, 0x0808)),
}

# The signatures inside of the chain may be of any kind (RFC 8446 section 4.2.3), SHA-1 included.
_CHAIN_SIGNATURES = tuple(scheme for kind in KEY_TYPES.values() for scheme in kind.signatures) + (0x0201, 0x0203)

_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


class Offer(t.NamedTuple):
    """What to ask for: a name of KEY_TYPES, the host name in ASCII or an empty string, and the versions."""

    key_type: str
    server_name: str = ""
    versions: t.Tuple[int, ...] = (TLS13, TLS12)

    @property
    def ciphers(self) -> t.Tuple[int, ...]:
        tls13 = TLS13_CIPHERS if TLS13 in self.versions else ()
        return tls13 + (KEY_TYPES[self.key_type].ciphers if TLS12 in self.versions else ())


class ServerHello(t.NamedTuple):
    """The answer to a ClientHello. ``group`` and ``share`` are of TLS 1.3; a ``retry`` has no share."""

    version: int
    cipher: int
    retry: bool
    will_staple: bool
    group: int = 0
    share: bytes = b""
    cookie: bytes = b""
    timestamps: t.Optional[int] = 0


class Served(t.NamedTuple):
    """What a server showed: certificates as DER, its own first, and for each of them a staple or None.

    ``timestamps`` is how many signed certificate timestamps came with its own one in the handshake, None where that
    cannot be read.
    """

    version: int
    chain: t.Tuple[bytes, ...]
    staples: t.Tuple[t.Optional[bytes], ...]
    timestamps: t.Optional[int] = 0


class Fields:
    """Reads the fields of one message one after the other (RFC 8446 section 3)."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._position = 0
        self._what = what

    def fail(self, problem: str) -> MalformedError:
        return MalformedError(f"{self._what}: {problem}")

    def at_end(self) -> bool:
        return self._position == len(self._data)

    def finish(self) -> None:
        if not self.at_end():
            raise self.fail("has more octets than it should")

    def take(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            raise self.fail("ends too early")
        return self._data[start : self._position]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def vector(self, octets: int) -> bytes:
        """Octets after their own length, which has so many octets."""
        return self.take(self.number(octets))

    def enter(self, octets: int) -> Fields:
        return Fields(self.vector(octets), self._what)

    def extensions(self) -> t.Dict[int, bytes]:
        """The extensions by type."""
        found: t.Dict[int, bytes] = {}
        entries = self.enter(2)
        while not entries.at_end():
            number = entries.number(2)
            if number in found:
                raise self.fail(f"has the extension {number} twice")
            found[number] = entries.vector(2)
        return found


# Writing


def vector(octets: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return len(content).to_bytes(octets, "big") + content


def _numbers(octets: int, numbers: t.Iterable[int]) -> bytes:
    return vector(octets, *(number.to_bytes(2, "big") for number in numbers))


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2, "big") + vector(2, content)


def message(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + vector(3, content)


def message_hash(digest: bytes) -> bytes:
    """What stands for the first ClientHello in the transcript after a retry (RFC 8446 section 4.4.1)."""
    return message(_MESSAGE_HASH, digest)


def record(kind: int, content: bytes, version: int = TLS12) -> bytes:
    return bytes((kind,)) + version.to_bytes(2, "big") + vector(2, content)


def client_hello(
    offer: Offer,
    random: bytes,
    session_id: bytes,
    groups: t.Sequence[int],
    shares: t.Mapping[int, bytes],
    cookie: bytes = b"",
) -> bytes:
    """The handshake message; ``groups`` are those supported and ``shares`` the public keys by group."""
    extensions = [
        _extension(_RENEGOTIATION_INFO, b"\0"),
        _extension(STATUS_REQUEST, bytes((_OCSP,)) + vector(2) + vector(2)),
        _extension(_SUPPORTED_GROUPS, _numbers(2, groups)),
        _extension(_EC_POINT_FORMATS, vector(1, b"\0")),
        _extension(_SIGNATURE_ALGORITHMS, _numbers(2, KEY_TYPES[offer.key_type].signatures)),
        _extension(_SIGNATURE_ALGORITHMS_CERT, _numbers(2, _CHAIN_SIGNATURES)),
        _extension(_SIGNED_CERTIFICATE_TIMESTAMP, b""),
        _extension(_EXTENDED_MASTER_SECRET, b""),
        _extension(_SUPPORTED_VERSIONS, _numbers(1, offer.versions)),
    ]
    if offer.server_name:
        name = bytes((_HOST_NAME,)) + vector(2, offer.server_name.encode("ascii"))
        extensions.insert(0, _extension(_SERVER_NAME, vector(2, name)))
    if TLS13 in offer.versions:
        entries = [group.to_bytes(2, "big") + vector(2, share) for group, share in shares.items()]
        extensions.append(_extension(_KEY_SHARE, vector(2, *entries)))
    if cookie:
        extensions.append(_extension(_COOKIE, vector(2, cookie)))
    return message(
        CLIENT_HELLO,
        b"".join(
            (
                TLS12.to_bytes(2, "big"),
                random,
                vector(1, session_id),
                _numbers(2, offer.ciphers),
                vector(1, b"\0"),
                vector(2, *extensions),
            )
        ),
    )


# Reading


def read_server_hello(content: bytes, offer: Offer, session_id: bytes) -> ServerHello:
    """Read a ServerHello or HelloRetryRequest, and see that it answers the offer (RFC 8446 section 4.1.3)."""
    fields = Fields(content, "ServerHello")
    version = fields.number(2)
    random = fields.take(32)
    echo = fields.vector(1)
    cipher = fields.number(2)
    compression = fields.number(1)
    extensions = {} if fields.at_end() else fields.extensions()
    fields.finish()
    if _SUPPORTED_VERSIONS in extensions:
        chosen = Fields(extensions[_SUPPORTED_VERSIONS], "ServerHello")
        version = chosen.number(2)
        chosen.finish()
        if version < TLS13:
            raise fields.fail(f"chooses the version {version:#06x} in the way of TLS 1.3")
    if version not in offer.versions:
        name = _OLD_VERSIONS.get(version, f"the version {version:#06x}")
        raise ProbeError("tls_version", f"answers with {name}, but only {_wanted(offer)} can be read here")
    if cipher not in offer.ciphers or (cipher in TLS13_CIPHERS) != (version == TLS13):
        raise fields.fail(f"chooses the cipher {cipher:#06x}, which was not offered")
    if compression:
        raise fields.fail("chooses a compression, which was not offered")
    if version == TLS12:
        timestamps = count_timestamps(extensions.get(_SIGNED_CERTIFICATE_TIMESTAMP))
        return ServerHello(version, cipher, False, STATUS_REQUEST in extensions, timestamps=timestamps)
    if echo != session_id:
        raise fields.fail("does not repeat the session ID")
    return _read_key_share(cipher, random == _RETRY_RANDOM, extensions)


def _wanted(offer: Offer) -> str:
    return join_words(f"TLS {VERSIONS[version]}" for version in sorted(offer.versions))


def _read_key_share(cipher: int, retry: bool, extensions: t.Mapping[int, bytes]) -> ServerHello:
    share, cookie, group = b"", b"", 0
    if _KEY_SHARE in extensions:
        fields = Fields(extensions[_KEY_SHARE], "key share")
        group = fields.number(2)
        share = b"" if retry else fields.vector(2)
        fields.finish()
    elif not retry:
        raise MalformedError("ServerHello: has no key share")
    if retry and _COOKIE in extensions:
        fields = Fields(extensions[_COOKIE], "cookie")
        cookie = fields.vector(2)
        fields.finish()
    return ServerHello(TLS13, cipher, retry, False, group, share, cookie)


def read_certificate12(content: bytes) -> t.Tuple[bytes, ...]:
    """The chain of a Certificate message of TLS 1.2 (RFC 5246 section 7.4.2)."""
    fields = Fields(content, "Certificate")
    entries = fields.enter(3)
    fields.finish()
    chain = []
    while not entries.at_end():
        chain.append(entries.vector(3))
    _check_length(chain)
    return tuple(chain)


def _check_length(chain: t.Sequence[bytes]) -> None:
    if not chain:
        raise MalformedError("Certificate: is empty")
    if len(chain) > CHAIN_LIMIT:
        raise ProbeError("too_large", f"sends a chain of {len(chain)} certificates, more than {CHAIN_LIMIT}")


def read_certificate13(content: bytes) -> Served:
    """The chain of a Certificate message of TLS 1.3 with its staples (RFC 8446 sections 4.4.2 and 4.4.2.1)."""
    fields = Fields(content, "Certificate")
    if fields.vector(1):
        raise fields.fail("has a request context, which only a client's may have")
    entries = fields.enter(3)
    fields.finish()
    chain, staples, timestamps = [], [], []
    while not entries.at_end():
        chain.append(entries.vector(3))
        extensions = entries.extensions()
        status = extensions.get(STATUS_REQUEST)
        staples.append(None if status is None else read_certificate_status(status))
        timestamps.append(count_timestamps(extensions.get(_SIGNED_CERTIFICATE_TIMESTAMP)))
    _check_length(chain)
    return Served(TLS13, tuple(chain), tuple(staples), timestamps[0])


def read_certificate_status(content: bytes) -> bytes:
    """The OCSP response in a CertificateStatus (RFC 6066 section 8)."""
    fields = Fields(content, "CertificateStatus")
    kind = fields.number(1)
    if kind != _OCSP:
        raise fields.fail(f"is of the type {kind}, which was not asked for")
    response = fields.vector(3)
    fields.finish()
    return response


def count_timestamps(data: t.Optional[bytes]) -> t.Optional[int]:
    """How many timestamps a SignedCertificateTimestampList (RFC 6962 section 3.3) holds, None for what is none."""
    if data is None:
        return 0
    count = 0
    try:
        fields = Fields(data, "timestamps")
        entries = fields.enter(2)
        fields.finish()
        while not entries.at_end():
            count += bool(entries.vector(2))
    except MalformedError:
        return None
    return count


def group_name(group: int) -> str:
    return GROUP_NAMES.get(group, f"{group:#06x}")


def read_key_exchange(content: bytes, cipher: int) -> t.Optional[str]:
    """The group in a ServerKeyExchange of TLS 1.2 (RFC 5246 section 7.4.3, RFC 8422 section 5.4).

    A group that is given by its numbers is called by its size, such as ``dh2048``. None for what cannot be read.
    """
    fields = Fields(content, "ServerKeyExchange")
    try:
        if cipher in _DHE:
            return f"dh{int.from_bytes(fields.vector(2), 'big').bit_length()}"
        return group_name(fields.number(2)) if fields.number(1) == _NAMED_CURVE else None
    except MalformedError:
        return None


def alert_name(number: int) -> str:
    return ALERTS.get(number, f"number {number}")
