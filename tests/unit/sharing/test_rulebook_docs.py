"""The page on rulebooks lists every key."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.sharing.parse_rulebook import KEYS

PAGE = (Path(__file__).resolve().parents[3] / "docs/rulebook.md").read_text()


def test_every_key_is_explained() -> None:
    """Each key of the file stands in the first column of a table, or in the text of groups, members and purposes."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)
    told_in_text = set(re.findall(r"`([a-z_]+)(?:: true)?`", PAGE))
    for part, keys in KEYS.items():
        listed = set(rows) if part in ("", "organisations", "relations", "markings", "rules") else told_in_text
        assert set(keys) - {"expires"} <= listed, part
    assert "expires" in rows


def test_no_key_is_explained_that_does_not_exist() -> None:
    """What the tables list is read."""
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert rows - {"unmarked"} <= {key for keys in KEYS.values() for key in keys}
