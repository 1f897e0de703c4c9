# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``status`` and ``check``, and what all commands share: usage, exit codes, one sentence for what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, HOUR, MINUTE
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host
from ocsp_stapling import tables
from ocsp_stapling.tables import Cell

NAME = "www.example.com"
LONG = "a-very-long-name-indeed.of-a-host.in-a-department.of-a-company.example.com"


@pytest.fixture
def mixed(host: Host) -> Host:
    """A host where nearly everything is wrong that can be."""
    host.service("web")
    for name in ("good.example.com", "failing.example.com", LONG, "revoked.example.com", "none.example.com"):
        host.deploy(name, ["web"], urls=() if name.startswith("none") else (host.url,))
    host.hour()
    host.deploy("missing.example.com", ["web"])
    host.makers["missing.example.com"] = hosts.unknown
    host.makers["failing.example.com"] = hosts.try_later
    host.makers["revoked.example.com"] = hosts.revoked
    host.later(4 * DAY)
    host.hour()
    return host


def rows(text: str) -> t.Dict[str, t.List[str]]:
    """The lines of a table by the certificate."""
    found = {}
    for line in text.split("\n\n")[0].splitlines()[1:]:
        name, *cells = re.split(r"  +", line)
        found[name] = cells
    return found


def test_a_table_for_people(mixed: Host) -> None:
    done = mixed.run("status")
    assert done.code == 2
    shown = rows(done.out)
    assert shown["good.example.com"] == ["good", "6d 22h", shown["good.example.com"][2], "-"]
    assert shown["failing.example.com"][0] == "good"
    assert shown["failing.example.com"][-1] == "not_successful"
    assert shown["revoked.example.com"][0::3] == ["revoked", "revoked"]
    assert shown["missing.example.com"][0::3] == ["missing", "unknown_status"]
    assert shown["none.example.com"][0::3] == ["none", "no_responder"]
    # What is worst stands last, beside the sentences.
    assert list(shown)[-2:] == ["revoked.example.com", "missing.example.com"]
    assert "revoked.example.com: the certificate CN=revoked.example.com,O=Forge was revoked" in done.out.replace(
        "\n ", ""
    )
    assert "good.example.com:" not in done.out
    assert done.err == ""


def test_a_table_fits_a_narrow_terminal(mixed: Host) -> None:
    for line in mixed.run("status").out.splitlines():
        longest = max((len(word) for word in line.split()), default=0)
        assert len(line) <= max(80, longest + 2), line
    assert any("~" in name for name in rows(mixed.run("status").out))


def test_colours_are_for_terminals_alone(mixed: Host, library: Path) -> None:
    assert "\x1b" not in mixed.run("status").out
    colourful = on_a_terminal(mixed, library, "status")
    assert "\x1b[32mgood\x1b[0m" in colourful
    assert "\x1b[31mmissing\x1b[0m" in colourful
    assert "\x1b" not in on_a_terminal(mixed, library, "status", NO_COLOR="1")


def on_a_terminal(host: Host, library: Path, *arguments: str, **environment: str) -> str:
    """What a command prints where its output is a terminal."""
    leader, follower = pty.openpty()
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ocsp_stapling.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, str(library), *host.arguments(*arguments)]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(follower)
    output = b""
    with contextlib.suppress(OSError):  # as a terminal says that nobody writes to it any more
        while part := os.read(leader, 65536):
            output += part
    os.close(leader)
    process.wait()
    return output.decode()


def test_progress_on_a_terminal_when_there_are_many(host: Host, library: Path) -> None:
    for number in range(20):
        host.deploy(f"{number}.example.com")
    assert "20 of 20 certificates, 0 failed" in on_a_terminal(host, library, "refresh", "--force")
    assert "20 of 20 certificates, " not in host.run("refresh", "--force").err


def test_all_that_is_known_as_json(mixed: Host) -> None:
    done = mixed.run("status", "--json")
    assert done.code == 2
    found = json.loads(done.out)
    assert found["version"] == 1
    assert found["level"] == 2
    assert {name: entry["status"] for name, entry in found["certificates"].items()} == {
        "good.example.com": "good",
        "failing.example.com": "good",
        LONG: "good",
        "revoked.example.com": "revoked",
        "missing.example.com": "missing",
        "none.example.com": "none",
    }
    assert found["certificates"]["good.example.com"]["staple"]["responder_url"] == mixed.url


def test_one_line_for_nagios(mixed: Host) -> None:
    done = mixed.run("status", "--nagios")
    assert done.code == 2
    assert re.fullmatch(
        r"OCSP CRITICAL - missing\.example\.com: [^|\n]+ \(and \d more\) "
        r"\| certificates=6 good=3 critical=2 soonest_end=\d+s\n",
        done.out,
    ), done.out


def test_where_all_is_well(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    assert host.run("status").code == 0
    assert len(host.run("status").out.splitlines()) == 2
    done = host.run("status", "--nagios")
    assert done.code == 0
    assert re.fullmatch(
        r"OCSP OK - 1 certificate: all is well \| certificates=1 good=1 critical=0 soonest_end=601\d\d\ds\n", done.out
    ), done.out


def test_a_run_that_is_missing_is_told(host: Host) -> None:
    host.deploy(NAME)
    done = host.run("status")
    assert done.code == 1
    assert "refresh has not run yet\napply has not run yet\n" in done.out
    assert f"{NAME}: no run has looked at it yet" in done.out
    host.hour()
    host.later(3 * HOUR + MINUTE)
    done = host.run("status")
    assert done.code == 1
    assert "refresh has not run for 3h 1m; see 'systemctl list-timers ocsp-stapling.timer'" in done.out
    assert host.run("status", "--nagios").code == 1


def test_a_staple_that_ended_in_place_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    host.later(8 * DAY)
    done = host.run("status")
    assert done.code == 2
    assert rows(done.out)[NAME][:2] == ["expired", "-1d 1h"]
    assert "its staple ended and is still in place; run 'ocsp-stapling\n  apply' as root\n" in done.out


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "refresh.json")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    path.write_bytes(b"x" * (1024 * 1024 + 1))


FOREIGN: t.Dict[str, t.Tuple[t.Callable[[Path], None], str]] = {
    "a link": (make_link, "is a symbolic link or lies in one; it is not read, remove it"),
    "a FIFO": (make_fifo, "is not a regular file; it is not read, remove it"),
    "a huge file": (make_huge, "has 1048577 octets, more than 1048576; it is not read, remove it"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_told_until_it_is_gone(host: Host, name: str) -> None:
    make, problem = FOREIGN[name]
    host.deploy(NAME)
    host.hour()
    response = host.responses / f"{NAME}.der"
    content = response.read_bytes()
    response.unlink()
    make(response)
    assert host.run("apply").code == 1
    sentence = f"{NAME}: {response} {problem}"
    done = host.run("status")
    assert done.code == 1
    assert rows(done.out)[NAME][0::3] == ["good", "foreign_file"]
    assert sentence in done.out.replace("\n  ", " ")
    done = host.run("status", "--nagios")
    assert done.code == 1
    assert done.out.startswith(f"OCSP WARNING - {sentence} | ")
    found = json.loads(host.run("status", "--json").out)["certificates"][NAME]
    assert (found["level"], found["status"], found["reason"]) == (1, "good", "foreign_file")
    assert found["refused"] == f"{response} {problem}"
    response.unlink()
    response.write_bytes(content)
    assert host.run("apply").code == 0
    assert host.run("status").code == 0


def test_a_foreign_file_leads_where_there_is_no_staple(host: Host) -> None:
    host.deploy(NAME)
    make_fifo(host.responses / f"{NAME}.der")
    host.hour()
    done = host.run("status", "--nagios")
    assert done.code == 2
    assert done.out.startswith(f"OCSP CRITICAL - {NAME}: {host.responses}/{NAME}.der is not a regular file;")
    assert rows(host.run("status").out)[NAME][0::3] == ["missing", "foreign_file"]


def test_a_foreign_record_is_told_until_it_is_gone(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    path = host.responses / "refresh.json"
    path.rename(host.home / "refresh.json")
    path.symlink_to(host.home / "refresh.json")
    assert host.run("apply").code == 1
    done = host.run("status")
    assert done.code == 1
    assert f"{path} is a symbolic link or lies in one" in done.out.replace("\n  ", " ")
    assert "refresh has not run yet" not in done.out
    path.unlink()
    (host.home / "refresh.json").rename(path)
    assert host.run("apply").code == 0
    assert host.run("status").code == 0


def test_a_log_file_that_cannot_be_written_costs_the_log_file_alone(host: Host) -> None:
    host.deploy(NAME)
    host.configure(log_file=f"{host.home}/missing/ocsp.log")
    done = host.run("refresh")
    assert done.code == 0
    said = f"the log file {host.home}/missing/ocsp.log cannot be written: No such file or directory"
    assert done.err.startswith(f"{said} [file_error]\n")


def test_what_is_pending_is_told(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    (host.state / "pending" / "web").touch()
    done = host.run("status")
    assert done.code == 1
    assert "web has not been reloaded since its staples changed" in done.out


def test_a_configuration_that_cannot_be_used_is_unknown_to_nagios(host: Host) -> None:
    (host.root / "config.json").write_text("{")
    done = host.run("status", "--nagios")
    assert done.code == 3
    assert done.out.startswith(f"OCSP UNKNOWN - {host.root}/config.json, line 1, column 2: this is not JSON")


def test_a_reader_that_leaves_is_no_error(mixed: Host) -> None:
    script = " ".join(f"'{word}'" for word in mixed.arguments("status"))
    launcher = Path(__file__).resolve().parents[3] / "roles/ocsp_stapling/files/ocsp-stapling"
    environment = {"OCSP_STAPLING_LIB": str(mixed.library), "OCSP_STAPLING_PYTHON": str(mixed.library / "python")}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{{ /bin/sh '{launcher}' {script}; echo $? >&2; }} | :"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() in ("0", "2")


# Tables -------------------------------------------------------------------------------------------


def test_columns_are_as_wide_as_they_must_be() -> None:
    text = tables.table(("A", "LONG"), [[Cell("x"), Cell("1")], [Cell("yyy"), Cell("22", tables.BAD)]], False)
    assert text == "A    LONG\nx    1\nyyy  22\n"
    assert "\x1b[31m22\x1b[0m" in tables.table(("A",), [[Cell("22", tables.BAD)]], True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (86400 + 60, "1d"),
        (90000, "1d 1h"),
        (-3700, "-1h 1m"),
        (10**9, "11574d 1h"),
    ],
)
def test_lengths_of_time(seconds: int, text: str) -> None:
    assert tables.duration(seconds) == text


# Check --------------------------------------------------------------------------------------------


def test_files_are_judged_by_hand(host: Host, tmp_path: Path) -> None:
    leaf = host.issue(NAME)
    issuer = forge.world().issuer
    (tmp_path / "leaf.pem").write_bytes(leaf.pem)
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    for name, maker in (("good", hosts.good), ("forged", hosts.forged)):
        (tmp_path / f"{name}.der").write_bytes(maker(leaf, host.now))
    given = ["--certificate", f"{tmp_path}/leaf.pem", "--issuer", f"{tmp_path}/ca.pem"]
    done = host.run("check", *given, f"{tmp_path}/good.der")
    assert done.code == 0
    assert done.out.startswith(f"{tmp_path}/good.der: good\n  certificate:  CN={NAME},O=Forge\n  status:       good\n")
    done = host.run("check", *given, f"{tmp_path}/good.der", f"{tmp_path}/forged.der")
    assert done.code == 1
    assert f"\n{tmp_path}/forged.der: refused\n" in done.out
    assert "[bad_signature]" in done.out
    found = json.loads(host.run("check", "--json", *given, f"{tmp_path}/good.der").out)
    assert found[0]["acceptable"] is True
    assert found[0]["certificate_status"] == "good"


def test_the_certificate_of_a_known_file_is_known(host: Host) -> None:
    host.deploy(NAME)
    host.hour()
    assert host.run("check", str(host.responses / f"{NAME}.der")).code == 0
    assert host.run("check", str(host.root / "live" / NAME / "ocsp.der")).code == 0
    (host.root / "config.json").unlink()
    assert host.run("check", str(host.root / "live" / NAME / "ocsp.der")).code == 0
    done = host.run("check", str(host.responses / f"{NAME}.der"))
    assert (done.code, done.err) == (1, "")
    assert "nobody knows which certificate it is about; give it with --certificate" in done.out.replace("\n   ", "")


def test_each_file_has_a_verdict(host: Host, tmp_path: Path) -> None:
    host.deploy(NAME)
    host.hour()
    good, missing, foreign = f"{host.responses}/{NAME}.der", "/nonexistent", f"{tmp_path}/foreign"
    Path(foreign).write_text("root:x:0:0\n")
    done = host.run("check", foreign, missing, good)
    assert (done.code, done.err) == (1, "")
    assert [text.split("\n")[0] for text in done.out.split("\n\n")] == [
        f"{foreign}: cannot be judged",
        f"{missing}: cannot be judged",
        f"{good}: good",
    ]
    found = json.loads(host.run("check", "--json", foreign, missing, good).out)
    assert [(one["path"], one["acceptable"], one.get("code")) for one in found] == [
        (foreign, False, "bad_input"),
        (missing, False, "bad_input"),
        (good, True, None),
    ]


def test_a_file_that_is_not_there(host: Host, tmp_path: Path) -> None:
    leaf = host.issue(NAME)
    (tmp_path / "leaf.pem").write_bytes(leaf.pem + forge.world().issuer.pem)
    missing = f"{tmp_path}/missing.der"
    done = host.run("check", "--certificate", f"{tmp_path}/leaf.pem", missing)
    assert done.code == 1
    assert " ".join(done.out.split()) == f"{missing}: cannot be judged error: {missing} does not exist [bad_input]"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--certificate", "/nonexistent"), "certificate_path: /nonexistent does not exist [bad_input]\n"),
        (("--allow", "everything"), "allow: 'everything' is not one of "),
    ],
)
def test_what_is_given_for_all_files_is_a_matter_of_the_command_line(
    host: Host, words: t.Tuple[str, ...], problem: str
) -> None:
    host.deploy(NAME)
    host.hour()
    done = host.run("check", *words, f"{host.responses}/{NAME}.der")
    assert (done.code, done.out) == (64, "")
    assert done.err.startswith(problem)


# Usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("unheard-of",), ("refresh", "--unheard-of"), ("status", "--json", "--nagios")])
def test_a_command_line_that_is_wrong(host: Host, words: t.Tuple[str, ...]) -> None:
    from ocsp_stapling.cli import main

    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 64


def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    from ocsp_stapling.cli import main

    for words in ((), ("refresh",), ("apply",), ("status",), ("check",), ("reload",)):
        with pytest.raises(SystemExit) as caught:
            main([*words, "--help"])
        assert caught.value.code == 0
    assert "journal-socket" not in capsys.readouterr().out


def test_a_time_that_is_none(host: Host) -> None:
    done = host.run("status", "--now", "noon")
    assert done.code == 64
    assert "--now: 'noon' is not a time" in done.err


@pytest.mark.parametrize("command", ["refresh", "apply", "status", "reload"])
def test_a_configuration_that_is_broken_does_nothing(host: Host, command: str) -> None:
    host.deploy(NAME)
    host.hour()
    host.later(4 * DAY)
    (host.root / "config.json").write_text('{"version": 1,\n "certificats": []}')
    before = (host.requests, host.pieces(NAME), (host.state / "state.json").read_text())
    done = host.run(command)
    assert done.code == 78
    assert done.err == (
        f"{host.root}/config.json, line 2: certificats: this key is not known; did you mean certificates?; "
        "nothing was done\n"
    )
    assert (host.requests, host.pieces(NAME)) == before[:2]
    if command == "apply":
        metrics = (host.state / "metrics" / "ocsp_stapling.prom").read_text()
        assert 'ocsp_stapling_last_run_exit_code{command="apply"} 78\n' in metrics
        assert f'ocsp_stapling_staple_in_place{{name="{NAME}"}} 1\n' in metrics
    else:
        assert (host.state / "state.json").read_text() == before[2]


def test_a_defect_is_one_line_and_shows_its_place_on_request(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.deploy(NAME)

    def defect(*_arguments: t.Any) -> t.NoReturn:
        raise KeyError("x")

    monkeypatch.setattr("ocsp_stapling.commands.Status", defect)
    done = host.run("status")
    assert done.code == 70
    assert done.err == (
        "status met a defect of its own (KeyError: 'x'); what was in place is in place. Please report it with what "
        "the option --debug shows\n"
    )
    assert "Traceback" in host.run("status", "--debug").err


def test_a_program_that_is_not_complete_does_not_seem_to_be_well(host: Host, tmp_path: Path) -> None:
    host.deploy(NAME)
    broken = tmp_path / "lib"
    shutil.copytree(host.library / "ocsp_stapling", broken / "ocsp_stapling")
    shutil.copy(host.library / "python", broken)
    host.library = broken
    done = host.process("refresh")
    assert done.code == 70
    assert done.err == "ocsp-stapling is not completely installed: ModuleNotFoundError: No module named 'ocsp'\n"


def test_the_launcher_starts_it(host: Host) -> None:
    host.deploy(NAME)
    assert host.process("refresh").code == 0
    assert host.process("apply").code == 0
    assert host.process("status").out == host.run("status").out
