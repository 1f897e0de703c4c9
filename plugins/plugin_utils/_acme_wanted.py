# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which certificates the hosts of a play want from an ACME CA, each once, and what is wrong with that."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible.module_utils.common.validation import check_type_list
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.certops.ocsp.plugins.module_utils import _kinds
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import names as hostnames
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import did_you_mean
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.table import SERVERS
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import join_words
from ansible_collections.certops.ocsp.plugins.plugin_utils._groups import Obtainable

CHALLENGES = ("http-01", "dns-01", "dns-persist-01")
KEY_TYPES = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")

Values = t.Mapping[str, t.Any]

#: What ``acme`` of a group or domain may have; the role has a variable of the same name for each.
KEYS = ("challenge", "key_type", "profile", "chain", "must_staple", "new_key")


class _Kind(t.NamedTuple):
    """How a value is read, and what it must be. ``read`` raises TypeError or ValueError."""

    read: t.Callable[[t.Any], t.Any]
    name: str


def _one_of(*choices: str) -> _Kind:
    def read_choice(value: t.Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return _Kind(read_choice, f"one of {', '.join(choices)}")


def _read_text(value: t.Any) -> str:
    if isinstance(value, (t.Mapping, list)):
        raise TypeError
    return "" if value is None else str(value)


def _read_list(value: t.Any) -> list[str]:
    """A list, or a text with commas, as variables of the command line are."""
    return [_read_text(one) for one in check_type_list(value)]


def _read_mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    if not isinstance(value, t.Mapping):
        raise TypeError
    return value


def _read_share(value: t.Any) -> float:
    if _kinds.problem({"type": "float"}, value):
        raise TypeError
    return float(value)


def _read_count(value: t.Any) -> int:
    if _kinds.problem({"type": "int"}, value) or int(value) < 0:
        raise ValueError
    return int(value)


_TEXT = _Kind(_read_text, "a text")
_LIST = _Kind(_read_list, "a list of texts")
_MAPPING = _Kind(_read_mapping, "a mapping")
_TRUTH = _Kind(boolean, "true or false")
#: What each setting of the role is, and each key of ``acme``. Ansible is not asked to check them, since it repeats what
#: it refuses, which may be a key or a password.
KINDS: dict[str, _Kind] = {
    **dict.fromkeys(("directory", "ca_file", "account_key", "folder", "vault_id", "http_folder", "dns_tasks"), _TEXT),
    **dict.fromkeys(("controller_cache", "email"), _TEXT),
    **dict.fromkeys(("profile", "chain", "vault_secret", "account_key_content"), _TEXT),
    **dict.fromkeys(("terms_agreed", "http_check", "use_ari", "deploy", "must_staple", "new_key"), _TRUTH),
    **dict.fromkeys(("http_hosts", "roots", "force"), _LIST),
    **dict.fromkeys(("eab", "dns_alias", "environment"), _MAPPING),
    "challenge": _one_of(*CHALLENGES),
    "key_type": _one_of(*KEY_TYPES),
    "renew_at": _Kind(_read_share, "a number between 0 and 1"),
    "weekly_limit": _Kind(_read_count, "a whole number, 0 or more"),
}
#: What may change while an order is under way.
_NO_MATTER = ("hosts", "challenge", "chain", "new_key", "stapled", "responder")
#: In what hosts may differ that want the same certificate.
_OF_HOSTS = ("hosts", "stapled", "responder")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Request:
    """One certificate that is to be had.

    ``names`` are in A-labels, sorted; ``hosts`` want it, and any of them with a staple if it is ``stapled``,
    or from a ``responder`` that the certificate does not name.
    """

    name: str
    names: tuple[str, ...]
    challenge: str
    key_type: str
    profile: str
    chain: str
    must_staple: bool
    new_key: bool
    hosts: tuple[str, ...] = ()
    stapled: bool = True
    responder: bool = False

    def values(self) -> dict[str, t.Any]:
        """As JSON has it, but for the hosts."""
        return {**dataclasses.asdict(self), "names": list(self.names), "hosts": list(self.hosts)}

    @classmethod
    def of(cls, values: Values) -> Request:
        """From what ``values`` returned."""
        return cls(**{**values, "names": tuple(values["names"]), "hosts": tuple(values["hosts"])})

    @property
    def agreed(self) -> dict[str, t.Any]:
        """What makes an order for it, so that one that was begun for something else is not taken up."""
        return {key: value for key, value in self.values().items() if key not in _NO_MATTER}


def read_settings(given: Values) -> tuple[dict[str, t.Any], list[str]]:
    """The settings of the role, converted, and all that is wrong with them, without what they are."""
    settings, faults = _convert(given)
    return settings, [f"acme_certificates_{fault}" for fault in faults]


def _convert(given: Values) -> tuple[dict[str, t.Any], list[str]]:
    """Settings, or keys of ``acme``, as they are meant, and what is wrong with those that cannot be."""
    values, faults = dict(given), []
    for name in given.keys() & KINDS.keys():
        kind = KINDS[name]
        try:
            values[name] = kind.read(given[name])
        except (TypeError, ValueError):
            faults.append(f"{name} must be {kind.name}")
    return values, sorted(faults)


def read(obtainable: t.Iterable[Obtainable], defaults: Values) -> tuple[list[Request], list[str]]:
    """What one host wants, and all that is wrong with it, as sentences. ``defaults`` are the variables of the role."""
    requests, faults = [], []
    for one in obtainable:
        if one.acme and one.acme[-1] is False:
            continue
        values, wrong = _merge(one, defaults)
        names, bad = _names(one.names or [one.name])
        faults += [f"{one.name}: {fault}" for fault in [*wrong, *bad]]
        if not wrong and not bad:
            request = Request(one.name, names, **values, stapled=one.staple, responder=one.responder)
            faults += [f"{one.name}: {fault}" for fault in _contradictions(request, one)]
            requests.append(request)
    return requests, faults


def _merge(one: Obtainable, defaults: Values) -> tuple[dict[str, t.Any], list[str]]:
    merged = {key: defaults[key] for key in KEYS}
    faults: list[str] = []
    for given in one.acme:
        if isinstance(given, bool):
            continue
        if not isinstance(given, t.Mapping):
            faults.append("acme must be false or a mapping")
            continue
        faults += [f"acme: {key} is not known; {did_you_mean(str(key), KEYS)}" for key in given if key not in KEYS]
        values, wrong = _convert({key: value for key, value in given.items() if key in KEYS and value is not None})
        faults += [f"acme: {fault}" for fault in wrong]
        merged.update(values)
    return merged, faults


def _names(given: t.Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Host names as certificates have them, and addresses, each once."""
    found, faults = set(), []
    for name in given:
        spelled = hostnames.address(name) or hostnames.server_name(name)
        if spelled is not None and (hostnames.address(spelled) or _is_full(spelled)):
            found.add(spelled)
        else:
            faults.append(f"no CA issues a certificate for '{name}', which is not a full host name; give names")
    return tuple(sorted(found)), faults


def _is_full(name: str) -> bool:
    labels = name.removeprefix("*.").split(".")
    return len(name) <= 253 and len(labels) > 1 and all(map(_LABEL.fullmatch, labels))


def _contradictions(request: Request, one: Obtainable) -> t.Iterator[str]:
    wildcards = [name for name in request.names if name.startswith("*.")]
    if wildcards and request.challenge == "http-01":
        yield f"a wildcard such as {wildcards[0]} needs the challenge dns-01 or dns-persist-01, and not http-01"
    addresses = [name for name in request.names if hostnames.address(name)]
    if addresses and request.challenge != "http-01":
        yield f"an address such as {addresses[0]} needs the challenge http-01, and not {request.challenge}"
    if request.must_staple:
        if not one.staple:
            yield "it cannot demand stapling (acme: must_staple) and be deployed without (staple: false)"
        unable = [name for name in one.services if name in SERVERS and not SERVERS[name].staples]
        if unable:
            yield f"it cannot demand stapling (acme: must_staple), which {join_words(unable)} cannot do"


def unite(by_host: t.Mapping[str, t.Sequence[Request]]) -> tuple[list[Request], list[str]]:
    """Each certificate once, with all hosts that want it; of two hosts that want different ones, a sentence."""
    found: dict[str, Request] = {}
    faults: dict[str, None] = {}
    for host, requests in by_host.items():
        for request in requests:
            known = found.setdefault(request.name, request)
            differing = [
                field.name
                for field in dataclasses.fields(Request)
                if field.name not in _OF_HOSTS and getattr(known, field.name) != getattr(request, field.name)
            ]
            if differing:
                other = known.hosts[0] if known.hosts else host
                what = ", ".join(sorted(differing))
                faults[f"{request.name}: {other} and {host} want different certificates of this name ({what})"] = None
                continue
            hosts = tuple(dict.fromkeys([*known.hosts, host]))
            either = {key: getattr(known, key) or getattr(request, key) for key in ("stapled", "responder")}
            found[request.name] = dataclasses.replace(known, hosts=hosts, **either)
    return list(found.values()), list(faults)
