#!/usr/bin/python
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocsp_staple_info
short_description: Check the OCSP staple that a TLS server serves
version_added: 1.0.0
author:
  - certops.ocsp contributors (@certops)
description:
  - Connects to a TLS server as a client does, reads the certificates and OCSP staples that it sends, and checks the
    staples against the certificate that is actually served, by the same rules as M(certops.ocsp.ocsp_response).
  - A server may have one certificate with an RSA key and one with an ECDSA key. Each is checked over a separate
    connection and has an entry in RV(certificates).
  - The module does not fail because a server serves a bad staple or none, cannot be reached, or does not speak TLS.
    RV(acceptable), RV(severity), RV(error) and RV(msg) say so. Use C(failed_when) or M(ansible.builtin.assert) if the
    task should fail for such a server.
  - The connection is closed as soon as certificates and staple have been read. It does not prove that the server holds
    the private key, and neither the host name nor the trust in the root is checked.
  - It runs where the task runs. To see a server from outside, use C(delegate_to).
extends_documentation_fragment:
  - certops.ocsp._attributes
  - certops.ocsp._attributes.info_module
  - certops.ocsp._ocsp.rules
attributes:
  check_mode:
    details:
      - This action does not modify state.
      - A file that does not exist on the host is a warning, and the server is not looked at, because an earlier task
        may be about to create it.
options:
  host:
    description:
      - The host name or the IP address to connect to.
    type: str
    required: true
  port:
    description:
      - The TCP port.
      - The default is V(443), or the port of the protocol in O(starttls).
    type: int
  server_name:
    description:
      - The host name to ask for in the handshake (SNI).
      - The default is O(host). With an empty string, no name is sent. An address is never sent.
    type: str
  starttls:
    description:
      - The protocol in which to ask for TLS (STARTTLS). By default, TLS is used from the start of the connection.
    type: str
    choices: ["", ftp, imap, ldap, lmtp, pop3, postgres, sieve, smtp, xmpp, xmpp-server]
    default: ""
  key_types:
    description:
      - The key types to look for.
      - It is not an error if a server has a certificate for only one of them. RV(certificates[].served) is V(false) for
        the other.
    type: list
    elements: str
    choices: [rsa, ecdsa, eddsa]
    default: [rsa, ecdsa]
  tls_versions:
    description:
      - The TLS versions to offer. The server chooses the newest one that it supports.
    type: list
    elements: str
    choices: ['1.2', '1.3']
    default: ['1.2', '1.3']
  address_family:
    description:
      - Whether to connect by IPv4 or IPv6. V(any) takes the first address that answers.
    type: str
    choices: [any, ipv4, ipv6]
    default: any
  issuer_path:
    description:
      - The certificate of the CA that issued the server's certificate, as PEM or DER. It may be a chain.
      - By default it is taken from the chain that the server sends.
      - It may also be the root of a private CA. The issuer is then looked for in the chain that the server sends, and
        must chain to that root.
    type: path
  issuer_content:
    description:
      - The certificate of the CA that issued the server's certificate, or a chain, as PEM.
    type: str
  root_path:
    description:
      - The certificates of roots, as PEM or DER. The issuer must lead to one of them, by what the server sends, and
        clients that have only these roots must accept that.
      - By default it is not looked at where the chain leads.
    type: path
  certificate_path:
    description:
      - The certificate that the server should serve, as PEM or DER. It may be a full chain that starts with the
        certificate.
      - RV(matches_certificate) says whether it does.
    type: path
  expected_path:
    description:
      - The file with the response that the server should staple, as DER or PEM.
      - RV(matches_expected) says whether it does. With such a file, a missing staple is an error.
    type: path
  timeout:
    description:
      - The time limit in seconds for everything, from the name lookup to the last handshake.
      - It is divided evenly among the O(key_types).
    type: float
    default: 20
  attempts:
    description:
      - How many handshakes to make, one second apart, if the certificate could have a staple but none is sent.
      - Some servers fetch the staple when the first client connects. nginx does so without C(ssl_stapling_file).
    type: int
    default: 2
  return_content:
    description:
      - Whether to return the staple in RV(certificates[].response).
    type: bool
    default: false
requirements:
  - cryptography >= 3.3
seealso:
  - module: certops.ocsp.ocsp_response
  - module: certops.ocsp.ocsp_response_info
notes:
  - TLS 1.2 and 1.3 are read with C(cryptography) alone. Neither pyOpenSSL nor the C(openssl) program is needed.
"""

EXAMPLES = r"""
- name: Check what is served to the outside
  certops.ocsp.ocsp_staple_info:
    host: www.example.com
  delegate_to: localhost
  register: www

- name: Fail if it is not good
  ansible.builtin.assert:
    that:
      - www.acceptable
    fail_msg: "{{ www.msg }}"

- name: Confirm after a reload that nginx serves this certificate and this response
  certops.ocsp.ocsp_staple_info:
    host: 127.0.0.1
    server_name: www.example.com
    certificate_path: /etc/ssl/www.example.com/fullchain.pem
    expected_path: /etc/nginx/ocsp/www.example.com.der
  register: served
  until: served.matches_expected
  retries: 5
  delay: 2

- name: Fail only if clients would fail, such as with an expired staple
  certops.ocsp.ocsp_staple_info:
    host: mail.example.com
    starttls: smtp
  register: mail
  failed_when: mail.severity == 'error'

- name: Check that both certificates are stapled by TLS 1.2 over IPv6
  certops.ocsp.ocsp_staple_info:
    host: www.example.com
    tls_versions: ['1.2']
    address_family: ipv6
  register: www6
  failed_when: not (www6.certificates | map(attribute='acceptable') is all)
"""

RETURN = r"""
host:
  description: The host that was checked.
  returned: always
  type: str
  sample: www.example.com
port:
  description: The TCP port.
  returned: success
  type: int
  sample: 443
server_name:
  description: The host name that was asked for, or V(null) if none was.
  returned: success
  type: str
  sample: www.example.com
starttls:
  description: The protocol in which TLS was asked for, or V(null).
  returned: success
  type: str
  sample: smtp
msg:
  description: The most important problem in one sentence, or a statement that there is none.
  returned: always
  type: str
  sample: the staple is good until 2026-11-30T09:00:00Z
severity:
  description:
    - The worst severity of all findings, V(error) or V(warning), or V(null) if there are none.
  returned: success
  type: str
  sample: warning
error:
  description:
    - Why nothing could be read for one of the key types, or V(null).
  returned: success
  type: dict
  contains:
    code:
      description:
        # BEGIN reason codes: probe, written by tests/tools/code_tables.py
        - V(unreachable) - The name has no address, or nothing accepts a connection there.
        - V(timeout) - The server took longer than O(timeout). The message says what it was expected to do.
        - V(cut_off) - The server closed the connection before it had sent its certificate and staple.
        - V(not_tls) - Something answers, but not with TLS.
        - V(tls_alert) - The server ended the handshake with a TLS alert. The message names it.
        - V(tls_version) - The server speaks none of the TLS versions that were offered.
        - V(starttls_refused) - The server does not offer STARTTLS, or refused it.
        - V(not_served) - The server has no certificate with any of the key types in O(key_types).
        - V(malformed) - What the server sends during the handshake cannot be parsed.
        - V(too_large) - The server sends more than belongs in a handshake, such as a chain of more than 256 KiB.
        # END reason codes
      type: str
      sample: timeout
    message:
      description: One sentence.
      type: str
      sample: www.example.com:443 does not send ServerHello within 10 s (the timeout is 20 s for all key types together)
served:
  description: Whether any certificate was served.
  returned: success
  type: bool
  sample: true
stapled:
  description: Whether each certificate that is served came with a staple.
  returned: success
  type: bool
  sample: true
acceptable:
  description:
    - Whether each certificate that is served came with a good staple, which means that no finding is an error.
    - It is V(false) if nothing was served.
  returned: success
  type: bool
  sample: true
matches_expected:
  description: Whether the staple is the one in O(expected_path). V(null) without that option, or when nothing is
    served.
  returned: success
  type: bool
  sample: true
matches_certificate:
  description: Whether the certificate is the one in O(certificate_path). V(null) without that option, or when nothing
    is served.
  returned: success
  type: bool
  sample: true
certificates:
  description: What is served for each key type, in the order of O(key_types).
  returned: success
  type: list
  elements: dict
  contains:
    key_type:
      description: The key type that was asked for.
      type: str
      sample: rsa
    served:
      description: Whether the server has such a certificate.
      type: bool
      sample: true
    error:
      description: Why nothing could be read, or V(null). As in RV(error).
      type: dict
      contains:
        code:
          description: The reason code.
          type: str
          sample: timeout
        message:
          description: One sentence.
          type: str
          sample: >-
            www.example.com:443 does not send ServerHello within 10 s (the timeout is 20 s for all key types together)
    msg:
      description: The most important problem in one sentence, or a statement that there is none.
      type: str
      sample: the staple is good until 2026-11-30T09:00:00Z
    severity:
      description: The worst severity in RV(certificates[].findings), V(error) or V(warning), or V(null).
      type: str
      sample: warning
    address:
      description: The IP address that was connected to.
      type: str
      sample: 192.0.2.10
    handshakes:
      description: How many handshakes were made.
      type: int
      sample: 1
    tls_version:
      description: The version of TLS that the server chose.
      type: str
      sample: '1.3'
    key_exchange_group:
      description:
        - The group in which the server exchanged keys with this module, with the name that IANA gives it. A group that
          TLS 1.2 gives by its numbers is called by its size, such as V(dh2048).
        - Offered are V(X25519MLKEM768), where the installed C(cryptography) has ML-KEM, V(x25519), V(secp256r1),
          V(secp384r1) and V(secp521r1). Other clients may be given another one.
        - V(null) where keys are exchanged without a group, as with RSA in TLS 1.2, and where it cannot be told.
      type: str
      sample: x25519
    signed_certificate_timestamps:
      description:
        - How many signed certificate timestamps (RFC 6962) prove that the certificate was logged, by the way they came.
        - They are counted, and not verified.
      type: dict
      contains:
        certificate:
          description: Those in the certificate. V(null) where none is served, or where they cannot be read.
          type: int
          sample: 2
        staple:
          description: Those in the staple. V(null) where there is none, or where it cannot be read.
          type: int
          sample: 0
        handshake:
          description: Those in the TLS handshake. V(null) where no certificate is served, or where they cannot be read.
          type: int
          sample: 0
    chain:
      description: The certificates that were served as PEM, the server's own first.
      type: list
      elements: str
      sample: ["-----BEGIN CERTIFICATE-----\nMIID..."]
    subject:
      description: The name in the server's certificate.
      type: str
      sample: CN=www.example.com
    issuer:
      description: The name of the CA that issued it.
      type: str
      sample: CN=Example Intermediate
    serial_number:
      description: The serial number of the certificate.
      type: int
      sample: 81238719834712
    not_after:
      description: When the certificate expires.
      type: str
      sample: "2027-01-20T09:00:00Z"
    responder_urls:
      description: The OCSP responders that the certificate names.
      type: list
      elements: str
      sample: [http://ocsp.example.com]
    must_staple:
      description: Whether the certificate requires stapling (must-staple, RFC 7633).
      type: bool
      sample: false
    stapled:
      description: Whether there is a staple.
      type: bool
      sample: true
    acceptable:
      description: Whether there is a staple and no finding is an error.
      type: bool
      sample: true
    matches_expected:
      description:
        - Whether the staple is the one in O(expected_path).
        - V(null) without that option, or if that response is about another certificate that the server serves.
      type: bool
      sample: true
    matches_certificate:
      description:
        - Whether the certificate is the one in O(certificate_path).
        - V(null) without that option, or if the server serves that certificate for another key type.
      type: bool
      sample: true
    response_status:
      description: The status of the whole OCSP response, for example V(successful) or V(try_later).
      type: str
      sample: successful
    certificate_status:
      description: The status of the certificate in the staple, V(good), V(revoked) or V(unknown).
      type: str
      sample: good
    this_update:
      description: The thisUpdate of the staple, which is when its validity period begins.
      type: str
      sample: "2026-11-23T09:00:00Z"
    next_update:
      description: The nextUpdate of the staple.
      type: str
      sample: "2026-11-30T09:00:00Z"
    produced_at:
      description: When the staple was signed.
      type: str
      sample: "2026-11-23T09:00:00Z"
    effective_expiry:
      description: When the staple stops being usable. This is its nextUpdate, the time at which its thisUpdate is
        O(maximum_age) ago, or the expiry of the responder's certificate or of the certificate itself, whichever is
        earliest.
      type: str
      sample: "2026-11-30T09:00:00Z"
    revocation_time:
      description: When the certificate was revoked.
      type: str
      sample: "2026-11-20T10:15:00Z"
    revocation_reason:
      description: Why the certificate was revoked, if the CA gives a reason, as the name in RFC 5280 in snake case.
      type: str
      sample: key_compromise
    responder_id:
      description: Who signed the staple, as a name, or as V(key:) followed by the SHA-1 of the key.
      type: str
      sample: CN=OCSP Responder,O=Example CA
    responder_certificate_expiry:
      description: When the certificate of a delegated responder expires. V(null) if the issuer signed the response
        itself.
      type: str
      sample: "2027-02-01T00:00:00Z"
    signature_algorithm:
      description: The signature algorithm of the staple.
      type: str
      sample: rsa_sha256
    certid_digest:
      description: The digest that identifies the certificate in the staple (CertID).
      type: str
      sample: sha1
    findings:
      description:
        - What is wrong or unusual about the staple, the most fundamental first, with the codes of
          M(certops.ocsp.ocsp_response_info) and those below.
        # BEGIN reason codes: served, written by tests/tools/code_tables.py
        - V(missing_staple) (warning; error for a must-staple certificate, or if O(expected_path) exists) - The server
          sends no staple, although the certificate has a responder or one is expected.
        - V(late_staple) (warning) - The first handshake brought no staple, and a later one did.
        - V(shared_staple) (error) - The staple is about the server's other certificate. nginx sends one file with both
          if a server block has an RSA and an ECDSA certificate and C(ssl_stapling_file).
        - V(other_staple) (warning) - The staple is not the one in O(expected_path).
        - V(other_certificate) (error) - The certificate is not the one in O(certificate_path).
        - V(unusable_chain) (error) - The certificate that the server sends is not valid yet, or it and its chain are
          too long for clients. Or, where O(root_path) is given, clients that have only these roots refuse the chain.
        - V(missing_issuer) (error) - The server does not send the certificate of its CA, so the staple cannot be
          checked.
        # END reason codes
      type: list
      elements: dict
      contains:
        code:
          description:
            - The reason code. Codes never change their meaning.
            - R(The guide lists them all,ansible_collections.certops.ocsp.docsite.operations.codes).
          type: str
          sample: missing_staple
        severity:
          description: V(error) or V(warning).
          type: str
          sample: warning
        message:
          description: One sentence.
          type: str
          sample: the server sends no staple for the certificate CN=www.example.com
    other_staples:
      description: The staples for other certificates of the chain, which TLS 1.3 allows.
      type: list
      elements: dict
      contains:
        subject:
          description: The name in that certificate.
          type: str
          sample: CN=Example Intermediate
        acceptable:
          description: Whether that staple is good.
          type: bool
          sample: true
        certificate_status:
          description: The status of that certificate.
          type: str
          sample: good
        effective_expiry:
          description: When it stops being usable.
          type: str
          sample: "2026-12-23T09:00:00Z"
        findings:
          description: What is wrong or unusual about it.
          type: list
          elements: dict
          contains:
            code:
              description: The reason code.
              type: str
              sample: expired
            severity:
              description: V(error) or V(warning).
              type: str
              sample: error
            message:
              description: One sentence.
              type: str
              sample: "the response expired at 2026-11-22T09:00:00Z"
    sha256:
      description: The SHA-256 of the staple.
      type: str
      sample: 5f2d1c7b0e5c0b3a5b3f6a6d7e9e0c1f2a3b4c5d6e7f8091a2b3c4d5e6f70819
    response:
      description: The Base64 of the staple, or V(null) when there is none.
      returned: when O(return_content=true)
      type: str
      sample: MIIB0woBAKCCAcwwggHI...
"""

from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils._module import Module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError, MissingError, OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge import wire
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import SIZE_LIMIT
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options import parse as ocsp_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import client, starttls
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.connection import FAMILIES
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe.tls import KEY_TYPES


def read_expectation(params):
    """What should be served, by the options. Raises InputError and FileError."""
    issuers, issuer_source = ocsp_options.read_certificates(params, "issuer")
    roots, root_source = ocsp_options.read_certificates(params, "root")
    certificates, certificate_source = ocsp_options.read_certificates(params, "certificate")
    response, response_source = ocsp_options.read_data(params, "expected_path", "expected_content", SIZE_LIMIT)
    return client.Expectation(
        issuers=tuple(issuers),
        issuer_source=issuer_source,
        roots=tuple(roots),
        root_source=root_source,
        certificate=x509.find_leaf(certificates, certificate_source) if certificates else None,
        certificate_source=certificate_source,
        response=wire.from_pem(response) if response is not None else None,
        response_source=response_source,
    )


def look(module):
    """Look at the server and return the values of the result."""
    params = module.params
    if not params["key_types"]:
        raise InputError("key_types is empty; give rsa, ecdsa or both")
    endpoint = client.read_endpoint(
        params["host"],
        params["port"],
        params["server_name"],
        params["starttls"],
        params["address_family"],
        params["tls_versions"],
    )
    place = {"port": endpoint.port, "server_name": endpoint.server_name or None, "starttls": endpoint.starttls}
    try:
        expectation = read_expectation(params)
    except MissingError as error:
        outcome = _module.not_there_yet(module, "", error)
        _module.show_warnings(module, outcome.warnings)
        return {**client.unseen_values(outcome.message), **place}
    looks = client.look(
        endpoint,
        _module.read_now(module),
        key_types=list(dict.fromkeys(params["key_types"])),
        expectation=expectation,
        rules=ocsp_options.read_rules(params),
        timeout=ocsp_options.read_seconds(params, "timeout", 20.0),
        attempts=ocsp_options.read_whole(params, "attempts", 2, 1, 10),
    )
    return {**client.summary_values(looks, params["return_content"]), **place}


def main():
    module = Module(
        argument_spec=dict(
            _module.argument_spec("ocsp_staple_info"),
            host={"type": "str", "required": True},
            port={"type": "int"},
            server_name={"type": "str"},
            starttls={"type": "str", "choices": ["", *starttls.PROTOCOLS], "default": ""},
            key_types={"type": "list", "elements": "str", "choices": list(KEY_TYPES), "default": ["rsa", "ecdsa"]},
            tls_versions={
                "type": "list",
                "elements": "str",
                "choices": list(client.TLS_VERSIONS),
                "default": list(client.TLS_VERSIONS),
            },
            address_family={"type": "str", "choices": list(FAMILIES), "default": "any"},
            issuer_path={"type": "path"},
            issuer_content={"type": "str"},
            root_path={"type": "path"},
            certificate_path={"type": "path"},
            expected_path={"type": "path"},
            timeout={"type": "float", "default": 20},
            attempts={"type": "int", "default": 2},
        ),
        supports_check_mode=True,
        mutually_exclusive=[("issuer_path", "issuer_content")],
    )
    _module.require_cryptography(module)
    try:
        values = look(module)
    except OcspError as error:
        module.fail_json(msg=error.message, host=module.params["host"])
    module.exit_json(host=module.params["host"], **values)


if __name__ == "__main__":
    main()
