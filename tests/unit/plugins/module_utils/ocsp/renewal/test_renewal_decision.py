# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate is replaced, and why: by what is wanted, by its CA, by its age."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import ari, decision
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, NOW

ISSUER = forge.authority("Issuing CA", extensions=[*forge.CA_EXTENSIONS, forge.subject_key_identifier(b"issuer")])
NAMES = ["www.example.com", "*.example.com"]
RULE = decision.Rule(0.33)


def leaf(**options: t.Any) -> forge.Entity:
    """A certificate that lives 90 days, for 60 more."""
    extensions = [
        forge.basic_constraints(False),
        forge.subject_alt_name(*NAMES),
        forge.authority_key_identifier(b"issuer"),
        *options.pop("more", ()),
    ]
    return forge.leaf(ISSUER, **{"extensions": extensions, **options})


LEAF = leaf()
#: Half of the time in which to try.
LATEST = LEAF.not_after - (LEAF.not_after - LEAF.not_before) * RULE.share / 2
STRANGER = forge.leaf(ISSUER, "stranger.example.com")
REVOKED = forge.response(
    forge.single(LEAF, ISSUER, status="revoked", reason="key_compromise"), signer=ISSUER, certificates=()
)


def verdict(
    entity: forge.Entity = LEAF,
    window: t.Optional[ari.Window] = None,
    now: t.Any = NOW,
    key: t.Optional[bytes] = None,
    response: t.Optional[bytes] = None,
    **wanted: t.Any,
) -> decision.Verdict:
    material = decision.Material(
        entity.pem + ISSUER.pem, "www.pem", key, responses=(b"nonsense", response) if response else ()
    )
    certificate, without = decision.read(material)
    assert certificate is not None and without is None
    identifier = ari.certificate_identifier(certificate)
    return decision.decide(certificate, material, decision.Wanted(**wanted), RULE, now, window, identifier)


def window(start: timedelta, end: timedelta) -> ari.Window:
    return ari.Window(NOW + start, NOW + end, "https://example.com/why")


def test_a_certificate_in_the_middle_of_its_life_is_not_due() -> None:
    found = verdict(names=NAMES, key_type="ecdsa-p256", must_staple=False, key=forge.private_pem(LEAF.key))
    assert (found.reason, found.due, found.urgent) == ("not_due", False, False)
    assert found.renew_at == LEAF.not_after - 90 * DAY * 0.33


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"names": ["www.example.com"]}, "names_differ"),
        ({"names": [*NAMES, "example.com"]}, "names_differ"),
        ({"names": ["www.example.com", "mail.example.com"]}, "names_differ"),
        ({"names": ["WWW.Example.com.", "*.EXAMPLE.com"]}, "not_due"),
        ({"key_type": "rsa-2048"}, "key_type_differs"),
        ({"key_type": "ecdsa-p384"}, "key_type_differs"),
        ({"must_staple": True}, "must_staple_differs"),
        ({"directory": "https://ca/dir", "obtained_directory": "https://staging/dir"}, "other_directory"),
        ({"directory": "https://ca/dir", "obtained_directory": "https://ca/dir"}, "not_due"),
        ({"directory": "https://ca/dir"}, "not_due"),
        ({"profile": "shortlived", "obtained_profile": ""}, "profile_differs"),
        ({"profile": "", "obtained_profile": "shortlived"}, "profile_differs"),
        ({"profile": "shortlived"}, "not_due"),
        ({"forced": True}, "forced"),
        ({"interrupted": True}, "interrupted"),
        ({"key": forge.private_pem(STRANGER.key)}, "key_mismatch"),
        ({"key": b"-----BEGIN NONSENSE-----\n"}, "key_mismatch"),
    ],
)
def test_what_is_not_as_wanted_is_due(wanted: t.Dict[str, t.Any], reason: str) -> None:
    assert verdict(**wanted).reason == reason


def test_a_certificate_that_demands_stapling_and_should_not_is_due() -> None:
    entity = leaf(more=[forge.must_staple()])
    assert verdict(entity, must_staple=True).reason == "not_due"
    assert verdict(entity, must_staple=False).reason == "must_staple_differs"


@pytest.mark.parametrize(
    ("left", "reason", "urgent"),
    [
        (0.34, "not_due", False),
        (0.32, "lifetime", False),
        (0.16, "lifetime", True),
        (0, "expired", True),
    ],
)
def test_the_share_of_life_decides_without_a_word_of_the_ca(left: float, reason: str, urgent: bool) -> None:
    found = verdict(now=LEAF.not_after - 90 * DAY * left)
    assert (found.reason, found.urgent) == (reason, urgent)


def chained(*authorities: forge.Entity) -> t.Tuple[forge.Entity, bytes]:
    """A leaf of 90 days, 30 of which have passed, and the file of it with these CAs, of which the first issued it."""
    entity = forge.leaf(authorities[0])
    return entity, b"".join(one.pem for one in (entity, *authorities))


def decided(entity: forge.Entity, file: bytes, now: t.Any, window: t.Optional[ari.Window] = None) -> decision.Verdict:
    material = decision.Material(file, "www.pem")
    certificate, _without = decision.read(material)
    assert certificate is not None and certificate.der == entity.der
    return decision.decide(certificate, material, decision.Wanted(), RULE, now, window, "x")


ROOT = forge.authority("Root", not_after=NOW + 5 * DAY)
ENDING = forge.authority("Ending", ROOT, not_after=NOW + 30 * DAY)
RENEWED = forge.authority("Ending", ROOT, not_after=NOW + 300 * DAY, serial=0x21, private_key=ENDING.key)
BELOW = forge.authority("Below", ENDING)
OTHER = forge.authority("Ending", ROOT, not_after=NOW - DAY, serial=0x22, private_key=forge.key(label="other"))


@pytest.mark.parametrize("authorities", [[ENDING], [ENDING, ROOT], [BELOW, ENDING, ROOT], [ENDING, OTHER]])
@pytest.mark.parametrize(
    ("left", "reason", "urgent"), [(20, "not_due", False), (19, "lifetime", False), (9, "lifetime", True)]
)
def test_a_chain_that_ends_first_is_what_counts(
    authorities: t.List[forge.Entity], left: int, reason: str, urgent: bool
) -> None:
    """With it, clients refuse the certificate and hosts deploy nothing. A root is not served, so it does not count."""
    entity, file = chained(*authorities)
    ends = ENDING.not_after
    found = decided(entity, file, ends - left * DAY)
    assert (found.reason, found.urgent, found.not_after) == (reason, urgent, ends)
    assert found.renew_at == ends - 60 * DAY * 0.33
    assert ("the CA certificate CN=Ending,O=Forge in its chain expires on " in found.message) == found.due


def test_a_chain_that_has_ended_leaves_nothing_to_be_used() -> None:
    entity, file = chained(BELOW, ENDING)
    found = decided(entity, file, ENDING.not_after)
    assert (found.reason, found.urgent) == ("expired", True)
    assert found.message == "the CA certificate CN=Ending,O=Forge in its chain expired on 2026-04-03T05:06:07Z"
    ended = forge.authority("Ended", ROOT, not_after=entity.not_before - DAY)
    assert decided(*chained(ended), NOW).reason == "expired"
    assert decided(*chained(ended), NOW, window(DAY, 2 * DAY)).reason == "expired"


def test_the_word_of_the_ca_counts_while_its_chain_leaves_time() -> None:
    found = decided(*chained(ENDING), NOW, window(50 * DAY, 51 * DAY))
    assert found.renew_at == ENDING.not_after - 60 * DAY * 0.33 / 2


def test_of_two_certificates_of_a_ca_the_one_that_is_valid_longer_counts() -> None:
    entity, file = chained(ENDING, RENEWED)
    assert decided(entity, file, NOW).not_after == entity.not_after


@pytest.mark.parametrize(("left", "reason"), [(0.51, "not_due"), (0.49, "lifetime")])
def test_half_of_a_short_life_counts(left: float, reason: str) -> None:
    entity = leaf(not_before=NOW - 3 * DAY, not_after=NOW + 3 * DAY)
    assert verdict(entity, now=entity.not_after - 6 * DAY * left).reason == reason


def test_the_word_of_the_ca_comes_before_the_share_of_life() -> None:
    late = LEAF.not_after - 20 * DAY
    assert verdict(now=late).reason == "lifetime"
    coming = ari.Window(late + DAY, late + 2 * DAY)
    found = verdict(window=coming, now=late)
    assert found.reason == "not_due"
    assert found.renew_at is not None and coming.start <= found.renew_at <= coming.end
    early = verdict(window=ari.Window(NOW - 2 * DAY, NOW + timedelta(seconds=1)))
    assert early.reason == "ari"


def test_a_ca_that_suggests_a_time_after_the_end_is_not_waited_for() -> None:
    found = verdict(window=window(100 * DAY, 200 * DAY))
    assert found.renew_at == LATEST and verdict(window=window(100 * DAY, 200 * DAY), now=LATEST).reason == "lifetime"


@pytest.mark.parametrize("start", [datetime(1, 1, 1, tzinfo=timezone.utc), NOW + 80 * DAY])
def test_a_window_that_leaves_no_time_to_try_again_does_not_count(start: datetime) -> None:
    found = verdict(window=ari.Window(start, datetime(9999, 12, 31, tzinfo=timezone.utc)))
    assert found.renew_at == LATEST
    assert "as its CA suggests" not in found.message


def test_the_point_in_the_window_is_the_same_in_each_run_and_another_for_another_certificate() -> None:
    suggested = window(DAY, 3 * DAY)
    points = {suggested.point(f"aYhba4dGQEHhs3uEe6CuLN4ByNQ.{number}") for number in range(200)}
    assert len(points) == 200
    assert suggested.point("x") == suggested.point("x")
    assert min(points) < NOW + DAY + 2 * HOUR and max(points) > NOW + 3 * DAY - 2 * HOUR


def test_a_window_that_is_over_too_early_is_how_a_ca_calls_for_what_it_revokes() -> None:
    found = verdict(window=window(-2 * HOUR, -HOUR))
    assert (found.reason, found.urgent) == ("revoked", True)
    assert "https://example.com/why" in found.message


def test_a_window_that_was_missed_is_no_revocation() -> None:
    late = LEAF.not_after - 10 * DAY
    found = verdict(window=ari.Window(late - 3 * DAY, late - 2 * DAY), now=late)
    assert found.reason == "ari"


def test_a_proof_of_revocation_makes_it_due_at_once() -> None:
    found = verdict(response=REVOKED)
    assert (found.reason, found.urgent) == ("revoked", True)
    assert "key_compromise" in found.message
    # A revocation does not end with the response that says so.
    assert verdict(response=REVOKED, now=NOW + 20 * DAY).reason == "revoked"


@pytest.mark.parametrize(
    "response",
    [
        b"nonsense",
        forge.response(forge.single(LEAF, ISSUER), signer=ISSUER, certificates=()),
        forge.response(forge.single(STRANGER, ISSUER, status="revoked", serial=7), signer=ISSUER, certificates=()),
        forge.response(forge.single(LEAF, ISSUER, status="revoked"), signer=STRANGER, certificates=()),
    ],
)
def test_what_proves_no_revocation_of_this_certificate_changes_nothing(response: bytes) -> None:
    assert verdict(response=response).reason == "not_due"


def test_what_is_missing_or_cannot_be_read_is_urgent() -> None:
    for material, reason in (
        (decision.Material(None, "www.pem"), "missing"),
        (decision.Material(b"", "www.pem"), "unreadable"),
        (decision.Material(b"-----BEGIN CERTIFICATE-----\nAAAA", "www.pem"), "unreadable"),
        (decision.Material(LEAF.pem, "www.pem", has_key=False), "missing"),
    ):
        found = decision.read(material)[1]
        assert found is not None and (found.reason, found.due, found.urgent) == (reason, True, True)
