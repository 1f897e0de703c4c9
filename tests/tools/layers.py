# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which module of the core and the program imports which, and the picture of that in docs/architecture.md.

layers.py             rewrite the picture
layers.py --check     fail when that would change it
"""

from __future__ import annotations

import ast
import sys
import typing as t
from pathlib import Path

import written_parts
from written_parts import CHECKOUT

CORE = CHECKOUT / "plugins" / "module_utils" / "ocsp"
PROGRAM = CHECKOUT / "roles" / "ocsp_stapling" / "files" / "ocsp_stapling"
PAGE = CHECKOUT / "docs" / "architecture.md"

#: The packages of the core, the lowest first: each imports from those before it only.
LAYERS = {
    "": "errors and reason codes, times and text, URLs, host names",
    "asn1": "DER",
    "pki": "certificates, keys, signatures, paths, name constraints",
    "servers": "one file for each server: limits, units, tests, reloads, snippets",
    "judge": "a response, its certificate, a time and rules in; one Judgement out; when it is due",
    "store": "files, locks, sets, staples, parts of the configuration, notes of services to reload",
    "options": "the table of options, and their values read and checked",
    "fetch": "HTTP within one deadline; which responder to ask, and how; one staple or many in parallel",
    "services": "test and reload services; change what servers read",
    "probe": "what a server shows to a TLS client",
    "deploy": "the transaction of `certificate_set`",
    "renewal": "whether a certificate is to be replaced, by the word of its CA or its age",
}
#: It loads the modules beside it by name, each when its server is asked for.
_LOADER = "ocsp.servers.table"

_ALLOWED = {*sys.stdlib_module_names, "cryptography", "ocsp"}


def modules(core: Path = CORE) -> dict[str, Path]:
    """The files of the core and of the program, by the names that they have on hosts."""
    return {
        ".".join((folder.name, *path.relative_to(folder).with_suffix("").parts)): path
        for folder in (core, PROGRAM)
        for path in sorted(folder.rglob("*.py"))
    }


def imports(name: str, source: str) -> t.Iterator[str]:
    """What a module imports, wherever in it, as dotted names: ``ocsp.asn1.der``, ``typing``."""
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{one.name}" for one in node.names)


def read_imports(found: t.Mapping[str, Path]) -> dict[str, set[str]]:
    """All that each of the modules imports."""
    return {name: set(imports(name, path.read_text(encoding="utf-8"))) for name, path in found.items()}


def graph(imported: t.Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Which of the modules each of them imports."""
    return {
        name: (names | {one.rpartition(".")[0] for one in names}) & set(imported) for name, names in imported.items()
    }


def reached(edges: t.Mapping[str, set[str]], start: t.Iterable[str]) -> set[str]:
    """All that some modules import, and what that imports, with themselves."""
    waiting, done = set(start), set()
    while waiting:
        name = waiting.pop()
        done.add(name)
        waiting |= edges[name] - done
    return done


def copied() -> set[str]:
    """The modules that run on hosts: those of the program, and what they lead to."""
    edges = graph(read_imports(modules()))
    edges[_LOADER] |= {name for name in edges if name.startswith("ocsp.servers.")}
    return reached(edges, [name for name in edges if not name.startswith("ocsp.")])


def layer(name: str) -> str:
    """The layer of a module of the core."""
    return name.split(".")[1] if name.count(".") > 1 else ""


def faults(core: Path = CORE) -> list[str]:
    """What is wrong with the imports of the core, one sentence for each."""
    order = list(LAYERS)
    imported = {name: names for name, names in read_imports(modules(core)).items() if name.startswith("ocsp.")}
    edges = graph(imported)
    said = [f"{name} lies in no layer" for name in edges if layer(name) not in order]
    said += [
        f"{name} imports {one}: the core knows the standard library and cryptography, and nothing of Ansible"
        for name, names in imported.items()
        for one in sorted(names)
        if one.split(".")[0] not in _ALLOWED
    ]
    if said:
        return said
    for name, names in edges.items():
        said += [
            f"{name} imports {one}, which lies above it"
            for one in sorted(names)
            if order.index(layer(one)) > order.index(layer(name))
        ]
    said += [
        f"{name} imports itself, by way of others" for name, names in edges.items() if name in reached(edges, names)
    ]
    return said


def picture() -> str:
    """The layers from the highest down, with what each imports."""
    edges = graph(read_imports(modules()))
    rows = [("layer", "what is in it", "imports from")]
    program = {layer(one) or "." for names in _of_program(edges) for one in names if one.startswith("ocsp.")}
    rows.append(("the program", "its commands, configuration, state and messages", _listed(program)))
    for name, what in reversed(LAYERS.items()):
        used = {layer(one) or "." for each, names in edges.items() if _is_in(each, name) for one in names} - {
            name or "."
        }
        rows.append((f"`{name or '.'}`", what, _listed(used)))
    return written_parts.markdown_table(rows)


def _of_program(edges: t.Mapping[str, set[str]]) -> t.Iterator[set[str]]:
    return (names for name, names in edges.items() if not name.startswith("ocsp."))


def _is_in(module: str, name: str) -> bool:
    return module.startswith("ocsp.") and layer(module) == name


def _listed(names: set[str]) -> str:
    order = [name or "." for name in LAYERS]
    return ", ".join(f"`{name}`" for name in sorted(names, key=order.index)) or "nothing"


def main() -> None:
    """Say what is wrong with the layers, and rewrite the picture."""
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    written_parts.run("layers.py", lambda _part: picture(), [PAGE], "Draw the layers in docs/architecture.md.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
