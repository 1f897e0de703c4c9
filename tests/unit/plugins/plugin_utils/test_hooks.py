# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks of the role, run as the clients run them: what the program is told, whatever is in a name or a path."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import renewed
from ansible_collections.certops.ocsp.plugins.plugin_utils import _program

#: Names and paths that a shell would take for something else.
ODD = ("plain", "with space", "$(touch pwned)", "`touch pwned`", "; touch pwned", "-n", "a'b\"c", "*", "new\nline", "")


class Hooks:
    """The hooks below a folder, and a program that notes its arguments."""

    def __init__(self, home: Path) -> None:
        self.home, self.told = home, home / "told.json"
        program = home / "program"
        script = f"#!{sys.executable} -I\nimport json, sys\njson.dump(sys.argv[1:], open({str(self.told)!r}, 'w'))\n"
        program.write_text(script)
        program.chmod(0o755)
        self.variables = {"__ocsp_stapling_program": str(program), "__ocsp_stapling_libexec": str(home / "libexec")}

    def render(self, template: str) -> Path:
        text = (_program.ROLE / "templates" / "hooks" / f"{template}.j2").read_text()
        path = self.home / template
        path.write_text(jinja2.Template(text, keep_trailing_newline=True).render(self.variables))
        path.chmod(0o755)
        return path

    def run(self, *command: str, **environment: str) -> t.Optional[t.List[str]]:
        """The arguments that the program had, or None where it was not run."""
        self.told.unlink(missing_ok=True)
        subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, check=True, cwd=self.home)
        assert not (self.home / "pwned").exists()
        return json.loads(self.told.read_text()) if self.told.exists() else None


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return Hooks(tmp_path)


def told(key: str, certificate: str, name: str) -> t.List[str]:
    return ["deploy", "--hook", "--key", key, "--certificate", certificate, "--", name]


@pytest.mark.parametrize("odd", ODD)
def test_certbot(hooks: Hooks, odd: str) -> None:
    lineage = f"/srv/{odd}/live/{odd}"
    done = hooks.run(str(hooks.render("certbot")), RENEWED_LINEAGE=lineage, RENEWED_DOMAINS=f"{odd} {odd}")
    assert done == told(f"{lineage}/privkey.pem", f"{lineage}/fullchain.pem", odd)


@pytest.mark.parametrize("odd", ODD)
def test_acme_sh(hooks: Hooks, odd: str) -> None:
    variables = {"Le_Domain": odd, "CERT_KEY_PATH": f"/k{odd}", "CERT_FULLCHAIN_PATH": f"/c{odd}"}
    assert hooks.run(str(hooks.render("acme.sh")), **variables) == told(f"/k{odd}", f"/c{odd}", odd)
    # As acme.sh runs a deploy hook: it reads the file and calls the function that is named like it.
    script = f'. {hooks.render("acme.sh-deploy")}; ocsp_stapling_deploy "$@"'
    arguments = [odd, f"/k{odd}", f"/leaf{odd}", f"/ca{odd}", f"/c{odd}"]
    assert hooks.run("sh", "-c", script, "acme.sh", *arguments) == told(f"/k{odd}", f"/c{odd}", odd)


@pytest.mark.parametrize("odd", [one for one in ODD if one])
@pytest.mark.parametrize("prefix", ["LEGO", "LEGO_HOOK"])
def test_lego(hooks: Hooks, odd: str, prefix: str) -> None:
    name = "CERT_DOMAIN" if prefix == "LEGO" else "CERT_NAME"
    variables = {f"{prefix}_{name}": odd, f"{prefix}_CERT_KEY_PATH": f"/k{odd}", f"{prefix}_CERT_PATH": f"/c{odd}"}
    assert hooks.run(str(hooks.render("lego")), **variables) == told(f"/k{odd}", f"/c{odd}", odd)


@pytest.mark.parametrize("odd", ODD)
def test_dehydrated(hooks: Hooks, odd: str) -> None:
    hook = str(hooks.render("dehydrated"))
    arguments = [odd, f"/k{odd}", f"/leaf{odd}", f"/c{odd}", f"/ca{odd}", "1700000000"]
    assert hooks.run(hook, "deploy_cert", *arguments) == told(f"/k{odd}", f"/c{odd}", odd)
    for step in ("startup_hook", "deploy_challenge", "clean_challenge", "unchanged_cert", "exit_hook", odd):
        assert hooks.run(hook, step, *arguments) is None
    assert hooks.run(hook) is None


def test_a_hook_of_dehydrated_that_is_set_stays(hooks: Hooks) -> None:
    config = hooks.render("dehydrated-config")
    for before, after in (("", f"{hooks.home}/libexec/dehydrated"), ("/srv/my hook", "/srv/my hook")):
        script = 'HOOK="$1"; . "$2"; printf %s "$HOOK"'
        shown = subprocess.check_output(["bash", "-euc", script, "bash", before, str(config)], text=True)
        assert shown == after


@pytest.mark.parametrize("odd", ODD)
def test_certmonger(hooks: Hooks, odd: str) -> None:
    assert hooks.run(str(hooks.render("certmonger")), odd) == ["deploy", "--hook", "--", odd]


def test_each_client_has_hooks_and_each_hook_a_client() -> None:
    found = yaml.safe_load((_program.ROLE / "vars" / "main.yml").read_text())["__ocsp_stapling_hooks"]
    assert list(found) == list(renewed.CLIENTS)
    templates = sorted(f"{file['template']}.j2" for files in found.values() for file in files)
    assert templates == sorted(path.name for path in (_program.ROLE / "templates" / "hooks").iterdir())


def test_they_are_posix(hooks: Hooks) -> None:
    """As sh reads them, which is dash on Debian."""
    for path in (_program.ROLE / "templates" / "hooks").iterdir():
        subprocess.run(["sh", "-n", hooks.render(path.name[:-3])], check=True)
