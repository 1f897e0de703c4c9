# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the table of variables in a role's README from its argument specs, between two markers.

    role_readme.py ROLE            rewrite ROLE/README.md
    role_readme.py --check ROLE    fail when that would change it

Needs PyYAML.
"""

from __future__ import annotations

import argparse
import re
import sys
import typing as t
from pathlib import Path

import yaml

BEGIN = "<!-- BEGIN variables, written by tests/tools/role_readme.py -->"
END = "<!-- END variables -->"

_MARKUP = re.compile(r"\b([CVOM])\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def plain(text: t.Union[str, list[str]]) -> str:
    """A description for Markdown, in one line."""
    joined = " ".join(text) if isinstance(text, list) else text
    return _MARKUP.sub(lambda match: f"`{match.group(2)}`", joined).replace("|", "\\|")


def rows(options: dict[str, t.Any], prefix: str = "") -> t.Iterator[str]:
    """One row for each option, those inside of lists and mappings after it."""
    for name, option in options.items():
        default = option.get("default")
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        if kind == "raw":  # Ansible does not check it, but the role does
            kind = type(default).__name__ if default is not None else "int"
        shown = "**required**" if option.get("required") else f"`{written(default)}`"
        choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        yield f"| `{prefix}{name}` | {kind} | {shown} | {plain(option['description'])}{choices} |"
        yield from rows(option.get("options", {}), f"{prefix}{name}.")


def written(value: t.Any) -> str:
    """A default as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else '""'


def table(role: Path) -> str:
    """The whole table."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    head = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *rows(specs["options"])])


def render(role: Path) -> str:
    """The README as it should be."""
    text = (role / "README.md").read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"{role / 'README.md'} must have one line '{BEGIN}' and after it one line '{END}'")
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(role)}\n\n{END}{after}"


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description="Write the table of variables in a role's README.")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("role", type=Path)
    given = parser.parse_args()
    readme = given.role / "README.md"
    wanted = render(given.role)
    if given.check:
        sys.exit(0 if wanted == readme.read_text() else f"{readme} is not what role_readme.py writes")
    readme.write_text(wanted)


if __name__ == "__main__":
    main()
