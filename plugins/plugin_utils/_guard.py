# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What an action plugin says and returns has no secrets in it, whatever its task was given."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import refusal


@contextlib.contextmanager
def without_secrets(
    arguments: t.Mapping[str, t.Any], named: t.Callable[[str], str] = str
) -> t.Iterator[t.Callable[[str], str]]:
    """Refuse keys that are misplaced among the arguments of a task, and have failures within told without secrets.

    ``named`` turns the place of an argument into what its author calls it. Yields what makes other messages fit to be
    shown.
    """
    misplaced = secrets.misplaced_keys(arguments, secrets.KEY_OPTIONS)
    if misplaced:
        raise AnsibleActionFail(refusal([secrets.key_refusal([*map(named, misplaced)], secrets.KEY_OPTIONS)]))
    passwords = secrets.passwords(arguments)
    try:
        yield lambda message: secrets.told(message, passwords)
    except AnsibleConnectionFailure as error:
        # A host that cannot be reached has not failed.
        raise AnsibleConnectionFailure(secrets.told(str(error.message), passwords)) from None
    except AnsibleError as error:
        # What caused it is not passed on: Ansible prints the whole chain.
        raise AnsibleActionFail(secrets.told(str(error.message), passwords)) from None
