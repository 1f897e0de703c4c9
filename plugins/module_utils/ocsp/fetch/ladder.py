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
from ..servers.table import SERVERS
from ..text import clean
from ..urls import check_url
from .environment import Environment, ResponderDown, Way
from .freshness import Attempt
from .http1 import HttpRequest, HttpResponse

_GET = "get"
_POST = "post"

#: The responder itself was not reached, or may be well in a moment: worth another round.
_PASSING = frozenset(("unreachable", "timeout", "proxy_error"))
#: Failures that another method or digest would meet again, unless the responder was reached.
_NO_ANSWER = _PASSING | frozenset(("url_refused", "too_large"))
#: What a responder says that may know the certificate by the other digest (RFC 5019 successor, section 3.1.1).
_OTHER_DIGEST_STATUSES = ("unauthorized", "malformed_request", "internal_error")
_OTHER_DIGEST_CODES = frozenset(("unknown_status", "wrong_certificate"))
#: What a responder says that may know a new certificate, or be well again, in some minutes.
_TRANSIENT_STATUSES = ("try_later", "unauthorized", "internal_error")
_TRANSIENT_HTTP_STATUSES = (404, 408, 425, 429)
#: What a server says that takes the same request later on.
_BUSY_HTTP_STATUSES = (408, 425, 429)
_TOO_MANY_REQUESTS = 429
#: What a cache on the way may be the cause of (RFC 5019 section 5).
_STALE = frozenset(("expired", "too_old"))


#: With less time left no exchange is begun, but for the first one: its failure would say nothing of the responder.
_LEAST_SECONDS = 0.5
#: Characters of a URL in a message.
_LONGEST_URL = 200


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
    reached: bool = True

    @property
    def code(self) -> str:
        return self.error.code if self.error else ""

    @property
    def settles(self) -> bool:
        """Whether no other responder needs to be asked: good, or the CA's word that it is revoked."""
        return self.error is None or (self.judgement is not None and self.judgement.proves_revocation)

    @property
    def is_about_certificate(self) -> bool:
        """Whether the responder gave a response, and not only an error or nothing that can be read."""
        return self.judgement is not None and self.judgement.response_status == "successful"

    @property
    def passing(self) -> bool:
        if self.not_asked:
            return False
        status = self.http_status or 0
        server_error = self.code == "http_error" and (status >= 500 or status in _BUSY_HTTP_STATUSES)
        return self.code in _PASSING or server_error or self._says_try_later

    @property
    def _says_try_later(self) -> bool:
        return self.judgement is not None and self.judgement.response_status == "try_later"

    @property
    def asks_to_wait(self) -> bool:
        """Whether the responder asks for a pause (RFC 6585 section 4, RFC 9110 section 10.2.3), POST included."""
        if self.code == "http_error":
            return self.http_status == _TOO_MANY_REQUESTS or (self.passing and self.retry_after is not None)
        return self._says_try_later and self.retry_after is not None

    @property
    def ends_ladder(self) -> bool:
        """Whether another method or digest would meet the same failure."""
        return self.code in _NO_ANSWER and (self.permanent or not self.reached)

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
        #: When the responder that is asked has had its share of that, so that one that is slow leaves time for others.
        self.share_ends = self.deadline
        self.attempts: t.List[Attempt] = []
        self.failures: t.List[_Answer] = []
        #: When to ask a responder again at the earliest, by URL.
        self.not_before: t.Dict[str, float] = {}
        self.waited_for: t.Set[str] = set()
        self.is_last_round = False
        #: Whether one of its servers has no use for an answer by a SHA-256 CertID.
        self.needs_sha1 = not all(SERVERS[name].reads_sha256 for name in options.servers)

    def run(self) -> Fetched:
        pending = list(self.options.responder_urls)
        for failures in range(1, self.options.retries + 2):
            answers = []
            self.is_last_round = failures > self.options.retries
            for number, url in enumerate(pending):
                now = self.environment.monotonic()
                if self.not_before.get(url, 0.0) > now:
                    continue
                self.share_ends = now + (self.deadline - now) / (len(pending) - number)
                answer = self._ask(url)
                if answer.settles:
                    return self._end(answer)
                answers.append(answer)
            asked = {answer.url: answer.passing for answer in answers}
            pending = [url for url in pending if asked.get(url, True)]
            if not pending or failures > self.options.retries or not self._pause(failures, pending, answers):
                break
        return self._end(self._best_failure())

    def _end(self, answer: _Answer) -> Fetched:
        url, judgement = answer.url or None, answer.judgement
        transient = not answer.settles and any(failure.transient for failure in self._last_words().values())
        return Fetched(self.attempts, answer.error, answer.data, judgement, url, answer.retry_after, transient)

    def _last_words(self) -> t.Dict[str, _Answer]:
        """The last failure of each responder.

        Where it said something about the certificate by one method, it is no news that it refuses the other.
        """
        spoke = {failure.url for failure in self.failures if failure.is_about_certificate}
        counts = (one for one in self.failures if one.url not in spoke or one.is_about_certificate or one.transient)
        return {failure.url: failure for failure in counts}

    def _best_failure(self) -> _Answer:
        """The last word of a responder says more than that another could not be reached; all are told."""
        about_it = [failure for failure in self.failures if failure.is_about_certificate]
        spoken = [failure for failure in self.failures if failure.judgement is not None]
        best = (about_it or spoken or self.failures)[-1]
        last = {url: failure.error.message for url, failure in self._last_words().items() if failure.error}
        if best.error is None or len(last) < 2:
            return best
        return best._replace(error=best.error.saying("; ".join(last.values())))

    def _pause(self, failures: int, pending: t.Sequence[str], answers: t.Sequence[_Answer]) -> bool:
        """Wait before the next round. Returns whether there is time for one."""
        now = self.environment.monotonic()
        backoff = schedule.backoff(failures, self.environment.jitter())
        for answer in answers:
            self.not_before[answer.url] = now + max(backoff, answer.retry_after or 0.0)
        until = min(self.not_before[url] for url in pending)
        if until + _LEAST_SECONDS > self.deadline:
            return False
        # The pause that another responder asked for may have passed while this round took its time.
        self.environment.sleep(max(0.0, until - now))
        return True

    def _ask(self, url: str) -> _Answer:
        """Ask one responder, down the ladder until a rung holds. Returns the last answer."""
        answer = _Answer(None)
        known = self._known_way(url)
        digests = ("sha1", "sha256") if self.options.certid_digest == "auto" else (self.options.certid_digest,)
        spoke: t.List[t.Tuple[str, str]] = []
        for digest in _first(digests, known and known.certid_digest):
            nonce = self.environment.random_bytes(ocsp_request.NONCE_LENGTH) if self.options.nonce else None
            message = ocsp_request.build_request(self.target, digest, nonce)
            requests = self._requests(url, message)
            methods = _first(list(requests), known and known.method)
            for method in methods:
                is_last = method == methods[-1]
                answer = self._attempt(url, method, digest, requests[method], nonce, is_last)
                if answer.code in _STALE:
                    again = requests[method]._replace(no_cache=True)
                    answer = self._attempt(url, method, digest, again, nonce, is_last)
                if answer.judgement is not None:
                    spoke.append((method, digest))
                if answer.settles:
                    self._remember(url, known, (method, digest))
                    return answer
                if answer.asks_to_wait and answer.url in self.waited_for:
                    self.environment.ways.note_turned_away(url)
                if answer.ends_ladder or self._must_wait(answer, is_last):
                    return answer
            if not (answer.wants_other_digest or (known and digest == known.certid_digest)):
                break
        self._remember(url, known, spoke[0] if spoke else None)
        return answer

    def _must_wait(self, answer: _Answer, is_last: bool) -> bool:
        """Whether to ask no more until a pause is over. Who is turned away after it is asked in the other ways, too."""
        if not answer.asks_to_wait or answer.url in self.waited_for:
            return False
        self.waited_for.add(answer.url)
        return is_last or not self._may_ask_otherwise(answer)

    def _may_ask_otherwise(self, answer: _Answer) -> bool:
        """Whether to ask by the other method at once, as there is no time for the pause.

        A status of 5xx with Retry-After is about a server that is expected to be away so long (RFC 9110 sections 10.2.3
        and 15.6.4): often that of a cache, which a request by POST does not meet. Without this, a responder of which
        the cache never answers would not be asked in the way that works. It is one request more, as long as none of
        this run was in vain. 429 and the response tryLater are about who asks, or by whom all requests are answered.
        """
        if (answer.http_status or 0) < 500 or self.environment.ways.was_turned_away(answer.url):
            return False
        pause_ends = self.environment.monotonic() + (answer.retry_after or 0.0)
        return self.is_last_round or pause_ends + _LEAST_SECONDS > self.deadline

    def _known_way(self, url: str) -> t.Optional[Way]:
        """The way to begin with, if it is not the usual one; never by SHA-256 for a server that reads SHA-1 alone."""
        known = self.environment.ways.find(url, self.environment.now())
        return known._replace(certid_digest="sha1") if known and self.needs_sha1 else known

    def _remember(self, url: str, known: t.Optional[Way], worked: t.Optional[t.Tuple[str, str]]) -> None:
        """Have the next run begin with what worked here, unless that is the usual way."""
        if worked is None or (known and worked == known[:2]):
            return
        if self.needs_sha1 and worked[1] != "sha1":
            # What has it asked for by SHA-256 is no signed word: anybody on the way can say it.
            return
        first = next(attempt for attempt in self.attempts if attempt.url == url)
        is_usual = worked == (first.method, first.certid_digest) and not known
        self.environment.ways.note(url, None if is_usual else Way(*worked, since=self.environment.now()))

    def _requests(self, url: str, message: bytes) -> t.Dict[str, HttpRequest]:
        """The ways to ask by their method, in the usual order."""
        by_get, by_post = HttpRequest(ocsp_request.get_url(url, message)), HttpRequest(url, message)
        if self.options.method != "auto":
            return {self.options.method: by_get if self.options.method == _GET else by_post}
        short = len(by_get.url) <= ocsp_request.GET_LIMIT
        return {_GET: by_get, _POST: by_post} if short else {_POST: by_post}

    def _attempt(
        self, url: str, method: str, digest: str, asked: HttpRequest, nonce: t.Optional[bytes], is_last: bool
    ) -> _Answer:
        began = self.environment.monotonic()
        if began >= self.share_ends or (self.attempts and self.share_ends - began < _LEAST_SECONDS):
            answer = self._out_of_time(url)
            self.failures.append(answer)
            return answer
        remaining = self.share_ends - began
        # One that hangs leaves time to ask in the other way, unless no connection came about the last time.
        before = [failure for failure in self.failures if failure.url == url]
        can_be_reached = not before or before[-1].reached
        answer = self._exchange(url, asked, nonce, remaining if is_last or not can_be_reached else remaining / 2)
        if not answer.not_asked:
            seconds = round(self.environment.monotonic() - began, 3)
            self.attempts.append(Attempt(url, method, digest, answer.code or None, answer.http_status, seconds))
        if answer.error:
            self.failures.append(answer)
        return answer

    def _out_of_time(self, url: str) -> _Answer:
        """What is said in place of another exchange, with what came of the last one."""
        share = "its share of " if self.share_ends < self.deadline else ""
        over = f"{share}the total_timeout of {self.options.total_timeout:g} seconds is over"
        before = [failure.error.message for failure in self.failures if failure.url == url and failure.error]
        message = before[-1] if before else f"{url}:"
        message = message if message.endswith(over) else f"{message}{';' if before else ''} {over}"
        return _Answer(Finding("timeout", ERROR, message), url)

    def _exchange(self, url: str, asked: HttpRequest, nonce: t.Optional[bytes], remaining: float) -> _Answer:
        try:
            check_url(url)  # by itself, so that the message shows it without the request in it
            http_response = self.environment.exchange(asked, min(self.options.timeout, remaining))
        except TransportError as error:
            not_asked = isinstance(error, ResponderDown)
            finding = Finding(error.code, ERROR, error.message)
            return _Answer(finding, url, not_asked=not_asked, permanent=error.permanent, reached=error.reached)
        return self._judge(url, http_response, nonce)

    def _judge(self, url: str, http_response: HttpResponse, nonce: t.Optional[bytes]) -> _Answer:
        status, retry_after = http_response.status, http_response.retry_after
        now = self.environment.now()

        def judge(data: bytes) -> Judgement:
            received = ocsp_response.Received(url, status, http_response.date)
            return ocsp_response.judge(
                data, self.target, now, self.options.rules, nonce, self.options.servers, received
            )

        body, judgement = ocsp_response.lean(http_response.body, judge(http_response.body), judge)
        problem = _content_problem(http_response) if judgement.response_status is None else ""
        if problem:
            code = "malformed" if status == 200 else "http_error"
            return _Answer(
                Finding(code, ERROR, f"{clean(url, _LONGEST_URL)} {problem}"),
                url,
                http_status=status,
                retry_after=retry_after,
            )
        error = judgement.error
        if error is not None:
            clock = [finding.message for finding in judgement.findings if finding.code == "clock_implausible"]
            error = error.saying("; ".join([f"{clean(url, _LONGEST_URL)}: {error.message}"] + clock))
        return _Answer(error, url, body, judgement, status, retry_after)


def _first(values: t.Sequence[str], preferred: t.Optional[str]) -> t.List[str]:
    """The values in their order, but the preferred one, if it is among them, before all others."""
    return sorted(values, key=lambda value: value != preferred)


def _content_problem(http_response: HttpResponse) -> str:
    """Why an HTTP answer holds nothing for the judge, whatever its status and type say, or an empty string."""
    kind = http_response.content_type.split(";")[0].strip() or "no content type"
    encoding = http_response.content_encoding
    if not wire.parse_problem(http_response.body):
        return ""  # it can be read, and what is wrong is what it says
    if http_response.status != 200:
        wait = http_response.retry_after
        asks = f" and asks to wait {wait:.0f} s before the next request" if wait else ""
        return f"answered with the HTTP status {http_response.status} ({kind}){asks}"
    if not http_response.body:
        return "answered with an empty body"
    if encoding:
        return (
            f"answered with a compressed body (Content-Encoding: {encoding}), which was not asked for; have the "
            "responder, or the proxy or cache before it, send it as it is"
        )
    if kind != "application/ocsp-response":
        page = ", maybe the page of a proxy or a login on the way to it" if kind == "text/html" else ""
        return f"answered with something that is not an OCSP response ({kind}){page}"
    return ""  # the judge says what is wrong with it
