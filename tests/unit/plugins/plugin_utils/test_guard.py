# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an action plugin fails with: no secret is in it, and a host that cannot be reached has not failed."""

from __future__ import annotations

import typing as t

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.certops.ocsp.plugins.plugin_utils._guard import without_secrets


@pytest.mark.parametrize(
    ("raised", "expected"), [(AnsibleError, AnsibleActionFail), (AnsibleConnectionFailure, AnsibleConnectionFailure)]
)
def test_how_a_task_ends(raised: t.Type[AnsibleError], expected: t.Type[AnsibleError]) -> None:
    with pytest.raises(AnsibleError) as caught, without_secrets({"http_proxy": "http://me:hunter2@proxy:3128"}):
        raise raised("no way past http://me:hunter2@proxy:3128")
    assert caught.type is expected and "hunter2" not in str(caught.value)
