# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients see, twenty times a second, while one of two servers is broken, or wrong or odd files are deployed."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import (
    ROOT,
    configure_hitch,
    files_under,
    is_stapled,
    is_unharmed,
    reloads,
    serial,
    serve_by_nginx,
)

Play = t.Callable[..., Result]

#: By nginx.
NAMES = (
    "chain.example.com",
    "fullchain.example.com",
    "namesake.example.com",
    "twin.example.com",
    "rootless.example.com",
    "folded.example.com",
)
#: The one by nginx and the one by Hitch that are watched while Hitch is broken.
A, B = "a.example.com", "b.example.com"
HITCH = 10443
EXPIRED = ("20240101000000Z", "20250101000000Z")


def groups(**domains: t.Any) -> dict[str, t.Any]:
    """The certificates of both servers; keyword arguments stand in the place of a name, with dots as underscores."""
    web = [domains.get(name.partition(".")[0], name) for name in (A, *NAMES)]
    return {"web": {"domains": web, "reload": ["nginx"]}, "other": {"domains": [B], "reload": ["hitch"]}}


def entry(leaf: pki_tool.Leaf) -> dict[str, t.Any]:
    """A certificate with files of its own."""
    return {"name": leaf.name, "private_key": leaf.key, "certificate": leaf.certificate}


@pytest.fixture(scope="module")
def hosts(lab: lab_tool.Lab) -> t.Iterator[list[lab_tool.Host]]:
    """The host that all tests of this file share, as soon as it is there."""
    found: list[lab_tool.Host] = []
    yield found
    for one in found:
        lab.remove(one)


@pytest.fixture
def run(hosts: list[lab_tool.Host], play: Play, lab_pki: pki_tool.Pki) -> t.Callable[..., Result]:
    """Run the role on that host."""

    def once(certificates: t.Mapping[str, t.Any], **variables: t.Any) -> Result:
        endpoints = [{"service": "nginx", "port": 443}, {"service": "hitch", "port": HITCH}]
        variables = {"source": lab_pki.home, "responder_wait": 0, "endpoints": endpoints, **variables}
        return play(hosts[0], certificates=certificates, **variables)

    return once


@pytest.fixture
def host(
    hosts: list[lab_tool.Host], lab: lab_tool.Lab, lab_pki: pki_tool.Pki, run: t.Callable[..., Result]
) -> lab_tool.Host:
    """A host on which nginx and Hitch serve."""
    if not hosts:
        hosts.append(lab.add("clients", ("nginx",)))
        for name in (A, B, *NAMES):
            lab_pki.issue(name, key="ec")
        with lab.responder(lab_pki.home):
            done = run(groups())
        assert done.rc == 0, done.output
        serve_by_nginx(hosts[0], A, *NAMES)
        configure_hitch(hosts[0], B, HITCH)
        hosts[0].run("systemctl", "unmask", "hitch")
        hosts[0].run("systemctl", "restart", "hitch")
    return hosts[0]


def spec(host: lab_tool.Host, name: str) -> str:
    """A client of a name."""
    return f"{host.address}:{HITCH if name == B else 443}:{name}"


@contextlib.contextmanager
def watched(lab: lab_tool.Lab, host: lab_tool.Host, pki: pki_tool.Pki, *names: str) -> t.Iterator[None]:
    """Clients of these names for the time of the block: none comes to harm, and in the end all verifies."""
    with lab.clients(*(spec(host, name) for name in names)) as seen:
        yield
    for one, summary in seen.items():
        # On a busy machine, a worker of Hitch that a reload ends may reset a connection that it has not answered yet.
        refused = 1 if one == spec(host, B) else 0
        assert is_unharmed(summary, refused) and summary["handshakes"] > 0, (one, summary)
        assert all(shown["status"] == "good" for shown in summary["shown"]), (one, summary)
    for name in names:
        lab.verify(host, name, pki.root, HITCH if name == B else 443)


@contextlib.contextmanager
def hitch_broken(host: lab_tool.Host) -> t.Iterator[None]:
    """Somebody breaks the configuration of Hitch, and repairs it at the end of the block."""
    good = host.read("/etc/hitch/hitch.conf")
    host.write("/etc/hitch/hitch.conf", f"{good}nonsense = 1\n")
    try:
        yield
    finally:
        host.write("/etc/hitch/hitch.conf", good)


def staple_times(lab: lab_tool.Lab, host: lab_tool.Host, later: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """When the staples that A and B are served with were made; A's, if need be, as soon as it is a later one."""
    first = lab.staple_time(host, A)
    # nginx comes back from a reload before its new workers have taken over.
    for _attempt in range(50 if later else 0):
        if later and first > later[A]:
            break
        first = lab.staple_time(host, A)
    return {A: first, B: lab.staple_time(host, B, HITCH)}


def test_one_server_is_broken_while_the_staples_of_both_are_renewed(
    lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki
) -> None:
    """By the program: one is told, and the other as soon as it can be."""
    before, told = staple_times(lab, host), reloads(host, "hitch")
    with lab.responder(lab_pki.home), watched(lab, host, lab_pki, A, B):
        host.run("sleep", "1")  # the time in a staple is in whole seconds
        with hitch_broken(host):
            host.run("ocsp-stapling", "refresh", "--force", A, B)
            host.run("ocsp-stapling", "apply", check=False)
            between = staple_times(lab, host, later=before)
            assert "hitch has not been reloaded" in host.run("ocsp-stapling", "status", check=False)
        host.run("ocsp-stapling", "apply", check=False)
        after = staple_times(lab, host)
    assert between[A] > before[A] and between[B] == before[B]
    assert after[A] == between[A] and after[B] > before[B]
    assert reloads(host, "hitch") == told + 1
    assert "has not been reloaded" not in host.run("ocsp-stapling", "status", check=False)


def test_one_server_is_broken_while_the_staple_of_the_other_is_renewed_by_the_role(
    lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki, run: t.Callable[..., Result]
) -> None:
    """The new certificate of the one is refused; the other gets its staple, by the next timer run at the latest."""
    before, old = staple_times(lab, host), serial(lab_pki.leaf(B))
    new = lab_pki.issue(B, key="ec")
    # What lives for a week is due some seconds after it was made.
    impatient = {"options": {"minimum_validity": f"{7 * 86400 - 5}s"}}
    with lab.responder(lab_pki.home, minutes=10 * 1440), watched(lab, host, lab_pki, A, B):
        with hitch_broken(host):
            refused = run(groups(), **impatient)
            assert refused.rc != 0 and "the configuration of hitch was rejected" in refused.output, refused.output
            host.run("ocsp-stapling", "apply", check=False)
            between = staple_times(lab, host, later=before)
            assert lab.look(host, B, HITCH) == (old, old, "good")
        done = run(groups(), **impatient)
    assert done.rc == 0, done.output
    assert between[A] > before[A] and between[B] == before[B]
    for leaf, port in ((lab_pki.leaf(A), 443), (new, HITCH)):
        assert is_stapled(lab.look(host, leaf.name, port), leaf)
    assert "has not been reloaded" not in host.run("ocsp-stapling", "status", check=False)


def test_the_wrong_intermediate(
    lab: lab_tool.Lab,
    host: lab_tool.Host,
    lab_pki: pki_tool.Pki,
    run: t.Callable[..., Result],
    tmp_path: Path,
) -> None:
    """Of another CA, in the chain with a root and in one file with the certificate, or of the right name alone."""
    stranger = pki_tool.Pki(tmp_path / "stranger").make({}, owner="Another")
    namesake = pki_tool.Pki(tmp_path / "namesake").make({})
    entries = {}
    for name, issuer in (("chain", stranger), ("fullchain", stranger), ("namesake", namesake)):
        leaf = lab_pki.issue(f"{name}.example.com", key="ec")
        entries[name] = entry(leaf)
        if name == "chain":
            entries[name].update(chain=issuer.issuer, root=lab_pki.root)
        else:
            both = tmp_path / f"{name}.pem"
            both.write_text(leaf.certificate.read_text() + issuer.issuer.read_text())
            entries[name].update(certificate=both)
    before = files_under(host, ROOT)
    with watched(lab, host, lab_pki, "fullchain.example.com"):
        refused = run(groups(**entries))
    said = " ".join(refused.output.split())
    assert refused.rc != 0 and "nothing was changed: " in said, refused.output
    for name in entries:
        assert f"{name}.example.com: " in said.partition("nothing was changed: ")[2], refused.output
    assert files_under(host, ROOT) == before


def test_odd_files_that_make_sense(
    lab: lab_tool.Lab,
    host: lab_tool.Host,
    lab_pki: pki_tool.Pki,
    run: t.Callable[..., Result],
    tmp_path: Path,
) -> None:
    """An expired twin of the issuer before the valid one, with and without a root; a key that YAML has folded by >."""
    leaves = {name: lab_pki.issue(f"{name}.example.com", key="ec") for name in ("twin", "rootless", "folded")}
    entries = {name: entry(leaf) for name, leaf in leaves.items()}
    twin = lab_pki.twin_of_issuer(EXPIRED).read_text()
    chain = tmp_path / "chain.pem"
    chain.write_text(twin + lab_pki.issuer.read_text())
    entries["twin"].update(chain=chain, root=lab_pki.root)
    entries["rootless"].update(chain=chain)
    key = entries["folded"].pop("private_key")
    entries["folded"].update(private_key_content=" ".join(key.read_text().splitlines()) + "\n", chain=lab_pki.issuer)
    with lab.responder(lab_pki.home), watched(lab, host, lab_pki, *(leaf.name for leaf in leaves.values())):
        done = run(groups(**entries))
    assert done.rc == 0 and "PRIVATE KEY" not in done.output, done.output
    for leaf in leaves.values():
        assert is_stapled(lab.look(host, leaf.name), leaf)
        served = lab.verify(host, leaf.name, lab_pki.root)
        assert lab_pki.issuer.read_text().strip() in served and twin.strip() not in served
    for file in ("privkey.pem", "combined.pem"):
        public = host.run("openssl", "pkey", "-in", f"{ROOT}/live/folded.example.com/{file}", "-pubout")
        assert public == pki_tool.openssl("pkey", "-in", key, "-pubout"), file
