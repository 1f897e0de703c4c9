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
from ..errors import Fault, FileError, InputError
from ..text import join_words, quoted
from . import files, reading
from .sets import PARTS, Access, Layout, write_new

FOLDER = PARTS
#: The owner of what was configured before parts existed, until an owner claims it.
FORMER = "former"
#: What to do about settings of the whole host that differ.
REMEDY = "set it once, in the inventory"
#: The keys of a certificate beside options of ``ocsp_response``.
KEYS = ("name", "services", "staple", "dropped", "agreed", "since", "renewed_by")

#: What counts as the arrival of a certificate that no owner configures any more: it is sorted after all others.
_GONE = 1 << 30
_LARGEST = 64 * 1024 * 1024
_LONGEST = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)

Values = t.Mapping[str, t.Any]
#: The certificates that inclusions of one owner gave in a run of Ansible, each with its services if they are known.
Claimed = t.Mapping[str, t.Optional[t.Sequence[str]]]

#: How what has to be alike is called in messages, as in the groups of the role.
_CALLED = {
    "certificate": "certificate",
    "chain": "chain",
    "root": "root",
    "names": "names",
    "key": "key_owner, key_group or key_mode",
    "staple": "staple",
    "renewed_by": "renewed_by",
}
#: Those of them that are settings, and those that are what is in files.
_SET = ("names", "key", "renewed_by")
_FILES = ("certificate", "chain", "root")

#: The variables of the role that have another name than what becomes of them.
_VARIABLES = {"hooks": "renewal_hooks"}


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
        files.replace_file(place, dump(part).encode("utf-8", "surrogateescape"))
        if not holds_password(part):
            os.chmod(place, 0o644)  # only now: what was there may have held one
    except OSError as error:
        raise FileError(f"cannot write {place}: {error.strerror}") from None


def _close(layout: Layout, place: str) -> None:
    """A file keeps its access when it is replaced, so that it gets that before there is a password in it."""
    responses = os.path.join(layout.state, "responses")
    group = os.stat(responses).st_gid if os.path.isdir(responses) else os.getegid()
    if not os.path.lexists(place):
        empty = dump(Part(""))
        write_new(place, empty.encode("ascii"), Access(os.geteuid(), group, 0o640))
    elif os.geteuid() == 0:
        os.chown(place, 0, group)
    os.chmod(place, 0o640)


# One owner's part, and the others


class Turn(t.NamedTuple):
    """Which inclusion of the role it is.

    ``place`` is the task that includes it, and ``number`` how often that has done so in this run of Ansible, this time
    included. ``is_last`` is whether it is known to do so no more, and ``is_open`` whether it is known to do so again.
    ``is_known`` is whether all that the owner gave earlier in the run is known.
    """

    place: str = ""
    number: int = 1
    is_last: bool = False
    is_open: bool = False
    is_known: bool = True


def merge(mine: Part, recorded: t.Optional[Part], turn: Turn, claimed: Claimed, kept: t.Collection[str] = ()) -> Part:
    """The part of an owner after one of its inclusions, which gives ``mine``.

    ``claimed`` is what earlier inclusions of the same run gave, and ``kept`` are the names that this one gives, too,
    and that stay as they are. What this turn gave before and gives no more was dropped, unless another one gives it.
    What is from other tasks stays: they may have been skipped, be still to come, or not come because the run fails
    before them.
    """
    before = recorded if recorded is not None else Part(mine.owner)
    shares = _shares_after(mine, before, turn, claimed, set(kept))
    defaults, services = _common(share.defaults for share in shares), _services_in(shares)
    known = {one.name: _complete(one, before.defaults) for one in before.certificates}
    now = {one.name: _complete(one, mine.defaults) for one in mine.certificates}
    given = {*claimed, *kept, *services}
    gone = former_of(shares, turn)
    merged = {
        one.name: replace(
            _reduced(one, defaults),
            services=services.get(one.name, one.services),
            dropped=(one.dropped or one.name in gone) and one.name not in given,
        )
        for one in {**known, **now}.values()
    }
    earlier = [name for name in claimed if name in known]
    first_here = [name for name in now if name not in earlier]
    of_turn = [name for name in _share_of(before, turn).certificates if name in known]
    return replace(
        mine,
        certificates=tuple(merged[name] for name in _in_order(first_here, [*known], earlier, of_turn)),
        defaults=defaults,
        services=_united(share.services for share in shares),
        deployment=_deployment_of(shares),
        shares=tuple(shares),
    )


def _shares_after(mine: Part, before: Part, turn: Turn, claimed: Claimed, kept: t.Container[str]) -> t.List[Share]:
    """What each inclusion of an owner has given, once this one gives ``mine``; see ``merge``."""
    last = _share_of(before, turn)
    stay = {name: services for name, services in last.certificates.items() if name in kept or not turn.is_known}
    goes_on = _goes_on(before.shares, turn)
    names = {**stay, **{one.name: one.services for one in mine.certificates}}
    settings = mine.services
    if goes_on:
        # Of tasks that look alike, this may be the second one, after the first was skipped: its services stay as well.
        names = {name: _each_once((*last.certificates.get(name, ()), *used)) for name, used in names.items()}
        others = _used_in(names) - _used_in({one.name: one.services for one in mine.certificates})
        settings = {**{name: one for name, one in last.services.items() if name in others}, **settings}
    over = [one for one in before.shares if turn.is_last and turn.is_known and _is_later(one, turn)]
    former = [name for one in (last, *over) for name in (*one.former, *one.certificates)]
    share = Share(turn.place, turn.number, names, mine.defaults, settings, mine.deployment, _each_once(former))
    shares = [share if one is last else one for one in before.shares if one not in over]
    shares += [] if last in before.shares else [share]
    if not goes_on:
        # In check mode, earlier turns of this run have left no trace but in what is claimed.
        shares = [_given_in(one, claimed) if _is_earlier(one, turn) else one for one in shares]
    if turn.place:  # what is from an unknown one, until a task gives it
        shares = [one if one.place else _without(one, names, ()) for one in shares]
    given = {name for one in shares for name in one.certificates}
    return [*_with_something(_without(one, (), given) for one in shares)]


def _goes_on(shares: t.Iterable[Share], turn: Turn) -> bool:
    """Whether a later turn of the same task may come, so that it is not known yet what it no longer gives.

    Of tasks that look alike, the first may have been skipped.
    """
    return not turn.is_known or turn.is_open or (not turn.is_last and any(_is_later(share, turn) for share in shares))


def _given_in(share: Share, claimed: Claimed) -> Share:
    """What of a share this run of Ansible has given."""
    left = {}
    for name, services in share.certificates.items():
        used = claimed.get(name, ())
        if name in claimed:
            left[name] = services if used is None else tuple(one for one in services if one in used)
    former = (*share.former, *(name for name in share.certificates if name not in left))
    unused = _used_in(share.certificates) - _used_in(left)
    settings = {name: one for name, one in share.services.items() if name not in unused}
    return replace(share, certificates=left, services=settings, former=former)


def _used_in(certificates: t.Mapping[str, t.Sequence[str]]) -> t.Set[str]:
    return {service for services in certificates.values() for service in services}


def _is_earlier(share: Share, turn: Turn) -> bool:
    return share.place == turn.place and share.turn < turn.number


def _is_later(share: Share, turn: Turn) -> bool:
    return share.place == turn.place and share.turn > turn.number


def _share_of(part: Part, turn: Turn) -> Share:
    """What an owner has given with a turn; nothing if that has not come yet."""
    found = (one for one in part.shares if (one.place, one.turn) == (turn.place, turn.number))
    return next(found, Share(turn.place, turn.number, {}))


def _services_in(shares: t.Iterable[Share]) -> t.Dict[str, t.Tuple[str, ...]]:
    """The services of each certificate by all shares, each once."""
    found: t.Dict[str, t.Dict[str, None]] = {}
    for share in shares:
        for name, services in share.certificates.items():
            found.setdefault(name, {}).update(dict.fromkeys(services))
    return {name: tuple(services) for name, services in found.items()}


def _each_once(names: t.Iterable[str]) -> t.Tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _common(several: t.Iterable[Values]) -> t.Dict[str, t.Any]:
    """What all of them say alike."""
    first, *others = [*several] or [{}]
    return {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}


def _united(several: t.Iterable[Values]) -> t.Dict[str, t.Any]:
    """What any of them says; the later ones count more."""
    return {key: value for one in several for key, value in one.items()}


def _deployment_of(shares: t.Sequence[Share]) -> t.Dict[str, t.Any]:
    """How the certificates of all shares are deployed: what is served is looked at wherever one of them says."""
    found = _united(share.deployment for share in shares)
    endpoints = [one for share in shares for one in share.deployment.get("endpoints") or ()]
    if endpoints:
        found["endpoints"] = [one for number, one in enumerate(endpoints) if one not in endpoints[:number]]
    return found


def _complete(one: Certificate, defaults: Values) -> Certificate:
    return replace(one, options={**defaults, **one.options})


def _reduced(one: Certificate, defaults: Values) -> Certificate:
    options = {key: value for key, value in one.options.items() if key not in defaults or defaults[key] != value}
    return replace(one, options=options)


def _in_order(
    given: t.List[str], known: t.List[str], earlier: t.Collection[str], of_turn: t.Collection[str]
) -> t.List[str]:
    """The names that are known in their order, with the given ones in theirs, after those that came earlier.

    What is known stays where it is if that agrees with it, so that no inclusion undoes what another one has done.
    Otherwise the given ones come together where the first of them was, or what the same turn gave until now.
    """
    now, place = set(given), {name: number for number, name in enumerate(known)}
    places = [place[name] for name in given if name in place]
    latest = max((place[name] for name in earlier), default=-1)
    if len(places) == len(given) and places == sorted(places) and latest < min(places, default=len(known)):
        return known
    first = max(min([*places, *(place[name] for name in of_turn)], default=len(known)), latest + 1)
    others = [[name for name in names if name not in now] for names in (known[:first], known[first:])]
    return [*others[0], *given, *others[1]]


def dated(part: Part, recorded: t.Optional[Part], found: t.Iterable[Part]) -> Part:
    """A part that notes which of its certificates were changed later than all that is on the host."""
    latest = 1 + max((one.since for other in found for one in other.certificates), default=0)
    certificates = []
    for one in part.certificates:
        before = recorded.get(one.name) if recorded else None
        if recorded and before and not one.dropped:
            one = replace(one, since=before.since if recorded.facts(before) == part.facts(one) else latest)
        certificates.append(one if one.dropped or before else replace(one, since=latest))
    return replace(part, certificates=tuple(certificates))


class Comparison(t.NamedTuple):
    """Why a part and others cannot both be had, and what others have changed since, as sentences by certificate.

    ``warnings`` are about settings of the whole host, of which the last run decides.
    """

    faults: t.List[Fault]
    outdated: t.Dict[str, str]
    warnings: t.List[str]


def compare(
    mine: Part, recorded: t.Optional[Part], others: t.Iterable[Part], together: t.Mapping[str, t.Collection[str]]
) -> Comparison:
    """Compare what one owner gives with what others do. ``together`` is what these gave earlier in the same run.

    A new owner has to agree with those that are there, and those that run together with one another. Whoever changes
    something is followed by the others when they run next; an owner that still gives what it gave before is outdated.
    """
    result = Comparison([], {}, [])
    others = [other for other in others if other.owner not in (mine.owner, FORMER)]
    for other in others:
        _compare_certificates(mine, recorded, other, together.get(other.owner, ()), result)
        result.faults.extend(_compare_services(mine, recorded, other, other.owner in together))
    # Who ran earlier in this run has been compared by the controller; in check mode, its part is that of before.
    before = [other for other in others if other.owner not in together]
    return result._replace(warnings=[*_compare_program(mine, before)])


def _compare_certificates(
    mine: Part, recorded: t.Optional[Part], other: Part, together: t.Container[str], result: Comparison
) -> None:
    for one in mine.certificates:
        theirs = other.get(one.name)
        differing = _differing(mine.facts(one), other.facts(theirs)) if theirs and not one.dropped else []
        if theirs is None or not differing:
            continue
        before = recorded.get(one.name) if recorded else None
        called = f"a different {join_words(_CALLED.get(key, key) for key in differing)}"
        if before is None or one.name in together:
            renewed = _renewed(other) if set(differing) <= set(_FILES) else ""
            renamed = _renamed(mine, other) if before is None else ""
            sentence = f"{_contradiction(mine, other, one.name, called)}{renewed}{renamed}"
            result.faults.append(Fault(one.name, sentence))
        elif recorded and recorded.facts(before) == mine.facts(one) and theirs.since > before.since:
            result.outdated[one.name] = (
                f"{one.name}: {quoted(mine.owner)} still gives {called} than {quoted(other.owner)}, which has changed "
                f"it since; it stays as {quoted(other.owner)} gave it"
            )


def contradicted(mine: Part, recorded: t.Optional[Part], turn: Turn, claimed: t.Container[str]) -> t.Iterator[Fault]:
    """Certificates for which an owner sets something else than it has set before in the same run.

    What is in their files may have changed meanwhile: a first task may deploy one that the second replaces.
    """
    for one in mine.certificates:
        before = recorded.get(one.name) if recorded and one.name in claimed else None
        differing = _differing(mine.facts(one), recorded.facts(before)) if recorded and before else []
        named = [_CALLED.get(key, key) for key in differing if key not in _FILES]
        if named:
            sentence = f"{quoted(mine.owner)} gives a different {join_words(named)}{_than_before(recorded, turn, one)}"
            yield Fault(one.name, f"{one.name}: {sentence}; make both the same")


def _than_before(recorded: t.Optional[Part], turn: Turn, one: Certificate) -> str:
    """Which task of an owner gave a certificate before in this run, where that is another one."""
    places = [share.place for share in recorded.shares if one.name in share.certificates] if recorded else []
    others = [place for place in places if place and place != turn.place]
    if len(others) != 1 or not turn.place:
        return " than it has given before in this run"
    return f" in the task {quoted(turn.place)} than in {quoted(others[0])}"


def _compare_services(mine: Part, recorded: t.Optional[Part], other: Part, together: bool) -> t.Iterator[Fault]:
    for service in sorted(set(mine.services) & set(other.services)):
        is_new = recorded is None or service not in recorded.services
        if mine.services[service] != other.services[service] and (is_new or together):
            yield Fault("", _contradiction(mine, other, f"the service {service}", "different settings"))


def _compare_program(mine: Part, others: t.Iterable[Part]) -> t.Iterator[str]:
    """A sentence for each setting of the whole host that is not as others set it when they ran last."""
    given = {quoted(other.owner): other.program for other in others}
    for one in differing_settings(mine.owner, mine.program, given):
        # Not what these would set now: the inventory may have been changed since.
        whose = "its last run" if one.others == 1 else "their last runs"
        yield (
            f"{one.sentence} in {whose}; {REMEDY}, and run them again; until then, each of them changes it when it runs"
        )


class Differing(t.NamedTuple):
    """A setting of the whole host, by the name of its variable, of which so many ``others`` have another value.

    ``sentence`` is the beginning of one that names all of them with their values.
    """

    variable: str
    sentence: str
    others: int


def differing_settings(owner: str, mine: Values, others: t.Mapping[str, Values]) -> t.Iterator[Differing]:
    """Each setting of an owner that others have set differently, who are given by what to call them."""
    for key, value in sorted(mine.items()):
        found: t.Dict[str, t.List[str]] = {}
        for other, theirs in others.items():
            if theirs.get(key, value) != value:
                found.setdefault(_value(theirs[key]), []).append(other)
        if not found:
            continue
        values = [f"{_value(value)} for {quoted(owner)}"]
        values += [f"{their_value} for {join_words(called)}" for their_value, called in found.items()]
        number = sum(map(len, found.values()))
        # Where several share a value, the last "and" needs a comma.
        with_comma = ", ".join([*values[:-1], f"and {values[-1]}"])
        listed = with_comma if number > len(found) else join_words(values)
        variable = f"ocsp_stapling_{key}"
        yield Differing(variable, f"{variable} is for the whole host, but it is {listed}", number)


def _value(value: t.Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _renewed(other: Part) -> str:
    return f"; if its files were renewed since {quoted(other.owner)} ran, run that first"


def _renamed(mine: Part, other: Part) -> str:
    old = quoted(other.owner)
    return f"; if {quoted(mine.owner)} is a new name of {old}, set ocsp_stapling_owner: {old}"


def _differing(mine: Values, theirs: Values) -> t.List[str]:
    """The keys that both have with different values; an option that is not given has its default."""
    options = {key for key in (*mine, *theirs) if key.startswith("option ")}
    return sorted(key for key in (set(mine) & set(theirs)) | options if mine.get(key) != theirs.get(key))


def _contradiction(mine: Part, other: Part, what: str, how: str) -> str:
    return (
        f"{what}: {quoted(mine.owner)} gives {how} than {quoted(other.owner)}; make both the same, or let only one of "
        "them set it"
    )


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


def is_same_configuration(before: Part, after: Part) -> bool:
    """Whether an owner has set the same, as far as both parts tell it.

    What else is in a part is for comparisons: fingerprints, when they changed, and which inclusion gave what. Nothing
    that servers or the program do depends on that, nor on the order, unless a snippet shows it. A part that an earlier
    release wrote may tell less.
    """
    after = parse(json.loads(dump(after)))  # as it is read again
    return _told_by_both(before, after) == _told_by_both(after, before)


def _told_by_both(part: Part, other: Part) -> Part:
    others = {one.name: one for one in other.certificates}
    certificates = []
    for one in sorted(part.certificates, key=lambda one: one.name):
        known = others.get(one.name, one).agreed
        agreed = {key: value for key, value in one.agreed.items() if key in _SET and key in known}
        certificates.append(replace(one, agreed=agreed, since=0))
    program = {key: value for key, value in part.program.items() if key in other.program}
    return replace(part, certificates=tuple(certificates), program=program, came=0, shares=())


def changed_settings(before: t.Optional[Part], after: Part) -> t.List[str]:
    """What the owner has set differently, by the names of the role's variables and of keys, without any values."""
    old = before if before is not None else Part(after.owner)
    # The port of Apache is in both.
    unlike = {*_unequal(old.deployment, after.deployment)}
    unlike.update(key for key in _unequal(old.program, after.program) if key in old.program and key in after.program)
    found = [
        f"ocsp_stapling_{variable}: {', '.join(keys)}" if keys != [""] else f"ocsp_stapling_{variable}"
        for variable, keys in (
            ("options", _unequal(old.defaults, after.defaults)),
            ("services", _unequal(old.services, after.services)),
            *((_VARIABLES.get(key, key), [""]) for key in sorted(unlike)),
        )
        if keys
    ]
    given = {one.name: one for one in old.certificates if not one.dropped}
    for one in after.certificates:
        known = given.get(one.name)
        keys = _unequal(_set_for(known), _set_for(one)) if known is not None and not one.dropped else []
        if known is not None:
            # What was a default of all tasks, and now is of this one alone, is as it was.
            changed = _unequal(_complete(known, old.defaults).options, _complete(one, after.defaults).options)
            keys = [key for key in keys if not key.startswith("options.") or key[len("options.") :] in changed]
        found += [f"{one.name}: {', '.join(keys)}"] if keys else []
    return found


def _set_for(one: Certificate) -> t.Dict[str, t.Any]:
    """What a group or domain says of a certificate, by its keys."""
    agreed = {key: value for key, value in one.agreed.items() if key in ("names", "renewed_by") and value}
    key = {"key_owner, key_group, key_mode": one.agreed["key"]} if "key" in one.agreed else {}
    options = {f"options.{name}": value for name, value in one.options.items()}
    return {**agreed, **key, "reload": list(one.services), "staple": one.staple, **options}


def _unequal(before: Values, after: Values) -> t.List[str]:
    return sorted(key for key in {**before, **after} if before.get(key) != after.get(key))


def without(part: Part, names: t.Container[str]) -> Part:
    """A part without some certificates."""
    certificates = tuple(one for one in part.certificates if one.name not in names)
    shares = (_without(share, names, names) for share in part.shares)
    return replace(part, certificates=certificates, shares=_with_something(shares))


def _with_something(shares: t.Iterable[Share]) -> t.Tuple[Share, ...]:
    return tuple(share for share in shares if share.certificates or share.former)


def _without(share: Share, given: t.Container[str], former: t.Container[str]) -> Share:
    """A share without some certificates that it gives, and some that it no longer does."""
    return replace(
        share,
        certificates={name: one for name, one in share.certificates.items() if name not in given},
        former=tuple(name for name in share.former if name not in former),
    )


def given_with(part: Part, turn: Turn) -> t.Tuple[str, ...]:
    """The certificates that an owner gives with a turn."""
    return tuple(_share_of(part, turn).certificates)


def former_of(shares: t.Sequence[Share], turn: Turn) -> t.Set[str]:
    """The certificates that a task of an owner no longer gives, with the last of its turns."""
    if _goes_on(shares, turn):
        return set()
    return {name for share in shares if share.place == turn.place for name in share.former}


def given_up(part: Part, places: t.Optional[t.Container[str]] = None) -> t.Set[str]:
    """The dropped certificates that these tasks of an owner, or any of them, gave."""
    marked = {name for share in part.shares for name in share.former}
    of_places = {name for share in part.shares if places is None or share.place in places for name in share.former}
    return {one.name for one in part.certificates if one.dropped and (one.name in of_places or one.name not in marked)}


def settled(part: Part, names: t.Container[str], places: t.Optional[t.Container[str]] = None) -> Part:
    """A part of which tasks are done with certificates that they no longer give; ``places`` as for ``given_up``."""
    shares = [_without(share, (), names) if places is None or share.place in places else share for share in part.shares]
    left = {name for share in shares for name in share.former}
    certificates = (one for one in part.certificates if not one.dropped or one.name in left or one.name not in names)
    return replace(part, certificates=tuple(certificates), shares=_with_something(shares))


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
