# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole responses and certificates of any structure, signed by a real key after all was bent."""

from __future__ import annotations

import dataclasses
import random
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.wire import parse_response
from ansible_collections.certops.ocsp.tests.fuzz import second_opinion, targets, tree, world
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# cryptography warns of serial numbers and versions that RFC 5280 forbids.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

MANY = settings(max_examples=150, suppress_health_check=list(HealthCheck))

check_judge = targets.TARGETS["judge"].check
check_certificate = targets.TARGETS["certificate"].check


# What a response is made of, mostly right and sometimes odd ---------------------------------------

moments = st.one_of(
    st.integers(-20 * 86400, 20 * 86400).map(lambda seconds: world.NOW + timedelta(seconds=seconds)),
    st.sampled_from(
        [world.NOW, world.NOW - forge.DAY, world.NOW + 6 * forge.DAY, world.NOW + 5 * forge.MINUTE]
        + ["00010101000000Z", "99991231235959Z", "20260304050607.0Z", "20260304050607", "260304050607Z"]
    ),
)
#: Hypothesis tries the first ones most, so these are the ones that make a good response.
THIS_UPDATES = st.one_of(st.just(world.NOW - forge.DAY), moments)
NEXT_UPDATES = st.one_of(st.just(world.NOW + 6 * forge.DAY), st.none(), moments)
OIDS = st.sampled_from(targets.DONOR_OIDS)
SIGNERS = st.sampled_from(["issuer", "delegate", "delegate_p256", "delegate_rsa", "impostor", "impostor's delegate"])


@st.composite
def extensions(draw: st.DrawFn) -> list[bytes]:
    entry = st.builds(forge.extension, OIDS, st.binary(max_size=40), st.booleans())
    return draw(st.one_of(st.just([]), st.lists(entry, max_size=3)))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    status: t.Any = draw(st.sampled_from(["good", "good", "good", "revoked", "unknown", b"\xa0\x00", b"\x83\x00"]))
    certid: dict[str, t.Any] = {"digest": draw(st.sampled_from(["sha1", "sha256", "sha384", "sha512", "md5"]))}
    if draw(st.booleans()) and draw(st.booleans()):
        certid.update(
            draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "serial": st.one_of(st.integers(-1, 5), st.integers(0, 2**170), st.just(b"\x02\x02\x00\x10")),
                        "name_hash": st.binary(max_size=40),
                        "key_hash": st.binary(max_size=40),
                        "parameters": st.sampled_from([b"", forge.NULL, forge.integer(1)]),
                        "digest_oid": OIDS,
                    },
                )
            )
        )
    return world.answer(
        status=status,
        this_update=draw(THIS_UPDATES),
        next_update=draw(NEXT_UPDATES),
        reason=draw(st.sampled_from([None, 0, 1, 6, 7, 10, 200])),
        extensions=draw(extensions()),
        **certid,
    )


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    surplus = st.sampled_from([b"\x30\x00", b"\x30\x03\x02\x01\x00", *(one.der for one in world.signers().values())])
    signer = draw(SIGNERS)
    own = [] if signer == "issuer" else [world.signers()[signer].der]
    return world.respond(
        *draw(st.lists(answers(), min_size=1, max_size=3)),
        signer=signer,
        responder=draw(st.sampled_from(["key", "name"])),
        produced_at=draw(THIS_UPDATES),
        extensions=draw(extensions()),
        version=draw(st.sampled_from([None, None, 0, 1, -1])),
        certificates=draw(st.permutations(own + draw(st.lists(surplus, max_size=2)))),
    )


# What is done to it -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Bend:
    """Something done to the element that ``path`` leads to, each number taken modulo the elements there."""

    kind: str
    path: tuple[int, ...]
    number: int

    def apply(self, forest: tree.Forest) -> None:
        siblings, index = forest, self.path[0] % len(forest)
        for number in self.path[1:]:
            children = siblings[index].children
            if not children:
                break
            siblings, index = children, number % len(children)
        node = siblings[index]
        if self.kind == "omit":
            del siblings[index]
        elif self.kind == "repeat":
            siblings[index:index] = [node.copy() for count in range(1 + self.number % 40)]
        elif self.kind == "move":
            siblings.insert(self.number % len(siblings), siblings.pop(index))
        elif self.kind == "tag":
            node.tag = tree.TAGS[self.number % len(tree.TAGS)]
        elif self.kind == "length":
            node.length = tree.length_octets(max(0, len(node.content) + self.number % 5 - 2))
        elif self.kind == "long length":
            node.length = b"\x84" + len(node.content).to_bytes(4, "big")
        elif self.kind == "indefinite":
            node.content, node.length = node.content + b"\0\0", b"\x80"
        elif self.kind == "empty":
            node.content = b""
        elif self.kind == "octet":
            content = bytearray(node.content or b"\0")
            content[self.number % len(content)] ^= 1 << self.number % 8
            node.content = bytes(content)
        else:
            siblings.insert(index, tree.Node(0x04, node.encode()))


KINDS = ["omit", "repeat", "move", "tag", "length", "long length", "indefinite", "empty", "octet", "insert"]
bends = st.builds(
    Bend,
    st.sampled_from(KINDS),
    st.lists(st.integers(0, 11), min_size=3, max_size=12).map(tuple),
    st.integers(0, 400),
)


@MANY
@given(responses())
def test_responses_made_of_any_fields(response: bytes) -> None:
    check_judge(response)


@MANY
@given(responses(), st.lists(bends, min_size=1, max_size=4), st.integers(0, 5))
def test_responses_of_any_structure(response: bytes, changes: list[Bend], seed: int) -> None:
    forest = tree.parse(response)
    for change in changes:
        if forest:
            change.apply(forest)
    check_judge(tree.encode(forest))
    world.sign_response(random.Random(seed), forest)
    check_judge(tree.encode(forest))


@MANY
@given(st.sampled_from(sorted(world.certificates().values())), st.lists(bends, min_size=1, max_size=4))
def test_certificates_of_any_structure(certificate: bytes, changes: list[Bend]) -> None:
    forest = tree.parse(certificate)
    for change in changes:
        if forest:
            change.apply(forest)
    check_certificate(tree.encode(forest))
    world.sign_certificate(random.Random(0), forest)
    check_certificate(tree.encode(forest))


@given(st.binary(max_size=200))
def test_trees_are_written_as_they_were_read(data: bytes) -> None:
    forest = tree.parse(data)
    for node in tree.elements(forest):
        assert len(node.encode()) <= len(data)
    assert tree.encode(forest) == data


# Whether the tools do what they are for -----------------------------------------------------------


def test_the_seeds_hold_what_must_hold() -> None:
    for target in targets.TARGETS.values():
        for data in target.seeds().values():
            target.check(data)


def test_changes_get_past_the_signature() -> None:
    """Else all that was said about any structure would be about wrong signatures."""
    chance = random.Random(5)
    seeds = sorted(world.responses().values())
    codes: dict[str, int] = {"acceptable": 0}
    for _round in range(2000):
        data = targets.TARGETS["judge"].mutate(chance.choice(seeds), chance, lambda plain: plain[: len(plain) // 2])
        verdict = targets.TARGETS["judge"].verdict(data)
        codes["acceptable"] += verdict["acceptable"]
        for code in verdict["errors"]:
            codes[code] = codes.get(code, 0) + 1
    assert min(codes["acceptable"], codes["unauthorized_responder"], codes["bad_signature"]) > 50
    assert min(codes["revoked"], codes["not_yet_valid"], codes["wrong_certificate"]) > 10
    assert {"unknown_status", "unknown_critical_extension", "expired", "weak_signature"} <= set(codes)


@pytest.mark.parametrize("rules", [targets.RELAXED, targets.STRICT], ids=["relaxed", "strict"])
@pytest.mark.parametrize("name", sorted(world.responses()))
def test_the_second_opinion_is_the_same_on_the_seeds(name: str, rules: t.Any) -> None:
    """What it doubts here, it would also doubt if the judge were wrong."""
    data = world.responses()[name]
    question = second_opinion.question(world.leaf().der, world.issuer().der, world.NOW, rules)
    try:
        second_opinion.believe(data, question)
        believed = True
    except second_opinion.Doubt:
        believed = False
    accepted = targets.TARGETS["judge"].verdict(data)
    assert believed == (accepted["acceptable"] if rules is targets.RELAXED else not accepted["strictly"])


def test_a_wrong_verdict_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets.Judgement, "acceptable", True)
    with pytest.raises(targets.Violation, match="accepted, although"):
        check_judge(world.responses()["revoked"])


def test_an_exception_that_nobody_foresaw_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> t.NoReturn:
        raise KeyError("unforeseen")

    monkeypatch.setattr(
        "ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response.parse_response", fail
    )
    with pytest.raises(targets.Violation, match="unforeseen KeyError"):
        check_judge(world.respond())


def test_the_world_is_what_cryptography_reads() -> None:
    for entity in (world.leaf(), *world.signers().values()):
        certificate = x509.load_der_x509_certificate(entity.der)
        issuer = world.impostor() if "impostor" in str(entity) else world.issuer()
        assert certificate.serial_number == entity.serial
        assert certificate.issuer.public_bytes() == issuer.subject
    with pytest.raises(MalformedError):
        parse_response(b"")
