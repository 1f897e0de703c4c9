# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of ocsp-stapling."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import traceback
import typing as t

from ocsp.errors import BusyError, FileError, InputError, OcspError
from ocsp.pki.signature import library_problem

from . import config as configuration
from . import dispatch, events
from .commands.deploy import UNIT
from .config import IO_ERROR, SOFTWARE, TEMPORARY
from .events import Event, Log
from .json_lines import ConfigError
from .state import PROGRAM

USAGE, CONFIGURATION = 64, 78


class Stopped(BaseException):
    """The program received a signal to terminate."""


def main(arguments: t.Optional[t.Sequence[str]] = None) -> int:
    """Run one command. Returns its exit code; what goes wrong is one sentence."""
    options = _parser().parse_args(arguments)
    log = Log(options.journal_socket, options.syslog_socket, options.debug, options.quiet)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(options, log)
    except Stopped:
        log.emit(Event("run", f"{options.command} was terminated by a signal", events.NOTICE))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Who reads the output has seen enough; nothing more must be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        message = (
            f"{options.command} stopped because of an internal error ({type(error).__name__}: {error}). Please report "
            "it, with the output of --debug"
        )
        log.emit(Event("run", message, events.ERROR))
        with contextlib.suppress(Exception):
            dispatch.note_failure(options, SOFTWARE)
        return SOFTWARE
    finally:
        log.close()


def _stop(_number: int, _frame: object) -> t.NoReturn:
    raise Stopped


def _run(options: argparse.Namespace, log: Log) -> int:
    try:
        problem = library_problem()
        if problem:
            raise ConfigError(f"the Python library cryptography cannot be used: {problem}")
        run: t.Callable[[argparse.Namespace, Log], int] = options.run
        return run(options, log)
    except ConfigError as error:
        log.emit(Event("configuration", f"{error}; nothing was done", events.ERROR))
        dispatch.note_failure(options, CONFIGURATION)
        return CONFIGURATION
    except OcspError as error:
        log.emit(Event("run", error.message, events.ERROR, error.code))
        if isinstance(error, InputError):
            return USAGE
        if isinstance(error, BusyError):
            return TEMPORARY
        exit_code = IO_ERROR if isinstance(error, FileError) else SOFTWARE
        dispatch.note_failure(options, exit_code)
        return exit_code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> t.NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


#: What adds a command: its name, what runs it, and what it is for.
_Command = t.Callable[[str, t.Callable[[argparse.Namespace, Log], int], str], argparse.ArgumentParser]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ocsp-stapling", description="Keeps OCSP responses fresh and stapled by TLS servers.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {PROGRAM}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    common = _common()

    def command(name: str, run: t.Callable[[argparse.Namespace, Log], int], text: str) -> argparse.ArgumentParser:
        subparser: argparse.ArgumentParser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        subparser.set_defaults(run=run)
        return subparser

    for add in (_add_refresh, _add_apply, _add_deploy, _add_status, _add_check, _add_reload):
        add(command)
    return parser


def _add_refresh(command: _Command) -> None:
    refresh = command(
        "refresh",
        dispatch.refresh,
        "Fetch the responses that are due. Runs as the user of the program, also if root starts it.",
    )
    refresh.add_argument("names", nargs="*", metavar="NAME", help="only these certificates")
    refresh.add_argument("--force", action="store_true", help="ask the responders even if nothing is due")
    refresh.add_argument("--json", action="store_true", help="print results as JSON")


def _add_apply(command: _Command) -> None:
    apply = command("apply", dispatch.apply, "Put responses in place and reload services. Needs root, but no network.")
    apply.add_argument("names", nargs="*", metavar="NAME", help="only these certificates")
    apply.add_argument("--no-reload", action="store_true", help="do not reload services; 'reload --pending' does")
    apply.add_argument("--trust-clock", action="store_true", help="skip the clock plausibility check")
    apply.add_argument("--json", action="store_true", help="print the changes as JSON")


def _add_deploy(command: _Command) -> None:
    deploy = command(
        "deploy",
        dispatch.deploy,
        "Replace a certificate of the role by one that was renewed on this host, together with its staple, or not at "
        "all. Needs root.",
    )
    deploy.add_argument("name", nargs="?", metavar="NAME", help="the certificate, as the role calls it")
    deploy.add_argument("--key", metavar="FILE", help="the private key; default: where renewed_by says it is")
    deploy.add_argument("--certificate", metavar="FILE", help="the certificate, which its chain may follow")
    deploy.add_argument("--chain", metavar="FILE", help="the certificates of the issuing CAs")
    deploy.add_argument("--renewed", action="store_true", help="all certificates that were renewed and are not live")
    deploy.add_argument(
        "--hook",
        action="store_true",
        help=f"return at once and leave the work to {UNIT}; ignore a certificate that the role does not deploy",
    )
    deploy.add_argument("--json", action="store_true", help="print the results as JSON")


def _add_status(command: _Command) -> None:
    status = command("status", dispatch.status, "Show the status of all staples.")
    status.add_argument("names", nargs="*", metavar="NAME", help="only these certificates, in detail")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything as JSON")
    form.add_argument("--nagios", action="store_true", help="print one line and exit like a Nagios plugin")


def _add_check(command: _Command) -> None:
    check = command("check", dispatch.check, "Check response files.")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--certificate", metavar="FILE", help="the certificate, which its chain may follow")
    check.add_argument("--issuer", metavar="FILE", help="the issuer certificate")
    check.add_argument("--allow", action="append", metavar="NAME", help="accept a deviation, as allow of ocsp_response")
    check.add_argument("--json", action="store_true", help="print all results as JSON")


def _add_reload(command: _Command) -> None:
    reload = command("reload", dispatch.reload, "Test the configuration of services and reload them. Needs root.")
    reload.add_argument("services", nargs="*", metavar="SERVICE", help="the services to reload")
    reload.add_argument("--pending", action="store_true", help="only services that have not loaded the latest changes")


def _common() -> _Parser:
    common = _Parser(add_help=False)
    common.add_argument("--config", default=configuration.DEFAULT_PATH, metavar="FILE", help="default: %(default)s")
    common.add_argument(
        # refresh leaves the folder that root started it in.
        "--state",
        type=os.path.abspath,
        default=configuration.DEFAULT_STATE,
        metavar="FOLDER",
        help="default: %(default)s",
    )
    common.add_argument("--now", metavar="TIME", help="use this time instead of the clock, for tests")
    common.add_argument("--quiet", action="store_true", help="print only warnings and errors to standard error")
    common.add_argument("--debug", action="store_true", help="print more, and a traceback for internal errors")
    common.add_argument("--journal-socket", default=events.JOURNAL, help=argparse.SUPPRESS)
    common.add_argument("--syslog-socket", default=events.SYSLOG, help=argparse.SUPPRESS)
    return common
