# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the collection knows about a TLS server, as data: one ``Server`` in a file for each, and ``table.py`` lists
them.

What it does with a staple was measured on the servers of Debian 12 and 13; a response that one server accepts makes TLS
fail on another. A file holds the names that all distributions have: what is not there is passed over.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta

#: The folder of the snippets about all certificates of a server, below the root folder.
FOLDER = "snippets"
#: Why a server cannot staple for two kinds of keys for one name.
ONE_FILE = "has one staple file for a name, which would be wrong for one of them"


class Entry(t.NamedTuple):
    """One live set: ``folder`` is its own, ``live`` the link to it. ``stapled``: a staple is or will be there.

    ``names`` are the server names and addresses that it is for, ``kinds`` the servers that read it.
    """

    name: str
    folder: str
    live: str
    names: t.Tuple[str, ...]
    kinds: t.Tuple[str, ...]
    stapled: bool


#: The sets for the same server names, one for each kind of key: a client is served by one of them.
Group = t.List[Entry]


class Setup(t.NamedTuple):
    """What snippets depend on beside certificates: the root folder of the sets, the port of Apache's responder."""

    root: str
    apache_port: int


class Snippet(t.NamedTuple):
    """A snippet about all certificates of a server, by its file name. A default is the first group."""

    file: str
    make: t.Callable[[t.List[Group], Setup], str]


class Include(t.NamedTuple):
    """A line of the user's own configuration that brings in what was deployed, for the documentation.

    ``where`` it belongs is text with what is to be typed between backticks. NAME stands for the name of a certificate.
    ``version`` is for a server that needs different lines; lines that belong together follow one with a ``where``.
    """

    where: str
    line: str
    version: str = ""


class Rule(t.NamedTuple):
    """What an administrator must see to, and what happens otherwise, for the documentation.

    What is to be typed is between backticks. ``variant`` is for a server that has several.
    """

    needs: str
    otherwise: str
    variant: str = ""


class Server(t.NamedTuple):
    """One kind of server. All that staple read DER only.

    Its staple:

    ``staples``: it can. ``needs_next_update``: a response without nextUpdate is not stapled. ``reads_sha256``: an
    answer by SHA-256 CertID is stapled. ``reads_several``: a response with several answers is stapled.
    ``first_answer_only``: an answer that is not the first counts as another certificate's. ``margin``: the life that
    must be left. ``by_gnutls``: it has no TLS with what GnuTLS does not read. ``largest``: the octets of a response
    beyond which it crashes. ``largest_cached``: those beyond which it reads the response anew in each handshake.
    ``needs_responder``: it staples only for certificates that name a responder, even from a file. ``survives``: a file
    that it cannot use costs the staple alone, and not TLS or the start. ``one_staple``: why it cannot staple for two
    kinds of keys for one name, if so.

    How a new one reaches it:

    ``rereads``: it looks at the file again without being told. ``hand_over`` gives it the staple for a certificate
    file through its socket for commands, asked as ``ask(text)``, and returns its answer where it refuses; otherwise an
    empty string. ``holds``: it goes on with a staple whose file is gone, and ``drops_expired``: until that has
    expired. ``needs_file``: once told of a file, it does not start without it.

    The service:

    ``units`` are its names, by distribution. ``tests`` are commands that check its configuration; the first whose
    program and files are there counts. ``file_options`` are the server's options that name the files of its
    configuration: the tests are made with those of the process that runs. ``pid_files`` and ``signal_name`` are for
    hosts where nothing manages it; there is no PID file where no signal makes it reload, and ``programs`` are what its
    processes are called, if not like a unit. ``sockets`` are where it
    listens for commands. ``key_groups`` are the groups, by distribution, as which it reads its private key where it
    gave up root before that.
    ``rereads_key_unprivileged``: reloading makes it end where that user cannot read the key again, so that it has to be
    restarted; ``cannot_reload``: it always has to be. ``touched`` are files that have to look new, or it would not read
    its staples again when it is reloaded; a relative path is below the root folder of the sets.
    ``survives_reload``: it goes on as it was where it cannot do what its configuration says, such as to listen on a
    port that is taken, which no test of it looks at. ``renews_pid_file``: it writes its PID file again as soon as it
    has done that. ``ports`` are where it listens as a rule, each with the protocol that is spoken before TLS.

    Its configuration:

    ``folders`` are where it lies, below /etc, and ``comment`` begins a comment in it. ``for_set`` makes the snippet
    that lies in the folder of a set, NAME.conf; ``shared`` are those about all certificates. ``has_default``: by these,
    the first certificate is for clients that send no known name; for other servers, the user's configuration says it.
    ``by_name``: these have certificates together that are for one name, also where there is no default.
    """

    title: str
    units: t.Tuple[str, ...]
    folders: t.Tuple[str, ...] = ()
    ports: t.Tuple[t.Tuple[int, str], ...] = ()
    tests: t.Tuple[t.Tuple[str, ...], ...] = ()
    file_options: t.Tuple[str, ...] = ()
    pid_files: t.Tuple[str, ...] = ()
    programs: t.Tuple[str, ...] = ()
    signal_name: str = "SIGHUP"
    sockets: t.Tuple[str, ...] = ()
    key_groups: t.Tuple[str, ...] = ()
    rereads_key_unprivileged: bool = False
    cannot_reload: bool = False
    touched: t.Tuple[str, ...] = ()
    survives_reload: bool = False
    renews_pid_file: bool = False

    staples: bool = True
    needs_next_update: bool = False
    reads_sha256: bool = True
    reads_several: bool = True
    first_answer_only: bool = False
    by_gnutls: bool = False
    margin: timedelta = timedelta(0)
    largest: t.Optional[int] = None
    largest_cached: t.Optional[int] = None
    needs_responder: bool = False
    survives: bool = True
    one_staple: str = ""

    rereads: bool = False
    hand_over: t.Optional[t.Callable[[t.Callable[[str], str], str, bytes], str]] = None
    holds: bool = True
    drops_expired: bool = False
    needs_file: bool = False

    comment: str = "#"
    for_set: t.Optional[t.Callable[[Entry], str]] = None
    shared: t.Tuple[Snippet, ...] = ()
    has_default: bool = False
    by_name: bool = False

    includes: t.Tuple[Include, ...] = ()
    rules: t.Tuple[Rule, ...] = ()
