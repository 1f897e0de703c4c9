# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the program: python3 -I .../ocsp_stapling/__main__.py, where the core lies beside this folder."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

try:
    from ocsp_stapling.cli import main
except Exception as error:
    # Python's own exit code would be 1, which says that all is well but for a responder.
    print(f"ocsp-stapling is not fully installed: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(70)

sys.exit(main())
