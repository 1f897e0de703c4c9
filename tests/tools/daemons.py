# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real TLS servers on loopback, each with certificates and staples and a configuration of its own.

    with daemons.running("nginx", [Site(leaf, staple)]) as server:
        ... server.port, server.starttls, server.up ...

A server that does not start because of its staple is a result as well: ``up`` is false then.

    with daemons.including("exim4", text) as server:
        ... a server whose certificates are those that a piece of configuration names ...
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

from pki import Leaf, free_port

_PATIENCE = 20.0
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Site(t.NamedTuple):
    """A certificate and the DER of its staple, or None for none."""

    leaf: Leaf
    staple: bytes | None = None


class _Files(t.NamedTuple):
    """Where a site lies in the folder of a server."""

    key: Path
    certificate: Path
    combined: Path
    staple: Path | None


class Running(t.NamedTuple):
    """A server that was started; ``up`` is whether it accepts connections."""

    folder: Path
    port: int
    starttls: str | None
    up: bool


class _Daemon(t.NamedTuple):
    """How to start a server: ``configure`` writes its files and returns the command."""

    program: str
    configure: t.Callable[[Path, list[_Files], int], list[str | Path]]
    starttls: str | None = None
    needs_root: bool = False
    include: t.Callable[[Path, str, int], list[str | Path]] | None = None


def _nginx(folder: Path, sites: list[_Files], port: int, extra: str = "", stapling: str = "") -> list[str | Path]:
    pairs = "".join(f"ssl_certificate {one.certificate}; ssl_certificate_key {one.key};\n" for one in sites)
    if sites[0].staple:
        stapling = f"ssl_stapling on; ssl_stapling_file {sites[0].staple};"
    listen6 = f"listen [::1]:{port} ssl;" if Path("/proc/net/if_inet6").exists() else ""
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log; events {{}}
        http {{
            access_log off; ssl_protocols TLSv1.2 TLSv1.3; {paths} {extra}
            server {{ listen 127.0.0.1:{port} ssl; {listen6} {pairs} {stapling} return 204; }}
        }}
    """)
    return ["nginx", "-e", folder / "log", "-c", folder / "nginx.conf"]


def _nginx_that_asks(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    """nginx that fetches the staple by itself, which it begins with the first handshake, from another part of it."""
    responder = free_port()
    www = folder / "www"
    www.mkdir()
    if sites[0].staple:
        shutil.copy(sites[0].staple, www / "response")
    extra = (
        f"server {{ listen 127.0.0.1:{responder}; root {www}; default_type application/ocsp-response; "
        "rewrite ^ /response break; }"
    )
    stapling = f"ssl_stapling on; ssl_stapling_responder http://127.0.0.1:{responder}/; resolver 127.0.0.1;"
    return _nginx(folder, [one._replace(staple=None) for one in sites], port, extra, stapling)


def _s_server(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    """OpenSSL's test server has one staple for all certificates, as nginx has."""
    command: list[str | Path] = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}"]
    for one, switches in zip(sites, (("-cert", "-key", "-cert_chain"), ("-dcert", "-dkey", "-dcert_chain"))):
        for switch, path in zip(switches, (one.certificate, one.key, one.certificate.with_suffix(".chain"))):
            command += [switch, path]
    return command + (["-status_file", sites[0].staple] if sites[0].staple else [])


def _haproxy(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    return _haproxy_with(folder, " ".join(f"crt {one.combined}" for one in sites), port)


def _haproxy_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    (folder / "list").write_text(piece)
    return _haproxy_with(folder, f"crt-list {folder}/list", port)


def _haproxy_with(folder: Path, certificates: str, port: int) -> list[str | Path]:
    (folder / "haproxy.cfg").write_text(f"""
global
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend site
    bind 127.0.0.1:{port} ssl {certificates}
    http-request return status 200
""")
    return ["haproxy", "-db", "-f", folder / "haproxy.cfg"]


def _lighttpd(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    (one,) = sites
    staple = f'ssl.stapling-file = "{one.staple}"' if one.staple else ""
    (folder / "lighttpd.conf").write_text(f"""
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/log"
server.modules += ( "mod_openssl" )
ssl.engine = "enable"
ssl.pemfile = "{one.certificate}"
ssl.privkey = "{one.key}"
ssl.openssl.ssl-conf-cmd = ( "MinProtocol" => "TLSv1.2" )
{staple}
""")
    return ["lighttpd", "-D", "-f", folder / "lighttpd.conf"]


_APACHE_MODULES = ("mpm_event", "authz_core", "alias", "mime", "socache_shmcb", "ssl")


def _apache(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    """Apache takes no staple from a file, but its own responder may be a file that it serves itself."""
    responder = free_port()
    www = folder / "www"
    www.mkdir()
    stapling = ""
    if sites[0].staple:
        shutil.copy(sites[0].staple, www / "response.ocsp")
        stapling = f"""
            SSLUseStapling on
            SSLStaplingForceURL http://127.0.0.1:{responder}/response.ocsp
            SSLStaplingReturnResponderErrors off
            SSLStaplingFakeTryLater off
        """
    pairs = "\n".join(f"SSLCertificateFile {one.certificate}\nSSLCertificateKeyFile {one.key}" for one in sites)
    (folder / "types").touch()
    (folder / "apache.conf").write_text(f"""
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex file:{folder} default
ErrorLog {folder}/log
{_apache_modules(_APACHE_MODULES)}
TypesConfig {folder}/types
AddType application/ocsp-response .ocsp
SSLStaplingCache shmcb:{folder}/stapling(65536)
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{responder}
DocumentRoot {www}
<VirtualHost 127.0.0.1:{port}>
    SSLEngine on
    {pairs}
    {stapling}
</VirtualHost>
""")
    return ["apache2", "-DFOREGROUND", "-f", folder / "apache.conf"]


def _apache_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    modules = (*_APACHE_MODULES, "authz_host")
    (folder / "apache.conf").write_text(f"""
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/log
{_apache_modules(modules)}
TypesConfig /dev/null
Listen 127.0.0.1:{port}
{piece}
""")
    return ["apache2", "-DFOREGROUND", "-f", folder / "apache.conf"]


def _apache_modules(names: t.Iterable[str]) -> str:
    """Loads modules and names the user to run as; that option needs one of these modules."""
    lines = [f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so" for one in names]
    return "\n".join([*lines, *(["User www-data", "Group www-data"] if os.geteuid() == 0 else [])])


def _exim(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    staples = [str(one.staple) for one in sites if one.staple]
    lines = [
        f"tls_certificate = {' : '.join(str(one.certificate) for one in sites)}",
        f"tls_privatekey = {' : '.join(str(one.key) for one in sites)}",
        f"tls_ocsp_file = {' : '.join(staples)}" if staples else "",
    ]
    return _exim_including(folder, "\n".join(lines), port)


def _exim_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    (folder / "spool").mkdir()
    (folder / "spool").chmod(0o777)
    (folder / "exim.conf").write_text(f"""
primary_hostname = mail.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
keep_environment =
tls_advertise_hosts = *
{piece}
begin acl
begin routers
begin transports
begin retry
""")
    return ["exim4", "-bdf", "-C", folder / "exim.conf", "-oX", f"<; [127.0.0.1]:{port}"]


def dovecot_version() -> str:
    """The version of Dovecot as far as its configuration depends on it, such as 2.3."""
    program = ["dovecot", "--version"]
    environment = {**os.environ, "PATH": _PATH}
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60, env=environment)
    return ".".join(done.stdout.split(".")[:2])


def _dovecot(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    one = sites[0]
    if dovecot_version() == "2.3":
        return _dovecot_including(folder, f"ssl_cert = <{one.certificate}\nssl_key = <{one.key}", port)
    lines = f"ssl_server_cert_file = {one.certificate}\nssl_server_key_file = {one.key}"
    return _dovecot_including(folder, lines, port)


def _dovecot_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    if dovecot_version() == "2.3":
        head = "passdb {\n  driver = static\n}"
    else:
        head = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\npassdb static {\n}"
    (folder / "dovecot.conf").write_text(f"""
{head}
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
log_path = {folder}/log
ssl = required
{piece}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
""")
    return ["dovecot", "-F", "-c", folder / "dovecot.conf"]


def _dnsdist(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    staples = [str(one.staple) for one in sites if one.staple]
    piece = f"""
return {{one = {{
  certificates = {_lua_list(str(one.certificate) for one in sites)},
  keys = {_lua_list(str(one.key) for one in sites)},
  staples = {_lua_list(staples) if staples else "nil"},
}}}}
"""
    return _dnsdist_including(folder, piece, port)


def _dnsdist_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    """DNS over TLS by the first entry of a table; the port of plain DNS, which it must have, is another one."""
    (folder / "piece.lua").write_text(piece)
    (folder / "dnsdist.conf").write_text(f"""
setSecurityPollSuffix("")
setLocal("127.0.0.1:{free_port()}")
newServer({{address="127.0.0.1:{free_port()}", healthCheckMode="up"}})
local _, site = next(dofile("{folder}/piece.lua"))
addTLSLocal("127.0.0.1:{port}", site.certificates, site.keys, {{ocspResponses = site.staples}})
""")
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", folder / "dnsdist.conf"]


def _lua_list(texts: t.Iterable[str]) -> str:
    return "{" + ", ".join(f'"{text}"' for text in texts) + "}"


_TRAFFIC_SERVER_FOLDERS = {
    "prefix": "/usr",
    "exec_prefix": "/usr",
    "bindir": "/usr/bin",
    "sbindir": "/usr/sbin",
    "datadir": "/usr/share/trafficserver",
    "includedir": "/usr/include",
    "libdir": "/usr/lib/trafficserver",
    "libexecdir": "/usr/lib/trafficserver/modules",
}


def _trafficserver(folder: Path, sites: list[_Files], port: int) -> list[str | Path]:
    options = {
        "ssl_cert_name": [one.certificate for one in sites],
        "ssl_key_name": [one.key for one in sites],
        "ssl_ocsp_name": [one.staple for one in sites if one.staple],
    }
    line = " ".join(f"{name}={','.join(map(str, paths))}" for name, paths in options.items() if paths)
    return _trafficserver_including(folder, f"dest_ip=* {line}\n", port)


def _trafficserver_including(folder: Path, piece: str, port: int) -> list[str | Path]:
    folders = {
        **_TRAFFIC_SERVER_FOLDERS,
        "sysconfdir": folder / "etc",
        "localstatedir": folder / "run",
        "runtimedir": folder / "run",
        "logdir": folder / "log",
        "cachedir": folder / "cache",
    }
    for name in ("etc", "run", "log", "cache"):
        (folder / name).mkdir()
    (folder / "runroot.yaml").write_text("".join(f"{name}: {path}\n" for name, path in folders.items()))
    # Without the timeout it asks the responder of the certificate after an hour, and staples whatever that answers.
    (folder / "etc" / "records.config").write_text(f"""
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.http.server_ports STRING {port}:ssl:ip-in=127.0.0.1
CONFIG proxy.config.ssl.ocsp.enabled INT 1
CONFIG proxy.config.ssl.ocsp.cache_timeout INT 1000000000
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
""")
    (folder / "etc" / "ssl_multicert.config").write_text(piece)
    for name in ("remap.config", "plugin.config", "storage.config"):
        (folder / "etc" / name).touch()
    return ["traffic_server", f"--run-root={folder}/runroot.yaml"]


_DAEMONS = {
    "apache2": _Daemon("apache2", _apache, include=_apache_including),
    "dnsdist": _Daemon("dnsdist", _dnsdist, include=_dnsdist_including),
    "dovecot": _Daemon("dovecot", _dovecot, "imap", needs_root=True, include=_dovecot_including),
    "exim4": _Daemon("exim4", _exim, "smtp", needs_root=True, include=_exim_including),
    "haproxy": _Daemon("haproxy", _haproxy, include=_haproxy_including),
    "lighttpd": _Daemon("lighttpd", _lighttpd),
    "nginx": _Daemon("nginx", _nginx),
    "nginx that asks": _Daemon("nginx", _nginx_that_asks),
    "s_server": _Daemon("openssl", _s_server),
    "trafficserver": _Daemon("traffic_server", _trafficserver, include=_trafficserver_including),
}


def obstacle(name: str) -> str:
    """Why a server cannot be run here, or an empty string."""
    daemon = _DAEMONS[name]
    if not shutil.which(daemon.program, path=_PATH):
        return f"there is no {daemon.program} here"
    if name == "lighttpd" and not list(Path("/usr/lib/lighttpd").glob("mod_openssl.so")):
        return "there is no lighttpd-mod-openssl here"
    return f"{name} is started by root only" if daemon.needs_root and os.geteuid() != 0 else ""


@contextlib.contextmanager
def running(name: str, sites: t.Sequence[Site]) -> t.Iterator[Running]:
    """Run a server for the time of a ``with`` block."""
    daemon = _DAEMONS[name]

    def configure(folder: Path, port: int) -> list[str | Path]:
        files = [_place(site, folder, str(number)) for number, site in enumerate(sites)]
        return daemon.configure(folder, files, port)

    with _run(daemon, configure) as started:
        yield started


@contextlib.contextmanager
def including(name: str, piece: str | t.Callable[[int], str]) -> t.Iterator[Running]:
    """Run a server with a piece of configuration that says where its certificates are, or what makes one for a port."""
    daemon = _DAEMONS[name]
    include = daemon.include
    if include is None:
        raise ValueError(f"{name} is given its certificates as sites only.")

    def configure(folder: Path, port: int) -> list[str | Path]:
        return include(folder, piece if isinstance(piece, str) else piece(port), port)

    with _run(daemon, configure) as started:
        yield started


@contextlib.contextmanager
def _run(daemon: _Daemon, configure: t.Callable[[Path, int], list[str | Path]]) -> t.Iterator[Running]:
    # Not in a folder of pytest's, which other users must not enter; servers give up root.
    folder = Path(tempfile.mkdtemp(prefix="certops-daemon-"))
    folder.chmod(0o755)
    port = free_port()
    try:
        command = [str(part) for part in configure(folder, port)]
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PATH": _PATH},
            )
        try:
            yield Running(folder, port, daemon.starttls, _wait(process, port))
        finally:
            _stop(process)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder into which some child of a server may still be writing its last words."""
    deadline = time.monotonic() + _PATIENCE
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def _place(site: Site, folder: Path, name: str) -> _Files:
    files = _Files(
        folder / f"{name}.key",
        folder / f"{name}.pem",
        folder / f"{name}.combined",
        folder / f"{name}.der" if site.staple is not None else None,
    )
    key, chain = site.leaf.key.read_bytes(), site.leaf.fullchain.read_bytes()
    files.key.write_bytes(key)
    files.certificate.write_bytes(chain)
    files.certificate.with_suffix(".chain").write_bytes(site.leaf.chain.read_bytes())
    files.combined.write_bytes(key + chain)
    if files.staple and site.staple is not None:
        files.staple.write_bytes(site.staple)
        files.combined.with_name(f"{files.combined.name}.ocsp").write_bytes(site.staple)
    return files


def _wait(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server accepts connections or ends."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Have the server end, and then whatever is left of its session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(5)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        left = list(_session(process.pid))
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.02)


def _session(leader: int) -> t.Iterator[int]:
    """The processes of a session; those of Exim and Dovecot leave the process group of their parents."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                yield int(path.parent.name)
