# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file on disk is a whole one whatever happens to the runs that write it."""

from __future__ import annotations

import os
import random
import statistics
import time
import typing as t
from pathlib import Path

from conftest import Direct, pki_tool

MOST_KILLS = 50
#: More follow only until some came before the file was replaced, and some after that.
LEAST_KILLS = MOST_KILLS if os.environ.get("CERTOPS_NIGHTLY") else 15
RUNS = 8


def test_killed_at_any_moment(
    run_directly: Direct, pki: pki_tool.Pki, leaf: pki_tool.Leaf, folder: Path, tmp_path: Path
) -> None:
    """Half of the kills come anywhere in a run, half around the moment in which the file is replaced."""
    staple = folder / "staple.der"
    old = pki.response(leaf.name, tmp_path / "old.der").read_bytes()
    time.sleep(1.1)
    new = pki.response(leaf.name, tmp_path / "new.der").read_bytes()
    options: dict[str, t.Any] = {
        "path": staple,
        "certificate_path": leaf.fullchain,
        "source_path": tmp_path / "new.der",
    }

    def rest() -> set[str]:
        return {entry.name for entry in folder.iterdir()} - {staple.name}

    moments = []
    for _run in range(5):
        staple.write_bytes(old)
        before, began = staple.stat().st_ino, time.monotonic()
        process = run_directly.start("ocsp_response", **options)
        while staple.stat().st_ino == before and process.poll() is None:
            time.sleep(0.0005)
        moments.append(time.monotonic() - began)
        assert run_directly.finish(process)["changed"]
    moment = statistics.median(moments)

    left = {"old": 0, "new": 0}
    for number in range(MOST_KILLS):
        if number >= LEAST_KILLS and left["old"] and left["new"]:
            break
        staple.write_bytes(old)
        process = run_directly.start("ocsp_response", **options)
        time.sleep(random.uniform(0, 1.2 * moment) if number % 2 else random.uniform(0.9, 1.1) * moment)
        process.kill()
        process.communicate(timeout=10)
        found = staple.read_bytes()
        assert found in (old, new)
        left["new" if found == new else "old"] += 1
        # A machine that got busier or idler since is followed.
        moment *= 0.95 if found == new else 1.05
        # Between giving the complete file a name and moving it lie microseconds; the next run would remove it.
        for name in rest():
            assert (folder / name).read_bytes() == new
            staple.write_bytes(old)
            assert run_directly("ocsp_response", **options)["changed"]
            assert not rest()
    print(f"{sum(left.values())} kills of runs that write after {moment:.3f} s left these files: {left}")
    assert left["old"] and left["new"], "The kills came all too early or all too late."
    staple.write_bytes(old)
    assert run_directly("ocsp_response", **options)["changed"]
    assert staple.read_bytes() == new and not rest()


def test_eight_at_once(
    run_directly: Direct, pki: pki_tool.Pki, leaf: pki_tool.Leaf, responder: pki_tool.Responder, folder: Path
) -> None:
    staple = folder / "staple.der"
    options: dict[str, t.Any] = {"path": staple, "certificate_path": leaf.fullchain}
    processes = [run_directly.start("ocsp_response", **options) for _number in range(RUNS)]
    results = [run_directly.finish(process) for process in processes]
    assert not any(result.get("failed") for result in results), results
    assert sum(result["changed"] for result in results) == 1
    assert responder.count == 1
    assert [entry.name for entry in folder.iterdir()] == [staple.name]
    assert run_directly("ocsp_response_info", **options)["acceptable"]
