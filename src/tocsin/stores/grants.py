"""Grants: for each caller the labels that it may read, decided once by `sharing.decisions` and kept as rows to join with.

They hold for one rulebook and one day; `refresh` makes them anew when either is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from tocsin.sharing.decisions import Caller, Label, decide
from tocsin.sharing.markings import Marks
from tocsin.sharing.rulebook import Rulebook
from tocsin.stores import schema, state

_HELD: Final = "grants"


class Carried(NamedTuple):
    """What objects share that are decided together: what they carry is a label as soon as a rulebook says what it means."""

    collection: str
    owner: str
    type: str
    marks: Marks

    def label(self, book: Rulebook) -> Label:
        """Return the label that a rulebook makes of it."""
        return Label(self.collection, self.owner, self.type, self.marks.resolve(book.markings, book.default))


def refresh(connection: Connection, book: Rulebook, digest: str, today: date) -> None:
    """Make all grants anew for a rulebook (by its digest) and a day."""
    labels = {number: carried.label(book) for number, carried in _carried(connection).items()}
    connection.execute(delete(schema.grant))
    for number, caller in _callers(connection).items():
        _grant(connection, number, (key for key, label in labels.items() if decide(book, caller, label, today).allowed))
    if labels:
        levels = [{"which": number, "level": int(label.marking.tlp)} for number, label in labels.items()]
        table = schema.label
        connection.execute(update(table).where(table.c.id == bindparam("which")).values(tlp=bindparam("level")), levels)
    state.put(connection, _HELD, held(digest, today))


def held(digest: str, today: date) -> str:
    """Return the text that says for what grants hold."""
    return f"{digest} {today.isoformat()}"


def are_held(connection: Connection, digest: str, today: date) -> bool:
    """Return whether the grants that are kept hold for a rulebook and a day."""
    return state.get(connection, _HELD) == held(digest, today)


def caller_number(connection: Connection, caller: Caller) -> int | None:
    """Return the number of a caller, or None when no grants are kept for it."""
    table = schema.caller
    query = select(table.c.id).where(table.c.organisation == caller.organisation, table.c.purposes == _joined(caller.purposes))
    found: int | None = connection.execute(query).scalar_one_or_none()
    return found


def add_caller(connection: Connection, caller: Caller, book: Rulebook, today: date) -> int:
    """Return the number of a caller, with its grants made when it is new."""
    number = caller_number(connection, caller)
    if number is not None:
        return number
    values = {"organisation": caller.organisation, "purposes": _joined(caller.purposes)}
    number = int(connection.execute(insert(schema.caller).values(values).returning(schema.caller.c.id)).scalar_one())
    labels = {key: carried.label(book) for key, carried in _carried(connection).items()}
    _grant(connection, number, (key for key, label in labels.items() if decide(book, caller, label, today).allowed))
    return number


def label_numbers(connection: Connection, carried: Sequence[Carried], book: Rulebook, today: date) -> dict[Carried, int]:
    """Return the number of each label, with the grants of every caller made for those that are new."""
    wanted = dict.fromkeys(carried)
    known = {item: number for number, item in _carried(connection, {item.collection for item in wanted}).items()}
    callers = _callers(connection) if wanted.keys() - known.keys() else {}
    for item in wanted:
        if item in known:
            continue
        label = item.label(book)
        values = {**item._asdict(), "marks": marks_text(item.marks), "tlp": int(label.marking.tlp)}
        number = connection.execute(insert(schema.label).values(values).returning(schema.label.c.id)).scalar_one()
        known[item] = number
        allowed = [key for key, caller in callers.items() if decide(book, caller, label, today).allowed]
        if allowed:
            connection.execute(insert(schema.grant), [{"caller": key, "label": number} for key in allowed])
    return {item: known[item] for item in wanted}


def count_labels(connection: Connection, collection: str, owner: str) -> int:
    """Return how many labels an organisation has in a collection."""
    table = schema.label
    query = select(func.count()).select_from(table).where(table.c.collection == collection, table.c.owner == owner)
    return int(connection.execute(query).scalar_one())


def marks_text(marks: Marks) -> str:
    """Return what `read_marks_text` reads; the same marks have the same text."""
    return msgspec.json.encode(marks).decode()


def read_marks_text(text: str) -> Marks:
    """Return the marks that a column holds."""
    return msgspec.json.decode(text, type=Marks)


def _grant(connection: Connection, caller: int, labels: Iterable[int]) -> None:
    rows = [{"caller": caller, "label": number} for number in labels]
    if rows:
        connection.execute(insert(schema.grant), rows)


def _carried(connection: Connection, collections: Iterable[str] = ()) -> dict[int, Carried]:
    """Return what the labels that are kept stand for, all of them or those of collections."""
    query = select(schema.label).order_by(schema.label.c.id)
    names = sorted(collections)
    if names:
        query = query.where(schema.label.c.collection.in_(names))
    return {
        row.id: Carried(row.collection, row.owner, row.type, read_marks_text(row.marks)) for row in connection.execute(query)
    }


def _callers(connection: Connection) -> dict[int, Caller]:
    """Return the callers that are kept."""
    rows = connection.execute(select(schema.caller).order_by(schema.caller.c.id))
    return {row.id: Caller(row.organisation, parted(row.purposes)) for row in rows}


def _joined(names: Iterable[str]) -> str:
    return "\n".join(sorted(names))


def parted(text: str) -> tuple[str, ...]:
    """Return the names that a column holds."""
    return tuple(text.split("\n")) if text else ()


__all__ = [
    "Carried",
    "add_caller",
    "are_held",
    "caller_number",
    "count_labels",
    "held",
    "label_numbers",
    "marks_text",
    "parted",
    "read_marks_text",
    "refresh",
]
