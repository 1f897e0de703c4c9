# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Pieces of configuration that a user's own configuration includes with one line.

A server that reads files again by itself, between a swap and its reload, is given the folder of one set and
not the link to the live one: its key, certificate and staple are always of the same set.
"""

from __future__ import annotations

import os
import typing as t

#: The folder of the pieces that are about all certificates of a server, under the root folder.
FOLDER = "snippets"
#: Servers that have one staple file for one name, whatever the key: two kinds of keys cannot be stapled for.
ONE_STAPLE = ("hitch", "lighttpd", "nginx")
#: Servers that read the private key after they gave up root.
READ_AS_USER = ("exim", "lighttpd")

#: All files of that folder that may be written.
SHARED = ("apache.conf", "dovecot-2.3.conf", "dovecot-2.4.conf", "exim.conf", "haproxy.list")

_HEADER = "# Written by certops.ocsp, which will overwrite changes.\n"


class Entry(t.NamedTuple):
    """One live set: ``folder`` is its own, ``live`` the link to it. ``stapled``: a staple is or will be there."""

    name: str
    folder: str
    live: str
    names: t.Tuple[str, ...]
    kinds: t.Tuple[str, ...]
    stapled: bool


def for_set(entry: Entry) -> t.Dict[str, bytes]:
    """The pieces that lie in the folder of a set, by file name."""
    makers = {"nginx": _nginx, "lighttpd": _lighttpd, "apache": _apache}
    return {f"{kind}.conf": _encode(makers[kind](entry)) for kind in entry.kinds if kind in makers}


def shared(entries: t.Sequence[Entry], root: str, apache_port: int) -> t.Dict[str, bytes]:
    """The pieces about all certificates of a server, by file name; the first certificate is the default one."""
    makers: t.Dict[str, t.Tuple[str, t.Callable[[t.List[t.List[Entry]]], str]]] = {
        "exim.conf": ("exim", _exim),
        "dovecot-2.3.conf": ("dovecot", _dovecot_23),
        "dovecot-2.4.conf": ("dovecot", _dovecot_24),
        "haproxy.list": ("haproxy", _haproxy),
        "apache.conf": ("apache", lambda groups: _apache_responder(root, apache_port)),
    }
    pieces = {}
    for file, (kind, maker) in makers.items():
        groups = _by_names([entry for entry in entries if kind in entry.kinds])
        if groups:
            pieces[file] = _encode(maker(groups))
    return pieces


def apache_url(port: int) -> str:
    """Where Apache answers its own question for a staple."""
    return f"http://127.0.0.1:{port}/"


def _encode(text: str) -> bytes:
    return (_HEADER + text).encode("ascii")


def _by_names(entries: t.Iterable[Entry]) -> t.List[t.List[Entry]]:
    """The sets in their order, those for the same server names together."""
    groups: t.Dict[t.Tuple[str, ...], t.List[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.names or (entry.name,), []).append(entry)
    return list(groups.values())


def _nginx(entry: Entry) -> str:
    return (
        f"ssl_certificate {entry.folder}/fullchain.pem;\n"
        f"ssl_certificate_key {entry.folder}/privkey.pem;\n"
        "# A pattern, so that it is no error when there is nothing to staple.\n"
        f"include {entry.folder}/nginx-staple[.]conf;\n"
    )


def _lighttpd(entry: Entry) -> str:
    staple = f'ssl.stapling-file = "{entry.folder}/ocsp.der"\n' if entry.stapled else ""
    return f'ssl.pemfile = "{entry.folder}/fullchain.pem"\nssl.privkey = "{entry.folder}/privkey.pem"\n{staple}'


def _apache(entry: Entry) -> str:
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


def _apache_responder(root: str, port: int) -> str:
    """mod_ssl has no option for a file, so that Apache is given a server that answers from the files."""
    return (
        f"Define OCSP_STAPLING_URL {apache_url(port)}\n"
        "SSLStaplingCache shmcb:${APACHE_RUN_DIR}/ocsp-stapling(262144)\n"
        f"Listen 127.0.0.1:{port}\n"
        f"<VirtualHost 127.0.0.1:{port}>\n"
        "  ServerName localhost\n"
        f'  AliasMatch "^/([A-Za-z0-9._-]+)$" "{root}/live/$1/ocsp.der"\n'
        f"  <Directory {root}>\n"
        "    Require all denied\n"
        "    Options FollowSymLinks\n"
        '    <Files "ocsp.der">\n'
        "      Require local\n"
        "      ForceType application/ocsp-response\n"
        "    </Files>\n"
        "  </Directory>\n"
        "</VirtualHost>\n"
    )


def _exim(groups: t.List[t.List[Entry]]) -> str:
    """Certificates by the name that the client asks for, where there are several.

    All is read for each connection, and from the same folder. A missing or outdated staple costs the staple
    alone: with GnuTLS Exim would refuse each TLS session.
    """
    lines = [
        f"tls_certificate = {_exim_choice(groups, 'fullchain.pem')}",
        f"tls_privatekey = {_exim_choice(groups, 'privkey.pem')}",
    ]
    if not any(entry.stapled for group in groups for entry in group):
        return "\n".join(lines) + "\n"
    lines.append(".ifdef _HAVE_TLS_OCSP")
    if len(groups) == 1:
        lines.append(f"tls_ocsp_file = {_exim_guard([f'{entry.folder}/ocsp.der' for entry in groups[0]])}")
    elif all(len(group) == 1 for group in groups):
        lines.append(f"OCSP_STAPLING_FILE = {_exim_choice(groups, 'ocsp.der')}")
        lines.append(f"tls_ocsp_file = {_exim_guard(['OCSP_STAPLING_FILE'])}")
    return "\n".join([*lines, ".endif", ""])


def _exim_choice(groups: t.List[t.List[Entry]], file: str) -> str:
    default = _exim_list(groups[0], file)
    named = [
        f'n.{name}="{_exim_list(group, file)}"'
        for group in groups[1:]
        for name in group[0].names
        if not name.startswith("*.")
    ]
    if not named:
        return default
    # The prefix is for clients that ask for no name: an empty key is an error to Exim.
    return f"${{extract{{n.${{lc:$tls_in_sni}}}}{{{' '.join(named)}}}{{$value}}{{{default}}}}}"


def _exim_list(group: t.Iterable[Entry], file: str) -> str:
    return " : ".join(f"{entry.folder}/{file}" for entry in group)


def _exim_guard(staples: t.Sequence[str]) -> str:
    conditions = [
        f"{{exists{{{staple}}}}} {{exists{{{staple}.expires}}}} "
        f"{{<{{$tod_epoch}}{{${{readfile{{{staple}.expires}}{{}}}}}}}}"
        for staple in staples
    ]
    return f"${{if and{{{' '.join(conditions)}}}{{{' : '.join(staples)}}}{{}}}}"


def _dovecot_23(groups: t.List[t.List[Entry]]) -> str:
    def lines(group: t.List[Entry]) -> t.List[str]:
        return [
            f"ssl_{prefix}{kind} = <{entry.live}/{file}"
            for prefix, entry in zip(("", "alt_"), group)
            for kind, file in (("cert", "fullchain.pem"), ("key", "privkey.pem"))
        ]

    return _dovecot(groups, lines)


def _dovecot_24(groups: t.List[t.List[Entry]]) -> str:
    def lines(group: t.List[Entry]) -> t.List[str]:
        return [
            f"ssl_server_{prefix}{kind}_file = {entry.live}/{file}"
            for prefix, entry in zip(("", "alt_"), group)
            for kind, file in (("cert", "fullchain.pem"), ("key", "privkey.pem"))
        ]

    return _dovecot(groups, lines)


def _dovecot(groups: t.List[t.List[Entry]], lines: t.Callable[[t.List[Entry]], t.List[str]]) -> str:
    text = lines(groups[0])
    for group in groups[1:]:
        for name in group[0].names:
            text += [f"local_name {name} {{", *(f"  {line}" for line in lines(group)), "}"]
    return "\n".join(text) + "\n"


def _haproxy(groups: t.List[t.List[Entry]]) -> str:
    return "".join(f"{entry.live}/combined.pem\n" for group in groups for entry in group)


def path(root: str, file: str) -> str:
    """Where a shared piece lies."""
    return os.path.join(root, FOLDER, file)
