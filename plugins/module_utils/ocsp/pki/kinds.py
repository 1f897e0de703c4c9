# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The names of keys, curves and signature algorithms that are not supported, so that messages can call them by name."""

from __future__ import annotations

_NIST = "2.16.840.1.101.3.4.3"
#: RFC 9881 and RFC 9909, in the order of their numbers, which begin with 17.
_POST_QUANTUM = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] + [
    f"SLH-DSA-{digest}-{size}{speed}" for digest in ("SHA2", "SHAKE") for size in (128, 192, 256) for speed in "sf"
]
#: RFC 5639 section 4.1, in the order of their numbers, which begin with 1.
_BRAINPOOL = [f"brainpoolP{bits}{twist}1" for bits in (160, 192, 224, 256, 320, 384, 512) for twist in "rt"]

_NAMES = {
    "1.2.156.10197.1.301": "SM2",
    "1.2.156.10197.1.501": "SM2 with SM3",
    "1.2.643.2.2.19": "GOST R 34.10-2001",
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012 with 256 bits",
    "1.2.643.7.1.1.1.2": "GOST R 34.10-2012 with 512 bits",
    "1.2.643.7.1.1.3.2": "GOST R 34.10-2012 with 256 bits",
    "1.2.643.7.1.1.3.3": "GOST R 34.10-2012 with 512 bits",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10040.4.3": "DSA with SHA-1",
    "1.2.840.10046.2.1": "Diffie-Hellman",
    "1.2.840.113549.1.1.2": "RSA with MD2",
    "1.2.840.113549.1.1.7": "RSA-OAEP",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    f"{_NIST}.1": "DSA with SHA-224",
    f"{_NIST}.2": "DSA with SHA-256",
    **{f"{_NIST}.{number}": name for number, name in enumerate(_POST_QUANTUM, 17)},
    **{f"1.3.36.3.3.2.8.1.1.{number}": name for number, name in enumerate(_BRAINPOOL, 1)},
}


def kind_name(oid: str) -> str:
    """What an algorithm, a kind of key or a curve is called, with its OID; the OID alone where it has no known name."""
    return f"{_NAMES[oid]} ({oid})" if oid in _NAMES else oid
