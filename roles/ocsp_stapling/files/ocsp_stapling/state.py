# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``apply`` knows, for monitoring and for its next run: /var/lib/ocsp-stapling/state.json.

Everybody may read it. It is written in one step, after each run; one that cannot be read is made anew, which
costs no staple. Responses that say that a certificate is revoked are beside it, in files of their own:
proofs/NAME.proof. A newer ``version`` than 1 means that keys changed their meaning; keys may be added at any time.

    {"version": 1, "program": "1.0.0",
     "written": TIME,                  when
     "clock": {"latest": TIME,         the latest time at which this host's clock was believed
               "boot": ID,             of the boot in which that was, and for how many
               "uptime": 3600,         seconds the host had been up then
               "problem": "",          why it is not believed now
               "claimed": TIME},       since when refresh has said that responders contradict it
     "refused": "",                    why the record of refresh was not read, by the code foreign_file
     "pending": {NAME: NUMBER},        services left to be reloaded, and what tells one note of that from the next
     "first": TIME,                    the first run that is known of
     "runs": {"refresh": {"ended": TIME, "seconds": 1.5, "exit_code": 0,
                          "problem": "",       what of the configuration could not be used
                          "problem_of_users": "",    what other users have in folders of scan that could not be
                          "latest": TIME},     of a run over some certificates alone
              "apply": {...}},
     "certificates": {NAME: {
         "live": PATH, "services": [NAME],         as configured
         "user": "",                               the other user than root whose it is
         "deployed": true,                         false where there is no set of it
         "certificate": {"serial_number": HEX, "sha256": HEX, "subject": TEXT, "not_after": TIME,
                         "ends_with": "",      the CA certificate of its chain that ends before it, at not_after
                         "renew_at": TIME, "must_staple": false, "has_responder": true} or null,
         "staple": {"sha256": HEX, "this_update": TIME, "next_update": TIME, "effective_expiry": TIME,
                    "renew_at": TIME, "responder_url": URL, "certificate_sha256": HEX,
                    "installed": TIME,         what is in place, and where it came from
                    "ignored": ""} or null,    which servers ignore or clients refuse it, and why
         "newest": TIME,                           of the newest staple that was ever in place, its this_update
         "revoked": {"time": TIME, "reason": TEXT} or null,
         "code": "", "message": "",                why there is no staple, or why it will soon be none
         "left": HEX or null,                      the SHA-256 of what refresh left where servers read it, if good
         "refused": "",                            why what refresh left was not read, by the code foreign_file
         "unfinished": "",                         why the last run of apply could not do what was due
         "rejected": {"sha256": HEX, "services": [NAME], "message": TEXT,
                      "runs": 1} or null,      what refresh left that a service rejects, seen in so many runs: it is not
                                               tried again while the services of the certificate are these
         "source": {"client": "certbot", "certificate": PATH,
                    "changed": TIME},              where another program of the host renews it; missing elsewhere
         "deployment": {"time": TIME, "outcome": NAME, "code": CODE, "message": TEXT, "fingerprint": HEX,
                        "not_after": TIME, "owner": TEXT} or null,    as of attempts/NAME.json, while that holds
         "failures": 0, "failure_code": "", "failure_message": "",    attempts of refresh, in a row
         "succeeded": TIME,                        when a responder last gave a good response, whoever asked for it
         "next_attempt": TIME}}}

TIME is ISO 8601 in UTC or null.
"""

from __future__ import annotations

import json
import typing as t
from datetime import datetime

from ocsp.errors import InputError
from ocsp.store import files, reading
from ocsp.text import format_time

from . import record

Values = t.Dict[str, t.Any]

VERSION = 1
PROGRAM = "1.0.0"
_LARGEST = 256 * 1024 * 1024


class State:
    """The state; ``problem`` says why that of the last run could not be read, if it could not."""

    def __init__(self, values: t.Optional[Values] = None, problem: str = "") -> None:
        values = values or {}
        self.problem = problem
        self.written: t.Any = values.get("written")
        self.clock: Values = record.mapping(values, "clock")
        self.refused = record.text_of(values, "refused")
        self.pending: Values = record.mapping(values, "pending")
        self.first: t.Any = values.get("first")
        self.runs: Values = record.mapping(values, "runs", of_mappings=True)
        self.certificates: Values = record.mapping(values, "certificates", of_mappings=True)

    def save(self, path: str, now: datetime) -> None:
        """Write it in one step. Raises FileError."""
        self.written = format_time(now)
        values = {
            "version": VERSION,
            "program": PROGRAM,
            "written": self.written,
            "clock": self.clock,
            "refused": self.refused,
            "pending": self.pending,
            "first": self.first,
            "runs": self.runs,
            "certificates": self.certificates,
        }
        files.replace_file(path, record.dump(values), own=True)


def load(path: str) -> State:
    """The state of the last run, or an empty one."""
    try:
        data = reading.read_file(path, path, _LARGEST)
    except InputError as error:
        return State(problem=error.message)
    if data is None:
        return State()
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return State(problem=f"{path} is not JSON")
    if not isinstance(values, dict) or values.get("version") != VERSION:
        return State(problem=f"{path} is not of version {VERSION}")
    return State(values)


def run_values(now: datetime, seconds: float, exit_code: int, problem: str = "", of_users: str = "") -> Values:
    """What is remembered of a run that ends ``now``."""
    problems = {"problem": problem, "problem_of_users": of_users}
    return {"ended": format_time(now), "seconds": round(seconds, 3), "exit_code": exit_code, **problems}
