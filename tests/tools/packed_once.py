# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook with the modules that earlier runs have packed.

    python tests/tools/packed_once.py [--compiled] FOLDER PROGRAM [ARGUMENT]...

Ansible packs each module with all that it imports, and forgets that at the end of a run. It takes as long as all the
rest of a run in which nothing changes, and the result is the same as long as the collection is. Here it is kept in
FOLDER, which is to belong to one installed collection.

What is packed is compiled each time that the module runs, which takes longer than most modules do. With --compiled, it
is packed together with what this Python makes of it; others take the source all the same.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib.util
import io
import marshal
import runpy
import sys
import typing as t
import zipfile
from pathlib import Path

from ansible import constants
from ansible.executor import module_common

#: The head of a compiled file that is never compared with its source.
UNCHECKED = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)


def main() -> None:
    """Have Ansible find its cache of modules in the folder, and run the program as it is."""
    del sys.argv[0]
    if sys.argv[0] == "--compiled":
        del sys.argv[0]
        keep_compiled(module_common._CachedModule)
    folder = Path(sys.argv.pop(0))
    folder.mkdir(parents=True, exist_ok=True)
    # Ansible makes this folder for each run, and removes it with the link.
    Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder)
    runpy.run_path(sys.argv[0], run_name="__main__")


def keep_compiled(kind: t.Any) -> None:
    """Have what Ansible packed compiled before it is kept."""
    dump = kind.dump

    def compile_and_dump(module: t.Any, path: str) -> None:
        dump(dataclasses.replace(module, zip_data=add_compiled(module.zip_data)), path)

    kind.dump = compile_and_dump


def add_compiled(packed: bytes) -> bytes:
    """The Base64 of a ZIP file, with each Python file in it compiled beside it, where imports look first."""
    content = io.BytesIO(base64.b64decode(packed))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                code = compile(archive.read(name), name, "exec", dont_inherit=True)
                archive.writestr(f"{name}c", UNCHECKED + marshal.dumps(code))
    return base64.b64encode(content.getvalue())


if __name__ == "__main__":
    main()
