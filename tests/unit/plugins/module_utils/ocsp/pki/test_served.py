# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when what is served can be used."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.served import first_to_end
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW

SOON, LATER = NOW + 5 * DAY, NOW + 300 * DAY
ROOT = forge.authority("Root", not_after=SOON)
OTHER_ROOT = forge.authority("Other Root", not_after=SOON)
CROSSED = forge.authority("Root", OTHER_ROOT, private_key=ROOT.key, not_after=NOW + 7 * DAY)
MIDDLE = forge.authority("Middle", ROOT, not_after=NOW + 10 * DAY)
NEWER = forge.authority("Middle", ROOT, not_after=LATER, private_key=MIDDLE.key, serial=0x30)
FOREIGN = forge.authority("Middle", ROOT, not_after=SOON, private_key=forge.key(label="foreign"), serial=0x31)
BELOW = forge.authority("Below", MIDDLE, not_after=LATER)
LOOP = forge.authority("Middle", BELOW, not_after=LATER, private_key=MIDDLE.key, serial=0x32)

#: Which ends first, of a leaf of the first of these that ends in 60 days.
WAYS: t.Dict[str, t.Tuple[t.List[forge.Entity], t.Optional[forge.Entity]]] = {
    "nothing else": ([], None),
    "a root": ([ROOT], None),
    "its issuer": ([MIDDLE], MIDDLE),
    "the issuer of its issuer": ([BELOW, MIDDLE], MIDDLE),
    "in another order": ([BELOW, ROOT, MIDDLE], MIDDLE),
    "a root that another one signed": ([MIDDLE, CROSSED, ROOT], CROSSED),
    "a newer one of the same CA": ([MIDDLE, NEWER], None),
    "one that did not issue it": ([NEWER, FOREIGN], None),
    "one that is missing in between": ([BELOW, ROOT], None),
    "CAs that issued each other": ([BELOW, LOOP, LOOP], None),
    "the same one twice": ([MIDDLE, MIDDLE], MIDDLE),
}


def read(*entities: forge.Entity) -> t.List[Certificate]:
    return [Certificate.from_der(one.der) for one in entities]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_what_ends_first_ends_what_is_served(way: str) -> None:
    authorities, first = WAYS[way]
    entity = forge.leaf(authorities[0] if authorities else ROOT)
    found = first_to_end(*read(entity), read(entity, *authorities))
    assert found.der == (first or entity).der


@pytest.mark.parametrize(
    "extensions",
    [
        [forge.basic_constraints(False)],
        [forge.basic_constraints(True), forge.extended_key_usage("1.3.6.1.5.5.7.3.4")],
    ],
    ids=["no CA", "for mail"],
)
def test_a_namesake_that_serves_no_client_does_not_count(extensions: t.List[bytes]) -> None:
    """It has the name and the key of the CA, and ends later."""
    ended = forge.authority("Ended", ROOT, not_after=NOW + HOUR)
    later = forge.certificate("Ended", ROOT, private_key=ended.key, extensions=extensions, not_after=NOW + 900 * DAY)
    entity = forge.leaf(ended)
    assert first_to_end(*read(entity), read(entity, later, ended)).der == ended.der


def test_many_cas_of_one_name_cost_little() -> None:
    entity = forge.leaf(MIDDLE)
    other = FOREIGN.key
    many = [forge.authority("Middle", ROOT, private_key=other, serial=number) for number in range(1, 300)]
    began = time.process_time()
    assert first_to_end(*read(entity), read(entity, *many)).der == entity.der
    assert time.process_time() - began < 2
