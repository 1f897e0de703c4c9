# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a report of what `nox --parallel` prints: a line for each session, the end of what failed, and a table.

    nox --parallel 3 --report report.json 2>&1 | python tests/tools/session_report.py report.json LOGS

nox prints all that a session wrote when it has ended. The output of each goes to a file in LOGS.
"""

from __future__ import annotations

import collections
import json
import re
import signal
import sys
import typing as t
from pathlib import Path

#: The line above the output of a session: a symbol, its name, the result and the time it took.
HEAD = re.compile(r"=+ \S+ (?P<name>.+): (?P<result>success|skipped|failed|aborted)(?:, .*)? =+$")
WORDS = {"success": "passed", "skipped": "not run", "failed": "FAILED", "aborted": "FAILED"}
#: Progress of pytest, which would leave no room for what failed.
PROGRESS = re.compile(r"[.sFExX]+ *\[ *\d+%\]$")
END = 80


class Session(t.NamedTuple):
    name: str
    result: str  # one of the values of WORDS
    seconds: int
    remark: str  # why it was not run, or how many tests passed


def read_outputs(lines: t.Iterable[str]) -> t.Iterator[tuple[str, str, list[str]]]:
    """For each session as it ends: its name, nox's word for the result, and the lines of its output."""
    name, result = "", ""
    output: list[str] = []
    for line in map(str.rstrip, lines):
        head = HEAD.match(line)
        ends = line.startswith(("Starting session ", "nox > Ran "))
        if (head or ends) and name:
            yield name, result, output
            name, output = "", []
        if head:
            name, result = head["name"], head["result"]
        elif name:
            output.append(line)
        else:
            print_progress(line)
    if name:
        yield name, result, output


def print_progress(line: str) -> None:
    """What nox says before the first session and between them, as far as it is not said below."""
    if line and not line.startswith(("Starting session ", "nox > * ", "nox > Ran ")):
        print(line, flush=True)


def end_of(output: list[str]) -> list[str]:
    return [line for line in output if not PROGRESS.match(line)][-END:]


def remark(output: list[str]) -> str:
    """How many tests passed, or the interpreters on which ansible-test could not import."""
    text = "\n".join(output)
    counts = re.findall(r"^(\d+ passed.*?)(?: in [\d.]+s.*)?$", text, re.MULTILINE)
    lacking = sorted(set(re.findall(r'Skipping sanity test "import" on Python ([\d.]+)', text)))
    return counts[-1] if counts else "without Python " + " ".join(lacking) if lacking else ""


def conformance_table(outputs: t.Mapping[str, list[str]]) -> list[str]:
    """What tests/conformance counted in each session that ran it, by library and by whose verdicts it compared."""
    table: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for output in outputs.values():
        for line in output:
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) == 6 and cells[1].isdigit():
                suite, cases, agreed, on_purpose, wrong, library = cells
                table[library][suite] = f"{suite}: {cases}: {agreed}/{on_purpose}/{wrong}"
    if not table:
        return []
    rows = [f"{library:<52}  " + "  ".join(suites.values()) for library, suites in sorted(table.items())]
    return ["", "conformance, as cases: agreed/different on purpose/wrong", *rows]


def read_report(path: Path, remarks: t.Mapping[str, str]) -> list[Session]:
    sessions = []
    for entry in json.loads(path.read_text(encoding="utf-8"))["sessions"]:
        name = entry["signatures"][0] if entry["signatures"] else entry["name"]
        result = WORDS[entry["result"]]
        because = "" if result == "passed" else entry["reason"] or ""
        sessions.append(Session(name, result, round(entry["duration"]), because or remarks.get(name, "")))
    return sessions


def summary(sessions: t.Sequence[Session]) -> list[str]:
    width = max([len("session"), *(len(session.name) for session in sessions)])
    lines = ["", f"{'session':<{width}} result   seconds"]
    for session in sessions:
        line = f"{session.name:<{width}} {session.result:<8} {session.seconds:7d}  {session.remark}"
        lines.append(line.rstrip())
    return lines


def totals(sessions: t.Iterable[Session]) -> str:
    counts = collections.Counter(session.result for session in sessions)
    # In the words that CI systems read of a test runner's last line.
    skipped = f", {counts['not run']} skipped" if counts["not run"] else ""
    return f"{counts['passed']} passed, {counts['FAILED']} failed{skipped}"


def main() -> None:
    # An interrupt is for nox: it stops the sessions and says so, and that is to be read to its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report, logs = map(Path, sys.argv[1:3])
    outputs: dict[str, list[str]] = {}
    for name, result, output in read_outputs(sys.stdin):
        outputs[name] = output
        (logs / (re.sub(r"[^\w.-]", "_", name) + ".log")).write_text("\n".join(output) + "\n", encoding="utf-8")
        print(f"{WORDS[result]:<8} {name}", flush=True)
        if WORDS[result] == "FAILED":
            print("\n".join("    " + line for line in end_of(output)), flush=True)
    if not report.exists():  # nox itself has said why
        return
    sessions = read_report(report, {name: remark(output) for name, output in outputs.items()})
    print("\n".join([*summary(sessions), *conformance_table(outputs), "", totals(sessions)]))


if __name__ == "__main__":
    main()
