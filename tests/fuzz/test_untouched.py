# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Good responses, ours and those of third parties, changed in one place and not signed again.

None of them is acceptable, but where the place is outside of what is signed and does not count: the
second opinion must then believe it too, and what was signed must be what was signed before.
"""

from __future__ import annotations

import json
import random
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Rules, judge
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.wire import from_pem, parse_response
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.tests.fuzz import second_opinion, targets, world


class Case(t.NamedTuple):
    """A response that is acceptable as it is, by these rules."""

    response: bytes
    leaf: bytes
    issuer: bytes
    now: datetime
    rules: Rules

    def acceptable(self, response: bytes) -> bool:
        certificates = [x509.load_certificates(data, "a file")[0] for data in (self.leaf, self.issuer)]
        return judge(response, x509.Target(*certificates), self.now, self.rules).acceptable

    def believed(self, response: bytes) -> bool:
        leaf, issuer = (x509.load_certificates(data, "a file")[0].der for data in (self.leaf, self.issuer))
        try:
            second_opinion.believe(response, second_opinion.question(leaf, issuer, self.now, self.rules))
        except second_opinion.Doubt:
            return False
        return True


def _own() -> dict[str, Case]:
    names = ("good", "by name", "by delegate", "by delegate_rsa", "surplus certificate", "both digests", "explicit v1")
    names += ("among others", "nonce", "sha512 signature", "without nextUpdate")
    made = world.responses()
    return {name: Case(made[name], world.leaf().der, world.issuer().der, world.NOW, targets.RELAXED) for name in names}


def _foreign() -> dict[str, Case]:
    found = {}
    patient = targets.RELAXED._replace(maximum_age=timedelta(days=3660), default_life=timedelta(days=3660))
    for suite in ("boringssl_ocsp_unittest", "openssl_ocsp_tests", "rfc5019bis_example"):
        try:
            entries = json.loads((world.VECTORS / f"{suite}.json").read_text())["cases"]
        except OSError:
            continue
        for entry in entries:
            hints = entry.get("stapling", {})
            paths = [
                entry["response_der"],
                entry.get("certificate_der") or entry["certificate"],
                entry.get("issuer_der") or hints["issuer"],
            ]
            epoch = hints.get("verify_time_epoch") or entry["verify_time_epoch"]
            if hints.get("verdict", entry.get("expected", "")).startswith("accept"):
                now = datetime.fromtimestamp(epoch, timezone.utc)
                found[entry["id"]] = Case(*((world.VECTORS / path).read_bytes() for path in paths), now, patient)
    # The serial number of this leaf is not DER, so that nothing can be asked about it.
    found.pop("good_response_invalid_serial", None)
    return found


CASES = {**_own(), **_foreign()}


def changes(data: bytes) -> t.Iterator[bytes]:
    """The response with one place changed, at some two hundred places all over it, two ways each."""
    chance = random.Random(len(data))
    for at in range(0, len(data), max(1, len(data) // 200)):
        yield data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        kind = chance.randrange(4)
        if kind == 0:
            yield data[:at]
        elif kind == 1:
            yield data[:at] + data[at + 1 :]
        elif kind == 2:
            yield data[:at] + bytes((chance.randrange(256),)) + data[at:]
        else:
            yield data[:at] + bytes((chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x30)),)) + data[at + 1 :]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_changed_response_is_not_believed(name: str) -> None:
    case = CASES[name]
    assert case.acceptable(case.response)
    original = parse_response(case.response)[1]
    assert original is not None
    refused = 0
    for changed in changes(case.response):
        if changed == case.response or not case.acceptable(changed):
            refused += 1
            continue
        response = parse_response(from_pem(changed))[1]
        assert response is not None
        assert response.tbs == original.tbs
        assert response.scheme == original.scheme
        assert case.believed(changed)
    assert refused > 100


def test_there_are_third_party_cases() -> None:
    if not (world.VECTORS / "openssl_ocsp_tests.json").is_file():
        pytest.skip(f"no third-party vectors in {world.VECTORS}; set OCSP_VECTORS to their folder")
    assert len(CASES) > 30
