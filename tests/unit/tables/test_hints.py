"""Hints leave out files that cannot have what is looked for, and never one that can."""

from __future__ import annotations

import json
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.tables.hints import json_hints, may_have, sql_hints

BOUNDS = {
    "day": ("2030-01-01", "2030-01-31"),
    "port": (10, 20),
    "site": ("b", "d"),
    "at": ("2030-01-01T00:00:00.000000+00:00", "2030-01-02T00:00:00.000000+00:00"),
}
SIGNS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "<>": operator.ne}
NAMES = {"=": "equal", "<": "lessThan", "<=": "lessThanOrEqual", ">": "greaterThan", ">=": "greaterThanOrEqual"}


def comparison(sign: str, column: str, value: Any, kind: str = "int") -> dict[str, Any]:
    """Return a comparison in the form of hints in JSON."""
    sides = [{"op": "column", "name": column, "valueType": kind}, {"op": "literal", "value": str(value), "valueType": kind}]
    return {"op": NAMES[sign], "children": sides}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = 15", True),
        ("port = 21", False),
        ("port < 10", False),
        ("port <= 10", True),
        ("port > 20", False),
        ("port >= 20 AND port < 99", True),
        ("port >= 10 AND port < 10", False),
        ("site = 'c'", True),
        ("site = 'e'", False),
        ("`site` > 'd'", False),
        ("site = 'it''s'", False),
        ("site = 'a' AND port = 15", True),
        ("port <> 15", True),
        ("port = 'x'", True),
        ("site = 5", True),
        ("other = 5", True),
        ("port = 99 OR port = 15", True),
        ("port = 15 OR site = 'e'", True),
        ("port = 15 OR port = 99 AND port = 98", True),
        ("port = 15 -- AND port = 99", True),
        ("port BETWEEN 1 AND 99", True),
        ("NOT (port = 1 AND port = 99)", True),
        ("upper(site) = 'C' AND port = 99", True),
        ("day = '2030-01-31 00:00:00'", True),
        ("day = '2030-01-31'", True),
        ("day = '2030-02-01'", False),
        ("at = '2030-01-01'", True),
        ("NOT port = 15", True),
        ("port IN (99)", True),
        ("port = 15; DROP TABLE logons", True),
        ("at > '2031-01-01'", True),
        ("", True),
        ("=", True),
        ("' AND '", True),
    ],
)
def test_what_a_hint_in_sql_leaves_out(text: str, expected: bool) -> None:
    """A comparison that is understood may leave a file out; anything else leaves out nothing."""
    assert may_have(sql_hints([text]), BOUNDS) is expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (comparison("=", "port", 99), False),
        (comparison("=", "port", 15, "long"), True),
        (comparison("=", "port", 99, "float"), True),
        (comparison("=", "port", "x"), True),
        (comparison(">", "at", "2031-01-01T00:00:00Z", "timestamp"), False),
        (comparison(">", "at", "2030-01-01T12:00:00", "timestamp"), True),
        ({"op": "and", "children": [comparison("=", "port", 15), comparison("=", "site", "x", "string")]}, False),
        ({"op": "or", "children": [comparison("=", "port", 99), comparison("=", "site", "c", "string")]}, True),
        ({"op": "or", "children": [comparison("=", "port", 99), comparison("=", "site", "x", "string")]}, False),
        ({"op": "or", "children": [comparison("=", "port", 99), {"op": "unknown"}]}, True),
        ({"op": "or", "children": []}, True),
        ({"op": "not", "children": [comparison("=", "port", 15)]}, True),
        ({"op": "equal", "children": [1, 2]}, True),
        ({"op": "and", "children": "x"}, True),
        ([], True),
        (None, True),
    ],
)
def test_what_a_hint_in_json_leaves_out(node: Any, expected: bool) -> None:
    """Trees of comparisons may leave a file out; what is not understood leaves out nothing."""
    assert may_have(json_hints(json.dumps(node)), BOUNDS) is expected


def test_hostile_hints_leave_out_nothing() -> None:
    """Hints that are no JSON, too deep or too long are left alone."""
    deep = '{"op":"and","children":[' * 5000 + "]}" * 5000
    for text in ("", "{", deep, "x" * 100_000, "[" * 100_000):
        assert may_have(json_hints(text), BOUNDS)
    assert may_have(sql_hints(["port = 15" + " AND port = 15" * 100_000]), BOUNDS)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6), st.sampled_from(sorted(SIGNS)), st.integers(-6, 6))
def test_no_file_with_a_fitting_row_is_left_out(values: list[int], sign: str, wanted: int) -> None:
    """For any values and comparison, a file with a row that fits stays, by SQL and by JSON."""
    bounds = {"port": (min(values), max(values))}
    if any(SIGNS[sign](value, wanted) for value in values):
        assert may_have(sql_hints([f"port {sign} {wanted}"]), bounds)
        if sign in NAMES:
            assert may_have(json_hints(json.dumps(comparison(sign, "port", wanted))), bounds)
