"""Patterns match as a naive regular expression does, and witnesses never miss."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.engine import prefilter
from tocsin.engine.cells import Cell
from tocsin.engine.prefilter import FieldFilter
from tocsin.events import Event, Gate
from tocsin.events.values import encode
from tocsin.plans.explain import holds
from tocsin.plans.expr import And, Atom, Constant, Exists, Expr, Glob, Not, Null, Or, Plan, Regex
from tocsin.plans.match import glob_matches, glob_test
from tocsin.plans.witness import find_witness
from tocsin.rules.condition import Name
from tocsin.rules.pattern import ANY, DASH, DASHES, ONE, Pattern, join, mark_dashes, parse_pattern, write_pattern
from tocsin.rules.rule import Logsource, Meta

_TEXTS = st.text(alphabet="ab.\\-/–x\n*?ßK\u212a[]^$", max_size=10)
_TOKENS = st.lists(st.sampled_from(("a", "b", "ab", "x.", "\n", "\\", "ß", "K", "[", "-", ANY, ANY, ONE, DASH)), max_size=6)
PATTERNS = _TOKENS.map(lambda tokens: join(iter(tokens)))


def naive(pattern: Pattern, cased: bool, text: str) -> bool:
    """Match by one regular expression, straight from the definition."""
    parts = []
    for token in pattern:
        if isinstance(token, str):
            parts.append(re.escape(token if cased else token.casefold()))
        else:
            parts.append({ANY: ".*", ONE: ".", DASH: f"[{DASHES}]".replace("-", "\\-", 1)}[token])
    return re.fullmatch("".join(parts), text if cased else text.casefold(), re.DOTALL) is not None


@given(PATTERNS, st.lists(_TEXTS, min_size=1, max_size=8), st.booleans())
def test_glob(pattern: Pattern, texts: list[str], cased: bool) -> None:
    """The test of a pattern is the naive expression, cased or folded."""
    for text in texts:
        assert glob_matches(Glob(pattern, cased), text) == naive(pattern, cased, text)


@given(PATTERNS, st.data())
def test_glob_on_what_it_describes(pattern: Pattern, data: st.DataObject) -> None:
    """A text made from the pattern matches; with a character more at either end only where a wildcard is."""
    made = "".join(
        token
        if isinstance(token, str)
        else data.draw({ANY: _TEXTS, ONE: st.sampled_from("ab\n"), DASH: st.sampled_from(DASHES)}[token])
        for token in pattern
    )
    test = glob_test(pattern, True)
    assert test(made)
    for text in (made + "~", "~" + made, made[1:], made[:-1]):
        assert test(text) == naive(pattern, True, text)


@given(st.text(alphabet="ab\\*?", max_size=8), st.lists(_TEXTS, max_size=6))
@example("\\*", ["*", "\\*"])
@example("\\\\*", ["\\", "\\x"])
@example("a\\b", ["a\\b"])
@example("\\\\", ["\\", "\\\\"])
@example("a\\", ["a\\"])
def test_written_patterns_read_the_same(text: str, others: list[str]) -> None:
    """A pattern that is written for the screen matches the same texts when it is read again."""
    pattern = parse_pattern(text)
    again = parse_pattern(write_pattern(pattern))
    for other in (*others, text):
        assert glob_matches(Glob(again), other) == glob_matches(Glob(pattern), other)


@given(st.text(alphabet="a-/ *?\\", max_size=8))
def test_dashes_match_what_they_stand_for(text: str) -> None:
    """Marked dashes match the text itself and each variant with another dash in their places."""
    pattern = parse_pattern(text)
    marked = mark_dashes(pattern)
    assert len([token for token in marked if token == DASH and isinstance(token, int)]) <= text.count("-") + text.count("/")
    for dash in DASHES:
        variant = "".join(t if isinstance(t, str) else {ANY: "zz", ONE: "z", DASH: dash}[t] for t in marked)
        assert glob_matches(Glob(marked), variant)


_ATOMS: st.SearchStrategy[Expr] = st.builds(
    Atom,
    st.sampled_from(("f", "g", "missing")),
    st.one_of(
        st.builds(Glob, PATTERNS, st.booleans()),
        st.just(Null()),
        st.just(Exists()),
        st.sampled_from((Regex("a+b"), Regex("^x?$"), Regex("B", "i"))),
    ),
)
_EXPRS = st.recursive(
    _ATOMS | st.booleans().map(Constant),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)


def _holds(expr: Expr, event: Event) -> bool:
    return holds(Plan(Meta("", ""), Logsource("windows"), {"s": expr}, Name("s")), event)


@given(_EXPRS, st.dictionaries(st.sampled_from(("f", "g")), _TEXTS | st.none() | st.lists(_TEXTS, max_size=2)))
def test_witness(expr: Expr, fields: dict) -> None:
    """Wherever an expression holds, a test of its witness holds; an expression that never holds has none to hold."""
    event = Event(Gate("windows", "x", "1"), fields, fields)
    witness = find_witness(expr)
    if witness is not None and _holds(expr, event):
        assert any(_holds(atom, event) for atom in witness.atoms)


_VALUES = _TEXTS | st.none() | st.lists(_TEXTS, max_size=3)


@pytest.mark.parametrize("searches", [0, 3000])
@given(st.lists(_ATOMS | _ATOMS.map(Not), min_size=1, max_size=12), st.lists(_VALUES, min_size=1, max_size=4))
def test_prefilter(searches: int, atoms: list, values: list) -> None:
    """Whatever test holds on a value, the value makes its rule a candidate, searched one by one or all at once."""
    mine = [Not(Atom("f", a.part.test)) if isinstance(a, Not) else Atom("f", a.test) for a in atoms]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefilter, "_SEARCHES", searches)
        patch.setattr(prefilter, "_FEW", 0)
        known = FieldFilter([(atom, 1 << bit) for bit, atom in enumerate(mine)])
        together = known.masks([encode(value) for value in values])
        alone = [known.mask(Cell(encode(value), 0)) for value in values]
    for value, *masks in zip(values, together, alone, strict=True):
        event = Event(Gate("windows", "x", "1"), {"f": value}, {})
        for bit, atom in enumerate(mine):
            if _holds(atom, event):
                assert all(mask >> bit & 1 for mask in masks), atom
