"""What a batch of items becomes: rows that are new, rows whose marking narrows, and versions that are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from tocsin.sharing.decisions import SIGHTING
from tocsin.sharing.markings import Marks
from tocsin.sharing.moments import read_moment
from tocsin.sharing.redaction import redact
from tocsin.stores import schema, state
from tocsin.stores.grants import Carried, read_marks_text
from tocsin.stores.interface import Item, Kept, MarkedPart, Result
from tocsin.stores.parts import insert_parts, read_parts, relabel_parts

_MOST_SEEN: Final = 999_999_999
"""The largest count of a sighting by STIX 2.1."""
_ASKED: Final = 500
"""Ids that one statement asks for."""
NARROWED: Final = "narrowed"
"""The state that tells the last batch by which the marking of something that was there got narrower."""
Numbers = Callable[[Sequence[Carried]], Mapping[Carried, int]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Where and when items are added, and whose they become. `added` is in microseconds."""

    collection: str
    owner: str
    added: int


class _Key(NamedTuple):
    stix_id: str
    version: int
    spec: str


@dataclass(slots=True)
class _Held:
    """A version that is kept, or is about to be: then its `seq` is 0. A bare one has no version but the moment of its batch."""

    seq: int
    body: bytes
    type: str
    marks: Marks
    version: int
    parts: tuple[MarkedPart, ...] = ()
    label: int = 0
    bare: bool = False

    def narrow(self, marks: Marks, parts: tuple[MarkedPart, ...]) -> bool:
        """Let this carry more, as the same was sent again with that; return whether it does now."""
        before = self.marks, self.parts
        told: dict[tuple[str, ...], Marks] = {}
        for part in parts:
            told[part.selectors] = told.get(part.selectors, marks).join(part.marks)
        own = {part.selectors for part in self.parts}
        for more in (marks, *(found for selectors, found in told.items() if selectors not in own)):
            self.marks = self.marks.join(more)
        self.parts = tuple(
            MarkedPart(part.selectors, part.marks.join(told.get(part.selectors, marks)).join(self.marks)) for part in self.parts
        )
        return before != (self.marks, self.parts)


def take_in(connection: Connection, batch: Batch, items: Sequence[Item], numbers: Numbers) -> list[Result]:
    """Write a batch in the transaction of a connection and return what became of each item, in their order."""
    held = dict(_known(connection, batch, items))
    bare = {(key.stix_id, key.spec, found.body): key for key, found in held.items() if found.bare}
    narrowed: dict[_Key, _Held] = {}
    outcomes: list[tuple[Kept, _Held]] = []
    for item in items:
        key = _Key(item.id, batch.added if item.version is None else item.version, item.spec_version)
        if item.version is None:
            key = bare.get((item.id, item.spec_version, item.body), key)
        known = held.get(key)
        if known is None:
            held[key] = new = _Held(0, item.body, item.type, item.marks, key.version, item.parts, bare=item.version is None)
            outcomes.append((Kept.ADDED, new))
            continue
        outcomes.append((Kept.KNOWN if known.body == item.body else Kept.CONFLICT, known))
        if known.body == item.body and known.narrow(item.marks, item.parts):
            narrowed[key] = known
    _insert(connection, batch, {key: new for key, new in held.items() if not new.seq}, numbers)
    _narrow(connection, batch, [old for old in narrowed.values() if old.seq], numbers)
    return [Result(kept, found.version) for kept, found in outcomes]


def _known(connection: Connection, batch: Batch, items: Sequence[Item]) -> Iterator[tuple[_Key, _Held]]:
    """Yield the versions of the objects of items that their owner has in the collection already."""
    entry, label = schema.entry, schema.label
    ids = list(dict.fromkeys(item.id for item in items))
    query = select(entry, label.c.type, label.c.marks).join(label, label.c.id == entry.c.label)
    query = query.where(entry.c.collection == batch.collection, entry.c.owner == batch.owner)
    for at in range(0, len(ids), _ASKED):
        rows = connection.execute(query.where(entry.c.stix_id.in_(ids[at : at + _ASKED]))).all()
        parts = _known_parts(connection, [row.seq for row in rows if row.parted])
        for row in rows:
            marks, own = read_marks_text(row.marks), parts.get(row.seq, ())
            held = _Held(row.seq, row.body, row.type, marks, row.version, own, row.label, row.version == row.added)
            yield _Key(row.stix_id, row.version, row.spec), held


def _known_parts(connection: Connection, seqs: Sequence[int]) -> dict[int, tuple[MarkedPart, ...]]:
    """Return the parts of entries with what they carry."""
    found = read_parts(connection, seqs)
    numbers = sorted({part.label for parts in found.values() for part in parts})
    labels = connection.execute(select(schema.label.c.id, schema.label.c.marks).where(schema.label.c.id.in_(numbers)))
    marks = {row.id: read_marks_text(row.marks) for row in labels}
    return {seq: tuple(MarkedPart(part.selectors, marks[part.label]) for part in parts) for seq, parts in found.items()}


def _insert(connection: Connection, batch: Batch, fresh: Mapping[_Key, _Held], numbers: Numbers) -> None:
    """Insert versions that are not there, and the batch that they are."""
    if not fresh:
        return
    labels = [Carried(batch.collection, batch.owner, new.type, new.marks) for new in fresh.values()]
    known = numbers([*labels, *(label for new in fresh.values() for label in _labels_of_parts(batch, new))])
    tops = (select(func.max(schema.entry.c.seq)), select(func.max(schema.batch.c.last)))
    first = 1 + max(connection.execute(top).scalar() or 0 for top in tops)
    placed = sorted(zip(_ranks(labels), fresh.items(), labels, strict=True), key=itemgetter(0))
    for rank, (_, new), _ in placed:
        new.version = batch.added + rank if new.bare else new.version
    rows = [
        {
            "seq": seq,
            "label": known[label],
            "collection": batch.collection,
            "owner": batch.owner,
            "stix_id": key.stix_id,
            "version": new.version,
            "spec": key.spec,
            "added": batch.added + rank,
            "body": new.body,
            "parted": bool(new.parts),
        }
        for seq, (rank, (key, new), label) in enumerate(placed, first)
    ]
    connection.execute(insert(schema.entry), rows)
    for seq, (_, (_, new), _) in enumerate(placed, first):
        if new.parts:
            insert_parts(connection, seq, new.parts, [known[label] for label in _labels_of_parts(batch, new)])
    seen = [_seen(seq, _for_all(new)) for seq, (_, (_, new), _) in enumerate(placed, first) if new.type == SIGHTING]
    if seen:
        connection.execute(insert(schema.sighting), seen)
    connection.execute(insert(schema.batch).values(added=batch.added + placed[-1][0], last=first + len(rows) - 1))
    count(connection, [known[label] for label in labels], 1)


def _labels_of_parts(batch: Batch, held: _Held) -> list[Carried]:
    return [Carried(batch.collection, batch.owner, held.type, part.marks) for part in held.parts]


def _for_all(held: _Held) -> bytes:
    """Return what everybody may see who may see an object: it alone is counted."""
    hidden = [selector for part in held.parts for selector in part.selectors]
    return (redact(held.body, hidden) or b"{}") if hidden else held.body


class _Sighting(msgspec.Struct):
    sighting_of_ref: str = ""
    count: int = 1
    first_seen: str = ""
    last_seen: str = ""


def _seen(seq: int, body: bytes) -> dict[str, Any]:
    """Return the row of a sighting: what was seen, and how often. One that cannot be read is a sighting of nothing."""
    try:
        found = msgspec.json.decode(body, type=_Sighting)
    except msgspec.ValidationError:
        found = _Sighting()
    count = min(max(found.count, 0), _MOST_SEEN)
    return {
        "seq": seq,
        "of": found.sighting_of_ref,
        "times": count,
        "first": read_moment(found.first_seen),
        "last": read_moment(found.last_seen),
    }


def _ranks(labels: Iterable[Carried]) -> Iterator[int]:
    """Yield how many of the same label came before, for each label.

    Added to the moment of the batch, they tell objects apart by when they were added, as clients want that page by it, without
    telling how many there are of labels that a client may not see.
    """
    seen: Counter[Carried] = Counter()
    for label in labels:
        yield seen[label]
        seen[label] += 1


def _narrow(connection: Connection, batch: Batch, held: Sequence[_Held], numbers: Numbers) -> None:
    """Give versions that are there the labels of their narrower markings."""
    if not held:
        return
    labels = [Carried(batch.collection, batch.owner, old.type, old.marks) for old in held]
    known = numbers([*labels, *(label for old in held for label in _labels_of_parts(batch, old))])
    changes = [{"which": old.seq, "label_now": known[label]} for old, label in zip(held, labels, strict=True)]
    entry = schema.entry
    connection.execute(update(entry).where(entry.c.seq == bindparam("which")).values(label=bindparam("label_now")), changes)
    for old in held:
        if old.parts:
            relabel_parts(connection, old.seq, [known[label] for label in _labels_of_parts(batch, old)])
    count(connection, [old.label for old in held], -1)
    count(connection, [known[label] for label in labels], 1)
    state.put(connection, NARROWED, str(batch.added))


def count(connection: Connection, labels: Iterable[int], sign: int) -> None:
    """Add to, or take from, the number of rows of each label once for each time that it is listed."""
    changes = [{"which": number, "more": sign * rows} for number, rows in sorted(Counter(labels).items())]
    table = schema.label
    connection.execute(
        update(table).where(table.c.id == bindparam("which")).values(rows=table.c.rows + bindparam("more")), changes
    )


__all__ = ["NARROWED", "Batch", "count", "take_in"]
