# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in a folder of a user of the host that a server, or its clients, refuse."""

from __future__ import annotations

import typing as t

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import ROOT, serial, serve_by_nginx

Play = t.Callable[..., Result]

pytestmark = pytest.mark.nightly

#: The user who has a folder that is searched.
USER = "61234:61234"
#: As an operator has it who wants no RSA: the examination knows nothing of that.
NO_RSA = (
    f"nginx -t -q && ! openssl x509 -noout -text -in {ROOT}/live/alice.example.com/cert.pem | grep -q rsaEncryption"
)


def bring(host: lab_tool.Host, leaf: pki_tool.Leaf, folder: str, owner: str = "root") -> None:
    host.run("mkdir", "-p", folder)
    for path in (leaf.key, leaf.certificate, leaf.chain):
        host.write(f"{folder}/{path.name}", path.read_text())
    host.run("chown", "-R", owner, folder)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"services": {"nginx": {"test": ["sh", "-c", NO_RSA]}}},
            "nginx rejected its configuration with the new files",
        ),
        ({}, "TLS no longer works"),
    ],
    ids=["the server refuses it", "clients cannot use it"],
)
def test_a_renewal_that_cannot_be_used_costs_that_certificate_alone(
    settings: dict[str, t.Any],
    why: str,
    lab: lab_tool.Lab,
    host: lab_tool.Host,
    play: Play,
    lab_pki: pki_tool.Pki,
) -> None:
    variables: dict[str, t.Any] = {
        "remote_source": True,
        "source": "/root/certs",
        "certificates": {"web": {"domains": ["bank.example.com"], "reload": ["nginx"]}},
        "scan": [{"folder": "/home/alice", "reload": ["nginx"]}],
        "responder_wait": 0,
        **settings,
    }

    def renew(key: str) -> tuple[pki_tool.Leaf, pki_tool.Leaf]:
        bank = lab_pki.issue("bank.example.com", key="ec", ocsp=False)
        alice = lab_pki.issue("alice.example.com", key=key, ocsp=False)
        bring(host, bank, "/root/certs")
        bring(host, alice, "/home/alice", USER)
        return bank, alice

    bank, alice = renew("ec")
    done = play(host, **variables)
    assert done.rc == 0, done.output
    serve_by_nginx(host, bank.name, alice.name)
    only_ecdsa = "s/ssl_protocols.*/ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;/"
    host.run("sed", "-i", only_ecdsa, "/etc/nginx/sites-enabled/tls")
    host.run("systemctl", "reload", "nginx")
    kept = serial(alice)
    bank, alice = renew("rsa")
    done = play(host, **variables)
    assert done.rc == 0 and why in " ".join(done.output.split()), done.output
    assert lab.look(host, bank.name)[0] == serial(bank)
    assert lab.look(host, alice.name)[0] == kept
    status = host.run("ocsp-stapling", "status", "--json", check=False)
    assert '"switched_back"' in status and status.count('"outcome"') == 1, status
    again = play(host, **variables)
    told = " ".join(again.output.split())
    assert again.rc == 0 and again.count("changed") == 0, again.output
    assert f"{alice.name}: this certificate was switched back at " in told and "it is tried again after " in told
    bank, alice = renew("ec")
    done = play(host, **variables)
    assert done.rc == 0, done.output
    assert [lab.look(host, one.name)[0] for one in (bank, alice)] == [serial(bank), serial(alice)]


def test_what_a_user_removes_stays_live_and_stops_no_other(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Whether that is one file or the whole folder; and the next run has nothing to change."""
    bank, alice = (lab_pki.issue(f"{name}.example.com", key="ec", ocsp=False) for name in ("bank", "alice"))
    bring(host, bank, "/root/certs")
    bring(host, alice, "/home/alice/ssl", USER)
    host.run("chown", USER, "/home/alice")
    variables: dict[str, t.Any] = {
        "remote_source": True,
        "source": "/root/certs",
        "certificates": {"web": {"domains": [bank.name], "reload": ["nginx"]}},
        "scan": [{"folder": "/home/alice/ssl", "reload": ["nginx"]}],
        "responder_wait": 0,
    }
    done = play(host, **variables)
    assert done.rc == 0, done.output
    serve_by_nginx(host, bank.name, alice.name)
    for spoilt in (f"echo junk > /home/alice/ssl/{alice.certificate.name}", "rm -r /home/alice/ssl"):
        host.run("sh", "-c", spoilt)
        renewed = lab_pki.issue(bank.name, key="ec", ocsp=False)
        bring(host, renewed, "/root/certs")
        done = play(host, **variables)
        assert done.rc == 0, done.output
        assert lab.look(host, bank.name)[0] == serial(renewed) and lab.look(host, alice.name)[0] == serial(alice)
        again = play(host, **variables)
        assert again.rc == 0 and again.count("changed") == 0, again.output
    alone = play(host, **{**variables, "certificates": {}})
    assert alone.rc == 0 and f"nothing to deploy: {alice.name} stays as it is" in " ".join(alone.output.split())
    assert lab.look(host, alice.name)[0] == serial(alice)
    again = play(host, **{**variables, "certificates": {}})
    assert again.rc == 0 and again.count("changed") == 0, again.output
    host.run("install", "-d", "-o", USER.partition(":")[0], "/home/alice/ssl")
    for _time in range(2):
        emptied = play(host, **{**variables, "certificates": {}})
        assert emptied.rc == 0 and "kept because it is still used" in " ".join(emptied.output.split()), emptied.output
        assert lab.look(host, alice.name)[0] == serial(alice)
