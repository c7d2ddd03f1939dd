"""The record in a database: entries, the hashes of perfect subtrees, checkpoints that were signed, and those seen of peers.

Everything works inside a connection that is given, so that an entry is committed with what it records, or not at all. Its
transaction has to be one for writing from its first statement (`BEGIN IMMEDIATE` in SQLite); appending then waits for whoever
appends, and the order of entries is that of commits. Sign a checkpoint only of what is committed, and commit with
`synchronous = FULL`: a signed checkpoint that a crash takes back is a forked history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    delete,
    insert,
    literal,
    select,
    update,
)

from tocsin.errors import RecordError
from tocsin.records.bundle import Consistency, Leaf
from tocsin.records.checkpoint import Checkpoint, read_checkpoint
from tocsin.records.entry import Entry, encode
from tocsin.records.note import Note, parse_note
from tocsin.records.receipt import Receipt
from tocsin.records.tree import (
    Frontier,
    Subtree,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    subtrees,
)

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
_PAGE: Final = 1_000
"""Entries that are read at once."""

metadata = MetaData()
heads = Table(
    "record_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("size", _NUMBER, nullable=False),
)
"""One row: the name of the log, and how many entries it has."""
leaves = Table(
    "record_leaf",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("organisation", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Index("record_leaf_organisation", "organisation", "seq"),
    Index("record_leaf_hash", "hash"),
)
nodes = Table(
    "record_node",
    metadata,
    Column("position", _NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Perfect subtrees above the leaves, by their position in the order of a walk from left to right."""
checkpoints = Table(
    "record_checkpoint",
    metadata,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
"""Own checkpoints that were signed and are kept, with the cosignatures of peers."""
peers = Table(
    "record_peer",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("note", Text, nullable=False),
)
"""The last checkpoint seen of each peer, whole, since two of them can prove a fork."""


class _Row(NamedTuple):
    seq: int
    organisation: str
    hash: bytes
    entry: bytes


def prepare(connection: Connection, origin: str) -> None:
    """Make the tables that are missing, and name the log; nothing changes when it has this name already.

    Raises: RecordError L011 when the log has another name.
    """
    metadata.create_all(connection)
    first = select(literal(1), literal(origin), literal(0)).where(~select(heads.c.id).exists())
    connection.execute(insert(heads).from_select(["id", "origin", "size"], first))
    found = origin_of(connection)
    if found != origin:
        raise RecordError("L011", f"the record is that of {found!r:.100}, and not of {origin!r:.100}")


def origin_of(connection: Connection) -> str:
    """Return the name of the log. Raises: RecordError L011 when there is none."""
    found: str | None = connection.execute(select(heads.c.origin)).scalar_one_or_none()
    if found is None:
        raise RecordError("L011", "the database holds no record")
    return found


def size_of(connection: Connection) -> int:
    """Return how many entries there are."""
    size: int = connection.execute(select(heads.c.size)).scalar_one()
    return size


def append(connection: Connection, entries: Sequence[Entry]) -> range:
    """Append entries and return their numbers; they are in the record when the transaction is committed.

    Cost: five statements, whatever the number of entries. Raises: RecordError L010, before anything is written.
    """
    encoded = [encode(entry) for entry in entries]
    if not encoded:
        return range(0)
    grow = update(heads).values(size=heads.c.size + len(encoded)).returning(heads.c.size)
    size = connection.execute(grow).scalar_one()
    numbers = range(size - len(encoded), size)
    hashes = [leaf_hash(data) for data in encoded]
    _, made = frontier(connection, numbers.start).extend(hashes)
    rows = [
        {"seq": seq, "organisation": entry.organisation, "hash": value, "entry": data}
        for seq, entry, value, data in zip(numbers, entries, hashes, encoded, strict=True)
    ]
    connection.execute(insert(leaves), rows)
    if made:
        connection.execute(insert(nodes), [{"position": _position(node), "hash": value} for node, value in made])
    return numbers


def frontier(connection: Connection, size: int) -> Frontier:
    """Return what growing on from a size needs. Cost: two queries for O(log n) rows."""
    return Frontier(size, tuple(_read(connection, list(subtrees(0, size)))))


def checkpoint(connection: Connection, size: int | None = None) -> Checkpoint:
    """Return the checkpoint of a size, or of all entries, not yet signed."""
    size = size_of(connection) if size is None else size
    return Checkpoint(origin_of(connection), size, fold(frontier(connection, size).hashes))


def proof(connection: Connection, seq: int, size: int) -> list[bytes]:
    """Return the proof that an entry is in the record of a size. Cost: two queries for O(log n) rows."""
    return inclusion_proof(seq, size, lambda wanted: _read(connection, wanted))


def consistency(connection: Connection, old: int, new: int) -> Consistency:
    """Return the proof that the record of one size continues that of another. Cost: two queries for O(log n) rows."""
    return Consistency(old, new, tuple(consistency_proof(old, new, lambda wanted: _read(connection, wanted))))


def receipt(connection: Connection, seq: int, note: Note) -> Receipt:
    """Return the receipt of an entry under a signed checkpoint. Raises: RecordError L010 when it does not reach the entry."""
    size = read_checkpoint(note).size
    if not 0 <= seq < size:
        raise RecordError("L010", f"entry {seq:,} is not among the {size:,} of the checkpoint")
    data = connection.execute(select(leaves.c.entry).where(leaves.c.seq == seq)).scalar_one()
    return Receipt(data, seq, tuple(proof(connection, seq, size)), str(note))


def find(connection: Connection, organisation: str, leaf: bytes) -> int | None:
    """Return the number of an entry about an organisation by the hash of its leaf, or None."""
    mine = leaves.c.hash == leaf, leaves.c.organisation == organisation
    return connection.execute(select(leaves.c.seq).where(*mine)).scalar()


def entries(connection: Connection, start: int, end: int, only: str = "") -> Iterator[Leaf]:
    """Yield entries in their order, read in pages; with `only`, those of other organisations are withheld."""
    for row in _pages(connection, start, end):
        yield Leaf(row.seq, row.hash, row.entry if only in {"", row.organisation} else None)


def of_organisation(connection: Connection, organisation: str, start: int = 0, end: int | None = None) -> Iterator[Leaf]:
    """Yield the entries of one organisation in their order, read in pages."""
    end = size_of(connection) if end is None else end
    for row in _pages(connection, start, end, leaves.c.organisation == organisation):
        yield Leaf(row.seq, row.hash, row.entry)


def keep_checkpoint(connection: Connection, note: Note) -> None:
    """Keep a signed checkpoint; one of the same size gives way, so that cosignatures can be added."""
    size = read_checkpoint(note).size
    connection.execute(delete(checkpoints).where(checkpoints.c.size == size))
    connection.execute(insert(checkpoints).values(size=size, note=str(note)))


def kept_checkpoint(connection: Connection, size: int) -> Note | None:
    """Return the kept checkpoint of a size, or None."""
    found = connection.execute(select(checkpoints.c.note).where(checkpoints.c.size == size)).scalar()
    return None if found is None else parse_note(found)


def kept_checkpoints(connection: Connection, end: int) -> list[Note]:
    """Return the kept checkpoints up to a size, in the order of sizes."""
    found = connection.execute(select(checkpoints.c.note).where(checkpoints.c.size <= end).order_by(checkpoints.c.size))
    return [parse_note(note) for note in found.scalars()]


def seen_of(connection: Connection, origin: str) -> Note | None:
    """Return the last checkpoint seen of a peer, or None at the first time, for a transaction that is to write the next."""
    found = connection.execute(select(peers.c.note).where(peers.c.origin == origin).with_for_update()).scalar_one_or_none()
    return None if found is None else parse_note(found)


def last_seen(connection: Connection, origin: str) -> Note | None:
    """Return the last checkpoint seen of a peer, or None, for reading."""
    found = connection.execute(select(peers.c.note).where(peers.c.origin == origin)).scalar_one_or_none()
    return None if found is None else parse_note(found)


def keep_seen(connection: Connection, note: Note) -> None:
    """Keep the checkpoint of a peer in place of the last, in the transaction in which that was read."""
    origin = read_checkpoint(note).origin
    connection.execute(delete(peers).where(peers.c.origin == origin))
    connection.execute(insert(peers).values(origin=origin, note=str(note)))


def _pages(connection: Connection, start: int, end: int, *conditions: ColumnElement[bool]) -> Iterator[_Row]:
    query = select(leaves.c.seq, leaves.c.organisation, leaves.c.hash, leaves.c.entry).where(leaves.c.seq < end, *conditions)
    query = query.order_by(leaves.c.seq).limit(_PAGE)
    while start < end:
        rows = [_Row(*row) for row in connection.execute(query.where(leaves.c.seq >= start))]
        yield from rows
        if len(rows) < _PAGE:
            return
        start = rows[-1].seq + 1


def _read(connection: Connection, wanted: Sequence[Subtree]) -> list[bytes]:
    """Return the hashes of perfect subtrees, in their order. Raises: RecordError L011 when one is missing."""
    numbers = [node.number for node in wanted if not node.level]
    positions = [_position(node) for node in wanted if node.level]
    found: dict[int, bytes] = {}
    if numbers:
        rows = connection.execute(select(leaves.c.seq, leaves.c.hash).where(leaves.c.seq.in_(numbers)))
        found |= {2 * row.seq: row.hash for row in rows}
    if positions:
        rows = connection.execute(select(nodes.c.position, nodes.c.hash).where(nodes.c.position.in_(positions)))
        found |= {row.position: row.hash for row in rows}
    try:
        return [found[_position(node)] for node in wanted]
    except KeyError as error:
        raise RecordError("L011", f"the record is damaged: the hash at position {error.args[0]:,} is missing") from error


def _position(node: Subtree) -> int:
    """Return the place of a subtree when the tree is walked from left to right: leaves are even, what is above them odd."""
    return (2 * node.number + 1 << node.level) - 1


__all__ = [
    "append",
    "checkpoint",
    "consistency",
    "entries",
    "find",
    "frontier",
    "keep_checkpoint",
    "keep_seen",
    "kept_checkpoint",
    "kept_checkpoints",
    "last_seen",
    "metadata",
    "of_organisation",
    "origin_of",
    "prepare",
    "proof",
    "receipt",
    "seen_of",
    "size_of",
]
