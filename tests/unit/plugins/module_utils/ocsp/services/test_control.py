# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services: tested before they are reloaded, never started, and each in the way of its host."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.servers.server import Server
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services import control
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.services.control import Result, Service, configured
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT

Answer = t.Tuple[int, str, str]


class Host:
    """Answers commands by their beginning, and notes them, except looks at what was reloaded."""

    def __init__(self, answers: t.Optional[t.Mapping[str, Answer]] = None) -> None:
        self.answers = answers or {}
        self.commands: t.List[str] = []

    def run(self, command: t.Sequence[str], input: t.Optional[str] = None, timeout: float = 60.0) -> Answer:  # noqa: A002
        words = [os.path.basename(command[0]), *command[1:]]
        if any("ActiveEnterTimestamp" in word for word in words):
            return 0, "", ""
        self.commands.append(" ".join(words))
        for beginning, answer in self.answers.items():
            if self.commands[-1].startswith(beginning):
                return answer
        return 0, "", ""


@pytest.fixture(autouse=True)
def no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on watching what was reloaded."""
    monkeypatch.setattr(control, "_MOMENT", 0.0)


@pytest.fixture(params=["systemd", "init scripts", "PID files"])
def manager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of host."""
    kind = str(request.param)
    monkeypatch.setattr(control, "has_systemd", lambda: kind == "systemd")
    real = os.path.exists
    monkeypatch.setattr(
        os.path, "exists", lambda path: kind == "init scripts" if "/etc/init.d/" in str(path) else real(path)
    )
    return kind


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: True)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], str]:
    """Makes programs that services look for."""
    monkeypatch.setattr(control, "_FOLDERS", (str(tmp_path / "nowhere"), str(tmp_path)))

    def make(name: str) -> str:
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_known_name_is_its_own_kind() -> None:
    assert configured("nginx").kind == "nginx"
    assert configured("edge", "haproxy").kind == "haproxy"
    # A unit's name is what an administrator has in mind: it must not lose what is known of the server.
    assert configured("exim4").kind == configured("exim4.service").kind == "exim"
    assert configured("apache2").kind == configured("httpd").kind == "apache"
    assert configured("edge").kind is None
    assert configured("nginx", unit="nginx-edge").units == ("nginx-edge",)
    assert configured("edge").units == ("edge",)
    with pytest.raises(InputError) as caught:
        configured("edge", "iis")
    assert caught.value.message == f"kind: 'iis' is not one of {', '.join(control.SERVERS)}"


def test_a_service_that_nobody_has_heard_of_is_not_known(manager: str) -> None:
    host = Host({"systemctl show --property=LoadState --value ngnix.service": (0, "not-found\n", "")})
    assert control.is_known(configured("ngnix"), host.run) is (manager == "init scripts")
    there = Host({"systemctl show": (0, "masked\n", "")})
    assert control.is_known(configured("mine"), there.run) is (manager != "PID files")
    for described in (configured("nginx"), configured("x", unit="mine"), configured("x", reload=("true",))):
        assert control.is_known(described, host.run)


@pytest.mark.usefixtures("program")
def test_a_server_that_is_not_installed_is_named(manager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control._PidFile, "main_pid", lambda self: None)
    host = Host({"systemctl show --property=LoadState": (0, "not-found\nnot-found\n", "")})
    what = {"systemd": "unit apache2.service", "PID files": "init script apache2"}.get(manager)
    said = f"apache2 is not installed on this host (no {what}); its reload is left out" if what else ""
    assert control.absence(configured("apache2"), host.run) == said
    if what:
        assert f"no {what} or " in control.absence(configured("apache"), host.run), "on whichever distribution"
    for described in (configured("x", unit="mine"), configured("apache2", unit="web"), configured("x", reload=("a",))):
        assert control.absence(described, host.run) == ""


@pytest.mark.usefixtures("manager")
def test_a_server_that_is_there_is_not_missed(
    program: t.Callable[[str], str], manager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped or masked, built from source, or started by hand."""
    masked = Host({"systemctl show --property=LoadState": (0, "masked\n", "")})
    assert (control.absence(configured("hitch"), masked.run) == "") is (manager != "PID files")
    missing = Host({"systemctl show --property=LoadState": (0, "not-found\n", "")})
    monkeypatch.setattr(control._PidFile, "main_pid", lambda self: 1)
    assert control.absence(configured("nginx"), missing.run) == ""
    monkeypatch.setattr(control._PidFile, "main_pid", lambda self: None)
    program("nginx")
    assert control.absence(configured("nginx"), missing.run) == ""


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating", "maintenance", "unknown"])
def test_what_does_not_run_is_left_alone(state: str) -> None:
    host = Host({"systemctl is-active": (3, f"{state}\n", "")})
    assert control.reload(configured("nginx"), host.run) == Result(False, False)
    assert host.commands == ["systemctl is-active nginx.service"]


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Host]:
    """A host with a unit that is in each of these states for a second, and in the last one for ever."""
    now = [0.0]
    monkeypatch.setattr(control.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(control.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    class Changing(Host):
        def run(self, command: t.Sequence[str], **options: t.Any) -> Answer:
            code, output, errors = super().run(command, **options)
            if "is-active" in command:
                output = f"{states[min(int(now[0]), len(states) - 1)]}\n"
            return code, output, errors

    states: t.List[str] = []

    def make(*given: str, sub_state: str = "start") -> Host:
        states.extend(given)
        return Changing({"systemctl show --property=SubState": (0, f"{sub_state}\n", "")})

    return make


@pytest.mark.usefixtures("systemd", "program")
def test_a_server_that_starts_may_have_read_old_files(starting: t.Callable[..., Host]) -> None:
    """systemd swallows a reload during a start, without a word."""
    host = starting("activating", "activating", "active")
    assert control.reload(configured("nginx"), host.run) == Result(True, True)
    assert host.commands[-2:] == ["systemctl is-active nginx.service", "systemctl try-reload-or-restart nginx.service"]


@pytest.mark.usefixtures("systemd", "program")
def test_a_start_that_failed_has_nothing_reloaded(starting: t.Callable[..., Host]) -> None:
    host = starting("activating", "failed")
    assert control.reload(configured("nginx"), host.run) == Result(False, False)


@pytest.mark.usefixtures("systemd", "program")
def test_a_start_without_end_is_a_problem(starting: t.Callable[..., Host]) -> None:
    host = starting("activating")
    assert control.reload(configured("nginx", reload=("reload",)), host.run) == Result(
        False, True, "nginx cannot be reloaded: nginx.service has been starting for 60 seconds"
    )
    assert "reload" not in host.commands
    # Whoever reloads by another way has to restart it.
    assert control.Services({}, host.run).unit("nginx") == control.Unit("nginx.service", True)


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize("sub_state", ["auto-restart", "auto-restart-queued"])
def test_what_ended_and_waits_to_be_started_again_has_failed(starting: t.Callable[..., Host], sub_state: str) -> None:
    host = starting("activating", sub_state=sub_state)
    assert control.reload(configured("nginx"), host.run) == Result(False, False)
    assert control.Services({}, host.run).failure("nginx") == "nginx.service has failed"
    assert control.Services({}, host.run).start_failed("nginx") == ""
    assert host.commands[-1] == "systemctl restart nginx.service"


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize("service", [configured("web"), configured("web", "nginx", unit="nginx-web")])
def test_a_unit_that_is_not_there_is_not_one_that_is_stopped(service: Service) -> None:
    """Another play may describe the service, and its server may run: nobody can tell what it has loaded."""
    host = Host({"systemctl is-active": (3, "inactive\n", ""), "systemctl show": (0, "not-found\n", "")})
    assert control.Services({"web": service}, host.run).loaded_since("web", 1.0) is None
    result = control.reload(service, host.run)
    assert (result.reloaded, result.running) == (False, None)
    assert result.problem == (
        f"web cannot be reloaded: systemd has no unit {service.units[0]}; set 'unit' or 'reload' for it"
    )


@pytest.mark.usefixtures("systemd", "program")
def test_a_server_in_a_container_is_reloaded_by_its_command() -> None:
    host = Host({"systemctl is-active": (3, "inactive\n", ""), "systemctl show": (0, "not-found\n", "")})
    contained = configured("nginx", reload=("podman", "exec", "web", "nginx", "-s", "reload"))
    assert control.reload(contained, host.run) == Result(True, None)
    assert host.commands[-1] == "podman exec web nginx -s reload"


@pytest.mark.usefixtures("systemd")
def test_tested_and_then_reloaded(program: t.Callable[[str], str]) -> None:
    path = program("nginx")
    host = Host({"systemctl is-active": (0, "active\n", "")})
    assert control.reload(configured("nginx"), host.run) == Result(True, True)
    assert host.commands == [
        "systemctl is-active nginx.service",
        "nginx -t -q",
        "systemctl try-reload-or-restart nginx.service",
    ]
    host = Host(
        {"systemctl is-active": (0, "active\n", ""), "nginx": (1, "", 'nginx: [emerg] unknown directive "x"\n')}
    )
    result = control.reload(configured("nginx"), host.run)
    assert result == Result(
        False,
        True,
        f"the configuration of nginx was rejected by '{path} -t -q' (nginx: [emerg] unknown directive \"x\"); it was "
        f"not reloaded and continues with its current configuration",
    )
    assert "systemctl try-reload-or-restart nginx.service" not in host.commands


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize(
    ("name", "states", "unit"),
    [
        ("exim", "active\ninactive\n", "exim4.service"),
        ("exim", "inactive\nactive\n", "exim.service"),
        ("apache", "inactive\nreloading\n", "httpd.service"),
    ],
)
def test_the_name_that_this_distribution_has(name: str, states: str, unit: str) -> None:
    host = Host({"systemctl is-active": (0, states, "")})
    assert control.reload(configured(name), host.run) == Result(True, True)
    assert host.commands[-1] == f"systemctl try-reload-or-restart {unit}"


@pytest.mark.usefixtures("systemd", "program")
def test_a_unit_of_its_own_with_commands_of_its_own() -> None:
    service = configured("edge", "nginx", unit="edge@1.service", test=("/opt/test", "x"), reload=("/opt/reload",))
    host = Host({"systemctl is-active": (0, "active\n", "")})
    assert control.reload(service, host.run) == Result(True, True)
    assert host.commands == ["systemctl is-active edge@1.service", "test x", "reload"]


def test_a_service_that_is_a_command_only() -> None:
    service = Service("proxy", test=("check",), reload=("again", "now"))
    assert control.is_running(service, Host().run) is None
    assert control.reload(service, Host().run) == Result(True, None)
    host = Host({"again": (7, "", "")})
    assert control.reload(service, host.run).problem == ("proxy cannot be reloaded: 'again now' failed (exit code 7)")
    host = Host({"check": (1, "bad\nthing\n", "")})
    assert "was rejected by 'check' (bad thing)" in control.reload(service, host.run).problem


@pytest.mark.usefixtures("systemd", "program")
def test_a_reload_that_fails_is_told_with_the_last_words() -> None:
    host = Host(
        {"systemctl is-active": (0, "active", ""), "systemctl try": (1, "", "Job failed.\n" + "x" * 1000 + " END\n")}
    )
    result = control.reload(configured("dovecot"), host.run)
    assert not result.reloaded
    assert result.problem.startswith(
        "dovecot cannot be reloaded: 'systemctl try-reload-or-restart dovecot.service' failed (..."
    )
    assert result.problem.endswith("END)")
    assert len(result.problem) < 700


def entries(*messages: t.Any) -> str:
    """What journalctl prints, of a message that is too long None."""
    return "".join(f"{json.dumps({'__CURSOR': 's=1', 'MESSAGE': message})}\n" for message in messages)


class Running(Host):
    """A host whose unit is, after each look at it, in the next of these states; the last one lasts."""

    def __init__(self, *states: t.Tuple[str, int], **answers: Answer) -> None:
        super().__init__({"systemctl is-active": (0, "active\n", ""), **answers})
        self.states = list(states)
        self.looks = 0

    def run(self, command: t.Sequence[str], **options: t.Any) -> Answer:
        answer = super().run(command, **options)
        if not any("ActiveEnterTimestamp" in word for word in command):
            return answer
        state, since = self.states[min(self.looks, len(self.states) - 1)]
        self.looks += 1
        return 0, f"ActiveState={state}\nActiveEnterTimestampMonotonic={since}\n", ""


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> t.List[float]:
    """The time that servers are watched for is as it is on hosts, and passes at once; it is counted."""
    now = [0.0]
    monkeypatch.setattr(control, "_MOMENT", 1.0)
    monkeypatch.setattr(control.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(control.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


RUNS = ("active", 7)


@pytest.mark.usefixtures("systemd", "program", "moment")
@pytest.mark.parametrize(
    "states",
    [
        [RUNS, RUNS, ("failed", 7)],
        [RUNS, ("inactive", 7)],
        [("failed", 7)],
        [RUNS, ("activating", 7)],
        [RUNS, RUNS, ("active", 8)],
    ],
    ids=["failed", "stopped", "failed at once", "starts again", "started again meanwhile"],
)
@pytest.mark.parametrize("service", [configured("apache2"), configured("mine", unit="mine", reload=("again",))])
def test_a_server_that_ends_by_its_reload_was_not_reloaded(
    service: Service, states: t.Sequence[t.Tuple[str, int]]
) -> None:
    """systemctl says that all is well, as Apache was only signalled: it found its port taken after that."""
    host = Running(*states, journalctl=(0, entries("no listening sockets available"), ""))
    unit = f"{service.name}.service"
    assert control.reload(service, host.run) == Result(
        False,
        True,
        f"{service.name} ended when it was reloaded; see its own log and 'journalctl --unit={unit}'; its journal ends "
        "with: no listening sockets available",
        ended=True,
    )


@pytest.mark.usefixtures("systemd", "program", "moment")
@pytest.mark.parametrize(("state", "ended"), [("failed", True), ("active", False)])
def test_one_that_ends_before_its_reload_is_over_is_told_alike(state: str, ended: bool) -> None:
    """Then systemctl fails, which says nothing about whether the server goes on."""
    host = Running((state, 7), **{"systemctl try-reload": (1, "", "Job failed")})
    result = control.reload(configured("apache2"), host.run)
    assert (result.reloaded, result.ended) == (False, ended)
    assert result.problem.startswith("apache2 ended when" if ended else "apache2 cannot be reloaded: 'systemctl try")


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize("states", [[RUNS], [RUNS, ("reloading", 7), RUNS], [RUNS, ("refreshing", 7)]])
def test_what_may_end_by_its_reload_is_watched_for_a_moment(
    moment: t.List[float], states: t.Sequence[t.Tuple[str, int]]
) -> None:
    host = Running(*states)
    assert control.reload(configured("lighttpd"), host.run) == Result(True, True)
    assert moment[0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.usefixtures("systemd")
def test_what_reads_much_is_watched_for_longer(moment: t.List[float], program: t.Callable[[str], str]) -> None:
    """As long as a test takes, so long does the server itself read before it can find a port taken."""
    program("apache2ctl")

    class Slow(Running):
        def run(self, command: t.Sequence[str], **options: t.Any) -> Answer:
            moment[0] += 20.0 if "configtest" in command else 0.0
            return super().run(command, **options)

    host = Slow(*[RUNS] * 390, ("failed", 7))
    assert control.reload(configured("apache"), host.run).ended


@pytest.mark.usefixtures("systemd", "program")
def test_who_shows_that_it_went_on_is_not_waited_for(
    moment: t.List[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "apache2.pid"
    pid_file.write_text("7\n")
    paths = (str(tmp_path / "httpd.pid"), str(pid_file))
    apache = control.SERVERS["apache"]._replace(pid_files=paths)

    class Writing(Running):
        def run(self, command: t.Sequence[str], **options: t.Any) -> Answer:
            if "try-reload-or-restart" in command and self.writes:
                (tmp_path / "new").write_text("7\n")
                (tmp_path / "new").rename(pid_file)
            return super().run(command, **options)

    for writes, renews, seconds in ((True, True, 0.0), (False, True, 1.0), (True, False, 1.0)):
        monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "apache": apache._replace(renews_pid_file=renews)})
        host, before = Writing(RUNS), moment[0]
        host.writes = writes
        assert control.reload(configured("apache"), host.run) == Result(True, True)
        assert moment[0] - before == pytest.approx(seconds, abs=0.1)


@pytest.mark.usefixtures("systemd", "program")
def test_what_no_reload_ends_is_not_watched(moment: t.List[float]) -> None:
    host = Running(("failed", 7))
    assert control.reload(configured("nginx"), host.run) == Result(True, True)
    assert moment[0] == 0.0 and host.looks == 0


@pytest.mark.usefixtures("program", "moment")
def test_it_is_noticed_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/etc/init.d/apache2")

    class Ending(Host):
        def run(self, command: t.Sequence[str], **options: t.Any) -> Answer:
            answer = super().run(command, **options)
            ended = self.commands[-1].endswith("status") and "service apache2 reload" in self.commands
            return (3, "", "") if ended and len(self.commands) > 4 else answer

    result = control.reload(configured("apache"), Ending().run)
    assert result == Result(False, True, "apache ended when it was reloaded; see its own log", ended=True)


@pytest.mark.usefixtures("systemd", "program")
def test_what_systemd_does_not_say_is_in_the_journal() -> None:
    """Why a reload failed, and why a unit failed: in one line, without what a terminal would obey."""
    words = entries("bad \x1b[31moption\x1b[0m", "in line 7")
    host = Host({"systemctl is-active": (0, "active", ""), "systemctl try": (1, "", "See journalctl\n")})
    host.answers = {**host.answers, "journalctl": (0, words, "")}
    problem = control.reload(configured("dnsdist"), host.run).problem
    assert problem.endswith("failed (See journalctl); its journal ends with: bad ?[31moption?[0m in line 7")
    assert host.commands[-1].endswith(" _SYSTEMD_UNIT=dnsdist.service")
    host.answers = {**host.answers, "journalctl": (0, entries(None, list(b"not \xff UTF-8"), None, "x"), "")}
    problem = control.reload(configured("dnsdist"), host.run).problem
    assert problem.endswith(": (a message that is too long) not \ufffd UTF-8 (a message that is too long) x")
    host.answers = {**host.answers, "journalctl": (0, entries(*["x" * 4000] * 10), "")}
    assert len(control.reload(configured("dnsdist"), host.run).problem) < 700
    host.answers = {**host.answers, "journalctl": (127, "", "No such file or directory")}
    assert control.reload(configured("dnsdist"), host.run).problem.endswith("failed (See journalctl)")
    failed = Host({"systemctl is-active": (3, "failed\ninactive\n", ""), "journalctl": (0, words, "")})
    services = control.Services({}, failed.run)
    assert services.failure("exim").startswith("exim4.service has failed; its journal ends with: bad ")
    assert services.start_failed("exim") == "" and failed.commands[-1] == "systemctl restart exim4.service"
    failed.answers = {**failed.answers, "systemctl restart": (1, "", "See journalctl\n")}
    assert services.start_failed("exim").startswith("exim4.service cannot be started again (See journalctl); its ")
    shown = {
        "systemctl show": (0, "ActiveState=active\nReloadResult=exit-code\n", ""),
        "journalctl": (0, entries("no"), ""),
    }
    going_on = control.Services({}, Host({"systemctl is-active": (0, "active\n", ""), **shown}).run)
    assert going_on.failure("nginx") == "the last reload of nginx.service failed; its journal ends with: no"
    stopped = Host({"systemctl is-active": (3, "inactive\n", "")})
    services = control.Services({}, stopped.run)
    assert services.failure("nginx") == services.start_failed("nginx") == ""
    assert all(command.startswith("systemctl is-active") for command in stopped.commands)


@pytest.mark.parametrize(
    ("there", "command"),
    [
        (("update-exim4.conf", "exim4"), "update-exim4.conf --check"),
        (("update-exim4.conf", "exim4", "/etc/exim4/exim4.conf"), "exim4 -C /etc/exim4/exim4.conf -bV"),
        (("exim",), "exim -bV"),
    ],
    ids=["Debian", "Debian, by hand", "others"],
)
def test_exim_is_tested_with_what_its_next_start_reads(
    there: t.Sequence[str], command: str, program: t.Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in there:
        if not name.startswith("/"):
            program(name)
    monkeypatch.setattr(os.path, "exists", lambda path: path in there)
    host = Host({command: (1, "", "wrong")})
    assert control.test(configured("exim"), host.run).endswith("(wrong)") and host.commands == [command]


@pytest.mark.usefixtures("systemd", "program")
@pytest.mark.parametrize(("mode", "verb"), [(0o640, "try-reload-or-restart"), (0o600, "try-restart")])
def test_lighttpd_is_restarted_where_it_could_not_read_its_key_again(tmp_path: Path, mode: int, verb: str) -> None:
    key = tmp_path / "privkey.pem"
    key.touch()
    key.chmod(mode)
    host = Host({"systemctl is-active": (0, "active\n", "")})
    control.reload(configured("lighttpd"), host.run, [str(key), str(tmp_path / "missing")])
    assert host.commands[-1] == f"systemctl {verb} lighttpd.service"
    host = Host({"systemctl is-active": (0, "active\n", "")})
    control.reload(configured("nginx"), host.run, [str(key)])
    assert host.commands[-1] == "systemctl try-reload-or-restart nginx.service"


def test_a_test_is_left_out_where_its_files_are_not(
    program: t.Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("server")
    kind = Server(
        "Server", units=("server",), tests=(("server", "-t", str(tmp_path / "server.conf")), ("server", "-T"))
    )
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "server": kind})
    host = Host()
    assert control.test(configured("server"), host.run) == ""
    assert host.commands == ["server -T"]
    (tmp_path / "server.conf").touch()
    control.test(configured("server"), host.run)
    assert host.commands[-1] == f"server -t {tmp_path}/server.conf"


# Without systemd ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("program")
def test_each_kind_of_host_knows_what_runs(manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        control,
        "SERVERS",
        {**control.SERVERS, "nginx": Server("Server", units=("nginx",), pid_files=(str(tmp_path / "pid"),))},
    )
    host = Host({"systemctl is-active": (3, "inactive\n", ""), "service nginx status": (3, "", "")})
    assert control.is_running(configured("nginx"), host.run) is False
    host = Host({"systemctl is-active": (0, "active\n", ""), "service nginx status": (0, "", "")})
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert control.is_running(configured("nginx"), host.run) is True


@pytest.mark.parametrize(("code", "running"), [(0, True), (1, False), (3, False), (4, None), (124, None), (127, None)])
def test_what_an_init_script_says(monkeypatch: pytest.MonkeyPatch, code: int, running: t.Optional[bool]) -> None:
    """One that hangs, or cannot be run, does not say that its server needs no reload."""
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/etc/init.d/exim")
    assert control.is_running(configured("exim"), Host({"service exim status": (code, "", "")}).run) is running


@pytest.mark.usefixtures("program")
def test_init_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/etc/init.d/exim")
    host = Host()
    assert control.reload(configured("exim"), host.run) == Result(True, True)
    assert host.commands[:2] == ["service exim status", "service exim reload"]
    assert {*host.commands[2:]} == {"service exim status"}


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("code", "restarted", "problem"),
    [
        (0, False, ""),
        (3, True, ""),
        (1, False, "trafficserver cannot be reloaded: 'service trafficserver reload' failed"),
    ],
)
def test_an_init_script_without_reload_restarts(
    monkeypatch: pytest.MonkeyPatch, code: int, restarted: bool, problem: str
) -> None:
    """As that of Traffic Server."""
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/etc/init.d/trafficserver")
    host = Host({"service trafficserver reload": (code, "", "")})
    assert control.reload(configured("trafficserver"), host.run).problem.partition(" (")[0] == problem
    assert ("service trafficserver restart" in host.commands) is restarted


RELOADABLE = """
import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_arguments: (os.write(1, b"reloaded\\n"), sys.exit()))
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.usefixtures("program")
def test_where_nothing_manages_it_a_server_is_signalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    stale, pid_file = tmp_path / "stale.pid", tmp_path / "pid"
    kind = Server("Server", units=("no-such-service",), pid_files=(str(stale), str(pid_file)), signal_name="SIGUSR1")
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "server": kind})
    service = configured("server")
    stale.write_text("not a number")
    assert control.reload(service, Host().run) == Result(False, False)
    with subprocess.Popen([sys.executable, "-c", RELOADABLE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        pid_file.write_text(f"{process.pid}\n")
        assert control.reload(service, Host().run) == Result(True, True)
        assert process.stdout.readline() == "reloaded\n"
    assert control.reload(service, Host().run) == Result(False, False)


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> t.List[t.Tuple[int, int]]:
    """The processes that are signalled, where nothing but a PID file tells which."""
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    sent: t.List[t.Tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)) if number else None)
    return sent


def reload_by(pid_file: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> Result:
    kind = Server("Server", units=("no-such-service",), pid_files=(str(pid_file),), programs=programs)
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "server": kind})
    return control.reload(configured("server"), Host().run)


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("text", ["-1", "0", "1", "-4711", "", "x", "9" * 31, "47_11x", "\0", "1" + "0" * 99])
def test_a_pid_file_that_names_no_process_has_none_signalled(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signalled: t.List[t.Tuple[int, int]]
) -> None:
    (tmp_path / "pid").write_text(text)
    reload_by(tmp_path / "pid", monkeypatch)
    assert signalled == []


@pytest.mark.usefixtures("program")
def test_a_pid_file_that_is_a_fifo_hangs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signalled: t.List[t.Tuple[int, int]]
) -> None:
    os.mkfifo(tmp_path / "pid")
    assert reload_by(tmp_path / "pid", monkeypatch) == Result(False, False)
    assert signalled == []


@pytest.mark.usefixtures("program")
@AS_ROOT
@pytest.mark.parametrize("of_folder", [False, True])
def test_root_signals_no_process_of_others_for_the_owner_of_a_pid_file(
    of_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signalled: t.List[t.Tuple[int, int]]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "pid").write_text(str(os.getpid()))
    os.chown(folder if of_folder else folder / "pid", 65534, 65534)
    assert reload_by(folder / "pid", monkeypatch) == Result(False, False)
    assert signalled == []
    # Its own processes it could signal by itself, and the server is meant.
    monkeypatch.setattr(control, "_users", lambda _pid: {65534})
    assert reload_by(folder / "pid", monkeypatch).reloaded
    monkeypatch.setattr(control, "_users", lambda _pid: {1})
    program = os.path.basename(os.readlink("/proc/self/exe"))
    assert reload_by(folder / "pid", monkeypatch, program).reloaded


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_pid_file_for_all_to_write_says_nothing(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signalled: t.List[t.Tuple[int, int]]
) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    (tmp_path / "pid").chmod(mode)
    assert reload_by(tmp_path / "pid", monkeypatch) == Result(False, False)
    assert signalled == []


@pytest.mark.usefixtures("program")
def test_nobody_is_signalled_in_the_place_of_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    real, sent = os.kill, []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number) if number else real(pid, number))
    pid_file, key = tmp_path / "pid", tmp_path / "key"
    pid_file.write_text(str(os.getpid()))
    key.touch(0o600)
    kind = Server("Server", units=("no-such-service",), pid_files=(str(pid_file),), rereads_key_unprivileged=True)
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "server": kind})
    result = control.reload(configured("server"), Host().run, [str(key)])
    assert result == Result(
        False, True, "server has to be restarted, but no command for that is known; set 'reload' for it"
    )
    assert sent == []
    key.chmod(0o644)
    assert control.reload(configured("server"), Host().run, [str(key)]) == Result(True, True)
    assert sent == [signal.SIGHUP]


def test_a_service_that_nobody_knows_anything_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    result = control.reload(configured("no-such-service"), Host().run)
    assert result == Result(False, None, "no reload command is known for no-such-service; set 'reload' for it")


# HAProxy's socket --------------------------------------------------------------------------------

STAPLE = bytes(range(256))
KNOWN = "# filename\n/etc/live/www/combined.pem\n"


def asking(*answers: str) -> t.Tuple[t.List[str], control.Ask]:
    said: t.List[str] = []
    given = list(answers)

    def ask(path: str, text: str) -> str:
        said.append(text)
        return given.pop(0)

    return said, ask


@pytest.fixture
def proxy(tmp_path: Path) -> Service:
    (tmp_path / "admin.sock").touch()
    return configured("haproxy", socket=str(tmp_path / "admin.sock"))


def test_a_staple_by_the_socket(proxy: Service) -> None:
    said, ask = asking(
        "Transaction created for certificate /etc/live/www/combined.pem!\n",
        "Committing /etc/live/www/combined.pem.\nSuccess!\n",
    )
    assert control.hand_over(proxy, "/etc/live/www/combined.pem", STAPLE, ask) == ""
    assert said == [
        f"set ssl cert /etc/live/www/combined.pem.ocsp <<\n{base64.b64encode(STAPLE).decode()}\n\n",
        "commit ssl cert /etc/live/www/combined.pem\n",
    ]


def test_a_staple_that_the_socket_refuses(proxy: Service) -> None:
    _said, ask = asking("Can't update /x.pem: certificate does not exist!\n\n")
    assert control.hand_over(proxy, "/x.pem", STAPLE, ask) == (
        "haproxy rejected the staple for /x.pem: Can't update /x.pem: certificate does not exist!"
    )
    said, ask = asking("Transaction created", "Error: no memory", "Transaction aborted")
    assert "rejected the staple for /x.pem: Error: no memory" in control.hand_over(proxy, "/x.pem", STAPLE, ask)
    assert said[-1] == "abort ssl cert /x.pem\n"


def test_without_a_socket_that_answers(proxy: Service, tmp_path: Path) -> None:
    problem = control.hand_over(proxy, "/x.pem", STAPLE)
    assert problem.startswith(f"the socket {tmp_path}/admin.sock of haproxy does not answer: ")
    missing = proxy._replace(socket=str(tmp_path / "missing"))
    assert control.hand_over(missing, "/x.pem", STAPLE) == "haproxy has no command socket"
    assert control.hand_over(Service("proxy"), "/x.pem", STAPLE) == "proxy has no command socket"


def test_a_real_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    heard = []
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as peer:
                heard.append(peer.recv(65536))
                peer.sendall(b"an answer\xff ")
                peer.sendall(b"in two parts\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert control.ask_socket(path, "a question\n") == "an answer\ufffd in two parts\n"
        thread.join()
    assert heard == [b"a question\n"]


def test_a_socket_that_answers_octet_by_octet_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_ASK_TIMEOUT", 0.5)
    path, stopped = str(tmp_path / "socket"), threading.Event()
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(path)
        listener.listen(1)

        def drip() -> None:
            connection, _address = listener.accept()
            with connection, contextlib.suppress(OSError):
                while not stopped.wait(0.1):
                    connection.sendall(b"x")

        server = threading.Thread(target=drip)
        server.start()
        began = time.monotonic()
        closer = threading.Timer(10, stopped.set)
        closer.start()
        try:
            with pytest.raises(OSError):
                control.ask_socket(path, "a question\n")
        finally:
            stopped.set()
            closer.cancel()
            server.join()
    assert time.monotonic() - began < 8


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("name", "active", "can_reload", "unit"),
    [
        ("exim", "inactive\nactive\n", "yes", control.Unit("exim.service", False)),
        ("exim", "active\ninactive\n", "yes", control.Unit("exim4.service", False)),
        ("apache", "inactive\nactive\n", "yes", control.Unit("httpd.service", False)),
        ("dnsdist", "active\n", "no", control.Unit("dnsdist.service", True)),
        # It can be reloaded, but would not read its staples again.
        ("trafficserver", "active\n", "yes", control.Unit("trafficserver.service", True)),
        ("gateway", "active\n", "no", control.Unit("gateway.service", True)),
        ("nginx", "inactive\n", "yes", None),
        ("nginx", "", "", None),
    ],
)
def test_the_unit_of_a_service(name: str, active: str, can_reload: str, unit: t.Optional[control.Unit]) -> None:
    host = Host({"systemctl is-active": (0, active, ""), "systemctl show --property=CanReload": (0, can_reload, "")})
    assert control.Services({}, host.run).unit(name) == unit


@pytest.mark.usefixtures("systemd")
def test_lighttpd_is_restarted_where_only_root_may_read_a_key(tmp_path: Path) -> None:
    key = tmp_path / "privkey.pem"
    key.write_text("not a key")
    host = Host({"systemctl is-active": (0, "active\n", ""), "systemctl show": (0, "yes\n", "")})
    for mode, restart in ((0o400, True), (0o440, False)):
        key.chmod(mode)
        found = control.Services({}, host.run).unit("lighttpd", [str(key)])
        assert found == control.Unit("lighttpd.service", restart)


def test_elsewhere_services_have_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    assert control.Services({}, Host().run).unit("nginx") is None
    monkeypatch.setattr(control, "has_systemd", lambda: True)
    own = {"mine": Service("mine", reload=("true",))}
    assert control.Services(own, Host().run).unit("mine") is None


# Loaded since -------------------------------------------------------------------------------------


def unit(
    changed: t.Optional[float],
    began: str = "n/a",
    state: str = "active",
    result: str = "success",
    precise: bool = True,
    started: float = 1000.0,
) -> Host:
    """A unit whose state changed at this second of its host's clock; a reload had begun at 18:44:BEGAN."""
    fraction = "{:.6f}" if precise else "{:.0f}"
    start = f"Sat 2026-11-28 18:44:{began} UTC" if began != "n/a" else "n/a"
    reload = f"{{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -s reload ; start_time=[{start}] ; stop_time=[n/a] }}"
    shown = f"ReloadResult={result}\nExecReload={reload}\nExecReload={reload}\nActiveState={state}\n"
    if changed is not None:
        seconds = fraction.format(changed - 1500).zfill(9 if precise else 2)
        shown += f"StateChangeTimestamp=Sat 2026-11-28 18:44:{seconds} UTC\n"
        shown += f"StateChangeTimestampMonotonic={changed * 1_000_000:.0f}\n"
        shown += f"InactiveExitTimestampMonotonic={started * 1_000_000:.0f}\n"
    refused: t.Dict[str, Answer] = {} if precise else {"systemctl show --timestamp": (1, "", "unrecognized option")}
    return Host({"systemctl is-active": (0, "active\n", ""), **refused, "systemctl show": (0, shown, "")})


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("host", "loaded"),
    [
        (unit(1551.5), True),  # started since
        (unit(1549.5), False),
        (unit(1550.0), False),
        (unit(1551.5, "51.400000"), True),  # reloaded since
        (unit(1551.5, "49.900000"), False),  # a reload that had begun before
        (unit(1549.9, "49.800000"), False),
        (unit(1551.5, "59.800000"), False),  # the clock was set back while it was reloaded
        (unit(1555.0, "53", precise=False), True),
        (unit(1550.9, "50", precise=False), False),
        (unit(1551.5, "51.400000", state="reloading"), None),
        (unit(1551.5, "51.400000", state="activating"), None),
        (unit(1551.5, "51.400000", result="exit-code"), False),
        (unit(None), None),
    ],
)
def test_systemd_knows_whether_a_service_has_loaded_its_files(host: Host, loaded: t.Optional[bool]) -> None:
    assert control.Services({}, host.run).loaded_since("nginx", 1550.0) is loaded


@pytest.mark.usefixtures("systemd")
def test_a_reload_of_traffic_server_by_others_may_have_read_nothing() -> None:
    """Its list has to look new for that, and nobody can tell whether it did."""
    for host, loaded in ((unit(1551.5, "51.400000"), None), (unit(1549.5), False)):
        assert control.Services({}, host.run).loaded_since("trafficserver", 1550.0) is loaded


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("name", ["nginx", "trafficserver", "dnsdist"])
def test_who_was_started_since_has_read_all(name: str) -> None:
    # The last reload that systemd knows of was before the start.
    for state in ("active", "activating"):
        host = unit(1551.5, "40.000000", state, started=1550.5)
        assert control.Services({}, host.run).loaded_since(name, 1550.0) is True


@pytest.mark.usefixtures("systemd")
def test_what_systemd_does_not_answer_is_not_known() -> None:
    """As for a user who may not ask it."""
    host = Host({"systemctl": (1, "", "Failed to connect to bus: Operation not permitted")})
    known = control.Services({}, host.run)
    assert known.is_running("dnsdist") is None and known.loaded_since("dnsdist", 1550.0) is None
    assert known.reload("dnsdist").problem == (
        "dnsdist cannot be reloaded: systemd does not answer (Failed to connect to bus: Operation not permitted)"
    )


def test_what_does_not_run_loads_its_files_when_it_starts(manager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        control,
        "SERVERS",
        {**control.SERVERS, "nginx": Server("Server", units=("nginx",), pid_files=("/nonexistent",))},
    )
    down = Host({"systemctl is-active": (3, "inactive\n", ""), "service nginx status": (3, "", "")})
    assert control.Services({}, down.run).loaded_since("nginx", 1550.0) is True


def test_elsewhere_nobody_can_tell(manager: str) -> None:
    known = {"mine": Service("mine", reload=("true",))}
    assert control.Services(known, Host().run).loaded_since("mine", 1550.0) is None
    if manager == "init scripts":
        assert control.Services({}, Host().run).loaded_since("nginx", 1550.0) is None


def test_services_by_name() -> None:
    known = control.Services({"edge": Service("edge", "haproxy")}, Host().run)
    assert known.kinds(["edge", "nginx", "mine"]) == ["haproxy", "nginx", None]


@pytest.mark.usefixtures("systemd")
def test_whether_there_is_a_service_is_asked_once() -> None:
    host = Host({"systemctl show": (0, "loaded\n", "")})
    known = control.Services({}, host.run)
    assert known.is_known("mine") and known.is_known("mine")
    assert len(host.commands) == 1


@pytest.mark.usefixtures("systemd", "program")
def test_a_server_that_was_started_by_hand_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as its unit: systemd cannot tell what it has loaded, and it must not be forgotten."""
    pid = tmp_path / "pid"
    pid.write_text(str(os.getpid()))
    monkeypatch.setattr(
        control, "SERVERS", {**control.SERVERS, "nginx": control.SERVERS["nginx"]._replace(pid_files=(str(pid),))}
    )
    host = Host({"systemctl is-active": (3, "inactive\n", "")})
    known = control.Services({}, host.run)
    assert known.is_running("nginx") is None and known.loaded_since("nginx", 0.0) is None
    assert known.reload("nginx").problem == (
        "nginx cannot be reloaded: it does not run as nginx; set 'unit' or 'reload' for it"
    )
    pid.write_text("9999999")
    assert known.is_running("nginx") is False


def test_a_process_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    (tmp_path / "pid").write_text("4711")
    kind = control.SERVERS["exim"]._replace(units=("certops-none",), pid_files=(str(tmp_path / "pid"),))
    monkeypatch.setattr(control, "SERVERS", {**control.SERVERS, "exim": kind})
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    monkeypatch.setattr(control.os, "kill", refuse)
    assert control.Services({}, Host().run).is_running("exim") is True


# What a server is tested with


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., int]]:
    """Runs something that looks like a server with these arguments, and returns its PID."""
    script = tmp_path / "server.py"
    programs: t.Dict[int, str] = {}
    monkeypatch.setattr(control, "_program", lambda pid: programs.get(pid, ""))
    script.write_text("import time; print(flush=True); time.sleep(60)")
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> int:
            command = [words[0], str(script), *words[1:]]
            process = subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            stack.callback(process.stdout.close)
            process.stdout.readline()
            programs[process.pid] = words[0]
            return process.pid

        yield start


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("words", "tested"),
    [
        (["-Ws", "-f", "/etc/h/a.cfg", "-f", "/etc/h/conf.d", "-p", "/run/h.pid"], "-f /etc/h/a.cfg -f /etc/h/conf.d"),
        (["-Ws", "-C", "/etc/h", "-f", "/etc/h/a.cfg"], "-C /etc/h -f /etc/h/a.cfg"),
        (["-W", "-f", "/etc/h/a.cfg", "--", "/etc/h/b.cfg", "/etc/h/c.cfg"], None),
    ],
)
def test_haproxy_is_tested_with_the_files_that_it_runs_with(
    program: t.Callable[[str], str],
    process: t.Callable[..., int],
    words: t.List[str],
    tested: t.Optional[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    program("haproxy")
    host = Host({"systemctl show --property=MainPID": (0, f"{process('haproxy', *words)}\n", "")})
    assert control.test(configured("haproxy"), host.run) == ""
    tested = tested or "-f /etc/h/a.cfg -f /etc/h/b.cfg -f /etc/h/c.cfg"
    assert host.commands[-1] == f"haproxy -c {tested}"


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("pid", ["", "0", "4194999", "x"])
@pytest.mark.parametrize("words", [["-f", "relative.cfg"], ["-W"], ["-f"]])
def test_haproxy_is_tested_with_the_usual_file_where_others_are_not_known(
    program: t.Callable[[str], str],
    process: t.Callable[..., int],
    pid: str,
    words: t.List[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    program("haproxy")
    for shown in (pid, str(process("haproxy", *words))):
        host = Host({"systemctl show --property=MainPID": (0, f"{shown}\n", "")})
        control.test(configured("haproxy", unit="edge"), host.run)
        assert host.commands[-1] == "haproxy -c -f /etc/haproxy/haproxy.cfg"


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("kind", "name", "words", "tested"),
    [
        ("lighttpd", "lighttpd", ["-D", "-f", "/srv/l.conf"], "lighttpd -tt -f /srv/l.conf"),
        ("hitch", "hitch", ["--config=/srv/h.conf", "--daemon"], "hitch -t --config /srv/h.conf"),
        ("hitch", "hitch", ["--config", "/srv/h.conf"], "hitch -t --config /srv/h.conf"),
        ("dovecot", "doveconf", ["-F", "-c", "/srv/d.conf"], "doveconf -n -c /srv/d.conf"),
    ],
)
def test_other_servers_are_tested_with_the_file_that_they_run_with(
    program: t.Callable[[str], str],
    process: t.Callable[..., int],
    kind: str,
    name: str,
    words: t.List[str],
    tested: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    program(name)
    pid = process(kind, *words)
    host = Host({"systemctl show --property=MainPID": (0, f"{pid}\n", "")})
    control.test(configured(kind), host.run)
    assert host.commands[-1] == tested


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("users", [{65534}, {0}, set()], ids=["another user", "a set-user-ID program", "unknown"])
def test_root_tests_no_configuration_that_another_user_chose(
    program: t.Callable[[str], str], process: t.Callable[..., int], users: t.Set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may write what it likes where its command line was, and replace itself by a program of root.

    The files of the server that only root can write are no other's choice.
    """
    real, usual = os.path.exists, "/etc/haproxy/haproxy.cfg"
    own = ["/etc/haproxy/edge.cfg", "/etc/shadow", "/etc/haproxy/../shadow", "/etc/haproxy-x/a.cfg"]
    monkeypatch.setattr(os.path, "exists", lambda path: path in (usual, *own) or real(path))
    monkeypatch.setattr(control, "_users", lambda _pid: users)
    monkeypatch.setattr(control, "_program", lambda _pid: "exim4" if users else "haproxy")
    monkeypatch.setattr(control, "_only_root_writes", lambda path: path in own)
    program("haproxy")
    for path in (*own, "/srv/evil.cfg"):
        host = Host({"systemctl show --property=MainPID": (0, f"{process('haproxy', '-f', path)}\n", "")})
        control.test(configured("haproxy"), host.run)
        assert host.commands[-1] == f"haproxy -c -f {path if path == own[0] else usual}"


def test_what_only_root_writes(tmp_path: Path) -> None:
    assert control._only_root_writes("/etc/passwd") and control._only_root_writes("/usr/bin")
    assert not control._only_root_writes("/tmp/x") and not control._only_root_writes("/nonexistent")
    assert not control._only_root_writes("/proc/self/exe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert not control._only_root_writes(str(tmp_path / "link"))
