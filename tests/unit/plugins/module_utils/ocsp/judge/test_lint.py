# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which server takes which staple file: what was measured, server by server."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.lint import lint, unfit
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import HOUR, NOW, SECOND

W = forge.world()
#: Its signatures all have the same length.
RSA = forge.delegate(W.issuer, private_key=forge.key("rsa2048"))
OTHER = forge.leaf(W.issuer, "other.example.com", serial=2)
TARGET = certificates.Target(
    certificates.Certificate.from_der(W.leaf.der), certificates.Certificate.from_der(W.issuer.der)
)

ALL = sorted(SERVERS)
CANNOT_STAPLE = [name for name in ALL if not SERVERS[name].staples]
CAN_STAPLE = [name for name in ALL if name not in CANNOT_STAPLE]


def ending(seconds: int) -> bytes:
    return forge.response(forge.single(next_update=NOW + seconds * SECOND))


def sized(octets: int) -> bytes:
    """A good response of so many octets."""

    def make(padding: int) -> bytes:
        return forge.response(extensions=[forge.extension(forge.UNKNOWN_OID, bytes(padding))], signer=RSA)

    return make(octets - len(make(octets // 2)) + octets // 2)


#: A file, and who does not take it: with a warning where clients get no staple, with an error where
#: TLS or the start of the server fails.
FILES: t.Dict[str, t.Tuple[bytes, t.Dict[str, str]]] = {
    "good": (forge.response(), {}),
    "delegated": (forge.response(signer=W.delegate), {}),
    "by SHA-256": (
        forge.response(forge.single(digest="sha256")),
        {"apache": "warning", "haproxy": "warning", "hitch": "error"},
    ),
    "by SHA-512": (
        forge.response(forge.single(digest="sha512")),
        {"apache": "warning", "haproxy": "warning", "hitch": "error"},
    ),
    "two answers, ours first": (
        forge.response(forge.single(), forge.single(OTHER)),
        {"haproxy": "warning", "dnsdist": "error"},
    ),
    "two answers, ours second": (
        forge.response(forge.single(OTHER), forge.single()),
        {"haproxy": "warning", "exim": "error", "dnsdist": "error"},
    ),
    "both answers ours": (
        forge.response(forge.single(), forge.single(digest="sha256", next_update=NOW + 7 * 24 * HOUR)),
        {"haproxy": "warning", "dnsdist": "error"},
    ),
    "an hour left": (ending(3600), {}),
    "300 seconds left": (ending(300), {}),
    "299 seconds left": (ending(299), {"haproxy": "warning"}),
    "no second left": (ending(0), {"haproxy": "warning"}),
    "without nextUpdate": (
        forge.response(forge.single(this_update=NOW - HOUR, next_update=None)),
        {"haproxy": "warning", "dnsdist": "error"},
    ),
    "a large identifier": (
        forge.response(extensions=[forge.extension(f"2.25.{2**100}", forge.NULL)]),
        {"exim": "error"},
    ),
    "10240 octets": (sized(10240), {}),
    "10241 octets": (sized(10241), {"apache": "warning", "trafficserver": "error"}),
}


def judged(data: bytes) -> Judgement:
    judgement = judge(data, TARGET, NOW, Rules(allow=frozenset({"missing_next_update"})))
    assert judgement.acceptable
    return judgement


@pytest.mark.parametrize("file", FILES)
def test_who_takes_which_file(file: str) -> None:
    data, expected = FILES[file]
    judgement = judged(data)
    found = {name: finding.severity for name in CAN_STAPLE for finding in lint(name, judgement, NOW)}
    assert found == expected


@pytest.mark.parametrize("name", CANNOT_STAPLE)
@pytest.mark.parametrize("file", FILES)
def test_who_cannot_staple_says_only_that(file: str, name: str) -> None:
    (finding,) = lint(name, judged(FILES[file][0]), NOW)
    assert finding.severity == "warning"
    assert finding.message == f"{name} cannot staple at all, so clients get no staple from it"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("file", FILES)
def test_each_finding_names_its_server_and_what_becomes_of_it(file: str, name: str) -> None:
    for finding in lint(name, judged(FILES[file][0]), NOW):
        assert finding.code == "unfit_for_server"
        assert finding.message.startswith(f"{name} ")
        consequence = (
            "so it or its TLS would fail"
            if finding.severity == "error"
            else "so (clients get no staple from it|it is read anew in each handshake)"
        )
        assert re.search(rf", {consequence}(; .*[^.])?$", finding.message)


ADVICE = {
    "by SHA-256": "; set certid_digest to sha1, or ask the CA for answers by a SHA-1 CertID",
    "two answers, ours first": "; ask the CA for responses with a single answer",
    "without nextUpdate": "; ask the CA for responses with nextUpdate",
}


@pytest.mark.parametrize("file", ADVICE)
def test_what_the_ca_can_change_is_told(file: str) -> None:
    (finding,) = lint("haproxy", judged(FILES[file][0]), NOW)
    assert finding.message.endswith(f", so clients get no staple from it{ADVICE[file]}")


@pytest.mark.parametrize("file", FILES)
def test_what_time_alone_changes_is_not_the_fault_of_the_response(file: str) -> None:
    data, expected = FILES[file]
    found = {name for name in ALL for _finding in unfit(name, judged(data))}
    assert found == (set() if file in ("299 seconds left", "no second left") else set(expected))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("data", [b"", b"garbage", forge.error_response("try_later"), forge.response(no_singles=True)])
def test_what_cannot_be_read_is_no_trouble(name: str, data: bytes) -> None:
    """The judge has said all about it."""
    findings = lint(name, judge(data, TARGET, NOW), NOW)
    assert len(findings) == (1 if name in CANNOT_STAPLE else 0)


def test_an_expired_response_is_the_judges_matter() -> None:
    assert lint("haproxy", judge(ending(-1), TARGET, NOW), NOW) == []


def test_each_server_says_several_things_at_once() -> None:
    data = forge.response(forge.single(OTHER), forge.single(digest="sha256", next_update=NOW + SECOND))
    assert len(lint("haproxy", judged(data), NOW)) == 3


def test_who_staples_only_where_a_responder_is_named() -> None:
    leaf = forge.leaf(W.issuer, extensions=(forge.extended_key_usage(forge.SERVER_AUTH),))
    target = certificates.Target(certificates.Certificate.from_der(leaf.der), TARGET.issuer)
    judgement = judge(forge.response(forge.single(leaf)), target, NOW)
    assert judgement.acceptable
    found = {name: lint(name, judgement, NOW) for name in CAN_STAPLE}
    assert [name for name, findings in found.items() if findings] == ["trafficserver"]
    assert found["trafficserver"][0].message == (
        "trafficserver staples only for certificates that name an OCSP responder, so clients get no staple from it; "
        "get a certificate that names one"
    )
