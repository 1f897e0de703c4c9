# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give the verdict of a target on each file in some folders, as one JSON object by file name.

    python tests/fuzz/replay.py [--backwards] TARGET FOLDER...

This runs under each version of cryptography to be compared, and under coverage. Backwards, what was
remembered of one input meets others than it does forwards.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from ansible_collections.certops.ocsp.tests.fuzz import targets


def main() -> None:
    warnings.simplefilter("ignore")
    backwards = sys.argv[1] == "--backwards"
    name, *folders = sys.argv[2:] if backwards else sys.argv[1:]
    target = targets.TARGETS[name]
    files = sorted(((path.name, path) for folder in folders for path in Path(folder).iterdir()), reverse=backwards)
    json.dump({name: target.verdict(path.read_bytes()) for name, path in files}, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
