# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzz targets side by side, measure what was reached, and compare verdicts between versions of cryptography.

script/fuzz starts this, with all that it needs: atheris, coverage and a recent cryptography, and the
checkout importable as ansible_collections.certops.ocsp. Exits with 1 when anything was found.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.asn1 import der
from ansible_collections.certops.ocsp.tests.fuzz import hosted, targets

HERE = Path(__file__).resolve().parent
CORE = Path(der.__file__).parents[1]

#: Octets of the largest input, and what ends the process itself: seconds and MiB for one input.
LONGEST_INPUT = 16384
HARD_LIMITS = ("-timeout=120", "-rss_limit_mb=1536")
#: An engine that dies this often has nothing more to tell.
MOST_RESTARTS = 20

_COUNT = re.compile(r"stat::number_of_executed_units: (\d+)")
_PULSE = re.compile(r"^#(\d+)\s.*?\bcov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


_engines: set[subprocess.Popen[bytes]] = set()


class Result(t.NamedTuple):
    """What became of one target. ``lines`` and ``branches`` of the core are pairs: reached, and all."""

    target: str
    executions: int
    seconds: float
    edges: int
    corpus: int
    reached: dict[str, tuple[int, int, int, int]]
    findings: list[str]


class Campaign:
    """The folders of one target, and what is done with them."""

    def __init__(self, target: str, folder: Path) -> None:
        self.target = target
        self.folder = folder / target
        self.folder.mkdir(parents=True, exist_ok=True)
        self.corpus, self.findings, self.seeds, self.before = (
            self.folder / name for name in ("corpus", "findings", "seeds", "before")
        )
        self.dictionary, self.log = self.folder / "dictionary", self.folder / "log"

    def lock(self) -> t.Any:
        """A lock that is held as long as what is returned lives."""
        handle = (self.folder / "lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"fuzz: somebody else fuzzes {self.target} in {self.folder}")
        return handle

    def prepare(self) -> None:
        """Write the seeds. What was found before becomes one, so that what is still wrong is found again."""
        shutil.rmtree(self.seeds, ignore_errors=True)
        shutil.rmtree(self.before, ignore_errors=True)
        if self.findings.exists():
            self.findings.rename(self.before)
        for folder in (self.corpus, self.findings, self.seeds, self.before):
            folder.mkdir(exist_ok=True)
        for data in targets.TARGETS[self.target].seeds().values():
            (self.seeds / hashlib.sha1(data).hexdigest()).write_bytes(data)
        words = ("".join(f"\\x{octet:02x}" for octet in word) for word in targets.dictionary())
        self.dictionary.write_text("".join(f'"{word}"\n' for word in words))
        self.log.write_text("")

    def fuzz(self, seconds: float, runs: int, seed: int) -> tuple[int, float]:
        """Run the engine, again where it dies. Returns the executions and the seconds they took."""
        begin = time.monotonic()
        executions = 0
        for attempt in range(MOST_RESTARTS):
            left = seconds - (time.monotonic() - begin)
            if attempt and (not seconds or left < 1):
                break
            limits = [f"-max_total_time={max(1, round(left))}"] if seconds else [f"-runs={runs}"]
            if seed:
                limits.append(f"-seed={seed + attempt}")
            folders = [str(self.corpus), str(self.seeds), *([] if attempt else [str(self.before)])]
            code, printed = self._run_engine([*limits, *folders])
            executions += _executions(printed)
            if code == 0:
                break
        return executions, time.monotonic() - begin

    def _run_engine(self, options: t.Sequence[str]) -> tuple[int, str]:
        command = [sys.executable, "-P", str(HERE / "engine.py"), self.target, str(self.findings)]
        command += [*HARD_LIMITS, f"-max_len={LONGEST_INPUT}", f"-dict={self.dictionary}"]
        command += [f"-artifact_prefix={self.findings}/", "-print_final_stats=1", "-reload=0", *options]
        start = self.log.stat().st_size
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONHASHSEED": "0"}
            )
            _engines.add(child)
            code = child.wait()
            _engines.discard(child)
        return code, self.log.read_bytes()[start:].decode(errors="replace")

    def edges(self) -> int:
        return max((int(found[1]) for found in _PULSE.findall(self.log.read_text(errors="replace"))), default=0)

    def inputs(self) -> list[str]:
        return [str(self.corpus), str(self.seeds)]

    def measure(self) -> tuple[dict[str, tuple[int, int, int, int]], str]:
        """Lines and branches that the corpus reaches, by file, and the verdicts on it under this interpreter."""
        data, report = self.folder / "coverage", self.folder / "coverage.json"
        coverage = [sys.executable, "-P", "-m", "coverage"]
        options = [f"--data-file={data}", f"--include={CORE}/*,{hosted.PROGRAM}/*"]
        verdicts = _run([*coverage, "run", "--branch", *options, str(HERE / "replay.py"), self.target, *self.inputs()])
        _run([*coverage, "json", *options, "-q", "-o", str(report)])
        files = json.loads(report.read_text())["files"]
        data.unlink()
        reached = {}
        for path, facts in files.items():
            total = facts["summary"]
            if Path(path).name in targets.TARGETS[self.target].files:
                reached[Path(path).name] = (
                    total["covered_lines"],
                    total["num_statements"],
                    total["covered_branches"],
                    total["num_branches"],
                )
        return reached, verdicts

    def compare(self, verdicts: str, others: t.Mapping[str, str]) -> list[str]:
        """What other versions of cryptography make of the corpus, where it is not the same."""
        ours = json.loads(verdicts)
        differing: dict[str, list[str]] = {}
        for version, python in others.items():
            command = [python, "-P", str(HERE / "replay.py"), "--backwards", self.target, *self.inputs()]
            theirs = json.loads(_run(command))
            for name in sorted(ours):
                fields = targets.disagreement(self.target, ours[name], theirs[name])
                if fields:
                    differing.setdefault(f"cryptography {version} differs in {fields}", []).append(name)
        return [f"{problem}: {self._find(names[0])} and {len(names) - 1} more" for problem, names in differing.items()]

    def _find(self, name: str) -> Path:
        """Keep an input that is in the corpus or among the seeds with the findings."""
        source = next(folder / name for folder in (self.corpus, self.seeds) if (folder / name).exists())
        return Path(shutil.copy(source, self.findings / f"versions-{name}"))


def _stop(number: int, frame: t.Any) -> None:
    """End at once, and the engines too. Their corpora are on the disk."""
    for child in list(_engines):
        child.kill()
    os._exit(128 + number)


def _run(command: t.Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"fuzz: {' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _executions(printed: str) -> int:
    """By the statistics at the end, or by the last line before an end that was too sudden for them."""
    found = _COUNT.findall(printed)
    if found:
        return int(found[-1])
    pulses = _PULSE.findall(printed)
    return int(pulses[-1][0]) if pulses else 0


def work(campaign: Campaign, options: argparse.Namespace) -> Result:
    campaign.prepare()
    executions, seconds = campaign.fuzz(options.minutes * 60, options.runs, options.seed)
    if not executions:
        sys.exit(f"fuzz: the engine did not run, see {campaign.log}")
    reached, verdicts = campaign.measure()
    differing = campaign.compare(verdicts, dict(pair.split("=", 1) for pair in options.compare))
    found = sorted(path for path in campaign.findings.iterdir() if not path.name.startswith("versions-"))
    reasons = dict(re.findall(r"^FINDING (.*): (\S+)$", campaign.log.read_text(errors="replace"), re.MULTILINE))
    told = {Path(path).name: reason for reason, path in reasons.items()}
    findings = [f"{told.get(path.name, path.name.split('-')[0])}: {path}" for path in found]
    corpus = len(list(campaign.corpus.iterdir())) + len(list(campaign.seeds.iterdir()))
    return Result(campaign.target, executions, seconds, campaign.edges(), corpus, reached, findings + differing)


def report(results: t.Sequence[Result], versions: t.Sequence[str]) -> None:
    row = "{:<12} {:>11} {:>9} {:>7} {:>7} {:>9}"
    print(row.format("target", "executions", "each s", "edges", "corpus", "findings"))
    for result in results:
        rate = round(result.executions / result.seconds)
        print(
            row.format(result.target, result.executions, rate, result.edges, result.corpus, len(result.findings)),
            flush=True,
        )
    print("\nReached in the core: lines and branches")
    for result in results:
        for name, (lines, all_lines, branches, all_branches) in result.reached.items():
            print(f"{result.target:<12} {name:<16} {lines:>5} of {all_lines:<5} {branches:>5} of {all_branches}")
    if versions:
        print(f"\nThe verdicts on the corpus were compared with those under cryptography {', '.join(versions)}.")
    for result in results:
        for finding in result.findings:
            print(f"\nFOUND by {result.target}: {finding}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the core; see script/fuzz.")
    parser.add_argument("--minutes", type=float, default=0, help="how long each target is fuzzed")
    parser.add_argument("--runs", type=int, default=0, help="how many inputs each target is given instead")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins; 0 is different each time")
    parser.add_argument("--jobs", type=int, default=1, help="how many targets at a time")
    parser.add_argument("--folder", type=Path, required=True, help="where corpora and findings are kept")
    parser.add_argument("--compare", action="append", default=[], metavar="VERSION=PYTHON")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    options = parser.parse_args()
    unknown = set(options.targets) - set(targets.TARGETS)
    if unknown:
        parser.error(f"there is no target {sorted(unknown)[0]}; there are {', '.join(targets.TARGETS)}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)

    campaigns = [Campaign(target, options.folder) for target in options.targets or targets.TARGETS]
    locks = [campaign.lock() for campaign in campaigns]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda campaign: work(campaign, options), campaigns))
    report(results, [pair.split("=")[0] for pair in options.compare])
    for lock in locks:
        lock.close()
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
