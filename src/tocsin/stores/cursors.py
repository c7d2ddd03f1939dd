"""How far a node has come with each of its peers: where it goes on, when it last succeeded, and with what it last failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Engine, Integer, String, Table, delete, insert, select, update

from tocsin.stores.database import reading, writing
from tocsin.stores.schema import metadata

_LONGEST: Final = 1_000
peer: Final = Table(
    "peer",
    metadata,
    Column("name", String, primary_key=True),
    Column("way", String, nullable=False),
    Column("cursor", String, nullable=False),
    Column("tried", BigInteger, nullable=False),
    Column("succeeded", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("faulted", BigInteger, nullable=False),
    Column("fault", String, nullable=False),
)
seen: Final = Table(
    "peer_seen",
    metadata,
    Column("peer", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("way", String, nullable=False),
    Column("state", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is with a peer. Moments are in microseconds since 1970 UTC, 0 for never.

    `way` says of what the `cursor` is: another address or collection begins anew. `failures` counts those since the last
    success, `fault` is the last one, which stays to be read when it is over.
    """

    way: str = ""
    cursor: str = ""
    tried: int = 0
    succeeded: int = 0
    failures: int = 0
    faulted: int = 0
    fault: str = ""


class CursorStore:
    """Cursors in a database. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    def progress(self, name: str) -> Progress:
        """Return how far it is with a peer."""
        columns = [column for column in peer.c if column.name != "name"]
        with reading(self._engine) as connection:
            row = connection.execute(select(*columns).where(peer.c.name == name)).first()
        return Progress() if row is None else Progress(*row)

    def cursor(self, name: str, way: str) -> str:
        """Return where to go on, empty for the beginning."""
        found = self.progress(name)
        return found.cursor if found.way == way else ""

    def move(self, name: str, way: str, cursor: str) -> None:
        """Keep where to go on. What is before it has to be written already."""
        self._put(name, {"way": way, "cursor": cursor})

    def seen(self, name: str, way: str) -> dict[str, str]:
        """Return the parts of a peer that were taken, each with the state in which it was."""
        query = select(seen.c.name, seen.c.state).where(seen.c.peer == name, seen.c.way == way)
        with reading(self._engine) as connection:
            return {row.name: row.state for row in connection.execute(query)}

    def see(self, name: str, way: str, part: str, state: str) -> None:
        """Keep that a part of a peer was taken in a state."""
        with writing(self._engine) as connection:
            connection.execute(delete(seen).where(seen.c.peer == name, seen.c.name == part))
            connection.execute(insert(seen).values(peer=name, name=part, way=way, state=state))

    def begin(self, name: str) -> None:
        """Keep that a peer is tried now."""
        self._put(name, {"tried": self._clock()})

    def succeed(self, name: str) -> None:
        """Keep that all went well now."""
        self._put(name, {"succeeded": self._clock(), "failures": 0})

    def fail(self, name: str, fault: str) -> int:
        """Keep a fault; return how many there are since the last success."""
        failures = self.progress(name).failures + 1
        self._put(name, {"faulted": self._clock(), "fault": fault[:_LONGEST], "failures": failures})
        return failures

    def _put(self, name: str, values: dict[str, Any]) -> None:
        with writing(self._engine) as connection:
            if not connection.execute(update(peer).where(peer.c.name == name).values(values)).rowcount:
                empty = {"way": "", "cursor": "", "tried": 0, "succeeded": 0, "failures": 0, "faulted": 0, "fault": ""}
                connection.execute(insert(peer).values({"name": name, **empty, **values}))


__all__ = ["CursorStore", "Progress"]
