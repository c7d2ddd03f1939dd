"""What a worker keeps of matched events for correlations: one event, or many of which the columns are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.correlations.link import serving
from tocsin.correlations.occurrence import (
    MOST_KEYS,
    ROW,
    Body,
    Numbers,
    Occurrence,
    Texts,
    counts_values,
    digest,
    is_cut,
    joined_digests,
    microseconds,
    number_of,
    origin_of,
    origins,
    text_digest,
)
from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.correlations.rows import FIXED, RowSpool, shape_of
from tocsin.engine.executor import Kept
from tocsin.events import Event
from tocsin.events.values import decode, elements, scalar_text

UNTIMED: Final = "events without a time were left out"
WITHOUT_GROUP: Final = "events without a value of {} were left out"
TOO_MANY: Final = f"events whose lists give more than {MOST_KEYS} groups or values were only counted for these [E004]"
Ints = NDArray[np.int64]
UNTIMED_US: Final = int(np.iinfo(np.int64).min)
"""The time of an event that has none, where times are numbers."""
Left = Counter[tuple[int, str]]
"""Events that were left out of a correlation, by its number and the reason."""


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """The correlations of a scan, the rules that only serve them, and whether a record read twice counts once."""

    plans: Sequence[CorrelationPlan]
    silent: frozenset[int] = frozenset()
    dedupe: bool = False


class Column:
    """A field of many events: for each the number of its texts, and these; the texts are looked at once."""

    def __init__(self, codes: Ints, texts: Sequence[Texts]) -> None:
        self.codes = codes
        self.texts = texts

    @cached_property
    def counts(self) -> Ints:
        """Return of each event how many texts it has."""
        return np.array([len(texts) for texts in self.texts], np.int64)[self.codes]

    @cached_property
    def digests(self) -> Numbers:
        """Return of each event the digest of its text, if it has one."""
        return np.array([text_digest(texts[0]) if len(texts) == 1 else 0 for texts in self.texts], np.uint64)[self.codes]

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """Return of each event its text as a number; what is none is no number here either."""
        found = [number_of(texts[0]) if len(texts) == 1 else None for texts in self.texts]
        return np.array([np.nan if number is None else number for number in found])[self.codes] + 0.0


@dataclass(frozen=True, slots=True)
class Sighted:
    """Many events as columns: their times in microseconds (`UNTIMED_US`: none), records, hosts, and fields by name."""

    times: Ints
    records: Ints
    hosts: Column
    column: Callable[[str], Column]


@dataclass(frozen=True, slots=True)
class Place:
    """Where events come from."""

    unit: int
    path: str
    format: str
    part: int


Parts = Sequence[tuple[int, Place]]
"""Where rows come from: last row plus one, and place."""


def shares(parts: Parts, rows: Ints, places: Ints) -> Iterator[tuple[Place, Ints]]:
    """Yield each origin with the places of its rows; both are in order."""
    begin = 0
    for end, place in parts:
        last = int(np.searchsorted(rows[places], end))
        if last > begin:
            yield place, places[begin:last]
        begin = last


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

    @property
    def fields(self) -> frozenset[str]:
        """Return the fields that are read of matched events, as views name them."""
        return frozenset(name for rule in self._uses for name in self.fields_of(rule))

    def fields_of(self, rule: int) -> frozenset[str]:
        """Return the fields that are read of an event that a rule matched."""
        return frozenset(
            name for use in self._uses[rule] for name in (*use.fields.groups, *use.fields.values, *use.plan.carries)
        )

    @property
    def takes_columns(self) -> bool:
        """Tell whether columns of events are enough; what tells a copied record is in the whole event."""
        return not self._options.dedupe

    @property
    def kept(self) -> Kept:
        """Return the rules of which an engine is to tell the rows together."""
        rules = frozenset(self._uses) if self.takes_columns else frozenset()
        return Kept(rules, rules & self._options.silent)

    def add(self, rule: int, event: Event, at: Place, record: int) -> None:
        """Keep an event, as a view shows it, that a rule matched."""
        if not event.time:
            self.left.update((use.number, UNTIMED) for use in self._uses[rule])
            return
        time, origin = microseconds(event.time), origin_of(at.path, at.part, record)
        place = self._place(event) if self._options.dedupe else origin
        for use in self._uses[rule]:
            body = Body(
                unit=at.unit,
                path=at.path,
                format=at.format,
                part=at.part,
                record=record,
                host=event.host,
                groups=_texts(event, use.fields.groups),
                values=_texts(event, use.fields.values),
                carried=_texts(event, use.plan.carries),
            )
            self._keep(use, Occurrence(use.input, time, place, body, origin))

    def _keep(self, use: _Use, item: Occurrence) -> None:
        body, fields = item.body, use.fields
        if is_cut(body):
            self.left[use.number, TOO_MANY] += 1
        if not self._spool.add(use.number, use.plan, item):
            wanted = (*zip(fields.groups, body.groups, strict=True), *zip(fields.values, body.values, strict=True))
            self._leave_out(use, [name for name, texts in wanted if not texts], 1)

    def _leave_out(self, use: _Use, missing: Sequence[str], events: int) -> None:
        self.left[use.number, WITHOUT_GROUP.format(", ".join(missing) or ", ".join(use.fields.values))] += events

    def add_columns(self, rules: Sequence[int], sighted: Sighted, rows: Ints, place: Place) -> None:
        """Keep events of one origin, by their rows, each of which all the rules matched; the same as `add` of each."""
        timed = rows[sighted.times[rows] != UNTIMED_US]
        keys = origins(digest((place.path, place.part)), sighted.records[timed])
        known: dict[object, Numbers] = {}
        for use in (use for rule in rules for use in self._uses[rule]):
            if len(timed) < len(rows):
                self.left[use.number, UNTIMED] += len(rows) - len(timed)
            if len(timed):
                self._add_use(use, sighted, timed, keys, place, known)

    def _add_use(
        self, use: _Use, sighted: Sighted, rows: Ints, keys: Numbers, place: Place, known: dict[object, Numbers]
    ) -> None:
        names = (*use.fields.groups, *use.fields.values)
        columns = [sighted.column(name) for name in names]
        counts = np.array([column.counts[rows] for column in columns]).reshape(len(columns), len(rows))
        kept, alone = (counts == 1).all(axis=0), (counts > 1).any(axis=0)
        self._note_absent(use, counts[:, ~kept & ~alone] == 0)
        values = self._values(use, columns[len(use.fields.groups) :], rows)
        if values is None:
            values = np.zeros(len(rows), np.uint64)
        elif not counts_values(use.plan):
            alone |= kept & np.isnan(values.view(np.float64))
            kept &= ~alone
        for at in np.flatnonzero(alone).tolist():
            self._keep(use, _occurrence(use, sighted, int(rows[at]), int(keys[at]), place))
        if not kept.any():
            return
        mine = rows[kept]
        made = np.zeros(len(mine), ROW)
        made["plan"], made["input"], made["time"] = use.number, use.input, sighted.times[mine]
        groups = [column.digests[mine] for column in columns[: len(use.fields.groups)]]
        made["group"], made["value"] = joined_digests(groups, len(mine)), values[kept]
        made["place"] = made["origin"] = keys[kept]
        what = use.fields.groups, use.fields.values, use.plan.carries, kept.tobytes()
        if what not in known:
            known[what] = self._bodies(use, sighted, mine, place)
        made["body"] = known[what]
        self._spool.add_rows(made)

    @staticmethod
    def _values(use: _Use, columns: Sequence[Column], rows: Ints) -> Numbers | None:
        """Return the values of events that have one each; None where the correlation counts none."""
        if not columns:
            return None
        if counts_values(use.plan):
            return joined_digests([column.digests[rows] for column in columns], len(rows))
        return columns[0].numbers[rows].view(np.uint64)

    def _note_absent(self, use: _Use, absent: NDArray[np.bool_]) -> None:
        """Count events that lack a group or value; `absent` has a row for each field and a column for each event."""
        if not absent.size:
            return
        names = (*use.fields.groups, *use.fields.values)
        patterns, events = np.unique(absent, axis=1, return_counts=True)
        for pattern, count in zip(patterns.T.tolist(), events.tolist(), strict=True):
            self._leave_out(use, [name for name, lacks in zip(names, pattern, strict=True) if lacks], count)

    def _bodies(self, use: _Use, sighted: Sighted, rows: Ints, place: Place) -> Numbers:
        """Keep the bodies of events; return where each is."""
        fields = use.fields
        names = (*fields.groups, *fields.values, *use.plan.carries)
        made = np.zeros((len(rows), FIXED + len(names)), np.int64)
        made[:, 0] = shape_of(len(fields.groups), len(fields.values), len(use.plan.carries))
        made[:, 1] = sighted.records[rows]
        made[:, 3] = self._spool.text((place.unit, place.path, place.format, place.part))
        made[:, 4] = self._places(sighted.hosts, rows, single=True)
        made[:, 5] = self._spool.text("")
        for at, name in enumerate(names, FIXED):
            made[:, at] = self._places(sighted.column(name), rows)
        return self._spool.add_bodies(made)

    def _places(self, column: Column, rows: Ints, single: bool = False) -> Ints:
        """Return where the texts of events are kept; with `single` an event has one text, or none."""
        codes = column.codes[rows]
        places = np.zeros(len(column.texts), np.int64)
        for code in np.flatnonzero(np.bincount(codes, minlength=len(places))).tolist():
            texts = column.texts[code]
            places[code] = self._spool.text("".join(texts) if single else texts)
        return places[codes]

    @staticmethod
    def _place(event: Event) -> int:
        """Return what tells an event apart, the same for two copies of a record."""
        number = scalar_text(event.fields.get("EventRecordID"))
        if number:
            return digest((event.host, event.gate.channel, number, event.time))
        return digest((event.host, event.gate.channel, scalar_text(event.original), event.time))


def _occurrence(use: _Use, sighted: Sighted, row: int, key: int, place: Place) -> Occurrence:
    def texts(column: Column) -> Texts:
        return column.texts[int(column.codes[row])]

    groups, values, carried = (
        tuple(texts(sighted.column(name)) for name in names)
        for names in (use.fields.groups, use.fields.values, use.plan.carries)
    )
    record, host = int(sighted.records[row]), "".join(texts(sighted.hosts))
    body = Body(place.unit, place.path, place.format, place.part, record, host, groups, values, carried)
    return Occurrence(use.input, int(sighted.times[row]), key, body, key)


def texts_of_cell(cell: str | None) -> Texts:
    """Return the elements of a cell that carry a value."""
    if cell is None:
        return ()
    return tuple(text for text in decode(cell) if text)


def _texts(event: Event, names: Sequence[str]) -> tuple[Texts, ...]:
    return tuple(_elements(event.find(name)[1]) for name in names)


def _elements(value: object) -> Texts:
    """Return the elements of a field that carry a value; none of an absent field, which `find` gives as null."""
    if type(value) is str:
        return (value,) if value else ()
    return tuple(text for text in elements(value) if text) if value is not None else ()


__all__ = [
    "UNTIMED_US",
    "CollectOptions",
    "Column",
    "Left",
    "MatchCollector",
    "Parts",
    "Place",
    "Sighted",
    "shares",
    "texts_of_cell",
]
