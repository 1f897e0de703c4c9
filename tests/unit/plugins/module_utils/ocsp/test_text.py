# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import join_words, quoted

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        ([], {}, ""),
        (["a"], {}, "a"),
        (["a", "b"], {}, "a and b"),
        (("a", "b", "c"), {}, "a, b and c"),
        (iter(["a", "b", "c"]), {"conjunction": "or"}, "a, b or c"),
        (["a", "b"], {"most": 2}, "a and b"),
        (["a", "b", "c", "d"], {"most": 2}, "a, b and 2 more"),
    ],
)
def test_words_in_a_sentence(words: t.Iterable[str], options: t.Dict[str, t.Any], expected: str) -> None:
    assert join_words(words, **options) == expected


@pytest.mark.parametrize("name", ["web", "Mail (all.yml)", 'Mary\'s "new" shop', "C:\\shop", "#1", "''"])
def test_a_quoted_name_is_one_that_yaml_reads(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(f"owner: {quoted(name)}") == {"owner": name}


def test_no_message_joins_words_by_itself() -> None:
    """Three of them would be "a and b and c"."""
    files = [
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "roles").rglob("*.py"),
        *(ROOT / "roles").rglob("*.yml"),
        *(ROOT / "playbooks").rglob("*.j2"),
    ]
    joined = re.compile(r"""(['"]) (?:and|or) \1\.join|join\(['"] (?:and|or) ['"]\)""")
    assert len(files) > 100
    assert not [str(path.relative_to(ROOT)) for path in files if joined.search(path.read_text(encoding="utf-8"))]
