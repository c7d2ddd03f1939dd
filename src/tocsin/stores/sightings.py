"""Sightings that are counted: how often something was seen, told from so many other organisations on as a rule says.

A sighting of the caller's own, and one that it is given itself, is not among them. What is below the threshold is answered as
what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, exists, select

from tocsin.sharing.decisions import SIGHTING, Caller, counted, decide
from tocsin.sharing.markings import Marking
from tocsin.sharing.rulebook import Rule
from tocsin.stores import schema
from tocsin.stores.database import reading
from tocsin.stores.grants import Carried, read_marks_text
from tocsin.stores.rulebooks import Rulebooks


@dataclass(frozen=True, slots=True)
class Counted:
    """How often an object was seen: `first` and `last` in microseconds, None when nobody said; `owners` who saw it.

    `named` says that a rule gives pseudonyms of the owners, `marking` what all of the sightings carry together; `added` is
    when the first and the last of them came.
    """

    of: str
    count: int
    first: int | None
    last: int | None
    owners: tuple[str, ...]
    named: bool
    marking: Marking
    added: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: collections, the ids of what was seen if not all, and the id after which to begin."""

    collections: tuple[str, ...]
    ids: tuple[str, ...] = ()
    after: str = ""
    limit: int = 500


class SightingStore:
    """Counts of sightings in a database. `clock` gives the moment, in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, rulebooks: Rulebooks, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._rulebooks = rulebooks
        self._clock = clock

    def counts(self, caller: Caller, wanted: Wanted) -> list[Counted]:
        """Return what was seen often enough, in the order of the ids of what was seen."""
        with reading(self._engine) as connection:
            labels, given = self._labels(connection, caller, wanted.collections)
            if not labels:
                return []
            found: list[Counted] = []
            rows = connection.execute(_select(wanted, list(labels), given))
            for _, seen in groupby(rows, attrgetter("of")):
                counted = _count(list(seen), labels)
                found += [counted] if counted else []
                if len(found) == wanted.limit:
                    break
            return found

    def _labels(
        self, connection: Connection, caller: Caller, collections: tuple[str, ...]
    ) -> tuple[dict[int, tuple[Rule, Marking]], list[int]]:
        """Return the labels of sightings that are counted for a caller, with the rule that does, and those that it is given."""
        book, today = self._rulebooks.in_force(connection).book, self._today()
        table = schema.label
        rows = connection.execute(select(table).where(table.c.collection.in_(collections), table.c.type == SIGHTING))
        found, given = {}, []
        for row in rows:
            label = Carried(row.collection, row.owner, row.type, read_marks_text(row.marks)).label(book)
            rule = counted(book, caller, label, today)
            if decide(book, caller, label, today).allowed:
                given.append(int(row.id))
            elif rule is not None:
                found[int(row.id)] = rule, label.marking
        return found, given

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock() / 1e6, UTC).date()


def _select(wanted: Wanted, labels: list[int], given: list[int]) -> Any:
    """Return the query of the last version of each sighting of these labels, in the order of what was seen.

    A later version takes its place if it is counted or given too. Of one that is hidden nobody learns.
    """
    entry, sighting = schema.entry.alias("e"), schema.sighting
    other = schema.entry.alias("other")
    same = other.c.collection == entry.c.collection, other.c.stix_id == entry.c.stix_id, other.c.owner == entry.c.owner
    seen = other.c.label.in_([*labels, *given])
    later = exists(select(1).where(*same, seen, other.c.version > entry.c.version))
    conditions = [entry.c.collection.in_(wanted.collections), entry.c.label.in_(labels), sighting.c.of != "", ~later]
    conditions += [sighting.c.of.in_(wanted.ids)] if wanted.ids else []
    conditions += [sighting.c.of > wanted.after] if wanted.after else []
    columns = sighting.c.of, sighting.c.times, sighting.c.first, sighting.c.last, entry.c.owner, entry.c.label, entry.c.added
    joined = sighting.join(entry, entry.c.seq == sighting.c.seq)
    return select(*columns).select_from(joined).where(and_(*conditions)).order_by(sighting.c.of, entry.c.seq)


def _count(seen: list[Row[Any]], labels: Mapping[int, tuple[Rule, Marking]]) -> Counted | None:
    """Return what sightings of one object come to, or None when too few organisations stand behind them."""
    owners = tuple(sorted({row.owner for row in seen}))
    rules = [labels[row.label][0] for row in seen]
    if len(owners) < max(rule.k for rule in rules):
        return None
    marking = labels[seen[0].label][1]
    for row in seen:
        marking = marking.join(labels[row.label][1])
    return Counted(
        seen[0].of,
        sum(int(row.times) for row in seen),
        min(_told(row.first for row in seen), default=None),
        max(_told(row.last for row in seen), default=None),
        owners,
        all(rule.pseudonyms for rule in rules),
        marking,
        (min(row.added for row in seen), max(row.added for row in seen)),
    )


def _told(moments: Iterable[int | None]) -> Iterator[int]:
    return (moment for moment in moments if moment is not None)


__all__ = ["Counted", "SightingStore", "Wanted"]
