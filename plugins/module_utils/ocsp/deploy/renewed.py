# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates that another program of the host renews: where it keeps them, and which of them are not live yet.

All that is read here may be read by root alone. The unprivileged program gets a certificate from the live set.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import InputError, MissingError, OcspError
from ..options.parse import CERTIFICATE_LIMIT, did_you_mean
from ..pki.certificate import Certificate, find_leaf, load_certificates
from ..store import parts, reading, sets, tenants
from ..store.parts import Part
from ..store.sets import Layout
from ..text import join_words

Values = t.Mapping[str, t.Any]


class Client(t.NamedTuple):
    """A program that renews certificates: the folders it may have been told to use, and its files below these."""

    folders: t.Tuple[str, ...]
    private_key: str
    certificate: str


#: With a chain in the file of the certificate, key and certificate are all that there is to be read.
CLIENTS: t.Mapping[str, Client] = {
    "certbot": Client(("/etc/letsencrypt",), "live/{name}/privkey.pem", "live/{name}/fullchain.pem"),
    "acme.sh": Client(("/root/.acme.sh",), "{name}/{plain}.key", "{name}/fullchain.cer"),
    "lego": Client(
        ("/etc/lego", "/var/lib/lego", "/root/.lego", "/.lego"),
        "certificates/{name}.key",
        "certificates/{name}.crt",
    ),
    "dehydrated": Client(
        ("/var/lib/dehydrated", "/etc/dehydrated"), "certs/{name}/privkey.pem", "certs/{name}/fullchain.pem"
    ),
    "certmonger": Client(("/etc/pki/tls",), "private/{name}.key", "certs/{name}.crt"),
}
#: acme.sh keeps a certificate with an ECDSA key beside one with an RSA key of the same name.
_ECC = "_ecc"
_KEYS = ("client", "folder", "name", "private_key", "certificate", "chain")
_PATHS = ("private_key", "certificate", "chain")


class Source(t.NamedTuple):
    """The files of a certificate that is renewed on the host.

    ``client`` is what renews it, empty where that is not known, and ``chain`` is empty where there is no such file.
    """

    client: str
    private_key: str
    certificate: str
    chain: str = ""

    @property
    def shown(self) -> str:
        """For a sentence: who renews it, or where."""
        return self.client or self.certificate

    def values(self) -> t.Dict[str, str]:
        """As JSON and ``renewed_by`` have it."""
        return {key: value for key, value in self._asdict().items() if value}


# What a user says


def problem(value: t.Any) -> str:
    """What is wrong with a value of ``renewed_by``, as the rest of a sentence, or an empty string."""
    if isinstance(value, str):
        return "" if value in CLIENTS else _unknown(value)
    if not isinstance(value, t.Mapping):
        return f"must be one of {', '.join(CLIENTS)}, or a mapping with paths"
    wrong = [key for key in value if key not in _KEYS]
    if wrong:
        return f"has no key {wrong[0]}; {did_you_mean(str(wrong[0]), _KEYS)}"
    given = {key: one for key, one in value.items() if one not in (None, "")}
    if not all(isinstance(one, str) for one in given.values()):
        return "must have strings as values"
    relative = [key for key in (*_PATHS, "folder") if key in given and not given[key].startswith("/")]
    if relative:
        return f"must have an absolute path as its {relative[0]}, and has {given[relative[0]]}"
    if "private_key" in given or "certificate" in given:
        missing = [key for key in ("private_key", "certificate") if key not in given]
        return f"has no {missing[0]}" if missing else ""
    if "client" not in given:
        return "has neither a client nor a private_key and a certificate"
    return "" if given["client"] in CLIENTS else _unknown(given["client"])


def _unknown(client: str) -> str:
    return f"is '{client}', which is not one of {', '.join(CLIENTS)}; give private_key and certificate as paths instead"


def find(value: t.Any, name: str) -> Source:
    """The files of a certificate on this host, by ``renewed_by`` of it. Raises InputError."""
    wrong = problem(value)
    if wrong:
        raise InputError(f"renewed_by {wrong}")
    given = {"client": value} if isinstance(value, str) else {key: one for key, one in value.items() if one}
    if "certificate" in given:
        return Source(given.get("client", ""), given["private_key"], given["certificate"], given.get("chain", ""))
    candidates = _candidates(given["client"], given.get("folder"), given.get("name", name))
    there = [one for one in candidates if os.path.lexists(one.certificate)]
    if len(there) > 1:
        raise InputError(
            f"{given['client']} has two such certificates, {there[0].certificate} and {there[1].certificate}; say "
            "which one is meant with 'folder' or 'name' in renewed_by"
        )
    if not there:
        raise MissingError(
            f"{given['client']} has no such certificate: there is no "
            f"{join_words((one.certificate for one in candidates), 'or')}; "
            f"have {given['client']} obtain it first, or say in renewed_by where it is"
        )
    return there[0]._replace(chain=given.get("chain", ""))


def _candidates(client: str, folder: t.Optional[str], name: str) -> t.List[Source]:
    known = CLIENTS[client]
    names = (name, f"{name}{_ECC}") if client == "acme.sh" and not name.endswith(_ECC) else (name,)

    def path(base: str, file: str, one: str) -> str:
        return os.path.join(base, file.format(name=one, plain=one[: -len(_ECC)] if one.endswith(_ECC) else one))

    return [
        Source(client, path(base, known.private_key, one), path(base, known.certificate, one))
        for base in ([folder] if folder else known.folders)
        for one in names
    ]


# What is on the host


def read_leaf(path: str) -> t.Optional[Certificate]:
    """The certificate in a file of another program, or None where there is none. Raises InputError."""
    content = tenants.read_file(path, path, CERTIFICATE_LIMIT)
    return None if content is None else find_leaf(load_certificates(content, path), path)


def live_leaf(layout: Layout, name: str) -> t.Optional[Certificate]:
    """The certificate of the live set of a name, or None where there is none that can be read.

    A damaged one does not keep another one from being put in its place.
    """
    path = os.path.join(layout.live(name), "cert.pem")
    with contextlib.suppress(OcspError):
        content = reading.read_file(path, path, CERTIFICATE_LIMIT)
        return None if content is None else load_certificates(content, path)[0]
    return None


def is_newer(one: Certificate, live: t.Optional[Certificate]) -> bool:
    """Whether a certificate is to replace the live one: it is another one, and was issued no earlier."""
    return live is None or (one.der != live.der and one.not_before >= live.not_before)


def sources(all_parts: t.Iterable[Part]) -> t.Dict[str, Source]:
    """The certificates that owners say are renewed on the host, by name."""
    found: t.Dict[str, Source] = {}
    for part in all_parts:
        for one in part.certificates:
            if one.renewed_by and not one.dropped:
                found.setdefault(one.name, read_source(one.renewed_by))
    return found


def read_source(values: Values) -> Source:
    """The source that ``Source.values`` wrote, from a file that may be of another program."""
    texts = {key: str(values.get(key) or "") for key in ("client", *_PATHS)}
    return Source(texts["client"], texts["private_key"], texts["certificate"], texts["chain"])


# What certificate_set is to do

#: How the role has certificates deployed where its variables do not say it.
DEFAULTS = {"keep": 3, "responder_wait": 300, "apache_port": 488, "endpoints": None, "verify": True}


def settings(all_parts: t.Iterable[Part], name: str) -> t.Dict[str, t.Any]:
    """How the owners of a certificate have it deployed: with the most patience, and looks at all that any looks at."""
    found = [part.deployment for part in all_parts if part.get(name) is not None]
    endpoints = [endpoint for one in found for endpoint in one.get("endpoints") or ()]
    return {
        "keep": max((int(one.get("keep", DEFAULTS["keep"])) for one in found), default=DEFAULTS["keep"]),
        "responder_wait": max((int(one.get("responder_wait", DEFAULTS["responder_wait"])) for one in found), default=0),
        "apache_port": next((one["apache_port"] for one in found if "apache_port" in one), DEFAULTS["apache_port"]),
        "endpoints": endpoints or None,
        "verify": all(one.get("verify", True) for one in found),
    }


def task_values(
    layout: Layout, all_parts: t.Sequence[Part], name: str, source: Source, config: Values
) -> t.Dict[str, t.Any]:
    """The options of ``certificate_set`` that deploy a certificate from its source, as its owners configured it.

    ``config`` has ``workers`` and ``fetch``. Raises InputError where no owner configured it.
    """
    certificate = _certificate_values(all_parts, name, source)
    chosen = settings(all_parts, name)
    return {
        "certificates": [certificate],
        "state": "present",
        "part": None,
        "pruned": None,
        "service_settings": {},
        "services": [],
        "found": [],
        "owner": certificate["owner"],
        "group": certificate["group"],
        "mode": certificate["mode"],
        "staple": True,
        "options": {},
        "source": None,
        "remote_source": True,
        "fetch_from": "host" if config["fetch"] else "nowhere",
        "workers": config["workers"],
        "responder_wait": chosen["responder_wait"],
        "fail_on_held_back": True,
        "endpoints": chosen["endpoints"],
        "keep": chosen["keep"],
        "force": False,
        "apache_port": chosen["apache_port"],
        "path": layout.root,
        "state_path": layout.state,
    }


def _certificate_values(all_parts: t.Sequence[Part], name: str, source: Source) -> t.Dict[str, t.Any]:
    """The certificate itself, as its owners configured it. Raises InputError where none did."""
    owners = [(part, one) for part in all_parts for one in [part.get(name)] if one is not None]
    if not owners:
        raise InputError(f"{name} is not configured by the role on this host")
    part, one = owners[0]
    owner, group, mode = _access(str(one.agreed.get("key") or sets.Access().shown))
    values: t.Dict[str, t.Any] = dict.fromkeys(_OF_A_CERTIFICATE)
    values.update(
        name=name,
        names=list(one.agreed.get("names") or [name]),
        services=parts.services_of(all_parts, name),
        owner=owner,
        group=group,
        mode=mode,
        staple=all(other.staple for _part, other in owners),
        options={**part.defaults, **one.options},
        renewed_by=source.values(),
    )
    return values


_OF_A_CERTIFICATE = (
    *("name", "names", "services", "owner", "group", "mode", "staple", "options", "renewed_by"),
    *("response_content", "fetch_problem", "fetch_problem_code", "source", "responder_urls"),
    *(f"{part}_{kind}" for part in sets.SOURCE_SUFFIXES for kind in ("path", "src", "content")),
)


def _access(shown: str) -> t.Tuple[str, str, str]:
    """Owner, group and mode of a key, as ``Access.shown`` has them."""
    names, _space, mode = shown.rpartition(" ")
    owner, _colon, group = names.partition(":")
    return owner, group, mode
