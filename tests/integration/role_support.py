# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the role share: servers' own configurations with the one line that the role asks for."""

from __future__ import annotations

import time
import typing as t

import pytest
from conftest import lab_tool, pki_tool

ROOT = "/etc/ocsp-stapling"
SUITES = ("bookworm", "trixie")
#: For what other tests show on the older one.
MOSTLY_NEWEST = (pytest.param("bookworm", marks=pytest.mark.nightly), "trixie")
#: For what they show on the newer one.
MOSTLY_OLDEST = ("bookworm", pytest.param("trixie", marks=pytest.mark.nightly))
#: What the role installs for systemd beside the timer.
UNITS = (
    "ocsp-stapling.service",
    "ocsp-stapling-apply.service",
    "ocsp-stapling-reload.service",
    "ocsp-stapling-deploy.service",
)

_VHOST = """\
server {{
  listen 443 ssl;
  server_name {name};
  ssl_protocols TLSv1.2 TLSv1.3;
  include {root}/live/{name}/nginx.conf;
  location / {{ return 200 "{name}\\n"; }}
}}
"""


def serve_by_nginx(host: lab_tool.Host, *names: str) -> None:
    """Have nginx serve these names, by a configuration of the user's."""
    host.write("/etc/nginx/sites-enabled/tls", "".join(_VHOST.format(name=name, root=ROOT) for name in names))
    host.run("nginx", "-t", "-q")
    host.run("systemctl", "reload-or-restart", "nginx")


def serve_by_exim(host: lab_tool.Host) -> None:
    """Have Debian's Exim listen everywhere, with the certificates of the role."""
    host.write(
        "/etc/exim4/exim4.conf.localmacros",
        "daemon_smtp_ports = 25 : 465 : 587\n"
        "tls_on_connect_ports = 465\n"
        "tls_advertise_hosts = *\n"
        f".include_if_exists {ROOT}/snippets/exim.conf\n",
    )
    host.run("sed", "-i", "s/^dc_local_interfaces=.*/dc_local_interfaces=''/", "/etc/exim4/update-exim4.conf.conf")
    host.run("systemctl", "restart", "exim4")


def configure_dovecot(host: lab_tool.Host) -> None:
    """Have Dovecot serve the certificates of the role from its next reload on."""
    version = host.run("dovecot", "--version")[:3]
    host.write("/etc/dovecot/conf.d/99-tls.conf", f"ssl = required\n!include {ROOT}/snippets/dovecot-{version}.conf\n")


def serve_by_dovecot(host: lab_tool.Host) -> None:
    """Have Dovecot serve the certificates of the role."""
    configure_dovecot(host)
    host.run("systemctl", "restart", "dovecot")


def configure_hitch(host: lab_tool.Host, name: str, port: int) -> None:
    """Have Hitch serve a certificate of the role from its next start on."""
    live = f"{ROOT}/live/{name}"
    host.write(
        "/etc/hitch/hitch.conf",
        f'frontend = {{ host = "*" port = "{port}" }}\nbackend = "[127.0.0.1]:80"\n'
        f'pem-file = {{ cert = "{live}/combined.pem" ocsp-resp-file = "{live}/ocsp.der" }}\n',
    )


def serial(leaf: pki_tool.Leaf) -> str:
    """The serial number of a certificate as openssl shows it."""
    return pki_tool.shown_serial(leaf.certificate)


def is_stapled(shown: tuple[str, str, str], leaf: pki_tool.Leaf) -> bool:
    """Whether this certificate was served with a good staple of its own."""
    return shown == (serial(leaf), serial(leaf), "good")


def is_unharmed(summary: t.Mapping[str, t.Any], refused: int = 0) -> bool:
    """Whether clients saw no failure and no staple of another certificate, and hardly ever a closed port.

    Exim closes its port for the moment in which it reads its configuration anew. ``refused`` is how many connections
    may meet a closed port, or be reset before the server has said anything.
    """
    return summary["failures"] == [] and summary["wrong_staples"] == 0 and summary["refused"] <= refused


def reloads(host: lab_tool.Host, unit: str) -> int:
    """How often a unit was reloaded."""
    journal = host.run("journalctl", "-u", unit, "-o", "cat", "--no-pager")
    return journal.count("Reloaded ")


#: Says something as long as one of its arguments, which are units, or any job is at work.
_BUSY = 'systemctl is-active "$@" | grep -E "^(de)?activating$"; systemctl list-jobs -q'


def wait_for_idle(host: lab_tool.Host) -> None:
    """Wait until none of the program's units is at work."""
    for _attempt in range(300):
        busy = host.run("sh", "-c", _BUSY, "sh", *UNITS)
        if not busy:
            return
        time.sleep(0.2)
    raise AssertionError(f"{host.name}: {busy}")


def names_of(host: lab_tool.Host, folder: str) -> t.List[str]:
    """What is in a folder of the host."""
    return host.run("sh", "-c", 'ls -A "$1" 2>/dev/null || true', "sh", folder).split()


def files_under(host: lab_tool.Host, *folders: str) -> str:
    """Each file below folders with its owner, mode and content."""
    find = 'find "$f" -not -type d -printf "%p %U:%G %m %l " -exec sha256sum {} \\;'
    command = f'for f in "$@"; do [ ! -e "$f" ] || {find}; done'
    return host.run("sh", "-c", command, "sh", *folders)
