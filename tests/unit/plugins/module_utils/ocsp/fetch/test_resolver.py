# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking up names with a resolver that hangs."""

from __future__ import annotations

import socket
import threading
import typing as t

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.fetch import resolver

ADDRESSES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Resolver:
    """That of the system, which answers when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: t.List[str] = []
        self.answer = threading.Event()
        self.failure: t.Optional[Exception] = None
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, _port: int, flags: int = 0, **_options: t.Any) -> t.Any:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        self.asked.append(host)
        assert self.answer.wait(30)
        if self.failure is not None:
            raise self.failure
        return ADDRESSES


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Resolver]:
    found = Resolver(monkeypatch)
    yield found
    found.answer.set()


def test_a_name_is_not_looked_up_by_another_thread_while_one_waits_for_it(system: Resolver) -> None:
    """Each thread is left behind, and a unit may have so many and no more, also for the names of others."""
    for _attempt in range(3):
        with pytest.raises(resolver.OutOfTime):
            resolver.look_up("a.test", 80, 0.01)
    with pytest.raises(resolver.OutOfTime):
        resolver.look_up("b.test", 80, 0.01)
    assert system.asked == ["a.test", "b.test"]
    threading.Timer(0.1, system.answer.set).start()
    assert resolver.look_up("a.test", 80, 30.0) == ADDRESSES
    assert system.asked == ["a.test", "b.test"]
    assert resolver.look_up("a.test", 80, 30.0) == ADDRESSES
    assert system.asked == ["a.test", "b.test", "a.test"]


def test_all_that_wait_are_told_of_a_failure(system: Resolver) -> None:
    system.failure = socket.gaierror(socket.EAI_AGAIN, "try again")
    failures = []

    def wait() -> None:
        with pytest.raises(socket.gaierror) as caught:
            resolver.look_up("c.test", 80, 30.0)
        failures.append(caught.value)

    threads = [threading.Thread(target=wait) for _number in range(4)]
    for thread in threads:
        thread.start()
    system.answer.set()
    for thread in threads:
        thread.join()
    assert failures == [system.failure] * 4


def test_a_thread_that_does_not_begin_keeps_no_name_from_being_looked_up(
    system: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    system.answer.set()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            resolver.look_up("d.test", 80, 30.0)
    assert resolver.look_up("d.test", 80, 30.0) == ADDRESSES
