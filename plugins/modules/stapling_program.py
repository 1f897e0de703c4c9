#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stapling_program
short_description: Install the program that keeps OCSP staples fresh, and see what of it differs
version_added: "1.0.0"
description:
  - Compares all that the program C(ocsp-stapling) consists of on a host with what it should be. That is its user, its
    folders, its library, its configuration, and the units of systemd or the job of cron that start it. Owners, modes
    and contents count.
  - Then mends what differs of O(parts), but for the user of the program and its timer, which
    M(ansible.builtin.user) and M(ansible.builtin.systemd_service) are for. RV(differences) tells what they have to do.
  - All that is wrong with the options is said at once, before anything is changed.
  - The role P(certops.ocsp.ocsp_stapling#role) uses it, in check mode to ask its one question, and then to install.
    There should be no need to use it elsewhere.
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
      - What M(certops.ocsp.certificate_set) configures is not shown, since the password of a proxy may be in it.
  idempotent:
    support: full
options:
  parts:
    description:
      - What is mended. V(program) is the library, the folders and what starts the library. V(settings) is the
        configuration and what starts the program.
    type: list
    elements: str
    choices: [program, settings]
    default: [program, settings]
  groups:
    description:
      - The certificates in groups. Each entry is a mapping as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_certificates).
    type: list
    elements: dict
    default: []
  owner:
    description:
      - Whose certificates these are. By default the role that includes the role of this task, else the play.
    type: str
    default: ""
  claims:
    description: What RV(claims) of an earlier task of this run for the same host said.
    type: dict
    default: {}
  scan:
    description:
      - Folders in which each private key makes a certificate, as
        O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_scan) has them.
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
    description: The folder of the controller with the files of certificates, which are only looked for.
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
    description: What is different about services, by their names.
    type: dict
    default: {}
  fetch:
    description: Whether the program fetches responses.
    type: bool
    default: true
  endpoints:
    description:
      - Where services are looked at, as O(certops.ocsp.ocsp_stapling#role:main:ocsp_stapling_endpoints) has it.
      - This and O(keep), O(responder_wait) and O(apache_port) are what M(certops.ocsp.certificate_set) will be given.
        They are checked together with all else.
    type: list
    elements: dict
    default: []
  keep:
    description: How many sets of a certificate stay, from V(1) to V(1000).
    type: int
    default: 3
  responder_wait:
    description: How many seconds to wait for responders, from V(0) to V(86400).
    type: int
    default: 0
  apache_port:
    description: The port at which Apache answers its own question, from V(1) to V(65535).
    type: int
    default: 2562
  workers:
    description: How many responses the program fetches at a time, from V(1) to V(1000).
    type: int
    default: 16
  per_responder:
    description: How many of them from one responder, from V(1) to V(1000).
    type: int
    default: 8
  backup_count:
    description: How many old responses the program keeps, from V(0) to V(1000).
    type: int
    default: 0
  log_file:
    description: A log file besides the journal, in a folder that belongs to the program alone.
    type: str
    default: ""
  timer:
    description: When the program is started, as C(OnCalendar) of a timer.
    type: str
    default: hourly
  timer_delay:
    description: Up to this much later at random, as C(RandomizedDelaySec) of a timer.
    type: str
    default: 30min
  os_family:
    description:
      - The family of distributions of the host, by default the one that C(/etc/os-release) tells. V(Debian) or
        V(RedHat).
    type: str
    default: ""
  units:
    description: The names of the units of systemd. Each has a template of this name in the role.
    type: list
    elements: str
    default: []
  user:
    description: The user and group of the program.
    type: str
    default: ocsp-stapling
  root:
    description: The folder of the configuration and of the sets.
    type: path
    default: /etc/ocsp-stapling
  state_path:
    description: The folder of what the program remembers.
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
    description: What the controller makes of the other options for the host. Not for tasks.
    type: dict
requirements:
  - root on the host, which C(become=true) of the play provides
  - cryptography >= 3.3, on the controller
author:
  - certops.ocsp contributors (@certops)
"""

EXAMPLES = r"""
- name: Compare the program with what it should be
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
  description: What differs, or what was mended, in one sentence.
  returned: always
  type: str
  sample: "all is as it should be"
differences:
  description: What was not as it should be, also of what is not in O(parts).
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
      sample: has another content
differing:
  description: The parts of which something differs.
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
  description: The package that the program lacks, or an empty string.
  returned: success
  type: str
  sample: python3-cryptography
shell:
  description: The shell of a system account without login.
  returned: success
  type: str
  sample: /usr/sbin/nologin
revoked:
  description: The names of certificates in use that their CA has revoked, by the word of the program.
  returned: success
  type: list
  elements: str
owners:
  description: Who has certificates on the host already. An empty list where the program was not there, or another one.
  returned: success
  type: list
  elements: str
status:
  description:
    - How all is by the word of the program before anything was changed, as C(ocsp-stapling status --nagios) says it.
    - An empty string where the program was not there, or another one.
  returned: success
  type: str
  sample: "OK - 3 certificates: all is well"
part:
  description: Whose certificates these are, as O(certops.ocsp.certificate_set#module:part) takes it.
  returned: success
  type: dict
claims:
  description: What each owner gave so far in this run of Ansible, for this host.
  returned: always
  type: dict
found:
  description: Groups of the certificates that O(scan) found on the host.
  returned: with O(remote_source)
  type: list
  elements: dict
"""

import os

from ansible_collections.certops.ocsp.plugins.module_utils import _module, _program
from ansible_collections.certops.ocsp.plugins.module_utils._module import QuietModule
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError

TEXTS = {
    "owner": "",
    "log_file": "",
    "timer": "hourly",
    "timer_delay": "30min",
    "os_family": "",
    "user": "ocsp-stapling",
}
PATHS = {
    "root": "/etc/ocsp-stapling",
    "state_path": "/var/lib/ocsp-stapling",
    "library": "/usr/local/lib/ocsp-stapling",
    "program": "/usr/local/sbin/ocsp-stapling",
}
NUMBERS = {"workers": 16, "per_responder": 8, "backup_count": 0, "keep": 3, "responder_wait": 0, "apache_port": 2562}


def argument_spec() -> _module.Spec:
    parts = [_program.PROGRAM, _program.SETTINGS]
    return dict(
        parts={"type": "list", "elements": "str", "choices": parts, "default": parts},
        groups={"type": "list", "elements": "dict", "default": []},
        scan={"type": "list", "elements": "dict", "default": []},
        source={"type": "path"},
        endpoints={"type": "list", "elements": "dict", "default": []},
        units={"type": "list", "elements": "str", "default": []},
        missing={"type": "list", "elements": "str", "default": []},
        remote_source={"type": "bool", "default": False},
        fetch={"type": "bool", "default": True},
        wanted={"type": "dict"},
        **{name: {"type": "dict", "default": {}} for name in ("options", "services", "claims")},
        **{name: {"type": "str", "default": default} for name, default in TEXTS.items()},
        **{name: {"type": "path", "default": default} for name, default in PATHS.items()},
        **{name: {"type": "int", "default": default} for name, default in NUMBERS.items()},
    )


def main() -> None:
    module = QuietModule(argument_spec=argument_spec(), supports_check_mode=True)
    if not module.params["wanted"]:
        module.fail_json(msg="this module needs the action plugin of its name, which Ansible finds in the collection")
    _module.require_root(module)
    os.umask(0o022)
    try:
        result = _program.carry_out(module)
    except OcspError as error:
        module.fail_json(msg=f"nothing was changed: {error.message}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
