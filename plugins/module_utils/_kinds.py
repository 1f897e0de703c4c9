# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What kind of value an option takes, and whether one is of that kind.

Ansible repeats what it refuses, which may be a key or a password, and names types of its own. This repeats nothing.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common import validation

Option = t.Mapping[str, t.Any]

_NAMES = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping",
}
_OF_MANY = {"dict": "a list of mappings", "str": "a list of texts", "path": "a list of paths"}


def problem(option: Option, value: t.Any) -> str:
    """That a value is not of the kind of an option, for the end of a sentence that names it, or an empty string.

    ``option`` is as in the ``argument_spec`` of a module; its choices count where it takes one of them. Whether a
    number is within ``limits``, which are told, is another question.
    """
    return "" if _is_meant(option, value) else f"must be {expected(option)}"


def expected(option: Option) -> str:
    """What an option takes, for the end of a sentence."""
    kind = option.get("type", "str")
    if kind == "list":
        return _OF_MANY.get(option.get("elements", ""), "a list")
    if kind == "str" and option.get("choices"):
        return f"one of {', '.join(filter(None, option['choices']))}"
    limits = option.get("limits")
    return f"{_NAMES.get(kind, 'a value')}{f' from {limits.lowest} to {limits.highest}' if limits else ''}"


def _is_meant(option: Option, value: t.Any) -> bool:
    kind = option.get("type", "str")
    try:
        if kind == "list":
            element = {"type": option.get("elements", "raw")}
            return all(_is_meant(element, one) for one in validation.check_type_list(value))
        if kind in ("str", "path"):
            # Ansible makes a text of anything.
            is_text = not isinstance(value, (t.Mapping, list, tuple))
            return is_text and ("choices" not in option or kind != "str" or value in option["choices"])
        if kind in ("int", "float"):
            (validation.check_type_int if kind == "int" else validation.check_type_float)(value)
            # Ansible takes true for 1.
            return not isinstance(value, bool)
        if kind == "bool":
            validation.check_type_bool(value)
        elif kind == "dict":
            validation.check_type_dict(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
