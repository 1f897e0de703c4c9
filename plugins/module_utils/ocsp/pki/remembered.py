# Copyright (c) 2026, certops.ocsp contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What was found out about certificates, kept by their content for as long as the program runs.

A certificate is read again for each of the things that are done with it, and the answer is kept without it: whoever
writes into a folder that is searched may put many large ones there.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t

Answer = t.TypeVar("Answer")


class Digested(t.Protocol):
    """A certificate, as far as this module is concerned."""

    @property
    def digest(self) -> bytes: ...  # pragma: no cover


def fingerprint(data: bytes) -> bytes:
    """What tells octets from others: by BLAKE2, as the policy of a host can forbid what OpenSSL computes."""
    return hashlib.blake2b(data, digest_size=32).digest()


class Memory(t.Generic[Answer]):
    """At most so many answers. All are forgotten at once, which threads may share without a lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: t.Dict[bytes, Answer] = {}

    def get(self, key: bytes) -> t.Optional[Answer]:
        return self._answers.get(key)

    def keep(self, key: bytes, answer: Answer) -> Answer:
        """Remember an answer, and return it."""
        if len(self._answers) >= self._most:
            self._answers.clear()
        self._answers[key] = answer
        return answer

    def clear(self) -> None:
        self._answers.clear()


class Remembered(t.Generic[Answer]):
    """A function of certificates whose last answers are remembered. What it raises is not."""

    def __init__(self, function: t.Callable[..., Answer], most: int) -> None:
        self._function = function
        self._memory: Memory[Answer] = Memory(most)
        functools.update_wrapper(self, function)

    def __call__(self, *certificates: Digested) -> Answer:
        key = b"".join([one.digest for one in certificates])
        answer = self._memory.get(key)
        return self._memory.keep(key, self._function(*certificates)) if answer is None else answer

    def cache_clear(self) -> None:
        """As that of ``functools.lru_cache``."""
        self._memory.clear()


def remembered(most: int) -> t.Callable[[t.Callable[..., Answer]], Remembered[Answer]]:
    """Remember so many answers of a function of certificates, none of which may be None."""
    return lambda function: Remembered(function, most)


#: Octets of what is kept: a certificate in use has 2000, and its names and its key have a few hundred.
_LONGEST = 8192

_Function = t.TypeVar("_Function", bound=t.Callable[..., t.Any])


def remembered_if_short(most: int) -> t.Callable[[_Function], _Function]:
    """As ``functools.lru_cache``, but nothing is kept of what is long: neither of octets, nor of certificates.

    Names, keys and certificates may have half a mebibyte, and each of a thousand files may have its own.
    """

    def decorate(function: _Function) -> _Function:
        known = functools.lru_cache(maxsize=most)(function)

        @functools.wraps(function)
        def answer(*given: t.Any, **named: t.Any) -> t.Any:
            return (known if _length(given) <= _LONGEST else function)(*given, **named)

        answer.cache_clear = known.cache_clear  # type: ignore[attr-defined]
        return t.cast("_Function", answer)

    return decorate


def _length(value: t.Any) -> int:
    """How many octets there are in a value."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, tuple):
        return sum(map(_length, value))
    return len(getattr(value, "der", b""))
