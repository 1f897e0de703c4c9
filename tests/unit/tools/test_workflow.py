# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GitHub runs the same sessions as script/test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("antsibull_nox")

CHECKOUT = Path(__file__).resolve().parents[3]
WORKFLOW = CHECKOUT / ".github" / "workflows" / "test.yml"
#: What antsibull-nox defines for workflows made by itself.
NOT_OURS = {"matrix-generator"}


def sessions() -> list[dict[str, object]]:
    command = [sys.executable, "-m", "nox", "--list", "--json", "-f", str(CHECKOUT / "noxfile.py")]
    settings = {**os.environ, "CERTOPS_NIGHTLY": "1"}  # only what runs by default is listed
    listed = subprocess.run(command, env=settings, stdout=subprocess.PIPE, check=True).stdout
    return [one for one in json.loads(listed) if one["name"] not in NOT_OURS]


def words_of_workflow() -> set[str]:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    words = " ".join(group["run"] for group in jobs["sessions"]["strategy"]["matrix"]["include"]).split()
    nightly = [step["run"] for step in jobs["nightly"]["steps"] if step.get("run", "").startswith("script/test ")]
    return {*words, *" ".join(nightly).split()}


def test_each_session_is_run() -> None:
    words = words_of_workflow()
    forgotten = [one["name"] for one in sessions() if one["name"] not in words and not words & set(one["tags"])]
    assert forgotten == []


def test_nothing_else_is_named() -> None:
    known = {word for one in sessions() for word in (one["name"], *one["tags"])}
    known |= {"--tags", "--nightly", "script/test"}
    assert sorted(words_of_workflow() - known) == []
