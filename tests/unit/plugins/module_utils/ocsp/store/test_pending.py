# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notes of services that may still use old files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import pending, sets


def test_a_note_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    layout = sets.Layout(str(tmp_path / "etc"), str(tmp_path / "var"))
    path = Path(layout.pending("nginx"))
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("no folder")
    with pytest.raises(FileError, match=f"^cannot write {path}: File exists$"):
        pending.write(layout, "nginx", pending.Note())
