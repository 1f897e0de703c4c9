# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One certificate costs one certificate: a defect in any function that a loop over certificates calls.

What loops over them in C(refresh) is in C(test_refresh_command).
"""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.ocsp.tests.unit.forge import HOUR
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp_stapling import certificate_state, in_place, metrics, observe, whose
from ocsp_stapling.commands import apply, status

THREE = ("a.example.com", "b.example.com", "c.example.com")
#: How a value of the second certificate is recognized, whichever it is.
ITS = "b.example.com"


@pytest.fixture
def three(host: Host) -> Host:
    """Three certificates with a staple each."""
    for name in THREE:
        host.deploy(name)
    host.hour()
    return host


def plant(monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str) -> None:
    """Have a function fail where it is about the second certificate."""
    real = getattr(owner, function)

    def defect(*arguments: t.Any, **options: t.Any) -> t.Any:
        # Of an object only what is about one certificate counts.
        if any(ITS in repr(one) and THREE[0] not in repr(one) for one in (*arguments, *options.values())):
            raise KeyError("planted")
        return real(*arguments, **options)

    monkeypatch.setattr(owner, function, defect)


def staples_of(host: Host) -> t.Dict[str, t.Optional[bytes]]:
    return {name: host.staple(name) for name in THREE}


OF_APPLY = [
    (apply.Apply, "_apply"),
    (apply.Apply, "_conclude"),
    (apply.Apply, "_say_change"),
    (apply, "decide"),
    (observe, "read_place"),
    (observe, "read_options"),
    (observe.untrusted_file, "read"),
    (observe.Observer, "look"),
    (certificate_state, "entry_values"),
    (certificate_state, "certificate_values"),
    (certificate_state, "staple_values"),
    (whose, "of_set"),
]


@pytest.mark.parametrize(("owner", "function"), OF_APPLY, ids=[function for _owner, function in OF_APPLY])
def test_apply_puts_the_staples_of_others_in_place(
    three: Host, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str
) -> None:
    before = staples_of(three)
    three.later(4 * 24 * HOUR)
    assert three.run("refresh").code == 0
    plant(monkeypatch, owner, function)
    done = three.run("apply")
    assert done.code in (0, 1, 2)
    after = staples_of(three)
    assert after["a.example.com"] != before["a.example.com"] and after["c.example.com"] != before["c.example.com"]
    found = json.loads((three.state / "state.json").read_text())
    assert set(found["certificates"]) == set(THREE)
    metrics_file = (three.state / "metrics/ocsp_stapling.prom").read_text()
    for name in ("a.example.com", "c.example.com"):
        assert f'ocsp_stapling_staple_in_place{{name="{name}"}} 1\n' in metrics_file
    monkeypatch.undo()
    assert three.run("apply").code == 0
    assert staples_of(three)["b.example.com"] != before["b.example.com"]


def test_apply_looks_at_the_clock_by_the_claims_of_others(three: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    real = observe.record.time_of

    def defect(entry: t.Any, key: str) -> t.Any:
        if key == "looked":
            raise KeyError("planted")
        return real(entry, key)

    monkeypatch.setattr(observe.record, "time_of", defect)
    assert three.run("apply").code == 0


OF_STATUS = [
    (status.Status, "_line"),
    (in_place, "_looked"),
    (in_place, "_in_place"),
    (in_place, "_unreadable"),
    (in_place, "read_place"),
    (status.Status, "_word"),
    (status.Status, "_troubles"),
    (status.Status, "_with_run"),
]


@pytest.mark.parametrize("form", [(), ("--json",), ("--nagios",), ("a.example.com", "b.example.com")])
@pytest.mark.parametrize(("owner", "function"), OF_STATUS, ids=[function for _owner, function in OF_STATUS])
def test_status_shows_the_others(
    three: Host, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str, form: t.Tuple[str, ...]
) -> None:
    real = getattr(owner, function)
    # Values of a certificate have its serial number, if they have no name.
    serial = json.loads((three.state / "state.json").read_text())["certificates"][ITS]["certificate"]["sha256"]

    def defect(*arguments: t.Any) -> t.Any:
        if any(serial in repr(one) or f"{ITS}'" in repr(one) or f"/{ITS}/" in repr(one) for one in arguments):
            raise KeyError("planted")
        return real(*arguments)

    if function == "_looked":
        # Only what is not as the state says is looked at.
        (three.root / "live" / ITS / "ocsp.der").unlink()
    monkeypatch.setattr(owner, function, defect)
    done = three.run("status", *form)
    assert done.err == "" and done.code in (0, 1)
    if form == ("--json",):
        shown = json.loads(done.out)["certificates"]
        assert set(shown) == set(THREE)
        assert shown["a.example.com"]["staple"]["sha256"]
    elif form == ("--nagios",):
        assert done.out.startswith("OCSP ") and "certificates=3" in done.out
    else:
        assert "a.example.com" in done.out and ITS in done.out
        assert "internal error (KeyError: 'planted')" in " ".join(done.out.split())


OF_METRICS = [(metrics, "_code"), (metrics, "_failures")]


@pytest.mark.parametrize("value", range(len(metrics._OF_CERTIFICATES)))
def test_metrics_of_others_are_there_whichever_value_fails(
    three: Host, monkeypatch: pytest.MonkeyPatch, value: int
) -> None:
    name, text, real = metrics._OF_CERTIFICATES[value]

    def defect(entry: t.Any) -> t.Any:
        if ITS in repr(entry):
            raise OverflowError("planted")
        return real(entry)

    table = list(metrics._OF_CERTIFICATES)
    table[value] = (name, text, defect)
    monkeypatch.setattr(metrics, "_OF_CERTIFICATES", tuple(table))
    assert three.run("apply").code == 0
    shown = (three.state / "metrics/ocsp_stapling.prom").read_text()
    assert shown.count('{name="a.example.com"') == shown.count('{name="c.example.com"') > 5
    # Some values are there for certificates of a kind that these are not.
    missing = int(f'{name}{{name="a.example.com"' in shown)
    assert shown.count(f'{{name="{ITS}"') == shown.count('{name="a.example.com"') - missing


@pytest.mark.parametrize(("owner", "function"), OF_METRICS, ids=[function for _owner, function in OF_METRICS])
def test_metrics_of_others_are_there(three: Host, monkeypatch: pytest.MonkeyPatch, owner: t.Any, function: str) -> None:
    plant(monkeypatch, owner, function)
    assert three.run("apply").code == 0
    shown = (three.state / "metrics/ocsp_stapling.prom").read_text()
    assert 'ocsp_stapling_consecutive_failures{name="c.example.com",code=""} 0\n' in shown
