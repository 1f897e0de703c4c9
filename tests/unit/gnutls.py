# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What GnuTLS says of chains and responses, whatever the time. Nobody frees what is asked about."""

from __future__ import annotations

import contextlib
import ctypes
import typing as t

import pytest


def _load() -> t.Any:
    with contextlib.suppress(OSError):
        return ctypes.CDLL("libgnutls.so.30")
    return None


_LIBRARY = _load()
_DISABLE_TIME_CHECKS = 1 << 6

needed = pytest.mark.skipif(_LIBRARY is None, reason="needs the library GnuTLS")


class _Datum(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_uint))


def _call(function: str, *arguments: t.Any, result: int = 0) -> None:
    assert getattr(_LIBRARY, f"gnutls_{function}")(*arguments) == result, function


def _load_one(kind: str, data: bytes, *form: int) -> t.Any:
    loaded = ctypes.c_void_p()
    _call(f"{kind}_init", ctypes.byref(loaded))
    _call(f"{kind}_import", loaded, ctypes.byref(_Datum(data, len(data))), *form)
    return loaded


def _load_certificates(certificates: t.Sequence[bytes]) -> t.Any:
    return (ctypes.c_void_p * len(certificates))(*(_load_one("x509_crt", data, 0).value for data in certificates))


def chain_status(served: t.Sequence[bytes], trusted: t.Sequence[bytes]) -> int:
    """The gnutls_certificate_status_t of a chain; 0 is for one that is accepted."""
    roots, status = ctypes.c_void_p(), ctypes.c_uint()
    _call("x509_trust_list_init", ctypes.byref(roots), 0)
    _call("x509_trust_list_add_cas", roots, _load_certificates(trusted), len(trusted), 0, result=len(trusted))
    chain = _load_certificates(served)
    _call("x509_trust_list_verify_crt", roots, chain, len(chain), _DISABLE_TIME_CHECKS, ctypes.byref(status), None)
    return status.value


def response_status(response: bytes, issuer: bytes) -> int:
    """The gnutls_ocsp_verify_reason_t of a response, as a TLS client asks for it; 0 is for one that is accepted."""
    status = ctypes.c_uint()
    loaded, ca = _load_one("ocsp_resp", response), _load_one("x509_crt", issuer, 0)
    _call("ocsp_resp_verify_direct", loaded, ca, ctypes.byref(status), _DISABLE_TIME_CHECKS)
    return status.value
