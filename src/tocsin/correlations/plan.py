"""The compiled form of a correlation: its rules by number, and the fields that each must tell.

Every class is a plain, frozen structure, so that it can be cached and sent to another process as data.
"""

from __future__ import annotations

from msgspec import Struct

from tocsin.rules.correlation import Bound, Demand
from tocsin.rules.rule import Meta

ANY_VALUE = -1
"""The percentile of a condition that gives none."""


class Input(Struct, frozen=True, array_like=True):
    """One rule of a correlation, and the fields to read of an event that it matched.

    `rule` numbers the compiled rules, or is -1; `correlation` numbers the correlations, or is -1. `groups` has a field for
    each name of `group-by`, `values` one for each field of the condition, in their order, with the aliases resolved.
    """

    name: str
    title: str
    rule: int
    correlation: int
    groups: tuple[str, ...]
    values: tuple[str, ...]


class CorrelationPlan(Struct, frozen=True, array_like=True):
    """A compiled correlation.

    `carries` are further fields that correlations of this one read of its events; `used_by_temporal` and `used_by_count` tell
    what kinds of correlation name it. `reported` is false when it only serves others.
    """

    meta: Meta
    type: str
    inputs: tuple[Input, ...]
    group_by: tuple[str, ...]
    timespan_us: int
    demand: Demand
    timespan: str = ""
    generate: bool = False
    carries: tuple[str, ...] = ()
    reported: bool = True

    @property
    def is_temporal(self) -> bool:
        """Tell whether it counts rules rather than events or values."""
        return self.type.startswith("temporal")

    @property
    def least_rules(self) -> int:
        """Return how many of its rules must match at least."""
        least = {"gte": 0, "eq": 0, "gt": 1}
        found = [int(bound.number) + least[bound.how] for bound in self.demand.bounds if bound.how in least]
        return max(1, *found) if found and self.is_temporal else 1


def condition_text(plan: CorrelationPlan) -> str:
    """Return what a window must meet, in words."""
    signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "!="}
    fields = ", ".join(plan.demand.fields)
    percentile = plan.demand.percentile
    counted = {
        "event_count": "number of events",
        "value_count": f"number of different values of {fields}",
        "temporal": "number of different rules",
        "temporal_ordered": "number of different rules, in their order",
        "value_sum": f"sum of {fields}",
        "value_avg": f"average of {fields}",
        "value_median": f"median of {fields}",
        "value_percentile": f"percentile {percentile:g} of {fields}"
        if percentile >= 0
        else f"share of a value of {fields} in %",
    }[plan.type]
    bounds = " and ".join(f"{signs[bound.how]} {bound.number:g}" for bound in plan.demand.bounds)
    return f"{counted} {bounds} within {plan.timespan}"


__all__ = ["ANY_VALUE", "Bound", "CorrelationPlan", "Demand", "Input", "condition_text"]
