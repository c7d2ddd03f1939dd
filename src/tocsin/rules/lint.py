"""What is doubtful about a rule or filter that has a meaning all the same."""

from __future__ import annotations

from datetime import date

from tocsin.errors import RuleError
from tocsin.events.time import today
from tocsin.rules.condition import has_not, names_plainly, parse_condition
from tocsin.rules.correlation import Correlation
from tocsin.rules.filters import expired_text, expires_soon, has_expired
from tocsin.rules.logsource import why_no_source
from tocsin.rules.rule import Filter, Rule


def lint(parsed: Rule | Filter | Correlation, day: date | None = None) -> list[RuleError]:
    """Return warnings.

    A filter that can be read in two ways (R051), has expired (R052) or soon will (R053); a logsource without a source of
    events (R040).
    """
    if isinstance(parsed, Correlation):
        return []
    found = []
    if isinstance(parsed, Filter):
        found += _readings(parsed)
        found += _expiry(parsed, day or today())
    reason = why_no_source(parsed.logsource)
    if reason:
        hint = "the rule is loaded, and reported as not evaluable"
        found.append(RuleError("R040", reason, hint=hint, trail=("logsource",)))
    return found


def _readings(item: Filter) -> list[RuleError]:
    """Return the warning of a filter that can be read in two ways."""
    condition = parse_condition(item.condition, item.detections)
    if not names_plainly(condition):
        return []
    hint = "say 'not selection' to leave no doubt; 'tocsin rules show' prints the resulting condition"
    message = "the filter's condition names what it suppresses without 'not': it is read as suppression"
    if has_not(condition):
        hint = "say 'not (selection and not other)' to suppress; 'tocsin rules show' prints the resulting condition"
        message = "the filter's condition has a 'not', and names something without: of the rule, only that is still reported"
    return [RuleError("R051", message, hint=hint, trail=("filter", "condition"))]


def _expiry(item: Filter, day: date) -> list[RuleError]:
    if has_expired(item.expires, day):
        message = expired_text(item.meta.title, item.owner, item.expires)
        return [RuleError("R052", message, hint="judge it anew: give it a later day, or remove it", trail=("expires",))]
    if expires_soon(item.expires, day):
        message = f"the filter {item.meta.title!r} of {item.owner or 'nobody'} expires on {item.expires}"
        return [RuleError("R053", message, hint="judge it anew before that day", trail=("expires",))]
    return []


__all__ = ["lint"]
