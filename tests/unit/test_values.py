"""Values: their texts and cells, and the way to a field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events import cell_column
from tocsin.events.values import decode, elements, encode, find, scalar_text, walk_scalars

_SCALAR = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"]))
)
_VALUE = st.recursive(_SCALAR, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@given(_VALUE | st.sampled_from(("\0", "\0n", "\0l[]", "\0s", "", [], [None], [[]])))
def test_round_trip(value: object) -> None:
    """A value that went through a cell, and through a column, has the same elements."""
    assert decode(encode(value)) == elements(value)
    column = cell_column([encode(value), None])
    assert decode(column[0].as_py()) == elements(value)
    assert column[1].as_py() is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.5, "1.5"),
        (None, None),
        ("x", "x"),
        (10**30, str(10**30)),
        ({"a": 1}, '{"a":1}'),
        (b"a\xff", "a\ufffd"),
    ],
)
def test_scalar_text(value: object, text: str | None) -> None:
    """Each kind of value has the text by which rules compare it."""
    assert scalar_text(value) == text


def test_text_of_an_object_with_a_large_number() -> None:
    """An object with a number of more than 64 bits has a text as any other."""
    assert scalar_text({"a": 10**30}) == '{"a":1000000000000000000000000000000}'


def test_find() -> None:
    """The literal key comes first, then the nested path, through lists too."""
    fields = {"a.b": 1, "a": {"b": 2, "c": [{"d": 3}, {"d": 4}, {}]}, "n": None}
    assert find(fields, "a.b") == (True, 1)
    assert find(fields, "a.c.d") == (True, [3, 4])
    assert find(fields, "n") == (True, None)
    assert find(fields, "a.x") == (False, None)
    assert find(fields, "x") == (False, None)


def test_walk() -> None:
    """Keywords search every scalar, depth first, without null."""
    assert list(walk_scalars({"a": [1, {"b": "x"}, None], "c": True})) == ["1", "x", "true"]
