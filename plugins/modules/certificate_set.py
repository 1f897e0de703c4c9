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
    the set by one rename of C(/etc/ocsp-stapling/live/NAME).
  - All certificates of the task are checked before anything is changed. The key must match the certificate, the chain
    must lead to the root, nothing may have expired, the names must be covered, and each service must support stapling
    if the certificate requires it. A response is fetched for each new certificate and checked as
    M(certops.ocsp.ocsp_response) does.
  - After the switch, each service's own configuration test must pass, or the old sets are restored at once.
  - The services are not reloaded. RV(reload) lists those that have to be, until each of them has loaded its files, no
    matter what reloaded it, and RV(units) has their units. The role P(certops.ocsp.ocsp_stapling#role) reloads them,
    and then calls this module with O(state=verify) to see whether it worked.
  - A run that is killed does not leave sets half switched. The next run, or the program on the host, restores what was
    being switched and reloads the services that had to be reloaded.
  - Options that end in C(_src) are read on the controller, those that end in C(_path) on the host.
extends_documentation_fragment:
  - certops.ocsp._attributes
attributes:
  action_group:
    support: none
    membership: []
  check_mode:
    support: full
    details:
      - Responders are asked, but nothing is written.
      - A file, user or group that does not exist on the host is a warning, and its certificate counts as changed,
        because an earlier task may be about to create it. With O(part), it is an error.
  diff_mode:
    support: full
    details:
      - Shows facts about the certificates and responses, and the names of the settings of O(part) that change, without
        their values. The content of private keys is never shown.
  idempotent:
    support: full
    details:
      - As long as services have not loaded the last change, RV(reload) names them and the task counts as changed. So a
        handler is notified again if the reload before failed.
options:
  certificates:
    description:
      - The certificates. Options with the same names outside this list are the defaults for all of them.
      - Two entries with the same O(certificates[].name) and files become one, with the services of both.
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
          - The server names and addresses that the certificate must cover, V([name]) by default.
          - The first one that is not a wildcard is requested when checking what is served.
        type: list
        elements: str
      private_key_path:
        description: The private key as PEM, on the host.
        type: path
      private_key_src:
        description: The private key as PEM, on the controller. It may be encrypted with Ansible Vault.
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
        description: The root to which the chain must lead, on the host. The file may also hold certificates of the
          chain.
        type: path
      root_src:
        description: The root to which the chain must lead, on the controller. The file may also hold certificates of
          the chain.
        type: path
      root_content:
        description: The root to which the chain must lead, as PEM.
        type: str
      source:
        description: A folder with the files of this certificate. See O(source).
        type: path
      renewed_by:
        description:
          - The program that renews the certificate on the host, V(certbot), V(acme.sh), V(lego), V(dehydrated) or
            V(certmonger). Key, certificate and chain are read from where that program keeps them.
          - Or a mapping with the paths C(private_key), C(certificate) and, if that does not include it, C(chain), or
            with C(client) (one of those programs), and C(folder) or C(name) if that keeps them elsewhere or by another
            name.
          - The live certificate stays if it is newer.
        type: raw
      services:
        description: The services that use the certificate. See O(services).
        type: list
        elements: str
      owner:
        description: The owner of the private key. See O(owner).
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
          - The Base64 of an OCSP response that was fetched elsewhere. It is checked in the same way.
        type: str
      fetch_problem:
        description: Why there is no O(certificates[].response_content), for messages.
        type: str
      fetch_problem_code:
        description: The reason code of O(certificates[].fetch_problem), by default V(unreachable).
        type: str
      responder_urls:
        description: The URLs of the responders to ask, by default those in the certificate.
        type: list
        elements: str
      options:
        description:
          - More options of M(certops.ocsp.ocsp_response) for this certificate. See O(options).
        type: dict
  groups:
    description:
      - More certificates, in groups. Each entry is a mapping as in
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
  scan:
    description:
      - More certificates, from folders on the controller, one for each private key found there, as in
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_scan).
      - With O(remote_source=true), what RV(certops.ocsp.stapling_program#module:found) returned for folders on the
        host.
    type: list
    elements: dict
  found:
    description:
      - The names of certificates that a search of folders on the host found, as those of O(scan) with
        O(remote_source=true). What cannot be deployed of them is left out with a warning, as other users may have put
        it there, and what the host has of them stays as it is.
      - So is what services refuse in a folder in which users other than root can write. It is tried again once it is
        renewed, or after a day.
      - If several users claim one of these names, it is left out as well, unless it was deployed from the folder of one
        of them before.
    type: list
    elements: str
  missing:
    description:
      - The names of certificates in O(groups) that are left out, because they could not be obtained yet. What the host
        has of them stays as it is.
    type: list
    elements: str
  faults:
    description:
      - Errors that the controller found in the other options. They are reported with those that the host finds, and
        nothing is changed. Not for use in tasks.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the certificate, if the error is about one.
        type: str
        default: ""
      sentence:
        description: What is wrong.
        type: str
        required: true
  source:
    description:
      - A folder with the files of certificates that do not specify any. C(NAME.key) and C(NAME.pem) must exist.
        C(NAME-chain.pem), C(NAME-fullchain.pem) and C(NAME-rootchain.pem) are optional; C(NAME-fullchain.pem) can take
        the place of C(NAME.pem).
      - It is on the controller, unless O(remote_source=true).
    type: path
  remote_source:
    description: Whether O(source) is on the host.
    type: bool
    default: false
  state:
    description:
      - V(present) deploys O(certificates).
      - V(verify) checks what the services of the last deployment serve after their reload. If that is worse than
        before, the old sets are restored, the services are reloaded, and the task fails and says why. If it is enough
        to restore those of O(found) in folders in which users other than root can write, the others stay, and the task
        does not fail but warns. It also warns of a server that is configured for the certificates and serves no TLS,
        neither before nor after.
      - What another run deployed at the same time is confirmed with the rest, or restored with it. That run then fails
        in its own V(verify), if O(part) says what it deployed, as the role does.
      - V(pruned) removes the sets that no owner configures any more, unless a server configuration still uses them. See
        O(part) and O(pruned).
      - V(absent) removes the sets of O(certificates), whoever configured them, or all that O(part) has configured; with
        both, those of O(certificates) that O(part) has configured. If neither is given, all sets are removed, after the
        servers that used them were reloaded. What a server configuration still uses is not removed.
    type: str
    choices: [present, verify, pruned, absent]
    default: present
  pruned:
    description: With O(state=pruned), only what these tasks no longer configure is removed, lists of O(part.place) by
      O(part.owner). By default, that is done for all of them. Tasks that did not run may be about to configure what
      another one dropped in a run that failed.
    type: dict
  part:
    description:
      - Who owns the certificates, if several roles or plays deploy to the same host. Each owner has a part of the
        host's configuration, which the program on the host reads, and changes and removes only its own part.
      - Without it, these parts are not changed.
    type: dict
    suboptions:
      owner:
        description: The name of the owner. By default the role that includes this task's role, or else the play.
        type: str
        default: ""
      place:
        description: What tells the task that deploys for this owner from its other ones. A certificate is dropped if
          the same task no longer gives it. What other tasks gave is kept, since this run may skip them, or they are
          still to come.
        type: str
        default: ""
      turn:
        description: How many times that task has deployed in this run of Ansible, including this time. If it deployed
          more often in an earlier run, nothing is dropped before it has done so again.
        type: int
        default: 1
      is_last:
        description: Whether that task is known not to deploy again in this run of Ansible. If so, no certificates are
          kept that it gave later in an earlier run.
        type: bool
        default: false
      is_open:
        description: Whether that task is known to deploy again in this run of Ansible, so that nothing is dropped yet.
        type: bool
        default: false
      is_known:
        description: Whether O(part.claimed) is complete. If not, nothing is dropped.
        type: bool
        default: true
      claimed:
        description: The certificates that it has already deployed in this run of Ansible, by their names, each with its
          services, or with null if those stay as they are.
        type: dict
        default: {}
      kept:
        description: The names of certificates that this task also gives, and that stay as they are.
        type: list
        elements: str
        default: []
      together:
        description: The certificates that each other owner has already deployed in this run of Ansible, by name with
          their services. Their settings must agree.
        type: dict
        default: {}
      came:
        description: The tasks of each owner that have deployed certificates in this run, each as often as it did.
        type: dict
        default: {}
      revoked:
        description: The names of certificates in use that the program on the host has found to be revoked.
        type: list
        elements: str
        default: []
      question:
        description: Whether to check the certificates only, without obtaining responses.
        type: bool
        default: false
      interval:
        description: How many seconds there are at most between two runs of the program on the host, if its timer is
          about to be changed. V(0) means that it is not.
        type: int
        default: 0
      deployment:
        description: How the program on the host deploys what other programs renew, in addition to the options of this
          task, such as the list of C(hooks) that tell it of renewals.
        type: dict
        default: {}
      program:
        description: What the owner sets for the whole host, such as C(timer) and C(fetch_from). There is a warning
          where other owners have set it differently.
        type: dict
        default: {}
  services:
    description:
      - The services that use the certificates. All choices of O(certops.ocsp.ocsp_response#module:server) are
        supported. Describe other services in O(service_settings).
    type: list
    elements: str
    default: []
  service_settings:
    description:
      - Settings of services that differ from the defaults, by service name. C(kind) is one of the choices of
        O(certops.ocsp.ocsp_response#module:server), C(unit) is its systemd unit, C(test) and C(reload) are commands,
        each a list of words, or a string that is split into words as in a shell. They are run without a shell.
    type: dict
    default: {}
  owner:
    description: The owner of the private keys.
    type: str
    default: root
  group:
    description: The group of the private keys.
    type: str
    default: root
  mode:
    description: The mode of the private keys, as a string such as V("0440"). Modes that give access to others are
      refused.
    type: raw
    default: "0400"
  staple:
    description: Whether to staple responses for certificates that have a responder.
    type: bool
    default: true
  options:
    description:
      - Options of M(certops.ocsp.ocsp_response) for fetching and checking responses, for example C(minimum_validity),
        C(allow), C(timeout) or C(http_proxy). An option of a certificate overrides the same option of the task.
      - All of its options can be given, except those about files and about a single run, which are C(path),
        C(certificate_path), C(certificate_content), C(issuer_path), C(issuer_content), C(root_path), C(source_path),
        C(source_content), C(state), C(force), C(format), C(backup), C(backup_count), C(now) and C(return_content).
    type: dict
    default: {}
  fetch_from:
    description:
      - V(host) has the host ask the responders.
      - V(controller) has the controller ask them, once for all hosts of the play that have a certificate. The hosts
        then need no outbound network access, and check each response again.
      - V(nowhere) fetches nothing. Only O(certificates[].response_content) and the responses on the host are used.
    type: str
    choices: [host, controller, nowhere]
    default: host
  controller_cache:
    description: With O(fetch_from=controller), the folder of the controller that keeps the responses.
    type: str
    default: ~/.cache/ocsp-stapling
  workers:
    description: How many responses to fetch at a time, from V(1) to V(1000).
    type: int
    default: 16
  responder_wait:
    description:
      - How many seconds to keep asking a responder that does not know a new certificate yet, from V(0) to V(86400).
        Some responders know a certificate only minutes after it was issued.
      - For a new certificate that requires stapling, a responder that is down is also asked again. There is no wait for
        an unknown host or a URL that is refused, nor for a certificate in O(found) from a folder that users other than
        root can write to. The responders of all of these have one minute together.
      - After that, a certificate that requires stapling is held back, and any other is deployed without a staple. All
        certificates of the task are deployed together, after the wait. RV(msg) says how long the module waited, until
        when, and for which certificates.
    type: int
    default: 0
  fail_on_held_back:
    description:
      - Whether the task fails if a certificate was held back, after the others were deployed. Otherwise RV(held_back)
        lists it, and a warning says why.
    type: bool
    default: true
  endpoints:
    description:
      - Where to check what services serve, before and after the deployment. By default the usual ports on V(127.0.0.1).
    type: list
    elements: dict
    suboptions:
      service:
        description: The name of the service.
        type: str
        required: true
      host:
        description: A host name or an IP address.
        type: str
        default: 127.0.0.1
      port:
        description: The port.
        type: int
        required: true
      starttls:
        description: The protocol that is spoken before TLS (STARTTLS).
        type: str
        choices: ["", ftp, imap, ldap, lmtp, pop3, postgres, sieve, smtp, xmpp, xmpp-server]
        default: ""
  keep:
    description: How many sets of each name to keep, including the one in use, from V(1) to V(1000).
    type: int
    default: 3
  force:
    description:
      - Whether O(state=absent) removes sets that a server configuration still uses, or all sets although a server that
        used them cannot be reloaded.
      - The server may then fail to reload or start. A warning names the lines to remove, in check mode, too.
    type: bool
    default: false
  apache_port:
    description:
      - The port on C(127.0.0.1) at which Apache serves its own OCSP responses, from V(1) to V(65535).
      - There is a warning from V(1024) on, or from what the sysctl C(net.ipv4.ip_unprivileged_port_start) has. Any user
        of the host can take such a port, and Apache then does not start, and ends when it is reloaded.
    type: int
    default: 488
  path:
    description: The folder of the sets. It is created if it does not exist.
    type: path
    default: /etc/ocsp-stapling
  state_path:
    description:
      - The folder of the state files. It is created if it does not exist.
      - If a certificate is refused, held back or switched back, or used without the staple that it should have, a file
        in its folder C(attempts) says why, without secrets, for C(ocsp-stapling status). It is removed by the next
        deployment that ends well. If a certificate is new to the host and was refused before it went live, only the
        task says so.
    type: path
    default: /var/lib/ocsp-stapling
requirements:
  - root on the host, which C(become=true) of the play provides
  - cryptography >= 3.3
notes:
  - The staple of a set is renewed when this module runs and it is due. Between runs, only the program C(ocsp-stapling)
    renews staples, and only those of certificates that a O(part) or a file in C(/etc/ocsp-stapling/conf.d) configures.
  - On a host without the program, nothing withdraws a staple that is not renewed in time, so run the task several times
    in half of the validity period of a response. Some servers go on serving an expired staple.
  - On a host with the program, which the role P(certops.ocsp.ocsp_stapling#role) installs, the staple of a set that was
    deployed without O(part) is withdrawn before it expires, unless this module has renewed it by then.
    C(ocsp-stapling status) warns about it with the code V(not_configured). To have the program renew it, deploy it with
    the role, or add it to a file in C(/etc/ocsp-stapling/conf.d) as the guide on getting started shows.
  - If M(certops.ocsp.ocsp_response) keeps the staple at a path of its own, set O(staple=false) here. The program then
    has nothing to do for the set. (A must-staple certificate is refused without a staple of
    its own.) Do not have it write below C(/etc/ocsp-stapling), where servers also need files that belong to the staple.
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

- name: Reload the services that need it
  become: true
  ansible.builtin.systemd_service:
    name: "{{ item.name }}"
    state: "{{ item.state }}"
  loop: "{{ deployed.units }}"

- name: Confirm that the certificates are served, or roll back
  become: true
  certops.ocsp.certificate_set:
    state: verify

- name: Deploy a certificate with its key from a vault
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
  description: Everything that is wrong, one entry for each problem. In that case, nothing was changed.
  returned: when something is wrong
  type: list
  elements: dict
  contains:
    name:
      description: The name of the certificate, if the problem is about one.
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
      sample: "example.com: the private key does not match the certificate"
certificates:
  description: The result for each certificate, in the order of the option.
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
      description: Whether the existing set got a newer staple.
      type: bool
    adapted:
      description: Whether the configuration snippets of the existing set were updated, such as for other services.
      type: bool
    secured:
      description:
        - Whether the owner, group or mode of the private key, or the owner or mode of other files or the folder, was
          corrected in the existing set. If a new set goes live, that has the right ones, and
          RV(certificates[].reasons) says what was wrong.
      type: bool
    reasons:
      description: What was different in the live set.
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
      description: When the certificate expires.
      type: str
      sample: "2027-02-21T00:00:00Z"
    must_staple:
      description: Whether the certificate requires stapling.
      type: bool
    responder_urls:
      description: The responders of the certificate. Empty if there is nothing to staple.
      type: list
      elements: str
    stapled:
      description: Whether the set has a good staple.
      type: bool
    staple_expiry:
      description: When the staple expires.
      type: str
      sample: "2026-11-30T09:00:00Z"
    held_back:
      description: Why the certificate was not deployed, or an empty string.
      type: str
    revocation:
      description:
        - That its CA has revoked the certificate, and when and why as far as that is known, or an empty string.
      type: str
      sample: ""
held_back:
  description: The names of certificates that were not deployed, because their CA has revoked them, or because they
    require a staple and no response could be obtained.
  returned: when O(state=present)
  type: list
  elements: str
revoked:
  description: The names of certificates that their CA has revoked, including those in use.
  returned: when O(state=present)
  type: list
  elements: str
without_responder:
  description: The names of certificates that have no OCSP responder URL, for which there is nothing to staple.
  returned: when O(state=present)
  type: list
  elements: str
without_staple:
  description: The names of certificates in use that should have a staple but do not. A warning says why.
  returned: when O(state=present)
  type: list
  elements: str
reload:
  description:
    - The services that have to be reloaded now, including those that an earlier run could not reload. A service that
      has loaded its files since they changed is not listed, no matter what reloaded it.
    - The names are those of O(services). The unit of a service may have a different name, such as C(exim4) for C(exim)
      on Debian. RV(units) has those.
  returned: when O(state) is neither V(verify) nor V(absent) of all
  type: list
  elements: str
  sample: [nginx, exim]
units:
  description:
    - The units of systemd as which the services in RV(reload) run on this host, for
      M(ansible.builtin.systemd_service).
    - A service that does not run is not listed, since it loads its files when it starts. Neither is one that systemd
      does not know, such as a server in a container or on a host without systemd.
  returned: when RV(reload) is returned
  type: list
  elements: dict
  contains:
    service:
      description: The name of the service in RV(reload).
      type: str
      sample: exim
    name:
      description: The name of its unit.
      type: str
      sample: exim4.service
    state:
      description: V(reloaded), or V(restarted) for a service that would not load its files when it is reloaded.
      type: str
      sample: reloaded
unconfirmed:
  description: The services whose new certificates are not confirmed yet. See O(state=verify).
  returned: when O(state=present)
  type: list
  elements: str
good_until:
  description:
    - When the first of the certificates and staples in use expires. V(null) if none of the certificates has a staple.
  returned: when O(state=present)
  type: str
  sample: "2026-11-30T09:00:00Z"
dropped:
  description: The names that the owner of O(part) no longer configures, and that O(state=pruned) removes.
  returned: when O(state=present)
  type: list
  elements: str
given_up:
  description: The names that the owner of O(part) no longer configures, or no longer for all of the services, and that
    are not removed, since others configure them, or have dropped them in a run that has not come to its end.
    O(state=pruned) notes that, and takes them from those services.
  returned: when O(state=present)
  type: list
  elements: str
recovered:
  description:
    - The names whose last deployment had failed, and of which C(ocsp-stapling status) no longer says so since this run.
      Empty in check mode.
  returned: when O(state=present)
  type: list
  elements: str
removed:
  description: The names whose sets were removed.
  returned: when O(state=absent) or O(state=pruned)
  type: list
  elements: str
remaining:
  description:
    - The owners that still have certificates on the host. For those that were deployed without O(part), it has
      V(certificate_set without the role).
  returned: when O(state=absent) and O(part) are given
  type: list
  elements: str
swapped_back:
  description: The names of the sets that were switched back. Where there was none before, the certificate was taken
    away.
  returned: when O(state=verify)
  type: list
  elements: str
"""

import shutil

from ansible_collections.certops.ocsp.plugins.module_utils import _entries, _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import certificate_set
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.task import Task
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.wanted import PARTS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import Fault, Refusal, findings_of

#: The options about fetching and judging that a certificate can be given.
OF_A_SET = _module.argument_spec("set", defaults=False)

#: Whose certificates they are.
PART = {
    "owner": {"type": "str", "default": ""},
    "place": {"type": "str", "default": ""},
    "turn": {"type": "int", "default": 1},
    "is_last": {"type": "bool", "default": False},
    "is_open": {"type": "bool", "default": False},
    "is_known": {"type": "bool", "default": True},
    "claimed": {"type": "dict", "default": {}},
    "kept": {"type": "list", "elements": "str", "default": []},
    "together": {"type": "dict", "default": {}},
    "came": {"type": "dict", "default": {}},
    "revoked": {"type": "list", "elements": "str", "default": []},
    "question": {"type": "bool", "default": False},
    "interval": {"type": "int", "default": 0},
    "deployment": {"type": "dict", "default": {}},
    "program": {"type": "dict", "default": {}},
}


FAULT = {"name": {"type": "str", "default": ""}, "sentence": {"type": "str", "required": True}}
#: What timeout(1) ends with where a command took too long, the last two where it had to be killed.
ENDED = (124, 137, -9)
#: Characters of what a command printed that are kept, the last ones.
LONGEST_OUTPUT = 64 * 1024


class Module(_module.Module):
    key_options = secrets.KEY_OPTIONS


def argument_spec():
    shared = {"services": {"type": "list", "elements": "str"}, "owner": {"type": "str"}, "group": {"type": "str"}}
    shared.update(mode={"type": "raw"}, staple={"type": "bool"}, options={"type": "dict"})
    one = {
        "name": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str"},
        "response_content": {"type": "str"},
        "fetch_problem": {"type": "str"},
        "fetch_problem_code": {"type": "str"},
        "renewed_by": {"type": "raw"},
        "source": {"type": "path"},
        "responder_urls": OF_A_SET["responder_urls"],
    }
    for part in PARTS:
        # The path of a key is not secret. Its content is, even in a file that also holds the certificate.
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
        pruned={"type": "dict"},
        part={"type": "dict", "options": PART},
        service_settings={"type": "dict", "default": {}},
        groups={"type": "list", "elements": "dict"},
        scan={"type": "list", "elements": "dict"},
        found={"type": "list", "elements": "str"},
        missing={"type": "list", "elements": "str"},
        faults={"type": "list", "elements": "dict", "options": FAULT},
        fetch_from={"type": "str", "choices": ["host", "controller", "nowhere"], "default": "host"},
        controller_cache={"type": "str", "default": "~/.cache/ocsp-stapling"},
        responder_wait={"type": "int", "default": 0},
        fail_on_held_back={"type": "bool", "default": True},
        endpoints={"type": "list", "elements": "dict", "options": _entries.ENDPOINT},
        keep={"type": "int", "default": 3},
        force={"type": "bool", "default": False},
        apache_port={"type": "int", "default": 488},
        path={"type": "path", "default": "/etc/ocsp-stapling"},
        state_path={"type": "path", "default": "/var/lib/ocsp-stapling"},
    )


def convert_options(module):
    """Convert the options about fetching and judging as Ansible does with those of a task, or fail."""
    reader, faults = _entries.EntryReader(OF_A_SET), []
    for given in (module.params, *module.params["certificates"]):
        if given["options"]:
            given["options"], found = reader.read(given["options"])
            name = "" if given is module.params else given["name"]
            faults += [Fault(name, f"{f'{name}: ' if name else ''}options: {fault}") for fault in found]
    if faults:
        error = Refusal(faults)
        module.fail_json(msg=error.message, findings=findings_of(error))


def main():
    module = Module(argument_spec=argument_spec(), supports_check_mode=True)
    _module.require_root(module)
    _module.require_cryptography(module)
    convert_options(module)

    def run(argv, input=None, timeout=60.0):  # noqa: A002
        if not shutil.which(argv[0]):
            return 127, "", "No such file or directory"
        # AnsibleModule has no time limit, and a configuration test that hangs would block the whole run.
        limited = ["timeout", "-k", "5", f"{timeout:.0f}", *argv]
        code, output, errors = module.run_command(limited, data=input, environ_update={"LC_ALL": "C"})
        output, errors = output[-LONGEST_OUTPUT:], errors[-LONGEST_OUTPUT:]
        return code, output, errors or (f"it took more than {timeout:.0f} seconds" if code in ENDED else "")

    result = certificate_set.carry_out(Task(module.params, run, module.check_mode, module._diff))
    for sentence in result.warnings:
        module.warn(sentence)
    if result.failed:
        module.fail_json(changed=result.changed, **result.values)
    module.exit_json(changed=result.changed, **result.values)


if __name__ == "__main__":
    main()
