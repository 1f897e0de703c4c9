# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the program importable as it lies on a host: its rooms beside the core."""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[3]
_LIBRARY = Path(tempfile.mkdtemp(prefix="ocsp-stapling-lib-"))
atexit.register(shutil.rmtree, _LIBRARY, ignore_errors=True)
(_LIBRARY / "ocsp").symlink_to(_CHECKOUT / "plugins/module_utils/ocsp")
(_LIBRARY / "ocsp_stapling").symlink_to(_CHECKOUT / "roles/ocsp_stapling/files/ocsp_stapling")
sys.path.insert(0, str(_LIBRARY))
# The launcher has Python ignore the environment, and so what would keep the checkout free of compiled files. To compile
# all of the program takes each process longer than the rest of its work, so they are here.
_PYTHON = _LIBRARY / "python"
_PYTHON.write_text(f'#!/bin/sh\nexec "{sys.executable}" -X pycache_prefix={_LIBRARY}/compiled "$@"\n')
_PYTHON.chmod(0o755)


@pytest.fixture(scope="session")
def library() -> Path:
    """What is /usr/local/lib/ocsp-stapling on a host."""
    return _LIBRARY


@pytest.fixture(autouse=True, scope="session")
def _one_parser() -> None:
    """Make the parser of the command line once, and not for each of thousands of runs: it is the same for all."""
    from ocsp_stapling import cli

    cli._parser = functools.cache(cli._parser)


@pytest.fixture
def host(tmp_path: Path, library: Path) -> t.Iterator[t.Any]:
    """A host with folders of its own and a responder on the loopback."""
    from ansible_collections.certops.ocsp.tests.unit.program.host import Host  # it needs the path that is set above

    with Host(tmp_path, library) as one:
        yield one
