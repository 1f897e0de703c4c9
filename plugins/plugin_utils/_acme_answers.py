# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a CA answered, as modules of ``community.crypto`` return it, read by one rule: it may be anything.

A CA chooses texts, URLs and types. What it is asked for is known here, so of names only those count that were ordered,
and whatever leads into a file name, a record of the DNS or a message has the form that RFC 8555 gives it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import typing as t

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError, printable
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import clean
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.urls import parse_url

Values = t.Mapping[str, t.Any]

#: Errors of a CA (RFC 8555 section 6.7) that pass without anything being done about them.
_PASSING = frozenset(("rateLimited", "serverInternal", "orderNotReady"))
#: The detail may have quotes in it, which community.crypto does not escape: it ends with what comes after it there.
_ERROR = re.compile(
    r'Error (?:"[^"]*" \()?urn:ietf:params:acme:error:(\w+)\)?'
    r'(?:: "(.*?)(?:$|"(?=$|[.;)]|\s+(?:Subproblems:|The (?:JSON|raw) ))))?',
    re.DOTALL,
)
#: Whose challenge failed, before a colon or what the state of the authorization is.
_IDENTIFIER = re.compile(r"\b(?:dns|ip):(\S{1,260}?)(?::? )")
#: Characters of an error that are looked at, of a sentence about it, and of any sentence.
_LONGEST_ERROR, _LONGEST_TEXT, _LONGEST_SENTENCE = 10_000, 400, 4000
#: The states of an order (RFC 8555 section 7.1.6).
_STATES = ("pending", "ready", "processing", "valid", "invalid")
_MOST_AUTHORIZATIONS = 200
_LONGEST_URL = 1000
#: The characters of a URL (RFC 3986), without those by which a TXT record would get another meaning.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,=%\[\]-]+")
#: A token (RFC 8555 section 8.1) and a thumbprint, or the digest of both.
_TOKEN = r"[A-Za-z0-9_-]{1,200}"
_FILE = re.compile(rf"\.well-known/acme-challenge/{_TOKEN}")
_VALUE = re.compile(rf"{_TOKEN}(?:\.{_TOKEN})?")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
_LARGEST_CHAIN = 1024 * 1024
_PEM_CERTIFICATE = re.compile(
    r"-----BEGIN ((?:X509 )?CERTIFICATE)-----[ \t]*\r?\n(?:[ \t]*(?:[A-Za-z0-9+/=]+[ \t]*)?\r?\n)*-----END \1-----"
)
#: What is needed of the result of a module, as it is or what of it.
_NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("failed", "msg", "account_uri", "order_uri", "challenge_data"), ()),
    "order": ("status",),
    "other": ("problem", "http_status"),
}
#: How much may be in it: levels, values of one list or mapping, and characters.
_DEEPEST, _MOST_VALUES, _LARGEST_ANSWER = 5, _MOST_AUTHORIZATIONS + 1, 1024 * 1024
#: In place of the result of a module that was not called, as the others took too long.
NOT_ASKED_WHY = "the CA took so long for others that it was not asked; the next run goes on"
NOT_ASKED = {"failed": True, "msg": NOT_ASKED_WHY}


class Refused(Exception):
    """Why a certificate was not obtained; ``passing`` is whether time alone may mend it.

    ``kind`` is the error of the CA (RFC 8555 section 6.7), such as ``serverInternal``, if it said one.
    """

    def __init__(self, message: str, passing: bool = False, kind: str = "") -> None:
        self.message = clean(message, _LONGEST_SENTENCE)
        super().__init__(self.message)
        self.passing = passing
        self.kind = kind


class NotOffered(Refused):
    """The CA does not offer the challenge that is wanted."""


class Challenge(t.NamedTuple):
    """What proves that a name is the own one. ``name`` is as it was ordered.

    ``value`` is the content of the file ``path`` below the web root, or of the TXT record ``record``; for
    dns-persist-01 it is that of a record which stays.
    """

    name: str
    value: str
    path: str = ""
    record: str = ""


def unusable(error: OSError) -> Refused:
    """Why a certificate was not obtained of which a file cannot be read or written."""
    return Refused(f"{error.filename} cannot be used: {error.strerror}")


@contextlib.contextmanager
def read_for(refuse: t.Callable[[Refused], None]) -> t.Iterator[None]:
    """Read an answer about one certificate: what cannot be read, or kept, is a problem of this certificate alone."""
    try:
        yield
    except Refused as problem:
        refuse(problem)
    except OSError as error:
        refuse(unusable(error))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        refuse(Refused(f"what the CA answered cannot be read ({type(error).__name__})"))


def reduced(result: Values) -> dict[str, t.Any]:
    """What is needed of the result of a module of ``community.crypto``: in printable characters, and bounded.

    Of the chain its certificates alone are left, as PEM; whoever reads it makes new PEM of it.
    """
    kept: dict[str, t.Any] = {"crashed": _is_crash(result)}
    for key, parts in _NEEDED.items():
        if key in result:
            value = result[key]
            chosen = {one: value[one] for one in parts if one in value} if parts and isinstance(value, dict) else value
            kept[key] = _bounded(chosen, _DEEPEST)
    if len(json.dumps(kept)) > _LARGEST_ANSWER:
        return {"failed": True, "msg": "the CA answered with more than belongs to an order", "crashed": False}
    if "selected_chain" in result:
        kept["selected_chain"] = {"full_chain": _certificates_of(_mapping(result["selected_chain"]).get("full_chain"))}
    return kept


def _certificates_of(pem: t.Any) -> str | None:
    """The certificates in some PEM without the text around them, which Ansible would show, or None.

    There is nothing else in a chain (RFC 8555 section 9.1). What is damaged, or claims to be something else, cannot be
    left out either: without it, the chain would be another one.
    """
    if not isinstance(pem, str) or len(pem) > _LARGEST_CHAIN or "-----BEGIN" in _PEM_CERTIFICATE.sub("", pem):
        return None
    blocks = (block.group().split("\n") for block in _PEM_CERTIFICATE.finditer(pem))
    return "".join(f"{line.strip()}\n" for block in blocks for line in block if line.strip())


def _bounded(value: t.Any, deepest: int) -> t.Any:
    if isinstance(value, str):
        return printable(" ".join(value[:_LONGEST_ERROR].split()))
    if isinstance(value, (dict, list)) and deepest == 0:
        return None
    if isinstance(value, dict):
        some = list(value.items())[:_MOST_VALUES]
        return {printable(str(key)[:_LONGEST_TEXT]): _bounded(one, deepest - 1) for key, one in some}
    if isinstance(value, list):
        return [_bounded(one, deepest - 1) for one in value[:_MOST_VALUES]]
    return value


def url(value: t.Any, what: str) -> str:
    """A URL by which the CA names something. Raises Refused."""
    if isinstance(value, str) and len(value) <= _LONGEST_URL and _URL.fullmatch(value):
        with contextlib.suppress(OcspError):
            parse_url(value)
            return value
    raise Refused(f"the CA gave no valid URL of {what}: {_shown(value)}")


def state(order: t.Any) -> str:
    """The state of an order. Raises Refused."""
    found = order.get("status") if isinstance(order, dict) else order
    if isinstance(found, str) and found in _STATES:
        return found
    raise Refused(f"the CA gave no valid state of the order: {_shown(found)}")


def chain(value: t.Any) -> bytes:
    """The certificates that were issued, as PEM. Raises Refused."""
    found = value.get("full_chain") if isinstance(value, dict) else None
    if not isinstance(found, str) or not found.isascii() or len(found) > _LARGEST_CHAIN:
        raise Refused("the CA gave no certificate chain in PEM")
    return found.encode()


class Order:
    """What an order is for, by which the challenges of a CA are read. ``account`` is the URI of the own account."""

    def __init__(self, names: t.Collection[str], challenge: str, directory: str, account: str) -> None:
        self._names = names
        self._challenge = challenge
        self._directory = directory
        self._account = account

    def challenges(self, given: t.Any) -> list[Challenge]:
        """The challenges of the kind that is wanted, one for each name that is not proven yet. Raises Refused."""
        # One name in many spellings would be as many values of one record.
        if not isinstance(given, list) or len(given) > min(len(self._names), _MOST_AUTHORIZATIONS):
            raise Refused("the CA gave no valid list of authorizations")
        return [self._read(one["identifier"], one["challenges"]) for one in given]

    def _read(self, identifier: t.Any, offered: t.Any) -> Challenge:
        name = self._ordered(identifier)
        found = offered.get(self._challenge)
        if found is None:
            others = ", ".join(sorted(clean(str(one), 40) for one in offered)[:10]) or "none"
            raise NotOffered(f"the CA does not offer {self._challenge} for {name} (it offers: {others})")
        domain = name.removeprefix("*.")
        if self._challenge == "http-01":
            return Challenge(name, _match(_VALUE, found["resource_value"]), path=_match(_FILE, found["resource"]))
        if self._challenge == "dns-01":
            return Challenge(name, _match(_VALUE, found["resource_value"]), record=f"_acme-challenge.{domain}")
        return Challenge(name, self._persistent(domain, found), record=f"_validation-persist.{domain}.")

    def _ordered(self, identifier: t.Any) -> str:
        """The name as it was ordered: what goes into records, files and messages is of the operator, not of the CA."""
        wanted = _comparable(identifier) if isinstance(identifier, str) else None
        for name in self._names:
            # The authorization of a wildcard is for the name below it (RFC 8555 section 7.1.4).
            if wanted in (_comparable(name), _comparable(name.removeprefix("*."))):
                return name
        raise Refused(f"the CA wants a proof for {_shown(identifier)}, which was not ordered")

    def _persistent(self, domain: str, found: Values) -> str:
        """What lets an account have all certificates of a domain (draft-ietf-acme-dns-persist)."""
        issuer = _match(_DOMAIN, found["issuer_domain_names"][0])
        account = url(found["account_uri"], "the account")
        if account != self._account:
            raise Refused(f"the CA wants a record for the account {account}, which is not the one in use")
        if _origin(account) != _origin(self._directory):
            raise Refused(f"the CA wants a record for an account of another server, {_origin(account)}")
        policy = "; policy=wildcard" if f"*.{domain}" in self._names else ""
        return f"{issuer}; accounturi={account}{policy}"


def _comparable(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


def _origin(text: str) -> str:
    return parse_url(text).origin


def _match(pattern: re.Pattern[str], value: t.Any) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise Refused(f"the CA gave a challenge that is not valid: {_shown(value)}")


def _shown(value: t.Any) -> str:
    return f"'{clean(value, 100)}'" if isinstance(value, str) else "something that is not text"


def explain(result: Values) -> Refused:
    """Why a module of ``community.crypto`` failed or was not called, in one sentence."""
    if result.get("msg") == NOT_ASKED_WHY:
        return Refused(NOT_ASKED_WHY, passing=True)
    if result.get("timedout"):
        seconds = _mapping(result["timedout"]).get("period")
        return Refused(f"the CA did not finish within {seconds} seconds", passing=True)
    text = str(result.get("msg", ""))[:_LONGEST_ERROR]
    other = _mapping(result.get("other"))
    problem = _mapping(other.get("problem"))
    kind = _text(problem.get("type")).rpartition(":")[2]
    status = other.get("http_status")
    found = _ERROR.search(text)
    kind = kind or (found.group(1) if found else "")
    passing = kind in _PASSING or (not kind and isinstance(status, int) and (status < 0 or status >= 500))
    passing = passing or ("imed out" in text and not found and not problem)
    if found:
        detail = found.group(2) or _text(problem.get("detail")) or "it gave no reason"
        identifier = _IDENTIFIER.search(text)
        where = f"{identifier.group(1)}: " if identifier else ""
        return Refused(clean(f"the CA says: {where}{detail} ({found.group(1)})", _LONGEST_TEXT), passing, kind)
    if not passing and result.get("crashed"):
        return Refused("what the CA answered cannot be read by community.crypto")
    return Refused(clean(" ".join(text.split()) or "the CA was asked in vain", _LONGEST_TEXT), passing)


def _is_crash(result: Values) -> bool:
    """Whether a module ended by an exception that it did not expect: those that it reports come with ``other``."""
    return bool(result.get("exception") or result.get("module_stderr")) and "other" not in result


def _mapping(value: t.Any) -> Values:
    return value if isinstance(value, dict) else {}


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""
