# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fuzzing found, each with the smallest input that shows it."""

from __future__ import annotations

import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.asn1 import der
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import response as judging
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import keys, signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import (
    Certificate,
    Target,
    name_text,
    same_name,
)
from ansible_collections.certops.ocsp.tests.unit import forge

W = forge.world()
#: Python refuses to write a number of so many octets in decimal.
LONG = b"\x7f" * 2000


def judged(data: bytes, rules: Rules = Rules()) -> Judgement:
    target = Target(Certificate.from_der(W.leaf.der), Certificate.from_der(W.issuer.der))
    return judge(data, target, forge.NOW, rules)


def in_brackets(number: bytes) -> bytes:
    return forge.tlv(0xA0, number)


LONG_REASON = forge.tlv(0xA1, forge.generalized(forge.NOW), in_brackets(forge.tlv(0x0A, LONG)))


@pytest.mark.parametrize(
    "data, what",
    [
        (forge.sequence(forge.tlv(0x0A, LONG)), "response status 0x7f7f"),
        (forge.response(raw_version=in_brackets(forge.tlv(0x02, LONG))), "version v0x7f7f"),
        (forge.response(forge.single(status=LONG_REASON)), "revocation reason 0x7f7f"),
        (forge.sequence(forge.tlv(0x0A, b"\x09")), "response status 9, which"),
        (forge.response(version=1), "version v2 instead"),
    ],
)
def test_long_numbers_in_sentences(data: bytes, what: str) -> None:
    """Python raised ValueError where the sentence was made, or took seconds where it has no such limit."""
    judgement = judged(data)
    assert judgement.errors == ["malformed"]
    assert what in judgement.message
    assert "not well-formed" in judgement.message
    assert len(judgement.message) < 400


@pytest.mark.parametrize("next_update", [None, "99991231235959Z"])
def test_the_end_of_time(next_update: t.Optional[str]) -> None:
    """A day after the last one there is raised OverflowError."""
    rules = Rules(allow=frozenset({"missing_next_update"}))
    data = forge.response(forge.single(this_update="99991231235959Z", next_update=next_update))
    assert judged(data, rules).errors == ["not_yet_valid"]


def certificates_of(signer: forge.Entity, count: int) -> list[bytes]:
    return [forge.certificate("Responder", private_key=signer.key, serial=number).der for number in range(1, count + 1)]


def test_a_signature_is_verified_with_few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response of 1 MiB held thousands that had to be tried, which took ten seconds with costly keys."""
    signer = forge.certificate("Responder", private_key=forge.key("ed25519", "hostile"))
    data = forge.response(signer=signer, responder="name", certificates=certificates_of(signer, 300))
    tried = []
    verify = signature.verify

    def count(*arguments: t.Any) -> str:
        tried.append(arguments)
        return verify(*arguments)

    monkeypatch.setattr(signature, "verify", count)
    assert judged(data).errors == ["unauthorized_responder", "too_large"]
    assert len(tried) < 140


@pytest.mark.parametrize("surplus, errors", [(63, ["too_large"]), (64, ["unauthorized_responder", "too_large"])])
def test_the_delegate_is_among_the_first_certificates(surplus: int, errors: list[str]) -> None:
    others = certificates_of(forge.certificate("Responder"), surplus)
    data = forge.response(signer=W.delegate, certificates=[*others, W.delegate.der])
    assert judged(data).errors == errors


@pytest.mark.parametrize("octets, errors", [(15_000, []), (17_000, ["unauthorized_responder", "too_large"])])
def test_the_delegate_is_not_too_large(octets: int, errors: list[str]) -> None:
    """A thousand different ones of 1 MiB, and what had been read of them, were remembered."""
    filler = forge.extension(forge.UNKNOWN_OID, bytes(octets))
    large = forge.delegate(W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS, filler])
    assert judged(forge.response(signer=large)).errors == errors


def test_a_delegate_whose_name_cannot_be_read() -> None:
    """It was believed, where cryptography and OpenSSL cannot read it."""
    nameless = forge.delegate(W.issuer, forge.sequence(forge.integer(1)))
    judgement = judged(forge.response(signer=nameless))
    assert judgement.errors == ["unauthorized_responder"]
    assert "cannot be read" in judgement.message


def long_name(octets: int) -> bytes:
    attribute = forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.tlv(0x0C, b"x")))
    return forge.sequence(attribute * (octets // len(attribute)))


def test_long_names_are_not_taken_apart() -> None:
    """One of 500 kB was, for each of a thousand certificates: a minute for a third of that."""
    name = long_name(9000)
    assert same_name(long_name(8000), long_name(8000).replace(b"x", b"X"))
    assert same_name(name, long_name(9000))
    assert not same_name(name, name.replace(b"x", b"X"))
    assert name_text(name) == "(unreadable name)"
    assert judged(forge.response(responder=forge.tlv(0xA1, name))).errors == ["malformed"]


def test_names_that_must_be_escaped_are_short_too() -> None:
    name = forge.name("\x00" * 150)
    assert len(name_text(name)) < 210
    assert name_text(name).startswith("CN=\\x00\\x00")


@pytest.mark.parametrize("octets, refused", [(31, False), (32, True), (100_000, True)])
def test_many_named_bits(octets: int, refused: bool) -> None:
    """Each became a number: 540 MB for a key usage of 1 MiB."""
    reader = der.Reader(forge.bits(b"\xff" * octets), "test")
    if refused:
        with pytest.raises(MalformedError, match=r"^test: bit string that is not DER"):
            reader.named_bits()
    else:
        assert len(reader.named_bits()) == 8 * octets


def test_few_findings_of_many_answers() -> None:
    """Thousands were told of, in quadratic time."""
    answers = [
        forge.single(
            this_update=forge.NOW + timedelta(hours=1, seconds=index),
            next_update=forge.NOW + timedelta(minutes=1, seconds=index),
        )
        for index in range(100)
    ]
    judgement = judged(forge.response(*answers))
    assert judgement.errors == ["not_yet_valid", "inconsistent_times"]
    assert len(judgement.findings) == judging._MOST_ALIKE + 1


def test_warnings_never_hide_an_error() -> None:
    odd = [
        forge.single(this_update=forge.NOW - timedelta(seconds=index), next_update=forge.NOW + timedelta(days=30))
        for index in range(1, 30)
    ]
    judgement = judged(forge.response(*odd, forge.single(status="revoked")))
    assert judgement.errors == ["ambiguous", "revoked"]
    late = forge.single(next_update=forge.NOW - forge.HOUR)
    assert judged(forge.response(*odd, late)).errors == ["expired"]


#: An unencrypted key in lines of a few characters, and what folds them.
SHORT_LINES = (
    b"-----BEGIN PRIVATE KEY-----MC\nkCAQ\nAwBQYDK2VwBB0wFzAVBgAwEQYDVQQDDApJc3N1aW5nIENBBAIw\nCg==\t"
    b"-----END PRIVATE KEY-----"
)


@pytest.mark.parametrize("fold", [b"\n", b"\r\n", b" ", b"\t", b"\n\n  ", b"\xc2\xa0", b"\xe2\x80\x8b", b"\\n"])
@pytest.mark.parametrize("width", [1, 3, 10, 15])
def test_a_key_is_known_however_short_its_lines_are(fold: bytes, width: int) -> None:
    body = b"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
    lines = [body[start : start + width] for start in range(0, len(body), width)]
    assert secrets.holds_private_key(b"-----BEGIN PRIVATE KEY-----" + fold.join(lines) + b"-----END PRIVATE KEY-----")


def test_what_is_read_as_a_key_is_known_to_be_one() -> None:
    assert secrets.holds_private_key(keys.read_key(SHORT_LINES, "the file"))
    assert secrets.holds_private_key(SHORT_LINES)


@pytest.mark.parametrize(
    "content",
    [
        forge.sequence(forge.integer(1), forge.sequence(), forge.octets(b"")),
        forge.sequence(forge.integer(0), forge.sequence(forge.tlv(6, b"")), forge.octets(b"")),
        forge.sequence(forge.integer(1), forge.octets(b"")),
        forge.sequence(forge.integer(1), forge.octets(bytes(8))),
        forge.sequence(*[forge.tlv(2, b"")] * 6),
    ],
)
def test_what_is_too_short_for_a_key_is_none(content: bytes) -> None:
    """It was read as a key, and not known to be one where keys must not be."""
    with pytest.raises(InputError, match=r"^the file contains a private key that cannot be read: it is too short"):
        keys.read_key(forge.armour(content, "PRIVATE KEY"), "the file")


def test_sentences_about_keys_are_none() -> None:
    for sentence in (
        "the line -----BEGIN PRIVATE KEY----- has no -----END PRIVATE KEY----- after it",
        "its lines are '-----BEGIN PRIVATE KEY-----' and '-----END PRIVATE KEY-----', which were not found anywhere",
    ):
        assert not secrets.holds_private_key(sentence)


@pytest.mark.parametrize(
    "data", [b"-----BEGIN PRIVATE KEY-----  MB8CADAFBgMrZXAEFAQSU0xvjrUw9dlmobByXfkuvydR-----END PRIVATE KEY-----"]
)
def test_a_key_that_is_not_well_formed_is_one_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^the file contains a private key that cannot be read: its numbers are not"):
        keys.read_key(data, "the file")
