"""What a worker keeps of matched events for correlations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.correlations.link import serving
from tocsin.correlations.occurrence import MOST_KEYS, Body, Occurrence, Texts, digest, is_cut, microseconds
from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.correlations.rows import RowSpool
from tocsin.events import Event
from tocsin.events.values import elements, scalar_text
from tocsin.findings import FoundSource

UNTIMED: Final = "events without a time were left out"
WITHOUT_GROUP: Final = "events without a value of {} were left out"
TOO_MANY: Final = f"events whose lists give more than {MOST_KEYS} groups or values were only counted for these [E004]"
Left = Counter[tuple[int, str]]
"""Events that were left out of a correlation, by its number and the reason."""


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """The correlations of a scan, the rules that only serve them, and whether a record read twice counts once."""

    plans: Sequence[CorrelationPlan]
    silent: frozenset[int] = frozenset()
    dedupe: bool = False


@dataclass(frozen=True, slots=True)
class _Use:
    number: int
    input: int
    plan: CorrelationPlan
    fields: Input


class MatchCollector:
    """Keeps matched events of the rules that correlations name."""

    def __init__(self, options: CollectOptions, folder: Path, name: str) -> None:
        self._options = options
        self._spool = RowSpool(folder, name)
        self._uses: dict[int, list[_Use]] = {rule: [] for rule in serving(options.plans)}
        for number, plan in enumerate(options.plans):
            for place, item in enumerate(plan.inputs):
                if item.rule >= 0:
                    self._uses[item.rule].append(_Use(number, place, plan, item))
        self.left: Left = Counter()

    def wants(self, rule: int) -> bool:
        """Tell whether a correlation names a rule."""
        return rule in self._uses

    def reports(self, rule: int) -> bool:
        """Tell whether a rule's matches are findings too."""
        return rule not in self._options.silent

    @property
    def full(self) -> bool:
        """Tell whether rows should be written now."""
        return self._spool.full

    def write(self) -> Path | None:
        """Write the rows that are kept in memory."""
        return self._spool.write()

    def tell(self) -> Left:
        """Return what was left out since the last time."""
        told, self.left = self.left, Counter()
        return told

    def add(self, rule: int, event: Event, source: FoundSource, unit: int, part: int) -> None:
        """Keep an event, as a view shows it, that a rule matched."""
        if not event.time:
            self.left.update((use.number, UNTIMED) for use in self._uses[rule])
            return
        time, origin = microseconds(event.time), digest((source.path, part, source.record))
        place = self._place(event) if self._options.dedupe else origin
        for use in self._uses[rule]:
            plan, fields = use.plan, use.fields
            body = Body(
                unit=unit,
                path=source.path,
                format=source.format,
                part=part,
                record=source.record,
                host=event.host,
                groups=_texts(event, fields.groups),
                values=_texts(event, fields.values),
                carried=_texts(event, plan.carries),
            )
            if is_cut(body):
                self.left[use.number, TOO_MANY] += 1
            if not self._spool.add(use.number, plan, Occurrence(use.input, time, place, body, origin)):
                wanted = (*zip(fields.groups, body.groups, strict=True), *zip(fields.values, body.values, strict=True))
                missing = ", ".join(name for name, texts in wanted if not texts) or ", ".join(fields.values)
                self.left[use.number, WITHOUT_GROUP.format(missing)] += 1

    @staticmethod
    def _place(event: Event) -> int:
        """Return what tells an event apart, the same for two copies of a record."""
        number = scalar_text(event.fields.get("EventRecordID"))
        if number:
            return digest((event.host, event.gate.channel, number, event.time))
        return digest((event.host, event.gate.channel, scalar_text(event.original), event.time))


def _texts(event: Event, names: Sequence[str]) -> tuple[Texts, ...]:
    return tuple(_elements(event.find(name)[1]) for name in names)


def _elements(value: object) -> Texts:
    """Return the elements of a field that carry a value; none of an absent field, which `find` gives as null."""
    if type(value) is str:
        return (value,) if value else ()
    return tuple(text for text in elements(value) if text) if value is not None else ()


__all__ = ["CollectOptions", "Left", "MatchCollector"]
