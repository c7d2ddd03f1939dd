"""Expressions compiled to functions of a row of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from tocsin.engine.cells import Cell
from tocsin.errors import RegexTimeout
from tocsin.plans.expr import And, Atom, Cidr, Constant, Exists, Expr, Glob, Not, Null, Or, Reference, Regex, TimePart
from tocsin.plans.match import TextTest, compare_texts, text_test
from tocsin.rules.pattern import ANY, Pattern


class Row(Protocol):
    """The cells of a row, by the place of their field in the view."""

    def __getitem__(self, at: int, /) -> Cell:
        """Return a cell."""
        ...


RowTest = Callable[[Row], bool]
CellTest = Callable[[Cell], bool]
_REMEMBERED: Final = (Regex, Cidr, TimePart)


def compile_expr(expr: Expr, index: Mapping[str, int]) -> RowTest:
    """Return the function of a row that an expression stands for. `index` gives each field's place in the row."""
    if isinstance(expr, Constant):
        value = expr.value
        return lambda row: value
    if isinstance(expr, Not):
        part = compile_expr(expr.part, index)
        return lambda row: not part(row)
    if isinstance(expr, And):
        return _all([compile_expr(part, index) for part in expr.parts])
    if isinstance(expr, Or):
        return _any(_grouped(expr, index))
    return _atom(expr, index)


def _all(parts: list[RowTest]) -> RowTest:
    def test(row: Row) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is faster than a generator here
            if not part(row):
                return False
        return True

    return test


def _any(parts: list[RowTest]) -> RowTest:
    if len(parts) == 1:
        return parts[0]

    def test(row: Row) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is faster than a generator here
            if part(row):
                return True
        return False

    return test


def _atom(atom: Atom, index: Mapping[str, int]) -> RowTest:
    at = index[atom.field]
    if isinstance(atom.test, Reference):
        return _reference(at, index[atom.test.other], atom.test)
    test = cell_test(atom)
    return lambda row: test(row[at])


def cell_test(atom: Atom) -> CellTest:
    """Return the test of an atom on one cell: true when any of its elements passes (semantics 7)."""
    test = atom.test
    if isinstance(test, Null):
        return lambda cell: cell.empty
    if isinstance(test, Exists):
        return lambda cell: cell.present
    check, folded = text_test(test)
    return _remembering(check, id(check)) if isinstance(test, _REMEMBERED) else _on_texts(check, folded)


def _on_texts(check: TextTest, folded: bool) -> CellTest:
    if folded:
        return lambda cell: any(map(check, cell.folds))
    return lambda cell: any(map(check, cell.texts))


def _remembering(check: TextTest, key: int) -> CellTest:
    def test(cell: Cell) -> bool:
        found = cell.known.get(key)
        if found is None:
            try:
                found = any(map(check, cell.texts))
            except RegexTimeout as error:
                found = error
            cell.known[key] = found
        if isinstance(found, RegexTimeout):
            raise found
        return found

    return test


def _reference(at: int, other: int, test: Reference) -> RowTest:
    def matches(row: Row) -> bool:
        left, right = row[at], row[other]
        if test.cased:
            return any(compare_texts(test.how, a, b) for a in left.texts for b in right.texts)
        return any(compare_texts(test.how, a, b) for a in left.folds for b in right.folds)

    return matches


def _grouped(expr: Or, index: Mapping[str, int]) -> list[RowTest]:
    """Join the folded patterns of one field into one test: a set, a tuple of endings, of beginnings, of needles."""
    groups: dict[tuple[int, str], list[str]] = {}
    rest: list[RowTest] = []
    for part in expr.parts:
        shape = _shape(part)
        if shape and isinstance(part, Atom):
            groups.setdefault((index[part.field], shape[0]), []).append(shape[1].casefold())
        else:
            rest.append(compile_expr(part, index))
    return [_group(at, kind, texts) for (at, kind), texts in groups.items()] + rest


def _shape(part: Expr) -> tuple[str, str] | None:
    if not isinstance(part, Atom) or not isinstance(part.test, Glob) or part.test.cased:
        return None
    pattern: Pattern = part.test.pattern
    texts = [token for token in pattern if isinstance(token, str)]
    marks = tuple("t" if isinstance(token, str) else "*" if token == ANY else "?" for token in pattern)
    kind = {("t",): "exact", ("*", "t"): "ending", ("t", "*"): "beginning", ("*", "t", "*"): "inside"}.get(marks)
    return (kind, texts[0]) if kind else None


def _group(at: int, kind: str, texts: list[str]) -> RowTest:
    if kind == "exact":
        whole = frozenset(texts)
        return lambda row: not whole.isdisjoint(row[at].folds)
    some = tuple(texts)
    if kind == "ending":
        return lambda row: any(fold.endswith(some) for fold in row[at].folds)
    if kind == "beginning":
        return lambda row: any(fold.startswith(some) for fold in row[at].folds)
    return lambda row: any(needle in fold for fold in row[at].folds for needle in some)


__all__ = ["CellTest", "Row", "RowTest", "cell_test", "compile_expr"]
