# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who configured what on a host: each owner has a part of the configuration, and all parts together are what counts.

An owner is, as a rule, the role or the play that includes the role ocsp_stapling. Its part is one file:

    parts/<owner>.json  {"version": 1, "owner": "web", "came": 1, "defaults": {options}, "services": {settings},
                         "deployment": {how its certificates are deployed, where that is not the default},
                         "program": {settings of the program, which are those of the whole host},
                         "certificates": [{"name", "services", "staple", "dropped", "agreed", "since",
                                           "renewed_by": {paths on the host}, and options}],
                         "shares": [{"place", "turn", "certificates": {NAME: [services]}, "former": [NAME], "defaults",
                                     "services", "deployment"}]}

``came`` is a number that is larger the later an owner came to the host; it is missing in parts from before it existed.
Each share is what one task of the owner gave with one turn, and what is outside of them is what they make together.
``agreed`` is what other parts have to give alike, and
``since`` a number that is larger the later that was changed. ``dropped`` marks a certificate that its owner no longer
gives, until nothing uses it any more.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import typing as t
from dataclasses import asdict, dataclass, field, replace

from .. import secrets
from ..errors import FileError, InputError
from . import files, reading
from .sets import PARTS, Access, Layout, Misplaced, write_new
from .sets import misplaced as misplaced_at

FOLDER = PARTS
#: The owner of what was configured before parts existed, until an owner claims it.
FORMER = "former"
#: The keys of a certificate beside options of ``ocsp_response``.
KEYS = ("name", "services", "staple", "dropped", "agreed", "since", "renewed_by")

#: What counts as the arrival of a certificate that no owner configures any more: it is sorted after all others.
_GONE = 1 << 30
_LARGEST = 64 * 1024 * 1024
_LONGEST = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)

Values = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Certificate:
    """What an owner wants of one certificate. ``options`` are those of ``ocsp_response``.

    ``renewed_by`` has the paths of its files where another program of the host renews it.
    """

    name: str
    services: t.Tuple[str, ...] = ()
    staple: bool = True
    options: Values = field(default_factory=dict)
    agreed: Values = field(default_factory=dict)
    dropped: bool = False
    since: int = 0
    renewed_by: Values = field(default_factory=dict)

    def complete(self, defaults: Values) -> Certificate:
        """The same with the defaults of its owner among its options."""
        return replace(self, options={**defaults, **self.options})


@dataclass(frozen=True)
class Share:
    """What one inclusion of an owner gave: the services of its certificates, by name, and its settings.

    ``place`` and ``turn`` tell which one, as ``place`` and ``number`` of a turn. ``former`` are the names of those that
    it no longer gives, nor does any other one, until they are removed.
    """

    place: str
    turn: int
    certificates: t.Mapping[str, t.Tuple[str, ...]]
    defaults: Values = field(default_factory=dict)
    services: Values = field(default_factory=dict)
    deployment: Values = field(default_factory=dict)
    former: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What one owner configured: its certificates in their order, defaults of their options, settings of services.

    ``came`` is larger the later the owner came to the host, and 0 where that is unknown. ``deployment`` is how the
    program on the host is to deploy them, where that is not the default: ``keep``, ``responder_wait``, ``apache_port``,
    ``endpoints`` and ``verify``, and the hooks of other programs (``hooks``). ``program`` is what the owner set for the
    whole host, by the names of the role's variables; it is empty where that is unknown. ``shares`` are what of it each
    of its inclusions gave.
    """

    owner: str
    certificates: t.Tuple[Certificate, ...] = ()
    defaults: Values = field(default_factory=dict)
    services: Values = field(default_factory=dict)
    deployment: Values = field(default_factory=dict)
    came: int = 0
    program: Values = field(default_factory=dict)
    shares: t.Tuple[Share, ...] = ()

    @functools.cached_property
    def _given(self) -> t.Dict[str, Certificate]:
        return {one.name: one for one in self.certificates if not one.dropped}

    def get(self, name: str) -> t.Optional[Certificate]:
        """The certificate of this name that the owner gives, if there is one."""
        return self._given.get(name)

    def facts(self, one: Certificate) -> t.Dict[str, t.Any]:
        """What has to be alike in all parts that give this certificate; None is a default."""
        options = {f"option {key}": value for key, value in {**self.defaults, **one.options}.items()}
        return {**one.agreed, "staple": one.staple, **{key: one for key, one in options.items() if one is not None}}


# Files


def file_name(owner: str) -> str:
    """The name of an owner's file: the owner itself where that can be one."""
    if _PLAIN.fullmatch(owner):
        return f"{owner}.json"
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", owner).strip("-.")[:_LONGEST]
    return f"{plain or 'owner'}-{hashlib.sha256(owner.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}.json"


def check_owner(owner: str) -> None:
    """Raises InputError for what cannot name an owner."""
    if not owner.strip() or len(owner) > _LONGEST or not owner.isprintable():
        raise InputError(
            f"ocsp_stapling_owner: {owner!r} is not a valid name; use up to {_LONGEST} printable characters"
        )
    if secrets.passwords({"owner": owner}):
        raise InputError("ocsp_stapling_owner: this is not a valid name, since it contains a password")


def path(layout: Layout, owner: str) -> str:
    """Where the part of an owner lies."""
    return os.path.join(layout.root, FOLDER, file_name(owner))


def load(layout: Layout, owner: str = "") -> t.List[Part]:
    """All parts, in the order of their owners.

    Raises InputError for a file that is damaged, except that of ``owner``, which is about to be rewritten.
    """
    folder = os.path.join(layout.root, FOLDER)
    names: t.List[str] = []
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from None
    mine = file_name(owner) if owner else ""
    read = (_read(os.path.join(folder, name), name == mine) for name in names)
    return sorted((part for part in read if part is not None), key=lambda part: part.owner)


def _read(path_: str, forgiving: bool) -> t.Optional[Part]:
    content = reading.read_file(path_, path_, _LARGEST)
    try:
        return parse(json.loads(content or b"{}"))
    except (ValueError, KeyError, TypeError, AttributeError):
        if forgiving:
            return None
        raise InputError(f"{path_} is damaged; remove it, and run the role or play that owns it again") from None


def parse(values: Values) -> Part:
    """A part from the values of its file. Raises ValueError, KeyError, TypeError or AttributeError."""
    if values["version"] != 1:
        raise ValueError("the version of another program")
    certificates = tuple(_certificate(one) for one in values["certificates"])
    given = {one.name: one.services for one in certificates if not one.dropped}
    return Part(
        owner=str(values["owner"]),
        certificates=certificates,
        defaults=dict(values.get("defaults") or {}),
        services=dict(values.get("services") or {}),
        deployment=dict(values.get("deployment") or {}),
        came=int(values.get("came", 0)),
        program=dict(values.get("program") or {}),
        shares=tuple(map(_share, values["shares"])) if "shares" in values else (Share("", 1, given),),
    )


def _share(values: Values) -> Share:
    names = {str(name): tuple(map(str, services)) for name, services in values["certificates"].items()}
    settings = {key: dict(values.get(key) or {}) for key in ("defaults", "services", "deployment")}
    former = tuple(map(str, values.get("former") or ()))
    return Share(str(values["place"]), int(values["turn"]), names, former=former, **settings)


def _certificate(values: Values) -> Certificate:
    return Certificate(
        name=str(values["name"]),
        services=tuple(map(str, values.get("services") or ())),
        staple=bool(values.get("staple", True)),
        options={key: value for key, value in values.items() if key not in KEYS},
        agreed=dict(values.get("agreed") or {}),
        dropped=bool(values.get("dropped", False)),
        since=int(values.get("since", 0)),
        renewed_by=dict(values.get("renewed_by") or {}),
    )


def dump(part: Part) -> str:
    """The text of the file of a part."""
    certificates = [
        {
            **one.options,
            "name": one.name,
            "services": list(one.services),
            "staple": one.staple,
            "dropped": one.dropped,
            "agreed": one.agreed,
            "since": one.since,
            **({"renewed_by": one.renewed_by} if one.renewed_by else {}),
        }
        for one in part.certificates
    ]
    values = {"version": 1, "owner": part.owner, "defaults": part.defaults, "services": part.services}
    values.update({"deployment": part.deployment} if part.deployment else {})
    values.update({"came": part.came} if part.came else {})
    values.update({"program": part.program} if part.program else {})
    values["shares"] = [asdict(share) for share in part.shares]
    return json.dumps({**values, "certificates": certificates}, indent=1, sort_keys=True) + "\n"


def holds_password(part: Part) -> bool:
    """Whether a proxy's password may be in it."""
    places = (part.defaults, *(one.options for one in part.certificates))
    return any("@" in str(place.get("http_proxy") or "") for place in places)


def is_saved(layout: Layout, part: Part) -> bool:
    """Whether the file of a part is as it should be; there is none of a part without certificates."""
    place = path(layout, part.owner)
    content = reading.read_file(place, place, _LARGEST)
    return content == (dump(part).encode("utf-8", "surrogateescape") if part.certificates else None)


def misplaced(layout: Layout, part: Part) -> t.Optional[Misplaced]:
    """How the access to the file of a part is not as it should be, or None."""
    place = path(layout, part.owner)
    return misplaced_at(place, *_secret_access(layout)) if holds_password(part) else misplaced_at(place)


def save(layout: Layout, part: Part) -> None:
    """Have a part on disk, or no file where it has no certificates.

    With a password only root and the user of the program can read it, from the first byte on. Raises FileError.
    """
    place = path(layout, part.owner)
    if not part.certificates:
        files.remove_file(place)
        return
    try:
        os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
        if holds_password(part):
            _close(layout, place)
        files.replace_file(place, dump(part).encode("utf-8", "surrogateescape"), own=not holds_password(part))
    except OSError as error:
        raise FileError(f"cannot write {place}: {error.strerror}") from None


def _close(layout: Layout, place: str) -> None:
    """A file keeps its access when it is replaced, so that it gets that before there is a password in it."""
    mode, group = _secret_access(layout)
    if not os.path.lexists(place):
        empty = dump(Part(""))
        write_new(place, empty.encode("ascii"), Access(os.geteuid(), group, mode))
    elif os.geteuid() == 0:
        os.chown(place, 0, group)
    os.chmod(place, mode)


def _secret_access(layout: Layout) -> t.Tuple[int, int]:
    """The mode and the group of the file of a part with a password."""
    responses = os.path.join(layout.state, "responses")
    return 0o640, os.stat(responses).st_gid if os.path.isdir(responses) else os.getegid()


def find(parts: t.Iterable[Part], owner: str) -> t.Optional[Part]:
    """The part of an owner, if it has one."""
    return next((part for part in parts if part.owner == owner), None)


def is_given(parts: t.Iterable[Part], name: str) -> bool:
    """Whether any owner gives a certificate."""
    return any(part.get(name) for part in parts)


def services_of(parts: t.Iterable[Part], name: str) -> t.List[str]:
    """The services that use a certificate by all parts, each once."""
    found = [service for part in parts for service in getattr(part.get(name), "services", ())]
    return list(dict.fromkeys(found))


def positions(parts: t.Iterable[Part]) -> t.Dict[str, t.Tuple[int, int]]:
    """Where to sort each certificate, those of the same place by name. The first one can be a server's default.

    The owner that came first comes first, so that no later one takes the default from it. Where it is unknown who came
    first, the first certificates of these owners come before their second ones. What no owner gives any more is last.
    """
    found: t.Dict[str, t.Tuple[int, int]] = {}
    for part in parts:
        for position, one in enumerate(part.certificates):
            place = (_GONE if one.dropped else part.came, position)
            found[one.name] = min(place, found.get(one.name, place))
    return found


def replaced(parts: t.Iterable[Part], part: Part) -> t.List[Part]:
    """The parts with one in the place of its owner's, which is gone where it has no certificates."""
    others = [one for one in parts if one.owner != part.owner]
    return sorted([*others, *([part] if part.certificates else [])], key=lambda one: one.owner)


def without(part: Part, names: t.Container[str]) -> Part:
    """A part without some certificates."""
    certificates = tuple(one for one in part.certificates if one.name not in names)
    shares = (without_names(share, names, names) for share in part.shares)
    return replace(part, certificates=certificates, shares=with_something(shares))


def with_something(shares: t.Iterable[Share]) -> t.Tuple[Share, ...]:
    return tuple(share for share in shares if share.certificates or share.former)


def without_names(share: Share, given: t.Container[str], former: t.Container[str]) -> Share:
    """A share without some certificates that it gives, and some that it no longer does."""
    return replace(
        share,
        certificates={name: one for name, one in share.certificates.items() if name not in given},
        former=tuple(name for name in share.former if name not in former),
    )


def given_up(part: Part, places: t.Optional[t.Container[str]] = None) -> t.Set[str]:
    """The dropped certificates that these tasks of an owner, or any of them, gave."""
    marked = {name for share in part.shares for name in share.former}
    of_places = {name for share in part.shares if places is None or share.place in places for name in share.former}
    return {one.name for one in part.certificates if one.dropped and (one.name in of_places or one.name not in marked)}


def settled(part: Part, names: t.Container[str], places: t.Optional[t.Container[str]] = None) -> Part:
    """A part of which tasks are done with certificates that they no longer give; ``places`` as for ``given_up``."""
    shares = [
        without_names(share, (), names) if places is None or share.place in places else share for share in part.shares
    ]
    left = {name for share in shares for name in share.former}
    certificates = (one for one in part.certificates if not one.dropped or one.name in left or one.name not in names)
    return replace(part, certificates=tuple(certificates), shares=with_something(shares))


def dropped(parts: t.Iterable[Part]) -> t.Dict[str, t.List[Part]]:
    """The certificates that owners no longer configure, each with the parts of those owners."""
    found: t.Dict[str, t.List[Part]] = {}
    for part in parts:
        for one in part.certificates:
            if one.dropped:
                found.setdefault(one.name, []).append(part)
    return found


# Configurations from before there were parts


def former(layout: Layout, parts: t.Iterable[Part]) -> Part:
    """What config.json holds that no part has: certificates that were configured before there were parts."""
    place = os.path.join(layout.root, "config.json")
    values: t.Any = {}
    with contextlib.suppress(OSError, ValueError), open(place, encoding="utf-8") as handle:
        values = json.load(handle)
    try:
        found = parse({"version": 1, "owner": FORMER, "certificates": [], "shares": [], **values})
    except (ValueError, KeyError, TypeError, AttributeError):
        return Part(FORMER)
    return without(found, {one.name for part in parts for one in part.certificates})
