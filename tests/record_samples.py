"""Records for the tests of the record: entries that differ, a store in a file, bundles of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, create_engine, event

from tocsin.records.bundle import Consistency, Leaf, Stretch, bundle_lines
from tocsin.records.checkpoint import Checkpoint, sign_checkpoint
from tocsin.records.entry import Entry, Kind, Reference, encode
from tocsin.records.keys import Signer, Use
from tocsin.records.note import Note
from tocsin.records.tree import Frontier, Reading, Subtree, consistency_proof, leaf_hash
from tocsin.records.verify import Trust, Verdict, verify_bundle
from tocsin.stores import record as store

ORIGIN = "cert.example.org/record"
DAY_US = 86_400_000_000
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
KEY = SIGNER.public(Use.LOG)
WITNESS = Signer("energy.example.org/record", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
TRUST = Trust((KEY,))


def entry(number: int, organisation: str = "", word: str = "") -> Entry:
    """Return an entry that no other number has."""
    return Entry(
        time_us=1_790_000_000_000_000 + number * DAY_US,
        kind=Kind.RELEASE if number % 3 else Kind.REFUSAL,
        organisation=organisation or f"org-{number % 3}",
        purposes=("defence", "nis2"),
        objects=tuple(Reference(f"indicator--{number}-{at}", f"{number:064x}") for at in range(number % 3)),
        rule="energy-reads-amber",
        rulebook="ab" * 32,
        detail={"why": word or "Größe über 5 \u2028", "path": 'C:\\"x"\n'},
        salt=f"{number:032x}",
    )


EXAMPLE = (
    ("rule-change", "cert", {"by": "approval of grid and water"}, ()),
    (
        "release",
        "grid",
        {},
        ("indicator--0e3c9d2f-5d1b-4e0a-9a3e-6f2b1c7d8e90", "report--7d1f6a52-08c4-4a7e-b5d9-3c2e1f0a9b84"),
    ),
    ("refusal", "water", {"because": "TLP:AMBER+STRICT is not for clients"}, ("report--7d1f6a52-08c4-4a7e-b5d9-3c2e1f0a9b84",)),
    ("read", "cert", {"by": "operator"}, ("report--7d1f6a52-08c4-4a7e-b5d9-3c2e1f0a9b84",)),
    ("withdrawal", "grid", {}, ("indicator--0e3c9d2f-5d1b-4e0a-9a3e-6f2b1c7d8e90",)),
    ("release", "water", {}, ("indicator--0e3c9d2f-5d1b-4e0a-9a3e-6f2b1c7d8e90",)),
)
"""Kind, organisation, detail and objects of the entries in `examples/record`."""


def example() -> list[Entry]:
    """Return the entries in `examples/record`."""
    return [
        Entry(
            time_us=1_794_825_000_123_456 + 61_000_007 * number,
            kind=Kind(kind),
            organisation=organisation,
            purposes=("defence",) if kind in {"release", "refusal"} else (),
            objects=tuple(Reference(item, sha256(item.encode()).hexdigest()) for item in objects),
            rule="energy-reads-amber" if kind in {"release", "refusal"} else "",
            rulebook=sha256(b"rulebook").hexdigest(),
            detail=detail,
            salt=sha256(bytes([number])).hexdigest()[:32],
        )
        for number, (kind, organisation, detail, objects) in enumerate(EXAMPLE)
    ]


def leaves(count: int, word: str = "") -> list[Leaf]:
    """Return the leaves of a log of that many entries; another word makes another history."""
    data = [encode(entry(number, word=word)) for number in range(count)]
    return [Leaf(seq, leaf_hash(item), item) for seq, item in enumerate(data)]


def reading(hashes: Sequence[bytes]) -> Reading:
    """Return the way to read perfect subtrees above leaves."""
    _, made = Frontier().extend(hashes)
    kept = dict(made) | {Subtree(0, number): item for number, item in enumerate(hashes)}
    return lambda wanted: [kept[item] for item in wanted]


def signed(history: Sequence[Leaf], size: int, signer: Signer = SIGNER) -> Note:
    """Return the signed checkpoint of the first leaves."""
    frontier, _ = Frontier().extend([item.hash for item in history[:size]])
    return sign_checkpoint(Checkpoint(signer.name, size, frontier.root()), signer)


def bundle(history: Sequence[Leaf], start: int = 0, sizes: Sequence[int] = (), only: str = "") -> list[bytes]:
    """Return the lines of a bundle of all leaves from one on, with checkpoints of these sizes and of the end."""
    hashes = [item.hash for item in history]
    every = [*sizes, len(history)]
    links = [
        Consistency(old, new, tuple(consistency_proof(old, new, reading(hashes))))
        for old, new in pairwise(every)
        if old < start
    ]
    frontier, _ = Frontier().extend(hashes[:start])
    notes = [str(signed(history, size)) for size in every]
    stretch = Stretch(ORIGIN, len(history), [str(KEY)], notes, frontier, links, only)
    return list(bundle_lines(stretch, history[start:]))


def check(lines: Sequence[bytes], trust: Trust = TRUST) -> Verdict:
    """Return the verdict on a bundle of these lines."""
    return verify_bundle(io.BytesIO(b"".join(lines)), "bundle.jsonl", trust)


def codes(verdict: Verdict) -> list[str]:
    """Return the code and line of each problem."""
    return [f"{problem.code}:{problem.where.line if problem.where else 0}" for problem in verdict.problems]


@contextmanager
def engine(path: Path) -> Iterator[Engine]:
    """Give an engine as a node has: WAL, every commit on the disk, transactions for writing from their start."""
    made = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(made, "connect")
    def connected(connection, _record):
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(made, "begin")
    def begun(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        yield made
    finally:
        made.dispose()


@contextmanager
def record(path: Path) -> Iterator[Connection]:
    """Give a connection to a new record, in a transaction that is committed at the end."""
    with engine(path) as made, made.begin() as connection:
        store.prepare(connection, ORIGIN)
        yield connection


__all__ = [
    "KEY",
    "ORIGIN",
    "SIGNER",
    "TRUST",
    "WITNESS",
    "bundle",
    "check",
    "codes",
    "engine",
    "entry",
    "example",
    "leaves",
    "reading",
    "record",
    "signed",
]
