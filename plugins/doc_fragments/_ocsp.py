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
      - The certificate to get the status of, as PEM or DER. It may be a full chain that starts with the certificate.
      - Exactly one of O(certificate_path) and O(certificate_content) is needed.
    type: path
  certificate_content:
    description:
      - The certificate, or its full chain, as PEM.
    type: str
  issuer_path:
    description:
      - The certificate of the CA that issued the certificate, as PEM or DER. It may be a chain.
      - By default it is taken from O(certificate_path) or O(certificate_content).
    type: path
  issuer_content:
    description:
      - The certificate of the CA that issued the certificate, or a chain, as PEM.
    type: str
  root_path:
    description:
      - The trusted root certificates, as PEM or DER. If given, the issuer must chain to one of them.
    type: path
requirements:
  - cryptography >= 3.3
"""

    RENEWAL = r"""
options:
  minimum_validity:
    description:
      - Renew the response when less than this is left of its validity period, for example V(3d), V(12 hours) or V(1w
        2d).
      - The units are seconds (V(s)), minutes (V(m)), hours (V(h)), days (V(d)) and weeks (V(w)).
      - If O(minimum_validity_percentage) is reached first, the response is renewed then. A value longer than the whole
        validity period is ignored, since the response would then be renewed on every run.
    type: str
  minimum_validity_percentage:
    description:
      - Renew the response when less than this percentage of its validity period is left, from V(0) to V(100).
    type: float
    default: 50
  server:
    description:
      - The TLS servers that will read the file. Anything in the response that they cannot use is reported as
        V(unfit_for_server), which is an error if the server would fail because of it.
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
      - V(missing_next_update) accepts responses without nextUpdate. They are then used for 24 hours.
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
      - Refuse responses whose thisUpdate is longer ago than this. Chromium ignores responses older than 7 days.
      - A response with a later nextUpdate is renewed as if it expired then.
    type: str
    default: 10d
  clock_tolerance:
    description:
      - How far ahead of this host's clock the thisUpdate and producedAt of a response may be.
      - A response that is already in place was good when it was put there, so the clock is what has changed. It may be
        ahead by up to an hour, and by up to 30 days with a warning, V(clock_implausible).
      - There is no tolerance for responses that have expired.
    type: str
    default: 5m
  now:
    description:
      - The time to use instead of this host's clock, as V(2026-11-23T12:00:00Z) or V(20261123120000Z).
      - For tests, and to find out whether a response will still be good at a later time.
    type: str
"""

    RESPONSE = r"""
options:
  state:
    description:
      - V(present) keeps a good response in the file.
      - V(absent) removes the file. If it is a symbolic link, only the link is removed.
    type: str
    choices: [present, absent]
    default: present
  source_path:
    description:
      - A file with a response that was fetched elsewhere, as DER or PEM.
      - It is checked by the same rules and installed if it is newer. No responder is asked.
    type: path
  source_content:
    description:
      - The Base64 of the DER of a response that was fetched elsewhere, as in
        RV(certops.ocsp.ocsp_response#module:response).
      - It is checked by the same rules and installed if it is newer. No responder is asked.
      - V(null) is the same as leaving it out, so a responder is asked. To prevent that, as on hosts without outbound
        network access, give the task a condition such as C(staple.response is not none).
    type: str
  responder_urls:
    description:
      - The URLs of the OCSP responders to ask, in this order.
      - By default, and with an empty list, those of the certificate's authority information access extension.
    type: list
    elements: str
  certid_digest:
    description:
      - The digest that identifies the certificate in the request (CertID).
      - With V(auto), SHA-1 is tried first, since all responders support it, and SHA-256 if a responder refuses that.
        This use of SHA-1 does not affect security.
      - Some servers, and clients with Java that check staples, do not read answers by SHA-256.
    type: str
    choices: [auto, sha1, sha256]
    default: auto
  method:
    description:
      - The HTTP method of the request.
      - With V(auto), GET is used where the URL has at most 255 characters, and POST where it is longer or
        where GET failed, which includes a connection that was closed, reset or silent after the GET.
    type: str
    choices: [auto, get, post]
    default: auto
  nonce:
    description:
      - Whether to send a nonce. A response with a different nonce is refused; a response without one is not.
      - A nonce defeats caches and makes the responder sign each response, so it is rarely useful.
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
      - Ask a responder even if the response in place is not due for renewal.
      - Even then, a newer response is never replaced by an older one.
    type: bool
    default: false
  format:
    description:
      - The format of the file. All servers listed in O(server) read V(der) only.
    type: str
    choices: [der, pem]
    default: der
  backup:
    description:
      - Whether to keep a backup of the response that is replaced, with the time appended to its name.
    type: bool
    default: false
  backup_count:
    description:
      - How many backups to keep, from V(1) to V(1000). Older ones are removed.
    type: int
    default: 5
  timeout:
    description:
      - The time limit for one exchange with a responder, in seconds. More than V(0) to V(86400).
      - A GET takes at most half of what is left of O(total_timeout), so that there is time for a POST.
    type: float
    default: 10
  total_timeout:
    description:
      - The time limit for all exchanges and the pauses between them, in seconds. More than V(0) to V(86400).
    type: float
    default: 60
  retries:
    description:
      - How often to retry if a responder cannot be reached, times out, reports an internal error, or asks to try later.
        From V(0) to V(100).
      - A responder that says how long to wait (C(Retry-After)) is given that time if O(total_timeout) allows it.
      - Trying another method, digest or responder does not count as a retry.
    type: int
    default: 2
  use_proxy:
    description:
      - If V(false), no proxy is used, not even one set in the environment.
    type: bool
    default: true
  http_proxy:
    description:
      - The URL of the proxy to ask through, for example V(http://proxy.example.com:3128) or
        V(http://user:password@proxy.example.com:3128). It must begin with C(http://), even for responders with HTTPS.
      - By default the environment variables C(http_proxy), C(https_proxy) and C(no_proxy) are used.
    type: str
  validate_certs:
    description:
      - Whether to verify the TLS certificate of a responder whose URL begins with C(https://).
      - Responses are signed, so they are verified in either case.
    type: bool
    default: true
  http_agent:
    description:
      - The User-Agent to send.
    type: str
    default: certops.ocsp
"""
