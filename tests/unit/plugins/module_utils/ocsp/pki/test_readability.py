# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a certificate OpenSSL refuses to read, so that its clients would refuse it as well."""

from __future__ import annotations

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import readability
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import tlv

POINT = forge.crl_distribution_points("http://ca.example.com/crl")
#: What makes up a distribution point without the place of its list.
REASONS_ALONE = forge.extension("2.5.29.31", forge.sequence(forge.sequence(tlv(0x81, b"\x01\x02"))))
ISSUER_ALONE = forge.extension("2.5.29.31", forge.sequence(forge.sequence(tlv(0xA2, tlv(0x86, b"http://x")))))
#: registeredID is the last of the kinds of names (RFC 5280 section 4.2.1.6).
REGISTERED_ID, NO_KIND = tlv(0x88, b"\x2a\x03"), tlv(0x89, b"x")


def check(extension: bytes) -> None:
    issuer = forge.authority("Readability CA")
    leaf = forge.leaf(issuer, "www.example.com", extensions=[extension])
    readability.check(x509.load_certificates(leaf.pem, "leaf")[0])


@pytest.mark.parametrize("extension", [POINT, ISSUER_ALONE, forge.subject_alt_name("a.example.com", REGISTERED_ID)])
def test_what_openssl_reads(extension: bytes) -> None:
    check(extension)


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        (forge.subject_alt_name("a.example.com", NO_KIND), "subject alternative name: tag 0x89, which no kind of "),
        (REASONS_ALONE, "CRL distribution points: one that names neither a place nor an issuer"),
    ],
    ids=["kind of name", "distribution point"],
)
def test_what_openssl_does_not_read(extension: bytes, fault: str) -> None:
    with pytest.raises(MalformedError, match=fault):
        check(extension)
