# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzz one target, guided by the coverage of the core.

    python tests/fuzz/engine.py TARGET FINDINGS [OPTION OF LIBFUZZER...] [CORPUS...]
    python tests/fuzz/engine.py TARGET FINDINGS FILE      # try one input again

An input that breaks a property, or takes too much time or memory, is written to the folder FINDINGS and
does not end the run; of inputs that break the same one in the same way, the smallest is kept. Needs
atheris and a recent cryptography, and the checkout importable as ansible_collections.certops.ocsp.
"""

from __future__ import annotations

import hashlib
import random
import re
import resource
import signal
import sys
import traceback
import typing as t
import warnings
from pathlib import Path

import atheris

TESTS = "ansible_collections.certops.ocsp.tests"
#: What atheris would take for the subject as well, since it goes by the first part of a name.
_TOOLS = ("fuzz.file_targets", "fuzz.hosted", "fuzz.properties", "fuzz.second_opinion", "fuzz.server_target")
_TOOLS += ("fuzz.targets", "fuzz.tree", "fuzz.world", "unit.forge", "unit.tls_server")

#: The core, and it and the program as they lie on a host.
_SUBJECTS = ["ansible_collections", "ocsp", "ocsp_stapling"]

with atheris.instrument_imports(include=_SUBJECTS, exclude=[f"{TESTS}.{name}" for name in _TOOLS]):
    from ansible_collections.certops.ocsp.tests.fuzz import targets

#: Seconds of processor time, and octets of memory, that no input may take.
TIME_LIMIT = 2.0
MEMORY_LIMIT = 128 * 1024 * 1024


class OutOfTime(BaseException):
    """Not an Exception, so that the judge does not take it for one of its own."""


def _out_of_time(number: int, frame: t.Any) -> None:
    raise OutOfTime


class Findings:
    """A folder with one input for each way in which a property was broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, detail: str, data: bytes) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")[:80]
        name += "-" + hashlib.sha256(kind.encode()).hexdigest()[:8]
        kept = self._folder / name
        try:
            if kept.stat().st_size <= len(data):
                return
        except FileNotFoundError:
            print(f"FINDING {kind} ({detail[:500]}): {kept}", file=sys.stderr, flush=True)
        kept.write_bytes(data)


def _where(error: BaseException) -> str:
    """The kind of an exception that nobody foresaw, and the innermost line of the core."""
    frames = traceback.extract_tb(error.__traceback__)
    core = [frame for frame in frames if "module_utils" in frame.filename] or frames
    return f"{type(error).__name__} in {Path(core[-1].filename).name} {core[-1].name}"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def guard(check: t.Callable[[bytes], None], findings: Findings) -> t.Callable[[bytes], None]:
    """What runs one input within its limits and keeps it where it breaks something."""

    def run(data: bytes) -> None:
        before = _peak()
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, TIME_LIMIT)
            check(data)
        except targets.Violation as error:
            findings.add(error.kind, str(error), data)
        except OutOfTime as error:
            findings.add(f"out of time in {_where(error)}", "", data)
        except Exception as error:
            findings.add(_where(error), str(error), data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if _peak() - before > MEMORY_LIMIT:
            findings.add("out of memory", f"{(_peak() - before) >> 20} MiB", data)

    return run


def mutator(target: targets.Target) -> t.Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        changed = target.mutate(bytes(data), chance, lambda plain: bytes(atheris.Mutate(plain, max(1, most))))
        return changed if len(changed) <= most else bytes(atheris.Mutate(bytes(data), most))

    return mutate


def main() -> None:
    target, folder, *options = sys.argv[1:]
    chosen = targets.TARGETS[target]
    warnings.simplefilter("ignore")  # of what cryptography thinks of the certificates it is shown
    signal.signal(signal.SIGVTALRM, _out_of_time)
    run = guard(chosen.check, Findings(Path(folder)))
    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutator(chosen))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
