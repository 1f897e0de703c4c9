# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage for the integration tests: the installed collection, a PKI, a responder, ways to run.

Tests ask for the fixtures of this file and know nothing else about how a module gets run. That
pytest-ansible does it is known to ``run_module`` and to pytest.ini alone.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "tests" / "tools"), str(CHECKOUT / "tests" / "lab")]

import lab as lab_tool  # noqa: E402
import pki as pki_tool  # noqa: E402

NAMESPACE = "certops.ocsp."
_PATIENCE = 600


def ansible_program(name: str) -> list[str]:
    """The beginning of a command line that runs one of Ansible's programs."""
    program = str(Path(sys.executable).with_name(name))
    if name != "ansible-playbook":
        return [program]
    # What is compiled for this Python is of use where there are no hosts of the lab, of which most have another one.
    python = lab_tool.host_python() if os.environ.get("CERTOPS_LAB") else [sys.executable]
    packed_once = [str(CHECKOUT / "tests/tools/packed_once.py"), "--compiled-by", shlex.join(python)]
    return [sys.executable, *packed_once, str(HOME / "packed"), program]


def run_program(
    name: str, *arguments: str | Path, prefix: t.Sequence[str | Path] = (), **options: t.Any
) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs, from the environment of the tests; ``prefix`` is a command that runs it."""
    return subprocess.run(
        [*map(str, prefix), *ansible_program(name), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
        **options,
    )


def _plain(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options as a task has them; None stands for an option that is not given."""
    given = {name: value for name, value in options.items() if value is not None}
    return {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}


def _install(home: Path) -> Path:
    """Build the collection and install it into an empty folder, as a user does."""
    path = home / "collections"
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(path)}  # what is installed elsewhere does not count

    def galaxy(*arguments: str | Path) -> None:
        done = run_program("ansible-galaxy", "collection", *arguments, cwd=home, env=environment)
        if done.returncode != 0:
            raise pytest.UsageError(f"ansible-galaxy collection {arguments[0]} failed: {done.stdout}{done.stderr}")

    galaxy("build", "--output-path", home, CHECKOUT)
    galaxy("install", "--offline", "--no-deps", "--collections-path", path, next(home.glob("*.tar.gz")))
    return path


# pytest-ansible reads ANSIBLE_COLLECTIONS_PATH as soon as all conftest files are imported.
HOME = Path(tempfile.mkdtemp(prefix="certops-ocsp-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["ANSIBLE_HOME"] = str(HOME / "ansible")
os.environ["ANSIBLE_LOCAL_TEMP"] = os.environ["ANSIBLE_REMOTE_TEMP"] = str(HOME / "tmp")
os.environ["ANSIBLE_NOCOLOR"] = "1"
os.environ["ANSIBLE_COLLECTIONS_PATH"] = os.environ.get("CERTOPS_COLLECTIONS_PATH") or str(_install(HOME))

if not (Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/certops/ocsp/MANIFEST.json").is_file():
    raise pytest.UsageError(f"{os.environ['ANSIBLE_COLLECTIONS_PATH']} contains no installed certops.ocsp.")


class Result(t.NamedTuple):
    """What ``ansible-playbook`` said."""

    rc: int
    output: str

    def count(self, what: str) -> int:
        """A number of the recap, over all hosts: ok, changed, failed, skipped."""
        found = re.findall(rf"\b{what}=(\d+)", self.output)
        if not found:
            raise AssertionError(f"There is no recap in: {self.output}")
        return sum(map(int, found))


Module = t.Callable[..., t.Dict[str, t.Any]]


@pytest.fixture(scope="session")
def inventory() -> Path:
    """This machine, with the Python that runs the tests."""
    path = HOME / "inventory.ini"
    path.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    return path


@pytest.fixture
def run_playbook(inventory: Path, tmp_path: Path) -> t.Callable[..., Result]:
    """Run a playbook, given as its path or as its text; keyword arguments are extra variables."""

    def run(
        playbook: str | Path,
        *,
        check: bool = False,
        diff: bool = False,
        interpreter: str | None = None,
        **variables: t.Any,
    ) -> Result:
        if isinstance(playbook, str):
            path = tmp_path / "playbook.yml"
            path.write_text(playbook)
        else:
            path = playbook
        if interpreter:
            variables["ansible_python_interpreter"] = interpreter
        switches = [*(["--check"] if check else []), *(["--diff"] if diff else [])]
        extra = json.dumps(variables, default=str)
        done = run_program("ansible-playbook", "-i", inventory, "-e", extra, *switches, path)
        return Result(done.returncode, done.stdout + done.stderr)

    return run


@pytest.fixture(scope="session")
def _compiled_modules() -> None:
    """Modules that run from within this process are compiled once, as those of playbooks are."""
    import packed_once  # it imports Ansible, which reads the environment
    from ansible.executor import module_common

    packed_once.keep_compiled(module_common._CachedModule, [sys.executable])


@pytest.fixture
def run_module(
    _compiled_modules: None,
    ansible_adhoc: t.Callable[..., t.Any],
    inventory: Path,
    run_playbook: t.Callable[..., Result],
    tmp_path: Path,
) -> Module:
    """Run a module of the collection through Ansible and return its result."""

    def through_a_playbook(name: str, options: t.Mapping[str, t.Any], **how: t.Any) -> dict[str, t.Any]:
        answer = tmp_path / "answer.json"
        answer.unlink(missing_ok=True)
        task = {NAMESPACE + name: options, "register": "answer", "ignore_errors": True}
        save = {
            "ansible.builtin.copy": {"content": "{{ answer | to_json }}", "dest": str(answer), "mode": "0600"},
            "check_mode": False,
            "diff": False,
        }
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": [task, save]}]
        done = run_playbook(json.dumps(play), **how)
        assert answer.exists(), done.output
        return {**json.loads(answer.read_text()), "output": done.output}

    def run(
        name: str, *, check: bool = False, diff: bool = False, interpreter: str | None = None, **options: t.Any
    ) -> dict[str, t.Any]:
        options = _plain(options)
        if check or diff or interpreter:  # pytest-ansible cannot ask for these
            return through_a_playbook(name, options, check=check, diff=diff, interpreter=interpreter)
        hosts = ansible_adhoc(inventory=str(inventory), connection="local", host_pattern="localhost")
        return dict(getattr(hosts.localhost, NAMESPACE + name)(**options)["localhost"])

    return run


class Direct:
    """A module run as the process that Ansible starts on a host, without Ansible around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What was compiled once is for all of them, and beside nothing that is installed.
        compiled = {"PYTHONPYCACHEPREFIX": str(HOME / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
        self._environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"], **compiled}

    def start(self, name: str, *, powerless: bool = False, **options: t.Any) -> subprocess.Popen[str]:
        """Start it and come back at once; when ``powerless``, permissions count for root too."""
        arguments = _plain(options)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".json", delete=False) as file:
            json.dump({"ANSIBLE_MODULE_ARGS": arguments}, file)
        drop = "-dac_override,-dac_read_search,-fowner"
        prefix = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"] if powerless and os.geteuid() == 0 else []
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", f"ansible_collections.{NAMESPACE}plugins.modules.{name}", file.name],
            env=self._environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def finish(process: subprocess.Popen[str]) -> dict[str, t.Any]:
        """Wait for its result."""
        output, errors = process.communicate(timeout=_PATIENCE)
        assert output, errors
        return {**json.loads(output), "stderr": errors}

    def __call__(self, name: str, *, powerless: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run it and return its result."""
        return self.finish(self.start(name, powerless=powerless, **options))


@pytest.fixture
def run_directly(tmp_path_factory: pytest.TempPathFactory) -> Direct:
    """Run a module as its own process: ten times faster, and it can be killed."""
    return Direct(tmp_path_factory.mktemp("arguments"))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> pki_tool.Pki:
    """A private PKI with the leaves of ``pki.LEAVES`` and an expired one."""
    authority = pki_tool.Pki(tmp_path_factory.mktemp("pki") / "files").make()
    authority.issue("expired.example.com", key="ec", period=("20240101000000Z", "20250101000000Z"))
    return authority


@pytest.fixture(scope="session")
def _running_responder(pki: pki_tool.Pki) -> t.Iterator[pki_tool.Responder]:
    with pki_tool.Responder(pki) as running:
        yield running


@pytest.fixture
def responder(_running_responder: pki_tool.Responder) -> pki_tool.Responder:
    """The real responder, answering for a week and without a request counted."""
    _running_responder.lifetime(10080)
    _running_responder.requests.clear()
    return _running_responder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for staples, in which nothing else may appear."""
    path = tmp_path / "staples"
    path.mkdir()
    return path


@pytest.fixture
def leaf(pki: pki_tool.Pki) -> pki_tool.Leaf:
    """The certificate of most tests."""
    return pki.leaf("rsa.example.com")


@pytest.fixture
def revoked(pki: pki_tool.Pki) -> t.Iterator[pki_tool.Leaf]:
    """A certificate that is good when a test begins and that the test may revoke."""
    name = f"revoked-{len(list(pki.home.glob('revoked-*.key')))}.example.com"
    yield pki.issue(name, key="ec")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[lab_tool.Lab]:
    """Real hosts: none at first. Only where CERTOPS_LAB asks for them."""
    if not os.environ.get("CERTOPS_LAB"):
        pytest.skip("CERTOPS_LAB is not set; script/test lab sets it")
    reason = lab_tool.reason_not_to()
    if reason:
        raise pytest.UsageError(f"There can be no lab: it {reason}.")
    with lab_tool.Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def lab_pki(lab: lab_tool.Lab, tmp_path_factory: pytest.TempPathFactory) -> pki_tool.Pki:
    """A private PKI whose responder is to be at the address of the lab."""
    return pki_tool.Pki(tmp_path_factory.mktemp("lab-pki") / "files").make({}, address=lab.address)


@pytest.fixture(scope="module")
def ca(
    lab: lab_tool.Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> t.Iterator[t.Any]:
    """A real ACME CA in the lab, of its own for each file of tests."""
    import acme_support
    import pebble

    try:
        running = acme_support.Ca(lab, tmp_path_factory.mktemp("ca"), acme_support.VERSION)
        pebble.fetch_collections(acme_support.CACHE)
    except pebble.UnavailableError as problem:
        pytest.skip(f"there is no ACME CA: {problem}")
    # Whether it still knows an authorization is chance otherwise.
    settings = ["--set", "PEBBLE_AUTHZREUSE=0"]
    # It refuses one good nonce of twenty. Our role is to withstand that; other clients give up at the second.
    if request.module.__name__.startswith("test_renewed_by_"):
        settings += ["--set", "PEBBLE_WFE_NONCEREJECT=0"]
    running.start(*settings)
    yield running
    running.stop()


@pytest.fixture
def controller(ca: t.Any, tmp_path: Path) -> t.Any:
    """An empty folder of a controller."""
    import acme_support

    return acme_support.Controller(ca, tmp_path / "controller")


@pytest.fixture
def add_host(lab: lab_tool.Lab) -> t.Iterator[t.Callable[..., lab_tool.Host]]:
    """Start hosts for a test, which are removed after it."""
    hosts: list[lab_tool.Host] = []

    def add(name: str, *services: str, suite: str = "bookworm") -> lab_tool.Host:
        hosts.append(lab.add(name, services or ("none",), suite))
        return hosts[-1]

    yield add
    for host in hosts:
        lab.remove(host)


#: Takes all certificates from a host, and leaves the program with its settings.
_FORGET = """
systemctl stop 'ocsp-stapling*.service'
rm -f /etc/nginx/sites-enabled/tls /etc/nginx/conf.d/*
systemctl restart nginx
for folder in conf.d live parts sets snippets; do rm -rf /etc/ocsp-stapling/$folder/*; done
[ ! -d /var/lib/ocsp-stapling ] || find /var/lib/ocsp-stapling -type f -delete
"""


@pytest.fixture(scope="session")
def _used_host(lab: lab_tool.Lab) -> lab_tool.Host:
    return lab.add("used", ("nginx", "dovecot"))


@pytest.fixture
def host(_used_host: lab_tool.Host) -> t.Iterator[lab_tool.Host]:
    """A host with nginx and Dovecot that tests have one after the other: without certificates, often with the program.

    For tests of what is not about a first deployment, which costs twice as much as any other.
    """
    yield _used_host
    _used_host.run("sh", "-c", _FORGET)


@pytest.fixture
def play(lab: lab_tool.Lab, tmp_path: Path) -> t.Callable[..., Result]:
    """Run the role on all hosts of the lab, or on some; keyword arguments are its variables without their prefix."""

    def run(
        *hosts: lab_tool.Host,
        check: bool = False,
        diff: bool = False,
        tasks: t.Sequence[t.Mapping[str, t.Any]] = (),
        **variables: t.Any,
    ) -> Result:
        role = {
            "role": "certops.ocsp.ocsp_stapling",
            "vars": {f"ocsp_stapling_{name}": value for name, value in variables.items()},
        }
        chosen = ",".join(host.name for host in hosts) or "all"
        path = tmp_path / "role.yml"
        play = {"hosts": chosen, "gather_facts": False, "roles": [role], "post_tasks": list(tasks)}
        path.write_text(json.dumps([play], default=str))
        switches = [*(["--check"] if check else []), *(["--diff"] if diff else [])]
        done = run_program(
            "ansible-playbook", "-i", lab.inventory, *switches, path, env={**os.environ, "ANSIBLE_PIPELINING": "true"}
        )
        return Result(done.returncode, done.stdout + done.stderr)

    return run
