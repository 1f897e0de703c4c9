# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys and passwords recognized in what users give, so that they are never quoted, logged or kept."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

#: What stands in the place of a secret that is not shown.
HIDDEN = "********"
#: The options of ``certificate_set`` whose text is never shown. A file for a server may hold key and certificate.
KEY_OPTIONS = frozenset(("private_key_content", "certificate_content", "chain_content", "root_content"))

#: The first or the last line of a key in PEM with some of its body, whatever was done to ends of lines and dashes;
#: the lines alone are no secret, and messages name them.
_GAP = rb"(?:\\[nr]|[\s'\",?-])*"
_KEY_TEXT = re.compile(
    rb"BEGIN[A-Z0-9 ]*PRIVATE\s+KEY[A-Z ]*" + _GAP + rb"(?:[A-Za-z-]+:[^\n\\]{0,100}" + _GAP + rb"){0,4}"
    rb"[A-Za-z0-9+/]{16}|[A-Za-z0-9+/]{16}=*" + _GAP + rb"END[A-Z0-9 ]*PRIVATE\s+KEY|PuTTY-User-Key-File|"
    rb"AGE-SECRET-KEY-1",
)
#: All that is between the first and the last line of a key, in lines of whatever length, and what does not count in it.
_KEY_BLOCK = re.compile(
    rb"PRIVATE[ \t]+KEY[ \t]*-----((?:[A-Za-z0-9+/=\s\0]|\xc2\xa0|\xe2\x80\x8b|\xef\xbb\xbf|\\[nr])+)-----"
)
_NO_BODY = re.compile(rb"\\[nr]|[^A-Za-z0-9+/]")
_SHORTEST_BODY = 16
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
#: How DER of PKCS#8, PKCS#1, SEC 1 and PKCS#12 begins, and PKCS#8 and PKCS#12 under a password.
_KEY_DER = re.compile(
    rb"\x30" + _LENGTH + rb"(?:\x02\x01(?:[\x00\x01][\x02\x04\x30]|\x03\x30)|"
    rb"\x30" + _LENGTH + rb"\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01))",
    re.DOTALL,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}={0,2}")
#: The keys of results under which there are sentences.
_SENTENCES = ("msg", "message")
#: How often Base64 may have been applied to a key.
_LAYERS = 3
_CREDENTIALS = re.compile(r"(//)[^/@\s]+@")
#: The URL or the address of a proxy that a whole text is; what stands before the last @ may hold a password.
_WHOLE_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//(.+)(?:@|%40)", re.IGNORECASE | re.DOTALL)
_WHOLE_ADDRESS = re.compile(r"\s*([^\s:/@]+:[^\s@]+)@[^\s@]+\s*")
_TELLING_NAME = re.compile(r"[A-Za-z0-9_*.-]{1,100}", re.ASCII)


def holds_private_key(data: t.Union[str, bytes]) -> bool:
    """Whether there is a private key in a text, in PEM, DER or Base64, whole or cut off, folded in any way."""
    return _holds_key(_to_bytes(data), _LAYERS)


def _to_bytes(data: t.Union[str, bytes]) -> bytes:
    if isinstance(data, bytes):
        return data
    try:
        return data.encode("latin-1")
    except UnicodeEncodeError:
        return data.encode("utf-8", "replace")


def _holds_key(data: bytes, layers: int) -> bool:
    if len(data) < 12:
        return False
    if _KEY_TEXT.search(data) or _KEY_DER.match(data.lstrip()):
        return True
    if any(len(_NO_BODY.sub(b"", block)) >= _SHORTEST_BODY for block in _KEY_BLOCK.findall(data)):
        return True
    if b"\0" in data and _KEY_TEXT.search(data.replace(b"\0", b"")):  # UTF-16
        return True
    return layers > 1 and any(_holds_key(one, layers - 1) for one in _decoded(data))


def _decoded(data: bytes) -> t.Iterator[bytes]:
    """What a text is the Base64 of, with or without ends of lines, also where it was cut off."""
    text = b"".join(data.split()).replace(b"\\n", b"").replace(b"\\r", b"")
    if not _BASE64.fullmatch(text):
        return
    bare = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        yield base64.b64decode(bare[: len(bare) // 4 * 4], validate=True)
    except binascii.Error:
        return


def misplaced_keys(values: t.Mapping[t.Any, t.Any], allowed: t.Container[str] = ()) -> t.List[str]:
    """Where among the values of options a private key is that does not belong there, as in ``certificates[0].name``.

    ``allowed`` are the names of options, at any depth, whose text may hold one.
    """
    found: t.Dict[str, None] = {}
    for name, value in values.items():
        place = _name(name)
        if isinstance(name, str) and holds_private_key(name):
            found[place] = None
        for where, text in _leaves(value, place, allowed):
            # Of a list or a mapping that is found to hold one, all is told.
            if not where.startswith(tuple(f"{one}{end}" for one in found for end in ".[")) and holds_private_key(text):
                found[where] = None
    return list(found)


def key_refusal(places: t.Sequence[str], allowed: t.Container[str] = ()) -> str:
    """The sentence that refuses private keys in these places, which shows nothing of them."""
    contain = "contains" if len(places) == 1 else "contain"
    advice = "give it in private_key_content" if "private_key_content" in allowed else "no option accepts one"
    return f"{' and '.join(places)} {contain} a private key, which would end up in logs; {advice}"


def _leaves(value: t.Any, place: str, allowed: t.Container[str]) -> t.Iterator[t.Tuple[str, str]]:
    """All texts below a value with their places, and the lines of a list as one text. A place tells no secret."""
    if isinstance(value, (str, bytes)):
        if place.rpartition(".")[2] not in allowed:
            yield place, _to_text(value)
    elif isinstance(value, t.Mapping):
        for name, one in value.items():
            if isinstance(name, str):
                yield place, name
            yield from _leaves(one, f"{place}.{_name(name)}", allowed)
    elif isinstance(value, (list, tuple, set, frozenset)):
        lines = [_to_text(one) for one in value if isinstance(one, (str, bytes))]
        if len(lines) > 1:
            yield place, "\n".join(lines)
        for number, one in enumerate(value):
            yield from _leaves(one, f"{place}[{number}]", allowed)


def _to_text(value: t.Union[str, bytes]) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _name(name: t.Any) -> str:
    """The name of an option for a place, unless it is none."""
    text = str(name)
    return text if _TELLING_NAME.fullmatch(text) and not holds_private_key(text) else "..."


def passwords(values: t.Mapping[t.Any, t.Any]) -> t.Set[str]:
    """What stands before the @ of URLs among the values of options, in the spellings that messages have."""
    found: t.Set[str] = set()
    for _place, text in _leaves(values, "", ()):
        if "@" in text or "%40" in text:
            match = _WHOLE_URL.match(text) or _WHOLE_ADDRESS.fullmatch(text)
            found.update(_spellings(match.group(1)) if match else ())
    return found


def _spellings(text: str) -> t.Iterator[str]:
    """A user and a password, and the password alone where it is long enough to be nothing else."""
    password = text.partition(":")[2]
    for one in (text, password if len(password) >= 6 else ""):
        yield from (one, repr(one)[1:-1], "".join(char if char.isprintable() else "?" for char in one)) if one else ()


def told(message: str, known: t.Collection[str] = ()) -> str:
    """A message without secrets, and its lines without anything that a terminal would obey."""
    text = HIDDEN if holds_private_key(message) else without_passwords(message, known)
    return "\n".join("".join(char if char.isprintable() else "?" for char in line) for line in text.split("\n"))


def without_passwords(text: str, known: t.Collection[str] = ()) -> str:
    """A text without the passwords of URLs in it, and without those that are ``known``."""
    for one in sorted(known, key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return _CREDENTIALS.sub(rf"\1{HIDDEN}@", text) if "@" in text else text


def redacted(value: t.Any, secret_names: t.Container[str], known: t.Collection[str] = ()) -> t.Any:
    """A copy of plain values without secrets: no keys, no passwords of URLs, nothing of an option that is secret.

    ``secret_names`` are the names of such options at any depth, ``known`` passwords.
    """
    if isinstance(value, (str, bytes)):
        text = _to_text(value)
        return HIDDEN if holds_private_key(text) else without_passwords(text, known)
    if isinstance(value, t.Mapping):
        options = ((name, _redacted_option(name, one, secret_names, known)) for name, one in value.items())
        return {redacted(name, (), known): one for name, one in options}
    if isinstance(value, (list, tuple, set, frozenset)):
        lines = [_to_text(one) for one in value if isinstance(one, (str, bytes))]
        if len(lines) > 1 and holds_private_key("\n".join(lines)):
            return HIDDEN
        return [redacted(one, secret_names, known) for one in value]
    return value


def _redacted_option(name: t.Any, value: t.Any, secret_names: t.Container[str], known: t.Collection[str]) -> t.Any:
    if value is not None and name in secret_names:
        return HIDDEN
    return told(value, known) if name in _SENTENCES and isinstance(value, str) else redacted(value, secret_names, known)
