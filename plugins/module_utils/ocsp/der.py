# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A small, strict DER reader and writer (X.690 section 10 and 11).

The versions of cryptography on target hosts differ in which OCSP responses they load and in what
they show of them. Reading the bytes here makes every host judge alike. The reader accepts DER
only: definite, minimal lengths, minimal integers, one way to write each value.
"""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime, timezone

from .errors import MalformedError

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


_LONGEST_OID = 64


def context(number: int, constructed: bool = True) -> int:
    """The identifier octet of a context-specific tag."""
    return (0xA0 if constructed else 0x80) | number


class Reader:
    """Reads the elements of one DER value one after the other.

    Every method raises MalformedError for bytes that are not what it was asked for; ``what`` in
    its message names the structure that is being read.
    """

    __slots__ = ("_data", "_position", "_what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._position = 0
        self._what = what

    def fail(self, problem: str) -> MalformedError:
        return MalformedError(f"{self._what}: {problem}")

    def peek(self) -> int:
        """The identifier octet of the next element, or -1 at the end."""
        return self._data[self._position] if self._position < len(self._data) else -1

    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def finish(self) -> None:
        """Refuse whatever is left."""
        if self._position < len(self._data):
            raise self.fail("trailing data")

    def _next(self, tag: int) -> t.Tuple[int, int]:
        """Step over the next element and return where its content starts and stops."""
        data, start = self._data, self._position + 2
        if start > len(data):
            raise self.fail("ends too early")
        if data[start - 2] != tag:
            raise self.fail(f"tag 0x{data[start - 2]:02x} where 0x{tag:02x} belongs")
        length = data[start - 1]
        if length >= 0x80:
            octets = length & 0x7F
            # BER's indefinite form, of 0 octets, and a length that is cut off come out as too small.
            length = int.from_bytes(data[start : start + octets], "big")
            if length < 0x80 or length >> (8 * (octets - 1)) == 0:
                raise self.fail("length that is not minimal")
            start += octets
        stop = start + length
        if stop > len(data):
            raise self.fail("ends too early")
        self._position = stop
        return start, stop

    def content(self, tag: int) -> bytes:
        start, stop = self._next(tag)
        return self._data[start:stop]

    def raw(self, tag: int) -> bytes:
        """The next element with its identifier and length octets."""
        begin = self._position
        return self._data[begin : self._next(tag)[1]]

    def enter(self, tag: int, what: str = "") -> Reader:
        """A reader for the content of the next element."""
        return Reader(self.content(tag), what or self._what)

    def sequence(self, what: str = "") -> Reader:
        return self.enter(SEQUENCE, what)

    def optional(self, tag: int, what: str = "") -> t.Optional[Reader]:
        return self.enter(tag, what) if self.peek() == tag else None

    def null(self) -> None:
        if self.content(NULL):
            raise self.fail("NULL with a content")

    def integer(self, tag: int = INTEGER) -> int:
        content = self.content(tag)
        if not content or (len(content) > 1 and content[0] in (0, 0xFF) and (content[0] ^ content[1]) < 0x80):
            raise self.fail("integer that is not minimal")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self) -> bool:
        content = self.content(BOOLEAN)
        if content not in (b"\x00", b"\xff"):
            raise self.fail("boolean that is not DER")
        return content == b"\xff"

    def flag(self) -> bool:
        """An optional BOOLEAN that is FALSE by default, and so must not be written out as FALSE."""
        if self.peek() != BOOLEAN:
            return False
        if not self.boolean():
            raise self.fail("default value that is written out")
        return True

    def oid(self) -> str:
        try:
            return _decode_oid(self.content(OBJECT_IDENTIFIER))
        except ValueError:
            raise self.fail("object identifier that is not DER") from None

    def bits(self, tag: int = BIT_STRING) -> bytes:
        """A bit string of whole octets, as keys and signatures are."""
        content = self.content(tag)
        if not content or content[0] != 0:
            raise self.fail("bit string that is not of whole octets")
        return content[1:]

    def named_bits(self) -> t.FrozenSet[int]:
        """The numbers of the bits that are set, as in KeyUsage."""
        content = self.content(BIT_STRING)
        if not content or content[0] > 7 or (len(content) == 1 and content[0]):
            raise self.fail("bit string that is not DER")
        if content[0] and content[-1] & ((1 << content[0]) - 1):
            raise self.fail("bit string whose unused bits are set")
        return frozenset(
            8 * index + bit for index, octet in enumerate(content[1:]) for bit in range(8) if octet & (0x80 >> bit)
        )

    def generalized_time(self) -> datetime:
        """``YYYYMMDDHHMMSSZ`` (RFC 5280 section 4.1.2.5.2): no fraction, no other zone."""
        return self._time(self.content(GENERALIZED_TIME))

    def time(self) -> datetime:
        """Time of RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime after it."""
        if self.peek() != UTC_TIME:
            return self.generalized_time()
        content = self.content(UTC_TIME)
        return self._time((b"19" if content[:2] >= b"50" else b"20") + content)

    def _time(self, text: bytes) -> datetime:
        if len(text) != 15 or not text[:14].isdigit() or text[14:] != b"Z":
            raise self.fail("time that is not YYYYMMDDHHMMSSZ")
        fields = [int(text[:4])] + [int(text[index : index + 2]) for index in range(4, 14, 2)]
        try:
            return datetime(*fields, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]
        except ValueError:
            raise self.fail("time that does not exist") from None


@functools.lru_cache(maxsize=256)
def _decode_oid(content: bytes) -> str:
    # The longest that are in use have some twenty octets; turning long numbers into text takes quadratic time.
    if not content or content[-1] & 0x80 or len(content) > _LONGEST_OID:
        raise ValueError("unfinished or too long")
    arcs = [0]
    fresh = True
    for octet in content:
        if fresh and octet == 0x80:
            raise ValueError("not minimal")
        arcs[-1] = (arcs[-1] << 7) | (octet & 0x7F)
        fresh = not octet & 0x80
        if fresh:
            arcs.append(0)
    arcs.pop()
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first] + arcs[1:])


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
