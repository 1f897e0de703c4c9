# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A large response, or a large file, costs in proportion to its length, however it is made.

Responses come over plain HTTP, so anybody on the way may send one of 1 MiB. What is counted does not
depend on how fast or busy a machine is: calls of functions, signatures that are verified, octets of
memory, and what is told.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
import tracemalloc
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import CERTIFICATE_LIMIT, read_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import (
    identifiers,
    keys,
    path,
    remembered,
    served,
    signature,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import parse_duration
from ansible_collections.certops.ocsp.tests.fuzz import targets, world
from ansible_collections.certops.ocsp.tests.unit import forge

RULES = Rules(allow=frozenset(("sha1_signature", "missing_next_update")))
SMALL, LARGE = 20_000, 80_000
#: What four times the length may cost: a quadratic effort costs sixteen times as much.
MOST_GROWTH = 6
MOST_VERIFICATIONS = 130
MEMORY_PER_OCTET = 40


def moment(seconds: int) -> t.Any:
    return world.NOW - timedelta(seconds=seconds)


def many(make: t.Callable[[int], bytes], size: int) -> list[bytes]:
    """As many different elements as fill so many octets."""
    return [make(index) for index in range(1, 1 + size // len(make(1)))]


def name_of(size: int) -> bytes:
    return forge.sequence(*many(attribute_set, size))


def attribute_set(index: int) -> bytes:
    return forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.tlv(0x0C, b"%08d" % index)))


def delegate(index: int, **options: t.Any) -> forge.Entity:
    """A certificate that nobody issued, with a key that signs what is to be judged."""
    key = world.signers()["delegate"].key
    return forge.certificate("Responder", private_key=key, serial=index, **options)


def signed_by(certificate: forge.Entity, certificates: t.Sequence[bytes]) -> bytes:
    return forge.response(world.answer(), signer=certificate, responder="name", certificates=certificates)


def signed_by_itself(certificate: forge.Entity) -> bytes:
    """Signed by a certificate that the response holds."""
    return signed_by(certificate, [certificate.der])


def odd_delegate(size: int, **options: t.Any) -> bytes:
    return signed_by_itself(delegate(1, **options))


#: Responses of about so many octets.
HOSTILE: dict[str, t.Callable[[int], bytes]] = {
    "answers about others": lambda size: world.respond(*many(lambda index: world.answer(serial=index), size)),
    "answers with different faults": lambda size: world.respond(
        *many(lambda index: world.answer(this_update=moment(-index), next_update=moment(index)), size)
    ),
    "answers with different intervals": lambda size: world.respond(
        *many(lambda index: world.answer(this_update=moment(index), next_update=moment(-1000)), size)
    ),
    "answers that revoke": lambda size: world.respond(
        *many(lambda index: world.answer(status="revoked", revocation_time=moment(index)), size)
    ),
    "answers that do not begin": lambda size: world.respond(*[b"\x30\x00"] * (size // 2)),
    "extensions": lambda size: world.respond(
        extensions=many(lambda index: forge.extension(f"1.3.6.1.4.1.{index}", b"", critical=True), size)
    ),
    "extensions of answers": lambda size: world.respond(
        world.answer(extensions=many(lambda index: forge.extension(f"1.3.6.1.4.1.{index}", b"", critical=True), size))
    ),
    "certificates that are none": lambda size: world.respond(certificates=[b"\x30\x00"] * (size // 2)),
    "certificates of others": lambda size: world.respond(certificates=many(lambda index: delegate(index).der, size)),
    "certificates of the named responder": lambda size: signed_by(
        delegate(1), many(lambda index: delegate(index).der, size)
    ),
    "certificates with the wrong key": lambda size: signed_by(
        delegate(1),
        many(lambda index: forge.certificate("Responder", private_key=world.leaf().key, serial=index).der, size),
    ),
    "a long name of the responder": lambda size: world.respond(responder=forge.tlv(0xA1, name_of(size))),
    "a long name of the responder, and certificates": lambda size: world.respond(
        responder=forge.tlv(0xA1, name_of(size // 2)),
        certificates=many(lambda index: delegate(index).der, size // 2),
    ),
    "a long name of the responder that ends badly, and certificates": lambda size: world.respond(
        responder=forge.tlv(0xA1, forge.sequence(*many(attribute_set, size // 2), b"\x30\x00")),
        certificates=many(lambda index: delegate(index).der, size // 2),
    ),
    "a long name of the delegate": lambda size: odd_delegate(0, issuer_name=name_of(size)),
    "a long name of the delegate's own": lambda size: signed_by_itself(
        forge.certificate(name_of(size), private_key=world.signers()["delegate"].key)
    ),
    "a long key usage of the delegate": lambda size: odd_delegate(
        0, extensions=[forge.extension("2.5.29.15", forge.bits(b"\xff" * size), critical=True)]
    ),
    "many purposes of the delegate": lambda size: odd_delegate(
        0, extensions=[forge.extended_key_usage(*(f"1.3.6.1.4.1.{index}" for index in range(size // 10)))]
    ),
    "a long status": lambda size: forge.sequence(forge.tlv(0x0A, b"\x7f" * size)),
    "a long version": lambda size: world.respond(raw_version=forge.tlv(0xA0, forge.tlv(0x02, b"\x7f" * size))),
    "a long reason": lambda size: world.respond(
        world.answer(
            status=forge.tlv(0xA1, forge.generalized(world.NOW), forge.tlv(0xA0, forge.tlv(0x0A, b"\x7f" * size)))
        )
    ),
    "a long serial number": lambda size: world.respond(world.answer(serial=forge.tlv(0x02, b"\x7f" * size))),
    "a long digest": lambda size: world.respond(world.answer(parameters=forge.octets(bytes(size)))),
    "a long object identifier": lambda size: world.respond(
        extensions=[forge.sequence(forge.tlv(0x06, b"\x81" * size + b"\x01"), forge.octets(b""))]
    ),
    "a long salt": lambda size: world.respond(
        signature_algorithm=forge.sequence(
            forge.oid("1.2.840.113549.1.1.10"), forge.sequence(forge.tlv(0xA2, forge.tlv(0x02, b"\x7f" * size)))
        )
    ),
    "a long signature": lambda size: world.respond(extra_basic=forge.tlv(0xA0, forge.sequence(bytes(size)))),
    "nothing but nesting": lambda size: b"".join(
        b"\x30\x84" + (size - index).to_bytes(4, "big") for index in range(6, size, 6)
    ),
}


class Cost(t.NamedTuple):
    """What judging took: calls of functions, and of those the verifications; and what came of it."""

    calls: int
    verifications: int
    judgement: Judgement


def target() -> x509.Target:
    """New ones for each judgement, for which nothing is remembered."""
    return x509.Target(*(x509.Certificate.from_der(entity.der) for entity in (world.leaf(), world.issuer())))


def cost_of(data: bytes) -> Cost:
    calls = verifications = 0
    about = target()
    verify = signature.verify.__code__

    def count(frame: t.Any, event: str, argument: t.Any) -> None:
        nonlocal calls, verifications
        if event in ("call", "c_call"):
            calls += 1
            verifications += event == "call" and frame.f_code is verify

    sys.setprofile(count)
    try:
        judgement = judge(data, about, world.NOW, RULES)
    finally:
        sys.setprofile(None)
    return Cost(calls, verifications, judgement)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_effort_grows_with_the_length(name: str) -> None:
    small, large = (cost_of(HOSTILE[name](size)) for size in (SMALL, LARGE))
    assert large.calls <= MOST_GROWTH * small.calls + 2000
    assert large.verifications <= MOST_VERIFICATIONS


def test_few_signatures_are_checked_with_keys_that_anybody_may_have_added() -> None:
    """One may take as long as a hundred with a usual key."""
    added = [forge.certificate("Responder", private_key=forge.key(label=str(one))).der for one in range(60)]
    cost = cost_of(signed_by(delegate(1), added))
    assert cost.judgement.errors[0] == "bad_signature"
    assert cost.verifications <= 10


# Files of certificates and keys ---------------------------------------------------------------------------------------


def pem(name: str, issuer: str, index: int = 1, is_ca: bool = True) -> bytes:
    """A certificate that any key of the same name made, as all have one key."""
    return forge.certificate(
        name,
        private_key=world.signers()["delegate"].key,
        serial=index,
        issuer_name=forge.name(issuer),
        extensions=[forge.basic_constraints(is_ca)],
    ).pem


def wide(size: int) -> bytes:
    names = [forge.tlv(0x82, b"%x.example.com" % index) for index in range(size // 20)]
    extension = forge.extension("2.5.29.17", forge.sequence(*names))
    return forge.certificate("leaf", private_key=world.signers()["delegate"].key, extensions=[extension]).pem


LEAF = pem("leaf", "CA", is_ca=False)
#: Files of about so many octets.
HOSTILE_FILES: dict[str, t.Callable[[int], bytes]] = {
    "blocks that do not end": lambda size: b"-----BEGIN X-----" * (size // 17),
    "blocks of different labels that do not end": lambda size: b"".join(
        many(lambda index: b"-----BEGIN %08d-----" % index, size)
    ),
    "keys that do not end": lambda size: b"-----BEGIN PRIVATE KEY-----" * (size // 27),
    "certificates that do not end": lambda size: b"-----BEGIN CERTIFICATE-----" * (size // 27),
    "ends alone": lambda size: b"-----END CERTIFICATE-----" * (size // 25),
    "blocks that end and begin": lambda size: b"-----BEGIN X-----END X" * (size // 22),
    "empty certificates": lambda size: LEAF + b"-----BEGIN X-----\n-----END X-----\n" * (size // 33),
    "dashes": lambda size: b"-" * size,
    "spaces": lambda size: b" " * size,
    "lines of Base64": lambda size: b"TUlJ" * (size // 4),
    "first lines without a body": lambda size: b"BEGIN PRIVATE KEY" * (size // 17),
    "many words for a first line": lambda size: b"BEGIN " * (size // 6),
    "headers without a body": lambda size: b"BEGIN PRIVATE KEY" + b"Proc-Type:" * (size // 10),
    "starts of keys": lambda size: b"/MAaaaaaaaaaaaaaaa" * (size // 18),
    "starts of keys in PEM": lambda size: b"/LS0tLS1CRUdJTiBQ" * (size // 17),
    "lines with gaps": lambda size: (b"a" * 16 + b"#" * 41) * (size // 57),
    "escapes": lambda size: b"\\" * size,
    "escaped characters": lambda size: b"%4d" * (size // 3),
    "pairs of digits": lambda size: (b"30 " * 23 + b"x ") * (size // 71),
    "JWK without an end": lambda size: b"kty d:" * (size // 6),
    "headers": lambda size: b"-----BEGIN PRIVATE KEY-----\n" + b"a: b\n" * (size // 5) + b"-----END PRIVATE KEY-----\n",
    "many names": wide,
    "as many leaves as are read": lambda _size: b"".join(
        pem(f"l{index}", f"ca{index}", index, is_ca=False) for index in range(1, 500)
    ),
    "as many authorities as are searched": lambda _size: (
        LEAF + b"".join(pem("CA", "CA", index) for index in range(1, 100))
    ),
    "leaves of different names": lambda size: b"".join(
        many(lambda index: pem(f"l{index}", f"ca{index}", index, is_ca=False), size)
    ),
    "leaves of different issuers": lambda size: (
        LEAF + b"".join(many(lambda index: pem(f"l{index}", f"ca{index}", index), size))
    ),
}


def read_file(data: bytes) -> None:
    """All that is done with a file before it is known to be a good one."""
    root = x509.Certificate.from_der(world.issuer().der)
    for what in (
        lambda: keys.read_key(data, "file"),
        lambda: secrets.holds_private_key(data),
        lambda: [material.covers(x509.load_certificates(data, "file")[0], f"{index}.x.y") for index in range(100)],
        lambda: x509.find_leaf(x509.load_certificates(data, "file"), "file"),
        lambda: x509.find_issuer(*_parts(data), [root], "file"),
    ):
        with contextlib.suppress(InputError):
            what()


def _parts(data: bytes) -> tuple[x509.Certificate, list[x509.Certificate]]:
    certificates = x509.load_certificates(data, "file")
    return certificates[0], certificates


def seconds_of(data: bytes) -> float:
    """Time of the processor, since searching goes on inside of functions where no calls can be counted."""
    forget()
    for known in (x509.Certificate.from_der, x509.comparable_name, x509.name_text):
        known.cache_clear()
    began = time.process_time()
    read_file(data)
    return time.process_time() - began


@pytest.mark.parametrize("name", sorted(HOSTILE_FILES))
def test_files_cost_in_proportion(name: str) -> None:
    """Quadratic effort takes minutes at this length; the margin is for slow machines."""
    data = HOSTILE_FILES[name](CERTIFICATE_LIMIT)
    assert seconds_of(data) < 20


#: What looks for keys may begin at each octet of, after a word that has it look at all.
SEARCHED = (b"/", b"//", b"/MA", b"ENDPRIVATE KEY", b"BEGINPRIVATE KEY", b"MA", b"30 ", b"A" * 15 + b"(", b"\\x30")


@pytest.mark.parametrize("piece", SEARCHED)
def test_keys_are_looked_for_at_a_small_cost(piece: bytes) -> None:
    """A certificate that a server shows may have a quarter of a MiB of anything in it."""
    data = b"PRIVATE%41\0" + piece * (250_000 // len(piece))
    began = time.process_time()
    assert not secrets.holds_private_key(data)
    assert time.process_time() - began < 2


def test_more_certificates_than_anybody_has_are_refused() -> None:
    with pytest.raises(InputError, match="contains 501 certificates, more than 500; give those that are needed"):
        x509.load_certificates(LEAF * 501, "file")
    with pytest.raises(InputError, match="contains 101 certificates, too many to look for an issuer among them"):
        x509.find_issuer(*_parts(LEAF * 101), [], "file")


#: CAs of one name, by what they are made of: the key of each, and the key that signed it.
MESHES: dict[str, t.Callable[[int], tuple[int, int]]] = {
    "of one key": lambda _index: (0, 0),
    "that another key signed": lambda index: (0, 1 + index % 2),
    "that signed one another": lambda index: (index % 10, (index + 1 + index // 10) % 10),
    "of ten keys that one signed": lambda index: (index % 10, 0),
    "in a ring": lambda index: (index % 10, (index + 1) % 10),
}


@functools.cache
def mesh(name: str, count: int) -> tuple[bytes, bytes]:
    """A leaf and so many CAs, all of one name, and a root of that name that issued none of them."""
    some = [forge.key("p256", f"mesh{index}") for index in range(11)]

    def certificate(subject: str, serial: int, own: int, signer: int, is_ca: bool = True) -> forge.Entity:
        extensions = [forge.basic_constraints(is_ca), forge.ocsp_urls("http://127.0.0.1:1/")]
        issuer = forge.certificate("CA", private_key=some[signer], extensions=[forge.basic_constraints(True)])
        return forge.certificate(subject, issuer, private_key=some[own], serial=serial, extensions=extensions)

    cas = [certificate("CA", 100 + index, *MESHES[name](index)) for index in range(count)]
    pem = b"".join(one.pem for one in [certificate("leaf", 1, 0, 0, is_ca=False), *cas])
    return pem, certificate("CA", 99, 10, 10).pem


def checks_of(action: t.Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many signatures it has checked, beside those that are remembered."""
    checked = []
    real = signature.verify
    with monkeypatch.context() as patch:
        patch.setattr(signature, "verify", lambda *given: checked.append(1) or real(*given))
        with contextlib.suppress(InputError):
            action()
    return len(checked)


def forget() -> None:
    for one in (x509.issuance_problem, identifiers.is_self_signed, x509._searches):
        one.clear() if isinstance(one, remembered.Memory) else one.cache_clear()


@pytest.mark.parametrize("count", [25, 50, 99])
@pytest.mark.parametrize("name", sorted(MESHES))
def test_an_issuer_is_looked_for_with_few_checks(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them leads to the root that is given. What was found out is remembered, the message included."""
    chain, root = mesh(name, count)
    values = {"certificate_content": chain.decode(), "root_content": root.decode(), "path": "/nonexistent"}
    forget()
    with pytest.raises(InputError) as first:
        assert checks_of(lambda: read_options(values), monkeypatch) <= x509.MOST_SIGNATURES + 2
        read_options(values)
    assert checks_of(lambda: read_options(values), monkeypatch) == 0
    with pytest.raises(InputError) as second:
        read_options(values)
    assert second.value.message == first.value.message
    assert "certificate_content" in second.value.message


def test_of_too_many_checks_is_said_in_which_files(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, root = mesh("that signed one another", 90)
    with pytest.raises(InputError) as raised:
        read_options({"certificate_content": chain.decode(), "root_content": root.decode(), "path": "/nonexistent"})
    assert raised.value.message == (
        "in certificate_content and root_content too many certificates have the same name: after 100 checks of "
        "signatures it is not known which of them issued which; give the chain of the certificate alone"
    )


@pytest.mark.parametrize("count", [25, 99, 200])
@pytest.mark.parametrize("name", sorted(MESHES))
def test_a_path_is_looked_for_with_few_checks(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each certificate may also be asked whether it signed itself."""
    certificates = [path.Given(one, "chain_path") for one in x509.load_certificates(mesh(name, count)[0], "chain_path")]
    root = path.Given(x509.load_certificates(mesh(name, count)[1], "root_path")[0], "root_path")
    forget()
    checks = checks_of(lambda: path.find_path(certificates[0], certificates[1:], [root], world.NOW), monkeypatch)
    assert checks <= x509.MOST_SIGNATURES + count + 5


@pytest.mark.parametrize("count", [25, 99, 200])
@pytest.mark.parametrize("name", sorted(MESHES))
def test_what_ends_first_is_found_with_few_checks(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each certificate may also be asked whether it signed itself."""
    certificates = x509.load_certificates(mesh(name, count)[0], "chain_path")
    forget()
    checks = checks_of(lambda: served.first_to_end(certificates[0], certificates), monkeypatch)
    assert checks <= x509.MOST_SIGNATURES + count + 5


#: What each CA of a ladder has beside its name: where names are compared, and what is read anew on each path.
LADDERS: dict[str, t.Callable[[int], list[bytes]]] = {
    "names and constraints": lambda size: [
        forge.subject_alt_name(*(f"{index}.example.com" for index in range(min(size // 40, 220)))),
        forge.name_constraints(*(f"{index}.example.org" for index in range(min(size // 40, 220))), "example.com"),
    ],
    "directory names": lambda size: [
        forge.subject_alt_name(*(forge.directory_name(forge.name(f"{index}")) for index in range(size // 60))),
        forge.name_constraints(
            excluded=[forge.directory_name(forge.name(f"{index}", "x" * 100)) for index in range(size // 160)]
        ),
    ],
    "constraints that cannot be read": lambda size: [
        forge.extension(
            "2.5.29.30", forge.sequence(forge.tlv(0xA0, *[forge.sequence(forge.tlv(0x82))] * (size // 4)), b"x")
        )
    ],
    "distribution points": lambda size: [
        forge.extension("2.5.29.31", forge.sequence(*[forge.sequence(forge.tlv(0xA2))] * (size // 4)))
    ],
}


@functools.cache
def ladder(name: str, size: int) -> list[x509.Certificate]:
    """A leaf, and on each of ten steps two CAs of one name and key, so that there are a thousand paths."""
    more = LADDERS[name](size // 20)
    issuer = forge.authority("CA 0", private_key=forge.key("p256", "ladder"))
    found = []
    for step in range(1, 11):
        extensions = [*forge.CA_EXTENSIONS, *more]
        twins = [
            forge.authority(
                f"CA {step}", issuer, private_key=forge.key("p256", "ladder"), serial=serial, extensions=extensions
            )
            for serial in (1, 2)
        ]
        found += twins
        issuer = twins[0]
    leaf = forge.certificate("leaf", issuer, extensions=more[:1])
    return [x509.Certificate.from_der(one.der) for one in (leaf, *found)]


@pytest.mark.parametrize("size", [80_000, CERTIFICATE_LIMIT // 2])
@pytest.mark.parametrize("name", sorted(LADDERS))
def test_many_paths_cost_in_proportion(name: str, size: int) -> None:
    leaf, *others = [path.Given(one, "chain_path") for one in ladder(name, size)]
    forget()
    began = time.process_time()
    path.find_path(leaf, others, [], world.NOW)
    assert time.process_time() - began < 8


@pytest.mark.parametrize("size", [20_000, 40_000, 80_000])
def test_directory_names_and_constraints_cost_in_proportion(size: int) -> None:
    """Each name of the leaf is compared with each constraint, which has many parts."""
    part = forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.tlv(0x0C, b"")))
    bases = [forge.directory_name(forge.sequence(*[part] * 35, _unit(index))) for index in range(size // 400)]
    names = [forge.directory_name(forge.sequence(_unit(index))) for index in range(size // 90)]
    extensions = [*forge.CA_EXTENSIONS, forge.name_constraints(excluded=bases)]
    issuer = forge.authority("CA", private_key=forge.key("p256", "ladder"), extensions=extensions)
    leaf = forge.leaf(issuer, extensions=[forge.subject_alt_name("www.example.com", *names)])
    given = [path.Given(x509.Certificate.from_der(one.der), "chain_path") for one in (leaf, issuer)]
    forget()
    began = time.process_time()
    path.find_path(given[0], given[1:], [], world.NOW)
    assert time.process_time() - began < 2


def _unit(number: int) -> bytes:
    return forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.11"), forge.tlv(0x0C, b"%d" % number)))


@pytest.mark.parametrize("count", [1, 5, 30])
def test_a_ca_that_changed_its_key_often_is_found(count: int) -> None:
    """A bundle with all of its certificates, the right one last."""
    keys_of = [forge.key("p256", f"mesh{index}") for index in range(11)]
    root = forge.certificate("Root", private_key=keys_of[10], extensions=[forge.basic_constraints(True)])
    cas = [
        forge.certificate(
            "CA", root, private_key=keys_of[index % 10], serial=index, extensions=[forge.basic_constraints(True)]
        )
        for index in range(1, count + 1)
    ]
    leaf = forge.certificate("leaf", cas[-1], serial=7)
    chain = [x509.Certificate.from_der(one.der) for one in cas]
    found = x509.find_issuer(
        x509.Certificate.from_der(leaf.der), chain, [x509.Certificate.from_der(root.der)], "chain_path"
    )
    assert found.spki == chain[-1].spki


def test_large_certificates_are_not_kept_in_memory() -> None:
    """What is remembered of a certificate does not grow with it: whoever writes into one folder may have 1000 there."""
    issuer = world.issuer()
    forget()
    tracemalloc.start()
    try:
        for serial in range(300):
            big = forge.extension("1.2.3.4", bytes(100_000))
            leaf = forge.certificate(
                "leaf", issuer, serial=serial, extensions=[big, forge.ocsp_urls("http://x.example/")]
            )
            read_options({"certificate_content": (leaf.pem + issuer.pem).decode(), "path": "/nonexistent"})
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # The last 64 certificates are, with three copies of most of their octets.
    assert left < 64 * 3.5 * 100_000


@pytest.mark.parametrize("kind", ["extension", "key", "name"])
def test_nothing_that_is_long_is_kept_in_memory(kind: str) -> None:
    """Neither of a leaf nor of a CA, also where there is a response for it."""
    data = forge.response()
    junk = bytes(200_000)
    modulus = forge.sequence(forge.integer(int.from_bytes(b"\1" + junk + b"\1", "big")), forge.integer(65537))
    rsa = forge.sequence(forge.oid("1.2.840.113549.1.1.1"), forge.NULL)
    options: dict[str, t.Any] = {
        "extension": {"extensions": [*forge.CA_EXTENSIONS, forge.extension("1.2.3.4", junk)]},
        "key": {"raw_key": forge.sequence(rsa, forge.bits(modulus)), "scheme": "ecdsa_sha256"},
        "name": {"subject": forge.name("x" * 100_000), "private_key": forge.key("p256")},
    }[kind]
    forget()
    tracemalloc.start()
    try:
        for serial in range(12):
            ca = forge.authority(**{"subject": "big", **options, "serial": serial})
            leaf = forge.leaf(ca, serial=serial)
            with contextlib.suppress(InputError):
                read_options({"certificate_content": (leaf.pem + ca.pem).decode(), "path": "/nonexistent"})
            about = x509.Target(x509.Certificate.from_der(leaf.der), x509.Certificate.from_der(ca.der))
            judge(data, about, world.NOW, RULES)
            del about, ca, leaf
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < 3 * 200_000


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_memory_is_in_proportion(name: str) -> None:
    data, about = HOSTILE[name](LARGE), target()
    tracemalloc.start()
    try:
        judge(data, about, world.NOW, RULES)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_PER_OCTET * len(data)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_what_is_told_is_short(name: str) -> None:
    """Also, no exception came that nobody foresaw, such as Python's own about long numbers."""
    targets.TARGETS["judge"].check(HOSTILE[name](LARGE))


@pytest.mark.parametrize("text", [" " * 200_000, "1" * 200_000, "1d " * 70_000, "1 " * 100_000, "d" * 200_000])
def test_durations_cost_in_proportion(text: str) -> None:
    """Quadratic effort takes minutes at this length; the margin is for slow machines."""
    began = time.process_time()
    with contextlib.suppress(InputError):
        parse_duration(f"1h{text}x", "timeout")
    assert time.process_time() - began < 20
