# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user may give, what it comes to, and the one sentence that everything else gets."""

from __future__ import annotations

import base64
import errno
import math
import os
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import response as ocsp_response
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.schedule import Renewal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import table
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import (
    CERTIFICATE_LIMIT,
    Options,
    check_options,
    decode_content,
    read_options,
)
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE

W = forge.world()
RESPONSE = forge.response()
OTHER_LEAF = forge.leaf(W.issuer, "other.example.com", serial=2)
SILENT_LEAF = forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)])
STRANGER = forge.authority("Stranger")
#: Its name is that of the issuer, its key is not.
IMPOSTOR = forge.authority("Issuing CA", private_key=forge.key("p256", "impostor"))
CHAIN = (W.leaf.pem + W.issuer.pem).decode()
KEY = forge.private_pem(W.leaf.key)

FILES: t.Dict[str, bytes] = {
    "chain.pem": W.leaf.pem + W.issuer.pem,
    "reversed.pem": W.root.pem + W.issuer.pem + W.leaf.pem,
    "leaf.pem": W.leaf.pem,
    "leaf.der": W.leaf.der,
    "issuer.pem": W.issuer.pem,
    "issuer.der": W.issuer.der,
    "root.pem": W.root.pem,
    "roots.pem": STRANGER.pem + W.root.pem,
    "silent.pem": SILENT_LEAF.pem,
    "stranger.pem": STRANGER.pem,
    "impostor.pem": IMPOSTOR.pem,
    "haproxy.pem": KEY + W.leaf.pem + W.issuer.pem,
    "key.pem": KEY,
    "several.pem": W.leaf.pem + OTHER_LEAF.pem + W.issuer.pem,
    "twice.pem": W.leaf.pem + W.leaf.pem + W.issuer.pem,
    "with-text.pem": b"Subject: leaf\r\n" + W.leaf.pem.replace(b"\n", b"\r\n") + b"\nissuer:\n" + W.issuer.pem,
    "empty.pem": b"",
    "blank.pem": b" \n",
    "garbage.pem": b"hello\xff\x00",
    "request.pem": forge.armour(W.leaf.der, "CERTIFICATE REQUEST"),
    "cut.pem": W.leaf.pem[:-30],
    "cut.der": W.leaf.der[:-30],
    "broken.pem": W.leaf.pem.replace(b"-----BEGIN CERTIFICATE-----\nM", b"-----BEGIN CERTIFICATE-----\n*"),
    "response.der": RESPONSE,
    "response.pem": forge.armour(RESPONSE, "OCSP RESPONSE"),
    "huge.pem": b"\n" * (CERTIFICATE_LIMIT + 1),
    "huge.der": b"\x30" * (ocsp_response.SIZE_LIMIT + 1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificates")
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    (path / "directory").mkdir()
    os.mkfifo(path / "fifo")
    return path


@pytest.fixture(autouse=True)
def in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def read(**values: t.Any) -> Options:
    return read_options({"path": "/etc/ocsp.der", "certificate_path": "chain.pem", **values})


def refusal(**values: t.Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read(**values)
    return caught.value


# Good --------------------------------------------------------------------------------------------


def test_a_path_and_a_chain_are_enough() -> None:
    options = read()
    assert options.path == "/etc/ocsp.der"
    assert options.certificate.der == W.leaf.der
    assert options.target is not None
    assert options.target.certificate is options.certificate
    assert options.target.issuer.der == W.issuer.der
    assert options.responder_urls == (forge.URL,)
    assert options.ending is options.certificate
    rest = {
        name: value
        for name, value in options._asdict().items()
        if name not in ("path", "certificate", "target", "ending", "responder_urls")
    }
    assert rest == {
        "issuer_problem": None,
        "source": None,
        "renewal": Renewal(None, 50.0),
        "rules": Rules(frozenset(), False, 10 * DAY, 5 * MINUTE),
        "servers": (),
        "certid_digest": "auto",
        "method": "auto",
        "nonce": False,
        "on_missing_responder": "skip",
        "on_revoked": "fail",
        "force": False,
        "format": "der",
        "backups": 0,
        "in_place": False,
        "timeout": 10.0,
        "total_timeout": 60.0,
        "retries": 2,
    }


NOT_NEEDED = {*table.names_of(table.RESPONSE), "unsafe_writes"} - {"certificate_path"}


def test_what_is_not_given_and_what_is_null_mean_the_default() -> None:
    null, default = read(**dict.fromkeys(NOT_NEEDED)), read()
    assert null == default


GOOD: t.Dict[str, t.Tuple[t.Dict[str, t.Any], t.Dict[str, t.Any]]] = {
    "duration": (
        {"minimum_validity": "1w 3d 5h", "minimum_validity_percentage": 42.8},
        {"renewal": Renewal(10 * DAY + 5 * HOUR, 42.8)},
    ),
    "no duration": ({"minimum_validity": "0d"}, {"renewal": Renewal(None, 50.0)}),
    "0 percent": ({"minimum_validity_percentage": 0}, {"renewal": Renewal(None, 0.0)}),
    "100 percent": ({"minimum_validity_percentage": 100}, {"renewal": Renewal(None, 100.0)}),
    "rules": (
        {
            "allow": ["missing_next_update", "sha1_signature"],
            "require_nocheck": True,
            "maximum_age": "4 days",
            "clock_tolerance": "0s",
        },
        {"rules": Rules(frozenset(("missing_next_update", "sha1_signature")), True, 4 * DAY, timedelta(0))},
    ),
    "URLs": (
        {"responder_urls": ["http://a.example:8080/x?y", "https://[::1]/"]},
        {"responder_urls": ("http://a.example:8080/x?y", "https://[::1]/")},
    ),
    "no URLs": ({"responder_urls": []}, {"responder_urls": (forge.URL,)}),
    "servers": ({"server": ["nginx", "haproxy"]}, {"servers": ("nginx", "haproxy")}),
    "choices": (
        {
            "certid_digest": "sha256",
            "method": "post",
            "format": "pem",
            "on_missing_responder": "fail",
            "on_revoked": "keep",
        },
        {
            "certid_digest": "sha256",
            "method": "post",
            "format": "pem",
            "on_missing_responder": "fail",
            "on_revoked": "keep",
        },
    ),
    "switches": (
        {"nonce": True, "force": True, "unsafe_writes": True},
        {"nonce": True, "force": True, "in_place": True},
    ),
    "backups": ({"backup": True}, {"backups": 5}),
    "so many backups": ({"backup": True, "backup_count": 1}, {"backups": 1}),
    "no backups": ({"backup": False, "backup_count": 7}, {"backups": 0}),
    "HTTP": (
        {"timeout": 0.5, "total_timeout": 86400, "retries": 0},
        {"timeout": 0.5, "total_timeout": 86400.0, "retries": 0},
    ),
    "source": ({"source_path": "response.der"}, {"source": RESPONSE}),
    "source as PEM": ({"source_path": "response.pem"}, {"source": RESPONSE}),
    "source as Base64": ({"source_content": base64.b64encode(RESPONSE).decode()}, {"source": RESPONSE}),
    "source as Base64 in lines": ({"source_content": base64.encodebytes(RESPONSE).decode()}, {"source": RESPONSE}),
    # Whether it is a good response is for the judge.
    "source that is no response": ({"source_path": "garbage.pem"}, {"source": FILES["garbage.pem"]}),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_given_counts(case: str) -> None:
    values, expected = GOOD[case]
    options = read(**values)
    assert {name: getattr(options, name) for name in expected} == expected


CERTIFICATES: t.Dict[str, t.Dict[str, t.Any]] = {
    "chain": {"certificate_path": "chain.pem"},
    "chain from the root down": {"certificate_path": "reversed.pem"},
    "chain with the key, as for haproxy": {"certificate_path": "haproxy.pem"},
    "the same certificate twice": {"certificate_path": "twice.pem"},
    "text between the certificates": {"certificate_path": "with-text.pem"},
    "two files": {"certificate_path": "leaf.pem", "issuer_path": "issuer.pem"},
    "two files as DER": {"certificate_path": "leaf.der", "issuer_path": "issuer.der"},
    "issuer among others": {"certificate_path": "leaf.pem", "issuer_path": "reversed.pem"},
    "content": {"certificate_path": None, "certificate_content": CHAIN},
    "issuer as content": {"certificate_path": "leaf.pem", "issuer_content": W.issuer.pem.decode()},
    "root": {"root_path": "root.pem"},
    "root among others": {"root_path": "roots.pem"},
    "root that is the issuer": {"root_path": "issuer.pem"},
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_the_certificate_and_its_issuer_are_found(case: str) -> None:
    options = read(**CERTIFICATES[case])
    assert options.target is not None
    assert (options.target.certificate.der, options.target.issuer.der) == (W.leaf.der, W.issuer.der)


def test_without_a_responder_no_issuer_is_needed() -> None:
    options = read(certificate_path="silent.pem")
    assert (options.target, options.responder_urls) == (None, ())


@pytest.mark.parametrize(
    "values",
    [
        {"responder_urls": ["http://ocsp.example"]},
        {"source_path": "response.der"},
    ],
    ids=["URL", "source"],
)
def test_with_a_responder_or_a_response_it_is(values: t.Dict[str, t.Any]) -> None:
    assert read(certificate_path="silent.pem", issuer_path="issuer.pem", **values).target is not None
    assert refusal(certificate_path="silent.pem", **values).message.startswith("certificate_path: silent.pem ")


def test_the_issuer_can_be_asked_for() -> None:
    values = {"certificate_path": "silent.pem", "issuer_path": "issuer.pem"}
    assert read_options(values, judging=True).target is not None
    with pytest.raises(InputError):
        read_options({"certificate_path": "silent.pem"}, judging=True)


# Bad ---------------------------------------------------------------------------------------------

NOT_A_CERTIFICATE = {
    "missing.pem": " does not exist",
    "leaf.pem/below": " does not exist",
    "directory": " is a directory",
    "fifo": " is not a regular file",
    "key.pem": " contains a private key instead of a certificate",
    "empty.pem": " is empty",
    "blank.pem": " is empty",
    "garbage.pem": " contains no certificate in PEM or DER",
    "request.pem": " contains a PEM block 'CERTIFICATE REQUEST' instead of a certificate",
    "response.pem": " contains a PEM block 'OCSP RESPONSE' instead of a certificate",
    "cut.pem": " contains a truncated certificate; copy the whole file again",
    "cut.der": " contains a certificate that cannot be read",
    "broken.pem": " contains a certificate that cannot be read",
    "response.der": " contains an OCSP response instead of a certificate",
    "huge.pem": f" has more than {CERTIFICATE_LIMIT} octets",
}


@pytest.mark.parametrize("option", ["certificate_path", "issuer_path", "root_path", "source_path"])
def test_an_empty_path_is_no_path(option: str) -> None:
    assert refusal(**{option: ""}).message == f"{option} is empty; give the path of a file or leave it out"


@pytest.mark.parametrize("option", ["certificate_path", "issuer_path", "root_path"])
@pytest.mark.parametrize("name", NOT_A_CERTIFICATE)
def test_where_a_certificate_belongs(option: str, name: str) -> None:
    error = refusal(**{option: name})
    assert error.message.startswith(f"{option}: {name}{NOT_A_CERTIFICATE[name]}")
    assert error.code == "bad_input"


NOT_A_SOURCE = {
    "missing.der": " does not exist",
    "directory": " is a directory",
    "huge.der": f" has more than {ocsp_response.SIZE_LIMIT} octets",
}


@pytest.mark.parametrize("name", NOT_A_SOURCE)
def test_where_a_response_belongs(name: str) -> None:
    assert refusal(source_path=name).message.startswith(f"source_path: {name}{NOT_A_SOURCE[name]}")


@pytest.mark.parametrize("option", ["certificate_path", "issuer_path", "root_path", "source_path"])
def test_a_file_that_may_not_be_read(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ = os.open

    def refuse(path: t.Any, *arguments: t.Any, **options: t.Any) -> int:
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(**{option: "secret"}).message == f"{option}: secret cannot be read: Permission denied"


#: What is given, what the sentence begins with, and its reason code.
BAD: t.Dict[str, t.Tuple[t.Dict[str, t.Any], str, str]] = {
    # Certificates
    "no certificate": ({"certificate_path": None}, "give the certificate with certificate_path or ", "bad_input"),
    "several leaves": (
        {"certificate_path": "several.pem"},
        "certificate_path: several.pem contains several certificates that are not CA certificates (CN=leaf.",
        "bad_input",
    ),
    "no issuer": (
        {"certificate_path": "leaf.pem"},
        "certificate_path: leaf.pem does not contain the certificate of the issuer CN=Issuing CA,O=Forge; append it",
        "bad_input",
    ),
    "no issuer in content": (
        {"certificate_path": None, "certificate_content": W.leaf.pem.decode()},
        "certificate_content does not contain the certificate of the issuer CN=Issuing CA,O=Forge; append it",
        "bad_input",
    ),
    "the certificate for an issuer": (
        {"issuer_path": "leaf.pem"},
        "issuer_path: leaf.pem does not contain the certificate of the issuer ",
        "bad_input",
    ),
    "another issuer": (
        {"issuer_path": "stranger.pem"},
        "issuer_path: stranger.pem does not contain the issuer of CN=leaf.example.com,O=Forge: it was issued by CN=Is",
        "issuer_mismatch",
    ),
    "an issuer with another key": (
        {"issuer_path": "impostor.pem"},
        "issuer_path: impostor.pem does not contain the issuer of CN=leaf.example.com,O=Forge: its signature was not ",
        "issuer_mismatch",
    ),
    "another issuer as content": (
        {"issuer_content": STRANGER.pem.decode()},
        "issuer_content does not contain the issuer of ",
        "issuer_mismatch",
    ),
    "another root": (
        {"root_path": "stranger.pem"},
        "the issuer CN=Issuing CA,O=Forge in certificate_path: chain.pem does not chain to any certificate of ",
        "issuer_mismatch",
    ),
    "a leaf for a root": (
        {"root_path": "leaf.pem"},
        "the issuer CN=Issuing CA,O=Forge in certificate_path: chain.pem does not chain to any certificate of ",
        "issuer_mismatch",
    ),
    "empty content": (
        {"certificate_path": None, "certificate_content": ""},
        "certificate_content is empty",
        "bad_input",
    ),
    "empty issuer": ({"issuer_content": " \n"}, "issuer_content is empty", "bad_input"),
    "a path for content": (
        {"certificate_path": None, "certificate_content": "/etc/ssl/chain.pem"},
        "certificate_content contains no certificate in PEM or DER",
        "bad_input",
    ),
    "content with the key": (
        {"certificate_path": None, "certificate_content": KEY.decode() + CHAIN},
        "certificate_content contains a private key, which would end up in logs",
        "bad_input",
    ),
    "the key as content": (
        {"certificate_path": None, "certificate_content": KEY.decode()},
        "certificate_content contains a private key, which would end up in logs",
        "bad_input",
    ),
    "issuer with its key": (
        {"issuer_content": W.issuer.pem.decode() + KEY.decode().replace("PRIVATE", "EC PRIVATE")},
        "issuer_content contains a private key, which would end up in logs",
        "bad_input",
    ),
    # What the lookup plugin "file" makes of DER.
    "DER as content": (
        {"certificate_path": None, "certificate_content": W.leaf.der.decode("utf-8", "surrogateescape")},
        "certificate_content",
        "bad_input",
    ),
    "content of any length": (
        {"certificate_path": None, "certificate_content": "\n" * (CERTIFICATE_LIMIT + 1)},
        f"certificate_content has more than {CERTIFICATE_LIMIT} octets; give only certificates that are needed",
        "bad_input",
    ),
    # Contradictions
    "two certificates": (
        {"certificate_content": CHAIN},
        "certificate_path and certificate_content are mutually exclusive",
        "bad_input",
    ),
    "two issuers": (
        {"issuer_path": "issuer.pem", "issuer_content": W.issuer.pem.decode()},
        "issuer_path and issuer_content are mutually exclusive",
        "bad_input",
    ),
    "two sources": (
        {"source_path": "response.der", "source_content": base64.b64encode(RESPONSE).decode()},
        "source_path and source_content are mutually exclusive",
        "bad_input",
    ),
    "PEM for a server": (
        {"format": "pem", "server": ["nginx"]},
        "format: pem contradicts server: nginx reads staples as DER only",
        "bad_input",
    ),
    # Base64
    "not Base64": ({"source_content": "***"}, "source_content is not Base64", "bad_input"),
    "not quite Base64": ({"source_content": "MI!IB"}, "source_content is not Base64", "bad_input"),
    "not ASCII": ({"source_content": "MIIÜ"}, "source_content is not Base64", "bad_input"),
    "bad padding": ({"source_content": "MIIB0"}, "source_content is not Base64", "bad_input"),
    "empty source": ({"source_content": " "}, "source_content is empty", "bad_input"),
    "DER for Base64": ({"source_content": RESPONSE.decode("latin-1")}, "source_content is not Base64", "bad_input"),
    # Durations and numbers
    "unknown unit": ({"minimum_validity": "3 months"}, "minimum_validity: '3 months' is not a duration", "bad_input"),
    "no unit": ({"minimum_validity": "3"}, "minimum_validity: '3' is not a duration", "bad_input"),
    "no unit, a number": ({"minimum_validity": 3}, "minimum_validity: '3' is not a duration", "bad_input"),
    "empty duration": ({"minimum_validity": ""}, "minimum_validity: '' is not a duration", "bad_input"),
    "negative duration": ({"minimum_validity": "-3d"}, "minimum_validity: '-3d' is not a duration", "bad_input"),
    "bad age": ({"maximum_age": "10"}, "maximum_age: '10' is not a duration", "bad_input"),
    "bad tolerance": ({"clock_tolerance": "5x"}, "clock_tolerance: '5x' is not a duration", "bad_input"),
    "endless duration": ({"maximum_age": "999999999w"}, "maximum_age: '999999999w' is too long", "bad_input"),
    "too few percent": (
        {"minimum_validity_percentage": -0.1},
        "minimum_validity_percentage: -0.1 is not between 0 and 100",
        "bad_input",
    ),
    "too many percent": (
        {"minimum_validity_percentage": 100.1},
        "minimum_validity_percentage: 100.1 is not between 0 and 100",
        "bad_input",
    ),
    "no percentage": (
        {"minimum_validity_percentage": math.nan},
        "minimum_validity_percentage: nan is not between 0 and 100",
        "bad_input",
    ),
    "no timeout": ({"timeout": 0}, "timeout: 0 is not a number of seconds between ", "bad_input"),
    "negative timeout": ({"timeout": -1.5}, "timeout: -1.5 is not a number of seconds between ", "bad_input"),
    "endless timeout": ({"total_timeout": math.inf}, "total_timeout: inf is not a number of seconds ", "bad_input"),
    "timeout that is none": ({"total_timeout": math.nan}, "total_timeout: nan is not a number of ", "bad_input"),
    "negative retries": ({"retries": -1}, "retries: -1 is not between 0 and 100", "bad_input"),
    "endless retries": ({"retries": 101}, "retries: 101 is not between 0 and 100", "bad_input"),
    "no backups": ({"backup": True, "backup_count": 0}, "backup_count: 0 is not between 1 and 1000", "bad_input"),
    "negative backups": ({"backup": True, "backup_count": -1}, "backup_count: -1 is not between ", "bad_input"),
    # Choices
    "unknown relaxation": (
        {"allow": ["sha1_signature", "expired"]},
        "allow: 'expired' is not one of sha1_signature, missing_next_update",
        "bad_input",
    ),
    "unknown server": ({"server": ["iis"]}, "server: 'iis' is not one of apache, dnsdist, ", "bad_input"),
    "unknown digest": ({"certid_digest": "md5"}, "certid_digest: 'md5' is not one of auto, sha1, sha256", "bad_input"),
    "unknown method": ({"method": "GET"}, "method: 'GET' is not one of auto, get, post", "bad_input"),
    "unknown format": ({"format": "txt"}, "format: 'txt' is not one of der, pem", "bad_input"),
    "unknown reaction": ({"on_revoked": "skip"}, "on_revoked: 'skip' is not one of fail, keep", "bad_input"),
    "other reaction": (
        {"on_missing_responder": "keep"},
        "on_missing_responder: 'keep' is not one of skip, fail",
        "bad_input",
    ),
    # Types
    "a text for a flag": ({"nonce": "no"}, "nonce: 'no' is not true or false", "bad_input"),
    "a number for a flag": ({"force": 1}, "force: 1 is not true or false", "bad_input"),
    "a text for a number": ({"timeout": "ten"}, "timeout: 'ten' is not a number", "bad_input"),
    "a flag for a number": ({"total_timeout": True}, "total_timeout: True is not a number", "bad_input"),
    "a fraction for a count": ({"retries": 1.5}, "retries: 1.5 is not a whole number", "bad_input"),
    "a flag for a count": ({"retries": True}, "retries: True is not a whole number", "bad_input"),
    "a text for a list": ({"server": "nginx"}, "server: its value is not a list of strings", "bad_input"),
    "a text for URLs": ({"responder_urls": "http://u:p@h/"}, "responder_urls: its value is not a list ", "bad_input"),
    "a list of numbers": ({"allow": [1]}, "allow: its value is not a list of strings", "bad_input"),
    "a list for a text": ({"method": ["get"]}, "method: its value is not a text", "bad_input"),
    "an object for a text": ({"format": {}}, "format: its value is not a text", "bad_input"),
    "a list for an agent": ({"http_agent": ["x"]}, "http_agent: its value is not a text", "bad_input"),
    "a list for a proxy": ({"http_proxy": ["http://u:p@h"]}, "http_proxy: its value is not a text", "bad_input"),
}


def test_what_was_accepted_does_not_make_its_likeness_acceptable() -> None:
    """1 and true are equal to Python, and what is checked is remembered."""
    assert read(nonce=True, retries=1).nonce
    assert refusal(nonce=1, retries=1).message == "nonce: 1 is not true or false"
    assert refusal(nonce=True, retries=True).message == "retries: True is not a whole number"


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_names_the_option_and_the_file(case: str) -> None:
    values, sentence, code = BAD[case]
    error = refusal(**values)
    assert error.message.startswith(sentence)
    assert error.code == code
    assert "\n" not in error.message
    assert "PRIVATE KEY" not in error.message


BAD_URLS = [
    "",
    "ocsp.example.com",
    "//ocsp.example.com",
    "http:",
    "http://",
    "http:///path",
    "http:ocsp.example.com",
    "ftp://ocsp.example.com",
    "file:///etc/passwd",
    "ldap://ocsp.example.com",
    "http://ocsp.example.com:0",
    "http://ocsp.example.com:65536",
    "http://ocsp.example.com:http",
    "http://[::1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_urls_that_are_refused(url: str) -> None:
    error = refusal(responder_urls=[forge.URL, url])
    assert error.message == f"responder_urls: '{url}' is not an http:// or https:// URL with a host"


SECRET_URLS = [
    "http://secret@ocsp.example.com",
    "http://user:secret@ocsp.example.com",
    "https://:secret@ocsp.example.com/",
    "http://user:secret@",
    "ftp://user:secret@ocsp.example.com",
    "//user:secret@ocsp.example.com",
    "http://user:secret@ocsp.example.com:99999",
    "http://user:secret@[::1",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_urls_with_credentials_are_refused_and_not_repeated(url: str) -> None:
    error = refusal(responder_urls=[url])
    assert error.message.startswith("responder_urls: ")
    assert "secret" not in error.message


@pytest.mark.parametrize(
    "proxy",
    [
        "secret:3128",
        "user:secret@proxy:3128",
        "https://user:secret@proxy:3128",
        "socks5://user:secret@proxy:3128",
        "http://user:secret@",
        "http://user:secret@proxy:0",
        "http://user:secret@proxy:99999",
        "http://user:secret@proxy:port",
        "http://user:secret@proxy :3128",
        " http://user:secret@proxy:3128",
        "http://user:secret@[::1",
    ],
)
def test_what_is_no_url_of_a_proxy_is_refused_and_not_repeated(proxy: str) -> None:
    """Before anybody is asked, and not as a failure of the network."""
    with pytest.raises(InputError) as caught:
        check_options({"http_proxy": proxy})
    assert caught.value.code == refusal(http_proxy=proxy).code == "bad_input"
    assert caught.value.message == "http_proxy: its value is not of the form http://[user:password@]host:port"


@pytest.mark.parametrize(
    "proxy", ["", "http://proxy", "http://proxy:3128/", "http://us%40er:secret@proxy:3128", "http://[::1]:3128"]
)
def test_urls_of_proxies(proxy: str) -> None:
    check_options({"http_proxy": proxy})


@pytest.mark.parametrize("option", ["maximum_age", "clock_tolerance", "minimum_validity"])
def test_a_very_long_duration_is_refused_or_does_no_harm(option: str) -> None:
    try:
        options = read(**{option: "3000000d"})
    except InputError as error:
        assert error.message.startswith(f"{option}: ")
        return
    assert options.target is not None
    delegated = forge.response(signer=W.delegate)
    assert ocsp_response.judge(delegated, options.target, forge.NOW, options.rules).acceptable


def test_base64() -> None:
    assert decode_content("aGVs\n bG8=\n", "content") == b"hello"
    with pytest.raises(InputError, match=r"^content is not Base64"):
        decode_content("aGVsbG8", "content")
