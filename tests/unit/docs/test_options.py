# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of each option says what the table of options says."""

from __future__ import annotations

import importlib
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.doc_fragments._ocsp import ModuleDocFragment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import table
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import OPTIONS, Option, names_of
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import starttls

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[3]
FRAGMENTS = {name: yaml.safe_load(text)["options"] for name, text in vars(ModuleDocFragment).items() if name.isupper()}
USERS = (
    table.RESPONSE,
    table.RESPONSES,
    table.RESPONSE_INFO,
    table.STAPLE_INFO,
    table.CERTIFICATE_SET,
)


def documented(module: str) -> t.Dict[str, t.Any]:
    """The options that the documentation of a module has, those of the fragments of the collection included."""
    source = importlib.import_module(f"ansible_collections.certops.ocsp.plugins.modules.{module}").DOCUMENTATION
    documentation = yaml.safe_load(source)
    options: t.Dict[str, t.Any] = {}
    for fragment in documentation["extends_documentation_fragment"]:
        collection, _dot, part = fragment.rpartition(".")
        if collection == "certops.ocsp._ocsp":
            options.update(FRAGMENTS[part.upper()])
    return {**options, **documentation["options"]}


def described(option: t.Mapping[str, t.Any]) -> t.Tuple[t.Any, ...]:
    return tuple(option.get(key) for key in ("type", "elements", "default", "choices"))


def wanted(option: Option) -> t.Tuple[t.Any, ...]:
    choices = list(option.choices) or None
    if option.kind != "list":
        return (option.kind, None, option.default, choices)
    return (option.kind, "str", None if option.default is None else list(option.default), choices)


@pytest.mark.parametrize("module", USERS)
def test_a_module_documents_what_the_table_gives_it(module: str) -> None:
    options = documented(module)
    assert {name: described(options[name]) for name in names_of(module)} == {
        name: wanted(OPTIONS[name]) for name in names_of(module)
    }


def test_the_fragments_hold_what_the_table_holds_and_each_once() -> None:
    names = [name for options in FRAGMENTS.values() for name in options]
    assert sorted(names) == sorted(set(OPTIONS) - set(names_of(about=table.RUN)))


@pytest.mark.parametrize(
    ("module", "name"), [(user, name) for user in USERS for name in names_of(user) if OPTIONS[name].limits]
)
def test_limits_are_documented(module: str, name: str) -> None:
    limits = OPTIONS[name].limits
    assert limits is not None
    said = documented(module)[name]["description"]
    text = said if isinstance(said, str) else " ".join(said)
    start = "more than" if limits.above else "from"
    assert re.search(rf"\b{start} V\({limits.lowest}\) to V\({limits.highest}\)", text, re.IGNORECASE), text


@pytest.mark.parametrize("place", [table.CERTIFICATE_SET, "stapling_program", "the role"])
def test_limits_of_a_run_are_documented(place: str) -> None:
    specs = yaml.safe_load((ROOT / "roles/ocsp_stapling/meta/argument_specs.yml").read_text())["argument_specs"]
    role = {name.replace("ocsp_stapling_", ""): one for name, one in specs["main"]["options"].items()}
    options = role if place == "the role" else documented(place)
    for name, limits in table.RUN_LIMITS.items():
        if name in options:
            assert f"rom V({limits.lowest}) to V({limits.highest})" in " ".join(str(options[name]).split()), name


def test_a_set_documents_what_it_may_not_be_given() -> None:
    text = " ".join(documented(table.CERTIFICATE_SET)["options"]["description"])
    rest = set(names_of(table.RESPONSE)) - set(names_of(table.SET))
    assert set(re.findall(r"C\((\w+)\)", text.partition(" except ")[2])) == rest | {"path"}


def test_the_urls_of_a_set_are_those_of_a_staple() -> None:
    one = documented(table.CERTIFICATE_SET)["certificates"]["suboptions"]
    assert described(one["responder_urls"]) == described(documented(table.RESPONSE)["responder_urls"])


def test_the_role_names_options_that_a_set_may_be_given() -> None:
    specs = yaml.safe_load((ROOT / "roles/ocsp_stapling/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    assert options["ocsp_stapling_workers"]["default"] == OPTIONS["workers"].default
    text = " ".join(options["ocsp_stapling_options"]["description"])
    assert set(re.findall(r"C\((\w+)\)", text)) <= set(names_of(table.SET))


def test_protocols_before_tls_are_those_that_are_spoken() -> None:
    of_a_set = documented(table.CERTIFICATE_SET)["endpoints"]["suboptions"]["starttls"]
    assert of_a_set["choices"] == ["", *starttls.PROTOCOLS]
    of_a_look = documented(table.STAPLE_INFO)["starttls"]
    assert of_a_look["choices"] == ["", *starttls.PROTOCOLS]
