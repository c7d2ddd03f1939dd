"""Objects of intelligence, by SQL: what was received is kept as it was, and leaves through a caller's grants alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select

from tocsin.errors import NodeError
from tocsin.records.entry import Kind
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import Marks, Tlp
from tocsin.sharing.redaction import redact
from tocsin.sharing.rulebook import Rulebook
from tocsin.stores import schema, state
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import add_caller, are_held, caller_number, count_labels, label_numbers, read_marks_text, refresh
from tocsin.stores.intake import Batch, count, take_in
from tocsin.stores.interface import Item, Kept, MarkedPart, Page, Query, Result, Row
from tocsin.stores.journal import Journal, reference
from tocsin.stores.parts import StoredPart, read_parts
from tocsin.stores.questions import select_known, select_owned, select_page
from tocsin.stores.rulebooks import Rulebooks, Rules, digest_in_force

_MOST_LABELS: Final = 2_000
"""From so many labels of one organisation in a collection on, ids that no rulebook declares are TLP:RED for good.

Each new one of them would be one more label, and one more decision for each caller.
"""
Clock = Callable[[], int]
RESTRICTED: Final = Tlp.AMBER
"""From this level on the record names each object that is taken or given; of others it holds number and digest."""
_MOMENT: Final = "moment"
_STEP_US: Final = 20_000
"""How far one batch is from the next while the clock is behind them: about as long as it takes to write one."""


class ObjectStore:
    """Objects in a database. `clock` gives the moment, in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, rulebooks: Rulebooks, clock: Clock, journal: Journal) -> None:
        self._engine = engine
        self._rulebooks = rulebooks
        self._clock = clock
        self._journal = journal

    def page(self, caller: Caller, query: Query, *, bodies: bool = True) -> Page:
        """Return the objects that match a query and that the caller may see, in the order in which they were added."""
        with self._asking(caller) as (connection, number):
            rows = connection.execute(select_page(connection, number, query, bodies=bodies)).all()
            parts = read_parts(connection, [row.seq for row in rows if row.parted], number)
            held = _held(connection, {row.label for row in rows} | {part.label for some in parts.values() for part in some})
        found = tuple(_row(row, row.body if bodies else b"", parts.get(row.seq, ()), held) for row in rows)
        return Page(found[: _cut(found, query.limit)], len(found) > query.limit)

    def knows(self, caller: Caller, collections: Sequence[str], stix_id: str) -> bool:
        """Return whether the caller may see any version of an object."""
        with self._asking(caller) as (connection, number):
            return connection.execute(select_known(number, collections, stix_id)).first() is not None

    def add(
        self, caller: Caller, collection: str, items: Sequence[Item], detail: Mapping[str, str] | None = None
    ) -> tuple[list[Result], str]:
        """Keep items as those of the caller's organisation, all of them or, when it fails, none; say what became of each.

        The same version again is known, not added twice: it keeps the more restricted of both markings. With another content
        it is a conflict, and what is kept stays. The record says so in the same transaction, with `detail`: its receipt is
        returned too.
        """
        with writing(self._engine) as connection:
            rules = self._hold(connection)
            added = self._next_moment(connection)
            if count_labels(connection, collection, caller.organisation) > _MOST_LABELS:
                items = [_without_unknown(item, rules.book) for item in items]
            decide = partial(label_numbers, connection, book=rules.book, today=self._today())
            results = take_in(connection, Batch(collection, caller.organisation, added), items, decide)
            counts = {kept.value: str(sum(result.kept is kept for result in results)) for kept in Kept}
            objects = [reference(item.id, item.body) for item in items if _level(item, rules.book) >= RESTRICTED]
            told = {"collection": collection, **counts, **(detail or {})}
            return results, self._journal.note(connection, Kind.WRITE, caller, told, objects)

    def remove(self, caller: Caller, query: Query) -> tuple[int, int, str]:
        """Withdraw what matches a query and is the caller's own; return how many were, how many of others match, the receipt.

        What others put there changes nothing; it is looked for only when nothing is withdrawn. Then nothing is recorded and the
        receipt is empty.
        """
        receipt = ""
        with self._asking(caller, write=True) as (connection, number):
            own = connection.execute(select_owned(connection, number, caller.organisation, query)).all()
            others = () if own else connection.execute(select_page(connection, number, query, bodies=False)).all()
            if own:
                gone = [
                    {"seq": row.seq, "label": row.label, "stix_id": row.stix_id, "version": row.version, "at": self._clock()}
                    for row in own
                ]
                connection.execute(insert(schema.withdrawal), gone)
                connection.execute(
                    delete(schema.entry).where(schema.entry.c.seq == bindparam("gone")), [{"gone": row.seq} for row in own]
                )
                count(connection, [row.label for row in own], -1)
                objects = [reference(row.stix_id, row.body) for row in own]
                told = {"collection": ", ".join(query.collections), "withdrawn": str(len(own))}
                receipt = self._journal.note(connection, Kind.WITHDRAWAL, caller, told, objects)
        return len(own), len(others), receipt

    def release(self, caller: Caller, query: Query, page: Page, content: bytes, what: str) -> str:
        """Record that a page is given to a caller, and return the receipt; a page without rows gives nothing and has none.

        `content` is the answer as it is sent, `what` says which kind it is. Raises: RecordError, SQLAlchemyError; then it is
        not to be given.
        """
        if not page.rows:
            return ""
        detail = {"collection": ", ".join(query.collections), "what": what, "rows": str(len(page.rows))}
        objects = [reference(row.id, row.body) for row in page.rows if row.restricted]
        return self._journal.release(caller, detail, content, objects)

    @contextmanager
    def _asking(self, caller: Caller, *, write: bool = False) -> Iterator[tuple[Connection, int]]:
        """Give a connection, and the number of the caller whose grants hold on it."""
        while not write:
            with reading(self._engine) as connection:
                number = caller_number(connection, caller)
                if number is not None and are_held(connection, digest_in_force(connection), self._today()):
                    yield connection, number
                    return
            with writing(self._engine) as connection:
                add_caller(connection, caller, self._hold(connection).book, self._today())
        with writing(self._engine) as connection:
            yield connection, add_caller(connection, caller, self._hold(connection).book, self._today())

    def _hold(self, connection: Connection) -> Rules:
        """Return the rulebook in force; the grants are made anew when it or the day is another."""
        rules, today = self._rulebooks.in_force(connection), self._today()
        if not are_held(connection, rules.digest, today):
            refresh(connection, rules.book, rules.digest, today)
        return rules

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock() / 1e6, UTC).date()

    def _next_moment(self, connection: Connection) -> int:
        """Return the moment of a batch: now, or later than the last batch when the clock was set back.

        Then it is told from the moments of batches, one after the other, and not from how much was in them: that may be hidden.
        """
        now, last = self._clock(), connection.execute(select(func.max(schema.batch.c.added))).scalar() or 0
        before = int(state.get(connection, _MOMENT) or last)
        moment = now if now > max(before, last) else max(before + _STEP_US, last + 1)
        state.put(connection, _MOMENT, str(moment))
        return moment


def _level(item: Item, book: Rulebook) -> Tlp:
    """Return the level of an item with all of its parts."""
    return max(marks.resolve(book.markings, book.default).tlp for marks in (item.marks, *(part.marks for part in item.parts)))


def _without_unknown(item: Item, book: Rulebook) -> Item:
    """Return an item that carries TLP:RED in place of ids that are not declared."""
    parts = tuple(MarkedPart(selectors, marks.without_unknown(book.markings)) for selectors, marks in item.parts)
    return replace(item, marks=item.marks.without_unknown(book.markings), parts=parts)


def _row(row: Any, body: bytes, parts: Sequence[StoredPart], held: Mapping[int, tuple[bool, Marks]]) -> Row:
    """Return an object without those of its parts that are not given, as restricted as it is with the others."""
    restricted, marks = held[row.label]
    hidden: list[str] = []
    told: list[MarkedPart] = []
    for part in parts:
        more, whole = held[part.label]
        if not part.is_given:
            hidden += part.selectors
            continue
        restricted |= more
        if _refs(whole) != _refs(marks):
            told.append(MarkedPart(part.selectors, whole))
    left = redact(body, hidden) if hidden and body else body
    if left is None or (row.parted and not parts):
        hint = "restore the database: parts of objects are tried before they are kept"
        raise NodeError("N073", f"{row.stix_id}: what may not be given cannot be left out of it", hint=hint)
    return Row(row.stix_id, row.version, row.spec, row.added, left, restricted, marks, tuple(hidden), tuple(told))


def _refs(marks: Marks) -> set[str]:
    return {ref for part in marks.parts for ref in part.refs}


def _held(connection: Connection, labels: Iterable[int]) -> dict[int, tuple[bool, Marks]]:
    """Return of each label whether its objects are restricted, and what they carry."""
    table = schema.label
    query = select(table.c.id, table.c.tlp, table.c.marks).where(table.c.id.in_(sorted(labels)))
    return {row.id: (row.tlp >= int(RESTRICTED), read_marks_text(row.marks)) for row in connection.execute(query)}


def _cut(rows: Sequence[Row], limit: int) -> int:
    """Return where to end a page: not between rows of one moment, as clients may ask for what was added after its last."""
    if len(rows) <= limit:
        return len(rows)
    at = limit
    while at and rows[at - 1].added == rows[limit].added:
        at -= 1
    return at or limit


__all__ = ["RESTRICTED", "Clock", "ObjectStore"]
