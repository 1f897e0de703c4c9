# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of certificates on the controller: which are decrypted, and that all that is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.certops.ocsp.plugins.plugin_utils._sources import Sources, certificates_of
from ansible_collections.certops.ocsp.tests.unit import forge

PEM = "-----BEGIN X-----\n"
KEY = forge.private_pem(forge.key("rsa2048", "secret")).decode()
VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3031\n"


def as_given(_kind: str, path: str) -> str:
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"a.test.key": VAULTED, "a.test.pem": PEM, "b.test.key": "junk", "b.test.pem": PEM}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_a_file_in_a_vault_is_decrypted(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory: a file of Ansible's, with the key, would stay for the run, and for ever after a kill."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path_factory.mktemp("local")))
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(b"password"))])
    vaulted = VaultLib(loader._vault.secrets).encrypt(f"caf\xe9\n{PEM}".encode("latin-1"))
    (folder / "a.test.key").write_bytes(vaulted)
    (one,), faults = Sources(as_given, loader.get_text_file_contents).complete_all([{"name": "a.test"}], str(folder))
    assert faults == [] and one["private_key_src"] == f"{folder}/a.test.key"
    assert one["private_key_content"] == f"caf\xe9\n{PEM}" and one["certificate_content"] == PEM
    assert not list(Path(constants.DEFAULT_LOCAL_TMP).iterdir()) and not loader._tempfiles


def test_a_vault_that_cannot_be_opened_is_named(folder: Path) -> None:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(b"other"))])
    encrypted = VaultLib([("default", VaultSecret(b"password"))]).encrypt(PEM)
    (folder / "a.test.key").write_bytes(encrypted)
    entries, faults = Sources(as_given, loader.get_text_file_contents).complete_all([{"name": "a.test"}], str(folder))
    assert entries == [] and faults[0].message.startswith(f"a.test: {folder}/a.test.key cannot be decrypted: ")
    assert not faults[0].message.endswith("."), "status goes on after it"
    assert "--ask-vault-pass" not in faults[0].message, "one was given"
    without = DataLoader()
    without.set_vault_secrets([])
    _entries, faults = Sources(as_given, without.get_text_file_contents).complete_all([{"name": "a.test"}], str(folder))
    assert faults[0].message.endswith("; give --vault-password-file or --ask-vault-pass")


@pytest.mark.parametrize("key", [KEY, KEY[:200], KEY[-200:], KEY.replace("-----", "----")])
def test_of_what_lies_together_only_certificates_go_on(key: str) -> None:
    """To responders, and into files: what is no certificate is not looked for, but left where it is."""
    certificate = forge.world().leaf.pem.decode()
    for content in (certificate + key, key + "\n" + certificate):
        found = certificates_of({"certificate_content": content, "chain_content": key})
        assert found in ("", certificate)


def test_who_only_looks_for_files_decrypts_none(folder: Path) -> None:
    (one,), _faults = Sources(as_given).complete_all([{"name": "a.test"}], str(folder))
    assert one["private_key_src"] == f"{folder}/a.test.key"


@pytest.mark.parametrize("decrypts", [False, True])
def test_all_that_is_wrong_is_said(folder: Path, decrypts: bool) -> None:
    sources = Sources(as_given, (lambda path, _encoding: Path(path).read_text()) if decrypts else None)
    completed, faults = sources.complete_all([{"name": name} for name in ("b.test", "c.test", "a.test")], str(folder))
    assert [one["name"] for one in completed] == (["a.test"] if not decrypts else [])
    junk, no_key, no_certificate = (fault.message for fault in faults[:3])
    assert [fault.name for fault in faults[:3]] == ["b.test", "c.test", "c.test"]
    assert junk.startswith(f"b.test: {folder}/b.test.key is not PEM")
    assert no_key == f"c.test: there is no private key: {folder} contains no c.test.key"
    assert no_certificate == f"c.test: there is no certificate: {folder} contains no c.test.pem or c.test-fullchain.pem"


@pytest.mark.parametrize(
    "content, said",
    [
        (forge.world().leaf.der, "is not PEM, but may be DER; convert it with openssl (-inform DER -outform PEM)"),
        (
            b"\x30\x82\x0a\x0a\x02\x01\x03",
            "is not PEM, but may be PKCS#12; take key and certificates out of it with openssl pkcs12",
        ),
        (
            b"\x30\x80\x02\x01\x03",
            "is not PEM, but may be PKCS#12; take key and certificates out of it with openssl pkcs12",
        ),
        (b"\x8f\xaa\1rubbish", "is not PEM; give a file in PEM"),
    ],
)
def test_only_what_can_be_converted_is_to_be_converted(folder: Path, content: bytes, said: str) -> None:
    (folder / "b.test.key").write_bytes(content)
    _completed, faults = Sources(as_given).complete_all([{"name": "b.test"}], str(folder))
    assert faults[0].message == f"b.test: {folder}/b.test.key {said}"


@pytest.mark.parametrize("given", ["private_key", "certificate"])
def test_what_is_not_given_is_found_by_name(folder: Path, given: str) -> None:
    """Also where the key or the certificate is given with another name, or as a content."""
    (folder / "b.test.key").write_text(PEM)
    (folder / "b.test-chain.pem").write_text(PEM)
    (folder / "other").write_text(PEM)
    for one in ({f"{given}_src": f"{folder}/other"}, {f"{given}_content": PEM}):
        (completed,), faults = Sources(as_given).complete_all([{"name": "b.test", **one}], str(folder))
        assert faults == [] and completed["chain_content"] == PEM
        assert all(completed[f"{part}_content"] == PEM for part in ("private_key", "certificate"))
    both = {"name": "b.test", "private_key_content": PEM, "certificate_content": PEM}
    (completed,), faults = Sources(as_given).complete_all([both], str(folder))
    assert faults == [] and "chain_content" not in completed


def test_files_with_the_name_in_capitals_are_named(folder: Path) -> None:
    for suffix in (".key", ".pem"):
        (folder / f"shop.test{suffix}").write_text(PEM)
    _completed, found = Sources(as_given).complete_all([{"name": "Shop.test"}], str(folder))
    assert [fault.message for fault in found] == [
        f"Shop.test: there is no {part}: {folder} contains no Shop.test{files}; it contains shop.test{suffix}, but "
        "file names are case-sensitive"
        for part, files, suffix in (
            ("private key", ".key", ".key"),
            ("certificate", ".pem or Shop.test-fullchain.pem", ".pem"),
        )
    ]


def test_files_that_are_none_are_named(folder: Path) -> None:
    (folder / "b.test.key").write_text("\n")
    (folder / "b.test.pem").unlink()
    (folder / "b.test.pem").mkdir()

    def missing(_kind: str, path: str) -> str:
        if path.startswith("/"):
            return path
        raise AnsibleError("Could not find or access")

    entries = [{"name": "b.test"}, {"name": "c.test", "private_key_src": "c.key", "certificate_src": "c.pem"}]
    _completed, found = Sources(missing).complete_all(entries, str(folder))
    faults = [fault.message for fault in found]
    assert faults[0] == f"b.test: {folder}/b.test.key is empty"
    assert faults[1] == f"b.test: {folder}/b.test.pem is a folder; a file is expected"
    assert faults[2].startswith("c.test: there is no private key c.key on the controller; a relative path is ")
    assert faults[3].startswith("c.test: there is no certificate c.pem on the controller")


def test_what_is_wrong_with_many_in_the_same_way_is_one_fault() -> None:
    def missing(_kind: str, path: str) -> str:
        raise AnsibleError("Could not find or access")

    entries = [{"name": f"{letter}.test"} for letter in "abcde"]
    _completed, (fault,) = Sources(missing).complete_all([*entries, *entries], "tls")
    assert fault.name == "" and fault.message.startswith(
        "5 certificates (a.test, b.test, c.test and 2 more): there is no folder tls on the controller; "
    )
    _completed, (fault,) = Sources(missing).complete_all(entries[:1], "tls")
    assert fault.name == "a.test" and fault.message.startswith("a.test: there is no folder tls on the controller; ")
