# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the sources name reason codes, and with which severity, by their syntax.

A code is named where one is given for a parameter or a field called ``code`` (those of all functions, named tuples and
exceptions of the sources are found), or for the first one of ``error`` and ``warn``; where one is kept in something
called ``code`` or ``skipped_reason``; and where one of these is compared with it. A name in such a place stands for
what its function or its module gives that name.
"""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = CHECKOUT / "plugins" / "module_utils" / "ocsp"
PROGRAM = CHECKOUT / "roles" / "ocsp_stapling" / "files" / "ocsp_stapling"
SOURCES = [
    path
    for folder in (CORE.parent, CHECKOUT / "plugins" / "modules", CHECKOUT / "plugins" / "action", PROGRAM)
    for path in sorted(folder.rglob("*.py"))
    if path != CORE / "codes.py"
]

#: What the names of severities, and of the priorities of the program's events, stand for.
SEVERITIES = {
    **dict.fromkeys(("ERROR", "CRITICAL"), "error"),
    "WARNING": "warning",
    **dict.fromkeys(("NOTICE", "INFO", "DEBUG"), "notice"),
}
#: How a comparison is recognised in ``by``.
COMPARISON = "compare"
ASSIGNMENT = "assign"

_CODE = re.compile(r"[a-z]+(?:_[a-z]+)*")
_KEPT = ("code", "skipped_reason")
_FOUND = (*_KEPT, "errors", "warnings")


class Use(t.NamedTuple):
    """A place that names a code. ``by`` is what is called, or COMPARISON or ASSIGNMENT."""

    code: str
    severities: t.FrozenSet[str]
    by: str
    path: Path
    line: int

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(CHECKOUT)}:{self.line} ({self.code}, {self.by})"


class _Rule(t.NamedTuple):
    """Which argument of a call is the code, and which its severity; or the code that it always has."""

    code_at: int = -1
    severity_at: int = -1
    default: str = ""
    severity: str = ""


class _Module(t.NamedTuple):
    path: Path
    tree: ast.Module
    constants: t.Dict[str, ast.expr]


def uses() -> t.List[Use]:
    """All places of the sources that name a code."""
    modules = [_read(path) for path in SOURCES]
    rules = _rules(modules)
    constants = {name: value for module in modules for name, value in module.constants.items()}
    found: t.List[Use] = []
    for module in modules:
        reader = _Reader(module, rules, {**constants, **module.constants})
        reader.visit(module.tree)
        found += reader.found
    return found


def families() -> t.Dict[str, t.Set[str]]:
    """The exceptions of the core and the program, each with the names of all that it derives from and its own."""
    bases = {
        node.name: [_name(base) for base in node.bases]
        for path in SOURCES
        for node in ast.walk(_read(path).tree)
        if isinstance(node, ast.ClassDef)
    }

    lines = {name: {name} for name in bases}
    for _generation in bases:
        for name, line in lines.items():
            line.update(*(lines.get(base, {base}) for base in bases[name]))
    return {name: line for name, line in lines.items() if "OcspError" in line}


def _read(path: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants: t.Dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            constants.update({_name(target): node.value for target in node.targets if isinstance(target, ast.Name)})
    return _Module(path, tree, constants)


def _name(node: t.Optional[ast.AST]) -> str:
    """The last part of a dotted name, or an empty string."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


# Who takes a code


def _rules(modules: t.Sequence[_Module]) -> t.Dict[str, _Rule]:
    found: t.Dict[str, t.Optional[_Rule]] = {}
    classes: t.List[ast.ClassDef] = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef) and node.name not in ("__init__", "__new__"):
                found[node.name] = _rule_of(_parameters(node.args)) or found.get(node.name)
            elif isinstance(node, ast.ClassDef):
                classes.append(node)
                fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
                own = _rule_of({_name(field.target): field.annotation for field in fields})
                inherited = (found[base] for base in map(_name, node.bases) if found.get(base))
                found[node.name] = own or next(inherited, None)
    rules = {name: rule for name, rule in found.items() if rule}
    related = families()
    for node in sorted(classes, key=lambda node: len(related.get(node.name, ()))):
        if node.name in related:
            of_bases = (rules[_name(base)] for base in node.bases if _name(base) in rules)
            rules[node.name] = _rule_of_exception(node) or next(of_bases)
    return {**rules, "error": _Rule(0, severity="error"), "warn": _Rule(0, severity="warning")}


def _parameters(arguments: ast.arguments) -> t.Dict[str, t.Optional[ast.expr]]:
    """The parameters by their names, with what is said of their types."""
    every = [*arguments.posonlyargs, *arguments.args]
    return {one.arg: one.annotation for one in every if one.arg not in ("self", "cls")}


def _rule_of(parameters: t.Mapping[str, t.Optional[ast.expr]]) -> t.Optional[_Rule]:
    names = list(parameters)
    annotation = parameters.get("code")
    # A code that is a number is not a reason.
    if "code" not in names or (annotation is not None and "str" not in ast.unparse(annotation)):
        return None
    severity = next((names.index(name) for name in ("severity", "priority") if name in names), -1)
    return _Rule(names.index("code"), severity)


def _rule_of_exception(node: ast.ClassDef) -> t.Optional[_Rule]:
    """By what its constructor hands on; None where it has none."""
    init = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if init is None:
        return None
    names = list(_parameters(init.args))
    for call in ast.walk(init):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "super().__init__" or not call.args:
            continue
        if isinstance(call.args[0], ast.Constant):
            return _Rule(default=call.args[0].value, severity="error")
        if _name(call.args[0]) == "code":
            defaults = dict(zip(reversed(names), reversed(init.args.defaults)))
            default = defaults.get("code")
            return _Rule(names.index("code"), -1, str(ast.literal_eval(default)) if default else "", "error")
    return _Rule(names.index("code"), severity="error") if "code" in names else None


# Where it is given


class _Reader(ast.NodeVisitor):
    """Collects the uses in a module."""

    def __init__(self, module: _Module, rules: t.Mapping[str, _Rule], constants: t.Mapping[str, ast.expr]) -> None:
        self.found: t.List[Use] = []
        self._path = module.path
        self._rules = rules
        self._constants = constants
        self._functions: t.List[ast.FunctionDef] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions.append(node)
        self.generic_visit(node)
        self._functions.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        rule = self._rules.get(name)
        given: t.Dict[str, ast.expr] = {one.arg: one.value for one in node.keywords if one.arg}
        if rule is not None:
            severity = given.get("severity") or given.get("priority") or _at(node.args, rule.severity_at)
            severities = frozenset([rule.severity] if rule.severity else self._severities(severity))
            value = given.get("code") or _at(node.args, rule.code_at)
            self._note(self._texts(value) if value is not None else {rule.default}, severities, name, node)
        elif "code" in given:
            self._note(self._texts(given["code"]), frozenset(), ASSIGNMENT, node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts))
            for one, value in pairs:
                if _name(one) in _KEPT or (isinstance(one, ast.Subscript) and _subscript(one) in _KEPT):
                    self._note(self._texts(value), frozenset(), ASSIGNMENT, node)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values):
            if isinstance(key, ast.Constant) and key.value in _KEPT:
                self._note(self._texts(value), frozenset(), ASSIGNMENT, node)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if any(_holds_codes(side) for side in sides):
            for side in sides:
                if not _holds_codes(side):
                    self._note(self._texts(side), frozenset(), COMPARISON, node)
        self.generic_visit(node)

    def _note(self, texts: t.Iterable[str], severities: t.FrozenSet[str], by: str, node: ast.AST) -> None:
        line = getattr(node, "lineno", 0)
        self.found += [Use(text, severities, by, self._path, line) for text in texts if _CODE.fullmatch(text)]

    def _values(self, node: t.Optional[ast.expr], within: t.Tuple[str, ...] = ()) -> t.Iterator[ast.expr]:
        """What an expression may be, as far as that is written in this function or as a constant of a module.

        ``within`` are the names that led here, since one may be given what it was before.
        """
        parts: t.Sequence[ast.expr] = ()
        if isinstance(node, ast.IfExp):
            parts = (node.body, node.orelse)
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            parts = node.elts
        elif isinstance(node, ast.Call) and _name(node.func) in ("frozenset", "set", "tuple"):
            parts = node.args
        elif isinstance(node, ast.Name) and node.id not in within:
            parts = self._given(node.id)
            within = (*within, node.id)
        for part in parts:
            yield from self._values(part, within)
        if node is not None:
            yield node

    def _given(self, name: str) -> t.List[ast.expr]:
        """What this function assigns to a name, or what the constant of that name is."""
        statements = ast.walk(self._functions[-1]) if self._functions else ()
        assigned = [one for one in statements if isinstance(one, ast.Assign)]
        found = [one.value for one in assigned if any(_name(target) == name for target in one.targets)]
        return found or [value for constant, value in self._constants.items() if constant == name]

    def _texts(self, node: ast.expr) -> t.Set[str]:
        values = (value.value for value in self._values(node) if isinstance(value, ast.Constant))
        return {value for value in values if isinstance(value, str)}

    def _severities(self, node: t.Optional[ast.expr]) -> t.Set[str]:
        return {SEVERITIES[name] for name in map(_name, self._values(node)) if name in SEVERITIES}


def _at(arguments: t.Sequence[ast.expr], index: int) -> t.Optional[ast.expr]:
    return arguments[index] if 0 <= index < len(arguments) else None


def _subscript(node: ast.Subscript) -> str:
    return str(node.slice.value) if isinstance(node.slice, ast.Constant) else ""


def _holds_codes(node: ast.expr) -> bool:
    """Whether an expression is a code, or several: ``x.code``, ``entry.get("code")``, ``set(x.errors) - {...}``."""
    if isinstance(node, ast.BinOp):
        return _holds_codes(node.left)
    if isinstance(node, ast.Call):
        keys = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        return any(key in _KEPT for key in keys) or (_name(node.func) == "set" and any(map(_holds_codes, node.args)))
    return _name(node) in _FOUND or (isinstance(node, ast.Subscript) and _subscript(node) in _KEPT)
