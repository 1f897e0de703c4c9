# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of all kinds, each judged by C(openssl verify) and by us, and some by GnuTLS."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import path
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.certificate import Certificate
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki.identifiers import is_self_signed
from ansible_collections.certops.ocsp.tests.unit import forge, gnutls
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, NOW, Entity, authority, certificate

OPENSSL = shutil.which("openssl")


def _reason_to_skip() -> str:
    """OpenSSL 1.1 checks less than its successors do, so that what it accepts is no measure."""
    if OPENSSL is None:
        return "needs the program openssl"
    version = subprocess.run([OPENSSL, "version"], check=True, capture_output=True, text=True).stdout
    return f"needs OpenSSL 3 or later, and this is {version.strip()}" if version.startswith("OpenSSL 1.") else ""


NO_OPENSSL = _reason_to_skip()
HOST = "www.example.com"
SIGNS = forge.key_usage("key_cert_sign", "crl_sign")
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
MS_GATED = "1.3.6.1.4.1.311.10.3.3"

ROOT = authority("Root")
MIDDLE = authority("Middle", ROOT)
ISSUER = authority("Issuer", MIDDLE)
OTHER_ROOT = authority("Other Root")
OTHER = authority("Other", OTHER_ROOT)
OLD = {"not_before": NOW - 900 * DAY, "not_after": NOW - DAY}


def ca(*extra: bytes, limit: t.Optional[int] = None, usage: t.Optional[bytes] = SIGNS) -> t.List[bytes]:
    """The extensions of a CA."""
    return [forge.basic_constraints(True, path_length=limit), *([usage] if usage else []), *extra]


def server(
    issuer: t.Optional[Entity],
    *extra: bytes,
    names: t.Sequence[t.Union[str, bytes]] = (HOST,),
    usage: t.Optional[bytes] = None,
    purposes: t.Optional[t.Sequence[str]] = (forge.SERVER_AUTH,),
    subject: t.Union[str, bytes] = HOST,
    **options: t.Any,
) -> Entity:
    """A certificate of a server."""
    extensions = [forge.basic_constraints(False), usage or forge.key_usage("digital_signature")]
    if purposes is not None:
        extensions.append(forge.extended_key_usage(*purposes))
    if names:
        extensions.append(forge.subject_alt_name(*names))
    return certificate(subject, issuer, extensions=[*extensions, *extra], **options)


LEAF = server(ISSUER)


class Case(t.NamedTuple):
    """What is given, what clients trust (the root, unless it says otherwise), and what is right."""

    label: str
    leaf: Entity
    chain: t.Sequence[Entity] = ()
    root: t.Sequence[Entity] = ()
    problem: str = ""
    warning: str = ""
    served: t.Optional[t.Sequence[Entity]] = None
    unused: t.Sequence[str] = ()
    trust: t.Sequence[Entity] = ()
    names: t.Sequence[str] = (HOST,)
    differs: str = ""


def below(label: str, problem: str = "", warning: str = "", differs: str = "", **options: t.Any) -> Case:
    """The issuing CA with other options."""
    issuer = authority("Issuer", MIDDLE, **options)
    return Case(label, server(issuer), [issuer, MIDDLE], [ROOT], problem, warning, differs=differs)


def leaf(label: str, *extra: bytes, problem: str = "", warning: str = "", differs: str = "", **options: t.Any) -> Case:
    """The leaf with other options."""
    names = options.pop("asked", (HOST,))
    return Case(
        label,
        server(ISSUER, *extra, **options),
        [ISSUER, MIDDLE],
        [ROOT],
        problem,
        warning,
        differs=differs,
        names=names,
    )


def constrained(
    label: str,
    *permitted: t.Any,
    problem: str = "",
    excluded: t.Sequence[t.Any] = (),
    differs: str = "",
    **options: t.Any,
) -> Case:
    """An issuing CA with name constraints, and a leaf with other options."""
    asked = options.pop("asked", ())
    issuer = authority(
        "Issuer", ROOT, extensions=ca(forge.name_constraints(*permitted, excluded=excluded, critical=True))
    )
    return Case(label, server(issuer, **options), [issuer], [ROOT], problem, differs=differs, names=asked)


def at_root(label: str, problem: str = "", warning: str = "", differs: str = "", **options: t.Any) -> Case:
    """Another root."""
    root = authority("Root", **options)
    issuer = authority("Issuer", root)
    return Case(label, server(issuer), [issuer], [root], problem, warning, differs=differs)


def rolled() -> t.List[Case]:
    """CAs with a second key or a second certificate."""
    twin = authority("Issuer", MIDDLE, serial=0x21, **OLD)
    later = authority("Issuer", MIDDLE, serial=0x22, not_after=NOW + 5000 * DAY)
    root_twin = authority("Root", serial=0x23, **OLD)
    new_key = authority("Issuer", MIDDLE, private_key=forge.key("p256", "new"), serial=0x24)
    new_root = authority(
        "Root",
        private_key=forge.key("p256", "new root"),
        serial=0x25,
        extensions=ca(forge.subject_key_identifier(b"new")),
    )
    by_number = forge.authority_key_identifier(issuer=new_root.subject, serial=new_root.serial)
    options = {"private_key": ROOT.key, "serial": 0x26, "not_after": NOW + 900 * DAY}
    middle = authority("Middle", ROOT, extensions=ca(forge.authority_key_identifier(b"old")))
    old_with_new = certificate(
        "Root", new_root, extensions=ca(by_number, forge.subject_key_identifier(b"old")), **options
    )
    unmarked = certificate("Root", new_root, extensions=ca(), **options)
    cross = authority("Middle", OTHER_ROOT, serial=0x27)
    cross_old = authority("Middle", OTHER_ROOT, serial=0x28, **OLD)
    cross_root = certificate("Root", OTHER_ROOT, private_key=ROOT.key, serial=0x29, extensions=ca())
    return [
        Case(
            "expired twin first", LEAF, [twin, ISSUER, MIDDLE], [ROOT], served=[ISSUER, MIDDLE], unused=["expired at"]
        ),
        Case("expired twin last", LEAF, [MIDDLE, ISSUER, twin], [ROOT], served=[ISSUER, MIDDLE], unused=["expired at"]),
        Case("only the expired twin", LEAF, [twin, MIDDLE], [ROOT], "CN=Issuer,O=Forge expired at"),
        Case(
            "twin that lives longer", LEAF, [ISSUER, later, MIDDLE], [ROOT], served=[later, MIDDLE], unused=["longer"]
        ),
        Case("expired twin of the root", LEAF, [ISSUER, MIDDLE], [root_twin, ROOT], served=[ISSUER, MIDDLE]),
        Case("only the expired root", LEAF, [ISSUER, MIDDLE], [root_twin], warning="expired at", trust=[ROOT]),
        Case("expired root in the chain", LEAF, [ISSUER, MIDDLE, root_twin], warning="expired at", trust=[ROOT]),
        Case("issuer with another key", LEAF, [new_key, MIDDLE], [ROOT], "not made by the key of CN=Issuer,O=Forge"),
        Case(
            "issuer with two keys",
            LEAF,
            [new_key, ISSUER, MIDDLE],
            [ROOT],
            served=[ISSUER, MIDDLE],
            unused=["not made"],
        ),
        Case("root with another key", LEAF, [ISSUER, MIDDLE], [new_root], "not made by the key of CN=Root"),
        Case(
            "old key by the new",
            LEAF,
            [ISSUER, middle, old_with_new],
            [new_root],
            served=[ISSUER, middle, old_with_new],
        ),
        Case(
            "old key by the new, issuer unmarked", LEAF, [ISSUER, MIDDLE, old_with_new], [new_root], "take the root for"
        ),
        Case("old key by the new, unmarked", LEAF, [ISSUER, MIDDLE, unmarked], [new_root], "take it for a root"),
        Case("two cross-signs", LEAF, [ISSUER, cross, MIDDLE], [ROOT], served=[ISSUER, MIDDLE], unused=["longer"]),
        Case(
            "cross-sign alone",
            LEAF,
            [ISSUER, cross, MIDDLE],
            [OTHER_ROOT],
            served=[ISSUER, cross],
            unused=["CN=Middle"],
        ),
        Case(
            "expired cross-sign", LEAF, [ISSUER, cross_old, MIDDLE], [ROOT], served=[ISSUER, MIDDLE], unused=["expired"]
        ),
        Case(
            "cross-signed root", LEAF, [ISSUER, MIDDLE, cross_root], [ROOT], served=[ISSUER, MIDDLE], unused=["CN=Root"]
        ),
        Case(
            "cross-signed root, no root given",
            LEAF,
            [ISSUER, MIDDLE, cross_root, ROOT],
            served=[ISSUER, MIDDLE, cross_root],
            trust=[OTHER_ROOT],
        ),
    ]


def orders() -> t.List[Case]:
    """What is sound, given in all ways."""
    everything = [ISSUER, MIDDLE]
    return [
        Case("in order", LEAF, everything, [ROOT], served=everything),
        Case("in the other order", LEAF, everything[::-1], [ROOT], served=everything),
        Case("with the root", LEAF, [*everything, ROOT], [ROOT], served=everything),
        Case("twice", LEAF, everything * 2, [ROOT], served=everything),
        Case("all as root", LEAF, [], [*everything, ROOT], served=everything),
        Case("no root", LEAF, everything, [], served=everything, trust=[ROOT]),
        Case("root in the chain alone", LEAF, [*everything, ROOT], [], served=everything, trust=[ROOT]),
        Case("two roots", LEAF, everything, [OTHER_ROOT, ROOT], served=everything),
        Case("one intermediate as root", LEAF, [ISSUER], [MIDDLE], served=everything, trust=[ROOT]),
        Case("intermediate as root and in the chain", LEAF, everything, [MIDDLE], served=everything, trust=[ROOT]),
        Case("issuer as root", LEAF, [MIDDLE], [ISSUER], served=everything, trust=[ROOT]),
        Case("bundle without its root", LEAF, [], everything, served=everything, trust=[ROOT]),
        Case("stranger in the chain", LEAF, [OTHER, *everything], [ROOT], served=everything, unused=["CN=Other"]),
        Case("strange root in the chain", LEAF, [*everything, OTHER_ROOT], [ROOT], unused=["CN=Other Root"]),
        Case("by the root", server(ROOT), [], [ROOT], served=[]),
        Case("leaf in the chain", LEAF, [LEAF, *everything], [ROOT], served=everything),
    ]


def missing() -> t.List[Case]:
    """What does not lead anywhere."""
    expired = authority("Issuer", MIDDLE, serial=0x2A, **OLD)
    return [
        Case("nothing", LEAF, [], [], warning="no chain", differs="a client may have the issuer already"),
        Case("issuer missing", LEAF, [MIDDLE], [ROOT], "it was issued by CN=Issuer"),
        Case("issuer missing, no root", LEAF, [MIDDLE], [], "it was issued by CN=Issuer", trust=[ROOT]),
        Case("another CA's chain, no root", LEAF, [OTHER], [], "does not contain the issuer", trust=[ROOT]),
        Case("another CA's chain and root", LEAF, [OTHER, OTHER_ROOT], [], "does not contain the issuer", trust=[ROOT]),
        Case("root only", LEAF, [], [ROOT], "CN=Issuer,O=Forge, and neither does"),
        Case("root as the chain, too", LEAF, [ROOT], [ROOT], "it was issued by CN=Issuer"),
        Case("middle missing", LEAF, [ISSUER], [ROOT], "does not chain to any certificate of the root"),
        Case("another root", LEAF, [ISSUER, MIDDLE], [OTHER_ROOT], "does not chain to any certificate of the root"),
        Case("root of the chain, not of the root", LEAF, [ISSUER, MIDDLE, ROOT], [OTHER_ROOT], "which is self-signed"),
        Case("the certificate as its own root", LEAF, [], [LEAF], "and neither does the root", trust=[ROOT]),
        Case(
            "the certificate in place of the root",
            LEAF,
            [ISSUER, MIDDLE],
            [LEAF],
            "does not chain to any certificate of the root",
            trust=[ROOT],
            differs="what was given as the root is not the root",
        ),
        Case(
            "the certificate as its chain",
            LEAF,
            [LEAF],
            [],
            warning="the chain contains no chain, but the certificate alone",
            differs="a client may have the issuer already",
        ),
        Case(
            "an intermediate as an anchor beside a root that it does not reach",
            LEAF,
            [ISSUER],
            [ISSUER, ROOT],
            warning="does not reach a root: the certificate of CN=Middle,O=Forge",
            differs="a client may have the intermediate as an anchor",
        ),
        Case("expired and its twin of another CA", LEAF, [expired, OTHER, MIDDLE], [ROOT], "expired at"),
    ]


def self_signed() -> t.List[Case]:
    own = server(None)
    odd = server(None, purposes=[CLIENT_AUTH])
    made_by_req = certificate(
        HOST, extensions=[forge.basic_constraints(True), forge.subject_alt_name(HOST)], serial=0x2B
    )
    return [
        Case("self-signed", own, [], [], served=[], trust=[own]),
        Case("self-signed and its own root", own, [], [own], served=[]),
        Case("self-signed by openssl req", made_by_req, [], [made_by_req], served=[]),
        Case("self-signed, another root", own, [], [ROOT], "self-signed and not in the root"),
        Case("self-signed for clients", odd, [], [odd], "lacks serverAuth"),
        Case("self-signed and expired", server(None, **OLD), [], [], "expired at"),
    ]


_UUID = forge.extension(f"2.25.{2**127}", forge.NULL)
_POLICY = forge.oid("1.2.3.4")
_POLICY_CONSTRAINTS = forge.sequence(forge.tlv(0x80, b"\x05"))
_POINT = forge.sequence(forge.tlv(0xA0, forge.tlv(0xA0, forge.uri_name("http://example.com/crl"))))
#: Extensions that OpenSSL takes as critical, and who does not: GnuTLS, and by their sources mozpkix and BoringSSL.
REFUSED_BY = [
    (
        "policy mappings",
        forge.extension("2.5.29.33", forge.sequence(forge.sequence(_POLICY, _POLICY)), True),
        "which Firefox and clients with GnuTLS do not accept",
    ),
    (
        "policy constraints",
        forge.extension("2.5.29.36", _POLICY_CONSTRAINTS, True),
        "policy constraints, which clients with GnuTLS do not accept",
    ),
    (
        "Netscape type",
        forge.extension("2.16.840.1.113730.1.1", forge.bits(b"\x40", 6), True),
        "which Chrome and clients with GnuTLS do not accept",
    ),
    (
        "CRL distribution points",
        forge.extension("2.5.29.31", forge.sequence(_POINT), True),
        "which Firefox and Chrome do not accept",
    ),
]


def named_otherwise() -> t.List[Case]:
    """The same names for RFC 5280 and OpenSSL, and not for Firefox, nor for GnuTLS where it looks for a root."""
    printable, other_case = forge.name("Issuer", tag=forge.PRINTABLE_STRING), forge.name("ISSUER")
    root = forge.name("Root", tag=forge.PRINTABLE_STRING)
    middle = authority("Middle", ROOT, issuer_name=root)
    firefox, both = "; Firefox cannot match", "; Firefox and clients with GnuTLS cannot match"
    return [
        Case("issuer in another type", server(ISSUER, issuer_name=printable), [ISSUER, MIDDLE], [ROOT], "", firefox),
        Case("issuer in capitals", server(ISSUER, issuer_name=other_case), [ISSUER, MIDDLE], [ROOT], "", both),
        Case("root in another type", server(authority("Issuer", middle)), [ISSUER, middle], [ROOT], "", both),
        Case("leaf of a root in another type", server(ROOT, issuer_name=root), [], [ROOT], "", both),
    ]


def refused_by_some() -> t.List[Case]:
    """Critical extensions, in each certificate of a chain."""
    found = []
    for what, extension, told in REFUSED_BY:
        issuer, root = authority("Issuer", ROOT, extensions=ca(extension)), authority("Root", extensions=ca(extension))
        found += [
            Case(f"{what} in the leaf", server(ROOT, extension), [], [ROOT], "", told),
            Case(f"{what} in the CA", server(issuer), [issuer], [ROOT], "", told),
            Case(f"{what} in the root", server(root), [], [root], "", told),
        ]
    return found + refused_by_gnutls_alone()


def refused_by_gnutls_alone() -> t.List[Case]:
    """Numbers that it does not read, and what a certificate has to have for what its CA has (RFC 7633)."""
    long, longest = (authority("Issuer", ROOT, extensions=ca(limit=2**31 - shorter)) for shorter in (0, 1))
    root_long = authority("Root", extensions=ca(limit=2**70))
    feature, features = (authority("Issuer", ROOT, extensions=ca(forge.must_staple(*held))) for held in ((5,), (5, 17)))
    root_feature = authority("Root", extensions=ca(forge.must_staple()))
    middle = authority("Middle", root_feature)
    return [
        Case("path length of 32 bits", server(long), [long], [ROOT], "", "GnuTLS cannot read"),
        Case("path length of 31 bits", server(longest), [longest], [ROOT]),
        Case("path length of 70 bits in the root", server(root_long), [], [root_long], "", "GnuTLS cannot read"),
        Case("must-staple in the CA alone", server(feature), [feature], [ROOT], "", "GnuTLS refuse"),
        Case("must-staple in both", server(feature, forge.must_staple()), [feature], [ROOT]),
        Case("more features in the CA", server(features, forge.must_staple()), [features], [ROOT], "", "GnuTLS refuse"),
        Case("more features in the leaf", server(feature, forge.must_staple(5, 17)), [feature], [ROOT]),
        Case("must-staple in the root alone", server(root_feature), [], [root_feature], "", "GnuTLS refuse"),
        Case(
            "must-staple missing between", server(middle, forge.must_staple()), [middle], [root_feature], "", "GnuTLS"
        ),
    ]


def cas() -> t.List[Case]:
    """What a CA must be."""
    limited = authority("Limited", ROOT, extensions=ca(limit=0))
    under = authority("Under", limited)
    limited_1 = authority("Limited", ROOT, extensions=ca(limit=1))
    under_1 = authority("Under", limited_1)
    same = authority(
        "Limited",
        limited,
        private_key=forge.key("p256", "same"),
        serial=0x2C,
        extensions=ca(
            forge.subject_key_identifier(b"same"),
            forge.authority_key_identifier(issuer=ROOT.subject, serial=limited.serial),
        ),
    )
    below_same = server(same, forge.authority_key_identifier(b"same"))
    root_0 = authority("Root", extensions=ca(limit=0))
    middle_0 = authority("Middle", root_0)
    wrong_key = authority("Issuer", MIDDLE, flip_signature=True)
    with_id = authority("Issuer", ROOT, extensions=ca(forge.subject_key_identifier(b"one")))
    return [
        below("CA without key usage", extensions=ca(usage=None)),
        below("CA without keyCertSign", "lacks keyCertSign", extensions=ca(usage=forge.key_usage("digital_signature"))),
        below("CA without basic constraints", "is not a CA", extensions=[SIGNS]),
        below("CA that is none", "is not a CA", extensions=[forge.basic_constraints(False), SIGNS]),
        below("CA by version 1", "is not a CA", extensions=[], version=1),
        below("CA with a constraint not critical", extensions=[forge.basic_constraints(True, critical=False), SIGNS]),
        below("CA with unknown critical extension", forge.UNKNOWN_OID, extensions=ca(forge.unknown_extension(True))),
        below("CA with unknown extension", extensions=ca(forge.unknown_extension())),
        below("CA for servers", extensions=ca(forge.extended_key_usage(forge.SERVER_AUTH, CLIENT_AUTH))),
        below("CA for clients", "lacks serverAuth", extensions=ca(forge.extended_key_usage(CLIENT_AUTH))),
        below("CA for responses", "has: OCSPSigning", extensions=ca(forge.extended_key_usage(forge.OCSP_SIGNING))),
        below("CA with a gated purpose", extensions=ca(forge.extended_key_usage(MS_GATED))),
        below(
            "CA for any purpose",
            warning="anyExtendedKeyUsage",
            extensions=ca(forge.extended_key_usage(forge.ANY_EKU)),
            differs="RFC 5280 4.2.1.12 has it stand for all, and other clients follow",
        ),
        below("CA expired", "CN=Issuer,O=Forge expired at", **OLD),
        below("CA not yet valid", "is not valid before", not_before=NOW + DAY),
        below("CA with a broken extension", "cannot read", extensions=[forge.extension("2.5.29.19", b"\x30\x05")]),
        below(
            "CA with critical inhibit any policy", extensions=ca(forge.extension("2.5.29.54", forge.integer(0), True))
        ),
        below("CA with a UUID for an extension", "", "clients with GnuTLS cannot read it", extensions=ca(_UUID)),
        Case("CA with a broken signature", server(wrong_key), [wrong_key, MIDDLE], [ROOT], "not made by the key"),
        Case("path length 0, below", server(limited), [limited], [ROOT]),
        Case("path length 0, exceeded", server(under), [under, limited], [ROOT], "allows 0 intermediate CAs"),
        Case("path length 1, kept", server(under_1), [under_1, limited_1], [ROOT]),
        Case("path length 0, self-issued below", below_same, [same, limited], [ROOT]),
        Case("path length of the root", server(middle_0), [middle_0], [root_0], "CN=Root,O=Forge allows 0"),
        Case("key identifier", server(with_id, forge.authority_key_identifier(b"one")), [with_id], [ROOT]),
        Case(
            "key identifier of another",
            server(with_id, forge.authority_key_identifier(b"two")),
            [with_id],
            [ROOT],
            "subject key identifier differs",
        ),
        Case(
            "key identifier by number",
            server(with_id, forge.authority_key_identifier(issuer=ROOT.subject, serial=with_id.serial)),
            [with_id],
            [ROOT],
        ),
        Case(
            "key identifier by another number",
            server(with_id, forge.authority_key_identifier(issuer=ROOT.subject, serial=5)),
            [with_id],
            [ROOT],
            "serial number differs",
        ),
        Case(
            "key identifier by another name",
            server(with_id, forge.authority_key_identifier(issuer=OTHER.subject, serial=with_id.serial)),
            [with_id],
            [ROOT],
            "issuer differs",
        ),
        at_root("root by version 1", extensions=[], version=1),
        at_root("root with key usage alone", extensions=[SIGNS]),
        at_root(
            "root without extensions",
            extensions=[],
            warning="no basic constraints",
            differs="an anchor needs no extensions (RFC 5280 6.1.1 d)",
        ),
        at_root("root that is none", "is not a CA", extensions=[forge.basic_constraints(False)]),
        at_root("root without keyCertSign", "keyCertSign", extensions=ca(usage=forge.key_usage("crl_sign"))),
        at_root("root for clients", "lacks serverAuth", extensions=ca(forge.extended_key_usage(CLIENT_AUTH))),
        at_root(
            "root with unknown critical extension", forge.UNKNOWN_OID, extensions=ca(forge.unknown_extension(True))
        ),
        at_root("root with SHA-1", private_key=forge.key("rsa2048", "sha1"), scheme="rsa_sha1"),
        below("CA with SHA-1", warning="SHA1 is too weak", scheme="ecdsa_sha1"),
        at_root("root with RSA-1024", warning="1024 bits", private_key=forge.key("rsa1024", "root")),
        at_root("root on a brainpool curve", warning="Brainpool", private_key=forge.key("brainpool", "root")),
    ]


def leaves() -> t.List[Case]:
    """What a server's certificate must be."""
    minute = timedelta(minutes=1)
    tolerated = "the tolerance that responses get"
    return [
        leaf("for clients", problem="lacks serverAuth, so clients refuse it", purposes=[CLIENT_AUTH]),
        leaf("for mail", problem="has: emailProtection", purposes=["1.3.6.1.5.5.7.3.4"]),
        leaf("for an unknown purpose", problem=forge.UNKNOWN_OID, purposes=[forge.UNKNOWN_OID]),
        leaf("for both", purposes=[CLIENT_AUTH, forge.SERVER_AUTH]),
        leaf("without purposes", purposes=None),
        leaf("with a gated purpose", purposes=[MS_GATED]),
        leaf(
            "for any purpose",
            warning="anyExtendedKeyUsage",
            purposes=[forge.ANY_EKU],
            differs="RFC 5280 4.2.1.12 has it stand for all, and other clients follow",
        ),
        leaf("that encrypts keys only", warning="lacks digitalSignature", usage=forge.key_usage("key_encipherment")),
        leaf("that agrees on keys only", warning="lacks digitalSignature", usage=forge.key_usage("key_agreement")),
        leaf("that signs CRLs only", problem="none of digitalSignature", usage=forge.key_usage("crl_sign")),
        leaf("of the Netscape type server", forge.netscape_type(1)),
        leaf("of the Netscape type client", forge.netscape_type(0), problem="Netscape"),
        leaf("with an unknown critical extension", forge.unknown_extension(True), problem=forge.UNKNOWN_OID),
        leaf("with an unknown extension", forge.unknown_extension()),
        leaf("with CRL distribution points", forge.extension("2.5.29.31", forge.sequence(_POINT))),
        leaf("with a UUID for an extension", _UUID, warning="clients with GnuTLS cannot read it"),
        leaf("with policy constraints", forge.extension("2.5.29.36", _POLICY_CONSTRAINTS)),
        leaf(
            "with a critical must-staple",
            forge.extension("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05", True),
            problem="1.24",
        ),
        leaf("expired", problem="expired at", **OLD),
        leaf("expired this second", problem="expired at", not_after=NOW),
        leaf("about to expire", not_after=NOW + forge.SECOND),
        leaf("from this second on", not_before=NOW),
        leaf("from 5 minutes on", not_before=NOW + 5 * minute, differs=tolerated),
        leaf(
            "from 6 minutes on", problem="the clock of this host says 2026-03-04T05:06:07Z", not_before=NOW + 6 * minute
        ),
        leaf("signed with SHA-1", warning="SHA1 is too weak", scheme="ecdsa_sha1"),
        leaf("with a wrong signature", problem="not made by the key", flip_signature=True),
        leaf("for another name", problem="is not for www.example.com", names=["mail.example.com"]),
        leaf("for a wildcard", names=["*.example.com"]),
        leaf("for a wildcard above", problem="is not for www.example.com", names=["*.com.example"]),
        leaf(
            "for two labels", problem="is not for a.b.example.com", names=["*.example.com"], asked=["a.b.example.com"]
        ),
        leaf("for an address", names=[forge.address_name("192.0.2.1")], asked=["192.0.2.1"]),
        leaf("for an address of IPv6", names=[forge.address_name("2001:db8::1")], asked=["2001:db8::1"]),
        leaf("for an address as text", problem="is not for 192.0.2.1", names=["192.0.2.1"], asked=["192.0.2.1"]),
        leaf(
            "for a common name",
            problem="its names: none",
            names=[],
            differs="browsers and RFC 9525 look at no common name",
        ),
        leaf(
            "on brainpool",
            warning="BrainpoolP256R1 is not supported by TLS clients",
            private_key=forge.key("brainpool", "leaf"),
        ),
    ]


def names() -> t.List[Case]:
    """Name constraints."""
    example = forge.name("x", "Example")
    company = forge.sequence(forge.tlv(*forge.elements(forge.elements(example)[0][1])[0]))
    return [
        constrained("within", "example.com"),
        constrained("the very name", HOST),
        constrained("outside", "example.org", problem="limited to example.org"),
        constrained(
            "one of two outside", "example.com", names=[HOST, "www.example.org"], problem="for www.example.org"
        ),
        constrained("with a dot", ".example.com"),
        constrained("with a dot, the domain itself", ".example.com", names=["example.com"], problem="limited to"),
        constrained("half a label", "ample.com", problem="limited to ample.com"),
        constrained("any", ""),
        constrained("in capitals", "EXAMPLE.com"),
        constrained("wildcard within", "example.com", names=["*.example.com"]),
        constrained("excluded", excluded=["example.com"], problem="example.com is excluded"),
        constrained("not excluded", excluded=["example.org"]),
        constrained("excluded within", "example.com", excluded=[HOST], problem="www.example.com is excluded"),
        constrained("all excluded", excluded=[""], problem="is excluded"),
        constrained("address within", forge.address_name("192.0.2.0/24"), names=[forge.address_name("192.0.2.1")]),
        constrained(
            "address outside",
            forge.address_name("192.0.2.0/24"),
            names=[forge.address_name("198.51.100.1")],
            problem="limited to 192.0.2.0/255.255.255.0",
        ),
        constrained(
            "address of the other family",
            forge.address_name("2001:db8::/32"),
            names=[forge.address_name("192.0.2.1")],
            problem="limited to 2001:db8::",
        ),
        constrained(
            "address excluded",
            excluded=[forge.address_name("0.0.0.0/0")],
            names=[forge.address_name("192.0.2.1")],
            problem="is excluded",
        ),
        constrained("address, but names only", forge.address_name("192.0.2.0/24")),
        constrained(
            "mail outside",
            forge.email_name("example.com"),
            names=[HOST, forge.email_name("a@example.org")],
            problem="limited to example.com",
        ),
        constrained("mail within", forge.email_name("example.com"), names=[HOST, forge.email_name("a@example.com")]),
        constrained(
            "mail, one box", forge.email_name("a@example.com"), names=[HOST, forge.email_name("a@example.com")]
        ),
        constrained("URI within", forge.uri_name("example.com"), names=[HOST, forge.uri_name("https://example.com/x")]),
        constrained(
            "URI outside",
            forge.uri_name(".example.com"),
            names=[HOST, forge.uri_name("https://example.org/x")],
            problem="limited to .example.com",
        ),
        constrained("subject within", forge.directory_name(company), subject=example),
        constrained("subject outside", forge.directory_name(company), problem="its subjects are limited"),
        constrained(
            "kind nobody knows",
            forge.registered_id("1.2.3"),
            names=[HOST, forge.registered_id("1.2.3")],
            problem="not supported",
        ),
        constrained("kind nobody knows, not used", forge.registered_id("1.2.3")),
        constrained(
            "common name outside", "example.org", names=[forge.address_name("192.0.2.1")], problem="limited to"
        ),
        at_root(
            "constraint of the root", "limited to example.org", extensions=ca(forge.name_constraints("example.org"))
        ),
    ]


def odd() -> t.List[Case]:
    """Encodings that are not as they should be; the leaf and the CA of each kind."""
    false = b"\x01\x01\x00"
    critical_false = forge.sequence(forge.oid("1.2.3.4"), false, forge.octets(b""))
    not_a_ca = "writes out that it is not a CA, which is the default (basic constraints); clients accept it"
    anew = "Chrome and other clients with BoringSSL refuse that; have the CA reissue it"
    plain = [forge.key_usage("digital_signature"), forge.subject_alt_name(HOST)]
    point = forge.extension("2.5.29.31", forge.sequence(forge.sequence()))
    number = forge.extension("2.5.29.14", forge.integer(1))
    spelled = certificate(HOST, ISSUER, extensions=[forge.extension("2.5.29.19", forge.sequence(false)), *plain])
    return [
        Case("cA FALSE written out", spelled, [ISSUER, MIDDLE], [ROOT], warning=not_a_ca),
        leaf("with critical FALSE", critical_false, warning=anew),
        below("CA with critical FALSE", warning=anew, extensions=ca(critical_false)),
        leaf("with a negative serial number", warning="a negative serial number; clients accept it", serial=-5),
        below("CA with a negative serial number", warning="a negative serial number", serial=-5),
        at_root("root with a negative serial number", serial=-5),
        at_root("root with critical FALSE", extensions=ca(critical_false)),
        leaf("with a distribution point of nothing", point, problem="neither a place nor an issuer"),
        leaf("with a key identifier that is a number", number, problem="subject key identifier: tag 0x02"),
        leaf("whose name holds an octet string", problem="name: a text", subject=_named(forge.octets(b"x"))),
        leaf("whose name holds half a letter", problem="name: a text", subject=_named(forge.tlv(0x0C, b"\xc3"))),
        leaf("whose name holds Latin-1 in a PrintableString", subject=_named(forge.tlv(0x13, b"M\xfcller"))),
        leaf("whose name is a TeletexString", subject=_named(forge.tlv(0x14, b"M\xfcller"))),
    ]


def _named(value: bytes) -> bytes:
    return forge.sequence(forge.tlv(0x31, forge.sequence(forge.oid("2.5.4.10"), value)))


CASES = [
    *orders(),
    *rolled(),
    *missing(),
    *self_signed(),
    *named_otherwise(),
    *refused_by_some(),
    *cas(),
    *leaves(),
    *names(),
    *odd(),
]
GNUTLS_CASES = [*orders(), *named_otherwise(), *refused_by_some()]
WHERE = {"key": "the key", "certificate": "the certificate", "chain": "the chain", "root": "the root"}


def read(case: Case) -> material.Material:
    def pem(entities: t.Sequence[Entity]) -> t.Optional[bytes]:
        return b"".join(entity.pem for entity in entities) or None

    key = forge.private_pem(case.leaf.key)
    given = material.Sources(key, case.leaf.pem, pem(case.chain), pem(case.root), WHERE)
    return material.read_material("x", given, NOW)


def openssl_problem(case: Case, found: material.Material, folder: Path) -> str:
    """What openssl says of what would be served, or where that is refused of all that was given."""
    untrusted = [material.to_pem(one) for one in found.chain]
    if case.problem:
        untrusted = [entity.pem for entity in (*case.chain, *case.root)]
    asked = [("-verify_ip" if name[:1].isdigit() else "-verify_hostname", name) for name in case.names]
    results = (verify(case.leaf, untrusted, case.trust or case.root, folder, one) for one in asked or [()])
    return next(filter(None, results), "")


def verify(
    leaf: Entity, untrusted: t.Sequence[bytes], trusted: t.Sequence[Entity], folder: Path, asked: t.Sequence[str] = ()
) -> str:
    """What openssl has against a chain, or an empty string."""
    (folder / "leaf").write_bytes(leaf.pem)
    (folder / "chain").write_bytes(b"".join(untrusted))
    (folder / "root").write_bytes(b"".join(entity.pem for entity in trusted))
    command = [str(OPENSSL), "verify", "-purpose", "sslserver", "-no-CApath", "-no-CAstore"]
    command += ["-attime", str(int(NOW.timestamp())), "-auth_level", "0"]
    command += ["-CAfile", str(folder / "root")] if trusted else ["-no-CAfile"]
    command += ["-untrusted", str(folder / "chain")] if untrusted else []
    result = subprocess.run([*command, *asked, str(folder / "leaf")], capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else ""


@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
def test_a_chain_is_judged_as_it_should_be(case: Case) -> None:
    found = read(case)
    problems, warnings = material.examine(found, case.names)
    assert bool(case.problem) == bool(problems), problems
    assert not case.problem or any(case.problem in sentence for sentence in problems), problems
    unused = found.path.unused
    ours = [sentence for sentence in warnings if sentence not in unused and "on this host" not in sentence]
    assert bool(case.warning) == bool(ours), ours
    assert not case.warning or any(case.warning in sentence for sentence in ours), ours
    if not case.problem:
        assert len(unused) == len(case.unused), unused
    for part in case.unused:
        assert any(part in sentence for sentence in unused), unused
    if case.served is not None:
        assert [one.der for one in found.chain] == [one.der for one in case.served]


@pytest.mark.skipif(bool(NO_OPENSSL), reason=NO_OPENSSL)
@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
def test_openssl_is_of_the_same_opinion(case: Case, tmp_path: Path) -> None:
    problem = openssl_problem(case, read(case), tmp_path)
    agrees = bool(problem) == bool(case.problem)
    assert agrees != bool(case.differs), problem or "openssl accepts it"


@gnutls.needed
@pytest.mark.parametrize("case", GNUTLS_CASES, ids=[case.label for case in GNUTLS_CASES])
def test_gnutls_refuses_that_of_which_a_warning_says_so(case: Case) -> None:
    served = [case.leaf.der, *(one.der for one in read(case).chain)]
    status = gnutls.chain_status(served, [entity.der for entity in case.trust or case.root])
    assert bool(status) == ("GnuTLS" in case.warning), hex(status)


class Hierarchy:
    """A handful of CAs of few names and keys, which issued for one another at random, and a leaf."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.cas: t.List[Entity] = [self.make_ca(None)]
        for _number in range(self.random.randrange(1, 7)):
            self.cas.append(self.make_ca(self.random.choice([None, *self.cas, *self.cas])))
        issuer = self.random.choice(self.cas)
        self.leaf = server(issuer, *self.identifiers(forge.key("p256", "leaf"), issuer), serial=0x7000)
        roots = [one for one in self.cas if one.subject == one.issuer and is_self_signed(Certificate.from_der(one.der))]
        self.root = self.random.choice(roots)
        self.chain = [one for one in self.cas if one is not self.root]
        self.random.shuffle(self.chain)

    def make_ca(self, issuer: t.Optional[Entity]) -> Entity:
        name = self.random.choice("ABCD")
        key = forge.key("p256", name + self.random.choices("12", [4, 1])[0])
        life = OLD if self.random.random() < 0.12 else {"not_after": NOW + self.random.randrange(90, 4000) * DAY}
        limit = self.random.choice([None] * 6 + [0, 1])
        usage = self.random.choices([SIGNS, None, forge.key_usage("digital_signature")], [12, 2, 1])[0]
        extra = [
            forge.extended_key_usage(CLIENT_AUTH),
            forge.extended_key_usage(forge.SERVER_AUTH),
            forge.name_constraints("example.com", critical=True),
            forge.name_constraints("example.org", critical=True),
            forge.unknown_extension(True),
        ]
        held = [self.random.choice(extra)] if self.random.random() < 0.2 else []
        extensions = ca(*self.identifiers(key, issuer), *held, limit=limit, usage=usage)
        serial = len(getattr(self, "cas", ())) + 0x100
        return authority(name, issuer, private_key=key, serial=serial, extensions=extensions, **life)

    def identifiers(self, key: t.Any, issuer: t.Optional[Entity]) -> t.List[bytes]:
        def identifier(one: t.Any) -> bytes:
            return hashlib.sha256(forge.public_key_bits(one)).digest()[:20]

        found = [forge.subject_key_identifier(identifier(key))] if self.random.random() < 0.9 else []
        way = self.random.choice(["key", "key", "key", "none", "number"])
        if way == "key":
            found.append(forge.authority_key_identifier(identifier(issuer.key if issuer else key)))
        elif way == "number" and issuer:
            found.append(forge.authority_key_identifier(issuer=issuer.issuer, serial=issuer.serial))
        return found


@pytest.mark.skipif(bool(NO_OPENSSL), reason=NO_OPENSSL)
@pytest.mark.parametrize("seed", range(100))
def test_openssl_agrees_about_any_hierarchy(seed: int, tmp_path: Path) -> None:
    made = Hierarchy(seed)
    found = path.find_path(given([made.leaf])[0], given(made.chain), given([made.root]), NOW)
    served = [material.to_pem(one) for one in found.chain]
    if found.problems:
        served = [entity.pem for entity in made.chain]
    is_warned = any("of this root will refuse" in sentence for sentence in found.warnings)
    assert bool(verify(made.leaf, served, [made.root], tmp_path)) == (bool(found.problems) or is_warned), found


@pytest.mark.parametrize(
    ("octets", "stapled", "refused"),
    [(84_000, True, False), (90_000, True, True), (90_000, False, False), (103_000, False, True)],
)
def test_a_chain_leaves_room_for_the_largest_staple(octets: int, stapled: bool, refused: bool) -> None:
    more = [forge.extension(forge.UNKNOWN_OID, bytes(octets))] + [forge.ocsp_urls("http://ocsp.example.com")] * stapled
    found = path.find_path(given([server(ISSUER, *more)])[0], given([ISSUER, MIDDLE]), given([ROOT]), NOW)
    assert bool(found.problems) is refused
    assert ("of which the staple can take 16388" in "".join(found.problems)) is (refused and stapled)


def given(entities: t.Sequence[Entity]) -> t.List[path.Given]:
    return [path.Given(Certificate.from_der(entity.der), "the chain") for entity in entities]


def test_many_ways_up_do_not_make_it_hang() -> None:
    """Ten floors of ten CAs each, of which all of one floor issued all of the next, are ten thousand million paths."""
    floors = [[authority(f"Floor {floor}", serial=number) for number in range(10)] for floor in range(10)]
    keys_of = [floor[0].key for floor in floors]
    everything = [
        certificate(f"Floor {floor}", floors[floor + 1][0], private_key=keys_of[floor], serial=number, extensions=ca())
        for floor in range(9)
        for number in range(10)
    ]
    found = path.find_path(given([server(floors[0][0])])[0], given(everything), given([OTHER_ROOT]), NOW)
    assert any("give those that are needed" in sentence for sentence in found.problems)


def test_a_ring_has_an_end() -> None:
    one = authority("One")
    other = certificate("Other", one, extensions=ca())
    ring = certificate("One", other, private_key=one.key, extensions=ca())
    found = path.find_path(given([server(ring)])[0], given([ring, other]), [], NOW)
    assert found.problems == () and len(found.chain) == 2


def test_many_strangers_are_summed_up() -> None:
    strangers = [authority(f"Stranger {number}", OTHER_ROOT) for number in range(9)]
    found = path.find_path(given([LEAF])[0], given([*strangers, ISSUER, MIDDLE]), given([ROOT]), NOW)
    assert len(found.unused) == 6 and found.unused[-1] == "4 more certificates were left out of the chain"


def test_to_wait_is_no_advice_for_what_is_left_out() -> None:
    stranger = authority("Stranger", OTHER_ROOT, not_before=NOW + DAY)
    found = path.find_path(given([LEAF])[0], given([stranger, ISSUER, MIDDLE]), given([ROOT]), NOW)
    (sentence,) = found.unused
    assert "was left out of the chain: " in sentence and "is not valid before" in sentence and "wait" not in sentence


def test_a_bundle_of_roots_is_said_nothing_of() -> None:
    roots = [authority(f"Root {number}") for number in range(50)]
    found = path.find_path(given([LEAF])[0], given([ISSUER, MIDDLE]), given([*roots, ROOT]), NOW)
    assert (found.unused, found.problems, found.warnings) == ((), (), ())
    assert found.anchor is not None and found.anchor.der == ROOT.der


def test_a_curve_that_is_written_out_is_refused() -> None:
    curve = forge.sequence(forge.oid("1.2.840.10045.2.1"), forge.sequence(forge.integer(1)))
    info = forge.sequence(curve, forge.bits(forge.public_key_bits(forge.key("p256", HOST))))
    found = path.find_path(given([server(ISSUER, raw_key=info)])[0], given([ISSUER, MIDDLE]), given([ROOT]), NOW)
    assert any("has its elliptic curve written out" in problem for problem in found.problems)
