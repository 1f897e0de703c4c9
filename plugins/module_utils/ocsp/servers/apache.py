# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Apache httpd."""

from __future__ import annotations

import typing as t

from .server import Entry, Group, Include, Rule, Server, Setup, Snippet

#: Of all servers it alone has a setting of the whole host, ``apache_port``.
NAME = "apache"
#: Ports from this one on are open to all users of a host, where its sysctl says nothing else (ip(7)).
FIRST_OPEN_PORT = 1024


def _for_set(entry: Entry) -> str:
    text = f"SSLCertificateFile {entry.folder}/fullchain.pem\nSSLCertificateKeyFile {entry.folder}/privkey.pem\n"
    if not entry.stapled:
        return text + "SSLUseStapling off\n"
    return text + (
        "SSLUseStapling on\n"
        f"SSLStaplingForceURL ${{OCSP_STAPLING_URL}}{entry.name}\n"
        "SSLStaplingReturnResponderErrors off\n"
        "SSLStaplingFakeTryLater off\n"
        "SSLStaplingResponderTimeout 3\n"
    )


def _responder(_groups: t.List[Group], setup: Setup) -> str:
    """mod_ssl has no option for a file, so that Apache is given a server that answers from the files.

    Its cache is in memory. A path, which would only name a file for it where no memory can be shared without one, would
    be relative to ServerRoot; without a path the file would be in the DefaultRuntimeDir of the distribution.
    """
    address = f"127.0.0.1:{setup.apache_port}"
    return (
        f"Define OCSP_STAPLING_URL http://{address}/\n"
        "SSLStaplingCache shmcb\n"
        f"Listen {address}\n"
        f"<VirtualHost {address}>\n"
        "  ServerName localhost\n"
        f'  AliasMatch "^/([A-Za-z0-9._-]+)$" "{setup.root}/live/$1/ocsp.der"\n'
        f"  <Directory {setup.root}>\n"
        "    Require all denied\n"
        "    Options FollowSymLinks\n"
        '    <Files "ocsp.der">\n'
        "      Require local\n"
        "      ForceType application/ocsp-response\n"
        "    </Files>\n"
        "  </Directory>\n"
        "</VirtualHost>\n"
    )


SERVER = Server(
    "Apache httpd",
    units=("apache2", "httpd"),
    folders=("apache2", "httpd"),
    ports=((443, ""),),
    tests=(("apache2ctl", "configtest"), ("apachectl", "configtest"), ("httpd", "-t")),
    pid_files=("/run/apache2/apache2.pid", "/run/httpd/httpd.pid"),
    signal_name="SIGUSR1",
    renews_pid_file=True,
    reads_sha256=False,
    largest_cached=10240,
    drops_expired=True,
    for_set=_for_set,
    shared=(Snippet("apache.conf", _responder),),
    includes=(
        Include("once, for the server", "Include /etc/ocsp-stapling/snippets/apache.conf"),
        Include("`VirtualHost` of the domain", "Include /etc/ocsp-stapling/live/NAME/apache.conf"),
    ),
    rules=(
        Rule(
            "mod_ssl cannot read a staple file. With the role's snippet, Apache is its own responder, on a port on "
            "127.0.0.1.",
            "Without an answer there is no staple. TLS still works.",
        ),
        Rule("Responses with a SHA-1 CertID.", "The staple is ignored, which only the error log tells."),
        Rule(
            "Responses of at most 10240 octets.",
            "It caches none that are larger: each handshake takes a request to its responder, one after another.",
        ),
    ),
)
