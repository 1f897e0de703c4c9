# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides: their examples work, and what they name exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import codes
from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_wanted, _groups
from ansible_collections.certops.ocsp.tests.unit import ansible_program

CHECKOUT = Path(__file__).resolve().parents[3]
RST = CHECKOUT / "docs" / "docsite" / "rst"
GUIDES = sorted(RST.glob("*.rst"))
PAGES = [*GUIDES, CHECKOUT / "README.md", CHECKOUT / "extensions" / "monitoring" / "README.md"]
REPOSITORY = "https://github.com/certops/ansible-ocsp/blob/main/"
RULES = CHECKOUT / "extensions" / "monitoring" / "prometheus" / "ocsp-stapling.rules.yml"
ROLE = CHECKOUT / "roles" / "ocsp_stapling"
ACME = CHECKOUT / "roles" / "acme_certificates"
NAMESPACE = "certops.ocsp."

_RST_BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n\n((?:(?:\1 +.*)?\n)+)", re.MULTILINE)
_MARKDOWN_BLOCK = re.compile(r"^()```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Block(t.NamedTuple):
    """An example of a page."""

    page: Path
    language: str
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    pattern = _RST_BLOCK if page.suffix == ".rst" else _MARKDOWN_BLOCK
    return [
        Block(page, match.group(2), textwrap.dedent(match.group(3)), text.count("\n", 0, match.start()) + 1)
        for match in pattern.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def examples(*languages: str) -> t.Any:
    """Parametrize by the blocks in these languages."""
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: f"{block.page.name}-{block.line}")


def test_there_are_examples() -> None:
    for page in GUIDES:
        blocks = re.findall(r"^ *\.\. code-block::", page.read_text(), re.MULTILINE)
        assert len(blocks_of(page)) == len(blocks), page
    assert len([block for block in BLOCKS if block.language == "yaml"]) > 10


def plays(block: Block) -> list[dict[str, t.Any]]:
    """The plays of an example, one made of it where it has tasks only, none where it has variables only."""
    value = yaml.safe_load(block.text)
    if isinstance(value, dict):
        return []
    if all("hosts" in play for play in value):
        return t.cast("list[dict[str, t.Any]]", value)
    handlers = [{"name": "Reload nginx", "ansible.builtin.meta": "noop"}]
    return [{"name": "Try an example", "hosts": "localhost", "tasks": value, "handlers": handlers}]


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections in which the checkout is certops.ocsp."""
    return ansible_program.link_checkout(tmp_path_factory.mktemp("collections"))


def run_ansible(name: str, collections: Path, *arguments: str | Path) -> str:
    """Run one of Ansible's programs, and return what it prints."""
    done = ansible_program.run_ansible(name, collections, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_playbooks_are_accepted(collections: Path, tmp_path: Path) -> None:
    playbooks = []
    for block in BLOCKS:
        made = plays(block) if block.language == "yaml" else []
        if made:
            playbooks.append(tmp_path / f"{block.page.stem}-{block.line}.yml")
            playbooks[-1].write_text(yaml.safe_dump(made))
    assert len(playbooks) > 10
    run_ansible("ansible-playbook", collections, "--syntax-check", "-i", "localhost,", *playbooks)


def problems_of(spec: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any]) -> list[str]:
    return list(ArgumentSpecValidator(dict(spec)).validate(dict(values)).error_messages)


def spec_of(documented: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options as documented, as an argument spec."""
    spec = {}
    for name, option in documented.items():
        spec[name] = {key: option[key] for key in ("type", "elements", "choices", "required") if key in option}
        if option.get("suboptions"):
            spec[name]["options"] = spec_of(option["suboptions"])
    return spec


@pytest.fixture(scope="session")
def module_specs(collections: Path) -> dict[str, dict[str, t.Any]]:
    """The options of each module of the collection."""
    names = [NAMESPACE + path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py")]
    documented = json.loads(run_ansible("ansible-doc", collections, "--json", *names))
    return {name: spec_of(documented[name]["doc"]["options"]) for name in names}


def all_tasks(play: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    for section in ("pre_tasks", "tasks", "post_tasks", "handlers"):
        yield from play.get(section) or []


@examples("yaml")
def test_options_of_modules_exist(block: Block, module_specs: dict[str, dict[str, t.Any]]) -> None:
    for play in plays(block):
        for task in all_tasks(play):
            for key in task:
                if key.startswith(NAMESPACE):
                    assert problems_of(module_specs[key], task[key]) == []


def role_options(role: Path = ROLE) -> dict[str, t.Any]:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    return t.cast("dict[str, t.Any]", specs["argument_specs"]["main"]["options"])


def role_variables(block: Block) -> t.Iterator[dict[str, t.Any]]:
    """The variables for the role that an example gives."""
    value = yaml.safe_load(block.text)
    if isinstance(value, dict):
        yield value
        return
    for play in plays(block):
        for role in play.get("roles") or []:
            yield {**play.get("vars", {}), **role.get("vars", {})}


@examples("yaml")
def test_variables_of_the_role_exist(block: Block, module_specs: dict[str, dict[str, t.Any]]) -> None:
    options_of_a_response = set(module_specs[NAMESPACE + "ocsp_response"])
    for variables in role_variables(block):
        given = {name: value for name, value in variables.items() if name.startswith("ocsp_stapling_")}
        assert problems_of(role_options(), given) == []
        assert _groups.read([given.get("ocsp_stapling_certificates", {})]).faults == []
        assert _groups.read_services(given.get("ocsp_stapling_services", {})) == []
        assert set(given.get("ocsp_stapling_options", {})) <= options_of_a_response


@examples("yaml")
def test_variables_of_the_role_for_acme_exist(block: Block) -> None:
    options = role_options(ACME)
    spec = spec_of({name: {**option, "required": False} for name, option in options.items()})
    names = {key: f"acme_certificates_{key}" for key in _acme_wanted.KEYS}
    for variables in role_variables(block):
        given = {name: value for name, value in variables.items() if name.startswith("acme_certificates_")}
        assert problems_of(spec, given) == []
        # What is deployed alone may be called anything.
        if "acme_certificates_directory" in given:
            groups = _groups.read([variables["ocsp_stapling_certificates"]])
            values = {key: given.get(name, options[name]["default"]) for key, name in names.items()}
            assert _acme_wanted.read(groups.obtainable, values)[1] == []


@examples("shell")
def test_shell_is_understood(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_variables_that_are_mentioned_exist() -> None:
    for page in PAGES:
        mentioned = set(re.findall(r"`((?:ocsp_stapling|acme_certificates)_[a-z_]+)`", page.read_text()))
        tasks = {"acme_certificates_dns_state", "acme_certificates_dns_records"}
        assert mentioned - metrics() - tasks <= {*role_options(), *role_options(ACME)}, page


def test_commands_that_are_mentioned_exist(tmp_path: Path) -> None:
    """Each ``ocsp-stapling COMMAND --option`` of the pages and the alerts is one that the program knows."""
    # Copies, since the launcher lets Python write beside what it reads.
    shutil.copytree(CHECKOUT / "plugins" / "module_utils" / "ocsp", tmp_path / "ocsp")
    shutil.copytree(ROLE / "files" / "ocsp_stapling", tmp_path / "ocsp_stapling")
    groups = yaml.safe_load(RULES.read_text())["groups"]
    texts = [rule["annotations"]["description"] for group in groups for rule in group["rules"]]
    mentioned: dict[str, set[str]] = {}
    for text in [*texts, *(page.read_text() for page in PAGES)]:
        for command, rest in re.findall(r'(?:[`"]|; )ocsp-stapling ([a-z]+)((?: [^`";]+)?)[`";]', text):
            mentioned.setdefault(command, set()).update(re.findall(r"--[a-z-]+", rest))
    assert {"status", "refresh", "apply", "check", "reload"} <= set(mentioned)
    for command, options in mentioned.items():
        done = subprocess.run(
            ["sh", str(ROLE / "files" / "ocsp-stapling"), command, "--help"],
            env={**os.environ, "OCSP_STAPLING_LIB": str(tmp_path), "OCSP_STAPLING_PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert options <= set(re.findall(r"--[a-z-]+", done.stdout)), command


def metrics() -> set[str]:
    """The metrics of the guide in which they are described."""
    return set(re.findall(r"^   \* - ``(ocsp_stapling_\w+)``$", (RST / "monitoring.rst").read_text(), re.MULTILINE))


def test_the_guide_lists_all_reason_codes() -> None:
    guide = (RST / "operations.rst").read_text()
    section = guide[guide.index("Reason codes\n----") : guide.index("Files on a host\n----")]
    listed = re.findall(r"^   \* - ``(\w+)``$", section, re.MULTILINE)
    assert sorted(listed) == sorted(code.name for code in codes.CODES)
    assert set(re.findall(r"^\.\. BEGIN reason codes: (\w+)", section, re.MULTILINE)) == set(codes.AREAS)


def test_the_readme_lists_the_checks_and_points_to_all_codes() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    section = readme[readme.index("## Reason codes") : readme.index("## Testing")]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == codes.JUDGEMENT_CODES
    assert "/docs/docsite/rst/operations.rst#reason-codes)" in section


def test_documentation_of_a_look_at_servers_lists_its_codes(collections: Path) -> None:
    name = NAMESPACE + "ocsp_staple_info"
    returned = json.loads(run_ansible("ansible-doc", collections, "--json", name))[name]["return"]
    described = {
        codes.PROBE: returned["error"]["contains"]["code"]["description"],
        codes.SERVED: returned["certificates"]["contains"]["findings"]["description"],
    }
    for area, sentences in described.items():
        assert tuple(re.findall(r"^V\((\w+)\)", "\n".join(sentences), re.MULTILINE)) == codes.of_area(area)


#: Where other pages put reason codes into a table of their own, and what else stands there in the same type.
OTHER_TABLES = {
    "look_at_servers.rst": ("What servers do with a staple file", {"openssl s_server", "ssl_stapling_file"}),
    "private_pki.rst": ("Most private responders need no special settings.", {"unauthorized", "https"}),
}


@pytest.mark.parametrize("page", OTHER_TABLES)
def test_reason_codes_in_other_tables_exist(page: str) -> None:
    beginning, others = OTHER_TABLES[page]
    text = (RST / page).read_text().partition(beginning)[2]
    table = text[text.index(".. list-table::") :]
    cells = re.findall(r"^   \* - (.*)\n", table, re.MULTILINE)
    if page == "look_at_servers.rst":
        cells += re.findall(r"^     - (.*)\n", table, re.MULTILINE)
    mentioned = {code for cell in cells for code in re.findall(r"``([^`]+)``", cell)}
    assert len(mentioned) > 5 and mentioned - others <= {code.name for code in codes.CODES}


def test_links_between_guides_lead_somewhere() -> None:
    labels = {label for page in GUIDES for label in re.findall(r"^\.\. _([\w.]+):$", page.read_text(), re.MULTILINE)}
    for page in GUIDES:
        assert f"ansible_collections.certops.ocsp.docsite.{page.stem}" in labels
        for target in re.findall(r":ref:`[^`]*<([\w.]+)>`", page.read_text()):
            assert target in labels, f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_into_the_repository_lead_to_files(page: Path) -> None:
    for path in re.findall(re.escape(REPOSITORY) + r"([^\s#)>`]+)", page.read_text()):
        # The first release makes the changelog.
        assert path == "CHANGELOG.md" or (CHECKOUT / path).is_file(), path


def test_each_guide_is_listed() -> None:
    sections = yaml.safe_load((CHECKOUT / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    assert sorted(name for section in sections for name in section["toctree"]) == [page.stem for page in GUIDES]


def test_pages_begin_with_what_they_are_for() -> None:
    """A heading, and then a paragraph: nobody has to scroll to learn whether to read on."""
    for page in GUIDES:
        paragraph = page.read_text().split("=\n\n", 1)[1].split("\n\n", 1)[0]
        assert re.search(r"\bthis page\b", paragraph, re.IGNORECASE), page


def needs_root(play: t.Mapping[str, t.Any]) -> bool:
    """Whether the play is refused without root."""
    roles = [role["role"] if isinstance(role, dict) else role for role in play.get("roles") or []]
    modules = {f"{NAMESPACE}certificate_set", f"{NAMESPACE}stapling_program"}
    mine = {f"{NAMESPACE}ocsp_stapling", f"{NAMESPACE}acme_certificates"}
    return bool(mine & {*roles}) or any(modules & {*task} for task in all_tasks(play))


def test_plays_become_root_where_they_have_to() -> None:
    found = [(block, play) for block in BLOCKS if block.language == "yaml" for play in plays(block) if needs_root(play)]
    assert len(found) > 5
    assert [f"{block.page.name}:{block.line}" for block, play in found if play.get("become") is not True] == []
    assert "      become: true\n" in (ROLE / "README.md").read_text()


def test_what_writes_below_etc_becomes_root() -> None:
    """In the README, which is what most people copy from."""
    for block in BLOCKS:
        if block.page.name == "README.md" and block.language == "yaml":
            for play in plays(block):
                for task in all_tasks(play):
                    path = str(task.get(f"{NAMESPACE}ocsp_response", {}).get("path", ""))
                    assert not path.startswith("/etc/") or play.get("become") or task.get("become"), block.line
