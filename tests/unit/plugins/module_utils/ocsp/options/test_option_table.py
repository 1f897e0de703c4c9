# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of options: each row is possible, and what is made from it stays what it is."""

from __future__ import annotations

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import table
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import check_options, read_value
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import OPTIONS, Limits, names_of


@pytest.mark.parametrize("name", OPTIONS)
def test_the_default_is_what_the_option_may_be(name: str) -> None:
    option = OPTIONS[name]
    assert read_value(name, option.default) == read_value(name, None)
    assert option.kind in ("bool", "float", "int", "list", "path", "str")
    assert (option.limits is not None) == (option.kind in ("float", "int"))
    assert option.users


@pytest.mark.parametrize("name", [name for name in OPTIONS if OPTIONS[name].choices])
def test_each_choice_is_taken_and_no_other(name: str) -> None:
    def written(choice: str) -> object:
        return [choice] if OPTIONS[name].kind == "list" else choice

    for choice in OPTIONS[name].choices:
        read_value(name, written(choice))
    with pytest.raises(InputError, match=f"{name}: 'x' is not one of {', '.join(OPTIONS[name].choices)}"):
        read_value(name, written("x"))


@pytest.mark.parametrize("name", [name for name in OPTIONS if OPTIONS[name].limits])
def test_limits_are_kept(name: str) -> None:
    limits = OPTIONS[name].limits
    assert limits is not None
    read_value(name, limits.highest)
    read_value(name, limits.lowest + limits.above)
    for number in (limits.lowest - (not limits.above), limits.highest + 1):
        with pytest.raises(InputError, match=f"{name}: {number} is not "):
            read_value(name, number)


def test_nothing_is_within_limits_that_is_no_number() -> None:
    assert not Limits(0, 100).allow(float("nan")) and not Limits(0, 100, above=True).allow(float("nan"))


def test_what_a_set_may_be_given_is_what_the_program_takes() -> None:
    """The role writes the one down for the other."""
    certificate = set(names_of(about=table.CERTIFICATE))
    assert set(names_of(table.SET)) == set(names_of(table.PROGRAM)) - certificate
    assert certificate <= set(names_of(table.PROGRAM))


def test_each_certificate_of_many_has_the_options_of_one() -> None:
    assert set(names_of(table.RESPONSES)) == {
        *names_of(table.RESPONSE),
        *names_of(about=table.RUN),
    }


@pytest.mark.parametrize("name", names_of(table.SET))
def test_what_a_set_may_be_given_is_checked_before_anything_is_done(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: "):
        check_options({name: object()})
