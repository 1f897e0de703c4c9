# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a batch of ACME orders needs of the settings of the role."""

from __future__ import annotations

import typing as t

SETTINGS: dict[str, t.Any] = {
    "directory": "https://ca.example/dir",
    "weekly_limit": 3,
    "renew_at": 0.33,
    "force": [],
    "http_folder": "/srv",
    "http_hosts": [],
    "dns_alias": {},
}
