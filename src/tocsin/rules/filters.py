"""Which rules a Sigma filter applies to (semantics 23)."""

from __future__ import annotations

from tocsin.rules.rule import Filter, Rule


def applies(item: Filter, rule: Rule) -> bool:
    """Tell whether a filter applies to a rule: it names its id or name, or names none and its logsource covers the rule's."""
    if item.rules:
        return bool({rule.meta.id, rule.meta.name} & set(item.rules) - {""})
    wanted, found = item.logsource, rule.logsource
    pairs = ((wanted.product, found.product), (wanted.category, found.category), (wanted.service, found.service))
    return all(part in ("", other) for part, other in pairs)


__all__ = ["applies"]
