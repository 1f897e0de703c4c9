# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove each check of the core and of the program once, in a copy, and see that a unit test fails for it.

A check is a place there that names a reason code: a finding that is reported, an error that
is raised or returned; or a rule inside of a function that returns what is wrong as a sentence.
Statements that report, raise or return a sentence are removed; elsewhere the code is replaced by
another one. Prints a line for each place and a table of the reason codes; exits with 1 when a
removed check goes unnoticed.

    python tests/tools/remove_checks.py [--jobs 2] [--only CODE]

All tests run once to see which of them reach which line. Then, for each check, those that reach it run, quickest
first, until one fails: first those of the file that is named like the place, then the others; when none does, all
tests run. Each run is a fork of this process, which has imported the libraries and nothing of the
collection. Those that kill the transaction are left out: they take long, and are about the order of its steps.

Needs pytest, hypothesis, coverage, cryptography and ansible-core in the interpreter that runs it.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import multiprocessing
import multiprocessing.connection
import os
import resource
import shutil
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import coverage
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = Path("plugins/module_utils/ocsp")
PROGRAM = Path("roles/ocsp_stapling/files/ocsp_stapling")
TESTS = ("tests/unit/plugins", "tests/unit/program")
LEFT_OUT = "tests/unit/program/test_kills.py"

#: What the exception classes and helpers of errors.py stand for.
CODES_OF_CALLS = {
    "MalformedError": "malformed",
    "fail": "malformed",
    "InputError": "bad_input",
    "FileError": "file_error",
}
#: What a helper of the program stands for.
CODES_OF_ITS_CALLS = {**CODES_OF_CALLS, "fail": "bad_input"}
#: What is given a reason code.
CALLS_WITH_CODES = (
    "error",
    "warn",
    "Finding",
    "TransportError",
    "ProbeError",
    "InputError",
    "Event",
    "Decision",
    "_replace",
    "_without",
)
#: Functions that return the sentence of a rule that is broken, and the reason code that comes of it.
SENTENCES = {
    "_answer_problem": "wrong_certificate",
    "_authority_problem": "unauthorized_responder",
    "_conflict": "bad_input",
    "_content_problem": "malformed",
    "_extension_deviations": "encoding",
    "_fault": "not_served",
    "_head_deviations": "encoding",
    "_older": "older",
    "_profile_oddities": "responder_profile",
    "_staple_fault": "not_served",
    "_unreadable": "bad_input",
    "_unstapled": "bad_input",
    "issuance_problem": "issuer_mismatch",
    "issuer_problem": "bad_input",
    "key_problem": "bad_input",
    "obstacle": "bad_input",
    "weakness": "weak_signature",
}
#: Lists that collect sentences about what is refused.
COLLECTED = ("problems", "faults")
#: What takes longest to import. Nothing of the collection, which differs from run to run.
LIBRARIES = ("ansible.module_utils.basic", "cryptography.x509.ocsp", "hypothesis.strategies")
#: How much longer than before the tests may take without a check: this many times as long, and so many seconds more.
TIMEOUT_FACTOR = 10
TIMEOUT_EXTRA_SECONDS = 20
MEMORY = 4 << 30
_FORK = multiprocessing.get_context("fork")


class Check(t.NamedTuple):
    """A place that names a reason code. ``removed`` is the line that takes its place."""

    path: Path
    code: str
    first: int
    last: int
    removed: str

    @property
    def place(self) -> str:
        return f"{self.path.name}:{self.first}"


def known_codes() -> t.Set[str]:
    """The reason codes of the table in codes.py, which is not imported: forks of this process import it."""
    nodes = ast.walk(ast.parse((CHECKOUT / CORE / "codes.py").read_text()))
    rows = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Code"]
    return {ast.literal_eval(row.args[0]) for row in rows}


def find_checks() -> t.List[Check]:
    codes = known_codes()
    checks: t.List[Check] = []
    gone = {*SENTENCES, *CODES_OF_ITS_CALLS, *CALLS_WITH_CODES} - {"_replace"}  # that is of all named tuples
    for file in [file for folder in (CORE, PROGRAM) for file in (CHECKOUT / folder).rglob("*.py")]:
        path = file.relative_to(CHECKOUT)
        lines = (CHECKOUT / path).read_text().splitlines()
        tree = ast.parse("\n".join(lines))
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                gone.discard(node.name)
            if isinstance(node, ast.FunctionDef) and node.name in SENTENCES:
                checks.extend(_rules_of(path, node, lines))
            if isinstance(node, (ast.Expr, ast.Raise, ast.Return, ast.Assign)):
                checks.extend(_checks_of(path, node, lines, codes))
            if isinstance(node, ast.Expr) and _collects(node):
                checks.append(_removal(path, "bad_input", node, lines))
    if gone:
        sys.exit(f"This file names functions and classes that are not there any more: {', '.join(sorted(gone))}.")
    return sorted(set(checks), key=lambda check: (check.path, check.first))


def _rules_of(path: Path, function: ast.FunctionDef, lines: t.List[str]) -> t.Iterator[Check]:
    for node in ast.walk(function):
        sentence = node.value if isinstance(node, ast.Return) else None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
            sentence = node.value.value
        if isinstance(sentence, ast.IfExp):
            sentence = sentence.body
        if isinstance(sentence, ast.JoinedStr) or (isinstance(sentence, ast.Constant) and sentence.value):
            yield _removal(path, SENTENCES[function.name], t.cast(ast.stmt, node), lines)


def _checks_of(path: Path, statement: ast.stmt, lines: t.List[str], codes: t.Set[str]) -> t.Iterator[Check]:
    for node in ast.walk(statement):
        calls = CODES_OF_ITS_CALLS if PROGRAM in path.parents else CODES_OF_CALLS
        code = _code_of(node, codes, calls) or _assigned_code(statement, node, codes)
        if not code:
            continue
        if isinstance(statement, (ast.Expr, ast.Raise)):
            yield _removal(path, code, statement, lines)
            return
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        text = "\n".join(lines[first - 1 : last])
        if f'"{code}"' in text:
            yield Check(path, code, first, last, text.replace(f'"{code}"', '"removed"', 1))


def _collects(statement: ast.Expr) -> bool:
    """Whether it is ``problems.append(...)``, or as much of another such list."""
    call = statement.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "append":
        return False
    return isinstance(call.func.value, ast.Name) and call.func.value.id in COLLECTED


def _removal(path: Path, code: str, statement: ast.stmt, lines: t.List[str]) -> Check:
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    return Check(path, code, first, last, _indent(lines[first - 1]) + "pass")


def _code_of(node: ast.AST, codes: t.Set[str], calls: t.Mapping[str, str]) -> str:
    """The reason code that a call names, or an empty string."""
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "code")]
    literals = [argument.value for argument in given if isinstance(argument, ast.Constant)]
    named = [literal for literal in literals if isinstance(literal, str) and literal in codes]
    if named and name in CALLS_WITH_CODES:
        return named[0]
    return calls.get(name, "")


def _assigned_code(statement: ast.stmt, node: ast.AST, codes: t.Set[str]) -> str:
    """The reason code that is kept in an attribute for the error to come, or an empty string."""
    if not isinstance(statement, ast.Assign) or not isinstance(node, ast.Constant) or node.value not in codes:
        return ""
    kept = [target for target in ast.walk(statement.targets[0]) if isinstance(target, ast.Attribute)]
    return str(node.value) if any(target.attr == "code" for target in kept) else ""


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


class Reach:
    """Which tests reach which lines of the core, and how long each of them takes."""

    def __init__(self, recorded: Path, seconds: t.Mapping[str, float]) -> None:
        self._data = coverage.CoverageData(str(recorded))
        self._data.read()
        self._seconds = seconds
        self._lines: t.Dict[Path, t.Dict[int, t.List[str]]] = {}

    def tests(self, check: Check) -> t.List[str]:
        """The tests that reach a check, quickest first."""
        if check.path not in self._lines:
            file = next((file for file in self._data.measured_files() if file.endswith(f"/{check.path}")), "")
            self._lines[check.path] = self._data.contexts_by_lineno(file)
        reached = self._lines[check.path]
        found = {test for line in range(check.first, check.last + 1) for test in reached.get(line, ())}
        return sorted(found & self._seconds.keys(), key=lambda test: (self._seconds[test], test))

    def stages(self, check: Check) -> t.List[t.List[str]]:
        """The tests to run for a check, one stage after the other; the last one is empty, for all tests."""
        reached = self.tests(check)
        own = [test for test in reached if Path(test.partition("::")[0]).stem == f"test_{check.path.stem}"]
        others = [test for test in reached if test not in set(own)]
        return [stage for stage in (own, others) if stage] + [[]]

    def seconds(self, tests: t.Iterable[str]) -> float:
        """How long these tests may take, or all if these are none."""
        return TIMEOUT_EXTRA_SECONDS + TIMEOUT_FACTOR * sum(
            self._seconds[test] for test in list(tests) or self._seconds
        )


class _Witness:
    """Plugin of pytest that notes the first test that fails."""

    failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


class _Recorder(_Witness):
    """Notes for coverage which test runs, and how long it takes."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: t.Dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> t.Iterator[None]:
        begin = time.monotonic()
        self.measured.switch_context(item.nodeid)
        yield
        self.seconds[item.nodeid] = time.monotonic() - begin


class _Chooser(_Witness):
    """Runs the tests given, in their order."""

    def __init__(self, tests: t.Sequence[str]) -> None:
        self.order = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: t.List[pytest.Item]) -> None:
        if self.order:
            chosen = [item for item in items if item.nodeid in self.order]
            items[:] = sorted(chosen, key=lambda item: self.order[item.nodeid])


def _pytest(copy: Path, files: t.Iterable[str], plugin: object) -> int:
    """Run pytest in a copy, silently."""
    os.chdir(copy)
    os.environ.update(
        TMPDIR=str(copy), PYTHONDONTWRITEBYTECODE="1", HYPOTHESIS_STORAGE_DIRECTORY=str(copy / "examples")
    )
    sys.dont_write_bytecode = True
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    imported = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # so it is, and before the fork
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-W", imported, f"--ignore={LEFT_OUT}"]
    return pytest.main([*options, *files], plugins=[plugin])


def _record(copy: Path, answer: multiprocessing.connection.Connection) -> None:
    sources = [str(copy / folder / "**") for folder in (CORE, PROGRAM)]
    measured = coverage.Coverage(data_file=str(copy / "reach"), include=sources, config_file=False)
    measured.start()
    recorder = _Recorder(measured)
    code = _pytest(copy, TESTS, recorder)
    measured.stop()
    measured.save()
    answer.send((code, recorder.failed, recorder.seconds))


def _first_failure(copy: Path, tests: t.List[str], answer: multiprocessing.connection.Connection) -> None:
    """Send the test that failed first among those that reach a check, else among all, or an empty string."""
    chooser = _Chooser(tests)
    code = _pytest(copy, sorted({test.partition("::")[0] for test in tests}) or TESTS, chooser)
    answer.send("" if code == 0 else chooser.failed or f"exit code {code}")


class Run:
    """The tests of one stage that run for one check, in a fork."""

    def __init__(self, check: Check, home: Path, stages: t.List[t.List[str]], seconds: float) -> None:
        self.check = check
        self.stages = stages
        self.copy = _copy(home)
        lines = (self.copy / check.path).read_text().splitlines()
        lines[check.first - 1 : check.last] = check.removed.splitlines()
        (self.copy / check.path).write_text("\n".join(lines) + "\n")
        self.answer, other = _FORK.Pipe(duplex=False)
        self.process = _FORK.Process(target=_first_failure, args=(self.copy, stages[0], other))
        self.process.start()
        other.close()
        self.end = time.monotonic() + seconds

    def result(self) -> str:
        """The test that failed, or an empty string; waits for it."""
        try:
            if not self.answer.poll(max(0.0, self.end - time.monotonic())):
                self.process.kill()
                return "the tests did not end"
            return str(self.answer.recv())
        except EOFError:
            return "the tests ended the interpreter"
        finally:
            self.process.join()
            shutil.rmtree(self.copy)


def _copy(home: Path) -> Path:
    copy = Path(tempfile.mkdtemp(prefix="", dir=home))  # short, as sockets must fit in below it
    leave_out = shutil.ignore_patterns(".*", "__pycache__", "integration", "conformance", "docs")
    shutil.copytree(CHECKOUT, copy, ignore=leave_out, dirs_exist_ok=True)
    copy.chmod(0o755)  # some tests become another user
    return copy


def find_reach(home: Path) -> Reach:
    """Run all tests with nothing removed."""
    copy = _copy(home)
    answer, other = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_record, args=(copy, other))
    process.start()
    other.close()
    code, failed, seconds = answer.recv()
    process.join()
    if code != 0:
        raise SystemExit(f"The tests end with {code} before any check is removed: {failed}")
    return Reach(copy / "reach", seconds)


def remove_all(checks: t.Sequence[Check], jobs: int, home: Path) -> t.Iterator[t.Tuple[Check, str]]:
    """Remove each check and yield it with the test that failed, or with an empty string."""
    reach = find_reach(home)
    waiting = [(check, reach.stages(check)) for check in reversed(checks)]
    running: t.List[Run] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            check, stages = waiting.pop()
            running.append(Run(check, home, stages, reach.seconds(stages[0])))
        first_end = min(run.end for run in running)
        multiprocessing.connection.wait([run.answer for run in running], max(0.0, first_end - time.monotonic()))
        for run in [run for run in running if run.answer.poll() or run.end <= time.monotonic()]:
            running.remove(run)
            failed = run.result()
            if failed or not run.stages[1:]:
                yield run.check, failed
            else:
                waiting.append((run.check, run.stages[1:]))


def _shown(test: str) -> str:
    """A test without its folder and the end of a long parameter."""
    path, colons, name = test.partition("::")
    return f"{Path(path).name}{colons}{name[:100]}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove each check of the core once and see that a test fails.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", metavar="CODE", help="the checks of one reason code alone")
    arguments = parser.parse_args()
    checks = [check for check in find_checks() if arguments.only in (None, check.code)]
    noticed: t.Dict[str, t.List[bool]] = {code: [] for code in sorted(known_codes()) if arguments.only in (None, code)}
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory(prefix="removed-") as home:
        os.chmod(home, 0o755)
        for check, failed in remove_all(checks, arguments.jobs, Path(home)):
            noticed.setdefault(check.code, []).append(bool(failed))
            print(f"{check.code:38} {check.place:22} {_shown(failed) or 'NOT NOTICED'}", flush=True)
    print(f"\n{'reason code':38} removed  noticed")
    for code, results in noticed.items():
        print(f"{code:38} {len(results):7}  {sum(results):7}")
    missed = [code for code, results in noticed.items() if not results or not all(results)]
    print(
        "\nEvery removed check was noticed."
        if not missed
        else f"\nNot noticed, or without a check: {', '.join(missed)}"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
