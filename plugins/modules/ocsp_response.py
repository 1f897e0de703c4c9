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
  - Fetches the OCSP response (RFC 6960) of a certificate, judges it as strictly as browsers do, and
    writes it to a file from which a TLS server can staple it.
  - While the response in the file is good and not yet due for renewal, nothing is asked and nothing changes.
  - A response that is expired, revoked, about another certificate, or wrong in any other way is never
    written, and a newer response is never replaced by an older one. The file is replaced in one step.
  - When no new response can be had while the one in place is still good, the module does not fail. It
    warns and returns the reason in RV(fetch_error).
  - A certificate that names no OCSP responder is normal and not an error. See O(on_missing_responder).
extends_documentation_fragment:
  - ansible.builtin.files
  - certops.ocsp._attributes
  - certops.ocsp._attributes.files
  - certops.ocsp._ocsp.certificate
  - certops.ocsp._ocsp.rules
attributes:
  check_mode:
    support: full
    details:
      - In check mode a responder is asked when the response is due, and nothing is written.
  diff_mode:
    support: full
    details:
      - The difference shows what the responses say, and not their bytes.
  idempotent:
    support: full
options:
  path:
    description:
      - The file that holds the response.
      - Its folder must exist. A symbolic link is followed, and the file it leads to is replaced.
      - A new file gets the mode V(0644) unless O(mode) says otherwise. The attributes of an old file stay.
    type: path
    required: true
  state:
    description:
      - V(present) keeps a good response in O(path).
      - V(absent) removes the file. Of a symbolic link, the link is removed.
    type: str
    choices: [present, absent]
    default: present
  source_path:
    description:
      - A file with a response that was fetched elsewhere, as DER or PEM.
      - It is judged by the same rules and installed when it is newer. No responder is asked.
    type: path
  source_content:
    description:
      - The Base64 of the DER of a response that was fetched elsewhere, as in RV(response).
      - It is judged by the same rules and installed when it is newer. No responder is asked.
    type: str
  responder_urls:
    description:
      - The URLs of the OCSP responders to ask, in this order.
      - By default, and with an empty list, those of the certificate's authority information access extension.
    type: list
    elements: str
  certid_digest:
    description:
      - The digest that names the certificate in the request.
      - With V(auto), SHA-1 is tried first, since all responders understand it, and SHA-256 when a responder
        will not have it. This use of SHA-1 is not a matter of security.
    type: str
    choices: [auto, sha1, sha256]
    default: auto
  method:
    description:
      - How to ask.
      - With V(auto), GET is used where the URL has at most 255 characters, and POST where it is longer or
        where GET failed.
    type: str
    choices: [auto, get, post]
    default: auto
  nonce:
    description:
      - Whether to send a nonce. A response that carries another one is refused, one that carries none is not.
      - It defeats caches and makes the responder sign anew, so it is rarely wanted.
    type: bool
    default: false
  on_missing_responder:
    description:
      - What to do when the certificate names no responder and O(responder_urls) is not given.
      - With V(skip), nothing changes and RV(skipped_reason) says V(no_responder).
    type: str
    choices: [skip, fail]
    default: skip
  on_revoked:
    description:
      - What to do when the CA says that the certificate is revoked. The response is never written.
      - With V(keep), the module warns and does not fail.
    type: str
    choices: [fail, keep]
    default: fail
  force:
    description:
      - Ask a responder also when the response in place is not due yet.
      - A newer response is not replaced by an older one even then.
    type: bool
    default: false
  format:
    description:
      - The format of the file. All servers that O(server) knows read V(der) only.
    type: str
    choices: [der, pem]
    default: der
  backup:
    description:
      - Whether to keep a copy of the response that is replaced, under its name with the time appended.
    type: bool
    default: false
  backup_count:
    description:
      - How many of these copies stay. Older ones are removed.
    type: int
    default: 5
  timeout:
    description:
      - The seconds that one exchange with a responder may take in all.
    type: float
    default: 10
  total_timeout:
    description:
      - The seconds that all exchanges, and the pauses between them, may take together.
    type: float
    default: 60
  retries:
    description:
      - How often to try again when a responder cannot be reached, takes too long, has an internal problem, or
        asks to try later.
      - Other ways to ask, and other responders, do not count.
    type: int
    default: 2
  use_proxy:
    description:
      - If V(false), no proxy is used, not even one that the environment names.
    type: bool
    default: true
  http_proxy:
    description:
      - The URL of the proxy to ask through, for example V(http://proxy.example.com:3128).
      - By default the environment variables C(http_proxy), C(https_proxy) and C(no_proxy) count.
    type: str
  validate_certs:
    description:
      - Whether to check the certificate of a responder whose URL is V(https://...).
      - Responses are signed, so this is no question of their truth.
    type: bool
    default: true
  http_agent:
    description:
      - The User-Agent to send.
    type: str
    default: certops.ocsp
seealso:
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

- name: Fetch once on the controller for hosts without a way out
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
  notify: Reload nginx
"""

RETURN = r"""
path:
  description: The file that holds the response.
  returned: always
  type: str
  sample: /etc/nginx/ocsp/www.example.com.der
msg:
  description: One sentence that says what was done, or what is wrong.
  returned: always
  type: str
  sample: a response that is good until 2026-11-30T09:00:00Z was installed
fetched:
  description: Whether a responder was asked and gave an acceptable response.
  returned: unless an option or a file cannot be used
  type: bool
  sample: true
fetch_error:
  description: Why no acceptable response could be had, or V(null).
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
  description: V(no_responder) when the certificate names no responder, otherwise V(null).
  returned: unless an option or a file cannot be used
  type: str
  sample: no_responder
renew_at:
  description: When the response in place is due for renewal.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-27T09:00:00Z"
responder_url:
  description: The responder that gave the response, or the last one that was asked. V(null) if none was.
  returned: unless an option or a file cannot be used
  type: str
  sample: http://ocsp.example.com
attempts:
  description: The exchanges with responders, in their order.
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
      description: The digest that named the certificate.
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
      description: How long it took.
      type: float
      sample: 0.041
backup_file:
  description: The copy of the response that was replaced.
  returned: when a copy was made
  type: str
  sample: /etc/nginx/ocsp/www.example.com.der.20261123T120000.000000Z~
response_status:
  description: The status of the whole OCSP response, for example V(successful), V(try_later) or V(unauthorized).
  returned: unless an option or a file cannot be used
  type: str
  sample: successful
certificate_status:
  description: What the response says of the certificate, V(good), V(revoked) or V(unknown).
  returned: unless an option or a file cannot be used
  type: str
  sample: good
this_update:
  description: Since when the response holds.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-23T09:00:00Z"
next_update:
  description: Until when the response holds by its own word. V(null) if it does not say so.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-30T09:00:00Z"
produced_at:
  description: When the response was signed.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-23T09:00:00Z"
effective_expiry:
  description: Until when the response can be used, which is the earliest end of RV(next_update), of the
    responder's certificate and of the certificate itself.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-30T09:00:00Z"
revocation_time:
  description: When the certificate was revoked.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2026-11-20T10:15:00Z"
revocation_reason:
  description: Why the certificate was revoked, if the CA says so, with the names of RFC 5280 in snake case.
  returned: unless an option or a file cannot be used
  type: str
  sample: key_compromise
serial_number:
  description: The serial number of the certificate.
  returned: unless an option or a file cannot be used
  type: int
  sample: 81238719834712
must_staple:
  description: Whether the certificate demands stapling (RFC 7633).
  returned: unless an option or a file cannot be used
  type: bool
  sample: false
responder_id:
  description: Who signed the response, a name, or V(key:) with the SHA-1 of the key.
  returned: unless an option or a file cannot be used
  type: str
  sample: CN=OCSP Responder,O=Example CA
responder_certificate_expiry:
  description: When the certificate of a delegated responder ends. V(null) when the issuer signed itself.
  returned: unless an option or a file cannot be used
  type: str
  sample: "2027-02-01T00:00:00Z"
signature_algorithm:
  description: How the response is signed.
  returned: unless an option or a file cannot be used
  type: str
  sample: rsa_sha256
certid_digest:
  description: The digest by which the response names the certificate.
  returned: unless an option or a file cannot be used
  type: str
  sample: sha1
findings:
  description: What is wrong or odd with the response, most fundamental first.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: The reason code. Codes never change their meaning.
      type: str
      sample: expired
    severity:
      description: V(error) forbids to use the response, V(warning) does not.
      type: str
      sample: error
    message:
      description: One sentence.
      type: str
      sample: "the response ended on 2026-11-22 09:00:00 UTC (this host's clock says 2026-11-23 12:00:00 UTC)"
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import options as ocsp_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import refresh, report
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.environment import Environment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError

TRANSPORT_OPTIONS = ("use_proxy", "http_proxy", "validate_certs", "http_agent")


def argument_spec():
    return dict(
        _module.CERTIFICATE_SPEC,
        **_module.RULES_SPEC,
        path={"type": "path", "required": True},
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        source_path={"type": "path"},
        source_content={"type": "str"},
        responder_urls={"type": "list", "elements": "str"},
        certid_digest={"type": "str", "choices": ["auto", "sha1", "sha256"], "default": "auto"},
        method={"type": "str", "choices": ["auto", "get", "post"], "default": "auto"},
        nonce={"type": "bool", "default": False},
        on_missing_responder={"type": "str", "choices": ["skip", "fail"], "default": "skip"},
        on_revoked={"type": "str", "choices": ["fail", "keep"], "default": "fail"},
        force={"type": "bool", "default": False},
        format={"type": "str", "choices": ["der", "pem"], "default": "der"},
        backup={"type": "bool", "default": False},
        backup_count={"type": "int", "default": 5},
        timeout={"type": "float", "default": 10},
        total_timeout={"type": "float", "default": 60},
        retries={"type": "int", "default": 2},
        use_proxy={"type": "bool", "default": True},
        # The URL of a proxy may hold its password.
        http_proxy={"type": "str", "no_log": True},
        validate_certs={"type": "bool", "default": True},
        http_agent={"type": "str", "default": "certops.ocsp"},
    )


def make_exchange(module):
    """The network as the options want it, set up when it is first used."""

    @functools.cache
    def transport():
        # Imported here, because the HTTP libraries cost more than all that a fresh response needs.
        from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.transport import Transport

        return Transport(**{name: module.params[name] for name in TRANSPORT_OPTIONS})

    return lambda request, timeout: transport().exchange(request, timeout)


def run(module):
    """Bring the file into the state asked for and return the outcome."""
    write = not module.check_mode
    if module.params["state"] == "absent":
        return refresh.remove(module.params["path"], write)
    options = ocsp_options.read_options(module.params)
    return refresh.refresh(options, Environment(make_exchange(module), _module.read_now(module)), write)


def check_attributes(module):
    """Fail on an unknown owner, group or mode before a response is written that nobody would be notified of."""
    asked = [module.params[name] for name in ("owner", "group", "mode")]
    if asked == [None, None, None]:
        return
    probe = os.path.join(module.tmpdir, "probe")
    with open(probe, "wb"):
        pass
    arguments = module.load_file_common_arguments(dict(module.params, attributes=None), path=probe)
    check_mode, module.check_mode = module.check_mode, True
    module.set_fs_attributes_if_different(arguments, False)
    module.check_mode = check_mode


def set_attributes(module, outcome, diff):
    """Set owner, mode and so on of the file; return whether anything is changed, or was before."""
    # They belong to the file that a symbolic link leads to, as its content does.
    path = os.path.realpath(outcome.path)
    try:
        arguments = module.load_file_common_arguments(module.params, path=path)
        return module.set_fs_attributes_if_different(arguments, outcome.changed, diff)
    except OSError as error:
        content = "its content was replaced" if outcome.changed else "its content is as it was"
        raise FileError(f"cannot set the owner, group or mode of {path}: {error.strerror}; {content}") from None


def describe_change(outcome, absent):
    """What the difference shows: what the responses say, before and after."""
    after = outcome.judgement if outcome.data is not None else outcome.before
    diff = {
        "before_header": outcome.path,
        "after_header": outcome.path,
        "before": report.diff_values(outcome.before),
        "after": report.diff_values(after),
    }
    if absent:
        diff.update(before={"state": "present" if outcome.changed else "absent"}, after={"state": "absent"})
    return diff


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        add_file_common_args=True,
        supports_check_mode=True,
        mutually_exclusive=_module.CERTIFICATE_CONFLICTS + [("source_path", "source_content")],
        required_if=[("state", "present", ("certificate_path", "certificate_content"), True)],
    )
    _module.require_cryptography(module)
    check_attributes(module)
    with _module.failing_plainly(module):
        outcome = run(module)
    values = report.outcome_values(outcome, module.params["return_content"])
    diff = describe_change(outcome, module.params["state"] == "absent")
    if outcome.failed:
        module.fail_json(**values)
    if module.params["state"] == "present" and os.path.exists(outcome.path):
        with _module.failing_plainly(module):
            values["changed"] = set_attributes(module, outcome, diff)
        if values["changed"] and not outcome.changed:
            values["msg"] += "; the attributes of the file were not as asked for"
    _module.show_warnings(module, outcome.judgement.findings if outcome.judgement else [], outcome.warnings)
    module.exit_json(diff=diff, **values)


if __name__ == "__main__":
    main()
