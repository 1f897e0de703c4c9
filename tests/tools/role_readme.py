# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the tables of variables in the READMEs of the roles from their argument specs.

    role_readme.py             rewrite them
    role_readme.py --check     fail when that would change one

Needs PyYAML.
"""

from __future__ import annotations

import re
import typing as t

import written_parts
import yaml
from written_parts import CHECKOUT, Part

PAGES = tuple(sorted((CHECKOUT / "roles").glob("*/README.md")))

_MARKUP = re.compile(r"\b[CVOM]\(([^()]*(?:\([^()]*\)[^()]*)*)\)|\bP\(([^()#]+)#role\)")


def plain(text: t.Union[str, list[str]]) -> str:
    """A description for Markdown, in one line."""
    joined = " ".join(text) if isinstance(text, list) else text
    return _cell(_MARKUP.sub(lambda match: f"`{match.group(1) or match.group(2)}`", joined))


def _cell(text: str) -> str:
    """Text that ends no cell of a table, not even in code."""
    return text.replace("|", "\\|")


def rows(options: dict[str, t.Any], prefix: str = "") -> t.Iterator[tuple[str, ...]]:
    """One row for each option, those inside of lists and mappings after it."""
    for name, option in options.items():
        default = option.get("default")
        kind = option["type"]
        if kind == "raw":  # Ansible does not check it, but the role does
            kind = type(default).__name__ if default is not None else "int"
        kind += {"list": " of dict" if "options" in option else " of str"}.get(kind, "")
        shown = "**required**" if option.get("required") else _cell(f"`{written(default)}`")
        choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        yield f"`{prefix}{name}`", kind, shown, plain(option["description"]) + choices
        yield from rows(option.get("options", {}), f"{prefix}{name}.")


def written(value: t.Any) -> str:
    """A default as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else '""'


def table(part: Part) -> str:
    """The variables of the role whose README it is."""
    specs = yaml.safe_load((part.page.parent / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    return written_parts.markdown_table([("variable", "type", "default", "meaning"), *rows(specs["options"])])


if __name__ == "__main__":
    written_parts.run("role_readme.py", table, PAGES, "Write the tables of variables in the READMEs of the roles.")
