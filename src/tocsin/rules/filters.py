"""Which rules a Sigma filter applies to (semantics 23)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from tocsin.rules.rule import Filter, Rule

SOON: Final = timedelta(days=14)
"""How long before its day an expiry is told."""


def has_expired(expires: str, today: date) -> bool:
    """Tell whether a day, YYYY-MM-DD, has come; an empty one never comes."""
    return bool(expires) and date.fromisoformat(expires) <= today


def expires_soon(expires: str, today: date) -> bool:
    """Tell whether a day comes within two weeks, and has not come yet."""
    return bool(expires) and today < date.fromisoformat(expires) <= today + SOON


def expired_text(title: str, owner: str, expires: str) -> str:
    """Return a line that tells of a filter that has expired."""
    return f"the filter {title!r} of {owner or 'nobody'} expired on {expires} and is not applied"


def applies(item: Filter, rule: Rule) -> bool:
    """Tell whether a filter applies to a rule: it names its id or name, or names none and its logsource covers the rule's."""
    if item.rules:
        return bool({rule.meta.id, rule.meta.name} & set(item.rules) - {""})
    wanted, found = item.logsource, rule.logsource
    pairs = ((wanted.product, found.product), (wanted.category, found.category), (wanted.service, found.service))
    return all(part in ("", other) for part, other in pairs)


__all__ = ["applies", "expired_text", "expires_soon", "has_expired"]
