# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which family of distributions a host is of, by what its os-release says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import families
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError

KNOWN: t.Dict[str, t.Tuple[str, str]] = {
    "Debian 12": ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\n', "Debian"),
    "Debian sid": ('PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\nHOME_URL="https://x/"\n', "Debian"),
    "Ubuntu 24.04": ('NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n', "Debian"),
    "Raspberry Pi OS": ('PRETTY_NAME="Raspbian GNU/Linux 11"\nID=raspbian\nID_LIKE=debian\n', "Debian"),
    "Linux Mint": ('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', "Debian"),
    "a derivative of Ubuntu": ("ID=pop\nID_LIKE='ubuntu debian'\n", "Debian"),
    "RHEL 8": ('NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"\n', "RedHat"),
    "RHEL 9": ('# comment\nID="rhel"\nID_LIKE="fedora"\nPLATFORM_ID="platform:el9"\n', "RedHat"),
    "Rocky 9": ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "RedHat"),
    "AlmaLinux 10": ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', "RedHat"),
    "CentOS Stream": ('NAME="CentOS Stream"\nID="centos"\nID_LIKE="rhel fedora"\n', "RedHat"),
    "Fedora": ('NAME="Fedora Linux"\nID=fedora\n', "RedHat"),
    "Oracle Linux": ('ID="ol"\nID_LIKE="fedora"\n', "RedHat"),
    "Amazon Linux 2023": ('ID="amzn"\nID_LIKE="fedora"\n', "RedHat"),
    "a derivative of RHEL": ('ID="eurolinux"\nID_LIKE="rhel fedora"\r\n', "RedHat"),
}
UNKNOWN: t.Dict[str, t.Tuple[str, str]] = {
    "Alpine": ('NAME="Alpine Linux"\nID=alpine\nPRETTY_NAME="Alpine Linux v3.20"\n', "Alpine Linux v3.20"),
    "Arch": ('ID=arch\nPRETTY_NAME="Arch Linux"\n', "Arch Linux"),
    "openSUSE": (
        'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nPRETTY_NAME="openSUSE Leap 15.6"\n',
        "openSUSE Leap 15.6",
    ),
    "Gentoo": ("ID=gentoo\n", "gentoo"),
    "FreeBSD": ('NAME=FreeBSD\nID=freebsd\nPRETTY_NAME="FreeBSD 14.1-RELEASE"\n', "FreeBSD 14.1-RELEASE"),
    "nothing": ("", "a host without /etc/os-release"),
    "no text": ("\0\xff=\n===\nID='open\n", "a host without /etc/os-release"),
}


@pytest.mark.parametrize(("text", "name"), KNOWN.values(), ids=KNOWN)
def test_a_family_is_known_by_its_members(text: str, name: str) -> None:
    assert families.find("", text.encode()).name == name


@pytest.mark.parametrize(("text", "shown"), UNKNOWN.values(), ids=UNKNOWN)
def test_any_other_is_refused_with_the_way_out(text: str, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        families.find("", text.encode("latin-1"))
    assert caught.value.message == (
        f"{shown} is of no family of distributions that is known; where the host is like one of them, set "
        "ocsp_stapling_os_family to Debian or RedHat"
    )


@pytest.mark.parametrize("name", ["Debian", "RedHat"])
def test_what_is_given_counts(name: str) -> None:
    for text, _shown in (*KNOWN.values(), *UNKNOWN.values()):
        assert families.find(name, text.encode("latin-1")).name == name


def test_what_is_given_must_be_a_family() -> None:
    with pytest.raises(InputError, match=r"^Suse is of no family"):
        families.find("Suse", b"ID=debian\n")
