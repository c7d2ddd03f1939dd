"""Append to the record, prove and verify, beside pymerkle when it is installed. usage: merkle_log.py FOLDER [ENTRIES]."""

from __future__ import annotations

import io
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from sqlalchemy import Engine, create_engine, event

from tocsin.records.checkpoint import sign_checkpoint
from tocsin.records.entry import Entry, Kind, Reference, encode
from tocsin.records.keys import Signer, Use
from tocsin.records.receipt import verify_receipt
from tocsin.records.verify import Trust, verify_bundle
from tocsin.runs.record import export
from tocsin.stores import record as store

try:
    from pymerkle import SqliteTree
except ImportError:
    SqliteTree = None

T = TypeVar("T")
BATCH = 500
PROOFS = 1_000
PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
SIGNER = Signer.new("bench.example.org/record")


def timed(name: str, count: int, function: Callable[[], T]) -> T:
    """Run once, and print the time on the clock and the rate."""
    begun = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - begun
    print(f"{name:<52} {count:>8,} in {seconds:8.2f} s  {count / seconds:>10,.0f}/s")
    return result


def entries(count: int, first: int = 0) -> list[Entry]:
    """Return releases of one object each."""
    return [
        Entry(
            time_us=1_790_000_000_000_000 + number,
            kind=Kind.RELEASE,
            organisation=f"org-{number % 30}",
            purposes=("defence",),
            objects=(Reference(f"indicator--{number:036x}", f"{number:064x}"),),
            rule="energy-reads-amber",
            rulebook="ab" * 32,
        )
        for number in range(first, first + count)
    ]


def node(path: Path) -> Engine:
    """Return the engine of a node: WAL, every commit on the disk."""
    made = create_engine(f"sqlite:///{path}")
    event.listen(made, "connect", lambda connection, _: [connection.execute(pragma) for pragma in PRAGMAS])
    with made.begin() as connection:
        store.prepare(connection, SIGNER.name)
    return made


def append(made: Engine, batches: list[list[Entry]]) -> None:
    """Append each batch in a transaction of its own."""
    for batch in batches:
        with made.begin() as connection:
            store.append(connection, batch)


def release(made: Engine, batch: list[Entry]) -> None:
    """Append each entry, commit, sign a checkpoint and make the receipt."""
    for item in batch:
        with made.begin() as connection:
            numbers = store.append(connection, [item])
        with made.connect() as connection:
            note = sign_checkpoint(store.checkpoint(connection, numbers.stop), SIGNER)
            verify_receipt(store.receipt(connection, numbers.start, note), [SIGNER.public(Use.LOG)])


def ours(folder: Path, count: int) -> None:
    """Measure the record of a node."""
    made = node(folder / "node.db")
    batches = [entries(BATCH, first) for first in range(0, count, BATCH)]
    timed(f"record: append, batches of {BATCH}", count, lambda: append(made, batches))
    timed("record: append, batches of 1", PROOFS, lambda: append(made, [[item] for item in entries(PROOFS)]))
    timed("record: release with verified receipt", PROOFS, lambda: release(made, entries(PROOFS)))
    made.dispose()
    with made.connect() as connection:
        size = store.size_of(connection)
        timed("record: root, opened anew", 1, lambda: store.checkpoint(connection))
        timed(
            "record: proofs, opened anew", PROOFS, lambda: [store.proof(connection, n * 97 % size, size) for n in range(PROOFS)]
        )
        out = io.BytesIO()
        timed("record: export", size, lambda: export(connection, SIGNER, out))
    made.dispose()
    print(f"bundle: {out.tell():,} bytes; database: {(folder / 'node.db').stat().st_size:,} bytes")
    out.seek(0)
    verdict = timed("record: verify the bundle", size, lambda: verify_bundle(out, "b", Trust((SIGNER.public(Use.LOG),))))
    assert verdict.sound
    assert verdict.shown == size


def theirs(folder: Path, count: int) -> None:
    """Measure pymerkle's tree in SQLite, which commits each leaf by itself."""

    def opened() -> SqliteTree:
        tree = SqliteTree(str(folder / "pymerkle.db"))
        for pragma in PRAGMAS:
            tree.con.execute(pragma)
        return tree

    data = [encode(item) for item in entries(count)]
    with opened() as tree:
        timed(
            f"pymerkle: append_entries, batches of {BATCH}",
            count,
            lambda: [tree.append_entries(data[first : first + BATCH]) for first in range(0, count, BATCH)],
        )
        timed("pymerkle: append_entry", PROOFS, lambda: [tree.append_entry(item) for item in data[:PROOFS]])
    with opened() as tree:
        size = tree.get_size()
        timed("pymerkle: root, opened anew", 1, tree.get_root)
        timed(
            "pymerkle: proofs, after that",
            PROOFS,
            lambda: [tree.prove_inclusion(n * 97 % size + 1, size) for n in range(PROOFS)],
        )


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    print(f"SQLite {sqlite3.sqlite_version}, WAL, synchronous = FULL")
    with TemporaryDirectory(dir=sys.argv[1]) as folder:
        ours(Path(folder), count)
        if SqliteTree is not None:
            theirs(Path(folder), count)


if __name__ == "__main__":
    main()
