# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests need of the one who runs them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _can(*command: str) -> bool:
    """Whether a command is there and succeeds."""
    done = shutil.which(command[0]) and subprocess.run(command, check=False, capture_output=True)
    return bool(done) and done.returncode == 0


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
MOUNTING = pytest.mark.skipif(
    not _can("unshare", "--mount", "true"), reason="only root may mount, and not in a container without CAP_SYS_ADMIN"
)
_AS_USER = ("setpriv", "--reuid=64711", "--regid=64711", "--clear-groups")
#: For what users hide in namespaces of their own, which some distributions keep for root.
USER_NAMESPACES = pytest.mark.skipif(
    not _can(*_AS_USER, "unshare", "--user", "--map-root-user", "--pid", "--fork", "true"),
    reason="this kernel lets no user make a namespace, so that none can hide in one",
)
