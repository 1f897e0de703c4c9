# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, certificates and chains: what fits together, and what is said where it does not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.tests.unit import forge

NAME = "leaf.example.com"
WHERE = {"key": "the key", "certificate": "the certificate", "chain": "the chain", "root": "the root"}

ROOT = forge.authority("Root")
MIDDLE = forge.authority("Middle", ROOT)
ISSUER = forge.authority("Issuer", MIDDLE)
LEAF = forge.leaf(ISSUER, extensions=[forge.subject_alt_name(NAME)])
#: PKCS#8 of a kind that nobody knows.
NO_KEY = forge.sequence(forge.integer(0), forge.sequence(forge.oid(forge.UNKNOWN_OID)), forge.octets(b"x"))
STRANGER = forge.authority("Stranger")


def pem(*entities: forge.Entity) -> bytes:
    return b"".join(entity.pem for entity in entities)


def sources(**given: t.Any) -> material.Sources:
    values = {"key": forge.private_pem(LEAF.key), "certificate": LEAF.pem, "chain": None, "root": None, **given}
    return material.Sources(values["key"], values["certificate"], values["chain"], values["root"], WHERE)


def read(now: t.Any = forge.NOW, **given: t.Any) -> material.Material:
    return material.read_material(NAME, sources(**given), now)


def check(given: material.Sources, names: t.Sequence[str] = (NAME,), now: t.Any = forge.NOW) -> t.List[str]:
    return list(material.examine(material.read_material(NAME, given, now), names).problems)


@pytest.mark.parametrize(
    "given",
    [
        {"chain": pem(ISSUER, MIDDLE), "root": ROOT.pem},
        {"chain": pem(MIDDLE, ISSUER), "root": ROOT.pem},
        {"chain": pem(ISSUER, MIDDLE, ROOT), "root": pem(ISSUER, MIDDLE, ROOT)},
        {"certificate": pem(LEAF, ISSUER, MIDDLE), "root": ROOT.pem},
        {"root": pem(ISSUER, MIDDLE, ROOT)},
        {"chain": pem(STRANGER, ISSUER, MIDDLE), "root": pem(STRANGER, ROOT)},
    ],
)
def test_files_are_derived_from_whatever_was_given(given: t.Dict[str, bytes]) -> None:
    assert check(sources(**given)) == []
    files = read(**given).files()
    assert files["cert.pem"] == material.to_pem(Certificate.from_der(LEAF.der))
    chain = b"".join(material.to_pem(Certificate.from_der(one.der)) for one in (ISSUER, MIDDLE))
    assert files["chain.pem"] == chain
    assert files["fullchain.pem"] == files["cert.pem"] + chain
    assert files["combined.pem"] == files["privkey.pem"] + files["fullchain.pem"]
    assert (
        files["rootchain.pem"].startswith(chain)
        and material.to_pem(Certificate.from_der(ROOT.der)) in files["rootchain.pem"]
    )


def test_what_is_not_known_is_left_out() -> None:
    files = read().files()
    assert set(files) == {"privkey.pem", "cert.pem", "fullchain.pem", "combined.pem"}
    assert check(sources()) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"key": forge.private_pem(forge.key("p256", "other"))},
            "the private key of the key does not fit",
        ),
        ({"key": forge.private_pem(forge.key("rsa2048", "other"))}, "does not fit"),
        ({"key": forge.armour(NO_KEY, "PRIVATE KEY")}, "does not load"),
        ({"chain": STRANGER.pem}, "the chain does not hold the issuer"),
        ({"chain": pem(ISSUER, MIDDLE), "root": STRANGER.pem}, "does not chain to any certificate of the root"),
        ({"chain": ISSUER.pem, "root": ROOT.pem}, "does not chain to any certificate of the root"),
    ],
)
def test_what_does_not_fit_is_said(given: t.Dict[str, bytes], sentence: str) -> None:
    found = check(sources(**given))
    assert len(found) == 1 and sentence in found[0]


def test_times_of_all_certificates_count() -> None:
    old = forge.authority("Old", ROOT, not_after=forge.NOW - forge.DAY)
    leaf = forge.leaf(old, extensions=[forge.subject_alt_name(NAME)])
    given = sources(key=forge.private_pem(leaf.key), certificate=leaf.pem, chain=old.pem)
    assert [sentence for sentence in check(given) if "expired at" in sentence and "Old" in sentence]
    assert "expired at" in check(sources(), now=LEAF.not_after)[0]
    assert check(sources(), now=LEAF.not_after - forge.SECOND) == []
    early = LEAF.not_before - 5 * forge.MINUTE
    assert check(sources(), now=early) == []
    (sentence,) = check(sources(), now=early - forge.SECOND)
    assert "is not valid before 2026-02-02T05:06:07Z (the clock of this host says 2026-02-02T05:01:06Z)" in sentence


@pytest.mark.parametrize(
    ("held", "asked", "covered"),
    [
        ("www.example.com", "www.example.com", True),
        ("www.example.com", "WWW.Example.com.", True),
        ("www.example.com", "example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
    ],
)
def test_names(held: str, asked: str, covered: bool) -> None:
    leaf = forge.leaf(ISSUER, extensions=[forge.subject_alt_name(held)])
    assert material.covers(Certificate.from_der(leaf.der), asked) is covered


def test_common_name_is_no_name() -> None:
    leaf = forge.leaf(ISSUER, NAME)
    given = sources(key=forge.private_pem(leaf.key), certificate=leaf.pem)
    assert "its names: none" in check(given)[0]


def test_key_shows_nowhere() -> None:
    shown = repr(read())
    assert "PRIVATE" not in shown


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "*.example.com", "a b", "a\n", "ä", "x" * 201, 'a"b'])
def test_names_of_sets_that_would_mean_something(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a set"):
        material.check_name(name)
