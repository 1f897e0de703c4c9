# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Loading a certificate and its key once as a server does, with the OpenSSL of this host."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..text import encode_pem
from . import certificate as x509

#: The security level that OpenSSL has by default where distributions ship it, and the one that takes anything.
_DEFAULT_LEVEL = "DEFAULT:@SECLEVEL=2"
_NO_LEVEL = "ALL:@SECLEVEL=0"

_WEAK = {
    "EE_KEY_TOO_SMALL": "its key is too small; generate a new one, RSA with 2048 bits or ECDSA on P-256",
    "CA_KEY_TOO_SMALL": "its key is too small; ask the CA for a newer chain",
    "CA_MD_TOO_WEAK": "it was signed with a digest that is too weak, such as SHA-1; have it reissued with SHA-256",
}
#: The last one is said of a key of another kind than the certificate's.
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class Loaded(t.NamedTuple):
    """What came of loading: why no server on this host could, and why one with OpenSSL's defaults would not.

    Both are sentences, or empty.
    """

    refusal: str = ""
    warning: str = ""


def try_load(chain_pem: bytes, key_pem: bytes) -> Loaded:
    """Load a certificate with its chain, the leaf first, and its private key.

    The key goes into no file: it lies in memory that only this process can open, for as long as it is read.
    """
    if not can_try():
        return Loaded(
            warning="this host cannot test whether OpenSSL loads the certificate: it does not support memory files"
        )
    problem = _load(chain_pem, key_pem, _DEFAULT_LEVEL)
    if not problem:
        return Loaded()
    refused = _load(chain_pem, key_pem, _NO_LEVEL)
    culprit = _culprit(chain_pem, key_pem, _NO_LEVEL if refused else _DEFAULT_LEVEL)
    if refused:
        return Loaded(refusal=f"{_version()} on this host cannot load the certificate {_sentence(culprit, refused)}")
    return Loaded(
        warning=f"servers on this host will not load the certificate {_sentence(culprit, problem)} (at the default "
        f"security level of {_version()}; where a server uses it whose configuration does not lower that, the "
        "deployment fails)"
    )


def can_try() -> bool:
    """Whether this host has what it takes: without it, loading is a warning."""
    return hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")


def _version() -> str:
    import ssl  # pylint: disable=import-outside-toplevel  # slow to import

    return " ".join(ssl.OPENSSL_VERSION.split()[:2])


def _load(chain_pem: bytes, key_pem: bytes, ciphers: str) -> str:
    """What libssl says, as its own word such as EE_KEY_TOO_SMALL, or an empty string."""
    import ssl  # pylint: disable=import-outside-toplevel  # slow to import

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    with contextlib.ExitStack() as stack:
        chain, key = (stack.enter_context(_memory_file(content)) for content in (chain_pem, key_pem))
        try:
            # A callback, as OpenSSL would ask for a password on the terminal otherwise.
            context.load_cert_chain(chain, key, password=lambda: "")
        except ssl.SSLError as error:
            return error.reason or "UNKNOWN"
        except (OSError, ValueError) as error:
            return type(error).__name__
    return ""


@contextlib.contextmanager
def _memory_file(content: bytes) -> t.Iterator[str]:
    """The path of a file in memory, which is gone when it is closed and which no program started here inherits."""
    number = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def _culprit(chain_pem: bytes, key_pem: bytes, ciphers: str) -> x509.Certificate:
    """The first certificate with which it fails."""
    certificates = x509.load_certificates(chain_pem, "the chain")
    loaded = b""
    for one in certificates:
        loaded += encode_pem(one.der, "CERTIFICATE")
        if _load(loaded, key_pem, ciphers):
            return one
    return certificates[0]


def _sentence(culprit: x509.Certificate, reason: str) -> str:
    name = culprit.name
    if reason in _WEAK:
        return f"{name}: {_WEAK[reason]}"
    if reason in _MISMATCH:
        return f"{name}: the private key does not match it"
    if culprit.public_key.key is None:
        return f"{name}: {culprit.public_key.flaw}"
    return f"{name} with its private key, whose kind may not be supported ({reason.lower().replace('_', ' ')})"
