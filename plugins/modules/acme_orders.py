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
  - The steps of the role P(certops.ocsp.acme_certificates#role) between the tasks by which
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
      - V(wanted) and V(planned) of O(state) change nothing. The role takes no other step in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - The step.
      - V(wanted) reads on behalf of one host what it wants, and what it knows of revocations.
      - V(planned) unites that for all hosts, or refuses all that is wrong. Outside of check mode, it encrypts keys
        that should be encrypted and are not.
      - V(prepared) makes keys and requests for what is due.
      - V(account), V(ordered), V(checked) and V(issued) take in what came of the tasks before.
    type: str
    choices: [wanted, planned, prepared, account, ordered, checked, issued]
    required: true
  settings:
    description:
      - The variables of the role, without their prefix, but for those that are secret, which are read where they are.
    type: dict
    required: true
  groups:
    description:
      - The certificates in groups. Each entry is a mapping as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
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
      - With V(prepared) of O(state), what M(ansible.builtin.uri) returned for the ACME directory.
      - With V(checked), what a task returned that could not set DNS records.
    type: dict
  results:
    description:
      - What the modules of P(community.crypto.acme_certificate_order_create#module) and others returned.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Obtain certificates by the role, which uses this module
  ansible.builtin.include_role:
    name: certops.ocsp.acme_certificates
"""

RETURN = r"""
requests:
  description: The certificates that are wanted, or that are on their way.
  returned: success
  type: list
  elements: dict
problems:
  description: What was not obtained, and why.
  returned: success, with V(prepared) of O(state) and all later ones
  type: list
  elements: dict
missing:
  description: The names of the certificates that there are none of yet.
  returned: success, with V(planned) of O(state) and all later ones
  type: list
  elements: str
"""
