# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How far an address reaches, so that no redirect leads from the Internet into what is beside this host.

Responders are asked over plain HTTP, so anybody on the way may redirect requests.
"""

from __future__ import annotations

import socket
import typing as t

#: From the widest to the narrowest: the Internet, networks of their own (RFC 1918, RFC 4193), the link, and the host.
EVERYWHERE, PRIVATE, LINK, HOST = range(4)
_WITH_IPV4 = ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
#: Where clouds serve the credentials of the host itself, at addresses that look like any other: Alibaba, Azure, Oracle,
#: AWS and Google.
_OF_THE_CLOUD = frozenset(("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
LOCALHOST = "localhost"
NAMES = ("the Internet", "a private network", "the local link", "this host")


def scope_of(address: str) -> int:
    """The scope of an IP address, with or without a zone. What is no address is that of a name: EVERYWHERE.

    What cannot be the address of a server, such as a multicast address, has the scope of the host.
    """
    import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and needed for redirects alone

    if address.rstrip(".").lower().rpartition(".")[2] == LOCALHOST:  # RFC 6761 section 6.3
        return HOST
    try:
        found: t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address] = ipaddress.ip_address(_plain(address))
    except ValueError:
        return EVERYWHERE
    if isinstance(found, ipaddress.IPv6Address):
        found = _inside(found)
    if found.is_loopback or found.is_unspecified or found.is_multicast:
        return HOST
    if found.is_link_local or str(found) in _OF_THE_CLOUD:
        return LINK
    is_site_local = getattr(found, "is_site_local", False)  # fec0::/10, of which Python says that it is global
    return PRIVATE if found.is_private or not found.is_global or is_site_local else EVERYWHERE


def is_address(host: str) -> bool:
    """Whether a host is given by its address, in any spelling."""
    import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and needed for redirects alone

    try:
        ipaddress.ip_address(_plain(host))
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """Without a zone, and in four numbers: proxies also take 127.1, 0x7f000001 and 2130706433 for the loopback."""
    text = address.partition("%")[0].rstrip(".")
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, UnicodeError):
        return text


def _inside(found: t.Any) -> t.Any:
    """The IPv4 address that an IPv6 address stands for, or itself.

    These are of RFC 4291, RFC 6052, RFC 8215 (which may be cut in another way, but hardly is), RFC 7915 and RFC 3056.
    """
    import ipaddress  # pylint: disable=import-outside-toplevel  # slow, and needed for redirects alone

    if int(found) > 1 and any(found in ipaddress.IPv6Network(network) for network in _WITH_IPV4):
        return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found
