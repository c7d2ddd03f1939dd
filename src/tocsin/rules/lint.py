"""What is doubtful about a rule or filter that has a meaning all the same."""

from __future__ import annotations

from tocsin.errors import RuleError
from tocsin.rules.condition import has_not, parse_condition
from tocsin.rules.correlation import Correlation
from tocsin.rules.logsource import why_no_source
from tocsin.rules.rule import Filter, Rule


def lint(parsed: Rule | Filter | Correlation) -> list[RuleError]:
    """Return warnings: a filter that can be read in two ways (R051), a logsource without a source of events (R040)."""
    if isinstance(parsed, Correlation):
        return []
    found = []
    if isinstance(parsed, Filter) and not has_not(parse_condition(parsed.condition, parsed.detections)):
        hint = "say 'not selection' to leave no doubt; 'tocsin rules show' prints the resulting condition"
        message = "the filter's condition names what it suppresses without 'not': it is read as suppression"
        found.append(RuleError("R051", message, hint=hint, trail=("filter", "condition")))
    reason = why_no_source(parsed.logsource)
    if reason:
        hint = "the rule is loaded, and reported as not evaluable"
        found.append(RuleError("R040", reason, hint=hint, trail=("logsource",)))
    return found


__all__ = ["lint"]
