"""What a scan could see of its correlations: those that lack a rule, and events that were left out."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.correlations.plan import CorrelationPlan
from tocsin.findings import RuleCoverage, RuleNote
from tocsin.rules.rule import Meta
from tocsin.runs.correlate import Chosen
from tocsin.runs.pool import Gathered


def judge_correlations(chosen: Chosen, gathered: Gathered, found: RuleCoverage) -> None:
    """Put each correlation into the lists where it belongs; the rules are there already."""
    gone = {note.id: note.reason for note in found.not_evaluable}
    rules = [_note(plan.meta, "").id for plan in chosen.plans]
    lost: dict[int, str] = {}
    for number, plan in enumerate(chosen.correlations):
        found.compiled.append(_note(plan.meta, ""))
        missing = _missing(plan, rules, gone, lost)
        told = "; ".join(f"its rule {title!r} cannot be evaluated: {reason}" for title, reason in missing)
        if missing and len(plan.inputs) - len(missing) < plan.least_rules:
            lost[number] = told
            found.not_evaluable.append(_note(plan.meta, told))
        elif missing:
            found.blind.append(_note(plan.meta, told))
        reasons = [f"{count:,} {reason}" for (at, reason), count in sorted(gathered.left.items()) if at == number]
        if reasons:
            found.left_out.append(_note(plan.meta, "; ".join(reasons)))
        if number in gathered.uncorrelated:
            found.failed.append(_note(plan.meta, gathered.uncorrelated[number]))
        if not plan.reported:
            outer = [other.meta.title for other in chosen.correlations for item in other.inputs if item.correlation == number]
            found.serving.append(_note(plan.meta, f"serves {', '.join(map(repr, outer))}"))
    for number in sorted(chosen.silent):
        names = [plan.meta.title for plan in chosen.correlations for item in plan.inputs if item.rule == number]
        found.serving.append(_note(chosen.plans[number].meta, f"serves {', '.join(map(repr, names))}"))


def _missing(plan: CorrelationPlan, rules: Sequence[str], gone: dict[str, str], lost: dict[int, str]) -> list[tuple[str, str]]:
    """Return the rules of a correlation that this data cannot show, with the reasons."""
    found = []
    for item in plan.inputs:
        reason = lost.get(item.correlation, "") if item.rule < 0 else gone.get(rules[item.rule], "")
        if reason:
            found.append((item.title, reason))
    return found


def _note(meta: Meta, reason: str) -> RuleNote:
    return RuleNote(meta.id or meta.path, meta.title, reason, meta.path)


__all__ = ["judge_correlations"]
