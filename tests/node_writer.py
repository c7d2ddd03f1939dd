"""What processes do to a node until they are killed. Each line of their log was acknowledged before it was written."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from node_samples import COLLECTIONS, EXAMPLE, PURPOSES, indicator
from tocsin.runs.adoption import adopt
from tocsin.runs.intake import take_in
from tocsin.runs.node import RULEBOOK, Node, open_node
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import PAP_2, TLP_2, Pap
from tocsin.stores.interface import Query, Versions
from tocsin.stores.tokens import Access, Role

OWNER = Caller("water-cert", PURPOSES)
TEAM = "marking-definition--6c3b7f0e-52f4-4c0c-8f3c-5d8f2a7e9b10"
CALLERS = [
    Caller(name, purposes)
    for name in ("riverdale-water", "lakeside-services", "hilltown", "guardline", "riverside-university", "water-cert")
    for purposes in (PURPOSES, ("detect",), ())
]
LESS = (
    (),
    (("up_to: TLP:GREEN\n    reason", "up_to: TLP:CLEAR\n    reason"), ("    clients: true\n", "")),
    (("members: [riverdale-water, lakeside", "members: [lakeside"), ("PAP:AMBER", "PAP:GREEN")),
)
"""What makes other rulebooks of the example's: each is another about who gets what."""
APPROVERS = [Access("0", name, OWNER, frozenset({Role.OPERATE}), (), 0) for name in ("alice", "bob")]
ALL = frozenset({Versions.ALL})


def batch(word: str, number: int, dice: random.Random) -> list[dict[str, Any]]:
    """Return objects that say which batch they are of, and how many there are in it."""
    size = dice.choice([1, 3, 20, 120])
    made = []
    for at in range(size):
        refs = [dice.choice(list(TLP_2.values())), *([PAP_2[Pap.AMBER]] if dice.random() < 0.3 else [])]
        refs += [TEAM] if dice.random() < 0.2 else []
        made.append(
            indicator(dice.getrandbits(60), None, object_marking_refs=refs, labels=[word, str(number), str(size), str(at)])
        )
    return made


def rulebook(number: int) -> str:
    """Return the example's rulebook, or one that gives less."""
    text = (EXAMPLE / "rulebook.yml").read_text()
    for old, new in LESS[number]:
        assert old in text
        text = text.replace(old, new)
    return text


def ingest(folder: str, log: str, word: str, batches: int = 1 << 30) -> None:
    """Take in batches, withdraw some, and give pages, until killed."""
    dice = random.Random(word)
    write = _log(log)
    node = open_node(Path(folder))
    try:
        for number in range(batches):
            objects = batch(word, number, dice)
            _, receipt = _take_in(node, objects)
            write("batch", receipt, *(item["id"] for item in objects))
            if dice.random() < 0.2:
                query = Query(("indicators",), ids=(objects[0]["id"],), versions=ALL)
                write("withdrawing", objects[0]["id"])
                write("withdrawn", node.objects.remove(OWNER, query)[2], objects[0]["id"])
            if dice.random() < 0.3:
                query = Query(("indicators",), limit=50)
                page = node.objects.page(CALLERS[0], query)
                write("released", node.objects.release(CALLERS[0], query, page, b"", "objects"))
    finally:
        node.close()


def change_rules(folder: str, log: str, word: str) -> None:
    """Replace the rulebook and let every caller ask, again and again, until killed."""
    write = _log(log)
    dice = random.Random(word)
    while True:
        half = Path(folder, ".rulebook.half")
        half.write_text(rulebook(dice.randrange(len(LESS))))
        half.replace(Path(folder, RULEBOOK))
        node = open_node(Path(folder))
        for access in APPROVERS:
            adopt(node, access)
        for caller in dice.sample(CALLERS, len(CALLERS)):
            for collection in COLLECTIONS:
                node.objects.page(caller, Query((collection,), limit=5), bodies=False)
        node.close()
        write("changed")


def fill(folder: str, log: str, word: str, more: int = 0) -> None:
    """Take in batches until the database refuses one; with `more`, no file may grow by more than so many bytes."""
    write = _log(log)
    if more:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = max(path.stat().st_size for path in Path(folder).iterdir() if path.is_file()) + more
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        ingest(folder, log, word)
    except Exception as error:  # noqa: BLE001 - what it is called is what is looked at
        write("refused", type(error).__name__)


def _take_in(node: Node, objects: Sequence[dict[str, Any]]) -> tuple[Any, str]:
    collection = next(item for item in node.file.collections if item.alias == "indicators")
    return take_in(node, OWNER, collection, json.dumps({"objects": objects}).encode())


def _log(path: str) -> Any:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(*words: str) -> None:
        os.write(descriptor, (" ".join(words) + "\n").encode())

    return write


def lines(log: Path) -> Iterator[list[str]]:
    """Yield what a log says, line by line."""
    for line in log.read_text().splitlines() if log.exists() else ():
        yield line.split(" ")


__all__ = ["ALL", "CALLERS", "OWNER", "batch", "change_rules", "fill", "ingest", "lines", "rulebook"]
