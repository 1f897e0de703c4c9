# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools write in pages is what they would write now, and a marker that is wrong is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import written_parts
from written_parts import CHECKOUT

TOOLS = ("code_tables.py", "layers.py", "role_readme.py", "server_tables.py")
BEGIN = "<!-- BEGIN colours, written by tests/tools/colours.py -->\n"
END = "<!-- END colours -->\n"


def run(tool: str, *options: str) -> str:
    command = [sys.executable, "-B", str(CHECKOUT / "tests" / "tools" / tool), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("tool", TOOLS)
def test_they_are_up_to_date(tool: str) -> None:
    assert run(tool, "--check") == ""


def test_each_tool_that_a_page_names_is_checked() -> None:
    pages = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.*"), *CHECKOUT.glob("roles/*/README.md")]
    pages += CHECKOUT.glob("plugins/modules/*.py")
    named = {match["tool"] for page in pages for match in written_parts.MARKER.finditer(page.read_text())}
    assert named == set(TOOLS)


def rendered(tmp_path: Path, text: str) -> str:
    page = tmp_path / "page.md"
    page.write_text(text)
    makes = {"colours": "red\n", "colours: dark": "brown\n"}
    return written_parts.render(page, "colours.py", lambda part: makes.get(part.what))


def test_a_part_is_replaced_and_all_else_is_kept(tmp_path: Path) -> None:
    dark = BEGIN.replace("colours,", "colours: dark,")
    text = f"before\n{BEGIN}old\n{END}between\n{dark}{END}after"
    assert rendered(tmp_path, text) == f"before\n{BEGIN}red\n{END}between\n{dark}brown\n{END}after"
    other = BEGIN.replace("colours.py", "shapes.py") + "round\n" + END
    assert rendered(tmp_path, other) == other


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BEGIN, "has no 'END colours' after it"),
        (END + BEGIN, "has no 'END colours' after it"),
        (BEGIN + BEGIN + END, "has no 'END colours' after it"),
        (BEGIN.replace("colours,", "shapes,") + "<!-- END shapes -->\n", "does not know what 'shapes' is"),
    ],
)
def test_a_marker_that_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        rendered(tmp_path, text)
