"""The store of the record gives what RFC 6962 defines, commits entries with what they record, and survives what kills it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, event, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from record_samples import KEY, ORIGIN, SIGNER, WITNESS, engine, entry, record
from tocsin.errors import RecordError
from tocsin.records import reference
from tocsin.records.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from tocsin.records.entry import decode, encode
from tocsin.records.keys import Use
from tocsin.records.note import parse_signatures
from tocsin.records.peers import submission_text
from tocsin.records.receipt import verify_receipt
from tocsin.records.tree import leaf_hash, verify_consistency, verify_inclusion
from tocsin.runs.record import witness
from tocsin.stores import record as store

WRITER = Path(__file__).resolve().parents[2] / "record_writer.py"
ROUNDS = 20


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Give a connection to a record without entries."""
    with record(tmp_path / "node.db") as made:
        yield made


def checked(connection: Connection) -> Checkpoint:
    """Return the checkpoint of a store in which every row was compared with what the entries say."""
    found = list(store.entries(connection, 0, store.size_of(connection)))
    data = [item.entry or b"" for item in found]
    assert [item.seq for item in found] == list(range(store.size_of(connection)))
    assert [item.hash for item in found] == [leaf_hash(item) for item in data]
    made = store.checkpoint(connection)
    assert made.root == reference.root(data)
    nodes = connection.execute(select(func.count()).select_from(store.metadata.tables["record_node"])).scalar_one()
    assert nodes == len(data) - len(data).bit_count()
    return made


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_proofs_agree_with_the_definition(batches: list[int], draw: st.DataObject) -> None:
    """Whatever the batches, roots and proofs from rows are those of RFC 6962, for each size that there was."""
    with record(Path(":memory:")) as connection:
        for count in batches:
            size = store.size_of(connection)
            assert store.append(connection, [entry(size + at) for at in range(count)]) == range(size, size + count)
        size = checked(connection).size
        data = [encode(entry(number)) for number in range(size)]
        if size:
            new = draw.draw(st.integers(1, size))
            old, seq = draw.draw(st.integers(1, new)), draw.draw(st.integers(0, new - 1))
            assert store.proof(connection, seq, new) == reference.path(seq, data[:new])
            assert list(store.consistency(connection, old, new).proof) == reference.proof(old, data[:new])
            assert store.checkpoint(connection, old).root == reference.root(data[:old])


def test_a_rolled_back_entry_was_never_there(tmp_path: Path) -> None:
    """An entry is committed with what it records, or leaves no trace, and the next one takes its number."""
    with engine(tmp_path / "node.db") as made:
        with made.begin() as connection:
            store.prepare(connection, ORIGIN)
            store.append(connection, [entry(0)])
            connection.execute(text("CREATE TABLE thing (id INTEGER)"))
        with made.connect() as connection, connection.begin() as begun:
            connection.execute(text("INSERT INTO thing VALUES (1)"))
            store.append(connection, [entry(1), entry(2)])
            begun.rollback()
        with made.begin() as connection:
            assert store.append(connection, [entry(3)]) == range(1, 2)
            checked(connection)
            assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == 0


def test_nothing_is_written_of_what_cannot_be_recorded(connection: Connection) -> None:
    """One entry that has no canonical form keeps its whole batch out."""
    with pytest.raises(RecordError, match="L010"):
        store.append(connection, [entry(0), entry(1, organisation="\ud800")])
    assert store.size_of(connection) == 0
    assert store.append(connection, []) == range(0)


def test_receipts(connection: Connection) -> None:
    """Each entry has a receipt under any checkpoint that reaches it."""
    store.append(connection, [entry(number) for number in range(13)])
    note = sign_checkpoint(store.checkpoint(connection, 11), SIGNER)
    for seq in range(11):
        assert verify_receipt(store.receipt(connection, seq, note), [KEY])[0] == entry(seq)
    with pytest.raises(RecordError, match="L010"):
        store.receipt(connection, 11, note)


def test_entries_of_one_organisation(connection: Connection) -> None:
    """The entries of one organisation are found over all pages, and those of others are withheld when all are asked for."""
    store.append(connection, [entry(number) for number in range(2_345)])
    mine = [number for number in range(2_345) if number % 3 == 1]
    assert [item.seq for item in store.of_organisation(connection, "org-1")] == mine
    assert [item.seq for item in store.of_organisation(connection, "org-1", 1_000, 2_000)] == [
        n for n in mine if 1_000 <= n < 2_000
    ]
    every = list(store.entries(connection, 0, 2_345, only="org-1"))
    assert [item.seq for item in every if item.entry] == mine
    assert decode(next(item.entry for item in every if item.entry)) == entry(1)
    assert len(every) == 2_345


def test_statements_do_not_grow_with_the_record(connection: Connection) -> None:
    """Appending takes five statements and a proof two, however many entries there are."""
    store.append(connection, [entry(number) for number in range(5_000)])
    ran = []
    event.listen(connection.engine, "before_cursor_execute", lambda *call: ran.append(str(call[2])))
    store.append(connection, [entry(5_000)])
    assert len(ran) <= 5
    ran.clear()
    proof = store.proof(connection, 4_321, 5_001)
    assert len(ran) == 2
    found = store.checkpoint(connection)
    assert verify_inclusion(leaf_hash(encode(entry(4_321))), 4_321, 5_001, proof, found.root)


def test_a_record_has_one_name(tmp_path: Path) -> None:
    """A record is prepared once, under one name; a database without one says so."""
    with engine(tmp_path / "node.db") as made:
        with made.begin() as connection:
            store.prepare(connection, ORIGIN)
            store.append(connection, [entry(0)])
            store.prepare(connection, ORIGIN)
            assert store.size_of(connection) == 1
            with pytest.raises(RecordError, match="L011"):
                store.prepare(connection, "other.example.org/record")
        with made.begin() as connection:
            connection.execute(delete(store.metadata.tables["record_head"]))
            with pytest.raises(RecordError, match="L011"):
                store.origin_of(connection)


def test_a_missing_row_is_told(connection: Connection) -> None:
    """A proof from a damaged table is an error, and no proof."""
    store.append(connection, [entry(number) for number in range(9)])
    nodes = store.metadata.tables["record_node"]
    connection.execute(delete(nodes).where(nodes.c.position == 3))
    with pytest.raises(RecordError, match="L011"):
        store.proof(connection, 7, 9)
    connection.execute(delete(nodes).where(nodes.c.position == 7))
    with pytest.raises(RecordError, match="L011"):
        store.append(connection, [entry(9)])


def test_no_number_is_given_twice(connection: Connection) -> None:
    """A size that was set back by hand cannot make an entry take the place of another."""
    store.append(connection, [entry(number) for number in range(9)])
    connection.execute(update(store.metadata.tables["record_head"]).values(size=5))
    with pytest.raises(IntegrityError):
        store.append(connection, [entry(9)])


def test_kept_checkpoints(connection: Connection) -> None:
    """Signed checkpoints are kept by size; one with a cosignature takes the place of the same without."""
    store.append(connection, [entry(number) for number in range(6)])
    for size in (6, 2, 4):
        store.keep_checkpoint(connection, sign_checkpoint(store.checkpoint(connection, size), SIGNER))
    note = sign_checkpoint(store.checkpoint(connection, 4), SIGNER)
    note = note.with_signature(WITNESS.cosign(note.text, 1))
    store.keep_checkpoint(connection, note)
    kept = store.kept_checkpoints(connection, 5)
    assert [read_checkpoint(item).size for item in kept] == [2, 4]
    assert kept[1] == note


def test_a_witness_keeps_what_it_saw(tmp_path: Path) -> None:
    """A witness cosigns a log that grows, and refuses one that is forked, goes back or is unknown, keeping what it saw."""
    with record(tmp_path / "a.db") as log, record(tmp_path / "b.db") as forked, record(tmp_path / "w.db") as seen:
        store.append(log, [entry(number) for number in range(9)])
        store.append(forked, [entry(number, word="another") for number in range(9)])
        cosigner = WITNESS.public(Use.WITNESS)

        def ask(source: Connection, old: int, new: int) -> bool:
            note = sign_checkpoint(store.checkpoint(source, new), SIGNER)
            answer = witness(seen, submission_text(store.consistency(source, old, new), note), [KEY], WITNESS, 1_790_000_000)
            return cosigner.verify(note.text, parse_signatures(answer)[0])

        assert ask(log, 0, 4)
        assert ask(log, 4, 7)
        assert ask(log, 7, 7)
        for source, old, new, code in (
            (forked, 7, 7, "L007"),
            (forked, 7, 9, "L007"),
            (log, 4, 9, "L012"),
            (log, 0, 3, "L012"),
        ):
            with pytest.raises(RecordError, match=code):
                ask(source, old, new)
        kept = store.seen_of(seen, ORIGIN)
        assert kept is not None
        assert read_checkpoint(kept) == store.checkpoint(log, 7)
        with pytest.raises(RecordError, match="L014"):
            witness(seen, submission_text(store.consistency(log, 7, 9), kept), [], WITNESS, 1)


def test_kill_in_the_middle_of_appends(tmp_path: Path) -> None:
    """After each of many kills the record is whole, has all that was told as committed, and continues it."""
    path = tmp_path / "node.db"
    chance = random.Random(6962)
    told: list[Checkpoint] = []
    for number in range(ROUNDS):
        writer = subprocess.Popen([sys.executable, str(WRITER), str(path), f"round {number}"], stdout=subprocess.PIPE)
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(chance.random() * 0.2)
        os.kill(writer.pid, signal.SIGKILL)
        lines = [first, *writer.stdout.readlines()]
        writer.stdout.close()
        writer.wait()
        whole = [line.split() for line in lines if line.endswith(b"\n")]
        told += [Checkpoint(ORIGIN, int(size), bytes.fromhex(root.decode())) for size, root in whole]
    with engine(path) as made, made.begin() as connection:
        last = checked(connection)
        assert last.size >= told[-1].size
        assert len(told) > ROUNDS
        for item in told:
            proof = store.consistency(connection, item.size, last.size).proof
            assert verify_consistency(item.size, last.size, item.root, last.root, proof)


def test_two_writers(tmp_path: Path) -> None:
    """Two processes that append at once give one history: every commit of each is in it, and each root that it told."""
    path = tmp_path / "node.db"
    with record(path):
        pass
    command = [sys.executable, str(WRITER), str(path)]
    writers = [subprocess.Popen([*command, word, "40"], stdout=subprocess.PIPE, text=True) for word in ("one", "two")]
    told = [line.split() for writer in writers for line in writer.communicate(timeout=120)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len({int(size) for size, _ in told}) == 80
    with engine(path) as made, made.begin() as connection:
        last = checked(connection)
        for size, root in told:
            assert store.checkpoint(connection, int(size)).root.hex() == root
    assert last.size == 2 * sum(number % 7 + 1 for number in range(40))


def test_tables_of_postgresql() -> None:
    """Numbers are 64 bits wide in PostgreSQL, and nothing there counts by itself."""
    made = "\n".join(str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in store.metadata.sorted_tables)
    assert "SERIAL" not in made
    for column in ("seq", "position", "size"):
        assert f"{column} BIGINT NOT NULL" in made
    assert all(name.startswith("record_") for name in store.metadata.tables)
