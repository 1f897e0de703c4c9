# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers beside nginx, Exim and Dovecot: each staples what the role deployed, by the one line that it asks for."""

from __future__ import annotations

import typing as t

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import (
    MOSTLY_NEWEST,
    MOSTLY_OLDEST,
    ROOT,
    configure_hitch,
    is_stapled,
    is_unharmed,
    names_of,
    reloads,
    serial,
)

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]

#: Where each server listens.
PORTS = {"haproxy": 443, "lighttpd": 8443, "apache": 9443, "hitch": 10443}
UNITS = {"haproxy": "haproxy", "lighttpd": "lighttpd", "apache": "apache2", "hitch": "hitch"}
#: What reads its key as a user of its own.
KEYS = {"lighttpd": {"key_group": "www-data", "key_mode": "0440"}}


def name_of(server: str) -> str:
    """The name that a server serves."""
    return f"{server}.example.com"


def serve(host: lab_tool.Host) -> None:
    """The users' own configurations, all on one host."""
    haproxy = host.read("/etc/haproxy/haproxy.cfg")
    host.write(
        "/etc/haproxy/haproxy.cfg",
        f"{haproxy}\nfrontend site\n  bind :{PORTS['haproxy']} ssl crt-list {ROOT}/snippets/haproxy.list\n"
        "  http-request return status 200\n",
    )
    host.write(
        "/etc/lighttpd/conf-enabled/99-tls.conf",
        'server.modules += ( "mod_openssl" )\n'
        f'$SERVER["socket"] == ":{PORTS["lighttpd"]}" {{\n  ssl.engine = "enable"\n'
        f'  include "{ROOT}/live/{name_of("lighttpd")}/lighttpd.conf"\n}}\n',
    )
    host.write("/etc/apache2/ports.conf", f"Listen {PORTS['apache']}\n")
    host.write(
        "/etc/apache2/sites-available/tls.conf",
        f"Include {ROOT}/snippets/apache.conf\n<VirtualHost *:{PORTS['apache']}>\n  ServerName {name_of('apache')}\n"
        f"  SSLEngine on\n  Include {ROOT}/live/{name_of('apache')}/apache.conf\n</VirtualHost>\n",
    )
    host.run("a2enmod", "-q", "ssl")
    host.run("a2dissite", "-q", "000-default")
    host.run("a2ensite", "-q", "tls")
    configure_hitch(host, name_of("hitch"), PORTS["hitch"])
    for unit in UNITS.values():
        host.run("systemctl", "unmask", unit)
        host.run("systemctl", "restart", unit)


@pytest.mark.parametrize("suite", MOSTLY_NEWEST)
def test_each_server_staples_and_renews(
    suite: str, lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    host = add_host(f"many-{suite}", "haproxy", "lighttpd", suite=suite)
    for server in PORTS:
        lab_pki.issue(name_of(server))
    groups = {server: {"domains": [name_of(server)], "reload": [server], **KEYS.get(server, {})} for server in PORTS}
    variables = {
        "certificates": groups,
        "source": lab_pki.home,
        "responder_wait": 0,
        "endpoints": [{"service": server, "port": port} for server, port in PORTS.items()],
    }
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve(host)
        for server, port in PORTS.items():
            assert is_stapled(lab.look(host, name_of(server), port), lab_pki.leaf(name_of(server))), server
        second = play(host, **variables)
        assert second.rc == 0 and second.count("changed") == 0, second.output

        # New certificates, while clients connect.
        old = {server: serial(lab_pki.leaf(name_of(server))) for server in PORTS}
        new = {server: lab_pki.issue(name_of(server)) for server in PORTS}
        specs = {server: f"{host.address}:{port}:{name_of(server)}" for server, port in PORTS.items()}
        with lab.clients(*specs.values(), every=0.2) as seen:
            renewed = play(host, **variables)
        assert renewed.rc == 0, renewed.output
        for server, port in PORTS.items():
            assert is_stapled(lab.look(host, name_of(server), port), new[server]), server
            # A worker of hitch that goes resets what has come to it at that moment.
            assert is_unharmed(seen[specs[server]], refused=int(server == "hitch")), (server, seen)
            assert {shown["certificate"] for shown in seen[specs[server]]["shown"]} == {
                old[server],
                serial(new[server]),
            }

        # New staples for the same certificates, by the program. HAProxy takes its own by its socket, and lighttpd
        # reads the file by itself in the last minutes of the old one.
        before = {server: lab.staple_time(host, name_of(server), port) for server, port in PORTS.items()}
        reloaded = {server: reloads(host, unit) for server, unit in UNITS.items()}
        host.run("sleep", "1")  # the time in a staple is in whole seconds
        host.run("ocsp-stapling", "refresh", "--force")
        host.run("ocsp-stapling", "apply")
        for server, port in PORTS.items():
            now = lab.staple_time(host, name_of(server), port)
            assert now == before[server] if server == "lighttpd" else now > before[server], server
            assert is_stapled(lab.look(host, name_of(server), port), new[server]), server
        told = {server: reloads(host, unit) - reloaded[server] for server, unit in UNITS.items()}
        assert told == {"haproxy": 0, "lighttpd": 0, "apache": 1, "hitch": 1}


#: Holds a port of 127.0.0.1, as any user may who is let.
_HOLD = (
    "import socket, sys, time; one = socket.socket(); one.bind(('127.0.0.1', int(sys.argv[1]))); one.listen(); "
    "print('held', flush=True); time.sleep(600)"
)


def hold(host: lab_tool.Host, user: str, port: int) -> bool:
    """Have a user of the host hold a port, in a unit ``USER-PORT``. Returns whether it does."""
    unit = f"{user}-{port}"
    host.run("systemd-run", "--quiet", f"--unit={unit}", f"--uid={user}", "python3", "-c", _HOLD, str(port))
    for _attempt in range(100):
        said = host.run("journalctl", "--quiet", "--output=cat", f"--unit={unit}", check=False).splitlines()
        if "held" in said or any("Permission denied" in line for line in said):
            return "held" in said
        host.run("sleep", "0.1")
    raise AssertionError(said)


def serve_by_apache(host: lab_tool.Host, name: str) -> None:
    """The user's own configuration, which is not loaded yet."""
    site = (
        f"Include {ROOT}/snippets/apache.conf\n<VirtualHost *:{PORTS['apache']}>\n  ServerName {name}\n  SSLEngine on\n"
        f"  Include {ROOT}/live/{name}/apache.conf\n</VirtualHost>\n"
    )
    host.write("/etc/apache2/sites-available/tls.conf", site)
    host.run("a2enmod", "-q", "ssl")
    host.run("a2ensite", "-q", "tls")


@pytest.mark.parametrize("suite", MOSTLY_OLDEST)
def test_nobody_takes_the_port_of_apache(
    suite: str, lab: lab_tool.Lab, add_host: AddHost, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Whoever holds it ends Apache at its next reload, and keeps it from starting."""
    host, name = add_host(f"port-{suite}", suite=suite), name_of("apache")
    host.write("/etc/apache2/ports.conf", f"Listen {PORTS['apache']}\n")
    host.run("a2dissite", "-q", "000-default")
    # Debian's own command may take so long that Apache ends during it, which systemd notices by itself.
    reload = "[Service]\nExecReload=\nExecReload=/bin/kill -USR1 $MAINPID\n"
    host.write("/etc/systemd/system/apache2.service.d/reload.conf", reload)
    host.run("systemctl", "unmask", "apache2")
    host.run("systemctl", "start", "apache2")
    lab_pki.issue(name)
    variables = {
        "certificates": {"web": {"domains": [name], "reload": ["apache"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
        "endpoints": [{"service": "apache", "port": PORTS["apache"]}],
    }
    with lab.responder(lab_pki.home):
        open_port = play(host, **variables, apache_port=2562)
        said = " ".join(open_port.output.split())
        assert open_port.rc == 0 and said.count("any user of this host can listen on port 2562") == 1, said
        assert hold(host, "nobody", 2562)
        serve_by_apache(host, name)
        told = host.run("sh", "-c", "ocsp-stapling reload apache 2>&1; echo $?").splitlines()
        assert "apache ended when it was reloaded; see its own log and 'journalctl --unit=apache2.service'" in told[0]
        assert told[0].endswith("[reload_failed]") and told[-1] == "1", told
        assert "Address already in use" in host.read("/var/log/apache2/error.log")
        host.run("systemctl", "stop", "nobody-2562")

        default = play(host, **variables)
        assert default.rc == 0 and "any user of this host can" not in default.output, default.output
        for user in ("ocsp-stapling", "nobody"):
            assert not hold(host, user, 488)
        host.run("systemctl", "start", "apache2")
        host.run("ocsp-stapling", "reload", "apache")
        assert host.run("systemctl", "is-active", "apache2").strip() == "active"
        assert is_stapled(lab.look(host, name, PORTS["apache"]), lab_pki.leaf(name))


def test_mail_servers_that_cannot_staple_get_no_certificate_that_demands_it(
    host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    servers = ("postfix", "dovecot")
    for server in servers:
        lab_pki.issue(name_of(server), key="ec", must_staple=True)
    groups = {server: {"domains": [name_of(server)], "reload": [server]} for server in servers}
    refused = play(host, certificates=groups, source=lab_pki.home, responder_wait=0)
    said = " ".join(refused.output.split())
    assert refused.rc != 0 and all(f"which {server} cannot do" in said for server in servers), refused.output
    assert names_of(host, f"{ROOT}/live") == []
