# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The alert rules: valid, covered by promtool's unit tests, and complete."""

from __future__ import annotations

import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "plugins" / "module_utils"), str(CHECKOUT / "roles" / "ocsp_stapling" / "files")]

from ocsp import codes  # noqa: E402
from ocsp_stapling import troubles  # noqa: E402

RULES = CHECKOUT / "extensions" / "monitoring" / "prometheus" / "ocsp-stapling.rules.yml"
TESTS = sorted(Path(__file__).parent.glob("*.test.yml"))
GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "operations.rst"

ALERTS: dict[str, dict[str, t.Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
#: These alert by themselves, so that they are no failures to ask a responder about.
OWN_ALERT = {"revoked": "OcspCertificateRevoked", "certificate_expired": "OcspCertificateExpired"}
#: What a host cannot see of itself.
PROMETHEUS_ALONE = {"OcspStaplingClockAhead", "OcspStaplingMetricsMissing", "OcspStaplingNoMetrics"}
SEVERITIES = {"warning": troubles.WARNING, "critical": troubles.CRITICAL}


def promtool(*arguments: str | Path, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, cwd=cwd
    )


def test_rules_are_valid() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.name)
def test_rules_pass_their_unit_tests(tests: Path) -> None:
    done = promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def cases() -> dict[str, list[tuple[Path, bool]]]:
    """For each alert the files that test it, and whether it fires there."""
    found: dict[str, list[tuple[Path, bool]]] = {}
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group["alert_rule_test"]:
                found.setdefault(case["alertname"], []).append((path, bool(case["exp_alerts"])))
    return found


def test_each_alert_fires_and_keeps_quiet() -> None:
    expected = {(name, fires) for name in ALERTS for fires in (True, False)}
    assert {(name, fires) for name, tested in cases().items() for path, fires in tested} == expected


def broken(rule: dict[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """The rule with one thing wrong with it at a time, and what that is."""
    expression: str = rule["expr"]
    for match in re.finditer(r"(?<![=!~])(>=|<=|==|>|<)(?![=~])", expression):
        other = {">": "<", "<": ">", "==": "!=", ">=": "<", "<=": ">"}[match.group()]
        changed = expression[: match.start()] + other + expression[match.end() :]
        yield f"{match.group()} at {match.start()} becomes {other}", {**rule, "expr": changed}
    for match in re.finditer(r"(?<=[\s*])\d+(\.\d+)?(?![\w.])", expression):
        value = float(match.group())
        for number in (value - 1, value + 1) if 0 < value < 10 else (value * 0.7 - 400, value * 1.4 + 400):
            changed = f"{expression[: match.start()]}{number:g}{expression[match.end() :]}"
            yield f"{match.group()} at {match.start()} becomes {number:g}", {**rule, "expr": changed}
    clauses = re.split(r"\n(?=(?:and|unless) )", expression)
    for number in range(1, len(clauses)):
        rest = "\n".join(clauses[:number] + clauses[number + 1 :])
        yield f"without '{clauses[number]}'", {**rule, "expr": rest}
    for aggregation in ("without (name)", "without (command)"):
        if aggregation in expression:
            yield f"not {aggregation}", {**rule, "expr": expression.replace(aggregation, "without ()")}
    yield "without its severity", {**rule, "labels": {}}
    for wait in {"0m", "10m", "6h"} - {rule.get("for", "0m")}:
        yield f"for {wait}", {**rule, "for": wait}


@pytest.mark.parametrize("name", ALERTS)
def test_broken_rule_is_noticed(name: str, tmp_path: Path) -> None:
    """Whatever is changed in a rule, some unit test of promtool fails."""
    rules = tmp_path / RULES.relative_to(CHECKOUT)
    rules.parent.mkdir(parents=True)
    folder = tmp_path / "tests" / "monitoring"
    folder.mkdir(parents=True)
    for path in {path for path, fires in cases()[name]}:
        suite = yaml.safe_load(path.read_text())
        for group in suite["tests"]:
            group["alert_rule_test"] = [case for case in group["alert_rule_test"] if case["alertname"] == name]
        suite["tests"] = [group for group in suite["tests"] if group["alert_rule_test"]]
        (folder / path.name).write_text(yaml.safe_dump(suite))
    unnoticed = []
    for what, rule in [("unchanged", ALERTS[name]), *broken(ALERTS[name])]:
        rules.write_text(yaml.safe_dump({"groups": [{"name": "broken", "rules": [rule]}]}))
        done = promtool("test", "rules", *folder.iterdir(), cwd=folder)
        if (done.returncode == 0) != (what == "unchanged"):
            unnoticed.append(what)
    assert unnoticed == []


def alert_of(code: str) -> list[str]:
    """The alerts that count a failure with this reason code."""
    found = []
    for name, rule in ALERTS.items():
        matchers = re.findall(r'code(=~|!~)"([^"]*)"', rule["expr"])
        if matchers and all(bool(re.fullmatch(regex, code)) == (kind == "=~") for kind, regex in matchers):
            found.append(name)
    return found


def reason_codes() -> set[str]:
    """The codes that a refresh may end with."""
    return {*codes.JUDGEMENT_CODES, *codes.TRANSPORT_CODES, *codes.REFRESH_CODES}


@pytest.mark.parametrize("code", sorted(reason_codes()))
def test_each_reason_code_has_one_alert(code: str) -> None:
    if code in OWN_ALERT:
        assert alert_of(code) == [] and OWN_ALERT[code] in ALERTS
    else:
        assert len(alert_of(code)) == 1


def test_codes_of_the_rules_exist() -> None:
    """A code that is spelled wrong in a rule would go to the wrong alert unnoticed."""
    for name, rule in ALERTS.items():
        for _kind, regex in re.findall(r'code(=~|!~)"([^"]*)"', rule["expr"]):
            assert set(regex.split("|")) <= reason_codes(), name


# The table of status -------------------------------------------------------------------------------


def test_each_alert_is_in_the_table_of_the_program() -> None:
    assert {trouble.alert for trouble in troubles.TABLE if trouble.alert} == set(ALERTS) - PROMETHEUS_ALONE


@pytest.mark.parametrize("trouble", [one for one in troubles.TABLE if one.alert], ids=lambda one: one.name)
def test_alerts_and_status_agree(trouble: troubles.Trouble) -> None:
    rule = ALERTS[trouble.alert]
    assert SEVERITIES[rule["labels"]["severity"]] == trouble.level
    # OcspStapleNotRenewed is not_renewed; several troubles may share an alert that has the name of a run.
    words = [word for word in trouble.name.split("_") if trouble.alert != "OcspStaplingApplyFailing"]
    assert all(word in trouble.alert.lower() for word in words)
    shares = re.findall(r"> (0\.\d+) \*", rule["expr"])
    assert [float(share) for share in shares] == ([trouble.share] if trouble.share else [])
    if trouble.codes:
        assert {code for code in reason_codes() if alert_of(code) == [trouble.alert]} == trouble.codes


@pytest.mark.parametrize("code", sorted(reason_codes()))
def test_each_reason_code_has_the_trouble_of_its_alert(code: str) -> None:
    found = troubles.of_failure(code)
    assert (alert_of(code) or [None]) == [found.alert if found is not None else None]


def test_the_guide_has_the_table() -> None:
    row = r"   \* - ``(\w+)``\n     - (warning|critical)\n     - (?:(Ocsp\w+)_|none; .*)\n"
    rows = re.findall(row, GUIDE.read_text())
    assert rows == [
        (one.name, "critical" if one.level == troubles.CRITICAL else "warning", one.alert) for one in troubles.TABLE
    ]


def test_the_worst_stands_first() -> None:
    levels = [trouble.level for trouble in troubles.TABLE]
    assert levels == sorted(levels, reverse=True)
    critical = {trouble.name for trouble in troubles.TABLE if trouble.level == troubles.CRITICAL}
    of_staples = {"must_staple_missing", "must_staple_ignored", "must_staple_expiring", "staple_expired"}
    assert critical == {"revoked", *of_staples, "renewal_overdue"}


def test_alerts_tell_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"}), name
        assert len(rule["annotations"]["summary"]) < 130 and rule["annotations"]["description"].endswith("."), name


def headings(path: Path) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    lines = path.read_text().splitlines()
    found = {text for text, line in zip(lines, lines[1:]) if text and re.fullmatch(r'([=~^"-])\1*', line)}
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in found}


def test_each_alert_has_a_runbook() -> None:
    address = "https://github.com/certops/ansible-ocsp/blob/main/" + str(GUIDE.relative_to(CHECKOUT))
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"{address}#{name.lower()}"
        assert name.lower() in headings(GUIDE), f"{GUIDE} has no section {name}"
    assert {name for name in headings(GUIDE) if name.startswith("ocsp") and "-" not in name} == {
        name.lower() for name in ALERTS
    }
