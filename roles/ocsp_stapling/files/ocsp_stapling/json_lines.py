# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON that knows the line of each of its keys, so that an error can name it."""

from __future__ import annotations

import json
import re
import typing as t

from ocsp.errors import sentence

Path = t.Tuple[t.Union[str, int], ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file, the line and the key."""

    def __init__(self, message: str) -> None:
        super().__init__(sentence(message))


class Unreadable(ConfigError):
    """A configuration that others may be able to use, but not who runs this."""


class Document(t.NamedTuple):
    """A file of JSON: its path, what it holds, and the line of each key and element by its path inside."""

    source: str
    value: t.Any
    lines: t.Mapping[Path, int]

    def fail(self, path: Path, problem: str) -> ConfigError:
        """An error at a key or, where that is missing, at what should hold it."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = f", line {self.lines[known]}" if known in self.lines else ""
        return ConfigError(f"{self.source}{line}: {problem}")


def parse(text: str, source: str) -> Document:
    """Read JSON. Raises ConfigError, also for a key that stands twice in one object.

    A byte order mark, as some editors write it, is passed over (RFC 8259, section 8.1).
    """
    text = text[1:] if text.startswith("\ufeff") else text
    try:
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ConfigError(f"{source}: {half} is half of a character and in no text; correct it") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}, line {error.lineno}, column {error.colno}: {_reason(text, error)}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: this is not usable JSON ({error})") from None
    document = Document(source, value, {(): 1})
    return document._replace(lines=_lines(text, document))


def _refuse(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _reason(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "the file is empty; it must contain at least {}"
    comma = "delimiter" in error.msg or "property name" in error.msg
    hint = "; a comma may be missing, or there may be one too many" if comma else ""
    return f"this is not JSON ({error.msg[0].lower()}{error.msg[1:]}{hint})"


def _lines(text: str, document: Document) -> t.Dict[Path, int]:
    """The line of each key and element of text that is known to be JSON."""
    lines: t.Dict[Path, int] = {(): 1}
    path: t.List[t.Union[str, int]] = []
    wants_key = [False]
    line, position = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", position, token.start())
        position = token.start()
        word = token.group()
        if word in "{[":
            lines.setdefault((*path,), line)
            path.append(0)
            wants_key.append(word == "{")
        elif word in "}]":
            path.pop()
            wants_key.pop()
        elif word == ",":
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
            else:
                wants_key[-1] = True
        elif wants_key[-1] and word[0] == '"':
            path[-1] = json.loads(word)
            wants_key[-1] = False
            if (*path,) in lines:
                raise document._replace(lines={(*path,): line}).fail((*path,), f"{word} is a duplicate key")
            lines[(*path,)] = line
        elif path and isinstance(path[-1], int):
            lines[(*path,)] = line
    return lines
