"""Parts of objects that carry more than the rest: kept beside their entries, each with a label, and left out by grants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, insert, select, update

from tocsin.stores import schema
from tocsin.stores.interface import MarkedPart

_ASKED: Final = 500
Selectors = tuple[str, ...]


class StoredPart(NamedTuple):
    """A part as it is kept: its number in its object, its label, and whether the reader who asks may see it."""

    number: int
    label: int
    selectors: Selectors
    is_given: bool


def insert_parts(connection: Connection, seq: int, parts: Iterable[MarkedPart], labels: Iterable[int]) -> None:
    """Keep the parts of an entry under their labels."""
    texts = [msgspec.json.encode(part.selectors).decode() for part in parts]
    rows = [
        {"seq": seq, "number": number, "label": label, "selectors": text}
        for number, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    connection.execute(insert(schema.part), rows)


def relabel_parts(connection: Connection, seq: int, labels: Iterable[int]) -> None:
    """Give the parts of an entry other labels, in their order."""
    changes = [{"which": seq, "place": number, "label_now": label} for number, label in enumerate(labels)]
    same = schema.part.c.seq == bindparam("which"), schema.part.c.number == bindparam("place")
    connection.execute(update(schema.part).where(*same).values(label=bindparam("label_now")), changes)


def read_parts(connection: Connection, seqs: Sequence[int], caller: int = 0) -> Mapping[int, list[StoredPart]]:
    """Return the parts of entries, in their order, and which of them a caller has a grant for."""
    found: dict[int, list[StoredPart]] = defaultdict(list)
    table, held = schema.part, schema.grant
    granted = and_(held.c.label == table.c.label, held.c.caller == caller)
    query = select(table, held.c.caller).select_from(table.outerjoin(held, granted)).order_by(table.c.seq, table.c.number)
    for some in _some(seqs):
        for row in connection.execute(query.where(table.c.seq.in_(some))):
            selectors = msgspec.json.decode(row.selectors, type=Selectors)
            found[row.seq].append(StoredPart(row.number, row.label, selectors, row.caller is not None))
    return found


def _some(seqs: Sequence[int]) -> Iterator[Sequence[int]]:
    return (seqs[at : at + _ASKED] for at in range(0, len(seqs), _ASKED))


__all__ = ["StoredPart", "insert_parts", "read_parts", "relabel_parts"]
