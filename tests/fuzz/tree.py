# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DER as trees that can be bent: any bytes in, the same bytes out, and changes in between.

A fuzzer that changes bytes alone seldom gets past the lengths of the outer elements. Here an element
is changed and the lengths around it follow, unless the length is what is made wrong.
"""

from __future__ import annotations

import random
import typing as t
from datetime import datetime, timedelta

_OCTET_STRING = 0x04
_BIT_STRING = 0x03
_CONSTRUCTED = 0x20
#: What the octets in a string must begin with to be taken for DER.
_WRAPPED_TAGS = frozenset((0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x30))


class Node:
    """One element. ``tag`` is its identifier octet, or -1 for octets that are no element.

    ``length`` holds the length octets where they are not the right ones. What an element is made of is
    looked at when somebody asks for it.
    """

    __slots__ = ("_children", "_content", "_opened", "length", "prefix", "tag")

    def __init__(self, tag: int, content: bytes = b"", length: t.Optional[bytes] = None) -> None:
        self.tag = tag
        self.length = length
        self.prefix = b""
        self._content = content
        self._children: t.Optional[list[Node]] = None
        self._opened = False

    def encode(self) -> bytes:
        if self.tag < 0:
            return self._content
        content = self.content
        length = length_octets(len(content)) if self.length is None else self.length
        return bytes((self.tag,)) + length + content

    @property
    def content(self) -> bytes:
        return self._content if self._children is None else self.prefix + encode(self._children)

    @content.setter
    def content(self, content: bytes) -> None:
        self._content, self._children, self._opened = content, None, False

    @property
    def children(self) -> list[Node]:
        """The elements it is made of, to be changed at will; none for one that is not made of elements."""
        if not self._opened:
            self._opened = True
            self._children = self._parts()
        return [] if self._children is None else self._children

    @children.setter
    def children(self, children: list[Node]) -> None:
        self._children, self._opened = children, True

    def _parts(self) -> t.Optional[list[Node]]:
        """The elements in the content, or None. ``prefix`` is what stands before them: the unused bits."""
        prefix = self._content[:1] if self.tag == _BIT_STRING else b""
        inner = self._content[len(prefix) :]
        wraps = self.tag in (_OCTET_STRING, _BIT_STRING) and inner[:1] and inner[0] in _WRAPPED_TAGS
        if not inner or self.tag < 0 or not (self.tag & _CONSTRUCTED or wraps):
            return [] if self.tag >= 0 and self.tag & _CONSTRUCTED else None
        parts = parse(inner)
        if wraps and any(part.tag < 0 for part in parts):
            return None
        self.prefix = prefix
        return parts

    def at(self, *path: int) -> Node:
        """The element that is reached by these indexes. Raises IndexError where there is none."""
        node = self
        for index in path:
            node = node.children[index]
        return node

    def copy(self) -> Node:
        return Node(self.tag, self.content, self.length)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]


Forest = t.List[Node]


def encode(forest: Forest) -> bytes:
    return b"".join([node.encode() for node in forest])


def length_octets(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def parse(data: bytes) -> Forest:
    """All elements of any bytes; what is no element is kept as it is."""
    forest: Forest = []
    position = 0
    while position < len(data):
        position, node = _element(data, position)
        forest.append(node)
    return forest


def _element(data: bytes, position: int) -> tuple[int, Node]:
    start = position + 2
    if start > len(data) or data[position] & 0x1F == 0x1F:
        return len(data), Node(-1, data[position:])
    length = data[position + 1]
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            return len(data), Node(-1, data[position:])
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    stop = start + length
    if stop > len(data):
        return len(data), Node(-1, data[position:])
    written = data[position + 1 : start]
    return stop, Node(data[position], data[start:stop], None if written == length_octets(length) else written)


class Place(t.NamedTuple):
    """Where an element stands among its siblings."""

    siblings: Forest
    index: int

    @property
    def node(self) -> Node:
        return self.siblings[self.index]


def elements(forest: Forest) -> t.Iterator[Node]:
    """Every element of a forest."""
    for node in forest:
        yield node
        yield from elements(node.children)


def _any_place(chance: random.Random, forest: Forest, halt: float) -> Place:
    """A place in a forest that is not empty, rather in the large parts than in the small ones beside them.

    ``halt`` is the chance to take an element that is made of others.
    """
    siblings = forest
    while True:
        weights = [(len(node.content) + 2) ** 0.5 for node in siblings]
        (index,) = chance.choices(range(len(siblings)), weights)
        children = siblings[index].children
        if not children or chance.random() < halt:
            return Place(siblings, index)
        siblings = children


# Changes. Each gets the source of chance, the place, and elements from elsewhere to choose from.

Change = t.Callable[[random.Random, Place, t.Sequence[Node]], None]

#: Tags that mean something in a certificate or a response.
TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x1E, 0x24, 0x30, 0x31)
TAGS += (0x80, 0x81, 0x82, 0x86, 0xA0, 0xA1, 0xA2, 0xA3, 0x1F, 0xFF)

_NUMBERS = (b"", b"\x00", b"\x01", b"\x02", b"\x04", b"\x07", b"\x14", b"\x7f", b"\x80", b"\xff", b"\x00\x80")
_NUMBERS += (b"\x00\x00", b"\xff\xff", b"\x7f" + bytes(7), b"\x80" + bytes(19), b"\x7f" + bytes(20), b"\x55" * 1000)
_TIMES = (b"20260304050607Z", b"20260303050607Z", b"20260310050607Z", b"20260304050608Z", b"20260304051107Z")
_TIMES += (b"19700101000000Z", b"00010101000000Z", b"99991231235959Z", b"20260304050607.5Z", b"20260229000000Z")
_TIMES += (b"20260304050607+0100", b"260304050607Z", b"500101000000Z", b"491231235959Z", b"2603040506Z", b"")
_LENGTHS = (b"\x80", b"\x81\x00", b"\x82\x00\x01", b"\x84\xff\xff\xff\xff", b"\x88" + b"\x7f" * 8, b"\xff", b"\x00")


def _delete(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    del place.siblings[place.index]


def _duplicate(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    times = chance.choice((1, 1, 1, 2, 8, 40))
    if len(place.node.encode()) * times < 4096:
        place.siblings[place.index : place.index] = [place.node.copy() for index in range(times)]


def _swap(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    other = chance.randrange(len(place.siblings))
    siblings = place.siblings
    siblings[place.index], siblings[other] = siblings[other], siblings[place.index]


def _tag(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    node = place.node
    if node.tag >= 0:
        node.tag = chance.choice((chance.choice(TAGS), node.tag ^ (1 << chance.randrange(8)), node.tag ^ 0x20))


def _length(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    node = place.node
    size = len(node.content)
    near = max(0, size + chance.choice((-2, -1, 1, 2)))
    node.length = chance.choice(
        (length_octets(near), b"\x82" + (size & 0xFFFF).to_bytes(2, "big"), b"\x81" + bytes((size & 0xFF,)))
        + (chance.choice(_LENGTHS),)
    )


def _replace(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    tag = place.node.tag
    donor = chance.choice(donors)
    for _attempt in range(8):
        if donor.tag == tag:
            break
        donor = chance.choice(donors)
    place.siblings[place.index] = donor.copy()


def _insert(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    place.siblings.insert(place.index + chance.randrange(2), chance.choice(donors).copy())


def _adopt(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    node = place.node
    if node.children:
        node.children.insert(chance.randint(0, len(node.children)), chance.choice(donors).copy())
    else:
        _octets(chance, place, donors)


def _wrap(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    tag = chance.choice((0x30, 0x31, 0xA0, 0xA1, 0xA2, 0xA3, 0x04))
    place.siblings[place.index] = Node(tag, place.node.encode())


def _unwrap(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    if place.node.children:
        place.siblings[place.index : place.index + 1] = place.node.children


def _value(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    """A value that fits the type, and is at an edge of what it may be."""
    node = place.node
    edges: t.Sequence[bytes]
    if node.tag in (0x02, 0x0A):
        edges = _NUMBERS
    elif node.tag in (0x17, 0x18):
        edges = _TIMES
    elif node.tag == 0x01:
        edges = (b"\xff", b"\x00", b"\x01", b"")
    elif node.tag == 0x03:
        edges = (b"", b"\x00", b"\x00\x80", b"\x07\x80", b"\x07\xff", b"\x08\x00", b"\x01")
    else:
        _octets(chance, place, donors)
        return
    node.content = chance.choice(edges)


def _octets(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    """Change the content as if it were nothing but octets."""
    node = place.node
    content = bytearray(node.content)
    for _index in range(chance.choice((1, 1, 1, 2, 4))):
        kind = chance.randrange(5)
        where = chance.randint(0, len(content))
        if kind == 0 and where < len(content):
            content[where] ^= 1 << chance.randrange(8)
        elif kind == 1 and where < len(content):
            content[where] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x30, chance.randrange(256)))
        elif kind == 2:
            content[where:where] = bytes(chance.randrange(256) for count in range(chance.choice((1, 1, 2, 8))))
        elif kind == 3:
            del content[where : where + chance.choice((1, 1, 2, 8))]
        else:
            del content[where:]
    node.content = bytes(content)


def _fit(chance: random.Random, place: Place, donors: t.Sequence[Node]) -> None:
    """Another value that is as well-formed as the one that was there."""
    node = place.node
    if node.tag == 0x18:
        moment = _BEGIN + timedelta(seconds=chance.choice((0, 1, 86400, chance.randrange(-(10**6), 10**6))))
        node.content = chance.choice((moment.strftime("%Y%m%d%H%M%SZ").encode(), *_TIMES[:8]))
    elif node.tag in (0x80, 0x82, 0xA1) and len(node.content) < 30:
        begun = Node(0x18, b"20260301000000Z").encode()
        tag, content = chance.choice(((0x80, b""), (0x82, b""), (0xA1, begun), (0xA1, begun + _REASON)))
        place.siblings[place.index] = Node(tag, content)
    elif node.tag == 0x02:
        value = chance.randrange(1, 2 ** chance.choice((3, 7, 8, 64, 159)))
        node.content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    elif node.children:
        chance.choice((_delete, _duplicate, _duplicate, _swap))(chance, place, donors)
    else:
        _replace(chance, place, donors)


_BEGIN = datetime(2026, 3, 4, 5, 6, 7)
_REASON = Node(0xA0, b"\x0a\x01\x06").encode()

_HARSH: tuple[Change, ...] = (
    (_delete, _duplicate, _swap, _tag, _length, _insert, _adopt, _wrap, _unwrap)
    + (_replace,) * 3
    + (_value,) * 4
    + (_octets,) * 3
)


def change(chance: random.Random, forest: Forest, donors: t.Sequence[Node]) -> None:
    """Change one element of a forest, in most cases to another one that is well-formed. There must be donors."""
    if not forest:
        forest.append(chance.choice(donors).copy())
    elif chance.random() < 0.6:
        place = _any_place(chance, forest, 0.1)
        for _attempt in range(5):
            if not place.node.children or all(node.tag == 0x30 for node in place.siblings):
                break
            place = _any_place(chance, forest, 0.05)
        _fit(chance, place, donors)
    else:
        chance.choice(_HARSH)(chance, _any_place(chance, forest, 0.12), donors)
