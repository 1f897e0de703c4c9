# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The addresses of a host within a deadline, which the system's resolver does not have."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import typing as t

#: What ``socket.getaddrinfo`` returns for one address: family, type, protocol, name and address.
Address = t.Tuple[t.Any, ...]


#: What waits for the look-ups under way, by what is looked up.
_waiting: t.Dict[t.Tuple[str, int, int], t.List[queue.SimpleQueue[t.Any]]] = {}
_mutex = threading.Lock()


class OutOfTime(Exception):
    """The resolver has not answered in time."""


def look_up(
    host: str,
    port: int,
    seconds: float,
    family: int = socket.AF_UNSPEC,
    found: t.Optional[queue.SimpleQueue[t.Any]] = None,
) -> t.List[Address]:
    """The addresses of a host; an address is returned without asking the resolver.

    Raises OutOfTime after so many ``seconds``, OSError (``socket.gaierror``) where there are none, and whatever another
    thread puts into ``found`` to end the wait.
    """
    kind = socket.SOCK_STREAM
    with contextlib.suppress(socket.gaierror):
        return list(socket.getaddrinfo(host, port, family=family, type=kind, flags=socket.AI_NUMERICHOST))
    answers: queue.SimpleQueue[t.Any] = found if found is not None else queue.SimpleQueue()

    _begin((host, port, family), answers)
    try:
        answer = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise OutOfTime from None
    if isinstance(answer, Exception):
        raise answer
    return list(answer)


def _begin(key: t.Tuple[str, int, int], answers: queue.SimpleQueue[t.Any]) -> None:
    """Have the answer put into a queue when it comes.

    The resolver takes no timeout: it is left behind in its thread when time is up. Whoever looks up the same again
    waits for that thread, as a unit may have so many and no more.
    """
    with _mutex:
        if key in _waiting:
            _waiting[key].append(answers)
            return
        _waiting[key] = [answers]
        try:
            threading.Thread(target=_ask, args=key, daemon=True).start()
        except BaseException:
            del _waiting[key]
            raise


def _ask(host: str, port: int, family: int) -> None:
    answer: t.Any
    try:
        answer = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except Exception as error:
        answer = error
    with _mutex:
        waiting = _waiting.pop((host, port, family))
    for answers in waiting:
        answers.put(answer)
