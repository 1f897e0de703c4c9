# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``check``: check response files against a certificate that is given or found."""

from __future__ import annotations

import os
import stat
import typing as t
from datetime import datetime

from ocsp.errors import InputError, printable
from ocsp.fetch import freshness, report
from ocsp.judge.judgement import Judgement
from ocsp.judge.response import SIZE_LIMIT
from ocsp.options.parse import check_options, read_options
from ocsp.store import staples, tenants

from ..config import Config, Values
from ..terminal import paragraph

_BESIDE = ("fullchain.pem", "cert.pem")


class Verdict(t.NamedTuple):
    """What came of one file. ``values`` are those of ocsp_response_info, or why there are none."""

    path: str
    good: bool
    text: str
    values: t.Dict[str, t.Any]


def check_given(given: Values) -> None:
    """Raises InputError where what is given for all files cannot be used."""
    check_options(given)
    if given.get("certificate_path"):
        read_options(given, judging=True)


def check(path: str, given: Values, config: t.Optional[Config], now: datetime) -> Verdict:
    """Judge one file, or say why it cannot be checked."""
    try:
        return _judge(path, given, config, now)
    except InputError as error:
        error_text = paragraph(f"  error: {error.message} [{error.code}]", indent="    ")
        text = f"{printable(path)}: cannot be checked\n{error_text}"
        return Verdict(path, False, text, {"path": path, "acceptable": False, "code": error.code, "msg": error.message})


def _judge(path: str, given: Values, config: t.Optional[Config], now: datetime) -> Verdict:
    content = tenants.read_file(path, path, SIZE_LIMIT)
    if content is None:
        raise InputError(f"{path} does not exist")
    values = {**_known_values(path, given, config), **given}
    options = read_options(values, judging=True)
    outcome = freshness.inspect(options, content, now)
    judgement = outcome.judgement
    good = judgement is not None and judgement.acceptable
    shown = {**report.judged_values(outcome), "path": path, "acceptable": good}
    source = str(values.get("certificate_path") or "the configuration")
    return Verdict(path, good, _text(path, options.certificate.name, source, judgement, shown), shown)


def _known_values(path: str, given: Values, config: t.Optional[Config]) -> Values:
    """The options of the certificate that a file belongs to: as configured, or what lies beside it.

    What lies in the folder of another user is that user's word, and would make a response of any PKI a good one.
    """
    if any(given.get(key) for key in ("certificate_path", "certificate_content")):
        return {}
    real = tenants.where(os.path.abspath(path))
    for entry in config.certificates if config is not None else ():
        if real in map(tenants.where, (entry.path, os.path.join(entry.live or "/", staples.STAPLE))):
            return entry.values
    for name in _BESIDE:
        beside = os.path.join(os.path.dirname(real), name)
        if _is_trusted(beside):
            return {"certificate_path": beside}
    raise InputError(f"{path}: the certificate for this response is unknown; give it with --certificate")


def _is_trusted(path: str) -> bool:
    """Whether a file is there that only root, or whoever calls, can have put there."""
    others = stat.S_IWOTH | (stat.S_IWGRP if os.geteuid() == 0 else 0)
    try:
        found = [os.stat(path), os.lstat(path), os.stat(os.path.dirname(path))]
    except OSError:
        return False
    # Anybody may write to a link as such, and that means nothing.
    written = any(status.st_mode & others for status in found if not stat.S_ISLNK(status.st_mode))
    return not written and all(status.st_uid in (0, os.geteuid()) for status in found)


def _text(path: str, name: str, source: str, judgement: t.Optional[Judgement], values: Values) -> str:
    """What a person is told. ``name`` is the certificate's, and ``source`` the file that it was read from."""
    lines = [f"{printable(path)}: {'good' if values['acceptable'] else 'refused'}\n"]
    facts = (
        ("certificate", name),
        ("status", values["certificate_status"]),
        ("this update", values["this_update"]),
        ("next update", values["next_update"]),
        ("usable until", values["effective_expiry"]),
        ("renew at", values["renew_at"]),
        ("responder", values["responder_id"]),
        ("signature", values["signature_algorithm"]),
        ("revoked at", values["revocation_time"]),
        ("judged by", source),
    )
    lines += [f"  {label + ':':14}{printable(str(value))}\n" for label, value in facts if value]
    for finding in judgement.findings if judgement is not None else ():
        text = f"  {finding.severity}: {finding.message} [{finding.code}]"
        lines.append(paragraph(text, indent="    "))
    return "".join(lines)
