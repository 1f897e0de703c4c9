# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What ``certificate_set`` does, from the plain values of its options to those of its result."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from . import bulk, confirm, deploy, files, material, removal, services, sets, staples
from .certificate import Certificate, load_certificates
from .confirm import Endpoint, Sight
from .environment import Environment, Exchange, ResponderDown
from .errors import ERROR, InputError, OcspError
from .installation import Installation, outstanding
from .options import did_you_mean, read_value
from .schedule import format_time
from .servers.table import NAMES, SERVERS
from .sets import Layout
from .wanted import Values, read_wanted

#: Seconds to wait for other runs.
_LOCK_TIMEOUT = 120.0
#: Seconds between two attempts to get a response for a new certificate.
_PAUSE = 10.0
#: The numbers among the options, with the lowest and the highest that make sense.
_LIMITS = (("patience", 0, 86400), ("keep", 1, 1000), ("apache_port", 1, 65535))
#: Seconds that a look at one endpoint takes at most.
_LOOK_TIMEOUT = 4.0


class Result(t.NamedTuple):
    """The values that the module returns, and the sentences that it warns with."""

    values: t.Dict[str, t.Any]
    changed: bool = False
    failed: bool = False
    warnings: t.Sequence[str] = ()


@dataclass(frozen=True)
class Task:
    """One call of the module: the values of its options, all of them there, and how to run commands.

    ``check``: find out what would be done. ``diff``: show facts about what changes.
    """

    values: Values
    run: services.Run
    check: bool = False
    diff: bool = False

    @property
    def layout(self) -> Layout:
        return Layout(self.values["path"], self.values["state_path"])

    def services(self) -> services.Services:
        """The services as the user described them. Raises InputError."""
        described = {}
        for name, given in self.values["service_settings"].items():
            if not isinstance(given or {}, dict):
                raise InputError(f"service_settings: {name} must be a dictionary such as {{'unit': 'NAME'}}")
            settings = dict(given or {})
            for command in ("test", "reload"):
                value = settings.get(command) or ()
                if not isinstance(value, (str, list, tuple)) or not all(isinstance(word, str) for word in value):
                    raise InputError(f"service_settings: {command} of {name} must be a list of strings")
                settings[command] = tuple(value.split() if isinstance(value, str) else value)
            try:
                described[name] = services.configured(name, **settings)
            except TypeError:
                raise InputError(f"service_settings: {name} has a setting that is not known") from None
        return services.Services(described, self.run, self.layout.root)

    def installation(self) -> Installation:
        return Installation(self.layout, self.services(), _LOCK_TIMEOUT)


def carry_out(task: Task) -> Result:
    """Do what ``state`` says. What is wrong is one sentence in the result; nothing is raised."""
    steps = {"present": _present, "verify": _verify, "absent": _absent}
    umask = os.umask(0o022)
    try:
        with files.lock(task.layout.root, _LOCK_TIMEOUT):
            return steps[task.values["state"]](task)
    except OcspError as error:
        finding = {"code": error.code, "severity": ERROR, "message": error.message}
        return Result({"msg": error.message, "findings": [finding]}, failed=True)
    finally:
        os.umask(umask)


# present


def _present(task: Task) -> Result:
    values, layout = task.values, task.layout
    read_value("workers", values["workers"])
    for name, lowest, highest in _LIMITS:
        if not lowest <= values[name] <= highest:
            raise InputError(f"{name}: {values[name]} is not between {lowest} and {highest}")
    known = task.services()
    endpoints = _endpoints(values, known)
    if not task.check:
        with task.installation() as installation:
            confirm.recognise(installation, _look, endpoints)
    wanted = read_wanted(values, known)
    work = deploy.plan(layout, wanted, datetime.now(timezone.utc), values["apache_port"])
    before = [_facts(layout, item.name) for item in work.items] if task.diff else []
    patience = _Patience(task)
    deploy.obtain(work, _fetcher(values), patience)
    if task.check:
        told = {*deploy.renew(work, None), *work.told(work.outdated_snippets()), *outstanding(layout, known)}
        problem = ""
        unconfirmed = sorted({service for item in work.changed for service in item.wanted.services})
    else:
        with task.installation() as installation:
            problem = _install(work, installation, endpoints, values["keep"])
            told = set(installation.outstanding())
        unconfirmed = confirm.unconfirmed(layout)
    result = _values(work, sorted(told), unconfirmed)
    if task.diff:
        result["diff"] = _difference(work, before)
    waited = patience.told(work.waited_for)
    result["msg"] = "; ".join(filter(None, [deploy.summary(work, task.check, sorted(told), problem), waited]))
    held_back = bool(result["held_back"]) and values["fail_on_held_back"]
    renewed = any(item.renewed for item in work.items)
    changed = renewed or (not problem and bool(told or work.changed))
    return Result(result, changed, bool(problem) or held_back, [*work.warnings, *filter(None, [waited])])


def _install(work: deploy.Plan, installation: Installation, endpoints: t.Sequence[Endpoint], keep: int) -> str:
    """Change what has to be. Returns why sets were switched back, or an empty string."""
    deploy.renew(work, installation)
    if work.changed or work.outdated_snippets():
        deploy.stage(work)
        problem = deploy.switch(work, installation, _look, endpoints if work.changed else ())
        if problem:
            return problem
    deploy.prune(work, keep)
    return ""


def _endpoints(values: Values, known: services.Services) -> t.List[Endpoint]:
    """Where to look, checked before anything is changed. Raises InputError."""
    from . import probe  # pylint: disable=import-outside-toplevel  # a run that changes nothing looks at nothing

    given = values["endpoints"]
    names = {name for one in values["certificates"] for name in one["services"] or ()}
    if given is not None:
        named = {*NAMES, *values["service_settings"], *values["services"], *names}
        for one in given:
            if one["service"] not in named:
                raise InputError(
                    f"endpoints: no service is called {one['service']}; {did_you_mean(one['service'], named)}"
                )
            probe.read_endpoint(one["host"], one["port"], None, one["starttls"] or None)
        return [Endpoint(one["service"], one["host"], one["port"], one["starttls"]) for one in given]
    kinds = {name: known.get(name).kind for name in sorted({*names, *values["services"]})}
    return [
        Endpoint(name, "127.0.0.1", port, starttls)
        for name, kind in kinds.items()
        for port, starttls in (SERVERS[kind].ports if kind else ())
    ]


def _look(endpoint: Endpoint, name: str) -> Sight:
    """What a client is shown."""
    from . import probe  # pylint: disable=import-outside-toplevel

    where = probe.read_endpoint(endpoint.host, endpoint.port, name, endpoint.starttls or None)
    shown: t.Dict[str, t.Optional[bytes]] = {}
    problem = ""
    for found in probe.look(where, datetime.now(timezone.utc), timeout=_LOOK_TIMEOUT, attempts=1):
        if found.leaf is not None:
            shown[material.fingerprint(found.leaf)] = found.data
        elif found.error is not None:
            problem = found.error.message
            if found.error.code == "unreachable":
                break
    return Sight(shown, "" if shown else problem or "no certificate was shown")


def _fetcher(values: Values) -> deploy.Fetch:
    """Fetches responses side by side, or refuses to."""

    problems = {one["name"]: one["fetch_problem"] for one in values["certificates"] if one["fetch_problem"]}

    def refuser(name: str) -> Exchange:
        def refuse(_request: t.Any, _timeout: float) -> t.NoReturn:
            raise ResponderDown("unreachable", problems.get(name, "fetching is turned off on this host"))

        return refuse

    def fetch(requests: t.Sequence[bulk.Request]) -> t.Mapping[str, t.Any]:
        with bulk.Network() as network:

            def environment_for(request: bulk.Request) -> Environment:
                on_host = values["fetch_from"] == "host"
                exchange = network.exchange_for(request.values) if on_host else refuser(request.name)
                return Environment(exchange, datetime.now(timezone.utc))

            return dict(bulk.obtain_all(requests, environment_for, workers=values["workers"], on_abort=network.close))

    return fetch


class _Patience:
    """Says whether to ask responders again and waits before, for as long as the option ``patience`` has it."""

    def __init__(self, task: Task) -> None:
        asks = task.values["fetch_from"] == "host" and not task.check
        self._began = time.monotonic()
        self._deadline = self._began + (task.values["patience"] if asks else 0)
        self._note()

    def __call__(self, _attempt: int) -> bool:
        self._note()
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(_PAUSE, left))
        self._note()
        return True

    def _note(self) -> None:
        self._waited, self._until = time.monotonic() - self._began, datetime.now(timezone.utc)

    def told(self, names: t.Sequence[str]) -> str:
        """How long it was waited, until when and for what, or an empty string."""
        if not names:
            return ""
        until = format_time(self._until)
        return f"waited {self._waited:.0f} seconds, until {until}, for responses for {deploy.listed(names)}"


def _values(work: deploy.Plan, told: t.Sequence[str], unconfirmed: t.Sequence[str]) -> t.Dict[str, t.Any]:
    return {
        "certificates": [_describe(work, item) for item in work.items],
        "held_back": [item.name for item in work.items if item.held_back],
        "revoked": [item.name for item in work.items if item.is_revoked],
        "without_responder": [item.name for item in work.items if not item.urls],
        "reload": list(told),
        "unconfirmed": list(unconfirmed),
        "good_until": _good_until(work),
    }


def _good_until(work: deploy.Plan) -> t.Optional[str]:
    """When the first certificate or staple in use expires, as far as it is known."""
    ends = [item.material.certificate.not_after for item in work.items if not item.held_back]
    judgements = [item.outcome.judgement for item in work.items if item.outcome and item.outcome.data is not None]
    ends += [one.effective_expiry for one in judgements if one is not None and one.effective_expiry is not None]
    return format_time(min(ends)) if ends else None


def _describe(work: deploy.Plan, item: deploy.Item) -> t.Dict[str, t.Any]:
    certificate, outcome = item.material.certificate, item.outcome
    judgement = outcome.judgement if outcome and outcome.data is not None else None
    return {
        "name": item.name,
        "changed": item.changed,
        "renewed": item.renewed,
        "reasons": item.reasons,
        "services": list(item.wanted.services),
        "path": work.layout.live(item.name),
        "fingerprint": material.fingerprint(certificate),
        "expiry": format_time(certificate.not_after),
        "must_staple": certificate.must_staple,
        "responder_urls": list(item.urls),
        "stapled": judgement is not None,
        "staple_expiry": format_time(judgement.effective_expiry) if judgement else None,
        "held_back": item.held_back,
    }


# Differences


def _facts(layout: Layout, name: str) -> t.Dict[str, t.Any]:
    """What a difference shows of a live set."""
    identifier = sets.current_id(layout, name)
    if identifier is None:
        return {"state": "absent"}
    live = sets.read_set(layout, name, identifier)
    access = sets.access_of(layout, name, identifier)
    shown: t.Dict[str, t.Any] = {"state": "present", "key": _access_text(access) if access else "unclear"}
    with contextlib.suppress(OcspError, KeyError):
        shown.update(_certificate_facts(load_certificates(live["fullchain.pem"], "fullchain.pem")))
    place = staples.find(layout.live(name))
    shown["staple"] = "present" if place and os.path.exists(place.path(staples.STAPLE)) else "absent"
    return shown


def _certificate_facts(chain: t.Sequence[Certificate]) -> t.Dict[str, t.Any]:
    return {
        "certificate": material.fingerprint(chain[0]),
        "subject": chain[0].name,
        "expiry": format_time(chain[0].not_after),
        "chain": [one.name for one in chain[1:]],
    }


def _access_text(access: sets.Access) -> str:
    return f"{access.uid}:{access.gid} {access.mode:04o}"


def _difference(work: deploy.Plan, before: t.Sequence[t.Dict[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    shown = []
    for item, old in zip(work.items, before):
        new = dict(old)
        if item.changed:
            new = {"state": "present", "key": _access_text(item.wanted.access)}
            new.update(_certificate_facts([item.material.certificate, *item.material.chain]))
            new["staple"] = "present" if item.staple else "absent"
        elif item.renewed:
            new["staple"] = "renewed" if item.staple else "absent"
        path = work.layout.live(item.name)
        if new != old:
            shown.append({"before_header": path, "after_header": path, "before": old, "after": new})
    return shown


# verify and absent


def _verify(task: Task) -> Result:
    """Confirm the last switch, or take it back."""
    if task.check or not confirm.read_record(task.layout):
        return Result({"swapped_back": [], "msg": "there is nothing to confirm"})
    with task.installation() as installation:
        verified = confirm.verify(installation, _look)
        if not verified.faults:
            return Result({"swapped_back": [], "msg": _confirmation(verified)})
        names = confirm.take_back(installation)
        problems = confirm.reload_all(installation, verified.services)
    msg = f"the old certificates of {', '.join(names)} were put back: {'; '.join(verified.faults.values())}"
    return Result({"msg": "; ".join([msg, *problems]), "swapped_back": names}, changed=True, failed=True)


def _confirmation(verified: confirm.Verified) -> str:
    msg = f"{', '.join(verified.services)}: all is served as it should be"
    if not verified.untold:
        return msg
    untold = ", ".join(verified.untold)
    return f"{msg}, as far as can be seen; it is unknown whether {untold} loaded the new files, so reload it"


def _absent(task: Task) -> Result:
    layout, force = task.layout, task.values["force"]
    names = [one["name"] for one in task.values["certificates"]]
    obstacle = "" if force else removal.obstacle(layout, names, task.run)
    if obstacle:
        return Result({"msg": f"nothing was removed, since {obstacle}", "removed": []}, failed=True)
    removed = removal.present(layout, names or sets.all_names(layout))
    if not task.check and (removed or (not names and os.path.isdir(layout.state))):
        with task.installation() as installation:
            removal.remove(installation, removed, shared=not names)
    done = "would be removed" if task.check else "were removed"
    msg = f"{', '.join(removed)} {done}" if removed else "there was nothing to remove"
    return Result({"msg": msg, "removed": removed}, changed=bool(removed))
