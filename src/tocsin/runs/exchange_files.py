"""Files of intelligence into a node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.errors import UsageError
from tocsin.feeds.interface import LEFT_OUT, Incoming, Rejected
from tocsin.feeds.strict import strictly
from tocsin.runs.intake import Told, keep, terms
from tocsin.runs.node import Node
from tocsin.runs.node_file import Collection
from tocsin.runs.shared_files import read_file
from tocsin.sharing.decisions import Caller

PIECE: Final = 20_000
"""Objects of a file that are kept in one transaction. All who ask wait for it, since each answer is recorded first."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of each part of a file, and the receipts: one for each transaction."""

    told: list[Told]
    receipts: list[str]

    @property
    def left_out(self) -> list[Told]:
        """Return the parts that have no counterpart in STIX."""
        return [item for item in self.told if item.code in LEFT_OUT]

    @property
    def refused(self) -> list[Told]:
        """Return what was refused."""
        return [item for item in self.told if item.why_not and item.code not in LEFT_OUT]

    @property
    def known(self) -> int:
        """Return how many objects were here already."""
        return sum(item.known for item in self.told)

    @property
    def taken(self) -> int:
        """Return how many objects are new here."""
        return sum(not item.known and not item.why_not for item in self.told)


def import_file(node: Node, caller: Caller, collection: Collection, path: Path, *, strict: bool = False) -> Imported:
    """Keep what a file holds for a collection, which `runs.rights.for_writing` returned for the caller.

    The markings of a file are those of all of it; it is kept in pieces, so that others can write in between. A piece is kept
    whole or not at all, and what was kept once is known when the file is read again. What has no version is one by the moment
    it is added, so that no piece has two contents of it. Raises: UsageError X001 to X005; those of the database.
    """
    read = read_file(path, str(path), terms(node))
    detail = {"what": "import", **({"sha256": _digest(path)} if path.is_file() else {})}
    done = Imported([], [])
    for piece in _pieces(strictly(read) if strict else read):
        told, receipt = keep(node, caller, collection, piece, detail)
        done.told.extend(told)
        done.receipts.append(receipt)
    return done


def _pieces(parts: Iterable[Incoming | Rejected]) -> Iterator[list[Incoming | Rejected]]:
    """Yield the parts of a file in their order, as many at once as one transaction keeps; one piece at least."""
    piece: list[Incoming | Rejected] = []
    bodies: dict[str, bytes] = {}
    for part in parts:
        bare = part if isinstance(part, Incoming) and part.version is None else None
        if len(piece) == PIECE or (bare and bodies.get(bare.id, bare.body) != bare.body):
            yield piece
            piece, bodies = [], {}
        piece.append(part)
        if bare:
            bodies[bare.id] = bare.body
    yield piece


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError("X001", f"{path}: cannot be read: {error.strerror}", hint="check its rights") from error


__all__ = ["PIECE", "Imported", "import_file"]
