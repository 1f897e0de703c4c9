#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocsp_response
short_description: Keep the OCSP response of a certificate fresh in a file
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - Fetches the OCSP response (RFC 6960) for a certificate, checks it as strictly as browsers do, and writes it to a
    file from which a TLS server can staple it.
  - While the response in the file is good and not yet due for renewal, no request is sent and nothing changes.
  - A response that has expired, says that the certificate is revoked, is about another certificate, or is wrong in any
    other way is never written, and a newer response is never replaced by an older one. The file is replaced atomically.
  - If no new response can be fetched while the one in place is still good, the module does not fail. It warns and
    returns the reason in RV(fetch_error).
  - A certificate that has no OCSP responder URL is normal and not an error. See O(on_missing_responder).
extends_documentation_fragment:
  - ansible.builtin.files
  - certops.ocsp._attributes
  - certops.ocsp._attributes.files
  - certops.ocsp._ocsp.certificate
  - certops.ocsp._ocsp.response
  - certops.ocsp._ocsp.renewal
  - certops.ocsp._ocsp.rules
attributes:
  check_mode:
    support: full
    details:
      - In check mode a responder is asked if the response is due, but nothing is written.
      - A file that does not exist on the host is a warning, and the response counts as changed, because an earlier task
        may be about to create it.
  diff_mode:
    support: full
    details:
      - The diff shows what the responses say, not their bytes.
  idempotent:
    support: full
options:
  path:
    description:
      - The file that holds the response.
      - Its directory must exist. A symbolic link is followed, and the file that it points to is replaced.
      - A new file gets the mode V(0644) unless O(mode) says otherwise. The attributes of an existing file are kept.
    type: path
    required: true
  mode:
    description:
      - The permissions of the file, as a quoted octal number such as V('0640') or as a symbolic mode such as
        V(u=rw,g=r).
      - By default a new file gets V(0644), whatever the umask is, and an existing one keeps those it has.
    type: raw
seealso:
  - module: certops.ocsp.ocsp_responses
  - module: certops.ocsp.ocsp_response_info
"""

EXAMPLES = r"""
- name: Keep the staple of a certificate fresh
  certops.ocsp.ocsp_response:
    path: /etc/nginx/ocsp/www.example.com.der
    certificate_path: /etc/ssl/www.example.com/fullchain.pem
  notify: Reload nginx

- name: Renew when less than three days or less than 42.8 percent of the response's life are left
  certops.ocsp.ocsp_response:
    path: /etc/nginx/ocsp/www.example.com.der
    certificate_path: /etc/ssl/www.example.com/cert.pem
    issuer_path: /etc/ssl/www.example.com/chain.pem
    minimum_validity: 3d
    minimum_validity_percentage: 42.8
    backup: true

- name: Ask the responder of a private CA whose responses have no nextUpdate
  certops.ocsp.ocsp_response:
    path: /etc/nginx/ocsp/intern.der
    certificate_path: /etc/ssl/intern/fullchain.pem
    responder_urls:
      - http://vault.example.com:8200/v1/pki/ocsp
    allow:
      - missing_next_update
    server:
      - nginx

- name: Fetch once on the controller for hosts without outbound network access
  certops.ocsp.ocsp_response:
    path: "{{ inventory_dir }}/staples/www.example.com.der"
    certificate_path: "{{ inventory_dir }}/certificates/www.example.com-fullchain.pem"
    return_content: true
  delegate_to: localhost
  run_once: true
  register: staple

- name: Install it on each host
  certops.ocsp.ocsp_response:
    path: /etc/nginx/ocsp/www.example.com.der
    certificate_path: /etc/ssl/www.example.com/fullchain.pem
    source_content: "{{ staple.response }}"
  when: staple.response is not none
  notify: Reload nginx
"""

RETURN = r"""
path:
  description: The file that holds the response.
  returned: always
  type: str
  sample: /etc/nginx/ocsp/www.example.com.der
msg:
  description: What was done, or what is wrong, in one sentence.
  returned: always
  type: str
  sample: a response that is good until 2026-11-30T09:00:00Z was installed
fetched:
  description: Whether a responder was asked and returned an acceptable response.
  returned: unless an option or a file cannot be used
  type: bool
  sample: true
fetch_error:
  description: Why no acceptable response could be fetched, or V(null).
  returned: unless an option or a file cannot be used
  type: dict
  contains:
    code:
      description: The reason code.
      type: str
      sample: unreachable
    message:
      description: One sentence.
      type: str
      sample: "cannot connect to http://ocsp.example.com: Connection refused"
skipped_reason:
  description: V(no_responder) when the certificate has no OCSP responder URL, otherwise V(null).
  returned: unless an option or a file cannot be used
  type: str
  sample: no_responder
renew_at:
  description: When the response in place is due for renewal.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-27T09:00:00Z"
responder_url:
  description: The responder that returned the response, or else the last one that was asked. V(null) if none was asked.
  returned: unless an option or a file cannot be used
  type: str
  sample: http://ocsp.example.com
attempts:
  description: The exchanges with responders, in the order in which they were made.
  returned: unless an option or a file cannot be used
  type: list
  elements: dict
  contains:
    url:
      description: The responder.
      type: str
      sample: http://ocsp.example.com
    method:
      description: V(get) or V(post).
      type: str
      sample: get
    certid_digest:
      description: The digest that identified the certificate in the request.
      type: str
      sample: sha1
    code:
      description: The reason code of the failure, or V(null) when the response was acceptable.
      type: str
      sample: timeout
    http_status:
      description: The HTTP status, or V(null) without an HTTP answer.
      type: int
      sample: 200
    seconds:
      description: The duration of the exchange.
      type: float
      sample: 0.041
backup_file:
  description: The backup of the response that was replaced.
  returned: when a backup was made
  type: str
  sample: /etc/nginx/ocsp/www.example.com.der.20261123T120000.000000Z~
response_status:
  description: The status of the whole OCSP response, for example V(successful), V(try_later) or V(unauthorized).
  returned: unless an option or a file cannot be used
  type: str
  sample: successful
certificate_status:
  description: The status of the certificate in the response, V(good), V(revoked) or V(unknown).
  returned: unless an option or a file cannot be used
  type: str
  sample: good
this_update:
  description: The thisUpdate of the response, which is when its validity period begins.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-23T09:00:00Z"
next_update:
  description: The nextUpdate of the response, or V(null) if it has none.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-30T09:00:00Z"
produced_at:
  description: When the response was signed.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-23T09:00:00Z"
effective_expiry:
  description: When the response stops being usable. This is RV(next_update), the time at which RV(this_update) is
    O(maximum_age) ago, or the expiry of the responder's certificate or of the certificate itself, whichever is
    earliest.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-30T09:00:00Z"
revocation_time:
  description: When the certificate was revoked.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-20T10:15:00Z"
revocation_reason:
  description: Why the certificate was revoked, if the CA gives a reason, as the name in RFC 5280 in snake case.
  returned: unless an option or a file cannot be used
  type: str
  sample: key_compromise
serial_number:
  description: The serial number of the certificate.
  returned: unless an option or a file cannot be used
  type: int
  sample: 81238719834712
must_staple:
  description: Whether the certificate requires stapling (must-staple, RFC 7633).
  returned: unless an option or a file cannot be used
  type: bool
  sample: false
responder_id:
  description: Who signed the response, as a name, or as V(key:) followed by the SHA-1 of the key.
  returned: unless an option or a file cannot be used
  type: str
  sample: CN=OCSP Responder,O=Example CA
responder_certificate_expiry:
  description: When the certificate of a delegated responder expires. V(null) if the issuer signed the response itself.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2027-02-01T00:00:00Z"
signature_algorithm:
  description: The signature algorithm of the response.
  returned: unless an option or a file cannot be used
  type: str
  sample: rsa_sha256
certid_digest:
  description: The digest that identifies the certificate in the response (CertID).
  returned: unless an option or a file cannot be used
  type: str
  sample: sha1
findings:
  description: What is wrong or unusual about the response, the most fundamental first.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description:
        - The reason code. Codes never change their meaning.
        - R(The guide lists them all,ansible_collections.certops.ocsp.docsite.operations.codes).
      type: str
      sample: expired
    severity:
      description: V(error) prevents the response from being used, V(warning) does not.
      type: str
      sample: error
    message:
      description: One sentence.
      type: str
      sample: "the response expired at 2026-11-22T09:00:00Z (this host's clock says 2026-11-23T12:00:00Z)"
sha256:
  description: The SHA-256 of the DER of the response.
  returned: unless an option or a file cannot be used
  type: str
  sample: 5f2d1c7b0e5c0b3a5b3f6a6d7e9e0c1f2a3b4c5d6e7f8091a2b3c4d5e6f70819
response:
  description: The Base64 of the DER of the response, or V(null) when there is none.
  returned: when O(return_content=true)
  type: str
  sample: MIIB0woBAKCCAcwwggHI...
"""

import functools
import os

from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MissingError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import freshness, report
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import parse as ocsp_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.table import TRANSPORT_OPTIONS


def make_exchange(module):
    """The network as the options want it, set up when it is first used."""

    @functools.cache
    def transport():
        # Imported here, because the HTTP libraries cost more than all that a fresh response needs.
        from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.transport import Transport

        return Transport(**{name: module.params[name] for name in TRANSPORT_OPTIONS})

    return lambda request, timeout: transport().exchange(request, timeout)


def run(module):
    """Bring the file into the state asked for and return the outcome."""
    if module.params["state"] == "absent":
        return remove(module)
    now = _module.read_now(module)
    try:
        options = ocsp_options.read_options(module.params)
    except MissingError as error:
        return _module.not_there_yet(module, module.params["path"], error)
    fresh = freshness.check_fresh(options, now)
    return fresh if fresh is not None else renew(module, options, now)


# Both import what they need, because Python compiles it anew at each run, and a fresh response needs none of it.


def renew(module, options, now):
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import refresh
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment

    return refresh.refresh_locked(options, Environment(make_exchange(module), now), not module.check_mode)


def remove(module):
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import refresh

    return refresh.remove(module.params["path"], not module.check_mode)


def main():
    module = Module(
        argument_spec=dict(_module.argument_spec("ocsp_response"), path={"type": "path", "required": True}),
        add_file_common_args=True,
        supports_check_mode=True,
        mutually_exclusive=_module.CERTIFICATE_CONFLICTS + _module.SOURCE_CONFLICTS,
        required_if=[("state", "present", ("certificate_path", "certificate_content"), True)],
    )
    _module.require_cryptography(module)
    with _module.failing_plainly(module):
        _module.check_attributes(module, module.params)
        outcome = run(module)
    values = report.outcome_values(outcome, module.params["return_content"])
    diff = report.difference(outcome, module.params["state"] == "absent")
    if outcome.failed:
        module.fail_json(**values)
    if module.params["state"] == "present" and os.path.exists(outcome.path):
        with _module.failing_plainly(module):
            values["changed"] = _module.set_attributes(module, module.params, outcome, diff)
        if values["changed"] and not outcome.changed:
            values["msg"] += _module.ATTRIBUTES_CHANGED
    _module.show_warnings(module, _module.warnings_of(outcome.findings, outcome.warnings))
    module.exit_json(diff=diff, **values)


if __name__ == "__main__":
    main()
