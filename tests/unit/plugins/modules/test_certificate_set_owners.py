# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate_set for several owners on one host: what adds up, what is refused, and what goes."""

from __future__ import annotations

import functools
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils import _module
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.deploy import confirm, departure, removal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, pending, reading, sets
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.plugins.modules.test_certificate_set import (
    OTHER,
    OWNER,
    entry,
    leaf,
    tree,
)
from ansible_collections.certops.ocsp.tests.unit.run_module import Result, Runner

A, B, C, D = "a.example.com", "b.example.com", "c.example.com", "d.example.com"
#: A service of the kind of HAProxy, which no host has.
SERVICE = "certops-test-lb"


class Host:
    """A host without servers, whose services have loaded all that they were told."""

    def __init__(self, runner: Runner, home: Path) -> None:
        self.home = home
        self.runner = runner
        self.layout = sets.Layout(str(home / "etc"), str(home / "var"))
        self.settings: t.Dict[str, t.Any] = {SERVICE: {"kind": "haproxy", "unit": SERVICE, "test": ["true"]}}

    def run(self, state: str = "present", *, check: bool = False, loaded: bool = True, **given: t.Any) -> Result:
        result = self.runner(
            check=check,
            diff=True,
            state=state,
            fetch_from="nowhere",
            service_settings=self.settings,
            owner=str(os.geteuid()),
            group=str(os.getegid()),
            path=self.layout.root,
            state_path=self.layout.state,
            **given,
        )
        for service in pending.services(self.layout) if loaded and not check else ():
            pending.forget(self.layout, service)
        return result

    def deploy(self, owner: str, *names: str, turn: t.Any = (), claimed: t.Sequence[str] = (), **how: t.Any) -> Result:
        part = {"owner": owner, "claimed": dict.fromkeys(claimed), **dict(turn)}
        return self.run(part=part, certificates=[one(name) for name in names], **how)

    def listed(self) -> t.List[str]:
        """The certificates that HAProxy is told of, in their order."""
        path = self.home / "etc/snippets/haproxy.list"
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        return [Path(line).parent.name for line in lines]

    def live(self) -> t.List[str]:
        return sets.live_names(self.layout)


@functools.cache
def one(name: str, **given: t.Any) -> t.Dict[str, t.Any]:
    return entry(leaf(name, urls=False), name, services=[SERVICE], **given)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Host:
    if os.geteuid() != 0:
        monkeypatch.setattr(_module, "require_root", lambda module: None)
    monkeypatch.setattr(removal, "broken_without", lambda folder, run: [])
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [])
    # As if it ran, by a manager that does not say when it has loaded its files.
    monkeypatch.setattr(control, "is_running", lambda service, run: None)
    monkeypatch.setattr(control.Services, "loaded_since", lambda self, name, moment: None)
    return Host(Runner("certificate_set", monkeypatch, capfd), tmp_path)


def test_owners_add_up(host: Host) -> None:
    assert host.deploy("web", B, A)["changed"] and host.listed() == [B, A]
    added = host.deploy("api", C)
    assert added["changed"] and added["reload"] == [SERVICE] and added["dropped"] == []
    assert host.listed() == [B, A, C], "the owner that came first comes first"
    before = tree(host.home)
    for owner, names in (("web", [B, A]), ("api", [C]), ("web", [B, A])):
        for check in (True, False):
            idle = host.deploy(owner, *names, check=check)
            assert not idle["changed"] and idle["diff"] == [] and tree(host.home) == before


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("edited", [True, False])
def test_a_snippet_that_somebody_changed_is_said_to_be_repaired(
    running: bool, edited: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the server does not run, so that it is not reloaded."""
    host.deploy("web", A)
    monkeypatch.setattr(control, "is_running", lambda service, run: running)
    monkeypatch.setattr(control.Services, "loaded_since", lambda self, name, moment: not running)
    snippet = host.home / "etc/snippets/haproxy.list"
    good = snippet.read_bytes()
    if edited:
        snippet.write_text("# mine\n")
    else:
        snippet.unlink()
    for check, verb in ((True, "would be updated"), (False, "updated")):
        result = host.deploy("web", A, check=check)
        assert result["changed"] and f"; configuration snippets {verb} for {SERVICE}" in result["msg"]
        assert result["reload"] == ([SERVICE] if running else [])
    assert snippet.read_bytes() == good and not host.deploy("web", A)["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_the_lines_that_a_rewritten_snippet_loses_are_shown(check: bool, host: Host) -> None:
    """On one's own terminal, and as far as a difference can be read."""
    host.deploy("web", A)
    snippet = host.home / "etc/snippets/haproxy.list"
    good = snippet.read_text()
    for text, shown in (("mine \x1b[2J\u202e\n\there\n", "mine ?[2J?\n\there\n"), (None, "")):
        if text is None:
            snippet.unlink()
        else:
            snippet.write_text(text)
        (difference,) = host.deploy("web", A, check=check)["diff"]
        headers = {"before_header": str(snippet), "after_header": str(snippet)}
        assert difference == {**headers, "before": shown, "after": good}
    for text in ("x\n" * 60_000, "\u00e9" * 60_000):
        snippet.write_text(text)
        said = f"{snippet} has different content, which is too long to be shown\n"
        assert host.deploy("web", A, check=check)["diff"] == [{"prepared": said}]


def test_a_snippet_that_others_can_write_is_replaced(host: Host) -> None:
    host.deploy("web", A)
    snippet = host.home / "etc/snippets/haproxy.list"
    before = snippet.read_bytes(), snippet.stat().st_ino
    snippet.chmod(0o666)
    for check, verb in ((True, "would be updated"), (False, "updated")):
        result = host.deploy("web", A, check=check)
        assert result["changed"] and f"; configuration snippets {verb} for {SERVICE}" in result["msg"]
        assert result["diff"] == [{"prepared": f"{snippet} is {OWNER} 0666 and not {OWNER} 0644\n"}]
    assert snippet.stat().st_mode & 0o777 == 0o644 and snippet.read_bytes() == before[0]
    assert snippet.stat().st_ino != before[1], "somebody may have the old one open"
    assert not host.deploy("web", A)["changed"]


@pytest.mark.parametrize("secret", [False, True])
def test_a_part_that_others_can_write_is_replaced(secret: bool, host: Host) -> None:
    """Only that of this owner: what is in the others is up to them."""
    options = {"http_proxy": "http://me:secret@proxy.example.com"} if secret else {}
    host.deploy("web", A, options=options)
    host.deploy("api", B)
    usual = 0o640 if secret else 0o644
    files = {owner: Path(parts.path(host.layout, owner)) for owner in ("web", "api")}
    before = files["web"].read_bytes()
    for file in files.values():
        file.chmod(0o666)
    for check in (True, False):
        result = host.deploy("web", A, options=options, check=check)
        found = f"{OWNER} 0666 and not {OWNER} {usual:04o}"
        done, was = ("would be", "is") if check else ("was", "was")
        assert result["msg"].endswith(f"; access to {files['web']} {done} corrected: it {was} {found}")
        assert result["changed"] and result["diff"] == [{"prepared": f"{files['web']} is {found}\n"}]
        assert result["reload"] == []
    assert files["web"].stat().st_mode & 0o777 == usual and files["web"].read_bytes() == before
    assert files["api"].stat().st_mode & 0o777 == 0o666
    assert not host.deploy("web", A, options=options)["changed"]


@AS_ROOT
def test_what_belongs_to_somebody_else_is_replaced(host: Host) -> None:
    host.deploy("web", A)
    for path in (host.home / "etc/snippets/haproxy.list", Path(parts.path(host.layout, "web"))):
        os.chown(path, 1, 1)
        assert host.deploy("web", A)["changed"] and path.stat().st_uid == 0
    assert not host.deploy("web", A)["changed"]


def test_a_snippet_that_no_service_needs_is_said_to_be_removed(host: Host) -> None:
    host.deploy("web", A)
    surplus = host.home / "etc/snippets/exim.conf"
    surplus.write_text("# mine\n")
    for check, verb in ((True, "would be updated"), (False, "updated")):
        result = host.deploy("web", A, check=check)
        assert result["changed"] and result["msg"].endswith(f"; configuration snippets {verb} for exim")
    assert not surplus.exists() and not host.deploy("web", A)["changed"]


def test_certificates_are_removed_by_name_whoever_configured_them(host: Host) -> None:
    """Nothing counts as not deployed afterwards; with an owner, only what it has is removed."""
    host.deploy("web", A, B)
    host.deploy("api", A, C)

    def absent(*names: str, **given: t.Any) -> Result:
        values = {"certificates": [{"name": name} for name in names], **given}
        foreseen, done = host.run("absent", check=True, **values), host.run("absent", **values)
        assert [foreseen[key] for key in ("changed", "removed")] == [done[key] for key in ("changed", "removed")]
        again = host.run("absent", **values)
        assert not again["changed"] and again["removed"] == []
        return done

    def configured() -> t.Dict[str, t.List[str]]:
        return {part.owner: [one.name for one in part.certificates] for part in parts.load(host.layout)}

    done = absent(A, "ww.example.com")
    assert done["removed"] == [A] and f"{A} was removed; not there: ww.example.com" in done["msg"]
    assert configured() == {"api": [C], "web": [B]}
    done = absent(B, C, part={"owner": "web"})
    assert done["removed"] == [B] and f"; not there: {C}" in done["msg"] and configured() == {"api": [C]}
    assert host.run("absent", part={"owner": "api"}, certificates=[{"name": B}])["msg"] == (
        f"'api' has no such certificate on this host: {B}"
    )
    assert absent(C)["removed"] == [C] and configured() == {}


@pytest.mark.parametrize("part", [{}, {"part": {"owner": "web"}}], ids=["by name", "of an owner"])
def test_what_is_absent_already_may_have_to_be_reloaded_still(part: t.Dict[str, t.Any], host: Host) -> None:
    """The first run may have ended before its handlers."""
    host.deploy("web", A, B)
    values = {"certificates": [{"name": A}], "loaded": False, **part}
    assert host.run("absent", **values)["reload"] == [SERVICE]
    foreseen, again = host.run("absent", check=True, **values), host.run("absent", **values)
    for result in (foreseen, again):
        # Otherwise nothing would notify a handler.
        assert result["changed"] and result["reload"] == [SERVICE] and result["removed"] == []
        assert result["msg"] == f"there was nothing to remove, but {SERVICE} had not loaded the last change yet"
    assert host.run("pruned", loaded=False)["reload"] == [SERVICE]
    pending.forget(host.layout, SERVICE)
    assert not host.run("absent", **values)["changed"]


def test_what_two_owners_gave_goes_with_the_second_that_gives_it_up(host: Host) -> None:
    host.deploy("web", A, B)
    host.deploy("api", A, C)
    left = host.deploy("web", B)
    assert left["dropped"] == [] and left["given_up"] == [A]
    assert host.run("pruned", pruned={"web": [""]})["removed"] == []
    again = host.deploy("web", B)
    assert not again["changed"] and again["given_up"] == []
    foreseen, gone = host.deploy("api", C, check=True), host.deploy("api", C)
    assert foreseen["dropped"] == gone["dropped"] == [A]
    assert host.run("pruned", pruned={"api": [""]})["removed"] == [A] and A not in host.live()


def test_a_renewal_keeps_what_a_server_that_is_no_longer_told_may_include(host: Host) -> None:
    """nginx would not start if its configuration includes a file that is not there."""
    host.run(certificates=[{**one(A), "services": ["nginx"]}])
    piece = Path(host.layout.live(A), "nginx.conf")
    assert piece.exists()
    host.run(certificates=[{**entry(leaf(A, "renewed", urls=False), A), "services": []}])
    assert piece.exists() and len([*Path(host.layout.sets(A)).iterdir()]) == 2, "in a new set"


OTHER_SERVICE = "edge"


@pytest.mark.parametrize("owner", ["web", "api"], ids=["a task of the same owner", "another owner"])
def test_a_certificate_that_one_of_several_gives_up_is_no_longer_for_its_services(owner: str, host: Host) -> None:
    """It is said by the task that gives it up, and done at the end of the play, as a later one may give it again."""
    host.settings[OTHER_SERVICE] = {**host.settings[SERVICE]}
    first, second = {"owner": "web", "place": "first"}, {"owner": owner, "place": "second"}

    def deploy(part: t.Dict[str, t.Any], service: str, *names: str, check: bool = False) -> Result:
        claimed = {A: None, B: None} if part is second and owner == "web" else {}
        certificates = [{**one(name), "services": [service]} for name in names]
        return host.run(part={**part, "claimed": claimed}, certificates=certificates, check=check)

    for _turn in range(2):
        deploy(first, SERVICE, A, B)
        deploy(second, OTHER_SERVICE, A, B)
    foreseen, done = deploy(second, OTHER_SERVICE, A, check=True), deploy(second, OTHER_SERVICE, A)
    for result in (foreseen, done):
        assert result["given_up"] == [B] and result["dropped"] == []
        assert f"no longer for {OTHER_SERVICE} {departure.AT_THE_END}: {B}" in result["msg"]
    if owner == "api":
        again = deploy(second, OTHER_SERVICE, A)
        assert (
            again["given_up"] == [B] and f"no longer for {OTHER_SERVICE} {departure.AT_THE_END}: {B}" in again["msg"]
        ), "the run before may have failed before the end of the play"
        assert "no longer" not in deploy(first, SERVICE, A, B, check=True)["msg"]
    pruned = host.run("pruned", pruned={owner: ["second"]})
    assert pruned["changed"] and pruned["removed"] == [] and host.live() == [A, B]
    assert sets.described(host.layout.live(B)).services == (SERVICE,)
    for part, service, names in ((first, SERVICE, (A, B)), (second, OTHER_SERVICE, (A,))):
        idle = deploy(part, service, *names)
        assert not idle["changed"] and idle["given_up"] == []
    assert not host.run("pruned")["changed"]


@pytest.mark.parametrize("owner", ["imap", "smtp"], ids=["another owner", "another task"])
@pytest.mark.parametrize("change", ["certificate", "mode", "service"])
def test_check_mode_accepts_a_change_that_an_earlier_task_makes_as_well(change: str, owner: str, host: Host) -> None:
    """What an earlier inclusion of the run has on the host is what it had before."""
    certificate = entry(leaf(A, "renewed", urls=False), A, services=[SERVICE])
    changed = {"certificate": certificate, "mode": {**one(A), "mode": "0600"}, "service": one(A)}[change]
    settings = {SERVICE: {**host.settings[SERVICE], "unit": "renamed"}} if change == "service" else host.settings
    run: t.Dict[str, t.Any] = {"together": {"smtp": {A: [SERVICE]}}, "came": {"smtp": ["first"]}}
    first, second = {"owner": "smtp", "place": "first"}, {"owner": owner, "place": "second", **run}
    if owner == "smtp":
        second.update(claimed={A: [SERVICE]}, together={}, came={})
    for part in (first, second):
        assert not host.run(part=part, certificates=[one(A)])["failed"]
    host.settings = settings
    for check in (True, False):
        for part in (first, second):
            result = host.run(part=part, certificates=[changed], check=check)
            assert not result["failed"], result["msg"]
    differing = host.run(part=second, certificates=[{**one(A), "mode": "0640"}])
    assert differing["failed"] and "make both the same" in differing["msg"]


def test_who_deployed_is_told_that_another_run_took_it_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where two plays are run at the same time, and the first to verify has a certificate that does not work."""
    host.deploy("web", A)
    (old,) = os.listdir(host.layout.sets(A))
    part = {"owner": "web"}
    assert not host.run("verify", part=part)["failed"]
    renewed = {**entry(leaf(A, "renewed", urls=False), A), "services": [SERVICE]}
    host.run(part=part, certificates=[renewed], loaded=False)
    host.deploy("api", B, loaded=False)
    with monkeypatch.context() as context:
        faults = {SERVICE: f"{SERVICE}: TLS no longer works"}
        context.setattr(confirm, "verify", lambda *_installation: confirm.Verified(faults, [SERVICE], []))
        other = host.run("verify", part={"owner": "api"})
    assert other["failed"] and other["swapped_back"] == [A, B] and sets.current_id(host.layout, A) == old
    for check in (False, True):
        mine = host.run("verify", part=part, check=check)
        assert mine["failed"] is not check and not mine["changed"]
        told = f"{A} was put back by another run at the same time ({SERVICE} did not take over the new certificates); "
        assert mine["msg"] == ("there is nothing to confirm" if check else f"{told}run this again")
    host.run(part=part, certificates=[renewed])
    assert not host.run("verify", part=part)["failed"]


@pytest.mark.parametrize("loop", [False, True], ids=["one task", "a loop"])
def test_check_mode_has_owners_that_exchange_certificates_in_their_order(loop: bool, host: Host) -> None:
    """What the owner that came first gives in this run comes first, also where check mode has not recorded it."""

    def run(check: bool, mine: str, *theirs: str) -> t.List[Result]:
        results = [host.deploy("shop", mine, turn={"place": "p"}, check=check)]
        others: t.Dict[str, t.Any] = {"together": {"shop": {mine: [SERVICE]}}, "came": {"shop": ["p"]}, "place": "q"}
        tasks = [theirs[:1], theirs[1:]] if loop else [theirs]
        for number, names in enumerate(tasks):
            turn = {**others, "turn": number + 1, "is_last": number + 1 == len(tasks)}
            claimed = {name: [SERVICE] for task in tasks[:number] for name in task}
            result = host.deploy("blog", *names, turn={**turn, "claimed": claimed}, check=check)
            assert not result["failed"], result["msg"]
            results.append(result)
        return results

    run(False, A, B, C)
    assert host.listed() == [A, B, C]
    moves = "the default certificate of HAProxy, for clients that send no known name,"
    for mine, theirs in ((B, [A, C]), (A, [B, C])):
        foreseen, done = run(True, mine, *theirs), run(False, mine, *theirs)
        assert host.listed()[0] == mine
        for results in (foreseen, done):
            assert [moves in result["msg"] for result in results] == [True, *[False] * (len(results) - 1)], results
        assert [one["changed"] for one in foreseen] == [one["changed"] for one in done]


def test_what_is_done_at_the_end_of_the_play_is_said_by_the_task_that_gives_it_up(host: Host) -> None:
    """The message of the handler that does it is not displayed, and check mode does not run it."""
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    first, second = {"owner": "web", "place": "task"}, {"owner": "mail", "place": "task"}
    host.run(part=first, certificates=[{**one(A), "services": ["plain"]}])
    host.run(part=second, certificates=[one(A), one(B)])
    default = f"the default certificate of HAProxy, for clients that send no known name, {{}} from {A} to {B}"
    for check, verb in ((True, "would change"), (False, "changes")):
        result = host.run(part=second, certificates=[one(B)], check=check)
        assert f"no longer for {SERVICE} {departure.AT_THE_END}: {A}; {default.format(verb)}" in result["msg"]
        assert result["reload"] == ([SERVICE] if check else [])
    pruned = host.run("pruned", pruned={"mail": ["task"]})
    assert pruned["reload"] == [SERVICE] and default.format("changes") in pruned["msg"]


def test_check_mode_tells_a_reload_for_what_an_earlier_run_had_to_keep(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.deploy("web", A, B)
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": ["/etc/x:1"] if path.endswith(A) else [])
    assert host.deploy("web", B)["dropped"] == []
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [])
    foreseen = host.deploy("web", B, check=True)
    assert foreseen["changed"] and foreseen["dropped"] == [A] and foreseen["reload"] == [SERVICE]
    assert "had not loaded" not in foreseen["msg"], "it has loaded all that there is"


def test_check_mode_foresees_what_moves_to_an_earlier_owner(host: Host) -> None:
    """It is no longer for the servers of the later one, and it is not removed."""
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}

    def deploy(owner: str, service: str, *names: str, check: bool = False, **run: t.Any) -> Result:
        certificates = [{**one(name), "services": [service]} for name in names]
        return host.run(part={"owner": owner, "place": "task", **run}, certificates=certificates, check=check)

    deploy("first", "plain", A)
    deploy("later", SERVICE, B, C)
    run = {"together": {"first": {A: ["plain"], B: ["plain"]}}, "came": {"first": ["task"]}}
    told = []
    for check in (True, False):
        deploy("first", "plain", A, B, check=check)
        second = deploy("later", SERVICE, C, check=check, **run)
        assert (
            f"no longer for {SERVICE} {departure.AT_THE_END}: {B}; the default certificate of HAProxy" in second["msg"]
        )
        told.append([second[key] for key in ("changed", "dropped", "given_up")])
        assert second["reload"] == ([SERVICE] if check else [])
    assert told[0] == told[1] == [True, [], [B]]


@pytest.mark.parametrize("shared", [True, False], ids=["another owner lists it", "no owner lists it"])
def test_the_last_certificate_stays_for_a_server_that_still_reads_its_file(
    shared: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With !include_try, Dovecot would ignore that the file is missing and serve its default certificate."""
    line, file = "/etc/haproxy/haproxy.cfg:7", str(host.home / "etc/snippets/haproxy.list")
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [line] if path == file else [])
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    host.run(part={"owner": "web", "place": "task"}, certificates=[{**one(A), "services": ["plain"]}])
    other = [{**one(B), "services": ["plain"]}]
    host.run(part={"owner": "lb", "place": "task"}, certificates=[one(A if shared else C), *other])
    needed = f"HAProxy would have no certificate left, but still reads its file in {host.layout.root} ({line})"
    for check in (True, False):
        refused = host.run("absent", part={"owner": "lb"}, check=check)
        assert refused["failed"] and needed in refused["msg"] and refused["reload"] == []
    for check in (True, False):
        result = host.run(part={"owner": "lb", "place": "task"}, certificates=other, check=check)
        assert f"{needed}; remove these lines, and run again" in result["warnings"]
    kept = host.run("pruned", pruned={"lb": ["task"]})
    assert not kept["failed"] and needed in kept["warnings"][0] and host.listed() == [A if shared else C]
    forced = host.run("absent", part={"owner": "lb"}, force=True)
    assert not forced["failed"] and host.listed() == [] and needed in forced["warnings"][0]


@pytest.mark.parametrize("shared", [True, False], ids=["lost", "dropped"])
def test_what_stays_for_a_server_is_not_said_to_go(shared: bool, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in check mode, nor at each run from then on; what no server needs goes."""
    line, file = "/etc/haproxy/haproxy.cfg:7", str(host.home / "etc/snippets/haproxy.list")
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [line] if path == file else [])
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    plain = {name: {**one(name), "services": ["plain"]} for name in (A, B, D)}
    host.run(part={"owner": "web", "place": "task"}, certificates=[plain[A]])
    last = A if shared else C
    host.run(part={"owner": "lb", "place": "task"}, certificates=[one(last), plain[B], plain[D]])
    for check in (True, False):
        result = host.run(part={"owner": "lb", "place": "task"}, certificates=[plain[B]], check=check)
        assert result["dropped"] == [D] and result["changed"] and SERVICE not in result["reload"], result
        assert ("kept because it is still used: c.example.com" in result["msg"]) is not shared
        assert f"no longer for {SERVICE}" not in result["msg"]
    pruned = host.run("pruned", pruned={"lb": ["task"]})
    assert pruned["removed"] == [D] and "HAProxy would have no certificate left" in pruned["warnings"][0]
    assert host.listed() == [last] and D not in host.live()
    for check in (True, False):
        idle = host.run(part={"owner": "lb", "place": "task"}, certificates=[plain[B]], check=check)
        assert not idle["changed"] and idle["dropped"] == [] and idle["reload"] == [], idle
        assert any("HAProxy would have no certificate left" in warning for warning in idle["warnings"])
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [])
    result = host.run(part={"owner": "lb", "place": "task"}, certificates=[plain[B]])
    assert result["dropped"] == ([] if shared else [C]) and host.listed() == [last]
    host.run("pruned", pruned={"lb": ["task"]})
    assert host.listed() == []


def test_check_mode_knows_of_new_certificates_of_an_earlier_owner(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server for which one comes in the same play has one left, though it is not live in check mode."""
    file = str(host.home / "etc/snippets/haproxy.list")
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": ["haproxy.cfg:7"] if path == file else [])
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    both = [{**one(A), "services": ["plain"]}]
    for check, mine in ((False, A), (True, C), (False, C)):
        host.run(part={"owner": "first", "place": "task"}, certificates=[one(mine)], check=check)
        together = {"together": {"first": {mine: [SERVICE]}}, "came": {"first": ["task"]}}
        second = host.run(part={"owner": "second", "place": "task", **together}, certificates=both, check=check)
        assert not any("no certificate left" in warning for warning in second["warnings"]), (check, mine, second)


@pytest.mark.parametrize("owner", ["imap", "smtp"], ids=["another owner", "another task"])
@pytest.mark.parametrize("keeps", [True, False])
def test_check_mode_foresees_what_an_earlier_task_gives_up(keeps: bool, owner: str, host: Host) -> None:
    """What is on record stays as it is in check mode. What was given up by now is no longer for its services."""
    host.settings[OTHER_SERVICE] = {**host.settings[SERVICE]}

    def deploy(place: str, service: str, *names: str, check: bool = False) -> Result:
        part: t.Dict[str, t.Any] = {"owner": "smtp", "place": place}
        if place == "second":
            part.update(owner=owner, came={"smtp": ["first"]})
            part.update({"claimed": given} if owner == "smtp" else {"together": {"smtp": given}})
        certificates = [{**one(name), "services": [service]} for name in names]
        return host.run(part=part, certificates=certificates, check=check)

    given = {A: [SERVICE], B: [SERVICE]}
    for _time in range(2):
        deploy("first", SERVICE, A, B)
        deploy("second", OTHER_SERVICE, B, C)
    given = {A: [SERVICE]}
    names = [B, C] if keeps else [C]
    told = []
    for check in (True, False):
        first = deploy("first", SERVICE, A, check=check)
        assert f"no longer for {SERVICE} {departure.AT_THE_END}: {B}" in first["msg"]
        second = deploy("second", OTHER_SERVICE, *names, check=check)
        told.append([second[key] for key in ("changed", "reload", "dropped")])
    # In check mode, reloads at the end of the play are told by the tasks before.
    assert told[0][::2] == told[1][::2] and second["changed"] and second["dropped"] == ([] if keeps else [B])


def test_check_mode_removes_nothing_that_another_owner_took_over(host: Host) -> None:
    host.deploy("later", A, B)
    host.deploy("first", B, check=True)
    foreseen = host.deploy("later", A, turn={"together": {"first": {B: None}}}, check=True)
    assert foreseen["dropped"] == [] and "removed" not in foreseen["msg"]
    assert not any(one["after"] == {"state": "absent"} for one in foreseen["diff"])


def test_tasks_without_an_owner_add_up(host: Host) -> None:
    for name in (B, A):
        host.run(certificates=[one(name)])
    assert host.listed() == [B, A], "the task that came first comes first"
    for name in (A, B):
        assert not host.run(certificates=[one(name)])["changed"]
    foreseen = host.run("absent", certificates=[{"name": A}], check=True)
    gone = host.run("absent", certificates=[{"name": A}])
    assert gone["removed"] == [A] and gone["reload"] == [SERVICE] and host.listed() == [B]
    assert {**foreseen, "msg": gone["msg"]} == gone and foreseen["msg"] == f"{A} would be removed"
    (shown,) = gone["diff"]
    assert (shown["before_header"], shown["after"]) == (host.layout.live(A), {"state": "absent"})
    assert {"cert.pem", "privkey.pem"} < set(shown["before"]["files"]) and "BEGIN" not in json.dumps(gone["diff"])
    for check in (True, False):
        unused = host.run("absent", certificates=[{"name": A}], check=check)
        assert not unused["changed"] and unused["reload"] == [] and not unused.get("diff")
    assert not host.run("absent", certificates=[{"name": A}])["changed"]


def test_the_order_of_a_task_counts(host: Host) -> None:
    host.run(certificates=[one(A), one(B)])
    assert not host.run(certificates=[one(B)])["changed"] and host.listed() == [A, B], "some of them are no other order"
    assert host.run(certificates=[one(B), one(A)])["changed"] and host.listed() == [B, A]


def moved(before: str, after: str, check: bool = False) -> str:
    verb = "would change" if check else "changes"
    return f"the default certificate of HAProxy, for clients that send no known name, {verb} from {before} to {after}"


def defaults_of(result: Result) -> t.List[t.Tuple[str, str]]:
    """What the diff says of default certificates."""
    shown = [one for one in result["diff"] if one["before_header"] == "HAProxy"]
    return [(one["before"]["default certificate"], one["after"]["default certificate"]) for one in shown]


def test_a_later_owner_never_takes_the_default(host: Host) -> None:
    """Whatever the owners and their certificates are called, and in whatever order they run next."""
    host.deploy("zoo", C, B)
    for added in (host.deploy("api", A), host.deploy("bar", B, A), host.run(certificates=[one("0.example.com")])):
        assert added["changed"] and "default" not in added["msg"] and defaults_of(added) == []
    assert host.listed() == [C, B, A, "0.example.com"]
    for owner, names in (("bar", [B, A]), ("api", [A]), ("zoo", [C, B])):
        assert not host.deploy(owner, *names)["changed"]


def test_a_later_owner_never_takes_the_default_from_a_task_without_owner(host: Host) -> None:
    host.run(certificates=[one(C), one(B)])
    assert "default" not in host.deploy("api", A)["msg"] and host.listed() == [C, B, A]
    assert not host.run(certificates=[one(C), one(B)])["changed"]
    reordered = host.run(certificates=[one(B), one(C)])
    assert moved(C, B) in reordered["msg"] and host.listed() == [B, C, A]


def test_the_owners_of_before_keep_their_order(host: Host) -> None:
    host.deploy("web", B, A)
    host.deploy("api", C)
    for path in (host.home / "etc/parts").iterdir():
        values = json.loads(path.read_text())
        del values["came"]
        path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    before = tree(host.home / "etc/parts")
    for owner, names in (("api", [C]), ("web", [B, A])):
        host.deploy(owner, *names)
    assert host.listed() == [B, C, A] and tree(host.home / "etc/parts") == before
    assert not host.deploy("api", C)["changed"] and not host.deploy("web", B, A)["changed"]
    host.deploy("aaa", "0.example.com")
    assert host.listed() == [B, C, A, "0.example.com"]


def test_an_owner_that_comes_back_is_last(host: Host) -> None:
    host.deploy("web", A)
    host.deploy("api", B)
    for check in (True, False):
        gone = host.run("absent", part={"owner": "web"}, check=check)
        assert gone["removed"] == [A] and moved(A, B, check) in gone["msg"] and defaults_of(gone) == [(A, B)]
        assert gone["reload"] == [SERVICE]
    back = host.deploy("web", A)
    assert host.listed() == [B, A] and "default" not in back["msg"]


def test_another_default_is_foreseen_and_told(host: Host) -> None:
    host.deploy("web", A, B)
    host.deploy("api", C)
    for names in ([B, A], [A], [C]):
        before, after = host.listed()[0], names[0]
        for check in (True, False):
            result = host.deploy("web", *names, check=check)
            assert moved(before, after, check) in result["msg"] and defaults_of(result) == [(before, after)]
            assert "had not loaded" not in result["msg"] and "snippets" in result["msg"]
            assert (host.listed()[0] == after) is not check
        again = host.deploy("web", *names)
        assert "default" not in again["msg"] and defaults_of(again) == []
    pruned = host.run("pruned")
    assert pruned["removed"] == [A, B] and "default" not in pruned["msg"], "that was said before"


@pytest.mark.parametrize("what", ["link", "set"])
def test_a_default_that_somebody_moved_away_is_put_back_as_it_was(what: str, host: Host) -> None:
    """Servers still have it, and the snippet names it."""
    host.deploy("web", A, B)
    folder = host.home / ("etc/live" if what == "link" else "etc/sets")
    (folder / A).rename(host.home / "away")
    for check in (True, False):
        result = host.deploy("web", A, B, check=check)
        assert result["changed"] and "default" not in result["msg"] and defaults_of(result) == []
    assert host.listed() == [A, B]


def test_another_key_for_the_same_names_is_no_other_default(host: Host) -> None:
    host.deploy("web", A, B)
    pair = entry(leaf(A, "rsa", kind="rsa2048", urls=False), "a-rsa", names=[A], services=[SERVICE])
    both = host.run(part={"owner": "web"}, certificates=[pair, one(A), one(B)])
    assert host.listed() == ["a-rsa", A, B] and "default" not in both["msg"]


def test_a_server_whose_user_chooses_has_no_default_of_ours(host: Host) -> None:
    host.settings.clear()
    given = [{**one(name), "services": ["nginx", "apache", "dnsdist"]} for name in (A, B)]
    for certificates in (given, given[::-1]):
        assert "default" not in host.run(part={"owner": "web"}, certificates=certificates)["msg"]


def test_a_port_that_any_user_can_take_is_told_of_once(host: Host) -> None:
    host.settings["certops-test-web"] = {"kind": "apache", "unit": "certops-test-web", "test": ["true"]}
    given = [{**one(name), "services": ["certops-test-web", "apache"]} for name in (A, B)]
    part = {"owner": "web"}

    def told(**how: t.Any) -> t.List[str]:
        return [said for said in host.run(part=part, **how)["warnings"] if "can listen on port" in said]

    for check in (True, False):
        (said,) = told(certificates=given, apache_port=1024, check=check)
        assert said == (
            "any user of this host can listen on port 1024 (ocsp_stapling_apache_port) before Apache does, which then "
            "does not start, and ends when it is reloaded; choose a port below 1024"
        )
    assert told(certificates=given, apache_port=1023) == told(certificates=given) == []
    assert told(certificates=[one(A), one(B)], apache_port=3000) == [], "no Apache, no port"


@pytest.mark.parametrize(
    ("sysctl", "advice"),
    [
        ("80\n", "set the sysctl net.ipv4.ip_unprivileged_port_start, which is 80, to more than 488"),
        ("0\n", "set the sysctl net.ipv4.ip_unprivileged_port_start, which is 0, to more than 488"),
        ("489\n", ""),
        ("", ""),
    ],
)
def test_a_host_can_open_lower_ports_to_its_users(
    host: Host, sysctl: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hosts do on which containers are run by users."""
    usual = reading.read_file

    def read_file(path: str, *options: t.Any) -> t.Optional[bytes]:
        return sysctl.encode() if path.endswith("ip_unprivileged_port_start") else usual(path, *options)

    monkeypatch.setattr(reading, "read_file", read_file)
    host.settings["certops-test-web"] = {"kind": "apache", "unit": "certops-test-web", "test": ["true"]}
    said = host.run(certificates=[{**one(A), "services": ["certops-test-web"]}])["warnings"]
    assert [text.split("; ")[-1] for text in said if "can listen on port 488" in text] == [advice] * bool(advice)


@pytest.mark.parametrize("by_role", [True, False])
def test_the_port_of_apache_is_that_of_who_has_certificates_for_it(host: Host, by_role: bool) -> None:
    """Another owner has the default, which it never thought of, and changes nothing of others by it."""
    host.settings["certops-test-web"] = {"kind": "apache", "unit": "certops-test-web", "test": ["true"]}
    program = {"program": {"apache_port": 3000}} if by_role else {}
    web = {"part": {"owner": "web", **program}, "certificates": [{**one(A), "services": ["certops-test-web"]}]}
    host.run(**web, apache_port=3000)
    (shared,) = (path for path in (host.home / "etc/snippets").iterdir() if "apache" in path.name)
    assert b"127.0.0.1:3000" in shared.read_bytes()
    added = host.deploy("mail", B)
    assert b"127.0.0.1:3000" in shared.read_bytes() and added["reload"] == [SERVICE]
    assert not host.run(**web, apache_port=3000)["changed"] and not host.deploy("mail", B)["changed"]
    host.run("absent", part={"owner": "mail"})
    assert b"127.0.0.1:3000" in shared.read_bytes() and not host.run(**web, apache_port=3000)["changed"]
    host.run(**web, apache_port=4000)
    assert b"127.0.0.1:4000" in shared.read_bytes(), "its own it changes"


def test_what_drops_out_is_foreseen_told_and_removed(host: Host) -> None:
    host.deploy("web", A, B)
    foreseen = host.deploy("web", A, check=True)
    unless = "unless it fails or a later task configures it again"
    said = f"removed at the end of the play {unless}: {B} (no longer for {SERVICE})"
    assert foreseen["changed"] and f"would be {said}" in foreseen["msg"] and foreseen["dropped"] == [B]
    assert [one["after"] for one in foreseen["diff"]] == [{"state": "absent"}]
    told = host.deploy("web", A)
    assert said in told["msg"] and told["dropped"] == [B]
    assert host.live() == host.listed() == [A, B], "somebody may still give it"
    again = host.deploy("web", A)
    assert not again["changed"] and again["dropped"] == [B], "until it was removed"
    assert host.run("pruned", check=True)["removed"] == [B] and host.live() == [A, B]
    pruned = host.run("pruned")
    assert pruned["changed"] and pruned["removed"] == [B] and pruned["reload"] == [SERVICE]
    assert host.live() == host.listed() == [A] and not (host.home / "etc/sets" / B).exists()
    assert not host.run("pruned")["changed"] and not host.deploy("web", A)["changed"]


def test_what_another_owner_takes_over_stays_all_the_time(host: Host) -> None:
    host.deploy("web", A, B)
    host.deploy("web", A)
    taken = host.deploy("api", B)
    assert taken["dropped"] == [] and [item["changed"] for item in taken["certificates"]] == [False]
    pruned = host.run("pruned")
    assert pruned["changed"] and pruned["removed"] == [] and host.live() == host.listed() == [A, B]
    assert pruned["msg"] == f"still configured by another role or play: {B}"
    assert not host.run("pruned")["changed"]
    assert not host.deploy("web", A)["changed"] and not host.deploy("api", B)["changed"]


def test_a_loop_of_inclusions_adds_up(host: Host) -> None:
    for _time in range(2):
        host.deploy("web", A)
        result = host.deploy("web", B, turn={"turn": 2}, claimed=[A])
        assert result["dropped"] == [] and host.listed() == [A, B]
    assert not result["changed"]
    assert host.deploy("web", B)["dropped"] == [], "the first task may have been skipped"


def test_runs_that_fail_before_later_inclusions_drop_nothing(host: Host) -> None:
    """However often: nothing tells them from an owner that has fewer inclusions than before."""

    def inclusions(*names: str) -> t.List[Result]:
        return [host.deploy("web", name, turn={"turn": n}, claimed=names[: n - 1]) for n, name in enumerate(names, 1)]

    inclusions(A, B, C)
    assert not any(result["changed"] or result["dropped"] for result in inclusions(A, B, C))
    for _time in range(3):
        (failed,) = inclusions(A)
        assert not failed["changed"] and failed["dropped"] == []
        assert host.run("pruned")["removed"] == [] and host.live() == [A, B, C]
    assert inclusions(A, B, C)[-1]["dropped"] == []
    # As README says.
    gone = host.run("absent", certificates=[{"name": B}, {"name": C}])
    assert gone["removed"] == [B, C] and host.live() == host.listed() == [A]
    assert not inclusions(A)[0]["changed"]


def test_a_task_that_is_skipped_keeps_what_it_deployed(host: Host) -> None:
    """By a tag or a condition, in any order: another one says nothing of that."""
    for _time in range(2):
        host.deploy("web", A, turn={"place": "main.yml: Web"})
        result = host.deploy("web", B, C, turn={"place": "main.yml: Shop"}, claimed=[A])
    assert not result["changed"]
    for _time in range(2):
        alone = host.deploy("web", B, C, turn={"place": "main.yml: Shop"})
        assert not alone["changed"] and alone["dropped"] == []
    assert host.deploy("web", B, turn={"place": "main.yml: Shop"})["dropped"] == [C]
    assert host.run("pruned")["removed"] == [C] and host.live() == [A, B]


def test_what_is_dropped_is_told_once_in_a_run(host: Host) -> None:
    """By the task that drops it, or, if a run before did not come to its end, by the first one."""

    def tasks(*first: str) -> t.List[Result]:
        return [
            host.deploy("web", *first, turn={"place": "first"}),
            host.deploy("web", C, turn={"place": "second"}, claimed=first),
        ]

    tasks(A, B)
    for _time in range(2):
        dropping, other = tasks(A)
        assert dropping["dropped"] == [B] and other["dropped"] == [] and not other["changed"]
        assert B in dropping["msg"] and B not in other["msg"]
    assert host.run("pruned")["removed"] == [B]


def test_tasks_of_one_owner_add_up_for_a_certificate(host: Host) -> None:
    """As those of several owners do; none of them undoes what another one gave."""
    other = "certops-test-edge"
    host.settings[other] = {"kind": "haproxy", "unit": other, "test": ["true"]}
    both = [SERVICE], [other]

    def tasks(*services: t.Sequence[str]) -> t.List[Result]:
        return [
            host.run(
                part={"owner": "web", "place": f"task {number}", "claimed": {A: None} if number else {}},
                certificates=[{**one(A), "services": given}],
            )
            for number, given in enumerate(services)
        ]

    tasks(*both)
    for result in tasks(*both):
        assert not result["changed"] and result["certificates"][0]["name"] == A
    (folder,) = (host.layout.live(name) for name in host.live())
    assert sets.described(folder).services == (SERVICE, other)


def test_tasks_of_one_owner_do_not_contradict_one_another(host: Host) -> None:
    host.deploy("web", A, turn={"place": "first"})
    refused = host.run(
        part={"owner": "web", "place": "second", "claimed": {A: None}}, certificates=[{**one(A), "staple": False}]
    )
    said = f"{A}: 'web' gives a different staple in the task 'second' than in 'first'; make both the same"
    assert refused["failed"] and said in refused["msg"]


def test_a_loop_that_failed_loses_nothing_to_another_task(host: Host) -> None:
    """Whatever place in it a certificate has now: the turn that gives it may not have come."""
    loop = {"place": "main.yml (loop)"}
    host.deploy("web", A, turn={**loop, "is_last": True})
    host.deploy("web", B, turn={"place": "main.yml: Other"}, claimed=[A])
    failed = host.deploy("web", C, turn={**loop, "is_open": True})
    assert failed["dropped"] == []
    other = host.deploy("web", B, turn={"place": "main.yml: Other"})
    assert other["dropped"] == [] and not other["changed"]
    assert not host.run("pruned", pruned={"web": ["main.yml: Other"]})["changed"] and host.live() == [A, B, C]
    done = host.deploy("web", D, turn={**loop, "turn": 2, "is_last": True}, claimed=[C])
    assert done["dropped"] == [A]
    assert host.run("pruned", pruned={"web": ["main.yml: Other"]})["removed"] == []
    assert host.run("pruned", pruned={"web": ["main.yml (loop)"]})["removed"] == [A]


def test_only_owners_that_ran_to_their_end_lose_what_they_no_longer_configure(host: Host) -> None:
    """A run that failed before a later inclusion may have been about to give it there."""
    host.deploy("web", A, B, C)
    host.deploy("mail", C, D)
    assert host.deploy("web", A)["dropped"] == [B], "and C, which mail gives"
    after = host.deploy("mail", D)
    assert after["dropped"] == [] and after["given_up"] == [C] and "removed" not in after["msg"]
    gone = host.run("pruned", pruned={"mail": [""]})
    assert gone["removed"] == [] and host.live() == [A, B, C, D]
    assert gone["msg"] == f"left to the next run of another task that had it: {C}"
    again = host.deploy("mail", D)
    assert not again["changed"] and again["dropped"] == []
    assert host.run("pruned", pruned={"mail": [""]})["msg"] == "there was nothing to remove"
    assert host.deploy("web", A)["dropped"] == [B, C]
    assert host.run("pruned", pruned={"web": [""], "api": ["x"]})["removed"] == [B, C] and host.live() == [A, D]
    assert not host.run("pruned")["changed"]


def test_a_loop_of_which_the_end_is_known_drops_what_it_lost_at_once(host: Host) -> None:
    """But nothing of an inclusion that comes later, or that was left out this time."""

    def turns(*names: str, check: bool = False) -> t.List[Result]:
        """A loop of all but the last name, and an inclusion of its own for that one."""
        found = []
        for number, name in enumerate(names, 1):
            part = {"owner": "web", "place": "main.yml", "turn": 1, "claimed": dict.fromkeys(names[: number - 1])}
            if number < len(names):
                part.update(place="main.yml (loop)", turn=number, is_last=number == len(names) - 1)
            found.append(host.run(part=part, certificates=[one(name)], check=check))
        return found

    for _time in range(2):
        done = turns(A, B, C, D)
    assert not any(result["changed"] or result["dropped"] for result in done)
    (foreseen, _last) = turns(A, D, check=True)
    assert foreseen["dropped"] == [B, C] and foreseen["changed"]
    (shorter, _last) = turns(A, D)
    said = (
        f"no longer configured, removed at the end of the play unless it fails or a later task configures it again: {B}"
    )
    assert shorter["dropped"] == [B, C] and said in shorter["msg"]
    assert host.run("pruned")["removed"] == [B, C] and host.live() == [A, D]
    assert not any(result["changed"] or result["dropped"] for result in turns(A, D)), "what comes after the loop stays"
    part = {"owner": "web", "place": "other.yml (loop)", "is_last": True}
    assert host.run(part=part, certificates=[one(A)])["dropped"] == [], "another loop says nothing of it"


def test_who_still_gives_what_an_owner_dropped_is_told(host: Host) -> None:
    """A play that was renamed, for example, has an owner of its former name."""
    host.deploy("former name", A, B)
    host.deploy("new name", A, B)
    told = host.deploy("new name", A)
    assert told["dropped"] == [] and told["warnings"] == []
    assert f"no longer configured by 'new name', but still by 'former name': {B}" in told["msg"]
    (warning,) = host.run("pruned", pruned={"new name": [""]})["warnings"]
    assert warning.startswith(
        f"{B}: 'new name' no longer lists it, but 'former name' still does; if that role or play "
    )
    assert warning.endswith("set ocsp_stapling_state: absent and ocsp_stapling_owner: 'former name'")
    again = host.deploy("new name", A)
    assert "no longer" not in again["msg"] and host.run("pruned")["warnings"] == [], "once"
    assert host.run("absent", part={"owner": "former name"})["removed"] == [B]


def test_what_two_roles_of_a_play_no_longer_list_is_no_cause_for_a_warning(host: Host) -> None:
    """When the first of them comes, the second one still has it."""
    for owner in ("web", "mail"):
        host.deploy(owner, A, B)
    told = [host.deploy(owner, A) for owner in ("web", "mail")]
    pruned = host.run("pruned", pruned={"web": [""], "mail": [""]})
    assert not any(one["warnings"] for one in (*told, pruned)) and pruned["removed"] == [B]


def test_nothing_drops_out_after_a_failure(host: Host) -> None:
    host.deploy("web", A, B)
    assert host.deploy("web", B, turn={"is_known": False})["dropped"] == [] and host.live() == [A, B]


def test_what_a_configuration_leads_to_stays_and_the_line_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy("web", A, B)
    place = "/etc/haproxy/haproxy.cfg:12"
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [place] if path.endswith(B) else [])
    for changed in (True, False):
        kept = host.deploy("web", A)
        assert kept["changed"] is changed and kept["dropped"] == []
        used = f"{B} is no longer configured, but is kept because it is still used by {place}"
        assert kept["warnings"] == [f"{used}; remove it there and run again"]
        assert f"; no longer configured, but kept because it is still used: {B}" in kept["msg"]
    assert not host.run("pruned")["changed"] and host.live() == [A, B]
    forced = host.deploy("web", A, force=True)
    assert forced["dropped"] == [B]
    assert forced["warnings"][0] == (
        f"force removes files that are still needed: {B} is still used by {place}; the server may fail to reload or "
        "start until you remove it there"
    )
    assert host.run("pruned", force=True)["removed"] == [B] and host.live() == [A]


def test_what_a_server_does_not_start_without_stays(host: Host) -> None:
    """HAProxy with its last certificate, for example."""
    host.deploy("web", A)
    host.deploy("api", B)
    needed = host.home / "etc/live" / A
    host.settings[SERVICE]["test"] = ["test", "-e", str(needed)]
    host.deploy("web", C)
    before = tree(host.home)
    refused = host.run("pruned")
    assert not refused["failed"] and not refused["changed"] and refused["warnings"] == [refused["msg"]]
    assert refused["msg"].startswith(f"{A} was not removed, because a server still needs it: the configuration of ")
    assert refused["msg"].endswith("; take it out of its configuration and run again")
    after = tree(host.home)
    assert {path: content for path, content in after.items() if "pending" not in path and ".lock" not in path} == {
        path: content for path, content in before.items() if "pending" not in path and ".lock" not in path
    }
    assert host.run("pruned", force=True)["removed"] == [A]


def test_the_same_certificate_of_two_owners(host: Host) -> None:
    other = f"{SERVICE}-2"
    host.settings[other] = {"unit": other}
    host.deploy("web", A)
    mine = {**one(A), "services": [other]}
    part = {"owner": "mail"}
    both = host.run(part=part, certificates=[mine])
    assert both["certificates"][0]["services"] == [other, SERVICE] and host.listed() == [A]
    for _time in range(2):
        assert not host.deploy("web", A)["changed"]
        assert not host.run(part=part, certificates=[mine])["changed"]
    different = host.run(part=part, certificates=[{**mine, "mode": "0600"}, one(B)])
    assert different["changed"], "the other owner may follow"
    assert not host.run(part=part, certificates=[{**mine, "mode": "0600"}, one(B)])["changed"], "it need not wait"
    outdated = host.deploy("web", A)
    called = "a different key_owner, key_group or key_mode"
    assert not outdated["failed"] and not outdated["changed"]
    assert outdated["warnings"] == [
        f"{A}: 'web' still gives {called} than 'mail', which has changed it since; it stays as 'mail' gave it"
    ]
    refused = host.run(part={"owner": "web", "together": {"mail": {A: None, B: None}}}, certificates=[one(A)])
    assert refused["failed"] and refused["msg"] == (
        f"nothing was changed: {A}: 'web' gives {called} than 'mail'; make both the same, or let only one of them "
        "set it"
    )
    foreseen = host.run("absent", part={"owner": "web"}, check=True)
    gone = host.run("absent", part={"owner": "web"})
    assert gone["changed"] and gone["removed"] == []
    kept = f"{A} is kept for 'mail'; no longer for {SERVICE}: {A}; the default"
    assert gone["msg"].startswith(f"the configuration of 'web' was removed; {kept}")
    assert foreseen["msg"].startswith(f"the configuration of 'web' would be removed; {kept}")
    for result in (foreseen, gone):
        shown = result["diff"][-1]
        assert shown["before_header"] == str(host.home / "etc/parts/web.json")
        assert (shown["before"]["certificates"], shown["after"]) == ([A], {"state": "absent"})
    assert host.live() == [A, B] and host.listed() == [B], "only the service of the other owner is left"
    assert not host.run(part=part, certificates=[{**mine, "mode": "0600"}, one(B)])["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_notes_for_comparisons_are_no_change(host: Host, check: bool) -> None:
    """They are written all the same: after a renewal of another owner, and where an earlier release wrote less."""
    renewed = entry(leaf(A, "renewed", urls=False), A, services=[SERVICE])
    program: t.Dict[str, t.Any] = {"timer": "daily", "workers": 4}
    files = {name: host.home / f"etc/parts/{name}.json" for name in ("one", "two")}

    def run(owner: str, *certificates: t.Dict[str, t.Any], **how: t.Any) -> Result:
        return host.run(part={"owner": owner, "program": program}, certificates=certificates, **how)

    for owner in files:
        run(owner, one(A), one(B))
    assert run("two", renewed, one(B))["changed"]

    def is_quiet(owner: str) -> None:
        before = files[owner].read_text()
        if check:
            foreseen = run(owner, renewed, one(B), check=True)
            assert not foreseen["changed"] and foreseen["diff"] == [] and files[owner].read_text() == before
            assert foreseen["msg"] == "2 certificates: up to date"
        done = run(owner, renewed, one(B))
        assert not done["changed"] and done["diff"] == [] and done["msg"] == "2 certificates: up to date"
        assert files[owner].read_text() != before, "it is noted"
        after = files[owner].read_text()
        assert not run(owner, renewed, one(B))["changed"] and files[owner].read_text() == after

    is_quiet("one")
    for forgotten in ("program", "came"):
        values = json.loads(files["one"].read_text())
        del values[forgotten]
        files["one"].write_text(json.dumps(values))
        is_quiet("one")
    program["new"] = 1
    is_quiet("one")
    program["timer"] = "weekly"
    said = run("one", renewed, one(B))
    assert said["changed"] and said["msg"].endswith("the configuration of 'one' was updated (ocsp_stapling_timer)")
    assert [shown["after"]["updated"] for shown in said["diff"]] == [["ocsp_stapling_timer"]]


@pytest.mark.parametrize("kind", ["haproxy", None], ids=["with a snippet", "of an unknown kind"])
@pytest.mark.parametrize("more", [True, False], ids=["gets one", "loses one"])
@pytest.mark.parametrize("shared", [True, False], ids=["of another owner", "of its own"])
def test_check_mode_announces_only_reloads_that_come(
    kind: t.Optional[str], more: bool, shared: bool, host: Host
) -> None:
    """A service that gets or loses a certificate which others keep loads other files only where its snippet changes."""
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    host.settings["gateway"] = {"unit": "gateway", "test": ["true"], "reload": ["true"], "kind": kind}
    few, many = [A], [A, B]

    def deploy(names: t.Sequence[str], check: bool = False) -> t.List[str]:
        of_others = {**one(B), "services": ["plain"]}
        mine = [{**one(name), "services": ["gateway"]} for name in names]
        told: t.List[str] = []
        turn: t.Dict[str, t.Any] = {"owner": "second", "place": "task"}
        if shared:
            told += host.run(part={"owner": "first", "place": "task"}, certificates=[of_others], check=check)["reload"]
            turn.update(together={"first": {B: ["plain"]}}, came={"first": ["task"]})
        else:
            both = ["plain", "gateway"] if B in names else ["plain"]
            mine = [each for each in mine if each["name"] != B] + [{**of_others, "services": both}]
        told += host.run(part=turn, certificates=mine, check=check)["reload"]
        if not check:
            told += host.run("pruned", pruned={"first": ["task"], "second": ["task"]})["reload"]
        return sorted(set(told))

    deploy(few if more else many)
    assert deploy(many if more else few, check=True) == deploy(many if more else few)


def test_what_two_owners_renew_is_foreseen_once(host: Host) -> None:
    """As in the run, where the second one finds it done. That the second one adds a service is foreseen, too."""
    host.settings["plain"] = {"unit": "plain", "test": ["true"]}
    for owner in ("web", "mail"):
        host.deploy(owner, A)
    renewed = entry(leaf(A, "renewed", urls=False), A, services=[SERVICE])
    added = {**renewed, "services": [SERVICE, "plain"]}
    earlier: t.Dict[str, t.Any] = {"together": {"web": {A: [SERVICE]}}, "came": {"web": [""]}}
    for check in (True, False):
        first = host.run(part={"owner": "web"}, certificates=[renewed], check=check)
        assert first["changed"] and first["reload"] == [SERVICE]
        second = host.run(part={"owner": "mail", **earlier}, certificates=[renewed], check=check)
        assert not second["changed"] and second["reload"] == second["diff"] == [], second
        assert second["msg"] == "1 certificate: up to date"
        if check:
            foreseen = host.run(part={"owner": "mail", **earlier}, certificates=[added], check=True)
            assert foreseen["changed"] and foreseen["reload"] == []


def test_a_service_that_nobody_knows_is_named_as_the_role_has_it(host: Host) -> None:
    refused = host.run(part={"owner": "web"}, certificates=[{**one(A), "services": ["ngnix"]}])
    assert refused["failed"] and refused["msg"] == (
        f"nothing was changed: {A}: reload: ngnix is not a known service; did you mean nginx? For another service set "
        "its unit or reload command in ocsp_stapling_services"
    )
    twice = host.run(part={"owner": "web"}, certificates=[one(A), one(A, mode="0600")])
    assert twice["msg"].endswith("with different files or values of key_owner, key_group or key_mode")


def test_a_new_owner_that_contradicts_changes_nothing(host: Host) -> None:
    host.deploy("web", A)
    before = tree(host.home / "etc")
    renewed = entry(leaf(A, "renewed", urls=False), A, services=[SERVICE])
    refused = host.run(part={"owner": "api"}, certificates=[renewed, one(B)])
    assert refused["failed"] and "'api' gives a different certificate than 'web'" in refused["msg"]
    assert tree(host.home / "etc") == before


def test_an_owner_is_removed_with_what_is_its_own(host: Host) -> None:
    host.deploy("web", A, B)
    host.deploy("api", B, C)
    gone = host.run("absent", part={"owner": "web"})
    assert gone["changed"] and gone["removed"] == [A] and gone["remaining"] == ["api"] and gone["reload"] == [SERVICE]
    assert gone["msg"].startswith(f"{A} was removed; {B} is kept for 'api'; the default certificate")
    assert host.live() == host.listed() == [B, C]
    mistyped = host.run("absent", part={"owner": "apii"})
    assert not mistyped["changed"] and mistyped["msg"] == (
        "'apii' has no certificates on this host, so none are removed; those on it belong to 'api'; did you mean "
        "ocsp_stapling_owner: 'api'?"
    )
    assert not host.deploy("api", B, C)["changed"]
    last = host.run("absent", part={"owner": "api"})
    assert last["remaining"] == [] and host.live() == [B, C], "all is then taken away, by the task that does that"
    shown = [host.run("absent", check=check) for check in (True, False)]
    assert shown[1]["removed"] == [B, C] and host.live() == []
    assert shown[0]["diff"] == shown[1]["diff"] and len(shown[1]["diff"]) == 2
    assert not (host.home / "etc/parts").exists()


def test_what_was_deployed_without_an_owner_stays(host: Host) -> None:
    """The program stays for it, which withdraws its staple in time."""
    host.run(certificates=[one(B)])
    host.deploy("web", A)
    kept = f"deployed without the role, and therefore kept: {B} (ocsp_stapling_owner: all removes everything)"
    for check in (True, False):
        gone = host.run("absent", part={"owner": "web"}, check=check)
        assert gone["removed"] == [A] and kept in gone["msg"]
        assert gone["remaining"] == ["certificate_set without the role"]
    nothing = host.run("absent", part={"owner": "web"})
    assert nothing["msg"] == f"'web' has no certificates on this host; {kept}" and host.live() == [B]
    assert nothing["remaining"] == gone["remaining"]


@pytest.mark.parametrize("check", [True, False])
def test_who_has_nothing_removes_nothing_of_others(host: Host, check: bool) -> None:
    """A play that removed its own part and is run again, for example."""
    assert host.run("absent", part={"owner": "site.yml"}, check=check)["remaining"] == []
    host.deploy("site.yml", A)
    host.deploy("Shop (all.yml)", B)
    assert host.run("absent", part={"owner": "site.yml"})["removed"] == [A]
    none = "'site.yml' has no certificates on this host, so none are removed; those on it belong to"
    again = host.run("absent", part={"owner": "site.yml"}, check=check)
    assert not again["changed"] and not again["failed"] and again["remaining"] == ["Shop (all.yml)"]
    assert again["msg"] == (
        f"{none} 'Shop (all.yml)'; to remove them, set ocsp_stapling_owner: 'Shop (all.yml)', or ocsp_stapling_owner: "
        "all to remove everything"
    )
    host.deploy("api", C)
    several = host.run("absent", part={"owner": "site.yml"}, check=check)
    assert not several["changed"] and several["msg"] == (
        f"{none} 'Shop (all.yml)' and 'api'; to remove them, set ocsp_stapling_owner to one of these, or "
        "ocsp_stapling_owner: all to remove everything"
    )
    assert host.live() == [B, C]


@pytest.mark.parametrize(
    ("owner", "known", "is_meant"),
    [
        ("sit", "site", True),
        ("stie", "site", True),
        ("Site", "site", True),
        ("Deploy certficates (site.yml)", "Deploy certificates (site.yml)", True),
        ("Remove mine (j11mine.yml)", "Second owner (j11b.yml)", False),
        ("Deploy web (site.yml)", "Deploy mail (site.yml)", False),
        ("web1", "web2", False),
        ("web", "web2", False),
    ],
)
def test_only_a_slip_of_the_pen_is_suggested_for_removal(host: Host, owner: str, known: str, is_meant: bool) -> None:
    """Whoever follows a suggestion removes what another has."""
    host.deploy(known, A)
    msg = host.run("absent", part={"owner": owner}, check=True)["msg"]
    assert (f"did you mean ocsp_stapling_owner: '{known}'?" in msg) is is_meant
    assert ("to remove them, set ocsp_stapling_owner" in msg) is not is_meant


def test_a_used_certificate_is_not_removed_with_its_owner(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy("web", A)
    host.deploy("api", B)
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": [f"/etc/nginx/{Path(path).name}:1"])
    refused = host.run("absent", part={"owner": "web"})
    assert refused["failed"] and refused["msg"] == (
        f"nothing was removed, because {A} is still used by /etc/nginx/{A}:1; remove this line, reload the server and "
        "run again"
    )
    assert refused["remaining"] == ["api", "web"]
    warned = (
        f"force removes files that are still needed: {A} is still used by /etc/nginx/{A}:1; the server may fail to "
        "reload or start until you remove this line"
    )
    for check in (True, False):
        forced = host.run("absent", part={"owner": "web"}, force=True, check=check)
        assert forced["removed"] == [A] and forced["warnings"] == [warned]
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": ["/etc/nginx/x:1", "/etc/nginx/x:2"])
    warned = warned.replace(f"{A} is", f"what is in {host.layout.root} is").replace(f"/etc/nginx/{A}:1", "{}")
    warned = warned.format("/etc/nginx/x:1 and /etc/nginx/x:2").replace("this line", "these lines")
    for check in (True, False):
        forced = host.run("absent", force=True, check=check)
        assert forced["removed"] == [B] and forced["warnings"] == [warned]


@pytest.mark.parametrize("check", [True, False])
def test_a_line_that_names_what_is_gone_keeps_nothing_from_being_removed(
    host: Host, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    """After a removal by force, for example."""
    host.deploy("web", A)
    host.run("absent", force=True)
    monkeypatch.setattr(removal, "references", lambda path, parent="/etc": ["/etc/nginx/x:1"])
    until = "the server may fail to reload or start until you remove this line"
    left = host.run("absent", check=check)
    assert (
        not left["failed"]
        and left["msg"] == "there was nothing to remove"
        and left["warnings"]
        == [f"no certificates are left in {host.layout.root}, but it is still named in /etc/nginx/x:1; {until}"]
    )
    one_of_them = host.run("absent", certificates=[{"name": A}], check=check)
    assert not one_of_them["failed"] and one_of_them["warnings"] == [
        f"{A} is not deployed on this host, but still named in /etc/nginx/x:1; {until}"
    ]


def test_what_was_there_before_owners_is_claimed_bit_by_bit(host: Host) -> None:
    host.run(certificates=[one(A), one(B), one(C)])
    config = host.home / "etc/config.json"
    known = [{"name": name, "services": [SERVICE], "timeout": 5.0} for name in (A, B, C)]
    config.write_text(json.dumps({"version": 1, "defaults": {"retries": 1}, "certificates": known}))
    assert host.deploy("web", A)["dropped"] == []
    config.write_text('{"version": 1}')  # as the role does next
    former = json.loads((host.home / "etc/parts/former.json").read_text())
    assert [one["name"] for one in former["certificates"]] == [B, C] and former["defaults"] == {"retries": 1}
    assert former["certificates"][0]["timeout"] == 5.0
    assert host.deploy("api", B)["dropped"] == [] and not host.run("pruned")["changed"]
    assert host.live() == sorted(host.listed()) == [A, B, C]
    gone = host.run("absent", part={"owner": "former"})
    assert gone["removed"] == [C] and gone["remaining"] == ["api", "web"]


def test_a_key_of_another_kind_for_the_same_name_is_refused(host: Host) -> None:
    """nginx has one staple for a name, also where two owners serve it."""
    settings = {"certops-test-web": {"kind": "nginx", "unit": "certops-test-web", "test": ["true"]}}
    host.settings.update(settings)
    rsa = entry(leaf(A, "rsa", kind="rsa2048"), "a-rsa", names=[A], services=["certops-test-web"])
    ecdsa = entry(leaf(A, "ec"), "a-ec", names=[A], services=["certops-test-web"])
    assert not host.run(part={"owner": "web"}, certificates=[rsa])["failed"]
    refused = host.run(part={"owner": "api"}, certificates=[ecdsa])
    assert (
        refused["failed"] and "a-ec: a-rsa, which is live on this host, is for a.example.com on nginx" in refused["msg"]
    )


def test_a_damaged_part_is_named_and_nothing_changes(host: Host) -> None:
    host.deploy("web", A)
    path = host.home / "etc/parts/web.json"
    path.write_text("{")
    for given in ({"part": {"owner": "api"}, "certificates": [one(B)]}, {"certificates": [one(B)]}):
        refused = host.run(**given)
        assert refused["failed"] and refused["msg"] == (
            f"{path} is damaged; remove it, and run the role or play that owns it again"
        )
    assert host.live() == [A]
    assert host.deploy("web", A)["changed"] and not host.deploy("web", A)["changed"], "its owner writes it anew"


def test_who_has_no_name_is_refused(host: Host) -> None:
    refused = host.run(part={"owner": "x" * 101}, certificates=[one(A)])
    assert refused["failed"] and refused["msg"].startswith("ocsp_stapling_owner: ")
    assert host.live() == []


def test_what_is_going_to_be_removed_is_shown_once(host: Host) -> None:
    host.deploy("web", A, B)
    foreseen, told, gone = host.deploy("web", A, check=True), host.deploy("web", A), host.run("pruned")
    assert [one["after"] for one in foreseen["diff"]] == [{"state": "absent"}], "no task removes it in check mode"
    assert told["dropped"] == [B] and told["diff"] == []
    assert [one["after"] for one in gone["diff"]] == [{"state": "absent"}] and gone["removed"] == [B]


def test_what_was_never_deployed_is_not_said_to_be_removed(host: Host) -> None:
    demanding = entry(leaf(B, urls=True, demands=True), B, services=[SERVICE])
    held = host.run(part={"owner": "web"}, certificates=[one(A), one(C), demanding], fail_on_held_back=False)
    assert held["held_back"] == [B] and host.live() == [A, C]
    never = f"no longer configured, and never deployed: {B}"
    for check in (True, False):
        dropped = host.deploy("web", A, check=check)
        assert dropped["dropped"] == [B, C] and f": {C} (no longer for {SERVICE}); {never}; " in dropped["msg"]
    for check in (True, False):
        gone = host.run("pruned", check=check)
        assert gone["changed"] and gone["removed"] == [C]
        assert gone["msg"] == f"{C} {'would be' if check else 'was'} removed; {never}"
    assert host.run("pruned")["msg"] == "there was nothing to remove"


@pytest.mark.parametrize("check", [True, False])
def test_what_is_held_back_is_told_once(host: Host, check: bool) -> None:
    """By the message of a task that fails, or else by its warning."""
    demanding = entry(leaf(B, urls=True, demands=True), B, services=[SERVICE])
    given: t.Dict[str, t.Any] = {"certificates": [one(A), demanding], "check": check}
    failed = host.run(**given)
    assert failed["failed"] and f"held back: {B}: it must not be used without" in failed["msg"]
    assert [said for said in failed["warnings"] if B in said] == []
    passed = host.run(**given, fail_on_held_back=False)
    (said,) = [said for said in passed["warnings"] if B in said]
    verb = "would not be" if check else "was not"
    assert said.startswith(f"{B} {verb} deployed: it must not be used without a staple: ")
    assert passed["msg"].startswith(f"held back: {B}") and "without a staple" not in passed["msg"]


def test_a_certificate_with_a_fault_of_its_own_is_not_compared(host: Host) -> None:
    """What else is different about it comes of that fault, or can be told when that is mended."""
    for owner in ("web", "shop"):
        host.deploy(owner, A)
    broken = one(A, chain_content=OTHER.pem.decode())
    refused = host.run(part={"owner": "mail"}, certificates=[broken, one(B)])
    (finding,) = refused["findings"]
    assert finding["name"] == A and "does not contain the issuer of" in finding["message"]
    other = host.run(part={"owner": "mail"}, certificates=[one(A, mode="0440")])
    assert [finding["message"].count("gives a different") for finding in other["findings"]] == [1, 1]


def test_owners_that_set_the_program_differently_are_named(host: Host) -> None:
    """They are not refused: the inventory may have been changed since the other one ran."""

    def run(owner: str, name: str, timer: str) -> Result:
        part = {"owner": owner, "program": {"timer": timer, "workers": 4}}
        return host.run(part=part, certificates=[one(name)])

    run("web", A, "daily")
    (warning,) = run("mail", B, "hourly")["warnings"]
    assert "it is 'hourly' for 'mail' and 'daily' for 'web' in its last run; " in warning and host.live() == [A, B]
    assert run("mail", B, "daily")["warnings"] == []
    changed = run("web", A, "weekly")
    (warning,) = changed["warnings"]
    assert "'daily' for 'mail' in its last run; set it once, in the inventory, and run them again; " in warning
    assert changed["changed"] and changed["msg"].endswith(
        "the configuration of 'web' was updated (ocsp_stapling_timer)"
    )
    for _times in range(2):
        for owner, name, timer in (("mail", B, "daily"), ("web", A, "weekly")):
            (warning,) = run(owner, name, timer)["warnings"]
            assert (
                f"it is '{timer}' for '{owner}' and " in warning and "each of them changes it when it runs" in warning
            )
    assert run("mail", B, "weekly")["warnings"] == run("web", A, "weekly")["warnings"] == []
    asking = {"owner": "mail", "program": {"timer": "daily"}, "question": True}
    assert host.run(part=asking, certificates=[one(B)], check=True)["warnings"] == [], "the task that deploys warns"
