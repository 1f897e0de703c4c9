# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ocsp_responses: what a task sees of it."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import bulk, transport
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import signature
from ansible_collections.certops.ocsp.plugins.modules import ocsp_responses as module
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.responder import Reply, World, failure, ok
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    FILE_OPTIONS,
    Result,
    Runner,
    check_types,
    comparable,
    documentation,
    returned,
    specification,
)

W = forge.world()
CHAIN = (W.leaf.pem + W.issuer.pem).decode()
STAPLED = forge.world(must_staple=True)
STAPLED_CHAIN = (STAPLED.leaf.pem + STAPLED.issuer.pem).decode()
SILENT = forge.leaf(W.issuer, extensions=[forge.basic_constraints(False)]).pem.decode()

GOOD = forge.response()
DUE = forge.response(forge.single(this_update=NOW - 5 * DAY, next_update=NOW + 2 * DAY))
NEWER = forge.response(forge.single(this_update=NOW - HOUR, next_update=NOW + 7 * DAY))
EXPIRED = forge.response(forge.single(this_update=NOW - 8 * DAY, next_update=NOW - DAY))
REVOKED = forge.response(forge.single(status="revoked", reason="key_compromise"))

RUN = "2026-03-04T05:06:07Z"

Entry = t.Dict[str, t.Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> t.Callable[..., Result]:
    """Run the module on certificates; names become files of the folder, and a chain is there unless one is given."""
    runner = Runner("ocsp_responses", monkeypatch, capfd)

    def run_(*entries: Entry, check: bool = False, diff: bool = False, **options: t.Any) -> Result:
        certificates = [
            {"path": str(tmp_path / f"{entry['name']}.der"), **entry} if "name" in entry else entry for entry in entries
        ]
        if not any("certificate_path" in entry for entry in entries):
            options = {"certificate_content": CHAIN, **options}
        options = {"now": RUN, "retries": 0, "certificates": certificates, **options}
        return runner(check, diff, **{name: value for name, value in options.items() if value is not None})

    run_.module = runner.module  # type: ignore[attr-defined]
    return run_


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange(self: t.Any, request: t.Any, timeout: float) -> t.NoReturn:
        raise AssertionError(f"{request.url} was asked")

    monkeypatch.setattr(transport.Transport, "exchange", exchange)


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., World]:
    """Let responders give these replies, the last one for ever."""

    def answer(*replies: Reply, **options: t.Any) -> World:
        world = World(*replies, **options)
        monkeypatch.setattr(transport.Transport, "exchange", lambda self, *arguments: world.exchange(*arguments))
        return world

    return answer


def names(count: int) -> t.List[Entry]:
    return [{"name": f"n{number}"} for number in range(count)]


# What is done ------------------------------------------------------------------------------------


def test_many_are_fetched_and_the_second_run_asks_nobody(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    world = responder(ok(GOOD))
    result = run(*names(40))
    assert not result["failed"] and result["changed"]
    assert list(result["responses"]) == [f"n{number}" for number in range(40)]
    assert all((tmp_path / f"n{number}.der").read_bytes() == GOOD for number in range(40))
    counts = ("total", "fetched", "changed_count", "failed_count", "skipped_count")
    assert [result[name] for name in counts] == [40, 40, 40, 0, 0]
    assert result["msg"] == "40 of 40 files changed"
    assert len(world.requests) == 40

    again = run(*names(40))
    assert not again["changed"] and len(world.requests) == 40
    assert [again[name] for name in counts] == [40, 0, 0, 0, 0]


def test_each_result_is_that_of_ocsp_response(
    run: t.Any, responder: t.Any, monkeypatch: pytest.MonkeyPatch, capfd: t.Any, tmp_path: Path
) -> None:
    responder(ok(GOOD))
    one = Runner("ocsp_response", monkeypatch, capfd)
    options = {"path": str(tmp_path / "n0.der"), "certificate_content": CHAIN, "now": RUN, "return_content": True}
    alone = one(**options)
    os.unlink(tmp_path / "n0.der")
    many = run(*names(1), return_content=True)["responses"]["n0"]
    for added in ("invocation", "warnings", "diff", "uid", "gid", "owner", "group", "mode", "state", "size"):
        alone.pop(added, None)
    for attempt in (alone["attempts"][0], many["attempts"][0]):
        attempt.pop("seconds")
    assert many == alone


def test_what_a_certificate_says_stands_before_what_the_task_says(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    responder(ok(DUE))
    entries = [
        {"name": "task"},
        {"name": "own", "minimum_validity_percentage": "0", "format": "pem", "return_content": "no"},
    ]
    result = run(*entries, minimum_validity_percentage=100, return_content=True)
    responses = result["responses"]
    assert responses["task"]["renew_at"] == "2026-02-27T05:06:07Z"
    assert responses["own"]["renew_at"] == "2026-03-06T05:06:07Z"
    assert "response" in responses["task"] and "response" not in responses["own"]
    assert (tmp_path / "own.der").read_bytes().startswith(b"-----BEGIN OCSP RESPONSE")


def test_what_a_certificate_says_displaces_what_contradicts_it(run: t.Any, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_text(CHAIN)
    entries = [{"name": "own", "certificate_path": str(tmp_path / "chain.pem")}]
    result = run(*entries, certificate_content=SILENT, source_content=b64(GOOD))
    assert result["responses"]["own"]["sha256"]
    given = {"certificate_path": "/missing", "certificate_content": None, "source_content": b64(GOOD)}
    assert not run({"name": "own", "certificate_content": CHAIN}, **given)["failed"]


def test_names_are_paths_by_default(run: t.Any, tmp_path: Path) -> None:
    path = str(tmp_path / "x.der")
    assert list(run({"path": path}, source_content=b64(GOOD))["responses"]) == [path]


def test_without_certificates_nothing_is_done(run: t.Any) -> None:
    result = run()
    assert (result["failed"], result["changed"], result["total"], result["responses"]) == (False, False, 0, {})


def test_absent(run: t.Any, tmp_path: Path) -> None:
    (tmp_path / "gone.der").write_bytes(GOOD)
    (tmp_path / "stays.der").write_bytes(GOOD)
    result = run({"name": "gone", "state": "absent"}, {"name": "never", "state": "absent"}, {"name": "stays"})
    assert result["changed_count"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stays.der"]


def test_check_mode_asks_and_writes_nothing(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    world = responder(ok(GOOD))
    result = run(*names(3), check=True)
    assert (result["changed_count"], len(world.requests)) == (3, 3)
    assert list(tmp_path.iterdir()) == []


def test_check_mode_warns_of_a_file_that_an_earlier_task_may_create(
    run: t.Any, responder: t.Any, tmp_path: Path
) -> None:
    responder(ok(GOOD))
    entry = {"name": "new", "path": str(tmp_path / "x.der"), "certificate_path": str(tmp_path / "new.pem")}
    other = {"name": "n0", "certificate_content": CHAIN}
    result = run(entry, other, check=True, diff=True)
    told = f"certificate_path: {tmp_path}/new.pem does not exist"
    assert not result["failed"] and result["changed_count"] == 2 and result["failed_count"] == 0
    assert f"new: {told}; this will fail unless an earlier task creates it" in result["warnings"]
    assert result["responses"]["new"]["changed"] and not result["responses"]["new"]["failed"]
    refused = run(entry, other)
    assert refused["failed"] and refused["responses"]["new"]["msg"] == told


def test_check_mode_warns_of_a_folder_that_does_not_exist_yet(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    responder(ok(GOOD))
    result = run({"name": "new", "path": str(tmp_path / "new" / "x.der")}, *names(1), check=True)
    assert (result["failed"], result["changed_count"]) == (False, 2)
    (warning,) = result["warnings"]
    assert warning.startswith(f"new: the folder {tmp_path / 'new'} does not exist; ")


def test_differences_are_of_what_changed(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    (tmp_path / "n0.der").write_bytes(NEWER)
    responder(ok(GOOD))
    (difference,) = run(*names(2), diff=True)["diff"]
    assert difference["after_header"] == str(tmp_path / "n1.der")
    assert (difference["before"], difference["after"]["certificate_status"]) == ({}, "good")
    assert "diff" not in run(*names(2))


@pytest.mark.parametrize("mode", ["0600", "0644"])
def test_a_new_file_had_no_mode_before(run: t.Any, responder: t.Any, mode: str) -> None:
    """Check mode, in which there is none yet, shows the same."""
    responder(ok(GOOD))
    checked = run(*names(1), check=True, diff=True, mode=mode)["diff"]
    assert run(*names(1), diff=True, mode=mode)["diff"] == checked
    (difference,) = run(*names(1), diff=True, mode="0640")["diff"]
    assert (difference["before"]["mode"], difference["after"]["mode"]) == (mode, "0640")


def test_differences_have_the_order_of_the_certificates(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    """Not that of the answers, which differs from run to run."""
    first_may_answer = threading.Event()

    def answer(request: transport.HttpRequest) -> Reply:
        if "n0" in request.url:
            assert first_may_answer.wait(30)
        else:
            first_may_answer.set()
        return ok(GOOD)

    responder(answer=answer)
    entries: t.List[Entry] = [{"name": name, "responder_urls": [f"http://{name}.test/"]} for name in ("n0", "n1")]
    shown = run(*entries, diff=True)["diff"]
    assert [one["after_header"] for one in shown] == [str(tmp_path / f"{name}.der") for name in ("n0", "n1")]


# Failures ----------------------------------------------------------------------------------------


def test_one_bad_certificate_never_stops_the_others(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    (tmp_path / "garbage.pem").write_text("garbage")
    (tmp_path / "kept.der").write_bytes(DUE)

    def answer(request: transport.HttpRequest) -> Reply:
        return ok(REVOKED) if "revoked" in request.url else failure("timeout") if "late" in request.url else ok(GOOD)

    responder(answer=answer)
    entries: t.List[Entry] = [
        {"name": "missing", "certificate_path": "/nonexistent", "certificate_content": None},
        {"name": "garbage", "certificate_path": str(tmp_path / "garbage.pem")},
        {"name": "none", "certificate_content": ""},
        {"name": "folder", "path": "/nonexistent/x.der"},
        {"name": "duration", "minimum_validity": "soon"},
        {"name": "time", "now": "tomorrow"},
        {"name": "revoked", "responder_urls": ["http://revoked.example.com"]},
        {"name": "kept", "responder_urls": "http://late.example.com"},
        {"name": "late", "responder_urls": ["http://late.example.com"]},
        {"name": "silent", "certificate_content": SILENT},
        {"name": "good"},
    ]
    result = run(*entries, certificate_content=CHAIN, fail_on="none")
    responses = result["responses"]
    failed = [name for name, one in responses.items() if one["failed"]]
    assert failed == ["missing", "garbage", "none", "folder", "duration", "time", "revoked", "late"]
    assert not result["failed"] and result["changed"]
    assert (result["failed_count"], result["changed_count"], result["skipped_count"]) == (8, 1, 1)
    assert result["msg"].startswith(
        "1 of 11 files changed, 8 failed: missing: certificate_path: /nonexistent does not exist; garbage: "
    )
    assert result["msg"].endswith("; and 3 more")
    assert responses["revoked"]["fetch_error"]["code"] == "revoked"
    assert responses["missing"]["findings"][0]["code"] == "bad_input"
    assert responses["kept"]["fetch_error"]["code"] == "timeout" and not responses["kept"]["failed"]
    assert (tmp_path / "good.der").read_bytes() == GOOD
    assert any(sentence.startswith("kept: could not fetch a new response") for sentence in result["warnings"])


#: What the module calls for each certificate: where it is looked up, and its name.
CALLED = [
    (module, "options_of"),
    (module.Finisher, "check"),
    (module.Finisher, "values"),
    (module.report, "outcome_values"),
    (module.report, "difference"),
    (module._module, "set_attributes"),
    (module._module, "warnings_of"),
    (module._module, "time_of"),
    (bulk, "_begin_job"),
    (bulk, "_due_work"),
    (bulk, "responder"),
    (bulk._Visit, "open_circuits"),
    (bulk._Visit, "exchange"),
]


@pytest.mark.parametrize(("owner", "function"), CALLED, ids=[function for _owner, function in CALLED])
def test_a_defect_at_one_certificate_stops_no_other(
    run: t.Any, responder: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str
) -> None:
    responder(ok(GOOD))
    real, calls = getattr(owner, function), []

    def defect(*arguments: t.Any, **options: t.Any) -> t.Any:
        calls.append(function)
        if len(calls) == 2:
            raise KeyError("planted")
        return real(*arguments, **options)

    monkeypatch.setattr(owner, function, defect)
    result = run(*names(4), diff=True, fail_on="none", mode="0600")
    assert calls and not result["failed"]
    assert list(result["responses"]) == ["n0", "n1", "n2", "n3"]
    bad = [name for name, one in result["responses"].items() if one["failed"]]
    assert len(bad) == 1
    assert result["responses"][bad[0]]["msg"] == "internal error (KeyError: 'planted')"
    assert all((tmp_path / f"{name}.der").read_bytes() == GOOD for name in result["responses"] if name not in bad)


def size_of(result: t.Mapping[str, t.Any]) -> int:
    """The octets of a result, without the options, which Ansible adds before 2.21."""
    return len(json.dumps({name: value for name, value in result.items() if name != "invocation"}))


def test_a_failure_says_what_failed_and_no_more(run: t.Any, responder: t.Any) -> None:
    responder(ok(GOOD))
    result = run(*names(29), {"name": "bad", "certificate_content": "garbage"})
    assert (result["failed"], result["total"], result["changed_count"], result["failed_count"]) == (True, 30, 29, 1)
    assert list(result["responses"]) == ["bad"]
    assert size_of(result) < 1500

    responder(ok(REVOKED))
    result = run(*({"name": f"bad{number}"} for number in range(200)))
    assert (result["failed_count"], len(result["responses"])) == (200, 20)
    assert {one["fetch_error"]["code"] for one in result["responses"].values()} == {"revoked"}
    assert size_of(result) < 32 * 1024


@pytest.mark.parametrize(
    ("fail_on", "entry", "fails"),
    [
        ("any", {}, True),
        ("none", {}, False),
        ("must_staple", {}, False),
        ("none", {"certificate_content": STAPLED_CHAIN}, False),
        ("must_staple", {"certificate_content": STAPLED_CHAIN}, True),
        ("must_staple", {"certificate_content": "garbage"}, True),
        ("none", {"certificate_content": "garbage"}, False),
    ],
)
def test_when_the_task_fails(run: t.Any, responder: t.Any, fail_on: str, entry: Entry, fails: bool) -> None:
    responder(failure("unreachable"))
    result = run({"name": "bad", **entry}, {"name": "also", "source_content": b64(GOOD)}, fail_on=fail_on)
    assert (result["failed"], result["failed_count"], result["changed_count"]) == (fails, 1, 1)
    assert result["responses"]["bad"]["failed"]


def test_a_responder_that_is_down_is_not_asked_for_each(run: t.Any, responder: t.Any) -> None:
    world = responder(failure("unreachable"))
    result = run(*names(50), per_responder=2, fail_on="none")
    assert result["failed_count"] == 50
    assert len(world.requests) <= 4
    errors = [one["fetch_error"] for one in result["responses"].values()]
    assert {error["code"] for error in errors} == {"unreachable"}
    assert sum("not asked again in this run" in error["message"] for error in errors) >= 46


def test_warnings_do_not_flood(run: t.Any, responder: t.Any, tmp_path: Path) -> None:
    responder(failure("unreachable"))
    for number in range(20):
        (tmp_path / f"n{number}.der").write_bytes(DUE)
    result = run(*names(20))
    assert not result["failed"]
    assert len(result["warnings"]) == 6
    assert result["warnings"][-1] == "and 15 more warnings; see responses"


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            [{"name": "a", "path": "/x"}, {"name": "a", "path": "/y"}],
            "a: another certificate has the same name; give each a name of its own",
        ),
        ([{"name": "a", "path": "/x"}, {"name": "b", "path": "/./x"}], "b: 'a' has the same path /x"),
        ([{"path": "/x"}, {"certificate_path": "/c"}], "certificates[1]: missing required arguments: path"),
        ([{"name": "a", "path": ""}], "a: path is empty; give the file that holds its response"),
        ([{"path": "/x", "paht": "/y"}], "/x: 'paht' is not an option; did you mean path?"),
        ([{"name": "a", "path": "/x", 1: "y"}], "a: '1' is not an option; use one of allow, "),
        ([{"path": "/x", "certificates": []}], "/x: 'certificates' is not an option; did you mean certificate_path?"),
        ([{"path": "/x", "retries": "many"}], "/x: retries must be a whole number"),
        ([{"path": "/x", "force": "perhaps"}], "/x: force must be true or false"),
        ([{"path": "/x", "method": "put"}], "/x: value of method must be one of: auto, get, post, got: put"),
        ([{"path": "/x", "server": ["iis"]}], "/x: value of server must be one or more of: apache, "),
        ([{"path": "/x", "responder_urls": {}}], "/x: responder_urls must be a list of texts"),
        (
            [{"path": "/x", "issuer_path": "/i", "issuer_content": "i"}],
            "/x: parameters are mutually exclusive: issuer_path|issuer_content",
        ),
    ],
)
def test_what_no_certificate_can_have_fails_the_task(run: t.Any, entries: t.List[Entry], sentence: str) -> None:
    result = run(*entries)
    assert result["failed"]
    assert result["msg"].startswith(sentence)
    assert "responses" not in result


def test_all_that_is_wrong_with_options_is_told_at_once(run: t.Any) -> None:
    typo = [{"name": f"n{number}", "paht": "x"} for number in range(40)]
    message = run(*typo, {"name": "two", "retries": "many", "method": "put"}, {"name": "good"}, {"name": "two"})["msg"]
    assert message.startswith("n0, n1, n2, n3, n4, and 35 more: 'paht' is not an option; did you mean path?; two: ")
    for part in ("two: retries must be a whole number", "two: value of method must be ", "two: another certificate"):
        assert part in message
    assert "good" not in message


def test_faults_do_not_flood(run: t.Any) -> None:
    message = run(*({"name": f"n{number}", f"option{number}": "x"} for number in range(25)))["msg"]
    assert message.count(" is not an option; ") == 20 and message.endswith("; and 5 more")


@pytest.mark.parametrize("option", ["workers", "per_responder"])
@pytest.mark.parametrize("value", [0, -1, 1001])
def test_limits_have_limits(run: t.Any, option: str, value: int) -> None:
    result = run(*names(1), **{option: value})
    assert (result["failed"], result["msg"]) == (True, f"{option}: {value} is not between 1 and 1000")


def test_the_limits_are_those_of_the_run(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = bulk.refresh_all

    def watched(jobs: t.Any, environment_for: t.Any, workers: int, per_responder: int, *rest: t.Any) -> t.Any:
        seen.append((workers, per_responder))
        return real(jobs, environment_for, workers, per_responder, *rest)

    monkeypatch.setattr(run.module, "refresh_all", watched)
    run(*names(1), source_content=b64(GOOD))
    run(*names(1), source_content=b64(GOOD), workers=5, per_responder=3)
    assert seen == [(16, 8), (5, 3)]


def test_the_password_of_a_proxy_is_not_shown(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # of the transport: nobody listens on port 1
    proxy = "http://user:s3cret@127.0.0.1:1"
    result = run({"name": "own", "http_proxy": proxy}, {"name": "task"}, http_proxy=proxy.replace("s3cret", "s3cr3t"))
    assert result["failed_count"] == 2
    assert "s3cret" not in str(result) and "s3cr3t" not in str(result)
    assert result["responses"]["own"]["fetch_error"]["code"] == "proxy_error"


def test_the_password_of_a_proxy_is_not_shown_beside_a_fault(run: t.Any) -> None:
    proxy = "http://user:s3cret@127.0.0.1:1"
    result = run({"name": "one", "http_proxy": proxy}, {"name": "two", "http_prox": proxy, "retries": proxy})
    assert result["failed"] and "two: retries must be" in result["msg"] and "s3cret" not in str(result)


def test_without_the_library_it_says_so(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "CRYPTOGRAPHY_VERSION", None)
    result = run(*names(1), source_content=b64(GOOD))
    assert result["failed"]
    assert result["msg"].startswith("Failed to import the required Python library (cryptography >= 3.3) on ")


# Attributes --------------------------------------------------------------------------------------


def test_each_file_has_the_mode_asked_for(run: t.Any, tmp_path: Path) -> None:
    entries = [{"name": "task"}, {"name": "own", "mode": "0600"}, {"name": "old", "mode": "u=rw,g=r,o="}]
    (tmp_path / "old.der").write_bytes(GOOD)
    result = run(*entries, mode="0640", source_content=b64(GOOD))
    modes = [stat.S_IMODE((tmp_path / f"{entry['name']}.der").stat().st_mode) for entry in entries]
    assert modes == [0o640, 0o600, 0o640]
    assert result["changed_count"] == 3
    assert result["responses"]["old"]["msg"].endswith("; the attributes of the file were not as asked for")
    assert not run(*entries, mode="0640", source_content=b64(GOOD))["changed"]


@pytest.mark.parametrize("entry", [{"mode": "0999"}, {"owner": "nobody-of-that-name"}, {"group": "none-of-that-name"}])
def test_an_attribute_that_makes_no_sense_fails_one_before_it_is_written(
    run: t.Any, tmp_path: Path, entry: Entry
) -> None:
    result = run({"name": "bad", **entry}, {"name": "good"}, source_content=b64(GOOD), fail_on="none")
    assert result["responses"]["bad"]["failed"] and not result["responses"]["good"]["failed"]
    assert [path.name for path in tmp_path.iterdir()] == ["good.der"]
    assert (result["failed_count"], result["changed_count"]) == (1, 1)


def test_an_attribute_that_cannot_be_set_fails_one_and_says_that_it_changed(
    run: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run.module.Module.set_mode_if_different

    def refuse(self: t.Any, path: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        if path.endswith("bad.der"):
            self.fail_json(path=path, msg="chmod failed")
        return real(self, path, *arguments, **options)

    monkeypatch.setattr(run.module.Module, "set_mode_if_different", refuse)
    result = run({"name": "bad"}, {"name": "good"}, mode="0600", source_content=b64(GOOD))
    bad = result["responses"]["bad"]
    assert (bad["failed"], bad["changed"], bad["msg"]) == (True, True, "chmod failed")
    assert (result["failed_count"], result["changed_count"]) == (1, 2)


@AS_ROOT
def test_owners(run: t.Any, tmp_path: Path) -> None:
    run({"name": "own", "owner": "12345"}, {"name": "task"}, owner="54321", source_content=b64(GOOD))
    assert [(tmp_path / f"{name}.der").stat().st_uid for name in ("own", "task")] == [12345, 54321]


# Documentation -----------------------------------------------------------------------------------


def test_the_options_are_documented_as_they_are(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = comparable(specification(run.module, monkeypatch))
    assert spec == comparable(documentation(run.module, "CERTIFICATE", "RESPONSE", "RENEWAL", "RULES"))
    assert not FILE_OPTIONS & set(spec)


def test_a_certificate_can_have_every_option_of_ocsp_response(
    run: t.Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one = specification(Runner("ocsp_response", monkeypatch, capfd).module, monkeypatch)
    assert set(run.module.ENTRY) == set(one) | FILE_OPTIONS | {"name"}
    for name, option in comparable(one).items():
        # What is not given is taken from the task, so that there are no defaults.
        wanted = {**option, "default": None, "required": False}
        assert comparable(run.module.ENTRY)[name] == wanted


def test_what_is_documented_is_what_is_returned(run: t.Any, responder: t.Any) -> None:
    responder(failure("unreachable"))
    for options in ({}, {"fail_on": "none"}, {"source_content": b64(GOOD)}):
        result = run(*names(2), **options)
        expected = returned(run.module, "always", "unless an option cannot be used")
        assert set(result) - {"invocation", "warnings", "changed", "failed", "deprecations", "exception"} == expected
        check_types(run.module, result)
    assert set(run({"name": "x", "y": 1})) >= returned(run.module, "always")
