# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Grafana dashboard: its shape, and each of its queries against a Prometheus that scraped real metrics."""

from __future__ import annotations

import json
import re
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from conftest import Prometheus

CHECKOUT = Path(__file__).resolve().parents[2]
MONITORING = CHECKOUT / "extensions" / "monitoring"
GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "monitoring.rst"
DASHBOARD: dict[str, t.Any] = json.loads((MONITORING / "grafana" / "ocsp-stapling.json").read_text())
PANELS: list[dict[str, t.Any]] = DASHBOARD["panels"]
VARIABLES: list[dict[str, t.Any]] = DASHBOARD["templating"]["list"]
#: Panels that each Grafana has; anything else would be a plugin.
BUILT_IN = {"stat", "table", "timeseries"}

TARGETS = [
    pytest.param(target, id=f"{panel['title']}-{target['refId']}") for panel in PANELS for target in panel["targets"]
]


def fill_in(expression: str) -> str:
    """A query with the value that Grafana puts for "All" into each variable."""
    for variable in VARIABLES:
        expression = expression.replace(f"${variable['name']}", variable.get("allValue", ""))
    assert "$" not in expression
    return expression


def run(prometheus: Prometheus, target: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    query = prometheus.query if target["instant"] else prometheus.query_range
    return query(fill_in(target["expr"]))


@pytest.mark.parametrize("target", TARGETS)
def test_panel_has_data(prometheus: Prometheus, target: dict[str, t.Any]) -> None:
    found = run(prometheus, target)
    assert found
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        assert all(label in series["metric"] for series in found), label


def test_each_panel_asks_for_something() -> None:
    assert all(panel["targets"] for panel in PANELS) and len(PANELS) >= 10


@pytest.mark.parametrize("panel", [panel for panel in PANELS if panel["type"] == "table"], ids=lambda p: p["title"])
def test_rows_of_a_table_meet(prometheus: Prometheus, panel: dict[str, t.Any]) -> None:
    """Grafana merges rows whose labels are all the same, and renames columns that must exist."""
    labels = {frozenset(series["metric"]) for target in panel["targets"] for series in run(prometheus, target)}
    assert len(labels) == 1, labels
    columns = set(labels.pop()) | {"Time"}
    columns |= {f"Value #{target['refId']}" for target in panel["targets"]} if len(panel["targets"]) > 1 else {"Value"}
    organize = panel["transformations"][-1]["options"]
    assert set(organize["renameByName"]) | set(organize["excludeByName"]) == columns
    shown = set(organize["renameByName"].values())
    assert {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} <= shown
    assert {entry["displayName"] for entry in panel["options"]["sortBy"]} <= shown


def test_overview_has_each_certificate_once(prometheus: Prometheus) -> None:
    overview = next(panel for panel in PANELS if panel["title"].startswith("Certificates, "))
    names = {series["metric"]["name"] for series in prometheus.query("ocsp_stapling_certificate_has_responder")}
    rows = [series["metric"]["name"] for target in overview["targets"][2:3] for series in run(prometheus, target)]
    assert sorted(rows) == sorted(names) and len(rows) > 3
    assert overview["options"]["sortBy"] == [{"displayName": "Expires in", "desc": False}]


def texts(panel: dict[str, t.Any], column: str) -> dict[str, dict[str, t.Any]]:
    """What a column of a table shows for a value, and in which colour."""
    override = next(one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == column)
    mappings = next(one["value"] for one in override["properties"] if one["id"] == "mappings")
    return t.cast("dict[str, dict[str, t.Any]]", mappings[0]["options"])


def test_in_place_alarms_only_where_a_staple_is_needed(prometheus: Prometheus) -> None:
    panel = next(panel for panel in PANELS if panel["title"].startswith("Certificates, "))
    target = next(target for target in panel["targets"] if "in_place" in target["expr"])
    mapped = texts(panel, "In place")
    shown = {row["metric"]["name"]: mapped[row["value"][1]]["text"] for row in run(prometheus, target)}
    assert shown["good.example.com"] == "yes" and shown["new.example.com"] == "no"
    assert shown["ignored.example.com"] == "ignored"
    assert shown["silent.example.com"] == "n/a", "it has no responder, so there is nothing to staple"
    assert {each["text"] for each in mapped.values() if each["color"] != "transparent"} == {"no", "ignored"}


def test_a_required_staple_that_a_server_ignores_counts_as_missing(prometheus: Prometheus) -> None:
    panel = next(panel for panel in PANELS if panel["title"] == "Must-staple missing")
    (found,) = run(prometheus, panel["targets"][0])
    assert found["value"][1] == "2"


@pytest.mark.parametrize("code", ["0", "1", "2", "64", "70", "74", "75", "78"])
def test_exit_codes_are_explained(code: str) -> None:
    """In words, as a colour alone says nothing to many people."""
    panel = next(panel for panel in PANELS if panel["title"] == "Last runs")
    assert re.fullmatch(rf"{code} \w.*", texts(panel, "Exit code")[code]["text"])


@pytest.mark.parametrize("variable", [v for v in VARIABLES if v["type"] == "query"], ids=lambda v: v["name"])
def test_variable_has_values(prometheus: Prometheus, variable: dict[str, t.Any]) -> None:
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert match and variable["definition"] == variable["query"]["query"]
    series, label = match.groups()
    assert prometheus.get(f"label/{label}/values", **{"match[]": fill_in(series)})


def test_dashboard_needs_no_plugin() -> None:
    assert {panel["type"] for panel in PANELS} <= BUILT_IN
    assert DASHBOARD["schemaVersion"] >= 39 and "__inputs" not in DASHBOARD and DASHBOARD["id"] is None
    assert [variable["type"] for variable in VARIABLES] == ["datasource", "query", "query", "query"]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, y in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_each_panel_explains_itself() -> None:
    for panel in PANELS:
        assert panel["title"] and panel["description"].endswith(".")
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def raised_alerts(prometheus: Prometheus) -> set[tuple[str, str | None]]:
    alerts = [alert["labels"] for alert in prometheus.get("alerts")["alerts"]]
    return {(labels["alertname"], labels.get("name")) for labels in alerts}


def test_alerts_work_on_real_metrics(prometheus: Prometheus) -> None:
    expected = {
        ("OcspCertificateRevoked", "revoked.example.com"),
        ("OcspMustStapleMissing", "must.example.com"),
        ("OcspMustStapleIgnored", "strict.example.com"),
        ("OcspStapleIgnored", "ignored.example.com"),
        ("OcspStapleMissing", "new.example.com"),
        ("OcspStapleNotRenewed", "late.example.com"),
        ("OcspResponderFailing", None),
        ("OcspResponseRefused", None),
    }
    deadline = time.monotonic() + 30
    while raised_alerts(prometheus) != expected and time.monotonic() < deadline:
        time.sleep(0.2)  # the first evaluation may still be under way
    assert raised_alerts(prometheus) == expected
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 10 and {rule["health"] for rule in rules} == {"ok"}


def names(text: str) -> set[str]:
    return set(re.findall(r"\bocsp_stapling_[a-z_]+[a-z]\b", text))


def test_all_metrics_that_are_used_exist(metrics: str) -> None:
    exported = names(metrics)
    for path in ("prometheus/ocsp-stapling.rules.yml", "grafana/ocsp-stapling.json"):
        assert names((MONITORING / path).read_text()) <= exported, path
    assert names(GUIDE.read_text()) == exported


def test_metrics_follow_the_conventions(metrics: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
