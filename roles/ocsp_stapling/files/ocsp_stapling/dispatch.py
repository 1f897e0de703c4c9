# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the commands do with their options, and print."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import shutil
import sys
import typing as t

from ocsp.deploy import renewed
from ocsp.errors import FileError, InputError, OcspError
from ocsp.fetch import bulk, report
from ocsp.fetch.environment import Environment, Ways
from ocsp.options.parse import did_you_mean
from ocsp.services import control
from ocsp.services.installation import Installation
from ocsp.store import files, parts, replaced, sets
from ocsp.text import parse_time

from . import config as configuration
from . import events, in_place, metrics, renewals, unprivileged
from . import state as states
from .commands import check as checking
from .commands import deploy as deploying
from .commands import refresh as refreshing
from .commands import rejected as rejecting
from .commands import reload as reloading
from .commands.apply import Apply
from .commands.rejected import Rejected
from .commands.status import Status
from .config import IO_ERROR, SOFTWARE, TEMPORARY, Config, Folders
from .events import Event, Log
from .host import Host
from .json_lines import ConfigError, Unreadable
from .terminal import WIDTH

#: Seconds to wait for another run.
_PATIENCE = 60.0
#: From this many certificates on, a terminal shows the progress of a run.
_MANY = 20
_NARROWEST, _WIDEST = 60, 120
#: If a name is unknown, all names are listed for up to this many certificates.
_FEW = 10
#: Exit codes of a run of refresh that began; its options and the configuration are read before it.
_OF_REFRESH = (0, 1, 2, SOFTWARE, IO_ERROR, TEMPORARY)
#: Octets that refresh may print to root, in all and for each certificate with --json.
_LONGEST_OUTPUT, _LONGEST_OUTCOME = 64 * 1024, 32 * 1024


def refresh(options: argparse.Namespace, log: Log) -> int:
    host = _host(options)
    config = _load(options, log, host)
    _check_names(options.names, (entry.name for entry in config.certificates))
    responses = config.folders.responses
    if os.geteuid() != 0 and os.path.isdir(responses) and not os.access(responses, os.W_OK):
        raise FileError("refresh writes to files of the user ocsp-stapling; run it as root")
    progress = _progress()
    owner = _owner(responses)
    if owner is not None:
        unprivileged.forget_environment()
        child = unprivileged.divide(owner, log.descriptors(), config.workers)
        if child is not None:
            longest = _LONGEST_OUTPUT + (_LONGEST_OUTCOME * len(config.certificates) if options.json else 0)
            return _exit_code(child.follow(longest, progress is not None), log)

    def environment_for(job: bulk.Job, ways: Ways) -> Environment:
        return Environment(network.exchange_for(job.values), host.now(), ways=ways)

    with bulk.Network() as network, _only_one(os.path.join(responses, ".refresh.lock"), responses):
        run = refreshing.Refresh(
            config, host, log, environment_for, options.names, options.force, network.close, progress
        )
        done = run.run()
    if options.json:
        _print_json({"exit_code": done.exit_code, "certificates": _outcomes(done.outcomes)})
    return done.exit_code


def _outcomes(outcomes: t.Mapping[str, refreshing.Result]) -> t.Dict[str, t.Any]:
    shown: t.Dict[str, t.Any] = {}
    for name, result in outcomes.items():
        if isinstance(result, OcspError):
            shown[name] = {"changed": False, "failed": True, "code": result.code, "msg": result.message}
        else:
            shown[name] = {**report.outcome_values(result), "failed": result.failed}
    return shown


def apply(options: argparse.Namespace, log: Log) -> int:
    _check_root(options)
    host = _host(options)
    config = _load(options, log, host)
    if options.names:
        _check_names(options.names, [*_configured(config), *sets.live_names(config.layout)])
    with _installation(config, host) as installed:
        host.read_clock()
        done = Apply(
            config, host, log, installed, options.trust_clock, not options.no_reload, names=options.names
        ).run()
        metrics.write(done.state, config.folders.metrics)
    deployed = {} if options.no_reload else _deploy_requests(config, host, log, options.names)
    exit_code = max([done.exit_code, *(one.exit_code for one in deployed.values())])
    if options.json:
        shown = {name: one.values() for name, one in deployed.items()}
        _print_json({"exit_code": exit_code, "changes": done.changes, **({"renewed": shown} if shown else {})})
    return exit_code


def deploy(options: argparse.Namespace, log: Log) -> int:
    _check_root(options)
    _check_given(options)
    host = _host(options)
    config = _load(options, log, host)
    _check_folder(config.folders.state)
    if options.hook:
        return _take_request(options, log, config, host)
    outcomes = _deploy_one(options, log, config, host) if options.name else _deploy_requests(config, host, log)
    exit_code = max((one.exit_code for one in outcomes.values()), default=0)
    if options.json:
        shown = {name: one.values() for name, one in outcomes.items()}
        _print_json({"exit_code": exit_code, "certificates": shown})
    return exit_code


def _deploy_one(options: argparse.Namespace, log: Log, config: Config, host: Host) -> t.Mapping[str, deploying.Outcome]:
    found = parts.load(config.layout)
    requested = renewals.noted(config.folders) if options.renewed else {}
    _check_names([options.name], {*_given_names(found), *requested})
    if options.name in requested:
        return _deploy_requests(config, host, log, [options.name])
    given = _given_source(options)
    instead = " instead of --renewed" if options.renewed else ""
    _check_source(options.name, given or renewed.sources(found).get(options.name), instead)
    running = deploying.Deploy(config, host, log)
    running.run_one(options.name, given)
    _follow_up(config, host, log, running.outcomes)
    return running.outcomes


def _check_given(options: argparse.Namespace) -> None:
    """Raises InputError for options that make no sense together."""
    if options.renewed and (options.key or options.certificate or options.chain or options.hook):
        raise InputError("--renewed takes no files and no --hook")
    if not options.name and not options.renewed:
        raise InputError("no certificate given; name one, or use --renewed")
    if bool(options.key) != bool(options.certificate):
        raise InputError("--key and --certificate belong together; give both")
    if options.chain and not options.certificate:
        raise InputError("--chain needs --key and --certificate")


def _given_names(found: t.Iterable[parts.Part]) -> t.Set[str]:
    """The certificates that owners configure."""
    return {one.name for part in found for one in part.certificates if not one.dropped}


def _given_source(options: argparse.Namespace) -> t.Optional[renewed.Source]:
    if not options.certificate:
        return None
    paths = [os.path.abspath(path) if path else "" for path in (options.key, options.certificate, options.chain)]
    return renewed.Source("", *paths)


def _check_source(name: str, source: t.Optional[renewed.Source], instead: str = "") -> None:
    if source is None:
        raise InputError(f"{name} has no renewed_by in the role's variables; give --key and --certificate{instead}")


def _take_request(options: argparse.Namespace, log: Log, config: Config, host: Host) -> int:
    """Note what a hook says, and have a unit carry it out.

    A client has names of its own, so its files say which certificates are meant, and there may be several of one file.
    """
    found = parts.load(config.layout)
    sources, given = renewed.sources(found), _given_source(options)
    requests: t.Dict[str, t.Optional[renewed.Source]] = {}
    if given is not None:
        requests = {name: None for name, one in sources.items() if one.private_key == given.private_key}
    if not requests and options.name in _given_names(found):
        _check_source(options.name, given or sources.get(options.name))
        requests = {options.name: given}
    if not requests:
        log.emit(Event("skipped", f"the role does not deploy {options.name} on this host; nothing to do"))
        return 0
    for name, source in requests.items():
        renewals.note(config.folders, name, source)
    what = deploying.hand_over(host, control.has_systemd())
    for name in requests:
        log.emit(Event("run", what, certificate=name), answer=True)
    return 0


def _deploy_requests(
    config: Config, host: Host, log: Log, names: t.Collection[str] = ()
) -> t.Mapping[str, deploying.Outcome]:
    running = deploying.Deploy(config, host, log)
    try:
        running.run_requests(names)
    finally:
        _follow_up(config, host, log, running.outcomes)
    return running.outcomes


def _follow_up(config: Config, host: Host, log: Log, outcomes: t.Mapping[str, deploying.Outcome]) -> None:
    """Have the state say at once how all is with certificates that were, or could not be, deployed."""
    if outcomes:
        with _installation(config, host) as installed:
            done = Apply(config, host, log, installed, names=list(outcomes), deployed=True).run()
            metrics.write(done.state, config.folders.metrics)


def status(options: argparse.Namespace, log: Log) -> int:
    host = _host(options)
    refused = ""
    try:
        config = _load(options, log, host)
    except Unreadable as error:
        if not options.nagios:
            raise
        print(f"OCSP UNKNOWN - {error}".replace("|", "/"))
        return 3
    except ConfigError as error:
        config, refused = Config(_folders(options)), str(error)
    state = states.load(config.folders.state_file)
    try:
        _check_names(options.names, [*_configured(config), *state.certificates, *sets.live_names(config.layout)])
    except InputError as error:
        if not options.nagios:
            raise
        print(f"OCSP UNKNOWN - {error.message}".replace("|", "/"))
        return 3
    unloaded = reloading.unloaded(config, host, is_known=not refused)
    runs = host.timetable()
    stopped = runs is None and host.is_stopped()
    shown = Status(config, state, host.now(), options.names, refused, runs, unloaded, stopped, host.machine)
    if options.nagios:
        sys.stdout.write(shown.nagios())
    elif options.json:
        sys.stdout.write(shown.json())
    else:
        terminal = sys.stdout.isatty()
        sys.stdout.write(shown.text(terminal and "NO_COLOR" not in os.environ, _width() if terminal else WIDTH))
    sys.stdout.flush()
    return shown.level


def check(options: argparse.Namespace, log: Log) -> int:
    config = None
    with contextlib.suppress(ConfigError):  # a host need not have one
        config = configuration.load(options.config, options.state)
    given = {"certificate_path": options.certificate, "issuer_path": options.issuer, "allow": options.allow}
    given = {key: value for key, value in given.items() if value is not None}
    checking.check_given(given)
    now = _host(options).now()
    verdicts = [checking.check(path, given, config, now) for path in options.files]
    if options.json:
        _print_json([verdict.values for verdict in verdicts])
    else:
        sys.stdout.write("\n".join(verdict.text for verdict in verdicts))
        sys.stdout.flush()
    return 0 if all(verdict.good for verdict in verdicts) else 1


def reload(options: argparse.Namespace, log: Log) -> int:
    _check_root(options)
    host = _host(options)
    config = _load(options, log, host)
    if not options.services and not options.pending:
        raise InputError("no services given; name some, or use --pending")
    known = reloading.known(config) if options.services else set()
    for name in options.services:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"{name} is not a service in the configuration of this host; {hint}")
    with _installation(config, host) as installed:
        taken = rejecting.take_back(installed, config, log, host.now(), options.services)
        outstanding = installed.outstanding()
        if not options.pending:
            names = options.services
        else:
            names = [name for name in outstanding if not options.services or name in options.services]
        well = reloading.tell(installed, config, log, dict.fromkeys(names), always=not options.pending)
        replaced.clean(config.layout)
        _take_note(config, host, taken.rejected)
    # What users have is up to them.
    return 0 if well and not taken.failed and all(one.user for one in taken.rejected) else 1


def _take_note(config: Config, host: Host, taken: t.Sequence[Rejected]) -> None:
    """Have the state and the metrics say what was taken back. Raises FileError.

    What they do not know is for the next run of apply to say.
    """
    state = states.load(config.folders.state_file)
    known = [one for one in taken if one.name in state.certificates]
    for one in known:
        with contextlib.suppress(Exception):  # apply says it, too
            in_place.take_note(config, state, one, host.now())
    if known:
        state.save(config.folders.state_file, host.now())
        metrics.write(state, config.folders.metrics)


def note_failure(options: argparse.Namespace, exit_code: int) -> None:
    """Have a run that could not do its work show in the state and the metrics; that it shows nowhere is no error."""
    # A run over some certificates says nothing about the timer.
    if options.command != "apply" or options.names:
        return
    folders = _folders(options)
    with contextlib.suppress(OcspError):
        _check_root(options)
        host = _host(options)
        state = states.load(folders.state_file)
        state.runs["apply"] = states.run_values(host.now(), host.elapsed(), exit_code)
        with contextlib.suppress(OcspError):
            state.save(folders.state_file, host.now())
        metrics.write(state, folders.metrics)


def _folders(options: argparse.Namespace) -> Folders:
    return Folders(os.path.dirname(os.path.abspath(options.config)), options.state)


def _host(options: argparse.Namespace) -> Host:
    return Host(parse_time(options.now, "--now") if options.now is not None else None)


def _load(options: argparse.Namespace, log: Log, host: Host) -> Config:
    config = configuration.load(options.config, options.state)
    if config.log_file and options.command != "status":
        problem = log.open_file(events.log_file_name(config.log_file, host.now().astimezone()))
        if problem:
            log.emit(Event("run", problem, events.WARNING, "file_error"))
    return config


def _configured(config: Config) -> t.List[str]:
    return [entry.name for entry in config.certificates]


def _check_names(names: t.Iterable[str], known: t.Iterable[str]) -> None:
    """Raises InputError for a certificate that is not known."""
    known = set(known)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            if not known or (len(known) > _FEW and not hint.startswith("did you mean")):
                hint = "'ocsp-stapling status' shows what there is"
            raise InputError(f"there is no certificate {name} in the configuration; {hint}")


def _check_root(options: argparse.Namespace) -> None:
    """Raises FileError for a user who cannot change what servers read."""
    if os.geteuid() != 0 and os.path.isdir(options.state) and not os.access(options.state, os.W_OK):
        raise FileError(f"{options.command} changes files that servers read; run it as root")


def _installation(config: Config, host: Host) -> Installation:
    """What servers read, for root to change. Raises FileError where the role has not made its folder."""
    _check_folder(config.folders.state)
    return reloading.installation(config, host, _PATIENCE)


def _only_one(lock: str, what: str) -> t.ContextManager[None]:
    _check_folder(what)
    return files.lock_file(lock, what, _PATIENCE)


def _check_folder(path: str) -> None:
    if not os.path.isdir(path):
        raise FileError(f"the folder {path} does not exist; run the role ocsp_stapling, which creates it")


def _owner(folder: str) -> t.Optional[os.stat_result]:
    """Whom root leaves the work in a folder to: what is in there must not lead root astray.

    Raises FileError for a file system that is mounted there, as its owner is who its server says.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = os.stat(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{folder} cannot be inspected: {error.strerror}") from None
    if owner.st_dev != os.stat(os.path.dirname(folder)).st_dev:
        raise FileError(f"another file system is mounted at {folder}; unmount it with 'umount --lazy {folder}'")
    return owner if owner.st_uid != 0 else None


def _exit_code(ended: unprivileged.Ended, log: Log) -> int:
    """The exit code of a ``refresh`` that may have been taken over. Raises FileError."""
    if ended.is_cut:
        message = "refresh printed more than is shown here; see 'ocsp-stapling status'"
        log.emit(Event("run", message, events.WARNING))
    if ended.code not in _OF_REFRESH:
        how = f"was ended by signal {-ended.code}" if ended.code < 0 else f"ended with the exit code {ended.code}"
        log.emit(Event("run", f"refresh {how}, which it should never do", events.ERROR))
        return SOFTWARE
    if ended.error not in (0, errno.EPIPE):
        raise FileError(f"the results cannot be printed: {os.strerror(ended.error)}")
    return ended.code


def _progress() -> t.Optional[refreshing.Progress]:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, failed: int) -> None:
        if total >= _MANY:
            end = "\n" if done == total else ""
            print(f"\r{done} of {total} certificates, {failed} failed", end=end, file=sys.stderr, flush=True)

    return show


def _width() -> int:
    """How wide a table may be here; some terminals say that they have no column."""
    columns = shutil.get_terminal_size((WIDTH, 0)).columns or WIDTH
    return max(_NARROWEST, min(_WIDEST, columns))


def _print_json(values: t.Any) -> None:
    json.dump(values, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
    sys.stdout.flush()
