# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The groups of the role: what comes of them, and that all that is wrong is said at once."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible.errors import AnsibleActionFail
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, scan
from ansible_collections.certops.ocsp.plugins.plugin_utils import _groups
from ansible_collections.certops.ocsp.plugins.plugin_utils._groups import read_services

BARE = {"services": [], "owner": "root", "group": "root", "mode": "0400", "staple": True, "options": {}}


def read(groups: t.Any, *found: t.Any, **options: t.Any) -> _groups.Groups:
    return _groups.read([groups], *found, **options)


def web(*domains: t.Any, **more: t.Any) -> t.Dict[str, t.Any]:
    return {"web": {"domains": list(domains), **more}}


def test_a_group_gives_what_its_domains_do_not_say() -> None:
    groups = web(
        "a.test",
        {"name": "b.test", "key_mode": "0640", "reload": ["exim"], "options": {"timeout": 5}},
        reload=["nginx"],
        key_group="ssl",
        options={"timeout": 3, "retries": 1},
    )
    first, second = read(groups).entries
    assert first == {
        **BARE,
        "name": "a.test",
        "services": ["nginx"],
        "group": "ssl",
        "options": groups["web"]["options"],
    }
    assert second["services"] == ["exim"] and second["mode"] == "0640" and second["group"] == "ssl"
    assert second["options"] == {"timeout": 5.0, "retries": 1}


@pytest.mark.parametrize(("remote", "kind"), [(False, "src"), (True, "path")])
def test_files_are_on_the_controller_or_on_the_host(remote: bool, kind: str) -> None:
    domain = {"name": "a.test", "private_key": "x.key", "certificate": "x.pem", "root_content": "PEM", "source": "/tls"}
    (entry,) = read(web(domain), remote=remote).entries
    assert entry == {
        **BARE,
        "name": "a.test",
        f"private_key_{kind}": "x.key",
        f"certificate_{kind}": "x.pem",
        "root_content": "PEM",
        "source": "/tls",
    }


def test_what_was_scanned_is_a_group_of_its_own() -> None:
    found = [
        {"folder": "/tls", "recursive": True, "reload": ["nginx"], "domains": [{"name": "a.test", "source": "/tls/x"}]}
    ]
    assert read({}, found).entries == [{**BARE, "name": "a.test", "source": "/tls/x", "services": ["nginx"]}]


FAULTS: t.Dict[str, t.Tuple[t.Any, str]] = {
    "no groups at all": (["web"], "the groups must be a mapping"),
    "a group that is none": ({"web": ["a.test"]}, "web: a group must be a mapping with a list of domains"),
    "one domain as a text": ({"web": {"domains": "a.test"}}, "web: domains must be a list, such as [example.com]"),
    "no mapping": ({"web": None}, "web: a group must be a mapping with a list of domains"),
    "no domains": ({"web": {}}, "web: a group must be a mapping with a list of domains"),
    "a name that no client can ask for": (
        web({"name": "a.test", "names": ["a.test", "x\n}"]}),
        (
            "web, a.test: names: 'x?}' is neither a host name nor an IP address; write a name of letters, digits, "
            "hyphens and dots, such as www.example.com or *.example.com"
        ),
    ),
    "a domain without a name": (
        web({"names": ["x"]}),
        "web: domain 1 of the list must be a name, or a mapping with a name",
    ),
    "a domain that is a number": (web(7), "web: domain 1 of the list must be a name, or a mapping with a name"),
    "a slip in a group": (web("a.test", relaod=["nginx"]), "web: relaod is not known; did you mean reload?"),
    "a slip in a domain": (
        web({"name": "a.test", "responder_url": "x"}),
        "web, a.test: responder_url is not known; did",
    ),
    "a text for a list": (web("a.test", reload="nginx"), "web: reload must be a list, such as [nginx]"),
    "a list for a mapping": (
        web("a.test", options=["x"]),
        "web: options must be a mapping, such as {minimum_validity: 3d}",
    ),
    "no truth": (web("a.test", staple="perhaps"), "web: staple must be true or false"),
    "an option that is none": (
        web("a.test", options={"timout": 1}),
        "web: options: 'timout' is not an option; did you",
    ),
    "an option out of range": (web("a.test", options={"timeout": -1}), "web: options: timeout: -1.0 is not"),
    "no URL of a proxy": (web("a.test", options={"http_proxy": "proxy:3128"}), "web: options: http_proxy: its"),
    "a name that is none": (web("*.a.test"), "web, *.a.test: name: '*.a.test' is not a valid name for a set"),
    "a service that leads elsewhere": (
        web("a.test", reload=["../x"]),
        "web: reload: '../x' is not a valid service name",
    ),
    "a mode that is none": (web("a.test", key_mode="rw"), "web: key_mode: 'rw' is not an octal number"),
    "a mode without quotes": (
        web("a.test", key_mode=440),
        'web: key_mode: 440 was read as a decimal number; write "0440", in quotes',
    ),
    "a mode for everybody": (web("a.test", key_mode="0644"), "web: the mode 0644 of the private key allows more"),
    "no URL of a responder": (web({"name": "a.test", "responder_urls": ["x"]}), "web, a.test: responder_urls: 'x' is"),
    "a name with a way out": (web("../x"), "web, ../x: name: '../x' is not a valid name for a set"),
    "the same twice, not alike": (
        {"web": {"domains": ["a.test"]}, "mail": {"domains": ["a.test"], "key_mode": "0440"}},
        "a.test is listed twice, with different values of key_mode",
    ),
}


@pytest.mark.parametrize("remote", [False, True])
def test_what_contradicts_is_named_as_it_was_written(remote: bool) -> None:
    domain = {"name": "a.test", "certificate": "x.pem", "key_owner": "exim"}
    groups = web("a.test", domain)
    assert read(groups, remote=remote).faults == [
        "a.test is listed twice, with different values of certificate and key_owner"
    ]


@pytest.mark.parametrize(("groups", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_slip_is_named_with_its_place(groups: t.Any, sentence: str) -> None:
    (fault,) = read(groups).faults
    assert fault.startswith(sentence)


def test_all_that_is_wrong_is_said_at_once() -> None:
    groups = web("*.x", {"name": "b", "nams": []}, relaod=[], options={"timout": 1, "retrys": 2})
    assert len(read({**groups, "mail": None}).faults) == 6


def test_all_options_that_are_wrong_are_said() -> None:
    wrong = {"minimum_validty": "3d", "timeout": -1, "minimum_validity_percentage": 150, "retries": 1}
    faults = read(web("a.test", options=wrong)).faults
    for name in ("'minimum_validty' is not an option", "timeout: ", "minimum_validity_percentage: "):
        assert len([fault for fault in faults if name in fault]) == 1, (name, faults)
    assert len(faults) == 3
    # What could not be converted is said once.
    assert len(read(web("a.test", options={"timeout": "abc", "minimum_validity_percentage": 150})).faults) == 2


def test_null_is_what_is_not_given() -> None:
    assert read(web("a.test", reload=None, key_mode=None, options=None))[:2] == ([{**BARE, "name": "a.test"}], [])


def test_the_same_in_two_groups_has_the_services_of_both() -> None:
    groups = {"web": {"domains": ["a.test"], "reload": ["nginx"]}, "mail": {"domains": ["a.test"], "reload": ["exim"]}}
    entries = read(groups).entries
    (one,) = _groups.part("web", entries, {}, {}).certificates
    assert (one.name, one.services) == ("a.test", ("nginx", "exim"))


def test_groups_of_several_variables_add_up() -> None:
    groups = _groups.read([web("a.test"), web("b.test"), {"mail": {"domains": "c.test"}}])
    assert [entry["name"] for entry in groups.entries] == ["a.test", "b.test"]
    assert groups.faults == ["mail: domains must be a list, such as [example.com]"]


def test_the_part_of_an_owner_holds_no_key() -> None:
    groups = web(
        {"name": "a.test", "responder_urls": ["http://x/"], "private_key_content": "SECRET"},
        {"name": "b.test", "staple": False},
        options={"timeout": 3},
    )
    part = _groups.part("web", read(groups).entries, {"retries": 1}, {"nginx": {"unit": "nginx2"}})
    first, second = part.certificates
    assert first.staple and first.options == {"timeout": 3.0, "responder_urls": ["http://x/"]} and not second.staple
    assert (part.defaults, part.services) == ({"retries": 1}, {"nginx": {"unit": "nginx2"}})
    assert "SECRET" not in parts.dump(part) and parts.parse(json.loads(parts.dump(part))) == part


@pytest.mark.parametrize("place", ["defaults", "certificate"])
def test_a_password_is_noticed(place: str) -> None:
    proxy = {"http_proxy": "http://staple:hunter2@proxy:3128"}
    groups = web("a.test", options=proxy if place == "certificate" else {})
    defaults = proxy if place == "defaults" else {"http_proxy": "http://proxy:3128"}
    assert parts.holds_password(_groups.part("web", read(groups).entries, defaults, {}))
    assert not parts.holds_password(_groups.part("web", read(web("a.test")).entries, {}, {}))


SERVICE_FAULTS: t.Dict[str, t.Tuple[t.Any, str]] = {
    "a text": ("nginx", "the services must be a mapping"),
    "a service that is a text": ({"nginx": "nginx2"}, "nginx must be a mapping"),
    "a slip": ({"nginx": {"sockets": "/x"}}, "nginx: sockets is not known; did you mean socket?"),
    "no kind": ({"web": {"kind": "ngnix"}}, "web: value of kind must be one of"),
    "no command": ({"web": {"test": [1]}}, "web: test must be a command"),
    "an empty command": ({"web": {"reload": []}}, "web: reload must be a command"),
    "an empty text for a command": ({"web": {"reload": " "}}, "web: reload must be a command"),
    "a quotation without an end": (
        {"web": {"test": "sh -c 'true"}},
        "web: test is not a valid command: no closing quotation",
    ),
    "a name that leads elsewhere": ({"../x": {"unit": "x"}}, "'../x' is not a valid service name"),
    "a socket somewhere": ({"haproxy": {"socket": "run/x"}}, "haproxy: socket must be an absolute path"),
}


@pytest.mark.parametrize(("given", "sentence"), SERVICE_FAULTS.values(), ids=SERVICE_FAULTS)
def test_a_slip_in_a_service_is_named(given: t.Any, sentence: str) -> None:
    (fault,) = read_services(given)
    assert fault.startswith(sentence)


ENDPOINT_FAULTS: t.Dict[str, t.Tuple[t.Dict[str, t.Any], str]] = {
    "a service that nobody uses": ({"service": "web"}, "no service is called web; "),
    "no service": ({"service": None}, "missing required arguments: service"),
    "a port that is none": ({"port": "imaps"}, "exim: port must be a whole number"),
    "a port out of range": ({"port": 65536}, "exim: port: 65536 is not between 1 and 65535"),
    "a host that is none": ({"host": "http://x"}, "exim: host: 'http://x'"),
    "a protocol that is not known": ({"starttls": "mysql"}, "exim: value of starttls must be one of"),
    "a slip": ({"prot": 1}, "exim: 'prot' is not an option; did you mean port?"),
}


@pytest.mark.parametrize(("given", "sentence"), ENDPOINT_FAULTS.values(), ids=ENDPOINT_FAULTS)
def test_an_endpoint_that_nobody_can_look_at_is_named(given: t.Dict[str, t.Any], sentence: str) -> None:
    (fault,) = _groups.read_endpoints([{"service": "exim", "port": 25, **given}], ["mine"])
    assert fault.startswith(sentence)


def test_endpoints_are_converted_as_options_are() -> None:
    assert _groups.read_endpoints([{"service": "mine", "port": "25"}, {"service": "exim", "port": 1}], ["mine"]) == []


def test_services_may_be_described() -> None:
    assert (
        read_services({"nginx": None, "web": {"kind": "nginx", "unit": "web", "test": "true", "reload": ["x", "y"]}})
        == []
    )


def test_the_program_is_told_of_services_as_it_takes_them() -> None:
    given = {"nginx": None, "web@1": {"unit": 7, "test": None, "reload": "sh -c 'echo  1'"}}
    assert read_services(given) == []
    assert _groups.service_settings(given) == {"nginx": {}, "web@1": {"unit": "7", "reload": ["sh", "-c", "echo  1"]}}


def test_what_others_put_into_a_folder_of_the_host_is_left_out(tmp_path: Path) -> None:
    for name in (
        "a/a.test.key",
        "a/a.test.pem",
        "b/zz.key",
        "b/x\n\x1b[31my.key",
        "b/a.test.key",
        "b/a.test.pem",
        "b/d.key",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "b" / "d.pem").write_text("no certificate")
    unfit = scan.Unfit([], [])
    groups = scan.groups([{"folder": str(tmp_path / name)} for name in "ab"], unfit)
    assert [group["domains"] for group in groups] == [
        [{"name": "a.test", "source": f"{tmp_path}/{name}"}] for name in "ab"
    ]
    assert [problem.partition(" is not looked at, as ")[2] for problem in unfit.problems] == [
        "no file beside it has its certificate in PEM; add it, or remove the key",
        "its name is not that of a certificate; rename or remove it",
        "no file beside it has its certificate in PEM; add it, or remove the key",
    ]
    assert all(problem.isprintable() for problem in unfit.problems)
    assert "d" in unfit.names, "what is live of it stays"


def test_what_was_found_on_the_host_takes_no_place_of_what_is_configured() -> None:
    """Whoever may write into the folder that is searched must not have the rest refused."""
    given = [{"web": {"reload": ["nginx"], "domains": ["a.test", "b.test"]}}]
    found = [
        {"folder": "/home", "domains": [{"name": name, "source": f"/home/{user}"} for user, name in USERS]},
        {"folder": "/srv", "domains": [{"name": "d.test", "source": "/srv/\n\x1b[31m"}]},
    ]
    groups = _groups.read(given, found, remote=True)
    assert groups.faults == []
    assert [one["name"] for one in groups.entries] == ["a.test", "b.test", "c.test", "c.test", "d.test"]
    assert groups.found == ("c.test", "d.test")
    (warning,) = groups.warnings
    assert warning == (
        "ocsp_stapling_scan: a.test is configured with other files than those in /home/evil, which are not looked at; "
        "rename or remove them"
    )
    refused = _groups.read(given, found, remote=False)
    assert "a.test is listed twice, with different values of source" in refused.faults
    assert refused.found == () and refused.warnings == ()


USERS = (("evil", "a.test"), ("evil", "c.test"), ("good", "c.test"))


def test_folders_are_searched_for_private_keys(tmp_path: Path) -> None:
    for name in ("a.test.key", "a.test.pem", "deep/b.test.key", "c.test.pem", "privkey-d.test.pem", "cert-d.test.pem"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("PEM")
    folder = {"folder": str(tmp_path)}
    assert scan.groups([folder])[0]["domains"] == [{"name": "a.test", "source": str(tmp_path)}]
    deep = scan.groups([{**folder, "recursive": True}])[0]["domains"]
    assert [one["name"] for one in deep] == ["a.test", "b.test"] and deep[1]["source"] == f"{tmp_path}/deep"
    masks = {"private_key": "privkey-{domain}.pem", "certificate": "cert-{domain}.pem"}
    assert scan.groups([{**folder, **masks}])[0]["domains"] == [
        {
            "name": "d.test",
            "source": str(tmp_path),
            "private_key": f"{tmp_path}/privkey-d.test.pem",
            "certificate": f"{tmp_path}/cert-d.test.pem",
        }
    ]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """It would take its certificates out of the configuration, in silence."""
    missing = {"folder": f"{tmp_path}/nowhere"}
    assert _groups.read_scan([missing, {"folder": str(tmp_path)}]) == [
        f"ocsp_stapling_scan: there is no folder {tmp_path}/nowhere"
    ]
    assert _groups.read_scan([missing], remote=True) == [], "the host looks for it"


def test_a_misspelt_list_of_domains_is_named() -> None:
    assert read({"web": {"domain": ["a.test"]}}).faults == ["web: domain is not known; did you mean domains?"]


def test_a_group_without_domains_is_told_what_else_is_wrong() -> None:
    listed = "web: domains must be a list, such as [example.com]"
    slip = "web: relaod is not known; did you mean reload?"
    assert read({"web": {"relaod": ["nginx"]}}).faults == [
        "web: a group must be a mapping with a list of domains",
        slip,
    ]
    assert read({"web": {"domains": "a.test", "domainz": 1}}).faults[0] == listed
    told = read({"web": {"domains": "a.test", "relaod": 1, "key_mode": "rw", "options": {"timout": 1}}}).faults
    assert told[:2] == [listed, slip] and len(told) == 4
    assert "key_mode" in told[2] and "timout" in told[3]


def test_a_domain_without_a_name_is_told_what_else_is_wrong() -> None:
    first, second = read(web({"nam": "a.test", "privat_key": "x"})).faults[:2]
    assert first == "web: domain 1 of the list must be a name, or a mapping with a name"
    assert second == "web: domain 1 of the list: nam is not known; did you mean name?"


def test_faults_name_their_certificates_and_what_cannot_be_said_of_these() -> None:
    domains = [
        {"name": "a.test", "privat_key": "x"},
        {"name": "b.test", "key_mode": "rw"},
        {"name": "c.test", "relaod": ["nginx"], "options": {"timeout": -1, "retries": 1}},
        {"name": "d.test", "key_mode": "0440"},
        {"name": "d.test", "key_mode": "0400"},
    ]
    groups = read(web(*domains))
    assert [fault.name for fault in groups.wrong] == ["a.test", "b.test", "c.test", "c.test", "d.test"]
    assert groups.astray == {"a.test"} and groups.unclear == {"a.test", "b.test", "d.test"}
    assert groups.entries[1]["mode"] == "0400" and groups.entries[2]["options"] == {"retries": 1}
    assert read(web("a.test", "b.test", privat_key="x")).unclear == set(), "a group has no files"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"allow": ["sha1"]}, "allow: 'sha1' is not one of sha1_signature, missing_next_update"),
        ({"method": "put"}, "method: 'put' is not one of auto, get, post"),
    ],
)
def test_a_value_that_is_no_choice_is_told_once(options: t.Dict[str, t.Any], sentence: str) -> None:
    assert read(web("a.test", options=options)).faults == [f"web: options: {sentence}"]


@pytest.mark.parametrize("mask", ["{domain}/x", "x.key", "{domain}{domain}"])
def test_a_mask_that_is_none_is_refused(mask: str) -> None:
    (fault,) = _groups.read_scan([{"folder": "/tls", "private_key": mask}], remote=True)
    assert fault == f"ocsp_stapling_scan, /tls: private_key must be a file name with {{domain}} in it, and is {mask}"


def test_a_folder_that_cannot_be_searched_fails_the_task(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, words in (("missing", "there is none for the user "), ("file", "it is not a folder; ")):
        with pytest.raises(
            AnsibleActionFail, match=f"^ocsp_stapling_scan: .*{tmp_path}/{name} cannot be searched: {words}"
        ):
            _groups.scanned([{"folder": str(tmp_path / name)}])
    assert _groups.scanned([{"folder": str(tmp_path)}]) == [{"folder": str(tmp_path), "domains": []}]


def test_what_is_renewed_on_the_host_needs_no_files() -> None:
    groups = web(
        "a.test",
        {"name": "b.test", "private_key": "b.key", "certificate": "b.pem"},
        {"name": "c.test", "renewed_by": {"client": "lego", "folder": "/srv/lego"}, "root": "root.pem"},
        {"name": "d.test", "renewed_by": ""},
        renewed_by="certbot",
    )
    found = read(groups)
    assert found.faults == []
    assert [entry.get("renewed_by") for entry in found.entries] == [
        "certbot",
        None,
        {"client": "lego", "folder": "/srv/lego"},
        None,
    ]
    # What is obtained by ACME on the controller is what nothing on the host renews.
    assert [one.name for one in found.obtainable] == ["d.test"]


@pytest.mark.parametrize(
    ("domain", "fault"),
    [
        ({"renewed_by": "cerbot"}, "renewed_by is 'cerbot', which is not one of certbot,"),
        ({"renewed_by": {"private_key": "a.key"}}, "renewed_by must have an absolute path as its private_key"),
        ({"renewed_by": "certbot", "certificate": "a.pem"}, "renewed_by and certificate are mutually exclusive"),
    ],
)
def test_what_cannot_be_renewed_on_the_host_is_said(domain: t.Dict[str, t.Any], fault: str) -> None:
    (said,) = read(web({"name": "a.test", **domain})).faults
    assert said.startswith("web, a.test: ") and fault in said
