#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_renewal_info
short_description: Decide which certificates are to be replaced, and why
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - Decides for many certificates at once whether they should be replaced. The CA is asked first, by ACME Renewal
    Information (RFC 9773), then the share of its life that is left to a certificate counts.
  - A CA that is away, slow or answers nonsense is a warning. All questions together take O(timeout) at most.
  - A file that cannot be read is a warning, too, and leaves its certificate undecided; the others are decided.
  - RFC 9773 has clients choose a moment in the window that the CA suggests at random. This module takes it from a hash
    of the certificate's identifier, so that each run decides the same.
  - Nothing is written. Only an ACME directory and its renewal information are read, for which no account is needed.
  - The role P(certops.ocsp.acme_certificates#role) uses it.
extends_documentation_fragment:
  - certops.ocsp._attributes
  - certops.ocsp._attributes.info_module
attributes:
  action_group:
    support: none
    membership: []
  idempotent:
    details:
      - What a CA suggests may change at any time.
options:
  certificates:
    description:
      - The certificates. What is left out is not compared.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - The file of the certificate, or of its full chain, as PEM or DER. It need not exist.
        type: path
        required: true
      name:
        description:
          - What to call the certificate in the result. By default its path.
        type: str
      private_key_path:
        description:
          - The file of its private key. One that is encrypted with Ansible Vault only has to exist.
        type: path
      names:
        description:
          - The host names and IP addresses that the certificate should be for, and no others.
        type: list
        elements: str
      key_type:
        description:
          - The type that its key should have.
        type: str
        choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
      must_staple:
        description:
          - Whether it should demand stapling (RFC 7633).
        type: bool
      obtained_directory:
        description:
          - The URL of the ACME directory that it was obtained from, to be compared with O(directory).
        type: str
      profile:
        description:
          - The profile that it should have been obtained with, to be compared with O(certificates[].obtained_profile).
        type: str
      obtained_profile:
        description:
          - The profile that it was obtained with.
        type: str
      responses:
        description:
          - OCSP responses as Base64. If one of them proves that this certificate was revoked, it is due.
        type: list
        elements: str
      interrupted:
        description:
          - Whether an order for it was begun and not finished.
        type: bool
        default: false
      force:
        description:
          - Whether to call it due in any case.
        type: bool
        default: false
  directory:
    description:
      - The URL of the CA's ACME directory. Without it the CA is not asked.
    type: str
  use_ari:
    description:
      - Whether to ask the CA of O(directory) for renewal information.
    type: bool
    default: true
  ca_path:
    description:
      - A file with the CAs to trust for O(directory), as PEM, instead of those of the system.
    type: path
  timeout:
    description:
      - How many seconds the CA has to answer all questions.
    type: int
    default: 10
  renew_at:
    description:
      - The share of its life, from V(0) to V(1), that is left when a certificate is due. Of certificates that live less
        than 10 days it is V(0.5) at least.
      - It counts where the CA suggests nothing.
      - The life of a certificate ends with it, or with a CA certificate that is in its file, whichever expires first. A
        root does not count.
    type: float
    default: 0.33
  now:
    description:
      - The time to judge by instead of this host's clock, as V(2026-11-23T12:00:00Z) or V(20261123120000Z).
      - For tests and for looking ahead.
    type: str
requirements:
  - cryptography >= 3.3
seealso:
  - module: community.crypto.acme_certificate_renewal_info
"""

EXAMPLES = r"""
- name: Ask which certificates are due
  certops.ocsp.certificate_renewal_info:
    directory: https://acme-v02.api.letsencrypt.org/directory
    certificates:
      - name: www.example.com
        path: files/www.example.com-fullchain.pem
        private_key_path: files/www.example.com.key
        names: [www.example.com, example.com]
      - path: files/mail.example.com-fullchain.pem
  delegate_to: localhost
  register: renewal

- name: Show why
  ansible.builtin.debug:
    msg: "{{ renewal.msg }}"
"""

RETURN = r"""
msg:
  description: One sentence about all certificates.
  returned: always
  type: str
  sample: none of 3 is due, the next one on 2026-12-24T09:00:00Z
due:
  description: The names of the certificates that are due.
  returned: success
  type: list
  elements: str
  sample: [www.example.com]
certificates:
  description: What was decided of each certificate, in the order in which they were given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name or the path.
      type: str
      sample: www.example.com
    due:
      description: Whether it is to be replaced now.
      type: bool
      sample: true
    urgent:
      description:
        - Whether there is no certificate that could be used, or less than half of the time is left in which to try.
      type: bool
      sample: false
    reason:
      description:
        - Why, a code that never changes its meaning. The first that holds, in this order.
        - V(missing), there is no certificate, or no private key.
        - V(unreadable), the file holds no certificate that can be read.
        - V(expired), the certificate has expired, or a CA certificate in its chain.
        - V(revoked), the CA has revoked it, or asks to replace it at once.
        - V(key_mismatch), the private key does not fit it.
        - V(names_differ), it is not for exactly the names that are wanted.
        - V(key_type_differs), its key is of another type than is wanted.
        - V(must_staple_differs), it demands stapling and should not, or the other way round.
        - V(other_directory), it was obtained from another ACME directory, such as that for staging.
        - V(profile_differs), it was obtained with another profile.
        - V(forced), it was asked for.
        - V(ari), the time that the CA suggests has come (RFC 9773).
        - V(lifetime), less than the given share of its life is left.
        - V(interrupted), an order was begun and not finished.
        - V(undecided), a file could not be read or an internal error occurred, so nothing is to be done.
        - V(not_due), nothing is to be done.
      type: str
      sample: lifetime
    msg:
      description: One sentence.
      type: str
      sample: less than 33% of its life is left
    renew_at:
      description: When it is due by its age or by the word of the CA. V(null) where there is no certificate.
      type: str
      sample: "2026-12-24T09:00:00Z"
    not_after:
      description:
        - When the certificate ends, or a CA certificate in its file does, whichever is first.
        - V(null) where there is none.
      type: str
      sample: "2027-01-23T09:00:00Z"
    cert_id:
      description: Its identifier (RFC 9773, section 4.1), or an empty string where it has none.
      type: str
      sample: aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE
    supports_ari:
      description: Whether the CA gave renewal information for it.
      type: bool
      sample: true
supports_ari:
  description: Whether the CA offers renewal information. V(false) also where that could not be found out.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.certops.ocsp.plugins.module_utils import _module, _renewal
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import ari, reasons
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import bounded

#: Sentences about what a CA answered wrongly: it may do so in another way for each certificate.
_MOST_PROBLEMS = 5
KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"]
CERTIFICATE = {
    "path": {"type": "path", "required": True},
    "name": {"type": "str"},
    "private_key_path": {"type": "path"},
    "names": {"type": "list", "elements": "str"},
    "key_type": {"type": "str", "choices": KEY_TYPES},
    "must_staple": {"type": "bool"},
    "obtained_directory": {"type": "str"},
    "profile": {"type": "str"},
    "obtained_profile": {"type": "str"},
    "responses": {"type": "list", "elements": "str"},
    "interrupted": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


def decide(module):
    """The verdicts, what the CA said, and the sentence about both."""
    params = module.params
    if not 0 < params["renew_at"] < 1:
        raise InputError(f"renew_at must be more than 0 and less than 1, and is {params['renew_at']}")
    now = _module.read_now(module)
    candidates = [_renewal.read_candidate(one) for one in params["certificates"]]
    suggestions = ari.Suggestions()
    identifiers = [one.identifier for one in candidates if one.identifier and one.verdict is None]
    if params["directory"] and params["use_ari"] and identifiers:
        get = _renewal.get_with(params["ca_path"])
        suggestions = ari.ask(get, params["directory"], identifiers, params["timeout"])
    verdicts = _renewal.decide_all(candidates, suggestions, params["renew_at"], params["directory"] or "", now)
    return verdicts, suggestions


def main():
    module = Module(
        argument_spec={
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE},
            "directory": {"type": "str"},
            "use_ari": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 10},
            "renew_at": {"type": "float", "default": 0.33},
            "now": {"type": "str"},
        },
        supports_check_mode=True,
    )
    _module.require_cryptography(module)
    try:
        verdicts, suggestions = decide(module)
    except OcspError as error:
        module.fail_json(msg=_module.explain(error))
    for one in verdicts:
        if one["reason"] == reasons.UNDECIDED:
            module.warn(f"{one['name']}: it was not decided whether it is due: {one['msg']}")
    for problem in bounded(suggestions.problems, _MOST_PROBLEMS):
        module.warn(f"{problem}; the age of certificates decides")
    module.exit_json(
        msg=_renewal.summary(verdicts),
        due=[one["name"] for one in verdicts if one["due"]],
        certificates=verdicts,
        supports_ari=suggestions.supported,
    )


if __name__ == "__main__":
    main()
