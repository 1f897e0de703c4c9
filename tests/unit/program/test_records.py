# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record, the state and the metrics: whatever is in the files, they are read, and what cannot be is made anew."""

from __future__ import annotations

import json
import re
import tracemalloc
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocsp.fetch.environment import Way
from ocsp_stapling import certificate_state, metrics, record, state
from ocsp_stapling.record import Record
from ocsp_stapling.state import PROGRAM, State

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["looked", "failures", "code", "ends", "clock_implausible", "sha256", "next_attempt"])


def test_a_record_comes_back(tmp_path: Path) -> None:
    kept = Record()
    kept.run = {"started": "2026-03-04T05:06:07Z", "exit_code": 1}
    kept.entry("www.example.com").update(failures=3, code="timeout")
    kept.entry('"odd"\n').update(failures=1)
    kept.save(str(tmp_path / "refresh.json"))
    assert json.loads((tmp_path / "refresh.json").read_text())["version"] == 1
    for again in (
        record.load(str(tmp_path / "refresh.json"), 1),
        record.load_foreign(str(tmp_path / "refresh.json"), 1)[0],
    ):
        assert again.run == kept.run
        assert again.entry("www.example.com") == {"failures": 3, "code": "timeout"}
        assert again.entry('"odd"\n') == {"failures": 1}
    again.keep_only({"www.example.com"})
    assert again.entry('"odd"\n') == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"version": 2, "run": {"x": 1}}', b"\xff", b"[" * 9999]
)
def test_a_record_that_cannot_be_read_starts_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "refresh.json").write_bytes(content)
    assert record.load(str(tmp_path / "refresh.json"), 1).run == {}
    found, problem = record.load_foreign(str(tmp_path / "refresh.json"), 1)
    assert (found.run, problem) == ({}, "")


def test_a_number_of_too_many_digits_is_not_computed() -> None:
    """Not every version of Python refuses it, and its time grows with the square of the digits."""
    assert record.parse(b'{"version": 1, "run": {"exit_code": 70}}').run == {"exit_code": 70}
    assert record.parse(b'{"version": 1, "run": {"exit_code": %s}}' % (b"9" * 1000)).run == {}


def test_a_foreign_record_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"version": 1, "run": {"exit_code": 1}}')
    (tmp_path / "refresh.json").symlink_to("elsewhere")
    found, problem = record.load_foreign(str(tmp_path / "refresh.json"), 1)
    assert found.run == {}
    assert "is a symbolic link" in problem


@given(st.fixed_dictionaries({"version": st.just(1)}, optional={"run": JSON, "certificates": JSON}))
def test_claims_of_any_shape_are_read(values: t.Any) -> None:
    found = record.parse(json.dumps(values).encode())
    assert isinstance(found.run, dict)
    assert found.entry("a") == {} or isinstance(found.entry("a"), dict)


@given(st.dictionaries(FIELDS, JSON))
def test_values_of_any_type_are_read(entry: t.Dict[str, t.Any]) -> None:
    for key in (*entry, "missing"):
        assert record.time_of(entry, key) is None or isinstance(record.time_of(entry, key), datetime)
        assert 0 <= record.number_of(entry, key) < 10**9
        assert 0 <= record.seconds_of(entry, key) < 10**9
        assert len(record.text_of(entry, key)) <= 1000
        assert all(character.isprintable() for character in record.text_of(entry, key))
        assert isinstance(record.mapping(entry, key), dict)


def test_the_state_comes_back(tmp_path: Path) -> None:
    kept = State()
    kept.certificates = {"www.example.com": {"code": "expired"}}
    kept.clock = {"latest": "2026-03-04T05:06:07Z"}
    kept.runs = {"apply": state.run_values(NOW, 1.5, 2)}
    kept.save(str(tmp_path / "state.json"), NOW)
    again = state.load(str(tmp_path / "state.json"))
    assert (again.certificates, again.clock, again.runs) == (kept.certificates, kept.clock, kept.runs)
    assert again.written == "2026-03-04T05:06:07Z"
    assert again.problem == ""
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "is not of version 1"),
        (b'{"version": 2}', "is not of version 1"),
    ],
)
def test_a_state_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "state.json").write_bytes(content)
    found = state.load(str(tmp_path / "state.json"))
    assert found.problem == f"{tmp_path}/state.json {words}"
    assert found.certificates == {}
    assert state.load(str(tmp_path / "missing")).problem == ""


def test_the_program_and_the_collection_have_one_version() -> None:
    galaxy = Path(__file__).resolve().parents[3] / "galaxy.yml"
    assert f"version: {PROGRAM}\n" in galaxy.read_text()


# Metrics -----------------------------------------------------------------------------------------

ENTRY = {
    "certificate": {
        "not_after": "2026-05-03T05:06:07Z",
        "renew_at": "2026-04-03T05:06:07Z",
        "must_staple": True,
        "has_responder": True,
    },
    "staple": {
        "effective_expiry": "2026-03-11T04:06:07Z",
        "this_update": "2026-03-04T04:06:07Z",
        "next_update": "2026-03-11T04:06:07Z",
        "renew_at": "2026-03-07T16:06:07Z",
        "ignored": "haproxy ignores it",
    },
    "revoked": None,
    "succeeded": "2026-03-04T05:06:07Z",
    "failures": 2,
    "failure_code": "timeout",
    "source": {"client": "certbot", "certificate": "/srv/fullchain.pem", "changed": "2026-03-04T04:53:20Z"},
}

NAMES = {
    "ocsp_stapling_response_expiry_timestamp_seconds": 1773201967,
    "ocsp_stapling_response_this_update_timestamp_seconds": 1772597167,
    "ocsp_stapling_response_next_update_timestamp_seconds": 1773201967,
    "ocsp_stapling_response_renew_timestamp_seconds": 1772899567,
    "ocsp_stapling_last_success_timestamp_seconds": 1772600767,
    "ocsp_stapling_staple_in_place": 1,
    "ocsp_stapling_staple_ignored": 1,
    "ocsp_stapling_certificate_must_staple": 1,
    "ocsp_stapling_certificate_revoked": 0,
    "ocsp_stapling_certificate_of_user": 0,
    "ocsp_stapling_certificate_has_responder": 1,
    "ocsp_stapling_certificate_expiry_timestamp_seconds": 1777784767,
    "ocsp_stapling_source_changed_timestamp_seconds": 1772600000,
    "ocsp_stapling_certificate_renew_timestamp_seconds": 1775192767,
    "ocsp_stapling_renewal_not_live": 0,
}
SAMPLE = re.compile(r'([a-z_]+)(\{([a-z]+="(\\[\\n"]|[^\\"\n])*",?)+\}) (-?\d+(\.\d+)?)')


def test_metrics_by_their_names() -> None:
    found = State()
    found.certificates = {"www.example.com": ENTRY}
    found.runs = {"refresh": state.run_values(NOW, 1.25, 1), "apply": state.run_values(NOW, 2, 0)}
    text = metrics.render(found)
    for name, value in NAMES.items():
        assert f'# TYPE {name} gauge\n{name}{{name="www.example.com"}} {value}\n' in text
    assert 'ocsp_stapling_consecutive_failures{name="www.example.com",code="timeout"} 2\n' in text
    for command, seconds, code in (("apply", "2", 0), ("refresh", "1.25", 1)):
        assert f'ocsp_stapling_last_run_timestamp_seconds{{command="{command}"}} 1772600767\n' in text
        assert f'ocsp_stapling_last_run_duration_seconds{{command="{command}"}} {seconds}\n' in text
        assert f'ocsp_stapling_last_run_exit_code{{command="{command}"}} {code}\n' in text
    assert f'ocsp_stapling_build_info{{version="{PROGRAM}"}} 1\n' in text


@pytest.mark.parametrize(("code", "shown"), [("timeout", "timeout"), ("", ""), ("x" * 50, "other"), ("a b", "other")])
def test_metrics_have_no_other_codes_than_there_are(code: str, shown: str) -> None:
    """The unprivileged user says why an attempt failed, and each new value of a label would be a new series."""
    found = State()
    found.certificates = {"www.example.com": {**ENTRY, "failure_code": code}}
    assert f'consecutive_failures{{name="www.example.com",code="{shown}"}} 2\n' in metrics.render(found)


LATER, LATEST = "2026-03-04T06:00:00Z", "2026-03-04T07:00:00Z"


@pytest.mark.parametrize(
    ("claims", "staple", "succeeded"),
    [
        ({}, {}, None),
        ({}, {"sha256": "1", "installed": LATER}, LATER),
        ({"sha256": "1"}, {"sha256": "1", "installed": LATER}, LATER),
        ({"sha256": "1", "succeeded": LATER}, {"sha256": "1", "installed": LATEST}, LATER),
        ({"sha256": "2", "succeeded": LATER}, {"sha256": "1", "installed": LATEST}, LATEST),
        ({"sha256": "2", "succeeded": LATEST}, {"sha256": "1", "installed": LATER}, LATEST),
    ],
    ids=["nothing", "a playbook alone", "a playbook, as refresh saw", "refresh", "a playbook since", "refresh since"],
)
def test_whoever_fetched_a_response_it_is_the_last_success(
    claims: t.Dict[str, t.Any], staple: t.Dict[str, t.Any], succeeded: t.Optional[str]
) -> None:
    now = datetime(2026, 3, 4, 8, tzinfo=timezone.utc)
    assert certificate_state.attempt_values(claims, staple, now)["succeeded"] == succeeded


def test_each_family_stands_once_with_its_help() -> None:
    found = State()
    found.certificates = dict.fromkeys(("a", "b", 'with "quotes", \\ and\nlines'), ENTRY)
    families = []
    for line in metrics.render(found).splitlines():
        if line.startswith("# HELP "):
            families.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {families[-1]} gauge"
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match.group(1) == families[-1]
    assert len(families) == len(set(families)) == len(NAMES) + 2


def test_what_is_not_known_has_no_sample() -> None:
    found = State()
    found.certificates = {"a": {"staple": None, "certificate": None, "revoked": {"time": None}}}
    text = metrics.render(found)
    assert 'ocsp_stapling_staple_in_place{name="a"} 0\n' in text
    assert 'ocsp_stapling_certificate_revoked{name="a"} 1\n' in text
    assert "expiry" not in text and "ignored" not in text
    assert "must_staple" not in text
    assert "last_run" not in text


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_a_state_of_any_shape_has_metrics(certificates: t.Dict[str, t.Any]) -> None:
    found = State({"version": 1, "certificates": certificates, "runs": certificates})
    for line in metrics.render(found).split("\n")[:-1]:
        assert line.startswith("# ") or SAMPLE.fullmatch(line), line


# What another user may have written ----------------------------------------------------------------


def test_the_record_is_bounded_by_the_number_of_certificates(tmp_path: Path) -> None:
    """What is read takes many times as much memory, and apply has half a gigabyte."""
    path = tmp_path / "refresh.json"
    size = record.largest(3)
    head = b'{"version": 1, "run": {"exit_code": 1}, "x": "'
    path.write_bytes(head + b"x" * (size - len(head) - 2) + b'"}')
    assert record.load_foreign(str(path), 3)[0].run == {"exit_code": 1}
    found, problem = record.load_foreign(str(path), 2)
    assert found.run == {}
    assert f"has {size} octets, more than {record.largest(2)}" in problem
    assert record.load(str(path), 2).run == {}
    assert record.largest(10**9) == 12 * 1024 * 1024


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"[[]],", b'{"a":[]},', b"1.5,", b'"ab",', b"1e9,", b"[1],"])
def test_the_largest_record_fits_into_the_memory_of_a_run(tmp_path: Path, unit: bytes) -> None:
    size = record.largest(0)
    data = b'{"version": 1, "x": [' + unit * ((size - 40) // len(unit)) + b"0]}"
    tracemalloc.start()
    try:
        record.parse(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / size * record.largest(10**9) < 448 * 1024 * 1024


def test_writing_takes_no_more_than_twice_the_memory_of_the_file() -> None:
    values = {"version": 1, "certificates": {f"n{index}": {"message": "QUJD" * 3000} for index in range(200)}}
    tracemalloc.start()
    try:
        data = record.dump(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert json.loads(data) == values
    assert peak < 2.2 * len(data)


@pytest.mark.parametrize("error", [MemoryError, RecursionError, KeyError])
def test_a_record_that_costs_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: t.Type[Exception]
) -> None:
    def fail(_data: t.Any) -> Record:
        raise error

    monkeypatch.setattr(record, "parse", fail)
    found, problem = record.load_foreign(str(tmp_path / "refresh.json"), 1)
    assert found.run == {}
    assert problem == f"{tmp_path}/refresh.json cannot be read ({error.__name__}); remove it"


def test_long_values_of_the_record_are_not_looked_at() -> None:
    assert record.time_of({"a": "2026-03-04T05:06:07Z" + " " * 40}, "a") is None
    assert record.time_of({"a": [["2026-03-04T05:06:07Z"]]}, "a") is None


@pytest.mark.parametrize("number", [1, 100, 3000])
def test_the_longest_entries_fit_into_the_record(tmp_path: Path, number: int) -> None:
    """They are of responders and certificates, whose owners must not have the record of all others refused."""
    path = str(tmp_path / "refresh.json")
    usual = {"next_attempt": "2026-03-04T05:06:07Z", "inputs": "0" * 32, "sha256": "0" * 64, "message": "It is down"}
    long = {**usual, "message": "\N{PILE OF POO}" * 1000, "responder_url": "http://" + '"' * 2041}
    kept = Record()
    kept.entry("n0").update(usual)
    for index in range(1, number):
        kept.entry(f"n{index}").update(long)
    quotes = '"' * 200
    kept.ways = {f"http://{index}/{quotes}": Way("post", "sha256", NOW) for index in range(8 * number)}
    kept.save(path)
    found, problem = record.load_foreign(path, number)
    assert problem == ""
    for again in (found, record.load(path, number)):
        assert again.entry("n0") == usual
        assert again.entry(f"n{number - 1}")["sha256"] == "0" * 64


def test_the_newest_ways_are_remembered_and_no_long_ones() -> None:
    kept = Record()
    kept.ways = {f"http://{age}/": Way("post", "sha1", NOW - timedelta(minutes=age)) for age in range(1000)}
    assert list(kept.ways) == sorted(f"http://{age}/" for age in range(400))
    kept.ways = {f"http://{'x' * 250}": Way("post", "sha1", NOW)}
    assert kept.ways == {}


@pytest.mark.parametrize("text", [",:[{" * 250, '\\"' * 500, "\\" * 1000, '"' * 1000, '\\\\"' * 300])
def test_texts_do_not_crowd_the_record(text: str) -> None:
    """They are of responders and certificates, whose owners must not have the record of all others refused."""
    assert not record.is_crowded(record.dump({"certificates": {f"n{index}": {"m": text} for index in range(100)}}), 100)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32-be", "utf-8-sig"])
def test_a_record_in_another_encoding_is_none(tmp_path: Path, encoding: str) -> None:
    """The octets of its values were counted as those of UTF-8."""
    path = tmp_path / "refresh.json"
    path.write_bytes('{"version": 1, "run": {"exit_code": 3}}'.encode(encoding))
    assert record.load_foreign(str(path), 1)[0].run == record.load(str(path), 1).run == {}


@pytest.mark.parametrize(
    "unit", ["[" * 400 + "]" * 400, '{"":' * 400 + "1" + "}" * 400, "[]", "{}", '"ab"', '"\\\\"', "1"]
)
def test_a_record_of_values_without_number_is_refused(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "refresh.json"
    data = f'{{"version": 1, "x": [{",".join([unit] * (200_000 // (len(unit) + 1)))}]}}'
    path.write_text(data)
    assert len(data) < record.largest(1)
    found, refused = record.load_foreign(str(path), 1)
    assert refused == f"{path} has more values in it than a record of 1 certificates; remove it"
    assert record.load(str(path), 1).run == found.run == {}
