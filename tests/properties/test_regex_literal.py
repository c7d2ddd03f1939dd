"""The text that every match of a regular expression must hold."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tocsin.plans.regex_literal import required_literal
from tocsin.rules.regexes import check_regex, searcher

_PIECES = st.sampled_from(
    [
        *(
            "ab",
            "K",
            "ſ",
            "ß",
            ".",
            ".*",
            "x?",
            "y*",
            "z+",
            "c{0}",
            "d{2}",
            "e{1,2}",
            "[a-c]",
            "[^]x]+",
            "[[:alpha:]]",
            "(f|g)",
        ),
        *("(hi)", "(?:jk)?", "(?i)", "\\.", "\\d", "\\\\", "\\(", "^", "$", "|", "\\b", "{", "}", "a{", "(?i:L)", "(?x)m"),
        *("\\Qa|b\\E", "\\Qx*\\E", "\\Q(\\E", "\\x41", "\\x{41}", "\\101", "\\pL", "\\n"),
    ]
)
_TEXTS = st.text(st.sampled_from("abKkſsßcdefghijLlxyz.\\({}1mn "), max_size=12)


@given(st.lists(_PIECES, min_size=1, max_size=5).map("".join), st.sampled_from(("", "i", "s", "im")), st.data())
def test_every_match_holds_it(expression: str, flags: str, data: st.DataObject) -> None:
    """Wherever the expression is found, its text is found, in any case."""
    assume(not check_regex(expression, flags))
    texts = _TEXTS
    with suppress(re.error, FutureWarning):  # RE2 reads more than Python does
        texts |= st.from_regex(re.compile(expression, re.IGNORECASE if "i" in flags else 0))
    text = data.draw(texts)
    if searcher(expression, flags)(text):
        assert required_literal(expression) in text.casefold()


@pytest.mark.parametrize(
    ("expression", "literal"),
    [
        ("(?i)foo.*bar\\\\baz", "bar\\baz"),
        ("a|b", ""),
        ("ab?c{2}defg+h", "defg"),
        ("[a-z]+evil(x|y)test", "evil"),
        ("\\bcmd\\.exe", "cmd.exe"),
        ("colou?r", "colo"),
        ("(?x) a b c d", ""),
        ("[]abc]defg", "defg"),
        ("abc(", ""),
    ],
)
def test_literals(expression: str, literal: str) -> None:
    """The longest run of characters that must stand there."""
    assert required_literal(expression) == literal
