# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    """Options and requirements that the modules for OCSP responses share."""

    CERTIFICATE = r"""
options:
  certificate_path:
    description:
      - The certificate whose status is asked for, as PEM or DER. A full chain with the certificate first is fine.
      - Exactly one of O(certificate_path) and O(certificate_content) is needed.
    type: path
  certificate_content:
    description:
      - The certificate, or its full chain, as PEM.
    type: str
  issuer_path:
    description:
      - The certificate of the CA that issued the certificate, as PEM or DER. A chain is fine.
      - By default it is looked for in what O(certificate_path) or O(certificate_content) gives.
    type: path
  issuer_content:
    description:
      - The certificate of the CA that issued the certificate, or a chain, as PEM.
    type: str
  root_path:
    description:
      - The certificates that are trusted, as PEM or DER. If given, the issuer must chain to one of them.
    type: path
requirements:
  - cryptography >= 3.3
"""

    RENEWAL = r"""
options:
  minimum_validity:
    description:
      - Renew the response when less than this is left of its life, for example V(3d), V(12 hours) or V(1w 2d).
      - The units are seconds (V(s)), minutes (V(m)), hours (V(h)), days (V(d)) and weeks (V(w)).
      - When O(minimum_validity_percentage) is reached first, that one counts. A value that is longer than the
        whole life of the responses does not count, since the response would then be renewed with every run.
    type: str
  minimum_validity_percentage:
    description:
      - Renew the response when less than this share of its life is left, from V(0) to V(100).
    type: float
    default: 50
  server:
    description:
      - The TLS servers that will read the file. What they cannot use becomes a finding
        V(unfit_for_server), and an error where the server would fail because of it.
    type: list
    elements: str
    choices: [apache, dnsdist, dovecot, exim, haproxy, hitch, lighttpd, nginx, postfix, trafficserver]
    default: []
  return_content:
    description:
      - Whether to return the response in RV(ignore:response).
    type: bool
    default: false
"""

    RULES = r"""
options:
  allow:
    description:
      - Known deviations of a private CA to accept.
      - V(sha1_signature) accepts signatures with SHA-1.
      - V(missing_next_update) accepts responses that do not say how long they hold. They are then used for
        24 hours.
    type: list
    elements: str
    choices: [sha1_signature, missing_next_update]
    default: []
  require_nocheck:
    description:
      - Whether to refuse responses of a delegated responder whose certificate lacks C(id-pkix-ocsp-nocheck).
    type: bool
    default: false
  maximum_age:
    description:
      - Refuse responses that were made longer ago than this. Chromium ignores those older than 7 days.
    type: str
    default: 10d
  clock_tolerance:
    description:
      - How far in the future of this host's clock a response may have been made.
      - There is no tolerance for responses that have expired.
    type: str
    default: 5m
  now:
    description:
      - The time to judge by instead of this host's clock, as V(2026-11-23T12:00:00Z) or V(20261123120000Z).
      - For tests and for looking ahead.
    type: str
"""

    RESPONSE = r"""
options:
  state:
    description:
      - V(present) keeps a good response in the file.
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
      - The Base64 of the DER of a response that was fetched elsewhere, as in
        RV(certops.ocsp.ocsp_response#module:response).
      - It is judged by the same rules and installed when it is newer. No responder is asked.
      - V(null) is the same as leaving it out, so that a responder is asked. Where that must not happen, as on hosts
        without outbound network access, give the task a condition such as C(staple.response is not none).
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
        where GET failed, which includes a connection that was closed, reset or silent after the GET.
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
      - What to do when the certificate has no OCSP responder URL and O(responder_urls) is not given.
      - With V(skip), nothing changes and RV(certops.ocsp.ocsp_response#module:skipped_reason) says V(no_responder).
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
      - How many of these copies stay, from V(1) to V(1000). Older ones are removed.
    type: int
    default: 5
  timeout:
    description:
      - The seconds that one exchange with a responder may take in all. More than V(0) to V(86400).
      - A GET takes at most half of what is left of O(total_timeout), so that there is time for a POST.
    type: float
    default: 10
  total_timeout:
    description:
      - The seconds that all exchanges, and the pauses between them, may take together. More than V(0) to V(86400).
    type: float
    default: 60
  retries:
    description:
      - How often to try again when a responder cannot be reached, takes too long, has an internal problem, or
        asks to try later. From V(0) to V(100).
      - A responder that says how long to wait (C(Retry-After)) is given that time, where O(total_timeout) allows it.
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
      - The URL of the proxy to ask through, for example V(http://proxy.example.com:3128) or
        V(http://user:password@proxy.example.com:3128). It begins with C(http://), also for responders with HTTPS.
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
"""
