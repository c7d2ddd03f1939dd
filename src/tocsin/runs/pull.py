"""A peer to pull from, and what came of a run with it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import PeerError
from tocsin.runs.intake import Told
from tocsin.runs.node import Node, check_caller
from tocsin.runs.node_file import Collection
from tocsin.runs.peers_file import Peer
from tocsin.sharing.decisions import Caller

_TOLD: Final = 20
"""How many refused objects are told of one by one."""
_LONGEST_RUN_S: Final = 3_600


@dataclass(slots=True)
class Came:
    """What came of a run with a peer: numbers of objects, and why some were refused."""

    taken: int = 0
    known: int = 0
    refused: int = 0
    withdrawn: int = 0
    why: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, told: Iterable[Told]) -> None:
        """Count what became of objects."""
        for item in told:
            if item.why_not:
                self.refuse(f"{item.id or 'an object without id'}: {item.why_not}")
            elif item.known:
                self.known += 1
            else:
                self.taken += 1

    def refuse(self, why: str) -> None:
        """Count one object that was not taken."""
        self.refused += 1
        if len(self.why) < _TOLD:
            self.why.append(f"refused {why}")

    def __str__(self) -> str:
        """Return the numbers in words."""
        words = f"{self.taken:,} taken, {self.known:,} known, {self.refused:,} refused"
        return f"{words}, {self.withdrawn:,} withdrawn" if self.withdrawn else words

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing came of it that anybody has to be told."""
        return not (self.taken or self.refused or self.withdrawn)

    @property
    def untold(self) -> int:
        """Return how many were refused whose reasons are not in `why`."""
        return self.refused - len(self.why)

    @property
    def read(self) -> int:
        """Return how many objects there were."""
        return self.taken + self.known + self.refused


@dataclass(frozen=True, slots=True)
class Pull:
    """A peer to pull from: its name, what the file says of it, and whose its objects become where."""

    node: Node
    name: str
    peer: Peer
    caller: Caller
    collection: Collection

    @property
    def way(self) -> str:
        """Return of what a cursor is: of another address or collection it would mean something else."""
        return " ".join((self.peer.kind, self.peer.url, self.peer.remote, self.peer.local, self.peer.organisation))


def pull_of(node: Node, name: str, peer: Peer) -> Pull:
    """Return the pull from a peer.

    Raises: NodeError N007 when the rulebook does not know its organisation; PeerError N071 when it takes nothing from it there.
    """
    caller = Caller(peer.organisation)
    check_caller(node.rules.book, caller)
    found = node.collection(caller, peer.local)
    if found is None or not found.can_write:
        hint = "add a rule with 'may: write' for it"
        raise PeerError("N071", f"the rulebook lets {peer.organisation} write nothing into {peer.local}", hint=hint)
    return Pull(node, name, peer, caller, found.collection)


def check_end(pull: Pull, came: Came, waiting: int = 0) -> None:
    """Raise PeerError N069 or N065 when a peer gives more, or takes longer, than it may in one run.

    The next run goes on behind what was taken. `waiting` is how much was read beside what `came`.
    """
    if came.read + waiting > pull.peer.most_objects:
        hint = "raise most_objects of the peer if this is expected"
        raise PeerError("N069", f"{pull.name} gives more than {pull.peer.most_objects:,} objects in one run", hint=hint)
    if time.monotonic() - came.began > _LONGEST_RUN_S:
        raise PeerError("N065", f"{pull.name} is not at its end after {_LONGEST_RUN_S:,} seconds; the next run goes on")


__all__ = ["Came", "Pull", "check_end", "pull_of"]
