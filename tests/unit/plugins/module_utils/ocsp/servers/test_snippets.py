# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers import snippets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Entry, Setup
from ansible_collections.certops.ocsp.tests.unit.choices import CASES, DEFAULT, EXACT, LOWER, STRANGE, WILD, Site

EXIM = shutil.which("exim4", path=os.environ.get("PATH", "") + ":/usr/sbin")
KINDS = ("dovecot", "exim", "haproxy")


def entries(sites: t.Iterable[Site], root: Path = Path("/sets"), stapled: bool = True) -> t.List[Entry]:
    return [Entry(site.name, f"{root}/{site.name}", f"/live/{site.name}", site.names, KINDS, stapled) for site in sites]


def piece(file: str, sites: t.Iterable[Site], root: Path = Path("/sets"), stapled: bool = True) -> str:
    return snippets.shared(entries(sites, root, stapled), Setup("/root", 488))[file].decode("ascii")


# Exim -------------------------------------------------------------------------------------------

Asked = t.Optional[str]
Served = t.Tuple[str, ...]


class Exim:
    """Expands its options as for a client; what that asks for stands in the environment."""

    options = ("tls_certificate", "tls_privatekey", "tls_ocsp_file")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "exim.conf"

    def run(self, *arguments: str, **environment: str) -> t.List[str]:
        done = subprocess.run(
            [str(EXIM), "-C", str(self.configuration), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.environ["PATH"], **environment},
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode("utf-8").splitlines()

    def expand(self, text: str, asked: t.Sequence[Asked]) -> t.Dict[Asked, t.Tuple[t.List[str], ...]]:
        """The files of each option, as lists, by what a client asks for."""
        self.configuration.write_text(text)
        given = [option.partition(" = ")[2] for option in self.run("-bP", *self.options)]
        # As macros, since what is expanded may be longer than an argument of Exim's.
        names = [f"asked{number}" for number in range(len(asked))]
        macros = {
            f"Q_{name}_{option}_Q": value.replace("$tls_in_sni", f"${{env{{{name}}}}}")
            for name in names
            for option, value in zip(self.options, given)
        }
        definitions = "".join(f"{macro} = {value}\n" for macro, value in macros.items())
        self.configuration.write_text(f"keep_environment = {' : '.join(names)}\n{definitions}")
        environment = {name: one for name, one in zip(names, asked) if one is not None}
        answers = [line.split(" : ") if line else [] for line in self.run("-be", *macros, **environment)]
        return dict(zip(asked, zip(*[iter(answers)] * len(self.options))))


@pytest.fixture
def exim(tmp_path: Path) -> Exim:
    if EXIM is None or os.geteuid() != 0:
        pytest.skip("needs Exim, and root, as which alone it reads any configuration")
    return Exim(tmp_path)


def staple(folder: Path, seconds: int = 3600) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "ocsp.der").write_bytes(b"staple")
    (folder / "ocsp.der.expires").write_text(f"{int(time.time()) + seconds}\n")


def paths(root: Path, served: Served) -> t.Tuple[t.List[str], ...]:
    return tuple([f"{root}/{name}/{file}" for name in served] for file in ("fullchain.pem", "privkey.pem", "ocsp.der"))


@pytest.mark.parametrize("case", CASES)
def test_exim_serves_the_most_specific_set(case: str, exim: Exim) -> None:
    """Certificate, key and staple are always of the same set, in whatever order the sets are given."""
    sites, served = CASES[case]
    for site in sites:
        staple(exim.folder / site.name)
    wanted = {asked: paths(exim.folder, names) for asked, names in served.items()}
    for order in CASES[case].orders():
        expected = wanted
        if [site.key for site in order] != [site.key for site in sites]:
            # Of two kinds of key, that comes first which was given first.
            position = [site.name for site in order].index
            expected = {
                asked: paths(exim.folder, tuple(sorted(names, key=position))) for asked, names in served.items()
            }
        assert exim.expand(piece("exim.conf", order, exim.folder), list(served)) == expected


def test_exim_ignores_the_dot_of_the_root(exim: Exim) -> None:
    for site in (DEFAULT, WILD, EXACT):
        staple(exim.folder / site.name)
    found = exim.expand(piece("exim.conf", (DEFAULT, WILD, EXACT), exim.folder), ("a.example.org.", "b.example.org."))
    assert [found[asked] for asked in found] == [paths(exim.folder, (name,)) for name in ("exact", "wild")]


def test_exim_gives_the_default_to_clients_that_ask_for_nonsense(exim: Exim) -> None:
    sites = (DEFAULT, EXACT, LOWER, WILD)
    for site in sites:
        staple(exim.folder / site.name)
    found = exim.expand(piece("exim.conf", sites, exim.folder), STRANGE)
    assert found == dict.fromkeys(STRANGE, paths(exim.folder, ("default",)))


def test_exim_knows_hundreds_of_names(exim: Exim) -> None:
    sites = [DEFAULT]
    sites += [Site(f"set-{number}", (f"www.{number}.test", f"*.{number}.example.org")) for number in range(500)]
    staple(exim.folder / "set-499")
    found = exim.expand(piece("exim.conf", sites, exim.folder), ("www.499.test", "x.499.example.org", "x.500.test"))
    of_last = paths(exim.folder, ("set-499",))
    assert found == {
        "www.499.test": of_last,
        "x.499.example.org": of_last,
        "x.500.test": (*paths(exim.folder, ("default",))[:2], []),
    }


@pytest.mark.parametrize("fault", ["no staple", "no word on its end", "ended", "ended in one of two", "none of two"])
def test_exim_leaves_out_a_staple_that_would_cost_the_session(fault: str, exim: Exim) -> None:
    second = WILD._replace(name="second", key="ec")
    for site in (DEFAULT, WILD, second):
        staple(exim.folder / site.name)
    broken = exim.folder / ("second" if "two" in fault else "wild")
    if fault in ("no staple", "none of two"):
        (broken / "ocsp.der").unlink()
    elif fault == "no word on its end":
        (broken / "ocsp.der.expires").unlink()
    else:
        staple(broken, seconds=-1)
    found = exim.expand(piece("exim.conf", (DEFAULT, WILD, second), exim.folder), ("x.example.org", None))
    assert found["x.example.org"] == (*paths(exim.folder, ("wild", "second"))[:2], [])
    assert found[None] == paths(exim.folder, ("default",))


def test_exim_is_given_no_staples_where_there_are_none() -> None:
    text = piece("exim.conf", (DEFAULT, WILD), stapled=False)
    assert "tls_certificate = " in text and "tls_ocsp_file" not in text


def test_exim_asks_nothing_where_there_is_one_set() -> None:
    """Constant paths are loaded once, when Exim starts."""
    lines = piece("exim.conf", (WILD,), stapled=False).splitlines()
    assert lines[1:] == ["tls_certificate = /sets/wild/fullchain.pem", "tls_privatekey = /sets/wild/privkey.pem"]


def test_of_sets_with_a_name_in_common_the_first_has_it(exim: Exim) -> None:
    one, two = Site("one", ("x.test", "*.example.org")), Site("two", ("*.Example.org", "y.test"))
    for site in (DEFAULT, one, two):
        staple(exim.folder / site.name)
    for sites in ((DEFAULT, one, two), (DEFAULT, two, one)):
        found = exim.expand(piece("exim.conf", sites, exim.folder), ("a.example.org", "x.test", "y.test"))
        assert list(found.values()) == [paths(exim.folder, (name,)) for name in (sites[1].name, "one", "two")]


@pytest.mark.parametrize("name", ['x"y.test', "x y.test", "x}.test", "$x.test", "*", "*.", "*.*.test", "x.*.test", "-"])
def test_what_no_certificate_is_for_is_no_name(name: str) -> None:
    for file in ("exim.conf", "dovecot-2.3.conf", "dovecot-2.4.conf"):
        assert piece(file, (DEFAULT, Site("odd", (name,)))) == piece(file, (DEFAULT,))


# Dovecot ----------------------------------------------------------------------------------------


def blocks(text: str) -> t.List[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("local_name ")]


@pytest.mark.parametrize("case", CASES)
def test_dovecot_reads_the_same_in_whatever_order_sets_are_given(case: str) -> None:
    """Dovecot 2.3 takes the first block that fits, 2.4 the last; what each serves is asked in the integration tests."""
    found = set()
    for order in CASES[case].orders():
        names = blocks(piece("dovecot-2.3.conf", order))
        assert blocks(piece("dovecot-2.4.conf", order)) == names[::-1]
        found.add(tuple(names))
    assert len(found) == 1


def test_dovecot_reads_the_most_specific_names_first() -> None:
    sites = (DEFAULT, WILD, LOWER, Site("exact", ("a.example.org", "x.a.example.org")))
    assert blocks(piece("dovecot-2.3.conf", sites)) == [
        "x.a.example.org",
        "a.example.org",
        "*.a.example.org",
        "*.example.org",
    ]


def test_dovecot_takes_no_second_certificate_from_elsewhere() -> None:
    sites = (DEFAULT, DEFAULT._replace(name="second"), EXACT)
    assert piece("dovecot-2.3.conf", sites).splitlines()[1:] == [
        "ssl_cert = </live/default/fullchain.pem",
        "ssl_key = </live/default/privkey.pem",
        "ssl_alt_cert = </live/second/fullchain.pem",
        "ssl_alt_key = </live/second/privkey.pem",
        "local_name a.example.org {",
        "  ssl_cert = </live/exact/fullchain.pem",
        "  ssl_key = </live/exact/privkey.pem",
        "  ssl_alt_cert =",
        "  ssl_alt_key =",
        "}",
    ]
    assert "  ssl_server_alt_cert_file =\n  ssl_server_alt_key_file =\n" in piece("dovecot-2.4.conf", sites)


# The others -------------------------------------------------------------------------------------


def test_haproxy_chooses_by_what_it_reads_in_the_certificates() -> None:
    lines = piece("haproxy.list", (DEFAULT, WILD, EXACT)).splitlines()
    assert lines[1:] == [f"/live/{name}/combined.pem" for name in ("default", "wild", "exact")]


def test_pieces_are_for_the_servers_of_a_set() -> None:
    (entry,) = entries([WILD])
    assert set(snippets.shared([entry], Setup("/root", 488))) == {
        "dovecot-2.3.conf",
        "dovecot-2.4.conf",
        "exim.conf",
        "haproxy.list",
    }
    assert snippets.shared([entry._replace(kinds=("nginx", "hitch"))], Setup("/root", 488)) == {}
    assert set(snippets.shared([entry._replace(kinds=("apache",))], Setup("/root", 488))) == {"apache.conf"}
    assert set(snippets.for_set(entry._replace(kinds=("nginx", "lighttpd", "apache", "exim")))) == {
        "apache.conf",
        "lighttpd.conf",
        "nginx.conf",
    }


@pytest.mark.parametrize("kind", ["apache", "lighttpd"])
def test_a_set_without_a_staple_names_none(kind: str) -> None:
    (entry,) = entries([WILD])
    with_staple = snippets.for_set(entry._replace(kinds=(kind,)))[f"{kind}.conf"].decode()
    without = snippets.for_set(entry._replace(kinds=(kind,), stapled=False))[f"{kind}.conf"].decode()
    switch = {"apache": "SSLUseStapling on", "lighttpd": "ssl.stapling-file"}[kind]
    assert switch in with_staple and switch not in without
