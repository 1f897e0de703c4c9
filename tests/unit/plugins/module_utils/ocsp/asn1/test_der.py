# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DER reader: what it reads, and everything else it refuses (X.690 section 8, 10 and 11)."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.asn1 import der
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.tests.unit import forge
from hypothesis import given, settings
from hypothesis import strategies as st

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
LONG = bytes(300)

READERS: dict[str, t.Callable[[der.Reader], t.Any]] = {
    "content": lambda reader: reader.content(der.OCTET_STRING),
    "raw": lambda reader: reader.raw(der.OCTET_STRING),
    "sequence": lambda reader: reader.sequence(),
    "null": lambda reader: reader.null(),
    "integer": lambda reader: reader.integer(),
    "enumerated": lambda reader: der.to_integer(reader.content(der.ENUMERATED), "test"),
    "flag": lambda reader: reader.flag(),
    "oid": lambda reader: reader.oid(),
    "bits": lambda reader: reader.bits(),
    "named_bits": lambda reader: reader.named_bits(),
    "generalized_time": lambda reader: der.to_time(reader.content(der.GENERALIZED_TIME), "test"),
    "time": lambda reader: reader.time(),
}


def read(method: str, data: bytes) -> t.Any:
    reader = der.Reader(data, "test")
    value = READERS[method](reader)
    reader.finish()
    return value


GOOD = [
    ("content", "0400", b""),
    ("content", "0401ff", b"\xff"),
    ("null", "0500", None),
    ("integer", "020100", 0),
    ("integer", "02017f", 127),
    ("integer", "02020080", 128),
    ("integer", "0201ff", -1),
    ("integer", "020180", -128),
    ("integer", "0202ff7f", -129),
    ("integer", "0209008000000000000000", 2**63),
    ("enumerated", "0a0106", 6),
    ("flag", "0101ff", True),
    ("flag", "", False),
    ("oid", "06092b0601050507300101", "1.3.6.1.5.5.7.48.1.1"),
    ("oid", "0603551d0f", "2.5.29.15"),
    ("oid", "06028837", "2.999"),
    ("oid", "060100", "0.0"),
    ("oid", "06012a", "1.2"),
    ("bits", "030100", b""),
    ("bits", "0303001234", b"\x12\x34"),
    ("named_bits", "03020780", {0}),
    ("named_bits", "03020106", {5, 6}),
    ("named_bits", "0303070080", {8}),
    ("named_bits", "030100", set()),
    ("generalized_time", "180f" + b"20260304050607Z".hex(), MOMENT),
    ("time", "180f" + b"20260304050607Z".hex(), MOMENT),
    ("time", "170d" + b"260304050607Z".hex(), MOMENT),
    ("time", "170d" + b"491231235959Z".hex(), datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
    ("time", "170d" + b"500101000000Z".hex(), datetime(1950, 1, 1, tzinfo=timezone.utc)),
    ("generalized_time", "180f" + b"20240229000000Z".hex(), datetime(2024, 2, 29, tzinfo=timezone.utc)),
]


@pytest.mark.parametrize("method, data, value", GOOD)
def test_read(method: str, data: str, value: t.Any) -> None:
    assert read(method, bytes.fromhex(data)) == value


REFUSED = {
    "nothing": ("content", b""),
    "tag alone": ("content", b"\x04"),
    "content missing": ("content", b"\x04\x01"),
    "content cut": ("content", b"\x04\x03\x01\x02"),
    "trailing": ("content", b"\x04\x00\x00"),
    "other tag": ("content", b"\x05\x00"),
    "constructed octet string": ("content", b"\x24\x04\x04\x02\x01\x02"),
    "indefinite length": ("content", b"\x04\x80\x00\x00"),
    "indefinite sequence": ("sequence", b"\x30\x80\x00\x00"),
    "reserved length": ("content", b"\x04\xff" + bytes(127)),
    "long form of a short length": ("content", b"\x04\x81\x01\x00"),
    "long form of 127": ("content", b"\x04\x81\x7f" + bytes(127)),
    "two octets for 128": ("content", b"\x04\x82\x00\x80" + bytes(128)),
    "length cut": ("content", b"\x04\x82\x01"),
    "five octets of length": ("content", b"\x04\x85\x01\x00\x00\x00\x00"),
    "length of 4 GiB": ("content", b"\x04\x84\xff\xff\xff\xff" + bytes(16)),
    "null with content": ("null", b"\x05\x01\x00"),
    "integer empty": ("integer", b"\x02\x00"),
    "integer with a leading zero": ("integer", b"\x02\x02\x00\x7f"),
    "zero twice": ("integer", b"\x02\x02\x00\x00"),
    "negative with a leading ff": ("integer", b"\x02\x02\xff\x80"),
    "enumerated with a leading zero": ("enumerated", b"\x0a\x02\x00\x01"),
    "enumerated as integer": ("integer", b"\x0a\x01\x01"),
    "boolean 1": ("flag", b"\x01\x01\x01"),
    "boolean empty": ("flag", b"\x01\x00"),
    "boolean of two octets": ("flag", b"\x01\x02\xff\xff"),
    "no boolean": ("flag", b"\x02\x01\x01"),
    "oid empty": ("oid", b"\x06\x00"),
    "oid unfinished": ("oid", b"\x06\x02\x2a\x86"),
    "oid with a leading 80": ("oid", b"\x06\x03\x2a\x80\x01"),
    "oid that begins with 80": ("oid", b"\x06\x02\x80\x01"),
    "oid without an end in sight": ("oid", b"\x06\x82\x40\x00" + b"\xff" * 0x3FFF + b"\x7f"),
    "bits empty": ("bits", b"\x03\x00"),
    "bits with unused ones": ("bits", b"\x03\x02\x01\x02"),
    "named bits empty": ("named_bits", b"\x03\x00"),
    "named bits, 8 unused": ("named_bits", b"\x03\x02\x08\x00"),
    "named bits, unused of nothing": ("named_bits", b"\x03\x01\x01"),
    "named bits, unused ones set": ("named_bits", b"\x03\x02\x07\x81"),
    "time with a fraction": ("generalized_time", forge.raw_time("20260304050607.5Z")),
    "time with an offset": ("generalized_time", forge.raw_time("20260304050607+0000")),
    "time without zone": ("generalized_time", forge.raw_time("20260304050607")),
    "time without seconds": ("generalized_time", forge.raw_time("202603040506Z")),
    "time with a comma": ("generalized_time", forge.raw_time("20260304050607,Z")),
    "time with a small z": ("generalized_time", forge.raw_time("20260304050607z")),
    "time with a space": ("generalized_time", forge.raw_time("2026030405060 Z")),
    "time with an underscore": ("generalized_time", forge.raw_time("202603040506_7Z")),
    "time in other digits": ("generalized_time", forge.raw_time("2026030405\u0660Z")),
    "time on 29 February": ("generalized_time", forge.raw_time("20260229050607Z")),
    "time in hour 24": ("generalized_time", forge.raw_time("20260304240000Z")),
    "time in second 60": ("generalized_time", forge.raw_time("20260304050660Z")),
    "time in year 0": ("generalized_time", forge.raw_time("00000304050607Z")),
    "time as UTCTime": ("generalized_time", b"\x17\x0d260304050607Z"),
    "UTCTime without seconds": ("time", b"\x17\x0b2603040506Z"),
    "UTCTime with an offset": ("time", b"\x17\x11260304050607+0100"),
    "UTCTime of 15 characters": ("time", b"\x17\x0f20260304050607Z"),
    "time as text": ("time", b"\x0c\x0f20260304050607Z"),
}


@pytest.mark.parametrize("method, data", list(REFUSED.values()), ids=list(REFUSED))
def test_refused(method: str, data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        read(method, data)
    assert caught.value.code == "malformed"
    assert caught.value.message.startswith("test: ")


def test_one_after_the_other() -> None:
    reader = der.Reader(forge.integer(5) + forge.NULL + forge.octets(LONG), "test")
    assert not reader.at_end()
    assert reader.peek() == der.INTEGER
    assert reader.optional(der.context(0)) is None
    assert reader.integer() == 5
    reader.null()
    assert reader.raw(der.OCTET_STRING) == forge.octets(LONG)
    assert reader.at_end()
    assert reader.peek() == -1
    assert reader.optional(der.NULL) is None
    reader.finish()


def test_nested() -> None:
    reader = der.Reader(forge.sequence(forge.tlv(0xA3, forge.integer(7))), "test")
    inner = reader.enter(der.SEQUENCE, "inner")
    reader.finish()
    tagged = inner.optional(der.context(3), "tagged")
    inner.finish()
    assert tagged is not None
    assert tagged.integer() == 7
    with pytest.raises(MalformedError, match=r"^tagged: "):
        tagged.integer()


def test_a_reader_does_not_leave_its_element() -> None:
    inner = der.Reader(forge.sequence(b"\x04\x05") + bytes(5), "test").sequence()
    with pytest.raises(MalformedError):
        inner.content(der.OCTET_STRING)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths(length: int) -> None:
    content = bytes(length)
    data = der.encode(der.OCTET_STRING, content[: length // 2], content[length // 2 :])
    assert data == forge.octets(content)
    assert read("content", data) == content


@given(st.integers(min_value=-(2**200), max_value=2**200))
def test_integers(value: int) -> None:
    assert der.encode_integer(value) == forge.integer(value)
    assert read("integer", forge.integer(value)) == value


ARCS = st.lists(st.integers(min_value=0, max_value=2**70), max_size=5)
ROOTS = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39)), st.tuples(st.just(2), st.integers(min_value=0, max_value=2**40))
)


@given(ROOTS, ARCS)
def test_object_identifiers(root: tuple[int, int], arcs: list[int]) -> None:
    dotted = ".".join(str(arc) for arc in (*root, *arcs))
    assert der.encode_oid(dotted) == forge.oid(dotted)
    assert read("oid", forge.oid(dotted)) == dotted


@pytest.mark.parametrize("octets, refused", [(64, False), (65, True), (60000, True)])
def test_object_identifiers_that_nobody_uses(octets: int, refused: bool) -> None:
    """One long number takes quadratic time to write out."""
    element = forge.tlv(0x06, b"\x2a" + b"\x81" * (octets - 2) + b"\x01")
    expected = pytest.raises(MalformedError) if refused else contextlib.nullcontext()
    with expected:
        read("oid", element)


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59)))
def test_times(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone.utc)
    text = f"{moment.year:04}{moment:%m%d%H%M%S}Z"
    assert read("generalized_time", forge.raw_time(text)) == moment


WRITERS: dict[str, t.Callable[[t.Any], bytes]] = {
    "content": forge.octets,
    "null": lambda value: forge.NULL,
    "integer": forge.integer,
    "flag": lambda value: forge.TRUE if value else b"",
    "oid": forge.oid,
    "bits": forge.bits,
    "generalized_time": lambda value: forge.raw_time(f"{value.year:04}{value:%m%d%H%M%S}Z"),
}
TAGS = {"content": 4, "null": 5, "integer": 2, "flag": 1, "oid": 6, "bits": 3, "generalized_time": 24}


@settings(max_examples=300)
@given(st.sampled_from(sorted(WRITERS)), st.binary(max_size=20), st.booleans())
def test_what_is_read_has_one_encoding(method: str, content: bytes, framed: bool) -> None:
    data = forge.tlv(TAGS[method], content) if framed else bytes([TAGS[method]]) + content
    try:
        value = read(method, data)
    except MalformedError:
        return
    if method == "flag" and not value:
        return  # public CAs wrote FALSE out, which DER leaves out
    assert WRITERS[method](value) == data


@settings(max_examples=300)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=40))
def test_any_bytes(method: str, data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        read(method, data)


ANYTHING = [
    "0101ff", "02017f", "030100", "030204f0", "0400", "0500", "06012a", "0a0100", "0c01ff", "1301ff", "1700",
    "1e020041", "1c0400000041", "300101", "3100", "8000", "a0020101", "4000", "6000", "c000",
]  # fmt: skip
NOT_ANYTHING = [
    "", "02", "0000", "010101", "0100", "0200", "02020001", "0300", "030108", "030101", "03020101", "050100", "0600",
    "060180", "0a00", "1e0141", "1c020041", "1000", "1100", "2200", "2400", "1f0100", "3f0100", "bf0100", "0281017f",
    "3080", "02017f00",
]  # fmt: skip


@pytest.mark.parametrize("data", ANYTHING)
def test_anything_is_passed_over(data: str) -> None:
    reader = der.Reader(bytes.fromhex(data), "test")
    reader.anything()
    reader.finish()


@pytest.mark.parametrize("data", NOT_ANYTHING)
def test_what_is_nothing_at_all(data: str) -> None:
    """Nor does OpenSSL read it where any type may be, apart from what is BER."""
    reader = der.Reader(bytes.fromhex(data), "test")
    with pytest.raises(MalformedError):
        reader.anything()
        reader.finish()
