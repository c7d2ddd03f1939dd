"""Which plans apply to a gate, in the form that they take there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
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
from tocsin.plans.witness import find_witness, longest_literal
from tocsin.rules import windows_channels
from tocsin.rules.logsource import ALIASES, TAG_FIELDS, admits, views
from tocsin.rules.rule import Logsource
from tocsin.rules.view import Tag, View

_SHORTEST_SCREEN: Final = 3
_PLAIN: Final = re.compile(r"[A-Za-z0-9 .:\-_()=,;@$%+!#\[\]{}|^~?*]+")
_GATED: Final = frozenset({"EventID", "Channel"})


@dataclass(frozen=True, slots=True)
class GateRule:
    """A plan at a gate: its number in the rule set, and what the gate and the logsource make of it.

    `folded` is its expression where the gate decides a part of it, else None: then the plan's own passes hold.
    """

    number: int
    plan: Plan
    tags: tuple[Tag, ...]
    folded: Expr | None

    @property
    def expr(self) -> Expr:
        """Return the expression to evaluate."""
        return self.folded if self.folded is not None else require(self.plan.expr, self.tags)

    @property
    def fields(self) -> frozenset[str]:
        """Return the fields that the rule reads here."""
        if self.folded is not None:
            return fields_of(self.folded)
        return frozenset(self.plan.fields).union(tag.field for tag in self.tags if tag.field)

    @property
    def witness(self) -> tuple[Atom | Not, ...] | None:
        """Return the necessary condition, or None for "always"."""
        if self.folded is None:
            return self.plan.witness
        found = find_witness(self.folded)
        return found.atoms if found else None


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


class PlanIndex:
    """The plans of a rule set by logsource, so that a gate asks each logsource once."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._by_logsource: dict[Logsource, list[tuple[int, Plan]]] = {}
        for number, plan in enumerate(plans):
            self._by_logsource.setdefault(plan.logsource, []).append((number, plan))

    def admitted(self, view: View) -> list[tuple[int, Plan, tuple[Tag, ...]]]:
        """Return (number, plan, tags) of the plans that see a view, by number."""
        found = []
        for logsource, members in self._by_logsource.items():
            tags = admits(view, logsource)
            if tags:
                found += [(number, plan, tags) for number, plan in members]
        return sorted(found, key=lambda item: item[0])


def native_fields(plans: Sequence[Plan], more: Iterable[str] = ()) -> frozenset[str]:
    """Return every field that the rules may demand of any gate, and `more`, under the names of native events."""
    found = {name for plan in plans for name in plan.fields} | set(more)
    found.update(name for alias in ALIASES if alias.field in found for name in alias.sources)
    found.update(field for field, _ in windows_channels.REQUIRED.values())
    found |= TAG_FIELDS
    return frozenset(found - {KEYWORDS, ""})


def plan_gate(gate: Gate, plans: PlanIndex) -> GatePlan:
    """Return what the plans of a rule set want of a gate."""
    view_plans = tuple(found for found in (_plan_view(gate, view, plans) for view in views(gate)) if found.rules)
    fields = {name for found in view_plans for name in _native_fields(found)}
    presence = frozenset(name for found in view_plans for name in _asked_presence(found))
    screen, texts = _screen(view_plans, longest_plain), _screen(view_plans, longest_ascii)
    return GatePlan(gate, view_plans, Demand(tuple(sorted(fields)), screen, presence, texts))


def _plan_view(gate: Gate, view: View, plans: PlanIndex) -> ViewPlan:
    rules = []
    for number, plan, tags in plans.admitted(view):
        folded = fold_gate(require(plan.expr, tags), gate) if _GATED.intersection(plan.fields) else None
        if folded != Constant(False):
            rules.append(GateRule(number, plan, tags, folded))
    fields = sorted({name for rule in rules for name in rule.fields})
    return ViewPlan(view, tuple(rules), tuple(fields))


def _native_fields(found: ViewPlan) -> list[str]:
    sources = {alias.field: alias.sources for alias in found.view.aliases}
    return [name for field in found.fields for name in sources.get(field, (field,))]


def _asked_presence(found: ViewPlan) -> list[str]:
    asking = [rule for rule in found.rules if rule.plan.asks_presence]
    atoms = [atom for rule in asking for atom in atoms_of(rule.expr)]
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
    if gate.masked or (gate.product != "windows" and gate.channel != "Linux-Sysmon/Operational"):
        return ""
    return gate.event_id if field == "EventID" else gate.channel if field == "Channel" else ""


def _screen(found: tuple[ViewPlan, ...], longest: Callable[[Atom], str]) -> tuple[str, ...]:
    """Return folded texts of which a raw row must hold one for a keyword to match; empty when nothing can be said."""
    rules = [rule for view in found for rule in view.rules if KEYWORDS in rule.fields]
    needles = {text for rule in rules for text in _screen_texts(rule.expr, longest)}
    return () if any(len(text) < _SHORTEST_SCREEN for text in needles) else tuple(sorted(needles))


def _screen_texts(expr: Expr, longest: Callable[[Atom], str]) -> set[str]:
    """Return a text of each keyword; of keywords that must all occur, the longest alone."""
    if isinstance(expr, Atom):
        return {longest(expr)} if expr.field == KEYWORDS else set()
    if isinstance(expr, Not):
        return _screen_texts(expr.part, longest)
    if not isinstance(expr, (And, Or)):
        return set()
    texts = [_screen_texts(part, longest) for part in expr.parts]
    if isinstance(expr, And) and all(isinstance(part, Atom) and part.field == KEYWORDS for part in expr.parts):
        return {max((text for some in texts for text in some), key=lambda text: (len(text), text))}
    return set().union(*texts)


def longest_ascii(atom: Atom) -> str:
    """Return the longest run of printable ASCII in what a keyword searches, folded; empty when there is none."""
    if not isinstance(atom.test, Glob):
        return ""
    text = longest_literal(atom.test.pattern)
    return max("".join(char if " " <= char <= "~" else "\0" for char in text).split("\0"), key=len)


def longest_plain(atom: Atom) -> str:
    """Return the longest run of ASCII that JSON and XML write as it is, folded; empty when there is none."""
    if not isinstance(atom.test, Glob):
        return ""
    return max(_PLAIN.findall(longest_literal(atom.test.pattern)), key=len, default="")


__all__ = ["GatePlan", "GateRule", "PlanIndex", "ViewPlan", "fold_gate", "native_fields", "plan_gate"]
