#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_set
short_description: Deploy private keys, certificates and OCSP staples together or not at all
version_added: "1.0.0"
description:
  - Installs private key, certificate, chain, root and OCSP response as one set for each name, and switches servers to
    it by one rename of C(/etc/ocsp-stapling/live/NAME).
  - Everything is checked before anything is changed, for all certificates of the task. The key fits the certificate,
    the chain leads to the root, nothing has expired, the names are covered, and each service can do what the
    certificate demands. A response is fetched for each new certificate and judged as M(certops.ocsp.ocsp_response)
    does.
  - After the switch each service's own test of its configuration must pass, or the old sets are put back at once.
  - The services are not reloaded. RV(reload) says which ones have to be, until each has loaded its files, whoever
    reloaded it. The role P(certops.ocsp.ocsp_stapling#role) does that, and then calls this module with
    O(state=verify) to see whether it worked.
  - A run that is killed leaves nothing half switched. The next run, or the program on the host, puts back what was
    being switched and tells the services that were to be told.
  - What is given as C(_src) is read on the controller, and as C(_path) on the host.
extends_documentation_fragment:
  - certops.ocsp._attributes
attributes:
  action_group:
    support: none
    membership: []
  check_mode:
    support: full
    details:
      - The responders are asked, and nothing is written.
  diff_mode:
    support: full
    details:
      - Shows facts about the certificates and responses. Nothing of a private key is shown.
  idempotent:
    support: full
options:
  certificates:
    description:
      - The certificates. Options of the same name outside of this list are the defaults for all of them.
      - Two entries of the same O(certificates[].name) and files become one with the services of both.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The name of the set, usually the name of the server. Letters, digits, dots, dashes and underscores.
        type: str
        required: true
      names:
        description:
          - The server names and addresses that the certificate must be for, V([name]) by default.
          - The first one that is no wildcard is asked for when looking at what is served.
        type: list
        elements: str
      private_key_path:
        description: The private key as PEM, on the host.
        type: path
      private_key_src:
        description: The private key as PEM, on the controller. May be encrypted with Ansible Vault.
        type: path
      private_key_content:
        description: The private key as PEM.
        type: str
      certificate_path:
        description: The certificate as PEM or DER, on the host. The chain may follow it.
        type: path
      certificate_src:
        description: The certificate as PEM, on the controller. The chain may follow it.
        type: path
      certificate_content:
        description: The certificate as PEM. The chain may follow it.
        type: str
      chain_path:
        description: The certificates of the issuing CAs as PEM, on the host.
        type: path
      chain_src:
        description: The certificates of the issuing CAs as PEM, on the controller.
        type: path
      chain_content:
        description: The certificates of the issuing CAs as PEM.
        type: str
      root_path:
        description: The root to which the chain must lead, on the host. More certificates of the chain may be there.
        type: path
      root_src:
        description: The root to which the chain must lead, on the controller. More certificates may be there.
        type: path
      root_content:
        description: The root to which the chain must lead, as PEM.
        type: str
      source:
        description: A folder with the files of this certificate. See O(source).
        type: path
      services:
        description: The services that use the certificate. See O(services).
        type: list
        elements: str
      owner:
        description: Who owns the private key. See O(owner).
        type: str
      group:
        description: The group of the private key. See O(group).
        type: str
      mode:
        description: The mode of the private key. See O(mode).
        type: raw
      staple:
        description: Whether to staple. See O(staple).
        type: bool
      response_content:
        description:
          - The Base64 of an OCSP response that was fetched elsewhere. It is judged all the same.
        type: str
      fetch_problem:
        description: Why there is no O(certificates[].response_content), for messages.
        type: str
      responder_urls:
        description: The responders to ask, by default those that the certificate names.
        type: list
        elements: str
      options:
        description:
          - More options of M(certops.ocsp.ocsp_response) for this certificate. See O(options).
        type: dict
  groups:
    description:
      - More certificates, in groups. Each entry is a mapping as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
  scan:
    description:
      - More certificates, in folders of the controller in which each private key makes one, as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_scan) has them.
      - With O(remote_source=true), what RV(certops.ocsp.stapling_program#module:found) says of folders of the host.
    type: list
    elements: dict
  missing:
    description:
      - The names of certificates in O(groups) that are left out, because they could not be obtained yet. What the host
        has of them stays as it is.
    type: list
    elements: str
  source:
    description:
      - A folder with the files of certificates that name none. C(NAME.key) and C(NAME.pem) must be there.
        C(NAME-chain.pem), C(NAME-fullchain.pem) and C(NAME-rootchain.pem) may be; C(NAME-fullchain.pem) alone will do
        for C(NAME.pem).
      - It is on the controller, unless O(remote_source=true).
    type: path
  remote_source:
    description: Whether O(source) is on the host.
    type: bool
    default: false
  state:
    description:
      - V(present) deploys O(certificates).
      - V(verify) confirms what the services of the last deployment serve after their reload. Where that is worse than
        before, the old sets are put back, the services are reloaded, and the task fails and says why.
      - V(pruned) removes the sets that dropped out of the parts of all owners, unless a configuration still uses them.
        See O(part).
      - V(absent) removes the sets of O(certificates) or of O(part), or all where there is neither, unless a
        configuration still uses them.
    type: str
    choices: [present, verify, pruned, absent]
    default: present
  part:
    description:
      - Whose certificates they are, where several roles or plays deploy to the same host. Each owner has a part of the
        host's configuration, which the program on the host reads, and changes and removes only what is its own.
      - Without it, nothing of that is changed.
    type: dict
    suboptions:
      owner:
        description: The name of the owner. By default the role that includes this task's role, else the play.
        type: str
        default: ""
      number:
        description:
          - How many times this owner has deployed in this run of Ansible, with this one. V(0) says that this is not
            known. What it deployed in later times of an earlier run stays.
        type: int
        default: 1
      claimed:
        description: The names that it deployed before, in this run of Ansible.
        type: list
        elements: str
        default: []
      together:
        description: The names that each other owner deployed before, in this run of Ansible. They have to agree.
        type: dict
        default: {}
      derived:
        description:
          - Whether the name of the owner is that of the play. With O(state=absent) the part of another single owner is
            then taken for meant.
        type: bool
        default: false
      revoked:
        description: The names of certificates in use that the program on the host knows to be revoked.
        type: list
        elements: str
        default: []
      question:
        description: Whether only what is wrong with the certificates is of interest, so that no response is obtained.
        type: bool
        default: false
  services:
    description:
      - The services that use the certificates. What they need is known for all choices of
        O(certops.ocsp.ocsp_response#module:server). Others can be described in O(service_settings).
    type: list
    elements: str
    default: []
  service_settings:
    description:
      - By the name of a service, what is different about it. C(kind) is one of the choices of
        O(certops.ocsp.ocsp_response#module:server), C(unit) is its systemd unit, C(test) and C(reload) are commands,
        each a list of words or a text that is split into words as a shell would. No shell runs them.
    type: dict
    default: {}
  owner:
    description: Who owns the private keys.
    type: str
    default: root
  group:
    description: The group of the private keys.
    type: str
    default: root
  mode:
    description: The mode of the private keys, as a string such as V("0440"). Everybody's access is refused.
    type: raw
    default: "0400"
  staple:
    description: Whether to staple for certificates that have a responder.
    type: bool
    default: true
  options:
    description:
      - Options of M(certops.ocsp.ocsp_response) about fetching and judging, for example C(minimum_validity), C(allow),
        C(timeout) or C(http_proxy). An option of a certificate counts more than the same option of the task.
      - All of its options can be given but those about files and about a single run, which are C(path),
        C(certificate_path), C(certificate_content), C(issuer_path), C(issuer_content), C(root_path), C(source_path),
        C(source_content), C(state), C(force), C(format), C(backup), C(backup_count), C(now) and C(return_content).
    type: dict
    default: {}
  fetch_from:
    description:
      - V(host) has the host ask the responders.
      - V(controller) has the controller ask them, once for all hosts of the play that have a certificate. They need no
        way out then, and judge the response again.
      - V(nowhere) fetches nothing. Only O(certificates[].response_content) and what is on the host counts.
    type: str
    choices: [host, controller, nowhere]
    default: host
  controller_cache:
    description: With O(fetch_from=controller), the folder of the controller that keeps the responses.
    type: str
    default: ~/.cache/ocsp-stapling
  workers:
    description: How many responses are fetched at a time, from V(1) to V(1000).
    type: int
    default: 16
  responder_wait:
    description:
      - How many seconds to go on asking a responder that does not know a new certificate yet, from V(0) to V(86400).
        Some know it only minutes after it was issued.
      - For a new certificate that demands stapling, a responder that is down is asked again as well. An unknown host or
        a URL that is refused is not waited for.
      - After that a certificate that demands stapling is held back, and any other is deployed without a staple. The
        other certificates of the task are deployed together with those that are waited for. RV(msg) says how long it
        waited, until when, and for which certificates.
    type: int
    default: 0
  fail_on_held_back:
    description:
      - Whether the task fails when a certificate was held back, after the others were deployed. Otherwise
        RV(held_back) tells.
    type: bool
    default: true
  endpoints:
    description:
      - Where services are looked at before and after. By default the usual ports on V(127.0.0.1).
    type: list
    elements: dict
    suboptions:
      service:
        description: The name of the service.
        type: str
        required: true
      host:
        description: A name or an address.
        type: str
        default: 127.0.0.1
      port:
        description: The port.
        type: int
        required: true
      starttls:
        description: The protocol that is spoken before TLS.
        type: str
        choices: ["", ftp, imap, ldap, lmtp, pop3, postgres, sieve, smtp, xmpp, xmpp-server]
        default: ""
  keep:
    description: How many sets of a name are kept, with the one in use, from V(1) to V(1000).
    type: int
    default: 3
  force:
    description: Whether O(state=absent) removes what a configuration still uses.
    type: bool
    default: false
  apache_port:
    description: The port of C(127.0.0.1) at which Apache answers its own question for a staple, from V(1) to V(65535).
    type: int
    default: 2562
  path:
    description: The folder of the sets. It is created.
    type: path
    default: /etc/ocsp-stapling
  state_path:
    description: The folder of what has to be remembered. It is created.
    type: path
    default: /var/lib/ocsp-stapling
requirements:
  - root on the host, which C(become=true) of the play provides
  - cryptography >= 3.3
seealso:
  - module: certops.ocsp.ocsp_response
  - module: certops.ocsp.ocsp_response_info
author:
  - certops.ocsp contributors (@certops)
"""

EXAMPLES = r"""
- name: Deploy keys, certificates and staples from the folder files on the controller
  become: true
  certops.ocsp.certificate_set:
    source: files
    services: [nginx]
    certificates:
      - name: example.com
      - name: example.net
  register: deployed

- name: Reload what has to be
  become: true
  ansible.builtin.systemd_service:
    name: "{{ item }}"
    state: reloaded
  loop: "{{ deployed.reload }}"

- name: Confirm that it is served, or go back
  become: true
  certops.ocsp.certificate_set:
    state: verify

- name: Deploy a certificate whose key is in a vault
  become: true
  certops.ocsp.certificate_set:
    certificates:
      - name: mail.example.com
        private_key_content: "{{ vault_mail_key }}"
        certificate_src: files/mail.pem
        chain_src: files/chain.pem
        services: [exim, dovecot]
        group: Debian-exim
        mode: "0440"
    responder_wait: 300
  notify: Reload mail servers
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "2 of 3 certificates changed: example.com, example.net"
findings:
  description: All that is wrong, one entry for each thing. Then nothing was changed.
  returned: when something is wrong
  type: list
  elements: dict
  contains:
    name:
      description: The name of the certificate, where it is about one.
      type: str
      sample: example.com
    code:
      description: The reason code.
      type: str
      sample: bad_input
    severity:
      description: V(error).
      type: str
      sample: error
    message:
      description: What is wrong, where, and what to do.
      type: str
      sample: "example.com: the private key is not that of the certificate"
certificates:
  description: What became of each certificate, in the order of the option.
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    name:
      description: The name of the set.
      type: str
      sample: example.com
    changed:
      description: Whether a new set went live.
      type: bool
    renewed:
      description: Whether a set that stays got a newer staple.
      type: bool
    adapted:
      description: Whether a set that stays got pieces of configuration for other services.
      type: bool
    reasons:
      description: What of the live set was not as it should be.
      type: list
      elements: str
      sample: [cert.pem, fullchain.pem]
    services:
      description: The services that use it.
      type: list
      elements: str
      sample: [nginx]
    path:
      description: The stable path of the set.
      type: str
      sample: /etc/ocsp-stapling/live/example.com
    fingerprint:
      description: The SHA-256 of the certificate.
      type: str
    expiry:
      description: When the certificate ends.
      type: str
      sample: "2027-02-21T00:00:00Z"
    must_staple:
      description: Whether the certificate demands stapling.
      type: bool
    responder_urls:
      description: The responders of the certificate; empty where there is nothing to staple.
      type: list
      elements: str
    stapled:
      description: Whether a good staple is in the set.
      type: bool
    staple_expiry:
      description: When the staple ends.
      type: str
      sample: "2026-11-30T09:00:00Z"
    held_back:
      description: Why the certificate was not deployed, or an empty string.
      type: str
held_back:
  description: The names of certificates that were not deployed, because their CA says that they are revoked, or because
    they demand a staple that could not be had.
  returned: when O(state=present)
  type: list
  elements: str
revoked:
  description: The names of certificates, also of those in use, that their CA has revoked.
  returned: when O(state=present)
  type: list
  elements: str
without_responder:
  description: The names of certificates that have no OCSP responder URL, so that there is nothing to staple.
  returned: when O(state=present)
  type: list
  elements: str
without_staple:
  description: The names of certificates in use that should have a staple and have none. A warning says why.
  returned: when O(state=present)
  type: list
  elements: str
reload:
  description:
    - The services that have to be reloaded now, also those that an earlier run could not tell. A service that has
      loaded its files since they changed is not among them, whoever reloaded it.
    - The names are those of O(services). The unit of a service may have another one, as C(exim4) of C(exim) on Debian.
  returned: when O(state) is neither V(verify) nor V(absent) of all
  type: list
  elements: str
  sample: [nginx]
unconfirmed:
  description: The services whose new certificates are not confirmed yet. See O(state=verify).
  returned: when O(state=present)
  type: list
  elements: str
good_until:
  description:
    - When the first of the certificates and staples in use expires. V(null) where none of the certificates has a
      staple.
  returned: when O(state=present)
  type: str
  sample: "2026-11-30T09:00:00Z"
dropped:
  description: The names that the owner of O(part) no longer gives, and that O(state=pruned) removes.
  returned: when O(state=present)
  type: list
  elements: str
removed:
  description: The names whose sets were removed.
  returned: when O(state=absent) or O(state=pruned)
  type: list
  elements: str
remaining:
  description: The owners that still have certificates on the host.
  returned: when O(state=absent) and O(part) are given
  type: list
  elements: str
swapped_back:
  description: The names whose old sets were put back.
  returned: when O(state=verify)
  type: list
  elements: str
"""

import shutil

from ansible_collections.certops.ocsp.plugins.module_utils import _entries, _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import QuietModule
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import certificate_set
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import PARTS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, Refusal

#: The options about fetching and judging that a certificate can be given.
OF_A_SET = _module.argument_spec("set", defaults=False)

#: Whose certificates they are.
PART = {
    "owner": {"type": "str", "default": ""},
    "number": {"type": "int", "default": 1},
    "claimed": {"type": "list", "elements": "str", "default": []},
    "together": {"type": "dict", "default": {}},
    "derived": {"type": "bool", "default": False},
    "revoked": {"type": "list", "elements": "str", "default": []},
    "question": {"type": "bool", "default": False},
}


def argument_spec():
    shared = {"services": {"type": "list", "elements": "str"}, "owner": {"type": "str"}, "group": {"type": "str"}}
    shared.update(mode={"type": "raw"}, staple={"type": "bool"}, options={"type": "dict"})
    one = {
        "name": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str"},
        "response_content": {"type": "str"},
        "fetch_problem": {"type": "str"},
        "source": {"type": "path"},
        "responder_urls": OF_A_SET["responder_urls"],
    }
    for part in PARTS:
        # The path of a key is no secret; its content is, also where it stands beside the certificate.
        one.update(
            {f"{part}_path": {"type": "path", "no_log": False}, f"{part}_src": {"type": "path", "no_log": False}}
        )
        one[f"{part}_content"] = {"type": "str", "no_log": True}
    defaults = {"services": [], "owner": "root", "group": "root", "mode": "0400", "staple": True, "options": {}}
    return dict(
        {name: dict(option, default=defaults[name]) for name, option in shared.items()},
        **_module.argument_spec("certificate_set"),
        certificates={"type": "list", "elements": "dict", "options": {**one, **shared}, "default": []},
        source={"type": "path"},
        remote_source={"type": "bool", "default": False},
        state={"type": "str", "choices": ["present", "verify", "pruned", "absent"], "default": "present"},
        part={"type": "dict", "options": PART},
        service_settings={"type": "dict", "default": {}},
        groups={"type": "list", "elements": "dict"},
        scan={"type": "list", "elements": "dict"},
        missing={"type": "list", "elements": "str"},
        fetch_from={"type": "str", "choices": ["host", "controller", "nowhere"], "default": "host"},
        controller_cache={"type": "str", "default": "~/.cache/ocsp-stapling"},
        responder_wait={"type": "int", "default": 0},
        fail_on_held_back={"type": "bool", "default": True},
        endpoints={"type": "list", "elements": "dict", "options": _entries.ENDPOINT},
        keep={"type": "int", "default": 3},
        force={"type": "bool", "default": False},
        apache_port={"type": "int", "default": 2562},
        path={"type": "path", "default": "/etc/ocsp-stapling"},
        state_path={"type": "path", "default": "/var/lib/ocsp-stapling"},
    )


def convert_options(module):
    """Convert the options about fetching and judging as Ansible does with those of a task, or fail."""
    reader, faults = _entries.EntryReader(OF_A_SET), []
    for given in (module.params, *module.params["certificates"]):
        if given["options"]:
            _entries.hide_secrets(module, given["options"])
            given["options"], found = reader.read(given["options"])
            name = "" if given is module.params else given["name"]
            faults += [Fault(name, f"{f'{name}: ' if name else ''}options: {fault}") for fault in found]
    if faults:
        error = Refusal(faults)
        module.fail_json(msg=error.message, findings=certificate_set.findings_of(error))


def main():
    module = QuietModule(argument_spec=argument_spec(), supports_check_mode=True)
    _module.require_root(module)
    _module.require_cryptography(module)
    convert_options(module)

    def run(argv, input=None, timeout=60.0):  # noqa: A002
        if not shutil.which(argv[0]):
            return 127, "", "No such file or directory"
        # AnsibleModule has no limit of its own, and a test that hangs would hold up all that comes after.
        limited = ["timeout", f"{timeout:.0f}", *argv]
        code, output, errors = module.run_command(limited, data=input, environ_update={"LC_ALL": "C"})
        return code, output, errors or (f"it took more than {timeout:.0f} seconds" if code == 124 else "")

    result = certificate_set.carry_out(certificate_set.Task(module.params, run, module.check_mode, module._diff))
    for sentence in result.warnings:
        module.warn(sentence)
    if result.failed:
        module.fail_json(changed=result.changed, **result.values)
    module.exit_json(changed=result.changed, **result.values)


if __name__ == "__main__":
    main()
