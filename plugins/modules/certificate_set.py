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
  - The services are not reloaded. RV(reload) says which ones have to be. The role P(certops.ocsp.ocsp_stapling#role)
    does that, and then calls this module with O(state=served) to see whether it worked.
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
      responder_urls:
        description: The responders to ask, by default those that the certificate names.
        type: list
        elements: str
      options:
        description:
          - More options of M(certops.ocsp.ocsp_response) for this certificate. See O(options).
        type: dict
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
      - V(served) looks at what the services of the last deployment serve now. Where that is worse than before, the
        old sets are put back, the services are reloaded, and the task fails and says why.
      - V(absent) removes the sets of O(certificates), or all where there are none, unless a configuration still uses
        them.
    type: str
    choices: [present, served, absent]
    default: present
  services:
    description:
      - The services that use the certificates. What C(nginx), C(exim), C(dovecot), C(haproxy), C(lighttpd),
        C(apache), C(hitch) and C(postfix) need is known. Others can be described in O(service_settings).
    type: list
    elements: str
    default: []
  service_settings:
    description:
      - By the name of a service, what is different about it. C(kind) is one of the services that are known, C(unit) is
        its systemd unit, C(test) and C(reload) are commands as lists.
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
        C(timeout) or C(http_proxy).
    type: dict
    default: {}
  fetch:
    description: Whether to ask responders. Without, only O(certificates[].response_content) and what is there counts.
    type: bool
    default: true
  workers:
    description: How many responses are fetched at a time.
    type: int
    default: 16
  patience:
    description:
      - How many seconds to go on asking responders that cannot answer for a new certificate. Some know it only minutes
        after it was issued.
      - After that a certificate that demands stapling is held back, and any other is deployed without a staple.
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
        choices: ["", smtp, imap, pop3, lmtp, sieve, ftp, ldap, xmpp-client, xmpp-server, postgres, mysql, nntp]
        default: ""
  keep:
    description: How many sets of a name are kept, with the one in use.
    type: int
    default: 3
  force:
    description: Whether O(state=absent) removes what a configuration still uses.
    type: bool
    default: false
  apache_port:
    description: The port of C(127.0.0.1) at which Apache answers its own question for a staple.
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
  - cryptography >= 3.3
seealso:
  - module: certops.ocsp.ocsp_response
  - module: certops.ocsp.ocsp_response_info
author:
  - certops.ocsp contributors (@certops)
"""

EXAMPLES = r"""
- name: Deploy keys, certificates and staples from the folder files on the controller
  certops.ocsp.certificate_set:
    source: files
    services: [nginx]
    certificates:
      - name: example.com
      - name: example.net
  register: deployed

- name: Reload what has to be
  ansible.builtin.systemd_service:
    name: "{{ item }}"
    state: reloaded
  loop: "{{ deployed.reload }}"

- name: See whether it is served, and go back if not
  certops.ocsp.certificate_set:
    state: served

- name: Deploy a certificate whose key is in a vault
  certops.ocsp.certificate_set:
    certificates:
      - name: mail.example.com
        private_key_content: "{{ vault_mail_key }}"
        certificate_src: files/mail.pem
        chain_src: files/chain.pem
        services: [exim, dovecot]
        group: Debian-exim
        mode: "0440"
    patience: 300
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "2 of 3 certificates changed: example.com, example.net"
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
  description: The names of certificates that name no OCSP responder, so that there is nothing to staple.
  returned: when O(state=present)
  type: list
  elements: str
reload:
  description: The services that have to be reloaded now, also those that an earlier run could not tell.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [nginx]
unconfirmed:
  description: The services whose new certificates nobody has looked at yet. See O(state=served).
  returned: when O(state=present)
  type: list
  elements: str
removed:
  description: The names whose sets were removed.
  returned: when O(state=absent)
  type: list
  elements: str
swapped_back:
  description: The names whose old sets were put back.
  returned: when O(state=served)
  type: list
  elements: str
"""

import contextlib
import grp
import os
import pwd
import time
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import deploy, files, material, sets, staples
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import services as ocsp_services
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.certificate import load_certificates
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.environment import Environment
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import ERROR, InputError, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import CERTIFICATE_LIMIT
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.schedule import format_time

PARTS = tuple(sets.SOURCE_SUFFIXES)
STARTTLS = ["", "smtp", "imap", "pop3", "lmtp", "sieve", "ftp", "ldap", "xmpp-client", "xmpp-server", "postgres"]
STARTTLS += ["mysql", "nntp"]
#: Where a kind of server listens, as a rule.
USUAL_PORTS = {
    "apache": [(443, "")],
    "dovecot": [(993, ""), (143, "imap")],
    "exim": [(25, "smtp"), (465, ""), (587, "smtp")],
    "haproxy": [(443, "")],
    "hitch": [(443, "")],
    "lighttpd": [(443, "")],
    "nginx": [(443, "")],
    "postfix": [(25, "smtp"), (465, ""), (587, "smtp")],
}
CONFIGURATIONS = ["apache2", "dovecot", "exim", "exim4", "haproxy", "hitch", "httpd", "lighttpd", "nginx", "postfix"]
LOCK_TIMEOUT = 120
PAUSE = 10
LOOK_TIMEOUT = 4
#: How long a service may take to come back with what it was told to read.
LOOK_PATIENCE = 15


class Module(AnsibleModule):
    """Logs no options. Ansible logs a list as Python writes it, in which it would not find a private key to mask."""

    def _log_invocation(self):
        names = ", ".join(one["name"] for one in self.params["certificates"])
        self.log(f"Invoked with state={self.params['state']} for {names or 'all certificates'}")


#: Runs a command for which a folder is empty, in a mount namespace of its own; the folder and the command follow.
HIDE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"']


def argument_spec():
    shared = {"services": {"type": "list", "elements": "str"}, "owner": {"type": "str"}, "group": {"type": "str"}}
    shared.update(mode={"type": "raw"}, staple={"type": "bool"}, options={"type": "dict"})
    one = {
        "name": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str"},
        "response_content": {"type": "str"},
        "source": {"type": "path"},
        "responder_urls": {"type": "list", "elements": "str"},
    }
    for part in PARTS:
        # The path of a key is no secret; its content is, also where it stands beside the certificate.
        one.update(
            {f"{part}_path": {"type": "path", "no_log": False}, f"{part}_src": {"type": "path", "no_log": False}}
        )
        one[f"{part}_content"] = {"type": "str", "no_log": True}
    defaults = {"services": [], "owner": "root", "group": "root", "mode": "0400", "staple": True, "options": {}}
    endpoint = {
        "service": {"type": "str", "required": True},
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "required": True},
        "starttls": {"type": "str", "choices": STARTTLS, "default": ""},
    }
    return dict(
        {name: dict(option, default=defaults[name]) for name, option in shared.items()},
        certificates={"type": "list", "elements": "dict", "options": {**one, **shared}, "default": []},
        source={"type": "path"},
        remote_source={"type": "bool", "default": False},
        state={"type": "str", "choices": ["present", "served", "absent"], "default": "present"},
        service_settings={"type": "dict", "default": {}},
        fetch={"type": "bool", "default": True},
        workers={"type": "int", "default": 16},
        patience={"type": "int", "default": 0},
        fail_on_held_back={"type": "bool", "default": True},
        endpoints={"type": "list", "elements": "dict", "options": endpoint},
        keep={"type": "int", "default": 3},
        force={"type": "bool", "default": False},
        apache_port={"type": "int", "default": 2562},
        path={"type": "path", "default": "/etc/ocsp-stapling"},
        state_path={"type": "path", "default": "/var/lib/ocsp-stapling"},
    )


def read_wanted(module):
    """The certificates as they should be deployed, each name once."""
    found = {}
    for given in module.params["certificates"]:
        name = given["name"]
        with _named(name):
            one = read_one(module, given)
            if name in found:
                one = merge(found[name], one)
            found[name] = one
    return list(found.values())


@contextlib.contextmanager
def _named(name):
    try:
        yield
    except OcspError as error:
        raise InputError(f"nothing was changed: {name}: {error.message}") from None


def read_one(module, given):
    material.check_name(given["name"])
    values = {name: given[name] if given[name] is not None else module.params[name] for name in ("services", "staple")}
    options = dict(module.params["options"], **(given["options"] or {}))
    deploy.check_option_names(options)
    if given["responder_urls"]:
        options["responder_urls"] = given["responder_urls"]
    host = Host(module)
    kinds = [host.known(name).kind or "" for name in values["services"]]
    return deploy.Wanted(
        name=given["name"],
        sources=read_sources(module, given),
        access=read_access(*(given[name] or module.params[name] for name in ("owner", "group", "mode"))),
        names=tuple([given["name"]] if given["names"] is None else given["names"]),
        services=tuple(values["services"]),
        kinds=tuple(kinds),
        staple=values["staple"],
        source=given["response_content"],
        options=options,
    )


def merge(one, other):
    """Two entries of the same name as one. Raises InputError where they contradict each other."""
    if one.sources[:4] != other.sources[:4] or one.access != other.access:
        raise InputError("it is given twice, with different files, or owner, group or mode of the key")
    if one.staple != other.staple or one.options != other.options:
        raise InputError("it is given twice, with different values of staple or options")
    services = dict(zip(one.services + other.services, one.kinds + other.kinds))
    return deploy.Wanted(**dict(vars(one), services=tuple(services), kinds=tuple(services.values())))


def read_sources(module, given):
    """The bytes of key, certificate, chain and root, from where they are."""
    where, data = {}, {}
    folder = (given["source"] or module.params["source"]) if module.params["remote_source"] else None
    for part in PARTS:
        path, content, source = given[f"{part}_path"], given[f"{part}_content"], given[f"{part}_src"]
        if path is not None and content is not None:
            raise InputError(f"{part}_path and {part}_content contradict each other; give one of them")
        if source is not None and content is None:
            raise InputError(f"{part}_src is read on the controller, which did not happen")
        where[part] = source or (f"{part}_content" if content is not None else f"{part}_path: {path}")
        data[part] = content.encode() if content is not None else _read(path, where[part]) if path else None
    if folder and not data["private_key"] and not data["certificate"]:
        for part in PARTS:
            paths = [os.path.join(folder, given["name"] + suffix) for suffix in sets.SOURCE_SUFFIXES[part]]
            for path in paths if data[part] is None else ():
                where[part], data[part] = path, files.read_file(path, path, CERTIFICATE_LIMIT)
                if data[part] is not None:
                    break
    for part in ("private_key", "certificate"):
        if data[part] is None:
            named = where[part] if folder else f"{part}_path, {part}_src or {part}_content"
            raise InputError(f"there is no {part.replace('_', ' ')}: {named} is missing")
    where["key"] = where.pop("private_key")
    return deploy.Sources(data["private_key"], data["certificate"], data["chain"], data["root"], where)


def _read(path, where):
    content = files.read_file(path, where, CERTIFICATE_LIMIT)
    if content is None:
        raise InputError(f"{where} does not exist")
    return content


def read_access(owner, group, mode):
    """Owner, group and mode of a key as numbers."""
    try:
        uid = int(owner) if str(owner).isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if str(group).isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise InputError(f"owner or group of the key: {error.args[0]}") from None
    try:
        number = mode if isinstance(mode, int) else int(str(mode), 8)
    except ValueError:
        raise InputError(f"mode: '{mode}' is not an octal number; write it as a string such as \"0400\"") from None
    return sets.Access(uid, gid, number)


def service(module, name):
    """A service with its settings. Raises InputError."""
    settings = dict(module.params["service_settings"].get(name) or {})
    for command in ("test", "reload"):
        value = settings.get(command) or ()
        settings[command] = tuple(value.split() if isinstance(value, str) else value)
    try:
        return ocsp_services.configured(name, **settings)
    except TypeError:
        raise InputError(f"service_settings: {name} has a setting that is not known") from None


class Host:
    """The services of this host: tested, looked at, reloaded. ``hidden`` is a folder that commands find empty."""

    def __init__(self, module, hidden=None):
        self.module = module
        self.prefix = [*HIDE, hidden] if hidden else []

    def run(self, argv, input=None, timeout=60.0):  # noqa: A002
        return self.module.run_command([*self.prefix, *argv], data=input, environ_update={"LC_ALL": "C"})

    def known(self, name):
        """A service that can be told of changes. Raises InputError for one that nobody has heard of."""
        one = service(self.module, name)
        if not ocsp_services.is_known(one, self.run):
            raise InputError(
                f"services: {name} is none of {', '.join(sorted(ocsp_services.KINDS))}, and there is no such service "
                "on this host; correct the name, or give its unit or reload in service_settings"
            )
        return one

    def test(self, name):
        """Why the configuration of a service that runs is no good, or an empty string."""
        one = service(self.module, name)
        if ocsp_services.is_running(one, self.run) is False:
            return ""
        return ocsp_services.test(one, self.run)

    def look(self, endpoint, name):
        """What a client is shown."""
        from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import probe

        where = probe.read_endpoint(endpoint.host, endpoint.port, name, endpoint.starttls or None)
        shown, problem = {}, ""
        for found in probe.look(where, datetime.now(timezone.utc), timeout=LOOK_TIMEOUT, attempts=1):
            if found.leaf is not None:
                shown[material.fingerprint(found.leaf)] = found.data
            elif found.error is not None:
                problem = found.error.message
                if found.error.code == "unreachable":
                    break
        return deploy.Sight(shown, "" if shown else problem or "no certificate was shown")

    def endpoints(self):
        """Where to look."""
        given = self.module.params["endpoints"]
        if given is not None:
            return [deploy.Endpoint(one["service"], one["host"], one["port"], one["starttls"]) for one in given]
        names = {name for one in self.module.params["certificates"] for name in one["services"] or ()}
        found = []
        for name in sorted(names | set(self.module.params["services"])):
            for port, starttls in USUAL_PORTS.get(service(self.module, name).kind, ()):
                found.append(deploy.Endpoint(name, "127.0.0.1", port, starttls))
        return found


def make_fetch(module):
    """Fetches responses side by side, or refuses to."""
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import bulk
    from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import ResponderDown

    def refuse(request, timeout):
        raise ResponderDown("unreachable", "fetching is turned off on this host")

    def fetch(jobs):
        with bulk.Network() as network:
            return dict(
                bulk.refresh_all(
                    [bulk.Job(name, values) for name, values in jobs.items()],
                    lambda job: Environment(
                        network.exchange_for(job.values) if module.params["fetch"] else refuse,
                        datetime.now(timezone.utc),
                    ),
                    workers=module.params["workers"],
                    write=False,
                    on_abort=network.close,
                )
            )

    return fetch


def make_retry(module):
    deadline = time.monotonic() + module.params["patience"]

    def retry(attempt):
        left = deadline - time.monotonic()
        if module.check_mode or not module.params["fetch"] or left <= 0:
            return False
        time.sleep(min(PAUSE, left))
        return True

    return retry


def deploy_certificates(module, layout):
    host = Host(module)
    work = deploy.plan(layout, read_wanted(module), datetime.now(timezone.utc))
    diff = [facts(layout, item.wanted.name) for item in work.items] if module._diff else []
    deploy.obtain(work, make_fetch(module), module.tmpdir, make_retry(module))
    write = not module.check_mode
    wanted = deploy.wanted_snippets(work, module.params["apache_port"])
    problem, swapped = "", any(item.changed for item in work.items)
    with contextlib.ExitStack() as stack:
        for item in work.items if write else ():
            if item.changed or item.outcome is not None:
                place = staples.Place(layout.folder(item.wanted.name, "any"), layout.live(item.wanted.name))
                os.makedirs(layout.sets(item.wanted.name), 0o755, exist_ok=True)
                stack.enter_context(staples.lock(place, LOCK_TIMEOUT))
        deploy.refresh_staples(work, write)
        outdated = deploy.changed_snippets(wanted)
        services = deploy.affected(work, outdated)
        if write and (swapped or outdated):
            deploy.stage(work)
            endpoints = host.endpoints() if swapped else []
            problem = deploy.carry_out(work, module.params["apache_port"], host.test, host.look, endpoints)
        elif write:
            sets.mark_pending(layout, services)
    if not problem and write:
        deploy.prune(work, module.params["keep"])
    pending = sets.pending_services(layout)
    result = {
        "certificates": [describe(work, item) for item in work.items],
        "held_back": [item.wanted.name for item in work.items if item.held_back],
        "revoked": [item.wanted.name for item in work.items if is_revoked(item)],
        "without_responder": [item.wanted.name for item in work.items if not item.urls],
        "reload": sorted(set(services) | set(pending)),
        "unconfirmed": deploy.unconfirmed(layout) if write else sorted(work.services),
    }
    if module._diff:
        result["diff"] = describe_change(work, diff)
    for sentence in work.warnings:
        module.warn(sentence)
    if problem:
        module.fail_json(msg=problem, **dict(result, reload=pending))
    result["msg"] = summary(work, module.check_mode)
    if result["held_back"] and module.params["fail_on_held_back"]:
        reasons = "; ".join(f"{item.wanted.name}: {item.held_back}" for item in work.items if item.held_back)
        module.fail_json(**dict(result, msg=f"not deployed: {reasons}"))
    fresh = any(item.staple_changed for item in work.items)
    module.exit_json(changed=bool(swapped or outdated or fresh or pending), **result)


def is_revoked(item):
    judgement = item.outcome.judgement if item.outcome else None
    return judgement is not None and judgement.proves_revocation


def summary(work, check):
    changed = [item.wanted.name for item in work.items if item.changed]
    if not changed:
        return f"all {len(work.items)} certificates are as they should be"
    verb = "would change" if check else "changed"
    return f"{len(changed)} of {len(work.items)} certificates {verb}: {', '.join(changed)}"


def describe(work, item):
    certificate, outcome = item.material.certificate, item.outcome
    judgement = outcome.judgement if outcome and outcome.data is not None else None
    return {
        "name": item.wanted.name,
        "changed": item.changed,
        "reasons": item.changes,
        "services": list(item.wanted.services),
        "path": work.layout.live(item.wanted.name),
        "fingerprint": material.fingerprint(certificate),
        "expiry": format_time(certificate.not_after),
        "must_staple": certificate.must_staple,
        "responder_urls": list(item.urls),
        "stapled": judgement is not None,
        "staple_expiry": format_time(judgement.effective_expiry) if judgement else None,
        "held_back": item.held_back,
    }


def facts(layout, name):
    """What a difference shows of a live set."""
    identifier = sets.current_id(layout, name)
    if identifier is None:
        return {"state": "absent"}
    live = sets.read_set(layout, name, identifier)
    access = sets.access_of(layout, name, identifier)
    shown = {"state": "present", "key": f"{access.uid}:{access.gid} {access.mode:04o}" if access else "unclear"}
    with contextlib.suppress(OcspError, KeyError):
        shown.update(certificate_facts(load_certificates(live["fullchain.pem"], "fullchain.pem")))
    place = staples.find(layout.live(name))
    shown["staple"] = "present" if place and os.path.exists(place.path(staples.STAPLE)) else "absent"
    return shown


def certificate_facts(chain):
    return {
        "certificate": material.fingerprint(chain[0]),
        "subject": chain[0].name,
        "expiry": format_time(chain[0].not_after),
        "chain": [one.name for one in chain[1:]],
    }


def describe_change(work, before):
    shown = []
    for item, old in zip(work.items, before):
        new = dict(old)
        if item.changed:
            access = item.wanted.access
            new = {"state": "present", "key": f"{access.uid}:{access.gid} {access.mode:04o}"}
            new.update(certificate_facts([item.material.certificate, *item.material.chain]))
            new["staple"] = "present" if item.staple else "absent"
        elif item.staple_changed:
            new["staple"] = "renewed" if item.staple else "absent"
        path = work.layout.live(item.wanted.name)
        if new != old:
            shown.append({"before_header": path, "after_header": path, "before": old, "after": new})
    return shown


def look_at_servers(module, layout):
    """Confirm the last deployment, or take it back."""
    host = Host(module)
    record = sets.read_record(layout)
    if not record or module.check_mode:
        module.exit_json(changed=False, swapped_back=[], msg="there is nothing to look at")
    services = deploy.unconfirmed(layout)
    faults = {}
    for name in sorted(set(sets.pending_services(layout)) & set(services)):
        faults[name] = host.test(name) or f"{name} was not reloaded"
    deadline = time.monotonic() + LOOK_PATIENCE
    while not faults:
        faults = deploy.find_faults(layout, host.look)
        if not faults or time.monotonic() > deadline:
            break
        time.sleep(0.5)
        faults = {} if time.monotonic() < deadline else faults
    if not faults:
        sets.remove_record(layout)
        module.exit_json(changed=False, swapped_back=[], msg=f"{', '.join(services)}: all is served as it should be")
    names = deploy.swap_back(layout)
    problems = []
    for name in services:
        outcome = ocsp_services.reload(service(module, name), host.run)
        problems += [outcome.problem] if outcome.problem else []
        sets.unmark_pending(layout, [] if outcome.problem else [name])
    msg = f"the old certificates of {', '.join(names)} were put back: {'; '.join(faults.values())}"
    module.fail_json(msg="; ".join([msg, *problems]), changed=True, swapped_back=names)


def remove_sets(module, layout):
    names = [one["name"] for one in module.params["certificates"]]
    everything = not names
    names = names or sets.all_names(layout)
    folders = [os.path.join("/etc", name) for name in CONFIGURATIONS]
    mentions = []
    for path in [layout.root] if everything else [layout.live(name) for name in names]:
        mentions += deploy.references(path, folders, _read_quietly)
    if mentions and not module.params["force"]:
        module.fail_json(msg=f"nothing was removed, since this still uses it: {', '.join(mentions[:10])}", removed=[])
    if everything and os.path.isdir(layout.root) and not module.params["force"]:
        broken = broken_without(module, layout.root)
        if broken:
            module.fail_json(msg=f"nothing was removed, since it is still used: {'; '.join(broken)}", removed=[])
    removed = deploy.remove_names(layout, names, not module.check_mode)
    if everything and not module.check_mode:
        deploy.remove_shared(layout)
    done = "would be removed" if module.check_mode else "were removed"
    msg = f"{', '.join(removed)} {done}" if removed else "there was nothing to remove"
    module.exit_json(changed=bool(removed), removed=removed, msg=msg)


def broken_without(module, folder):
    """Which configurations are good with a folder and would not be without it; a configuration may lie anywhere."""
    here, there = Host(module), Host(module, hidden=folder)
    if there.run(["true"])[0] != 0:
        return []
    described = [service(module, name) for name in sorted(ocsp_services.KINDS)]
    good = [one for one in described if not ocsp_services.test(one, here.run)]
    return [problem for problem in (ocsp_services.test(one, there.run) for one in good) if problem]


def _read_quietly(path):
    with contextlib.suppress(OcspError):
        return files.read_file(path, path, CERTIFICATE_LIMIT)
    return None


def main():
    module = Module(argument_spec=argument_spec(), supports_check_mode=True)
    _module.require_cryptography(module)
    layout = sets.Layout(module.params["path"], module.params["state_path"])
    steps = {"present": deploy_certificates, "served": look_at_servers, "absent": remove_sets}
    os.umask(0o022)
    try:
        with files.lock(layout.root, LOCK_TIMEOUT):
            if not module.check_mode:
                sets.clean(layout)
            steps[module.params["state"]](module, layout)
    except OcspError as error:
        module.fail_json(
            msg=error.message, findings=[{"code": error.code, "severity": ERROR, "message": error.message}]
        )


if __name__ == "__main__":
    main()
