# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The public reason codes: where each can appear, how bad it is, what it means, and what to do about it.

They appear in return values, logs and metrics, and never change their meaning. README, the guides and the
documentation of the modules are made from this table. Nothing that judges or fetches imports it, so that its
texts cost a run nothing.
"""

from __future__ import annotations

import typing as t

from .errors import ERROR, WARNING

#: Neither an error nor a warning: how things are.
NOTICE = "notice"

#: Findings about a response, or about the certificate it is for.
JUDGEMENT = "judgement"
#: An exchange with a responder that brought no response to judge.
TRANSPORT = "transport"
#: The refresh of one certificate as a whole, and what it was given.
REFRESH = "refresh"
#: The program on the host, between the responses and the servers; it has the codes of the areas above as well.
HOST = "host"
#: Findings about what a TLS server serves, beside those about its staple.
SERVED = "served"
#: A look at a TLS server that showed no certificate.
PROBE = "probe"

AREAS = (JUDGEMENT, TRANSPORT, REFRESH, HOST, SERVED, PROBE)


class Code(t.NamedTuple):
    """One reason code in one of the AREAS; a code that appears in several has a row for each.

    ``severity`` is what it has unless ``exception`` says otherwise: another severity, and in which case.
    ``means`` and ``advice`` are sentences, with what is to be typed between backticks.
    """

    name: str
    area: str
    severity: str
    means: str
    advice: str
    exception: t.Tuple[str, str] = ("", "")

    @property
    def severities(self) -> t.Tuple[str, ...]:
        """All severities that it can have."""
        return tuple(severity for severity in (self.severity, self.exception[0]) if severity)

    @property
    def severity_text(self) -> str:
        """All of them in one line, with the case in which it has the other one."""
        return "; ".join([self.severity, " ".join(self.exception)] if self.exception[0] else [self.severity])


CODES = (
    # Most fundamental first, as the findings of a response are.
    Code(
        "malformed",
        JUDGEMENT,
        ERROR,
        "What was received is not a well-formed OCSP response.",
        "Check what the URL returns, then report it to the CA.",
    ),
    Code(
        "not_successful",
        JUDGEMENT,
        ERROR,
        "The responder returned an error instead of an answer; `response_status` says which.",
        "If the certificate is new, wait a few minutes. Otherwise check `responder_urls` and ask the CA. "
        "`unauthorized` means that the responder does not know this certificate, `try_later` and `internal_error` "
        "that it has an internal problem, `malformed_request` and `sig_required` that it does not accept the request.",
    ),
    Code(
        "wrong_certificate",
        JUDGEMENT,
        ERROR,
        "The response has no answer about this certificate.",
        "Check that `responder_urls` belongs to the CA that issued the certificate.",
    ),
    Code(
        "ambiguous",
        JUDGEMENT,
        ERROR,
        "The response has several answers about this certificate, and they are not all good.",
        "Report it to the CA.",
    ),
    Code(
        "bad_signature",
        JUDGEMENT,
        ERROR,
        "The signature of the response is not valid.",
        "Check that the chain has the CA certificate that issued the certificate: a CA that renewed its key keeps its "
        "name. Otherwise report it to the CA.",
    ),
    Code(
        "weak_signature",
        JUDGEMENT,
        ERROR,
        "The signature algorithm or key is too weak or not supported: SHA-1, RSA with less than 2048 bits, unusual "
        "parameters, a curve other than P-256, P-384 and P-521.",
        "Have the responder sign with SHA-256. `allow: [sha1_signature]` accepts SHA-1, but none of the others.",
    ),
    Code(
        "unauthorized_responder",
        JUDGEMENT,
        ERROR,
        "The signer is not authorized: it is neither the CA that issued the certificate, nor a certificate issued by "
        "that CA with the extended key usage OCSPSigning.",
        "Have the CA issue a proper OCSP signing certificate.",
    ),
    Code(
        "responder_certificate_expired",
        JUDGEMENT,
        ERROR,
        "The OCSP signing certificate has expired.",
        "Report it to the CA, which has to renew it.",
    ),
    Code(
        "responder_certificate_not_yet_valid",
        JUDGEMENT,
        ERROR,
        "The OCSP signing certificate is not valid yet, by this host's clock.",
        "Check this host's clock with `timedatectl`.",
    ),
    Code(
        "not_yet_valid",
        JUDGEMENT,
        ERROR,
        "thisUpdate or producedAt is later than this host's clock, by more than `clock_tolerance`.",
        "Check this host's clock with `timedatectl`, then the responder's.",
    ),
    Code(
        "expired",
        JUDGEMENT,
        ERROR,
        "The response has expired, by its nextUpdate or with the certificate that signed it.",
        "Check this host's clock with `timedatectl`, and whether a cache in between returns old responses. Otherwise "
        "ask the CA.",
    ),
    Code(
        "missing_next_update",
        JUDGEMENT,
        ERROR,
        "The response has no nextUpdate, so its validity period is unknown.",
        "Have the responder set nextUpdate, or set `allow: [missing_next_update]`; the response is then used for 24 "
        "hours.",
    ),
    Code(
        "inconsistent_times",
        JUDGEMENT,
        ERROR,
        "nextUpdate is earlier than thisUpdate.",
        "Report it to the CA.",
    ),
    Code(
        "too_old",
        JUDGEMENT,
        ERROR,
        "thisUpdate is longer ago than `maximum_age`, 10 days by default. Chromium ignores responses after 7 days.",
        "Ask the CA for responses with a shorter validity period, or raise `maximum_age`.",
        (WARNING, "between 7 days and `maximum_age`"),
    ),
    Code(
        "revoked",
        JUDGEMENT,
        ERROR,
        "The CA has revoked the certificate; `revocation_time` and `revocation_reason` say when and why.",
        "Replace the certificate, with a new key unless you know that the old one is safe.",
    ),
    Code(
        "unknown_status",
        JUDGEMENT,
        ERROR,
        "The responder does not know this certificate.",
        "If the certificate is new, wait a few minutes. Otherwise ask the CA.",
    ),
    Code(
        "unknown_critical_extension",
        JUDGEMENT,
        ERROR,
        "The response or the OCSP signing certificate has a critical extension that is not supported.",
        "Report it to the CA.",
    ),
    Code(
        "nonce_mismatch",
        JUDGEMENT,
        ERROR,
        "The response has a different nonce from the one that was sent: a cache in between, or a replay.",
        "Turn `nonce` off if you do not need it; otherwise find out what answers in the responder's place.",
    ),
    Code(
        "issuer_mismatch",
        JUDGEMENT,
        ERROR,
        "The given CA certificate did not issue the certificate.",
        "Use the right chain for the certificate, or correct `issuer_path`.",
    ),
    Code(
        "unsupported_key",
        JUDGEMENT,
        ERROR,
        "The signature of the CA on the certificate cannot be checked, as its kind is not supported, such as DSA, "
        "ML-DSA and SLH-DSA.",
        "Use a certificate of a CA whose key is for RSA, ECDSA on P-256, P-384 or P-521, Ed25519 or Ed448, or do not "
        "staple.",
    ),
    Code(
        "certificate_expired",
        JUDGEMENT,
        ERROR,
        "The certificate itself has expired, so there is nothing to staple.",
        "Deploy its replacement.",
    ),
    Code(
        "too_large",
        JUDGEMENT,
        ERROR,
        "The response is larger than 16,380 octets, so that clients with OpenSSL would refuse a server with TLS 1.2 "
        "that staples it, or than 1 MiB, so that it is not read.",
        "Check that the path or the URL is the right one. If it is, have the CA send fewer certificates in its "
        "responses.",
    ),
    Code(
        "unfit_for_server",
        JUDGEMENT,
        WARNING,
        "A server named in `server` would not staple this response, or would fail because of it.",
        "The message names the server and the reason; the guide to operations says what each server must have.",
        (ERROR, "if the server or its TLS would fail"),
    ),
    Code(
        "issuer_key_usage",
        JUDGEMENT,
        WARNING,
        "The CA signs its responses directly, but its key usage lacks digitalSignature.",
        "Report it to the CA. Some clients may refuse the staple.",
    ),
    Code(
        "responder_without_nocheck",
        JUDGEMENT,
        WARNING,
        "The OCSP signing certificate lacks id-pkix-ocsp-nocheck.",
        "Report it to the CA.",
        (ERROR, "with `require_nocheck`"),
    ),
    Code(
        "responder_profile",
        JUDGEMENT,
        WARNING,
        "The OCSP signing certificate does not follow the usual profile.",
        "Report it to the CA.",
    ),
    Code(
        "large_identifier",
        JUDGEMENT,
        WARNING,
        "An object identifier in the response has a number of more than 64 bits, such as a UUID. Clients with GnuTLS "
        "cannot read it and break off, and Exim with GnuTLS has no TLS with it.",
        "Report it to the CA.",
    ),
    Code(
        "misleading_responder",
        JUDGEMENT,
        WARNING,
        "Some clients do not accept the OCSP signing certificate, for its names, identifiers or critical extensions.",
        "Report it to the CA: these clients, which the message names, refuse its responses.",
    ),
    Code(
        "shortened_life",
        JUDGEMENT,
        WARNING,
        "The OCSP signing certificate expires before the response does. The earlier time counts.",
        "Ask the CA to renew its OCSP signing certificate earlier.",
    ),
    Code(
        "unusual_interval",
        JUDGEMENT,
        WARNING,
        "The validity period of the response is shorter than 8 hours or longer than 10 days.",
        "If it is shorter, run the timer more often. If it is longer, ask the CA.",
    ),
    Code(
        "encoding",
        JUDGEMENT,
        WARNING,
        "The response or a certificate is not encoded as the standards require, but clients accept it. If Chrome does "
        "not, the message says so.",
        "Report it to the CA. If the message names clients that refuse a certificate, have the CA reissue it.",
    ),
    Code(
        "unreadable_certificate",
        JUDGEMENT,
        WARNING,
        "The response contains a certificate that cannot be read. Clients with OpenSSL refuse such a response.",
        "Report it to the CA, which has to leave that certificate out.",
    ),
    Code(
        "misleading_certificate",
        JUDGEMENT,
        WARNING,
        "Several certificates in the response may be the signer's by name or key, and the first one is not the right "
        "one. Clients with OpenSSL refuse such a response.",
        "Report it to the CA if nothing on the way has added them. They are left out of what is stapled.",
    ),
    Code(
        "mixed_issuers",
        JUDGEMENT,
        WARNING,
        "The response has answers about certificates of several issuers. Clients with OpenSSL refuse such a response.",
        "Report it to the CA, whose responder has to answer for one issuer at a time. It replaces a response without "
        "this only when that is about to expire.",
    ),
    Code(
        "other_answer_first",
        JUDGEMENT,
        WARNING,
        "The response has several answers, and the first one is about another certificate. Clients with GnuTLS look at "
        "the first one alone and break off.",
        "Report it to the CA, whose responder has to answer for one certificate at a time. It replaces a response "
        "without this only when that is about to expire.",
    ),
    Code(
        "unexpected_extension",
        JUDGEMENT,
        WARNING,
        "The response has an extension that does not belong there.",
        "Nothing needs to be done.",
    ),
    Code(
        "unreachable",
        TRANSPORT,
        ERROR,
        "No connection to the responder could be made: its name is unknown, it refuses, or there is no route.",
        "Try `curl -v URL` on the host. Open the firewall, set `http_proxy`, or fetch on the controller.",
    ),
    Code(
        "timeout",
        TRANSPORT,
        ERROR,
        "The responder, or all attempts together, took too long.",
        "Check the network as for `unreachable`. If the responder is always slow, raise `timeout` or `total_timeout`.",
    ),
    Code(
        "http_error",
        TRANSPORT,
        ERROR,
        "The responder returned an HTTP error, or something that is not HTTP, instead of an OCSP response.",
        "Check the path of the URL, and whether a proxy or a portal answers in the responder's place.",
        (WARNING, "if a good response came with the HTTP error"),
    ),
    Code(
        "proxy_error",
        TRANSPORT,
        ERROR,
        "The proxy refused the request, or cannot be reached.",
        "Check `http_proxy`, and what the proxy allows.",
    ),
    Code(
        "url_refused",
        TRANSPORT,
        ERROR,
        "The URL is not http or https with a valid host and without a password, or it redirects to one that is not, "
        "to a narrower network, from https to http, or by a proxy to another name.",
        "Set `responder_urls`, and report the URL to the CA.",
    ),
    Code(
        "too_large",
        TRANSPORT,
        ERROR,
        "The responder's answer is larger than 64 KiB.",
        "This is not an OCSP response. Check what answers at the URL.",
    ),
    Code(
        "no_responder",
        REFRESH,
        NOTICE,
        "The certificate has no OCSP responder URL, so there is nothing to staple.",
        "Nothing needs to be done: many public CAs have ended OCSP. If a responder exists, set `responder_urls`.",
        (ERROR, "with `on_missing_responder: fail`"),
    ),
    Code(
        "older",
        REFRESH,
        WARNING,
        "The new response is older than the one in place, or expires earlier, and was not installed.",
        "Nothing if it happens now and then, because some of the CA's servers lag behind. Otherwise report it to the "
        "CA.",
        (ERROR, "if the one in place says that the certificate is revoked"),
    ),
    Code(
        "clock_implausible",
        REFRESH,
        WARNING,
        "The responder's clock and its response both differ from this host's clock by more than an hour, or the "
        "response in place, which is kept, begins that much later.",
        "Check this host's clock with `timedatectl`.",
    ),
    Code(
        "bad_input",
        REFRESH,
        ERROR,
        "An option, or a file that an option names, cannot be used.",
        "The message names it and says what is wrong with it.",
    ),
    Code(
        "file_error",
        REFRESH,
        ERROR,
        "A file cannot be read, written or locked. What was in place was not changed.",
        "Check for a full disk, a read-only file system, and the permissions of the file and its folder.",
    ),
    Code(
        "expiring",
        HOST,
        WARNING,
        "The last good response expires before the next run, and no newer one could be fetched. The staple was "
        "withdrawn; that of a must-staple certificate stays until it expires.",
        "See the message of `refresh` for the reason. If responses are valid for an hour or two only, run the timer "
        "more often.",
        (ERROR, "for a must-staple certificate"),
    ),
    Code(
        "missing_staple",
        HOST,
        ERROR,
        "There is no response for this certificate yet.",
        "See the message of `refresh` for the reason.",
    ),
    Code(
        "not_deployed",
        HOST,
        WARNING,
        "The certificate is configured, and no run of the role has deployed it yet: there is nothing to staple.",
        "Run the playbook, which deploys it or says why it cannot. `ocsp-stapling status` says why it did not.",
        (NOTICE, "when `refresh` passes it over"),
    ),
    Code(
        "clock_implausible",
        HOST,
        ERROR,
        "This host's clock is in doubt, so no staple is withdrawn because of the time, nor replaced by an older one.",
        "Check it with `timedatectl`. If it is right, run `ocsp-stapling apply --trust-clock` once.",
    ),
    Code(
        "file_error",
        HOST,
        WARNING,
        "The program's state cannot be read, and is rebuilt, its log file cannot be opened, or a folder of `scan` "
        "cannot be searched.",
        "Check the permissions and the file system of `/var/lib/ocsp-stapling`, of the log file, or of the folder.",
        (ERROR, "for a folder of `scan`"),
    ),
    Code(
        "reload_failed",
        HOST,
        ERROR,
        "A server could not be reloaded, or was not, as its configuration is broken: it serves what it read before, "
        "and the next run tries again. Or it ended by a reload; no run starts it.",
        "Run `ocsp-stapling reload SERVICE` to see the error; the server's configuration may be broken. Where it "
        "ended, its own log says why: another program may listen on one of its ports.",
        (WARNING, "if `apply` finds that a reload is overdue"),
    ),
    Code(
        "switched_back",
        HOST,
        WARNING,
        "A renewed certificate was switched back: a server rejected its configuration with the new files or served "
        "something worse after the reload, or the deployment was killed.",
        "Run the playbook again: its output has the server's own words.",
        (ERROR, "if the certificate in place is about to expire"),
    ),
    Code(
        "foreign_file",
        HOST,
        ERROR,
        "Something in `/var/lib/ocsp-stapling/responses` was not read because `refresh` would not leave it like that: "
        "it is a link, not a regular file, owned by another user, or far too large.",
        "Find out who put it there, and remove it. `ocsp-stapling status` reports it until the next `apply`.",
    ),
    Code(
        "unfit_for_server",
        HOST,
        WARNING,
        "A good staple is in place, but a server of the certificate does not staple it, or some clients refuse it. Or "
        "a server rejects its configuration with a new response, which was taken back.",
        "The message names the server or the clients, the reason and, where there is something to do, that. A response "
        "that was taken back is not tried again; `ocsp-stapling refresh --force NAME` fetches a newer one.",
        (ERROR, "for a must-staple certificate, or what was taken back"),
    ),
    Code(
        "not_configured",
        HOST,
        WARNING,
        "A certificate is live but not configured: its playbook dropped it, or `certificate_set` deployed it without "
        "the role.",
        "If a server uses it, add it to `ocsp_stapling_certificates` or to a file in `/etc/ocsp-stapling/conf.d`. The "
        "staple of what a playbook dropped is renewed while a server configuration uses it; any other is withdrawn "
        "before it expires, or, for a must-staple certificate, stays until then.",
    ),
    Code(
        "missing_staple",
        SERVED,
        WARNING,
        "The server sends no staple, although the certificate has a responder or one is expected.",
        "Check that the file is in place, that the configuration names it, and that the server was reloaded.",
        (ERROR, "for a must-staple certificate, or if `expected_path` exists"),
    ),
    Code(
        "late_staple",
        SERVED,
        WARNING,
        "The first handshake brought no staple, and a later one did.",
        "The server fetches its staple by itself, and too late. Give it a file.",
    ),
    Code(
        "shared_staple",
        SERVED,
        ERROR,
        "The staple is about the server's other certificate. nginx sends one file with both if a server block has an "
        "RSA and an ECDSA certificate and `ssl_stapling_file`.",
        "Use a separate server block for each key type, or only one key type.",
    ),
    Code(
        "other_staple",
        SERVED,
        WARNING,
        "The staple is not the one in `expected_path`.",
        "Reload the server.",
    ),
    Code(
        "other_certificate",
        SERVED,
        ERROR,
        "The certificate is not the one in `certificate_path`.",
        "Reload the server, and check that its configuration names the right files.",
    ),
    Code(
        "unusable_chain",
        SERVED,
        ERROR,
        "The certificate that the server sends is not valid yet, or it and its chain are too long for clients. Or, "
        "where `root_path` is given, clients that have only these roots refuse the chain.",
        "Check the clock of this host, and which certificates the server sends.",
    ),
    Code(
        "missing_issuer",
        SERVED,
        ERROR,
        "The server does not send the certificate of its CA, so the staple cannot be checked.",
        "Have the server send the full chain, or set `issuer_path`.",
    ),
    Code(
        "unreachable",
        PROBE,
        ERROR,
        "The name has no address, or nothing accepts a connection there.",
        "Check `host` and `port`, the firewall, and that the server is running.",
    ),
    Code(
        "timeout",
        PROBE,
        ERROR,
        "The server took longer than `timeout`. The message says what it was expected to do.",
        "Check the network and the load of the server. If it is always slow, raise `timeout`.",
    ),
    Code(
        "cut_off",
        PROBE,
        ERROR,
        "The server closed the connection before it had sent its certificate and staple.",
        "Read the server's log. Exim does this if it cannot use its certificate or staple.",
    ),
    Code(
        "not_tls",
        PROBE,
        ERROR,
        "Something answers, but not with TLS.",
        "Check `port` and `starttls`.",
    ),
    Code(
        "tls_alert",
        PROBE,
        ERROR,
        "The server ended the handshake with a TLS alert. The message names it.",
        "Read the server's log.",
    ),
    Code(
        "tls_version",
        PROBE,
        ERROR,
        "The server speaks none of the TLS versions that were offered.",
        "Check `tls_versions`. A server older than TLS 1.2 must be updated.",
    ),
    Code(
        "starttls_refused",
        PROBE,
        ERROR,
        "The server does not offer STARTTLS, or refused it.",
        "Check `port` and `starttls`. Exim also does this if it cannot use its certificate or staple.",
    ),
    Code(
        "not_served",
        PROBE,
        ERROR,
        "The server has no certificate with any of the key types in `key_types`.",
        "Nothing needs to be done, unless it should have one.",
    ),
    Code(
        "malformed",
        PROBE,
        ERROR,
        "What the server sends during the handshake cannot be parsed.",
        "Read the server's log, and check that nothing between here and the server changes what it sends.",
    ),
    Code(
        "too_large",
        PROBE,
        ERROR,
        "The server sends more than belongs in a handshake, such as a chain of more than 256 KiB.",
        "Check the chain that the server is configured with.",
    ),
)


def of_area(area: str) -> t.Tuple[str, ...]:
    """The codes that can appear in one of the AREAS, in the order of the table."""
    return tuple(code.name for code in CODES if code.area == area)


JUDGEMENT_CODES = of_area(JUDGEMENT)
TRANSPORT_CODES = of_area(TRANSPORT)
REFRESH_CODES = of_area(REFRESH)
HOST_CODES = of_area(HOST)
SERVED_CODES = of_area(SERVED)
PROBE_CODES = of_area(PROBE)
