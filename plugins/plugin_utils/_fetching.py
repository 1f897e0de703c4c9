# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""OCSP responses fetched on the controller, once for all hosts of a play.

Each host of a play has a process of its own. They share the responses on disk and, until the play ends, a note about
each certificate: the first process asks the responder, and the others wait for it and use what it got. They wait for no
other certificate, so a responder that hangs only delays the hosts whose certificates it is responsible for. A response
that proves a revocation stays beside the good ones, for the role acme_certificates, which then replaces the
certificate.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import bulk, freshness
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.environment import (
    Environment,
    Exchange,
    ResponderDown,
    Ways,
)
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch.http1 import HttpRequest, HttpResponse
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.response import SIZE_LIMIT
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.options.parse import read_options
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files, reading

#: Where responses are kept by default.
CACHE = "~/.cache/ocsp-stapling"
_PROOF = ".revoked"

Values = dict[str, t.Any]


class Answer(t.NamedTuple):
    """The Base64 of a response that is good or proves that the certificate is revoked, or else why there is none.

    ``code`` is the reason code of the ``problem``.
    """

    response: str | None
    problem: str = ""
    code: str = ""


class Fetcher:
    """Fetches for one play. ``cache`` is the folder of the responses, ``notes`` a folder that ends with the play.

    With ``check`` nothing is written to the cache.
    """

    def __init__(self, cache: str, notes: str, check: bool, workers: int) -> None:
        self._notes = os.path.join(notes, "ocsp-stapling")
        self._cache, self._check, self._workers = cache, check, workers
        for folder in (self._notes,) if check else (self._notes, cache):
            os.makedirs(folder, exist_ok=True)

    def fetch(self, certificates: t.Mapping[str, Values]) -> dict[str, Answer]:
        """A response for each certificate, given by options of ``ocsp_response`` but for the path. Raises OcspError.

        What a responder refuses or cannot do is in the answer.
        """
        jobs = {name: self._job(name, values) for name, values in certificates.items()}
        due = {name: job for name, job in jobs.items() if not _is_fresh(job)}
        answers = {name: self._noted(job) for name, job in due.items()}
        self._refresh([job for name, job in due.items() if answers[name] is None], answers)
        return {name: answers.get(name) or _read(job) for name, job in jobs.items()}

    def _job(self, name: str, values: Values) -> bulk.Job:
        file = hashlib.sha256(f"{name}{values['certificate_content']}".encode()).hexdigest() + ".der"
        path = os.path.join(self._cache, file)
        if self._check:
            kept, path = path, os.path.join(self._notes, file)
            with contextlib.suppress(OSError):
                if not os.path.exists(path):
                    shutil.copyfile(kept, path)
        return bulk.Job(name, {**values, "path": path})

    def _key(self, job: bulk.Job) -> str:
        return hashlib.sha256(json.dumps(job.values, sort_keys=True, default=str).encode()).hexdigest()

    def _note(self, job: bulk.Job) -> str:
        return os.path.join(self._notes, f"{self._key(job)}.json")

    def _noted(self, job: bulk.Job) -> Answer | None:
        """The answer that another host of this play already got for a certificate, or None."""
        try:
            with open(self._note(job), encoding="utf-8") as handle:
                return Answer(**json.load(handle))
        except (FileNotFoundError, ValueError):  # that process may have been killed while it wrote
            return None

    def _refresh(self, jobs: t.Sequence[bulk.Job], answers: dict[str, Answer | None]) -> None:
        by_name = {job.name: job for job in jobs}
        with contextlib.ExitStack() as stack:
            network = stack.enter_context(bulk.Network())
            turns = {job.name: stack.enter_context(self._turn(job, network)) for job in jobs}
            ways = Ways()

            def environment_for(job: bulk.Job) -> Environment:
                return Environment(turns[job.name].ask, datetime.now(timezone.utc), ways=ways)

            for name, result in bulk.refresh_all(jobs, environment_for, self._workers, on_abort=network.close):
                with turns[name] as turn:
                    answers[name] = turn.answer or self._conclude(by_name[name], result, turn.is_held)

    def _turn(self, job: bulk.Job, network: bulk.Network) -> _Turn:
        lock = os.path.join(self._notes, f"{self._key(job)}.lock")
        return _Turn(lock, lambda: self._noted(job), network.exchange_for(job.values))

    def _conclude(self, job: bulk.Job, result: freshness.Outcome | OcspError, asked: bool) -> Answer:
        answer = _answer(result)
        if asked:
            with open(self._note(job), "w", encoding="utf-8") as handle:
                json.dump(answer._asdict(), handle)
        if isinstance(result, freshness.Outcome) and result.proof is not None and not self._check:
            content = job.values["certificate_content"]
            files.replace_file(os.path.join(self._cache, _proof_name(content.encode(), job.name)), result.proof)
        return answer


class _Turn:
    """The right to ask about one certificate, from the first question on until it is noted what came of it.

    ``answer`` is what another host got meanwhile, for which nothing is asked. Leaving the context ends the turn.
    """

    def __init__(self, lock: str, noted: t.Callable[[], Answer | None], exchange: Exchange) -> None:
        self._lock, self._noted, self._exchange = lock, noted, exchange
        self._stack = contextlib.ExitStack()
        self.is_held = False
        self.answer: Answer | None = None

    def __enter__(self) -> _Turn:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def ask(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """One exchange. Raises FileError where the turn does not come in time."""
        if not self.is_held:
            self._stack.enter_context(files.lock_file(self._lock, "what another host fetches", timeout))
            self.is_held = True
            self.answer = self._noted()
        if self.answer is not None:
            raise ResponderDown("unreachable", "another host has asked", True)
        return self._exchange(request, timeout)


def proofs(cache: str, certificates: t.Mapping[str, bytes]) -> dict[str, str]:
    """Of certificates in PEM by name, the responses by which the controller knows that they were revoked, as Base64.

    Whoever uses one has to judge it: the folder is the user's own. Raises OSError.
    """
    try:
        kept = {file for file in os.listdir(cache) if file.endswith(_PROOF)}
    except FileNotFoundError:
        return {}
    found = {}
    for name, content in certificates.items() if kept else ():
        with contextlib.suppress(OcspError):  # what cannot be read is replaced for another reason
            file = _proof_name(content, name)
            data = reading.read_file(os.path.join(cache, file), file, SIZE_LIMIT) if file in kept else None
            found.update({name: base64.b64encode(data).decode("ascii")} if data else {})
    return found


def _proof_name(pem: bytes, name: str) -> str:
    """The same for a certificate with and without its chain. Raises OcspError."""
    leaf = x509.find_leaf(x509.load_certificates(pem, name), name)
    return hashlib.sha256(leaf.der).hexdigest() + _PROOF


def _is_fresh(job: bulk.Job) -> bool:
    """Whether the response on disk is good and not yet due. Faulty options make it due: the fetch names them."""
    try:
        outcome = freshness.check_fresh(read_options(job.values), datetime.now(timezone.utc))
    except OcspError:
        return False
    return outcome is not None and outcome.data is not None


def _answer(result: t.Union[freshness.Outcome, OcspError]) -> Answer:
    if isinstance(result, OcspError):
        return Answer(None, result.message, result.code)
    data = result.data or result.proof
    if data is not None:
        return Answer(base64.b64encode(data).decode("ascii"))
    if result.skipped_reason:
        return Answer(None)
    if result.fetch_error is None:
        return Answer(None, result.message)
    return Answer(None, result.fetch_error.message, result.fetch_error.code)


def _read(job: bulk.Job) -> Answer:
    data = reading.read_file(job.values["path"], job.values["path"], SIZE_LIMIT)
    return Answer(base64.b64encode(data).decode("ascii") if data else None)
