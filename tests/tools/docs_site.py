# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the documentation site: the guides, the modules and the roles, as antsibull-docs and Sphinx make it.

docs_site.py                    fail on any warning, and on a page that is missing
docs_site.py --output FOLDER    and leave the HTML there

Needs antsibull-docs, sphinx, sphinx-ansible-theme and ansible-core beside the Python that runs it. No network is used.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zlib
from pathlib import Path

import ansible.modules

CHECKOUT = Path(__file__).resolve().parents[2]
COLLECTION = "certops.ocsp"
GUIDES = CHECKOUT / "docs" / "docsite" / "rst"

#: What pages refer to in Ansible's own documentation, and where it is there. The skeleton would fetch such lists from
#: four servers with each build. With a list of our own the links lead to the same places, the build needs no network,
#: and a reference to anything else is a mistake that it reports.
ANSIBLE_DOCS = "https://docs.ansible.com/projects/ansible/latest/"
ANSIBLE_LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    **{
        f"ansible_collections.community.crypto.{module}_module": f"collections/community/crypto/{module}_module.html"
        for module in ("acme_certificate_order_create", "acme_certificate_renewal_info")
    },
}

#: Added to the conf.py of the skeleton.
_SETTINGS = f"""
extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
intersphinx_mapping = {{"ansible": ("{ANSIBLE_DOCS}", "../ansible.inv")}}
"""


def labels() -> dict[str, str]:
    """What pages may refer to in Ansible's documentation: the labels above, and all modules of ansible.builtin."""
    names = [module.name for module in pkgutil.iter_modules(ansible.modules.__path__)]
    modules = {
        f"ansible_collections.ansible.builtin.{name}_module": f"collections/ansible/builtin/{name}_module.html"
        for name in names
    }
    return {**ANSIBLE_LABELS, **modules}


def inventory(places: t.Mapping[str, str]) -> bytes:
    """A list of labels in the format of Sphinx's objects.inv, version 2."""
    head = "# Sphinx inventory version 2\n# Project: ansible\n# Version: \n# Rest is compressed with zlib.\n"
    lines = "".join(f"{label} std:label -1 {page} -\n" for label, page in sorted(places.items()))
    return head.encode() + zlib.compress(lines.encode())


def pages() -> dict[str, str]:
    """The pages that the site must have, each with the file that it is made from."""
    made = {f"docsite/{path.stem}": path for path in GUIDES.glob("*.rst")}
    made |= {f"{path.stem}_module": path for path in (CHECKOUT / "plugins" / "modules").glob("*.py")}
    made |= {f"{path.parents[1].name}_role": path for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml")}
    return {page: str(path.relative_to(CHECKOUT)) for page, path in made.items()}


def build(folder: Path) -> Path:
    """Build the site in an empty folder, and return the one with the HTML; raises CalledProcessError."""
    place = folder / "collections" / "ansible_collections" / Path(*COLLECTION.split("."))
    place.parent.mkdir(parents=True)
    place.symlink_to(CHECKOUT)
    site, html = folder / "site", folder / "html"
    site.mkdir()
    (site / "rst").mkdir(mode=0o755)  # antsibull-docs refuses a folder that others may write to
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_HOME": str(folder / "home"),
        "LC_ALL": "C.UTF-8",
    }

    def run(*command: str | Path, output: int | None = None) -> None:
        arguments = [*map(str, command)]
        subprocess.run(arguments, env=environment, cwd=site, stdin=subprocess.DEVNULL, stdout=output, check=True)

    # The collection is the whole site, so its index is the first page.
    common = ["--use-current", "--squash-hierarchy", "--fail-on-error", COLLECTION]
    names = ["--title", COLLECTION, "--project", COLLECTION, "--copyright", f"{COLLECTION} contributors"]
    # It would advise to run the script that it writes, which lacks the settings below.
    run("antsibull-docs", "sphinx-init", "--dest-dir", site, *names, *common, output=subprocess.DEVNULL)
    with (site / "conf.py").open("a", encoding="utf-8") as configuration:
        configuration.write(_SETTINGS)
    (site / "ansible.inv").write_bytes(inventory(labels()))
    run("antsibull-docs", "--config-file", "antsibull-docs.cfg", "collection", "--dest-dir", "rst", *common)
    run("sphinx-build", "-q", "-W", "--keep-going", "-n", "-b", "html", "-c", site, "-d", folder / "trees", "rst", html)
    return html


def missing(html: Path) -> list[str]:
    """One sentence for each page that the site should have and does not."""
    return [
        f"the site has no page of {source}"
        for page, source in sorted(pages().items())
        if not (html / f"{page}.html").exists()
    ]


def main() -> None:
    """Build the site, and say what is wrong with it or where it is."""
    parser = argparse.ArgumentParser(description="Build the documentation site, and fail on any warning.")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="leave the HTML in this folder")
    output: Path | None = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="certops-ocsp-docs-") as folder:
        try:
            html = build(Path(folder))
        except FileNotFoundError as error:
            sys.exit(f"{error.filename} is needed to build the site: pip install antsibull-docs sphinx-ansible-theme")
        except subprocess.CalledProcessError as error:
            sys.exit(f"{error.cmd[0]} failed; see above")
        said = missing(html)
        if output is not None:
            shutil.copytree(html, output, dirs_exist_ok=True)
            print(f"The site is in {output.resolve() / 'index.html'}")
    sys.exit("\n".join(said) or 0)


if __name__ == "__main__":
    main()
