# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of ``ocsp_response``, as data: what each may be, and who may use it.

The argument specs of the modules, what a set and the configuration of the program may be given, and the checks
of ``parse.py`` are made from this table; the documentation is tested against it. A new option is a row here,
its documentation, and the code that does something with it.
"""

from __future__ import annotations

import typing as t

from ..errors import RELAXATIONS
from ..servers.table import NAMES

#: Who may use an option: modules by their names. What ``ocsp_response`` can be given, each certificate of
#: ``ocsp_responses`` can.
RESPONSE = "ocsp_response"
RESPONSES = "ocsp_responses"
RESPONSE_INFO = "ocsp_response_info"
STAPLE_INFO = "ocsp_staple_info"
CERTIFICATE_SET = "certificate_set"
#: A certificate in ``options`` of ``certificate_set``.
SET = "set"
#: A certificate, or the defaults of all of them, in the configuration of the program on the host.
PROGRAM = "program"
#: That configuration as a whole.
PROGRAM_RUN = "program run"

_ONE = frozenset((RESPONSE, RESPONSES))
_ANY_JUDGE = _ONE | {RESPONSE_INFO}
_LASTING = frozenset((SET, PROGRAM))
_RUN = frozenset((RESPONSES, CERTIFICATE_SET, PROGRAM_RUN))

#: What an option is about: which certificate and issuer, a response from elsewhere, the responders' URLs, the way
#: to them, the certificate's staple in general, one task alone, or all certificates of a run together.
CERTIFICATE = "certificate"
SOURCE = "source"
RESPONDERS = "responders"
TRANSPORT = "transport"
STAPLE = "staple"
TASK = "task"
RUN = "run"

#: How a text is read, where not as it is.
DURATION = "duration"
PROXY = "proxy"


class Limits(t.NamedTuple):
    """The least and the most of a number. ``above``: it must be more than the least, and counts seconds."""

    lowest: int
    highest: int
    above: bool = False

    def allow(self, number: float) -> bool:
        """Whether a number is within them; not a number (NaN) never is."""
        return (self.lowest < number if self.above else self.lowest <= number) and number <= self.highest


class Option(t.NamedTuple):
    """One option.

    ``kind`` is its type by the names that Ansible has; a ``list`` is one of texts. ``choices`` are those of the
    value, or of each entry of a list. ``form`` is DURATION or PROXY for a text that is one. ``secret``: it must not be
    shown.
    """

    kind: str
    about: str
    users: t.FrozenSet[str]
    default: t.Any = None
    choices: t.Tuple[str, ...] = ()
    limits: t.Optional[Limits] = None
    form: str = ""
    secret: bool = False


#: The numbers that are said once for all certificates of a host: to modules, to the role, and to the program.
#: The program counts old responses of each certificate, where 0 keeps none.
RUN_LIMITS = {
    "workers": Limits(1, 1000),
    "per_responder": Limits(1, 1000),
    "responder_wait": Limits(0, 86400),
    "keep": Limits(1, 1000),
    "apache_port": Limits(1, 65535),
    "backup_count": Limits(0, 1000),
}
#: A time in seconds, of a day at most.
SECONDS = Limits(0, 86400, above=True)
_FOR_ALL = _ANY_JUDGE | _LASTING
_RULES = _FOR_ALL | {STAPLE_INFO}

OPTIONS: t.Dict[str, Option] = {
    "certificate_path": Option("path", CERTIFICATE, _ANY_JUDGE | {PROGRAM}),
    "certificate_content": Option("str", CERTIFICATE, _ANY_JUDGE | {PROGRAM}),
    "issuer_path": Option("path", CERTIFICATE, _ANY_JUDGE | {PROGRAM}),
    "issuer_content": Option("str", CERTIFICATE, _ANY_JUDGE | {PROGRAM}),
    "root_path": Option("path", CERTIFICATE, _ANY_JUDGE | {PROGRAM}),
    "state": Option("str", TASK, _ONE, "present", ("present", "absent")),
    "source_path": Option("path", SOURCE, _ONE),
    "source_content": Option("str", SOURCE, _ONE),
    "responder_urls": Option("list", RESPONDERS, _ONE | _LASTING),
    "minimum_validity": Option("str", STAPLE, _FOR_ALL, form=DURATION),
    "minimum_validity_percentage": Option("float", STAPLE, _FOR_ALL, 50, limits=Limits(0, 100)),
    "certid_digest": Option("str", STAPLE, _ONE | _LASTING, "auto", ("auto", "sha1", "sha256")),
    "method": Option("str", STAPLE, _ONE | _LASTING, "auto", ("auto", "get", "post")),
    "nonce": Option("bool", STAPLE, _ONE | _LASTING, False),
    "allow": Option("list", STAPLE, _RULES, (), RELAXATIONS),
    "require_nocheck": Option("bool", STAPLE, _RULES, False),
    "maximum_age": Option("str", STAPLE, _RULES, "10d", form=DURATION),
    "clock_tolerance": Option("str", STAPLE, _RULES, "5m", form=DURATION),
    "on_missing_responder": Option("str", STAPLE, _ONE | _LASTING, "skip", ("skip", "fail")),
    "on_revoked": Option("str", STAPLE, _ONE | _LASTING, "fail", ("fail", "keep")),
    "force": Option("bool", STAPLE, _ONE, False),
    "format": Option("str", STAPLE, _ONE, "der", ("der", "pem")),
    "backup": Option("bool", STAPLE, _ONE, False),
    "backup_count": Option("int", STAPLE, _ONE, 5, limits=Limits(1, 1000)),
    "timeout": Option("float", STAPLE, _ONE | _LASTING, 10, limits=SECONDS),
    "total_timeout": Option("float", STAPLE, _ONE | _LASTING, 60, limits=SECONDS),
    "retries": Option("int", STAPLE, _ONE | _LASTING, 2, limits=Limits(0, 100)),
    "use_proxy": Option("bool", TRANSPORT, _ONE | _LASTING, True),
    # The URL of a proxy may hold its password.
    "http_proxy": Option("str", TRANSPORT, _ONE | _LASTING, form=PROXY, secret=True),
    "validate_certs": Option("bool", TRANSPORT, _ONE | _LASTING, True),
    "http_agent": Option("str", TRANSPORT, _ONE | _LASTING, "certops.ocsp"),
    "server": Option("list", STAPLE, _FOR_ALL, (), NAMES),
    "now": Option("str", TASK, _ANY_JUDGE | {STAPLE_INFO}),
    "return_content": Option("bool", TASK, _ANY_JUDGE | {STAPLE_INFO}, False),
    "workers": Option("int", RUN, _RUN, 16, limits=RUN_LIMITS["workers"]),
    "per_responder": Option("int", RUN, _RUN - {CERTIFICATE_SET}, 8, limits=RUN_LIMITS["per_responder"]),
}


def names_of(user: str = "", about: str = "") -> t.Tuple[str, ...]:
    """The options that a user may use, or that are about something, in the order of the table."""
    return tuple(
        name
        for name, option in OPTIONS.items()
        if (not user or user in option.users) and (not about or option.about == about)
    )


#: The options that say how to reach a responder.
TRANSPORT_OPTIONS = names_of(about=TRANSPORT)
#: The options whose values must not be shown.
SECRETS = frozenset(name for name, option in OPTIONS.items() if option.secret)

_TYPES: t.Dict[str, t.Tuple[t.Tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
    "list": ((list, tuple), "a list of strings"),
    "path": ((str,), "the path of a file"),
    "str": ((str,), "a text"),
}


def expected(option: Option, value: t.Any) -> str:
    """What the value of an option should be instead, or an empty string where it is of the right type."""
    types, wanted = _TYPES[option.kind]
    fits = isinstance(value, types) and (option.kind == "bool" or not isinstance(value, bool))
    if fits and option.kind == "list":
        fits = all(isinstance(entry, str) for entry in value)
    return "" if fits else wanted
