# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of one staple file, from the plain values of a task or of a configuration file."""

from __future__ import annotations

import base64
import binascii
import functools
import typing as t

from .. import secrets
from ..errors import ERROR, Finding, InputError, MissingError
from ..judge import schedule
from ..judge.response import SIZE_LIMIT, Rules
from ..judge.wire import from_pem
from ..pki import certificate as x509
from ..pki.certificate import Certificate, Target
from ..pki.served import first_to_end
from ..store import tenants
from ..text import parse_duration
from .table import DURATION, OPTIONS, PROXY, SECONDS, STAPLE, TRANSPORT_OPTIONS, Limits, Option, expected, names_of

#: Octets of the largest certificate file that is read; the roots of a distribution have a quarter of a mebibyte.
CERTIFICATE_LIMIT = 1024 * 1024

#: Of Ansible's own options for files: whether one that cannot be replaced may be written into.
_IN_PLACE = "unsafe_writes"
_PLAIN = (*names_of(about=STAPLE), *TRANSPORT_OPTIONS, _IN_PLACE)


class Options(t.NamedTuple):
    """What to keep fresh, where, and how. Timeouts are in seconds.

    ``responder_urls`` are those configured, or else those of the certificate. ``target`` is None
    where there is neither a responder nor a response to judge, so that no issuer is needed. ``path`` may be empty
    where the response goes into no file. ``ending`` is the first to end of the certificate and the CAs that were given
    with it, and None where these are not known.
    ``source`` is the DER of a response that was fetched elsewhere. ``backups`` is how many copies
    of replaced files stay, 0 for none. ``in_place`` allows writing into a file that cannot be replaced.
    """

    path: str
    certificate: Certificate
    target: t.Optional[Target]
    issuer_problem: t.Optional[Finding] = None
    ending: t.Optional[Certificate] = None
    responder_urls: t.Tuple[str, ...] = ()
    source: t.Optional[bytes] = None
    renewal: schedule.Renewal = schedule.Renewal()
    rules: Rules = Rules()
    servers: t.Tuple[str, ...] = ()
    certid_digest: str = OPTIONS["certid_digest"].default
    method: str = OPTIONS["method"].default
    nonce: bool = OPTIONS["nonce"].default
    on_missing_responder: str = OPTIONS["on_missing_responder"].default
    on_revoked: str = OPTIONS["on_revoked"].default
    force: bool = OPTIONS["force"].default
    format: str = OPTIONS["format"].default
    backups: int = 0
    in_place: bool = False
    timeout: float = OPTIONS["timeout"].default
    total_timeout: float = OPTIONS["total_timeout"].default
    retries: int = OPTIONS["retries"].default


#: The options that stand in Options, and in Rules, under their own names.
_AS_THEY_ARE = tuple(name for name in Options._fields if name in _PLAIN)
_RULES = tuple(name for name in Rules._fields if name in _PLAIN)

Values = t.Mapping[str, t.Any]


def read_options(values: Values, judging: bool = False) -> Options:
    """Check the options of ``ocsp_response`` and load the certificates they name.

    ``values`` maps option names to plain values; None and a missing key mean the default. The
    issuer is looked for where there is a responder or a source. With ``judging`` it is always
    looked for, and one that did not issue the certificate, or cannot be checked, is a finding. Raises
    InputError naming the option and, where there is one, the file.
    """
    source = _read_source(values)
    certificates, where = read_certificates(values, "certificate")
    issuers, issuer_where = read_certificates(values, "issuer")
    roots, root_where = read_certificates(values, "root")
    if not certificates:
        raise InputError("give the certificate with certificate_path or certificate_content")
    leaf = x509.find_leaf(certificates, where)
    urls = _urls_of(values, leaf)
    issuer, problem = None, None
    if judging or source is not None or urls:
        candidates, where = (issuers, issuer_where) if issuers else (certificates, where)
        try:
            issuer = x509.find_issuer(leaf, candidates, roots, where, root_where)
        except InputError as error:
            if not judging or error.code not in ("issuer_mismatch", "unsupported_key"):
                raise
            problem = Finding(error.code, ERROR, error.message)
            issuer = next(candidate for candidate in candidates if candidate.der != leaf.der)
    # Last, as it may take as many checks of signatures as the search for the issuer.
    ending = first_to_end(leaf, [*certificates, *issuers])
    return _make_options(values, leaf, issuer, urls, source, problem)._replace(ending=ending)


def make_options(
    values: Values, leaf: Certificate, issuer: t.Optional[Certificate], source: t.Optional[bytes] = None
) -> Options:
    """As ``read_options``, but for certificates that are loaded, and maybe for a response without a file.

    ``values`` are the plain options, of which those that give certificates or a source are not looked at; without
    ``path`` the options are for ``refresh.obtain`` alone. ``issuer`` may be None where there is neither a responder
    nor a ``source`` (the DER of a response). Whether it did issue the certificate is for the judge to say. Raises
    InputError naming the option.
    """
    urls = _urls_of(values, leaf)
    needed = source is not None or bool(urls)
    if needed and issuer is None:
        raise InputError(
            f"the issuer of {leaf.name} is missing, and its OCSP responses cannot be checked without it; "
            "give the certificate of the CA that issued it"
        )
    return _make_options(values, leaf, issuer if needed else None, urls, source)


def _make_options(
    values: Values,
    leaf: Certificate,
    issuer: t.Optional[Certificate],
    urls: t.Tuple[str, ...],
    source: t.Optional[bytes] = None,
    issuer_problem: t.Optional[Finding] = None,
) -> Options:
    options = Options(
        path=values.get("path") or "",
        certificate=leaf,
        target=Target(leaf, issuer) if issuer is not None else None,
        issuer_problem=issuer_problem,
        responder_urls=urls,
        source=source,
        **_read_plain(values),
    )
    if options.format == "pem" and options.servers:
        raise InputError(f"format: pem contradicts server: {', '.join(options.servers)} reads staples as DER only")
    return options


def _urls_of(values: Values, leaf: Certificate) -> t.Tuple[str, ...]:
    """The responders to ask: those configured, or else those of the certificate. Raises InputError."""
    return _read_urls(values) or tuple(leaf.responder_urls)


def closest(name: str, known: t.Iterable[str]) -> str:
    """The known name that was probably meant, or an empty string."""
    import difflib  # pylint: disable=import-outside-toplevel  # for an error alone

    return next(iter(difflib.get_close_matches(name, sorted(known), 1)), "")


def did_you_mean(name: str, known: t.Collection[str]) -> str:
    """What to write instead of a name that is not known, for the end of a sentence."""
    meant = closest(name, known)
    return f"did you mean {meant}?" if meant else f"use one of {', '.join(sorted(known))}"


def check_options(values: Values) -> None:
    """Check the values that need no file, without loading anything. Raises InputError naming the option."""
    _read_urls(values)
    _read_plain(values)


def read_value(name: str, value: t.Any) -> t.Any:
    """The value of one option of the table, or its default for None. Raises InputError naming the option.

    Durations become a timedelta, lists a tuple and numbers that need not be whole a float.
    """
    option = OPTIONS[name]
    if value is None:
        value = option.default
        if value is None:
            return None
    if option.form == DURATION:
        return parse_duration(str(value), name)
    wanted = expected(option, value)
    if wanted:
        raise InputError(f"{name}: {_shown(option, value)} is not {wanted}")
    for entry in value if option.kind == "list" else (value,):
        if option.choices and entry not in option.choices:
            raise InputError(f"{name}: '{entry}' is not one of {', '.join(option.choices)}")
    if option.limits is not None:
        check_limits(name, value, option.limits)
    if option.form == PROXY and value:
        _check_proxy(name, value)
    return tuple(value) if option.kind == "list" else float(value) if option.kind == "float" else value


def _check_proxy(name: str, value: str) -> None:
    """Refuse what is no URL of a proxy; the value is not shown, since a password may be in it."""
    from ..urls import is_proxy  # pylint: disable=import-outside-toplevel  # slow, and few configure one

    if not is_proxy(value):
        raise InputError(f"{name}: its value is not of the form http://[user:password@]host:port")


def _shown(option: Option, value: t.Any) -> str:
    """A value for a message. A password may be in a proxy, and in a URL that stands where a list should."""
    telling = isinstance(value, (str, int, float)) and not option.secret and option.kind != "list"
    return repr(value) if telling else "its value"


def _read_plain(values: Values) -> t.Dict[str, t.Any]:
    """The options that need neither a file nor one another. Raises InputError."""
    given = [tuple(value) if isinstance(value, list) else value for value in map(values.get, _PLAIN)]
    try:
        return _check_plain(*given)
    except TypeError:  # something of a wrong kind cannot be remembered either
        return _check_plain.__wrapped__(*given)


@functools.lru_cache(maxsize=64, typed=True)
def _check_plain(*given: t.Any) -> t.Dict[str, t.Any]:
    """As ``_read_plain``, for the values of ``_PLAIN``. Remembered, since of many certificates most have the same."""
    in_place = bool(given[-1])
    values = {name: read_value(name, value) for name, value in zip(_PLAIN[:-1], given)}
    return {
        "renewal": schedule.Renewal(values["minimum_validity"] or None, values["minimum_validity_percentage"]),
        "rules": _rules(values),
        "servers": values["server"],
        "backups": values["backup_count"] if values["backup"] else 0,
        "in_place": in_place,
        **{name: values[name] for name in _AS_THEY_ARE},
    }


def _read_urls(values: Values) -> t.Tuple[str, ...]:
    urls: t.Tuple[str, ...] = read_value("responder_urls", values.get("responder_urls")) or ()
    for url in urls:
        _check_url(url)
    return urls


def _check_url(url: str) -> None:
    from urllib.parse import urlsplit  # pylint: disable=import-outside-toplevel  # few configure any

    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise InputError("responder_urls: a URL with a user name or password is refused; give it without them")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = "one of them" if "@" in url else f"'{url}'"  # what stands before the @ may be a password
        raise InputError(f"responder_urls: {shown} is not an http:// or https:// URL with a host")


def read_certificates(values: Values, kind: str) -> t.Tuple[t.List[Certificate], str]:
    """The certificates that ``<kind>_path`` or ``<kind>_content`` gives, and how to name their place.

    Raises InputError.
    """
    data, where = read_data(values, f"{kind}_path", f"{kind}_content")
    return (x509.load_certificates(data, where) if data is not None else []), where


def _read_source(values: Values) -> t.Optional[bytes]:
    """The DER of the response in ``source_path`` or ``source_content``, if one is given."""
    content = values.get("source_content")
    if content is not None and values.get("source_path") is None:
        return decode_content(content, "source_content")
    data = read_data(values, "source_path", "source_content", SIZE_LIMIT)[0]
    return from_pem(data) if data is not None else None


def read_data(
    values: Values, path_option: str, content_option: str, limit: int = CERTIFICATE_LIMIT
) -> t.Tuple[t.Optional[bytes], str]:
    """The bytes that one of two options gives, and how to name them in a message. Raises InputError."""
    path, content = values.get(path_option), values.get(content_option)
    if path is not None and content is not None:
        raise InputError(f"{path_option} and {content_option} are mutually exclusive; give only one of them")
    if content is not None:
        data = content.encode("utf-8", "surrogateescape")
        if len(data) > limit:
            raise InputError(f"{content_option} has more than {limit} octets; give only certificates that are needed")
        if secrets.holds_private_key(data):
            raise InputError(secrets.key_refusal([content_option]))
        return data, content_option
    if path is None:
        return None, path_option
    if not path:
        raise InputError(f"{path_option} is empty; give the path of a file or leave it out")
    where = f"{path_option}: {path}"
    found = tenants.read_file(path, where, limit)
    if found is None:
        raise MissingError(f"{where} does not exist")
    if len(found) > limit:
        raise InputError(f"{where} has more than {limit} octets; this cannot be the right file")
    return found, where


def decode_content(content: str, option: str) -> bytes:
    """The bytes of a Base64 option. Raises InputError."""
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not content.strip():
        raise InputError(f"{option} is empty; give the Base64 of the DER of a response, or leave it out")
    if not data:
        raise InputError(f"{option} is not Base64; encode the DER of the response, for example with b64encode")
    return data


def read_rules(values: Values) -> Rules:
    """The rules of judging. Raises InputError."""
    return _rules({name: read_value(name, values.get(name)) for name in _RULES})


def _rules(values: Values) -> Rules:
    rules = {name: values[name] for name in _RULES}
    return Rules(**{**rules, "allow": frozenset(values["allow"])})


def read_seconds(values: Values, name: str, default: float) -> float:
    """A number of seconds, of a day at most. Raises InputError."""
    number = values.get(name)
    if number is None:
        return default
    check_limits(name, number, SECONDS)
    return float(number)


def read_whole(values: Values, name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number within limits. Raises InputError."""
    number = values.get(name)
    if number is None:
        return default
    check_limits(name, number, Limits(lowest, highest))
    return int(number)


def check_limits(name: str, number: float, limits: Limits) -> None:
    """Raises InputError for a number that is not within its limits."""
    if not limits.allow(number):
        what = "a number of seconds between" if limits.above else "between"
        raise InputError(f"{name}: {number} is not {what} {limits.lowest} and {limits.highest}")
