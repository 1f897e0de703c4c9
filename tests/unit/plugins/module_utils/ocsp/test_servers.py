# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which server takes which staple file: what was measured, server by server."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import certificate as certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import servers
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judgement import Judgement
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.response import Rules, judge
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import HOUR, NOW, SECOND

W = forge.world()
#: Its signatures all have the same length.
RSA = forge.delegate(W.issuer, private_key=forge.key("rsa2048"))
OTHER = forge.leaf(W.issuer, "other.example.com", serial=2)
TARGET = certificates.Target(
    certificates.Certificate.from_der(W.leaf.der), certificates.Certificate.from_der(W.issuer.der)
)

ALL = sorted(servers.SERVERS)
CANNOT_STAPLE = ["dovecot", "postfix"]
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
        {"haproxy": "warning", "hitch": "error"},
    ),
    "by SHA-512": (
        forge.response(forge.single(digest="sha512")),
        {"haproxy": "warning", "hitch": "error"},
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
    "10240 octets": (sized(10240), {}),
    "10241 octets": (sized(10241), {"trafficserver": "error"}),
}


def judged(data: bytes) -> Judgement:
    judgement = judge(data, TARGET, NOW, Rules(allow=frozenset({"missing_next_update"})))
    assert judgement.acceptable
    return judgement


@pytest.mark.parametrize("file", FILES)
def test_who_takes_which_file(file: str) -> None:
    data, expected = FILES[file]
    judgement = judged(data)
    found = {name: finding.severity for name in CAN_STAPLE for finding in servers.lint(name, judgement, NOW)}
    assert found == expected


@pytest.mark.parametrize("name", CANNOT_STAPLE)
@pytest.mark.parametrize("file", FILES)
def test_who_cannot_staple_says_only_that(file: str, name: str) -> None:
    (finding,) = servers.lint(name, judged(FILES[file][0]), NOW)
    assert finding.severity == "warning"
    assert finding.message == f"{name} cannot staple at all, so clients get no staple from it"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("file", FILES)
def test_each_finding_names_its_server_and_what_becomes_of_it(file: str, name: str) -> None:
    for finding in servers.lint(name, judged(FILES[file][0]), NOW):
        assert finding.code == "unfit_for_server"
        assert finding.message.startswith(f"{name} ")
        consequence = (
            "so it or its TLS would fail" if finding.severity == "error" else "so clients get no staple from it"
        )
        assert finding.message.endswith(consequence)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("data", [b"", b"garbage", forge.error_response("try_later"), forge.response(no_singles=True)])
def test_what_cannot_be_read_is_no_trouble(name: str, data: bytes) -> None:
    """The judge has said all about it."""
    findings = servers.lint(name, judge(data, TARGET, NOW), NOW)
    assert len(findings) == (1 if name in CANNOT_STAPLE else 0)


def test_an_expired_response_is_the_judges_matter() -> None:
    assert servers.lint("haproxy", judge(ending(-1), TARGET, NOW), NOW) == []


def test_each_server_says_several_things_at_once() -> None:
    data = forge.response(forge.single(OTHER), forge.single(digest="sha256", next_update=NOW + SECOND))
    assert len(servers.lint("haproxy", judged(data), NOW)) == 3


def test_the_servers_are_those_that_were_measured() -> None:
    others = ["dnsdist", "trafficserver"]
    assert sorted(others + ["apache", "dovecot", "exim", "haproxy", "hitch", "lighttpd", "nginx", "postfix"]) == ALL
    assert [name for name in ALL if not servers.SERVERS[name].survives] == ["dnsdist", "exim", "hitch", "nginx"]


def test_who_staples_only_where_a_responder_is_named() -> None:
    leaf = forge.leaf(W.issuer, extensions=(forge.extended_key_usage(forge.SERVER_AUTH),))
    target = certificates.Target(certificates.Certificate.from_der(leaf.der), TARGET.issuer)
    judgement = judge(forge.response(forge.single(leaf)), target, NOW)
    assert judgement.acceptable
    found = {name: servers.lint(name, judgement, NOW) for name in CAN_STAPLE}
    assert [name for name, findings in found.items() if findings] == ["trafficserver"]
    assert found["trafficserver"][0].message == (
        "trafficserver staples only for certificates that name an OCSP responder, so clients get no staple from it"
    )


# What a server does with a staple that changes or ends --------------------------------------------

PLANS = {
    "nginx": (("nginx",), (True, False)),
    "Exim": (("exim",), (True, False)),
    "who stops by itself": (("haproxy", "lighttpd", "apache"), (False, False)),
    "Hitch wants its file": (("hitch",), (False, True)),
    "dnsdist wants its file, and is to lose the note beside it": (("dnsdist",), (True, True)),
    "Traffic Server": (("trafficserver",), (True, False)),
    "the most careful of all": (("haproxy", "hitch", "nginx"), (True, True)),
    "who cannot staple does not count": (("haproxy", "dovecot", "postfix"), (False, False)),
    "an unknown one": (("haproxy", None), (True, False)),
    "nobody known": ((), (True, False)),
    "nobody who can": (("dovecot",), (True, False)),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans_for_a_staple_that_ends(name: str) -> None:
    kinds, plan = PLANS[name]
    assert servers.expiry_plan(kinds) == plan


@pytest.mark.parametrize(
    ("name", "new", "withdrawn", "ended"),
    [
        ("apache", True, True, False),
        ("dnsdist", True, True, True),
        ("dovecot", False, False, False),
        ("exim", False, False, False),
        ("haproxy", True, True, False),
        ("hitch", True, True, False),
        ("lighttpd", False, True, False),
        ("nginx", True, True, True),
        ("postfix", False, False, False),
        ("trafficserver", True, True, True),
        (None, True, True, True),
    ],
)
def test_who_has_to_be_told(name: t.Optional[str], new: bool, withdrawn: bool, ended: bool) -> None:
    assert servers.needs_reload(name) is new
    assert servers.needs_reload(name, withdrawn=True) is withdrawn
    assert servers.needs_reload(name, withdrawn=True, ended=True) is ended
