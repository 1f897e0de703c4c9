# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module in this process, and compare its documentation with what it does."""

from __future__ import annotations

import importlib
import json
import types
import typing as t

import pytest

testing = pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

import yaml  # noqa: E402
from ansible.module_utils import _internal  # noqa: E402
from ansible.module_utils.common import warnings  # noqa: E402
from ansible_collections.certops.ocsp.plugins.doc_fragments._ocsp import ModuleDocFragment  # noqa: E402

Result = t.Dict[str, t.Any]

#: What Ansible itself adds to results, the latter for a file named ``path``.
ADDED = {"invocation", "warnings", "deprecations", "changed", "diff", "failed", "exception"}
ADDED |= {"uid", "gid", "owner", "group", "mode", "state", "size", "secontext"}

#: The common options of Ansible for files, by the fragment ansible.builtin.files.
FILE_OPTIONS = {"attributes", "group", "mode", "owner", "selevel", "serole", "setype", "seuser", "unsafe_writes"}


class Runner:
    """Calls the module of one name with options, and returns its result with ``failed``."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.module: types.ModuleType = importlib.import_module(
            f"ansible_collections.certops.ocsp.plugins.modules.{name}"
        )
        self.monkeypatch = monkeypatch
        self.capfd = capfd

    def __call__(self, check: bool = False, diff: bool = False, **options: t.Any) -> Result:
        # Ansible keeps these for the whole process, where tests of the controller's plugins may have run, too.
        self.monkeypatch.setattr(warnings, "_global_warnings", {})
        self.monkeypatch.setattr(_internal, "is_controller", False)
        self.capfd.readouterr()
        arguments = {"_ansible_check_mode": check, "_ansible_diff": diff, **options}
        with testing.patch_module_args(arguments), pytest.raises(SystemExit) as caught:
            self.module.main()
        out, err = self.capfd.readouterr()
        assert err == ""
        assert "Traceback" not in out
        result: Result = json.loads(out)
        assert caught.value.code == (1 if result.get("failed") else 0)
        # They may be whole events, of which the sentence is shown.
        sentences = [one if isinstance(one, str) else one["event"]["msg"] for one in result.get("warnings", [])]
        return {"failed": False, **result, "warnings": sentences}


def documentation(module: types.ModuleType, *fragments: str) -> t.Dict[str, t.Any]:
    """The options of the documentation, with those of the fragments of the collection."""
    options: t.Dict[str, t.Any] = yaml.safe_load(module.DOCUMENTATION)["options"]
    for fragment in fragments:
        options.update(yaml.safe_load(getattr(ModuleDocFragment, fragment))["options"])
    return options


def specification(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch, class_name: str = "Module"
) -> t.Dict[str, t.Any]:
    """The argument spec that the module gives to Ansible, by the name of the class that takes it."""

    class Caught(Exception):
        """With the spec."""

    def catch(argument_spec: t.Dict[str, t.Any], **options: t.Any) -> t.NoReturn:
        raise Caught(argument_spec)

    with monkeypatch.context() as context, pytest.raises(Caught) as caught:
        context.setattr(module, class_name, catch)
        module.main()
    spec: t.Dict[str, t.Any] = caught.value.args[0]
    return spec


def comparable(options: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What documentation and argument spec must agree about."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": option.get("choices"),
        }
        for name, option in options.items()
    }


def returned(module: types.ModuleType, *conditions: str) -> t.Set[str]:
    """The documented keys that are returned under one of these conditions."""
    keys = yaml.safe_load(module.RETURN)
    return {name for name, key in keys.items() if key["returned"] in conditions}


def check_types(module: types.ModuleType, result: Result) -> None:
    """Each value is of its documented type, or null."""
    types_ = {"str": str, "int": int, "bool": bool, "float": (int, float), "dict": dict, "list": list}
    _check(yaml.safe_load(module.RETURN), result, types_)


def _check(keys: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any], types_: t.Mapping[str, t.Any]) -> None:
    for name, key in keys.items():
        value = values.get(name)
        if value is None:
            continue
        assert isinstance(value, types_[key["type"]]), name
        if "contains" in key:
            for entry in value if isinstance(value, list) else [value]:
                assert set(entry) == set(key["contains"]), name
                _check(key["contains"], entry, types_)
