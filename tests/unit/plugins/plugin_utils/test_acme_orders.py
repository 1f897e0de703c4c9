# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps between what is due and what is in use, with the words of a CA as community.crypto passes them on."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils import _renewal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import path as paths
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import load_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import ari
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time
from ansible_collections.certops.ocsp.plugins.plugin_utils import (
    _acme_answers,
    _acme_folder,
    _acme_keys,
    _acme_orders,
    _acme_plan,
)
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request
from ansible_collections.certops.ocsp.tests.unit import acme_settings, forge
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NAME = "www.example.test"
URN = "urn:ietf:params:acme:error:"
SETTINGS = dict(acme_settings.SETTINGS)
REQUEST = Request(NAME, ("example.test", NAME), "http-01", "ecdsa-p256", "", "", False, True, ("web1", "web2"))
FIRST = {"name": NAME, "reason": "missing", "cert_id": "", "supports_ari": False, "urgent": True, "not_after": None}
RENEWAL = {**FIRST, "reason": "ari", "cert_id": "aki.serial", "supports_ari": True, "urgent": False}
RENEWAL["not_after"] = "2026-05-02T05:06:07Z"


class Authority:
    """A CA that signs whatever it is asked for."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key.public_key(), NOW - 400 * DAY, NOW + 400 * DAY)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True)
        self.pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, subject: x509.Name, key: t.Any, start: datetime, end: datetime, serial: int | None = None
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        number = serial or x509.random_serial_number()
        return builder.serial_number(number).not_valid_before(start).not_valid_after(end)

    def issue(
        self,
        csr: bytes,
        names: t.Sequence[str] | None = None,
        start: datetime = NOW,
        serial: int | None = None,
        responder: str = "",
    ) -> bytes:
        request = x509.load_pem_x509_csr(csr)
        builder = self._builder(x509.Name([]), request.public_key(), start - DAY, start + 89 * DAY, serial)
        for one in request.extensions:
            value: t.Any = one.value
            if names and isinstance(value, x509.SubjectAlternativeName):
                value = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(value, one.critical)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        if responder:
            place = x509.UniformResourceIdentifier(responder)
            access = x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, place)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + self.pem


CA = Authority("Example Root")


@pytest.fixture
def folder(tmp_path: Path) -> _acme_folder.Folder:
    return _acme_folder.Folder(str(tmp_path / "files"), SETTINGS["directory"])


def batch(folder: _acme_folder.Folder, verdict: t.Any = None, **request: t.Any) -> _acme_orders.Batch:
    """One certificate whose key and request are on disk."""
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests = {NAME: dataclasses.replace(REQUEST, **request)}
    found.verdicts = {NAME: verdict or FIRST}
    found.prepare(None, bytes, read_key)
    return found


def read_key(path: str) -> bytes:
    return Path(path).read_bytes()


def item(found: _acme_orders.Batch) -> dict[str, t.Any]:
    (one,) = found.result()["begun"] + found.result()["create"]
    return dict(one)


def created(found: _acme_orders.Batch, kind: str = "http-01") -> None:
    """The CA creates the order."""
    answer = {
        "resource": ".well-known/acme-challenge/token",
        "resource_value": "answer",
        "record": f"_acme-challenge.{NAME}",
    }
    challenge = {"identifier": NAME, "challenges": {kind: answer}}
    found.take_orders([{"item": item(found), "order_uri": "https://ca/1", "challenge_data": [challenge]}])


def issued(found: _acme_orders.Batch, fullchain: bytes | None = None, roots: t.Sequence[paths.Given] = ()) -> None:
    chain = fullchain or CA.issue(item(found)["csr"].encode())
    found.take_certificates([{"item": item(found), "selected_chain": {"full_chain": chain.decode()}}], roots, read_key)


def failed(found: _acme_orders.Batch, kind: str, detail: str = "no", status: int = 403) -> dict[str, t.Any]:
    problem = {"type": f"{URN}{kind}", "detail": detail}
    text = f'Failed for https://ca/1 with status {status}. Error {URN}{kind}: "{detail}".'
    return {"item": item(found), "msg": text, "other": {"http_status": status, "problem": problem}}


def test_all_is_on_disk_before_the_next_step(folder: _acme_folder.Folder) -> None:
    found = batch(folder)
    assert (folder.pending(NAME, "key.pem") or b"").startswith(b"-----BEGIN PRIVATE KEY")
    assert item(found)["csr"].startswith("-----BEGIN CERTIFICATE REQUEST") and found.result()["begun"] == []
    created(found)
    assert folder.order(NAME)["uri"] == "https://ca/1"
    assert [one["host"] for files in found.result()["files"].values() for one in files] == ["web1", "web2"]
    key = folder.pending(NAME, "key.pem")
    issued(found)
    assert found.installed == [NAME] and folder.has(NAME) and folder.current(NAME, "key.pem") == key
    assert folder.order(NAME) == {} and folder.state(NAME)["directory"] == SETTINGS["directory"]


def test_a_renewal_is_another_set_though_its_ca_gives_it_the_same_number(folder: _acme_folder.Folder) -> None:
    for verdict in (FIRST, RENEWAL):
        found = batch(folder, verdict)
        created(found)
        key, chain = folder.pending(NAME, "key.pem"), CA.issue(item(found)["csr"].encode(), serial=4711)
        issued(found, chain)
        assert found.installed == [NAME] and folder.current(NAME, "fullchain.pem") == chain.replace(CA.pem, b"")
        assert folder.current(NAME, "key.pem") == key


def test_what_hosts_could_not_staple_is_not_put_into_use(folder: _acme_folder.Folder) -> None:
    """They would deploy nothing else with it."""
    found = batch(folder)
    created(found)
    chain = CA.issue(item(found)["csr"].encode(), responder="http://ocsp.example")
    issued(found, chain.replace(CA.pem, b""))
    assert "without the certificate of its issuer CN=Example Root" in found.problems[NAME].message
    assert not folder.has(NAME)


def test_an_order_of_which_the_certificate_is_refused_is_not_taken_up_for_ever(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA gives the same each time. For a day, whoever made a mistake in the settings can mend that."""
    found = batch(folder)
    created(found)
    unfit = CA.issue(item(found)["csr"].encode(), responder="http://ocsp.example").replace(CA.pem, b"")
    issued(found, unfit)

    def is_taken_up(hours: int, force: bool = False) -> bool:
        monkeypatch.setitem(globals(), "NOW", found.now + timedelta(hours=hours))
        monkeypatch.setitem(SETTINGS, "force", [NAME] if force else [])
        following = batch(folder)
        if not following.result()["begun"]:
            return False
        issued(following, unfit)
        return True

    assert [is_taken_up(hours) for hours in (0, 12, 23, 25)] == [True, True, True, False]
    created(batch(folder))
    issued(batch(folder), unfit)
    assert not is_taken_up(26, force=True)


@pytest.mark.parametrize(("status", "days"), [("pending", 1), ("ready", 1), ("processing", 7)])
def test_an_order_that_never_ends_is_given_up(
    status: str, days: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CA that has lost it may well fulfil another one; where people look at orders, that takes some days."""
    begun = batch(folder)
    created(begun)
    lost = {"failed": True, "msg": "x", "other": {"http_status": 500}}

    def is_taken_up(hours: float, force: bool = False) -> bool:
        monkeypatch.setitem(globals(), "NOW", begun.now + timedelta(hours=hours))
        monkeypatch.setitem(SETTINGS, "force", [NAME] if force else [])
        following = batch(folder)
        if not item(following)["uri"]:
            return False
        following.take_orders([{"item": item(following), "order": {"status": status}}])
        following.take_certificates([{"item": item(following), **lost}], (), lambda path: Path(path).read_bytes())
        return True

    assert [is_taken_up(hours) for hours in (0, 12, 24 * days - 1)] == [True] * 3
    assert not is_taken_up(24 * days + 1)
    created(batch(folder))
    assert is_taken_up(24 * days + 2) and not is_taken_up(24 * days + 3, force=True)


ROOT = forge.authority("Root")
MIDDLE = forge.authority("Middle", ROOT, private_key=forge.key("rsa1024", "middle"))
ISSUER = forge.authority("Issuer", ROOT)
UNKNOWN = ISSUER._replace(der=ISSUER.der.replace(forge.oid("1.2.840.10045.4.3.2"), forge.oid("1.2.840.10045.4.3.9")))
ENDING = forge.authority("Issuer", ROOT, not_after=NOW + timedelta(minutes=59))
#: What the CA makes of a request beside its names and key: options of ``forge.certificate``, and the chain.
UNFIT: dict[str, tuple[dict[str, t.Any], tuple[forge.Entity, ...], str]] = {
    "a digest that servers do not load": (
        {"scheme": "ecdsa_sha1"},
        (ISSUER,),
        "servers would not load the certificate (empty name), which the CA issued: it is signed with SHA1",
    ),
    "a CA key that servers do not load": (
        {"issuer": forge.authority("Below", MIDDLE)},
        (forge.authority("Below", MIDDLE), MIDDLE),
        "servers would not load the certificate CN=Middle,O=Forge, which the CA issued: its key has 1024 bits",
    ),
    "an algorithm that servers do not know": (
        {},
        (UNKNOWN,),
        "servers would not load the certificate CN=Issuer,O=Forge, which the CA issued: the signature algorithm ",
    ),
    "extensions of a version without": (
        {"version": 1},
        (ISSUER,),
        "which the CA issued: it has extensions, though it is of version 1, which GnuTLS refuses",
    ),
    "an identifier that GnuTLS does not read": (
        {"more": [forge.extension(f"2.25.{2**127}", forge.NULL)]},
        (ISSUER,),
        "of which a number has more than 64 bits, which GnuTLS does not read",
    ),
    "a common name for all": (
        {"subject": forge.name("*")},
        (ISSUER,),
        "is for * by its common name, which was not ordered",
    ),
    "a life that is over before it is deployed": (
        {"not_after": NOW + timedelta(minutes=59)},
        (ISSUER,),
        "ends with its chain at 2026-03-04T06:05:07Z, before all hosts can have it",
    ),
    "a chain that is over before it is deployed": (
        {"issuer": ENDING},
        (ENDING,),
        "ends with its chain at 2026-03-04T06:05:07Z, before all hosts can have it",
    ),
    "a common name of others": (
        {"subject": forge.name("Bank.example.test")},
        (ISSUER,),
        "is for bank.example.test by its common name, which was not ordered",
    ),
    "a common name that ends for C programs": (
        {"subject": forge.name("bank.example.test\0.com")},
        (ISSUER,),
        "is for bank.example.test by its common name, which was not ordered",
    ),
    "a key usage that servers do not use": (
        {"more": [forge.key_usage("key_agreement")]},
        (ISSUER,),
        "lacks digitalSignature, without which servers refuse TLS 1.2",
    ),
    "more octets than clients read": (
        {"more": [forge.extension(forge.UNKNOWN_OID, bytes(103_000))]},
        (ISSUER,),
        "and clients with OpenSSL read no more than 102400",
    ),
}


@pytest.mark.parametrize("stapled", [True, False])
@pytest.mark.parametrize("place", ["issuer", "above", "root"])
@pytest.mark.parametrize("kind", ["brainpool", "secp256k1", "p224", "ed25519", "ed448"])
def test_ca_keys_that_some_host_cannot_check_are_not_put_into_use(
    folder: _acme_folder.Folder, kind: str, place: str, stapled: bool
) -> None:
    """On such a host there is no path to a CA, and it would deploy nothing at all."""
    keys = {place: forge.key(kind, place)}
    root = forge.authority("Root", private_key=keys.get("root"))
    above = forge.authority("Above", root, private_key=keys.get("above"))
    issuer = forge.authority("Issuer", above, private_key=keys.get("issuer"))
    found = batch(folder, stapled=stapled)
    created(found)
    roots = [paths.Given(one, "roots.pem") for one in load_certificates(root.pem, "roots.pem")]
    issued(found, forged(found, (issuer, above, root), issuer=issuer), roots if place == "root" else ())
    name = {"issuer": "Issuer", "above": "Above", "root": "Root"}[place]
    sentence = f"some hosts cannot check what CN={name},O=Forge signed, and would deploy nothing: "
    assert sentence in found.problems[NAME].message and not folder.has(NAME)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa4096"])
def test_ca_keys_of_usual_kinds_are_fine(folder: _acme_folder.Folder, kind: str) -> None:
    root = forge.authority("Root", private_key=forge.key(kind, "root"))
    issuer = forge.authority("Issuer", root, private_key=forge.key(kind, "issuer"))
    found = batch(folder)
    created(found)
    issued(found, forged(found, (issuer, root), issuer=issuer))
    assert found.installed == [NAME], found.problems


def test_a_root_that_hosts_are_not_given_may_have_any_key(folder: _acme_folder.Folder) -> None:
    root = forge.authority("Root", private_key=forge.key("brainpool", "root"))
    issuer = forge.authority("Issuer", root)
    found = batch(folder)
    created(found)
    issued(found, forged(found, (issuer, root), issuer=issuer))
    assert found.installed == [NAME] and folder.current(NAME, "rootchain.pem") is None, found.problems


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_what_would_keep_all_else_from_going_live_is_not_put_into_use(folder: _acme_folder.Folder, name: str) -> None:
    options, chain, sentence = UNFIT[name]
    found = batch(folder, stapled=False)
    created(found)
    issued(found, forged(found, chain, **options))
    assert sentence in found.problems[NAME].message and not folder.has(NAME)


def test_what_openssl_does_not_load_is_not_put_into_use(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that nothing here knows of."""
    monkeypatch.setattr(paths.readability, "check", lambda _certificate: None)
    found = batch(folder, stapled=False)
    created(found)
    issued(found, forged(found, (ISSUER,), more=[forge.extension("2.5.29.30", forge.NULL)]))
    assert "cannot load the certificate (empty name)" in found.problems[NAME].message and not folder.has(NAME)


def forged(found: _acme_orders.Batch, chain: t.Sequence[forge.Entity] = (ISSUER,), **options: t.Any) -> bytes:
    """What a CA issues that keeps to no rules."""
    extensions = [
        forge.basic_constraints(False),
        forge.extended_key_usage(forge.SERVER_AUTH),
        forge.subject_alt_name(*REQUEST.names),
        *options.pop("more", ()),
    ]
    given = {"subject": forge.sequence(), "issuer": ISSUER, "extensions": extensions, **options}
    key = _acme_keys.public_key(item(found)["csr"].encode())
    return b"".join(one.pem for one in (forge.certificate(raw_key=key, **given), *chain))


def test_a_common_name_that_was_ordered_is_fine(folder: _acme_folder.Folder) -> None:
    for subject in (forge.name(NAME), forge.name("WWW.example.test"), forge.name("An Organization"), forge.sequence()):
        found = batch(folder, RENEWAL, stapled=False)
        created(found)
        issued(found, forged(found, subject=subject))
        assert found.installed == [NAME], found.problems


@pytest.mark.parametrize("reason", ["expired", "unreadable", "key_mismatch", "names_differ"])
def test_hosts_are_not_given_what_cannot_be_deployed_while_its_ca_refuses(
    folder: _acme_folder.Folder, reason: str
) -> None:
    """A host on which it is not live would deploy nothing else with it."""
    found = batch(folder, RENEWAL)
    created(found)
    issued(found)
    assert found.is_fit(NAME)
    found = batch(folder, {**RENEWAL, "supports_ari": False, "reason": reason})
    found.take_orders([failed(found, "rejectedIdentifier")])
    assert NAME in found.problems and folder.has(NAME) and not found.is_fit(NAME)
    found = batch(folder, {**RENEWAL, "reason": reason})
    created(found)
    issued(found)
    assert found.is_fit(NAME)


def test_a_certificate_that_is_still_good_is_deployed_while_its_ca_refuses(folder: _acme_folder.Folder) -> None:
    found = batch(folder, RENEWAL)
    created(found)
    issued(found)
    for reason in ("lifetime", "ari", "revoked", "forced", "other_directory"):
        assert batch(folder, {**RENEWAL, "reason": reason}).is_fit(NAME)


def test_a_responder_that_is_configured_needs_the_issuer_too(folder: _acme_folder.Folder) -> None:
    found = batch(folder, responder=True)
    created(found)
    issued(found, CA.issue(item(found)["csr"].encode()).replace(CA.pem, b""))
    assert "without the certificate of its issuer CN=Example Root" in found.problems[NAME].message
    again = batch(folder, responder=True, must_staple=True)
    created(again)
    issued(again)
    assert again.installed == [NAME]


def test_without_a_staple_the_issuer_need_not_be_known(folder: _acme_folder.Folder) -> None:
    for changed, responder in (({"stapled": False}, "http://ocsp.example"), ({}, "")):
        found = batch(folder, RENEWAL, **changed)
        created(found)
        issued(found, CA.issue(item(found)["csr"].encode(), responder=responder).replace(CA.pem, b""))
        assert found.installed == [NAME]


def test_what_demands_stapling_has_a_responder(folder: _acme_folder.Folder) -> None:
    """The next plan would be refused otherwise, with all other certificates of the play."""
    found = batch(folder, must_staple=True)
    created(found)
    issued(found)
    assert "demands stapling and has no OCSP responder" in found.problems[NAME].message and not folder.has(NAME)
    again = batch(folder, must_staple=True)
    issued(again, CA.issue(item(again)["csr"].encode(), responder="http://ocsp.example"))
    assert again.installed == [NAME]


def test_another_run_takes_up_the_same_order_and_key(folder: _acme_folder.Folder) -> None:
    created(batch(folder))
    key = folder.pending(NAME, "key.pem")
    again = batch(folder)
    assert item(again)["uri"] == "https://ca/1" and folder.pending(NAME, "key.pem") == key
    again.take_orders([{"item": item(again), "order": {"status": "valid"}}])
    assert not item(again)["unanswered"] and again.result()["files"] == {}


@pytest.mark.parametrize("new_key", [True, False])
def test_an_order_that_is_done_is_not_taken_up(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch, new_key: bool
) -> None:
    """A run that was killed when all but this was done."""
    for verdict in (FIRST, {**RENEWAL, "reason": "lifetime"}):
        found = batch(folder, verdict, new_key=new_key)
        assert item(found)["uri"] == ""
        created(found)
        assert not folder.is_done(NAME)
        with monkeypatch.context() as context:
            context.setattr(folder, "forget_order", lambda name: None)
            issued(found)
        assert found.installed == [NAME] and folder.order(NAME)["uri"] and folder.is_done(NAME)


def test_an_order_is_not_done_before_all_files_lead_to_what_it_brought(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed just after the switch: to order once more counts for the limit of the CA."""

    def killed(_name: str) -> t.NoReturn:
        raise KeyboardInterrupt

    found = batch(folder)
    created(found)
    chain = CA.issue(item(found)["csr"].encode())
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(folder, "_link", killed)
        issued(found, chain)
    assert not folder.has(NAME) and not folder.is_done(NAME)
    again = batch(folder)
    assert item(again)["uri"] == "https://ca/1"
    issued(again, chain)
    assert again.installed == [NAME] and folder.has(NAME)


@pytest.mark.parametrize(
    "change", [{"names": (NAME,)}, {"key_type": "ecdsa-p384"}, {"must_staple": True}, {"profile": "x"}]
)
def test_an_order_for_something_else_is_not_taken_up(folder: _acme_folder.Folder, change: t.Any) -> None:
    created(batch(folder))
    assert item(batch(folder, **change))["uri"] == ""


def test_an_order_that_the_ca_gave_up_or_forgot_is_made_anew_with_the_same_key(folder: _acme_folder.Folder) -> None:
    for answer in ({"order": {"status": "invalid"}}, {"msg": "gone", "other": {"http_status": 404}}):
        created(batch(folder))
        key, found = folder.pending(NAME, "key.pem"), batch(folder)
        found.take_orders([{"item": item(found), **answer}])
        assert item(found)["uri"] == "" and folder.pending(NAME, "key.pem") == key and found.problems == {}


def test_an_order_that_cannot_be_looked_up_now_is_kept(folder: _acme_folder.Folder) -> None:
    created(batch(folder))
    found = batch(folder)
    found.take_orders([{"item": item(found), "msg": "away", "other": {"http_status": -1}}])
    assert found.problems[NAME].passing and folder.order(NAME)["uri"] == "https://ca/1"


@pytest.mark.parametrize(("kind", "status"), [("alreadyReplaced", 409), ("malformed", 400), ("serverInternal", 500)])
def test_what_is_not_replaced_is_ordered_once_more_like_a_first_one(
    kind: str, status: int, folder: _acme_folder.Folder
) -> None:
    """Pebble fails with serverInternal where the serial number of the certificate begins with a bit that is set."""
    found = batch(folder, RENEWAL)
    assert item(found)["replaces"] == "aki.serial"
    found.take_orders([failed(found, kind, status=status)])
    assert item(found)["replaces"] == "" and found.problems == {}
    found = _acme_orders.Batch(folder, SETTINGS, NOW).load(found.result())
    found.take_orders([failed(found, "rejectedIdentifier")])
    assert NAME in found.problems


def test_a_limit_of_the_ca_is_not_tried_a_second_time(folder: _acme_folder.Folder) -> None:
    found = batch(folder, RENEWAL)
    found.take_orders([failed(found, "rateLimited", "too many", 429)])
    (problem,) = found.result()["problems"]
    assert problem["warning"] and problem["hosts"] == ["web1", "web2"]
    assert problem["sentence"] == (
        f"{NAME} was not renewed: the CA says: too many (rateLimited); the certificate in use and its chain are valid "
        "until 2026-05-02T05:06:07Z (59 days)"
    )
    found.settings = {**SETTINGS, "force": [NAME]}
    assert not found.result()["problems"][0]["warning"], "it was asked for by its name"
    late = batch(folder, {**RENEWAL, "urgent": True})
    late.take_orders([failed(late, "rateLimited", "too many", 429)])
    assert not late.result()["problems"][0]["warning"]


@pytest.mark.parametrize(
    ("reason", "place"),
    [("missing", "there is no certificate for it yet"), ("unreadable", "the certificate in place cannot be read")],
)
def test_what_is_in_place_is_told_where_nothing_is_known_of_it(
    folder: _acme_folder.Folder, reason: str, place: str
) -> None:
    found = batch(folder, {**FIRST, "reason": reason})
    found.take_orders([failed(found, "rateLimited", "too many", 429)])
    sentence = f"{NAME} was not obtained: the CA says: too many (rateLimited); {place}"
    assert found.result()["problems"][0]["sentence"] == sentence


def test_nothing_replaces_a_certificate_of_another_ca(folder: _acme_folder.Folder) -> None:
    assert item(batch(folder, {**RENEWAL, "reason": "other_directory"}))["replaces"] == ""


@pytest.mark.parametrize(
    "form",
    [
        'Failed to validate challenge for dns:{name}: Status is "invalid". Challenge http-01: {error}.',
        (
            "Some of the authorizations for the order are in a bad state, so the order can no longer be satisfied: "
            "dns:{name} (status='invalid'; Challenge http-01: {error})"
        ),
    ],
)
def test_a_challenge_that_failed_ends_the_order_and_keeps_the_set(folder: _acme_folder.Folder, form: str) -> None:
    first = batch(folder)
    created(first)
    issued(first)
    before = folder.current(NAME, "cert.pem")
    found = batch(folder, RENEWAL)
    created(found)
    detail = "Invalid response from http://www.example.test/.well-known/acme-challenge/x: 404"
    text = form.format(name=NAME, error=f'Error {URN}unauthorized: "{detail}"')
    found.take_certificates([{"item": item(found), "msg": text, "other": {}}], [], read_key)
    said = found.result()["problems"][0]
    assert "the CA says: www.example.test: Invalid response from http://" in said["sentence"]
    assert "404 (unauthorized)" in said["sentence"] and not said["warning"]
    assert folder.order(NAME)["uri"] == "" and folder.current(NAME, "cert.pem") == before


@pytest.mark.parametrize(
    "answer",
    [
        {"msg": "Task failed: Timed out after 300 second(s).", "timedout": {"period": 300}},
        {"msg": "Failed to connect", "other": {"http_status": -1}},
        {"msg": f'Error {URN}orderNotReady: "wait"', "other": {"http_status": 403}},
        {"msg": f'Error {URN}serverInternal: "oops"', "other": {"http_status": 500}},
    ],
)
def test_an_order_that_may_have_succeeded_is_looked_up_by_the_next_run(
    folder: _acme_folder.Folder, answer: dict[str, t.Any]
) -> None:
    found = batch(folder)
    created(found)
    found.take_certificates([{"item": item(found), **answer}], [], read_key)
    assert found.problems[NAME].passing and folder.order(NAME)["uri"] == "https://ca/1"


def test_what_is_not_as_it_was_ordered_is_not_used(folder: _acme_folder.Folder) -> None:
    other_key = _acme_keys.new_request(_acme_keys.new_key("ecdsa-p256"), REQUEST.names, False)
    stranger = Authority("Stranger")
    roots = [paths.Given(one, "roots.pem") for one in load_certificates(stranger.pem, "roots.pem")]
    csr = item(batch(folder))["csr"].encode()
    for fullchain, given, chain, sentence in (
        (CA.issue(other_key), [], "", "what the CA issued is for another key"),
        (CA.issue(csr, [NAME]), [], "", f"what the CA issued is not for example.test, {NAME}"),
        (CA.issue(csr, start=NOW - 200 * DAY), [], "", "the certificate was not put into use"),
        (CA.issue(csr), roots, "", "the certificate was not put into use"),
        (CA.issue(csr), [], "Nobody", "the CA offers no chain to Nobody (it ends at CN=Example Root)"),
        (b"nonsense", [], "", "what the CA issued"),
    ):
        found = batch(folder, chain=chain)
        if not item(found)["uri"]:
            created(found)
        issued(found, fullchain, given)
        assert sentence in found.problems[NAME].message and not folder.has(NAME)
    # It is the same order all the time, counted once.
    assert len(folder.state(NAME)["obtained"]) == 1


AHEAD = forge.authority("Issuer", ROOT, not_before=NOW + timedelta(minutes=4))


@pytest.mark.parametrize(
    ("options", "chain"),
    [
        ({"not_before": NOW + timedelta(seconds=61)}, (ISSUER,)),
        ({"not_before": NOW + timedelta(minutes=5)}, (ISSUER,)),
        ({"issuer": AHEAD}, (AHEAD,)),
    ],
)
def test_what_has_not_begun_waits_for_the_next_run(
    folder: _acme_folder.Folder, options: dict[str, t.Any], chain: tuple[forge.Entity, ...]
) -> None:
    """A host whose clock is somewhat behind would refuse all others with it."""
    found = batch(folder, RENEWAL, stapled=False)
    created(found)
    fullchain = forged(found, chain, **options)
    issued(found, fullchain)
    assert "is not valid before 2026-03-04T05:" in found.problems[NAME].message and not folder.has(NAME)
    assert found.problems[NAME].passing and folder.order(NAME)["uri"] == "https://ca/1"
    later = batch(folder, RENEWAL, stapled=False)
    later.now = NOW + timedelta(minutes=5)
    issued(later, fullchain)
    assert later.installed == [NAME]


def test_a_clock_of_a_ca_may_be_somewhat_ahead(folder: _acme_folder.Folder) -> None:
    found = batch(folder, stapled=False)
    created(found)
    issued(found, forged(found, not_before=NOW + timedelta(seconds=60)))
    assert found.installed == [NAME]


SHORT = forge.authority("Short", ROOT, not_after=NOW + 20 * DAY)


@pytest.mark.parametrize("known", [None, RENEWAL["not_after"], "2026-03-24T05:06:07Z", "2026-03-24T05:06:06Z"])
@pytest.mark.parametrize("reason", ["missing", "expired", "names_differ", "forced", "lifetime", "ari", "interrupted"])
def test_a_chain_that_ends_first_replaces_nothing_that_can_be_used_longer(
    folder: _acme_folder.Folder, reason: str, known: str | None
) -> None:
    """What ends with its chain is the certificate for clients and hosts, whatever it says itself."""
    found = batch(folder, {**RENEWAL, "reason": reason, "not_after": known}, stapled=False)
    created(found)
    issued(found, forged(found, (SHORT,), issuer=SHORT))
    end = "the CA certificate CN=Short,O=Forge in its chain expires at 2026-03-24T05:06:07Z"
    if reason in ("lifetime", "ari", "interrupted") and known in (RENEWAL["not_after"], "2026-03-24T05:06:07Z"):
        assert end in found.problems[NAME].message and found.problems[NAME].passing and found.warnings == []
        assert not folder.has(NAME) and folder.order(NAME)["uri"] == "", "another order may bring another chain"
    else:
        assert found.installed == [NAME] and len(found.warnings) == 1
        assert f"{NAME} can be used until 2026-03-24T05:06:07Z only, as {end}" in found.warnings[0]


@pytest.mark.parametrize(("age", "is_due"), [(35, False), (45, True)])
def test_a_chain_with_which_a_certificate_is_due_at_once_replaces_none_that_can_be_used(
    folder: _acme_folder.Folder, age: int, is_due: bool
) -> None:
    """Each run would order another one."""
    found = batch(folder, {**RENEWAL, "not_after": "2026-03-10T05:06:07Z"}, stapled=False)
    created(found)
    issued(found, forged(found, (SHORT,), issuer=SHORT, not_before=NOW - age * DAY))
    assert (NAME in found.problems, found.installed) == ((True, []) if is_due else (False, [NAME]))


def test_a_certificate_that_ends_before_its_chain_needs_no_warning(folder: _acme_folder.Folder) -> None:
    found = batch(folder, RENEWAL, stapled=False)
    created(found)
    issued(found, forged(found, (SHORT,), issuer=SHORT, not_after=NOW + 20 * DAY))
    assert found.installed == [NAME] and found.warnings == []


def test_hosts_are_not_given_a_certificate_whose_chain_has_ended(folder: _acme_folder.Folder) -> None:
    """A host on which it is not live would deploy nothing else with it, until it is due by its own age."""
    found = batch(folder, stapled=False)
    created(found)
    issued(found, forged(found, (SHORT,), issuer=SHORT))
    assert found.is_fit(NAME)
    (question,) = _acme_plan.questions([REQUEST], folder, SETTINGS, {})
    for days, reason, is_fit in ((1, "not_due", True), (15, "lifetime", True), (20, "expired", False)):
        later = NOW + days * DAY
        candidate = _renewal.read_candidate(question)
        (verdict,) = _renewal.decide_all([candidate], ari.Suggestions(), 0.33, SETTINGS["directory"], later)
        assert verdict["reason"] == reason
        again = batch(folder, verdict, stapled=False)
        again.take_orders([failed(again, "rejectedIdentifier")])
        assert again.is_fit(NAME) is is_fit


@pytest.mark.parametrize("step", ["prepare", "install"])
def test_a_file_that_cannot_be_written_is_a_problem_of_its_certificate_alone(
    folder: _acme_folder.Folder, step: str
) -> None:
    """As where something else has the place of a file."""
    other = "shop.example.test"
    place = Path(folder.pending_path(other)) if step == "prepare" else Path(folder.flat(other, "cert.pem"))
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder belongs") if step == "prepare" else place.mkdir()
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests = {one: dataclasses.replace(REQUEST, name=one) for one in (other, NAME)}
    found.verdicts = {one: {**FIRST, "name": one} for one in (other, NAME)}
    found.prepare(None, bytes, read_key)
    orders = found.result()["create"]
    chains = [CA.issue(one["csr"].encode()).decode() for one in orders]
    found.take_certificates(
        [{"item": one, "selected_chain": {"full_chain": chain}} for one, chain in zip(orders, chains)], (), read_key
    )
    assert found.installed == [NAME] and folder.has(NAME)
    assert str(place) in found.problems[other].message and "cannot be used: " in found.problems[other].message
    assert not found.problems[other].passing


@pytest.mark.parametrize("note", ["state", "order", "key"])
def test_what_cannot_be_read_is_a_problem_of_its_certificate_alone(folder: _acme_folder.Folder, note: str) -> None:
    other = "shop.example.test"
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests = {one: dataclasses.replace(REQUEST, name=one, new_key=note != "key") for one in (other, NAME)}
    found.verdicts = {one: {**(FIRST if one == NAME else RENEWAL), "name": one} for one in (other, NAME)}
    places = {
        "state": f"{folder.path}/.acme/state/{other}.json",
        "order": folder.pending_path(other, "order.json"),
        "key": folder.flat(other, "key.pem"),
    }
    Path(places[note]).mkdir(parents=True)
    found.prepare(None, bytes, read_key)
    assert [one["name"] for one in found.result()["create"]] == [NAME]
    assert f"{places[note]} cannot be used: " in found.problems[other].message


def test_what_was_put_into_use_is_told_although_the_disk_is_full_by_then(
    folder: _acme_folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "shop.example.test"
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests = {one: dataclasses.replace(REQUEST, name=one) for one in (NAME, other)}
    found.verdicts = {one: {**FIRST, "name": one} for one in (NAME, other)}
    found.prepare(None, bytes, read_key)
    write = _acme_folder.Folder.write

    def full(self: _acme_folder.Folder, path: str, content: bytes) -> None:
        if other in path:
            raise OSError(28, "No space left on device", path)
        write(self, path, content)

    results = [
        {"item": one, "selected_chain": {"full_chain": CA.issue(one["csr"].encode()).decode()}}
        for one in found.result()["create"]
    ]
    monkeypatch.setattr(_acme_folder.Folder, "write", full)
    found.take_certificates(results, (), read_key)
    assert found.result()["installed"] == [NAME] and "No space left" in found.problems[other].message


def test_a_root_that_is_given_is_written(folder: _acme_folder.Folder) -> None:
    found = batch(folder, chain="Example Root")
    created(found)
    issued(found, roots=[paths.Given(one, "x") for one in load_certificates(CA.pem, "x")])
    assert (folder.current(NAME, "rootchain.pem") or b"").endswith(CA.pem)


def test_an_issuer_that_is_not_served_is_written_for_the_staple(folder: _acme_folder.Folder) -> None:
    """A CA that signed itself may issue, and hosts would deploy nothing without what the staple is checked with."""
    found = batch(folder)
    created(found)
    issued(found, CA.issue(item(found)["csr"].encode(), responder="http://ocsp.example"))
    assert found.installed == [NAME]
    files = {file: folder.current(NAME, file) for file in ("key.pem", "fullchain.pem", "chain.pem", "rootchain.pem")}
    where = dict.fromkeys(("key", "certificate", "chain", "root"), "file")
    sources = material.Sources(
        files["key.pem"], files["fullchain.pem"], files["chain.pem"], files["rootchain.pem"], where
    )
    deployed = material.read_material(NAME, sources, NOW)
    assert material.issuer_problem(deployed) == "" and material.examine(deployed, REQUEST.names).problems == ()


def test_the_weekly_limit_counts_all_certificates_for_the_same_names(folder: _acme_folder.Folder) -> None:
    def obtained(directory: str, *days: int, names: t.Sequence[str] = REQUEST.names) -> t.Any:
        like = {"directory": directory, "names": list(names), "order": "x"}
        return [{"at": format_time(NOW - number * DAY), **like} for number in days]

    own = SETTINGS["directory"]
    folder.note("other", obtained=[*obtained(own, 8, 6, 2), *obtained(own, 1, 1, 1, names=[NAME])])
    folder.note("third", obtained=obtained("https://staging/", 1, 1, 1))
    assert batch(folder).problems == {}
    folder.note(NAME, obtained=obtained(own, 1))
    found = batch(folder)
    assert found.problems[NAME].message == (
        "3 certificates were obtained within 7 days for example.test, www.example.test, and "
        "acme_certificates_weekly_limit allows 3; the next one is allowed from 2026-03-05T05:06:07Z on, or at once in "
        "a run with -e acme_certificates_weekly_limit=4"
    )
    folder.note("fourth", obtained=obtained(own, 1))
    assert batch(folder).problems[NAME].message.startswith("4 certificates were obtained within 7 days for ")
    assert "acme_certificates_weekly_limit allows 3; " in batch(folder).problems[NAME].message


def limited(folder: _acme_folder.Folder, verdict: t.Any) -> _acme_orders.Batch:
    """A batch whose certificate was obtained as often as its limit allows."""
    like = {"directory": SETTINGS["directory"], "names": list(REQUEST.names), "order": "x"}
    folder.note(NAME, obtained=[{"at": format_time(NOW), **like}] * 3)
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests, found.verdicts = {NAME: REQUEST}, {NAME: verdict}
    return found


def test_that_a_certificate_was_revoked_is_said_first(folder: _acme_folder.Folder) -> None:
    found = limited(folder, {**RENEWAL, "reason": "revoked", "msg": "its CA revoked it on 2026-03-04T05:00:00Z"})
    found.prepare(None, bytes, read_key)
    said = found.result()["problems"][0]["sentence"]
    assert said.startswith(
        f"{NAME} was not renewed, although its CA revoked it on 2026-03-04T05:00:00Z: 3 certificates"
    )


def test_check_mode_foresees_the_limit_and_changes_nothing(folder: _acme_folder.Folder) -> None:
    found = limited(folder, RENEWAL)
    before = {path: path.read_bytes() for path in Path(folder.path).rglob("*") if path.is_file()}
    assert found.foresee() == []
    (problem,) = found.result()["problems"]
    assert problem["sentence"].startswith(f"{NAME} would not be renewed: 3 certificates were obtained")
    assert not problem["warning"]
    found = limited(folder, RENEWAL)
    found.settings = {**SETTINGS, "weekly_limit": 4}
    assert found.foresee() == [NAME] and found.problems == {}
    assert before == {path: path.read_bytes() for path in Path(folder.path).rglob("*") if path.is_file()}


def test_an_order_that_was_begun_is_foreseen_beyond_the_limit(folder: _acme_folder.Folder) -> None:
    created(batch(folder, RENEWAL))
    assert limited(folder, RENEWAL).foresee() == [NAME]


def test_a_key_is_kept_where_that_is_wanted_but_not_for_what_was_revoked(folder: _acme_folder.Folder) -> None:
    first = batch(folder)
    created(first)
    issued(first)
    key = folder.current(NAME, "key.pem")
    for reason, kept in (("ari", True), ("revoked", False), ("key_type_differs", False), ("lifetime", True)):
        folder.forget_order(NAME)
        batch(folder, {**RENEWAL, "reason": reason}, new_key=False)
        assert (folder.pending(NAME, "key.pem") == key) is kept, reason


def test_an_order_for_a_key_that_was_revoked_since_is_not_taken_up(folder: _acme_folder.Folder) -> None:
    """A CA may leave one pending and revoke the certificate then."""
    created(batch(folder, new_key=False))
    issued(batch(folder, new_key=False))
    key = folder.current(NAME, "key.pem")
    created(batch(folder, RENEWAL, new_key=False))
    assert folder.pending(NAME, "key.pem") == key
    found = batch(folder, {**RENEWAL, "reason": "revoked"}, new_key=False)
    assert folder.pending(NAME, "key.pem") != key and item(found)["uri"] == ""
    created(found)
    again = batch(folder, {**RENEWAL, "reason": "revoked"}, new_key=False)
    assert item(again)["uri"] == "https://ca/1", "that of the new key"


def test_a_key_that_is_kept_is_encrypted_where_keys_are(folder: _acme_folder.Folder) -> None:
    """The user may have put it there in the clear: what the role writes is in the vault all the same."""
    own = _acme_keys.new_key(REQUEST.key_type)
    folder.write(folder.flat(NAME, "key.pem"), own)
    found = _acme_orders.Batch(folder, SETTINGS, NOW)
    found.requests = {NAME: dataclasses.replace(REQUEST, new_key=False)}
    found.verdicts = {NAME: {**RENEWAL, "reason": "lifetime"}}
    found.prepare(None, lambda key: b"vaulted " + key[:4], read_key)
    assert folder.pending(NAME, "key.pem") == b"vaulted ----"


def test_values_of_a_record_are_merged_and_go_where_an_alias_says(folder: _acme_folder.Folder) -> None:
    found = batch(folder, challenge="dns-01")
    created(found, "dns-01")
    found.settings = {**SETTINGS, "dns_alias": {f"_acme-challenge.{NAME}": "x.auth.test"}}
    assert found.result()["records"] == [
        {"record": f"_acme-challenge.{NAME}", "target": "x.auth.test", "values": ["answer"]}
    ]
    found.block([], "no such zone")
    assert found.problems[NAME].message == "its DNS records could not be set: no such zone"


def test_a_challenge_that_is_not_offered_is_one_sentence(folder: _acme_folder.Folder) -> None:
    found = batch(folder)
    created(found, "dns-01")
    (problem,) = found.result()["problems"]
    assert f"the CA does not offer http-01 for {NAME} (it offers: dns-01)" in problem["message"]
    assert found.result()["begun"] == []


def test_answers_can_be_given_in_one_place(folder: _acme_folder.Folder) -> None:
    found = batch(folder)
    created(found)
    found.settings = {**SETTINGS, "http_hosts": ["front"]}
    assert {host: [one["host"] for one in files] for host, files in found.result()["files"].items()} == {
        "web1": ["front"]
    }


def test_the_ca_is_asked_last_for_what_failed_last(folder: _acme_folder.Folder) -> None:
    found = batch(folder)
    first = next(iter(found.requests))
    for name in ("b.example.com", "c.example.com"):
        found.requests[name] = dataclasses.replace(found.requests[first], name=name)
        found.verdicts[name] = {**found.verdicts[first], "name": name}
    folder.note(first, error="the CA did not finish within 300 seconds")
    folder.note("b.example.com", error=_acme_answers.NOT_ASKED_WHY)
    assert [one["name"] for one in found.result()["create"]] == ["b.example.com", "c.example.com", first]


def test_what_the_ca_had_no_time_for_is_left_for_the_next_run(folder: _acme_folder.Folder) -> None:
    found = batch(folder)
    created(found)
    uri = item(found)["uri"]
    found.take_certificates([{**_acme_answers.NOT_ASKED, "item": item(found)}], [], read_key)
    (problem,) = found.problems.values()
    assert problem.passing and "the next run goes on" in problem.message
    assert folder.order(next(iter(found.requests)))["uri"] == uri


def test_a_request_has_what_was_asked_for() -> None:
    for key_type in ("ecdsa-p256", "ecdsa-p384", "rsa-2048"):
        request = x509.load_pem_x509_csr(
            _acme_keys.new_request(_acme_keys.new_key(key_type), ["*.a.test", "192.0.2.1"], True)
        )
        value = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert value.critical and [str(one.value) for one in value.value] == ["*.a.test", "192.0.2.1"]
        assert request.extensions.get_extension_for_class(x509.TLSFeature)
