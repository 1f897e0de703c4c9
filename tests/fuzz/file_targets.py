# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is fuzzed of files that others may have written.

``bundle``: any bytes end in an InputError or in the certificates of a server, its issuer and its names;
the sentences can be printed.

``key``: any bytes end in an InputError or in a key. What is read of that again is the same, it is known
to be a private key, and no sentence quotes anything of it.

``record``: whatever the unprivileged user writes into ``refresh.json``, what ``status`` shows and the
metrics can be printed and read.

``scan``: whatever files are called, the other certificates are configured, and names and paths are what
they may be.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import re
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import material
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import keys
from ansible_collections.certops.ocsp.tests.fuzz import hosted, tree, world
from ansible_collections.certops.ocsp.tests.fuzz.properties import Plain, Target, Violation, check_message
from ansible_collections.certops.ocsp.tests.unit import forge
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

assert hosted.PROGRAM.is_dir()  # imported for what it makes importable
from ocsp_stapling import config, metrics, record, state  # noqa: E402
from ocsp_stapling.commands.status import Status  # noqa: E402

# Changes -----------------------------------------------------------------------------------------

_LINES = (
    (b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN X-----")
    + (b"-----END PRIVATE KEY-----", b"-----BEGIN TRUSTED CERTIFICATE-----", b"-----BEGIN RSA PRIVATE KEY-----")
    + (b"-----END RSA PRIVATE KEY-----", b"-----BEGIN EC PARAMETERS-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    + (b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----BEGIN PKCS7-----", b"-----END PKCS7-----", b"\xef\xbb\xbf")
    + (b"-----BEGIN X509 CRL-----", b"Proc-Type: 4,ENCRYPTED", b"Bag Attributes", b"\0", b"\xff\xfe", b"\r", b"=", b"")
)
_PEM_BODY = re.compile(rb"(-----BEGIN [^\n]*-----\n)([A-Za-z0-9+/=\n]+)")


def _mutate_lines(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    """Change bytes, lines, or elements within a block."""
    kind = chance.randrange(4)
    if kind == 0:
        return plain(data)
    if kind == 1:
        changed = _within_block(data, chance, plain)
        if changed is not None:
            return changed
    lines = data.split(b"\n")
    for _index in range(chance.choice((1, 1, 2, 5))):
        _change_lines(lines, chance)
    newline = chance.choice((b"\n",) * 6 + (b"\r\n", b"\r", b"", b" "))
    return newline.join(lines)


def _change_lines(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines) + 1)
    kind = chance.randrange(5)
    if kind == 0:
        lines.insert(at, chance.choice(_LINES))
    elif kind == 1:
        del lines[at : at + chance.choice((1, 2, 10))]
    elif kind == 2:
        lines[at:at] = lines[chance.randrange(len(lines) + 1) :][: chance.choice((1, 5, 40))]
    elif kind == 3 and at < len(lines):
        lines[at] = chance.choice((b"  ", b">", b"\t", b"- ", b"\\n")) + lines[at]
    elif at < len(lines):
        cut = chance.randrange(len(lines[at]) + 1)
        lines[at : at + 1] = [lines[at][:cut], lines[at][cut:]]
    if not lines:
        lines.append(b"")


def _within_block(data: bytes, chance: random.Random, plain: Plain) -> t.Optional[bytes]:
    blocks = list(_PEM_BODY.finditer(data))
    if not blocks:
        return None
    block = chance.choice(blocks)
    with contextlib.suppress(ValueError):
        content = forge_decode(block.group(2))
        if chance.random() < 0.5:
            forest = tree.parse(content)
            tree.change(chance, forest, _donors())
            content = tree.encode(forest)
        else:
            content = plain(content)
        body = forge.armour(content).split(b"\n", 1)[1].rpartition(b"-----END")[0]
        return data[: block.start(2)] + body + data[block.end(2) :]
    return None


def forge_decode(body: bytes) -> bytes:
    import base64

    return base64.b64decode(body)


@functools.cache
def _donors() -> tuple[tree.Node, ...]:
    found: dict[bytes, tree.Node] = {}
    for data in (world.leaf().der, world.issuer().der, *_key_ders()):
        for node in tree.elements(tree.parse(data)):
            found.setdefault(node.encode(), node)
    return tuple(node for octets, node in found.items() if len(octets) < 300)


# Certificates ------------------------------------------------------------------------------------


def _bundle_seeds() -> dict[str, bytes]:
    leaf, issuer = world.leaf().pem, world.issuer().pem
    names = forge.leaf(
        world.issuer(),
        private_key=world.signers()["delegate_p256"].key,
        extensions=[forge.subject_alt_name("*.example.com", b"x\x1b]0;y", "xn--bcher-kva.example")],
    )
    return {
        "leaf": leaf,
        "chain": leaf + issuer,
        "backwards": issuer + leaf,
        "twice": leaf + leaf + issuer + issuer,
        "der": world.leaf().der,
        "crlf": (leaf + issuer).replace(b"\n", b"\r\n"),
        "trusted": forge.armour(world.leaf().der + b"\x30\x00", "TRUSTED CERTIFICATE"),
        "with key": leaf + _key_seeds()["pkcs8"],
        "two names": leaf + world.impostor().pem + issuer,
        "odd names": names.pem + issuer,
        "text": b"subject=CN = x\n" + leaf + b"\ntext\n" + issuer,
        "json": b'{"certificate": "' + leaf.replace(b"\n", b"\\n") + b'"}',
        "crl": forge.armour(b"\x30\x00", "X509 CRL"),
        "html": b"<!DOCTYPE html><html>no",
        **{f"odd {name}": forge.armour(data) for name, data in list(world.certificates().items())[::4]},
    }


def _bundle(data: bytes) -> dict[str, t.Any]:
    """The names of what was found. What is said instead may have words of the library, which differ by its version."""
    try:
        found = x509.load_certificates(data, "the file")
        leaf = x509.find_leaf(found, "the file")
        issuer = x509.find_issuer(leaf, found, [], "the file")
    except InputError as error:
        check_message(error.message)
        return {"refused": True}
    for text in (leaf.name, issuer.name, *material.server_names(leaf)):
        check_message(text)
    material.covers(leaf, "www.example.com")
    material.covers(leaf, "192.0.2.1")
    material.key_kind(leaf)
    return {"leaf": leaf.name, "issuer": issuer.name}


def _check_bundle(data: bytes) -> None:
    told = _bundle(data)
    json.dumps(told).encode()
    secrets.holds_private_key(data)


# Keys --------------------------------------------------------------------------------------------


@functools.cache
def _key_ders() -> tuple[bytes, ...]:
    ders = []
    for key in (world.leaf().key, world.signers()["delegate_rsa"].key, world.issuer().key):
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            with contextlib.suppress(ValueError):
                ders.append(key.private_bytes(Encoding.DER, form, NoEncryption()))
    return tuple(ders)


@functools.cache
def _key_seeds() -> dict[str, bytes]:
    pkcs8, sec1, rsa8, rsa1, edwards = _key_ders()
    pem = forge.armour(pkcs8, "PRIVATE KEY")
    return {
        "pkcs8": pem,
        "sec1": forge.armour(sec1, "EC PRIVATE KEY"),
        "sec1 with parameters": forge.armour(sec1[-12:], "EC PARAMETERS") + forge.armour(sec1, "EC PRIVATE KEY"),
        "rsa8": forge.armour(rsa8, "PRIVATE KEY"),
        "rsa1": forge.armour(rsa1, "RSA PRIVATE KEY"),
        "ed25519": forge.armour(edwards, "PRIVATE KEY"),
        "der": pkcs8,
        "one line": b"-----BEGIN PRIVATE KEY----- " + b"".join(pem.split(b"\n")[1:-2]) + b" -----END PRIVATE KEY-----",
        "escaped": pem.replace(b"\n", b"\\n"),
        "quoted": b"".join(b"> " + line + b"\n" for line in pem.split(b"\n")),
        "headers": pem.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
        "utf-16": pem.decode().encode("utf-16"),
        "cut off": pem[:-40],
        "two": pem + forge.armour(rsa8, "PRIVATE KEY"),
        "encrypted": forge.armour(pkcs8, "ENCRYPTED PRIVATE KEY"),
        "openssh": forge.armour(b"openssh-key-v1\0" + pkcs8, "OPENSSH PRIVATE KEY"),
        "with certificate": world.leaf().pem + pem,
        "pkcs8 with public key": forge.armour(b"\x30" + forge.tlv(0x30, b"\x02\x01\x01", pkcs8[5:])[1:], "PRIVATE KEY"),
    }


def _key(data: bytes) -> t.Optional[bytes]:
    try:
        return keys.read_key(data, "the file")
    except InputError as error:
        check_message(error.message)
        # The first and the last lines are no secret, nor what is repeated of them elsewhere.
        labels = b" ".join(re.findall(rb"-----[ \t]*(?:BEGIN|END)([^-]*)", data))
        for line in re.findall(rb"[A-Za-z0-9+/]{12,}", re.sub(rb"-----[ \t]*(BEGIN|END)[^-]*", b"", data)):
            if line.decode() in error.message and line.decode() not in _OWN_WORDS and line not in labels:
                raise Violation("key: what was given is quoted", error.message) from None
        return None


#: Words of our own sentences that are as long as a piece of Base64.
_OWN_WORDS = frozenset(
    ("Hellman", "certificates", "administrator", "Diffie", "unprivileged", "inconsistent", "protected")
)


def _check_key(data: bytes) -> None:
    found = _key(data)
    held = secrets.holds_private_key(data)
    if found is None:
        return
    if keys.read_key(found, "it") != found:
        raise Violation("key: read again it is another")
    if not held or not secrets.holds_private_key(found):
        raise Violation("key: one that is not known to be one", "" if held else "as it was given")
    for certificate in (world.leaf(), world.signers()["delegate_rsa"], world.issuer()):
        own = x509.Certificate.from_der(certificate.der)
        check_message(keys.key_problem(found, own, "key", "certificate"))


def _key_verdict(data: bytes) -> t.Any:
    found = _key(data)
    return {"key": found and found.hex()}


# The record --------------------------------------------------------------------------------------

_TOKENS = ("1", '"x"', "null", "true", "[]", "{}", "-1", "1e5", "1e400", '["a",1]', '{"a":{}}', '"\\u0000"', "0.5")
_TOKENS += (
    '"\\ud800"',
    '"\\u202e"',
    '"\\u001b]0;x\\u0007"',
    '"a\\nb"',
    "123456789012345678901234567890",
    "-0.0",
    "1e-9",
)
_TOKENS += ('"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"', '"2026-02-30T00:00:00Z"', '"0001-01-01T00:00:00+14:00"')
_TOKENS += ('"unreachable"', '"revoked"', '"clock_implausible"', '"AAAA"', "[" * 50 + "]" * 50, '"|"', '"\\""')
_VALUE = re.compile(r'(?<=: )("(?:[^"\\\n]|\\.)*"|-?[0-9.]+|true|false|null)|(?<=[{,] )"(?:[^"\\\n]|\\.)*"(?=:)')


def _record_seeds() -> dict[str, bytes]:
    time = "2026-03-04T05:06:07Z"
    entry = {
        "serial_number": f"{forge.NOW.year:x}",
        "inputs": "ab" * 32,
        "attempted": time,
        "succeeded": time,
        "looked": time,
        "next_attempt": time,
        "failures": 3,
        "code": "timeout",
        "message": "http://ocsp.example.com did not answer within 5 s",
        "idle": 0,
        "ends": time,
        "renew_at": time,
        "responder_url": "http://ocsp.example.com/",
        "sha256": "cd" * 32,
        "clock_implausible": True,
        "proof": "MAMKAQE=",
    }
    run = {
        "started": time,
        "ended": "2026-03-04T06:06:07Z",
        "seconds": 1.5,
        "exit_code": 2,
        "problem": "",
        "latest": time,
    }
    values = {"version": 1, "run": run, "responders": {"http://a/": {"method": "post", "certid_digest": "sha256"}}}
    return {
        "full": json.dumps({**values, "certificates": {"a": entry, "b": {**entry, "failures": 0}}}).encode(),
        "empty": b"{}",
        "nothing": b"",
    }


def _mutate_json(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    spots = list(_VALUE.finditer(text))
    if not spots or chance.random() < 0.3:
        return plain(data)
    for _index in range(chance.choice((1, 2, 4))):
        spots = list(_VALUE.finditer(text))
        if not spots:
            break
        spot = chance.choice(spots)
        text = text[: spot.start()] + chance.choice(_TOKENS) + text[spot.end() :]
    return text.encode("utf-8", "surrogateescape")


@functools.cache
def _host() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-host-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "state/responses").mkdir(parents=True)
    return folder


_CONFIGURED = ("a", "b", "c")
_METRIC = re.compile(
    r'(# (HELP|TYPE) [a-z_]+ [ -~]+|[a-z_]+\{([a-z]+="([^"\\\n]|\\["\\n])*",?)*\} -?[0-9.e+-]+)', re.ASCII
)


def _check_record(data: bytes) -> None:
    folders = config.Folders(str(_host()), str(_host() / "state"))
    (_host() / "state/responses/refresh.json").write_bytes(data)
    claims, problem = record.load_foreign(folders.record, len(_CONFIGURED))
    check_message(problem)
    if len(record.dump({"certificates": {}, "run": claims.run})) > 20 * len(data) + 1000:
        raise Violation("record: grows")
    for way in claims.ways.values():
        assert way.method in ("get", "post")
    for name in _CONFIGURED:
        record.proof_of(claims.entry(name))
    written = {
        "version": 1,
        "written": "2026-03-04T05:06:07Z",
        "certificates": {
            name: {
                "live": None,
                "services": [],
                "deployed": True,
                "certificate": {"serial_number": f"{forge.NOW.year:x}", "not_after": "2026-05-04T05:06:07Z"},
                "staple": None,
            }
            for name in _CONFIGURED
        },
    }
    known = state.State(written)
    entries = tuple(
        config.Entry(name, {"certificate_path": "/nonexistent", "path": "/nonexistent"}, None, (), "test")
        for name in _CONFIGURED
    )
    _check_shown(config.Config(folders=folders, certificates=entries), known)


def _check_shown(configured: config.Config, known: state.State) -> None:
    """What comes to a terminal, Nagios, programs and node_exporter."""
    status = Status(configured, known, forge.NOW)
    for line in status.text(False, 80).splitlines():
        if not line.isprintable():
            raise Violation("status: a line that cannot be printed", ascii(line))
    nagios = status.nagios()
    if not nagios[:-1].isprintable() or nagios.count("|") != 1:
        raise Violation("nagios: a line that cannot be printed", ascii(nagios))
    json.loads(status.json())
    for line in metrics.render(known).split("\n")[:-1]:
        line.encode()
        if not line.isprintable() or not _METRIC.fullmatch(line):
            raise Violation("metrics: a line that is none", ascii(line))


# Folders -----------------------------------------------------------------------------------------

_NAMES = (
    (b"a.pem", b"b.example.com.pem", b"*.example.com.pem", b"a-chain.pem", b"a-rootchain.pem", b"a.ocsp-resp", b"a.key")
    + (b"\xff.pem", b"x\ny.pem", b"\x1b[31m.pem", b"\xe2\x80\xae.pem", b"in/a.pem", b"in/../a.pem", b"-.pem")
    + (b"known.pem", b".pem", b"..pem", b"...pem", b"a b.pem", b'a"b.pem', b"a|b.pem", b"$(x).pem", b"-v.pem")
    + (b"n" * 220 + b".pem",)
)


def _scan_seeds() -> dict[str, bytes]:
    return {"all": b"\0".join(_NAMES), **{f"{index}": name for index, name in enumerate(_NAMES)}}


def _mutate_names(data: bytes, chance: random.Random, plain: Plain) -> bytes:
    kind = chance.randrange(3)
    if kind == 0:
        return plain(data)
    names = data.split(b"\0")
    if kind == 1:
        names.insert(chance.randrange(len(names) + 1), chance.choice(_NAMES))
    else:
        at = chance.randrange(len(names))
        names[at] = plain(names[at]) + chance.choice((b"", b".pem"))
    return b"\0".join(names[:12])


def _check_scan(data: bytes) -> None:
    folder = _host() / "scan"
    shutil.rmtree(os.fsencode(folder), ignore_errors=True)
    folder.mkdir()
    for name in data.split(b"\0")[:12]:
        _put(os.fsencode(folder), name)
    scan = {"folder": str(folder), "recursive": len(data) % 2 == 0}
    certificate = {"name": "known", "certificate_path": "/etc/x.pem", "path": "/etc/x.der"}
    (_host() / "config.json").write_text(json.dumps({"version": 1, "scan": [scan], "certificates": [certificate]}))
    configured = config.load(str(_host() / "config.json"), str(_host() / "state"))
    names = [entry.name for entry in configured.certificates]
    if "known" not in names or len(set(names)) != len(names):
        raise Violation("scan: another certificate is lost", ascii(names))
    for entry in configured.certificates[1:]:
        if os.path.commonpath([os.path.realpath(entry.path), str(folder)]) != str(folder):
            raise Violation("scan: a path elsewhere", ascii(entry.path))
    for text in (*names, *configured.problems):
        check_message(text)
    known = state.State(
        {"version": 1, "certificates": {name: {"failures": 1, "failure_code": "timeout"} for name in names}}
    )
    _check_shown(configured, known)


def _put(folder: bytes, name: bytes) -> None:
    """A file of such a name, where the system permits it and it is not outside of the folder."""
    if b".." in name.split(b"/") or name.startswith(b"/"):
        return
    path = os.path.join(folder, name)
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(world.leaf().pem)


def _none_of(check: t.Callable[[bytes], None]) -> t.Callable[[bytes], None]:
    """The verdict where there is nothing in which versions of cryptography could differ: none."""

    def verdict(data: bytes) -> None:
        with contextlib.suppress(Violation):
            check(data)

    return verdict


TARGETS: dict[str, Target] = {
    "bundle": Target(
        _bundle_seeds, _mutate_lines, _check_bundle, _bundle, ("certificate.py", "formats.py", "secrets.py")
    ),
    "key": Target(_key_seeds, _mutate_lines, _check_key, _key_verdict, ("keys.py", "formats.py", "secrets.py")),
    "record": Target(
        _record_seeds, _mutate_json, _check_record, _none_of(_check_record), ("record.py", "status.py", "metrics.py")
    ),
    "scan": Target(_scan_seeds, _mutate_names, _check_scan, _none_of(_check_scan), ("scan.py", "config.py")),
}
