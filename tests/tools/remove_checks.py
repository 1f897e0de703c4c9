# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove each check of the core once, in a copy, and see that a unit test fails for it.

A check is a place in the core that names a reason code: a finding that is reported, an error that
is raised or returned; or a rule inside of a function that returns what is wrong as a sentence.
Statements that report, raise or return a sentence are removed; elsewhere the code is replaced by
another one. Prints a line for each place and a table of the reason codes; exits with 1 when a
removed check goes unnoticed.

    python tests/tools/remove_checks.py [--jobs 2] [--only CODE]

Needs pytest, hypothesis and cryptography in the interpreter that runs it.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = Path("plugins/module_utils/ocsp")
TESTS = Path("tests/unit/plugins/module_utils/ocsp")

#: Which tests speak about which file, quickest first; a check is missed only when all of them pass.
TESTS_OF = {
    "der.py": ["test_der.py", "test_response.py", "test_fuzz_findings.py"],
    "wire.py": ["test_wire.py", "test_response.py", "test_fuzz_findings.py"],
    "signature.py": ["test_signature.py", "test_response.py"],
    "certificate.py": ["test_certificate.py", "test_options.py", "test_response.py", "test_fuzz_findings.py"],
    "fetch.py": ["test_fetch.py", "test_refresh.py"],
    "files.py": ["test_files.py", "test_options.py", "test_refresh.py"],
    "options.py": ["test_options.py", "test_refresh.py"],
    "refresh.py": ["test_refresh.py"],
    "response.py": ["test_response.py", "test_fuzz_findings.py"],
    "schedule.py": ["test_schedule.py", "test_options.py"],
    "servers.py": ["test_servers.py", "test_refresh.py"],
    "transport.py": ["test_transport.py"],
    "connection.py": ["test_connection.py"],
    "handshake.py": ["test_handshake.py"],
    "probe.py": ["test_probe.py"],
    "starttls.py": ["test_starttls.py"],
    "tls.py": ["test_tls.py", "test_handshake.py"],
    "tls_keys.py": ["test_tls_keys.py"],
}
#: What the exception classes and helpers of errors.py stand for.
CODES_OF_CALLS = {
    "MalformedError": "malformed",
    "fail": "malformed",
    "InputError": "bad_input",
    "FileError": "file_error",
}
#: Functions that return the sentence of a rule that is broken, and the reason code that comes of it.
SENTENCES = {
    "_answer_problem": "wrong_certificate",
    "_authority_problem": "unauthorized_responder",
    "_content_problem": "malformed",
    "_older": "older",
    "_profile_oddities": "responder_profile",
    "issuance_problem": "issuer_mismatch",
    "weakness": "weak_signature",
}
SECONDS = 300


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
    """The reason codes that errors.py lists."""
    codes: t.Set[str] = set()
    for node in ast.parse((CHECKOUT / CORE / "errors.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").endswith("_CODES"):
            codes.update(ast.literal_eval(node.value))
    return codes


def find_checks() -> t.List[Check]:
    codes = known_codes()
    checks = []
    for name in sorted(TESTS_OF):
        path = CORE / name
        lines = (CHECKOUT / path).read_text().splitlines()
        tree = ast.parse("\n".join(lines))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in SENTENCES:
                checks.extend(_rules_of(path, node, lines))
            if isinstance(node, (ast.Expr, ast.Raise, ast.Return, ast.Assign)):
                checks.extend(_checks_of(path, node, lines, codes))
    return sorted(set(checks), key=lambda check: (check.path, check.first))


def _rules_of(path: Path, function: ast.FunctionDef, lines: t.List[str]) -> t.Iterator[Check]:
    for node in ast.walk(function):
        sentence = node.value if isinstance(node, ast.Return) else None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
            sentence = node.value.value
        if isinstance(sentence, ast.JoinedStr) or (isinstance(sentence, ast.Constant) and sentence.value):
            yield _removal(path, SENTENCES[function.name], t.cast(ast.stmt, node), lines)


def _checks_of(path: Path, statement: ast.stmt, lines: t.List[str], codes: t.Set[str]) -> t.Iterator[Check]:
    for node in ast.walk(statement):
        code = _code_of(node, codes) or _assigned_code(statement, node, codes)
        if not code:
            continue
        if isinstance(statement, (ast.Expr, ast.Raise)):
            yield _removal(path, code, statement, lines)
            return
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        text = "\n".join(lines[first - 1 : last])
        if f'"{code}"' in text:
            yield Check(path, code, first, last, text.replace(f'"{code}"', '"removed"', 1))


def _removal(path: Path, code: str, statement: ast.stmt, lines: t.List[str]) -> Check:
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    return Check(path, code, first, last, _indent(lines[first - 1]) + "pass")


def _code_of(node: ast.AST, codes: t.Set[str]) -> str:
    """The reason code that a call names, or an empty string."""
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    literals = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    named = [literal for literal in literals if isinstance(literal, str) and literal in codes]
    if named and name in ("error", "warn", "report", "Finding", "TransportError", "ProbeError", "InputError"):
        return named[0]
    return CODES_OF_CALLS.get(name, "")


def _assigned_code(statement: ast.stmt, node: ast.AST, codes: t.Set[str]) -> str:
    """The reason code that is kept in an attribute for the error to come, or an empty string."""
    if not isinstance(statement, ast.Assign) or not isinstance(node, ast.Constant) or node.value not in codes:
        return ""
    kept = [target for target in ast.walk(statement.targets[0]) if isinstance(target, ast.Attribute)]
    return str(node.value) if any(target.attr == "code" for target in kept) else ""


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def remove(check: Check, home: Path) -> str:
    """Remove one check in a copy and run the tests. Returns the test that failed, or an empty string."""
    copy = Path(tempfile.mkdtemp(prefix="removed-", dir=home))
    try:
        shutil.copytree(CHECKOUT / CORE, copy / CORE, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(CHECKOUT / "tests/unit", copy / "tests/unit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "pyproject.toml", copy)
        lines = (copy / check.path).read_text().splitlines()
        lines[check.first - 1 : check.last] = check.removed.splitlines()
        (copy / check.path).write_text("\n".join(lines) + "\n")
        for name in TESTS_OF[check.path.name]:
            failed = _first_failure(copy, TESTS / name)
            if failed:
                return failed
        return ""
    finally:
        shutil.rmtree(copy)


def _first_failure(copy: Path, tests: Path) -> str:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        result = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{tests.name} did not end"
    if result.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) \S*?([^/\s]+\.py\S*)", result.stdout, re.MULTILINE)
    return found.group(1) if found else f"{tests.name} (exit code {result.returncode})"


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove each check of the core once and see that a test fails.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", metavar="CODE", help="the checks of one reason code alone")
    arguments = parser.parse_args()
    checks = [check for check in find_checks() if arguments.only in (None, check.code)]
    noticed: t.Dict[str, t.List[bool]] = {code: [] for code in sorted(known_codes()) if arguments.only in (None, code)}
    with (
        tempfile.TemporaryDirectory(prefix="remove-checks-") as home,
        concurrent.futures.ThreadPoolExecutor(arguments.jobs) as executor,
    ):
        for check, failed in zip(checks, executor.map(lambda check: remove(check, Path(home)), checks)):
            noticed.setdefault(check.code, []).append(bool(failed))
            print(f"{check.code:38} {check.place:22} {failed or 'NOT NOTICED'}", flush=True)
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
