# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandboxes of the units on hosts have what they are made of; C(test_program) asks systemd itself."""

from __future__ import annotations

from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/templates"

_BOTH = frozenset(
    {
        "AmbientCapabilities=",
        "DevicePolicy=closed",
        "KeyringMode=private",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
        "ProcSubset=pid",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHome=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectProc=invisible",
        "ProtectSystem=strict",
        "RemoveIPC=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "SystemCallErrorNumber=EPERM",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "UMask=0077",
    }
)
DIRECTIVES = {
    "ocsp-stapling": {
        "CapabilityBoundingSet=",
        "InaccessiblePaths=-/run/lock -/dev/shm -/dev/mqueue -/run/dbus -/run/systemd/notify",
        "MemoryMax=256M",
        "PrivateUsers=yes",
        "ReadOnlyPaths=/run",
        "ReadWritePaths={{ __ocsp_stapling_state }}/responses",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SocketBindDeny=tcp",
        "TasksMax={{ ocsp_stapling_workers | int * 6 + 32 }}",
        "TimeoutStartSec=20min",
        "TimeoutStopSec=10s",
        "User={{ __ocsp_stapling_user }}",
    },
    "ocsp-stapling-apply": {
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER",
        "IPAddressDeny=any",
        "MemoryMax=512M",
        "PrivateNetwork=yes",
        "ReadOnlyPaths={{ __ocsp_stapling_state }}/responses",
        "RestrictAddressFamilies=AF_UNIX",
        "TimeoutStartSec=10min",
    },
}


@pytest.mark.parametrize("unit", DIRECTIVES)
def test_the_directives_of_the_sandboxes_are_there(unit: str) -> None:
    lines = set((TEMPLATES / f"{unit}.service.j2").read_text(encoding="utf-8").splitlines())
    assert (_BOTH | DIRECTIVES[unit]) - lines == set()


def test_what_deploys_has_no_devices_for_want_of_rights() -> None:
    """PrivateDevices would take the same from it, but needs an inode of a /tmp that any user can fill."""
    lines = (TEMPLATES / "ocsp-stapling-deploy.service.j2").read_text(encoding="utf-8").splitlines()
    bounding = [line for line in lines if line.startswith("CapabilityBoundingSet=")]
    assert bounding and all(line.startswith("CapabilityBoundingSet=~") for line in bounding)
    assert {"CAP_MKNOD", "CAP_SYS_RAWIO"} <= set(" ".join(bounding).replace("~", " ").replace("=", " ").split())
    assert "DevicePolicy=closed" in lines and any("@raw-io" in line for line in lines)


@pytest.mark.parametrize("unit", DIRECTIVES)
def test_nothing_is_added_that_opens_them(unit: str) -> None:
    """A second line of a list widens it, and one that is empty empties it."""
    lines = (TEMPLATES / f"{unit}.service.j2").read_text(encoding="utf-8").splitlines()
    for name in (
        "CapabilityBoundingSet",
        "RestrictAddressFamilies",
        "ProtectSystem",
        "NoNewPrivileges",
        "PrivateDevices",
    ):
        assert sum(line.startswith(f"{name}=") for line in lines) == 1, name
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters[2:] in ([], ["SystemCallFilter=@chown"])
