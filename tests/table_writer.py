"""What a process does to a shared table until it is killed: files come, and are given. Each line of its log was given."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from node_samples import PURPOSES
from tocsin.runs.node import Node, open_node
from tocsin.runs.tables import Release
from tocsin.sharing.decisions import Caller
from tocsin.tables import pieces

MEMBER = Caller("riverdale-water", PURPOSES)
SITES = ("north", "south")


def look(node: Node) -> Release:
    """Return what the member is given now."""
    given = node.tables.find(MEMBER, "events", "default.logons")
    assert given
    return node.tables.release(given)


def add_file(folder: Path, number: int, dice: random.Random) -> None:
    """Put a file with rows of two sites into a table, at once."""
    rows = dice.choice([1, 200, 20_000])
    table = pa.table({"site": [SITES[at % 2] for at in range(rows)], "user": [f"{number}-{at}" for at in range(rows)]})
    half = folder / f".half-{os.getpid()}"
    pq.write_table(table, half)
    half.rename(folder / f"{number:06}.parquet")


def give(folder: str, log: str, word: str, count: int = 1_000) -> None:
    """Add files to the table of a node and give it, and log the version and its files."""
    pieces.GROUP_ROWS = 1_000
    node = open_node(Path(folder))
    source = Path(folder).parent / "logons"
    start = len(list(source.glob("*.parquet")))
    dice = random.Random(word)
    with Path(log).open("a") as out:
        for number in range(start, start + count):
            add_file(source, number, dice)
            found = look(node)
            out.write(json.dumps([found.version, sorted(file.piece.name for file in found.files)]) + "\n")
            out.flush()


__all__ = ["MEMBER", "add_file", "give", "look"]
