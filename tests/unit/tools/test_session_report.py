# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What script/test says of the sessions that nox ran: shown by a noxfile of its own, run by nox itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[2] / "tools" / "session_report.py"
NOXFILE = """
import nox

nox.options.allow_parallel = True

@nox.session(python=False)
def passes(session):
    session.run("python3", "-c", "print('..  [100%]'); print('7 passed, 2 skipped in 0.31s')", external=True)

@nox.session(python=False)
def fails(session):
    session.run("python3", "fails.py", external=True)

@nox.session(python=False)
def lacks(session):
    session.skip("needs a moon")

@nox.session(python=False)
def counts(session):
    row = "| BoringSSL | 36 | 33 | 3 | 0 | cryptography 50.0.2, OpenSSL 4.0.3, Python 3.13.0 |"
    session.run("python3", "-c", f"print({row!r})", external=True)
"""


FAILS = "print('.......   [ 10%]\\n' * 200); print('the reason'); raise SystemExit(1)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def run(folder: Path) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("nox") is None:
        pytest.skip("needs nox")
    (folder / "noxfile.py").write_text(NOXFILE)
    (folder / "fails.py").write_text(FAILS)
    (folder / "logs").mkdir()
    nox = [sys.executable, "-m", "nox", "--parallel", "2", "--report", "report.json"]
    printed = subprocess.run(nox, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
    return subprocess.run(
        [sys.executable, str(REPORT), "report.json", "logs"],
        cwd=folder,
        input=printed.decode(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )


def line_about(name: str, output: str) -> str:
    table = output[output.index("\nsession") :]
    return next(line for line in table.splitlines() if line.startswith(name + " "))


def test_each_session_has_a_line_with_its_result(run: subprocess.CompletedProcess[str]) -> None:
    assert "passed " in line_about("passes", run.stdout)
    assert line_about("passes", run.stdout).endswith("7 passed, 2 skipped")
    assert "FAILED " in line_about("fails", run.stdout)
    assert "not run " in line_about("lacks", run.stdout)
    assert line_about("lacks", run.stdout).endswith("needs a moon")


def test_totals_are_the_last_line(run: subprocess.CompletedProcess[str]) -> None:
    assert run.stdout.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"


def test_end_of_a_failed_session_is_shown_without_progress(run: subprocess.CompletedProcess[str]) -> None:
    assert "    the reason\n" in run.stdout
    assert "[ 10%]" not in run.stdout


def test_whole_output_is_kept(run: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert "[ 10%]" in (folder / "logs" / "fails.log").read_text()
    assert "[100%]" in (folder / "logs" / "passes.log").read_text()


def test_conformance_of_all_libraries_is_one_table(run: subprocess.CompletedProcess[str]) -> None:
    assert "BoringSSL: 36: 33/3/0" in run.stdout
