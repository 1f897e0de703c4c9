# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give each option of each module, and each variable of the role, a secret, and look for it wherever it may get to.

    secret_sweep.py [--thorough] [--syslog] [modules] [action] [role] [files]

It takes the collection in ANSIBLE_COLLECTIONS_PATH, and the ansible-core of this Python.

The secrets are a private key in several forms, a password in a URL, and an escape sequence, which is none but must not
reach a terminal. Looked at are what is printed with -vvv, what the callback ``tree`` stores, what modules log, and
temporary files, also after a kill. Nothing is changed but a temporary folder: the role runs in check mode.

With ``--syslog``, for root, all that libc sends to /dev/log is looked at as well, on a /dev of its own. Otherwise it is
what modules hand to Python's syslog.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime
import importlib
import inspect
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import syslog
import tempfile
import threading
import time
import traceback
import typing as t
from pathlib import Path

import yaml
from ansible.module_utils import _internal, basic, testing
from ansible.module_utils.common import warnings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMESPACE = "ansible_collections.certops.ocsp"
NAME = "www.example.com"
PASSWORD = "s3cr3tpw-0f-4-proxy"
ESCAPE = "\x1b]0;owned\x07"
VAULT_PASSWORD = "the vault's"

Values = t.Dict[str, t.Any]
Place = t.Tuple[t.Union[str, int], ...]


def make_pem() -> t.Tuple[str, str]:
    """A private key and the certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    certificate = builder.add_extension(names, False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode("ascii"), certificate.public_bytes(pem).decode("ascii")


KEY, CERTIFICATE = make_pem()
_LINES = KEY.splitlines()
_BODY = "".join(_LINES[1:-1])
_ENCODED = base64.b64encode(KEY.encode("ascii")).decode("ascii")

#: Whether this ansible-core repeats the options of a task in its result only where that is asked for.
_INJECTS = "_ansible_inject_invocation" in inspect.getsource(basic)

#: What each option is given.
POISONS: Values = {
    "key": KEY,
    "key in one line": KEY.replace("\n", " "),
    "key as lines": _LINES,
    "key in a mapping": {"pem": KEY},
    "key as a name": {KEY: "x"},
    "key in Base64": _ENCODED,
    "key without its first and last line": _BODY,
    "key that is cut off": KEY[:120],
    "key beside a certificate": CERTIFICATE + KEY,
    "password in a URL": f"http://user:{PASSWORD}@127.0.0.1:9/x",
    "password in a list of URLs": [f"http://user:{PASSWORD}@127.0.0.1:9/x"],
    "password in a URL that is too long for a path": f"http://user:{PASSWORD}@127.0.0.1:9/{'x' * 5000}",
    "password in an address": f"user:{PASSWORD}@127.0.0.1:9",
    "escape sequence": f"x{ESCAPE}",
}
#: Those that playbooks are run with, which takes more time.
_FEW = ("key", "key as lines", "password in a URL", "escape sequence")


def _windows(text: str) -> t.Iterator[str]:
    return (text[start : start + 20] for start in range(0, len(text) - 19, 4))


#: The public key is in both.
_PUBLIC = "".join(CERTIFICATE.split())
NEEDLES = {window for window in (*_windows(_BODY), *_windows(_ENCODED)) if window not in _PUBLIC}


def found_in(text: str, terminal: bool = True) -> str:
    """Which secret is in a text, or an empty string. In what is no terminal's, an escape sequence does no harm."""
    bare = re.sub(r"\\[nr]|[\s\"',]", "", text)
    if any(needle in bare for needle in NEEDLES):
        return "a private key"
    if PASSWORD in text:
        return "a password"
    return "an escape sequence" if terminal and ESCAPE[:2] in text else ""


class Leak(t.NamedTuple):
    case: str
    where: str
    what: str


class Report:
    """Counts what was tried, and keeps what was found."""

    def __init__(self) -> None:
        self.tried: t.Dict[str, int] = {}
        self.leaks: t.List[Leak] = []
        #: Messages in syslog that no case of its own was about.
        self.logged = 0

    def look(self, part: str, case: str, places: t.Mapping[str, str], terminal: bool = True) -> None:
        self.tried[part] = self.tried.get(part, 0) + 1
        for where, text in places.items():
            what = found_in(text, terminal)
            if what:
                self.leaks.append(Leak(f"{part}: {case}", where, what))


# What is logged

_LOG = "/dev/log"
_INSIDE = "SECRET_SWEEP_INSIDE"
#: Runs the rest of its words with a /dev on which nobody listens.
_OWN_DEV = r"""
set -e
dev=$(mktemp -d)
mount -t tmpfs dev "$dev"
for name in null zero full random urandom tty; do touch "$dev/$name"; mount --bind "/dev/$name" "$dev/$name"; done
for name in shm pts; do mkdir "$dev/$name"; mount --rbind "/dev/$name" "$dev/$name"; done
ln -s /proc/self/fd "$dev/fd"; ln -s pts/ptmx "$dev/ptmx"
mount --rbind "$dev" /dev
exec "$@"
"""


class Log:
    """Collects what modules log: from a socket at /dev/log, or in this process alone."""

    def __init__(self, real: bool) -> None:
        self._taken: t.List[str] = []
        self._socket: t.Optional[socket.socket] = None
        if real:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(_LOG)
            self._socket.settimeout(0.2)
            threading.Thread(target=self._listen, daemon=True).start()
        else:
            syslog.syslog = lambda *arguments: self._taken.append(str(arguments[-1]))

    def _listen(self) -> None:
        assert self._socket is not None
        while True:
            with contextlib.suppress(TimeoutError, socket.timeout):
                self._taken.append(self._socket.recv(1 << 20).decode("utf-8", "replace"))

    def take(self) -> str:
        """What has come since the last time."""
        if self._socket is not None:
            # The end of what was sent is known by what is sent after it.
            mark = f"mark {time.monotonic_ns()}"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
                own.sendto(mark.encode(), _LOG)
            while mark not in self._taken:
                time.sleep(0.001)
            self._taken.remove(mark)
        taken, self._taken[:] = list(self._taken), []
        return "\n".join(taken)


# Modules, in this process


def _specification(module: t.Any) -> t.Dict[str, t.Any]:
    """The argument spec that a module gives to Ansible."""

    class Caught(Exception):
        """With the spec."""

    def catch(argument_spec: Values, **options: t.Any) -> t.NoReturn:
        files = basic.FILE_COMMON_ARGUMENTS if options.get("add_file_common_args") else {}
        raise Caught({**files, **argument_spec})

    own, module.Module = module.Module, catch
    try:
        module.main()
    except Caught as caught:
        return dict(caught.args[0])
    finally:
        module.Module = own
    raise AssertionError(module)


def _places(spec: t.Mapping[str, t.Any], base: t.Any, above: Place = ()) -> t.Iterator[Place]:
    """Each option, and each option of what the base gives as an entry of a list or as a mapping."""
    for name, option in spec.items():
        yield (*above, name)
        below = option.get("options")
        if below and option["type"] == "list":
            yield from _places(below, base, (*above, name, 0))
        elif below:
            yield from _places(below, base, (*above, name))
    yield (*above, "private_kee")


def _with(base: Values, place: Place, value: t.Any) -> Values:
    """The base with a value at a place."""
    result = copy.deepcopy(base)
    here: t.Any = result
    for step, following in zip(place, place[1:]):
        if isinstance(step, str) and not here.get(step):
            here[step] = [{}] if isinstance(following, int) else {}
        here = here[step]
    here[place[-1]] = value
    return result


def _bases(home: Path) -> t.Dict[str, Values]:
    """Options with which each module gets as far as it can without a responder."""
    path = str(home / "staple.der")
    one = {"certificate_content": CERTIFICATE, "responder_urls": ["http://127.0.0.1:1/"], "retries": 0}
    own = {"name": NAME, "private_key_content": KEY, "certificate_content": CERTIFICATE}
    layout = {"path": str(home / "etc"), "state_path": str(home / "var"), "fetch_from": "nowhere"}
    return {
        "ocsp_response": {"path": path, **one},
        "ocsp_responses": {"certificates": [{"path": path, **one}]},
        "ocsp_response_info": {"path": path, "certificate_content": CERTIFICATE},
        "ocsp_staple_info": {"host": "127.0.0.1", "port": 1, "attempts": 1},
        "certificate_set": {"certificates": [own], **layout},
        "stapling_program": {"wanted": {"scan": []}},
        "certificate_renewal_info": {"certificates": [{"path": path}], "directory": "http://127.0.0.1:1/"},
        "acme_orders": {"state": "wanted", "names": [NAME]},
    }


def _more_places(name: str, spec: Values) -> t.Iterator[Place]:
    """The options of entries and of mappings that no spec of Ansible's describes."""
    if name == "ocsp_responses":
        yield from (("certificates", 0, option) for option in sorted({*spec, "name", "path"} - {"certificates"}))
    if name == "certificate_set":
        table = importlib.import_module(f"{NAMESPACE}.plugins.module_utils.ocsp.options.table")
        for option in table.names_of("set"):
            yield ("options", option)
            yield ("certificates", 0, "options", option)


#: The options whose text is private by their nature, so that a key in it is no slip.
_FOR_KEYS = ("private_key_content", "certificate_content", "chain_content", "root_content")


def sweep_modules(report: Report, home: Path, log: Log) -> None:
    """Run each module with each poison in each option."""
    os.chdir(home)
    bases = _bases(home)
    folder = Path(importlib.import_module(f"{NAMESPACE}.plugins.modules").__path__[0])
    for name in sorted({path.stem for path in folder.glob("[a-z]*.py")} - {*bases}):
        report.leaks.append(Leak(name, "the run", "nothing, as it is not tried"))
    for name, base in bases.items():
        module = importlib.import_module(f"{NAMESPACE}.plugins.modules.{name}")
        spec = _specification(module)
        for place in [*_places(spec, base), *_more_places(name, spec)]:
            for poison, value in POISONS.items():
                printed = _run(module, _with(base, place, value))
                case = f"{'.'.join(map(str, place))} given a {poison}"
                # What is printed is JSON, in which an escape sequence does no harm; sentences are shown as they are.
                report.look(name, case, {"result": printed, "log": log.take()}, terminal=False)
                if "Traceback" in printed:
                    report.leaks.append(Leak(f"{name}: {case}", "result", "a traceback"))
                sentences = re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', printed)
                if any("\\u001b" in sentence for sentence in sentences):
                    report.leaks.append(Leak(f"{name}: {case}", "msg", "an escape sequence"))


def _run(module: t.Any, options: Values) -> str:
    """What a module prints as its result, and anything else it writes."""
    warnings._global_warnings = {}
    _internal.is_controller = False
    output = io.StringIO()
    given = {"_ansible_check_mode": True, "_ansible_diff": True, "_ansible_verbosity": 3, **options}
    if _INJECTS:
        given["_ansible_inject_invocation"] = True
    with testing.patch_module_args(given), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            module.main()
        except SystemExit:
            pass
        except Exception:  # Ansible would print it
            traceback.print_exc(file=output)
    # By this ansible-core tells its controller alone what to mask; no callback gets it.
    return re.sub(r'"_ansible_new_secrets": \[.*?\](?=[,}])', "", output.getvalue())


# Action plugins and the role, by playbooks


class Playbook:
    """Runs plays on this machine, and returns what was printed and what the callback ``tree`` stored."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.local, self.remote, self.tree = (home / name for name in ("local", "remote", "tree"))
        (home / "vault").write_text(VAULT_PASSWORD)

    def start(self, plays: t.Sequence[Values], *switches: str) -> subprocess.Popen[str]:
        path = self.home / "play.json"
        path.write_text(json.dumps(plays))
        environment = {
            **os.environ,
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(self.local),
            "ANSIBLE_REMOTE_TEMP": str(self.remote),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree",
            "ANSIBLE_CALLBACK_TREE_DIR": str(self.tree),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.home / "vault"),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.home / "tmp"),
        }
        (self.home / "tmp").mkdir(exist_ok=True)
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        how = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-vvv"]
        return subprocess.Popen(
            [program, *how, *switches, str(path)],
            env=environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, plays: t.Sequence[Values], *switches: str) -> str:
        output, _none = self.start(plays, *switches).communicate(timeout=900)
        return output

    def left(self) -> t.Dict[str, str]:
        """The temporary files of both sides, with their contents."""
        found = {}
        for folder in (self.local, self.remote, self.home / "tmp", self.home / "ansible", Path("/dev/shm")):
            for path in folder.rglob("*") if folder.is_dir() else ():
                with contextlib.suppress(OSError):
                    if path.is_file() and path.stat().st_size < 1 << 22:
                        found[str(path)] = path.read_bytes().decode("latin-1")
        return found


def _cases(report: Report, book: Playbook, part: str, tasks: t.Sequence[t.Tuple[str, Values]]) -> None:
    """Run tasks that may fail, in check mode, in one play; a task that follows each stores its result in a file."""
    play: t.List[Values] = []
    for number, (_case, task) in enumerate(tasks):
        play.append({"block": [{"name": f"CASE {number} ENDS", **task}], "rescue": [{"ansible.builtin.meta": "noop"}]})
    plays = [{"hosts": "localhost", "gather_facts": False, "tasks": play}]
    output = book.run(plays, "--check", "--diff")
    stored = {path.name: path.read_text(errors="replace") for path in book.tree.rglob("*") if path.is_file()}
    pieces = re.split(r"(?m)^TASK \[.*CASE (\d+) ENDS\].*$", output)
    if len(pieces) < 2 * len(tasks):
        report.leaks.append(
            Leak(part, "the run", f"of {len(tasks)} cases {len(pieces) // 2} were run: {output[-2000:]}")
        )
    for which, text in zip(pieces[1::2], pieces[2::2]):
        report.look(part, tasks[int(which)][0], {"output": text})
    for where, text in {**stored, **book.left()}.items():
        what = found_in(text, terminal=False)
        if what:
            report.leaks.append(Leak(part, where, what))


def sweep_action_plugin(report: Report, book: Playbook, thorough: bool) -> None:
    """``certificate_set`` as a task: all that the controller looks at before the module does."""
    base = _bases(book.home)["certificate_set"]
    entry = "names source responder_urls name response_content private_key_src certificate_src private_key_path"
    entry += " private_key owner mode services staple options"
    task = "certificates source part groups scan service_settings options controller_cache workers remote_source"
    task += " fetch_from state"
    places: t.List[Place] = [("certificates", 0, name) for name in entry.split()] + [(name,) for name in task.split()]
    places.append(("options", "http_proxy"))
    tasks = []
    for place in places:
        for poison in _FEW if thorough or place[-1] in ("source", "private_key_src") else _FEW[:1]:
            given = _with(base, place, POISONS[poison])
            tasks.append((f"{'.'.join(map(str, place))} given a {poison}", {"certops.ocsp.certificate_set": given}))
    for poison in ("key in a mapping", "key as lines"):
        given = _with(base, ("certificates", 0, "private_key_content"), POISONS[poison])
        tasks.append((f"private_key_content given a {poison}", {"certops.ocsp.certificate_set": given}))
    for poison in ("password in a URL", "escape sequence"):
        every = _with(base, ("options",), {"http_proxy": POISONS[poison], "timeout": POISONS[poison]})
        tasks.append((f"options given a {poison}", {"certops.ocsp.certificate_set": every}))
    _cases(report, book, "certificate_set as a task", tasks)


def sweep_role(report: Report, book: Playbook, role: Path, thorough: bool) -> None:
    """Each variable of the role, and each key of a group and of a domain, in check mode."""
    variables = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    groups = importlib.import_module(f"{NAMESPACE}.plugins.plugin_utils._groups")
    domain = {"name": NAME, "private_key_content": KEY, "certificate_content": CERTIFICATE}
    good = {"ocsp_stapling_certificates": {"web": {"reload": [], "domains": [domain]}}}
    cases: t.List[t.Tuple[str, Values]] = []
    poisons = _FEW if thorough else _FEW[:1]
    for name in variables:
        for poison in poisons:
            cases.append((f"{name} given a {poison}", {**good, name: POISONS[poison]}))
    for poison in _FEW:
        cases.append((f"all variables given a {poison}", dict.fromkeys(variables, POISONS[poison])))
    where = ("ocsp_stapling_certificates", "web", "domains", 0)
    for key in sorted({*groups._DOMAIN, "private_kee"} - {*_FOR_KEYS}):
        for poison in _FEW if key in ("private_key", "options", "name") else poisons:
            cases.append((f"{key} of a domain given a {poison}", _with(good, (*where, key), POISONS[poison])))
    for key in sorted({*groups._GROUP, "private_kee"}):
        for poison in poisons:
            cases.append((f"{key} of a group given a {poison}", _with(good, (*where[:2], key), POISONS[poison])))
    for variable, entry in (("scan", {"folder": "/nonexistent"}), ("endpoints", {"service": "nginx", "port": 443})):
        for key in (*entry, "recursive", "staple", "host"):
            given = {**good, f"ocsp_stapling_{variable}": [{**entry, key: KEY}]}
            cases.append((f"{key} of ocsp_stapling_{variable} given a key", given))
    include = {"ansible.builtin.include_role": {"name": f"certops.ocsp.{role.name}"}}
    _cases(report, book, role.name, [(case, {**include, "vars": values}) for case, values in cases])


def sweep_files(report: Report, book: Playbook) -> None:
    """Temporary files of both sides while a key from a vault is deployed, after that, and after a kill."""
    source = book.home / "source"
    source.mkdir()
    (source / f"{NAME}.pem").write_text(CERTIFICATE)
    (source / f"{NAME}.key").write_text(KEY)
    vault = str(Path(sys.executable).with_name("ansible-vault"))
    password = ["--vault-password-file", str(book.home / "vault")]
    subprocess.run([vault, "encrypt", *password, str(source / f"{NAME}.key")], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        layout = {"path": str(book.home / "etc"), "state_path": str(book.home / "var"), "source": str(source)}
        one = {"name": NAME, "responder_urls": [url]}
        deploy = {"certops.ocsp.certificate_set": {**layout, "certificates": [one], "options": {"timeout": 60}}}
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": [deploy]}]
        running = book.start(plays)
        silent.settimeout(120)
        try:
            silent.accept()  # the module has the key now, and asks the responder
            report.look("temporary files", "while the module runs", book.left(), terminal=False)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
        report.look("temporary files", "after SIGKILL", book.left(), terminal=False)
    quick = _with(deploy, ("certops.ocsp.certificate_set", "fetch_from"), "nowhere")
    look = {"ansible.builtin.command": {"argv": ["sleep", "600"]}}
    running = book.start([{"hosts": "localhost", "gather_facts": False, "tasks": [quick, look]}])
    key = book.home / "etc" / "live" / NAME / "privkey.pem"
    deadline = time.monotonic() + 120
    while not key.exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.2)
    time.sleep(1)
    report.look("temporary files", "in the tasks that follow", book.left(), terminal=False)
    os.killpg(running.pid, signal.SIGKILL)
    output, _none = running.communicate()
    left = {**book.left(), "output": output}
    report.look("temporary files", "after SIGKILL in the tasks that follow", left, terminal=False)
    if not key.exists():
        report.leaks.append(Leak("temporary files", "the run", f"nothing was deployed: {output[-1500:]}"))


def sweep(parts: t.Collection[str] = (), thorough: bool = False, real_log: bool = False) -> Report:
    """All of it, or some parts: modules, action, role, files.

    ``thorough`` gives each variable and each option of a task every kind of secret alone, which takes minutes.
    ``real_log``: nobody else listens at /dev/log.
    """
    report, log = Report(), Log(real_log)
    collections = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":")[0])
    sys.path.insert(0, str(collections))
    home = Path(tempfile.mkdtemp(prefix="secret-sweep-"))
    before = os.getcwd()
    try:
        book = Playbook(home)
        if not parts or "modules" in parts:
            sweep_modules(report, home, log)
        if not parts or "action" in parts:
            sweep_action_plugin(report, book, thorough)
        if not parts or "role" in parts:
            for role in sorted((collections / NAMESPACE.replace(".", "/") / "roles").iterdir()):
                sweep_role(report, book, role, thorough)
        if not parts or "files" in parts:
            sweep_files(report, book)
        if real_log:
            logged = log.take()
            report.logged = logged.count("\n")
            report.look("syslog", "all that was logged", {_LOG: logged}, terminal=False)
    finally:
        os.chdir(before)
        shutil.rmtree(home, ignore_errors=True)
    return report


def main() -> int:
    words = sys.argv[1:]
    if "--syslog" in words and _INSIDE not in os.environ:
        return subprocess.run(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", _OWN_DEV, "sh", sys.executable, *sys.argv],
            check=False,
            env={**os.environ, _INSIDE: "1"},
        ).returncode
    report = sweep([word for word in words if word[0] != "-"], "--thorough" in words, "--syslog" in words)
    if "--syslog" in words:
        print(f"{report.logged} messages of playbooks in syslog")
    for leak in report.leaks:
        print(f"{leak.case}: {leak.what} in {leak.where}")
    print(f"{sum(report.tried.values())} cases, {len(report.leaks)} leaks: {report.tried}")
    return 1 if report.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
