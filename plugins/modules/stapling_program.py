#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stapling_program
short_description: Install the program that keeps OCSP staples fresh, and repair what was changed
version_added: "1.0.0"
description:
  - Compares the installation of the program C(ocsp-stapling) on a host with what it should be. That is its user, its
    folders, its library, its configuration, and the systemd units or the cron job that start it. Owners, modes and
    contents are compared.
  - Then repairs the differences in O(parts), except for the user of the program and its timer, which are left to
    M(ansible.builtin.user) and M(ansible.builtin.systemd_service). RV(differences) says what they have to do.
  - All errors in the options are reported at once, before anything is changed.
  - The role P(certops.ocsp.ocsp_stapling#role) uses it, in check mode to compare, and then to install. There should be
    no need to use it elsewhere.
extends_documentation_fragment:
  - certops.ocsp._attributes
attributes:
  action_group:
    support: none
    membership: []
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The parts that M(certops.ocsp.certificate_set) writes are not shown, since they may contain the password of a
        proxy.
  idempotent:
    support: full
options:
  parts:
    description:
      - What to repair. V(program) is the library, the folders and the command. V(settings) is the configuration, and
        the units or the cron job. With an empty list, nothing is changed, and RV(differing) says what differs.
    type: list
    elements: str
    choices: [program, settings]
    default: [program, settings]
  groups:
    description:
      - The certificates, in groups. Each entry is a mapping as in
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
    default: []
  owner:
    description:
      - The owner of the certificates. By default the role that includes the role of this task, or else the play.
    type: str
    default: ""
  claims:
    description: The RV(claims) of an earlier task of this run for the same host.
    type: dict
    default: {}
  scan:
    description:
      - Folders to search for certificates, one for each private key found there, as in
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_scan).
    type: list
    elements: dict
    default: []
  missing:
    description:
      - The names of certificates in O(groups) that are left out, because they could not be obtained yet. What the host
        has of them stays as it is.
    type: list
    elements: str
    default: []
  source:
    description: The folder on the controller with the files of the certificates. This module only checks that they
      exist.
    type: path
  remote_source:
    description: Whether the folders of O(scan) are on the host and not on the controller.
    type: bool
    default: false
  options:
    description: Options of M(certops.ocsp.ocsp_response) for all certificates.
    type: dict
    default: {}
  services:
    description: Settings of services that differ from the defaults, by service name.
    type: dict
    default: {}
  state:
    description: V(present); to remove the program is up to the role.
    type: str
    choices: [present, absent]
    default: present
  fetch_from:
    description: V(host) has the program fetch responses, and V(controller) has not.
    type: str
    choices: [host, controller]
    default: host
  controller_cache:
    description: As O(certops.ocsp.certificate_set#module:controller_cache), to check it with all else.
    type: path
    default: ~/.cache/ocsp-stapling
  endpoints:
    description:
      - Where to check what services serve, as in O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_endpoints).
      - This and O(keep), O(responder_wait), O(apache_port), O(verify), O(manage_packages) and O(force) are for what the
        role does next. They are only checked here.
    type: list
    elements: dict
    default: []
  keep:
    description: How many sets of each certificate to keep, from V(1) to V(1000).
    type: int
    default: 3
  responder_wait:
    description: How many seconds to wait for responders, from V(0) to V(86400).
    type: int
    default: 0
  apache_port:
    description: The port at which Apache serves its own OCSP responses, from V(1) to V(65535).
    type: int
    default: 488
  verify:
    description: Whether the role looks at what services serve.
    type: bool
    default: true
  manage_packages:
    description: Whether the role installs packages.
    type: bool
    default: true
  force:
    description: Whether the role removes what a configuration still uses.
    type: bool
    default: false
  workers:
    description: How many responses the program fetches at a time, from V(1) to V(1000).
    type: int
    default: 16
  per_responder:
    description: How many of them to fetch from one responder at a time, from V(1) to V(1000).
    type: int
    default: 8
  backup_count:
    description: How many old responses of each certificate the program keeps, from V(0) to V(1000).
    type: int
    default: 0
  log_file:
    description: A log file in addition to the journal, in a folder of its own.
    type: str
    default: ""
  timer:
    description: When to start the program, as C(OnCalendar) of a systemd timer.
    type: str
    default: hourly
  timer_delay:
    description: The maximum random delay after that, as C(RandomizedDelaySec) of a systemd timer.
    type: str
    default: 30min
  os_family:
    description:
      - The distribution family of the host, V(Debian) or V(RedHat). By default it is read from C(/etc/os-release).
    type: str
    default: ""
  units:
    description: The names of the systemd units. The role has a template for each of them.
    type: list
    elements: str
    default: []
  renewal_hooks:
    description: The programs that renew certificates and for which to install a hook. Keys of O(hook_files).
    type: list
    elements: str
    default: []
  hook_files:
    description: The files of each hook, with C(template), C(path) and C(mode). The role has the templates.
    type: dict
    default: {}
  libexec:
    description: The folder of hooks that have no place of their own.
    type: path
    default: /usr/local/libexec/ocsp-stapling
  user:
    description: The user and group of the program.
    type: str
    default: ocsp-stapling
  root:
    description: The folder of the configuration and of the sets.
    type: path
    default: /etc/ocsp-stapling
  state_path:
    description: The folder of the program's state files.
    type: path
    default: /var/lib/ocsp-stapling
  library:
    description: The folder of the program's library.
    type: path
    default: /usr/local/lib/ocsp-stapling
  program:
    description: The path of the program.
    type: path
    default: /usr/local/sbin/ocsp-stapling
  wanted:
    description: What the controller computes from the other options for the host. Not for use in tasks.
    type: dict
requirements:
  - root on the host, which C(become=true) of the play provides
  - cryptography >= 3.3, on the controller
author:
  - certops.ocsp contributors (@certops)
"""

EXAMPLES = r"""
- name: Check the installation of the program
  become: true
  certops.ocsp.stapling_program:
    groups:
      - web:
          domains: [www.example.com]
          reload: [nginx]
  check_mode: true
  register: program
"""

RETURN = r"""
msg:
  description: What differs, or what was repaired, in one sentence.
  returned: always
  type: str
  sample: "everything is as it should be"
differences:
  description: What was different, including what is not in O(parts).
  returned: success
  type: list
  elements: dict
  contains:
    part:
      description: What it is about. One of V(account), V(program), V(settings) and V(timer).
      type: str
      sample: settings
    path:
      description: The path, or the name of the account or unit.
      type: str
      sample: /etc/systemd/system/ocsp-stapling.timer
    what:
      description: What is different.
      type: str
      sample: has different content
differing:
  description: The parts in which something differs.
  returned: success
  type: list
  elements: str
  sample: [settings, timer]
service_manager:
  description: V(systemd), or V(other).
  returned: success
  type: str
  sample: systemd
package:
  description: The package that the program needs and that is not installed, or an empty string.
  returned: success
  type: str
  sample: python3-cryptography
shell:
  description: The shell of a system account without login.
  returned: success
  type: str
  sample: /usr/sbin/nologin
interval:
  description: How many seconds there are at most between two runs of the program, if its timer or cron job is to
    change. V(0) means that it is not, or that this is unknown.
  returned: success
  type: int
  sample: 3600
revoked:
  description: The names of certificates in use that their CA has revoked, as reported by the program.
  returned: success
  type: list
  elements: str
owners:
  description: The owners that already have certificates on the host. An empty list if the program was not installed, or
    in a different version.
  returned: success
  type: list
  elements: str
status:
  description:
    - The status before anything was changed, as printed by C(ocsp-stapling status --nagios).
    - An empty string if the program was not installed, or in a different version.
  returned: success
  type: str
  sample: "OK - 3 certificates: all is well"
part:
  description: The owner of the certificates, as a value for O(certops.ocsp.certificate_set#module:part).
  returned: success
  type: dict
claims:
  description:
    - The certificates that each owner has configured for this host so far in this run of Ansible.
    - After a failure, they are in C(invocation), which Ansible does not print with the error.
  returned: success
  type: dict
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
      sample: "example.com: there is no certificate: files contains no example.com.pem"
found:
  description: The certificates that O(scan) found on the host, as groups.
  returned: with O(remote_source)
  type: list
  elements: dict
unfit:
  description: Why the first of the keys that O(scan) found on the host are left out, each as a sentence.
  returned: with O(remote_source)
  type: list
  elements: str
of_users:
  description: Whether users other than root can take out of a folder of O(scan) what is in it.
  returned: with O(remote_source)
  type: bool
kept:
  description: The certificates that are live and stay as they are, since a user has removed the folder of O(scan) that
    they came from, or spoilt their files.
  returned: with O(remote_source)
  type: list
  elements: str
"""

import os

from ansible_collections.certops.ocsp.plugins.module_utils import _module, _program
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError, Refusal, findings_of, refusal

TEXTS = {
    "owner": "",
    "log_file": "",
    "timer": "hourly",
    "timer_delay": "30min",
    "os_family": "",
    "user": "ocsp-stapling",
}
PATHS = {
    "controller_cache": "~/.cache/ocsp-stapling",
    "root": "/etc/ocsp-stapling",
    "state_path": "/var/lib/ocsp-stapling",
    "library": "/usr/local/lib/ocsp-stapling",
    "libexec": "/usr/local/libexec/ocsp-stapling",
    "program": "/usr/local/sbin/ocsp-stapling",
}
NUMBERS = {"workers": 16, "per_responder": 8, "backup_count": 0, "keep": 3, "responder_wait": 0, "apache_port": 488}
SWITCHES = {"verify": True, "manage_packages": True, "force": False}


def argument_spec() -> _module.Spec:
    parts = [_program.PROGRAM, _program.SETTINGS]
    return dict(
        parts={"type": "list", "elements": "str", "choices": parts, "default": parts},
        groups={"type": "list", "elements": "dict", "default": []},
        scan={"type": "list", "elements": "dict", "default": []},
        source={"type": "path"},
        endpoints={"type": "list", "elements": "dict", "default": []},
        units={"type": "list", "elements": "str", "default": []},
        renewal_hooks={"type": "list", "elements": "str", "default": []},
        missing={"type": "list", "elements": "str", "default": []},
        remote_source={"type": "bool", "default": False},
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        fetch_from={"type": "str", "choices": ["host", "controller"], "default": "host"},
        wanted={"type": "dict"},
        **{name: {"type": "dict", "default": {}} for name in ("options", "services", "claims", "hook_files")},
        **{name: {"type": "str", "default": default} for name, default in TEXTS.items()},
        **{name: {"type": "path", "default": default} for name, default in PATHS.items()},
        **{name: {"type": "int", "default": default} for name, default in NUMBERS.items()},
        **{name: {"type": "bool", "default": default} for name, default in SWITCHES.items()},
    )


def main() -> None:
    module = Module(argument_spec=argument_spec(), supports_check_mode=True)
    if not module.params["wanted"]:
        module.fail_json(
            msg="this module works only with the action plugin of the same name; call it as "
            "certops.ocsp.stapling_program in a task"
        )
    _module.require_root(module)
    os.umask(0o022)
    try:
        result = _program.carry_out(module)
    except OcspError as error:
        message = error.message if isinstance(error, Refusal) else refusal([error.message])
        module.fail_json(msg=message, findings=findings_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
