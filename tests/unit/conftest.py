# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable as ansible_collections.certops.ocsp, with or without Ansible."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

# The same examples on each machine, and no test that fails because a machine is busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

CHECKOUT = Path(__file__).resolve().parents[2]

if CHECKOUT.parts[-3:] != ("ansible_collections", "certops", "ocsp"):
    _root = Path(tempfile.mkdtemp(prefix="certops-ocsp-"))
    atexit.register(shutil.rmtree, _root, ignore_errors=True)
    _link = _root / "ansible_collections" / "certops" / "ocsp"
    _link.parent.mkdir(parents=True)
    _link.symlink_to(CHECKOUT)
    sys.path.insert(0, str(_root))


@pytest.fixture(autouse=True, scope="session")
def _power_stays_on() -> t.Iterator[None]:
    """Flush no file to the disk.

    What that is for is a machine that loses its power, which none does here; and each flush waits for all that other
    processes write. Tests of when there is one note the calls themselves.
    """
    with mock.patch.object(os, "fsync", os.fstat):  # which refuses the same descriptors
        yield
