# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewal information: what a CA says of its certificates, and that none of its faults stops anything."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import TransportError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import ari
from ansible_collections.certops.ocsp.tests.unit import forge

DIRECTORY = "https://ca.example/dir"
WINDOW = {"suggestedWindow": {"start": "2026-03-01T00:00:00.123456789Z", "end": "2026-03-02T00:00:00+01:00"}}


def certificate(serial: int, key: bytes = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")) -> Certificate:
    extensions = [forge.basic_constraints(False), *([forge.authority_key_identifier(key)] if key else [])]
    return Certificate.from_der(forge.leaf(forge.world().issuer, serial=serial, extensions=extensions).der)


def test_the_identifier_is_that_of_the_example_in_the_rfc() -> None:
    assert ari.certificate_identifier(certificate(0x87654321)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert ari.certificate_identifier(certificate(0x17)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.Fw"


def test_a_certificate_that_names_no_key_of_its_issuer_has_no_identifier() -> None:
    assert ari.certificate_identifier(certificate(7, key=b"")) == ""


class Ca:
    """Answers by URL; the answer to what is not there is that nothing is."""

    def __init__(self, **answers: t.Any) -> None:
        self.answers = {DIRECTORY: {"newOrder": "x", "renewalInfo": "https://ca.example/ari"}}
        self.answers.update({f"https://ca.example/ari/{name}": answer for name, answer in answers.items()})
        self.asked: t.List[t.Tuple[str, float]] = []

    def get(self, url: str, timeout: float) -> bytes:
        self.asked.append((url, timeout))
        if url not in self.answers:
            raise TransportError("unreachable", "connection refused")
        answer = self.answers[url]
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def test_each_certificate_is_asked_about_once() -> None:
    ca = Ca(a=WINDOW, b={**WINDOW, "explanationURL": "https://ca.example/why\x1b[0m"})
    found = ari.ask(ca.get, DIRECTORY, ["a", "b"], 10)
    assert (found.supported, found.problems, set(found.windows)) == (True, (), {"a", "b"})
    assert found.windows["a"].start.isoformat() == "2026-03-01T00:00:00.123456+00:00"
    assert found.windows["b"].explanation_url == "https://ca.example/why?[0m"
    assert len(ca.asked) == 3


def test_a_ca_without_renewal_information_is_no_problem() -> None:
    ca = Ca()
    ca.answers[DIRECTORY] = {"newOrder": "x"}
    assert ari.ask(ca.get, DIRECTORY, ["a"], 10) == ari.Suggestions()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[" * 100000,
        b"\xff",
        [],
        {},
        {"suggestedWindow": []},
        {"suggestedWindow": {"start": "2026-03-01T00:00:00Z"}},
        {"suggestedWindow": {"start": "yesterday", "end": "tomorrow"}},
        {"suggestedWindow": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-02T00:00:00Z"}},
        None,
    ],
)
def test_a_broken_answer_is_a_sentence_and_the_others_count(answer: t.Any) -> None:
    ca = Ca(good=WINDOW, **({} if answer is None else {"bad": answer}))
    found = ari.ask(ca.get, DIRECTORY, ["bad", "good"], 10)
    assert set(found.windows) == {"good"}
    assert len(found.problems) == 1 and found.problems[0].startswith(
        "no renewal information from https://ca.example/ari"
    )


OTHER_PLACES = ["ftp://ca", "http://ca.example/ari", "https://169.254.169.254/latest", "https://ca.example:444/ari", 5]


@pytest.mark.parametrize(
    "answer", [b"<html>", {}, None, *[{"newOrder": "x", "renewalInfo": place} for place in OTHER_PLACES]]
)
def test_a_directory_that_cannot_be_read_is_one_sentence(answer: t.Any) -> None:
    ca = Ca()
    ca.answers[DIRECTORY] = answer
    if answer is None:
        del ca.answers[DIRECTORY]
    found = ari.ask(ca.get, DIRECTORY, ["a", "b"], 10)
    assert not found.supported and len(found.problems) == 1
    assert found.problems[0].startswith(f"the ACME directory {DIRECTORY} cannot be read: ")
    assert len(ca.asked) == 1


@pytest.mark.parametrize("time", ["\x1b]0;owned\x07\u202e" + "A" * 300_000, "9" * 300_000, ["x" * 300_000], {}, 1e300])
def test_what_a_ca_says_is_quoted_in_part(time: t.Any) -> None:
    ca = Ca(a={"suggestedWindow": {"start": time, "end": "x"}})
    (problem,) = ari.ask(ca.get, DIRECTORY, ["a"], 10).problems
    assert len(problem) < 400 and problem.isprintable()


def test_all_questions_share_one_deadline() -> None:
    ca, clock = Ca(**{str(number): WINDOW for number in range(50)}), iter([0.0, *[20.0] * 50])
    found = ari.ask(ca.get, DIRECTORY, [str(number) for number in range(50)], 10, lambda: next(clock))
    assert found.problems == ("no renewal information from https://ca.example/ari: the CA did not answer in time",)
    assert len(ca.asked) == 1
