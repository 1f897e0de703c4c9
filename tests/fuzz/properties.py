# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a target of the fuzzer is, and what must hold for any sentence."""

from __future__ import annotations

import random
import typing as t

#: Characters of one sentence.
LONGEST_MESSAGE = 1000

Plain = t.Callable[[bytes], bytes]


class Violation(Exception):
    """A property that does not hold. ``kind`` is the same for all inputs that break it in the same way."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Target(t.NamedTuple):
    """Something to fuzz.

    ``seeds`` gives inputs to begin with. ``mutate`` changes one by chance; it is given what changes
    plain bytes. ``check`` raises Violation. ``verdict`` is what each version of cryptography must agree
    on. ``files`` are those of the core, or of the program, whose coverage counts.
    """

    seeds: t.Callable[[], dict[str, bytes]]
    mutate: t.Callable[[bytes, random.Random, Plain], bytes]
    check: t.Callable[[bytes], None]
    verdict: t.Callable[[bytes], t.Any]
    files: tuple[str, ...]


def check_message(message: str) -> None:
    if len(message) > LONGEST_MESSAGE:
        raise Violation("a sentence without end", message[:100])
    if not message.isprintable():
        raise Violation("a sentence that cannot be printed", ascii(message))
