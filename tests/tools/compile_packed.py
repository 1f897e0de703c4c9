# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile what Ansible has packed, for the Python that runs this.

    python tests/tools/compile_packed.py < PACKED > COMPILED

Both are the Base64 of a ZIP file. It needs no other file, so that the Python of a host can run its text.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import marshal
import sys
import zipfile

#: The head of a compiled file that is never compared with its source.
UNCHECKED = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)


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
    sys.stdout.buffer.write(add_compiled(sys.stdin.buffer.read()))
