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

    RULES = r"""
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
  allow:
    description:
      - Faults of a private CA to put up with.
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
  server:
    description:
      - The TLS servers that will read the file. What they cannot use becomes a finding
        V(unfit_for_server), and an error where the server would fail because of it.
    type: list
    elements: str
    choices: [apache, dovecot, exim, haproxy, hitch, lighttpd, nginx, postfix]
    default: []
  now:
    description:
      - The time to judge by instead of this host's clock, as V(2026-11-23T12:00:00Z) or V(20261123120000Z).
      - For tests and for looking ahead.
    type: str
  return_content:
    description:
      - Whether to return the response in RV(response).
    type: bool
    default: false
"""
