# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook with the modules that earlier runs have packed.

    python tests/tools/packed_once.py [--compiled-by COMMAND] FOLDER PROGRAM [ARGUMENT]...

Ansible packs each module with all that it imports, and forgets that at the end of a run. It takes as long as all the
rest of a run in which nothing changes, and the result is the same as long as the collection is. Here it is kept in
FOLDER, which is to belong to one installed collection.

What is packed is compiled each time that the module runs, which takes longer than most modules do. With --compiled-by,
it is packed together with what the Python that COMMAND runs makes of it; others take the source all the same.
"""

from __future__ import annotations

import dataclasses
import runpy
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible import constants
from ansible.executor import module_common


def main() -> None:
    """Have Ansible find its cache of modules in the folder, and run the program as it is."""
    del sys.argv[0]
    if sys.argv[0] == "--compiled-by":
        keep_compiled(module_common._CachedModule, shlex.split(sys.argv[1]))
        del sys.argv[:2]
    folder = Path(sys.argv.pop(0))
    folder.mkdir(parents=True, exist_ok=True)
    # Ansible makes this folder for each run, and removes it with the link.
    Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder)
    runpy.run_path(sys.argv[0], run_name="__main__")


def keep_compiled(kind: t.Any, python: t.Sequence[str]) -> None:
    """Have what Ansible packed compiled by a Python before it is kept."""
    dump = kind.dump
    command = [*python, "-I", "-B", "-c", Path(__file__).with_name("compile_packed.py").read_text()]

    def compile_and_dump(module: t.Any, path: str) -> None:
        done = subprocess.run(command, input=module.zip_data, stdout=subprocess.PIPE, check=True)
        dump(dataclasses.replace(module, zip_data=done.stdout), path)

    kind.dump = compile_and_dump


if __name__ == "__main__":
    main()
