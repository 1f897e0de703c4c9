# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user wants deployed: from the options of a task to bytes and numbers, or one sentence."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import PARTS, Wanted, read_wanted
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, Refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store.sets import Access
from ansible_collections.certops.ocsp.tests.unit.fleet import Fleet

SHARED: t.Dict[str, t.Any] = {
    "services": ["nginx"],
    "owner": str(os.geteuid()),
    "group": str(os.getegid()),
    "mode": "0400",
    "staple": True,
    "options": {},
    "source": None,
    "remote_source": False,
    "part": None,
    "service_settings": {},
}
KEY, CERTIFICATE = "the key", "the certificate"


def one(name: str = "example.com", **given: t.Any) -> t.Dict[str, t.Any]:
    """An entry as Ansible gives it: each option is there, and None where the user left it out."""
    values: t.Dict[str, t.Any] = dict.fromkeys(
        ["names", "services", "owner", "group", "mode", "staple", "options", "source"]
    )
    values.update(dict.fromkeys(["response_content", "responder_urls"]))
    values.update(dict.fromkeys(f"{part}_{kind}" for part in PARTS for kind in ("path", "src", "content")))
    return {**values, "name": name, "private_key_content": KEY, "certificate_content": CERTIFICATE, **given}


def read(*entries: t.Dict[str, t.Any], **shared: t.Any) -> t.List[Wanted]:
    found, faults, _missing, _flawed = read_wanted({**SHARED, **shared, "certificates": list(entries)}, Fleet())
    if faults:
        raise Refusal(faults)
    return found


def test_what_an_entry_leaves_out_is_the_default_of_all() -> None:
    (plain,) = read(one(), options={"timeout": 5})
    assert plain.names == ("example.com",) and plain.services == plain.kinds == ("nginx",)
    assert plain.access == Access(os.geteuid(), os.getegid(), 0o400)
    assert plain.options == {"timeout": 5} and plain.staple
    (other,) = read(
        one(mode="0440", staple=False, services=[], options={"retries": 0}, responder_urls=["http://x/"], names=[]),
        options={"timeout": 5},
    )
    assert other.access.mode == 0o440 and not other.staple and other.services == other.names == ()
    assert other.options == {"timeout": 5, "retries": 0, "responder_urls": ["http://x/"]}


def test_files_are_named_as_the_user_named_them(tmp_path: Path) -> None:
    key = tmp_path / "my.key"
    key.write_text("from a file")
    given = one(private_key_content=None, private_key_path=str(key), certificate_src="files/my.pem")
    sources = read(given)[0].sources
    assert sources.key == b"from a file" and sources.certificate == CERTIFICATE.encode()
    assert sources.where["key"] == f"private_key_path: {key}" and sources.where["certificate"] == "files/my.pem"


def test_a_folder_on_the_host_is_searched_by_name(tmp_path: Path) -> None:
    for suffix, content in ((".key", "k"), ("-fullchain.pem", "f"), ("-rootchain.pem", "r")):
        (tmp_path / f"example.com{suffix}").write_text(content)
    given = one(private_key_content=None, certificate_content=None)
    sources = read(given, source=str(tmp_path), remote_source=True)[0].sources
    assert sources[:4] == (b"k", b"f", b"f", b"r")
    assert sources.where["chain"] == str(tmp_path / "example.com-fullchain.pem")
    (tmp_path / "example.com.key").unlink()
    (tmp_path / "example.com-fullchain.pem").unlink()
    no_files = (
        f"there is no private key: {tmp_path} contains no example.com.key; there is no certificate: {tmp_path} "
        "contains no example.com.pem or example.com-fullchain.pem"
    )
    for folder, told in {tmp_path: no_files, tmp_path / "a": f"there is no folder {tmp_path}/a on this host"}.items():
        with pytest.raises(InputError, match=rf"example\.com: {re.escape(told)}$"):
            read(given, source=str(folder), remote_source=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
@pytest.mark.parametrize("by_path", [False, True])
def test_a_link_of_a_tenant_leads_to_no_key_of_root(by_path: bool, tmp_path: Path) -> None:
    key, folder = tmp_path / "bank.key", tmp_path / "tenant"
    key.write_text("the key of the bank")
    folder.mkdir()
    (folder / "example.com.key").symlink_to(key)
    (folder / "example.com.pem").write_text(CERTIFICATE)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 61234, 61234, follow_symlinks=False)
    paths = {
        f"{part}_path": f"{folder}/example.com{end}" for part, end in (("private_key", ".key"), ("certificate", ".pem"))
    }
    given = one(private_key_content=None, certificate_content=None, **(paths if by_path else {}))
    with pytest.raises(InputError, match=r"example\.com\.key is reached by a symbolic link"):
        read(given, source=str(folder), remote_source=True)


def test_two_entries_of_a_name_are_one_with_the_services_of_both() -> None:
    (both,) = read(one(services=["nginx"]), one(services=["exim", "nginx"]))
    assert both.services == ("nginx", "exim")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "*.example.com"}, r"name: '\*\.example\.com' is not a valid name for a set"),
        ({"mode": "rw"}, r'mode: \'rw\' is not an octal number; write it as a string such as "0400"'),
        ({"owner": "no-such-user"}, "the owner of the private key: there is no user .no-such-user."),
        ({"options": {"timout": 1}}, "options: 'timout' is not an option; did you mean timeout?"),
        (
            {"private_key_content": None},
            "there is no private key: private_key_path, private_key_src or private_key_content is missing",
        ),
        ({"private_key_path": "/x"}, "private_key_path and private_key_content are mutually exclusive"),
        ({"chain_path": "/nonexistent"}, "chain_path: /nonexistent does not exist"),
        (
            {"names": ["ok.example.com", "x\n}"]},
            r"names: 'x\?}' is neither a host name nor an IP address; ",
        ),
        ({"services": ["../../x"]}, r"services: '\.\./\.\./x' is not a valid service name; use letters"),
        ({"root_src": "x"}, "root_src is read on the controller, but was not; report this as a bug"),
    ],
)
def test_what_cannot_be_used_is_said_with_the_name_of_the_certificate(given: t.Dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^nothing was changed: .*example.com: {sentence}"):
        read(one(**given))


@pytest.mark.parametrize(
    "other", [{"mode": "0440"}, {"staple": False}, {"options": {"timeout": 3}}, {"private_key_content": "another"}]
)
def test_two_entries_that_contradict_each_other_are_refused(other: t.Dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="it is listed twice, with different"):
        read(one(), one(**other))
