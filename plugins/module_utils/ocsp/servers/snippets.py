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

from . import names

#: The folder of the pieces that are about all certificates of a server, under the root folder.
FOLDER = "snippets"
_ONE_FILE = "has one staple file for a name, which would be wrong for one of them"
#: Servers on which two kinds of keys for one name cannot be stapled for, and why.
ONE_STAPLE = {
    "hitch": _ONE_FILE,
    "lighttpd": _ONE_FILE,
    "nginx": _ONE_FILE,
    "trafficserver": "crashes when one of their two staples is withdrawn",
}
#: Servers that read the private key after they gave up root.
READ_AS_USER = ("dnsdist", "exim", "lighttpd", "trafficserver")

#: All files of that folder that may be written.
SHARED = (
    "apache.conf",
    "dnsdist.lua",
    "dovecot-2.3.conf",
    "dovecot-2.4.conf",
    "exim.conf",
    "haproxy.list",
    "trafficserver.config",
)

_HEADER = "Written by certops.ocsp, which will overwrite changes."


class Entry(t.NamedTuple):
    """One live set: ``folder`` is its own, ``live`` the link to it. ``stapled``: a staple is or will be there.

    ``names`` are the server names and addresses that it is for.
    """

    name: str
    folder: str
    live: str
    names: t.Tuple[str, ...]
    kinds: t.Tuple[str, ...]
    stapled: bool


#: The sets for the same server names, one for each kind of key: a client is served by one of them.
Group = t.List[Entry]


def for_set(entry: Entry) -> t.Dict[str, bytes]:
    """The pieces that lie in the folder of a set, by file name."""
    makers = {"nginx": _nginx, "lighttpd": _lighttpd, "apache": _apache}
    return {f"{kind}.conf": _encode(makers[kind](entry)) for kind in entry.kinds if kind in makers}


def shared(entries: t.Sequence[Entry], root: str, apache_port: int) -> t.Dict[str, bytes]:
    """The pieces about all certificates of a server, by file name; the first certificate is the default one."""
    makers: t.Dict[str, t.Tuple[str, t.Callable[[t.List[Group]], str]]] = {
        "exim.conf": ("exim", _exim),
        "dovecot-2.3.conf": ("dovecot", _dovecot_23),
        "dovecot-2.4.conf": ("dovecot", _dovecot_24),
        "haproxy.list": ("haproxy", _haproxy),
        "apache.conf": ("apache", lambda groups: _apache_responder(root, apache_port)),
        "dnsdist.lua": ("dnsdist", _dnsdist),
        "trafficserver.config": ("trafficserver", _trafficserver),
    }
    pieces = {}
    for file, (kind, maker) in makers.items():
        groups = _by_names([entry for entry in entries if kind in entry.kinds])
        if groups:
            pieces[file] = _encode(maker(groups), "--" if file.endswith(".lua") else "#")
    return pieces


def apache_url(port: int) -> str:
    """Where Apache answers its own question for a staple."""
    return f"http://127.0.0.1:{port}/"


def _encode(text: str, comment: str = "#") -> bytes:
    return f"{comment} {_HEADER}\n{text}".encode("ascii")


def _by_names(entries: t.Iterable[Entry]) -> t.List[Group]:
    """The sets in their order, those for the same server names together, in whatever order and spelling."""
    groups: t.Dict[t.FrozenSet[str], Group] = {}
    for entry in entries:
        spelled = frozenset(names.server_name(name) or _address(name) for name in entry.names)
        groups.setdefault(spelled or frozenset([entry.name]), []).append(entry)
    return list(groups.values())


def _address(text: str) -> str:
    import ipaddress  # pylint: disable=import-outside-toplevel  # rare, and slow to import

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _choices(groups: t.Sequence[Group]) -> t.Dict[str, Group]:
    """Which sets serve a name: the most specific names first, without those that are left to the default.

    A name fits what a client asks for exactly, or it is the one wildcard for that, which counts less. Of sets
    with a name in common the first has it. The default needs no names but those that a wildcard would take away.
    """
    found: t.Dict[str, Group] = {}
    for group in groups:
        for name in filter(None, map(names.server_name, group[0].names)):
            found.setdefault(name, group)
    default = groups[0]
    ordered = sorted(found, key=lambda name: (names.is_wildcard(name), -name.count("."), name))
    return {
        name: found[name]
        for name in ordered
        if found[name] is not default or found.get(names.wildcard_for(name), default) is not default
    }


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


#: What the client asks for, as names are written in the choices.
_EXIM_NAME = r"${sg{${lc:$tls_in_sni}}{\N[.]$\N}{}}"
_EXIM_WILDCARD = r"${sg{OCSP_STAPLING_NAME}{\N^[^.]+[.]\N}{*.}}"


def _exim(groups: t.List[Group]) -> str:
    """Certificates by the name that the client asks for, where there are several.

    All is read for each connection, and from the same folder. A missing or outdated staple costs the staple
    alone: with GnuTLS Exim would refuse each TLS session.
    """
    choices = _choices(groups)
    lines = [f"OCSP_STAPLING_NAME = {_EXIM_NAME}"] if choices else []
    lines += [
        f"tls_certificate = {_exim_choice(groups[0], choices, 'fullchain.pem')}",
        f"tls_privatekey = {_exim_choice(groups[0], choices, 'privkey.pem')}",
    ]
    if any(entry.stapled for group in groups for entry in group):
        lines += [
            ".ifdef _HAVE_TLS_OCSP",
            f"OCSP_STAPLING_FILES = {_exim_choice(groups[0], choices, 'ocsp.der')}",
            f"tls_ocsp_file = {_EXIM_STAPLES}",
            ".endif",
        ]
    return "\n".join([*lines, ""])


def _exim_choice(default: Group, choices: t.Mapping[str, Group], file: str) -> str:
    """The files for a name: those that have it, else those of its wildcard, else the default's."""
    choice = _exim_list(default, file)
    for key, wildcards in ((_EXIM_WILDCARD, True), ("OCSP_STAPLING_NAME", False)):
        values = [
            f'n.{name}="{_exim_list(group, file)}"'
            for name, group in choices.items()
            if names.is_wildcard(name) is wildcards
        ]
        if values:
            # The prefix is for clients that ask for no name: an empty key is an error to Exim.
            choice = f"${{extract{{n.{key}}}{{{' '.join(values)}}}{{$value}}{{{choice}}}}}"
    return choice


def _exim_list(group: Group, file: str) -> str:
    return " : ".join(f"{entry.folder}/{file}" for entry in group)


#: Staples are given as a list as long as that of the certificates, or not at all.
_EXIM_STAPLES = (
    "${if forall{OCSP_STAPLING_FILES}{and{{exists{$item}} {exists{${item}.expires}} "
    "{<{$tod_epoch}{${readfile{${item}.expires}{}}}}}}{OCSP_STAPLING_FILES}{}}"
)


def _dovecot_23(groups: t.List[Group]) -> str:
    """Of the blocks that fit, Dovecot 2.3 takes the first."""
    return _dovecot(groups, list(_choices(groups).items()), ("ssl_{}cert = {}", "ssl_{}key = {}"), "<")


def _dovecot_24(groups: t.List[Group]) -> str:
    """Of the blocks that fit, Dovecot 2.4 takes the last."""
    settings = ("ssl_server_{}cert_file = {}", "ssl_server_{}key_file = {}")
    return _dovecot(groups, list(_choices(groups).items())[::-1], settings, "")


def _dovecot(
    groups: t.Sequence[Group], blocks: t.Iterable[t.Tuple[str, Group]], settings: t.Tuple[str, str], mark: str
) -> str:
    """The default, then a block for each name; ``mark`` stands before the path of a file."""

    def lines(group: Group, second: bool) -> t.Iterator[str]:
        for number, prefix in enumerate(("", "alt_") if second else ("",)):
            for setting, file in zip(settings, ("fullchain.pem", "privkey.pem")):
                value = f"{mark}{group[number].live}/{file}" if number < len(group) else ""
                yield setting.format(prefix, value).rstrip()

    # What a block does not set comes from the next one that fits, or from the default: another name's certificate.
    second = any(len(group) > 1 for group in groups)
    text = list(lines(groups[0], len(groups[0]) > 1))
    for name, group in blocks:
        text += [f"local_name {name} {{", *(f"  {line}" for line in lines(group, second)), "}"]
    return "\n".join(text) + "\n"


def _haproxy(groups: t.List[t.List[Entry]]) -> str:
    return "".join(f"{entry.live}/combined.pem\n" for group in groups for entry in group)


_DNSDIST = """\
-- The staples that can be read and have not expired, up to the first other one: dnsdist 1.7 does not start with it,
-- and later versions give the staple behind it to the wrong certificate.
local function fresh(paths)
  local found = {}
  for _, path in ipairs(paths) do
    local staple, note = io.open(path), io.open(path .. ".expires")
    local expires = note and note:read("*n")
    if staple then staple:close() end
    if note then note:close() end
    if not staple or not expires or expires <= os.time() then break end
    table.insert(found, path)
  end
  return found[1] and found
end
"""


def _dnsdist(groups: t.List[Group]) -> str:
    """A Lua table of certificates by name, which the configuration gives to its listeners.

    A set is found by its own name, and by those that it is for; of sets with one of these in common the first has it.
    The staples are looked at when dnsdist starts; without any, the option for them is not given at all.
    """
    known = {entry.name: group[0].name for group in groups for entry in group}
    for group in groups:
        for name in (name for entry in group for name in entry.names):
            for spelled in filter(None, (name, names.server_name(name))):
                known.setdefault(spelled, group[0].name)
    lines = [_DNSDIST, "local certificates = {}\n"]
    for group in groups:
        stapled = [f"{entry.live}/ocsp.der" for entry in group] if all(entry.stapled for entry in group) else []
        lines.append(
            f"certificates[{_lua(group[0].name)}] = {{\n"
            f"  certificates = {_lua_list(f'{entry.live}/fullchain.pem' for entry in group)},\n"
            f"  keys = {_lua_list(f'{entry.live}/privkey.pem' for entry in group)},\n"
            f"  staples = fresh({_lua_list(stapled)}),\n"
            "}\n"
        )
    for name, first in known.items():
        if name != first:
            lines.append(f"certificates[{_lua(name)}] = certificates[{_lua(first)}]\n")
    return "".join([*lines, "return certificates\n"])


def _lua(text: str) -> str:
    """A string of Lua, in ASCII: any other octet, a quote or a backslash is written by its number."""
    octets = text.encode("utf-8", "surrogateescape")
    plain = (chr(octet) if 0x20 <= octet < 0x7F and octet not in b'"\\' else f"\\{octet:03}" for octet in octets)
    return f'"{"".join(plain)}"'


def _lua_list(texts: t.Iterable[str]) -> str:
    return "{" + ", ".join(map(_lua, texts)) + "}"


def _trafficserver(groups: t.List[Group]) -> str:
    """All of ssl_multicert.config, since Traffic Server cannot include files there.

    Folders and not links: a file that is older than the one before is not read again.
    """
    lines: t.List[str] = []
    for group in groups:
        options = [("ssl_cert_name", "fullchain.pem"), ("ssl_key_name", "privkey.pem")]
        if [entry.stapled for entry in group] == [True]:
            options.append(("ssl_ocsp_name", "ocsp.der"))
        default = [] if lines else ["dest_ip=*"]
        pairs = [f"{option}={','.join(f'{entry.folder}/{file}' for entry in group)}" for option, file in options]
        lines.append(" ".join([*default, *pairs]))
    return "\n".join([*lines, ""])


def path(root: str, file: str) -> str:
    """Where a shared piece lies."""
    return os.path.join(root, FOLDER, file)


def kind_of(path: str) -> str:
    """The kind of server that a shared piece is for."""
    return os.path.basename(path).split(".")[0].split("-")[0]
