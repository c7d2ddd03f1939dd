"""Find the rules that correlations name, and put correlations of correlations in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.errors import RuleError, UnsupportedRule
from tocsin.rules.correlation import Correlation
from tocsin.rules.rule import Meta

_RULES: Final = ("correlation", "rules")
_DEEPEST: Final = 16


@dataclass(slots=True)
class Linked:
    """Correlations in an order in which each comes after those that it names, and the faults, by number of the document."""

    plans: list[CorrelationPlan] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    faults: dict[int, RuleError] = field(default_factory=dict)


def link(rules: Sequence[Meta], correlations: Sequence[Correlation], unusable: Mapping[str, str] | None = None) -> Linked:
    """Return the plans of correlations; `unusable` tells why rules of some ids, names or titles cannot be used.

    Faults: RuleError R070 for a rule that is not loaded, R071 for a circle, R075 for an alias, R076 for a name of several
    rules; UnsupportedRule R077 for a rule that cannot be used.
    """
    linking = _Linking(rules, correlations, unusable or {})
    for number in range(len(correlations)):
        linking.visit(number, ())
    return linking.finish()


class _Linking:
    def __init__(self, rules: Sequence[Meta], correlations: Sequence[Correlation], unusable: Mapping[str, str]) -> None:
        self.rules, self.correlations, self.unusable = rules, correlations, unusable
        self.found = Linked()
        self.places: dict[int, int] = {}
        self.names: dict[str, list[tuple[int, int]]] = {}
        self._index(((number, -1), meta) for number, meta in enumerate(rules))
        self._index(((-1, number), item.meta) for number, item in enumerate(correlations))

    def _index(self, metas: Iterable[tuple[tuple[int, int], Meta]]) -> None:
        for place, meta in metas:
            for name in {meta.id, meta.name, meta.title} - {""}:
                self.names.setdefault(name, []).append(place)

    def visit(self, number: int, above: tuple[int, ...]) -> None:
        """Link a correlation after those that it names."""
        if number in self.places or number in self.found.faults:
            return
        try:
            inputs = self._inputs(number, above)
        except RuleError as error:
            self.found.faults[number] = error
            return
        item = self.correlations[number]
        self.places[number] = len(self.found.plans)
        self.found.numbers.append(number)
        plan = CorrelationPlan(
            item.meta, item.type, inputs, item.group_by, item.timespan_us, item.demand, item.timespan, item.generate
        )
        self.found.plans.append(plan)

    def _inputs(self, number: int, above: tuple[int, ...]) -> tuple[Input, ...]:
        item = self.correlations[number]
        targets = [self._target(name, at, item) for at, name in enumerate(item.rules)]
        for at, (_, other) in enumerate(targets):
            self._visit_below(number, other, above, (*_RULES, at), item.rules[at])
        if len(set(targets)) < len(targets):
            raise RuleError("R076", "two entries of rules mean the same rule", trail=_RULES)
        metas = [self._meta(target) for target in targets]
        self._check_aliases(item, metas)
        return tuple(
            Input(
                name=meta.id or meta.name or meta.title,
                title=meta.title,
                rule=rule,
                correlation=self.places[other] if other >= 0 else -1,
                groups=tuple(_resolve(item, name, meta) for name in item.group_by),
                values=tuple(_resolve(item, name, meta) for name in item.demand.fields),
            )
            for (rule, other), meta in zip(targets, metas, strict=True)
        )

    def _visit_below(self, number: int, other: int, above: tuple[int, ...], trail: tuple[str | int, ...], name: str) -> None:
        if other < 0:
            return
        if other == number or other in above:
            raise RuleError("R071", f"the correlation leads back to itself by {name!r}", trail=trail)
        if len(above) >= _DEEPEST:
            raise RuleError("R071", f"more than {_DEEPEST} correlations of correlations lead to {name!r}", trail=trail)
        self.visit(other, (*above, number))
        if other in self.found.faults:
            fault = self.found.faults[other]
            kind = UnsupportedRule if isinstance(fault, UnsupportedRule) else RuleError
            code = fault.code if fault.code == "R071" else "R077"
            raise kind(code, f"the rule {name!r} cannot be used: {fault.message}", trail=trail)

    def _meta(self, target: tuple[int, int]) -> Meta:
        rule, other = target
        return self.rules[rule] if rule >= 0 else self.correlations[other].meta

    def _target(self, name: str, at: int, item: Correlation) -> tuple[int, int]:
        """Return the one rule of an id, name or title; of several, the one of the same file."""
        trail = (*_RULES, at)
        found = self.names.get(name, [])
        near = [target for target in found if self._meta(target).path == item.meta.path]
        if len(found) > 1 and len(near) == 1:
            found = near
        if len(found) > 1:
            raise RuleError("R076", f"{name!r} means {len(found)} rules", hint="give the id instead", trail=trail)
        if found:
            return found[0]
        if name in self.unusable:
            raise UnsupportedRule("R077", f"the rule {name!r} cannot be used: {self.unusable[name]}", trail=trail)
        hint = "give the id, name or title of a rule that is loaded too"
        raise RuleError("R070", f"the correlation names {name!r}, which is not loaded", hint=hint, trail=trail)

    def _check_aliases(self, item: Correlation, metas: Sequence[Meta]) -> None:
        known = {name for meta in metas for name in (meta.id, meta.name, meta.title)}
        for alias, fields in item.aliases.items():
            for name in fields:
                if name not in known:
                    trail = ("correlation", "aliases", alias, f"key:{name}")
                    hint = "an alias has a line for each entry of 'rules'"
                    raise RuleError(
                        "R075", f"the alias {alias!r} names {name!r}, which is not in rules", hint=hint, trail=trail
                    )
            missing = [meta.title for meta in metas if not {meta.id, meta.name, meta.title} & set(fields)]
            if missing:
                trail2 = ("correlation", "aliases", alias)
                raise RuleError("R075", f"the alias {alias!r} has no field for the rule {missing[0]!r}", trail=trail2)

    def finish(self) -> Linked:
        """Fill in what correlations need of those that they name."""
        carries: list[set[str]] = [set() for _ in self.found.plans]
        for number in reversed(range(len(self.found.plans))):
            plan = self.found.plans[number]
            for item in plan.inputs:
                if item.correlation >= 0:
                    below = self.found.plans[item.correlation]
                    wanted = {*item.groups, *item.values, *carries[number]}
                    carries[item.correlation] |= wanted - set(below.group_by)
        silent = {item.correlation for plan in self.found.plans if not plan.generate for item in plan.inputs}
        loud = {item.correlation for plan in self.found.plans if plan.generate for item in plan.inputs}
        self.found.plans = [
            replace(plan, carries=tuple(sorted(carries[number])), reported=number not in silent or number in loud)
            for number, plan in enumerate(self.found.plans)
        ]
        return self.found


def _resolve(item: Correlation, name: str, meta: Meta) -> str:
    """Return the field that a name means in the events of a rule."""
    fields = item.aliases.get(name, {})
    return next((fields[key] for key in (meta.id, meta.name, meta.title) if key in fields), name)


def serving(plans: Sequence[CorrelationPlan]) -> dict[int, bool]:
    """Return the numbers of rules that correlations name, each with whether it reports on its own too."""
    found: dict[int, bool] = {}
    for plan in plans:
        for item in plan.inputs:
            if item.rule >= 0:
                found[item.rule] = found.get(item.rule, False) or plan.generate
    return found


__all__ = ["Linked", "link", "serving"]
