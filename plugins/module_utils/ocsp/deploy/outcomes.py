# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is noted of an attempt to deploy, for those who did not see it fail: the records of ``store.attempts``.

Whoever carries out a transaction makes one ``Notes`` and calls one of its methods at the end: ``conclude`` after a
switch, also one that was refused; ``refuse`` where nothing was changed because of an error; ``take_back`` after a
verification has put back what was live before. Nothing is noted in check mode.

A name that has no set and is not configured on the host is not noted, since ``status`` does not know it either.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from .. import secrets
from ..errors import Fault, OcspError, Refusal
from ..options.parse import CERTIFICATE_LIMIT
from ..pki.certificate import Certificate, load_certificates
from ..store import attempts, parts, proofs, reading
from ..store.attempts import HELD_BACK, LIVE_WITHOUT_STAPLE, REFUSED, SWITCHED_BACK, Attempt
from ..store.parts import Part
from ..store.sets import Layout
from ..text import join_words
from . import finds, material
from .confirm import Verified
from .plan import Item, Plan

#: The reason code of a set that was switched back, and of one that no service could be tried with.
_SWITCHED_BACK, _BROKEN = "switched_back", "reload_failed"


@dataclass(frozen=True)
class Notes:
    """The records of one run.

    ``parts`` are what is configured on the host, and ``owner`` is who deploys, if that is known. ``passwords`` are
    those that were given, which messages may quote. ``now`` tells the time (aware).
    """

    layout: Layout
    parts: t.Sequence[Part] = ()
    owner: str = ""
    passwords: t.Tuple[str, ...] = ()
    now: t.Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def failed(self) -> t.Set[str]:
        """The names whose last deployment failed, as far as that still holds."""
        noted = {name: attempts.outstanding(self.layout, name) for name in attempts.names(self.layout)}
        return {name for name, attempt in noted.items() if attempt is not None and not attempt.is_live}

    def conclude(self, work: Plan) -> t.List[str]:
        """Note what came of each certificate of a plan that was carried out, and forget what is no longer on the host.

        Returns a sentence for each record that could not be written.
        """
        wanted = {item.name: self._outcome(item) for item in work.items}
        gone = [name for name in attempts.names(self.layout) if name not in wanted and not self._is_known(name)]
        problems = []
        for name, attempt in [*wanted.items(), *((name, None) for name in gone)]:
            try:
                if attempt is not None:
                    attempts.write(self.layout, name, attempt)
                else:
                    attempts.forget(self.layout, name)
            except OcspError as error:
                problems.append(f"{name}: what came of its deployment could not be noted for status: {error.message}")
        return [*problems, *self._keep_proofs(work)]

    def _keep_proofs(self, work: Plan) -> t.Iterator[str]:
        """Have the program know what a responder said of certificates that are revoked and in use."""
        for item in work.items:
            try:
                if item.is_in_use and item.outcome is not None:
                    proofs.keep(self.layout.proof(item.name), item.outcome.proof)
            except OcspError as error:
                yield f"{item.name}: that it is revoked could not be noted for status: {error.message}"

    def refuse(self, error: OcspError, items: t.Iterable[Item], unusable: t.Sequence[Fault] = ()) -> None:
        """Note that nothing was changed because of an error; ``unusable`` are faults of what could not be read.

        What cannot be noted is passed over, as the error is what counts.
        """
        faults = error.faults if isinstance(error, Refusal) else (Fault("", error.message),)
        refused = {item.name: item.material.certificate for item in items}
        names = [*refused, *(one.name for one in unusable if one.name not in refused)]
        for name in dict.fromkeys(names):
            message = _message_for(name, faults)
            attempt = self._attempt(name, REFUSED, error.code, message, refused.get(name))
            with contextlib.suppress(OcspError):
                if attempt is not None:
                    attempts.write(self.layout, name, attempt)

    def take_back(
        self, switched: t.Mapping[str, t.Mapping[str, t.Any]], verified: Verified, left_out: t.Container[str] = ()
    ) -> None:
        """Note that the sets of these names were put back; ``switched`` is what the transaction noted of them.

        Those of ``left_out`` are to blame for that.
        """
        services = join_words(verified.faults)
        for name, one in switched.items():
            with contextlib.suppress(OcspError, KeyError):
                path = os.path.join(self.layout.folder(name, one["current"]), "cert.pem")
                certificate = load_certificates(reading.read_file(path, path, CERTIFICATE_LIMIT) or b"", path)[0]
                message = verified.seen.get(name) or f"{services} did not take over the new certificates"
                attempt = self._attempt(name, SWITCHED_BACK, _SWITCHED_BACK, message, certificate)
                if attempt is not None:
                    attempts.write(self.layout, name, self._left_out(attempt) if name in left_out else attempt)

    def _left_out(self, attempt: Attempt) -> Attempt:
        """The same of what is not to be tried again for a while."""
        return attempt._replace(left_out_until=attempt.time + finds.PAUSE)

    def _outcome(self, item: Item) -> t.Optional[Attempt]:
        """What is to be noted of a certificate, or None where it is as it should be."""
        certificate = item.material.certificate
        code, message = item.obstacle
        if item.rolled_back:
            outcome, code = (REFUSED, _BROKEN) if item.was_broken else (SWITCHED_BACK, _SWITCHED_BACK)
            attempt = self._attempt(item.name, outcome, code, item.blame, certificate)
            return self._left_out(attempt) if attempt is not None and item.is_to_blame else attempt
        if item.held_back:
            return self._attempt(item.name, HELD_BACK, code, item.held_back, certificate)
        if item.lacks_staple and code:
            return self._make(item.name, LIVE_WITHOUT_STAPLE, code, message, certificate)
        return None

    def _attempt(
        self, name: str, outcome: str, code: str, message: str, certificate: t.Optional[Certificate]
    ) -> t.Optional[Attempt]:
        """The record of a certificate that did not go live, or None where the same one is live or nothing is known."""
        if certificate is not None and attempts.is_live(self.layout, name, material.fingerprint(certificate)):
            return None
        return self._make(name, outcome, code, message, certificate) if self._is_known(name) else None

    def _is_known(self, name: str) -> bool:
        """Whether there is something in the place of a live set of this name, or it is configured."""
        return os.path.lexists(self.layout.live(name)) or parts.is_given(self.parts, name)

    def _make(self, name: str, outcome: str, code: str, message: str, certificate: t.Optional[Certificate]) -> Attempt:
        return Attempt(
            time=self.now(),
            outcome=outcome,
            code=code,
            message=secrets.told(message, self.passwords),
            fingerprint=material.fingerprint(certificate) if certificate is not None else "",
            not_after=certificate.not_after if certificate is not None else None,
            owner=self.owner or join_words(part.owner for part in self.parts if part.get(name)),
        )


def _message_for(name: str, faults: t.Sequence[Fault]) -> str:
    """What is wrong with a certificate itself, else what is wrong with all or with another one."""
    own = [fault.message for fault in faults if fault.name in (name, "")]
    if own:
        return "; ".join(_without_name(message, name) for message in own)
    return f"it was not deployed because of another certificate of the same task: {faults[0].message}"


def _without_name(message: str, name: str) -> str:
    """A sentence as in the status of a certificate, which names it."""
    for start in ("nothing was changed: ", f"{name}: "):
        message = message[len(start) :] if message.startswith(start) else message
    return message
