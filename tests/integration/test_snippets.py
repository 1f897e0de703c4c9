# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pieces about several certificates, included by the servers that they are for: who is served what."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import daemons
import pytest
from conftest import CHECKOUT, pki_tool

sys.path.insert(0, str(CHECKOUT / "tests" / "unit"))
sys.path.insert(0, str(CHECKOUT / "plugins" / "module_utils"))

import choices
from ocsp.servers import snippets
from ocsp.servers.server import Entry, Setup

SERVERS = {
    "dnsdist": "dnsdist",
    "dovecot": "dovecot",
    "exim": "exim4",
    "haproxy": "haproxy",
    "trafficserver": "trafficserver",
}
STAPLING = ("dnsdist", "exim", "trafficserver")
#: Each kind of key is asked for by a client that knows no other.
CIPHERS = {"rsa": "ECDHE-RSA-AES128-GCM-SHA256", "ec": "ECDHE-ECDSA-AES128-GCM-SHA256"}


@pytest.fixture
def root() -> t.Iterator[Path]:
    """A folder for sets that servers can read after they gave up root."""
    folder = Path(tempfile.mkdtemp(prefix="certops-sets-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()


class Sets:
    """Sets as they lie on a host, of certificates that are issued once for a name."""

    def __init__(self, pki: pki_tool.Pki, root: Path) -> None:
        self.pki = pki
        self.root = root

    def place(self, site: choices.Site, staple: bool) -> None:
        leaf = self.pki.leaf(site.name)
        names = [name.encode("idna").decode().rstrip(".") for name in site.names if not is_address(name)]
        if not leaf.key.exists():
            self.pki.issue(site.name, key=site.key, names=names or None)
        folder = self.root / site.name
        folder.mkdir()
        for file, paths in {
            "fullchain.pem": [leaf.fullchain],
            "privkey.pem": [leaf.key],
            "combined.pem": [leaf.fullchain, leaf.key],
        }.items():
            (folder / file).write_bytes(b"".join(path.read_bytes() for path in paths))
        if staple:
            self.pki.response(site.name, folder / "ocsp.der")
            (folder / "ocsp.der.expires").write_text(f"{int(time.time()) + 3600}\n")

    def piece(self, kind: str, sites: t.Sequence[choices.Site]) -> str:
        for site in sites:
            self.place(site, staple=kind in STAPLING)
        entries = [
            Entry(site.name, f"{self.root}/{site.name}", f"{self.root}/{site.name}", site.names, (kind,), True)
            for site in sites
        ]
        pieces = snippets.shared(entries, Setup(str(self.root), 488))
        file = f"dovecot-{daemons.dovecot_version()}.conf" if kind == "dovecot" else min(pieces)
        return pieces[file].decode()


def ask(server: daemons.Running, name: t.Optional[str], key: str) -> t.Tuple[str, bool]:
    """The common name of the certificate that is served, empty for none, and whether a staple comes with it."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2", "-cipher", CIPHERS[key]]
    command += ["-status", *(["-starttls", server.starttls] if server.starttls else [])]
    command += ["-noservername"] if name is None else ["-servername", name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    subject = next((line for line in done.stdout.splitlines() if line.startswith("subject=")), "")
    return subject.rpartition("=")[2].strip(), "OCSP Response Status: successful" in done.stdout


#: dnsdist does not choose by name. Exim needs long for a handshake; the unit tests have it expand its options for all
#: cases in each order. Traffic Server staples for two kinds of key at times and at times not.
CASES = {
    "dnsdist": ("one set for all", "two kinds of key for all"),
    "dovecot": tuple(choices.CASES),
    "exim": ("wildcards of two levels", "two kinds of key"),
    "haproxy": tuple(choices.CASES),
    "trafficserver": tuple(case for case in choices.CASES if "two kinds of key" not in case),
}


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind in CASES for case in CASES[kind]])
def test_who_is_served_what(kind: str, case: str, pki: pki_tool.Pki, root: Path) -> None:
    """A certificate with another kind of key is not shown to a client because it could take that one only."""
    problem = daemons.obstacle(SERVERS[kind])
    if problem:
        pytest.skip(problem)
    sites, answers = choices.CASES[case]
    keys = {site.name: site.key for site in sites}
    found, wanted = {}, {}
    with daemons.including(SERVERS[kind], Sets(pki, root).piece(kind, sites)) as server:
        assert server.up, (server.folder / "output").read_text()
        for asked, served in answers.items():
            # HAProxy has one certificate for clients that ask for none, whatever the key.
            served = served[:1] if kind == "haproxy" and asked is None else served
            for key in sorted(set(keys.values())):
                name = next((name for name in served if keys[name] == key), "")
                wanted[asked, key] = (name, name != "" and kind in STAPLING)
                found[asked, key] = ask(server, asked, key)
    assert found == wanted


def test_apache_needs_no_variable_of_a_distribution(
    pki: pki_tool.Pki, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's APACHE_RUN_DIR is not there on the RedHat family."""
    problem = daemons.obstacle("apache2")
    if problem:
        pytest.skip(problem)
    monkeypatch.delenv("APACHE_RUN_DIR", raising=False)
    site = choices.Site("www.example.org", ("www.example.org",))
    Sets(pki, root).place(site, staple=True)
    (root / "live").symlink_to(".")
    entry = Entry(site.name, f"{root}/{site.name}", f"{root}/live/{site.name}", site.names, ("apache",), True)
    (root / "host.conf").write_bytes(snippets.for_set(entry)["apache.conf"])
    responder = snippets.shared([entry], Setup(str(root), daemons.free_port()))["apache.conf"].decode()

    def piece(port: int) -> str:
        return f"{responder}<VirtualHost 127.0.0.1:{port}>\nSSLEngine on\nInclude {root}/host.conf\n</VirtualHost>"

    with daemons.including("apache2", piece) as server:
        assert server.up, (server.folder / "output").read_text()
        assert ask(server, site.name, site.key) == (site.name, True)
        assert "not defined" not in (server.folder / "output").read_text()
        assert not [path for path in server.folder.iterdir() if "stapling" in path.name]
