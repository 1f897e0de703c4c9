#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_orders
short_description: Keep the orders of certificates by ACME on the controller
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - The steps of the role P(certops.ocsp.acme_certificates#role), in some of which
    P(community.crypto.acme_certificate_order_create#module) and others talk to the CA. There should be no need to use
    it elsewhere.
  - It works on the controller. Whatever it is about to do is on disk there before it is done, so that a run that is
    killed is taken up by the next one.
  - Private keys are made in memory, and are encrypted with Ansible Vault on request before they are written. Those that
    were written before are then encrypted, too.
extends_documentation_fragment:
  - certops.ocsp._attributes
attributes:
  action_group:
    support: none
    membership: []
  check_mode:
    support: partial
    details:
      - V(wanted), V(planned) and V(foreseen) of O(state) change nothing. The role takes no other step in check mode.
  diff_mode:
    support: partial
    details:
      - Shows with V(planned) of O(state) which keys are encrypted.
  idempotent:
    support: full
options:
  state:
    description:
      - The step.
      - V(wanted) reads on behalf of one host what it wants, and what it knows of revocations.
      - V(planned) unites that for all hosts, or refuses all that is wrong. Outside of check mode, it encrypts keys
        that should be encrypted and are not.
      - V(foreseen) says in check mode what would be ordered, and what not, because of a limit for example.
      - V(asked) asks the CA for its directory, once and for 10 seconds at most.
      - V(prepared) makes keys and requests for what is due.
      - V(called) has a module of C(community.crypto) ask the CA, and returns of its answer what is needed, in printable
        characters. It ends the process of the module when the time of the task is up.
      - V(account), V(ordered), V(checked) and V(issued) take in what came of the tasks before.
      - V(cleaned) warns of DNS records that could not be removed.
    type: str
    choices: [wanted, planned, foreseen, asked, prepared, called, account, ordered, checked, cleaned, issued]
    required: true
  settings:
    description:
      - The variables of the role, without their prefix, but for those that are secret, which are read where they are.
    type: dict
  groups:
    description:
      - The certificates in groups. Each entry is a mapping as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
  names:
    description:
      - With V(wanted) of O(state), the certificates of whose revocation the host is asked. The controller computes them
        for the host. Not for use in tasks.
    type: list
    elements: str
  directory:
    description:
      - With V(asked) of O(state), the URL of the directory, by default that of O(settings).
    type: str
  ca_path:
    description:
      - With V(asked) of O(state), a file with the CAs to trust instead of those of the system, as PEM.
    type: path
  module:
    description:
      - With V(called) of O(state), the module of C(community.crypto).
    type: str
    choices:
      - acme_account
      - acme_certificate_order_info
      - acme_certificate_order_create
      - acme_certificate_order_validate
      - acme_certificate_order_finalize
  options:
    description:
      - With V(called) of O(state), the options of the module, without those that are about the account. Empty texts
        count as not given.
    type: dict
  plan:
    description:
      - What V(planned) of O(state) returned.
    type: dict
  orders:
    description:
      - What the step before returned.
    type: dict
  decision:
    description:
      - What M(certops.ocsp.certificate_renewal_info) returned.
    type: dict
  answer:
    description:
      - With V(prepared) of O(state), what V(asked) returned.
      - With V(checked) or V(cleaned), what a task returned that could not set or remove DNS records.
    type: dict
  results:
    description:
      - What the modules of P(community.crypto.acme_certificate_order_create#module) and others returned.
      - With V(cleaned) of O(state), the DNS records.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Obtain certificates by the role, which uses this module
  ansible.builtin.include_role:
    name: certops.ocsp.acme_certificates
"""

RETURN = r"""
problem:
  description: Why the CA cannot be asked for anything, or an empty string.
  returned: success, with V(asked) of O(state)
  type: str
  sample: ""
passing:
  description: Whether that may pass by itself.
  returned: success, with V(asked) of O(state)
  type: bool
proofs:
  description: The OCSP responses by which the host knows that certificates were revoked, as Base64, by their names.
  returned: success, with V(wanted) of O(state)
  type: dict
requests:
  description: The certificates that are wanted, or that are on their way.
  returned: success
  type: list
  elements: dict
problems:
  description: What was not obtained, and why.
  returned: success, with V(foreseen) or V(prepared) of O(state) and all later ones
  type: list
  elements: dict
names:
  description: The names of the certificates that would be ordered.
  returned: success, with V(foreseen) of O(state)
  type: list
  elements: str
encrypted:
  description: One sentence about the keys that were encrypted, or would be, or an empty string.
  returned: success, with V(planned) of O(state)
  type: str
  sample: ""
missing:
  description: The names of the certificates that there are none of yet.
  returned: success, with V(planned) of O(state) and all later ones
  type: list
  elements: str
"""

from ansible_collections.certops.ocsp.plugins.module_utils import _acme_host, _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module

STATES = [
    "wanted",
    "planned",
    "foreseen",
    "asked",
    "prepared",
    "called",
    "account",
    "ordered",
    "checked",
    "cleaned",
    "issued",
]
ASKING = ["acme_account", *(f"acme_certificate_order_{one}" for one in ("info", "create", "validate", "finalize"))]


def main() -> None:
    module = Module(
        argument_spec={
            "state": {"type": "str", "choices": STATES, "required": True},
            **{name: {"type": "dict"} for name in ("settings", "plan", "orders", "decision", "answer", "options")},
            "module": {"type": "str", "choices": ASKING},
            **{name: {"type": "list", "elements": "dict"} for name in ("groups", "results")},
            "names": {"type": "list", "elements": "str"},
            "directory": {"type": "str"},
            "ca_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["state"] == "asked" and params["directory"]:
        _module.require_cryptography(module)
        module.exit_json(**_acme_host.directory_problem(params["directory"], params["ca_path"]))
    if params["state"] != "wanted" or params["names"] is None:
        module.fail_json(
            msg="this module works only with the action plugin of the same name; call it as certops.ocsp.acme_orders "
            "in a task"
        )
    proofs, problem = _acme_host.proofs(params["names"])
    if problem:
        module.warn(f"not all that this host knows of revocations is used: {problem}")
    module.exit_json(proofs=proofs)


if __name__ == "__main__":
    main()
