# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A small, strict DER reader and writer (X.690 section 10 and 11).

The versions of cryptography on target hosts differ in which OCSP responses they load and in what
they show of them. Reading the bytes here makes every host judge alike. The reader accepts DER
only: definite, minimal lengths, minimal integers, one way to write each value. The one exception is FALSE
where it is the default, which DER leaves out and public CAs have written out.
"""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime, timezone

from ..errors import MalformedError

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18


#: For ``element``: nothing may follow.
LAST = True

_LONGEST_OID = 64
_UNIVERSAL_STRING, _BMP_STRING = 0x1C, 0x1E
_LONG_TAG = 0x1F
#: Octets of the longest list of named bits; those that are in use have two.
_LONGEST_BITS = 32


def context(number: int, constructed: bool = True) -> int:
    """The identifier octet of a context-specific tag."""
    return (0xA0 if constructed else 0x80) | number


def element(data: bytes, at: int, stop: int, tag: int, what: str, last: bool = False) -> t.Tuple[int, int]:
    """Where the content of the element at ``at`` starts and where it ends, which is not behind ``stop``.

    With ``LAST`` nothing may follow it. Raises MalformedError, like all that reads here; ``what`` in
    its message names the structure that is being read.
    """
    start = at + 2
    if start > stop:
        raise MalformedError(f"{what}: ends too early")
    if data[at] != tag:
        raise MalformedError(f"{what}: tag 0x{data[at]:02x} where 0x{tag:02x} belongs")
    length = data[at + 1]
    if length >= 0x80:
        at, start = start, start + (length & 0x7F)
        # BER's indefinite form, of 0 octets, and a length of which nothing is there come out as 0.
        length = int.from_bytes(data[at:start], "big")
        if length < 0x80 or not data[at] or start > stop:
            raise MalformedError(f"{what}: length that is not minimal")
    end = start + length
    if end > stop:
        raise MalformedError(f"{what}: ends too early")
    if last and end < stop:
        raise MalformedError(f"{what}: trailing data")
    return start, end


def finish(at: int, stop: int, what: str) -> None:
    """Refuse whatever is left."""
    if at < stop:
        raise MalformedError(f"{what}: trailing data")


def to_integer(content: bytes, what: str) -> int:
    if not content or (len(content) > 1 and content[0] in (0, 0xFF) and (content[0] ^ content[1]) < 0x80):
        raise MalformedError(f"{what}: integer that is not minimal")
    return int.from_bytes(content, "big", signed=True)


@functools.lru_cache(maxsize=256)
def to_oid(content: bytes, what: str) -> str:
    arcs = [0]
    fresh = minimal = True
    # The longest that are in use have some twenty octets; turning long numbers into text takes quadratic time.
    for octet in content[:_LONGEST_OID]:
        minimal = minimal and not (fresh and octet == 0x80)
        arcs[-1] = (arcs[-1] << 7) | (octet & 0x7F)
        fresh = not octet & 0x80
        if fresh:
            arcs.append(0)
    if not content or len(content) > _LONGEST_OID or not fresh or not minimal:
        raise MalformedError(f"{what}: object identifier that is not DER")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first] + arcs[1:-1])


def check_bits(content: bytes, what: str) -> None:
    """Refuse what is no bit string: there is the number of unused bits in front, and those are not set."""
    unused = content[0] if content else 8
    if unused > 7 or (unused and len(content) == 1):
        raise MalformedError(f"{what}: bit string that is not DER")
    if unused and content[-1] & ((1 << unused) - 1):
        raise MalformedError(f"{what}: bit string whose unused bits are set")


def to_octets(content: bytes, what: str) -> bytes:
    """What a bit string of whole octets holds, as keys and signatures are."""
    if content[:1] != b"\0":
        raise MalformedError(f"{what}: bit string that is not of whole octets")
    return content[1:]


def to_flag(content: bytes, what: str) -> bool:
    """An optional BOOLEAN that is FALSE by default; FALSE written out is not DER, but public CAs issued it."""
    if content not in (b"\0", b"\xff"):
        raise MalformedError(f"{what}: boolean that is not DER")
    return content == b"\xff"


@functools.lru_cache(maxsize=256)
def to_time(content: bytes, what: str) -> datetime:
    """``YYYYMMDDHHMMSSZ`` (RFC 5280 section 4.1.2.5.2): no fraction, no other zone."""
    if len(content) != 15 or not content[:14].isdigit() or content[14:] != b"Z":
        raise MalformedError(f"{what}: time that is not YYYYMMDDHHMMSSZ")
    date, time = divmod(int(content[:14]), 10**6)
    try:
        return datetime(
            date // 10**4, date // 100 % 100, date % 100, time // 10**4, time // 100 % 100, time % 100, 0, timezone.utc
        )
    except ValueError:
        raise MalformedError(f"{what}: time that does not exist") from None


#: What refuses the content of a primitive type that is not as it should be.
_CHECKS: t.Mapping[int, t.Callable[[bytes, str], t.Any]] = {
    BOOLEAN: to_flag,
    INTEGER: to_integer,
    ENUMERATED: to_integer,
    BIT_STRING: check_bits,
    OBJECT_IDENTIFIER: to_oid,
}
#: Octets of each character, where those are several.
_WIDTHS = {_UNIVERSAL_STRING: 4, _BMP_STRING: 2}


class Reader:
    """Reads the elements of one DER value one after the other, where that need not be fast."""

    __slots__ = ("_at", "_data", "_stop", "_what")

    def __init__(self, data: bytes, what: str, at: int = 0, stop: t.Optional[int] = None) -> None:
        self._data = data
        self._what = what
        self._at = at
        self._stop = len(data) if stop is None else stop

    def fail(self, problem: str) -> MalformedError:
        return MalformedError(f"{self._what}: {problem}")

    def peek(self) -> int:
        """The identifier octet of the next element, or -1 at the end."""
        return self._data[self._at] if self._at < self._stop else -1

    def at_end(self) -> bool:
        return self._at >= self._stop

    def finish(self) -> None:
        """Refuse whatever is left."""
        finish(self._at, self._stop, self._what)

    def content(self, tag: int) -> bytes:
        start, self._at = element(self._data, self._at, self._stop, tag, self._what)
        return self._data[start : self._at]

    def raw(self, tag: int) -> bytes:
        """The next element with its identifier and length octets."""
        begin = self._at
        self._at = element(self._data, begin, self._stop, tag, self._what)[1]
        return self._data[begin : self._at]

    def enter(self, tag: int, what: str = "") -> Reader:
        """A reader for the content of the next element."""
        start, self._at = element(self._data, self._at, self._stop, tag, self._what)
        return Reader(self._data, what or self._what, start, self._at)

    def last(self, tag: int = SEQUENCE) -> Reader:
        """A reader for the content of the next element, behind which nothing may follow."""
        inner = self.enter(tag)
        self.finish()
        return inner

    def sequence(self) -> Reader:
        return self.enter(SEQUENCE)

    def optional(self, tag: int, what: str = "") -> t.Optional[Reader]:
        return self.enter(tag, what) if self.peek() == tag else None

    def null(self) -> None:
        if self.content(NULL):
            raise self.fail("NULL with a content")

    def integer(self) -> int:
        return to_integer(self.content(INTEGER), self._what)

    def flag(self) -> bool:
        """Whether an optional BOOLEAN is there and TRUE."""
        return self.peek() == BOOLEAN and to_flag(self.content(BOOLEAN), self._what)

    def oid(self) -> str:
        return to_oid(self.content(OBJECT_IDENTIFIER), self._what)

    def bits(self) -> bytes:
        """A bit string of whole octets."""
        return to_octets(self.content(BIT_STRING), self._what)

    def named_bits(self) -> t.FrozenSet[int]:
        """The numbers of the bits that are set, as in KeyUsage."""
        content = self.content(BIT_STRING)
        # Each bit becomes a number: some 500 times the memory.
        if len(content) > _LONGEST_BITS:
            raise self.fail("bit string that is not DER")
        check_bits(content, self._what)
        return frozenset(
            8 * index + bit for index, octet in enumerate(content[1:]) for bit in range(8) if octet & (0x80 >> bit)
        )

    def anything(self) -> None:
        """Pass over one element of whatever type, as far as OpenSSL reads it too.

        It reads the content of the primitive types that it knows, and nothing in those that are constructed.
        """
        tag = self.peek()
        content = self.content(tag)
        if tag & _LONG_TAG == _LONG_TAG:
            raise self.fail(f"tag 0x{tag:02x}, which takes several octets")
        if tag in _CHECKS:
            _CHECKS[tag](content, self._what)
        elif tag < 0x40 and (tag not in (SEQUENCE, SET) if tag & 0x20 else tag in (0, SEQUENCE & 0x1F, SET & 0x1F)):
            raise self.fail(f"tag 0x{tag:02x}, which no type has")
        elif (tag == NULL and content) or len(content) % _WIDTHS.get(tag, 1):
            raise self.fail(f"content that type 0x{tag:02x} does not have")

    def time(self) -> datetime:
        """Time of RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime after it."""
        if self.peek() != UTC_TIME:
            return to_time(self.content(GENERALIZED_TIME), self._what)
        content = self.content(UTC_TIME)
        return to_time((b"19" if content[:2] >= b"50" else b"20") + content, self._what)


def encode(tag: int, *contents: bytes) -> bytes:
    """One DER element made of the concatenated contents."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_integer(value: int) -> bytes:
    magnitude = value if value >= 0 else ~value
    return encode(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def encode_oid(dotted: str) -> bytes:
    arcs = [int(arc) for arc in dotted.split(".")]
    content = bytearray()
    for arc in [40 * arcs[0] + arcs[1]] + arcs[2:]:
        groups = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            groups.append(0x80 | (arc & 0x7F))
        content.extend(reversed(groups))
    return encode(OBJECT_IDENTIFIER, bytes(content))
