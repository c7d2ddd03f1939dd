"""What a scan could and could not see: events by logsource, rules without events or fields, blind branches (semantics 19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.events import KEYWORDS, Gate
from tocsin.findings import Coverage, FileOutcome, RuleCoverage, RuleNote
from tocsin.findings.report import may_hold_evidence
from tocsin.plans.expr import (
    And,
    Atom,
    Constant,
    Expr,
    Not,
    Null,
    Or,
    Plan,
    Reference,
    either,
    every,
    fields_of,
    negate,
    require,
)
from tocsin.plans.gates import fold_gate
from tocsin.rules.logsource import admits, views, why_no_source
from tocsin.rules.rule import Logsource
from tocsin.rules.transforms import ITEMS, SAME
from tocsin.rules.view import Alias, View
from tocsin.runs.batches import GateSeen
from tocsin.runs.correlate import Chosen
from tocsin.runs.correlation_coverage import judge_correlations
from tocsin.runs.pool import Gathered
from tocsin.runs.ruleset import RuleSet

_SHOWN_FIELDS: Final = 5
_GATED: Final = frozenset({"EventID", "Channel"})


@dataclass(frozen=True, slots=True)
class _Sight:
    """A gate and view that held events, and the fields that occurred there under the view's names."""

    gate: Gate
    view: View
    fields: frozenset[str]
    name: str


def make_coverage(rules: RuleSet, chosen: Chosen, files: list[FileOutcome], gathered: Gathered, interrupted: bool) -> Coverage:
    """Return the coverage of a scan."""
    evaluated = chosen.plans
    sights = _sights(gathered.seen)
    found = RuleCoverage(
        compiled=[_note(plan, "") for plan in evaluated],
        unsupported=rules.notes("unsupported"),
        invalid=rules.notes("invalid"),
    )
    admitted: dict[Logsource, list[_Sight]] = {}
    for plan in evaluated:
        if plan.logsource not in admitted:
            admitted[plan.logsource] = [sight for sight in sights if admits(sight.view, plan.logsource)]
        _judge(plan, admitted[plan.logsource], found)
    judge_correlations(chosen, gathered, found)
    for (number, reason), count in sorted(gathered.failed.items()):
        found.failed.append(_note(evaluated[number], f"{reason} (on {count} event{'s' if count > 1 else ''})"))
    events = sum(file.events for file in files)
    complete = not interrupted and _is_complete(files)
    return Coverage(complete, events, files, _logsources(gathered.seen), found, interrupted=interrupted)


def _is_complete(files: Iterable[FileOutcome]) -> bool:
    """Tell whether no file was read in part, or skipped although it may hold evidence."""
    return all(file.status == "read" or (file.status == "skipped" and not may_hold_evidence(file)) for file in files)


def unseen_reason(file: FileOutcome) -> str:
    """Say how many events of a file no rule can see."""
    some = "" if file.unseen == file.events else f"{file.unseen:,} of "
    if file.events == 1:
        return "its event fits no known log: no rule can see it"
    return f"{some}its {file.events:,} events fit no known log: no rule can see them"


def _note(plan: Plan, reason: str) -> RuleNote:
    return RuleNote(plan.meta.id or plan.meta.path, plan.meta.title, reason, plan.meta.path)


def _sights(seen: Mapping[Gate, GateSeen]) -> list[_Sight]:
    sights = []
    for gate, found in sorted(seen.items()):
        if not found.events and not found.looks:
            continue
        for view in views(gate):
            sights.append(
                _Sight(gate, view, _view_fields(view, found.fields), gate.telemetry + (" as twin" if view.twin else ""))
            )
    return sights


def _view_fields(view: View, native: set[str]) -> frozenset[str]:
    """Return the fields that occurred, under the names of the view."""
    made = {alias.field for alias in view.aliases if _can_be_made(alias, native)}
    hidden = {alias.field for alias in view.aliases}
    return frozenset((native - hidden) | made | {KEYWORDS})


def _can_be_made(alias: Alias, native: set[str]) -> bool:
    any_will_do = alias.transform == SAME or alias.transform in ITEMS
    return alias.sources[0] in native or (any_will_do and not native.isdisjoint(alias.sources))


def logsource_name(gate: Gate) -> str:
    """Return the name under which events of a gate are counted: product, category and service or channel."""
    found = views(gate)
    if not found:
        return f"unknown/{gate.channel or gate.product}"
    tag = found[0].tags[0]
    service = tag.service or gate.channel
    return "/".join(part for part in (tag.product, tag.category, service) if part)


def _logsources(seen: Mapping[Gate, GateSeen]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for gate, found in seen.items():
        if found.events:
            counts[logsource_name(gate)] += found.events
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _judge(plan: Plan, sights: Sequence[_Sight], found: RuleCoverage) -> None:
    """Put a plan among the rules that this data cannot show, or among those with a blind branch."""
    if not sights:
        reason = why_no_source(plan.logsource) or f"no event of its logsource {plan.logsource} was read"
        found.not_evaluable.append(_note(plan, reason))
        return
    fields = frozenset(plan.fields)
    expr = plan.expr
    able = [sight for sight in sights if _left(plan, expr, sight, fields) != Constant(False)]
    if not able:
        found.not_evaluable.append(_note(plan, _why_not(plan, sights, fields)))
        return
    blind = _blind_branches(plan, [sight for sight in able if fields - sight.fields])
    if blind:
        found.blind.append(_note(plan, blind))


def _left(plan: Plan, expr: Expr, sight: _Sight, fields: frozenset[str]) -> Expr:
    """Return what can still be true of a plan at a sight, given the fields that never occurred."""
    tags = admits(sight.view, plan.logsource)
    missing = (fields | {tag.field for tag in tags if tag.field}) - sight.fields
    if _GATED & fields:
        expr = fold_gate(expr, sight.gate)
        missing -= _GATED
    return without(require(expr, tags), missing) if missing else expr


def without(expr: Expr, absent: frozenset[str]) -> Expr:
    """Put in that some fields are absent; a comparison with another field needs both (semantics 14)."""
    if isinstance(expr, Atom):
        if expr.field in absent:
            return Constant(isinstance(expr.test, Null))
        if isinstance(expr.test, Reference) and expr.test.other in absent:
            return Constant(False)
        return expr
    if isinstance(expr, Not):
        return negate(without(expr.part, absent))
    if isinstance(expr, (And, Or)):
        parts = [without(part, absent) for part in expr.parts]
        return every(parts) if isinstance(expr, And) else either(parts)
    return expr


def _names(fields: Iterable[str]) -> str:
    names = sorted(fields)
    more = f" and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else ""
    return ", ".join(names[:_SHOWN_FIELDS]) + more


def _why_not(plan: Plan, sights: Sequence[_Sight], fields: frozenset[str]) -> str:
    """Say why no event could match: the gate decides against it, or fields never occurred."""
    open_gates = [
        sight
        for sight in sights
        if fold_gate(require(plan.expr, admits(sight.view, plan.logsource)), sight.gate) != Constant(False)
    ]
    if not open_gates:
        return f"no event with an EventID or channel that it asks for was read ({plan.logsource})"
    gone = [fields - sight.fields - _GATED for sight in open_gates]
    missing = frozenset.intersection(*gone) or frozenset[str]().union(*gone)
    return f"a field never occurred: {_names(missing)}"


def _blind_branches(plan: Plan, sights: Sequence[_Sight]) -> str:
    """Say which selections can never hold, for want of which fields; empty when every selection can."""
    parts = []
    for name, expr in plan.selections.items() if sights else ():
        read = fields_of(expr)
        gone = [(sight, read - sight.fields - _GATED) for sight in sights]
        blind = [sight for sight, missing in gone if missing and without(expr, missing) == Constant(False)]
        if blind and expr != Constant(False):
            missing = frozenset[str]().union(*(read - sight.fields - _GATED for sight in blind))
            where = sorted({sight.name for sight in blind})
            parts.append(f"{name}: no {_names(missing)} in {_names(where)}")
    return "; ".join(parts)


__all__ = ["logsource_name", "make_coverage", "unseen_reason", "without"]
