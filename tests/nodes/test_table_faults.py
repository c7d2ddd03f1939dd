"""Nodes that are killed or have no room while they make files of a table: what was given stays, and no more is seen."""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_faults import small_disk

import table_writer
from node_samples import opened
from table_samples import rule, rulebook, shares, write_table
from table_writer import MEMBER, add_file, look
from tocsin.errors import TableError
from tocsin.runs.node import Node, open_node
from tocsin.tables import pieces

ROUNDS = int(os.environ.get("TOCSIN_TEST_ROUNDS", "15"))
GIVES = rule("{rows: {site: north}, columns: {user: keep}}")
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["table_writer"])


@pytest.fixture
def folder(tmp_path: Path, database: dict[str, str]) -> Iterator[Path]:
    """Give the folder of a node with a table, on each kind of database."""
    (tmp_path / "logons").mkdir()
    add_file(tmp_path / "logons", 0, random.Random(0))
    with opened(tmp_path / "node", rulebook(GIVES), shares=shares("../logons"), **database):
        pass
    return tmp_path / "node"


def check(node: Node, folder: Path, log: Path, before: int) -> int:
    """Check what is given now against the table itself and against what was given before; return its version."""
    found = look(node)
    there = node.folder / "released"
    users: list[str] = []
    for file in found.files:
        (path,) = there.glob(f"*/{file.piece.name}.parquet")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.piece.name
        users += pq.read_table(path).column("user").to_pylist()
    source = [row for path in folder.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert sorted(users) == sorted(row["user"] for row in source if row["site"] == "north")
    names = {file.piece.name for file in found.files}
    for line in log.read_text().splitlines() if log.exists() else ():
        version, given = json.loads(line)
        assert version <= found.version
        assert set(given) <= names
    assert found.version >= before
    return found.version


def test_kill_in_the_middle_of_materialisation(folder: Path, tmp_path: Path, database: dict[str, str]) -> None:
    """Whenever a node is killed, what it gave is given still, all rows that may be seen are, and no others."""
    dice, log, version = random.Random(1), tmp_path / "log", 0
    pieces_before = pieces.GROUP_ROWS
    pieces.GROUP_ROWS = 1_000
    try:
        for number in range(max(3, ROUNDS // 5) if database else ROUNDS):
            process = _CONTEXT.Process(target=table_writer.give, args=(str(folder), str(log), f"round-{number}"), daemon=True)
            size = log.stat().st_size if log.exists() else 0
            process.start()
            patience = time.monotonic() + dice.choice([0.5, 60, 60])
            while time.monotonic() < patience and not (log.exists() and log.stat().st_size > size):
                time.sleep(0.005)
            time.sleep(dice.random() ** 2 * 0.3)
            process.kill()
            process.join()
            text = log.read_text() if log.exists() else ""
            log.write_text(text[: text.rfind("\n") + 1])
            node = open_node(folder)
            try:
                version = check(node, tmp_path / "logons", log, version)
            finally:
                node.close()
    finally:
        pieces.GROUP_ROWS = pieces_before
    assert version > 0
    assert not list((folder / "released").glob("*/.new-*"))


def test_two_processes_make_one_release(folder: Path, tmp_path: Path) -> None:
    """Two that give the same table at once give the same, and what both gave is there."""
    log = tmp_path / "log"
    for number in range(1, 20):
        add_file(tmp_path / "logons", number, random.Random(number))
    started = [_CONTEXT.Process(target=_give_same, args=(str(folder), f"{log}-{at}")) for at in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        assert process.exitcode == 0
    first, second = (Path(f"{log}-{at}").read_text().splitlines() for at in range(2))
    assert first[-1] == second[-1]
    node = open_node(folder)
    try:
        check(node, tmp_path / "logons", Path(f"{log}-0"), 0)
    finally:
        node.close()


def _give_same(folder: str, log: str) -> None:
    node = open_node(Path(folder))
    found = look(node)
    Path(log).write_text(json.dumps([found.version, sorted(file.piece.name for file in found.files)]) + "\n")


def test_no_room_for_a_table(tmp_path: Path) -> None:
    """On a full disk nothing is given, with the reason, and nothing is left half; with room the table is given."""
    (tmp_path / "logons").mkdir()
    dice = random.Random(1)
    write_table(tmp_path / "logons", {"site": ["north"] * 30_000, "user": [dice.randbytes(40).hex() for _ in range(30_000)]})
    with small_disk("2m") as disk:
        with opened(disk / "node", rulebook(GIVES), shares=shares(tmp_path / "logons")) as world:
            (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 200_000))
            with pytest.raises(TableError) as error:
                look(world.node)
            assert error.value.code == "D014"
            assert not list((disk / "node" / "released").glob("*/.new-*"))
            subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
            check(world.node, tmp_path / "logons", tmp_path / "log", 0)
        gc.collect()  # what is held of a failed connection would keep the file system busy


def test_what_a_member_gets_follows_the_rule_at_once(folder: Path) -> None:
    """The caller of these tests is one whom the rule gives the table."""
    node = open_node(folder)
    try:
        assert [given.grant.rule for given in node.tables.given(MEMBER)] == ["tables"]
    finally:
        node.close()
