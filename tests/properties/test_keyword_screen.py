"""The keyword screen keeps every row that could match."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.values import walk_scalars
from tocsin.sources.screen import FOLDING_TO_ASCII, KeywordScreen

_NEEDLES = st.lists(st.sampled_from(("mimikatz", "kelvin", "strasse", "file", "a.b*c", "-enc", "sss")), min_size=1, max_size=3)
_TEXT = st.text(alphabet='kKelvin\u212aſßﬁlemat z\\"-c.*abI\u0130\n\x00😀é', max_size=12)


def test_folding_to_ascii_is_complete() -> None:
    """Every character beyond ASCII whose folding holds an ASCII character is listed, and no other."""
    found = [chr(code) for code in range(128, sys.maxunicode + 1) if any(c.isascii() for c in chr(code).casefold())]
    assert list(FOLDING_TO_ASCII) == found


@given(
    _NEEDLES,
    st.lists(st.dictionaries(_TEXT, _TEXT | st.lists(_TEXT, max_size=2), max_size=3), max_size=5),
    st.booleans(),
    st.data(),
)
def test_rows_with_a_needle_are_kept(needles: list[str], rows: list[dict], ascii_only: bool, data: st.DataObject) -> None:
    """A row of which some value holds a needle after folding is kept, as bytes and as text, escaped or not."""
    for row in rows:
        if data.draw(st.booleans()):
            needle = data.draw(st.sampled_from(needles))
            swapped = needle.replace("ss", "ß").replace("k", "\u212a") if data.draw(st.booleans()) else needle.upper()
            row["more"] = data.draw(_TEXT) + swapped + data.draw(_TEXT)
    raws = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    kept = KeywordScreen(tuple(needles)).rows(raws)
    assert kept == KeywordScreen(tuple(needles)).rows([raw.encode() for raw in raws])
    for number, row in enumerate(rows):
        if any(needle in text.casefold() for text in walk_scalars(row) for needle in needles):
            assert number in kept, raws[number]


@pytest.mark.parametrize("char", FOLDING_TO_ASCII)
def test_each_folding_character(char: str) -> None:
    """A row with any of the characters, written or escaped, is kept."""
    for raw in (json.dumps({"a": char}), json.dumps({"a": char}, ensure_ascii=False)):
        assert KeywordScreen(("nothing",)).rows([raw]) == {0}


@given(st.lists(st.sampled_from(("mimikatz", "x", "", "\u212a")), min_size=1, max_size=12))
def test_rows_are_told_apart(words: list[str]) -> None:
    """Just the rows with the needle, or with a character that may stand for part of it, are kept."""
    raws = [f'{{"a":"{word}"}}' for word in words]
    kept = KeywordScreen(("mimikatz",)).rows(raws)
    assert kept == {number for number, word in enumerate(words) if word in ("mimikatz", "\u212a")}


def test_no_needles_keep_all() -> None:
    """Without needles nothing can be left out."""
    assert KeywordScreen(()).rows(["a", "b"]) == {0, 1}
