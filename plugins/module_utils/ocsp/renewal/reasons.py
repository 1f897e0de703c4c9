# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The reasons to replace a certificate, or not to: stable codes, which never change their meaning."""

from __future__ import annotations

import typing as t

MISSING = "missing"
UNREADABLE = "unreadable"
EXPIRED = "expired"
REVOKED = "revoked"
KEY_MISMATCH = "key_mismatch"
NAMES_DIFFER = "names_differ"
KEY_TYPE_DIFFERS = "key_type_differs"
MUST_STAPLE_DIFFERS = "must_staple_differs"
OTHER_DIRECTORY = "other_directory"
PROFILE_DIFFERS = "profile_differs"
FORCED = "forced"
ARI = "ari"
LIFETIME = "lifetime"
INTERRUPTED = "interrupted"
UNDECIDED = "undecided"
NOT_DUE = "not_due"

#: Each reason with what it means, in the order in which they count.
REASONS: t.Dict[str, str] = {
    MISSING: "there is no certificate, or no private key",
    UNREADABLE: "the file holds no certificate that can be read",
    EXPIRED: "the certificate has expired, or a CA certificate in its chain",
    REVOKED: "the CA has revoked it, or asks to replace it at once",
    KEY_MISMATCH: "the private key does not fit it",
    NAMES_DIFFER: "it is not for exactly the names that are wanted",
    KEY_TYPE_DIFFERS: "its key is of another type than is wanted",
    MUST_STAPLE_DIFFERS: "it demands stapling and should not, or the other way round",
    OTHER_DIRECTORY: "it was obtained from another ACME directory, such as that for staging",
    PROFILE_DIFFERS: "it was obtained with another profile",
    FORCED: "it was asked for",
    ARI: "the time that the CA suggests has come (RFC 9773)",
    LIFETIME: "less than the given share of its life is left",
    INTERRUPTED: "an order was begun and not finished",
    UNDECIDED: "a file could not be read or an internal error occurred, so nothing is to be done",
    NOT_DUE: "nothing is to be done",
}

#: With these nothing is to be done.
AT_REST = frozenset((UNDECIDED, NOT_DUE))
#: With these there is nothing that could be used for some time longer.
WITHOUT_USE = frozenset((MISSING, UNREADABLE, EXPIRED, REVOKED, KEY_MISMATCH))
