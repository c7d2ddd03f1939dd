"""Why a plan matches an event or not: which selections, fields and values held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tocsin.events import KEYWORDS, Event
from tocsin.events.values import elements
from tocsin.plans.expr import And, Atom, Constant, Exists, Expr, Glob, Not, Null, Plan, Reference, Regex, Test
from tocsin.plans.match import compare_texts, text_test
from tocsin.rules.condition import AllOf, Condition, Name, NotOf
from tocsin.rules.pattern import quoted, write_pattern

_SHOWN_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one test said of an event: `values` are the event's, `matched` those of them that passed."""

    field: str
    test: str
    held: bool
    values: tuple[str | None, ...]
    matched: tuple[str, ...]
    present: bool


def holds(plan: Plan, event: Event) -> bool:
    """Tell whether the plan matches the event (as its view shows it)."""
    return _condition(plan.condition, {name: _expr(expr, event) for name, expr in plan.selections.items()})


def matched(plan: Plan, event: Event) -> dict[str, dict[str, list[str]]]:
    """Return selection -> field -> the event's values that matched, for the selections that held and count.

    A selection under a `not` that held is no reason for the match and is left out.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for name in _positive(plan.condition):
        fields: dict[str, list[str]] = {}
        if _collect(plan.selections[name], event, fields):
            found[name] = fields
    return found


def _positive(condition: Condition) -> list[str]:
    if isinstance(condition, Name):
        return [condition.name]
    if isinstance(condition, NotOf):
        return []
    return list(dict.fromkeys(name for part in condition.parts for name in _positive(part)))


def _condition(condition: Condition, held: dict[str, bool]) -> bool:
    if isinstance(condition, Name):
        return held[condition.name]
    if isinstance(condition, NotOf):
        return not _condition(condition.part, held)
    parts = (_condition(part, held) for part in condition.parts)
    return all(parts) if isinstance(condition, AllOf) else any(parts)


def _expr(expr: Expr, event: Event) -> bool:
    if isinstance(expr, Atom):
        return _atom(expr, event)[0]
    if isinstance(expr, Not):
        return not _expr(expr.part, event)
    if isinstance(expr, Constant):
        return expr.value
    parts = (_expr(part, event) for part in expr.parts)
    return all(parts) if isinstance(expr, And) else any(parts)


def _values(field: str, event: Event) -> tuple[bool, tuple[str | None, ...]]:
    if field == KEYWORDS:
        return True, tuple(event.values())
    present, value = event.find(field)
    return present, elements(value) if present else ()


def _atom(atom: Atom, event: Event) -> tuple[bool, tuple[str, ...]]:
    present, values = _values(atom.field, event)
    test = atom.test
    if isinstance(test, Null):
        return not present or None in values or "" in values, ()
    if isinstance(test, Exists):
        return present, tuple(value for value in values if value is not None)
    texts = [value for value in values if value is not None]
    if isinstance(test, Reference):
        passed = tuple(text for text in texts if _refers(test, text, event))
    else:
        check, folded = text_test(test)
        passed = tuple(text for text in texts if check(text.casefold() if folded else text))
    return bool(passed), passed


def _refers(test: Reference, text: str, event: Event) -> bool:
    _, others = _values(test.other, event)
    fold = (lambda value: value) if test.cased else str.casefold
    return any(compare_texts(test.how, fold(text), fold(other)) for other in others if other is not None)


def _collect(expr: Expr, event: Event, into: dict[str, list[str]]) -> bool:
    """Tell whether an expression holds; when it does, add the values that made it so."""
    if isinstance(expr, Atom):
        held, passed = _atom(expr, event)
        if held:
            _add(into, expr.field, passed)
        return held
    if isinstance(expr, Constant):
        return expr.value
    if isinstance(expr, Not):
        held = not _expr(expr.part, event)
        for name, values in _present_fields(expr, event) if held else ():
            _add(into, name, values)
        return held
    found: dict[str, list[str]] = {}
    parts = [_collect(part, event, found) for part in expr.parts]
    held = all(parts) if isinstance(expr, And) else any(parts)
    for name, values in found.items() if held else ():
        _add(into, name, values)
    return held


def _add(into: dict[str, list[str]], name: str, values: Iterable[str]) -> None:
    known = into.setdefault(name, [])
    known += [value for value in dict.fromkeys(values) if value not in known][:_SHOWN_VALUES]


def _present_fields(expr: Not, event: Event) -> list[tuple[str, list[str]]]:
    """Return the values that a negated test did not match, for `neq` items that held."""
    if not isinstance(expr.part, Atom) or expr.part.field == KEYWORDS:
        return []
    _, values = _values(expr.part.field, event)
    return [(expr.part.field, [value for value in values if value is not None][:_SHOWN_VALUES])]


def verdicts(expr: Expr, event: Event) -> list[Verdict]:
    """Return what each test of a selection said, in order."""
    if isinstance(expr, Atom):
        present, values = _values(expr.field, event)
        held, passed = _atom(expr, event)
        return [Verdict(expr.field, describe(expr.test), held, values, passed, present)]
    if isinstance(expr, Not):
        inner = verdicts(expr.part, event)
        return [Verdict(v.field, f"not {v.test}", not v.held, v.values, (), v.present) for v in inner]
    if isinstance(expr, Constant):
        return []
    return [verdict for part in expr.parts for verdict in verdicts(part, event)]


def describe(test: Test) -> str:
    """Return a test in words."""
    if isinstance(test, Glob):
        return f"{'cased ' if test.cased else ''}{quoted(write_pattern(test.pattern))}"
    if isinstance(test, Regex):
        return f"re {quoted(test.expression)}" + (f" ({test.flags})" if test.flags else "")
    if isinstance(test, Null):
        return "null"
    if isinstance(test, Exists):
        return "exists"
    if isinstance(test, Reference):
        return f"{test.how} field {quoted(test.other)}"
    return " ".join(str(part) for part in _parts(test))


def _parts(test: Test) -> list[object]:
    return [type(test).__name__.lower(), *(getattr(test, name) for name in test.__struct_fields__)]


def outline(expr: Expr) -> list[str]:
    """Return an expression as indented lines."""
    if isinstance(expr, Atom):
        return [f"{'any value' if expr.field == KEYWORDS else expr.field} {describe(expr.test)}"]
    if isinstance(expr, Constant):
        return [str(expr.value).lower()]
    if isinstance(expr, Not):
        return ["not", *(f"  {line}" for line in outline(expr.part))]
    word = "all of" if isinstance(expr, And) else "one of"
    return [word, *(f"  {line}" for part in expr.parts for line in outline(part))]


__all__ = ["Verdict", "describe", "holds", "matched", "outline", "verdicts"]
