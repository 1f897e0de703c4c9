#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocsp_responses
short_description: Keep the OCSP responses of many certificates fresh, in parallel
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - Does for many certificates what M(certops.ocsp.ocsp_response) does for one, in one task. Responders are asked in
    parallel, over persistent connections.
  - One bad certificate never stops the others. See O(fail_on).
  - A responder that cannot be reached is not asked again for its other certificates. Certificates that still have a
    good response keep it, and their C(fetch_error) says so.
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
      - In check mode responders are asked for the responses that are due, but nothing is written.
      - A file that does not exist on the host is a warning, and the response counts as changed, because an earlier task
        may be about to create it.
  diff_mode:
    support: full
    details:
      - The diffs show what the responses say, not their bytes.
  idempotent:
    support: full
options:
  certificates:
    description:
      - The certificates. Each is a dictionary with C(path), the file that holds its response, and any other option
        of M(certops.ocsp.ocsp_response), including those for the owner, group and mode of the file.
      - An option that is not given for a certificate is taken from the task, where each option can be set once for all
        certificates.
      - C(name) is the key of the certificate in RV(responses), by default its C(path). No two certificates may have the
        same name or the same path.
      - If a certificate cannot be read or its file cannot be written, only that certificate fails. Options that do not
        exist, or have a value of the wrong type, fail the task before anything is done.
    type: list
    elements: dict
    required: true
  workers:
    description:
      - How many certificates to process at once, from V(1) to V(1000).
    type: int
    default: 16
  per_responder:
    description:
      - How many requests to send to one responder (scheme, host and port) at once, from V(1) to V(1000).
    type: int
    default: 8
  fail_on:
    description:
      - When the task fails. All certificates are always processed first.
      - With V(any), if M(certops.ocsp.ocsp_response) would fail for any certificate.
      - With V(must_staple), if it would fail for a certificate that requires stapling, or for one that cannot be read.
      - With V(none), never. See RV(failed_count).
      - A task that fails notifies no handlers, although some responses may have changed, and the next run finds nothing
        to change in those. If you use a handler, set V(none), flush the handlers, and fail in a later task, as the
        first example does.
    type: str
    choices: [any, none, must_staple]
    default: any
notes:
  - Unless the task fails, the results of all certificates are returned, about 4 kB for each. Where there are many
    thousands of certificates on one host, the program C(ocsp-stapling) of the role
    P(certops.ocsp.ocsp_stapling#role) renews them on the host.
seealso:
  - module: certops.ocsp.ocsp_response
  - module: certops.ocsp.ocsp_response_info
"""

EXAMPLES = r"""
- name: Keep the staples of all certificates of a server fresh
  become: true
  certops.ocsp.ocsp_responses:
    certificates:
      - name: www
        path: /etc/nginx/ocsp/www.example.com.der
        certificate_path: /etc/ssl/www.example.com/fullchain.pem
      - name: mail
        path: /etc/exim4/ocsp/mail.example.com.der
        certificate_path: /etc/ssl/mail.example.com/fullchain.pem
        group: Debian-exim
        server: [exim]
    minimum_validity: 3d
    server: [nginx]
    fail_on: none
  register: staples
  notify: Reload servers

- name: Reload the servers before anything can fail
  ansible.builtin.meta: flush_handlers

- name: Fail if a certificate has no good response
  ansible.builtin.assert:
    that: staples.failed_count == 0
    fail_msg: "{{ staples.msg }}"

- name: Fail at once, but only for certificates that require stapling
  become: true
  certops.ocsp.ocsp_responses:
    certificates: "{{ my_certificates }}"
    fail_on: must_staple
"""

RETURN = r"""
msg:
  description: What was done, or what is wrong with the first few certificates that failed, in one sentence.
  returned: always
  type: str
  sample: 2 of 40 files changed
responses:
  description:
    - The result for each certificate, by name and in the given order.
    - The values are those that M(certops.ocsp.ocsp_response) returns, with C(changed) and C(failed).
    - When the task fails, Ansible prints everything that it returns, so only certificates that failed are returned
      then, at most 20, with C(path), C(msg), C(must_staple), C(fetch_error) and C(findings). O(fail_on=none) returns
      all.
  returned: unless an option cannot be used
  type: dict
  sample:
    www:
      changed: true
      failed: false
      path: /etc/nginx/ocsp/www.example.com.der
      msg: a response that is good until 2026-11-30T09:00:00Z was installed
      certificate_status: good
      effective_expiry: "2026-11-30T09:00:00Z"
total:
  description: The number of certificates that were given.
  returned: unless an option cannot be used
  type: int
  sample: 40
fetched:
  description: The number of certificates for which a responder was asked and returned an acceptable response.
  returned: unless an option cannot be used
  type: int
  sample: 2
changed_count:
  description: The number of files that changed, or would change in check mode.
  returned: unless an option cannot be used
  type: int
  sample: 2
failed_count:
  description: The number of certificates for which M(certops.ocsp.ocsp_response) would fail.
  returned: unless an option cannot be used
  type: int
  sample: 0
skipped_count:
  description: The number of certificates without an OCSP responder URL, for which there is nothing to staple.
  returned: unless an option cannot be used
  type: int
  sample: 1
"""

import collections
import os

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible_collections.certops.ocsp.plugins.module_utils import _entries, _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import (
    ERROR,
    Finding,
    InputError,
    InputErrors,
    MissingError,
    OcspError,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import report
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.bulk import Job, Network, as_error, refresh_all
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import Environment, Ways
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import parse as ocsp_options

OPTIONS = _module.argument_spec("ocsp_responses")
ENTRY = dict(
    _module.argument_spec("ocsp_response", defaults=False),
    **FILE_COMMON_ARGUMENTS,
    path={"type": "path"},
    name={"type": "str"},
)
CONFLICTS = _module.CERTIFICATE_CONFLICTS + _module.SOURCE_CONFLICTS

#: What is set on a file once its content is right.
ATTRIBUTES = [name for name in FILE_COMMON_ARGUMENTS if name != "unsafe_writes"]
#: How many certificates a message names, and how many warnings are shown.
SHOWN = 5
#: What is returned of a certificate when the task fails, and of how many, since Ansible prints all of it.
SHOWN_VALUES = ("changed", "failed", "path", "msg", "must_staple", "fetch_error", "findings")
SHOWN_FAILURES = 20
#: How many faults in options a message tells.
SHOWN_FAULTS = 20


def read_entries(given):
    """The certificates with their options converted, by name. Raises InputError with all that none can have."""
    reader = _entries.EntryReader(ENTRY, CONFLICTS, ["path"])
    entries, paths, faults = {}, {}, collections.defaultdict(list)
    for number, one in enumerate(given):
        entry, found = reader.read(one)
        if entry.get("path") == "":
            found.append("path is empty; give the file that holds its response")
        name = entry.setdefault("name", entry.get("path") or f"certificates[{number}]")
        path = os.path.abspath(entry.get("path") or name)
        if name in entries:
            found.append("another certificate has the same name; give each a name of its own")
        elif path in paths:
            found.append(f"'{paths[path]}' has the same path {path}")
        for fault in found:
            faults[fault].append(name)
        entries[name], paths[path] = entry, name
    if faults:
        told = [f"{shorten(list(dict.fromkeys(names)), ', ')}: {fault}" for fault, names in faults.items()]
        raise InputErrors(shortened(told, SHOWN_FAULTS))
    return entries


def defaults_of(params):
    """What the task says for all certificates."""
    return {name: params[name] for name in ENTRY if name in params and params[name] is not None}


def options_of(entry, defaults):
    """All options of one certificate. What it says itself also displaces what contradicts that."""
    options = {**defaults, **entry}
    for pair in CONFLICTS:
        own = [name for name in pair if name in entry]
        for name in pair:
            if own and name not in own:
                options.pop(name, None)
    return options


class Finisher:
    """Turns outcomes into return values, and collects what the task says in the end."""

    def __init__(self, module):
        self.module = module
        self.responses = {}
        self.warnings = []
        self.differences = {}
        self.checked = {}

    def check(self, options):
        """Refuse an owner, group or mode that makes no sense before a response is written. Raises InputError."""
        asked = tuple(str(options.get(name)) for name in ("owner", "group", "mode"))
        if asked not in self.checked:
            self.checked[asked] = None
            try:
                _module.check_attributes(self.module, options)
            except InputError as error:
                self.checked[asked] = error
        if self.checked[asked] is not None:
            raise self.checked[asked]

    def add(self, name, options, result):
        try:
            if isinstance(result, MissingError):
                result = _module.not_there_yet(self.module, options["path"], result)
            if isinstance(result, OcspError):
                raise result
            self.responses[name] = self.values(name, options, result)
        except Exception as caught:  # a defect at one certificate costs one certificate
            error = as_error(caught)
            message = _module.explain(error)
            finding = Finding(error.code, ERROR, message)
            self.responses[name] = {
                "changed": getattr(result, "changed", False),
                "failed": True,
                "path": options["path"],
                "msg": message,
                "findings": [finding._asdict()],
            }

    def values(self, name, options, outcome):
        absent = options["state"] == "absent"
        values = report.outcome_values(outcome, options["return_content"])
        values["failed"] = outcome.failed
        difference = report.difference(outcome, absent) if self.module._diff else {}
        if not outcome.failed:
            asked = any(layer.get(attribute) is not None for layer in options.maps for attribute in ATTRIBUTES)
            if asked and not absent and os.path.exists(outcome.path):
                values["changed"] = _module.set_attributes(self.module, options, outcome, difference)
                if values["changed"] and not outcome.changed:
                    values["msg"] += _module.ATTRIBUTES_CHANGED
            self.warnings += [f"{name}: {one}" for one in _module.warnings_of(outcome.findings, outcome.warnings)]
        if values["changed"]:
            self.differences[name] = difference
        return values

    def end(self, names, fail_on):
        """Leave the module with all that was found."""
        responses = {name: self.responses[name] for name in names}
        failed = [name for name in names if responses[name]["failed"]]
        changed = sum(one["changed"] for one in responses.values())
        sentence = f"{changed} of {len(names)} files changed"
        if failed:
            reasons = [f"{name}: {responses[name]['msg']}" for name in failed]
            sentence += f", {len(failed)} failed: {shorten(reasons, '; ')}"
        results = {
            "msg": sentence,
            "responses": responses,
            "total": len(names),
            "fetched": sum(one.get("fetched", False) for one in responses.values()),
            "changed_count": changed,
            "failed_count": len(failed),
            "skipped_count": sum(one.get("skipped_reason") is not None for one in responses.values()),
            "changed": changed > 0,
        }
        if self.module._diff:
            results["diff"] = [self.differences[name] for name in names if name in self.differences]
        _module.show_warnings(self.module, self.warnings[:SHOWN])
        if len(self.warnings) > SHOWN:
            self.module.warn(f"and {len(self.warnings) - SHOWN} more warnings; see responses")
        fatal = [name for name in failed if fail_on == "any" or responses[name].get("must_staple") is not False]
        if fatal and fail_on != "none":
            results["responses"] = {name: brief(responses[name]) for name in failed[:SHOWN_FAILURES]}
            self.module.fail_json(**results)
        self.module.exit_json(**results)


def brief(values):
    return {name: values[name] for name in SHOWN_VALUES if name in values}


def shorten(parts, separator):
    return separator.join(shortened(parts, SHOWN))


def shortened(parts, shown):
    return parts[:shown] + ([f"and {len(parts) - shown} more"] if len(parts) > shown else [])


def run(module):
    """Bring all files into the states asked for, and leave the module."""
    for name in ("workers", "per_responder"):
        ocsp_options.read_value(name, module.params[name])
    entries, defaults = read_entries(module.params["certificates"]), defaults_of(module.params)
    finisher = Finisher(module)
    module.raises = True

    def jobs():
        for name, entry in entries.items():
            options = {**defaults, **entry}
            try:
                options = options_of(entry, defaults)
                finisher.check(options)
            except Exception as error:
                finisher.add(name, options, as_error(error))
            else:
                yield Job(name, options)

    with Network() as network:
        ways = Ways()

        def environment_for(job):
            return Environment(network.exchange_for(job.values), _module.time_of(job.values), ways=ways)

        limits = module.params["workers"], module.params["per_responder"]
        for name, result in refresh_all(jobs(), environment_for, *limits, not module.check_mode, network.close):
            finisher.add(name, collections.ChainMap(entries[name], defaults), result)
    module.raises = False
    finisher.end(list(entries), module.params["fail_on"])


def main():
    module = Module(
        argument_spec=dict(
            OPTIONS,
            certificates={"type": "list", "elements": "dict", "required": True},
            fail_on={"type": "str", "choices": ["any", "none", "must_staple"], "default": "any"},
        ),
        add_file_common_args=True,
        supports_check_mode=True,
        mutually_exclusive=CONFLICTS,
    )
    _module.require_cryptography(module)
    try:
        run(module)
    except OcspError as error:
        module.raises = False
        module.fail_json(msg=error.message)


if __name__ == "__main__":
    main()
