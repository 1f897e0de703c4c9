# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events where they are read: fields in the journal, lines elsewhere, and never an error of the run."""

from __future__ import annotations

import os
import socket
import struct
import typing as t
from datetime import datetime
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ocsp_stapling import events
from ocsp_stapling.events import CRITICAL, DEBUG, INFO, WARNING, Event, Log

EVENT = Event("failed", "it is down", WARNING, "unreachable", "www.example.com", "nginx")
LINE = "www.example.com: it is down [unreachable]"


@pytest.fixture
def listen(tmp_path: Path) -> t.Iterator[t.Callable[[str], socket.socket]]:
    """Makes sockets of a journal or of syslog."""
    opened = []

    def make(name: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(tmp_path / name))
        sock.setblocking(False)
        opened.append(sock)
        return sock

    yield make
    for sock in opened:
        sock.close()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., Log]]:
    """Makes logs that find these sockets."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    made = []

    def make(**options: bool) -> Log:
        made.append(Log(str(tmp_path / "journal"), str(tmp_path / "syslog"), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def fields(entry: bytes) -> t.Dict[str, str]:
    """Read the journal's native protocol."""
    found = {}
    while entry:
        line, _separator, entry = entry.partition(b"\n")
        name, separator, value = line.partition(b"=")
        if not separator:
            (length,) = struct.unpack("<Q", entry[:8])
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_has_a_field_for_each_part(
    listen: t.Callable[[str], socket.socket],
    log: t.Callable[..., Log],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    journal = listen("journal")
    log().emit(EVENT)
    assert fields(journal.recv(65536)) == {
        "MESSAGE": LINE,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "ocsp-stapling",
        "SYSLOG_FACILITY": "3",
        "OCSP_EVENT": "failed",
        "OCSP_CODE": "unreachable",
        "OCSP_CERTIFICATE": "www.example.com",
        "OCSP_SERVICE": "nginx",
    }
    assert capsys.readouterr().err == ""


def test_a_name_with_a_line_break_forges_no_field(
    listen: t.Callable[[str], socket.socket], log: t.Callable[..., Log]
) -> None:
    journal = listen("journal")
    log().emit(Event("run", "one\nPRIORITY=0", certificate="a\nOCSP_CODE=forged"))
    found = fields(journal.recv(65536))
    assert found["MESSAGE"] == "a OCSP_CODE=forged: one PRIORITY=0"
    assert found["OCSP_CERTIFICATE"] == "a\nOCSP_CODE=forged"
    assert found["PRIORITY"] == "6"
    assert "OCSP_CODE" not in found


def test_without_a_journal_there_is_syslog(
    listen: t.Callable[[str], socket.socket], log: t.Callable[..., Log], capsys: pytest.CaptureFixture[str]
) -> None:
    syslog = listen("syslog")
    one = log()
    one.emit(EVENT)
    one.emit(Event("run", "done"))
    assert syslog.recv(65536) == f"<28>ocsp-stapling[{os.getpid()}]: {LINE}".encode()
    assert syslog.recv(65536) == f"<30>ocsp-stapling[{os.getpid()}]: done".encode()
    assert capsys.readouterr().err == f"{LINE}\n"


def test_without_both_there_is_the_standard_error(
    log: t.Callable[..., Log], capsys: pytest.CaptureFixture[str]
) -> None:
    one = log()
    one.emit(EVENT)
    one.emit(Event("run", "done", INFO))
    one.emit(Event("run", "a detail", DEBUG))
    assert capsys.readouterr().err == f"{LINE}\ndone\n"
    log(debug=True).emit(Event("run", "a detail", DEBUG))
    assert capsys.readouterr().err == "a detail\n"
    one = log(quiet=True)
    one.emit(EVENT)
    one.emit(Event("run", "done", INFO))
    assert capsys.readouterr().err == f"{LINE}\n"


def test_a_journal_that_went_away_is_no_error(
    listen: t.Callable[[str], socket.socket], log: t.Callable[..., Log]
) -> None:
    journal = listen("journal")
    one = log()
    journal.close()
    one.emit(EVENT)
    assert one.events == [EVENT]


def test_a_message_is_one_line_of_bounded_length() -> None:
    line = Event("run", "a\nb\tc\x1b[31m\u202e" + "x" * 10000).line
    assert line.startswith("a b c?[31m?x")
    assert len(line) == 4000


# Log files ---------------------------------------------------------------------------------------


def test_a_log_file(tmp_path: Path, log: t.Callable[..., Log]) -> None:
    path = tmp_path / "log"
    for _run in range(2):
        one = log()
        assert one.open_file(str(path)) == ""
        one.emit(EVENT)
        one.close()
    first, second = path.read_text().splitlines()
    moment, _separator, text = first.partition(" ")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert text == f"warning: {LINE}"
    assert second.endswith(text)
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_time_in_the_name_of_a_log_file() -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7)
    name = events.log_file_name("/var/log/{year}-{month}-{day}/{hour}{minute}{second}{other}.log", moment)
    assert name == "/var/log/2026-03-04/050607{other}.log"


def test_a_log_file_that_leads_elsewhere_is_left_alone(tmp_path: Path, log: t.Callable[..., Log]) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "link").symlink_to("victim")
    os.link(tmp_path / "victim", tmp_path / "second-name")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "second-name", "folder", "fifo", "missing/log"):
        one = log()
        problem = one.open_file(str(tmp_path / name))
        assert problem.startswith(f"the log file {tmp_path}/{name} cannot be written: ")
        one.emit(Event("run", "done", CRITICAL))
    assert (tmp_path / "victim").read_text() == "untouched"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
def test_a_folder_of_logs_that_leads_elsewhere_is_left_alone(tmp_path: Path, log: t.Callable[..., Log]) -> None:
    """The user of refresh owns the folder of logs, and what is in it."""
    logs = tmp_path / "logs"
    for folder in (logs, tmp_path / "elsewhere"):
        folder.mkdir()
    os.chown(logs, 4711, 4711)
    (logs / "2026").symlink_to(tmp_path / "elsewhere")
    os.lchown(logs / "2026", 4711, 4711)
    assert "belongs to a different user than the link" in log().open_file(str(logs / "2026" / "ocsp.log"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@AS_ROOT
def test_both_users_write_to_one_log_file(tmp_path: Path, log: t.Callable[..., Log]) -> None:
    os.chown(tmp_path, 4711, 4711)
    assert log().open_file(str(tmp_path / "log")) == ""
    assert (tmp_path / "log").stat().st_uid == 4711
