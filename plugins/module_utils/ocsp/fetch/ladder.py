# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask responders until one gives a good response, within one total time.

Each responder is asked down a ladder (GET, then POST; SHA-1, then SHA-256), because many serve
only part of it. Retries are for responders that may be back in a moment.
"""

from __future__ import annotations

import typing as t

from ..errors import ERROR, Finding, TransportError
from ..judge import request as ocsp_request
from ..judge import response as ocsp_response
from ..judge import schedule, wire
from ..judge.judgement import Judgement
from ..options.parse import Options
from ..pki.certificate import Target
from .environment import Environment, ResponderDown
from .freshness import Attempt
from .http1 import HttpRequest, HttpResponse

_GET = "get"
_POST = "post"

#: The responder itself was not reached, or may be well in a moment: worth another round.
_PASSING = frozenset(("unreachable", "timeout", "proxy_error"))
#: Failures that another method or digest would meet again.
_NO_ANSWER = _PASSING | frozenset(("url_refused", "too_large"))
#: What a responder says that may know the certificate by the other digest (RFC 5019 successor, section 3.1.1).
_OTHER_DIGEST_STATUSES = ("unauthorized", "malformed_request", "internal_error")
_OTHER_DIGEST_CODES = frozenset(("unknown_status", "wrong_certificate"))
#: What a responder says that may know a new certificate, or be well again, in some minutes.
_TRANSIENT_STATUSES = ("try_later", "unauthorized", "internal_error")
_TRANSIENT_HTTP_STATUSES = (404, 408, 425, 429)
#: What a cache on the way may be the cause of (RFC 5019 section 5).
_STALE = frozenset(("expired", "too_old"))


class _Answer(t.NamedTuple):
    """What came of one exchange."""

    error: t.Optional[Finding]
    url: str = ""
    data: bytes = b""
    judgement: t.Optional[Judgement] = None
    http_status: t.Optional[int] = None
    retry_after: t.Optional[float] = None
    not_asked: bool = False
    permanent: bool = False

    @property
    def code(self) -> str:
        return self.error.code if self.error else ""

    @property
    def settles(self) -> bool:
        """Whether no other responder needs to be asked: good, or the CA's word that it is revoked."""
        return self.error is None or (self.judgement is not None and self.judgement.proves_revocation)

    @property
    def passing(self) -> bool:
        if self.not_asked:
            return False
        server_error = self.code == "http_error" and (self.http_status or 0) >= 500
        try_later = self.judgement is not None and self.judgement.response_status == "try_later"
        return self.code in _PASSING or server_error or try_later

    @property
    def transient(self) -> bool:
        """Whether the same question may be answered in some minutes."""
        if self.judgement is not None:
            return self.judgement.response_status in _TRANSIENT_STATUSES or self.code == "unknown_status"
        if self.code == "http_error":
            status = self.http_status or 500
            return status >= 500 or status in _TRANSIENT_HTTP_STATUSES
        return self.code in _PASSING and not self.permanent

    @property
    def wants_other_digest(self) -> bool:
        status = self.judgement.response_status if self.judgement else None
        return status in _OTHER_DIGEST_STATUSES or self.code in _OTHER_DIGEST_CODES


class Fetched(t.NamedTuple):
    """The end of a fetch: an acceptable response (``error`` is None), or the best reason for none.

    ``judgement`` is there whenever a response was judged, good or not. ``retry_after`` are the seconds
    that the responder asked to wait. ``transient`` is whether one of the responders may do better in some minutes.
    """

    attempts: t.List[Attempt]
    error: t.Optional[Finding]
    data: bytes = b""
    judgement: t.Optional[Judgement] = None
    url: t.Optional[str] = None
    retry_after: t.Optional[float] = None
    transient: bool = False


def fetch(options: Options, target: Target, environment: Environment) -> Fetched:
    """Ask the responders of ``options`` for a response about ``target``. Foreign data never raises."""
    return _Fetch(options, target, environment).run()


class _Fetch:
    """The state of one fetch: its deadline, its attempts and the best reason for failing so far."""

    def __init__(self, options: Options, target: Target, environment: Environment) -> None:
        self.options = options
        self.target = target
        self.environment = environment
        self.deadline = environment.monotonic() + options.total_timeout
        self.attempts: t.List[Attempt] = []
        self.failures: t.List[_Answer] = []

    def run(self) -> Fetched:
        pending = list(self.options.responder_urls)
        for failures in range(1, self.options.retries + 2):
            answers = []
            for url in pending:
                answer = self._ask(url)
                if answer.settles:
                    return self._end(answer)
                answers.append(answer)
            pending = [answer.url for answer in answers if answer.passing]
            if not pending or failures > self.options.retries or not self._pause(failures, answers):
                break
        return self._end(self._best_failure())

    def _end(self, answer: _Answer) -> Fetched:
        url, judgement = answer.url or None, answer.judgement
        last = {failure.url: failure for failure in self.failures}
        transient = not answer.settles and any(failure.transient for failure in last.values())
        return Fetched(self.attempts, answer.error, answer.data, judgement, url, answer.retry_after, transient)

    def _best_failure(self) -> _Answer:
        """The last word of a responder says more than that another could not be reached; all are told."""
        spoken = [failure for failure in self.failures if failure.judgement is not None]
        best = (spoken or self.failures)[-1]
        last = {failure.url: failure.error.message for failure in self.failures if failure.error}
        if best.error is None or len(last) < 2:
            return best
        return best._replace(error=best.error._replace(message="; ".join(last.values())))

    def _pause(self, failures: int, answers: t.Sequence[_Answer]) -> bool:
        """Wait before the next round. Returns whether there is time for one."""
        wait = schedule.backoff(failures, self.environment.jitter())
        asked = [answer.retry_after for answer in answers if answer.passing and answer.retry_after is not None]
        if asked:
            wait = max(wait, min(asked))
        if self.environment.monotonic() + wait >= self.deadline:
            return False
        self.environment.sleep(wait)
        return True

    def _ask(self, url: str) -> _Answer:
        """Ask one responder, down the ladder until a rung holds. Returns the last answer."""
        answer = _Answer(None)
        digests = ("sha1", "sha256") if self.options.certid_digest == "auto" else (self.options.certid_digest,)
        for digest in digests:
            nonce = self.environment.random_bytes(ocsp_request.NONCE_LENGTH) if self.options.nonce else None
            message = ocsp_request.build_request(self.target, digest, nonce)
            for method, asked in self._requests(url, message):
                answer = self._attempt(url, method, digest, asked, nonce)
                if answer.code in _STALE:
                    answer = self._attempt(url, method, digest, asked._replace(no_cache=True), nonce)
                if answer.settles or answer.code in _NO_ANSWER:
                    return answer
            if not answer.wants_other_digest:
                break
        return answer

    def _requests(self, url: str, message: bytes) -> t.List[t.Tuple[str, HttpRequest]]:
        """The ways to ask, in their order."""
        by_get, by_post = HttpRequest(ocsp_request.get_url(url, message)), HttpRequest(url, message)
        if self.options.method != "auto":
            return [(self.options.method, by_get if self.options.method == _GET else by_post)]
        short = len(by_get.url) <= ocsp_request.GET_LIMIT
        return [(_GET, by_get), (_POST, by_post)] if short else [(_POST, by_post)]

    def _attempt(self, url: str, method: str, digest: str, asked: HttpRequest, nonce: t.Optional[bytes]) -> _Answer:
        began = self.environment.monotonic()
        if began >= self.deadline:
            total = f"{self.options.total_timeout:g}"
            answer = _Answer(Finding("timeout", ERROR, f"{url}: the total_timeout of {total} seconds has passed"), url)
            self.failures.append(answer)
            return answer
        answer = self._exchange(url, asked, nonce, self.deadline - began)
        if not answer.not_asked:
            seconds = round(self.environment.monotonic() - began, 3)
            self.attempts.append(Attempt(url, method, digest, answer.code or None, answer.http_status, seconds))
        if answer.error:
            self.failures.append(answer)
        return answer

    def _exchange(self, url: str, asked: HttpRequest, nonce: t.Optional[bytes], remaining: float) -> _Answer:
        try:
            http_response = self.environment.exchange(asked, min(self.options.timeout, remaining))
        except TransportError as error:
            not_asked = isinstance(error, ResponderDown)
            finding = Finding(error.code, ERROR, error.message)
            return _Answer(finding, url, not_asked=not_asked, permanent=error.permanent)
        return self._judge(url, http_response, nonce)

    def _judge(self, url: str, http_response: HttpResponse, nonce: t.Optional[bytes]) -> _Answer:
        status, retry_after = http_response.status, http_response.retry_after
        judgement = ocsp_response.judge(
            http_response.body,
            self.target,
            self.environment.now(),
            self.options.rules,
            nonce,
            self.options.servers,
            ocsp_response.Received(url, status, http_response.date),
        )
        problem = _content_problem(http_response) if judgement.response_status is None else ""
        if problem:
            code = "malformed" if status == 200 else "http_error"
            return _Answer(Finding(code, ERROR, f"{url} {problem}"), url, http_status=status, retry_after=retry_after)
        error = judgement.error
        if error is not None:
            clock = [finding.message for finding in judgement.findings if finding.code == "clock_implausible"]
            error = error._replace(message="; ".join([f"{url}: {error.message}"] + clock))
        return _Answer(error, url, http_response.body, judgement, status, retry_after)


def _content_problem(http_response: HttpResponse) -> str:
    """Why an HTTP answer holds nothing for the judge, whatever its status and type say, or an empty string."""
    kind = http_response.content_type.split(";")[0].strip() or "no content type"
    if not wire.parse_problem(http_response.body):
        return ""  # it can be read, and what is wrong is what it says
    if http_response.status != 200:
        return f"answered with the HTTP status {http_response.status} ({kind})"
    if not http_response.body:
        return "answered with an empty body"
    if kind != "application/ocsp-response":
        return f"answered with something that is not an OCSP response ({kind})"
    return ""  # the judge says what is wrong with it
