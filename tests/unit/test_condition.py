"""Conditions: precedence, quantifiers, and what is no condition."""

from __future__ import annotations

import pytest

from tocsin.errors import RuleError
from tocsin.rules.condition import has_not, parse_condition, write_condition

NAMES = ("sel", "sel_a", "sel_b", "filter_x", "_hidden", "not_me")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sel", "sel"),
        ("sel or sel_a and not sel_b", "sel or sel_a and not sel_b"),
        ("(sel or sel_a) and sel_b", "(sel or sel_a) and sel_b"),
        ("not not sel", "sel"),
        ("NOT sel AND sel_a OR sel_b", "not sel and sel_a or sel_b"),
        ("not (sel and sel_a)", "not (sel and sel_a)"),
        ("1 of sel_*", "sel_a or sel_b"),
        ("any of sel_*", "sel_a or sel_b"),
        ("all of sel_*", "sel_a and sel_b"),
        ("1 of filter*", "filter_x"),
        ("all of them", "sel and sel_a and sel_b and filter_x and not_me"),
        ("sel and not 1 of sel_*", "sel and not (sel_a or sel_b)"),
        ("1 of _*", "_hidden"),
        ("not_me and(sel)", "not_me and sel"),
        ("  sel\n and sel_a ", "sel and sel_a"),
    ],
)
def test_parse(text: str, written: str) -> None:
    """A condition is read with the right precedence, and written with the fewest parentheses."""
    tree = parse_condition(text, NAMES)
    assert write_condition(tree) == written
    assert parse_condition(written, NAMES) == tree
    assert has_not(tree) == ("not " in written)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "R020"),
        ("sel and", "R020"),
        ("and sel", "R020"),
        ("(sel", "R020"),
        ("sel)", "R020"),
        ("sel sel_a", "R020"),
        ("1 of", "R020"),
        ("not", "R020"),
        ("()", "R020"),
        ("missing", "R021"),
        ("1 of none*", "R021"),
        ("sel | count() > 5", "R022"),
    ],
)
def test_errors(text: str, code: str) -> None:
    """What is no condition has the code that says why."""
    with pytest.raises(RuleError) as caught:
        parse_condition(text, NAMES)
    assert caught.value.code == code
