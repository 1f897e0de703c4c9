# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare ansible-test and a home for it on a network that has a package index and nothing else.

    python tests/tools/ansible_test_home.py HOME

ansible-test clears the environment, so that pip finds its settings only in that home. And it gets pip by a script from
a server of Ansible's: pip itself, from the index that everything else comes from, does as well. Requirements that are
snapshots from GitHub become the releases of the index. Run this with the Python that ansible-test is installed for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import ansible_test

PIP = [sys.executable, "-m", "pip"]
GET_PIP = """\
import sys
sys.path.insert(0, {folder!r})
from pip._internal.cli.main import main
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--ignore-installed", *words]))
"""


def pip_settings() -> dict[str, str]:
    """What pip's files and environment say: later sources win, as in pip itself."""
    listed = subprocess.run([*PIP, "config", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    settings = {"quiet": "1"}
    for scope in ("global", "user", ":env:"):
        for name, value in re.findall(rf"^{scope}\.([a-z-]+)=(.*)$", listed, re.MULTILINE):
            if name != "config-file":
                settings[name] = value.strip("'\"")
    return settings


def write_settings(home: Path) -> None:
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in pip_settings().items()))
    os.replace(new, path)


def provide_pip(home: Path) -> None:
    """Leave a script in ansible-test's cache that runs the version of pip that it wants."""
    requirements = Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text()
    version = re.findall(r"\bpip='([0-9.]+)", requirements)[0]
    cache = home / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    folder = str(cache / "pip")
    subprocess.run([*PIP, "install", "--quiet", "--upgrade", "--no-deps", "-t", folder, f"pip=={version}"], check=True)
    script.write_text(GET_PIP.format(folder=folder))


def take_releases() -> None:
    """Replace ``NAME @ URL`` in the requirements of the sanity tests, as candidates for a release may have it."""
    for path in Path(ansible_test.__path__[0], "_data", "requirements").glob("*.txt"):
        text = path.read_text()
        wanted = re.sub(r"^(\S+) @ https://\S+$", r"\1", text, flags=re.MULTILINE)
        if wanted != text:
            path.write_text(wanted)


def main() -> None:
    home = Path(sys.argv[1])
    write_settings(home)
    provide_pip(home)
    take_releases()


if __name__ == "__main__":
    main()
