# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys and passwords recognized in what users give, so that they are never quoted, logged or kept."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from .errors import printable
from .text import join_words

#: What stands in the place of a secret that is not shown.
HIDDEN = "********"
#: The options of ``certificate_set`` whose text is never shown. A file for a server may hold key and certificate.
KEY_OPTIONS = frozenset(("private_key_content", "certificate_content", "chain_content", "root_content"))

#: What ends of lines, comments and quotes put between the lines of a key: a few characters that are not Base64.
_GAP = rb"(?:[^A-Za-z0-9+/:()]|//|/\*|<br ?/?>){0,200}"
_MARK = rb"[A-Z0-9 ]{0,40}PRIVATE\s{1,5}KEY"
#: The first and the last line of a key in PEM; the lines alone are no secret, and messages name them.
_BEGIN = re.compile(rb"BEGIN" + _MARK + rb"[A-Z ]{0,10}")
_END = re.compile(rb"END(?=" + _MARK + rb")")
#: What is in front of the last line, read backwards: forwards, it would be tried from each octet of a long text.
_BACK_WINDOW = 1300
_BACK = re.compile(rb"(?:[^A-Za-z0-9+/:()]|//|\*/|>/? ?rb<){0,200}={0,2}[A-Za-z0-9+/]{16}")
#: The body after a first line, or some of it, and the headers before it.
_BODY = re.compile(_GAP + rb"(?!/)[A-Za-z0-9+/]{16}")
_HEADERS = re.compile(rb"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|Subject): ?[^\n?]{0,100}")
_WINDOW = 600
#: Keys that have a name of their own, and those that ``openssl pkey -text`` shows.
_NAMED = re.compile(
    rb"PuTTY-User-Key-File|AGE-SECRET-KEY-1|openssh-key-v1\0|b3BlbnNzaC1rZXktdj|"
    rb"(?:privateExponent|\bpriv)\W{1,40}(?:[0-9a-f]{2}[:\s]{1,20}){16}"
)
#: All that is between the first and the last line of a key, in lines of whatever length, and what does not count in it.
_KEY_BLOCK = re.compile(
    rb"PRIVATE[ \t]+KEY[ \t]*-----((?:[A-Za-z0-9+/=\s\0]|\xc2\xa0|\xe2\x80\x8b|\xef\xbb\xbf|\\[nr])+)-----"
)
_NO_BODY = re.compile(rb"\\[nr]|[^A-Za-z0-9+/]")
_SHORTEST_BODY = 16
#: A JWK (RFC 7517): its type, and its private or symmetric part.
_JWK = "kty"
_JWK_TYPE = re.compile(rb"\bkty\b")
_JWK_SECRET = re.compile(rb"(?<![A-Za-z0-9_])[dk][\"']?\s{0,5}[:=]\s{0,5}[\"']?[A-Za-z0-9_-]{20}")
_LENGTH = rb"(?:[\x20-\x7f]|\x81.|\x82..|\x83...)"
#: How DER of PKCS#1, SEC 1, PKCS#8 and PKCS#12 begins, and PKCS#8 and PKCS#12 under a password. What follows the
#: version tells them from a request, a CRL, CMS or the parameters of a curve.
_KEY_DER = re.compile(
    rb"\x30" + _LENGTH + rb"(?:\x02\x01[\x00\x01](?:\x02[\x20-\x82]|\x04[\x10-\x7f]|(?P<algorithm>\x30.)\x06)|"
    rb"\x02\x01\x03\x30" + _LENGTH + rb"\x06|"
    rb"\x30" + _LENGTH + rb"\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01))",
    re.DOTALL,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}={0,2}")
#: Lines of Base64 that may belong together, and where one of them may be the first of a key, in DER or PEM.
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{16,}(?:" + _GAP.replace(b"200", b"40") + rb"[A-Za-z0-9+/_-]{16,})*")
_START = re.compile(rb"(?<![A-Za-z0-9])(?:M[A-P]|LS0)[A-Za-z0-9+/_-]{14}")
_START_LENGTH = 300
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/_-]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
#: Octets in hexadecimal digits, with whatever stands between them.
_HEX = re.compile(rb"(?<![0-9A-Za-z])(?:0x|\\x)?(?:30|2[dD]|6[fF])(?:[\s:,]{0,6}(?:0x|\\x)?[0-9a-fA-F]{2}){24,}")
_HEX_FILL = re.compile(rb"0x|\\x|[\s:,]")
#: How texts write a character that they cannot hold: in URLs, in JSON and in programs, and in HTML.
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})|\\{1,8}(?:u00|x)([0-9A-Fa-f]{2})|\\{1,8}([nrt/\"'])|&#([0-9]{1,3});")
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
    plain = _ESCAPED.sub(_character, data) if b"\\" in data or b"%" in data or b"&#" in data else data
    texts = {data, plain}
    if any(_begins_der(one.lstrip()) or _shows_key(one) for one in texts):
        return True
    if any(len(_NO_BODY.sub(b"", block)) >= _SHORTEST_BODY for block in _KEY_BLOCK.findall(data)):
        return True
    if b"\0" in data and _shows_key(data.replace(b"\0", b"")):  # UTF-16
        return True
    return layers > 1 and any(_holds_key(one, layers - 1) for text in texts for one in _decoded(text))


def _character(found: t.Match[bytes]) -> bytes:
    in_url, in_text, short, in_html = found.groups()
    if short:
        return {b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(short, short)
    return bytes((int(in_url or in_text, 16) if in_url or in_text else int(in_html) & 0xFF,))


def _shows_key(data: bytes) -> bool:
    """Whether there is a key in a text as it is."""
    if b"PRIVATE" in data and (_begins_pem(data) or _ends_pem(data)):
        return True
    if _NAMED.search(data) or (_JWK_TYPE.search(data) and _JWK_SECRET.search(data)):
        return True
    return any(_begins_key(data[one.start() : one.start() + _START_LENGTH]) for one in _START.finditer(data))


def _begins_pem(data: bytes) -> bool:
    """Whether there is the first line of a key with some of its body."""
    windows = (data[found.end() : found.end() + _WINDOW] for found in _BEGIN.finditer(data))
    return any(_BODY.match(_HEADERS.sub(b"", one)) for one in windows)


def _ends_pem(data: bytes) -> bool:
    """Whether there is the last line of a key with some of its body."""
    windows = (data[max(0, found.start() - _BACK_WINDOW) : found.start()] for found in _END.finditer(data))
    return any(_BACK.match(one[::-1]) for one in windows)


def _begins_key(text: bytes) -> bool:
    """Whether Base64 is that of the start of a key, be it in DER or in PEM."""
    start = _from_base64(_NO_BASE64.sub(b"", text))
    return _begins_der(start) or _begins_pem(start)


def _begins_der(data: bytes) -> bool:
    """Whether DER is that of a key, or its start is."""
    found = _KEY_DER.match(data)
    if found is None or found["algorithm"] is None:
        return found is not None
    # After the algorithm, PKCS#8 has the key as an OCTET STRING. What a CA signs in a CRL has the issuer's name there,
    # and the parameters of a curve have its coefficients.
    following = data[found.end("algorithm") + found["algorithm"][1] :][:1]
    return following in (b"", b"\x04")


def _decoded(data: bytes) -> t.Iterator[bytes]:
    """What a text, or lines in it, is the Base64 or the hexadecimal form of, whole or cut off."""
    text = b"".join(data.split())
    if _BASE64.fullmatch(text):
        yield _from_base64(text)
    else:
        for run in _RUN.finditer(data):
            found = _NO_BASE64.sub(b"", run.group())
            if len(found) >= 40:
                yield _from_base64(found)
    for digits in _HEX.finditer(data):
        yield bytes.fromhex(_HEX_FILL.sub(b"", digits.group()).decode("ascii"))


def _from_base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=").translate(_URL_SAFE)
    try:
        return base64.b64decode(bare[: len(bare) // 4 * 4], validate=True)
    except binascii.Error:
        return b""


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
    return f"{join_words(places)} {contain} a private key, which would end up in logs; {advice}"


def _leaves(value: t.Any, place: str, allowed: t.Container[str]) -> t.Iterator[t.Tuple[str, str]]:
    """All texts below a value with their places, and the lines of a list as one text. A place tells no secret."""
    if isinstance(value, (str, bytes)):
        if place.rpartition(".")[2] not in allowed:
            yield place, _to_text(value)
    elif isinstance(value, t.Mapping):
        if _JWK in value:
            yield place, _lines(value)
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


def _lines(value: t.Mapping[t.Any, t.Any]) -> str:
    """A mapping as one text: a JWK is no secret in any one of its parts."""
    return "\n".join(f"{name}: {one}" for name, one in value.items() if isinstance(one, str))


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
        yield from (one, repr(one)[1:-1], printable(one)) if one else ()


def told(message: str, known: t.Collection[str] = ()) -> str:
    """A message without secrets, and its lines without anything that a terminal would obey."""
    text = HIDDEN if holds_private_key(message) else without_passwords(message, known)
    return "\n".join(map(printable, text.split("\n")))


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
        if _JWK in value and holds_private_key(_lines(value)):
            return HIDDEN
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
