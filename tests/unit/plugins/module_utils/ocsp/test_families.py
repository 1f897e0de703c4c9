# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import families
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.families import DEBIAN, REDHAT, REDHAT_8

#: What distributions write into /etc/os-release, without the addresses of their web pages.
TEXTS: t.Dict[str, t.Tuple[str, t.Optional[families.Family]]] = {
    "Debian 11": (
        (
            'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nNAME="Debian GNU/Linux"\nVERSION_ID="11"\n'
            'VERSION="11 (bullseye)"\nVERSION_CODENAME=bullseye\nID=debian\n'
        ),
        DEBIAN,
    ),
    "Debian 12": (
        (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
            'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
        ),
        DEBIAN,
    ),
    "Debian 13": (
        (
            'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\n'
            'VERSION="13 (trixie)"\nVERSION_CODENAME=trixie\nDEBIAN_VERSION_FULL=13.1\nID=debian\n'
        ),
        DEBIAN,
    ),
    "Debian testing": (
        'PRETTY_NAME="Debian GNU/Linux forky/sid"\nNAME="Debian GNU/Linux"\nVERSION_CODENAME=forky\nID=debian\n',
        DEBIAN,
    ),
    "Ubuntu 24.04": (
        (
            'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\n'
            'VERSION="24.04.1 LTS (Noble Numbat)"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n'
            "UBUNTU_CODENAME=noble\nLOGO=ubuntu-logo\n"
        ),
        DEBIAN,
    ),
    "Raspbian 12": (
        (
            'PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\nNAME="Raspbian GNU/Linux"\nVERSION_ID="12"\n'
            'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=raspbian\nID_LIKE=debian\n'
        ),
        DEBIAN,
    ),
    "Linux Mint 22": (
        (
            'NAME="Linux Mint"\nVERSION="22 (Wilma)"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'
            'PRETTY_NAME="Linux Mint 22"\nVERSION_ID="22"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n'
        ),
        DEBIAN,
    ),
    "Pop!_OS 22.04": (
        (
            'NAME="Pop!_OS"\nVERSION="22.04 LTS"\nID=pop\nID_LIKE="ubuntu debian"\nPRETTY_NAME="Pop!_OS 22.04 LTS"\n'
            'VERSION_ID="22.04"\nVERSION_CODENAME=jammy\nUBUNTU_CODENAME=jammy\nLOGO=distributor-logo-pop-os\n'
        ),
        DEBIAN,
    ),
    "RHEL 8": (
        (
            'NAME="Red Hat Enterprise Linux"\nVERSION="8.10 (Ootpa)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"\n'
            'PLATFORM_ID="platform:el8"\nPRETTY_NAME="Red Hat Enterprise Linux 8.10 (Ootpa)"\nANSI_COLOR="0;31"\n'
            'CPE_NAME="cpe:/o:redhat:enterprise_linux:8::baseos"\n'
        ),
        REDHAT_8,
    ),
    "RHEL 9": (
        (
            'NAME="Red Hat Enterprise Linux"\nVERSION="9.4 (Plow)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
            'PLATFORM_ID="platform:el9"\nPRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\nANSI_COLOR="0;31"\n'
        ),
        REDHAT,
    ),
    "RHEL 10": (
        (
            'NAME="Red Hat Enterprise Linux"\nVERSION="10.0 (Coughlan)"\nID="rhel"\nID_LIKE="centos fedora"\n'
            'VERSION_ID="10.0"\nPLATFORM_ID="platform:el10"\nPRETTY_NAME="Red Hat Enterprise Linux 10.0 (Coughlan)"\n'
        ),
        REDHAT,
    ),
    "Rocky Linux 9": (
        (
            'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
            'VERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n'
        ),
        REDHAT,
    ),
    "Rocky Linux 8": (
        (
            'NAME="Rocky Linux"\nVERSION="8.10 (Green Obsidian)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
            'VERSION_ID="8.10"\nPLATFORM_ID="platform:el8"\nPRETTY_NAME="Rocky Linux 8.10 (Green Obsidian)"\n'
        ),
        REDHAT_8,
    ),
    "AlmaLinux 9": (
        (
            'NAME="AlmaLinux"\nVERSION="9.4 (Seafoam Ocelot)"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n'
            'VERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"\n'
        ),
        REDHAT,
    ),
    "CentOS Stream 9": (
        (
            'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
            'PLATFORM_ID="platform:el9"\nPRETTY_NAME="CentOS Stream 9"\nANSI_COLOR="0;31"\n'
        ),
        REDHAT,
    ),
    "Fedora 41": (
        (
            'NAME="Fedora Linux"\nVERSION="41 (Server Edition)"\nRELEASE_TYPE=stable\nID=fedora\nVERSION_ID=41\n'
            'VERSION_CODENAME=""\nPLATFORM_ID="platform:f41"\nPRETTY_NAME="Fedora Linux 41 (Server Edition)"\n'
            'VARIANT="Server Edition"\nVARIANT_ID=server\n'
        ),
        REDHAT,
    ),
    "Oracle Linux 9": (
        (
            'NAME="Oracle Linux Server"\nVERSION="9.4"\nID="ol"\nID_LIKE="fedora"\nVARIANT="Server"\n'
            'VARIANT_ID="server"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Oracle Linux Server 9.4"\n'
        ),
        REDHAT,
    ),
    "Amazon Linux 2023": (
        (
            'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'
            'PLATFORM_ID="platform:al2023"\nPRETTY_NAME="Amazon Linux 2023.5.20240916"\nANSI_COLOR="0;33"\n'
        ),
        REDHAT,
    ),
    "Alpine": ('NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n', None),
    "Arch": ('NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n', None),
    "openSUSE": (
        (
            'NAME="openSUSE Leap"\nVERSION="15.6"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n'
            'PRETTY_NAME="openSUSE Leap 15.6"\n'
        ),
        None,
    ),
    "FreeBSD": ('NAME=FreeBSD\nVERSION="14.1-RELEASE"\nID=freebsd\nPRETTY_NAME="FreeBSD 14.1-RELEASE"\n', None),
    "Gentoo": ("NAME=Gentoo\nID=gentoo\nPRETTY_NAME='Gentoo Linux'\nVERSION_ID=\"2.15\"\n", None),
    "an empty file": ("", None),
}


@pytest.mark.parametrize("name", TEXTS)
def test_families(name: str) -> None:
    text, family = TEXTS[name]
    assert families.family_of(families.read_os_release(text)) == family


VALUES = {
    "ID=debian": "debian",
    'ID="debian"': "debian",
    "ID='debian'": "debian",
    "  ID=debian  ": "debian",
    "ID=debian\r": "debian",
    "ID=": "",
    'ID=""': "",
    'ID="': "",
    'ID="debian': "debian",
    r'ID="a\"b\$c\`d\\e\f"': r'a"b$c`d\e\f',
    r"ID='a\\b\"c'": r"a\\b\"c",
    r"ID=a\ b": "a b",
    "ID=fedora\nID=debian": "debian",
    "#ID=fedora\n\nID=debian\n# ID=fedora": "debian",
    "export ID=fedora\nID =fedora\nID: fedora\n=fedora\nID=debian": "debian",
    "MY_ID=fedora\nID=debian": "debian",
}


@pytest.mark.parametrize("text", VALUES)
def test_values_are_quoted_as_in_a_shell(text: str) -> None:
    assert families.read_os_release(text)["ID"] == VALUES[text]


@pytest.mark.parametrize(("name", "family"), [("Debian", DEBIAN), ("RedHat", REDHAT), ("Suse", None)])
def test_a_name_overrides_what_the_host_says(name: str, family: t.Optional[families.Family]) -> None:
    assert families.family_of({}, name) == family
    assert families.family_of({"ID": "ubuntu", "VERSION_ID": "9"}, name) == family


def test_an_overridden_name_does_not_change_the_release() -> None:
    assert families.family_of({"ID": "eurolinux", "VERSION_ID": "8.10"}, "RedHat") == REDHAT_8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PRETTY_NAME='Gentoo Linux'\nNAME=Gentoo\nID=gentoo", "the distribution 'Gentoo Linux' is not supported"),
        ("NAME=Gentoo\nID=gentoo", "the distribution 'Gentoo' is not supported"),
        ("ID=gentoo", "the distribution 'gentoo' is not supported"),
        ("", "a distribution without /etc/os-release is not supported"),
    ],
)
def test_a_refusal_names_the_override(text: str, said: str) -> None:
    sentence = families.refusal(families.read_os_release(text))
    assert sentence == f"{said}; set ocsp_stapling_os_family to Debian or RedHat if it is compatible with one of them"
