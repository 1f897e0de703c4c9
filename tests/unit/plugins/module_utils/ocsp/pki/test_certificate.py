# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading certificates, and finding the one to ask about and the one that issued it."""

from __future__ import annotations

import contextlib
import itertools
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives.asymmetric import dsa
from hypothesis import given, settings
from hypothesis import strategies as st

TRUSTED = "TRUSTED CERTIFICATE"
W = forge.world()
OTHER_KEY = forge.key("p256", "other")
NAMESAKE = forge.authority(W.issuer.subject, W.root, private_key=OTHER_KEY, serial=0x21)
OTHER_ROOT = forge.authority("Other root")


def cert(entity: forge.Entity) -> Certificate:
    return Certificate.from_der(entity.der)


def certs(*entities: forge.Entity) -> list[Certificate]:
    return [cert(entity) for entity in entities]


def ders(found: t.Iterable[Certificate]) -> list[bytes]:
    return [certificate.der for certificate in found]


# Fields ------------------------------------------------------------------------------------------


def test_fields() -> None:
    leaf = cert(W.leaf)
    assert leaf.der == W.leaf.der
    assert leaf.serial_number == W.leaf.serial
    assert leaf.subject == W.leaf.subject
    assert leaf.issuer == W.issuer.subject
    assert (leaf.not_before, leaf.not_after) == (W.leaf.not_before, W.leaf.not_after)
    assert leaf.not_after.utcoffset() == timedelta(0)
    assert leaf.responder_urls == [forge.URL]
    assert not leaf.must_staple
    assert not leaf.is_ca
    assert cert(W.issuer).is_ca


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "p224", "rsa1024", "rsa2048", "ed25519", "ed448"])
def test_public_key_bits(kind: str) -> None:
    key = forge.key(kind)
    assert cert(forge.leaf(W.issuer, private_key=key)).public_key_bits == forge.public_key_bits(key)


@pytest.mark.parametrize("year", [1950, 1999, 2000, 2049, 2050, 2999, 9999])
def test_years(year: int) -> None:
    moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    leaf = cert(forge.leaf(W.issuer, not_before=moment, not_after=moment))
    assert leaf.not_before == leaf.not_after == moment


RESPONDERS = {
    "none at all": ([], []),
    "issuers alone": ([forge.ocsp_urls(other=["http://example.com/ca.crt"])], []),
    "one": ([forge.ocsp_urls("http://one.example.com")], ["http://one.example.com"]),
    "empty ones": ([forge.ocsp_urls("", " ", "http://one.example.com")], ["http://one.example.com"]),
    "an empty one alone": ([forge.ocsp_urls("")], []),
    "two in their order": (
        [forge.ocsp_urls("http://two.example.com/x", "https://one.example.com", other=["http://example.com/ca.crt"])],
        ["http://two.example.com/x", "https://one.example.com"],
    ),
}


@pytest.mark.parametrize("extensions, urls", list(RESPONDERS.values()), ids=list(RESPONDERS))
def test_responder_urls(extensions: list[bytes], urls: list[str]) -> None:
    assert cert(forge.leaf(W.issuer, extensions=extensions)).responder_urls == urls


def test_responder_urls_of_other_schemes_leave_the_http_ones_in_order() -> None:
    extension = forge.ocsp_urls("ldap://a.example.com/cn=ocsp", "http://b.example.com", "http://c.example.com")
    urls = cert(forge.leaf(W.issuer, extensions=[extension])).responder_urls
    assert [url for url in urls if url.startswith("http")] == ["http://b.example.com", "http://c.example.com"]


def test_responders_that_are_no_urls_are_skipped() -> None:
    def entry(location: bytes) -> bytes:
        return forge.sequence(forge.oid("1.3.6.1.5.5.7.48.1"), location)

    directory_name = entry(forge.tlv(0xA4, forge.name("ocsp")))
    uri = entry(forge.tlv(0x86, b"http://b.example.com"))
    extension = forge.extension("1.3.6.1.5.5.7.1.1", forge.sequence(directory_name, uri))
    assert cert(forge.leaf(W.issuer, extensions=[extension])).responder_urls == ["http://b.example.com"]


@pytest.mark.parametrize(
    "features, expected", [((5,), True), ((5, 17), True), ((17, 5), True), ((17,), False), ((0,), False)]
)
def test_must_staple(features: tuple[int, ...], expected: bool) -> None:
    assert cert(forge.leaf(W.issuer, extensions=[forge.must_staple(*features)])).must_staple is expected


BROKEN = {
    "empty": b"",
    "not der": b"certificate",
    "cut": W.leaf.der[:-1],
    "trailing": W.leaf.der + b"\0",
    "a response": forge.response(),
    "a key": forge.public_key_info(W.leaf.key),
    "serial not minimal": forge.leaf(W.issuer, raw_serial=forge.tlv(0x02, b"\0\5")).der,
    "more behind the signature": forge.sequence(W.leaf.der[4:], forge.NULL),
    "another algorithm outside": W.leaf.der.replace(
        forge.algorithm("ecdsa_sha256"), forge.algorithm("ecdsa_sha384"), 1
    ),
    "duplicate extension": forge.leaf(W.issuer, extensions=[forge.nocheck()] * 2).der,
}


@pytest.mark.parametrize("data", list(BROKEN.values()), ids=list(BROKEN))
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Certificate.from_der(data)


PROPERTIES = (
    "name",
    "public_key",
    "is_ca",
    "may_sign_responses",
    "extended_key_usages",
    "responder_urls",
    "must_staple",
)
STAPLED = forge.leaf(W.issuer, extensions=[*forge.DELEGATE_EXTENSIONS, forge.ocsp_urls(forge.URL), forge.must_staple()])


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, len(STAPLED.der) - 1), st.integers(1, 255))))
def test_nothing_but_malformed_is_raised(damage: t.Union[bytes, tuple[int, int]]) -> None:
    data = bytearray(damage) if isinstance(damage, bytes) else bytearray(STAPLED.der)
    if isinstance(damage, tuple):
        data[damage[0]] ^= damage[1]
    try:
        certificate = Certificate.from_der(bytes(data))
    except MalformedError:
        return
    for attribute in PROPERTIES:
        with contextlib.suppress(MalformedError):
            getattr(certificate, attribute)


# Loading -----------------------------------------------------------------------------------------

TEXT = b"subject=CN = leaf.example.com\n    Signature Algorithm: ecdsa-with-SHA256\n"
KEY = forge.private_pem(W.leaf.key)
LOADED = {
    "der": (W.leaf.der, [W.leaf]),
    "pem": (W.leaf.pem, [W.leaf]),
    "pem without a last newline": (W.leaf.pem.rstrip(), [W.leaf]),
    "bundle": (W.leaf.pem + W.issuer.pem + W.root.pem, [W.leaf, W.issuer, W.root]),
    "text around": (TEXT + W.leaf.pem + b"\n\n" + TEXT + W.issuer.pem + TEXT, [W.leaf, W.issuer]),
    "crlf": (
        forge.armour(W.leaf.der, newline=b"\r\n") + forge.armour(W.issuer.der, newline=b"\r\n"),
        [W.leaf, W.issuer],
    ),
    "byte order mark": (b"\xef\xbb\xbf" + W.leaf.pem, [W.leaf]),
    "one long line": (W.leaf.pem.replace(b"\n", b"").replace(b"CERTIFICATE-----M", b"CERTIFICATE-----\nM"), [W.leaf]),
    "old label": (forge.armour(W.leaf.der, "X509 CERTIFICATE"), [W.leaf]),
    "key in front": (KEY + W.leaf.pem + W.issuer.pem, [W.leaf, W.issuer]),
    "key behind": (W.leaf.pem + KEY, [W.leaf]),
    "one twice": (W.leaf.pem + W.leaf.pem, [W.leaf, W.leaf]),
}


@pytest.mark.parametrize("data, entities", list(LOADED.values()), ids=list(LOADED))
def test_load(data: bytes, entities: list[forge.Entity]) -> None:
    assert ders(x509.load_certificates(data, "certificate_path")) == [entity.der for entity in entities]


NOT_LOADED = {
    "empty": b"",
    "white space": b" \r\n\t\n",
    "text": b"there is nothing here\n",
    "key": KEY,
    "request": forge.armour(W.leaf.der, "CERTIFICATE REQUEST"),
    "response": forge.armour(forge.response(), "OCSP RESPONSE"),
    "response as der": forge.response(),
    "der cut": W.leaf.der[:-1],
    "der with something behind": W.leaf.der + b"\0",
    "pem cut": W.leaf.pem[:200],
    "pem without an end": W.leaf.pem.replace(b"-----END CERTIFICATE-----", b""),
    "no base64": b"-----BEGIN CERTIFICATE-----\n!!!! not base64 !!!!\n-----END CERTIFICATE-----\n",
    "wrong padding": W.leaf.pem.replace(b"\n-----END", b"A\n-----END"),
    "empty block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "block in a block": b"-----BEGIN CERTIFICATE-----\n" + W.leaf.pem,
    "second one damaged": W.leaf.pem + W.issuer.pem.replace(b"MII", b"MIX", 1),
    "html": b"<html><body>404</body></html>",
}


@pytest.mark.parametrize("data", list(NOT_LOADED.values()), ids=list(NOT_LOADED))
def test_not_loaded(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        x509.load_certificates(data, "certificate_path (/etc/x.pem)")
    assert caught.value.code == "bad_input"
    assert caught.value.message.startswith("certificate_path (/etc/x.pem)")
    assert "PRIVATE" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (W.leaf.pem.decode().encode("utf-16"), "UTF-16"),
        (W.leaf.pem.replace(b"\n", b"\\n"), r"two characters '\\n'"),
        (forge.armour(forge.sequence(forge.oid("1.2.840.113549.1.7.2")), "PKCS7"), "openssl pkcs7 -print_certs"),
        (forge.sequence(forge.oid("1.2.840.113549.1.7.2")), "openssl pkcs7 -inform DER -print_certs"),
    ],
)
def test_other_formats_are_named(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^the chain .*{sentence}"):
        x509.load_certificates(data, "the chain")


@pytest.mark.parametrize(
    "data",
    [
        W.leaf.pem[:-30],
        W.leaf.pem + W.issuer.pem[:-30],
        W.leaf.pem + W.issuer.pem[:-1].replace(b"-----END CERTIFICATE-----", b""),
        W.leaf.pem.replace(b"-----END CERTIFICATE-----\n", b"") + W.issuer.pem,
        W.leaf.pem + b"-----BEGIN CERTIFICATE-----\n",
    ],
)
def test_a_certificate_that_is_cut_off_is_not_passed_over(data: bytes) -> None:
    """Or a chain would be served without it."""
    with pytest.raises(InputError, match=r"^fullchain\.pem contains a truncated certificate; copy the whole file"):
        x509.load_certificates(data, "fullchain.pem")


def test_a_store_of_certificates_is_no_chain() -> None:
    with pytest.raises(InputError, match="the chain contains 501 certificates, more than 500; give those that are ne"):
        x509.load_certificates(W.leaf.pem * 501, "the chain")
    assert len(x509.load_certificates(W.leaf.pem * 500, "the chain")) == 500


def test_a_key_is_called_a_key() -> None:
    with pytest.raises(InputError, match="private key"):
        x509.load_certificates(KEY, "certificate_path")


# The certificate to ask about --------------------------------------------------------------------


def test_find_leaf_in_any_order() -> None:
    for bundle in itertools.permutations((W.leaf, W.issuer, W.root)):
        assert x509.find_leaf(certs(*bundle), "x").der == W.leaf.der


def test_find_leaf_alone_or_twice() -> None:
    assert x509.find_leaf(certs(W.leaf), "x").der == W.leaf.der
    assert x509.find_leaf(certs(W.leaf, W.leaf, W.issuer), "x").der == W.leaf.der


def test_find_leaf_takes_a_self_signed_certificate_that_stands_alone() -> None:
    assert x509.find_leaf(certs(W.root), "x").der == W.root.der


@pytest.mark.parametrize("chain", [[W.issuer], [W.issuer, W.root]], ids=["intermediate", "chain"])
def test_find_leaf_refuses_a_chain_without_the_certificate(chain: list[forge.Entity]) -> None:
    with pytest.raises(InputError, match=r"^certificate_path contains only CA certificates, such as CN=Issuing CA"):
        x509.find_leaf(certs(*chain), "certificate_path")


def test_a_certificate_with_what_openssl_trusts_it_for() -> None:
    trusted = forge.armour(W.leaf.der + forge.sequence(forge.sequence(forge.oid(forge.SERVER_AUTH))), TRUSTED)
    (found,) = x509.load_certificates(trusted, "x")
    assert found.der == W.leaf.der


def test_a_block_that_may_be_a_certificate_is_not_passed_over() -> None:
    misspelt = forge.armour(W.leaf.der, "CERTIFICAT")
    with pytest.raises(InputError, match=r"^certificate_path contains a PEM block 'CERTIFICAT'"):
        x509.load_certificates(misspelt + W.issuer.pem, "certificate_path")


def test_find_leaf_among_issuers_without_basic_constraints() -> None:
    # The roots of old private PKIs are X.509 v1.
    old_root = forge.authority("Old root", extensions=[])
    leaf = forge.leaf(old_root)
    assert x509.find_leaf(certs(leaf, old_root), "x").der == leaf.der


@pytest.mark.parametrize("version", [3, 255])
def test_version_that_x509_does_not_have(version: int) -> None:
    data = W.leaf.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)
    with pytest.raises(MalformedError, match="version"):
        x509.Certificate.from_der(data)


def with_behind_key(extra: bytes) -> forge.Entity:
    """A certificate with more between its key and its extensions."""

    def reshape(tbs: bytes) -> bytes:
        fields = [forge.tlv(*field) for field in forge.elements(forge.elements(tbs)[0][1])]
        return forge.sequence(*fields[:-1], extra, fields[-1])

    return forge.leaf(W.issuer, reshape=reshape)


ISSUER_IDENTIFIER, SUBJECT_IDENTIFIER = forge.tlv(0x81, b"\4\xf0"), forge.tlv(0x82, b"\0")


@pytest.mark.parametrize(
    "identifiers", [b"", ISSUER_IDENTIFIER, SUBJECT_IDENTIFIER, ISSUER_IDENTIFIER + SUBJECT_IDENTIFIER]
)
def test_unique_identifiers(identifiers: bytes) -> None:
    assert cert(with_behind_key(identifiers)).extensions.keys() == cert(W.leaf).extensions.keys()


@pytest.mark.parametrize(
    "identifiers",
    [
        *(forge.tlv(tag, content) for tag in (0x81, 0x82) for content in (b"", b"\x08\0", b"\1", b"\1\1")),
        2 * ISSUER_IDENTIFIER,
        2 * SUBJECT_IDENTIFIER,
        SUBJECT_IDENTIFIER + ISSUER_IDENTIFIER,
        forge.tlv(0xA1, forge.bits(b"x")),
    ],
)
def test_unique_identifiers_that_are_no_bit_strings(identifiers: bytes) -> None:
    with pytest.raises(MalformedError):
        cert(with_behind_key(identifiers))


@pytest.mark.parametrize("parameters", [forge.NULL + forge.NULL, b"\x30\2\0", forge.tlv(2)])
def test_a_key_of_an_unknown_kind_is_read_over_as_a_whole(parameters: bytes) -> None:
    """OpenSSL refuses the certificate, and all that it is in."""
    key = forge.sequence(forge.sequence(forge.oid(forge.UNKNOWN_OID), parameters), forge.bits(b"key"))
    with pytest.raises(MalformedError):
        cert(forge.leaf(W.issuer, raw_key=key))


def test_find_leaf_refuses_to_choose() -> None:
    sibling = forge.leaf(W.issuer, "sibling.example.com", serial=0x1001)
    with pytest.raises(InputError, match=r"^certificate_path .*leaf\.example\.com.*sibling\.example\.com") as caught:
        x509.find_leaf(certs(W.leaf, sibling, W.issuer), "certificate_path")
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize("dotted", ["1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24", "2.5.29.19"])
def test_find_leaf_refuses_a_broken_extension(dotted: str) -> None:
    leaf = forge.leaf(W.issuer, extensions=[forge.extension(dotted, b"\x30\x05broke")])
    with pytest.raises(InputError, match=r"^certificate_path"):
        x509.find_leaf(certs(leaf), "certificate_path")


# Its issuer --------------------------------------------------------------------------------------


def issuer_of(leaf: forge.Entity, candidates: t.Sequence[forge.Entity], roots: t.Sequence[forge.Entity] = ()) -> bytes:
    return x509.find_issuer(cert(leaf), certs(*candidates), certs(*roots), "issuer_path").der


def mismatch(leaf: forge.Entity, candidates: t.Sequence[forge.Entity], roots: t.Sequence[forge.Entity] = ()) -> str:
    with pytest.raises(InputError) as caught:
        issuer_of(leaf, candidates, roots)
    assert caught.value.code == "issuer_mismatch"
    assert "issuer_path" in caught.value.message
    return caught.value.message


def test_find_issuer_in_any_order() -> None:
    for chain in itertools.permutations((W.leaf, W.issuer, W.root, OTHER_ROOT, W.delegate)):
        assert issuer_of(W.leaf, chain) == W.issuer.der


def test_find_issuer_by_key() -> None:
    leaf = forge.leaf(NAMESAKE)
    for candidates in itertools.permutations((W.issuer, NAMESAKE)):
        assert issuer_of(W.leaf, candidates) == W.issuer.der
        assert issuer_of(leaf, candidates) == NAMESAKE.der


def test_find_issuer_with_a_root_of_the_same_name() -> None:
    # A self-signed CA of which a cross-certificate exists: either will do, both have the key.
    crossed = forge.authority(W.issuer.subject, OTHER_ROOT, private_key=W.issuer.key, serial=0x99)
    assert issuer_of(W.leaf, [crossed, W.issuer]) in (crossed.der, W.issuer.der)
    assert issuer_of(W.leaf, [crossed, W.issuer], [W.root]) == W.issuer.der
    assert issuer_of(W.leaf, [crossed, W.issuer], [OTHER_ROOT]) == crossed.der


MISMATCHES = {
    "the root": (W.leaf, [W.root]),
    "same name, other key": (W.leaf, [NAMESAKE]),
    "same key, other name": (W.leaf, [forge.authority("Another CA", private_key=W.issuer.key)]),
    "broken signature": (forge.leaf(W.issuer, flip_signature=True), [W.issuer]),
    "signed by another key": (forge.leaf(W.issuer, signer_key=OTHER_KEY), [W.issuer]),
    "key of another kind": (
        W.leaf,
        [forge.authority(W.issuer.subject, W.root, private_key=forge.key("rsa2048", "other"))],
    ),
}


def test_a_candidate_whose_key_cannot_be_read_is_passed_over() -> None:
    no_key = forge.sequence(forge.sequence(forge.oid("1.2.840.113549.1.1.1"), forge.NULL), forge.bits(b"no key"))
    broken = forge.authority(W.issuer.subject, W.root, raw_key=no_key, serial=0x24)
    assert "RSA public key: " in mismatch(W.leaf, [broken])
    for candidates in itertools.permutations((broken, W.issuer)):
        assert issuer_of(W.leaf, candidates) == W.issuer.der


@pytest.mark.parametrize("candidates", [[], [W.leaf]], ids=["nothing", "the leaf alone"])
def test_issuer_missing(candidates: list[forge.Entity]) -> None:
    with pytest.raises(InputError, match=r"^issuer_path .*CN=Issuing CA"):
        issuer_of(W.leaf, candidates)


def test_an_issuer_is_not_looked_for_among_more_than_a_chain_has() -> None:
    with pytest.raises(InputError, match="contains 101 certificates, too many to look for an issuer among them"):
        issuer_of(W.leaf, [W.issuer] * 101)
    assert issuer_of(W.leaf, [W.issuer] * 100) == W.issuer.der


@pytest.mark.parametrize("leaf, candidates", list(MISMATCHES.values()), ids=list(MISMATCHES))
def test_issuer_mismatch(leaf: forge.Entity, candidates: list[forge.Entity]) -> None:
    mismatch(leaf, candidates)


SCHEMES = [
    ("rsa2048", "rsa_sha1"),
    ("rsa2048", "rsa_md5"),
    ("rsa1024", "rsa_sha256"),
    ("rsa2048", "pss_sha256"),
    ("rsa2048", "pss_sha1"),
    ("p384", "ecdsa_sha384"),
    ("p521", "ecdsa_sha1"),
    ("ed25519", "ed25519"),
    ("ed448", "ed448"),
]


@pytest.mark.parametrize("kind, scheme", SCHEMES)
def test_how_the_leaf_is_signed_is_not_judged(kind: str, scheme: str) -> None:
    issuer = forge.world(kind).issuer
    assert issuer_of(forge.leaf(issuer, scheme=scheme), [issuer]) == issuer.der


@pytest.mark.parametrize(
    "kind, scheme",
    [
        ("rsa2048", "rsa_sha224"),
        ("rsa2048", "pss_sha256_salt20"),
        ("rsa2048", "pss_sha256_salt222"),
        ("rsa2048", "pss_sha256_mgfsha1"),
        ("p256", "ecdsa_sha224"),
        ("p224", "ecdsa_sha256"),
        ("secp256k1", "ecdsa_sha256"),
    ],
)
def test_uncommon_schemes_on_the_leaf_are_not_judged_either(kind: str, scheme: str) -> None:
    issuer = forge.world(kind).issuer
    assert issuer_of(forge.leaf(issuer, scheme=scheme), [issuer]) == issuer.der


# Names -------------------------------------------------------------------------------------------

SAME = {
    "equal": (forge.name("CA"), forge.name("CA")),
    "other string type": (forge.name("CA"), forge.name("CA", tag=forge.PRINTABLE_STRING)),
    "other case": (forge.name("Issuing CA"), forge.name("ISSUING ca")),
    "other white space": (forge.name("Issuing  CA "), forge.name(" Issuing CA")),
}
_ATTRIBUTES = [forge.sequence(forge.oid(f"2.5.4.{number}"), forge.tlv(0x0C, b"x")) for number in (3, 10)]


def _of_sets(*sets: t.Sequence[bytes]) -> bytes:
    return forge.sequence(*(forge.tlv(0x31, *attributes) for attributes in sets))


SAME["other order in a set"] = (_of_sets(_ATTRIBUTES), _of_sets(_ATTRIBUTES[::-1]))
DIFFERENT = {
    "value": (forge.name("CA"), forge.name("CB")),
    "organization": (forge.name("CA"), forge.name("CA", "Other")),
    "fewer parts": (forge.name("CA"), forge.sequence(forge.name("CA")[2 + 14 + 2 :])),
    "empty": (forge.name("CA"), forge.sequence()),
    "no name": (forge.name("CA"), forge.NULL),
    "attribute twice": (_of_sets(_ATTRIBUTES[:1]), _of_sets(_ATTRIBUTES[:1] * 2)),
    # OpenSSL knows no more of these than ASCII has, and its clients do not find the issuer.
    "case of other letters": (forge.name("\u00dcber CA"), forge.name("\u00fcber CA")),
    # It compares digits that are a type of their own as they stand there.
    "digits": (forge.name("123", tag=0x12), forge.name("123", tag=forge.PRINTABLE_STRING)),
    "no break space": (forge.name("Issuing CA"), forge.name("Issuing\u00a0CA")),
}


@pytest.mark.parametrize("one, other", list(SAME.values()), ids=list(SAME))
def test_same_name(one: bytes, other: bytes) -> None:
    assert all(x509.same_name(*names) for names in ((one, other), (other, one)))


@pytest.mark.parametrize("one, other", list(DIFFERENT.values()), ids=list(DIFFERENT))
def test_different_name(one: bytes, other: bytes) -> None:
    assert not any(x509.same_name(*names) for names in ((one, other), (other, one)))


def test_an_issuer_whose_name_is_encoded_otherwise() -> None:
    leaf = forge.leaf(W.issuer, issuer_name=forge.name("Issuing CA", tag=forge.PRINTABLE_STRING))
    assert issuer_of(leaf, [W.issuer]) == W.issuer.der


def test_name_text() -> None:
    assert x509.name_text(forge.name("CA")) == "CN=CA,O=Forge"
    hostile = x509.name_text(forge.name("a\x1b[31m\nb\u202e"))
    assert hostile.isprintable()
    assert x509.name_text(b"\x30\x01") == "(unreadable name)"


# Roots -------------------------------------------------------------------------------------------

SUB_CA = forge.authority("Sub CA", W.issuer, serial=0x30)
SUB_LEAF = forge.leaf(SUB_CA)


def test_the_issuer_chains_to_a_root() -> None:
    assert issuer_of(W.leaf, [W.issuer], [W.root]) == W.issuer.der
    assert issuer_of(W.leaf, [W.issuer], [OTHER_ROOT, W.root]) == W.issuer.der
    assert issuer_of(W.leaf, [W.issuer], [W.issuer]) == W.issuer.der
    root_leaf = forge.leaf(W.root)
    assert issuer_of(root_leaf, [W.root], [W.root]) == W.root.der


def test_the_issuer_chains_through_others() -> None:
    for candidates in itertools.permutations((SUB_CA, W.issuer, OTHER_ROOT)):
        assert issuer_of(SUB_LEAF, candidates, [W.root]) == SUB_CA.der
    mismatch(SUB_LEAF, [SUB_CA], [W.root])


def test_the_issuer_chains_to_no_root() -> None:
    assert "root_path" in mismatch(W.leaf, [W.issuer], [OTHER_ROOT])
    mismatch(W.leaf, [W.issuer, W.root], [OTHER_ROOT])
    same_name = forge.authority(W.root.subject, private_key=OTHER_KEY)
    mismatch(W.leaf, [W.issuer], [same_name])


def test_a_root_that_cannot_be_read_is_no_root() -> None:
    broken = forge.authority(
        W.root.subject, private_key=W.root.key, extensions=[forge.extension("2.5.29.19", b"junk")], serial=2
    )
    mismatch(W.leaf, [W.issuer], [broken])


def test_a_leaf_is_no_step_on_the_way_to_a_root() -> None:
    false_ca = forge.authority("False CA", W.leaf)
    mismatch(forge.leaf(false_ca), [false_ca, W.leaf, W.issuer], [W.root])


def old_root(key: t.Any = None, **options: t.Any) -> forge.Entity:
    """The root of the world as a certificate without extensions."""
    return forge.certificate(W.root.subject, private_key=key or W.root.key, serial=0x31, **options)


ANCHORS = {
    "version 1": old_root(version=1),
    "version 1 written out": old_root(
        version=1, reshape=lambda tbs: forge.sequence(forge.tlv(0xA0, forge.integer(0)), forge.elements(tbs)[0][1])
    ),
    "version 3 without extensions": old_root(),
    "version 3 with a key usage alone": old_root(extensions=[forge.key_usage("key_cert_sign")]),
    "expired": old_root(version=1, not_after=forge.NOW - forge.DAY),
}


@pytest.mark.parametrize("root", list(ANCHORS.values()), ids=list(ANCHORS))
def test_an_anchor_needs_no_extensions(root: forge.Entity) -> None:
    assert issuer_of(W.leaf, [W.issuer], [root]) == W.issuer.der
    assert issuer_of(W.leaf, [W.issuer, root], [OTHER_ROOT, root]) == W.issuer.der
    assert issuer_of(SUB_LEAF, [SUB_CA, W.issuer], [root]) == SUB_CA.der
    direct = forge.leaf(root)
    assert issuer_of(direct, [root], [root]) == root.der
    assert issuer_of(direct, [root]) == root.der


def test_an_anchor_that_is_said_to_be_no_ca_is_none() -> None:
    root = old_root(extensions=[forge.basic_constraints(False)])
    assert "CN=Root,O=Forge, which issued CN=Issuing CA,O=Forge, is not a CA" in mismatch(W.leaf, [W.issuer], [root])


def test_only_an_anchor_may_be_without_extensions() -> None:
    old = forge.certificate("Sub CA", W.issuer, private_key=SUB_CA.key, version=1)
    assert "CN=Sub CA,O=Forge is not a CA" in mismatch(SUB_LEAF, [old, W.issuer], [W.root])
    assert issuer_of(SUB_LEAF, [old, W.issuer], [old]) == old.der


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_twins_and_cross_certificates_in_any_order(order: t.Tuple[int, ...]) -> None:
    cross = forge.authority(W.issuer.subject, OTHER_ROOT, private_key=W.issuer.key, serial=0x32)
    given = [[NAMESAKE, cross, W.issuer][index] for index in order]
    assert issuer_of(W.leaf, given, [W.root]) == W.issuer.der
    assert issuer_of(W.leaf, given, [OTHER_ROOT]) == cross.der
    assert issuer_of(forge.leaf(NAMESAKE), given, [W.root]) == NAMESAKE.der


@pytest.mark.parametrize("before", [[], [W.root], [OTHER_ROOT, W.root, W.leaf]], ids=["first", "second", "last"])
def test_the_ca_of_the_right_name_is_named_before_others(before: list[forge.Entity]) -> None:
    """A CA that changed its key keeps its name; another root says nothing."""
    message = mismatch(W.leaf, [*before, NAMESAKE])
    assert message == (
        "issuer_path does not contain the issuer of CN=leaf.example.com,O=Forge: its signature was not made by the key "
        "of CN=Issuing CA,O=Forge (the certificate of this name that was given has the serial number 21); the CA may "
        "have changed its key, so give the chain that came with CN=leaf.example.com,O=Forge"
    )


def test_where_the_path_ends_is_said() -> None:
    rolled_root = forge.authority(W.root.subject, private_key=OTHER_KEY, serial=0x33)
    for candidates, roots, sentence in (
        ([SUB_CA], [W.root], "the certificate of CN=Issuing CA,O=Forge, which issued CN=Sub CA,O=Forge, is missing"),
        (
            [SUB_CA, NAMESAKE],
            [W.root],
            "was not made by the key of CN=Issuing CA,O=Forge (the certificate of this name",
        ),
        ([SUB_CA, W.issuer], [rolled_root], "was given has the serial number 33); the CA may have changed its key"),
        ([SUB_CA, W.issuer, W.root], [OTHER_ROOT], "the path ends at CN=Root,O=Forge, which signed itself; add it to"),
    ):
        message = mismatch(SUB_LEAF, candidates, roots)
        assert message.startswith(
            "the issuer CN=Sub CA,O=Forge in issuer_path does not chain to any certificate of root"
        )
        assert sentence in message


UNSUPPORTED_KINDS = {
    "DSA (1.2.840.10040.4.1)": forge.sequence(forge.oid("1.2.840.10040.4.1")),
    "ML-DSA-65 (2.16.840.1.101.3.4.3.18)": forge.sequence(forge.oid("2.16.840.1.101.3.4.3.18")),
    "SLH-DSA-SHA2-128s (2.16.840.1.101.3.4.3.20)": forge.sequence(forge.oid("2.16.840.1.101.3.4.3.20")),
    "1.2.3.4": forge.sequence(forge.oid("1.2.3.4")),
}


@pytest.mark.parametrize("kind", UNSUPPORTED_KINDS)
def test_an_issuer_of_a_kind_that_is_not_supported_is_called_so(kind: str) -> None:
    """It may well be the issuer, whatever stands before it in the file."""
    key = forge.sequence(UNSUPPORTED_KINDS[kind], forge.bits(b"key"))
    issuer = forge.authority(W.issuer.subject, W.root, raw_key=key, serial=0x34)
    for candidates in ([issuer], [W.root, issuer], [W.leaf, OTHER_ROOT, issuer]):
        with pytest.raises(InputError) as caught:
            issuer_of(W.leaf, candidates)
        assert caught.value.code == "unsupported_key"
        assert f"this kind of key is not supported: {kind}; have the CA reissue it" in caught.value.message
        assert caught.value.message.startswith(
            "issuer_path contains the issuer of CN=leaf.example.com,O=Forge, but its "
        )


@pytest.mark.parametrize("curve", ["1.3.36.3.3.2.8.1.1.8", "1.3.36.3.3.2.8.1.1.14", "1.2.156.10197.1.301"])
def test_a_curve_that_is_not_supported_is_called_so(curve: str) -> None:
    algorithm = forge.sequence(forge.oid("1.2.840.10045.2.1"), forge.oid(curve))
    issuer = forge.authority(W.issuer.subject, W.root, raw_key=forge.sequence(algorithm, forge.bits(b"\4" + bytes(64))))
    with pytest.raises(InputError, match=r"the elliptic curve .* is not supported; have the CA reissue it") as caught:
        issuer_of(W.leaf, [issuer])
    assert caught.value.code == "unsupported_key"


@pytest.mark.parametrize(
    "urls, expected", [(("",), []), ((" ", ""), []), (("", "http://a.example"), ["http://a.example"])]
)
def test_an_empty_url_is_none(urls: tuple[str, ...], expected: list[str]) -> None:
    assert cert(forge.leaf(W.issuer, extensions=[forge.ocsp_urls(*urls)])).responder_urls == expected


def test_a_circle_ends() -> None:
    one_key, two_key = forge.key("p256", "one"), forge.key("p256", "two")
    one = forge.authority("One", private_key=one_key, signer_key=two_key, issuer_name=forge.name("Two"))
    two = forge.authority("Two", private_key=two_key, signer_key=one_key, issuer_name=forge.name("One"))
    mismatch(forge.leaf(one), [one, two], [W.root])


def test_a_kind_of_key_that_nobody_can_check_is_not_said_to_be_another_key() -> None:
    private = dsa.generate_private_key(1024)
    key = forge.public_key_info(private)
    issuer = forge.certificate("DSA CA", private_key=private, raw_key=key, signer_key=forge.key())
    leaf = forge.leaf(forge.authority("DSA CA"))
    problem = x509.issuance_problem(Certificate.from_der(leaf.der), Certificate.from_der(issuer.der))
    assert problem == (
        "its signature cannot be checked with the key of CN=DSA CA,O=Forge: this kind of key is not supported: "
        "DSA (1.2.840.10040.4.1)"
    )


@pytest.mark.parametrize(("octets", "readable"), [(20, True), (64, True), (65, False), (100_000, False)])
def test_serial_numbers_are_bounded(octets: int, readable: bool) -> None:
    """CAs may use 20 octets. Python would refuse to write a long one in decimal, wherever it is shown."""
    number = (1 << 8 * octets) - 1
    data = forge.leaf(forge.world().issuer, serial=number).der
    if readable:
        assert Certificate.from_der(data).serial_number == number
        return
    with pytest.raises(MalformedError, match=r"^certificate: serial number of more than 64 octets$"):
        Certificate.from_der(data)


def test_certificates_are_bounded() -> None:
    """TLS software reads none that is half as large."""
    small, large = (
        forge.leaf(forge.world().issuer, extensions=[forge.extension("1.2.3", bytes(size))]).der
        for size in (250_000, 270_000)
    )
    assert Certificate.from_der(small).der == small
    with pytest.raises(MalformedError, match=r"^certificate: 27\d{4} octets, more than 262144$"):
        Certificate.from_der(large)


def urls_of(*urls: str) -> t.List[str]:
    return Certificate.from_der(
        forge.leaf(forge.world().issuer, extensions=[forge.ocsp_urls(*urls)]).der
    ).responder_urls


def test_responder_urls_are_fit_to_be_shown_and_asked() -> None:
    assert urls_of("http://a/\x1b]0;owned\x07", "http://b/\r\nX: y", "http://c/\x00") == [
        "http://a/\\x1b]0;owned\\x07",
        "http://b/\\r\\nX: y",
        "http://c/\\x00",
    ]
    assert urls_of(*(f"http://{index}/" for index in range(6_000))) == [f"http://{index}/" for index in range(8)]
    assert urls_of("http://a/" + "x" * 3000, "http://b/") == ["http://b/"]
    assert urls_of("http://a/" + "\x1b" * 1000, "http://b/") == ["http://b/"]
