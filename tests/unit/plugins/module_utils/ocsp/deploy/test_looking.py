# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is seen of servers at a deployment."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import looking, material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.confirm import Endpoint, Sight
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.tls_server import Network, Server, Wire, alert

AT = Endpoint("nginx", "127.0.0.1", 443, "")
ISSUER = forge.world().issuer
LEAVES = {kind: forge.leaf(ISSUER, private_key=forge.key(kind)) for kind in ("rsa2048", "p256", "ed25519", "ed448")}


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Sight]:
    """Look at a server that has these connections to give, one after the other."""

    def look_at(*wires: t.Any, name: str = "www.example.com") -> Sight:
        network = Network(*wires)
        monkeypatch.setattr(client, "look", functools.partial(look, dial=network))
        sight = looking.look(AT, name)
        assert not network.wires
        return sight

    look = client.look
    return look_at


def serve(kind: str, staple: t.Optional[bytes] = None) -> Wire:
    return Wire(Server([LEAVES[kind].der, ISSUER.der], [staple]).answer)


def refuse() -> Wire:
    return Wire(lambda data: alert(2, 40))


def printed(kind: str) -> str:
    return material.fingerprint(Certificate.from_der(LEAVES[kind].der))


@pytest.mark.parametrize("kind", LEAVES)
def test_a_certificate_of_each_kind_of_key_is_seen(kind: str, see: t.Callable[..., Sight]) -> None:
    number = {"rsa2048": 0, "p256": 1}.get(kind, 2)
    wires = [refuse(), refuse(), refuse()]
    wires[number] = serve(kind, b"staple")
    assert see(*wires) == Sight({printed(kind): b"staple"})


def test_certificates_of_several_kinds_are_seen(see: t.Callable[..., Sight]) -> None:
    sight = see(serve("rsa2048"), serve("p256"), serve("ed25519"))
    assert sight == Sight({printed(kind): None for kind in ("rsa2048", "p256", "ed25519")})


def test_a_server_without_certificates(see: t.Callable[..., Sight]) -> None:
    sight = see(refuse(), refuse(), refuse())
    assert "handshake_failure" in sight.problem
    assert (sight.shown, sight.hung, sight.answered) == ({}, False, True)


@pytest.mark.parametrize("code", ["timeout", "unreachable"])
def test_who_does_not_answer_is_not_asked_for_more(code: str, see: t.Callable[..., Sight]) -> None:
    sight = see(*[ProbeError(code, "no answer")] * 2)
    assert (sight.shown, sight.hung, sight.answered) == ({}, code == "timeout", False)
    assert "no answer" in sight.problem


@pytest.mark.parametrize("name", ["a b", f"www.{'x' * 250}"])
def test_what_cannot_be_asked_for_is_a_problem(name: str, see: t.Callable[..., Sight]) -> None:
    assert "it cannot be looked at" in see(name=name).problem


def test_a_bug_is_a_problem_of_that_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: t.Any, **_options: t.Any) -> t.Any:
        raise ValueError("a bug\33[2J")

    monkeypatch.setattr(client, "look", fail)
    sight = looking.look(AT, "www.example.com")
    assert sight.problem.isprintable() and "a bug" in sight.problem
