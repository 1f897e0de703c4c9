#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocsp_response_info
short_description: Check an OCSP response
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - Checks an OCSP response (RFC 6960) for a certificate by the same rules as M(certops.ocsp.ocsp_response).
  - Nothing is written and no responder is asked.
  - The module does not fail because a response is bad or missing. RV(acceptable), RV(findings) and RV(should_renew) say
    so.
extends_documentation_fragment:
  - certops.ocsp._attributes
  - certops.ocsp._attributes.info_module
  - certops.ocsp._ocsp.certificate
  - certops.ocsp._ocsp.renewal
  - certops.ocsp._ocsp.rules
attributes:
  check_mode:
    details:
      - This action does not modify state.
      - A file of the certificate, its issuer or its root that does not exist on the host is a warning, and the response
        is not judged, because an earlier task may be about to create it.
options:
  path:
    description:
      - The file that holds the response, as DER or PEM.
    type: path
  content:
    description:
      - The Base64 of the DER of the response.
    type: str
seealso:
  - module: certops.ocsp.ocsp_response
"""

EXAMPLES = r"""
- name: Check the staple of a certificate
  certops.ocsp.ocsp_response_info:
    path: /etc/nginx/ocsp/www.example.com.der
    certificate_path: /etc/ssl/www.example.com/fullchain.pem
  register: staple

- name: Fail if it is not good
  ansible.builtin.assert:
    that:
      - staple.acceptable
    fail_msg: "{{ staple.msg }}"

- name: Check whether the staple will still be good next Monday
  certops.ocsp.ocsp_response_info:
    path: /etc/nginx/ocsp/www.example.com.der
    certificate_path: /etc/ssl/www.example.com/fullchain.pem
    now: "2026-11-30T08:00:00Z"
"""

RETURN = r"""
path:
  description: The file that was checked, or V(null) if O(content) was given.
  returned: always
  type: str
  sample: /etc/nginx/ocsp/www.example.com.der
msg:
  description: The most important problem in one sentence, or a statement that there is none.
  returned: always
  type: str
  sample: the response is good
exists:
  description: Whether there is a response.
  returned: success
  type: bool
  sample: true
parsable:
  description: Whether it can be parsed as an OCSP response.
  returned: success
  type: bool
  sample: true
acceptable:
  description: Whether M(certops.ocsp.ocsp_response) would write it, which means that no finding is an error.
  returned: success
  type: bool
  sample: true
should_renew:
  description: Whether M(certops.ocsp.ocsp_response) would ask a responder for a new one.
  returned: success
  type: bool
  sample: false
renew_at:
  description: When the response is due for renewal, or V(null) when it is not acceptable.
  returned: success
  type: str
  sample: "2026-11-27T09:00:00Z"
response_status:
  description: The status of the whole OCSP response, for example V(successful), V(try_later) or V(unauthorized).
  returned: success
  type: str
  sample: successful
certificate_status:
  description: The status of the certificate in the response, V(good), V(revoked) or V(unknown).
  returned: success
  type: str
  sample: good
this_update:
  description: The thisUpdate of the response, which is when its validity period begins.
  returned: success
  type: str
  sample: "2026-11-23T09:00:00Z"
next_update:
  description: The nextUpdate of the response, or V(null) if it has none.
  returned: success
  type: str
  sample: "2026-11-30T09:00:00Z"
produced_at:
  description: When the response was signed.
  returned: success
  type: str
  sample: "2026-11-23T09:00:00Z"
effective_expiry:
  description: When the response stops being usable. This is RV(next_update), the time at which RV(this_update) is
    O(maximum_age) ago, or the expiry of the responder's certificate or of the certificate itself, whichever is
    earliest.
  returned: success
  type: str
  sample: "2026-11-30T09:00:00Z"
revocation_time:
  description: When the certificate was revoked.
  returned: success
  type: str
  sample: "2026-11-20T10:15:00Z"
revocation_reason:
  description: Why the certificate was revoked, if the CA gives a reason, as the name in RFC 5280 in snake case.
  returned: success
  type: str
  sample: key_compromise
serial_number:
  description: The serial number of the certificate.
  returned: success
  type: int
  sample: 81238719834712
must_staple:
  description: Whether the certificate requires stapling (must-staple, RFC 7633).
  returned: success
  type: bool
  sample: false
responder_id:
  description: Who signed the response, as a name, or as V(key:) followed by the SHA-1 of the key.
  returned: success
  type: str
  sample: CN=OCSP Responder,O=Example CA
responder_certificate_expiry:
  description: When the certificate of a delegated responder expires. V(null) if the issuer signed the response itself.
  returned: success
  type: str
  sample: "2027-02-01T00:00:00Z"
signature_algorithm:
  description: The signature algorithm of the response.
  returned: success
  type: str
  sample: rsa_sha256
certid_digest:
  description: The digest that identifies the certificate in the response (CertID).
  returned: success
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
  returned: success
  type: str
  sample: 5f2d1c7b0e5c0b3a5b3f6a6d7e9e0c1f2a3b4c5d6e7f8091a2b3c4d5e6f70819
response:
  description: The Base64 of the DER of the response, or V(null) when there is none.
  returned: when O(return_content=true)
  type: str
  sample: MIIB0woBAKCCAcwwggHI...
"""

from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MissingError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import freshness, report
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import response as ocsp_response
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import schedule, wire
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import parse as ocsp_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import reading


def read_content(module):
    """The bytes to judge, or None where the file does not exist."""
    path = module.params["path"]
    if path == "":
        raise InputError("path is empty; give the path of the file that holds the response")
    if path is None:
        return ocsp_options.decode_content(module.params["content"], "content")
    return reading.read_file(path, f"path: {path}", ocsp_response.SIZE_LIMIT)


def inspect(module):
    """Judge the response and return the values of the result."""
    now = _module.read_now(module)
    content = read_content(module)
    try:
        options = ocsp_options.read_options(module.params, judging=True)
    except MissingError as error:
        outcome, is_due = _module.not_there_yet(module, module.params["path"], error), True
    else:
        outcome = freshness.inspect(options, content, now)
        is_due = outcome.judgement is None or schedule.is_due(outcome.judgement, options.renewal, now)
    judgement = outcome.judgement
    _module.show_warnings(module, outcome.warnings)
    values = report.judged_values(outcome, module.params["return_content"])
    values.update(
        exists=content is not None,
        parsable=is_parsable(content),
        acceptable=judgement is not None and judgement.acceptable,
        should_renew=is_due,
    )
    return values


def is_parsable(content):
    return content is not None and not wire.parse_problem(wire.from_pem(content))


def main():
    module = Module(
        argument_spec=dict(
            _module.argument_spec("ocsp_response_info"),
            path={"type": "path"},
            content={"type": "str"},
        ),
        supports_check_mode=True,
        mutually_exclusive=_module.CERTIFICATE_CONFLICTS + [("path", "content")],
        required_one_of=[("path", "content"), ("certificate_path", "certificate_content")],
    )
    _module.require_cryptography(module)
    with _module.failing_plainly(module):
        values = inspect(module)
    module.exit_json(**values)


if __name__ == "__main__":
    main()
