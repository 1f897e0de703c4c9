# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``refresh`` remembers from run to run, and tells ``apply``: responses/refresh.json.

It belongs to the unprivileged user, so ``apply`` takes it for claims: it decides by nothing in it but a clock that is
said to be wrong, which it believes for a day. Responses that say that a certificate is revoked are beside it, in files
of their own, NAME.proof: they are long, and those of some certificates must not make the record of all too large.

    {"version": 1,
     "run": {"started": TIME, "ended": TIME, "exit_code": 0, "problem": "", "problem_of_users": "",
             "left": 0,                                certificates for which there was no time
             "latest": TIME},                          the last run over some certificates alone, if there was one
     "certificates": {NAME: {
         "serial_number": HEX,                     of the certificate that was looked at last
         "looked": TIME,                           when that was
         "inputs": DIGEST, "response": STAMP,      of the configuration and of the response then
         "attempted": TIME, "succeeded": TIME,     when the responder was asked, and when that brought a response
         "next_attempt": TIME,
         "failures": 0, "code": "", "message": "",  failed attempts in a row, and why the last one failed
         "idle": 0,                                 attempts in a row that brought nothing newer
         "ends": TIME, "renew_at": TIME,            of the good response in place
         "responder_url": URL, "sha256": DIGEST,    where the response in place came from
         "clock_implausible": false}},
     "responders": {URL: {                          those that did not answer in the usual way (GET, SHA-1)
         "method": "post", "certid_digest": "sha1", "since": TIME}}}      what worked, and when that was found out
"""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timezone

from ocsp.errors import InputError, OcspError, printable
from ocsp.fetch.environment import Way
from ocsp.store import files, reading, untrusted_file
from ocsp.text import clean, format_time, parse_time

Values = t.Dict[str, t.Any]

VERSION = 1
#: Octets of the largest record: for itself, for each certificate, and in all. An entry of usual
#: length has 700, and one of which the texts are as long as they can be has 17,000.
_LARGEST_ALONE, _LARGEST_ENTRY, _LARGEST = 256 * 1024, 20 * 1024, 12 * 1024 * 1024
#: How many commas, colons and brackets the largest record has, in the same three ways. Each value takes memory that its
#: octets do not show: an empty list has two of them, and takes a hundred. An entry of usual length has 50.
_MOST_ALONE, _MOST_IN_ENTRY, _MOST = 10_000, 200, 1_200_000
LONGEST_TEXT = 1000
#: Characters of a text in an entry that takes the room of others.
_SHORT_TEXT = 128
#: Characters of a URL, and how many of them are remembered as responders that are asked in another way.
_LONGEST_URL, _MOST_WAYS = 256, 400
_MOST_DIGITS = 20
_LONGEST_TIME = 40
#: Earlier ones are of nothing that is recorded, and nothing could be subtracted from some.
_FIRST_TIME = datetime(1970, 1, 1, tzinfo=timezone.utc)
_METHODS = ("get", "post")
_DIGESTS = ("sha1", "sha256")


class Record:
    """The record of all certificates. What cannot be read starts anew: it costs one early look at each response."""

    def __init__(self, values: t.Optional[Values] = None) -> None:
        self.run: Values = mapping(values, "run")
        self._certificates: Values = mapping(values, "certificates", of_mappings=True)
        self._responders: Values = mapping(values, "responders", of_mappings=True)

    def entry(self, name: str) -> Values:
        """What is known of a certificate; may be empty, and may be changed."""
        return t.cast(Values, self._certificates.setdefault(name, {}))

    def keep_only(self, names: t.Container[str]) -> None:
        self._certificates = {name: entry for name, entry in self._certificates.items() if name in names}

    @property
    def ways(self) -> t.Dict[str, Way]:
        """How responders were asked with success, by URL, where that was not in the usual way."""
        found = {url: _way_of(values) for url, values in self._responders.items()}
        return {url: way for url, way in found.items() if way is not None}

    @ways.setter
    def ways(self, known: t.Mapping[str, Way]) -> None:
        fitting = [url for url in known if len(url) <= _LONGEST_URL]
        newest = sorted(fitting, key=lambda url: known[url].since, reverse=True)[:_MOST_WAYS]
        self._responders = {
            url: {
                "method": known[url].method,
                "certid_digest": known[url].certid_digest,
                "since": format_time(known[url].since),
            }
            for url in sorted(newest)
        }

    def save(self, path: str) -> None:
        """Write it in one step. Raises FileError."""
        share = (largest(len(self._certificates)) - _LARGEST_ALONE) // max(1, len(self._certificates))
        values = {
            "version": VERSION,
            "run": self.run,
            "responders": self._responders,
            "certificates": {name: _within(entry, share) for name, entry in self._certificates.items()},
        }
        files.replace_file(path, dump(values), own=True)


def _within(entry: Values, share: int) -> Values:
    """An entry that takes no more than its share of the octets of the record, as otherwise nothing in it is read."""
    if len(json.dumps(entry)) <= share:
        return entry
    return {key: _shortened(value) for key, value in entry.items()}


def _shortened(value: t.Any) -> t.Any:
    """A text as it is cut where room is short. In JSON, other characters than those of ASCII take up to twelve."""
    return clean(value.encode("ascii", "replace").decode(), _SHORT_TEXT) if isinstance(value, str) else value


def _way_of(values: Values) -> t.Optional[Way]:
    method, digest, since = values.get("method"), values.get("certid_digest"), time_of(values, "since")
    return Way(method, digest, since) if method in _METHODS and digest in _DIGESTS and since is not None else None


def load(path: str, certificates: int) -> Record:
    """The own record, which is about so many certificates."""
    try:
        data = reading.read_file(path, path, largest(certificates))
        return parse(None if data is None or is_crowded(data, certificates) else data)
    except InputError:
        return Record()


def load_foreign(path: str, certificates: int) -> t.Tuple[Record, str]:
    """The record that another user wrote about so many certificates, and why it was refused, if it was."""
    try:
        data = untrusted_file.read(path, largest(certificates))
        if data is not None and is_crowded(data, certificates):
            return Record(), f"{path} has more values in it than a record of {certificates} certificates; remove it"
        return parse(data), ""
    except OcspError as error:
        return Record(), error.message
    except Exception as error:  # it must not keep staples from being withdrawn
        return Record(), f"{path} cannot be read ({type(error).__name__}); remove it"


def largest(certificates: int) -> int:
    """Octets of the largest record of so many certificates."""
    return min(_LARGEST, _LARGEST_ALONE + _LARGEST_ENTRY * certificates)


def is_crowded(data: bytes, certificates: int) -> bool:
    """Whether JSON has more values than the largest record of so many certificates; texts may be of anything."""
    most = min(_MOST, _MOST_ALONE + _MOST_IN_ENTRY * certificates)
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 2 * most:
        return True
    between = b"".join(plain.split(b'"')[::2])
    return sum(between.count(sign) for sign in (b",", b":", b"[", b"{")) > most


def dump(values: Values) -> bytes:
    """JSON with a line for each certificate."""
    head = {key: value for key, value in values.items() if key != "certificates"}
    # Joined once: those of thousands of certificates that are revoked have tens of megabytes.
    pieces = [f'{json.dumps(head)[:-1]}, "certificates": {{'.encode()]
    for name, entry in sorted(values["certificates"].items()):
        begin = ",\n" if len(pieces) > 1 else "\n"
        pieces.append(f"{begin}  {json.dumps(name)}: {json.dumps(entry, sort_keys=True)}".encode())
    return b"".join([*pieces, b"\n}}\n"])


def parse(data: t.Optional[bytes]) -> Record:
    """Read what may be anything."""
    try:
        # Octets in another encoding have other values than were counted.
        values = json.loads((data or b"{}").decode("utf-8"), parse_int=_parse_int)
    except (ValueError, RecursionError):
        values = {}
    known = isinstance(values, dict) and values.get("version") == VERSION
    return Record(values if known else {})


def _parse_int(digits: str) -> int:
    """Raises ValueError for more digits than any number here has: some versions of Python take hours for millions."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def mapping(values: t.Any, key: str, of_mappings: bool = False) -> Values:
    """The mapping at a key, or an empty one; with ``of_mappings`` without what is none itself."""
    found = values.get(key) if isinstance(values, dict) else None
    if not isinstance(found, dict):
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict) or not of_mappings}


def time_of(entry: Values, key: str) -> t.Optional[datetime]:
    value = entry.get(key)
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        found = parse_time(value, key)
    except InputError:
        return None
    return found if found >= _FIRST_TIME else None


def last_of(run: Values) -> t.Optional[datetime]:
    """When a command ended last, be it over all certificates or over some."""
    return max(filter(None, (time_of(run, "ended"), time_of(run, "latest"))), default=None)


def number_of(entry: Values, key: str) -> int:
    value = entry.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def seconds_of(entry: Values, key: str) -> float:
    value = entry.get(key)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 10**9 else 0.0


def text_of(entry: Values, key: str) -> str:
    """A text of one line and bounded length, without control characters."""
    value = entry.get(key)
    if not isinstance(value, str):
        return ""
    return printable(value[:LONGEST_TEXT])
