# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the role acme_certificates share: a real ACME CA in the lab, and a controller beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pebble
import pytest
from conftest import CHECKOUT, Result, ansible_program, lab_tool, pki_tool

#: Where programs and collections stay that are downloaded once.
CACHE = Path(os.environ.get("CERTOPS_CACHE") or Path.home() / ".cache" / "certops.ocsp") / "acme"
#: Older ones, such as 2.6, can do less, and most tests run with them all the same.
_WANTED = os.environ.get("CERTOPS_PEBBLE", "")
VERSION = next(version for version in pebble.VERSIONS if version.startswith(_WANTED))
newest_only = pytest.mark.skipif(
    VERSION != pebble.NEWEST, reason=f"Pebble {VERSION} has neither profiles nor dns-persist-01"
)

_PLAIN = """\
server {
  listen 80 default_server;
  location ^~ /.well-known/acme-challenge/ { default_type text/plain; root /var/lib/acme-challenge; }
  location / { return 301 https://$host$request_uri; }
}
"""


def answer_by_nginx(host: lab_tool.Host) -> None:
    """Have nginx show answers at port 80, by a configuration of the user's."""
    host.run("rm", "-f", "/etc/nginx/sites-enabled/default")
    host.write("/etc/nginx/sites-enabled/plain", _PLAIN)
    host.run("systemctl", "reload-or-restart", "nginx")


class Ca:
    """Pebble with its name server and responder, at the address of the lab."""

    def __init__(self, lab: lab_tool.Lab, home: Path, version: str = pebble.NEWEST) -> None:
        self.lab, self.home = lab, home
        self.directory = f"https://{lab.address}:14000/dir"
        self._programs = pebble.fetch(CACHE, version)
        self._names = pebble.fetch(CACHE)
        self._process: subprocess.Popen[str] | None = None
        self._options: t.Sequence[str] = ()

    @property
    def ca_file(self) -> Path:
        """The CA of Pebble's own TLS."""
        return self.home / "ca.pem"

    @property
    def root(self) -> Path:
        """The root of what Pebble issues."""
        return self.home / "root.pem"

    def start(self, *options: str) -> None:
        """Start it, with the options that it had before where none are given."""
        self._options = options or self._options
        command = [
            sys.executable,
            str(CHECKOUT / "tests/tools/pebble.py"),
            "serve",
            str(self.home),
            str(self._programs),
        ]
        self._process = subprocess.Popen(
            [*self.lab.inside(*command), "--address", self.lab.address, "--names", str(self._names), *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        first = self._process.stdout.readline() if self._process.stdout else ""
        assert first == "ready\n", (self.home / "pebble.log").read_text()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            if self._process.stdout:
                self._process.stdout.close()
        self._process = None

    @contextlib.contextmanager
    def away(self) -> t.Iterator[None]:
        """Without a CA for the time of a block; it has forgotten all afterwards, as it keeps all in memory."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def ask(self, path: str, **body: t.Any) -> str:
        return self._tool("ask", path, body)

    def names(self, path: str, **body: t.Any) -> str:
        """Tell the name server."""
        return self._tool("dns", path, body)

    def _tool(self, command: str, path: str, body: t.Any) -> str:
        tool = [sys.executable, CHECKOUT / "tests/tools/pebble.py", command, self.home, path]
        done = subprocess.run(
            self.lab.inside(*tool, json.dumps(body) if body else ""),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def point(self, name: str, *hosts: lab_tool.Host) -> None:
        """Have a name lead to hosts."""
        self.names("/clear-a", host=name)
        self.names("/add-a", host=name, addresses=[host.address for host in hosts])

    @contextlib.contextmanager
    def responder_down(self, fault: str = "down") -> t.Iterator[None]:
        """Without a responder for the time of a block, or with one that fails in another way."""
        order = self.home / "fault"
        order.write_text(fault)
        time.sleep(0.5)
        try:
            yield
        finally:
            order.unlink()
            time.sleep(0.5)

    def issued(self) -> list[str]:
        """The serial numbers of all that was issued, as openssl shows them."""
        return [pebble.shown_serial(found) for found in pebble.ISSUED.findall(self.log())]

    def requests(self) -> list[str]:
        """The requests that Pebble had, as method and path."""
        return re.findall(r"\b(?:GET|POST|HEAD) /\S*", self.log())

    def log(self) -> str:
        return (self.home / "pebble.log").read_text(errors="replace")

    def suggest(self, certificate: Path, start: str, end: str) -> None:
        """Have the CA suggest a window for a certificate."""
        self.forge(certificate, json.dumps({"suggestedWindow": {"start": start, "end": end}}))

    def forge(self, certificate: Path, response: str) -> None:
        """Have the CA answer so when it is asked for renewal information about a certificate."""
        if VERSION != pebble.NEWEST:
            pytest.skip(f"Pebble {VERSION} cannot be told what to suggest")
        self.ask("/set-renewal-info/", certificate=certificate.read_text(), ariResponse=response)


#: Tasks of a user whose name server is that of Pebble.
DNS_TASKS = """\
- name: Note what is asked for
  ansible.builtin.copy:
    content: "{{ acme_certificates_dns_records | to_json }}"
    dest: "{{ playbook_dir }}/records-{{ acme_certificates_dns_state }}.json"
    mode: "0600"
- name: Tell the name server
  ansible.builtin.uri:
    url: "http://ADDRESS:8055/{{ 'set' if acme_certificates_dns_state == 'present' else 'clear' }}-txt"
    method: POST
    body_format: json
    body: {host: "{{ item.0.target }}.", value: "{{ item.1 }}"}
  loop: "{{ acme_certificates_dns_records | subelements('values') }}"
  when: item.0.target is not search('nowhere')
"""


class Controller:
    """A folder with an inventory and a playbook, from which the role is run in the network of the lab.

    Without hosts the controller is the only one, and certificates are obtained by dns-01 and not deployed.
    """

    def __init__(self, ca: Ca, home: Path) -> None:
        self.ca, self.home = ca, home
        self.files = home / "files"
        self.environment = {
            "ANSIBLE_COLLECTIONS_PATH": f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}:{pebble.fetch_collections(CACHE)}",
            "ANSIBLE_PIPELINING": "true",
            "PYTHONPATH": str(pebble.fetch_python(CACHE)),
            "ANSIBLE_FORCE_COLOR": "false",
        }
        home.mkdir(parents=True, exist_ok=True)

    def write(self, hosts: t.Sequence[lab_tool.Host], variables: t.Mapping[str, t.Any], **play: t.Any) -> Path:
        """Write the playbook: the role with these variables, and whatever else a play may have."""
        given = {
            "acme_certificates_directory": self.ca.directory,
            "acme_certificates_ca_file": str(self.ca.ca_file),
            "acme_certificates_terms_agreed": True,
            "ocsp_stapling_responder_wait": 1,
            **({} if hosts else {"acme_certificates_deploy": False, "acme_certificates_challenge": "dns-01"}),
            "acme_certificates_dns_tasks": "dns.yml",
            **variables,
        }
        (self.home / "dns.yml").write_text(DNS_TASKS.replace("ADDRESS", self.ca.lab.address))
        local = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        (self.home / "inventory.ini").write_text(local)
        role = {"role": "certops.ocsp.acme_certificates", "vars": given}
        chosen = ",".join(host.name for host in hosts) or "localhost"
        path = self.home / "site.yml"
        content = {"hosts": chosen, "gather_facts": False, "roles": [role], **play}
        path.write_text(json.dumps([content], default=str))
        return path

    def command(self, path: Path, *switches: str) -> list[str]:
        lab = ["-i", self.ca.lab.inventory] if self.ca.lab.inventory.exists() else []
        return self.ca.lab.inside(
            *ansible_program("ansible-playbook"), "-i", self.home / "inventory.ini", *lab, *switches, path
        )

    def run(
        self, *hosts: lab_tool.Host, switches: t.Sequence[str] = (), play: t.Any = None, **variables: t.Any
    ) -> Result:
        """Run the role on hosts; keyword arguments are variables of either role, with their whole names."""
        path = self.write(hosts, variables, **(play or {}))
        done = subprocess.run(
            self.command(path, *switches),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, **self.environment},
        )
        return Result(done.returncode, done.stdout + done.stderr)

    def run_until(self, text: str, *hosts: lab_tool.Host, **variables: t.Any) -> str:
        """Run the role and kill it, with all that it started, as soon as its output has a text. Returns the output."""
        path = self.write(hosts, variables)
        process = subprocess.Popen(
            self.command(path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
        )
        said = ""
        for line in process.stdout or ():
            said += line
            if text in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.wait(60)
        if process.stdout:
            process.stdout.close()
        return said

    def revoke(self, name: str) -> None:
        """Have the CA revoke a certificate, by the key of the account."""
        (key,) = self.files.glob(".acme/*/account.key")
        options = {
            "acme_directory": self.ca.directory,
            "acme_version": 2,
            "account_key_src": str(key),
            "certificate": str(self.file(name)),
            "revoke_reason": 1,
        }
        task = {"community.crypto.acme_certificate_revoke": options}
        done = self.play(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        assert done.rc == 0, done.output

    def play(self, text: str) -> Result:
        """Run a playbook that talks to the CA and needs no hosts."""
        path = self.home / "play.yml"
        path.write_text(text)
        done = subprocess.run(
            self.command(path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, **self.environment, "SSL_CERT_FILE": str(self.ca.ca_file)},
        )
        return Result(done.returncode, done.stdout + done.stderr)

    def records(self, state: str = "present") -> t.Any:
        """The DNS records that the last run asked for."""
        return json.loads((self.home / f"records-{state}.json").read_text())

    def set_files(self, name: str) -> dict[str, bytes]:
        """What lies under the flat names of a certificate."""
        return {path.name: path.read_bytes() for path in sorted(self.files.glob(f"{name}[.-]*"))}

    def file(self, name: str, suffix: str = ".pem") -> Path:
        return self.files / f"{name}{suffix}"

    def serial(self, name: str) -> str:
        """The serial number of the certificate in use on the controller."""
        return pki_tool.shown_serial(self.file(name))

    def public_key(self, name: str) -> str:
        return pki_tool.openssl("x509", "-in", self.file(name), "-noout", "-pubkey")


def groups(*domains: t.Any, **more: t.Any) -> dict[str, t.Any]:
    """One group of certificates of nginx."""
    return {"web": {"reload": ["nginx"], "domains": list(domains), **more}}
