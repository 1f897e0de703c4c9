# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Private keys and requests for certificates, made in memory, and keys encrypted with Ansible Vault."""

from __future__ import annotations

import contextlib
import ipaddress
import typing as t

from ansible.parsing.vault import VaultLib, VaultSecret

# Ansible itself brings it along; whoever only imports this may be without.
with contextlib.suppress(ImportError):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

ACCOUNT_KEY_TYPE = "ecdsa-p256"


def new_key(key_type: str) -> bytes:
    """A new private key as PEM (PKCS#8), not encrypted."""
    key: t.Any
    kind, _dash, size = key_type.partition("-")
    if kind == "ecdsa":
        key = ec.generate_private_key({"p256": ec.SECP256R1, "p384": ec.SECP384R1}[size]())
    else:
        key = rsa.generate_private_key(65537, int(size))
    private = serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    return pem


def new_request(key: bytes, names: t.Iterable[str], must_staple: bool) -> bytes:
    """A request (RFC 2986) as PEM, without a subject: CAs look at the alternative names alone."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    # RFC 5280 section 4.2.1.6 wants it critical where the subject is empty.
    builder = builder.add_extension(alternative, critical=True)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    private: t.Any = serialization.load_pem_private_key(key, None)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def public_key(request: bytes) -> bytes:
    """The public key of a request as DER (SubjectPublicKeyInfo)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return x509.load_pem_x509_csr(request).public_key().public_bytes(serialization.Encoding.DER, form)


def is_clear(data: bytes) -> bool:
    """Whether it is a private key as PEM, and in no vault."""
    return b"PRIVATE KEY-----" in data


def encrypt(data: bytes, secret: str, vault_id: str) -> bytes:
    """The same in a vault."""
    vaulted: bytes = VaultLib().encrypt(data, VaultSecret(secret.encode()), vault_id or None)
    return vaulted
