# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the tables of reason codes in README, the guides and the modules from that of the core.

    code_tables.py             rewrite them
    code_tables.py --check     fail when that would change one

A marker names an area of the core's table, and a severity where only the codes that usually have it belong there.
"""

from __future__ import annotations

import re
import sys
import typing as t

import written_parts
from written_parts import CHECKOUT, Part

sys.path.insert(0, str(CHECKOUT / "plugins" / "module_utils"))

from ocsp import codes

PAGES = (
    CHECKOUT / "README.md",
    *sorted((CHECKOUT / "docs" / "docsite" / "rst").glob("*.rst")),
    *sorted((CHECKOUT / "plugins" / "modules").glob("*.py")),
)


def markdown(chosen: t.Sequence[codes.Code], _part: Part) -> str:
    """A table for Markdown. What to do is left to the guide."""
    rows = [(f"`{code.name}`", code.means, code.severity_text) for code in chosen]
    return written_parts.markdown_table([("code", "means", "severity"), *rows])


def restructured(chosen: t.Sequence[codes.Code], _part: Part) -> str:
    """A table for reStructuredText."""
    rows = [(f"`{code.name}`", code.severity_text, code.means, code.advice) for code in chosen]
    return written_parts.restructured_table("18 14 34 34", [("code", "severity", "means", "what to do"), *rows])


def documentation(chosen: t.Sequence[codes.Code], part: Part) -> str:
    """Sentences for the documentation of a module, in YAML."""
    options = re.findall(r"^  (\w+):$", part.text.partition("EXAMPLES")[0], re.MULTILINE)
    items = []
    for code in chosen:
        severity = "" if code.area == codes.PROBE else f" ({code.severity_text})"
        text = f"V({code.name}){severity} - {code.means}"
        text = re.sub(r"`([^`]*)`", lambda typed: f"{'O' if typed[1] in options else 'C'}({typed[1]})", text)
        assert ": " not in text and " #" not in text, f"quote it: {text}"
        items.append(written_parts.filled(text, f"{part.indent}- ", f"{part.indent}  "))
    return "\n".join([*items, ""])


FORMATS: dict[str, t.Callable[[t.Sequence[codes.Code], Part], str]] = {
    ".md": markdown,
    ".rst": restructured,
    ".py": documentation,
}


def table(part: Part) -> str | None:
    """The codes of an area, as the page has tables."""
    area, _space, severity = part.what.removeprefix("reason codes: ").partition(" ")
    chosen = [code for code in codes.CODES if code.area == area and severity in ("", code.severity)]
    return FORMATS[part.page.suffix](chosen, part) if chosen else None


if __name__ == "__main__":
    written_parts.run("code_tables.py", table, PAGES, "Write the tables of reason codes.")
