# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The way of certificates from what is due to sets in use: each step on disk before the next one is taken.

``community.crypto`` talks to the CA between these steps. What it answered comes in as results of its modules.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
import typing as t
from collections import defaultdict
from datetime import datetime, timedelta

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy.material import names_taken, same_names, to_pem
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.judge.schedule import certificate_due
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import gnutls, loading, signature
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import path as paths
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.renewal import reasons
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time, parse_time
from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_answers, _acme_folder, _acme_keys
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_answers import Challenge, Refused, explain
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request

Values = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]
#: A private key in, what is written to disk out.
Encrypt = t.Callable[[bytes], bytes]
#: The path of a private key in, its PEM out.
ReadKey = t.Callable[[str], bytes]

WEEK = timedelta(days=7)
#: How long an order is taken up by each run that brings nothing, or what was refused, until another one is made; and
#: where the CA says that it still works on it, which for some of them people do.
_TRIES, _PROCESSING = timedelta(days=1), timedelta(days=7)
#: Seconds for the CA to deal with all certificates, and some more for each of them.
_PATIENCE, _MORE_PATIENCE = 900, 10
#: What is valid for less is not put into use: hosts deploy nothing with one that ends before it gets there.
_SHORTEST_LIFE = timedelta(hours=1)
#: How long before it begins something is put into use. Clocks of hosts may be behind by the rest of what they tolerate.
_EARLIEST = timedelta(minutes=1)
#: For these reasons hosts deploy nothing with a certificate that is not live on them, as for one that is missing.
_UNFIT = frozenset((reasons.UNREADABLE, reasons.EXPIRED, reasons.KEY_MISMATCH, reasons.NAMES_DIFFER))
#: For these, what is in use is as it should be, and can still be used.
_BY_TIME = frozenset((reasons.LIFETIME, reasons.ARI, reasons.INTERRUPTED))
#: The states of an order (RFC 8555 section 7.1.6) that lead to a certificate.
_ALIVE = frozenset(("pending", "ready", "processing", "valid"))


class Ended(Refused):
    """What was issued ends too early, and always will: the next run makes another order."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; the certificate was not put into use", passing=True)


class Issued(t.NamedTuple):
    """What a CA issued: the files of a set without the key, and which of those that are served ends first."""

    content: dict[str, bytes]
    leaf: x509.Certificate
    ending: x509.Certificate


class Batch:
    """The certificates that one run is to obtain. ``verdicts`` are those of ``certificate_renewal_info``, by name."""

    def __init__(self, folder: _acme_folder.Folder, settings: Values, now: datetime) -> None:
        self.folder = folder
        self.settings = settings
        self.now = now
        self.requests: dict[str, Request] = {}
        self.verdicts: dict[str, Values] = {}
        self.problems: dict[str, Refused] = {}
        self.retried: set[str] = set()
        #: Whether this is what would be, and not what was.
        self.foreseen = False
        #: When the CA is not asked for any more, by the clock of ``time.monotonic``.
        self.until = math.inf
        self.installed: list[str] = []
        #: Sentences about what was put into use all the same.
        self.warnings: list[str] = []

    # Between the tasks of the role

    def load(self, values: Values) -> Batch:
        """Go on from what ``result`` returned in the task before."""
        self.requests = {one["name"]: Request.of(one) for one in values["requests"]}
        self.verdicts = {one["name"]: one for one in values["verdicts"]}
        self.problems = {one["name"]: Refused(one["message"], one["passing"]) for one in values["problems"]}
        self.retried = set(values["retried"])
        self.until = values["until"]
        return self

    def result(self) -> Entry:
        """What the next tasks need, and what ``load`` reads."""
        answers = self._answers()
        waiting = self._waiting()
        opened = [name for name in waiting if self.folder.order(name).get("uri")]
        return {
            "requests": [one.values() for one in self.requests.values()],
            "verdicts": list(self.verdicts.values()),
            "problems": [
                {
                    "name": name,
                    "message": one.message,
                    "passing": one.passing,
                    "sentence": self._sentence(name, one),
                    "warning": self._can_wait(name, one),
                    "hosts": list(self.requests[name].hosts),
                }
                for name, one in self.problems.items()
            ],
            "retried": sorted(self.retried),
            "until": self.until,
            "begun": [self._order(name) for name in opened],
            "create": [self._order(name) for name in waiting if name not in opened],
            **answers,
            "installed": self.installed,
        }

    def _can_wait(self, name: str, problem: Refused) -> bool:
        """Whether the next runs may try again. What was asked for by its name may have lost its key to others."""
        return problem.passing and not self.verdicts[name]["urgent"] and name not in self.settings["force"]

    def is_fit(self, name: str) -> bool:
        """Whether there is a certificate that hosts deploy, or at least one that does not keep them from others."""
        if not self.folder.has(name):
            return False
        return name not in self.verdicts or name in self.installed or self.verdicts[name]["reason"] not in _UNFIT

    def _waiting(self) -> list[str]:
        """Those that failed last time come last, as each may take its time again."""
        names = [name for name in self.requests if name not in self.problems and name not in self.installed]
        return sorted(
            names, key=lambda name: self.folder.state(name).get("error", "") not in ("", _acme_answers.NOT_ASKED_WHY)
        )

    def _order(self, name: str) -> Entry:
        request, order = self.requests[name], self.folder.order(name)
        return {
            "name": name,
            "csr": (self.folder.pending(name, "request.pem") or b"").decode(),
            "uri": order.get("uri", ""),
            "profile": request.profile,
            "challenge": request.challenge,
            "chain": request.chain,
            "replaces": "" if name in self.retried else self._replaces(name),
            "unanswered": order.get("status", "pending") == "pending",
        }

    def _replaces(self, name: str) -> str:
        verdict = self.verdicts[name]
        return verdict["cert_id"] if verdict["supports_ari"] and verdict["reason"] != "other_directory" else ""

    # The steps

    def foresee(self) -> list[str]:
        """The names of what would be ordered, without doing anything; of all else there is a problem."""
        self.foreseen = True
        self._for_each(self._foresee)
        return [name for name in self.requests if name not in self.problems]

    def _foresee(self, request: Request) -> None:
        self._check_notes(request.name)
        if not self._open_order(request).get("uri"):
            self._check_limit(request)

    def prepare(self, refusal: Refused | None, encrypt: Encrypt, read_key: ReadKey) -> None:
        """Have a key and a request on disk for all that is due. ``refusal`` is why nothing can be ordered at all."""
        self.until = time.monotonic() + _PATIENCE + _MORE_PATIENCE * len(self.requests)
        if refusal is not None:
            self.problems.update(dict.fromkeys(self.requests, refusal))
        else:
            self._for_each(functools.partial(self._prepare, encrypt=encrypt, read_key=read_key))

    def _for_each(self, step: t.Callable[[Request], None]) -> None:
        """Take a step for each certificate: what is wrong with one is no problem of others."""
        for name, request in self.requests.items():
            try:
                step(request)
            except Refused as problem:
                self.problems[name] = problem
            except OSError as error:
                self.problems[name] = _acme_answers.unusable(error)

    def _check_notes(self, name: str) -> None:
        problem = self.folder.unreadable(name)
        if problem:
            raise Refused(problem)

    def _open_order(self, request: Request) -> Entry:
        """What is known of an order that can be taken up; empty without one."""
        known = self.folder.order(request.name)
        is_open = known.get("agreed") == self._agreed(request) and not self.folder.is_done(request.name)
        is_open = is_open and not self._has_revoked_key(request.name) and not self._is_given_up(request.name, known)
        return known if is_open and self.folder.pending(request.name, "request.pem") else {}

    def _is_given_up(self, name: str, known: Entry) -> bool:
        """Whether nothing more is expected of an order.

        What came of it always stays as it is (RFC 8555 section 7.4); what it was judged by may have been mended
        meanwhile. A CA that has lost an order, or never ends it, may well fulfil another one.
        """
        refused = known.get("refused", "")
        if name in self.settings["force"] and (refused or known.get("uri")):
            return True
        patience = _PROCESSING if known.get("status") == "processing" and not refused else _TRIES
        return bool(known) and _time(refused or known.get("made", "")) < self.now - patience

    def _prepare(self, request: Request, encrypt: Encrypt, read_key: ReadKey) -> None:
        self._check_notes(request.name)
        known = self._open_order(request)
        if not known:
            self.folder.forget_order(request.name)
        if not known.get("uri"):
            self._check_limit(request)
        if known:
            return
        reason = self.verdicts[request.name]["reason"]
        old = self.folder.flat(request.name, "key.pem")
        if request.new_key or reason in ("missing", "revoked", "key_mismatch", "key_type_differs"):
            key = _acme_keys.new_key(request.key_type)
            kept = encrypt(key)
        else:
            key, kept = read_key(old), _acme_folder.read(old) or b""
            kept = encrypt(kept) if _acme_keys.is_clear(kept) else kept
        csr = _acme_keys.new_request(key, request.names, request.must_staple)
        self.folder.write(self.folder.pending_path(request.name, "key.pem"), kept)
        self.folder.write(self.folder.pending_path(request.name, "request.pem"), csr)
        self.folder.note_order(request.name, agreed=self._agreed(request), made=format_time(self.now))

    def _has_revoked_key(self, name: str) -> bool:
        """Whether an order that was begun is for the key of a certificate that has been revoked since."""
        request = self.folder.pending(name, "request.pem") if self.verdicts[name]["reason"] == reasons.REVOKED else None
        data = _acme_folder.read(self.folder.certificate(name)) if request is not None else None
        with contextlib.suppress(OcspError, ValueError):
            if request is not None and data is not None:
                leaf = x509.find_leaf(x509.load_certificates(data, name), name)
                return leaf.spki == _acme_keys.public_key(request)
        return False

    def _agreed(self, request: Request) -> Entry:
        return {**request.agreed, "directory": self.settings["directory"]}

    def _check_limit(self, request: Request) -> None:
        """Refuse what would come near the limit that a CA has for one set of names."""
        limit, like = self.settings["weekly_limit"], self._obtained(request)
        known = [one for state in self.folder.states().values() for one in state.get("obtained", [])]
        made = [
            _time(one["at"]) for one in known if (one["directory"], one["names"]) == (like["directory"], like["names"])
        ]
        recent = sorted(moment for moment in made if moment > self.now - WEEK)
        if len(recent) >= limit > 0:
            again = format_time(recent[-limit] + WEEK)
            number = "1 certificate was" if len(recent) == 1 else f"{len(recent)} certificates were"
            raise Refused(
                f"{number} obtained within 7 days for {', '.join(request.names)}, and acme_certificates_weekly_limit "
                f"allows {limit}; the next one is allowed from {again} on, or at once in a run with "
                f"-e acme_certificates_weekly_limit={len(recent) + 1}"
            )

    def _obtained(self, request: Request) -> Entry:
        """What is remembered of a certificate for the limit of its CA."""
        return {
            "at": format_time(self.now),
            "directory": self.settings["directory"],
            "names": list(request.names),
            "order": self.folder.order(request.name).get("uri", ""),
        }

    def take_account(self, result: Values) -> None:
        """Note the account, or say of each certificate why there is none."""
        try:
            if not result.get("account_uri"):
                raise explain(result)
            uri = _acme_answers.url(result["account_uri"], "the account")
        except Refused as problem:
            self.problems.update(dict.fromkeys(self._waiting(), problem))
        else:
            self.folder.note_account(uri, self.settings["directory"])

    def take_orders(self, results: t.Iterable[Values]) -> None:
        """Note orders that were created, and forget those that the CA no longer knows or has given up."""
        for result in results:
            name = result["item"]["name"]
            with _acme_answers.read_for(functools.partial(self._not_answered, name)):
                self._take_order(name, result)

    def _take_order(self, name: str, result: Values) -> None:
        if "challenge_data" in result:
            uri = _acme_answers.url(result["order_uri"], "the order")
            self.folder.note_order(name, uri=uri, challenges=result["challenge_data"], status="pending")
        elif "order" in result:
            state = _acme_answers.state(result["order"])
            if state in _ALIVE:
                self.folder.note_order(name, status=state)
            else:
                self._forget_uri(name)
        elif result["item"]["uri"]:
            self._lost(name, result)
        else:
            self._refuse_order(name, result)

    def _lost(self, name: str, result: Values) -> None:
        problem = explain(result)
        if problem.passing:
            self.problems[name] = problem
        else:
            self._forget_uri(name)

    def _forget_uri(self, name: str) -> None:
        self.folder.note_order(name, uri="", challenges=[], status="")

    def _refuse_order(self, name: str, result: Values) -> None:
        """What a CA does not replace is ordered like a first one.

        It may refuse to replace a certificate twice (RFC 9773 section 5), and some fail where they do not find it.
        """
        problem = explain(result)
        if result["item"]["replaces"] and (not problem.passing or problem.kind == "serverInternal"):
            self.retried.add(name)
        else:
            self.problems[name] = problem

    def block(self, looks: t.Iterable[tuple[str, str]], dns_problem: str = "") -> None:
        """Take out what the CA need not be asked about. ``looks`` are names with what is wrong with their answers."""
        for name, problem in looks:
            self.problems.setdefault(name, Refused(problem))
        for name, request in self.requests.items():
            if dns_problem and request.challenge == "dns-01":
                self.problems.setdefault(name, Refused(f"its DNS records could not be set: {dns_problem}"))

    def take_certificates(self, results: t.Iterable[Values], roots: t.Sequence[paths.Given], read_key: ReadKey) -> None:
        """Judge what was issued, and put it into use."""
        for result in results:
            name = result["item"]["name"]
            with _acme_answers.read_for(functools.partial(self._not_issued, name)):
                if "selected_chain" not in result:
                    raise self._failed(name, result)
                self._install(self.requests[name], _acme_answers.chain(result["selected_chain"]), roots, read_key)

    def _not_issued(self, name: str, problem: Refused) -> None:
        self.problems[name] = problem
        with contextlib.suppress(OSError):  # on a full disk others may have been put into use
            self.folder.note(name, error=problem.message)
            if isinstance(problem, Ended):
                self._forget_uri(name)
            elif not problem.passing and self.folder.order(name).get("uri"):
                self.folder.note_order(name, refused=self.folder.order(name).get("refused") or format_time(self.now))

    def _failed(self, name: str, result: Values) -> Refused:
        problem = explain(result)
        # An order that failed is of no use any more; one that may have succeeded is looked up by the next run.
        if not problem.passing:
            self._forget_uri(name)
        return problem

    def _install(self, request: Request, fullchain: bytes, roots: t.Sequence[paths.Given], read_key: ReadKey) -> None:
        name, new = request.name, self._obtained(request)
        known = [one for one in self.folder.state(name).get("obtained", []) if _time(one["at"]) > self.now - WEEK]
        if new["order"] not in [one["order"] for one in known]:
            # Counted before it is judged: the CA counts it in any case.
            self.folder.note(name, obtained=[*known, new])
        found = judge(request, self.folder.pending(name, "request.pem") or b"", fullchain, roots, self.now)
        content, leaf = found.content, found.leaf
        if found.ending is not leaf:
            self._check_chain(name, found)
        key = None
        with contextlib.suppress(Refused):  # the vault secrets may be those of the runs that deploy
            key = read_key(self.folder.pending_path(name, "key.pem"))
        if key is not None:
            _check_loading(content["fullchain.pem"], key)
        content["key.pem"] = self.folder.pending(name, "key.pem") or b""
        identifier = _acme_folder.set_identifier(leaf.not_before, leaf.der)
        # The key may be the one that is in use already, so it does not tell whether the order is done.
        self.folder.note_order(name, set=identifier)
        self.folder.install(name, content, identifier)
        self.folder.note(name, directory=self.settings["directory"], profile=request.profile, error="")
        self.folder.forget_order(name)
        self.installed.append(name)
        if found.ending is not leaf:
            self.warnings.append(
                f"{name} can be used until {format_time(found.ending.not_after)} only, as {_chain_end(found)}; it will "
                "be renewed in time for that"
            )

    def _check_chain(self, name: str, issued: Issued) -> None:
        """Keep what can be used, rather than replace it by what ends before it, or would be due at once."""
        verdict, ends = self.verdicts[name], issued.ending.not_after
        known = verdict["not_after"]
        if known is None or verdict["reason"] not in _BY_TIME:
            return
        due = certificate_due(issued.leaf.not_before, ends, self.settings["renew_at"])
        if self.now >= due or ends <= _time(known):
            raise Ended(_chain_end(issued))

    # What is to be done for the CA

    def _answers(self) -> Entry:
        """Where the CA will look for what: files for hosts, and records of the DNS."""
        files: dict[str, list[Entry]] = defaultdict(list)
        records: dict[str, list[str]] = defaultdict(list)
        persistent: dict[str, None] = {}
        for name in self._waiting():
            request = self.requests[name]
            for one in self._challenges(request):
                if one.path:
                    for host, place in self._places(request):
                        files[host].append(self._file(name, place, one))
                elif request.challenge == "dns-01":
                    records[one.record].append(one.value)
                else:
                    persistent[f'{one.record} IN TXT "{one.value}"'] = None
        alias = self.settings["dns_alias"]
        return {
            "files": dict(files),
            "records": [
                {"record": record, "target": alias.get(record, record), "values": list(dict.fromkeys(values))}
                for record, values in records.items()
            ],
            "persistent": list(persistent),
        }

    def _challenges(self, request: Request) -> list[Challenge]:
        """What the CA has yet to be shown for a certificate; none where it wants anything that was not ordered."""
        known, found = self.folder.order(request.name), list[Challenge]()
        if known.get("status") == "pending":
            account = self.folder.account_uri()
            order = _acme_answers.Order(request.names, request.challenge, self.settings["directory"], account)
            with _acme_answers.read_for(functools.partial(self._not_answered, request.name)):
                found = order.challenges(known.get("challenges", []))
        return found

    def _not_answered(self, name: str, problem: Refused) -> None:
        """Another challenge can be chosen for the same order; one that was answered with nonsense is of no use."""
        self.problems[name] = problem
        if not isinstance(problem, _acme_answers.NotOffered):
            self._forget_uri(name)

    def _places(self, request: Request) -> list[tuple[str, str]]:
        """The hosts of the play that write answers, each with the host that gets them."""
        others = self.settings["http_hosts"]
        return [(request.hosts[0], other) for other in others] or [(host, host) for host in request.hosts]

    def _file(self, name: str, place: str, one: Challenge) -> Entry:
        return {
            "name": name,
            "host": place,
            "server_name": f"[{one.name}]" if ":" in one.name else one.name,
            "path": f"{self.settings['http_folder']}/{one.path}",
            "url_path": one.path,
            "content": one.value,
        }

    # What is said

    def _sentence(self, name: str, problem: Refused) -> str:
        verdict, was = self.verdicts[name], "would not be" if self.foreseen else "was not"
        end = verdict["not_after"]
        if end is None:
            place = "there is no certificate for it yet"
            place = place if verdict["reason"] == reasons.MISSING else "the certificate in place cannot be read"
            return f"{name} {was} obtained: {problem.message}; {place}"
        days = (_time(end) - self.now).days
        left = f"are valid until {end} ({days} days)" if days >= 0 else f"were valid until {end}"
        # Nothing else about it matters as much.
        urgent = f", although {verdict['msg']}" if verdict["reason"] == reasons.REVOKED else ""
        return f"{name} {was} renewed{urgent}: {problem.message}; the certificate in use and its chain {left}"


def judge(request: Request, csr: bytes, fullchain: bytes, roots: t.Sequence[paths.Given], now: datetime) -> Issued:
    """What a CA issued, if it is what was ordered and can be used. Raises Refused."""
    what = "what the CA issued"
    try:
        certificates = x509.load_certificates(fullchain, what)
        leaf = x509.find_leaf(certificates, what)
        chain = [paths.Given(one, what) for one in certificates if one.der != leaf.der]
        path = paths.find_path(paths.Given(leaf, what), chain, roots, now)
        ending = min((leaf, *path.chain), key=lambda one: one.not_after)
        if ending.not_after - now < _SHORTEST_LIFE:
            raise Ended(f"{what} ends with its chain at {format_time(ending.not_after)}, before all hosts can have it")
        problems = [*path.problems, *_staple_problems(request, leaf, path.issuer)]
        if leaf.spki != _acme_keys.public_key(csr):
            problems.append(f"{what} is for another key")
        if not same_names(leaf, request.names):
            problems.append(f"{what} is not for {', '.join(request.names)}")
        if bool(leaf.must_staple) != request.must_staple:
            problems.append(f"{what} {'does not demand' if request.must_staple else 'demands'} stapling")
        # Who signed itself is not served, and the staple of what it issued is checked with it all the same.
        root = path.anchor if roots or path.issuer is path.anchor else None
        problems += [*_name_problems(request, leaf), *_load_problems(leaf, path.chain)]
        problems += _signer_problems([*path.chain, *([root] if root is not None else [])])
    except OcspError as error:
        raise Refused(error.message) from None
    issuers = [x509.name_text(one.issuer) for one in (leaf, *(given.certificate for given in chain))]
    if request.chain and not any(f"CN={request.chain}" in text.split(",") for text in issuers):
        problems.append(f"the CA offers no chain to {request.chain} (it ends at {issuers[-1]})")
    if problems:
        raise Refused(f"{'; '.join(problems)}; the certificate was not put into use")
    begins = max(one.not_before for one in (leaf, *path.chain))
    if begins - now > _EARLIEST:
        raise Refused(
            f"{what} is not valid before {format_time(begins)} (the clock of the controller says {format_time(now)}); "
            "the order stays, and a run after that puts the certificate into use",
            passing=True,
        )
    served = b"".join(to_pem(one) for one in path.chain)
    content = {"cert.pem": to_pem(leaf), "fullchain.pem": to_pem(leaf) + served}
    content.update({"chain.pem": served} if served else {})
    if root is not None:
        content["rootchain.pem"] = served + to_pem(root)
    return Issued(content, leaf, ending)


def _chain_end(issued: Issued) -> str:
    """That a chain ends before its certificate, as a clause."""
    ending, leaf = issued.ending, issued.leaf
    return (
        f"the CA certificate {ending.name} in its chain expires at {format_time(ending.not_after)}, before the "
        f"certificate, which is valid until {format_time(leaf.not_after)}"
    )


def _staple_problems(request: Request, leaf: x509.Certificate, issuer: x509.Certificate | None) -> t.Iterator[str]:
    """Why a certificate could not be deployed with its staple: hosts would refuse all others with it."""
    has_responder = bool(leaf.responder_urls) or request.responder
    if request.must_staple and not has_responder:
        yield "what the CA issued demands stapling and has no OCSP responder"
    if not request.stapled or not has_responder:
        return
    if issuer is None:
        yield (
            f"what the CA issued comes without the certificate of its issuer {x509.name_text(leaf.issuer)}, which its "
            "staple is checked with; name that in acme_certificates_roots, or set 'staple: false'"
        )
    elif signature.key_weakness(issuer.public_key) and not _oddity(issuer):
        yield (
            f"no staple of what the CA issued could be accepted: {signature.key_weakness(issuer.public_key)}; set "
            "'staple: false', or use another CA"
        )


def _signer_problems(signers: t.Iterable[x509.Certificate]) -> t.Iterator[str]:
    """Why some host finds no path through these CAs, although this one does, and would deploy nothing else with it."""
    for one in signers:
        oddity = _oddity(one)
        if oddity:
            yield f"some hosts cannot check what {one.name} signed, and would deploy nothing: {oddity}; use another CA"


def _oddity(signer: x509.Certificate) -> str:
    """What is odd about the kind of a CA's key, or an empty string.

    Distributions leave out curves of OpenSSL, and hosts in FIPS mode have nothing of RFC 8410, which no browser has.
    """
    key = signer.public_key
    if key.kind in (signature.ED25519, signature.ED448):
        return f"its key is for {key.kind.capitalize()}, which neither browsers nor hosts in FIPS mode support"
    return key.flaw


def _name_problems(request: Request, leaf: x509.Certificate) -> t.Iterator[str]:
    """Why servers would show it for names of others: HAProxy and Traffic Server choose by common names, too."""
    foreign = sorted(names_taken(leaf).difference(request.names))
    if foreign:
        yield f"what the CA issued is for {foreign[0]} by its common name, which was not ordered"


def _load_problems(leaf: x509.Certificate, chain: t.Sequence[x509.Certificate]) -> t.Iterator[str]:
    """Why servers would not load it, or not use it, and nothing else of its run would stay live."""
    if leaf.key_usages is not None and x509.DIGITAL_SIGNATURE not in leaf.key_usages:
        yield "the key usage of what the CA issued lacks digitalSignature, without which servers refuse TLS 1.2"
    for one in (leaf, *chain):
        weakness = signature.load_weakness(one.scheme, one.public_key)
        unread = gnutls.unread(one)
        if unread:
            weakness = weakness or f"it {unread}, which GnuTLS does not read"
        if one.extensions and one.version != 3:
            weakness = weakness or f"it has extensions, though it is of version {one.version}, which GnuTLS refuses"
        if weakness:
            yield f"servers would not load the certificate {one.name}, which the CA issued: {weakness}"


def _check_loading(fullchain: bytes, key: bytes) -> None:
    """Load what was issued as a server does: hosts would refuse all others with it. Raises Refused."""
    loaded = loading.try_load(fullchain, key)
    if loaded.refusal or (loaded.warning and loading.can_try()):
        raise Refused(f"{loaded.refusal or loaded.warning}; the certificate was not put into use")


def _time(text: str) -> datetime:
    with contextlib.suppress(OcspError):
        return parse_time(text, "time")
    return parse_time("1970-01-01T00:00:00Z", "time")
