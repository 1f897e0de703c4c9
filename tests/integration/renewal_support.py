# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests about clients that renew certificates on the host share: a host with one, and three servers on it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tarfile
import time
import typing as t
from pathlib import Path

import pebble
from acme_support import CACHE, Ca
from conftest import Result, lab_tool, pki_tool
from role_support import ROOT, is_unharmed, serve_by_exim, serve_by_nginx

HAPROXY = 8443
ENDPOINTS = [
    {"service": "nginx", "port": 443},
    {"service": "haproxy", "port": HAPROXY},
    {"service": "exim", "port": 25, "starttls": "smtp"},
]
#: Where the host has the CA of the CA's own TLS, and where it answers challenges.
CA_FILE, WEBROOT = "/root/pebble.pem", "/var/lib/acme-challenge"
_CHALLENGES = """\
server {
  listen 80 default_server;
  location ^~ /.well-known/acme-challenge/ { default_type text/plain; root /var/lib/acme-challenge; }
}
"""
_PATIENCE = 90

#: The trouble of status when a renewed certificate is not live.
NOT_LIVE = "renewal_not_live"

Play = t.Callable[..., Result]


def install(host: lab_tool.Host, *packages: str) -> None:
    """Install Debian packages on a host, which has no way out."""
    folder = pebble.fetch_debs(CACHE, packages, Path(os.environ["LAB_DIR"]) / "rootfs" / "bookworm")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(folder.glob("*.deb")):
            archive.add(file, arcname=f"debs/{file.name}")
    text = base64.b64encode(packed.getvalue()).decode("ascii")
    host.run("sh", "-c", "base64 -d | tar -x -C /root", stdin=text)
    host.run("sh", "-c", "dpkg -i /root/debs/*.deb >/dev/null 2>&1 || dpkg -i /root/debs/*.deb")


class Renewing:
    """A host on which a client renews one certificate, of nginx, HAProxy and Exim."""

    def __init__(self, lab: lab_tool.Lab, ca: Ca, name: str, renewed_by: t.Any, hook: str) -> None:
        self.lab, self.ca, self.name = lab, ca, name
        self.variables = {
            "certificates": {
                "all": {
                    "domains": [name],
                    "reload": ["nginx", "haproxy", "exim"],
                    "key_group": "Debian-exim",
                    "key_mode": "0440",
                    "renewed_by": renewed_by,
                }
            },
            "renewal_hooks": [hook],
            "endpoints": ENDPOINTS,
            "responder_wait": 120,
        }
        self.host = lab.add(name.partition(".")[0], ("nginx", "haproxy", "exim4"))
        ca.point(name, self.host)
        self.host.write(CA_FILE, ca.ca_file.read_text())
        self.host.run("rm", "-f", "/etc/nginx/sites-enabled/default")
        self.host.write("/etc/nginx/sites-enabled/challenges", _CHALLENGES)
        self.host.run("systemctl", "reload-or-restart", "nginx")
        self.host.run("mkdir", "-p", WEBROOT)

    def serve(self) -> None:
        """Have the three servers serve the certificate, by configurations of the user's."""
        serve_by_nginx(self.host, self.name)
        serve_by_exim(self.host)
        haproxy = self.host.read("/etc/haproxy/haproxy.cfg")
        front = f"bind :{HAPROXY} ssl crt-list {ROOT}/snippets/haproxy.list\n  http-request return status 200"
        self.host.write("/etc/haproxy/haproxy.cfg", f"{haproxy}\nfrontend site\n  mode http\n  {front}\n")
        self.host.run("systemctl", "reload-or-restart", "haproxy")

    def shown(self) -> set[tuple[str, str, str]]:
        """What the three servers show to a client: serial numbers of certificate and staple, and its status."""
        look = self.lab.look
        return {
            look(self.host, self.name),
            look(self.host, self.name, HAPROXY),
            look(self.host, self.name, 25, "smtp"),
        }

    def wait_for_other(self, old: str) -> str:
        """Wait until all show another certificate than the old one, with its staple. Returns its serial number."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            shown = self.shown()
            serials = {one for triple in shown for one in triple[:2]}
            if len(serials) == 1 and old not in serials and {status for *_serials, status in shown} == {"good"}:
                return serials.pop()
            assert time.monotonic() < deadline, (shown, self.journal())
            time.sleep(0.5)

    def journal(self) -> str:
        return self.host.run("journalctl", "-t", "ocsp-stapling", "--no-pager", "-n", "60")

    def serial(self) -> str:
        """The serial number of the live certificate."""
        live = f"{ROOT}/live/{self.name}/cert.pem"
        return self.host.run("openssl", "x509", "-in", live, "-noout", "-serial").strip().partition("=")[2]

    def renews_under_clients(self, play: Play, renew: t.Callable[[], object]) -> None:
        """See that the first run takes over, that a renewal goes live, and that another run then changes nothing."""
        done = play(self.host, **self.variables)
        assert done.rc == 0, done.output
        self.serve()
        old = self.serial()
        assert self.shown() == {(old, old, "good")}
        with self.watched():
            renew()
            self.wait_for_other(old)
        after = play(self.host, **self.variables)
        assert (after.rc, after.count("changed")) == (0, 0), after.output

    def set_aside(self, *paths: str) -> dict[str, str]:
        """What is in files of the client, to be written back after they have been spoiled."""
        return {path: self.host.read(path) for path in paths}

    def status(self) -> t.Any:
        """What status says of the certificate."""
        told = json.loads(self.host.run("ocsp-stapling", "status", "--json", check=False))
        return told["certificates"][self.name]

    def wait_for_refusal(self, text: str) -> str:
        """Wait until status says that a renewal is not live, with a text in its sentence. Returns that."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            told = self.status()
            if told["trouble"] == NOT_LIVE and text in told["sentence"]:
                return str(told["sentence"])
            assert time.monotonic() < deadline, (told, self.journal())
            time.sleep(0.5)

    @contextlib.contextmanager
    def watched(self) -> t.Iterator[None]:
        """Clients of all three for the time of the block, and none comes to harm."""
        address = self.host.address
        specs = [f"{address}:443:{self.name}", f"{address}:{HAPROXY}:{self.name}", f"{address}:25:{self.name}:smtp"]
        with self.lab.clients(*specs) as seen:
            yield
        for spec, summary in seen.items():
            # Exim closes its port for the moment in which it reads its configuration anew.
            assert is_unharmed(summary, refused=20 if spec.endswith(":smtp") else 0), (spec, summary)
            assert summary["handshakes"] > 0, (spec, summary)


def stranger(folder: Path) -> str:
    """The certificate of a CA that has nothing to do with any of this."""
    return pki_tool.Pki(folder).make({}, owner="Another").issuer.read_text()
