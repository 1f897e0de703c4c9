# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A judgement is made by the judge, once, and by nobody else."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ERROR, WARNING, Finding
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import Received, judge, without_issuer
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate, Target
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE, NOW

W = forge.world()
TARGET = Target(Certificate.from_der(W.leaf.der), Certificate.from_der(W.issuer.der))
CHECKOUT = Path(__file__).resolve().parents[5]
URL = "http://ocsp.example.com"

#: One of each way in which judging ends.
KINDS: t.Dict[str, bytes] = {
    "good": forge.response(),
    "revoked": forge.response(forge.single(status="revoked")),
    "forged": forge.response(flip_signature=True),
    "about another": forge.response(forge.single(serial=99)),
    "an error": forge.error_response("try_later"),
    "garbage": b"garbage",
    "nothing": b"",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_judgement_cannot_be_changed(name: str) -> None:
    judgement = judge(KINDS[name], TARGET, NOW, servers=("haproxy",), received=Received(URL, 500, NOW))
    for name in judgement._fields:
        with pytest.raises(AttributeError):
            setattr(judgement, name, None)
    assert isinstance(judgement.findings, tuple)
    with pytest.raises(AttributeError):
        judgement.findings.append  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_read_from_a_judgement_is_a_copy() -> None:
    judgement = judge(KINDS["forged"], TARGET, NOW)
    judgement.errors.clear()
    assert judgement.errors == ["bad_signature"]
    assert judgement.error == judgement.findings[0]


# What the judge is told of --------------------------------------------------------------------------


def test_what_servers_will_not_take_is_a_finding_of_the_judge() -> None:
    by_sha256 = forge.response(forge.single(digest="sha256"))
    assert judge(by_sha256, TARGET, NOW).acceptable
    judgement = judge(by_sha256, TARGET, NOW, servers=("haproxy", "hitch", "nginx"))
    assert [finding[:2] for finding in judgement.findings] == [
        ("unfit_for_server", WARNING),
        ("unfit_for_server", ERROR),
    ]
    assert not judgement.acceptable


CAME: t.Dict[str, t.Tuple[t.Optional[Received], t.List[str]]] = {
    "from a file": (None, []),
    "with no more than a status": (Received(URL), []),
    "with the right time": (Received(URL, 200, NOW + 3 * MINUTE), []),
    "under an error": (Received(URL, 503), ["http_error"]),
    "from a clock of another day": (Received(URL, 200, NOW - DAY), ["clock_implausible"]),
    "from a clock that the response contradicts": (Received(URL, 200, NOW + DAY), []),
    "with all of it": (Received(URL, 404, NOW - DAY), ["http_error", "clock_implausible"]),
}


@pytest.mark.parametrize("name", CAME)
def test_what_came_with_a_response_is_judged_with_it(name: str) -> None:
    received, codes = CAME[name]
    made = forge.response(forge.single(this_update=NOW - DAY, next_update=NOW + 6 * DAY), produced_at=NOW - DAY)
    judgement = judge(made, TARGET, NOW, received=received)
    assert judgement.warnings == codes and judgement.acceptable


def test_an_error_says_nothing_of_its_status() -> None:
    refused = judge(forge.error_response("unauthorized"), TARGET, NOW, received=Received(URL, 500, NOW))
    assert [finding.code for finding in refused.findings] == ["not_successful"]


def test_findings_stand_in_the_order_in_which_they_count() -> None:
    old = forge.response(forge.single(digest="sha256", this_update=NOW - 8 * DAY, next_update=NOW - HOUR))
    judgement = judge(old, TARGET, NOW, servers=("hitch",), received=Received(URL, 500, NOW - 8 * DAY))
    assert [finding.code for finding in judgement.findings] == [
        "expired",
        "too_old",
        "http_error",
        "clock_implausible",
        "unfit_for_server",
    ]


def test_the_judgement_without_an_issuer_says_nothing_else() -> None:
    problem = Finding("issuer_mismatch", ERROR, "somebody else issued it")
    judgement = without_issuer(TARGET, problem)
    assert judgement.findings == (problem,)
    assert judgement.message == problem.message and not judgement.acceptable
    assert judgement.serial_number == W.leaf.serial
    assert (judgement.this_update, judgement.certificate_status, judgement.answer_count) == (None, None, 0)


# Nobody else ----------------------------------------------------------------------------------------

#: What would change a list of findings in place.
CHANGES = frozenset(("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"))
#: Where a look at a server, which has findings of its own, goes by this name.
LOOKS = {"probe.py": "found"}


def sources() -> t.List[Path]:
    folders = ("plugins", "roles/ocsp_stapling/files/ocsp_stapling")
    return [path for folder in folders for path in sorted((CHECKOUT / folder).rglob("*.py"))]


def makes_findings(node: ast.AST, look: str) -> bool:
    """Whether code makes a judgement, or changes the findings of one."""

    def is_findings(target: t.Optional[ast.AST]) -> bool:
        if not isinstance(target, ast.Attribute) or target.attr != "findings":
            return False
        return not (isinstance(target.value, ast.Name) and target.value.id == look)

    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete)):
        targets = getattr(node, "targets", None) or [node.target]  # type: ignore[union-attr]
        return any(is_findings(part) for target in targets for part in ast.walk(target))
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if isinstance(node.func, ast.Attribute) and name in CHANGES and is_findings(node.func.value):
        return True
    if name in ("setattr", "__setattr__"):
        return any(isinstance(argument, ast.Constant) and argument.value == "findings" for argument in node.args)
    return name == "Judgement" or (name == "_replace" and any(word.arg == "findings" for word in node.keywords))


def test_no_code_but_the_judge_makes_findings_of_a_judgement() -> None:
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if path.name != "response.py" and makes_findings(node, LOOKS.get(path.name, "")):
                found.append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "judgement.findings.append(x)",
        "outcome.judgement.findings.extend(x)",
        "judgement.findings += (x,)",
        "judgement.findings = (x,)",
        "judgement.findings[0] = x",
        "a, judgement.findings = x",
        "del judgement.findings[:]",
        "Judgement(x)",
        "judgement.Judgement(x)",
        "judgement._replace(findings=())",
        "object.__setattr__(judgement, 'findings', ())",
    ],
)
def test_code_that_would_is_noticed(code: str) -> None:
    assert any(makes_findings(node, "found") for node in ast.walk(ast.parse(code)))
