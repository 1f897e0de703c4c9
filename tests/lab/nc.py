# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connect standard input and output with a TCP port, as ProxyCommand of ssh: ``nc.py HOST PORT``."""

from __future__ import annotations

import os
import socket
import sys
import threading

peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))


def send() -> None:
    """From standard input to the peer, and its end too."""
    while data := os.read(0, 65536):
        peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)


threading.Thread(target=send, daemon=True).start()
while received := peer.recv(65536):
    os.write(1, received)
