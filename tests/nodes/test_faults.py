"""Nodes that are killed, whose disk is full, whose clock jumps: what was acknowledged stays, and no more is seen."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

import node_writer
from node_samples import DAY_US, START, Clock, indicator, opened
from node_writer import ALL, CALLERS, OWNER, lines
from tocsin.records.checkpoint import read_checkpoint
from tocsin.records.entry import Kind, decode
from tocsin.records.tree import leaf_hash, verify_consistency
from tocsin.records.verify import Trust
from tocsin.runs.node import Node, open_node
from tocsin.runs.record import export_folder, verify
from tocsin.sharing.decisions import Caller, Label, decide
from tocsin.sharing.markings import Tlp
from tocsin.sharing.rulebook import Rulebook
from tocsin.stores import record, schema
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import Carried, read_marks_text
from tocsin.stores.interface import Query

ROUNDS = int(os.environ.get("TOCSIN_TEST_ROUNDS", "15"))
"""How often a process is killed by each test."""
LONGEST_S = 0.3
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["node_writer", "psycopg"])


@pytest.fixture
def folder(tmp_path: Path, database: dict[str, str]) -> Iterator[Path]:
    """Give the folder of a node, on each kind of database."""
    with opened(tmp_path / "node", **database):
        pass
    return tmp_path / "node"


class Seen:
    """What was checked of a node, from round to round."""

    def __init__(self) -> None:
        self.size = 0
        self.root = b""
        self.kept: dict[str, str] = {}

    def check(self, node: Node, log: Path) -> None:
        """Check all that has to hold for a node, and for what was acknowledged in a log."""
        with reading(node.engine) as connection:
            self._check_record(node)
            leaves = list(record.entries(connection, 0, record.size_of(connection)))
            hashes = {leaf.hash.hex() for leaf in leaves}
            rows = connection.execute(select(schema.entry, schema.label).join(schema.label)).all()
            labels = dict(connection.execute(select(schema.label.c.id, schema.label.c.rows)).all())
            gone = connection.execute(select(func.count()).select_from(schema.withdrawal)).scalar_one()
        assert all(leaf_hash(leaf.entry or b"") == leaf.hash for leaf in leaves)
        counted = Counter(row.label for row in rows)
        assert labels == {label: counted[label] for label in labels}
        found = [decode(leaf.entry or b"") for leaf in leaves]
        taken = sum(int(entry.detail["added"]) for entry in found if entry.kind is Kind.WRITE)
        assert taken == len(rows) + gone
        assert gone == sum(int(entry.detail["withdrawn"]) for entry in found if entry.kind is Kind.WITHDRAWAL)
        self._check_acknowledged(log, hashes, {row.stix_id: row.body for row in rows})
        self._check_whole(found, len(rows) + gone)

    def _check_record(self, node: Node) -> None:
        """Check that the record continues what was signed of it before."""
        found = read_checkpoint(node.record.checkpoint())
        with reading(node.engine) as connection:
            proof = record.consistency(connection, self.size, found.size).proof if self.size else ()
        if self.size:
            assert verify_consistency(self.size, found.size, self.root, found.root, list(proof))
        self.size, self.root = found.size, found.root

    def _check_acknowledged(self, log: Path, hashes: set[str], bodies: dict[str, bytes]) -> None:
        maybe: set[str] = set()
        for what, *words in lines(log):
            if what in {"batch", "withdrawn", "released"}:
                assert words[0] in hashes
            if what == "batch":
                self.kept |= dict.fromkeys(words[1:], words[0])
            elif what == "withdrawing":
                maybe.add(words[0])
            elif what == "withdrawn":
                self.kept.pop(words[1], None)
                maybe.discard(words[1])
                assert words[1] not in bodies
        for name in maybe - bodies.keys():  # killed before it could say so
            self.kept.pop(name, None)
        assert self.kept.keys() <= bodies.keys()
        log.unlink(missing_ok=True)

    def _check_whole(self, found: list[object], rows: int) -> None:
        """Check that each batch is there as a whole: the record says how many objects each added."""
        batches = [int(entry.detail["added"]) for entry in found if entry.kind is Kind.WRITE]  # type: ignore[attr-defined]
        assert set(batches) <= {1, 3, 20, 120}
        assert sum(batches) == rows


def check_visible(node: Node) -> None:
    """Check that every caller sees exactly what the rulebook in force gives it today."""
    today, book = node.today(), node.rules.book
    with reading(node.engine) as connection:
        rows = connection.execute(select(schema.entry, schema.label).join(schema.label)).all()
    labels = {row.label: row for row in rows}
    for caller in CALLERS:
        allowed = {number for number, row in labels.items() if decide(book, caller, label_of(row, book), today).allowed}
        page = node.objects.page(caller, Query(("indicators",), versions=ALL, limit=1 << 30), bodies=False)
        assert sorted(row.id for row in page.rows) == sorted(row.stix_id for row in rows if row.label in allowed)


def label_of(row: object, book: Rulebook) -> Label:
    """Return the label that a rulebook makes of a row."""
    carried = Carried(row.collection, row.owner, row.type, read_marks_text(row.marks))  # type: ignore[attr-defined]
    return carried.label(book)


def killed(target: Callable[..., None], dice: random.Random, *arguments: str) -> None:
    """Let a process do something and kill it at any moment: in its first steps, or after what it logs first."""
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    log, patience = Path(arguments[1]), time.monotonic() + dice.choice([0, 60, 60])
    while time.monotonic() < patience and not (log.exists() and log.stat().st_size):
        time.sleep(0.005)
    time.sleep(dice.random() ** 2 * LONGEST_S)
    process.kill()
    process.join()


def rounds_on(database: dict[str, str]) -> int:
    """Return how many rounds to go: fewer on PostgreSQL, whose server is not what is killed."""
    return max(3, ROUNDS // 5) if database else ROUNDS


def test_kill_in_the_middle_of_ingest(folder: Path, tmp_path: Path, database: dict[str, str]) -> None:
    """Whenever a node is killed, all that it acknowledged is there, no half batch is, and the record goes on."""
    dice, seen, log = random.Random(1), Seen(), tmp_path / "log"
    for number in range(rounds_on(database)):
        killed(node_writer.ingest, dice, str(folder), str(log), f"round-{number}")
        node = open_node(folder)
        try:
            seen.check(node, log)
        finally:
            node.close()
    node = open_node(folder)
    check_visible(node)
    key = node.record.key
    node.close()
    assert seen.kept
    if not database:
        export_folder(folder, tmp_path / "bundle")
        verdict = verify(tmp_path / "bundle", Trust((key,)))
        assert not verdict.problems
        assert verdict.to >= seen.size


def test_kill_in_the_middle_of_a_rule_change(folder: Path, tmp_path: Path, database: dict[str, str]) -> None:
    """Whenever the change of a rulebook is killed, callers see what the rulebook in force gives, no row more or less."""
    dice, log = random.Random(2), tmp_path / "log"
    node_writer.ingest(str(folder), str(log), "before", 12)
    seen = set()
    for number in range(rounds_on(database)):
        log.unlink(missing_ok=True)
        killed(node_writer.change_rules, dice, str(folder), str(log), f"round-{number}")
        node = open_node(folder)
        try:
            check_visible(node)
            seen.add(node.rules.digest)
        finally:
            node.close()
    assert len(seen) > 1


DAMAGES = {
    "an object is lost": "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
    "a count is wrong": "UPDATE label SET rows = rows + 1",
    "an entry of the record is another": "UPDATE record_leaf SET entry = (SELECT entry FROM record_leaf WHERE seq = 1)",
    "an object is there that nobody took": "INSERT INTO entry SELECT 9999, label, collection, owner, 'x--1', 1, spec, 1, body, "
    "parted FROM entry LIMIT 1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    """What is checked after a fault fails when a node is not as it should be."""
    folder, log = tmp_path / "node", tmp_path / "log"
    with opened(folder):
        pass
    node_writer.ingest(str(folder), str(log), "word", 2)
    copy = log.read_text()
    node = open_node(folder)
    try:
        Seen().check(node, log)
        with writing(node.engine) as connection:
            connection.execute(text(DAMAGES[damage]))
        log.write_text(copy)
        with pytest.raises(AssertionError):
            Seen().check(node, log)
    finally:
        node.close()


def test_a_grant_too_many_is_noticed(folder: Path, tmp_path: Path) -> None:
    """What callers see is compared with the rulebook: one more grant, or one less, is noticed."""
    node_writer.ingest(str(folder), str(tmp_path / "log"), "word", 2)
    node = open_node(folder)
    try:
        check_visible(node)
        for change in ("DELETE FROM grant_row", "INSERT INTO grant_row SELECT caller.id, label.id FROM caller, label"):
            with writing(node.engine) as connection:
                connection.execute(text(change))
            with pytest.raises(AssertionError):
                check_visible(node)
    finally:
        node.close()


def test_two_writers(folder: Path, tmp_path: Path) -> None:
    """Two processes that write to one node at once wait for each other, and one of them can be killed."""
    logs = [tmp_path / f"log-{word}" for word in "abc"]
    arguments = [(str(folder), str(log), log.name, 15) for log in logs]
    processes = [_CONTEXT.Process(target=node_writer.ingest, args=each) for each in arguments]
    for process in processes:
        process.start()
    time.sleep(0.4)
    processes[2].kill()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes[:2]] == [0, 0]
    node, seen = open_node(folder), Seen()
    try:
        for log in logs[:2]:
            assert sum(line[0] == "batch" for line in lines(log)) == 15
        for log in logs:
            seen.check(node, log)
        check_visible(node)
        check_order(node)
    finally:
        node.close()


def check_order(node: Node) -> None:
    """Check that what was added later has a later moment, or the same within a batch."""
    with reading(node.engine) as connection:
        added = list(connection.execute(select(schema.entry.c.added).order_by(schema.entry.c.seq)).scalars())
        batches = list(connection.execute(select(schema.batch.c.added).order_by(schema.batch.c.last)).scalars())
    assert added == sorted(added)
    assert batches == sorted(set(batches))


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Give a folder on a file system of a size. It takes root, and the right to mount."""
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    """On a full disk a node takes nothing more, loses nothing, and goes on when there is room again."""
    with small_disk("4m") as disk:
        folder, log = disk / "node", tmp_path / "log"
        with opened(folder):
            pass
        process = _CONTEXT.Process(target=node_writer.fill, args=(str(folder), str(log), "full"))
        process.start()
        process.join(120)
        assert list(lines(log))[-1] == ["refused", "OperationalError"]
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        check_goes_on(folder, log)
        gc.collect()  # what is held of a failed connection would keep the file system busy


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """A database that may not grow refuses, loses nothing, and goes on when it may."""
    folder, log = tmp_path / "node", tmp_path / "log"
    with opened(folder):
        pass
    process = _CONTEXT.Process(target=node_writer.fill, args=(str(folder), str(log), "full", 400_000))
    process.start()
    process.join(120)
    assert list(lines(log))[-1] == ["refused", "OperationalError"]
    check_goes_on(folder, log)


def check_goes_on(folder: Path, log: Path) -> None:
    """Check that a node that had no room kept what it acknowledged and takes more."""
    assert any(line[0] == "batch" for line in lines(log))
    seen, node = Seen(), open_node(folder)
    try:
        seen.check(node, log)
        check_visible(node)
    finally:
        node.close()
    before = len(seen.kept)
    node_writer.ingest(str(folder), str(log), "after", 2)
    node = open_node(folder)
    seen.check(node, log)
    node.close()
    assert len(seen.kept) > before


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_that_jumps(tmp_path: Path, database: dict[str, str], seed: int) -> None:
    """However the clock jumps, who polls by what was added last gets every object once, and moments only go on."""
    dice, clock = random.Random(seed), Clock()
    with opened(tmp_path / "node", clock=clock, **database) as world:
        client = world.client("riverdale-water")
        got: list[str] = []
        sent: list[str] = []
        after = ""
        for number in range(40):
            clock.now = START + dice.choice([0, 1, 1_000_000, -3_600_000_000, 3_600_000_000, DAY_US, -DAY_US]) + number
            objects = [indicator(number * 10 + at, dice.choice([Tlp.GREEN, Tlp.AMBER])) for at in range(dice.randint(1, 9))]
            answer = world.post("water-cert", "indicators", *objects)
            assert answer.json()["failure_count"] == 0
            sent += [item["id"] for item in objects]
            more = True
            while more:
                parameters = {"limit": str(dice.randint(2, 5)), **({"added_after": after} if after else {})}
                page = client.get(url(), params=parameters)
                found = page.json()
                got += [item["id"] for item in found.get("objects", [])]
                after = page.headers.get("X-TAXII-Date-Added-Last", after)
                more = found.get("more", False)
        assert sorted(got) == sorted(sent)
        check_order(world.node)


def url() -> str:
    """Return where the objects of the tests are."""
    return "/taxii2/api/collections/indicators/objects/"


def test_rules_of_the_day(tmp_path: Path, database: dict[str, str]) -> None:
    """A rule that has expired gives nothing; when the clock is set back before its day it holds again."""
    clock = Clock()
    with opened(tmp_path / "node", clock=clock, **database) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.AMBER))
        expires = int((date(2031, 7, 1) - date(2030, 3, 1)).days) * DAY_US
        caller, query = Caller("guardline", ("detect",)), Query(("indicators",))
        seen = []
        for later in (0, expires, expires - DAY_US, expires + DAY_US, 0):
            clock.now = START + later
            seen.append(len(world.node.objects.page(caller, query).rows))
        assert seen == [1, 0, 1, 0, 1]
        assert OWNER.organisation == "water-cert"
