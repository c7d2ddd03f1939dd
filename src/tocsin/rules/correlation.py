"""The typed Sigma correlation: what a document says of many events, before its rules are found.

Source: Sigma correlation rules specification 2.1; semantics 24.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

from msgspec import Struct

from tocsin.errors import RuleError
from tocsin.rules.meta import Trail, kind_of, texts_of
from tocsin.rules.rule import Meta

TYPES: Final = (
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
)
OPERATORS: Final = ("gt", "gte", "lt", "lte", "eq", "neq")
_TEMPORAL: Final = ("temporal", "temporal_ordered")
_METRICS: Final = ("value_sum", "value_avg", "value_percentile", "value_median")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_TIMESPAN: Final = re.compile(r"([0-9]{1,9})([smhdwMy])")
_LONGEST_S: Final = 100 * 31_556_952
_KEYS: Final = frozenset({"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"})
_BELOW: Final = ("correlation",)
_WHOLE: Final = ("key:correlation",)


class Bound(Struct, frozen=True, array_like=True):
    """One comparison of a condition: an operator of `OPERATORS`, and its number."""

    how: str
    number: int | float

    def holds(self, value: Any) -> bool:
        """Tell whether a number, exact or not, compares so."""
        if self.how in ("eq", "neq"):
            return bool(value == self.number) == (self.how == "eq")
        if self.how in ("gt", "gte"):
            return bool(value > self.number or (self.how == "gte" and value == self.number))
        return bool(value < self.number or (self.how == "lte" and value == self.number))


class Demand(Struct, frozen=True, array_like=True):
    """What a window must meet: every bound, of what is counted over `fields`; `percentile` is -1 when none is given."""

    bounds: tuple[Bound, ...]
    fields: tuple[str, ...] = ()
    percentile: float = -1

    def holds(self, value: Any) -> bool:
        """Tell whether a number meets every bound."""
        return all(bound.holds(value) for bound in self.bounds)


class Correlation(Struct, frozen=True, array_like=True):
    """A Sigma correlation. `rules` are ids, names or titles; `aliases` alias -> rule -> field; the timespan in microseconds."""

    meta: Meta
    type: str
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan_us: int
    demand: Demand
    aliases: dict[str, dict[str, str]]
    generate: bool = False
    timespan: str = ""


def parse_correlation(document: dict[str, Any], meta: Meta) -> Correlation:
    """Return the typed correlation of a document. Raises: RuleError R003, R004, R072-R075 with the trail to the fault."""
    body = document["correlation"]
    if not isinstance(body, dict):
        raise RuleError("R004", f"correlation is {kind_of(body)}, not a map", trail=_BELOW)
    for key in body:
        if key not in _KEYS:
            hint = f"known keys are {', '.join(sorted(_KEYS))}"
            raise RuleError("R004", f"unknown key {key!r} in the correlation", hint=hint, trail=(*_BELOW, f"key:{key}"))
    kind = _required(body, "type")
    if kind not in TYPES:
        hint = f"the types are {', '.join(TYPES)}"
        raise RuleError("R073", f"unknown type of correlation {kind!r}", hint=hint, trail=(*_BELOW, "type"))
    rules = _rules(body)
    demand = _demand(body, kind, len(rules))
    generate = body.get("generate", document.get("generate", False))
    if not isinstance(generate, bool):
        raise RuleError("R004", f"generate is {kind_of(generate)}, not true or false", trail=(*_BELOW, "generate"))
    group_by = _unique(texts_of(body.get("group-by"), (*_BELOW, "group-by")), "group-by")
    aliases = _aliases(body.get("aliases"), group_by, demand.fields)
    span = _required(body, "timespan")
    return Correlation(meta, kind, rules, group_by, _timespan(span), demand, aliases, generate, str(span))


def _required(body: dict[str, Any], key: str) -> Any:
    value = body.get(key)
    if value in (None, "", [], {}):
        raise RuleError("R003", f"the correlation has no {key}", hint=f"add '{key}:' below 'correlation:'", trail=_WHOLE)
    return value


def _rules(body: dict[str, Any]) -> tuple[str, ...]:
    value = _required(body, "rules")
    trail: Trail = (*_BELOW, "rules")
    if not isinstance(value, (str, list)) or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
        raise RuleError("R004", "rules is not a text or a list of texts", hint="give ids or names of rules", trail=trail)
    return _unique(texts_of(value, trail), "rules")


def _unique(names: tuple[str, ...], key: str) -> tuple[str, ...]:
    for at, name in enumerate(names):
        if not name.strip() or name in names[:at]:
            what = "is empty" if not name.strip() else f"{name!r} is there twice"
            raise RuleError("R004", f"an entry of {key} {what}", trail=(*_BELOW, key, at))
    return names


def _timespan(value: Any) -> int:
    """Return microseconds; a month and a year are those of the Gregorian calendar on average."""
    trail = (*_BELOW, "timespan")
    hint = "a number and one of s, m, h, d, w, M (month), y, such as 90m"
    match = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RuleError("R072", f"{value!r} is no timespan", hint=hint, trail=trail)
    seconds = int(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= _LONGEST_S:
        raise RuleError("R072", f"the timespan {value} is not between 1s and 100y", hint=hint, trail=trail)
    return seconds * 1_000_000


def _demand(body: dict[str, Any], kind: str, rules: int) -> Demand:
    trail: Trail = (*_BELOW, "condition")
    value = body.get("condition")
    if value is None and kind in _TEMPORAL:
        return Demand((Bound("gte", rules),))
    value = _required(body, "condition")
    if isinstance(value, str):
        hint = "give numbers, such as {gte: 2}; or chain correlations"
        raise RuleError("R074", "a condition over the names of rules is not part of version 2.1", hint=hint, trail=trail)
    if not isinstance(value, dict):
        raise RuleError("R004", f"condition is {kind_of(value)}, not a map", trail=trail)
    _check_keys(value, kind, trail)
    fields = _unique(texts_of(value.get("field"), (*trail, "field")), "condition")
    if kind.startswith("value_") != bool(fields):
        fault = f"{kind} needs a field in its condition" if not fields else f"{kind} counts no field"
        raise RuleError("R074", fault, hint="'field:' stands below 'condition:'", trail=trail)
    if kind in _METRICS and len(fields) > 1:
        raise RuleError("R074", f"{kind} takes one field", trail=(*trail, "field"))
    bounds = tuple(_bound(how, value[how], (*trail, how)) for how in OPERATORS if how in value)
    if not bounds and kind not in _TEMPORAL:
        raise RuleError("R074", f"the condition has none of {', '.join(OPERATORS)}", trail=trail)
    _check_bounds(bounds, kind, rules, trail)
    return Demand(bounds or (Bound("gte", rules),), fields, _percentile(value, trail))


def _check_keys(value: dict[str, Any], kind: str, trail: Trail) -> None:
    known = {*OPERATORS, "field", *(("percentile",) if kind == "value_percentile" else ())}
    for key in value:
        if key not in known:
            hint = f"known keys are {', '.join(sorted(known))}"
            raise RuleError("R074", f"unknown key {key!r} in the condition", hint=hint, trail=(*trail, f"key:{key}"))


def _bound(how: str, number: Any, trail: Trail) -> Bound:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number) or abs(number) > 2**53:
        raise RuleError("R074", f"{how}: {number!r} is no number", trail=trail)
    return Bound(how, number)


def _check_bounds(bounds: tuple[Bound, ...], kind: str, rules: int, trail: Trail) -> None:
    """Refuse a condition that no window can meet."""
    number = {bound.how: bound.number for bound in bounds}
    if "eq" in number and len(bounds) > 1:
        raise RuleError("R074", "eq stands alone in a condition", trail=trail)
    for names in (("gt", "gte"), ("lt", "lte")):
        if all(name in number for name in names):
            raise RuleError("R074", f"the condition has both {names[0]} and {names[1]}", trail=trail)
    low = number.get("gte", number.get("gt"))
    high = number.get("lte", number.get("lt"))
    strict = "gt" in number or "lt" in number
    if low is not None and high is not None and (low > high or (low == high and strict)):
        raise RuleError("R074", f"no number lies between {low} and {high}", trail=trail)
    least = number.get("gte", number.get("eq", low))
    most = least if "gt" not in number else (low or 0) + 1
    if kind in _TEMPORAL and most is not None and most > rules:
        raise RuleError("R074", f"the condition asks for {most} rules, and the correlation names {rules}", trail=trail)


def _percentile(value: dict[str, Any], trail: Trail) -> float:
    number = value.get("percentile")
    if number is None:
        return -1
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= 100:
        raise RuleError("R074", f"percentile {number!r} is not between 0 and 100", trail=(*trail, "percentile"))
    return number


def _aliases(value: Any, group_by: tuple[str, ...], fields: tuple[str, ...]) -> dict[str, dict[str, str]]:
    trail: Trail = (*_BELOW, "aliases")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RuleError("R004", f"aliases is {kind_of(value)}, not a map", trail=trail)
    found = {}
    for alias, fields_by_rule in value.items():
        here = (*trail, str(alias))
        if not isinstance(fields_by_rule, dict) or not fields_by_rule:
            raise RuleError("R075", f"the alias {alias!r} is no map of rules to fields", trail=here)
        if not all(isinstance(field, str) and field for field in fields_by_rule.values()):
            raise RuleError("R075", f"the alias {alias!r} names a field that is no text", trail=here)
        if alias not in group_by and alias not in fields:
            hint = "name it in 'group-by' or as the 'field' of the condition, or take it out"
            raise RuleError("R075", f"the alias {alias!r} is not used", hint=hint, trail=(*trail, f"key:{alias}"))
        found[str(alias)] = {str(rule): field for rule, field in fields_by_rule.items()}
    return found


__all__ = ["OPERATORS", "TYPES", "Bound", "Correlation", "Demand", "parse_correlation"]
