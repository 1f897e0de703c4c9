# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates hosts want from a CA: groups and domains say how, and what cannot be is said at once."""

from __future__ import annotations

import typing as t

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_wanted, _groups

DEFAULTS = {
    "challenge": "http-01",
    "key_type": "ecdsa-p256",
    "profile": "",
    "chain": "",
    "must_staple": False,
    "new_key": True,
}


def read(*domains: t.Any, **group: t.Any) -> tuple[list[_acme_wanted.Request], list[str]]:
    groups = _groups.read([{"web": {"domains": list(domains), "reload": ["nginx"], **group}}])
    assert groups.faults == []
    return _acme_wanted.read(groups.obtainable, DEFAULTS)


def names(*domains: t.Any, **group: t.Any) -> list[str]:
    requests, faults = read(*domains, **group)
    assert faults == []
    return [one.name for one in requests]


def test_what_brings_its_own_files_is_not_obtained() -> None:
    own = [
        {"name": "a.test", "private_key": "x.key", "certificate": "x.pem"},
        {"name": "b.test", "private_key_content": "PEM", "certificate_content": "PEM"},
        {"name": "c.test", "source": "/tls"},
        {"name": "d.test", "acme": False},
    ]
    assert names(*own, "e.test", {"name": "f.test", "key_mode": "0440"}) == ["e.test", "f.test"]
    assert names("a.test", {"name": "b.test", "acme": {}}, {"name": "c.test", "acme": True}, acme=False) == [
        "b.test",
        "c.test",
    ]


def test_a_domain_counts_more_than_its_group_and_that_more_than_the_role() -> None:
    requests, faults = read(
        "a.test",
        {"name": "b.test", "names": ["*.b.test", "B.test", "b.test"], "acme": {"key_type": "rsa-2048"}},
        acme={"challenge": "dns-01", "profile": "shortlived"},
    )
    assert faults == []
    assert [(one.names, one.challenge, one.key_type, one.profile) for one in requests] == [
        (("a.test",), "dns-01", "ecdsa-p256", "shortlived"),
        (("*.b.test", "b.test"), "dns-01", "rsa-2048", "shortlived"),
    ]


def test_a_name_is_not_taken_for_that_of_somebody_else() -> None:
    """IDNA of 2003 made strasse of it, a domain that others may have."""
    (request,), faults = read({"name": "x", "names": ["straße.example"]})
    assert faults == []
    assert request.names == ("xn--strae-oqa.example",)


def test_names_become_what_certificates_have() -> None:
    (request,), faults = read({"name": "x", "names": ["Bücher.example.", "192.0.2.1", "2001:DB8::0:1", "www.example"]})
    assert faults == []
    assert request.names == ("192.0.2.1", "2001:db8::1", "www.example", "xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        ("localhost", "no CA issues a certificate for 'localhost', which is not a full host name; give names"),
        ({"name": "a", "names": ["a.test", "intern"]}, "no CA issues a certificate for 'intern'"),
        ({"name": "a", "names": ["*.a.test"]}, "a wildcard such as *.a.test needs the challenge dns-01"),
        ({"name": "a", "names": ["192.0.2.1"], "acme": {"challenge": "dns-01"}}, "needs the challenge http-01"),
        ({"name": "a.test", "acme": {"must_staple": "perhaps"}}, "acme: must_staple must be true or false"),
        ({"name": "a.test", "acme": {"profile": ["x"]}}, "acme: profile must be a text"),
        ({"name": "a.test", "acme": {"challenge": "tls-alpn-01"}}, "acme: challenge must be one of http-01, "),
        ({"name": "a.test", "acme": "dns-01"}, "acme must be false or a mapping"),
        ({"name": "a.test", "acme": {"nwe_key": True}}, "acme: nwe_key is not known; did you mean new_key?"),
        ({"name": "a.test", "acme": {"must_staple": True}, "staple": False}, "(staple: false)"),
        ({"name": "a.test", "acme": {"must_staple": True}, "reload": ["postfix"]}, "which postfix cannot do"),
    ],
)
def test_what_cannot_be_is_one_sentence(domain: t.Any, sentence: str) -> None:
    _requests, faults = read(domain)
    assert len(faults) == 1 and sentence in faults[0], faults


def test_a_value_means_the_same_as_a_variable_and_in_a_group() -> None:
    given = {"must_staple": "yes", "new_key": "off", "profile": 6, "chain": "X", "key_type": "rsa-2048"}
    settings, faults = _acme_wanted.read_settings(given)
    (request,), more = read({"name": "a.test", "acme": given})
    assert (faults, more) == ([], [])
    assert settings == {key: getattr(request, key) for key in given}
    assert settings == {"must_staple": True, "new_key": False, "profile": "6", "chain": "X", "key_type": "rsa-2048"}


def test_what_the_command_line_gives_as_text_is_a_list() -> None:
    settings, faults = _acme_wanted.read_settings({"force": "a.test,b.test", "http_hosts": ["x"], "roots": []})
    assert (settings, faults) == ({"force": ["a.test", "b.test"], "http_hosts": ["x"], "roots": []}, [])


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("renew_at", "a third", "a number between 0 and 1"),
        ("weekly_limit", None, "a whole number, 0 or more"),
        ("weekly_limit", -1, "a whole number, 0 or more"),
        ("weekly_limit", 1.5, "a whole number, 0 or more"),
        ("renew_at", True, "a number between 0 and 1"),
        ("http_hosts", None, "a list of texts"),
        ("environment", None, "a mapping"),
        ("terms_agreed", "perhaps", "true or false"),
        ("key_type", "PEM of a key", f"one of {', '.join(_acme_wanted.KEY_TYPES)}"),
        ("challenge", ["http-01"], f"one of {', '.join(_acme_wanted.CHALLENGES)}"),
        ("force", {"a.test": True}, "a list of texts"),
        ("roots", [["a.pem"]], "a list of texts"),
        ("eab", "kid=x key=secret", "a mapping"),
        ("dns_alias", ["a"], "a mapping"),
        ("folder", ["a"], "a text"),
        ("vault_secret", {"a": 1}, "a text"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_not_repeated(name: str, value: t.Any, what: str) -> None:
    assert _acme_wanted.read_settings({name: value})[1] == [f"acme_certificates_{name} must be {what}"]


def test_hosts_share_what_is_the_same_and_may_not_differ() -> None:
    one, other = read("a.test", "b.test")[0], read("b.test", "c.test")[0]
    united, faults = _acme_wanted.unite({"web1": one, "web2": other})
    assert faults == []
    assert [(request.name, request.hosts) for request in united] == [
        ("a.test", ("web1",)),
        ("b.test", ("web1", "web2")),
        ("c.test", ("web2",)),
    ]
    differing = read({"name": "b.test", "acme": {"key_type": "rsa-2048", "profile": "x"}})[0]
    _united, faults = _acme_wanted.unite({"web1": one, "web2": differing})
    assert faults == ["b.test: web1 and web2 want different certificates of this name (key_type, profile)"]


def test_a_request_survives_the_way_between_tasks() -> None:
    (request,) = read({"name": "a.test", "names": ["b.test", "a.test"]})[0]
    assert _acme_wanted.Request.of(request.values()) == request
