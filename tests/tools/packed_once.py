# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook with the modules that earlier runs have packed.

    python tests/tools/packed_once.py FOLDER PROGRAM [ARGUMENT]...

Ansible packs each module with all that it imports, and forgets that at the end of a run. It takes as long as all the
rest of a run in which nothing changes, and the result is the same as long as the collection is. Here it is kept in
FOLDER, which is to belong to one installed collection.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from ansible import constants


def main() -> None:
    """Have Ansible find its cache of modules in the folder, and run the program as it is."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    # Ansible makes this folder for each run, and removes it with the link.
    Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder)
    del sys.argv[:2]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
