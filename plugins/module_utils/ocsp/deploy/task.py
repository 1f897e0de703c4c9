# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One call of ``certificate_set``: its options, what it returns, and what all its states need to know."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import InputError
from ..servers import apache
from ..services import control
from ..services.installation import Installation, outstanding
from ..store import reading
from ..store.parts import Part
from ..store.sets import Layout
from . import inclusion as inclusions
from . import renewed
from .inclusion import Inclusion
from .wanted import Values

#: Seconds to wait for other runs.
_LOCK_TIMEOUT = 120.0
_FIRST_OPEN_PORT = "net.ipv4.ip_unprivileged_port_start"


class Result(t.NamedTuple):
    """The values that the module returns, and the sentences that it warns with."""

    values: t.Dict[str, t.Any]
    changed: bool = False
    failed: bool = False
    warnings: t.Sequence[str] = ()
    postponed: bool = False


@dataclass(frozen=True)
class Task:
    """One call of the module: the values of its options, all of them there, and how to run commands.

    ``check``: find out what would be done. ``diff``: show facts about what changes. ``postpone``: while there is
    something to wait for, change nothing and return, so that others are not kept from their work meanwhile.
    ``verify``: what is served will be looked at, unless the part says otherwise.
    """

    values: Values
    run: control.Run
    check: bool = False
    diff: bool = False
    postpone: bool = False
    verify: bool = True

    @property
    def layout(self) -> Layout:
        return Layout(self.values["path"], self.values["state_path"])

    @property
    def is_question(self) -> bool:
        """Whether only faults are asked for; if there are none, the task that deploys follows."""
        return bool((self.values["part"] or {}).get("question"))

    @property
    def lock_timeout(self) -> float:
        """For how many seconds to wait for other runs."""
        return _LOCK_TIMEOUT

    def inclusion(self) -> Inclusion:
        """Whose certificates these are, among others. Raises InputError."""
        # A question is asked in check mode by every run, so earlier tasks have been carried out.
        return inclusions.read(self.layout, self.values["part"], self.check and not self.is_question)

    def installation(self, known: t.Optional[control.Services] = None) -> Installation:
        """What servers read; ``known`` are the services where they have been read before. Raises InputError."""
        return Installation(self.layout, known or self.services(), self.lock_timeout)

    def services(self, inclusion: t.Optional[Inclusion] = None) -> control.Services:
        """The services as all users of the role described them. Raises InputError."""
        described = {}
        settings = (inclusion or self.inclusion()).service_settings(self.values["service_settings"])
        for name, given in settings.items():
            if not isinstance(given or {}, dict):
                raise InputError(f"service_settings: {name} must be a dictionary such as {{'unit': 'NAME'}}")
            settings = dict(given or {})
            # A number may be meant, as Ansible converts it for other options.
            settings.update((key, str(settings[key])) for key in ("unit", "socket") if settings.get(key) is not None)
            for command in control.COMMANDS:
                settings[command] = _read_command(name, command, settings.get(command))
            try:
                described[name] = control.configured(name, **settings)
            except InputError as error:
                raise InputError(f"service_settings: {name}: {error.message}") from None
            except TypeError:
                raise InputError(f"service_settings: {name} has an unknown setting") from None
        return control.Services(described, self.run, self.layout.root)


def _read_command(service: str, name: str, value: t.Any) -> t.Tuple[str, ...]:
    try:
        return control.read_command(value) if value is not None else ()
    except InputError as error:
        raise InputError(f"service_settings: {name} of {service} {error.message}") from None


def to_be_told(task: Task, known: control.Services, affected: t.Iterable[str]) -> t.Set[str]:
    """The services that a run would reload: one that does not run loads its files when it starts."""
    running = (service for service in affected if known.is_running(service) is not False)
    return {*running, *outstanding(task.layout, known)}


def apache_port(
    task: Task, all_parts: t.Iterable[Part], known: control.Services, services: t.Iterable[str] = ()
) -> int:
    """The port of Apache's own responder: as this task has it, unless others alone have certificates for Apache.

    ``services`` are those that this task has certificates for.
    """

    def is_for_apache(names: t.Iterable[str]) -> bool:
        return any(known.get(name).kind == apache.NAME for name in names)

    own: int = task.values["apache_port"]
    if is_for_apache(services):
        return own
    using = [part for part in all_parts if any(is_for_apache(one.services) for one in part.certificates)]
    ports = [one.get("apache_port") for part in using for one in (part.program, part.deployment)]
    if using:
        # One that is not noted is the default.
        ports.append(renewed.DEFAULTS["apache_port"])
    return next((port for port in ports if isinstance(port, int)), own)


def _first_open_port() -> int:
    path = f"/proc/sys/{_FIRST_OPEN_PORT.replace('.', '/')}"
    value = reading.read_file(path, path, 64) or b""
    return int(value) if value.strip().isdigit() else apache.FIRST_OPEN_PORT


def port_warnings(port: int, kinds: t.Iterable[t.Optional[str]]) -> t.Iterator[str]:
    """That others can take the port of Apache's own responder, where it is one of the ``kinds`` of services."""
    first_open = _first_open_port()
    if port >= first_open and apache.NAME in kinds:
        advice = f"choose a port below {first_open}"
        if first_open < apache.FIRST_OPEN_PORT:
            advice = f"set the sysctl {_FIRST_OPEN_PORT}, which is {first_open}, to more than {port}"
        yield (
            f"any user of this host can listen on port {port} (ocsp_stapling_apache_port) before Apache does, which "
            f"then does not start, and ends when it is reloaded; {advice}"
        )
