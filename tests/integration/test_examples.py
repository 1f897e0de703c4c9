# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of each module, run as they stand against real servers that have what the examples name."""

from __future__ import annotations

import ast
import base64
import os
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT, Result, lab_tool, pki_tool, run_program
from role_support import ROOT, configure_dovecot, is_stapled, serial

Run = t.Callable[[], Result]

#: This belongs to the role acme_certificates, which has tests with a CA.
ORDERS = "acme_orders"
#: The program of the role is installed by the role; what its module shows alone is another test.
PROGRAM = "stapling_program"
MODULES = sorted({path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py")} - {PROGRAM, ORDERS})
WEB, MAIL, PRIVATE = "www.example.com", "mail.example.com", "intern"
STAPLES = {WEB: f"/etc/nginx/ocsp/{WEB}.der", MAIL: f"/etc/exim4/ocsp/{MAIL}.der"}
#: What the examples leave to the user: handlers, and variables.
HANDLERS = {
    "Reload nginx": ["nginx"],
    "Reload servers": ["nginx", "exim4"],
    "Reload mail servers": ["exim4", "dovecot"],
}

_SITE = """\
server {{
  listen {listen} ssl;
  server_name {name};
  {tls}
}}
"""
#: With two kinds of keys nginx has to fetch the staples by itself, one worker as much as the other, after the first
#: client came: one file would be wrong for one of them.
_BOTH = "".join(
    f"ssl_certificate /etc/ssl/{name}/fullchain.pem; ssl_certificate_key /etc/ssl/{name}/key.pem; "
    for name in (WEB, f"ecdsa/{WEB}")
)
_BY_FILE = (
    f"ssl_certificate /etc/ssl/{WEB}/fullchain.pem; ssl_certificate_key /etc/ssl/{WEB}/key.pem; "
    f"ssl_stapling on; ssl_stapling_file {STAPLES[WEB]};"
)
_FILES = _SITE.format(listen=443, name=WEB, tls=_BY_FILE) + _SITE.format(
    listen="[::]:443", name=WEB, tls=f"{_BOTH} ssl_stapling on;"
)
_SETS = "".join(
    _SITE.format(listen=443, name=name, tls=f"include {ROOT}/live/{name}/nginx.conf;")
    for name in ("example.com", "example.net")
)
_EXIM = "tls_on_connect_ports = 465\ntls_advertise_hosts = *\n"
_EXIM_FILES = (
    f"{_EXIM}tls_certificate = /etc/ssl/{MAIL}/fullchain.pem\ntls_privatekey = /etc/ssl/{MAIL}/key.pem\n"
    f"tls_ocsp_file = {STAPLES[MAIL]}\n"
)
_EXIM_SETS = f"{_EXIM}.include_if_exists {ROOT}/snippets/exim.conf\n"


def examples_of(module: str) -> str:
    """The YAML of a module's examples."""
    tree = ast.parse((CHECKOUT / "plugins" / "modules" / f"{module}.py").read_text())
    (text,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES"
    ]
    return str(text)


@pytest.fixture(scope="module")
def host(lab: lab_tool.Lab, lab_pki: pki_tool.Pki) -> t.Iterator[lab_tool.Host]:
    """A host with the names, keys and certificates that the examples speak of."""
    one = lab.add("examples", ("nginx", "exim4", "dovecot"))
    one.write("/etc/hosts", f"{one.read('/etc/hosts')}{_names(lab, one)}::1 {WEB}\n")
    for name in (WEB, MAIL, PRIVATE, "example.com", "example.net"):
        lab_pki.issue(name, ocsp=name != PRIVATE)
    _lay(one, lab_pki, WEB)
    _lay(one, lab_pki, MAIL)
    _lay(one, lab_pki, PRIVATE)
    rsa = {path: path.read_bytes() for path in lab_pki.leaf(WEB)[1:]}
    lab_pki.issue(WEB, key="ec")
    _lay(one, lab_pki, WEB, f"ecdsa/{WEB}")
    for path, content in rsa.items():
        path.write_bytes(content)
    one.run("sh", "-c", "mkdir -p /etc/nginx/ocsp /etc/exim4/ocsp; chgrp -R Debian-exim /etc/ssl/mail.example.com")
    one.run("sed", "-i", "s/^worker_processes .*/worker_processes 1;/", "/etc/nginx/nginx.conf")
    one.run("sed", "-i", "s/^dc_local_interfaces=.*/dc_local_interfaces=''/", "/etc/exim4/update-exim4.conf.conf")
    yield one
    lab.remove(one)


def _names(lab: lab_tool.Lab, host: lab_tool.Host) -> str:
    return f"{host.address} {WEB} {MAIL}\n{lab.address} vault.example.com\n"


def _lay(host: lab_tool.Host, pki: pki_tool.Pki, name: str, folder: str = "") -> None:
    leaf, folder = pki.leaf(name), f"/etc/ssl/{folder or name}"
    for file, path in (
        ("key", leaf.key),
        ("cert", leaf.certificate),
        ("chain", leaf.chain),
        ("fullchain", leaf.fullchain),
    ):
        host.write(f"{folder}/{file}.pem", path.read_text())
    host.run("chmod", "0640", f"{folder}/key.pem")


@pytest.fixture
def project(lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki, tmp_path: Path) -> Path:
    """A folder on the controller with the inventory, and the files that the examples find there."""
    folder = tmp_path / "project"
    for name in ("files", "certificates", "staples"):
        (folder / name).mkdir(parents=True)
    (folder / "inventory.yml").write_text(lab.inventory.read_text())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{_names(lab, host)}")
    for name in ("example.com", "example.net"):
        for path in lab_pki.leaf(name)[1:]:
            (folder / "files" / path.name).write_bytes(path.read_bytes())
    mail = lab_pki.leaf(MAIL)
    (folder / "files" / "mail.pem").write_bytes(mail.certificate.read_bytes())
    (folder / "files" / "chain.pem").write_bytes(mail.chain.read_bytes())
    fullchain = lab_pki.leaf(WEB).fullchain
    (folder / "certificates" / fullchain.name).write_bytes(fullchain.read_bytes())
    return folder


@pytest.fixture
def run(lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki, project: Path, module: str) -> Run:
    """Run the examples in a play with the user's part, the controller being in the network of the lab, too."""
    handlers = [
        {
            "name": name,
            "ansible.builtin.systemd_service": {"name": "{{ item }}", "state": "reloaded"},
            "loop": services,
        }
        for name, services in HANDLERS.items()
    ]
    variables = {
        "vault_mail_key": lab_pki.leaf(MAIL).key.read_text(),
        "my_certificates": [
            {"name": name, "path": path, "certificate_path": f"/etc/ssl/{name}/fullchain.pem"}
            for name, path in STAPLES.items()
        ],
    }
    play = [{"hosts": host.name, "gather_facts": False, "vars": variables, "handlers": handlers}]
    tasks = textwrap.indent(examples_of(module), "    ")
    (project / "play.yml").write_text(f"{yaml.safe_dump(play, sort_keys=False)}  tasks:\n{tasks}")

    def once() -> Result:
        in_the_lab = [CHECKOUT / "tests" / "lab" / "labhosts", "in", "unshare", "--mount", "sh", "-c"]
        in_the_lab += ['mount --bind "$0" /etc/hosts && exec "$@"', project / "hosts"]
        done = run_program(
            "ansible-playbook",
            "-i",
            project / "inventory.yml",
            project / "play.yml",
            prefix=in_the_lab,
            env={**os.environ, "ANSIBLE_PIPELINING": "true"},
        )
        return Result(done.returncode, done.stdout + done.stderr)

    return once


@pytest.mark.parametrize("module", MODULES)
def test_examples_run_as_they_stand(
    module: str, lab: lab_tool.Lab, host: lab_tool.Host, lab_pki: pki_tool.Pki, run: Run, project: Path
) -> None:
    """The first run leaves servers with certificates and staples, the second one finds nothing to do."""
    sets = module == "certificate_set"
    host.write("/etc/nginx/sites-enabled/tls", _SETS if sets else _FILES)
    host.write("/etc/exim4/exim4.conf.localmacros", _EXIM_SETS if sets else _EXIM_FILES)
    host.run("sh", "-c", "rm -f /etc/nginx/ocsp/* /etc/exim4/ocsp/*")
    if module.endswith("_info"):
        _put_staples_in_place(host, lab_pki, project)
    with lab.responder(lab_pki.home), lab.responder(lab_pki.home, 0, f"http://{lab.address}:8200/v1/pki/ocsp"):
        if sets:
            configure_dovecot(host)
        first = run()
        assert first.rc == 0, first.output
        if module.endswith("_info"):
            assert first.count("changed") == 0, first.output
        else:
            assert first.count("changed") > 0, first.output
            second = run()
            assert second.rc == 0 and second.count("changed") == 0, second.output
    for name in ("example.com", "example.net") if sets else (WEB,):
        assert is_stapled(lab.look(host, name), lab_pki.leaf(name)), name
        lab.verify(host, name, lab_pki.root)
    if module != "ocsp_response":
        assert is_stapled(lab.look(host, MAIL, 25, "smtp"), lab_pki.leaf(MAIL))
    if sets:
        assert lab.look(host, MAIL, 993)[0] == serial(lab_pki.leaf(MAIL))


@pytest.mark.parametrize("module", [PROGRAM])
def test_what_the_program_lacks_is_shown_and_nothing_is_installed(module: str, host: lab_tool.Host, run: Run) -> None:
    done = run()
    assert done.rc == 0 and done.count("changed") == 1, done.output
    assert not host.has("/usr/local/lib/ocsp-stapling") and not host.has("/etc/cron.d/ocsp-stapling")


def _put_staples_in_place(host: lab_tool.Host, pki: pki_tool.Pki, project: Path) -> None:
    for name, path in STAPLES.items():
        response = base64.b64encode(pki.response(name, project / f"{name}.der").read_bytes())
        host.run("sh", "-c", 'base64 -d > "$1"', "sh", path, stdin=response.decode())
    host.run("systemctl", "reload", "nginx")
    host.run("systemctl", "restart", "exim4")
