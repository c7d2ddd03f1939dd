"""Which plans apply to a gate, in the form that they take there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.events import KEYWORDS, Demand, Gate
from tocsin.plans.expr import (
    And,
    Atom,
    Constant,
    Exists,
    Expr,
    Glob,
    Not,
    Or,
    Plan,
    atoms_of,
    either,
    every,
    fields_of,
    negate,
    require,
)
from tocsin.plans.match import glob_matches
from tocsin.plans.witness import longest_literal
from tocsin.rules.logsource import View, admits, views

_SHORTEST_SCREEN: Final = 3


@dataclass(frozen=True, slots=True)
class GateRule:
    """A plan at a gate: its number in the rule set, and its expression with what the gate decides put in."""

    number: int
    expr: Expr


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """The rules that see one view of a gate, and the fields that they read there."""

    view: View
    rules: tuple[GateRule, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatePlan:
    """All that the rules of a set want of one gate."""

    gate: Gate
    views: tuple[ViewPlan, ...]
    demand: Demand


def plan_gate(gate: Gate, plans: Sequence[Plan], extra_fields: tuple[str, ...] = ()) -> GatePlan:
    """Return what the plans of a rule set want of a gate."""
    view_plans = tuple(found for found in (_plan_view(gate, view, plans) for view in views(gate)) if found.rules)
    fields = {name for found in view_plans for name in _native_fields(found)} | set(extra_fields)
    presence = frozenset(name for found in view_plans for name in _asked_presence(found))
    return GatePlan(gate, view_plans, Demand(tuple(sorted(fields)), _screen(view_plans), presence))


def _plan_view(gate: Gate, view: View, plans: Sequence[Plan]) -> ViewPlan:
    rules = []
    for number, plan in enumerate(plans):
        tags = admits(view, plan.logsource)
        if tags:
            expr = fold_gate(require(plan.expr, tags), gate)
            if expr != Constant(False):
                rules.append(GateRule(number, expr))
    fields = sorted({name for rule in rules for name in fields_of(rule.expr)})
    return ViewPlan(view, tuple(rules), tuple(fields))


def _native_fields(found: ViewPlan) -> list[str]:
    sources = {alias.field: alias.sources for alias in found.view.aliases}
    return [name for field in found.fields for name in sources.get(field, (field,))]


def _asked_presence(found: ViewPlan) -> list[str]:
    atoms = [atom for rule in found.rules for atom in atoms_of(rule.expr)]
    return [atom.field for atom in atoms if isinstance(atom.test, Exists)]


def fold_gate(expr: Expr, gate: Gate) -> Expr:
    """Put in what the gate decides: the tests on its event id and channel."""
    if isinstance(expr, Atom):
        known = _known(expr.field, gate)
        if known and isinstance(expr.test, Glob):
            return Constant(glob_matches(expr.test, known))
        return expr
    if isinstance(expr, Not):
        return negate(fold_gate(expr.part, gate))
    if isinstance(expr, (And, Or)):
        parts = [fold_gate(part, gate) for part in expr.parts]
        return every(parts) if isinstance(expr, And) else either(parts)
    return expr


def _known(field: str, gate: Gate) -> str:
    if gate.masked or gate.product != "windows" and gate.channel != "Linux-Sysmon/Operational":
        return ""
    return gate.event_id if field == "EventID" else gate.channel if field == "Channel" else ""


def _screen(found: tuple[ViewPlan, ...]) -> tuple[str, ...]:
    """Return folded texts of which a raw row must hold one for a keyword to match; empty when nothing can be said."""
    needles: set[str] = set()
    for view in found:
        for rule in view.rules:
            for atom in atoms_of(rule.expr):
                if atom.field != KEYWORDS:
                    continue
                text = longest_plain(atom)
                if len(text) < _SHORTEST_SCREEN:
                    return ()
                needles.add(text)
    return tuple(sorted(needles))


def longest_plain(atom: Atom) -> str:
    """Return the longest run of ASCII that JSON and XML write as it is, folded; empty when there is none."""
    if not isinstance(atom.test, Glob):
        return ""
    text = longest_literal(atom.test.pattern)
    runs = "".join(
        char if char.isascii() and (char.isalnum() or char in " .:-_()=,;@$%+!#[]{}|^~?*") else "\0" for char in text
    )
    return max(runs.split("\0"), key=len)


__all__ = ["GatePlan", "GateRule", "ViewPlan", "fold_gate", "plan_gate"]
