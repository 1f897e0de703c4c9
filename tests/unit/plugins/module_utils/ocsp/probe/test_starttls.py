# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each protocol is asked for TLS, and what servers may not answer."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import MalformedError, OcspError, ProbeError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.probe import starttls
from ansible_collections.certops.ocsp.tests.unit.tls_server import Wire
from hypothesis import given
from hypothesis import strategies as st

Talk = t.List[t.Tuple[t.Optional[bytes], bytes]]

EHLO = b"EHLO [192.0.2.2]\r\n"
STARTTLS = b"STARTTLS\r\n"
XMPP_HEAD = (
    b"<?xml version='1.0'?><stream:stream to='example.com' xmlns='jabber:%s' "
    b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
XMPP_ASK = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
XMPP_OFFER = (
    b"<?xml version='1.0'?><stream:stream from='example.com' id='x' version='1.0'><stream:features>"
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls><mechanisms/></stream:features>"
)
XMPP_PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
LDAP_ASK = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
LDAP_OK = bytes.fromhex("300c02010178070a010004000400")
SSL_REQUEST = bytes.fromhex("0000000804d2162f")

GOOD: t.Dict[str, t.Tuple[str, Talk]] = {
    "smtp": (
        "smtp",
        [(None, b"220 hi\r\n"), (EHLO, b"250-hi\r\n250-SIZE 9\r\n250 STARTTLS\r\n"), (STARTTLS, b"220 go\r\n")],
    ),
    "smtp in many lines": (
        "smtp",
        [(None, b"220-hi\r\n220-no spam\r\n220 \r\n"), (EHLO, b"250-hi\r\n250 starttls\r\n"), (STARTTLS, b"220\r\n")],
    ),
    "smtp with bare line feeds": (
        "smtp",
        [(None, b"220 hi\n"), (EHLO, b"250-hi\n250 STARTTLS\n"), (STARTTLS, b"220 go\n")],
    ),
    "lmtp": (
        "lmtp",
        [(None, b"220 hi\r\n"), (b"LHLO [192.0.2.2]\r\n", b"250-hi\r\n250 STARTTLS\r\n"), (STARTTLS, b"220 go\r\n")],
    ),
    "imap": ("imap", [(None, b"* OK hi\r\n"), (b"a STARTTLS\r\n", b"a OK go\r\n")]),
    "imap with a remark": ("imap", [(None, b"* OK hi\r\n"), (b"a STARTTLS\r\n", b"* CAPABILITY IMAP4\r\na OK go\r\n")]),
    "pop3": ("pop3", [(None, b"+OK hi\r\n"), (b"STLS\r\n", b"+OK go\r\n")]),
    "sieve": ("sieve", [(None, b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "hi"\r\n'), (STARTTLS, b'OK "go"\r\n')]),
    "ftp": ("ftp", [(None, b"220-hi\r\n any text\r\n220x\r\n220 ready\r\n"), (b"AUTH TLS\r\n", b"234 go\r\n")]),
    "ldap": ("ldap", [(LDAP_ASK, LDAP_OK)]),
    "ldap with long lengths": (
        "ldap",
        [(LDAP_ASK, bytes.fromhex("3084000000100201017884000000070a010004000400"))],
    ),
    "postgres": ("postgres", [(SSL_REQUEST, b"S")]),
    "xmpp": ("xmpp", [(XMPP_HEAD % b"client", XMPP_OFFER), (XMPP_ASK, XMPP_PROCEED)]),
    "xmpp with a closing tag": (
        "xmpp",
        [(XMPP_HEAD % b"client", XMPP_OFFER), (XMPP_ASK, XMPP_PROCEED[:-2] + b"></proceed>")],
    ),
    "xmpp-server": ("xmpp-server", [(XMPP_HEAD % b"server", XMPP_OFFER), (XMPP_ASK, XMPP_PROCEED)]),
}


def negotiate(kind: str, talk: Talk, piece: int = 65536) -> Wire:
    wire = Wire(talk=talk, piece=piece)
    starttls.negotiate(kind, wire, "example.com")
    return wire


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("piece", [1, 5, 65536])
def test_a_server_that_agrees(case: str, piece: int) -> None:
    kind, talk = GOOD[case]
    wire = negotiate(kind, talk, piece)
    assert not wire.talk, "everything was said"


def test_every_protocol_is_tested() -> None:
    assert {kind for kind, _talk in GOOD.values()} == set(starttls.KINDS)


def test_the_address_is_told_in_the_form_of_its_family() -> None:
    wire = Wire(talk=[(None, b"220 hi\r\n"), (b"EHLO [IPv6:2001:db8::2]\r\n", b"250-hi\r\n250 STARTTLS\r\n")])
    wire.talk.append((STARTTLS, b"220 go\r\n"))
    wire.local_address = "2001:db8::2"
    starttls.negotiate("smtp", wire, "example.com")


def test_a_name_cannot_break_out_of_the_stream() -> None:
    wire = Wire()
    with pytest.raises(ProbeError):
        starttls.negotiate("xmpp", wire, "a'><b")
    assert b"to='a&#x27;&gt;&lt;b'" in wire.sent[0]


@pytest.mark.parametrize("case", GOOD)
def test_cut_off_at_every_byte(case: str) -> None:
    kind, talk = GOOD[case]
    for turn, (heard, said) in enumerate(talk):
        for end in range(len(said) - (said[-2:] != b"\r\n" and said[-1:] == b"\n")):
            short = [*talk[:turn], (heard, said[:end])]
            try:
                negotiate(kind, short)
            except ProbeError as error:
                assert error.code == "cut_off"
            except AssertionError:
                assert turn < len(talk) - 1  # the client said the next thing, since the rest is of no interest
            else:
                assert turn == len(talk) - 1


@pytest.mark.parametrize("case", GOOD)
def test_bytes_beyond_the_consent_are_refused(case: str) -> None:
    kind, talk = GOOD[case]
    heard, said = talk[-1]
    with pytest.raises(MalformedError):
        negotiate(kind, [*talk[:-1], (heard, said + b"\x16")])


REFUSALS: t.Dict[str, t.Tuple[str, Talk, str]] = {
    "smtp that is busy": ("smtp", [(None, b"554 go away\r\n")], "says '554 go away'"),
    "smtp without": (
        "smtp",
        [(None, b"220 hi\r\n"), (EHLO, b"250-hi\r\n250 SIZE\r\n")],
        "speaks SMTP but does not offer",
    ),
    "smtp that lists another word": (
        "smtp",
        [(None, b"220 hi\r\n"), (EHLO, b"250-hi\r\n250 NOSTARTTLS\r\n")],
        "speaks SMTP but does not offer",
    ),
    "smtp in trouble": (
        "smtp",
        [
            (None, b"220 hi\r\n"),
            (EHLO, b"250-hi\r\n250 STARTTLS\r\n"),
            (STARTTLS, b"454 TLS currently unavailable\r\n"),
        ],
        "says '454 TLS currently unavailable'",
    ),
    "smtp of another kind": ("smtp", [(None, b"SSH-2.0-OpenSSH_9.2\r\n")], "says 'SSH-2.0-OpenSSH_9.2'"),
    "smtp that is HTTP": ("smtp", [(None, b"HTTP/1.1 408 Request Timeout\r\n")], "says 'HTTP/1.1 408"),
    "control characters": ("smtp", [(None, b"\x1b[31mred\r\n")], "says '?[31mred'"),
    "imap that is busy": ("imap", [(None, b"* BYE full\r\n")], "says '* BYE full'"),
    "imap without": ("imap", [(None, b"* OK hi\r\n"), (b"a STARTTLS\r\n", b"a BAD what\r\n")], "says 'a BAD what'"),
    "imap logged in": ("imap", [(None, b"* PREAUTH hi\r\n")], "says '* PREAUTH hi'"),
    "pop3 without": ("pop3", [(None, b"+OK hi\r\n"), (b"STLS\r\n", b"-ERR what\r\n")], "says '-ERR what'"),
    "sieve without": ("sieve", [(None, b'"SIEVE" "x"\r\nOK\r\n')], "speaks ManageSieve but does not offer"),
    "sieve in trouble": ("sieve", [(None, b'"STARTTLS"\r\nOK\r\n'), (STARTTLS, b"NO\r\n")], "says 'NO'"),
    "sieve that is busy": ("sieve", [(None, b"BYE\r\n")], "says 'BYE'"),
    "ftp without": ("ftp", [(None, b"220 hi\r\n"), (b"AUTH TLS\r\n", b"500 what\r\n")], "says '500 what'"),
    "ldap without": ("ldap", [(LDAP_ASK, bytes.fromhex("300c02010178070a010204000400"))], "the result code 2"),
    "ldap that hangs up": (
        "ldap",
        [(LDAP_ASK, bytes.fromhex("300c02010078070a013404000400"))],
        "no response to StartTLS",
    ),
    "ldap of another kind": ("ldap", [(LDAP_ASK, b"HTTP")], "says 'HT'"),
    "postgres without": ("postgres", [(SSL_REQUEST, b"N")], "speaks PostgreSQL but does not offer"),
    "postgres in trouble": ("postgres", [(SSL_REQUEST, b"E")], "says 'E'"),
    "xmpp without": (
        "xmpp",
        [(XMPP_HEAD % b"client", b"<stream:stream><stream:features></stream:features>")],
        "speaks XMPP but does not offer",
    ),
    "xmpp that offers nothing": (
        "xmpp",
        [(XMPP_HEAD % b"client", b"<stream:stream><stream:features/>")],
        "speaks XMPP but does not offer",
    ),
    "xmpp in trouble": (
        "xmpp",
        [(XMPP_HEAD % b"client", XMPP_OFFER), (XMPP_ASK, b"<failure xmlns='x'/></stream:stream>")],
        "says '<failure",
    ),
    "xmpp of another host": (
        "xmpp",
        [(XMPP_HEAD % b"client", b"<stream:stream><stream:error><host-unknown/></stream:error>")],
        "says '<stream:error>'",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_shown(case: str) -> None:
    kind, talk, words = REFUSALS[case]
    with pytest.raises(ProbeError) as caught:
        negotiate(kind, talk)
    assert caught.value.code == "starttls_refused"
    assert words in caught.value.message and caught.value.message.isprintable()


@pytest.mark.parametrize("length", ["80", "85", "84ffffffff", "82ffff"])
def test_lengths_of_ldap_that_cannot_be(length: str) -> None:
    with pytest.raises(MalformedError):
        negotiate("ldap", [(LDAP_ASK, b"\x30" + bytes.fromhex(length) + bytes(300))])


class Endless(Wire):
    """Says the same for ever."""

    def __init__(self, greeting: bytes) -> None:
        super().__init__()
        self.greeting = greeting

    def receive(self) -> bytes:
        return self.greeting


@pytest.mark.parametrize("kind", sorted(set(starttls.KINDS) - {"ldap", "postgres"}))
@pytest.mark.parametrize("said", [b"x", b"x\n", b"220-x\n", b"* x\n", b'"x"\n', b"<a>", b"220x\n", b" " * 4096])
def test_an_endless_server_gets_no_farther(kind: str, said: bytes) -> None:
    with pytest.raises(ProbeError) as caught:
        starttls.negotiate(kind, Endless(said), "example.com")
    assert caught.value.code in ("too_large", "starttls_refused")
    assert len(caught.value.message) < 250


@pytest.mark.parametrize("kind", ["smtp", "imap", "xmpp"])
def test_a_line_has_an_end_before_all_that_may_be_said(kind: str) -> None:
    with pytest.raises(ProbeError) as caught:
        starttls.negotiate(kind, Endless(b"x" * 100), "example.com")
    assert (caught.value.code, "a line of more than 8192" in caught.value.message) == ("too_large", True)


def test_the_step_says_what_is_waited_for() -> None:
    wire = negotiate("smtp", GOOD["smtp"][1])
    assert wire.steps == ["greet in the way of SMTP", "answer EHLO", "answer STARTTLS"]


def test_what_can_be_chosen_is_what_is_spoken() -> None:
    assert starttls.PROTOCOLS == tuple(sorted(starttls.KINDS)) == tuple(sorted({kind for kind, _talk in GOOD.values()}))


WORDS = st.sampled_from(
    [
        b"220",
        b"220-",
        b"250-STARTTLS\r\n",
        b"250 ",
        b"* OK",
        b"a OK",
        b"+OK",
        b"OK",
        b'"STARTTLS"',
        b"\r\n",
        b"\n",
        b" ",
    ]
    + [b"234 x\r\n", LDAP_OK, b"S", XMPP_OFFER, XMPP_PROCEED, b"<", b"\0", b"\xff", b"</stream:features>", b"\x30\x84"]
)


@given(
    kind=st.sampled_from(sorted(starttls.KINDS)),
    said=st.one_of(st.binary(max_size=100), st.lists(WORDS, max_size=12).map(b"".join)),
    piece=st.integers(1, 100),
)
def test_any_bytes_end_in_consent_or_an_error_of_ours(kind: str, said: bytes, piece: int) -> None:
    wire = Wire(server=lambda data: b"", talk=[(None, said)], piece=piece)
    try:
        starttls.negotiate(kind, wire, "example.com")
    except (ProbeError, MalformedError) as error:
        assert isinstance(error, OcspError) and error.message.isprintable()
