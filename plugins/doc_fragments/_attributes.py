# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that Ansible asks each module to document."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/certops.ocsp.ocsp) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - certops.ocsp.ocsp
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed, or would change in C(check_mode), when in diff mode.
  idempotent:
    description: When run twice in a row with the same arguments, outside of check mode, the second run changes nothing.
  platform:
    description: Target OS or families that can be operated against.
    support: full
    platforms: posix
"""

    FILES = r"""
options: {}
attributes:
  safe_file_operations:
    description: Uses Ansible's strict file operation functions to ensure proper permissions and avoid data corruption.
    support: full
    details:
      - The file is replaced atomically by a complete, synced one. O(unsafe_writes) allows writing into a file that
        cannot be replaced.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""
