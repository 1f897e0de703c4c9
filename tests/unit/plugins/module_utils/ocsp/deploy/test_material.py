# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, certificates and chains: what fits together, and what is said where it does not."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import ISSUER_FILE
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


def test_key_and_certificate_that_were_swapped_are_named() -> None:
    key, certificate = forge.private_pem(LEAF.key), LEAF.pem
    with pytest.raises(InputError) as caught:
        read(key=certificate, certificate=key)
    assert caught.value.message == (
        f"the private key and the certificate are swapped: {WHERE['key']} contains a certificate, and "
        f"{WHERE['certificate']} a private key; exchange them"
    )
    with pytest.raises(InputError) as caught:
        read(certificate=key)
    of_certificate = caught.value.message
    assert of_certificate.startswith(WHERE["certificate"]) and "swapped" not in of_certificate, "the key is one"
    with pytest.raises(InputError) as caught:
        read(key=b"x", certificate=key)
    assert caught.value.message.startswith(f"{of_certificate}; {WHERE['key']} ")


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
            "the private key in the key does not match",
        ),
        ({"key": forge.private_pem(forge.key("rsa2048", "other"))}, "does not match"),
        ({"key": forge.armour(NO_KEY, "PRIVATE KEY")}, "cannot load"),
        ({"chain": STRANGER.pem}, "the chain does not contain the issuer"),
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
    assert sentence.endswith("; wait until then, or correct the clock if it is wrong")


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
        ("xn--bcher-kva.example", "b\u00fccher.example", True),
        ("xn--bcher-kva.example", "BU\u0308CHER.example.", True),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", True),
        ("*.xn--bcher-kva.example", "www.b\u00fccher.example", True),
        ("*.xn--bcher-kva.example", "*.b\u00fccher.example", True),
        ("xn--strae-oqa.example", "stra\u00dfe.example", True),
        ("strasse.example", "stra\u00dfe.example", True),
        (forge.address_name("2001:db8::1"), "2001:0DB8:0:0::1", True),
        (forge.address_name("2001:db8::1"), "[2001:db8::1]", True),
        (forge.address_name("2001:db8::1"), "2001:db8::2", False),
        (forge.address_name("192.0.2.1"), "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.1", False),
        ("*.0.2.1", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.1.", False),
        ("*.0.2.1", "192.0.2.1.", False),
        ("192.0.2.1", "[192.0.2.1]", False),
        ("192.0.2.1", "\uff11\uff19\uff12.0.2.1", False),
        ("192.0.2.1", "192\u30020\u30022\u30021", False),
        ("192.0.2.01", "192.0.2.01", False),
        ("192.0.513", "192.0.513", False),
        ("0xc0000201", "0xC0000201", False),
        ("*.0x1", "192.0x1", False),
        (forge.address_name("192.0.2.1"), "192.0.2.1.", True),
        (forge.address_name("192.0.2.1"), "*.192.0.2.1", False),
        (forge.address_name("2001:db8::1"), "2001:db8:0:0:0:0:0.0.0.1", True),
        (forge.address_name("2001:db8::1"), "[2001:DB8::1", False),
        (forge.address_name("2001:db8::1"), "2001:db8::1]", False),
        (forge.address_name("::ffff:192.0.2.1"), "192.0.2.1", False),
        ("xn--bcher-kva.example", "B\u00dcCHER\uff0eExample\u3002", True),
        ("xn--bcher-kva.example", "b\uff55\u0308cher.example", True),
        ("xn--strae-oqa.example", "STRA\u1e9eE.example", True),
        ("xn--4xa.example", "\u03a3.example", True),
        ("xn--4xaac.example", "\u03a3\u03a4\u03a3.example", True),
        ("xn--fiqs8s", "\u4e2d\u56fd", True),
        ("*.xn--fiqs8s", "www.\u4e2d\u56fd", True),
        ("www.example.com", "\ufeffwww.example.com", True),
        ("www.example.com", "\u24e6\u24e6\u24e6.example.com", True),
        ("example.com", "\ud800.com", False),
        ("localhost", "localhost", True),
        ("example.com", "", False),
        ("example.com", "a..b", False),
    ],
)
def test_names(held: t.Union[str, bytes], asked: str, covered: bool) -> None:
    leaf = forge.leaf(ISSUER, extensions=[forge.subject_alt_name(held)])
    assert material.covers(Certificate.from_der(leaf.der), asked) is covered


def test_an_address_in_the_form_of_a_name_is_called_one() -> None:
    leaf = forge.leaf(ISSUER, NAME, extensions=[forge.subject_alt_name("a.test", "192.0.2.1")])
    found = material.examine(read(key=forge.private_pem(leaf.key), certificate=leaf.pem), ["192.0.2.1"])
    assert found.problems[0] == (
        f"the certificate (CN={NAME},O=Forge) is not for 192.0.2.1 (its names: a.test, 192.0.2.1); 192.0.2.1 is in it "
        "as a DNS name, which clients take for no address: have it issued as an IP address"
    )


def test_common_name_is_no_name() -> None:
    leaf = forge.leaf(ISSUER, NAME)
    given = sources(key=forge.private_pem(leaf.key), certificate=leaf.pem)
    assert "its names: none" in check(given)[0]


def test_issuer_may_be_a_root() -> None:
    assert read().issuer is None
    missing = (
        "without the certificate of the issuer CN=Issuer,O=Forge; append it to the certificate or give it as the chain"
    )
    assert missing in material.issuer_problem(read())
    own = forge.certificate(NAME)
    assert material.issuer_problem(read(key=forge.private_pem(own.key), certificate=own.pem)) == ""
    assert read(chain=pem(ISSUER, MIDDLE)).issuer.der == ISSUER.der
    direct = forge.leaf(ROOT)
    found = read(key=forge.private_pem(direct.key), certificate=direct.pem, root=ROOT.pem)
    assert found.issuer.der == ROOT.der and found.chain == ()


@pytest.mark.skipif(not shutil.which("haproxy"), reason="HAProxy is not installed")
@pytest.mark.parametrize("issuer", [ROOT, ISSUER, None], ids=["a root", "an intermediate", "itself"])
def test_haproxy_starts_with_a_staple_whoever_issued_the_certificate(
    issuer: t.Optional[forge.Entity], tmp_path: Path
) -> None:
    """It has to compute the CertID of the certificate, for which it needs the issuer."""
    subject = forge.leaf(issuer) if issuer else forge.certificate(NAME)
    given = {"chain": pem(ISSUER, MIDDLE) if issuer is ISSUER else None, "root": issuer.pem if issuer else None}
    files = read(key=forge.private_pem(subject.key), certificate=subject.pem, **given).files()
    assert (ISSUER_FILE in files) is (issuer is not ISSUER)
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    single = forge.single(subject, issuer or subject)
    (tmp_path / "combined.pem.ocsp").write_bytes(forge.response(single, signer=issuer or subject))
    (tmp_path / "haproxy.cfg").write_text(
        f"defaults\n mode http\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n"
        f"frontend tls\n bind 127.0.0.1:8443 ssl crt {tmp_path}/combined.pem\n http-request deny\n"
    )
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_intermediate_given_as_root_is_served_and_written_once() -> None:
    found = read(chain=ISSUER.pem, root=MIDDLE.pem)
    assert [one.der for one in found.chain] == [ISSUER.der, MIDDLE.der]
    files = found.files()
    assert files["rootchain.pem"] == files["chain.pem"]
    assert material.examine(found, (NAME,)) == ((), ())


def test_a_missing_chain_is_said() -> None:
    (warning,) = material.examine(read(), (NAME,)).warnings
    assert "the certificate contains no chain and none was given" in warning and "CN=Issuer,O=Forge" in warning


def test_another_chain_is_refused_wherever_it_stands() -> None:
    for given in ({"certificate": pem(LEAF, STRANGER)}, {"chain": STRANGER.pem}, {"certificate": pem(STRANGER, LEAF)}):
        (problem,) = check(sources(**given))
        assert "does not contain the issuer of CN=leaf.example.com,O=Forge: it was issued by CN=Issuer" in problem


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("brainpool", "the elliptic curve BrainpoolP256R1 is not supported"),
        ("secp256k1", "the elliptic curve SECP256K1 is not supported"),
        ("p224", "the elliptic curve SECP224R1 is not supported"),
        ("rsa1024", "the RSA key has 1024 bits, fewer than 2048"),
    ],
)
def test_a_ca_whose_staples_could_never_be_accepted_is_named_before_it_is_deployed(kind: str, sentence: str) -> None:
    issuer = forge.authority("Issuer", ROOT, private_key=forge.key(kind, "issuer"))
    leaf = forge.leaf(issuer, extensions=[forge.subject_alt_name(NAME)])
    found = read(key=forge.private_pem(leaf.key), certificate=leaf.pem, chain=issuer.pem, root=ROOT.pem)
    problems, warnings = material.examine(found, (NAME,))
    assert problems == () and any(sentence in warning for warning in warnings)
    assert material.issuer_problem(found) == (
        "no staple of CN=leaf.example.com,O=Forge could be accepted, as all depend on the key of its issuer "
        f"CN=Issuer,O=Forge: {sentence}; set 'staple: false', or use another CA"
    )


def test_odd_encodings_are_told_where_they_are_served() -> None:
    false = b"\x01\x01\x00"
    odd = forge.extension("2.5.29.19", forge.sequence(false), True)
    leaf = forge.leaf(ISSUER, extensions=[odd, forge.subject_alt_name(NAME)])
    old_root = forge.authority("Root", private_key=ROOT.key, serial=-1)
    given = {"key": forge.private_pem(leaf.key), "certificate": leaf.pem, "chain": pem(ISSUER, MIDDLE)}
    problems, warnings = material.examine(read(**given, root=old_root.pem), (NAME,))
    assert problems == ()
    (warning,) = warnings
    assert warning.startswith(
        "in the certificate, the certificate CN=leaf.example.com,O=Forge writes out that it is not"
    )


@pytest.mark.parametrize(
    "subject",
    [
        forge.name("Müller").replace("ü".encode(), b"\xfc\x41"),
        forge.sequence(forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.3"), forge.octets(b"x")))),
        forge.sequence(forge.NULL),
    ],
)
def test_a_name_that_clients_cannot_read_is_refused(subject: bytes) -> None:
    leaf = forge.leaf(ISSUER, subject, extensions=[forge.subject_alt_name(NAME)])
    (problem,) = check(sources(key=forge.private_pem(leaf.key), certificate=leaf.pem, chain=pem(ISSUER, MIDDLE)))
    assert "contains something that clients cannot read (name: " in problem and problem.endswith(
        "; have the CA reissue it"
    )


def test_loading_is_tried_last() -> None:
    small = forge.leaf(ISSUER, private_key=forge.key("rsa1024"), extensions=[forge.subject_alt_name(NAME)])
    found = read(key=forge.private_pem(small.key), certificate=small.pem, chain=pem(ISSUER, MIDDLE))
    problems, warnings = material.examine(found, (NAME,))
    assert problems == () and "its key is too small" in warnings[0]


def test_key_shows_nowhere() -> None:
    shown = repr(read())
    assert "PRIVATE" not in shown


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "*.example.com", "a b", "a\n", "ä", "x" * 201, 'a"b'])
def test_names_of_sets_that_would_mean_something(name: str) -> None:
    with pytest.raises(InputError, match="is not a valid name for a set"):
        material.check_name(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [("bücher.example", "underscores, such as xn--bcher-kva.example, and"), ("ä b", "underscores, and")],
)
def test_the_name_of_an_internationalized_host_is_given(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        material.check_name(name)
