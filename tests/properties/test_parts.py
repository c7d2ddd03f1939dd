"""Parts of values that matched, against a naive reading of what a pattern is."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from tocsin.plans.expr import Cidr, Glob, Regex
from tocsin.plans.match import glob_matches
from tocsin.plans.parts import LONGEST, parts_of
from tocsin.rules.pattern import ANY, DASH, DASHES, ONE, Pattern, join

LETTERS = "aAbB-/.\\(+$ \n"
TOKENS = st.one_of(st.text(LETTERS, min_size=1, max_size=3), st.sampled_from([ANY, ANY, ONE, DASH]))
PATTERNS = st.lists(TOKENS, min_size=1, max_size=5).map(lambda tokens: join(iter(tokens)))


def runs(pattern: Pattern) -> list[list[str | int]]:
    """Return what stands between two `*`."""
    found: list[list[str | int]] = [[]]
    for token in pattern:
        if token == ANY and isinstance(token, int):
            found.append([])
        else:
            found[-1].extend(token if isinstance(token, str) else [token])
    return [run for run in found if run]


def fits(run: list[str | int], part: str, cased: bool) -> bool:
    """Return whether a part is what a run of characters and wildcards stands for."""
    if len(run) != len(part):
        return False
    for token, char in zip(run, part, strict=True):
        if token == ONE and isinstance(token, int):
            continue
        same = char in DASHES if token == DASH and isinstance(token, int) else token == char
        if not same and (cased or str(token).casefold() != char.casefold()):
            return False
    return True


@given(PATTERNS, st.data(), st.booleans())
def test_parts_are_what_the_pattern_says(pattern: Pattern, data: st.DataObject, cased: bool) -> None:
    """The parts of a text that matches stand in it one after the other, one for each run, the last at its end if it has to."""
    text = "".join(
        data.draw(st.text(LETTERS, max_size=3))
        if token == ANY and isinstance(token, int)
        else data.draw(st.sampled_from(LETTERS if token == ONE else DASHES))
        if isinstance(token, int)
        else token
        for token in pattern
    )
    glob = Glob(pattern, cased)
    assert glob_matches(glob, text)
    parts = parts_of(glob, text)
    if not any(token == ANY and isinstance(token, int) for token in pattern):
        assert parts == ()
        return
    assert len(parts) == len(runs(pattern))
    at = 0
    for part, run in zip(parts, runs(pattern), strict=True):
        assert fits(run, part, cased)
        at = text.index(part, at) + len(part)
    if parts and not (pattern[-1] == ANY and isinstance(pattern[-1], int)):
        assert text.endswith(parts[-1])


@given(PATTERNS, st.text(LETTERS, max_size=8), st.booleans())
def test_no_parts_of_what_does_not_match(pattern: Pattern, text: str, cased: bool) -> None:
    """A text that does not match has no parts."""
    glob = Glob(pattern, cased)
    assert glob_matches(glob, text) or parts_of(glob, text) == ()


def test_expressions_and_others() -> None:
    """Of an expression it is the first text found; what only the whole value can match, or what is huge, has no parts."""
    assert parts_of(Regex("[0-9]+\\.exe", "i"), "a 12.EXE 13.exe") == ("12.EXE",)
    assert parts_of(Regex("x*", ""), "aaa") == ()
    assert parts_of(Regex("(a)(?=b)", ""), "ab") == ()  # needs an engine that can be made to hang
    assert parts_of(Cidr("10.0.0.0/8"), "10.1.2.3") == ()
    assert parts_of(Glob((ANY, "a", ANY), cased=False), "b" * LONGEST + "a") == ()
    assert parts_of(Glob((ANY, string.punctuation, ANY), cased=True), f"x{string.punctuation}x") == (string.punctuation,)
