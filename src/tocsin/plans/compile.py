"""Compile a typed rule to a plan."""

from __future__ import annotations

from msgspec.structs import replace

from tocsin.errors import RuleError
from tocsin.plans.expr import Exists, Expr, Plan, atoms_of, fields_of, put_in
from tocsin.plans.lower import Placeholders, lower_detection
from tocsin.plans.witness import find_witness
from tocsin.rules.condition import AllOf, AnyOf, Condition, Name, NotOf, has_not, parse_condition
from tocsin.rules.filters import applies
from tocsin.rules.rule import Filter, Rule


def compile_rule(rule: Rule, placeholders: Placeholders, filters: tuple[Filter, ...] = ()) -> Plan:
    """Return the plan of a rule with those of the filters that apply to it.

    Raises: RuleError R014-R022, UnsupportedRule R030, with the trail to the fault.
    """
    selections, condition = _lowered(rule, placeholders)
    for number, item in enumerate((item for item in filters if applies(item, rule)), 1):
        suppressed = _suppression(item, f"filter{number}:", placeholders)
        selections |= suppressed[0]
        condition = AllOf((condition, suppressed[1]))
    return _plan(rule, selections, condition)


def compile_suppressions(rule: Rule, placeholders: Placeholders, filters: tuple[Filter, ...]) -> list[tuple[int, Plan]]:
    """Return, for each filter that applies to a rule, its number and the plan of what it takes from the rule.

    What several filters suppress is that of the first, so that every suppressed match belongs to one filter.
    Raises: as `compile_rule`.
    """
    selections, left = _lowered(rule, placeholders)
    found: list[tuple[int, Plan]] = []
    for number, item in enumerate(filters):
        if applies(item, rule):
            suppressed, kept = _suppression(item, f"filter{len(found) + 1}:", placeholders)
            selections = selections | suppressed
            gone = AllOf((left, kept.part if isinstance(kept, NotOf) else NotOf(kept)))
            found.append((number, _plan(rule, selections, gone)))
            left = AllOf((left, kept))
    return found


def _lowered(rule: Rule, placeholders: Placeholders) -> tuple[dict[str, Expr], Condition]:
    selections = {name: lower_detection(part, placeholders) for name, part in rule.detections.items()}
    conditions = [_parse(text, rule, selections) for text in rule.conditions]
    return selections, conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def _plan(rule: Rule, selections: dict[str, Expr], condition: Condition) -> Plan:
    expr = put_in(condition, selections)
    witness = find_witness(expr)
    fields = tuple(sorted(fields_of(expr)))
    presence = any(isinstance(atom.test, Exists) for atom in atoms_of(expr))
    return Plan(rule.meta, rule.logsource, selections, condition, fields, witness.atoms if witness else None, presence)


def _parse(text: str, rule: Rule, selections: dict[str, Expr]) -> Condition:
    try:
        return parse_condition(text, selections)
    except RuleError as error:
        error.trail = ("detection", "condition")
        raise


def _suppression(item: Filter, prefix: str, placeholders: Placeholders) -> tuple[dict[str, Expr], Condition]:
    """Return the filter's selections under prefixed names, and its condition so that it suppresses (semantics 23)."""
    selections = {prefix + name: lower_detection(part, placeholders) for name, part in item.detections.items()}
    condition = _rename(parse_condition(item.condition, item.detections), prefix)
    return selections, condition if has_not(condition) else NotOf(condition)


def _rename(condition: Condition, prefix: str) -> Condition:
    if isinstance(condition, Name):
        return Name(prefix + condition.name)
    if isinstance(condition, NotOf):
        return NotOf(_rename(condition.part, prefix))
    return replace(condition, parts=tuple(_rename(part, prefix) for part in condition.parts))


__all__ = ["compile_rule", "compile_suppressions"]
